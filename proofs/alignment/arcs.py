"""The objects of the two planar theorems, computed for one configuration: arcs of negativity, kinds of students, witnesses.

For any students (angles theta_j, lengths rho_j > 0) these functions do what the proofs do, so that the statements of the proofs' steps can be tested where
their contradictory hypothesis does not hold. Every decision is a sign; floats decide clear ones, balls (python-flint) the rest, at a precision raised until
they can. `decided` runs a function that way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = [
    "FLOATS",
    "Numbers",
    "Undecided",
    "Witness",
    "decided",
    "double_zero_margins",
    "negative_interval",
    "witness",
]

_Result = TypeVar("_Result")


class Undecided(Exception):
    """A sign could not be decided in the arithmetic at hand."""


@dataclass(frozen=True)
class Numbers:
    """An arithmetic: conversion from float, elementary functions, and signs.

    `sign(x, scale)` is -1, 0 or 1, or raises `Undecided`; scale is the size of the terms whose sum x is.
    """

    real: Callable[[float], Any]
    pi: Any
    sin: Callable[[Any], Any]
    cos: Callable[[Any], Any]
    atan2: Callable[[Any, Any], Any]
    sign: Callable[..., int]


def _float_sign(x: float, scale: float = 1.0) -> int:
    if not abs(x) > 1e-9 * scale:
        raise Undecided
    return 1 if x > 0 else -1


def _ball_sign(x: Any, scale: Any = None) -> int:
    if x > 0:
        return 1
    if x < 0:
        return -1
    if x.is_zero():
        return 0
    raise Undecided


FLOATS = Numbers(float, math.pi, math.sin, math.cos, math.atan2, _float_sign)
"""float64; signs of numbers below 1e-9 of their scale are left to balls."""


def decided(compute: Callable[[Numbers], _Result], *, most_bits: int = 8192) -> tuple[_Result, int]:
    """`compute(numbers)` in the first arithmetic that decides all its signs, and the bits used (53 for floats)."""
    try:
        return compute(FLOATS), 53
    except Undecided:
        from flint import arb, ctx

        bits = 128
        while True:
            with ctx.workprec(bits):
                numbers = Numbers(arb, arb.pi(), lambda x: x.sin(), lambda x: x.cos(), arb.atan2, _ball_sign)
                try:
                    return compute(numbers), bits
                except Undecided:
                    if bits >= most_bits:
                        raise
            bits *= 2


def negative_interval(
    numbers: Numbers,
    corners: Sequence[Any],
    values: Sequence[Any],
    scales: Sequence[Any],
    left_slope: Any,
    right_slope: Any,
) -> tuple[Any, Any] | None:
    """Where a convex piecewise linear function is negative: its two zeros (None for an infinite end), or None if nowhere.

    corners: the kinks in any order; values, scales: the function there and the size of its terms; left_slope < 0 and
    right_slope > 0: its slopes outside, None where it is constant there.
    """
    order = _sorted(numbers, corners)
    corners, values, scales = ([column[k] for k in order] for column in (corners, values, scales))
    negative = [k for k, value in enumerate(values) if numbers.sign(value, scales[k]) < 0]
    if not negative:
        return None
    first, last = negative[0], negative[-1]

    def crossing(low: int, high: int) -> Any:
        share = values[low] / (values[low] - values[high])
        return corners[low] + (corners[high] - corners[low]) * share

    lower = upper = None
    if first > 0:
        lower = crossing(first - 1, first)
    elif left_slope is not None:
        lower = corners[first] - values[first] / left_slope
    if last + 1 < len(values):
        upper = crossing(last, last + 1)
    elif right_slope is not None:
        upper = corners[last] - values[last] / right_slope
    return lower, upper


def _sorted(numbers: Numbers, values: Sequence[Any]) -> list[int]:
    """Indices in increasing order of `values`, by insertion; every comparison is decided (equal ones may come in any order)."""
    order: list[int] = []
    for index, value in enumerate(values):
        place = len(order)
        while place and numbers.sign(values[order[place - 1]] - value, abs(values[order[place - 1]]) + abs(value)) > 0:
            place -= 1
        order.insert(place, index)
    return order


def _profile(numbers: Numbers, difference: Any) -> Any:
    """F at the difference of two angles of `[0, 2 pi)`."""
    size = abs(difference)
    if not size < numbers.pi:  # either branch serves where balls cannot tell
        size = 2 * numbers.pi - size
    return numbers.sin(size) + (numbers.pi - size) * numbers.cos(size)


@dataclass(frozen=True)
class Witness:
    """A combination of the equations `M rho = b` that these students contradict.

    case: which step of Theorem A provides it. weights: the coefficients l_j, by student. gap: `sum_j l_j (M rho - b)_j`, which the
    theorem says is positive, and scale, the size of its terms. interval: the zeros of R around I, as tangents; None for an infinite end, or in place of both.
    """

    case: str
    weights: dict[int, Any]
    gap: Any
    scale: Any
    interval: tuple[Any, Any] | None


def witness(angles: Sequence[float], lengths: Sequence[float], numbers: Numbers) -> Witness:
    """The combination that the proof of Theorem A finds for these students; raises `AssertionError` where a step of it fails.

    With `y = tan w` on the teacher's half circle, `R / cos w = sum_j rho_j max(cos theta_j + y sin theta_j, 0) - 1`.
    """
    theta, rho = [numbers.real(a) for a in angles], [numbers.real(p) for p in lengths]
    cosines, sines = [numbers.cos(a) for a in theta], [numbers.sin(a) for a in theta]
    sides = [numbers.sign(s) for s in sines]
    corners = [-c / s for c, s in zip(cosines, sines, strict=True)]

    def active(j: int, y: Any) -> Any:
        return cosines[j] + y * sines[j]

    def value(k: int) -> tuple[Any, Any]:
        """R / cos w at the k-th kink and the size of its terms; a student is active at another's kink on its own side of it."""
        total, size = -numbers.real(1.0), numbers.real(1.0)
        for j, corner in enumerate(corners):
            if j != k and numbers.sign(corners[k] - corner, abs(corners[k]) + abs(corner)) == sides[j]:
                total += rho[j] * active(j, corners[k])
                size += rho[j] * (abs(cosines[j]) + abs(corners[k] * sines[j]))
        return total, size

    left = [rho[j] * sines[j] for j in range(len(theta)) if sides[j] < 0]
    right = [rho[j] * sines[j] for j in range(len(theta)) if sides[j] > 0]
    values, scales = zip(*(value(k) for k in range(len(theta))), strict=True)
    interval = negative_interval(
        numbers, corners, values, scales, sum(left) if left else None, sum(right) if right else None
    )

    residual = [
        sum(p * _profile(numbers, a - other) for p, other in zip(rho, theta, strict=True)) - _profile(numbers, a)
        for a in theta
    ]

    def found(case: str, weights: dict[int, Any]) -> Witness:
        size = max(abs(float(weight)) for weight in weights.values())
        weights = {j: weight / numbers.real(size) for j, weight in weights.items()}
        gap = sum(weight * residual[j] for j, weight in weights.items())
        return Witness(case, weights, gap, 4 * len(weights) * (1 + sum(rho)), interval)

    if interval is None:
        return found("I is empty", {j: numbers.real(1.0) for j in range(len(theta))})
    lower, upper = interval

    def at(j: int, end: Any) -> Any:
        """s_j at an end of I, over cos w; 0 where the student is silent, as all are at an infinite end."""
        if end is None:
            return numbers.real(0.0)
        height = active(j, end)
        return height if numbers.sign(height, abs(cosines[j]) + abs(end * sines[j])) > 0 else numbers.real(0.0)

    ends = [(at(j, lower), at(j, upper)) for j in range(len(theta))]
    kind = [(low != 0, high != 0) for low, high in ends]
    silent = [j for j, both in enumerate(kind) if both == (False, False)]
    if silent:
        return found("a student misses I", {silent[0]: numbers.real(1.0)})
    for which, name in ((0, "two students contain w1 only"), (1, "two students contain w2 only")):
        alone = [j for j, both in enumerate(kind) if both[which] and not both[1 - which]]
        if len(alone) >= 2:
            i, j = alone[:2]
            # the one whose half circle ends earlier, seen from w1 into I (or from w2), gets the positive sign
            if numbers.sign(corners[i] - corners[j], abs(corners[i]) + abs(corners[j])) == (1 if which == 0 else -1):
                i, j = j, i
            return found(name, {i: 1 / ends[i][which], j: -1 / ends[j][which]})
    if len(theta) < 3:
        return Witness("fewer than three students", {}, numbers.real(0.0), numbers.real(1.0), interval)
    both = [j for j, pair in enumerate(kind) if pair == (True, True)]
    chosen = sorted(range(len(theta)), key=lambda j: kind[j] == (True, True))[:3]
    assert any(j in both for j in chosen), "three students, none of which contains both ends"
    (p1, q1), (p2, q2), (p3, q3) = (ends[j] for j in chosen)
    cross = [p2 * q3 - p3 * q2, p3 * q1 - p1 * q3, p1 * q2 - p2 * q1]
    sizes = [abs(p2 * q3) + abs(p3 * q2), abs(p3 * q1) + abs(p1 * q3), abs(p1 * q2) + abs(p2 * q1)]
    signs = [numbers.sign(weight, size) for weight, size in zip(cross, sizes, strict=True)]
    if signs.count(-1) > signs.count(1):
        cross, signs = [-weight for weight in cross], [-sign for sign in signs]
    assert signs.count(-1) == 1, f"signs of the combination: {signs}"
    assert chosen[signs.index(-1)] in both, "the negative coefficient is not a student that contains both ends"
    return found("three students", dict(zip(chosen, cross, strict=True)))


