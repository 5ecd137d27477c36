"""What the papers leave open or get wrong: limits of the alignment theorems, repairs that fail, and what is not known."""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np
import sympy as sp
from scipy.optimize import linprog

from alignmath import population
from alignmath.angular import ARC_COSINE, AngularDistance, von_mises
from alignmath.networks import TwoLayerReLU, gaussian_weights
from solvers.descent import descend, flow
from solvers.landscape import critical_points
from solvers.solution import RunStatus

from .alignment import formulas
from .alignment.angular_distance import exact_system, replaced
from .alignment.few_students import no_other_critical_point
from .alignment.half_plane import definiteness
from .attacks import near_degenerate_angles, none_below, random_angles
from .claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from .critical_points import certify
from .derivation import Derivation

__all__ = ["CLAIMS", "SPURIOUS", "fitted_slope", "single_neuron_flow"]

_PAPER = "beyond"
pi = sp.pi
t, e = sp.symbols("t epsilon", positive=True)
a, b = sp.symbols("alpha beta", positive=True)
SPURIOUS = (
    np.array([[0.50776, -0.00424], [-0.49681, 1.25752], [-1.04820, -1.60206]]),
    np.array([[-1.3, -0.1], [-0.05, -1.35], [0.25, 1.1]]),
)
"""Students near a spurious local minimum, and their teachers."""


def _nullity(effort: Effort) -> Outcome:
    d = Derivation()
    definiteness(d, effort, ARC_COSINE, "even")
    d.argument(
        "pairs and singles",
        r"$Mz=0$ if and only if $\sum_jz_je^{in\theta_j}=0$ for all even $n$ and $n=\pm1$, the orders with $\hat F(n)>0$ (`align.thm5.6`). Even orders see $e^{2i\theta_j}$ only: by Vandermonde the $z_j$ of each line add up to 0, so $z_j=0$ where $\theta_j$ has no antipode, and $z,-z$ on an antipodal "
        r"pair. Order 1 is left: $\sum_k2z_ku(\theta_k)=0$ over the $p$ pairs, two real equations.",
        "The quadratic form is a sum of squares with these coefficients.",
        refuted_by="angles with p antipodal pairs and a nullity other than max(0, p - 2)",
        attack=lambda: _nullity_attack(effort),
    )
    x, y = sp.symbols("x y", real=True)
    d.identity(
        "rank of the last equations",
        sp.Matrix([[sp.cos(x), sp.cos(y)], [sp.sin(x), sp.sin(y)]]).det(),
        sp.sin(y - x),
        r"Pairs on different lines have independent directions, so the rank is $\min(p,2)$ and the nullity $\max(0,p-2)$.",
        shown=r"\det(u(x),u(y))=\sin(y-x)",
    )
    return d.proved("the nullity of $M$ is $\\max(0,p-2)$ for $p$ antipodal pairs: $\\det M>0$ if and only if $p\\le2$")


def _nullity_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(91)
    margins = []
    for pairs in range(5):
        for _ in range(effort.count(60, 2000)):
            base = np.sort(rng.uniform(0, np.pi, pairs + 2))
            if np.min(np.diff(base)) < 0.05 or base[0] + np.pi - base[-1] < 0.05:
                continue
            angles = np.concatenate([base, base[:pairs] + np.pi])
            values = np.linalg.eigvalsh(ARC_COSINE.matrix(angles))
            nullity = max(0, pairs - 2)
            margins.append(min(values[nullity] - 1e-9, 1e-12 - (values[nullity - 1] if nullity else 0.0)))
    return none_below(
        "eigenvalues with 0 to 4 antipodal pairs and two single angles: as many below 1e-12 as said, the next above 1e-9",
        margins,
    )


