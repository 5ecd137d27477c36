"""Sectors of a teacher in the plane, and formula (12) of the min_norm paper: the odds of enough samples in each.

The lines perpendicular to the teacher's hidden vectors cut the circle of inputs into sectors, on each of which f is
linear (Definition 5.1: `teacher_sectors`). Three samples in each make the teacher the minimum-norm interpolant (Theorem
5.2; `plane.dual_certificate` proves it for a given set); formula (12), `sector_probability_bound`, bounds the
probability that each has three, which `sector_probability` computes exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np

from ..arrays import as_numpy, as_order
from ..networks import TwoLayer, require_plain

__all__ = [
    "SAME_ANGLE",
    "Sectors",
    "gradient_parts",
    "kink_lines",
    "nonsilent",
    "plane_inputs",
    "plane_neurons",
    "sector_borders",
    "sector_probabilities",
    "sector_probability",
    "sector_probability_bound",
    "teacher_sectors",
]

SAME_ANGLE = 8 * float(np.finfo(float).eps)
"""Angles closer than this are one: what rounding does to equal angles, radians."""


@dataclass(frozen=True, eq=False)
class Sectors:
    """The K sectors, in order around the circle; K is twice the number of distinct lines. See `teacher_sectors`.

    - start, end: `(K,)`, the angles that bound them, `0 <= start < 2 pi`, `end > start`, radians
    - gradient: `(K, 2)`, the gradient of f in each

    >>> from alignmath.networks import orthonormal
    >>> teacher_sectors(orthonormal(2, 2)).gradient
    array([[1., 1.],
           [0., 1.],
           [0., 0.],
           [1., 0.]])
    """

    start: np.ndarray
    end: np.ndarray
    gradient: np.ndarray


def teacher_sectors(teacher: TwoLayer) -> Sectors:
    """The sectors of one network in the plane. min_norm paper, Definition 5.1.

    Lines that coincide to rounding are one. Neurons with a zero hidden vector or output weight are left out. Raises
    `ValueError` for a batch, for inputs not in the plane, and if no neuron is left.

    >>> from alignmath.networks import regular_polygon
    >>> sectors = teacher_sectors(regular_polygon(3))
    >>> np.degrees(sectors.start).round(9)
    array([ 30.,  90., 150., 210., 270., 330.])
    """
    hidden, output = plane_neurons(teacher, "teacher")
    lines, _ = kink_lines(hidden[nonsilent(hidden, output)])
    start, end = sector_borders(lines)
    middle = (start + end) / 2
    parts = gradient_parts(hidden, output, np.where(middle > math.pi, middle - 2 * math.pi, middle))
    return Sectors(start, end, parts[0] + parts[1])


def sector_borders(lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The angles `(2 L,)` at which the sectors between `lines (L,)`, in order in `[0, pi)`, start and end; radians.

    >>> start, end = sector_borders(np.array([0.0, np.pi / 2]))
    >>> np.degrees(end - start)
    array([90., 90., 90., 90.])
    """
    start = np.concatenate([lines, lines + math.pi])
    return start, np.append(start[1:], start[0] + 2 * math.pi)


def sector_probabilities(teacher: TwoLayer) -> np.ndarray:
    """Probability of each of the `teacher_sectors` for an input of uniform direction, `(K,)`; errors as for them.

    >>> from alignmath.networks import TwoLayer
    >>> sector_probabilities(TwoLayer([[1.0, 0.0], [1.0, 1.0]])).round(9)
    array([0.125, 0.375, 0.125, 0.375])
    """
    sectors = teacher_sectors(teacher)
    return (sectors.end - sectors.start) / (2 * math.pi)


def sector_probability_bound(samples: int, probabilities: Any, least: int = 3) -> Any:
    """Lower bound on the probability that each sector holds `least` of the samples: formula (12), min_norm paper.

    `1 - sum_i P(Binomial(samples, p_i) < least)`, the union bound, with `least` 3 in the paper; negative where it says
    nothing. samples: at most a million independent samples; probabilities: `(K,)`, of the sectors, sum 1.
    Returns a float, or a `Fraction`, exactly, if all the probabilities are `Fraction` (or int). Raises `ValueError` for
    probabilities that are negative or do not add up to 1.

    >>> from alignmath.networks import regular_polygon
    >>> shares = sector_probabilities(regular_polygon(3))
    >>> [round(sector_probability_bound(samples, shares), 4) for samples in (20, 30, 40)]
    [-0.972, 0.3833, 0.8359]
    """
    samples, least, shares = _checked(samples, probabilities, least, most=10**6)
    few = range(min(least, samples + 1))
    if isinstance(shares, np.ndarray):
        return 1 - math.fsum(_binomial(samples, share)[few].sum() for share in shares)
    return 1 - sum(math.comb(samples, k) * p**k * (1 - p) ** (samples - k) for p in shares for k in few)


