"""Gram matrices and kernels of wide networks: limits, as the width grows, of what random initial weights give.

`gram` is the matrix `K^(H)` of the gradient-descent paper (arXiv:1811.03804), whose least eigenvalue sets the rate of
gradient descent: Definitions 5.1, 6.1 and 7.1, with their slips corrected (docs/theory/gram.md). `tangent` and
`conjugate` are the neural tangent kernel and the kernel of the outputs at initialisation (NNGP) of fully connected
networks in the usual parametrisation.

All work on blocks of the result, through all layers before the next, so that no more than the result is held; equal
inputs are worked on once, which keeps matrices of data sets with duplicates positive semi-definite to rounding. For
ReLU, leaky ReLU and the absolute value so do small angles, which are never taken from a rounded cosine (see below),
however close the inputs. Not so in "convolutional_resnet": there angles of nearly parallel patches are up to 1e-8
wrong, and of nearly equal images eigenvalues of -1e-9 of the trace have been seen.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from .activations import Activation
from .arrays import Array, as_floating, as_number, as_order, keep_freed_memory, namespace, polar, root

__all__ = ["ARCHITECTURES", "conjugate", "gram", "tangent"]

ARCHITECTURES = ("fully_connected", "resnet", "convolutional_resnet")
_BLOCK, _LEAST_BLOCK = 256, 64
_DEEPEST = 10_000
_CLOSE = 5e-6
"""Correlations closer to 1 or -1 are found from the inputs' difference or sum."""
_PAIRS = 1 << 14

Layer = Callable[[Array, Array, Array], Array]


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
    """`K^(H)` of the gradient-descent paper: `(n, n)`, symmetric; or the same of another layer.

    X: inputs `(n, d)`, of any lengths (the paper's have length 1); for "convolutional_resnet" `(n, d_0, p)`, d_0
        channels of p pixels. NumPy or torch, with gradients in X.
    depth: H, at least 1; at least 2 for the residual networks. layer: h, from 1 to H + 1 (the output weights), gives
        the limit of `G^(h)` in place of that of `G^(H)`; the paper has no formula for others than H.
    residual_scale: c_res, in (0, 1), of the residual networks. patch: q, odd, the pixels of a patch; stride 1, zero
        padding. block_size: rows and columns worked on at once. progress: a bar on stderr.

    With `A_ij` the 2 x 2 covariance of inputs i and j before a layer, fully connected networks have `K^(h) = c
    E_A[s(u) s(v)]` for h < H and `K^(H) = c K^(H-1) E_A[s'(u) s'(v)]`, `c = activation.c_sigma`, A made of `K^(H-1)`
    in the last too. Layers above h multiply by `c E_A[s'(u) s'(v)]` each (docs/theory/gram.md). Raises `ValueError` for
    bad input.
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
    angular = _homogeneous(activation)
    if plain:
        layers: Any = _Plain(activation, H, which) if angular is None else _PlainAngles(angular, H, which)
    elif ndim == 2:
        many = (H, which, scale)
        layers = _Residual(activation, *many) if angular is None else _ResidualAngles(angular, *many)
    else:
        q = as_order(patch, "patch", least=1, most=2 * x.shape[2] + 1)
        if q % 2 == 0:
            raise ValueError(f"patch is {patch!r}; expected an odd number of pixels")
        layers = _Convolutional(activation, H, which, scale, q)
    return _assemble(layers, x, None, block_size, progress)


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

    (Jacot, Gabriel and Hongler 2018). block_size, progress: as of `gram`. Raises `ValueError` for bad input.
    """
    layers = _kernel(activation, depth, weight_variance, bias_variance, last_weight_variance, slopes=True)
    return _assemble(layers, *_two_sets(X, Y), block_size, progress)


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
    """The covariance of the outputs at initialisation (NNGP kernel), arguments as of `tangent`: `(n, m)` or
    `(n, n)`."""
    layers = _kernel(activation, depth, weight_variance, bias_variance, last_weight_variance, slopes=False)
    return _assemble(layers, *_two_sets(X, Y), block_size, progress)


