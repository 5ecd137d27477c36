"""Fully connected and convolutional networks of any depth: against torch.nn, batches, what they refuse."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alignmath.networks import ConvReLU, DeepReLU, TwoLayer, as_deep


def deep(rng: np.random.Generator, widths, batch=(), biases=True) -> DeepReLU:
    weights = tuple(rng.standard_normal((*batch, n, below)) for below, n in itertools.pairwise(widths))
    return DeepReLU(weights, tuple(rng.standard_normal((*batch, n)) for n in widths[1:]) if biases else None)


def convolutional(rng: np.random.Generator, channels, sizes, strides, batch=(), biases=True) -> ConvReLU:
    pairs = list(zip(channels, channels[1:], sizes, strict=False))
    kernels = tuple(rng.standard_normal((*batch, n, below, k, k)) for below, n, k in pairs)
    output = rng.standard_normal((*batch, 3, channels[len(sizes)]))
    shifts = tuple(rng.standard_normal((*batch, n)) for n in (*channels[1 : len(sizes) + 1], 3))
    return ConvReLU(kernels, output, shifts if biases else None, strides)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.booleans(), st.integers(0, 10**6))
def test_activations_are_those_of_torch_layer_by_layer(widths, biases, seed):
    rng = np.random.default_rng(seed)
    network, x = deep(rng, widths, biases=biases), rng.standard_normal((4, widths[0]))
    value = torch.tensor(x)
    for k, (weight, found) in enumerate(zip(network.weights, network.activations(x), strict=True)):
        value = torch.nn.functional.linear(
            value, torch.tensor(weight), torch.tensor(network.biases[k]) if biases else None
        )
        value = value.relu() if k < network.depth else value
        np.testing.assert_allclose(found, value, atol=1e-12)
    assert network.widths == tuple(widths)
    np.testing.assert_array_equal(network(x), network.activations(x)[-1])


@given(
    st.lists(st.sampled_from([1, 3, 5]), min_size=1, max_size=3),
    st.integers(1, 3), st.booleans(), st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 7),
)  # fmt: skip
def test_convolutions_are_those_of_torch(sizes, stride, biases, seed, height, width):
    rng = np.random.default_rng(seed)
    channels = [int(n) for n in rng.integers(1, 4, len(sizes) + 1)]
    network = convolutional(rng, channels, sizes, (stride,) * len(sizes), biases=biases)
    images = rng.standard_normal((3, channels[0], height, width))
    value = torch.tensor(images)
    shifts = [torch.tensor(b) for b in network.biases] if biases else [None] * (len(sizes) + 1)
    *hidden, output = network.activations(images)
    for kernel, shift, found in zip(network.kernels, shifts, hidden, strict=False):
        value = torch.nn.functional.conv2d(value, torch.tensor(kernel), shift, stride, kernel.shape[-1] // 2).relu()
        np.testing.assert_allclose(found, value, atol=1e-11)
    expected = torch.nn.functional.linear(value.mean((2, 3)), torch.tensor(network.output), shifts[-1])
    np.testing.assert_allclose(output, expected, atol=1e-11)


def test_leading_dimensions_are_a_batch_with_shared_inputs_or_its_own():
    rng = np.random.default_rng(1)
    networks, x = deep(rng, (4, 3, 2), (2, 3)), rng.standard_normal((2, 3, 5, 4))
    images, conv = rng.standard_normal((2, 3, 5, 2, 4, 4)), convolutional(rng, (2, 3), (3,), (1,), (2, 3))
    for i in range(2):
        for j in range(3):
            one = DeepReLU(tuple(w[i, j] for w in networks.weights), tuple(b[i, j] for b in networks.biases))
            np.testing.assert_allclose(networks(x)[i, j], one(x[i, j]), rtol=1e-13, atol=1e-13)
            np.testing.assert_allclose(networks(x[0, 0])[i, j], one(x[0, 0]), rtol=1e-13, atol=1e-13)
            single = ConvReLU((conv.kernels[0][i, j],), conv.output[i, j], tuple(b[i, j] for b in conv.biases))
            np.testing.assert_allclose(conv(images)[i, j], single(images[i, j]), rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(conv(images[0, 0])[i, j], single(images[0, 0]), rtol=1e-12, atol=1e-12)
    assert networks.batch == conv.batch == (2, 3)


def test_batches_of_weights_and_biases_broadcast():
    network = DeepReLU((np.ones((5, 3, 2)), np.ones((4, 3))), (np.zeros(3), np.ones((5, 4))))
    assert network.batch == (5,)
    assert [b.shape for b in network.biases] == [(5, 3), (5, 4)]


def test_torch_in_torch_out_with_gradients_and_the_wider_type():
    weight = torch.ones((3, 2), dtype=torch.float64, requires_grad=True)
    network = DeepReLU((weight, torch.ones((1, 3), dtype=torch.float32)))
    assert network.weights[1].dtype == torch.float64
    network(torch.ones((4, 2))).sum().backward()
    assert weight.grad is not None
    kernel = torch.ones((2, 1, 3, 3), requires_grad=True)
    ConvReLU((kernel,), torch.ones((1, 2)))(torch.ones((4, 1, 3, 3))).sum().backward()
    assert kernel.grad is not None


def test_a_two_layer_network_is_a_deep_one():
    rng = np.random.default_rng(3)
    network, x = TwoLayer(rng.standard_normal((2, 4, 3)), rng.standard_normal((2, 4))), rng.standard_normal((5, 3))
    np.testing.assert_allclose(as_deep(network)(x)[..., 0], network(x), rtol=1e-13)
    assert as_deep(network).widths == (3, 4, 1)
    already = deep(rng, (2, 2, 2))
    assert as_deep(already) is already


def test_weights_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DeepReLU((np.ones((1, 2)),)).weights = ()


ONE = np.ones((2, 1, 3, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeepReLU(()), "a tuple of arrays"),
        (lambda: DeepReLU(np.ones((2, 2))), "a tuple of arrays"),
        (lambda: DeepReLU((np.ones((3, 2)), np.ones((1, 4)))), r"expected \(..., 1, 3\)"),
        (lambda: DeepReLU((np.ones(2),)), r"weights\[0\] has shape \(2,\)"),
        (lambda: DeepReLU((np.full((3, 2), np.inf),)), r"weights\[0\]\[0, 0\] is inf"),
        (lambda: DeepReLU((np.ones((0, 2)),)), r"weights\[0\] is empty"),
        (lambda: DeepReLU((np.ones((3, 2)),), (np.ones(2),)), r"expected \(..., 3\), one for each node"),
        (lambda: DeepReLU((np.ones((3, 2)),), (np.ones(3), np.ones(3))), "one array for each"),
        (lambda: DeepReLU((np.ones((4, 3, 2)), np.ones((5, 1, 3)))), "do not broadcast"),
        (lambda: DeepReLU((np.ones((3, 2)), torch.ones((1, 3)))), "different array libraries"),
        (lambda: DeepReLU((np.ones((3, 2)),))(np.ones((4, 3))), r"expected \(..., N, 2\)"),
        (lambda: DeepReLU((np.ones((3, 2)),))(np.full((4, 2), np.nan)), r"x\[0, 0\] is nan"),
        (lambda: ConvReLU((), np.ones((1, 2))), "a tuple of arrays"),
        (lambda: ConvReLU((np.ones((2, 1, 2, 2)),), np.ones((1, 2))), "k odd"),
        (lambda: ConvReLU((np.ones((2, 1, 3, 1)),), np.ones((1, 2))), "k odd"),
        (lambda: ConvReLU((ONE, np.ones((2, 3, 3, 3))), np.ones((1, 2))), r"kernels\[1\] takes 3 channels"),
        (lambda: ConvReLU((ONE,), np.ones((1, 3))), "output takes 3 channels"),
        (lambda: ConvReLU((ONE,), np.ones((1, 2)), strides=(1, 1)), "expected 1 integers"),
        (lambda: ConvReLU((ONE,), np.ones((1, 2)), strides=(0,)), "strides is 0"),
        (lambda: ConvReLU((ONE,), np.ones((1, 2)), (np.ones(2),)), "one array for each"),
        (lambda: ConvReLU((ONE,), np.ones((1, 2)))(np.ones((4, 2, 3, 3))), r"expected \(..., N, 1, height, width\)"),
        (lambda: ConvReLU((ONE,), np.ones((1, 2)))(np.ones((3, 3))), "at least 4 dimension"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
