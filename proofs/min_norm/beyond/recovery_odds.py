"""Beyond the min_norm paper: how often a teacher in the plane is of least norm, by the exact test, and that test against the solver.

All is decided by `solvers.is_recoverable`. Intervals are Wilson's, of 95 per cent.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from alignmath.arrays import as_generator
from alignmath.networks import TwoLayer
from solvers.interpolation.minimum_norm import min_norm
from solvers.interpolation.recovery import is_recoverable
from solvers.interpolation.solution import NotCertified

from ...engine.claims import Claim, Effort, Outcome, Verdict
from ...engine.derivation import Derivation
from ...engine.statistics import proportion_interval
from .. import formulas
from ..samples import cost_of, random_directions, unit_vectors
from . import one_neuron

__all__ = ["CLAIMS", "Case", "in_pairs", "in_sectors", "random_lines", "recovered_share"]

_SOLVED = 1e-7
"""Relative gap asked of the solver."""


def _counted(successes: int, trials: int) -> str:
    low, high = proportion_interval(successes, trials)
    return f"{successes}/{trials} ({100 * low:.0f}-{100 * high:.0f}%)"


def _exact_test(effort: Effort) -> Outcome:
    d = Derivation("min_norm.beyond.sharp")
    rng = np.random.default_rng(481)
    draws = effort.count(24, 3_000)
    wrong = recovered = ties = unsolved = 0
    worst = 0.0
    for _ in range(draws):
        m, samples = int(rng.integers(1, 5)), int(rng.integers(2, 31))
        teacher = TwoLayer(random_directions(rng, m), rng.choice([-1, 1], m) * rng.uniform(0.2, 2, m))
        x = random_directions(rng, samples)
        answer = bool(is_recoverable(teacher, x))
        recovered += answer
        try:
            missing = 1 - min_norm(x, teacher(x), tolerance=_SOLVED).squared_norm / (2 * cost_of(teacher))
        except NotCertified:
            unsolved += 1
            continue
        wrong += answer and missing > 2 * _SOLVED
        ties += not answer and missing <= 2 * _SOLVED
        worst = max(worst, abs(missing)) if answer else worst
    text = f"{draws} teachers of 1 to 4 neurons, any signs and masses, and 2 to 30 uniform samples, seed 481. Yes in {recovered}, of which {wrong} have a certified norm below the teacher's; the others have the teacher's to {worst:.1g}. No in {draws - recovered}, of which all but {ties} have one below the teacher's by more than {2 * _SOLVED:.0e}, relatively; closer than that the solver cannot tell. It certified no norm for {unsolved} of them."
    d.measurement(
        "the two answers", wrong == 0 and ties + unsolved <= 0.005 * draws and 0.2 < recovered / draws < 0.9, text
    )
    return d.measured(
        f"{draws} teachers: no disagreement with the solver, {recovered} recovered, {ties} too close for it to tell, {unsolved} without a certified norm"
    )


def random_lines(seed: int | np.random.Generator, neurons: int, equal: bool) -> np.ndarray:
    """Angles of the lines of a teacher, in order in `[0, pi)`: equally spaced, or uniform."""
    return np.arange(neurons) * np.pi / neurons if equal else np.sort(as_generator(seed).uniform(0, np.pi, neurons))


def in_sectors(seed: int | np.random.Generator, lines: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Samples, uniform in each of the `2 m` sectors between the directions at right angles to the `lines (m,)`: `counts (2 m,)` in each."""
    starts = np.concatenate([lines, lines + np.pi]) + np.pi / 2
    widths = np.diff(starts, append=starts[0] + 2 * np.pi)
    sector = np.repeat(np.arange(len(starts)), counts)
    return unit_vectors(starts[sector] + widths[sector] * as_generator(seed).uniform(0, 1, len(sector)))


def in_pairs(seed: int | np.random.Generator, lines: np.ndarray, count: int) -> np.ndarray:
    """Samples, `count` in each antipodal pair of sectors, uniform in it."""
    rng = as_generator(seed)
    first = rng.binomial(count, 0.5, len(lines))
    return in_sectors(rng, lines, np.concatenate([first, count - first]))


def _random_signs(rng: np.random.Generator, neurons: int, mixed: bool) -> np.ndarray:
    """All positive, or uniform among those of both signs."""
    signs = np.ones(neurons)
    while mixed and abs(signs.sum()) == neurons:
        signs = rng.choice([-1.0, 1.0], neurons)
    return signs


