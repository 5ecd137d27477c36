"""Sectors of a teacher in the plane, and the odds of enough samples in each."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignmath.networks import TwoLayer, planar, regular_polygon
from alignmath.plane.sectors import sector_probabilities, sector_probability, sector_probability_bound, teacher_sectors

SMALL = st.integers(-3, 3)
NEURONS = st.lists(st.tuples(SMALL, SMALL, SMALL), min_size=1, max_size=6)


@given(NEURONS)
def test_f_is_linear_on_each_sector_also_for_coincident_lines(neurons):
    weights = np.array(neurons, dtype=float)
    network = TwoLayer(weights[:, :2], weights[:, 2])
    live = [(x, y) for x, y, a in neurons if a and (x or y)]
    if not live:
        with pytest.raises(ValueError, match="no neuron"):
            teacher_sectors(network)
        return
    sectors = teacher_sectors(network)
    start, end, gradient = sectors.start, sectors.end, sectors.gradient
    slopes = {Fraction(y, x) if x else None for x, y in live}
    assert len(start) == 2 * len(slopes)
    assert np.all(start < end)
    assert np.all((start >= 0) & (start < 2 * np.pi))
    assert np.sum(end - start) == pytest.approx(2 * np.pi, rel=1e-14)
    for share in (0.0, 0.2, 0.9, 1.0):
        angle = start + share * (end - start)
        units = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        np.testing.assert_allclose(np.sum(gradient * units, axis=1), network(units), atol=1e-13)


def test_a_sector_without_active_neurons_has_gradient_exactly_zero():
    sectors = teacher_sectors(TwoLayer([[0.1, 0.3], [0.7, 0.2], [0.0, 0.0]], [0.3, -1.7, 5.0]))
    start, gradient = sectors.start, sectors.gradient
    assert len(start) == 4
    assert np.sum(np.all(gradient == 0, axis=1)) == 1


def test_sectors_of_many_neurons_have_the_gradient_of_the_active_ones():
    rng = np.random.default_rng(3)
    network = TwoLayer(rng.standard_normal((3000, 2)), rng.standard_normal(3000))
    sectors = teacher_sectors(network)
    start, end, gradient = sectors.start, sectors.end, sectors.gradient
    assert len(start) == 6000
    for k in rng.integers(0, 6000, 50):
        middle = (start[k] + end[k]) / 2
        active = network.hidden @ [np.cos(middle), np.sin(middle)] > 0
        np.testing.assert_allclose(gradient[k], network.output[active] @ network.hidden[active], atol=1e-11)


@pytest.mark.parametrize(("corners", "count"), [(1, 2), (2, 2), (3, 6), (4, 4), (5, 10), (6, 6)])
def test_sectors_of_a_regular_polygon_are_equally_likely(corners, count):
    np.testing.assert_allclose(sector_probabilities(regular_polygon(corners)), np.full(count, 1 / count), rtol=1e-13)


def test_the_probability_of_a_sector_is_its_angle_over_the_circle():
    np.testing.assert_allclose(sector_probabilities(planar([0.0, 0.3])), np.array([0.3, np.pi - 0.3] * 2) / (2 * np.pi))


def multinomial(samples: int, probabilities: list[Fraction]):
    """All counts of the sectors, with their probabilities."""
    for counts in itertools.product(range(samples + 1), repeat=len(probabilities)):
        if sum(counts) == samples:
            ways = math.factorial(samples) // math.prod(map(math.factorial, counts))
            yield counts, ways * math.prod(p**n for p, n in zip(probabilities, counts, strict=True))


@pytest.mark.parametrize(
    "parts", [[1], [1, 1], [1, 2], [1, 5, 1], [2, 3, 5, 2], [3, 0, 1], [1, 10**6]], ids=lambda parts: str(parts)
)
@pytest.mark.parametrize("samples", [0, 1, 4, 9, 12])
def test_both_probabilities_are_sums_over_all_counts_of_the_sectors(parts, samples):
    probabilities = [Fraction(part, sum(parts)) for part in parts]
    odds = list(multinomial(samples, probabilities))
    for least in (0, 1, 2, 3, 20):
        exact = sum(chance for counts, chance in odds if min(counts) >= least)
        bound = 1 - sum(chance * sum(count < least for count in counts) for counts, chance in odds)
        assert sector_probability(samples, probabilities, least) == exact
        assert sector_probability_bound(samples, probabilities, least) == bound
        assert isinstance(sector_probability(samples, probabilities, least), Fraction)
        rounded = [float(p) for p in probabilities]
        assert sector_probability(samples, rounded, least) == pytest.approx(float(exact), rel=1e-13, abs=0)
        assert sector_probability_bound(samples, rounded, least) == pytest.approx(float(bound), rel=1e-13, abs=1e-14)


@pytest.mark.parametrize(("samples", "paper"), [(40, "0.83"), (20, None)])
def test_formula_12_for_three_neurons_at_120_degrees(samples, paper):
    """The sum of formula (12), written out; the paper's Section 6 gives 0.83 for 40 samples, and says 0 for 20."""
    p = Fraction(1, 6)
    by_hand = 1 - 6 * (
        (1 - p) ** samples
        + samples * p * (1 - p) ** (samples - 1)
        + Fraction(samples * (samples - 1), 2) * p**2 * (1 - p) ** (samples - 2)
    )
    assert sector_probability_bound(samples, [p] * 6) == by_hand
    assert sector_probability_bound(samples, [1 / 6] * 6) == pytest.approx(float(by_hand), rel=1e-13)
    assert str(float(by_hand)).startswith(paper) if paper else by_hand < 0


