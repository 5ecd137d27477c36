"""The symbolic engine: Gaussian expectations of piecewise polynomials, such as `E[relu(u) relu(v)]`, in closed form.

    >>> from sympy import Abs, Heaviside, Max, sign, symbols
    >>> from proofs.gaussian_integrals import expectation, vector_expectation
    >>> u, v, t = symbols("u v t")
    >>> expectation(Max(u, 0) * Max(v, 0), (u, v), t)
    ((pi - t)*cos(t) + sin(t))/(2*pi)
    >>> expectation(sign(u) * sign(v), (u, v), t)
    (pi - 2*t)/pi
    >>> vector_expectation(Heaviside(u) * Max(v, 0), (u, v), t)
    (sin(t)/(2*pi), (pi - t)/(2*pi))
    >>> expectation(Max(u - 1, 0), u)
    (-1 + sqrt(2)*exp(-1/2)/sqrt(pi) + erf(sqrt(2)/2))/2

The third says `E[x step(w.x) relu(v.x)] = (sin(t) w + (pi - t) v) / (2 pi)` for unit vectors w, v at angle t, in
any dimension: the pair term of the gradient of a two-layer network.

Two Gaussians are integrated in polar coordinates (`planar`), one on intervals (`line`), three by Stein's lemma
(`space`). Nothing is looked up. `mehler_sum` evaluates the same expectation by a series that shares no step with them.
As functions of arrays the forms that the library itself needs are in `alignmath.gaussian`; `to_function` makes others.
"""

from __future__ import annotations

from .functions import to_function
from .hermite import hermite_coefficient, mehler_sum
from .pieces import NoClosedForm
from .public import expectation, explained, matrix_expectation, vector_expectation

__all__ = [
    "NoClosedForm",
    "expectation",
    "explained",
    "hermite_coefficient",
    "matrix_expectation",
    "mehler_sum",
    "to_function",
    "vector_expectation",
]
