"""The dual function behind Theorem 5.2: multipliers for two points of a sector, and the bounds on the sinusoid between them.

Between neighbouring directions beta (angle 0, sign e) and beta' (angle D, sign e') of the teacher's lines, a sector's points lie a right angle
ahead of offsets d in (0, D). This holds for every sign pattern, where the paper's perimeter argument needs equal signs.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from alignmath import plane

from ..engine.attacks import errors_below, none_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import formulas
from .samples import Instance, random_instance

__all__ = ["CLAIMS", "certificate_steps", "instances", "sector_bound_attack"]

pi = sp.pi
e, e_next = sp.symbols("e e'", real=True)
gap, first, second, t = sp.symbols("D d_1 d_2 t", positive=True)
rest = sp.Symbol("q", positive=True)
before, after, left = sp.symbols("b c w", positive=True)
"""`t - d_1`, `d_2 - t`, `h - d_2`: sums of them have sines of a clear sign."""
point, stop = first + before, first + before + after
span = sp.sin(before + after)
lift, drop, side = sp.symbols("p r s", positive=True)


def certificate_steps(d: Derivation) -> None:
    """Multipliers, telescoping, and p between two directions as the mean of two sector functions."""
    samples = [sp.Matrix([-sp.sin(offset), sp.cos(offset)]) for offset in (first, second)]
    chosen = formulas.multipliers(e, e_next, gap, first, second)
    wanted = (e_next * sp.Matrix([sp.cos(gap), sp.sin(gap)]) - e * sp.Matrix([1, 0])) / 2
    for k in range(2):
        d.identity(
            f"multipliers of a sector, {('first', 'second')[k]} coordinate",
            (sum((value * x for value, x in zip(chosen, samples, strict=True)), sp.zeros(2, 1)) - wanted)[k],
            0,
            r"$\beta=(1,0)$, $\beta'=(\cos D,\sin D)$, points $x_i=(-\sin d_i,\cos d_i)$, $0<d_1<d_2<D\le\pi$. $\lambda_1=(e'\cos(D-d_2)-e\cos d_2)/(2\sin(d_2-d_1))$ and $\lambda_2=(e\cos d_1-e'\cos(D-d_1))/(2\sin(d_2-d_1))$; every other point of the sector has multiplier 0.",
            shown=r"\lambda_1x_1+\lambda_2x_2=\tfrac12(e'\beta'-e\beta)",
        )
    here, there, total = sp.symbols("F_0 F_k S")
    following = sp.Symbol("F_{k+1}")
    d.identity(
        "telescoping",
        (total + (following - there) / 2).subs(total, (there - here) / 2),
        (following - here) / 2,
        r"$F_k=e_k\beta_k$ along the directions in order: the sums of neighbouring sectors telescope.",
        shown=r"\tfrac12(F_k-F_0)+\tfrac12(F_{k+1}-F_k)=\tfrac12(F_{k+1}-F_0)",
    )
    vector = sp.Symbol("F")
    d.identity(
        "half a turn",
        (vector - (-vector)) / 2,
        vector,
        r"After half a turn $\beta$ becomes $-\beta$ with the same sign. So the sectors whose points are active at $\beta_j$ add up to $e_j\beta_j$: $p(\psi)=e_j\cos(\psi-\beta_j)$ near $\beta_j$, and $p(\beta_j)=e_j$. All sectors together add up to 0: $p=\frac12\sum_i\lambda_i|x_i\cdot u|$ has period $\pi$.",
        shown=r"\tfrac12(F-(-F))=F",
    )
    join = formulas.joining_sinusoid(e, e_next, gap, first, second, t)
    d.identity(
        "between the two points",
        e * sp.cos(t) + 2 * chosen[0] * sp.sin(t - first) - join,
        0,
        r"At the direction $\beta+t$ the points $d_i<t$ of this sector have come in, with $x_i\cdot u=\sin(t-d_i)$, and those of the opposite sector, with $x_i\cdot u=-\sin(t-d_i)$, have gone. So $p=\frac12(A+B)$, one such function for each of the two: $e\cos t$ up to $d_1$, then $v$.",
        shown=r"e\cos t+2\lambda_1\sin(t-d_1)=v(t)=\frac{e\cos d_1\sin(d_2-t)+e'\cos(D-d_2)\sin(t-d_1)}{\sin(d_2-d_1)}",
    )
    d.identity(
        "past both points",
        e * sp.cos(t) + 2 * chosen[0] * sp.sin(t - first) + 2 * chosen[1] * sp.sin(t - second),
        e_next * sp.cos(gap - t),
        "From $d_2$ on.",
        shown=r"e\cos t+2\lambda_1\sin(t-d_1)+2\lambda_2\sin(t-d_2)=e'\cos(D-t)",
    )


def _bounds(effort: Effort) -> Outcome:
    d = Derivation()
    certificate_steps(d)
    _equal_signs(d)
    _opposite_signs(d)
    _strict_cosines(d)
    d.identity(
        "reflection",
        formulas.joining_sinusoid(e_next, e, gap, gap - second, gap - first, gap - t),
        formulas.joining_sinusoid(e, e_next, gap, first, second, t),
        r"$t\to D-t$ exchanges the two directions: the bounds hold as well with both offsets beyond the bisector. With $e=-1$, $v$ changes sign.",
        shown=r"v_{e',e}(D-t;\,D-d_2,D-d_1)=v_{e,e'}(t;\,d_1,d_2)",
    )
    d.argument(
        "p is strictly within 1 off the teacher's lines",
        r"If in every sector the two points lie on one side of the bisector, or the neighbouring signs differ, then $p=e_j$ at $\beta_j$, and $|p|<1$ in every other direction.",
        "There $p$ is the mean of two functions strictly within $\\pm1$.",
        refuted_by=r"a direction $\beta+t$ where $|p|>\max(|\cos t|,|\cos(D-t)|)$",
        attack=lambda: sector_bound_attack(effort),
    )
    d.argument(
        "code and proof",
        r"The multipliers of this proof, with every sector's sum telescoped, give $p=e_k$ at the teacher's directions and $|p|\le1$; so do those the library computes.",
        "The formulas above, put together.",
        refuted_by="samples for which the dual function misses the signs, or exceeds 1",
        attack=lambda: _contact_attack(effort),
    )
    return d.proved("explicit multipliers; the joining sinusoid lies between cosines, by product formulas")


def _equal_signs(d: Derivation) -> None:
    """The joining sinusoid between the two cosines, for equal signs."""
    half = stop + left
    same = formulas.joining_sinusoid(1, 1, 2 * half, first, stop, point)
    whole = (sp.sin(half), "sine")
    d.sign(
        "equal signs, above",
        span * (sp.cos(point) - same),
        2 * lift * drop * side,
        positive={lift: whole, drop: (sp.sin(left), "sine"), side: (sp.sin(before), "sine")},
        domain=(before, left, first + after, pi - half),
        statement=r"$e=e'=1$, $h=D/2$, both offsets before the bisector; $b=t-d_1$, $c=d_2-t$, $w=h-d_2$. $\cos t-v$ is a sinusoid with zero $d_1$ and the value $\cos d_2-\cos(D-d_2)=2\sin h\sin(h-d_2)$ at $d_2$. (And $\ge0$ where $d_2=h$, by continuity.)",
        shown=r"\sin(d_2-d_1)(\cos t-v)=2\sin h\,\sin(h-d_2)\sin(t-d_1)>0",
    )
    d.sign(
        "equal signs, below",
        span * (same - sp.cos(2 * half - point)),
        2 * lift * drop * side,
        positive={lift: whole, drop: (sp.sin(left + before + after), "sine"), side: (sp.sin(after), "sine")},
        domain=(after, left + before, first, pi - half),
        statement=r"$v-\cos(D-t)$ has the zero $d_2$ and the value $2\sin h\sin(h-d_1)$ at $d_1$.",
        shown=r"\sin(d_2-d_1)(v-\cos(D-t))=2\sin h\,\sin(h-d_1)\sin(d_2-t)>0",
    )


def _opposite_signs(d: Derivation) -> None:
    """The same for opposite signs, whatever the offsets."""
    turned = formulas.joining_sinusoid(1, -1, pi - 2 * rest, first, stop, point)
    for name, offset, gone, domain, other, shown in (
        (
            "above",
            stop,
            before,
            (rest, before, first + after, pi - 2 * rest - stop),
            sp.cos(point) - turned,
            r"\sin(d_2-d_1)(\cos t-v)=2\cos h\,\cos(h-d_2)\sin(t-d_1)>0",
        ),
        (
            "below",
            first,
            after,
            (rest, first, after, pi - 2 * rest - first - after),
            turned + sp.cos(pi - 2 * rest - point),
            r"\sin(d_2-d_1)(v+\cos(D-t))=2\cos h\,\cos(h-d_1)\sin(d_2-t)>0",
        ),
    ):
        d.sign(
            f"opposite signs, {name}",
            span * other,
            2 * lift * drop * side,
            positive={
                lift: (sp.sin(rest), "sine"),
                drop: (sp.sin(rest + offset), "sine"),
                side: (sp.sin(gone), "sine"),
            },
            domain=domain,
            statement=r"$e=1$, $e'=-1$, so there are at least two lines and $D<\pi$; $q=\frac\pi2-h>0$, $\cos h=\sin q$, $\cos(h-d)=\sin(q+d)$. The offsets are any $0<d_1<d_2<D$: the bisector does not matter.",
            shown=shown,
        )


def _strict_cosines(d: Derivation) -> None:
    """Both cosines are strictly within 1 in size."""
    angle = sp.Symbol("x", positive=True)
    small, large = sp.symbols("k l", positive=True)
    for name, value, square, shown in (
        ("below 1", 1 - sp.cos(angle), (small, sp.sin(angle / 2), "sine"), r"1-\cos x=2\sin^2\tfrac x2>0"),
        ("above -1", 1 + sp.cos(angle), (large, sp.cos(angle / 2), "cosine"), r"1+\cos x=2\cos^2\tfrac x2>0"),
    ):
        d.sign(
            f"cosines strictly {name}",
            value,
            2 * square[0] ** 2,
            positive={square[0]: (square[1], square[2])},
            domain=(angle, pi - angle),
            statement=r"For $x=t$ and $x=D-t$, which lie in $(0,\pi)$ where $0<t<D\le\pi$. So every bound on $v$ is strictly within $\pm1$, and so are $e\cos t$ and $e'\cos(D-t)$.",
            shown=shown,
        )


def instances(effort: Effort, quick: int, full: int, seed: int) -> list[Instance]:
    """Random teachers of 1 to 6 neurons on distinct lines, any signs and masses, three samples in each sector, not too close to float64's resolution."""
    rng = np.random.default_rng(seed)
    return [
        random_instance(rng, 1 + k % 6, apart=10 ** rng.uniform(-2, -0.5), inner=10 ** rng.uniform(-4, -1.5))
        for k in range(effort.count(quick, full))
    ]


