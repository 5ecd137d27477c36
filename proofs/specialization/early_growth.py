"""Strong teachers first (specialization paper, Section 5.3): what can be proved of it for small, balanced initial weights, and what is measured.

While all students are small their outputs do not matter yet: each grows at the rate `F(u, v) = sum_j (v . v_j*) |w_j*| f(theta_j) / (2 pi)` of its two unit
vectors, u along its hidden weight and v along its fan-out, which move uphill of F.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from alignmath import population
from alignmath.gaussian import angle, relu_moment
from alignmath.networks import DeepReLU
from alignmath.specialization import covered
from solvers.dynamics.gradient_flow import flow

from ..alignment import formulas as kernel
from ..engine.attacks import none_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import dynamics_formulas as formulas

__all__ = ["CLAIMS", "small_student", "strengths_in_order"]

pi = sp.pi
t = sp.Symbol("theta")
_RATE = r"$F(u,v)=\frac1{2\pi}\sum_j(v\cdot v_j^*)\,|w_j^*|\,f(\theta_j)$"


def _strong_first(effort: Effort) -> Outcome:
    d = Derivation(
        "alignment.kernel",
        "alignment.lem4.2",
        "specialization.eq8.mended",
        "specialization.assump2",
        "specialization.thm6.between",
    )
    d.identity(
        "the rate by both formulas",
        formulas.psi(t) * sp.cos(t) + formulas.psi_student(t, 1),
        kernel.overlap(t),
        r"$g_u=\sum_j(v\cdot v_j^*)E[x\,1(u\cdot x>0)\,f_j^*]$ is the gradient of $F$ by $u$, by `specialization.assump2`, and $u\cdot g_u=F$; $g_v=\sum_jE[\sigma(u\cdot x)f_j^*]\,v_j^*$ is that by $v$, and $v\cdot g_v=F$ (`alignment.kernel`). $f(\theta)=\sin\theta+(\pi-\theta)\cos\theta$.",
        shown=r"u\cdot\big[\psi\,\hat w_j^*+\psi'u\big]=\frac{f(\theta_j)}{2\pi}",
    )
    n, F, square = sp.symbols("n F G", positive=True)
    unit, pull = sp.Matrix([1, 0]), sp.Matrix([0, 1])
    gram = sp.Matrix([[1, F], [F, square]])
    moved = formulas.balanced_velocity(n, pull)
    d.identity(
        "growth",
        formulas.inner(unit, moved, gram) / n,
        F,
        r"Without the students' outputs (5) reads $\frac{dw_k}{dt}=n\,g_u$, $\frac{dv_k}{dt}=n\,g_v$, $n=|w_k|=|v_k|$ (`specialization.eq8.mended`). The same for $v_k$.",
        shown=r"\frac{d}{dt}\ln|w_k|=\frac{d}{dt}\ln|v_k|=F",
    )
    turn = formulas.turning(pull, unit, F)
    d.identity(
        "directions go uphill",
        formulas.inner(pull, turn, gram),
        formulas.inner(turn, turn, gram),
        r"$\frac{du}{dt}=g_u-Fu$, and alike for $v$: $\frac{dF}{dt}=g_u\cdot\frac{du}{dt}+g_v\cdot\frac{dv}{dt}$. The growth rate itself never falls.",
        shown=r"\frac{dF}{dt}=\Big|\frac{du}{dt}\Big|^2+\Big|\frac{dv}{dt}\Big|^2\ge0",
    )
    d.argument(
        "what was left out",
        r"The students' outputs change $\frac{d}{dt}\ln|w_k|$, $\frac{du_k}{dt}$ and $\frac{dv}{dt}$ by at most $\frac12\sum_ln_l^2$, $n_l=|w_l|=|v_l|$.",
        r"They add $-\frac1{n_k}\sum_l(v_k\cdot v_l)E[x\,z_kf_l]$ and $-\frac1{n_k}\sum_lE[f_kf_l]\,v_l$; $|v_k\cdot v_l|\le n_kn_l$, $|E[x\,z_kf_l]|\le\frac12n_l$, its length at $\theta=0$ (`specialization.thm6.between`), and $E[f_kf_l]\le\frac12n_kn_l$.",
        refuted_by="a balanced network whose velocities over its lengths differ by more from those of F",
        attack=lambda: _remainder_attack(effort),
    )
    _fastest_direction(d)
    return d.proved(
        "growth at the rate $F$, uphill of $F$; the direction of fastest growth is nearest to the strongest teacher"
    )


def _fastest_direction(d: Derivation) -> None:
    """Teachers with orthogonal fan-outs: the best fan-out, and what the best direction of the hidden weight is like."""
    strengths, profiles = sp.symbols("s_1:4", positive=True), sp.symbols("f_1:4", positive=True)
    columns = sp.Matrix([s * f / (2 * pi) for s, f in zip(strengths, profiles, strict=True)])
    d.identity(
        "best fan-out",
        formulas.inner(columns, columns, sp.eye(3)),
        formulas.peak_rate(strengths, profiles),
        r"Orthogonal fan-outs, $s_j=|v_j^*|\,|w_j^*|$, $f_j=f(\theta_j)$; written for three teachers. $F=v\cdot\sum_j\frac{s_jf_j}{2\pi}\hat v_j^*$ is largest along that sum, by Cauchy and Schwarz.",
        shown=r"\max_vF^2=\sum_j\Big(\frac{s_jf_j}{2\pi}\Big)^2",
    )
    gap, rise = sp.symbols("p q", positive=True)
    low, small = strengths[1], profiles[1]
    d.sign(
        "exchanging two angles",
        formulas.peak_rate([low + gap, low], [small + rise, small])
        - formulas.peak_rate([low + gap, low], [small, small + rise]),
        (gap**2 + 2 * gap * low) * (rise**2 + 2 * rise * small) / (4 * pi**2),
        positive={
            gap: (gap, "manifest"),
            rise: (rise, "manifest"),
            low: (low, "manifest"),
            small: (small, "manifest"),
        },
        statement=r"If the $w_j^*$ are orthogonal too, the reflection that exchanges $\hat w_i^*$ and $\hat w_j^*$ takes a direction to one with $\theta_i$ and $\theta_j$ exchanged. With $s_i=s_j+p$ and $f_i=f_j+q$, that is $\theta_i<\theta_j$ as $f$ falls (`alignment.lem4.2`), the one nearer to the stronger teacher grows faster: at the direction of fastest growth the angles rise as the strengths fall.",
        shown=r"\frac{(s_i^2-s_j^2)(f_i^2-f_j^2)}{4\pi^2}>0",
    )
    others, first = sp.Symbol("R", nonnegative=True), profiles[0]
    d.identity(
        "a dominant teacher",
        formulas.peak_rate([strengths[0]], [first])
        + (others * pi / (2 * pi)) ** 2
        - formulas.peak_rate([strengths[0]], [pi]),
        strengths[0] ** 2 / (4 * pi**2) * (first**2 - pi**2 * (1 - others**2 / strengths[0] ** 2)),
        r"Hidden weights of any angles; $R^2=\sum_{j\ge2}s_j^2$. $f\le\pi$, so $\max_vF^2$ is at most the first two terms, and along $w_1^*$ at least the third. At the direction of fastest growth the left side is not negative.",
        shown=r"f(\theta_1)^2\ge\pi^2\Big(1-\sum_{j\ge2}\frac{s_j^2}{s_1^2}\Big)",
    )


def small_student(rng: np.random.Generator, students: int, widths: tuple[int, int], length: float) -> DeepReLU:
    """Students in random directions with random fan-outs, all of one length; widths: dimensions of input and output."""
    hidden, fan_out = rng.standard_normal((students, widths[0])), rng.standard_normal((widths[1], students))
    return DeepReLU(
        (
            length * hidden / np.linalg.norm(hidden, axis=1, keepdims=True),
            length * fan_out / np.linalg.norm(fan_out, axis=0),
        )
    )


def strengths_in_order(rng: np.random.Generator, teachers: int, widths: tuple[int, int], polarity: float) -> DeepReLU:
    """Teachers with orthonormal hidden weights and orthogonal fan-outs of lengths `1 / j^p`, equation (9)."""
    hidden, fan_out = (np.linalg.qr(rng.standard_normal((size, size)))[0] for size in widths)
    return DeepReLU((hidden[:teachers], fan_out[:, :teachers] * np.arange(1, teachers + 1) ** -polarity))


def _remainder_attack(effort: Effort) -> Attack:
    """Velocities over lengths, by the closed-form gradient, against those of F, over the bound."""
    rng = np.random.default_rng(651)
    margins = []
    for _ in range(effort.count(60, 2_000)):
        d, outputs, m = int(rng.integers(2, 6)), int(rng.integers(1, 5)), int(rng.integers(1, 6))
        teacher = DeepReLU((rng.standard_normal((3, d)), rng.standard_normal((outputs, 3))))
        lengths = 10 ** rng.uniform(-2, 0.5, m)
        unit = small_student(rng, m, (d, outputs), 1.0)
        if rng.random() < 0.3:  # all students close to one
            unit = DeepReLU(
                tuple(np.repeat(w, m, axis=k) for k, w in enumerate((unit.weights[0][:1], unit.weights[1][:, :1])))
            )
        u, v = unit.weights[0], unit.weights[1].T
        slope = population.gradient(DeepReLU((lengths[:, None] * u, lengths * v.T)), teacher)
        moved = -slope.hidden / lengths[:, None], -slope.output.T / lengths[:, None]
        theta = angle(u[:, None], teacher.weights[0])
        target = np.linalg.norm(teacher.weights[0], axis=1)
        moments = target * relu_moment(1, 1, theta)  # E[sigma(u.x) f_j*]
        along = v @ teacher.weights[1]
        psi, own = (sp.lambdify(t, value)(theta) for value in (formulas.psi(t), formulas.psi_student(t, 1)))
        pull_u = (along * psi) @ teacher.weights[0] + np.sum(along * own * target, axis=1, keepdims=True) * u
        pull_v = moments @ teacher.weights[1].T
        bound = np.sum(lengths**2) / 2
        for moment, pull, unit_vector in ((moved[0], pull_u, u), (moved[1], pull_v, v)):
            rest = moment - pull
            growth = np.sum(rest * unit_vector, axis=1, keepdims=True)
            margins += [bound - np.abs(growth), bound - np.linalg.norm(rest - growth * unit_vector, axis=1)]
        margins[-4:] = [np.ravel(margin) / bound + 1e-9 for margin in margins[-4:]]
    return none_below(
        "random balanced networks of lengths 0.01 to 3, some with all students equal, seed 651: share of the bound left",
        np.concatenate(margins),
    )


def _measured(effort: Effort) -> Outcome:
    d = Derivation("specialization.beyond.strong_first")
    rng, runs, teachers = np.random.default_rng(652), effort.count(3, 40), 5
    times, first, ordered = np.linspace(0, 200, 201), 0, []
    for _ in range(runs):
        teacher = strengths_in_order(rng, teachers, (8, 6), 1.0)
        run = flow(
            small_student(rng, 20, (8, 6), 1e-3),
            teacher,
            times,
            train_output=True,
            relative_tolerance=1e-6,
            absolute_tolerance=1e-9,
        )
        seen = np.asarray(covered(run.correlations(teacher)))
        when = np.where(seen.any(axis=0), times[np.argmax(seen, axis=0)], np.inf)
        first += bool(when[0] == when.min())
        ordered.append(when[:-1] <= when[1:])
    share = float(np.mean(ordered))
    d.measurement(
        "the strongest first",
        first == runs,
        rf"5 teachers with orthonormal weights and $|v_j^*|=1/j$ in dimension 8, 6 outputs, 20 students of initial lengths $10^{{-3}}$, {runs} flows, seed 652: the strongest teacher is covered (correlation above 0.95) first in all of them.",
    )
    d.measurement(
        "in the order of strength",
        share >= 0.8,
        f"Of neighbouring teachers the stronger one is covered no later in {100 * share:.0f}% of {runs * (teachers - 1)} pairs; at least 80% asked for.",
    )
    return d.measured(
        f"the strongest teacher first in {runs} of {runs} flows; {100 * share:.0f}% of neighbours in order"
    )


CLAIMS = (
    Claim(
        "specialization.beyond.strong_first",
        "Section 5.3, strong teachers first, for small weights",
        rf"$x\sim N(0,I_d)$, both layers trained, balanced students $|w_k|=|v_k|=n_k$ with unit vectors $u_k$, $\hat v_k$; {_RATE}. Then $\frac{{d}}{{dt}}\ln n_k=F(u_k,\hat v_k)$, and $u_k$, $\hat v_k$ move along the gradient of $F$ on their spheres, up to $\frac12\sum_ln_l^2$; without this remainder $F$ never falls along the flow. "
        r"For teachers with orthogonal fan-outs, $s_j=|v_j^*|\,|w_j^*|$: $\max_vF^2=\sum_j(s_jf(\theta_j)/2\pi)^2$; at the direction $u$ of fastest growth $f(\theta_1)^2\ge\pi^2(1-\sum_{j\ge2}s_j^2/s_1^2)$, and if the $w_j^*$ are orthogonal too the angles $\theta_j$ rise as the strengths $s_j$ fall: it is nearest to the strongest teacher.",
        Verdict.PROVED,
        _strong_first,
        uses=(
            "alignment.kernel",
            "alignment.lem4.2",
            "specialization.eq8.mended",
            "specialization.assump2",
            "specialization.thm6.between",
        ),
    ),
    Claim(
        "specialization.beyond.strong_first.measured",
        "Section 5.3, strong teachers first, measured",
        r"Population flow of 20 students of initial lengths $10^{-3}$ with 5 orthonormal teachers of strengths $1/j$: the strongest is covered first in every flow, and of neighbouring ones the stronger is covered no later in at least 80% of the pairs.",
        Verdict.MEASURED,
        _measured,
        uses=("specialization.beyond.strong_first",),
    ),
)
