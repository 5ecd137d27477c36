"""The sweep of Figure 4 for m = 9, 100,000 configurations: `minimum_determinant` against a loop over
`numpy.linalg.det`.

The loop is what a user would write: the matrix of each configuration in vectorised NumPy, then one determinant for
each replaced column. Ours, and the same determinants by `numpy.linalg.det` on stacked matrices, run between the
fifths of the loop, so that all see the same machine; the ratio is of total loop time to the median of ours.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from alignmath.angular import ARC_COSINE
from benchmarks.output import publish

__all__ = ["loop", "main", "measure"]

_STUDENTS, _COUNT, _SEED = 9, 100_000, 84


def loop(angles: np.ndarray) -> np.ndarray:
    """z of every row of `angles (count, m)`, by LU determinants."""
    smallest = np.empty(len(angles))
    for k, theta in enumerate(angles):
        distance = np.abs(theta[:, None] - theta)
        distance = np.minimum(distance, 2 * np.pi - distance)
        matrix = np.sin(distance) + (np.pi - distance) * np.cos(distance)
        to_teacher = np.minimum(theta, 2 * np.pi - theta)
        rhs = np.sin(to_teacher) + (np.pi - to_teacher) * np.cos(to_teacher)
        determinants = []
        for i in range(len(theta)):
            replaced = matrix.copy()
            replaced[:, i] = rhs
            determinants.append(np.linalg.det(replaced))
        smallest[k] = min(determinants)
    return smallest


def stacked(angles: np.ndarray) -> np.ndarray:
    """z of every row of `angles (count, m)`, by LU determinants of stacks of matrices."""
    m = angles.shape[1]
    profile = lambda t: np.sin(t) + (np.pi - t) * np.cos(t)  # noqa: E731
    smallest = []
    for theta in np.array_split(angles, max(1, len(angles) // 4096)):
        distance = np.abs(theta[:, :, None] - theta[:, None, :])
        matrix = profile(np.minimum(distance, 2 * np.pi - distance))
        rhs = profile(np.minimum(theta, 2 * np.pi - theta))
        replaced = np.repeat(matrix[:, None], m, axis=1)
        replaced[:, np.arange(m), :, np.arange(m)] = rhs
        smallest.append(np.linalg.det(replaced).min(axis=1))
    return np.concatenate(smallest)


def measure() -> dict[str, float]:
    """Seconds of both, their ratio, and how far the results differ."""
    angles = np.random.default_rng([_SEED, _STUDENTS]).uniform(0, 2 * np.pi, (_COUNT, _STUDENTS))
    ARC_COSINE.minimum_determinant(angles)  # warm-up
    loop(angles[:100])
    loop_seconds, ours, stacks, expected, z = 0.0, [], [], [], np.empty(0)
    for part in np.array_split(angles, 5):
        begun = time.perf_counter()
        expected.append(loop(part))
        loop_seconds += time.perf_counter() - begun
        begun = time.perf_counter()
        z = ARC_COSINE.minimum_determinant(angles)
        ours.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        by_stacks = stacked(angles)
        stacks.append(time.perf_counter() - begun)
        assert np.allclose(by_stacks, z, rtol=0, atol=1e-12 * np.pi**_STUDENTS)
    difference = np.abs(z - np.concatenate(expected)) / np.pi**_STUDENTS
    seconds = statistics.median(ours)
    return {
        "loop over numpy.linalg.det, seconds": loop_seconds,
        "minimum_determinant, seconds": seconds,
        "numpy.linalg.det on stacked matrices, seconds": statistics.median(stacks),
        "largest difference over pi^9": float(difference.max()),
        "determinant sweep ratio": loop_seconds / seconds,
    }


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    publish(measure, "Determinant sweep of Figure 4, m = 9, against a loop over numpy.linalg.det.", argv)


if __name__ == "__main__":
    main(sys.argv[1:])
