"""Kinks and values of networks in the plane; the dual function of interpolation, its exact peaks, the certificate."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignmath.networks import TwoLayer, planar, regular_polygon
from alignmath.plane.certificate import dual_certificate
from alignmath.plane.dual import activation_wedges, arc_peaks, dual_function, dual_peak
from alignmath.plane.kinks import evaluate, gradient_kinks, kappa
from alignmath.plane.sectors import teacher_sectors

SMALL = st.integers(-4, 4)
NETWORKS = st.lists(st.tuples(SMALL, SMALL, SMALL), min_size=1, max_size=7).map(
    lambda rows: TwoLayer(np.array(rows, dtype=float)[:, :2], np.array(rows, dtype=float)[:, 2])
)


def units(angles) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def mass(network: TwoLayer) -> float:
    return float(np.sum(np.abs(network.output) * np.hypot(*network.hidden.T)))


def joined(first: TwoLayer, second: TwoLayer) -> TwoLayer:
    return TwoLayer(np.concatenate([first.hidden, second.hidden]), np.concatenate([first.output, second.output]))


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
    peak = dual_peak([[3.0, 4.0]], [-2.0])
    assert (peak.value, peak.angle, peak.sign) == pytest.approx((10.0, np.arctan2(4, 3), -1))


@given(NETWORKS)
def test_f_turns_by_the_jumps_at_its_kinks_and_nowhere_else(network):
    """A sinusoid has `f(t + h) + f(t - h) = 2 cos(h) f(t)`; a single kink at t adds `jump sin(h)` to the left side."""
    kinks = gradient_kinks(network)
    angles, jumps = kinks.angles, kinks.jumps
    assert np.all(np.diff(angles) > 0)
    assert np.all((angles >= 0) & (angles < 2 * np.pi))
    assert np.all(np.abs(jumps) > 1e-9)  # integer weights: nothing small but 0

    def turn(t, h):
        return network(units(t + h)) + network(units(t - h)) - 2 * np.cos(h) * network(units(t))

    grid = np.append(angles, angles[:1] + 2 * np.pi) if len(angles) else np.array([0.0, np.pi, 2 * np.pi])
    middle, half = (grid[1:] + grid[:-1]) / 2, np.diff(grid) / 2
    np.testing.assert_allclose(turn(middle, half), 0, atol=1e-12)
    if len(angles):
        step = np.diff(grid).min() / 2
        np.testing.assert_allclose(turn(angles, step), jumps * np.sin(step), atol=1e-12)


@given(NETWORKS, NETWORKS)
def test_kappa_of_a_sum_is_at_most_the_sum_and_at_most_twice_the_mass(first, second):
    both = joined(first, second)
    assert kappa(both) <= (kappa(first) + kappa(second)) * (1 + 1e-14)
    assert kappa(both) <= 2 * mass(both) * (1 + 1e-14)
    for j in range(first.width):
        neuron = TwoLayer(first.hidden[j : j + 1], first.output[j : j + 1])
        assert kappa(neuron) == pytest.approx(2 * mass(neuron), rel=1e-15)
    alike = TwoLayer(both.hidden, np.abs(both.output))
    assert kappa(alike) == pytest.approx(2 * mass(alike), rel=1e-14)


def test_a_linear_function_has_no_kinks():
    rng = np.random.default_rng(5)
    hidden = rng.standard_normal((40, 2))
    factors = rng.uniform(0.1, 10, (40, 1))
    output = rng.standard_normal(40)
    linear = TwoLayer(np.concatenate([hidden, -factors * hidden]), np.concatenate([output, -output / factors[:, 0]]))
    assert len(gradient_kinks(linear).angles) == 0
    assert kappa(linear) == 0
    assert kappa(TwoLayer(np.zeros((3, 2)))) == 0
    assert kappa(TwoLayer([[1e-17, 1.0], [-1e-17, 1.0]], [1.0, -1.0])) == 0  # one line, at angles 0 and pi


def test_two_networks_of_one_function_have_the_same_kinks():
    """The teacher with opposite signs on one line that refutes Proposition 4.2 (kappa 2, not 6), and its cheaper double."""
    root = 3**0.5 / 2
    teacher = TwoLayer([[1, 0], [-1, 0], [-root, 0.5]], [1.0, -1.0, 1.0])
    student = TwoLayer([[-root, 0.5], [root, -0.5], [0.5, root], [-0.5, -root]], [1 - root, root, 0.5, -0.5])
    kinks, own = gradient_kinks(teacher), gradient_kinks(student)
    np.testing.assert_allclose([kinks.angles, kinks.jumps], [own.angles, own.jumps], atol=1e-14)
    assert kappa(teacher) == pytest.approx(2)
    assert mass(student) == pytest.approx(2)


@given(NETWORKS, st.lists(st.tuples(SMALL, SMALL), min_size=1, max_size=8))
def test_values_at_integer_points_are_exact_also_on_the_kinks(network, points):
    x = np.array(points, dtype=float)
    np.testing.assert_array_equal(evaluate(network, x), network(x))


@pytest.mark.parametrize("width", [1, 2, 30, 300])
def test_values_are_rational_arithmetic_to_a_few_roundings(width):
    rng = np.random.default_rng(width)
    scales = 10 ** rng.uniform(-6, 6, (width, 1))
    network = TwoLayer(rng.standard_normal((width, 2)) * scales, rng.standard_normal(width))
    x = rng.standard_normal((12, 2)) * 10 ** rng.uniform(-5, 5, (12, 1))
    x[:3] = np.stack([-network.hidden[:1, 1], network.hidden[:1, 0]], axis=1) * [[1.0], [-3.0], [1e5]]  # on a kink
    values = evaluate(network, x)
    weights = [
        (Fraction(a), Fraction(b), Fraction(c)) for (b, c), a in zip(network.hidden, network.output, strict=True)
    ]
    for (first, second), value in zip(x, values, strict=True):
        exact = sum(a * max(b * Fraction(first) + c * Fraction(second), Fraction(0)) for a, b, c in weights)
        error = float(abs(Fraction(value) - exact))
        assert error <= 4 * np.finfo(float).eps * mass(network) * np.hypot(first, second)


def test_error_does_not_grow_with_the_width():
    """Plain prefix sums over 400,000 switches would be off by hundreds of roundings."""
    rng = np.random.default_rng(8)
    network = TwoLayer(rng.standard_normal((200_000, 2)), rng.uniform(0.5, 1, 200_000))
    x = rng.standard_normal((20_000, 2))
    values = evaluate(network, x)
    for i in range(8):
        active = np.maximum(network.hidden @ x[i], 0)
        assert abs(values[i] - math.fsum(network.output * active)) <= 2e-16 * mass(network) * np.hypot(*x[i])


def random_teacher(rng: np.random.Generator) -> TwoLayer:
    width = rng.integers(1, 7)
    hidden = rng.standard_normal((width, 2)) * 10 ** rng.uniform(-2, 2, (width, 1))
    return TwoLayer(hidden, rng.choice([-1, 1], width) * 10 ** rng.uniform(-1, 1, width))


def points_in_sectors(rng: np.random.Generator, teacher: TwoLayer, count: int) -> np.ndarray:
    sectors = teacher_sectors(teacher)
    start, end = sectors.start, sectors.end
    angles = (start[:, None] + (end - start)[:, None] * rng.random((len(start), count))).ravel()
    return units(rng.permutation(angles)) * 10 ** rng.uniform(-2, 2, (len(angles), 1))


def assert_certifies(teacher: TwoLayer, points: np.ndarray, multipliers: np.ndarray) -> None:
    """The conditions on p, sampled densely as well, and the value of the dual: the teacher's mass."""
    weight = float(np.sum(np.abs(multipliers) * np.hypot(*points.T)))
    rounding = 1e-14 * (1 + weight)
    assert np.all(np.abs(multipliers @ points) <= rounding)
    assert dual_peak(points, multipliers).value <= 1 + rounding
    own = np.arctan2(teacher.hidden[:, 1], teacher.hidden[:, 0])
    grid = np.concatenate([np.linspace(0, 2 * np.pi, 500), own + 1e-4, own - 1e-4])
    assert np.abs(dual_function(points, multipliers, grid)).max() <= 1 + rounding
    for turned in (own, own + np.pi):
        np.testing.assert_allclose(dual_function(points, multipliers, turned), np.sign(teacher.output), atol=rounding)
    assert multipliers @ teacher(points) == pytest.approx(mass(teacher), rel=rounding)


