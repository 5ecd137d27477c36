r"""Closed forms of $E[\sigma(u)\sigma(v)]$, $E[\sigma'(u)\sigma'(v)]$ and $E[\sigma(u)]$ for $(u,v)\sim N(0,\binom{a\ c}{c\ b})$, as SymPy expressions.

`duals` derives them; the recursions of the Gram matrices evaluate them in balls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from alignmath import activations

from ..engine.balls import evaluate

__all__ = ["COS", "ERF", "EXP", "FORMS", "RELU", "SIN", "ClosedForm", "a", "b", "c", "relu_dual", "step_dual"]

a, b = sp.symbols("a b", positive=True)
c = sp.Symbol("c", real=True)

Matrix = Sequence[Sequence[Any]]
"""A matrix of balls."""


@dataclass(frozen=True)
class ClosedForm:
    """The three expectations of one activation, in the symbols a, c, b (the mean in a); activation: what the library calls it."""

    activation: activations.Activation
    dual: Any
    slope: Any
    mean: Any

    @property
    def name(self) -> str:
        """As in the library."""
        return self.activation.name

    @property
    def c_sigma(self) -> Any:
        """`1 / E[s(z)^2]`, exactly."""
        return 1 / self.dual.subs({a: 1, b: 1, c: 1})

    def matrix(self, expression: Any, covariance: Matrix) -> list[list[Any]]:
        """The ball of an expression in a, c, b for every pair of Gaussians of a covariance matrix of balls; on the diagonal u = v."""
        own = expression.subs({b: a, c: a})
        n = len(covariance)
        result = [[None] * n for _ in range(n)]
        for i in range(n):
            result[i][i] = evaluate(own, {a: covariance[i][i]})
            for j in range(i):
                values = {a: covariance[i][i], c: covariance[i][j], b: covariance[j][j]}
                result[i][j] = result[j][i] = evaluate(expression, values)
        return result

    def means(self, covariance: Matrix) -> list[Any]:
        """`E[s(u)]` of every Gaussian, in balls."""
        return [evaluate(self.mean, {a: row[i]}) for i, row in enumerate(covariance)]


def relu_dual(theta: Any) -> Any:
    """`E[relu(u) relu(v)]` at angle theta and unit variances; with variances times `sqrt(a b)`."""
    return (sp.sin(theta) + (sp.pi - theta) * sp.cos(theta)) / (2 * sp.pi)


def step_dual(theta: Any) -> Any:
    """`P(u > 0, v > 0)` at angle theta."""
    return (sp.pi - theta) / (2 * sp.pi)


_theta = sp.acos(c / sp.sqrt(a * b))
RELU = ClosedForm(activations.RELU, sp.sqrt(a * b) * relu_dual(_theta), step_dual(_theta), sp.sqrt(a / (2 * sp.pi)))
ERF = ClosedForm(
    activations.ERF,
    2 / sp.pi * sp.asin(2 * c / sp.sqrt((1 + 2 * a) * (1 + 2 * b))),
    4 / sp.pi / sp.sqrt((1 + 2 * a) * (1 + 2 * b) - 4 * c**2),
    sp.Integer(0),
)
EXP = ClosedForm(activations.EXP, sp.exp((a + b) / 2 + c), sp.exp((a + b) / 2 + c), sp.exp(a / 2))
SIN = ClosedForm(activations.SIN, sp.exp(-(a + b) / 2) * sp.sinh(c), sp.exp(-(a + b) / 2) * sp.cosh(c), sp.Integer(0))
COS = ClosedForm(activations.COS, sp.exp(-(a + b) / 2) * sp.cosh(c), sp.exp(-(a + b) / 2) * sp.sinh(c), sp.exp(-a / 2))
FORMS = (RELU, ERF, EXP, SIN, COS)
"""All of them."""
