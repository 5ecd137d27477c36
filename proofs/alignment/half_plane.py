"""Section 4 of the alignment paper: Lemmas 4.2, 4.3 and 4.5, Theorems 4.1 and 4.4."""

from __future__ import annotations

import numpy as np
import sympy as sp

from alignmath.angular import ARC_COSINE, LINEAR, AngularDistance

from ..engine.attacks import errors_below, near_degenerate_angles, none_below, random_angles, sample_points
from ..engine.claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import formulas

__all__ = ["CLAIMS", "definiteness", "strict_concavity"]

pi = sp.pi
t, s = sp.symbols("t s", positive=True)
a, b = sp.symbols("alpha beta", positive=True)
n = sp.Symbol("n", integer=True, positive=True)
k = sp.Symbol("k", integer=True, nonnegative=True)
S, g = sp.symbols("S g", positive=True)


def _decreasing(effort: Effort) -> Outcome:
    d = Derivation()
    f = formulas.profile(t)
    d.identity("derivative", sp.diff(f, t), formulas.profile_slope(t), shown=r"f'(t) = -(\pi-t)\sin t")
    d.sign(
        "it is negative",
        -formulas.profile_slope(t),
        S * g,
        positive={S: (sp.sin(t), "sine"), g: (pi - t, "domain")},
        domain=(t, pi - t),
        shown=r"-f'(t) = (\pi-t)\sin t > 0",
    )
    d.identity("value at 0", formulas.profile(sp.Integer(0)), pi, shown=r"f(0)=\pi")
    d.identity("value at pi", formulas.profile(pi), 0, shown=r"f(\pi)=0")
    return d.proved("the derivative is $-(\\pi-t)\\sin t<0$ on $(0,\\pi)$")


def strict_concavity(d: Derivation) -> None:
    """The steps `f f'' - f'^2 < 0` on `(0, pi)`."""
    f = formulas.profile(t)
    d.identity(
        "second logarithmic derivative",
        (f * sp.diff(f, t, 2) - sp.diff(f, t) ** 2).subs(t, pi - s),
        formulas.log_concavity(s),
        r"$(\log f)''=(ff''-f'^2)/f^2$; with $s=\pi-t$:",
        shown=r"f f''-(f')^2 = \sin^2 s-s^2",
    )
    d.rises(
        "s exceeds sin s",
        s - sp.sin(s),
        s,
        2 * S**2,
        positive={S: (sp.sin(s / 2), "sine")},
        domain=(s, pi - s),
    )
    d.sign(
        "so log f is strictly concave",
        -formulas.log_concavity(s),
        g * (g + 2 * S),
        positive={g: (s - sp.sin(s), "s exceeds sin s"), S: (sp.sin(s), "sine")},
        domain=(s, pi - s),
        shown=r"s^2-\sin^2s = (s-\sin s)(s+\sin s) > 0",
    )


def _log_concave(effort: Effort) -> Outcome:
    d = Derivation()
    d.rises(
        "f is positive before pi",
        formulas.profile(pi - s),
        s,
        s * S,
        positive={s: (s, "domain"), S: (sp.sin(s), "sine")},
        domain=(s, pi - s),
        statement=r"With $s=\pi-t$, $f(\pi-s)=\sin s-s\cos s$, so that $\log f$ is defined on $[0,\pi)$.",
    )
    strict_concavity(d)
    share = a / (a + b)
    for weight, angle in ((share, a), (1 - share, b)):
        d.identity(
            f"{angle} as an average",
            weight * (a + b) + (1 - weight) * 0,
            angle,
            r"With $\lambda=\alpha/(\alpha+\beta)$, both angles are averages of $\alpha+\beta$ and 0.",
            shown=rf"{sp.latex(angle)} = {'' if angle == a else '(1-'}\lambda{'' if angle == a else ')'}(\alpha+\beta)+"
            rf"{'(1-' if angle == a else ''}\lambda{')' if angle == a else ''}\cdot0",
        )
    d.argument(
        "concavity at both, added",
        r"Strict concavity gives $\log f(\alpha)>\lambda\log f(\alpha+\beta)+(1-\lambda)\log f(0)$ and $\log f(\beta)>(1-\lambda)\log f(\alpha+\beta)+\lambda\log f(0)$. Adding: "
        r"$f(\alpha)f(\beta)>f(\alpha+\beta)f(0)$.",
        r"$0<\lambda<1$ and $\alpha+\beta<\pi$, so all four points are in $[0,\pi)$, where $\log f$ is continuous, and strictly concave inside.",
        refuted_by=r"$\alpha,\beta>0$ with $\alpha+\beta<\pi$ and $f(\alpha)f(\beta)\le f(\alpha+\beta)f(0)$",
        attack=lambda: _product_attack(effort),
    )
    return d.proved("$ff''-f'^2=\\sin^2s-s^2<0$, so $\\log f$ is strictly concave")


