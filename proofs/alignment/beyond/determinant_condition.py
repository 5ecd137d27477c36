"""Around the determinant condition: when M is singular, repairs of Conjecture 5.5 that fail, limits of Theorem A, what is open."""

from __future__ import annotations

import numpy as np
import sympy as sp

from alignmath.angular import ARC_COSINE, von_mises

from ...engine.attacks import near_degenerate_angles, none_below, random_angles
from ...engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ...engine.derivation import Derivation
from ...engine.exact import angular_system, replaced_determinants
from .. import formulas
from ..half_plane import definiteness

__all__ = ["CLAIMS"]

pi = sp.pi
t = sp.Symbol("t", positive=True)


def _nullity(effort: Effort) -> Outcome:
    d = Derivation()
    definiteness(d, effort, ARC_COSINE, "even")
    d.argument(
        "pairs and singles",
        r"$Mz=0$ if and only if $\sum_jz_je^{in\theta_j}=0$ for all even $n$ and $n=\pm1$, the orders with $\hat F(n)>0$ (`alignment.thm5.6`). Even orders see $e^{2i\theta_j}$ only: by Vandermonde the $z_j$ of each line add up to 0, so $z_j=0$ where $\theta_j$ has no antipode, and $z,-z$ on an antipodal "
        r"pair. Order 1 is left: $\sum_k2z_ku(\theta_k)=0$ over the $p$ pairs, two real equations.",
        "The quadratic form is a sum of squares with these coefficients.",
        refuted_by="angles with p antipodal pairs and a nullity other than max(0, p - 2)",
        attack=lambda: _nullity_attack(effort),
    )
    x, y = sp.symbols("x y", real=True)
    d.identity(
        "rank of the last equations",
        sp.Matrix([[sp.cos(x), sp.cos(y)], [sp.sin(x), sp.sin(y)]]).det(),
        sp.sin(y - x),
        r"Pairs on different lines have independent directions, so the rank is $\min(p,2)$ and the nullity $\max(0,p-2)$.",
        shown=r"\det(u(x),u(y))=\sin(y-x)",
    )
    return d.proved("the nullity of $M$ is $\\max(0,p-2)$ for $p$ antipodal pairs: $\\det M>0$ if and only if $p\\le2$")


def _nullity_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(91)
    margins = []
    for pairs in range(5):
        for _ in range(effort.count(60, 2000)):
            base = np.sort(rng.uniform(0, np.pi, pairs + 2))
            if np.min(np.diff(base)) < 0.05 or base[0] + np.pi - base[-1] < 0.05:
                continue
            angles = np.concatenate([base, base[:pairs] + np.pi])
            values = np.linalg.eigvalsh(ARC_COSINE.matrix(angles))
            nullity = max(0, pairs - 2)
            margins.append(min(values[nullity] - 1e-9, 1e-12 - (values[nullity - 1] if nullity else 0.0)))
    return none_below(
        "eigenvalues with 0 to 4 antipodal pairs and two single angles: as many below 1e-12 as said, the next above 1e-9",
        margins,
    )


