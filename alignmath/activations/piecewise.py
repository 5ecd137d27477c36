"""ReLU and others linear on both sides of 0, and the step: the arc-cosine family.

Their closed forms take the angle between u and v from the determinant `a b - c^2`, computed without cancellation: at
correlation 1 the angle is 0, not 1e-8.
"""

from __future__ import annotations

import math

from ..arrays import Array, as_number, namespace, root
from .base import Activation, zero_like
from .covariances import determinant, normalised

__all__ = ["ABS", "RELU", "STEP", "leaky_relu"]

_STEEPEST = 1e6


def _angle_and_area(a: Array, c: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """Of `normalised` Gaussians: the angle between u and v in `[0, pi]`, `sqrt(a b) sin(angle)`, and c; then by what
    products of u and v were divided. Angle and area are 0 if a or b is."""
    a, c, b, p, q = normalised(a, c, b)
    area = root(determinant(a, c, b))
    return namespace(area, c).atan2(area, c), area, c, p * q


def _relu(a: Array, c: Array, b: Array) -> Array:
    theta, area, c, scale = _angle_and_area(a, c, b)
    return scale * (area + (math.pi - theta) * c) / (2 * math.pi)


def _step(a: Array, c: Array, b: Array) -> Array:
    theta, *_ = _angle_and_area(a, c, b)
    xp = namespace(theta)
    return xp.where((a > 0) & (b > 0), (math.pi - theta) / (2 * math.pi), xp.zeros_like(theta))


def _sign(a: Array, c: Array, b: Array) -> Array:
    theta, *_ = _angle_and_area(a, c, b)
    xp = namespace(theta)
    return xp.where((a > 0) & (b > 0), 1 - 2 * theta / math.pi, xp.zeros_like(theta))


def _abs(a: Array, c: Array, b: Array) -> Array:
    theta, area, c, scale = _angle_and_area(a, c, b)
    return 2 * scale * (area + (math.pi / 2 - theta) * c) / math.pi


def leaky_relu(slope: float) -> Activation:
    """`max(x, 0) + slope min(x, 0)`, slope from -1e6 to 1e6; `ValueError` otherwise.

    >>> import numpy as np
    >>> from alignmath.activations import leaky_relu
    >>> s = leaky_relu(0.5)
    >>> s.value(np.array([-2.0, 2.0])).tolist(), float(s.dual(1.0, 1.0, 1.0))
    ([-1.0, 2.0], 0.625)
    """
    s = as_number(slope, "slope", least=-_STEEPEST)
    if s > _STEEPEST:
        raise ValueError(f"slope is {slope!r}; expected a number from {-_STEEPEST:g} to {_STEEPEST:g}")
    d = 1 - s

    def value(x: Array) -> Array:
        return namespace(x).where(x > 0, x, s * x)

    def derivative(x: Array) -> Array:
        xp = namespace(x)
        return xp.where(x > 0, xp.ones_like(x), s * xp.ones_like(x))

    def of_derivative(a: Array, c: Array, b: Array) -> Array:
        # s'(0) = slope: a variable that is always 0 counts as such
        xp = namespace(a, c, b)
        zero = xp.zeros_like(a * c * b)
        half = d / 2
        return (
            s * s
            + s * xp.where(a > 0, zero + half, zero)
            + s * xp.where(b > 0, zero + half, zero)
            + d * d * _step(a, c, b)
        )

    return Activation(
        f"leaky_relu({s:g})" if s else "relu",
        value,
        derivative,
        max(1.0, abs(s)),
        0.0 if s == 1 else math.inf,
        s == 1,
        s == 1,
        lambda a, c, b: s * c + d * d * _relu(a, c, b) if s else _relu(a, c, b),
        of_derivative if s else _step,
        lambda a: d / math.sqrt(2 * math.pi) * root(a),
        (1.0, s),
    )


RELU = leaky_relu(0.0)
"""`max(x, 0)`, with s'(0) = 0."""

STEP = Activation(
    "step",
    lambda x: namespace(x).astype(x > 0, x.dtype),
    lambda x: namespace(x).zeros_like(x),
    math.inf,
    math.inf,
    False,
    False,
    _step,
    None,
    lambda a: namespace(a).where(a > 0, 0.5 + zero_like(a), zero_like(a)),
)
"""`1(x > 0)`."""

ABS = Activation(
    "abs",
    lambda x: namespace(x).abs(x),
    lambda x: namespace(x).sign(x),
    1.0,
    math.inf,
    False,
    False,
    _abs,
    _sign,
    lambda a: math.sqrt(2 / math.pi) * root(a),
    (1.0, -1.0),
)
"""`|x|`."""
