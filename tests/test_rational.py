"""Exact peaks of the dual function, and the lower bounds they prove."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from alignmath.plane.dual import dual_function, dual_peak
from alignmath.plane.rational import exact_dual_square, exact_lower_bound


@pytest.mark.parametrize("count", [1, 2, 3, 5, 30])
@pytest.mark.parametrize("kind", ["plain", "grid", "antipodal"])
def test_the_exact_peak_is_that_of_a_fine_grid(count, kind):
    rng = np.random.default_rng([count, len(kind)])
    points, multipliers = rng.standard_normal((count, 2)), rng.standard_normal(count)
    if kind == "grid":
        points = np.round(points * 2) / 2 + (np.round(points * 2) == 0).all(axis=1, keepdims=True)
    if kind == "antipodal" and count > 1:
        points[1] = -2 * points[0]
    peak = float(exact_dual_square(points, multipliers)) ** 0.5
    assert dual_peak(points, multipliers).value == pytest.approx(peak, rel=1e-13, abs=1e-15)
    sampled = np.abs(dual_function(points, multipliers, np.linspace(0, 2 * np.pi, 20_001))).max()
    assert peak * 0.999 - 1e-15 <= sampled <= peak * (1 + 1e-14) + 1e-15


def test_peaks_in_closed_form():
    assert exact_dual_square([[3.0, 4.0]], [2.0]) == 100
    square = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
    assert exact_dual_square(square, np.ones(4)) == 2
    assert exact_dual_square(square, [1.0, 0.0, -1.0, 0.0]) == 1  # p = u_1, a linear function
    assert exact_dual_square([[0.0, 0.0]], [1.0]) == 0
    assert exact_dual_square([[2.0, 0.0], [2.0, 0.0]], [1.0, -1.0]) == 0


def test_bounds_are_rounded_down():
    """One sample: the norm is `2 |y| / |x|`; here `2 / sqrt 2`, which is no float."""
    bound = exact_lower_bound([[1.0, 1.0]], [1.0], [0.3])
    assert Fraction(bound) ** 2 <= 2
    assert bound == pytest.approx(2**0.5, rel=1e-15)
    assert exact_lower_bound([[1.0, 1.0]], [1.0], [-0.3]) == 0


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"expected \(2,\)"):
        exact_dual_square([[1.0, 0.0], [0.0, 1.0]], [1.0])
    with pytest.raises(ValueError, match=r"expected \(N, 2\)"):
        exact_dual_square(np.ones((2, 3)), [1.0, 1.0])
