"""The symbolic engine against oracles that share no algebra with it: quadrature, Mehler's series, Monte Carlo."""

from __future__ import annotations

import doctest
import math

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import proofs.gaussian_integrals as engine
from proofs.gaussian_integrals import (
    NoClosedForm,
    expectation,
    explained,
    hermite_coefficient,
    matrix_expectation,
    mehler_sum,
    planar,
    to_function,
    vector_expectation,
)

u, v, w, t = sp.symbols("u v w t")
slope = sp.Symbol("a", positive=True)
c, s = sp.cos(t), sp.sin(t)
ANGLES = (0.4, 1.0, 1.6, 2.2, 2.8)


def relu(x):
    return sp.Max(x, 0)


def power(x, p):
    return relu(x) ** p if p else sp.Heaviside(x)


LITERATURE = [
    (relu(u) * relu(v), (s + (sp.pi - t) * c) / (2 * sp.pi)),
    (sp.sign(u) * sp.sign(v), 1 - 2 * t / sp.pi),  # Grothendieck: (2/pi) arcsin cos t
    (sp.Heaviside(u) * sp.Heaviside(v), (sp.pi - t) / (2 * sp.pi)),
    (sp.Abs(u) * sp.Abs(v), 2 / sp.pi * (s + (sp.pi / 2 - t) * c)),
    (relu(u) * sp.sign(v), c / sp.sqrt(2 * sp.pi)),
    (relu(u) ** 2 * relu(v) ** 2, (3 * s * c + (sp.pi - t) * (1 + 2 * c**2)) / (2 * sp.pi)),
    (u * v, c),
    (u**2 * v**2, 1 + 2 * c**2),
    (relu(u) * v, c / 2),
]
"""Expressions with the closed forms that the literature gives for them."""
LEAKY = (relu(u) + slope * sp.Min(u, 0)) * (relu(v) + slope * sp.Min(v, 0))
MIXED = [
    LEAKY.subs(slope, sp.Rational(1, 10)),
    u**2 * relu(v) * sp.Heaviside(u),
    sp.Piecewise((u**2, u > 0), (-u, True)) * sp.Abs(v),
    relu(u * v) + sp.Max(u, 2 * u) * v,
    relu(u) ** 4 * relu(v) ** 2,
    sp.Abs(u) ** 3 * sp.sign(v) * v**2 + relu(-u) * relu(v),
    *(power(u, p) * power(v, q) for p in range(5) for q in range(p + 1)),
    power(u, 5) * power(v, 5),
    LEAKY.subs(slope, sp.Rational(5, 2)),
]


