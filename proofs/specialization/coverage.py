"""The order in which teacher nodes are covered: first epochs, rank correlations."""

from __future__ import annotations

import numpy as np
from scipy.stats import kendalltau

__all__ = ["coverage_epochs", "rank_correlations"]


def coverage_epochs(best: np.ndarray, epochs: np.ndarray) -> np.ndarray:
    """The first of `epochs (K,)` at which a node is covered, infinity for never: best `(..., K, m)` gives `(..., m)`."""
    covered = best > 0.95
    first = np.argmax(covered, axis=-2)
    return np.where(covered.any(axis=-2), epochs[first], np.inf)


def rank_correlations(epochs: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of the node's index with its epoch of coverage, `(..., m)` gives `(...)`; 0 where no node, or all at once, is covered."""
    index = np.arange(epochs.shape[-1])
    flat = [kendalltau(index, row).statistic for row in np.reshape(epochs, (-1, len(index)))]
    return np.nan_to_num(np.reshape(flat, epochs.shape[:-1]))
