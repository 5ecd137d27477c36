"""The population loss of vector outputs: against its scalar case, mpmath, a quadrature, samples and torch's derivatives."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alignmath import TwoLayer, population
from alignmath.networks import DeepReLU, as_deep

OUTPUTS = 3


def near(rng: np.random.Generator, row: np.ndarray, angle: float) -> np.ndarray:
    """A vector at `angle` from `row`, of another length."""
    across = rng.standard_normal(row.size)
    across -= across @ row / (row @ row) * row
    across *= np.linalg.norm(row) / np.linalg.norm(across)
    return 1.3 * (math.cos(angle) * row + math.sin(angle) * across)


def hard_pair(dimension: int, seed: int) -> tuple[DeepReLU, DeepReLU]:
    """Student 1 nearly along student 0, 2 nearly opposite to a teacher, 3 along one to seven digits, 4 at no special angle."""
    rng = np.random.default_rng([seed, dimension])
    teacher = rng.standard_normal((3, dimension))
    students = rng.standard_normal((5, dimension))
    students[1] = near(rng, students[0], 1e-6)
    students[2] = near(rng, teacher[0], math.pi - 1e-6)
    students[3] = near(rng, teacher[1], 1e-7)
    return (
        DeepReLU((students, rng.standard_normal((OUTPUTS, 5)))),
        DeepReLU((teacher, rng.standard_normal((OUTPUTS, 3)))),
    )


def as_torch(network: DeepReLU, *, grad: bool = False) -> DeepReLU:
    return DeepReLU(tuple(torch.tensor(w, requires_grad=grad) for w in network.weights))


def exact_loss(hidden: list[list[mp.mpf]], fan_out: np.ndarray, teacher: DeepReLU) -> mp.mpf:
    """The loss at scale 1 as the double sum of (c_n.c_l) |u| |v| f(angle) / (2 pi), in mpmath: the definition, term by term."""
    rows = hidden + [[mp.mpf(float(x)) for x in row] for row in teacher.weights[0]]
    columns = [[mp.mpf(float(x)) for x in row] for row in np.concatenate([fan_out, -teacher.weights[1]], axis=1).T]
    lengths = [mp.sqrt(mp.fdot(u, u)) for u in rows]
    total = mp.mpf(0)
    for p, (u, b) in enumerate(zip(rows, columns, strict=True)):
        for q, (v, c) in enumerate(zip(rows, columns, strict=True)):
            t = mp.acos(max(-1, min(1, mp.fdot(u, v) / (lengths[p] * lengths[q]))))
            total += mp.fdot(b, c) * lengths[p] * lengths[q] * (mp.sin(t) + (mp.pi - t) * mp.cos(t)) / (4 * mp.pi)
    return total


@pytest.mark.parametrize("dimension", [2, 3, 10])
def test_one_output_is_the_scalar_population_loss(dimension):
    student, teacher = (TwoLayer(net.weights[0], net.weights[1][0]) for net in hard_pair(dimension, 1))
    deep = as_deep(student), as_deep(teacher)
    expected = population.gradient(student, teacher)
    found = population.gradient(*deep)
    assert population.loss(*deep) == pytest.approx(population.loss(student, teacher), rel=1e-13)
    np.testing.assert_allclose(found.hidden, expected.hidden, atol=2e-14)
    np.testing.assert_allclose(found.output, expected.output[None], atol=2e-14)


@pytest.mark.parametrize("dimension", [2, 7])
def test_gradient_matches_differences_of_the_loss_in_mpmath(dimension):
    student, teacher = hard_pair(dimension, 2)
    found = population.gradient(student, teacher)
    rng = np.random.default_rng(3)
    with mp.workdps(40):
        base = [[mp.mpf(float(x)) for x in row] for row in student.weights[0]]
        step = mp.mpf(10) ** -12
        middle = exact_loss(base, student.weights[1], teacher)
        assert population.loss(student, teacher) == pytest.approx(float(middle), rel=1e-13)
        for _ in range(4):
            v = rng.standard_normal(student.weights[0].shape)
            ends = [
                [
                    [x + sign * step * mp.mpf(float(y)) for x, y in zip(*rows, strict=True)]
                    for rows in zip(base, v, strict=True)
                ]
                for sign in (1, -1)
            ]
            slope = (
                exact_loss(ends[0], student.weights[1], teacher) - exact_loss(ends[1], student.weights[1], teacher)
            ) / (2 * step)
            assert abs(float(slope) - np.sum(found.hidden * v)) < 1e-12 * np.abs(found.hidden).max()
        for _ in range(3):
            v = 1e-2 * rng.standard_normal(
                student.weights[1].shape
            )  # the loss is quadratic in V: central differences are exact
            up, down = (float(exact_loss(base, student.weights[1] + sign * v, teacher)) for sign in (1, -1))
            assert abs((up - down) / 2 - np.sum(found.output * v)) < 1e-13 * (1 + up)


def loss_by_quadrature(weights: tuple[torch.Tensor, torch.Tensor], teacher: DeepReLU, scale: float) -> torch.Tensor:
    """Loss in the plane from the residual itself: exact radial integral, Gauss-Legendre between the kinks on the circle."""
    hidden = torch.cat([weights[0], torch.as_tensor(teacher.weights[0])])
    fan_out = torch.cat([weights[1], -torch.as_tensor(teacher.weights[1])], dim=1)
    polar = torch.atan2(hidden[:, 1], hidden[:, 0]).detach()
    kinks = torch.remainder(torch.cat([polar - math.pi / 2, polar + math.pi / 2]), 2 * math.pi).sort().values
    ends = torch.cat([kinks, kinks[:1] + 2 * math.pi])
    nodes, weight = (torch.as_tensor(a) for a in np.polynomial.legendre.leggauss(20))
    half, middle = (ends[1:] - ends[:-1]) / 2, (ends[1:] + ends[:-1]) / 2
    points = (middle[:, None] + half[:, None] * nodes).ravel()
    residual = fan_out @ (hidden @ torch.stack([points.cos(), points.sin()])).clamp(min=0)
    return scale**2 * (((residual**2).sum(0)).reshape(len(half), -1) @ weight @ half) / (2 * math.pi)


@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradient_match_autograd_of_a_quadrature(seed):
    student, teacher = hard_pair(2, seed)
    weights = as_torch(student, grad=True).weights
    value = loss_by_quadrature(weights, teacher, 1.7)
    expected = torch.autograd.grad(value, weights)
    found = population.gradient(student, teacher, 1.7)
    assert population.loss(student, teacher, 1.7) == pytest.approx(float(value.detach()), rel=1e-12)
    np.testing.assert_allclose(found.hidden, expected[0].numpy(), atol=1e-12)
    np.testing.assert_allclose(found.output, expected[1].numpy(), atol=1e-12)


def test_sample_means_converge_to_the_population_loss_and_gradient():
    student, teacher = hard_pair(6, 5)
    rng, found = np.random.default_rng(6), []
    for _ in range(40):
        x = 1.5 * rng.standard_normal((20_000, 6))
        residual = student(x) - teacher(x)
        active = student.activations(x)[0]
        pulled = (residual @ student.weights[1]) * (active > 0)
        found.append(
            np.concatenate(
                [
                    [np.mean(np.sum(residual**2, axis=1)) / 2],
                    (pulled.T @ x).ravel() / len(x),
                    (residual.T @ active).ravel() / len(x),
                ]
            )
        )
    slope = population.gradient(student, teacher, 1.5)
    expected = np.concatenate([[population.loss(student, teacher, 1.5)], slope.hidden.ravel(), slope.output.ravel()])
    error = np.std(found, axis=0, ddof=1) / len(found) ** 0.5
    assert 5 * error[0] < 0.02 * expected[0]
    assert 5 * np.max(error[1:]) < 0.02 * np.max(np.abs(expected[1:]))
    assert np.all(np.abs(np.mean(found, axis=0) - expected) < 5 * error)


def test_autograd_of_the_loss_is_the_gradient_at_degenerate_angles():
    rng = np.random.default_rng(7)
    student, teacher = hard_pair(3, 8)
    rows = np.concatenate(
        [student.weights[0], student.weights[0][:1], -2 * teacher.weights[0][:1], teacher.weights[0][:1], np.eye(3)]
    )
    weights = DeepReLU((rows, rng.standard_normal((OUTPUTS, len(rows)))))
    tensors = as_torch(weights, grad=True)
    value = population.loss(tensors, as_torch(teacher), 0.8)
    slopes = torch.autograd.grad(value, tensors.weights)
    expected = population.gradient(weights, teacher, 0.8)
    np.testing.assert_allclose(slopes[0], expected.hidden, atol=2e-13)
    np.testing.assert_allclose(slopes[1], expected.output, atol=2e-13)


@pytest.mark.parametrize("dimension", [1, 2, 30])
def test_loss_and_gradient_vanish_at_zero_loss_and_the_loss_is_never_negative(dimension):
    rng = np.random.default_rng(9)
    teacher = DeepReLU((rng.standard_normal((6, dimension)), rng.standard_normal((OUTPUTS, 6)) / dimension))
    share, length = rng.uniform(0, 1, 6), rng.uniform(0.5, 2, (6, 1))
    hidden = np.concatenate([length * teacher.weights[0], 3 * teacher.weights[0]])
    split = DeepReLU(
        (hidden, np.concatenate([share * teacher.weights[1] / length.T, (1 - share) * teacher.weights[1] / 3], axis=1))
    )
    assert 0 <= population.loss(split, teacher) <= 1e-14
    for slope in population.gradient(split, teacher):
        np.testing.assert_allclose(slope, 0, atol=2e-14)
    close = DeepReLU((teacher.weights[0] * (1 + 1e-9 * rng.standard_normal((200, 6, dimension))), teacher.weights[1]))
    assert np.all(population.loss(close, teacher) >= 0)


def test_small_losses_keep_their_digits_near_alignment():
    angle = 1e-5
    with mp.workdps(60):
        students = [[mp.cos(angle) / 2, s * mp.sin(angle) / 2, mp.mpf(0)] for s in (1, -1)]
        expected = float(exact_loss(students, np.ones((1, 2)), DeepReLU((np.eye(1, 3), np.ones((1, 1))))))
    hidden = [[math.cos(angle) / 2, s * math.sin(angle) / 2, 0] for s in (1, -1)]
    found = population.loss(DeepReLU((hidden, [[1.0, 1.0]])), DeepReLU((np.eye(1, 3), [[1.0]])))
    assert abs(found / expected - 1) < 1e-6  # the loss is 1e-16, and 1 - cos(angle) is known to 1e-6


def test_batches_broadcast_and_agree_with_single_networks_in_numpy_torch_and_float32():
    rng = np.random.default_rng(10)
    students = DeepReLU((rng.standard_normal((4, 1, 3, 2)), rng.standard_normal((4, 1, OUTPUTS, 3))))
    teachers = DeepReLU((rng.standard_normal((5, 2, 2)), rng.standard_normal((5, OUTPUTS, 2))))
    value, slope = population.loss(students, teachers), population.gradient(students, teachers)
    assert value.shape == (4, 5)
    assert (slope.hidden.shape, slope.output.shape) == ((4, 5, 3, 2), (4, 5, OUTPUTS, 3))
    one = DeepReLU(tuple(w[2, 0] for w in students.weights)), DeepReLU(tuple(w[4] for w in teachers.weights))
    assert value[2, 4] == pytest.approx(population.loss(*one), rel=1e-13)
    np.testing.assert_allclose(slope.hidden[2, 4], population.gradient(*one).hidden, atol=1e-14)
    in_torch = population.gradient(as_torch(students), as_torch(teachers))
    np.testing.assert_allclose(in_torch.hidden.numpy(), slope.hidden, atol=1e-13)
    small = [DeepReLU(tuple(w.astype(np.float32) for w in net.weights)) for net in one]
    assert population.loss(*small).dtype == np.float32
    assert population.gradient(*small, 2.0).output.dtype == np.float32
    assert population.loss(*small) == pytest.approx(value[2, 4], rel=1e-5)


@given(
    arrays(np.float64, (3, 3), elements=st.floats(-10, 10)),
    arrays(np.float64, (2, 3), elements=st.floats(-10, 10)),
    st.floats(0.1, 10),
)
def test_loss_is_finite_non_negative_and_scales_with_the_square_of_the_inputs(hidden, target, scale):
    student, teacher = DeepReLU((hidden, hidden[:2])), DeepReLU((target, np.ones((2, 2))))
    value = population.loss(student, teacher)
    assert np.isfinite(value)
    assert value >= 0
    assert population.loss(student, teacher, scale) == pytest.approx(scale**2 * value, rel=1e-14)


def test_a_silent_zero_student_is_allowed_where_the_derivative_exists():
    student, teacher = DeepReLU(([[1.0, 0.2], [0.0, 0.0]], [[1.0, 0.0], [2.0, 0.0]])), DeepReLU((np.eye(2), np.eye(2)))
    found = population.gradient(student, teacher)
    alone = population.gradient(DeepReLU(([[1.0, 0.2]], [[1.0], [2.0]])), teacher)
    np.testing.assert_array_equal(found.hidden[1], 0)
    np.testing.assert_allclose(found.hidden[0], alone.hidden[0], atol=1e-15)
    np.testing.assert_allclose(found.output[:, :1], alone.output, atol=1e-15)


ONE = DeepReLU(([[1.0, 0.0]], [[1.0]]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: population.gradient(DeepReLU(([[1.0, 0], [0, 0]], [[1.0, 1.0]])), ONE), r"students.weights\[0\]\[1\] is the zero vector; the loss has a kink"),
        (lambda: population.loss(DeepReLU(([[1.0, 0, 0]], [[1.0]])), ONE), "students have 3 inputs and teacher 2"),
        (lambda: population.loss(DeepReLU(([[1.0, 0]], [[1.0], [1.0]])), ONE), "students have 2 outputs and teacher 1"),
        (lambda: population.loss(DeepReLU(ONE.weights, ([0.0], [0.0])), ONE), "no biases"),
        (lambda: population.loss(ONE, DeepReLU((*ONE.weights, [[1.0]]))), "one hidden layer"),
        (lambda: population.loss(TwoLayer([[1.0, 0]]), ONE), "as_deep makes a DeepReLU"),
        (lambda: population.loss(ONE, ONE, 0), "scale is 0"),
        (lambda: population.loss(ONE, ONE, math.nan), "scale is nan"),
        (lambda: population.loss(DeepReLU((np.ones((2, 1, 2)), np.ones((2, 1, 1)))), DeepReLU((np.ones((5, 1, 2)), np.ones((5, 1, 1))))), "do not broadcast"),
        (lambda: population.loss(ONE, as_torch(DeepReLU((np.eye(1, 2), np.eye(1))))), "different array libraries"),
        (lambda: population.gradient(DeepReLU(([[1e-155, 0]], [[1.0]])), ONE), "Rescale"),
        (lambda: population.loss(DeepReLU(([[1e200, 0]], [[1.0]])), ONE), "Rescale"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
