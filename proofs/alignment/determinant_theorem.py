"""Theorem A: the determinant condition of the alignment paper holds for its f and every m >= 3.

The paper leaves it open (hypothesis of its Theorem 5.1). Write `s_j(w) = max(cos(w - theta_j), 0)`, `H_j` for the half circle where student j is active,
`R = sum_j rho_j s_j - s_0` for the residual on the circle and `<., .>` for the integral over it. `M rho = b` says `<R, s_j> = 0` for every student.
If all `rho_j > 0` and `m >= 3`, some combination of these equations has a left side that is positive.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import numpy as np
import sympy as sp

from alignmath.angular import ARC_COSINE

from ..engine.attacks import errors_below, near_degenerate_angles, none_below, random_angles
from ..engine.claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from ..engine.exact import angular_system, is_singular, replaced
from . import formulas
from .arcs import Numbers, Witness, decided, witness

__all__ = ["CLAIMS", "sampled_students", "totals"]

pi = sp.pi
t, w, y = sp.symbols("t w y", real=True)
p1, p2, p3, q1, q2, q3 = sp.symbols("p_1 p_2 p_3 q_1 q_2 q_3", positive=True)
y1, gap = sp.symbols("y_1 g", real=True)
thetas = sp.symbols("theta_1:4", real=True)


def sampled_students(effort: Effort, seed: int, quick: int, full: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Angles and lengths `(count, m)` for m = 3 to 6: random and near-degenerate angles, lengths spread over decades or next to those
    that `M rho = b` asks for (their absolute values, disturbed by 1e-1 to 1e-12).
    """
    rng = np.random.default_rng(seed)
    count = effort.count(quick, full) // 8
    samples = []
    for m in (3, 4, 5, 6):
        for family in (random_angles, near_degenerate_angles):
            angles = family(rng, count, m)
            lengths = 10 ** rng.uniform(-3, 0.5, angles.shape)
            close = np.abs(ARC_COSINE.cramer_ratios(angles[::2]))
            disturbed = close * (1 + 10 ** rng.uniform(-12, -1, close.shape) * rng.standard_normal(close.shape))
            lengths[::2] = np.clip(np.abs(disturbed), 1e-14, 1e6)
            samples.append((angles, lengths))
    return samples


@cache
def _witnesses(effort: Effort) -> dict[str, tuple[int, int, float]]:
    """For each case of the proof: how many configurations fell into it, how many needed balls, and the least relative gap.

    Raises `CheckFailed` where a step of the proof does not do what it says, or a gap is not positive.
    """
    by_case: dict[str, list[float]] = defaultdict(list)
    balls: dict[str, int] = defaultdict(int)

    def signed(angles: np.ndarray, lengths: np.ndarray, numbers: Numbers) -> tuple[int, Witness]:
        outcome = witness(angles.tolist(), lengths.tolist(), numbers)
        return numbers.sign(outcome.gap, outcome.scale), outcome

    for angles, lengths in sampled_students(effort, 61, 4_000, 400_000):
        for theta, rho in zip(angles, lengths, strict=True):
            try:
                (sign, outcome), bits = decided(lambda numbers, a=theta, p=rho: signed(a, p, numbers))
            except AssertionError as failure:
                raise CheckFailed(f"angles {theta.tolist()}, lengths {rho.tolist()}: {failure}") from None
            if sign <= 0:
                raise CheckFailed(
                    f"{outcome.case}: gap {outcome.gap} at angles {theta.tolist()}, lengths {rho.tolist()}"
                )
            by_case[outcome.case].append(float(outcome.gap) / float(outcome.scale))
            balls[outcome.case] += bits > 53
    return {case: (len(gaps), balls[case], min(gaps)) for case, gaps in by_case.items()}


def _case_attack(effort: Effort, *cases: str) -> Attack:
    count, in_balls, least = totals(_witnesses(effort), cases)
    return Attack(
        f"random and near-degenerate students, m = 3 to 6, any lengths, seed 61: sign of the combination in case "
        f"'{' or '.join(cases)}' ({in_balls} of them decided in balls)",
        count,
        f"least combination over the size of its terms {least:.3g}",
    )


