"""Beyond the min_norm paper: when two points a sector suffice, and the exact condition for the teacher to be of least norm."""

from __future__ import annotations

import numpy as np
import sympy as sp

from alignmath import plane
from alignmath.networks import TwoLayer

from ...engine.attacks import errors_below, none_below
from ...engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ...engine.derivation import Derivation
from .. import formulas
from ..certificate import certificate_steps
from ..main_theorem import duality_attack, interpolation_attack
from ..samples import Instance, cost_of, random_directions, random_instance, unit_vectors

__all__ = ["CLAIMS"]


def _recovery(effort: Effort) -> Outcome:
    d = Derivation("min_norm.thm5.2.certificate", "min_norm.prop4.2.mended")
    certificate_steps(d)
    d.argument(
        "sectors on their own",
        r"Between neighbouring directions $p$ is the mean of two functions, one from the two chosen points of this sector and one from those of the opposite sector. Each is $e\cos t$ before its points, $e'\cos(D-t)$ after them, and the joining sinusoid $v$ between. Where $v$ is strictly within $\pm1$ in every sector, $|p|<1$ off the lines; where it is within $\pm1$, $|p|\le1$. "
        r"It is strictly within if both points are on one side of the bisector or $e\ne e'$ (`min_norm.thm5.2.certificate`).",
        "The choice in one sector does not touch another: each sector's sum is $(e'\\beta'-e\\beta)/2$ whatever its points.",
        refuted_by="samples, two a sector under these conditions, and a direction off the lines where $|p|\\ge1$",
        attack=lambda: _two_point_attack(effort),
    )
    d.argument(
        "recovery",
        r"Then $\sum_j|c_j|\ge\sum_jc_jp(u_j)=\sum_i\lambda_iy_i=\sum_k|a_k^*|\,|b_k^*|$, so the teacher is a minimiser. In the strict case a minimiser lives on the teacher's lines with its signs, is linear in each sector, and agrees with the teacher at two independent points of each: it is the teacher, and `min_norm.prop4.2.mended` gives its masses.",
        "Weak duality and its equality case, as in Theorem 5.2.",
        refuted_by="a network for which the two sums differ",
        attack=lambda: duality_attack(effort),
    )
    return d.proved(
        "the certificate of Theorem 5.2 needs two points a sector; the condition is on the joining sinusoid alone"
    )


def _two_point_attack(effort: Effort) -> Attack:
    """Two points in each sector: kept if the joining sinusoids stay within 1 (sampled, other than by their peaks); |p| then too."""
    rng = np.random.default_rng(431)
    margins = []
    while len(margins) < effort.count(150, 3_000):
        instance = random_instance(rng, int(rng.integers(1, 5)), 2, apart=0.02, inner=0.02)
        multipliers, peak = _pair_certificate(instance)
        if peak < 1:
            lines = np.concatenate([instance.angles, instance.angles + np.pi])
            psi = rng.uniform(0, 2 * np.pi, 400)
            psi = psi[np.abs(np.sin(psi[:, None] - lines)).min(axis=1) > 1e-3]
            p = plane.dual_function(instance.x, multipliers, psi)
            contact = np.abs(plane.dual_function(instance.x, multipliers, instance.angles) - instance.signs).max()
            margins.append(min(1 - np.abs(p).max(), 1e-12 * np.abs(multipliers).sum() - contact))
    return none_below(
        "random teachers of 1 to 4 neurons, two points a sector with sinusoids within 1, seed 431: 1 - |p| off the lines, and contact on them",
        margins,
    )


def _pair_certificate(instance: Instance) -> tuple[np.ndarray, float]:
    """The multipliers from both points of each sector, and the largest size of a joining sinusoid on 400 places between its points."""
    lines = np.mod(instance.angles, np.pi)
    order = np.argsort(lines)
    beta, e = np.concatenate([lines[order], lines[order] + np.pi]), np.tile(instance.signs[order], 2)
    beta = np.append(beta, beta[0] + 2 * np.pi)
    offsets = np.mod(instance.samples - np.pi / 2 - beta[0], 2 * np.pi) + beta[0]
    multipliers, peak = np.zeros(len(offsets)), 0.0
    for j in range(len(e)):
        inside = np.flatnonzero((offsets > beta[j]) & (offsets < beta[j + 1]))
        inside = inside[np.argsort(offsets[inside])]
        start, stop = offsets[inside] - beta[j]
        gap, last = beta[j + 1] - beta[j], e[(j + 1) % len(e)]
        multipliers[inside] += formulas.multipliers(e[j], last, gap, start, stop, sin=np.sin, cos=np.cos)
        places = np.linspace(start, stop, 400)
        joined = e[j] * np.cos(start) * np.sin(stop - places) + last * np.cos(gap - stop) * np.sin(places - start)
        peak = max(peak, float(np.abs(joined).max() / np.sin(stop - start)))
    return multipliers, peak


