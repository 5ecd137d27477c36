"""Gram matrices and kernels of wide networks: limits, as the width grows, of what random initial weights give.

`gram` is the matrix `K^(H)` of the wide_networks paper (arXiv:1811.03804), whose least eigenvalue sets the rate of
gradient descent: Definitions 5.1, 6.1 and 7.1, with their slips corrected (docs/theory/wide_networks.md). `tangent` and
`conjugate` are the neural tangent kernel and the kernel of the outputs at initialisation (NNGP) of fully connected
networks in the usual parametrisation.

All work on blocks of the result, through all layers before the next, so that little more than the result is held (in
torch several times as much); equal inputs are worked on once, unless they have gradients, which keeps matrices of data
sets with duplicates positive semi-definite to rounding. For ReLU, leaky ReLU and the absolute value so do small angles,
which are never taken from a rounded cosine (see `angles`), however close the inputs. Not so in "convolutional_resnet":
there angles of nearly parallel patches are up to 1e-8 wrong, and of nearly equal images eigenvalues of -2e-9 of the
trace have been seen.
"""

from __future__ import annotations

from typing import Any

from ..activations import Activation
from ..activations.base import as_activation
from ..arrays import Array, as_floating, as_number, as_order, namespace, require_resolved
from .angles import KernelAngles, PlainAngles, ResidualAngles, homogeneous
from .blocks import assemble
from .layers import Convolutional, Kernel, Plain, Residual

__all__ = ["ARCHITECTURES", "conjugate", "gram", "tangent"]

ARCHITECTURES = ("fully_connected", "resnet", "convolutional_resnet")
_DEEPEST = 10_000


