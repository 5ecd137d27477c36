"""The regularised optimum: its certificate, the lifting, and its limits."""

from __future__ import annotations

import numpy as np
import pytest

from alignmath.networks import TwoLayer, gaussian_weights, planar, regular_polygon
from alignmath.plane.dual import dual_function
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
