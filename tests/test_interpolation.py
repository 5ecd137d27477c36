"""Minimum-norm interpolation: certificates, the two methods against each other, and values known in closed form."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from alignmath.networks import TwoLayer, gaussian_weights, planar, regular_polygon
from alignmath.plane.dual import dual_function
from alignmath.plane.folding import fold
from alignmath.plane.kinks import evaluate
from alignmath.plane.rational import exact_lower_bound
from alignmath.plane.sectors import teacher_sectors
from alignmath.specialization import is_condensed
from solvers.interpolation import minimum_norm as interpolation
from solvers.interpolation.lifting import lifted
from solvers.interpolation.minimum_norm import min_norm
from solvers.interpolation.one_variable import min_norm_1d
from solvers.interpolation.solution import NotCertified, SolutionStatus

EPS = float(np.finfo(float).eps)


def on_circle(degrees):
    return planar(np.radians(degrees)).hidden


def check(solution, x, y, tolerance=1e-8):
    """Everything the solution claims, from the network and the multipliers alone."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    network = solution.network
    norm = np.sum(network.output**2) + np.sum(network.hidden**2)
    assert np.all(np.abs(network(x) - y) <= 100 * EPS * norm / 2 * np.linalg.norm(x, axis=1))
    np.testing.assert_allclose(np.abs(network.output), np.linalg.norm(network.hidden, axis=1), rtol=1e-12)
    assert norm == pytest.approx(solution.squared_norm, rel=1e-12)
    slack = 1e-12 + 4 * EPS * float(np.abs(solution.dual) @ np.linalg.norm(x, axis=1))  # rounding of the sampled p
    p = dual_function(x, solution.dual, np.linspace(0, 2 * np.pi, 4001))
    assert np.abs(p).max() <= 1 + slack
    bound = 2 * float(np.sum(y * solution.dual.astype(np.longdouble)))
    assert norm <= bound * (1 + tolerance) + 1e-12
    assert solution.gap <= tolerance


SHAPES = ("plain", "clustered", "duplicated", "antipodal", "collinear", "half", "narrow")
KINDS = ("teacher", "noisy", "random", "linear")


