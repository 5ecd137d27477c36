"""Closed-form expectations of ReLU features of standard Gaussian inputs `x ~ N(0, I)`.

For unit vectors at angle t, let u and v be the two projections of x. Everything rests on

    E[u_+^p v_+^q] = Gamma((p+q)/2 + 1) 2^((p+q)/2) / (2 pi) * integral_0^(pi-t) sin^p(a) sin^q(pi - t - a) da,

which is `relu_moment`; p = q = 1 is the alignment paper's `f(t) = sin t + (pi - t) cos t` over 2 pi (its Section 4),
and p = q = n the arc-cosine kernels of Cho and Saul (2009).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Any

from array_api_compat import device

from .arrays import (
    Array,
    as_floating,
    as_order,
    broadcast_batches,
    namespace,
    polar,
    require_nonzero,
    require_resolved,
    root,
)

__all__ = [
    "MOST_ORDER",
    "PI_LOW",
    "angle",
    "angle_and_sine",
    "arc_cosine_kernel",
    "arc_cosine_profile",
    "complement",
    "complement_profile",
    "pairwise_angles",
    "relu_moment",
    "step_relu_vector",
    "step_step_matrix",
]

PI_LOW = 1.2246467991473532e-16
"""What `math.pi` lacks of pi."""
MOST_ORDER = 300
"""Largest p + q whose moments are all below the largest float64."""
_OVERFLOW = " (beyond it float64 overflows)"
_NO_DIRECTION = "it has no direction, which this formula needs; leave it out"
_SERIES = (
    0.3333333333333333,
    -0.03333333333333333,
    0.0011904761904761847,
    -2.2045855379179478e-05,
    2.505210838469261e-07,
    -1.9270852568716958e-09,
    1.070602817700144e-11,
    -4.498311720187276e-14,
    1.4794714359270985e-16,
    -3.8961055732733656e-19,
    7.708852134188019e-22,
)
"""`(sin s - s cos s) / s^3` as a polynomial in `s^2`: its Chebyshev interpolant on `[0, pi^2]`, computed in mpmath
(`chebyfit`, relative error 6e-19); the Taylor series would take 15 terms."""


def angle(x: Any, y: Any) -> Array:
    """Angle between vectors, accurate near 0 and pi, where the arccos of a cosine is not.

    x, y: `(..., d)`, not zero, broadcast against each other. Returns `(...)`, radians, in `[0, pi]`.

    >>> angle([1.0, 0.0], [[1.0, 1e-9], [-1.0, 0.0]])  # an arccos of the cosine would give 0 for the first
    array([1.00000000e-09, 3.14159265e+00])
    """
    x, y = _vectors(x, y)
    return angle_and_sine(*(_components(_unit(v, name)[0]) for v, name in ((x, "x"), (y, "y"))))[0]


def angle_and_sine(x: Sequence[Array], y: Sequence[Array]) -> tuple[Array, Array]:
    """Angle in `[0, pi]` and its sine between unit vectors given as their d component arrays, broadcast against each
    other.

    In the plane, the difference of the polar angles and the cross product; otherwise Kahan's `2 atan(|x - y| / |x +
    y|)` and `|x - y| |x + y| / 2`: accurate to rounding everywhere, and exactly 0 for equal vectors. Unchecked:
    where a vector is zero the result means nothing.

    >>> import numpy as np
    >>> theta, sine = angle_and_sine([np.array([1.0]), np.array([0.0])], [np.array([0.6]), np.array([0.8])])
    >>> sine, (np.cos(theta)).round(12)
    (array([0.8]), array([0.6]))
    """
    xp = namespace(*x, *y)
    if len(x) == 2:
        theta = _planar_angle(_polar_angle(x[0], x[1], 1.0), _polar_angle(y[0], y[1], 1.0))
        return theta, xp.abs(x[0] * y[1] - x[1] * y[0])
    near = root(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)))
    far = root(sum((a + b) ** 2 for a, b in zip(x, y, strict=True)))
    acute = near <= far  # not minimum and maximum, whose derivatives at a right angle are halved
    small, large = xp.where(acute, near, far), xp.where(acute, far, near)
    fold = 2 * xp.atan(small / xp.where(large > 0, large, xp.ones_like(large)))
    return xp.where(acute, fold, math.pi - fold), near * far / 2


def pairwise_angles(vectors: Array, squares: Array, rows: int) -> tuple[Array, Array]:
    """Angle and area `|z_i| |z_n| sin(angle)` of the first `rows` vectors z_i with all n of them, components first.

    vectors: `(d, n, ...)`, the batch last; squares: `(n, ...)`, their squared lengths, not 0 (any small number for the
    zero vector). Returns two arrays `(rows, n, ...)`; with a zero vector the area is 0 and the angle means nothing.

    >>> import numpy as np
    >>> vectors = np.array([[1.0, 0.0], [0.0, 2.0]])  # components first
    >>> theta, area = pairwise_angles(vectors, np.sum(vectors**2, axis=0), 2)
    >>> np.degrees(theta).round(9), area
    (array([[ 0., 90.],
           [90.,  0.]]), array([[0., 2.],
           [2., 0.]]))
    """
    xp = namespace(vectors)
    lengths = xp.sqrt(squares)
    if vectors.shape[0] == 2:  # each polar angle once
        x, y = vectors[0], vectors[1]
        polar_angles = _polar_angle(x, y, lengths)
        theta = _planar_angle(polar_angles[:rows, None, ...], polar_angles)
        return theta, xp.abs(x[:rows, None, ...] * y - y[:rows, None, ...] * x)
    units = vectors / lengths
    theta, sine = angle_and_sine(list(units[:, :rows, None, ...]), list(units[:, None, ...]))
    return theta, sine * lengths[:rows, None, ...] * lengths


def complement(theta: Array) -> Array:
    """`pi - theta` to full relative accuracy for every float `theta` in `[0, pi]`.

    >>> import numpy as np
    >>> float(complement(np.float64(math.pi)))  # what the float lacks of pi
    1.2246467991473532e-16
    """
    return (math.pi - theta) + PI_LOW


def complement_profile(s: Array) -> Array:
    """`f(pi - s) = sin s - s cos s` to full relative accuracy for `s` in `[0, pi]`; any shape.

    It is `integral_0^s a sin(a) da`, which vanishes like `s^3 / 3`. One polynomial serves on the whole interval: its
    terms cancel by less than a factor of 8, at pi.

    >>> import numpy as np
    >>> complement_profile(np.array([1e-5, math.pi])) / np.array([1e-15 / 3, math.pi])
    array([1., 1.])
    """
    square = s * s
    series = _SERIES[-1]
    for coefficient in _SERIES[-2::-1]:
        series = coefficient + square * series
    return s * square * series


def relu_moment(p: int, q: int, theta: Any) -> Array:
    """`E[(u)_+^p (v)_+^q]` for standard Gaussians u, v at angle `theta` (correlation `cos theta`).

    p, q: integers >= 0 with `p + q <= 300`; the power 0 is the step function `1(u > 0)`.
    theta: any shape, radians, in `[0, pi]`. Returns the shape of `theta`; relative error below 1e-13 near both ends in
    float64 (float32 is computed in float64 and rounded).

    Up to a right angle: Stein's lemma, `E[u g] = E[dg/du] + cos(theta) E[dg/dv]`, lowers the orders and every term is
    positive. Beyond it: `B(p+1, q+1) sin^(p+q+1)(theta) 2F1(p+1, q+1; (p+q+3)/2; cos^2(theta/2))`, a series of
    positive terms. Cho and Saul 2009 have the case p = q. Raises `ValueError` for other orders or angles.

    >>> relu_moment(1, 1, [0.0, math.pi / 2, math.pi]).round(6)  # E[relu(u) relu(v)]: 1/2, 1/(2 pi), 0
    array([0.5     , 0.159155, 0.      ])
    """
    p = as_order(p, "p", most=MOST_ORDER, why=_OVERFLOW)
    q = as_order(q, "q", most=MOST_ORDER, why=_OVERFLOW)
    if p + q > MOST_ORDER:
        raise ValueError(f"p + q is {p + q}; beyond {MOST_ORDER} the moment overflows float64")
    theta = _checked_angle(theta)
    xp = namespace(theta)
    if theta.dtype != xp.float64:
        moment = _moment(p, q, xp.clip(xp.astype(theta, xp.float64), 0.0, math.pi))
        if bool(xp.any(moment > float(xp.finfo(theta.dtype).max))):
            raise ValueError(f"the moment of order p = {p}, q = {q} overflows {theta.dtype}; pass theta in float64")
        return xp.astype(moment, theta.dtype)
    return _moment(p, q, theta)


def _moment(p: int, q: int, theta: Array) -> Array:
    xp = namespace(theta)
    closed = _low_moment(p, q, theta)
    if closed is not None:
        return closed
    cosine, sine = xp.cos(theta), xp.sin(theta)
    obtuse = cosine < 0
    acute_moment = _stein(p, q, theta, cosine, sine)
    half = xp.where(obtuse, xp.cos(theta / 2), 0.0)
    series = 1.0
    for ratio in _hypergeometric_ratios(p, q):
        series = 1.0 + (ratio * half * half) * series
    n = p + q + 1  # the power of the sine alone may underflow
    obtuse_moment = _beta_factor(p, q) * sine ** (n // 2) * sine ** (n - n // 2) * series
    return xp.where(obtuse, obtuse_moment, acute_moment)


def arc_cosine_profile(n: int, theta: Any) -> Array:
    """`J_n(theta)`, the angular part of the arc-cosine kernel of order n (Cho and Saul 2009, eq. (4)); `J_1` is f.

    theta: any shape, radians, in `[0, pi]`. `J_n = 2 pi E[u_+^n v_+^n]`; n from 0 to 150.

    >>> arc_cosine_profile(1, [0.0, math.pi / 2]).round(6)  # f(0) = pi, f(pi/2) = 1
    array([3.141593, 1.      ])
    """
    return 2 * math.pi * relu_moment(n, n, theta)


def arc_cosine_kernel(n: int, x: Any, y: Any) -> Array:
    """`k_n(x, y) = |x|^n |y|^n J_n(theta) / pi` of Cho and Saul (2009), `2 E[step step (w.x)^n (w.y)^n]` over `w ~
    N(0, I)`.

    x, y: `(..., d)`, broadcast against each other (`x[:, None, :], y[None, :, :]` gives a Gram matrix). Returns
    `(...)`. For n = 0 the vectors need a direction: zero ones raise `ValueError`. For n >= 1 they give 0. Raises
    `ValueError`, too, where the value overflows.

    >>> round(float(arc_cosine_kernel(1, [3.0, 4.0], [3.0, 4.0])), 9)  # |x|^2
    25.0
    """
    n = as_order(n, "n", most=MOST_ORDER // 2, why=_OVERFLOW)
    x, y = _vectors(x, y)
    (x_unit, x_length), (y_unit, y_length) = (_unit(v, name, zero=n > 0) for v, name in ((x, "x"), (y, "y")))
    theta, _ = angle_and_sine(_components(x_unit), _components(y_unit))
    xp = namespace(theta)
    scale = x_length * y_length
    if n > 0 and bool(xp.any(scale > (float(xp.finfo(theta.dtype).max) / (2 * _half_moment(2 * n))) ** (1 / n))):
        raise ValueError(
            f"the kernel of order n = {n} overflows for these lengths; rescale x and y (it is homogeneous)"
        )
    return 2 * scale**n * relu_moment(n, n, theta)


def step_relu_vector(w: Any, v: Any) -> Array:
    """`E[x step(w.x) relu(v.x)] = ((pi - theta) v + |v| sin(theta) w/|w|) / (2 pi)`, the pair term of the gradient.

    w, v: `(..., d)`, broadcast against each other; w not zero. Returns `(..., d)`.
    (Alignment paper, eq. (1), with the constant corrected: claim `alignment.eq1.mended`.)

    >>> step_relu_vector([0.0, 1.0], [2.0, 0.0]).round(6)  # at a right angle v / 4 + |v| w / (2 pi)
    array([0.5    , 0.31831])
    """
    w, v = _vectors(w, v, "w", "v")
    w_unit, _ = _unit(w, "w")
    v_unit, v_length = _unit(v, "v", zero=True)
    theta, sine = angle_and_sine(_components(w_unit), _components(v_unit))
    return v / 2 + v_length[..., None] * (sine[..., None] * w_unit - theta[..., None] * v_unit) / (2 * math.pi)


def step_step_matrix(w: Any, v: Any) -> Array:
    """`E[x x^T step(w.x) step(v.x)] = ((pi - theta) I + sin(theta) (p p^T - q q^T)) / (2 pi)`, `(..., d, d)`.

    p and q are the unit vectors along the sum and the difference of `w/|w|` and `v/|v|`. w, v: `(..., d)`, not
    zero, broadcast against each other. Aligned: I/2; antipodal: 0.

    >>> step_step_matrix([1.0, 0.0], [1.0, 0.0])
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    w, v = _vectors(w, v, "w", "v")
    xp = namespace(w, v)
    w_unit, v_unit = _unit(w, "w")[0], _unit(v, "v")[0]
    theta, sine = angle_and_sine(_components(w_unit), _components(v_unit))
    p, q = polar(w_unit + v_unit, axis=-1)[1], polar(w_unit - v_unit, axis=-1)[1]
    swap = p[..., :, None] * p[..., None, :] - q[..., :, None] * q[..., None, :]
    identity = xp.eye(w.shape[-1], dtype=w.dtype, device=device(w))
    return ((math.pi - theta)[..., None, None] * identity + sine[..., None, None] * swap) / (2 * math.pi)


def _polar_angle(x: Array, y: Array, length: Any) -> Array:
    """Polar angle in `[-pi/2, 3 pi/2]` of the vector (x, y), by an arctangent of numbers in `[-1, 1]`.

    Not by atan2: torch computes the last few entries of an array by another routine, and they differ in the last bit.
    """
    xp = namespace(x)
    ahead = x >= 0
    fold = 2 * xp.atan(y / (length + xp.where(ahead, x, -x)))  # not abs, whose derivative at 0 is 0
    return xp.where(ahead, fold, math.pi - fold)


def _planar_angle(x: Array, y: Array) -> Array:
    """Angle between unit vectors with polar angles x and y that differ by at most 2 pi."""
    xp = namespace(x)
    turn = xp.abs(x - y)
    return xp.minimum(turn, 2 * math.pi - turn)


def _low_moment(p: int, q: int, theta: Array) -> Array | None:
    """The moments that are one stable expression on all of `[0, pi]`."""
    xp = namespace(theta)
    if (p, q) == (0, 0):
        return complement(theta) / (2 * math.pi)
    if (p, q) == (1, 1):
        return complement_profile(complement(theta)) / (2 * math.pi)
    if p + q == 1:
        return xp.cos(theta / 2) ** 2 / math.sqrt(2 * math.pi)
    return None


def _stein(p: int, q: int, theta: Array, cosine: Array, sine: Array) -> Array:
    """`E[u_+^p v_+^q]` by Stein's lemma; every term is positive where `cosine >= 0`."""
    known: dict[tuple[int, int], Array] = {}

    def edge(k: int) -> Array:
        """`E[v_+^k delta(u)]`: on the line u = 0, v is Gaussian with deviation sin(theta)."""
        return sine**k * (_half_moment(k) / math.sqrt(2 * math.pi))

    def moment(p: int, q: int) -> Array:
        p, q = max(p, q), min(p, q)
        if (p, q) not in known:
            low = _low_moment(p, q, theta)
            if low is None:
                own = (p - 1) * moment(p - 2, q) if p > 1 else edge(q)
                other = q * moment(p - 1, q - 1) if q > 0 else edge(p - 1)
                low = own + cosine * other
            known[p, q] = low
        return known[p, q]

    return moment(p, q)


def _half_moment(k: int) -> float:
    """`E[w_+^k]` of one standard Gaussian."""
    return float(Fraction(math.prod(range(k - 1, 0, -2)), 2)) * (1.0 if k % 2 == 0 else 2 / math.sqrt(2 * math.pi))


@cache
def _beta_factor(p: int, q: int) -> float:
    """`B(p+1, q+1) Gamma((p+q)/2 + 1) 2^((p+q)/2) / (2 pi)`, rounded once from its rational part."""
    total = p + q
    beta = Fraction(math.factorial(p) * math.factorial(q), math.factorial(total + 1))
    radial = math.prod(range(total, 0, -2))
    return float(beta * radial) * (1.0 if total % 2 == 0 else math.sqrt(math.pi / 2)) / (2 * math.pi)


@cache
def _hypergeometric_ratios(p: int, q: int) -> tuple[float, ...]:
    """Ratios of successive coefficients of `2F1(p+1, q+1; (p+q+3)/2; z)`, last first, as many as z <= 1/2 needs."""
    ratios: list[float] = []
    term = total = 1.0
    while term > 1e-17 * total:
        k = len(ratios)
        ratios.append((p + 1 + k) * (q + 1 + k) / (((p + q + 3) / 2 + k) * (k + 1)))
        term *= ratios[-1] / 2
        total += term
    return tuple(reversed(ratios))


def _checked_angle(theta: Any) -> Array:
    theta = as_floating(theta, "theta")
    xp = namespace(theta)
    slack = 8 * float(xp.finfo(theta.dtype).eps)
    if bool(xp.any((theta < -slack) | (theta > math.pi + slack))):
        raise ValueError(
            f"theta ranges over [{float(xp.min(theta))}, {float(xp.max(theta))}]; expected radians in [0, pi]"
        )
    return xp.clip(theta, 0.0, math.pi)


def _vectors(x: Any, y: Any, x_name: str = "x", y_name: str = "y") -> tuple[Array, Array]:
    x, y = as_floating(x, x_name, least_ndim=1), as_floating(y, y_name, least_ndim=1)
    namespace(x, y)
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"{x_name} has shape {tuple(x.shape)} and {y_name} {tuple(y.shape)}; the last axes are the input dimension "
            "and must be equal"
        )
    broadcast_batches(**{x_name: x.shape[:-1], y_name: y.shape[:-1]})
    return x, y


def _unit(v: Array, name: str, *, zero: bool = False) -> tuple[Array, Array]:
    """Directions `(..., d)` and lengths `(...)`; zero vectors raise `ValueError`, or stay zero where `zero` is true."""
    require_resolved(v, name)
    lengths, units = polar(v, axis=-1)
    if not zero:
        require_nonzero(lengths, name, _NO_DIRECTION)
    return units, lengths


def _components(v: Array) -> list[Array]:
    return [v[..., c] for c in range(v.shape[-1])]