def _sharp(effort: Effort) -> Outcome:
    d = Derivation("min_norm.eq5")
    d.argument(
        "if",
        r"Let $p(\psi)=\sum_i\lambda_i\sigma(x_i\cdot u)$ with $|p|\le1$ and $p(u_k)=\operatorname{sign}c_k$. An interpolating network with signed masses $m_j$ at $v_j$ has $\sum_j|m_j|\ge\sum_jm_jp(v_j)=\sum_i\lambda_iy_i=\sum_kc_kp(u_k)=\sum_k|c_k|$.",
        "Weak duality.",
        refuted_by="a network for which the two sums differ",
        attack=lambda: duality_attack(effort),
    )
    d.argument(
        "only if",
        r"Let $\phi(u)=(\sigma(x_i\cdot u))_i$ and $K$ the convex hull of all $\pm\phi(u)$: compact, convex, symmetric. The least cost of $y$ is its gauge, the least $s\ge0$ with $y\in sK$. If the teacher attains it, $y/\sum_k|c_k|$ is on the boundary of $K$ relative to its span, and a supporting functional $\lambda$, scaled to maximum 1 on $K$, has $|p|\le1$ and $\lambda\cdot y=\sum_k|c_k|$; then $\sum_kc_kp(u_k)=\sum_k|c_k|$ leaves $p(u_k)=\operatorname{sign}c_k$.",
        "The supporting hyperplane theorem in the span of $K$, of which 0 is an interior point.",
        refuted_by="a teacher of least norm among its samples for which no multipliers reach its signs",
        attack=lambda: _support_attack(effort),
    )
    d.argument(
        "which networks are minimisers",
        r"Given one such $\lambda$, the minimisers are exactly the interpolating networks whose neurons lie on $Z=\{u:|p(u)|=1\}$ with output weights of the sign $p(u)$. So if the vectors $\phi(u)$, $u\in Z$, are linearly independent, the teacher is the only one up to splitting neurons; and it is the only minimising function if and only if all of those networks equal it.",
        "The equality case of the bound above.",
        refuted_by="an interpolating network off $Z$ that costs no more",
        attack=lambda: interpolation_attack(effort),
    )
    angle = sp.Symbol("psi", real=True)
    d.identity(
        "one point can be enough",
        1 - sp.cos(angle) - 2 * sp.sin(angle / 2) ** 2,
        0,
        r"Teacher $\sigma(x_1)$, one sample at angle 0: $\lambda=1$, $p=\sigma(\cos\psi)\le1$ with $Z=\{0\}$. The minimiser is the teacher, with no sample in the other sector.",
        shown=r"1-\cos\psi=2\sin^2\tfrac\psi2",
    )
    return d.proved("linear programming duality in the finite-dimensional space of values at the samples")


def _support_attack(effort: Effort) -> Attack:
    """Where a linear program over 720 directions finds the teacher of least cost, its multipliers must reach the teacher's signs."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(432)
    errors = []
    while len(errors) < effort.count(25, 400):
        m = int(rng.integers(1, 4))
        units, masses = random_directions(rng, m), rng.choice([-1, 1], m) * rng.uniform(0.3, 2, m)
        teacher = TwoLayer(units, masses)
        x = random_directions(rng, int(rng.integers(2, 13)))
        directions = np.concatenate([units, unit_vectors(np.linspace(0, 2 * np.pi, 720, endpoint=False))])
        features = np.maximum(x @ directions.T, 0)
        y = np.asarray(teacher(x))
        program = linprog(
            -y,
            A_ub=np.concatenate([features.T, -features.T]),
            b_ub=np.ones(2 * len(directions)),
            bounds=(None, None),
            method="highs",
        )
        if program.status == 0 and -program.fun > cost_of(teacher) * (1 - 1e-9):
            errors.append(np.abs(program.x @ features[:, :m] - np.sign(masses)).max())
    return errors_below(
        "teachers of 1 to 3 neurons that a linear program on 720 directions finds of least cost, 2 to 12 samples, seed 432: p at the teacher less its signs",
        errors,
        1e-6,
    )


CLAIMS = (
    Claim(
        "min_norm.beyond.recovery",
        "Theorem 5.2 with two points a sector, every sign pattern and magnitude",
        r"$d=2$. A teacher has nonzero weights of any signs and sizes, without opposite signs on one line. Let every open sector hold two points such that the sinusoid $v$ which joins $e\cos d_1$ at $d_1$ to $e'\cos(D-d_2)$ at $d_2$ stays strictly within $\pm1$ between them ($e$, $e'$ the signs of the neighbouring directions, $D$ their angle, $d_i$ the offsets). That is so if both points are on one side of the bisector, or if $e\ne e'$. "
        r"Then a minimum-norm interpolant equals the teacher, is condensed, and has its sign and mass on each line. If $v$ is only within $\pm1$, the teacher is a minimiser.",
        Verdict.PROVED,
        _recovery,
        uses=("min_norm.thm5.2.certificate", "min_norm.prop4.2.mended"),
    ),
    Claim(
        "min_norm.beyond.sharp",
        "the exact condition, by duality",
        r"In the plane a teacher $\sum_kc_k\sigma(u_k\cdot x)$, $|u_k|=1$, is of least cost $\sum_k|c_k|$ among the interpolants of its values at $x_1,\dots,x_N$ if and only if some $\lambda$ has $|p|\le1$ in every direction and $p(u_k)=\operatorname{sign}c_k$ for each $k$. The minimisers are then the interpolants with neurons where $|p|=1$ and output weights of the sign of $p$ there; the teacher is the only one, up to splitting, if the vectors $(\sigma(x_i\cdot u))_i$ of these directions are linearly independent.",
        Verdict.PROVED,
        _sharp,
        assumes=("supporting hyperplane theorem in finite dimension",),
        uses=("min_norm.eq5",),
    ),
)
