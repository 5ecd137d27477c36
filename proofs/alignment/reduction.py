"""Section 3.1 of the alignment paper: the reduction to distinct directions without aligned students, and what zero loss means."""

from __future__ import annotations

import numpy as np
import sympy as sp

from alignmath import population
from alignmath.angular import ARC_COSINE
from alignmath.networks import TwoLayer, planar

from ..engine.attacks import errors_below, near_degenerate_angles, none_below, random_angles
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import formulas

__all__ = ["CLAIMS"]

pi = sp.pi
rho_0, rho_1, rho_2 = sp.symbols("rho_0 rho_1 rho_2", positive=True)
_TEACHER = TwoLayer([[1.0, 0.0]])


def _merge(effort: Effort) -> Outcome:
    d = Derivation()
    u, S, V, t0 = sp.symbols("u Sigma_s Sigma_v theta_i0")
    w0 = sp.Symbol("w_0")
    alone = formulas.equation_two_right(rho_1 + rho_2, u, t0, rho_0, S, V)
    together = formulas.equation_two_right(rho_1, u, t0, rho_0, S + rho_2 * sp.sin(0), V + (pi - 0) * rho_2 * u)
    d.identity(
        "equation of the merged student",
        together - formulas.equation_two_left(t0, w0),
        alone - formulas.equation_two_left(t0, w0),
        r"Students 1 and 2 with $\theta_{12}=0$ and common direction $u$; $\Sigma_s$, $\Sigma_v$ are the sums of (2) over the others.",
        shown=r"(\pi\rho_1+\rho_2\sin0+\cdots)u+\pi\rho_2u+\cdots = (\pi(\rho_1+\rho_2)+\cdots)u+\cdots",
    )
    angle, own, direction = sp.symbols("theta_i1 rho_i v")
    others = lambda *lengths: formulas.equation_two_right(  # noqa: E731
        own,
        u,
        t0,
        rho_0,
        S + sum(p * sp.sin(angle) for p in lengths),
        V + sum((pi - angle) * p * direction for p in lengths),
    )
    d.identity(
        "their share in the other equations",
        others(rho_1, rho_2),
        others(rho_1 + rho_2),
        r"In the equation of another student $i$, $v$ being the common direction and $\theta=\theta_{i1}=\theta_{i2}$, they add $\rho_1\sin\theta+\rho_2\sin\theta$ to one sum and $(\pi-\theta)(w_1+w_2)$ to the other.",
        shown=r"\rho_1\sin\theta+\rho_2\sin\theta=(\rho_1+\rho_2)\sin\theta,\quad(\pi-\theta)(\rho_1v+\rho_2v)=(\pi-\theta)(\rho_1+\rho_2)v",
    )
    return d.proved("both enter (2) through their sum only")


def _reduction(effort: Effort) -> Outcome:
    d = Derivation()
    rho = sp.symbols("rho_1:3", positive=True)
    to_teacher, apart = sp.symbols("theta_10 theta_20"), sp.Symbol("theta_12")
    between = lambda i, j: sp.Integer(0) if i == j else apart  # noqa: E731
    f, overlap = formulas.profile, formulas.overlap
    square = sum(rho[i] * rho[j] * overlap(between(i, j)) for i in range(2) for j in range(2))
    cross = sum(p * overlap(angle) for p, angle in zip(rho, to_teacher, strict=True))
    h = [sum(rho[j] * f(between(i, j)) for j in range(2)) - f(to_teacher[i]) for i in range(2)]
    h_zero = sum(p * f(angle) for p, angle in zip(rho, to_teacher, strict=True)) - f(sp.Integer(0))
    d.identity(
        "the loss by h",
        square / 2 - cross + overlap(sp.Integer(0)) / 2,
        (sum(p * value for p, value in zip(rho, h, strict=True)) - h_zero) / (4 * pi),
        r"$h(t)=\sum_j\rho_jF(t-\theta_j)-F(t)$, with $\rho_0=1$. The loss is half the expected square of $\sum_j\sigma(w_j\cdot x)-\sigma(w_0\cdot x)$, and $E[\sigma\sigma]$ is $F/2\pi$ (`alignment.kernel`). Checked for two students; both sides are "
        "sums over pairs of neurons, so it is the same for more.",
        shown=r"L=\frac{1}{4\pi}\Big(\sum_i\rho_ih(\theta_i)-h(0)\Big)",
    )
    d.argument(
        "a student aligned with the teacher",
        r"(2) along $u_i$ says $h(\theta_i)=0$, so at a solution $L=-h(0)/4\pi$. If some $\theta_i=0$ then $h(0)=h(\theta_i)=0$ and $L=0$. So every solution either has zero loss, or its students, merged by direction, have $0<\theta_1<\dots<\theta_m<2\pi$: "
        "the paper's reduction loses nothing.",
        "The first statement is the identity above; after merging, the directions are distinct.",
        refuted_by=r"a configuration with a student at the teacher's angle where $4\pi L+h(0)-\sum_i\rho_ih(\theta_i)\ne0$",
        attack=lambda: _loss_attack(effort),
    )
    return d.proved("the step the paper leaves out: an aligned student forces zero loss")


