"""Theorem B: in the plane every critical point with students of positive length is aligned, for every m. Two proofs.

The paper's main claim in its own setting, without a conjecture. The first proof rests on the determinant condition (Theorem A), the second on trigonometric
convexity of `h(t) = sum_j rho_j F(t - theta_j) - F(t)`, whose double zeros the solutions of (2) are.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import numpy as np
import sympy as sp

from alignmath import population
from alignmath.networks import TwoLayer, planar

from ..engine.attacks import errors_below
from ..engine.claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import formulas
from .arcs import Numbers, decided, double_zero_margins
from .determinant_theorem import sampled_students, totals
from .determinants import row_attack
from .few_students import no_other_critical_point

__all__ = ["CLAIMS"]

_TEACHER = TwoLayer([[1.0, 0.0]])
pi = sp.pi
t, s, w = sp.symbols("t s w", real=True)
angle = sp.Symbol("theta", real=True)
rho = sp.Symbol("rho", positive=True)


def _by_determinants(effort: Effort) -> Outcome:
    d = Derivation("alignment.detcond", "alignment.zero_loss")
    d.argument(
        "reduction",
        r"Merge equal directions (`alignment.red.merge`). If a student is aligned with the teacher, the loss is 0 (`alignment.red.merge.mended`). Otherwise $0<\theta_1<\dots<\theta_m<2\pi$ and, by (2) along $u_i$, $M\rho=b$ with $\rho>0$ (`alignment.eq4_5`).",
        "Merging keeps lengths positive and the loss as it is.",
        refuted_by="a configuration where (2) along $u_i$ and the $i$-th row of $M\\rho-b$ differ",
        attack=lambda: row_attack(effort),
    )
    d.argument(
        "no student left over",
        r"For $m\ge3$ that is impossible by Theorem A (`alignment.detcond`). For $m=2$ the only solutions are aligned by Theorem 3.1, for $m=1$ by `alignment.m1`: impossible too, as no student is aligned. So the loss is 0.",
        "Theorem 3.1 and the case $m=1$ need all of (2); Theorem A needs only its components along $u_i$.",
        refuted_by="a critical point with students of positive length and non-zero loss",
        attack=lambda: _search(effort),
    )
    d.argument(
        "zero loss, and the converse",
        r"Zero loss means that all students are aligned and $\sum_j\rho_j=\rho_0$ (`alignment.zero_loss`). Conversely such students satisfy (2): Observation 2.1.",
        "Both are claims of their own.",
        refuted_by="aligned students of the right total length with a gradient",
        attack=lambda: _aligned_attack(effort),
    )
    return d.proved(
        "from Theorem A ($m\\ge3$), Theorem 3.1 ($m=2$) and $m=1$, after merging; no conjecture, no condition on the angles"
    )


def _search(effort: Effort) -> Attack:
    attacks = [no_other_critical_point(effort, m, seed=72) for m in (3, 4, 5, 6)]
    return Attack(
        "Levenberg-Marquardt on the gradient, m = 3 to 6 in the plane, seed 72",
        sum(attack.count for attack in attacks),
        "; ".join(f"m = {m}: {attack.closest}" for m, attack in zip((3, 4, 5, 6), attacks, strict=True)),
    )


def _aligned_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(73)
    lengths = rng.dirichlet(np.ones(5), effort.count(1_000, 50_000))
    gradient = population.gradient(planar(np.zeros_like(lengths), lengths), _TEACHER).hidden
    return errors_below("gradient of aligned students of total length 1", np.abs(gradient).max(axis=(1, 2)), 1e-15)


def _direct(effort: Effort) -> Outcome:
    d = Derivation()
    _double_zeros(d, effort)
    _remainder(d)
    _arcs(d, effort)
    return d.proved("by trigonometric convexity; independent of Theorem A")


def _double_zeros(d: Derivation, effort: Effort) -> None:
    """(2) says that every student's angle is a double zero of h, which is C^2."""
    tau = sp.Symbol("tau", positive=True)
    for side in (1, -1):
        term = (
            formulas.pair_term(sp.Matrix([1, 0]), rho * sp.Matrix([sp.cos(tau), side * sp.sin(tau)]), rho, tau) * 2 * pi
        )
        slope = side * rho * (pi - tau) * sp.sin(tau)
        d.identity(
            f"radial and tangential part, neuron {'ahead' if side > 0 else 'behind'}",
            term - sp.Matrix([rho * formulas.profile(tau), slope]),
            sp.zeros(2, 1),
            r"A neuron of length $\rho$ at distance $\tau\in(0,\pi)$ from $\theta_i$ contributes $\rho F(\theta_i-\theta_j)$ along $u_i$ and $\rho F'(\theta_i-\theta_j)$ across. So $2\pi\,\partial L/\partial w_i=h(\theta_i)u_i+h'(\theta_i)u_i^\perp$: (2) says that every $\theta_i$ is "
            r"a double zero of $h$.",
            shown=r"2\pi E[x\,1\,\sigma]=\rho\,(f(\tau),\ " + ("" if side > 0 else "-") + r"(\pi-\tau)\sin\tau)",
        )
    d.identity(
        "F'' + F inside",
        sp.diff(formulas.profile(t), t, 2) + formulas.profile(t),
        formulas.profile_oscillation(t),
        r"As $f'(0)=f'(\pi)=0$, $F$ is $C^2$, and $F''+F=2|\sin t|$ on the whole circle.",
        shown=r"f''+f=2\sin t",
    )
    for end in (sp.Integer(0), pi):
        d.identity(
            f"F' has no jump at {end}", sp.diff(formulas.profile(t), t).subs(t, end), 0, shown=rf"f'({sp.latex(end)})=0"
        )
    d.argument(
        "setting up",
        r"By `alignment.red.merge.mended`, $L=-h(0)/(4\pi)$, and if a student is at angle 0 the loss is 0. Suppose the directions are distinct, none is 0, and $h(0)<0$.",
        "$h(0)\\le0$ as $L\\ge0$; $h(0)=0$ is zero loss.",
        refuted_by=r"a configuration where (2) along $u_i$ and $h(\theta_i)$ differ",
        attack=lambda: row_attack(effort),
    )


