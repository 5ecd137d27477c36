"""Every figure script runs in its quick profile, and the README's code; the numbers behind the figures are what theory says."""

from __future__ import annotations

import doctest
import functools
import importlib
from pathlib import Path
from statistics import NormalDist

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image

from examples.__main__ import main, scripts
from examples.min_norm.recovery import is_minimal, recovered
from examples.min_norm.training import TEACHER, objectives, train, uniform_inputs
from proofs.alignment.experiments import angle_to_nearest, separation
from proofs.engine.statistics import proportion_interval
from solvers.interpolation.minimum_norm import min_norm


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The picture of a script in its quick profile, drawn once for all tests."""

    @functools.cache
    def picture_of(name):
        folder = tmp_path_factory.mktemp(name.rpartition(".")[-1])
        importlib.import_module(name).main(["--profile", "quick", "--out", str(folder)])
        (picture,) = folder.glob("*.png")
        return picture

    return picture_of


@pytest.fixture(scope="module")
def min_norm_data(drawn):
    """The data behind a figure of the min_norm paper."""
    return lambda name: dict(np.load(drawn(f"examples.min_norm.{name}").with_suffix(".npz")))


@pytest.mark.parametrize("name", scripts())
def test_a_figure_is_drawn_with_its_data_and_caption(name, drawn):
    settings = dict(mpl.rcParams)
    picture = drawn(name)
    with Image.open(picture) as image:
        assert min(image.size) > 300
        assert image.text["Title"]
        assert image.text["Description"]
    with np.load(picture.with_suffix(".npz")) as data:
        assert all(np.isfinite(data[key]).all() for key in data.files)
    assert dict(mpl.rcParams) == settings


def test_surfaces_are_nowhere_positive():
    for name in ("plot_determinant_surface", "plot_determinant_surface_four"):
        data = importlib.import_module(f"examples.alignment.{name}").compute(quick=True)
        assert data["sign"].max() <= 0
        assert data["z"].max() < 1e-13
        np.testing.assert_allclose(
            data["z"], np.swapaxes(data["z"], 1, 2), atol=1e-12
        )  # exchanging two students changes nothing


def test_rates_are_those_of_the_law():
    data = importlib.import_module("examples.alignment.plot_overparameterised_rate").compute(quick=True)
    np.testing.assert_allclose(data["slopes"][:, 0], -3, atol=0.01)
    assert data["rate"][0] == pytest.approx(-1, abs=1e-3)


def test_distances_on_the_circle():
    from alignmath.networks import planar

    students, teacher = planar([0.1, 3.0, -3.0]), planar([0.0, 3.1])
    np.testing.assert_allclose(angle_to_nearest(students, teacher), [0.1, 0.1, 2 * np.pi - 6.1])
    np.testing.assert_allclose(angle_to_nearest(students, teacher, lines=True), [0.1, 0.1, np.pi - 3.0])
    np.testing.assert_allclose(
        separation(np.array([[1.0, 1.2], [0.05, 3.0], [6.2, 3.0]])), [0.2, 0.05, 2 * np.pi - 6.2]
    )


def test_sgd_with_weight_decay_condenses_and_reaches_the_exact_optimum(min_norm_data):
    data = min_norm_data("plot_condensation")
    assert np.all(data["objective"] >= data["exact_lower_bound"])  # no network is below it
    np.testing.assert_allclose(data["objective"], data["exact_objective"], rtol=0.01)
    np.testing.assert_allclose(data["squared_norm"], data["exact_squared_norm"], rtol=0.01)
    np.testing.assert_allclose(data["squared_norm"], 5.99, atol=0.01)  # the paper's norm, Section 6
    np.testing.assert_allclose(data["least_squared_norm"], 6, rtol=1e-7)  # 2 m_0
    # Directions spread evenly would have 0.096 of their mass there.
    assert data["near"].min() > 0.85
    assert data["bound"] == pytest.approx(0.8359, abs=5e-5)  # formula (12); the paper prints 0.83


def test_the_regularised_optimum_obeys_its_bounds_along_the_path(min_norm_data):
    data = min_norm_data("plot_weight_decay_path")
    penalty, norm, error = data["penalty"], data["squared_norm"], data["mean_square"]
    assert np.all(np.diff(penalty) < 0)
    assert np.all(np.diff(norm) >= -1e-6)
    assert np.all(np.diff(error) <= 1e-9)
    beyond = penalty >= data["largest"]
    assert beyond.any()
    assert np.all(norm[beyond] == 0)
    assert np.all(norm[~beyond] > 0)
    assert norm.max() <= 6 * (1 + 1e-7)
    # The multipliers are those of the last penalty, optimal up to n beta |lambda|^2: that much slack.
    factor = float(data["samples"] * data["multipliers_square"])
    slack = 1 + 2 * penalty[-1] / penalty[:-1] + 1e-6
    assert np.all(error[:-1] <= factor * penalty[:-1] ** 2 * slack)
    assert np.all(6 - norm[:-1] <= 2 * factor * penalty[:-1] * slack)
    small = (penalty < 3e-3) & (penalty > 1e-4)
    logs = np.log(penalty[small])
    assert np.polyfit(logs, np.log(6 - norm[small]), 1)[0] == pytest.approx(1, abs=0.02)
    assert np.polyfit(logs, np.log(error[small]), 1)[0] == pytest.approx(2, abs=0.02)


def test_sgd_follows_the_exact_path(min_norm_data):
    data = min_norm_data("plot_weight_decay_path")
    np.testing.assert_allclose(data["sgd_squared_norm"], data["sgd_exact"], rtol=0.01)


def test_few_samples_are_counted_against_the_probabilities_of_theory(min_norm_data):
    data = min_norm_data("plot_few_samples")
    # Exact rational arithmetic (claim min_norm.eq12): 0.01765 for three in each of six sectors, and the bound -0.972.
    np.testing.assert_allclose(data["at_least"][[0, 3, 4]], [1, 0.01765, 0], atol=5e-6)
    assert data["bound"] == pytest.approx(-0.97195, abs=1e-5)
    assert data["squared_norm"].max() <= 6 * (1 + 1e-8)  # the teacher interpolates
    assert data["minimal"].mean() > 0.8  # "almost all", Section 6


def test_recovery_is_no_rarer_than_three_samples_in_every_sector(min_norm_data):
    data = min_norm_data("plot_recovery_probability")
    _, high = proportion_interval(data["recovered"], int(data["draws"]))
    exact = data["exact"][:, np.searchsorted(data["curve_samples"], data["samples"])]
    assert exact.max() > 0.99
    assert np.all(high >= exact)
    assert np.all(data["exact"] >= data["bound"] - 1e-12)
    # Six sectors of a sixth each need 18 samples; four of a quarter, 12; two of a half, 6; ten, 30.
    first = [int(data["curve_samples"][np.flatnonzero(row > 0)[0]]) for row in data["exact"]]
    assert first == [18, 18, 12, 6, 30]


def test_the_closed_form_proof_and_the_exact_solver_agree():
    _, closed = recovered(TEACHER, 30, 8, 5)
    assert closed.any()
    for draw in np.flatnonzero(closed):
        angles = np.random.default_rng([5, 30, int(draw)]).uniform(0, 2 * np.pi, 30)
        points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        assert is_minimal(TEACHER, min_norm(points, TEACHER(points)).squared_norm)
    np.testing.assert_array_equal(is_minimal(TEACHER, [6, 6 + 3e-7, 6 - 3e-7, 5.99999]), [1, 1, 1, 0])


def test_intervals_are_wilsons():
    """Wilson 1927, in closed form, for counts of any shape."""
    for trials in (1, 7, 1000):
        for level in (0.95, 0.999):
            z = NormalDist().inv_cdf((1 + level) / 2)
            successes = np.array([[0, 1], [trials // 2, trials]])
            share = successes / trials
            middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
            half = z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
            low, high = proportion_interval(successes, trials, level)
            np.testing.assert_allclose([low, high], [middle - half, middle + half], atol=1e-12)


def test_training_runs_do_not_depend_on_how_many_there_are():
    x = uniform_inputs(8, 3, 3)
    y = np.stack([TEACHER(inputs) for inputs in x])
    options = {"width": 5, "steps": 40, "learning_rate": 0.1, "batch_size": 4, "seed": 3}
    every = train(x, y, 1e-3, **options)
    first = train(x[:1], y[:1], 1e-3, **options)
    np.testing.assert_allclose(every.hidden[0], first.hidden[0], rtol=1e-12)
    np.testing.assert_array_equal(uniform_inputs(8, 3, 1), x[:1])
    with pytest.raises(ValueError, match="divisor"):
        train(x, y, 1e-3, **(options | {"batch_size": 3}))


def test_a_step_of_sgd_follows_the_gradient_of_the_objective():
    x = uniform_inputs(6, 4, 1)
    y = np.stack([TEACHER(inputs) for inputs in x])
    options = {"width": 4, "learning_rate": 1e-3, "batch_size": 6, "seed": 4}
    start, end = train(x, y, 0.1, steps=0, **options), train(x, y, 0.1, steps=1, **options)
    hidden = torch.tensor(start.hidden, requires_grad=True)
    output = torch.tensor(start.output, requires_grad=True)
    values = (output[0, :, None] * torch.relu(hidden[0] @ torch.tensor(x[0].T))).sum(0)
    loss = ((values - torch.tensor(y[0])) ** 2).mean() / 2
    loss = loss + 0.05 * ((hidden**2).sum() + (output**2).sum())
    slopes = torch.autograd.grad(loss, (hidden, output))
    assert float(loss.detach()) == pytest.approx(float(objectives(start, x, y, 0.1)[0]), rel=1e-12)
    np.testing.assert_allclose(end.hidden - start.hidden, -1e-3 * slopes[0].numpy(), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(end.output - start.output, -1e-3 * slopes[1].numpy(), rtol=1e-9, atol=1e-15)


def test_unknown_scripts_are_refused():
    with pytest.raises(SystemExit):
        main(["no_such_figure"])


def test_the_readme_does_what_it_shows():
    root = Path(__file__).parent.parent
    for page, least in (("README.md", 10), ("docs/theory/gaussian_integrals.md", 4)):
        failed, attempted = doctest.testfile(str(root / page), module_relative=False)
        assert attempted > least
        assert not failed
