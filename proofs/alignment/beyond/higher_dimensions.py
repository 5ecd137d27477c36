"""Around the alignment theorem: corollaries, other dimensions, several teachers, and the rate of convergence."""

from __future__ import annotations

from math import comb

import numpy as np
import sympy as sp
from scipy.optimize import linprog, nnls

from alignmath import population
from alignmath.gaussian import arc_cosine_kernel
from alignmath.networks import TwoLayer, gaussian_weights, planar
from solvers.dynamics.descent import descend
from solvers.dynamics.gradient_flow import flow
from solvers.landscape import critical_points
from solvers.runs import RunStatus

from ...engine.attacks import errors_below, none_below
from ...engine.claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from ...engine.critical_points import certify
from ...engine.derivation import Derivation
from ..few_students import no_other_critical_point

__all__ = ["CLAIMS", "SPURIOUS", "fitted_slope", "single_neuron_flow"]

pi = sp.pi
SPURIOUS = (
    np.array([[0.50776, -0.00424], [-0.49681, 1.25752], [-1.04820, -1.60206]]),
    np.array([[-1.3, -0.1], [-0.05, -1.35], [0.25, 1.1]]),
)
"""Students near a spurious local minimum, and their teachers."""


def _spurious(effort: Effort) -> Outcome:
    d = Derivation()
    near, teacher = SPURIOUS
    search = critical_points(TwoLayer(near[None]), TwoLayer(teacher))
    point = certify(search.students.hidden[0], teacher)
    d.certificate(
        "critical point",
        bool(np.abs(point.centre - near).max() + point.radius < 1e-5),
        f"Krawczyk's test: the box of radius {point.radius:g} around {point.centre.tolist()} contains exactly one critical point for the teachers {teacher.tolist()}.",
        reason="ball arithmetic",
    )
    d.certificate(
        "local minimum",
        point.least_minor > 0,
        "All leading principal minors of the Hessian are positive on the box.",
        (rf"\text{{least minor}}\ge{point.least_minor:.5g}>0",),
        reason="ball arithmetic, Sylvester's criterion",
    )
    d.certificate(
        "not global",
        point.loss[0] > 0.021,
        "The loss on the box exceeds 0.021, while students equal to the teachers have loss 0.",
        (rf"L\in[{point.loss[0]:.7f},{point.loss[1]:.7f}]",),
        reason="ball arithmetic",
    )
    return d.refuted(
        f"three teachers and three students in the plane: a strict local minimum with loss {point.loss[0]:.6f}"
    )


def _opposite(effort: Effort) -> Outcome:
    d = Derivation()
    share, rest = sp.symbols("a b", positive=True)
    for label, y in (("positive", sp.Symbol("y", positive=True)), ("negative", sp.Symbol("y", negative=True))):
        d.identity(
            f"splitting a neuron, {label} argument",
            share * sp.Max(y, 0) + rest * sp.Max(-y, 0) - (share + rest) * sp.Max(y, 0),
            -rest * y,
            r"Students of lengths $a_k$ along $u_k=v_k/|v_k|$ and $b_k$ along $-u_k$, $a_k+b_k=|v_k|$: student minus teacher is $-\sum_kb_ku_k\cdot x$.",
            shown=r"a\,\sigma(y)+b\,\sigma(-y)-(a+b)\,\sigma(y)=-b\,y",
        )
    d.argument(
        "necessary and sufficient",
        r"Zero loss means equal functions. The gradient jumps across each teacher's line (the lines are distinct) fix $a_k+b_k=|v_k|$ and forbid other lines; what remains is linear and vanishes if and only if $\sum_kb_ku_k=0$. With $t_k=b_k/|v_k|\in[0,1]$, not all 0: if and only if $0$ is in the convex "
        "hull of the $v_k$ (scale the coefficients to be at most 1).",
        "The jumps of students are positive and cannot cancel.",
        refuted_by="teachers whose hull contains 0 with no such students at zero loss, or the reverse",
        attack=lambda: _hull_attack(effort),
    )
    lines, dimension = 5, 2
    inside = sp.Integer(1) - sp.Rational(sum(comb(lines - 1, k) for k in range(dimension)), 2 ** (lines - 1))
    d.certificate(
        "how often",
        bool(inside == sp.Rational(11, 16)),
        r"For $n$ random directions of $\mathbb{R}^d$ with symmetric law the hull misses 0 with probability $2^{1-n}\sum_{k<d}\binom{n-1}k$ (Wendel 1962); five in the plane contain it with probability $\frac{11}{16}$.",
        (r"1-\frac{1+4}{16}=\frac{11}{16}",),
        reason="exact arithmetic",
    )
    return d.proved(
        "students opposite to teachers occur at zero loss if and only if 0 is in the convex hull of the teachers; probability 11/16 for five random ones"
    )


