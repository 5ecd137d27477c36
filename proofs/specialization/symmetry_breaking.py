"""Equation (69) of the specialization paper: one student with a slightly larger residual, `r_1 = r + eps w*`; what is printed, and what is exact."""

from __future__ import annotations

import sympy as sp

from ..engine.claims import Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation, is_zero
from . import dynamics_formulas as formulas

__all__ = ["CLAIMS"]

_SETTING = (
    r"$\frac{dw_k}{dt}=|w_k|\,r_k$, $r_1=r+\epsilon w^*$ and $r_k=r=w^*-\sum_ja_jw_j$ for $k\ne1$, $a_j,\epsilon>0$"
)
h_1, h, S, c_1, c, own, eps = sp.symbols("h_1 h_k S c_1 c_k a_1n_1 epsilon", real=True)


def _printed(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm7.eq66_68")
    target, small = sp.Matrix([1, 0]), sp.Rational(33, 100)
    units = [sp.Matrix([sp.Rational(12, 13), sp.Rational(5, 13)]), sp.Matrix([-sp.Rational(3, 5), -sp.Rational(4, 5)])]
    lengths = [sp.Rational(5, 4), sp.Rational(1, 4)]
    students = [n * unit for n, unit in zip(lengths, units, strict=True)]
    common = formulas.symmetric_residual(target, [1, 1], students)
    residuals = [common + small * target, common]
    inner = [unit.dot(residual) for unit, residual in zip(units, residuals, strict=True)]
    gap = residuals[0].dot(residuals[0]) - residuals[1].dot(residuals[1])
    d.certificate(
        "the hypothesis",
        all(unit.dot(unit) == 1 for unit in units) and bool(0 < inner[0] < inner[1]) and bool(gap > 0),
        r"$w^*=(1,0)$, $a_1=a_2=1$, $\epsilon=\frac{33}{100}$, $w_1=\frac54(\frac{12}{13},\frac5{13})$, $w_2=-\frac14(\frac35,\frac45)$: all $h_k>0$, $|r_1|^2>|r_2|^2$, and $h_1=\frac{251}{1300}<h_2=\frac{295}{1300}$.",
        reason="rationals",
    )
    change = -sum(
        (formulas.velocity(n, residual) for n, residual in zip(lengths, residuals, strict=True)), sp.zeros(2, 1)
    )
    rates = [
        formulas.feedback_rate(residual.dot(residual), value, unit.dot(change))
        for residual, value, unit in zip(residuals, inner, units, strict=True)
    ]
    d.certificate(
        "the derivative is 0 there",
        rates[0] - rates[1] == 0,
        r"By (66), with $\frac{dr_1}{dt}=\frac{dr_2}{dt}=-\sum_ja_j|w_j|r_j$: $\frac{d}{dt}(h_1-h_2)=0$, although $h_1<h_2$.",
        reason="rationals",
    )
    d.certificate(
        "what (69) says",
        bool(formulas.printed_broken_rate(inner[0], inner[1], sum(lengths), gap) > 0),
        r"(69) gives a positive number. At this state $\frac{d}{dt}\ln\frac{|w_1|}{|w_2|}=h_1-h_2<0$: the ratio falls.",
        reason="rationals",
    )
    return d.refuted("a state with all $h_k>0$ and $h_1<h_2$ at which the derivative is 0, and (69) positive")


def _mended(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm7", "specialization.thm7.eq66_68")
    square, cross, target = sp.symbols("r_r r_w w_w", real=True)
    change_of = lambda along_r, along_target: -S * along_r - own * eps * along_target  # noqa: E731
    n, r, w = sp.IndexedBase("n"), sp.Symbol("r"), sp.Symbol("w")
    weight, k, students = (
        sp.IndexedBase("a"),
        sp.Symbol("k", integer=True),
        sp.Symbol("K", integer=True, positive=True),
    )
    others = sp.Sum(weight[k] * formulas.velocity(n[k], r), (k, 2, students))
    first = sp.Symbol("a_1") * formulas.velocity(sp.Symbol("n_1"), r + eps * w)
    total = sp.Symbol("a_1") * sp.Symbol("n_1") + sp.Sum(weight[k] * n[k], (k, 2, students))
    d.identity(
        "both residuals change alike",
        -(first + others),
        -total * r - sp.Symbol("a_1") * sp.Symbol("n_1") * eps * w,
        "For any number of students.",
        shown=r"\frac{dr_k}{dt}=\frac{dr}{dt}=-\sum_ja_j|w_j|r_j=-S\,r-a_1|w_1|\epsilon\,w^*",
    )
    gap = 2 * eps * cross + eps**2 * target
    first_rate = formulas.feedback_rate(square + gap, h_1, change_of(h_1 - eps * c_1, c_1))
    rate = formulas.feedback_rate(square, h, change_of(h, c))
    d.identity(
        "the exact rate",
        first_rate - rate,
        formulas.broken_rate(h_1, h, S, gap, eps, own, c_1, c),
        r"(66) for both; $c_k=\hat w_k\cdot w^*$, $\hat w_1\cdot r=h_1-\epsilon c_1$, $|r_1|^2-|r|^2=2\epsilon\,r\cdot w^*+\epsilon^2|w^*|^2$.",
        shown=r"\frac{d}{dt}(h_1-h_k)=(h_k-h_1)(h_k+h_1+S)+|r_1|^2-|r|^2+\epsilon S\,c_1-\epsilon a_1|w_1|(c_1-c_k)",
    )
    _sign_of_rate(d)
    _aligned_manifold(d)
    return d.proved(
        "two terms added; the conclusion for $w_k\\cdot w^*\\ge0$ and $r\\cdot w^*\\ge0$; growth $e^{\\epsilon|w^*|t}$ where all is aligned"
    )


def _sign_of_rate(d: Derivation) -> None:
    """With everything on the teacher's side, h_1 - h_k rises wherever it is not positive."""
    e, w, near, first, second, lag, feedback, a, rest = sp.symbols("e w p x y l F a s", positive=True)
    total, behind = a + rest, sp.Symbol("h_1", real=True)  # h_k = h_1 + lag
    rate = formulas.broken_rate(behind, behind + lag, total, 2 * e * near + e**2 * w, e, a, first, second)
    d.sign(
        "it rises where it is not positive",
        rate.subs(behind, (feedback - lag - total) / 2),
        lag * feedback + e**2 * w + 2 * e * near + e * (rest * first + a * second),
        positive={e: (e, "manifest"), w: (w, "manifest")},
        nonnegative={
            lag: (lag, "manifest"),
            feedback: (feedback, "manifest"),
            near: (near, "manifest"),
            first: (first, "manifest"),
            second: (second, "manifest"),
            a: (a, "manifest"),
            rest: (rest, "manifest"),
        },
        statement=r"$l=h_k-h_1\ge0$, $F=h_1+h_k+S>0$, $w=|w^*|^2$, $p=r\cdot w^*\ge0$, $x=c_1\ge0$, $y=c_k\ge0$, $a=a_1|w_1|$, $s=S-a\ge0$ (terms but $e^2w$ may be 0): the derivative of $h_1-h_k$ is positive. "
        r"So it vanishes only where $h_1>h_k$, and $h_1>h_k$ is not lost while this holds.",
        shown=r"l\,F+\epsilon^2|w^*|^2+2\epsilon\,p+\epsilon(s\,x+a\,y)>0",
    )


def _aligned_manifold(d: Derivation) -> None:
    length, rho, t, start = sp.symbols("omega rho t q", positive=True)
    rate = formulas.log_ratio_rate(rho + eps * length, rho)
    d.identity(
        "on the aligned manifold",
        rate,
        eps * length,
        r"All $w_k=n_k\hat w^*$, $\hat w^*=w^*/|w^*|$: then $r_k$ and the velocities are along $w^*$ too, so it stays so. $h_k=\rho=\hat w^*\cdot r$ and $h_1=\rho+\epsilon|w^*|$, of whatever sign $\rho$ is (`specialization.thm7`).",
        shown=r"\frac{d}{dt}\ln\frac{|w_1|}{|w_k|}=h_1-h_k=\epsilon|w^*|",
    )
    path = start * formulas.aligned_growth(eps, length, t)
    d.certificate(
        "exponential growth",
        is_zero(sp.diff(path, t) - rate * path) and path.subs(t, 0) == start,
        r"So $\frac{|w_1|}{|w_k|}(t)=e^{\epsilon|w^*|t}\,\frac{|w_1|}{|w_k|}(0)$ for all times, also when the residual has gone.",
        reason="exact symbolic computation",
    )


CLAIMS = (
    Claim(
        "specialization.sym_breaking",
        "Section 5.3 and equation (69), as printed",
        rf"{_SETTING}, all $h_k>0$: $\frac{{d}}{{dt}}(h_1-h_k)=(h_k-h_1)(h_k+h_1+S)+|r_1|^2-|r|^2$, which is 0 only where $h_1>h_k$; so $|w_1|/|w_k|$ grows exponentially.",
        Verdict.REFUTED,
        _printed,
        uses=("specialization.thm7.eq66_68",),
    ),
    Claim(
        "specialization.sym_breaking.mended",
        "equation (69), with what it drops",
        rf"{_SETTING}, $c_k=\hat w_k\cdot w^*$: $\frac{{d}}{{dt}}(h_1-h_k)=(h_k-h_1)(h_k+h_1+S)+|r_1|^2-|r|^2+\epsilon S\,c_1-\epsilon a_1|w_1|(c_1-c_k)$. Where $c_1,c_k,r\cdot w^*\ge0$ and $h_1+h_k+S>0$ it is positive "
        r"unless $h_1>h_k$. Where all $w_k$ are along $w^*$ they stay so, and $|w_1|/|w_k|$ grows exactly like $e^{\epsilon|w^*|t}$.",
        Verdict.PROVED,
        _mended,
        uses=("specialization.thm7", "specialization.thm7.eq66_68"),
    ),
)
