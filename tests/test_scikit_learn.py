"""The kernel for scikit-learn against `solvers.regression`, and its gradients against differences."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import WhiteKernel

from alignmath.activations import ERF, RELU, TANH
from alignmath.architectures import FullyConnected
from solvers.regression import log_marginal_likelihood, posterior
from solvers.scikit_learn import NetworkKernel


def data():
    rng = np.random.default_rng(0)
    x, x_new = rng.standard_normal((12, 3)), rng.standard_normal((4, 3))
    return x, np.sin(x @ [1.0, 2.0, -1.0]), x_new


@pytest.mark.parametrize("tangent", [False, True])
@pytest.mark.parametrize("activation", [RELU, ERF, TANH], ids=lambda s: s.name)
def test_derivatives_by_theta_are_those_of_differences(activation, tangent):
    x, _, _ = data()
    kernel = NetworkKernel(
        2, activation, tangent=tangent, last_weight_variance=1.7, last_weight_variance_bounds=(0.1, 9)
    )
    K, slopes = kernel(x, eval_gradient=True)
    assert slopes.shape == (12, 12, 3)
    np.testing.assert_allclose(K, kernel(x), rtol=1e-12)
    np.testing.assert_allclose(kernel.diag(x), np.diag(K), rtol=1e-12)
    for k, move in enumerate(np.eye(3) * 1e-4):
        up, down = (kernel.clone_with_theta(kernel.theta + sign * move)(x) for sign in (1, -1))
        np.testing.assert_allclose(slopes[:, :, k], (up - down) / 2e-4, rtol=1e-6, atol=1e-7)


def test_fixed_variances_are_no_part_of_theta():
    x, _, _ = data()
    fixed = NetworkKernel(bias_variance=0.0, bias_variance_bounds="fixed", weight_variance_bounds="fixed")
    assert fixed.theta.size == 0
    assert fixed(x, eval_gradient=True)[1].shape == (12, 12, 0)
    kernel = NetworkKernel(bias_variance=0.0, bias_variance_bounds="fixed")
    np.testing.assert_allclose(kernel.theta, np.log([2.0]))
    np.testing.assert_allclose(kernel.bounds, np.log([[1e-3, 1e3]]))
    assert kernel(x, eval_gradient=True)[1].shape == (12, 12, 1)
    np.testing.assert_array_equal(clone(kernel)(x), kernel(x))


def test_scikit_learn_predicts_as_posterior_does_and_finds_a_better_likelihood():
    x, y, x_new = data()
    process = GaussianProcessRegressor(NetworkKernel(2) + WhiteKernel(0.1), alpha=0.0).fit(x, y)
    fitted = process.kernel_.k1
    variances = {"weight_variance": fitted.weight_variance, "bias_variance": fitted.bias_variance}
    network, noise = FullyConnected(2, RELU, **variances), process.kernel_.k2.noise_level
    expected = posterior(network, x, y, x_new, noise=noise)
    mean, covariance = process.predict(x_new, return_cov=True)
    np.testing.assert_allclose(mean, expected.mean, rtol=1e-8)
    np.testing.assert_allclose(covariance, expected.covariance + noise * np.eye(4), rtol=1e-8)
    likelihood = log_marginal_likelihood(network, x, y, noise=noise)
    np.testing.assert_allclose(process.log_marginal_likelihood_value_, likelihood, rtol=1e-10)
    start = FullyConnected(2, RELU, weight_variance=2.0, bias_variance=0.1)
    assert likelihood > log_marginal_likelihood(start, x, y, noise=0.1)


def test_bad_input_is_named():
    x, _, _ = data()
    with pytest.raises(ValueError, match="other is given"):
        NetworkKernel()(x, x, eval_gradient=True)
    with pytest.raises(ValueError, match="x"):
        NetworkKernel()(x * np.nan)
    with pytest.raises(ValueError, match="weight_variance"):
        NetworkKernel(weight_variance=-1.0)(x)
