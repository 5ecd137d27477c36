"""Every formula matters: altering one, in the shipped module, makes a claim that passed before fail."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy as sp

from alignmath import gaussian, population
from proofs.alignment import (
    MODULES,
    alignment_theorem,
    arcs,
    conjectures,
    determinant_theorem,
    few_students,
    formulas,
    gradient,
)
from proofs.engine import critical_points, exact, ledger
from proofs.engine.claims import Claim, Effort, Verdict

pi = sp.pi
CLAIMS = {c.name: c for c in ledger.CLAIMS}
HOLDERS = [importlib.import_module(f"proofs.alignment.{name}") for name in MODULES]


def checked(name: str) -> Verdict:
    """The verdict of one claim's own check, apart from what it rests on."""
    return ledger.checked(CLAIMS[name], Effort.QUICK)[0].verdict


@cache
def passes(name: str) -> bool:
    """Whether the claim passes before anything is altered."""
    return checked(name) is CLAIMS[name].expected


MUTANTS: list[tuple[str, Any, str, Callable[..., Any] | str, list[str]]] = [
    (
        "f with a minus",
        formulas,
        "profile",
        lambda t: sp.sin(t) - (pi - t) * sp.cos(t),
        ["lem4.2", "lem4.3", "eq4_5", "thm5.6"],
    ),
    (
        "f with theta for pi - theta",
        formulas,
        "profile",
        lambda t: sp.sin(t) + t * sp.cos(t),
        ["lem4.2", "thm5.6"],
    ),
    ("f' with its sign turned", formulas, "profile_slope", lambda t: (pi - t) * sp.sin(t), ["lem4.2"]),
    ("f'' without its square", formulas, "log_concavity", lambda s: sp.sin(s) ** 2 - s, ["lem4.3"]),
    ("half the oscillation", formulas, "profile_oscillation", sp.sin, ["main.direct"]),
    ("overlap over 4 pi", formulas, "overlap", lambda t: formulas.profile(t) / (4 * pi), ["kernel", "eq1.mended"]),
    (
        "pair term without its sine",
        formulas,
        "pair_term",
        lambda w, v, n, t: (pi - t) * v / (2 * pi),
        ["kernel", "eq1.mended"],
    ),
    (
        "pair term with a minus",
        formulas,
        "pair_term",
        lambda w, v, n, t: ((pi - t) * v - n * sp.sin(t) * w) / (2 * pi),
        ["kernel", "main.direct"],
    ),
    (
        "a printed gradient that is right",
        formulas,
        "printed_gradient",
        lambda s, t: (s - t) / (2 * pi),
        ["eq1", "eq1.mended"],
    ),
    (
        "a corrected gradient that is as printed",
        formulas,
        "corrected_gradient",
        lambda s, t: (s - t) / (4 * pi),
        ["eq1.mended", "eq2"],
    ),
    (
        "teacher added to the gradient",
        formulas,
        "corrected_gradient",
        lambda s, t: (s + t) / (2 * pi),
        ["eq1.mended", "eq2"],
    ),
    (
        "left of (2) with theta for pi - theta",
        formulas,
        "equation_two_left",
        lambda t, w: t * w,
        ["eq2", "m1", "obs2.1", "thm3.1.step3", "eq3"],
    ),
    (
        "right of (2) with the teacher's sine added",
        formulas,
        "equation_two_right",
        lambda p, u, t, p0, s, v: (pi * p + p0 * sp.sin(t) + s) * u + v,
        ["eq2", "thm3.1.step3", "eq3"],
    ),
    (
        "right of (2) without the students' sines",
        formulas,
        "equation_two_right",
        lambda p, u, t, p0, s, v: (pi * p - p0 * sp.sin(t)) * u + v,
        ["eq2", "thm3.1.step3", "eq3"],
    ),
    (
        "lengths of Theorem 3.1 exchanged",
        formulas,
        "two_student_lengths",
        lambda a, b: ((pi - a - b) * sp.sin(a + b), (pi - a) * sp.sin(a), (pi - b) * sp.sin(b)),
        ["thm3.1.step2", "thm3.1.step3"],
    ),
    (
        "residual of Theorem 3.1 with a plus",
        formulas,
        "two_student_residual",
        lambda a, b: a * sp.sin(b) * (2 * pi + a - b) + b * sp.sin(a) * sp.sin(a + b),
        ["thm3.1.step3"],
    ),
    (
        "residual of Theorem 3.1 with a term dropped",
        formulas,
        "two_student_residual",
        lambda a, b: a * sp.sin(b) * (2 * pi - a - b),
        ["thm3.1.step3"],
    ),
    (
        "coefficients of F with n^2 + 1",
        formulas,
        "fourier_profile",
        lambda n: 2 * (1 + (-1) ** n) / (pi * (n**2 + 1) ** 2),
        ["thm5.6", "pad.f"],
    ),
    (
        "coefficients of F for odd orders",
        formulas,
        "fourier_profile",
        lambda n: 2 * (1 - (-1) ** n) / (pi * (n**2 - 1) ** 2),
        ["thm5.6", "pad.f"],
    ),
    (
        "coefficients of pi - t doubled",
        formulas,
        "fourier_linear",
        lambda n: 2 * (1 - (-1) ** n) / (pi * n**2),
        ["lem4.5", "pad.linear"],
    ),
    ("cosines for sines", formulas, "opposite_sines", lambda a, b: sp.cos(a) * sp.cos(b), ["conj5.8"]),
    (
        "a counterexample that is no AD function",
        conjectures,
        "bump",
        lambda u, c=1, e=1: c + sp.Max(e - u, 0) * (1 + 100 * u),
        ["conj5.5"],
    ),
    (
        "a counterexample that does not decrease",
        conjectures,
        "decaying",
        lambda u, exp: 1 + exp(-u) + u / 100,
        ["conj5.5"],
    ),
    ("the loss halved", formulas, "overlap", lambda t: formulas.profile(t) / (4 * pi), ["red.merge.mended"]),
    ("the circle cut open", exact, "angular_system", "open circle", ["conj5.5"]),
    ("the code's pair term halved", gaussian, "step_relu_vector", "halved", ["kernel"]),
    ("the code's equation (2) turned", population, "stationarity", "negated", ["red.merge.mended", "thm5.1", "main"]),
    ("F in the witnesses of Theorem A", arcs, "_profile", lambda numbers, d: numbers.cos(d), ["detcond"]),
    (
        "F in the second proof of Theorem B",
        arcs,
        "_profile",
        lambda numbers, d: numbers.cos(d) + numbers.pi,
        ["main.direct"],
    ),
]


