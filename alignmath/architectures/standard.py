"""The standard parametrisation of any network: its weights and biases are trained as they are, without factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..arrays import Array, as_order
from .algebra import Architecture, Serial
from .layers import Back, Parameters, Weighted
from .named import FullyConnected, as_architecture

__all__ = ["StandardParametrisation"]

_MOST = 100.0
"""Of a bias variance over a weight variance: a first layer's angles are those of the two together."""


@dataclass(frozen=True)
class StandardParametrisation(Architecture):
    """A network in the standard parametrisation, as `torch.nn` has it: `W x + b`, the entries of W with variance
    `weight_variance / c`, c the units of the layer below, those of b with `bias_variance`.

    - architecture: the network in the NTK parametrisation, `W x sqrt(weight_variance / c) + ...`, whose outputs at
      initialisation have the same law.
    - width: the units of its hidden layers, 1 or more. The tangent kernel grows with it.
    - biases: whether layers whose bias_variance is 0 have biases too, which are trained and begin at 0.

    The two differ in training. As derivatives by the weights are `sqrt(c / weight_variance)` times as large, with K the
    second moments of what the weights act on

        T -> weight_variance T + c K + 1

    (`c K` alone without biases; c is 1 in the first layer of the paper's networks, which acts on inputs as they are).
    `conjugate` is that of the NTK parametrisation; `tangent` and `gram` are to first order in the width those of finite
    networks of that width. The weights of `torch.nn.Linear` begin with weight_variance 1/3, its biases with `1 / 3c`,
    as good as 0: pass biases=True.

    >>> import numpy as np
    >>> from alignmath.activations import RELU
    >>> from alignmath.architectures import FullyConnected, StandardParametrisation
    >>> from alignmath.kernels import tangent
    >>> network = FullyConnected(1, RELU, weight_variance=2.0)
    >>> tangent(np.array([[1.0, 1.0]]), StandardParametrisation(network, 512))  # 2 K / 2, 512 E[relu(z)^2]
    array([[513.]])
    """

    architecture: Architecture
    width: int
    biases: bool = False

    def __post_init__(self) -> None:
        as_architecture(self.architecture)
        if isinstance(self.architecture, StandardParametrisation):
            raise ValueError("architecture is in the standard parametrisation; pass the network inside it")
        object.__setattr__(self, "width", as_order(self.width, "width", least=1, most=10**7))
        if not isinstance(self.biases, bool):
            raise ValueError(f"biases is {self.biases!r}; expected True or False")

    @property
    def serial(self) -> Serial:
        return self.architecture.serial

    @property
    def in_ntk_scaling(self) -> Architecture:
        return self.architecture

    def recursion(self, layers: frozenset[int]) -> Any:
        """By angles where the architecture's are and nothing is lost by dividing by its variances, else by
        covariances."""
        from ..kernels.angles import homogeneous
        from ..kernels.recursion import Recursion

        a = self.architecture
        if isinstance(a, FullyConnected) and homogeneous(a.activations) is not None:
            first, biased = self.weighted[0], all(layer.bias_variance for layer in self.weighted)
            least = all(layer.weight_variance > first.bias_variance / _MOST for layer in self.weighted)
            if least and (biased or not self.biases):
                return a.recursion(layers, width=self.width)
        return Recursion(self.serial, layers, self)

    def own(self, layer: Weighted, below: Array, units: int) -> Array:
        """What the weights and biases of a layer add to the tangent kernel. below: second moments of what the weights
        act on; units: of the layer below."""
        own = units * below if layer.scaled else below
        return own + 1 if layer.bias_variance or self.biases else own

    def deviations(self, channels: int, width: int) -> list[tuple[Any, Any]]:
        if width != self.width:
            raise ValueError(f"width is {width}; the standard parametrisation given is that of width {self.width}")
        units = [channels, *[width] * (len(self.weighted) - 1)]
        found = []
        for layer, below in zip(self.weighted, units, strict=True):
            deviation, offset = layer.factors(below)
            found.append((deviation, offset if layer.bias_variance or self.biases else None))
        return found

    def outputs(self, x: Array, weights: Any, biases: Any) -> tuple[Array, Back]:
        whole = (Parameters(W, b, whole=True) for W, b in zip(weights, biases, strict=True))
        return self.serial.forward(x, whole)
