"""Closed forms as NumPy or torch functions, stable where they vanish.

`(pi - t) cos t + sin t` loses all its digits near pi, where it falls like `(pi - t)^3 / 3`. A closed form here is an
entire function of the angle: on each half of `[0, pi]` it is a power of the distance x from that end times a function
that does not vanish there, and this function is interpolated in Chebyshev points from values in mpmath.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import sympy as sp

from alignmath.arrays import as_floating, namespace
from alignmath.gaussian import complement

__all__ = ["to_function"]

_DIGITS = 250
_ORDER_DIGITS = 700


def to_function(expr: Any, angle: sp.Symbol) -> Callable[[Any], Any]:
    """`expr`, a closed form in `angle` such as `expectation` returns, as a function of arrays of angles in `[0, pi]`.

    NumPy or torch in, the same out, gradients included; computed in float64. Where the form vanishes at 0 or pi it keeps
    its digits: on each half of `[0, pi]` the error is about 1e-15 of the largest value of `form / x^order`, times
    `x^order`, x being the distance from that end. Raises `ValueError` for other free symbols (substitute numbers for
    them), for complex forms, and for forms with a pole or a kink in `[0, pi]`; the function, for angles outside.

    >>> t = sp.Symbol("t")
    >>> overlap = to_function((sp.sin(t) + (sp.pi - t) * sp.cos(t)) / (2 * sp.pi), t)  # E[relu(u) relu(v)]
    >>> overlap([0.0, math.pi / 2, math.pi]).round(6)
    array([0.5     , 0.159155, 0.      ])
    >>> gap = overlap(math.pi - 1e-5) / (1e-15 / (6 * math.pi))  # all digits kept: (pi - t)^3 / (6 pi)
    >>> round(float(gap), 9)
    1.0
    """
    expr = sp.sympify(expr)
    if others := expr.free_symbols - {angle}:
        raise ValueError(f"{expr} has the symbols {sorted(map(str, others))}; substitute numbers for them first")
    if expr.has(sp.Float):
        expr = sp.nsimplify(expr, rational=True)
    exact = sp.lambdify(angle, expr, "mpmath")
    with mp.workdps(_DIGITS):
        low, high = _half(lambda x: exact(x)), _half(lambda x: exact(mp.pi - x))

    def function(theta: Any) -> Any:
        theta = as_floating(theta, str(angle))
        xp = namespace(theta)
        if bool(xp.any((theta < 0) | (theta > math.pi))):
            raise ValueError(
                f"{angle} ranges over [{float(xp.min(theta))}, {float(xp.max(theta))}]; expected radians in [0, pi]"
            )
        near = theta <= math.pi / 2
        wide = xp.astype(theta, xp.float64)
        x = xp.where(near, wide, complement(wide))
        return xp.astype(xp.where(near, low(x), high(x)), theta.dtype)

    function.__doc__ = f"{expr}, for arrays of {angle} in [0, pi]."
    return function


def _half(exact: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function on `[0, pi/2]` as `x^order` times a Chebyshev series."""
    try:
        order = _order(exact)
    except ZeroDivisionError:
        raise ValueError("the closed form has a pole at an end of [0, pi]; multiply it away first") from None
    if order is None:
        return lambda x: 0 * x
    end = mp.pi / 2
    for count in (32, 64, 128, 256):
        cosines = [mp.cos(mp.pi * k / (2 * count)) for k in range(4 * count)]
        values = []
        for k in range(count):
            x = (1 + cosines[2 * k + 1]) / 2 * end
            value = exact(x)
            if mp.im(value) != 0:
                raise ValueError("the closed form is complex in [0, pi]")
            values.append(mp.re(value) / x**order)
        series = [
            2 * mp.fsum(value * cosines[n * (2 * k + 1) % (4 * count)] for k, value in enumerate(values)) / count
            for n in range(count)
        ]
        series[0] /= 2
        size = max(abs(c) for c in series)
        if max(abs(c) for c in series[-4:]) < 1e-20 * size:
            break
    else:
        raise ValueError("the closed form is not smooth on [0, pi]: it has a pole or a kink there, or next to it")
    last = max(n for n, c in enumerate(series) if abs(c) > 1e-19 * size)
    coefficients = np.array([float(c) for c in series[: last + 1]])
    scale = 4 / math.pi

    def evaluate(x: Any) -> Any:
        y = scale * x - 1
        after, current = 0 * y, 0 * y + coefficients[-1]
        for c in coefficients[-2:0:-1]:
            after, current = current, c + 2 * y * current - after
        value = coefficients[0] + y * current - after if len(coefficients) > 1 else current
        return value * x**order

    return evaluate


def _order(exact: Callable[[Any], Any]) -> int | None:
    """How fast the function vanishes at 0, from its size at two tiny points; None for the zero function."""
    with mp.workdps(_ORDER_DIGITS):
        if max(abs(exact(mp.mpf(k) / 7)) for k in (1, 3, 8)) < mp.mpf(10) ** (10 - _ORDER_DIGITS):
            return None
        exact(mp.mpf(0))
        first, second = (abs(exact(mp.mpf(10) ** -k)) for k in (30, 31))
        return max(0, int(mp.nint(mp.log(first / second, 10)))) if second else 0
