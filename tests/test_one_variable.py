"""Minimum-norm regression of one variable, far off, close together, in other units: right, or refused in its terms."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

from alignmath.plane.rational import exact_lower_bound
from solvers.interpolation.minimum_norm import min_norm
from solvers.interpolation.one_variable import min_norm_1d
from solvers.interpolation.solution import NotCertified

PEAKS = [1.0, 3.0, 2.0, 5.0, 4.0]


def exact(value):
    return Fraction(*float(value).as_integer_ratio())


def prove(found, t, y, tolerance=1e-8):
    """In rational arithmetic: the network meets the labels, and none that does has a smaller norm."""
    network = found.solution.network
    neurons = [(exact(w), exact(b), exact(a)) for (w, b), a in zip(network.hidden, network.output, strict=True)]
    missed = max(
        abs(sum(a * max(w * exact(s) + b, 0) for w, b, a in neurons) - exact(label))
        for s, label in zip(t, y, strict=True)
    )
    assert missed <= tolerance * np.abs(y).max()
    norm = sum(w * w + b * b + a * a for w, b, a in neurons)
    x = np.stack([np.asarray(t, dtype=float), np.ones(len(t))], axis=1)
    assert -1e-12 <= float(norm) / exact_lower_bound(x, y, found.solution.dual) - 1 <= tolerance


def least_norm(t, y, more):
    """The least squared norm with kinks at samples and at `more` places, by a linear program: an upper bound."""
    kinks = np.concatenate([t, more])
    cost = np.hypot(1, kinks)
    right, left = (np.maximum(side * (t[:, None] - kinks), 0) / cost for side in (1, -1))
    columns = np.concatenate([right, left, np.ones((len(t), 1))], axis=1)
    program = linprog(
        np.ones(2 * columns.shape[1]), A_eq=np.concatenate([columns, -columns], axis=1), b_eq=y, method="highs-ds"
    )
    return 2 * program.fun


@pytest.mark.parametrize("offset", [0.0, 2001.0, 1e4, 1e5, 1e6])
def test_knots_are_on_the_samples_and_none_is_invented(offset):
    """There were two at 2003, 4.5e-13 apart, with a slope of 0.998 between: twice 2 where the slope rises by 4."""
    t = offset + np.arange(5.0)
    found = min_norm_1d(t, PEAKS)
    prove(found, t, PEAKS)
    inside = found.knots[found.knots > t[0]]
    np.testing.assert_array_equal(inside, t[1:4])
    np.testing.assert_allclose(found.slopes[-4:], [2.0, -1.0, 3.0, -1.0], atol=1e-8)
    np.testing.assert_allclose(found(t), PEAKS, atol=1e-9)


def test_the_norm_is_that_of_a_linear_program_over_kinks():
    t, y = np.arange(2001.0, 2006.0), np.array(PEAKS)
    found = min_norm_1d(t, y).solution.squared_norm
    assert found == pytest.approx(least_norm(t, y, np.linspace(-2e-3, 2e-3, 401)), rel=1e-9)
    rng = np.random.default_rng(1)
    for _ in range(5):
        t, y = np.sort(rng.uniform(-3, 3, 8)), rng.standard_normal(8)
        places = np.tan(np.linspace(-1.5707, 1.5707, 4001))
        bound = least_norm(t, y, places)
        found = min_norm_1d(t, y).solution.squared_norm
        step = np.diff(np.arctan(places)).max()
        assert bound * np.cos(step / 2) <= found * (1 + 1e-9)  # a kink between two of the places is a sum of theirs
        assert found <= bound * (1 + 1e-9)


def test_labels_are_met_relative_to_their_size():
    """Residual 7.6e-3, called certified, in the time when it was allowed to be what rounding makes of a norm of 2e7."""
    t, y = 1e6 + 0.1 * np.arange(6), np.arange(6.0)
    found = min_norm_1d(t, y)
    prove(found, t, y)
    assert found.solution.squared_norm == pytest.approx(2e7, rel=1e-8)  # relu(10 t - 1e7), and t is off by rounding
    np.testing.assert_allclose(found(t), y, atol=5e-8)


@pytest.mark.parametrize("unit", [1e-8, 1e-4, 1e4, 1e6])
@pytest.mark.parametrize("label", [1e-140, 1e-20, 1.0, 1e20, 1e140])
def test_other_units_are_solved(unit, label):
    t, y = unit * np.arange(1.0, 6.0), label * np.array(PEAKS)
    found = min_norm_1d(t, y)
    prove(found, t, y)
    np.testing.assert_array_equal(found.knots[found.knots >= t[0]], t[1:4])


@pytest.mark.parametrize(
    ("t", "y", "message"),
    [
        (
            [3.0, 1.0, 3.0],
            [1.0, 0.0, 2.0],
            r"t\[0\] and t\[2\] are both 3.0, but y\[0\] is 1.0 and y\[2\] is 2.0; correct y",
        ),
        (
            1e9 + np.arange(5),
            PEAKS,
            r"t\[0\] = 1000000000.0 and t\[1\] = 1000000001.0 are too close for their distance from 0, but y\[0\] is 1.0 "
            r"and y\[1\] is 3.0; the norm counts biases, so centre and scale t: pass \(t - 1e\+09\) / 2",
        ),
        (1e-17 * np.arange(5), PEAKS, r"too close.*pass \(t - 2e-17\) / 2e-17"),
        (1e200 * np.arange(5), PEAKS, r"t\[4\] is 4e\+200, beyond 1e150; .*centre and scale t"),
        ([1.0, 2.0], [1.0, 1e-200], r"y\[1\] has size 1e-200.*rescale y"),
        ([1.0, 2.0], [1.0], r"y has shape \(1,\); expected \(2,\)"),
    ],
)
def test_what_cannot_be_told_apart_is_said_in_terms_of_t_and_y(t, y, message):
    with pytest.raises(ValueError, match=message):
        min_norm_1d(t, y)


def test_what_doubles_do_not_hold_is_refused_with_the_cure():
    t = 1e7 + np.arange(5)
    with pytest.raises(
        NotCertified, match=r"centre and scale t: pass \(t - 10000002\) / 2, or pass a larger tolerance"
    ):
        min_norm_1d(t, PEAKS)
    centred = (t - 10000002) / 2
    prove(min_norm_1d(centred, PEAKS), centred, PEAKS)


def test_a_tolerance_binds_the_residual_too():
    """Ten thousand random labels: sum |c_k| is 9e8, and rounding was allowed to miss the labels by 3e-8."""
    rng = np.random.default_rng(10_000)
    angles = rng.uniform(0, 2 * np.pi, 10_000)
    x, y = np.stack([np.cos(angles), np.sin(angles)], axis=1), rng.standard_normal(10_000)
    found = min_norm(x, y)
    assert found.residual <= 1e-8 * np.abs(y).max()
    with pytest.raises(NotCertified, match="misses the labels by"):
        min_norm(x, y, tolerance=3e-10)


def test_few_repeated_and_crowded_samples_are_solved():
    assert min_norm_1d([5.0], [2.0]).solution.squared_norm == pytest.approx(4 / np.hypot(1, 5), rel=1e-12)
    two = min_norm_1d([1.0, 2.0], [1.0, 3.0])
    prove(two, [1.0, 2.0], [1.0, 3.0])
    again = min_norm_1d([2.0, 1.0, 1.0, 2.0, 1.0], [3.0, 1.0, 1.0, 3.0, 1.0])
    assert again.solution.squared_norm == pytest.approx(two.solution.squared_norm, rel=1e-9)
    heap = 0.3 + 1e-6 * np.arange(6)
    prove(min_norm_1d(heap, [0, 1, 0, 2, 1, 1]), heap, np.array([0, 1, 0, 2, 1, 1.0]))
    level = min_norm_1d([1.0, 1 + 1e-15, 3.0], [2.0, 2.0, 2.0])
    np.testing.assert_allclose(level([1.0, 3.0]), 2.0, rtol=1e-12)