def test_three_points_in_each_sector_always_give_a_certificate():
    rng = np.random.default_rng(40)
    for _ in range(300):
        teacher = random_teacher(rng)
        points = points_in_sectors(rng, teacher, 3)
        assert_certifies(teacher, points, dual_certificate(teacher, points))


def test_two_points_give_a_certificate_under_each_sufficient_condition():
    rng = np.random.default_rng(41)
    found = 0
    for _ in range(300):
        teacher = random_teacher(rng)
        points = points_in_sectors(rng, teacher, 2)
        try:
            multipliers = dual_certificate(teacher, points)
        except ValueError:
            continue
        assert_certifies(teacher, points, multipliers)
        found += 1
    assert 30 < found < 270


@given(NETWORKS, st.lists(st.tuples(SMALL, SMALL).filter(any), min_size=1, max_size=40))
def test_whatever_is_returned_is_a_certificate(teacher, rows):
    points = np.array(rows, dtype=float)
    try:
        multipliers = dual_certificate(teacher, points)
    except ValueError:
        return
    live = (teacher.output != 0) & np.any(teacher.hidden != 0, axis=1)
    assert_certifies(TwoLayer(teacher.hidden[live], teacher.output[live]), points, multipliers)


def test_more_samples_never_need_larger_multipliers():
    rng = np.random.default_rng(42)
    for _ in range(200):
        teacher = random_teacher(rng)
        points = np.concatenate([points_in_sectors(rng, teacher, 3), points_in_sectors(rng, teacher, 4)])
        lengths = np.hypot(*points.T)
        few = np.abs(dual_certificate(teacher, points[: len(points) * 3 // 7])) @ lengths[: len(points) * 3 // 7]
        many = np.abs(dual_certificate(teacher, points)) @ lengths
        assert many <= few * (1 + 1e-9)


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("seed", range(12))
def test_the_chosen_pair_has_the_smallest_multipliers_of_all_that_serve(seed, count):
    """Every choice of two points a sector is solved and judged by its dual function; none beats the one returned.

    The samples come with their opposites, so that p is not a mean of two choices, of which one alone might not serve.
    """
    rng = np.random.default_rng(seed)
    width = 1 + seed // 4
    hidden = units(np.sort(rng.uniform(np.pi / 2, 3 * np.pi / 2, width)))
    teacher = TwoLayer(hidden, [1.0, (-1.0) ** seed, 1.0][:width])
    sectors = teacher_sectors(teacher)
    start, end = sectors.start, sectors.end
    angles = (start[:width, None] + (end - start)[:width, None] * rng.random((width, count))).ravel()
    points = np.concatenate([units(angles), -units(angles)])
    edges = np.concatenate([hidden, -hidden[:1]]) * np.append(teacher.output, teacher.output[0])[:, None]
    best = np.inf
    for pairs in itertools.product(itertools.combinations(range(count), 2), repeat=width):
        multipliers = np.zeros(count * width)
        for k, pair in enumerate(pairs):
            rows = count * k + np.array(pair)
            multipliers[rows] = np.linalg.solve(points[rows].T, (edges[k + 1] - edges[k]) / 2)
        both = np.concatenate([multipliers, multipliers])
        if dual_peak(points, both).value <= 1 + 1e-10:
            best = min(best, np.abs(both).sum())
    if best == np.inf:
        with pytest.raises(ValueError, match="add samples there"):
            dual_certificate(teacher, points)
    else:
        assert np.abs(dual_certificate(teacher, points)).sum() == pytest.approx(best, rel=1e-9)


def test_two_points_across_the_bisector_serve_within_the_middle_half_or_between_opposite_signs():
    """Quadrants with points at d and 90 - d degrees: the minimum norm is the teacher's from d = 22.5 on (equal signs)."""
    for degrees in (1.0, 10.0, 22.4, 22.6, 30.0, 44.9):
        corner = np.array([degrees, 90 - degrees])
        points = units(np.radians(np.concatenate([corner + 90 * k for k in range(4)])))
        equal, opposite = (TwoLayer(np.eye(2), [1.0, sign]) for sign in (1.0, -1.0))
        if degrees > 22.5:
            assert_certifies(equal, points, dual_certificate(equal, points))
        else:
            with pytest.raises(ValueError, match=r"bisector at 45 .*add samples"):
                dual_certificate(equal, points)
        assert_certifies(opposite, points, dual_certificate(opposite, points))


def test_points_on_borders_and_copies_of_points_do_not_count():
    teacher = TwoLayer([[1.0, 2.0], [3.0, -1.0]])
    sectors = teacher_sectors(teacher)
    start, end = sectors.start, sectors.end
    inner = units(np.concatenate([start + share * (end - start) for share in (0.1, 0.4)]))
    borders = np.array([[-2.0, 1.0], [2.0, -1.0], [1.0, 3.0], [-1.0, -3.0]])
    points = np.concatenate([borders, inner])
    multipliers = dual_certificate(teacher, points)
    assert_certifies(teacher, points, multipliers)
    assert np.all(multipliers[:4] == 0)
    for copies in (np.concatenate([borders, inner[:4], 2 * inner[:4]]), np.concatenate([inner[:4], borders, borders])):
        with pytest.raises(ValueError, match="two distinct ones"):
            dual_certificate(teacher, copies)


def test_the_nearest_pair_across_the_bisector_serves_also_off_its_middle_half():
    """Offsets from the bisector of a quadrant, at 45 degrees: what one point is too far off, the other may make up for."""
    for before, after, serves in ((30, 1, True), (1, 30, True), (30, 20, False), (22, 23, True), (22, 24, False)):
        angles = np.concatenate([[45 - before + 90 * k, 45 + after + 90 * k] for k in range(4)])
        points = units(np.radians(angles))
        if serves:
            assert_certifies(TwoLayer(np.eye(2)), points, dual_certificate(TwoLayer(np.eye(2)), points))
        else:
            with pytest.raises(ValueError, match="bisector"):
                dual_certificate(TwoLayer(np.eye(2)), points)


def test_a_sector_too_narrow_for_opposite_signs_is_named():
    """p falls from 1 to -1 within the sector, so that the multipliers exceed one over its width."""
    for width, possible in ((1e-7, True), (1e-9, False)):
        teacher = TwoLayer([[0.0, 1.0], [-width, 1.0]], [1.0, -1.0])
        angles = np.array([0.2, 0.5, 0.7]) * width
        points = units(np.concatenate([angles, [1.0, 2.0, 3.0], angles + np.pi, [4.0, 5.0, 6.0]]))
        if possible:
            assert dual_peak(points, dual_certificate(teacher, points)).value <= 1 + 1e-7
        else:
            with pytest.raises(ValueError, match=r"from 0 to 5\.7\d*e-08 degrees .* multipliers of size .*e\+09"):
                dual_certificate(teacher, points)


def test_the_certificate_of_a_wide_teacher_is_valid():
    rng = np.random.default_rng(44)
    teacher = TwoLayer(regular_polygon(201).hidden, rng.choice([-1.0, 1.0], 201))
    points = points_in_sectors(rng, teacher, 4)
    assert_certifies(teacher, points, dual_certificate(teacher, points))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: activation_wedges([[0.0, 0.0]]), r"x\[0\] is the zero vector"),
        (lambda: activation_wedges(np.ones((3, 3))), r"expected \(N, 2\)"),
        (lambda: dual_peak([[1.0, np.nan]], [1.0]), "finite"),
        (lambda: dual_peak([[1.0, 2.0]], [1.0, 2.0]), r"expected \(1,\)"),
        (lambda: gradient_kinks(TwoLayer(np.ones((2, 3)))), r"network .* expected \(m, 2\)"),
        (lambda: kappa(TwoLayer(np.ones((5, 2, 2)))), "take one of the batch"),
        (lambda: evaluate(planar([0.0]), np.ones((2, 3))), r"x has shape \(2, 3\)"),
        (lambda: evaluate(TwoLayer([[1e200, 0.0]], [1e200]), [[1.0, 0.0]]), "rescale"),
        (lambda: dual_certificate(planar([0.0, 1.0, np.pi]), [[1.0, 0.0]]), "neurons 0 and 2 lie on one line"),
        (lambda: dual_certificate(planar([0.0]), [[1.0, 0.5], [1.0, 0.7]]), "from 90 to 270 degrees holds no input"),
        (
            lambda: dual_certificate(planar([0.0]), units(np.radians([80.0, 280.0, 170, 175]))),
            r"from 270 to 450 degrees holds inputs 1 at 280, 0 at 440,",
        ),
        (lambda: dual_certificate(planar([0.0]), [[0.0, 0.0]]), "zero vector"),
        (
            lambda: dual_certificate(planar([0.0]), units(np.array([0.5, 1.0, 2.0, 2.5])) * 1e-310),
            "rescale x",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
