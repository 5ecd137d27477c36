"""Bare formulas of networks `f(x) = V relu(W x)` with outputs in R^C, as matrix products, for hundreds of neurons in
hundreds of dimensions. Nothing is checked here.

Stack the rows `w_n` of both hidden layers, with the columns of V, signed: `c_n = v_n` for students, `-v_n` for
teachers. The residual is `r(x) = sum c_n relu(w_n . x)` and the loss `L = E|r|^2 / 2`. With `t` the angles between
hidden weights, and inputs `x ~ N(0, I)`, the closed forms are

    L       = |sum c_n w_n^T|^2 / 4 + sum (c_n . c_l) |w_n| |w_l| (sin t_nl - t_nl cos t_nl) / (4 pi)
    dL/dw_i = sum (v_i . c_n) w_n / 2 + sum (v_i . c_n) |w_n| (sin(t_in) w_i/|w_i| - t_in w_n/|w_n|) / (2 pi)
    dL/dv_i = sum c_n (w_n . w_i) / 2 + sum c_n |w_n| |w_i| (sin t_in - t_in cos t_in) / (2 pi)

As in `neurons`, whose case these are for C = 1, they are written so that the terms, not only their sum, vanish as
students align with teachers.
"""

from __future__ import annotations

import math

from array_api_compat import device

from ..arrays import Array, namespace, polar, value_only
from ..gaussian import angle_and_sine, complement_profile, step_step_matrix

__all__ = ["node_gradient", "node_hessian", "node_loss"]

_NEAR = 0.98
"""Cosines beyond which an angle is computed from the difference of the directions: an arccos loses digits there."""


def node_loss(hidden: Array, fan_out: Array) -> Array:
    """The loss: `hidden (..., n, d)` and signed `fan_out (..., n, C)` to `(...)`.

    >>> import numpy as np
    >>> float(node_loss(np.array([[2.0], [1.0]]), np.array([[1.0, 0.0], [-1.0, 0.0]])))
    0.25
    """
    xp = namespace(hidden)
    lengths, units = polar(hidden, axis=-1)
    theta, _ = _angles(units, units.shape[-2])
    linear = xp.matrix_transpose(fan_out) @ hidden
    weighted = lengths[..., None] * fan_out
    bent = xp.sum(weighted * (complement_profile(theta) @ weighted), axis=(-2, -1))
    value = xp.sum(linear * linear, axis=(-2, -1)) / 4 + bent / (4 * math.pi)
    return value + value_only(xp.clip(value, min=0.0) - value)  # clipped, with its derivatives


def node_gradient(hidden: Array, fan_out: Array, students: int) -> tuple[Array, Array]:
    """The gradient by the first `students` rows of both, `(..., students, d)` and `(..., students, C)`.

    hidden: `(..., n, d)`, the hidden weights of students and then teachers; fan_out: `(..., n, C)`, theirs, negative
    for teachers.

    >>> import numpy as np
    >>> [part.tolist() for part in node_gradient(np.array([[2.0], [1.0]]), np.array([[1.0], [-1.0]]), 1)]
    [[[0.5]], [[1.0]]]
    """
    xp = namespace(hidden)
    lengths, units = polar(hidden, axis=-1)
    theta, sine = _angles(units, students)
    linear = xp.matrix_transpose(fan_out) @ hidden
    own, own_units, own_lengths = hidden[..., :students, :], units[..., :students, :], lengths[..., :students, None]
    coupling = fan_out[..., :students, :] @ xp.matrix_transpose(fan_out)
    push = (coupling * sine) @ lengths[..., None]
    turned = (coupling * theta) @ hidden
    by_hidden = fan_out[..., :students, :] @ linear / 2 + (push * own_units - turned) / (2 * math.pi)
    bent = complement_profile(theta) @ (lengths[..., None] * fan_out)
    by_fan_out = own @ xp.matrix_transpose(linear) / 2 + own_lengths * bent / (2 * math.pi)
    return by_hidden, by_fan_out


