"""Section 5.2 of the alignment paper: Conjectures 5.5 and 5.8, both false as stated, and Theorem 5.9, which rests on them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import sympy as sp

from alignmath.angular import AngularDistance, exponential, von_mises

from ..attacks import none_below
from ..claims import Attack, Claim, Effort, Outcome, Verdict
from ..derivation import Derivation, is_zero
from ..exact import angular_system, replaced_determinants
from . import formulas

__all__ = ["CLAIMS"]

_PAPER = "alignment"
pi = sp.pi
t, e, c = sp.symbols("t epsilon c", positive=True)
a, b = sp.symbols("alpha beta", positive=True)
n = sp.Symbol("n", integer=True, positive=True)
g = sp.Symbol("g", positive=True)


def _refute_determinants(effort: Effort) -> Outcome:
    d = Derivation()
    triangle_coefficient = sp.integrate((e - t) * sp.cos(n * t), (t, 0, e)) / pi
    d.identity(
        "Fourier coefficients",
        triangle_coefficient,
        (1 - sp.cos(n * e)) / (pi * n**2),
        r"$f(t)=c+\max(\epsilon-t,0)$ with $c>0$, $0<\epsilon<\pi$; order $n\ge1$. The constant is $c+\epsilon^2/(2\pi)>0$.",
        shown=r"\hat F(n)=\frac1\pi\int_0^\epsilon(\epsilon-t)\cos nt\,dt=\frac{1-\cos n\epsilon}{\pi n^2}\ge0",
    )
    d.identity(
        "none is negative",
        1 - sp.cos(n * e),
        2 * sp.sin(n * e / 2) ** 2,
        "So $f$ is an AD function (`align.prop5.4`).",
        shown=r"1-\cos n\epsilon=2\sin^2(n\epsilon/2)\ge0",
    )
    f = lambda u: 1 + sp.Max(1 - u, 0)  # noqa: E731
    for angles, what in (
        ([sp.Rational(3, 2), 3, sp.Rational(9, 2)], "m = 3"),
        ([sp.Rational(5 * j, 4) for j in (1, 2, 3, 4)], "m = 4"),
    ):
        matrix, rhs = angular_system(f, [sp.Rational(angle) for angle in angles])
        m = len(angles)
        minors = replaced_determinants(matrix, rhs)
        d.certificate(
            f"counterexample, {what}",
            bool(matrix.det() == m + 1 and minors == [1] * m),
            rf"$c=\epsilon=1$ at $\theta=({', '.join(sp.latex(q) for q in angles)})$: all distances are at least 1, so $M=J+I$ and $b=(1,\dots,1)^\top$; $\det M={m + 1}$ and every "
            r"$\det M_i=1>0$.",
            (rf"M={sp.latex(matrix)},\quad \det M_i=1",),
            reason="exact rational arithmetic",
        )
    size = sp.Symbol("m", positive=True)
    d.identity(
        "every m",
        c * size * (c / (c * size + e)) + e * (c / (c * size + e)),
        c,
        r"For any $m$ and $\epsilon<2\pi/(m+1)$, angles with all gaps above $\epsilon$ give $M=cJ+\epsilon I$, $b=c\mathbf 1$: $\rho_i=c/(cm+\epsilon)>0$, and $\det M=\epsilon^{m-1}(cm+\epsilon)>0$, so every "
        r"$\det M_i=\rho_i\det M>0$.",
        shown=r"(cJ+\epsilon I)\,\frac{c}{cm+\epsilon}\mathbf 1=c\,\mathbf 1",
    )
    angles = np.array([1.5, 3.0, 4.5])
    d.identity(
        "Fourier coefficients of exp(-t)",
        sp.simplify(sp.integrate(sp.exp(-t) * sp.cos(n * t), (t, 0, pi)) / pi),
        (1 - (-1) ** n * sp.exp(-pi)) / (pi * (1 + n**2)),
        shown=r"\frac1\pi\int_0^\pi e^{-t}\cos nt\,dt=\frac{1-(-1)^ne^{-\pi}}{\pi(1+n^2)}>0",
    )
    for kernel, tex, why in (
        (exponential_plus_one(), "1+e^{-t}", "an AD function by its coefficients"),
        (
            von_mises_plus_half(),
            r"\tfrac12+e^{5(\cos t-1)}",
            "an AD function, as powers of $\\cos t$ have non-negative coefficients",
        ),
    ):
        signs = kernel.determinant_signs(angles)
        d.certificate(
            f"strictly decreasing: {kernel.name}",
            bool(np.all(signs == 1)) and bool(kernel.is_positive_definite(angles)),
            rf"$f={tex}$, strictly decreasing, at the same angles: $\det M>0$ and every $\det M_i>0$.",
            reason=why + "; signs in float64 with an error bound, or in balls",
        )
    return d.refuted(
        "$f(t)=1+\\max(1-t,0)$ is an AD function; at $(3/2, 3, 9/2)$ $\\det M=4$ and every $\\det M_i=1$; likewise for every $m$"
    )


def exponential_plus_one() -> AngularDistance:
    """`f(t) = 1 + exp(-t)`: strictly decreasing, refutes Conjecture 5.5."""
    decay = exponential(1.0)
    return AngularDistance(lambda u: 1 + decay.function(u), "1 + exp(-t)", ball=lambda u: 1 + (-u).exp())


def von_mises_plus_half() -> AngularDistance:
    """`f(t) = 1/2 + exp(5 (cos t - 1))`: strictly decreasing, refutes Conjecture 5.5."""
    bump = von_mises(5.0)
    return AngularDistance(
        lambda u: 0.5 + bump.function(u),
        "1/2 + exp(5 (cos t - 1))",
        ball=lambda u: (5 * (u.cos() - 1)).exp() + 0.5,
        rounding=150.0,
    )


def _refute_criterion(effort: Effort) -> Outcome:
    d = Derivation()
    domain = (a, b, pi - a - b)
    sa, sb, ca, cb, cab = sp.symbols("s_a s_b c_a c_b c_ab", positive=True)
    d.identity(
        "f = cos t: the inequality",
        sp.cos(a) * sp.cos(b) - sp.cos(a + b) * sp.cos(0),
        formulas.opposite_sines(a, b),
        shown=r"\cos\alpha\cos\beta-\cos(\alpha+\beta)\cos0=\sin\alpha\sin\beta",
    )
    d.sign(
        "it holds",
        formulas.opposite_sines(a, b),
        sa * sb,
        positive={sa: (sp.sin(a), "sine"), sb: (sp.sin(b), "sine")},
        domain=domain,
    )
    d.sign(
        "it decreases strictly",
        -sp.diff(sp.cos(t), t),
        g,
        positive={g: (sp.sin(t), "sine")},
        domain=(t, pi - t),
        statement=r"And it is an AD function: $\hat F(\pm1)=\frac12$, the rest 0.",
    )
    angles = [sp.Rational(1, 2), sp.Integer(1), sp.Rational(3, 2)]
    matrix, _ = angular_system(sp.cos, angles)
    d.identity(
        "but M is singular",
        matrix.det(method="berkowitz"),
        0,
        r"at $\theta=(\frac12,1,\frac32)$, without antipodal pair: the kernel $\cos(\theta_i-\theta_j)$ has rank 2.",
        shown=r"\det[\cos(\theta_i-\theta_j)]=0",
    )
    raised = lambda u: 1 + sp.cos(u)  # noqa: E731
    d.identity(
        "f = 1 + cos t: the inequality",
        raised(a) * raised(b) - raised(a + b) * raised(0),
        4 * sp.sin(a / 2) * sp.sin(b / 2) * (sp.cos((a + b) / 2) + sp.cos(a / 2) * sp.cos(b / 2)),
        "A non-negative example with $f(\\pi)=0$.",
        shown=r"f(\alpha)f(\beta)-f(\alpha+\beta)f(0)=4\sin\tfrac\alpha2\sin\tfrac\beta2\big[\cos\tfrac{\alpha+\beta}2+\cos\tfrac\alpha2\cos\tfrac\beta2\big]",
    )
    d.sign(
        "it holds too",
        4 * sp.sin(a / 2) * sp.sin(b / 2) * (sp.cos((a + b) / 2) + sp.cos(a / 2) * sp.cos(b / 2)),
        4 * sa * sb * (cab + ca * cb),
        positive={
            sa: (sp.sin(a / 2), "sine"),
            sb: (sp.sin(b / 2), "sine"),
            cab: (sp.cos((a + b) / 2), "cosine"),
            ca: (sp.cos(a / 2), "cosine"),
            cb: (sp.cos(b / 2), "cosine"),
        },
        domain=domain,
    )
    angles = sp.symbols("theta_1:5", real=True)
    feature = [sp.Matrix([1, sp.cos(q), sp.sin(q)]) for q in angles]
    for p, q in combinations(range(3), 2):
        d.identity(
            f"rank 3, entry {p + 1}{q + 1}",
            feature[p].dot(feature[q]),
            1 + sp.cos(angles[p] - angles[q]),
            r"$M=VV^\top$ with rows $(1,\cos\theta_j,\sin\theta_j)$ of length 3, so $\det M=0$ for every $m\ge4$.",
        )
    gram = sp.Matrix(4, 3, lambda i, j: sp.Symbol(f"v_{i + 1}{j + 1}"))
    d.identity(
        "such a determinant vanishes",
        sp.expand((gram * gram.T).det(method="berkowitz")),
        0,
        "for every 4 x 3 matrix V",
        shown=r"\det VV^\top=0\quad(V\in\mathbb{R}^{4\times3})",
    )
    return d.refuted(
        "$\\cos t$ and $1+\\cos t$ satisfy the hypotheses and have kernels of rank 2 and 3: $M$ is singular. A correct criterion: all even, or all odd, Fourier coefficients positive"
    )


def _vacuous(effort: Effort) -> Outcome:
    d = Derivation()
    d.argument(
        "false hypotheses, true conclusion",
        "Conjectures 5.5 and 5.8 are both false (`align.conj5.5`, `align.conj5.8`), so the implication holds but says nothing. Its conclusion is true without them (`align.main`), because the determinant condition is a property of this particular "
        "$f$ (`align.detcond`).",
        "An implication with a false hypothesis is true.",
        refuted_by="one of the two counterexamples failing its exact check",
        attack=_both_counterexamples,
    )
    return d.proved("vacuous: both hypotheses are false; the conclusion holds by `align.main`")


def _both_counterexamples() -> Attack:
    """The exact counterexamples of the two conjectures, computed once more."""
    bump, rhs = angular_system(lambda u: 1 + sp.Max(1 - u, 0), [sp.Rational(3, 2), sp.Integer(3), sp.Rational(9, 2)])
    cosine, _ = angular_system(sp.cos, [sp.Rational(1, 2), sp.Integer(1), sp.Rational(3, 2)])
    positive = [float(value) for value in replaced_determinants(bump, rhs)]
    singular = 1.0 if is_zero(cosine.det(method="berkowitz")) else -1.0
    return none_below(
        "all det M_i of the first counterexample; 1 if the second matrix is exactly singular", [*positive, singular]
    )


CLAIMS = (
    Claim(
        "align.conj5.5",
        _PAPER,
        "Conjecture 5.5, as stated",
        r"For every AD function, $m\ge3$ and $0=\theta_0<\theta_1<\dots<\theta_m<2\pi$, some $\det M_i\le0$.",
        Verdict.REFUTED,
        _refute_determinants,
        uses=("align.prop5.4",),
    ),
    Claim(
        "align.conj5.8",
        _PAPER,
        "Conjecture 5.8, as stated",
        r"An AD function with $f$ strictly decreasing and $f(\alpha)f(\beta)>f(\alpha+\beta)f(0)$ for $\alpha,\beta,\alpha+\beta\in(0,\pi)$ is PAD.",
        Verdict.REFUTED,
        _refute_criterion,
    ),
    Claim(
        "align.thm5.9",
        _PAPER,
        "Theorem 5.9",
        "If Conjectures 5.5 and 5.8 hold then (2) has no non-trivial solution.",
        Verdict.PROVED,
        _vacuous,
        uses=("align.conj5.5", "align.conj5.8", "align.main", "align.detcond"),
    ),
)