def gram(
    X: Any,
    depth: int,
    activation: Activation,
    architecture: str = "fully_connected",
    *,
    layer: int | None = None,
    residual_scale: float = 0.5,
    patch: int = 3,
    block_size: int | None = None,
    progress: bool = False,
) -> Array:
    """`K^(H)` of the wide_networks paper: `(n, n)`, symmetric; or the same of another layer.

    X: inputs `(n, d)`, of any lengths (the paper's have length 1); for "convolutional_resnet" `(n, d_0, p)`, d_0
        channels of p pixels. NumPy or torch, with gradients in X.
    depth: H, at least 1; at least 2 for the residual networks. layer: h, from 1 to H + 1 (the output weights), gives
        the limit of `G^(h)` in place of that of `G^(H)`; the paper has no formula for others than H.
    residual_scale: c_res, in (0, 1), of the residual networks. patch: q, odd, the pixels of a patch; stride 1, zero
        padding. block_size: rows and columns worked on at once. progress: a bar on stderr.

    With `A_ij` the 2 x 2 covariance of inputs i and j before a layer, fully connected networks have `K^(h) = c
    E_A[s(u) s(v)]` for h < H and `K^(H) = c K^(H-1) E_A[s'(u) s'(v)]`, `c = activation.c_sigma`, A made of `K^(H-1)`
    in the last too. Layers above h multiply by `c E_A[s'(u) s'(v)]` each (docs/theory/wide_networks.md). Raises
    `ValueError` for bad input.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture is {architecture!r}; expected one of {list(ARCHITECTURES)}")
    plain = architecture == "fully_connected"
    H = as_order(depth, "depth", least=1 if plain else 2, most=_DEEPEST)
    which = H if layer is None else as_order(layer, "layer", least=1, most=H + 1)
    scale = as_number(residual_scale, "residual_scale", above=True)
    if scale >= 1:
        raise ValueError(f"residual_scale is {residual_scale!r}; expected a number in (0, 1)")
    ndim = 3 if architecture == "convolutional_resnet" else 2
    x = as_floating(X, "X", least_ndim=ndim)
    if x.ndim != ndim:
        raise ValueError(f"X has shape {tuple(x.shape)}; expected {'(n, d_0, p)' if ndim == 3 else '(n, d)'}")
    angular = homogeneous(as_activation(activation))
    require_resolved(x, "X", directions=angular is not None and ndim == 2)
    if plain:
        layers: Any = Plain(activation, H, which) if angular is None else PlainAngles(angular, H, which)
    elif ndim == 2:
        many = (H, which, scale)
        layers = Residual(activation, *many) if angular is None else ResidualAngles(angular, *many)
    else:
        q = as_order(patch, "patch", least=1, most=10**6)
        if q % 2 == 0:
            raise ValueError(f"patch is {patch!r}; expected an odd number of pixels")
        layers = Convolutional(activation, H, which, scale, q)
    return assemble(layers, x, None, block_size, progress)


def tangent(
    X: Any,
    Y: Any = None,
    *,
    depth: int,
    activation: Activation,
    weight_variance: float = 2.0,
    bias_variance: float = 0.0,
    last_weight_variance: float = 1.0,
    block_size: int | None = None,
    progress: bool = False,
) -> Array:
    """The neural tangent kernel of a fully connected network: `(n, m)`, or `(n, n)` for Y left out.

    X `(n, d)`, Y `(m, d)`: inputs, NumPy or torch. depth: hidden layers, at least 1; all layers are trained. NTK
    parametrisation: a layer is `g = W x sqrt(variance / fan-in) + sqrt(bias_variance) b`, all entries of W and b
    standard normal; the last layer has `last_weight_variance`. With `S^1 = weight_variance x . y / d + bias_variance`
    and `S^(l+1) = weight_variance E[s(u) s(v)] + bias_variance` under `S^l`,

        T^1 = S^1,   T^(l+1) = S^(l+1) + weight_variance E[s'(u) s'(v)] T^l

    (Jacot, Gabriel and Hongler 2018); the result is `T^(depth+1)`, whose last step has `last_weight_variance` in place
    of `weight_variance`, and `bias_variance` too. depth: at most 10,000. block_size, progress: as of `gram`. Raises
    `ValueError` for bad input, and where lengths or variances overflow.
    """
    layers = _kernel(activation, depth, weight_variance, bias_variance, last_weight_variance, slopes=True)
    return assemble(layers, *_two_sets(X, Y, layers), block_size, progress)


def conjugate(
    X: Any,
    Y: Any = None,
    *,
    depth: int,
    activation: Activation,
    weight_variance: float = 2.0,
    bias_variance: float = 0.0,
    last_weight_variance: float = 1.0,
    block_size: int | None = None,
    progress: bool = False,
) -> Array:
    """The covariance of the outputs at initialisation (NNGP kernel), `(n, m)` or `(n, n)`: `S^(depth+1)` of `tangent`,
    whose arguments it has."""
    layers = _kernel(activation, depth, weight_variance, bias_variance, last_weight_variance, slopes=False)
    return assemble(layers, *_two_sets(X, Y, layers), block_size, progress)


def _kernel(activation: Activation, depth: int, weight: float, bias: float, last: float, *, slopes: bool) -> Any:
    """The layers of `tangent` (slopes) and `conjugate`; their arguments, checked."""
    d = as_order(depth, "depth", least=1, most=_DEEPEST)
    w, b = as_number(weight, "weight_variance"), as_number(bias, "bias_variance")
    end = as_number(last, "last_weight_variance")
    angular = homogeneous(as_activation(activation))
    if angular is None:
        return Kernel(activation, d, w, b, end, slopes)
    return KernelAngles(angular, d, w, b, end, slopes)


def _two_sets(X: Any, Y: Any, layers: Any) -> tuple[Array, Array | None]:
    """Checked, and of one library and precision."""
    x = as_floating(X, "X", least_ndim=2)
    y = None if Y is None else as_floating(Y, "Y", least_ndim=2)
    for value, name in ((x, "X"), (y, "Y")):
        if value is not None and (value.ndim != 2 or value.shape[1] != x.shape[1]):
            raise ValueError(f"{name} has shape {tuple(value.shape)}; expected (n, {x.shape[1]}), one input a row")
        if value is not None:
            require_resolved(value, name, directions=isinstance(layers, KernelAngles))
    if y is None:
        return x, None
    xp = namespace(x, y)
    dtype = xp.result_type(x, y)
    return xp.astype(x, dtype), xp.astype(y, dtype)