def _log_concave_repair(effort: Effort) -> Outcome:
    d = Derivation("align.pad.linear")
    n = sp.Symbol("n", integer=True, positive=True)
    f = lambda u: 1 - u / pi + (1 + sp.cos(3 * u)) / 200  # noqa: E731
    d.identity(
        "Fourier coefficients",
        sp.integrate((1 - t / pi) * sp.cos(n * t), (t, 0, pi)) / pi,
        formulas.fourier_linear(n) / pi,
        r"$f(t)=1-t/\pi+(1+\cos3t)/200$: the coefficients of $1-t/\pi$, positive for odd $n$ and 0 for even $n\ne0$, plus $\frac1{200}$ at $n=0$ and $\frac1{400}$ at $n=\pm3$. So $f$ is an AD function, and PAD by its odd coefficients.",
        shown=r"\frac1\pi\int_0^\pi\Big(1-\frac t\pi\Big)\cos nt\,dt=\frac{1-(-1)^n}{\pi^2n^2}",
    )
    d.identity("it vanishes at pi", f(pi), 0, shown=r"f(\pi)=0")
    E = pi / 200
    g = lambda u: pi * f(u)  # noqa: E731
    d.identity(
        "slope",
        sp.diff(g(t), t),
        -1 - 3 * E * sp.sin(3 * t),
        r"With $g=\pi f$ and $E=\pi/200$: $g'\le-1+3E<0$.",
        shown=r"g'=-1-3E\sin3t",
    )
    d.identity(
        "curvature",
        sp.diff(g(t), t, 2),
        -9 * E * sp.cos(3 * t),
        r"$|g''|\le9E$ and $0\le g\le\pi+2E$.",
        shown=r"g''=-9E\cos3t",
    )
    d.certificate(
        "strict decrease and strict log-concavity",
        bool(1 - 3 * E > 0) and bool(9 * E * (pi + 2 * E) - (1 - 3 * E) ** 2 < 0),
        r"$gg''-g'^2\le9E(\pi+2E)-(1-3E)^2<0$: so $f(\alpha)f(\beta)>f(\alpha+\beta)f(0)$ as in Lemma 4.3.",
        (rf"9E(\pi+2E)-(1-3E)^2\approx{float(9 * E * (pi + 2 * E) - (1 - 3 * E) ** 2):.3f}<0",),
        reason="exact comparison of numbers",
    )
    matrix, rhs = exact_system(f, [pi / 6, 2 * pi / 3, 11 * pi / 6])
    minors = [sp.nsimplify(value, rational=True) if value.is_Rational else value for value in replaced(matrix, rhs)]
    expected = [sp.Rational(73027, 360000), sp.Rational(51809, 18000000), sp.Rational(74033, 360000)]
    d.certificate(
        "all determinants positive",
        bool(matrix.det() == sp.Rational(7373909, 18000000) and minors == expected),
        r"At $(\frac\pi6,\frac{2\pi}3,\frac{11\pi}6)$, exactly.",
        (rf"\det M={sp.latex(matrix.det())},\quad \det M_i={', '.join(sp.latex(v) for v in minors)}",),
        reason="exact rational arithmetic",
    )
    wave = lambda u: sp.cos(u) + sp.cos(3 * u) / 10  # noqa: E731
    angles = [pi * k / 5 for k in (1, 3, 7, 9)]
    matrix, rhs = exact_system(wave, angles)
    ones = sp.ones(4, 1)
    d.identity(
        "m = 4 too",
        matrix * ones - rhs,
        sp.zeros(4, 1),
        r"$f=\cos t+\frac1{10}\cos3t$ at $\frac\pi5(1,3,7,9)$: together with angle $\pi$ these are the negatives of a regular pentagon; $M\mathbf 1=b$ exactly, all Cramer ratios are 1.",
        shown=r"M(1,1,1,1)^\top=b",
    )
    d.certificate(
        "with positive determinant",
        bool(sp.N(matrix.det(method="berkowitz"), 30) > sp.Rational(1, 1000)),
        "$\\det M>0$, so all $\\det M_i=\\det M>0$.",
        (rf"\det M\approx{float(matrix.det(method='berkowitz')):.4f}",),
        reason="30 digits",
    )
    return d.refuted(
        "$f(t)=1-t/\\pi+(1+\\cos3t)/200$ is PAD, strictly decreasing, strictly log-concave with $f(\\pi)=0$, and at $(\\pi/6,2\\pi/3,11\\pi/6)$ every $\\det M_i>0$"
    )


