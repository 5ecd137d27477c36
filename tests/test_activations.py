"""Activations and their Gaussian expectations, against mpmath, finite differences and each other."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alignmath import activations
from alignmath.activations import RELU, SOFTPLUS, STEP, TANH, from_functions, leaky_relu, monomial, smoothed
from alignmath.hermite import HermiteDual

NAMES = ("ABS", "COS", "ERF", "EXP", "GELU", "RELU", "SIGMOID", "SILU", "SIN", "SOFTPLUS", "STEP", "TANH")
EVERY = {name: getattr(activations, name) for name in NAMES}
EVERY |= {"leaky": leaky_relu(0.2), "cube": monomial(3), "fourth": monomial(4), "line": monomial(1)}
SMOOTH = [name for name, s in EVERY.items() if s.analytic]
COVARIANCES = [(1, 0.3, 1), (1, 1, 1), (1, -1, 1), (2, -0.5, 0.3), (1e3, 0.9, 1e-3), (0, 0, 1), (0, 0, 0), (30, 25, 40)]  # fmt: skip


def scalar(name):
    """The activation in mpmath's floating-point context, and its derivative, written down again."""
    fp = mpmath.fp
    sigmoid = lambda x: 1 / (1 + math.exp(-x)) if x > -700 else 0.0  # noqa: E731
    return {
        "ABS": (abs, lambda x: math.copysign(1, x) if x else 0.0),
        "COS": (math.cos, lambda x: -math.sin(x)),
        "ERF": (math.erf, lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x)),
        "EXP": (math.exp, math.exp),
        "GELU": (lambda x: x * fp.ncdf(x), lambda x: fp.ncdf(x) + x * fp.npdf(x)),
        "RELU": (lambda x: max(x, 0.0), lambda x: float(x > 0)),
        "SIGMOID": (sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
        "SILU": (lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x))),
        "SIN": (math.sin, math.cos),
        "SOFTPLUS": (lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))), sigmoid),
        "STEP": (lambda x: float(x > 0), None),
        "TANH": (math.tanh, lambda x: 1 - math.tanh(x) ** 2),
        "leaky": (lambda x: x if x > 0 else 0.2 * x, lambda x: 1.0 if x > 0 else 0.2),
        "cube": (lambda x: x**3, lambda x: 3 * x**2),
        "fourth": (lambda x: x**4, lambda x: 4 * x**3),
        "line": (lambda x: x, lambda x: 1.0),
    }[name]


STEPS = (0.0005, 0.004, 0.03, 0.2, 1.0, 3.0)


def expectation(f, a, c, b):
    """`E[f(u) f(v)]` by mpmath: over u, and over v given u, with panels that narrow towards the zeros of both."""
    determinant = float(Fraction(a) * Fraction(b) - Fraction(c) ** 2)
    scale = math.sqrt(a * b)
    r, rest = (c / scale, math.sqrt(max(determinant, 0.0)) / scale) if scale else (0.0, 1.0)
    sides = [*STEPS, *(-d for d in STEPS)]

    def given(z):
        if rest < 1e-7:
            return f(math.sqrt(b) * r * z)
        zero = min(9.0, max(-9.0, -r * z / rest))
        points = sorted({-9.0, 9.0, zero} | {min(9.0, max(-9.0, zero + d)) for d in sides})
        return mpmath.fp.quad(lambda w: f(math.sqrt(b) * (r * z + rest * w)) * mpmath.fp.npdf(w), points, maxdegree=4)

    return mpmath.fp.quad(lambda z: f(math.sqrt(a) * z) * given(z) * mpmath.fp.npdf(z), sorted([-9.0, 0.0, 9.0, *sides]), maxdegree=4)  # fmt: skip


