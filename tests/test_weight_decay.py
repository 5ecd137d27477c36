"""The regularised optimum: its certificate, the lifting, and its limits."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from alignmath.networks import TwoLayer, gaussian_weights, planar, regular_polygon
from alignmath.plane.dual import dual_function
from alignmath.plane.rational import exact_dual_square
from solvers.interpolation.minimum_norm import min_norm
from solvers.interpolation.solution import NotCertified
from solvers.interpolation.weight_decay import largest_penalty, penalized, penalty_path


def samples(seed, count, kind="noisy"):
    rng = np.random.default_rng(seed)
    x = planar(rng.uniform(0, 2 * np.pi, count)).hidden * rng.uniform(0.5, 2, (count, 1))
    y = regular_polygon(3, phase=0.3)(x)
    return x, {"teacher": y, "noisy": y + 0.1 * rng.standard_normal(count), "random": rng.standard_normal(count)}[kind]


def objective(network, x, y, penalty):
    norm = np.sum(network.output**2) + np.sum(network.hidden**2)
    return np.mean((network(x) - y) ** 2) / 2 + penalty / 2 * norm


@pytest.mark.parametrize("kind", ["teacher", "noisy", "random"])
@pytest.mark.parametrize("share", [0.5, 0.1, 1e-2, 1e-4])
def test_the_optimum_is_certified_and_that_of_the_lifting(kind, share):
    x, y = samples(1, 25, kind)
    penalty = share * largest_penalty(x, y)
    found = penalized(x, y, penalty)
    assert objective(found.network, x, y, penalty) == pytest.approx(found.objective, rel=1e-12)
    p = dual_function(x, found.dual, np.linspace(0, 2 * np.pi, 20_001))
    assert np.abs(p).max() <= 1 + 1e-9
    bound = penalty * (y @ found.dual - len(y) * penalty / 2 * found.dual @ found.dual)
    assert found.objective <= bound * (1 + 1e-8)
    lifted = penalized(x, y, penalty, method="lifting", tolerance=1e-5)
    assert lifted.objective == pytest.approx(found.objective, rel=1e-5)


def test_no_network_found_by_descent_is_better():
    """Random networks and their local improvement by SciPy stay above the optimum."""
    from scipy.optimize import minimize

    x, y = samples(2, 12)
    penalty = 0.05
    found = penalized(x, y, penalty)

    def value(flat):
        return objective(TwoLayer(flat[:16].reshape(8, 2), flat[16:]), x, y, penalty)

    rng = np.random.default_rng(0)
    best = min(minimize(value, rng.standard_normal(24), options={"maxiter": 300}).fun for _ in range(5))
    assert found.objective <= best * (1 + 1e-12)
    assert best <= found.objective * 1.05


def test_above_the_largest_penalty_the_network_is_zero():
    x, y = samples(3, 30)
    largest = largest_penalty(x, y)
    assert penalized(x, y, 1.001 * largest).squared_norm == 0
    assert penalized(x, y, 0.999 * largest).squared_norm > 0
    one = penalized([[3.0, 4.0]], [2.0], 1.0)  # in closed form: least (5 c - 2)^2 / 2 + c
    assert one.squared_norm == pytest.approx(2 * 9 / 25, rel=1e-8)


@pytest.mark.parametrize("kind", ["teacher", "noisy"])
def test_the_path_leads_to_interpolation(kind):
    x, y = samples(4, 20, kind)
    penalties = largest_penalty(x, y) * 10.0 ** -np.arange(0, 8)
    path = penalty_path(x, y, penalties, tolerance=1e-6)
    norms = [found.squared_norm for found in path]
    assert np.all(np.diff(norms) >= -1e-5)
    missing = 1 - np.array(norms) / min_norm(x, y).squared_norm  # in the end proportional to the penalty
    assert np.all(missing > 0)
    assert missing[-1] < 0.01
    assert missing[-2] / missing[-1] == pytest.approx(10, rel=0.3)
    again = penalized(x, y, float(penalties[4]))
    assert again.objective == pytest.approx(path[4].objective, rel=2e-6)


def wiggly(seed, count=50):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 2))
    return x, np.sin(3 * x[:, 0]) + 0.1 * rng.normal(size=count)


def fractions(values):
    return [Fraction(*float(value).as_integer_ratio()) for value in values]


def exact_gap(found, x, y, penalty):
    """What the objective exceeds its lower bound by, relative to it: in rational arithmetic, from network and dual."""
    n, beta, labels = len(y), Fraction(penalty), fractions(y)
    neurons = [
        (fractions(b), Fraction(float(a))) for b, a in zip(found.network.hidden, found.network.output, strict=True)
    ]
    total = Fraction(0)
    for row, label in zip(x, labels, strict=True):
        u, v = fractions(row)
        total += (sum(a * max(b[0] * u + b[1] * v, 0) for b, a in neurons) - label) ** 2
    norm = sum(a * a + b[0] ** 2 + b[1] ** 2 for b, a in neurons)
    dual = fractions(found.dual)
    square = exact_dual_square(x, found.dual)
    peak = max(Fraction(1), Fraction(math.sqrt(square) * (1 + 1e-15)))
    assert peak**2 >= square
    shrink = 1 / peak
    value = shrink * sum(label * w for label, w in zip(labels, dual, strict=True))
    bound = beta * (value - n * beta / 2 * shrink**2 * sum(w * w for w in dual))
    return float((total / (2 * n) + beta / 2 * norm) / bound - 1)


@pytest.mark.parametrize(("penalty", "seeds"), [(1e-4, 4), (1e-5, 4), (1e-7, 1), (1e-10, 1)])
def test_small_penalties_are_solved_to_the_tolerance(penalty, seeds):
    """They stalled once: 35 rounds and half a minute at seed 3 and 1e-5. The proof is by rational arithmetic."""
    for seed in range(3, 3 + seeds):
        x, y = wiggly(seed)
        found = penalized(x, y, penalty)
        assert -1e-12 <= exact_gap(found, x, y, penalty) <= 1e-8
        assert found.rounds <= 60
        assert found.network.width <= len(y)


def test_it_stops_where_the_gap_is_below_the_tolerance_asked_for():
    x, y = wiggly(3)
    rounds = [penalized(x, y, 1e-4, tolerance=tolerance).rounds for tolerance in (10.0, 0.1, 1e-8)]
    assert rounds[0] < rounds[1] < rounds[2]


def test_a_path_may_be_given_in_any_order():
    x, y = wiggly(0)
    penalties = [1e-5, 1e-2, 1e-3, 1e-2, 1e-4]
    path = penalty_path(x, y, iter(penalties))
    assert [found.penalty for found in path] == penalties
    falling = penalty_path(x, y, sorted(penalties, reverse=True))
    assert path[0].objective == falling[-1].objective
    assert path[0].rounds == falling[-1].rounds  # no start from nothing


def test_a_penalty_too_small_for_doubles_points_to_interpolation():
    x, y = wiggly(1)
    with pytest.raises(NotCertified, match=r"of largest_penalty\(x, y\) the optimum is almost min_norm\(x, y\)"):
        penalized(x, y, 1e-15)
    with pytest.raises(ValueError, match=r"penalty is 1e-300, .* min_norm\(x, y\) is the limit"):
        penalized(x, y, 1e-300)
    with pytest.raises(ValueError, match=r"penalties\[1\] is 0"):
        penalty_path(x, y, [0.1, 0.0])


@pytest.mark.parametrize("size", [1e-146, 1e-80, 1e80, 1e146])
@pytest.mark.parametrize("labels", [1e-146, 1.0, 1e146])
def test_units_only_rescale(size, labels):
    x, y = samples(8, 12, "random")
    plain, found = penalized(x, y, 0.01), penalized(size * x, labels * y, 0.01 * size * labels)
    assert found.objective == pytest.approx(plain.objective * labels**2, rel=1e-8)
    assert found.squared_norm == pytest.approx(plain.squared_norm * (labels / size), rel=1e-6)
    np.testing.assert_allclose(found.dual * size, plain.dual, atol=1e-4)
    np.testing.assert_allclose(found.network(size * x) / labels, plain.network(x), atol=1e-4)


def test_hard_samples_are_solved():
    """Repeated, opposite, at 0, on one line, in a heap, far off: with the proof."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(12, 2)), rng.normal(size=12)
    heaps = {
        "repeated": np.concatenate([x, x, -x, 3 * x]),
        "line": np.outer(rng.normal(size=20), [1.0, 2.0]),
        "heap": 1 + 1e-9 * rng.normal(size=(20, 2)),
        "far off": np.stack([1e6 + 0.1 * np.arange(20), np.ones(20)], axis=1),
    }
    for name, samples in heaps.items():
        labels = np.resize(y, len(samples))
        for penalty in (1e-2, 1e-6):
            found = penalized(samples, labels, penalty)
            assert exact_gap(found, samples, labels, penalty) <= 1e-8, name
    one = penalized([[0.0, 0.0], [1.0, 0.0]], [0.0, 2.0], 1e-9)  # least (c - 2)^2 / 4 + beta c: c = 2 - 2 beta
    assert one.squared_norm == pytest.approx(2 * (2 - 2e-9), rel=1e-15)