def problem(seed):
    """A feasible problem of N = 3 to 100 samples: every shape with every kind of labels in turn."""
    rng = np.random.default_rng([seed, 4])
    shape, kind = list(itertools.product(SHAPES, KINDS))[seed % 28]
    count = int(rng.integers(3, 101))
    angles = rng.uniform(0, 2 * np.pi, count)
    if shape == "clustered":
        angles = angles[rng.integers(0, max(1, count // 5), count)] + 1e-6 * rng.standard_normal(count)
    angles = {"half": angles / 2, "narrow": 0.3 + 1e-2 * angles}.get(shape, angles)
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if seed % 2:
        x *= 10 ** rng.uniform(-2, 2, (count, 1))
    half = count // 2
    if shape == "duplicated":
        x[half:] = x[: count - half] * rng.choice([1.0, 2.0])
    if shape == "antipodal":
        x[half:] = -x[: count - half] * rng.choice([1.0, 1.5])
    if shape == "collinear":
        sides = rng.choice([1.0, -1.0], (count, 1)) * rng.uniform(0.1, 3, (count, 1))
        x = x[rng.integers(0, min(4, count), count)] * sides
    teacher = TwoLayer(rng.standard_normal((m := int(rng.integers(1, 7)), 2)), rng.choice([1.0, -1.0], m))
    folded = fold(
        x
    )  # noise is a function of the ray, and even where there are opposite samples, so that it is feasible
    place = folded.group if shape in ("antipodal", "collinear") else 2 * folded.group + (folded.side > 0)
    noise = rng.standard_normal(2 * count + 9)[place] * np.linalg.norm(x, axis=1)
    y = {
        "teacher": teacher(x),
        "noisy": teacher(x) + 0.1 * noise,
        "random": noise,
        "linear": x @ [1.0, -2.0] + 1e-3 * noise,
    }[kind]
    return x, y


@pytest.mark.parametrize("seeds", [range(112), pytest.param(range(112, 504), marks=pytest.mark.slow)], ids=["", "rest"])
def test_five_hundred_problems_are_certified(seeds):
    """Gaps of 1e-8 whatever the norm, and residuals of rounding; refused where that is above 1e-8 of the labels."""
    refused = 0
    for seed in seeds:
        x, y = problem(seed)
        try:
            check(min_norm(x, y), x, y)
        except NotCertified:
            found = min_norm(x, y, tolerance=1e-5)
            check(found, x, y, 1e-5)
            assert EPS * found.squared_norm / 2 > 1e-8 * np.max(np.abs(y) / np.linalg.norm(x, axis=1))
            refused += 1
    assert refused <= len(seeds) / 50


@pytest.mark.parametrize(
    "seeds", [range(0, 504, 15), pytest.param(range(504), marks=pytest.mark.slow)], ids=["", "all"]
)
def test_the_lifting_agrees_wherever_it_certifies_its_own_answer(seeds, capsys):
    agreed = refused = 0
    for seed in seeds:
        x, y = problem(seed)
        try:
            reference = min_norm(x, y, method="lifting", tolerance=1e-5)
        except NotCertified:
            refused += 1
            continue
        assert reference.squared_norm == pytest.approx(min_norm(x, y, tolerance=1e-6).squared_norm, rel=1e-5, abs=1e-12)
        agreed += 1
    with capsys.disabled():
        print(f"\nlifting: {agreed} answers agree to 1e-5, {refused} of {len(seeds)} refused by their own certificate")
    assert agreed > len(seeds) / 2


@pytest.mark.parametrize(("offset", "expected"), [(5, 1.7728), (15, 1.9319), (22.5, 2.0), (30, 2.0)])
def test_two_points_a_sector_do_not_suffice_near_the_axes(offset, expected):
    """Teacher relu(x_1) + relu(x_2): values of another implementation, rounded, and the lifting's own."""
    x = on_circle([q + d for q in (0, 90, 180, 270) for d in (offset, 90 - offset)])
    y = np.maximum(x[:, 0], 0) + np.maximum(x[:, 1], 0)
    found = min_norm(x, y).squared_norm / 2
    assert found == pytest.approx(expected, abs=1e-4)
    assert lifted(x, y).value == pytest.approx(found, rel=1e-6)


def test_one_neuron_is_undercut_by_two_points_a_sector():
    x = on_circle([80, -80, 170, 190])
    found = min_norm(x, np.maximum(x[:, 0], 0))
    assert found.squared_norm == pytest.approx(4 * math.cos(math.radians(80)), rel=1e-8)  # in closed form
    assert not is_condensed(found.network, TwoLayer([[1.0, 0.0]]))


def three_a_sector(rng, teacher, inner=0.05):
    borders = teacher_sectors(teacher)
    share = rng.uniform(inner, 1 - inner, (3, len(borders.start)))
    angles = (borders.start + share * (borders.end - borders.start)).ravel()
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(0.5, 2, (len(angles), 1))


def random_teacher(rng, neurons, apart=0.1):
    while True:
        angles = rng.uniform(0, 2 * np.pi, neurons)
        lines = np.sort(np.mod(angles, np.pi))
        if np.all(np.diff(lines, append=lines[0] + np.pi) > apart):
            sizes = rng.uniform(0.3, 3, neurons)
            return TwoLayer(planar(angles, sizes).hidden, rng.choice([1.0, -1.0], neurons))


@pytest.mark.parametrize("cases", [pytest.param(60, id="quick"), pytest.param(2000, id="full", marks=pytest.mark.slow)])
def test_three_points_a_sector_recover_the_teacher(cases):
    """Theorem 5.2 for all signs: the norm is the teacher's to 1e-8 and the network condensed, in every case."""
    rng = np.random.default_rng(52)
    for case in range(cases):
        teacher = random_teacher(rng, 1 + case % 6)
        x = three_a_sector(rng, teacher)
        found = min_norm(x, teacher(x))
        masses = np.abs(teacher.output) * teacher.lengths
        assert found.squared_norm == pytest.approx(2 * masses.sum(), rel=1e-8)
        condensed = is_condensed(found.network, teacher, 1e-6)
        assert condensed
        np.testing.assert_allclose(condensed.masses, masses, rtol=1e-6)


@pytest.mark.parametrize(
    "labels",
    ["teacher", "noisy", "random", "perturbed", "one sign", "nearly linear", "linear", "linear and a kink", "float32"],
)
@pytest.mark.parametrize("count", [1000, 10_000])
def test_many_samples_are_certified(labels, count):
    rng = np.random.default_rng(count)
    angles = rng.uniform(0, 2 * np.pi, count)
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    y = regular_polygon(3, phase=0.3)(x)
    noise = rng.standard_normal(count)
    moved = np.eye(1, count, 7)[0]
    y = {
        "teacher": y,
        "noisy": y + 1e-2 * noise,
        "random": noise,
        "perturbed": y + 1e-6 * moved,
        "one sign": np.abs(noise),
        "nearly linear": x @ [1.0, 2.0] + 1e-6 * noise,
        "linear": x @ [1.0, 2.0],
        "linear and a kink": x @ [1.0, 2.0] + 1e-3 * np.maximum(x[:, 0], 0),
        "float32": y.astype(np.float32).astype(float),
    }[labels]
    found = min_norm(x, y)
    assert found.gap <= 1e-8
    assert np.abs(evaluate(found.network, x) - y).max() <= 100 * EPS * found.squared_norm / 2
    if labels == "teacher":
        assert found.network.width == 3
        assert found.squared_norm == pytest.approx(6, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["teacher", "random"])
def test_a_hundred_thousand_samples_are_certified(labels):
    rng = np.random.default_rng(5)
    angles = rng.uniform(0, 2 * np.pi, 100_000)
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    y = regular_polygon(3)(x) if labels == "teacher" else rng.standard_normal(100_000)
    assert min_norm(x, y, tolerance=1e-7).gap <= 1e-7


def test_lengths_repetitions_rotations_and_zeros_do_not_matter():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((8, 2)), rng.standard_normal(8)
    plain = min_norm(x, y).squared_norm
    stretch = rng.uniform(0.1, 10, 8)
    longer = np.concatenate([x * stretch[:, None], x[:3], np.zeros((1, 2))])
    labels = np.concatenate([y * stretch, y[:3], [0.0]])
    again = min_norm(longer, labels)
    assert again.squared_norm == pytest.approx(plain, rel=1e-8)
    check(again, longer, labels)
    turned = np.array([[math.cos(1.0), -math.sin(1.0)], [math.sin(1.0), math.cos(1.0)]])
    assert min_norm(x @ turned, 3 * y).squared_norm == pytest.approx(3 * plain, rel=1e-8)
    assert min_norm(x, y, tolerance=1e-11).gap <= 1e-11


def test_few_samples_in_closed_form():
    assert min_norm([[3.0, 4.0]], [10.0]).squared_norm == pytest.approx(4)  # 2 |y| / |x|
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -1.0]])
    assert min_norm(x, [1.0, 2.0, 0.0, 0.0]).squared_norm == pytest.approx(6)
    assert min_norm([[1.0, 1.0], [-2.0, -2.0]], [1.0, 0.0]).squared_norm == pytest.approx(2 / math.sqrt(2))
    # a linear function on the whole circle: relu(g.x) - relu(-g.x)
    circle = on_circle(np.arange(0, 360, 7))
    assert min_norm(circle, circle @ [3.0, 4.0]).squared_norm == pytest.approx(20)


