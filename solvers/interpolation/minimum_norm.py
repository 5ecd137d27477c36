"""Minimum-norm interpolation by two-layer ReLU networks, with a certificate (min_norm paper, Sections 3 to 5).

Among networks `f(x) = sum_j a_j relu(b_j . x)` with `f(x_i) = y_i`, find the least `sum_j a_j^2 + |b_j|^2`. Balanced
neurons have `|a_j| = |b_j|`, so this is twice the least `sum |c_k|` of signed masses c_k on directions. Its dual is the
largest `y . lambda` with `|p| <= 1` in every direction, `p(u) = sum_i lambda_i relu(u . x_i)`.

`min_norm` checks data and answers; the methods are `node_values` (the plane, near-linear) and `lifting` (any dimension,
cvxpy). The algorithm is explained in `docs/theory/min_norm.md`.
"""

from __future__ import annotations

import time as clock
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignmath.arrays import as_floating, as_number
from alignmath.networks import TwoLayer
from alignmath.plane.arrangements import largest_on_cells
from alignmath.plane.dual import dual_peak
from alignmath.plane.folding import EXTENDED, Folded, fold
from alignmath.plane.kinks import evaluate
from alignmath.plane.rational import exact_lower_bound

from .lifting import lifted
from .neurons import polished
from .node_values import NodeSolution, solve_nodes, worth_keeping
from .solution import MinNormSolution, NotCertified

__all__ = ["PiecewiseLinear", "certified", "checked_samples", "min_norm", "min_norm_1d"]

