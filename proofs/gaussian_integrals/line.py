"""One Gaussian: moments over intervals, in `erf` and `exp`."""

from __future__ import annotations

from typing import Any

import sympy as sp

from .pieces import intervals

__all__ = ["density", "distribution", "line_expectation", "truncated_moments"]


def density(x: Any) -> Any:
    """`exp(-x^2/2) / sqrt(2 pi)`, 0 at infinity.

    >>> density(0), density(sp.oo)
    (sqrt(2)/(2*sqrt(pi)), 0)
    """
    return sp.Integer(0) if x in (sp.oo, -sp.oo) else sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)


def distribution(x: Any) -> Any:
    """`P(u <= x)` for a standard Gaussian u.

    >>> distribution(0), distribution(sp.oo)
    (1/2, 1)
    """
    return sp.Integer(1) if x == sp.oo else sp.Integer(0) if x == -sp.oo else (1 + sp.erf(x / sp.sqrt(2))) / 2


def truncated_moments(low: Any, high: Any, most: int) -> list[Any]:
    """`E[u^k 1(low < u < high)]` for k = 0..most: integration by parts lowers k by 2.

    >>> truncated_moments(sp.Integer(0), sp.oo, 2)
    [1/2, sqrt(2)/(2*sqrt(pi)), 1/2]
    """
    edge = lambda x, k: sp.Integer(0) if x in (sp.oo, -sp.oo) else x**k * density(x)  # noqa: E731
    moments = [distribution(high) - distribution(low), density(low) - density(high)]
    for k in range(2, most + 1):
        moments.append((k - 1) * moments[k - 2] + edge(low, k - 1) - edge(high, k - 1))
    return moments[: most + 1]


def line_expectation(expr: Any, gaussian: sp.Symbol) -> Any:
    """`E[expr]` over one standard Gaussian, in `erf` and `exp`.

    >>> u = sp.Symbol("u")
    >>> line_expectation(sp.Max(u, 0) ** 2, u)
    1/2
    """
    total = sp.Integer(0)
    for low, high, polynomial in intervals(expr, gaussian):
        moments = truncated_moments(low, high, max(k for (k,) in polynomial))
        total += sum(value * moments[k] for (k,), value in polynomial.items())
    return sp.factor_terms(sp.expand(total))
