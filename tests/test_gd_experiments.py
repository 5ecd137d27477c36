"""The measured claims of the gradient-descent paper: what they measure, and that planted errors are seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alignmath.activations import RELU, SOFTPLUS, monomial
from proofs.claims import CheckFailed, Effort, Verdict
from proofs.gd_global_minima import dynamics, initial, training_experiments, wide_runs
from solvers.gram import follow, grams, random_network


def check(module, name):
    (claim,) = [c for c in module.CLAIMS if c.name == name]
    return claim.check(Effort.QUICK)


@pytest.fixture
def fresh():
    wide_runs.trained.cache_clear()
    yield
    wide_runs.trained.cache_clear()


def test_inputs_are_on_the_sphere_and_intervals_are_students():
    for shape in ((3,), (2, 4)):
        x = wide_runs.unit_inputs(5, shape)
        np.testing.assert_allclose((x.reshape(5, -1) ** 2).sum(axis=1), 1)
    mean, half = wide_runs.mean_with_interval(np.array([1.0, 2.0, 3.0]))
    assert (mean, half) == pytest.approx((2.0, 4.302653 / np.sqrt(3)), rel=1e-6)  # quantile from a printed table
    slope, half = wide_runs.slopes(np.array([0.0, 1.0, 2.0]), np.array([[0.0, 1.0, 2.0], [1.0, 4.0, 7.0]]))
    assert slope == pytest.approx(2)
    assert half == pytest.approx(12.7062, rel=1e-4)


def test_variance_slopes_are_known_for_powers_of_x():
    # E[(sqrt(q) z)^(2k)] is proportional to q^k
    for k in (1, 2, 3):
        assert initial.variance_slope(monomial(k)) == pytest.approx(k, rel=1e-6)
    assert initial.variance_slope(RELU) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("name", ["ntk.dyn", "ntk.dyn.mended", "ntk.G"])
def test_dynamics_come_out_as_expected(name):
    expected = {"ntk.dyn": Verdict.REFUTED, "ntk.G": Verdict.PROVED}.get(name, Verdict.MEASURED)
    assert check(dynamics, name).verdict is expected


def test_a_step_without_a_second_order_refutes_nothing(monkeypatch):
    monkeypatch.setattr(dynamics, "one_step", lambda step: (1 - step, 1 - step))
    with pytest.raises(CheckFailed, match="one neuron"):
        check(dynamics, "ntk.dyn")


def test_a_remainder_of_first_order_is_seen(monkeypatch):
    def wrong(*arguments, step_size, **options):
        run = follow(*arguments, step_size=step_size, **options)
        return replace(run, remainder=run.remainder + 1e-3 * step_size)

    monkeypatch.setattr(dynamics, "follow", wrong)
    with pytest.raises(CheckFailed, match="fully connected"):
        check(dynamics, "ntk.dyn.mended")


@pytest.mark.parametrize(
    ("alter", "seen"),
    [
        (lambda G: 1.0000001 * G, "are these matrices"),
        (lambda G: G.flip(0), "are these matrices"),
    ],
)
def test_altered_gram_matrices_are_seen(monkeypatch, alter, seen):
    monkeypatch.setattr(dynamics, "grams", lambda *arguments: alter(grams(*arguments)))
    with pytest.raises(CheckFailed, match=seen):
        check(dynamics, "ntk.G")


def test_a_limit_that_is_not_the_limit_is_seen(monkeypatch):
    right = wide_runs.gram
    monkeypatch.setattr(wide_runs, "gram", lambda *arguments, **options: 1.1 * right(*arguments, **options))
    with pytest.raises(CheckFailed, match="fully connected"):
        check(initial, "ntk.concentration")


def test_a_least_eigenvalue_that_falls_with_another_power_is_seen(monkeypatch):
    right = initial.gram
    monkeypatch.setattr(initial, "gram", lambda X, H, *rest, **options: right(X, H, *rest, **options) * H**-0.2)
    with pytest.raises(CheckFailed):
        check(initial, "ntk.lmin.resnet")


def test_growth_where_none_should_be_is_seen(monkeypatch):
    monkeypatch.setattr(initial, "SOFTPLUS", wide_runs.LATE)
    with pytest.raises(CheckFailed, match="softplus"):
        check(initial, "ntk.eq4")


@pytest.mark.parametrize("factor", [-0.4, 0.5])
def test_other_laws_of_the_width_are_seen(monkeypatch, fresh, factor):
    right = wide_runs.follow

    def altered(network, *arguments, **options):
        run = right(network, *arguments, **options)
        return replace(run, drift=run.drift * network.width**factor)

    monkeypatch.setattr(wide_runs, "follow", altered)
    monkeypatch.setattr(training_experiments, "DEPTHS", {"fully_connected": 2})
    with pytest.raises(CheckFailed, match="drift"):
        check(training_experiments, "ntk.eq6")


def test_a_bound_that_is_too_low_is_seen(monkeypatch, fresh):
    right = wide_runs.follow

    def altered(*arguments, **options):
        run = right(*arguments, **options)
        return replace(run, bound=run.bound * 0.5 ** np.arange(len(run.bound)))

    monkeypatch.setattr(wide_runs, "follow", altered)
    with pytest.raises(CheckFailed, match="at the step size 1"):
        check(training_experiments, "ntk.thm5.1")


def test_the_least_width_is_the_first_at_which_both_hold():
    bounded, stable = training_experiments.least_widths([4, 8], 2, 20)
    assert np.all(bounded <= stable)
    assert np.all(np.log2(stable) % 1 == 0)
    n, seed = 8, 1
    X, y = wide_runs.unit_inputs(n, (10,)), wide_runs.labels(n)
    width = int(stable[seed, 1])
    network = random_network(10, 1, width, SOFTPLUS, seed=100_000 * seed + 5_000 + width)
    run = follow(network, X, y, 20, record=[0, 10, 20])
    assert run.bound_holds
    none, _ = training_experiments.least_widths([8], 1, 20, most=1)
    assert none.shape == (1, 1)