def _loss_attack(effort: Effort) -> Attack:
    """The identity for L, and the reading of equation (2) by h, on random and near-degenerate configurations."""
    rng = np.random.default_rng(5)
    count = effort.count(5_000, 200_000)
    worst = []
    for m in (2, 3, 5):
        angles = np.concatenate([random_angles(rng, count, m), near_degenerate_angles(rng, count, m)])
        angles[::3, 0] = 0.0
        lengths = rng.uniform(0.1, 2, angles.shape)
        students = planar(angles, lengths)
        h = np.sum(lengths[:, None, :] * ARC_COSINE.matrix(angles), axis=2) - ARC_COSINE(angles)
        h_zero = np.sum(lengths * ARC_COSINE(angles), axis=1) - np.pi
        loss = population.loss(students, _TEACHER)
        radial = np.sum(population.stationarity(students, _TEACHER) * students.hidden, axis=2) / lengths
        error = np.abs(4 * np.pi * loss + h_zero - np.sum(lengths * h, axis=1)) + np.max(np.abs(radial + h), axis=1)
        worst.append(error / (1 + lengths.sum(axis=1)) ** 2)
    return errors_below(
        "the identity for L and (2) along u_i against h, over the square of the total length, 2, 3 and 5 students",
        np.concatenate(worst),
        1e-12,
    )


def _zero_loss(effort: Effort) -> Outcome:
    d = Derivation()
    w, angle = sp.symbols("w theta", real=True)
    half_wave = sp.cos(w - angle)
    for end, sign, name in ((angle - pi / 2, 1, "start"), (angle + pi / 2, -1, "end")):
        d.identity(
            f"kink at the {name} of a half wave",
            sign * sp.diff(half_wave, w).subs(w, end),
            1,
            r"$s_\theta(w)=\max(\cos(w-\theta),0)$ is 0 on one side of $\theta\pm\frac\pi2$ and $\cos(w-\theta)$ on the other: its slope rises by 1 at both ends.",
            shown=rf"\Delta s_\theta'(\theta{'-' if sign > 0 else '+'}\tfrac\pi2)=1",
        )
    d.argument(
        "zero loss means alignment",
        r"Zero loss means $R=\sum_j\rho_js_{\theta_j}-s_0\equiv0$. Its slope jumps by the sum of the $\rho_j$ of the students with that end, minus 1 at $\pm\frac\pi2$. All jumps are 0, so every student has its ends at $\pm\frac\pi2$: "
        r"$\theta_j\in\{0,\pi\}$, and $\sum_j\rho_j=1$. At $w=\pi$, $R=\sum_{\theta_j=\pi}\rho_j=0$, so none is at $\pi$.",
        "The jumps of students are positive and cannot cancel each other.",
        refuted_by="students of positive length, not all aligned with the teacher, and zero loss",
        attack=lambda: _unaligned_attack(effort),
    )
    d.identity(
        "and alignment zero loss",
        rho_1 * sp.Symbol("s") + rho_2 * sp.Symbol("s") - (rho_1 + rho_2) * sp.Symbol("s"),
        0,
        r"Aligned students are $\rho_j$ times the teacher's half wave $s=s_0$; they add up to it when $\sum_j\rho_j=1$.",
        shown=r"\rho_1s+\rho_2s-(\rho_1+\rho_2)s=0",
    )
    return d.proved("the kinks of the residual cannot cancel")


def _unaligned_attack(effort: Effort) -> Attack:
    """The loss of students off the teacher's direction, against how far off they are."""
    rng = np.random.default_rng(71)
    margins = []
    for m in (1, 2, 4):
        count = effort.count(10_000, 300_000)
        angles = 10 ** rng.uniform(-4, np.log10(np.pi), (count, m)) * rng.choice([-1, 1], (count, m))
        angles[::2, 1:] = 0.0
        lengths = rng.dirichlet(np.ones(m), count)
        off = np.sum(lengths * np.abs(np.sin(angles / 2)), axis=1)
        margins.append(population.loss(planar(angles, lengths), _TEACHER) / (off**3 * lengths.min(axis=1)))
    return none_below(
        "loss over (length-weighted half angle)^3 times the least length, students of total length 1: above 0",
        np.concatenate(margins),
    )


CLAIMS = (
    Claim(
        "alignment.red.merge",
        "Section 3.1, after Theorem 3.1",
        r"Students with $\theta_{ij}=0$ can be replaced by one of their direction and of length $\rho_i+\rho_j$ without changing (2).",
        Verdict.PROVED,
        _merge,
        uses=("alignment.eq2",),
    ),
    Claim(
        "alignment.red.merge.mended",
        "Section 3.1, after Theorem 3.1; gap closed",
        r"In the plane, a solution of (2) with all $\rho_i>0$ has zero loss, or becomes, by merging, one with $0<\theta_1<\dots<\theta_m<2\pi$: no student is aligned with the teacher.",
        Verdict.PROVED,
        _reduction,
        uses=("alignment.kernel", "alignment.red.merge"),
    ),
    Claim(
        "alignment.zero_loss",
        "Section 2, what the goal rests on",
        r"In the plane, students with all $\rho_i>0$ have zero loss if and only if all $\theta_{0i}=0$ and $\sum_i\rho_i=\rho_0$.",
        Verdict.PROVED,
        _zero_loss,
    ),
)
