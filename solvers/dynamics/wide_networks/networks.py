"""Networks of the wide_networks paper with random weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alignmath.activations import Activation
from alignmath.activations.base import as_activation
from alignmath.arrays import as_floating, as_number, as_order, is_torch_array
from alignmath.kernels import ARCHITECTURES

if TYPE_CHECKING:
    import torch

__all__ = ["WideNetwork", "as_inputs", "forward", "random_network"]


@dataclass(frozen=True)
class WideNetwork:
    """A network of the wide_networks paper, equations (2), (3) and the one after them.

    weights: `W^(1) (m, d)`, `W^(2), ..., W^(H) (m, m)`; for "convolutional_resnet" `(m, q d_0)` and `(m, q m)`, with
    the channels of one pixel of a patch together. output: a, `(m,)`, or `(m, p)` for p pixels. Torch tensors.
    residual_scale: c_res; patch: q.
    """

    architecture: str
    activation: Activation
    weights: tuple[torch.Tensor, ...]
    output: torch.Tensor
    residual_scale: float = 0.5
    patch: int = 3

    @property
    def depth(self) -> int:
        """H."""
        return len(self.weights)

    @property
    def width(self) -> int:
        """m."""
        return self.output.shape[0]

    def __call__(self, X: Any) -> torch.Tensor:
        """Outputs `(n,)` at inputs `(n, d)`, or `(n, d_0, p)` for the convolutional network."""
        return forward(self, as_inputs(self, X, "X"), None)[0]


def random_network(
    inputs: int | tuple[int, int],
    depth: int,
    width: int,
    activation: Activation,
    architecture: str = "fully_connected",
    *,
    residual_scale: float = 0.5,
    patch: int = 3,
    seed: int = 0,
    dtype: str = "float64",
    device: Any = "cpu",
) -> WideNetwork:
    """A network with independent standard normal weights.

    inputs: d, or `(d_0, p)`, channels and pixels, for "convolutional_resnet". depth: H, at least 1, for the residual
    networks 2. width: m. residual_scale, patch: as of `alignmath.kernels.gram`. The same seed gives the same weights on
    one kind of device; torch's own random numbers are left alone. Raises `ValueError` for bad input.
    """
    import torch

    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture is {architecture!r}; expected one of {list(ARCHITECTURES)}")
    if not as_activation(activation).differentiable:
        raise ValueError(f"activation is {activation.name}, whose derivative is no function; it cannot be trained")
    convolutional = architecture == "convolutional_resnet"
    if isinstance(inputs, tuple) != convolutional or (isinstance(inputs, tuple) and len(inputs) != 2):
        raise ValueError(f"inputs is {inputs!r}; expected {'(d_0, p)' if convolutional else 'd'} for {architecture}")
    sizes = [as_order(v, "inputs", least=1, most=10**9) for v in (inputs if isinstance(inputs, tuple) else (inputs,))]
    H = as_order(depth, "depth", least=1 if architecture == "fully_connected" else 2, most=10_000)
    m = as_order(width, "width", least=1, most=10**7)
    scale = as_number(residual_scale, "residual_scale", above=True)
    if scale >= 1:
        raise ValueError(f"residual_scale is {residual_scale!r}; expected a number in (0, 1)")
    q = as_order(patch, "patch", least=1, most=10**6)
    if q % 2 == 0:
        raise ValueError(f"patch is {patch!r}; expected an odd number of pixels")
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype is {dtype!r}; expected 'float32' or 'float64'")
    generator = torch.Generator(device).manual_seed(as_order(seed, "seed", most=2**63 - 1))
    per = q if convolutional else 1

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=getattr(torch, dtype), device=device)

    weights = tuple(normal(m, per * (m if h else sizes[0])) for h in range(H))
    output = normal(m, sizes[1]) if convolutional else normal(m)
    return WideNetwork(architecture, activation, weights, output, scale, q)


def as_inputs(network: WideNetwork, X: Any, name: str) -> torch.Tensor:
    """Inputs as `(channels, n, pixels)`, in the network's precision and on its device; vectors have one pixel."""
    import torch

    checked = as_floating(X, name, least_ndim=2)
    x = (checked if is_torch_array(checked) else torch.as_tensor(checked)).to(network.output)
    convolutional = network.architecture == "convolutional_resnet"
    channels = network.weights[0].shape[1] // (network.patch if convolutional else 1)
    expected = (channels, network.output.shape[1]) if convolutional else (channels,)
    if tuple(x.shape[1:]) != expected:
        raise ValueError(f"{name} has shape {tuple(x.shape)}; expected (n, {', '.join(map(str, expected))})")
    return (x if convolutional else x[..., None]).movedim(0, 1)


def _patches(value: torch.Tensor, q: int) -> torch.Tensor:
    """phi: of `(c, n, p)` the `(q c, n, p)` values that lie in the patch around each pixel, zeros outside."""
    import torch

    reach, pixels = q // 2, value.shape[-1]
    padded = torch.nn.functional.pad(value, (reach, reach))
    return torch.cat([padded[..., o : o + pixels] for o in range(q)])


def forward(
    network: WideNetwork, x: torch.Tensor, offsets: Sequence[torch.Tensor] | None
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Outputs `(n,)`, and what comes into each layer, `(D, n, p)`, the last into the output layer; offsets are added
    to what the layers' weights give."""
    s, m, H = network.activation, network.width, network.depth
    step = network.residual_scale / H / math.sqrt(m)
    first = math.sqrt(s.c_sigma / m)
    arrived = []
    for h, W in enumerate(network.weights):
        inner = _patches(x, network.patch) if network.architecture == "convolutional_resnet" else x
        arrived.append(inner)
        z = (W @ inner.flatten(1)).unflatten(1, inner.shape[1:])
        value = s.value(z if offsets is None else z + offsets[h])
        plain = h == 0 or network.architecture == "fully_connected"
        x = first * value if plain else x + step * value
    arrived.append(x)
    output = network.output.reshape(m, 1, -1)
    return (output * x).sum(dim=(0, 2)), arrived
