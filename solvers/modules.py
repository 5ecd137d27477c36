"""Networks to and from `torch.nn` modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alignmath.extras import needs
from alignmath.networks import ConvReLU, DeepReLU, TwoLayer, as_deep

if TYPE_CHECKING:
    import torch

__all__ = ["from_module", "to_module"]

_EXPECTED = (
    "a torch.nn.Sequential of Linear, ReLU, ..., Linear; or of Conv2d, ReLU, ..., AdaptiveAvgPool2d, Flatten, Linear"
)


def to_module(network: TwoLayer | DeepReLU | ConvReLU) -> torch.nn.Sequential:
    """The network as a `torch.nn.Sequential` of `Linear` (or `Conv2d`) and `ReLU`, with weights of its own.

    Weights keep their dtype and device; torch's random numbers are left alone. A `ConvReLU` ends in
    `AdaptiveAvgPool2d(1)`, `Flatten` and `Linear`. The module of a `TwoLayer` has one output, `(N, 1)`. Raises
    `ValueError` for a batch of networks, `ImportError` without torch.

    >>> module = to_module(TwoLayer(np.eye(3)))
    >>> [type(layer).__name__ for layer in module]
    ['Linear', 'ReLU', 'Linear']
    """
    needs("torch", "torch")
    from torch import nn

    if isinstance(network, TwoLayer):
        network = as_deep(network)
    if not isinstance(network, DeepReLU | ConvReLU):
        raise ValueError(f"network is {type(network).__name__}; expected a TwoLayer, DeepReLU or ConvReLU")
    if network.batch:
        raise ValueError(f"network is a batch of shape {network.batch}; take one network of it")
    conv = isinstance(network, ConvReLU)
    weights = [*network.kernels, network.output] if conv else list(network.weights)
    biases = network.biases or (None,) * len(weights)
    strides = (network.strides or ()) if conv else ()
    layers: list[nn.Module] = []
    for number, (given, bias) in enumerate(zip(weights, biases, strict=True)):
        weight = _copied(given)
        shape = {"bias": bias is not None, "device": "meta"}  # on this device no start is drawn
        layer: Any
        if number < len(strides):
            size = weight.shape[-1]
            layer = nn.Conv2d(weight.shape[1], weight.shape[0], size, strides[number], size // 2, **shape)
        else:
            layer = nn.Linear(weight.shape[1], weight.shape[0], **shape)
        layer.weight = nn.Parameter(weight)
        if bias is not None:
            layer.bias = nn.Parameter(_copied(bias))
        layers += [layer, nn.ReLU()] if number + 1 < len(weights) else [layer]
        if number + 1 == len(strides):
            layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers)


def from_module(module: torch.nn.Module) -> DeepReLU | ConvReLU:
    """The network of a `torch.nn.Sequential` as `to_module` makes it; its weights are shared, and carry no gradients.

    Raises `ValueError`, naming the layer, for what these networks do not have: other layers or orders of layers,
    biases in some layers only, even or oblong kernels, padding other than half the kernel, dilation, groups; and for
    what the networks themselves refuse. `ImportError` without torch.

    >>> from_module(to_module(TwoLayer(np.eye(3)))).widths
    (3, 3, 1)
    """
    needs("torch", "torch")
    from torch import nn

    if type(module) is not nn.Sequential:  # one of a class of its own may compute something else with the same layers
        raise ValueError(f"module is a {type(module).__name__}; expected {_EXPECTED}")
    layers: list[Any] = list(module)
    linear: list[Any] = [layer for layer in layers if isinstance(layer, nn.Linear | nn.Conv2d)]
    conv = any(isinstance(layer, nn.Conv2d) for layer in linear)
    tail = [nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear] if conv else [nn.Linear]
    head = [nn.Conv2d if conv else nn.Linear, nn.ReLU] * (len(linear) - 1)
    if [type(layer) for layer in layers] != [*head, *tail]:
        names = ", ".join(type(layer).__name__ for layer in layers)
        raise ValueError(f"module has the layers {names or 'none'}; expected {_EXPECTED}")
    without = [f"{layer}" for layer in linear if layer.bias is None]
    if 0 < len(without) < len(linear):
        raise ValueError(f"{without[0]} has no bias, and other layers have; give every layer one, of zeros perhaps")
    weights = tuple(layer.weight.detach() for layer in linear)
    biases = None if linear[0].bias is None else tuple(layer.bias.detach() for layer in linear)
    if not conv:
        return DeepReLU(weights, biases)
    for layer in linear[:-1]:
        size, stride, half = layer.kernel_size[0], layer.stride[0], (layer.kernel_size[0] // 2,) * 2
        padding = {"same": half, "valid": (0, 0)}.get(layer.padding, layer.padding)
        plain = layer.groups == 1 and layer.dilation == (1, 1) and (layer.padding_mode == "zeros" or half == (0, 0))
        square = size % 2 == 1 and layer.kernel_size == (size, size) and layer.stride == (stride, stride)
        if not plain or not square or padding != half:
            raise ValueError(
                f"{layer} is none of these networks'; expected a square kernel of odd size, one stride for both axes, "
                "padding with zeros by half the kernel, no dilation, no groups"
            )
    pool, flatten = layers[-3:-1]
    if pool.output_size not in (1, (1, 1)):
        raise ValueError(f"{pool} leaves positions; expected AdaptiveAvgPool2d(1), the mean over all of them")
    if (flatten.start_dim, flatten.end_dim) not in ((1, -1), (1, 3)):
        raise ValueError(f"{flatten} changes the number of images; expected Flatten()")
    return ConvReLU(weights[:-1], weights[-1], biases, tuple(layer.stride[0] for layer in linear[:-1]))


def _copied(array: Any) -> torch.Tensor:
    import torch

    return array.detach().clone() if isinstance(array, torch.Tensor) else torch.as_tensor(np.array(array))