def _hull_attack(effort: Effort) -> Attack:
    """Three computations that must agree: the hull by linear programming, the largest gap between directions, and the least loss."""
    rng = np.random.default_rng(92)
    count, hits, margins = effort.count(500, 20_000), 0, []
    for _ in range(count):
        teacher = planar(rng.uniform(0, 2 * np.pi, 5), rng.uniform(0.5, 2, 5))
        hull = linprog(-np.ones(5), A_eq=teacher.hidden.T, b_eq=np.zeros(2), bounds=(0, 1))
        inside = -hull.fun > 1e-9
        hits += inside
        gaps = np.diff(np.sort(np.mod(teacher.polar_angles, 2 * np.pi)))
        spread = float(np.append(gaps, 2 * np.pi - gaps.sum()).max())
        margins.append((np.pi - spread) * (1 if inside else -1))
        margins.append((1e-13 - _least_opposite_loss(teacher)) * (1 if inside else -1))
    deviation = abs(hits - count * 11 / 16) / (count * 55 / 256) ** 0.5
    margins.append(5 - deviation)
    return none_below(
        f"{count} teachers of 5 neurons in random directions, lengths 0.5 to 2: {hits} contain 0 (linear programming), as the largest gap between directions says; the least loss with students on the teachers' lines, of total length 0.5 on "
        "their opposites, is below 1e-13 (rounding) for these and above for all others",
        margins,
    )


def _least_opposite_loss(teacher: TwoLayer) -> float:
    """The least loss over students along the teachers and, of total length 0.5, along their opposites; by least squares."""
    units = teacher.hidden / np.linalg.norm(teacher.hidden, axis=1)[:, None]
    neurons = np.concatenate([units, -units, teacher.hidden])
    overlap = arc_cosine_kernel(1, neurons[:, None], neurons[None]) / 2
    values, vectors = np.linalg.eigh(overlap)
    features = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    k = len(units)
    weight = 1e4  # of the constraint, which is a row of the problem
    equations = np.concatenate([features[:, : 2 * k], weight * np.repeat([0.0, 1.0], k)[None]])
    lengths, _ = nnls(equations, np.append(features[:, 2 * k :].sum(axis=1), 0.5 * weight))
    if abs(lengths[k:].sum() - 0.5) > 1e-3:
        raise CheckFailed(f"least squares missed its constraint: {lengths[k:].sum()}")
    kept = lengths > 0
    return float(population.loss(TwoLayer(neurons[: 2 * k][kept] * lengths[kept][:, None]), teacher))


def _local_minima(effort: Effort) -> Outcome:
    d = Derivation()
    s = sp.Symbol("s", positive=True)
    d.identity(
        "all students zero",
        sp.diff((1 - s) ** 2 / 4, s).subs(s, 0),
        -sp.Rational(1, 2),
        r"If every $w_i=0$, moving one along $w_0$ by $s$ gives $L=(1-s)^2/4$ (with $|w_0|=1$), which decreases: no local minimum.",
        shown=r"\frac{d}{ds}\frac{(1-s)^2}{4}\Big|_{s=0}=-\tfrac12",
    )
    d.argument(
        "some students zero",
        r"At a local minimum the non-zero students are a critical point of the problem without the zero ones; by `alignment.main` its loss is 0, and it is the loss of the whole. If none is zero, `alignment.main` applies directly.",
        "Zero students do not change the function, and perturbing only the others is a perturbation of the whole.",
        refuted_by="descent that stalls at non-zero loss in the plane",
        attack=lambda: _descent_attack(effort),
    )
    return d.proved("in the plane every local minimum of the loss is global, students of length 0 included")


def _descent_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(93)
    runs = effort.count(80, 2_000)
    losses = []
    for students in (2, 3, 6):
        end = descend(
            gaussian_weights(students, 2, rng, batch=(runs,)),
            TwoLayer([[1.0, 0.0]]),
            0.5,
            effort.count(1_000, 10_000),
        )
        losses.append(end.final_loss)
    return none_below(
        "descent from Gaussian starts, 2, 3 and 6 students: final loss below 1e-4", 1e-4 - np.concatenate(losses)
    )


