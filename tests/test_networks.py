"""Containers of weights: what they accept, refuse and compute."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from alignmath import TwoLayer
from alignmath.networks import gaussian_weights, orthonormal, planar, regular_polygon


def test_outputs_are_sums_of_relu_neurons():
    rng = np.random.default_rng(0)
    hidden, output, x = rng.standard_normal((4, 3)), rng.standard_normal(4), rng.standard_normal((7, 3))
    expected = [sum(a * max(0.0, float(w @ row)) for a, w in zip(output, hidden, strict=True)) for row in x]
    np.testing.assert_allclose(TwoLayer(hidden, output)(x), expected, rtol=1e-14)


def test_leading_dimensions_are_a_batch():
    nets = gaussian_weights(4, 3, np.random.default_rng(1), batch=(2, 5))
    x = np.random.default_rng(2).standard_normal((6, 3))
    assert nets(x).shape == (2, 5, 6)
    np.testing.assert_array_equal(nets(x)[1, 3], TwoLayer(nets.hidden[1, 3])(x))
    assert nets.batch == (2, 5)
    assert (nets.width, nets.dimension) == (4, 3)


def test_output_weights_default_to_ones_and_broadcast():
    assert TwoLayer(np.ones((3, 2))).output.tolist() == [1, 1, 1]
    assert TwoLayer(np.ones((5, 3, 2)), [1, 2, 3]).output.shape == (5, 3)


def test_torch_in_torch_out_with_gradients():
    hidden = torch.ones((3, 2), dtype=torch.float64, requires_grad=True)
    net = TwoLayer(hidden)
    value = net(torch.ones((4, 2), dtype=torch.float64)).sum()
    value.backward()
    assert hidden.grad is not None
    assert isinstance(net.output, torch.Tensor)


def test_weights_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TwoLayer(np.ones((1, 2))).hidden = np.zeros((1, 2))


def test_teachers_point_where_they_say():
    np.testing.assert_allclose(regular_polygon(5).hidden.sum(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(planar([0.5, 4.0], [2.0, 0.1]).lengths, [2.0, 0.1])
    np.testing.assert_allclose(planar([0.5, -2.0]).polar_angles, [0.5, -2.0])
    np.testing.assert_array_equal(orthonormal(2, 3).hidden, np.eye(3)[:2])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TwoLayer([1.0, 2.0]), r"hidden has shape \(2,\)"),
        (lambda: TwoLayer(np.ones((0, 2))), "hidden is empty"),
        (lambda: TwoLayer([[1.0, np.nan]]), r"hidden\[0, 1\] is nan"),
        (lambda: TwoLayer([[1.0, np.inf]]), "every entry must be finite"),
        (lambda: TwoLayer([[1.0, 2.0], [3.0]]), "not a rectangular array"),
        (lambda: TwoLayer([["a", "b"]]), "not numbers"),
        (lambda: TwoLayer(np.ones((2, 2)) * 1j), "complex"),
        (lambda: TwoLayer(np.ones((3, 2)), np.ones(2)), r"output has shape \(2,\)"),
        (lambda: TwoLayer(np.ones((4, 3, 2)), np.ones((5, 3))), "do not broadcast"),
        (lambda: TwoLayer(np.ones((3, 2)), torch.ones(3)), "different array libraries"),
        (lambda: TwoLayer(np.ones((3, 2)))(np.ones((4, 3))), r"expected \(n, 2\)"),
        (lambda: TwoLayer(np.ones((3, 3))).polar_angles, "dimension 2"),
        (lambda: planar([0.0], [-1.0]), "negative"),
        (lambda: planar([np.inf]), "finite"),
        (lambda: orthonormal(4, 3), "orthonormal"),
        (lambda: regular_polygon(0), "from 1 to"),
        (lambda: gaussian_weights(0, 2, np.random.default_rng(0)), "from 1 to"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
