"""Angular-distance functions: determinants, proved signs, Fourier coefficients."""

from __future__ import annotations

import dataclasses
import math

import mpmath
import numpy as np
import pytest
import torch
from flint import arb, arb_mat, ctx
from hypothesis import given
from hypothesis import strategies as st

from alignmath import balls
from alignmath.angular import (
    ARC_COSINE,
    COSINE,
    LINEAR,
    RAISED_COSINE,
    AngularDistance,
    exponential,
    fourier_series,
    reduced,
    triangle,
    von_mises,
)

KERNELS = [
    ARC_COSINE,
    LINEAR,
    COSINE,
    RAISED_COSINE,
    exponential(),
    triangle(1.0, 1.0),
    von_mises(2.0),
    fourier_series([0.3, 0.5, 0.1, 0.2]),
]


def families(rng: np.random.Generator, count: int, m: int) -> list[np.ndarray]:
    """Random angles; around the teacher; all near pi; all close together; spread out with an almost antipodal pair."""
    random = rng.uniform(0, 2 * np.pi, (count, m))
    around = random.copy()
    around[:, 0], around[:, -1] = 10 ** rng.uniform(-6, -2, count), 2 * np.pi - 10 ** rng.uniform(-9, -2, count)
    far = np.pi + 10 ** rng.uniform(-9, -1, (count, m)) * rng.choice([-1, 1], (count, m))
    close = np.mod(random[:, :1] + 10 ** rng.uniform(-12, -1, (count, m)), 2 * np.pi)
    opposite = random.copy()
    opposite[:, -1] = np.mod(opposite[:, 0] + np.pi + 10 ** rng.uniform(-12, -3, count), 2 * np.pi)
    return [random, around, far, close, opposite]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
@pytest.mark.parametrize("m", [1, 2, 3, 4, 6, 9])
def test_determinants_agree_with_50_digits_to_1e_13_of_hadamards_bound(kernel, m):
    rng = np.random.default_rng(m)
    for angles in families(rng, 12, m):
        found, whole = kernel.replaced_determinants(angles), kernel.determinant(angles)
        with ctx.workdps(50):
            for row, values, value in zip(angles, found, whole, strict=True):
                matrix, rhs = balls.system(row.tolist(), kernel.ball)
                table = matrix.tolist()
                columns = [math.sqrt(sum(float(table[r][c]) ** 2 for r in range(m))) for c in range(m)]
                rhs_length = math.sqrt(sum(float(b) ** 2 for b in rhs))
                assert abs(float(matrix.det()) - value) <= 1e-13 * math.prod(columns)
                crossing = 4e-16 * kernel.peak * m**0.5 if kernel.name in ("cos t", "series of degree 3") else 0.0
                for i, exact in enumerate(balls.replaced_determinants(row.tolist(), kernel.ball)):
                    others = math.prod(c for j, c in enumerate(columns) if j != i)
                    # where f crosses 0 its values, and so b, are known to rounding of f(0) only
                    assert abs(float(exact) - values[i]) <= (1e-13 * rhs_length + crossing) * others


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
def test_coincident_angles_give_exactly_zero(kernel):
    angles = np.array([[1.0, 2.0, 1.0], [0.5, 0.0, 3.0], [1.0, 1.0 + 2 * np.pi, 2.0]])
    found = kernel.replaced_determinants(angles)
    np.testing.assert_array_equal(found[0], 0)
    np.testing.assert_array_equal(found[1, [0, 2]], 0)
    if kernel.rank is None or kernel.rank >= 3:
        assert found[1, 1] == pytest.approx(float(kernel.determinant(angles[1])), rel=1e-12)
        assert found[1, 1] != 0
    assert kernel.determinant(angles[0]) == 0


@pytest.mark.parametrize("kernel", [ARC_COSINE, von_mises(1.0), LINEAR, exponential()], ids=lambda k: k.name)
@pytest.mark.parametrize("m", [2, 3, 5])
def test_signs_are_those_of_ball_arithmetic(kernel, m):
    rng = np.random.default_rng(10 + m)
    for angles in families(rng, 40, m):
        signs = kernel.determinant_signs(angles, most_bits=512, undecided=7)
        for row, found in zip(angles, signs, strict=True):
            with ctx.workprec(2000):
                exact = balls.replaced_determinants(row.tolist(), kernel.ball)
            assert found.tolist() == [1 if d > 0 else -1 if d < 0 else 7 for d in exact]


