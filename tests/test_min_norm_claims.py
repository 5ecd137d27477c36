"""The claims of the min_norm paper: their formulas matter, and are those of the library."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sympy as sp

from alignmath import plane
from alignmath.networks import TwoLayer
from alignmath.plane.rational import exact_dual_square
from proofs.engine import ledger
from proofs.engine.claims import CheckFailed, Effort, Verdict
from proofs.engine.statistics import proportion_interval
from proofs.min_norm import (
    MODULES,
    dimension,
    experiments,
    formulas,
    main_theorem,
    perimeter,
    random_teachers,
    samples,
    two_points,
)
from proofs.min_norm.beyond import few_samples, one_neuron
from proofs.min_norm.beyond import recovery_odds as recovery
from solvers.interpolation.recovery import Recovery, RecoveryStatus

CLAIMS = {c.name: c for c in ledger.CLAIMS}
HOLDERS = [importlib.import_module(f"proofs.min_norm.{name}") for name in MODULES]


def checked(name: str) -> Verdict:
    """The verdict of one claim's own check, apart from what it rests on."""
    return ledger.checked(CLAIMS[name], Effort.QUICK)[0].verdict


@cache
def passes(name: str) -> bool:
    return checked(name) is CLAIMS[name].expected


def turned_teacher() -> list[Any]:
    """Three neurons on distinct lines, for which the printed statements are true."""
    return [(1, (1, 0)), (-1, (0, 1)), (1, (sp.Rational(-4, 5), sp.Rational(3, 5)))]


def scaled(factor: float) -> Callable[..., Callable[..., Any]]:
    return lambda original: lambda *args, **options: factor * original(*args, **options)


def cheaper(original: Callable[..., Any]) -> Callable[..., Any]:
    def solve(x: Any, y: Any, **options: Any) -> Any:
        found = original(x, y, **options)
        return SimpleNamespace(squared_norm=0.999 * found.squared_norm, network=found.network)

    return solve


def other_network(original: Callable[..., Any]) -> Callable[..., Any]:
    def solve(x: Any, y: Any, **options: Any) -> Any:
        found = original(x, y, **options)
        hidden = found.network.hidden @ np.array([[1.0, 0.05], [-0.05, 1.0]])
        return SimpleNamespace(squared_norm=found.squared_norm, network=TwoLayer(hidden, found.network.output))

    return solve