def _kernel(activation: Activation, depth: int, weight: float, bias: float, last: float, *, slopes: bool) -> Any:
    """The layers of `tangent` (slopes) and `conjugate`; their arguments, checked."""
    d = as_order(depth, "depth", least=1, most=_DEEPEST)
    w, b = as_number(weight, "weight_variance"), as_number(bias, "bias_variance")
    end = as_number(last, "last_weight_variance")
    angular = _homogeneous(activation)
    if angular is None:
        return _Kernel(activation, d, w, b, end, slopes)
    return _KernelAngles(angular, d, w, b, end, slopes)


def _two_sets(X: Any, Y: Any) -> tuple[Array, Array | None]:
    x = as_floating(X, "X", least_ndim=2)
    y = None if Y is None else as_floating(Y, "Y", least_ndim=2)
    for value, name in ((x, "X"), (y, "Y")):
        if value is not None and (value.ndim != 2 or value.shape[1] != x.shape[1]):
            raise ValueError(f"{name} has shape {tuple(value.shape)}; expected (n, {x.shape[1]}), one input a row")
    return x, y


# %% Layers. `start` gives what a set of inputs brings along, row by row, first what products are taken of; `block` the
# kernel of two such sets.


class _Plain:
    """Definition 5.1."""

    def __init__(self, activation: Activation, depth: int, layer: int) -> None:
        self.activation, self.depth, self.layer = activation, depth, layer

    def start(self, x: Array) -> list[Array]:
        """The inputs and the diagonals of `K^(0), ..., K^(H-1)`, `(n,)` each."""
        own = [namespace(x).sum(x * x, axis=1)]
        for _ in range(self.depth - 1):
            own.append(self.activation.c_sigma * self.activation.dual(own[-1], own[-1], own[-1]))
        return [x, *own]

    def block(self, one: list[Array], two: list[Array], products: Array, same: bool) -> Array:
        """Rows of one set against another, from their products; same: whether they are the same rows."""
        s, K = self.activation, _diagonal(products, one[1], same)
        found = K
        for k in range(1, self.depth + 1):
            a, b = one[k], two[k]
            c = _bounded(K, a, b)
            if k >= self.layer:
                found = (K if k == self.layer else found) * (s.c_sigma * s.dual_derivative(a[:, None], c, b))
            if k < self.depth or self.layer > k:
                K = _diagonal(s.c_sigma * s.dual(a[:, None], c, b), s.c_sigma * s.dual(a, a, a), same)
        return K if self.layer > self.depth else found


class _Residual:
    """Definition 6.1."""

    def __init__(self, activation: Activation, depth: int, layer: int, scale: float) -> None:
        self.activation, self.depth, self.layer, self.step = activation, depth, layer, scale / depth

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
        K = _diagonal(products, a, same)
        c = _bounded(K, a, b)
        found = s.c_sigma * K * s.dual_derivative(a[:, None], c, b) if self.layer == 1 else K
        K = s.c_sigma * s.dual(a[:, None], c, b)
        for k in range(2, self.depth + 1):
            (a, p), (b, q) = one[2 * k - 2 : 2 * k], two[2 * k - 2 : 2 * k]
            K = _diagonal(K, a, same)
            c = _bounded(K, a, b)
            if k >= self.layer:
                slope = t * t * s.dual_derivative(a[:, None], c, b)
                found = K * slope if k == self.layer else found * (1 + slope)
            if k < self.depth or self.layer > k:
                cross = p[:, None] * s.mean(b) + q * s.mean(a)[:, None]
                K = K + t * cross + t * t * s.dual(a[:, None], c, b)
        return K if self.layer > self.depth else found


