"""Minimum-norm interpolation in the plane as a linear program in the node values of the folded dual function.

The dual of `solvers.interpolation`'s problem is the largest `y . lambda` with `|p| <= 1` in every direction, on
`node_program` the largest `b . eta`, `b = T y`. With a good guess of the linear part v of the network the objective is
`(b - B v) . eta + 2 v . q`: second differences that are 0, or small, say where the network has kinks.

First q is held at 0, which leaves n bounded variables and two equations; the optimum is that of the whole problem if
`2 v` is a sum of `d_k u_k` with `|d_k| <= |s_k|`, and else q is let go.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignmath.plane.folding import EXTENDED, Folded

from .merging import Masses, Neurons, merged, shared
from .node_program import NodeProgram, two_pairs
from .solution import NotCertified

__all__ = ["NodeSolution", "solve_nodes", "worth_keeping"]

_ROUNDS = 80
_MOST = 200_000_000
"""Most nodes times gaps left for cuts: a pivot for each cut takes time proportional to the nodes."""
_STALLED = 8
"""Rounds without a smaller gap after which more of them will not help, but a dual in the middle may."""
_MANY = 1000
_SPREAD = 60
"""`worth_keeping`: below so many nodes all samples are kept; how many are kept for good measure."""
_FEW = 3000
"""Up to so many nodes an open gap is a reason to let q go; beyond, only shares that are not to be had."""
_EPS = np.finfo(float).eps
_VALUE = operator.itemgetter(0)


@dataclass(frozen=True, eq=False)
class NodeSolution:
    """Neurons that interpolate, and the dual that bounds their cost from below; see `solve_nodes`.

    - neurons: `Neurons`
    - multipliers: `(N,)`, of the samples, extended, with `|p| <= 1`
    - value: float, `y . multipliers`
    - even_cost: float, of the even part, below that of the neurons where opposite directions could not share it
    - rounding: bool, whether second differences were taken for rounding of the labels
    - rounds, iterations: ints, of cuts, and of the simplex method

    >>> from alignmath.plane.folding import fold
    >>> solve_nodes(fold(np.eye(2)), np.ones(2), 1e-8).neurons.network.width
    1
    """

    neurons: Neurons
    multipliers: np.ndarray
    value: float
    even_cost: float
    rounding: bool
    rounds: int
    iterations: int


def solve_nodes(folded: Folded, heights: np.ndarray, tolerance: float, *, rounding: bool = True) -> NodeSolution:
    """Neurons and multipliers for samples of length 1, labels `heights (N,)`, to a relative gap of some `tolerance`.

    rounding: take second differences of the labels that rounding of the labels explains for 0, as those of a teacher
    are between its kinks; where samples are so close that this costs more than the tolerance, pass False.
    `NotCertified` if the linear program fails; whether the gap is small is for the caller to judge.

    >>> from alignmath.plane.folding import fold
    >>> solution = solve_nodes(fold(np.eye(2)), np.ones(2), 1e-8)
    >>> round(solution.neurons.cost, 9), round(float(solution.value), 9)
    (1.414213562, 1.414213562)
    """
    problem = _Problem(folded, heights, tolerance, rounding)
    solution = problem.solved(odd_part=False)
    cost = solution.neurons.cost
    unshared = not cost <= solution.even_cost * (1 + 0.1 * tolerance)
    open_gap = not abs(cost - solution.value) <= 0.5 * tolerance * solution.value or solution.value <= 0
    if unshared or (open_gap and len(folded.sine) <= _FEW):
        return problem.solved(odd_part=True)
    return solution


def worth_keeping(folded: Folded, heights: np.ndarray) -> np.ndarray | None:
    """Samples that are likely to determine the network, where the labels of most are those of one without a kink there.

    Those at kinks with three neighbours on each side, some spread evenly, and some pairs of neighbours on different
    sides, which determine the linear part. None if too few can be left out to be worth the trouble.

    >>> from alignmath.plane.folding import fold
    >>> worth_keeping(fold(np.eye(2)), np.ones(2)) is None
    True
    """
    n = len(folded.sine)
    if n < _MANY:
        return None
    quiet = _Problem(folded, heights, 1e-8, True).quiet
    if not quiet.any():
        return None
    near = ~quiet
    for shift in range(1, 4):
        near |= np.roll(~quiet, shift) | np.roll(~quiet, -shift)
    near[:: n // _SPREAD] = True
    flips = np.flatnonzero(folded.odd * np.roll(folded.odd, -1) < 0)
    flips = flips[:: max(1, len(flips) // _SPREAD)]
    near[flips] = near[(flips + 1) % n] = True
    if near.mean() > 0.5:
        return None
    samples = np.concatenate([folded.plus[near], folded.minus[near]])
    return np.sort(samples[samples >= 0])


class _Problem:
    """The labels as second differences, the linear program's rounds, and how its answers are read."""

    def __init__(self, folded: Folded, heights: np.ndarray, tolerance: float, rounding: bool) -> None:
        self.folded, self.tolerance = folded, tolerance
        n = len(folded.sine)
        even, self.pairs = _even(folded, heights), two_pairs(folded)
        odd = (heights[folded.plus[self.pairs]] - heights[folded.minus[self.pairs]]) / 2
        self.v = _robust_start(folded, even, self.pairs, odd)
        self.cost = folded.second_difference(even - (folded.odd[:, None] * folded.nodes) @ self.v)
        self.pair_cost = odd - folded.nodes[self.pairs] @ self.v
        quiet = (np.abs(self.cost) <= _noise(folded, even, self.v)) & ~folded.near_phantom
        self.quiet = quiet & (rounding and np.count_nonzero(quiet) > 0.5 * n)  # else a small one is small by chance
        self.cost = np.where(self.quiet, 0, self.cost)
        self.cost_scale = max(float(np.abs(self.cost).sum() / n), 1e-6 * float(np.abs(heights).max()))
        self.cuts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.rounds = self.iterations = 0

    def _program(self, odd_part: bool) -> NodeProgram:
        bound, gaps = np.ones(len(self.cost)), self.folded.gaps
        widest = np.maximum(gaps, np.roll(gaps, 1))
        bound[self.quiet] -= np.minimum(0.1, 0.3 * widest[self.quiet] ** 2)  # they cost nothing: no peaks beside them
        if not odd_part:
            np.minimum(bound, self._corners(), out=bound)
        if odd_part:  # v counts as well
            self.cost_scale = max(self.cost_scale, 0.01 * float(np.hypot(*self.v)))
        objective = np.concatenate([self.cost, self.pair_cost, 2 * self.v]) / self.cost_scale
        program = NodeProgram(self.folded, self.pairs, bound, objective, odd_part=odd_part)
        for gap, offset, _ in self.cuts:
            for turn in (1, -1):
                program.add_cuts(gap, offset, np.full(len(gap), turn))
        self.bound = bound
        return program

    def _corners(self) -> np.ndarray:
        """Bounds `cos a_i` with `a_i + a_{i+1} >= D_i` in the gaps where they cost least, a fifth of the tolerance
        together: no peak there exceeds 1, and no cut is needed. Only gaps whose ends pull to the same side have one.

        Where that leaves more gaps than can be cut in reasonable time, more are bounded, and the gap says so."""
        gaps, cost = self.folded.gaps, self.cost.astype(float)
        size, following = np.abs(cost), np.abs(np.roll(cost, -1))
        together = cost * np.roll(cost, -1) > 0
        share = np.where(together, following / np.maximum(size + following, 1e-300), 0)
        loss = np.where(together, size * (share * gaps) ** 2 + following * ((1 - share) * gaps) ** 2, 0) / 2
        order = np.argsort(loss)
        count = np.searchsorted(np.cumsum(loss[order]), 0.2 * self.tolerance * size.sum(), side="right")
        cheap = order[: max(count, len(order) - _MOST // len(order))]
        cheap = cheap[loss[cheap] > 0]
        bound = np.ones(len(gaps))
        np.minimum.at(bound, cheap, np.cos(share[cheap] * gaps[cheap]))
        np.minimum.at(bound, (cheap + 1) % len(gaps), np.cos((1 - share[cheap]) * gaps[cheap]))
        return bound

    def solved(self, *, odd_part: bool) -> NodeSolution:
        """Rounds of cuts until the gap is half the tolerance, or no peak exceeds 1 by more than rounding."""
        program = self._program(odd_part)
        best, multipliers = -np.inf, np.zeros(0)
        even, v = Masses(*np.zeros((4, 0))), np.zeros(2)
        least, stalled = np.inf, 0
        for _ in range(_ROUNDS):
            self.rounds += 1
            if (status := program.run()) != "optimal":
                raise NotCertified(f"HiGHS ended with status '{status}'; pass method=\"lifting\"")
            own = self._value(program, False)
            best, multipliers = max((best, multipliers), own, self._value(program, True), key=_VALUE)
            even, v = self._even_masses(program)
            left = float(np.abs(even.mass).sum()) - best
            if not program.boxed:
                behind = float(np.abs(even.mass).sum()) - own[0]  # shrunk values may be good by chance
                least, stalled = (behind, 0) if behind < 0.9 * least else (least, stalled + 1)
            if left <= 0.45 * self.tolerance * best and not program.boxed:
                break
            if stalled == _STALLED:
                best, multipliers = max((best, multipliers), self._centred(program), key=_VALUE)
                break
            if not self._loosen(program) + program.cut(program.values()[3]):
                break
        self.cuts = program.cuts
        self.iterations += program.iterations
        return NodeSolution(
            self._shared(even, v, odd_part),
            multipliers,
            best,
            float(np.abs(even.mass).sum()),
            bool(self.quiet.any()),
            self.rounds,
            self.iterations,
        )

    def _loosen(self, program: NodeProgram) -> bool:
        """Give quiet nodes whose narrower bound turns out to bind the full one; False if there is none."""
        n = len(self.bound)
        binding = np.flatnonzero((self.bound < 1) & self.quiet & (program.column_duals[:n] != 0))
        self.bound[binding] = 1
        for column in binding.tolist():
            program.solver.changeColBounds(column, -1.0, 1.0)
        return len(binding) > 0

    def _value(self, program: NodeProgram, shrink: bool) -> tuple[float, np.ndarray]:
        """`y . lambda` and multipliers with `|p| <= 1` from the program's answer."""
        eta, kappa, q, peaks = program.values()
        eta, q, largest = program.repaired(eta, kappa, q, peaks, shrink=shrink)
        # the parts that cancel are taken out
        value = float(self.cost @ eta + self.pair_cost @ kappa + 2 * (self.v @ q))
        return value / (largest or 1.0), program.multipliers(eta, kappa) / (largest or 1.0)

    def _centred(self, program: NodeProgram) -> tuple[float, np.ndarray]:
        """A dual in the middle of the optimal ones: where there are many, the program wanders from one to the next,
        each with a new peak. What bears a mass stays at 1, and all that is in other gaps becomes as small as can be."""
        masses = self._row_masses(program)
        bears = np.abs(masses.mass) > 1e-9 * np.abs(masses.mass).sum()
        beside = np.isin(masses.gap, masses.gap[bears])  # cannot be small
        middle = NodeProgram(
            self.folded, self.pairs, np.full(len(self.cost), 4.0), np.zeros(0), odd_part=program.odd_part, centred=True
        )
        gap, offset, turn, mass = masses
        sign = np.where(bears, np.sign(mass), 0)[beside]
        middle.add_cuts(gap[beside], offset[beside], turn[beside], sign, slack=0.05 * self.tolerance)
        middle.add_cuts(gap[~beside], offset[~beside], turn[~beside])
        best: tuple[float, np.ndarray] = (-np.inf, np.zeros(0))
        for _ in range(_ROUNDS // 2):
            if middle.run() != "optimal":
                break
            best = max(best, self._value(middle, False), key=_VALUE)
            peaks = middle.values()[3]
            if max(peak.largest for _, peak in peaks) <= 1 + 0.1 * self.tolerance or not middle.cut(peaks):
                break
        return best

    def _even_masses(self, program: NodeProgram) -> tuple[Masses, np.ndarray]:
        """Gaps, offsets, turns and signed masses from the program's multipliers, merged in each gap; and v."""
        every = self._row_masses(program)
        masses = Masses(*(column[every.mass != 0] for column in every))
        fixed = program.row_duals[: program.fixed_rows] * self.cost_scale
        if not program.odd_part:
            values, fixed = self._refined(program, masses.gap, masses.offset, masses.mass, fixed)
            masses = masses._replace(mass=values)
        v = (self.v + fixed[:2] / program.row_scale).astype(float)
        return merged(self.folded, masses), v

    def _row_masses(self, program: NodeProgram) -> Masses:
        """Every bound of a node and every cut, with the mass it bears, mostly 0."""
        n = len(self.cost)
        real = np.flatnonzero(~self.folded.phantom)
        row_duals = program.row_duals * self.cost_scale
        gap, offset, turn = [real], [np.zeros(len(real))], [np.zeros(len(real))]
        mass = [program.column_duals[:n][real] * self.cost_scale]
        begin = program.fixed_rows
        for cut_gap, cut_offset, cut_turn in program.cuts:
            gap.append(cut_gap)
            offset.append(cut_offset)
            turn.append(cut_turn)
            mass.append(row_duals[begin : begin + len(cut_gap)])
            begin += len(cut_gap)
        return Masses(*(np.concatenate(part) for part in (gap, offset, turn, mass)))

    def _refined(
        self, program: NodeProgram, gaps: np.ndarray, offsets: np.ndarray, masses: np.ndarray, fixed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Masses, and multipliers of the fixed rows (v and the heights of phantoms), that meet the equations of the
        nodes to rounding: where a node bears a mass it gives way; elsewhere all others move, by least squares."""
        from scipy import sparse
        from scipy.sparse.linalg import lsqr

        folded, n = self.folded, len(self.cost)
        inner = offsets > 0
        gap, offset, phantoms = gaps[inner], offsets[inner], np.flatnonzero(folded.phantom)
        sine, k = folded.sine[gap].astype(float), int(inner.sum())
        entries = np.concatenate([np.sin(folded.gaps[gap] - offset) / sine, np.sin(offset) / sine])
        places = (np.concatenate([gap, (gap + 1) % n]), np.tile(np.arange(k), 2))
        tents = sparse.csr_array((entries, places), (n, k))
        unit = np.zeros((n, len(phantoms)))
        unit[phantoms, np.arange(len(phantoms))] = 1
        heights = folded.second_difference(unit.astype(EXTENDED))
        bearing = np.zeros(n, dtype=bool)
        bearing[gaps[~inner]] = True
        free = np.flatnonzero(~bearing)
        columns = sparse.hstack(
            [tents, program.odd_rows.astype(float) / program.row_scale, heights.astype(float)], format="csr"
        )
        value = np.concatenate([masses[inner], fixed])
        for _ in range(3):
            rest = self._rest(program, tents, heights, value)
            if not len(free) or np.abs(rest[free]).max() <= 1e-15 * np.abs(masses).max(initial=1e-300):
                break
            value = (
                value + lsqr(columns[free], rest[free].astype(float), atol=1e-15, btol=1e-15, iter_lim=20 * k + 100)[0]
            )
        rest = self._rest(program, tents, heights, value).astype(float)
        masses = masses.copy()
        masses[inner], masses[~inner] = value[:k], rest[gaps[~inner]]
        return masses, value[k:]

    def _rest(self, program: NodeProgram, tents: Any, heights: np.ndarray, value: np.ndarray) -> np.ndarray:
        k = tents.shape[1]
        inside = (tents @ value[:k]).astype(EXTENDED)
        return (
            self.cost
            - inside
            - program.odd_rows @ (value[k : k + 2] / EXTENDED(program.row_scale))
            - heights @ value[k + 2 :]
        )

    def _shared(self, even: Masses, v: np.ndarray, odd_part: bool) -> Neurons:
        """Neurons whose even part has the given masses, on one or the other of two opposite directions each."""
        directions = self.folded.directions(even.gap, even.offset)
        shares = even.turn * even.mass if odd_part else shared(even.mass, directions, 2 * v)
        every = np.concatenate([(even.mass + shares) / 2, (even.mass - shares) / 2])
        kept = np.abs(every) > 1e-17 * np.abs(every).sum()
        directions = np.concatenate([directions, -directions])
        return Neurons(np.tile(even.gap, 2)[kept], np.tile(even.offset, 2)[kept], directions[kept], every[kept])


def _even(folded: Folded, heights: np.ndarray) -> np.ndarray:
    """Heights of the even part at antipodal nodes, of the only sample elsewhere, 0 at phantoms."""
    plus, minus = heights[folded.plus], heights[folded.minus]
    return np.where(
        folded.antipodal, (plus + minus) / 2, np.where(folded.plus >= 0, plus, np.where(folded.minus >= 0, minus, 0))
    ).astype(EXTENDED)


def _noise(folded: Folded, even: np.ndarray, v: np.ndarray) -> np.ndarray:
    """What rounding of the labels makes of the second differences, `(n,)`."""
    scale = float(np.abs(even).max() + np.hypot(*v))
    return 16 * _EPS * scale * (1 / folded.sine + np.roll(1 / folded.sine, 1)).astype(float)


def _robust_start(folded: Folded, even: np.ndarray, pairs: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """v `(2,)` of least `sum |b - B v|`, about, by reweighted least squares; exact where most rows can vanish."""
    used = np.any(folded.odd_rows != 0, axis=1) & ~folded.near_phantom
    b, big = folded.second_difference(even)[used], folded.odd_rows[used]
    basis, start = np.eye(2, dtype=EXTENDED), np.zeros(2, dtype=EXTENDED)
    if len(pairs):
        fixed = folded.nodes[pairs].astype(float)
        start = np.linalg.lstsq(fixed, odd.astype(float), rcond=None)[0].astype(EXTENDED)
        start += np.linalg.lstsq(fixed, (odd - folded.nodes[pairs] @ start).astype(float), rcond=None)[0]
        if len(pairs) == 2:
            return start
        basis = np.array([[-fixed[0, 1]], [fixed[0, 0]]]).astype(EXTENDED)
    if not len(b):
        return start
    noise = _noise(folded, even, start)[used]
    change = np.zeros(basis.shape[1], dtype=EXTENDED)
    matrix, target = big @ basis, b - big @ start
    matrix = np.where(np.abs(matrix) > 1e-12 * np.abs(big).max(), matrix, 0)
    floor = float(np.median(np.abs(target))) or 1.0
    for _ in range(60):
        rest = target - matrix @ change
        weights = 1 / np.maximum(np.abs(rest).astype(float), np.maximum(floor, noise))
        root = np.sqrt(weights)[:, None]
        step = np.linalg.lstsq((matrix * root).astype(float), (rest[:, None] * root)[:, 0].astype(float), rcond=None)[0]
        change = change + step
        floor *= 0.4
        if np.abs(step).max() <= 4 * _EPS * np.abs(change).max() and floor < noise.min():
            break
    return start + basis @ change
