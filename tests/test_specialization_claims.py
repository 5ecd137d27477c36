"""The claims of the specialization paper about critical points: their formulas matter, and are those of the library."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from alignmath.networks import DeepReLU
from alignmath.specialization import observers, recursive_gradient, top_down
from proofs.engine import ledger
from proofs.engine.claims import CheckFailed, Effort, Verdict
from proofs.specialization import (
    boundaries,
    constructed_points,
    critical_examples,
    critical_formulas,
    exact_networks,
    gradient_rule,
    independence,
    near_critical,
    noisy_recovery,
    planks,
    random_weights,
    regions,
    sample_gradients,
    samples,
    teacher_alignment,
    unaligned_students,
)

MODULES = (
    boundaries,
    constructed_points,
    critical_examples,
    exact_networks,
    gradient_rule,
    independence,
    near_critical,
    noisy_recovery,
    planks,
    random_weights,
    regions,
    sample_gradients,
    teacher_alignment,
    unaligned_students,
)
CLAIMS = {claim.name: claim for module in MODULES if hasattr(module, "CLAIMS") for claim in module.CLAIMS}
CACHED = (gradient_rule._autograd_attack, teacher_alignment.kink_attack, noisy_recovery._program_attack)


def full(name: str) -> str:
    return f"specialization.beyond.{name[7:]}" if name.startswith("beyond.") else f"specialization.{name}"


def checked(name: str) -> Verdict:
    """The verdict of one claim's own check, apart from what it rests on."""
    return ledger.checked(CLAIMS[name], Effort.QUICK)[0].verdict


@cache
def passes(name: str) -> bool:
    return checked(name) is CLAIMS[name].expected


def scaled(factor: Any) -> Callable[..., Callable[..., Any]]:
    return lambda original: lambda *args, **options: original(*args, **options) * factor


def always(answer: Any) -> Callable[..., Callable[..., Any]]:
    return lambda original: lambda *args, **options: answer


def aligned_student(original: Callable[..., Any]) -> Callable[..., Any]:
    """A student that does have the teacher's node."""

    def pair(kink: Any = 0, *, dimension: int = 1) -> Any:
        rest = [0] * (dimension - 1)
        nodes = [(1, *rest, -Fraction(kink)), (1, *rest, 10), ("1/2", *rest, 5)]
        return exact_networks.two_layer(nodes, [1, 0, 0], [0]), original(kink, dimension=dimension)[1]

    return pair