class _Convolutional:
    """Definition 7.1: matrices S over pairs of pixels, K over pairs of patches."""

    def __init__(self, activation: Activation, depth: int, layer: int, scale: float, patch: int) -> None:
        self.activation, self.depth, self.layer = activation, depth, layer
        self.step, self.reach = scale / depth, patch // 2

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

        def patches(S: Array, own: Array) -> Array:
            """With the variances in their places, of images that meet themselves: see `_diagonal`."""
            K = self._patches(S)
            if not same:
                return K
            n, p = own.shape
            eye = xp.eye(n, dtype=xp.bool)[:, :, None, None] & xp.eye(p, dtype=xp.bool)
            return xp.where(eye, own[:, None, :, None], K)

        def dual(function: Layer, K: Array, a: Array, b: Array) -> Array:
            a, b = a[:, None, :], b[None]
            return function(a[..., None], _bounded(K, a, b), b[..., None, :])

        a, b = one[1], two[1]
        K = patches(S, a)
        own, slopes = K, []
        if self.layer == 1:
            slopes.append(s.c_sigma * self._slopes(K, a, b))
        S = s.c_sigma * dual(s.dual, K, a, b)
        for k in range(2, self.depth + 1):
            (a, p), (b, q) = one[2 * k - 2 : 2 * k], two[2 * k - 2 : 2 * k]
            K = patches(S, a)
            if k >= self.layer:
                own = K if k == self.layer else own
                slopes.append(t * t * self._slopes(K, a, b))
            if k < self.depth or self.layer > k:
                cross = (
                    p[:, None, :, None] * s.mean(b)[None, :, None, :]
                    + s.mean(a)[:, None, :, None] * q[None, :, None, :]
                )
                S = S + t * cross + t * t * dual(s.dual, K, a, b)
        if self.layer > self.depth:
            return xp.sum(xp.linalg.diagonal(S), axis=-1)
        above = xp.ones_like(slopes[0])
        for slope in slopes[:0:-1]:
            above = above + self._spread(above * slope)
        return xp.sum(xp.linalg.diagonal(own) * slopes[0] * above, axis=-1)

    def _slopes(self, K: Array, a: Array, b: Array) -> Array:
        """`E[s'(u_l) s'(v_l)]`: `(n, m, p)`; of different pixels none are needed."""
        a, b, c = a[:, None, :], b[None], namespace(K).linalg.diagonal(K)
        most = root(a) * root(b)
        return self.activation.dual_derivative(a, namespace(K).clip(c, -most, most), b)

    def _spread(self, values: Array) -> Array:
        """What the pixels of `(..., p)` pass back to those in their patches."""
        xp, p = namespace(values), values.shape[-1]
        total = values
        for o in range(1, min(self.reach, p - 1) + 1):
            low, high = xp.zeros_like(values), xp.zeros_like(values)
            low[..., : p - o], high[..., o:] = values[..., o:], values[..., : p - o]
            total = total + low + high
        return total


class _Kernel:
    """Tangent and conjugate kernels."""

    def __init__(
        self, activation: Activation, depth: int, weight: float, bias: float, last: float, slopes: bool
    ) -> None:
        self.activation, self.depth, self.slopes = activation, depth, slopes
        self.weight, self.bias, self.last = weight, bias, last

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
    most = root(a[..., :, None] * b[..., None, :])  # of equal variances exactly that variance
    return xp.clip(covariance, -most, most)


# %% The same for `s(x) = odd x + even |x|`, where only lengths and angles count. For nearly parallel inputs an angle
# from a rounded correlation q would be 1e-8 wrong, and the matrix of slopes have eigenvalues below 0 by as much:
# instead of q, `near = 1 - q` and `far = 1 + q` go from layer to layer, without cancellation.


