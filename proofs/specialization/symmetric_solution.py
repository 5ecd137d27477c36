"""Section 5.3 of the specialization paper: the symmetric case `dw_k/dt = |w_k| r`, `r = w* - sum a_k w_k`, solved in closed form.

r keeps its initial direction, and all lengths and angles follow from one function of time: students align up to the order of their initial lengths.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from ..engine.attacks import errors_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import dynamics_formulas as formulas
from .simulated_flows import random_start, symmetric_path
from .symmetric_flow import SYMMETRIC

__all__ = ["CLAIMS"]

n = sp.Symbol("n", positive=True)


def _printed_alignment(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm7.eq66_68")
    target, half = sp.Matrix([1, 0]), sp.Rational(1, 2)
    stuck = [sp.Matrix([half, half]), sp.Matrix([half, -half])]
    d.certificate(
        "a stationary point",
        formulas.symmetric_residual(target, [1, 1], stuck) == sp.zeros(2, 1),
        r"$w^*=(1,0)$, $a_1=a_2=1$, $w_{1,2}=(\frac12,\pm\frac12)$: $r=0$ (and all $h_k=0$), so nothing moves, with $\hat w_1\ne\hat w_2$ and both $45$ degrees off $w^*$.",
        reason="rationals",
    )
    x, y, gap = sp.symbols("x y g", positive=True)
    pair = [sp.Matrix([x, y]), sp.Matrix([x, -y])]
    residual, length = formulas.symmetric_residual(target, [1, 1], pair), sp.sqrt(x**2 + y**2)
    moved = [formulas.velocity(length, residual) for _ in pair]
    d.identity(
        "and flows that end beside it",
        moved[0],
        sp.Matrix([length * (1 - 2 * x), 0]),
        r"Now all $h_k>0$. From $w_{1,2}=(x,\pm y)$, $0<x<\frac12$, $y>0$: $r=(1-2x,0)$, both move along $w^*$ only, and $y$ is constant.",
        shown=r"\frac{dw_{1,2}}{dt}=\sqrt{x^2+y^2}\,(1-2x,\,0)",
    )
    d.identity("the mirror image", moved[1], moved[0], shown=r"\frac{dw_1}{dt}=\frac{dw_2}{dt}")
    for k, student in enumerate(pair):
        d.sign(
            f"the hypothesis, student {k + 1}",
            student.dot(residual),
            x * gap,
            positive={gap: (1 - 2 * x, "domain"), x: (x, "manifest")},
            domain=(1 - 2 * x,),
            statement=r"$|w_k|h_k=w_k\cdot r>0$: the positive correlation that the appendix assumes.",
        )
    d.identity(
        "they never reach w*",
        moved[0].subs(x, half),
        sp.zeros(2, 1),
        r"$x=\frac12$ is stationary, so $x<\frac12$ at all times (solutions do not cross): $|w_k|<\sqrt{\frac14+y^2}$, the angle between $\hat w_k$ and $w^*$ stays above $\arctan(2y)$, $\hat w_1\ne\hat w_2$, and no student goes to $w^*$.",
        shown=r"\frac{dx}{dt}=0\text{ at }x=\tfrac12",
    )
    return d.refuted(
        "$w_{1,2}=(x,\\pm y)$: $y$ is constant and $x<1/2$ for ever; $(1/2,\\pm1/2)$ is stationary, 45 degrees off $w^*$"
    )


def _alignment(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm7", "specialization.thm7.eq66_68")
    t = sp.Symbol("t")
    path, total = sp.Function("r")(t), sp.Function("S")(t)
    d.identity(
        "direction of the residual",
        sp.diff(path * sp.exp(sp.Integral(total, t)), t).subs(sp.diff(path, t), -total * path),
        0,
        r"$\frac{dr}{dt}=-S\,r$ (`specialization.thm7.eq66_68`): $r(t)=e^{-\int_0^tS}\,r(0)$. Let $e=r(0)/|r(0)|$ and $\rho=|r|>0$.",
        shown=r"\frac{d}{dt}\Big(e^{\int S\,dt}\,r\Big)=0",
    )
    p, rho = sp.symbols("p_k rho", positive=True)
    gram = sp.Matrix([[n**2, p], [p, 1]])  # of w_k and the unit vector e
    unit = sp.Matrix([0, 1])
    moved = formulas.velocity(n, rho * unit)
    part_rate, length_rate = formulas.inner(unit, moved, gram), formulas.inner(sp.Matrix([1, 0]), moved, gram) / n
    d.identity(
        "across the residual nothing moves",
        moved - part_rate * unit,
        sp.zeros(2, 1),
        r"$p_k=w_k\cdot e$; $w_k-p_ke$ is constant: $|w_k|\sin\varphi_k$ does not change, $\varphi_k$ the angle between $w_k$ and $r$.",
        shown=r"\frac{d}{dt}(w_k-p_ke)=|w_k|\rho e-|w_k|\rho e=0",
    )
    for sign, name in ((1, "+"), (-1, "-")):
        d.identity(
            f"length {'plus' if sign > 0 else 'minus'} part",
            length_rate + sign * part_rate,
            sign * rho * (n + sign * p),
            r"$n_k=|w_k|$, $\frac{dn_k}{dt}=p_k\rho$, $\frac{dp_k}{dt}=n_k\rho$.",
            shown=rf"\frac{{d}}{{dt}}(n_k{name}p_k)={'' if sign > 0 else '-'}\rho\,(n_k{name}p_k)",
        )
    E, A, B, omega, phi = sp.symbols("E A B omega phi", positive=True)
    grown, part = formulas.solved_length(E, A, B)
    d.identity(
        "all lengths by one function",
        sp.Matrix([grown + part, grown - part]),
        sp.Matrix([E * A, B / E]),
        r"$E(t)=\exp\int_0^t\rho$, $A_k=(n_k+p_k)(0)$, $B_k=(n_k-p_k)(0)$.",
        shown=r"n_k+p_k=E\,A_k,\qquad n_k-p_k=B_k/E",
    )
    d.identity(
        "angles",
        ((n - p) / (n + p)).subs(p, n * sp.cos(2 * phi)),
        sp.tan(phi) ** 2,
        r"$p_k=n_k\cos\varphi_k$. So $\tan\frac{\varphi_k}2$ falls like $1/E$: $\frac{d}{dt}\ln\tan\frac{\varphi_k}2=-\rho$.",
        shown=r"\tan^2\tfrac{\varphi_k}2=\frac{n_k-p_k}{n_k+p_k}=\frac{B_k}{A_kE^2}",
    )
    _growth_steps(d, E, A, B, omega)
    _misalignment_steps(d, A, B, omega)
    d.argument(
        "the solution",
        r"So the flow exists for all times, $E$ rises from 1 to $E_\infty$, and $w_k$ tends to its initial part across $r(0)$ plus $\frac12(E_\infty A_k-B_k/E_\infty)\,e$.",
        r"$E$ solves an equation of its own, whose right side is positive between 1 and $E_\infty$; $w_k$ is a function of $E$.",
        refuted_by="a numerical solution whose end differs from the closed form",
        attack=lambda: _solution_attack(effort),
    )
    return d.proved(
        "solved in closed form: $\\tan(\\varphi_k/2)$ ends at $\\tan(\\varphi_k(0)/2)/E_\\infty$; misalignment of the order of the initial lengths"
    )


def _growth_steps(d: Derivation, E: sp.Symbol, A: sp.Symbol, B: sp.Symbol, omega: sp.Symbol) -> None:
    """The equation for E, its limit, and that E gets there. A, B stand for the sums of a_k A_k and a_k B_k."""
    students, k = sp.Symbol("K", integer=True, positive=True), sp.Symbol("k", integer=True)
    weight, plus, minus = (sp.IndexedBase(name) for name in ("a", "A", "B"))

    def summed(term: sp.Expr) -> sp.Expr:
        return sp.Sum(weight[k] * term, (k, 1, students))

    d.identity(
        "the equation for E",
        E * (omega - summed(formulas.solved_length(E, plus[k], minus[k])[1])),
        formulas.growth_rate(E, omega, summed(plus[k]), summed(minus[k])),
        r"$\rho=r\cdot e=\omega-\sum_ka_kp_k$ with $\omega=w^*\cdot e$; $A=\sum_ka_kA_k$, $B=\sum_ka_kB_k$. Any number of students.",
        shown=r"\frac{dE}{dt}=\rho E=\omega E-\tfrac12AE^2+\tfrac12B",
    )
    limit = formulas.growth_limit(omega, A, B)
    d.identity(
        "its factors",
        formulas.growth_rate(E, omega, A, B),
        A / 2 * (limit - E) * (E + B / (A * limit)),
        r"For $A>0$: $E_\infty=\frac1A(\omega+\sqrt{\omega^2+AB})$, of either sign of $\omega$. At $E=1$ the left side is $\rho(0)>0$, so $E_\infty>1$, and $E$ rises to $E_\infty$: $E_\infty-E\le(E_\infty-1)e^{-At/2}$, as $\frac{d}{dt}\ln(E_\infty-E)=-\frac A2\big(E+\frac B{AE_\infty}\big)\le-\frac A2$.",
        shown=r"\frac{dE}{dt}=\tfrac A2(E_\infty-E)\Big(E+\frac B{AE_\infty}\Big)",
    )


def _misalignment_steps(d: Derivation, A: sp.Symbol, B: sp.Symbol, omega: sp.Symbol) -> None:
    limit = formulas.growth_limit(omega, A, B)
    root = sp.Symbol("q", positive=True)
    d.identity(
        "growth is at least 2 omega / A",
        limit - 2 * omega / A,
        (B / (sp.sqrt(omega**2 + A * B) + omega)),
        r"$\ge0$ for $\omega>0$. As $A_k\le2|w_k(0)|$, $\tan\frac{\varphi_k(\infty)}2=\frac1{E_\infty}\tan\frac{\varphi_k(0)}2\le\frac{\sum_ja_j|w_j(0)|}\omega\tan\frac{\varphi_k(0)}2$.",
        shown=r"E_\infty-\frac{2\omega}A=\frac B{\sqrt{\omega^2+AB}+\omega}",
    )
    across = sp.Symbol("tau", real=True)
    d.identity(
        "the residual starts near w*",
        (omega**2 + across**2) - 2 * root * omega + root**2,
        across**2 + (root - omega) ** 2,
        r"$\tau$: the part of $w^*$ across $e$, $r(0)=qe$. So $\tau\le|w^*-r(0)|\le\sum_ja_j|w_j(0)|$: $r$ is off $w^*$ by an angle of sine $\tau/|w^*|$ at most $\sum_ja_j|w_j(0)|/|w^*|$.",
        shown=r"|w^*-q\,e|^2=\tau^2+(q-\omega)^2\ge\tau^2",
    )


def _solution_attack(effort: Effort) -> Attack:
    """Random starts of 1 to 5 students in 2 to 6 dimensions against the closed form of the end, which they approach at the rate `sqrt(omega^2 + A B)`."""
    rng = np.random.default_rng(621)
    errors = []
    for _ in range(effort.count(12, 500)):
        target, weights, students = random_start(rng, scale=10 ** rng.uniform(-2, 0.5))
        residual = target - weights @ students
        e = residual / np.linalg.norm(residual)
        lengths, parts = np.linalg.norm(students, axis=1), students @ e
        A, B = weights @ (lengths + parts), weights @ (lengths - parts)
        limit = formulas.growth_limit(e @ target, A, B, sqrt=np.sqrt)
        _, ends = formulas.solved_length(limit, lengths + parts, lengths - parts)
        expected = students + (ends - parts)[:, None] * e
        settled = (2 * np.log(1 + limit) + 30) / np.sqrt((e @ target) ** 2 + A * B)
        final = symmetric_path(target, weights, students, np.array([0.0, settled])).students[-1]
        errors.append(np.max(np.abs(final - expected)) / np.max(np.abs(expected)))
    return errors_below(
        "flows of 1 to 5 students in 2 to 6 dimensions, random lengths and weights, seed 621: relative error of the end",
        errors,
        1e-9,
    )


CLAIMS = (
    Claim(
        "specialization.thm7.alignment",
        "Section 5.3, after Theorem 7, as printed",
        rf"In the symmetric case, {SYMMETRIC}, all $h_k>0$: the feedback is negative until all $\hat w_k$ are equal, $\hat w_k$ aligns with $w^*$ and every student goes to $w^*$.",
        Verdict.REFUTED,
        _printed_alignment,
        uses=("specialization.thm7.eq66_68",),
    ),
    Claim(
        "specialization.thm7.alignment.mended",
        "Section 5.3, the symmetric case solved",
        rf"{SYMMETRIC}, $r(0)\ne0$; $e=r(0)/|r(0)|$, $\omega=w^*\cdot e$, $\varphi_k$ the angle between $w_k$ and $r$, $A=\sum_ja_j(|w_j|+w_j\cdot e)(0)>0$, $B=\sum_ja_j(|w_j|-w_j\cdot e)(0)$. Then $r(t)=e^{{-\int_0^tS}}r(0)$ keeps its initial direction; "
        r"$|w_k|\sin\varphi_k$ is constant; $\tan\frac{\varphi_k}2=\frac1{E(t)}\tan\frac{\varphi_k(0)}2$, where $E$ rises from 1 to $E_\infty=\frac1A(\omega+\sqrt{\omega^2+AB})$. So for $\omega>0$, $\tan\frac{\varphi_k}2$ ends at most at "
        r"$\frac1\omega\sum_ja_j|w_j(0)|\tan\frac{\varphi_k(0)}2$, and $r$ is off $w^*$ by an angle of sine at most $\frac1{|w^*|}\sum_ja_j|w_j(0)|$: the final misalignment is at most proportional to the initial scale, and $\varphi_k$ does not reach 0 unless it starts there.",
        Verdict.PROVED,
        _alignment,
        uses=("specialization.thm7", "specialization.thm7.eq66_68"),
        assumes=("existence and uniqueness of solutions of smooth ordinary differential equations",),
    ),
)
