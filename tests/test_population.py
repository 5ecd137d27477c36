"""Population loss, gradient and Hessian against an independent quadrature, Monte Carlo, and finite differences in mpmath."""

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
from alignmath.networks import DeepReLU, gaussian_weights, planar, regular_polygon


def near(rng: np.random.Generator, row: np.ndarray, angle: float) -> np.ndarray:
    """A vector at `angle` from `row`, of another length."""
    across = rng.standard_normal(row.size)
    across -= across @ row / (row @ row) * row
    across *= np.linalg.norm(row) / np.linalg.norm(across)
    return 1.3 * (math.cos(angle) * row + math.sin(angle) * across)


def hard_case(dimension: int, seed: int) -> tuple[TwoLayer, TwoLayer]:
    """Students and several teachers with mixed signs; students 1 and 2 nearly aligned, 3 nearly antipodal to a teacher."""
    rng = np.random.default_rng([seed, dimension])
    teacher = TwoLayer(rng.standard_normal((3, dimension)), rng.standard_normal(3))
    students = rng.standard_normal((4, dimension))
    students[1] = near(rng, students[0], 1e-6)
    students[2] = near(rng, teacher.hidden[0], math.pi - 1e-6)
    students[3] = near(rng, teacher.hidden[1], 1e-4)
    return TwoLayer(students, rng.standard_normal(4)), teacher


def exact_loss(hidden: list[list[mp.mpf]], output: np.ndarray, teacher: TwoLayer) -> mp.mpf:
    """The loss as the double sum of |u| |v| f(angle) / (2 pi), in mpmath: the definition, term by term."""
    neurons = [(row, mp.mpf(float(a))) for row, a in zip(hidden, output, strict=True)]
    neurons += [
        ([mp.mpf(float(x)) for x in row], -mp.mpf(float(b)))
        for row, b in zip(teacher.hidden, teacher.output, strict=True)
    ]
    total = mp.mpf(0)
    for u, a in neurons:
        for v, b in neurons:
            lengths = mp.sqrt(mp.fdot(u, u) * mp.fdot(v, v))
            t = mp.acos(max(-1, min(1, mp.fdot(u, v) / lengths)))
            total += a * b * lengths * (mp.sin(t) + (mp.pi - t) * mp.cos(t)) / (4 * mp.pi)
    return total


@pytest.mark.parametrize("dimension", [2, 3, 10])
def test_gradient_and_hessian_match_differences_of_the_loss_in_mpmath(dimension):
    student, teacher = hard_case(dimension, 1)
    gradient, hessian = population.gradient(student, teacher), population.hessian(student, teacher)
    rng = np.random.default_rng(2)
    directions = [np.eye(4 * dimension)[k].reshape(4, dimension) for k in range(4 * dimension)] if dimension < 4 else []
    directions += [rng.standard_normal((4, dimension)) for _ in range(6)]
    with mp.workdps(60):
        base = [[mp.mpf(float(x)) for x in row] for row in student.hidden]
        step = mp.mpf(10) ** -15

        def along(*pairs: tuple[int, np.ndarray]) -> mp.mpf:
            rows = [
                [x + step * sum(k * mp.mpf(float(v[i, c])) for k, v in pairs) for c, x in enumerate(row)]
                for i, row in enumerate(base)
            ]
            return exact_loss(rows, student.output, teacher)

        middle = along()
        assert abs(population.loss(student, teacher) - float(middle)) < 1e-13 * (1 + float(middle))
        scale = 1 + np.abs(hessian).max()
        for v, w in zip(directions, directions[1:] + directions[:1], strict=True):
            first = (along((1, v)) - along((-1, v))) / (2 * step)
            assert abs(float(first) - np.sum(gradient.hidden * v)) < 1e-9 * scale
            second = (along((1, v)) - 2 * middle + along((-1, v))) / step**2
            assert abs(float(second) - np.einsum("ia,iajb,jb", v, hessian, v)) < 1e-9 * scale * np.sum(v * v)
            mixed = (
                along((1, v), (1, w)) - along((1, v), (-1, w)) - along((-1, v), (1, w)) + along((-1, v), (-1, w))
            ) / (4 * step**2)
            assert abs(float(mixed) - np.einsum("ia,iajb,jb", v, hessian, w)) < 1e-9 * scale * np.sum(v * v + w * w)
        for i in range(4):
            shifted = [student.output + sign * 1e-3 * np.eye(4)[i] for sign in (1, -1)]  # the loss is quadratic in it
            slope = (exact_loss(base, shifted[0], teacher) - exact_loss(base, shifted[1], teacher)) / mp.mpf("2e-3")
            assert abs(float(slope) - gradient.output[i]) < 1e-9 * scale


