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
from alignmath.architectures import (
    Convolution,
    ConvolutionalResNet,
    Dense,
    FullyConnected,
    Nonlinearity,
    Residual,
    ResNet,
    serial,
)
from alignmath.kernels import conjugate, gram, layer_kernels, tangent

KINDS = (FullyConnected, ResNet, ConvolutionalResNet)
UNEQUAL = np.random.default_rng(0).standard_normal((5, 3)) * np.array([0.5, 1, 2, 1, 1.5])[:, None]


def usual(depth, s, weight_variance=2.0, **options):
    """The usual parametrisation."""
    return FullyConnected(depth, s, weight_variance=weight_variance, **options)


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
        np.testing.assert_allclose(
            gram(UNEQUAL, FullyConnected(depth, s), block_size=size), entrywise(UNEQUAL, depth, s), rtol=1e-11
        )


def test_one_layer_is_the_matrix_of_two_layer_networks():
    """`K^(1) = c E[s'(w.x) s'(w.y)] x.y`; for ReLU in closed form, Du et al. 2018 times 2."""
    x = UNEQUAL / np.linalg.norm(UNEQUAL, axis=1, keepdims=True)
    angle = np.arccos(np.clip(x @ x.T, -1, 1))
    np.testing.assert_allclose(
        gram(x, FullyConnected(1, RELU)), 2 * (x @ x.T) * (math.pi - angle) / (2 * math.pi), atol=1e-7
    )


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
        np.testing.assert_allclose(gram(x, FullyConnected(depth, SOFTPLUS)), last, atol=1e-11)
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
    options = dict(zip(names, variances, strict=True))
    found = np.array([[f(POSITIVE, FullyConnected(depth, s, **options)) for f in (conjugate, tangent)] for s in activations])  # fmt: skip

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


def paper_networks(x, architecture, width, rng, count=100):
    """`G^(H)` of a batch of random networks of the paper: `(B, n, n)`."""
    plain, convolutional = isinstance(architecture, FullyConnected), architecture.images
    depth, s, scale = architecture.depth, architecture.activation, getattr(architecture, "scale", None)
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


def paper(kind, depth, s, scale=0.8):
    return FullyConnected(depth, s) if kind is FullyConnected else kind(depth, s, scale=scale)


def assert_gram(architecture, most):
    """Inputs of unequal lengths, where the pairing of the cross terms shows."""
    x, rng = IMAGES if architecture.images else POSITIVE, np.random.default_rng(architecture.depth)
    found = gram(x, architecture)
    limit, error = extrapolated(lambda m: paper_networks(x, architecture, m, rng), found, 32, most)
    assert_means(limit, error, found)


@pytest.mark.parametrize(
    ("kind", "depth"), [(FullyConnected, 2), (ResNet, 3), (ConvolutionalResNet, 2)], ids=lambda v: getattr(v, "__name__", v)
)  # fmt: skip
def test_gram_matrices_are_the_means_over_random_networks(kind, depth):
    """As above."""
    assert_gram(paper(kind, depth, SOFTPLUS), 20_000)


