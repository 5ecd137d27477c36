"""Regularised training of two-layer ReLU networks to its global optimum: weight decay instead of interpolation.

The least `1/(2n) sum_i (f(x_i) - y_i)^2 + (beta/2) sum_j (a_j^2 + |b_j|^2)` over networks of any width; with balanced
neurons the second term is `beta sum |c_k|`. With `lambda = (y - f)/(n beta)` a network is optimal if and only if
`|p| <= 1` in every direction and p is the sign of c_k in those of its neurons; and any lambda with `|p| <= 1` proves
the lower bound `beta (y . lambda - n beta |lambda|^2 / 2)`. As beta falls to 0 the optimum becomes the minimum-norm
interpolant (min_norm paper, Section 6).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alignmath.arrays import Array, as_number
from alignmath.networks import TwoLayer
from alignmath.plane.dual import arc_peaks

from ..runs import Run, as_tolerance
from .exchange import nonnegative, slid, values
from .lifting import lifted
from .samples import checked_samples, peak_size, row_lengths
from .solution import NotCertified, SolutionStatus, balanced

__all__ = ["PenalizedSolution", "largest_penalty", "penalized", "penalty_path"]

Neurons = tuple[np.ndarray, np.ndarray]
"""Vectors `(K, d)`, `c_k u_k` up to sign, and signs `(K,)`."""
_ROUNDS = 100
_STALLED = 15
"""Rounds without a smaller gap or objective after which rounding decides."""
_POWERS = 400
"""Powers of 2 that the penalty may be away from x and y."""
_AT_ZERO = 1e-100
"""Length beside the largest below which a sample is as good as at 0 for the lifting."""
_SMALL = 1e-6
"""Share of the largest penalty from which on the minimum norm is pointed to."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PenalizedSolution(Run):
    """An optimal network of the regularised problem and its certificate; see `penalized`.

    - network: `TwoLayer`, balanced, `|output_j| = |hidden_j|`
    - objective, squared_norm: floats, of the network
    - mean_square: float, `1/n sum (f(x_i) - y_i)^2`
    - dual: `(N,)`, the certificate: multipliers with `|p| <= 1` in every direction
    - lower_bound: float, of the objective, from the dual
    - gap: float, what the objective exceeds it by, relative to it
    - penalty: float, beta
    - rounds: int, of added directions
    - status: `SolutionStatus`
    - seconds: float, wall time

    >>> solution = penalized([[1.0, 0.0]], [2.0], 0.5)
    >>> round(solution.objective, 9), solution.dual.round(9), solution.status.name
    (0.875, array([1.]), 'CERTIFIED')
    """

    network: TwoLayer
    objective: float
    squared_norm: float
    mean_square: float
    dual: Array
    lower_bound: float
    gap: float
    penalty: float
    rounds: int


def largest_penalty(x: Any, y: Any) -> float:
    """The least beta from which on the zero network is optimal: `max |sum_i y_i relu(u . x_i)| / n` over directions u.

    x: `(N, d)`; y: `(N,)`. Errors as for `penalized`.

    >>> largest_penalty([[1.0, 0.0], [0.0, 1.0]], [1.0, -1.0])
    0.5
    """
    x, y = checked_samples(x, y)
    return peak_size(x, y) / len(x)


def penalized(
    x: Any, y: Any, penalty: float, *, method: str = "exact", tolerance: float = 1e-8, solver: str = "CLARABEL"
) -> PenalizedSolution:
    """The global optimum of `1/(2n) |f - y|^2 + (penalty/2) sum (a_j^2 + |b_j|^2)`, with its dual certificate.

    x: `(N, d)`; y: `(N,)`; penalty: beta > 0.
    method: "exact", for d = 2 and up to a few hundred samples, least squares with signs on finitely many directions, to
    which the peaks of the dual function are added, and Newton's method for neurons that slide within their wedges; or
    "lifting", the convex program in cvxpy (`lifting.lifted`) with the given `solver`, any d.
    tolerance: largest relative gap to accept.

    Raises `ValueError` for bad data (a label other than 0 at x = 0 is refused as in `min_norm`), and `NotCertified` if
    the gap exceeds the tolerance, as it does where the penalty is so small that rounding decides: there `min_norm`, the
    limit, is the one to ask. The lifting needs cvxpy: `ImportError` that names the extra `convex`.

    >>> solution = penalized([[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0], 0.1)
    >>> round(solution.squared_norm, 6), round(solution.mean_square, 6)  # without the penalty 2.828427 and 0
    (2.428427, 0.02)
    """
    x, y = checked_samples(x, y)
    beta, tolerance = as_number(penalty, "penalty", above=True), as_tolerance(tolerance, "tolerance")
    if method not in ("exact", "lifting"):
        raise ValueError(f'method is {method!r}; expected "exact" or "lifting"')
    if method == "exact" and x.shape[1] != 2:
        raise ValueError(f'x has dimension {x.shape[1]}; method "exact" is for the plane: pass method="lifting"')
    problem = _Scaled(x, y)
    if method == "exact":
        return problem.restored(_exchange(*problem.at(beta), tolerance, _none(2)), beta)
    return problem.restored(_lifting(*problem.at(beta), tolerance, solver), beta)


