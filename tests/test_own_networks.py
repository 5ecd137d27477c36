"""Networks of one's own: against another package, the diagonal alone, variances per layer, pooling, the standard
parametrisation. Against finite networks: tests/test_wide_networks.py."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from alignmath.activations import ABS, ERF, EXP, RELU, SOFTPLUS, TANH, leaky_relu, monomial
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
from alignmath.kernels import conjugate, gram, layer_kernels, tangent

X = np.random.default_rng(7).uniform(-1, 1, (3, 3))
IMAGES = np.random.default_rng(9).uniform(-1, 1, (3, 2, 5))
PER_LAYER = FullyConnected(2, RELU, weight_variance=(1.7, 1.2), bias_variance=(0.3, 0.1, 0.2), last_weight_variance=0.8)
NTK = FullyConnected(2, RELU, weight_variance=1.7, bias_variance=0.3, last_weight_variance=0.8)
POOLED = serial(
    Convolution(0.6, 0.1),
    Nonlinearity(RELU),
    Convolution(0.7, 0.2),
    Nonlinearity(RELU),
    GlobalAveragePooling(),
    Dense(0.9, 0.3),
    Nonlinearity(ERF),
    Dense(1.0, 0.1),
)
POOLED_LAST = serial(
    Convolution(0.6, 0.1), Nonlinearity(RELU), Convolution(0.7), Nonlinearity(RELU), GlobalAveragePooling(), Dense(0.9)
)
ANOTHER = {
    "per layer": (
        PER_LAYER,
        X,
        [0.4476900719129278, 0.3642939528109506, 0.4251292334217809, 0.4507128076054375, 0.43639256163325935, 0.5492929964614405],
        [0.9030702157387834, 0.4913042924089953, 0.6665148207679024, 0.9121384228163126, 0.7097743362236627, 1.2078789893843216],
    ),
    "standard": (
        StandardParametrisation(NTK, 512),
        X,
        [0.7142276018766477, 0.5935954799305887, 0.68111942020826, 0.7185098107743698, 0.6973549288973546, 0.858165078320374],
        [355.79932106368614, 221.00094299074246, 302.1981652287983, 359.83719215959707, 318.83685607333985, 491.52389443974107],
    ),
    "standard of erf": (
        StandardParametrisation(FullyConnected(2, ERF, weight_variance=1.7, last_weight_variance=0.8), 512),
        X,
        [0.2951836267544985, -0.011323185852019602, 0.1255702164865745, 0.2969220315611662, 0.1559105075393954, 0.33491633702010337],
        [289.98143317107406, -10.67766695863656, 119.20098464776314, 291.85040186267696, 148.5583646407085, 333.6533413386637],
    ),
    "pooled": (
        POOLED,
        IMAGES,
        [0.4574791296970159, 0.4411221497024418, 0.4560447109064083, 0.4557089067169139, 0.4381591047008899, 0.48111047733971046],
        [1.0340136649426501, 0.9247354807747037, 1.0096926876741619, 1.0199752235948536, 0.9193893422677242, 1.1722226943220435],
    ),
    "standard pooled": (
        StandardParametrisation(POOLED_LAST, 512),
        IMAGES,
        [0.18490400454654218, 0.16104625632461772, 0.20197804786434498, 0.1802455145547242, 0.1758780220641312, 0.25903936161212376],
        [186.26260990244938, 142.12709765699896, 193.61727199132582, 178.5317172811336, 154.71385262008891, 277.4389204367401],
    ),
}  # fmt: skip
"""Upper halves of the conjugate and the tangent kernel of neural-tangents 0.6.5 (jax 0.4.30, float64), by its `stax`, with `std =
{"parameterization": "standard"}` in the standard parametrisation:

    def dense(w, b, **std): return Dense(512, w**.5, b**.5 if b else None, **std)
    def conv(w, b, **std): return Conv(512, (3,), padding="SAME", W_std=(3 * w)**.5, b_std=b**.5 if b else None,
                                       dimension_numbers=("NHC", "HIO", "NHC"), **std)
    serial(dense(1.7, .3), Relu(), dense(1.2, .1), Relu(), dense(.8, .2))[2](X, None)