@pytest.mark.slow
@pytest.mark.parametrize("s", [RELU, SOFTPLUS, TANH], ids=lambda s: s.name)
@pytest.mark.parametrize("depth", [3, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_gram_matrices_of_more_layers_are_the_means_over_random_networks(kind, depth, s):
    assert_gram(paper(kind, depth, s), 60_000)


@settings(max_examples=500)
@given(st.integers(0, 10**9), st.integers(1, 12), st.integers(1, 4), st.sampled_from([RELU, ABS, leaky_relu(0.1), ERF, SIN, COS, monomial(2), SOFTPLUS]), st.integers(6, 17), st.sampled_from([FullyConnected, ResNet]))  # fmt: skip
def test_kernels_are_positive_semidefinite_for_any_inputs(seed, n, depth, s, digits, kind):
    """With inputs that are equal, nearly equal and multiples of each other."""
    rng, angular = np.random.default_rng(seed), s.name in ("relu", "abs", "leaky_relu(0.1)")
    x = rng.standard_normal((n, rng.integers(1, 4))) * 10.0 ** rng.uniform(-1, 1 if angular else 0, (n, 1))
    x = x[rng.integers(0, n, n)]
    x[0] *= rng.integers(0, 2)
    moved = rng.integers(0, n, n // 2)
    x[moved] = x[moved] * (rng.choice([-1.0, 1.0, 0.3], (len(moved), 1)) if angular else 1.0) + 10.0**-digits * rng.standard_normal((len(moved), x.shape[1]))  # fmt: skip
    architecture = kind(depth, s) if depth > 1 else FullyConnected(depth, s)
    found = [gram(x, architecture), tangent(x, usual(depth, s, bias_variance=0.1)), conjugate(x, usual(depth, s))]
    for K in found:
        np.testing.assert_array_equal(K, K.T)
        assert np.linalg.eigvalsh(K)[0] >= -1e-12 * np.trace(K)


def test_matrices_with_equal_inputs_are_those_of_the_others_with_rows_repeated():
    x = np.random.default_rng(4).standard_normal((9, 2))
    order = np.array([0, 1, 0, 2, 3, 3, 4, 0, 5, 6, 7, 8, 8])
    for y in (None, x[[3, 3, 1]]):
        expected = tangent(x, usual(2, RELU), y, block_size=4)
        expected = expected[order][:, order] if y is None else expected[order]
        np.testing.assert_array_equal(tangent(x[order], usual(2, RELU), y, block_size=4), expected)


def test_matrices_do_not_depend_on_how_they_are_cut():
    """Strips on one thread (no block size), blocks on several, one block; with near duplicates in different ones."""
    x = np.random.default_rng(9).standard_normal((150, 3))
    x[140:] = x[:10] + 1e-9 * x[10:20]
    for y in (None, x[::-1][:90]):
        expected = tangent(x, usual(2, RELU), y, block_size=150)
        for size in (None, 32, 149):
            found = tangent(x, usual(2, RELU), y, block_size=size)
            np.testing.assert_allclose(found, expected, rtol=1e-13)
            second = None if y is None else torch.tensor(y.copy())
            other = tangent(torch.tensor(x), usual(2, RELU), second, block_size=size)
            np.testing.assert_allclose(other, expected, rtol=1e-13)
            if y is None:
                np.testing.assert_array_equal(found, found.T)
                np.testing.assert_array_equal(other, other.T)


def test_an_interrupted_call_stops_and_a_bar_is_shown_only_when_asked_for(capsys, monkeypatch):
    x = np.random.default_rng(5).standard_normal((2000, 2))
    tangent(x[:100], usual(1, RELU))
    assert capsys.readouterr().err == ""
    tangent(x[:100], usual(1, RELU), progress=True)
    assert "kernel" in capsys.readouterr().err
    done = []

    def block(self, one, two, *rest):
        done.append(0)
        if len(done) == 1:
            raise KeyboardInterrupt
        time.sleep(0.002)
        return np.zeros((len(one[0]), len(two[0])))

    monkeypatch.setattr(kernels.angles.PlainAngles, "block", block)
    with pytest.raises(KeyboardInterrupt):
        tangent(x, usual(1, RELU), block_size=16)
    assert len(done) < 4000  # of 7875 blocks


@pytest.mark.parametrize("s", [RELU, ABS, leaky_relu(0.2), leaky_relu(-0.3), leaky_relu(3.0)], ids=lambda s: s.name)
def test_recursions_of_angles_are_those_of_covariances(s):
    """For activations of two slopes; without these they go the way of all others."""
    general = replace(s, slopes=None)
    x = np.concatenate([UNEQUAL, -2 * UNEQUAL[:2], np.zeros((1, 3))])
    variances = {"weight_variance": 1.3, "bias_variance": 0.2, "last_weight_variance": 0.7}
    for depth, layer in itertools.product((2, 3, 5), (1, 2, None, -1)):
        h = depth + 1 if layer == -1 else layer
        for kind in (FullyConnected, ResNet):
            one, other = (gram(x, paper(kind, depth, f), layer=h) for f in (s, general))
            np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-7)
        for kernel in (tangent, conjugate):
            one, other = (kernel(x, FullyConnected(depth, f, **variances), UNEQUAL[1:]) for f in (s, general))
            np.testing.assert_allclose(one, other, rtol=1e-7)


@pytest.mark.parametrize("s", [RELU, leaky_relu(0.2), ABS, SIN, TANH], ids=lambda s: s.name)
def test_gradients_are_slopes_at_orthogonal_inputs_too(s):
    weights = torch.tensor(np.random.default_rng(8).standard_normal((3, 3)))
    for function in (lambda x: gram(x, FullyConnected(2, s)), lambda x: tangent(x, usual(2, s))):
        x = torch.eye(3, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad((weights * function(x)).sum(), x)
        shifts = 1e-6 * torch.eye(9, dtype=torch.float64).reshape(9, 3, 3)
        expected = [((weights * (function(x.detach() + d) - function(x.detach() - d))).sum() / 2e-6) for d in shifts]
        np.testing.assert_allclose(slope.ravel(), expected, atol=2e-7)


def test_single_precision_zero_inputs_and_large_ones_have_finite_kernels_and_gradients():
    x = np.random.default_rng(9).standard_normal((4, 8))
    for s in (TANH, GELU, SOFTPLUS, RELU, ERF):
        for kind in (FullyConnected, ResNet):
            single = gram(x.astype(np.float32), kind(2, s))
            assert single.dtype == np.float32
            np.testing.assert_allclose(single, gram(x, kind(2, s)), rtol=3e-3, atol=1e-4)
    x[0] = 0
    for s in (TANH, RELU, ERF):
        for shape, kind in (((4, 8), FullyConnected), ((4, 8), ResNet), ((4, 2, 4), ConvolutionalResNet)):
            tensor = torch.tensor((5 if len(shape) == 2 else 0.3) * x.reshape(shape), requires_grad=s is not RELU)
            found = gram(tensor, kind(2, s))
            assert found.isfinite().all()
            if s is not RELU:  # which has none there
                (slope,) = torch.autograd.grad(found.sum(), tensor)
                assert slope.isfinite().all()


def test_two_sets_are_blocks_of_their_union():
    x, y = UNEQUAL[:3], UNEQUAL[2:]
    for kernel in (tangent, conjugate):
        union = kernel(UNEQUAL, usual(3, RELU, bias_variance=0.2))
        np.testing.assert_allclose(kernel(x, usual(3, RELU, bias_variance=0.2), y), union[:3, 2:], rtol=1e-7)


def test_torch_gives_the_same_with_finite_gradients_at_equal_inputs():
    x = np.concatenate([UNEQUAL, UNEQUAL[:2]])
    for s in (RELU, SOFTPLUS):
        tensor = torch.tensor(x, requires_grad=True)
        for found, expected in (
            (gram(tensor, FullyConnected(3, s)), gram(x, FullyConnected(3, s))),
            (tangent(tensor, usual(2, s)), tangent(x, usual(2, s))),
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
        (x[:3], lambda x: gram(x, FullyConnected(2, s))[1, 2]),
        (x[:3], lambda x: tangent(x, usual(2, s), others)[1, 0]),
        (images, lambda x: gram(x, ConvolutionalResNet(2, s))[1, 2]),
    ]
    if s is not RELU:
        functions += [(x, lambda x: conjugate(x, usual(1, s), others)[3, 0])]
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
            K = gram(x, FullyConnected(depth, s), layer=layer).astype(float)
            assert np.linalg.eigvalsh(K)[0] >= -(1e-14 if dtype == "float64" else 3e-7) * np.trace(K)


def test_one_pixel_is_the_residual_network():
    """Patches of one pixel: on the diagonal to the bit, where angles are 0."""
    x = np.random.default_rng(11).standard_normal((200, 3))
    for s in (RELU, ABS):
        one, other = (
            gram(x[..., None], ConvolutionalResNet(3, s, patch=1)),
            gram(x, ResNet(3, s)),
        )
        np.testing.assert_allclose(np.diag(one), np.diag(other), rtol=1e-14)
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


def test_inputs_of_two_precisions_count_in_the_finer_one():
    x, y = UNEQUAL.astype(np.float32), UNEQUAL[:2]
    for one, two in ((x, y), (torch.tensor(x), torch.tensor(y))):
        for found in (tangent(one, usual(1, RELU), two), tangent(two, usual(1, RELU), one).T):
            assert found.dtype == two.dtype
            np.testing.assert_allclose(found, tangent(x.astype(float), usual(1, RELU), y), rtol=1e-14)


def test_the_least_eigenvalue_falls_exponentially_without_and_polynomially_with_skips():
    x = UNEQUAL / np.linalg.norm(UNEQUAL, axis=1, keepdims=True)
    least = [np.linalg.eigvalsh(gram(x, FullyConnected(depth, SOFTPLUS)))[0] for depth in (2, 4, 6)]
    assert least[1] < 0.3 * least[0]
    assert least[2] < 0.3 * least[1]
    scaled = [depth**2 * np.linalg.eigvalsh(gram(x, ResNet(depth, SOFTPLUS)))[0] for depth in (4, 16, 64)]
    assert max(scaled) < 1.5 * min(scaled)


MIXED = (SOFTPLUS, RELU, ERF, ABS)
VARIANCES = {"weight_variance": 1.3, "bias_variance": 0.2, "last_weight_variance": 0.7}


@pytest.mark.parametrize("activation", [RELU, leaky_relu(-0.3), SOFTPLUS, (RELU, ABS, leaky_relu(0.7), leaky_relu(-0.5)), MIXED], ids=str)  # fmt: skip
def test_named_networks_are_those_of_the_algebra(activation):
    """By angles where they go that way, by covariances in the algebra; on inputs that are not nearly parallel."""
    x = UNEQUAL[:4]
    for architecture in (FullyConnected(4, activation), FullyConnected(4, activation, **VARIANCES), ResNet(4, activation, scale=0.8)):  # fmt: skip
        for layer in (1, 3, None, 5, [2, 4]):
            one, other = (gram(x, a, UNEQUAL[3:], layer=layer) for a in (architecture, architecture.serial))
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)
        for kernel in (tangent, conjugate):
            np.testing.assert_allclose(kernel(x, architecture), kernel(x, architecture.serial), rtol=1e-12, atol=1e-13)


def test_one_activation_per_layer_is_a_direct_recursion():
    n, w, b, last = len(UNEQUAL), *VARIANCES.values()
    S = T = w * UNEQUAL @ UNEQUAL.T / 3 + b
    K, below, grown = UNEQUAL @ UNEQUAL.T, None, None
    for k, s in enumerate(MIXED):
        weight = w if k < 3 else last
        pairs = [[(S[i, i], S[i, j], S[j, j]) for j in range(n)] for i in range(n)]
        S = weight * np.array([[float(s.dual(*v)) for v in pairs_of_i] for pairs_of_i in pairs]) + b
        T = S + weight * T * np.array([[float(s.dual_derivative(*v)) for v in pairs_of_i] for pairs_of_i in pairs])
        below = K
        pairs = [[(K[i, i], K[i, j], K[j, j]) for j in range(n)] for i in range(n)]
        grown = K * s.c_sigma * np.array([[float(s.dual_derivative(*v)) for v in pairs_of_i] for pairs_of_i in pairs])
        K = s.c_sigma * np.array([[float(s.dual(*v)) for v in pairs_of_i] for pairs_of_i in pairs])
    usual_, paper_ = FullyConnected(4, MIXED, **VARIANCES), FullyConnected(4, MIXED)
    np.testing.assert_allclose(conjugate(UNEQUAL, usual_), S, rtol=1e-11)
    np.testing.assert_allclose(tangent(UNEQUAL, usual_), T, rtol=1e-11)
    np.testing.assert_allclose(gram(UNEQUAL, paper_), grown, rtol=1e-11)
    np.testing.assert_allclose(layer_kernels(UNEQUAL, paper_)[3], below, rtol=1e-11)


def images_of(x):
    return np.random.default_rng(3).uniform(0.1, 1, (4, 2, 5)) if x.images else POSITIVE


OWN = {
    "pre-activation": serial(Dense(1.5, 0.1), Residual(Nonlinearity(TANH), Dense(1.2, 0.1), factor=0.6), Residual(Nonlinearity(RELU), Dense(), Nonlinearity(ERF), Dense(), factor=0.5), Nonlinearity(SOFTPLUS), Dense(0.9, 0.2)),
    "residual in residual": serial(Dense(), Nonlinearity(SOFTPLUS), Residual(Dense(), Nonlinearity(RELU), Residual(Dense(), Nonlinearity(GELU), factor=0.4), factor=0.7), Dense()),
    "convolutions": serial(Convolution(0.4, 0.1, patch=3), Nonlinearity(RELU), Convolution(0.3, 0.1, patch=5), Nonlinearity(ERF), Residual(Convolution(0.5, patch=3), Nonlinearity(SOFTPLUS), factor=0.6), Dense(0.2), Nonlinearity(TANH), Dense(1.0, 0.1)),
}  # fmt: skip
"""Networks of one's own."""


@pytest.mark.parametrize("network", [*OWN.values(), FullyConnected(3, SOFTPLUS, **VARIANCES), ResNet(3, RELU), ConvolutionalResNet(3, ERF, scale=0.8)], ids=[*OWN, "usual", "resnet", "convolutional"])  # fmt: skip
def test_the_tangent_kernel_is_the_sum_over_the_layers(network):
    x, H = images_of(network), network.serial.depth
    parts = [gram(x, network, layer=h) for h in range(1, H + 2)]
    np.testing.assert_allclose(tangent(x, network), np.sum(parts, axis=0), rtol=1e-12)
    np.testing.assert_allclose(gram(x, network, layer=[1, H]), parts[0] + parts[H - 1], rtol=1e-12)
    np.testing.assert_allclose(conjugate(x, network), parts[-1], rtol=1e-12)
    np.testing.assert_allclose(gram(x, network), parts[H - 1], rtol=1e-12)
    assert np.linalg.eigvalsh(tangent(x, network))[0] > 0


def definition_7_1(x, architecture):
    """`K^(0), ..., K^(H)` written out, pixel by pixel; the corrected definition."""
    n, p, s, H, reach = len(x), x.shape[2], architecture.activation, architecture.depth, architecture.patch // 2
    index = list(itertools.product(range(n), range(n), range(p), range(p)))

    def patched(S):
        K = np.zeros_like(S)
        for i, j, left, right in index:
            offsets = [o for o in range(-reach, reach + 1) if 0 <= left + o < p and 0 <= right + o < p]
            K[i, j, left, right] = sum(S[i, j, left + o, right + o] for o in offsets)
        return K

    def over_pairs(function, K):
        return np.array([float(function(K[i, i, v, v], K[i, j, v, w], K[j, j, w, w])) for i, j, v, w in index]).reshape(n, n, p, p)  # fmt: skip

    def means(K):
        return np.array([[float(s.mean(K[i, i, v, v])) for v in range(p)] for i in range(n)])

    t, kernels = architecture.scale / H, [patched(np.einsum("icl,jcr->ijlr", x, x))]
    S, b = s.c_sigma * over_pairs(s.dual, kernels[0]), math.sqrt(s.c_sigma) * means(kernels[0])
    for _ in range(H - 2):
        K, m = patched(S), means(patched(S))
        kernels.append(K)
        cross = b[:, None, :, None] * m[None, :, None, :] + m[:, None, :, None] * b[None, :, None, :]
        S, b = S + t * cross + t * t * over_pairs(s.dual, K), b + t * m
    kernels.append(patched(S))
    last = t * t * np.einsum("ijll,ijll->ij", kernels[-1], over_pairs(s.dual_derivative, kernels[-1]))
    return [*kernels, last]


@pytest.mark.parametrize("s", [SOFTPLUS, RELU], ids=lambda s: s.name)
def test_the_kernels_of_all_layers_are_definition_7_1(s):
    architecture = ConvolutionalResNet(4, s, scale=0.8)
    found = layer_kernels(IMAGES, architecture)
    expected = definition_7_1(IMAGES, architecture)
    assert len(found) == len(expected) == 5
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("s", [SOFTPLUS, RELU], ids=lambda s: s.name)
@pytest.mark.parametrize("kind", [FullyConnected, ResNet])
def test_the_kernels_of_all_layers_are_those_of_networks_cut_there(kind, s):
    """A last layer's own matrix is that of what comes into it."""
    for K, h in zip(layer_kernels(UNEQUAL, paper(kind, 4, s)), range(5), strict=True):
        if h == 0:
            np.testing.assert_allclose(K, UNEQUAL @ UNEQUAL.T, rtol=1e-14)
        elif h == 4:
            np.testing.assert_allclose(K, gram(UNEQUAL, paper(kind, 4, s)), rtol=1e-14)
        elif kind is FullyConnected:
            np.testing.assert_allclose(K, gram(UNEQUAL, FullyConnected(h, s), layer=h + 1), rtol=1e-12)
        elif h > 1:  # the same factor c_res / H
            np.testing.assert_allclose(K, gram(UNEQUAL, ResNet(h, s, scale=0.8 * h / 4), layer=h + 1), rtol=1e-12)


def test_kernels_of_torch_of_images_and_of_single_precision_keep_their_kind():
    architecture = ConvolutionalResNet(2, SOFTPLUS)
    for K, expected in zip(layer_kernels(torch.tensor(IMAGES), architecture), layer_kernels(IMAGES, architecture), strict=True):  # fmt: skip
        assert K.dtype == torch.float64
        np.testing.assert_allclose(K, expected, rtol=1e-13)
    assert layer_kernels(IMAGES.astype(np.float32), architecture)[1].dtype == np.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FullyConnected(0, RELU), "depth is 0"),
        (lambda: ResNet(1, RELU), "depth is 1"),
        (lambda: gram(UNEQUAL, "transformer"), "architecture is 'transformer'"),
        (lambda: ResNet(2, RELU, scale=1.0), "scale is 1.0"),
        (lambda: gram(UNEQUAL, ConvolutionalResNet(2, RELU)), "at least 3 dimension"),
        (lambda: ConvolutionalResNet(2, RELU, patch=2), "patch is 2"),
        (lambda: gram(np.full((2, 2), np.nan), FullyConnected(2, RELU)), "x"),
        (lambda: gram(np.ones((0, 2)), FullyConnected(2, RELU)), "x is empty"),
        (lambda: gram(UNEQUAL, FullyConnected(2, activations.STEP)), "derivative of step"),
        (lambda: tangent(UNEQUAL, usual(1, RELU), UNEQUAL[:, :2]), r"other has shape \(5, 2\)"),
        (lambda: usual(1, RELU, -1), "weight_variance is -1"),
        (lambda: conjugate(UNEQUAL, usual(1, RELU), block_size=0), "block_size is 0"),
        (lambda: FullyConnected(1, "relu"), "activation is 'relu'"),
        (lambda: FullyConnected(1, None), "activation is None"),
        (lambda: FullyConnected(3, (RELU, ERF)), "activation has 2 entries; expected 3"),
        (lambda: gram(UNEQUAL, FullyConnected(2, RELU), layer=4), "layer is 4"),
        (lambda: gram(UNEQUAL, FullyConnected(2, RELU), layer=[]), "layer is empty"),
        (lambda: tangent(UNEQUAL, usual(1, RELU), torch.tensor(UNEQUAL)), "different array libraries"),
        (lambda: gram(1e200 * np.eye(2), FullyConnected(1, RELU)), r"x\[0\] has length about 1e\+200"),
        (lambda: gram(1e200 * np.eye(2), FullyConnected(1, ERF)), r"x\[0\] has length about 1e\+200"),
        (lambda: tangent(np.eye(2), usual(1, RELU), 1e-170 * np.eye(2)), r"other\[0\] has length about 1e-170"),
        (lambda: tangent(UNEQUAL, usual(999, RELU, 99.0)), "the kernel overflows in layer"),
        (lambda: gram(UNEQUAL, serial(Dense(), Nonlinearity(RELU))), "ends in Nonlinearity; add a Dense"),
        (lambda: gram(UNEQUAL, serial(Dense())), "the network is one Dense"),
        (lambda: gram(UNEQUAL, serial(Nonlinearity(RELU), Dense(), Dense())), "not Gaussian; put a Dense"),
        (lambda: gram(UNEQUAL, serial(Dense(), Nonlinearity(RELU), Nonlinearity(ERF), Dense())), "not Gaussian"),
        (lambda: gram(UNEQUAL, serial(Residual(Dense()), Dense())), "Residual is the first layer"),
        (lambda: gram(UNEQUAL, serial(Dense(), Dense(scaled=False))), "grow with the width; use scaled=True"),
        (lambda: gram(UNEQUAL, serial(Dense(), Convolution(), Dense())), "Convolution comes after a Dense"),
        (lambda: gram(IMAGES, serial(Convolution(), Residual(Dense()), Dense())), "Dense in a Residual"),
        (lambda: Residual(Nonlinearity(RELU)), "neither Dense nor Convolution"),
        (lambda: serial(Dense(), RELU), "a layer is <activation relu>"),
        (lambda: serial(), "serial has no layers"),
        (lambda: Dense(-1.0), "weight_variance is -1"),
        (lambda: Dense(1.0, bias_variance=math.nan), "bias_variance is nan"),
        (lambda: Nonlinearity("relu"), "activation is 'relu'"),
        (lambda: Convolution(patch=4), "patch is 4"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("slope", [(activations.GELU, 0.5), (activations.SILU, 0.5), (activations.TANH, 1.0), (activations.ERF, 2 / math.sqrt(math.pi)), (activations.SIN, 1.0)], ids=str)  # fmt: skip
@pytest.mark.parametrize(("scale", "dtype"), [(1e-150, "float64"), (1e-85, "float64"), (1e-8, "float64"), (1e-10, "float32"), (1e-15, "float32")])  # fmt: skip
def test_kernels_of_short_inputs_are_those_of_a_linear_network(slope, scale, dtype):
    """`S^(l+1) = w slope^2 S^l` and `T^(l+1) = S^(l+1) + w slope^2 T^l`; the next term is of the order of scale^2."""
    s, slope = slope
    w, last, x = 1.3, 0.7, np.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.3]])
    S = T = w * x @ x.T / 2
    for weight in (w, last):
        S = weight * slope**2 * S
        T = S + weight * slope**2 * T
    network = FullyConnected(2, s, weight_variance=w, last_weight_variance=last)
    short = (scale * x).astype(dtype)
    tolerance = 1e-13 if dtype == "float64" else 1e-6
    np.testing.assert_allclose(tangent(short, network) / scale / scale, T, rtol=tolerance, atol=tolerance * T.max())
    np.testing.assert_allclose(conjugate(short, network) / scale / scale, S, rtol=tolerance, atol=tolerance * S.max())


@pytest.mark.parametrize("s", [activations.GELU, activations.SILU, activations.SOFTPLUS], ids=str)
@pytest.mark.parametrize("scale", [1e8, 1e85, 1e145])
def test_kernels_of_long_inputs_are_those_of_relu(s, scale):
    x = np.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.3]])
    network, relu = (FullyConnected(2, f, weight_variance=2.0) for f in (s, activations.RELU))
    np.testing.assert_allclose(tangent(scale * x, network) / scale / scale, tangent(x, relu), rtol=3e-8)
