"""The paper's own proof of Theorem 5.2, by the perimeter of the polygon of gradients: what fails in it, and what it does prove; and Figures 1 to 3."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import sympy as sp

from alignmath.networks import TwoLayer

from ..engine.attacks import none_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import formulas
from .samples import Instance, gradient_variation, least_squares_student, random_instance, unit_vectors

__all__ = ["CLAIMS"]

_ZEROS = (1, 3, 5)


def _zigzag() -> list[formulas.Neuron]:
    """`relu(x_1)` plus an even function that vanishes at (1, k), k = 1..5: `sum_k (-1)^k |x_2 - (k + 1/2) x_1| - (5/2) |x_1|`."""
    half = sp.Rational(1, 2)
    lines = [((-1) ** k, (-(k + half), sp.Integer(1))) for k in range(5)] + [
        (-sp.Rational(5, 2), (sp.Integer(1), sp.Integer(0)))
    ]
    return [
        (sp.Integer(1), (sp.Integer(1), sp.Integer(0))),
        *((c, u) for c, u in lines),
        *((c, (-u[0], -u[1])) for c, u in lines),
    ]


def _printed_proof(effort: Effort) -> Outcome:
    d = Derivation()
    student, teacher = _zigzag(), [(sp.Integer(1), (sp.Integer(1), sp.Integer(0)))]
    rays = [(sign * 1, sign * k) for sign in (1, -1) for k in _ZEROS]
    values = [formulas.network_value(student, x) == formulas.network_value(teacher, x) for x in rays]
    d.certificate(
        "an interpolant",
        all(values) and len(values) == 6,
        r"Teacher $\sigma(x_1)$; three samples in each of its two sectors, in the directions $\pm(1,1)$, $\pm(1,3)$, $\pm(1,5)$. The student $f=\sigma(x_1)+\sum_{k=0}^4(-1)^k|x_2-(k+\frac12)x_1|-\frac52|x_1|$ (with $|h|=\sigma(h)+\sigma(-h)$) interpolates them.",
        reason="rationals",
    )
    offsets = [formulas.network_gradient(student, (1, k)) - sp.Matrix([1, 0]) for k in _ZEROS]
    d.certificate(
        "the triangle does not contain the teacher's gradient",
        [tuple(v) for v in offsets] == [(-1, 1), (-3, 1), (-5, 1)] and all(v[1] > 0 for v in offsets),
        r"On the pieces that contain $P_1,P_2,P_3=(1,1),(1,3),(1,5)$ up to length, $V_i-V(f^*,s^*)=(-1,1),(-3,1),(-5,1)$: all on one side of a line through 0. Between the samples $f-f^*$ has further zeros, so its slopes at $P_1,P_2,P_3$ need not alternate: three pieces are not the general case.",
        reason="rationals",
    )
    root = sp.sqrt(3)
    mixed = [(1, (1, 0)), (-1, (sp.Rational(1, 2), root / 2)), (1, (-sp.Rational(1, 2), root / 2))]
    gradients = [formulas.network_gradient(mixed, ray) for ray in formulas.wedge_rays(mixed)]
    corner, side = sp.Matrix([1, 0]), sp.Matrix([sp.Rational(1, 2), -root / 2])
    centre = sum(gradients, sp.zeros(2, 1)) / 6
    corners = [corner, side, -corner, -side]
    inside = all(
        formulas.sign(formulas.cross(tuple(q - p), tuple(v - centre - p))) <= 0
        for v in gradients
        for p, q in zip(corners, [*corners[1:], corners[0]], strict=True)
    )
    perimeter = sum((q - p).norm() for p, q in zip(corners, [*corners[1:], corners[0]], strict=True))
    d.certificate(
        "a larger polygon of smaller perimeter",
        inside and formulas.kappa(mixed) == 6 and sp.expand(perimeter - 2 - 2 * root) == 0 and bool(perimeter < 6),
        r"Teacher with neurons at 0, 60, 120 degrees, signs $(+,-,+)$: its closed polygon of gradients crosses itself and has length $\kappa(f^*)=6$. All its corners lie in a parallelogram of perimeter $2+2\sqrt3<6$. So for mixed signs a polygon around all $V(f^*,s)$ need not be longer than $\kappa(f^*)$.",
        reason="in $\\mathbb{Q}(\\sqrt3)$",
    )
    parallelogram = [(sp.Rational(1), tuple(side - corner)), (sp.Rational(1), tuple(corner + side))]
    shape = [formulas.network_gradient(parallelogram, ray) for ray in formulas.wedge_rays(parallelogram)]
    middle = sum(shape, sp.zeros(2, 1)) / 4
    d.certificate(
        "that is the polygon of a network",
        {tuple((v - middle).applyfunc(sp.expand)) for v in shape} == {tuple(v) for v in corners}
        and sp.expand(formulas.kappa(parallelogram) - perimeter) == 0,
        r"The parallelogram is the polygon of gradients of a network with two neurons (and a linear function, to put it in place), and $2+2\sqrt3$ is its $\kappa$.",
        reason="in $\\mathbb{Q}(\\sqrt3)$",
    )
    return d.refuted(
        "the triangle need not contain the gradient if there are more than three pieces; and for mixed signs a polygon around the teacher's need not be longer"
    )


def _mended_proof(effort: Effort) -> Outcome:
    d = Derivation("min_norm.rem4.3.3")
    d.argument(
        "the gradients surround the teacher's",
        r"Let $f=f^*$ at three points of a sector $s^*$. If $V(f^*,s^*)$ were not in the convex hull of the gradients of $f$ in $s^*$, some $w$ would have $w\cdot(V-V(f^*,s^*))>0$ for all of them: $g=f-f^*$ would rise strictly in the direction $w$ inside the cone of $P_1$ and $P_3$. The line through $P_2$ in the direction $w$ leaves this cone across the ray of $P_1$ or $P_3$ on one side at least; at both ends $g=0$: a contradiction.",
        "A cone of less than half a turn contains no whole line, and $P_2$ is inside it.",
        refuted_by="an interpolant and a direction in which all its gradients in a sector exceed the teacher's",
        attack=lambda: _hull_attack(effort),
    )
    first, second = sp.symbols("a b", positive=True)
    turn = sp.Symbol("tau", positive=True)
    side = sp.Symbol("s", positive=True)
    d.sign(
        "equal signs give a convex polygon",
        sp.Matrix([[first, second * sp.cos(turn)], [0, second * sp.sin(turn)]]).det(),
        first * second * side,
        positive={first: (first, "manifest"), second: (second, "manifest"), side: (sp.sin(turn), "sine")},
        domain=(turn, sp.pi - turn),
        statement=r"The sides of the teacher's polygon are the jumps: $a\beta_j$, then $b\beta_{j+1}$, where $a,b>0$ if all output weights are positive and $\beta_{j+1}$ is $\beta_j$ turned by $\tau<\pi$. Every turn is to the left, once around in all: the polygon is convex, with perimeter $\kappa(f^*)$.",
        shown=r"\det(a\beta_j,b\beta_{j+1})=ab\sin\tau>0",
    )
    d.argument(
        "longer",
        r"So, if all output weights have one sign, the closed polygon of the gradients of $f$ has the convex polygon of the teacher in its hull: $2\sum_j|a_j|\,|b_j|\ge\kappa(f)\ge\kappa(f^*)=2\sum_k|a_k^*|\,|b_k^*|$ (`min_norm.rem4.3.3`).",
        "A closed polygon is at least as long as the boundary of its hull, and perimeter is monotone under inclusion of convex sets.",
        refuted_by=r"an interpolant of a teacher with positive output weights, three points a sector, with $\kappa(f)<\kappa(f^*)$",
        attack=lambda: _kappa_attack(effort),
    )
    return d.proved(
        "three points a sector put each gradient of the teacher into the hull of the student's; with equal signs the perimeter argument then holds"
    )


def _interpolants(effort: Effort, seed: int, positive: bool) -> Iterator[tuple[Instance, TwoLayer]]:
    rng = np.random.default_rng(seed)
    for _ in range(effort.count(120, 2_000)):
        instance = random_instance(rng, int(rng.integers(1, 5)), apart=0.05, inner=0.03)
        if positive:
            instance = type(instance)(instance.angles, np.abs(instance.signs), instance.masses, instance.samples)
        student = least_squares_student(rng, instance, 4 * len(instance.samples))
        if student is not None:
            yield instance, student


def _hull_attack(effort: Effort) -> Attack:
    """How far, over all directions w, the gradients of an interpolant in a sector stay on one side of the teacher's."""
    w = unit_vectors(np.linspace(0, 2 * np.pi, 360, endpoint=False))
    margins = []
    for instance, student in _interpolants(effort, 441, positive=False):
        lines = np.sort(np.mod(np.concatenate([instance.angles, instance.angles + np.pi]) + np.pi / 2, 2 * np.pi))
        hidden, output = np.asarray(student.hidden), np.asarray(student.output)
        target = np.asarray(instance.teacher.hidden), np.asarray(instance.teacher.output)
        for start, stop in zip(lines, [*lines[1:], lines[0] + 2 * np.pi], strict=True):
            places = np.linspace(start, stop, 402)[1:-1]
            x = unit_vectors(places)
            gradients = (x @ hidden.T > 0) @ (output[:, None] * hidden)
            difference = gradients - (x[200:201] @ target[0].T > 0) @ (target[1][:, None] * target[0])
            margins.append(-(difference @ w.T).min(axis=0).max() + 1e-6)
    return none_below(
        "least-squares interpolants of random teachers, seed 441, in each sector: by how much the gradients fail to lie beyond a line",
        margins,
    )


