"""Least squares with a penalty on the masses of neurons in the plane, on given directions or on those that slide.

The least `|f - y|^2 / 2 + shift sum_k |v_k|` over `f(x) = sum_k signs_k relu(v_k . x)`: `nonnegative` finds the masses
on given directions, `merged` adds up neurons of one wedge, and `slid` moves vectors within their wedges, where f is
linear in them, by Newton's method. Used by `weight_decay`, which adds the directions.
"""

from __future__ import annotations

import numpy as np

from alignmath.plane.folding import EXTENDED

__all__ = ["merged", "nonnegative", "slid", "values"]

_EPS = float(np.finfo(float).eps)
_NEWTON = 60
_NOTHING = 1e-13
"""A neuron's share of the whole below which it is left out."""
_ON_KINK = 1e-13
"""Sine of the angle between a sample and a kink below which the sample is on it."""


def values(x: np.ndarray, vectors: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """f at `x (N, d)` of the neurons `vectors (K, d)` with `signs (K,)`, summed in extended precision.

    >>> values(np.eye(2), np.array([[1.0, 2.0]]), np.array([-1.0])).astype(float)
    array([-1., -2.])
    """
    return np.maximum(x.astype(EXTENDED) @ vectors.T, 0) @ signs.astype(EXTENDED)


def nonnegative(
    columns: np.ndarray, target: np.ndarray, shift: float, start: np.ndarray, accuracy: float
) -> np.ndarray:
    """m >= 0 of least `|columns m - target|^2 / 2 + shift sum m`, by active sets from `start` (Lawson and Hanson).

    accuracy: relative to `shift`, of the gradient.

    >>> nonnegative(np.eye(2), np.array([3.0, -1.0]), 0.5, np.zeros(2), 1e-9)
    array([2.5, 0. ])
    """
    mass, passive = start.copy(), start > 0
    size, banned = np.linalg.norm(columns, axis=0), np.zeros(len(mass), dtype=bool)
    added = -1
    for _ in range(20 * len(mass) + 100):
        while passive.any():
            chosen = np.flatnonzero(passive)
            q, r = np.linalg.qr(columns[:, chosen])
            diagonal = np.abs(np.diag(r))
            if len(chosen) > len(target) or diagonal.min() <= 1e-12 * diagonal.max():
                along = np.linalg.svd(columns[:, chosen])[2][-1]  # dependent: less mass for the same values
                along = along if along.sum() < 0 else -along
                steps = np.where(along < 0, mass[chosen] / np.maximum(-along, 1e-300), np.inf)
                mass[chosen] = np.maximum(mass[chosen] + steps.min() * along, 0)
                gone = chosen[np.argmin(steps)]
                passive[gone], mass[gone], banned[gone] = False, 0.0, True  # or it would come back for ever
                continue
            aim = _least(q, r, target, np.full(len(chosen), shift))
            if np.all(aim > 0):
                mass[chosen] = aim
                break
            if added in chosen[aim <= 0] and mass[added] == 0:  # a gain of rounding's making
                passive[added], banned[added] = False, True
                continue
            falling = aim <= 0
            steps = mass[chosen][falling] / np.maximum(mass[chosen][falling] - aim[falling], 1e-300)
            step = float(steps.min())
            mass[chosen] += step * (aim - mass[chosen])
            gone = chosen[falling & (mass[chosen] <= 1e-15 * max(1.0, mass.max()))]
            gone = gone if len(gone) else chosen[falling][np.argmin(steps)][None]
            passive[gone], mass[gone] = False, 0.0
        gain = columns.T @ (target - columns @ mass) - shift
        gain[passive | banned] = -np.inf
        best = int(np.argmax(gain))
        if gain[best] <= accuracy * shift + 100 * _EPS * size[best] * np.linalg.norm(target):
            break
        passive[best], added = True, best
    return mass


def _least(q: np.ndarray, r: np.ndarray, target: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """d of least `|q r d - target|^2 / 2 + linear . d`."""
    from scipy.linalg import solve_triangular

    return solve_triangular(r, q.T @ target - solve_triangular(r, linear, trans=1))


def merged(x: np.ndarray, vectors: np.ndarray, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Neighbouring neurons of one sign with the same active samples, those on their kinks left aside, added up.

    >>> merged(np.eye(2), np.array([[1.0, 2.0], [2.0, 1.0]]), np.ones(2))[0]
    array([[3., 3.]])
    """
    order = np.lexsort((np.arctan2(vectors[:, 1], vectors[:, 0]), signs))
    vectors, signs = vectors[order], signs[order]
    active = _sides(x, vectors).astype(int)
    groups: list[list[int]] = []

    def together(group: list[int], other: list[int]) -> bool:
        side, other_side = (np.sign(np.sum(active[:, members], axis=1)) for members in (group, other))
        return signs[group[0]] == signs[other[0]] and not np.any(side * other_side < 0)

    for k in range(len(vectors)):
        if groups and together(groups[-1], [k]):
            groups[-1].append(k)
        else:
            groups.append([k])
    for sign in (1, -1):  # the angle's cut may divide a wedge
        own = [group for group in groups if signs[group[0]] == sign]
        if len(own) > 1 and together(own[0], own[-1]):
            groups.remove(own[-1])
            own[0].extend(own[-1])
    return np.array([vectors[group].sum(axis=0) for group in groups]).reshape(-1, 2), np.array(
        [signs[group[0]] for group in groups]
    )


def _sides(x: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """1 or -1 by the side of each neuron `(K,)` that each sample `(N,)` is on, 0 on its kink."""
    products = x @ vectors.T
    slack = _ON_KINK * np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(vectors, axis=1)
    return np.where(np.abs(products) <= slack, 0, np.sign(products))


def slid(
    x: np.ndarray, y: np.ndarray, shift: float, vectors: np.ndarray, signs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors and signs of least objective with the given ones' wedges, and the multipliers `(N,)` of that place.

    A vector that comes to a sample's kink keeps its direction from then on; one that comes to 0 is left out. The
    multipliers are those that Newton's last step leads to, where the misfit over a small shift has the rounding of f.

    >>> x, y = np.eye(2), np.array([1.0, 2.0])
    >>> vectors, _, multipliers = slid(x, y, 0.1, np.array([[1.0, 1.0]]), np.ones(1))
    >>> vectors.round(4), multipliers.round(4)
    (array([[0.9553, 1.9106]]), array([0.4472, 0.8944]))
    """
    for _ in range(_NEWTON):
        size = np.linalg.norm(vectors, axis=1)
        live = size > _NOTHING * size.sum()
        vectors, signs = merged(x, vectors[live], signs[live])
        if not len(vectors):
            break
        misfit, objective = _objective(x, y, shift, vectors, signs)
        side = _sides(x, vectors)
        newton = _newton(x, misfit, shift, vectors, signs, side)
        if newton is None:
            break
        move, multipliers = newton
        size = np.linalg.norm(vectors, axis=1)
        products, toward = np.abs(x @ vectors.T), x @ move.T
        reach = np.where(side * toward < 0, products / np.maximum(np.abs(toward), 1e-300), np.inf).min(axis=0)
        shorter = -np.sum(move * vectors, axis=1) / size**2
        vanish = np.where(shorter > 0, 1 / np.maximum(shorter, 1e-300), np.inf)
        step = min(1.0, float(reach.min()), float(vanish.min()))
        if step == 1 and np.all(np.linalg.norm(move, axis=1) <= 1e-9 * size):
            return vectors, signs, multipliers
        trial = np.where((vanish <= step)[:, None], 0, vectors + step * move)
        while _objective(x, y, shift, trial, signs)[1] > objective * (1 + 16 * _EPS):
            step /= 2
            if step < 1e-9:
                return vectors, signs, misfit / shift
            trial = vectors + step * move
        vectors = trial
    return vectors, signs, (y - values(x, vectors, signs)).astype(float) / shift


def _objective(
    x: np.ndarray, y: np.ndarray, shift: float, vectors: np.ndarray, signs: np.ndarray
) -> tuple[np.ndarray, float]:
    """The misfit and the objective."""
    misfit = (y - values(x, vectors, signs)).astype(float)
    return misfit, float(misfit @ misfit) / 2 + shift * float(np.linalg.norm(vectors, axis=1).sum())


def _newton(
    x: np.ndarray, misfit: np.ndarray, shift: float, vectors: np.ndarray, signs: np.ndarray, side: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Newton's step `(K, 2)`: radial for all vectors, and across for those with no sample on their kinks; and the
    multipliers `(N,)` there. None where neurons depend on each other."""
    from scipy.linalg import solve_triangular

    k, size = len(vectors), np.linalg.norm(vectors, axis=1)
    units = vectors / size[:, None]
    turned = np.stack([-units[:, 1], units[:, 0]], axis=1)
    free = ~np.any(side == 0, axis=0)
    active = (side > 0) * signs
    columns = np.concatenate([active * (x @ units.T), (active * (x @ turned.T))[:, free]], axis=1)
    bend = np.diag(np.concatenate([np.zeros(k), np.sqrt(shift / size[free])]))[k:]
    q, r = np.linalg.qr(np.concatenate([columns, bend]))
    diagonal = np.abs(np.diag(r))
    if len(q) < r.shape[1] or diagonal.min() <= 1e-13 * diagonal.max():
        return None
    q = q[: len(x)]
    linear = np.concatenate([np.ones(k), np.zeros(r.shape[1] - k)])
    rest = q.T @ (misfit / shift) - solve_triangular(r, linear, trans=1)
    step = shift * solve_triangular(r, rest)
    move = step[:k, None] * units
    move[free] += step[k:, None] * turned[free]
    return move, misfit / shift - q @ rest
