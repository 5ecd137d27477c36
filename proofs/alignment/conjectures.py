"""Section 5.2 of the alignment paper: Conjectures 5.5 and 5.8, both false as stated, and Theorem 5.9, which rests on them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import sympy as sp
from sympy.simplify.fu import TR8

from alignmath.angular import AngularDistance

from ..engine.attacks import none_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation, is_zero
from ..engine.exact import angular_system, replaced_determinants
from . import formulas

__all__ = ["CLAIMS", "bump", "decaying"]

pi = sp.pi
t, e, c = sp.symbols("t epsilon c", positive=True)
a, b = sp.symbols("alpha beta", positive=True)
n = sp.Symbol("n", integer=True, positive=True)
g = sp.Symbol("g", positive=True)


def bump(u: Any, constant: Any = 1, width: Any = 1) -> Any:
    """`c + max(epsilon - t, 0)`: refutes Conjecture 5.5."""
    return constant + sp.Max(width - u, 0)


def _refute_determinants(effort: Effort) -> Outcome:
    d = Derivation("alignment.def5.2.fourier")
    beyond = sp.Symbol("delta", positive=True)
    for argument, value, where in ((e - beyond, c + beyond, "before"), (e + beyond, c, "after")):
        d.identity(
            f"the function {where} its kink",
            bump(argument, c, e),
            value,
            r"$f(t)=c+\max(\epsilon-t,0)$ with $c>0$, $0<\epsilon<\pi$.",
        )
    d.identity(
        "Fourier coefficients",
        sp.integrate((c + e - t) * sp.cos(n * t), (t, 0, e)) / pi + sp.integrate(c * sp.cos(n * t), (t, e, pi)) / pi,
        2 * sp.sin(n * e / 2) ** 2 / (pi * n**2),
        r"Order $n\ge1$; a square, so none is negative.",
        shown=r"\hat F(n)=\frac1\pi\int_0^\pi f(t)\cos nt\,dt=\frac{1-\cos n\epsilon}{\pi n^2}=\frac{2\sin^2(n\epsilon/2)}{\pi n^2}\ge0",
    )
    d.sign(
        "constant",
        sp.integrate(c + e - t, (t, 0, e)) / pi + sp.integrate(c, (t, e, pi)) / pi,
        c + e**2 * g,
        positive={c: (c, "domain"), e: (e, "domain"), g: (1 / (2 * pi), "manifest")},
        domain=(c, e),
        statement="So $f$ is an AD function (`alignment.def5.2.fourier`).",
        shown=r"\hat F(0)=c+\frac{\epsilon^2}{2\pi}>0",
    )
    for angles, what in (
        ([sp.Rational(3, 2), 3, sp.Rational(9, 2)], "m = 3"),
        ([sp.Rational(5 * j, 4) for j in (1, 2, 3, 4)], "m = 4"),
    ):
        matrix, rhs = angular_system(bump, [sp.Rational(angle) for angle in angles])
        m = len(angles)
        d.certificate(
            f"counterexample, {what}",
            bool(matrix.det() == m + 1 and replaced_determinants(matrix, rhs) == [1] * m),
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
        r"For any $m$ and $\epsilon<2\pi/(m+1)$, angles with all gaps above $\epsilon$ give $M=cJ+\epsilon I$, $b=c\mathbf 1$: $\rho_i=c/(cm+\epsilon)>0$.",
        shown=r"(cJ+\epsilon I)\,\frac{c}{cm+\epsilon}\mathbf 1=c\,\mathbf 1",
    )
    for m in (3, 4, 5):
        d.identity(
            f"determinant, m = {m}",
            sp.expand((c * sp.ones(m, m) + e * sp.eye(m)).det(method="berkowitz")),
            sp.expand(e ** (m - 1) * (c * m + e)),
            r"So every $\det M_i=\rho_i\det M>0$. (Any $m$: $J$ has the eigenvalues $m$, once, and 0.)",
            shown=r"\det(cJ+\epsilon I)=\epsilon^{m-1}(cm+\epsilon)",
        )
    _strictly_decreasing(d)
    return d.refuted(
        "$f(t)=1+\\max(1-t,0)$ is an AD function; at $(3/2, 3, 9/2)$ $\\det M=4$ and every $\\det M_i=1$; likewise for every $m$"
    )


def decaying(u: Any, exp: Callable[[Any], Any]) -> Any:
    """`1 + exp(-t)`, for any arithmetic that has `exp`: strictly decreasing, refutes Conjecture 5.5."""
    return 1 + exp(-u)


def _strictly_decreasing(d: Derivation) -> None:
    """Steps: strict decrease is no cure; `1 + exp(-t)` at the same angles."""
    f = decaying(t, sp.exp)
    d.sign(
        "a strictly decreasing example",
        -sp.diff(f, t),
        g,
        positive={g: (sp.exp(-t), "manifest")},
        statement="$f(t)=1+e^{-t}$.",
        shown=r"-f'(t)=e^{-t}>0",
    )
    k = sp.Symbol("k", integer=True, positive=True)
    coefficient = sp.simplify(sp.integrate(sp.expand(f * sp.cos(n * t)), (t, 0, pi)) / pi)
    for order, factor, parity in ((2 * k, 1 - sp.exp(-pi), "even"), (2 * k - 1, 1 + sp.exp(-pi), "odd")):
        d.sign(
            f"its coefficients of {parity} order",
            coefficient.subs(n, order),
            factor * g,
            positive={g: (1 / (pi * (1 + order**2)), "manifest")},
            shown=rf"\hat F({sp.latex(order)})=\frac{{{sp.latex(factor)}}}{{\pi(1+({sp.latex(order)})^2)}}>0",
        )
    d.sign(
        "and of order 0",
        sp.integrate(f, (t, 0, pi)) / pi,
        1 + (1 - sp.exp(-pi)) * g,
        positive={g: (1 / pi, "manifest")},
        statement="So it is an AD function (`alignment.def5.2.fourier`).",
    )
    angles = np.array([1.5, 3.0, 4.5])
    kernel = AngularDistance(
        lambda u: decaying(u, np.exp), "1 + exp(-t)", ball=lambda u: decaying(u, lambda x: x.exp())
    )
    d.certificate(
        "positive determinants",
        bool(np.all(kernel.determinant_signs(angles) == 1)) and bool(kernel.is_positive_definite(angles)),
        r"At $(\frac32,3,\frac92)$, $\det M>0$ and every $\det M_i>0$.",
        reason="float64 with an error bound, or balls",
    )


def _refute_criterion(effort: Effort) -> Outcome:
    d = Derivation("alignment.def5.2.fourier")
    _cosine(d)
    _raised_cosine(d)
    return d.refuted(
        "$\\cos t$ and $1+\\cos t$ satisfy the hypotheses and have kernels of rank 2 and 3: $M$ is singular. A correct criterion: all even, or all odd, Fourier coefficients positive"
    )


def _cosine(d: Derivation) -> None:
    """`f = cos t` satisfies the hypotheses, and its kernel has rank 2."""
    domain = (a, b, pi - a - b)
    sa, sb = sp.symbols("s_a s_b", positive=True)
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
        statement=r"Adding a constant changes neither this nor the coefficients of order $n\ge1$.",
    )
    for order, value in ((n + 1, 0), (1, sp.Rational(1, 2)), (0, 0)):
        d.identity(
            f"its Fourier coefficient of order {order}",
            sp.integrate(TR8(sp.cos(t) * sp.cos(order * t)), (t, 0, pi)) / pi,
            value,
            r"$\cos t$ has the coefficients $\frac12$ at $\pm1$ and 0 elsewhere, $1+\cos t$ has besides 1 at 0: both are AD functions (`alignment.def5.2.fourier`).",
            shown=rf"\frac1\pi\int_0^\pi\cos t\cos(({sp.latex(order)})t)\,dt={sp.latex(value)}",
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


def _raised_cosine(d: Derivation) -> None:
    """`f = 1 + cos t`, which is not negative, does too, with rank 3."""
    domain = (a, b, pi - a - b)
    sa, sb, ca, cb, cab = sp.symbols("s_a s_b c_a c_b c_ab", positive=True)
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


def _vacuous(effort: Effort) -> Outcome:
    d = Derivation()
    d.argument(
        "false hypotheses, true conclusion",
        "Conjectures 5.5 and 5.8 are both false (`alignment.conj5.5`, `alignment.conj5.8`), so the implication holds but says nothing. Its conclusion is true without them (`alignment.main`), because the determinant condition is a property of this particular "
        "$f$ (`alignment.detcond`).",
        "An implication with a false hypothesis is true.",
        refuted_by="one of the two counterexamples failing its exact check",
        attack=_both_counterexamples,
    )
    return d.proved("vacuous: both hypotheses are false; the conclusion holds by `alignment.main`")


def _both_counterexamples() -> Attack:
    """The exact counterexamples of the two conjectures, computed once more."""
    matrix, rhs = angular_system(bump, [sp.Rational(3, 2), sp.Integer(3), sp.Rational(9, 2)])
    cosine, _ = angular_system(sp.cos, [sp.Rational(1, 2), sp.Integer(1), sp.Rational(3, 2)])
    positive = [float(value) for value in replaced_determinants(matrix, rhs)]
    singular = 1.0 if is_zero(cosine.det(method="berkowitz")) else -1.0
    return none_below(
        "all det M_i of the first counterexample; 1 if the second matrix is exactly singular", [*positive, singular]
    )


CLAIMS = (
    Claim(
        "alignment.conj5.5",
        "Conjecture 5.5, as stated",
        r"For every AD function, $m\ge3$ and $0=\theta_0<\theta_1<\dots<\theta_m<2\pi$, some $\det M_i\le0$.",
        Verdict.REFUTED,
        _refute_determinants,
        uses=("alignment.def5.2.fourier",),
    ),
    Claim(
        "alignment.conj5.8",
        "Conjecture 5.8, as stated",
        r"An AD function with $f$ strictly decreasing and $f(\alpha)f(\beta)>f(\alpha+\beta)f(0)$ for $\alpha,\beta,\alpha+\beta\in(0,\pi)$ is PAD.",
        Verdict.REFUTED,
        _refute_criterion,
        uses=("alignment.def5.2.fourier",),
    ),
    Claim(
        "alignment.thm5.9",
        "Theorem 5.9",
        "If Conjectures 5.5 and 5.8 hold then (2) has no non-trivial solution.",
        Verdict.PROVED,
        _vacuous,
        uses=("alignment.conj5.5", "alignment.conj5.8", "alignment.main", "alignment.detcond"),
    ),
)
