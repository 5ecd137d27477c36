"""Neurons of a minimum-norm network in the plane: merged within gaps, shared between opposite directions, polished.

Kinks sit in the gaps between folded samples (`alignmath.plane.folding`). Neurons of one sign whose kinks lie in one
closed gap add up to a single one with the same values at every sample and no larger `sum |c_k|`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from alignmath.networks import TwoLayer
from alignmath.plane.folding import EXTENDED, Folded
from alignmath.plane.kinks import evaluate

__all__ = ["Masses", "Neurons", "accurate_values", "merged", "polished", "refined", "shared"]

_SHARED = 300
"""More masses than this are shared between opposite directions greedily, all but about so many."""
_DENSE = 1e9
"""Multiplications a dense least-squares polish may take; beyond, the linear program's own accuracy stands."""
_DIRECT = 100_000
"""Products of samples and neurons that are computed one by one in extended precision."""
_PASSES, _PASS = 4, 10
"""`refined`: how often at most, and conjugate gradients each time."""
_FEW = 100
"""Of more neurons than this the largest keep their masses in `refined`, as their rounding is what is to be mended."""
_EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Neurons:
    """k neurons by their kinks in the gaps of folded samples.

    - gap, offset: `(k,)`, the index of the gap of each kink, and how far into it, radians
    - direction: `(k, 2)`, unit vectors
    - mass: `(k,)`, signed

    >>> neurons = Neurons(np.array([0]), np.array([0.0]), np.array([[1.0, 0.0]]), np.array([-4.0]))
    >>> neurons.cost, neurons.network.hidden
    (4.0, array([[2., 0.]]))
    """

    gap: np.ndarray
    offset: np.ndarray
    direction: np.ndarray
    mass: np.ndarray

    @property
    def cost(self) -> float:
        """`sum |c_k|`, infinite for masses that could not be shared."""
        return float(np.abs(self.mass).sum())

    @property
    def network(self) -> TwoLayer:
        """The balanced network, `|a_j| = |b_j|`; one silent neuron if there are none."""
        if not len(self.mass):
            return TwoLayer(np.zeros((1, 2)), np.zeros(1))
        root = np.sqrt(np.abs(self.mass))
        return TwoLayer(root[:, None] * self.direction, np.sign(self.mass) * root)

    def only(self, kept: np.ndarray) -> Neurons:
        """Some of them."""
        return Neurons(self.gap[kept], self.offset[kept], self.direction[kept], self.mass[kept])


class Masses(NamedTuple):
    """Signed masses by their kinks in the gaps of folded samples.

    - gap, offset: `(k,)`, the index of the gap of each kink, and how far into it, radians
    - turn: `(k,)`, 0 for masses yet to be shared between the two directions of a kink, else the side they are on
    - mass: `(k,)`

    >>> len(Masses(*np.zeros((4, 2))).mass)
    2
    """

    gap: np.ndarray
    offset: np.ndarray
    turn: np.ndarray
    mass: np.ndarray