class _Homogeneous(NamedTuple):
    """Such an activation: square `E[s(z)^2] = odd^2 + even^2`, share of even in it, mean `E[s(z)]`."""

    square: float
    share: float
    mean: float

    def layer(self, near: Array, far: Array | None) -> tuple[Array, Array | None, Array]:
        """near and far of the next layer, and `E[s'(u) s'(v)] / square`; far is None where q is known not to be
        negative.

        With `|q| = cos t` and `g = sin t - t cos t`, near becomes `near - 2 share / pi g(t)` for q from 0 on, and the
        slope is `1 - 2 share / pi t`.
        """
        if far is None or not isinstance(near, np.ndarray):
            return self._exact(near, far)
        cosine = np.maximum(1 - near, -1)
        np.minimum(cosine, 1, out=cosine)
        angle = np.arccos(cosine)  # faster, and right where neither of the two is small
        bend = near * far
        np.maximum(bend, 0, out=bend)
        np.sqrt(bend, out=bend)
        cosine *= angle
        bend -= cosine
        bend *= 2 * self.share / math.pi
        angle *= -2 * self.share / math.pi
        angle += 1
        found = near - bend, None if self.share >= 0.5 else far + bend, angle
        if min(near.min(), far.min()) < _CLOSE:
            small = np.minimum(near, far) < _CLOSE
            for values, exact in zip(found, self._exact(near[small], far[small]), strict=True):
                if values is not None:
                    values[small] = exact
        return found

    def _exact(self, near: Array, far: Array | None) -> tuple[Array, Array | None, Array]:
        xp, share = namespace(near), self.share
        least = near if far is None else xp.where(near <= far, near, far)  # with one gradient where they are equal
        half = least / 2
        sine, cosine = _root(half), xp.sqrt(1 - half)  # of t / 2
        half_angle = xp.asin(sine)
        bend = (4 * share / math.pi) * (sine * cosine - (0.5 - half) * (2 * half_angle))
        slope = 1 - (4 * share / math.pi) * half_angle
        if far is None:
            return least - bend, None, slope
        obtuse = near > far
        near = xp.where(obtuse, 2 * (1 - share) + (2 * share - 1) * least, least) - bend
        slope = xp.where(obtuse, 2 * (1 - share) - slope, slope)
        if share >= 0.5:
            return near, None, slope
        return near, xp.where(obtuse, 2 * share + (1 - 2 * share) * least, 2 - least) + bend, slope


def _homogeneous(s: Activation) -> _Homogeneous | None:
    """What is linear on both sides of 0; None for others."""
    if s.slopes is None:
        return None
    up, down = s.slopes
    odd, even = (up + down) / 2, (up - down) / 2
    square = odd * odd + even * even
    return _Homogeneous(square, even * even / square, math.sqrt(2 / math.pi) * even)


def _root(square: Array) -> Array:
    """`root` of what is 0 or more but for rounding, faster for NumPy arrays."""
    return np.sqrt(np.maximum(square, 0)) if isinstance(square, np.ndarray) else root(square)


def _apart(u: Array, v: Array, products: Array, same: bool) -> tuple[Array, Array]:
    """`1 - q` and `1 + q` of all pairs of unit vectors (or zero) with those products; same: u is v."""
    xp = namespace(u)
    near, far = 1 - products, 1 + products
    close = xp.minimum(near, far) < _CLOSE
    if same:
        own = range(len(u))
        near[own, own], far[own, own], close[own, own] = 0.0, 2.0, False
    if not bool(xp.any(close)):
        return near, far
    rows, columns = xp.nonzero(close)
    for k in range(0, len(rows), _PAIRS):
        i, j = rows[k : k + _PAIRS], columns[k : k + _PAIRS]
        near[i, j], far[i, j] = (xp.sum((u[i] + sign * v[j]) ** 2, axis=1) / 2 for sign in (-1, 1))
    return near, far


class _PlainAngles:
    """Definition 5.1."""

    def __init__(self, activation: _Homogeneous, depth: int, layer: int) -> None:
        self.activation, self.depth, self.layer = activation, depth, layer

    def start(self, x: Array) -> list[Array]:
        """Directions `(n, d)` and lengths `(n,)`."""
        lengths, directions = polar(x, axis=-1)
        return [directions, lengths]

    def block(self, one: list[Array], two: list[Array], products: Array, same: bool) -> Array:
        """As of `_Plain`, the products of directions."""
        near, far = _apart(one[0], two[0], products, same)
        found: Any = 1.0
        for k in range(1, self.depth + 1):
            if k == self.layer:
                found = 1 - near
            near, far, slope = self.activation.layer(near, far)
            if k >= self.layer:
                found = found * slope
        if self.layer > self.depth:
            found = 1 - near
        return one[1][:, None] * found * two[1]


