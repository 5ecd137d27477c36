"""Networks of `alignmath.architectures` with random weights."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alignmath.architectures import Architecture
from alignmath.architectures.named import as_architecture
from alignmath.arrays import as_floating, as_generator, as_order, is_torch_array
from alignmath.extras import needs

from ...runs import as_device, as_dtype

if TYPE_CHECKING:
    import torch

    from alignmath.architectures.layers import Passage

__all__ = ["WideNetwork", "as_columns", "passages", "random_network"]


@dataclass(frozen=True, eq=False)
class WideNetwork:
    """A finite network of an architecture of depth H and one width m; torch tensors.

    - architecture: `FullyConnected`, `ResNet`, `ConvolutionalResNet`, `serial(...)` or `StandardParametrisation` of
      `alignmath.architectures`.
    - weights: `W^(1), ..., W^(H)`, `(m, D)` each: for vectors `(m, d)` and `(m, m)`, for convolutions `(m, q d_0)` and
      `(m, q m)`, the channels of one pixel of a patch together.
    - output: a, `(m,)`, or `(m, p)` if what comes to the output layer has p pixels.
    - biases: for every layer, the output's last, `(units,)`, or None where it has none; None for no biases at all.

    >>> from alignmath.activations import RELU
    >>> from alignmath.architectures import FullyConnected
    >>> from solvers.dynamics.wide_networks import random_network
    >>> network = random_network(3, FullyConnected(2, RELU), 50)
    >>> network.depth, network.width, [tuple(W.shape) for W in network.weights]
    (2, 50, [(50, 3), (50, 50)])
    >>> tuple(network([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).shape)
    (2,)
    """

    architecture: Architecture
    weights: tuple[torch.Tensor, ...]
    output: torch.Tensor
    biases: tuple[torch.Tensor | None, ...] | None = None

    @property
    def depth(self) -> int:
        """H."""
        return len(self.weights)

    @property
    def width(self) -> int:
        """m."""
        return self.output.shape[0]

    def __call__(self, x: Any) -> torch.Tensor:
        """Outputs `(n,)` at inputs `(n, d)`, or `(n, d_0, p)` for networks that begin with a convolution."""
        return _forward(self, as_columns(self, x, "x"))[0]


def random_network(
    input_size: int | tuple[int, int],
    architecture: Architecture,
    width: int,
    *,
    seed: int | np.random.Generator = 0,
    dtype: Any = None,
    device: Any = None,
) -> WideNetwork:
    """A network with independent normal weights and biases: standard, as the factors are the layers'; of a
    `StandardParametrisation` with its variances.

    input_size: d, or `(d_0, p)`, channels and pixels, for networks that begin with a convolution. width: m, the units
    of every hidden layer. seed: an integer, or a NumPy generator; the same seed gives the same weights on one kind of
    device, and torch's own random numbers are left alone. dtype: float64 (also for None) or float32. device: None for
    the CPU. Raises `ValueError` for bad input, and for activations whose derivative is no function.

    >>> from alignmath.activations import TANH
    >>> from alignmath.architectures import ConvolutionalResNet
    >>> from solvers.dynamics.wide_networks import random_network
    >>> network = random_network((3, 8), ConvolutionalResNet(2, TANH), 20, seed=1)
    >>> [tuple(W.shape) for W in network.weights], tuple(network.output.shape)
    ([(20, 9), (20, 60)], (20, 8))

    A network of one's own next to its limit, the tangent kernel:

    >>> import numpy as np
    >>> from alignmath.architectures import Convolution, Dense, GlobalAveragePooling, Nonlinearity, serial
    >>> from alignmath.kernels import tangent
    >>> from solvers.dynamics.wide_networks import grams
    >>> layers = Convolution(0.5, 0.1), Nonlinearity(TANH), GlobalAveragePooling(), Dense(1.0, 0.1)
    >>> x = np.arange(16.0).reshape(2, 1, 8) / 8
    >>> G = grams(random_network((1, 8), serial(*layers), 5000), x).sum(dim=0).numpy()
    >>> bool(abs(G / tangent(x, serial(*layers)) - 1).max() < 0.05)
    True
    """
    needs("torch", "torch")
    import torch

    a = as_architecture(architecture)
    for layer in a.nonlinearities:
        if not layer.activation.differentiable:
            raise ValueError(
                f"architecture has the activation {layer.activation.name}, whose derivative is no function; it cannot "
                "be trained"
            )
    if isinstance(input_size, tuple) != a.images or (isinstance(input_size, tuple) and len(input_size) != 2):
        raise ValueError(f"input_size is {input_size!r}; expected {'(d_0, p)' if a.images else 'd'} for {a}")
    sizes = input_size if isinstance(input_size, tuple) else (input_size, 1)
    channels, pixels = (as_order(v, "input_size", least=1, most=10**9) for v in sizes)
    m = as_order(width, "width", least=1, most=10**7)
    kind, home = as_dtype(dtype, np.zeros(())), as_device(device, torch.device("cpu"))
    generator = torch.Generator(home).manual_seed(_number(seed))

    def scaled(deviation: Any, *shape: int) -> torch.Tensor:
        return deviation * torch.randn(shape, generator=generator, dtype=kind, device=home)

    *shapes, (_, last) = a.shapes(channels, pixels, m)
    *hidden, (final, _) = deviations = a.deviations(channels, m)
    weights = tuple(scaled(d, *shape) for shape, (d, _) in zip(shapes, hidden, strict=True))
    output = scaled(final, m) if last == m else scaled(final, m, last // m)
    units = [*(len(W) for W in weights), 1]
    biases = tuple(None if d is None else scaled(d, u) for u, (_, d) in zip(units, deviations, strict=True))
    return WideNetwork(a, weights, output, None if all(b is None for b in biases) else biases)


def _number(seed: Any) -> int:
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**63 - 1))
    as_generator(seed)
    return as_order(operator.index(seed), "seed", most=2**63 - 1)


def as_columns(network: WideNetwork, x: Any, name: str) -> torch.Tensor:
    """Inputs as `(channels, n, pixels)`, in the network's precision and on its device; vectors have one pixel."""
    import torch

    checked = as_floating(x, name, least_ndim=2)
    inputs = (checked if is_torch_array(checked) else torch.as_tensor(checked)).to(network.output)
    a, size = network.architecture, network.weights[0].shape[1]
    per = a.weighted[0].fan_in(1, 1)
    fits = inputs.ndim == 2 + a.images and inputs.shape[1] * per == size
    last = network.output.shape[1] if network.output.ndim == 2 else None  # the pixels, where the output layer tells
    if not fits or (a.images and last not in (None, inputs.shape[2])):
        sizes = f"{size // per}, {'p' if last is None else last}" if a.images else str(size)
        raise ValueError(f"{name} has shape {tuple(inputs.shape)}; expected (n, {sizes})")
    return (inputs if a.images else inputs[..., None]).movedim(0, 1)


def passages(network: WideNetwork, x: torch.Tensor) -> tuple[torch.Tensor, list[Passage]]:
    """Outputs `(n,)` at `x (channels, n, pixels)`, and what passed each layer, the output's last."""
    import torch

    outputs, back = _forward(network, x)
    passed: list[Passage] = []
    back(torch.ones_like(outputs)[None, :, None], passed)
    return outputs, passed[::-1]


def _forward(network: WideNetwork, x: torch.Tensor) -> tuple[torch.Tensor, Any]:
    weights = [*network.weights, network.output.reshape(1, -1)]
    biases = network.biases or (None,) * len(weights)
    outputs, back = network.architecture.outputs(x, weights, biases)
    return outputs[0, :, 0], back
