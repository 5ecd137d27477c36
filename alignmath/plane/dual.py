"""Activation wedges of samples in the plane, and the dual function of minimum-norm interpolation on them.

The weights `w` of a neuron decide which samples it is active on; directions with the same active samples form a wedge.
For multipliers `lambda_i` of the samples, the dual function is `p(psi) = sum_i lambda_i relu(x_i . u(psi))`, `u` the
unit vector at angle psi: on each wedge one sinusoid, so that its largest value is found exactly (min_norm paper,
Section 4). `certificate` gives multipliers that prove Theorem 5.2 for a given teacher and samples.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..arrays import as_floating
from .folding import EXTENDED
from .sectors import plane_points

__all__ = [
    "DualPeak",
    "Wedges",
    "activation_wedges",
    "arc_peaks",
    "dual_function",
    "dual_multipliers",
    "dual_peak",
]


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
    points = plane_points(points)
    angles = np.arctan2(points[:, 1], points[:, 0])
    start = np.unique(np.mod(np.concatenate([angles - math.pi / 2, angles + math.pi / 2]), 2 * math.pi))
    end = np.append(start[1:], start[0] + 2 * math.pi)
    middle = (start + end) / 2
    return Wedges(start, end, np.cos(middle[:, None] - angles) > 0)


def dual_function(points: Any, multipliers: Any, angles: Any) -> np.ndarray:
    """`p` at any `angles`, radians; points `(N, 2)`, multipliers `(N,)`; returns the shape of `angles`."""
    points, multipliers = plane_points(points, zero=True), dual_multipliers(multipliers, points)
    angles = np.asarray(as_floating(angles, "angles"))
    units = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return np.maximum(units @ points.T, 0) @ multipliers


def arc_peaks(points: Any, multipliers: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where `|p|` is largest on each arc between breakpoints, exactly but for rounding: p `(K,)` and angles `(K,)`.

    points: `(N, 2)`; multipliers: `(N,)`; `K <= 2 N`, breakpoints that coincide counted apart. On an arc
    `p(psi) = g . u(psi)` with g the sum of `lambda_i x_i` over the active samples: the peak is `|g|` where g or -g
    points into the arc, and an end value otherwise. Costs one sort; extended precision throughout, and `multipliers`
    may be `np.longdouble`, as those of samples close together are large and nearly cancel.
    """
    points, multipliers = plane_points(points, zero=True), dual_multipliers(multipliers, points)
    kept = np.any(points != 0, axis=1)
    points, multipliers = points[kept].astype(EXTENDED), multipliers[kept].astype(EXTENDED)
    if not len(points):
        return np.zeros(1), np.zeros(1)
    steps = multipliers[:, None] * points
    units = points / np.hypot(points[:, 0], points[:, 1])[:, None]
    turned = np.stack([units[:, 1], -units[:, 0]], axis=1)
    edges = np.concatenate([turned, -turned])
    turns = np.arctan2(edges[:, 1].astype(float), edges[:, 0].astype(float))
    order = np.argsort(turns, kind="stable")
    widths = np.diff(turns[order], append=turns[order[0]] + 2 * math.pi)
    order = np.roll(order, -1 - int(np.argmax(widths)))  # begin behind the widest arc
    edges, turns = edges[order], turns[order]
    ends, middle = np.roll(edges, -1, axis=0), turns[-1] + widths.max() / 2
    wrapping = steps[units @ np.array([math.cos(middle), math.sin(middle)]) > 0].sum(axis=0)
    g = wrapping + np.cumsum(np.concatenate([steps, -steps])[order], axis=0)
    values, places = np.sum(g * edges, axis=1), turns
    at_end = np.sum(g * ends, axis=1)
    better = np.abs(at_end) > np.abs(values)
    values, places = np.where(better, at_end, values), np.where(better, np.roll(turns, -1), places)
    size = np.hypot(g[:, 0], g[:, 1])
    for sign in (1.0, -1.0):
        inside = (sign * _cross(edges, g) > 0) & (sign * _cross(g, ends) > 0)
        direction = np.arctan2((sign * g[:, 1]).astype(float), (sign * g[:, 0]).astype(float))
        values, places = np.where(inside, sign * size, values), np.where(inside, direction, places)
    return values.astype(float), np.mod(places, 2 * math.pi)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def dual_peak(points: Any, multipliers: Any) -> DualPeak:
    """The largest `|p|` over all directions, exactly but for rounding; points `(N, 2)`, multipliers `(N,)`."""
    values, places = arc_peaks(points, multipliers)
    best = int(np.argmax(np.abs(values)))
    return DualPeak(float(abs(values[best])), float(places[best]), -1 if values[best] < 0 else 1)


def dual_multipliers(multipliers: Any, points: np.ndarray) -> np.ndarray:
    """`multipliers` as an array, checked: finite, one for each of the `points`."""
    multipliers = np.asarray(as_floating(multipliers, "multipliers", least_ndim=1))
    if multipliers.shape != (len(points),):
        raise ValueError(f"multipliers has shape {multipliers.shape}; expected ({len(points)},), one for each sample")
    return multipliers
