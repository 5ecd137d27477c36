"""Theorem 5.2 of the min_norm paper: refuted as printed, proved for every sign pattern by the dual certificate; and Remark 5.3."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import sympy as sp

from alignmath import plane
from solvers.interpolation.minimum_norm import min_norm

from ..engine.attacks import errors_below, none_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import formulas
from .certificate import instances
from .samples import cost_of, function_gap, least_squares_student, random_instance

__all__ = ["CLAIMS", "duality_attack", "interpolation_attack", "solver_attack"]

_RAYS = (
    *((1, 5), (1, 8), (1, 20)),
    *((-1, 5), (-1, 1), (-1, 0)),
    *((-1, -5), (-1, -8), (-1, -20)),
    *((1, -5), (1, -1), (1, 0)),
)
"""Twelve samples, up to their lengths: networks are positively homogeneous, so equality on a ray is equality at its unit vector."""


def _smeared_student() -> list[formulas.Neuron]:
    """Agrees with `rational_teacher` off two wedges around the kink of b, in which no sample lies; cost 127/60."""
    b, ell = sp.Matrix([sp.Rational(-4, 5), sp.Rational(3, 5)]), sp.Matrix([sp.Rational(3, 5), sp.Rational(4, 5)])
    plus, minus = b - sp.Rational(5, 12) * ell, b + sp.Rational(5, 12) * ell
    parts = (
        (sp.Rational(1, 2), -plus),
        (sp.Rational(1, 5), minus),
        (sp.Rational(3, 10), -minus),
        (sp.Rational(31, 60), ell),
        (-sp.Rational(31, 60), -ell),
    )
    return [(c, (u[0], u[1])) for c, u in parts]


def _refuting_samples(d: Derivation) -> None:
    teacher, student = formulas.rational_teacher(), _smeared_student()
    signs = [tuple(formulas.sign(formulas.dot(teacher[k][1], x)) for k in (0, 2)) for x in _RAYS]
    d.certificate(
        "hypothesis",
        all(formulas.cost([neuron]) == 1 for neuron in teacher)
        and all(signs.count(pair) == 3 for pair in itertools.product((1, -1), repeat=2)),
        r"$f^*=\sigma(e\cdot x)-\sigma(-e\cdot x)+\sigma(b\cdot x)$, $e=(1,0)$, $b=(-\frac45,\frac35)$: $m_0=3$, all $|a_j^*b_j^*|=1$, two distinct lines, four sectors. Three samples in each, in the directions $(1,5),(1,8),(1,20)$; $(-1,5),(-1,1),(-1,0)$; $(-1,-5),(-1,-8),(-1,-20)$; $(1,-5),(1,-1),(1,0)$.",
        reason="rationals",
    )
    d.certificate(
        "a cheaper interpolant",
        all(formulas.network_value(teacher, x) == formulas.network_value(student, x) for x in _RAYS)
        and formulas.cost(student) == sp.Rational(127, 60),
        r"With $l=(\frac35,\frac45)$ and $v_\pm=b\mp\frac5{12}l$: $f=\frac12\sigma(-v_+\cdot x)+\frac15\sigma(v_-\cdot x)+\frac3{10}\sigma(-v_-\cdot x)+\frac{31}{60}(\sigma(l\cdot x)-\sigma(-l\cdot x))$ interpolates all twelve; its cost is $\frac{127}{60}$.",
        reason="rationals; $|v_\\pm|=\\frac{13}{12}$",
    )


def _printed_theorem(effort: Effort) -> Outcome:
    d = Derivation()
    _refuting_samples(d)
    masses = sp.symbols("p_1 p_2 q_1 q_2")
    e, _, b = (neuron[1] for neuron in formulas.rational_teacher())
    family = list(zip(masses, (e, (-e[0], -e[1]), b, (-b[0], -b[1])), strict=True))
    equations = [
        formulas.network_value(family, x) - formulas.network_value(formulas.rational_teacher(), x) for x in _RAYS
    ]
    d.certificate(
        "condensed interpolants cost 3",
        sp.linsolve(equations, masses) == sp.FiniteSet((1, -1, 1, 0)),
        r"With $p_1,p_2,q_1,q_2$ the sums of the masses at $e,-e,b,-b$, the twelve equations have one solution, the teacher: a condensed interpolant costs at least $|p_1|+|p_2|+|q_1|+|q_2|=3>\frac{127}{60}$.",
        reason="linear system over the rationals",
    )
    return d.refuted(
        "co-linear neurons of opposite sign, three samples in each sector: an interpolant of cost 127/60, while condensed ones cost 3"
    )


def _printed_remark(effort: Effort) -> Outcome:
    d = Derivation()
    _refuting_samples(d)
    w = sp.Symbol("w", real=True)
    e, _, b = (sp.Matrix(neuron[1]) for neuron in formulas.rational_teacher())
    d.identity(
        "networks equal to the teacher cost 11/5",
        (e + w * b).dot(e + w * b),
        (w - sp.Rational(4, 5)) ** 2 + sp.Rational(9, 25),
        r"Such a network has masses $1-w$ at $b$ and $w$ at $-b$ (its kink there is 1), and none of its other lines has a kink: they add up to the linear function $(e+wb)\cdot x$, at cost at least $2|e+wb|\ge\frac65$. Together at least $|w|+|1-w|+\frac65\ge\frac{11}5$.",
        shown=r"|e+wb|^2=(w-\tfrac45)^2+\tfrac9{25}",
    )
    d.certificate(
        "they are not minimisers",
        bool(sp.Rational(127, 60) < sp.Rational(11, 5)),
        r"$\frac{127}{60}<\frac{11}5$: no minimum-norm interpolant of these samples equals the teacher.",
        reason="rationals",
    )
    d.certificate(
        "where they differ",
        formulas.network_value(_smeared_student(), (3, 4))
        != formulas.network_value(formulas.rational_teacher(), (3, 4)),
        r"At the kink of $b$, $x=(3,4)$, the interpolant above and the teacher have different values.",
        reason="rationals",
    )
    return d.refuted(
        "co-linear neurons of opposite sign: with three samples in each sector every minimum-norm interpolant has a positive test loss"
    )


def _theorem(effort: Effort) -> Outcome:
    d = Derivation("min_norm.thm5.2.certificate", "min_norm.prop4.2.mended")
    d.certificate(
        "two of three points on one side",
        all(
            sides.count("before") > 1 or sides.count("after") > 1
            for sides in itertools.product(("before", "after"), repeat=3)
        ),
        r"Of three points of a sector two lie on the same side of its bisector. So `min_norm.thm5.2.certificate` applies to the teacher's lines, with the common sign of the neurons on each: $p=e_k$ at $\pm u_k$, $|p|<1$ elsewhere.",
        reason="eight cases",
    )
    d.argument(
        "weak duality",
        r"For a student with signed masses $c_j$ in the directions $u_j$ that interpolates, $\sum_i\lambda_iy_i=\sum_jc_jp(u_j)\le\sum_j|c_j|$. For the teacher it is $\sum_k|a_k^*|\,|b_k^*|$. So no student costs less, and the teacher is a minimiser.",
        r"$\sum_i\lambda_if(x_i)=\sum_jc_j\sum_i\lambda_i\sigma(x_i\cdot u_j)$.",
        refuted_by=r"a network for which $\sum_i\lambda_if(x_i)$ and $\sum_jc_jp(u_j)$ differ",
        attack=lambda: duality_attack(effort),
    )
    d.argument(
        "equality",
        r"A minimiser has $c_jp(u_j)=|c_j|$ for each $j$: its neurons lie on the teacher's lines, with the sign $e_k$. So it is condensed, and linear in each sector.",
        "$|p|<1$ off the lines.",
        refuted_by="an interpolating student with masses off the lines that costs no more than the teacher",
        attack=lambda: interpolation_attack(effort),
    )
    offset, apart = sp.symbols("d a", positive=True)
    side = sp.Symbol("s", positive=True)
    inputs = [sp.Matrix([sp.cos(angle), sp.sin(angle)]) for angle in (offset, offset + apart)]
    d.sign(
        "two points a sector fix its gradient",
        sp.Matrix.hstack(*inputs).det(),
        side,
        positive={side: (sp.sin(apart), "sine")},
        domain=(apart, sp.pi - apart),
        statement=r"Two points of an open sector, at the angles $d$ and $d+a$, are linearly independent, as it is at most half a turn wide. There student and teacher are linear with the same values: $f=f^*$ in every sector.",
        shown=r"\det(x_1,x_2)=\sin a>0",
    )
    d.argument(
        "masses",
        r"So the student equals the teacher on the whole circle, and is of least norm among the students that do: `min_norm.prop4.2.mended` gives the masses.",
        "Every student that equals the teacher interpolates.",
        refuted_by="samples, three in each sector, whose minimum-norm interpolant is another function, or has another norm",
        attack=lambda: solver_attack(effort),
    )
    return d.proved("every sign pattern and magnitude, by an explicit dual certificate; then Proposition 4.2 as mended")


def duality_attack(effort: Effort) -> Attack:
    """sum lambda_i f(x_i) against sum c_j p(u_j), for random networks and the certificate's multipliers."""
    rng = np.random.default_rng(421)
    errors = []
    for instance in instances(effort, 150, 3_000, 422):
        multipliers = formulas.dual_certificate(instance.angles, instance.signs, instance.samples)
        angles, masses = rng.uniform(0, 2 * np.pi, 9), rng.standard_normal(9)
        values = np.maximum(np.cos(instance.samples[:, None] - angles), 0) @ masses
        p = plane.dual_function(instance.x, multipliers, angles)
        errors.append(abs(values @ multipliers - masses @ p) / np.abs(multipliers).sum() / np.abs(masses).sum())
    return errors_below(
        "networks of 9 random neurons, random samples, seeds 421 and 422, over the sizes of the terms", errors, 1e-14
    )