MUTANTS: list[tuple[str, Any, str, Callable[..., Any], list[str]]] = [
    ("half a jump", formulas, "jump", lambda f: lambda c, u, s: s * c * u / 2, ["rem4.3.1", "rem4.3.3"]),
    ("a jump that forgets its side", formulas, "jump", lambda f: lambda c, u, s: c * u, ["rem4.3.3"]),
    ("a jump of squared mass", formulas, "jump", lambda f: lambda c, u, s: s * c**2 * u, ["rem4.3.2", "rem4.3.3"]),
    (
        "kappa halved",
        formulas,
        "kappa",
        scaled(sp.Rational(1, 2)),
        ["teacher_kappa", "teacher_kappa.mended", "rem4.3.3"],
    ),
    ("the library's kappa halved", plane, "kappa", scaled(0.5), ["rem4.3.1", "rem4.3.3"]),
    ("cost halved", formulas, "cost", scaled(sp.Rational(1, 2)), ["prop4.2", "thm5.2", "rem4.4.2", "eq9"]),
    (
        "cost without lengths",
        samples,
        "cost_of",
        lambda f: lambda network: abs(network.output.sum()),
        ["prop4.2.mended", "eq9.mended"],
    ),
    (
        "no two functions equal",
        formulas,
        "same_function",
        lambda f: lambda *args: False,
        ["prop4.2", "rem4.4.2", "eq9"],
    ),
    ("all functions equal", formulas, "same_function", lambda f: lambda *args: True, ["rem4.4.2"]),
    (
        "a teacher on distinct lines",
        formulas,
        "opposite_teacher",
        lambda f: turned_teacher,
        ["prop4.2", "teacher_kappa", "eq9"],
    ),
    (
        "a rational teacher on distinct lines",
        formulas,
        "rational_teacher",
        lambda f: turned_teacher,
        ["thm5.2", "rem5.3"],
    ),
    ("the student regrouped wrongly", formulas, "regrouped", lambda f: lambda: f()[:-1], ["prop4.2", "eq9"]),
    (
        "the smeared student short of a neuron",
        main_theorem,
        "_smeared_student",
        lambda f: lambda: f()[1:],
        ["thm5.2", "rem5.3"],
    ),
    (
        "the function gap forgotten",
        samples,
        "function_gap",
        lambda f: lambda *args: 1.0,
        ["prop4.2.mended", "rem4.4.2"],
    ),
    (
        "the joining sinusoid with a sign turned",
        formulas,
        "joining_sinusoid",
        lambda f: lambda e, g, *rest: f(e, -g, *rest),
        ["thm5.2.certificate", "thm5.2.two"],
    ),
    (
        "the joining sinusoid with its ends exchanged",
        formulas,
        "joining_sinusoid",
        lambda f: lambda e, g, D, p, q, t: f(e, g, D, q, p, D - t),
        ["thm5.2.certificate"],
    ),
    (
        "multipliers doubled",
        formulas,
        "multipliers",
        lambda f: lambda *a, **o: tuple(2 * v for v in f(*a, **o)),
        ["thm5.2.certificate", "beyond.recovery"],
    ),
    (
        "multipliers exchanged",
        formulas,
        "multipliers",
        lambda f: lambda *a, **o: f(*a, **o)[::-1],
        ["thm5.2.certificate", "beyond.recovery"],
    ),
    (
        "the library's certificate turned",
        plane,
        "dual_certificate",
        scaled(-1),
        ["thm5.2.measured"],
    ),
    (
        "the dual function of |x|",
        plane,
        "dual_function",
        lambda f: lambda x, m, t: f(x, m, t) + f(x, m, t + np.pi),
        ["thm5.2.mended", "beyond.sharp", "beyond.recovery"],
    ),
    (
        "balls that see no excess only if there is none",
        random_teachers,
        "excess_in_balls",
        lambda f: lambda i: (1e-9, 1),
        ["thm5.2.measured"],
    ),
    (
        "masses of the diagonal family",
        two_points,
        "diagonal_masses",
        lambda f: lambda *a: (f(*a)[0], f(*a)[1] / 2),
        ["thm5.2.two"],
    ),
    ("a solver that understates", two_points, "min_norm", cheaper, ["thm5.2.two"]),
    ("a solver that understates, on teachers", main_theorem, "min_norm", cheaper, ["thm5.2.mended"]),
    (
        "a solver that finds another network",
        main_theorem,
        "min_norm",
        other_network,
        ["rem5.3.mended"],
    ),
    (
        "a bound on two points a sector",
        formulas,
        "union_bound",
        lambda f: lambda n, p, least=3: f(n, p, 2),
        ["eq12"],
    ),
    (
        "a probability of two points a sector",
        formulas,
        "exact_probability",
        lambda f: lambda n, p, least=3: f(n, p, 2),
        ["exp.N20"],
    ),
    ("a bound of a half", formulas, "union_bound", lambda f: lambda *a: Fraction(1, 2), ["exp.N40", "exp.N20"]),
    ("a zigzag short of a kink", perimeter, "_zigzag", lambda f: lambda: f()[:-1], ["thm5.2.proof"]),
    (
        "gradients that do not vary",
        samples,
        "gradient_variation",
        lambda f: lambda network: 0.0,
        ["thm5.2.proof.mended", "rem4.3.1", "teacher_kappa.mended"],
    ),
    (
        "students of the teacher's cost",
        samples,
        "least_squares_student",
        lambda f: lambda rng, instance, n: instance.teacher,
        ["beyond.sharp"],
    ),
    ("a lifting that always finds 1", dimension, "lifted", lambda f: lambda *a: SimpleNamespace(value=1.0), ["conj.d"]),
    ("a merged neuron twice as long", formulas, "merged", scaled(2), ["eq5"]),
    (
        "multipliers in front exchanged",
        one_neuron,
        "front_multipliers",
        lambda f: lambda *a, **o: f(*a, **o)[::-1],
        ["beyond.one_neuron"],
    ),
    ("a rule that always says yes", one_neuron, "decided", lambda f: lambda angles: True, ["beyond.one_neuron"]),
    (
        "a rule with half the angle",
        one_neuron,
        "decided",
        lambda f: lambda angles: f(angles / 2) if len(angles) == 2 else f(angles),
        ["beyond.one_neuron"],
    ),
    (
        "bounds of one sample more",
        one_neuron,
        "bounds",
        lambda f: lambda n: f(n + 1),
        ["beyond.one_neuron"],
    ),
    (
        "bounds that are too high",
        one_neuron,
        "bounds",
        lambda f: lambda n: (1, 1),
        ["beyond.one_neuron"],
    ),
    (
        "a chain short of a sample",
        few_samples,
        "chain",
        lambda f: lambda w: tuple(v[1:] for v in f(w)),
        ["beyond.fewest"],
    ),
    (
        "instances with multipliers a little too large",
        few_samples,
        "_smallest",
        lambda f: lambda: {k: (t, x, [w * sp.Rational(1001, 1000) for w in v]) for k, (t, x, v) in f().items()},
        ["beyond.fewest"],
    ),
    (
        "instances with a neuron turned",
        few_samples,
        "_smallest",
        lambda f: lambda: {k: ([(-t[0][0], t[0][1]), *t[1:]], x, v) for k, (t, x, v) in f().items()},
        ["beyond.fewest"],
    ),
    (
        "a student of twice the cost in one pair of sectors",
        formulas,
        "cost",
        scaled(2),
        ["beyond.pairs"],
    ),
    ("a student that does not interpolate", formulas, "network_value", lambda f: lambda n, x: len(n), ["beyond.pairs"]),
    *(
        (
            f"a test that always says {answer.name}",
            module,
            "is_recoverable",
            lambda f, answer=answer: lambda *a, **o: Recovery(multipliers=None, rounds=1, status=answer, seconds=0.0),
            victims,
        )
        for module, answer, victims in (
            (one_neuron, RecoveryStatus.RECOVERABLE, ["beyond.pairs", "beyond.pairs.mended", "beyond.one_neuron"]),
            (few_samples, RecoveryStatus.RECOVERABLE, ["beyond.lengths"]),
            (few_samples, RecoveryStatus.NOT_RECOVERABLE, ["beyond.lengths"]),
        )
    ),
]


