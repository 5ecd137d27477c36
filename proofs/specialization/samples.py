"""Random networks and nodes for the attacks on the claims about critical points."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from alignmath.networks import DeepReLU

from .exact_networks import Node, boundary_direction

__all__ = ["random_network", "random_nodes"]


def random_network(rng: np.random.Generator, widths: Sequence[int], biases: bool) -> DeepReLU:
    """Gaussian weights of variance `2 / n_{l-1}`, and standard Gaussian biases if asked for."""
    weights = [rng.standard_normal((n, m)) * np.sqrt(2 / m) for m, n in itertools.pairwise(widths)]
    return DeepReLU(tuple(weights), tuple(rng.standard_normal(n) for n in widths[1:]) if biases else None)


def random_nodes(rng: np.random.Generator, count: int, dimension: int) -> list[Node]:
    """Nodes with small integer weights and biases, no two on one boundary; many meet in points, lie in parallel or have opposite weights."""
    nodes: list[Node] = []
    while len(nodes) < count:
        node = tuple(Fraction(int(v)) for v in rng.integers(-3, 4, dimension + 1))
        if any(node[:-1]) and not any(boundary_direction(node, other) for other in nodes):
            nodes.append(node)
    return nodes