def reference(name, covariance):
    """`E[s(u) s(v)]`, `E[s'(u) s'(v)]` (None where there is none) and `E[s(u)]` by mpmath."""
    a, c, b = (float(v) for v in covariance)
    value, derivative = scalar(name)
    own = mpmath.fp.quad(lambda z: value(math.sqrt(a) * z) * mpmath.fp.npdf(z), sorted([-9.0, 0.0, 9.0, *STEPS, *(-d for d in STEPS)]))  # fmt: skip
    return [expectation(value, a, c, b), None if derivative is None else expectation(derivative, a, c, b), own]


def in_reach(name, covariance):
    """Where the reference is right to 1e-13: it takes 9 deviations, not enough where `exp(2 z)` is left, and its panels do not
    follow waves of length 0.2."""
    spread = max(covariance)
    return not (name == "EXP" and (spread > 1 or covariance[1] == 1)) and not (name in ("SIN", "COS") and spread > 100)


CASES = [(name, covariance) for name in EVERY for covariance in COVARIANCES if in_reach(name, covariance)]
PINS = json.loads((Path(__file__).parent / "activation_pins.json").read_text())
"""What `reference` gave, computed once; `test_pins_are_what_mpmath_gives` computes it again."""


@pytest.mark.parametrize(("name", "covariance"), CASES, ids=str)
def test_expectations_agree_with_mpmath_to_1e_12(name, covariance):
    a, c, b = (float(v) for v in covariance)
    s, (value, slope, own) = EVERY[name], PINS[f"{name} {covariance}"]
    pairs = [(s.dual, value), *([(s.dual_derivative, slope)] if slope is not None else [])]
    for found, expected in pairs:
        size = math.sqrt(float(found(a, a, a)) * float(found(b, b, b)))
        assert abs(float(found(a, c, b)) - expected) <= 1e-12 * size + 1e-300
    assert abs(float(s.mean(a)) - own) <= 1e-12 * math.sqrt(float(s.dual(a, a, a))) + 1e-300


@pytest.mark.slow
def test_pins_are_what_mpmath_gives():
    for name, covariance in CASES:
        for pin, again in zip(PINS[f"{name} {covariance}"], reference(name, covariance), strict=True):
            assert pin == pytest.approx(again, rel=1e-13, abs=1e-14) if again is not None else pin is None


@pytest.mark.parametrize("library", [np, torch], ids=["numpy", "torch"])
@pytest.mark.parametrize(
    "name", ["RELU", "ABS", "STEP", "leaky", "ERF", "TANH", "SIGMOID", "SOFTPLUS", "GELU", "SILU", "SIN"]
)
def test_variances_may_have_any_scale(name, library):
    """Against the leading terms of s at 0 and at infinity; RELU's own dual at 1 is checked by mpmath above."""
    s, wave = EVERY[name], name == "SIN"
    r, slope, at_0 = 0.3, {"ERF": 2 / math.sqrt(math.pi), "SIGMOID": 0.25, "SOFTPLUS": 0.5, "GELU": 0.5, "SILU": 0.5}.get(name, 1.0), {"SIGMOID": 0.5, "SOFTPLUS": math.log(2)}.get(name, 0.0)  # fmt: skip
    as_array = lambda v: library.asarray(v, dtype=library.float64)  # noqa: E731
    for scale, other in ((1e-150, 1e-150), (1e-150, 1e-120), (1e-85, 1e-100)):
        a, c, b = scale**2, r * scale * other, other**2
        found = float(s.dual(as_array(a), as_array(c), as_array(b)))
        if s.slopes is not None or name == "STEP":
            assert found == pytest.approx(
                float(s.dual(1.0, r, 1.0)) * (1 if name == "STEP" else scale * other), rel=1e-13
            )
        else:
            assert found == pytest.approx(at_0**2 + slope**2 * c, rel=1e-13)
            assert float(s.dual_derivative(as_array(a), as_array(c), as_array(b))) == pytest.approx(slope**2, rel=1e-13)
    for scale, other in ((1e150, 1e150), (1e150, 1e120)):
        a, c, b = scale**2, r * scale * other, other**2
        far = {"STEP": ("STEP", 0), "ERF": ("sign", 0), "TANH": ("sign", 0), "SIGMOID": ("STEP", 0), "ABS": ("ABS", 1), "leaky": ("leaky", 1), "SIN": ("zero", 0)}.get(name, ("RELU", 1))  # fmt: skip
        limit = {"sign": 2 / math.pi * math.asin(r), "zero": 0.0}.get(far[0])
        limit = float(EVERY[far[0]].dual(1.0, r, 1.0)) if limit is None else limit
        found = float(s.dual(as_array(a), as_array(c), as_array(b)))
        assert found == pytest.approx(limit * (scale * other) ** far[1], rel=1e-13, abs=0 if not wave else 1e-300)


