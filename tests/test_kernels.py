"""Kernels of wide networks: against random finite networks, against definitions written out, and their invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alignmath import activations
from alignmath.activations import ERF, GELU, RELU, SOFTPLUS, TANH, monomial
from alignmath.kernels import conjugate, gram, tangent

UNEQUAL = np.random.default_rng(0).standard_normal((5, 3)) * np.array([0.5, 1, 2, 1, 1.5])[:, None]


def entrywise(x, depth, s):
    """Definition 5.1, one pair of inputs at a time, with matrices that have not been put together by blocks."""
    n = len(x)
    K = x @ x.T
    for _ in range(depth - 1):
        K = np.array([[s.c_sigma * s.dual(K[i, i], K[i, j], K[j, j]) for j in range(n)] for i in range(n)])
    return np.array([[s.c_sigma * K[i, j] * s.dual_derivative(K[i, i], K[i, j], K[j, j]) for j in range(n)] for i in range(n)])  # fmt: skip


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("s", [RELU, SOFTPLUS, ERF], ids=lambda s: s.name)
def test_blocks_give_the_definition(s, depth):
    for size in (None, 1, 2, 100):
        np.testing.assert_allclose(gram(UNEQUAL, depth, s, block_size=size), entrywise(UNEQUAL, depth, s), rtol=1e-11)


def test_one_layer_is_the_matrix_of_two_layer_networks():
    """`K^(1) = c E[s'(w.x) s'(w.y)] x.y`; for ReLU in closed form, Du et al. 2018 times 2."""
    x = UNEQUAL / np.linalg.norm(UNEQUAL, axis=1, keepdims=True)
    angle = np.arccos(np.clip(x @ x.T, -1, 1))
    np.testing.assert_allclose(gram(x, 1, RELU), 2 * (x @ x.T) * (math.pi - angle) / (2 * math.pi), atol=1e-7)


def test_least_eigenvalues_are_those_found_by_quadrature():
    """Gauss-Hermite quadrature of the recursion, another program: softplus, six unit inputs in three dimensions."""
    node, weight = np.polynomial.hermite_e.hermegauss(80)
    weight = weight / weight.sum()
    x = np.random.default_rng(0).standard_normal((6, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)

    def expectation(f, K):
        a = np.sqrt(np.diag(K))
        r = np.clip(K / a / a[:, None], -1, 1)[..., None, None]
        u = a[:, None, None, None] * node[:, None]
        v = a[:, None, None] * (r * node[:, None] + np.sqrt(1 - r * r) * node)
        return np.sum(f(u) * f(v) * weight[:, None] * weight, axis=(-1, -2))

    K = x @ x.T
    for depth in (1, 2, 3, 4):
        last = SOFTPLUS.c_sigma * K * expectation(SOFTPLUS.derivative, K)
        np.testing.assert_allclose(gram(x, depth, SOFTPLUS), last, atol=1e-11)
        K = SOFTPLUS.c_sigma * expectation(SOFTPLUS.value, K)


def outputs_and_slopes(x, depth, s, width, rng, variances):
    """Output `(n,)` and tangent kernel `(n, n)` of one random network, by backpropagation written out."""
    weight, bias, last = variances
    value, gates, kernel = x.T, [], 0.0
    layers, inputs = [], []
    for k in range(depth + 1):
        fan_in, final = value.shape[0], k == depth
        W = rng.standard_normal((1 if final else width, fan_in)) * math.sqrt((last if final else weight) / fan_in)
        inputs.append((value, (last if final else weight) / fan_in))
        z = W @ value + math.sqrt(bias) * rng.standard_normal((W.shape[0], 1))
        layers.append(W)
        gates.append(np.ones_like(z) if final else s.derivative(z))
        value = z if final else s.value(z)
    back = np.ones_like(value)
    for W, (below, scale), gate in zip(layers[::-1], inputs[::-1], gates[::-1], strict=True):
        back = back * gate
        kernel = kernel + (back.T @ back) * (scale * (below.T @ below) + bias)
        back = W.T @ back
    return value[0], kernel


@pytest.mark.parametrize("s", [RELU, GELU], ids=lambda s: s.name)
@pytest.mark.parametrize("depth", [1, 3])
def test_kernels_are_the_means_over_random_networks(s, depth):
    """Within four standard errors, each below 1% of the largest entry, with the O(1/m) bias removed by two widths."""
    rng, variances = np.random.default_rng(depth), (1.7, 0.3, 0.8)
    means, errors = [], []
    for width in (50, 100):
        drawn = np.array([outputs_and_slopes(UNEQUAL, depth, s, width, rng, variances)[1] for _ in range(3000 * depth)])
        means.append(drawn.mean(axis=0))
        errors.append(drawn.std(axis=0) / math.sqrt(len(drawn)))
    limit, error = 2 * means[1] - means[0], np.hypot(2 * errors[1], errors[0])
    options = dict(zip(("weight_variance", "bias_variance", "last_weight_variance"), variances, strict=True))
    found = tangent(UNEQUAL, depth=depth, activation=s, **options)
    assert error.max() < 0.01 * np.abs(found).max()
    assert np.all(np.abs(limit - found) < 4 * error)
    wrong = tangent(UNEQUAL, depth=depth, activation=s, **{**options, "last_weight_variance": 0.9})
    assert np.any(np.abs(limit - wrong) > 4 * error)


def test_outputs_at_initialisation_have_the_conjugate_kernel_as_covariance():
    rng, variances = np.random.default_rng(7), (1.7, 0.3, 0.8)
    drawn = np.array([outputs_and_slopes(UNEQUAL, 2, TANH, 200, rng, variances)[0] for _ in range(20_000)])
    products = drawn[:, :, None] * drawn[:, None]
    error = products.std(axis=0) / math.sqrt(len(drawn))
    found = conjugate(UNEQUAL, depth=2, activation=TANH, weight_variance=1.7, bias_variance=0.3, last_weight_variance=0.8)  # fmt: skip
    assert np.all(error < 0.02 * np.sqrt(np.outer(np.diag(found), np.diag(found))))
    assert np.all(np.abs(products.mean(axis=0) - found) < 4 * error + 0.005 * found.max())


def residual_networks(x, depth, s, width, rng, scale, patch):
    """`G^(H)` of one random residual network of the paper, fully connected for patch None."""
    step = scale / depth
    draw = rng.standard_normal
    pixels = x[:, :, None] if patch is None else x

    def patches(value):
        if patch is None:
            return value
        reach, p = patch // 2, value.shape[-1]
        padded = np.pad(value, ((0, 0), (0, 0), (reach, reach)))
        return np.concatenate([padded[:, :, o : o + p] for o in range(patch)], axis=1)

    value = patches(pixels)
    value = math.sqrt(s.c_sigma / width) * s.value(draw((width, value.shape[1])) @ value)
    for _ in range(depth - 2):
        below = patches(value)
        value = value + step / math.sqrt(width) * s.value(draw((width, below.shape[1])) @ below)
    below = patches(value)
    a = draw((width, below.shape[2]))
    slope = step / math.sqrt(width) * a * s.derivative(draw((width, below.shape[1])) @ below)
    return np.einsum("iml,idl,jmr,jdr->ij", slope, below, slope, below, optimize=True)


@pytest.mark.parametrize(("architecture", "patch"), [("resnet", None), ("convolutional_resnet", 3)])
@pytest.mark.parametrize("depth", [2, 3])
def test_residual_gram_matrices_are_the_means_over_random_networks(architecture, patch, depth):
    """As above. Inputs of unequal lengths, where the pairing of the cross terms shows."""
    rng = np.random.default_rng(depth)
    x = UNEQUAL if patch is None else rng.standard_normal((3, 2, 4)) * np.array([0.3, 0.5, 0.8])[:, None, None]
    means, errors = [], []
    for width in (60, 120):
        drawn = np.array([residual_networks(x, depth, SOFTPLUS, width, rng, 0.8, patch) for _ in range(4000)])
        means.append(drawn.mean(axis=0))
        errors.append(drawn.std(axis=0) / math.sqrt(len(drawn)))
    limit, error = 2 * means[1] - means[0], np.hypot(2 * errors[1], errors[0])
    found = gram(x, depth, SOFTPLUS, architecture, residual_scale=0.8)
    assert error.max() < 0.015 * np.abs(found).max()
    assert np.all(np.abs(limit - found) < 4 * error)


@settings(max_examples=500)
@given(st.integers(0, 10**9), st.integers(1, 12), st.integers(1, 4), st.sampled_from([RELU, ERF, SOFTPLUS, monomial(2)]))  # fmt: skip
def test_kernels_are_positive_semidefinite_for_any_inputs(seed, n, depth, s):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, rng.integers(1, 4))) * 10.0 ** rng.uniform(-1, 1 if s is RELU else 0, (n, 1))
    x = x[rng.integers(0, n, n)]  # with duplicates
    x[0] *= rng.integers(0, 2)
    for K in (gram(x, depth, s), tangent(x, depth=depth, activation=s, bias_variance=0.1), conjugate(x, depth=depth, activation=s)):  # fmt: skip
        np.testing.assert_array_equal(K, K.T)
        assert np.linalg.eigvalsh(K)[0] >= -1e-12 * np.trace(K)


def test_two_sets_are_blocks_of_their_union():
    x, y = UNEQUAL[:3], UNEQUAL[2:]
    for kernel in (tangent, conjugate):
        union = kernel(UNEQUAL, depth=3, activation=RELU, bias_variance=0.2)
        np.testing.assert_allclose(kernel(x, y, depth=3, activation=RELU, bias_variance=0.2), union[:3, 2:], rtol=1e-7)


def test_torch_gives_the_same_with_finite_gradients_at_equal_inputs():
    x = np.concatenate([UNEQUAL, UNEQUAL[:2]])
    for s in (RELU, SOFTPLUS):
        tensor = torch.tensor(x, requires_grad=True)
        for found, expected in (
            (gram(tensor, 3, s), gram(x, 3, s)),
            (tangent(tensor, depth=2, activation=s), tangent(x, depth=2, activation=s)),
        ):
            np.testing.assert_allclose(found.detach(), expected, rtol=1e-10, atol=1e-12)
            (slope,) = torch.autograd.grad(found.sum(), tensor)
            assert slope.isfinite().all()


def test_the_least_eigenvalue_falls_exponentially_without_and_polynomially_with_skips():
    x = UNEQUAL / np.linalg.norm(UNEQUAL, axis=1, keepdims=True)
    least = [np.linalg.eigvalsh(gram(x, depth, SOFTPLUS))[0] for depth in (2, 4, 6)]
    assert least[1] < 0.3 * least[0]
    assert least[2] < 0.3 * least[1]
    scaled = [depth**2 * np.linalg.eigvalsh(gram(x, depth, SOFTPLUS, "resnet"))[0] for depth in (4, 16, 64)]
    assert max(scaled) < 1.5 * min(scaled)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gram(UNEQUAL, 0, RELU), "depth is 0"),
        (lambda: gram(UNEQUAL, 1, RELU, "resnet"), "depth is 1"),
        (lambda: gram(UNEQUAL, 2, RELU, "transformer"), "architecture is 'transformer'"),
        (lambda: gram(UNEQUAL, 2, RELU, "resnet", residual_scale=1.0), "residual_scale is 1.0"),
        (lambda: gram(UNEQUAL, 2, RELU, "convolutional_resnet"), "at least 3 dimension"),
        (lambda: gram(np.ones((2, 1, 4)), 2, RELU, "convolutional_resnet", patch=2), "patch is 2"),
        (lambda: gram(np.full((2, 2), np.nan), 2, RELU), "X"),
        (lambda: gram(np.ones((0, 2)), 2, RELU), "X is empty"),
        (lambda: gram(UNEQUAL, 2, activations.STEP), "derivative of step"),
        (lambda: tangent(UNEQUAL, UNEQUAL[:, :2], depth=1, activation=RELU), r"Y has shape \(5, 2\)"),
        (lambda: tangent(UNEQUAL, depth=1, activation=RELU, weight_variance=-1), "weight_variance is -1"),
        (lambda: conjugate(UNEQUAL, depth=1, activation=RELU, block_size=0), "block_size is 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
