"""Gram matrices and kernels of wide networks: limits, as the width grows, of what random initial weights give.

All take a network of `alignmath.architectures`. `gram` is the matrix `K^(H)` of the wide_networks paper
(arXiv:1811.03804), whose least eigenvalue sets the rate of gradient descent, and the same of other layers;
`layer_kernels` are all `K^(h)` of its Definitions 5.1, 6.1 and 7.1, with their slips corrected
(docs/theory/wide_networks.md). `tangent` is the neural tangent kernel, the sum of `gram` over all layers; `conjugate`
the kernel of the outputs at initialisation (NNGP).

All work on blocks of the result, through all layers before the next, so that little more than the result is held (in
torch several times as much); equal inputs are worked on once, unless they have gradients, which keeps matrices of data
sets with duplicates positive semi-definite to rounding. For ReLU, leaky ReLU and the absolute value in `FullyConnected`
and `ResNet` so do small angles, which are never taken from a rounded cosine (see `angles`), however close the inputs.
Not so in other networks: there angles of nearly parallel inputs (or patches) are up to 1e-8 wrong, and of nearly equal
images eigenvalues of -2e-9 of the trace have been seen.

Gradients, in torch, flow to the inputs and to variances and factors of the network that are tensors with gradients.
Where an activation bends at 0 (ReLU) kernels have none at an input 0, unless the first layer has biases: that is
refused. At equal inputs tangent kernels of such networks have a kink, and the gradient is the mean of both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from array_api_compat import is_torch_array

from ..architectures.algebra import Architecture
from ..architectures.named import as_architecture
from ..architectures.numbers import has_gradient
from ..arrays import Array, as_floating, as_order, namespace, require_resolved
from .blocks import assemble
from .blocks import diagonal as diagonal_of
from .recursion import Recursion

__all__ = ["conjugate", "gram", "layer_kernels", "tangent"]


def gram(
    x: Any,
    architecture: Architecture,
    other: Any = None,
    *,
    layer: int | Sequence[int] | None = None,
    diagonal: bool = False,
    block_size: int | None = None,
    progress: bool = False,
) -> Array:
    """`K^(H)` of the wide_networks paper: `(n, n)`, symmetric; or the same of another layer, or between two sets.

    x: inputs `(n, d)`, of any lengths (the paper's have length 1); for networks that begin with a convolution `(n, d_0,
        p)`, d_0 channels of p pixels. NumPy or torch, with gradients.
    architecture: `FullyConnected`, `ResNet`, `ConvolutionalResNet`, `serial(...)` or `StandardParametrisation` of
        `alignmath.architectures`, of depth H. other: a second set of inputs; the result is then `(n, m)`.
    layer: h, from 1 to H + 1 (the output weights), gives the limit of `G^(h)`, of the products of derivatives by the
        weights (and biases) of layer h, in place of that of `G^(H)`; several, their sum. The paper has no formula for
        others than H.
    diagonal: only the entries of every input with itself, `(n,)`, in time that grows with n, not its square; `other`
        is then left out.
    block_size: rows and columns worked on at once. progress: a bar on stderr.

    In float32 entries are right to some 1e-6 of the diagonal, and of n inputs the least eigenvalue may be rounded to
    `-1e-8 n` of its mean: Cholesky then fails. Compute the kernel in float64, at most twice the time, factor that, and
    round what comes out; or add `1e-7 n` times the mean of the diagonal to it. In float64 `1e-15 n` does, where inputs
    are equal or nearly so.

    With `A_ij` the 2 x 2 covariance of inputs i and j before a layer, fully connected networks have `K^(h) = c
    E_A[s(u) s(v)]` for h < H and `K^(H) = c K^(H-1) E_A[s'(u) s'(v)]`, `c = activation.c_sigma`, A made of `K^(H-1)`
    in the last too. Layers above h multiply by `c E_A[s'(u) s'(v)]` each (docs/theory/wide_networks.md). Raises
    `ValueError` for bad input, and where lengths or variances overflow.

    >>> import numpy as np
    >>> from alignmath.activations import RELU
    >>> from alignmath.architectures import FullyConnected
    >>> from alignmath.kernels import gram
    >>> x = np.array([[1.0, 0.0], [0.6, 0.8]])
    >>> gram(x, FullyConnected(1, RELU)).round(4)  # x.y (pi - angle) / pi
    array([[1.    , 0.4229],
           [0.4229, 1.    ]])
    """
    a = as_architecture(architecture)
    H = a.serial.depth
    several = layer if isinstance(layer, Sequence) else [H if layer is None else layer]
    layers = frozenset(as_order(h, "layer", least=1, most=H + 1) for h in several)
    if not layers:
        raise ValueError(f"layer is empty; name at least one layer, from 1 to {H + 1}")
    return _assembled(x, a, other, layers, diagonal, block_size, progress)


def tangent(
    x: Any,
    architecture: Architecture,
    other: Any = None,
    *,
    diagonal: bool = False,
    block_size: int | None = None,
    progress: bool = False,
) -> Array:
    """The neural tangent kernel (Jacot, Gabriel and Hongler 2018), all layers trained: `(n, m)`, or `(n, n)` for other
    left out. Arguments as of `gram`.

    It is the sum of `gram` over the layers 1 to H + 1. For `FullyConnected(depth, s, weight_variance,
    bias_variance, last_weight_variance)`, with `S^1 = weight_variance x . y / d + bias_variance` and `S^(l+1) =
    weight_variance E[s(u) s(v)] + bias_variance` under `S^l`,

        T^1 = S^1,   T^(l+1) = S^(l+1) + weight_variance E[s'(u) s'(v)] T^l

    and the result is `T^(depth+1)`, whose last step has `last_weight_variance` in place of `weight_variance`, and
    `bias_variance` too. In the paper's scaling (weight_variance left out) S^1 is `x . y`, and later ones have c_sigma.

    >>> import numpy as np
    >>> from alignmath.activations import RELU
    >>> from alignmath.architectures import FullyConnected, ResNet
    >>> from alignmath.kernels import tangent
    >>> tangent(np.eye(2), FullyConnected(1, RELU, weight_variance=2.0)).round(4)
    array([[1.    , 0.1592],
           [0.1592, 1.    ]])
    >>> tangent(np.eye(3), ResNet(2, RELU), np.ones((5, 3))).shape
    (3, 5)
    """
    a = as_architecture(architecture)
    return _assembled(x, a, other, frozenset(range(1, a.serial.depth + 2)), diagonal, block_size, progress)


def conjugate(
    x: Any,
    architecture: Architecture,
    other: Any = None,
    *,
    diagonal: bool = False,
    block_size: int | None = None,
    progress: bool = False,
) -> Array:
    """The covariance of the outputs at initialisation (NNGP kernel), `(n, m)` or `(n, n)`: `S^(depth+1)` of `tangent`,
    whose arguments it has.

    >>> import numpy as np
    >>> from alignmath.activations import RELU
    >>> from alignmath.architectures import FullyConnected
    >>> from alignmath.kernels import conjugate
    >>> conjugate(np.eye(2), FullyConnected(1, RELU)).round(4)  # c E[s(u) s(v)], 1 / pi for orthogonal unit inputs
    array([[1.    , 0.3183],
           [0.3183, 1.    ]])
    """
    a = as_architecture(architecture).in_ntk_scaling
    return _assembled(x, a, other, frozenset([a.serial.depth + 1]), diagonal, block_size, progress)


def layer_kernels(x: Any, architecture: Architecture) -> tuple[Array, ...]:
    """All `K^(h)` of Definitions 5.1, 6.1 and 7.1 of the wide_networks paper, h = 0, ..., H, the h-th at index h.

    x, architecture: as of `gram`. For h < H the limits of the products `x_i^(h) . x_j^(h)` of what comes into the
    weights of layer h + 1, `(n, n)`; of images, Definition 7.1, of the patches around pixels l and r, `K^(h)_ij,lr` at
    `[i, j, l, r]`, `(n, n, p, p)`. The last is `K^(H)`, `(n, n)`: `gram(x, architecture)`, the limit of `G^(H)`. All
    are held at once; the definitions are the corrected ones of docs/theory/wide_networks.md.

    >>> import numpy as np
    >>> from alignmath.activations import SOFTPLUS
    >>> from alignmath.architectures import ConvolutionalResNet, FullyConnected
    >>> from alignmath.kernels import layer_kernels
    >>> K = layer_kernels(np.eye(2), FullyConnected(2, SOFTPLUS))
    >>> float(K[1][0, 0].round(12)), float(K[1][0, 1].round(4))  # E[s]^2 / E[s^2] for orthogonal inputs
    (1.0, 0.7053)
    >>> [k.shape for k in layer_kernels(np.ones((2, 3, 4)), ConvolutionalResNet(2, SOFTPLUS))]  # Definition 7.1
    [(2, 2, 4, 4), (2, 2, 4, 4), (2, 2)]
    """
    a = as_architecture(architecture)
    last = gram(x, a)
    checked, _ = _checked(x, None, a, directions=False)
    below = Recursion(a.serial, frozenset()).arriving(checked)
    return *below[: a.serial.depth], last


def _assembled(
    x: Any,
    a: Architecture,
    other: Any,
    layers: frozenset[int],
    diagonal: bool,
    block_size: int | None,
    progress: bool,
) -> Array:
    recursion = a.recursion(layers)
    checked, second = _checked(x, other, a, directions=recursion.directions)
    for value, name in ((checked, "x"), (second, "other")):
        if value is not None and has_gradient(value):
            recursion.require_smooth(value, name)
    if not diagonal:
        return assemble(recursion, checked, second, block_size, progress)
    if second is not None:
        raise ValueError("diagonal is of the inputs x with themselves; leave out other, or diagonal")
    return diagonal_of(recursion, checked, block_size, progress)


def _checked(x: Any, other: Any, a: Architecture, *, directions: bool) -> tuple[Array, Array | None]:
    """The sets of inputs, of one library and precision."""
    ndim = 3 if a.images else 2
    x = as_floating(x, "x", least_ndim=ndim)
    y = None if other is None else as_floating(other, "other", least_ndim=ndim)
    for value, name in ((x, "x"), (y, "other")):
        if value is not None and (value.ndim != ndim or value.shape[1:] != x.shape[1:]):
            size = ", ".join(str(v) for v in x.shape[1:]) if name == "other" else "d_0, p" if a.images else "d"
            raise ValueError(f"{name} has shape {tuple(value.shape)}; expected (n, {size}), one input a row")
        if value is not None:
            require_resolved(value, name, directions=directions)
    if a.differentiated and not is_torch_array(x):
        raise ValueError(
            f"{a.differentiated} requires gradients, and x is no tensor; pass x as a tensor, or the number as a float"
        )
    if y is None:
        return x, None
    xp = namespace(x, y)
    dtype = xp.result_type(x, y)
    return xp.astype(x, dtype), xp.astype(y, dtype)