def gauss_legendre(count: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [-1, 1] in extended precision: Newton's method on the Legendre polynomial."""
    x = np.polynomial.legendre.leggauss(count)[0].astype(np.longdouble)
    slope = x
    for _ in range(3):
        before, now = np.ones_like(x), x
        for k in range(1, count):
            before, now = now, ((2 * k + 1) * x * now - k * before) / (k + 1)
        slope = count * (x * now - before) / (x * x - 1)
        x = x - now / slope
    return x, 2 / ((1 - x * x) * slope**2)


def by_quadrature(expr, theta: float) -> float:
    """Nested quadrature of the expression against the density in Cartesian coordinates, split where a Gaussian is 0."""
    function = sp.lambdify((u, v), expr, "numpy")
    nodes, weights = gauss_legendre()
    angle = np.longdouble(theta)
    cosine, sine = np.cos(angle), np.sin(angle)
    density = lambda x: np.exp(-x * x / 2) / np.sqrt(8 * np.arctan(np.longdouble(1)))  # noqa: E731
    total = np.longdouble(0)
    for low, high in ((-12, 0), (0, 12)):
        x = ((high - low) * nodes + high + low) / 2
        kink = np.clip(-cosine * x / sine, -12, 12)
        for start, end in ((-12 + 0 * x, kink), (kink, 12 + 0 * x)):
            n = ((end - start)[:, None] * nodes + (end + start)[:, None]) / 2
            values = function(x[:, None], cosine * x[:, None] + sine * n) * density(n)
            total += (high - low) / 2 * np.sum(weights * density(x) * (end - start) / 2 * (values @ weights))
    return total


def value(expr, theta: float) -> mp.mpf:
    return mp.mpf(str(sp.N(expr.subs(t, sp.Float(theta, 40)), 30)))


def test_the_examples_of_the_documentation():
    failed, attempted = doctest.testmod(engine)
    assert attempted > 5
    assert not failed


@pytest.mark.parametrize(("expr", "known"), LITERATURE, ids=str)
def test_forms_of_the_literature(expr, known):
    found = expectation(expr, (u, v), t)
    assert sp.simplify(sp.expand_trig(found - known)) == 0


def test_forms_are_written_as_in_the_literature():
    assert str(expectation(relu(u) * relu(v), (u, v), t)) == "((pi - t)*cos(t) + sin(t))/(2*pi)"
    assert (
        str(expectation(power(u, 2) * power(v, 2), (u, v), t))
        == "((pi - t)*(2*cos(t)**2 + 1) + 3*sin(t)*cos(t))/(2*pi)"
    )


def test_a_leaky_slope_may_be_a_symbol():
    found = expectation(LEAKY, (u, v), t)
    known = ((1 - slope) ** 2 * (s + (sp.pi - t) * c) + 2 * sp.pi * slope * c) / (2 * sp.pi)
    assert sp.simplify(found - known) == 0
    other = expectation(sp.Max(slope * u, u) * sp.Max(slope * v, v), (u, v), t)
    for number in (sp.Rational(1, 5), sp.Rational(3, 2)):  # above 1 the slopes change places
        first, second = (sp.Max(number * x, x) for x in (u, v))
        assert sp.simplify(other.subs(slope, number) - expectation(first * second, (u, v), t)) == 0


@pytest.mark.parametrize("expr", [*(e for e, _ in LITERATURE), *MIXED], ids=str)
def test_every_form_agrees_with_mehlers_series(expr):
    found = expectation(expr, (u, v), t)
    with mp.workdps(30):
        for theta in (0.5, 1.0, 1.6, 2.2, 2.6):
            assert abs(value(found, theta) - mehler_sum(expr, (u, v), theta)) < mp.mpf(10) ** -18


@pytest.mark.parametrize("expr", [*(e for e, _ in LITERATURE), *MIXED[:6], relu(u) ** 3 * relu(v)], ids=str)
def test_forms_agree_with_quadrature_in_the_plane(expr):
    found = expectation(expr, (u, v), t)
    for theta in ANGLES:
        exact = float(value(found, theta) - mp.mpf(str(by_quadrature(expr, theta))))
        assert abs(exact) < 1e-15


def factors(x):
    return st.sampled_from(
        [relu(x), relu(-x), sp.Abs(x), sp.sign(x), sp.Heaviside(x), x, x**2, sp.Min(x, 0), 1 + x, sp.Max(x, 3 * x)]
    )


@st.composite
def expressions(draw):
    """Sums of up to two products of up to four factors."""
    total = sp.Integer(0)
    for _ in range(draw(st.integers(1, 2))):
        term = sp.Integer(draw(st.sampled_from([1, -2, 3])))
        for x in (u, v):
            for _ in range(draw(st.integers(0, 2))):
                term *= draw(factors(x))
        total += term
    return total


SAMPLES = np.random.default_rng(5).standard_normal((2, 50_000))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(expressions(), st.floats(0.05, 3.1))
def test_random_expressions_agree_with_monte_carlo_and_mehlers_series(expr, theta):
    """Monte Carlo would see errors of some per cent; the series, away from 0 and pi, errors of 1e-12."""
    found = expectation(expr, (u, v), t)
    first = SAMPLES[0]
    second = math.cos(theta) * SAMPLES[0] + math.sin(theta) * SAMPLES[1]
    sample = sp.lambdify((u, v), expr, "numpy")(first, second) * np.ones(first.size)
    error = sample.std() / first.size**0.5
    assert abs(float(value(found, theta)) - sample.mean()) <= 5 * error + 1e-9
    if 0.5 < theta < 2.6:
        assert abs(value(found, theta) - mehler_sum(expr, (u, v), theta)) < 1e-12 * (1 + sample.std())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 6), st.integers(0, 6))
