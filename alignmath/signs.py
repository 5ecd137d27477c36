"""Proved signs, and logarithms of determinants, for angular-distance functions: float64 where its error bound allows,
ball arithmetic elsewhere.

Used through `AngularDistance.determinant_signs`, `is_positive_definite` and `log_determinant`, whose docstrings say
what is promised.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from .arrays import Array, as_floating, as_order, namespace, value_only
from .minors import ROUNDING, sign_threshold

if TYPE_CHECKING:
    from .angular import AngularDistance, Systems

__all__ = ["determinant_signs", "is_positive_definite", "log_determinant"]

_UNDECIDED = -128.0
_RESOLVED = 1e-9
"""The largest error of a logarithm of a determinant."""
_RELATIVE = 256 * ROUNDING
"""Relative error of f through its complement: at most 1e-14, reached just above the end of the Taylor series."""


def determinant_signs(kernel: AngularDistance, angles: Any, *, most_bits: int, undecided: int | None) -> Array:
    """See `AngularDistance.determinant_signs`.

    >>> from alignmath.angular import ARC_COSINE
    >>> determinant_signs(ARC_COSINE, [1.0, 2.5], most_bits=4096, undecided=None)
    array([ 1, -1], dtype=int8)
    """
    angles, xp = _as_float64(angles)
    most_bits = as_order(most_bits, "most_bits", least=64, most=1 << 30)
    if undecided is not None and as_order(undecided, "undecided", least=-127, most=127) in (-1, 0, 1):
        raise ValueError(f"undecided is {undecided}; take an integer that is no sign, such as 2")
    _, chunks = kernel.systems(angles)
    signs = xp.permute_dims(xp.concat([_float_signs(kernel, chunk) for chunk in chunks], axis=-1), (1, 0))
    for row, configuration in _undecided_configurations(xp, xp.any(signs == _UNDECIDED, axis=-1), angles):
        settled = _ball_signs(kernel, configuration, most_bits, undecided)
        signs[row, :] = xp.asarray(settled, dtype=signs.dtype)
    return xp.astype(xp.reshape(signs, angles.shape), xp.int8)


def is_positive_definite(kernel: AngularDistance, angles: Any, *, most_bits: int) -> Array:
    """See `AngularDistance.is_positive_definite`.

    >>> from alignmath.angular import ARC_COSINE
    >>> bool(is_positive_definite(ARC_COSINE, [1.0, 2.5, 4.0], most_bits=4096))
    True
    """
    from .balls import leading_minors, settled_signs

    angles, xp = _as_float64(angles)
    most_bits = as_order(most_bits, "most_bits", least=64, most=1 << 30)
    values, singular, bound = _eigenvalues(kernel, angles, xp)
    least = xp.min(values, axis=-1)
    definite = (least > bound) & ~singular
    for row, configuration in _undecided_configurations(xp, (xp.abs(least) <= bound) & ~singular, angles):
        evaluate = functools.partial(leading_minors, configuration, _ball(kernel))
        what = f"definiteness of {kernel.name} at {configuration}"
        settled = settled_signs(evaluate, most_bits=most_bits, what=what)
        definite[row] = min(settled) > 0
    return xp.reshape(definite, angles.shape[:-1])


def log_determinant(kernel: AngularDistance, angles: Any, *, most_bits: int) -> tuple[Array, Array]:
    """See `AngularDistance.log_determinant`.

    >>> from alignmath.angular import COSINE
    >>> [float(part.round(12)) for part in log_determinant(COSINE, [0.0, 0.5], most_bits=4096)]  # sin(1/2)^2
    [1.0, -1.470333372771]
    """
    from .balls import log_determinant as by_balls

    angles, xp = _as_float64(angles)
    most_bits = as_order(most_bits, "most_bits", least=64, most=1 << 30)
    values, singular, bound = _eigenvalues(kernel, angles, xp)
    size = xp.abs(values)
    sign = xp.prod(xp.sign(values), axis=-1)
    logarithm = xp.sum(xp.log(xp.where(size > 0, size, xp.ones_like(size))), axis=-1)
    error = xp.sum(bound / xp.where(size > bound, size, xp.full_like(size, bound)), axis=-1)
    for row, configuration in _undecided_configurations(xp, (error > _RESOLVED) & ~singular, angles):
        sign[row], logarithm[row] = by_balls(configuration, _ball(kernel), most_bits=most_bits, what=kernel.name)
    sign = xp.where(singular, xp.zeros_like(sign), sign)
    logarithm = xp.where(singular, xp.full_like(logarithm, -math.inf), logarithm)
    return xp.reshape(sign, angles.shape[:-1]), xp.reshape(logarithm, angles.shape[:-1])


def _eigenvalues(kernel: AngularDistance, angles: Array, xp: Any) -> tuple[Array, Array, float]:
    """Of every M, `(B, m)`, where M is singular for coinciding students, `(B,)`, and a bound on their errors."""
    m = angles.shape[-1]
    _, chunks = kernel.systems(angles)
    singular = xp.concat([chunk.vanishing for chunk in chunks])
    values = xp.linalg.eigvalsh(kernel.matrix(xp.reshape(angles, (-1, m))))
    return values, singular, (m * kernel.rounding + 20 * m * m) * ROUNDING * abs(kernel.peak)


def _float_signs(kernel: AngularDistance, systems: Systems) -> Array:
    """Signs of the `det M_i`, `(m, B)`, that float64 vouches for; `_UNDECIDED` elsewhere."""
    minors = systems.minors
    xp = namespace(minors.null)
    m = minors.replaced.shape[0]
    scales = xp.where(minors.scales > 0, minors.scales, xp.ones_like(minors.scales))
    errors = kernel.rounding * ROUNDING * abs(kernel.peak) * m**0.5 / scales
    if kernel.complement is not None:  # b is then accurate in the relative sense, however small
        errors = xp.concat([errors[:m], xp.full_like(errors[m:], _RELATIVE)], axis=0)
    bound = sign_threshold(minors, xp.sqrt(xp.sum(errors * errors, axis=0)))
    decided = (xp.abs(minors.null[:m]) > bound[None, ...]) & (minors.scales[m] > 0)[None, ...]
    positive = (minors.null[:m] < 0) == (minors.volume > 0)[None, ...]
    signs = xp.where(positive, xp.ones_like(minors.null[:m]), -xp.ones_like(minors.null[:m]))
    return systems.masked(xp.where(decided, signs, xp.full_like(signs, _UNDECIDED)))


def _ball_signs(kernel: AngularDistance, angles: list[float], most_bits: int, undecided: int | None) -> list[int]:
    from .balls import fold_angle, leading_minors, replaced_determinants, settled_signs

    ball, what = _ball(kernel), f"det M_i of {kernel.name} at {angles}"
    aligned = [bool(fold_angle(a).is_zero()) for a in angles]
    if any(aligned):  # then det M_i = det M for that student, and two columns of the other M_i are equal
        determinant = lambda: leading_minors(angles, ball)[-1:]  # noqa: E731
        sign = settled_signs(determinant, most_bits=most_bits, what=what, undecided=undecided)[0]
        return [sign if own else 0 for own in aligned]
    replaced = lambda: replaced_determinants(angles, ball)  # noqa: E731
    return settled_signs(replaced, most_bits=most_bits, what=what, undecided=undecided)


def _ball(kernel: AngularDistance) -> Any:
    if kernel.ball is None:
        raise ValueError(
            f"float64 cannot decide a sign for {kernel.name}, which has no ball arithmetic: give "
            "AngularDistance(..., ball=...) the function f from flint.arb to flint.arb"
        )
    return kernel.ball


def _as_float64(angles: Any) -> tuple[Array, Any]:
    angles = as_floating(angles, "angles", least_ndim=1)
    xp = namespace(angles)
    return value_only(xp.astype(angles, xp.float64)), xp


def _undecided_configurations(xp: Any, mask: Array, angles: Array) -> Any:
    """Index and angles, as Python floats, of the configurations where `mask` is true."""
    flat = xp.reshape(angles, (-1, angles.shape[-1]))
    for index in xp.nonzero(mask)[0]:
        yield int(index), [float(a) for a in flat[int(index)]]
