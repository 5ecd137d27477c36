"""Networks as `torch.nn` modules: the same outputs, there and back; what has no counterpart is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from alignmath.activations import ERF, GELU, RELU, SIGMOID, SILU, SOFTPLUS, TANH, leaky_relu
from alignmath.networks import ConvReLU, DeepReLU, TwoLayer, as_deep, regular_polygon
from solvers.modules import from_module, to_module


@st.composite
def networks(draw):
    """A `DeepReLU` or `ConvReLU`, NumPy or torch, either precision, with or without biases, and inputs for it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    depth, conv = draw(st.integers(1, 4)), draw(st.booleans())
    as_torch, kind = draw(st.booleans()), draw(st.sampled_from(["float32", "float64"]))

    def array(*shape):
        values = rng.standard_normal(shape).astype(kind)
        return torch.tensor(values) if as_torch else values

    widths = [draw(st.integers(1, 5)) for _ in range(depth + 1)]
    pairs = list(zip(widths[1:], widths[:-1], strict=True))
    biases = tuple(array(n) for n in widths[1:]) if draw(st.booleans()) else None
    if not conv or depth == 1:
        return DeepReLU(tuple(array(*pair) for pair in pairs), biases), array(6, widths[0])
    sizes = [draw(st.sampled_from([1, 3, 5])) for _ in pairs[:-1]]
    kernels = tuple(array(*pair, k, k) for pair, k in zip(pairs[:-1], sizes, strict=True))
    strides = tuple(draw(st.integers(1, 3)) for _ in sizes)
    return ConvReLU(kernels, array(*pairs[-1]), biases, strides), array(
        2, widths[0], draw(st.integers(1, 7)), draw(st.integers(1, 7))
    )


def parameters(network):
    weights = [*network.kernels, network.output] if isinstance(network, ConvReLU) else network.weights
    return [*weights, *(network.biases or ())]


@given(networks())
def test_a_module_computes_what_its_network_does_and_gives_it_back(case):
    network, x = case
    module = to_module(network)
    outputs = module(torch.as_tensor(x)).detach()
    tolerance = 1e-4 if outputs.dtype == torch.float32 else 1e-11
    np.testing.assert_allclose(outputs, network(x), rtol=tolerance, atol=tolerance)
    back = from_module(module)
    assert type(back) is type(network)
    assert back.widths == network.widths
    assert (back.biases is None) == (network.biases is None)
    assert getattr(back, "strides", None) == getattr(network, "strides", None)
    for ours, theirs in zip(parameters(network), parameters(back), strict=True):
        assert str(theirs.dtype).removeprefix("torch.") == str(ours.dtype).removeprefix("torch.")
        np.testing.assert_array_equal(theirs, ours)


def test_a_two_layer_network_becomes_a_module_of_one_output():
    network = TwoLayer(regular_polygon(3).hidden, [1.0, -2.0, 0.5])
    x = np.random.default_rng(0).standard_normal((5, 2))
    outputs = to_module(network)(torch.tensor(x)).detach()
    np.testing.assert_allclose(outputs[:, 0], network(x), rtol=1e-14)
    np.testing.assert_array_equal(from_module(to_module(network)).weights[1], as_deep(network).weights[1])


@pytest.mark.parametrize(
    "activation", [RELU, leaky_relu(0.2), TANH, SIGMOID, GELU, SILU, SOFTPLUS], ids=lambda s: s.name
)
@pytest.mark.parametrize("biased", [False, True])
def test_a_module_has_the_activation_and_the_biases_of_its_network(activation, biased):
    rng = np.random.default_rng(1)
    bias = rng.standard_normal(4) if biased else None
    network = TwoLayer(10 * rng.standard_normal((4, 3)), rng.standard_normal(4), bias, activation)
    x = rng.standard_normal((50, 3))
    module = to_module(network)
    np.testing.assert_allclose(module(torch.tensor(x)).detach()[:, 0], network(x), rtol=1e-12, atol=1e-13)
    back = from_module(module)
    np.testing.assert_allclose(np.ravel(back(torch.tensor(x))), network(x), rtol=1e-12, atol=1e-13)
    if activation is not RELU:
        assert isinstance(back, TwoLayer)
        assert back.activation.name == activation.name
        assert (back.bias is None) == (network.bias is None)


def test_a_module_has_weights_of_its_own_and_a_network_shares_those_of_its_module():
    weight = np.ones((2, 3))
    weight.flags.writeable = False
    module = to_module(DeepReLU((weight, np.ones((1, 2))), (np.zeros(2), np.zeros(1))))
    network = from_module(module)
    with torch.no_grad():
        module[0].weight.fill_(7.0)
    assert weight.max() == 1
    assert not network.weights[0].requires_grad
    np.testing.assert_array_equal(network.weights[0], np.full((2, 3), 7.0))
    assert all(p.requires_grad for p in module.parameters())


