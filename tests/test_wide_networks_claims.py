"""The exact claims of the wide_networks paper: they come out as expected, and their formulas matter."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy as sp
from flint import arb, ctx

from alignmath.activations import ERF, RELU, SOFTPLUS
from proofs.engine import balls, ledger
from proofs.engine.claims import CheckFailed, Effort, Verdict
from proofs.wide_networks import (
    activations,
    closed_forms,
    comparison,
    definitions,
    duals,
    least_eigenvalues,
    networks,
    opposite_inputs,
    patches,
    positive_definite,
    printed_definitions,
    recursions,
    residual_depth,
    two_layer,
)

MODULES = (
    activations,
    duals,
    patches,
    two_layer,
    definitions,
    printed_definitions,
    positive_definite,
    opposite_inputs,
    least_eigenvalues,
    residual_depth,
    comparison,
)
CLAIMS = {claim.name: claim for module in MODULES for claim in module.CLAIMS}
CACHED = {
    (networks, "explicit"): [definitions._explicit_networks],
    (networks, "top_gram"): [definitions._network_means],
    (positive_definite, "coefficients"): [positive_definite._series, positive_definite._nonzero],
    (positive_definite, "powers_of_products"): [positive_definite._powers],
}
"""Attacks that are run once, by what they call."""


def checked(name: str) -> Verdict:
    """The verdict of one claim's own check, apart from what it rests on."""
    return ledger.checked(CLAIMS[name], Effort.QUICK)[0].verdict


@cache
def passes(name: str) -> bool:
    return checked(name) is CLAIMS[name].expected


@pytest.mark.parametrize("name", CLAIMS)
def test_the_claim_comes_out_as_expected(name):
    assert passes(name)


def test_refuted_statements_appear_again_as_mended():
    refuted = {name for name, claim in CLAIMS.items() if claim.expected is Verdict.REFUTED}
    assert refuted == {
        "wide_networks.rem.H1",
        "wide_networks.def5.1",
        "wide_networks.def6.1",
        "wide_networks.def7.1",
        "wide_networks.compare",
    }
    assert all(CLAIMS[f"{name}.mended"].expected is Verdict.PROVED for name in refuted)


PLAIN, RESIDUAL, CONVOLUTIONAL = definitions._FULLY_CONNECTED, definitions._RESNET, definitions._CONVOLUTIONAL
SEEDS = {PLAIN: 363, RESIDUAL: 364, CONVOLUTIONAL: 365}


@pytest.mark.parametrize(
    ("architecture", "recursion", "flags"),
    [
        (PLAIN, "fully_connected", {"printed": True}),
        (RESIDUAL, "residual", {"low": True}),
        (RESIDUAL, "residual", {"swapped": True}),
        (CONVOLUTIONAL, "convolutional", {"low": True}),
        (CONVOLUTIONAL, "convolutional", {"swapped": True}),
    ],
)
def test_random_networks_tell_the_printed_recursions_from_the_right_ones(architecture, recursion, flags, monkeypatch):
    """The attack of the mended claims, with the printed recursion in the place of the code."""
    inputs = definitions._inputs(architecture)
    exact = [[sp.Rational(str(x)) for x in row] for row in inputs.reshape(-1, inputs.shape[-1])]
    if architecture.images:
        exact = [exact[:2], exact[2:]]

    def printed(x, case):
        form = next(form for form in closed_forms.FORMS if form.activation is case.activation)
        start = exact if architecture.images else recursions.products(exact)
        scale = [] if architecture is PLAIN else [definitions.SCALE]
        patch = [3] if architecture.images else []
        K = getattr(recursions, recursion)(form, start, case.depth, *scale, *patch, **flags)
        return np.array([[float(entry.mid()) for entry in row] for row in K])

    monkeypatch.setattr(definitions, "gram", printed)
    with pytest.raises(CheckFailed, match="broken by case"):
        definitions._limit_of_networks(Effort.QUICK, architecture, SEEDS[architecture])


