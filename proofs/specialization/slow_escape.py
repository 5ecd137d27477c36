"""Section 5.3 of the specialization paper, slow convergence: how long a student opposite to the only teacher takes to turn away.

Under equation (8) with constant coefficients the time goes like 1/epsilon. In the exact population flow that holds with balanced trained output
weights; with the output weight fixed the student shrinks, turns the faster, and escapes in a time of the order 2 ln(1/epsilon).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import sympy as sp

from ..engine.attacks import none_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import dynamics_formulas as formulas

__all__ = ["CLAIMS", "EscapeIntegrals", "escape_integrals"]

pi = sp.pi
s, n, a, b = sp.symbols("s n a b", positive=True)
eps, end, theta = sp.symbols("epsilon delta_0 theta", positive=True)
_INTEGRAL = r"$I=\int_\epsilon^{\delta_0}\frac{d\delta}{\delta\sin\delta}$"
_BOUNDS = r"$\frac1\epsilon-\frac1{\delta_0}<I<\frac1\epsilon-\frac1{\delta_0}+\frac{\delta_0^2}{6\sin\delta_0}$"
_GROWTH = r"$J=\int_\epsilon^{\delta_0}\frac{e^{G(\delta)}}{\delta\sin\delta}d\delta$, $G(\delta)=\int_\epsilon^\delta\frac{\sin s-s\cos s}{s\sin s}ds$"
_PAIR = sp.Matrix([[1, sp.cos(theta)], [sp.cos(theta), 1]])
"""Inner products of the unit vectors along student and teacher."""


class EscapeIntegrals(NamedTuple):
    """Integrals from epsilon to delta_0.

    plain: I, of `1 / (delta sin delta)`. grown: J, of `exp(G(delta)) / (delta sin delta)`. growth: `G(delta_0)`, G the integral from epsilon
    of `(sin s - s cos s) / (s sin s)`.
    """

    plain: float
    grown: float
    growth: float


def escape_integrals(epsilon: float, delta_0: float) -> EscapeIntegrals:
    """The integrals that escape times are made of, `0 < epsilon < delta_0 < pi`, to about 1e-11, as an initial value problem in ln delta."""
    from scipy.integrate import solve_ivp

    def slope(u: float, state: np.ndarray) -> list[float]:
        x = np.exp(u)
        return [1 / np.sin(x), np.exp(state[2]) / np.sin(x), 1 - x / np.tan(x)]

    solution = solve_ivp(slope, (np.log(epsilon), np.log(delta_0)), [0, 0, 0], "DOP853", rtol=1e-12, atol=1e-13)
    return EscapeIntegrals(*(float(value) for value in solution.y[:, -1]))


def _sine_bounds(d: Derivation) -> None:
    """The inequalities that the bounds of the integrals rest on, on `(0, pi)`."""
    domain, k, m = (s, pi - s), sp.Symbol("k", positive=True), sp.Symbol("m", positive=True)
    first, parabola, quotient = "sine below its argument", "cosine above its parabola", "a falling quotient"
    half = {k: (sp.sin(s / 2), "sine")}
    d.rises(first, s - sp.sin(s), s, 2 * k**2, positive=half, domain=domain)
    d.rises(parabola, sp.cos(s) - 1 + s**2 / 2, s, k, positive={k: (s - sp.sin(s), first)}, domain=domain)
    d.rises(
        "sine above its cubic",
        s**3 / 6 - s + sp.sin(s),
        s,
        k,
        positive={k: (sp.cos(s) - 1 + s**2 / 2, parabola)},
        domain=domain,
    )
    d.rises(
        quotient,
        sp.sin(s) - s * sp.cos(s),
        s,
        k * m,
        positive={k: (s, "domain"), m: (sp.sin(s), "sine")},
        domain=domain,
        statement=r"So $\frac{\sin s}s$, of derivative $-\frac{\sin s-s\cos s}{s^2}$, falls: $\frac{\sin s}s\ge\frac{\sin\delta_0}{\delta_0}$ for $s\le\delta_0$.",
    )
    d.identity(
        "lower bound of the integrand",
        1 / (s * sp.sin(s)) - 1 / s**2,
        (s - sp.sin(s)) / (s**2 * sp.sin(s)),
        "Positive: the numerator is, by the first inequality.",
        shown=r"\frac1{s\sin s}-\frac1{s^2}=\frac{s-\sin s}{s^2\sin s}>0",
    )
    d.identity(
        "its upper bound",
        end / (6 * sp.sin(end)) - (s - sp.sin(s)) / (s**2 * sp.sin(s)),
        (s**3 / 6 - s + sp.sin(s)) / (s**2 * sp.sin(s)) + (end / sp.sin(end) - s / sp.sin(s)) / 6,
        r"For $s\le\delta_0<\pi$ both terms are not negative, by the third and the fourth inequality: the excess over $\frac1{s^2}$ is at most $\frac{\delta_0}{6\sin\delta_0}$.",
        shown=r"\frac{\delta_0}{6\sin\delta_0}-\frac{s-\sin s}{s^2\sin s}=\frac{s^3/6-s+\sin s}{s^2\sin s}+\tfrac16\Big(\frac{\delta_0}{\sin\delta_0}-\frac s{\sin s}\Big)\ge0",
    )
    low, high = formulas.escape_bounds(eps, end)
    d.identity(
        "integrated",
        sp.Matrix([sp.integrate(s**-2, (s, eps, end)), high - low]),
        sp.Matrix([low, end * end / (6 * sp.sin(end))]),
        r"From $\epsilon$ to $\delta_0$; the excess, over an interval shorter than $\delta_0$, is less than $\delta_0\cdot\frac{\delta_0}{6\sin\delta_0}$.",
        shown=r"\int_\epsilon^{\delta_0}\frac{ds}{s^2}=\frac1\epsilon-\frac1{\delta_0}",
    )


def _slow(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm7.eq65")
    turn = formulas.turning(
        b * formulas.psi(theta) * sp.Matrix([0, 1]), sp.Matrix([1, 0]), b * formulas.psi(theta) * sp.cos(theta)
    )
    rate = formulas.inner(sp.Matrix([0, 1]), turn, _PAIR)
    d.identity(
        "the angle",
        rate,
        sp.sin(theta) * formulas.opening_rate(pi - theta, b),
        r"One teacher, one student: $r=\alpha\psi w^*$ plus a multiple of $w$, which (65) projects out. $b=\alpha|w^*|$. The left side is $\frac d{dt}\cos\theta=-\sin\theta\,\frac{d\theta}{dt}$.",
        shown=r"\hat w^*\cdot\frac{d\hat w}{dt}=b\,\psi(\theta)\sin^2\theta,\qquad\frac{d\theta}{dt}=-b\,\psi(\theta)\sin\theta",
    )
    d.identity(
        "in terms of the distance from pi",
        1 / formulas.opening_rate(s, b),
        2 * pi / (b * s * sp.sin(s)),
        r"$\delta=\pi-\theta$ grows, at the rate $b\,\psi\sin\delta=\frac{b}{2\pi}\delta\sin\delta$: the time from $\epsilon$ to $\delta_0$ is $\frac{2\pi}b$ times $I$.",
        shown=r"\frac{dt}{d\delta}=\frac{2\pi}{b\,\delta\sin\delta}",
    )
    d.certificate(
        "near a straight angle",
        sp.limit(formulas.psi(pi - s) * sp.sin(s) / s**2, s, 0) == 1 / (2 * pi),
        r"$\psi(\theta)\sin\theta\sim\frac{(\pi-\theta)^2}{2\pi}$.",
        reason="limit",
    )
    _sine_bounds(d)
    d.argument(
        "bounds of the time",
        _BOUNDS + r" for $0<\epsilon<\delta_0<\pi$.",
        "Integrals of the bounds of the integrand.",
        refuted_by=r"$\epsilon$ and $\delta_0$ for which a quadrature leaves the bounds",
        attack=lambda: _bounds_attack(effort),
    )
    return d.proved(
        "$\\frac1\\epsilon-\\frac1{\\delta_0}$ and a remainder between 0 and $\\delta_0^2/(6\\sin\\delta_0)$: unbounded as $\\epsilon\\to0$"
    )


def _bounds_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(641)
    margins = []
    for _ in range(effort.count(30, 1_000)):
        delta_0 = np.pi - 10 ** rng.uniform(-3, 0.45) if rng.random() < 0.5 else rng.uniform(0.3, 3)
        epsilon = delta_0 * 10 ** rng.uniform(-3, -0.3)
        value = escape_integrals(epsilon, delta_0).plain
        low, high = (float(bound) for bound in formulas.escape_bounds(sp.Float(epsilon), sp.Float(delta_0)))
        margins += [(value - low) / value, (high - value) / value]
    return none_below(
        "quadratures for random epsilon and delta_0, the latter up to 0.001 from pi, seed 641: relative margins",
        margins,
    )


def _velocity(weight: sp.Expr) -> sp.Matrix:
    """Coefficients along the unit vectors of student and teacher of the population velocity, output weight `weight`; `b / a` stands for `v* |w*|`."""
    strength = b / a
    toward = weight * strength * formulas.psi(theta)
    own = weight * strength * formulas.psi_student(theta, 1) - weight**2 * formulas.psi(0) * n
    return sp.Matrix([own, toward])


def _rates(weight: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """`dn/dt` and `d delta/dt`, `delta = pi - theta`, as functions of n and theta."""
    velocity, student, teacher = _velocity(weight), sp.Matrix([1, 0]), sp.Matrix([0, 1])
    length_rate = formulas.inner(student, velocity, _PAIR)
    cosine_rate = (formulas.inner(teacher, velocity, _PAIR) - sp.cos(theta) * length_rate) / n
    return sp.expand(length_rate), sp.simplify(sp.expand(cosine_rate) / sp.sin(theta))


def _population(effort: Effort) -> Outcome:
    d = Derivation("specialization.slow", "specialization.eq5", "specialization.assump2", "specialization.eq8.mended")
    length_rate, opening = (rate.subs(theta, pi - s) for rate in _rates(a))
    pull = sp.sin(s) - s * sp.cos(s)
    d.identity(
        "fixed output weight: the angle",
        opening,
        formulas.opening_rate(s, b, n),
        r"$\frac{dw}{dt}=a\,v^*\big[\psi\,w^*+\frac{|w^*|\sin\theta}{2\pi}\hat w\big]-\frac{a^2}2w$ (`specialization.eq5`, `specialization.assump2`); $\delta=\pi-\theta$, $n=|w|$, $b=a\,v^*|w^*|$.",
        shown=r"\frac{d\delta}{dt}=\frac{b\,\delta\sin\delta}{2\pi n}",
    )
    d.identity(
        "and the length",
        length_rate,
        b * pull / (2 * pi) - a**2 * n / 2,
        "Near a straight angle the first term is of third order: the student shrinks.",
        shown=r"\frac{dn}{dt}=\frac b{2\pi}(\sin\delta-\delta\cos\delta)-\frac{a^2}2n",
    )
    balanced = _rates(n)[1].subs(theta, pi - s)
    d.identity(
        "balanced trained output weight",
        balanced,
        formulas.opening_rate(s, b / a),
        r"With $v=n$ in place of $a$, kept by the flow (`specialization.eq8.mended`), the length drops out: the law of `specialization.slow` with the constant $v^*|w^*|$, exactly.",
        shown=r"\frac{d\delta}{dt}=\frac{v^*|w^*|}{2\pi}\delta\sin\delta",
    )
    _fixed_time(d, opening, length_rate, pull)
    d.argument(
        "bounds",
        r"$\frac1\epsilon-\frac1{\delta_0}<J<e^{\delta_0^3/(6\sin\delta_0)}\big(\frac1\epsilon-\frac1{\delta_0}+\frac{\delta_0^2}{6\sin\delta_0}\big)$, so $T=\frac2{a^2}\ln(1/\epsilon)+O(1)$ as $\epsilon\to0$.",
        r"$0\le G(\delta)\le G(\delta_0)\le\int_0^{\delta_0}\frac{s\,\delta_0}{3\sin\delta_0}ds$ by the inequality above and the falling quotient, and the bounds of $I$ in `specialization.slow`.",
        refuted_by=r"$\epsilon$ and $\delta_0$ for which a quadrature leaves the bounds",
        attack=lambda: _growth_attack(effort),
    )
    return d.proved(
        "both escape times in closed form: $\\frac{2\\pi}{v^*|w^*|}I\\sim1/\\epsilon$ balanced, $\\frac2{a^2}\\ln(1/\\epsilon)+O(1)$ with the output weight fixed"
    )


def _fixed_time(d: Derivation, opening: sp.Expr, length_rate: sp.Expr, pull: sp.Expr) -> None:
    """The escape time with a fixed output weight, by a change of clock."""
    t, m, J, first = sp.symbols("t m J n_0", positive=True)
    shrink = sp.exp(-(a**2) * t / 2)
    clock = sp.exp(a**2 * t / 2)  # d tau / dt
    d.identity(
        "another clock",
        sp.Matrix(
            [opening.subs(n, m * shrink) / clock, (length_rate.subs(n, m * shrink) / shrink + a**2 * m / 2) / clock]
        ),
        sp.Matrix([b * s * sp.sin(s) / (2 * pi * m), b * pull / (2 * pi)]),
        r"$m=n\,e^{a^2t/2}$, $\tau=\frac2{a^2}(e^{a^2t/2}-1)$, $\frac{d\tau}{dt}=e^{a^2t/2}$.",
        shown=r"\frac{d\delta}{d\tau}=\frac{b\,\delta\sin\delta}{2\pi m},\qquad\frac{dm}{d\tau}=\frac b{2\pi}(\sin\delta-\delta\cos\delta)",
    )
    d.identity(
        "the length as a function of the angle",
        (b * pull / (2 * pi)) / (b * s * sp.sin(s) / (2 * pi * m)) / m,
        pull / (s * sp.sin(s)),
        r"So $m=n_0e^{G(\delta)}$, and $\tau=\frac{2\pi n_0}b\,J$ at $\delta_0$.",
        shown=r"\frac{d}{d\delta}\ln(m)=\frac{\sin\delta-\delta\cos\delta}{\delta\sin\delta}",
    )
    total = formulas.fixed_escape_time(J, first, a, b)
    d.identity(
        "the time",
        2 / a**2 * (sp.exp(a**2 * total / 2) - 1),
        2 * pi * first / b * J,
        shown=r"T=\frac2{a^2}\ln\Big(1+\frac{\pi n_0a^2}b\,J\Big)",
    )
    domain, k = (s, pi - s), sp.Symbol("k", positive=True)
    sine = sp.Symbol("m", positive=True)
    first_bound = "sine below its argument"
    d.rises(first_bound, s - sp.sin(s), s, 2 * k**2, positive={k: (sp.sin(s / 2), "sine")}, domain=domain)
    d.rises(
        "growth is positive", pull, s, k * sine, positive={k: (s, "domain"), sine: (sp.sin(s), "sine")}, domain=domain
    )
    d.rises(
        "and of third order",
        s**3 / 3 - pull,
        s,
        k * sine,
        positive={k: (s, "domain"), sine: (s - sp.sin(s), first_bound)},
        domain=domain,
        statement=r"So $0<\frac{\sin s-s\cos s}{s\sin s}<\frac s3\cdot\frac s{\sin s}$.",
    )


def _growth_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(642)
    margins = []
    for _ in range(effort.count(30, 1_000)):
        delta_0 = rng.uniform(0.3, 3)
        epsilon = delta_0 * 10 ** rng.uniform(-3, -0.3)
        integrals = escape_integrals(epsilon, delta_0)
        low, high = (float(bound) for bound in formulas.escape_bounds(sp.Float(epsilon), sp.Float(delta_0)))
        most = delta_0**3 / (6 * np.sin(delta_0))
        margins += [
            integrals.grown / low - 1,
            1 - np.exp(integrals.growth - most),
            np.log(high / integrals.grown) + most,
        ]
    return none_below("quadratures for random epsilon and delta_0 up to 3, seed 642: relative margins", margins)


CLAIMS = (
    Claim(
        "specialization.slow",
        "Section 5.3, slow convergence to weak teachers",
        rf"One teacher and one student under (8) with a constant coefficient $\alpha>0$, $\psi(\theta)=\frac{{\pi-\theta}}{{2\pi}}$: $\frac{{d\theta}}{{dt}}=-\alpha|w^*|\psi(\theta)\sin\theta$, and the time from $\theta=\pi-\epsilon$ to $\pi-\delta_0$ is $\frac{{2\pi}}{{\alpha|w^*|}}I$, {_INTEGRAL}, with {_BOUNDS}: unbounded as $\epsilon\to0$.",
        Verdict.PROVED,
        _slow,
        uses=("specialization.thm7.eq65",),
    ),
    Claim(
        "specialization.beyond.slow",
        "Section 5.3, in the exact population flow",
        rf"Student $a\,\sigma(w\cdot x)$, teacher $v^*\sigma(w^*\cdot x)$, $a,v^*>0$, $x\sim N(0,I_d)$, population flow from $\theta=\pi-\epsilon$, $|w|=n_0$. If both layers are trained from $a=|w|$, $\pi-\delta_0$ is reached at $\frac{{2\pi}}{{v^*|w^*|}}I$, the law of `specialization.slow`. If $a$ is fixed, it is reached at "
        rf"$T=\frac2{{a^2}}\ln\big(1+\frac{{\pi n_0a}}{{v^*|w^*|}}J\big)$, {_GROWTH}; $T=\frac2{{a^2}}\ln(1/\epsilon)+O(1)$: the student shrinks like $e^{{-a^2t/2}}$ meanwhile, and a shorter one turns faster. The 1/$\epsilon$ law does not hold there.",
        Verdict.PROVED,
        _population,
        uses=("specialization.slow", "specialization.eq5", "specialization.assump2", "specialization.eq8.mended"),
    ),
)
