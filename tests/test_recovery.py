"""Whether a teacher is the minimum-norm interpolant: the feasibility test against the solver and the certificate."""

from __future__ import annotations

import numpy as np
import pytest

from alignmath.networks import TwoLayer, planar, regular_polygon
from alignmath.plane.certificate import dual_certificate
from alignmath.plane.dual import dual_function, dual_peak
from solvers.interpolation.minimum_norm import min_norm
from solvers.interpolation.recovery import RecoveryStatus, is_recoverable


def case(seed):
    rng = np.random.default_rng([seed, 9])
    neurons, count = int(rng.integers(1, 5)), int(rng.integers(2, 30))
    sizes = rng.uniform(0.3, 2, neurons)
    teacher = TwoLayer(planar(rng.uniform(0, 2 * np.pi, neurons), sizes).hidden, rng.choice([1.0, -1.0], neurons))
    return teacher, planar(rng.uniform(0, 2 * np.pi, count)).hidden * rng.uniform(0.3, 2, (count, 1))


@pytest.mark.parametrize("cases", [pytest.param(80, id="quick"), pytest.param(3000, id="full", marks=pytest.mark.slow)])
def test_it_agrees_with_the_solver(cases):
    answers, close = [], 0
    for seed in range(cases):
        teacher, x = case(seed)
        found = is_recoverable(teacher, x)
        norm = 2 * float(np.sum(np.abs(teacher.output) * teacher.lengths))
        below = 1 - min_norm(x, teacher(x)).squared_norm / norm
        if 1e-9 < below < 1e-7:  # within a factor 10 of the tolerance on either side: a matter of rounding
            close += 1
            continue
        assert bool(found) == (below <= 1e-8), seed
        assert found.status is (RecoveryStatus.RECOVERABLE if found else RecoveryStatus.NOT_RECOVERABLE)
        if found:
            assert dual_peak(x, found.multipliers).value <= 1 + 1e-7
            at = dual_function(x, found.multipliers, teacher.polar_angles)
            np.testing.assert_allclose(at, np.sign(teacher.output), atol=1e-7)
        answers.append(bool(found))
    assert close <= cases / 500
    assert 0.3 < np.mean(answers) < 0.7


def test_it_does_not_depend_on_lengths():
    for seed in range(40):
        teacher, x = case(seed)
        rng = np.random.default_rng(seed)
        other = TwoLayer(
            teacher.hidden * rng.uniform(0.1, 10, (teacher.width, 1)), teacher.output * rng.uniform(0.1, 10)
        )
        assert bool(is_recoverable(teacher, x)) == bool(is_recoverable(other, x * rng.uniform(0.1, 10, (len(x), 1))))


def test_a_certificate_means_recovery():
    """The explicit certificate and the linear program know nothing of each other."""
    held = 0
    for seed in range(200):
        teacher, x = case(seed)
        try:
            dual_certificate(teacher, x)
        except ValueError:
            continue
        held += 1
        assert is_recoverable(teacher, x)
    assert held > 10


@pytest.mark.parametrize(("degrees", "expected"), [(22.4, False), (22.6, True)])
def test_the_threshold_of_the_two_neurons(degrees, expected):
    """relu(x_1) + relu(x_2) with two points a quadrant: a quarter of the sector's angle (`min_norm.thm5.2.two`)."""
    x = planar(np.radians([q + d for q in (0, 90, 180, 270) for d in (degrees, 90 - degrees)])).hidden
    assert bool(is_recoverable(TwoLayer(np.eye(2)), x)) == expected


def test_kinks_on_samples():
    """Integer data: lines of neurons through samples, where the place of a kink is a tie."""
    agree = 0
    for seed in range(60):
        rng = np.random.default_rng([seed, 31])
        teacher = TwoLayer(rng.integers(-2, 3, (2, 2)), rng.choice([1.0, -1.0], 2))
        x = rng.integers(-2, 3, (int(rng.integers(2, 9)), 2)).astype(float)
        x = x[np.any(x != 0, axis=1)]
        lines = np.unique(np.mod(teacher.polar_angles, np.pi))
        if len(lines) < 2 or np.any(teacher.lengths == 0) or not len(x):
            continue
        norm = 2 * float(np.sum(np.abs(teacher.output) * teacher.lengths))
        assert bool(is_recoverable(teacher, x)) == (min_norm(x, teacher(x)).squared_norm >= norm * (1 - 1e-7)), seed
        agree += 1
    assert agree > 30
    assert not is_recoverable(TwoLayer([[0.0, 2.0]], [-1.0]), [[1.0, 0.0], [1.0, -1.0]])
    assert is_recoverable(TwoLayer([[-1.2, 2.2]]), [[2.2, 1.2], [-0.8, 0.6], [-0.7, 0.5]])


def test_special_teachers():
    one_point = planar([0.0]).hidden
    assert is_recoverable(TwoLayer([[1.0, 0.0]]), one_point)
    assert not is_recoverable(TwoLayer([[1.0, 1.0]]), one_point)
    circle = planar(np.arange(0, 6.28, 0.1)).hidden
    assert is_recoverable(TwoLayer([[1.0, 0.0], [-1.0, 0.0]], [1.0, -1.0]), circle)  # linear
    assert is_recoverable(TwoLayer([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]], [1.0, -1.0, 1.0]), circle)
    undercut = TwoLayer([[1.0, 0.0], [-1.0, 0.0], [-(3**0.5) / 2, 0.5]], [1.0, -1.0, 1.0])
    assert not is_recoverable(undercut, circle)  # cost 2 instead of 3 (`min_norm.prop4.2`)
    assert is_recoverable(regular_polygon(3, phase=0.01), circle)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: is_recoverable(TwoLayer([[1.0, 0.0], [1.0, 0.0]], [1.0, -1.0]), [[1.0, 0.0]]), "0 everywhere"),
        (lambda: is_recoverable(TwoLayer([[1.0, 0.0]]), [[0.0, 0.0]]), "zero vector"),
        (lambda: is_recoverable(TwoLayer([[1.0, 0.0, 0.0]]), [[1.0, 0.0]]), "plane|dimension"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
