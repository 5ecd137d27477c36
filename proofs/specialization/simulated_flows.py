"""The dynamics of Section 5.3 of the specialization paper, integrated numerically: what the identities and closed forms are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["SymmetricPath", "random_start", "symmetric_path"]


@dataclass(frozen=True)
class SymmetricPath:
    """`dw_k/dt = |w_k| r_k`, `r_k = r + extra_k w*`, `r = w* - sum a_j w_j`, at T times.

    time: `(T,)`; students: `(T, K, d)`; residuals: `(T, K, d)`, each student's `r_k`; common: `(T, d)`, r.
    """

    time: np.ndarray
    students: np.ndarray
    residuals: np.ndarray
    common: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """`|w_k|`: `(T, K)`."""
        return np.linalg.norm(self.students, axis=-1)

    @property
    def units(self) -> np.ndarray:
        """`w_k / |w_k|`: `(T, K, d)`."""
        return self.students / self.lengths[..., None]

    @property
    def alignment(self) -> np.ndarray:
        """`h_k`, the inner product of `r_k` with the unit vector along `w_k`: `(T, K)`."""
        return np.sum(self.units * self.residuals, axis=-1)


def symmetric_path(
    target: np.ndarray, weights: np.ndarray, students: np.ndarray, times: np.ndarray, extra: Any = 0.0
) -> SymmetricPath:
    """The path from `students (K, d)` at the increasing `times`; target: w*, `(d,)`; weights: a, `(K,)`; extra: one number for all, or `(K,)`."""
    from scipy.integrate import solve_ivp

    extra = np.broadcast_to(np.asarray(extra, dtype=float), weights.shape)

    def residuals(state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        common = target - weights @ state
        return common[..., None, :] + extra[:, None] * target, common

    def slope(_: float, flat: np.ndarray) -> np.ndarray:
        state = flat.reshape(students.shape)
        return (np.linalg.norm(state, axis=1)[:, None] * residuals(state)[0]).ravel()

    solution = solve_ivp(
        slope, (times[0], times[-1]), students.ravel(), "DOP853", times, rtol=1e-12, atol=1e-14 * np.abs(students).max()
    )
    if solution.status != 0:
        raise ArithmeticError(f"the integration failed: {solution.message}")
    path = solution.y.T.reshape(-1, *students.shape)
    own, common = residuals(path)
    return SymmetricPath(times, path, own, common)


def random_start(rng: np.random.Generator, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """w* `(d,)` of length 1, weights `(K,)` in `[0.5, 2]` and Gaussian students `(K, d)` of the order of `scale`; K up to 5, d from 2 to 6."""
    count, dimension = int(rng.integers(1, 6)), int(rng.integers(2, 7))
    target = rng.standard_normal(dimension)
    return target / np.linalg.norm(target), rng.uniform(0.5, 2, count), scale * rng.standard_normal((count, dimension))
