"""How few points a sector can do with: two do not suffice in general, by two families with exact thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from alignmath.networks import TwoLayer
from solvers.interpolation.minimum_norm import min_norm

from ..engine.attacks import errors_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import formulas
from .samples import unit_vectors

__all__ = ["CLAIMS", "diagonal_family", "diagonal_value"]

pi = sp.pi
delta, eps, t, x = sp.symbols("delta epsilon t x", positive=True)
quarter = pi / 4


def _one_neuron(effort: Effort) -> Outcome:
    """The teacher relu(x_1) and the points +-t, 180 +- (90 - t) degrees."""
    d = Derivation("min_norm.beyond.recovery")
    five, twelve = sp.Rational(5, 13), sp.Rational(12, 13)
    samples = [(five, twelve), (five, -twelve), (-twelve, five), (-twelve, -five)]
    teacher = [(1, (1, 0))]
    student = [(five, samples[0]), (five, samples[1])]
    d.certificate(
        "an instance with rational numbers",
        all(formulas.network_value(student, sample) == formulas.network_value(teacher, sample) for sample in samples)
        and [formulas.sign(sample[0]) for sample in samples] == [1, 1, -1, -1]
        and formulas.cost(student) == sp.Rational(10, 13),
        r"Teacher $\sigma(x_1)$, points $(\frac5{13},\pm\frac{12}{13})$ and $(-\frac{12}{13},\pm\frac5{13})$, two in each sector; $f=\frac5{13}[\sigma(p_1\cdot x)+\sigma(p_2\cdot x)]$ with the first two points $p_1$, $p_2$ as neurons interpolates at cost $\frac{10}{13}<1$. So two points in every sector do not suffice: the minimiser is not the teacher.",
        reason="rationals",
    )
    d.identity(
        "general angles, in front",
        sp.cos(t) * (1 + 0),
        sp.cos(t),
        r"Points at $\pm t$ and $\pi\pm(\frac\pi2-t)$, $\frac\pi4\le t<\frac\pi2$; $f=\cos t\,[\sigma(u_t\cdot x)+\sigma(u_{-t}\cdot x)]$. At $x=u_t$ the neurons have $\cos0=1$ and $\cos2t\le0$.",
        shown=r"f(u_t)=\cos t\cdot(1+0)=\cos t",
    )
    d.identity(
        "general angles, behind",
        sp.cos((pi / 2 + t) - t),
        0,
        r"At $\pi-(\frac\pi2-t)=\frac\pi2+t$ one neuron has $\cos\frac\pi2=0$, the other $\cos(\frac\pi2+2t)=-\sin2t<0$: $f=0$.",
        shown=r"\cos\big((\tfrac\pi2+t)-t\big)=0",
    )
    psi = sp.Symbol("psi", real=True)
    d.identity(
        "its dual certificate",
        sp.cos(psi - t) + sp.cos(psi + t),
        2 * sp.cos(t) * sp.cos(psi),
        r"Multipliers 1 at $\pm t$, 0 behind: $p(\psi)=\sigma(\cos(\psi-t))+\sigma(\cos(\psi+t))\ge0$ is at most 1 where one term is 0, and $2\cos t\cos\psi\le2\cos t$ where both are positive. For $t\ge60$ degrees this is at most 1, and $y\cdot\lambda=2\cos t$: the least cost is exactly $2\cos t$, below 1 for $t>60$ degrees.",
        shown=r"\cos(\psi-t)+\cos(\psi+t)=2\cos t\cos\psi",
    )
    d.identity(
        "threshold", 2 * sp.cos(pi / 3), 1, "At 60 degrees this is the teacher's cost.", shown=r"2\cos\tfrac\pi3=1"
    )
    _diagonal_steps(d)
    d.argument(
        "the least costs",
        r"The first family has the least cost $2\cos t$ for $t\ge60$ degrees. The second has less than 2 for $\delta<22.5$ degrees, and the teacher's 2 from there on.",
        "Above; the sufficient conditions are `min_norm.beyond.recovery`.",
        refuted_by="a solver's certified norm on either side of these values",
        attack=lambda: _family_attack(effort),
    )
    return d.proved(
        "least cost $2\\cos t<1$ for one neuron, $t>60$ degrees; for $\\sigma(x_1)+\\sigma(x_2)$ the threshold is 22.5 degrees; sufficient conditions proved"
    )


def diagonal_family(angle: float, shift: float) -> TwoLayer:
    """The student of the second family: neurons at `-shift`, 45 and `90 + shift` degrees (radians here)."""
    masses = diagonal_masses(angle, shift, np.sin, np.cos, np.pi)
    return TwoLayer(
        unit_vectors(np.array([-shift, np.pi / 4, np.pi / 2 + shift])),
        np.array([masses[0], masses[1], masses[0]], dtype=float),
    )


def diagonal_masses(angle: Any, shift: Any, sin: Any, cos: Any, half_turn: Any) -> tuple[Any, Any]:
    """Mass of the outer neurons and of the one on the diagonal."""
    span = sin(angle + shift)
    return sin(angle) / span, 2 * cos(half_turn / 4 - angle) * sin(shift) / span


def diagonal_value(angle: float) -> float:
    """Cost of the best member of the family `0 <= shift <= angle`."""
    shifts = np.linspace(0, angle, 2_001)
    outer, inner = diagonal_masses(angle, shifts, np.sin, np.cos, np.pi)
    return float(np.min(2 * outer + inner))


def _diagonal_steps(d: Derivation) -> None:
    outer, inner = diagonal_masses(delta, eps, sp.sin, sp.cos, pi)
    hypothesis = r"Second family: $\sigma(x_1)+\sigma(x_2)$, points at $\delta$ and $\frac\pi2-\delta$ in each quadrant, $0<\delta<\frac\pi4$. Student: masses $a=\frac{\sin\delta}{\sin(\delta+\epsilon)}$ at the angles $-\epsilon$, $\frac\pi2+\epsilon$ and $b=\frac{2\cos(\pi/4-\delta)\sin\epsilon}{\sin(\delta+\epsilon)}$ at $\frac\pi4$, $0\le\epsilon\le\delta$."
    cases = (
        (
            "first quadrant",
            outer * (sp.cos(delta + eps) + sp.sin(delta - eps)) + inner * sp.cos(quarter - delta),
            sp.cos(delta) + sp.sin(delta),
            r"a\cos(\delta+\epsilon)+a\sin(\delta-\epsilon)+b\cos(\tfrac\pi4-\delta)=\cos\delta+\sin\delta",
        ),
        (
            "second quadrant, near the axis",
            outer * sp.cos(delta - eps) + inner * sp.cos(quarter + delta),
            sp.cos(delta),
            r"a\cos(\delta-\epsilon)+b\cos(\tfrac\pi4+\delta)=\cos\delta",
        ),
        ("second quadrant, far", outer * sp.sin(delta + eps), sp.sin(delta), r"a\sin(\delta+\epsilon)=\sin\delta"),
    )
    for name, left, right, shown in cases:
        d.identity(
            f"the student interpolates: {name}",
            left,
            right,
            hypothesis
            + " The reflection in the diagonal exchanges the points and keeps the student; in the third quadrant all neurons are silent.",
            shown=shown,
        )
    total = 2 * outer + inner
    d.identity("at epsilon = 0 it is the teacher", total.subs(eps, 0), 2, "Masses 1, 0, 1.", shown=r"2a+b=2")
    less = sp.Symbol("w", positive=True)
    slope = sp.diff(total, eps).subs(eps, 0)
    first, second, side = sp.symbols("p r s", positive=True)
    d.sign(
        "cheaper below 22.5 degrees",
        -slope.subs(delta, pi / 8 - less) * sp.sin(pi / 8 - less),
        4 * first * second,
        positive={first: (sp.sin(pi / 8), "manifest"), second: (sp.sin(less), "sine")},
        domain=(less, pi - less),
        statement=r"The derivative of the cost $2a+b$ in $\epsilon$ at 0 is $2(\cos(\frac\pi4-\delta)-\cos\delta)/\sin\delta$. With $\delta=\frac\pi8-w$, $w>0$, it is negative: some students cost less than the teacher.",
        shown=r"\cos\delta-\cos(\tfrac\pi4-\delta)=2\sin\tfrac\pi8\sin w>0",
    )
    d.identity(
        "the joining sinusoid",
        formulas.joining_sinusoid(1, 1, pi / 2, delta, pi / 2 - delta, x),
        sp.cos(delta) * sp.cos(x - quarter) / sp.cos(quarter - delta),
        r"With the certificate of `min_norm.beyond.recovery`, $v=\cos\delta\cos(t-\frac\pi4)/\cos(\frac\pi4-\delta)$ in every quadrant.",
        shown=r"v(t)=\frac{\cos\delta}{\cos(\pi/4-\delta)}\cos(t-\tfrac\pi4)",
    )
    more = sp.Symbol("m", positive=True)
    d.sign(
        "within 1 above 22.5 degrees",
        sp.cos(quarter - (pi / 8 + more)) - sp.cos(pi / 8 + more),
        2 * first * side,
        positive={first: (sp.sin(pi / 8), "manifest"), side: (sp.sin(more), "sine")},
        domain=(more, pi - more),
        statement=r"For $\delta=\frac\pi8+m$, $0<m<\frac\pi8$, so $0<v<1$ and the teacher is the only minimising function; at $\delta=\frac\pi8$, $|p|\le1$ still, and the teacher is a minimiser.",
        shown=r"\cos(\tfrac\pi4-\delta)-\cos\delta=2\sin\tfrac\pi8\sin m>0",
    )


def _family_attack(effort: Effort) -> Attack:
    errors = []
    for angle in np.radians(np.linspace(46, 89, effort.count(8, 60))):
        samples = unit_vectors(np.array([angle, -angle, np.pi / 2 + angle, -np.pi / 2 - angle]))
        solution = min_norm(samples, np.maximum(samples[:, 0], 0))
        errors.append(abs(solution.squared_norm / 2 - min(2 * np.cos(angle), 1)))
    for angle in np.radians([3, 8, 14, 19, 22, 23, 27, 35, 42]):
        quadrant = np.array([angle, np.pi / 2 - angle])
        samples = unit_vectors((quadrant + np.arange(4)[:, None] * np.pi / 2).ravel())
        solution = min_norm(samples, np.maximum(samples, 0).sum(axis=1))
        errors.append(abs(solution.squared_norm / 2 - diagonal_value(angle)))
    return errors_below(
        "certified norms at angles between 46 and 89, and 3 and 42 degrees: against $\\min(2\\cos t,1)$ and the best student of the second family",
        errors,
        1e-5,
    )


CLAIMS = (
    Claim(
        "min_norm.thm5.2.two",
        "Theorem 5.2, sharpness",
        r"Three points a sector cannot be weakened to two: for $\sigma(x_1)$ and points at $\pm t$, $\pi\pm(\frac\pi2-t)$ the least cost is $2\cos t<1$ for $60<t<90$ degrees; for $\sigma(x_1)+\sigma(x_2)$ and points at $\delta$, $90-\delta$ degrees in each quadrant it is below 2 for $\delta<22.5$, and 2 for $22.5\le\delta<45$. Two points do suffice in a sector if both lie on one side of its bisector, or if the signs of the neighbouring directions differ, or if the joining sinusoid stays within $\pm1$ (`min_norm.beyond.recovery`).",
        Verdict.PROVED,
        _one_neuron,
        uses=("min_norm.beyond.recovery",),
    ),
)
