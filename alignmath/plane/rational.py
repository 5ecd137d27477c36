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

from ..arrays import as_floating
from .dual import dual_multipliers
from .sectors import plane_points

__all__ = ["exact_dual_square", "exact_lower_bound"]


def exact_dual_square(points: Any, multipliers: Any) -> Fraction:
    """`max |p|^2` over all directions, exactly; points `(N, 2)`, multipliers `(N,)`, float64 or `np.longdouble`.

    Some 30 microseconds a sample, and more where exponents differ widely. Errors as for `plane.dual_peak`.
    """
    points = plane_points(points, zero=True)
    multipliers = dual_multipliers(multipliers, points)
    kept = np.any(points != 0, axis=1)
    samples, points_scale = _integers(points[kept].ravel())
    weights, weights_scale = _integers(multipliers[kept])
    samples = list(zip(samples[::2], samples[1::2], strict=True))
    if not samples:
        return Fraction(0)
    edges = [(y, -x, w * x, w * y) for (x, y), w in zip(samples, weights, strict=True)]
    edges += [(-a, -b, -c, -d) for a, b, c, d in edges]
    edges.sort(key=functools.cmp_to_key(_by_angle))
    first = edges[0]
    gx = gy = 0
    # on the arc that ends at the first edge, the active samples are those on the left of that edge, or just leaving
    for (x, y), w in zip(samples, weights, strict=True):
        side = first[0] * x + first[1] * y
        if side > 0 or (side == 0 and first[0] * -y + first[1] * x > 0):
            gx, gy = gx + w * x, gy + w * y
    best = Fraction(0)
    for k, edge in enumerate(edges):
        gx, gy = gx + edge[2], gy + edge[3]
        after = edges[(k + 1) % len(edges)]
        left, right = edge[0] * gy - edge[1] * gx, gx * after[1] - gy * after[0]
        if (left > 0 and right > 0) or (left < 0 and right < 0):
            best = max(best, Fraction(gx * gx + gy * gy))
        else:
            for x, y, *_ in (edge, after):
                best = max(best, Fraction((gx * x + gy * y) ** 2, x * x + y * y))
    return best / Fraction(points_scale * weights_scale) ** 2


def exact_lower_bound(points: Any, labels: Any, multipliers: Any) -> float:
    """A float that no interpolating network's squared norm lies below: `2 y . lambda / max |p|`, rounded down.

    A proof by exact arithmetic for the data as stored, whatever the multipliers, if `y . lambda > 0`; 0 otherwise.
    labels: `(N,)`. Points are taken as float64. Errors as for `exact_dual_square`.
    """
    points = plane_points(points, zero=True)
    multipliers = dual_multipliers(multipliers, points)
    labels = np.asarray(as_floating(labels, "labels", least_ndim=1))
    if labels.shape != (len(points),):
        raise ValueError(f"labels has shape {labels.shape}; expected ({len(points)},), one for each sample")
    square = exact_dual_square(points, multipliers)
    pairs = zip(labels, multipliers, strict=True)
    products = (Fraction(*y.as_integer_ratio()) * Fraction(*w.as_integer_ratio()) for y, w in pairs)
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