def test_an_answer_says_how_it_is_certified_and_compares_without_error():
    x, y = on_circle([0, 40, 130]), np.array([1.0, 2.0, -1.0])
    found, again = min_norm(x, y), min_norm(x, y)
    assert found.status is SolutionStatus.CERTIFIED
    assert "rigorous=True" in found.advice
    assert found.seconds > 0
    assert found != again  # not a comparison of arrays, which would raise
    assert min_norm_1d([0.0, 1.0], [1.0, 2.0]) != min_norm_1d([0.0, 1.0], [1.0, 2.0])


def test_zero_labels_need_no_network():
    found = min_norm([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])
    assert found.squared_norm == 0
    assert found.network([[1.0, 2.0]]) == 0


def test_bounds_in_rational_arithmetic_reach_the_norm():
    """Twenty problems: the exact bound is below the norm, and within 1e-7 of it."""
    for seed in range(20):
        x, y = problem(28 * seed + seed)
        found = min_norm(x, y, rigorous=True)
        assert found.status is SolutionStatus.BOUND_EXACT
        assert found.squared_norm * (1 - 1e-7) <= found.lower_bound
        assert found.lower_bound <= found.squared_norm * (1 + 1e-7)
        if found.squared_norm:
            assert exact_lower_bound(x, y, 2 * found.dual) == pytest.approx(found.lower_bound, rel=1e-12)


