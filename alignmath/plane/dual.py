"""Activation wedges of samples in the plane, and the dual function of minimum-norm interpolation on them.

The weights `w` of a neuron decide which samples it is active on; directions with the same active samples form a wedge.
For multipliers `lambda_i` of the samples, the dual function is `p(psi) = sum_i lambda_i relu(x_i . u(psi))`, `u` the
unit vector at angle psi: on each wedge one sinusoid, so that its largest value is found exactly (min_norm paper,
Section 4). `certificate` gives multipliers that prove Theorem 5.2 for a given teacher and samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import as_numpy, one_per_row
from .folding import EXTENDED, cross
from .sectors import plane_inputs

__all__ = ["DualPeak", "Wedges", "activation_wedges", "arc_peaks", "dual_function", "dual_peak"]


@dataclass(frozen=True, eq=False)
class Wedges:
    """The K wedges of directions in which no sample is at a right angle, around the circle; see `activation_wedges`.

    - start, end: `(K,)`, the angles that bound them, `end > start`, radians
    - active: `(K, N)` bool, which samples a neuron in the wedge is active on

    >>> activation_wedges([[1.0, 0.0]]).active.ravel()
    array([False,  True])
    """

    start: np.ndarray
    end: np.ndarray
    active: np.ndarray


@dataclass(frozen=True, eq=False)
class DualPeak:
    """Where the dual function p is largest in size; see `dual_peak`.

    - value: `|p|` there
    - angle: of the direction, radians in `[0, 2 pi]`
    - sign: of p there, 1 or -1

    >>> dual_peak([[1.0, 0.0]], [-2.0])
    DualPeak(value=2.0, angle=0.0, sign=-1)
    """

    value: float
    angle: float
    sign: int


def activation_wedges(x: Any) -> Wedges:
    """The wedges of the samples `x (N, 2)`, none of them 0.

    Raises `ValueError` for x that is not finite, not in the plane, or has a row 0.

    >>> wedges = activation_wedges([[1.0, 0.0], [0.0, 1.0]])
    >>> np.degrees(wedges.start)
    array([  0.,  90., 180., 270.])
    >>> wedges.active[0]  # a neuron in the first quadrant is active on both
    array([ True,  True])
    """
    x = plane_inputs(x)
    angles = np.arctan2(x[:, 1], x[:, 0])
    start = np.unique(np.mod(np.concatenate([angles - math.pi / 2, angles + math.pi / 2]), 2 * math.pi))
    end = np.append(start[1:], start[0] + 2 * math.pi)
    middle = (start + end) / 2
    return Wedges(start, end, np.cos(middle[:, None] - angles) > 0)


def dual_function(x: Any, multipliers: Any, angles: Any) -> np.ndarray:
    """`p` at any `angles`, radians; x `(N, 2)`, multipliers `(N,)`; returns the shape of `angles`.

    >>> dual_function([[1.0, 0.0], [0.0, 1.0]], [2.0, -1.0], np.radians([0.0, 90.0, 45.0])).round(4)
    array([ 2.    , -1.    ,  0.7071])
    """
    x = plane_inputs(x, zero=True)
    multipliers = one_per_row(multipliers, x, "multipliers", extended=True)
    angles = as_numpy(angles, "angles")
    units = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return np.maximum(units @ x.T, 0) @ multipliers


def arc_peaks(x: Any, multipliers: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where `|p|` is largest on each arc between breakpoints, exactly but for rounding: p `(K,)` and angles `(K,)`.

    x: `(N, 2)`; multipliers: `(N,)`; `K <= 2 N`, breakpoints that coincide counted apart. On an arc
    `p(psi) = g . u(psi)` with g the sum of `lambda_i x_i` over the active samples: the peak is `|g|` where g or -g
    points into the arc, and an end value otherwise. Costs one sort; extended precision throughout, and `multipliers`
    may be `np.longdouble`, as those of samples close together are large and nearly cancel.

    >>> values, angles = arc_peaks([[1.0, 0.0], [-1.0, 0.0]], [2.0, -1.0])
    >>> values.min(), values.max()
    (np.float64(-1.0), np.float64(2.0))
    """
    x = plane_inputs(x, zero=True)
    multipliers = one_per_row(multipliers, x, "multipliers", extended=True)
    kept = np.any(x != 0, axis=1)
    x, multipliers = x[kept].astype(EXTENDED), multipliers[kept].astype(EXTENDED)
    if not len(x):
        return np.zeros(1), np.zeros(1)
    steps = multipliers[:, None] * x
    units = x / np.hypot(x[:, 0], x[:, 1])[:, None]
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
        inside = (sign * cross(edges, g) > 0) & (sign * cross(g, ends) > 0)
        direction = np.arctan2((sign * g[:, 1]).astype(float), (sign * g[:, 0]).astype(float))
        values, places = np.where(inside, sign * size, values), np.where(inside, direction, places)
    return values.astype(float), np.mod(places, 2 * math.pi)


def dual_peak(x: Any, multipliers: Any) -> DualPeak:
    """The largest `|p|` over all directions, exactly but for rounding; x `(N, 2)`, multipliers `(N,)`.

    >>> peak = dual_peak([[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0])
    >>> round(peak.value**2, 12), round(math.degrees(peak.angle), 9), peak.sign
    (2.0, 45.0, 1)
    """
    values, places = arc_peaks(x, multipliers)
    best = int(np.argmax(np.abs(values)))
    return DualPeak(float(abs(values[best])), float(places[best]), -1 if values[best] < 0 else 1)