def merged(folded: Folded, masses: Masses) -> Masses:
    """The masses with at most one of each sign and turn inside a gap, and then none at its ends (but at the wrap, where
    the side changes its name).

    >>> from alignmath.plane.folding import fold
    >>> masses = Masses(np.array([1, 1]), np.array([0.2, 0.4]), np.zeros(2), np.ones(2))
    >>> merged(fold(np.eye(2)), masses).offset.round(9)
    array([0.3])
    """
    gap, offset, turn, mass = masses
    n = len(folded.sine)
    parts = []
    for sign in (1, -1):
        for side in np.unique(turn):
            chosen = (np.sign(mass) == sign) & (turn == side)
            inner = chosen & (offset > 0)
            along = np.bincount(gap[inner], np.abs(mass[inner]) * np.cos(offset[inner]), n).astype(float)
            across = np.bincount(gap[inner], np.abs(mass[inner]) * np.sin(offset[inner]), n).astype(float)
            node = np.bincount(gap[chosen & ~inner], np.abs(mass[chosen & ~inner]), n).astype(float)
            for target in (along > 0, _paired(node > 0)):  # gaps with a neuron inside, then those with two at the ends
                forward = target & (node > 0)
                along += np.where(forward, node, 0)
                node = np.where(forward, 0, node)
                backward = np.roll(target, 1) & (node > 0)
                if side:
                    backward[0] = False
                received = np.roll(np.where(backward, node, 0), -1)
                along += received * np.cos(folded.gaps)
                across += received * np.sin(folded.gaps)
                node = np.where(backward, 0, node)
            inside, ends = np.flatnonzero((along > 0) | (across > 0)), np.flatnonzero(node)
            places = np.concatenate([np.arctan2(across, along)[inside], np.zeros(len(ends))])
            sizes = np.concatenate([np.hypot(along, across)[inside], node[ends]])
            gaps = np.concatenate([inside, ends])
            parts.append((gaps, np.minimum(places, folded.gaps[gaps]), np.full(len(gaps), side), sign * sizes))
    if not parts:
        return masses
    return Masses(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _paired(on: np.ndarray) -> np.ndarray:
    """Gaps whose two ends are both `on`, every second one along a run, so that no end is in two."""
    both = on & np.append(on[1:], False)
    position = np.arange(len(on))
    starts = np.maximum.accumulate(np.where(both & ~np.append(False, both[:-1]), position, 0))
    return both & ((position - starts) % 2 == 0)


def shared(mass: np.ndarray, directions: np.ndarray, total: np.ndarray) -> np.ndarray:
    """d `(k,)` with `sum d_k u_k = total` and the least `sum max(|s_k|, |d_k|)`: a neuron's share on u less that on -u.

    Of very many masses most are put on one side or the other as they come, the largest first, so as to approach the
    total; a linear program shares the rest. Infinite where no shares have that total.

    >>> shared(np.array([2.0, 1.0]), np.eye(2), np.array([1.0, -1.0]))
    array([ 1., -1.])
    """
    k = len(mass)
    if k > _SHARED:
        order = np.argsort(-np.abs(mass))
        last = order[:: k // _SHARED]
        first = order[np.isin(np.arange(k), np.arange(0, k, k // _SHARED), invert=True)]
        d = np.zeros(k)
        d[first] = _greedy(np.abs(mass[first]), directions[first], total)
        d[last] = _least_shares(mass[last], directions[last], total - d @ directions)
        if np.all(np.abs(d[last]) <= np.abs(mass[last]) * (1 + 1e-9)):
            return d
    return _least_shares(mass, directions, total)


def _greedy(size: np.ndarray, directions: np.ndarray, total: np.ndarray) -> np.ndarray:
    x, y = float(total[0]), float(total[1])
    signs = []
    for s, a, b in zip(size.tolist(), directions[:, 0].tolist(), directions[:, 1].tolist(), strict=True):
        signed = s if a * x + b * y > 0 else -s
        x -= signed * a
        y -= signed * b
        signs.append(signed)
    return np.array(signs)


def _least_shares(mass: np.ndarray, directions: np.ndarray, total: np.ndarray) -> np.ndarray:
    if not len(mass):
        return mass
    from scipy.optimize import linprog

    scale = float(np.abs(mass).sum())
    size, k = np.abs(mass) / scale, len(mass)
    columns = np.concatenate([directions, directions, -directions]).T
    cost = np.concatenate([np.zeros(k), np.ones(2 * k)])
    bounds = np.concatenate([np.stack([-size, size], axis=1), np.tile([0, np.inf], (2 * k, 1))])
    program = linprog(cost, A_eq=columns, b_eq=total / scale, bounds=bounds, method="highs-ds")
    if program.status != 0:  # the directions of all neurons lie on one line, and the total does not
        return np.full(k, np.inf)
    shares = program.x
    d = scale * (shares[:k] + shares[k : 2 * k] - shares[2 * k :])
    inner = np.abs(np.abs(d) - np.abs(mass)) > 1e-9 * np.abs(mass)
    for moved in (inner, np.ones(k, dtype=bool)):  # the program's equations hold to its tolerance: now to rounding
        if moved.any() and np.abs(total - d @ directions).max() > 4 * _EPS * scale:
            vectors = directions[moved] * np.abs(mass[moved, None])
            d[moved] += np.abs(mass[moved]) * np.linalg.lstsq(vectors.T, total - d @ directions, rcond=None)[0]
    return d if np.abs(total - d @ directions).max() <= 100 * _EPS * scale else np.full(k, np.inf)


def polished(neurons: Neurons, folded: Folded, units: np.ndarray, heights: np.ndarray) -> Neurons:
    """The neurons moved by rounding's worth, each within its gap, so that the residual is one of rounding too.

    f is linear in the vectors `c_k u_k` while kinks stay in their gaps: least squares, over all samples. Neurons of
    relative size 1e-9 are left out if the others then do as well.

    >>> from alignmath.plane.folding import fold
    >>> neurons = Neurons(np.array([3]), np.array([0.14]), np.array([[0.6, 0.8]]), np.array([1.4]))
    >>> moved = polished(neurons, fold(np.eye(2)), np.eye(2), np.ones(2))
    >>> moved.network(np.eye(2)).round(12)
    array([1., 1.])
    """
    size = np.abs(neurons.mass)
    large = neurons.only(size > 1e-9 * size.sum())
    aim = 80 * _EPS * neurons.cost
    best, least = neurons, float(np.abs(heights - evaluate(neurons.network, units)).max())
    for start in [large, neurons] if len(large.mass) < len(size) else [neurons]:
        moved, residual = _polish(start, folded, units, heights, aim)
        if residual <= aim:
            return moved
        if residual < least:
            best, least = moved, residual
    return best


def _polish(
    neurons: Neurons, folded: Folded, units: np.ndarray, heights: np.ndarray, aim: float
) -> tuple[Neurons, float]:
    rest = heights - evaluate(neurons.network, units)
    residual = float(np.abs(rest).max())
    k = len(neurons.mass)
    for _ in range(4):
        if residual <= aim or not k or len(units) * (2.0 * k) ** 2 > _DENSE:
            break
        along = units @ neurons.direction.T
        turned = np.stack([-neurons.direction[:, 1], neurons.direction[:, 0]], axis=1)
        gaps = folded.gaps[neurons.gap]
        free = np.minimum(neurons.offset, gaps - neurons.offset) > 1e-9 * gaps
        columns = np.concatenate([np.maximum(along, 0), np.where(along > 0, units @ turned.T, 0)[:, free]], axis=1)
        change = np.linalg.lstsq(columns, rest, rcond=1e-14)[0]
        vectors = (neurons.mass + change[:k])[:, None] * neurons.direction
        vectors[free] += change[k:, None] * turned[free]
        mass = np.sign(neurons.mass) * np.hypot(vectors[:, 0], vectors[:, 1])
        moved = Neurons(neurons.gap, neurons.offset, vectors / mass[:, None], mass)
        rest = heights - evaluate(moved.network, units)
        if not np.abs(rest).max() < residual:
            break
        neurons, residual = moved, float(np.abs(rest).max())
    return neurons, residual


def accurate_values(network: TwoLayer, x: np.ndarray) -> np.ndarray:
    """f at x `(N, d)`, extended: summed so where that takes some milliseconds, or d is not 2; else by `evaluate`.

    >>> accurate_values(TwoLayer([[1.0, 0.0]], [2.0]), np.eye(2)).astype(float)
    array([2., 0.])
    """
    if x.shape[1] == 2 and len(x) * network.width > _DIRECT:
        return evaluate(network, x.astype(float)).astype(EXTENDED)
    return np.maximum(x.astype(EXTENDED) @ network.hidden.T, 0) @ network.output


def refined(neurons: Neurons, units: np.ndarray, heights: np.ndarray, allowed: np.ndarray) -> Neurons:
    """The neurons with masses moved by rounding's worth, so that residuals are half of what is `allowed (N,)`, if not.

    Rounding of few large masses is most of a residual, and small ones can make up for it: least squares by conjugate
    gradients, the products in linearithmic time, for the many neurons that `polished` does not move. units `(N, 2)` and
    heights `(N,)` are extended, so that their rounding is none.

    >>> neurons = Neurons(np.zeros(2, int), np.zeros(2), np.eye(2), np.array([1.0, 2.0 + 1e-9]))
    >>> refined(neurons, np.eye(2), np.array([1.0, 2.0]), np.full(2, 1e-12)).mass
    array([1., 2.])
    """
    from scipy.sparse.linalg import LinearOperator, lsqr

    size = np.abs(neurons.mass)
    weights = np.sqrt(size / size.max(initial=1e-300))
    if len(size) > _FEW:
        weights = np.where(size > 1e-3 * size.max(), 0, weights)

    def values(masses: np.ndarray) -> np.ndarray:
        return evaluate(TwoLayer(neurons.direction, masses), near)

    def at_neurons(multipliers: np.ndarray) -> np.ndarray:
        return evaluate(TwoLayer(near, multipliers), neurons.direction)

    near = units.astype(float)
    operator = LinearOperator(
        (len(units), len(size)),
        matvec=lambda change: values(weights * change.ravel()),
        rmatvec=lambda multipliers: weights * at_neurons(multipliers.ravel()),
    )
    rest = (heights - accurate_values(neurons.network, units)).astype(float)
    for _ in range(_PASSES):
        if not len(size) or np.all(np.abs(rest) <= 0.5 * allowed):
            break
        change = weights * lsqr(operator, rest, iter_lim=_PASS, atol=1e-14, btol=1e-14)[0]
        moved = replace(neurons, mass=neurons.mass + change)
        left = (heights - accurate_values(moved.network, units)).astype(float)
        before, after = np.abs(rest).max(), np.abs(left).max()
        if after < before:
            neurons, rest = moved, left
        if after > 0.5 * before:  # down to the rounding of the masses that were moved
            break
    return neurons