def loss_by_quadrature(hidden: torch.Tensor, output: torch.Tensor, teacher: TwoLayer) -> torch.Tensor:
    """Loss in the plane from the residual itself: exact radial integral, Gauss-Legendre between the kinks on the circle."""
    neurons = torch.cat([hidden, torch.as_tensor(teacher.hidden)])
    signed = torch.cat([output, -torch.as_tensor(teacher.output)])
    polar = torch.atan2(neurons[:, 1], neurons[:, 0]).detach()
    kinks = torch.remainder(torch.cat([polar - math.pi / 2, polar + math.pi / 2]), 2 * math.pi).sort().values
    ends = torch.cat([kinks, kinks[:1] + 2 * math.pi])
    nodes, weights = (torch.as_tensor(a) for a in np.polynomial.legendre.leggauss(20))
    half, middle = (ends[1:] - ends[:-1]) / 2, (ends[1:] + ends[:-1]) / 2
    points = (middle[:, None] + half[:, None] * nodes).ravel()
    directions = torch.stack([points.cos(), points.sin()])
    residual = (signed[:, None] * (neurons @ directions).clamp(min=0)).sum(0)
    return ((residual**2).reshape(len(half), -1) @ weights @ half) / (2 * math.pi)


@pytest.mark.parametrize("seed", range(5))
def test_loss_and_gradient_match_autograd_of_a_quadrature(seed):
    student, teacher = hard_case(2, seed)
    hidden, output = (torch.tensor(a, requires_grad=True) for a in (student.hidden, student.output))
    value = loss_by_quadrature(hidden, output, teacher)
    by_hidden, by_output = torch.autograd.grad(value, (hidden, output))
    found = population.gradient(student, teacher)
    assert abs(float(value.detach()) - population.loss(student, teacher)) < 1e-12
    np.testing.assert_allclose(found.hidden, by_hidden.numpy(), atol=1e-12)
    np.testing.assert_allclose(found.output, by_output.numpy(), atol=1e-12)


@pytest.mark.parametrize("dimension", [2, 3, 10])
def test_empirical_loss_and_gradient_converge_to_the_population_ones(dimension):
    student, teacher = hard_case(dimension, 7)
    rng = np.random.default_rng(8)
    batches = [rng.standard_normal((60_000, dimension)) for _ in range(60)]
    for found, expected in (
        ([population.empirical_loss(student, teacher, x) for x in batches], population.loss(student, teacher)),
        (
            [population.empirical_gradient(student, teacher, x).hidden for x in batches],
            population.gradient(student, teacher).hidden,
        ),
        (
            [population.empirical_gradient(student, teacher, x).output for x in batches],
            population.gradient(student, teacher).output,
        ),
    ):
        error = np.std(found, axis=0, ddof=1) / len(batches) ** 0.5
        assert 5 * np.max(error) < 0.01 * np.max(np.abs(expected))
        assert np.all(np.abs(np.mean(found, axis=0) - expected) < 5 * error)


