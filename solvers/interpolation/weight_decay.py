"""Regularised training of two-layer ReLU networks to its global optimum: weight decay instead of interpolation.

The least `1/(2n) sum_i (f(x_i) - y_i)^2 + (beta/2) sum_j (a_j^2 + |b_j|^2)` over networks of any width; with balanced
neurons the second term is `beta sum |c_k|`. With `lambda = (y - f)/(n beta)` a network is optimal if and only if
`|p| <= 1` in every direction and p is the sign of c_k in those of its neurons; and any lambda with `|p| <= 1` proves
the lower bound `beta (y . lambda - n beta |lambda|^2 / 2)`. As beta falls to 0 the optimum becomes the minimum-norm
interpolant (min_norm paper, Section 6).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignmath.arrays import Array, as_number
from alignmath.networks import TwoLayer
from alignmath.plane.dual import arc_peaks

from ..runs import Run, as_tolerance
from .lifting import lifted
from .samples import checked_samples, peak_size
from .solution import NotCertified, SolutionStatus, balanced

__all__ = ["PenalizedSolution", "largest_penalty", "penalized", "penalty_path"]

_ROUNDS = 100
_EPS = float(np.finfo(float).eps)


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

    x: `(N, d)`; y: `(N,)`; penalty: beta > 0. method: "exact", for d = 2 and up to a few hundred samples, least squares
    with signs on finitely many directions, to which the peaks of the dual function are added, neurons of one wedge
    being merged; or "lifting", the convex program in cvxpy (`lifting.lifted`) with the given `solver`, any d.
    tolerance: largest relative gap to accept.

    Raises `ValueError` for bad data (a label other than 0 at x = 0 is refused as in `min_norm`), and `NotCertified` if
    the gap exceeds the tolerance. The lifting needs cvxpy: `ImportError` that names the extra `convex`.

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
    if method == "exact":
        return _exchange(x, y, beta, tolerance, np.zeros((0, 2)), np.zeros(0))
    started = time.perf_counter()
    kept = np.any(x != 0, axis=1)
    if not np.any(y):
        return _certified(x, y, beta, np.zeros((0, x.shape[1])), np.zeros(0), None, 0, started, tolerance)
    scaled = beta * len(x) / np.count_nonzero(kept)  # samples at 0 count in n and do nothing else
    lift = lifted(x[kept], y[kept], penalty=scaled, solver=solver)
    dual = np.zeros(len(x))
    dual[kept] = lift.multipliers
    return _certified(x, y, beta, lift.vectors, lift.signs, dual, 0, started, tolerance)


def penalty_path(x: Any, y: Any, penalties: Iterable[float], *, tolerance: float = 1e-8) -> list[PenalizedSolution]:
    """`penalized` for each of the `penalties`, d = 2, each starting from the one before: give them descending.

    >>> path = penalty_path([[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0], [0.1, 0.01])
    >>> [round(solution.squared_norm, 6) for solution in path]
    [2.428427, 2.788427]
    """
    x, y = checked_samples(x, y)
    if x.shape[1] != 2:
        raise ValueError(f"x has dimension {x.shape[1]}; the path is computed in the plane only")
    tolerance = as_tolerance(tolerance, "tolerance")
    vectors, signs, path = np.zeros((0, 2)), np.zeros(0), []
    for penalty in penalties:
        solution = _exchange(x, y, as_number(penalty, "penalties", above=True), tolerance, vectors, signs)
        hidden, output = solution.network.hidden, solution.network.output
        live = output != 0
        vectors, signs = (np.abs(output)[:, None] * hidden)[live], np.sign(output)[live]
        path.append(solution)
    return path


def _exchange(
    x: np.ndarray, y: np.ndarray, beta: float, tolerance: float, vectors: np.ndarray, signs: np.ndarray
) -> PenalizedSolution:
    started = time.perf_counter()
    best: PenalizedSolution | None = None
    for round_ in range(_ROUNDS):
        solution = _certified(x, y, beta, vectors, signs, None, round_, started, np.inf)
        if best is None or solution.gap < best.gap:
            best = solution
        if best.gap <= 0.1 * tolerance:
            break
        rest = (y - _values(x, vectors, signs)) / (len(x) * beta)
        heights, angles = arc_peaks(x, rest)
        over = np.abs(heights) > 1 + max(1e-13, 1e-3 * (np.abs(heights).max() - 1))
        if not over.any():
            break
        units = vectors / np.linalg.norm(vectors, axis=1)[:, None]
        fresh = np.stack([np.cos(angles[over]), np.sin(angles[over])], axis=1)
        units = np.concatenate([units, fresh])
        every = np.concatenate([signs, np.sign(heights[over])])
        columns = np.maximum(x @ units.T, 0) * every
        start = np.append(np.linalg.norm(vectors, axis=1), np.zeros(len(fresh)))
        mass = _nonnegative(columns, y, len(x) * beta, start)
        live = mass > 0
        vectors, signs = _merged(x, (mass[:, None] * units)[live], every[live])
    assert best is not None
    if best.gap > tolerance:
        raise NotCertified(
            f'exact left a gap of {best.gap:.2g}, beyond the tolerance {tolerance:g}: pass method="lifting", or a '
            "larger tolerance or penalty"
        )
    return best


def _values(x: np.ndarray, vectors: np.ndarray, signs: np.ndarray) -> np.ndarray:
    return np.maximum(x @ vectors.T, 0) @ signs


def _certified(
    x: np.ndarray,
    y: np.ndarray,
    beta: float,
    vectors: np.ndarray,
    signs: np.ndarray,
    dual: np.ndarray | None,
    rounds: int,
    started: float,
    tolerance: float,
) -> PenalizedSolution:
    """The solution made of vectors `c_k u_k` up to sign; its dual is `(y - f)/(n beta)` unless given, scaled so that
    `|p| <= 1` and that its bound is the largest."""
    n = len(x)
    misfit = y - _values(x, vectors, signs)
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


def _nonnegative(columns: np.ndarray, target: np.ndarray, shift: float, start: np.ndarray) -> np.ndarray:
    """m >= 0 of least `|columns m - target|^2 / 2 + shift sum m`, by active sets from `start` (Lawson and Hanson)."""
    from scipy.linalg import qr, solve_triangular

    mass, passive = start.copy(), start > 0
    size, banned = np.linalg.norm(columns, axis=0), np.zeros(len(mass), dtype=bool)
    for _ in range(20 * len(mass) + 100):
        while passive.any():
            chosen = np.flatnonzero(passive)
            q, r = qr(columns[:, chosen], mode="economic")
            diagonal = np.abs(np.diag(r))
            if len(chosen) > len(target) or diagonal.min() <= 1e-12 * diagonal.max():
                along = np.linalg.svd(columns[:, chosen])[2][-1]  # dependent: less mass for the same values
                along = along if along.sum() < 0 else -along
                steps = np.where(along < 0, mass[chosen] / np.maximum(-along, 1e-300), np.inf)
                mass[chosen] = np.maximum(mass[chosen] + steps.min() * along, 0)
                gone = chosen[np.argmin(steps)]
                passive[gone], mass[gone], banned[gone] = False, 0.0, True  # or it would come back for ever
                continue
            inverse = solve_triangular(r, np.full(len(chosen), shift), trans=1)
            aim = solve_triangular(r, q.T @ target - inverse)
            if np.all(aim > 0):
                mass[chosen] = aim
                break
            falling = aim <= 0
            steps = mass[chosen][falling] / np.maximum(mass[chosen][falling] - aim[falling], 1e-300)
            step = float(steps.min())
            mass[chosen] += step * (aim - mass[chosen])
            gone = chosen[falling & (mass[chosen] <= 1e-15 * max(1.0, mass.max()))]
            gone = gone if len(gone) else chosen[falling][np.argmin(steps)][None]
            passive[gone], mass[gone] = False, 0.0
        gain = columns.T @ (target - columns @ mass) - shift
        gain[passive | banned] = -np.inf
        best = int(np.argmax(gain))
        if gain[best] <= 1e-11 * shift + 100 * _EPS * size[best] * np.linalg.norm(target):
            break
        passive[best] = True
    return mass


def _merged(x: np.ndarray, vectors: np.ndarray, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Neighbouring neurons of one sign with the same active samples, those on their kinks left aside, added up."""
    order = np.lexsort((np.arctan2(vectors[:, 1], vectors[:, 0]), signs))
    vectors, signs = vectors[order], signs[order]
    products = x @ vectors.T
    slack = 1e-12 * np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(vectors, axis=1)
    active = np.where(np.abs(products) <= slack, 0, np.sign(products)).astype(int)
    groups: list[list[int]] = []
    for k in range(len(vectors)):
        if groups and signs[k] == signs[groups[-1][0]]:
            side = np.array([np.sign(np.sum(active[:, groups[-1]], axis=1))]).ravel()
            if not np.any(side * active[:, k] < 0):
                groups[-1].append(k)
                continue
        groups.append([k])
    return np.array([vectors[group].sum(axis=0) for group in groups]).reshape(-1, 2), np.array(
        [signs[group[0]] for group in groups]
    )
