"""Expectations over Gaussian inputs: the population loss, its gradient and Hessian, and equation (2) of the alignment
paper. The closed forms are those of `neurons` (one output) and `nodes` (outputs in R^C), which say them in full.
"""

from __future__ import annotations

import math
from typing import Any

from ..arrays import Array, as_number, namespace, polar, require_nonzero
from ..networks import DeepReLU, TwoLayer
from .neurons import neuron_gradient, neuron_loss
from .nodes import node_gradient, node_hessian, node_loss
from .pairs import Gradient, check_pair, stacked_neurons, stacked_nodes

__all__ = ["gradient", "hessian", "loss", "stationarity"]

_KINK = "the loss has a kink there and no derivative. Remove it, give it a length, or make its output weights 0"


def loss(students: TwoLayer | DeepReLU, teacher: TwoLayer | DeepReLU, scale: float = 1.0) -> Array:
    """`E|students(x) - teacher(x)|^2 / 2` over `x ~ N(0, scale^2 I)`: shape of the (broadcast) batch, never negative.

    students, teacher: two `TwoLayer` without biases and with ReLU, or two `DeepReLU` of one hidden layer without
    biases, weights `(..., m, d)` and `(..., C, m)`. scale: the standard deviation of each input, a positive number.
    torch's gradients flow through; for second derivatives use `hessian`, as torch's are wrong at exactly antipodal
    pairs, where it loses sight of the curvature. At zero loss the result is 0 up to rounding of the order `1e-16
    scale^2 (sum |c_n| |w_n|)^2`, over the hidden weights w of both and their output weights c.

    Raises `ValueError` for other networks, for inputs, outputs or batches that do not fit, for hidden weights of
    lengths above 1e146, and for a hidden weight 0 that requires gradients and has an output weight: there is none
    there, as `gradient` says. Alignment paper, Section 2; specialization paper, Section 5.

    >>> from alignmath.networks import planar
    >>> apart, same = loss(planar([0.0]), planar([math.pi / 2])), loss(planar([1.0, 1.0], 0.5), planar([1.0]))
    >>> abs(apart - (1 / 2 - 1 / (2 * math.pi))) < 1e-15, float(same)
    (np.True_, 0.0)
    """
    squared = as_number(scale, "scale", above=True) ** 2
    check_pair(students, teacher)
    for network, name in ((students, "students"), (teacher, "teacher")):
        _require_smooth(network, name)
    if isinstance(students, TwoLayer):
        return squared * neuron_loss(*stacked_neurons(students, teacher))
    return squared * node_loss(*stacked_nodes(students, teacher))


def gradient(students: TwoLayer | DeepReLU, teacher: TwoLayer | DeepReLU, scale: float = 1.0) -> Gradient:
    """Gradient of `loss` by the students' hidden and output weights: `Gradient(hidden, output)`. Arguments as for it.

    Raises `ValueError` as it does, where a student with hidden weight 0 has an output weight that is not (the loss is
    not differentiable there), and for students of lengths outside 1e-146 to 1e146.

    >>> from alignmath.networks import planar
    >>> by_hidden, by_output = gradient(planar([0.0]), planar([math.pi]))
    >>> by_hidden.round(15).tolist(), by_output.round(15).tolist()
    ([[0.5, 0.0]], [0.5])
    """
    squared = as_number(scale, "scale", above=True) ** 2
    check_pair(students, teacher)
    if isinstance(students, TwoLayer):
        neurons, signed = stacked_neurons(students, teacher, directions=True)
        xp, m = namespace(neurons), students.width
        output = signed[:m, ...]
        _require_lengths(polar(neurons[:, :m, ...], axis=0)[0], output != 0, xp)
        pull, overlap = neuron_gradient(neurons, signed, m, with_overlap=True)
        by_hidden, by_output = xp.moveaxis(output * pull, (0, 1), (-1, -2)), xp.moveaxis(overlap, 0, -1)
    else:
        hidden, fan_out = stacked_nodes(students, teacher, directions=True)
        xp, m = namespace(hidden), students.widths[1]
        _require_node_lengths(polar(hidden[..., :m, :], axis=-1)[0], fan_out[..., :m, :], xp)
        by_hidden, by_fan_out = node_gradient(hidden, fan_out, m)
        by_output = xp.matrix_transpose(by_fan_out)
    return Gradient(squared * by_hidden, squared * by_output)