@dataclass(frozen=True)
class Case:
    """Teachers of so many neurons, widths of sectors equal or random, signs positive or mixed; `count` samples in each pair of sectors, or in each sector."""

    neurons: int
    equal: bool
    mixed: bool
    pairs: bool
    count: int


def recovered_share(case: Case, draws: int, seed: int) -> int:
    """How many of `draws` teachers are of least norm; each neuron points either way along its line."""
    rng = np.random.default_rng([seed, case.neurons, case.equal, case.mixed, case.pairs, case.count])
    count = 0
    for _ in range(draws):
        lines = random_lines(rng, case.neurons, case.equal)
        units = unit_vectors(lines + np.pi * rng.integers(0, 2, case.neurons))
        if case.pairs:
            x = in_pairs(rng, lines, case.count)
        else:
            x = in_sectors(rng, lines, np.full(2 * case.neurons, case.count))
        count += bool(is_recoverable(TwoLayer(units, _random_signs(rng, case.neurons, case.mixed)), x))
    return count


_KINDS: list[tuple[int, bool, bool]] = [
    (1, True, False),
    *((m, equal, mixed) for m in (2, 3) for equal in (True, False) for mixed in (False, True)),
]


def _per_sector(effort: Effort) -> Outcome:
    d = Derivation("min_norm.thm5.2.mended", "min_norm.beyond.recovery", "min_norm.beyond.pairs")
    quick = effort is Effort.QUICK
    draws, totals = effort.count(5, 200), {}
    for pairs, counts in ((False, (1, 2, 3) if quick else (1, 2, 3, 4)), (True, (3, 5) if quick else (1, 2, 3, 4, 5))):
        where = "in each antipodal pair of sectors" if pairs else "in each sector"
        for count in counts:
            row = {kind: recovered_share(Case(kind[0], kind[1], kind[2], pairs, count), draws, 482) for kind in _KINDS}
            totals[pairs, count] = sum(row.values())
            always = [n == draws for (m, _, mixed), n in row.items() if count >= 3 or (count == 2 and mixed and m == 2)]
            cells = "; ".join(f"{_kind(*kind)}: {_counted(n, draws)}" for kind, n in row.items())
            d.measurement(
                f"{count} {where}",
                (all(always) and (count >= 3 or totals[False, count] < draws * len(_KINDS)))
                if not pairs
                else totals[True, count] < draws * len(_KINDS),
                f"Recovered of {draws} teachers each. {cells}.",
                _REASONS.get((pairs, count), ""),
            )
    total = draws * len(_KINDS)
    text = ", ".join(
        f"{count} a {'pair' if pairs else 'sector'}: {_counted(n, total)}" for (pairs, count), n in totals.items()
    )
    return d.measured(f"teachers of 1 to 3 neurons, {draws} draws for each of {len(_KINDS)} kinds, seed 482; {text}")


_REASONS = {
    (
        False,
        2,
    ): "two neurons of opposite signs have only sectors between opposite signs: two are enough (`min_norm.beyond.recovery`)",
    (False, 3): "three are enough (`min_norm.thm5.2.mended`)",
    (True, 3): "no number is enough in every case (`min_norm.beyond.pairs`)",
}


def _kind(neurons: int, equal: bool, mixed: bool) -> str:
    if neurons == 1:
        return "one neuron"
    return f"{neurons} neurons, {'equal' if equal else 'random'} widths, {'mixed' if mixed else 'positive'}"


def _three(signs: list[float]) -> TwoLayer:
    return TwoLayer(unit_vectors(2 * np.pi / 3 * np.arange(3)), np.array(signs))


@dataclass(frozen=True)
class _Teacher:
    """A teacher, its sectors' probabilities, and how many samples in each are enough by Theorem 5.2 or `min_norm.beyond.recovery`."""

    name: str
    network: TwoLayer
    shares: list[Fraction]
    enough: int = 3


_TEACHERS = (
    _Teacher("120 degrees, +++", _three([1.0, 1.0, 1.0]), [Fraction(1, 6)] * 6),
    _Teacher("120 degrees, ++-", _three([1.0, 1.0, -1.0]), [Fraction(1, 6)] * 6),
    _Teacher("orthonormal, ++", TwoLayer(np.eye(2), np.ones(2)), [Fraction(1, 4)] * 4),
    # between directions of opposite signs two samples a sector are enough
    _Teacher("orthonormal, +-", TwoLayer(np.eye(2), np.array([1.0, -1.0])), [Fraction(1, 4)] * 4, 2),
    _Teacher("one neuron", TwoLayer(np.eye(2)[:1], np.ones(1)), [Fraction(1, 2)] * 2),
)
_FULL = (6, 8, 10, 12, 15, 20, 30, 40)
_QUICK = (6, 12, 20)