def _kappa_attack(effort: Effort) -> Attack:
    margins = [
        gradient_variation(student) / (2 * instance.masses.sum()) - 1 + 1e-9
        for instance, student in _interpolants(effort, 442, positive=True)
    ]
    return none_below(
        "least-squares interpolants of random teachers with positive output weights, seed 442: relative excess of kappa",
        margins,
    )


def _figures(effort: Effort) -> Outcome:
    d = Derivation()
    v = sp.Matrix(sp.symbols("v_1 v_2", real=True))
    angle = sp.Symbol("t", real=True)
    x = sp.Matrix([sp.cos(angle), sp.sin(angle)])
    p = v.dot(x) * x
    d.identity(
        "P is on the circle",
        p.dot(p - v),
        0,
        r"$V$ is the gradient of a sector, $x$ on the unit circle, $P=(V\cdot x)x$: the angle $OPV$ is right, so $P$ is on the circle with diameter $OV$, and $f(x)=V\cdot x=\pm|OP|$ (Figure 1).",
        shown=r"P\cdot(P-V)=0",
    )
    d.identity(
        "the length of OP",
        p.dot(p),
        v.dot(x) ** 2,
        "With the sign of $V\\cdot x$.",
        shown=r"|OP|^2=(V\cdot x)^2=f(x)^2",
    )
    s = sp.Symbol("s", real=True)
    turned = sp.Matrix([-x[1], x[0]])
    d.identity(
        "the line of V_i",
        (v + s * turned).dot(x),
        v.dot(x),
        r"$f(P_i)=V_i\cdot P_i=V(f^*,s^*)\cdot P_i$ exactly when $V_i$ lies on the line $l_i'$ through $V(f^*,s^*)$ at right angles to $P_i$ (Figure 2).",
        shown=r"(V+s\,x^\perp)\cdot x=V\cdot x",
    )
    return d.proved("Thales' circle, and the line at right angles")


