"""What the figures of the wide_networks paper share: the three architectures, their inputs and networks, and how they are drawn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alignmath.architectures import Architecture, FullyConnected, ResNet
from examples.style import BLUE, GREEN, ORANGE
from proofs.wide_networks.wide_runs import NETWORKS, input_shape, network_for, unit_inputs
from solvers.dynamics.wide_networks import WideNetwork

__all__ = ["COUNT", "LOOKS", "Look", "inputs_of", "network_of"]

COUNT = 6
"""Inputs trained on."""


class Look(NamedTuple):
    """An architecture, of the depth at which it is trained, with softplus, and how it is drawn."""

    architecture: FullyConnected | ResNet
    name: str
    colour: str
    marker: str
    line: str


LOOKS = {
    "fully_connected": Look(NETWORKS[0], "fully connected", BLUE, "o", "-"),
    "resnet": Look(NETWORKS[1], "ResNet", ORANGE, "s", "--"),
    "convolutional_resnet": Look(NETWORKS[2], "convolutional ResNet", GREEN, "^", "-."),
}
"""By the names that the saved data have."""


def inputs_of(architecture: Architecture) -> np.ndarray:
    """Six unit inputs, `(6, 3)`, or `(6, 2, 4)` for the convolutional ResNet: two channels of four pixels."""
    return unit_inputs(COUNT, input_shape(architecture))


def network_of(architecture: Architecture, width: int, seed: int) -> WideNetwork:
    """A random network for these inputs; every width and seed draws its own weights."""
    return network_for(input_shape(architecture), architecture, width, 100_000 * seed + width)
