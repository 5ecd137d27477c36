"""The lifted program against closed forms, linear programs on grids, and its own certificate computed afresh."""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
import pytest
from scipy.optimize import linprog

from alignmath.plane.dual import dual_peak
from solvers.interpolation.lifting import Lifted, LiftedStatus, lifted
from solvers.interpolation.minimum_norm import min_norm
from solvers.interpolation.solution import NotCertified
from solvers.interpolation.weight_decay import penalized

ACCURACY = {"CLARABEL": 1e-6, "SCS": 1e-4}  # of the solvers' own settings, for values of about 1


def plane(degrees: object) -> np.ndarray:
    angles = np.deg2rad(np.asarray(degrees, dtype=float))
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def sphere(rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    points = rng.standard_normal((count, dimension))
    return points / np.linalg.norm(points, axis=1)[:, None]


def teach(points: np.ndarray, hidden: np.ndarray, output: object = 1.0) -> np.ndarray:
    return (np.maximum(points @ hidden.T, 0) * output).sum(axis=1)


def network(found: Lifted, points: np.ndarray) -> np.ndarray:
    return np.maximum(points @ found.vectors.T, 0) @ found.signs


def assert_optimal(found: Lifted, points: np.ndarray, labels: np.ndarray, atol: float = 1e-5) -> None:
    """Interpolation, a dual function of size at most 1, and equal values: together they prove a minimum."""
    np.testing.assert_allclose(network(found, points), labels, atol=atol)
    assert np.linalg.norm(found.vectors, axis=1).sum() == pytest.approx(found.value, abs=atol)
    assert labels @ found.multipliers == pytest.approx(found.value, abs=atol)
    directions = sphere(np.random.default_rng(0), 50_000, points.shape[1])
    assert np.abs(np.maximum(directions @ points.T, 0) @ found.multipliers).max() <= 1 + atol


@pytest.mark.parametrize("solver", ACCURACY)
@pytest.mark.parametrize("angle", [65, 80, 85])
def test_two_points_a_sector_do_not_pin_the_teacher(angle, solver):
    points = plane([angle, -angle, 270 - angle, 90 + angle])
    found = lifted(points, teach(points, plane([0])), solver=solver)
    assert found.value == pytest.approx(2 * np.cos(np.deg2rad(angle)), abs=ACCURACY[solver])  # cos t (u_t + u_-t)
    assert dual_peak(points, found.multipliers).value <= 1 + ACCURACY[solver]


@pytest.mark.parametrize(
    ("offset", "output", "least"), [(23, [1, 1], 2), (40, [1, 1], 2), (5, [1, -1], 2), (15, [1, -1], 2)]
)
def test_two_points_a_sector_suffice_where_the_dual_sinusoid_stays_below_one(offset, output, least):
    points = plane(np.add.outer([0, 90, 180, 270], [offset, 90 - offset]).reshape(-1))
    assert lifted(points, teach(points, plane([0, 90]), output)).value == pytest.approx(least, abs=1e-5)


def test_antiparallel_neurons_of_opposite_sign_are_not_kept():
    points = plane(np.random.default_rng(0).uniform(0, 360, 100))  # "inaccurate" for CLARABEL, without a warning
    found = lifted(points, teach(points, plane([0, 180, 150]), [1, -1, 1]))
    # with l = (1/2, sqrt(3)/2) it is (2 - sqrt 3)/2 relu(b.x) + sqrt(3)/2 relu(-b.x) + (relu(l.x) - relu(-l.x))/2
    assert found.value <= 2 + 1e-5  # the teacher's 3 is more than a network with neurons between its own takes


@pytest.mark.parametrize("solver", ACCURACY)
@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
def test_one_sample_takes_one_neuron_along_it(dimension, solver):
    point = np.random.default_rng(dimension).standard_normal((1, dimension)) * 40
    length = float(np.linalg.norm(point))
    accuracy = 10 * ACCURACY[solver]
    for label in (3.0, -2e-4):
        found = lifted(point, [label], solver=solver)
        assert found.value == pytest.approx(abs(label) / length, rel=accuracy)
        total = (found.signs[:, None] * found.vectors).sum(axis=0)
        np.testing.assert_allclose(total, label * point[0] / length**2, atol=accuracy * abs(label) / length)
        np.testing.assert_allclose(found.multipliers, [np.sign(label) / length], rtol=accuracy)


def test_on_the_line_both_rays_are_fitted_apart():
    found = lifted([[2.0], [-1.0], [-3.0]], [1.0, 0.5, 1.5])
    assert found.value == pytest.approx(1.0, abs=1e-6)  # slopes 1/2 and -1/2
    np.testing.assert_allclose(np.sort(found.vectors, axis=0), [[-0.5], [0.5]], atol=1e-6)


@pytest.mark.parametrize(("count", "seed"), [(3, 0), (6, 1), (12, 2), (12, 3)])
def test_values_in_the_plane_agree_with_linear_programs_on_directions(count, seed):
    rng = np.random.default_rng(seed)
    points, labels = rng.standard_normal((count, 2)), rng.standard_normal(count)
    angles = np.arctan2(points[:, 1], points[:, 0])
    step = 2 * np.pi / 1440
    grid = np.concatenate([np.arange(1440) * step, angles + np.pi / 2, angles - np.pi / 2])
    features = np.maximum(points @ np.stack([np.cos(grid), np.sin(grid)]), 0)
    program = linprog(np.ones(2 * len(grid)), A_eq=np.concatenate([features, -features], axis=1), b_eq=labels)
    found = lifted(points, labels)
    # between neighbours of the grid, at most a step apart, a neuron is a positive sum of the two
    assert program.fun * np.cos(step / 2) - 1e-6 <= found.value <= program.fun + 1e-6
    assert_optimal(found, points, labels)
    assert dual_peak(points, found.multipliers).value <= 1 + 1e-6


@pytest.mark.parametrize(
    ("dimension", "count", "output"), [(3, 24, [1]), (3, 24, [1, -1]), (3, 40, [1, 1]), (4, 18, [1])]
)
def test_enough_samples_pin_the_teachers_norm_beyond_the_plane(dimension, count, output):
    rng = np.random.default_rng(dimension + count)
    hidden, points = sphere(rng, len(output), dimension), sphere(rng, count, dimension)
    labels = teach(points, hidden, output)
    found = lifted(points, labels)
    assert found.value == pytest.approx(len(output), abs=1e-5)
    assert_optimal(found, points, labels)


@pytest.mark.parametrize("count", [5, 9])
def test_labels_of_no_teacher_are_fitted_at_least_norm_in_space(count):
    rng = np.random.default_rng(count)
    points, labels = rng.standard_normal((count, 3)), rng.standard_normal(count)
    assert_optimal(lifted(points, labels), points, labels)


@pytest.mark.parametrize("penalty", [None, 0.02])
def test_a_plane_in_space_gives_the_planes_value(penalty):
    rng = np.random.default_rng(11)
    points, labels = rng.standard_normal((9, 2)), rng.standard_normal(9)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    flat = lifted(points, labels, penalty=penalty)
    for embedded in (np.column_stack([points, np.zeros(9)]), points @ turn[:2]):
        found = lifted(embedded, labels, penalty=penalty)
        assert found.value == pytest.approx(flat.value, rel=1e-6)
        np.testing.assert_allclose(network(found, embedded), network(flat, points), atol=1e-5)


@pytest.mark.parametrize(("dimension", "penalty"), [(2, None), (2, 0.01), (3, None), (3, 0.01)])
def test_half_spaces_of_all_samples_and_of_facets_bound_the_same_cones(dimension, penalty):
    rng = np.random.default_rng(dimension)
    points, labels = rng.standard_normal((9, dimension)), rng.standard_normal(9)
    own, naive = (lifted(points, labels, penalty=penalty, naive=naive) for naive in (False, True))
    assert own.value == pytest.approx(naive.value, rel=1e-6)
    np.testing.assert_allclose(own.multipliers, naive.multipliers, atol=1e-4)


@pytest.mark.parametrize("solver", ACCURACY)
@pytest.mark.parametrize(("dimension", "count", "penalty"), [(2, 15, 1e-2), (2, 15, 1e-5), (3, 9, 1e-2)])
def test_the_penalised_optimum_has_a_certificate(dimension, count, penalty, solver):
    rng = np.random.default_rng(count)
    points, labels = rng.standard_normal((count, dimension)), rng.standard_normal(count)
    found = lifted(points, labels, penalty=penalty, solver=solver)
    misfit = labels - network(found, points)
    primal = misfit @ misfit / (2 * count) + penalty * np.linalg.norm(found.vectors, axis=1).sum()
    directions = sphere(rng, 50_000, dimension)
    peak = np.abs(np.maximum(directions @ points.T, 0) @ found.multipliers).max()
    if dimension == 2:
        peak = dual_peak(points, found.multipliers).value
    assert peak <= 1 + ACCURACY[solver]
    dual = found.multipliers / max(peak, 1)  # feasible; its value bounds every network's from below
    bound = penalty * (labels @ dual) - count * penalty**2 / 2 * (dual @ dual)
    missed = 0 if dimension == 2 else 1e-5  # peaks between the directions drawn
    assert bound * (1 - missed) <= primal <= bound * (1 + 10 * ACCURACY[solver])
    assert found.value == pytest.approx(primal, rel=10 * ACCURACY[solver])
    if penalty == 1e-2:
        np.testing.assert_allclose(found.multipliers, misfit / (count * penalty), atol=1e-3)


def test_a_large_penalty_leaves_no_neuron_and_the_least_such_is_the_peak_of_the_labels():
    rng = np.random.default_rng(5)
    points, labels = rng.standard_normal((12, 2)), rng.standard_normal(12)
    critical = dual_peak(points, labels / 12).value
    silent = lifted(points, labels, penalty=1.01 * critical)
    assert silent.vectors.shape == (0, 2)
    assert silent.value == pytest.approx(labels @ labels / 24)
    np.testing.assert_allclose(silent.multipliers, labels / (12 * 1.01 * critical), rtol=1e-6)
    assert len(lifted(points, labels, penalty=0.99 * critical).signs) > 0


@pytest.mark.parametrize("penalty", [None, 0.05])
def test_units_of_inputs_and_labels_only_rescale(penalty):
    rng = np.random.default_rng(6)
    points, labels = rng.standard_normal((8, 2)), rng.standard_normal(8)
    found = lifted(points, labels, penalty=penalty)
    scaled = lifted(1e-4 * points, 1e5 * labels, penalty=None if penalty is None else penalty * 10)
    factor = 1e9 if penalty is None else 1e10  # squared labels, or penalty times norm
    assert scaled.value == pytest.approx(factor * found.value, rel=1e-6)
    np.testing.assert_allclose(scaled.multipliers, 1e4 * found.multipliers, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("dimension", [2, 3])
def test_repeated_samples_change_nothing(dimension):
    rng = np.random.default_rng(7)
    points, labels = rng.standard_normal((7, dimension)), rng.standard_normal(7)
    again = lifted(np.concatenate([points, 3 * points[:2]]), np.concatenate([labels, 3 * labels[:2]]))
    assert again.value == pytest.approx(lifted(points, labels).value, rel=1e-6)


@pytest.mark.parametrize("distance", [1e-16, 1e-12, 1e-8, 1e-7, 1e-5])
def test_samples_that_almost_coincide_or_oppose_are_interpolated(distance):
    rng = np.random.default_rng(3)
    degrees = rng.uniform(0, 360, 8)
    near = degrees + np.rad2deg(distance) * rng.standard_normal((2, 8))
    points = plane(np.concatenate([degrees, near[0], near[1] + 180]))
    assert_optimal(lifted(points, labels := teach(points, plane([0, 100, 230]))), points, labels)


def test_zero_labels_take_no_neuron():
    found = lifted([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]], [0.0, 0.0])
    assert (found.value, found.status, found.vectors.shape) == (0, LiftedStatus.OPTIMAL, (0, 3))
    assert found.network.width == 1
    np.testing.assert_array_equal(found.multipliers, [0, 0])


def test_what_no_network_interpolates_is_said_and_can_be_penalised():
    three = np.concatenate([plane([0, 90, 45]), -plane([0, 90, 45])])
    odd = three @ [2.0, -1.0]
    assert lifted(three, odd).value == pytest.approx(np.sqrt(5) * 2, abs=1e-5)  # sum c_k u_k = 2 b, |b| = sqrt 5
    odd[[2, 5]] += [1.0, -1.0]  # f(x) - f(-x) is linear for every network, and these labels' is not
    with pytest.raises(NotCertified, match=r"CLARABEL ended with status infeasible.*linear in x; correct y"):
        lifted(three, odd)
    with pytest.raises(NotCertified, match="one ray"):
        lifted([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]], [1.0, 1.0])
    assert 0 < lifted(three, odd, penalty=0.1).value < odd @ odd / 12


