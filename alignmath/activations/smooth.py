"""Exponential, waves and monomials, by closed forms."""

from __future__ import annotations

import math

from ..arrays import Array, as_order, namespace
from .base import Activation, Dual, zero_like

__all__ = ["COS", "EXP", "SIN", "monomial"]


EXP = Activation(
    "exp",
    lambda x: namespace(x).exp(x),
    lambda x: namespace(x).exp(x),
    math.inf,
    math.inf,
    True,
    False,
    lambda a, c, b: namespace(a, c, b).exp((a + b) / 2 + c),
    lambda a, c, b: namespace(a, c, b).exp((a + b) / 2 + c),
    lambda a: namespace(a).exp(a / 2),
)
"""`exp(x)`; its expectations overflow, and are refused, in float64 from variances of 355 on at correlation 1."""


def _waves(a: Array, c: Array, b: Array) -> tuple[Array, Array]:
    """`E[cos(u - v)] / 2` and `E[cos(u + v)] / 2`."""
    xp = namespace(a, c, b)
    return xp.exp(-((a - c) + (b - c)) / 2) / 2, xp.exp(-((a + c) + (b + c)) / 2) / 2


def _sin_sin(a: Array, c: Array, b: Array) -> Array:
    xp = namespace(a, c, b)
    # exp(-(a + b) / 2) sinh(c); for large c from the wave that does not vanish
    size = xp.abs(c)
    large = xp.sign(c) * -xp.expm1(-2 * size) * xp.exp(-((a - size) + (b - size)) / 2) / 2
    return xp.where(size < 1, xp.exp(-(a + b) / 2) * xp.sinh(xp.clip(c, -1.0, 1.0)), large)


def _cos_cos(a: Array, c: Array, b: Array) -> Array:
    difference, total = _waves(a, c, b)
    return difference + total


SIN = Activation(
    "sin",
    lambda x: namespace(x).sin(x),
    lambda x: namespace(x).cos(x),
    1.0,
    1.0,
    True,
    False,
    _sin_sin,
    _cos_cos,
    lambda a: zero_like(a),
)
"""`sin(x)`."""

COS = Activation(
    "cos",
    lambda x: namespace(x).cos(x),
    lambda x: -namespace(x).sin(x),
    1.0,
    1.0,
    True,
    False,
    _cos_cos,
    _sin_sin,
    lambda a: namespace(a).exp(-a / 2),
)
"""`cos(x)`."""

_MOST_POWER = 60


def _power_dual(k: int) -> Dual:
    """`E[u^k v^k]`: pairings (Isserlis) with j pairs across, `k!^2 / (j! (p!)^2 2^(2p)) a^p b^p c^j`, `p = (k - j) /
    2`."""

    def dual(a: Array, c: Array, b: Array) -> Array:
        total = zero_like(a, c, b)
        for j in range(k % 2, k + 1, 2):
            p = (k - j) // 2
            count = math.factorial(k) ** 2 // (math.factorial(j) * math.factorial(p) ** 2 * 4**p)
            total = total + float(count) * (a * b) ** p * c**j
        return total

    return dual


def monomial(power: int) -> Activation:
    """`x^power`, for powers from 1 to 60.

    >>> from alignmath.activations import monomial
    >>> float(monomial(2).dual(1.0, 0.5, 1.0))  # E[u^2 v^2] = 1 + 2 c^2
    1.5
    """
    k = as_order(power, "power", most=_MOST_POWER, least=1)
    inner = _power_dual(k - 1)
    return Activation(
        f"x^{k}",
        lambda x: x**k,
        lambda x: k * x ** (k - 1) if k > 1 else namespace(x).ones_like(x),
        1.0 if k == 1 else math.inf,
        {1: 0.0, 2: 2.0}.get(k, math.inf),
        True,
        True,
        _power_dual(k),
        lambda a, c, b: k * k * inner(a, c, b),
        lambda a: zero_like(a) if k % 2 else math.prod(range(1, k, 2)) * a ** (k // 2),
    )