class _ResidualAngles(_PlainAngles):
    """Definition 6.1. Kernels are `|x| |y|` times a function of the angle, so that all but near and far are numbers."""

    def __init__(self, activation: _Homogeneous, depth: int, layer: int, scale: float) -> None:
        super().__init__(activation, depth, layer)
        self.step = scale / depth

    def block(self, one: list[Array], two: list[Array], products: Array, same: bool) -> Array:
        """As of `_PlainAngles`."""
        s, t = self.activation, self.step
        near, far = _apart(one[0], two[0], products, same)
        found: Any = 1 - near
        near, far, slope = s.layer(near, far)
        found = found * slope
        variance, mean = 1.0, s.mean / math.sqrt(s.square)  # of K^(h) and b^(h), for inputs of length 1
        for k in range(2, self.depth + 1):
            q = 1 - near
            next_near, next_far, slope = s.layer(near, far)
            slope = t * t * s.square * slope
            if k >= self.layer:
                found = variance * q * slope if k == self.layer else found * (1 + slope)
            grown, spread = t * s.mean * math.sqrt(variance), t * t * s.square * variance
            total = variance + 2 * mean * grown + spread
            near = variance / total * near + spread / total * next_near
            if far is not None and next_far is not None:
                far = (variance * far + 4 * mean * grown + spread * next_far) / total
            variance, mean = total, mean + grown
        if self.layer > self.depth:
            found = variance * (1 - near)
        return one[1][:, None] * found * two[1]


class _KernelAngles:
    """Tangent and conjugate kernels."""

    def __init__(
        self, activation: _Homogeneous, depth: int, weight: float, bias: float, last: float, slopes: bool
    ) -> None:
        self.activation, self.depth, self.bias, self.slopes = activation, depth, bias, slopes
        self.weights = [weight] * depth + [last]

    def start(self, x: Array) -> list[Array]:
        """Directions; of every layer the deviations, and the parts of them that come of weights and of biases."""
        lengths, directions = polar(x, axis=-1)
        deviation = lengths / math.sqrt(x.shape[1])
        found = [directions]
        for k, weight in enumerate(self.weights):
            product = math.sqrt(weight * (self.activation.square if k else 1.0)) * deviation
            deviation = root(product * product + self.bias)
            divisor = deviation + (deviation == 0)
            found += [deviation, product / divisor, math.sqrt(self.bias) / divisor]
        return found

    def block(self, one: list[Array], two: list[Array], products: Array, same: bool) -> Array:
        """As of `_PlainAngles`. Kernels S and T are worked on as their ratios to the deviations' products."""
        near, far = self._mixed(*_apart(one[0], two[0], products, same), one[2:4], two[2:4])
        T = 1 - near
        for k in range(4, len(one), 3):
            near, far, slope = self.activation.layer(near, far)
            if self.bias:
                slope = slope * (one[k + 1][:, None] * two[k + 1])
                near, far = self._mixed(near, far, one[k + 1 : k + 3], two[k + 1 : k + 3])
            T = T * slope + (1 - near)
        return one[-3][:, None] * (T if self.slopes else 1 - near) * two[-3]

    def _mixed(self, near: Array, far: Array | None, one: list[Array], two: list[Array]) -> tuple[Array, Array | None]:
        """near and far of the sum of a kernel and a constant one, by shares `g^2 + e^2 = 1`: their correlation is `g_i
        g_j q + e_i e_j`, and `1 - (g_i g_j + e_i e_j)^2 = (g_i e_j - g_j e_i)^2`."""
        if not self.bias:
            return near, far
        (g, e), (f, d) = (v[:, None] for v in one), two
        product, constant = g * f, e * d
        near = product * near + (g * d - e * f) ** 2 / (1 + product + constant)
        if far is not None:
            far = product * far + constant + (e * e + (g * d) ** 2) / (1 + product)  # 1 - product, no cancellation
        return near, far


# %% Blocks


