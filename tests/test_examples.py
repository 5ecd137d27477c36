"""Every figure script runs in its quick profile, and the README's code; the numbers behind the figures are what theory says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from examples.__main__ import main, scripts
from proofs.alignment.experiments import angle_to_nearest, separation


@pytest.mark.parametrize("name", scripts())
def test_a_figure_is_drawn_with_its_data_and_caption(name, tmp_path):
    settings = dict(mpl.rcParams)
    importlib.import_module(name).main(["--profile", "quick", "--out", str(tmp_path)])
    (picture,) = tmp_path.glob("*.png")
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


def test_unknown_scripts_are_refused():
    with pytest.raises(SystemExit):
        main(["no_such_figure"])


def test_the_readme_does_what_it_shows():
    root = Path(__file__).parent.parent
    for page, least in (("README.md", 10), ("docs/theory/gaussian_integrals.md", 4)):
        failed, attempted = doctest.testfile(str(root / page), module_relative=False)
        assert attempted > least
        assert not failed
