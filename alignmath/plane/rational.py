"""The largest value of the dual function in rational arithmetic: lower bounds of the minimum norm that are proofs.

Inputs and multipliers are the binary fractions they are stored as. Between two breakpoints `p(u) = g . u` with g
rational, and whether g points into the arc is the sign of two integers: no rounding, no tolerance, no sorting by angle.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any

import numpy as np

from ..arrays import one_per_row
from .sectors import plane_inputs

__all__ = ["exact_dual_square", "exact_lower_bound"]


def exact_dual_square(x: Any, multipliers: Any) -> Fraction:
    """`max |p|^2` over all directions, exactly; x `(N, 2)`, multipliers `(N,)`, float64 or `np.longdouble`.

    Some 30 microseconds a sample, and more where exponents differ widely. Errors as for `plane.dual_peak`.

    >>> exact_dual_square([[1.0, 0.0], [0.0, 1.0]], [0.5, 1.0])
    Fraction(5, 4)
    """
    x = plane_inputs(x, zero=True)
    multipliers = one_per_row(multipliers, x, "multipliers", extended=True)
    kept = np.any(x != 0, axis=1)
    coordinates, x_scale = _integers(x[kept].ravel())
    weights, weights_scale = _integers(multipliers[kept])
    samples = list(zip(coordinates[::2], coordinates[1::2], weights, strict=True))
    if not samples:
        return Fraction(0)
    edges = [(b, -a, w * a, w * b) for a, b, w in samples]
    edges += [(-a, -b, -c, -d) for a, b, c, d in edges]
    edges.sort(key=functools.cmp_to_key(_by_angle))
    first = edges[0]
    gx = gy = 0
    # on the arc that ends at the first edge, the active samples are those on the left of that edge, or just leaving
    for a, b, w in samples:
        side = first[0] * a + first[1] * b
        if side > 0 or (side == 0 and first[0] * -b + first[1] * a > 0):
            gx, gy = gx + w * a, gy + w * b
    best = Fraction(0)
    for k, edge in enumerate(edges):
        gx, gy = gx + edge[2], gy + edge[3]
        after = edges[(k + 1) % len(edges)]
        left, right = edge[0] * gy - edge[1] * gx, gx * after[1] - gy * after[0]
        if (left > 0 and right > 0) or (left < 0 and right < 0):
            best = max(best, Fraction(gx * gx + gy * gy))
        else:
            for a, b, *_ in (edge, after):
                best = max(best, Fraction((gx * a + gy * b) ** 2, a * a + b * b))
    return best / Fraction(x_scale * weights_scale) ** 2


def exact_lower_bound(x: Any, y: Any, multipliers: Any) -> float:
    """A float that no interpolating network's squared norm lies below: `2 y . lambda / max |p|`, rounded down.

    A proof by exact arithmetic for the data as stored, whatever the multipliers, if `y . lambda > 0`; 0 otherwise.
    y: `(N,)`, the labels. x is taken as float64. Errors as for `exact_dual_square`.

    >>> exact_lower_bound([[1.0, 0.0], [0.0, 2.0]], [3.0, 2.0], [2.0, 0.0])
    6.0
    """
    x = plane_inputs(x, zero=True)
    multipliers = one_per_row(multipliers, x, "multipliers", extended=True)
    y = one_per_row(y, x, "y")
    square = exact_dual_square(x, multipliers)
    pairs = zip(y, multipliers, strict=True)
    products = (Fraction(*label.as_integer_ratio()) * Fraction(*w.as_integer_ratio()) for label, w in pairs)
    value = 2 * sum(products, Fraction(0))
    if value <= 0 or square == 0:
        return 0.0
    ratio = value * value / square
    shift = (200 - ratio.numerator.bit_length() + ratio.denominator.bit_length()) // 2
    scaled = ratio * Fraction(4) ** shift
    root = math.isqrt(scaled.numerator // scaled.denominator)  # some 100 bits of the root, rounded down
    spare = max(root.bit_length() - 53, 0)
    return math.ldexp(root >> spare, spare - shift)


def _integers(values: np.ndarray) -> tuple[list[int], int]:
    """Integers `value * scale`, scale a power of two."""
    ratios = [value.as_integer_ratio() for value in values]
    scale = max((q for _, q in ratios), default=1)
    return [p * (scale // q) for p, q in ratios], scale


def _by_angle(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """Order of directions by their angles in `[0, 2 pi)`, by signs of integers."""
    lower_a, lower_b = a[1] < 0 or (a[1] == 0 and a[0] < 0), b[1] < 0 or (b[1] == 0 and b[0] < 0)
    if lower_a != lower_b:
        return 1 if lower_a else -1
    cross = a[0] * b[1] - a[1] * b[0]
    return -1 if cross > 0 else 1 if cross < 0 else 0