def _probability(effort: Effort) -> Outcome:
    d = Derivation("min_norm.eq12", "min_norm.thm5.2.mended", "min_norm.beyond.recovery", "min_norm.beyond.one_neuron")
    draws, sizes = (10, _QUICK) if effort is Effort.QUICK else (200, _FULL)
    table: dict[str, list[int]] = {}
    for number, teacher in enumerate(_TEACHERS):
        table[teacher.name] = counts = [_recovered(teacher.network, size, draws, [483, number, size]) for size in sizes]
        bounds = [_bounds(teacher, size) for size in sizes]
        texts = [
            f"N = {size}: {_counted(count, draws)}, at least {low:.4f}" + (f", at most {high:.4f}" if high < 1 else "")
            for size, count, (low, high) in zip(sizes, counts, bounds, strict=True)
        ]
        d.measurement(
            teacher.name,
            all(_consistent(count, draws, *bound) for count, bound in zip(counts, bounds, strict=True))
            and counts[0] < draws
            and counts[sizes.index(20)] >= 0.9 * draws,
            f"Recovered of {draws}: {'; '.join(texts)}.",
            "the exact bounds of `min_norm.beyond.one_neuron`"
            if len(teacher.shares) == 2
            else f"the bound is the exact probability of {teacher.enough} samples in every sector",
        )
    head = f"uniform samples, seed 483, recovered of {draws} for N = {', '.join(map(str, sizes))}"
    return d.measured(f"{head}: " + "; ".join(f"{name}: {' '.join(map(str, row))}" for name, row in table.items()))


def _recovered(teacher: TwoLayer, samples: int, draws: int, seed: list[int]) -> int:
    rng = np.random.default_rng(seed)
    return sum(bool(is_recoverable(teacher, random_directions(rng, samples))) for _ in range(draws))


def _bounds(teacher: _Teacher, samples: int) -> tuple[float, float]:
    if len(teacher.shares) == 2:
        low, high = one_neuron.bounds(samples)
        return float(low), float(high)
    return float(formulas.exact_probability(samples, teacher.shares, teacher.enough)), 1.0


def _consistent(count: int, draws: int, low: float, high: float) -> bool:
    """Whether a frequency is compatible with a probability between these, by an interval of 99.9 per cent, as there are many."""
    least, most = proportion_interval(count, draws, 0.999)
    return bool(most >= low and least <= high)


CLAIMS = (
    Claim(
        "min_norm.beyond.recoverable",
        "the exact test of recovery",
        r"Multipliers as in `min_norm.beyond.sharp`, looked for by a linear program with cuts and no labels, exist if and only if the certified least norm is the teacher's: for random teachers of 1 to 4 neurons and 2 to 30 uniform samples.",
        Verdict.MEASURED,
        _exact_test,
        uses=("min_norm.beyond.sharp",),
    ),
    Claim(
        "min_norm.beyond.points_per_sector",
        "how recovery depends on the points of each sector, its width and the signs",
        "For random teachers of one to three neurons, positive and mixed signs, equal and random widths, and uniform samples in each sector: three or more in each sector are always enough, and two for two neurons of opposite signs; one or two are sometimes not, and neither are three, four or five in each antipodal pair of sectors.",
        Verdict.MEASURED,
        _per_sector,
        uses=("min_norm.thm5.2.mended", "min_norm.beyond.recovery", "min_norm.beyond.pairs"),
    ),
    Claim(
        "min_norm.beyond.probability",
        "the probability of recovery against N",
        "For uniform samples, the frequency of recovery of five teachers against $N$ is consistent with the exact probability of enough samples in every sector, as a lower bound, and for one neuron with its two bounds. It is below 1 at $N=6$, and at $N=20$ exceeds 0.9 for each of them, where three samples in every sector of the teacher at 120 degrees have probability 0.018.",
        Verdict.MEASURED,
        _probability,
        uses=("min_norm.eq12", "min_norm.thm5.2.mended", "min_norm.beyond.recovery", "min_norm.beyond.one_neuron"),
    ),
)
