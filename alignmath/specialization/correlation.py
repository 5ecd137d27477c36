"""Normalised correlations of activations, and what is read off them (specialization paper, Section 6).

The activation vector of a node over N evaluation inputs, its mean subtracted, divided by its length, is its
normalised activation; the correlation of two nodes is the inner product of theirs. (The paper's Figure 6 shows
negative correlations, so the mean is subtracted there too.) A teacher node is covered if some student node's
correlation with it exceeds 0.95.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import is_array_api_obj

from ..arrays import Array, as_floating, as_number, broadcast_batches, namespace, root
from ..gaussian import relu_moment
from ..networks import ConvReLU, DeepReLU

__all__ = [
    "Match",
    "best_match",
    "checked_layer",
    "correlations",
    "covered",
    "fan_out_norms",
    "mean_best",
    "relu_correlation",
]


class Match(NamedTuple):
    """For each node of one network its best counterpart in the other.

    - value: `(..., n)`, the correlation with it.
    - index: `(..., n)` int, the first of the best.

    >>> value, index = best_match([[0.5, 0.9], [0.7, 0.2]], of="teacher")
    >>> value, index
    (array([0.9, 0.7]), array([1, 0]))
    """

    value: Array
    index: Array


def correlations(
    teacher_activations: Any, student_activations: Any, *, centred: bool = True, positions: bool = False
) -> Array:
    """Normalised correlation of every teacher node with every student node: `(..., m, n)`, in [-1, 1].

    Activations are `(..., N, m)` and `(..., N, n)`, at the same N inputs. positions: of a convolutional layer,
    `(..., N, m, height, width)` and `(..., N, n, height, width)`, every position an input of its own. centred: subtract
    the mean of each node over the inputs first. A node of constant (or, uncentred, zero) activation has correlation 0
    with all.

    Raises `ValueError` where shapes do not fit and for non-finite activations.

    >>> correlations([[1.0, 0.0], [2.0, 0.0], [3.0, 1.0]], [[5.0], [4.0], [3.0]]).round(3)
    array([[-1.   ],
           [-0.866]])
    """
    teacher = _as_activations(teacher_activations, "teacher_activations")
    student = _as_activations(student_activations, "student_activations")
    xp = namespace(teacher, student)
    if positions:
        fits = min(teacher.ndim, student.ndim) >= 4 and teacher.shape[-2:] == student.shape[-2:]
        fits = fits and teacher.shape[-4] == student.shape[-4]
    else:
        fits = teacher.shape[-2] == student.shape[-2]
    if not fits:
        tail = ", height, width" if positions else ""
        raise ValueError(
            f"teacher_activations and student_activations have shapes {tuple(teacher.shape)} and "
            f"{tuple(student.shape)}; expected (..., N, m{tail}) and (..., N, n{tail}), at the same N inputs"
            + ("" if positions else "; for a convolutional layer pass positions=True")
        )
    if positions:
        teacher, student = _positions_as_inputs(xp, teacher), _positions_as_inputs(xp, student)
    broadcast_batches(teacher_activations=teacher.shape[:-2], student_activations=student.shape[:-2])
    first = _normalised(xp, teacher, "teacher_activations", centred)
    second = _normalised(xp, student, "student_activations", centred)
    return xp.clip(xp.matrix_transpose(first) @ second, min=-1.0, max=1.0)


def _as_activations(given: Any, name: str) -> Array:
    """As `as_floating`, less its pass over all entries where they are floats already: `_normalised` sees the rest."""
    array: Any = given
    plain = is_array_api_obj(given) and array.ndim >= 2 and 0 not in array.shape
    if plain and namespace(array).isdtype(array.dtype, "real floating"):
        return array
    return as_floating(given, name, least_ndim=2)


def _positions_as_inputs(xp: Any, values: Array) -> Array:
    moved = xp.moveaxis(values, -3, -1)
    return xp.reshape(moved, (*moved.shape[:-4], -1, moved.shape[-1]))


def _normalised(xp: Any, values: Array, name: str, centred: bool) -> Array:
    """Columns along the inputs axis, centred and of length 1; 0 where nothing but rounding is left of one."""
    high, low = xp.max(values, axis=-2, keepdims=True), xp.min(values, axis=-2, keepdims=True)
    if not bool(xp.all(xp.isfinite(high) & xp.isfinite(low))):
        raise ValueError(f"{name} has entries that are not finite; every one must be")
    size = xp.maximum(high, -low)
    constant = (high - low if centred else size) <= 8 * float(xp.finfo(values.dtype).eps) * size
    if centred:
        mean = xp.mean(values, axis=-2, keepdims=True)
        values, size = values - mean, xp.maximum(high - mean, mean - low)
    if bool(xp.any((size > 1e15) | (~constant & (size < 1e-15)))):  # squares would leave the range of float32
        values = values / xp.where(size > 0, size, xp.ones_like(size))
    squares = xp.sum(values * values, axis=-2, keepdims=True)
    length = root(xp.where(constant, xp.ones_like(squares), squares))
    return xp.where(constant, xp.zeros_like(length), 1 / length) * values


def best_match(correlation: Any, *, of: str) -> Match:
    """For each node `of` "teacher" its best student, or of "student" its best teacher. correlation: `(..., m, n)`.

    >>> best_match([[0.5, 0.9], [0.7, 0.2]], of="student").value
    array([0.7, 0.9])
    """
    correlation = as_floating(correlation, "correlation", least_ndim=2)
    if of not in ("teacher", "student"):
        raise ValueError(f"of is {of!r}; expected 'teacher' (its best student) or 'student' (its best teacher)")
    xp, axis = namespace(correlation), -1 if of == "teacher" else -2
    return Match(xp.max(correlation, axis=axis), xp.argmax(correlation, axis=axis))


def covered(correlation: Any, threshold: float = 0.95) -> Array:
    """Whether each teacher node's best student correlates with it above `threshold`: `(..., m)` bool. Specialization
    paper, Section 6, Figure 5.

    >>> covered([[0.5, 0.96], [0.7, 0.2]])
    array([ True, False])
    """
    return best_match(correlation, of="teacher").value > as_number(threshold, "threshold", least=-1.0)


def mean_best(correlation: Any) -> Array:
    """`rho_mean`: the mean over teacher nodes of the best correlation, `(...)`. Specialization paper, Section 6,
    Figure 8.

    >>> round(float(mean_best([[0.5, 0.9], [0.7, 0.2]])), 3)
    0.8
    """
    value = best_match(correlation, of="teacher").value
    return namespace(value).mean(value, axis=-1)


def fan_out_norms(network: DeepReLU | ConvReLU, layer: int = -1) -> Array:
    """Length of the fan-out weights of each node of a hidden layer, `(..., n_l)`.

    layer: 1..L-1, or counted from the top, -1 being the top hidden layer; for that one it is the `|v_k|` of the
    paper. In a convolutional network the fan-out of a channel is all that multiplies it.

    >>> fan_out_norms(DeepReLU(([[1.0, 0.0], [0.0, 1.0]], [[3.0, 1.0], [4.0, 0.0]])))
    array([5., 1.])
    """
    weights = (*network.kernels, network.output) if isinstance(network, ConvReLU) else network.weights
    above = weights[checked_layer(layer, network.depth)]
    xp = namespace(above)
    if above.ndim - len(network.batch) == 4:
        above = xp.moveaxis(above, -3, -1)
        above = xp.reshape(above, (*network.batch, -1, above.shape[-1]))
    return root(xp.sum(above * above, axis=-2))


def checked_layer(layer: int, depth: int) -> int:
    """The number of a hidden layer, 1..depth, from a number that may count from the top."""
    whole = isinstance(layer, int) and not isinstance(layer, bool)
    number = layer + depth + 1 if whole and layer < 0 else layer
    if not whole or not 1 <= number <= depth:
        raise ValueError(f"layer is {layer!r}; expected 1 to {depth}, or -{depth} to -1 counted from the top")
    return number


def relu_correlation(theta: Any) -> Array:
    """Correlation of `relu(u)` and `relu(v)` for centred Gaussian u, v at angle `theta` in `[0, pi]`: `(f(theta) - 1)
    / (pi - 1)`.

    f is the alignment paper's `sin t + (pi - t) cos t`. It is 1 at 0, 0.95 at 0.2697 rad (15.45 degrees), and `-1/(pi
    - 1)` at pi: two nodes without bias are covered in the sense of the specialization paper where their weights are
    closer than 15.45 degrees.

    >>> relu_correlation([0.0, 0.2697, 3.14159265]).round(3)
    array([ 1.   ,  0.95 , -0.467])
    """
    xp = namespace(as_floating(theta, "theta"))
    moment = relu_moment(1, 1, theta)
    return (2 * xp.pi * moment - 1) / (xp.pi - 1)