def _product_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(11)
    points = sample_points(rng, effort.count(50_000, 1_000_000), [(0, 1), (0, 1), (0, np.pi)])
    share, total = points[:, 0], points[:, 2]
    alpha, beta = share * total, (1 - share) * total
    inside = np.minimum(alpha, beta) > 1e-7
    product = ARC_COSINE(alpha) * ARC_COSINE(beta) - ARC_COSINE(alpha + beta) * np.pi
    tried = "$f(\\alpha)f(\\beta)-f(\\alpha+\\beta)f(0)$ over $\\alpha\\beta(\\pi-\\alpha-\\beta)$, random points and points near the corner"
    return none_below(tried, (product / (alpha * beta * (np.pi - alpha - beta)))[inside])


def _upper_half_plane(effort: Effort) -> Outcome:
    d = Derivation("alignment.lem4.2", "alignment.lem4.3")
    d.argument(
        "first and last equation",
        r"Order the students, $0<\theta_1<\dots<\theta_m<\pi$, $m\ge2$. Equation (2) along $u_1$ and $u_m$ gives rows 1 and $m$ of $M\rho=b$: "
        r"$\sum_j\rho_jf(\theta_j-\theta_1)=f(\theta_1)$ and $\sum_j\rho_jf(\theta_m-\theta_j)=f(\theta_m)$.",
        "By `alignment.eq4_5`; all differences are in $[0,\\pi)$, so the angular distance is the difference itself.",
        refuted_by="ordered angles in $(0,\\pi)$ whose angular distance is not the difference",
        attack=lambda: _order_attack(effort),
    )
    f1, far, near, drop, rise, gap = sp.symbols("f_1 A B delta epsilon gamma", positive=True)
    top, last = near + rise, (far * f1 - gap) / (near + rise)
    d.sign(
        "every bracket is positive",
        (f1 * (far + drop) - last * near) * top,
        f1 * (far * rise + drop * near + drop * rise) + gap * near,
        positive={
            f1: (f1, "alignment.lem4.2"),
            far: (far, "alignment.lem4.2"),
            near: (near, "alignment.lem4.2"),
            gap: (gap, "alignment.lem4.3"),
        },
        nonnegative={drop: (drop, "alignment.lem4.2"), rise: (rise, "alignment.lem4.2")},
        statement=r"$f(\theta_1)$ times row $m$ minus $f(\theta_m)$ times row 1: $\sum_j\rho_j\,[f(\theta_1)f(\theta_m-\theta_j)-f(\theta_m)f(\theta_j-\theta_1)]=0$. Write $f_1=f(\theta_1)$, "
        r"$A=f(\theta_m-\theta_1)$, $B=f(\theta_j-\theta_1)$. By Lemma 4.2, $f(\theta_m-\theta_j)=A+\delta$ and $f(0)=B+\epsilon$ with $\delta,\epsilon\ge0$. By Lemma 4.3 with "
        r"$\alpha=\theta_m-\theta_1$, $\beta=\theta_1$: $f(\theta_m)f(0)=Af_1-\gamma$ with $\gamma>0$.",
        reason="every term is non-negative and the last is positive; so the sum over $j$, with $\\rho_j>0$, is positive: a contradiction. For $m=1$ see `alignment.m1`",
        shown=r"[f_1(A+\delta)-f(\theta_m)B]\,f(0) = f_1(A\epsilon+\delta B+\delta\epsilon)+\gamma B>0",
    )
    d.argument(
        "the lemmas apply",
        r"For every $j$: $0\le\theta_j-\theta_1$ and $\theta_m-\theta_j\le\theta_m-\theta_1$, all in $[0,\pi)$, and $(\theta_m-\theta_1)+\theta_1=\theta_m<\pi$.",
        "The students are ordered and in the open upper half-plane; $m\\ge2$ makes $\\theta_m-\\theta_1>0$.",
        refuted_by="ordered angles of the open half-plane with a bracket that is not positive",
        attack=lambda: _row_attack(effort),
    )
    return d.proved("by Lemmas 4.2 and 4.3 alone, comparing the first and last row of $M\\rho=b$")