def test_the_lifting_certifies_space():
    rng = np.random.default_rng(8)
    x = rng.standard_normal((14, 3))
    found = min_norm(x, rng.standard_normal(14), method="lifting", tolerance=1e-5)
    assert found.gap <= 1e-5
    teacher = gaussian_weights(1, 3, rng)
    again = min_norm(x, teacher(x), method="lifting", tolerance=1e-5)
    assert again.squared_norm <= 2 * float(teacher.lengths[0]) * (1 + 1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_one_variable_with_a_bias(seed):
    rng = np.random.default_rng(seed)
    t, y = rng.uniform(-3, 3, 12), rng.standard_normal(12)
    found = min_norm_1d(t, y)
    np.testing.assert_allclose(found(t), y, atol=1e-10 * found.solution.squared_norm)
    grid = np.linspace(-5, 5, 1001)
    network = found.solution.network
    direct = np.maximum(np.outer(grid, network.hidden[:, 0]) + network.hidden[:, 1], 0) @ network.output
    np.testing.assert_allclose(found(grid), direct, atol=1e-10)
    # knots, slopes and intercept describe the same function
    places = np.append(found.knots[np.abs(found.knots) < 100], 0.0)
    edges = np.searchsorted(found.knots, grid)
    slopes = (found(grid + 1e-6) - found(grid - 1e-6)) / 2e-6
    apart = np.min(np.abs(grid[:, None] - places), axis=1) > 1e-5
    np.testing.assert_allclose(slopes[apart], found.slopes[edges][apart], atol=1e-4 * (1 + np.abs(found.slopes).max()))
    assert found(0.0) == pytest.approx(found.intercept, abs=1e-9)


def test_a_line_through_two_values_in_one_variable():
    found = min_norm_1d([0.0], [2.0])
    assert found.solution.squared_norm == pytest.approx(4)  # the constant 2, one neuron of weight (0, 1)
    assert found.slopes == pytest.approx([0.0], abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: min_norm([[1.0, 0.0], [0.0, 0.0]], [1.0, 2.0]), r"y\[1\] is 2.0 at x = 0"),
        (lambda: min_norm([[1.0, 0.0], [3.0, 0.0]], [1.0, 2.0]), "samples 0 and 1 lie on one ray"),
        (lambda: min_norm([[-1.0, 1e-320], [-2.0, -1e-320]], [1.0, 1.0]), "samples 0 and 1 lie on one ray"),
        (lambda: min_norm([[1.0, 0, 0], [3.0, 0, 0]], [1.0, 2.0], method="lifting"), "samples 0 and 1 lie on one ray"),
        (
            lambda: min_norm(np.vstack([on_circle([0, 40, 80]), -on_circle([0, 40, 80])]), [1.0, 0, 1, 0, 0, 0]),
            "linear",
        ),
        (lambda: min_norm(np.ones((2, 3)), [1.0, 1.0]), 'pass method="lifting"'),
        (lambda: min_norm(np.ones(3), [1.0, 1.0]), "at least 2 dimension"),
        (lambda: min_norm([[1.0, 0.0]], [1.0, 2.0]), r"expected \(1,\)"),
        (lambda: min_norm([[1.0, np.inf]], [1.0]), "finite"),
        (lambda: min_norm([[1.0, 0.0]], [1.0], method="guess"), "method is 'guess'"),
        (lambda: min_norm([[1.0, 0.0]], [1.0], tolerance=0), "tolerance is 0"),
        (lambda: min_norm([[1e200, 0.0]], [1.0]), "rescale x"),
        (lambda: min_norm([[1.0, 0.0]], [1e-200]), "rescale y"),
        (lambda: min_norm_1d([[1.0]], [1.0]), r"expected \(N,\)"),
        (lambda: min_norm_1d([1.0, 1.0], [1.0, 2.0]), r"t\[0\] and t\[1\] are both 1.0"),
    ],
)
def test_bad_data_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_answer_without_certificate_is_refused(monkeypatch):
    x = planar(np.linspace(0.1, 6.0, 9)).hidden
    y = np.cos(3 * np.linspace(0.1, 6.0, 9))
    solve = interpolation.solve_nodes

    def wrong(change):
        def solved(*args, **options):
            return change(solve(*args, **options))

        monkeypatch.setattr(interpolation, "solve_nodes", solved)
        for name in ("polished", "refined"):
            monkeypatch.setattr(interpolation, name, lambda neurons, *rest: neurons)
        with pytest.raises(NotCertified):
            min_norm(x, y)

    from dataclasses import replace

    wrong(lambda s: replace(s, neurons=replace(s.neurons, mass=1.001 * s.neurons.mass)))
    wrong(lambda s: replace(s, multipliers=s.multipliers * (1 + 1e-3 * np.arange(9))))
    wrong(lambda s: replace(s, neurons=replace(s.neurons, direction=s.neurons.direction[::-1])))  # the right norm


