"""Numerical attacks on arguments: random and near-degenerate configurations, and what came closest to breaking the argument."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .claims import Attack, CheckFailed

__all__ = ["errors_below", "monte_carlo", "near_degenerate_angles", "none_below", "random_angles", "sample_points"]


def none_below(tried: str, margins: Any, least: float = 0.0) -> Attack:
    """The attack failed to break the argument if every margin exceeds `least`; else `CheckFailed` names the worst case."""
    margins = np.ravel(np.asarray(margins, dtype=float))
    if margins.size == 0 or not np.all(margins > least):
        worst = int(np.argmin(np.where(np.isnan(margins), -np.inf, margins))) if margins.size else -1
        value = margins[worst] if margins.size else float("nan")
        raise CheckFailed(
            f"broken by case {worst} of {margins.size} ({tried}): margin {value:.3g}, must exceed {least:g}"
        )
    return Attack(tried, int(margins.size), f"least margin {margins.min():.3g}")


def errors_below(tried: str, errors: Any, tolerance: float) -> Attack:
    """The attack failed if every error is below `tolerance`, which is that of rounding; else `CheckFailed` names the worst case."""
    errors = np.ravel(np.asarray(errors, dtype=float))
    within = none_below(tried, tolerance - errors)
    return Attack(tried, within.count, f"largest error {errors.max():.2g}, below {tolerance:g}")


def monte_carlo(tried: str, means: Any, errors: Any, expected: Any, scales: Any) -> Attack:
    """Sample means against expected values: each within 5 standard errors, which must be at most 1% of its scale.

    means, errors (standard errors), expected: arrays of one shape; scales: the sizes the errors are compared with, broadcast.
    """
    means, errors, expected = (np.asarray(array, dtype=float) for array in (means, errors, expected))
    resolution = float(np.max(5 * errors / np.asarray(scales)))
    if resolution > 0.01:
        raise CheckFailed(
            f"{tried}: 5 standard errors are {100 * resolution:.2g}% of the value; 1% at most is asked for"
        )
    within = none_below(tried, 5 - np.abs(means - expected) / errors)
    return Attack(
        f"{tried}; an error of {100 * resolution:.2g}% would be seen",
        within.count,
        within.closest + " standard errors below 5",
    )


def random_angles(rng: np.random.Generator, count: int, students: int) -> np.ndarray:
    """Independent uniform angles in `(0, 2 pi)`: `(count, students)`."""
    return rng.uniform(0, 2 * np.pi, (count, students))


def near_degenerate_angles(rng: np.random.Generator, count: int, students: int) -> np.ndarray:
    """Configurations on the verge of a sign change: two students within 1e-2 to 1e-9 of the teacher on either side, the others uniform,
    and in every fourth configuration one of them nearly antipodal to another, or nearly equal to it.
    """
    angles = random_angles(rng, count, students)
    angles[:, 0] = 10 ** rng.uniform(-6, -2, count)
    angles[:, -1] = 2 * np.pi - 10 ** rng.uniform(-9, -2, count)
    if students > 3:
        turned = np.arange(count) % 4 == 0
        shift = np.where(np.arange(count) % 8 == 0, np.pi, 0.0) + 10 ** rng.uniform(-9, -2, count)
        angles[turned, 2] = np.mod(angles[turned, 1] + shift[turned], 2 * np.pi)
    return angles


def sample_points(rng: np.random.Generator, count: int, domain: Sequence[tuple[float, float]]) -> np.ndarray:
    """Points of a box, half of them uniform and half within a factor 1e-6..1 of its lower corner: `(count, len(domain))`."""
    low, high = np.array(domain).T
    points = low + (high - low) * rng.uniform(0, 1, (count, len(domain)))
    points[1::2] = low + (points[1::2] - low) * 10 ** rng.uniform(-6, 0, (len(points[1::2]), 1))
    return points