def sector_probability(samples: int, probabilities: Any, least: int = 3) -> Any:
    """The probability that each sector holds at least `least` of the samples; arguments as for the bound.

    Counts of sectors are Poisson counts, given their sum, so that the answer is a ratio of two coefficients of
    products of series: `prod_i sum_{k >= least} (samples p_i)^k / k!` over the same from k = 0. All terms are positive
    and nothing cancels; values below 1e-300 may come out as 0. Costs `K samples^2` operations; up to 20,000 samples.
    With `Fraction` probabilities it counts in integers, and the answer is exact.

    >>> sector_probability(3, [Fraction(1, 2), Fraction(1, 2)], least=1)
    Fraction(3, 4)
    >>> round(sector_probability(40, np.full(6, 1 / 6)), 4)
    0.8403
    """
    samples, least, shares = _checked(samples, probabilities, least, most=20_000)
    if isinstance(shares, np.ndarray):
        weights = [_poisson(samples * float(share), samples) for share in shares]
        truncated = [np.where(np.arange(samples + 1) < least, 0.0, weight) for weight in weights]
        return _last_coefficient(truncated) / _last_coefficient(weights)
    common = math.lcm(*(share.denominator for share in shares))
    ways = [1] + [0] * samples  # ways[n]: common**n times the probability that n given samples fill the sectors so far
    for share in shares:
        power = [int(share * common) ** k for k in range(samples + 1)]
        ways = [sum(math.comb(n, k) * power[k] * ways[n - k] for k in range(least, n + 1)) for n in range(samples + 1)]
    return Fraction(ways[samples], common**samples)


def plane_inputs(x: Any, *, zero: bool = False) -> np.ndarray:
    """The inputs x as a float64 array `(N, 2)`; `ValueError` for any other, and for a row 0 unless `zero`.

    >>> plane_inputs([[3, 4]])
    array([[3., 4.]])
    """
    x = as_numpy(x, "x", least_ndim=2)
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(f"x has shape {x.shape}; expected (N, 2), one input a row")
    if not zero and not np.all(np.any(x != 0, axis=1)):
        row = int(np.argmin(np.any(x != 0, axis=1)))
        raise ValueError(f"x[{row}] is the zero vector, which has no direction; leave it out")
    return x