def test_making_a_module_draws_no_random_numbers():
    before = torch.get_rng_state()
    to_module(ConvReLU((np.ones((2, 1, 3, 3)),), np.ones((2, 2))))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_layer_used_twice_counts_twice():
    square = nn.Linear(3, 3, dtype=torch.float64)
    module = nn.Sequential(square, relu := nn.ReLU(), square, relu, nn.Linear(3, 1, dtype=torch.float64))
    x = torch.tensor(np.random.default_rng(1).standard_normal((4, 3)))
    network = from_module(module)
    assert network.depth == 2
    np.testing.assert_allclose(network(x), module(x).detach(), rtol=1e-12)


def test_padding_may_be_named():
    for module in (
        nn.Sequential(
            nn.Conv2d(1, 2, 5, padding="same"), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(2, 2)
        ),
        nn.Sequential(
            nn.Conv2d(1, 2, 1, padding="valid"), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(1, 3), nn.Linear(2, 2)
        ),
    ):
        x = torch.tensor(np.random.default_rng(2).standard_normal((3, 1, 6, 6)), dtype=torch.float32)
        np.testing.assert_allclose(from_module(module)(x), module(x).detach(), rtol=1e-4, atol=1e-5)


def convolutional(
    layer: nn.Module | None = None, pool: nn.Module | None = None, flatten: nn.Module | None = None
) -> nn.Sequential:
    return nn.Sequential(
        layer or nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(),
        pool or nn.AdaptiveAvgPool2d(1),
        flatten or nn.Flatten(),
        nn.Linear(4, 3),
    )


class Doubled(nn.Sequential):
    """The layers of a network, and not its output."""

    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(), "the layers none"),
        (nn.Linear(2, 2), "module is a Linear"),
        (Doubled(nn.Linear(2, 2)), "module is a Doubled"),
        (
            nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1)),
            "follows tanh; expected one output without a bias",
        ),
        (nn.Sequential(nn.Linear(2, 2), nn.GELU("tanh"), nn.Linear(2, 1)), "Linear, GELU, Linear"),
        (nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1), nn.Tanh()), "Linear, Tanh, Linear, Tanh"),
        (nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)), "Linear, Linear"),
        (nn.Sequential(nn.Linear(2, 2), nn.ReLU()), "Linear, ReLU"),
        (nn.Sequential(nn.Sequential(nn.Linear(2, 2)), nn.ReLU(), nn.Linear(2, 1)), "Sequential, ReLU, Linear"),
        (
            nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(9, 1)),
            "Conv2d, ReLU, Flatten, Linear",
        ),
        (
            nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1, bias=False)),
            "out_features=1, bias=False. has no bias.*give every layer one",
        ),
        (convolutional(nn.Conv2d(2, 4, 4, padding=2)), "Conv2d.2, 4, kernel_size=.4, 4.*odd size"),
        (convolutional(nn.Conv2d(2, 4, (3, 5), padding=1)), "square kernel"),
        (convolutional(nn.Conv2d(2, 4, 3)), "half the kernel"),
        (convolutional(nn.Conv2d(2, 4, 3, padding="valid")), "half the kernel"),
        (convolutional(nn.Conv2d(2, 4, 3, (1, 2), 1)), "one stride"),
        (convolutional(nn.Conv2d(2, 4, 3, padding=1, dilation=2)), "no dilation"),
        (convolutional(nn.Conv2d(2, 4, 3, padding=1, groups=2)), "no groups"),
        (convolutional(nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect")), "padding with zeros"),
        (convolutional(pool=nn.AdaptiveAvgPool2d(2)), "leaves positions"),
        (convolutional(flatten=nn.Flatten(0)), "number of images"),
        (nn.Sequential(nn.Linear(2, 2, dtype=torch.float16)), "float16"),
    ],
)
def test_what_is_no_such_network_is_refused(module, message):
    with pytest.raises(ValueError, match=message):
        from_module(module)


def test_a_batch_is_no_module():
    with pytest.raises(ValueError, match=r"batch of shape \(4,\); take one"):
        to_module(DeepReLU((np.ones((4, 2, 2)),)))
    with pytest.raises(ValueError, match="network is int"):
        to_module(3)
    with pytest.raises(ValueError, match="network has the activation erf, for which torch has no module"):
        to_module(TwoLayer([[1.0]], activation=ERF))
