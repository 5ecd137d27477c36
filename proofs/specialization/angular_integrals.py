"""Appendix 8.14 of the specialization paper: the angular integrals (53) to (61) behind Theorem 6."""

from __future__ import annotations

import numpy as np
import sympy as sp

from ..engine.attacks import none_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import dynamics_formulas as formulas

__all__ = ["CLAIMS"]

pi = sp.pi
t = sp.Symbol("theta")


def _proof_of_theorem_six(effort: Effort) -> Outcome:
    d = Derivation("specialization.eq7")
    d.argument(
        "the arc of (54)",
        r"Teacher at angle 0, student at $\theta\in[0,\pi]$, plane of the two: both are active at $(\cos\theta',\sin\theta')$ for $\theta-\frac\pi2<\theta'<\frac\pi2$. By symmetry nothing is left across the plane.",
        r"$\cos\theta'>0$ and $\cos(\theta'-\theta)>0$: two half circles whose centres are $\theta$ apart.",
        refuted_by="an angle inside the arc where one of the two is silent, or outside where both are active",
        attack=lambda: _arc_attack(effort),
    )
    start, end = formulas.active_arc(t)
    inner, doubled = sp.symbols("theta_1 theta_2", real=True)
    wave = sp.Matrix([sp.cos(inner), sp.sin(inner)])
    split = sp.Matrix([1, 0]) / 2 + sp.Matrix([sp.cos(2 * inner), sp.sin(2 * inner)]) / 2
    d.identity(
        "(56)",
        wave * sp.cos(inner),
        split,
        r"Half the teacher's direction and half the double angle.",
        shown=r"\cos\theta_1(\cos\theta_1,\sin\theta_1)=\tfrac12(1,0)+\tfrac12(\cos2\theta_1,\sin2\theta_1)",
    )
    d.identity(
        "(57), substitution",
        sp.Matrix([sp.cos(2 * inner), sp.sin(2 * inner)]).subs(inner, (doubled - pi) / 2),
        -sp.Matrix([sp.cos(doubled), sp.sin(doubled)]),
        r"$\theta_2=2\theta_1+\pi$, $d\theta_1=\frac12d\theta_2$. Mind the sign.",
        shown=r"(\cos2\theta_1,\sin2\theta_1)=-(\cos\theta_2,\sin\theta_2)",
    )
    d.identity(
        "(57), limits",
        sp.Matrix([2 * start + pi, 2 * end + pi]),
        sp.Matrix([2 * t, 2 * pi]),
        r"The integral from $2\theta$ to $2\pi$ is $I_0-I_2(\theta)$, with $I_2$ from 0 to $2\theta$ and $I_0=I_2(\pi)$: $2I=I_1w^*-\frac12(I_0-I_2)$ for every angular density $p$.",
        shown=r"\theta_1=\theta-\tfrac\pi2\mapsto2\theta,\quad\theta_1=\tfrac\pi2\mapsto2\pi",
    )
    density = 1 / (2 * pi)
    student, teacher = sp.Matrix([sp.cos(t), sp.sin(t)]), sp.Matrix([1, 0])
    second = sp.Matrix([sp.cos(doubled), sp.sin(doubled)]).applyfunc(
        lambda entry: sp.integrate(entry * density, (doubled, 0, 2 * t))
    )
    first, whole = sp.integrate(density, (inner, start, end)), second.subs(t, pi)
    d.identity("(59), uniform density", first, (pi - t) / (2 * pi), shown=r"I_1=\frac{\pi-\theta}{2\pi}")
    d.identity(
        "(60), uniform density", second, sp.sin(t) / pi * student, shown=r"I_0=0,\quad I_2=\frac1\pi\sin\theta\,w_k"
    )
    total = formulas.angular_integral(teacher, whole, first, second)
    d.identity(
        "together",
        total,
        ((pi - t) * teacher + sp.sin(t) * student) / (4 * pi),
        shown=r"I(\theta)=\frac1{4\pi}\big[(\pi-\theta)w^*+\sin\theta\,w_k\big]",
    )
    direct = (wave * sp.cos(inner) * density).applyfunc(lambda entry: sp.integrate(entry, (inner, start, end)))
    d.identity(
        "integrated at once",
        direct,
        total,
        "Without the double angle.",
        shown=r"I=\frac1{2\pi}\int\cos\theta_1(\cos\theta_1,\sin\theta_1)\,d\theta_1",
    )
    d.identity(
        "the whole expectation",
        2 * total,
        formulas.psi(t) * teacher + formulas.psi_student(t, 1) * student,
        r"In the plane the length enters by $E|x|^2$, which is 2 for $N(0,I_2)$.",
        shown=r"E|x|^2\,I(\theta)=\psi\,w^*+\psi'\,w_k",
    )
    return d.proved(
        "each step of the appendix, with $-\\frac12(I_0-I_2)$ in (58), for any angular density until $p=1/2\\pi$"
    )


def _arc_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(602)
    count = effort.count(20_000, 1_000_000)
    theta, where = rng.uniform(0, np.pi, count), rng.uniform(-np.pi, np.pi, count)
    both = np.minimum(np.cos(where), np.cos(where - theta))
    start, end = (float(edge) for edge in formulas.active_arc(sp.Integer(0)))
    inside = np.minimum(where - (theta + start), end - where)
    return none_below(
        "random students and angles, seed 602: active if and only if in the arc", np.where(both > 0, inside, -inside)
    )


CLAIMS = (
    Claim(
        "specialization.thm6.proof",
        "equations (53) to (61)",
        r"$I(\theta)=\int_{\theta-\pi/2}^{\pi/2}(\cos\theta',\sin\theta')\cos\theta'\,p(\theta')\,d\theta'=\frac12\big[I_1w_j^*-\frac12(I_0-I_2)\big]$ with $I_1=\int_{\theta-\pi/2}^{\pi/2}p(\theta')\,d\theta'$, $I_2(\theta)=\int_0^{2\theta}(\cos\theta'',\sin\theta'')\,p\big(\frac{\theta''-\pi}2\big)d\theta''$, $I_0=I_2(\pi)$. For $p=\frac1{2\pi}$: $I_0=0$, $I_1=\frac{\pi-\theta}{2\pi}$, $I_2=\frac1\pi\sin\theta\,w_k$, $I=\frac1{4\pi}[(\pi-\theta)w_j^*+\sin\theta\,w_k]$.",
        Verdict.PROVED,
        _proof_of_theorem_six,
        uses=("specialization.eq7",),
    ),
)