def _ordered(effort: Effort, quick: int = 20_000) -> list[np.ndarray]:
    rng = np.random.default_rng(12)
    count = effort.count(quick, 500_000)
    return [np.sort(sample_points(rng, count, [(0, np.pi)] * m), axis=1) for m in (2, 3, 6)]


def _order_attack(effort: Effort) -> Attack:
    gaps = []
    for angles in _ordered(effort):
        direct = angles[:, :, None] - angles[:, None, :]
        gaps.append(np.abs(ARC_COSINE.matrix(angles) - ARC_COSINE(np.abs(direct))).max(axis=(1, 2)))
    return errors_below("M against f of plain differences, 2, 3 and 6 students", np.concatenate(gaps), 1e-14)


def _row_attack(effort: Effort) -> Attack:
    gaps = []
    for angles in _ordered(effort):
        first, last = angles[:, :1], angles[:, -1:]
        gap = ARC_COSINE(first) * ARC_COSINE(last - angles) - ARC_COSINE(last) * ARC_COSINE(angles - first)
        size = ARC_COSINE(last) * first  # the bracket is at least of this order
        gaps.append(np.min(gap / size, axis=1)[first[:, 0] > 1e-6])
    return none_below(
        "the brackets over theta_1 f(theta_m), for ordered angles of 2, 3 and 6 students", np.concatenate(gaps)
    )


def definiteness(
    d: Derivation,
    effort: Effort,
    kernel: AngularDistance,
    parity: str,
) -> None:
    """Steps: the coefficients of one parity are positive and M is positive definite when no two angles are equal or antipodal.

    kernel: its array version, for the attack; parity: "even" or "odd".
    """
    d.argument(
        "quadratic form as a sum of squares",
        rf"For real $z$: $z^\top Mz=\sum_{{n\in\mathbb{{Z}}}}\hat F(n)\,\big|\sum_jz_je^{{in\theta_j}}\big|^2$, where $\hat F(n)>0$ for all {parity} $n$ and no coefficient is negative.",
        "The Fourier coefficients of the continuous function $F$ are absolutely summable, so $F$ equals its Fourier series.",
        refuted_by="a configuration where the partial sums differ from $z^\\top Mz$ by more than the tail of the coefficients allows",
        attack=lambda: _series_attack(effort, kernel, parity),
    )
    z = sp.symbols("z_1:5")
    for m in (2, 3, 4):
        matrix = sp.Matrix(m, m, lambda row, column: z[column] ** row)
        product = sp.prod(z[j] - z[i] for j in range(m) for i in range(j))
        d.identity(
            f"Vandermonde determinant, m = {m}",
            sp.expand(matrix.det()),
            sp.expand(product),
            f"The terms of the {parity} orders $n_0, n_0+2, \\dots, n_0+2(m-1)$ vanish together only if the matrix $(e^{{i n\\theta_j}})$ over these orders is singular; it is a Vandermonde "
            "matrix in $z_j=e^{2i\\theta_j}$, up to non-zero factors of the columns (general $m$: cited).",
            shown=r"\det(z_j^{\,k})=\prod_{i<j}(z_j-z_i)",
        )
    d.identity(
        "nodes are distinct",
        sp.expand((sp.cos(2 * a) - sp.cos(2 * b)) ** 2 + (sp.sin(2 * a) - sp.sin(2 * b)) ** 2),
        4 * sp.sin(a - b) ** 2,
        r"$|e^{2i\alpha}-e^{2i\beta}|=2|\sin(\alpha-\beta)|$ vanishes only if $\alpha-\beta$ is a multiple of $\pi$: equal or antipodal angles. So $z^\top Mz=0$ forces $z=0$.",
        shown=r"|e^{2i\alpha}-e^{2i\beta}|^2 = 4\sin^2(\alpha-\beta)",
    )