def test_turning_one_gaussian_turns_the_angle(p, q):
    straight = expectation(power(u, p) * power(v, q), (u, v), t)
    turned = expectation(power(u, p) * power(-v, q), (u, v), sp.pi - t)
    assert sp.simplify(sp.expand_trig(straight - turned)) == 0


def test_vectors_and_matrices_satisfy_steins_lemma():
    """E[x g] = E[dg/du] w + E[dg/dv] v, and once more for the matrix, for smooth enough g."""
    cube = relu(u) ** 3 * relu(v) ** 3
    gradient = [expectation(3 * relu(x) ** 2 * relu(y) ** 3, (u, v), t) for x, y in ((u, v), (v, u))]
    for found, known in zip(vector_expectation(cube, (u, v), t), gradient, strict=True):
        assert sp.simplify(sp.expand_trig(found - known)) == 0
    identity, ww, wv, vv = matrix_expectation(cube, (u, v), t)
    for found, known in (
        (identity, cube),
        (ww, 6 * relu(u) * relu(v) ** 3),
        (wv, 9 * relu(u) ** 2 * relu(v) ** 2),
        (vv, 6 * relu(u) ** 3 * relu(v)),
    ):
        assert sp.simplify(sp.expand_trig(found - expectation(known, (u, v), t))) == 0


@pytest.mark.parametrize(
    "expr",
    [sp.Heaviside(u) * relu(v), sp.Heaviside(u) * sp.Heaviside(v), relu(u) * sp.sign(v), sp.Abs(u) * relu(v) ** 2],
    ids=str,
)
def test_vectors_and_matrices_have_the_projections_that_mehlers_series_gives(expr):
    """Independent of polar coordinates: E[x g] and E[x x^T g] along w and v."""
    with mp.workdps(25):
        for theta in (0.5, 1.0, 1.6, 2.2, 2.6):
            cosine = mp.cos(theta)
            a, b = (value(part, theta) for part in vector_expectation(expr, (u, v), t))
            e, ww, wv, vv = (value(part, theta) for part in matrix_expectation(expr, (u, v), t))
            for found, weight in (
                (e, 1),  # orthogonally to the plane
                (a + b * cosine, u),
                (a * cosine + b, v),
                (e + ww + 2 * wv * cosine + vv * cosine**2, u**2),
                (e * cosine + (ww + vv) * cosine + wv * (1 + cosine**2), u * v),
                (e + ww * cosine**2 + 2 * wv * cosine + vv, v**2),
            ):
                assert abs(found - mehler_sum(weight * expr, (u, v), theta)) < mp.mpf(10) ** -18


def test_scales_and_spherical_laws():
    a, b, m, d = sp.symbols("a b m d", positive=True)
    scaled = expectation(relu(u) * relu(v), (u, v), t, scales=(a, b))
    assert sp.simplify(scaled - a * b * expectation(relu(u) * relu(v), (u, v), t)) == 0
    sphere = expectation(relu(u) * relu(v), (u, v), t, radial=lambda n: m, dimension=d)
    assert sp.simplify(sphere - m / d * expectation(relu(u) * relu(v), (u, v), t)) == 0
    gaussian = lambda n: sp.sqrt(2) ** n * sp.gamma((3 + sp.Integer(n)) / 2) / sp.gamma(sp.Rational(3, 2))  # noqa: E731
    mixed = relu(u) * relu(v) ** 2 + u**2
    assert sp.simplify(expectation(mixed, (u, v), t, radial=gaussian, dimension=3) - expectation(mixed, (u, v), t)) == 0