@pytest.mark.parametrize(
    ("angles", "signs"),
    [
        ([-0.1, np.nextafter(-0.1, 0)], [-1, 1]),
        ([-1e-300, -2e-300], [1, -1]),
        ([6.283185307179586, -1e-17], [-1, 1]),
    ],
)
def test_distinct_angles_that_reduce_to_one_float_are_told_apart(angles, signs):
    with ctx.workprec(8000):
        exact = balls.replaced_determinants(angles, ARC_COSINE.ball)
        assert [1 if d > 0 else -1 if d < 0 else 0 for d in exact] == signs
    assert ARC_COSINE.determinant_signs(angles).tolist() == signs
    assert ARC_COSINE.is_positive_definite(angles)


def test_folding_encloses_the_distance_at_any_precision():
    rng = np.random.default_rng(11)
    for x in 10 ** rng.uniform(30, 40, 300):
        with ctx.workprec(2000):
            exact = balls.fold_angle(float(x))
        with ctx.workprec(128):
            assert balls.fold_angle(float(x)).overlaps(exact)
            assert balls.fold_angle(float(x)).contains(exact.mid())


def test_kernels_of_any_scale_keep_hadamards_bound():
    steep = exponential(150.0)
    np.testing.assert_allclose(steep.replaced_determinants([3.0]), np.exp(-450.0), rtol=1e-12)
    for scale in (1e-165, 1e140):
        kernel = AngularDistance(lambda t, c=scale: c * (math.pi - t), "scaled")
        plain = LINEAR.replaced_determinants([2.0])
        np.testing.assert_allclose(kernel.replaced_determinants([2.0]), scale * plain, rtol=1e-13)


def near_degenerate(rng: np.random.Generator, count: int, m: int) -> np.ndarray:
    """The family on which plain float64 shows false positive signs: (10^U(-6,-2), U(0, 2 pi), ..., 2 pi - 10^U(-9,-2))."""
    angles = rng.uniform(0, 2 * np.pi, (count, m))
    angles[:, 0] = 10 ** rng.uniform(-6, -2, count)
    angles[:, -1] = 2 * np.pi - 10 ** rng.uniform(-9, -2, count)
    return angles


