"""Section 3 of the alignment paper: one student, and two students (Theorem 3.1); searches for critical points."""

from __future__ import annotations

import numpy as np
import sympy as sp
from scipy.optimize import nnls

from alignmath import population
from alignmath.networks import TwoLayer
from solvers.landscape import critical_points

from ..engine.attacks import errors_below, none_below, sample_points
from ..engine.claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import formulas

__all__ = ["CLAIMS", "length_residual", "no_other_critical_point"]

pi = sp.pi
a, b = sp.symbols("a b", positive=True)
rho_0, rho_1, rho_2, t = sp.symbols("rho_0 rho_1 rho_2 theta", positive=True)
_TEACHER = TwoLayer([[1.0, 0.0]])


def no_other_critical_point(effort: Effort, students: int, dimension: int = 2, seed: int = 0) -> Attack:
    """Search for a zero of the gradient with all students longer than 1e-3 and loss above 1e-9, by Levenberg-Marquardt from random starts."""
    rng = np.random.default_rng([seed, students, dimension])
    starts = effort.count(120, 20_000)
    scale = 10 ** rng.uniform(-1, 0.5, (starts, 1, 1))
    teacher = TwoLayer(np.eye(1, dimension))
    search = critical_points(TwoLayer(scale * rng.standard_normal((starts, students, dimension))), teacher)
    zero = search.loss <= 1e-9
    wrong = search.converged & ~zero & (search.least_length > 1e-3)
    if np.any(wrong):
        case = int(np.argmax(wrong))
        raise CheckFailed(f"critical point with loss {search.loss[case]:.3g}: {search.students.hidden[case].tolist()}")
    if np.mean(zero) < 0.75:
        raise CheckFailed(f"only {int(np.sum(zero))} of {starts} searches ended anywhere: too few to say something")
    rest = ~zero
    shrinking = int(np.sum(rest & (search.least_length <= 1e-3)))
    others = (
        f"; {shrinking} stopped with a student shrinking to 0 and {int(np.sum(rest)) - shrinking} unconverged, gradient norms {search.gradient_norm[rest].min():.2g} or more"
        if np.any(rest)
        else ""
    )
    return Attack(
        f"Levenberg-Marquardt on the gradient, {students} students in dimension {dimension}, seed {[seed, students, dimension]}",
        starts,
        f"{int(np.sum(zero))} ended at zero loss and no search converged elsewhere{others}",
    )


def _one_student(effort: Effort) -> Outcome:
    d = Derivation()
    angle = sp.Symbol("theta_10", positive=True)
    w0, u, across = (
        rho_0 * sp.Matrix([1, 0]),
        sp.Matrix([sp.cos(angle), sp.sin(angle)]),
        sp.Matrix([-sp.sin(angle), sp.cos(angle)]),
    )
    left = formulas.equation_two_left(angle, w0)
    right = formulas.equation_two_right(rho_1, u, angle, rho_0, 0, sp.zeros(2, 1))
    d.identity(
        "across the student",
        -((left - right).T * across)[0],
        rho_0 * (pi - angle) * sp.sin(angle),
        "Equation (2) for $m=1$, along the unit vector orthogonal to $u_1$ in the plane of $w_0$ and $w_1$.",
        shown=r"0 = \rho_0(\pi-\theta_{10})\sin\theta_{10}",
    )
    s, c = sp.symbols("s c", positive=True)
    d.sign(
        "so the student is on the teacher's line",
        rho_0 * (pi - angle) * sp.sin(angle),
        rho_0 * s * c,
        positive={s: (sp.sin(angle), "sine"), c: (pi - angle, "domain"), rho_0: (rho_0, "domain")},
        domain=(angle, pi - angle, rho_0),
        statement=r"For $0<\theta_{10}<\pi$ the right side is positive, so $\theta_{10}\in\{0,\pi\}$.",
    )
    along = ((left - right).T * u)[0]
    d.identity(
        "opposite: impossible",
        along.subs(angle, pi),
        -pi * rho_1,
        r"$\theta_{10}=\pi$ would give $0=-\pi\rho_1$, but $\rho_1>0$.",
    )
    d.identity(
        "aligned", along.subs(angle, 0), pi * (rho_0 - rho_1), r"$\theta_{10}=0$ gives $\rho_1=\rho_0$: $w_1=w_0$."
    )
    return d.proved(
        "case by case in the angle; the case of the opposite direction, which the paper leaves out, is excluded too"
    )