def double_zero_margins(
    angles: Sequence[float], lengths: Sequence[float], numbers: Numbers
) -> list[tuple[str, Any, Any]]:
    """What the second proof of Theorem B says of these students: (case, a quantity it says is positive, the size of its terms).

    `e_i(t) = h(t) - h(theta_i) cos(t - theta_i) - h'(theta_i) sin(t - theta_i)` is what remains of h at t when theta_i is made a
    double zero; on an arc shorter than pi it has the sign of `k = h'' + h`.
    """
    theta, rho = [numbers.real(a) for a in angles], [numbers.real(p) for p in lengths]
    cosines, sines = [numbers.cos(a) for a in theta], [numbers.sin(a) for a in theta]
    corners = [c / s for c, s in zip(cosines, sines, strict=True) if numbers.sign(s)]

    def bend(x: Any) -> Any:
        """k / (2 sin t) at cot t = x."""
        return sum(p * abs(c - x * s) for p, c, s in zip(rho, cosines, sines, strict=True)) - 1

    slope = sum(p * abs(s) for p, s in zip(rho, sines, strict=True))
    sizes = [1 + sum(p * (abs(c) + abs(x * s)) for p, c, s in zip(rho, cosines, sines, strict=True)) for x in corners]
    interval = negative_interval(numbers, corners, [bend(x) for x in corners], sizes, -slope, slope)

    def h(t: Any) -> Any:
        return sum(p * _profile(numbers, t - a) for p, a in zip(rho, theta, strict=True)) - _profile(numbers, t)

    def slope_of_profile(difference: Any) -> Any:
        size = abs(difference)
        if not size < numbers.pi:
            size = 2 * numbers.pi - size
        return -(numbers.pi - size) * numbers.sin(difference)

    def h_slope(t: Any) -> Any:
        return sum(p * slope_of_profile(t - a) for p, a in zip(rho, theta, strict=True)) - slope_of_profile(t)

    def rest(i: int, t: Any) -> Any:
        turn = t - theta[i]
        return h(t) - h(theta[i]) * numbers.cos(turn) - h_slope(theta[i]) * numbers.sin(turn)

    zero, one, scale = numbers.real(0.0), numbers.real(1.0), 12 * (1 + sum(rho))
    if interval is None:
        return [("k is nowhere negative", rest(i, zero), scale) for i in range(len(theta))]
    lower, upper = interval
    alpha, beta = numbers.atan2(one, upper), numbers.atan2(one, lower)

    def arc(a: Any) -> str:
        if numbers.sign(a - alpha) < 0 or numbers.sign(a - beta - numbers.pi) > 0:
            return "P0"
        if numbers.sign(a - beta) < 0:
            return "N1"
        return "Ppi" if numbers.sign(a - alpha - numbers.pi) < 0 else "N2"

    arcs = [arc(a) for a in theta]
    margins = [("a student in P0", rest(i, zero), scale) for i, where in enumerate(arcs) if where == "P0"]
    for i, first in enumerate(arcs):
        for j, second in enumerate(arcs):
            if i < j and first == second and first != "P0":
                margins.append((f"two students in {first}", rest(i, theta[j]) * (1 if first == "Ppi" else -1), scale))
            if first == "Ppi" and second in ("N1", "N2"):
                meeting = beta if second == "N1" else alpha + numbers.pi
                margins.append((f"one in Ppi, one in {second}", rest(i, meeting), scale))
                margins.append((f"one in Ppi, one in {second}", -rest(j, meeting), scale))
    return margins