def test_empirical_gradient_is_the_derivative_of_the_empirical_loss():
    student, teacher = hard_case(3, 9)
    x = torch.tensor(np.random.default_rng(10).standard_normal((500, 3)))
    hidden, output = (torch.tensor(a, requires_grad=True) for a in (student.hidden, student.output))
    target = TwoLayer(torch.tensor(teacher.hidden), torch.tensor(teacher.output))
    value = population.empirical_loss(TwoLayer(hidden, output), target, x)
    by_hidden, by_output = torch.autograd.grad(value, (hidden, output))
    found = population.empirical_gradient(student, teacher, x.numpy())
    np.testing.assert_allclose(found.hidden, by_hidden.numpy(), atol=1e-14)
    np.testing.assert_allclose(found.output, by_output.numpy(), atol=1e-14)


def test_autograd_flows_through_coincident_neurons():
    student, teacher = hard_case(3, 11)
    hidden = torch.tensor(np.concatenate([student.hidden, student.hidden[:1]]), requires_grad=True)
    target = TwoLayer(torch.tensor(teacher.hidden), torch.tensor(teacher.output))
    output = torch.ones(5, dtype=torch.float64)
    (slope,) = torch.autograd.grad(population.loss(TwoLayer(hidden, output), target), hidden)
    np.testing.assert_allclose(slope, population.gradient(TwoLayer(hidden.detach(), output), target).hidden, atol=1e-13)


def test_autograd_of_the_loss_is_the_gradient_on_the_axes():
    for hidden, target in (
        (np.eye(3)[:2], [[1.0, 1.0, 0.0]]),
        (np.eye(4), np.eye(4)[:2] + 1.0),
        ([[0.0, 2.0], [1.0, 0.0], [0.0, -1.0]], [[1.0, 1.0]]),
    ):
        student = torch.tensor(np.array(hidden), dtype=torch.float64, requires_grad=True)
        teacher = TwoLayer(torch.tensor(np.array(target), dtype=torch.float64))
        (slope,) = torch.autograd.grad(population.loss(TwoLayer(student), teacher), student)
        np.testing.assert_allclose(
            slope.numpy(), population.gradient(TwoLayer(student.detach()), teacher).hidden.numpy(), atol=1e-15
        )


def test_autograd_of_the_loss_is_its_hessian_at_zero_loss():
    w = torch.tensor([[0.1, 0.2, 0.05], [0.9, 1.8, 0.45]], dtype=torch.float64)
    teacher = TwoLayer(w.sum(dim=0, keepdim=True))
    second = torch.autograd.functional.hessian(lambda h: population.loss(TwoLayer(h), teacher), w)
    np.testing.assert_allclose(second.numpy(), population.hessian(TwoLayer(w), teacher).numpy(), atol=1e-7)


@pytest.mark.parametrize("dimension", [2, 3, 10])
def test_loss_is_zero_at_zero_loss_and_never_negative(dimension):
    rng = np.random.default_rng(12)
    teacher = rng.standard_normal((6, dimension)) / dimension**0.5
    share = rng.uniform(0, 1, (6, 1))
    split = TwoLayer(np.concatenate([share * teacher, (1 - share) * teacher]))
    assert population.loss(split, TwoLayer(teacher)) <= 1e-15
    assert population.loss(TwoLayer(teacher[::-1]), TwoLayer(teacher)) <= 1e-15
    many = gaussian_weights(3, dimension, rng, batch=(500,))
    assert np.all(population.loss(many, TwoLayer(many.hidden * (1 + 1e-9))) >= 0)


def test_students_opposite_to_teachers_that_sum_to_zero_have_zero_loss():
    pentagon = regular_polygon(5)
    assert population.loss(TwoLayer(-pentagon.hidden), pentagon) <= 1e-15
    np.testing.assert_allclose(population.gradient(TwoLayer(-pentagon.hidden), pentagon).hidden, 0, atol=1e-15)


def test_small_losses_keep_their_digits_near_alignment():
    angle = 1e-5
    with mp.workdps(60):
        students = [[mp.cos(angle) / 2, s * mp.sin(angle) / 2] for s in (1, -1)]
        expected = float(exact_loss(students, np.ones(2), TwoLayer([[1.0, 0.0]])))
    found = population.loss(planar([angle, -angle], 0.5), TwoLayer([[1.0, 0.0]]))
    assert abs(found / expected - 1) < 1e-6  # the loss is 1e-16, and 1 - cos(angle) is known to 1e-6