def interpolation_attack(effort: Effort) -> Attack:
    """The cost of interpolating networks of random directions against the teacher's."""
    rng = np.random.default_rng(423)
    margins = []
    for instance in instances(effort, 150, 3_000, 424):
        student = least_squares_student(rng, instance, 4 * len(instance.samples))
        if student is not None:
            margins.append(cost_of(student) / instance.masses.sum() - 1)
    return none_below(
        "interpolating networks of least sum of squared masses on random directions, seeds 423 and 424: relative excess of cost",
        margins,
    )


@cache
def solver_attack(effort: Effort) -> Attack:
    """The minimum-norm interpolant found by the solver against the teacher: norm and function."""
    rng = np.random.default_rng(425)
    errors = []
    for k in range(effort.count(12, 600)):
        instance = random_instance(rng, 1 + k % 4, apart=0.1, inner=0.05)
        solution = min_norm(instance.x, instance.y)
        errors += [
            abs(solution.squared_norm / (2 * instance.masses.sum()) - 1),
            function_gap(solution.network, instance.teacher) / instance.masses.sum() * 1e-3,
        ]
    return errors_below(
        "minimum-norm interpolants of random teachers of 1 to 4 neurons, seed 425: relative error of the norm, and a thousandth of that of the function",
        errors,
        2e-6,
    )


