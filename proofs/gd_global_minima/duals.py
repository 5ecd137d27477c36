r"""Closed forms of $E[\sigma(u)\sigma(v)]$ and $E[\sigma'(u)\sigma'(v)]$, derived, and the library against quadrature that shares no step with them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from alignmath import activations

from ..attacks import errors_below
from ..claims import Attack, Claim, Effort, Outcome, Verdict
from ..derivation import Derivation
from ..gaussian_integrals import expectation
from . import closed_forms
from .closed_forms import a, b, c

__all__ = ["CLAIMS"]

_PAPER = "gd_global_minima"
u, v = sp.symbols("u v", real=True)
x, y = sp.symbols("x y", positive=True)  # deviations
t = sp.Symbol("theta")
_GAUSSIAN = r"$(u,v)\sim N\big(0,\left[\begin{matrix}a & c\\c & b\end{matrix}\right]\big)$"


def _relu_and_erf(effort: Effort) -> Outcome:
    d = Derivation()
    d.identity(
        "ReLU",
        expectation(sp.Max(u, 0) * sp.Max(v, 0), (u, v), t, scales=(x, y)),
        x * y * closed_forms.relu_dual(t),
        r"Deviations $x=\sqrt a$, $y=\sqrt b$; derived in polar coordinates.",
        shown=r"E[\sigma(u)\sigma(v)]=\frac{\sqrt{ab}}{2\pi}\big(\sin\theta+(\pi-\theta)\cos\theta\big)",
    )
    d.identity(
        "its slope",
        expectation(sp.Heaviside(u) * sp.Heaviside(v), (u, v), t, scales=(x, y)),
        closed_forms.step_dual(t),
        shown=r"E[\sigma'(u)\sigma'(v)]=\frac{\pi-\theta}{2\pi}",
    )
    _price(d)
    form = closed_forms.ERF
    shape = sp.Matrix([[a, c], [c, b]])
    d.identity(
        "erf: its slope",
        sp.simplify(shape.det() * (shape.inv() + 2 * sp.eye(2)).det()),
        (1 + 2 * a) * (1 + 2 * b) - 4 * c**2,
        r"$\sigma'(u)\sigma'(v)=\frac4\pi e^{-u^2-v^2}$, and $E[e^{-z^\top z}]=\det(A)^{-1/2}\det(A^{-1}+2I)^{-1/2}$, a Gaussian integral.",
        shown=r"E[\sigma'(u)\sigma'(v)]=\frac4\pi\big((1+2a)(1+2b)-4c^2\big)^{-1/2}",
    )
    d.identity(
        "the code's closed form of it",
        form.slope**-2,
        (sp.pi / 4) ** 2 * ((1 + 2 * a) * (1 + 2 * b) - 4 * c**2),
        r"Both are positive.",
    )
    d.identity(
        "erf: the derivative",
        sp.diff(form.dual, c) ** 2,
        form.slope**2,
        r"Both are positive for $|c|\le\sqrt{ab}$.",
        shown=r"\frac{d}{dc}\frac2\pi\arcsin\frac{2c}{\sqrt{(1+2a)(1+2b)}}=E[\sigma'(u)\sigma'(v)]",
    )
    d.identity(
        "erf: independent Gaussians",
        form.dual.subs(c, 0),
        0,
        r"At $c=0$ the expectation is $E[\sigma(u)]\,E[\sigma(v)]=0$, for $\sigma$ is odd.",
        shown=r"E[\sigma(u)\sigma(v)]=\frac2\pi\arcsin\frac{2c}{\sqrt{(1+2a)(1+2b)}}",
    )
    _by_code(d, effort, (closed_forms.RELU, closed_forms.ERF))
    return d.proved("ReLU by the symbolic engine, erf by Price's theorem; the code computes them")


def _price(d: Derivation) -> None:
    determinant = a * b - c**2
    density = sp.exp(-(b * u**2 - 2 * c * u * v + a * v**2) / (2 * determinant)) / (2 * sp.pi * sp.sqrt(determinant))
    d.identity(
        "Price's theorem",
        sp.simplify((sp.diff(density, c) - sp.diff(density, u, v)) / density),
        0,
        r"For the density $p$; integrating by parts twice, $\frac{d}{dc}E[\sigma(u)\sigma(v)]=E[\sigma'(u)\sigma'(v)]$ for $\sigma$ bounded by a polynomial.",
        shown=r"\frac{\partial p}{\partial c}=\frac{\partial^2p}{\partial u\,\partial v}",
    )


def _others(effort: Effort) -> Outcome:
    d = Derivation()
    slope = sp.Symbol("s", real=True)
    leaky = lambda g: sp.Piecewise((g, g > 0), (slope * g, True))  # noqa: E731
    d.identity(
        "leaky ReLU",
        expectation(leaky(u) * leaky(v), (u, v), t, scales=(x, y)),
        x * y * (slope * sp.cos(t) + (1 - slope) ** 2 * closed_forms.relu_dual(t)),
        shown=r"E[\sigma(u)\sigma(v)]=sc+(1-s)^2E_{\mathrm{ReLU}}",
    )
    d.identity(
        "absolute value",
        expectation(sp.Abs(u) * sp.Abs(v), (u, v), t, scales=(x, y)),
        2 * x * y * (sp.sin(t) + (sp.pi / 2 - t) * sp.cos(t)) / sp.pi,
        shown=r"E|u||v|=\frac{2\sqrt{ab}}\pi\big(\sin\theta+(\tfrac\pi2-\theta)\cos\theta\big)",
    )
    d.identity(
        "sign",
        expectation(sp.sign(u) * sp.sign(v), (u, v), t, scales=(x, y)),
        1 - 2 * t / sp.pi,
        shown=r"E[\operatorname{sign}u\operatorname{sign}v]=1-\frac{2\theta}\pi",
    )
    p, q = sp.symbols("p q", real=True)
    shape = sp.Matrix([[a, c], [c, b]])
    point, weight = sp.Matrix([u, v]), sp.Matrix([p, q])
    shifted = point - shape * weight
    d.identity(
        "exponentials",
        sp.simplify(
            weight.dot(point) - (point.T * shape.inv() * point)[0] / 2 + (shifted.T * shape.inv() * shifted)[0] / 2
        ),
        (p**2 * a + 2 * p * q * c + q**2 * b) / 2,
        r"Completing the square under the integral, $E[e^{pu+qv}]=e^{(ap^2+2cpq+bq^2)/2}$ for all complex $p,q$.",
        shown=r"pu+qv-\tfrac12z^\top A^{-1}z=\tfrac12w^\top Aw-\tfrac12(z-Aw)^\top A^{-1}(z-Aw),\quad w=(p,q)",
    )
    wave = lambda p, q: sp.exp((p**2 * a + 2 * p * q * c + q**2 * b) / 2)  # noqa: E731
    i = sp.I
    for name, form, derived in (
        ("exp", closed_forms.EXP.dual, wave(1, 1)),
        ("exp, its slope", closed_forms.EXP.slope, wave(1, 1)),
        ("cos", closed_forms.COS.dual, (wave(i, i) + wave(i, -i) + wave(-i, i) + wave(-i, -i)) / 4),
        ("sin", closed_forms.SIN.dual, (wave(i, i) - wave(i, -i) - wave(-i, i) + wave(-i, -i)) / (-4)),
        ("cos, its mean", closed_forms.COS.mean, (wave(i, 0) + wave(-i, 0)) / 2),
        ("exp, its mean", closed_forms.EXP.mean, wave(1, 0)),
    ):
        d.identity(name, sp.simplify((form - derived).rewrite(sp.exp)), 0, shown=rf"{sp.latex(sp.expand(form))}")
    for k in range(1, 6):
        derived = expectation(u**k * v**k, (u, v), t, scales=(x, y))
        total = sum(
            sp.Rational(sp.factorial(k) ** 2, sp.factorial(j) * sp.factorial((k - j) // 2) ** 2 * 4 ** ((k - j) // 2))
            * (x * y) ** (k - j)
            * (x * y * sp.cos(t)) ** j
            for j in range(k % 2, k + 1, 2)
        )
        d.identity(
            f"power {k}",
            derived,
            total,
            shown=r"E[u^kv^k]=\sum_j\frac{k!^2}{j!\,p!^2\,4^p}(ab)^pc^j,\quad p=\tfrac{k-j}2",
        )
    extra = [activations.leaky_relu(0.2), activations.ABS, *(activations.monomial(k) for k in range(1, 6))]
    _by_code(d, effort, (closed_forms.EXP, closed_forms.SIN, closed_forms.COS), extra)
    return d.proved("by the symbolic engine, and by completing the square; the code computes them")


def _by_code(d: Derivation, effort: Effort, forms: Any, more: Any = ()) -> None:
    d.argument(
        "the code computes them",
        "Activation.dual and Activation.dual_derivative are these expectations, for any variances and covariance.",
        "Closed forms take the angle from the determinant, which is exact to rounding.",
        refuted_by=r"a covariance where code and quadrature differ by more than $10^{-11}$ of the product of the deviations of the factors",
        attack=lambda: _quadrature(effort, [form.activation for form in forms] + list(more)),
    )
    if not more:
        d.argument(
            "these formulas are the code's",
            "The closed forms of the steps, evaluated as they stand, are what the code returns.",
            "One formula, written twice.",
            refuted_by=r"a covariance where they differ by more than $10^{-12}$",
            attack=lambda: _formulas(effort, forms),
        )


def _covariances(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variances from 0.1 to 3, correlations uniform and, every third, within 1e-1 to 1e-5 of 1 or -1."""
    first, second = 10 ** rng.uniform(-1, 0.5, (2, count))
    rho = rng.uniform(-1, 1, count)
    rho[::3] = np.sign(rho[::3]) * (1 - 10 ** rng.uniform(-5, -1, len(rho[::3])))
    return first, rho * np.sqrt(first * second), second


