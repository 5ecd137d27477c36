"""The explicit minimum-norm certificate: multipliers that prove Theorem 5.2 of the min_norm paper for a given teacher
and samples, two in each sector.

For samples of any kind `solvers.min_norm` finds the multipliers of the minimum, `MinNormSolution.dual`, by a linear
program; `plane.dual_peak` checks either.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..networks import TwoLayer
from .sectors import SAME_ANGLE, kink_lines, nonsilent, plane_inputs, plane_neurons, sector_borders

__all__ = ["dual_certificate"]

_HEAVIEST = 1e8
"""Multipliers of unit inputs larger than this leave the dual function fewer than seven digits."""


def dual_certificate(teacher: TwoLayer, x: Any) -> np.ndarray:
    """Multipliers `(N,)` that prove the teacher a minimum-norm interpolant of its own values at `x (N, 2)`.

    Their `dual_function` p has `|p| <= 1` in every direction and `p = sign a_k` at `+-b_k`, so that no network with
    these values has a norm below the teacher's, `2 sum_k |a_k| |b_k|` (Theorem 5.2 of the min_norm paper, for any
    signs and lengths). Inputs have any positive length. At most two of them in each open sector get a multiplier, with

        lambda_1 x_1 + lambda_2 x_2 = (e' n' - e n) / 2,

    n and n' the unit vectors a quarter turn clockwise from the two borders of the sector and e, e' the signs of the
    neurons there. Where e = -e' any two inputs serve, and the outermost are taken. Where e = e' they must lie on one
    side of the sector's bisector, or so close to it that p stays within 1 between them. Of the admissible pairs the
    one with the least `|lambda_1 x_1| + |lambda_2 x_2|` is taken: on one side, the two widest apart; across the
    bisector, the two next to it. Of three distinct inputs, two always serve. Inputs on a border are in no sector.

    Raises `ValueError` if two neurons lie on one line; if a sector has no pair that serves, or none without
    multipliers above 1e8 (for unit inputs), which rounding would spoil; and as `teacher_sectors` does. Costs one sort.

    >>> from alignmath.networks import regular_polygon
    >>> from alignmath.plane import dual_peak
    >>> angles = np.radians(np.arange(5, 365, 20))  # three inputs in each of the six sectors
    >>> x, teacher = np.stack([np.cos(angles), np.sin(angles)], axis=1), regular_polygon(3)
    >>> multipliers = dual_certificate(teacher, x)
    >>> round(dual_peak(x, multipliers).value, 12)
    1.0
    >>> round(2 * float(teacher(x) @ multipliers), 12)  # a lower bound of the squared norm: the teacher's own
    6.0
    """
    hidden, output = plane_neurons(teacher, "teacher")
    x = plane_inputs(x)
    live = nonsilent(hidden, output)
    lines, line = kink_lines(hidden[live])
    _require_distinct(line, np.flatnonzero(live))
    signs = np.empty(len(lines))
    signs[line] = np.sign(output[live])
    start, end = sector_borders(lines)
    angles = np.mod(np.arctan2(x[:, 1], x[:, 0]), 2 * math.pi)
    angles = np.where(angles < start[0], angles + 2 * math.pi, angles)
    sector = np.searchsorted(start, angles, side="right") - 1
    inside = (angles - start[sector] > SAME_ANGLE) & (end[sector] - angles > SAME_ANGLE)
    order = np.flatnonzero(inside)
    order = order[np.lexsort((angles[order], sector[order]))]
    bounds = np.searchsorted(sector[order], np.arange(len(start) + 1))
    multipliers = np.zeros(len(x))
    for k in range(len(start)):
        held = order[bounds[k] : bounds[k + 1]]
        half = float(end[k] - start[k]) / 2
        sign, equal = signs[k % len(lines)], signs[k % len(lines)] == signs[(k + 1) % len(lines)]
        offsets = angles[held] - (start[k] + half)  # from the bisector
        size, pair = _best_pair(offsets, half, bool(equal))
        if size > _HEAVIEST:
            raise ValueError(
                _no_pair(math.degrees(start[k]), math.degrees(end[k]), held, np.degrees(angles[held]), size)
            )
        first, second = offsets[list(pair)]
        scale = sign / np.sin(second - first)
        multipliers[held[pair[0]]] = scale * _pull(second, half, equal)
        multipliers[held[pair[1]]] = -scale * _pull(first, half, equal)
    with np.errstate(over="ignore"):
        multipliers /= np.hypot(x[:, 0], x[:, 1])
    if not np.all(np.isfinite(multipliers)):
        raise ValueError("x has a row too short for its multiplier to be a float; rescale x")
    return multipliers


def _require_distinct(line: np.ndarray, neurons: np.ndarray) -> None:
    order = np.argsort(line, kind="stable")
    same = np.flatnonzero(np.diff(line[order]) == 0)
    if len(same):
        pair = neurons[order[same[0] : same[0] + 2]]
        raise ValueError(
            f"teacher neurons {pair[0]} and {pair[1]} lie on one line, and the certificate needs distinct lines; add "
            "up neurons of one line and sign"
        )


def _pull(offset: Any, half: float, equal: bool) -> Any:
    """Half the cross product of `e' n' - e n`, e = 1, with the unit vector at `offset` from the bisector."""
    return np.sin(half) * np.sin(offset) if equal else -np.cos(half) * np.cos(offset)


def _best_pair(offsets: np.ndarray, half: float, equal: bool) -> tuple[float, tuple[int, int]]:
    """The least `|lambda_1 x_1| + |lambda_2 x_2|`, and the indices of its pair; infinity if no pair serves.

    offsets: from the bisector, sorted, in `(-half, half)`.
    """
    count = len(offsets)
    if equal:
        before, after = np.searchsorted(offsets, 0.0, side="left"), np.searchsorted(offsets, 0.0, side="right")
        pairs = [(0, int(after) - 1), (int(before), count - 1)]
        if 0 < before == after < count and _stays_within(-offsets[before - 1], offsets[after], half):
            pairs.append((int(before) - 1, int(after)))
    else:
        pairs = [(0, count - 1)]
    best: tuple[float, tuple[int, int]] = (math.inf, (0, 0))
    for pair in pairs:
        if pair[1] > pair[0] and offsets[pair[1]] - offsets[pair[0]] > SAME_ANGLE:
            first, second = offsets[list(pair)]
            pulls = abs(_pull(first, half, equal)) + abs(_pull(second, half, equal))
            best = min(best, (float(pulls / np.sin(second - first)), pair))
    return best


def _stays_within(before: float, after: float, half: float) -> bool:
    """Whether p stays within 1 between inputs so far `before` and `after` the bisector, the signs being equal.

    There `p = cos(half) cos s + sin(half) W(s)`, W the sinusoid that takes the values of `|sin s|` at the two inputs.
    Where its peak lies outside of them the sinusoid is below `cos(half - |s|)` there, hence within 1 as well.
    """
    span = math.sin(before + after)
    even = math.cos(half) + math.sin(half) * 2 * math.sin(before) * math.sin(after) / span
    odd = math.sin(half) * math.sin(after - before) / span
    return math.hypot(even, odd) <= 1


def _no_pair(start: float, end: float, held: np.ndarray, degrees: np.ndarray, size: float) -> str:
    where = ", ".join(f"{i} at {angle:.10g}" for i, angle in zip(held[:6], degrees[:6], strict=True))
    more = f" and {len(held) - 6} more" if len(held) > 6 else ""
    needs = (
        f"of which the best two would need multipliers of size {size:.2g}, above {_HEAVIEST:g}; add samples farther "
        "apart there, unless the sector itself is too narrow"
        if size < math.inf
        else f"and the certificate needs two distinct ones on one side of its bisector at {(start + end) / 2:.10g} (or "
        "both near it, or the neurons at its borders of opposite sign); add samples there"
    )
    holds = f"inputs {where}{more}" if len(held) else "no input"
    return f"the sector from {start:.10g} to {end:.10g} degrees holds {holds}, {needs}"
