"""Section 5.2 of the specialization paper: Theorem 6, as printed and mended, and Assumption 2."""

from __future__ import annotations

import numpy as np
import sympy as sp

from ..engine.attacks import errors_below, monte_carlo
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation, is_zero
from ..gaussian_integrals import vector_expectation
from . import dynamics_formulas as formulas
from .quadrature import planar_mean

__all__ = ["CLAIMS"]

pi = sp.pi
u, v = sp.symbols("u v")
t = sp.Symbol("theta")


def _printed_theorem_six(effort: Effort) -> Outcome:
    d = Derivation()
    first, second = vector_expectation(sp.Heaviside(u) * sp.Max(v, 0), (u, v), t)
    scale = sp.Symbol("s", positive=True)
    doubled = vector_expectation(sp.Heaviside(scale * u) * sp.Max(v, 0), (u, v), t)
    d.identity(
        "the left side has degree 0 in the student",
        sp.Matrix(doubled),
        sp.Matrix([first, second]),
        r"$z_k=1(w_k\cdot x>0)$ is the same for $w_k$ and $s\,w_k$, $s>0$. So $E[x\,z_kf^*_j]$ does not change with the length of $w_k$, while $\|w_k\|$ times a bracket does: its right sides for $w_k$ and "
        r"$2w_k$ differ by a factor of 2.",
        shown=r"E[x\,1(s\,w\cdot x>0)\,\sigma(v\cdot x)]=E[x\,1(w\cdot x>0)\,\sigma(v\cdot x)]",
    )
    printed = lambda length: length * (sp.pi - t)  # noqa: E731  # times a constant that does not depend on the student
    d.certificate(
        "the right side has degree 1",
        is_zero(printed(2 * scale) - 2 * printed(scale)) and not is_zero(printed(2 * scale) - printed(scale)),
        r"Printed coefficient of $w_j^*$, $\|w_j^*\|=1$: a constant times $\|w_k\|(\pi-\theta)$. It doubles with $w_k$, and is not 0 for $\theta<\pi$, whatever the constant other than 0.",
        reason="exact symbolic computation",
    )
    return d.refuted("the right side grows with the length of $w_k$, the left side does not depend on it")


def _theorem_six(effort: Effort) -> Outcome:
    d = Derivation()
    dimension, second_moment = sp.Symbol("d", positive=True), sp.Symbol("m_2", positive=True)
    first, second = vector_expectation(
        sp.Heaviside(u) * sp.Max(v, 0), (u, v), t, radial={2: second_moment}.__getitem__, dimension=dimension
    )
    d.identity(
        "any spherically symmetric law",
        sp.Matrix([first, second]),
        second_moment / (2 * pi * dimension) * sp.Matrix([sp.sin(t), pi - t]),
        r"$x=|x|\,\xi$ with $\xi$ uniform on the sphere and independent of the length; the expression has degree 2 in $x$, so it is the Gaussian one times $E|x|^2/d$. $m_2=E|x|^2$.",
        shown=r"E[x\,1(w\cdot x>0)\,\sigma(v\cdot x)]=\frac{E|x|^2}{2\pi d}\big[(\pi-\theta)\,v+\sin\theta\,w\big]\quad(|v|=|w|=1)",
    )
    d.identity(
        "the Gaussian constant",
        second.subs(second_moment, dimension),
        (pi - t) / (2 * pi),
        "For $N(0,I_d)$, $E|x|^2=d$: the constant is $1/2\\pi$.",
        shown=r"\frac{E|x|^2}{2\pi d}=\frac1{2\pi}",
    )
    sine, rest = sp.symbols("s r", positive=True)
    for name, value, form in (("w_k", first, sine), ("w_j^*", second, rest)):
        d.sign(
            f"between them: coefficient of {name}",
            value,
            form * second_moment / (2 * pi * dimension),
            positive={
                form: (sp.sin(t), "sine") if form is sine else (pi - t, "domain"),
                second_moment: (second_moment, "manifest"),
            },
            domain=(t, pi - t),
            statement="So the vector lies strictly between teacher and student for $0<\\theta<\\pi$.",
        )
    d.argument(
        "other lengths",
        r"$E[x\,z_kf^*_j]=\frac{E|x|^2}{2\pi d}\big[(\pi-\theta)w_j^*+\|w_j^*\|\sin\theta\,w_k/\|w_k\|\big]$.",
        "The left side has degree 1 in $w_j^*$ and degree 0 in $w_k$.",
        refuted_by="a spherically symmetric law and vectors of other lengths for which a sample mean differs",
        attack=lambda: _sphere_attack(effort),
    )
    return d.proved(
        "with the constant $E|x|^2/(2\\pi d)$, and unit vectors in the bracket; radial law and dimension free"
    )