def _log_concave_repair(effort: Effort) -> Outcome:
    d = Derivation("alignment.pad.linear", "alignment.def5.2.fourier")
    n = sp.Symbol("n", integer=True, positive=True)
    f = lambda u: 1 - u / pi + (1 + sp.cos(3 * u)) / 200  # noqa: E731
    d.identity(
        "Fourier coefficients",
        sp.integrate((1 - t / pi) * sp.cos(n * t), (t, 0, pi)) / pi,
        formulas.fourier_linear(n) / pi,
        r"$f(t)=1-t/\pi+(1+\cos3t)/200$: the coefficients of $1-t/\pi$, positive for odd $n$ and 0 for even $n\ne0$, plus $\frac1{200}$ at $n=0$ and $\frac1{400}$ at $n=\pm3$. So $f$ is an AD function (`alignment.def5.2.fourier`), and PAD: $M$ is the positive definite matrix of $1-t/\pi$ (`alignment.pad.linear`) plus a positive semi-definite one.",
        shown=r"\frac1\pi\int_0^\pi\Big(1-\frac t\pi\Big)\cos nt\,dt=\frac{1-(-1)^n}{\pi^2n^2}",
    )
    d.identity("it vanishes at pi", f(pi), 0, shown=r"f(\pi)=0")
    E = pi / 200
    g = lambda u: pi * f(u)  # noqa: E731
    d.identity(
        "slope",
        sp.diff(g(t), t),
        -1 - 3 * E * sp.sin(3 * t),
        r"With $g=\pi f$ and $E=\pi/200$: $g'\le-1+3E<0$.",
        shown=r"g'=-1-3E\sin3t",
    )
    d.identity(
        "curvature",
        sp.diff(g(t), t, 2),
        -9 * E * sp.cos(3 * t),
        r"$|g''|\le9E$ and $0\le g\le\pi+2E$.",
        shown=r"g''=-9E\cos3t",
    )
    d.certificate(
        "strict decrease and strict log-concavity",
        bool(1 - 3 * E > 0) and bool(9 * E * (pi + 2 * E) - (1 - 3 * E) ** 2 < 0),
        r"$gg''-g'^2\le9E(\pi+2E)-(1-3E)^2<0$: so $f(\alpha)f(\beta)>f(\alpha+\beta)f(0)$ as in Lemma 4.3.",
        (rf"9E(\pi+2E)-(1-3E)^2\approx{float(9 * E * (pi + 2 * E) - (1 - 3 * E) ** 2):.3f}<0",),
        reason="exact comparison of numbers",
    )
    matrix, rhs = angular_system(f, [pi / 6, 2 * pi / 3, 11 * pi / 6])
    minors = [
        sp.nsimplify(value, rational=True) if value.is_Rational else value
        for value in replaced_determinants(matrix, rhs)
    ]
    expected = [sp.Rational(73027, 360000), sp.Rational(51809, 18000000), sp.Rational(74033, 360000)]
    d.certificate(
        "all determinants positive",
        bool(matrix.det() == sp.Rational(7373909, 18000000) and minors == expected),
        r"At $(\frac\pi6,\frac{2\pi}3,\frac{11\pi}6)$, exactly.",
        (rf"\det M={sp.latex(matrix.det())},\quad \det M_i={', '.join(sp.latex(v) for v in minors)}",),
        reason="exact rational arithmetic",
    )
    wave = lambda u: sp.cos(u) + sp.cos(3 * u) / 10  # noqa: E731
    angles = [pi * k / 5 for k in (1, 3, 7, 9)]
    matrix, rhs = angular_system(wave, angles)
    ones = sp.ones(4, 1)
    d.identity(
        "m = 4 too",
        matrix * ones - rhs,
        sp.zeros(4, 1),
        r"$f=\cos t+\frac1{10}\cos3t$ at $\frac\pi5(1,3,7,9)$: together with angle $\pi$ these are the negatives of a regular pentagon; $M\mathbf 1=b$ exactly, all Cramer ratios are 1.",
        shown=r"M(1,1,1,1)^\top=b",
    )
    d.certificate(
        "with positive determinant",
        bool(sp.radsimp(sp.simplify(matrix.det(method="berkowitz"))).is_positive),
        "$\\det M>0$, so all $\\det M_i=\\det M>0$.",
        (rf"\det M\approx{float(matrix.det(method='berkowitz')):.4f}",),
        reason="exact sign of an algebraic number",
    )
    return d.refuted(
        "$f(t)=1-t/\\pi+(1+\\cos3t)/200$ is PAD, strictly decreasing, strictly log-concave with $f(\\pi)=0$, and at $(\\pi/6,2\\pi/3,11\\pi/6)$ every $\\det M_i>0$"
    )


def _two_students(effort: Effort) -> Outcome:
    d = Derivation("alignment.lem4.2")
    f0, f1, f2, rise = sp.symbols("f_0 f_1 f_2 delta", positive=True)
    matrix, rhs = sp.Matrix([[f0, f2], [f2, f0]]), sp.Matrix([f1, f1])
    ratio = f1 / (f0 + f2)
    d.identity(
        "symmetric students",
        matrix * sp.Matrix([ratio, ratio]) - rhs,
        sp.zeros(2, 1),
        r"$m=2$, angles $\pm\epsilon$, $0<\epsilon<\frac\pi2$, with $f_0=f(0)$, $f_1=f(\epsilon)$, $f_2=f(2\epsilon)$.",
        shown=r"\rho_1=\rho_2=\frac{f(\epsilon)}{f(0)+f(2\epsilon)}",
    )
    d.sign(
        "positive determinant",
        matrix.det().subs(f0, f2 + rise),
        rise * (rise + 2 * f2),
        positive={rise: (rise, "alignment.lem4.2"), f2: (f2, "alignment.lem4.2")},
        statement=r"$f(0)=f(2\epsilon)+\delta$ with $\delta>0$, as $f$ decreases; so $\det M_1=\det M_2=\rho_1\det M>0$.",
        shown=r"\det M=(f_0-f_2)(f_0+f_2)>0",
    )
    return d.refuted(
        "students at $\\pm\\epsilon$ solve $M\\rho=b$ with positive lengths: the condition needs $m\\ge3$ (alignment itself holds for $m=2$, by Theorem 3.1)"
    )