def test_a_missing_cvxpy_names_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    for call in (min_norm, partial(penalized, penalty=0.1)):
        with pytest.raises(ImportError, match=r"cvxpy.*alignmath\[convex\]"):
            call([[1.0, 2.0]], [1.0], method="lifting")


def test_a_solver_without_second_order_cones_is_refused():
    with pytest.raises(NotCertified, match=r"OSQP failed: .* Pass another solver"):
        lifted([[1.0, 0.0]], [1.0], solver="OSQP")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lifted([[1.0, 2.0]], [1.0], solver="EASY"), "solver is 'EASY'; cvxpy has .*CLARABEL"),
        (lambda: lifted([[1.0, 2.0]], [1.0, 2.0]), r"y has shape \(2,\); expected \(1,\)"),
        (lambda: lifted([1.0, 2.0], [1.0, 2.0]), "x has shape"),
        (lambda: lifted(np.ones((2, 1, 2)), [1.0, 2.0]), r"expected \(N, d\)"),
        (lambda: lifted([[0.0, 0.0]], [1.0]), r"x\[0\] is the zero vector"),
        (lambda: lifted([[1.0, np.inf]], [1.0]), "finite"),
        (lambda: lifted([[1.0, 2.0]], [1.0], penalty=0.0), "penalty is 0.0"),
        (lambda: lifted(sphere(np.random.default_rng(0), 60, 4), np.ones(60)), "fewer samples"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
