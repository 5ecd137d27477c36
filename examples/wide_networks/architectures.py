"""What the figures of the wide_networks paper share: the three architectures, their inputs, networks and limits, and how they are drawn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alignmath.activations import SOFTPLUS, Activation
from alignmath.kernels import gram
from examples.style import BLUE, GREEN, ORANGE
from proofs.wide_networks.wide_runs import DEPTHS, unit_inputs
from solvers.dynamics.wide_networks import WideNetwork, random_network

__all__ = ["COUNT", "LOOKS", "Look", "all_layers", "inputs_of", "network_of"]

COUNT = 6
"""Inputs trained on."""
_SHAPES = {"fully_connected": (3,), "resnet": (3,), "convolutional_resnet": (2, 4)}


class Look(NamedTuple):
    """How an architecture is drawn."""

    name: str
    colour: str
    marker: str
    line: str


LOOKS = {
    "fully_connected": Look("fully connected", BLUE, "o", "-"),
    "resnet": Look("ResNet", ORANGE, "s", "--"),
    "convolutional_resnet": Look("convolutional ResNet", GREEN, "^", "-."),
}


def inputs_of(architecture: str) -> np.ndarray:
    """Six unit inputs, `(6, 3)`, or `(6, 2, 4)` for the convolutional ResNet: two channels of four pixels."""
    return unit_inputs(COUNT, _SHAPES[architecture])


def network_of(architecture: str, width: int, seed: int, activation: Activation = SOFTPLUS) -> WideNetwork:
    """A random network for these inputs, of the depth in `DEPTHS`; every width and seed draws its own weights."""
    shape = _SHAPES[architecture]
    inputs = shape if architecture == "convolutional_resnet" else shape[0]
    key = 100_000 * seed + width
    return random_network(inputs, DEPTHS[architecture], width, activation, architecture, seed=key)


def all_layers(
    X: np.ndarray, depth: int, activation: Activation = SOFTPLUS, architecture: str = "fully_connected"
) -> np.ndarray:
    """The limit of the whole Gram matrix G, the sum over the layers: `(n, n)`."""
    parts = [gram(X, depth, activation, architecture, layer=h) for h in range(1, depth + 2)]
    return np.sum(parts, axis=0)