def hessian(students: TwoLayer | DeepReLU, teacher: TwoLayer | DeepReLU, scale: float = 1.0) -> Array:
    """Second derivatives of `loss` by the hidden weights: `(..., m, d, m, d)`, symmetric; see `nodes.node_hessian`.

    Arguments and errors as for `gradient`.

    >>> from alignmath.networks import planar
    >>> hessian(planar([0.0]), planar([0.0])).reshape(2, 2).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    squared = as_number(scale, "scale", above=True) ** 2
    check_pair(students, teacher)
    if isinstance(students, TwoLayer):
        neurons, signed = stacked_neurons(students, teacher, directions=True)
        xp, m = namespace(neurons), students.width
        lengths, units = polar(neurons, axis=0)
        _require_lengths(lengths[:m, ...], signed[:m, ...] != 0, xp)
        lengths, units = xp.moveaxis(lengths, 0, -1), xp.moveaxis(units, (0, 1), (-1, -2))
        signed = xp.moveaxis(signed, 0, -1)
        coupling = signed[..., :m, None] * signed[..., None, :]
    else:
        hidden, fan_out = stacked_nodes(students, teacher, directions=True)
        xp, m = namespace(hidden), students.widths[1]
        lengths, units = polar(hidden, axis=-1)
        _require_node_lengths(lengths[..., :m], fan_out[..., :m, :], xp)
        coupling = fan_out[..., :m, :] @ xp.matrix_transpose(fan_out)
    return squared * node_hessian(lengths, units, coupling, m)


def stationarity(students: TwoLayer, teacher: TwoLayer) -> Array:
    """Left side minus right side of the alignment paper's equation (2), one vector for each student: `(..., m, d)`.

    For one teacher and output weights 1 it reads `(pi - t_i0) w_0 - (pi rho_i - rho_0 sin t_i0 + sum_j rho_j sin
    t_ij) u_i - sum_j (pi - t_ij) w_j`; in general each vector is `-2 pi` times the gradient of the loss by `w_i`,
    over `a_i`. It vanishes if and only if the gradient does. Raises `ValueError` for a student of length 0, for
    which (2) has no meaning, and for networks with outputs in R^C, for which it is not written.

    >>> from alignmath.networks import planar
    >>> (stationarity(planar([0.0]), planar([math.pi])) / math.pi).round(15).tolist()
    [[-1.0, -0.0]]
    """
    check_pair(students, teacher)
    if not isinstance(students, TwoLayer):
        raise ValueError("students have outputs in R^C; equation (2) is for a TwoLayer: use gradient")
    neurons, signed = stacked_neurons(students, teacher, directions=True)
    xp, m = namespace(neurons), students.width
    lengths = xp.moveaxis(polar(neurons[:, :m, ...], axis=0)[0], 0, -1)
    require_nonzero(lengths, "students", "equation (2) needs its direction; remove it")
    pull, _ = neuron_gradient(neurons, signed, m)
    return -2 * math.pi * xp.moveaxis(pull, (0, 1), (-1, -2))


def _require_lengths(lengths: Array, among: Array, xp: Any) -> None:
    """Lengths `(m, ...)` of students, above 0 where their output weights are not 0."""
    require_nonzero(xp.moveaxis(lengths, 0, -1), "students", _KINK, among=xp.moveaxis(among, 0, -1))


def _require_smooth(network: TwoLayer | DeepReLU, name: str) -> None:
    """Where torch is to differentiate by hidden weights, none that has an output weight is 0."""
    if isinstance(network, TwoLayer):
        hidden, fan_out, name = network.hidden, network.output[..., None, :], f"{name}.hidden"
    else:
        hidden, fan_out, name = *network.weights, f"{name}.weights[0]"
    if getattr(hidden, "requires_grad", False):
        xp = namespace(hidden)
        require_nonzero(xp.max(xp.abs(hidden), axis=-1), name, _KINK, among=xp.any(fan_out != 0, axis=-2))


def _require_node_lengths(lengths: Array, fan_out: Array, xp: Any) -> None:
    require_nonzero(lengths, "students.weights[0]", _KINK, among=xp.any(fan_out != 0, axis=-1))