def _plane(x: sp.Expr, y: sp.Expr) -> tuple[sp.Matrix, sp.Matrix]:
    """Unit vectors at angle x below and y above the teacher's direction (1, 0)."""
    return sp.Matrix([sp.cos(x), -sp.sin(x)]), sp.Matrix([sp.cos(y), sp.sin(y)])


def _decomposition(effort: Effort) -> Outcome:
    d = Derivation()
    x, y, third = sp.symbols("x y theta_12", positive=True)
    t1, t2 = sp.symbols("theta_10 theta_20")
    w = sp.symbols("w_0 w_1 w_2")
    ours, theirs = sp.symbols("y y'")
    w1, w2 = rho_1 * sp.Matrix([1, 0]), rho_2 * sp.Matrix([sp.cos(third), sp.sin(third)])
    gap = (x - sp.Symbol("x'")) * w1 + (ours - theirs) * w2
    d.identity(
        "one decomposition",
        w1[0] * gap[1] - w1[1] * gap[0],
        (ours - theirs) * rho_1 * rho_2 * sp.sin(third),
        r"Cross product of $w_1$ with the difference of two decompositions $x w_1+y w_2=x'w_1+y'w_2$: it is 0, so $y=y'$ (likewise $x=x'$) by the next step.",
        shown=r"w_1\times\big((x-x')w_1+(y-y')w_2\big) = (y-y')\,\rho_1\rho_2\sin\theta_{12}",
    )
    s = sp.Symbol("s", positive=True)
    d.sign(
        "independent directions",
        rho_1 * rho_2 * sp.sin(third),
        rho_1 * rho_2 * s,
        positive={rho_1: (rho_1, "domain"), rho_2: (rho_2, "domain"), s: (sp.sin(third), "sine")},
        domain=(rho_1, rho_2, third, pi - third),
    )
    first = sp.solve(sp.Eq((pi - t1) * y, pi - third), y)[0]
    second = sp.solve(sp.Eq((pi - t2) * x, pi - third), x)[0]
    d.identity(
        "divide by pi - theta_12",
        (first * w[2] + second * w[1]) / (pi - third),
        w[1] / (pi - t2) + w[2] / (pi - t1),
        r"Equation (2) for $i=1$ is a decomposition of $w_0$ with $y=\frac{\pi-\theta_{12}}{\pi-\theta_{10}}$, and for $i=2$ one with "
        r"$x=\frac{\pi-\theta_{12}}{\pi-\theta_{20}}$. They are the same, so $w_0=x w_1+y w_2$ with both.",
        shown=r"\frac{w_0}{\pi-\theta_{12}} = \frac{w_1}{\pi-\theta_{20}}+\frac{w_2}{\pi-\theta_{10}}",
    )
    return d.proved("uniqueness of the decomposition of $w_0$ along two independent directions")


def _lengths(effort: Effort) -> Outcome:
    d = Derivation("alignment.thm3.1.step1")
    d.argument(
        "teacher strictly between the students",
        r"By `alignment.thm3.1.step1`, $w_0$ is a combination of $w_1,w_2$ with positive coefficients: it lies strictly inside their cone, so with $a=\theta_{10}$, $b=\theta_{20}$: $a,b>0$ and "
        r"$\theta_{12}=a+b<\pi$.",
        "A vector inside the cone of two independent vectors makes angles with them that add up to the angle between them.",
        refuted_by="a positive combination of two directions whose angles to them do not add up",
        attack=lambda: _cone_attack(effort),
    )
    u1, u2 = _plane(a, b)
    length = formulas.two_student_lengths(a, b)
    third = a + b
    combination = length[1] * u1 / (pi - b) + length[2] * u2 / (pi - a) - length[0] * sp.Matrix([1, 0]) / (pi - third)
    for k, axis in enumerate(("along w_0", "across w_0")):
        d.identity(
            f"component {axis}",
            combination[k],
            0,
            r"Students at angles $a$ and $b$ on either side of $w_0$. The ratios of the paper, $\rho_0:\rho_1:\rho_2="
            r"(\pi-a-b)\sin(a+b):(\pi-b)\sin b:(\pi-a)\sin a$, solve the decomposition; as its vectors span the plane, no other ratios do.",
            shown=r"\rho_1\frac{u_1}{\pi-b}+\rho_2\frac{u_2}{\pi-a}-\rho_0\frac{u_0}{\pi-a-b}=0",
        )
    return d.proved("the ratios solve both components; the solution is unique up to a factor")