def _sphere_attack(effort: Effort) -> Attack:
    """Each sample is turned in the plane of the two vectors, which leaves its law as it is and most of the variance out."""
    rng = np.random.default_rng(104)
    count, rows = effort.count(200_000, 1_000_000), []
    two_point = rng.choice([1.0, 2.0], count)
    laws = ((3, np.ones(count), 1.0), (4, rng.uniform(1, 2, count), 7 / 3), (2, two_point, 2.5))
    turns = np.exp(2j * np.pi * np.arange(6) / 6)
    for dimension, lengths, second in laws:
        x = rng.standard_normal((count, dimension))
        x *= (lengths / np.linalg.norm(x, axis=1))[:, None]
        turned = (x[:, 0] + 1j * x[:, 1])[:, None] * turns
        w, v = np.array([3.0, 0.0]), 0.5 * np.array([np.cos(1.0), np.sin(1.0)])
        along = np.stack([w / 3.0, v / 0.5])
        projected = along[:, 0, None, None] * turned.real + along[:, 1, None, None] * turned.imag
        both = (turned.real > 0) * np.maximum(0.5 * projected[1], 0)
        samples = np.mean(projected * both, axis=2).T
        expected = along @ (second / (2 * np.pi * dimension) * ((np.pi - 1.0) * v + 0.5 * np.sin(1.0) * w / 3.0))
        rows.append((samples.mean(axis=0), samples.std(axis=0) / count**0.5, expected, np.abs(expected)))
    means, errors, expected, scales = (np.stack(column) for column in zip(*rows, strict=True))
    return monte_carlo(
        f"sphere in dimension 3, uniform length in 4, lengths 1 or 2 in 2, {count} samples each, every one turned 6 times",
        means,
        errors,
        expected,
        scales,
    )


