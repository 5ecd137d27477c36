r"""Closed forms of $E[\sigma(u)\sigma(v)]$ and $E[\sigma'(u)\sigma'(v)]$, derived, and the library against quadrature that shares no step with them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from alignmath import activations

from ..engine.attacks import errors_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from ..gaussian_integrals import expectation
from . import closed_forms
from .closed_forms import ClosedForm, a, b, c

__all__ = ["CLAIMS", "piecewise_forms"]

u, v = sp.symbols("u v", real=True)
x, y = sp.symbols("x y", positive=True)  # deviations
t = sp.Symbol("theta")
_GAUSSIAN = r"$(u,v)\sim N\big(0,\left[\begin{matrix}a & c\\c & b\end{matrix}\right]\big)$"


def _relu_and_erf(effort: Effort) -> Outcome:
    d = Derivation()
    d.identity(
        "ReLU",
        _pair(sp.Max(u, 0)),
        x * y * closed_forms.relu_dual(t),
        r"Deviations $x=\sqrt a$, $y=\sqrt b$; derived in polar coordinates.",
        shown=r"E[\sigma(u)\sigma(v)]=\frac{\sqrt{ab}}{2\pi}\big(\sin\theta+(\pi-\theta)\cos\theta\big)",
    )
    d.identity(
        "its slope",
        _pair(sp.Heaviside(u)),
        closed_forms.step_dual(t),
        shown=r"E[\sigma'(u)\sigma'(v)]=\frac{\pi-\theta}{2\pi}",
    )
    d.identity(
        "its mean",
        _mean(sp.Max(u, 0)),
        closed_forms.RELU.mean.subs(a, x**2),
        shown=r"E[\sigma(u)]=\sqrt{\frac a{2\pi}}",
    )
    angle = {t: sp.acos(c / sp.sqrt(a * b)), x: sp.sqrt(a), y: sp.sqrt(b)}
    d.identity(
        "ReLU: the closed forms that are evaluated in balls",
        sp.Matrix([closed_forms.RELU.dual, closed_forms.RELU.slope]),
        sp.Matrix([(x * y * closed_forms.relu_dual(t)).subs(angle), closed_forms.step_dual(t).subs(angle)]),
        r"They take $\theta=\arccos\frac c{\sqrt{ab}}$.",
        shown=r"\theta=\arccos\frac c{\sqrt{ab}}",
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
        "erf: the slope that is evaluated in balls",
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
    d.identity(
        "erf: its mean",
        sp.erf(v) + sp.erf(-v),
        form.mean,
        r"$u$ and $-u$ have one law, so $E[\sigma(u)]=\frac12E[\sigma(u)+\sigma(-u)]$.",
        shown=r"\sigma(v)+\sigma(-v)=0=E[\sigma(u)]",
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


def _moment(k: int, product: Any, covariance: Any) -> Any:
    """`E[u^k v^k]`, from the product of the variances and the covariance."""
    return sum(
        sp.Rational(sp.factorial(k) ** 2, sp.factorial(j) * sp.factorial((k - j) // 2) ** 2 * 4 ** ((k - j) // 2))
        * product ** ((k - j) // 2)
        * covariance**j
        for j in range(k % 2, k + 1, 2)
    )


LEAK = sp.Symbol("s", real=True)
"""The slope of leaky ReLU on the left."""


def piecewise_forms() -> list[tuple[str, Any, Any, ClosedForm]]:
    """Rows (name, s(u), s'(u) or None, closed form in the deviations x, y and the angle) of what the symbolic engine takes."""
    both = x * y * sp.cos(t)
    leaky = sp.Piecewise((u, u > 0), (LEAK * u, True))
    rows = [
        (
            "leaky ReLU",
            leaky,
            sp.Piecewise((1, u > 0), (LEAK, True)),
            ClosedForm(
                activations.leaky_relu(0.2),
                LEAK * both + (1 - LEAK) ** 2 * x * y * closed_forms.relu_dual(t),
                LEAK + (1 - LEAK) ** 2 * closed_forms.step_dual(t),
                (1 - LEAK) * x / sp.sqrt(2 * sp.pi),
            ),
        ),
        (
            "absolute value",
            sp.Abs(u),
            sp.sign(u),
            ClosedForm(
                activations.ABS,
                2 * x * y * (sp.sin(t) + (sp.pi / 2 - t) * sp.cos(t)) / sp.pi,
                1 - 2 * t / sp.pi,
                x * sp.sqrt(2 / sp.pi),
            ),
        ),
        (
            "step",
            sp.Heaviside(u),
            None,
            ClosedForm(activations.STEP, closed_forms.step_dual(t), None, sp.Rational(1, 2)),
        ),
    ]
    for k in range(1, 6):
        mean = 0 if k % 2 else sp.factorial2(k - 1) * x**k
        form = ClosedForm(
            activations.monomial(k),
            _moment(k, (x * y) ** 2, both),
            k**2 * _moment(k - 1, (x * y) ** 2, both),
            sp.sympify(mean),
        )
        rows.append((f"power {k}", u**k, k * u ** (k - 1), form))
    return rows


@cache
def _pair(value: Any) -> Any:
    """`E[g(u) g(v)]` by the symbolic engine, g(u) given."""
    return expectation(value * value.subs(u, v), (u, v), t, scales=(x, y))


@cache
def _mean(value: Any) -> Any:
    """`E[g(u)]` by the symbolic engine."""
    return expectation(value, u, scales=(x,))


def _others(effort: Effort) -> Outcome:
    d = Derivation()
    rows = piecewise_forms()
    forms = []
    for name, value, derivative, form in rows:
        d.identity(
            name,
            _pair(value),
            form.dual,
            r"$x=\sqrt a$, $y=\sqrt b$.",
            shown=rf"E[\sigma(u)\sigma(v)]={sp.latex(form.dual)}",
        )
        if derivative is not None:
            found = _pair(sp.sympify(derivative))
            d.identity(
                f"{name}: its slope", found, form.slope, shown=rf"E[\sigma'(u)\sigma'(v)]={sp.latex(form.slope)}"
            )
        mean = _mean(value)
        d.identity(f"{name}: its mean", mean, form.mean, shown=rf"E[\sigma(u)]={sp.latex(form.mean)}")
        there = {t: sp.acos(c / sp.sqrt(a * b)), x: sp.sqrt(a), y: sp.sqrt(b), LEAK: sp.Rational(1, 5)}
        parts = (form.dual, form.slope, form.mean)
        forms.append(ClosedForm(form.activation, *(part if part is None else part.subs(there) for part in parts)))
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
    cosines = (wave(i, i) + wave(i, -i) + wave(-i, i) + wave(-i, -i)) / 4
    sines = (wave(i, i) - wave(i, -i) - wave(-i, i) + wave(-i, -i)) / (-4)
    for form, dual, slope, mean in (
        (closed_forms.EXP, wave(1, 1), wave(1, 1), wave(1, 0)),
        (closed_forms.SIN, sines, cosines, (wave(i, 0) - wave(-i, 0)) / (2 * i)),
        (closed_forms.COS, cosines, sines, (wave(i, 0) + wave(-i, 0)) / 2),  # the signs of two slopes cancel
    ):
        for title, what, found, derived in (
            (form.name, r"E[\sigma(u)\sigma(v)]", form.dual, dual),
            (f"{form.name}: its slope", r"E[\sigma'(u)\sigma'(v)]", form.slope, slope),
            (f"{form.name}: its mean", r"E[\sigma(u)]", form.mean, mean),
        ):
            d.identity(
                title,
                sp.simplify((found - derived).rewrite(sp.exp)),
                0,
                "By Euler's formulas from exponentials.",
                shown=rf"{what}={sp.latex(sp.expand(found))}",
            )
        forms.append(form)
    _by_code(d, effort, forms)
    return d.proved("by the symbolic engine, and by completing the square; the code computes them")


def _by_code(d: Derivation, effort: Effort, forms: Sequence[ClosedForm]) -> None:
    d.argument(
        "the code computes them",
        "Activation.dual and Activation.dual_derivative are these expectations, for any variances and covariance.",
        "Closed forms take the angle from the determinant, which is exact to rounding.",
        refuted_by=r"a covariance where code and quadrature differ by more than $10^{-11}$ of the product of the deviations of the factors",
        attack=lambda: _quadrature(effort, [form.activation for form in forms]),
    )
    d.argument(
        "these formulas are the code's",
        "The closed forms of the steps, evaluated as they stand, are what the code returns: dual, dual_derivative and mean.",
        "One formula, written twice.",
        refuted_by=r"a covariance where they differ by more than $10^{-12}$, or than $10^{-12}$ of the root of the product at correlation 1, where that exceeds 1",
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
            if activation.differentiable:
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


def _formulas(effort: Effort, forms: Sequence[ClosedForm]) -> Attack:
    first, middle, second = _covariances(np.random.default_rng(322), effort.count(2_000, 100_000))
    errors = []
    for form in forms:
        s = form.activation
        for expression, dual in ((form.dual, s.dual), (form.slope, s.dual_derivative)):
            if expression is None:
                continue
            values = sp.lambdify((a, c, b), expression, "numpy")(first, middle, second)
            size = np.sqrt(dual(first, first, first) * dual(second, second, second))
            errors.append(np.abs(values - dual(first, middle, second)) / np.maximum(size, 1))
        errors.append(np.abs(sp.lambdify(a, form.mean, "numpy")(first) - s.mean(first)))
    names = ", ".join(form.name for form in forms)
    return errors_below(
        f"formulas of {names} and the code at random covariances, seed 322", np.concatenate(errors), 1e-12
    )


CLAIMS = (
    Claim(
        "wide_networks.relu.closed",
        "what the Gram matrices are made of: ReLU, erf",
        rf"{_GAUSSIAN}, $\cos\theta=\frac c{{\sqrt{{ab}}}}$. ReLU: $E[\sigma(u)\sigma(v)]=\frac{{\sqrt{{ab}}}}{{2\pi}}(\sin\theta+(\pi-\theta)\cos\theta)$, $E[\sigma'(u)\sigma'(v)]=\frac{{\pi-\theta}}{{2\pi}}$ and $E[\sigma(u)]=\sqrt{{\frac a{{2\pi}}}}$. "
        r"erf: $E[\sigma(u)\sigma(v)]=\frac2\pi\arcsin\frac{2c}{\sqrt{(1+2a)(1+2b)}}$ and $E[\sigma'(u)\sigma'(v)]=\frac4\pi((1+2a)(1+2b)-4c^2)^{-1/2}$ and $E[\sigma(u)]=0$. alignmath computes these.",
        Verdict.PROVED,
        _relu_and_erf,
    ),
    Claim(
        "wide_networks.closed.others",
        "the same for the other activations with closed forms",
        rf"{_GAUSSIAN}, $\cos\theta=\frac c{{\sqrt{{ab}}}}$. Closed forms of $E[\sigma(u)\sigma(v)]$, $E[\sigma'(u)\sigma'(v)]$ and $E[\sigma(u)]$: "
        r"leaky ReLU with slope $s$ on the left: $sc+\frac{(1-s)^2\sqrt{ab}}{2\pi}(\sin\theta+(\pi-\theta)\cos\theta)$, $s+(1-s)^2\frac{\pi-\theta}{2\pi}$, $(1-s)\sqrt{\frac a{2\pi}}$; "
        r"$|x|$: $\frac{2\sqrt{ab}}\pi(\sin\theta+(\frac\pi2-\theta)\cos\theta)$, $1-\frac{2\theta}\pi$, $\sqrt{\frac{2a}\pi}$; the step $1_{x>0}$: $\frac{\pi-\theta}{2\pi}$, none, $\frac12$; "
        r"$e^x$: $e^{(a+b)/2+c}$, the same, $e^{a/2}$; $\sin$: $e^{-(a+b)/2}\sinh c$, $e^{-(a+b)/2}\cosh c$, 0; $\cos$: $e^{-(a+b)/2}\cosh c$, $e^{-(a+b)/2}\sinh c$, $e^{-a/2}$; "
        r"$x^k$, $k\le5$: $M_k=\sum_j\frac{k!^2}{j!\,p!^2\,4^p}(ab)^pc^j$ over $p=\frac{k-j}2$ whole, $k^2M_{k-1}$, and 0 for odd $k$, $(k-1)!!\,a^{k/2}$ for even. alignmath computes them (leaky ReLU: $s=\frac15$).",
        Verdict.PROVED,
        _others,
    ),
)