def totals(by_case: dict[str, tuple[int, int, float]], cases: tuple[str, ...]) -> tuple[int, int, float]:
    """Number of configurations, number in balls and least margin of the `cases`; each must have come up 50 times, with a positive margin."""
    for case in cases:
        count, _, least = by_case.get(case, (0, 0, 0.0))
        if count < 50 or not least > 0:
            raise CheckFailed(f"case '{case}' came up {count} times, with least margin {least:.3g}")
    counts, in_balls, margins = zip(*(by_case[case] for case in cases), strict=True)
    return sum(counts), sum(in_balls), min(margins)


def _pattern_attack(effort: Effort) -> Attack:
    """The half waves themselves, at random points of the circle, against the arc I that the proof finds."""
    rng = np.random.default_rng(62)
    errors = []
    for angles, lengths in sampled_students(effort, 62, 4_000, 200_000):
        for theta, rho in zip(angles, lengths, strict=True):
            outcome, _ = decided(lambda numbers, a=theta, p=rho: witness(a.tolist(), p.tolist(), numbers))
            lower, upper = outcome.interval or (0.0, 0.0)
            first = -np.pi / 2 if lower is None else np.arctan(float(lower))
            last = np.pi / 2 if upper is None else np.arctan(float(upper))
            around = np.concatenate([rng.uniform(-np.pi, np.pi, 24), rng.uniform(first, last, 8)])
            value = np.maximum(np.cos(around[:, None] - theta), 0) @ rho - np.maximum(np.cos(around), 0)
            inside = (around > first) & (around < last)
            errors.append(np.max(np.where(inside, value, -value)) / (1 + rho.sum()))
    return errors_below(
        "R at 24 random points of the circle and 8 of I: negative on I, not elsewhere; the largest violation over total length",
        errors,
        1e-12,
    )


def _product_attack(effort: Effort) -> Attack:
    """R Z >= 0 at random points of the circle, for the combinations of the cases with a Z."""
    rng = np.random.default_rng(63)
    errors = []
    for angles, lengths in sampled_students(effort, 63, 8_000, 200_000):
        for theta, rho in zip(angles, lengths, strict=True):
            outcome, _ = decided(lambda numbers, a=theta, p=rho: witness(a.tolist(), p.tolist(), numbers))
            if len(outcome.weights) in (2, 3) and outcome.case != "I is empty":
                points = rng.uniform(-np.pi, np.pi, (64, 1))
                active = np.maximum(np.cos(points - theta), 0)
                residual = active @ rho - np.maximum(np.cos(points[:, 0]), 0)
                weights = np.array([float(outcome.weights.get(j, 0.0)) for j in range(len(theta))])
                errors.append(-np.min(residual * (active @ weights)) / (1 + rho.sum()))
    return errors_below(
        "R Z at 64 random points, for combinations of two and three students: how negative, over total length",
        errors,
        1e-12,
    )


