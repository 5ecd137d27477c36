"""Gram matrices and kernels of wide networks: limits, as the width grows, of what random initial weights give.

`gram` is the matrix `K^(H)` of the gradient-descent paper (arXiv:1811.03804), whose least eigenvalue sets the rate of
gradient descent: Definitions 5.1, 6.1 and 7.1, with their slips corrected (docs/theory/gram.md). `tangent` and
`conjugate` are the neural tangent kernel and the kernel of the outputs at initialisation (NNGP) of fully connected
networks in the usual parametrisation.

All work on blocks of the result, through all layers before the next, so that no more than the result is held; equal
inputs are worked on once, which keeps matrices of data sets with duplicates positive semi-definite to rounding.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .activations import RELU, Activation
from .arrays import Array, as_floating, as_number, as_order, namespace, root
from .gaussian import complement_profile

__all__ = ["ARCHITECTURES", "conjugate", "gram", "tangent"]

ARCHITECTURES = ("fully_connected", "resnet", "convolutional_resnet")
_BLOCK = 128
_DEEPEST = 10_000
_PAIRS = 1 << 14

Layer = Callable[[Array, Array, Array], Array]


def gram(
    X: Any,
    depth: int,
    activation: Activation,
    architecture: str = "fully_connected",
    *,
    residual_scale: float = 0.5,
    patch: int = 3,
    block_size: int | None = None,
) -> Array:
    """`K^(H)` of the gradient-descent paper: `(n, n)`, symmetric.

    X: inputs `(n, d)`, of any lengths (the paper's have length 1); for "convolutional_resnet" `(n, d_0, p)`, d_0
        channels of p pixels. NumPy or torch, with gradients in X.
    depth: H, at least 1; at least 2 for the residual networks.
    residual_scale: c_res, in (0, 1), of the residual networks. patch: q, odd, the pixels of a patch; stride 1, zero
        padding. block_size: rows and columns worked on at once.

    With `A_ij` the 2 x 2 covariance of inputs i and j before a layer, fully connected networks have `K^(h) = c
    E_A[s(u) s(v)]` for h < H and `K^(H) = c K^(H-1) E_A[s'(u) s'(v)]`, `c = activation.c_sigma`, A made of `K^(H-1)`
    in the last too. Raises `ValueError` for bad input.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture is {architecture!r}; expected one of {list(ARCHITECTURES)}")
    plain = architecture == "fully_connected"
    H = as_order(depth, "depth", least=1 if plain else 2, most=_DEEPEST)
    scale = as_number(residual_scale, "residual_scale", above=True)
    if scale >= 1:
        raise ValueError(f"residual_scale is {residual_scale!r}; expected a number in (0, 1)")
    ndim = 3 if architecture == "convolutional_resnet" else 2
    x = as_floating(X, "X", least_ndim=ndim)
    if x.ndim != ndim:
        raise ValueError(f"X has shape {tuple(x.shape)}; expected {'(n, d_0, p)' if ndim == 3 else '(n, d)'}")
    if plain:
        layers: Any = _Plain(activation, H)
    elif ndim == 2:
        layers = _Residual(activation, H, scale)
    else:
        q = as_order(patch, "patch", least=1, most=2 * x.shape[2] + 1)
        if q % 2 == 0:
            raise ValueError(f"patch is {patch!r}; expected an odd number of pixels")
        layers = _Convolutional(activation, H, scale, q)
    return _assemble(layers, x, None, block_size)


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
) -> Array:
    """The neural tangent kernel of a fully connected network: `(n, m)`, or `(n, n)` for Y left out.

    X `(n, d)`, Y `(m, d)`: inputs, NumPy or torch. depth: hidden layers, at least 1; all layers are trained. NTK
    parametrisation: a layer is `g = W x sqrt(variance / fan-in) + sqrt(bias_variance) b`, all entries of W and b
    standard normal; the last layer has `last_weight_variance`. With `S^1 = weight_variance x . y / d + bias_variance`
    and `S^(l+1) = weight_variance E[s(u) s(v)] + bias_variance` under `S^l`,

        T^1 = S^1,   T^(l+1) = S^(l+1) + weight_variance E[s'(u) s'(v)] T^l

    (Jacot, Gabriel and Hongler 2018). Raises `ValueError` for bad input.
    """
    layers = _Kernel(activation, depth, weight_variance, bias_variance, last_weight_variance, slopes=True)
    return _assemble(layers, *_two_sets(X, Y), block_size)


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
) -> Array:
    """The covariance of the outputs at initialisation (NNGP kernel), arguments as of `tangent`: `(n, m)` or
    `(n, n)`."""
    layers = _Kernel(activation, depth, weight_variance, bias_variance, last_weight_variance, slopes=False)
    return _assemble(layers, *_two_sets(X, Y), block_size)