def altered(module: Any, name: str, how: Callable[..., Any] | str) -> Callable[..., Any]:
    original = getattr(module, name)
    if callable(how):
        return how
    if how == "halved":
        return lambda *args: original(*args) / 2
    if how == "negated":
        return lambda *args: -original(*args)

    def open_circle(f: Callable[[Any], Any], angles: list[Any]) -> tuple[sp.Matrix, sp.Matrix]:
        return sp.Matrix([[f(abs(p - q)) for q in angles] for p in angles]), sp.Matrix([f(p) + 1 for p in angles])

    return open_circle


@pytest.mark.parametrize(("what", "module", "name", "how", "victims"), MUTANTS, ids=[m[0] for m in MUTANTS])
def test_an_altered_formula_is_caught(what, module, name, how, victims, monkeypatch):
    for victim in victims:
        assert passes(f"alignment.{victim}")
    replacement = altered(module, name, how)
    for holder in (module, *HOLDERS):  # claim modules may have imported it by name
        if hasattr(holder, name):
            monkeypatch.setattr(holder, name, replacement)
    caches = []  # of attacks that see what is altered
    if module is arcs:
        caches = [determinant_theorem._witnesses, alignment_theorem._margins]
    elif module is gaussian:
        caches = [gradient._orthogonal_attack]
    for cached in caches:
        cached.cache_clear()
    try:
        for victim in victims:
            assert checked(f"alignment.{victim}") is not CLAIMS[f"alignment.{victim}"].expected, (
                f"{victim} survives {what}"
            )
    finally:
        for cached in caches:
            cached.cache_clear()


