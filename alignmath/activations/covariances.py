"""Covariances of two Gaussians at any scale, and their determinants without cancellation."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, namespace, root, value_only

__all__ = ["determinant", "largest_covariance", "normalised"]


def _two_product(x: Array, y: Array) -> tuple[Array, Array]:
    """`x y` as a rounded product and what it lacks, exactly (Dekker), barring overflow."""
    factor = 134217729.0 if x.dtype.itemsize == 8 else 4097.0
    parts = []
    for value in (x, y):
        scaled = factor * value
        high = scaled - (scaled - value)
        parts.append((high, value - high))
    (x_high, x_low), (y_high, y_low) = parts
    product = x * y
    return product, x_low * y_low - (((product - x_high * y_high) - x_low * y_high) - x_high * y_low)


def determinant(a: Array, c: Array, b: Array) -> Array:
    """`a b - c^2`, 0 where rounding left less; the variances are at most about 1, as those of `normalised`."""
    (product, low), (square, square_low) = _two_product(a, b), _two_product(c, c)
    return namespace(a, c, b).clip((product - square) + (low - square_low), 0.0, math.inf)


def normalised(a: Array, c: Array, b: Array, least: float = 0.0) -> tuple[Array, Array, Array, Array, Array]:
    """`a / p^2, c / (p q), b / q^2, p, q`, p and q the powers of two that bring `a + least` and `b + least` to between
    1/4 and 1, so that no product leaves the range of floats, and nothing is rounded.

    >>> a, c, b, p, q = normalised(np.array(2.0**-900), np.array(2.0**-500), np.array(2.0**-100))
    >>> float(a), float(c), float(b), math.log2(p), math.log2(q)
    (0.25, 0.25, 0.25, -449.0, -49.0)
    """
    p, q = (_power_of_two(root(value_only(variance) + least)) for variance in (a, b))
    return a / p / p, c / p / q, b / q / q, p, q


def largest_covariance(a: Array, b: Array) -> Array:
    """`sqrt(a b)` at any scale, of equal variances exactly that variance; its gradient is 0 where one of them is 0."""
    a, _, b, p, q = normalised(a, a, b)
    return root(a * b) * p * q


def _power_of_two(deviation: Array) -> Array:
    """The least power of two above each, 1 for 0."""
    xp = namespace(deviation)
    mantissa = np.frexp(deviation)[0] if isinstance(deviation, np.ndarray | np.generic) else deviation.frexp()[0]
    zero = deviation == 0
    return xp.where(zero, xp.ones_like(deviation), deviation) / xp.where(zero, xp.ones_like(mantissa), mantissa)
