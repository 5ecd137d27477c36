"""The claims of the specialization paper that the symbolic engine settles: Theorem 6, as printed and mended."""

from __future__ import annotations

import numpy as np
import sympy as sp

from ..attacks import monte_carlo
from ..claims import Attack, Claim, Effort, Outcome, Verdict
from ..derivation import Derivation, is_zero
from ..gaussian_integrals import vector_expectation

__all__ = ["CLAIMS"]

_PAPER = "specialization"
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
    rng = np.random.default_rng(104)
    count, rows = effort.count(2_500_000, 10_000_000), []
    two_point = rng.choice([1.0, 3.0], count)
    laws = ((3, np.ones(count), 1.0), (4, rng.uniform(0, 2, count), 4 / 3), (2, two_point, 5.0))
    for dimension, lengths, second in laws:
        x = rng.standard_normal((count, dimension))
        x *= (lengths / np.linalg.norm(x, axis=1))[:, None]
        w, v_long = 3.0 * np.eye(dimension)[0], np.zeros(dimension)
        v_long[:2] = 0.5 * np.cos(1.0), 0.5 * np.sin(1.0)
        along = np.stack([w / 3.0, v_long / 0.5])
        samples = (x @ along.T) * ((x @ w > 0) * np.maximum(x @ v_long, 0))[:, None]
        expected = along @ (second / (2 * np.pi * dimension) * ((np.pi - 1.0) * v_long + 0.5 * np.sin(1.0) * w / 3.0))
        rows.append((samples.mean(axis=0), samples.std(axis=0) / count**0.5, expected, np.abs(expected)))
    means, errors, expected, scales = (np.stack(column) for column in zip(*rows, strict=True))
    return monte_carlo(
        f"sphere in dimension 3, uniform length in 4, lengths 1 or 3 in 2, {count} samples each",
        means,
        errors,
        expected,
        scales,
    )


CLAIMS = (
    Claim(
        "special.thm6",
        _PAPER,
        "Theorem 6, as printed",
        r"If $x$ is spherically symmetric, $E[x\,z_kf_j^*]\propto\|w_j^*\|\,\|w_k\|\,[(\pi-\theta)w_j^*+\sin\theta\,w_k]$ for vectors of any length.",
        Verdict.REFUTED,
        _printed_theorem_six,
    ),
    Claim(
        "special.thm6.mended",
        _PAPER,
        "Theorem 6, degrees corrected, with its constant",
        r"If $x\in\mathbb{R}^d$ is spherically symmetric, $E[x\,z_kf_j^*]=\frac{E|x|^2}{2\pi d}\big[(\pi-\theta)w_j^*+\|w_j^*\|\sin\theta\,w_k/\|w_k\|\big]$: between $w_j^*$ and $w_k$.",
        Verdict.PROVED,
        _theorem_six,
    ),
)