def worst_signs(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda u, h, m: original(u, h, [-v for v in m])


def more_even(original: Callable[..., Any]) -> Callable[..., Any]:
    def solve(*args: Any) -> Any:
        found = original(*args)
        return near_critical.LeastResidual(found.size**2, found.lower**2, found.coefficients)

    return solve


def tenth(original: Callable[..., Any]) -> Callable[..., Any]:
    def solve(*args: Any) -> Any:
        found = original(*args)
        return near_critical.LeastResidual(found.size / 10, found.lower / 10, found.coefficients)

    return solve


FORMULAS = critical_formulas
MUTANTS: list[tuple[str, Any, str, Callable[..., Any], list[str]]] = [
    ("V without gates", FORMULAS, "top_down", lambda f: lambda V, D, W: V @ W.T, ["eq4", "lemma1", "cor1"]),
    (
        "a rule with the gates below",
        FORMULAS,
        "recursive_rule",
        lambda f: lambda D, V, T, p, q: V.T @ T @ q - V.T @ V @ D @ p,
        ["lemma1", "bias.mended"],
    ),
    (
        "a rule that adds the student",
        FORMULAS,
        "recursive_rule",
        lambda f: lambda D, V, T, p, q: D @ (V.T @ T @ q + V.T @ V @ p),
        ["lemma1", "bias.mended"],
    ),
    ("gradients sent back without gates", FORMULAS, "backward", lambda f: lambda D, W, g: W @ g, ["eq1", "lemma1"]),
    ("a direction twice as large", FORMULAS, "batch_direction", scaled(2), ["eq1", "thm1.noisy"]),
    ("one more column", FORMULAS, "printed_shapes", lambda f: lambda a, b: {**f(a, b), "W": (a + 1, b + 1)}, ["bias"]),
    (
        "no constant handed on",
        FORMULAS,
        "augmented_weight",
        lambda f: lambda W, b: f(W, b) * sp.diag(*[1] * W.cols, 0),
        ["bias.mended"],
    ),
    ("pairs counted for singles", FORMULAS, "inclusion_gram", lambda f: lambda n, b: f(n, b)[::-1], ["thm1"]),
    ("the constant 2", FORMULAS, "sum_noise_constant", always(sp.Integer(2)), ["thm1.noisy", "thm1.noisy.mended"]),
    ("means like sums", FORMULAS, "mean_noise_constant", lambda f: lambda b: 2 - 1 / b, ["thm1.noisy.mended"]),
    (
        "extremal entries of one sign",
        FORMULAS,
        "extremal_entries",
        lambda f: lambda b, e: (f(b, e)[0], -f(b, e)[1]),
        ["thm1.noisy", "thm1.noisy.mended"],
    ),
    (
        "relu(-t) = relu(t) + t",
        FORMULAS,
        "reflected",
        lambda f: lambda value, t: value + t,
        ["thm2.mended", "beyond.constructed"],
    ),
    (
        "signed kinks",
        FORMULAS,
        "group_kink",
        lambda f: lambda c, g: sum(a * b for a, b in zip(c, g, strict=True)),
        ["thm2.mended", "thm3.mended", "cor2.mended", "beyond.one_observer"],
    ),
    (
        "a first difference",
        FORMULAS,
        "second_difference",
        lambda f: lambda h, x, s: h(x + s) - h(x),
        ["lemma3.mended", "lemma6.mended"],
    ),
    ("the least on the disc", FORMULAS, "largest_on_disc", lambda f: lambda c, a, r: c - a * r, ["def2.mended"]),
    ("a slanted part", FORMULAS, "orthogonal_part", lambda f: lambda c, s: (c / s, 1 / s), ["lemma4", "lemma5.mended"]),
    (
        "planks without offsets",
        FORMULAS,
        "plank_energy",
        lambda f: lambda Z, p, h, m, s: f(Z, p, h, 0, s),
        ["beyond.planks"],
    ),
    ("signs for the mirrored planks", FORMULAS, "plank_point", worst_signs, ["beyond.planks", "lemma5.mended"]),
    ("K planks", FORMULAS, "sine_bound", lambda f: lambda K, q, r: K * q / r, ["lemma5.mended", "thm5.mended"]),
    (
        "biases without the turn",
        FORMULAS,
        "offset_bound",
        lambda f: lambda q, m, s, sqrt=None: q + 0 * m * s,
        ["lemma5.mended", "lemma6.mended"],
    ),
    (
        "a fair chance for the whole layer",
        FORMULAS,
        "alive_probability",
        lambda f: lambda widths: sp.Rational(1, 2) ** len(widths),
        ["rem.random"],
    ),
    ("a student that is aligned", critical_examples, "opposite_student", aligned_student, ["thm2", "thm4", "thm5"]),
    (
        "kinks that do not cancel",
        critical_examples,
        "shifted_kinks",
        lambda f: lambda: (exact_networks.two_layer(f()[0].nodes, [1, "1/2", "-1/2", "1/2", "1/2"], [0]), f()[1]),
        ["thm3", "cor2", "thm4.mended"],
    ),
    (
        "students that are not silent",
        critical_examples,
        "silent_students",
        lambda f: lambda: (exact_networks.two_layer([(0, 1, 0), (1, 2, -15)], [1, 1]), f()[1]),
        ["thm2", "beyond.one_observer", "beyond.hypotheses"],
    ),
    (
        "four samples",
        critical_examples,
        "few_samples",
        lambda f: lambda: (f()[0], (*f()[1], 0)),
        ["beyond.hypotheses"],
    ),
    (
        "biases of one sign",
        critical_examples,
        "tilted_pair",
        lambda f: lambda t: (f(t)[0], (*f(t)[1][:2], -f(t)[1][2])),
        ["lemma5", "lemma6"],
    ),
    ("all points critical", exact_networks, "is_critical", always(True), ["beyond.hypotheses"]),
    ("no point critical", exact_networks, "is_critical", always(False), ["thm2", "thm3", "cor2", "thm4", "thm5"]),
    ("nothing aligned", exact_networks, "aligned", always([]), ["thm2.mended", "beyond.hypotheses"]),
    ("all aligned", exact_networks, "aligned", always([0]), ["thm2", "thm4", "beyond.hypotheses"]),
    ("boundaries always covered", exact_networks, "point_off_others", always(None), ["lemma3.mended"]),
    ("equal boundaries all alike", exact_networks, "boundary_direction", always(1), ["lemma3", "thm3", "thm5"]),
    ("the library's observers turned round", boundaries, "observers", lambda f: lambda *a: ~f(*a), ["def2.mended"]),
    (
        "the library's B doubled",
        teacher_alignment,
        "mixture",
        lambda f: lambda *a: f(*a)._replace(b=2 * f(*a).b),
        ["thm2.mended", "thm4.mended"],
    ),
    ("the library's V at other inputs", regions, "top_down", lambda f: lambda n, x, k: f(n, x[::-1], k), ["cor1"]),
    ("the library's rule halved", gradient_rule, "recursive_gradient", scaled(0.5), ["eq1", "lemma1"]),
    ("A_1 never 0", random_weights, "mixture", lambda f: lambda *a: f(*a)._replace(a=f(*a).a + 1.0), ["rem.random"]),
    ("residuals of a tenth", near_critical, "least_residual", tenth, ["lemma6.mended"]),
    ("residuals squared", near_critical, "least_residual", more_even, ["thm5.measured"]),
]


@pytest.mark.parametrize(("what", "module", "name", "how", "victims"), MUTANTS, ids=[m[0] for m in MUTANTS])
def test_an_altered_formula_is_caught(what, module, name, how, victims, monkeypatch):
    original = getattr(module, name)
    for victim in victims:
        assert passes(full(victim)), victim
    for holder in (module, *MODULES):  # claim modules may have imported it by name
        if getattr(holder, name, None) is original:
            monkeypatch.setattr(holder, name, how(original))
    for cached in CACHED:
        cached.cache_clear()
    try:
        for victim in victims:
            assert checked(full(victim)) is not CLAIMS[full(victim)].expected, f"{victim} survives {what}"
    finally:
        for cached in CACHED:
            cached.cache_clear()


def test_refuted_statements_appear_again_as_mended():
    refuted = [name for name, claim in CLAIMS.items() if claim.expected is Verdict.REFUTED]
    assert len(refuted) == 12
    for name in refuted:
        assert CLAIMS[f"{name}.mended"].expected is Verdict.PROVED


def random_exact(rng: np.random.Generator, widths: list[int]) -> exact_networks.ExactNetwork:
    whole = lambda *shape: exact_networks.exact(rng.integers(-4, 5, shape)) / 3  # noqa: E731
    pairs = list(itertools.pairwise(widths))
    return exact_networks.ExactNetwork(tuple(whole(n, m) for m, n in pairs), tuple(whole(n) for _, n in pairs))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_exact_networks_are_those_of_the_library(seed):
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(2, 5))
    hidden = [[int(n) for n in rng.integers(1, 5, depth - 1)] for _ in range(2)]
    student, teacher = (random_exact(rng, [2, *part, 2]) for part in hidden)
    ours, target = exact_networks.as_floats(student), exact_networks.as_floats(teacher)
    for x in ([0, 0], [1, -2], [Fraction(1, 3), Fraction(5, 7)]):
        point = np.array([x], dtype=float)
        np.testing.assert_allclose(student(x).astype(float), ours(point)[0], atol=1e-9)
        directions = exact_networks.sample_directions(student, teacher, x)
        below = [np.array(x, dtype=float), *(part[0] for part in ours.activations(point))]
        for layer in range(1, depth):
            V = student.top_down(x, layer).astype(float)
            np.testing.assert_allclose(V, top_down(ours, point, layer).matrix[0], atol=1e-9)
            g = recursive_gradient(ours, target, point, layer)[0]
            expected = np.outer(np.append(below[layer - 1], 1.0), g)
            np.testing.assert_allclose(directions[layer - 1].astype(float), expected, atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_networks_are_affine_between_neighbouring_cells(seed):
    rng = np.random.default_rng(seed)
    network = random_exact(rng, [1, 4, 3, 1])
    points = exact_networks.cells([network], -3, 3)
    assert points[0] == -3
    assert points[-1] == 3
    for p, q in itertools.pairwise(points):
        left, middle, right = (network([x])[0] for x in (p, (p + q) / 2, q))
        assert left + right == 2 * middle


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_the_kink_form_is_the_network(seed):
    rng = np.random.default_rng(seed)
    network = random_exact(rng, [2, 6, 2])
    kinks, rest = exact_networks.kink_form(network)
    for x in rng.integers(-9, 10, (5, 2)):
        x = [Fraction(int(v), 4) for v in x]
        relu = {node: max(exact_networks.node_value(node, x), Fraction(0)) for node in kinks}
        value = [sum(kinks[node][c] * relu[node] for node in kinks) for c in range(2)]
        affine = rest @ exact_networks.exact([*x, 1])
        assert list(network(x)) == [a + b for a, b in zip(value, affine, strict=True)]


def test_one_changed_weight_is_no_critical_point():
    student, teacher = critical_examples.opposite_student()
    assert exact_networks.is_critical(student, teacher, -1, 1)
    assert not exact_networks.is_critical(student, teacher, -11, 1)  # nodes 2 and 3 switch at -10 and -20
    for layer, row in ((0, 0), (0, 1), (1, 0)):
        weights = [part.copy() for part in student.weights]
        weights[layer][row, 0] += Fraction(1, 10**9)
        changed = exact_networks.ExactNetwork(tuple(weights), student.biases)
        assert not exact_networks.is_critical(changed, teacher, -1, 1)


def test_a_covered_boundary_has_no_point_of_its_own():
    nodes = [(Fraction(1), Fraction(0)), (Fraction(-2), Fraction(0))]
    assert exact_networks.point_off_others(nodes, 0, [0], 1) is None
    crossing = [tuple(Fraction(v) for v in node) for node in ((1, 0, 0), (1, 1, 0), (1, -1, 0), (0, 1, 0))]
    x = exact_networks.point_off_others(crossing, 0, [0, 0], Fraction(1, 100))
    assert x is not None
    assert [exact_networks.node_value(node, x) != 0 for node in crossing] == [False, True, True, True]


def node(weights: Any, bias: float) -> DeepReLU:
    return DeepReLU((np.array([weights]), np.ones((1, 1))), (np.array([bias]), np.zeros(1)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 3]))
