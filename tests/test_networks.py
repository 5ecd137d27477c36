"""Containers of weights: what they accept, refuse and compute."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from alignmath import TwoLayer, plane, population
from alignmath.activations import ERF, GELU, STEP, TANH
from alignmath.networks import as_deep, gaussian_weights, orthonormal, planar, regular_polygon
from alignmath.specialization import is_condensed
from solvers.dynamics.descent import descend
from solvers.dynamics.gradient_flow import flow
from solvers.dynamics.training import Gaussian, train
from solvers.interpolation.recovery import is_recoverable
from solvers.landscape import critical_points


def test_outputs_are_sums_of_relu_neurons():
    rng = np.random.default_rng(0)
    hidden, output, x = rng.standard_normal((4, 3)), rng.standard_normal(4), rng.standard_normal((7, 3))
    expected = [sum(a * max(0.0, float(w @ row)) for a, w in zip(output, hidden, strict=True)) for row in x]
    np.testing.assert_allclose(TwoLayer(hidden, output)(x), expected, rtol=1e-14)


@pytest.mark.parametrize("activation", [TANH, ERF, STEP, GELU], ids=lambda s: s.name)
def test_biases_and_activations_enter_as_written(activation):
    rng = np.random.default_rng(3)
    hidden, output, bias, x = (rng.standard_normal(shape) for shape in ((4, 3), 4, 4, (7, 3)))
    network = TwoLayer(hidden, output, bias, activation)
    expected = [
        sum(a * float(activation.value(np.array(w @ row + b))) for a, w, b in zip(output, hidden, bias, strict=True))
        for row in x
    ]
    np.testing.assert_allclose(network(x), expected, rtol=1e-13)
    np.testing.assert_allclose(
        TwoLayer(*(torch.tensor(v) for v in (hidden, output, bias)), activation)(torch.tensor(x)), expected, rtol=1e-12
    )
    assert not network.is_plain


def test_batches_of_biases_broadcast():
    nets = TwoLayer(np.ones((5, 1, 3, 2)), np.ones(3, dtype=np.float32), np.zeros((4, 3)))
    assert nets.batch == (5, 4)
    assert nets.bias.shape == (5, 4, 3)
    assert nets.output.dtype == np.float64
    assert nets(np.ones((6, 2))).shape == (5, 4, 6)


def test_a_bias_is_that_of_the_deep_network():
    network = TwoLayer([[1.0, 2.0], [0.5, -1.0]], [1.0, -2.0], [0.3, -0.4])
    x = np.random.default_rng(4).standard_normal((20, 2))
    np.testing.assert_allclose(as_deep(network)(x)[:, 0], network(x), rtol=1e-14)
    with pytest.raises(ValueError, match="students has the activation tanh; networks of layers have ReLU alone"):
        as_deep(TwoLayer([[1.0]], activation=TANH), "students")


PLAIN, BIASED, CURVED = TwoLayer(np.eye(2)), TwoLayer(np.eye(2), bias=[0.0, 1.0]), TwoLayer(np.eye(2), activation=TANH)
X = np.array([[1.0, 2.0], [2.0, -1.0], [0.5, 0.5]])


@pytest.mark.parametrize("bad", [BIASED, CURVED])
@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("students", lambda n: population.loss(n, PLAIN)),
        ("teacher", lambda n: population.loss(PLAIN, n)),
        ("teacher", lambda n: population.gradient(PLAIN, n)),
        ("students", lambda n: population.hessian(n, PLAIN)),
        ("students", lambda n: population.empirical_loss(n, PLAIN, X)),
        ("teacher", lambda n: population.empirical_gradient(PLAIN, n, X)),
        ("students", lambda n: descend(n, PLAIN, 0.1, 3)),
        ("students", lambda n: flow(n, PLAIN, [0.0, 1.0])),
        ("teacher", lambda n: flow(PLAIN, n, [0.0, 1.0])),
        ("students", lambda n: critical_points(TwoLayer(n.hidden[None], None, n.bias, n.activation), PLAIN)),
        ("teacher", lambda n: critical_points(TwoLayer(n.hidden[None]), n)),
        ("students", lambda n: is_condensed(n, PLAIN)),
        ("network", lambda n: plane.kappa(n)),
        ("network", lambda n: plane.evaluate(n, X)),
        ("teacher", lambda n: plane.teacher_sectors(n)),
        ("teacher", lambda n: plane.dual_certificate(n, X)),
        ("teacher", lambda n: is_recoverable(n, X)),
    ],
)
def test_what_is_known_without_biases_and_for_relu_alone_refuses_others(name, use, bad):
    with pytest.raises(ValueError, match=rf"^{name} has (hidden biases|the activation tanh); known is sum_j"):
        use(bad)


def test_training_refuses_other_activations():
    with pytest.raises(ValueError, match="students has the activation tanh; networks of layers have ReLU alone"):
        train(CURVED, PLAIN, Gaussian(2), epochs=1)


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
