"""Convolutional ReLU networks: odd square kernels, zero padding, strides, mean over the positions, a linear output.

The ConvNets of the specialization paper's Section 6 (`specialization.fig8`). A node is a channel; its activations are
those at every position.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from array_api_compat import device

from ..arrays import Array, as_floating, as_order, broadcast_batches, namespace
from .checks import checked_layers

__all__ = ["ConvReLU"]


@dataclass(frozen=True, eq=False)
class ConvReLU:
    """`f_l = relu(K_l * f_{l-1} + b_l)`, l = 1..L, and `V mean(f_L) + b` over the positions, or a batch of such
    networks.

    - kernels: L arrays `(..., c_l, c_{l-1}, k_l, k_l)`, k_l odd; the convolution is a cross-correlation, padded with
      `(k_l - 1) / 2` zeros.
    - output: `(..., C, c_L)`.
    - biases: L + 1 arrays, `(..., c_l)` for each convolution and `(..., C)`; or None.
    - strides: L integers; 1 everywhere by default.

    Raises `ValueError` for empty, non-finite or mismatched arrays and for even kernels.

    >>> import numpy as np
    >>> network = ConvReLU((np.ones((4, 3, 5, 5)), np.ones((6, 4, 3, 3))), np.ones((10, 6)), strides=(1, 2))
    >>> network(np.ones((7, 3, 8, 8))).shape, network.depth, network.widths
    ((7, 10), 2, (3, 4, 6, 10))
    """

    kernels: tuple[Array, ...]
    output: Array
    biases: tuple[Array, ...] | None = None
    strides: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        output = as_floating(self.output, "output", least_ndim=2)
        if not isinstance(self.kernels, tuple | list) or not self.kernels:
            raise ValueError(
                f"kernels is {type(self.kernels).__name__}; expected a tuple of arrays, one for each layer"
            )
        kernels = [as_floating(kernel, f"kernels[{index}]", least_ndim=4) for index, kernel in enumerate(self.kernels)]
        for index, kernel in enumerate(kernels):
            if kernel.shape[-1] != kernel.shape[-2] or kernel.shape[-1] % 2 == 0:
                raise ValueError(
                    f"kernels[{index}] has shape {tuple(kernel.shape)}; expected (..., c, c_below, k, k) with k odd"
                )
        for index, (below, above) in enumerate(pairwise([*kernels, output[..., None, None]])):
            if above.shape[-3] != below.shape[-4]:
                name = f"kernels[{index + 1}]" if index + 1 < len(kernels) else "output"
                raise ValueError(
                    f"{name} takes {above.shape[-3]} channels; kernels[{index}], of shape {tuple(below.shape)}, has "
                    f"{below.shape[-4]}"
                )
        layers, biases = checked_layers(
            (*kernels, output[..., None, None]), self.biases, names=("kernels and output", "biases"), core=4
        )
        strides: Any = (1,) * len(kernels) if self.strides is None else self.strides
        if not isinstance(strides, tuple | list) or len(strides) != len(kernels):
            raise ValueError(f"strides is {strides}; expected {len(kernels)} integers, one for each layer of kernels")
        object.__setattr__(self, "kernels", layers[:-1])
        object.__setattr__(self, "output", layers[-1][..., 0, 0])
        object.__setattr__(self, "biases", biases)
        object.__setattr__(self, "strides", tuple(as_order(s, "strides", least=1, most=100) for s in strides))

    @property
    def depth(self) -> int:
        """Number L of hidden layers."""
        return len(self.kernels)

    @property
    def widths(self) -> tuple[int, ...]:
        """`(c_0, c_1, ..., c_L, C)`: channels of the input and of the hidden layers, dimension of the output."""
        return (self.kernels[0].shape[-3], *(k.shape[-4] for k in self.kernels), self.output.shape[-2])

    @property
    def batch(self) -> tuple[int, ...]:
        """Shape of the batch of networks; `()` for one network."""
        return tuple(self.output.shape[:-2])

    def activations(self, x: Any) -> tuple[Array, ...]:
        """`(f_1(x), ..., f_L(x), output)`: `(..., N, c_l, height, width)` each, and `(..., N, C)`.

        x: images `(N, c_0, height, width)`, or `(..., N, c_0, height, width)` with images of its own for each network.
        """
        x = as_floating(x, "x", least_ndim=4)
        xp = namespace(self.output, x)
        if x.shape[-3] != self.widths[0]:
            raise ValueError(f"x has shape {tuple(x.shape)}; expected (..., N, {self.widths[0]}, height, width)")
        broadcast_batches(networks=self.batch, x=x.shape[:-4])
        kind = xp.result_type(self.output, x)
        value, layers = xp.astype(x, kind), []
        for index, (kernel, stride) in enumerate(zip(self.kernels, self.strides or (), strict=True)):
            value = _correlated(xp, value, xp.astype(kernel, kind), stride)
            if self.biases is not None:
                value = value + self.biases[index][..., None, :, None, None]
            value = xp.clip(value, min=0.0)
            layers.append(value)
        mean = xp.mean(value, axis=(-2, -1))
        result = mean @ xp.matrix_transpose(xp.astype(self.output, kind))
        if self.biases is not None:
            result = result + self.biases[-1][..., None, :]
        return (*layers, result)

    def __call__(self, x: Any) -> Array:
        """Outputs at the images x: `(..., N, C)`."""
        return self.activations(x)[-1]


def _correlated(xp: Any, x: Array, kernel: Array, stride: int) -> Array:
    """Cross-correlation of `x (..., N, c, h, w)` with `kernel (..., o, c, k, k)`, zero-padded: one product for each
    offset."""
    size = kernel.shape[-1]
    padded = _padded(xp, x, size // 2)
    height, width = ((n - 1) // stride + 1 for n in x.shape[-2:])
    total: Any = None
    for i in range(size):
        for j in range(size):
            part = padded[..., i : i + stride * height : stride, j : j + stride * width : stride]
            part = part[..., :height, :width]
            flat = xp.reshape(part, (*part.shape[:-2], height * width))
            term = kernel[..., None, :, :, i, j] @ flat
            total = term if total is None else total + term
    return xp.reshape(total, (*total.shape[:-1], height, width))


def _padded(xp: Any, x: Array, margin: int) -> Array:
    """x with `margin` zeros around its last two axes."""
    if margin == 0:
        return x
    for axis in (x.ndim - 2, x.ndim - 1):
        shape = (*x.shape[:axis], margin, *x.shape[axis + 1 :])
        zeros = xp.zeros(shape, dtype=x.dtype, device=device(x))
        x = xp.concat([zeros, x, zeros], axis=axis)
    return x
