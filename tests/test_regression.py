"""Kernel regression against neural-tangents, scikit-learn, and the definitions."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from alignmath.activations import ERF, RELU
from alignmath.architectures import Dense, FullyConnected, serial
from alignmath.kernels import conjugate, tangent
from solvers.regression import log_marginal_likelihood, posterior, trained_ensemble

PINS = json.loads((Path(__file__).parent / "regression_pins.json").read_text())
"""By neural-tangents 0.6.5 in float64 (its environment: `benchmarks/kernels.py`): `kernel` being the kernel function of `stax.serial(D, stax.Erf(), D, stax.Erf(), D)`, `D = stax.Dense(1, W_std=1.5**0.5,
b_std=0.3**0.5)`, and x, y, x_new drawn as in `data`, `predict = nt.predict.gradient_descent_mse_ensemble(kernel, x, y, diag_reg=noise, diag_reg_absolute_scale=True)`, then `predict(t=None or 3.0 * y.size,
x_test=x_new, get=..., compute_cov=True)` of either kernel: its loss is a mean, so that its time is ours times the number of labels."""
NETWORK = FullyConnected(2, ERF, weight_variance=1.5, bias_variance=0.3, last_weight_variance=1.5)


def data():
    rng = np.random.default_rng(0)
    x, x_new = rng.standard_normal((12, 5)), rng.standard_normal((4, 5))
    return x, rng.standard_normal((12, 2)), x_new


@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
@pytest.mark.parametrize("case", PINS)
def test_predictions_are_those_of_neural_tangents(case, library):
    kind, _, noise, _, time = case.split()
    x, y, x_new = (library(part) for part in data())
    if kind == "conjugate":
        found = posterior(NETWORK, x, y, x_new, noise=float(noise))
    else:
        found = trained_ensemble(NETWORK, x, y, x_new, time=float(time), noise=float(noise))
    mean, covariance = (np.array(part) for part in PINS[case])
    np.testing.assert_allclose(found.mean, mean, rtol=1e-10, atol=1e-10 * np.abs(mean).max())
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-10, atol=1e-10 * np.abs(covariance).max())
    np.testing.assert_allclose(found.deviation, np.sqrt(np.diag(covariance)), rtol=1e-9)


@pytest.mark.parametrize("noise", [1e-3, 0.5])
def test_processes_are_those_of_scikit_learn(noise):
    x, y, x_new = data()
    kernel = RBF(1.3)
    process = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None).fit(x, y[:, 0])
    mean, covariance = process.predict(x_new, return_cov=True)
    found = posterior(kernel, x, y[:, 0], x_new, noise=noise)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-11)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-9, atol=1e-13)
    assert float(log_marginal_likelihood(kernel, x, y[:, 0], noise=noise)) == pytest.approx(process.log_marginal_likelihood(), rel=1e-12)  # fmt: skip
    both = float(log_marginal_likelihood(kernel, x, y, noise=noise))
    each = [float(log_marginal_likelihood(kernel, x, y[:, k], noise=noise)) for k in range(2)]
    assert both == pytest.approx(sum(each), rel=1e-13)


def test_a_trained_ensemble_is_the_law_of_trained_linear_models():
    """Two linear layers have the kernels `x . x' / d` and twice that: those of `f(x) = (w + v) . x / sqrt(d)`, w ~ N(0, 1), v = 0 at the start. 20,000 such models after gradient flow; a standard error
    is 0.7% of a deviation, and 2.5% is seen."""
    x, y, x_new = data()
    x, y, (t, ridge, models) = x[:3], y[:3, 0], (0.7, 0.2, 20_000)
    w = np.random.default_rng(1).standard_normal((models, 5))
    features, new = (np.concatenate([part, part], axis=1) / math.sqrt(5) for part in (x, x_new))
    start = np.concatenate([w, 0 * w], axis=1)
    values, vectors = np.linalg.eigh(features @ features.T + ridge * np.eye(3))
    D = vectors @ np.diag((1 - np.exp(-t * values)) / values) @ vectors.T
    outputs = (start + (y - start @ features.T) @ D @ features) @ new.T
    found = trained_ensemble(serial(Dense(), Dense()), x, y, x_new, time=t, noise=ridge)
    assert np.all(np.abs(outputs.mean(axis=0) - found.mean) < 4.5 * found.deviation / math.sqrt(models))
    np.testing.assert_allclose(outputs.std(axis=0), found.deviation, rtol=0.025)


def test_hyper_parameters_have_gradients():
    x, y, _ = (torch.as_tensor(part) for part in data())

    def likelihood(logs):
        w, b, noise = torch.exp(logs)
        return log_marginal_likelihood(FullyConnected(2, RELU, weight_variance=w, bias_variance=b), x, y, noise=noise)

    logs = torch.tensor([0.3, -1.0, -2.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(likelihood(logs), logs)
    for k in range(3):
        move = torch.zeros(3, dtype=torch.float64)
        move[k] = 1e-5
        with torch.no_grad():
            slope = (likelihood(logs + move) - likelihood(logs - move)) / 2e-5
        assert float(gradient[k]) == pytest.approx(float(slope), rel=1e-7)


def test_at_time_0_the_ensemble_is_the_prior_and_it_ends_at_the_limit():
    x, y, x_new = data()
    start = trained_ensemble(NETWORK, x, y, x_new, time=0.0)
    np.testing.assert_allclose(start.mean, 0, atol=1e-15)
    np.testing.assert_allclose(start.covariance, conjugate(x_new, NETWORK), rtol=1e-13)
    late, end = (trained_ensemble(NETWORK, x, y, x_new, time=t) for t in (1e6, math.inf))
    np.testing.assert_allclose(late.mean, end.mean, rtol=1e-9)
    np.testing.assert_allclose(late.covariance, end.covariance, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(
        end.mean, tangent(x_new, NETWORK, x) @ np.linalg.solve(tangent(x, NETWORK), y), rtol=1e-9
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y, z: posterior(NETWORK, x[[0, 0, 1]], y[:3], z), "not positive definite beyond rounding"),
        (lambda x, y, z: posterior(NETWORK, x, y[:3], z), r"y has shape \(3, 2\)"),
        (lambda x, y, z: posterior(NETWORK, x, y, z[:, :2]), r"x_new has shape \(4, 2\)"),
        (lambda x, y, z: posterior("relu", x, y, z), "kernel is 'relu'"),
        (lambda x, y, z: posterior(lambda a, b=None: a, x, y, z), r"kernel gives shape \(12, 5\)"),
        (lambda x, y, z: posterior(NETWORK, x, y, z, noise=-1), "noise is -1"),
        (lambda x, y, z: trained_ensemble(NETWORK, x, y, z, time=-1.0), "time is -1"),
        (lambda x, y, z: trained_ensemble(NETWORK, x, y, z, time=math.nan), "time is nan"),
        (lambda x, y, z: posterior(NETWORK, x, y, z, noise=torch.tensor(1.0, requires_grad=True)), "pass x and y as tensors"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(*data())