@pytest.mark.parametrize("architecture", SEEDS)
def test_networks_see_a_small_error_of_any_one_entry(architecture, monkeypatch):
    """1.5% with layers drawn by their law (5 standard errors are at most 0.81%), 15% with all weights drawn (at most 8%)."""
    seed, right = SEEDS[architecture], definitions.gram
    n = len(definitions._inputs(architecture))
    for attack, number, error in (
        (definitions._limit_of_networks, seed, 1.015),
        (definitions._concentration, seed + 4, 1.15),
    ):
        attack(Effort.QUICK, architecture, number)
        for i in range(n):
            for j in range(i + 1):
                factor = np.ones((n, n))
                factor[i, j] = factor[j, i] = error
                monkeypatch.setattr(definitions, "gram", lambda *x, f=factor, **o: f * right(*x, **o))
                with pytest.raises(CheckFailed, match="broken by case"):
                    attack(Effort.QUICK, architecture, number)
        monkeypatch.setattr(definitions, "gram", right)


def scaled(factor: Any) -> Callable[..., Any]:
    return lambda original: lambda *args, **options: original(*args, **options) * factor


def always(answer: Any) -> Callable[..., Any]:
    return lambda original: lambda *args, **options: answer


def without(*flags: str) -> Callable[..., Any]:
    """The function with options left out: a printed recursion that is the right one."""

    def how(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **options: original(*args, **{k: v for k, v in options.items() if k not in flags})

    return how


def with_options(**flags: bool) -> Callable[..., Any]:
    """The function with options set: the right recursion as printed."""
    return lambda original: (
        lambda form, K, depth, *args: original(form, K, depth, *args, **(flags if depth > 1 else {}))
    )


def field(name: str, change: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda form: dataclasses.replace(form, **{name: change(getattr(form, name))})


def code(activation: str, part: str, factor: float) -> Callable[..., Any]:
    """The rows of `duals.piecewise_forms` with one expectation of one activation of the library off by a factor."""

    def altered(row: tuple[Any, ...]) -> tuple[Any, ...]:
        *rest, form = row
        if not form.name.startswith(activation):
            return row
        right = getattr(form.activation, part)
        wrong = {part: lambda *args: factor * right(*args)}
        return *rest, dataclasses.replace(form, activation=dataclasses.replace(form.activation, **wrong))

    return lambda f: lambda: [altered(row) for row in f()]


a, b, c = closed_forms.a, closed_forms.b, closed_forms.c
MUTANTS: list[tuple[str, Any, str, Callable[..., Any], list[str]]] = [
    ("ReLU's kernel with theta", closed_forms, "relu_dual", lambda f: lambda t: (sp.sin(t) + t * sp.cos(t)) / (2 * sp.pi), ["relu.closed", "closed.others"]),
    ("the step's kernel halved", closed_forms, "step_dual", scaled(sp.Rational(1, 2)), ["relu.closed", "Hinf"]),
    ("erf's kernel with one 2 less", closed_forms, "ERF", field("dual", lambda f: f.subs(b, b / 2)), ["relu.closed", "eq2"]),
    ("erf's slopes doubled", closed_forms, "ERF", field("slope", lambda f: 2 * f), ["relu.closed", "rem.H1"]),
    ("cos for sin", closed_forms, "COS", field("dual", lambda f: f.subs(sp.cosh(c), sp.sinh(c))), ["closed.others"]),
    ("exp's mean", closed_forms, "EXP", field("mean", lambda f: f**2), ["closed.others"]),
    ("cos's slopes doubled", closed_forms, "COS", field("slope", lambda f: 2 * f), ["closed.others"]),
    ("sin's slopes", closed_forms, "SIN", field("slope", lambda f: 3 * f), ["closed.others"]),
    ("sin's mean", closed_forms, "SIN", field("mean", lambda f: f + a), ["closed.others"]),
    ("cos's mean", closed_forms, "COS", field("mean", lambda f: f * 1.01), ["closed.others"]),
    ("ReLU's mean", closed_forms, "RELU", field("mean", lambda f: 2 * f), ["relu.closed"]),
    ("ReLU's slope in balls", closed_forms, "RELU", field("slope", lambda f: f * 2), ["relu.closed"]),
    ("erf's mean", closed_forms, "ERF", field("mean", lambda f: f + a), ["relu.closed"]),
    ("the code's step 1% off", duals, "piecewise_forms", code("step", "_dual", 1.01), ["closed.others"]),
    ("the code's mean of leaky ReLU", duals, "piecewise_forms", code("leaky", "_mean", 1.01), ["closed.others"]),
    ("the form of a power", duals, "_moment", lambda f: lambda k, p, c: f(k, p, c) + (k == 3), ["closed.others"]),
    ("the smoothness of softplus is 1", activations, "best_constants", lambda f: lambda: {**f(), "softplus": (sp.Integer(1), sp.Integer(1))}, ["cond3.1"]),
    ("a slope's Lipschitz constant of erf", activations, "best_constants", lambda f: lambda: {**f(), "erf": (f()["erf"][0], sp.Integer(1))}, ["cond3.1"]),
    ("GELU's Lipschitz constant", activations, "best_constants", lambda f: lambda: {**f(), "gelu": (sp.Rational(9, 8), f()["gelu"][1])}, ["cond3.1"]),
    ("second moments a little off", activations, "second_moment", scaled(arb(1) + arb(10) ** -12), ["eq2"]),
    ("a wrong digit", activations, "PRINTED", lambda p: {**p, "tanh": "2.53617543321755"}, ["eq2"]),
    ("a wrong digit of GELU", activations, "PRINTED", lambda p: {**p, "gelu": "2.35171561407339"}, ["eq2"]),
    ("one occurrence less", patches, "occurrences", lambda f: lambda *args: f(*args) - 1, ["patch"]),
    ("patches without their centre", patches, "listed_patches", lambda f: lambda p, q: [[x for x in row if x != k + 1] for k, row in enumerate(f(p, q))], ["patch"]),
    ("the plane without a corner", patches, "plane_counts", lambda f: lambda *args: {**f(*args), (1, 1): 0}, ["patch"]),
    ("rows for the plane", patches, "plane_counts", lambda f: lambda p, r, side: f(p, r, side - 2), ["patch"]),
    ("two layers with pi", two_layer, "limit_of_two_layers", lambda f: lambda p, t: p * (2 * sp.pi - t) / (2 * sp.pi), ["Hinf", "rem.H1", "rem.H1.mended"]),
    ("the code without c_sigma", two_layer, "gram", scaled(0.5), ["Hinf", "rem.H1.mended"]),
    ("the code 2% off", definitions, "gram", scaled(1.02), ["def5.1.mended", "def6.1.mended", "def7.1.mended"]),
    ("5.1 as printed", recursions, "fully_connected", with_options(printed=True), ["def5.1.mended", "def5.1"]),
    ("6.1 with the low index", recursions, "residual", with_options(low=True), ["def6.1.mended"]),
    ("6.1 with the printed pairing", recursions, "residual", with_options(swapped=True), ["def6.1.mended"]),
    ("7.1 without the factor", recursions, "convolutional", with_options(unscaled=True), ["def7.1.mended"]),
    ("7.1 with the printed pairing", recursions, "convolutional", with_options(swapped=True), ["def7.1.mended"]),
    ("7.1 with a low recursion", recursions, "convolutional", with_options(low_layers=True), ["def7.1.mended"]),
    ("7.1 added to patches", recursions, "convolutional", with_options(over_patches=True), ["def7.1.mended"]),
    ("5.1 not as printed", recursions, "fully_connected", without("printed"), ["def5.1"]),
    ("6.1 not with the low index", recursions, "residual", without("low"), ["def6.1"]),
    ("6.1 not with the pairing", recursions, "residual", without("swapped"), ["def6.1"]),
    *((f"7.1 not {flag}", recursions, "convolutional", without(flag), ["def7.1"]) for flag in ("unscaled", "low", "by_pixels", "swapped", "low_layers", "over_patches")),
    ("networks with weights too large", networks, "explicit", scaled(1.1), ["def5.1.mended"]),
    ("networks that do not get wider", networks, "explicit", lambda f: lambda x, case, m, *args: f(x, case, 16, *args), ["def6.1.mended"]),
    ("sums without an offset", recursions, "patched", lambda f: lambda S, p, q: f(S, p, 1), ["def7.1.mended"]),
    ("patches turned", networks, "patches", lambda f: lambda x, q: f(x, q)[..., ::-1] * 1.1, ["def7.1.mended"]),
    ("coefficients off", positive_definite, "coefficients", scaled(1.001), ["positive"]),
    ("coefficients that end", positive_definite, "coefficients", lambda f: lambda *args: f(*args) * (np.arange(args[2]) < 6), ["positive"]),
    ("a power too low", positive_definite, "powers_of_products", lambda f: lambda x, k: f(x, k - 1), ["positive"]),
    ("images equal at the one pixel", positive_definite, "_one_pixel", lambda f: lambda rng: f(rng)[[0, 0, 1]], ["positive.cnn"]),
    ("images twice", positive_definite, "_separate_images", lambda f: lambda rng: f(rng)[[0, 0, 1]], ["positive.cnn"]),
    ("parallel inputs", positive_definite, "_rational_inputs", lambda f: lambda rng, n, d: f(rng, n, d)[[0, *range(n - 1)]], ["positive", "positive.resnet", "positive.cnn"]),
    ("another hexagon", opposite_inputs, "hexagon", lambda f: lambda: f().subs(sp.sqrt(3), 1), ["positive.opposite"]),
    ("another matrix of ReLU", opposite_inputs, "relu_matrix", lambda f: lambda x: f(x) + sp.eye(x.rows) / 7, ["positive.opposite"]),
    ("the code with a ridge", opposite_inputs, "gram", lambda f: lambda x, *args: f(x, *args) + 1e-9 * np.eye(len(x)), ["positive.opposite"]),
    ("the code a millionth off", least_eigenvalues, "gram", scaled(1 + 1e-6), ["positive.certified"]),
    ("an input twice", least_eigenvalues, "INPUTS", lambda x: [*x[:5], x[0]], ["positive.certified"]),
    ("bounds too high", least_eigenvalues, "_WIDTH", lambda w: -1e-6, ["positive.certified"]),
    ("the step size without depth", comparison, "step_size", lambda f: lambda v: f(v) / comparison.H**2, ["compare", "compare.mended"]),
    ("the width without depth", comparison, "width_terms", lambda f: lambda v: (f(v)[0] * comparison.H**6, *f(v)[1:]), ["compare", "compare.mended"]),
    ("C^(1) a hundredth larger", residual_depth, "first_covariance_in_balls", lambda f: lambda *args: [[v * 1.01 for v in row] for row in f(*args)], ["lmin.resnet.bound"]),
    ("C^(1) of an input twice", residual_depth, "first_covariance_in_balls", lambda f: lambda form, K: f(form, [[K[i][j] for j in (0, 0)] for i in (0, 0)]), ["lmin.resnet.bound"]),
    ("Schur's bound a hundredth higher", residual_depth, "schur_bound", scaled(1.01), ["lmin.resnet.bound"]),
    ("another integration by parts", residual_depth, "by_parts", scaled(1.001), ["lmin.resnet.bound"]),
    ("both bounds of the steps twice as good", comparison, "none_below", lambda f: lambda tried, margins: f(tried, (1 + margins) / 2 - 1), ["compare.mended"]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "module", "name", "how", "victims"), MUTANTS, ids=[m[0] for m in MUTANTS])
def test_an_altered_formula_is_caught(what, module, name, how, victims, monkeypatch):
    for victim in victims:
        assert passes(f"wide_networks.{victim}")
    monkeypatch.setattr(module, name, how(getattr(module, name)))
    seen = CACHED.get((module, name), ())
    for cached in seen:
        cached.cache_clear()
    try:
        for victim in victims:
            assert checked(f"wide_networks.{victim}") is not CLAIMS[f"wide_networks.{victim}"].expected, (
                f"{victim} survives {what}"
            )
    finally:
        for cached in seen:
            cached.cache_clear()


def explicit_gram(x: np.ndarray, depth: int, width: int, rng: np.random.Generator, scale: float) -> np.ndarray:
    """`G^(H)(0)` of one residual network with all of its weights and `a_r^2 = 1`."""
    value = math.sqrt(SOFTPLUS.c_sigma / width) * SOFTPLUS.value(rng.standard_normal((width, x.shape[1])) @ x.T)
    step = scale / (depth * math.sqrt(width))
    for _ in range(depth - 2):
        value = value + step * SOFTPLUS.value(rng.standard_normal((width, width)) @ value)
    slopes = step * SOFTPLUS.derivative(rng.standard_normal((width, width)) @ value)
    return (value.T @ value) * (slopes.T @ slopes)


def test_networks_drawn_by_their_law_are_those_with_explicit_weights():
    rng, x = np.random.default_rng(4), definitions._INPUTS
    one = np.array([explicit_gram(x, 3, 12, rng, 0.8) for _ in range(3_000)])
    two = networks.top_gram(x, 3, SOFTPLUS, 12, 3_000, rng, scale=0.8)
    for moment in (1, 2):
        p, q = one**moment, two**moment
        error = np.hypot(p.std(axis=0), q.std(axis=0)) / math.sqrt(3_000)
        assert np.all(np.abs(p.mean(axis=0) - q.mean(axis=0)) < 5 * error)


@pytest.mark.parametrize(
    ("attack", "name", "how"),
    [
        ("_variance_attack", "variance_bounds", lambda f: lambda x, s, scale: (f(x, s, scale)[0], f(x, s, 0.0)[1])),
        ("_variance_attack", "variance_bounds", lambda f: lambda x, s, c: (f(x, s, 0.0)[1] * 1.01, f(x, s, c)[1])),
        ("_two_bounds", "residual_bounds", lambda f: lambda *args: (f(*args)[0] * 1.01, f(*args)[1])),
        ("_two_bounds", "residual_bounds", lambda f: lambda *args: (f(*args)[0], f(*args)[1] * 0.99)),
        ("_two_bounds", "first_covariance", scaled(1.01)),
    ],
)
def test_altered_bounds_of_residual_networks_are_caught(attack, name, how, monkeypatch):
    """Upper bounds of the variances that do not grow, lower ones too high; bounds of the eigenvalue a hundredth off."""
    monkeypatch.setattr(residual_depth, "_TRIED", (ERF,))
    tried = getattr(getattr(residual_depth, attack), "__wrapped__", getattr(residual_depth, attack))
    tried(Effort.QUICK)
    monkeypatch.setattr(residual_depth, name, how(getattr(residual_depth, name)))
    with pytest.raises(CheckFailed, match="broken by case"):
        tried(Effort.QUICK)


def test_slopes_beyond_the_lipschitz_constant_are_caught(monkeypatch):
    residual_depth._slopes(Effort.QUICK)
    for wrong in (
        dataclasses.replace(RELU, lipschitz=0.5),
        dataclasses.replace(ERF, _dual_derivative=lambda *q: 0 * q[0] + 1e-5),
    ):
        monkeypatch.setattr(residual_depth, "_TRIED", (wrong,))
        with pytest.raises(CheckFailed, match="broken by case"):
            residual_depth._slopes(Effort.QUICK)


def test_expressions_are_inside_their_balls():
    values = {a: sp.Rational(3, 7), b: sp.Rational(5, 4), c: sp.Rational(-1, 3)}
    with ctx.workprec(100):
        for form in closed_forms.FORMS:
            for expression in (form.dual, form.slope, form.mean, form.c_sigma):
                ball = balls.evaluate(expression, {k: balls.rational(v) for k, v in values.items()})
                assert ball.rad() < 1e-25
                assert abs(ball - arb(str(sp.N(sp.sympify(expression).subs(values), 28)))) < 1e-24
    with pytest.raises(ValueError, match="none of the expressions"):
        balls.evaluate(sp.gamma(a), {a: arb(1)})


def test_pivots_tell_definite_matrices():
    rng = np.random.default_rng(6)
    for _ in range(50):
        root = rng.standard_normal((4, 4))
        matrix = root @ root.T - rng.uniform(0, 1) * np.eye(4)
        pivots = balls.cholesky_pivots([[arb(float(v)) for v in row] for row in matrix])
        assert (len(pivots) == 4 and pivots[-1] > 0) == (np.linalg.eigvalsh(matrix)[0] > 0)


def test_no_bound_is_given_for_a_singular_matrix():
    singular = [[arb(1), arb(1)], [arb(1), arb(1)]]
    low, high = least_eigenvalues.bounds(singular)
    assert low <= 0 <= high or low == -np.inf
