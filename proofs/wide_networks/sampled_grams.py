"""`G^(H)(0)` of random networks of any width, drawn layer by layer: given the layer below, the rows of `W^(h) x^(h-1)` are independent Gaussian
vectors over the inputs (and pixels) with the products of the `x^(h-1)` for covariance, so no m x m matrix of weights is needed."""

from __future__ import annotations

import numpy as np

from alignmath.activations import Activation

__all__ = ["sampled_top_grams"]


def sampled_top_grams(
    X: np.ndarray,
    depths: list[int],
    width: int,
    activation: Activation,
    architecture: str,
    seed: int | list[int],
    residual_scale: float = 0.5,
    patch: int = 3,
) -> np.ndarray:
    """`G^(H)(0)` for each depth H: `(depths, n, n)`, with the law of `solvers.dynamics.wide_networks.grams(random_network(...), X)[H - 1]`.

    X: `(n, d)`, or `(n, d_0, p)` for "convolutional_resnet". Fully connected: one network, cut at each of the depths; residual: one for each depth,
    whose layers have the factor `residual_scale / H`."""
    rng = np.random.default_rng(seed)
    if architecture == "fully_connected":
        return np.array(_descend(X, set(depths), None, width, activation, 1, rng))
    window = patch if architecture == "convolutional_resnet" else 1
    return np.array([_descend(X, {H}, residual_scale / H, width, activation, window, rng)[0] for H in depths])


def _descend(
    X: np.ndarray,
    wanted: set[int],
    step: float | None,
    width: int,
    s: Activation,
    window: int,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """The matrices at the depths wanted, in their order. step: the factor of a residual layer; None: fully connected."""
    n, root = len(X), np.sqrt(s.c_sigma / width)
    x = np.moveaxis(X[..., None] if X.ndim == 2 else X, 0, 1)  # channels, inputs, pixels
    found = []
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
            found.append(entries.reshape(n, -1, n, z.shape[2]).sum(axis=(1, 3)))
        x = scale * s.value(z) if step is None or h == 1 else x + scale * s.value(z)
    return found


def _patches(x: np.ndarray, window: int) -> np.ndarray:
    """The values in the window around each pixel, zeros outside: `(window c, n, p)`."""
    reach, pixels = window // 2, x.shape[2]
    padded = np.pad(x, ((0, 0), (0, 0), (reach, reach)))
    return np.concatenate([padded[..., o : o + pixels] for o in range(window)])
