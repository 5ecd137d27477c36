"""Theorem 7 of the specialization paper and equations (62) to (68), for `dw_k/dt = |w_k| r_k`, by inner products, in any dimension."""

from __future__ import annotations

import sympy as sp

from ..engine.claims import Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import dynamics_formulas as formulas

__all__ = ["CLAIMS", "SYMMETRIC"]

n = sp.Symbol("n", positive=True)
a, square, S, h, other = sp.symbols("a rho_2 S h_k h_j", real=True)
_WEIGHT, _RESIDUAL = sp.Matrix([1, 0]), sp.Matrix([0, 1])
_GRAM = sp.Matrix([[n**2, a], [a, square]])
"""Inner products of `w_k` and `r_k`: any vectors of any R^d."""
_DYNAMICS = r"$\frac{dw_k}{dt}=|w_k|\,r_k$"
SYMMETRIC = (
    r"$\frac{dw_k}{dt}=|w_k|\,r$, $r=w^*-\sum_ka_kw_k$, $a_k>0$, $S=\sum_ka_k|w_k|$, $h_k=\hat w_k\cdot r$, $w_k\ne0$"
)


def _theorem_seven(effort: Effort) -> Outcome:
    d = Derivation()
    moved = formulas.velocity(n, _RESIDUAL)
    length_rate = formulas.inner(_WEIGHT, moved, _GRAM) / n
    d.identity(
        "(62)",
        length_rate,
        a,
        r"$a=w_k\cdot r_k$; inner products only, so any dimension. $\frac{d|w|^2}{dt}=2w\cdot\frac{dw}{dt}$.",
        shown=r"\frac{d|w_k|}{dt}=\frac{w_k\cdot|w_k|r_k}{|w_k|}=w_k\cdot r_k",
    )
    d.identity(
        "(63)",
        length_rate / n,
        formulas.inner(_WEIGHT / n, _RESIDUAL, _GRAM),
        shown=r"\frac{d}{dt}\ln|w_k|=\hat w_k\cdot r_k",
    )
    d.identity(
        "(64)",
        h - other,
        formulas.log_ratio_rate(h, other),
        shown=r"\frac{d}{dt}\ln\frac{|w_k|}{|w_j|}=\hat w_k\cdot r_k-\hat w_j\cdot r_j",
    )
    return d.proved("for every dimension, from inner products, whatever $r_k$")


