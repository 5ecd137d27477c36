"""Formulas in ball arithmetic: a SymPy expression evaluated in Arb, every rounding inside the ball."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import sympy as sp
from flint import arb, ctx, fmpq

__all__ = ["BITS", "cholesky_pivots", "evaluate", "precisely", "rational", "rayleigh"]

P = ParamSpec("P")
T = TypeVar("T")
BITS = 160
"""Working precision of the checks."""

_FUNCTIONS = ("acos", "asin", "atan", "cos", "cosh", "erf", "exp", "log", "sin", "sinh", "tanh")


def precisely(check: Callable[P, T]) -> Callable[P, T]:
    """The function, run at `BITS` bits."""

    @wraps(check)
    def run(*args: P.args, **options: P.kwargs) -> T:
        with ctx.workprec(BITS):
            return check(*args, **options)

    return run


def rational(value: Any) -> Any:
    """A rational number (int, Fraction, SymPy Rational) as the tightest ball."""
    value = sp.Rational(value)
    return arb(fmpq(int(value.p), int(value.q)))


def evaluate(expression: Any, values: Mapping[Any, Any]) -> Any:
    """The ball of an expression of rationals, pi, powers with whole and half exponents and the usual functions, symbols replaced by balls.

    `ValueError` for anything else.
    """
    expression = sp.sympify(expression)
    if expression in values:
        return values[expression]
    if expression.is_Rational:
        return rational(expression)
    if expression == sp.pi:
        return arb.pi()
    if expression == sp.E:
        return arb(1).exp()
    name = type(expression).__name__
    parts = [evaluate(part, values) for part in expression.args if not (name == "Pow" and part is expression.args[1])]
    if name == "Add":
        return sum(parts, arb(0))
    if name == "Mul":
        product = arb(1)
        for part in parts:
            product = product * part
        return product
    if name == "Pow" and (2 * expression.exp).is_Integer:
        twice = int(2 * expression.exp)
        root = parts[0] if twice % 2 == 0 else parts[0].sqrt()
        power = arb(1)
        for _ in range(abs(twice // 2 if twice % 2 == 0 else twice)):
            power = power * root  # `**` of a ball around 0 is not a number
        return power if twice > 0 else 1 / power
    if name in _FUNCTIONS:
        return getattr(parts[0], name)()
    raise ValueError(f"{expression} is none of the expressions that are evaluated in balls")


def cholesky_pivots(matrix: Sequence[Sequence[Any]]) -> list[Any]:
    """The pivots of `L D L^T` of a symmetric matrix of balls; all positive: every matrix in the balls is positive definite."""
    left = [list(row) for row in matrix]
    pivots = []
    for k in range(len(left)):
        pivot = left[k][k]
        pivots.append(pivot)
        if not pivot > 0:
            return pivots
        for i in range(k + 1, len(left)):
            factor = left[i][k] / pivot
            for j in range(k + 1, i + 1):
                left[i][j] = left[j][i] = left[i][j] - factor * left[j][k]
    return pivots


def rayleigh(matrix: Sequence[Sequence[Any]], vector: Sequence[float]) -> Any:
    """`v^T K v / v^T v` in balls: an upper bound of the least eigenvalue, for any vector."""
    exact = [arb(float(entry)) for entry in vector]
    above = sum(
        (x * y * k for x, row in zip(exact, matrix, strict=True) for y, k in zip(exact, row, strict=True)), arb(0)
    )
    return above / sum((x * x for x in exact), arb(0))