def sector_bound_attack(effort: Effort) -> Attack:
    """|p| against the larger of the cosines to the neighbouring directions, all around the circle."""
    rng = np.random.default_rng(411)
    margins = []
    for instance in instances(effort, 36, 3_000, 412):
        multipliers = formulas.dual_certificate(instance.angles, instance.signs, instance.samples)
        lines = np.mod(np.concatenate([instance.angles, instance.angles + np.pi]), 2 * np.pi)
        psi = np.concatenate(
            [rng.uniform(0, 2 * np.pi, 200), instance.samples + np.pi / 2, instance.samples - np.pi / 2]
        )
        p = plane.dual_function(instance.x, multipliers, psi)
        nearest = np.abs(np.cos(psi[:, None] - lines)).max(axis=1) if len(lines) == 2 else _neighbours(psi, lines)
        margins.append((nearest - np.abs(p)) / np.abs(multipliers).sum() + 1e-13)
    return none_below(
        "random teachers of 1 to 6 neurons, three points a sector, seed 412: max(|cos t|, |cos(D - t)|) - |p|, over the sum of |multipliers|",
        np.concatenate(margins),
    )


def _neighbours(psi: np.ndarray, lines: np.ndarray) -> np.ndarray:
    ordered = np.sort(lines)
    place = np.searchsorted(ordered, np.mod(psi, 2 * np.pi))
    before, after = ordered[place - 1], ordered[place % len(ordered)]
    return np.maximum(np.abs(np.cos(psi - before)), np.abs(np.cos(psi - after)))


