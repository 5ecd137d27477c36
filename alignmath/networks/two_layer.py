"""Two-layer networks `F(x) = sum_j a_j s(w_j . x + b_j)`, by default with s = ReLU and without the biases b; and the
teachers used throughout.

A network is a frozen container of its weights; leading dimensions of the weights are a batch of networks. The
alignment paper's teacher and students (its Section 2, definition `alignment.def.network`) have output weights 1, which
is the default here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, as_floating, as_generator, as_order, broadcast_batches, namespace, polar

__all__ = ["TwoLayer", "gaussian_weights", "orthonormal", "planar", "regular_polygon"]


@dataclass(frozen=True, eq=False)
class TwoLayer:
    """`F(x) = sum_j output_j activation(hidden_j . x + bias_j)`, or a batch of such networks.

    - hidden: `(..., m, d)`, the hidden weight vectors of m neurons on inputs of dimension d.
    - output: `(..., m)`, the output weights; ones by default.
    - bias: `(..., m)`, biases of the hidden neurons; None, the default, for a network without.
    - activation: an `alignmath.activations.Activation`; `RELU` by default.

    The arrays are brought to one dtype, and their batches broadcast. Raises `ValueError` for empty, non-finite or
    mismatched weights. Zero hidden weights are allowed; the functions that need a direction refuse them. What is known
    for ReLU without biases alone (population losses, functions of the plane, minimum norms) refuses other networks.

    >>> from alignmath.activations import TANH
    >>> TwoLayer([[1.0, 0.0], [0.0, 1.0]])([[3.0, -4.0], [1.0, 2.0]])
    array([3., 3.])
    >>> TwoLayer([[1.0]], bias=[-1.0], activation=TANH)([[1.0]])
    array([0.])
    """

    hidden: Array
    output: Array = None
    bias: Array = None
    activation: Any = None

    def __post_init__(self) -> None:
        from ..activations.base import as_activation  # what loads networks alone needs no activations
        from ..activations.piecewise import RELU

        hidden = as_floating(self.hidden, "hidden", least_ndim=2)
        given = {"output": self.output, "bias": self.bias}
        vectors = {name: as_floating(v, name, least_ndim=1) for name, v in given.items() if v is not None}
        xp = namespace(hidden, *vectors.values())
        for name, vector in vectors.items():
            if vector.shape[-1] != hidden.shape[-2]:
                raise ValueError(
                    f"{name} has shape {tuple(vector.shape)} for hidden of shape {tuple(hidden.shape)}; expected "
                    f"(..., {hidden.shape[-2]}), one number for each hidden neuron"
                )
        if vectors:
            batches = {name: vector.shape[:-1] for name, vector in vectors.items()}
            batch = broadcast_batches(hidden=hidden.shape[:-2], **batches)
            kind = xp.result_type(hidden, *vectors.values())
            hidden = _stretched(xp.astype(hidden, kind), (*batch, *hidden.shape[-2:]))
            vectors = {n: _stretched(xp.astype(v, kind), (*batch, v.shape[-1])) for n, v in vectors.items()}
        object.__setattr__(self, "hidden", hidden)
        object.__setattr__(self, "output", vectors["output"] if "output" in vectors else xp.ones_like(hidden[..., 0]))
        object.__setattr__(self, "bias", vectors.get("bias"))
        object.__setattr__(self, "activation", RELU if self.activation is None else as_activation(self.activation))

    @property
    def is_plain(self) -> bool:
        """Whether there are no biases and the activation is ReLU, as most formulas ask."""
        return self.bias is None and self.activation.slopes == (1.0, 0.0)

    @property
    def width(self) -> int:
        """Number m of hidden neurons."""
        return self.hidden.shape[-2]

    @property
    def dimension(self) -> int:
        """Dimension d of the input."""
        return self.hidden.shape[-1]

    @property
    def batch(self) -> tuple[int, ...]:
        """Shape of the batch of networks; `()` for one network."""
        return tuple(self.hidden.shape[:-2])

    @property
    def lengths(self) -> Array:
        """Lengths `rho_j = |w_j|` of the hidden weight vectors, `(..., m)`."""
        return polar(self.hidden, axis=-1)[0]

    @property
    def polar_angles(self) -> Array:
        """Polar angles of the hidden weight vectors in `(-pi, pi]`, `(..., m)`, radians; only for d = 2."""
        if self.dimension != 2:
            raise ValueError(f"polar angles need inputs of dimension 2; this network has dimension {self.dimension}")
        return namespace(self.hidden).atan2(self.hidden[..., 1], self.hidden[..., 0])

    def __call__(self, x: Any) -> Array:
        """Outputs at the inputs `x (n, d)`: shape `(..., n)`."""
        x = as_floating(x, "x", least_ndim=2)
        xp = namespace(self.hidden, x)
        if x.ndim != 2 or x.shape[-1] != self.dimension:
            raise ValueError(f"x has shape {tuple(x.shape)}; expected (n, {self.dimension}), one input a row")
        kind = xp.result_type(self.hidden, x)
        before = xp.astype(self.hidden, kind) @ xp.matrix_transpose(xp.astype(x, kind))
        if self.bias is not None:
            before = before + self.bias[..., None]
        relu = self.activation.slopes == (1.0, 0.0)
        active = xp.clip(before, min=0.0) if relu else self.activation.value(before)
        return xp.sum(self.output[..., None] * active, axis=-2)


def _stretched(array: Array, shape: tuple[int, ...]) -> Array:
    """`array` broadcast to `shape`; itself, and not a read-only view of it, if it has that shape."""
    return array if tuple(array.shape) == shape else namespace(array).broadcast_to(array, shape)


def planar(angles: Any, lengths: Any = 1.0) -> TwoLayer:
    """The network in the plane with neurons `lengths_j (cos angles_j, sin angles_j)` and output weights 1.

    angles: `(..., m)`, radians. lengths: broadcast against `angles`, non-negative.

    >>> planar([0.0, np.pi / 2], [1.0, 2.0]).hidden.round(12).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    angles = as_floating(angles, "angles", least_ndim=1)
    xp = namespace(angles)
    if isinstance(lengths, int | float):
        lengths = xp.full_like(angles, float(lengths))
    lengths = as_floating(lengths, "lengths")
    broadcast_batches(angles=angles.shape, lengths=lengths.shape)
    if bool(xp.any(lengths < 0)):
        raise ValueError("lengths has a negative entry; turn the angle by pi instead")
    return TwoLayer(xp.stack([lengths * xp.cos(angles), lengths * xp.sin(angles)], axis=-1))


