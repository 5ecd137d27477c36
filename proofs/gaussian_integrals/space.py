"""Three Gaussians: Stein's lemma lowers the degree until an orthant probability or an expectation over two is left.

With correlations `cos t_ij`, `E[u F] = E[dF/du] + cos(t_uv) E[dF/dv] + cos(t_uw) E[dF/dw]`. The derivative of a step is
a delta function: on the plane u = 0 the other two are Gaussian with deviations `sin t_uv`, `sin t_uw` and the angle of
the spherical triangle at u between them. The octant itself has probability `(2 pi - t_uv - t_uw - t_vw) / (4 pi)`
(Girard: the area of a spherical triangle is its excess).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import sympy as sp

from .pieces import orthants

__all__ = ["space_expectation"]

Quadrant = Callable[[int, int, Any], Any]
"""`E[a_+^j b_+^k]` of two standard Gaussians at an angle."""


def space_expectation(expr: Any, gaussians: Sequence[sp.Symbol], angles: Sequence[Any], quadrant: Quadrant) -> Any:
    """`E[expr]` over three standard Gaussians (u, v, w) at `angles (t_uv, t_uw, t_vw)`.

    quadrant: `E[a_+^j b_+^k]` of two, by j, k and their angle.

    >>> u, v, w = sp.symbols("u v w")
    >>> step = sp.Heaviside(u) * sp.Heaviside(v) * sp.Heaviside(w)
    >>> space_expectation(step, (u, v, w), [sp.pi / 2] * 3, lambda j, k, angle: None)  # the octant alone
    1/8
    """
    total = sp.Integer(0)
    for signs, polynomial in orthants(expr, gaussians):
        turned = [
            angle if signs[i] == signs[j] else sp.pi - angle
            for angle, (i, j) in zip(angles, ((0, 1), (0, 2), (1, 2)), strict=True)
        ]
        moment = _octant(turned, quadrant)
        for powers, value in polynomial.items():
            sign = sp.prod(s**k for s, k in zip(signs, powers, strict=True))
            total += value * sign * moment(powers)
    return total


def _octant(angles: Sequence[Any], quadrant: Quadrant) -> Callable[[tuple[int, ...]], Any]:
    """`E[u_+^i v_+^j w_+^k]` at these angles, by powers (0: a step)."""
    between = {(0, 1): angles[0], (0, 2): angles[1], (1, 2): angles[2]}
    angle = lambda i, j: between[min(i, j), max(i, j)]  # noqa: E731

    @cache
    def boundary(k: int, first: int, second: int) -> Any:
        """`E[delta(x_k) y_+^first z_+^second]` for the other two, in order."""
        i, j = (n for n in range(3) if n != k)
        a, b, c = angle(k, i), angle(k, j), angle(i, j)
        corner = sp.acos((sp.cos(c) - sp.cos(a) * sp.cos(b)) / (sp.sin(a) * sp.sin(b)))
        return sp.sin(a) ** first * sp.sin(b) ** second * quadrant(first, second, corner) / sp.sqrt(2 * sp.pi)

    @cache
    def moment(powers: tuple[int, ...]) -> Any:
        if not any(powers):
            return (2 * sp.pi - sum(angles)) / (4 * sp.pi)
        i = next(n for n, k in enumerate(powers) if k)
        rest = [k - (n == i) for n, k in enumerate(powers)]
        total = sp.Integer(0)
        for j in range(3):
            weight = sp.Integer(1) if i == j else sp.cos(angle(i, j))
            if rest[j]:
                total += weight * rest[j] * moment(tuple(k - (n == j) for n, k in enumerate(rest)))
            else:
                total += weight * boundary(j, *(k for n, k in enumerate(rest) if n != j))
        return total

    return moment
