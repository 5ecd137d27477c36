"""Gradient flow with vector outputs: against the scalar flow, SGD, samples, and what the flow conserves."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch

from alignmath import population
from alignmath.networks import DeepReLU, TwoLayer, as_deep, gaussian_weights, random_student, random_teacher
from alignmath.specialization import correlations
from solvers.dynamics.gradient_flow import flow
from solvers.dynamics.training import SGD, Gaussian, Measures, train
from solvers.runs import RunStatus

ONE = DeepReLU(([[1.0, 0.0]], [[1.0]]))
outputs_too = partial(flow, train_output=True, relative_tolerance=1e-7, absolute_tolerance=1e-9)


def pair(seed: int, widths: tuple[int, int, int] = (4, 3, 2), factor: float = 2) -> tuple[DeepReLU, DeepReLU]:
    rng = np.random.default_rng(seed)
    teacher = random_teacher(widths, rng)
    return random_student(teacher, factor, rng), teacher


@pytest.mark.parametrize("train_output", [False, True])
def test_one_output_flows_as_the_scalar_network(train_output):
    rng = np.random.default_rng(1)
    student, teacher = (TwoLayer(rng.standard_normal((n, 3)), rng.standard_normal(n)) for n in (4, 2))
    times = np.linspace(0, 5, 6)
    expected = flow(student, teacher, times, train_output=train_output)
    found = flow(as_deep(student), as_deep(teacher), times, train_output=train_output)
    np.testing.assert_allclose(found.hidden, expected.hidden, atol=1e-8)
    np.testing.assert_allclose(found.output[:, 0], expected.output, atol=1e-8)
    np.testing.assert_allclose(found.gradient_norm, expected.gradient_norm, atol=1e-8)
    np.testing.assert_allclose(found.loss, expected.loss, atol=1e-8)


def test_sgd_with_a_small_learning_rate_follows_the_flow():
    student, teacher = pair(8, (6, 3, 3), 2)
    runs = DeepReLU(tuple(np.repeat(w[None], 4, axis=0) for w in student.weights))
    rate, steps, epochs = 0.03, 40, 3
    trained = train(
        runs,
        teacher,
        Gaussian(6, 1.4, samples=32 * steps, fresh=True),
        epochs=epochs,
        optimizer=SGD(rate),
        batch_size=32,
        loss="mean_squared",  # 2 / 3 of the time, for three outputs
        record=range(epochs + 1),
        measures=Measures(keep_weights=True),
    )
    found = outputs_too(student, teacher, rate * 2 / 3 * steps * np.arange(epochs + 1), scale=1.4)
    losses = population.loss(trained.history, teacher, 1.4)
    np.testing.assert_allclose(losses.mean(axis=1), found.loss, rtol=0.08)
    assert found.loss[-1] < 0.5 * found.loss[0]


def test_balance_is_conserved_and_the_loss_falls_at_the_rate_of_its_gradient():
    student, teacher = pair(4, (10, 5, 6))
    times = np.linspace(0, 20, 41)
    found = flow(student, teacher, times, train_output=True)
    hidden, output = found.hidden, found.output
    balance = np.sum(hidden**2, axis=2) - np.sum(output**2, axis=1)
    np.testing.assert_allclose(balance, np.broadcast_to(balance[0], balance.shape), atol=1e-8)
    assert np.all(np.diff(found.loss) < 0)
    short = flow(
        student, teacher, [0, 1e-5, 2e-5], train_output=True, relative_tolerance=1e-12, absolute_tolerance=1e-15
    )
    slope = population.gradient(DeepReLU((short.hidden[1], short.output[1])), teacher)
    rate = sum(np.sum(part**2) for part in slope)
    assert (short.loss[0] - short.loss[2]) / 2e-5 == pytest.approx(rate, rel=1e-6)
    assert short.gradient_norm[1] ** 2 == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize("method", ["RK45", "LSODA", "BDF", "Radau"])
def test_time_runs_with_the_square_of_the_scale_and_steppers_agree(method):
    student, teacher = pair(5)
    slow = outputs_too(student, teacher, [0, 4])
    fast = outputs_too(student, teacher, [0, 1], scale=2.0, method=method)
    np.testing.assert_allclose(fast.hidden[-1], slow.hidden[-1], atol=1e-5)
    assert fast.loss[-1] == pytest.approx(4 * slow.loss[-1], rel=1e-4)


def test_correlations_are_those_of_samples_and_end_at_one_where_a_teacher_is_found():
    student, teacher = pair(6, (5, 2, 3), 3)
    found = outputs_too(student, teacher, [0, 1, 400])
    correlated = found.correlations(teacher)
    assert correlated.shape == (3, 2, 6)
    x = np.random.default_rng(7).standard_normal((200_000, 5))
    sampled = correlations(teacher.activations(x)[0], DeepReLU((found.hidden[1], found.output[1])).activations(x)[0])
    np.testing.assert_allclose(correlated[1], sampled, atol=0.01)
    np.testing.assert_allclose(correlated[-1].max(axis=1), 1, atol=1e-3)


def test_the_flow_ends_where_a_student_shrinks_to_nothing():
    opposite = DeepReLU(([[-1.0, 0.0]], [[1.0]]))  # with V fixed it keeps its direction and decays like exp(-t/2)
    found = flow(opposite, ONE, np.linspace(0, 100, 11), absolute_tolerance=1e-15)
    assert found.status is RunStatus.COLLAPSED
    assert found.stopped == pytest.approx(2 * math.log(1e12), rel=1e-3)
    assert found.history.batch == (11,)
    np.testing.assert_allclose(found.hidden[1], [[-math.exp(-5), 0.0]], rtol=1e-5)
    np.testing.assert_allclose(found.correlations(ONE)[:, 0, 0], -1 / (math.pi - 1))


def test_a_student_that_is_pushed_into_zero_ends_the_flow_and_does_not_rattle_there():
    rng = np.random.default_rng(13)
    teacher = DeepReLU((rng.standard_normal((3, 4)), rng.standard_normal((2, 3))))
    statuses = []
    for _ in range(5):
        student = DeepReLU((0.3 * rng.standard_normal((4, 4)), 2 * rng.standard_normal((2, 4))))
        found = flow(student, teacher, [0, 20], relative_tolerance=1e-7, absolute_tolerance=1e-9)
        statuses.append(found.status)
        assert found.evaluations < 5_000
    assert RunStatus.COLLAPSED in statuses


def slow_pair() -> tuple[TwoLayer, TwoLayer]:
    return gaussian_weights(5, 2, 1), gaussian_weights(3, 2, 2)


def test_a_long_flow_says_that_it_is_slow_and_is_given_up_when_its_evaluations_are_spent():
    with (
        pytest.warns(RuntimeWarning, match=r'flow is slow: 20000 evaluations by DOP853 .* of 1e\+05.*method="LSODA"'),
        pytest.raises(
            ArithmeticError, match=r"25000 evaluations by DOP853 have reached the time [\d.]+ of 1e\+05.*LSODA"
        ),
    ):
        flow(*slow_pair(), [0, 1e5], most_evaluations=25_000)


def test_a_stiff_stepper_follows_a_long_flow_in_few_evaluations():
    run = flow(*slow_pair(), [0, 1e4, 1e6], method="LSODA")
    assert run.status is RunStatus.FINISHED
    assert run.evaluations < 20_000
    middle = flow(*slow_pair(), [0, 1e3], method="LSODA")
    np.testing.assert_allclose(middle.loss[-1], flow(*slow_pair(), [0, 1e3]).loss[-1], rtol=1e-6)


def test_the_bar_counts_to_the_end_and_says_how_far_the_flow_is(capsys):
    flow(*slow_pair(), [0, 1e3], method="LSODA", progress=True)
    text = capsys.readouterr().err
    assert "flow: 100%" in text
    assert "evaluations, time" in text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: flow(ONE, ONE, [0.0]), "at least two times"),
        (lambda: flow(ONE, ONE, [1.0, 0.5]), "increasing"),
        (lambda: flow(ONE, ONE, [0.0, 1.0], method="Euler"), "method is 'Euler'"),
        (lambda: flow(ONE, ONE, [0.0, 1.0], most_evaluations=0), "most_evaluations is 0"),
        (lambda: flow(ONE, TwoLayer([[1.0, 0.0]]), [0.0, 1.0]), "pass two of one kind"),
        (lambda: flow(ONE, ONE, [0.0, 1.0], relative_tolerance=0), "relative_tolerance is 0"),
        (lambda: flow(ONE, ONE, [0.0, 1.0], scale=-1), "scale is -1"),
        (lambda: flow(DeepReLU((np.ones((2, 1, 2)), np.ones((2, 1, 1)))), ONE, [0.0, 1.0]), "one run"),
        (lambda: flow(ONE, DeepReLU((*ONE.weights, [[1.0]])), [0.0, 1.0]), "one hidden layer"),
        (lambda: flow(DeepReLU(([[0.0, 0.0]], [[1.0]])), ONE, [0.0, 1.0]), r"students.weights\[0\]\[0\] is the zero vector"),
        (lambda: flow(ONE, ONE, [0.0, 1.0]).correlations(DeepReLU(([[0.0, 0.0]], [[0.0]]))), "is the zero vector"),
        (lambda: flow(*[DeepReLU((torch.eye(1, 2), torch.eye(1)))] * 2, [0.0, 1.0]), "works on NumPy networks"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
