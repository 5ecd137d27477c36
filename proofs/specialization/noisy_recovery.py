"""Lemma 6 and Theorem 5 of the specialization paper: small gradients and rough alignment, up to sign, at the rate epsilon."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import sympy as sp

from ..engine.attacks import none_below
from ..engine.claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import critical_examples as examples
from . import critical_formulas as formulas
from .exact_networks import boundary_direction, is_critical, sees
from .near_critical import around, least_residual
from .planks import tilted_refutation

__all__ = ["CLAIMS"]

eps, r = sp.symbols("epsilon r", positive=True)
c = sp.Symbol("c", positive=True)
K = sp.Symbol("K", integer=True, positive=True)


def _printed_lemma_six(effort: Effort) -> Outcome:
    d = Derivation()
    tilted_refutation(d)
    t, e, p = sp.symbols("t epsilon p", positive=True)
    x, y = sp.symbols("x_1 x_2", real=True)
    (first, second, shift), (turned, side, other) = examples.tilted_pair(t)
    forms = (first * x + second * y + shift, turned * x + side * y + other)
    gap = sp.expand(forms[1] + forms[0])
    d.identity(
        "a small sum",
        sp.Matrix([gap.coeff(x), gap.coeff(y)]).dot(sp.Matrix([gap.coeff(x), gap.coeff(y)])) + gap.subs({x: 0, y: 0}),
        4 * t**2 / (1 + t**2),
        r"$h=\sigma(u)-\sigma(v)-u$ with $u=x_1-\frac3{10}$, $v=\tilde w_2\cdot x+b_2$; $\sigma(u)-u=\sigma(-u)$, and $|\sigma(-u)-\sigma(v)|\le|u+v|$. $u+v$ is linear in $x$, without constant, with coefficients of squared length:",
        shown=r"\|\nabla(u+v)\|^2=\frac{4t^2}{1+t^2}",
    )
    d.sign(
        "at most epsilon",
        sp.expand((e**2 - 4 * e**4 / (1 + e**4)) * (1 + e**4) / e**2),
        p + 2 * e * p + e**4,
        positive={p: (1 - 2 * e, "domain"), e: (e, "domain")},
        domain=(e, 1 - 2 * e),
        statement=r"With $t=\epsilon^2$ and $\epsilon<\frac12$, $|h|\le\|\nabla(u+v)\|<\epsilon$ on the unit disc: every hypothesis holds.",
        reason="all terms are positive",
        shown=r"\big(\epsilon^2-\tfrac{4\epsilon^4}{1+\epsilon^4}\big)\tfrac{1+\epsilon^4}{\epsilon^2}=(1-2\epsilon)(1+2\epsilon)+\epsilon^4>0",
    )
    return d.refuted("$|h|<\\epsilon$ with two nodes nearly opposite to each other, whose biases differ by $\\frac35$")


def _lemma_six(effort: Effort) -> Outcome:
    d = Derivation("specialization.lemma5.mended")
    z, p, m, q = sp.Symbol("z"), *sp.symbols("p m", real=True), sp.Symbol("q", positive=True)
    d.identity(
        "nodes beyond q keep their gate",
        formulas.second_difference(lambda s: z * (p + m * s), 0, q),
        0,
        r"Let $x\in B$ have $|p|>q$ for all $j'\ne j$, $p=\tilde w_{j'}\cdot x+b_{j'}$, $m=\tilde w_{j'}\cdot\tilde w_j$. As $|m|\le1$, node $j'$ has one gate $z$ at $x$ and $x\pm q\tilde w_j$.",
        shown=r"z(p+qm)+z(p-qm)-2zp=0",
    )
    d.identity(
        "node j has its kink there",
        formulas.second_difference(lambda s: c * sp.Max(s, 0), 0, q),
        c * q,
        r"So $|c_j|q=|h(x+q\tilde w_j)+h(x-q\tilde w_j)-2h(x)|\le4\epsilon$, if the three points lie in $R$. For $q>4\epsilon/|c_j|$ there is no such $x$, and the other alternative of `specialization.lemma5.mended` holds.",
        shown=r"c\,\sigma(q)+c\,\sigma(-q)-2c\,\sigma(0)=c\,q",
    )
    M_0 = sp.Symbol("M_0", positive=True)
    sine = formulas.sine_bound(K, 5 * eps / c, r)
    d.identity(
        "with the paper's q",
        sp.Matrix([sine, formulas.offset_bound(5 * eps / c, M_0, sine)]),
        5 * eps / c * sp.Matrix([(K - 1) / r, 1 + sp.sqrt(2) * M_0 * (K - 1) / r]),
        r"$q=5\epsilon/|c_j|$: both bounds are proportional to $\epsilon/|c_j|$.",
        shown=r"\sin\theta\le\frac{5(K-1)}r\,\frac\epsilon{|c_j|},\quad|b_{j'}-s\,b_j|\le5\Big(1+\frac{\sqrt2M_0(K-1)}r\Big)\frac\epsilon{|c_j|}",
    )
    d.argument(
        "put together",
        r"If $K=1$, or if no $j'$ is near, the second difference contradicts $|h|\le\epsilon$.",
        "The three points lie in $R$ by the choice of $B$.",
        refuted_by=r"nodes and coefficients with a small $\max|h|$ and no node within both bounds",
        attack=lambda: _program_attack(effort),
    )
    return d.proved("second difference at a point of $B$ that the planks leave free")


@cache
def _program_attack(effort: Effort) -> Attack:
    """Nodes around one or two teachers, combined by linear programming to the least `max |h|`: slack of the bounds at `q` just above `4 eps`.

    The boundary of the first teacher is `x_1 = 0`, B its part in the square; the second is never near enough to count.
    """
    rng = np.random.default_rng(851)
    margins, trials = [], effort.count(60, 2_500)
    for _ in range(trials):
        teachers = np.array([[1.0, 0, 0], [np.cos(1.3), np.sin(1.3), 0.4]])[: int(rng.integers(1, 3))]
        count, scale = int(rng.integers(1, 7)), 10 ** rng.uniform(-4, -0.8)
        turns, shifts = rng.normal(size=(2, count)) * scale
        ours = around(teachers[0], turns, shifts) * rng.choice([-1, 1], (count, 1))
        free = np.vstack(
            [ours, *(around(t, rng.normal(size=2) * scale, rng.normal(size=2) * scale) for t in teachers[1:])]
        )
        residual = least_residual(teachers, np.ones(len(teachers)), free)
        reach = 4.0001 * residual.size
        if reach >= 1:
            continue
        total, sine = len(teachers) + len(free), np.abs(free[:, 1])
        allowed = formulas.sine_bound(total, reach, 1.0)
        offsets = formulas.offset_bound(reach, 1.0, sine, sqrt=np.sqrt)
        margins.append(np.max(np.minimum(allowed - sine, offsets - np.abs(free[:, 2]))) / reach)
    if len(margins) < trials // 2:
        raise CheckFailed(f"only {len(margins)} of {trials} residuals were small enough to say anything")
    return none_below(
        "1 to 8 students, parallel or antiparallel, around 1 or 2 teachers in a square, least residuals by linear programming, seed 851: slack of both bounds over q",
        margins,
    )


def _printed_theorem_five(effort: Effort) -> Outcome:
    d = Derivation()
    kink = Fraction(3, 10)
    student, teacher = examples.opposite_student(kink, dimension=2)
    line, target = examples.opposite_student(kink)
    flat = not any(node[1] for node in (*student.nodes, *teacher.nodes))
    same = [(n[0], n[2]) for n in (*student.nodes, *teacher.nodes)] == [*line.nodes, *target.nodes]
    d.certificate(
        "no gradient at all",
        flat and same and is_critical(line, target, -1, 1),
        r"$R_0$ the unit disc, teacher $\sigma(x_1-\frac3{10})$, student $\sigma(\frac3{10}-x_1)+2\sigma(x_1+10)-2\sigma(\frac{x_1}2+10+\frac3{20})$, equal to it there: $g_1=0$, so $\|g_1\|_\infty\le\epsilon$ for every $\epsilon$.",
        reason="rationals, cell by cell in $x_1$; no node depends on $x_2$",
    )
    d.certificate(
        "observed",
        sees(line.nodes[1], target.nodes[0], -1, 1) and student.fan_out[1] == (2,),
        r"Student 2 is active on the teacher's boundary $x_1=\frac3{10}$, in the one region there is, with $\alpha=2$; a single teacher is separated from all others.",
        reason="rationals",
    )
    biases = [node[2] / abs(node[0]) for node in student.nodes]
    d.certificate(
        "biases far apart",
        [abs(-kink - b) for b in biases] == [Fraction(3, 5), Fraction(103, 10), Fraction(103, 5)],
        r"All weights are co-linear with the teacher's, $\sin\theta=0$; per unit of length $|b^*-b_k|=\frac35,\frac{103}{10},\frac{103}5$, while the bound goes to 0 with $\epsilon$ for every $\delta<\frac12$.",
        reason="rationals",
    )
    d.certificate(
        "only the opposite node is near",
        [boundary_direction(node, teacher.nodes[0]) for node in student.nodes] == [-1, 0, 0],
        r"$\sigma(\frac3{10}-x_1)$ has the teacher's boundary and points the other way.",
        reason="rationals",
    )
    return d.refuted("with no gradient the nearest bias is still $\\frac35$ away: $\\sin\\theta$ does not see the sign")


def _theorem_five(effort: Effort) -> Outcome:
    d = Derivation("specialization.lemma1", "specialization.cor1", "specialization.lemma6.mended")
    length, alpha, s = sp.symbols("ell alpha s", positive=True)
    for sign in (1, -1):
        d.identity(
            f"unit weights, {'in front' if sign > 0 else 'behind'}",
            alpha * sp.Max(length * sign * s, 0),
            alpha * length * sp.Max(sign * s, 0),
            r"With $\ell=\|\tilde w_j^*\|$ the node $\alpha_{kj}f_j^*$ is $\alpha_{kj}\ell\,\sigma$ of a unit node with bias $b_j^*/\ell$: $|c_j|=|\alpha_{kj}|\,\|\tilde w_j^*\|$."
            if sign > 0
            else "",
            shown=r"\alpha\,\sigma(\ell t)=\alpha\ell\,\sigma(t)",
        )
    bound = formulas.sine_bound(K, 5 * eps / (alpha * length), r)
    d.identity(
        "the bound",
        bound,
        5 * (K - 1) * eps / (r * alpha * length),
        r"By `specialization.lemma1` and `specialization.cor1`, $h=\sum_i\alpha_{ki}f_i^*-\sum_{k'}\beta_{kk'}f_{k'}+\mathrm{const}$ is the entry $k$ of $g_1$ on $R\cap E_k$, so $|h|\le\epsilon$: `specialization.lemma6.mended` with $q=5\epsilon/|c_j|$.",
        shown=r"\sin\theta\le\frac{5(K-1)\,\epsilon}{r\,|\alpha_{kj}|\,\|\tilde w_j^*\|}",
    )
    d.argument(
        "a student",
        "No other teacher is within both bounds, so the node that is must be a student.",
        "The hypothesis on the teachers. For given teachers with distinct boundaries it holds for all small $\\epsilon$.",
        refuted_by="near-critical networks with separated teachers, one of which has no student within both bounds",
        attack=lambda: _program_attack(effort),
    )
    return d.proved("Lemma 6 as mended on $R\\cap E_k$: rate $\\epsilon$, no $\\delta$, explicit constants, up to sign")


def _linear_rate(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm5.mended")
    angle = sp.Symbol("theta", positive=True)
    w, v = sp.Matrix([1, 0]), sp.Matrix([sp.cos(angle), sp.sin(angle)])
    half = 2 * sp.sin(angle / 2)
    d.identity(
        "size of the gradient",
        (w - v).dot(w - v),
        half**2,
        r"Unit disc, teacher $\sigma(w\cdot x)$, one student $\sigma(w'\cdot x)$ at the angle $\theta$, both fan-outs 1: $|g_1|\le|\sigma(w\cdot x)-\sigma(w'\cdot x)|\le\|w-w'\|$.",
        shown=r"\|w-w'\|=2\sin\tfrac\theta2=\epsilon",
    )
    d.identity(
        "size of the angle",
        sp.sin(angle),
        half * sp.cos(angle / 2),
        "The student is the only one, and its boundary passes through that of the teacher, which it sees on one side of 0.",
        shown=r"\sin\theta=\epsilon\cos\tfrac\theta2",
    )
    d.certificate(
        "no better exponent",
        sp.limit(sp.sin(angle) / half, angle, 0, "+") == 1
        and sp.limit(sp.sin(angle) / half ** sp.Rational(11, 10), angle, 0, "+") == sp.oo,
        r"$\sin\theta/\epsilon\to1$ as $\theta\to0$, so $\sin\theta=O(\epsilon^p)$ fails for every $p>1$ (shown for $p=1.1$).",
    )
    return d.proved("one teacher and one student, turned: $\\sin\\theta=\\epsilon\\cos\\frac\\theta2$")


CLAIMS = (
    Claim(
        "specialization.lemma6",
        "Lemma 6, 8.8, as printed",
        r"With the constants of Lemma 5: if unit weights, no two co-linear, have $|\sum_jc_jf_j(x)+w_\bullet\cdot x|\le\epsilon\le\epsilon_0$ on $R$, and $\partial E_j\cap R\ne\emptyset$, then some $j'\ne j$ has $\sin\theta_{jj'}\le MK\epsilon^{1-\delta}/|c_j|$ and $|b_{j'}-b_j|\le M_2\epsilon^{1-2\delta}/|c_j|$.",
        Verdict.REFUTED,
        _printed_lemma_six,
    ),
    Claim(
        "specialization.lemma6.mended",
        "Lemma 6, 8.8, up to sign, at the linear rate, with constants",
        r"Let $d\ge2$, unit weights, $|\sum_jc_j\sigma(\tilde w_j\cdot x+b_j)+a\cdot x+a_0|\le\epsilon$ on $R$, $c_j\ne0$, $q>4\epsilon/|c_j|$, and $B$ a $(d-1)$-dimensional ball of radius $r$ in the boundary of node $j$ such that $x$ and $x\pm q\tilde w_j$ lie in $R$ for all $x\in B$. Then some $j'\ne j$ has $\sin\theta_{jj'}\le(K-1)q/r$ and $|b_{j'}-s\,b_j|\le q+\sqrt2M_0\sin\theta_{jj'}$, $s=\pm1$ the sign of $\tilde w_j\cdot\tilde w_{j'}$, $M_0=\max_B\|x\|$. With $q=5\epsilon/|c_j|$ both are $O(\epsilon/|c_j|)$.",
        Verdict.PROVED,
        _lemma_six,
        uses=("specialization.lemma5.mended",),
    ),
    Claim(
        "specialization.thm5",
        "Theorem 5, 8.13, as printed",
        r"Let any two teachers have $\tilde\theta_{jj'}\ge\theta_0$ or $|b_j^*-b_{j'}^*|\ge b_0$, and $\|g_1\|_\infty\le\epsilon\le\epsilon_0$ on $R_0$. If $\partial E_j^*\cap E_k\cap R\ne\emptyset$ and $\alpha_{kj}(R)\ne0$ for a region $R$ and a student $k$, then some student has $\sin\tilde\theta_{jk'}=O(\epsilon^{1-\delta}/|\alpha_{kj}|)$ and $|b_j^*-b_{k'}|=O(\epsilon^{1-2\delta}/|\alpha_{kj}|)$ for any $\delta>0$.",
        Verdict.REFUTED,
        _printed_theorem_five,
    ),
    Claim(
        "specialization.thm5.mended",
        "Theorem 5, 8.13, up to sign, at the linear rate, with constants",
        r"$d\ge2$, any number of layers; $R\subset R_0$ open, with one activation pattern of the layers above the first; each entry of $g_1$ at most $\epsilon$ on $R$; $\alpha_{kj}(R)\ne0$. Let $B$ be a $(d-1)$-dimensional ball of radius $r$ in the boundary of teacher $j$, with every point within $q=5\epsilon/(|\alpha_{kj}|\,\|\tilde w_j^*\|)$ of it in $R$ and student $k$ active there; $K$ nodes with $\tilde w\ne0$ in the first layers of both networks. If no other teacher is within the following bounds, some student is: $\sin\theta\le(K-1)q/r$ and $|b_{k'}/\|\tilde w_{k'}\|-s\,b_j^*/\|\tilde w_j^*\||\le q+\sqrt2M_0\sin\theta$, $s=\pm1$ the sign of $\tilde w_j^*\cdot\tilde w_{k'}$, $M_0=\max_B\|x\|$.",
        Verdict.PROVED,
        _theorem_five,
        uses=("specialization.lemma1", "specialization.cor1", "specialization.lemma6.mended"),
    ),
    Claim(
        "specialization.beyond.linear_rate",
        "Theorem 5 of the specialization paper, mended: its exponent",
        r"The exponent of $\epsilon$ in `specialization.thm5.mended` is the best: for every $\theta$ there are networks with $\|g_1\|_\infty\le\epsilon$ and $\sin\theta=\epsilon\cos\frac\theta2$ for the only student.",
        Verdict.PROVED,
        _linear_rate,
        uses=("specialization.thm5.mended",),
    ),
)