def plane_neurons(network: TwoLayer, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Hidden vectors `(m, 2)` and output weights `(m,)` of one network, float64.

    `ValueError`, by the argument's `name`, for a batch, for inputs not in the plane, and for weights so large that sums
    of `|a_j| |b_j|` may overflow.

    >>> from alignmath.networks import TwoLayer
    >>> plane_neurons(TwoLayer([[1.0, 2.0]], [3.0]), "teacher")
    (array([[1., 2.]]), array([3.]))
    """
    require_plain(network, name)
    if network.batch or network.dimension != 2:
        raise ValueError(
            f"{name} has hidden weights of shape {tuple(network.hidden.shape)}; expected (m, 2), one network on inputs "
            "of the plane: take one of the batch"
        )
    hidden, output = (
        as_numpy(part, f"{name}.{what}") for part, what in ((network.hidden, "hidden"), (network.output, "output"))
    )
    with np.errstate(over="ignore"):
        total = float(np.sum(np.abs(output) * np.abs(hidden).max(axis=1)))
    if not total < 1e300:
        raise ValueError(f"{name} has a sum of |output| |hidden| near overflow, {total:.3g}; rescale the weights")
    return hidden, output


def nonsilent(hidden: np.ndarray, output: np.ndarray) -> np.ndarray:
    """Which neurons of a teacher have both weights nonzero, `(m,)` bool; `ValueError` if none has.

    >>> nonsilent(np.array([[1.0, 0.0], [0.0, 0.0]]), np.ones(2))
    array([ True, False])
    """
    live = np.any(hidden != 0, axis=1) & (output != 0)
    if not np.any(live):
        raise ValueError("teacher has no neuron with both weights nonzero, so no sectors; pass another teacher")
    return live


def kink_lines(hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct lines perpendicular to the vectors `hidden (m, 2)`, none of them 0: angles in `[0, pi)`, `(L,)`,
    in order, and the line of each vector, `(m,)` int.

    >>> lines, line = kink_lines(np.array([[0.0, 1.0], [1.0, 0.0], [0.0, -2.0]]))
    >>> np.degrees(lines), line
    (array([ 0., 90.]), array([0, 1, 0]))
    """
    across, along = hidden[:, 0], -hidden[:, 1]  # sine and cosine, a quarter turn ahead
    flipped = (across < 0) | ((across == 0) & (along < 0))
    angles = np.arctan2(np.abs(across), np.where(flipped, -along, along))
    order = np.argsort(angles, kind="stable")
    ordered = angles[order]
    first = np.append(True, np.diff(ordered) > SAME_ANGLE)
    index = np.cumsum(first) - 1
    lines = ordered[first]
    if len(lines) > 1 and ordered[0] + math.pi - ordered[-1] <= SAME_ANGLE:
        index[index == index[-1]] = 0
        lines = lines[:-1]
    line = np.empty(len(hidden), dtype=int)
    line[order] = index
    return lines, line


def gradient_parts(hidden: np.ndarray, output: np.ndarray, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient of the network at the inputs of the given `angles (N,)` in `[-pi, pi]`, as two summands `(N, 2)`.

    A turn around the circle switches each neuron on once and off once: prefix sums over the sorted switches. The first
    summand is exact, because all that is added there is rounded to multiples of one power of 2 and fits 53 bits; the
    second adds up what was rounded off, at most `2^-51` of the whole a step. Costs one sort.

    >>> exact, rounded_off = gradient_parts(np.array([[1.0, 0.0]]), np.array([2.0]), np.array([0.0, np.pi]))
    >>> exact + rounded_off
    array([[2., 0.],
           [0., 0.]])
    """
    steps = output[:, None] * hidden
    power = math.frexp(float(np.abs(steps).sum()))[1]  # no partial sum exceeds 2^power
    shift = math.ldexp(3.0, power)
    coarse = (steps + shift) - shift  # rounded to multiples of 2^(power - 51)
    on, off = np.arctan2(-hidden[:, 0], hidden[:, 1]), np.arctan2(hidden[:, 0], -hidden[:, 1])
    turns = np.concatenate([on, off])
    order = np.argsort(turns, kind="stable")
    place = np.searchsorted(turns[order], angles, side="right")
    at_start = off < on  # switched off before it is switched on, so on at -pi

    def summed(part: np.ndarray) -> np.ndarray:
        first = part[at_start].sum(axis=0, keepdims=True)
        return np.cumsum(np.concatenate([first, np.concatenate([part, -part])[order]]), axis=0)[place]

    return summed(coarse), summed(steps - coarse)


def _checked(samples: Any, probabilities: Any, least: Any, *, most: int) -> tuple[int, int, Any]:
    """Counts as integers, and the probabilities as an array, or as a list of Fractions if they are rational."""
    samples, least = as_order(samples, "samples", most=most), as_order(least, "least", most=10**6)
    if isinstance(probabilities, Sequence) and probabilities and all(isinstance(p, Rational) for p in probabilities):
        shares: Any = [Fraction(p) for p in probabilities]
        wrong = min(shares) < 0 or sum(shares) != 1
    else:
        shares = as_numpy(probabilities, "probabilities", least_ndim=1)
        wrong = shares.ndim != 1 or shares.min() < 0 or abs(shares.sum() - 1) > 1e-9
    if wrong:
        raise ValueError(
            f"probabilities is {probabilities!r}; expected (K,) non-negative ones that add up to 1: divide by their sum"
        )
    return samples, least, shares


def _from_mode(mode: int, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Weights with 1 at `mode`, and the given ratios of neighbours upwards and downwards from there."""
    return np.concatenate([np.cumprod(down)[::-1], [1.0], np.cumprod(up)])


def _binomial(samples: int, share: float) -> np.ndarray:
    """Probabilities of 0 to `samples` successes: products of ratios from the most likely number, then normalised."""
    mode = min(int((samples + 1) * share), samples)
    up, down = np.arange(mode + 1, samples + 1), np.arange(mode, 0, -1)
    rise = (samples - up + 1) * share / (up * (1 - share)) if mode < samples else np.empty(0)
    fall = down * (1 - share) / ((samples - down + 1) * share) if mode else np.empty(0)
    weights = _from_mode(mode, rise, fall)
    return weights / weights.sum()


def _poisson(mean: float, most: int) -> np.ndarray:
    """`mean^k / k!` for k from 0 to `most`, over their sum."""
    mode = min(int(mean), most)
    up, down = np.arange(mode + 1, most + 1), np.arange(mode, 0, -1)
    weights = _from_mode(mode, mean / up, down / mean if mode else np.empty(0))
    return weights / weights.sum()


def _last_coefficient(series: list[np.ndarray]) -> float:
    """Coefficient of the highest power kept, `len(series[0]) - 1`, in the product of the power series."""
    product = series[0]
    for factor in series[1:-1]:
        product = np.convolve(product, factor)[: len(product)]
    return float(product @ series[-1][::-1]) if len(series) > 1 else float(product[-1])
