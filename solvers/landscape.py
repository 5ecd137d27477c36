"""Critical points of the population loss, found by Levenberg-Marquardt on the gradient from many starts at once.

Unlike descent it converges to saddles as well as minima, quadratically, so it is the search to run when a theorem
says that a kind of critical point does not exist.
"""

from __future__ import annotations

import time as clock

import numpy as np

from alignmath import population
from alignmath.arrays import as_number
from alignmath.networks import TwoLayer

from .runs import CriticalPoints, RunStatus, as_steps, as_tolerance

__all__ = ["critical_points"]


def critical_points(
    starts: TwoLayer,
    teacher: TwoLayer,
    *,
    steps: int = 100,
    gradient_tolerance: float = 1e-12,
    collapse: float = 1e-9,
) -> CriticalPoints:
    """Zeros of the gradient by the hidden weights, from each of the `starts (B, m, d)`; output weights stay fixed.

    teacher: one NumPy network. A start ends when its gradient norm is at most `gradient_tolerance`, when a student gets
    shorter than `collapse` (the gradient does not exist at length 0), or after so many `steps`. Raises
    `ValueError` for bad input.
    """
    started = clock.perf_counter()
    steps = as_steps(steps)
    gradient_tolerance = as_tolerance(gradient_tolerance, "gradient_tolerance", zero=True)
    collapse = as_number(collapse, "collapse")
    if len(starts.batch) != 1 or teacher.batch:
        raise ValueError(
            f"the batches are {starts.batch} and {teacher.batch}; expected starts (B, m, d) and one teacher"
        )
    hidden = np.array(starts.hidden, dtype=float)
    output = np.asarray(starts.output, dtype=float)
    count, size = hidden.shape[0], hidden.shape[1] * hidden.shape[2]

    def gradient(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return population.gradient(TwoLayer(weights, output[rows]), teacher).hidden.reshape(len(rows), size)

    slope = gradient(np.arange(count), hidden)
    norm = np.linalg.norm(slope, axis=1)
    damping = np.full(count, 1e-3)
    taken = 0
    while taken < steps:
        least = np.linalg.norm(hidden, axis=2).min(axis=1)
        rows = np.flatnonzero((norm > gradient_tolerance) & (least > collapse))
        if not len(rows):
            break
        taken += 1
        curvature = population.hessian(TwoLayer(hidden[rows], output[rows]), teacher).reshape(len(rows), size, size)
        normal = np.swapaxes(curvature, 1, 2) @ curvature
        ridge = damping[rows, None] * (1e-12 + np.trace(normal, axis1=1, axis2=2)[:, None] / size)
        normal[:, np.arange(size), np.arange(size)] += ridge
        step = np.linalg.solve(normal, -np.einsum("bij,bi->bj", curvature, slope[rows])[..., None])[..., 0]
        trial = hidden[rows] + step.reshape(hidden[rows].shape)
        alive = np.linalg.norm(trial, axis=2).min(axis=1) > 0
        trial[~alive] = hidden[rows][~alive]
        trial_slope = gradient(rows, trial)
        trial_norm = np.linalg.norm(trial_slope, axis=1)
        better = alive & (trial_norm < norm[rows])
        kept = rows[better]
        hidden[kept], slope[kept], norm[kept] = trial[better], trial_slope[better], trial_norm[better]
        damping[rows] = np.clip(np.where(better, damping[rows] / 5, damping[rows] * 4), 1e-15, 1e8)
    students = TwoLayer(hidden, output)
    least = np.linalg.norm(hidden, axis=2).min(axis=1)
    status = np.where(norm <= gradient_tolerance, int(RunStatus.GRADIENT), int(RunStatus.FINISHED))
    status[least <= collapse] = RunStatus.COLLAPSED
    return CriticalPoints(
        students=students,
        gradient_norm=norm,
        loss=population.loss(students, teacher),
        least_length=least,
        status=status,
        steps=taken,
        seconds=clock.perf_counter() - started,
    )