def false_positives(count: int, seed: int) -> tuple[int, int]:
    """Configurations, m = 3 to 6, where no `det M_i` has a proved sign <= 0; and where plain LU determinants have none."""
    rng = np.random.default_rng(seed)
    ours = plain = 0
    for m in (3, 4, 5, 6):
        for part in np.array_split(near_degenerate(rng, count // 4, m), max(1, count // 40_000)):
            ours += int(np.sum(ARC_COSINE.determinant_signs(part).min(axis=1) > 0))
            if m == 3:
                matrix, rhs = ARC_COSINE.matrix(part), ARC_COSINE(part)
                replaced = np.repeat(matrix[:, None], m, axis=1)
                replaced[:, np.arange(m), :, np.arange(m)] = rhs
                plain += int(np.sum(np.linalg.det(replaced).min(axis=1) > 0))
    return ours, plain


def test_no_false_positive_sign_in_20000_near_degenerate_configurations():
    ours, plain = false_positives(20_000, 20)
    assert ours == 0
    assert plain > 100  # the family is as hard as it is said to be


@pytest.mark.slow
def test_no_false_positive_sign_in_a_million_near_degenerate_configurations():
    assert false_positives(1_000_000, 21)[0] == 0


@given(
    st.lists(st.floats(0, 6.28), min_size=3, max_size=6),
    st.lists(st.sampled_from([0.0, 1e-9, math.pi, 1e-16]), min_size=6, max_size=6),
)
def test_some_determinant_is_not_positive_for_any_angles(base, shifts):
    angles = np.array([base[i // 2] + shifts[i] if i % 2 else b for i, b in enumerate(base)])
    assert ARC_COSINE.determinant_signs(angles).min() <= 0


def test_structural_zeros_have_sign_zero():
    signs = ARC_COSINE.determinant_signs([[1.0, 1.0, 2.0], [0.0, 1.0, 2.0], [1.0, 2.0, 3.0]])
    assert signs.dtype == np.int8
    np.testing.assert_array_equal(signs, [[0, 0, 0], [1, 0, 0], [1, -1, 1]])
    np.testing.assert_array_equal(RAISED_COSINE.determinant_signs([0.5, 1.0, 2.0, 3.0]), 0)


def test_cramer_ratios_solve_the_system():
    angles = np.random.default_rng(22).uniform(0, 2 * np.pi, (50, 4))
    ratios = ARC_COSINE.cramer_ratios(angles)
    residual = np.einsum("bij,bj->bi", ARC_COSINE.matrix(angles), ratios) - ARC_COSINE(angles)
    assert np.abs(residual).max() < 1e-12
    with pytest.raises(ValueError, match="singular"):
        ARC_COSINE.cramer_ratios([1.0, 1.0, 2.0])


def test_exact_counterexample_of_conjecture_55_has_all_determinants_one():
    kernel = triangle(1.0, 1.0)
    np.testing.assert_allclose(kernel.replaced_determinants([1.5, 3.0, 4.5]), 1, atol=1e-14)
    assert kernel.determinant([1.5, 3.0, 4.5]) == pytest.approx(4)


def test_definiteness_is_decided_for_near_singular_matrices():
    found = ARC_COSINE.is_positive_definite([[0.5, 1.0, 2.0], [1.0, 1.0, 2.0], [1.0, 1.0 + 1e-9, 3.0]])
    np.testing.assert_array_equal(found, [True, False, True])
    assert not RAISED_COSINE.is_positive_definite([0.5, 1.0, 2.0, 3.0])
    assert not fourier_series([0.0, 1.0, -0.8]).is_positive_definite([0.5, 1.0, 2.5])
    pairs = np.concatenate([[0.3, 1.1, 2.0], np.array([0.3, 1.1, 2.0]) + np.pi])  # antipodal to rounding only
    assert ARC_COSINE.is_positive_definite(pairs)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
def test_closed_coefficients_agree_with_the_fft_and_are_not_negative(kernel):
    orders = np.arange(0, 30)
    sampled, error = dataclasses.replace(kernel, coefficients=None).fourier(orders, with_error=True)
    assert np.all(np.abs(kernel.fourier(orders) - sampled) <= 3 * error + 1e-15)
    np.testing.assert_array_equal(kernel.fourier(-orders), kernel.fourier(orders))
    assert kernel.is_angular_distance()
    assert dataclasses.replace(kernel, coefficients=None).is_angular_distance(orders=64)


def test_a_negative_coefficient_is_seen():
    assert not fourier_series([1.0, 0.5, -1e-3]).is_angular_distance()
    assert not AngularDistance(lambda t: np.exp(-t) - 0.5 * np.cos(2 * t), "dip").is_angular_distance(orders=16)


def test_coefficients_of_a_slow_exponential_keep_their_digits():
    assert exponential(1e-10).fourier(0) == pytest.approx(1 - math.pi * 1e-10 / 2, abs=1e-15)


def test_coefficients_of_the_paper_function():
    found = ARC_COSINE.fourier([0, 1, 2, 3, 4, 6])
    expected = [4 / np.pi, np.pi / 4, 4 / (9 * np.pi), 0, 4 / (225 * np.pi), 4 / (1225 * np.pi)]
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_the_kernel_is_even_and_periodic():
    t = np.linspace(-20, 20, 101)
    for kernel in KERNELS:
        np.testing.assert_allclose(kernel(t), kernel(-t), atol=1e-14)
        np.testing.assert_allclose(kernel(t), kernel(t + 2 * np.pi), atol=2e-14)


def test_angles_of_one_turn_are_kept_to_the_bit():
    angles = np.random.default_rng(23).uniform(0, 2 * np.pi, 100)
    np.testing.assert_array_equal(reduced(angles), angles)
    assert np.all(reduced(np.array([-1e-20, -7.0, 100.0])) >= 0)


def test_torch_in_torch_out_with_gradients():
    angles = torch.tensor([[1.0, 2.0, 4.0], [0.5, 3.0, 5.0]], dtype=torch.float64, requires_grad=True)
    z = ARC_COSINE.minimum_determinant(angles)
    (slope,) = torch.autograd.grad(z.sum(), angles)
    base = angles.detach().numpy()
    for i in range(3):
        up, down = base.copy(), base.copy()
        up[:, i] += 1e-6
        down[:, i] -= 1e-6
        numeric = (ARC_COSINE.minimum_determinant(up) - ARC_COSINE.minimum_determinant(down)) / 2e-6
        np.testing.assert_allclose(slope[:, i], numeric, atol=1e-6)
    assert ARC_COSINE.determinant_signs(angles.detach()).dtype == torch.int8


def test_gradients_through_a_student_at_the_teacher_are_kept():
    angles = torch.tensor([0.0, 1.0, 2.5], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(ARC_COSINE.replaced_determinants, angles).numpy()
    step = 1e-6
    for j in range(3):
        shift = step * np.eye(3)[j]
        after, before = (ARC_COSINE.replaced_determinants(angles.numpy() + sign * shift) for sign in (1, -1))
        np.testing.assert_allclose(jacobian[:, j], (after - before) / (2 * step), atol=1e-8)


def test_shapes_follow_the_batch():
    angles = np.random.default_rng(24).uniform(0, 2 * np.pi, (2, 3, 4))
    assert ARC_COSINE.matrix(angles).shape == (2, 3, 4, 4)
    assert ARC_COSINE.replaced_determinants(angles).shape == (2, 3, 4)
    assert ARC_COSINE.minimum_determinant(angles).shape == (2, 3)
    assert ARC_COSINE.determinant(angles[0, 0]).shape == ()
    assert ARC_COSINE.is_positive_definite(angles).shape == (2, 3)
    many = np.random.default_rng(25).uniform(0, 2 * np.pi, (60_000, 3))
    np.testing.assert_array_equal(ARC_COSINE.minimum_determinant(many)[-5:], ARC_COSINE.minimum_determinant(many[-5:]))


def test_flint_precision_is_left_as_it_was():
    before = ctx.prec
    ARC_COSINE.determinant_signs(near_degenerate(np.random.default_rng(26), 50, 3))
    assert ctx.prec == before


def test_undecidable_signs_are_refused_not_guessed():
    flat = dataclasses.replace(RAISED_COSINE, rank=None)
    with pytest.raises(ArithmeticError, match="do not tell the sign from 0"):
        flat.determinant_signs([0.5, 1.0, 2.0, 3.0], most_bits=512)
    assert flat.determinant_signs([0.5, 1.0, 2.0, 3.0], most_bits=512, undecided=9).tolist() == [9] * 4
    with pytest.raises(ValueError, match="has no ball arithmetic"):
        dataclasses.replace(flat, ball=None).determinant_signs([0.5, 1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ARC_COSINE.replaced_determinants([1.0, np.nan]), r"angles\[1\] is nan"),
        (lambda: ARC_COSINE.matrix(np.empty((3, 0))), "angles is empty"),
        (lambda: ARC_COSINE.minimum_determinant(1.0), "at least 1 dimension"),
        (lambda: ARC_COSINE(np.inf), "finite"),
        (lambda: ARC_COSINE.fourier(1.5), "integers"),
        (lambda: ARC_COSINE.fourier(2**40), r"2\^30"),
        (lambda: ARC_COSINE.fourier(10**30), r"2\^30"),
        (lambda: ARC_COSINE.is_angular_distance(orders=-1), "orders is -1"),
        (lambda: ARC_COSINE.is_angular_distance(orders=10**10), "orders is 10000000000"),
        (lambda: ARC_COSINE.determinant_signs([1.0, 1e20]), "modulo 2 pi"),
        (lambda: ARC_COSINE.determinant_signs([1.0, 2.0], undecided=1000), "undecided is 1000"),
        (lambda: ARC_COSINE.determinant_signs([1.0, 2.0], undecided=0), "no sign"),
        (lambda: ARC_COSINE.determinant_signs([1.0, 2.0], most_bits=-5), "most_bits is -5"),
        (lambda: ARC_COSINE.determinant(torch.tensor([1.0, 1.0, 2.0], requires_grad=True)), "coinciding students"),
        (lambda: AngularDistance(lambda t: t * np.nan, "broken").determinant([1.0, 2.0]), "broken is not finite"),
        (lambda: AngularDistance(lambda t: 1e160 * t, "huge").determinant([1.0, 2.0]), "rescale it"),
        (lambda: exponential("a"), "rate is 'a'"),
        (lambda: triangle(1.0, "a"), "offset is 'a'"),
        (lambda: fourier_series([1j]), "complex"),
        (lambda: exponential(0.0), "rate is 0.0"),
        (lambda: triangle(4.0), "width is 4.0"),
        (lambda: triangle(1.0, -1.0), "offset is -1.0"),
        (lambda: von_mises(math.nan), "concentration is nan"),
        (lambda: fourier_series([]), "empty"),
        (lambda: fourier_series([0.0, 0.0]), "all 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_balls_enclose_the_matrix():
    with ctx.workprec(128):
        matrix, rhs = balls.system([1.0, 2.5, 4.0], ARC_COSINE.ball)
        assert isinstance(matrix, arb_mat)
        assert all(isinstance(b, arb) for b in rhs)
        np.testing.assert_allclose(
            [[float(x) for x in row] for row in matrix.tolist()], ARC_COSINE.matrix([1.0, 2.5, 4.0])
        )
        assert balls.fold_angle(7.0) < arb.pi()


def test_determinants_of_many_students_are_refused_where_they_leave_the_range_and_have_logarithms():
    """80 students: log |det M| by 60 digits of mpmath's LU; `determinant` gave 0.0, which means coincidence."""
    angles = np.random.default_rng(0).permutation(np.linspace(0.01, 6.2, 80)) + 0.01 * np.random.default_rng(1).random(
        80
    )
    sign, logarithm = ARC_COSINE.log_determinant(angles)
    with mpmath.workdps(60):
        t = [mpmath.mpf(float(a)) for a in angles]
        folded = lambda d: min(abs(d), 2 * mpmath.pi - abs(d))  # noqa: E731
        f = lambda d: mpmath.sin(folded(d)) + (mpmath.pi - folded(d)) * mpmath.cos(folded(d))  # noqa: E731
        exact = mpmath.det(mpmath.matrix([[f(a - b) for b in t] for a in t]))
        assert exact > 0
        assert float(logarithm) == pytest.approx(float(mpmath.log(exact)), abs=1e-9)
        gap = mpmath.mpf(0.5 + 1e-12) - mpmath.mpf(0.5)
        pair = mpmath.log(f(0) ** 2 - f(gap) ** 2)
    assert float(sign) == 1
    few = ARC_COSINE.log_determinant(angles[:9])
    assert float(few[0] * np.exp(few[1])) == pytest.approx(float(ARC_COSINE.determinant(angles[:9])), rel=1e-9)
    crowd = np.random.default_rng(2).uniform(0, 2 * math.pi, 150)
    for method in (ARC_COSINE.determinant, ARC_COSINE.replaced_determinants, ARC_COSINE.minimum_determinant):
        with pytest.raises(ValueError, match=r"leave the range .* use log_determinant"):
            method(crowd)
    assert ARC_COSINE.determinant([0.5, 0.5]) == 0
    twice = ARC_COSINE.log_determinant(np.array([[0.5, 0.5], [0.5, 1.0]]))
    assert twice[0].tolist() == [0, 1]
    assert twice[1][0] == -math.inf
    assert float(ARC_COSINE.log_determinant([0.5, 0.5 + 1e-12])[1]) == pytest.approx(float(pair), abs=1e-9)