def test_short_samples_and_samples_of_very_different_lengths_are_not_taken_lightly():
    """A sample's residual is measured by its own length (`certified`): these networks do not interpolate."""
    options = {"tolerance": 1e-8, "started": 0.0, "rigorous": False, "method": "test"}
    root = 1e15**0.5
    short = 1e-15 * np.array([[1.0, 0.0], [-1.0, 0.0]])
    wrong = TwoLayer(root * np.eye(2), [root, root])
    with pytest.raises(NotCertified):
        interpolation.certified(short, np.ones(2), wrong, np.array([1e15, 1e15]), {}, **options)
    mixed = np.array([[1.0, 0.0], [-1e-15, 0.0]])
    with pytest.raises(NotCertified):
        interpolation.certified(
            mixed, np.array([1.0, 1e-15]), TwoLayer(np.eye(2)), np.array([1.0, 1e15]), {}, **options
        )
    for scale in (1e-140, 1e140):
        x, y = planar([0.1, 2.0, 3.0, 5.0]).hidden, np.array([1.0, -2.0, 0.5, 1.0])
        plain = min_norm(x, y).squared_norm
        assert min_norm(x, scale * y, rigorous=True).squared_norm == pytest.approx(scale * plain, rel=1e-8)
        assert min_norm(scale * x, y).squared_norm == pytest.approx(plain / scale, rel=1e-8)
