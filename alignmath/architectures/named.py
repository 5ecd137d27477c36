"""The networks of the wide_networks paper (arXiv:1811.03804), Section 3.3, and fully connected ones in the usual
parametrisation, put together from `algebra`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..activations import Activation
from ..activations.base import as_activation
from ..arrays import as_order, value_only
from .algebra import Architecture, Residual, Serial, serial
from .layers import Convolution, Dense, Layer, Nonlinearity
from .numbers import as_factor, as_variance, has_gradient

__all__ = ["ConvolutionalResNet", "FullyConnected", "ResNet", "as_architecture"]

_DEEPEST = 10_000


@dataclass(frozen=True)
class _Named(Architecture):
    depth: int
    activation: Activation | tuple[Activation, ...]

    def __post_init__(self) -> None:
        least = 2 if isinstance(self, ResNet) else 1
        object.__setattr__(self, "depth", as_order(self.depth, "depth", least=least, most=_DEEPEST))
        if isinstance(self.activation, tuple | list):
            object.__setattr__(self, "activation", tuple(self.activation))
            if len(self.activations) != self.depth:
                raise ValueError(f"activation has {len(self.activations)} entries; expected {self.depth}, one a layer")
        for s in self.activations:
            as_activation(s)

    @property
    def activations(self) -> tuple[Activation, ...]:
        """Of the layers 1 to H."""
        s = self.activation
        return s if isinstance(s, tuple) else (s,) * self.depth

    @property
    def serial(self) -> Serial:
        return self._built

    @cached_property
    def _built(self) -> Serial:
        network = serial(*self._layers())
        assert network.complete
        return network

    def _layers(self) -> list[Layer]:
        raise NotImplementedError


@dataclass(frozen=True)
class FullyConnected(_Named):
    """Fully connected layers, in the paper's scaling or the usual parametrisation.

    - depth: H, hidden layers, 1 to 10,000. activation: one, or a tuple of H.
    - weight_variance: None for the paper's scaling: `x^(h) = sqrt(c_h / m) s_h(W^(h) x^(h-1))` with `c_h =
      activation.c_sigma` (equation (2)). A number, or a tuple of H: `x^(h) = s_h(sqrt(weight_variance / fan-in) W^(h)
      x^(h-1) + ...)`.
    - bias_variance: every layer adds `sqrt(bias_variance) b`, the output too. A number, or a tuple of H + 1.
    - last_weight_variance: the output is `sqrt(last_weight_variance / m) a . x^(H)`, in the paper's scaling
      `sqrt(last_weight_variance) a . x^(H)`.

    Variances that are torch tensors with gradients keep them: kernels of tensors have gradients by them. They are then
    above 0 (exponentials of parameters, say).

    >>> import torch
    >>> from alignmath.activations import RELU, TANH
    >>> from alignmath.architectures import FullyConnected
    >>> from alignmath.kernels import conjugate
    >>> FullyConnected(2, (RELU, TANH), weight_variance=(2.0, 1.5), bias_variance=(0.1, 0.0, 0.1)).depth
    2
    >>> w = torch.tensor(2.0, requires_grad=True)
    >>> kernel = conjugate(torch.tensor([[3.0, 4.0]]), FullyConnected(2, RELU, weight_variance=w))
    >>> kernel.sum().backward()  # 25 / 8 w^2
    >>> w.grad
    tensor(12.5000)
    """

    weight_variance: Any = None
    bias_variance: Any = 0.0
    last_weight_variance: Any = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight_variance is not None:
            self._check("weight_variance", self.depth)
        self._check("bias_variance", self.depth + 1)
        object.__setattr__(self, "last_weight_variance", as_variance(self.last_weight_variance, "last_weight_variance"))

    def _check(self, name: str, count: int) -> None:
        given = getattr(self, name)
        if isinstance(given, tuple | list):
            checked: Any = tuple(as_variance(v, name) for v in given)
            if len(checked) != count:
                raise ValueError(f"{name} has {len(checked)} entries; expected {count}, one a layer")
        else:
            checked = as_variance(given, name)
        object.__setattr__(self, name, checked)

    @property
    def weight_variances(self) -> tuple[Any, ...]:
        """Of the layers 1 to H + 1; in the paper's scaling 1 in all but the last."""
        w = 1.0 if self.weight_variance is None else self.weight_variance
        return (*(w if isinstance(w, tuple) else (w,) * self.depth), self.last_weight_variance)

    @property
    def bias_variances(self) -> tuple[Any, ...]:
        """Of the layers 1 to H + 1."""
        b = self.bias_variance
        return b if isinstance(b, tuple) else (b,) * (self.depth + 1)

    def recursion(self, layers: frozenset[int], *, width: int | None = None) -> Any:
        """By angles where all activations are linear on both sides of 0, and not all linear. width: of the standard
        parametrisation, by angles only."""
        from ..kernels.angles import PlainAngles, homogeneous

        angular = homogeneous(self.activations)
        if angular is None:
            return super().recursion(layers)
        paper = self.weight_variance is None
        return PlainAngles(angular, self.weight_variances, self.bias_variances, layers, paper=paper, width=width)

    def _layers(self) -> list[Layer]:
        paper, layers = self.weight_variance is None, list[Layer]()
        *hidden, last = zip(self.weight_variances, self.bias_variances, strict=True)
        for k, (s, (w, b)) in enumerate(zip(self.activations, hidden, strict=True)):
            layers.append(Dense(w, b, scaled=k > 0 or not paper))
            layers.append(Nonlinearity(s, s.c_sigma**0.5 if paper else 1.0))
        return [*layers, Dense(*last)]


@dataclass(frozen=True)
class ResNet(_Named):
    """The paper's residual network, equation (3): `x^(1) = sqrt(c_sigma / m) s(W^(1) x)`, `x^(h) = x^(h-1) + scale / (H
    sqrt(m)) s(W^(h) x^(h-1))`, the output `a . x^(H)`.

    - depth: H, 2 to 10,000. activation: one, or a tuple of H. scale: c_res, in (0, 1).

    >>> from alignmath.activations import SOFTPLUS
    >>> from alignmath.architectures import ResNet
    >>> ResNet(4, SOFTPLUS, scale=0.8).serial.depth
    4
    """

    scale: Any = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "scale", as_factor(self.scale, "scale", above=True))
        if value_only(self.scale) >= 1:
            raise ValueError(f"scale is {self.scale!r}; expected a number in (0, 1)")

    @property
    def serial(self) -> Serial:
        return serial(*self._layers()) if has_gradient(self.scale) else self._built

    def recursion(self, layers: frozenset[int]) -> Any:
        """As of `FullyConnected`."""
        from ..kernels.angles import ResidualAngles, homogeneous

        angular = homogeneous(self.activations)
        return super().recursion(layers) if angular is None else ResidualAngles(angular, self.scale, layers)

    def _layers(self) -> list[Layer]:
        first, *others = self.activations
        blocks = [Residual(self._weights(), Nonlinearity(s), factor=self.scale / self.depth) for s in others]
        return [self._weights(scaled=False), Nonlinearity(first, first.c_sigma**0.5), *blocks, Dense()]

    def _weights(self, *, scaled: bool = True) -> Layer:
        return Dense(scaled=scaled)


@dataclass(frozen=True)
class ConvolutionalResNet(ResNet):
    """The same on images: every W acts on patches (the convolutional ResNet of Section 3.3); the output sums over
    pixels, with weights of their own.

    - depth, activation, scale: as of `ResNet`. patch: q, odd, the pixels of a patch; stride 1, zero padding.

    >>> from alignmath.activations import SOFTPLUS
    >>> from alignmath.architectures import ConvolutionalResNet
    >>> ConvolutionalResNet(2, SOFTPLUS, patch=5).images
    True
    """

    patch: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        Convolution(patch=self.patch)  # which checks it

    def recursion(self, layers: frozenset[int]) -> Any:
        """By covariances."""
        return Architecture.recursion(self, layers)

    def _weights(self, *, scaled: bool = True) -> Layer:
        return Convolution(patch=self.patch, scaled=scaled)


def as_architecture(value: Any) -> Architecture:
    """`value`, or a `ValueError` if it is no network that ends in one output."""
    if not isinstance(value, Architecture):
        raise ValueError(
            f"architecture is {value!r}; expected FullyConnected, ResNet, ConvolutionalResNet, serial(...) or "
            "StandardParametrisation of alignmath.architectures"
        )
    assert value.serial.complete
    return value
