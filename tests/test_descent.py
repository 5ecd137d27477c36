"""Descent and flow: against a plain loop, independent of the batch, and honest about runs that go wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from alignmath import TwoLayer, population
from alignmath.arrays import SUM_BLOCK, fixed_order_sum
from alignmath.networks import gaussian_weights
from solvers.dynamics.descent import descend
from solvers.dynamics.gradient_flow import flow
from solvers.runs import RunStatus

TEACHER = TwoLayer([[1.0, 0.0]])


def plain_descent(hidden, output, teacher, step, iterations, *, train_output=False, inputs=None):
    for _ in range(iterations):
        student = TwoLayer(hidden, output)
        gradient = (
            population.gradient(student, teacher)
            if inputs is None
            else population.empirical_gradient(student, teacher, inputs)
        )
        hidden = hidden - step * gradient.hidden
        output = output - step * gradient.output if train_output else output
    return hidden, output


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("train_output", [False, True])
@pytest.mark.parametrize("sampled", [False, True])
def test_descent_equals_a_plain_loop_over_steps(dimension, train_output, sampled):
    rng = np.random.default_rng(1)
    teacher = TwoLayer(rng.standard_normal((2, dimension)), rng.standard_normal(2))
    students = TwoLayer(rng.standard_normal((5, 4, dimension)), rng.uniform(0.5, 1.5, (5, 4)))
    inputs = rng.standard_normal((200, dimension)) if sampled else None
    found = descend(students, teacher, 0.05, 30, train_output=train_output, x=inputs)
    for run in range(5):
        hidden, output = plain_descent(
            students.hidden[run], students.output[run], teacher, 0.05, 30, train_output=train_output, inputs=inputs
        )
        np.testing.assert_allclose(found.students.hidden[run], hidden, atol=1e-12)
        np.testing.assert_allclose(found.students.output[run], output, atol=1e-12)
    assert np.all(found.status == RunStatus.FINISHED)


@pytest.mark.parametrize("dimension", [2, 3, 5])
def test_a_run_does_not_depend_on_its_batch_to_the_bit(dimension):
    rng = np.random.default_rng(2)
    students, teacher = gaussian_weights(7, dimension, rng, batch=(300,)), gaussian_weights(3, dimension, rng)
    whole = descend(students, teacher, 0.05, 60, train_output=True)
    for part in (slice(0, 1), slice(17, 18), slice(5, 12), slice(0, 64), slice(100, 299)):
        some = descend(TwoLayer(students.hidden[part]), teacher, 0.05, 60, train_output=True)
        np.testing.assert_array_equal(some.students.hidden, whole.students.hidden[part])
        np.testing.assert_array_equal(some.students.output, whole.students.output[part])
        np.testing.assert_array_equal(some.final_loss, whole.final_loss[part])


@pytest.mark.parametrize("columns", [64, 192, 1984])
def test_sums_have_a_fixed_order_in_every_column(columns):
    rng = np.random.default_rng(columns)
    for _ in range(60):
        shape = (int(rng.integers(1, 4)), int(rng.integers(1, 9)), int(rng.integers(2, 40)), columns)
        values = torch.tensor(rng.standard_normal(shape))
        column = int(rng.integers(columns))
        alone = values[..., column : column + 1].expand(*shape[:-1], SUM_BLOCK).contiguous()
        for axis in (0, 1, 2):
            expected = fixed_order_sum(values, axis=axis)[..., column]
            assert torch.equal(fixed_order_sum(alone, axis=axis)[..., 5], expected)
            np.testing.assert_allclose(fixed_order_sum(values.numpy(), axis=axis)[..., column], expected, atol=1e-13)


def test_runs_that_diverge_are_reported_and_disturb_nobody():
    students = gaussian_weights(4, 2, np.random.default_rng(3), batch=(40,))
    steps = np.where(np.arange(40) % 10 == 3, 1e3, 0.05)
    mixed, calm = descend(students, TEACHER, steps, 400), descend(students, TEACHER, 0.05, 400)
    wild = steps > 1
    assert np.all(mixed.status[wild] == RunStatus.DIVERGED)
    assert np.all(mixed.stopped[wild] < 400)
    assert np.all(np.isfinite(mixed.students.hidden))
    np.testing.assert_array_equal(mixed.students.hidden[~wild], calm.students.hidden[~wild])


def test_runs_stop_at_their_tolerances_and_keep_their_last_state():
    students = gaussian_weights(1, 2, np.random.default_rng(4), batch=(30,))
    found = descend(students, TEACHER, 0.5, 2000, gradient_tolerance=1e-6, record=[0, 500, 2000])
    assert np.all(found.status == RunStatus.GRADIENT)
    assert np.all(found.final_gradient_norm <= 1e-6)
    assert np.all(found.stopped % 10 == 0)
    assert len(set(found.stopped.tolist())) > 1
    np.testing.assert_array_equal(found.hidden[-1], found.students.hidden)
    by_loss = descend(students, TEACHER, 0.5, 2000, loss_tolerance=1e-8, check_every=1)
    assert np.all(by_loss.status == RunStatus.LOSS)
    assert np.all(by_loss.final_loss <= 1e-8)
    one = int(by_loss.stopped[0])
    assert descend(TwoLayer(students.hidden[:1]), TEACHER, 0.5, one - 1).final_loss[0] > 1e-8


def test_what_is_recorded_changes_nothing():
    students = gaussian_weights(4, 2, np.random.default_rng(8), batch=(40,))
    plain = descend(students, TEACHER, 0.5, 300, loss_tolerance=1e-6, check_every=100)
    recorded = descend(students, TEACHER, 0.5, 300, loss_tolerance=1e-6, check_every=100, record=[0, 37, 150, 250])
    np.testing.assert_array_equal(plain.stopped, recorded.stopped)
    np.testing.assert_array_equal(plain.students.hidden, recorded.students.hidden)
    assert len(np.unique(plain.stopped)) > 1
    np.testing.assert_array_equal(recorded.hidden[1], descend(students, TEACHER, 0.5, 37).students.hidden)


def test_what_was_asked_for_is_kept():
    students = gaussian_weights(3, 2, np.random.default_rng(5), batch=(2, 4))
    found = descend(students, TEACHER, 0.1, 20, record=[20, 0, 7], keep=("loss",))
    assert found.time.tolist() == [0, 7, 20]
    assert found.loss.shape == (3, 2, 4)
    assert found.hidden is None
    assert found.students.hidden.shape == (2, 4, 3, 2)
    np.testing.assert_allclose(found.loss[0], population.loss(students, TEACHER), rtol=1e-13)
    full = descend(students, TEACHER, 0.1, 7)
    np.testing.assert_array_equal(found.loss[1], full.final_loss)
    nothing = descend(students, TEACHER, 0.1, 0)
    np.testing.assert_array_equal(nothing.students.hidden, students.hidden)


def test_each_run_may_have_its_own_teacher_and_step():
    rng = np.random.default_rng(6)
    students, teachers = gaussian_weights(3, 2, rng, batch=(6,)), gaussian_weights(2, 2, rng, batch=(6,))
    steps = rng.uniform(0.01, 0.1, 6)
    found = descend(students, teachers, steps, 25)
    for k in range(6):
        alone = descend(TwoLayer(students.hidden[k]), TwoLayer(teachers.hidden[k]), float(steps[k]), 25)
        np.testing.assert_array_equal(found.students.hidden[k], alone.students.hidden)


def test_torch_in_torch_out():
    students = TwoLayer(torch.randn((3, 2, 2), dtype=torch.float32))
    found = descend(students, TwoLayer(torch.tensor([[1.0, 0.0]])), 0.1, 10)
    assert isinstance(found.students.hidden, torch.Tensor)
    assert found.students.hidden.dtype == torch.float32
    assert found.loss.shape == (2, 3)


def test_blocks_of_runs_make_no_difference(monkeypatch):
    students = gaussian_weights(3, 2, np.random.default_rng(7), batch=(500,))
    whole = descend(students, TEACHER, 0.05, 20)
    monkeypatch.setattr("solvers.dynamics.descent._BLOCK", 1 << 10)
    np.testing.assert_array_equal(descend(students, TEACHER, 0.05, 20).students.hidden, whole.students.hidden)


def test_global_state_is_left_alone():
    before = torch.get_num_threads(), torch.get_default_dtype(), np.geterr()
    descend(gaussian_weights(2, 2, np.random.default_rng(8)), TEACHER, 0.1, 5)
    assert (torch.get_num_threads(), torch.get_default_dtype(), np.geterr()) == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_descent_on_a_gpu_agrees_with_the_cpu():
    students = gaussian_weights(4, 3, np.random.default_rng(9), batch=(50,))
    here, there = (descend(students, TwoLayer(np.eye(2, 3)), 0.05, 30, device=d) for d in ("cpu", "cuda"))
    np.testing.assert_allclose(there.students.hidden, here.students.hidden, atol=1e-11)


def test_flow_follows_small_steps_of_descent():
    student = gaussian_weights(3, 2, np.random.default_rng(10))
    times = np.array([0.0, 0.5, 1.0])
    smooth = flow(student, TEACHER, times)
    steps = descend(student, TEACHER, 5e-4, 2_000, record=[0, 1_000, 2_000])
    np.testing.assert_allclose(smooth.hidden, steps.hidden, atol=5e-4)
    np.testing.assert_allclose(flow(student, TEACHER, times, method="LSODA").hidden, smooth.hidden, atol=1e-7)
    both = flow(TwoLayer(student.hidden, [0.7, 1.1, -0.4]), TEACHER, times, train_output=True)
    expected = descend(TwoLayer(student.hidden, [0.7, 1.1, -0.4]), TEACHER, 5e-4, 2_000, train_output=True)
    np.testing.assert_allclose(both.students.output, expected.students.output, atol=5e-4)


def test_flow_starts_from_a_tiny_student_that_grows():
    run = flow(TwoLayer([[1e-13, 0.0]]), TwoLayer([[1.0, 0.0]]), [0.0, 1.0, 2.0])
    assert run.status == RunStatus.FINISHED
    np.testing.assert_allclose(run.hidden[:, 0, 0], 1 - np.exp(-np.array([0.0, 1.0, 2.0]) / 2), atol=1e-9)


def test_flow_ends_where_a_student_shrinks_to_nothing():
    opposite = TwoLayer([[-1.0, 0.0]])  # it keeps its direction and decays like exp(-t/2)
    found = flow(opposite, TEACHER, np.linspace(0, 100, 11), absolute_tolerance=1e-15)
    assert found.status == RunStatus.COLLAPSED
    assert found.stopped == pytest.approx(2 * math.log(1e12), rel=1e-3)
    assert len(found.hidden) == 11
    np.testing.assert_allclose(found.hidden[1], [[-math.exp(-5), 0.0]], rtol=1e-8)


def test_descent_reports_a_student_that_reaches_zero():
    silent = TwoLayer([[0.0, 0.0]])  # as a teacher: the gradient is w / 2, and w - 2 (w / 2) = 0
    found = descend(TwoLayer([[[-1.0, 0.5]], [[1.0, 1.0]]]), silent, [2.0, 0.1], 50)
    assert found.status.tolist() == [RunStatus.COLLAPSED, RunStatus.FINISHED]
    assert found.stopped.tolist() == [10, 50]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: descend(TwoLayer([[0.0, 0.0]]), TEACHER, 0.1, 5), "zero vector"),
        (lambda: descend(TEACHER, TEACHER, -0.1, 5), "learning_rate has an entry that is not positive"),
        (lambda: descend(TEACHER, TEACHER, np.nan, 5), "finite"),
        (lambda: descend(TEACHER, TEACHER, [0.1, 0.2], 5), r"learning_rate has shape \(2,\)"),
        (lambda: descend(TEACHER, TEACHER, 0.1, -1), "steps is -1"),
        (lambda: descend(TEACHER, TEACHER, 0.1, 2.5), "steps is 2.5"),
        (lambda: descend(TEACHER, TEACHER, 0.1, 5, record=[9]), "record is 9"),
        (lambda: descend(TEACHER, TEACHER, 0.1, 5, record=[]), "record is empty"),
        (lambda: descend(TEACHER, TEACHER, 0.1, 5, keep=("weights",)), "keep names"),
        (lambda: descend(TEACHER, TEACHER, 0.1, 5, check_every=0), "check_every is 0"),
        (lambda: descend(TEACHER, TEACHER, 0.1, 5, check_every=2.5), "check_every is 2.5"),
        (lambda: descend(TEACHER, TEACHER, 0.1, 5, gradient_tolerance=np.nan), "gradient_tolerance is nan"),
        (lambda: descend(TEACHER, TEACHER, 0.1, 5, loss_tolerance=-1), "loss_tolerance is -1"),
        (lambda: descend(TEACHER, TEACHER, 0.1, 5, record=3), "record is 3"),
        (lambda: descend(TEACHER, TEACHER, 0.1, 5, device="foo"), "device is 'foo'"),
        (lambda: flow(TEACHER, TEACHER, [0.0, 1.0], relative_tolerance=np.nan), "relative_tolerance is nan"),
        (lambda: flow(TEACHER, TEACHER, [0.0]), "at least two times"),
        (lambda: descend(TEACHER, TEACHER, 0.1, 5, x=np.ones((3, 5))), r"expected \(n, 2\)"),
        (lambda: descend(TEACHER, TwoLayer([[1.0, 0.0, 0.0]]), 0.1, 5), "students have 2 inputs and teacher 3"),
        (lambda: flow(TEACHER, TEACHER, [1.0, 0.5]), "increasing"),
        (lambda: flow(TwoLayer(np.ones((2, 1, 2))), TEACHER, [0.0, 1.0]), "one run"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
