"""How often the minimum-norm interpolant of a teacher's values at random inputs is the teacher, and how sure that is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alignmath.networks import TwoLayer
from alignmath.plane import dual_certificate, dual_peak
from solvers.interpolation import is_recoverable

__all__ = ["is_minimal", "recovered"]

_SAME = 1e-7
"""Squared norms that differ by at most this share are equal."""


def is_minimal(teacher: TwoLayer, squared_norm: Any) -> np.ndarray:
    """Whether a least squared norm is the teacher's own, `2 sum_k |a_k| |b_k|`, to 1e-7 of it; above that it cannot be, as the teacher interpolates too."""
    return np.asarray(squared_norm) >= (1 - _SAME) * _own(teacher)


def recovered(teacher: TwoLayer, samples: int, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """For `draws` sets of uniform samples of the circle: is the teacher of least norm, and do the closed-form multipliers prove it; bool each.

    Where they do not (`dual_certificate` raises, or the bound computed from them is too low), `is_recoverable` decides.
    """
    minimal, closed = np.zeros(draws, dtype=bool), np.zeros(draws, dtype=bool)
    for draw in range(draws):
        angles = np.random.default_rng([seed, samples, draw]).uniform(0, 2 * np.pi, samples)
        x = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        closed[draw] = _proved(teacher, x)
        minimal[draw] = closed[draw] or bool(is_recoverable(teacher, x))
    return minimal, closed


def _own(teacher: TwoLayer) -> float:
    return 2 * math.fsum(np.abs(teacher.output) * teacher.lengths)


def _proved(teacher: TwoLayer, x: np.ndarray) -> bool:
    try:
        multipliers = dual_certificate(teacher, x)
    except ValueError:  # some sector has no two points that serve
        return False
    bound = 2 * float(teacher(x) @ multipliers) / dual_peak(x, multipliers).value
    return bound >= (1 - _SAME) * _own(teacher)
