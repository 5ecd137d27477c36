"""Intervals for what is measured."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["mean_interval", "proportion_interval"]


def proportion_interval(successes: Any, trials: int, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of Wilson's interval for a probability, from the numbers of `successes` (any shape) in `trials`.

    >>> low, high = proportion_interval([0, 5], 10)
    >>> low.round(4), high.round(4)
    (array([0.    , 0.2366]), array([0.2775, 0.7634]))
    """
    from scipy.stats import binomtest

    counts = np.asarray(successes)
    ends = [binomtest(int(count), trials).proportion_ci(level, method="wilson") for count in counts.ravel()]
    low, high = np.array(ends).reshape(*counts.shape, 2).transpose(-1, *range(counts.ndim))
    return low, high


def mean_interval(values: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Mean of independent values over the last axis, and half the width of Student's interval for their expectation.

    >>> mean, half = mean_interval(np.array([1.0, 2.0, 3.0]))
    >>> float(mean), round(float(half), 4)
    (2.0, 2.4841)
    """
    from scipy.stats import sem, t

    return values.mean(axis=-1), t.ppf((1 + level) / 2, values.shape[-1] - 1) * sem(values, axis=-1)