@pytest.mark.parametrize(
    "expr",
    [
        relu(u - 1),
        sp.Abs(2 * u + 1) ** 3,
        sp.Piecewise((1, u < -1), (u, u < 2), (u**2, True)),
        relu(u**2 - 1),
        sp.sign(u) * u,
        sp.Min(u, 1, -u),
    ],
    ids=str,
)
def test_one_gaussian_with_breakpoints_anywhere(expr):
    function = sp.lambdify(u, expr, "mpmath")
    with mp.workdps(25):
        density = lambda x: mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)  # noqa: E731
        points = [-13, -2, -1, -0.5, 0, 0.5, 1, 2, 13]
        exact = mp.quad(lambda x: function(x) * density(x), points)
        assert abs(exact - mp.mpf(str(sp.N(expectation(expr, u), 25)))) < 1e-15


def test_one_gaussian_with_a_symbolic_bias():
    b = sp.Symbol("b", real=True)
    found = expectation(relu(u + b), u)
    density, distribution = sp.exp(-(b**2) / 2) / sp.sqrt(2 * sp.pi), (1 + sp.erf(b / sp.sqrt(2))) / 2
    assert sp.simplify(found - (density + b * distribution)) == 0
    positive = sp.Symbol("p", positive=True)
    clipped = expectation(sp.Min(relu(u), positive), u)
    assert float(clipped.subs(positive, 50)) == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-12)


def test_three_gaussians():
    angles = sp.symbols("t_uv t_uw t_vw")
    orthant = expectation(sp.Heaviside(u) * sp.Heaviside(v) * sp.Heaviside(w), (u, v, w), angles)
    assert sp.simplify(orthant - (2 * sp.pi - sum(angles)) / (4 * sp.pi)) == 0
    corner = (1.0, 1.2, 1.4)
    covariance = np.array(
        [[1, math.cos(1.0), math.cos(1.2)], [math.cos(1.0), 1, math.cos(1.4)], [math.cos(1.2), math.cos(1.4), 1]]
    )
    height = (np.arange(1000) + 0.5) / 500 - 1  # the sphere, by equal areas
    turn = 2 * np.pi * (np.arange(2000) + 0.5) / 2000
    ring = np.sqrt(1 - height**2)
    sphere = np.stack([np.outer(ring, np.cos(turn)), np.outer(ring, np.sin(turn)), height[:, None] + 0 * turn])
    x = np.tensordot(np.linalg.cholesky(covariance), sphere, axes=1)
    for expr, degree, tolerance in (  # where the expression jumps, the sum over the sphere is less accurate
        (sp.Heaviside(u) * sp.Heaviside(v) * relu(w), 1, 1e-3),
        (relu(u) * relu(v) * relu(w), 3, 2e-5),
        (sp.Abs(u) * relu(-v) * w**2, 4, 2e-5),
        (sp.Heaviside(-u) * relu(v) ** 2 * sp.Heaviside(w), 2, 1e-3),
    ):
        found = float(expectation(expr, (u, v, w), angles).subs(dict(zip(angles, corner, strict=True))))
        radial = 2 ** (degree / 2) * math.gamma((degree + 3) / 2) / math.gamma(1.5)
        assert found == pytest.approx(radial * sp.lambdify((u, v, w), expr, "numpy")(*x).mean(), rel=tolerance)
    two = expectation(relu(u) * relu(v) * w**2, (u, v, w), (t, sp.pi / 2, sp.pi / 2))  # w is independent
    assert float((two - expectation(relu(u) * relu(v), (u, v), t)).subs(t, 1.3)) == pytest.approx(0, abs=1e-14)


def test_hermite_coefficients_for_every_degree():
    n = sp.Symbol("n", integer=True, positive=True)
    for expr, least in ((relu(u), 2), (sp.Heaviside(u), 1), (sp.Abs(u) ** 3, 4), (relu(u) + slope * sp.Min(u, 0), 2)):
        general = hermite_coefficient(expr, u, n)
        for degree in range(least, least + 6):
            assert sp.simplify(general.subs(n, degree) - hermite_coefficient(expr, u, degree)) == 0
    assert hermite_coefficient(relu(u), u, 0) == 1 / sp.sqrt(2 * sp.pi)
    assert hermite_coefficient(relu(u - 1), u, 3) != 0
    total = sum(float(hermite_coefficient(relu(u), u, k)) ** 2 for k in range(40))
    assert total == pytest.approx(0.5, abs=2e-3)  # Parseval: E relu^2


