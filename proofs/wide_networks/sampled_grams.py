"""`G^(H)(0)` of random networks of any width, drawn layer by layer: given the layer below, the rows of `W^(h) x^(h-1)` are independent Gaussian
vectors over the inputs (and pixels) with the products of the `x^(h-1)` for covariance, so no m x m matrix of weights is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alignmath.activations import Activation
from alignmath.architectures import ConvolutionalResNet, FullyConnected, ResNet

__all__ = ["sampled_top_grams"]


def sampled_top_grams(
    x: np.ndarray, architectures: Sequence[FullyConnected | ResNet], width: int, seed: int | list[int]
) -> np.ndarray:
    """`G^(H)(0)` for architectures that differ in their depths H: `(depths, n, n)`, with the law of
    `solvers.dynamics.wide_networks.grams(random_network(...), x)[H - 1]`.

    x: `(n, d)`, or `(n, d_0, p)` for `ConvolutionalResNet`. Fully connected: one network, cut at each of the depths; residual: one for each depth,
    whose layers have the factor `scale / H`."""
    rng, one = np.random.default_rng(seed), architectures[0]
    s = one.activations[0]
    if isinstance(one, FullyConnected):
        return np.array(_descend(x, {a.depth for a in architectures}, None, width, s, 1, rng))
    window = one.patch if isinstance(one, ConvolutionalResNet) else 1
    return np.array([_descend(x, {a.depth}, one.scale / a.depth, width, s, window, rng)[0] for a in architectures])


def _descend(
    inputs: np.ndarray,
    wanted: set[int],
    step: float | None,
    width: int,
    s: Activation,
    window: int,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """The matrices at the depths wanted, in their order. step: the factor of a residual layer; None: fully connected."""
    n, root = len(inputs), np.sqrt(s.c_sigma / width)
    x = np.moveaxis(inputs[..., None] if inputs.ndim == 2 else inputs, 0, 1)  # channels, inputs, pixels
    matrices = []
    for h in range(1, max(wanted) + 1):
        inner = _patches(x, window).reshape(-1, n * x.shape[2])
        products = inner.T @ inner
        values, vectors = np.linalg.eigh(products)
        spread = vectors * np.sqrt(np.maximum(values, 0))
        z = (rng.standard_normal((width, len(spread))) @ spread.T).reshape(width, n, -1)
        scale = root if step is None or h == 1 else step / np.sqrt(width)
        if h in wanted:
            outer = rng.standard_normal((width, 1, 1 if step is None else z.shape[2]))
            slopes = (outer * scale * s.derivative(z)).reshape(width, -1)
            entries = (slopes.T @ slopes) * products
            matrices.append(entries.reshape(n, -1, n, z.shape[2]).sum(axis=(1, 3)))
        x = scale * s.value(z) if step is None or h == 1 else x + scale * s.value(z)
    return matrices


def _patches(x: np.ndarray, window: int) -> np.ndarray:
    """The values in the window around each pixel, zeros outside: `(window c, n, p)`."""
    reach, pixels = window // 2, x.shape[2]
    padded = np.pad(x, ((0, 0), (0, 0), (reach, reach)))
    return np.concatenate([padded[..., o : o + pixels] for o in range(window)])