def _two_students(effort: Effort) -> Outcome:
    d = Derivation("align.lem4.2")
    f0, f1, f2, rise = sp.symbols("f_0 f_1 f_2 delta", positive=True)
    matrix, rhs = sp.Matrix([[f0, f2], [f2, f0]]), sp.Matrix([f1, f1])
    ratio = f1 / (f0 + f2)
    d.identity(
        "symmetric students",
        matrix * sp.Matrix([ratio, ratio]) - rhs,
        sp.zeros(2, 1),
        r"$m=2$, angles $\pm\epsilon$, $0<\epsilon<\frac\pi2$, with $f_0=f(0)$, $f_1=f(\epsilon)$, $f_2=f(2\epsilon)$.",
        shown=r"\rho_1=\rho_2=\frac{f(\epsilon)}{f(0)+f(2\epsilon)}",
    )
    d.sign(
        "positive determinant",
        matrix.det().subs(f0, f2 + rise),
        rise * (rise + 2 * f2),
        positive={rise: (rise, "align.lem4.2"), f2: (f2, "align.lem4.2")},
        statement=r"$f(0)=f(2\epsilon)+\delta$ with $\delta>0$, as $f$ decreases; so $\det M_1=\det M_2=\rho_1\det M>0$.",
        shown=r"\det M=(f_0-f_2)(f_0+f_2)>0",
    )
    return d.refuted(
        "students at $\\pm\\epsilon$ solve $M\\rho=b$ with positive lengths: the condition needs $m\\ge3$ (alignment itself holds for $m=2$, by Theorem 3.1)"
    )


def _three_dimensions_condition(effort: Effort) -> Outcome:
    d = Derivation("align.lem4.2")
    f0, f1, f2, rise = sp.symbols("f_0 f_1 f_2 delta", positive=True)
    matrix = sp.Matrix(3, 3, lambda i, j: f0 if i == j else f2)
    ratio = f1 / (f0 + 2 * f2)
    d.identity(
        "students around the teacher",
        matrix * sp.Matrix([ratio] * 3) - sp.Matrix([f1] * 3),
        sp.zeros(3, 1),
        r"In $\mathbb{R}^3$, three students at the same angle $\phi$ from the teacher, 120 degrees apart around it; $f_1=f(\phi)$, $f_2=f$ of their mutual angle.",
        shown=r"\rho_i=\frac{f_1}{f_0+2f_2}",
    )
    d.sign(
        "positive determinant",
        sp.expand(matrix.det().subs(f0, f2 + rise)),
        sp.expand(rise**2 * (rise + 3 * f2)),
        positive={rise: (rise, "align.lem4.2"), f2: (f2, "align.lem4.2")},
        shown=r"\det M=(f_0-f_2)^2(f_0+2f_2)>0",
    )
    from flint import arb, ctx

    with ctx.workprec(128):
        polar = arb(3) / 10
        mutual = (polar.cos() ** 2 - polar.sin() ** 2 / 2).acos()
        ball = ARC_COSINE.ball
        assert ball is not None
        rho = ball(polar) / (ball(arb(0)) + 2 * ball(mutual))
        d.certificate(
            "polar angle 0.3",
            bool(abs(rho - arb("0.346")) < arb("0.001")),
            "For $\\phi=0.3$ the lengths are 0.346.",
            (rf"\rho_i\in[{float(rho.lower()):.6f},{float(rho.upper()):.6f}]",),
            reason="ball arithmetic",
        )
    return d.refuted(
        "three students around the teacher in $\\mathbb{R}^3$ solve $M\\rho=b$ with positive lengths; they are no critical point, as (2) has further components"
    )