def _assemble(layers: Any, x: Array, y: Array | None, block_size: int | None, progress: bool) -> Array:
    """The whole matrix, block by block; of one set of inputs the upper half is computed."""
    fair = max(_LEAST_BLOCK, -(-len(x) // 3))  # several blocks, for several threads
    ready = min(_BLOCK, fair) if x.ndim == 2 else max(1, _BLOCK // x.shape[2])  # pairs of images: of all their pixels
    size = as_order(ready if block_size is None else block_size, "block_size", least=1, most=10**9)
    x, back = _distinct(x)
    other, forth = (x, back) if y is None else _distinct(y)
    one = layers.start(x)
    two = one if y is None else layers.start(other)
    n, m = len(x), len(other)
    pairs = [(i, j) for i in range(0, n, size) for j in range(i if y is None else 0, m, size)]

    def work(pair: tuple[int, int]) -> Array:
        i, j = pair
        rows, columns = [v[i : i + size] for v in one], [v[j : j + size] for v in two]
        products = _products(rows[0], columns[0]) if x.ndim == 2 else None
        return layers.block(rows, columns, products, y is None and i == j)

    from tqdm import tqdm  # alignmath loads it where a bar may be wanted

    with tqdm(total=len(pairs), unit="block", desc="kernel", disable=not progress) as bar:
        if isinstance(x, np.ndarray):
            back, forth = (np.arange(k) if p is None else p for k, p in ((n, back), (m, forth)))
            return _in_place(work, np.dtype(x.dtype), pairs, size, y is None, back, forth, bar)
        blocks = {}
        for pair in pairs:
            blocks[pair] = work(pair)
            bar.update()
    xp = namespace(x)
    if y is None:
        blocks |= {(j, i): value.T for (i, j), value in blocks.items() if i != j}
    bands = [xp.concat([blocks[i, j] for j in range(0, m, size)], axis=1) for i in range(0, n, size)]
    result = xp.concat(bands, axis=0)
    if y is None:
        result = (result + result.T) / 2
    if back is not None:
        result = result[back]
    return result if forth is None else result[:, forth]


def _in_place(
    work: Callable[[tuple[int, int]], np.ndarray],
    dtype: np.dtype[Any],
    pairs: list[tuple[int, int]],
    size: int,
    symmetric: bool,
    back: np.ndarray,
    forth: np.ndarray,
    bar: Any,
) -> np.ndarray:
    """The blocks in their places, on as many threads as there are cores, then rows and columns of equal inputs, all in
    the memory of the result."""
    (rows, columns), (n, m) = (len(back), len(forth)), (int(back.max()) + 1, int(forth.max()) + 1)
    room = np.empty(rows * columns, dtype=dtype)
    result, whole = room[: n * m].reshape(n, m), room.reshape(rows, columns)

    def fill(pair: tuple[int, int]) -> None:
        i, j = pair
        value = work(pair)
        if symmetric and i == j:
            value = np.where(np.tri(len(value), dtype=bool), value.T, value)
        result[i : i + size, j : j + size] = value
        if symmetric and i != j:
            result[j : j + size, i : i + size] = value.T

    keep_freed_memory()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for _ in pool.map(fill, pairs):
                bar.update()
        except BaseException:  # Ctrl-C among them
            pool.shutdown(cancel_futures=True)
            raise
    if (rows, columns) != (n, m):
        for i in range(rows - 1, -1, -1):  # `back[i] <= i`: no row is written to before it has been read
            whole[i] = result[back[i]][forth]
    return whole


def _products(u: Array, v: Array) -> Array:
    """`u @ v.T`; of NumPy arrays by pieces so small that BLAS uses one thread, as the others have blocks to work on."""
    if not isinstance(u, np.ndarray):
        return u @ v.T
    found, rows, depth = np.zeros((len(u), len(v)), dtype=u.dtype), max(1, 2048 // len(v)), 128
    whole = len(u) - len(u) % rows
    for k in range(0, u.shape[1], depth):
        left, right = u[:, k : k + depth], v[:, k : k + depth].T
        found[:whole] += (left[:whole].reshape(whole // rows, rows, left.shape[1]) @ right).reshape(whole, len(v))
        found[whole:] += left[whole:] @ right
    return found


def _distinct(x: Array) -> tuple[Array, Any]:
    """The distinct inputs, and for each of the given ones its place among them; None where all are distinct."""
    plain = x if isinstance(x, np.ndarray) else x.detach().cpu().numpy()
    plain = plain.reshape(len(plain), -1)
    probe = np.random.default_rng(0).standard_normal(plain.shape[1])
    if len(np.unique(np.sum(plain * probe, axis=1))) == len(plain):  # equal inputs have equal sums, and it is faster
        return x, None
    _, first, back = np.unique(plain, axis=0, return_index=True, return_inverse=True)
    if len(first) == len(plain):
        return x, None
    order = np.argsort(first)  # in the order given
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return x[np.sort(first)], place[back.reshape(-1)]
