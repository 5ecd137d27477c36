"""When exactly is a teacher in the plane the minimum-norm interpolant of its own values? A feasibility problem.

A teacher attains the minimum at given samples if and only if multipliers exist whose dual function p has `|p| <= 1` in
every direction and `p = sign a_k` in that of each neuron (`min_norm.beyond.sharp`). So it depends on the directions and
signs of the neurons and on the directions of the samples, and not on any length.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignmath.networks import TwoLayer
from alignmath.plane.dual import dual_peak
from alignmath.plane.folding import EXTENDED, Folded, cross, fold
from alignmath.plane.sectors import SAME_ANGLE, plane_inputs, plane_neurons

from ..runs import Run, Status, as_tolerance
from .node_program import NodeProgram, two_pairs
from .solution import NotCertified

__all__ = ["Recovery", "RecoveryStatus", "is_recoverable"]

_ROUNDS = 80


class RecoveryStatus(Status):
    """Whether a teacher is the minimum-norm interpolant, and what that rests on.

    >>> print(RecoveryStatus(0).name)
    RECOVERABLE
    """

    RECOVERABLE = 0, "The teacher attains the minimum norm, and the multipliers prove it: nothing to do."
    NOT_RECOVERABLE = (
        1,
        "HiGHS found the linear program infeasible, so no multipliers prove the teacher minimal: for a certificate, "
        "compare the norm of `min_norm` with the teacher's.",
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Recovery(Run):
    """Whether the teacher attains the minimum norm, which is also its truth value; see `is_recoverable`.

    - multipliers: `(N,)`, of the samples, with `|p| <= 1 + tolerance` and `p = sign a_k` at the neurons, a certificate;
      None if there are none
    - rounds: int, of the linear program
    - status: `RecoveryStatus`
    - seconds: float, wall time

    >>> from alignmath.networks import orthonormal
    >>> recovery = is_recoverable(orthonormal(1, 2), [[1.0, 0.0]])
    >>> bool(recovery), recovery.multipliers.round(9)
    (True, array([1.]))
    """

    multipliers: np.ndarray | None
    rounds: int

    @property
    def recoverable(self) -> bool:
        """Whether the teacher attains the minimum norm."""
        return self.status == RecoveryStatus.RECOVERABLE

    def __bool__(self) -> bool:
        return self.recoverable


def is_recoverable(teacher: TwoLayer, x: Any, *, tolerance: float = 1e-8) -> Recovery:
    """Whether no network with the teacher's values at `x (N, 2)` has a smaller norm than the teacher.

    Some milliseconds for tens of samples, seconds for thousands.

    teacher: one network in the plane, any signs, lengths and lines; neurons of one direction are added up first.
    x: of any positive length. tolerance: the teacher counts as recovered if the minimum is below its norm by this,
    relatively, at most. No labels are made and no norm is minimised: the answer is that of a feasibility problem.

    Raises `ValueError` for bad input and a teacher whose function is 0, and `NotCertified` if the program fails.

    >>> from alignmath.networks import TwoLayer
    >>> teacher = TwoLayer([[1.0, 0.0]])
    >>> bool(is_recoverable(teacher, [[1.0, 0.1], [1.0, 0.2]])), bool(is_recoverable(teacher, [[1.0, 0.1]]))
    (True, False)
    """
    started = time.perf_counter()
    tolerance = as_tolerance(tolerance, "tolerance")
    units, signs = _directions(teacher)
    x = plane_inputs(x)
    folded = fold(x)
    gap, offset, turn = _places(folded, units)
    pairs = two_pairs(folded)
    columns = len(folded.sine) + len(pairs) + 2
    program = NodeProgram(folded, pairs, np.ones(len(folded.sine)), np.zeros(columns), odd_part=True)
    program.add_cuts(gap, offset, turn, signs, slack=tolerance)
    program.add_cuts(gap, offset, -turn)
    for round_ in range(1, _ROUNDS + 1):
        status = program.run()
        if status == "infeasible":
            return _answer(RecoveryStatus.NOT_RECOVERABLE, None, round_, started)
        if status != "optimal":
            raise NotCertified(f"HiGHS ended with status '{status}'; compare `min_norm` with the teacher's norm")
        eta, kappa, _, peaks = program.values()
        if max(peak.largest for _, peak in peaks) <= 1 + tolerance:
            lengths = np.hypot(*x.astype(EXTENDED).T)
            multipliers = (program.multipliers(eta, kappa) / lengths).astype(float)
            _check(units, signs, x, multipliers, tolerance)
            return _answer(RecoveryStatus.RECOVERABLE, multipliers, round_, started)
        program.cut(peaks)
    raise NotCertified(f"no decision after {_ROUNDS} rounds: compare `min_norm` with the teacher's norm")


def _answer(status: RecoveryStatus, multipliers: np.ndarray | None, rounds: int, started: float) -> Recovery:
    return Recovery(multipliers=multipliers, rounds=rounds, status=status, seconds=time.perf_counter() - started)


def _check(units: np.ndarray, signs: np.ndarray, x: np.ndarray, multipliers: np.ndarray, tolerance: float) -> None:
    """`NotCertified` unless the multipliers are what they are meant to be, outside the program."""
    at = np.maximum(units @ x.T, 0) @ multipliers
    rounding = 8 * np.finfo(float).eps * float(np.abs(multipliers) @ np.hypot(x[:, 0], x[:, 1]))
    wrong = max(dual_peak(x, multipliers).value - 1, float(np.abs(at - signs).max()))
    if wrong > 4 * tolerance + rounding:
        raise NotCertified(f"the multipliers found miss by {wrong:.2g}; compare `min_norm` with the teacher's norm")


def _directions(teacher: TwoLayer) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors `(k, 2)` and signs `(k,)` of the teacher's neurons, those of one direction added up."""
    hidden, output = plane_neurons(teacher, "teacher")
    size = np.hypot(hidden[:, 0], hidden[:, 1])
    live = (size > 0) & (output != 0)
    angles, masses = np.arctan2(hidden[live, 1], hidden[live, 0]), (output * size)[live]
    order = np.argsort(angles, kind="stable")
    angles, masses = angles[order], masses[order]
    group = np.concatenate([[0], np.cumsum(np.diff(angles) > SAME_ANGLE)])[: len(angles)].astype(int)
    if len(angles) and group[-1] > 0 and angles[0] + 2 * np.pi - angles[-1] <= SAME_ANGLE:
        group[group == group[-1]] = 0
    total, size = np.bincount(group, masses), np.bincount(group, np.abs(masses))
    kept = np.flatnonzero(np.abs(total) > SAME_ANGLE * size)
    if not len(kept):
        raise ValueError("teacher is 0 everywhere; pass one with a neuron that is not cancelled")
    first = (
        np.searchsorted(group, kept) if np.all(np.diff(group) >= 0) else np.array([np.argmax(group == k) for k in kept])
    )
    return np.stack([np.cos(angles[first]), np.sin(angles[first])], axis=1), np.sign(total[kept])