_EPS = float(np.finfo(float).eps)
_REFINEMENTS = 5
"""How often the lifting is solved, each time for what is missing."""
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

    x: `(N, d)`, of any lengths; y: `(N,)`. Samples on one ray, opposite or at 0 are allowed.

    method: "exact", for d = 2, a linear program in the node values of the dual function with cuts at its peaks
    (HiGHS), near-linear in N: a hundred thousand samples in seconds. Or "lifting", the convex program in cvxpy, the
    readable reference in any dimension, for some hundred samples in the plane and some twenty in space (see
    `lifting.lifted`); its answers are as good as the solver's, so pass a `tolerance` of 1e-5 or so with it. solver: for
    lifting, any that cvxpy knows.
    tolerance: largest relative gap to accept.
    rigorous: take the lower bound from exact rational arithmetic (d = 2; some 30 microseconds a sample), so that it
    holds without any rounding.

    Whatever a solver says, network and multipliers are checked outside it: the lower bound is `2 y . lambda / max |p|`,
    the maximum being exact over every activation wedge, and `gap` is what the squared norm exceeds it by.

    Raises `ValueError` for bad or infeasible data (a label other than 0 at x = 0; contradictory labels on one ray, for
    f is positively homogeneous; opposite samples whose `f(x) - f(-x)` are not linear in x), and `NotCertified`, an
    `ArithmeticError`, if the gap exceeds `tolerance`, or a residual what rounding makes of it, `100 eps |x_i|
    sum |c_k|`: a network that misses the labels by more may have a much smaller norm. That happens where samples of
    both sides crowd within 1e-4 radians of a line, or within 1e-10 of each other.
    """
    started = clock.perf_counter()
    tolerance = as_number(tolerance, "tolerance", above=True)
    points, labels = checked_samples(x, y)
    dimension = points.shape[1]
    if method not in ("exact", "lifting"):
        raise ValueError(f'method is {method!r}; expected "exact" or "lifting"')
    if dimension != 2 and (method == "exact" or rigorous):
        raise ValueError(
            f'x has dimension {dimension}; method "exact" and rigorous bounds are for the plane: '
            'pass method="lifting" and rigorous=False'
        )
    kept = np.flatnonzero(np.any(points != 0, axis=1))
    folded = _checked_plane(points, labels, kept) if dimension == 2 else None
    if folded is None:
        kept = _checked_space(points, labels, kept)
    if not np.any(labels):
        network = TwoLayer(np.zeros((1, dimension)), np.zeros(1))
        return MinNormSolution(
            network, 0.0, np.zeros(len(points)), 0.0, 0.0, 0.0, "certified", {}, clock.perf_counter() - started
        )

    options = {"tolerance": tolerance, "started": started, "rigorous": rigorous, "method": method}
    if folded is None or method == "lifting":
        return certified(points, labels, *_lifting_answer(points, labels, kept, folded, solver), **options)
    network, dual, stats, rounded = _exact_answer(points, labels, kept, folded, tolerance, True)
    try:
        return certified(points, labels, network, dual, stats, **options)
    except NotCertified:
        if not rounded:
            raise
    # what looks like rounding of the labels is dear where samples are close
    network, dual, stats, _ = _exact_answer(points, labels, kept, folded, tolerance, False)
    return certified(points, labels, network, dual, stats, **options)


def _exact_answer(
    points: np.ndarray, labels: np.ndarray, kept: np.ndarray, folded: Folded, tolerance: float, rounding: bool
) -> tuple[TwoLayer, np.ndarray, dict[str, float], bool]:
    """Network, multipliers and counts by `node_values`, and whether second differences were taken for rounding."""
    lengths = np.hypot(*points[kept].astype(EXTENDED).T)
    heights = labels[kept] / lengths  # f is positively homogeneous
    size = float(np.abs(heights).max())
    heights, units = heights / size, (points[kept] / lengths[:, None]).astype(float)
    dual, single = np.zeros(len(points), dtype=EXTENDED), heights.astype(float)
    chosen = worth_keeping(folded, heights) if rounding else None
    for _ in range(_GROWTHS if chosen is not None else 0):
        assert chosen is not None
        part = fold(points[kept[chosen]])
        found = solve_nodes(part, heights[chosen], tolerance)
        neurons = polished(found.neurons, part, units, single)
        wrong = np.abs(evaluate(neurons.network, units) - single)
        missed = np.flatnonzero(wrong > 90 * _EPS * neurons.cost)
        if not len(missed):  # multipliers 0 elsewhere: a bound for some of the samples is one for all
            dual[kept[chosen]] = found.multipliers / lengths[chosen]
            stats = _counts(found, len(chosen))
            return neurons.scaled(size), dual, stats, True
        worst = missed[np.argsort(-wrong[missed])[:200]]
        chosen = np.union1d(chosen, worst)
    found = solve_nodes(folded, heights, tolerance, rounding=rounding)
    network = polished(found.neurons, folded, units, single).scaled(size)
    dual[kept] = found.multipliers / lengths
    stats = _counts(found, len(kept))
    return network, dual, stats, found.rounding


def _counts(found: NodeSolution, samples: int) -> dict[str, float]:
    return {"rounds": found.rounds, "iterations": found.iterations, "samples": samples}


def _lifting_answer(
    points: np.ndarray, labels: np.ndarray, kept: np.ndarray, folded: Folded | None, solver: str
) -> tuple[TwoLayer, np.ndarray, dict[str, float]]:
    """The solver's network, which misses the labels by its tolerance; then one for what is missing, and so on."""
    rays = kept if folded is None else kept[folded.samples]
    lengths = np.linalg.norm(points[rays], axis=1)
    found = lifted(points[rays], labels[rays], solver=solver)
    dual = np.zeros(len(points), dtype=EXTENDED)
    dual[rays] = found.multipliers
    network, solves = _balanced(found.vectors, found.signs), 1
    while solves < _REFINEMENTS:
        rest = labels[rays] - network(points[rays])
        size = network.lengths * np.abs(network.output)
        if np.all(np.abs(rest) <= 30 * _EPS * size.sum() * lengths):
            break
        found = lifted(points[rays], rest, solver=solver)
        vectors = np.concatenate([np.abs(network.output)[:, None] * network.hidden, found.vectors])
        longer = _balanced(vectors, np.concatenate([np.sign(network.output), found.signs]))
        solves += 1
        left = labels[rays] - longer(points[rays])
        if np.abs(left / lengths).max() > 0.5 * np.abs(rest / lengths).max() or found.value > 0.01 * size.sum():
            break
        network = longer
    return network, dual, {"solves": solves}


def _balanced(vectors: np.ndarray, signs: np.ndarray) -> TwoLayer:
    if not len(vectors):
        return TwoLayer(np.zeros((1, vectors.shape[1])), np.zeros(1))
    root = np.sqrt(np.linalg.norm(vectors, axis=1))
    return TwoLayer(vectors / root[:, None], signs * root)