def node_hessian(lengths: Array, units: Array, coupling: Array, students: int) -> Array:
    """Second derivatives of the loss by the hidden weights of the first `students` nodes: `(..., m, d, m, d)`.

    lengths, units: `(..., n)` and `(..., n, d)`, of the hidden weights of students and then teachers; coupling: `(...,
    m, n)`, the products `v_i . c_n`. The block of students i, j is `v_i . v_j E[x x^T step(w_i.x) step(w_j.x)]`; the
    diagonal blocks have besides `sum_n v_i . c_n |w_n| sin(t_in) (I + n n^T - u u^T) / (2 pi |w_i|)`, with u along
    `w_i` and n the unit vector orthogonal to it in the plane of `w_i` and `w_n`.

    >>> import numpy as np
    >>> lengths, units = np.ones(1), np.array([[1.0, 0.0]])
    >>> node_hessian(lengths, units, np.ones((1, 1)), 1).reshape(2, 2).tolist()  # a student alone: E[x x^T step]
    [[0.5, 0.0], [0.0, 0.5]]
    """
    xp, d = namespace(lengths), units.shape[-1]
    own, other = units[..., :students, None, :], units[..., None, :, :]
    theta, sine = angle_and_sine([own[..., c] for c in range(d)], [other[..., c] for c in range(d)])
    across = other - xp.cos(theta)[..., None] * own
    across = across - xp.sum(across * own, axis=-1, keepdims=True) * own
    _, across = polar(across, axis=-1)
    identity = xp.eye(d, dtype=units.dtype, device=device(units))
    bend = identity + across[..., :, None] * across[..., None, :] - own[..., :, None] * own[..., None, :]
    own_lengths = lengths[..., :students, None]
    own_lengths = xp.where(own_lengths > 0, own_lengths, xp.ones_like(own_lengths))
    scale = coupling * lengths[..., None, :] / own_lengths
    curvature = xp.sum((scale * sine / (2 * math.pi))[..., None, None] * bend, axis=-3)

    silent = xp.zeros_like(units[..., :students, :])
    silent[..., 0] = 1  # any direction, for students of length 0, which have no output
    directions = xp.where((lengths[..., :students] > 0)[..., None], units[..., :students, :], silent)
    pairs = step_step_matrix(directions[..., :, None, :], directions[..., None, :, :])
    diagonal = xp.eye(students, dtype=units.dtype, device=device(units))[:, :, None, None]
    blocks = coupling[..., :students, None, None] * pairs + diagonal * curvature[..., :, None, :, :]
    return xp.moveaxis(blocks, -3, -2)


def _angles(units: Array, count: int) -> tuple[Array, Array]:
    """Angles and their sines of the first `count` unit vectors `(..., n, d)` with all n: `(..., count, n)` each.

    From one matrix product; where two vectors are nearly parallel or opposite, from the length of their difference or
    sum, which keeps every digit. A zero vector has angle pi/2 with all others.
    """
    xp = namespace(units)
    cosine = units[..., :count, :] @ xp.matrix_transpose(units)
    near = xp.abs(cosine) > _NEAR
    where = xp.nonzero(near)
    *batch, i, j = where
    first, second = units[(*batch, i)], units[(*batch, j)]
    toward = xp.where(cosine[where] > 0, xp.ones_like(cosine[where]), -xp.ones_like(cosine[where]))
    short = 2 * xp.asin(polar(first - toward[:, None] * second, axis=-1)[0] / 2)
    fold = xp.zeros_like(cosine)
    fold[where] = short
    plain = xp.acos(xp.where(near, xp.zeros_like(cosine), cosine))
    theta = xp.where(near, xp.where(cosine > 0, fold, math.pi - fold), plain)
    return theta, xp.sin(xp.where(near, fold, plain))
