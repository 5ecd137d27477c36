"""Section 5.1 of the alignment paper: equations (3) to (5), Cramer's rule, Theorem 5.1."""

from __future__ import annotations

import numpy as np
import sympy as sp

from alignmath import population
from alignmath.angular import ARC_COSINE
from alignmath.minors import maximal_minors
from alignmath.networks import TwoLayer, planar

from ..engine.attacks import errors_below, near_degenerate_angles, none_below, random_angles
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import formulas
from .few_students import length_residual

__all__ = ["CLAIMS", "row_attack"]

pi = sp.pi
rho_i, rho_j, rho_0 = sp.symbols("rho_i rho_j rho_0", positive=True)
t0, tij = sp.symbols("theta_i0 theta_ij", positive=True)
_TEACHER = TwoLayer([[1.0, 0.0]])


def _projection(effort: Effort) -> Outcome:
    d = Derivation()
    # (2) along u_i with one other student j; the sums over j are linear in such terms
    left = formulas.equation_two_left(t0, rho_0 * sp.cos(t0))
    right = formulas.equation_two_right(rho_i, 1, t0, rho_0, rho_j * sp.sin(tij), (pi - tij) * rho_j * sp.cos(tij))
    d.identity(
        "equation (2) along u_i",
        left - right,
        (sp.sin(t0) + (pi - t0) * sp.cos(t0)) * rho_0 - (pi * rho_i + (sp.sin(tij) + (pi - tij) * sp.cos(tij)) * rho_j),
        r"$u_i\cdot u_i=1$, $u_i\cdot w_j=\rho_j\cos\theta_{ij}$, $u_i\cdot w_0=\rho_0\cos\theta_{i0}$. One term $j\ne i$ of the sums is shown; both sides are linear in them.",
        shown=r"(\sin\theta_{i0}+(\pi-\theta_{i0})\cos\theta_{i0})\rho_0 = \pi\rho_i+\sum_{j\ne i}(\sin\theta_{ij}+(\pi-\theta_{ij})\cos\theta_{ij})\rho_j",
    )
    return d.proved("projection of (2) on $u_i$; a necessary condition, one half of the $2m$ scalar equations")


def _matrix_form(effort: Effort) -> Outcome:
    d = Derivation()
    d.identity(
        "diagonal",
        formulas.profile(sp.Integer(0)),
        pi,
        r"The factor of $\rho_i$ in (3) is $f(\theta_{ii})=f(0)$.",
        shown=r"f(0)=\pi",
    )
    d.identity(
        "equation (3) in f",
        (sp.sin(t0) + (pi - t0) * sp.cos(t0)) * rho_0 - (pi * rho_i + (sp.sin(tij) + (pi - tij) * sp.cos(tij)) * rho_j),
        formulas.profile(t0) * rho_0 - (formulas.profile(sp.Integer(0)) * rho_i + formulas.profile(tij) * rho_j),
        shown=r"f(\theta_{i0})\rho_0=\sum_{j=1}^m f(\theta_{ij})\rho_j\ \ \forall i,\qquad M\rho=b",
    )
    return d.proved("(3) with $f(\\theta)=\\sin\\theta+(\\pi-\\theta)\\cos\\theta$")


def _cramer(effort: Effort) -> Outcome:
    d = Derivation()
    for m in (2, 3, 4):
        matrix = sp.Matrix(m, m, lambda i, j: sp.Symbol(f"M_{min(i, j) + 1}{max(i, j) + 1}"))
        rho = sp.Matrix(sp.symbols(f"rho_1:{m + 1}"))
        rhs = matrix * rho
        for i in range(m):
            replaced = matrix.copy()
            replaced[:, i] = rhs
            d.identity(
                f"m = {m}, i = {i + 1}",
                sp.expand(replaced.det(method="berkowitz")),
                sp.expand(rho[i] * matrix.det(method="berkowitz")),
                "For symmetric $M$ and $b=M\\rho$ (general $m$: the determinant is multilinear and alternating in the columns).",
                shown=r"\det M_i = \rho_i\det M",
            )
    return d.proved(
        "$\\det M_i=\\rho_i\\det M$: with $\\det M>0$ and some $\\det M_i\\le0$, some $\\rho_i\\le0$ ($\\rho_0=1$; else a factor $\\rho_0$)"
    )


def row_attack(effort: Effort) -> Attack:
    """Equation (2) along u_i against the rows of M rho - b, on random and near-degenerate configurations."""
    rng = np.random.default_rng(21)
    errors = []
    for m in (2, 3, 6):
        angles = np.concatenate(
            [f(rng, effort.count(5_000, 200_000), m) for f in (random_angles, near_degenerate_angles)]
        )
        lengths = rng.uniform(0.1, 2, angles.shape)
        students = planar(angles, lengths)
        radial = np.sum(population.stationarity(students, _TEACHER) * students.hidden, axis=2) / lengths
        equations = ARC_COSINE(angles) - np.sum(ARC_COSINE.matrix(angles) * lengths[:, None, :], axis=2)
        errors.append(np.abs(radial - equations).max(axis=1) / (1 + lengths.sum(axis=1)))
    return errors_below(
        "(2) along u_i against b - M rho over total length, 2, 3 and 6 students", np.concatenate(errors), 1e-12
    )


