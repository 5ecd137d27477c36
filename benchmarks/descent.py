"""1000 runs of gradient descent (m = 10, d = 2, 1000 steps): `descend` against a lean NumPy loop over runs.

The loop is as lean as NumPy allows for one run, with preallocated arrays and students and teacher in one product,
and validates nothing. Ours, and the lean formula on all runs as one batch, run between the fifths of the loop; the
ratio is of total loop time to the median of ours. The weights are compared after 20 steps: later on students that
have shrunk to 0 hover there, and magnify rounding (and the loop's error of 1e-8 in small angles, by its arccos).
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from alignmath.networks import TwoLayer, gaussian_weights
from benchmarks.output import publish
from solvers.dynamics.descent import descend

__all__ = ["lean_run", "main", "measure"]

_RUNS, _STUDENTS, _STEPS, _LEARNING_RATE, _SEED = 1000, 10, 1000, 0.05, 7
_TEACHER = np.array([[1.0, 0.0]])


def lean_run(students: np.ndarray, teacher: np.ndarray, learning_rate: float, steps: int) -> np.ndarray:
    """Students `(m, 2)` after `steps` steps of gradient descent on the population loss, one run."""
    m, count = len(students), len(students) + len(teacher)
    neurons = np.concatenate([students, teacher])
    sign = np.where(np.arange(count) < m, 1.0, -1.0)
    factor = learning_rate / (2 * np.pi)
    for _ in range(steps):
        lengths = np.sqrt((neurons * neurons).sum(1))
        units = neurons / lengths[:, None]
        cosine = units[:m] @ units.T
        np.clip(cosine, -1.0, 1.0, out=cosine)
        angle = np.arccos(cosine)
        sine = np.sqrt(1 - cosine * cosine)
        pull = (np.pi - angle) @ (sign[:, None] * neurons)
        neurons[:m] -= factor * (pull + (sine @ (sign * lengths))[:, None] * units[:m])
    return neurons[:m]


def lean_batch(students: np.ndarray, teacher: np.ndarray, learning_rate: float, steps: int) -> np.ndarray:
    """`lean_run` on students `(runs, m, 2)` at once."""
    m, count = students.shape[1], students.shape[1] + len(teacher)
    neurons = np.concatenate([students, np.broadcast_to(teacher, (len(students), *teacher.shape))], axis=1)
    sign = np.where(np.arange(count) < m, 1.0, -1.0)
    factor = learning_rate / (2 * np.pi)
    for _ in range(steps):
        lengths = np.sqrt((neurons * neurons).sum(2))
        units = neurons / lengths[..., None]
        cosine = np.clip(units[:, :m] @ units.swapaxes(1, 2), -1.0, 1.0)
        pull = (np.pi - np.arccos(cosine)) @ (sign[:, None] * neurons)
        push = np.sqrt(1 - cosine * cosine) @ (sign * lengths)[..., None]
        neurons[:, :m] -= factor * (pull + push * units[:, :m])
    return neurons[:, :m]


def measure() -> dict[str, float]:
    """Seconds of both, their ratio, and how far the end weights differ."""
    starts = gaussian_weights(_STUDENTS, 2, np.random.default_rng(_SEED), batch=(_RUNS,)).hidden
    students, teacher = TwoLayer(starts), TwoLayer(_TEACHER)
    early = descend(students, teacher, _LEARNING_RATE, 20).students.hidden  # also a warm-up
    difference = np.abs(early - np.array([lean_run(start, _TEACHER, _LEARNING_RATE, 20) for start in starts]))
    loop_seconds, ours, batches = 0.0, [], []
    for part in np.array_split(starts, 5):
        begun = time.perf_counter()
        for start in part:
            lean_run(start, _TEACHER, _LEARNING_RATE, _STEPS)
        loop_seconds += time.perf_counter() - begun
        begun = time.perf_counter()
        descend(students, teacher, _LEARNING_RATE, _STEPS)
        ours.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        lean_batch(starts, _TEACHER, _LEARNING_RATE, _STEPS // 5)
        batches.append(5 * (time.perf_counter() - begun))
    seconds = statistics.median(ours)
    return {
        "lean NumPy loop over runs, seconds": loop_seconds,
        "lean NumPy loop, microseconds a step": 1e6 * loop_seconds / (_RUNS * _STEPS),
        "descend, seconds": seconds,
        "lean NumPy on all runs as one batch, seconds": statistics.median(batches),
        "largest difference of weights after 20 steps": float(difference.max()),
        "descent ratio": loop_seconds / seconds,
    }


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    publish(measure, "1000 runs of population gradient descent, against a lean NumPy loop over runs.", argv)


if __name__ == "__main__":
    main(sys.argv[1:])