def _equation_65(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm7")
    rate = formulas.velocity(n, _RESIDUAL) / n - _WEIGHT / n**2 * a
    unit = _WEIGHT / n
    d.identity(
        "the unit vector turns",
        rate,
        formulas.turning(_RESIDUAL, unit, formulas.inner(unit, _RESIDUAL, _GRAM)),
        r"Coefficients of $w_k$ and $r_k$ in $\frac1n\frac{dw_k}{dt}-\frac{w_k}{n^2}\frac{dn}{dt}$, with $\frac{dn}{dt}=w_k\cdot r_k$.",
        shown=r"\frac{d\hat w_k}{dt}=r_k-(\hat w_k\cdot r_k)\hat w_k=(I-\hat w_k\hat w_k^\top)\,r_k",
    )
    d.identity("and stays one", formulas.inner(unit, rate, _GRAM), 0, shown=r"\hat w_k\cdot\frac{d\hat w_k}{dt}=0")
    return d.proved("from inner products, in every dimension")


def _equations_66_to_68(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm7", "specialization.thm7.eq65")
    unit, change = _WEIGHT / n, sp.Symbol("c", real=True)
    turn = formulas.turning(_RESIDUAL, unit, formulas.inner(unit, _RESIDUAL, _GRAM))
    d.identity(
        "(66)",
        formulas.inner(turn, _RESIDUAL, _GRAM) + change,
        formulas.feedback_rate(square, formulas.inner(unit, _RESIDUAL, _GRAM), change),
        r"$c=\hat w_k\cdot\frac{dr_k}{dt}$.",
        shown=r"\frac{dh_k}{dt}=\frac{d\hat w_k}{dt}\cdot r_k+\hat w_k\cdot\frac{dr_k}{dt}=|r_k|^2-h_k^2+\hat w_k\cdot\frac{dr_k}{dt}",
    )
    d.identity(
        "the residual keeps its direction",
        *_residual_rate(),
        "For any number of students.",
        shown=r"\frac{dr}{dt}=-\sum_ka_k|w_k|\,r=-S\,r",
    )
    d.identity(
        "(67)",
        formulas.feedback_rate(square, h, -S * h),
        formulas.symmetric_rate(square, h, S),
        shown=r"\frac{dh_k}{dt}=|r|^2-h_k^2-Sh_k",
    )
    d.identity(
        "(68)",
        formulas.symmetric_rate(square, h, S) - formulas.symmetric_rate(square, other, S),
        formulas.difference_rate(h, other, S),
        shown=r"\frac{d}{dt}(h_k-h_j)=(h_j-h_k)(h_k+h_j+S)",
    )
    t = sp.Symbol("t")
    path, total = sp.Function("h")(t), sp.Function("S")(t)
    factor = sp.exp(sp.Integral(path + total, t))
    d.identity(
        "positive inner products stay positive",
        sp.diff(path * factor, t).subs(sp.diff(path, t), formulas.symmetric_rate(square, path, total)),
        square * factor,
        r"So $h_k$ times a positive factor never falls: $h_k(0)>0$ gives $h_k(t)>0$ at all times, and then $h_k+h_j+S>0$ and $|h_k-h_j|=|h_k-h_j|(0)\,\exp\big(-\int_0^t(h_k+h_j+S)\big)$ shrinks: negative feedback.",
        shown=r"\frac{d}{dt}\Big(h_k\,e^{\int(h_k+S)dt}\Big)=|r|^2e^{\int(h_k+S)dt}\ge0",
    )
    target, tenth = sp.Matrix([1, 0]), sp.Rational(1, 10)
    students = [-tenth * target, tenth * sp.Matrix([-sp.Rational(4, 5), sp.Rational(3, 5)])]
    residual = formulas.symmetric_residual(target, [1, 1], students)
    inner = [10 * student.dot(residual) for student in students]
    total_length = 2 * tenth
    grows = (inner[0] - inner[1]) * formulas.difference_rate(inner[0], inner[1], total_length)
    d.certificate(
        "without that it may be positive",
        bool(inner[0] + inner[1] + total_length < 0) and bool(grows > 0),
        r"$w^*=(1,0)$, $a=1$, $w_1=-\frac1{10}(1,0)$, $w_2=\frac1{10}(-\frac45,\frac35)$: $h_1+h_2+S<0$, and $|h_1-h_2|$ grows.",
        reason="rationals",
    )
    return d.proved("negative feedback as long as $h_k+h_j+S>0$, which $h>0$ at the start secures for all times")


def _residual_rate() -> tuple[sp.Expr, sp.Expr]:
    """`dr/dt` and `-S r`, r standing for any component of it, for a symbolic number of students."""
    students, k = sp.Symbol("K", integer=True, positive=True), sp.Symbol("k", integer=True)
    weight, length, r = sp.IndexedBase("a"), sp.IndexedBase("n"), sp.Symbol("r")
    change = -sp.Sum(weight[k] * formulas.velocity(length[k], r), (k, 1, students))
    return change, -sp.Sum(weight[k] * length[k], (k, 1, students)) * r


CLAIMS = (
    Claim(
        "specialization.thm7",
        "Theorem 7, equations (62) to (64)",
        rf"For {_DYNAMICS} and $w_k,w_j\ne0$: $\frac{{d}}{{dt}}\ln|w_k|=\hat w_k\cdot r_k$, so $\frac{{d}}{{dt}}\ln\frac{{|w_k|}}{{|w_j|}}=\hat w_k\cdot r_k-\hat w_j\cdot r_j$.",
        Verdict.PROVED,
        _theorem_seven,
    ),
    Claim(
        "specialization.thm7.eq65",
        "equation (65)",
        rf"For {_DYNAMICS} and $w_k\ne0$: $\frac{{d\hat w_k}}{{dt}}=(I-\hat w_k\hat w_k^\top)\,r_k$.",
        Verdict.PROVED,
        _equation_65,
        uses=("specialization.thm7",),
    ),
    Claim(
        "specialization.thm7.eq66_68",
        "equations (66) to (68)",
        rf"For {_DYNAMICS}, $h_k=\hat w_k\cdot r_k$: $\frac{{dh_k}}{{dt}}=|r_k|^2-h_k^2+\hat w_k\cdot\frac{{dr_k}}{{dt}}$. In the symmetric case, {SYMMETRIC}: $\frac{{dh_k}}{{dt}}=|r|^2-h_k^2-Sh_k$ and "
        r"$\frac{d}{dt}(h_k-h_j)=(h_j-h_k)(h_k+h_j+S)$. If all $h_k(0)>0$ they stay positive and $|h_k-h_j|$ falls; there are states with $h_k+h_j+S<0$ at which it grows.",
        Verdict.PROVED,
        _equations_66_to_68,
        uses=("specialization.thm7", "specialization.thm7.eq65"),
    ),
)
