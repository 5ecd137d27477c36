"""Claims on the experiments of the specialization paper: their parts against other methods, and planted errors that they catch."""

from __future__ import annotations

import dataclasses
from functools import cache

import flint
import numpy as np
import pytest
import sympy as sp
import torch
from scipy.stats import spearmanr, ttest_1samp

from alignmath.networks import DeepReLU, random_student, random_teacher
from proofs.engine import ledger
from proofs.engine.claims import CheckFailed, Effort, Verdict
from proofs.engine.statistics import mean_interval
from proofs.specialization import deep_experiments, figure_experiments, image_experiments, setup_experiments
from proofs.specialization.coverage import coverage_epochs, rank_correlations
from proofs.specialization.ensembles import flow_of, students_of, teachers_of, train_pairs
from proofs.specialization.plane_runs import plane_runs, strongest_unaligned
from solvers.modules import to_module

CLAIMS = {c.name: c for c in ledger.CLAIMS}


def checked(name: str) -> Verdict:
    return ledger.checked(CLAIMS[name], Effort.QUICK)[0].verdict


def small_problem():
    rng = np.random.default_rng(1)
    x = 3 * rng.standard_normal((5, 8, 6))
    teacher = random_teacher((6, 3, 2), rng, x=x[0])
    return random_student(teacher, 2, rng), teacher, x


def test_losses_in_balls_are_those_of_torch():
    student, teacher, batches = small_problem()
    found = setup_experiments.ball_losses(student, teacher, list(batches), 0.05)
    tensors = lambda n: DeepReLU(tuple(map(torch.tensor, n.weights)), tuple(map(torch.tensor, n.biases)))  # noqa: E731
    module, target = to_module(tensors(student)), tensors(teacher)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05)
    for loss, x in zip(found, batches, strict=True):
        optimiser.zero_grad()
        value = (module(torch.tensor(x)) - target(torch.tensor(x))).square().sum(1).mean() / 2
        value.backward()
        optimiser.step()
        assert float(value.detach()) == pytest.approx(float(loss.mid()), rel=1e-12)
        assert float(loss.rad()) < 1e-50
    assert flint.ctx.prec == 53


def test_balls_that_do_not_decide_a_gate_are_refused():
    student, teacher, batches = small_problem()
    zero = DeepReLU((np.zeros_like(student.weights[0]), student.weights[1]), (np.zeros(6), np.zeros(2)))
    with pytest.raises(CheckFailed, match="does not tell whether a node is active"):
        setup_experiments.ball_losses(zero, teacher, list(batches), 0.05)


@pytest.mark.parametrize(("name", "value"), [("RATE", 1e-4), ("DEVIATION", 1.0)])
def test_settings_that_train_are_not_refuted(name, value, monkeypatch):
    monkeypatch.setattr(setup_experiments, name, value)
    setup_experiments._printed_run.cache_clear()
    monkeypatch.setattr(setup_experiments, "epoch_order", lambda *args: np.arange(64))  # a few steps will do
    monkeypatch.setattr(
        setup_experiments, "train", lambda *args, **options: type("Runs", (), {"diverged": [((0,), 4)]})()
    )
    try:
        assert checked("specialization.setup") is Verdict.FAILED
    finally:
        setup_experiments._printed_run.cache_clear()


@pytest.mark.parametrize("factor", [sp.Rational(1, 2), sp.Symbol("sigma")])
def test_a_scaling_that_is_wrong_is_caught(factor, monkeypatch):
    step = setup_experiments.step_of_descent
    monkeypatch.setattr(
        setup_experiments, "step_of_descent", lambda w, v, y, x, z, rate: step(w, v, y, factor * x, z, rate * x[0])
    )
    assert checked("specialization.setup.scaling") is Verdict.FAILED


def test_the_step_whose_scaling_is_proved_is_the_trainers():
    student, teacher, batches = small_problem()
    from solvers.dynamics.training import SGD, train

    w, v = (np.asarray(p) for p in student.weights)
    x = batches[0, :1]
    found = train(
        DeepReLU(tuple(p[None] for p in student.weights)),
        x=x,
        y=teacher(x),
        epochs=1,
        optimizer=SGD(0.05),
        batch_size=1,
    ).students
    gates = [int(value > 0) for value in w @ x[0]]
    new = setup_experiments.step_of_descent(
        sp.Matrix(w), sp.Matrix(v), sp.Matrix(teacher(x)[0]), sp.Matrix(x[0]), gates, sp.Float(0.05)
    )
    for ours, theirs in zip(found.weights, new, strict=True):
        np.testing.assert_allclose(ours[0], np.array(theirs.tolist(), dtype=float), rtol=1e-12, atol=1e-14)