def _remainder(d: Derivation) -> None:
    """Between double zeros h has the sign of k, which is convex in cot t."""
    d.identity(
        "a convex function of cot t",
        sp.sin(t - angle) / sp.sin(t),
        sp.cos(angle) - sp.cos(t) / sp.sin(t) * sp.sin(angle),
        r"$k:=h''+h=2\big(\sum_j\rho_j|\sin(t-\theta_j)|-|\sin t|\big)$ has period $\pi$; on $(0,\pi)$, $k/(2\sin t)=\sum_j\rho_j|\cos\theta_j-x\sin\theta_j|-1$ with $x=\cot t$: convex and piecewise linear. $k(0)=2\sum_j\rho_j|\sin\theta_j|>0$, or all students are at $\pi$, "
        r"where $h(\pi)=\rho\pi\ne0$.",
        shown=r"\frac{\sin(t-\theta)}{\sin t}=\cos\theta-\cot t\,\sin\theta",
    )
    kernel = sp.Function("k")
    rest = sp.Integral(sp.sin(t - s) * kernel(s), (s, sp.Symbol("t_0"), t))
    first = sp.Integral(sp.cos(t - s) * kernel(s), (s, sp.Symbol("t_0"), t))
    d.identity(
        "remainder, first derivative",
        sp.diff(rest, t) - first,
        0,
        r"Tool: let $e(t)=\int_{t_0}^t\sin(t-s)k(s)\,ds$.",
        shown=r"e'(t)=\int_{t_0}^t\cos(t-s)k(s)\,ds",
    )
    d.identity(
        "remainder, second derivative",
        sp.diff(first, t) + rest - kernel(t),
        0,
        r"So $h(t)=h(t_0)\cos(t-t_0)+h'(t_0)\sin(t-t_0)+e(t)$. At a double zero $t_0$, $h=e$; for $|t-t_0|<\pi$ it has the sign of $k$ if $k$ keeps one sign between $t_0$ and $t$, strictly where $k$ does.",
        shown=r"e''+e=k,\quad e(t_0)=e'(t_0)=0",
    )