def _remark(effort: Effort) -> Outcome:
    d = Derivation("min_norm.thm5.2.mended")
    d.argument(
        "zero test loss",
        r"By `min_norm.thm5.2.mended` a minimum-norm student equals the teacher at every $x$: its loss is 0 under every distribution of inputs.",
        "Equality on the circle, and homogeneity.",
        refuted_by="a minimum-norm interpolant under the hypothesis that differs from the teacher",
        attack=lambda: solver_attack(effort),
    )
    return d.proved("by Theorem 5.2 as mended")


CLAIMS = (
    Claim(
        "min_norm.thm5.2",
        "Theorem 5.2, as printed",
        r"$d=2$, $|a_k^*b_k^*|=1$: if every sector holds at least three training points, every minimum-norm student of zero training loss is condensed and has $\sum_j|a_j^{(k)}b_j^{(k)}|=1$ for each $k$.",
        Verdict.REFUTED,
        _printed_theorem,
    ),
    Claim(
        "min_norm.thm5.2.mended",
        "Theorem 5.2, hypothesis added, every sign pattern and magnitude",
        rf"$d=2$. Let the teacher have nonzero weights of any signs and sizes such that {formulas.NO_OPPOSITES}, and let every open sector hold at least three training points. Then a minimum-norm student of zero training loss equals the teacher, is condensed, has the teacher's sign on each line, and there $\sum_j|a_jb_j|$ is the teacher's. The least $|\theta|^2$ is $2\sum_k|a_k^*|\,|b_k^*|$.",
        Verdict.PROVED,
        _theorem,
        uses=("min_norm.thm5.2.certificate", "min_norm.prop4.2.mended"),
    ),
    Claim(
        "min_norm.rem5.3",
        "Remark 5.3, as printed",
        "$d=2$, $|a_k^*b_k^*|=1$: if every sector holds at least three training points, the minimum-norm student of zero training loss has zero test loss.",
        Verdict.REFUTED,
        _printed_remark,
    ),
    Claim(
        "min_norm.rem5.3.mended",
        "Remark 5.3, hypothesis added",
        rf"The same, of any nonzero weights, if {formulas.NO_OPPOSITES}: zero test loss from finitely many samples.",
        Verdict.PROVED,
        _remark,
        uses=("min_norm.thm5.2.mended",),
    ),
)