def _series_attack(effort: Effort, kernel: AngularDistance, parity: str) -> Attack:
    rng = np.random.default_rng(13)
    orders = np.arange(0, 401)
    coefficients = kernel.fourier(orders)
    if coefficients[0 if parity == "even" else 1 :: 2].min() <= 0:
        raise CheckFailed(f"{kernel.name} has a coefficient of {parity} order that is not positive")
    peak = float(kernel(np.zeros(1))[0])
    tail = peak - coefficients[0] - 2 * coefficients[1:].sum()
    margins = []
    for m in (2, 4, 7):
        angles = np.concatenate(
            [random_angles(rng, effort.count(300, 5000), m), near_degenerate_angles(rng, effort.count(300, 5000), m)]
        )
        z = rng.standard_normal(angles.shape)
        modes = np.abs(np.einsum("bj,bjn->bn", z, np.exp(1j * angles[:, :, None] * orders))) ** 2
        partial = coefficients[0] * modes[:, 0] + 2 * modes[:, 1:] @ coefficients[1:]
        form = np.einsum("bi,bij,bj->b", z, kernel.matrix(angles), z)
        allowed = tail * np.sum(np.abs(z), axis=1) ** 2 + 1e-12
        margins.append(np.abs(form - partial) / allowed)
    return errors_below(
        f"quadratic forms against 401 orders, over what the tail of the coefficients allows; coefficients of {parity} order up to 400 positive",
        np.concatenate(margins),
        1.0,
    )


def linear_coefficients(d: Derivation) -> None:
    """Steps: the Fourier coefficients of `pi - |t|` and their signs."""
    d.identity(
        "Fourier coefficients",
        sp.integrate((pi - t) * sp.cos(n * t), (t, 0, pi)) / pi,
        formulas.fourier_linear(n),
        shown=r"\frac1{2\pi}\int_{-\pi}^{\pi}(\pi-|t|)e^{-int}dt=\frac1\pi\int_0^\pi(\pi-t)\cos nt\,dt = \frac{1-(-1)^n}{\pi n^2}\quad(n\ge1)",
    )
    d.identity("constant", sp.integrate(pi - t, (t, 0, pi)) / pi, pi / 2, shown=r"\hat F(0)=\pi/2")
    d.identity("even orders vanish", formulas.fourier_linear(2 * k + 2), 0, shown=r"\hat F(2k+2)=0")
    d.sign(
        "odd orders are positive",
        formulas.fourier_linear(2 * k + 1),
        2 * g,
        positive={g: (1 / (pi * (2 * k + 1) ** 2), "manifest")},
        shown=r"\hat F(2k+1)=\frac{2}{\pi(2k+1)^2}>0",
    )


def _linear(effort: Effort) -> Outcome:
    d = Derivation()
    linear_coefficients(d)
    definiteness(d, effort, LINEAR, "odd")
    return d.proved("all odd Fourier coefficients of $\\pi-|t|$ are positive")


def _rational(effort: Effort) -> Outcome:
    from .few_students import no_other_critical_point

    d = Derivation()
    d.argument(
        "special case",
        r"Angles that are rational multiples of $\pi$ are angles: `alignment.main` says that (2) has no other solution, for any angles.",
        "The rationality is not needed.",
        refuted_by="a critical point of students with positive lengths and non-zero loss",
        attack=lambda: no_other_critical_point(effort, 3, seed=44),
    )
    return d.proved("special case of `alignment.main`; the rationality is not needed")


