"""Minimum-norm interpolation by two-layer ReLU networks in the plane, with a certificate (min_norm paper, Section 4).

Among networks `f(x) = sum_j a_j relu(b_j . x)` with `f(x_i) = y_i`, find the least `sum_j a_j^2 + |b_j|^2`. Balanced
neurons have `|a_j| = |b_j|`, so this is twice the least `sum |c_k|` of signed masses c_k on directions. Its dual is the
largest `y . lambda` with `|p| <= 1` in every direction, p being `alignmath.planar.dual_function`.
"""

from __future__ import annotations

import time as clock
import warnings
from typing import Any

import numpy as np
from scipy.optimize import linprog

from alignmath.arrays import as_floating, as_number
from alignmath.networks import TwoLayerReLU
from alignmath.planar import activation_wedges, arc_peaks, dual_peak

from .solution import MinNormSolution, NotCertified

__all__ = ["min_norm"]

_SAME_RAY = 8 * np.finfo(float).eps
_MERGED = 1e-8
"""Candidate directions closer than this in angle are taken as one."""
_ROUNDS = 60
_STRICT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
_NARROW = 1e-9
"""Wedges narrower than this are left to their neighbours, whose closures hold their directions."""


def min_norm(
    x: Any, y: Any, *, method: str = "exchange", tolerance: float = 1e-8, solver: str = "CLARABEL"
) -> MinNormSolution:
    """The minimum-norm network through the samples, with its dual certificate.

    x: `(N, 2)`; y: `(N,)`. method: "exchange", linear programs on finitely many directions, to which the peaks of the
    dual function that exceed 1 are added until none does (HiGHS); or "lifting", the convex program in cvxpy, the
    readable reference: each wedge of directions with one activation pattern has a pair of vectors, for the two signs
    of the output weight, in its cone (two inequalities), and the norm is the sum of their lengths. solver: for
    lifting, any that cvxpy knows. Both suit about a hundred samples: beyond, their answers may fail the certificate.

    Whatever a solver says, the network and the multipliers are checked outside it: the lower bound is `2 y . lambda /
    max |p|`, the maximum being exact, and `gap` is what the norm exceeds it by, relative to it.

    Raises `ValueError` for bad or infeasible data (a label other than 0 at x = 0, contradictory labels on one ray: f is
    positively homogeneous), and `NotCertified`, an `ArithmeticError`, if the gap exceeds `tolerance` or the residual
    `tolerance` times the largest label.
    """
    started = clock.perf_counter()
    tolerance = as_number(tolerance, "tolerance", above=True)
    if method not in ("exchange", "lifting"):
        raise ValueError(f'method is {method!r}; expected "exchange" or "lifting"')
    points, labels = _checked_samples(x, y)
    kept = _one_a_ray(points, labels)
    scale = float(np.abs(labels).max())
    if scale == 0:
        zero = TwoLayerReLU(np.zeros((1, 2)), np.zeros(1))
        return MinNormSolution(zero, 0.0, np.zeros(len(points)), 0.0, 0.0, 0.0, clock.perf_counter() - started)
    lengths = np.hypot(points[kept, 0], points[kept, 1])
    units, heights = points[kept] / lengths[:, None], labels[kept] / lengths  # f is positively homogeneous
    size = float(np.abs(heights).max())
    if method == "lifting":
        angles, multipliers = _lifted(units, heights / size, solver)
        masses, directions, _ = _fitted(units, heights, angles)
    else:
        masses, directions, multipliers = _exchanged(units, heights / size, tolerance)
        masses = masses * size
    root = np.sqrt(np.abs(masses))
    network = TwoLayerReLU(root[:, None] * directions, np.sign(masses) * root)
    squared_norm = 2 * float(np.abs(masses).sum())
    dual = np.zeros(len(points))
    dual[kept] = multipliers / lengths
    dual /= dual_peak(points, dual).value
    bound = 2 * float(labels @ dual)
    residual = float(np.abs(network(points) - labels).max())
    gap = (squared_norm - bound) / bound if bound > 0 else np.inf
    if gap > tolerance or residual > tolerance * scale:
        raise NotCertified(
            f"{method} left a gap of {gap:.2g} and a residual of {residual:.2g}, beyond the tolerance {tolerance:g}: "
            "pass another method or solver, or a larger tolerance"
        )
    return MinNormSolution(network, squared_norm, dual, bound, gap, residual, clock.perf_counter() - started)


def _checked_samples(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    points = np.asarray(as_floating(x, "x", least_ndim=2), dtype=float)
    labels = np.asarray(as_floating(y, "y", least_ndim=1), dtype=float)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"x has shape {points.shape}; expected (N, 2), inputs of the plane, one a row")
    if labels.shape != (len(points),):
        raise ValueError(f"y has shape {labels.shape}; expected ({len(points)},), one label for each row of x")
    at_zero = np.flatnonzero(~np.any(points != 0, axis=1) & (labels != 0))
    if len(at_zero):
        raise ValueError(
            f"y[{at_zero[0]}] is {labels[at_zero[0]]} at x = 0, where every such network is 0; add a bias input"
        )
    return points, labels