def _closing(effort: Effort) -> Outcome:
    d = Derivation()
    u1, u2 = _plane(a, b)
    length = formulas.two_student_lengths(a, b)
    left = formulas.equation_two_left(a, length[0] * sp.Matrix([1, 0]))
    right = formulas.equation_two_right(
        length[1], u1, a, length[0], length[2] * sp.sin(a + b), (pi - a - b) * length[2] * u2
    )
    gap = right - left
    d.identity(
        "right minus left is along u_1",
        gap[0] * u1[1] - gap[1] * u1[0],
        0,
        r"Equation (2) for $i=1$, with $\rho_0,\rho_1,\rho_2$ as in `alignment.thm3.1.step2`: $u_1$ at angle $a$ from the teacher, $w_2$ at angle $b$ on the other side.",
        shown=r"(\text{right}-\text{left})\times u_1=0",
    )
    d.identity(
        "its length",
        (gap.T * u1)[0],
        formulas.two_student_residual(a, b),
        shown=r"(\text{right}-\text{left})\cdot u_1 = a\sin b\,(2\pi-a-b)+b\sin a\,\sin(a+b)",
    )
    A, B, C, sa, sb, sab = sp.symbols("A B C s_a s_b s_ab", positive=True)
    d.sign(
        "it is positive",
        formulas.two_student_residual(a, b),
        A * sb * (A + B + 2 * C) + B * sa * sab,
        positive={
            A: (a, "domain"),
            B: (b, "domain"),
            C: (pi - a - b, "domain"),
            sa: (sp.sin(a), "sine"),
            sb: (sp.sin(b), "sine"),
            sab: (sp.sin(a + b), "sine"),
        },
        domain=(a, b, pi - a - b),
        statement="So (2) cannot hold.",
        shown=r"a\sin b\,(2\pi-a-b)+b\sin a\,\sin(a+b)>0",
    )
    return d.proved("an identity whose every term is positive for $a, b>0$, $a+b<\\pi$")


def _two_students(effort: Effort) -> Outcome:
    d = Derivation()
    d.argument(
        "students on two lines, none opposite to the teacher",
        r"If $\theta_{12}\notin\{0,\pi\}$ and $\theta_{10},\theta_{20}\ne\pi$, then `alignment.thm3.1.step1` puts $w_0$ between the students, `alignment.thm3.1.step2` fixes the lengths up to a factor, and `alignment.thm3.1.step3` says that "
        "they do not satisfy (2).",
        "In any dimension (2) for $i=1$ puts $w_0$ into the plane of $w_1$ and $w_2$, as $\\theta_{10}\\ne\\pi$.",
        refuted_by="two students outside the line of the teacher, in three dimensions, that solve (2) with some positive lengths",
        attack=lambda: _direction_attack(effort),
    )
    d.identity(
        "a student opposite to the teacher",
        formulas.equation_two_left(pi, rho_0),
        0,
        r"If $\theta_{10}=\pi$ and $\theta_{12}\notin\{0,\pi\}$, the left side of (2) for $i=1$ vanishes: $0=A_1u_1+(\pi-\theta_{12})w_2$, $A_i$ being the bracket before $u_i$ in (2): impossible for independent $u_1$, $u_2$ and "
        r"$\rho_2>0$. Likewise for $\theta_{20}=\pi$.",
        shown=r"(\pi-\pi)\,w_0=0",
    )
    along = formulas.equation_two_right(rho_1, 1, pi, rho_0, rho_2 * sp.sin(pi), (pi - pi) * rho_2)
    d.identity(
        "opposite students",
        along,
        pi * rho_1,
        r"If $\theta_{12}=\pi$, (2) for $i$ reads $(\pi-\theta_{i0})w_0=A_iu_i$, so both students are on the line of $w_0$, one of them, say 1, at angle $\pi$; along $u_1$ it reads "
        r"$0=\pi\rho_1$, but $\rho_1>0$.",
        shown=r"0 = \pi\rho_1-\rho_0\sin\pi+\rho_2\sin\pi = \pi\rho_1",
    )
    d.argument(
        "equal directions",
        r"If $\theta_{12}=0$, the two students act as one of length $\rho_1+\rho_2$ (`alignment.red.merge`), so by `alignment.m1` it is $w_0$: $\theta_{01}=\theta_{02}=0$, $\rho_1+\rho_2=\rho_0$.",
        "All cases are covered: $\\theta_{12}=0$, $\\theta_{12}=\\pi$, and in between with or without a student opposite to the teacher.",
        refuted_by="a critical point of two students of positive length with non-zero loss",
        attack=lambda: no_other_critical_point(effort, 2),
    )
    return d.proved("all cases excluded; valid in every dimension")


