"""Two-layer ReLU networks on inputs of dimension 2: activation wedges, and the dual function of interpolation.

The weights `w` of a neuron decide which samples it is active on; directions with the same active samples form a wedge.
For multipliers `lambda_i` of the samples, the dual function of minimum-norm interpolation is
`p(psi) = sum_i lambda_i relu(x_i . u(psi))`, `u` the unit vector at angle psi: on each wedge one sinusoid, so that its
largest value is found exactly (min_norm paper, Section 4; `min_norm.def.dual`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .arrays import as_floating

__all__ = ["DualPeak", "Wedges", "activation_wedges", "arc_peaks", "dual_function", "dual_peak"]


class Wedges(NamedTuple):
    """The K wedges of directions in which no sample is at a right angle, in order around the circle.

    start, end: `(K,)`, the angles that bound them, `end > start`, radians. active: `(K, N)` bool, which samples a
    neuron in the wedge is active on.
    """

    start: np.ndarray
    end: np.ndarray
    active: np.ndarray


class DualPeak(NamedTuple):
    """Largest size of the dual function: value `|p|`, the angle where it is reached, and the sign of p there."""

    value: float
    angle: float
    sign: int


def activation_wedges(points: Any) -> Wedges:
    """The wedges of the samples `points (N, 2)`, none of them 0.

    Raises `ValueError` for points that are not finite, not in the plane, or 0.
    """
    points = _plane_points(points)
    angles = np.arctan2(points[:, 1], points[:, 0])
    start = np.unique(np.mod(np.concatenate([angles - math.pi / 2, angles + math.pi / 2]), 2 * math.pi))
    end = np.append(start[1:], start[0] + 2 * math.pi)
    middle = (start + end) / 2
    return Wedges(start, end, np.cos(middle[:, None] - angles) > 0)


def dual_function(points: Any, multipliers: Any, angles: Any) -> np.ndarray:
    """`p` at any `angles`, radians; points `(N, 2)`, multipliers `(N,)`; returns the shape of `angles`."""
    points, multipliers = _plane_points(points, zero=True), _multipliers(multipliers, points)
    angles = np.asarray(as_floating(angles, "angles"))
    units = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return np.maximum(units @ points.T, 0) @ multipliers


def arc_peaks(points: Any, multipliers: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where `|p|` is largest on each arc between breakpoints, exactly but for rounding: p `(K,)` and angles `(K,)`.

    points: `(N, 2)`; multipliers: `(N,)`; `K <= 2 N`, breakpoints that coincide counted apart. On an arc
    `p(psi) = g . u(psi)` with g the sum of `lambda_i x_i` over the active samples: the peak is `|g|` where g or -g
    points into the arc, and an end value otherwise. Costs one sort.
    """
    points, multipliers = _plane_points(points, zero=True), _multipliers(multipliers, points)
    kept = np.any(points != 0, axis=1)
    points, multipliers = points[kept], multipliers[kept]
    if not len(points):
        return np.zeros(1), np.zeros(1)
    angles = np.arctan2(points[:, 1], points[:, 0])
    steps = multipliers[:, None] * points
    turns = np.mod(np.concatenate([angles - math.pi / 2, angles + math.pi / 2]), 2 * math.pi)
    order = np.argsort(turns, kind="stable")
    start = turns[order]
    end = np.append(start[1:], start[0] + 2 * math.pi)
    wrapping = steps[np.cos((start[-1] + end[-1]) / 2 - angles) > 0].sum(axis=0)  # active on the arc that wraps round
    g = wrapping + np.cumsum(np.concatenate([steps, -steps])[order], axis=0)
    size, direction = np.hypot(g[:, 0], g[:, 1]), np.arctan2(g[:, 1], g[:, 0])
    values, places = np.cos(start - direction) * size, start
    for turned, sign, inner in ((direction, 1.0, True), (direction + math.pi, -1.0, True), (end, 1.0, False)):
        ahead = np.mod(turned - start, 2 * math.pi) if inner else end - start
        value = sign * size if inner else np.cos(end - direction) * size
        better = (np.abs(value) > np.abs(values)) & (ahead <= end - start)
        values, places = np.where(better, value, values), np.where(better, start + ahead, places)
    return values, np.mod(places, 2 * math.pi)


def dual_peak(points: Any, multipliers: Any) -> DualPeak:
    """The largest `|p|` over all directions, exactly but for rounding; points `(N, 2)`, multipliers `(N,)`."""
    values, places = arc_peaks(points, multipliers)
    best = int(np.argmax(np.abs(values)))
    return DualPeak(float(abs(values[best])), float(places[best]), -1 if values[best] < 0 else 1)


def _plane_points(points: Any, *, zero: bool = False) -> np.ndarray:
    points = np.asarray(as_floating(points, "points", least_ndim=2), dtype=float)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points has shape {points.shape}; expected (N, 2), one sample a row")
    if not zero and not np.all(np.any(points != 0, axis=1)):
        row = int(np.argmin(np.any(points != 0, axis=1)))
        raise ValueError(f"points[{row}] is the zero vector, which has no direction; leave it out")
    return points


def _multipliers(multipliers: Any, points: np.ndarray) -> np.ndarray:
    multipliers = np.asarray(as_floating(multipliers, "multipliers", least_ndim=1), dtype=float)
    if multipliers.shape != (len(points),):
        raise ValueError(f"multipliers has shape {multipliers.shape}; expected ({len(points)},), one for each sample")
    return multipliers