def test_observers_agree_with_the_largest_value_found_by_trying(seed, dimension):
    rng = np.random.default_rng(seed)
    w, v = rng.standard_normal((2, dimension))
    b, c, radius = *rng.standard_normal(2), float(rng.uniform(0.2, 3))
    unit, shift = v / np.linalg.norm(v), c / np.linalg.norm(v)
    basis = np.linalg.svd(unit[None])[2][1:]
    turns = np.linspace(0, 2 * np.pi, 2_001) if dimension == 3 else np.array([0, np.pi])
    rim = np.stack([np.cos(turns), np.sin(turns)], axis=1)[:, : dimension - 1]
    lengths = np.linspace(0, 1, 41)[:, None, None]
    seen = False
    if abs(shift) < radius:
        x = lengths * rim * np.sqrt(radius**2 - shift**2) @ basis - shift * unit
        largest = np.max(x @ w + b)
        if abs(largest) < 1e-4:
            return
        seen = largest > 0
    assert bool(observers(node(w, b), node(v, c), radius)[0, 0]) is bool(seen)


def test_on_the_line_observers_are_those_that_see_exactly():
    rng = np.random.default_rng(5)
    for _ in range(200):
        first, second = (tuple(Fraction(int(v), 2) for v in rng.integers(-5, 6, 2)) for _ in range(2))
        if not second[0] or abs(second[1] / second[0]) == 2:
            continue
        found = observers(node([float(first[0])], float(first[1])), node([float(second[0])], float(second[1])), 2.0)
        assert bool(found[0, 0]) is exact_networks.sees(first, second, -2, 2)