def _dense(effort: Effort) -> Outcome:
    d = Derivation()
    x = sp.Symbol("x")
    d.identity(
        "a continuous equation with a solution",
        (x**2 - sp.Rational(1, 2)).subs(x, 1 / sp.sqrt(2)),
        0,
        r"$g(\theta)=(\theta/\pi)^2-\tfrac12$ vanishes at $\theta=\pi/\sqrt2$.",
        shown=r"\left(\tfrac1{\sqrt2}\right)^2-\tfrac12=0",
    )
    d.certificate(
        "and none at a rational multiple",
        bool(sp.Poly(2 * x**2 - 1, x, domain="QQ").is_irreducible),
        r"$2x^2-1$ is irreducible over $\mathbb{Q}$, so $g(q\pi)\ne0$ for every rational $q$: having no solution on a dense set excludes none elsewhere.",
        (r"2x^2-1\ \text{irreducible over}\ \mathbb{Q}",),
        reason="factorisation over the rationals",
    )
    e = sp.Symbol("epsilon", positive=True)
    i = sp.Symbol("i", integer=True, positive=True)
    d.identity(
        "rational multiples have measure 0",
        sp.summation(e / 2**i, (i, 1, sp.oo)),
        e,
        r"The rational multiples of $\pi$ are countable: the $i$-th is covered by an interval of length $\varepsilon2^{-i}$. So a statement about them says nothing about 'almost all' angles.",
        shown=r"\sum_{i\ge1}\varepsilon2^{-i}=\varepsilon",
    )
    return d.refuted(
        "rational multiples of $\\pi$ are dense but of measure 0, and density excludes no solution elsewhere; the conclusion happens to be true (`alignment.main`)"
    )


CLAIMS = (
    Claim(
        "alignment.lem4.2",
        "Lemma 4.2",
        r"$f(\theta)=\sin\theta+(\pi-\theta)\cos\theta$ decreases on $[0,\pi]$, with $f(0)=\pi$ and $f(\pi)=0$.",
        Verdict.PROVED,
        _decreasing,
    ),
    Claim(
        "alignment.lem4.3",
        "Lemma 4.3",
        r"$f(\alpha)f(\beta)>f(\alpha+\beta)f(0)$ for $\alpha,\beta>0$ with $\alpha+\beta<\pi$.",
        Verdict.PROVED,
        _log_concave,
    ),
    Claim(
        "alignment.thm4.1",
        "Theorem 4.1 (Appendix B.3 is missing)",
        r"If $0=\theta_0<\theta_1<\dots<\theta_m<\pi$, then (2) has no solution with all $\rho_i>0$.",
        Verdict.PROVED,
        _upper_half_plane,
        uses=("alignment.eq4_5", "alignment.lem4.2", "alignment.lem4.3", "alignment.m1"),
    ),
    Claim(
        "alignment.thm4.4",
        "Theorem 4.4 (Appendix C is missing)",
        r"If all $\theta_i$ are rational multiples of $\pi$, then (2) has no non-trivial solution.",
        Verdict.PROVED,
        _rational,
        uses=("alignment.main",),
    ),
    Claim(
        "alignment.lem4.5",
        "Lemma 4.5",
        r"For distinct $\theta_1,\dots,\theta_m\in(0,2\pi)$ without antipodal pair, $[\pi-\theta_{ij}]$ is positive definite.",
        Verdict.PROVED,
        _linear,
        assumes=(
            "a continuous function with absolutely summable Fourier coefficients equals its Fourier series",
            "Vandermonde's determinant for general m",
        ),
    ),
    Claim(
        "alignment.claim.dense",
        "Section 4.2, last paragraph",
        r"A statement that holds for all angles that are rational multiples of $\pi$ holds for almost all angles, these being dense, and in the end for all: from 'Since rational numbers are dense' to 'without any constraints'.",
        Verdict.REFUTED,
        _dense,
    ),
)
