"""Hermite coefficients of an activation, for one degree or a symbolic one, and Mehler's sum as an independent check."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import cache
from typing import Any

import mpmath as mp
import sympy as sp

from .line import line_expectation, truncated_moments
from .pieces import checked, orthants

__all__ = ["hermite_coefficient", "mehler_sum"]

_MOST_TERMS = 5000


def hermite_coefficient(expr: Any, gaussian: sp.Symbol, degree: Any) -> Any:
    """`E[expr He_n(u)] / sqrt(n!)`, the coefficient of `expr` on the normalised Hermite polynomial of degree n.

    degree: an integer >= 0, or a symbol for all degrees above those of the polynomial pieces at once (breakpoints at 0
    only). With `u^k` on the positive half-line, integration by parts k times gives `k! He_(n-k-1)(0) / sqrt(2 pi)`,
    and `He_m(0) = 2^(m/2) sqrt(pi) / Gamma((1 - m)/2)`, which is 0 for odd m. Raises `ValueError` for other degrees.

    >>> u = sp.Symbol("u")
    >>> hermite_coefficient(sp.Max(u, 0), u, 1)
    1/2
    """
    expr = checked(expr, (gaussian,))
    if isinstance(degree, sp.Symbol):
        n = degree
        if expr.has(n):
            raise ValueError(f"degree is {n}, which occurs in {expr}; take another symbol")
        total = sp.Integer(0)
        for (sign,), polynomial in orthants(expr, (gaussian,)):
            for (k,), value in polynomial.items():
                m = n - k - 1
                at_zero = sp.sqrt(2) ** m * sp.sqrt(sp.pi) / sp.gamma((1 - m) / 2)
                half = sp.factorial(k) * at_zero / sp.sqrt(2 * sp.pi)
                total += value * half * ((-1) ** (n + k) if sign < 0 else 1)
        return total / sp.sqrt(sp.factorial(n))
    try:
        degree = -1 if isinstance(degree, bool) else operator.index(degree)
    except TypeError:
        degree = -1
    if degree < 0:
        raise ValueError("degree must be an integer from 0 on, or a SymPy symbol for all large degrees")
    polynomial = sp.hermite_prob(degree, gaussian)
    return sp.simplify(line_expectation(sp.sympify(expr) * polynomial, gaussian) / sp.sqrt(sp.factorial(degree)))


def mehler_sum(expr: Any, gaussians: Sequence[sp.Symbol], angle: float) -> mp.mpf:
    """`E[expr]` at a numerical angle by Mehler's formula, `sum_n cos(angle)^n a_n b_n / n!` over products `a(u) b(v)`.

    No polar coordinates in it: the coefficients are half-line integrals. Evaluated with mpmath at its working precision;
    the terms fall like `cos(angle)^n`, so that near 0 and pi there would be too many of them: `ValueError` there.

    >>> u, v = sp.symbols("u v")
    >>> closed = (mp.sin(1.2) + (mp.pi - 1.2) * mp.cos(1.2)) / (2 * mp.pi)
    >>> bool(abs(mehler_sum(sp.Max(u, 0) * sp.Max(v, 0), (u, v), 1.2) - closed) < 1e-14)
    True
    """
    ratio = mp.cos(mp.mpf(angle))
    terms = (
        10 + (0 if ratio == 0 else int((mp.mp.dps + 3) * mp.log(10) / -mp.log(abs(ratio))))
        if abs(ratio) < 1
        else _MOST_TERMS + 1
    )
    if terms > _MOST_TERMS:
        raise ValueError(
            f"angle is {angle}; Mehler's series converges too slowly there, take one further from 0 and pi"
        )
    total = mp.mpf(0)
    for (first, second), polynomial in orthants(expr, gaussians):
        for (i, j), value in polynomial.items():
            series, power = mp.mpf(0), mp.mpf(1)
            for n in range(terms):
                own, other = _half(i, n, mp.mp.prec), _half(j, n, mp.mp.prec)
                series += power * own * other * (first ** (i + n)) * (second ** (j + n))
                power *= ratio
            total += _number(value) * series
    return total


def _number(value: Any) -> mp.mpf:
    return mp.mpf(str(sp.N(value, mp.mp.dps)))


@cache
def _half(k: int, n: int, precision: int) -> mp.mpf:
    """`E[u_+^k He_n(u)] / sqrt(n!)`, at this working precision."""
    if n <= k:
        moments = truncated_moments(sp.Integer(0), sp.oo, k + n)
        x = sp.Symbol("x")
        exact = sum(c * moments[k + p] for (p,), c in sp.Poly(sp.hermite_prob(n, x), x).terms())
        return _number(exact) / mp.sqrt(mp.factorial(n))
    m = n - k - 1
    if m % 2:
        return mp.mpf(0)
    at_zero = (-1) ** (m // 2) * mp.fac2(m - 1)
    return mp.factorial(k) * at_zero / mp.sqrt(2 * mp.pi * mp.factorial(n))
