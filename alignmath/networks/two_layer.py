"""Two-layer ReLU networks `F(x) = sum_j a_j relu(w_j . x)`, and the teachers used throughout.

A network is a frozen container of its weights; leading dimensions of the weights are a batch of networks. The
alignment paper's teacher and students (its Section 2, definition `alignment.def.network`) have output weights 1, which
is the default here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, as_floating, as_order, broadcast_batches, namespace, polar

__all__ = ["TwoLayer", "gaussian_weights", "orthonormal", "planar", "regular_polygon"]


@dataclass(frozen=True, eq=False)
class TwoLayer:
    """`F(x) = sum_j output_j relu(hidden_j . x)`, or a batch of such networks.

    hidden: `(..., m, d)`, the hidden weight vectors of m neurons on inputs of dimension d.
    output: `(..., m)`, the output weights; ones by default, and broadcast against the batch of `hidden`.

    Raises `ValueError` for empty, non-finite or mismatched weights. Zero hidden weights are allowed (the neuron is
    silent); the functions that need a direction refuse them.
    """

    hidden: Array
    output: Array = None

    def __post_init__(self) -> None:
        hidden = as_floating(self.hidden, "hidden", least_ndim=2)
        xp = namespace(hidden)
        if self.output is None:
            output = xp.ones_like(hidden[..., 0])
        else:
            output = as_floating(self.output, "output", least_ndim=1)
            xp = namespace(hidden, output)
            if output.shape[-1] != hidden.shape[-2]:
                raise ValueError(
                    f"output has shape {tuple(output.shape)} for hidden of shape {tuple(hidden.shape)}; expected "
                    f"(..., {hidden.shape[-2]}), one output weight for each hidden neuron"
                )
            batch = broadcast_batches(hidden=hidden.shape[:-2], output=output.shape[:-1])
            kind = xp.result_type(hidden, output)
            hidden = _stretched(xp.astype(hidden, kind), (*batch, *hidden.shape[-2:]))
            output = _stretched(xp.astype(output, kind), (*batch, output.shape[-1]))
        object.__setattr__(self, "hidden", hidden)
        object.__setattr__(self, "output", output)

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
        active = xp.clip(xp.astype(self.hidden, kind) @ xp.matrix_transpose(xp.astype(x, kind)), min=0.0)
        return xp.sum(self.output[..., None] * active, axis=-2)


def _stretched(array: Array, shape: tuple[int, ...]) -> Array:
    """`array` broadcast to `shape`; itself, and not a read-only view of it, if it has that shape."""
    return array if tuple(array.shape) == shape else namespace(array).broadcast_to(array, shape)


def planar(angles: Any, lengths: Any = 1.0) -> TwoLayer:
    """The network in the plane with neurons `lengths_j (cos angles_j, sin angles_j)` and output weights 1.

    angles: `(..., m)`, radians. lengths: broadcast against `angles`, non-negative.
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
    `phase`."""
    neurons = as_order(neurons, "neurons", least=1, most=10**6)
    return planar(phase + 2 * np.pi * np.arange(neurons) / neurons, float(length))


def orthonormal(neurons: int, dimension: int) -> TwoLayer:
    """Teacher whose neurons are the first `neurons` unit vectors of R^dimension."""
    dimension = as_order(dimension, "dimension", least=1, most=10**5)
    neurons = as_order(neurons, "neurons", least=1, most=dimension, why=f", the orthonormal vectors of R^{dimension}")
    return TwoLayer(np.eye(dimension)[:neurons])


def gaussian_weights(
    neurons: int, dimension: int, rng: np.random.Generator, *, scale: float = 1.0, batch: tuple[int, ...] = ()
) -> TwoLayer:
    """Network(s) with independent hidden weights `N(0, scale^2)` and output weights 1; `batch` networks at once."""
    neurons = as_order(neurons, "neurons", least=1, most=10**9)
    dimension = as_order(dimension, "dimension", least=1, most=10**9)
    if not isinstance(batch, tuple):
        raise ValueError(f"batch is {batch!r}; expected a shape, such as (1000,)")
    return TwoLayer(scale * rng.standard_normal((*batch, neurons, dimension)))