CLAIMS = (
    Claim(
        "min_norm.thm5.2.proof",
        "proof of Theorem 5.2, as printed",
        r"If $f$ agrees with $f^*$ at $P_1,P_2,P_3$ in a sector $s^*$, on pieces with other gradients, the gradients $V_1,V_2,V_3$ there form a triangle that contains $V(f^*,s^*)$; and a closed polygon around all $V(f^*,s)$ is longer than $\kappa(f^*)$.",
        Verdict.REFUTED,
        _printed_proof,
    ),
    Claim(
        "min_norm.thm5.2.proof.mended",
        "proof of Theorem 5.2, repaired for output weights of one sign",
        r"If $f$ agrees with $f^*$ at three points of each sector, every $V(f^*,s^*)$ is in the convex hull of the gradients of $f$ in $s^*$; and if all output weights of the teacher have one sign, $\kappa(f)\ge\kappa(f^*)$.",
        Verdict.PROVED,
        _mended_proof,
        assumes=("perimeter is monotone under inclusion of convex sets in the plane (Cauchy)",),
        uses=("min_norm.rem4.3.3",),
    ),
    Claim(
        "min_norm.fig1_3",
        "Figures 1 and 2, the geometry",
        r"In a sector with gradient $V$, $f(x)=\pm|OP|$ with $P$ the second point of the line of $x$ on the circle with diameter $OV$; gradients with the same value at $P_i$ lie on one line at right angles to $P_i$.",
        Verdict.PROVED,
        _figures,
    ),
)
