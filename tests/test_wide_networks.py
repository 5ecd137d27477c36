"""Finite networks of the wide_networks paper: Gram matrices against Jacobians and limits, descent against torch.optim and its
linearisation."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from functools import partial

import mpmath
import numpy as np
import pytest
import scipy.linalg
import torch

from alignmath.activations import ERF, EXP, GELU, RELU, SOFTPLUS, STEP, TANH
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
from alignmath.kernels import gram, tangent
from solvers.dynamics.wide_networks import empirical_tangent, follow, grams, linearised, random_network
from solvers.runs import RunStatus

KINDS = (FullyConnected, ResNet, ConvolutionalResNet)


ONE = FullyConnected(1, ERF)


def size(architecture):
    return (2, 5) if architecture.images else 3


def paper(kind, depth, s, scale=0.5):
    return FullyConnected(depth, s) if kind is FullyConnected else kind(depth, s, scale=scale)


def drawn(architecture, width, **options):
    return random_network(size(architecture), architecture, width, **options)


def data(architecture, n=5, seed=0):
    shape = (2, 5) if architecture.images else (3,)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, *shape))
    return x / np.linalg.norm(x.reshape(n, -1), axis=1).reshape(n, *(1,) * len(shape)), rng.standard_normal(n)


def sphere(n, d, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def with_parameters(network, parameters):
    return replace(network, weights=tuple(parameters[:-1]), output=parameters[-1])


def written_out(network, x):
    """The outputs by the paper's formulas, one input at a time, pixel by pixel."""
    a, m, H = network.architecture, network.width, network.depth
    s, q = a.activation, getattr(a, "patch", 1)
    found = []
    for image in torch.as_tensor(x, dtype=torch.float64):
        value = image if image.ndim == 2 else image[:, None]
        for h, W in enumerate(network.weights):
            p = value.shape[1]
            columns = []
            for pixel in range(p):
                reach = range(pixel - q // 2, pixel + q // 2 + 1) if a.images else [pixel]
                columns.append(torch.cat([value[:, k] if 0 <= k < p else torch.zeros(len(value)) for k in reach]))
            new = s.value(W @ torch.stack(columns, dim=1).to(W))
            scaled = math.sqrt(s.c_sigma / m) * new
            skip = h > 0 and isinstance(a, ResNet)
            value = value + a.scale / (H * math.sqrt(m)) * new if skip else scaled
        found.append((network.output.reshape(m, -1) * value).sum())
    return torch.stack(found)


@pytest.mark.parametrize("kind", KINDS)
def test_networks_are_those_of_the_paper(kind):
    architecture = paper(kind, 3, GELU, 0.8)
    x, _ = data(architecture)
    network = drawn(architecture, 7, seed=1)
    torch.testing.assert_close(network(x), written_out(network, x), rtol=1e-12, atol=1e-12)
    again = drawn(architecture, 7, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(network.weights, again.weights, strict=True))


@pytest.mark.parametrize("s", [GELU, RELU, ERF], ids=lambda s: s.name)
@pytest.mark.parametrize("kind", KINDS)
def test_gram_matrices_are_products_of_jacobians(kind, s):
    architecture = kind(3, s)
    x, _ = data(architecture)
    network = drawn(architecture, 8, seed=2)
    parameters = (*network.weights, network.output)
    jacobians = torch.func.jacrev(lambda p: with_parameters(network, p)(x))(parameters)
    expected = torch.stack([j.flatten(1) @ j.flatten(1).T for j in jacobians])
    found = grams(network, x)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(grams(network, x[:2], x), found[:, :2], rtol=1e-11, atol=1e-12)
    assert torch.linalg.eigvalsh(found).min() > -1e-12 * found.sum()


@pytest.mark.parametrize("kind", KINDS)
def test_gram_matrices_of_every_layer_tend_to_their_limits(kind):
    """Means over 600 networks within four standard errors, the O(1/m) bias removed by two widths; and not to those of another scale."""
    architecture = paper(kind, 3, SOFTPLUS, 0.9)
    x, _ = data(architecture, n=3)
    x = x * np.array([0.5, 1, 1.5]).reshape(3, *(1,) * (x.ndim - 1))
    means, errors = [], []
    for width in (40, 80):
        matrices = np.array([grams(drawn(architecture, width, seed=k), x).numpy() for k in range(600)])
        means.append(matrices.mean(axis=0))
        errors.append(matrices.std(axis=0) / math.sqrt(len(matrices)))
    limit, error = 2 * means[1] - means[0], np.hypot(2 * errors[1], errors[0])

    def distances(scale):
        K = np.array([gram(x, paper(kind, 3, SOFTPLUS, scale), layer=h) for h in (1, 2, 3, 4)])
        return np.abs(limit - K) / error

    assert distances(0.9).max() < 4.5  # the largest of 72 or 36 numbers
    if kind is not FullyConnected:
        assert np.all(distances(0.7)[1:3].max(axis=(1, 2)) > 6)


OWN = {
    "usual": FullyConnected(2, (SOFTPLUS, TANH), weight_variance=1.3, bias_variance=0.4, last_weight_variance=0.7),
    "pre-activation": serial(Dense(1.5, 0.1), Residual(Nonlinearity(TANH), Dense(1.2, 0.1), factor=0.6), Nonlinearity(GELU), Dense(0.9)),
    "residual in residual": serial(Dense(), Nonlinearity(SOFTPLUS), Residual(Dense(), Nonlinearity(GELU), Residual(Dense(), Nonlinearity(SOFTPLUS), factor=0.6), factor=0.7), Dense()),
    "convolutions": serial(Convolution(0.8, 0.3, patch=3), Nonlinearity(SOFTPLUS), Residual(Convolution(0.5, patch=5), Nonlinearity(TANH), factor=0.6), Convolution(0.4), Nonlinearity(GELU), Dense(0.3), Nonlinearity(TANH), Dense(1.0, 0.2)),
    "per layer": FullyConnected(2, (RELU, SOFTPLUS), weight_variance=(1.6, 0.9), bias_variance=(0.3, 0.0, 0.2), last_weight_variance=0.8),
    "pooled": serial(Convolution(0.8, 0.3), Nonlinearity(RELU), Residual(Convolution(0.5, patch=5), Nonlinearity(TANH), factor=0.6), GlobalAveragePooling(), Dense(1.0, 0.2)),
    "pooled before activations": serial(Convolution(0.8, 0.3), Nonlinearity(RELU), Convolution(0.9), GlobalAveragePooling(), Nonlinearity(GELU), Dense(1.2), Nonlinearity(SOFTPLUS), Dense()),
}  # fmt: skip
"""Networks of one's own, and biases."""


def with_all(network, parameters):
    """Weights, output, then the biases there are."""
    H, rest = network.depth, iter(parameters[network.depth + 1 :])
    biases = network.biases and tuple(None if b is None else next(rest) for b in network.biases)
    return replace(network, weights=tuple(parameters[:H]), output=parameters[H], biases=biases)


def all_parameters(network):
    return (*network.weights, network.output, *(b for b in network.biases or () if b is not None))


def standard(architecture, width):
    return StandardParametrisation(architecture, width, biases=True)


@pytest.mark.parametrize(
    "architecture",
    [*OWN.values(), *(standard(a, 6) for a in (*OWN.values(), *(kind(2, GELU) for kind in KINDS)))],
    ids=[*OWN, *(f"standard {n}" for n in (*OWN, *(kind.__name__ for kind in KINDS)))],
)
def test_gram_matrices_of_ones_own_networks_are_products_of_jacobians(architecture):
    x, _ = data(architecture)
    network = drawn(architecture, 6, seed=2)
    jacobians = torch.func.jacrev(lambda p: with_all(network, p)(x))(all_parameters(network))
    expected = sum(j.flatten(1) @ j.flatten(1).T for j in jacobians)
    torch.testing.assert_close(grams(network, x).sum(dim=0), expected, rtol=1e-11, atol=1e-12)
    for h in range(network.depth + 1):
        own = jacobians[h].flatten(1) @ jacobians[h].flatten(1).T
        if network.biases is not None and network.biases[h] is not None:
            by_bias = jacobians[network.depth + 1 + sum(b is not None for b in network.biases[:h])].flatten(1)
            own = own + by_bias @ by_bias.T
        torch.testing.assert_close(grams(network, x)[h], own, rtol=1e-11, atol=1e-12)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "parametrised"),
    [
        *(pytest.param(name, lambda a, m: a, id=name, marks=[SLOW] * (name == "pooled before activations")) for name in OWN),
        pytest.param("usual", lambda a, m: standard(a, m), id="standard"),
        pytest.param("pooled", lambda a, m: standard(a, m), id="standard pooled", marks=SLOW),
    ],
)  # fmt: skip
def test_gram_matrices_of_ones_own_networks_tend_to_their_limits(name, parametrised):
    """As above, 3000 networks of each width. 4.5 standard errors are at most 8% of the largest entry of their layer, so
    that a layer's matrix off by 10% is seen. In the standard parametrisation limits have a width: what is compared are
    the matrices over the largest entries of its limit."""
    x, _ = data(OWN[name], n=3)
    means, errors, limits = [], [], []
    for width in (40, 80):
        architecture = parametrised(OWN[name], width)
        one, generator = drawn(architecture, width), torch.Generator().manual_seed(width)
        shapes = [p.shape for p in all_parameters(one)]
        spreads = [d for d, _ in architecture.deviations(x.shape[1], width)]
        spreads += [d for _, d in architecture.deviations(x.shape[1], width) if d is not None]
        many = torch.func.vmap(lambda *p, one=one: grams(with_all(one, p), x))

        def batch(shapes=shapes, spreads=spreads, many=many, generator=generator):
            normal = partial(torch.randn, generator=generator, dtype=torch.float64)
            return many(*(d * normal(500, *shape) for shape, d in zip(shapes, spreads, strict=True)))

        K = np.array([gram(x, architecture, layer=h) for h in range(1, architecture.serial.depth + 2)])
        np.testing.assert_allclose(tangent(x, architecture), K.sum(axis=0), rtol=1e-12)
        largest = np.abs(K).max(axis=(1, 2), keepdims=True)
        matrices = torch.cat([batch() for _ in range(12 if "before" in name else 6)]).numpy() / largest
        means.append(matrices.mean(axis=0))
        errors.append(matrices.std(axis=0) / math.sqrt(len(matrices)))
        limits.append(K / largest)
    limit, error = 2 * means[1] - means[0], np.hypot(2 * errors[1], errors[0])
    K = 2 * limits[1] - limits[0]
    assert np.abs((limit - K) / error).max() < 4.5
    assert np.all(4.5 * error.max(axis=(1, 2)) < 0.08)
    for factor in (0.9, 1.1):
        assert np.all(np.abs((limit - factor * K) / error).max(axis=(1, 2)) > 4.5)