def penalty_path(x: Any, y: Any, penalties: Iterable[float], *, tolerance: float = 1e-8) -> list[PenalizedSolution]:
    """`penalized` for each of the `penalties`, d = 2, in their order.

    They are solved from the largest to the smallest, whatever their order, each starting from the one before.

    >>> path = penalty_path([[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0], [0.01, 0.1])
    >>> [round(solution.squared_norm, 6) for solution in path]
    [2.788427, 2.428427]
    """
    x, y = checked_samples(x, y)
    if x.shape[1] != 2:
        raise ValueError(f"x has dimension {x.shape[1]}; the path is computed in the plane only")
    tolerance = as_tolerance(tolerance, "tolerance")
    betas = [as_number(penalty, f"penalties[{k}]", above=True) for k, penalty in enumerate(penalties)]
    problem, neurons = _Scaled(x, y), _none(2)
    path: dict[float, PenalizedSolution] = {}
    for beta in sorted(set(betas), reverse=True):
        solution = _exchange(*problem.at(beta), tolerance, neurons)
        hidden, output = solution.network.hidden, solution.network.output
        live = output != 0
        neurons = (np.abs(output)[:, None] * hidden)[live], np.sign(output)[live]
        path[beta] = problem.restored(solution, beta)
    return [path[beta] for beta in betas]


def _none(dimension: int) -> Neurons:
    return np.zeros((0, dimension)), np.zeros(0)