def _two_sets(X: Any, Y: Any) -> tuple[Array, Array | None]:
    x = as_floating(X, "X", least_ndim=2)
    y = None if Y is None else as_floating(Y, "Y", least_ndim=2)
    for value, name in ((x, "X"), (y, "Y")):
        if value is not None and (value.ndim != 2 or value.shape[1] != x.shape[1]):
            raise ValueError(f"{name} has shape {tuple(value.shape)}; expected (n, {x.shape[1]}), one input a row")
    return x, y


# %% Layers. `start` gives what a set of inputs brings along, row by row; `block` the kernel of two such sets.


class _ReluLayer:
    """Both expectations of ReLU for covariances whose determinants are known to full accuracy, and the next ones.

    From rounded covariances of nearly parallel inputs the angle comes out 1e-8 wrong, and the matrix of slopes has
    eigenvalues below 0 by as much.
    """

    def __init__(self, theta: Array, area: Array, c: Array) -> None:
        share = (math.pi - theta) / (2 * math.pi)
        self.value, self.slope, self._theta = area / (2 * math.pi) + share * c, share, theta

    def determinant(self, a: Array, b: Array) -> Array:
        """`E[s(u)^2] E[s(v)^2] - E[s(u) s(v)]^2` for variances a and b: `a b / 4 (1 - q)(1 + q)`, q the correlation."""
        sine = namespace(self._theta).sin(self._theta / 2)
        lack = 2 * sine * sine - complement_profile(self._theta) / math.pi  # 1 - q
        return a * b / 4 * lack * (2 - lack)


def _first_determinant(x: Array, y: Array, squares: Array, other: Array, products: Array) -> Array:
    """`|x|^2 |y|^2 - (x . y)^2` of all pairs; of nearly parallel ones from the directions' differences."""
    xp = namespace(x)
    both = squares[:, None] * other
    found = xp.clip(both - products * products, 0.0, math.inf)
    close = (found < 1e-5 * both) & (both > 0)
    if not bool(xp.any(close)):
        return found
    rows, columns = xp.nonzero(close)
    parts = []
    for k in range(0, len(rows), _PAIRS):
        i, j = rows[k : k + _PAIRS], columns[k : k + _PAIRS]
        u, v = x[i] / xp.sqrt(squares[i])[:, None], y[j] / xp.sqrt(other[j])[:, None]
        near, far = xp.sum((u - v) ** 2, axis=1), xp.sum((u + v) ** 2, axis=1)
        parts.append(both[i, j] * near * far / 4)
    found[rows, columns] = xp.concat(parts)
    return found


