r"""One hidden layer: the matrix $H^\infty$ of Section 4, its closed form for ReLU, and how $K^{(1)}$ differs from it."""

from __future__ import annotations

import numpy as np
import sympy as sp

from alignmath.activations import ERF, GELU, RELU, SIGMOID, SOFTPLUS, TANH
from alignmath.architectures import FullyConnected
from alignmath.kernels import gram

from ..engine import balls
from ..engine.attacks import errors_below, monte_carlo
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from ..gaussian_integrals import expectation
from . import closed_forms

__all__ = ["CLAIMS", "limit_of_two_layers"]

_DEFINITION = r"$H^\infty_{ij}=E_{w\sim N(0,I)}[\sigma'(w\cdot x_i)\,\sigma'(w\cdot x_j)]\,x_i\cdot x_j$"
u, v = sp.symbols("u v", real=True)
x, y = sp.symbols("x y", positive=True)
t = sp.Symbol("theta")


def limit_of_two_layers(product: sp.Expr, theta: sp.Expr) -> sp.Expr:
    """`H^infinity` of ReLU for two inputs, from their product and angle."""
    return product * closed_forms.step_dual(theta)


def _limit(effort: Effort) -> Outcome:
    d = Derivation()
    d.identity(
        "the expectation of the slopes",
        expectation(sp.Heaviside(u) * sp.Heaviside(v), (u, v), t, scales=(x, y)) * x * y * sp.cos(t),
        limit_of_two_layers(x * y * sp.cos(t), t),
        r"$u=w\cdot x_i$ and $v=w\cdot x_j$ are Gaussians with deviations $|x_i|$, $|x_j|$, at the angle $\theta$ of the inputs.",
        shown=r"H^\infty_{ij}=x_i\cdot x_j\,\frac{\pi-\theta}{2\pi}",
    )
    d.argument(
        "the code computes it",
        r"gram(x, FullyConnected(1, RELU)) is $2H^\infty$, for inputs of any lengths.",
        "The angle comes from the determinant of products, not from a rounded cosine.",
        refuted_by="inputs, some nearly parallel or nearly opposite, for which they differ by more than $10^{-12}$ of the lengths",
        attack=lambda: _angles(effort),
    )
    return d.proved("$x_i\\cdot x_j(\\pi-\\theta)/2\\pi$, derived; half of what the code computes")


