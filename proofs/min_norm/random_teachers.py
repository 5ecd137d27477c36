"""The certificate of Theorem 5.2 on random teachers, in ball arithmetic: the largest |p| from the definition of p, arc by arc."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from flint import arb, ctx

from alignmath import plane
from solvers.interpolation.minimum_norm import min_norm

from ..engine.claims import CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import formulas
from .samples import Instance, random_instance

__all__ = ["CLAIMS", "excess_in_balls"]

_BITS = 160


def excess_in_balls(instance: Instance) -> tuple[float, int]:
    """An upper bound on `max |p| - 1`, and the number of arcs off the teacher's lines on which `|p| < 1` strictly.

    Angles are the exact floats of the instance. The multipliers solve their 2x2 systems in balls; p is summed from its definition on every arc between
    breakpoints, whose order the balls decide. `CheckFailed` if an arc is not decided.
    """
    with ctx.workprec(_BITS):
        pi = arb.pi()
        lines, signs = _ordered_lines(instance, pi)
        samples = [arb(float(angle)) for angle in instance.samples]
        weights = _multipliers(instance, lines, signs, samples, pi)
        turns = sorted(
            ((_reduced(sample + side * pi / 2, pi), k) for k, sample in enumerate(samples) for side in (1, -1)),
            key=lambda pair: float(pair[0].mid()),
        )
        if not all(after > before for (before, _), (after, _) in itertools.pairwise(turns)):
            raise CheckFailed("two breakpoints are not told apart")
        worst, strict = arb(0), 0
        for (start, _), (stop, _) in zip(turns, [*turns[1:], (turns[0][0] + 2 * pi, 0)], strict=True):
            middle = (start + stop) / 2
            gradient = [arb(0), arb(0)]
            for sample, weight in zip(samples, weights, strict=True):
                if weight is not None and (sample - middle).cos() > 0:
                    gradient[0] += weight * sample.cos()
                    gradient[1] += weight * sample.sin()
            contact = any(start < line + k * pi < stop for line in lines for k in range(-2, 5))
            square = (
                gradient[0] * gradient[0] + gradient[1] * gradient[1]
            )  # not **: powers of balls around 0 are undefined
            if contact:
                worst = worst.max(square.sqrt() - 1)
                continue
            ends = [gradient[0] * t.cos() + gradient[1] * t.sin() for t in (start, stop)]
            slopes = [gradient[1] * t.cos() - gradient[0] * t.sin() for t in (start, stop)]
            inside = square < 1 or (slopes[0] * slopes[1] > 0 and all(abs(end) < 1 for end in ends))
            if not inside:
                raise CheckFailed(f"|p| < 1 is not certified on an arc of width {float((stop - start).mid()):.3g}")
            strict += 1
        return float(worst.upper()), strict


def _reduced(angle: Any, pi: Any) -> Any:
    turns = int((angle / (2 * pi)).floor().unique_fmpz())
    return angle - 2 * turns * pi


def _ordered_lines(instance: Instance, pi: Any) -> tuple[list[Any], list[int]]:
    """The lines' angles in `[0, pi)` in order, and the teacher's signs on them."""
    pairs = []
    for angle, sign in zip(instance.angles, instance.signs, strict=True):
        ball = arb(float(angle))
        pairs.append((ball - int((ball / pi).floor().unique_fmpz()) * pi, int(sign)))
    pairs.sort(key=lambda pair: float(pair[0].mid()))
    return [line for line, _ in pairs], [sign for _, sign in pairs]


def _multipliers(instance: Instance, lines: list[Any], signs: list[int], samples: list[Any], pi: Any) -> list[Any]:
    """For each sample its multiplier as a ball, None if it has none: the pair of each sector that float64 chose, from the vector equation."""
    chosen = formulas.dual_certificate(instance.angles, instance.signs, instance.samples) != 0
    beta, e = [*lines, *(line + pi for line in lines)], [*signs, *signs]
    beta, e = [*beta, lines[0] + 2 * pi], [*e, signs[0]]
    weights: list[Any] = [None] * len(samples)
    for j in range(2 * len(lines)):
        start, stop = beta[j] + pi / 2, beta[j + 1] + pi / 2
        inside = [k for k in np.flatnonzero(chosen) for shift in (0, 2) if start < samples[k] + shift * pi < stop]
        if len(inside) != 2:
            raise CheckFailed(f"sector {j} has {len(inside)} chosen samples")
        (a, b), (c, d) = (((samples[k]).cos(), (samples[k]).sin()) for k in inside)
        wanted = [(e[j + 1] * part(beta[j + 1]) - e[j] * part(beta[j])) / 2 for part in (arb.cos, arb.sin)]
        span = a * d - b * c
        weights[inside[0]] = (wanted[0] * d - wanted[1] * c) / span
        weights[inside[1]] = (a * wanted[1] - b * wanted[0]) / span
    return weights


def _measured(effort: Effort) -> Outcome:
    d = Derivation("min_norm.thm5.2.certificate")
    rng = np.random.default_rng(461)
    count = effort.count(200, 2_000)
    chosen = [random_instance(rng, 1 + k % 6) for k in range(count)]
    loss, used = [], 0
    for instance in chosen:
        multipliers = plane.dual_certificate(instance.teacher, instance.x)
        bound = float(instance.y @ multipliers) / plane.dual_peak(instance.x, multipliers).value
        loss.append((1 - bound / instance.masses.sum()) / np.abs(multipliers).sum())
        used += bool(np.all(plane.dual_function(instance.x, multipliers, instance.angles) * instance.signs > 0))
    d.measurement(
        "lower bounds of the certificate",
        max(loss) < 1e-13 and used == count,
        f"{count} teachers of 1 to 6 neurons, uniform directions, any signs and masses, exactly three points in each sector, seed 461: the bound $y\\cdot\\lambda/\\max|p|$ is the teacher's cost to {max(loss):.1g} of the sum of the multipliers.",
    )
    balls = effort.count(18, 300)
    results = [excess_in_balls(instance) for instance in chosen[:balls]]
    d.measurement(
        "in ball arithmetic",
        max(excess for excess, _ in results) < 1e-25,
        f"{balls} of them with {_BITS} bits: $\\max|p|\\le1+{max(excess for excess, _ in results):.0e}$, and $|p|<1$ on all of the {sum(strict for _, strict in results)} arcs that the teacher's lines do not meet.",
    )
    solved = effort.count(12, 300)
    errors = []
    for instance in (random_instance(rng, 1 + k % 6, apart=0.05, inner=0.05) for k in range(solved)):
        errors.append(abs(min_norm(instance.x, instance.y).squared_norm / (2 * instance.masses.sum()) - 1))
    d.measurement(
        "the solver's norm",
        max(errors) < 1e-5,
        f"{solved} more, found by the solver: relative difference to $2\\sum_k|a_k^*|\\,|b_k^*|$ at most {max(errors):.1g}.",
    )
    return d.measured(
        f"{count} random teachers: the certificate proves the norm $2\\sum_k|a_k^*|\\,|b_k^*|$; {balls} of them in ball arithmetic"
    )


CLAIMS = (
    Claim(
        "min_norm.thm5.2.measured",
        "Theorem 5.2, on random teachers",
        r"For random teachers of 1 to 6 neurons on distinct lines, any signs and masses, and exactly three points in each sector, the dual certificate has $\max|p|=1$ and the least $|\theta|^2$ is $2\sum_k|a_k^*|\,|b_k^*|$.",
        Verdict.MEASURED,
        _measured,
        uses=("min_norm.thm5.2.certificate",),
    ),
)
