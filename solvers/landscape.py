"""Critical points of the population loss, found by Levenberg-Marquardt on the gradient from many starts at once.

Unlike descent it converges to saddles as well as minima, quadratically, so it is the search to run when a theorem
says that a kind of critical point does not exist.
"""

from __future__ import annotations

import time as clock

import numpy as np

from alignmath import population
from alignmath.arrays import as_number, as_numpy
from alignmath.networks import TwoLayer, require_plain

from .runs import CriticalPoints, RunStatus, as_steps, as_tolerance

__all__ = ["critical_points"]


def critical_points(
    students: TwoLayer,
    teacher: TwoLayer,
    *,
    steps: int = 100,
    gradient_tolerance: float = 1e-12,
    collapse: float = 1e-9,
) -> CriticalPoints:
    """Zeros of the gradient by the hidden weights, from each of the `students (B, m, d)`; output weights stay fixed.

    teacher: one network; NumPy, as the students. A search ends when its gradient norm is at most `gradient_tolerance`,
    when a student gets shorter than `collapse` (the gradient does not exist at length 0), or after so many `steps`.
    Raises `ValueError` for bad input.

    >>> from alignmath.networks import gaussian_weights
    >>> points = critical_points(gaussian_weights(2, 2, seed=0, batch=(20,)), TwoLayer([[1.0, 0.0]]))
    >>> bool((points.loss[points.converged] < 1e-15).all())  # no critical point but zeros of the loss
    True
    """
    started = clock.perf_counter()
    steps = as_steps(steps)
    gradient_tolerance = as_tolerance(gradient_tolerance, "gradient_tolerance", zero=True)
    collapse = as_number(collapse, "collapse")
    require_plain(students, "students")
    require_plain(teacher, "teacher")
    if len(students.batch) != 1 or teacher.batch:
        raise ValueError(
            f"the batches are {students.batch} and {teacher.batch}; expected students (B, m, d) and one teacher"
        )
    hidden = np.array(students.hidden, dtype=float)
    output = as_numpy(students.output, "students.output")
    count, size = hidden.shape[0], hidden.shape[1] * hidden.shape[2]

    def gradient(runs: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return population.gradient(TwoLayer(weights, output[runs]), teacher).hidden.reshape(len(runs), size)

    slope = gradient(np.arange(count), hidden)
    norm = np.linalg.norm(slope, axis=1)
    damping = np.full(count, 1e-3)
    taken = 0
    while taken < steps:
        least = np.linalg.norm(hidden, axis=2).min(axis=1)
        runs = np.flatnonzero((norm > gradient_tolerance) & (least > collapse))
        if not len(runs):
            break
        taken += 1
        curvature = population.hessian(TwoLayer(hidden[runs], output[runs]), teacher).reshape(len(runs), size, size)
        trial = hidden[runs] + _step(curvature, slope[runs], damping[runs]).reshape(hidden[runs].shape)
        alive = np.linalg.norm(trial, axis=2).min(axis=1) > 0
        trial[~alive] = hidden[runs][~alive]
        trial_slope = gradient(runs, trial)
        trial_norm = np.linalg.norm(trial_slope, axis=1)
        better = alive & (trial_norm < norm[runs])
        kept = runs[better]
        hidden[kept], slope[kept], norm[kept] = trial[better], trial_slope[better], trial_norm[better]
        damping[runs] = np.clip(np.where(better, damping[runs] / 5, damping[runs] * 4), 1e-15, 1e8)
    ends = TwoLayer(hidden, output)
    least = np.linalg.norm(hidden, axis=2).min(axis=1)
    status = np.where(norm <= gradient_tolerance, int(RunStatus.GRADIENT), int(RunStatus.FINISHED))
    status[least <= collapse] = RunStatus.COLLAPSED
    return CriticalPoints(
        students=ends,
        gradient_norm=norm,
        loss=population.loss(ends, teacher),
        least_length=least,
        status=status,
        steps=taken,
        seconds=clock.perf_counter() - started,
    )


def _step(curvature: np.ndarray, slope: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """Levenberg-Marquardt's `-(H^T H + ridge)^-1 H^T g` for each run: curvature H `(R, D, D)`, slope g `(R, D)`."""
    size = slope.shape[1]
    normal = np.swapaxes(curvature, 1, 2) @ curvature
    ridge = damping[:, None] * (1e-12 + np.trace(normal, axis1=1, axis2=2)[:, None] / size)
    normal[:, np.arange(size), np.arange(size)] += ridge
    return np.linalg.solve(normal, -np.einsum("bij,bi->bj", curvature, slope)[..., None])[..., 0]