def test_the_mixture_of_normals_is_the_logistic_distribution():
    """Its moments are `E[S^2n] = (2^2n - 2) pi^2n |B_2n| / (2n - 1)!!`, those of the logistic distribution over those of
    the normal one."""
    deviations, weights = smoothed._logistic()
    assert weights.sum() == pytest.approx(1, rel=1e-14)
    for n in (1, 2, 3):
        moment = (2 ** (2 * n) - 2) * mpmath.pi ** (2 * n) * abs(mpmath.bernoulli(2 * n)) / mpmath.fac2(2 * n - 1)
        assert float(weights @ deviations ** (2 * n)) == pytest.approx(float(moment), rel=1e-10)


def test_angles_near_0_and_pi_are_right_to_rounding():
    for c in (1 - 1e-12, 1 - 1e-15, -1 + 1e-13):
        with mpmath.workdps(40):
            theta = mpmath.acos(mpmath.mpf(c))
            profile = (mpmath.sin(theta) + (mpmath.pi - theta) * c) / (2 * mpmath.pi)
            expected = float(profile), float((mpmath.pi - theta) / (2 * mpmath.pi))
        assert float(RELU.dual(1.0, c, 1.0)) == pytest.approx(expected[0], rel=1e-15, abs=1e-16)
        assert float(RELU.dual_derivative(1.0, c, 1.0)) == pytest.approx(expected[1], rel=1e-14, abs=1e-16)
        assert float(STEP.dual(1.0, c, 1.0)) == pytest.approx(expected[1], rel=1e-14, abs=1e-16)


@pytest.mark.parametrize("name", ["TANH", "SIGMOID", "SOFTPLUS", "GELU", "SILU"])
@pytest.mark.parametrize(("a", "b"), [(1.7, 1e3), (2.4245, 1e6), (2.0, 100.0), (7.0, 1e3), (10.0, 1e7), (1e-3, 1e4)])
def test_series_of_one_large_variance_are_right_at_correlations_1_and_minus_1(name, a, b):
    """There the double integral is a single one, taken by mpmath."""
    s, functions = EVERY[name], scalar(name)
    panels = sorted({0.0, *(sign * d for sign in (-1, 1) for d in (9.0, 3.0, 1.0, 0.3, *(k / math.sqrt(b) for k in (0.3, 1, 3, 8, 20, 40))) if d <= 9)})  # fmt: skip
    for function, dual in zip(functions, (s.dual, s.dual_derivative), strict=True):
        size = math.sqrt(float(dual(a, a, a)) * float(dual(b, b, b)))
        for sign in (-1, 1):
            expected = mpmath.fp.quad(lambda z, f=function, sign=sign: f(math.sqrt(a) * z) * f(sign * math.sqrt(b) * z) * mpmath.fp.npdf(z), panels, maxdegree=5)  # fmt: skip
            assert abs(float(dual(a, sign * math.sqrt(a) * math.sqrt(b), b)) - expected) <= 1e-12 * size


