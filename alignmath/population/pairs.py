"""Students and teacher as they enter the formulas: both checked, and stacked with signed output weights."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..arrays import Array, broadcast_batches, namespace, require_resolved
from ..networks import DeepReLU, TwoLayer, require_plain

__all__ = ["Gradient", "check_pair", "stacked_neurons", "stacked_nodes"]


class Gradient(NamedTuple):
    """Derivatives of a loss, shaped as the weights of the students.

    - hidden: `(..., m, d)`, by the hidden weights.
    - output: `(..., m)`, by the output weights of a `TwoLayer`; `(..., C, m)` by those of a `DeepReLU`.

    >>> from alignmath import TwoLayer, population
    >>> population.gradient(TwoLayer([[2.0, 0.0]]), TwoLayer([[1.0, 0.0]]))
    Gradient(hidden=array([[0.5, 0. ]]), output=array([1.]))
    """

    hidden: Array
    output: Array


def check_pair(students: Any, teacher: Any) -> None:
    """Raise a `ValueError` unless both are `TwoLayer` with ReLU, or both `DeepReLU` of one hidden layer, without
    biases, with equal inputs and outputs, and of batches that broadcast.

    >>> from alignmath import TwoLayer
    >>> check_pair(TwoLayer([[1.0]]), TwoLayer([[2.0, 3.0]]))
    Traceback (most recent call last):
        ...
    ValueError: students have 1 inputs and teacher 2; they must be as many
    """
    deep = isinstance(students, DeepReLU)
    for network, name in ((students, "students"), (teacher, "teacher")):
        if not isinstance(network, TwoLayer | DeepReLU):
            raise ValueError(f"{name} is of type {type(network).__name__}; pass TwoLayer(hidden, output) or DeepReLU")
        if isinstance(network, DeepReLU) != deep:
            raise ValueError(
                f"students is of type {type(students).__name__} and teacher of type {type(teacher).__name__}; pass two "
                "of one kind: alignmath.networks.as_deep makes a DeepReLU of a TwoLayer"
            )
        if isinstance(network, TwoLayer):
            require_plain(network, name)
        elif network.depth != 1 or network.biases is not None:
            raise ValueError(
                f"{name} has widths {network.widths} and {'no ' if network.biases is None else ''}biases; expected one "
                "hidden layer and no biases"
            )
    sizes = [[net.widths[0], net.widths[-1]] if deep else [net.dimension] for net in (students, teacher)]
    for what, own, other in zip(("inputs", "outputs"), *sizes, strict=False):
        if own != other:
            raise ValueError(f"students have {own} {what} and teacher {other}; they must be as many")
    broadcast_batches(students=students.batch, teacher=teacher.batch)


def stacked_neurons(students: Any, teacher: Any, *, directions: bool = False) -> tuple[Array, Array]:
    """Neurons `(d, n, ...)` and signed output weights `(n, ...)` of two `TwoLayer`, students minus teacher, the common
    batch last; they have passed `check_pair`.

    directions: whether the students' directions matter, so that they must not be too short to have one.

    >>> from alignmath import TwoLayer
    >>> [part.tolist() for part in stacked_neurons(TwoLayer([[1.0, 2.0]]), TwoLayer([[3.0, 4.0]]))]
    [[[1.0, 3.0], [2.0, 4.0]], [1.0, -1.0]]
    """
    require_resolved(students.hidden, "students", directions=directions)
    require_resolved(teacher.hidden, "teacher", directions=False)
    xp = namespace(students.hidden, teacher.hidden)
    batch = broadcast_batches(students=students.batch, teacher=teacher.batch)
    hidden = [xp.broadcast_to(net.hidden, (*batch, net.width, net.dimension)) for net in (students, teacher)]
    output = [xp.broadcast_to(net.output, (*batch, net.width)) for net in (students, teacher)]
    neurons = xp.moveaxis(xp.concat(hidden, axis=-2), (-1, -2), (0, 1))
    return neurons, xp.moveaxis(xp.concat([output[0], -output[1]], axis=-1), -1, 0)


def stacked_nodes(students: Any, teacher: Any, *, directions: bool = False) -> tuple[Array, Array]:
    """Hidden weights `(..., n, d)` and signed fan-outs `(..., n, C)` of two `DeepReLU`, students minus teacher; they
    have passed `check_pair`.

    directions: as for `stacked_neurons`.

    >>> from alignmath.networks import DeepReLU
    >>> one, other = DeepReLU(([[1.0, 2.0]], [[5.0]])), DeepReLU(([[3.0, 4.0]], [[6.0]]))
    >>> [part.tolist() for part in stacked_nodes(one, other)]
    [[[1.0, 2.0], [3.0, 4.0]], [[5.0], [-6.0]]]
    """
    require_resolved(students.weights[0], "students.weights[0]", directions=directions)
    require_resolved(teacher.weights[0], "teacher.weights[0]", directions=False)
    xp = namespace(students.weights[0], teacher.weights[0])
    batch = broadcast_batches(students=students.batch, teacher=teacher.batch)

    def stacked(own: Array, other: Array) -> Array:
        kind = xp.result_type(own, other)
        parts = [xp.broadcast_to(xp.astype(part, kind), (*batch, *part.shape[-2:])) for part in (own, other)]
        return xp.concat(parts, axis=-2)

    return (
        stacked(students.weights[0], teacher.weights[0]),
        stacked(xp.matrix_transpose(students.weights[1]), -xp.matrix_transpose(teacher.weights[1])),
    )
