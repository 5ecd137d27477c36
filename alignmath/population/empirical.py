"""Means over a sample in place of the expectations of `expected`: `L = mean |students(x) - teacher(x)|^2 / 2`."""

from __future__ import annotations

from typing import Any

from ..arrays import Array, as_floating, namespace
from ..networks import DeepReLU, TwoLayer
from .neurons import sample_gradient
from .pairs import Gradient, check_pair, stacked_neurons, stacked_nodes

__all__ = ["empirical_gradient", "empirical_loss"]


def empirical_loss(students: TwoLayer | DeepReLU, teacher: TwoLayer | DeepReLU, x: Any) -> Array:
    """Mean of `|students(x) - teacher(x)|^2 / 2` over the rows of `x (n, d)`: the finite-sample version of `loss`.

    students, teacher: as of `loss`, which says what is raised.

    >>> empirical_loss(TwoLayer([[2.0]]), TwoLayer([[1.0]]), [[1.0], [-1.0]])
    np.float64(0.25)
    """
    check_pair(students, teacher)
    if isinstance(students, TwoLayer):
        x = _checked_sample(x, students.dimension)
        stacked_neurons(students, teacher)  # refuses lengths whose squares overflow
        squares = (students(x) - teacher(x)) ** 2
    else:
        x = _checked_sample(x, students.widths[0])
        stacked_nodes(students, teacher)
        squares = (students(x) - teacher(x)) ** 2
        squares = namespace(squares).sum(squares, axis=-1)
    return namespace(squares).mean(squares, axis=-1) / 2


def empirical_gradient(students: TwoLayer | DeepReLU, teacher: TwoLayer | DeepReLU, x: Any) -> Gradient:
    """Gradient of `empirical_loss`: the means of `(v_i . r) step(w_i.x) x` and of `r relu(w_i.x)`, with r the residual
    and step(0) = 0.

    >>> empirical_gradient(TwoLayer([[2.0]]), TwoLayer([[1.0]]), [[1.0], [-1.0]])
    Gradient(hidden=array([[0.5]]), output=array([1.]))
    """
    check_pair(students, teacher)
    if isinstance(students, TwoLayer):
        x = _checked_sample(x, students.dimension)
        neurons, signed = stacked_neurons(students, teacher)
        xp = namespace(neurons, x)
        pull, overlap = sample_gradient(neurons, signed, students.width, x)
        by_hidden = students.output[..., None] * xp.moveaxis(pull, (0, 1), (-1, -2))
        return Gradient(by_hidden, xp.moveaxis(overlap, 0, -1))
    x = _checked_sample(x, students.widths[0])
    hidden, fan_out = stacked_nodes(students, teacher)
    xp, m = namespace(hidden, x), students.widths[1]
    scores = x @ xp.matrix_transpose(hidden)
    residual = xp.clip(scores, min=0.0) @ fan_out / x.shape[0]
    own = scores[..., :m]
    pulled = residual @ xp.matrix_transpose(fan_out[..., :m, :])
    by_hidden = xp.matrix_transpose(xp.where(own > 0, pulled, xp.zeros_like(pulled))) @ x
    return Gradient(by_hidden, xp.matrix_transpose(residual) @ xp.clip(own, min=0.0))


def _checked_sample(x: Any, dimension: int) -> Array:
    x = as_floating(x, "x", least_ndim=2)
    if x.ndim != 2 or x.shape[-1] != dimension:
        raise ValueError(f"x has shape {tuple(x.shape)}; expected (n, {dimension}), one input a row")
    return x