def test_an_altered_certificate_is_caught(monkeypatch):
    claim: Claim = CLAIMS["alignment.beyond.several_teachers"]
    assert passes(claim.name)
    gradient = critical_points._gradient
    monkeypatch.setattr(critical_points, "_gradient", lambda *args: [g + 1e-6 for g in gradient(*args)])
    assert checked(claim.name) is Verdict.FAILED
    monkeypatch.undo()
    hessian = critical_points._hessian
    monkeypatch.setattr(critical_points, "_hessian", lambda *args: hessian(*args) * 1.5)
    assert checked(claim.name) is Verdict.FAILED


def test_a_search_that_does_nothing_is_caught(monkeypatch):
    search = few_students.critical_points
    assert passes("alignment.thm4.4")
    monkeypatch.setattr(few_students, "critical_points", lambda *args: search(*args, steps=1))
    assert checked("alignment.thm4.4") is Verdict.FAILED


def test_a_case_that_never_comes_up_is_caught(monkeypatch):
    assert passes("alignment.main.direct")
    margins = alignment_theorem.double_zero_margins
    monkeypatch.setattr(
        alignment_theorem,
        "double_zero_margins",
        lambda *args: [row for row in margins(*args) if row[0] != "one in Ppi, one in N2"],
    )
    alignment_theorem._margins.cache_clear()
    try:
        assert checked("alignment.main.direct") is Verdict.FAILED
    finally:
        alignment_theorem._margins.cache_clear()


def test_there_are_at_least_15_mutants_across_the_claims():
    assert len(MUTANTS) >= 15
    assert len({victim for m in MUTANTS for victim in m[4]}) >= 15


def bracket(w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """`(pi - t) v + |v| sin(t) w/|w|` in the plane."""
    angle = np.arctan2(abs(w[0] * v[1] - w[1] * v[0]), w @ v)
    return (np.pi - angle) * v + np.linalg.norm(v) * np.sin(angle) * w / np.linalg.norm(w)


def test_formulas_of_the_proofs_are_those_of_the_code():
    """The tie between proof and code: both evaluated at many angles, chosen so that an altered formula fails at most of them."""
    from alignmath import TwoLayer
    from alignmath.angular import ARC_COSINE, LINEAR

    rng = np.random.default_rng(1)
    t = sp.Symbol("t")
    angles = np.concatenate(
        [rng.uniform(0, np.pi, 200), 10 ** rng.uniform(-6, 0, 50), np.pi - 10 ** rng.uniform(-6, 0, 50)]
    )
    profile = sp.lambdify(t, formulas.profile(t))(angles)
    np.testing.assert_allclose(ARC_COSINE(angles), profile, atol=1e-15)
    np.testing.assert_allclose(
        gaussian.relu_moment(1, 1, angles), sp.lambdify(t, formulas.overlap(t))(angles), atol=1e-15
    )
    orders = np.arange(2, 60)
    for kernel, coefficient in ((ARC_COSINE, formulas.fourier_profile), (LINEAR, formulas.fourier_linear)):
        np.testing.assert_allclose(kernel.fourier(orders), [float(coefficient(int(n))) for n in orders], rtol=1e-14)

    unit, other = sp.Matrix([1, 0]), sp.Matrix([sp.cos(t), sp.sin(t)])
    pair = sp.lambdify(t, list(formulas.pair_term(unit, 3 * other, 3, t)))
    for angle in angles[:60]:
        found = gaussian.step_relu_vector([2.0, 0.0], [3 * np.cos(angle), 3 * np.sin(angle)])
        np.testing.assert_allclose(found, pair(angle), atol=1e-15)

    for _ in range(30):  # the corrected equation (1), student by student
        hidden, teacher = rng.standard_normal((4, 2)), rng.standard_normal((1, 2))
        for i, row in enumerate(population.gradient(TwoLayer(hidden), TwoLayer(teacher)).hidden):
            students, target = sum(bracket(hidden[i], v) for v in hidden), bracket(hidden[i], teacher[0])
            expected = [float(formulas.corrected_gradient(x, y)) for x, y in zip(students, target, strict=True)]
            np.testing.assert_allclose(row, expected, atol=1e-13)