def full(name: str) -> str:
    return f"min_norm.beyond.{name[7:]}" if name.startswith("beyond.") else f"min_norm.{name}"


@pytest.mark.parametrize(("what", "module", "name", "how", "victims"), MUTANTS, ids=[m[0] for m in MUTANTS])
def test_an_altered_formula_is_caught(what, module, name, how, victims, monkeypatch):
    for victim in victims:
        assert passes(full(victim)), victim
    original = getattr(module, name)
    for holder in (module, *HOLDERS):  # claim modules may have imported it by name
        if getattr(holder, name, None) is original:
            monkeypatch.setattr(holder, name, how(original))
    main_theorem.solver_attack.cache_clear()
    try:
        for victim in victims:
            verdict = checked(full(victim))
            assert verdict is not CLAIMS[full(victim)].expected, f"{victim} survives {what}"
    finally:
        main_theorem.solver_attack.cache_clear()


def test_the_wedges_tell_networks_apart_that_differ_in_one_mass():
    first = formulas.regrouped()
    second = [(first[0][0] + sp.Rational(1, 10**9), first[0][1]), *first[1:]]
    assert formulas.same_function(first, formulas.opposite_teacher())
    assert not formulas.same_function(first, second)


def test_exact_kappa_is_that_of_the_library():
    for network in (formulas.opposite_teacher(), formulas.regrouped(), turned_teacher(), perimeter._zigzag()):
        hidden = np.array([[float(part) for part in u] for _, u in network])
        output = np.array([float(c) for c, _ in network])
        assert plane.kappa(TwoLayer(hidden, output)) == pytest.approx(float(formulas.kappa(network)), abs=1e-12)


def test_multipliers_of_the_proof_and_of_the_library_certify_the_same_norm():
    rng = np.random.default_rng(1)
    for _ in range(30):
        instance = samples.random_instance(rng, int(rng.integers(1, 7)), apart=0.05, inner=0.02)
        for found in (
            formulas.dual_certificate(instance.angles, instance.signs, instance.samples),
            plane.dual_certificate(instance.teacher, instance.x),
        ):
            assert instance.y @ found == pytest.approx(instance.masses.sum(), rel=1e-9)
            assert plane.dual_peak(instance.x, found).value == pytest.approx(1, abs=1e-9)