def stationarity_as_printed(hidden: np.ndarray, teacher: np.ndarray) -> np.ndarray:
    """Equation (2) of the alignment paper, left minus right, written with arccos as it stands there."""
    w0, rho0 = teacher, np.linalg.norm(teacher)
    rho = np.linalg.norm(hidden, axis=1)
    u = hidden / rho[:, None]
    rows = []
    for i in range(len(hidden)):
        angle = np.arccos(np.clip([*(u @ u[i]), u[i] @ w0 / rho0], -1, 1))
        others = [j for j in range(len(hidden)) if j != i]
        factor = np.pi * rho[i] - rho0 * np.sin(angle[-1]) + sum(rho[j] * np.sin(angle[j]) for j in others)
        right = factor * u[i] + sum((np.pi - angle[j]) * hidden[j] for j in others)
        rows.append((np.pi - angle[-1]) * w0 - right)
    return np.array(rows)


@pytest.mark.parametrize("dimension", [2, 3, 10])
def test_stationarity_is_equation_two_as_printed(dimension):
    rng = np.random.default_rng(13)
    hidden, teacher = rng.standard_normal((4, dimension)), rng.standard_normal(dimension)
    found = population.stationarity(TwoLayer(hidden), TwoLayer(teacher[None]))
    np.testing.assert_allclose(found, stationarity_as_printed(hidden, teacher), atol=1e-12)


def test_batches_broadcast_and_agree_with_single_networks():
    rng = np.random.default_rng(14)
    students, teachers = gaussian_weights(3, 2, rng, batch=(4, 1)), gaussian_weights(2, 2, rng, batch=(5,))
    loss, gradient, hessian = (
        f(students, teachers) for f in (population.loss, population.gradient, population.hessian)
    )
    assert loss.shape == (4, 5)
    assert gradient.hidden.shape == (4, 5, 3, 2)
    assert gradient.output.shape == (4, 5, 3)
    assert hessian.shape == (4, 5, 3, 2, 3, 2)
    one = TwoLayer(students.hidden[2, 0]), TwoLayer(teachers.hidden[4])
    np.testing.assert_allclose(loss[2, 4], population.loss(*one), rtol=1e-13)
    np.testing.assert_allclose(hessian[2, 4], population.hessian(*one), atol=1e-14)


def test_torch_and_numpy_agree_and_float32_stays():
    student, teacher = hard_case(3, 15)
    pair = [TwoLayer(torch.tensor(n.hidden), torch.tensor(n.output)) for n in (student, teacher)]
    np.testing.assert_allclose(population.hessian(*pair).numpy(), population.hessian(student, teacher), atol=1e-13)
    small = [TwoLayer(n.hidden.astype(np.float32), n.output.astype(np.float32)) for n in (student, teacher)]
    assert population.loss(*small).dtype == np.float32
    np.testing.assert_allclose(population.loss(*small), population.loss(student, teacher), rtol=1e-5)


@given(arrays(np.float64, (3, 2), elements=st.floats(-10, 10)), arrays(np.float64, (2, 2), elements=st.floats(-10, 10)))
def test_loss_is_finite_non_negative_and_rotation_invariant(students, teachers):
    value = population.loss(TwoLayer(students), TwoLayer(teachers))
    assert np.isfinite(value)
    assert value >= 0
    turn = np.array([[math.cos(1.0), -math.sin(1.0)], [math.sin(1.0), math.cos(1.0)]])
    turned = population.loss(TwoLayer(students @ turn), TwoLayer(teachers @ turn))
    assert abs(value - turned) < 1e-12 * (1 + np.abs(students).sum() + np.abs(teachers).sum()) ** 2


