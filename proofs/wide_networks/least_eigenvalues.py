r"""Least eigenvalues of $K^{(H)}$, certified for definite inputs by balls around them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb

from alignmath.architectures import Architecture, FullyConnected, ResNet
from alignmath.kernels import gram

from ..engine.balls import cholesky_pivots, precisely, rayleigh
from ..engine.claims import Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import closed_forms, recursions

__all__ = ["CLAIMS", "INPUTS", "bounds"]

_WHOLE = [(1, 2, 2, 3), (2, 3, 6, 7), (2, -1, 2, 3), (4, 4, -7, 9), (-6, 2, 3, 7), (1, -4, 8, 9)]
INPUTS = [[Fraction(p, r), Fraction(q, r), Fraction(s, r)] for p, q, s, r in _WHOLE]
"""Six rational points of the sphere."""
_SCALE = Fraction(1, 2)
_WIDTH = 1e-9
"""Relative distance of the two bounds."""


def bounds(matrix: list[list[Any]]) -> tuple[float, float]:
    """Lower and upper bound of the least eigenvalue of a matrix of balls, proved: by pivots of `K - t I`, and by a Rayleigh quotient.

    The lower bound is `-inf` where a pivot is not positive.
    """
    middle = np.array([[float(entry.mid()) for entry in row] for row in matrix])
    values, vectors = np.linalg.eigh(middle)
    low = float(values[0]) * (1 - _WIDTH / 2)
    shifted = [[entry - arb(low) if i == j else entry for j, entry in enumerate(row)] for i, row in enumerate(matrix)]
    pivots = cholesky_pivots(shifted)
    certified = len(pivots) == len(matrix) and bool(pivots[-1] > 0)
    return (low if certified else -np.inf), float(rayleigh(matrix, vectors[:, 0].tolist()).upper()) * (1 + 1e-15)


def _both(form: closed_forms.ClosedForm, K: Any, depth: int, *, residual: bool) -> tuple[Any, Architecture]:
    """`K^(H)` in balls, and the network it belongs to."""
    if residual:
        return recursions.residual(form, K, depth, _SCALE), ResNet(depth, form.activation, scale=float(_SCALE))
    return recursions.fully_connected(form, K, depth), FullyConnected(depth, form.activation)


def _certified(effort: Effort) -> Outcome:
    d = Derivation("wide_networks.relu.closed")
    d.certificate(
        "the inputs",
        all(sum(value * value for value in x) == 1 for x in INPUTS)
        and all(
            abs(sum(p * q for p, q in zip(x, y, strict=True))) < 1 for k, x in enumerate(INPUTS) for y in INPUTS[:k]
        ),
        r"$\frac13(1,2,2)$, $\frac17(2,3,6)$, $\frac13(2,-1,2)$, $\frac19(4,4,-7)$, $\frac17(-6,2,3)$, $\frac19(1,-4,8)$: of length 1, no two parallel.",
        reason="rationals",
    )
    x = np.array(INPUTS, dtype=float)
    K = recursions.products(INPUTS)
    lower = []
    for form in (closed_forms.RELU, closed_forms.ERF):
        for name, depths in (("fully connected", (1, 2, 3)), ("resnet", (2, 3))):
            for depth in depths:
                exact, architecture = _both(form, K, depth, residual=depths[0] > 1)
                low, high = bounds(exact)
                d.certificate(
                    f"{form.name}, {name}, H = {depth}",
                    bool(0 < low <= high <= low * (1 + 2 * _WIDTH)),
                    rf"${low:.9g}<\lambda_{{\min}}(K^{{({depth})}})\le{high:.9g}$.",
                    reason="the pivots of $K-tI$ with $t$ the lower bound are positive, every rounding included; above, the quotient $v^\\top Kv/v^\\top v$ of a definite v",
                )
                code = float(np.linalg.eigvalsh(gram(x, architecture))[0])
                d.certificate(
                    f"{form.name}, {name}, H = {depth}: the code",
                    bool(low * (1 - _WIDTH) <= code <= high * (1 + _WIDTH)),
                    rf"The least eigenvalue of gram is {code:.9g}.",
                    reason="floating point against the bounds",
                )
                lower.append(f"{low:.4g} ({form.name}, {name}, {depth})")
    return d.certified("lower bounds " + ", ".join(lower))


CLAIMS = (
    Claim(
        "wide_networks.positive.certified",
        "least eigenvalues for six definite inputs",
        r"For the inputs $\frac13(1,2,2)$, $\frac17(2,3,6)$, $\frac13(2,-1,2)$, $\frac19(4,4,-7)$, $\frac17(-6,2,3)$, $\frac19(1,-4,8)$: $\lambda_{\min}(K^{(H)})>0$ for ReLU and erf, fully connected with $H=1,2,3$ and residual with $c_{res}=\frac12$, $H=2,3$, each known to a factor of $1+2\cdot10^{-9}$; alignmath's values are those.",
        Verdict.CERTIFIED,
        precisely(_certified),
        uses=("wide_networks.relu.closed",),
    ),
)