def _sign_attack(effort: Effort) -> Attack:
    """The theorem itself: proved signs of all det M_i at random and near-degenerate angles."""
    rng = np.random.default_rng(64)
    count, most = effort.count(1_000, 20_000), []
    for m in (3, 4, 5, 6):
        for family in (random_angles, near_degenerate_angles):
            most.append(ARC_COSINE.determinant_signs(family(rng, count // 2, m)).min(axis=1))
    least = np.concatenate(most)
    return none_below(
        "proved signs of all det M_i, m = 3 to 6 (margin 1: some det M_i is negative; 0: none)",
        -least.astype(float),
        0.5,
    )


def _theorem(effort: Effort) -> Outcome:
    d = Derivation("alignment.beyond.nullity")
    _negative_arc(d, effort)
    _kinds_of_students(d, effort)
    _signs_of_the_combination(d)
    _contradiction(d, effort)
    return d.proved(
        "for every positive $\\rho$ an explicit combination of the equations is violated; antipodal configurations included"
    )


def _negative_arc(d: Derivation, effort: Effort) -> None:
    """R is negative on one arc, which is not empty."""
    angle = sp.Symbol("t", positive=True)
    d.identity(
        "the equations as integrals",
        sp.integrate(sp.expand(sp.cos(w) * sp.expand_trig(sp.cos(w - angle))), (w, angle - pi / 2, pi / 2)),
        formulas.profile(angle) / 2,
        r"Two half-wave cosines at distance $t\in[0,\pi]$ overlap on an arc of length $\pi-t$. So $\langle R,s_i\rangle=\frac12(M\rho-b)_i$, and $M\rho=b$ says $\langle R,s_i\rangle=0$ for all $i$. "
        r"Suppose $\rho_j>0$ for all $j$.",
        shown=r"\int_{t-\pi/2}^{\pi/2}\cos w\cos(w-t)\,dw=\tfrac12 f(t)",
    )
    d.identity(
        "straight lines in tan w",
        sp.cos(w - t) / sp.cos(w),
        sp.cos(t) + sp.sin(w) / sp.cos(w) * sp.sin(t),
        r"On $J=(-\frac\pi2,\frac\pi2)$, where the teacher is active, $R/\cos w=\sum_j\rho_j\max(\cos\theta_j+y\sin\theta_j,0)-1$ with $y=\tan w$: a convex, piecewise linear function of $y$.",
        shown=r"\frac{\cos(w-\theta)}{\cos w}=\cos\theta+\tan w\,\sin\theta",
    )
    d.argument(
        "R is negative on one arc",
        r"Off $J$, $R=\sum_j\rho_js_j\ge0$. On $J$, $\{R<0\}$ is one open arc $I=(w_1,w_2)$ or empty, with $R(w_1)=R(w_2)=0$, and $R>0$ on $J$ outside the closure of $I$.",
        "A convex function of $y$ is negative on an interval; if it is negative somewhere and zero at $y_1$, it is positive beyond $y_1$. If $I$ reaches an end of $J$, $R$ is there both $\\ge0$ and, by continuity, "
        "$\\le0$.",
        refuted_by="students and three points of $J$, in order, where $R$ is negative, positive and negative",
        attack=lambda: _pattern_attack(effort),
    )
    d.argument(
        "the arc is not empty",
        r"If $R\ge0$ everywhere, then $\langle R,s_j\rangle=0$ forces $R=0$ on every $H_j$; off $J$ an active student gives $R\ge\rho_js_j>0$, so no $H_j$ leaves $J$: $H_j=J$ and $\theta_j=0$, excluded.",
        "$R$ is continuous and $s_j>0$ on $H_j$; $H_j$ and $J$ are open half circles.",
        refuted_by=r"students with $R\ge0$ and $\sum_j\langle R,s_j\rangle\le0$",
        attack=lambda: _case_attack(effort, "I is empty"),
    )


def _kinds_of_students(d: Derivation, effort: Effort) -> None:
    """Every student contains one end of the arc or both; one end, at most one student each."""
    d.argument(
        "every student meets I and leaves it",
        r"If $H_j\cap I=\emptyset$, then $R\ge0$ on $H_j$, so $R=0$ there; but $H_j\ne J$ has points off the closure of $J$, where $R\ge\rho_js_j>0$. And $H_j\subset I\subset J$ would give $H_j=J$. So the arc $H_j$ contains $w_1$ or $w_2$: "
        r"it is of kind A1 (only $w_1$), A2 (only $w_2$) or A12 (both; then it contains the closure of $I$, as the complementary arc is at least $\pi$ long). At an end where $I$ reaches $\pm\frac\pi2$ no student is active.",
        "$H_j$ is connected and of length $\\pi$; $|I|\\le\\pi$.",
        refuted_by=r"students with $H_j\cap I=\emptyset$ and $\langle R,s_j\rangle\le0$",
        attack=lambda: _case_attack(effort, "a student misses I"),
    )
    d.argument(
        "at most one A1, at most one A2",
        r"For two of kind A1, let $Z=\frac{s_1}{s_1(w_1)}-\frac{s_2}{s_2(w_1)}$, student 1 being the one whose half circle ends first. Where both are active $Z$ is one sinusoid, not 0, on an arc shorter than $\pi$ with its zero at $w_1$; to the left only student 1 "
        r"is active, $Z>0$; to the right only student 2, $Z<0$. Both end inside $I$ (or at $w_2$). So $Z\ge0$ outside $I$, $Z\le0$ on $I$, $RZ\ge0$, and $RZ>0$ somewhere on $I$: $\langle R,Z\rangle>0$, but it is a combination of the $\langle R,s_j\rangle=0$. "
        "Likewise A2.",
        "A sinusoid changes sign at its zeros, which are $\\pi$ apart.",
        refuted_by=r"two students of kind A1 (or A2) with $\langle R,Z\rangle\le0$",
        attack=lambda: _case_attack(effort, "two students contain w1 only", "two students contain w2 only"),
    )


def _signs_of_the_combination(d: Derivation) -> None:
    """Of three students a combination vanishes at both ends, with one negative coefficient, of a student that contains both."""
    p, q = sp.Matrix([p1, p2, p3]), sp.Matrix([q1, q2, q3])
    cross = p.cross(q)
    for side, vector, end in ((1, p, "w_1"), (2, q, "w_2")):
        d.identity(
            f"a combination that vanishes at w{side}",
            cross.dot(vector),
            0,
            r"For $m\ge3$ take three students, at least one of kind A12. With $p_j=s_j(w_1)$, $q_j=s_j(w_2)$ and $l=p\times q$, $Z=\sum_jl_js_j$ vanishes at $w_1$ and $w_2$.",
            shown=rf"Z({end})=(p\times q)\cdot {'p' if side == 1 else 'q'}=0",
        )
    mixed = cross.subs({q1: 0, p2: 0})
    for coefficient, product, name in (
        (-mixed[0], p3 * q2, "-l_1"),
        (-mixed[1], p1 * q3, "-l_2"),
        (mixed[2], p1 * q2, "l_3"),
    ):
        d.sign(
            f"kinds A1, A2, A12: {name} > 0",
            coefficient,
            product,
            positive={v: (v, "domain") for v in (p1, p3, q2, q3)},
            domain=(p1, p3, q2, q3),
            statement="$q_1=0$ and $p_2=0$: up to sign only the coefficient of the A12 student is negative.",
            shown=f"{name}={sp.latex(product)}>0",
        )
    d.identity(
        "signs for A1 (or A2) and two A12",
        cross.subs(q1, 0),
        sp.Matrix([p2 * q3 - p3 * q2, -p1 * q3, p1 * q2]),
        r"$q_1=0$: $l=(p_2q_3-p_3q_2,\,-p_1q_3,\,p_1q_2)$. The two A12 students have opposite signs; whatever the sign of $l_1\ne0$ (next step), up to sign exactly one coefficient is negative, and it is one of these two.",
        shown=r"l=(p_2q_3-p_3q_2,\,-p_1q_3,\,p_1q_2)",
    )
    line = lambda angle, at: sp.cos(angle) + at * sp.sin(angle)  # noqa: E731
    d.identity(
        "cross products are sines",
        line(thetas[0], y1) * line(thetas[1], y1 + gap) - line(thetas[1], y1) * line(thetas[0], y1 + gap),
        gap * sp.sin(thetas[1] - thetas[0]),
        r"For students that contain both ends, $s_j=\cos w\,(\cos\theta_j+y\sin\theta_j)$ at $y_1<y_2=y_1+g$: so $p_iq_j-p_jq_i$ is a positive multiple of $\sin(\theta_j-\theta_i)$, not 0 for distinct directions of one open half-plane.",
        shown=r"(\cos\theta_i+y_1\sin\theta_i)(\cos\theta_j+y_2\sin\theta_j)-(\cos\theta_j+y_1\sin\theta_j)(\cos\theta_i+y_2\sin\theta_i)=(y_2-y_1)\sin(\theta_j-\theta_i)",
    )
    a, b, sine = sp.symbols("a b s", positive=True)
    for value, span, name in ((sp.sin(b), b, "l_1"), (-sp.sin(-(a + b)), a + b, "-l_2"), (sp.sin(a), a, "l_3")):
        d.sign(
            f"three A12: {name} > 0",
            value,
            sine,
            positive={sine: (sp.sin(span), "sine")},
            domain=(a, b, pi - a - b),
            statement=r"All three contain $w_1$, so their directions span less than $\pi$: in order, $\theta_2=\theta_1+a$, $\theta_3=\theta_2+b$, $a+b<\pi$. By the last step $l$ is a positive multiple of "
            r"$(\sin(\theta_3-\theta_2),\sin(\theta_1-\theta_3),\sin(\theta_2-\theta_1))$: only the middle coefficient is negative.",
            shown=rf"{name}\propto\sin({sp.latex(span)})>0",
        )


def _contradiction(d: Derivation, effort: Effort) -> None:
    """The combination has the sign of R, so that its integral with R, which should be 0, is positive; what this says of determinants."""
    d.argument(
        "the combination has the sign of R",
        r"Let student 3 be the A12 student with the only negative coefficient. Off $H_3$, $Z\ge0$. On $H_3$, $Z/s_3$ is a convex, piecewise linear function of $\tan(w-\theta_3)$ that vanishes at $w_1$ and $w_2$: $Z\le0$ on $I$, $Z\ge0$ on the rest of $H_3$. So $RZ\ge0$ everywhere.",
        "The kinks of the other two students, with positive coefficients, bend $Z$ upwards; $I\\subset H_3$.",
        refuted_by=r"a point of the circle with $RZ<0$",
        attack=lambda: _product_attack(effort),
    )
    d.argument(
        "and its integral is positive",
        r"$Z\not\equiv0$, as three half-wave cosines in distinct directions are independent. Where $Z<0$, in $I$, $R<0$. Where $Z>0$, outside the closure of $I$, $R>0$: off the closure of $J$ because a student is active, on $J$ by the shape of $R$. So $\langle R,Z\rangle>0$; but "
        r"$\langle R,Z\rangle=\sum_jl_j\langle R,s_j\rangle=0$. Contradiction: $M\rho=b$ has no solution with all $\rho_j>0$.",
        "A half-wave cosine has kinks at both ends of its half circle; of three distinct directions at most two share a line, and $s_1\\pm s_2$ of an antipodal pair is not 0.",
        refuted_by=r"three students with $\sum_jl_j(M\rho-b)_j\le0$ for the combination of the proof",
        attack=lambda: _case_attack(effort, "three students"),
    )
    d.argument(
        "the determinants",
        r"With at most two antipodal pairs $\det M>0$ (`alignment.beyond.nullity`) and $\det M_i=\rho_i\det M$, where $\rho=M^{-1}b$ has some $\rho_i\le0$. With more pairs $\det M=0$; $b$ lies in the range of $M$, because $(t,v)\mapsto\pi t^2+2tb^\top v+v^\top Mv\ge0$ forces "
        r"$b^\top v=0$ for $Mv=0$; so the columns of $M_i$ span less than $\mathbb{R}^m$ and every $\det M_i=0$. Always some $\det M_i\le0$.",
        "Cramer's rule, and `alignment.prop5.4` for the angles $0,\\theta_1,\\dots,\\theta_m$.",
        refuted_by=r"distinct angles with every $\det M_i>0$",
        attack=lambda: _sign_attack(effort),
    )
    octants = [pi * k / 4 for k in (1, 2, 3, 5, 6, 7)]
    matrix, rhs = angular_system(formulas.profile, octants)
    d.certificate(
        "three antipodal pairs, exactly",
        all(is_singular(square, sp.sqrt(2)) for square in (matrix, *replaced(matrix, rhs))),
        r"An instance of the last case: at $\theta_j=\frac\pi4(1,2,3,5,6,7)$, $\det M=0$ and every $\det M_i=0$.",
        (r"\det M=\det M_1=\dots=\det M_6=0",),
        reason="exact arithmetic with $\\pi$ and $\\sqrt2$",
    )


CLAIMS = (
    Claim(
        "alignment.detcond",
        "hypothesis of Theorem 5.1 (open in the paper); Theorem A",
        r"For $m\ge3$ and distinct $\theta_1,\dots,\theta_m\in(0,2\pi)$, $M\rho=b$ has no solution with all $\rho_j>0$, and some $\det M_i\le0$.",
        Verdict.PROVED,
        _theorem,
        assumes=("convexity of piecewise linear functions with increasing slopes",),
        uses=("alignment.cramer", "alignment.prop5.4", "alignment.beyond.nullity"),
    ),
)