@cache
def synthetic() -> figure_experiments._Ensemble:
    """An ensemble that has every property claimed: node j of p is covered after j^p epochs, sooner by wider students."""
    epochs, index = np.arange(31), np.arange(1, 21)
    rng = np.random.default_rng(2)
    polarities, factors = (0.0, 1.0, 2.0), (1, 5)
    best = np.zeros((3, 2, 4, 31, 20))
    for k, p in enumerate(polarities):
        for j, factor in enumerate(factors):
            for seed in range(4):
                when = rng.permutation(20) if p == 0 else index**p * (2 if factor == 1 else 1)
                best[k, j, seed] = 1 - 0.5 * np.exp(-(epochs[:, None] + 1) / (when + 1))
    loss = 10 * np.exp(-epochs) * np.ones((3, 2, 4, 1)) / np.array([1, 5])[:, None, None]
    return figure_experiments._Ensemble(polarities, factors, epochs, best, loss)


BACKWARDS = {"best": lambda e: e.best[..., ::-1]}
NARROW_BETTER = {"best": lambda e: e.best[:, ::-1], "loss": lambda e: e.loss[:, ::-1]}


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("_text_five", BACKWARDS),
        ("_text_five", NARROW_BETTER),
        ("_measured_five", {"best": lambda e: e.best[::-1]}),
        ("_text_seven", BACKWARDS),
        ("_order", BACKWARDS),
        ("_order", {"best": lambda e: e.best[[1, 1, 2]]}),  # equal strengths, and yet in order
        ("_text_eleven", NARROW_BETTER),
        ("_measured_eleven", {"loss": lambda e: np.ones_like(e.loss)}),
    ],
)
def test_ensembles_without_the_property_fail_the_claim(check, changes, monkeypatch):
    ensemble = synthetic()
    monkeypatch.setattr(figure_experiments, "_ensemble", lambda effort: ensemble)
    assert getattr(figure_experiments, check)(Effort.QUICK).verdict is Verdict.MEASURED
    altered = dataclasses.replace(ensemble, **{name: change(ensemble) for name, change in changes.items()})
    monkeypatch.setattr(figure_experiments, "_ensemble", lambda effort: altered)
    with pytest.raises(CheckFailed):
        getattr(figure_experiments, check)(Effort.QUICK)


