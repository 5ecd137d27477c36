"""Which teacher neurons a student has found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignmath.networks import TwoLayer, orthonormal, planar
from alignmath.specialization import is_condensed


@given(st.integers(2, 5), st.integers(1, 8), st.integers(1, 12), st.integers(0, 10**6))
def test_neurons_placed_on_the_lines_are_found_there(dimension, width, students, seed):
    rng = np.random.default_rng(seed)
    teacher = TwoLayer(rng.standard_normal((width, dimension)), rng.standard_normal(width))
    group = rng.integers(0, width, students)
    factor = rng.choice([-1, 1], students) * 10 ** rng.uniform(-200, 100, students)
    output = rng.standard_normal(students)
    student = TwoLayer(factor[:, None] * teacher.hidden[group], output)
    found = is_condensed(student, teacher, 1e-12)
    assert found
    assert found.stray == 0
    np.testing.assert_array_equal(found.groups, group)
    np.testing.assert_array_equal(found.opposite, factor < 0)
    sizes = np.abs(output * factor) * np.linalg.norm(teacher.hidden[group], axis=1)
    for k in range(width):
        np.testing.assert_allclose(found.masses[k], sizes[group == k].sum(), rtol=1e-12)


@pytest.mark.parametrize("tolerance", [1e-15, 1e-10, 1e-6, 0.1])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_tolerance_is_the_angle_to_the_line(tolerance, sign):
    teacher = planar([0.0, 1.5])
    for share, within in ((0.9, True), (1.1, False)):
        turn = share * tolerance
        student = TwoLayer([[sign * np.cos(turn), np.sin(turn)]], [2.0])
        found = is_condensed(student, teacher, tolerance)
        assert found.condensed is within
        assert found.groups[0] == (0 if within else -1)
        assert found.opposite[0] == (within and sign < 0)
        assert found.stray == (0 if within else 1)
        np.testing.assert_allclose(found.masses, [2.0 * within, 0])


def test_zero_neurons_fit_any_group_and_negligible_ones_if_asked():
    teacher = orthonormal(3, 3)
    student = TwoLayer([[1.0, 0, 0], [0, 0, 0], [1, 1, 0], [0, -3, 0], [1, 1, 1]], [1.0, 7.0, 0.0, 2.0, 1e-3])
    strict = is_condensed(student, teacher)
    assert not strict
    np.testing.assert_array_equal(strict.groups, [0, -2, -2, 1, -1])
    np.testing.assert_array_equal(strict.opposite, [False, False, False, True, False])
    np.testing.assert_allclose(strict.masses, [1, 6, 0])
    stray = 1e-3 * 3**0.5
    assert strict.stray == pytest.approx(stray / (7 + stray))
    loose = is_condensed(student, teacher, negligible=1e-3)
    assert loose
    np.testing.assert_array_equal(loose.groups, [0, -2, -2, 1, -2])
    assert loose.stray == strict.stray
    assert is_condensed(student, teacher, negligible=1e-4).groups[4] == -1
    assert is_condensed(TwoLayer([[3.0, 0, 0], [0, 0, 3.0], [1.2, 1.6, 0]]), teacher, negligible=0.25)


def test_a_student_near_two_lines_goes_to_the_nearest_and_to_the_first_of_equals():
    teacher = TwoLayer([[0.0, 0.0], [1.0, 0.0], [1.0, 0.01], [-2.0, 0.0]])
    student = planar([0.004, 0.006, np.pi])
    np.testing.assert_array_equal(is_condensed(student, teacher, 0.05).groups, [1, 2, 1])
    np.testing.assert_array_equal(is_condensed(student, teacher, 0.05).opposite, [False, False, True])


def test_the_zero_student_is_condensed():
    found = is_condensed(TwoLayer(np.zeros((2, 2))), planar([0.0]))
    assert found
    assert found.stray == 0
    np.testing.assert_array_equal(found.groups, [-2, -2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: is_condensed(orthonormal(2, 2), orthonormal(3, 3)), r"\(2, 2\) and \(3, 3\)"),
        (lambda: is_condensed(TwoLayer(np.ones((3, 2, 2))), orthonormal(2, 2)), "one network of a batch"),
        (lambda: is_condensed(orthonormal(2, 2), TwoLayer(np.zeros((1, 2)))), "zero hidden vectors only"),
        (lambda: is_condensed(orthonormal(2, 2), orthonormal(2, 2), 1.0), "below pi/4"),
        (lambda: is_condensed(orthonormal(2, 2), orthonormal(2, 2), -1e-3), "angle is -0.001"),
        (lambda: is_condensed(orthonormal(2, 2), orthonormal(2, 2), negligible=1.0), "negligible is 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
