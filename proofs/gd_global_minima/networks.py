r"""Random finite networks of the paper, equations (2) and (3) and the convolutional one, and their matrix $G^{(H)}(0)$.

Weights of the first layer are drawn. In the layers above, given the layer below, the rows of $Wx_1,\dots,Wx_n$ are independent and
$N(0,(x_i\cdot x_j)_{ij})$: these are drawn, which gives networks of the same law. Output weights enter by $E[a_r^2]=1$.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alignmath.activations import Activation

__all__ = ["extrapolated", "patches", "top_gram"]

_CHUNK = 2_000


def patches(value: np.ndarray, patch: int) -> np.ndarray:
    """The patches `(..., q d, p)` of images `(..., d, p)`: stride 1, zeros outside."""
    reach, p = patch // 2, value.shape[-1]
    padded = np.pad(value, [(0, 0)] * (value.ndim - 1) + [(reach, reach)])
    return np.concatenate([padded[..., o : o + p] for o in range(patch)], axis=-2)


def _columns(value: np.ndarray, patch: int | None) -> np.ndarray:
    """What the weights act on, one column an input and pixel: `(B, k, n p)` from `(B, n, d, p)`."""
    value = value if patch is None else patches(value, patch)
    return np.moveaxis(value, 1, 2).reshape(value.shape[0], value.shape[2], -1)


def _drawn(below: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
    """`W x` for every column, `(B, m, n p)`: rows with the covariance of the columns."""
    covariance = np.swapaxes(below, 1, 2) @ below
    root = np.linalg.cholesky(covariance)
    return rng.standard_normal((len(below), width, below.shape[2])) @ np.swapaxes(root, 1, 2)


def top_gram(
    x: np.ndarray,
    depth: int,
    activation: Activation,
    width: int,
    draws: int,
    rng: np.random.Generator,
    *,
    scale: float | None = None,
    patch: int | None = None,
) -> np.ndarray:
    """`G^(H)(0)` of `draws` networks, averaged over the output weights: `(draws, n, n)`.

    x: inputs `(n, d)`, or images `(n, d_0, p)` where there is a `patch`. scale: c_res of residual networks; None: fully connected.
    """
    images = x[:, :, None] if patch is None else x
    n, _, p = images.shape
    c, root = activation.c_sigma, math.sqrt(width)
    first = _columns(images[None], patch)[0]
    found = []
    for start in range(0, draws, _CHUNK):
        count = min(_CHUNK, draws - start)
        below = np.broadcast_to(first, (count, *first.shape))
        pre = rng.standard_normal((count, width, first.shape[0])) @ first
        step, value = math.sqrt(c) / root, 0.0
        for h in range(1, depth + 1):
            if h > 1:
                below = _columns(value, patch)  # pyright: ignore[reportArgumentType]
                pre = _drawn(below, width, rng)
                step = math.sqrt(c) / root if scale is None else scale / (depth * root)
            if h < depth:
                layer = step * activation.value(pre).reshape(count, width, n, p).swapaxes(1, 2)
                value = layer if scale is None or h == 1 else value + layer
        slopes = step * activation.derivative(pre)
        both = (np.swapaxes(below, 1, 2) @ below) * (np.swapaxes(slopes, 1, 2) @ slopes)
        found.append(np.einsum("biljl->bij", both.reshape(count, n, p, n, p)))
    return np.concatenate(found)


def extrapolated(x: np.ndarray, draws: int, width: int, seed: int, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """The mean of `G^(H)(0)` as the width grows, and its standard errors, `(n, n)` each: `2 G_(2m) - G_m` lacks only `O(1/m^2)`."""
    rng = np.random.default_rng(seed)
    means, errors = [], []
    for m in (width, 2 * width):
        drawn = top_gram(x, width=m, draws=draws, rng=rng, **options)
        means.append(drawn.mean(axis=0))
        errors.append(drawn.std(axis=0) / math.sqrt(draws))
    return 2 * means[1] - means[0], np.hypot(2 * errors[1], errors[0])