def test_a_silent_zero_student_is_allowed_where_the_derivative_exists():
    student = TwoLayer([[1.0, 0.2], [0.0, 0.0]], [1.0, 0.0])
    teacher = TwoLayer([[0.0, 1.0]])
    found = population.gradient(student, teacher)
    np.testing.assert_array_equal(found.hidden[1], 0)
    alone = population.gradient(TwoLayer([[1.0, 0.2]]), teacher)
    np.testing.assert_allclose(found.hidden[0], alone.hidden[0], atol=1e-15)
    curvature = population.hessian(student, teacher)
    np.testing.assert_array_equal(curvature[1], 0)
    np.testing.assert_allclose(
        curvature[0, :, 0], population.hessian(TwoLayer([[1.0, 0.2]]), teacher)[0, :, 0], atol=1e-15
    )


def test_tiny_neurons_count_for_nothing_in_the_loss():
    student, teacher = TwoLayer([[1.0, 0.5], [1e-200, 1e-200]]), TwoLayer([[0.3, 1.0]])
    assert population.loss(student, teacher) == population.loss(TwoLayer([[1.0, 0.5]]), teacher)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: population.gradient(TwoLayer([[1.0, 0], [0, 0]]), TwoLayer([[1.0, 0]])), r"students\[1\] is the zero vector; the loss has a kink"),
        (lambda: population.hessian(TwoLayer([[0.0, 0]]), TwoLayer([[1.0, 0]])), "zero vector"),
        (lambda: population.stationarity(TwoLayer([[0.0, 0]]), TwoLayer([[1.0, 0]])), "zero vector"),
        (lambda: population.loss(TwoLayer([[1.0, 0]]), TwoLayer([[1.0, 0, 0]])), "students have 2 inputs and teacher 3"),
        (lambda: population.loss(TwoLayer(np.ones((2, 3, 2))), TwoLayer(np.ones((5, 3, 2)))), "do not broadcast"),
        (lambda: population.loss(TwoLayer([[1.0, 0]]), TwoLayer(torch.ones((1, 2)))), "different array libraries"),
        (lambda: population.empirical_loss(TwoLayer([[1.0, 0]]), TwoLayer([[1.0, 0]]), np.empty((0, 2))), "x is empty"),
        (lambda: population.empirical_loss(TwoLayer([[1.0, 0]]), TwoLayer([[1.0, 0, 0]]), np.ones((4, 2))), "teacher 3"),
        (lambda: population.stationarity(*[DeepReLU((np.eye(2), np.eye(2)))] * 2), "for a TwoLayer: use gradient"),
        (lambda: population.loss(TwoLayer([[1.0, 0]]), TwoLayer([[1.0, 0]]), math.inf), "scale is inf"),
        (lambda: population.gradient(TwoLayer([[1e-155, 0]]), TwoLayer([[1.0, 0]])), "Rescale"),
        (lambda: population.loss(TwoLayer([[1e200, 0]]), TwoLayer([[1.0, 0]])), "Rescale"),
        (lambda: population.loss(np.ones((1, 2)), TwoLayer([[1.0, 0]])), "pass TwoLayer"),
        (lambda: population.empirical_gradient(TwoLayer([[1.0, 0]]), TwoLayer([[1.0, 0]]), np.ones((4, 3))), r"expected \(n, 2\)"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("of", ["students", "teacher"])
def test_no_gradient_is_returned_at_a_hidden_weight_0(of):
    """`gradient` refuses, as the loss has a kink there; torch would go through it by the subgradient 0."""
    zero = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    other = TwoLayer(torch.eye(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
    networks = {"students": other, "teacher": other} | {of: TwoLayer(zero, torch.ones(2, dtype=torch.float64))}
    with pytest.raises(ValueError, match=rf"{of}.hidden\[1\] is the zero vector"):
        population.loss(**networks)
    deep = {name: DeepReLU((network.hidden, network.output[None, :])) for name, network in networks.items()}
    with pytest.raises(ValueError, match=rf"{of}.weights\[0\]\[1\] is the zero vector"):
        population.loss(**deep)
    without = torch.tensor([1.0, 0.0], dtype=torch.float64)
    population.loss(**(networks | {of: TwoLayer(zero, without)})).backward()
    assert torch.isfinite(zero.grad).all()
    assert float(population.loss(**(networks | {of: TwoLayer(zero.detach(), without)}))) > 0