def _spurious(effort: Effort) -> Outcome:
    d = Derivation()
    near, teacher = SPURIOUS
    found = critical_points(TwoLayerReLU(near[None]), TwoLayerReLU(teacher))
    point = certify(found.students.hidden[0], teacher)
    d.certificate(
        "critical point",
        point.radius < 1e-9,
        "Krawczyk's test: a box of radius "
        f"{point.radius:g} around {np.round(point.centre, 5).tolist()} contains exactly one critical point for the teachers {teacher.tolist()}.",
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
    """Hull by linear programming against the loss of the students it yields, and against a frequency of 11/16."""
    rng = np.random.default_rng(92)
    count, hits, margins = effort.count(1_500, 20_000), 0, []
    for _ in range(count):
        teacher = gaussian_weights(5, 2, rng)
        hull = linprog(-np.ones(5), A_eq=teacher.hidden.T, b_eq=np.zeros(2), bounds=(0, 1))
        inside = -hull.fun > 1e-9
        gaps = np.diff(np.sort(teacher.polar_angles))
        spread = float(np.append(gaps, 2 * np.pi - gaps.sum()).max())
        margins.append((np.pi - spread) * (1 if inside else -1))
        if inside:
            hits += 1
            weights = np.concatenate([teacher.hidden * (1 - hull.x[:, None]), -teacher.hidden * hull.x[:, None]])
            students = TwoLayerReLU(weights[np.linalg.norm(weights, axis=1) > 0])
            margins.append(1e-12 - float(population.loss(students, teacher)))
    deviation = abs(hits - count * 11 / 16) / (count * 55 / 256) ** 0.5
    margins.append(5 - deviation)
    return none_below(
        f"{count} teachers of 5 Gaussian neurons: hull by linear programming, the largest gap between directions, zero loss of the students found; {hits} contain 0",
        margins,
    )


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
        r"At a local minimum the non-zero students are a critical point of the problem without the zero ones; by `align.main` its loss is 0, and it is the loss of the whole. If none is zero, `align.main` applies directly.",
        "Zero students do not change the function, and perturbing only the others is a perturbation of the whole.",
        refuted_by="descent that stalls at non-zero loss in the plane",
        attack=lambda: _descent_attack(effort),
    )
    return d.proved("in the plane every local minimum of the loss is global, students of length 0 included")


def _descent_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(93)
    runs = effort.count(200, 2_000)
    losses = []
    for students in (2, 3, 6):
        end = descend(
            gaussian_weights(students, 2, rng, batch=(runs,)),
            TwoLayerReLU([[1.0, 0.0]]),
            0.5,
            effort.count(1_500, 10_000),
        )
        losses.append(end.final_loss)
    return none_below(
        "descent from Gaussian starts, 2, 3 and 6 students: final loss below 1e-4", 1e-4 - np.concatenate(losses)
    )


def _any_dimension(effort: Effort) -> Outcome:
    d = Derivation()
    d.argument(
        "coplanar students",
        r"If all students and the teacher lie in one plane of $\mathbb{R}^d$, equation (2) is an equation in that plane: `align.main`.",
        "Both sides of (2) are combinations of $w_0$ and the $w_j$, and angles and lengths are those of the plane.",
        refuted_by="coplanar students whose gradient leaves the plane",
        attack=lambda: _plane_attack(effort),
    )
    d.argument(
        "an aligned student",
        r"With $h(u)=\sum_j\rho_jf(\angle(u,u_j))-f(\angle(u,u_0))$ for unit $u$, $4\pi L=\sum_i\rho_ih(u_i)-h(u_0)$ as in the plane; (2) gives $h(u_i)=0$, and $u_i=u_0$ for some $i$ gives $h(u_0)=0$: zero loss. Then the kinks of the students, on hyperplanes, are the teacher's, so all students are on "
        "its line, and on its side.",
        "The loss is half the expected square of the residual in any dimension.",
        refuted_by="a critical point in three dimensions with an aligned student and non-zero loss",
        attack=lambda: _aligned_search(effort),
    )
    d.argument(
        "two students",
        r"For $m\le2$ equation (2) puts $w_0$ into the plane of $w_1,w_2$, or a student opposite to the teacher: Theorem 3.1 and its proof hold in every dimension.",
        "`align.thm3.1` is proved without using the dimension.",
        refuted_by="a critical point of two students in three or five dimensions with non-zero loss",
        attack=lambda: no_other_critical_point(effort, 2, 5, seed=94),
    )
    return d.proved(
        "alignment holds in every dimension for $m\\le2$, for students coplanar with the teacher, and when one student is aligned with it"
    )


def _plane_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(95)
    margins = []
    for _ in range(effort.count(300, 10_000)):
        frame = np.linalg.qr(rng.standard_normal((5, 5)))[0]
        flat = gaussian_weights(4, 2, rng)
        student, teacher = TwoLayerReLU(flat.hidden @ frame[:2]), TwoLayerReLU(rng.standard_normal((1, 2)) @ frame[:2])
        gradient = population.gradient(student, teacher).hidden
        margins.append(1e-13 - np.abs(gradient @ frame[2:].T).max())
    return none_below("gradient of coplanar students in dimension 5, out of the plane, to 1e-13", margins)


