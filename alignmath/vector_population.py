"""Loss and gradient of two-layer ReLU students and teachers with outputs in R^C, for inputs `x ~ N(0, s^2 I)`.

Student and teacher are `f(x) = V relu(W x)`, without biases (specialization paper, Section 5). Stack the rows `w_n`
of both hidden layers, with the columns of V, signed: `c_n = v_n` for students, `-v_n` for teachers. The residual is
`r(x) = sum c_n relu(w_n . x)` and the loss `L = E|r|^2 / 2`. With `t` the angles between hidden weights, the closed
forms are

    L       = s^2 { |sum c_n w_n^T|^2 / 4 + sum (c_n . c_l) |w_n| |w_l| (sin t_nl - t_nl cos t_nl) / (4 pi) }
    dL/dw_i = s^2 { sum (v_i . c_n) w_n / 2 + sum (v_i . c_n) |w_n| (sin(t_in) w_i/|w_i| - t_in w_n/|w_n|) / (2 pi) }
    dL/dv_i = s^2 { sum c_n (w_n . w_i) / 2 + sum c_n |w_n| |w_i| (sin t_in - t_in cos t_in) / (2 pi) }

As in `population`, whose case these are for C = 1 and s = 1, they are written so that the terms, not only their sum,
vanish as students align with teachers. Here all is matrix products, for hundreds of neurons in hundreds of
dimensions.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .arrays import Array, as_number, broadcast_batches, namespace, polar, require_nonzero, require_resolved, value_only
from .gaussian import complement_profile
from .networks import DeepReLU

__all__ = ["Gradient", "gradient", "loss", "node_gradient", "node_loss"]

_NEAR = 0.98
"""Cosines beyond which an angle is computed from the difference of the directions: an arccos loses digits there."""


class Gradient(NamedTuple):
    """Derivatives of the loss, shaped as the student's weights: `hidden (..., m, d)` and `output (..., C, m)`."""

    hidden: Array
    output: Array


def loss(student: DeepReLU, teacher: DeepReLU, scale: Any = 1.0) -> Array:
    """`E|student(x) - teacher(x)|^2 / 2` over `x ~ N(0, scale^2 I)`: shape of the (broadcast) batch, never negative.

    student, teacher: networks of one hidden layer without biases, weights `(..., m, d)` and `(..., C, m)`, any m.
    scale: the standard deviation of each input, a positive number. torch's gradients flow through. At zero loss the
    result is 0 up to rounding of the order `1e-16 s^2 (sum |c_n| |w_n|)^2`.

    Raises `ValueError` for networks of another depth or with biases, for input or output dimensions and batches that
    do not fit, and for hidden weights of lengths above 1e146.
    """
    scale = as_number(scale, "scale", above=True)
    return scale**2 * node_loss(*_residual(student, teacher))


def gradient(student: DeepReLU, teacher: DeepReLU, scale: Any = 1.0) -> Gradient:
    """Gradient of `loss` by the student's two matrices: `Gradient(hidden, output)`. Arguments and errors as for `loss`.

    Raises `ValueError`, too, where a student of hidden weight 0 has a fan-out that is not: the loss is not
    differentiable there; and for students of lengths outside 1e-146 to 1e146.
    """
    scale = as_number(scale, "scale", above=True)
    hidden, fan_out = _residual(student, teacher, directions=True)
    xp, m = namespace(hidden), student.widths[1]
    require_nonzero(
        polar(hidden[..., :m, :], axis=-1)[0],
        "student.weights[0]",
        "the loss has a kink there and no derivative. Remove the node, give it a length, or a fan-out of 0",
        among=xp.any(fan_out[..., :m, :] != 0, axis=-1),
    )
    by_hidden, by_fan_out = node_gradient(hidden, fan_out, m)
    return Gradient(scale**2 * by_hidden, scale**2 * xp.matrix_transpose(by_fan_out))


def node_loss(hidden: Array, fan_out: Array) -> Array:
    """The bare formula behind `loss` at scale 1, unchecked: `hidden (..., n, d)`, signed `fan_out (..., n, C)`."""
    xp = namespace(hidden)
    lengths, units = polar(hidden, axis=-1)
    theta, _ = _angles(units, units.shape[-2])
    linear = xp.matrix_transpose(fan_out) @ hidden
    weighted = lengths[..., None] * fan_out
    bent = xp.sum(weighted * (complement_profile(theta) @ weighted), axis=(-2, -1))
    value = xp.sum(linear * linear, axis=(-2, -1)) / 4 + bent / (4 * math.pi)
    return value + value_only(xp.clip(value, min=0.0) - value)  # clipped, with its derivatives


def node_gradient(hidden: Array, fan_out: Array, students: int) -> tuple[Array, Array]:
    """The bare formulas behind `gradient` at scale 1, for loops that have checked their input.

    hidden: `(..., n, d)`, the hidden weights of students and then teachers; fan_out: `(..., n, C)`, theirs, negative
    for teachers. Returns the derivatives by the first `students` rows of both, `(..., students, d)` and
    `(..., students, C)`.
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


def _angles(units: Array, rows: int) -> tuple[Array, Array]:
    """Angles and their sines of the first `rows` unit vectors `(..., n, d)` with all n of them: `(..., rows, n)` each.

    From one matrix product; where two vectors are nearly parallel or opposite, from the length of their difference or
    sum, which keeps every digit. A zero vector has angle pi/2 with all others.
    """
    xp = namespace(units)
    cosine = units[..., :rows, :] @ xp.matrix_transpose(units)
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


def _residual(student: DeepReLU, teacher: DeepReLU, *, directions: bool = False) -> tuple[Array, Array]:
    """Hidden weights `(..., n, d)` and signed fan-outs `(..., n, C)` of student minus teacher.

    directions: whether the students' directions matter, so that they must not be too short to have one.
    """
    for network, name in ((student, "student"), (teacher, "teacher")):
        if not isinstance(network, DeepReLU):
            raise ValueError(f"{name} is of type {type(network).__name__}; pass DeepReLU((W, V)), or as_deep(network)")
        if network.depth != 1 or network.biases is not None:
            raise ValueError(
                f"{name} has widths {network.widths} and {'no ' if network.biases is None else ''}biases; expected one "
                "hidden layer and no biases"
            )
        require_resolved(network.weights[0], f"{name}.weights[0]", directions=directions and name == "student")
    xp = namespace(student.weights[0], teacher.weights[0])
    for end, what in ((0, "inputs"), (2, "outputs")):
        if student.widths[end] != teacher.widths[end]:
            raise ValueError(
                f"the student has {student.widths[end]} {what} and the teacher {teacher.widths[end]}; they must be as "
                "many"
            )
    batch = broadcast_batches(student=student.batch, teacher=teacher.batch)

    def stacked(own: Array, target: Array) -> Array:
        kind = xp.result_type(own, target)
        parts = [xp.broadcast_to(xp.astype(part, kind), (*batch, *part.shape[-2:])) for part in (own, target)]
        return xp.concat(parts, axis=-2)

    return (
        stacked(student.weights[0], teacher.weights[0]),
        stacked(xp.matrix_transpose(student.weights[1]), -xp.matrix_transpose(teacher.weights[1])),
    )
