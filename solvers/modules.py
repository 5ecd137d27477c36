"""Networks to and from `torch.nn` modules."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from alignmath.activations import GELU, SIGMOID, SILU, SOFTPLUS, TANH, Activation, leaky_relu
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
    `AdaptiveAvgPool2d(1)`, `Flatten` and `Linear`. The module of a `TwoLayer` has one output, `(N, 1)`, and its
    activation between its layers, if torch has a module for that: for RELU, leaky_relu, TANH, SIGMOID, GELU, SILU and
    SOFTPLUS. Raises `ValueError` for other activations and for a batch of networks, `ImportError` without torch.

    >>> to_module(TwoLayer([[1.0, 2.0], [3.0, 4.0]]))
    Sequential(
      (0): Linear(in_features=2, out_features=2, bias=False)
      (1): ReLU()
      (2): Linear(in_features=2, out_features=1, bias=False)
    )
    """
    needs("torch", "torch")
    from torch import nn

    if not isinstance(network, TwoLayer | DeepReLU | ConvReLU):
        raise ValueError(f"network is {type(network).__name__}; expected a TwoLayer, DeepReLU or ConvReLU")
    if network.batch:
        raise ValueError(f"network is a batch of shape {network.batch}; take one network of it")
    activation: Any = nn.ReLU
    if isinstance(network, TwoLayer):
        activation = _activation_module(network.activation)
        weights: list[Any] = [network.hidden, network.output[None, :]]
        biases: Any = [network.bias, None] if activation is not nn.ReLU else (as_deep(network).biases or [None] * 2)
    else:
        conv = isinstance(network, ConvReLU)
        weights = [*network.kernels, network.output] if conv else list(network.weights)
        biases = network.biases or [None] * len(weights)
    strides = (network.strides or ()) if isinstance(network, ConvReLU) else ()
    layers: list[nn.Module] = []
    for number, (given, bias) in enumerate(zip(weights, biases, strict=True)):
        layers.append(_linear(given, bias, strides[number] if number < len(strides) else None))
        if number + 1 < len(weights):
            layers.append(activation())
        if number + 1 == len(strides):
            layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers)


def _linear(given: Any, bias: Any, stride: int | None) -> Any:
    """`Conv2d` of that stride, or `Linear` for None, with copies of weight and bias."""
    from torch import nn

    weight = _copied(given)
    shape = {"bias": bias is not None, "device": "meta"}  # on this device no start is drawn
    layer: Any
    if stride is None:
        layer = nn.Linear(weight.shape[1], weight.shape[0], **shape)
    else:
        size = weight.shape[-1]
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], size, stride, size // 2, **shape)
    layer.weight = nn.Parameter(weight)
    if bias is not None:
        layer.bias = nn.Parameter(_copied(bias))
    return layer


def _activation_module(activation: Activation) -> Callable[[], torch.nn.Module]:
    """What makes torch's module of an activation."""
    from torch import nn

    if activation.slopes is not None and activation.slopes[0] == 1.0:  # max(x, 0) + slope min(x, 0)
        slope = activation.slopes[1]
        return nn.ReLU if slope == 0 else partial(nn.LeakyReLU, slope)
    known = {
        TANH: nn.Tanh,
        SIGMOID: nn.Sigmoid,
        GELU: nn.GELU,
        SILU: nn.SiLU,
        SOFTPLUS: partial(nn.Softplus, threshold=40),  # beyond 40 it is x to rounding; beyond 20, torch's default, not
    }
    if activation not in known:
        raise ValueError(f"network has the activation {activation.name}, for which torch has no module")
    return known[activation]


def _activation_of(module: torch.nn.Module) -> Activation | None:
    """The activation that a module computes, if it is one of those of `to_module`, ReLU apart."""
    from torch import nn

    kind: type = type(module)
    layer: Any = module
    if kind is nn.LeakyReLU:
        return leaky_relu(layer.negative_slope)
    if kind is nn.GELU:
        return GELU if layer.approximate == "none" else None
    if kind is nn.Softplus:
        return SOFTPLUS if layer.beta == 1 and layer.threshold >= 40 else None
    return {nn.Tanh: TANH, nn.Sigmoid: SIGMOID, nn.SiLU: SILU}.get(kind)


def from_module(module: torch.nn.Module) -> TwoLayer | DeepReLU | ConvReLU:
    """The network of a `torch.nn.Sequential` as `to_module` makes it; its weights are shared, and carry no gradients.

    With ReLU it is a `DeepReLU` or `ConvReLU`; two linear layers with another activation of `to_module` between them,
    one output and no bias there are a `TwoLayer`. Raises `ValueError`, naming the layer, for what these networks do not
    have: other layers or orders of layers, biases in some layers only, even or oblong kernels, padding other than half
    the kernel, dilation, groups; and for what the networks themselves refuse. `ImportError` without torch.

    >>> import numpy as np
    >>> network = from_module(to_module(DeepReLU((np.ones((4, 3)), np.ones((2, 4))))))
    >>> type(network).__name__, network.widths
    ('DeepReLU', (3, 4, 2))
    """
    needs("torch", "torch")
    from torch import nn

    if type(module) is not nn.Sequential:  # one of a class of its own may compute something else with the same layers
        raise ValueError(f"module is a {type(module).__name__}; expected {_EXPECTED}")
    layers: list[Any] = list(module)
    if len(layers) == 3 and type(layers[0]) is type(layers[2]) is nn.Linear and (other := _activation_of(layers[1])):
        return _two_layer(layers[0], other, layers[2])
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
    _require_convolutions(linear[:-1], *layers[-3:-1])
    return ConvReLU(weights[:-1], weights[-1], biases, tuple(layer.stride[0] for layer in linear[:-1]))


def _two_layer(first: Any, activation: Activation, last: Any) -> TwoLayer:
    if last.bias is not None or last.out_features != 1:
        raise ValueError(f"{last} follows {activation.name}; expected one output without a bias, a TwoLayer's")
    bias = None if first.bias is None else first.bias.detach()
    return TwoLayer(first.weight.detach(), last.weight.detach()[0], bias, activation)


def _require_convolutions(linear: list[Any], pool: Any, flatten: Any) -> None:
    """Raise a `ValueError` for convolutions, pooling and flattening other than a `ConvReLU`'s."""
    for layer in linear:
        size, stride, half = layer.kernel_size[0], layer.stride[0], (layer.kernel_size[0] // 2,) * 2
        padding = {"same": half, "valid": (0, 0)}.get(layer.padding, layer.padding)
        plain = layer.groups == 1 and layer.dilation == (1, 1) and (layer.padding_mode == "zeros" or half == (0, 0))
        square = size % 2 == 1 and layer.kernel_size == (size, size) and layer.stride == (stride, stride)
        if not plain or not square or padding != half:
            raise ValueError(
                f"{layer} is none of these networks'; expected a square kernel of odd size, one stride for both axes, "
                "padding with zeros by half the kernel, no dilation, no groups"
            )
    if pool.output_size not in (1, (1, 1)):
        raise ValueError(f"{pool} leaves positions; expected AdaptiveAvgPool2d(1), the mean over all of them")
    if (flatten.start_dim, flatten.end_dim) not in ((1, -1), (1, 3)):
        raise ValueError(f"{flatten} changes the number of images; expected Flatten()")


def _copied(array: Any) -> torch.Tensor:
    import torch

    return array.detach().clone() if isinstance(array, torch.Tensor) else torch.as_tensor(np.array(array))