def _aligned_search(effort: Effort) -> Attack:
    """Critical points in three dimensions from starts with one student close to the teacher's direction."""
    rng = np.random.default_rng(96)
    starts = rng.standard_normal((effort.count(400, 10_000), 4, 3))
    starts[:, 0] = [0.5, 0.0, 0.0] + 1e-2 * starts[:, 0]
    found = critical_points(TwoLayerReLU(starts), TwoLayerReLU(np.eye(1, 3)))
    wrong = found.converged & (found.loss > 1e-9) & (found.least_length > 1e-3)
    if np.any(wrong):
        raise CheckFailed(
            f"critical point with loss {found.loss[wrong][0]:.3g}: {found.students.hidden[wrong][0].tolist()}"
        )
    return Attack(
        "Levenberg-Marquardt, 4 students in dimension 3, one near the teacher, seed 96",
        len(starts),
        f"{int(np.sum(found.loss <= 1e-9))} at zero loss, none elsewhere",
    )


def _open_dimension(effort: Effort) -> Outcome:
    d = Derivation()
    parts = []
    for dimension, students in ((3, 3), (3, 4), (3, 6), (4, 4), (4, 6), (5, 6)):
        attack = no_other_critical_point(effort, students, dimension, seed=97)
        d.measurement(
            f"d = {dimension}, m = {students}", True, f"{attack.count} starts: {attack.closest}.", attack.tried
        )
        parts.append(f"(d, m) = ({dimension}, {students})")
    return d.open(
        f"Levenberg-Marquardt from {effort.count(400, 20_000)} Gaussian starts each (scales 0.1 to 3, seed 97) for {', '.join(parts)}: every critical point found has loss below 1e-9 or a student shorter than 1e-3"
    )


def _open_kernels(effort: Effort) -> Outcome:
    d = Derivation()
    rng = np.random.default_rng(98)
    parts = []
    for concentration in (0.5, 2.0, 5.0):
        kernel = von_mises(concentration)
        worst, count = -np.inf, 0
        for m in (3, 4, 5):
            for family in (random_angles, near_degenerate_angles):
                angles = family(rng, effort.count(2_000, 100_000), m)
                signs = _clear_signs(kernel, angles)
                worst, count = max(worst, float(signs.min(axis=1).max())), count + len(angles)
        d.measurement(
            f"concentration {concentration}",
            worst < 0,
            f"{kernel.name}: some $\\det M_i<0$, proved, in all of {count} configurations with m = 3 to 5.",
        )
        parts.append(f"{count} at concentration {concentration}")
    triples = rng.uniform(0, 2 * np.pi, (effort.count(100_000, 3_000_000), 2, 3))
    triples.sort(axis=2)
    turned = triples.copy()
    minors = np.linalg.det(np.maximum(np.cos(turned[:, 0, :, None] - turned[:, 1, None, :]), 0))
    d.measurement(
        "kernel of half-wave cosines",
        bool(minors.min() > -1e-13),
        f"3 x 3 minors of max(cos(x - y), 0) at cyclically ordered angles: least {minors.min():.2g} over {len(minors)} random ones, rounding 1e-13.",
    )
    return d.open(
        f"von Mises kernels exp(k (cos t - 1)): no violation of the determinant condition in {', '.join(parts)} (m = 3 to 5, uniform and near-degenerate, seed 98); which kernels have it is not known"
    )


def _clear_signs(kernel: AngularDistance, angles: np.ndarray) -> np.ndarray:
    return kernel.determinant_signs(angles)


def single_neuron_flow(
    students: int, times: np.ndarray, seed: int, *, dimension: int = 2, scale: float = 1e-2
) -> np.ndarray:
    """Loss along the gradient flow of `students` small Gaussian students towards one unit teacher, at `times`; `(K,)`.

    They start on the teacher's side of the origin; a student on the other side can shrink to 0, where the flow ends.
    """
    start = scale * np.random.default_rng([seed, students, dimension]).standard_normal((students, dimension))
    start[:, 0] = np.abs(start[:, 0])
    run = flow(TwoLayerReLU(start), TwoLayerReLU(np.eye(1, dimension)), times, method="LSODA")
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
            for seed in range(effort.count(3, 20))
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
        for seed in range(effort.count(3, 20))
    ]
    d.measurement(
        "one student",
        bool(np.all(np.abs(np.array(rates) + 1) < 0.01)),
        f"slope of log loss against time, 15..40: {min(rates):.4f} to {max(rates):.4f}; the Hessian I/2 at the teacher says -1.",
    )
    return d.measured(
        f"slopes of log loss against log time: {', '.join(parts)} (law: -3); one student: exponential with rate {-np.mean(rates):.4f} (law: 1)"
    )


