r"""Random finite networks of the paper, equations (2) and (3) and the convolutional one, and their matrix $G^{(H)}(0)$.

Weights of the first layer are drawn. In the layers above, given the layer below, the rows of $Wx_1,\dots,Wx_n$ are independent and
$N(0,(x_i\cdot x_j)_{ij})$: `top_gram` draws these, and lets output weights enter by $E[a_r^2]=1$. `explicit` draws every weight, and takes
the matrix from `solvers.dynamics.wide_networks`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from alignmath.activations import Activation
from alignmath.architectures import Architecture

__all__ = ["explicit", "extrapolated", "limit", "patches", "top_gram"]

_CHUNK = 100_000
"""Units of one layer, and weights, drawn at once: so many networks that there are about as many, and ten times as many."""


def patches(value: np.ndarray, patch: int) -> np.ndarray:
    """The patches `(..., q d, p)` of images `(..., d, p)`: stride 1, zeros outside."""
    reach, p = patch // 2, value.shape[-1]
    padded = np.pad(value, [(0, 0)] * (value.ndim - 1) + [(reach, reach)])
    return np.concatenate([padded[..., o : o + p] for o in range(patch)], axis=-2)


def _columns(value: np.ndarray, patch: int | None) -> np.ndarray:
    """What the weights act on, one column an input and pixel: `(B, k, n p)` from `(B, n, d, p)`."""
    value = value if patch is None else patches(value, patch)
    return np.moveaxis(value, 1, 2).reshape(value.shape[0], value.shape[2], -1)


def _sampled(below: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
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
    matrices = []
    chunk = max(1, _CHUNK // width)
    for start in range(0, draws, chunk):
        count = min(chunk, draws - start)
        below = np.broadcast_to(first, (count, *first.shape))
        pre = rng.standard_normal((count, width, first.shape[0])) @ first
        step, value = math.sqrt(c) / root, 0.0
        for h in range(1, depth + 1):
            if h > 1:
                below = _columns(value, patch)  # pyright: ignore[reportArgumentType]
                pre = _sampled(below, width, rng)
                step = math.sqrt(c) / root if scale is None else scale / (depth * root)
            if h < depth:
                layer = step * activation.value(pre).reshape(count, width, n, p).swapaxes(1, 2)
                value = layer if scale is None or h == 1 else value + layer
        slopes = step * activation.derivative(pre)
        both = (np.swapaxes(below, 1, 2) @ below) * (np.swapaxes(slopes, 1, 2) @ slopes)
        matrices.append(np.einsum("biljl->bij", both.reshape(count, n, p, n, p)))
    return np.concatenate(matrices)


def explicit(x: np.ndarray, architecture: Architecture, width: int, draws: int, seed: int) -> np.ndarray:
    """`G^(H)(0)` of `draws` networks with all of their weights: `(draws, n, n)`."""
    import torch

    from solvers.dynamics.wide_networks import grams, random_network

    size: Any = tuple(x.shape[1:]) if architecture.images else x.shape[1]
    one = random_network(size, architecture, width)
    shapes = [tensor.shape for tensor in (*one.weights, one.output)]
    generator = torch.Generator().manual_seed(seed)
    top = torch.func.vmap(lambda *w: grams(replace(one, weights=w[:-1], output=w[-1]), x)[-2])
    chunk, matrices = max(1, 10 * _CHUNK // sum(size.numel() for size in shapes)), []
    for start in range(0, draws, chunk):
        count = min(chunk, draws - start)
        matrices.append(top(*(torch.randn(count, *size, generator=generator, dtype=torch.float64) for size in shapes)))
    return torch.cat(matrices).numpy()


def limit(narrow: np.ndarray, wide: np.ndarray, ratio: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean as the width grows, from draws at two widths, m and `ratio` m, and its standard error: what is left is `O(1/m^2)`."""
    error = [draws.std(axis=0) / math.sqrt(len(draws)) for draws in (narrow, wide)]
    mean = (ratio * wide.mean(axis=0) - narrow.mean(axis=0)) / (ratio - 1)
    return mean, np.hypot(ratio * error[1], error[0]) / (ratio - 1)


def extrapolated(x: np.ndarray, units: int, seed: int, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """The mean of `G^(H)(0)` as the width grows, and its standard errors, `(n, n)` each, from networks of 64 and of 1024 neurons a layer.

    units: neurons of a layer in all networks of 1024 together; the others have a sixteenth.
    """
    rng = np.random.default_rng(seed)
    narrow, wide = (top_gram(x, width=m, draws=units // 1024 * k, rng=rng, **options) for m, k in ((64, 1), (1024, 1)))
    return limit(narrow, wide, 16)