def _contact_attack(effort: Effort) -> Attack:
    errors = []
    for instance in instances(effort, 36, 3_000, 413):
        for multipliers in (
            formulas.dual_certificate(instance.angles, instance.signs, instance.samples),
            plane.dual_certificate(instance.teacher, instance.x),
        ):
            p = plane.dual_function(instance.x, multipliers, instance.angles)
            over = max(plane.dual_peak(instance.x, multipliers).value - 1, 0)
            errors.append((np.abs(p - instance.signs).max() + over) / (1 + np.abs(multipliers).sum()))
    return errors_below(
        "the same kind of samples, seed 413: p at the teacher's directions less its sign, and what |p| exceeds 1 by, over the sum of |multipliers|",
        errors,
        1e-13,
    )


CLAIMS = (
    Claim(
        "min_norm.thm5.2.certificate",
        "Theorem 5.2, another proof: the dual certificate",
        r"Let $\beta_1,\dots,\beta_{2L}$ be the directions of $L\ge1$ lines in order, $e_j=\pm1$ with $e_{j+L}=e_j$, and let each open sector hold two points, on one side of its bisector or between directions of different signs. Then there are multipliers with $p(\psi)=\sum_i\lambda_i\sigma(x_i\cdot u(\psi))$ equal to $e_j$ at each $\beta_j$ and $|p|<1$ in every other direction.",
        Verdict.PROVED,
        _bounds,
    ),
)