def _arcs(d: Derivation, effort: Effort) -> None:
    """Where k is negative and positive, and how many students fit there: too few, so the loss is 0."""
    d.argument(
        "k is somewhere negative",
        r"If $k\ge0$ everywhere, the double zero at $\theta_1$ gives $h\ge0$ within distance $\pi$, so everywhere: contradiction with $h(0)<0$.",
        "By the tool.",
        refuted_by=r"students with $k\ge0$ and $h(0)-h(\theta_i)\cos\theta_i+h'(\theta_i)\sin\theta_i<0$",
        attack=lambda: _margin_attack(effort, "k is nowhere negative"),
    )
    d.argument(
        "four arcs",
        r"Within $(0,\pi)$, $\{k<0\}$ is then one interval $(\alpha,\beta)$, $0<\alpha<\beta<\pi$, and $k>0$ on the rest. $N_1=(\alpha,\beta)$, $P_\pi=[\beta,\alpha+\pi]$, $N_2=N_1+\pi$, $P_0=[\beta-\pi,\alpha]$ cover the circle; all are shorter than $\pi$. No student is in $P_0$: it would give "
        r"$h\ge0$ on $P_0\ni0$.",
        "A convex function is negative on an interval; its ends are finite as $k(0)=k(\\pi)>0$.",
        refuted_by=r"a student in $P_0$ whose remainder at 0 is negative",
        attack=lambda: _margin_attack(effort, "a student in P0"),
    )
    d.argument(
        "one student an arc",
        r"Two students in one of $N_1$, $N_2$, $P_\pi$ would be two double zeros with $k$ of one sign between them: $h\ne0$ at the second.",
        "By the tool, strictly, as $k\\ne0$ inside these arcs.",
        refuted_by="two students in one arc, the remainder of one of them at the other having the wrong sign",
        attack=lambda: _margin_attack(effort, "two students in N1", "two students in N2", "two students in Ppi"),
    )
    d.argument(
        "not both kinds of arcs",
        r"A student in $P_\pi$ gives $h(\beta)\ge0$ and $h(\alpha+\pi)\ge0$; one in $N_1$ gives $h(\beta)<0$, one in $N_2$ gives $h(\alpha+\pi)<0$. So there is one student, or one in each of $N_1$ and $N_2$: $m\le2$, excluded by `alignment.m1` and Theorem 3.1.",
        "By the tool, on the closures of the arcs.",
        refuted_by=r"a student in $P_\pi$ and one in $N_1$ or $N_2$ whose remainders at the common end do not differ in sign",
        attack=lambda: _margin_attack(effort, "one in Ppi, one in N1", "one in Ppi, one in N2"),
    )
    d.argument(
        "zero loss means alignment",
        r"So the loss is 0, and all students are aligned with $\sum_j\rho_j=1$ (`alignment.zero_loss`).",
        "The assumption $h(0)<0$ was contradicted in every case.",
        refuted_by="a critical point with students of positive length and non-zero loss",
        attack=lambda: no_other_critical_point(effort, 5, seed=75),
    )


@cache
def _margins(effort: Effort) -> dict[str, tuple[int, int, float]]:
    """For each case of the second proof: how many quantities, how many of them in balls, and the least over the size of its terms."""
    by_case: dict[str, list[float]] = defaultdict(list)
    balls: dict[str, int] = defaultdict(int)

    def signed(angles: np.ndarray, lengths: np.ndarray, numbers: Numbers) -> list[tuple[str, int, float]]:
        margins = double_zero_margins(angles.tolist(), lengths.tolist(), numbers)
        return [(case, numbers.sign(value, scale), float(value) / float(scale)) for case, value, scale in margins]

    for angles, lengths in sampled_students(effort, 74, 4_000, 400_000):
        for theta, p in zip(angles, lengths, strict=True):
            margins, bits = decided(lambda numbers, a=theta, p=p: signed(a, p, numbers))
            for case, sign, relative in margins:
                if sign <= 0:
                    raise CheckFailed(f"{case}: remainder {relative} at angles {theta.tolist()}, lengths {p.tolist()}")
                by_case[case].append(relative)
                balls[case] += bits > 53
    return {case: (len(values), balls[case], min(values)) for case, values in by_case.items()}


def _margin_attack(effort: Effort, *cases: str) -> Attack:
    count, in_balls, least = totals(_margins(effort), cases)
    tried = f"random and near-degenerate students, m = 3 to 6, any lengths, seed 74: sign of the remainder in case '{' or '.join(cases)}' ({in_balls} in balls)"
    return Attack(tried, count, f"least remainder over the size of its terms {least:.3g}")


CLAIMS = (
    Claim(
        "alignment.main",
        "the goal of the paper, Section 2; Theorem B, first proof",
        r"In the plane, for every $m\ge1$: a solution of (2) with all $\rho_i>0$ has all $\theta_{0i}=0$ and $\sum_i\rho_i=\rho_0$; and conversely.",
        Verdict.PROVED,
        _by_determinants,
        uses=(
            "alignment.eq4_5",
            "alignment.red.merge",
            "alignment.red.merge.mended",
            "alignment.detcond",
            "alignment.thm3.1",
            "alignment.m1",
            "alignment.obs2.1",
            "alignment.zero_loss",
        ),
    ),
    Claim(
        "alignment.main.direct",
        "the same; Theorem B, second proof",
        r"In the plane, for every $m\ge1$: a solution of (2) with all $\rho_i>0$ has all $\theta_{0i}=0$ and $\sum_i\rho_i=\rho_0$.",
        Verdict.PROVED,
        _direct,
        assumes=("a convex piecewise linear function is negative on an interval",),
        uses=(
            "alignment.eq2",
            "alignment.red.merge",
            "alignment.red.merge.mended",
            "alignment.thm3.1",
            "alignment.m1",
            "alignment.zero_loss",
        ),
    ),
)
