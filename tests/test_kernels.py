"""Kernels of wide networks: against random finite networks, against definitions written out, and their invariants."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alignmath import activations, kernels
from alignmath.activations import (
    ABS,
    COS,
    ERF,
    EXP,
    GELU,
    RELU,
    SIGMOID,
    SILU,
    SIN,
    SOFTPLUS,
    TANH,
    leaky_relu,
    monomial,
)
from alignmath.kernels import ARCHITECTURES, conjugate, gram, tangent

UNEQUAL = np.random.default_rng(0).standard_normal((5, 3)) * np.array([0.5, 1, 2, 1, 1.5])[:, None]


def entrywise(x, depth, s):
    """Definition 5.1, one pair of inputs at a time, with matrices that have not been put together by blocks."""
    n = len(x)
    K = x @ x.T
    for _ in range(depth - 1):
        K = np.array([[s.c_sigma * s.dual(K[i, i], K[i, j], K[j, j]) for j in range(n)] for i in range(n)])
    return np.array([[s.c_sigma * K[i, j] * s.dual_derivative(K[i, i], K[i, j], K[j, j]) for j in range(n)] for i in range(n)])  # fmt: skip


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("s", [RELU, ABS, leaky_relu(-0.3), leaky_relu(0.7), SOFTPLUS, ERF], ids=lambda s: s.name)
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


def random_kernels(x, depth, s, drawn, variances):
    """Of a batch of random networks, by backpropagation written out: kernels of outputs, given the hidden layers, and
    tangent kernels: `(B, 2, n, n)`. drawn: standard normal weights `(B, width, fan-in)` and biases of every layer."""
    weight, bias, last = variances
    value, steps = x.T[None], []
    for k, (W, offsets) in enumerate(drawn):
        scale = (last if k == depth else weight) / value.shape[1]
        z = math.sqrt(scale) * (W @ value) + math.sqrt(bias) * offsets
        steps.append(
            (math.sqrt(scale) * W, scale * (value.mT @ value) + bias, s.derivative(z) if k < depth else 1 + 0 * z)
        )
        value = s.value(z)
    output, tangents, back = steps[-1][1], 0.0, 1.0
    for W, below, gate in steps[::-1]:
        back = back * gate
        tangents = tangents + (back.mT @ back) * below
        back = W.mT @ back
    return np.stack([output, tangents], axis=1)


def drawn_networks(rng, count, inputs, depth, width):
    sizes = [inputs, *[width] * depth, 1]
    draw = partial(rng.standard_normal, dtype=np.float32)
    return [(draw((count, m, d)), draw((count, m, 1))) for d, m in itertools.pairwise(sizes)]


def extrapolated(draw, expected, width, most):
    """`2 E[draw(2 width)] - E[draw(width)]`, with its standard error: as many batches as bring it below 1% of what is
    expected, up to `most` draws of each width."""
    count, sums = 0, {m: [0.0, 0.0] for m in (width, 2 * width)}
    while True:
        for m, total in sums.items():
            values = draw(m).astype(np.float64)
            total[0], total[1] = total[0] + values.sum(axis=-3), total[1] + (values * values).sum(axis=-3)
        count += values.shape[-3]
        (one, error), (two, other) = ((a / count, np.sqrt((b / count - (a / count) ** 2) / count)) for a, b in sums.values())  # fmt: skip
        limit, deviation = 2 * two - one, np.hypot(2 * other, error)
        if count >= most or np.all(deviation < 0.01 * np.abs(expected)):
            return limit, deviation


USUAL = (1.7, 0.3, 0.8)
"""Variances of weights, biases and last weights."""
NAMED = [RELU, leaky_relu(0.2), ABS, ERF, SIN, COS, SOFTPLUS, SIGMOID, TANH, GELU, SILU]
POSITIVE = np.array([[0.9, 0.2, 0.1], [0.3, 0.6, 0.1], [0.8, 1.0, 0.6], [0.2, 0.4, 0.9], [0.5, 0.1, 0.4]])
"""Inputs of lengths 0.65 to 1.4 at acute angles: no entry of a kernel is near 0."""


def compared(depth, activations, variances, *, width, most, seed=0):
    """The kernels of networks, with their errors, and the closed forms, `(activations, 2, n, n)`."""
    rng, x = np.random.default_rng([seed, depth]), POSITIVE.astype(np.float32)
    names = ("weight_variance", "bias_variance", "last_weight_variance")
    options = dict(zip(names, variances, strict=True), depth=depth)
    found = np.array([[f(POSITIVE, activation=s, **options) for f in (conjugate, tangent)] for s in activations])

    def draw(m):
        drawn = drawn_networks(rng, 200, 3, depth, m)
        return np.stack([random_kernels(x, depth, s, drawn, variances) for s in activations]).swapaxes(1, 2)

    return *extrapolated(draw, found, width, most), found


def assert_means(limit, error, found):
    assert np.all(error < 0.01 * np.abs(found)), np.max(error / np.abs(found), axis=(-1, -2))
    apart = np.max(np.abs(limit - found) / error, axis=(-1, -2))
    assert np.all(apart < 4), apart


@pytest.mark.parametrize(
    ("s", "depth"), [(RELU, 1), (ABS, 2), (GELU, 2), (RELU, 3)], ids=lambda v: getattr(v, "name", v)
)
def test_kernels_are_the_means_over_random_networks(s, depth):
    """Within four standard errors, each below 1% of the value, with the O(1/m) bias removed by two widths."""
    limit, error, found = compared(depth, [s], USUAL, width=48, most=20_000)
    assert_means(limit, error, found)
    assert np.any(np.abs(limit - 1.1 * found) > 4 * error)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_kernels_of_every_activation_are_the_means_over_random_networks(depth):
    assert_means(*compared(depth, NAMED, USUAL, width=64, most=40_000))


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ("s", "variances"), [(monomial(2), (0.2, 0.1, 0.8)), (EXP, (0.1, 0.05, 0.8))], ids=["x^2", "exp"]
)
def test_kernels_of_activations_that_grow_fast_are_the_means_over_random_networks(s, variances, depth):
    """Of small variances: at larger ones, from the third layer on, a mean over networks is that of the few largest."""
    assert_means(*compared(depth, [s], variances, width=64, most=40_000))


def paper_networks(x, depth, s, width, rng, scale, architecture, count=100):
    """`G^(H)` of a batch of random networks of the paper: `(B, n, n)`."""
    plain, convolutional = architecture == "fully_connected", architecture == "convolutional_resnet"
    draw, first = partial(rng.standard_normal, dtype=np.float32), math.sqrt(s.c_sigma / width)
    step = first if plain else scale / depth / math.sqrt(width)
    value = np.asarray(x if convolutional else x[:, :, None], dtype=np.float32)[None]

    def below(value):  # patches of 3 pixels; (B, n, channels, pixels)
        if not convolutional:
            return value
        padded = np.pad(value, ((0, 0), (0, 0), (0, 0), (1, 1)))
        return np.concatenate([padded[..., o : o + value.shape[-1]] for o in range(3)], axis=2)

    for k in range(depth - 1):
        inner = below(value)
        new = (first if k == 0 else step) * s.value(draw((count, 1, width, inner.shape[2])) @ inner)
        value = new if k == 0 or plain else value + new
    inner = below(value)
    slope = s.derivative(draw((count, 1, width, inner.shape[2])) @ inner)
    slope = step * draw((count, 1, width, inner.shape[3])) * slope
    gradients = (slope @ inner.mT).reshape(count, len(x), -1)
    return gradients @ gradients.mT


IMAGES = np.random.default_rng(2).uniform(0, 1, (3, 2, 4)) * np.array([0.4, 0.7, 1.0])[:, None, None]


def assert_gram(architecture, s, depth, most):
    """Inputs of unequal lengths, where the pairing of the cross terms shows."""
    x, rng = IMAGES if architecture == "convolutional_resnet" else POSITIVE, np.random.default_rng(depth)
    found = gram(x, depth, s, architecture, residual_scale=0.8)
    limit, error = extrapolated(lambda m: paper_networks(x, depth, s, m, rng, 0.8, architecture), found, 32, most)
    assert_means(limit, error, found)


@pytest.mark.parametrize(
    ("architecture", "depth", "s"),
    [("fully_connected", 2, SOFTPLUS), ("resnet", 3, SOFTPLUS), ("convolutional_resnet", 2, SOFTPLUS)],
    ids=lambda v: getattr(v, "name", v),
)  # fmt: skip
def test_gram_matrices_are_the_means_over_random_networks(architecture, depth, s):
    """As above."""
    assert_gram(architecture, s, depth, 20_000)


@pytest.mark.slow
@pytest.mark.parametrize("s", [RELU, SOFTPLUS, TANH], ids=lambda s: s.name)
@pytest.mark.parametrize("depth", [3, 5])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gram_matrices_of_more_layers_are_the_means_over_random_networks(architecture, depth, s):
    assert_gram(architecture, s, depth, 60_000)


@settings(max_examples=500)
@given(st.integers(0, 10**9), st.integers(1, 12), st.integers(1, 4), st.sampled_from([RELU, ABS, leaky_relu(0.1), ERF, SIN, COS, monomial(2), SOFTPLUS]), st.integers(6, 17), st.sampled_from([[], ["resnet"]]))  # fmt: skip
def test_kernels_are_positive_semidefinite_for_any_inputs(seed, n, depth, s, digits, architecture):
    """With inputs that are equal, nearly equal and multiples of each other."""
    rng, angular = np.random.default_rng(seed), s.name in ("relu", "abs", "leaky_relu(0.1)")
    x = rng.standard_normal((n, rng.integers(1, 4))) * 10.0 ** rng.uniform(-1, 1 if angular else 0, (n, 1))
    x = x[rng.integers(0, n, n)]
    x[0] *= rng.integers(0, 2)
    moved = rng.integers(0, n, n // 2)
    x[moved] = x[moved] * (rng.choice([-1.0, 1.0, 0.3], (len(moved), 1)) if angular else 1.0) + 10.0**-digits * rng.standard_normal((len(moved), x.shape[1]))  # fmt: skip
    found = [gram(x, depth, s, *architecture[: depth > 1]), tangent(x, depth=depth, activation=s, bias_variance=0.1), conjugate(x, depth=depth, activation=s)]  # fmt: skip
    for K in found:
        np.testing.assert_array_equal(K, K.T)
        assert np.linalg.eigvalsh(K)[0] >= -1e-12 * np.trace(K)


def test_matrices_with_equal_inputs_are_those_of_the_others_with_rows_repeated():
    x = np.random.default_rng(4).standard_normal((9, 2))
    order = np.array([0, 1, 0, 2, 3, 3, 4, 0, 5, 6, 7, 8, 8])
    for y in (None, x[[3, 3, 1]]):
        expected = tangent(x, y, depth=2, activation=RELU, block_size=4)
        expected = expected[order][:, order] if y is None else expected[order]
        np.testing.assert_array_equal(tangent(x[order], y, depth=2, activation=RELU, block_size=4), expected)


def test_matrices_do_not_depend_on_how_they_are_cut():
    """Strips on one thread (no block size), blocks on several, one block; with near duplicates in different ones."""
    x = np.random.default_rng(9).standard_normal((150, 3))
    x[140:] = x[:10] + 1e-9 * x[10:20]
    for y in (None, x[::-1][:90]):
        expected = tangent(x, y, depth=2, activation=RELU, block_size=150)
        for size in (None, 32, 149):
            found = tangent(x, y, depth=2, activation=RELU, block_size=size)
            np.testing.assert_allclose(found, expected, rtol=1e-13)
            other = tangent(torch.tensor(x), None if y is None else torch.tensor(y.copy()), depth=2, activation=RELU, block_size=size)  # fmt: skip
            np.testing.assert_allclose(other, expected, rtol=1e-13)
            if y is None:
                np.testing.assert_array_equal(found, found.T)
                np.testing.assert_array_equal(other, other.T)


def test_an_interrupted_call_stops_and_a_bar_is_shown_only_when_asked_for(capsys, monkeypatch):
    x = np.random.default_rng(5).standard_normal((2000, 2))
    tangent(x[:100], depth=1, activation=RELU)
    assert capsys.readouterr().err == ""
    tangent(x[:100], depth=1, activation=RELU, progress=True)
    assert "kernel" in capsys.readouterr().err
    done = []

    def block(self, one, two, *rest):
        done.append(0)
        if len(done) == 1:
            raise KeyboardInterrupt
        time.sleep(0.002)
        return np.zeros((len(one[0]), len(two[0])))

    monkeypatch.setattr(kernels.KernelAngles, "block", block)
    with pytest.raises(KeyboardInterrupt):
        tangent(x, depth=1, activation=RELU, block_size=16)
    assert len(done) < 4000  # of 7875 blocks


@pytest.mark.parametrize("s", [RELU, ABS, leaky_relu(0.2), leaky_relu(-0.3), leaky_relu(3.0)], ids=lambda s: s.name)
def test_recursions_of_angles_are_those_of_covariances(s):
    """For activations of two slopes; without these they go the way of all others."""
    general = replace(s, slopes=None)
    x = np.concatenate([UNEQUAL, -2 * UNEQUAL[:2], np.zeros((1, 3))])
    variances = {"weight_variance": 1.3, "bias_variance": 0.2, "last_weight_variance": 0.7}
    for depth, layer in itertools.product((2, 3, 5), (1, 2, None, -1)):
        h = depth + 1 if layer == -1 else layer
        for architecture in ARCHITECTURES[:2]:
            one, other = (gram(x, depth, f, architecture, layer=h, residual_scale=0.8) for f in (s, general))
            np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-7)
        for kernel in (tangent, conjugate):
            one, other = (kernel(x, UNEQUAL[1:], depth=depth, activation=f, **variances) for f in (s, general))
            np.testing.assert_allclose(one, other, rtol=1e-7)


@pytest.mark.parametrize("s", [RELU, leaky_relu(0.2), ABS, SIN, TANH], ids=lambda s: s.name)
def test_gradients_are_slopes_at_orthogonal_inputs_too(s):
    weights = torch.tensor(np.random.default_rng(8).standard_normal((3, 3)))
    for function in (lambda x: gram(x, 2, s), lambda x: tangent(x, depth=2, activation=s)):
        x = torch.eye(3, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad((weights * function(x)).sum(), x)
        shifts = 1e-6 * torch.eye(9, dtype=torch.float64).reshape(9, 3, 3)
        expected = [((weights * (function(x.detach() + d) - function(x.detach() - d))).sum() / 2e-6) for d in shifts]
        np.testing.assert_allclose(slope.ravel(), expected, atol=2e-7)


def test_single_precision_zero_inputs_and_large_ones_have_finite_kernels_and_gradients():
    x = np.random.default_rng(9).standard_normal((4, 8))
    for s in (TANH, GELU, SOFTPLUS, RELU, ERF):
        for architecture in ARCHITECTURES[:2]:
            single = gram(x.astype(np.float32), 2, s, architecture)
            assert single.dtype == np.float32
            np.testing.assert_allclose(single, gram(x, 2, s, architecture), rtol=3e-3, atol=1e-4)
    x[0] = 0
    for s in (TANH, RELU, ERF):
        for shape, architecture in (
            ((4, 8), "fully_connected"),
            ((4, 8), "resnet"),
            ((4, 2, 4), "convolutional_resnet"),
        ):
            tensor = torch.tensor((5 if len(shape) == 2 else 0.3) * x.reshape(shape), requires_grad=True)
            found = gram(tensor, 2, s, architecture)
            (slope,) = torch.autograd.grad(found.sum(), tensor)
            assert found.isfinite().all()
            assert slope.isfinite().all()


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


@pytest.mark.parametrize("s", [RELU, SOFTPLUS, ERF], ids=lambda s: s.name)
def test_gradients_go_to_the_input_they_belong_to_among_equal_ones_and_at_zero(s):
    """Central differences, of entries that do not compare equal inputs, where angles have no derivative."""
    x = np.array([[1.0, 0.2, 0.3], [1.0, 0.2, 0.3], [0.1, 1.0, -0.4], [0.0, 0.0, 0.0]])
    images = x.reshape(4, 1, 3)[:3]
    others = torch.tensor(x[2:3])
    functions = [
        (x[:3], lambda x: gram(x, 2, s)[1, 2]),
        (x[:3], lambda x: tangent(x, others, depth=2, activation=s)[1, 0]),
        (images, lambda x: gram(x, 2, s, "convolutional_resnet")[1, 2]),
    ]
    if s is not RELU:
        functions += [(x, lambda x: conjugate(x, others, depth=1, activation=s)[3, 0])]
    for where, function in functions:
        tensor = torch.tensor(where, requires_grad=True)
        (slope,) = torch.autograd.grad(function(tensor), tensor)
        shifts = 1e-6 * torch.eye(where.size, dtype=torch.float64).reshape(-1, *where.shape)
        expected = [(function(tensor.detach() + d) - function(tensor.detach() - d)) / 2e-6 for d in shifts]
        np.testing.assert_allclose(slope.ravel(), torch.stack(expected), atol=1e-8)
        assert abs(slope).max() > 0.01


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("s", [RELU, ABS, leaky_relu(0.05), leaky_relu(0.3)], ids=lambda s: s.name)
def test_deep_matrices_of_clusters_are_positive_semidefinite(s, dtype):
    """Clusters of all sizes whose members have near copies, or near opposites."""
    rng, tiny = np.random.default_rng(10), {"float64": 1e-13, "float32": 1e-6}[dtype]
    for size, sign, depth in itertools.product(10.0 ** np.arange(-4, 0, 0.5), (1, -1), (3, 10, 100)):
        x = rng.standard_normal(5) + size * rng.standard_normal((3, 5))
        x = np.concatenate([x, sign * (x + tiny * rng.standard_normal((3, 5)))]).astype(dtype)
        for layer in (1, None):
            K = gram(x, depth, s, layer=layer).astype(float)
            assert np.linalg.eigvalsh(K)[0] >= -(1e-14 if dtype == "float64" else 3e-7) * np.trace(K)


def test_one_pixel_is_the_residual_network():
    """Patches of one pixel: on the diagonal to the bit, where angles are 0."""
    x = np.random.default_rng(11).standard_normal((200, 3))
    for s in (RELU, ABS):
        one, other = (
            gram(x[..., None], 3, s, "convolutional_resnet", patch=1),
            gram(x, 3, s, "resnet"),
        )
        np.testing.assert_allclose(np.diag(one), np.diag(other), rtol=1e-14)
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


def test_inputs_of_two_precisions_count_in_the_finer_one():
    x, y = UNEQUAL.astype(np.float32), UNEQUAL[:2]
    for one, two in ((x, y), (torch.tensor(x), torch.tensor(y))):
        for found in (tangent(one, two, depth=1, activation=RELU), tangent(two, one, depth=1, activation=RELU).T):
            assert found.dtype == two.dtype
            np.testing.assert_allclose(found, tangent(x.astype(float), y, depth=1, activation=RELU), rtol=1e-14)


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
        (lambda: gram(UNEQUAL, 1, "relu"), "activation is 'relu'"),
        (lambda: tangent(UNEQUAL, depth=1, activation=None), "activation is None"),
        (lambda: tangent(UNEQUAL, torch.tensor(UNEQUAL), depth=1, activation=RELU), "different array libraries"),
        (lambda: gram(1e200 * np.eye(2), 1, RELU), r"X\[0\] has length about 1e\+200"),
        (lambda: gram(1e200 * np.eye(2), 1, ERF), r"X\[0\] has length about 1e\+200"),
        (lambda: tangent(np.eye(2), 1e-170 * np.eye(2), depth=1, activation=RELU), r"Y\[0\] has length about 1e-170"),
        (lambda: tangent(UNEQUAL, depth=999, activation=RELU, weight_variance=99.0), "the kernel overflows in layer"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
