"""Condition 3.1 and equation (2) of the wide_networks paper: Lipschitz constants, smoothness, and the scaling `c_sigma`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
from flint import acb, arb, ctx

from alignmath import activations
from alignmath.activations import Activation

from ..engine.attacks import none_below
from ..engine.balls import evaluate, precisely
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from ..gaussian_integrals import expectation
from . import closed_forms

__all__ = ["CLAIMS", "best_constants", "second_moment", "slope"]

z = sp.Symbol("z", real=True)
t, s = sp.symbols("t s", real=True)
_TOLERANCE = 1e-13
"""How near the stated Lipschitz constants are to the least ones; smoothness constants are within 1e-15."""
_NORMAL = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)
_SIGMOID = 1 / (1 + sp.exp(-z))
SYMBOLIC = {
    "softplus": sp.log(1 + sp.exp(z)),
    "sigmoid": _SIGMOID,
    "tanh": sp.tanh(z),
    "erf": sp.erf(z),
    "gelu": z * (1 + sp.erf(z / sp.sqrt(2))) / 2,
    "silu": z * _SIGMOID,
}
"""The smooth activations of the library, as expressions in z."""
CODE: dict[str, Activation] = {name: getattr(activations, name.upper()) for name in SYMBOLIC}


def best_constants() -> dict[str, tuple[Any, Any]]:
    """The least Lipschitz constants of s and of s', exactly; but for SiLU's first, which has no closed form."""
    root = sp.sqrt(3)
    return {
        "softplus": (sp.Integer(1), sp.Rational(1, 4)),
        "sigmoid": (sp.Rational(1, 4), root / 18),
        "tanh": (sp.Integer(1), 4 / (3 * root)),
        "erf": (2 / sp.sqrt(sp.pi), 2 * sp.sqrt(2) / sp.sqrt(sp.pi) * sp.exp(-sp.Rational(1, 2))),
        "gelu": (
            sp.Rational(1, 2) + sp.erf(1) / 2 + sp.exp(-1) / sp.sqrt(sp.pi),
            sp.sqrt(2) / sp.sqrt(sp.pi),
        ),
        "silu": (sp.Integer(0), sp.Rational(1, 2)),
    }


def slope(name: str, order: int = 1) -> Any:
    """A derivative of an activation, in z."""
    return sp.diff(SYMBOLIC[name], z, order)


def _silu_steepest() -> tuple[bool, Any]:
    """Whether `z tanh(z/2) - 2` changes sign on a tiny interval, and the ball of the slope `s + z s (1 - s)` there."""
    with ctx.workprec(200):
        low, high = arb("2.3993572805154676"), arb("2.3993572805154677")
        margin = lambda x: x * (x / 2).tanh() - 2  # noqa: E731
        inside = low.union(high)
        value = 1 / (1 + (-inside).exp())
        return bool(margin(low) < 0 and margin(high) > 0), value + inside * value * (1 - value)


@precisely
def _condition(effort: Effort) -> Outcome:
    d = Derivation()
    best = best_constants()
    d.identity(
        "softplus: its slope", slope("softplus"), _SIGMOID, shown=r"\sigma'(z)=s,\quad s=\frac1{1+e^{-z}}\in(0,1)"
    )
    d.identity(
        "softplus: its curvature",
        slope("softplus", 2),
        _SIGMOID * (1 - _SIGMOID),
        r"$\sup|\sigma'|=1$ is approached as $z\to\infty$.",
        shown=r"\sigma''(z)=s(1-s)",
    )
    d.identity(
        "softplus: at most a quarter",
        best["softplus"][1] - s * (1 - s),
        (s - sp.Rational(1, 2)) ** 2,
        r"So $0<\sigma''\le\frac14$, with equality at $z=0$ alone: 1 is a smoothness constant, and $\frac14$ is the least one.",
        shown=r"\tfrac14-s(1-s)=(s-\tfrac12)^2\ge0",
    )
    d.certificate(
        "softplus: at 0",
        bool(0 < SYMBOLIC["softplus"].subs(z, 0) < 1),
        r"$|\sigma(0)|=\log2\le1$. So Condition 3.1 holds with $c=1$, and with no less: $\sup|\sigma'|=1$.",
        reason="exact",
    )
    epsilon = sp.Symbol("epsilon", positive=True)
    d.identity(
        "ReLU has no smoothness constant",
        (sp.Heaviside(epsilon) - sp.Heaviside(-epsilon)) / (2 * epsilon),
        1 / (2 * epsilon),
        r"$|\sigma'(\epsilon)-\sigma'(-\epsilon)|=1$ at distance $2\epsilon$, for every $\epsilon>0$: Condition 3.1 fails.",
        shown=r"\frac{|\sigma'(\epsilon)-\sigma'(-\epsilon)|}{2\epsilon}=\frac1{2\epsilon}",
    )
    _others(d, best)
    d.argument(
        "no steeper place",
        "A differentiable function is Lipschitz with the supremum of its slope and no less; these are the suprema.",
        "On each stretch between zeros of the next derivative the slope is monotone; the steps above list those zeros.",
        refuted_by="a difference quotient above a constant, or a constant that no quotient comes near",
        attack=lambda: _quotients(effort),
    )
    return d.proved(
        "softplus has $c=1$, with smoothness $\\frac14$; the other constants are those of the code; ReLU has none"
    )


def _others(d: Derivation, best: dict[str, tuple[Any, Any]]) -> None:
    """Sigmoid, tanh, erf, GELU and SiLU."""
    root = 1 / sp.sqrt(3)
    for name, inner, factor, word in (
        ("sigmoid", 2 * _SIGMOID - 1, -sp.Rational(1, 4), r"x=2s-1"),
        ("tanh", sp.tanh(z), sp.Integer(-2), r"x=\tanh z"),
    ):
        d.identity(
            f"{name}: its curvature",
            sp.simplify((slope(name, 2) - factor * inner * (1 - inner**2)).rewrite(sp.exp)),
            0,
            rf"With ${word}\in(-1,1)$.",
            shown=rf"\sigma''(z)={sp.latex(factor)}\,x(1-x^2)",
        )
        d.identity(
            f"{name}: its bound",
            best[name][1] - abs(factor) * t * (1 - t**2),
            abs(factor) * (t - root) ** 2 * (t + 2 * root),
            rf"Not negative for $x>-1$, 0 at $x=1/\sqrt3$; and $|\sigma''|$ is even in $x$. $\sigma'$ is largest at 0: ${sp.latex(best[name][0])}$.",
            shown=rf"{sp.latex(best[name][1])}-{sp.latex(abs(factor))}x(1-x^2)={sp.latex(abs(factor))}(x-\tfrac1{{\sqrt3}})^2(x+\tfrac2{{\sqrt3}})",
        )
    for name, order, rest, zeros in (
        ("erf", 3, 8 / sp.sqrt(sp.pi) * (z**2 - sp.Rational(1, 2)) * sp.exp(-(z**2)), (1 / sp.sqrt(2),)),
        ("gelu", 2, (2 - z**2) * _NORMAL, (sp.sqrt(2),)),
        ("gelu", 3, z * (z**2 - 4) * _NORMAL, (sp.Integer(0), sp.Integer(2))),
    ):
        d.identity(
            f"{name}: derivative {order}",
            slope(name, order),
            rest,
            f"So derivative {order - 1} is extreme at ${', '.join(sp.latex(x) for x in zeros)}$ and their negatives only; at infinity it goes to a limit no larger.",
        )
        values = [
            evaluate(sp.Abs(slope(name, order - 1).subs(z, sign * x)).doit(), {}) for x in zeros for sign in (1, -1)
        ]
        bound = evaluate(best[name][order - 2], {})
        d.certificate(
            f"{name}: largest value of derivative {order - 1}",
            all(value < bound or abs(value - bound) < 1e-15 for value in values)
            and any(abs(value - bound) < 1e-15 for value in values),
            rf"The largest is ${sp.latex(best[name][order - 2])}$.",
            reason="balls",
        )
    d.identity(
        "SiLU: its curvature",
        sp.simplify((slope("silu", 2) - _SIGMOID * (1 - _SIGMOID) * (2 - z * sp.tanh(z / 2))).rewrite(sp.exp)),
        0,
        r"$s(1-s)\le\frac14$ and $z\tanh\frac z2\ge0$ give $\sigma''\le\frac12=\sigma''(0)$; $s(1-s)=\frac1{4\cosh^2(z/2)}\le\frac1{4+z^2}$ and $|\tanh|<1$ give $-\sigma''\le\frac{|z|}{4+z^2}\le\frac14$.",
        shown=r"\sigma''(z)=s(1-s)\,(2-z\tanh\tfrac z2)",
    )
    d.identity(
        "SiLU: two slopes",
        sp.simplify(slope("silu") + slope("silu").subs(z, -z)),
        1,
        shown=r"\sigma'(z)+\sigma'(-z)=1",
    )
    changes, steepest = _silu_steepest()
    d.certificate(
        "SiLU: its steepest slope",
        changes and bool(abs(steepest - arb("1.09983932012887")) < 1e-13),
        r"$z\tanh\frac z2$ increases for $z>0$ and is 2 at one $z$, between $2.39935728051$ and $2.39935728052$, where $\sigma'=1.09983932012887$; and $\sigma'(-z)=1-\sigma'(z)$ is smaller in size.",
        reason="balls",
    )
    for name, (lipschitz, smoothness) in best.items():
        code = CODE[name]
        first = steepest if name == "silu" else evaluate(lipschitz, {})
        d.certificate(
            f"{name}: the code",
            bool(
                abs(first - arb(code.lipschitz)) < _TOLERANCE
                and abs(evaluate(smoothness, {}) - arb(code.smoothness)) < 1e-15
            ),
            f"activations.{name.upper()} states these constants, to $10^{{-13}}$ and to $10^{{-15}}$.",
            reason="balls",
        )


def _quotients(effort: Effort) -> Attack:
    rng = np.random.default_rng(311)
    margins = []
    for code in CODE.values():
        x = np.concatenate([rng.standard_normal(effort.count(4_000, 400_000)) * 3, np.linspace(-40, 40, 4_001)])
        y = x + np.where(rng.random(len(x)) < 0.5, 1e-4, rng.standard_normal(len(x)))
        for values, constant in ((code.value, code.lipschitz), (code.derivative, code.smoothness)):
            quotients = np.abs(values(x) - values(y)) / np.abs(x - y)
            margins += [constant * (1 + 1e-9) - quotients.max(), quotients.max() - 0.999 * constant]
    return none_below(
        "difference quotients of all six, seed 311, below the constants, and the largest above 0.999 of them", margins
    )


_ENTIRE: dict[str, Callable[[Any, bool], Any]] = {
    "softplus": lambda x, analytic: (1 + x.exp()).log(analytic=analytic),
    "sigmoid": lambda x, analytic: 1 / (1 + (-x).exp()),
    "tanh": lambda x, analytic: x.tanh(),
    "erf": lambda x, analytic: x.erf(),
    "gelu": lambda x, analytic: x * (1 + (x / acb(2).sqrt()).erf()) / 2,
    "silu": lambda x, analytic: x / (1 + (-x).exp()),
}
_REACH = 14


def second_moment(name: str) -> Any:
    """The ball of `E[s(z)^2]`, z standard normal: rigorous quadrature on [-14, 14], and the rest at most `8 (L + 1/L) phi(L)`."""
    function = _ENTIRE[name]
    with ctx.workprec(100):
        inside = acb.integral(
            lambda x, analytic: function(x, analytic) ** 2 * (-x * x / 2).exp(), acb(-_REACH), acb(_REACH)
        ).real
        reach = arb(_REACH)
        rest = 8 * (reach + 1 / reach) * (-reach * reach / 2).exp()
        return (inside + arb(0).union(rest)) / (2 * arb.pi()).sqrt()


PRINTED = {
    "softplus": "1.08548650298834342",
    "tanh": "2.53617543321745",
    "sigmoid": "3.40855984162310",
    "erf": "2.15257886060759855",
    "gelu": "2.35171561407337",
    "silu": "2.81076112407447",
}
"""Decimals of `c_sigma`."""


@precisely
def _scaling(effort: Effort) -> Outcome:
    d = Derivation("wide_networks.relu.closed")
    gaussian = sp.Symbol("g")
    d.identity(
        "ReLU",
        expectation(sp.Max(gaussian, 0) ** 2, gaussian),
        sp.Rational(1, 2),
        shown=r"E[\sigma(g)^2]=\tfrac12,\quad c_\sigma=2",
    )
    erf = closed_forms.ERF
    d.identity("erf", erf.c_sigma, sp.pi / (2 * sp.asin(sp.Rational(2, 3))), "From `wide_networks.relu.closed`.")
    half = {closed_forms.a: sp.Rational(1, 2), closed_forms.b: sp.Rational(1, 2), closed_forms.c: sp.Rational(1, 2)}
    d.identity(
        "erf of x over root 2",
        1 / erf.dual.subs(half),
        3,
        r"Its argument has variance $\frac12$.",
        shown=r"c_\sigma=\frac1{\frac2\pi\arcsin\frac12}=3",
    )
    for name in SYMBOLIC:
        moment = second_moment(name)
        value = 1 / moment
        unit = arb(10) ** -(len(PRINTED[name].split(".")[1]))
        d.certificate(
            name,
            bool(value.rad() < 1e-18) and bool(abs(value - arb(PRINTED[name])) < unit),
            rf"$E[\sigma(g)^2]={moment.str(18, radius=False)}$, $c_\sigma={value.str(18, radius=False)}$, within one unit of the last decimal of {PRINTED[name]}.",
            reason=r"adaptive quadrature in balls on $[-14,14]$; $|\sigma(x)|\le2|x|$ for $|x|\ge1$, so the rest is at most $8(L+\frac1L)\varphi(L)<10^{-39}$ with $L=14$",
        )
        d.certificate(
            f"{name}: the code",
            bool(abs(value - arb(CODE[name].c_sigma)) < 1e-13 * value),
            f"activations.{name.upper()}.c_sigma is within $10^{{-13}}$ of it.",
            reason="balls",
        )
    overlap = evaluate(erf.c_sigma, {})
    d.certificate(
        "erf, twice", overlap.overlaps(1 / second_moment("erf")), "Quadrature and closed form agree.", reason="balls"
    )
    d.certificate(
        "ReLU and erf of x over root 2: the code",
        activations.RELU.c_sigma == 2 and abs(1 / float(activations.ERF.dual(0.5, 0.5, 0.5)) - 3) < 1e-14,
        "2 exactly, and 3 to rounding.",
    )
    return d.certified(
        "$c_\\sigma$ of softplus, tanh, sigmoid, erf, GELU and SiLU in balls of radius $10^{-18}$, 2 for ReLU, 3 for erf$(x/\\sqrt2)$"
    )


CLAIMS = (
    Claim(
        "wide_networks.cond3.1",
        "Condition 3.1, and the remark on softplus",
        r"$|\sigma(0)|\le c$, $|\sigma(z)-\sigma(z')|\le c|z-z'|$, $|\sigma'(z)-\sigma'(z')|\le c|z-z'|$ (the paper prints $\sigma'(z)$ twice in the last): softplus has it with $c=1$, the least $c$. 1 is a Lipschitz constant of $\sigma$, the least, and of $\sigma'$, whose least is $\frac14$. "
        r"ReLU has no such $c$. The constants that alignmath states for softplus, sigmoid, tanh, erf, GELU and SiLU are the least ones, to $10^{-13}$.",
        Verdict.PROVED,
        _condition,
    ),
    Claim(
        "wide_networks.eq2",
        "equation (2), the scaling",
        r"$c_\sigma=1/E[\sigma(g)^2]$, $g\sim N(0,1)$, is 2 for ReLU, $\frac\pi{2\arcsin(2/3)}=2.15257886060759855$ for erf, 3 for erf$(x/\sqrt2)$, $1.08548650298834342$ for softplus, $2.53617543321745$ for tanh, $3.40855984162310$ for sigmoid, $2.35171561407337$ for GELU, $2.81076112407447$ for SiLU, each within one unit of the last decimal; what alignmath computes is within $10^{-13}$.",
        Verdict.CERTIFIED,
        _scaling,
        uses=("wide_networks.relu.closed",),
    ),
)
