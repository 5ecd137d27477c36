"""Fully connected ReLU networks of any depth: `f_l = relu(W_l f_{l-1} + b_l)` for `l < L`, and a linear output layer.

These are the networks of the specialization paper (Section 3), whose `W_l` is the transpose of the one here: a row of
`weights[l - 1]` is the weight vector of a node of layer l. A column of `weights[l]` is then the node's fan-out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..arrays import Array, as_floating, broadcast_batches, namespace
from .checks import checked_layers
from .two_layer import TwoLayer

__all__ = ["DeepReLU", "as_deep"]


@dataclass(frozen=True, eq=False)
class DeepReLU:
    """A ReLU network with L layers of weights, the last one linear, or a batch of such networks.

    - weights: L arrays `(..., n_l, n_{l-1})`, l = 1..L; n_0 is the input's dimension, n_L that of the output.
    - biases: L arrays `(..., n_l)`, or None for a network without.

    All are brought to one dtype and one batch shape. Raises `ValueError` for empty, non-finite or mismatched arrays.

    >>> network = DeepReLU(([[1.0, 0.0], [0.0, 1.0]], [[1.0, -1.0]]))
    >>> network([[3.0, 2.0], [3.0, -2.0]]).tolist(), network.depth, network.widths
    ([[1.0], [3.0]], 1, (2, 2, 1))
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...] | None = None

    def __post_init__(self) -> None:
        weights, biases = checked_layers(self.weights, self.biases, names=("weights", "biases"), core=2)
        for index, (below, above) in enumerate(pairwise(weights)):
            if above.shape[-1] != below.shape[-2]:
                raise ValueError(
                    f"weights[{index + 1}] has shape {tuple(above.shape)} on top of weights[{index}] of shape "
                    f"{tuple(below.shape)}; expected (..., {above.shape[-2]}, {below.shape[-2]}), a column a node below"
                )
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "biases", biases)

    @property
    def depth(self) -> int:
        """Number L - 1 of hidden layers."""
        return len(self.weights) - 1

    @property
    def widths(self) -> tuple[int, ...]:
        """`(n_0, n_1, ..., n_L)`: dimension of the input, nodes of the hidden layers, dimension of the output."""
        return (self.weights[0].shape[-1], *(w.shape[-2] for w in self.weights))

    @property
    def batch(self) -> tuple[int, ...]:
        """Shape of the batch of networks; `()` for one network."""
        return tuple(self.weights[0].shape[:-2])

    def activations(self, x: Any) -> tuple[Array, ...]:
        """`(f_1(x), ..., f_L(x))`, each `(..., N, n_l)`; `f_L` is the output.

        x: `(N, n_0)`, or `(..., N, n_0)` with inputs of its own for each network of the batch.
        """
        x = as_floating(x, "x", least_ndim=2)
        xp = namespace(self.weights[0], x)
        if x.shape[-1] != self.widths[0]:
            raise ValueError(f"x has shape {tuple(x.shape)}; expected (..., N, {self.widths[0]}), one input a row")
        broadcast_batches(networks=self.batch, x=x.shape[:-2])
        kind = xp.result_type(self.weights[0], x)
        value, layers = xp.astype(x, kind), []
        for index, weight in enumerate(self.weights):
            value = value @ xp.matrix_transpose(xp.astype(weight, kind))
            if self.biases is not None:
                value = value + self.biases[index][..., None, :]
            if index < self.depth:
                value = xp.clip(value, min=0.0)
            layers.append(value)
        return tuple(layers)

    def __call__(self, x: Any) -> Array:
        """Outputs at the inputs x, `(N, n_0)` or `(..., N, n_0)`: shape `(..., N, n_L)`."""
        return self.activations(x)[-1]


def as_deep(network: TwoLayer | DeepReLU, name: str = "network") -> DeepReLU:
    """The network as a `DeepReLU`; a `TwoLayer` has one output, whose bias is 0 if its hidden neurons have biases.

    Raises `ValueError`, calling the argument `name`, for a `TwoLayer` of another activation.

    >>> as_deep(TwoLayer([[1.0, 0.0], [0.0, 1.0]])).widths
    (2, 2, 1)
    """
    if not isinstance(network, TwoLayer):
        return network
    if network.activation.slopes != (1.0, 0.0):
        raise ValueError(f"{name} has the activation {network.activation.name}; networks of layers have ReLU alone")
    weights = (network.hidden, network.output[..., None, :])
    if network.bias is None:
        return DeepReLU(weights)
    return DeepReLU(weights, (network.bias, 0.0 * network.output[..., :1]))