def _any_dimension(effort: Effort) -> Outcome:
    d = Derivation()
    d.argument(
        "coplanar students",
        r"If all students and the teacher lie in one plane of $\mathbb{R}^d$, equation (2) is an equation in that plane: `alignment.main`.",
        "Both sides of (2) are combinations of $w_0$ and the $w_j$, and angles and lengths are those of the plane.",
        refuted_by="coplanar students whose gradient leaves the plane",
        attack=lambda: _plane_attack(effort),
    )
    d.argument(
        "an aligned student",
        r"With $h(u)=\sum_j\rho_jf(\angle(u,u_j))-f(\angle(u,u_0))$ for unit $u$, $4\pi L=\sum_i\rho_ih(u_i)-h(u_0)$ as in the plane; (2) gives $h(u_i)=0$, and $u_i=u_0$ for some $i$ gives $h(u_0)=0$: zero loss. Then the kinks of the students, on hyperplanes, are the teacher's, so all students are on "
        "its line, and on its side.",
        "The loss is half the expected square of the residual in any dimension.",
        refuted_by=r"students in three or five dimensions where $4\pi L+h(u_0)-\sum_i\rho_ih(u_i)$ or (2) along $u_i$ minus $-h(u_i)$ is not 0",
        attack=lambda: _aligned_attack(effort),
    )
    d.argument(
        "two students",
        r"For $m\le2$ equation (2) puts $w_0$ into the plane of $w_1,w_2$, or a student opposite to the teacher: Theorem 3.1 and its proof hold in every dimension.",
        "`alignment.thm3.1` is proved without using the dimension.",
        refuted_by="a critical point of two students in three or five dimensions with non-zero loss",
        attack=lambda: no_other_critical_point(effort, 2, 5, seed=94),
    )
    return d.proved(
        "alignment holds in every dimension for $m\\le2$, for students coplanar with the teacher, and when one student is aligned with it"
    )


def _plane_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(95)
    errors = []
    for _ in range(effort.count(300, 10_000)):
        frame = np.linalg.qr(rng.standard_normal((5, 5)))[0]
        flat = gaussian_weights(4, 2, rng)
        student, teacher = TwoLayer(flat.hidden @ frame[:2]), TwoLayer(rng.standard_normal((1, 2)) @ frame[:2])
        gradient = population.gradient(student, teacher).hidden
        errors.append(np.abs(gradient @ frame[2:].T).max())
    return errors_below("gradient of coplanar students in dimension 5, out of the plane", errors, 1e-13)


def _aligned_attack(effort: Effort) -> Attack:
    """The identity for the loss, and the reading of (2) along u_i by h, with one student aligned with the teacher."""
    rng = np.random.default_rng(96)
    count, errors = effort.count(3_000, 100_000), []
    for dimension in (3, 5):
        teacher = TwoLayer(np.eye(1, dimension))
        student = gaussian_weights(4, dimension, rng, batch=(count,))
        hidden = np.array(student.hidden)
        hidden[:, 0] = np.abs(hidden[:, 0, :1]) * np.eye(1, dimension)
        student = TwoLayer(hidden)
        lengths = np.linalg.norm(hidden, axis=2)
        f = lambda x, y: np.pi * arc_cosine_kernel(1, x, y)  # noqa: E731
        units = hidden / lengths[..., None]
        overlaps = f(units[:, :, None], units[:, None]) @ lengths[..., None]
        to_teacher = f(units, np.eye(1, dimension)[0])
        h, h_zero = overlaps[..., 0] - to_teacher, np.sum(lengths * to_teacher, axis=1) - np.pi
        loss = 4 * np.pi * population.loss(student, teacher) + h_zero - np.sum(lengths * h, axis=1)
        radial = np.sum(population.stationarity(student, teacher) * units, axis=2) + h
        errors.append((np.abs(loss) + np.abs(radial).max(axis=1)) / (1 + lengths.sum(axis=1)) ** 2)
    return errors_below(
        "the two identities in dimensions 3 and 5, 4 students, one of them aligned, over the square of the total length",
        np.concatenate(errors),
        1e-12,
    )


def _open_dimension(effort: Effort) -> Outcome:
    d = Derivation()
    parts = []
    for dimension, students in ((3, 3), (3, 4), (3, 6), (4, 4), (4, 6), (5, 6)):
        attack = no_other_critical_point(effort, students, dimension, seed=97)  # raises where it finds one
        d.measurement(
            f"d = {dimension}, m = {students}",
            attack.count > 0,
            f"{attack.count} starts: {attack.closest}.",
            attack.tried,
        )
        parts.append(f"(d, m) = ({dimension}, {students})")
    return d.open(
        f"Levenberg-Marquardt from {effort.count(120, 20_000)} Gaussian starts each (scales 0.1 to 3, seed 97) for {', '.join(parts)}: every critical point found has loss below 1e-9 or a student shorter than 1e-3"
    )