def test_least_residuals_are_the_gradients_of_a_network():
    """A student active everywhere with fan-out 1 and alpha = 1 has the residual for its gradient."""
    teacher = np.array([[0.8, 0.6, 0.1]])
    free = near_critical.around(teacher[0], np.array([0.05, -0.02]), np.array([0.0, 0.03]))
    found = near_critical.least_residual(teacher, np.ones(1), free)
    c, slope, constant = found.coefficients[:2], found.coefficients[2:4], found.coefficients[4]
    wide = np.array([[1.0, 0, 9], [0, 1, 9], [0, 0, 1], [1, 1, 9]])  # active on the square; the last has the fan-out 1
    out = np.array([-slope[0] - 1, -slope[1] - 1, 0, 1.0])
    out[2] = -constant - out @ [9, 9, 0, 9]
    nodes = np.vstack([free, wide])
    student = DeepReLU((nodes[:, :2], np.concatenate([-c, out])[None]), (nodes[:, 2], np.zeros(1)))
    target = DeepReLU((teacher[:, :2], np.ones((1, 1))), (teacher[:, 2], np.zeros(1)))
    corners = near_critical.cell_vertices(np.vstack([teacher, free]))
    inside = np.random.default_rng(0).uniform(-1, 1, (5_000, 2))
    g = recursive_gradient(student, target, np.concatenate([corners, inside]), 1)[:, -1]
    assert np.abs(g).max() == pytest.approx(found.size, rel=1e-9)
    assert found.lower == pytest.approx(found.size, rel=1e-9)


def test_programs_that_fail_are_refused(monkeypatch):
    import scipy.optimize

    solve = scipy.optimize.linprog

    def stopped(*args, **options):
        found = solve(*args, **options)
        found.status = 1
        return found

    monkeypatch.setattr(scipy.optimize, "linprog", stopped)
    with pytest.raises(CheckFailed, match="ended with status 1"):
        near_critical.least_residual(np.array([[1.0, 0, 0]]), np.ones(1), np.array([[0.6, 0.8, 0]]))


def test_random_nodes_have_distinct_boundaries():
    nodes = samples.random_nodes(np.random.default_rng(1), 8, 2)
    pairs = [(p, q) for k, p in enumerate(nodes) for q in nodes[:k]]
    assert not any(exact_networks.boundary_direction(p, q) for p, q in pairs)
    assert exact_networks.boundary_direction(nodes[0], tuple(-3 * v for v in nodes[0])) == -1
