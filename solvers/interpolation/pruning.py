"""Fewer neurons with the same values at the samples and no larger `sum |v_k|`, in any dimension.

Neurons of one sign in one closed cone of activation patterns add up to one, as f is linear in them there. And N of any
number of directions suffice at N samples (Caratheodory): masses at a vertex of the linear program of least sum with
these values. A cone solver ends in the middle of such a face, with a neuron in each cone around a ray.
"""

from __future__ import annotations

import numpy as np

__all__ = ["moved_to", "pruned"]

_ON_KINK = (1e-7, 1e-10, 1e-14)
"""Sines of the angle between a sample and a kink below which the sample is on it, tried in turn."""


def pruned(units: np.ndarray, vectors: np.ndarray, signs: np.ndarray, accuracy: float) -> tuple[np.ndarray, np.ndarray]:
    """Vectors `(K', d)` and signs `(K',)` of `sum_k signs_k relu(vectors_k . x)` with few neurons, N at most, about.

    units: `(N, d)`, the samples, of length 1. accuracy: what values there may change by, of `sum |v_k|`.

    >>> vectors, signs = pruned(np.eye(2), np.array([[1.0, 1.0], [1.0, 2.0]]), np.ones(2), 1e-12)
    >>> vectors.round(12), signs
    (array([[2., 3.]]), array([1.]))
    """
    values, cost = np.maximum(units @ vectors.T, 0) @ signs, np.linalg.norm(vectors, axis=1).sum()
    best = vectors, signs
    for slack in _ON_KINK:
        few = _vertex(units, values, *_summed(units, vectors, signs, slack))
        few = moved_to(units, values, *_summed(units, *few, slack))
        moved = np.abs(np.maximum(units @ few[0].T, 0) @ few[1] - values).max()
        dearer = np.linalg.norm(few[0], axis=1).sum()
        if moved <= accuracy * cost and dearer <= cost * (1 + 1e-9) and len(few[1]) < len(best[1]):
            best = few
    return best


def _summed(units: np.ndarray, vectors: np.ndarray, signs: np.ndarray, slack: float) -> tuple[np.ndarray, np.ndarray]:
    """Neurons of one sign that no sample divides added up, the longest first."""
    order = np.argsort(-np.linalg.norm(vectors, axis=1), kind="stable")
    products = vectors @ units.T
    near = np.abs(products) <= slack * np.linalg.norm(vectors, axis=1)[:, None]
    sides = np.where(near, 0, np.sign(products))
    sums, pattern, sign = np.zeros_like(vectors), np.zeros_like(sides), np.zeros(len(signs))
    count = 0
    for k in order:
        joins = np.flatnonzero((sign[:count] == signs[k]) & ~np.any(pattern[:count] * sides[k] < 0, axis=1))
        group = int(joins[0]) if len(joins) else count
        count = max(count, group + 1)
        sign[group] = signs[k]
        sums[group] += vectors[k]
        pattern[group] = np.where(pattern[group] == 0, sides[k], pattern[group])
    return sums[:count], sign[:count]


def _vertex(
    units: np.ndarray, values: np.ndarray, vectors: np.ndarray, signs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """N of the directions at most, with masses of least sum; all of them where there are no more, or HiGHS fails."""
    from scipy.optimize import linprog

    if len(vectors) <= len(units):
        return vectors, signs
    directions = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    columns = np.maximum(units @ directions.T, 0) * signs
    scale = np.abs(values).max()
    options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    program = linprog(np.ones(len(signs)), A_eq=columns, b_eq=values / scale, method="highs-ds", options=options)
    if program.status != 0:
        return vectors, signs
    kept = program.x > 1e-12 * program.x.max()
    mass = np.linalg.lstsq(columns[:, kept], values, rcond=None)[0]  # to rounding, where HiGHS has its tolerance
    mass, kept = mass[mass > 0], np.flatnonzero(kept)[mass > 0]
    return mass[:, None] * directions[kept], signs[kept]


def moved_to(
    units: np.ndarray, values: np.ndarray, vectors: np.ndarray, signs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The vectors moved by as little as gives f these values `(N,)`, on their patterns of active samples.

    >>> moved_to(np.eye(2), np.array([1.0, 2.5]), np.array([[1.0, 2.0]]), np.ones(1))[0].round(12)
    array([[1. , 2.5]])
    """
    for _ in range(3):
        products = units @ vectors.T
        columns = ((products > 0) * signs)[:, :, None] * units[:, None, :]
        rest = values - np.maximum(products, 0) @ signs
        change = np.linalg.lstsq(columns.reshape(len(units), -1), rest, rcond=1e-12)[0]
        vectors = vectors + change.reshape(vectors.shape)
    return vectors, signs
