"""Bare formulas of networks with one output, components first and batch last, so that every operation is elementwise
along a long axis and a network's result does not depend, to the bit, on its batch. Nothing is checked here.

With students `a_i relu(w_i . x)` and teachers `b_k relu(v_k . x)`, stack the neurons of students and teacher with
signed output weights `c = (a, -b)`: the residual is `r(x) = sum c_n relu(z_n . x)` and the loss `L = E[r^2] / 2`. For
`x ~ N(0, I)` the closed forms are

    L         = |sum c_n z_n|^2 / 4 + sum c_n c_l |z_n| |z_l| (sin t_nl - t_nl cos t_nl) / (4 pi)
    dL/dw_i   = a_i { sum c_n z_n / 2 + sum c_n |z_n| (sin(t_in) w_i/|w_i| - t_in z_n/|z_n|) / (2 pi) }

with `t` the angles between neurons. This is the alignment paper's loss (Section 2) and its equation (1), with the
constant corrected to 1/(2 pi) (claim `alignment.eq1.mended`), written so that the terms, not only their sum, vanish
as students align: near zero loss nothing large cancels. Two aligned or antipodal neurons take the limit of the
formulas (the kernel is C^2 there).
"""

from __future__ import annotations

import math

from .. import gaussian
from ..arrays import Array, fixed_order_sum, namespace, polar, value_only

__all__ = ["neuron_gradient", "neuron_loss", "sample_gradient", "sample_loss"]


def neuron_loss(neurons: Array, signed: Array) -> Array:
    """The loss: neurons `(d, n, ...)` and signed output weights `(n, ...)` to `(...)`.

    >>> import numpy as np
    >>> neuron_loss(np.array([[2.0, 1.0], [0.0, 0.0]]), np.array([1.0, -1.0])).round(12)
    np.float64(0.25)
    """
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
    """The parts of the gradient: `E[r step(w_i.x) x]`, `(d, students, ...)`, and, if asked, `E[r relu(w_i.x)]`,
    `(students, ...)`, for the first `students` neurons.

    neurons: `(d, n, ...)`, the hidden weights of students and then teachers; signed: `(n, ...)`.

    >>> import numpy as np
    >>> pull, overlap = neuron_gradient(np.array([[2.0, 1.0]]), np.array([1.0, -1.0]), 1, with_overlap=True)
    >>> pull.tolist(), overlap.tolist()
    ([[0.5]], [1.0])
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
    """`neuron_gradient` with the mean over the rows of `x (n, d)` in place of the expectation, and step(0) = 0.

    >>> import numpy as np
    >>> neurons, signed = np.array([[2.0, 1.0]]), np.array([1.0, -1.0])
    >>> pull, overlap = sample_gradient(neurons, signed, 1, np.array([[1.0], [-1.0]]))
    >>> pull.tolist(), overlap.tolist()
    ([[0.5]], [1.0])
    """
    xp = namespace(neurons)
    scores = xp.tensordot(x, neurons, axes=([1], [0]))
    active = xp.clip(scores, min=0.0)
    residual = xp.sum(signed * active, axis=1)[:, None, ...] / x.shape[0]
    own = scores[:, :students, ...]
    gated = xp.where(own > 0, residual, xp.zeros_like(residual))
    pull = xp.tensordot(xp.permute_dims(x, (1, 0)), gated, axes=([1], [0]))
    return pull, xp.sum(gated * own, axis=0)


def sample_loss(neurons: Array, signed: Array, x: Array) -> Array:
    """`neuron_loss` with the mean over the rows of `x (n, d)` in place of the expectation.

    >>> import numpy as np
    >>> float(sample_loss(np.array([[2.0, 1.0]]), np.array([1.0, -1.0]), np.array([[1.0], [-1.0]])))
    0.25
    """
    xp = namespace(neurons)
    active = xp.clip(xp.tensordot(x, neurons, axes=([1], [0])), min=0.0)
    residual = xp.sum(signed * active, axis=1)
    return xp.mean(residual * residual, axis=0) / 2


def _squares(neurons: Array) -> Array:
    """Squared lengths `(n, ...)` of neurons `(d, n, ...)`, with the smallest normal number in place of 0."""
    return fixed_order_sum(neurons * neurons, axis=0) + float(namespace(neurons).finfo(neurons.dtype).smallest_normal)