def _places(folded: Folded, units: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gap, offset and turn of the kinks of neurons in the directions `units (k, 2)`; on a node if there to rounding."""
    nodes = np.concatenate([folded.nodes, -folded.nodes[:1]]).astype(float)
    kink = np.stack([units[:, 1], -units[:, 0]], axis=1)
    across, along = cross(nodes[0], kink), kink @ nodes[0]
    turn = np.where((across > SAME_ANGLE) | ((np.abs(across) <= SAME_ANGLE) & (along > 0)), 1, -1)
    kink = kink * turn[:, None]
    starts = np.concatenate([[0.0], np.cumsum(folded.gaps)[:-1]])
    ahead = np.maximum(np.arctan2(cross(nodes[0], kink), kink @ nodes[0]), 0)
    gap = np.searchsorted(starts, ahead, side="right") - 1
    gap = gap - ((gap > 0) & (cross(nodes[gap], kink) < -SAME_ANGLE))  # what rounding of the sums misplaced
    gap = gap + ((gap < len(starts) - 1) & (cross(nodes[gap + 1], kink) >= -SAME_ANGLE))
    offset = np.arctan2(cross(nodes[gap], kink), np.sum(nodes[gap] * kink, axis=1))
    return gap, np.where(offset <= SAME_ANGLE, 0.0, np.minimum(offset, folded.gaps[gap])), turn
