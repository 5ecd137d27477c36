"""A small algebra of networks: layers put one after the other by `serial`, and around by `Residual`.

`Architecture` is what `alignmath.kernels` and `solvers.dynamics.wide_networks` take. The layers are in `layers`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..arrays import Array
from .layers import (
    Back,
    Convolution,
    Dense,
    GlobalAveragePooling,
    Kind,
    Layer,
    Nonlinearity,
    Pair,
    Parameters,
    Passage,
    Side,
    Told,
    Weighted,
)
from .numbers import as_factor, has_gradient, require_usable

if TYPE_CHECKING:
    from ..kernels.recursion import Tape

__all__ = ["Architecture", "Residual", "Serial", "serial"]


@dataclass(frozen=True, init=False)
class Residual(Layer):
    """`x + factor f(x)`, f the layers given, one of them at least a Dense or Convolution. Not the first of a network.

    With the means b of the units of x and m of those of f,

        K -> K + factor (b_i m_j + m_i b_j) + factor^2 K_f,    T -> T + factor^2 T_f

    >>> from alignmath.activations import RELU
    >>> from alignmath.architectures import Dense, Nonlinearity, Residual, serial
    >>> block = Residual(Nonlinearity(RELU), Dense(2.0), factor=0.5)  # pre-activation
    >>> serial(Dense(), block, block, Nonlinearity(RELU), Dense()).depth
    3
    """

    branch: Layer
    factor: Any

    def __init__(self, *layers: Layer, factor: Any = 1.0) -> None:
        object.__setattr__(self, "branch", serial(*layers))
        object.__setattr__(self, "factor", as_factor(factor, "factor"))
        if not any(isinstance(leaf, Weighted) for leaf in self.leaves()):
            raise ValueError("a Residual has neither Dense nor Convolution, so that x and f(x) depend on each other")

    def leaves(self) -> Iterator[Layer]:
        yield from self.branch.leaves()

    def numbers(self) -> Iterator[tuple[str, Any]]:
        yield "factor", self.factor
        yield from self.branch.numbers()

    def kind(self, given: Kind) -> Kind:
        if given.first:
            raise ValueError("a Residual is the first layer, where inputs are not as wide as layers; put a Dense first")
        out = self.branch.kind(given._replace(branch=True))
        return given._replace(gaussian=given.gaussian and out.gaussian)

    def side(self, given: Side, told: Told) -> Iterator[Side]:
        t, own = self.factor, given
        for own in self.branch.side(given, told):
            yield own
        variance, between, mean = given.variance + t * t * own.variance, given.between, given.mean
        if between is not None:
            between = between + t * t * own.between
        if own.mean is not None:
            if mean is not None:
                variance = variance + 2 * t * mean * own.mean
                between = None if between is None else between + t * _crossed(given, own, given, own, between)
            mean = t * own.mean if mean is None else mean + t * own.mean
        yield Side(variance, mean, between)

    def pair(self, given: Pair, tape: Tape) -> Pair:
        t, own = self.factor, self.branch.pair(given, tape)
        K, T = given.covariance, given.tangent
        if own.covariance is None or K is None:
            K = None
        else:
            K = K + t * t * own.covariance
            if given.one.mean is not None and own.one.mean is not None:
                K = K + t * _crossed(given.one, own.one, given.other, own.other, K)
        if own.tangent is not None:
            T = t * t * own.tangent if T is None else T + t * t * own.tangent
        return tape.after(K, T)

    def forward(self, x: Array, parameters: Iterator[Parameters]) -> tuple[Array, Back]:
        value, inner = self.branch.forward(x, parameters)
        t = self.factor
        return x + t * value, lambda slope, passed: slope + inner(t * slope, passed)


def _crossed(one: Side, one_branch: Side, other: Side, other_branch: Side, like: Array) -> Array:
    """`b_i m_j + m_i b_j`, of means b and those of a branch, m, in the shape of second moments."""
    b, m, c, k = one.mean, one_branch.mean, other.mean, other_branch.mean
    assert b is not None and m is not None and c is not None and k is not None  # noqa: PT018
    if like.ndim > b.ndim:  # of two pixels each
        b, m, c, k = b[..., :, None], m[..., :, None], c[..., None, :], k[..., None, :]
    return b * k + m * c


class Architecture:
    """What `alignmath.kernels` and `solvers.dynamics.wide_networks` take: a network that ends in one output.

    >>> from alignmath.activations import RELU
    >>> from alignmath.architectures import FullyConnected
    >>> isinstance(FullyConnected(2, RELU), Architecture)
    True
    """

    @property
    def serial(self) -> Serial:
        """The network, layer by layer."""
        raise NotImplementedError

    @property
    def in_ntk_scaling(self) -> Architecture:
        """The network in the NTK parametrisation, whose outputs have the same law at initialisation."""
        return self

    def recursion(self, layers: frozenset[int]) -> Any:
        """What `kernels` works with: the tangent kernel by the parameters of these layers, from 1 to depth + 1."""
        from ..kernels.recursion import Recursion  # which imports this module

        return Recursion(self.serial, layers)

    @property
    def images(self) -> bool:
        """Whether inputs are images `(n, d_0, p)`, not vectors `(n, d)`."""
        return isinstance(next(self.serial.leaves()), Convolution)

    @cached_property
    def weighted(self) -> tuple[Weighted, ...]:
        """The layers with weights, the output among them: depth + 1."""
        return tuple(leaf for leaf in self.serial.leaves() if isinstance(leaf, Weighted))

    @cached_property
    def nonlinearities(self) -> tuple[Nonlinearity, ...]:
        """The layers with an activation."""
        return tuple(leaf for leaf in self.serial.leaves() if isinstance(leaf, Nonlinearity))

    @property
    def pooled(self) -> bool:
        """Whether it averages over pixels, so that all pairs of pixels count."""
        return any(isinstance(leaf, GlobalAveragePooling) for leaf in self.serial.leaves())

    @property
    def differentiated(self) -> str:
        """The name of one of its numbers that requires gradients, or nothing. `ValueError` for a variance that does and
        is not above 0."""
        named = [(name, value) for name, value in self.serial.numbers() if has_gradient(value)]
        for name, value in named:
            if name != "factor":
                require_usable(value, name)
        return named[0][0] if named else ""

    def shapes(self, channels: int, pixels: int, width: int) -> list[tuple[int, int]]:
        """Of the weights `(units, D)`: of all hidden layers `width` units, of the last one."""
        shapes = []
        for layer in self.serial.leaves():
            if isinstance(layer, Weighted):
                shapes.append((width, layer.fan_in(channels, pixels)))
                channels = width
            if not (isinstance(layer, Nonlinearity) or (isinstance(layer, Weighted) and layer.keeps_pixels)):
                pixels = 1
        return [*shapes[:-1], (1, shapes[-1][1])]

    def deviations(self, channels: int, width: int) -> list[tuple[Any, Any]]:
        """Of the entries of weights and biases as they are drawn, None where there are no biases."""
        return [(1.0, 1.0 if layer.bias_variance else None) for layer in self.weighted]

    def outputs(self, x: Array, weights: Any, biases: Any) -> tuple[Array, Back]:
        """Outputs `(1, n, 1)` at `x (channels, n, pixels)`, for weights of these shapes and biases `(units,)` or None,
        and the way back, see `Layer.forward`."""
        return self.serial.forward(x, map(Parameters, weights, biases))


@dataclass(frozen=True)
class Serial(Layer, Architecture):
    """Layers one after the other, see `serial`."""

    layers: tuple[Layer, ...]

    @property
    def serial(self) -> Serial:
        return self

    @property
    def depth(self) -> int:
        """The number of hidden layers with weights."""
        return len(self.weighted) - 1

    @cached_property
    def complete(self) -> bool:
        """True; `ValueError` where the layers are no network with one output."""
        if not isinstance(self.layers[-1], Dense):
            raise ValueError(
                f"the network ends in {type(self.layers[-1]).__name__}; add a Dense, which gives the output"
            )
        if self.depth < 1:
            raise ValueError("the network is one Dense; put a layer with weights before it")
        self.kind(Kind(images=self.images))
        return True

    def leaves(self) -> Iterator[Layer]:
        for layer in self.layers:
            yield from layer.leaves()

    def kind(self, given: Kind) -> Kind:
        for layer in self.layers:
            given = layer.kind(given)
        return given

    def numbers(self) -> Iterator[tuple[str, Any]]:
        for layer in self.layers:
            yield from layer.numbers()

    def side(self, given: Side, told: Told) -> Iterator[Side]:
        for layer in self.layers:
            out = given
            for out in layer.side(given, told):
                yield out
            given = out

    def pair(self, given: Pair, tape: Tape) -> Pair:
        for layer in self.layers:
            given = layer.pair(given, tape)
        return given

    def forward(self, x: Array, parameters: Iterator[Parameters]) -> tuple[Array, Back]:
        ways = []
        for layer in self.layers:
            x, way = layer.forward(x, parameters)
            ways.append(way)

        def back(slope: Array, passed: list[Passage]) -> Array:
            for way in ways[::-1]:
                slope = way(slope, passed)
            return slope

        return x, back


def serial(*layers: Layer) -> Serial:
    """Layers one after the other: a network if the last is a Dense, whose one unit is the output; or a part of one.

    Raises `ValueError` for what is not a layer. Whether the layers fit is checked where the network is used.

    >>> import numpy as np
    >>> from alignmath.activations import ERF, RELU
    >>> from alignmath.architectures import Dense, Nonlinearity, Residual, serial
    >>> from alignmath.kernels import tangent
    >>> block = Residual(Dense(2.0), Nonlinearity(RELU), factor=0.3)
    >>> network = serial(Dense(2.0, 0.1), Nonlinearity(ERF), block, block, Dense())
    >>> network.depth
    3
    >>> bool(np.all(np.linalg.eigvalsh(tangent(np.eye(3), network)) > 0))
    True
    """
    for layer in layers:
        if not isinstance(layer, Layer):
            raise ValueError(
                f"a layer is {layer!r}; expected Dense, Convolution, Nonlinearity, GlobalAveragePooling, Residual or "
                "serial(...)"
            )
    if not layers:
        raise ValueError("serial has no layers; pass at least one")
    return Serial(layers)
