"""The dual function of interpolation and its exact peaks."""

from __future__ import annotations

import numpy as np
import pytest

from alignmath.planar import activation_wedges, arc_peaks, dual_function, dual_peak


def random_points(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.standard_normal((count, 2)) * 10 ** rng.uniform(-2, 2, (count, 1))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_wedges_have_one_pattern_each_and_cover_the_circle(count):
    rng = np.random.default_rng(count)
    points = random_points(rng, count)
    wedges = activation_wedges(points)
    assert np.sum(wedges.end - wedges.start) == pytest.approx(2 * np.pi)
    for share in (0.01, 0.5, 0.99):
        angle = wedges.start + share * (wedges.end - wedges.start)
        units = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        np.testing.assert_array_equal(units @ points.T > 0, wedges.active)


@pytest.mark.parametrize("count", [1, 2, 5, 30])
def test_the_peak_is_the_largest_value_on_a_fine_grid(count):
    rng = np.random.default_rng(10 + count)
    angles = np.linspace(0, 2 * np.pi, 400_001)
    for _ in range(10):
        points, multipliers = random_points(rng, count), rng.standard_normal(count)
        peak = dual_peak(points, multipliers)
        sampled = np.abs(dual_function(points, multipliers, angles)).max()
        assert sampled * (1 - 1e-14) <= peak.value <= sampled * 1.01
        assert peak.sign * dual_function(points, multipliers, peak.angle) == pytest.approx(peak.value, rel=1e-12)
        values, places = arc_peaks(points, multipliers)
        np.testing.assert_allclose(dual_function(points, multipliers, places), values, atol=1e-11 * peak.value)


def test_peaks_of_special_configurations():
    square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    assert dual_peak(square, np.ones(4)).value == pytest.approx(2**0.5)
    assert dual_peak([[2.0, 0.0], [2.0, 0.0]], [1.0, -1.0]).value < 1e-15
    assert dual_peak([[0.0, 0.0]], [1.0]).value == 0
    assert dual_peak([[3.0, 4.0]], [-2.0]) == pytest.approx((10.0, np.arctan2(4, 3), -1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: activation_wedges([[0.0, 0.0]]), r"points\[0\] is the zero vector"),
        (lambda: activation_wedges(np.ones((3, 3))), r"expected \(N, 2\)"),
        (lambda: dual_peak([[1.0, np.nan]], [1.0]), "finite"),
        (lambda: dual_peak([[1.0, 2.0]], [1.0, 2.0]), r"expected \(1,\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
