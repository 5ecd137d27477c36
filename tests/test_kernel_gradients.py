"""Gradients of kernels: by inputs, at 0 too, and by variances and factors; against mpmath and against differences."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
import torch

from alignmath.activations import ABS, ERF, GELU, RELU, SOFTPLUS, STEP, TANH, from_functions, leaky_relu
from alignmath.architectures import (
    Convolution,
    ConvolutionalResNet,
    Dense,
    FullyConnected,
    GlobalAveragePooling,
    Nonlinearity,
    Residual,
    ResNet,
    StandardParametrisation,
    serial,
)
from alignmath.kernels import conjugate, gram, tangent
from solvers.dynamics.wide_networks import follow, grams, random_network

OTHER = [[0.7, -0.3]]
LINEAR = leaky_relu(1.0)
VARIANCES = {"weight_variance": 2.0, "bias_variance": 0.5}


def zero(*shape):
    return torch.zeros(shape or (1, 2), dtype=torch.float64, requires_grad=True)


def tensor(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def written_out(x, y, depth, up, down, w, b):
    """conjugate, gram of the last hidden layer and tangent of `s(z) = up z (z > 0), down z (z < 0)`, in mpmath.

    With `s = odd z + even |z|`: Price's theorem for `E[|u| |v|]` and Sheppard's for the signs.
    """
    odd, even = (mp.mpf(up) + down) / 2, (mp.mpf(up) - down) / 2
    d = len(x)
    K, a, v = (w * mp.fdot(p, q) / d + b for p, q in ((x, y), (x, x), (y, y)))
    T = K
    for layer in range(depth):
        rho = K / mp.sqrt(a * v)
        absolute = 2 / mp.pi * mp.sqrt(a * v) * (mp.sqrt(1 - rho**2) + rho * mp.asin(rho))
        slope = odd**2 + even**2 * 2 / mp.pi * mp.asin(rho)
        weight = 1 if layer == depth - 1 else w
        last = K * weight * slope
        T = T * weight * slope
        K = weight * (odd**2 * K + even**2 * absolute) + b
        a, v = (weight * (odd**2 + even**2) * c + b for c in (a, v))
        T = T + K
    return K, last, T


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("slopes", [(1, 0), (1, -1), (1, 0.2), (1, 1)], ids=["relu", "abs", "leaky", "linear"])
def test_at_an_input_0_gradients_are_those_of_mpmath_where_there_are_biases(slopes, depth):
    """By angles and by covariances. At depth 1 the tangent kernels of the ReLU and the absolute value rise by 0.62018 and
    1.0807 along the first axis."""
    s = {0: RELU, -1: ABS, 1: LINEAR}.get(slopes[1]) or leaky_relu(slopes[1])
    for place, kernel in enumerate((conjugate, gram, tangent)):
        with mp.workdps(40):
            expected = [
                float(mp.diff(lambda *x, place=place: written_out(x, [mp.mpf("0.7"), mp.mpf("-0.3")], depth, *slopes, 2, 0.5)[place], (0, 0), n))
                for n in ((1, 0), (0, 1))
            ]  # fmt: skip
        network = FullyConnected(depth, s, **VARIANCES)
        for a in (network, network.serial):
            x = zero()
            value = kernel(x, a, tensor(OTHER))
            (slope,) = torch.autograd.grad(value.sum(), x)
            np.testing.assert_allclose(slope[0], expected, rtol=1e-12)
        if kernel is tangent and depth == 1 and slopes[1] in (0, -1):
            assert expected[0] == pytest.approx(0.62018 if slopes[1] == 0 else 1.0807, rel=1e-4)


@pytest.mark.parametrize("size", [0.0, 1e-200, 1e-170, 1e-40, 1e-9])
def test_beside_biases_small_inputs_have_the_kernels_and_gradients_of_an_input_0(size):
    network = FullyConnected(2, RELU, **VARIANCES)
    expected = [tangent(zero(), network, tensor(OTHER)), tangent(np.zeros((1, 2)), network)]
    at = zero()
    (slope,) = torch.autograd.grad(tangent(at, network, tensor(OTHER)).sum(), at)
    x = tensor([[size, -size]], requires_grad=True)
    value = tangent(x, network, tensor(OTHER))
    (found,) = torch.autograd.grad(value.sum(), x)
    np.testing.assert_allclose(value.detach(), expected[0].detach(), rtol=1e-8)
    np.testing.assert_allclose(tangent(x, network).detach(), expected[1], rtol=1e-8)
    np.testing.assert_allclose(found, slope, rtol=1e-8)


def differences(function, x):
    shifts = 1e-5 * torch.eye(x.numel(), dtype=torch.float64).reshape(-1, *x.shape)
    return torch.stack([(function(x.detach() + d) - function(x.detach() - d)) / 2e-5 for d in shifts]).reshape(x.shape)


IMAGE_NETWORK = serial(Convolution(1.5, 0.3), Nonlinearity(RELU), Residual(Convolution(0.8, 0.1), Nonlinearity(ABS)), Dense(0.4), Nonlinearity(RELU), Dense())  # fmt: skip
POOLED = serial(Convolution(1.5, 0.3), Nonlinearity(RELU), Residual(Convolution(0.8, 0.1), Nonlinearity(ABS)), GlobalAveragePooling(), Dense(0.4, 0.1), Nonlinearity(RELU), Dense())  # fmt: skip


@pytest.mark.parametrize("network", [IMAGE_NETWORK, POOLED], ids=["images", "pooled"])
def test_images_with_zeros_have_the_gradients_of_differences_where_there_are_biases(network):
    images = np.random.default_rng(0).uniform(0, 1, (2, 2, 5)) * np.array([0, 1, 0, 0, 0])
    images[0] = 0
    x, others = tensor(images, requires_grad=True), tensor(np.random.default_rng(1).uniform(0, 1, (2, 2, 5)))
    weights = tensor(np.random.default_rng(2).standard_normal((2, 2)))
    for kernel in (conjugate, gram, tangent):
        (slope,) = torch.autograd.grad((weights * kernel(x, network, others)).sum(), x)
        expected = differences(lambda x, kernel=kernel: (weights * kernel(x, network, others)).sum(), x)
        np.testing.assert_allclose(slope, expected, atol=1e-8)
        assert abs(slope).min() > 1e-4


@pytest.mark.parametrize("s", [ERF, TANH, GELU, SOFTPLUS, LINEAR], ids=lambda s: s.name)
def test_smooth_activations_need_no_biases_at_an_input_0(s):
    for network in (FullyConnected(2, s, weight_variance=1.5), ResNet(2, s)):
        for kernel in (conjugate, tangent) if s in (ERF, LINEAR) else (tangent,):
            x = zero()
            (slope,) = torch.autograd.grad(kernel(x, network, tensor(OTHER)).sum(), x)
            expected = differences(lambda x, f=kernel, a=network: f(x, a, tensor(OTHER)).sum(), x)
            np.testing.assert_allclose(slope, expected, atol=1e-8)


OWN_RELU = from_functions("own", lambda z: z * (z > 0), lambda z: (z > 0) * (1 + 0 * z), lipschitz=1, smoothness=math.inf, analytic=False)  # fmt: skip


@pytest.mark.parametrize(
    "network",
    [
        FullyConnected(1, RELU, weight_variance=2.0),
        FullyConnected(2, (LINEAR, ABS)),
        FullyConnected(2, RELU, bias_variance=(0.0, 1.0, 1.0)),
        FullyConnected(2, RELU).serial,
        FullyConnected(1, OWN_RELU),
        FullyConnected(2, (TANH, RELU), weight_variance=1.0),
        ResNet(2, leaky_relu(0.1)),
    ],
    ids=str,
)
def test_inputs_0_without_biases_are_refused_where_the_kernel_is_not_smooth(network):
    x = zero(2, 2)
    with pytest.raises(ValueError, match=r"x\[0\].* 0.*no gradient by x"):
        tangent(x, network)
    with pytest.raises(ValueError, match=r"other\[0\].* 0.*no gradient by other"):
        tangent(tensor(OTHER), network, x)
    assert tangent(x.detach(), network).shape == (2, 2)
    with pytest.raises(ValueError, match=r"x\[0\].*no gradient by x"):
        conjugate(x, network, diagonal=True)


def test_patches_of_zeros_are_refused_without_biases_and_pass_with_them():
    x = zero(1, 1, 6)
    with pytest.raises(ValueError, match=r"x\[0\], around pixel 0, comes to relu as 0"):
        gram(x, ConvolutionalResNet(2, RELU))
    with pytest.raises(ValueError, match="comes to step as 0"):
        conjugate(zero(), serial(Dense(), Nonlinearity(STEP), Dense()))
    assert gram(x, ConvolutionalResNet(2, TANH)).isfinite().all()


def test_at_equal_inputs_gradients_are_the_mean_of_both_sides():
    """There tangent kernels of the ReLU have a kink, also where both inputs are 0."""
    network = FullyConnected(2, RELU, **VARIANCES)
    for at in ([[0.0, 0.0]], OTHER):
        x, y = tensor(at, requires_grad=True), tensor(at)
        for kernel in (conjugate, tangent):
            (slope,) = torch.autograd.grad(kernel(x, network, y).sum(), x)
            expected = differences(lambda x, kernel=kernel, y=y: kernel(x, network, y).sum(), x)
            np.testing.assert_allclose(slope, expected, atol=1e-6)
            (slope,) = torch.autograd.grad(kernel(x, network).sum(), x)
            expected = differences(lambda x, kernel=kernel: kernel(x, network).sum(), x)
            np.testing.assert_allclose(slope, expected, atol=1e-6)


X = np.random.default_rng(3).standard_normal((4, 3))
IMAGES = np.random.default_rng(4).uniform(0, 1, (3, 2, 4))
HYPER = {
    "angles": (lambda w, b, v: FullyConnected(2, RELU, weight_variance=w, bias_variance=b, last_weight_variance=v), X),
    "angles of leaky": (lambda w, b, v: FullyConnected(3, leaky_relu(0.2), weight_variance=w, last_weight_variance=v, bias_variance=(b, 0.0, v, w)), X),
    "paper": (lambda w, b, v: FullyConnected(2, ABS, bias_variance=(0.0, b, w), last_weight_variance=v), X),
    "covariances": (lambda w, b, v: FullyConnected(2, ERF, weight_variance=w, bias_variance=b, last_weight_variance=v), X),
    "series": (lambda w, b, v: FullyConnected(2, (GELU, SOFTPLUS), weight_variance=(w, v), bias_variance=(b, w, v)), X),
    "residual network": (lambda w, b, v: ResNet(3, RELU, scale=b), X),
    "residual network of erf": (lambda w, b, v: ResNet(3, ERF, scale=b), X),
    "own": (lambda w, b, v: serial(Dense(w, b), Nonlinearity(RELU, v), Residual(Dense(v), Nonlinearity(SOFTPLUS), factor=b), Dense()), X),
    "images": (lambda w, b, v: serial(Convolution(w, b), Nonlinearity(RELU), Residual(Convolution(v, b), Nonlinearity(ERF), factor=w), Dense(v)), IMAGES),
    "pooled": (lambda w, b, v: serial(Convolution(w, b), Nonlinearity(RELU), GlobalAveragePooling(), Dense(v, b), Nonlinearity(ERF), Dense(w)), IMAGES),
    "standard": (lambda w, b, v: StandardParametrisation(FullyConnected(2, RELU, weight_variance=w, bias_variance=b, last_weight_variance=v), 30), X),
    "standard of erf": (lambda w, b, v: StandardParametrisation(FullyConnected(2, ERF, weight_variance=w, bias_variance=b, last_weight_variance=v), 30), X),
}  # fmt: skip
"""Networks of three numbers."""


@pytest.mark.parametrize(("build", "x"), HYPER.values(), ids=HYPER)
def test_gradients_by_variances_and_factors_are_differences(build, x):
    """Numbers of 1 too, by which nothing is multiplied when they have no gradients."""
    for numbers in ((1.7, 0.4, 0.6), (1.0, 0.5, 1.0)):
        parameters = [tensor(v, requires_grad=True) for v in numbers]
        for kernel in (conjugate, tangent):
            weights = np.random.default_rng(5).standard_normal((len(x), len(x)))

            def value(*numbers, kernel=kernel, weights=weights):
                return float((weights * kernel(x, build(*numbers))).sum())

            found = (tensor(weights) * kernel(tensor(x), build(*parameters))).sum()
            assert float(found.detach()) == pytest.approx(value(*numbers), rel=1e-12)
            slopes = torch.autograd.grad(found, parameters, materialize_grads=True)
            shifts = 1e-5 * np.eye(3)
            expected = [(value(*(numbers + d)) - value(*(numbers - d))) / 2e-5 for d in shifts]
            np.testing.assert_allclose(slopes, expected, rtol=1e-7, atol=1e-8 * abs(value(*numbers)))
            assert any(expected)


def test_an_optimiser_may_use_one_network_again_and_again():
    """In float32 and float64, of equal inputs, and by the logarithms of variances."""
    logs = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.LBFGS([logs], line_search_fn="strong_wolfe")
    x = tensor(np.concatenate([X, X[:2]])).float()
    target = tangent(x, FullyConnected(2, RELU, weight_variance=2.0, bias_variance=0.3))

    def loss():
        optimiser.zero_grad()
        w, b = logs.exp()
        kernel = tangent(x, FullyConnected(2, RELU, weight_variance=w, bias_variance=b))
        assert kernel.dtype == torch.float32
        total = ((kernel - target) ** 2).mean()
        total.backward()
        return total

    optimiser.step(loss)
    np.testing.assert_allclose(logs.detach().exp(), [2.0, 0.3], rtol=1e-3)
    scale = tensor(0.5, requires_grad=True)
    network = ResNet(2, ERF, scale=scale)
    for _ in range(2):  # the graph of the first call is gone
        gram(tensor(X), network).sum().backward()


def test_gradients_by_variances_pass_by_inputs_0():
    x = tensor([[0.0, 0.0], [1.0, 2.0]])
    for s in (RELU, TANH):
        for network in (FullyConnected(2, s, weight_variance=w) for w in (tensor(1.5, requires_grad=True),)):
            (slope,) = torch.autograd.grad(tangent(x, network).sum(), network.weight_variance)
            assert slope.isfinite()
            assert slope > 0


def test_finite_networks_have_gradients_by_variances_and_are_trained_without():
    w = tensor(1.5, requires_grad=True)
    network = random_network(3, FullyConnected(2, TANH, weight_variance=w, bias_variance=0.1), 20)
    (slope,) = torch.autograd.grad(network(X).sum() + grams(network, X).sum(), w)

    def value(w):
        other = random_network(3, FullyConnected(2, TANH, weight_variance=w, bias_variance=0.1), 20)
        return float(other(X).sum() + grams(other, X).sum())

    assert float(slope) == pytest.approx((value(1.5 + 1e-5) - value(1.5 - 1e-5)) / 2e-5, rel=1e-7)
    with pytest.raises(ValueError, match="weight_variance requires gradients"):
        follow(network, X, [1, 2, 3, 4], 2)


def test_variances_with_gradients_are_numbers_above_0_and_inputs_are_tensors():
    w = torch.tensor(0.3, requires_grad=True)
    with pytest.raises(ValueError, match="weight_variance requires gradients, and x is no tensor"):
        tangent(X, FullyConnected(1, RELU, weight_variance=w))
    for bad, message in (
        (torch.tensor(0.0, requires_grad=True), "bias_variance is 0 and requires a gradient"),
        (torch.tensor([1.0, 2.0]), r"bias_variance is a tensor of shape \(2,\)"),
        (torch.tensor(-1.0), "bias_variance is -1"),
        (torch.tensor(1j), "bias_variance is a tensor.*complex"),
    ):
        for call in (lambda v: FullyConnected(1, RELU, bias_variance=v), lambda v: Dense(bias_variance=v)):
            with pytest.raises(ValueError, match=message):
                call(bad)
    network = FullyConnected(1, RELU, weight_variance=w)
    assert tangent(tensor(X), network).requires_grad
    with torch.no_grad():
        w -= 1
    with pytest.raises(ValueError, match=r"weight_variance is -0.7 and requires a gradient"):
        tangent(tensor(X), network)
    plain = FullyConnected(1, RELU, weight_variance=torch.tensor(2.0, dtype=torch.float64))
    assert plain == FullyConnected(1, RELU, weight_variance=2.0)