def _quadrature(effort: Effort, chosen: list[activations.Activation]) -> Attack:
    """Over the angle and the radius of two independent Gaussians, with break points where u = 0 or v = 0."""
    rng = np.random.default_rng(321)
    first, middle, second = _covariances(rng, effort.count(16, 600))
    node, weight = np.polynomial.legendre.leggauss(40)
    radius = np.concatenate([1.5 * (k + (node + 1) / 2) for k in range(12)])
    density = np.concatenate([0.75 * weight] * 12) * radius * np.exp(-(radius**2) / 2) / (2 * np.pi)
    errors = []
    for p, r, q in zip(first, middle, second, strict=True):
        turn = np.arccos(r / np.sqrt(p * q))
        breaks = np.sort(np.mod([np.pi / 2, 3 * np.pi / 2, turn + np.pi / 2, turn + 3 * np.pi / 2], 2 * np.pi))
        edges = np.append(breaks, breaks[0] + 2 * np.pi)
        angles = np.concatenate([(lo + hi) / 2 + (hi - lo) / 2 * node for lo, hi in itertools.pairwise(edges)])
        arcs = np.concatenate([(hi - lo) / 2 * weight for lo, hi in itertools.pairwise(edges)])
        one = np.sqrt(p) * radius[:, None] * np.cos(angles)
        two = np.sqrt(q) * radius[:, None] * np.cos(angles - turn)
        for activation in chosen:
            pairs: list[tuple[Callable[..., Any], Callable[..., Any]]] = [(activation.value, activation.dual)]
            if activation.name != "abs" or abs(r) < np.sqrt(p * q):
                pairs.append((activation.derivative, activation.dual_derivative))
            for function, dual in pairs:
                left, right = function(one), function(two)
                found = density @ (left * right) @ arcs
                size = np.sqrt((density @ left**2 @ arcs) * (density @ right**2 @ arcs))
                errors.append(abs(found - float(dual(p, r, q))) / size)
    return errors_below(
        f"{', '.join(activation.name for activation in chosen)} at random covariances, some nearly singular, seed 321, against quadrature in polar coordinates",
        errors,
        1e-11,
    )


