"""The folded geometry: second differences, gaps and peaks, exact where samples nearly coincide."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from alignmath.plane.dual import dual_function
from alignmath.plane.folding import exact_cross, fold, gap_peaks


def circle(angles):
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_cross_products_are_exact():
    rng = np.random.default_rng(1)
    a = rng.standard_normal((200, 2))
    b = a * (1 + 1e-15 * rng.integers(-3, 4, (200, 2)))
    for (p, q), (r, s), found in zip(a, b, exact_cross(a, b), strict=True):
        exact = Fraction(float(p)) * Fraction(float(s)) - Fraction(float(q)) * Fraction(float(r))
        assert abs(Fraction(*found.as_integer_ratio()) - exact) <= abs(exact) * Fraction(1, 2**50)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 300])
def test_gaps_fill_a_half_circle_and_are_never_wide(count):
    rng = np.random.default_rng(count)
    folded = fold(circle(rng.uniform(0, 2 * np.pi, count)) * rng.uniform(0.1, 10, (count, 1)))
    assert folded.gaps.sum() == pytest.approx(np.pi, rel=1e-14)
    assert folded.gaps.max() <= 1.2
    assert np.count_nonzero(~folded.phantom) == count


def test_each_sample_is_on_its_node():
    rng = np.random.default_rng(2)
    points = rng.standard_normal((50, 2))
    points[30:] = -2 * points[:20]
    points[29] = 3 * points[5]
    folded = fold(points)
    along = folded.nodes[folded.group].astype(float) * folded.side[:, None]
    np.testing.assert_allclose(along, points / np.linalg.norm(points, axis=1)[:, None], atol=1e-15)
    assert folded.antipodal.sum() == 20
    assert len(folded.samples) == 49
    np.testing.assert_array_equal(np.sort(np.unique(folded.group)), np.flatnonzero(~folded.phantom))


@pytest.mark.parametrize("kind", ["random", "close", "antipodal"])
def test_node_values_and_multipliers_describe_the_same_function(kind):
    """`T eta` as multipliers of the nodes gives back eta, through sums over the samples that know nothing of T."""
    rng = np.random.default_rng(7)
    angles = rng.uniform(0, 2 * np.pi, 12)
    if kind == "close":
        angles[6:] = angles[:6] + 1e-6
    if kind == "antipodal":
        angles[6:] = angles[:6] + np.pi
    points = circle(angles)
    folded = fold(points)
    eta = rng.uniform(-1, 1, len(folded.sine))
    weights = folded.second_difference(eta.astype(np.longdouble)).astype(float)
    nodes = folded.nodes.astype(float)
    even = np.abs(folded.turned.astype(float) @ nodes.T) @ weights / 2
    np.testing.assert_allclose(even, eta, atol=1e-15 * np.abs(weights).max() + 1e-14)
    # B = T X: half of B' eta is the odd part of the dual function with these multipliers on single samples
    single = folded.odd != 0
    odd = (folded.odd_rows.T @ eta).astype(float) / 2
    samples = (folded.odd[:, None] * nodes)[single]
    np.testing.assert_allclose(odd, weights[single] @ samples / 2, atol=1e-14 * np.abs(weights).max() + 1e-14)
    if kind == "random" and single.all():
        across = folded.turned.astype(float)
        found = dual_function(samples, weights, np.arctan2(across[:, 1], across[:, 0]))
        np.testing.assert_allclose(found, eta + across @ odd, atol=1e-12)


def test_peaks_of_gaps_are_those_of_a_fine_grid():
    rng = np.random.default_rng(3)
    folded = fold(circle(rng.uniform(0, 2 * np.pi, 7)))
    eta = rng.uniform(-1, 1, len(folded.sine))
    following = np.roll(eta, -1)
    peaks = gap_peaks(folded, eta, following)
    for value, offset, gap, a, b in zip(peaks.value, peaks.offset, folded.gaps, eta, following, strict=True):
        grid = np.linspace(0, gap, 5001)
        curve = (a * np.sin(gap - grid) + b * np.sin(grid)) / np.sin(gap)
        assert np.abs(curve).max() <= abs(value) * (1 + 1e-14)
        assert np.abs(curve).max() >= abs(value) * (1 - 1e-6)
        at = (a * np.sin(gap - offset) + b * np.sin(offset)) / np.sin(gap)
        assert float(value) == pytest.approx(float(at), rel=1e-12)