and so on, with `GlobalAvgPool()`, and `IMAGES.transpose(0, 2, 1)` for images. `conv` has `3 w` because there weights are
scaled by channels and pixels of a patch together."""


@pytest.mark.parametrize(("network", "x", "outputs", "slopes"), ANOTHER.values(), ids=ANOTHER)
def test_kernels_are_those_of_another_package(network, x, outputs, slopes):
    upper = np.triu_indices(3)
    np.testing.assert_allclose(conjugate(x, network)[upper], outputs, rtol=1e-12)
    np.testing.assert_allclose(tangent(x, network)[upper], slopes, rtol=1e-12)
    np.testing.assert_allclose(tangent(x, network, x[:2])[:, :2], tangent(x, network)[:, :2], rtol=1e-12)


def test_pooling_is_a_mean_over_pairs_of_pixels_written_out():
    """`layer_kernels` of a network that reads the image whole gives what comes to its output, pixel by pixel."""
    blocks = [Convolution(0.6, 0.1, patch=3), Nonlinearity(SOFTPLUS), Residual(Convolution(0.5), Nonlinearity(RELU), factor=0.7)]  # fmt: skip
    arriving = gram_of_pixels(IMAGES, blocks)
    pooled = serial(*blocks, GlobalAveragePooling(), Dense(0.8, 0.2))
    np.testing.assert_allclose(conjugate(IMAGES, pooled), 0.8 * arriving.mean(axis=(2, 3)) + 0.2, rtol=1e-12)
    np.testing.assert_allclose(layer_kernels(IMAGES, pooled)[1], layer_kernels(IMAGES, serial(*blocks, Dense()))[1])


def gram_of_pixels(images, blocks):
    """`K_ij,lr` of what comes out of blocks, from networks that read one pixel of each image: a last Convolution of
    one pixel, whose arriving second moments `layer_kernels` gives."""
    network = serial(
        *blocks, Convolution(patch=1), Nonlinearity(RELU), Convolution(patch=1), Nonlinearity(RELU), Dense()
    )
    return layer_kernels(images, network)[2]


DIAGONALS = {
    "relu": (FullyConnected(3, RELU, weight_variance=2.0), X),
    "leaky": (FullyConnected(2, leaky_relu(0.1), weight_variance=2.0, bias_variance=(0.0, 0.2, 0.1)), X),
    "paper": (FullyConnected(2, (RELU, ERF)), X),
    "residual": (ResNet(3, ABS), X),
    "residual of erf": (ResNet(3, ERF), X),
    "images": (ConvolutionalResNet(2, RELU), IMAGES),
    "pooled": (POOLED, IMAGES),
    "standard": (StandardParametrisation(NTK, 50), X),
    "standard pooled": (StandardParametrisation(POOLED, 50), IMAGES),
}


@pytest.mark.parametrize(("network", "x"), DIAGONALS.values(), ids=DIAGONALS)
def test_the_diagonal_alone_is_that_of_the_matrix(network, x):
    x = np.concatenate([x, 0 * x[:1], x[:1]])
    functions = [conjugate, tangent, gram, lambda *a, **o: gram(*a, layer=[1, 2], **o)]
    for function, size in itertools.product(functions, (None, 2)):
        expected = np.diag(function(x, network))
        found = function(x, network, diagonal=True, block_size=size)
        assert found.shape == (5,)
        np.testing.assert_allclose(found, expected, rtol=1e-14)
        again = function(torch.tensor(x), network, diagonal=True, block_size=size)
        np.testing.assert_allclose(again, expected, rtol=1e-13)
        assert function(x.astype(np.float32), network, diagonal=True).dtype == np.float32
    tensor = torch.tensor(x[:3], requires_grad=True)
    slopes = [torch.autograd.grad(v.sum(), tensor)[0] for v in (tangent(tensor, network, diagonal=True), tangent(tensor, network).diagonal())]  # fmt: skip
    np.testing.assert_allclose(*slopes, rtol=1e-9, atol=1e-12)


def test_the_diagonal_of_many_inputs_needs_no_matrix(capsys):
    x = np.random.default_rng(1).standard_normal((200_000, 2))
    found = tangent(x, NTK, diagonal=True)
    np.testing.assert_allclose(found[:5], np.diag(tangent(x[:5], NTK)), rtol=1e-13)
    tangent(x[:10], NTK, diagonal=True, progress=True)
    assert "kernel" in capsys.readouterr().err


@pytest.mark.parametrize("s", [RELU, leaky_relu(-0.4), TANH], ids=lambda s: s.name)
def test_variances_per_layer_are_those_of_the_layers(s):
    weights, biases, last = (1.7, 0.4, 1.1), (0.0, 0.3, 0.0, 0.2), 0.6
    network = FullyConnected(3, s, weight_variance=weights, bias_variance=biases, last_weight_variance=last)
    layers = [part for w, b in zip(weights, biases[:3], strict=True) for part in (Dense(w, b), Nonlinearity(s))]
    own = serial(*layers, Dense(last, biases[3]))
    for kernel in (conjugate, tangent, gram, lambda *a: gram(*a, layer=2)):
        np.testing.assert_allclose(kernel(X, network), kernel(X, own), rtol=1e-12)
    same = FullyConnected(2, s, weight_variance=(2.0, 2.0), bias_variance=[0.1] * 3)
    np.testing.assert_array_equal(tangent(X, same), tangent(X, FullyConnected(2, s, weight_variance=2.0, bias_variance=0.1)))  # fmt: skip


@pytest.mark.parametrize("biases", [False, True])
def test_the_standard_parametrisation_counts_every_layer_by_its_width(biases):
    """Layer by layer, by angles and by covariances: `c / weight_variance` times the part of the weights, and 1."""
    for b in (0.0, (0.3, 0.0, 0.2), 0.4):
        network = FullyConnected(2, (RELU, leaky_relu(0.3)), weight_variance=(1.5, 0.8), bias_variance=b, last_weight_variance=0.7)  # fmt: skip
        one, two = (StandardParametrisation(a, 30, biases=biases) for a in (network, network.serial))
        for h, (layer, units) in enumerate(zip(network.weighted, (3, 30, 30), strict=True), 1):
            found = gram(X, one, layer=h)
            np.testing.assert_allclose(found, gram(X, two, layer=h), rtol=1e-12)
            if h == 3:
                K = (conjugate(X, network) - layer.bias_variance) * units / 0.7
                np.testing.assert_allclose(found, K + bool(layer.bias_variance or biases), rtol=1e-12)
        np.testing.assert_array_equal(conjugate(X, one), conjugate(X, network))


@pytest.mark.parametrize("kind", [FullyConnected, ResNet, ConvolutionalResNet])
def test_of_the_papers_networks_the_first_layer_counts_as_it_is_and_others_by_the_width(kind):
    network = kind(2, ERF)
    x = IMAGES if network.images else X
    for h, gain in ((1, 1), (2, 30), (3, 30)):
        found, alone = gram(x, StandardParametrisation(network, 30), layer=h), gram(x, network, layer=h)
        np.testing.assert_allclose(found, gain * alone, rtol=1e-12)


def test_small_angles_keep_their_digits_in_the_standard_parametrisation_and_beside_biases():
    """Positive semi-definite to rounding for inputs 1e-9 apart, which kernels of covariances are not."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 3))
    x = np.concatenate([x, x + 1e-9 * rng.standard_normal((20, 3))])
    usual = FullyConnected(3, RELU, weight_variance=2.0, bias_variance=(0.5, 0.0, 0.1, 0.1))
    for network in (usual, StandardParametrisation(usual, 100), StandardParametrisation(FullyConnected(3, RELU), 100)):
        K = tangent(x, network)
        assert np.linalg.eigvalsh(K)[0] >= -1e-14 * np.trace(K)


