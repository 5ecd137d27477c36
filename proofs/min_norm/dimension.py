"""The min_norm paper's conjecture on dimension (Section 7): false for any fixed number of points a sector, open for uniform samples."""

from __future__ import annotations

import numpy as np
import sympy as sp

from alignmath.arrays import as_generator
from alignmath.networks import TwoLayer
from solvers.interpolation.lifting import lifted

from ..engine.attacks import none_below
from ..engine.claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation

__all__ = ["CLAIMS", "sector_samples"]


def _dimension(effort: Effort) -> Outcome:
    d = Derivation()
    angle = sp.Symbol("tau", real=True)
    root = sp.sqrt(2)
    x = sp.Matrix([sp.cos(angle) / root, sp.sin(angle), sp.cos(angle) / root])
    u = sp.Matrix([1, 0, 1]) / root
    d.identity(
        "samples of the sphere",
        x.dot(x),
        1,
        r"$d=3$, teacher $\sigma(x_1)$, samples $x(\tau)=(\frac{\cos\tau}{\sqrt2},\sin\tau,\frac{\cos\tau}{\sqrt2})$: any number of them in each of the two sectors $x_1>0$, $x_1<0$.",
        shown=r"|x(\tau)|=1",
    )
    d.identity(
        "a cheaper student",
        u.dot(x) / root,
        x[0],
        r"$u=(1,0,1)/\sqrt2$: $\frac1{\sqrt2}\sigma(u\cdot x)=\sigma(x_1)$ at all of them. Its cost is $\frac1{\sqrt2}<1$, while a condensed interpolant has mass 1 at $e_1$. So however many points are asked for in each sector, a minimiser need not be condensed, nor of zero test loss.",
        shown=r"\tfrac1{\sqrt2}\,u\cdot x(\tau)=x_1(\tau)",
    )
    d.certificate("strictly cheaper", bool(1 / root < 1), r"$\frac1{\sqrt2}<1$.", reason="exact")
    d.argument(
        "also in general position",
        "Samples near these, on no common plane, still have an interpolant of cost below 1.",
        r"If no two of the $N$ samples are parallel, the vectors $(\sigma(u\cdot x_i))_i$ span $\mathbb{R}^N$: a small change of samples and labels is made up for at a small cost.",
        refuted_by="samples as above, moved a little, whose least cost is 1",
        attack=lambda: _general_position_attack(effort),
    )
    return d.refuted(
        "in three dimensions no number of points a sector is enough: samples on a plane that does not contain the neuron are interpolated at cost $1/\\sqrt2<1$"
    )


def _general_position_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(455)
    margins = []
    for _ in range(effort.count(3, 30)):
        angles = np.concatenate([rng.uniform(-1.4, 1.4, 6), np.pi + rng.uniform(-1.4, 1.4, 6)])
        x = np.stack([np.cos(angles) / 2**0.5, np.sin(angles), np.cos(angles) / 2**0.5], axis=1)
        x += 1e-3 * rng.standard_normal(x.shape)
        margins.append(1 - lifted(x, np.maximum(x[:, 0], 0)).value)
    return none_below(
        "6 and 6 samples within 1e-3 of the plane, convex lifting, seed 455: 1 less the least cost", margins
    )


def sector_samples(seed: int | np.random.Generator, teacher: TwoLayer, in_sector: int) -> np.ndarray:
    """Uniform samples of the sphere, `in_sector` in each of the `2^m` sectors of m independent neurons."""
    rng = as_generator(seed)
    hidden = np.asarray(teacher.hidden)
    sectors: dict[tuple[bool, ...], list[np.ndarray]] = {}
    while len(sectors) < 2 ** len(hidden) or min(map(len, sectors.values())) < in_sector:
        x = rng.standard_normal(hidden.shape[1])
        held = sectors.setdefault(tuple(hidden @ x > 0), [])
        if len(held) < in_sector:
            held.append(x / np.linalg.norm(x))
    return np.concatenate([np.stack(held) for held in sectors.values()])


def _uniform_dimension(effort: Effort) -> Outcome:
    d = Derivation()
    draws = effort.count(2, 60)
    sampled, in_sectors = [], []
    for dimension, neurons, samples in ((3, 2, 10), (3, 2, 20), (3, 2, 30), (4, 1, 8), (4, 1, 16)):
        rng = np.random.default_rng([456, dimension, neurons, samples])
        teachers = [_random_teacher(rng, dimension, neurons) for _ in range(draws)]
        ratios = [_cost_ratio(teacher, _uniform(rng, samples, dimension)) for teacher in teachers]
        sampled.append(_counted(f"d = {dimension}, m_0 = {neurons}, N = {samples}", ratios))
    for dimension, neurons in ((3, 1), (3, 2), (4, 1)):
        rng = np.random.default_rng([457, dimension, neurons])
        teachers = [_random_teacher(rng, dimension, neurons) for _ in range(draws)]
        ratios = [_cost_ratio(teacher, sector_samples(rng, teacher, dimension + 1)) for teacher in teachers]
        in_sectors.append(_counted(f"d = {dimension}, m_0 = {neurons}", ratios))
    text = f"uniform samples: {'; '.join(sampled)}. With d + 1 points in each sector: {'; '.join(in_sectors)}"
    return d.open(
        f"how often the least cost is the teacher's, by the lifting, random teachers of any signs, seeds 456 and 457; {text}"
    )


def _random_teacher(rng: np.random.Generator, dimension: int, neurons: int) -> TwoLayer:
    return TwoLayer(_uniform(rng, neurons, dimension), rng.choice([-1.0, 1.0], neurons))


def _uniform(rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    x = rng.standard_normal((count, dimension))
    return x / np.linalg.norm(x, axis=1)[:, None]


def _cost_ratio(teacher: TwoLayer, x: np.ndarray) -> float:
    """Least cost of an interpolant over the teacher's, which bounds it but for the solver's rounding."""
    ratio = lifted(x, teacher(x)).value / teacher.width
    if ratio > 1 + 1e-5:
        raise CheckFailed(f"the lifting costs {ratio:.7f} times its teacher")
    return ratio


def _counted(what: str, ratios: list[float]) -> str:
    return f"{what}: {sum(ratio > 1 - 1e-6 for ratio in ratios)} of {len(ratios)} (least ratio {min(ratios):.4f})"


CLAIMS = (
    Claim(
        "min_norm.conj.d",
        "Section 7, conjecture, read literally",
        r"Theorem 5.2 holds for $d\ge3$ if every sector holds at least $n$ points, for three or some other number $n$.",
        Verdict.REFUTED,
        _dimension,
    ),
    Claim(
        "min_norm.conj.d.mended",
        "Section 7, conjecture, for uniform samples",
        r"For $d\ge3$ and a teacher on distinct lines, the minimum-norm network of $N$ uniform samples is the teacher with a probability that tends to 1 as $N\to\infty$.",
        Verdict.OPEN,
        _uniform_dimension,
    ),
)
