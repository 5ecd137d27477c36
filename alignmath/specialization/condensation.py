"""Which teacher neurons students have found: condensation (min_norm paper, Definition 4.1), in any dimension."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..arrays import as_number, as_numpy
from ..networks import TwoLayer, require_plain

__all__ = ["Condensation", "is_condensed"]


@dataclass(frozen=True, eq=False)
class Condensation:
    """How the neurons of a student lie on the lines of a teacher's; true if it is condensed.

    - condensed: bool, whether no neuron has group -1.
    - groups: `(m,)` int, the teacher neuron on whose line the student neuron lies; -1 for none; -2 for a neuron that
      fits any group, having a zero weight or, off the lines, a negligible mass `|a_j| |b_j|`.
    - opposite: `(m,)` bool, whether it points against that teacher neuron; false without a group.
    - masses: `(m_0,)`, the sum of `|a_j| |b_j|` over each group.
    - stray: float, the share of the student's `sum |a_j| |b_j|` outside the groups, from 0 to 1; 0 for a student that
      is 0.

    >>> result = is_condensed(TwoLayer([[2.0, 0.0], [1.0, 1.0]]), TwoLayer([[1.0, 0.0], [0.0, 1.0]]))
    >>> bool(result), result.groups, round(result.stray, 3)
    (False, array([ 0, -1]), 0.414)
    """

    condensed: bool
    groups: np.ndarray
    opposite: np.ndarray
    masses: np.ndarray
    stray: float

    def __bool__(self) -> bool:
        return self.condensed


def is_condensed(
    students: TwoLayer, teacher: TwoLayer, angle: float = 1e-6, *, negligible: float = 0.0
) -> Condensation:
    """Whether each student neuron lies on the line of a teacher neuron. min_norm paper, Definition 4.1.

    students: one network. angle: the largest from the line, radians, below pi/4. negligible: neurons off the lines are
    passed over if their `|a_j| |b_j|` is at most this share of the student's sum of them, below 1; neurons with a zero
    weight always are. Neurons near several lines go to the nearest, and to the first of several teacher neurons on one
    line.
    Zero teacher neurons have no group. NumPy, any dimension d. Raises `ValueError` for batches, for networks of
    different dimensions, and for a teacher whose hidden vectors are all zero.

    >>> teacher = TwoLayer([[1.0, 0.0], [0.0, 1.0]])
    >>> result = is_condensed(TwoLayer([[2.0, 0.0], [0.0, -1.0], [1.0, 0.0]]), teacher)
    >>> bool(result), result.groups, result.opposite, result.masses
    (True, array([0, 1, 0]), array([False,  True, False]), array([3., 1.]))
    """
    angle, negligible = as_number(angle, "angle"), as_number(negligible, "negligible")
    if angle >= math.pi / 4:
        raise ValueError(f"angle is {angle:g}; expected one below pi/4, in radians")
    if negligible >= 1:
        raise ValueError(f"negligible is {negligible:g}; expected a share below 1 of the sum of |a_j| |b_j|")
    for network, name in ((students, "students"), (teacher, "teacher")):
        require_plain(network, name)
    if students.batch or teacher.batch or students.dimension != teacher.dimension:
        raise ValueError(
            f"students and teacher have hidden weights of shapes {tuple(students.hidden.shape)} and "
            f"{tuple(teacher.hidden.shape)}; expected (m, d) and (m_0, d): take one network of a batch"
        )
    lengths, units = _polar(students)
    teacher_lengths, teacher_units = _polar(teacher)
    if not np.any(teacher_lengths):
        raise ValueError("teacher has zero hidden vectors only, so no line to condense on; pass another teacher")
    masses = np.abs(as_numpy(students.output, "students.output")) * lengths
    groups = np.full(len(units), -1)
    opposite = np.zeros(len(units), dtype=bool)
    nearest = np.full(len(units), np.inf)
    for k in np.flatnonzero(teacher_lengths):
        apart, across = (np.linalg.norm(units + sign * teacher_units[k], axis=1) for sign in (-1, 1))
        off = 2 * np.arctan2(np.minimum(apart, across), np.maximum(apart, across))  # accurate near 0, unlike arccos
        closer = (off <= angle) & (off < nearest)
        groups[closer], opposite[closer], nearest[closer] = k, (across < apart)[closer], off[closer]
    total = masses.sum()
    silent = (masses == 0) | ((groups == -1) & (masses <= negligible * total))
    groups[silent], opposite[silent] = -2, False
    grouped = groups >= 0
    stray = float(masses[~grouped].sum() / total) if total else 0.0
    masses = np.bincount(groups[grouped], masses[grouped], minlength=teacher.width)
    return Condensation(not np.any(groups == -1), groups, opposite, masses, stray)


def _polar(network: TwoLayer) -> tuple[np.ndarray, np.ndarray]:
    """Lengths and unit vectors of the hidden weights, 0 for 0; without overflow or underflow of the squares."""
    hidden = as_numpy(network.hidden, "hidden")
    size = np.abs(hidden).max(axis=1, keepdims=True)
    scaled = hidden / np.where(size > 0, size, 1.0)
    norm = np.linalg.norm(scaled, axis=1, keepdims=True)
    return (size * norm)[:, 0], scaled / np.where(norm > 0, norm, 1.0)