@pytest.mark.parametrize(("samples", "expected"), [(40, 0.840334), (30, 0.470280), (20, 0.017650)])
def test_exact_probability_for_six_equal_sectors_by_inclusion_and_exclusion(samples, expected):
    """Of the sectors, choose those that fail, with 0, 1 or 2 samples each: an alternating sum, exact in integers."""
    total = 0
    for failing in itertools.product(range(4), repeat=6):  # 3: not restricted
        lost = [count for count in failing if count < 3]
        ways, left = 1, samples
        for count in lost:
            ways *= math.comb(left, count)
            left -= count
        total += (-1) ** len(lost) * ways * (6 - len(lost)) ** left
    exact = Fraction(total, 6**samples)
    assert sector_probability(samples, [Fraction(1, 6)] * 6) == exact
    assert sector_probability(samples, [1 / 6] * 6) == pytest.approx(float(exact), rel=1e-13)
    assert float(exact) == pytest.approx(expected, abs=5e-7)


def test_no_digit_is_lost_where_exactly_enough_samples_must_spread_evenly():
    sides = 300
    logarithm = math.lgamma(3 * sides + 1) - sides * math.log(6) - 3 * sides * math.log(sides)
    assert math.log(sector_probability(3 * sides, [1 / sides] * sides)) == pytest.approx(logarithm, rel=1e-12)
    assert sector_probability(3 * sides - 1, [1 / sides] * sides) == 0


def test_the_bound_is_tight_for_many_samples_and_exact_for_one_sector():
    shares = np.array([0.1, 0.2, 0.3, 0.4])
    for samples in (200, 2000):
        missing = 1 - sector_probability_bound(samples, shares)
        assert 1 - sector_probability(samples, shares) == pytest.approx(missing, rel=1e-5, abs=1e-13)
    assert sector_probability_bound(2, [1.0]) == 0
    assert sector_probability_bound(3, [1.0]) == sector_probability(3, [1.0]) == 1
    assert sector_probability_bound(500_000, [1e-6, 1 - 1e-6], 1) == pytest.approx(-math.expm1(-0.5), rel=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: teacher_sectors(TwoLayer(np.zeros((2, 2)))), "no neuron"),
        (lambda: teacher_sectors(TwoLayer(np.ones((2, 3)))), r"expected \(m, 2\)"),
        (lambda: teacher_sectors(TwoLayer(np.ones((4, 2, 2)))), "take one of the batch"),
        (lambda: teacher_sectors(TwoLayer([[1e200, 0.0]], [1e200])), "rescale"),
        (lambda: sector_probability(10, [0.5, 0.4]), "add up to 1"),
        (lambda: sector_probability(10, [Fraction(3, 2), Fraction(-1, 2)]), "non-negative"),
        (lambda: sector_probability_bound(10, [[0.5, 0.5]]), r"expected \(K,\)"),
        (lambda: sector_probability(-1, [1.0]), "samples is -1"),
        (lambda: sector_probability_bound(5, [1.0], least=-1), "least is -1"),
        (lambda: sector_probability(5, []), "empty"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
