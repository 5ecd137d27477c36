"""Minimum-norm interpolation: known values, certificates checked apart from the solver, both methods, bad data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alignmath import TwoLayerReLU
from alignmath.networks import planar, regular_polygon
from alignmath.planar import dual_function
from solvers.interpolation import min_norm
from solvers.solution import NotCertified


def on_circle(degrees) -> np.ndarray:
    angle = np.radians(np.asarray(degrees, dtype=float))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def check(solution, x, y, tolerance: float) -> None:
    """The certificate, recomputed from the network and the multipliers alone."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    network = solution.network
    np.testing.assert_allclose(network(x), y, atol=1e-7 * np.abs(y).max())
    np.testing.assert_allclose(np.abs(network.output), np.linalg.norm(network.hidden, axis=1), rtol=1e-12)
    norm = np.sum(network.output**2) + np.sum(network.hidden**2)
    assert norm == pytest.approx(solution.squared_norm, rel=1e-12)
    p = dual_function(x, solution.dual, np.linspace(0, 2 * np.pi, 100_001))
    assert np.abs(p).max() <= 1 + 1e-12
    assert norm <= 2 * (y @ solution.dual) * (1 + 2 * tolerance)


@pytest.mark.parametrize("method", ["exchange", "lifting"])
@pytest.mark.parametrize(("offset", "expected"), [(5, 1.7728), (15, 1.9319), (22.5, 2.0), (30, 2.0)])
def test_two_points_a_sector_do_not_suffice_near_the_axes(method, offset, expected):
    """Teacher relu(x_1) + relu(x_2): values of another implementation, rounded to 4 digits."""
    x = on_circle([q + d for q in (0, 90, 180, 270) for d in (offset, 90 - offset)])
    y = np.maximum(x[:, 0], 0) + np.maximum(x[:, 1], 0)
    found = min_norm(x, y, method=method, tolerance=1e-6)
    assert found.squared_norm / 2 == pytest.approx(expected, abs=1e-4)
    check(found, x, y, 1e-6)


def test_one_neuron_is_undercut_by_two_points_a_sector():
    x = on_circle([80, -80, 170, 190])
    found = min_norm(x, np.maximum(x[:, 0], 0))
    assert found.squared_norm == pytest.approx(4 * math.cos(math.radians(80)), rel=1e-9)  # in closed form


@pytest.mark.parametrize("signs", [(1, 1, 1), (1, 1, -1)])
def test_three_points_a_sector_recover_the_norm_of_the_teacher(signs):
    rng = np.random.default_rng(1)
    teacher = TwoLayerReLU(regular_polygon(3, phase=0.2).hidden, np.array(signs, dtype=float))
    borders = np.sort(np.mod(np.append(teacher.polar_angles + np.pi / 2, teacher.polar_angles - np.pi / 2), 2 * np.pi))
    widths = np.diff(np.append(borders, borders[0] + 2 * np.pi))
    degrees = np.degrees((borders[:, None] + widths[:, None] * rng.uniform(0.05, 0.95, (6, 3))).ravel())
    x = on_circle(degrees) * rng.uniform(0.5, 2, (18, 1))
    found = min_norm(x, teacher(x))
    assert found.squared_norm == pytest.approx(6, rel=1e-8)
    check(found, x, teacher(x), 1e-8)


def test_both_methods_agree_on_random_data():
    rng = np.random.default_rng(2)
    for count in (1, 2, 4, 10, 20):
        x, y = rng.standard_normal((count, 2)), rng.standard_normal(count)
        exact = min_norm(x, y, tolerance=1e-7)
        check(exact, x, y, 1e-7)
        assert min_norm(x, y, method="lifting", tolerance=1e-4).squared_norm == pytest.approx(
            exact.squared_norm, rel=1e-4
        )


def test_lengths_repetitions_and_zeros_do_not_matter():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((8, 2)), rng.standard_normal(8)
    plain = min_norm(x, y, tolerance=1e-7).squared_norm
    stretch = rng.uniform(0.1, 10, 8)
    longer = np.concatenate([x * stretch[:, None], x[:3], np.zeros((1, 2))])
    labels = np.concatenate([y * stretch, y[:3], [0.0]])
    again = min_norm(longer, labels, tolerance=1e-7)
    assert again.squared_norm == pytest.approx(plain, rel=1e-6)
    check(again, longer, labels, 1e-7)
    turned = np.array([[math.cos(1.0), -math.sin(1.0)], [math.sin(1.0), math.cos(1.0)]])
    assert min_norm(x @ turned, 3 * y, tolerance=1e-7).squared_norm == pytest.approx(3 * plain, rel=1e-6)


def test_antipodal_and_collinear_inputs():
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -1.0]])
    found = min_norm(x, [1.0, 2.0, 0.0, 0.0])
    assert found.squared_norm == pytest.approx(6, rel=1e-9)
    line = min_norm([[1.0, 1.0], [-2.0, -2.0]], [1.0, 0.0])
    assert line.squared_norm == pytest.approx(2 / math.sqrt(2), rel=1e-9)


def test_zero_labels_need_no_network():
    found = min_norm([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])
    assert found.squared_norm == 0
    assert found.network([[1.0, 2.0]]) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: min_norm([[1.0, 0.0], [0.0, 0.0]], [1.0, 2.0]), r"y\[1\] is 2.0 at x = 0"),
        (lambda: min_norm([[1.0, 0.0], [3.0, 0.0]], [1.0, 2.0]), "samples 0 and 1 lie on one ray"),
        (lambda: min_norm([[-1.0, 1e-320], [-2.0, -1e-320]], [1.0, 1.0]), "samples 0 and 1 lie on one ray"),
        (lambda: min_norm(np.ones((2, 3)), [1.0, 2.0]), r"expected \(N, 2\)"),
        (lambda: min_norm([[1.0, 0.0]], [1.0, 2.0]), r"expected \(1,\)"),
        (lambda: min_norm([[1.0, np.inf]], [1.0]), "finite"),
        (lambda: min_norm([[1.0, 0.0]], [1.0], method="guess"), "method is 'guess'"),
        (lambda: min_norm([[1.0, 0.0]], [1.0], tolerance=0), "tolerance is 0"),
    ],
)
def test_bad_data_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_answer_without_certificate_is_refused(monkeypatch):
    from solvers import interpolation

    x = planar(np.linspace(0.1, 6.0, 9)).hidden
    y = np.cos(3 * np.linspace(0.1, 6.0, 9))
    fitted = interpolation._fitted
    monkeypatch.setattr(interpolation, "_fitted", lambda *args: (fitted(*args)[0] * 1.001, *fitted(*args)[1:]))
    with pytest.raises(NotCertified, match="residual"):
        min_norm(x, y)
