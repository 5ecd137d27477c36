"""Normalised correlations of activations, coverage, fan-outs; mixture matrices and observers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, linprog

from alignmath.networks import ConvReLU, DeepReLU, random_student, random_teacher
from alignmath.specialization import (
    best_match,
    correlations,
    covered,
    fan_out_norms,
    fan_out_strength,
    mean_best,
    mixture,
    observers,
    recursive_gradient,
    relu_correlation,
    top_down,
)


@given(st.integers(2, 30), st.integers(1, 4), st.integers(1, 5), st.integers(0, 10**6), st.sampled_from([1e-150, 1e-8, 1.0, 1e150]))  # fmt: skip
def test_correlations_are_those_of_numpy_whatever_the_scale_and_shift(count, m, n, seed, scale):
    rng = np.random.default_rng(seed)
    teacher, student = rng.standard_normal((count, m)), rng.standard_normal((count, n))
    expected = np.corrcoef(teacher.T, student.T)[:m, m:]
    np.testing.assert_allclose(correlations(teacher * scale, student * scale + scale), expected, atol=1e-9)
    uncentred = (teacher.T @ student) / np.outer(np.linalg.norm(teacher, axis=0), np.linalg.norm(student, axis=0))
    np.testing.assert_allclose(correlations(teacher, student * scale, centred=False), uncentred, atol=1e-12)


def test_constant_nodes_correlate_with_nothing():
    values = np.random.default_rng(0).standard_normal((50, 2))
    dead = np.stack([np.zeros(50), np.full(50, 0.1), np.full(50, 1e30)], axis=1)
    for dtype in (np.float32, np.float64):
        found = correlations(values.astype(dtype), dead.astype(dtype))
        np.testing.assert_array_equal(found, 0)


def test_float32_keeps_nodes_whose_squares_would_vanish():
    values = np.random.default_rng(1).standard_normal((60, 3)).astype(np.float32)
    found = correlations(values, values * np.float32(1e-30))
    np.testing.assert_allclose(np.diagonal(found), 1, atol=1e-5)


def test_batches_broadcast_and_positions_of_images_are_inputs():
    rng = np.random.default_rng(2)
    teacher, student = rng.standard_normal((40, 2)), rng.standard_normal((3, 40, 4))
    assert correlations(teacher, student).shape == (3, 2, 4)
    images, other = rng.standard_normal((5, 2, 3, 4)), rng.standard_normal((6, 5, 7, 3, 4))
    found = correlations(images, other, positions=True)
    flat = [np.moveaxis(values, 1, -1).reshape(60, -1) for values in (images, other[4])]
    np.testing.assert_allclose(found[4], np.corrcoef(flat[0].T, flat[1].T)[:2, 2:], atol=1e-12)
    tensors = correlations(torch.tensor(images), torch.tensor(other), positions=True)
    np.testing.assert_allclose(tensors, found, atol=1e-12)


def test_batches_of_two_dimensions_are_not_taken_for_images():
    values = np.random.default_rng(3).standard_normal((2, 3, 50, 4))
    found = correlations(values, values)
    assert found.shape == (2, 3, 4, 4)
    np.testing.assert_allclose(found[1, 2], np.corrcoef(values[1, 2].T), atol=1e-12)
    with pytest.raises(ValueError, match=r"expected \(..., N, m, height, width\)"):
        correlations(values, values[..., :3], positions=True)


@pytest.mark.parametrize("radius", [math.inf, 3.0])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_no_node_observes_its_own_boundary_or_that_of_a_multiple(radius, dtype):
    rng = np.random.default_rng(4)
    w, b, factor = rng.standard_normal((50, 10, 5)), rng.standard_normal((50, 10)), rng.uniform(0.1, 9, (50, 10))
    observed = DeepReLU((w.astype(dtype), np.ones((50, 1, 10), dtype)), (b.astype(dtype), np.zeros((50, 1), dtype)))
    for scale in (np.ones_like(factor), factor):
        own = DeepReLU(
            ((scale[..., None] * observed.weights[0]).astype(dtype), observed.weights[1]),
            ((scale * observed.biases[0]).astype(dtype), observed.biases[1]),
        )
        found = observers(own, observed, radius)
        assert not np.diagonal(found, axis1=-2, axis2=-1).any()
        assert found.any()


def test_weights_in_single_precision_meet_inputs_in_double():
    rng = np.random.default_rng(5)
    weights = [rng.standard_normal(shape) for shape in ((4, 3), (5, 4), (2, 5))]
    x = torch.tensor(rng.standard_normal((6, 3)))
    single = DeepReLU(tuple(torch.tensor(w).float() for w in weights))
    exact = DeepReLU(tuple(w.double() for w in single.weights))
    np.testing.assert_allclose(top_down(single, x, 1).matrix, top_down(exact, x, 1).matrix, rtol=1e-12)


def test_what_is_read_off_correlations():
    table = np.array([[0.2, 0.96, -0.5], [0.95, 0.3, 0.1]])
    np.testing.assert_array_equal(best_match(table, of="teacher").value, [0.96, 0.95])
    np.testing.assert_array_equal(best_match(table, of="teacher").index, [1, 0])
    np.testing.assert_array_equal(best_match(table, of="student").index, [1, 0, 1])
    np.testing.assert_array_equal(covered(table), [True, False])
    np.testing.assert_array_equal(covered(table, 0.9), [True, True])
    assert mean_best(table) == pytest.approx(0.955)


def test_the_correlation_of_relu_nodes_at_an_angle():
    # The threshold's angle, by scipy's root finder on moments by quadrature of the Gaussian density.
    grid, weight = np.polynomial.legendre.leggauss(100)

    def moment(theta: float) -> float:
        phi = (grid + 1) * (np.pi - theta) / 2 + theta - np.pi / 2  # where both are active
        return float(np.sum(weight * np.cos(phi) * np.cos(phi - theta)) * (np.pi - theta) / 2 * 2 / (2 * np.pi))

    def correlation(theta: float) -> float:
        return (moment(theta) - 1 / (2 * np.pi)) / (0.5 - 1 / (2 * np.pi))

    for theta in (0.0, 0.3, 1.0, 2.0, 3.1):
        assert relu_correlation(theta) == pytest.approx(correlation(theta), abs=1e-12)
    assert brentq(lambda t: correlation(t) - 0.95, 0.01, 1) == pytest.approx(0.2697, abs=5e-5)
    x = np.random.default_rng(3).standard_normal((200_000, 2)) @ [[1, np.cos(0.3)], [0, np.sin(0.3)]]
    sampled = float(correlations(np.maximum(x[:, :1], 0), np.maximum(x[:, 1:], 0))[0, 0])
    assert sampled == pytest.approx(relu_correlation(0.3), abs=0.002)


def networks(seed: int, widths=(5, 3, 4, 4, 2), library: str = "numpy", batch: tuple[int, ...] = ()):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((30, widths[0]))
    teacher = random_teacher(widths, rng, x=x)
    student = random_student(teacher, 1.7, rng, scale=3, batch=batch)
    if library == "numpy":
        return student, teacher, x
    convert = lambda n: DeepReLU(tuple(map(torch.tensor, n.weights)), tuple(map(torch.tensor, n.biases)))  # noqa: E731
    return convert(student), convert(teacher), torch.tensor(x)


@pytest.mark.parametrize("layer", [1, 2, 3, -1, -3])
def test_top_down_matrices_reproduce_the_output(layer):
    student, _, x = networks(5, batch=(2,))
    matrix, offset = top_down(student, x, layer)
    place = layer - 1 if layer > 0 else layer + student.depth
    value = (matrix @ student.activations(x)[place][..., None])[..., 0] + offset
    np.testing.assert_allclose(value, student(x), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_the_recursive_gradient_rule_is_autograd(layer):
    student, teacher, x = networks(6, library="torch")
    value, before = x, None
    for index, (weight, bias) in enumerate(zip(student.weights, student.biases, strict=True)):
        value = value @ weight.T + bias
        if index == layer - 1:
            value = before = value.detach().requires_grad_()
        value = value.relu() if index < student.depth else value
    (slope,) = torch.autograd.grad(((teacher(x) - value) ** 2).sum() / 2, before)
    found = recursive_gradient(student, teacher, x, layer)
    np.testing.assert_allclose(found, -slope, rtol=1e-12, atol=1e-12)


def test_mixture_is_products_of_top_down_matrices():
    student, teacher, x = networks(7)
    own, target, mixed = top_down(student, x, 2), top_down(teacher, x, 2), mixture(student, teacher, x, 2)
    for k in range(len(x)):
        np.testing.assert_allclose(mixed.a[k], own.matrix[k].T @ target.matrix[k])
        np.testing.assert_allclose(mixed.b[k], own.matrix[k].T @ own.matrix[k])
        np.testing.assert_allclose(mixed.offset[k], own.matrix[k].T @ (target.offset[k] - own.offset[k]))


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_fan_out_strength_is_the_mean_of_beta_whatever_the_block(layer):
    student, _, x = networks(8, batch=(2,))
    beta = np.sum(top_down(student, x, layer).matrix ** 2, axis=-2)
    for block in (1, 7, 100):
        np.testing.assert_allclose(fan_out_strength(student, x, layer, block=block), np.sqrt(beta.mean(axis=1)))
    np.testing.assert_allclose(fan_out_strength(student, x, 3), fan_out_norms(student))
    np.testing.assert_allclose(fan_out_norms(student, 1), np.linalg.norm(student.weights[1], axis=-2))


def test_fan_out_of_channels_is_all_that_multiplies_them():
    rng = np.random.default_rng(9)
    network = ConvReLU((rng.standard_normal((4, 1, 3, 3)), rng.standard_normal((5, 4, 3, 3))), rng.standard_normal((2, 5)))  # fmt: skip
    np.testing.assert_allclose(fan_out_norms(network, 1), np.sqrt((network.kernels[1] ** 2).sum((0, 2, 3))))
    np.testing.assert_allclose(fan_out_norms(network), np.linalg.norm(network.output, axis=0))


@given(st.integers(1, 4), st.integers(0, 10**6), st.sampled_from([0.5, 2.0, math.inf]))
def test_observers_are_those_that_optimisation_finds(dimension, seed, radius):
    rng = np.random.default_rng(seed)
    one = lambda n: DeepReLU((rng.integers(-2, 3, (n, dimension)) + 0.0, np.ones((1, n))), (rng.integers(-2, 3, n) / 1.5, np.zeros(1)))  # noqa: E731  # fmt: skip
    observing, observed = one(4), one(3)
    observed.weights[0][:, 0] += 0.5  # no zero vector
    found = observers(observing, observed, radius)
    for k, (w, b) in enumerate(zip(observing.weights[0], observing.biases[0], strict=True)):
        for j, (v, c) in enumerate(zip(observed.weights[0], observed.biases[0], strict=True)):
            if radius == math.inf:
                best = linprog(-w, A_eq=[v], b_eq=[-c], bounds=[(-1e6, 1e6)] * dimension)
                seen = best.status == 0 and -best.fun + b > 1e-9
            else:  # the largest value on the disc, at its centre plus a step along the gradient within the hyperplane
                centre = -c * v / (v @ v)
                if centre @ centre >= radius**2:
                    seen = False
                else:
                    tangent = np.linalg.svd(v[None])[2][1:]
                    step = np.sqrt(radius**2 - centre @ centre) * np.linalg.norm(tangent @ w)
                    seen = w @ centre + b + step > 1e-9
            assert found[k, j] == seen


def test_an_observer_must_see_the_boundary_where_the_data_are():
    teacher = DeepReLU((np.array([[1.0, 0.0]]), np.ones((1, 1))), (np.zeros(1), np.zeros(1)))
    student = DeepReLU((np.array([[0.0, 1.0]]), np.ones((1, 1))), (np.array([-5.0]), np.zeros(1)))
    assert observers(student, teacher)[0, 0]
    assert not observers(student, teacher, 1.0)[0, 0]
    assert observers(student, teacher, 5.1)[0, 0]


TABLE = np.ones((2, 3))
DEEP = DeepReLU((np.ones((3, 2)), np.ones((4, 3)), np.ones((1, 4))))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: correlations(np.ones((5, 2)), np.ones((6, 2))), "at the same N inputs"),
        (lambda: correlations(np.ones(5), np.ones((5, 2))), "at least 2 dimension"),
        (
            lambda: correlations(np.full((5, 2), np.nan), np.ones((5, 2))),
            "teacher_activations has entries that are not finite",
        ),
        (
            lambda: correlations(np.ones((5, 2)), np.full((5, 2), np.inf)),
            "student_activations has entries that are not finite",
        ),
        (lambda: correlations(np.ones((5, 0)), np.ones((5, 2))), "teacher_activations is empty"),
        (lambda: correlations(np.ones((2, 5, 2)), np.ones((3, 5, 2))), "do not broadcast"),
        (lambda: best_match(TABLE, of="node"), "expected 'teacher'"),
        (lambda: covered(TABLE, np.nan), "threshold is nan"),
        (lambda: relu_correlation(4.0), "theta"),
        (lambda: fan_out_norms(DEEP, 3), "expected 1 to 2"),
        (lambda: fan_out_norms(DEEP, 0), "expected 1 to 2"),
        (lambda: fan_out_norms(DEEP, True), "expected 1 to 2"),
        (lambda: top_down(DEEP, np.ones((4, 2)), -3), "expected 1 to 2"),
        (lambda: top_down(DEEP, np.ones((4, 3)), 1), r"expected \(..., N, 2\)"),
        (lambda: mixture(DEEP, DeepReLU((np.ones((3, 2)), np.ones((1, 3)))), np.ones((4, 2)), 1), "equal depths"),
        (lambda: fan_out_strength(DEEP, np.ones((4, 2)), 1, block=0), "block is 0"),
        (lambda: observers(DEEP, DEEP, 0.0), "radius is 0"),
        (lambda: observers(DEEP, DEEP, math.nan), "radius is nan"),
        (lambda: observers(DEEP, DeepReLU((np.zeros((1, 2)),))), "zero vector"),
        (lambda: observers(DEEP, DeepReLU((np.ones((1, 3)),))), "must be the same"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
