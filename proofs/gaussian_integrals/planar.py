"""Two Gaussians: polar coordinates, on the arc of each quadrant.

With `u = r cos(phi)` and `v = r cos(phi - t)`, t the angle between the unit vectors, r and phi are independent and phi
is uniform: `E[u^i v^j 1(quadrant)] = E[r^(i+j)] (1/2 pi) integral over the quadrant's arc of cos^i(phi) cos^j(phi - t)`.
The integrand is a sum of exponentials `e^(i (k phi - l t))`, integrated term by term; everything is exact.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from math import comb
from typing import Any

import sympy as sp

__all__ = ["ARCS", "Profile", "arc_integral", "quadrant_moment", "radial_moment"]

ARCS: dict[tuple[int, ...], tuple[tuple[int, int], tuple[int, int]]] = {
    (1, 1): ((-1, 1), (1, 0)),
    (1, -1): ((-1, 0), (-1, 1)),
    (-1, 1): ((1, 0), (1, 1)),
    (-1, -1): ((1, 1), (3, 0)),
}
"""The arc of each quadrant of (u, v), by its ends `(a, b)`, which stand for the angle `a pi/2 + b t`; for 0 <= t <= pi."""

Profile = dict[tuple[int, int, int, int], Any]
"""A function of the angle t, as coefficients of `pi^a t^b cos(t)^c sin(t)^s` with s = 0 or 1, by (a, b, c, s)."""


def radial_moment(n: int) -> Any:
    """`E[r^n]` of the length r of a standard Gaussian vector of the plane: `2^(n/2) Gamma(n/2 + 1)`.

    >>> [radial_moment(n) for n in range(3)]
    [1, sqrt(2)*sqrt(pi)/2, 2]
    """
    return sp.sqrt(2) ** n * sp.gamma(sp.Rational(n, 2) + 1)


@cache
def arc_integral(
    i: int, j: int, start: tuple[int, int], end: tuple[int, int]
) -> tuple[tuple[tuple[int, int, int, int], Any], ...]:
    """`integral cos^i(phi) cos^j(phi - t) dphi` over the arc, as the items of a `Profile`.

    >>> arc_integral(0, 0, *ARCS[1, 1])  # the length of the arc, pi - t
    (((1, 0, 0, 0), 1), ((0, 1, 0, 0), -1))
    """
    waves: dict[int, list[Any]] = defaultdict(lambda: [sp.Integer(0), sp.Integer(0)])  # coefficients of cos nt, sin nt
    secular: dict[int, Any] = defaultdict(lambda: sp.Integer(0))  # of cos nt, times the length of the arc
    scale = sp.Rational(1, 2 ** (i + j))
    for a in range(i + 1):
        for b in range(j + 1):
            weight = scale * comb(i, a) * comb(j, b)
            k, own = (i - 2 * a) + (j - 2 * b), j - 2 * b
            if k == 0:
                secular[own] += weight  # with its conjugate term: the real part, cos(own t)
                continue
            for (quarter, turns), side in ((end, 1), (start, -1)):
                # the real part of e^(i k (quarter pi/2 + turns t) - i own t) / (i k)
                n, phase = k * turns - own, k * quarter % 4
                cosine, sine = ((0, 1), (1, 0), (0, -1), (-1, 0))[phase]
                waves[n][0] += side * weight * sp.Rational(cosine, k)
                waves[n][1] += side * weight * sp.Rational(sine, k)
    total: Profile = defaultdict(lambda: sp.Integer(0))
    for n, (cosine, sine) in waves.items():
        for power, value in _chebyshev_first(abs(n)):
            total[0, 0, power, 0] += cosine * value
        for power, value in _chebyshev_second(abs(n) - 1):
            total[0, 0, power, 1] += sine * value * (1 if n > 0 else -1)
    quarters, turns = end[0] - start[0], end[1] - start[1]
    for n, weight in secular.items():
        for power, value in _chebyshev_first(abs(n)):
            total[1, 0, power, 0] += weight * value * sp.Rational(quarters, 2)
            total[0, 1, power, 0] += weight * value * turns
    return tuple((key, value) for key, value in total.items() if value != 0)


def quadrant_moment(i: int, j: int, signs: tuple[int, ...]) -> Profile:
    """`E[u^i v^j 1(quadrant)]` for the quadrant with these signs of (u, v), as a `Profile`.

    >>> quadrant_moment(0, 0, (1, 1))  # (pi - t) / (2 pi)
    {(1, 0, 0, 0): 1/(2*pi), (0, 1, 0, 0): -1/(2*pi)}
    """
    factor = radial_moment(i + j) / (2 * sp.pi)
    return {key: factor * value for key, value in arc_integral(i, j, *ARCS[signs])}


@cache
def _chebyshev_first(n: int) -> tuple[tuple[int, Any], ...]:
    """`cos nt` by powers of `cos t`."""
    return tuple((power, value) for (power,), value in sp.Poly(sp.chebyshevt(n, _C), _C).terms())


@cache
def _chebyshev_second(n: int) -> tuple[tuple[int, Any], ...]:
    """`sin (n+1)t / sin t` by powers of `cos t`."""
    return tuple((power, value) for (power,), value in sp.Poly(sp.chebyshevu(n, _C), _C).terms()) if n >= 0 else ()


_C = sp.Symbol("c")