@pytest.mark.parametrize(
    "expr", [relu(u) * relu(v), relu(u) ** 6 * relu(v) ** 6, sp.sign(u) * sp.sign(v), u * v], ids=str
)
def test_functions_keep_their_digits_at_both_ends(expr):
    closed = expectation(expr, (u, v), t)
    function = to_function(closed, t)
    theta = np.array([0.0, 1e-9, 0.3, 1.5, 2.5, 3.0, 3.14, math.pi - 1e-9])
    exact = sp.lambdify(t, closed, "mpmath")
    with mp.workdps(260):
        for x, found in zip(theta, function(theta), strict=True):
            assert abs(mp.mpf(float(found)) / exact(mp.mpf(float(x))) - 1) < 3e-15
    angle = torch.tensor(theta[1:-1], requires_grad=True)
    np.testing.assert_allclose(function(angle).detach().numpy(), function(theta[1:-1]), rtol=1e-15)
    (derivative,) = torch.autograd.grad(function(angle).sum(), angle)
    expected = sp.lambdify(t, sp.diff(closed, t), "numpy")(theta[1:-1]) * np.ones(len(theta) - 2)
    np.testing.assert_allclose(derivative.numpy(), expected, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expectation(sp.exp(u) * v, (u, v), t), "exp of a Gaussian grows otherwise"),
        (lambda: expectation(sp.Function("g")(u), u), "g of a Gaussian"),
        (lambda: expectation(sp.sqrt(u) * v, (u, v), t), "exponent 0, 1, 2"),
        (lambda: expectation(u**slope, u), "exponent 0, 1, 2"),
        (lambda: expectation(1 / u, u), "exponent 0, 1, 2"),
        (lambda: expectation(relu(u - v), (u, v), t), "away from the axes"),
        (lambda: expectation(sp.Max(u, 1) * v, (u, v), t), "away from the axes"),
        (lambda: expectation(sp.Piecewise((u, u > 1), (v, True)), (u, v), t), "away from the axes"),
        (lambda: expectation(relu(u) * relu(v), (u, u), t), "distinct symbols"),
        (lambda: expectation(relu(u), (u, "v"), t), "in order"),
        (lambda: expectation(slope, slope), "is any real number"),
        (lambda: expectation(relu(u) * relu(v), (u, v)), "angle is missing"),
        (lambda: expectation(relu(u) * relu(v), (u, v), 4), "in \\[0, pi\\]"),
        (lambda: expectation(relu(u), u, t), "has no angle"),
        (lambda: expectation(u * v * w, (u, v, w), t), "three angles"),
        (lambda: expectation(relu(u), (u, v), t, scales=(1, -1)), "positive expression"),
        (lambda: expectation(relu(u), (u, v), t, radial=lambda n: 1), "dimension"),
        (lambda: expectation(relu(u), u, radial=lambda n: 1, dimension=3), "two Gaussians"),
        (
            lambda: expectation(relu(u - slope) * sp.sign(u - sp.Symbol("q", real=True)), u),
            "not known which of the breakpoints",
        ),
        (lambda: expectation(relu(u - sp.Symbol("z")), u), "declare the symbols"),
        (lambda: vector_expectation(relu(u), u, t), "expected 2 symbols"),
        (lambda: expectation(relu(u), sp.Symbol("u", real=True)), "another symbol of the name u"),
        (
            lambda: expectation(sp.Abs(sp.Symbol("n", nonnegative=True)), sp.Symbol("n", nonnegative=True)),
            "is any real number",
        ),
        (lambda: expectation(sp.Piecewise((u, u > 0)), u), "not defined, or not finite"),
        (lambda: expectation(sp.oo * relu(u) * v, (u, v), t), "not defined, or not finite"),
        (lambda: expectation(relu(u) * relu(v) * relu(w), (u, v, w), (1, 1, 3)), "no three unit vectors"),
        (lambda: expectation(relu(u) * relu(v) * relu(w), (u, v, w), (0, t, t)), "equal or opposite"),
        (lambda: matrix_expectation(sp.Heaviside(u) * sp.Heaviside(v), (u, v), 0), "not unique"),
        (lambda: expectation(None, u), "is no expression"),
        (lambda: expectation([u, v], u), "is no expression"),
        (lambda: expectation(u, {u, v}), "in order"),
        (lambda: expectation(u * v, (u, v), u), "without the Gaussians"),
        (lambda: expectation(u * v, (u, v), sp.I), "radians"),
        (lambda: expectation(u * v, (u, v), True), "expected an expression"),
        (lambda: expectation(u * v, (u, v), t, scales=2), "scales is 2"),
        (lambda: expectation(u * v, (u, v), t, radial=lambda n: 1, dimension=0), "dimension is 0"),
        (lambda: expectation(u * v, (u, v), t, radial={}.__getitem__, dimension=3), "radial\\(2\\) failed"),
        (lambda: expectation(u * v, (u, v), t, radial=lambda n: -1, dimension=3), "no moment"),
        (lambda: hermite_coefficient(slope * relu(u), u, slope), "take another symbol"),
        (lambda: mehler_sum(u * v, (u, v), 0.0), "too slowly"),
        (lambda: to_function(sp.I * t, t), "complex"),
        (lambda: to_function(sp.sqrt(t), t), "pole or a kink"),
        (lambda: to_function(t, t)([]), "empty"),
        (lambda: hermite_coefficient(relu(u), u, -1), "from 0 on"),
        (lambda: to_function(slope * t, t), "substitute numbers"),
        (lambda: to_function(1 / s, t), "pole"),
        (lambda: to_function(t, t)(4.0), "in \\[0, pi\\]"),
    ],
)
def test_bad_input_says_what_is_supported(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_parameters_may_have_any_name():
    plain = vector_expectation(slope * sp.Heaviside(u) * relu(v), (u, v), t)
    for name in ("c", "x", "t_0", "s"):
        named = vector_expectation(sp.Symbol(name) * sp.Heaviside(u) * relu(v), (u, v), t)
        assert [sp.simplify(p.subs(slope, sp.Symbol(name)) - q) for p, q in zip(plain, named, strict=True)] == [0, 0]


def test_floats_are_taken_as_the_decimals_they_show():
    found = expectation((0.1 * relu(u) + 0.2 * relu(u) ** 2) * relu(v), (u, v), t)
    assert not found.has(sp.Float)
    exact = expectation((relu(u) / 10 + relu(u) ** 2 / 5) * relu(v), (u, v), t)
    assert sp.simplify(found - exact) == 0
    assert to_function(found, t)(np.float32(3.0)).dtype == np.float32


def test_gaussians_that_do_not_occur_have_no_say():
    angles = sp.symbols("t_uv t_uw t_vw")
    assert expectation(u * v, (u, v, w), angles) == sp.cos(angles[0])
    assert expectation(relu(w), (u, v, w), angles) == 1 / sp.sqrt(2 * sp.pi)


def test_a_precision_raised_between_calls_is_heeded():
    with mp.workdps(15):
        mehler_sum(relu(u) * relu(v) ** 3, (u, v), 1.1)
    with mp.workdps(40):
        exact = mp.mpf(str(sp.N(expectation(relu(u) * relu(v) ** 3, (u, v), t).subs(t, sp.Float(1.1, 60)), 50)))
        assert abs(mehler_sum(relu(u) * relu(v) ** 3, (u, v), 1.1) - exact) < mp.mpf(10) ** -35


def test_functions_of_forms_with_small_parts():
    for form in (1 + 10**6 * t, t - sp.Rational(1, 10**4), sp.Rational(1, 10**300), sp.Integer(0), -sp.cos(t)):
        theta = np.array([0.0, 1e-5, 0.4, 2.0, math.pi])
        exact = sp.lambdify(t, form, "mpmath")
        np.testing.assert_allclose(
            to_function(form, t)(theta), [float(exact(mp.mpf(x))) for x in theta], rtol=1e-12, atol=1e-19
        )
    small = sp.Rational(1, 10**9)
    closed = expectation((relu(u) + small * sp.Min(u, 0)) * (relu(v) + small * sp.Min(v, 0)), (u, v), t)
    assert to_function(closed, t)(math.pi) == pytest.approx(-1e-9, rel=1e-5)


def test_four_gaussians_have_no_closed_form():
    x = sp.symbols("x_1:5")
    with pytest.raises(NoClosedForm, match="no closed form is known"):
        expectation(sp.prod(sp.Heaviside(g) for g in x), x, [t] * 6)


MUTANTS = [
    ("a radial moment", "radial_moment", lambda n: 2 ** sp.Rational(n, 2) * sp.gamma(sp.Rational(n + 1, 2) + 1)),
    ("an arc that ends early", "ARCS", {**planar.ARCS, (1, 1): ((-1, 1), (0, 0))}),
    ("an arc that starts elsewhere", "ARCS", {**planar.ARCS, (1, -1): ((0, 0), (-1, 1))}),
    ("an arc that turns the other way", "ARCS", {**planar.ARCS, (-1, -1): ((1, -1), (3, 0))}),
    ("sin nt without its sign", "_chebyshev_second", lambda n: ()),
]


@pytest.mark.parametrize(("what", "name", "how"), MUTANTS, ids=[m[0] for m in MUTANTS])
def test_an_altered_step_is_caught(what, name, how, monkeypatch):
    expr = sp.Abs(u) * sp.Abs(v) + relu(u) * v**2
    exact = mehler_sum(expr, (u, v), 1.1)
    assert abs(value(expectation(expr, (u, v), t), 1.1) - exact) < 1e-12
    planar.arc_integral.cache_clear()
    monkeypatch.setattr(planar, name, how)
    try:
        assert abs(value(expectation(expr, (u, v), t), 1.1) - exact) > 1e-3
    finally:
        monkeypatch.undo()
        planar.arc_integral.cache_clear()


def test_steps_name_every_quadrant():
    titles = [step.title for step in explained(sp.Abs(u) * sp.Abs(v), (u, v), t)]
    assert titles == [
        "polar coordinates",
        "quadrant (1, 1)",
        "quadrant (1, -1)",
        "quadrant (-1, 1)",
        "quadrant (-1, -1)",
        "sum",
    ]


@pytest.mark.parametrize("text", [
    "Max(Abs(Max(u/2 - 7/3, u - 5/7) - sqrt(2)) - sqrt(2), Abs(Max(u, u/2 - sqrt(2)) - pi/5) - sqrt(2), Abs(Max(sqrt(5) - u, u - 9/7 - pi/5) - sqrt(2)))",
    "Abs(Max(u - 1/7, Abs(Abs(Abs(u - 71/21) - pi/5) - pi/5) - sqrt(2), Abs(u - 2 + sqrt(2)) - pi/5, sqrt(3) - sqrt(2) - u) - 2)",
    "Abs(Max(Abs(Max(u, 1) - 2), Abs(u + 1)) - Max(u/2, 1/3))*Max(u, Abs(u - sqrt(2)))",
])  # fmt: skip
def test_nests_with_constants(text):
    """Against quadrature, between the changes of slope that a grid of 20,000 points shows."""
    u = sp.Symbol("u")
    expr = sp.sympify(text, locals={"u": u})
    function = sp.lambdify(u, expr, "numpy")
    grid = np.linspace(-12, 12, 20_001)
    bends = np.flatnonzero(np.abs(np.diff(function(grid), 3)) > 1e-7)
    ends = np.unique(np.concatenate([grid[::200], grid[bends], grid[np.minimum(bends + 3, 20_000)]]))
    node, weight = np.polynomial.legendre.leggauss(8)
    half, middle = np.diff(ends)[:, None] / 2, (ends[1:] + ends[:-1])[:, None] / 2
    points = middle + half * node
    exact = np.sum(function(points) * np.exp(-(points**2) / 2) * half * weight) / math.sqrt(2 * math.pi)
    assert float(expectation(expr, u)) == pytest.approx(exact, abs=1e-6)