def test_balls_see_multipliers_that_do_not_certify(monkeypatch):
    instance = samples.random_instance(np.random.default_rng(2), 2, apart=0.5, inner=0.1)
    excess, strict = random_teachers.excess_in_balls(instance)
    assert excess < 1e-30
    assert strict == 2 * 12 - 4  # all arcs but those of the teacher's four directions
    right = random_teachers._multipliers
    doubled = lambda *args: [weight and 2 * weight for weight in right(*args)]  # noqa: E731
    monkeypatch.setattr(random_teachers, "_multipliers", doubled)
    with pytest.raises(CheckFailed, match="not certified"):
        random_teachers.excess_in_balls(instance)


def test_the_smeared_student_differs_from_its_teacher_only_near_one_line():
    rays = [(sp.Integer(x), sp.Integer(y)) for x in range(-3, 4) for y in range(-3, 4) if (x, y) != (0, 0)]
    student, teacher = main_theorem._smeared_student(), formulas.rational_teacher()
    for x in rays:
        across = abs(formulas.dot(teacher[2][1], x)) * 12
        along = abs(formulas.cross(teacher[2][1], x)) * 5
        assert (formulas.network_value(student, x) == formulas.network_value(teacher, x)) == (across >= along)


def test_recoveries_are_the_same_for_the_same_seed():
    first, second = (experiments.recoveries(12, 3, seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.squared_norm, second.squared_norm)
    assert first.squared_norm.max() <= 6 + 1e-6


def test_random_instances_hold_exactly_the_points_asked_for():
    rng = np.random.default_rng(3)
    for neurons in (1, 2, 5):
        instance = samples.random_instance(rng, neurons, 3)
        signs = np.sign(np.cos(instance.samples[:, None] - instance.angles))
        _, counts = np.unique(signs, axis=0, return_counts=True)
        assert counts.tolist() == [3] * (2 * neurons)


def test_exact_certificates_are_those_of_the_librarys_exact_arithmetic():
    for teacher, points, multipliers in few_samples._smallest().values():
        scale = sp.ilcm(*(sp.sympify(part).q for part in (*multipliers, *(x for point in points for x in point))))
        whole = np.array([[float(x * scale) for x in point] for point in points])
        assert exact_dual_square(whole, [float(w * scale) for w in multipliers]) == scale**4
        hidden = np.array([[float(part) for part in u] for _, u in teacher])
        assert recovery.is_recoverable(TwoLayer(hidden, np.array([float(c) for c, _ in teacher])), whole)


def test_certificates_are_refused_if_the_dual_touches_elsewhere_or_leaves_the_network_free():
    right_angle = [(1, (1, 0)), (1, (0, 1))]
    assert not few_samples.certifies(right_angle[:1], [(1, 0), (0, 1)], [1, 1])  # p exceeds 1 at 45 degrees
    third = (sp.Rational(1, 2), sp.sqrt(3) / 2)
    two = [(1, (1, 0)), (1, (-third[0], third[1]))]
    assert not few_samples.certifies(two, [u for _, u in two], [1, 1])  # touches at 60 degrees too
    three = [*two, (1, third)]
    assert not few_samples.certifies(three, [u for _, u in two], [1, 1])  # so it has too few samples for three


def test_frequencies_are_compared_with_bounds_on_both_sides():
    assert recovery._consistent(100, 200, 0.45, 0.55)
    assert recovery._consistent(200, 200, 0.99, 1.0)
    assert not recovery._consistent(100, 200, 0.7, 1.0)
    assert not recovery._consistent(100, 200, 0.0, 0.3)


def test_wilson_intervals_solve_their_quadratic():
    for successes, trials in ((0, 8), (3, 8), (8, 8), (117, 300)):
        for end in proportion_interval(successes, trials):
            if 0 < end < 1:
                error = (successes / trials - end) / np.sqrt(end * (1 - end) / trials)
                assert abs(error) == pytest.approx(1.959964, abs=1e-5)


def test_samples_of_a_pair_or_a_sector_are_as_many_as_asked_for():
    rng = np.random.default_rng(4)
    for equal in (True, False):
        lines = recovery.random_lines(rng, 3, equal)
        normals = samples.unit_vectors(lines)
        for points, folded in (
            (recovery.in_pairs(rng, lines, 4), True),
            (recovery.in_sectors(rng, lines, np.full(6, 4)), False),
        ):
            sides = points @ normals.T > 0
            sides = sides ^ sides[:, :1] if folded else sides
            assert np.unique(sides, axis=0, return_counts=True)[1].tolist() == [4] * (3 if folded else 6)