class _Plain:
    """Definition 5.1."""

    def __init__(self, activation: Activation, depth: int) -> None:
        self.activation, self.depth = activation, depth

    def start(self, x: Array) -> list[Array]:
        """The inputs and the diagonals of `K^(0), ..., K^(H-1)`, `(n,)` each."""
        own = [namespace(x).sum(x * x, axis=1)]
        for _ in range(self.depth - 1):
            own.append(self.activation.c_sigma * self.activation.dual(own[-1], own[-1], own[-1]))
        return [x, *own]

    def block(self, one: list[Array], two: list[Array], products: Array, same: bool) -> Array:
        """Rows of one set against another, from their products; same: whether they are the same rows."""
        s, K = self.activation, _diagonal(products, one[1], same)
        if s is RELU:  # variances stay those of the inputs
            a, b = one[1][:, None], two[1]
            D = _first_determinant(one[0], two[0], one[1], b, K)
            for k in range(self.depth):
                layer = _relu_layer(D, K)
                last = k + 1 == self.depth
                K, D = (2 * K * layer.slope, D) if last else (2 * layer.value, 4 * layer.determinant(a, b))
            return K
        for a, b in zip(one[1:-1], two[1:-1], strict=True):
            K = _diagonal(s.c_sigma * s.dual(a[:, None], _bounded(K, a, b), b), s.c_sigma * s.dual(a, a, a), same)
        a, b = one[-1], two[-1]
        return s.c_sigma * K * s.dual_derivative(a[:, None], _bounded(K, a, b), b)


class _Residual:
    """Definition 6.1."""

    def __init__(self, activation: Activation, depth: int, scale: float) -> None:
        self.activation, self.depth, self.step = activation, depth, scale / depth

    def start(self, x: Array) -> list[Array]:
        """The inputs; diagonal and mean of every `K^(h)`, `b^(h)`, h below H."""
        s, t = self.activation, self.step
        zero = namespace(x).sum(x * x, axis=1)
        variance, mean = s.c_sigma * s.dual(zero, zero, zero), s.c_sigma**0.5 * s.mean(zero)
        found = [x, zero, variance, mean]
        for _ in range(self.depth - 2):
            grown, spread = s.mean(variance), s.dual(variance, variance, variance)
            variance, mean = variance + 2 * t * mean * grown + t * t * spread, mean + t * grown
            found += [variance, mean]
        return found

    def block(self, one: list[Array], two: list[Array], products: Array, same: bool) -> Array:
        """As of `_Plain`."""
        s, t = self.activation, self.step
        a, b = one[1], two[1]
        K = s.c_sigma * s.dual(a[:, None], _bounded(_diagonal(products, a, same), a, b), b)
        for k in range(2, len(one) - 2, 2):
            (a, p), (b, q) = one[k : k + 2], two[k : k + 2]
            K = _diagonal(K, a, same)
            cross = p[:, None] * s.mean(b) + q * s.mean(a)[:, None]
            K = K + t * cross + t * t * s.dual(a[:, None], _bounded(K, a, b), b)
        a, b = one[-2], two[-2]
        K = _diagonal(K, a, same)
        return t * t * K * s.dual_derivative(a[:, None], _bounded(K, a, b), b)


class _Convolutional:
    """Definition 7.1: matrices S over pairs of pixels, K over pairs of patches."""

    def __init__(self, activation: Activation, depth: int, scale: float, patch: int) -> None:
        self.activation, self.depth, self.step, self.reach = activation, depth, scale / depth, patch // 2

    def _patches(self, pixels: Array) -> Array:
        """`K_lr = sum_o S_(l+o, r+o)` over the offsets of a patch, with zeros outside: `(..., p, p)`."""
        xp, p = namespace(pixels), pixels.shape[-1]
        total = pixels
        for o in range(1, min(self.reach, p - 1) + 1):
            inner = pixels[..., o:, o:]
            low = xp.zeros_like(pixels)
            low[..., : p - o, : p - o] = inner
            high = xp.zeros_like(pixels)
            high[..., o:, o:] = pixels[..., : p - o, : p - o]
            total = total + low + high
        return total

    def start(self, x: Array) -> list[Array]:
        """The inputs; diagonals of K and means b, `(n, p)` each, of every layer."""
        xp, s, t = namespace(x), self.activation, self.step
        K = self._patches(xp.matrix_transpose(x) @ x)
        own = xp.linalg.diagonal(K)
        S, mean = (
            s.c_sigma * s.dual(own[:, :, None], _bounded(K, own, own), own[:, None, :]),
            s.c_sigma**0.5 * s.mean(own),
        )
        found = [x, own]
        for _ in range(self.depth - 1):
            K = self._patches(S)
            own = xp.linalg.diagonal(K)
            grown = s.mean(own)
            found += [own, mean]
            cross = mean[:, :, None] * grown[:, None, :] + grown[:, :, None] * mean[:, None, :]
            S = S + t * cross + t * t * s.dual(own[:, :, None], _bounded(K, own, own), own[:, None, :])
            mean = mean + t * grown
        return found

    def block(self, one: list[Array], two: list[Array], products: None, same: bool) -> Array:
        """As of `_Plain`; the products are of pixels."""
        xp, s, t = namespace(one[0]), self.activation, self.step
        S = xp.einsum("icl,jcr->ijlr", one[0], two[0])

        def dual(function: Layer, K: Array, a: Array, b: Array) -> Array:
            a, b = a[:, None, :], b[None]
            return function(a[..., None], _bounded(K, a, b), b[..., None, :])

        K = self._patches(S)
        S = s.c_sigma * dual(s.dual, K, one[1], two[1])
        for k in range(2, len(one) - 2, 2):
            (a, p), (b, q) = one[k : k + 2], two[k : k + 2]
            K = self._patches(S)
            cross = (
                p[:, None, :, None] * s.mean(b)[None, :, None, :] + s.mean(a)[:, None, :, None] * q[None, :, None, :]
            )
            S = S + t * cross + t * t * dual(s.dual, K, a, b)
        K = self._patches(S)
        M = K * dual(s.dual_derivative, K, one[-2], two[-2])
        return t * t * xp.sum(xp.linalg.diagonal(M), axis=-1)


