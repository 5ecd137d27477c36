"""The constraints `|p| <= 1` of the folded dual function as a linear program on HiGHS, with cuts at its peaks.

The even part of p is given by its values eta at the nodes of `alignmath.plane.folding`, its odd part is `q . u` with
`q = B' eta / 2` (and half the sum of `kappa w` over antipodal pairs): the constraint is `|hat(eta)| + |q . u| <= 1` at
every angle. Each row has two node values, all between -1 and 1, so that multipliers of the samples in hundreds of
thousands never enter. Rows start at the nodes; the peaks of the gaps that exceed 1 are added, and the program solved
again from where it stood. Used by `node_values` (interpolation) and `recovery`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alignmath.plane.folding import EXTENDED, Folded, Peaks, cross, gap_peaks

__all__ = ["NodeProgram", "two_pairs"]

_FEASIBLE = 1e-10


class NodeProgram:
    """Node values eta `(n,)`, kappa of the antipodal `pairs` and q as columns; rows: odd part, phantoms, cuts.

    bound: `(n,)`, of `|eta|`; objective: of all columns, to be maximised. odd_part: whether q is free, else it is 0 and
    needs no rows: where it is, every node has a row for both signs of `q . u`.
    centred: instead of the objective, the least z with `|p| <= z` in all rows but those given a sign; no rows of nodes
    but those added.

    >>> from alignmath.plane.folding import fold
    >>> folded = fold(np.eye(2))
    >>> nodes = len(folded.sine)
    >>> program = NodeProgram(folded, two_pairs(folded), np.ones(nodes), np.zeros(nodes + 2), odd_part=False)
    >>> program.run()
    'optimal'
    """

    def __init__(
        self,
        folded: Folded,
        pairs: np.ndarray,
        bound: np.ndarray,
        objective: np.ndarray,
        *,
        odd_part: bool,
        centred: bool = False,
    ) -> None:
        import highspy

        self.folded, self.pairs, self.odd_part, self.centred = folded, pairs, odd_part, centred
        self.count = len(folded.sine)
        self.odd_rows = folded.odd_rows
        self.cuts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.iterations = 0
        self._optimal, self._infeasible = highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible
        self.solver: Any = highspy.Highs()
        for option, value in {
            "output_flag": False,
            "primal_feasibility_tolerance": _FEASIBLE,
            "dual_feasibility_tolerance": _FEASIBLE,
            "presolve": "off",
            "threads": 1,
        }.items():
            self.solver.setOptionValue(option, value)
        # bounds of what is bounded by the rows in the end, so that the program is bounded from the start
        bound = np.where(folded.phantom, 4.0, bound)
        apart = abs(np.linalg.det(folded.nodes[pairs].astype(float))) if len(pairs) == 2 else 1.0
        reach = (4 + float(np.abs(self.odd_rows).sum())) / apart
        wide = np.concatenate([bound, np.full(len(pairs), reach), np.full(2, 4.0 if odd_part else 0.0)])
        objective = np.zeros(len(wide)) if centred else objective
        if centred:
            wide, objective = np.append(wide, 4.0), np.append(objective, -1.0)
        self.solver.addVars(len(wide), -wide, wide)
        self.solver.changeColsCost(len(wide), np.arange(len(wide), dtype=np.int32), objective.astype(float))
        self.solver.changeObjectiveSense(highspy.ObjSense.kMaximize)
        self._fixed_rows()
        if odd_part and not centred:
            real = np.flatnonzero(~folded.phantom)
            for turn in (1, -1):
                self.add_cuts(real, np.zeros(len(real)), np.full(len(real), turn))

    def _fixed_rows(self) -> None:
        """`2 q = B' eta + sum kappa w`, and phantoms without multipliers."""
        folded, n = self.folded, self.count
        sizes = np.abs(self.odd_rows).max(axis=1).astype(float)
        self.row_scale = float(np.median(sizes[sizes > 0])) if np.any(sizes > 0) else 1.0
        for axis in range(2):
            values = np.concatenate([self.odd_rows[:, axis], folded.nodes[self.pairs, axis], -2.0 * np.eye(2)[axis]])
            values = values.astype(float) / self.row_scale
            used = np.flatnonzero(values)
            self._add(np.zeros(1), np.zeros(1), np.array([0]), used, values[used])
        cotangent = (folded.cosine / folded.sine).astype(float)
        for node in np.flatnonzero(folded.phantom):
            before, after = (node - 1) % n, (node + 1) % n
            values = np.array([1 / folded.sine[before], -cotangent[node] - cotangent[before], 1 / folded.sine[node]])
            self._add(np.zeros(1), np.zeros(1), np.array([0]), np.array([before, node, after]), values.astype(float))
        self.fixed_rows = 2 + int(folded.phantom.sum())

    def _add(
        self, lower: np.ndarray, upper: np.ndarray, starts: np.ndarray, columns: np.ndarray, values: np.ndarray
    ) -> None:
        starts, columns = starts.astype(np.int32), columns.astype(np.int32)
        self.solver.addRows(len(lower), lower, upper, len(columns), starts, columns, values)

    def add_cuts(
        self,
        gap: np.ndarray,
        offset: np.ndarray,
        turn: np.ndarray,
        sign: np.ndarray | None = None,
        slack: float = 0.0,
    ) -> None:
        """Rows `-1 <= hat(eta) + turn q . u <= 1` at `offset` into the gaps of index `gap`; with `sign` given, between
        `1 - slack` and 1 times that where it is not 0.

        turn: 1 or -1, the side u of the line with a kink there; 0 where q is 0.
        """
        folded = self.folded
        sine, rest = folded.sine[gap].astype(float), folded.gaps[gap] - offset
        columns = [gap, (gap + 1) % self.count]
        values = [np.sin(rest) / sine, np.sin(offset) / sine]
        if self.odd_part:
            q = self.count + len(self.pairs)
            u = folded.directions(gap, offset) * turn[:, None]
            columns += [np.full(len(gap), q), np.full(len(gap), q + 1)]
            values += [u[:, 0], u[:, 1]]
        if self.centred and sign is None:
            for side in (1.0, -1.0):
                z = [np.full(len(gap), self.count + len(self.pairs) + 2)]
                entries = np.stack([*(side * value for value in values), -np.ones(len(gap))], axis=1)
                places = np.stack([*columns, *z], axis=1)
                starts = places.shape[1] * np.arange(len(gap))
                self._add(np.full(len(gap), -np.inf), np.zeros(len(gap)), starts, places.ravel(), entries.ravel())
            return
        starts = len(columns) * np.arange(len(gap))
        lower, upper = -np.ones(len(gap)), np.ones(len(gap))
        if sign is not None:
            lower, upper = np.where(sign > 0, 1 - slack, -1.0), np.where(sign < 0, slack - 1, 1.0)
        self._add(lower, upper, starts, np.stack(columns, axis=1).ravel(), np.stack(values, axis=1).ravel())
        self.cuts.append((gap, offset, turn))

    def run(self) -> str:
        """Solve from where the program stands: "optimal", "infeasible", or what else HiGHS ended with."""
        self.solver.run()
        if self.solver.getModelStatus() not in (self._optimal, self._infeasible):  # from scratch, with presolve
            self.solver.clearSolver()
            self.solver.setOptionValue("presolve", "on")
            self.solver.run()
            self.solver.setOptionValue("presolve", "off")
        status = self.solver.getModelStatus()
        self.iterations += self.solver.getInfo().simplex_iteration_count
        if status == self._infeasible:
            return "infeasible"
        if status != self._optimal:
            return str(self.solver.modelStatusToString(status))
        solution = self.solver.getSolution()
        self.columns, self.column_duals = np.array(solution.col_value), np.array(solution.col_dual)
        self.row_duals = np.array(solution.row_dual)
        return "optimal"

    @property
    def boxed(self) -> bool:
        """Whether the answer leans on a bound that is none of the problem's."""
        duals = self.column_duals[self.count : None if self.odd_part else -2]
        return bool(np.any(duals != 0) or np.any(self.column_duals[: self.count][self.folded.phantom] != 0))

    def values(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[tuple[int, Peaks]]]:
        """eta, kappa, q and the peaks of p, by the sign of `q . u`, of the program's answer; extended precision."""
        eta = _on_sinusoids(self.folded, self.columns[: self.count].astype(EXTENDED))
        kappa = self.columns[self.count : self.count + len(self.pairs)].astype(EXTENDED)
        q = self.odd_value(eta, kappa) if self.odd_part else np.zeros(2, dtype=EXTENDED)
        return eta, kappa, q, self.peaks(eta, q)

    def odd_value(self, eta: np.ndarray, kappa: np.ndarray) -> np.ndarray:
        """q, from the node values."""
        return (self.odd_rows.T @ eta + self.folded.nodes[self.pairs].T @ kappa) / 2

    def peaks(self, eta: np.ndarray, q: np.ndarray) -> list[tuple[int, Peaks]]:
        """The peaks of `hat(eta) + turn q . u` in each gap, for both turns."""
        along = self.folded.turned @ q
        following = np.append(along[1:], -along[0])
        return [
            (turn, gap_peaks(self.folded, eta + turn * along, np.roll(eta, -1) + turn * following)) for turn in (1, -1)
        ]

    def repaired(
        self, eta: np.ndarray, kappa: np.ndarray, q: np.ndarray, peaks: list[tuple[int, Peaks]], *, shrink: bool
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Node values moved by very little, most where there is room, so that their odd part is q to extended
        precision, not to the solver's; their odd part; and the largest `|p|`.

        shrink: first shrink those with a peak beside them that exceeds 1, so that others need not be. It helps where
        node values are free, and does harm where the odd part then has to be restored by values that are not.
        """
        folded = self.folded
        sizes = np.maximum(*(np.abs(peak.value) for _, peak in peaks))
        sizes = np.maximum(sizes, np.roll(sizes, 1))
        eta = _on_sinusoids(folded, eta / np.maximum(sizes, 1)) if shrink else eta.copy()
        size = np.abs(self.odd_rows).max(axis=1)
        free = (size > 0) & ~folded.near_phantom
        if free.any():
            chosen = np.flatnonzero(free & (size <= np.median(size[free]) * 4))
            room = np.clip(1 - sizes[chosen], 0, 1).astype(float) + 1e-9
            scaled = (self.odd_rows[chosen] * room[:, None]).astype(float)
            wrong = (q - self.odd_value(eta, kappa)).astype(float)
            eta[chosen] += room * np.linalg.lstsq(scaled.T, 2 * wrong, rcond=None)[0]
        q = self.odd_value(eta, kappa)
        return eta, q, max(peak.largest for _, peak in self.peaks(eta, q))

    def multipliers(self, eta: np.ndarray, kappa: np.ndarray) -> np.ndarray:
        """Multipliers `(N,)` of the samples, taken as of length 1, with these node values; extended precision."""
        folded = self.folded
        sums = folded.second_difference(eta)
        multipliers = np.zeros(len(folded.group), dtype=EXTENDED)
        single = folded.odd != 0
        multipliers[np.maximum(folded.plus, folded.minus)[single]] = sums[single]
        both = folded.antipodal
        multipliers[folded.plus[both]] = multipliers[folded.minus[both]] = sums[both] / 2
        multipliers[folded.plus[self.pairs]] += kappa / 2
        multipliers[folded.minus[self.pairs]] -= kappa / 2
        return multipliers

    def cut(self, peaks: list[tuple[int, Peaks]]) -> bool:
        """Add the peaks above 1 as rows; False if there is none."""
        phantom, gaps = self.folded.phantom, self.folded.gaps
        added = False
        for turn, peak in peaks if self.odd_part else peaks[:1]:
            excess = np.abs(peak.value).astype(float) - 1
            inside = ((peak.offset > 0) | phantom) & ((peak.offset < gaps) | np.roll(phantom, -1))  # ends are bounded
            over = np.flatnonzero((excess > max(1e-13, 1e-4 * excess.max())) & inside)
            if len(over):
                added = True
                self.add_cuts(over, peak.offset[over], np.full(len(over), turn if self.odd_part else 0))
        return added


def two_pairs(folded: Folded) -> np.ndarray:
    """Nodes of up to two antipodal pairs, far apart: their labels fix v as far as any do.

    >>> from alignmath.plane.folding import fold
    >>> two_pairs(fold(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])))
    array([0])
    """
    pairs = np.flatnonzero(folded.antipodal)
    if len(pairs) < 2:
        return pairs
    nodes = folded.nodes[pairs]
    return pairs[[0, int(np.argmax(np.abs(cross(nodes[0], nodes))))]]


def _on_sinusoids(folded: Folded, eta: np.ndarray) -> np.ndarray:
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
        whole = cross(a, b)
        left, right = cross(nodes, b) / whole, cross(a, nodes) / whole
        eta[places % n] = left * values[known[0]] + right * values[known[1]]
    if len(np.flatnonzero(~phantom)) == 1:
        eta[~phantom] = 0  # half a turn on the sinusoid is its opposite, and the even part is the same
    return eta
