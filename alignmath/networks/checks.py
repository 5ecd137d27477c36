"""What networks check of their weights, and what functions of networks check of the networks they are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arrays import Array, as_floating, broadcast_batches, namespace
from .two_layer import TwoLayer

__all__ = ["checked_layers", "require_plain"]


def require_plain(network: Any, name: str) -> None:
    """Raise a `ValueError` unless `network` is a `TwoLayer` without biases and with the activation ReLU.

    Formulas and solvers call it that are derived for `F(x) = sum_j a_j relu(w_j . x)`; name: of the argument.

    >>> from alignmath.networks import TwoLayer
    >>> require_plain(TwoLayer([[1.0, 0.0]], bias=[0.5]), "teacher")
    Traceback (most recent call last):
        ...
    ValueError: teacher has hidden biases; known is sum_j a_j relu(w_j . x) alone: pass TwoLayer(hidden, output)
    """
    if not isinstance(network, TwoLayer):
        raise ValueError(f"{name} is of type {type(network).__name__}; pass TwoLayer(hidden, output)")
    if network.is_plain:
        return
    biased = network.bias is not None
    raise ValueError(
        f"{name} has {'hidden biases' if biased else f'the activation {network.activation.name}'}; known is "
        "sum_j a_j relu(w_j . x) alone: pass TwoLayer(hidden, output)"
    )


def checked_layers(
    weights: Any, biases: Any, *, names: tuple[str, str], core: int
) -> tuple[tuple[Array, ...], tuple[Array, ...] | None]:
    """Weights (of `core` dimensions each, the first of which counts nodes) and biases, checked and brought to one
    dtype and batch.

    >>> import numpy as np
    >>> weights, _ = checked_layers([np.ones((5, 3, 2)), np.ones((1, 3))], None, names=("weights", "biases"), core=2)
    >>> [layer.shape for layer in weights]
    [(5, 3, 2), (5, 1, 3)]
    """
    named, offset = names
    if not isinstance(weights, Sequence) or not len(weights):
        raise ValueError(f"{named} is {type(weights).__name__}; expected a tuple of arrays, one for each layer")
    if biases is not None and (not isinstance(biases, Sequence) or len(biases) != len(weights)):
        raise ValueError(
            f"{offset} does not fit the {len(weights)} layers of {named}; expected one array for each, or None"
        )
    layers = [as_floating(w, f"{named}[{index}]", least_ndim=core) for index, w in enumerate(weights)]
    shifts = [as_floating(b, f"{offset}[{index}]", least_ndim=1) for index, b in enumerate(biases or ())]
    xp = namespace(*layers, *shifts)
    for index, shift in enumerate(shifts):
        if shift.shape[-1] != layers[index].shape[-core]:
            raise ValueError(
                f"{offset}[{index}] has shape {tuple(shift.shape)}; expected (..., {layers[index].shape[-core]}), "
                "one for each node"
            )
    batches = {f"{named}[{index}]": w.shape[:-core] for index, w in enumerate(layers)}
    batches |= {f"{offset}[{index}]": b.shape[:-1] for index, b in enumerate(shifts)}
    batch, kind = broadcast_batches(**batches), xp.result_type(*layers, *shifts)

    def fitted(array: Array, inner: int) -> Array:
        array, shape = xp.astype(array, kind, copy=False), (*batch, *array.shape[array.ndim - inner :])
        return array if tuple(array.shape) == shape else xp.broadcast_to(array, shape)

    return tuple(fitted(w, core) for w in layers), tuple(fitted(b, 1) for b in shifts) if biases is not None else None