def _angles(effort: Effort) -> Attack:
    rng = np.random.default_rng(351)
    count = effort.count(150, 1_500)
    turns = rng.uniform(0, 2 * np.pi, count)
    turns[::3] = (
        turns[0] + 10 ** rng.uniform(-12, -1, len(turns[::3])) + np.where(rng.random(len(turns[::3])) < 0.5, 0, np.pi)
    )
    lengths = 10 ** rng.uniform(-2, 2, count)
    points = lengths[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    gap = np.abs(np.mod(turns[:, None] - turns + np.pi, 2 * np.pi) - np.pi)
    derived = sp.lambdify(t, limit_of_two_layers(sp.cos(t), t), "numpy")(gap)
    computed = gram(points, FullyConnected(1, RELU)) / (2 * lengths[:, None] * lengths)
    return errors_below(
        "plane inputs at given angles, lengths 0.01 to 100, seed 351", np.abs(computed - derived), 1e-12
    )


def _same(effort: Effort) -> Outcome:
    d = Derivation("wide_networks.Hinf", "wide_networks.relu.closed")
    here = {closed_forms.a: 1, closed_forms.b: 1, closed_forms.c: 1}
    form = closed_forms.ERF
    slope, product = (
        balls.evaluate(value, {}) for value in (form.slope.subs(here), form.c_sigma * form.slope.subs(here))
    )
    d.certificate(
        "erf, one entry",
        bool(abs(slope - balls.rational("0.5694100")) < 1e-6 and abs(product - balls.rational("1.2257000")) < 1e-6),
        rf"erf has Condition 3.1. $|x_1|=1$: $H^\infty_{{11}}=E[\sigma'(u)^2]=\frac4{{\pi\sqrt5}}={slope.str(8, radius=False)}$, and $K^{{(1)}}_{{11}}=c_\sigma K^{{(0)}}_{{11}}E[\sigma'(u)^2]=\frac2{{\sqrt5\arcsin(2/3)}}={product.str(8, radius=False)}$ (`wide_networks.relu.closed`).",
        reason="balls of closed forms",
    )
    form = closed_forms.RELU
    d.certificate(
        "ReLU, one entry",
        form.c_sigma * form.slope.subs(here) == 1
        and limit_of_two_layers(sp.Integer(1), sp.Integer(0)) == sp.Rational(1, 2),
        r"Nor for ReLU, the activation of Du et al., which does not have Condition 3.1. $|x_1|=1$: $K^{(1)}_{11}=2\cdot1\cdot\frac12=1$, and $H^\infty_{11}=\frac12$ (`wide_networks.Hinf`).",
        reason="exact",
    )
    return d.refuted(
        "for erf $K^{(1)}_{11}=1.2257$ and $H^\\infty_{11}=0.5694$, for ReLU 1 and $\\frac12$; and as printed $K^{(1)}$ needs $A^{(0)}$, which is not defined"
    )


def _proportional(effort: Effort) -> Outcome:
    d = Derivation("wide_networks.Hinf", "wide_networks.eq2")
    form, (a, b, c) = closed_forms.RELU, (closed_forms.a, closed_forms.b, closed_forms.c)
    d.identity(
        "ReLU",
        (form.c_sigma * c * form.slope).subs(c, sp.sqrt(a * b) * sp.cos(t)),
        2 * limit_of_two_layers(sp.sqrt(a * b) * sp.cos(t), sp.acos(sp.cos(t))),
        r"$a=|x_i|^2$, $b=|x_j|^2$, $c=x_i\cdot x_j$.",
        shown=r"K^{(1)}_{ij}=2H^\infty_{ij}",
    )
    d.argument(
        "any activation",
        r"$K^{(1)}_{ij}=c_\sigma K^{(0)}_{ij}\,E_{A^{(1)}_{ij}}[\sigma'(u)\sigma'(v)]=c_\sigma H^\infty_{ij}$.",
        r"$A^{(1)}_{ij}$ is made of $K^{(0)}_{ij}=x_i\cdot x_j$: it is the covariance of $w\cdot x_i$ and $w\cdot x_j$.",
        refuted_by="an activation and inputs where the mean over random w differs from what the code computes",
        attack=lambda: _weights(effort),
    )
    return d.proved("$K^{(1)}=c_\\sigma H^\\infty$, for ReLU $2H^\\infty$")


def _weights(effort: Effort) -> Attack:
    rng = np.random.default_rng(352)
    points = (1 + 0.4 * rng.standard_normal((3, 4))) * np.array([0.2, 0.3, 0.5])[:, None]
    count, batch = effort.count(400, 4_000), 1_000
    tried = (RELU, SOFTPLUS, ERF, TANH, SIGMOID, GELU)
    sums = np.zeros((2, len(tried), 3, 3))
    for _ in range(count):
        pre = rng.standard_normal((batch, 4)) @ points.T
        for k, s in enumerate(tried):
            slopes = s.derivative(pre)
            square = slopes**2
            sums[0, k] += slopes.T @ slopes
            sums[1, k] += square.T @ square
    total = count * batch
    mean = sums[0] / total
    error = np.sqrt((sums[1] / total - mean**2) / total)
    products = points @ points.T
    expected = np.array([gram(points, FullyConnected(1, s)) / (s.c_sigma * products) for s in tried])
    return monte_carlo(
        f"{', '.join(s.name for s in tried)}, three inputs in four dimensions, seed 352: means of the products of slopes, each relative to itself",
        mean,
        error,
        expected,
        np.abs(expected),
    )


CLAIMS = (
    Claim(
        "wide_networks.Hinf",
        "Section 4, the definition of $H^\\infty$",
        rf"{_DEFINITION} is, for ReLU and inputs of any lengths at angle $\theta$, $x_i\cdot x_j\,\frac{{\pi-\theta}}{{2\pi}}$. alignmath computes twice that, $K^{{(1)}}$.",
        Verdict.PROVED,
        _limit,
    ),
    Claim(
        "wide_networks.rem.H1",
        "remark after Definition 5.1",
        rf"For $H=1$ the matrix $K^{{(1)}}$ of Definition 5.1 (with $A^{{(1)}}$ in its last line) is the matrix $H^\infty$ of Du et al. 2018b: {_DEFINITION}.",
        Verdict.REFUTED,
        balls.precisely(_same),
        uses=("wide_networks.Hinf", "wide_networks.relu.closed"),
    ),
    Claim(
        "wide_networks.rem.H1.mended",
        "remark after Definition 5.1, with the factor",
        rf"For $H=1$, $K^{{(1)}}=c_\sigma H^\infty$, with {_DEFINITION}: $2H^\infty$ for ReLU, about $1.0855\,H^\infty$ for softplus (`wide_networks.eq2`).",
        Verdict.PROVED,
        _proportional,
        uses=("wide_networks.Hinf", "wide_networks.eq2"),
    ),
)