def single_neuron_flow(
    students: int, times: np.ndarray, seed: int, *, dimension: int = 2, scale: float = 1e-2
) -> np.ndarray:
    """Loss along the gradient flow of `students` small Gaussian students towards one unit teacher, at `times`; `(K,)`.

    They start on the teacher's side of the origin; a student on the other side can shrink to 0, where the flow ends.
    """
    start = scale * np.random.default_rng([seed, students, dimension]).standard_normal((students, dimension))
    start[:, 0] = np.abs(start[:, 0])
    run = flow(TwoLayer(start), TwoLayer(np.eye(1, dimension)), times, method="LSODA")
    if run.status != RunStatus.FINISHED:
        raise CheckFailed(
            f"the flow of {students} students ended at time {float(run.stopped):g} with status {int(run.status)}"
        )
    return run.loss


def fitted_slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Least-squares slope of y against x and its standard error."""
    coefficients, covariance = np.polyfit(x, y, 1, cov=True)
    return float(coefficients[0]), float(covariance[0, 0] ** 0.5)


def _rate(effort: Effort) -> Outcome:
    d = Derivation()
    times = np.concatenate([[0.0], np.geomspace(1, 1e7, 57)])
    late = times >= 1e5
    parts = []
    for students in (2, 5):
        slopes = [
            fitted_slope(np.log(times[late]), np.log(single_neuron_flow(students, times, seed)[late]))[0]
            for seed in range(effort.count(2, 20))
        ]
        d.measurement(
            f"{students} students",
            bool(np.all(np.abs(np.array(slopes) + 3) < 0.03)),
            f"slope of log loss against log time over 1e5..1e7, {len(slopes)} seeds: {min(slopes):.4f} to {max(slopes):.4f}; the law says -3.",
        )
        parts.append(f"{students} students: {np.mean(slopes):.4f}")
    times = np.linspace(0, 40, 81)
    late = times >= 15
    rates = [
        fitted_slope(times[late], np.log(single_neuron_flow(1, times, seed)[late]))[0]
        for seed in range(effort.count(2, 20))
    ]
    d.measurement(
        "one student",
        bool(np.all(np.abs(np.array(rates) + 1) < 0.01)),
        f"slope of log loss against time, 15..40: {min(rates):.4f} to {max(rates):.4f}; the Hessian I/2 at the teacher says -1.",
    )
    return d.measured(
        f"slopes of log loss against log time: {', '.join(parts)} (law: -3); one student: exponential with rate {-np.mean(rates):.4f} (law: 1)"
    )


CLAIMS = (
    Claim(
        "alignment.beyond.local_minima",
        "corollary of Theorem B",
        "In the plane, with one teacher, every local minimum of the loss is global, for every number of students, some of them possibly zero.",
        Verdict.PROVED,
        _local_minima,
        uses=("alignment.main",),
    ),
    Claim(
        "alignment.beyond.any_dimension",
        "Theorem B beyond the plane",
        r"In $\mathbb{R}^d$, every $d$: the solutions of (2) with all $\rho_i>0$ are the aligned ones if $m\le2$, or if the students are coplanar with the teacher, or if some student is aligned with it.",
        Verdict.PROVED,
        _any_dimension,
        uses=("alignment.main", "alignment.thm3.1", "alignment.red.merge.mended"),
    ),
    Claim(
        "alignment.beyond.three_dimensions",
        "open",
        r"For $d\ge3$ and $m\ge3$ students, every solution of (2) with all $\rho_i>0$ is aligned.",
        Verdict.OPEN,
        _open_dimension,
    ),
    Claim(
        "alignment.beyond.several_teachers",
        "limit of Theorem B",
        "With several teachers every local minimum of the loss is global.",
        Verdict.REFUTED,
        _spurious,
    ),
    Claim(
        "alignment.beyond.opposite_students",
        "limit of Theorem B",
        r"Teachers $v_1,\dots,v_K$ on distinct lines: there are students of positive lengths at zero loss, one of them opposite to a teacher, if and only if $0$ is in the convex hull of the $v_k$.",
        Verdict.PROVED,
        _opposite,
        assumes=("Wendel 1962, for the probability",),
    ),
    Claim(
        "alignment.beyond.rate",
        "Xu and Du 2023, for one teacher",
        r"From a small start on the teacher's side, the loss of gradient flow in the plane falls like $T^{-3}$ for two or more students of one teacher (fitted exponent within 0.03), and exponentially, like $e^{-T}$, for one.",
        Verdict.MEASURED,
        _rate,
    ),
)
