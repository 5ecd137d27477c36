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


def to_function(expr: Any, angle: sp.Symbol) -> Callable[[Any], Any]:
    """`expr`, a closed form in `angle` such as `expectation` returns, as a function of arrays of angles in `[0, pi]`.

    NumPy or torch in, the same out, float64, gradients included; relative accuracy about 1e-15 near 0 and pi, however
    fast the form vanishes there. Raises `ValueError` for other free symbols (substitute numbers for them) and for forms
    with a pole in `[0, pi]`.
    """
    expr = sp.sympify(expr)
    if others := expr.free_symbols - {angle}:
        raise ValueError(f"{expr} has the symbols {sorted(map(str, others))}; substitute numbers for them first")
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
        x = xp.where(near, theta, complement(theta))
        return xp.where(near, low(x), high(x))

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
    count = 32
    while True:
        nodes = [(1 + mp.cos(mp.pi * (2 * k + 1) / (2 * count))) / 2 * end for k in range(count)]
        values = [mp.re(exact(x)) / x**order for x in nodes]
        series = [
            2 * mp.fsum(v * mp.cos(mp.pi * n * (2 * k + 1) / (2 * count)) for k, v in enumerate(values)) / count
            for n in range(count)
        ]
        series[0] /= 2
        size = max(abs(c) for c in series)
        if max(abs(c) for c in series[-4:]) < 1e-20 * size:
            break
        if count >= 512:
            raise ValueError("the closed form is not smooth on [0, pi]: it has a pole or a kink there")
        count *= 2
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
    """How fast the function vanishes at 0: from its size at two small points; None for the zero function."""
    small = [mp.mpf(10) ** -k for k in (3, 4)]
    values = [abs(exact(x)) for x in small]
    if max(abs(exact(mp.mpf(k) / 7)) for k in (1, 3, 8)) < mp.mpf(10) ** (8 - _DIGITS):
        return None
    exact(mp.mpf(0))
    return max(0, int(mp.nint(mp.log(values[0] / values[1], 10))))
