"""Two-layer ReLU networks on inputs of dimension 2: their kinks and values, activation wedges, the dual function.

A network is linear between the angles where its gradient jumps, its kinks; their total size is kappa (min_norm paper,
eqs. (7)-(8)); `sectors` has the regions between those of a teacher.

The weights `w` of a neuron decide which samples it is active on; directions with the same active samples form a wedge.
For multipliers `lambda_i` of the samples, the dual function of minimum-norm interpolation is
`p(psi) = sum_i lambda_i relu(x_i . u(psi))`, `u` the unit vector at angle psi: on each wedge one sinusoid, so that its
largest value is found exactly (min_norm paper, Section 4; `min_norm.def.dual`). `dual_certificate` gives multipliers
that prove Theorem 5.2 for a given teacher and samples.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .arrays import as_floating
from .folding import EXTENDED
from .networks import TwoLayerReLU
from .sectors import SAME_ANGLE, gradient_parts, kink_lines, nonsilent, plane_neurons, plane_points, sectors

__all__ = [
    "DualPeak",
    "Kinks",
    "Wedges",
    "activation_wedges",
    "arc_peaks",
    "dual_certificate",
    "dual_function",
    "dual_multipliers",
    "dual_peak",
    "evaluate",
    "kappa",
    "kinks",
    "sectors",
]

_HEAVIEST = 1e8
"""Multipliers of unit points larger than this leave the dual function fewer than seven digits."""


class Kinks(NamedTuple):
    """The K angles, in order in `[0, 2 pi)`, at which the gradient of f jumps, and how far it jumps.

    angles: `(K,)`, radians. jumps: `(K,)`, signed: past the angle t the gradient has gained `jump` times the unit
    vector at `t + pi/2`; f as a function of the angle has `f'' + f` equal to these masses at these angles.
    """

    angles: np.ndarray
    jumps: np.ndarray


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


def kinks(network: TwoLayerReLU) -> Kinks:
    """The kinks of one network in the plane: the set A of the gradient, and its jumps. min_norm paper, eq. (7).

    A neuron jumps by `a_j |b_j|` at both angles a quarter turn from b_j, so that each kink has a partner half a turn
    on. Neurons on one line to rounding are added up, and dropped where they cancel: `relu(t) - relu(-t) = t` has no
    kink. Costs one sort. Raises `ValueError` for a batch and for inputs not in the plane.
    """
    hidden, output = plane_neurons(network, "network")
    live = np.any(hidden != 0, axis=1) & (output != 0)
    if not np.any(live):
        return Kinks(np.zeros(0), np.zeros(0))
    lines, line = kink_lines(hidden[live])
    masses = (output * np.hypot(hidden[:, 0], hidden[:, 1]))[live]
    groups = np.split(masses[np.argsort(line, kind="stable")], np.cumsum(np.bincount(line))[:-1])
    jumps = np.array([math.fsum(group) for group in groups])
    kept = np.abs(jumps) > SAME_ANGLE * np.bincount(line, np.abs(masses))
    return Kinks(np.concatenate([lines[kept], lines[kept] + math.pi]), np.tile(jumps[kept], 2))


def kappa(network: TwoLayerReLU) -> float:
    """`kappa(f)`, the total size of the jumps of the gradient on the circle. min_norm paper, eq. (8).

    `2 |a| |b|` for one neuron, at most `kappa(f) + kappa(g)` for `f + g`, hence at most `2 sum_j |a_j| |b_j|`
    (Remark 4.3), and equal to that where no neurons of opposite sign share a line. Errors as for `kinks`.
    """
    return math.fsum(np.abs(kinks(network).jumps))


def evaluate(network: TwoLayerReLU, x: Any) -> np.ndarray:
    """f at the inputs `x (N, 2)`, `(N,)`, for one network of width m in the plane, in `O((N + m) log(N + m))`.

    Finds the sector of each input, and there the gradient, by one sort and exact prefix sums, so that the error is a
    few roundings of `sum_j |a_j| |b_j| |x|` at any width. float64. Raises `ValueError` for a batch, for inputs not in
    the plane, and for weights whose sum of `|a_j| |b_j|` exceeds 1e300.
    """
    hidden, output = plane_neurons(network, "network")
    x = plane_points(x, "x", zero=True)
    coarse, fine = gradient_parts(hidden, output, np.arctan2(x[:, 1], x[:, 0]))
    return np.sum(coarse * x, axis=1) + np.sum(fine * x, axis=1)


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


def dual_certificate(teacher: TwoLayerReLU, points: Any) -> np.ndarray:
    """Multipliers `(N,)` that prove the teacher a minimum-norm interpolant of its own values at the `points (N, 2)`.

    Their `dual_function` p has `|p| <= 1` in every direction and `p = sign a_k` at `+-b_k`, so that no network with
    these values has a norm below the teacher's, `2 sum_k |a_k| |b_k|` (Theorem 5.2 of the min_norm paper, for any
    signs and lengths). Points have any positive length. At most two points in each open sector get a multiplier, with

        lambda_1 x_1 + lambda_2 x_2 = (e' n' - e n) / 2,

    n and n' the unit vectors a quarter turn clockwise from the two borders of the sector and e, e' the signs of the
    neurons there. Where e = -e' any two points serve, and the outermost are taken. Where e = e' they must lie on one
    side of the sector's bisector, or so close to it that p stays within 1 between them. Of the admissible pairs the
    one with the least `|lambda_1 x_1| + |lambda_2 x_2|` is taken: on one side, the two widest apart; across the
    bisector, the two next to it. Of three distinct points, two always serve. Points on a border are in no sector.

    Raises `ValueError` if two neurons lie on one line; if a sector has no pair that serves, or none without
    multipliers above 1e8 (for unit points), which rounding would spoil; and as `sectors` does. Costs one sort.
    """
    hidden, output = plane_neurons(teacher, "teacher")
    points = plane_points(points)
    live = nonsilent(hidden, output)
    lines, line = kink_lines(hidden[live])
    _require_distinct(line, np.flatnonzero(live))
    signs = np.empty(len(lines))
    signs[line] = np.sign(output[live])
    start = np.concatenate([lines, lines + math.pi])
    end = np.append(start[1:], start[0] + 2 * math.pi)
    angles = np.mod(np.arctan2(points[:, 1], points[:, 0]), 2 * math.pi)
    angles = np.where(angles < start[0], angles + 2 * math.pi, angles)
    sector = np.searchsorted(start, angles, side="right") - 1
    inside = (angles - start[sector] > SAME_ANGLE) & (end[sector] - angles > SAME_ANGLE)
    order = np.flatnonzero(inside)
    order = order[np.lexsort((angles[order], sector[order]))]
    bounds = np.searchsorted(sector[order], np.arange(len(start) + 1))
    multipliers = np.zeros(len(points))
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
        multipliers /= np.hypot(points[:, 0], points[:, 1])
    if not np.all(np.isfinite(multipliers)):
        raise ValueError("points has a row too short for its multiplier to be a float; rescale the points")
    return multipliers


def dual_multipliers(multipliers: Any, points: np.ndarray) -> np.ndarray:
    """`multipliers` as an array, checked: finite, one for each of the `points`."""
    multipliers = np.asarray(as_floating(multipliers, "multipliers", least_ndim=1))
    if multipliers.shape != (len(points),):
        raise ValueError(f"multipliers has shape {multipliers.shape}; expected ({len(points)},), one for each sample")
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
    """Whether p stays within 1 between points so far `before` and `after` the bisector, the signs being equal.

    There `p = cos(half) cos s + sin(half) W(s)`, W the sinusoid that takes the values of `|sin s|` at the two points.
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
    holds = f"points {where}{more}" if len(held) else "no point"
    return f"the sector from {start:.10g} to {end:.10g} degrees holds {holds}, {needs}"