@pytest.mark.parametrize("biases", [False, True])
def test_the_standard_parametrisation_has_the_weights_of_torch(biases):
    """The same network as a module of torch.nn, by its own Jacobians; and the same outputs as with factors."""
    usual = FullyConnected(2, TANH, weight_variance=1.5, bias_variance=(0.2, 0.0, 0.1), last_weight_variance=0.8)
    network = random_network(3, StandardParametrisation(usual, 40, biases=biases), 40, seed=3)
    first, second, last = torch.nn.Linear(3, 40), torch.nn.Linear(40, 40, bias=biases), torch.nn.Linear(40, 1)
    module = torch.nn.Sequential(first, torch.nn.Tanh(), second, torch.nn.Tanh(), last).double()
    assert [b is None for b in network.biases] == [False, not biases, False]
    with torch.no_grad():
        for layer, W, b in zip((first, second, last), (*network.weights, network.output[None]), network.biases, strict=True):  # fmt: skip
            layer.weight.copy_(W)
            if b is not None:
                layer.bias.copy_(b)
    x = sphere(5, 3)
    torch.testing.assert_close(module(torch.as_tensor(x))[:, 0], network(x))
    torch.testing.assert_close(empirical_tangent(module, x), grams(network, x).sum(dim=0), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(random_network(3, usual, 40, seed=3)(x), network(x)) if not biases else None
    assert float(network.weights[1].std()) == pytest.approx(math.sqrt(1.5 / 40), rel=0.1)
    with pytest.raises(ValueError, match="width is 30; the standard parametrisation given is that of width 40"):
        random_network(3, StandardParametrisation(usual, 40), 30)


@pytest.mark.parametrize("architecture", [*OWN.values(), standard(OWN["usual"], 9)], ids=[*OWN, "standard"])
def test_ones_own_networks_are_trained_as_by_torch_optim(architecture):
    x, y = data(architecture)
    start = drawn(architecture, 9, seed=4)
    run = follow(start, x, y, 5, learning_rate=0.02)
    parameters = [p.clone().requires_grad_() for p in all_parameters(start)]
    optimiser = torch.optim.SGD(parameters, lr=0.02)
    for _ in range(5):
        optimiser.zero_grad()
        (((with_all(start, parameters)(x) - torch.as_tensor(y)) ** 2).sum() / 2).backward()
        optimiser.step()
    for one, other in zip(all_parameters(run.network), parameters, strict=True):
        torch.testing.assert_close(one, other.detach(), rtol=1e-11, atol=1e-12)


def test_records_do_not_change_the_run_and_a_generator_is_a_seed():
    architecture = ConvolutionalResNet(2, SOFTPLUS)
    x, y = data(architecture)
    start = drawn(architecture, 12, seed=np.random.default_rng(5))
    again = drawn(architecture, 12, seed=np.random.default_rng(5))
    assert torch.equal(start.output, again.output)
    every, few = follow(start, x, y, 12, record=range(13)), follow(again, x, y, 12, record=[0, 7])
    np.testing.assert_array_equal(every.outputs, few.outputs)
    np.testing.assert_array_equal(every.grams[[0, 7]], few.grams)
    np.testing.assert_array_equal(every.remainder[[0, 7]], few.remainder)
    assert every.drift.shape == (13, 3)
    assert every.steps.tolist() == list(range(13))
    assert every != few  # no error: results are compared by identity


def test_a_module_has_the_tangent_kernel_of_the_same_network():
    network = random_network(3, FullyConnected(2, TANH), 6, seed=3)
    scale = math.sqrt(TANH.c_sigma / 6)

    class Same(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = (torch.nn.Parameter(W.clone()) for W in network.weights)
            self.last = torch.nn.Parameter(network.output.clone())

        def forward(self, x):
            for W in (self.first, self.second):
                x = scale * torch.tanh(x @ W.T)
            return x @ self.last

    x = sphere(4, 3)
    module = Same()
    expected = grams(network, x).sum(dim=0)
    torch.testing.assert_close(empirical_tangent(module, x), expected, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(empirical_tangent(module, x[:1], x), expected[:1], rtol=1e-11, atol=1e-13)
    temperature = torch.nn.Linear(3, 1).double()
    temperature.register_parameter("scale", torch.nn.Parameter(torch.tensor(2.0, dtype=torch.float64)))
    assert empirical_tangent(temperature, x).shape == (4, 4)
    with pytest.raises(ValueError, match=r"outputs of shape \(2,\)"):
        empirical_tangent(torch.nn.Linear(3, 2).double(), x)
    with pytest.raises(ValueError, match="no parameters"):
        empirical_tangent(torch.nn.Tanh(), x)


def test_several_outputs_of_a_module_have_a_matrix_of_kernels():
    """Against products of the gradients of each output, by autograd one at a time."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    rows = [[torch.cat([g.reshape(-1) for g in torch.autograd.grad(module(sample)[a], module.parameters())]) for a in range(2)] for sample in x]  # fmt: skip
    J = torch.stack([torch.stack(row) for row in rows])
    full = torch.einsum("iap,jbp->ijab", J, J)
    torch.testing.assert_close(empirical_tangent(module, x, outputs="full"), full, rtol=1e-11, atol=1e-13)
    diagonal = torch.stack([full[:, :, a, a] for a in range(2)], dim=-1)
    torch.testing.assert_close(
        empirical_tangent(module, x, x[:3], outputs="diagonal"), diagonal[:, :3], rtol=1e-11, atol=1e-13
    )
    torch.testing.assert_close(empirical_tangent(module, x, outputs="trace"), diagonal.sum(-1), rtol=1e-11, atol=1e-13)
    with pytest.raises(ValueError, match="outputs='trace'"):
        empirical_tangent(module, x)
    with pytest.raises(ValueError, match="outputs is 'sum'"):
        empirical_tangent(module, x, outputs="sum")


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_those_of_torch_optim(kind):
    architecture = kind(2, SOFTPLUS)
    x, y = data(architecture)
    start = drawn(architecture, 9, seed=4)
    run = follow(start, x, y, 5, learning_rate=0.05, record=range(6))
    parameters = [p.clone().requires_grad_() for p in (*start.weights, start.output)]
    optimiser, losses = torch.optim.SGD(parameters, lr=0.05), []
    for _ in range(6):
        optimiser.zero_grad()
        loss = ((with_parameters(start, parameters)(x) - torch.as_tensor(y)) ** 2).sum() / 2
        losses.append(float(loss.detach()))
        loss.backward()
        before = [p.detach().clone() for p in parameters]
        optimiser.step()
    np.testing.assert_allclose(run.loss, losses, rtol=1e-12)
    for found, expected in zip((*run.network.weights, run.network.output), before, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)
    drift = [float((p - q).norm()) / 3 for p, q in zip(before, (*start.weights, start.output), strict=True)]
    np.testing.assert_allclose(run.drift[-1], drift, rtol=1e-9)


def test_only_the_layers_named_are_trained():
    architecture = FullyConnected(2, SOFTPLUS)
    x, y = data(architecture)
    start = drawn(architecture, 50, seed=5)
    run = follow(start, x, y, 40, layers=[1])
    assert torch.equal(run.network.output, start.output)
    assert torch.equal(run.network.weights[1], start.weights[1])
    np.testing.assert_allclose(run.learning_rate, 1 / np.linalg.eigvalsh(run.grams[0, 0])[-1])
    expected = linearised(gram(x, architecture, layer=1), y - run.outputs[0], run.learning_rate, np.arange(41))[0]
    np.testing.assert_allclose(run.by_limit, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_wide_networks_follow_their_linearisation_and_the_bound(kind):
    architecture = kind(2, SOFTPLUS)
    x, y = data(architecture)
    runs = [follow(drawn(architecture, m, seed=6), x, y, 60) for m in (40, 640)]
    distance = [np.abs(y - run.outputs - run.by_gram).max() for run in runs]
    assert distance[1] < distance[0] / 2
    assert distance[1] < 0.1
    assert runs[1].bound_holds
    np.testing.assert_allclose(runs[1].by_limit[0], y - runs[1].outputs[0], rtol=1e-12)
    assert runs[1].drift[-1].max() < runs[0].drift[-1].max()
    assert runs[1].bound[7] == pytest.approx(
        (1 - runs[1].learning_rate * runs[1].least_eigenvalue / 2) ** 7 * runs[1].loss[0]
    )


def test_inputs_that_carry_gradients_and_single_precision_are_taken():
    architecture = FullyConnected(2, SOFTPLUS)
    x, y = data(architecture)
    tensor = torch.tensor(x, requires_grad=True)
    network = drawn(architecture, 20, seed=9)
    (slope,) = torch.autograd.grad(network(tensor).sum(), tensor)
    assert slope.isfinite().all()
    exact = follow(network, tensor, y, 3)
    single = follow(drawn(architecture, 20, seed=9, dtype="float32"), x, y, 3)
    assert single.network.output.dtype == torch.float32
    assert exact.grams.dtype == np.float64
    np.testing.assert_allclose(single.outputs[0].shape, exact.outputs[0].shape)


def test_the_remainder_is_what_one_step_leaves():
    architecture = FullyConnected(1, SOFTPLUS)
    x, y = data(architecture)
    run = follow(drawn(architecture, 30, seed=7), x, y, 2, learning_rate=0.1, record=[0, 1, 2])
    assert len(run.remainder) == 2
    for k in range(2):
        left = y - run.outputs[k + 1] - (np.eye(5) - 0.1 * run.grams[k].sum(axis=0)) @ (y - run.outputs[k])
        assert run.remainder[k] == pytest.approx(np.linalg.norm(left), rel=1e-6)


def test_runs_that_diverge_say_so_and_end_finite():
    architecture = FullyConnected(2, ERF)
    x, y = data(architecture)
    run = follow(drawn(architecture, 20, seed=8), x, y, 400, learning_rate=50.0, record=[0, 400])
    assert run.status is RunStatus.DIVERGED
    assert not run.bound_holds
    assert 1 < len(run.loss) < 401
    assert len(run.loss) == len(run.outputs) == len(run.bound)
    assert run.steps.tolist() == [0]
    assert len(run.remainder) == 1
    assert np.isfinite(run.outputs).all()
    assert not np.isnan(run.by_limit).any()
    assert np.isfinite(run.loss).all()


@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_the_closed_form_is_the_iteration_and_ends_in_kernel_regression(library):
    rng = np.random.default_rng(9)
    root = rng.standard_normal((7, 5))
    whole = root @ root.T  # rank 5
    M, cross, r = whole[:4, :4], whole[4:, :4], rng.standard_normal(4)
    step = 1.5 / np.linalg.eigvalsh(M)[-1]
    residuals, changes = linearised(library(M), library(r), step, [0, 1, 50, math.inf], library(cross))
    left, moved = r.copy(), np.zeros(3)
    for k in range(51):
        for index, moment in enumerate((0, 1, 50)):
            if k == moment:
                np.testing.assert_allclose(residuals[index], left, rtol=1e-9, atol=1e-12)
                np.testing.assert_allclose(changes[index], moved, rtol=1e-9, atol=1e-12)
        moved = moved + step * cross @ left
        left = left - step * M @ left
    np.testing.assert_allclose(changes[-1], cross @ np.linalg.solve(M, r), rtol=1e-9)
    np.testing.assert_allclose(residuals[-1], 0, atol=1e-9)


def test_small_eigenvalues_keep_their_digits():
    values = np.array([1.0, 1e-6, 1e-12])
    _, changes = linearised(np.diag(values), np.ones(3), 0.3, 7, np.eye(3))
    exact = [float((1 - (1 - Fraction(3, 10) * Fraction(v)) ** 7) / Fraction(v)) for v in values]
    np.testing.assert_allclose(changes[0], exact, rtol=1e-13)


@pytest.mark.parametrize(("rate", "steps"), [(1e-5, math.inf), (1e-5, 1e20), (0.3, 1e12), (1e-5, 10.0), (1.9, 3.0)])
def test_slow_directions_are_followed_to_the_end(rate, steps):
    """`(1 - rate value)^k` by mpmath with 60 digits: in floats `1 - rate value` is 1 where rate value is below 1e-16."""
    values = [1.0, 1e-3, 1e-12]
    residuals, changes = linearised(np.diag(values), np.ones(3), rate, steps, np.diag(values))
    with mpmath.workdps(60):
        exact = [0 if steps == math.inf else (1 - mpmath.mpf(rate) * mpmath.mpf(v)) ** int(steps) for v in values]
        np.testing.assert_allclose(residuals[0], [float(e) for e in exact], rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(changes[0], [float(1 - e) for e in exact], rtol=1e-12)


@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_gradient_flow_is_the_exponential_of_the_matrix_for_each_output(library):
    rng = np.random.default_rng(3)
    root = rng.standard_normal((6, 8))
    whole, r = root @ root.T, rng.standard_normal((4, 2))
    M, cross = whole[:4, :4], whole[4:, :4]
    residuals, changes = linearised(library(M), library(r), cross=library(cross), time=[0.0, 0.1, 2.5, math.inf])
    for k, t in enumerate((0.0, 0.1, 2.5)):
        left = scipy.linalg.expm(-t * M) @ r
        np.testing.assert_allclose(residuals[k], left, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(changes[k], cross @ np.linalg.solve(M, r - left), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(residuals[3], 0, atol=1e-13)
    slow = linearised(library(M), library(r), 1e-6, [2_500_000], library(cross))  # small steps are the flow
    np.testing.assert_allclose(slow[1][0], changes[2], rtol=1e-4)
    one = linearised(library(M), library(r[:, 1]), cross=library(cross), time=[0.1])
    np.testing.assert_allclose(one[1][0], changes[1, :, 1], rtol=1e-12)


def test_directions_of_eigenvalue_0_stay():
    M = np.array([[2.0, 2.0], [2.0, 2.0]])
    residuals, changes = linearised(M, [1.0, 0.0], 0.1, math.inf, [[1.0, 1.0]])
    np.testing.assert_allclose(residuals, [[0.5, -0.5]], atol=1e-12)
    np.testing.assert_allclose(changes, [[0.25]], atol=1e-12)


def test_a_loss_that_has_reached_0_but_for_rounding_keeps_to_its_bound():
    run = follow(random_network(2, FullyConnected(1, ERF), 500), np.eye(2), [0.5, -0.3], 4000, record=[0])
    assert run.loss[-1] < 1e-28
    assert run.bound[-1] < 1e-50
    assert run.bound_holds


@pytest.mark.parametrize("learning_rate", [1e200, 1e308])
def test_steps_of_any_size_end_in_divergence(learning_rate):
    network = random_network(2, FullyConnected(1, SOFTPLUS), 5)
    run = follow(network, np.eye(2), [0.5, -0.3], 5, learning_rate=learning_rate)
    assert run.status is RunStatus.DIVERGED


@pytest.mark.filterwarnings("error")
def test_limits_that_overflow_are_refused():
    with pytest.raises(ValueError, match="expectation of exp is not finite"):
        follow(random_network(2, FullyConnected(2, EXP), 3), [[20.0, 0], [0, 20.0]], [0, 1], 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: random_network(3, FullyConnected(2, STEP), 5), "derivative is no function"),
        (lambda: random_network((3, 2), FullyConnected(2, ERF), 5), r"input_size is \(3, 2\); expected d"),
        (lambda: random_network(3, ConvolutionalResNet(2, ERF), 5), r"expected \(d_0, p\)"),
        (lambda: random_network(3, FullyConnected(1, ERF), 0), "width is 0"),
        (lambda: random_network(3, "lstm", 2), "architecture is 'lstm'"),
        (lambda: random_network(3, serial(Dense()), 2), "the network is one Dense"),
        (lambda: random_network(3, ONE, 2, dtype="float16"), "dtype is 'float16'"),
        (lambda: random_network(3, ONE, 2, seed=-1), "seed is -1"),
        (lambda: random_network(3, ONE, 2, device="moon"), "device is 'moon'"),
        (lambda: grams(random_network(3, ONE, 2), np.ones((2, 4))), r"x has shape \(2, 4\); expected \(n, 3\)"),
        (lambda: grams(random_network(3, ONE, 2), np.ones((2, 3)), np.ones((2, 4))), r"other has shape \(2, 4\)"),
        (lambda: grams(random_network(3, ONE, 2), [[1, 2, math.nan]]), "every entry must be finite"),
        (lambda: follow(random_network(2, ONE, 2), [[1, 0], [1, 0]], [0, 1], 1), r"x\[0\] and x\[1\] are equal"),
        (lambda: follow(random_network(2, ONE, 2), [[1, 0], [0, 1]], [1, 2, 3], 1), r"y has shape \(3,\)"),
        (lambda: follow(random_network(2, ONE, 2), [[1, 0]], [1], 1, learning_rate=0), "learning_rate is 0"),
        (lambda: follow(random_network(2, ONE, 2), [[0, 0]], [1], 1), "pass learning_rate"),
        (lambda: follow(random_network(2, ONE, 2), [[1, 0]], [1], 1, layers=[]), "layers is empty"),
        (lambda: follow(random_network(2, ONE, 2), [[1, 0]], [1], 1, layers=[3]), "layers is 3"),
        (lambda: linearised(np.eye(2), [1.0], 0.1, 3), r"matrix has shape \(2, 2\)"),
        (lambda: linearised([[1, 2], [0, 1]], [1, 1], 0.1, 3), "not symmetric"),
        (lambda: linearised([[1, 2], [2, 1]], [1, 1], 0.1, 3), "eigenvalue -1"),
        (lambda: linearised(np.eye(2), [1, 1], 2.5, math.inf), "do not converge"),
        (lambda: linearised(np.eye(2), [1, 1], 0.1, -1), "steps is -1"),
        (lambda: linearised(np.eye(2), [1, 1], 1.5, [0.5]), "whole numbers"),
        (lambda: linearised(torch.eye(2), torch.ones(2), 0.1, 1, np.eye(2)), "different array libraries"),
        (lambda: random_network((2,), ConvolutionalResNet(2, ERF), 2), r"expected \(d_0, p\)"),
        (lambda: linearised(np.eye(2), [1, 1], 0.1, 1, np.eye(3)), r"cross has shape \(3, 3\)"),
        (lambda: linearised(np.eye(2), [1, 1], 0.1, []), r"steps is \[\]"),
        (lambda: linearised(np.eye(2), [1, 1], 0.1, "x"), "steps is 'x'"),
        (lambda: linearised(np.eye(2), [1, 1], 0.1), "learning_rate and steps, or time"),
        (lambda: linearised(np.eye(2), [1, 1], 0.1, 3, time=1.0), "learning_rate and steps, or time"),
        (lambda: linearised(np.eye(2), [1, 1], time=-1.0), "time is -1.0; expected times"),
        (lambda: FullyConnected(1, "erf"), "activation is 'erf'"),
        (lambda: follow(random_network(2, ONE, 2), [[1, 0]], [1], 1, record=5), "record is 5; expected a sequence"),
        (lambda: follow(random_network(2, ONE, 2), [[1, 0]], [1], 1, layers=1), "layers is 1; expected a list"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
