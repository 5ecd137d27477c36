"""Minimum-norm interpolation in the plane as a linear program in the node values of the folded dual function.

The dual of `solvers.interpolation`'s problem is the largest `y . lambda` with `|p| <= 1` in every direction. Its even
part is given by its values eta at the nodes of `alignmath.folding`, its odd part is `q . u` with `q = B' eta / 2` (and
half the sum of `kappa w` over antipodal pairs), and the constraint is `|hat(eta)| + |q . u| <= 1`. Each row has two
node values, all between -1 and 1: multipliers in hundreds of thousands never enter. Rows start at the nodes; the peaks
of the gaps that exceed 1 are added, and the program solved again from where it stood, until the gap closes.

First q is held at 0, which leaves `n` bounded variables and two equations; the optimum is that of the whole problem
if `2 v` is a sum of `d_k u_k` with `|d_k| <= |s_k|`, and else q is let go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import lsqr

from alignmath.folding import EXTENDED, Folded, Peaks, gap_peaks

from .neurons import Neurons, merged, shared
from .solution import NotCertified

__all__ = ["NodeSolution", "solve_nodes"]

_ROUNDS = 80
_FEASIBLE = 1e-10
_EPS = np.finfo(float).eps


@dataclass(frozen=True, eq=False)
class NodeSolution:
    """neurons, and the dual: `multipliers (N,)` of the samples (extended) with `|p| <= 1`; `value`: y . multipliers.

    rounds, iterations: of cuts, and of the simplex method.
    """

    neurons: Neurons
    multipliers: np.ndarray
    value: float
    rounds: int
    iterations: int


def solve_nodes(folded: Folded, heights: np.ndarray, tolerance: float, *, rounding: bool = True) -> NodeSolution:
    """Neurons and multipliers for samples of length 1 with labels `heights (N,)`, to a relative gap of about `tolerance`.

    rounding: take second differences of the labels that rounding of the labels explains for 0, as those of a teacher
    are between its kinks; where samples are so close that this costs more than the tolerance, pass False.
    `NotCertified` if the linear program fails; whether the gap is small is for the caller to judge.
    """
    program = _Program(folded, heights, tolerance, rounding)
    found = program.solved()
    if not abs(found.neurons.cost - found.value) <= 0.5 * tolerance * found.value or found.value == 0:
        program.free_odd_part()
        found = program.solved()
    return found


class _Program:
    """The linear program on HiGHS, its cuts, and how its answers are read."""

    def __init__(self, folded: Folded, heights: np.ndarray, tolerance: float, rounding: bool) -> None:
        self.folded, self.tolerance = folded, tolerance
        n = len(folded.sine)
        plus, minus = folded.plus, folded.minus
        self.even = _even(folded, heights)
        self.pairs = _two_pairs(folded)
        odd = (heights[plus[self.pairs]] - heights[minus[self.pairs]]) / 2
        self.odd_rows = folded.odd_rows
        self.v = _robust_start(folded, self.even, self.pairs, odd)
        samples = folded.odd[:, None] * folded.nodes
        self.cost = folded.second_difference(self.even - samples @ self.v)
        self.pair_cost = odd - folded.nodes[self.pairs] @ self.v
        noise = _noise(folded, self.even, self.v)
        beside = np.roll(folded.phantom, 1) | np.roll(folded.phantom, -1) | folded.phantom
        quiet = (np.abs(self.cost) <= noise) & ~beside
        self.quiet = quiet & (rounding and np.count_nonzero(quiet) > 0.5 * n)  # else a small one is small by chance
        self.cost = np.where(self.quiet, 0, self.cost)
        self.cost_scale = float(np.abs(self.cost).sum() / n) or 1.0
        self.cuts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.free_q = False
        self.iterations = 0
        self._start()

    def _start(self) -> None:
        import highspy

        n, pairs = len(self.cost), len(self.pairs)
        self.solver: Any = highspy.Highs()
        for option, value in {
            "output_flag": False,
            "primal_feasibility_tolerance": _FEASIBLE,
            "dual_feasibility_tolerance": _FEASIBLE,
            "presolve": "off",
            "threads": 1,
        }.items():
            self.solver.setOptionValue(option, value)
        bound = np.ones(n)
        gaps = self.folded.gaps
        widest = np.maximum(gaps, np.roll(gaps, 1))
        bound[self.quiet] -= np.minimum(0.1, 0.3 * widest[self.quiet] ** 2)
        if not self.free_q:
            np.minimum(bound, self._corners(), out=bound)
        bound[self.folded.phantom] = np.inf
        self.bound = bound
        wide = np.concatenate([bound, np.full(pairs, np.inf), np.zeros(2)])
        self.solver.addVars(len(wide), -wide, wide)
        objective = np.concatenate([self.cost, self.pair_cost, 2 * self.v]).astype(float) / self.cost_scale
        self.solver.changeColsCost(len(wide), np.arange(len(wide), dtype=np.int32), objective)
        self.solver.changeObjectiveSense(highspy.ObjSense.kMaximize)
        self.optimal = highspy.HighsModelStatus.kOptimal
        self.row_count = 0
        rows = np.abs(self.odd_rows).max(axis=1).astype(float)
        self.row_scale = float(np.median(rows[rows > 0])) if np.any(rows > 0) else 1.0
        pair_nodes = self.folded.nodes[self.pairs].astype(float)
        for axis in range(2):
            values = np.concatenate([self.odd_rows[:, axis], pair_nodes[:, axis]]).astype(float) / self.row_scale
            coefficients = np.concatenate([values, -2.0 / self.row_scale * np.eye(2)[axis]])
            used = np.flatnonzero(coefficients)
            self._add(np.zeros(1), np.zeros(1), np.array([0]), used, coefficients[used])
        for node in np.flatnonzero(self.folded.phantom):
            before, after = (node - 1) % n, (node + 1) % n
            sines = self.folded.sine.astype(float)
            diagonal = -float(self.folded.cosine[node] / self.folded.sine[node] + self.folded.cosine[before] / self.folded.sine[before])
            self._add(
                np.zeros(1), np.zeros(1), np.array([0]), np.array([before, node, after]),
                np.array([1 / sines[before], diagonal, 1 / sines[node]]),
            )
        self.fixed_rows = self.row_count

    def _corners(self) -> np.ndarray:
        """Bounds `cos a_i` with `a_i + a_{i+1} >= D_i` in the gaps where they cost least, a fifth of the tolerance
        together: no peak there exceeds 1, and no cut is needed. Only gaps whose ends pull to the same side have one."""
        gaps, cost = self.folded.gaps, self.cost.astype(float)
        size, following = np.abs(cost), np.abs(np.roll(cost, -1))
        together = cost * np.roll(cost, -1) > 0
        share = np.where(together, following / np.maximum(size + following, 1e-300), 0)
        loss = np.where(together, size * (share * gaps) ** 2 + following * ((1 - share) * gaps) ** 2, 0) / 2
        order = np.argsort(loss)
        cheap = order[np.cumsum(loss[order]) <= 0.2 * self.tolerance * size.sum()]
        cheap = cheap[loss[cheap] > 0]
        bound = np.ones(len(gaps))
        np.minimum.at(bound, cheap, np.cos(share[cheap] * gaps[cheap]))
        np.minimum.at(bound, (cheap + 1) % len(gaps), np.cos((1 - share[cheap]) * gaps[cheap]))
        return bound

    def _add(self, lower: np.ndarray, upper: np.ndarray, starts: np.ndarray, columns: np.ndarray, values: np.ndarray) -> None:
        self.solver.addRows(
            len(lower), lower, upper, len(columns), starts.astype(np.int32), columns.astype(np.int32), values
        )
        self.row_count += len(lower)

    def add_cuts(self, gap: np.ndarray, offset: np.ndarray, turn: np.ndarray) -> None:
        """Rows `-1 <= hat(eta) + turn q . u <= 1` at the given places; turn: 0 while q is 0, else 1 or -1."""
        folded, n = self.folded, len(self.cost)
        sine, rest = folded.sine[gap].astype(float), folded.gaps[gap] - offset
        first, second = np.sin(rest) / sine, np.sin(offset) / sine
        columns = [gap, (gap + 1) % n]
        values = [first, second]
        if self.free_q:
            q = n + len(self.pairs)
            u = folded.directions(gap, offset) * turn[:, None]
            columns += [np.full(len(gap), q), np.full(len(gap), q + 1)]
            values += [u[:, 0], u[:, 1]]
        width = len(columns)
        starts = np.arange(0, width * len(gap), width)
        ones = np.ones(len(gap))
        self._add(-ones, ones, starts, np.stack(columns, axis=1).ravel(), np.stack(values, axis=1).ravel())
        self.cuts.append((gap, offset, turn))

    def free_odd_part(self) -> None:
        """Start again with q free: every node has a row for both signs of `q . u`, and so have the cuts found so far."""
        cuts = self.cuts
        self.cuts, self.free_q = [], True
        self._start()
        q = len(self.cost) + len(self.pairs)
        for column in (q, q + 1):
            self.solver.changeColBounds(column, -4.0, 4.0)  # 1 at most in the end
        real = np.flatnonzero(~self.folded.phantom)
        for turn in (1, -1):
            self.add_cuts(real, np.zeros(len(real)), np.full(len(real), turn))
            for gap, offset, _ in cuts:
                self.add_cuts(gap, offset, np.full(len(gap), turn))

    def solved(self) -> NodeSolution:
        """Rounds of cuts until the gap is a fifth of the tolerance, or no peak exceeds 1 by more than rounding."""
        best, multipliers = -np.inf, np.zeros(0)
        even = (np.zeros(0),) * 4
        round_ = 0
        for round_ in range(1, _ROUNDS + 1):
            self._run()
            found, value, peaks = self._dual()
            if value > best:
                best, multipliers = value, found
            even = self._even_masses()
            boxed = np.any(self.column_duals[-2:] != 0) and self.free_q
            if np.abs(even[-1]).sum() - best <= 0.45 * self.tolerance * best and not boxed:
                break
            if not self._loosen() + self._cut(peaks):
                break
        return NodeSolution(self._shared(*even), multipliers, best, round_, self.iterations)

    def _run(self) -> None:
        self.solver.run()
        if self.solver.getModelStatus() != self.optimal:  # numerical trouble: from scratch, with presolve
            self.solver.clearSolver()
            self.solver.setOptionValue("presolve", "on")
            self.solver.run()
            self.solver.setOptionValue("presolve", "off")
        if self.solver.getModelStatus() != self.optimal:
            status = self.solver.modelStatusToString(self.solver.getModelStatus())
            raise NotCertified(f"HiGHS ended with status '{status}'; pass method=\"lifting\"")
        self.iterations += self.solver.getInfo().simplex_iteration_count
        found = self.solver.getSolution()
        self.columns, self.column_duals = np.array(found.col_value), np.array(found.col_dual) * self.cost_scale
        self.row_duals = np.array(found.row_dual) * self.cost_scale

    def _dual(self) -> tuple[np.ndarray, float, list[tuple[int, Peaks]]]:
        """Multipliers with `|p| <= 1`, their value, and the peaks of the program's own p by the sign of `q . u`."""
        folded, n = self.folded, len(self.cost)
        eta = _phantoms(folded, self.columns[:n].astype(EXTENDED))
        kappa = self.columns[n : n + len(self.pairs)].astype(EXTENDED)
        q = self._odd_part(eta, kappa) if self.free_q else np.zeros(2, dtype=EXTENDED)
        peaks = self._peaks(eta, q)
        eta = self._repaired(eta, kappa, q, peaks)
        q = self._odd_part(eta, kappa)
        largest = max(peak.largest for _, peak in self._peaks(eta, q)) or 1.0
        sums = folded.second_difference(eta)
        multipliers = np.zeros(len(folded.group), dtype=EXTENDED)
        single = folded.odd != 0
        multipliers[np.maximum(folded.plus, folded.minus)[single]] = sums[single]
        both = folded.antipodal
        multipliers[folded.plus[both]] = multipliers[folded.minus[both]] = sums[both] / 2
        multipliers[folded.plus[self.pairs]] += kappa / 2
        multipliers[folded.minus[self.pairs]] -= kappa / 2
        # y . lambda, with the parts that cancel taken out
        value = float(self.cost @ eta + self.pair_cost @ kappa + 2 * (self.v @ q))
        return multipliers / largest, value / largest, peaks

    def _odd_part(self, eta: np.ndarray, kappa: np.ndarray) -> np.ndarray:
        return (self.odd_rows.T @ eta + self.folded.nodes[self.pairs].T @ kappa) / 2

    def _peaks(self, eta: np.ndarray, q: np.ndarray) -> list[tuple[int, Peaks]]:
        along = self.folded.turned @ q
        following = np.append(along[1:], -along[0])
        return [
            (turn, gap_peaks(self.folded, eta + turn * along, np.roll(eta, -1) + turn * following)) for turn in (1, -1)
        ]

    def _repaired(
        self, eta: np.ndarray, kappa: np.ndarray, q: np.ndarray, peaks: list[tuple[int, Peaks]]
    ) -> np.ndarray:
        """Node values shrunk where a peak beside them exceeds 1, so that others need not be, and then moved by very
        little, most where there is room, so that their odd part is q to extended precision, not to the solver's."""
        folded = self.folded
        sizes = np.maximum(*(np.abs(peak.value) for _, peak in peaks))
        sizes = np.maximum(sizes, np.roll(sizes, 1))
        eta = _phantoms(folded, eta / np.maximum(sizes, 1))
        size = np.abs(self.odd_rows).max(axis=1)
        free = (size > 0) & ~folded.phantom & ~np.roll(folded.phantom, 1) & ~np.roll(folded.phantom, -1)
        if free.any():
            chosen = np.flatnonzero(free & (size <= np.median(size[free]) * 4))
            room = np.clip(1 - sizes[chosen], 0, 1).astype(float) + 1e-9
            rows = (self.odd_rows[chosen] * room[:, None]).astype(float)
            wrong = (q - self._odd_part(eta, kappa)).astype(float)
            eta[chosen] += room * np.linalg.lstsq(rows.T, 2 * wrong, rcond=None)[0]
        return eta

    def _loosen(self) -> bool:
        """Give quiet nodes whose narrower bound turns out to bind the full one; False if there is none."""
        n = len(self.bound)
        binding = np.flatnonzero((self.bound < 1) & self.quiet & (self.column_duals[:n] != 0))
        self.bound[binding] = 1
        for column in binding.tolist():
            self.solver.changeColBounds(column, -1.0, 1.0)
        return len(binding) > 0

    def _cut(self, peaks: list[tuple[int, Peaks]]) -> bool:
        """Add the peaks above 1; False if there is none."""
        phantom, gaps = self.folded.phantom, self.folded.gaps

        def inside(offset: np.ndarray) -> np.ndarray:  # other ends are bounded already
            return ((offset > 0) | phantom) & ((offset < gaps) | np.roll(phantom, -1))

        found = False
        for turn, peak in peaks if self.free_q else peaks[:1]:
            excess = np.abs(peak.value).astype(float) - 1
            over = np.flatnonzero((excess > max(1e-13, 1e-4 * excess.max())) & inside(peak.offset))
            if len(over):
                found = True
                self.add_cuts(over, peak.offset[over], np.full(len(over), turn if self.free_q else 0))
        return found

    def _even_masses(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Gaps, offsets, turns and signed masses from the program's multipliers, merged in each gap."""
        n = len(self.cost)
        gap = [np.arange(n)]
        offset, turn = [np.zeros(n)], [np.zeros(n)]
        mass = [self.column_duals[:n]]
        begin = self.fixed_rows
        for cut_gap, cut_offset, cut_turn in self.cuts:
            gap.append(cut_gap)
            offset.append(cut_offset)
            turn.append(cut_turn)
            mass.append(self.row_duals[begin : begin + len(cut_gap)])
            begin += len(cut_gap)
        gaps, offsets, turns, masses = (np.concatenate(part) for part in (gap, offset, turn, mass))
        used = masses != 0
        gaps, offsets, turns, masses = gaps[used], offsets[used], turns[used], masses[used]
        if not self.free_q:
            masses = self._refined(gaps, offsets, masses)
        return merged(self.folded, gaps, offsets, turns, masses)

    def _refined(self, gaps: np.ndarray, offsets: np.ndarray, masses: np.ndarray) -> np.ndarray:
        """Masses that meet the equations of the nodes to rounding: where a node bears one, that of the node itself;
        elsewhere masses in the gaps, v and the heights of phantoms move together by least squares."""
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
        columns = sparse.hstack([tents, self.odd_rows.astype(float) / self.row_scale, heights.astype(float)], format="csr")
        value = np.concatenate([masses[inner], self.row_duals[:2], self.row_duals[2 : 2 + len(phantoms)]])
        for _ in range(3):
            rest = self._rest(tents, heights, value)
            if not len(free) or np.abs(rest[free]).max() <= 1e-15 * np.abs(masses).max(initial=1e-300):
                break
            value = value + lsqr(columns[free], rest[free].astype(float), atol=1e-15, btol=1e-15, iter_lim=20 * k + 100)[0]
        rest = self._rest(tents, heights, value).astype(float)
        self.row_duals[:2] = value[k : k + 2]
        masses = masses.copy()
        masses[inner], masses[~inner] = value[:k], rest[gaps[~inner]]
        return masses

    def _rest(self, tents: Any, heights: np.ndarray, value: np.ndarray) -> np.ndarray:
        k = tents.shape[1]
        inside = (tents @ value[:k]).astype(EXTENDED)
        return self.cost - inside - self.odd_rows @ (value[k : k + 2] / EXTENDED(self.row_scale)) - heights @ value[k + 2 :]

    def _shared(self, gaps: np.ndarray, offsets: np.ndarray, turns: np.ndarray, masses: np.ndarray) -> Neurons:
        """Neurons whose even part has the given masses, on one or the other of two opposite directions each."""
        directions = self.folded.directions(gaps, offsets)
        v = (self.v + self.row_duals[:2] / self.row_scale).astype(float)
        shares = turns * masses if self.free_q else shared(masses, directions, 2 * v)
        plus, minus = (masses + shares) / 2, (masses - shares) / 2
        every = np.concatenate([plus, minus])
        kept = np.abs(every) > 1e-17 * np.abs(every).sum()
        directions = np.concatenate([directions, -directions])
        return Neurons(np.tile(gaps, 2)[kept], np.tile(offsets, 2)[kept], directions[kept], every[kept])


def _even(folded: Folded, heights: np.ndarray) -> np.ndarray:
    """Heights of the even part at antipodal nodes, of the only sample elsewhere, 0 at phantoms."""
    plus, minus = heights[folded.plus], heights[folded.minus]
    return np.where(
        folded.antipodal, (plus + minus) / 2, np.where(folded.plus >= 0, plus, np.where(folded.minus >= 0, minus, 0))
    ).astype(EXTENDED)


def _two_pairs(folded: Folded) -> np.ndarray:
    """Nodes of up to two antipodal pairs, far apart: their labels fix v as far as any do."""
    pairs = np.flatnonzero(folded.antipodal)
    if len(pairs) < 2:
        return pairs
    crosses = folded.nodes[pairs[0]][0] * folded.nodes[pairs][:, 1] - folded.nodes[pairs[0]][1] * folded.nodes[pairs][:, 0]
    return pairs[[0, int(np.argmax(np.abs(crosses)))]]


def _noise(folded: Folded, even: np.ndarray, v: np.ndarray) -> np.ndarray:
    """What rounding of the labels makes of the second differences, `(n,)`."""
    scale = float(np.abs(even).max() + np.hypot(*v))
    return 16 * _EPS * scale * (1 / folded.sine + np.roll(1 / folded.sine, 1)).astype(float)


def _robust_start(folded: Folded, even: np.ndarray, pairs: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """v `(2,)` of least `sum |b - B v|`, about, by reweighted least squares; exact where most rows can vanish."""
    beside = np.roll(folded.phantom, 1) | np.roll(folded.phantom, -1) | folded.phantom
    rows = np.any(folded.odd_rows != 0, axis=1) & ~beside
    b, big = folded.second_difference(even)[rows], folded.odd_rows[rows]
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
    noise = _noise(folded, even, start)[rows]
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


def _phantoms(folded: Folded, eta: np.ndarray) -> np.ndarray:
    """Node values in which phantoms lie on one sinusoid with the samples at the ends of their gap, exactly.

    It is taken from the two ends, or from two phantoms between them where the ends are almost opposite, and then the
    ends are put on it too.
    """
    phantom, eta, n = folded.phantom, eta.copy(), len(eta)
    for first in np.flatnonzero(~phantom & np.roll(phantom, -1)):
        count = 2 if phantom[(first + 2) % n] else 1
        places = first + np.arange(count + 2)
        nodes = np.where((places >= n)[:, None], -1, 1) * folded.nodes[places % n]
        values = eta[places % n]
        known = (0, count + 1) if count == 1 else (1, 2)
        a, b = nodes[known[0]], nodes[known[1]]
        whole = a[0] * b[1] - a[1] * b[0]
        left = (nodes[:, 0] * b[1] - nodes[:, 1] * b[0]) / whole
        right = (a[0] * nodes[:, 1] - a[1] * nodes[:, 0]) / whole
        eta[places % n] = left * values[known[0]] + right * values[known[1]]
    if len(np.flatnonzero(~phantom)) == 1:
        eta[~phantom] = 0  # half a turn on the sinusoid is its opposite, and the even part is the same
    return eta