def _claim(
    name: str,
    source: str,
    statement: str,
    expected: Verdict,
    check: Callable[[Effort], Outcome],
    uses: tuple[str, ...] = (),
    assumes: tuple[str, ...] = (),
) -> Claim:
    return Claim(f"beyond.align.{name}", _PAPER, source, statement, expected, check, assumes, uses)


CLAIMS = (
    _claim(
        "nullity",
        "Section 5.2, sharpened",
        r"For $f=\sin\theta+(\pi-\theta)\cos\theta$ and distinct angles with $p$ antipodal pairs, the nullity of $M$ is $\max(0,p-2)$.",
        Verdict.PROVED,
        _nullity,
        ("align.thm5.6",),
        (
            "a continuous function with absolutely summable Fourier coefficients equals its Fourier series",
            "Vandermonde's determinant for general m",
        ),
    ),
    _claim(
        "conj5.5.log_concave",
        "Conjecture 5.5 with hypotheses added",
        r"For every PAD function with $f$ strictly decreasing, $f(\pi)=0$ and $f(\alpha)f(\beta)>f(\alpha+\beta)f(0)$: for $m\ge3$ some $\det M_i\le0$.",
        Verdict.REFUTED,
        _log_concave_repair,
        ("align.prop5.4", "align.lem4.5"),
    ),
    _claim(
        "detcond.two_students",
        "limit of Theorem A",
        r"The determinant condition for $m=2$: some $\det M_i\le0$.",
        Verdict.REFUTED,
        _two_students,
        ("align.lem4.2",),
    ),
    _claim(
        "detcond.three_dimensions",
        "limit of Theorem A",
        r"The determinant condition for $m=3$ students in $\mathbb{R}^3$: some $\det M_i\le0$.",
        Verdict.REFUTED,
        _three_dimensions_condition,
        ("align.lem4.2",),
    ),
    _claim(
        "local_minima",
        "corollary of Theorem B",
        "In the plane, with one teacher, every local minimum of the loss is global, for every number of students, some of them possibly zero.",
        Verdict.PROVED,
        _local_minima,
        ("align.main",),
    ),
    _claim(
        "any_dimension",
        "Theorem B beyond the plane",
        r"In $\mathbb{R}^d$, every $d$: the solutions of (2) with all $\rho_i>0$ are the aligned ones if $m\le2$, or if the students are coplanar with the teacher, or if some student is aligned with it.",
        Verdict.PROVED,
        _any_dimension,
        ("align.main", "align.thm3.1", "align.red.merge.mended"),
    ),
    _claim(
        "three_dimensions",
        "open",
        r"For $d\ge3$ and $m\ge3$ students, every solution of (2) with all $\rho_i>0$ is aligned.",
        Verdict.OPEN,
        _open_dimension,
    ),
    _claim(
        "several_teachers",
        "limit of Theorem B",
        "With several teachers every local minimum of the loss is global.",
        Verdict.REFUTED,
        _spurious,
    ),
    _claim(
        "opposite_students",
        "limit of Theorem B",
        r"Teachers $v_1,\dots,v_K$ on distinct lines: there are students of positive lengths at zero loss, one of them opposite to a teacher, if and only if $0$ is in the convex hull of the $v_k$.",
        Verdict.PROVED,
        _opposite,
        (),
        ("Wendel 1962, for the probability",),
    ),
    _claim(
        "which_kernels",
        "open",
        r"The determinant condition holds for the von Mises kernels $e^{k(\cos t-1)}$, and for autocorrelations of cyclically totally positive functions of order 3.",
        Verdict.OPEN,
        _open_kernels,
    ),
    _claim(
        "rate",
        "Xu and Du 2023, for one teacher",
        r"From a small start on the teacher's side, the loss of gradient flow in the plane falls like $T^{-3}$ for two or more students of one teacher (fitted exponent within 0.03), and exponentially, like $e^{-T}$, for one.",
        Verdict.MEASURED,
        _rate,
    ),
)