def regular_polygon(neurons: int, length: float = 1.0, phase: float = 0.0) -> TwoLayer:
    """Teacher in the plane whose neurons of equal `length` point at the corners of a regular polygon, the first at
    `phase`, radians.

    >>> regular_polygon(4, length=2.0).hidden.round(12).tolist()
    [[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0], [-0.0, -2.0]]
    """
    neurons = as_order(neurons, "neurons", least=1, most=10**6)
    return planar(phase + 2 * np.pi * np.arange(neurons) / neurons, float(length))


def orthonormal(neurons: int, dimension: int) -> TwoLayer:
    """Teacher whose neurons are the first `neurons` unit vectors of R^dimension.

    >>> orthonormal(2, 3).hidden.tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    dimension = as_order(dimension, "dimension", least=1, most=10**5)
    neurons = as_order(neurons, "neurons", least=1, most=dimension, why=f", the orthonormal vectors of R^{dimension}")
    return TwoLayer(np.eye(dimension)[:neurons])


def gaussian_weights(
    neurons: int, dimension: int, seed: int | np.random.Generator, *, scale: float = 1.0, batch: tuple[int, ...] = ()
) -> TwoLayer:
    """Network(s) with independent hidden weights `N(0, scale^2)` and output weights 1.

    seed: an integer, or a NumPy generator, which moves on. batch: the shape of a batch of networks
    to draw at once.

    >>> gaussian_weights(3, 2, seed=0, batch=(100,)).hidden.shape
    (100, 3, 2)
    """
    neurons = as_order(neurons, "neurons", least=1, most=10**9)
    dimension = as_order(dimension, "dimension", least=1, most=10**9)
    if not isinstance(batch, tuple):
        raise ValueError(f"batch is {batch!r}; expected a shape, such as (1000,)")
    return TwoLayer(scale * as_generator(seed).standard_normal((*batch, neurons, dimension)))