class _Scaled:
    """The problem in units in which the largest entries of x and y are about 1: powers of 2, so that nothing rounds."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x_power, self.y_power = (math.frexp(float(np.abs(values).max()))[1] for values in (x, y))
        self.y_power += (self.y_power - self.x_power) % 2  # weights take the root
        self.x, self.y = np.ldexp(x, -self.x_power), np.ldexp(y, -self.y_power)

    def at(self, beta: float) -> tuple[np.ndarray, np.ndarray, float]:
        """x, y and the penalty in these units."""
        fraction, power = math.frexp(beta)
        power -= self.x_power + self.y_power
        if not abs(power) <= _POWERS:
            cure = "min_norm(x, y) is the limit" if power < 0 else "the network 0 is optimal"
            raise ValueError(f"penalty is {beta:g}, of another scale than x and y, where {cure}")
        return self.x, self.y, math.ldexp(fraction, power)

    def restored(self, solution: PenalizedSolution, beta: float) -> PenalizedSolution:
        """The solution in the units of the user; `ValueError` where they do not hold it."""
        half = (self.y_power - self.x_power) // 2
        if 2 * half + math.frexp(solution.squared_norm)[1] > 1023:
            raise ValueError("y over x is so large that the squared norm is beyond 1e308; rescale x or y")
        hidden, output = solution.network.hidden, solution.network.output
        return replace(
            solution,
            network=TwoLayer(np.ldexp(hidden, half), np.ldexp(output, half)),
            objective=math.ldexp(solution.objective, 2 * self.y_power),
            squared_norm=math.ldexp(solution.squared_norm, 2 * half),
            mean_square=math.ldexp(solution.mean_square, 2 * self.y_power),
            dual=np.ldexp(solution.dual, -self.x_power),
            lower_bound=math.ldexp(solution.lower_bound, 2 * self.y_power),
            penalty=beta,
        )


def _lifting(x: np.ndarray, y: np.ndarray, beta: float, tolerance: float, solver: str) -> PenalizedSolution:
    started = time.perf_counter()
    kept = row_lengths(x) > _AT_ZERO
    if not np.any(y):
        return _certified(x, y, beta, _none(x.shape[1]), None, 0, started, tolerance)
    scaled = beta * len(x) / np.count_nonzero(kept)  # others count in n and do nothing else
    lift = lifted(x[kept], y[kept], penalty=scaled, solver=solver)
    dual = y / (len(x) * beta)
    dual[kept] = lift.multipliers
    return _certified(x, y, beta, (lift.vectors, lift.signs), dual, 0, started, tolerance)


def _exchange(x: np.ndarray, y: np.ndarray, beta: float, tolerance: float, neurons: Neurons) -> PenalizedSolution:
    """Directions where the dual function peaks are added, masses found, and the neurons slid in their wedges."""
    started, shift = time.perf_counter(), len(x) * beta
    best: PenalizedSolution | None = None
    least, stalled = math.inf, 0
    dual = ((y - values(x, *neurons)) / shift).astype(float)
    for round_ in range(_ROUNDS):
        solution = _certified(x, y, beta, neurons, dual, round_, started, np.inf)
        falls = best is None or solution.gap < 0.9 * best.gap or solution.objective < (1 - 1e-13) * least
        stalled, least = 0 if falls else stalled + 1, min(least, solution.objective)
        if best is None or solution.gap < best.gap:
            best = solution
        if best.gap <= tolerance:
            return best
        if stalled == _STALLED:
            break
        heights, angles = _local_peaks(x, dual)
        over = np.abs(heights) > 1 + max(1e-13, 1e-3 * (np.abs(heights).max() - 1))
        if not over.any():
            break
        size = np.linalg.norm(neurons[0], axis=1)
        fresh = np.stack([np.cos(angles[over]), np.sin(angles[over])], axis=1)
        units = np.concatenate([neurons[0] / size[:, None], fresh])
        signs = np.concatenate([neurons[1], np.sign(heights[over])])
        columns, start = np.maximum(x @ units.T, 0) * signs, np.append(size, np.zeros(len(fresh)))
        mass = nonnegative(columns, y, shift, start, 0.01 * tolerance)
        live = mass > 0
        vectors, signs, dual = slid(x, y, shift, (mass[:, None] * units)[live], signs[live])
        neurons = vectors, signs
    assert best is not None
    share = beta * len(x) / peak_size(x, y)
    limit = f"; at {share:.1g} of largest_penalty(x, y) the optimum is almost min_norm(x, y)" if share < _SMALL else ""
    raise NotCertified(
        f"exact left a gap of {best.gap:.2g}, beyond the tolerance {tolerance:g}: pass a larger tolerance or penalty, "
        f'or method="lifting"{limit}'
    )


def _local_peaks(x: np.ndarray, multipliers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the peaks of the arcs, those that no neighbouring arc's exceeds."""
    heights, angles = arc_peaks(x, multipliers)
    size = np.abs(heights)
    local = (size >= np.roll(size, 1)) & (size > np.roll(size, -1))
    return heights[local], angles[local]


def _certified(
    x: np.ndarray,
    y: np.ndarray,
    beta: float,
    neurons: Neurons,
    dual: np.ndarray | None,
    rounds: int,
    started: float,
    tolerance: float,
) -> PenalizedSolution:
    """The solution made of vectors `c_k u_k` up to sign; its dual is `(y - f)/(n beta)` unless given, scaled so that
    `|p| <= 1` and that its bound is the largest."""
    n = len(x)
    vectors, signs = neurons
    misfit = (y - values(x, vectors, signs)).astype(float)
    size = np.linalg.norm(vectors, axis=1)
    mean_square = float(misfit @ misfit) / n
    objective = mean_square / 2 + beta * float(size.sum())
    dual = misfit / (n * beta) if dual is None else dual
    square = float(dual @ dual)
    most = float(y @ dual) / (n * beta * square) if square > 0 else 0.0
    dual = max(0.0, min(most, 1 / (peak_size(x, dual) or 1.0))) * dual
    bound = beta * float(y @ dual - n * beta / 2 * (dual @ dual))
    gap = (objective - bound) / bound if bound > 0 else (np.inf if np.any(y) else 0.0)
    if gap > tolerance:
        raise NotCertified(
            f"lifting left a gap of {gap:.2g}, beyond the tolerance {tolerance:g}: pass another method or solver, or a "
            "larger tolerance"
        )
    return PenalizedSolution(
        network=balanced(vectors, signs),
        objective=objective,
        squared_norm=2 * float(size.sum()),
        mean_square=mean_square,
        dual=dual,
        lower_bound=bound,
        gap=gap,
        penalty=beta,
        rounds=rounds,
        status=SolutionStatus.CERTIFIED,
        seconds=time.perf_counter() - started,
    )
