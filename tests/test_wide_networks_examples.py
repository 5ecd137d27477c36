"""The numbers behind the figures of the wide_networks paper are what theory says."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np
import pytest

from alignmath.activations import RELU, SOFTPLUS, TANH
from alignmath.architectures import FullyConnected
from alignmath.kernels import conjugate, gram, tangent
from examples.wide_networks.architectures import LOOKS, inputs_of
from examples.wide_networks.plot_depth import correlation_slope
from examples.wide_networks.plot_kernel_regression import digit_data, infinite_width
from solvers.dynamics.wide_networks import grams, linearised, random_network


@cache
def quick(name: str) -> dict[str, Any]:
    """The data behind a figure, in the quick profile."""
    return importlib.import_module(f"examples.wide_networks.plot_{name}").compute(quick=True)


@pytest.mark.parametrize("architecture", LOOKS)
def test_spectra_of_wide_networks_are_near_the_limit_and_hardly_move(architecture):
    data = quick("spectra")
    limit, start, end, change = (data[f"{name}_{architecture}"] for name in ("limit", "start", "end", "change"))
    assert min(limit.min(), start.min(), end.min()) > 0  # positive definite
    assert np.all(np.diff(limit) <= 0)
    # The widest network: 192, where 1 / sqrt(m) is 0.07.
    assert np.abs(start[-1] - limit).max() / limit[0] < 0.4
    assert np.abs(end[-1] - start[-1]).max() / limit[0] <= 3 * change[-1].max()
    assert change[-1].max() < change[0].max()


def test_the_limit_of_all_layers_is_the_neural_tangent_kernel():
    for activation in (RELU, SOFTPLUS):
        c = activation.c_sigma
        usual = FullyConnected(2, activation, weight_variance=c, last_weight_variance=c)
        x, paper = inputs_of(usual), FullyConnected(2, activation)
        expected = tangent(x * np.sqrt(3 / c), usual)
        np.testing.assert_allclose(tangent(x, paper), expected, rtol=1e-9)
        np.testing.assert_allclose(sum(gram(x, paper, layer=h) for h in (1, 2, 3)), expected, rtol=1e-9)


def test_errors_decay_along_each_eigenvector_at_its_own_rate():
    data = quick("error_decay")
    steps, step = data["steps"], data["learning_rate"][-1]
    rates = (1 - step * data["eigenvalues"]) ** steps[:, None]
    theory = data["theory"][-1]
    np.testing.assert_allclose(theory, rates * theory[0], rtol=1e-8, atol=1e-12)
    size = np.linalg.norm(theory[0])
    # Width 384: within a few 1 / sqrt(m) = 0.05 of the limit's, and much nearer to what its own G(0) gives.
    assert np.abs(data["measured"][-1] - theory).max() < 0.15 * size
    assert np.abs(data["measured"][-1] - data["by_gram"][-1]).max() < 0.02 * size
    assert data["distance"][-1].mean() < 0.7 * data["distance"][0].mean()


@pytest.mark.parametrize("architecture", ["fully_connected", "resnet"])
def test_losses_stay_below_the_bounds_and_follow_the_linearised_dynamics(architecture):
    data = quick("error_decay")
    loss, predicted, bound = (data[f"{name}_{architecture}"] for name in ("loss", "predicted", "bound"))
    assert data[f"bound_holds_{architecture}"]
    assert np.all(loss <= bound * (1 + 1e-12))
    np.testing.assert_allclose(loss, predicted, atol=0.1 * loss[0])


@pytest.mark.parametrize("architecture", LOOKS)
def test_errors_of_random_initialisation_fall_like_one_over_the_root_of_the_width(architecture):
    data = quick("concentration")
    slope, half = data[f"error_slope_{architecture}"]
    assert abs(slope + 0.5) < 0.05 + 1.5 * half
    assert half < 0.25
    drift = np.median(data[f"drift_{architecture}"], axis=0)
    assert drift[-1] < drift[0]


def test_least_eigenvalues_fall_by_chi_or_like_the_square_of_the_depth():
    data = quick("depth")
    assert data["rate"] == pytest.approx(float(data["chi_softplus"]), rel=0.01)
    for architecture in ("resnet", "convolutional_resnet"):
        scaled = data["depths"] ** 2 * data[f"least_{architecture}"]
        assert scaled.max() / scaled.min() < 1.3
    assert np.all(np.diff(data["plain_tanh"]) > 0)
    assert data["plain_tanh"].max() < data["chi_tanh"]
    assert float(data["chi_relu"]) == pytest.approx(1)


def test_correlations_approach_one_by_the_factor_chi_in_a_layer():
    near = 1e-6
    pair = np.array([[1.0, 0.0], [1 - near, np.sqrt(2 * near - near**2)]])
    for activation in (SOFTPLUS, TANH):
        # The last layer's own G is the matrix of what arrives there: K^(1) for H = 1.
        correlation = gram(pair, FullyConnected(1, activation), layer=2)[0, 1]
        assert (1 - correlation) / near == pytest.approx(correlation_slope(activation), rel=1e-4)


def test_a_late_softplus_grows_errors_in_the_plain_network_only():
    data = quick("depth")
    slope, _ = data["slope_late_fully_connected"]
    assert np.log(1.4) < slope < np.log(4)
    assert abs(data["slope_late_resnet"][0]) < 0.4
    assert float(data["growth"]) == pytest.approx(1.971, abs=1e-3)


def test_test_outputs_of_wider_networks_are_nearer_to_the_linearised_ones():
    data = quick("kernel_regression")
    narrow, wide = (data[f"distance_{m}"].mean(axis=0) for m in data["widths"][[0, -1]])
    assert np.all(wide < 0.7 * narrow)
    assert wide[0] < wide[1]  # the network's own G(0) tells more than the limit
    outputs, own, _ = data[f"pairs_{data['widths'][-1]}"]
    assert np.corrcoef(outputs, own)[0, 1] > 0.97
    measured = data[f"square_{data['widths'][-1]}"][:, -1].mean()
    assert measured == pytest.approx(float(data["infinite_square"][-1]), rel=0.25)
    assert np.all(data["infinite_square"] >= data["kernel_square"])


def test_infinite_width_has_the_mean_and_spread_of_wide_networks_that_follow_the_linearised_dynamics():
    x, y, z, _ = digit_data(12, 5)
    both, architecture = np.concatenate([x, z]), FullyConnected(2, RELU)
    K, C = tangent(both, architecture), conjugate(both, architecture)
    step = 1 / np.linalg.eigvalsh(K[:12, :12])[-1]
    steps = np.array([0, 3, 40])
    mean, deviation = infinite_width(K, C, y, step, steps)
    rng = np.random.default_rng(0)
    start = rng.multivariate_normal(np.zeros(17), C, size=500, method="eigh")
    ends = []
    for u in start:
        change = linearised(K[:12, :12], y - u[:12], step, steps, K[12:, :12])[1]
        assert change is not None
        ends.append(u[12:] + change)
    np.testing.assert_allclose(np.mean(ends, axis=0), mean, atol=4.5 * deviation.max() / np.sqrt(500))
    np.testing.assert_allclose(np.std(ends, axis=0), deviation, rtol=4.5 / np.sqrt(2 * 500))
    # C is the covariance of the outputs of random networks: four standard errors.
    outputs = np.array([random_network(64, architecture, 64, seed=k)(both[:3]).numpy() for k in range(400)])
    products = outputs[:, :, None] * outputs[:, None, :]
    assert np.all(
        np.abs(products.mean(axis=0) - C[:3, :3]) < 4.5 * products.std(axis=0) / np.sqrt(400) + 1e-3
    )  # of finite width the covariance is the same


def test_cross_matrices_of_networks_are_blocks_of_the_whole():
    x, _, z, _ = digit_data(4, 3)
    network = random_network(64, FullyConnected(2, RELU), 32, seed=0)
    whole = grams(network, np.concatenate([x, z])).sum(0).numpy()
    np.testing.assert_allclose(grams(network, z, x).sum(0).numpy(), whole[4:, :4], rtol=1e-10)
