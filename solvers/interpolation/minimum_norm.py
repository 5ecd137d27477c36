"""Minimum-norm interpolation by two-layer ReLU networks, with a certificate (min_norm paper, Sections 3 to 5).

Among networks `f(x) = sum_j a_j relu(b_j . x)` with `f(x_i) = y_i`, find the least `sum_j a_j^2 + |b_j|^2`. Balanced
neurons have `|a_j| = |b_j|`, so this is twice the least `sum |c_k|` of signed masses c_k on directions. Its dual is the
largest `y . lambda` with `|p| <= 1` in every direction, `p(u) = sum_i lambda_i relu(u . x_i)`.

`min_norm` checks answers, whatever found them: the methods are `node_values` (the plane, near-linear) and `lifting`
(any dimension, cvxpy). The algorithm is explained in `docs/theory/min_norm_algorithm.md`.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from alignmath.networks import TwoLayer
from alignmath.plane.folding import EXTENDED, Folded, fold
from alignmath.plane.kinks import evaluate
from alignmath.plane.rational import exact_lower_bound

from ..runs import as_tolerance
from .lifting import lifted
from .merging import accurate_values, polished, refined
from .node_values import NodeSolution, solve_nodes, worth_keeping
from .pruning import moved_to, pruned
from .samples import checked_plane, checked_samples, checked_space, peak_size, row_lengths
from .solution import MinNormSolution, NotCertified, SolutionStatus, balanced

__all__ = ["certified", "min_norm"]

_EPS = float(np.finfo(float).eps)
_ROUNDING = float(np.finfo(EXTENDED).eps) / 2
"""Of p, beside the sum of its terms, and of the sum of its products with the labels."""
_REFINEMENTS = 5
"""How often the lifting is solved, each time for what is missing."""
_SMALL = (1e-3, 1e-5)
"""A neuron's share of the whole below which the lifting's answer is tried without it."""
_GROWTHS = 8
"""How often samples that were left out may join before all of them do."""


def min_norm(
    x: Any,
    y: Any,
    *,
    method: str = "exact",
    tolerance: float = 1e-8,
    solver: str = "CLARABEL",
    rigorous: bool = False,
) -> MinNormSolution:
    """The minimum-norm network through the samples, with its dual certificate.

    x: `(N, d)`, of any lengths; y: `(N,)`, the labels. Samples on one ray, opposite or at 0 are allowed.

    method: "exact", for d = 2, a linear program in the node values of the dual function with cuts at its peaks
    (HiGHS), near-linear in N: a hundred thousand samples in seconds. Or "lifting", the convex program in cvxpy, the
    readable reference in any dimension, for some hundred samples in the plane and some twenty in space (see
    `lifting.lifted`); its answers are as good as the solver's, so pass a `tolerance` of 1e-5 or so with it. solver: for
    lifting, any that cvxpy knows.
    tolerance: largest relative gap to accept, and largest `|f(x_i) - y_i|` beside the largest label, and beside the
    largest label over length times that of x_i.
    rigorous: take the lower bound from exact rational arithmetic (d = 2; some 30 microseconds a sample), so that it
    holds without any rounding; where rounding might be a tenth of the tolerance it is taken from there anyway.

    Whatever a solver says, network and multipliers are checked outside it: the lower bound is `2 y . lambda / max |p|`,
    the maximum being exact over every activation wedge, and `gap` is what the squared norm exceeds it by.

    Raises `ValueError` for bad or infeasible data (a label other than 0 at x = 0; contradictory labels on one ray, for
    f is positively homogeneous; opposite samples whose `f(x) - f(-x)` are not linear in x), and `NotCertified`, an
    `ArithmeticError`, if gap or residual exceed `tolerance`, or a residual what rounding makes of it, `100 eps |x_i|
    sum |c_k|`: a network that misses the labels by more may have a much smaller norm. That happens where samples of
    both sides crowd within 1e-4 radians of a line, or within 1e-10 of each other. Values are those of
    `alignmath.plane.evaluate`, a sum as accurate as the weights are; adding up neurons naively rounds more. The lifting
    needs cvxpy: `ImportError` that names the extra `convex`.

    >>> from alignmath.networks import regular_polygon
    >>> angles = np.radians(np.arange(5, 365, 20))
    >>> x, teacher = np.stack([np.cos(angles), np.sin(angles)], axis=1), regular_polygon(3)
    >>> solution = min_norm(x, teacher(x), rigorous=True)
    >>> round(solution.squared_norm, 6), solution.gap < 1e-8, solution.status.name
    (6.0, True, 'BOUND_EXACT')
    """
    started = time.perf_counter()
    tolerance = as_tolerance(tolerance, "tolerance")
    x, y = checked_samples(x, y)
    dimension = x.shape[1]
    if method not in ("exact", "lifting"):
        raise ValueError(f'method is {method!r}; expected "exact" or "lifting"')
    if dimension != 2 and (method == "exact" or rigorous):
        raise ValueError(
            f'x has dimension {dimension}; method "exact" and rigorous bounds are for the plane: '
            'pass method="lifting" and rigorous=False'
        )
    kept = np.flatnonzero(np.any(x != 0, axis=1))
    folded = checked_plane(x, y, kept) if dimension == 2 else None
    if folded is None:
        kept = checked_space(x, y, kept)
    if not np.any(y):
        return MinNormSolution(
            network=balanced(np.zeros((0, dimension)), np.zeros(0)),
            squared_norm=0.0,
            dual=np.zeros(len(x)),
            lower_bound=0.0,
            gap=0.0,
            residual=0.0,
            stats={},
            status=SolutionStatus.BOUND_EXACT if rigorous else SolutionStatus.CERTIFIED,
            seconds=time.perf_counter() - started,
        )

    options = {"tolerance": tolerance, "started": started, "rigorous": rigorous, "method": method}
    if folded is None or method == "lifting":
        return certified(x, y, *_lifting_answer(x, y, kept, folded, solver), **options)
    network, dual, stats, rounded = _exact_answer(x, y, kept, folded, tolerance, True)
    try:
        return certified(x, y, network, dual, stats, **options)
    except NotCertified:
        if not rounded:
            raise
    # what looks like rounding of the labels is dear where samples are close
    network, dual, stats, _ = _exact_answer(x, y, kept, folded, tolerance, False)
    return certified(x, y, network, dual, stats, **options)


def _exact_answer(
    x: np.ndarray, y: np.ndarray, kept: np.ndarray, folded: Folded, tolerance: float, rounding: bool
) -> tuple[TwoLayer, np.ndarray, dict[str, float], bool]:
    """Network, multipliers and counts by `node_values`, and whether second differences were taken for rounding."""
    lengths = np.hypot(*x[kept].astype(EXTENDED).T)
    heights = y[kept] / lengths  # f is positively homogeneous
    size = _size(heights)
    heights, extended = heights / size, x[kept] / lengths[:, None]
    dual, single, units = np.zeros(len(x), dtype=EXTENDED), heights.astype(float), extended.astype(float)
    allowed = tolerance * np.minimum(np.abs(single).max(), (np.abs(y).max() / lengths / size).astype(float))
    chosen = worth_keeping(folded, heights) if rounding else None
    for _ in range(_GROWTHS if chosen is not None else 0):
        assert chosen is not None
        part = fold(x[kept[chosen]])
        solved = solve_nodes(part, heights[chosen], tolerance)
        neurons = polished(solved.neurons, part, units, single)
        wrong = np.abs(evaluate(neurons.network, units) - single)
        missed = np.flatnonzero(wrong > 90 * _EPS * neurons.cost)
        if not len(missed):  # multipliers 0 elsewhere: a bound for some of the samples is one for all
            dual[kept[chosen]] = solved.multipliers / lengths[chosen]
            neurons = refined(neurons, extended, heights, allowed)
            return _restored(neurons.network, size), dual, _counts(solved, len(chosen)), True
        worst = missed[np.argsort(-wrong[missed])[:200]]
        chosen = np.union1d(chosen, worst)
    solved = solve_nodes(folded, heights, tolerance, rounding=rounding)
    neurons = refined(polished(solved.neurons, folded, units, single), extended, heights, allowed)
    dual[kept] = solved.multipliers / lengths
    return _restored(neurons.network, size), dual, _counts(solved, len(kept)), solved.rounding


def _size(heights: np.ndarray) -> float:
    """A power of 4 next to the largest: its root is one of 2, by which weights do not round."""
    return 4.0 ** math.ceil(math.frexp(float(np.abs(heights).max()))[1] / 2)


def _restored(network: TwoLayer, size: float) -> TwoLayer:
    """`size` times the network."""
    if not size * float(np.sum(np.abs(network.output) * network.lengths)) < 1e300:
        raise ValueError(f"y over |x| is up to {size:.1g}, and the norm would be beyond 1e300; rescale x or y")
    return TwoLayer(math.sqrt(size) * network.hidden, math.sqrt(size) * network.output)


def _counts(solved: NodeSolution, samples: int) -> dict[str, float]:
    return {"rounds": solved.rounds, "iterations": solved.iterations, "samples": samples}


def _lifting_answer(
    x: np.ndarray, y: np.ndarray, kept: np.ndarray, folded: Folded | None, solver: str
) -> tuple[TwoLayer, np.ndarray, dict[str, float]]:
    """The solver's network, which misses the labels by its tolerance, moved to meet them; where that does not do, one
    for what is missing is added, and so on."""
    rays = kept if folded is None else kept[folded.samples]
    lengths = row_lengths(x[rays])
    units, heights = x[rays] / lengths[:, None], y[rays] / lengths
    size = _size(heights)
    heights = heights / size

    def missing(neurons: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        return heights - np.maximum(units @ neurons[0].T, 0) @ neurons[1]

    def meets(neurons: tuple[np.ndarray, np.ndarray]) -> bool:
        return bool(np.abs(missing(neurons)).max() <= 30 * _EPS * np.linalg.norm(neurons[0], axis=1).sum())

    lift = lifted(units, heights, solver=solver)
    dual = np.zeros(len(x), dtype=EXTENDED)
    dual[rays] = lift.multipliers / lengths
    neurons, solves = (lift.vectors, lift.signs), 1
    shares = np.linalg.norm(lift.vectors, axis=1) / np.linalg.norm(lift.vectors, axis=1).sum()
    large = [shares > share for share in (*_SMALL, 0)]  # the solver's tolerance leaves some that are none
    trials = [moved_to(units, heights, lift.vectors[chosen], lift.signs[chosen]) for chosen in large]
    if met := [trial for trial in trials if meets(trial)]:
        least = min(met, key=lambda neurons: np.linalg.norm(neurons[0], axis=1).sum())
        return _restored(balanced(*least), size), dual, {"solves": solves}
    while solves < _REFINEMENTS and not meets(neurons):
        rest = missing(neurons)
        lift = lifted(units, rest, solver=solver)
        solves += 1
        both = np.concatenate([neurons[0], lift.vectors]), np.concatenate([neurons[1], lift.signs])
        cost = float(np.linalg.norm(neurons[0], axis=1).sum())
        if np.abs(missing(both)).max() > 0.5 * np.abs(rest).max() or lift.value > 0.01 * cost:
            break
        neurons = pruned(units, *both, 5 * _EPS)
    return _restored(balanced(*neurons), size), dual, {"solves": solves}


def certified(
    x: np.ndarray,
    y: np.ndarray,
    network: TwoLayer,
    dual: np.ndarray,
    stats: dict[str, float],
    *,
    tolerance: float,
    started: float,
    rigorous: bool,
    method: str,
) -> MinNormSolution:
    """The solution made of a network and multipliers `(N,)`, from these alone; `NotCertified` if it is not one.

    The multipliers are scaled to `|p| <= 1` and rounded to doubles, unless that would cost a tenth of the tolerance, as
    it does where samples are so close that multipliers in billions cancel. Where the bound's own rounding is a tenth of
    the tolerance, it is taken from rational arithmetic.

    >>> options = {"tolerance": 1e-8, "started": time.perf_counter(), "rigorous": False, "method": "guess"}
    >>> x, y, network = np.eye(2)[:1], np.ones(1), TwoLayer([[1.0, 0.0]], [1.0])
    >>> certified(x, y, network, np.ones(1), {}, **options).lower_bound
    2.0
    """
    cost = float(np.sum(np.abs(network.output) * network.lengths))
    squared_norm = float(np.sum(network.output**2) + np.sum(network.hidden**2))
    dual, bound = _scaled(x, y, dual)
    rounded, rounded_bound = _scaled(x, y, dual.astype(float))
    if bound - rounded_bound <= 0.1 * tolerance * bound:
        dual, bound = rounded.astype(float), rounded_bound
    rounding = float(np.sum(np.abs(dual) * row_lengths(x)) + 2 * np.sum(np.abs(dual * y)) / (bound or 1.0)) * _ROUNDING
    rigorous = rigorous or (x.shape[1] == 2 and rounding > 0.1 * tolerance)
    bound = exact_lower_bound(x, y, dual) if rigorous else (1 - rounding) * bound
    gap = (squared_norm - bound) / bound if bound > 0 else np.inf
    if not abs(gap) <= tolerance:
        raise NotCertified(
            f"{method} left a gap of {gap:.2g}, beyond the tolerance {tolerance:g}: pass another method or solver, or "
            "a larger tolerance"
        )
    misfit = np.abs(accurate_values(network, x) - y).astype(float)
    lengths = row_lengths(x)
    on_units, heights = (np.divide(v, lengths, out=np.zeros(len(x)), where=lengths > 0) for v in (misfit, np.abs(y)))
    missed = max(float(misfit.max() / np.abs(y).max()), float(on_units.max() / heights.max()))
    if missed > tolerance or on_units.max() > 100 * _EPS * cost:
        raise NotCertified(
            f"{method} misses the labels by {missed:.2g} of the largest, beyond the tolerance {tolerance:g} or what "
            f"rounding makes of sum |c_k| = {cost:.2g}: pass another method, or a larger tolerance"
        )
    return MinNormSolution(
        network=network,
        squared_norm=squared_norm,
        dual=dual,
        lower_bound=bound,
        gap=gap,
        residual=float(misfit.max()),
        stats=stats,
        status=SolutionStatus.BOUND_EXACT if rigorous else SolutionStatus.CERTIFIED,
        seconds=time.perf_counter() - started,
    )


def _scaled(x: np.ndarray, y: np.ndarray, dual: np.ndarray) -> tuple[np.ndarray, float]:
    """Multipliers divided by the largest `|p|`, and the bound they give."""
    dual = dual / (peak_size(x, dual) or 1.0)
    return dual, 2 * float(np.sum(y.astype(EXTENDED) * dual))
