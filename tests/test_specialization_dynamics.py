"""The claims on training dynamics (specialization paper, Section 5): their formulas matter, and are those of the library."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import sympy as sp

from alignmath import TwoLayer, gaussian, population
from alignmath.networks import DeepReLU
from proofs.engine import ledger
from proofs.engine.claims import Effort, Verdict
from proofs.specialization import balanced, early_growth, escape_experiments, flow_experiments, weight_dynamics
from proofs.specialization import dynamics_formulas as formulas
from proofs.specialization.early_growth import small_student, strengths_in_order
from proofs.specialization.quadrature import planar_mean
from proofs.specialization.simulated_flows import random_start, symmetric_path
from proofs.specialization.slow_escape import escape_integrals

pi = sp.pi
CLAIMS = {c.name: c for c in ledger.CLAIMS}


def checked(name: str) -> Verdict:
    """The verdict of one claim's own check, apart from what it rests on."""
    return ledger.checked(CLAIMS[name], Effort.QUICK)[0].verdict


@cache
def passes(name: str) -> bool:
    return checked(name) is CLAIMS[name].expected


MUTANTS: list[tuple[str, str, Callable[..., Any], list[str]]] = [
    ("half a pull", "node_pull", lambda z, x, r: z * x * r / 2, ["eq5", "eq6", "eq8.mended"]),
    ("an open gate", "relu_value", lambda z, y: y, ["eq5", "eq6"]),
    ("a matrix without the teacher's gate", "gated_outer", lambda z, q, x: z * x * x.T, ["eq7"]),
    ("output weights twice as fast", "outer_pull", lambda f, r: 2 * f * r, ["eq8.mended"]),
    ("too short an arc", "active_arc", lambda t: (t - pi / 2, pi / 2 - t / 8), ["thm6.proof"]),
    ("a plus in (58)", "angular_integral", lambda w, i, j, k: (j * w + (i - k) / 2) / 2, ["thm6.proof"]),
    ("theta for pi - theta", "psi", lambda t: t / (2 * pi), ["thm6.between", "thm6.proof", "assump2", "slow"]),
    ("no ratio of lengths", "psi_student", lambda t, q: sp.sin(t) / (2 * pi), ["assump2"]),
    ("a cosine", "psi_student", lambda t, q: q * sp.cos(t) / (2 * pi), ["thm6.between", "thm6.proof", "assump2"]),
    ("nu with a plus", "equation_eight", lambda p, q, nu, w: p - q + nu * w, ["eq8.mended"]),
    ("students that attract", "equation_eight", lambda p, q, nu, w: p + q - nu * w, ["eq8.mended"]),
    ("equation (8) without its factor", "velocity", lambda n, r: r, ["eq8", "thm7", "thm7.eq65", "thm7.eq66_68"]),
    ("a squared factor", "velocity", lambda n, r: n**2 * r, ["thm7", "thm7.eq66_68", "thm7.alignment.mended"]),
    ("balanced weights without a factor", "balanced_velocity", lambda n, r: r, ["eq8.mended", "beyond.strong_first"]),
    ("a sum of rates", "log_ratio_rate", lambda h, k: h + k, ["thm7", "sym_breaking.mended"]),
    ("a turn away", "turning", lambda r, u, h: r + h * u, ["thm7.eq65", "slow", "beyond.strong_first"]),
    ("h to the first power", "feedback_rate", lambda q, h, c: q - h + c, ["thm7.eq66_68", "sym_breaking"]),
    ("S with a plus", "symmetric_rate", lambda q, h, S: q - h**2 + S * h, ["thm7.eq66_68"]),
    ("positive feedback", "difference_rate", lambda h, k, S: (h - k) * (h + k + S), ["thm7.eq66_68", "sym_breaking.mended"]),
    ("a gap subtracted", "printed_broken_rate", lambda h, k, S, g: (k - h) * (h + k + S) - g, ["sym_breaking", "sym_breaking.mended"]),
    ("(69) as printed", "broken_rate", lambda h, k, S, g, e, a, c, b: (k - h) * (h + k + S) + g, ["sym_breaking.mended"]),
    ("students added", "symmetric_residual", lambda w, a, s: w + sum((p * q for p, q in zip(a, s, strict=True)), 0 * w), ["thm7.alignment"]),
    ("lengths without a half", "solved_length", lambda E, A, B: (E * A + B / E, E * A - B / E), ["thm7.alignment.mended"]),
    ("growth without B", "growth_rate", lambda E, o, A, B: o * E - A * E**2 / 2, ["thm7.alignment.mended"]),
    ("the other root", "growth_limit", lambda o, A, B, sqrt=sp.sqrt: (o - sqrt(o**2 + A * B)) / A, ["thm7.alignment.mended"]),
    ("growth at half the rate", "aligned_growth", lambda e, w, t: sp.exp(e * w * t / 2), ["sym_breaking.mended"]),
    ("an angle that forgets its length", "opening_rate", lambda x, b, n=1: b * x * sp.sin(x) / (2 * pi), ["beyond.slow"]),
    ("a sine for its argument", "opening_rate", lambda x, b, n=1: b * sp.sin(x) ** 2 / (2 * pi * n), ["slow", "beyond.slow"]),
    ("half the remainder", "escape_bounds", lambda e, x: (1 / e - 1 / x, 1 / e - 1 / x + x**2 / (12 * sp.sin(x))), ["slow"]),
    ("a later start", "escape_bounds", lambda e, x: (1 / e - 2 / x, 1 / e - 2 / x + x**2 / (6 * sp.sin(x))), ["slow"]),
    ("half the escape time", "fixed_escape_time", lambda J, n, a, b: sp.log(1 + pi * n * a**2 * J / b) / a**2, ["beyond.slow"]),
    ("strengths added", "peak_rate", lambda s, f: sum(p * q / (2 * pi) for p, q in zip(s, f, strict=True)), ["beyond.strong_first"]),
]  # fmt: skip


