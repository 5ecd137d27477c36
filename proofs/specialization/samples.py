"""Random networks in float64 for the attacks on the claims about critical points."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from alignmath.networks import DeepReLU

__all__ = ["random_network"]


def random_network(rng: np.random.Generator, widths: Sequence[int], biases: bool) -> DeepReLU:
    """Gaussian weights of variance `2 / n_{l-1}`, and standard Gaussian biases if asked for."""
    weights = [rng.standard_normal((n, m)) * np.sqrt(2 / m) for m, n in itertools.pairwise(widths)]
    return DeepReLU(tuple(weights), tuple(rng.standard_normal(n) for n in widths[1:]) if biases else None)