def _cone_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(4)
    points = sample_points(rng, effort.count(20_000, 500_000), [(0, np.pi), (0, 1), (0, 1)])
    u1, u2 = (
        np.array([np.ones(len(points)), np.zeros(len(points))]),
        np.array([np.cos(points[:, 0]), np.sin(points[:, 0])]),
    )
    w = (points[:, 1] * u1 + points[:, 2] * u2) / (points[:, 1] + points[:, 2])
    angle = lambda v: np.arctan2(np.abs(w[0] * v[1] - w[1] * v[0]), w[0] * v[0] + w[1] * v[1])  # noqa: E731
    return errors_below(
        "positive combinations of two random directions: sum of the angles against the angle between",
        np.abs(angle(u1) + angle(u2) - points[:, 0]),
        1e-12,
    )


def length_residual(units: np.ndarray, least: float = 0.0) -> float:
    """The least residual of (2) over lengths of at least `least`, for students in the directions `units (m, d)` and the first axis as teacher.

    For given directions (2) is linear in the lengths, so that this is a non-negative least-squares problem.
    """
    m, d = units.shape
    teacher = TwoLayer(np.eye(1, d))
    lengths = 1 + np.concatenate([np.zeros((1, m)), np.eye(m)])
    values = population.stationarity(TwoLayer(lengths[..., None] * units), teacher).reshape(m + 1, -1)
    columns = (values[1:] - values[0]).T
    return float(nnls(-columns, values[0] - columns.sum(axis=1) * (1 - least))[1])


def _direction_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(6)
    margins = []
    for _ in range(effort.count(2_000, 50_000)):
        units = rng.standard_normal((2, 3))
        units[:, 0] *= 10 ** rng.uniform(-1, 1)
        units /= np.linalg.norm(units, axis=1)[:, None]
        margins.append(length_residual(units, 0.1) / np.arccos(units[:, 0].min()) ** 3)
    return none_below(
        "residual of (2), fitted in lengths from 0.1, over the cube of the larger angle to the teacher", margins
    )


CLAIMS = (
    Claim(
        "alignment.m1",
        "Section 3.1",
        r"For $m=1$ the only solution of (2) with $\rho_1>0$ is $w_1=w_0$.",
        Verdict.PROVED,
        _one_student,
        uses=("alignment.eq2",),
    ),
    Claim(
        "alignment.thm3.1.step1",
        "Theorem 3.1, first displayed equation",
        r"If $m=2$ and (2) holds with $\theta_{12}\notin\{0,\pi\}$, $\theta_{10},\theta_{20}\ne\pi$: $\frac{w_0}{\pi-\theta_{12}}=\frac{w_1}{\pi-\theta_{20}}+\frac{w_2}{\pi-\theta_{10}}$.",
        Verdict.PROVED,
        _decomposition,
        uses=("alignment.eq2",),
    ),
    Claim(
        "alignment.thm3.1.step2",
        "Theorem 3.1, second displayed equation",
        r"Then $\frac{\rho_0}{(\pi-\theta_{12})\sin\theta_{12}}=\frac{\rho_1}{(\pi-\theta_{20})\sin\theta_{20}}=\frac{\rho_2}{(\pi-\theta_{10})\sin\theta_{10}}$.",
        Verdict.PROVED,
        _lengths,
        uses=("alignment.thm3.1.step1",),
    ),
    Claim(
        "alignment.thm3.1.step3",
        "Theorem 3.1, closing identity (Appendix A is missing; reconstructed)",
        r"With these lengths, $a=\theta_{10}$, $b=\theta_{20}$, right minus left side of (2) for $i=1$ is $[a\sin b\,(2\pi-a-b)+b\sin a\sin(a+b)]\,u_1\ne0$.",
        Verdict.PROVED,
        _closing,
    ),
    Claim(
        "alignment.thm3.1",
        "Theorem 3.1",
        r"For $m=2$, in any dimension, the only solutions of (2) with $\rho_1,\rho_2>0$ have $\theta_{01}=\theta_{02}=0$ and $\rho_1+\rho_2=\rho_0$.",
        Verdict.PROVED,
        _two_students,
        uses=(
            "alignment.thm3.1.step1",
            "alignment.thm3.1.step2",
            "alignment.thm3.1.step3",
            "alignment.red.merge",
            "alignment.m1",
        ),
    ),
)