def full_name(victim: str) -> str:
    return (
        f"specialization.beyond.{victim.removeprefix('beyond.')}"
        if victim.startswith("beyond.")
        else f"specialization.{victim}"
    )


@pytest.mark.parametrize(("what", "name", "how", "victims"), MUTANTS, ids=[m[0] for m in MUTANTS])
def test_an_altered_formula_is_caught(what, name, how, victims, monkeypatch):
    for victim in victims:
        assert passes(full_name(victim))
    monkeypatch.setattr(formulas, name, how)
    for victim in victims:
        expected = CLAIMS[full_name(victim)].expected
        assert checked(full_name(victim)) is not expected, f"{victim} survives {what}"


def test_every_formula_has_a_mutant():
    assert {m[1] for m in MUTANTS} == set(formulas.__all__) - {"inner"}


def scaled(factor: float) -> Callable[..., Callable[..., Any]]:
    """What multiplies every number that a function returns, in tuples too."""

    def times(value: Any) -> Any:
        return type(value)(*map(times, value)) if hasattr(value, "_fields") else factor * value

    return lambda original: lambda *args, **options: times(original(*args, **options))


def unbalanced(original: Callable[..., Any]) -> Callable[..., Any]:
    def flow(*args: Any, **options: Any) -> Any:
        run = original(*args, **options)
        return SimpleNamespace(hidden=run.hidden, output=1.0001 * run.output)

    return flow