def test_contradictory_labels_on_one_ray_are_fitted_in_the_mean():
    found = penalized([[1.0, 0.0], [1.0, 0.0]], [1.0, 3.0], 0.1)
    assert float(found.network([[1.0, 0.0]])[0]) == pytest.approx(1.9)  # least (c - 2)^2 / 2 + c / 10
    assert penalized([[0.0, 0.0], [1.0, 0.0]], [0.0, 1.0], 0.1).squared_norm == pytest.approx(2 * 0.8)


def test_space_by_the_lifting():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((10, 3))
    found = penalized(x, gaussian_weights(2, 3, rng)(x), 0.02, method="lifting", tolerance=1e-5)
    assert found.gap <= 1e-5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: penalized([[1.0, 0.0]], [1.0], 0.0), "penalty is 0"),
        (lambda: penalized([[1.0, 0.0]], [1.0], 0.1, method="sgd"), "method is 'sgd'"),
        (lambda: penalized(np.ones((1, 3)), [1.0], 0.1), 'pass method="lifting"'),
        (lambda: penalty_path(np.ones((1, 3)), [1.0], [0.1]), "plane"),
        (lambda: penalized([[1.0, 0.0]], [np.nan], 0.1), "finite"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_answer_without_certificate_is_refused():
    x, y = samples(6, 20)
    with pytest.raises(NotCertified, match="gap"):
        penalized(x, y, 0.01, method="lifting", tolerance=1e-14)