def _formulas(effort: Effort, forms: Any) -> Attack:
    covariances = _covariances(np.random.default_rng(322), effort.count(2_000, 100_000))
    errors = []
    for form in forms:
        for expression, dual in ((form.dual, form.activation.dual), (form.slope, form.activation.dual_derivative)):
            values = sp.lambdify((a, c, b), expression, "numpy")(*covariances)
            errors.append(np.abs(values - dual(*covariances)))
    return errors_below("formulas and code at random covariances, seed 322", np.concatenate(errors), 1e-12)


CLAIMS = (
    Claim(
        "ntk.relu.closed",
        _PAPER,
        "what the Gram matrices are made of: ReLU, erf",
        rf"{_GAUSSIAN}, $\cos\theta=\frac c{{\sqrt{{ab}}}}$. ReLU: $E[\sigma(u)\sigma(v)]=\frac{{\sqrt{{ab}}}}{{2\pi}}(\sin\theta+(\pi-\theta)\cos\theta)$ and $E[\sigma'(u)\sigma'(v)]=\frac{{\pi-\theta}}{{2\pi}}$. "
        r"erf: $E[\sigma(u)\sigma(v)]=\frac2\pi\arcsin\frac{2c}{\sqrt{(1+2a)(1+2b)}}$ and $E[\sigma'(u)\sigma'(v)]=\frac4\pi((1+2a)(1+2b)-4c^2)^{-1/2}$. alignmath computes these.",
        Verdict.PROVED,
        _relu_and_erf,
    ),
    Claim(
        "ntk.closed.others",
        _PAPER,
        "the same for the other activations with closed forms",
        rf"{_GAUSSIAN}: the closed forms of $E[\sigma(u)\sigma(v)]$ for leaky ReLU, $|x|$, sign, $e^x$, $\sin$, $\cos$ and $x^k$, $k\le5$, and of the means of $e^x$ and $\cos$, are these: $e^{{(a+b)/2+c}}$ for $e^x$, $e^{{-(a+b)/2}}\cosh c$ for $\cos$. alignmath computes them.",
        Verdict.PROVED,
        _others,
    ),
)