def test_jitter_of_the_docstring_makes_matrices_of_single_precision_positive_definite():
    """In float32 `1e-7 n` of the mean of the diagonal, in float64 `1e-15 n`: Cholesky passes, with near duplicates."""
    rng = np.random.default_rng(1)
    for n, depth, s in itertools.product((50, 200), (1, 10), (RELU, ERF)):
        x = rng.standard_normal((n // 2, 10))
        x = np.concatenate([x, x + 1e-7 * rng.standard_normal(x.shape)])
        for dtype, jitter in (("float32", 1e-7), ("float64", 1e-15)):
            for kernel in (conjugate, tangent):
                K = kernel(x.astype(dtype), FullyConnected(depth, s, weight_variance=2.0, bias_variance=0.1))
                mean = np.diag(K).mean()
                np.linalg.cholesky(K + (jitter * n * mean * np.eye(n)).astype(dtype))
                exact = kernel(x, FullyConnected(depth, s, weight_variance=2.0, bias_variance=0.1))
                assert np.abs(K - exact).max() < (1e-6 if dtype == "float32" else 1e-15) * 10 * mean


HUGE = [
    FullyConnected(2, RELU, weight_variance=1e300),
    FullyConnected(400, RELU, weight_variance=99.0),
    FullyConnected(2, leaky_relu(1e6), weight_variance=1e305),
    FullyConnected(2, ERF, weight_variance=1e300),
    FullyConnected(3, EXP, weight_variance=9.0),
    FullyConnected(2, monomial(60)),
    serial(Dense(1e200), Nonlinearity(RELU, 1e100), Dense(), Nonlinearity(RELU), Dense()),
    StandardParametrisation(FullyConnected(3, EXP), 10**6),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("network", HUGE, ids=str)
@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_kernels_that_overflow_are_refused(network, library):
    """With an input 0 among them, which is multiplied by what is infinite."""
    x = library(np.concatenate([1e6 * X, 0 * X]))
    for kernel in (conjugate, tangent, lambda *a: tangent(*a, diagonal=True)):
        with pytest.raises(ValueError, match=r"the kernel overflows|an expectation of .* is not finite"):
            kernel(x, network)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tangent(X, NTK, X, diagonal=True), "diagonal is of the inputs x with themselves; leave out other"),
        (lambda: tangent(X, NTK, diagonal=True, block_size=0), "block_size is 0"),
        (lambda: FullyConnected(2, RELU, weight_variance=(1.0,)), "weight_variance has 1 entries; expected 2"),
        (lambda: FullyConnected(2, RELU, bias_variance=(1.0, 0.0)), "bias_variance has 2 entries; expected 3"),
        (lambda: FullyConnected(1, RELU, weight_variance=(-1.0,)), "weight_variance is -1"),
        (lambda: FullyConnected(1, RELU, last_weight_variance="x"), "last_weight_variance is 'x'"),
        (lambda: gram(X, serial(GlobalAveragePooling(), Dense(), Dense())), "GlobalAveragePooling has no pixels"),
        (lambda: gram(X, serial(Dense(), Nonlinearity(RELU), GlobalAveragePooling(), Dense())), "has no pixels"),
        (lambda: gram(IMAGES, serial(Convolution(), Residual(Convolution(), GlobalAveragePooling()), Dense())), "GlobalAveragePooling in a Residual"),
        (lambda: gram(IMAGES, serial(Convolution(), GlobalAveragePooling(), Convolution(), Dense())), "after a Dense or a GlobalAveragePooling"),
        (lambda: gram(IMAGES, serial(Convolution(), GlobalAveragePooling())), "ends in GlobalAveragePooling; add a Dense"),
        (lambda: StandardParametrisation(NTK, 0), "width is 0"),
        (lambda: StandardParametrisation("mlp", 3), "architecture is 'mlp'"),
        (lambda: StandardParametrisation(StandardParametrisation(NTK, 3), 3), "pass the network inside it"),
        (lambda: StandardParametrisation(NTK, 3, biases=2), "biases is 2"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