def teachers_exchanged(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda correlation: original(correlation[..., ::-1, :])


ALTERED: list[tuple[str, Any, str, Callable[..., Any], str]] = [
    ("the code's gradient", weight_dynamics.population, "gradient", scaled(1.001), "specialization.eq5"),
    ("a quadrature", weight_dynamics, "planar_mean", scaled(1.001), "specialization.eq5"),
    ("a flow off balance", balanced.gradient_flow, "flow", unbalanced, "specialization.eq8.mended"),
    ("the code's gradient in the remainder", early_growth.population, "gradient", scaled(1.3), "specialization.beyond.strong_first"),
    ("weak teachers first", early_growth, "covered", teachers_exchanged, "specialization.beyond.strong_first.measured"),
    ("a sum for a difference", formulas, "difference_rate", lambda f: lambda h, k, S: (k - h) * (h - k + S), "specialization.thm7.measured"),
    ("alignment by the square root", flow_experiments, "final_angles", lambda f: lambda *args: tuple(x**0.5 for x in f(*args)), "specialization.thm7.alignment.measured"),
    ("longer logarithms", escape_experiments, "escape_integrals", scaled(1.002), "specialization.beyond.slow.measured"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "module", "name", "how", "victim"), ALTERED, ids=[a[0] for a in ALTERED])
def test_what_attacks_and_experiments_compute_can_fail(what, module, name, how, victim, monkeypatch):
    monkeypatch.setattr(module, name, how(getattr(module, name)))
    assert checked(victim) is not CLAIMS[victim].expected, f"{victim} survives {what}"


def test_refuted_statements_appear_again_as_mended():
    names = [
        n
        for n, c in CLAIMS.items()
        if n.startswith(("specialization.eq", "specialization.thm7", "specialization.sym"))
        and c.expected is Verdict.REFUTED
    ]
    assert {"specialization.eq8", "specialization.thm7.alignment", "specialization.sym_breaking"} <= set(names)
    for name in names:
        assert CLAIMS[f"{name}.mended"].expected is Verdict.PROVED


def test_assumption_two_is_the_pair_term_of_the_code():
    symbols = sp.symbols("theta ratio")
    psi, own = (sp.lambdify(symbols, value) for value in (formulas.psi(symbols[0]), formulas.psi_student(*symbols)))
    rng = np.random.default_rng(1)
    for dimension in (2, 3, 7):
        w, v = rng.standard_normal((2, 100, dimension)) * 10 ** rng.uniform(-1, 1, (2, 100, 1))
        theta = gaussian.angle(w, v)
        ratio = np.linalg.norm(v, axis=1) / np.linalg.norm(w, axis=1)
        expected = psi(theta, ratio)[:, None] * v + own(theta, ratio)[:, None] * w
        np.testing.assert_allclose(gaussian.step_relu_vector(w, v), expected, atol=1e-14)


def test_the_angle_opens_as_the_population_gradient_says():
    rng = np.random.default_rng(2)
    delta, b, n = sp.symbols("delta b n")
    rate = sp.lambdify((delta, b, n), formulas.opening_rate(delta, b, n))
    for _ in range(60):
        a, strength, length, opened = *rng.uniform(0.3, 2, 3), rng.uniform(0.01, 3)
        w = length * np.array([-np.cos(opened), np.sin(opened)])
        slope = -population.gradient(TwoLayer([w], [a]), TwoLayer([[strength, 0.0]])).hidden[0]
        across = np.array([np.sin(opened), np.cos(opened)])  # the way in which the angle to the teacher falls
        assert slope @ across / length == pytest.approx(rate(opened, a * strength, length), rel=1e-12)


def test_the_largest_growth_rate_is_that_of_the_gradient_by_the_fan_out():
    rng = np.random.default_rng(3)
    teacher = strengths_in_order(rng, 3, (5, 4), 0.7)
    for _ in range(20):
        student = small_student(rng, 1, (5, 4), 1.0)
        silent = DeepReLU((student.weights[0], np.zeros((4, 1))))
        pull = -population.gradient(silent, teacher).output[:, 0]  # E[relu(u.x) f*]
        theta = gaussian.angle(student.weights[0], teacher.weights[0])
        profiles = 2 * math.pi * gaussian.relu_moment(1, 1, theta)
        expected = formulas.peak_rate(list(np.linalg.norm(teacher.weights[1], axis=0)), list(profiles))
        assert pull @ pull == pytest.approx(float(expected), rel=1e-12)


def test_simulated_flows_have_the_velocity_of_the_formulas_and_the_solved_lengths():
    rng = np.random.default_rng(4)
    for _ in range(5):
        target, weights, students = random_start(rng, 0.5)
        step = 1e-4
        path = symmetric_path(target, weights, students, np.array([0.0, step, 2 * step]), extra=0.1)
        found = (path.students[2] - path.students[0]) / (2 * step)
        expected = [formulas.velocity(n, r) for n, r in zip(path.lengths[1], path.residuals[1], strict=True)]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        common = formulas.symmetric_residual(target, list(weights), list(path.students[1]))
        np.testing.assert_allclose(path.common[1], common, atol=1e-14)
        np.testing.assert_allclose(
            path.residuals[1], np.broadcast_to(common + 0.1 * target, students.shape), atol=1e-14
        )


def test_escape_integrals_match_mpmath():
    for epsilon, delta_0 in ((1e-3, 1.0), (0.1, 3.0), (0.5, 0.6)):
        found = escape_integrals(epsilon, delta_0)
        parts = [epsilon * (delta_0 / epsilon) ** (mp.mpf(k) / 8) for k in range(9)]
        assert found.plain == pytest.approx(float(mp.quad(lambda x: 1 / (x * mp.sin(x)), parts)), rel=1e-10)
        assert found.growth == pytest.approx(float(mp.quad(lambda y: 1 / y - mp.cot(y), parts)), rel=1e-9)
        step = 1e-4 * delta_0
        slope = (escape_integrals(epsilon, delta_0 + step).grown - escape_integrals(epsilon, delta_0 - step).grown) / (
            2 * step
        )
        assert slope == pytest.approx(math.exp(found.growth) / (delta_0 * math.sin(delta_0)), rel=1e-4)


def test_the_quadrature_knows_second_moments():
    weights = np.random.default_rng(5).standard_normal((4, 2))
    np.testing.assert_allclose(planar_mean(weights, lambda x: x[:, :, None] * x[:, None, :]), np.eye(2), atol=1e-14)
    both = planar_mean(weights, lambda x: np.maximum(x @ weights[0], 0) * np.maximum(x @ weights[1], 0))
    theta = gaussian.angle(weights[0], weights[1])
    expected = np.linalg.norm(weights[0]) * np.linalg.norm(weights[1]) * gaussian.relu_moment(1, 1, theta)
    assert both == pytest.approx(float(expected), rel=1e-13)


def test_a_student_that_does_not_turn_is_named():
    with pytest.raises(ValueError, match="has not turned"):
        escape_experiments.escape_time(TwoLayer([[-1.0, 1e-3]], [1.0]), 1.0, train_output=False)
