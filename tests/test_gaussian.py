"""Gaussian expectations against quadrature in mpmath, Monte Carlo, and each other."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alignmath import gaussian

ANGLES = [0.0, 1e-9, 0.5, 1.5, math.pi / 2, 1.5708, 2.5, 3.14, math.pi - 1e-8, math.pi]


def moment_by_quadrature(p: int, q: int, theta: float) -> mp.mpf:
    """E[u_+^p v_+^q] by one-dimensional quadrature at 30 digits, scaled so that small values keep their digits."""
    with mp.workdps(30):
        s = mp.pi - mp.mpf(theta)
        integrand = lambda x: (mp.sin(s * x) / s) ** p * (mp.sin(s * (1 - x)) / s) ** q * mp.mpf(4) ** (p + q)  # noqa: E731
        arc = s ** (p + q + 1) * mp.quad(integrand, [0, 0.25, 0.5, 0.75, 1]) / mp.mpf(4) ** (p + q)
        half = mp.mpf(p + q) / 2
        return mp.gamma(half + 1) * mp.mpf(2) ** half / (2 * mp.pi) * arc


@pytest.mark.parametrize(
    ("p", "q"), [(p, q) for p in range(5) for q in range(p + 1)] + [(2, 4), (9, 4), (0, 13), (20, 20)]
)
def test_moments_are_accurate_to_1e_13_relative_everywhere(p, q):
    for theta, found in zip(ANGLES, gaussian.relu_moment(p, q, np.array(ANGLES)), strict=True):
        expected = moment_by_quadrature(p, q, theta)
        if expected > 1e-290:
            assert abs(mp.mpf(float(found)) / expected - 1) < 1e-13, (p, q, theta)


@given(st.floats(0, math.pi), st.integers(0, 30), st.integers(0, 30))
def test_moments_are_symmetric_and_decrease_with_the_angle(theta, p, q):
    value = gaussian.relu_moment(p, q, theta)
    assert value == gaussian.relu_moment(q, p, theta)
    assert 0 <= value <= gaussian.relu_moment(p, q, 0.0) * (1 + 1e-13)


def test_profile_keeps_relative_accuracy_where_it_vanishes():
    s = np.concatenate([10.0 ** np.arange(-12, 0), np.linspace(0.01, math.pi, 500)])
    with mp.workdps(60):
        for x, found in zip(s, gaussian.complement_profile(s), strict=True):
            exact = mp.sin(mp.mpf(float(x))) - mp.mpf(float(x)) * mp.cos(mp.mpf(float(x)))
            assert abs(mp.mpf(float(found)) / exact - 1) < 2e-15


@pytest.mark.parametrize(("p", "q", "theta"), [(100, 100, 3.12), (150, 150, 3.1), (300, 0, 3.1), (40, 40, 3.1414)])
def test_moments_of_high_order_do_not_underflow_early(p, q, theta):
    assert abs(mp.mpf(float(gaussian.relu_moment(p, q, theta))) / moment_by_quadrature(p, q, theta) - 1) < 1e-12


def test_single_precision_is_computed_in_double():
    theta = np.array([0.3, 2.0, 3.14159], dtype=np.float32)
    for p, q in ((1, 1), (2, 2), (0, 1)):
        found = gaussian.relu_moment(p, q, theta)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, gaussian.relu_moment(p, q, theta.astype(float)), rtol=1e-7)
    assert gaussian.relu_moment(2, 2, np.float32(math.pi)) == 0


@pytest.mark.parametrize("theta", [math.pi / 2, math.pi / 4])
@pytest.mark.parametrize("dimension", [2, 3])
def test_angles_of_vectors_on_the_axes_have_their_derivative(dimension, theta):
    x = torch.zeros(dimension, dtype=torch.float64)
    x[1] = 2.0
    x.requires_grad_()
    y = torch.zeros(dimension, dtype=torch.float64)
    y[0], y[1] = math.sin(theta), math.cos(theta)
    (slope,) = torch.autograd.grad(gaussian.angle(x, y), x)
    expected = np.zeros(dimension)
    expected[0] = -0.5  # towards y, over the length
    np.testing.assert_allclose(slope.numpy(), expected, atol=1e-15)


def test_moments_agree_with_monte_carlo():
    rng = np.random.default_rng(3)
    u, w = rng.standard_normal((2, 4_000_000))
    for theta in (0.4, 1.3):
        v = math.cos(theta) * u + math.sin(theta) * w
        for p, q in ((0, 1), (1, 1), (2, 1), (0, 0)):
            samples = np.where(u > 0, np.abs(u) ** p, 0) * np.where(v > 0, np.abs(v) ** q, 0)
            error = samples.std() / samples.size**0.5
            assert 5 * error < 0.01 * samples.mean()  # an error of 1% would be seen
            assert abs(samples.mean() - gaussian.relu_moment(p, q, theta)) < 5 * error


def test_moments_of_order_one_and_zero_have_their_known_forms():
    theta = np.linspace(0, math.pi, 50)
    np.testing.assert_allclose(gaussian.relu_moment(0, 0, theta), (math.pi - theta) / (2 * math.pi), atol=1e-16)
    np.testing.assert_allclose(
        gaussian.arc_cosine_profile(1, theta), np.sin(theta) + (math.pi - theta) * np.cos(theta), atol=2e-15
    )
    np.testing.assert_allclose(
        gaussian.relu_moment(0, 1, theta), (1 + np.cos(theta)) / (2 * math.sqrt(2 * math.pi)), atol=1e-16
    )


def test_torch_moments_carry_gradients():
    theta = torch.linspace(0.0, math.pi, 21, dtype=torch.float64, requires_grad=True)
    value = gaussian.relu_moment(2, 3, theta)
    (slope,) = torch.autograd.grad(value.sum(), theta)
    assert bool(torch.isfinite(slope).all())
    step = 1e-6
    inner = theta.detach().numpy()[1:-1]
    numeric = (gaussian.relu_moment(2, 3, inner + step) - gaussian.relu_moment(2, 3, inner - step)) / (2 * step)
    np.testing.assert_allclose(slope.numpy()[1:-1], numeric, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_arc_cosine_kernel_is_a_gram_matrix(n):
    x = np.random.default_rng(4).standard_normal((12, 3))
    gram = gaussian.arc_cosine_kernel(n, x[:, None, :], x[None, :, :])
    np.testing.assert_allclose(gram, gram.T)
    assert np.linalg.eigvalsh(gram).min() > -1e-12 * np.trace(gram)
    if n:
        lengths = np.linalg.norm(x, axis=1)
        np.testing.assert_allclose(np.diag(gram), lengths ** (2 * n) * math.prod(range(2 * n - 1, 0, -2)), rtol=1e-12)
        assert gaussian.arc_cosine_kernel(n, x[0], np.zeros(3)) == 0


def test_vector_and_matrix_expectations_agree_with_monte_carlo():
    rng = np.random.default_rng(5)
    w, v = np.array([0.9, 0.3, -0.2]), np.array([0.5, 0.8, 0.1])
    x = rng.standard_normal((4_000_000, 3))
    for samples, expected in (
        (x * ((x @ w > 0) * np.maximum(x @ v, 0))[:, None], gaussian.step_relu_vector(w, v)),
        ((x[:, :, None] * x[:, None, :] * ((x @ w > 0) & (x @ v > 0))[:, None, None]), gaussian.step_step_matrix(w, v)),
    ):
        error = samples.std(axis=0) / len(x) ** 0.5
        assert 5 * error.max() < 0.01 * np.abs(expected).max()
        assert np.all(np.abs(samples.mean(axis=0) - expected) < 5 * error)


def test_limits_at_aligned_and_antipodal_vectors():
    w = np.array([0.6, -0.8, 0.0])
    np.testing.assert_allclose(gaussian.step_relu_vector(w, 2 * w), w, atol=1e-16)
    np.testing.assert_allclose(gaussian.step_relu_vector(w, -2 * w), 0, atol=1e-15)
    np.testing.assert_allclose(gaussian.step_step_matrix(w, w), np.eye(3) / 2, atol=1e-16)
    np.testing.assert_allclose(gaussian.step_step_matrix(w, -w), 0, atol=1e-15)


@pytest.mark.parametrize("dimension", [2, 3, 10])
@pytest.mark.parametrize("offset", [1e-9, 1e-5, 0.1, math.pi - 1e-5, math.pi - 1e-9])
def test_angles_are_accurate_near_both_ends(dimension, offset):
    frame = np.linalg.qr(np.random.default_rng(6).standard_normal((dimension, dimension)))[0]
    found = gaussian.angle(frame[0], math.cos(offset) * frame[0] + math.sin(offset) * frame[1])
    assert abs(found - offset) < 1e-15 + 4e-16 * offset


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian.relu_moment(-1, 0, 0.5), "p is -1"),
        (lambda: gaussian.relu_moment(0, 1.5, 0.5), "q is 1.5"),
        (lambda: gaussian.relu_moment(True, 0, 0.5), "p is True"),
        (lambda: gaussian.relu_moment(2**80, 0, 0.5), "overflows"),
        (lambda: gaussian.relu_moment(200, 101, 0.5), r"p \+ q is 301"),
        (lambda: gaussian.relu_moment(1, 1, -0.1), "expected radians"),
        (lambda: gaussian.relu_moment(1, 1, 90.0), "expected radians"),
        (lambda: gaussian.relu_moment(1, 1, np.nan), "finite"),
        (lambda: gaussian.relu_moment(1, 1, []), "empty"),
        (lambda: gaussian.arc_cosine_kernel(0, [1.0, 0.0], [0.0, 0.0]), "zero vector"),
        (lambda: gaussian.arc_cosine_kernel(1, [1.0, 0.0], [0.0, 0.0, 1.0]), "input dimension"),
        (lambda: gaussian.step_relu_vector([0.0, 0.0], [1.0, 0.0]), "zero vector"),
        (lambda: gaussian.step_step_matrix([1.0, 0.0], [0.0, 0.0]), "zero vector"),
        (lambda: gaussian.relu_moment(30, 30, np.float32(0.5)), "overflows float32"),
        (lambda: gaussian.relu_moment(1, 1, np.float16(0.5)), "float32 or float64"),
        (lambda: gaussian.arc_cosine_kernel(150, [1e3, 0.0], [1e3, 0.0]), "rescale"),
        (lambda: gaussian.angle([1e200, 0.0], [1.0, 0.0]), "Rescale"),
        (lambda: gaussian.angle([1e-200, 0.0], [1.0, 0.0]), "Rescale"),
        (lambda: gaussian.angle([[1.0, 0.0]] * 3, [[1.0, 0.0]] * 2), "do not broadcast"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