def _one_a_ray(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Indices of one sample for each ray; `ValueError` where samples of one ray contradict each other."""
    index = np.flatnonzero(np.any(points != 0, axis=1))
    index = index[np.argsort(np.arctan2(points[index, 1], points[index, 0]), kind="stable")]
    lengths = np.hypot(points[:, 0], points[:, 1])
    kept: list[int] = []
    for i in index:
        for j in kept[-1:] + kept[:1]:  # the ray before, and the first, across the cut of the angle
            cross = points[i, 0] * points[j, 1] - points[i, 1] * points[j, 0]
            if abs(cross) <= _SAME_RAY * lengths[i] * lengths[j] and points[i] @ points[j] > 0:
                first, second = labels[i] / lengths[i], labels[j] / lengths[j]
                if abs(first - second) > 1e-12 * max(abs(first), abs(second)):
                    raise ValueError(
                        f"samples {min(i, j)} and {max(i, j)} lie on one ray, where f is linear, but their labels over "
                        f"their lengths are {first:.6g} and {second:.6g}; no such network interpolates them"
                    )
                break
        else:
            kept.append(int(i))
    return np.array(kept)


def _lifted(units: np.ndarray, heights: np.ndarray, solver: str) -> tuple[np.ndarray, np.ndarray]:
    """Solve the lifted program: angles of its vectors that are not 0, and multipliers `(N,)`."""
    import cvxpy as cp

    wedges = activation_wedges(units)
    seen = wedges.active.any(axis=1) & (wedges.end - wedges.start > _NARROW)
    start, end, active = wedges.start[seen], wedges.end[seen], wedges.active[seen].astype(float)
    sides = [np.stack([np.cos(edge), np.sin(edge)], axis=1) for edge in (start, end)]
    variables: list[Any] = [cp.Variable((len(start), 2)) for _ in range(2)]
    constraints: list[Any] = []
    for vectors in variables:
        for edge, sign in zip(sides, (1.0, -1.0), strict=True):
            cross = cp.multiply(edge[:, 0], vectors[:, 1]) - cp.multiply(edge[:, 1], vectors[:, 0])
            constraints.append(sign * cross >= 0)
    difference = variables[0] - variables[1]
    values = sum(cp.multiply(units[:, c], active.T @ difference[:, c]) for c in range(2))
    interpolates: Any = values == heights
    norm = sum(cp.sum(cp.norm(vectors, 2, axis=1)) for vectors in variables)
    problem = cp.Problem(cp.Minimize(norm), [interpolates, *constraints])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "may be inaccurate": the certificate decides
            problem.solve(solver=solver)
    except cp.SolverError as error:
        raise NotCertified(f"{solver} failed: {error}. Pass another solver") from None
    if variables[0].value is None or interpolates.dual_value is None:
        raise NotCertified(f"{solver} ended with status {problem.status}; pass another solver")
    multipliers = -np.asarray(interpolates.dual_value)
    if multipliers @ heights < 0:  # solvers differ in the sign of the dual
        multipliers = -multipliers
    vectors = np.concatenate([variable.value for variable in variables])
    size = np.hypot(vectors[:, 0], vectors[:, 1])
    large = size > 1e-7 * size.max()
    return np.arctan2(vectors[large, 1], vectors[large, 0]), multipliers


def _exchanged(units: np.ndarray, heights: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masses, directions and multipliers by exchange: peaks of the dual function above 1 join the directions."""
    angles = np.zeros(0)
    best, proof = -np.inf, np.zeros(len(units))
    masses, directions, multipliers = _fitted(units, heights, angles)
    for _ in range(_ROUNDS):
        values, places = arc_peaks(units, multipliers)
        peak = float(np.abs(values).max())
        if (bound := float(heights @ multipliers) / peak) > best:
            best, proof = bound, multipliers
        if np.abs(masses).sum() - best <= 0.1 * tolerance * best:
            break
        angles = np.concatenate([angles, places[np.abs(values) > 1 + 1e-3 * (peak - 1)]])
        masses, directions, multipliers = _fitted(units, heights, angles)
    return masses, directions, proof


def _fitted(units: np.ndarray, heights: np.ndarray, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signed masses `(K,)` of least sum that interpolate, on the directions at `angles`, the samples' and the
    breakpoints; the directions `(K, 2)` that bear mass, at most N; and the multipliers."""
    own = np.arctan2(units[:, 1], units[:, 0])
    angles = np.sort(np.mod(np.concatenate([angles, own, own + np.pi / 2, own - np.pi / 2]), 2 * np.pi))
    angles = angles[np.append(np.diff(angles), angles[0] + 2 * np.pi - angles[-1]) > _MERGED]
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    features = np.maximum(units @ directions.T, 0)
    columns = np.concatenate([features, -features], axis=1)
    found = linprog(np.ones(columns.shape[1]), A_eq=columns, b_eq=heights, method="highs", options=_STRICT)
    if found.status != 0:
        raise NotCertified(f"HiGHS found no interpolating masses on {len(angles)} directions: {found.message}")
    positive, negative = np.split(found.x, 2)
    used = (positive != 0) | (negative != 0)
    return (positive - negative)[used], directions[used], found.eqlin.marginals