def _three_dimensions_condition(effort: Effort) -> Outcome:
    d = Derivation("alignment.lem4.2")
    f0, f1, f2, rise = sp.symbols("f_0 f_1 f_2 delta", positive=True)
    matrix = sp.Matrix(3, 3, lambda i, j: f0 if i == j else f2)
    ratio = f1 / (f0 + 2 * f2)
    d.identity(
        "students around the teacher",
        matrix * sp.Matrix([ratio] * 3) - sp.Matrix([f1] * 3),
        sp.zeros(3, 1),
        r"In $\mathbb{R}^3$, three students at the same angle $\phi$ from the teacher, 120 degrees apart around it; $f_1=f(\phi)$, $f_2=f$ of their mutual angle.",
        shown=r"\rho_i=\frac{f_1}{f_0+2f_2}",
    )
    d.sign(
        "positive determinant",
        sp.expand(matrix.det().subs(f0, f2 + rise)),
        sp.expand(rise**2 * (rise + 3 * f2)),
        positive={rise: (rise, "alignment.lem4.2"), f2: (f2, "alignment.lem4.2")},
        shown=r"\det M=(f_0-f_2)^2(f_0+2f_2)>0",
    )
    from flint import arb, ctx

    with ctx.workprec(128):
        polar = arb(3) / 10
        mutual = (polar.cos() ** 2 - polar.sin() ** 2 / 2).acos()
        ball = ARC_COSINE.ball
        assert ball is not None
        rho = ball(polar) / (ball(arb(0)) + 2 * ball(mutual))
        d.certificate(
            "polar angle 0.3",
            bool(abs(rho - arb("0.346")) < arb("0.001")),
            "For $\\phi=0.3$ the lengths are 0.346.",
            (rf"\rho_i\in[{float(rho.lower()):.6f},{float(rho.upper()):.6f}]",),
            reason="ball arithmetic",
        )
    return d.refuted(
        "three students around the teacher in $\\mathbb{R}^3$ solve $M\\rho=b$ with positive lengths; they are no critical point, as (2) has further components"
    )


def _open_kernels(effort: Effort) -> Outcome:
    d = Derivation()
    rng = np.random.default_rng(98)
    parts = []
    for concentration in (0.5, 2.0, 5.0):
        kernel = von_mises(concentration)
        worst, count, largest = -np.inf, 0, -np.inf
        for m in (3, 4, 5):
            for family in (random_angles, near_degenerate_angles):
                angles = family(rng, effort.count(1_000, 100_000), m)
                signs = kernel.determinant_signs(angles)
                worst, count = max(worst, float(signs.min(axis=1).max())), count + len(angles)
                if family is random_angles:
                    largest = max(largest, float(kernel.cramer_ratios(angles).min(axis=1).max()))
        d.measurement(
            f"concentration {concentration}",
            worst < 0,
            f"{kernel.name}: some $\\det M_i<0$, proved, in all of {count} configurations with m = 3 to 5; of the uniform ones the least ratio $\\rho_i$ is at most {largest:.2g}.",
        )
        parts.append(f"{count} at k = {concentration} (worst {largest:.1g})")
    return d.open(
        f"no violation in {', '.join(parts)}: m = 3 to 5, half of them uniform and half near-degenerate, seed 98, signs proved; worst: the largest least Cramer ratio of the uniform ones. Which other kernels share the condition is not known either"
    )


CLAIMS = (
    Claim(
        "alignment.beyond.nullity",
        "Section 5.2, sharpened",
        r"For $f=\sin\theta+(\pi-\theta)\cos\theta$ and distinct angles with $p$ antipodal pairs, the nullity of $M$ is $\max(0,p-2)$.",
        Verdict.PROVED,
        _nullity,
        uses=("alignment.thm5.6",),
        assumes=(
            "a continuous function with absolutely summable Fourier coefficients equals its Fourier series",
            "Vandermonde's determinant for general m",
        ),
    ),
    Claim(
        "alignment.beyond.conj5.5.log_concave",
        "Conjecture 5.5 with hypotheses added",
        r"For every PAD function with $f$ strictly decreasing, $f(\pi)=0$ and $f(\alpha)f(\beta)>f(\alpha+\beta)f(0)$: for $m\ge3$ some $\det M_i\le0$.",
        Verdict.REFUTED,
        _log_concave_repair,
        uses=("alignment.def5.2.fourier", "alignment.pad.linear"),
    ),
    Claim(
        "alignment.beyond.detcond.two_students",
        "limit of Theorem A",
        r"The determinant condition for $m=2$: some $\det M_i\le0$.",
        Verdict.REFUTED,
        _two_students,
        uses=("alignment.lem4.2",),
    ),
    Claim(
        "alignment.beyond.detcond.three_dimensions",
        "limit of Theorem A",
        r"The determinant condition for $m=3$ students in $\mathbb{R}^3$: some $\det M_i\le0$.",
        Verdict.REFUTED,
        _three_dimensions_condition,
        uses=("alignment.lem4.2",),
    ),
    Claim(
        "alignment.beyond.which_kernels",
        "open",
        r"The determinant condition holds for the von Mises kernels $e^{k(\cos t-1)}$, $k>0$.",
        Verdict.OPEN,
        _open_kernels,
    ),
)
