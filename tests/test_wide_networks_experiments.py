"""The measured claims of the wide_networks paper: what they measure, and that planted errors are seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alignmath.activations import RELU, SOFTPLUS, monomial
from alignmath.architectures import FullyConnected, ResNet
from proofs.engine.claims import CheckFailed, Effort, Verdict
from proofs.engine.derivation import Derivation
from proofs.engine.statistics import mean_interval
from proofs.wide_networks import comparison, dynamics, initial, rate_bounds, training_experiments, wide_runs
from proofs.wide_networks.wide_runs import NETWORKS
from solvers.dynamics.wide_networks import follow, grams, random_network


def check(module, name):
    (claim,) = [c for c in module.CLAIMS if c.name == name]
    return claim.check(Effort.QUICK)


@pytest.fixture(scope="module")
def dense():
    return wide_runs.trained(NETWORKS[0], Effort.QUICK)


@pytest.fixture(scope="module")
def residual():
    return wide_runs.train(NETWORKS[1], [64, 80, 400, 512], 6, 6, wide_runs.STEPS[ResNet])


def altered(runs, change):
    """The runs with `change(run, width)` for each."""
    rows = tuple(tuple(change(r, int(m)) for r, m in zip(row, runs.widths, strict=True)) for row in runs.runs)
    return replace(runs, runs=rows)


def planted(monkeypatch, runs):
    for module in (training_experiments, rate_bounds):
        monkeypatch.setattr(module, "trained", lambda architecture, effort: runs)
    monkeypatch.setattr(training_experiments, "NETWORKS", (runs.architecture,))


def noisy(rng, mean, spread=0.2):
    return np.exp(np.log(mean) + spread * rng.standard_normal(mean.shape))


def test_inputs_are_on_the_sphere_and_intervals_are_students():
    for shape in ((3,), (2, 4)):
        x = wide_runs.unit_inputs(5, shape)
        np.testing.assert_allclose((x.reshape(5, -1) ** 2).sum(axis=1), 1)
    mean, half = mean_interval(np.array([1.0, 2.0, 3.0]))
    assert (mean, half) == pytest.approx((2.0, 4.302653 / np.sqrt(3)), rel=1e-6)  # quantile from a printed table
    slope, half = wide_runs.slopes(np.array([0.0, 1.0, 2.0]), np.array([[0.0, 1.0, 2.0], [1.0, 4.0, 7.0]]))
    assert slope == pytest.approx(2)
    assert half == pytest.approx(12.7062, rel=1e-4)


def test_variance_slopes_are_known_for_powers_of_x():
    # E[(sqrt(q) z)^(2k)] is proportional to q^k
    for k in (1, 2, 3):
        assert initial.variance_slope(monomial(k)) == pytest.approx(k, rel=1e-6)
    assert initial.variance_slope(RELU) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("name", ["wide_networks.dyn", "wide_networks.dyn.mended", "wide_networks.G"])
def test_dynamics_come_out_as_expected(name):
    expected = {"wide_networks.dyn": Verdict.REFUTED, "wide_networks.G": Verdict.PROVED}.get(name, Verdict.MEASURED)
    assert check(dynamics, name).verdict is expected


@pytest.mark.parametrize(("output_trained", "seen"), [(False, "W trained"), (True, "all trained")])
def test_a_step_without_a_second_order_refutes_nothing(monkeypatch, output_trained, seen):
    right = dynamics.one_step

    def linear(rate, *, output_trained):
        after, by_gram = right(rate, output_trained=output_trained)
        return (by_gram, by_gram) if output_trained is planted_in else (after, by_gram)

    planted_in = output_trained
    monkeypatch.setattr(dynamics, "one_step", linear)
    with pytest.raises(CheckFailed, match=seen):
        check(dynamics, "wide_networks.dyn")


def test_a_remainder_of_first_order_is_seen(monkeypatch):
    def wrong(*arguments, learning_rate, **options):
        run = follow(*arguments, learning_rate=learning_rate, **options)
        return replace(run, remainder=run.remainder + 1e-3 * learning_rate)

    monkeypatch.setattr(dynamics, "follow", wrong)
    with pytest.raises(CheckFailed, match="fully connected"):
        check(dynamics, "wide_networks.dyn.mended")


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
        check(dynamics, "wide_networks.G")


def test_a_limit_that_is_not_the_limit_is_seen(monkeypatch):
    right = wide_runs.gram
    monkeypatch.setattr(wide_runs, "gram", lambda *arguments, **options: 1.1 * right(*arguments, **options))
    with pytest.raises(CheckFailed, match="fully connected"):
        check(initial, "wide_networks.concentration")


def test_a_least_eigenvalue_that_falls_with_another_power_is_seen(monkeypatch):
    right = initial.gram
    monkeypatch.setattr(initial, "gram", lambda x, a: right(x, a) * a.depth**-0.2)
    with pytest.raises(CheckFailed):
        check(initial, "wide_networks.lmin.resnet")


@pytest.mark.parametrize("architecture", NETWORKS, ids=wide_runs.title)
def test_matrices_drawn_layer_by_layer_come_to_the_limit(architecture):
    # one width more than a network could have whose weights are drawn
    x = wide_runs.unit_inputs(5, wide_runs.input_shape(architecture))
    errors = wide_runs.sampled_errors(wide_runs.depths_of(architecture, [2, 4]), 50_000, 2, [x])
    assert errors.shape == (2, 2)
    assert errors.max() < 0.04


def test_a_sampler_of_another_width_is_seen(monkeypatch):
    right = wide_runs.sampled_top_grams
    monkeypatch.setattr(wide_runs, "sampled_top_grams", lambda x, a, m, **o: right(x, a, m // 2, **o))
    with pytest.raises(CheckFailed, match="drawn layer by layer"):
        check(initial, "wide_networks.concentration")


def depth_errors(soft, late, start=0.01):
    """In place of `sampled_errors`: errors that grow by a factor a layer, with noise."""
    rng = np.random.default_rng(5)

    def errors(architectures, width, networks, sets):
        depths, factor = (
            [a.depth for a in architectures],
            late if architectures[0].activation is wide_runs.LATE else soft,
        )
        return noisy(rng, np.tile(start * factor ** np.array(depths, dtype=float), (networks * len(sets), 1)))

    return errors


@pytest.mark.parametrize(
    ("soft", "late", "start", "seen"),
    [
        (1.0, 1.97, 0.01, None),
        (1.2, 1.97, 0.01, "'softplus'"),
        (1.0, 1.4, 0.01, "sets in"),
        (1.0, 3.0, 0.01, "sets in"),
        (1.0, 1.97, 0.1, "sets in"),
    ],
)
def test_other_growth_in_fully_connected_networks_is_seen(monkeypatch, soft, late, start, seen):
    monkeypatch.setattr(initial, "sampled_errors", depth_errors(soft, late, start))
    if seen is None:
        assert check(initial, "wide_networks.eq4").verdict is Verdict.MEASURED
    else:
        with pytest.raises(CheckFailed, match=seen):
            check(initial, "wide_networks.eq4")


@pytest.mark.parametrize(
    ("soft", "late", "start", "seen"),
    [
        (1.0, 1.0, 0.01, None),
        (1.05, 1.0, 0.01, "'softplus'"),
        (1.0, 1.05, 0.01, "sets in"),
        (1.0, 1.0, 0.4, "'softplus'"),
    ],
)
def test_growth_in_residual_networks_is_seen(monkeypatch, soft, late, start, seen):
    monkeypatch.setattr(initial, "sampled_errors", depth_errors(soft, late, start))
    if seen is None:
        assert check(initial, "wide_networks.eq5").verdict is Verdict.MEASURED
    else:
        with pytest.raises(CheckFailed, match=seen):
            check(initial, "wide_networks.eq5")


@pytest.mark.parametrize("power", [-0.25, 0.25])
def test_other_laws_of_the_drift_are_seen_in_any_layer(monkeypatch, residual, power):
    def change(run, m):
        drift = run.drift.copy()
        drift[:, 1:] *= m**power  # W^(1), whose drift is largest, as it was
        return replace(run, drift=drift)

    planted(monkeypatch, residual)
    assert check(training_experiments, "wide_networks.eq6").verdict is Verdict.MEASURED
    planted(monkeypatch, altered(residual, change))
    with pytest.raises(CheckFailed, match="layer 2"):
        check(training_experiments, "wide_networks.eq6")


def test_training_that_has_not_come_to_an_end_is_seen(monkeypatch, residual):
    def cut(run, m):
        return replace(run, outputs=run.outputs[:20])

    planted(monkeypatch, altered(residual, cut))
    with pytest.raises(CheckFailed, match="how long"):
        check(training_experiments, "wide_networks.eq6")


@pytest.mark.parametrize("power", [-0.25, 0.25])
@pytest.mark.parametrize("what", ["top Gram matrix", "G(0)", "step K"])
def test_other_laws_of_stability_are_seen(monkeypatch, dense, what, power):
    def change(run, m):
        if what == "top Gram matrix":
            return replace(run, grams=run.grams[0] + (run.grams - run.grams[0]) * m**power)
        name = "by_gram" if what == "G(0)" else "by_limit"
        return replace(run, **{name: run.residuals + (getattr(run, name) - run.residuals) * m**power})

    planted(monkeypatch, dense)
    assert check(training_experiments, "wide_networks.stability").verdict is Verdict.MEASURED
    planted(monkeypatch, altered(dense, change))
    with pytest.raises(CheckFailed, match=what.replace("(", r"\(").replace(")", r"\)")):
        check(training_experiments, "wide_networks.stability")


def test_a_gram_matrix_that_goes_on_changing_is_seen(monkeypatch, dense):
    def change(run, m):
        G, late = run.grams, run.steps > wide_runs.SHORT
        return replace(run, grams=np.where(late[:, None, None, None], G[0] + (G - G[0]) * (m / 64) ** 0.25, G))

    planted(monkeypatch, altered(dense, change))
    with pytest.raises(CheckFailed, match="to the end"):
        check(training_experiments, "wide_networks.stability")


def test_the_largest_factor_is_exact():
    loss = 3 * (1 - 0.1 * 7 * 0.02 / 2) ** np.arange(50)
    assert rate_bounds.largest_factor(loss, 0.1, 0.02) == pytest.approx(7)
    loss[20] *= 1.001
    assert rate_bounds.largest_factor(loss, 0.1, 0.02) < 7


@pytest.mark.parametrize(("name", "which"), [("wide_networks.thm5.1", "dense"), ("wide_networks.thm6.1", "residual")])
def test_a_loss_above_the_bound_is_seen(monkeypatch, request, name, which):
    def change(run, m):
        outputs = run.outputs.copy()
        outputs[5:] = outputs[0] - 0.001 * run.residuals[0]  # farther from the labels than at the start
        return replace(run, outputs=outputs)

    runs = request.getfixturevalue(which)
    planted(monkeypatch, altered(runs, change))
    with pytest.raises(CheckFailed, match="at the step size 1"):
        check(rate_bounds, name)


@pytest.mark.parametrize("architecture", NETWORKS, ids=wide_runs.title)
def test_a_least_eigenvalue_wrong_by_a_fifth_is_seen(monkeypatch, architecture):
    ratios, loose, steps = rate_bounds.rates_along_least(architecture, 256, 24)
    monkeypatch.setattr(rate_bounds, "rates_along_least", lambda *a: (ratios, loose, steps))
    mean, half = rate_bounds.rate_of_least(Derivation(), architecture, Effort.QUICK)
    assert abs(mean - 1) + half < 0.15
    for wrong in (0.8, 1.2):
        monkeypatch.setattr(rate_bounds, "rates_along_least", lambda *a, w=wrong: (ratios / w, loose / w, steps))
        with pytest.raises(CheckFailed, match="the rate along"):
            rate_bounds.rate_of_least(Derivation(), architecture, Effort.QUICK)
    monkeypatch.setattr(rate_bounds, "rates_along_least", lambda *a: (ratios, loose / 5, steps))
    with pytest.raises(CheckFailed, match="the bound there"):
        rate_bounds.rate_of_least(Derivation(), architecture, Effort.QUICK)


def test_a_bound_above_the_loss_at_the_steps_of_the_theorem_is_seen(monkeypatch):
    def wrong(*arguments, **options):
        run = follow(*arguments, **options)
        return replace(run, least_eigenvalue=run.least_eigenvalue * 1e4)

    monkeypatch.setattr(rate_bounds, "follow", wrong)
    with pytest.raises(CheckFailed, match="step size of the theorem"):
        rate_bounds.small_steps(Derivation(), NETWORKS[1], Effort.QUICK)


@pytest.mark.parametrize(("power", "seen"), [(-0.5, False), (-0.25, True), (-0.75, True)])
def test_other_laws_of_the_linear_limit_are_seen(monkeypatch, power, seen):
    rng = np.random.default_rng(7)
    monkeypatch.setattr(
        dynamics,
        "linear_distances",
        lambda widths, seeds, steps: noisy(rng, np.tile(np.array(widths, dtype=float) ** power, (seeds, 1)), 0.4),
    )
    if seen:
        with pytest.raises(CheckFailed, match="only the hidden layer"):
            check(dynamics, "wide_networks.linear")
    else:
        assert check(dynamics, "wide_networks.linear").verdict is Verdict.MEASURED


def test_distances_from_the_linear_limit_fall_with_the_width():
    found = dynamics.linear_distances([64, 4096], 3, 10)
    assert np.all(found[:, 1] < found[:, 0])


@pytest.mark.parametrize(
    ("exponent", "bounded", "seen"), [(1.0, 1, None), (2.0, 1, "for its proof"), (1.0, 32, "for the bound")]
)
def test_widths_of_another_exponent_are_seen(monkeypatch, exponent, bounded, seen):
    rng = np.random.default_rng(9)

    def widths(counts, sets, networks, steps):
        stable = noisy(rng, np.tile(np.array(counts, dtype=float) ** exponent, (sets, 1)))
        return np.full(stable.shape, float(bounded)), stable

    monkeypatch.setattr(rate_bounds, "least_widths", widths)
    if seen is None:
        assert check(rate_bounds, "wide_networks.width").verdict is Verdict.MEASURED
    else:
        with pytest.raises(CheckFailed, match=seen):
            check(rate_bounds, "wide_networks.width")


def test_the_least_width_is_the_first_at_which_most_networks_hold():
    bounded, stable = rate_bounds.least_widths([8, 16], 2, 3, 20)
    assert np.all(bounded <= stable)
    x, y = wide_runs.unit_inputs(16, (10,), 41), wide_runs.labels(16, 1)
    width, held = int(stable[1, 1]), []
    for m in (width, round(width / 2**0.5)):
        good = 0
        for seed in range(3):
            network = random_network(10, FullyConnected(1, SOFTPLUS), m, seed=1000 * seed + m)
            run = follow(network, x, y, 20, record=[0, 10, 20])
            good += np.linalg.eigvalsh(run.grams[:, 0])[:, 0].min() >= run.least_eigenvalue / 2
        held.append(good)
    assert held[0] >= 2
    assert held[1] <= 1
    none, _ = rate_bounds.least_widths([8], 1, 3, 20, most=1)
    assert none.shape == (1, 1)


def test_an_altered_step_size_of_theorem_5_1_is_seen(monkeypatch):
    right = comparison.fully_connected

    def wrong(value, width_factor, step_factor):
        step, terms = right(value, width_factor, step_factor)
        return step / value, terms

    monkeypatch.setattr(comparison, "fully_connected", wrong)
    with pytest.raises(CheckFailed, match="the steps"):
        check(comparison, "wide_networks.compare.mended")
