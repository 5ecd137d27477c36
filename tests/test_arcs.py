"""The witnesses of the planar theorems: floats and balls agree, and planted errors are seen."""

from __future__ import annotations

import numpy as np
import pytest

from alignmath.angular import ARC_COSINE
from proofs.alignment.arcs import FLOATS, Undecided, decided, double_zero_margins, negative_interval, witness
from proofs.engine.attacks import monte_carlo, near_degenerate_angles, none_below, random_angles
from proofs.engine.claims import CheckFailed


def students(count: int, m: int, seed: int) -> list[tuple[list[float], list[float]]]:
    rng = np.random.default_rng(seed)
    angles = random_angles(rng, count, m)
    return [(a.tolist(), p.tolist()) for a, p in zip(angles, 10 ** rng.uniform(-1, 0.5, angles.shape), strict=True)]


@pytest.mark.parametrize("m", [3, 4, 6])
def test_every_configuration_has_a_witness_and_its_gap_is_what_it_says(m):
    cases = set()
    for angles, lengths in students(200, m, m):
        found, _ = decided(lambda numbers, a=angles, p=lengths: witness(a, p, numbers))
        residual = ARC_COSINE.matrix(angles) @ np.array(lengths) - ARC_COSINE(angles)
        gap = sum(float(weight) * residual[j] for j, weight in found.weights.items())
        assert gap == pytest.approx(float(found.gap), abs=1e-9)
        assert gap > 0
        cases.add(found.case)
    assert len(cases) >= 4


def test_floats_and_balls_come_to_the_same_witness():
    for angles, lengths in students(40, 4, 9):
        ours = witness(angles, lengths, FLOATS)
        in_balls, bits = decided(lambda numbers, a=angles, p=lengths: _never_floats(numbers, a, p))
        assert bits > 53
        assert (ours.case, set(ours.weights)) == (in_balls.case, set(in_balls.weights))
        assert float(in_balls.gap) == pytest.approx(float(ours.gap), rel=1e-9)


def _never_floats(numbers, angles, lengths):
    if numbers is FLOATS:
        raise Undecided
    return witness(angles, lengths, numbers)


def test_interval_of_a_convex_function():
    corners, values = [1.0, -1.0, 0.0], [1.0, 1.0, -1.0]  # 2|x| - 1
    low, high = negative_interval(FLOATS, corners, values, [1.0] * 3, -2.0, 2.0)
    assert (low, high) == (-0.5, 0.5)
    assert negative_interval(FLOATS, [0.0], [1.0], [1.0], -1.0, 1.0) is None
    assert negative_interval(FLOATS, [0.0], [-1.0], [1.0], None, 1.0) == (None, 1.0)


def test_remainders_are_positive_and_cover_the_cases():
    cases = set()
    for angles, lengths in students(200, 4, 11):
        margins, _ = decided(
            lambda numbers, a=angles, p=lengths: [
                (case, numbers.sign(value, scale)) for case, value, scale in double_zero_margins(a, p, numbers)
            ]
        )
        assert all(sign > 0 for _, sign in margins)
        cases |= {case for case, _ in margins}
    assert {"k is nowhere negative", "a student in P0", "two students in N1", "one in Ppi, one in N2"} <= cases


def test_near_degenerate_angles_are_near_degenerate():
    angles = near_degenerate_angles(np.random.default_rng(1), 1000, 5)
    assert angles[:, 0].max() < 1e-2
    assert angles[:, -1].min() > 2 * np.pi - 1e-2
    assert np.all((angles >= 0) & (angles < 2 * np.pi))


def test_attacks_report_what_breaks_an_argument():
    assert none_below("trial", [1.0, 2.0]).count == 2
    for margins in ([], [1.0, -1e-9], [1.0, np.nan]):
        with pytest.raises(CheckFailed):
            none_below("trial", margins)
    with pytest.raises(CheckFailed, match="1% at most"):
        monte_carlo("trial", [1.0], [0.1], [1.0], 1.0)
    with pytest.raises(CheckFailed, match="broken"):
        monte_carlo("trial", [1.01], [1e-3], [1.0], 1.0)