class _Kernel:
    """Tangent and conjugate kernels."""

    def __init__(
        self, activation: Activation, depth: int, weight: float, bias: float, last: float, *, slopes: bool
    ) -> None:
        self.activation, self.slopes = activation, slopes
        self.depth = as_order(depth, "depth", least=1, most=_DEEPEST)
        self.weight = as_number(weight, "weight_variance")
        self.bias, self.last = as_number(bias, "bias_variance"), as_number(last, "last_weight_variance")

    def start(self, x: Array) -> list[Array]:
        """The inputs and the variances of every layer, `(n,)` each."""
        s = self.activation
        own = [self.weight * namespace(x).sum(x * x, axis=1) / x.shape[1] + self.bias]
        for _ in range(self.depth - 1):
            own.append(self.weight * s.dual(own[-1], own[-1], own[-1]) + self.bias)
        return [x, *own]

    def block(self, one: list[Array], two: list[Array], products: Array, same: bool) -> Array:
        """As of `_Plain`."""
        s = self.activation
        if s is RELU:
            return self._relu(one, two, products, same)
        S = self.weight / one[0].shape[1] * products + self.bias
        S = T = _diagonal(S, one[1], same)
        for k in range(1, self.depth + 1):
            a, b = one[k], two[k]
            weight = self.weight if k < self.depth else self.last
            c = _bounded(S, a, b)
            S = weight * s.dual(a[:, None], c, b) + self.bias
            if k < self.depth:
                S = _diagonal(S, one[k + 1], same)
            if self.slopes:
                T = S + weight * T * s.dual_derivative(a[:, None], c, b)
        return T if self.slopes else S

    def _relu(self, one: list[Array], two: list[Array], products: Array, same: bool) -> Array:
        """The same for ReLU, with determinants D of the covariances of every pair."""
        xp, per = namespace(one[0]), self.weight / one[0].shape[1]
        a, b = (xp.sum(v[0] * v[0], axis=1) for v in (one, two))
        C = _diagonal(products, a, same)
        D, scale = _first_determinant(one[0], two[0], a, b, C), per
        S = T = scale * C + self.bias
        for k in range(1, self.depth + 1):
            D = self._shifted(D, scale, C, a[:, None], b)
            layer = _relu_layer(D, S)
            C = layer.value
            if k < self.depth:
                D = layer.determinant(one[k][:, None], two[k])
            a, b, scale = one[k] / 2, two[k] / 2, self.weight if k < self.depth else self.last
            S = scale * C + self.bias
            if self.slopes:
                T = S + scale * T * layer.slope
        return T if self.slopes else S

    def _shifted(self, D: Array, scale: float, C: Array, a: Array, b: Array) -> Array:
        """Determinants of `scale C + bias` from those of C, with variances a and b."""
        if not self.bias:
            return scale * scale * D
        xp = namespace(C)
        both = xp.sqrt(a * b)
        positive = C > 0
        gap = xp.where(positive, D / xp.where(positive, both + C, xp.ones_like(C)), both - C)  # sqrt(a b) - C
        return scale * scale * D + scale * self.bias * ((xp.sqrt(a) - xp.sqrt(b)) ** 2 + 2 * gap)