def certified(
    points: np.ndarray,
    labels: np.ndarray,
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
    it does where samples are so close that multipliers in billions cancel.
    """
    cost = float(np.sum(np.abs(network.output) * network.lengths))
    squared_norm = float(np.sum(network.output**2) + np.sum(network.hidden**2))
    dual, bound = _scaled(points, labels, dual)
    rounded, rounded_bound = _scaled(points, labels, dual.astype(float))
    if bound - rounded_bound <= 0.1 * tolerance * bound:
        dual, bound = rounded.astype(float), rounded_bound
    if rigorous:
        bound = exact_lower_bound(points, labels, dual)
    plane = points.shape[1] == 2
    misfit = np.abs((evaluate(network, points) if plane else network(points)) - labels)
    residual, lengths = float(misfit.max()), np.linalg.norm(points, axis=1)
    gap = (squared_norm - bound) / bound if bound > 0 else np.inf
    if not (abs(gap) <= tolerance and np.all(misfit <= 100 * _EPS * cost * lengths)):
        raise NotCertified(
            f"{method} left a gap of {gap:.2g} and a residual of {residual:.2g}, beyond the tolerance {tolerance:g}: "
            "pass another method or solver, or a larger tolerance"
        )
    status = "certified, bound exact" if rigorous else "certified"
    return MinNormSolution(
        network, squared_norm, dual, bound, gap, residual, status, stats, clock.perf_counter() - started
    )


def _scaled(points: np.ndarray, labels: np.ndarray, dual: np.ndarray) -> tuple[np.ndarray, float]:
    """Multipliers divided by the largest `|p|`, and the bound they give."""
    peak = dual_peak(points, dual).value if points.shape[1] == 2 else largest_on_cells(points, dual.astype(float))
    dual = dual / (peak or 1.0)
    return dual, 2 * float(np.sum(labels.astype(EXTENDED) * dual))


def checked_samples(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """`x (N, d)` and `y (N,)` as float64 arrays; `ValueError` for other shapes, and for a label other than 0 at 0."""
    points = np.asarray(as_floating(x, "x", least_ndim=2), dtype=float)
    labels = np.asarray(as_floating(y, "y", least_ndim=1), dtype=float)
    if points.ndim != 2:
        raise ValueError(f"x has shape {points.shape}; expected (N, d), one input a row")
    if labels.shape != (len(points),):
        raise ValueError(f"y has shape {labels.shape}; expected ({len(points)},), one label for each row of x")
    for name, sizes in (("x", np.abs(points).max(axis=1)), ("y", np.abs(labels))):
        odd = np.flatnonzero((sizes != 0) & ((sizes < 1e-150) | (sizes > 1e150)))
        if len(odd):
            raise ValueError(f"{name}[{odd[0]}] has size {sizes[odd[0]]:.3g}, outside 1e-150 to 1e150; rescale {name}")
    at_zero = np.flatnonzero(~np.any(points != 0, axis=1) & (labels != 0))
    if len(at_zero):
        raise ValueError(
            f"y[{at_zero[0]}] is {labels[at_zero[0]]} at x = 0, where every such network is 0; add a bias input"
        )
    return points, labels


def _checked_plane(points: np.ndarray, labels: np.ndarray, kept: np.ndarray) -> Folded | None:
    """The folded samples, once labels of one ray and of opposite samples are known to agree; None without any."""
    if not len(kept):
        return None
    folded = fold(points[kept])
    lengths = np.hypot(points[kept, 0], points[kept, 1])
    heights = labels[kept] / lengths
    first = np.where(folded.side > 0, folded.plus[folded.group], folded.minus[folded.group])
    _same_ray(heights, first, kept)
    both = np.flatnonzero(folded.antipodal)
    lines = folded.nodes[both].astype(float)
    odd = (heights[folded.plus[both]] - heights[folded.minus[both]]) / 2
    _linear(lines, odd, np.abs(heights).max(), kept[folded.plus[both]], kept[folded.minus[both]])
    return folded


def _checked_space(points: np.ndarray, labels: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """One sample of each ray, in any dimension, the same checks made; quadratic in N."""
    if not len(kept):
        return kept
    lengths = np.linalg.norm(points[kept], axis=1)
    units, heights = points[kept] / lengths[:, None], labels[kept] / lengths
    apart = np.linalg.norm(units[:, None] - units, axis=2)
    first = np.argmax(apart <= 8 * _EPS, axis=1)
    _same_ray(heights, first, kept)
    plus, minus = np.nonzero(np.triu(np.linalg.norm(units[:, None] + units, axis=2) <= 8 * _EPS))
    _linear(units[plus], (heights[plus] - heights[minus]) / 2, np.abs(heights).max(), kept[plus], kept[minus])
    return kept[first == np.arange(len(first))]


def _same_ray(heights: np.ndarray, first: np.ndarray, kept: np.ndarray) -> None:
    differs = np.flatnonzero(np.abs(heights - heights[first]) > 64 * _EPS * np.abs(heights).max())
    if len(differs):
        i, j = sorted((int(kept[differs[0]]), int(kept[first[differs[0]]])))
        a, b = heights[first[differs[0]]], heights[differs[0]]
        raise ValueError(
            f"samples {i} and {j} lie on one ray (to 2e-15 radians), where f is linear, but their labels over their "
            f"lengths are {a:.6g} and {b:.6g}; no such network interpolates them. In one variable, centre and scale it"
        )


def _linear(lines: np.ndarray, odd: np.ndarray, size: float, plus: np.ndarray, minus: np.ndarray) -> None:
    """`f(x) - f(-x)` is linear in x for every such network: so must be half the differences `odd` on the `lines`."""
    if not len(lines):
        return
    v = np.linalg.lstsq(lines, odd, rcond=None)[0]
    wrong = np.abs(lines @ v - odd)
    if wrong.max() > 256 * _EPS * size:
        worst = int(np.argmax(wrong))
        raise ValueError(
            f"samples {plus[worst]} and {minus[worst]} are opposite, and f(x) - f(-x) is linear in x for every such "
            "network, which the labels of the opposite samples are not; no such network interpolates them"
        )


@dataclass(frozen=True)
class PiecewiseLinear:
    """The function of one variable found by `min_norm_1d`.

    knots: `(K,)`, ascending, where the slope changes. slopes: `(K + 1,)`, between and outside them. intercept: the
    value at t = 0. solution: the network in the plane and its certificate.
    """

    knots: np.ndarray
    slopes: np.ndarray
    intercept: float
    solution: MinNormSolution

    def __call__(self, t: Any) -> np.ndarray:
        """Values at `t`, any shape."""
        t = np.asarray(as_floating(t, "t"))
        plane = np.stack([t.ravel(), np.ones(t.size)], axis=1)
        return evaluate(self.solution.network, plane).reshape(t.shape)


def min_norm_1d(t: Any, y: Any, *, tolerance: float = 1e-8) -> PiecewiseLinear:
    """Minimum-norm regression of one variable with a bias, `f(t) = sum_j a_j relu(w_j t + b_j)`, `f(t_i) = y_i`.

    t, y: `(N,)`. The norm is `sum a_j^2 + w_j^2 + b_j^2`, biases included: `min_norm` at the points `(t_i, 1)`, with
    its errors. A neuron with `w_j = 0` is a constant and has no knot.
    """
    t = np.asarray(as_floating(t, "t", least_ndim=1), dtype=float)
    if t.ndim != 1:
        raise ValueError(f"t has shape {t.shape}; expected (N,), one number for each sample")
    solution = min_norm(np.stack([t, np.ones(len(t))], axis=1), y, tolerance=tolerance)
    slope, bias = solution.network.hidden[:, 0], solution.network.hidden[:, 1]
    output = solution.network.output
    bent = np.abs(slope) > 1e-12 * np.maximum(np.abs(bias), 1e-300)
    places = -bias[bent] / slope[bent]
    order = np.argsort(places, kind="stable")
    places, jumps = places[order], (output * np.abs(slope))[bent][order]
    knots, index = np.unique(places, return_inverse=True)
    left = float(np.sum((output * slope)[slope < 0]))
    slopes = left + np.concatenate([[0.0], np.cumsum(np.bincount(index.ravel(), jumps, len(knots)))])
    return PiecewiseLinear(knots, slopes, float(np.sum(output * np.maximum(bias, 0))), solution)