def test_students_without_the_property_fail_the_claims(monkeypatch):
    track = np.zeros((5, 3, 10, 20))  # epochs, seeds, teacher nodes, students
    for n in range(20):
        track[:, :, min(n // 4, 9), n] = np.linspace(0.1, 0.97 + 0.02 * (n < 4), 5)[:, None] ** (1 + n // 4)
    track[1:3, :, 0, 6] = 0.9  # goes after node 1 first
    for check, spoil in (
        ("_text_six", lambda t: t[:, :, ::-1]),
        ("_measured_six", lambda t: np.where(t == 0.9, 0.0, t)),
    ):
        monkeypatch.setattr(figure_experiments, "_students", lambda effort: (track, track[:, 0]))
        getattr(figure_experiments, check)(Effort.QUICK)
        monkeypatch.setattr(figure_experiments, "_students", lambda effort, s=spoil: (s(track), s(track)[:, 0]))
        with pytest.raises(CheckFailed):
            getattr(figure_experiments, check)(Effort.QUICK)
    monkeypatch.setattr(figure_experiments, "_students", lambda effort: (track, track[:, 0] + 0.1))
    with pytest.raises(CheckFailed, match="gradient flow"):
        figure_experiments._measured_six(Effort.QUICK)


def test_deep_layers_without_the_property_fail_the_claims(monkeypatch):
    rho = np.array([[0.2, 0.15, 0.1, 0.1], [0.6, 0.4, 0.35, 0.3], [0.9, 0.6, 0.5, 0.45]])
    data = {"epochs": np.array([0, 5, 10]), "rho": rho, "loss": np.array([10.0, 2, 1]), "factor": np.array(2)}
    uniform = {"epochs": np.array([0, 1]), "rho": rho[[0, 2]], "loss": np.array([10.0, 1]), "factor": np.array(2)}
    spoils = {
        "_text_four": ("_gaussian", {**data, "rho": rho[:, ::-1]}),
        "_measured_four": ("_gaussian", {**data, "rho": rho[[0, 1, 0]]}),
        "_text_twelve": ("_uniform", {**uniform, "rho": uniform["rho"][:, ::-1]}),
        "_measured_twelve": ("_uniform", {**uniform, "rho": uniform["rho"] - 0.2}),
    }
    for check, (name, spoiled) in spoils.items():
        monkeypatch.setattr(deep_experiments, "_gaussian", lambda effort: data)
        monkeypatch.setattr(deep_experiments, "_uniform", lambda effort: uniform)
        assert getattr(deep_experiments, check)(Effort.QUICK).verdict is Verdict.MEASURED
        monkeypatch.setattr(deep_experiments, name, lambda effort, s=spoiled: s)
        with pytest.raises(CheckFailed):
            getattr(deep_experiments, check)(Effort.QUICK)


def test_convolutional_students_without_the_property_fail_the_claims(monkeypatch):
    rho = np.array([[0.5, 0.4, 0.3, 0.2], [0.7, 0.6, 0.5, 0.4]])[:, None, None, :] * np.array([0.8, 1])[:, None]
    rho = np.repeat(rho, 2, axis=1)  # two seeds
    data = {
        "epochs": np.arange(2),
        "factors": np.array([1, 5]),
        "rho": rho,
        "accuracy": np.array([0.5, 0.8])[:, None, None] * np.ones((2, 2, 2)),
        "teacher_accuracy": np.array([0.9, 0.4, 0.85]),
        "images": np.array([100, 50, 50]),
    }
    spoils = {
        "_text_eight": ({"rho": rho[::-1]}, {"accuracy": data["accuracy"][::-1]}),
        "_measured_eight": (
            {"rho": rho[:, :, [1, 1]]},
            {"rho": np.minimum(1.5 * rho, 1)},
            {"teacher_accuracy": np.array([0.9, 0.85, 0.9])},
        ),
    }
    for check, spoiled in spoils.items():
        monkeypatch.setattr(image_experiments, "_runs", lambda effort: data)
        assert getattr(image_experiments, check)(Effort.QUICK).verdict is Verdict.MEASURED
        for changes in spoiled:
            monkeypatch.setattr(image_experiments, "_runs", lambda effort, c=changes: {**data, **c})
            with pytest.raises(CheckFailed):
                getattr(image_experiments, check)(Effort.QUICK)


def test_coverage_epochs_and_rank_correlations():
    best = np.array([[0.5, 0.96, 0.9], [0.96, 0.97, 0.9], [0.96, 0.9, 0.9]])
    np.testing.assert_array_equal(coverage_epochs(best, np.array([0, 5, 10])), [5, 0, np.inf])
    rng = np.random.default_rng(3)
    drawn = rng.permuted(np.tile(np.arange(9.0), (200, 1)), axis=1)
    ours = rank_correlations(drawn)
    theirs = [spearmanr(np.arange(9), row).statistic for row in drawn]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.97  # another rank correlation
    np.testing.assert_array_equal(rank_correlations(np.array([[1.0, 2, 3], [3, 2, 1], [1, 1, 1]])), [1, -1, 0])


def test_intervals_of_means_are_students():
    rng = np.random.default_rng(3)
    for count in range(2, 12):  # ten sizes, against the interval that belongs to the t test
        values = rng.standard_normal(count)
        mean, half = mean_interval(values)
        np.testing.assert_allclose((mean - half, mean + half), ttest_1samp(values, 0).confidence_interval(), rtol=1e-12)
    mean, half = mean_interval(np.ones((2, 4)))
    np.testing.assert_array_equal((mean, half), ([1, 1], [0, 0]))
    means = [mean_interval(row) for row in rng.standard_normal((2_000, 5))]
    inside = np.mean([abs(mean) <= half for mean, half in means])
    assert inside == pytest.approx(0.95, abs=0.02)  # four standard errors are 0.0195


def test_ensembles_pair_seeds():
    teachers = teachers_of(4, range(2), 1.0), teachers_of(4, range(1, 2), 2.0)
    np.testing.assert_array_equal(teachers[0].weights[0][1], teachers[1].weights[0][0])
    norms = np.linalg.norm(teachers[1].weights[1][0], axis=0)
    np.testing.assert_allclose(norms, 1 / np.arange(1, 5) ** 2)
    np.testing.assert_array_equal(
        students_of(4, 2, range(2)).weights[0][1], students_of(4, 2, range(1, 2)).weights[0][0]
    )


def test_sgd_follows_the_flow_the_more_closely_the_smaller_its_steps():
    """Ties the time of `flow_of` to the steps of `train_pairs`: a quarter of the rate and four times the samples halve the distance."""
    apart = []
    for division in (1, 8):
        runs = train_pairs(3, 1.0, 2, range(2), epochs=1, samples=320 * division, learning_rate=0.01 / division)
        weights = runs.students.weights[0]
        flow = [flow_of(3, 1.0, 2, seed, [0, 1], samples=320)[0].hidden[-1] for seed in range(2)]
        apart.append(np.linalg.norm(weights - np.stack(flow)) / np.linalg.norm(np.stack(flow)))
    assert apart[1] < 0.6 * apart[0] < 0.3


def test_the_share_of_unaligned_nodes_counts_only_these():
    data = plane_runs(2, 500)
    share = strongest_unaligned(data)
    assert share.shape == (2,)
    aligned = {**data, "correlation": np.ones_like(data["correlation"])}
    np.testing.assert_array_equal(strongest_unaligned(aligned), 0)
    none = {**data, "correlation": np.zeros_like(data["correlation"])}
    np.testing.assert_array_equal(strongest_unaligned(none), 1)