def test_slopes_of_very_large_variances_are_those_of_a_peak():
    for b in (1e10, 1e12, 1e14, 1e20):  # the integral of sech^4 is 4/3
        peak = 4 / 3 / math.sqrt(2 * math.pi * b)
        assert float(TANH.dual_derivative(b, b, b)) == pytest.approx(peak, rel=2e-10 if b < 1e11 else 1e-11)


def test_single_precision_is_taken_and_sine_keeps_its_slope_at_0():
    variances = np.random.default_rng(3).uniform(0.1, 5, 200).astype(np.float32)
    for s in (RELU, TANH, SOFTPLUS):
        np.testing.assert_allclose(s.dual(variances, variances, variances), s.dual(*(variances.astype(float),) * 3), rtol=2e-5)  # fmt: skip
    c = torch.zeros((), dtype=torch.float64, requires_grad=True)
    one = torch.ones((), dtype=torch.float64)
    (slope,) = torch.autograd.grad(activations.SIN.dual(one, c, one), c)
    assert float(slope) == pytest.approx(math.exp(-1), rel=1e-14)
    large = 8.68336e7
    assert float(activations.SIN.dual(large - 3.0, large - 1.6, large)) == pytest.approx(math.exp(-0.1) / 2, rel=3e-8)


@pytest.mark.parametrize("variance", [3.0, 30.0, 1e3])
@pytest.mark.parametrize("name", ["TANH", "SOFTPLUS", "GELU", "SILU", "SIGMOID"])
def test_gradients_of_double_integrals_are_right_at_equal_inputs(name, variance):
    tensors = [torch.tensor([variance] * 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    with torch.no_grad():
        tensors[1][1] = -variance
    s = EVERY[name]
    slopes = torch.autograd.grad(s.dual(*tensors).sum(), tensors)
    plain = [t.detach() for t in tensors]
    np.testing.assert_allclose(slopes[1], s.dual_derivative(*plain), atol=3e-6)  # Price's theorem
    assert all(slope.isfinite().all() for slope in slopes)


def test_scalings_are_those_of_the_paper():
    # computed in mpmath with 30 digits
    pins = {"SOFTPLUS": 1.08548650298834342, "RELU": 2, "ERF": 2.15257886060759855, "TANH": 2.53617543321745, "SIGMOID": 3.40855984162310}  # fmt: skip
    for name, value in pins.items():
        assert EVERY[name].c_sigma == pytest.approx(value, rel=3e-14)


@pytest.mark.parametrize("name", EVERY)
def test_derivatives_and_constants_are_true(name):
    s = EVERY[name]
    x = np.linspace(-6, 6, 2401) + 1e-3 if name in ("EXP", "cube", "fourth") else np.linspace(-30, 30, 12001) + 1e-3
    h = 1e-6
    np.testing.assert_allclose((s.value(x + h) - s.value(x - h)) / (2 * h), s.derivative(x), atol=3e-7 * max(1, np.abs(s.value(x)).max()))  # fmt: skip
    np.testing.assert_allclose(s.value(x), [scalar(name)[0](v) for v in x], rtol=1e-14, atol=1e-15)
    slope = np.abs(s.derivative(x)).max()
    bend = np.abs(np.diff(s.derivative(x)) / np.diff(x)).max()
    for constant, seen in ((s.lipschitz, slope), (s.smoothness, bend)):
        assert seen <= constant * (1 + 1e-9)
        if constant < math.inf:
            assert seen == pytest.approx(constant, rel=1e-4, abs=1e-12)
    assert s.condition_3_2 == (s.analytic and name not in ("cube", "fourth", "line"))
    assert (s.condition_3_1 < math.inf) == (s.lipschitz < math.inf and s.smoothness < math.inf)


@settings(max_examples=150, deadline=None)
@given(st.floats(0, 1e6), st.floats(-1, 1), st.floats(0, 1e6), st.sampled_from(sorted(set(EVERY) - {"EXP"})))
def test_no_finite_covariance_gives_nan(a, r, b, name):
    s = EVERY[name]
    c = r * math.sqrt(a) * math.sqrt(b)
    functions = [s.dual] if name == "STEP" else [s.dual, s.dual_derivative]
    for function in functions:
        if min(a, b) > 0 and min(a, b) ** 2 < 1e-270:
            return  # so small that some are refused, see test_bad_input_is_named
        value, first, second = (float(function(*v)) for v in ((a, c, b), (a, a, a), (b, b, b)))
        assert math.isfinite(value)
        assert abs(value) <= math.sqrt(first) * math.sqrt(second) * (1 + 1e-9) + 1e-150  # Cauchy and Schwarz


@pytest.mark.parametrize("name", sorted(set(EVERY) - {"EXP"}))
def test_torch_gives_the_same_and_finite_gradients_at_coincident_inputs(name):
    s = EVERY[name]
    a, c, b = np.array([1.0, 2.0, 0.0, 1.0]), np.array([1.0, 0.5, 0.0, -1.0]), np.array([1.0, 1.0, 3.0, 1.0])
    tensors = [torch.tensor(v, requires_grad=True) for v in (a, c, b)]
    for function in [s.dual] if name == "STEP" else [s.dual, s.dual_derivative]:
        found = function(*tensors)
        np.testing.assert_allclose(found.detach(), function(a, c, b), rtol=1e-12, atol=1e-14)
        slopes = torch.autograd.grad(found.sum(), tensors, allow_unused=True)
        assert all(slope is None or slope.isfinite().all() for slope in slopes)
    if name not in ("STEP", "ABS", "RELU", "leaky"):
        slope = torch.autograd.grad(s.dual(*tensors).sum(), tensors[1], allow_unused=True)[0]
        inside = [0, 1, 3]  # Price's theorem; at variance 0 the gradient counts as 0
        np.testing.assert_allclose(slope[inside], s.dual_derivative(a, c, b)[inside], rtol=1e-9, atol=1e-12)


def test_a_function_of_your_own_has_the_expectations_of_the_built_in_one():
    mine = from_functions("mine", np.tanh, lambda x: 1 - np.tanh(x) ** 2, lipschitz=1, smoothness=1, analytic=True)
    variances = np.array([0.0, 0.5, 1.0, 7.0])
    c = 0.3 * np.sqrt(variances[:, None] * variances)
    for name in ("dual", "dual_derivative"):
        np.testing.assert_allclose(getattr(mine, name)(variances[:, None], c, variances), getattr(TANH, name)(variances[:, None], c, variances), atol=1e-14)  # fmt: skip
    assert mine.c_sigma == pytest.approx(TANH.c_sigma, rel=1e-14)


@pytest.mark.parametrize("variance", [4.0, 8.0, 12.0])
def test_long_series_are_the_double_integrals(variance, monkeypatch):
    """Of tanh, where 256 terms do not do: another method."""
    a, b, r = np.full(5, variance), np.full(5, variance / 2), np.array([-0.99, -0.4, 0.1, 0.8, 0.999])
    direct = HermiteDual(np.tanh)._direct(a, r, b)
    monkeypatch.setattr(HermiteDual, "_direct", None)
    np.testing.assert_allclose(TANH.dual(a, r * np.sqrt(a * b), b), direct, rtol=1e-13)


def own(value, derivative, name="own", **kinks):
    return from_functions(name, value, derivative, lipschitz=1.0, smoothness=math.inf, analytic=False, **kinks)


HARD_TANH = own(lambda x: x.clip(-1, 1), lambda x: (abs(x) < 1) * (1 + 0 * x), "hard tanh", kinks=[-1, 1])
STEEP = own(lambda x: np.tanh(1e6 * x), lambda x: 1e6 / np.cosh(np.minimum(abs(1e6 * x), 300)) ** 2)
FAST = own(lambda x: np.sin(30 * x), lambda x: 30 * np.cos(30 * x), "fast sine")


@pytest.mark.parametrize(
    ("a", "r", "b"),
    [(1.0, 0.3, 1.0), (7.0, -0.9, 0.5), (1e4, 0.5, 30.0), (0.2, 0.9999, 0.3), (5.0, -0.9999, 2.0), (100.0, 0.999, 100.0), (1e6, -1.0, 1e6), (1e12, 0.1, 2.0)],
)  # fmt: skip
def test_expectations_of_hard_tanh_are_integrals_over_u_of_its_mean_given_u(a, r, b):
    """By mpmath; the mean of `clip(v)`, and the probability that `|v| < 1`, given u are closed forms."""
    fp, rest = mpmath.fp, math.sqrt((1 - r) * (1 + r))
    c = r * math.sqrt(a) * math.sqrt(b)

    def given(z, slope):
        mean, deviation = math.sqrt(b) * r * z, math.sqrt(b) * rest
        if deviation == 0:
            return float(abs(mean) < 1) if slope else min(max(mean, -1.0), 1.0)
        low, high = (-1 - mean) / deviation, (1 - mean) / deviation
        inside = fp.ncdf(high) - fp.ncdf(low)
        return inside if slope else fp.ncdf(-high) - fp.ncdf(low) + mean * inside + deviation * (fp.npdf(low) - fp.npdf(high))  # fmt: skip

    kink, far = 1 / math.sqrt(a), 1 / (abs(r) * math.sqrt(b))
    steps = [0.0, *(rest * 4.0**k for k in range(-1, 10))]
    points = sorted({p for k in (kink, -kink, far, -far) for d in steps for p in (k + d, k - d) if abs(p) < 9} | {-9.0, 0.0, 9.0})  # fmt: skip
    for slope, dual in ((False, HARD_TANH.dual), (True, HARD_TANH.dual_derivative)):
        mine = (lambda u: float(abs(u) < 1)) if slope else (lambda u: min(max(u, -1.0), 1.0))
        expected = fp.quad(lambda z, slope=slope, mine=mine: mine(math.sqrt(a) * z) * given(z, slope) * fp.npdf(z), points, maxdegree=5)  # fmt: skip
        size = math.sqrt(float(dual(a, a, a))) * math.sqrt(float(dual(b, b, b)))
        assert abs(float(dual(a, c, b)) - expected) <= 2e-10 * size


def test_steep_and_fast_functions_of_your_own_are_right():
    assert float(STEEP.dual(1.0, 0.5, 1.0)) == pytest.approx(2 / math.pi * math.asin(0.5), rel=1e-9)
    for c in (0.3, 0.999, 1.0):
        for found, closed in ((FAST.dual, "SIN"), (FAST.dual_derivative, "COS")):
            expected = float(EVERY[closed].dual(900.0, 900 * c, 900.0)) * (1 if closed == "SIN" else 900)
            assert float(found(1.0, c, 1.0)) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    bump = own(lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x))
    assert float(bump.dual(1e3, 1e3, 1e3)) == pytest.approx(1 / math.sqrt(4001), rel=1e-11)  # E[exp(-2 u^2)]
    slope = 4e3 * 4001**-1.5  # E[4 u^2 exp(-2 u^2)]
    assert float(bump.dual_derivative(1e3, 1e3, 1e3)) == pytest.approx(slope, rel=1e-10)
    grown = own(np.exp, np.exp)
    assert float(grown.dual(9.0, 4.5, 9.0)) == pytest.approx(math.exp(13.5), rel=1e-12)


def test_the_matrix_of_hard_tanhs_slopes_is_positive_semidefinite_and_its_gradients_are_differences():
    x = np.random.default_rng(4).normal(size=(12, 3)) * 2
    c = x @ x.T
    variances = np.diag(c)
    values = HARD_TANH.dual_derivative(variances[:, None], c, variances)
    assert np.linalg.eigvalsh(values)[0] >= -1e-12
    a, covariance, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (2.0, 0.8, 3.0))
    slopes = torch.autograd.grad(HARD_TANH.dual_derivative(a, covariance, b), (a, covariance, b))
    h, point = 1e-5, np.array([2.0, 0.8, 3.0])
    for slope, step in zip(slopes, h * np.eye(3), strict=True):
        there, back = (float(HARD_TANH.dual_derivative(*(point + sign * step))) for sign in (1, -1))
        assert float(slope) == pytest.approx((there - back) / (2 * h), abs=1e-7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RELU.dual(-1.0, 0.0, 1.0), "variance has a negative entry"),
        (lambda: RELU.dual(1.0, 1.1, 1.0), "exceeds the root of the product"),
        (lambda: SOFTPLUS.dual(1.0, math.nan, 1.0), "covariance"),
        (lambda: SOFTPLUS.mean(-1.0), "variance has a negative entry"),
        (lambda: STEP.dual_derivative(1.0, 0.0, 1.0), "derivative of step is no function"),
        (lambda: leaky_relu(math.nan), "slope is nan"),
        (lambda: leaky_relu(None), "slope is None"),
        (lambda: leaky_relu(1e200), r"slope is 1e\+200"),
        (
            lambda: from_functions("f", lambda x: x if x > 0 else 0, np.cos, lipschitz=1, smoothness=1, analytic=True),
            "value does not take arrays",
        ),
        (lambda: monomial(0), "power is 0"),
        (lambda: monomial(2.5), "power is 2.5"),
        (
            lambda: from_functions("f", math.tanh, np.cos, lipschitz=1, smoothness=1, analytic=True),
            "value does not take arrays",
        ),
        (
            lambda: from_functions("f", np.sin, lambda x: 1.0, lipschitz=1, smoothness=1, analytic=True),
            "derivative gives",
        ),
        (
            lambda: from_functions("0", np.zeros_like, np.zeros_like, lipschitz=0, smoothness=0, analytic=True).c_sigma,
            "no scaling",
        ),
        (lambda: EVERY["EXP"].dual(800.0, 800.0, 800.0), "exp .* not finite .* variances up to 800"),
        (lambda: EVERY["cube"].dual_derivative(1e200, 0.0, 1e200), "variances up to 1e\\+200"),
        (lambda: EVERY["EXP"].mean(1e4), "not finite"),
        (lambda: own(lambda x: x.clip(-1, 1), lambda x: (abs(x) < 1) * 1.0), r"kink near -1.*kinks=\[-1, "),
        (lambda: own(lambda x: np.maximum(x - 1.3, 0), lambda x: (x > 1.3) * 1.0), "kink near 1.3"),
        (lambda: own(np.tanh, lambda x: 1.0001 * (1 - np.tanh(x) ** 2)), "derivative is not that of value"),
        (lambda: own(np.sin, np.sin), "derivative is not that of value"),
        (lambda: own(lambda x: (x > 0) * 1.0, np.zeros_like), "value jumps at 0 by 1"),
        (lambda: own(np.sin, np.cos, kinks=1.0), "kinks is 1.0"),
        (lambda: own(np.sin, np.cos, kinks=[math.nan]), r"kinks is \[nan\]"),
        (lambda: own(np.exp, np.exp).dual(50.0, 25.0, 50.0), "own at variance 50 .*scale"),
        (lambda: own(np.exp, np.exp).mean(50.0), "variance 50 "),
        (lambda: FAST.dual_derivative(100.0, 99.0, 100.0), "the derivative of fast sine at variance 100 "),
        (lambda: own(lambda x: abs(x - 9), lambda x: np.sign(x - 9)).dual(20.0, 1.0, 20.0), "variance 20 .*kinks="),
        (lambda: from_functions("f", np.sin, np.cos, lipschitz=-1, smoothness=1, analytic=True), "lipschitz is -1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