def _determinant_condition(effort: Effort) -> Outcome:
    d = Derivation()
    d.argument(
        "solutions solve M rho = b",
        r"A non-trivial solution of (2) with all $\rho_i>0$, one that is not aligned with $\sum_i\rho_i=1$, has non-zero loss (`alignment.zero_loss`); so, merged by direction, it has no student at the teacher's angle (`alignment.red.merge.mended`), and it "
        r"satisfies $M\rho=b$ with $\rho>0$.",
        "By (3) to (5); merging keeps lengths positive and the loss as it is.",
        refuted_by="a configuration where (2) along $u_i$ and the $i$-th row of $M\\rho-b$ differ",
        attack=lambda: row_attack(effort),
    )
    d.argument(
        "Cramer's rule excludes it",
        r"For $m\ge3$ without antipodal pair, the condition says $\det M>0$ and $\det M_i\le0$ for some $i$; but $\det M_i=\rho_i\det M>0$ for every $i$.",
        "By `alignment.cramer`; $m=1$ is `alignment.m1` and $m=2$ is Theorem 3.1.",
        refuted_by=r"$\rho>0$ and $b=M\rho$ with some $\det M_i$ not of the sign of $\det M$",
        attack=lambda: _cramer_attack(effort),
    )
    return d.proved(
        "for the configurations the condition names: no two of $\\theta_0,\\dots,\\theta_m$ antipodal; $m\\le2$ by Theorem 3.1"
    )


def _cramer_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(22)
    margins = []
    for m in (3, 4, 6):
        angles = random_angles(rng, effort.count(5_000, 200_000), m)
        lengths = rng.uniform(0.1, 2, angles.shape)
        matrix = ARC_COSINE.matrix(angles)
        minors = maximal_minors(np.moveaxis(np.concatenate([matrix, matrix @ lengths[:, :, None]], axis=2), 0, -1))
        clear = np.abs(minors.null[-1]) > 1e-6
        margins.append(((minors.replaced / minors.determinant).min(axis=0))[clear])
    return none_below(
        "least of det M_i / det M for b = M rho, lengths above 0.1, 3, 4 and 6 students", np.concatenate(margins)
    )


def _without_exclusion(effort: Effort) -> Outcome:
    d = Derivation()
    d.argument(
        "nothing is left out",
        r"The hypothesis holds (`alignment.detcond`, `alignment.pad.f`), and `alignment.main` gives the conclusion for every configuration: antipodal pairs, the teacher's included, and students aligned with the teacher.",
        "The printed proof covers neither antipodal pairs nor aligned students; the theorem is true for them by the other route.",
        refuted_by="students, two of them opposite to each other or one to the teacher, and lengths that solve (2)",
        attack=lambda: _antipodal_attack(effort),
    )
    return d.proved(
        "hypothesis and conclusion are both theorems; the two gaps of the printed proof are closed by `alignment.main`"
    )


def _antipodal_attack(effort: Effort) -> Attack:
    """For given directions (2) is linear in the lengths: non-negative least squares, its residual against 0."""
    rng = np.random.default_rng(51)
    margins = []
    for m in (3, 4, 6):
        for case in range(effort.count(700, 20_000)):
            angles = rng.uniform(0.1, 2 * np.pi - 0.1, m)
            angles[-1] = np.pi if case % 2 else np.mod(angles[0] + np.pi, 2 * np.pi)
            residual = length_residual(planar(angles).hidden)
            margins.append(residual / np.abs(np.sin(angles / 2)).min() ** 3)
    return none_below(
        "residual of (2), fitted in the lengths, for 3, 4 and 6 students with an antipodal pair (every second with the teacher) at least 0.1 from its angle, over the cube of the least sine of half an angle",
        margins,
    )


CLAIMS = (
    Claim(
        "alignment.thm5.1",
        "Theorem 5.1, as far as its proof goes",
        r"If for all $m\ge3$ and $0=\theta_0<\theta_1<\dots<\theta_m<2\pi$ without antipodal pair $\det M>0$ and some $\det M_i\le0$, then (2) has no non-trivial solution with all $\rho_i>0$ "
        r"whose merged directions contain no antipodal pair (the teacher's direction included).",
        Verdict.PROVED,
        _determinant_condition,
        uses=(
            "alignment.eq4_5",
            "alignment.cramer",
            "alignment.red.merge.mended",
            "alignment.zero_loss",
            "alignment.m1",
            "alignment.thm3.1",
        ),
    ),
    Claim(
        "alignment.thm5.1.mended",
        "Theorem 5.1, for all configurations",
        r"The determinant condition holds, and (2) has no non-trivial solution with all $\rho_i>0$, antipodal pairs and aligned students included.",
        Verdict.PROVED,
        _without_exclusion,
        uses=("alignment.detcond", "alignment.pad.f", "alignment.main"),
    ),
    Claim(
        "alignment.eq3",
        "equation (3)",
        r"$(\sin\theta_{i0}+(\pi-\theta_{i0})\cos\theta_{i0})\rho_0=\pi\rho_i+\sum_{j\ne i}(\sin\theta_{ij}+(\pi-\theta_{ij})\cos\theta_{ij})\rho_j$ for all $i$ follows from (2).",
        Verdict.PROVED,
        _projection,
        uses=("alignment.eq2",),
    ),
    Claim(
        "alignment.eq4_5",
        "equations (4) and (5)",
        r"$f(\theta_{i0})\rho_0=\sum_jf(\theta_{ij})\rho_j$ for all $i$, that is $M\rho=b$.",
        Verdict.PROVED,
        _matrix_form,
        uses=("alignment.eq3",),
    ),
    Claim(
        "alignment.cramer",
        "proof of Theorem 5.1",
        r"If $M\rho=b$ then $\det M_i=\rho_i\det M$ (with $\rho_0=1$); so $\det M>0$ and some $\det M_i\le0$ exclude $\rho>0$.",
        Verdict.PROVED,
        _cramer,
        assumes=("the determinant is multilinear and alternating (general m)",),
    ),
)
