"""Loss, gradient and Hessian of a two-layer ReLU student against a two-layer ReLU teacher, for inputs `x ~ N(0, I)`.

With students `a_i relu(w_i . x)` and teachers `b_k relu(v_k . x)`, stack the neurons of student and teacher with
signed output weights `c = (a, -b)`: the residual is `r(x) = sum c_n relu(z_n . x)` and the loss `L = E[r^2] / 2`.
The closed forms are

    L         = |sum c_n z_n|^2 / 4 + sum c_n c_l |z_n| |z_l| (sin t_nl - t_nl cos t_nl) / (4 pi)
    dL/dw_i   = a_i { sum c_n z_n / 2 + sum c_n |z_n| (sin(t_in) w_i/|w_i| - t_in z_n/|z_n|) / (2 pi) }

with `t` the angles between neurons. This is the alignment paper's loss (Section 2) and its equation (1), with the
constant corrected to 1/(2 pi) (claim `alignment.eq1.mended`), written so that the terms, not only their sum, vanish
as students align: near zero loss nothing large cancels. Two aligned or antipodal neurons take the limit of the
formulas (the kernel is C^2 there).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from array_api_compat import device

from . import gaussian
from .arrays import (
    Array,
    as_floating,
    broadcast_batches,
    fixed_order_sum,
    namespace,
    polar,
    require_nonzero,
    require_resolved,
    value_only,
)
from .networks import TwoLayer

__all__ = [
    "Gradient",
    "empirical_gradient",
    "empirical_loss",
    "gradient",
    "hessian",
    "loss",
    "neuron_gradient",
    "neuron_loss",
    "sample_gradient",
    "sample_loss",
    "stationarity",
]

_KINK = (
    "the loss has a kink there and no derivative. Remove the student, give its hidden weight a length, or its output "
    "weight the value 0"
)


class Gradient(NamedTuple):
    """Derivatives of the loss: `hidden (..., m, d)` by the hidden weights, `output (..., m)` by the output weights."""

    hidden: Array
    output: Array


def loss(student: TwoLayer, teacher: TwoLayer) -> Array:
    """`E[(student(x) - teacher(x))^2] / 2` over `x ~ N(0, I)`: shape of the (broadcast) batch, never negative.

    At zero loss the result is 0 up to rounding of the order `1e-16 (sum |c_n| |z_n|)^2`. torch's gradients flow
    through; for second derivatives use `hessian`, as torch's are wrong at exactly antipodal pairs, where it loses sight
    of the curvature. Raises `ValueError` if the input dimensions or batches of the two networks do not fit, and for
    lengths above 1e146.
    """
    return neuron_loss(*_residual(student, teacher))


def gradient(student: TwoLayer, teacher: TwoLayer) -> Gradient:
    """Gradient of `loss` by the student's hidden and output weights: `Gradient(hidden, output)`.

    Raises `ValueError` where a student with hidden weight 0 has a non-zero output weight: the loss is not
    differentiable there; and for students of lengths outside 1e-146 to 1e146.
    """
    neurons, signed = _residual(student, teacher, directions=True)
    xp = namespace(neurons)
    m = student.width
    output = signed[:m, ...]
    require_nonzero(
        xp.moveaxis(polar(neurons[:, :m, ...], axis=0)[0], 0, -1),
        "student",
        _KINK,
        among=xp.moveaxis(output, 0, -1) != 0,
    )
    pull, overlap = neuron_gradient(neurons, signed, m, with_overlap=True)
    return Gradient(xp.moveaxis(output * pull, (0, 1), (-1, -2)), xp.moveaxis(overlap, 0, -1))


def stationarity(student: TwoLayer, teacher: TwoLayer) -> Array:
    """Left side minus right side of the alignment paper's equation (2), one vector for each student: `(..., m, d)`.

    For one teacher and output weights 1 it reads `(pi - t_i0) w_0 - (pi rho_i - rho_0 sin t_i0 + sum_j rho_j sin
    t_ij) u_i - sum_j (pi - t_ij) w_j`; in general each vector is `-2 pi` times the gradient of the loss by `w_i`,
    over `a_i`. It vanishes if and only if the gradient does. Raises `ValueError` for a student of length 0, for
    which (2) has no meaning.
    """
    neurons, signed = _residual(student, teacher, directions=True)
    xp = namespace(neurons)
    m = student.width
    require_nonzero(
        xp.moveaxis(polar(neurons[:, :m, ...], axis=0)[0], 0, -1),
        "student",
        "equation (2) needs its direction; remove it",
    )
    pull, _ = neuron_gradient(neurons, signed, m)
    return -2 * math.pi * xp.moveaxis(pull, (0, 1), (-1, -2))


def hessian(student: TwoLayer, teacher: TwoLayer) -> Array:
    """Second derivatives of `loss` by the hidden weights: `(..., m, d, m, d)`, symmetric.

    The block of students i, j is `a_i a_j E[x x^T step(w_i.x) step(w_j.x)]`; the diagonal blocks have besides
    `a_i sum_n c_n |z_n| sin(t_in) (I + n n^T - u u^T) / (2 pi |w_i|)`, with u along `w_i` and n the unit vector
    orthogonal to it in the plane of `w_i` and `z_n`. Raises `ValueError` where a student with hidden weight 0 has a
    non-zero output weight, like `gradient`.
    """
    neurons, signed = _residual(student, teacher, directions=True)
    xp = namespace(neurons)
    m, d = student.width, student.dimension
    lengths, units = polar(neurons, axis=0)
    among = xp.moveaxis(signed[:m, ...], 0, -1) != 0
    require_nonzero(xp.moveaxis(lengths[:m, ...], 0, -1), "student", _KINK, among=among)
    output, units = xp.moveaxis(signed[:m, ...], 0, -1), xp.moveaxis(units, (0, 1), (-1, -2))
    lengths, signed = xp.moveaxis(lengths, 0, -1), xp.moveaxis(signed, 0, -1)
    own, other = units[..., :m, None, :], units[..., None, :, :]
    theta, sine = gaussian.angle_and_sine([own[..., c] for c in range(d)], [other[..., c] for c in range(d)])

    across = other - xp.cos(theta)[..., None] * own
    across = across - xp.sum(across * own, axis=-1, keepdims=True) * own
    _, across = polar(across, axis=-1)
    identity = xp.eye(d, dtype=neurons.dtype, device=device(neurons))
    bend = identity + across[..., :, None] * across[..., None, :] - own[..., :, None] * own[..., None, :]
    own_lengths = lengths[..., :m, None]
    own_lengths = xp.where(own_lengths > 0, own_lengths, xp.ones_like(own_lengths))
    scale = output[..., :, None] * signed[..., None, :] * lengths[..., None, :] / own_lengths
    curvature = xp.sum((scale * sine / (2 * math.pi))[..., None, None] * bend, axis=-3)

    silent = xp.zeros_like(units[..., :m, :])
    silent[..., 0] = 1  # any direction, for students of length 0 and output 0
    directions = xp.where((lengths[..., :m] > 0)[..., None], units[..., :m, :], silent)
    pairs = gaussian.step_step_matrix(directions[..., :, None, :], directions[..., None, :, :])
    blocks = (output[..., :, None] * output[..., None, :])[..., None, None] * pairs
    blocks = (
        blocks
        + xp.eye(m, dtype=neurons.dtype, device=device(neurons))[:, :, None, None] * curvature[..., :, None, :, :]
    )
    return xp.moveaxis(blocks, -3, -2)


def empirical_loss(student: TwoLayer, teacher: TwoLayer, x: Any) -> Array:
    """Mean of `(student(x) - teacher(x))^2 / 2` over the rows of `x (n, d)`: the finite-sample version of `loss`."""
    _residual(student, teacher)
    xp = namespace(student.hidden, teacher.hidden)
    return xp.mean((student(x) - teacher(x)) ** 2, axis=-1) / 2


def empirical_gradient(student: TwoLayer, teacher: TwoLayer, x: Any) -> Gradient:
    """Gradient of `empirical_loss`: the means of `r a_i step(w_i.x) x` and of `r relu(w_i.x)`, with step(0) = 0."""
    x = as_floating(x, "x", least_ndim=2)
    if x.ndim != 2 or x.shape[-1] != student.dimension:
        raise ValueError(f"x has shape {tuple(x.shape)}; expected (n, {student.dimension}), one input a row")
    neurons, signed = _residual(student, teacher)
    xp = namespace(neurons, x)
    pull, overlap = sample_gradient(neurons, signed, student.width, x)
    return Gradient(student.output[..., None] * xp.moveaxis(pull, (0, 1), (-1, -2)), xp.moveaxis(overlap, 0, -1))


def neuron_loss(neurons: Array, signed: Array) -> Array:
    """The bare formula behind `loss`: neurons `(d, n, ...)` and signed output weights `(n, ...)` to `(...)`.
    Unchecked."""
    xp = namespace(neurons)
    theta, _ = gaussian.pairwise_angles(neurons, _squares(neurons), neurons.shape[1])
    weight = signed * polar(neurons, axis=0)[0]
    overlap = fixed_order_sum(weight[None, ...] * gaussian.complement_profile(theta), axis=1)
    linear = fixed_order_sum(signed * neurons, axis=1)
    square, bent = fixed_order_sum(linear * linear, axis=0), fixed_order_sum(weight * overlap, axis=0)
    value = square / 4 + bent / (4 * math.pi)
    return value + value_only(xp.clip(value, min=0.0) - value)  # clipped, with its derivatives


def neuron_gradient(
    neurons: Array, signed: Array, students: int, *, with_overlap: bool = False
) -> tuple[Array, Array | None]:
    """The bare formulas behind `gradient`, for loops that have checked their input: nothing is validated here.

    neurons: `(d, n, ...)`, the hidden weights of students and then teachers, components first and batch last
    (contiguous batches make every operation a long vector); signed: `(n, ...)`, the signed output weights c. Returns
    `E[r step(w_i.x) x]`, `(d, students, ...)`, and, if asked, `E[r relu(w_i.x)]`, `(students, ...)`, for the first
    `students` neurons.
    """
    own, squares = neurons[:, :students, ...], _squares(neurons)
    theta, area = gaussian.pairwise_angles(neurons, squares, students)
    vectors = signed * neurons
    linear = fixed_order_sum(vectors, axis=1)[:, None, ...]
    push = fixed_order_sum(signed * area, axis=1) / squares[:students, ...]
    turned = fixed_order_sum(theta * vectors[:, None, ...], axis=2)
    pull = linear / 2 + (push * own - turned) / (2 * math.pi)
    if not with_overlap:
        return pull, None
    lengths = polar(neurons, axis=0)[0]
    bent = fixed_order_sum(signed * lengths * gaussian.complement_profile(theta), axis=1)
    return pull, fixed_order_sum(own * linear, axis=0) / 2 + lengths[:students, ...] * bent / (2 * math.pi)


def sample_gradient(neurons: Array, signed: Array, students: int, x: Array) -> tuple[Array, Array]:
    """`neuron_gradient` with the mean over the rows of `x (n, d)` in place of the expectation. Unchecked."""
    xp = namespace(neurons)
    scores = xp.tensordot(x, neurons, axes=([1], [0]))
    active = xp.clip(scores, min=0.0)
    residual = xp.sum(signed * active, axis=1)[:, None, ...] / x.shape[0]
    own = scores[:, :students, ...]
    gated = xp.where(own > 0, residual, xp.zeros_like(residual))
    pull = xp.tensordot(xp.permute_dims(x, (1, 0)), gated, axes=([1], [0]))
    return pull, xp.sum(gated * own, axis=0)


def sample_loss(neurons: Array, signed: Array, x: Array) -> Array:
    """`neuron_loss` with the mean over the rows of `x (n, d)` in place of the expectation. Unchecked."""
    xp = namespace(neurons)
    active = xp.clip(xp.tensordot(x, neurons, axes=([1], [0])), min=0.0)
    residual = xp.sum(signed * active, axis=1)
    return xp.mean(residual * residual, axis=0) / 2


def _squares(neurons: Array) -> Array:
    """Squared lengths `(n, ...)` of neurons `(d, n, ...)`, with the smallest normal number in place of 0."""
    return fixed_order_sum(neurons * neurons, axis=0) + float(namespace(neurons).finfo(neurons.dtype).smallest_normal)


def _residual(student: TwoLayer, teacher: TwoLayer, *, directions: bool = False) -> tuple[Array, Array]:
    """Neurons `(d, n, ...)` and signed output weights `(n, ...)` of student minus teacher, the common batch last.

    directions: whether the students' directions matter, so that they must not be too short to have one.
    """
    for network, name in ((student, "student"), (teacher, "teacher")):
        if not isinstance(network, TwoLayer):
            raise ValueError(f"{name} is of type {type(network).__name__}; pass TwoLayer(hidden)")
        require_resolved(network.hidden, name, directions=directions and name == "student")
    xp = namespace(student.hidden, teacher.hidden)
    if student.dimension != teacher.dimension:
        raise ValueError(
            f"the student has inputs of dimension {student.dimension} and the teacher of dimension "
            f"{teacher.dimension}; they must be equal"
        )
    batch = broadcast_batches(student=student.batch, teacher=teacher.batch)
    hidden = [xp.broadcast_to(net.hidden, (*batch, net.width, net.dimension)) for net in (student, teacher)]
    output = [xp.broadcast_to(net.output, (*batch, net.width)) for net in (student, teacher)]
    neurons = xp.moveaxis(xp.concat(hidden, axis=-2), (-1, -2), (0, 1))
    return neurons, xp.moveaxis(xp.concat([output[0], -output[1]], axis=-1), -1, 0)
