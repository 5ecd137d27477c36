"""Section 5.2 of the alignment paper: angular-distance functions and their definiteness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sympy as sp

from alignmath.angular import (
    ARC_COSINE,
    RAISED_COSINE,
    AngularDistance,
    exponential,
    fourier_series,
    triangle,
    von_mises,
)

from ..engine.attacks import errors_below, none_below, random_angles
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from ..engine.exact import angular_system
from . import formulas
from .half_plane import definiteness, linear_coefficients

__all__ = ["CLAIMS", "profile_coefficients"]

pi = sp.pi
t, x, y, e, c = sp.symbols("t x y epsilon c", positive=True)
a, b = sp.symbols("alpha beta", positive=True)
n = sp.Symbol("n", integer=True, positive=True)
k = sp.Symbol("k", integer=True, nonnegative=True)
g, h = sp.symbols("g h", positive=True)
_ABSOLUTE = "a continuous function with non-negative Fourier coefficients has summable ones (Fejer) and equals its Fourier series"


def _fourier_criterion(effort: Effort) -> Outcome:
    d = Derivation()
    shifted = sp.cos(n * y) * sp.cos(n * t) - sp.sin(n * y) * sp.sin(n * t)  # cos n(y + t)
    inner = sum(sp.integrate(term, (y, 0, 2 * pi)) for term in sp.expand(shifted * sp.cos(n * y)).args)
    d.identity(
        "test function cos nx",
        inner,
        pi * sp.cos(n * t),
        r"With $h=\cos n\,\cdot$ and $t=x-y$, $\iint h(x)F(x-y)h(y)\,dx\,dy=\int F(t)\int\cos n(y+t)\cos ny\,dy\,dt=\pi\int F(t)\cos nt\,dt=2\pi^2\hat F(n)$ for $n\ge1$ ($4\pi^2\hat F(0)$ for "
        r"$n=0$). So an AD function has $\hat F(n)\ge0$ for all $n$.",
        shown=r"\int_0^{2\pi}\cos n(y+t)\cos ny\,dy=\pi\cos nt",
    )
    d.argument(
        "and conversely",
        r"If no $\hat F(n)$ is negative, $F(t)=\sum_n\hat F(n)e^{int}$, so $\iint h(x)F(x-y)h(y)\,dx\,dy=4\pi^2\sum_n\hat F(n)|\hat h(n)|^2\ge0$ for every continuous real $h$.",
        "The coefficients are summable, so the series converges uniformly and can be integrated term by term.",
        refuted_by="a kernel without negative coefficients and a function h with a negative double integral",
        attack=lambda: _double_integral_attack(effort, (exponential(), triangle(), von_mises(), RAISED_COSINE)),
    )
    return d.proved("the double integrals are sums of the coefficients times squares")


def _semidefinite(effort: Effort) -> Outcome:
    d = Derivation("alignment.def5.2.fourier")
    d.argument(
        "quadratic form",
        r"The coefficients of an AD function are not negative (`alignment.def5.2.fourier`): $z^\top Mz=\sum_n\hat F(n)\,|\sum_jz_je^{in\theta_j}|^2\ge0$.",
        _ABSOLUTE[0].upper() + _ABSOLUTE[1:] + ".",
        refuted_by="an AD function and angles for which M has a negative eigenvalue",
        attack=lambda: _eigenvalue_attack(effort),
    )
    return d.proved("a sum of squares with the Fourier coefficients")


def _eigenvalue_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(31)
    margins = []
    for _ in range(effort.count(40, 1000)):
        series = fourier_series(rng.exponential(size=rng.integers(2, 12)).tolist())
        for kernel in (
            series,
            exponential(rng.uniform(0.1, 5)),
            triangle(rng.uniform(0.1, 3)),
            von_mises(rng.uniform(0.1, 5)),
        ):
            matrix = kernel.matrix(random_angles(rng, 5, int(rng.integers(2, 9))))
            margins.append(np.linalg.eigvalsh(matrix).min(axis=-1) / matrix[:, 0, 0] + 1e-13)
    return none_below(
        "least eigenvalue over f(0), to 1e-13, for random series and three families", np.concatenate(margins)
    )


def profile_coefficients(d: Derivation) -> None:
    """Steps: the Fourier coefficients of F and their signs."""
    integral = sp.integrate(sp.expand(formulas.profile(t)) * sp.cos(n * t), (t, 0, pi)) / pi
    general = next(value for value, condition in integral.args[-1].args if condition == sp.Ne(n, 1)) * sp.prod(
        integral.args[:-1]
    )
    d.identity(
        "Fourier coefficients",
        general,
        formulas.fourier_profile(n),
        "For integers $n\\ge2$.",
        reason="symbolic integration",
        shown=r"\hat F(n)=\frac1\pi\int_0^\pi f(t)\cos nt\,dt=\frac{2(1+(-1)^n)}{\pi(n^2-1)^2}",
    )
    d.identity(
        "constant",
        sp.integrate(formulas.profile(t), (t, 0, pi)) / pi,
        formulas.fourier_profile(0),
        shown=r"\hat F(0)=4/\pi",
    )
    d.identity(
        "first order",
        sp.integrate(formulas.profile(t) * sp.cos(t), (t, 0, pi)) / pi,
        pi / 4,
        shown=r"\hat F(\pm1)=\pi/4",
    )
    d.identity("odd orders vanish", formulas.fourier_profile(2 * k + 3), 0, shown=r"\hat F(2k+3)=0")
    d.sign(
        "even orders are positive",
        formulas.fourier_profile(2 * k),
        4 * g,
        positive={g: (1 / (pi * (4 * k**2 - 1) ** 2), "manifest")},
        shown=r"\hat F(2k)=\frac{4}{\pi(4k^2-1)^2}>0",
    )


def _profile_is_angular(effort: Effort) -> Outcome:
    d = Derivation()
    profile_coefficients(d)
    d.argument(
        "so it is an AD function",
        r"No Fourier coefficient is negative; so $F$ is an AD function (`alignment.def5.2.fourier`).",
        "$F$ is continuous.",
        refuted_by="a function h with a negative double integral",
        attack=lambda: _double_integral_attack(effort, (ARC_COSINE,)),
    )
    return d.proved(
        "$\\hat F(n)=4/(\\pi(n^2-1)^2)$ for even $n$, $\\pi/4$ for $n=\\pm1$, 0 otherwise: none is negative"
    )


def _double_integral_attack(effort: Effort, kernels: Sequence[AngularDistance]) -> Attack:
    """Double integrals of random functions on a grid, most of them turned away from the strongest orders of the kernel."""
    rng = np.random.default_rng(32)
    size = 256
    distance = 2 * np.pi * np.arange(size) / size
    count, errors = effort.count(1_000, 20_000), []
    for kernel in kernels:
        matrix = kernel(distance[:, None] - distance[None, :])
        spectrum = np.abs(np.fft.rfft(matrix[0]))
        white = np.fft.rfft(rng.standard_normal((count, size)), axis=1)
        turned = white * (spectrum + 1e-6 * spectrum.max()) ** -rng.uniform(0, 1, (count, 1))
        values = np.fft.irfft(turned, size)
        values /= np.linalg.norm(values, axis=1)[:, None]
        errors.append(-np.sum((values @ matrix) * values, axis=1) / spectrum.max())
    return errors_below(
        f"double integrals of random functions with {', '.join(k.name for k in kernels)}: how negative, relative to the largest possible",
        np.concatenate(errors),
        1e-14,
    )


def _zero(effort: Effort) -> Outcome:
    d = Derivation()
    matrix, rhs = angular_system(lambda u: 0 * u, [sp.Integer(1), sp.Integer(2), sp.Integer(3)])
    d.certificate(
        "all matrices vanish",
        bool(matrix == sp.zeros(3, 3) and rhs == sp.zeros(3, 1)),
        "With $f\\equiv0$ every $\\iint hgh=0\\ge0$, and $M=M_i=0$.",
        reason="substitution",
    )
    return d.proved("by substitution")


def _linear(effort: Effort) -> Outcome:
    d = Derivation("alignment.lem4.5")
    linear_coefficients(d)
    d.argument(
        "AD and definite",
        r"No Fourier coefficient of $\pi-|t|$ is negative, so it is an AD function (`alignment.def5.2.fourier`), and $M\succ0$ without antipodal pairs is Lemma 4.5.",
        "This is Definition 5.7.",
        refuted_by="angles without antipodal pair where $[\\pi-\\theta_{ij}]$ has no positive least eigenvalue",
        attack=lambda: _definite_attack(effort),
    )
    return d.proved("non-negative coefficients and Lemma 4.5")


def _definite_attack(effort: Effort) -> Attack:
    from alignmath.angular import LINEAR

    rng = np.random.default_rng(33)
    definite = [LINEAR.is_positive_definite(random_angles(rng, effort.count(1_000, 20_000), m)) for m in (3, 5, 8)]
    return none_below(
        "positive definite at random angles, decided with error bound or in balls (1 or 0)",
        np.concatenate(definite).astype(float),
        0.5,
    )


def _profile_is_definite(effort: Effort) -> Outcome:
    d = Derivation()
    profile_coefficients(d)
    definiteness(d, effort, ARC_COSINE, "even")
    return d.proved(
        "all even Fourier coefficients are positive; no conjecture needed. In fact $M\\succ0$ up to two antipodal pairs (`alignment.beyond.nullity`)"
    )


CLAIMS = (
    Claim(
        "alignment.def5.2.fourier",
        "Definition 5.2, by Fourier coefficients (the argument of Appendix D, which is missing)",
        r"A continuous $F$ is an AD function if and only if $\hat F(n)\ge0$ for all $n$.",
        Verdict.PROVED,
        _fourier_criterion,
        assumes=(_ABSOLUTE,),
    ),
    Claim(
        "alignment.prop5.4",
        "Proposition 5.4 (Appendix D.1 is missing)",
        r"For an AD function $g$ and any angles, the associated matrix $M$ is positive semi-definite.",
        Verdict.PROVED,
        _semidefinite,
        assumes=(_ABSOLUTE,),
        uses=("alignment.def5.2.fourier",),
    ),
    Claim(
        "alignment.thm5.6",
        "Theorem 5.6 (Appendix D.2 is missing)",
        r"$f(\theta)=\sin\theta+(\pi-\theta)\cos\theta$ is an AD function: $\hat F(n)=\frac{4}{\pi(n^2-1)^2}$ for even $n$, $\frac\pi4$ for $n=\pm1$, and 0 for other odd $n$.",
        Verdict.PROVED,
        _profile_is_angular,
        uses=("alignment.def5.2.fourier",),
    ),
    Claim("alignment.ad.zero", "Section 5.2", r"$g\equiv0$ is an AD function with $M=0$.", Verdict.PROVED, _zero),
    Claim(
        "alignment.pad.linear",
        "Section 5.2, after Definition 5.7",
        r"$f=\pi-\theta$ gives a PAD function.",
        Verdict.PROVED,
        _linear,
        uses=("alignment.lem4.5", "alignment.def5.2.fourier"),
    ),
    Claim(
        "alignment.pad.f",
        "Section 5.2 (there conditional on Conjecture 5.8)",
        r"$f(\theta)=\sin\theta+(\pi-\theta)\cos\theta$ gives a PAD function: $M\succ0$ for distinct angles without antipodal pair.",
        Verdict.PROVED,
        _profile_is_definite,
        assumes=(
            "a continuous function with absolutely summable Fourier coefficients equals its Fourier series",
            "Vandermonde's determinant for general m",
        ),
        uses=("alignment.thm5.6",),
    ),
)
