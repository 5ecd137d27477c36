"""Networks to and from `torch.nn` modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alignmath.networks import ConvReLU, DeepReLU

if TYPE_CHECKING:
    import torch

__all__ = ["from_module", "to_module"]


def to_module(network: DeepReLU | ConvReLU) -> torch.nn.Sequential:
    """The network as a `torch.nn.Sequential` of `Linear` (or `Conv2d`) and `ReLU`, with weights of its own.

    A `ConvReLU` ends in `AdaptiveAvgPool2d(1)`, `Flatten` and `Linear`. Raises `ValueError` for a batch of networks.
    """
    import torch
    from torch import nn

    if network.batch:
        raise ValueError(f"network is a batch of shape {network.batch}; take one network of it")
    conv = isinstance(network, ConvReLU)
    weights = [*network.kernels, network.output] if conv else list(network.weights)
    biases = network.biases or (None,) * len(weights)
    layers: list[nn.Module] = []
    for l, (given, bias) in enumerate(zip(weights, biases, strict=True)):
        weight = torch.as_tensor(given).detach().clone()
        layer: Any
        if conv and l + 1 < len(weights):
            size = weight.shape[-1]
            layer = nn.Conv2d(weight.shape[1], weight.shape[0], size, network.strides[l], size // 2, bias=bias is not None)
        else:
            layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
        layer = layer.to(dtype=weight.dtype, device=weight.device)
        layer.weight.data.copy_(weight)
        if bias is not None:
            layer.bias.data.copy_(torch.as_tensor(bias).detach())
        layers += [layer, nn.ReLU()] if l + 1 < len(weights) else [layer]
        if conv and l + 2 == len(weights):
            layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers)


def from_module(module: torch.nn.Module) -> DeepReLU | ConvReLU:
    """The network of a `torch.nn.Sequential` as `to_module` makes it; its weights are shared, not copied.

    Raises `ValueError`, naming the layer, for what these networks do not have: other layers or orders of layers, biases in some layers only, even
    or oblong kernels, padding other than half the kernel, dilation, groups.
    """
    from torch import nn

    layers = list(module.children())
    linear = [layer for layer in layers if isinstance(layer, nn.Linear | nn.Conv2d)]
    conv = any(isinstance(layer, nn.Conv2d) for layer in linear)
    tail = [nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear] if conv else [nn.Linear]
    head = [nn.Conv2d if conv else nn.Linear, nn.ReLU] * (len(linear) - 1)
    if [type(layer) for layer in layers] != [*head, *tail] or not linear:
        names = ", ".join(type(layer).__name__ for layer in layers)
        raise ValueError(f"module has the layers {names or 'none'}; expected what to_module makes: {_EXPECTED}")
    if len({layer.bias is None for layer in linear}) > 1:
        raise ValueError("some layers of the module have a bias and some have none; give every layer one, of zeros perhaps")
    weights = [layer.weight.detach() for layer in linear]
    biases = None if linear[0].bias is None else tuple(layer.bias.detach() for layer in linear)
    if not conv:
        return DeepReLU(tuple(weights), biases)
    for layer in linear[:-1]:
        size, stride = layer.kernel_size, layer.stride
        plain = layer.groups == 1 and tuple(layer.dilation) == (1, 1) and layer.padding_mode == "zeros"
        if not plain or size[0] != size[1] or stride[0] != stride[1] or tuple(layer.padding) != (size[0] // 2,) * 2:
            raise ValueError(f"{layer} is not one of these networks: they have square kernels, one stride, zero padding of half the kernel")
    pool = next(layer for layer in layers if isinstance(layer, nn.AdaptiveAvgPool2d))
    if pool.output_size not in (1, (1, 1)):
        raise ValueError(f"{pool} leaves positions; expected AdaptiveAvgPool2d(1), the mean over all of them")
    return ConvReLU(tuple(weights[:-1]), weights[-1], biases, tuple(layer.stride[0] for layer in linear[:-1]))


_EXPECTED = "Linear, ReLU, ..., Linear; or Conv2d, ReLU, ..., AdaptiveAvgPool2d, Flatten, Linear"