def _relu_layer(determinant: Array, covariance: Array) -> _ReluLayer:
    xp, area = namespace(covariance), root(determinant)
    return _ReluLayer(xp.atan2(area, covariance), area, covariance)


def _diagonal(matrix: Array, diagonal: Array, same: bool) -> Array:
    """The matrix with that diagonal, of rows that meet themselves: two roundings of one number would differ."""
    if not same:
        return matrix
    xp = namespace(matrix)
    eye = xp.eye(len(diagonal), dtype=xp.bool)
    return xp.where(eye, diagonal[:, None], matrix)


def _bounded(covariance: Array, a: Array, b: Array) -> Array:
    """Covariances `(..., n, m)` no larger than variances `(..., n)` and `(..., m)` allow."""
    xp = namespace(covariance)
    most = xp.sqrt(a[..., :, None] * b[..., None, :])  # of equal variances exactly that variance
    return xp.clip(covariance, -most, most)


# %% Blocks


def _assemble(layers: Any, x: Array, y: Array | None, block_size: int | None) -> Array:
    """The whole matrix, block by block on as many threads as there are cores; of one set of inputs the upper half is
    computed."""
    size = as_order(_BLOCK if block_size is None else block_size, "block_size", least=1, most=10**9)
    xp = namespace(x)
    symmetric = y is None
    x, back = _distinct(x)
    other, forth = (x, back) if y is None else _distinct(y)
    one = layers.start(x)
    two = one if symmetric else layers.start(other)
    n, m = len(x), len(other)
    pairs = [(i, j) for i in range(0, n, size) for j in range(i if symmetric else 0, m, size)]

    def work(pair: tuple[int, int]) -> Array:
        i, j = pair
        rows, columns = [v[i : i + size] for v in one], [v[j : j + size] for v in two]
        own = None if result is None else result[i : i + size, j : j + size]
        return layers.block(rows, columns, own, symmetric and i == j)

    result: Any = x @ other.T if x.ndim == 2 else None
    if isinstance(x, np.ndarray):
        result = np.empty((n, m), dtype=x.dtype) if result is None else result

        def fill(pair: tuple[int, int]) -> None:
            i, j = pair
            value = work(pair)
            if symmetric and i == j:
                value = np.triu(value) + np.triu(value, 1).T
            result[i : i + size, j : j + size] = value
            if symmetric and i != j:
                result[j : j + size, i : i + size] = value.T

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(fill, pairs))
    else:
        blocks = {pair: work(pair) for pair in pairs}
        if symmetric:
            blocks |= {(j, i): value.T for (i, j), value in blocks.items() if i != j}
        result = xp.concat(
            [xp.concat([blocks[i, j] for j in range(0, m, size)], axis=1) for i in range(0, n, size)], axis=0
        )
        if symmetric:
            result = (result + result.T) / 2
    if back is not None:
        result = result[back]
    return result if forth is None else result[:, forth]


def _distinct(x: Array) -> tuple[Array, Any]:
    """The distinct inputs, and for each of the given ones its place among them; None where all are distinct."""
    plain = x if isinstance(x, np.ndarray) else x.detach().cpu().numpy()
    _, first, back = np.unique(plain.reshape(len(plain), -1), axis=0, return_index=True, return_inverse=True)
    if len(first) == len(plain):
        return x, None
    order = np.argsort(first)  # in the order given
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return x[np.sort(first)], place[back.reshape(-1)]