def _between(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm6.mended")
    coefficient, sine, rest = sp.symbols("k s r", positive=True)
    toward, own = formulas.psi(t), formulas.psi_student(t, 1)
    for name, value, form in (("w_j^*", toward, rest), ("w_k", own, sine)):
        d.sign(
            f"coefficient of {name}",
            value,
            form / (2 * pi),
            positive={form: (pi - t, "domain") if form is rest else (sp.sin(t), "sine")},
            domain=(t, pi - t),
            statement=r"Unit vectors; the vector is $E|x|^2/d$ times $\psi\,w_j^*+\psi'w_k$ with positive coefficients: in the open cone of the two.",
        )
    d.certificate(
        "the ends",
        is_zero(own.subs(t, 0)) and is_zero(own.subs(t, pi)) and is_zero(toward.subs(t, pi)),
        r"At $\theta=0$ it lies along the common direction; at $\theta=\pi$ it is 0.",
        reason="exact symbolic computation",
    )
    square = toward**2 + own**2 + 2 * toward * own * sp.cos(t)
    d.sign(
        "largest when close",
        -sp.diff(square, t),
        rest * sine**2 * coefficient,
        positive={
            rest: (pi - t, "domain"),
            sine: (sp.sin(t), "sine"),
            coefficient: (1 / pi**2, "manifest"),
        },
        domain=(t, pi - t),
        statement=r"The squared length $\psi^2+\psi'^2+2\psi\psi'\cos\theta$ falls as the angle grows.",
    )
    return d.proved("both coefficients are positive on $(0,\\pi)$; the length falls with the angle")


def _assumption_two(effort: Effort) -> Outcome:
    d = Derivation()
    first, second = vector_expectation(sp.Heaviside(u) * sp.Max(v, 0), (u, v), t)
    own, other, unit, unit_other = sp.symbols("n_k n_j w_k w_j", positive=True)
    d.identity(
        "the coefficients",
        other * (first * unit + second * unit_other),
        formulas.psi(t) * other * unit_other + formulas.psi_student(t, other / own) * own * unit,
        r"$w_k=n_k\hat w_k$, $w_j=n_j\hat w_j$; the left side is $n_j$ times that of unit vectors, as $z_k$ does not depend on $n_k$ and $f_j$ has degree 1 in $n_j$.",
        shown=r"n_j\Big[\frac{\sin\theta}{2\pi}\hat w_k+\frac{\pi-\theta}{2\pi}\hat w_j\Big]=\psi\,w_j+\frac{n_j\sin\theta}{2\pi n_k}w_k",
    )
    d.identity("zero at a straight angle", formulas.psi(pi), 0, shown=r"\psi(\pi)=0")
    right = pi / 2
    d.certificate(
        "not of the angle alone",
        not is_zero(formulas.psi_student(right, 2) - formulas.psi_student(right, 1)),
        r"For $0<\theta<\pi$ the two vectors are independent and the coefficients unique; at $\theta=\frac\pi2$ the second is $\frac1{2\pi}$ for $n_j=n_k$ and $\frac1\pi$ for $n_j=2n_k$.",
        reason="exact symbolic computation",
    )
    d.certificate(
        "not the derivative",
        not is_zero(formulas.psi_student(t, 1) - sp.diff(formulas.psi(t), t)),
        r"The derivative of $\psi$ is $-\frac1{2\pi}$.",
        reason="exact symbolic computation",
    )
    d.argument(
        "any dimension and lengths",
        r"$E[x\,z_kf_j]=\psi\,w_j+\psi'w_k$ in $\mathbb{R}^d$.",
        "The engine's derivation is for the plane of the two vectors; across it the mean is 0, as the part of $x$ there is independent and centred.",
        refuted_by="two vectors for which a quadrature of the mean differs",
        attack=lambda: _assumption_attack(effort),
    )
    return d.proved("$\\psi=(\\pi-\\theta)/2\\pi$, and a second coefficient that depends on the ratio of the lengths")


def _assumption_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(603)
    symbols = sp.symbols("theta ratio")
    psi, own = (sp.lambdify(symbols, value) for value in (formulas.psi(symbols[0]), formulas.psi_student(*symbols)))
    errors = []
    for _ in range(effort.count(200, 5_000)):
        w, v = rng.standard_normal((2, 2)) * 10 ** rng.uniform(-1, 1, (2, 1))
        lengths = np.linalg.norm([w, v], axis=1)
        theta = np.arctan2(abs(w[0] * v[1] - w[1] * v[0]), w @ v)
        mean = planar_mean(np.stack([w, v]), lambda x, w=w, v=v: x * ((x @ w > 0) * np.maximum(x @ v, 0))[:, None])
        computed = psi(theta, 0) * v + own(theta, lengths[1] / lengths[0]) * w
        errors.append(np.max(np.abs(mean - computed)) / lengths[1])
    return errors_below(
        "random pairs in the plane, lengths from 0.1 to 10, quadrature between kinks, seed 603", errors, 1e-13
    )


CLAIMS = (
    Claim(
        "specialization.thm6",
        "Theorem 6, as printed",
        r"If $x$ is spherically symmetric, $E[x\,z_kf_j^*]\propto\|w_j^*\|\,\|w_k\|\,[(\pi-\theta)w_j^*+\sin\theta\,w_k]$ for vectors of any length.",
        Verdict.REFUTED,
        _printed_theorem_six,
    ),
    Claim(
        "specialization.thm6.mended",
        "Theorem 6, degrees corrected, with its constant",
        r"If $x\in\mathbb{R}^d$ is spherically symmetric, $E[x\,z_kf_j^*]=\frac{E|x|^2}{2\pi d}\big[(\pi-\theta)w_j^*+\|w_j^*\|\sin\theta\,w_k/\|w_k\|\big]$: between $w_j^*$ and $w_k$.",
        Verdict.PROVED,
        _theorem_six,
    ),
    Claim(
        "specialization.thm6.between",
        "after Theorem 6",
        r"$E[x\,z_kf_j^*]$ lies between $w_j^*$ and $w_k$ for $0\le\theta\le\pi$, strictly for $0<\theta<\pi$, and is 0 for $\theta=\pi$; its length falls as $\theta$ grows. For spherically symmetric $x$.",
        Verdict.PROVED,
        _between,
        uses=("specialization.thm6.mended",),
    ),
    Claim(
        "specialization.assump2",
        "Assumption 2",
        r"For $x\sim N(0,I_d)$, $E[x\,z_kf_j]=\psi(\theta_{jk})w_j+\psi'w_k$ with $\psi(\theta)=\frac{\pi-\theta}{2\pi}$, $\psi(\pi)=0$, and $\psi'=\frac{|w_j|\sin\theta_{jk}}{2\pi|w_k|}$. For $0<\theta<\pi$ no other coefficients do: $\psi'$ is not a function of the angle alone, as the notation has it, nor the derivative of $\psi$.",
        Verdict.PROVED,
        _assumption_two,
    ),
)
