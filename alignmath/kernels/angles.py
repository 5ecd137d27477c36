"""The recursions of `alignmath.architectures` for `s(x) = odd x + even |x|`, where only lengths and angles count.

For nearly parallel inputs an angle from a rounded correlation q would be 1e-8 wrong, and the matrix of slopes have
eigenvalues below 0 by as much: instead of q, `near = 1 - q` and `far = 1 + q` go from layer to layer, without
cancellation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..activations import Activation
from ..architectures.numbers import is_one, square_root
from ..arrays import Array, namespace, polar, root, value_only

__all__ = ["Homogeneous", "PlainAngles", "ResidualAngles", "homogeneous"]

_CLOSE = {8: 5e-6, 4: 1e-2}
"""By bytes a number: correlations closer to 1 or -1 are found from the inputs' difference or sum."""
_SMALL = 1e-2
"""Layers take smaller `1 - |q|` by half angles; the error of others, a rounding over the angle, stays far below
`1 - |q|`."""
_LARGEST = {8: 1e150, 4: 1e16}
"""Deviations, also by bytes a number."""
_PAIRS = 1 << 14
_FEW = 1 << 19
"""Entries up to which one thread is as fast as several, which wait for the interpreter between short calls."""


class Homogeneous(NamedTuple):
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
        cosine, bend = 1 - near, near * far
        small = np.flatnonzero(bend < 2 * _SMALL)  # then one of them is small, and the other nearly 2
        small = small[near.ravel()[small] != 0]  # what follows is right for equal inputs
        with np.errstate(invalid="ignore"):  # cosines rounded to more than 1: done again below
            angle = np.arcsin(cosine)  # fast, and right where neither of the two is small
            np.sqrt(bend, out=bend)
        np.subtract(math.pi / 2, angle, out=angle)
        cosine *= angle
        bend -= cosine
        bend *= 2 * self.share / math.pi
        angle *= -2 * self.share / math.pi
        angle += 1
        bent = near - bend, None if self.share >= 0.5 else far + bend, angle
        if len(small):
            for values, exact in zip(bent, self._exact(near.ravel()[small], far.ravel()[small]), strict=True):
                if values is not None:
                    values.ravel()[small] = exact
        return bent

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


def homogeneous(activations: Sequence[Activation]) -> list[Homogeneous] | None:
    """Of activations that are linear on both sides of 0. None if others are among them; and if none bends at 0: linear
    networks have kernels that are smooth at inputs 0, where angles are not."""
    found = []
    for s in activations:
        if s.slopes is None:
            return None
        up, down = s.slopes
        odd, even = (up + down) / 2, (up - down) / 2
        square = odd * odd + even * even
        found.append(Homogeneous(square, even * even / square, math.sqrt(2 / math.pi) * even))
    return found if any(s.share for s in found) else None


def _root(square: Array) -> Array:
    """`root` of what is 0 or more but for rounding, faster for NumPy arrays."""
    return np.sqrt(np.maximum(square, 0)) if isinstance(square, np.ndarray) else root(square)


def _apart(u: Array, v: Array, products: Array, same: bool) -> tuple[Array, Array]:
    """`1 - q` and `1 + q` of all pairs of unit vectors (or zero) with those products; same: v begins with u."""
    xp = namespace(u)
    near, far = 1 - products, 1 + products
    own = xp.arange(len(u) if same else 0, device=u.device)
    near[own, own], far[own, own] = 1.0, 1.0
    close = _CLOSE[near.dtype.itemsize]
    any_close = min(float(xp.min(value_only(near))), float(xp.min(value_only(far)))) < close
    rows, columns = xp.nonzero(xp.minimum(near, far) < close) if any_close else ([], [])
    near[own, own], far[own, own] = 0.0, 2.0
    for k in range(0, len(rows), _PAIRS):
        i, j = rows[k : k + _PAIRS], columns[k : k + _PAIRS]
        near[i, j], far[i, j] = (xp.sum((u[i] + sign * v[j]) ** 2, axis=1) / 2 for sign in (-1, 1))
    return near, far


class PlainAngles:
    """Fully connected networks: the tangent kernel by the weights and biases of the layers named.

    Of inputs in a first layer with biases the angles are those of `(sqrt(weight_variance / d) x, sqrt(bias_variance))`,
    which is smooth in x, at 0 too. width: of the standard parametrisation, see there, with weight variances above 0.
    """

    few, pooled = _FEW, False

    def __init__(
        self,
        activations: Sequence[Homogeneous],
        weights: Sequence[Any],
        biases: Sequence[Any],
        layers: frozenset[int],
        *,
        paper: bool,
        width: int | None = None,
    ) -> None:
        self.activations, self.weights, self.biases = activations, weights, biases
        self.layers, self.paper, self.width = layers, paper, width
        self.directions = not biases[0]
        squares = [1.0, *(s.square for s in activations)]
        if paper:  # which scales the squares of all layers but the output to 1
            squares = [1.0] * len(weights)
        self.growth = [w * square for w, square in zip(weights, squares, strict=True)]
        """By what every layer multiplies mean squares."""
        sizes = [1, *(3 if bias else 1 for bias in biases[1:])]
        self.channels = 1
        self.places = [1 + sum(sizes[:k]) for k in range(len(sizes))]
        """Where the deviations of the layers are in what `start` gives."""

    def require_smooth(self, x: Array, name: str) -> None:
        """`ValueError` for inputs 0 by which kernels have no gradient."""
        if not self.biases[0]:
            _require_nonzero(x, name)

    def start(self, x: Array) -> list[Array]:
        """Directions; of every layer the deviations, and the parts of them that come of weights and of biases."""
        xp, bias, self.channels = namespace(x), self.biases[0], x.shape[1]
        scale = square_root(self.growth[0] if self.paper else self.growth[0] / x.shape[1])
        if not all(value_only(factor) < math.inf for factor in self.growth):
            raise ValueError("the kernel overflows: lower the variances")
        if bias:
            constant = square_root(bias) * xp.ones((len(x), 1), dtype=x.dtype, device=x.device)
            x = xp.concat([scale * x, constant], axis=1)
            size = xp.max(xp.abs(value_only(x)), axis=1, keepdims=True)
            size = size + xp.astype(size == 0, size.dtype)
            lengths, directions = polar(x / size, axis=-1)
            deviation = lengths * size[:, 0]
        else:
            lengths, directions = polar(x, axis=-1)
            deviation = lengths if is_one(scale) else scale * lengths
        self._require_finite(deviation, 1)
        arrays = [directions, deviation]
        for k, (factor, bias) in enumerate(zip(self.growth[1:], self.biases[1:], strict=True), 2):
            product = deviation if is_one(factor) else square_root(factor) * deviation
            self._require_finite(product, k)
            deviation = root(product * product + bias) if bias else product
            arrays.append(deviation)
            if bias:
                divisor = deviation + (deviation == 0)
                arrays += [product / divisor, square_root(bias) / divisor]
        return arrays

    def _require_finite(self, deviation: Array, layer: int) -> None:
        if float(value_only(deviation).max()) > _LARGEST[deviation.dtype.itemsize]:
            raise ValueError(f"the kernel overflows in layer {layer}: lower the variances, the inputs or the depth")

    def block(self, one: list[Array], two: list[Array], products: Array, same: bool) -> Array:
        """Rows of one set against another, from the products of their directions; same: whether the second begins with
        the first. Kernels are worked on as their ratios to the deviations' products."""
        return self._passed(one, two, *_apart(one[0], two[0], products, same))

    def diagonal(self, one: list[Array]) -> Array:
        """Every row against itself, `(n, 1)`."""
        two = [v[:, None] for v in one]
        near = namespace(one[0]).zeros_like(two[1])
        return self._passed(one, two, near, near + 2)

    def _passed(self, one: list[Array], two: list[Array], near: Array, far: Array | None) -> Array:
        T = self._own(0, near, None, one, two) if 1 in self.layers else None
        for k, (s, bias, at) in enumerate(zip(self.activations, self.biases[1:], self.places[1:], strict=True), 1):
            near, far, slope = s.layer(near, far)
            below = near
            if bias:
                slope = slope * (one[at + 1][:, None] * two[at + 1])
                near, far = _mixed(near, far, one[at + 1 : at + 3], two[at + 1 : at + 3])
            T = None if T is None else T * slope
            if k + 1 in self.layers:
                own = self._own(k, near, below, one, two)
                T = own if T is None else T + own
        last = self.places[-1]
        return one[last][:, None] * T * two[last]

    def _own(self, k: int, near: Array, below: Array | None, one: list[Array], two: list[Array]) -> Array:
        """What the weights and biases of layer k + 1 add. below: near before the biases, unless they are in it from the
        start."""
        if self.width is None:
            return 1 - near
        at, bias = self.places[k], self.biases[k]
        units = self.width if k else 1 if self.paper else self.channels
        gain = units / self.weights[k]
        if not bias:
            return gain * (1 - near)
        size = one[at][:, None] * two[at]
        if below is None:
            return gain * (1 - near) + (1 - gain * bias) / size
        return gain * (1 - below) * (one[at + 1][:, None] * two[at + 1]) + 1 / size


def _mixed(near: Array, far: Array | None, one: list[Array], two: list[Array]) -> tuple[Array, Array | None]:
    """near and far of the sum of a kernel and a constant one, by shares `g^2 + e^2 = 1`: their correlation is `g_i g_j
    q + e_i e_j`, and `1 - (g_i g_j + e_i e_j)^2 = (g_i e_j - g_j e_i)^2`."""
    (g, e), (f, d) = (v[:, None] for v in one), two
    product, constant = g * f, e * d
    near = product * near + (g * d - e * f) ** 2 / (1 + product + constant)
    if far is not None:
        far = product * far + constant + (e * e + (g * d) ** 2) / (1 + product)  # 1 - product, no cancellation
    return near, far


def _require_nonzero(x: Array, name: str) -> None:
    """`ValueError` for an input 0: without biases in the first layer kernels are its length times what has no limit."""
    xp = namespace(x)
    zero = xp.nonzero(xp.all(value_only(x) == 0, axis=1))[0]
    if len(zero):
        raise ValueError(
            f"{name}[{int(zero[0])}] is 0, where kernels have no gradient by {name}; leave it out, pass it without "
            f"gradients, or give the first layer a bias_variance above 0"
        )


class ResidualAngles:
    """Definition 6.1. Kernels are `|x| |y|` times a function of the angle, so that all but near and far are numbers."""

    few, pooled, directions = _FEW, False, True

    def __init__(self, activations: Sequence[Homogeneous], scale: Any, layers: frozenset[int]) -> None:
        self.activations, self.step, self.layers = activations, scale / len(activations), layers

    def require_smooth(self, x: Array, name: str) -> None:
        """As of `PlainAngles`."""
        _require_nonzero(x, name)

    def start(self, x: Array) -> list[Array]:
        """Directions `(n, d)` and lengths `(n,)`."""
        lengths, directions = polar(x, axis=-1)
        return [directions, lengths]

    def block(self, one: list[Array], two: list[Array], products: Array, same: bool) -> Array:
        """As of `PlainAngles`."""
        return self._passed(one, two, *_apart(one[0], two[0], products, same))

    def diagonal(self, one: list[Array]) -> Array:
        """As of `PlainAngles`."""
        near = namespace(one[0]).zeros_like(one[1][:, None])
        return self._passed(one, [one[0], one[1][:, None]], near, near + 2)

    def _passed(self, one: list[Array], two: list[Array], near: Array, far: Array | None) -> Array:
        t, layers, (first, *others) = self.step, self.layers, self.activations
        T: Any = 1 - near if 1 in layers else None
        near, far, slope = first.layer(near, far)
        T = None if T is None else T * slope
        variance, mean = 1.0, first.mean / math.sqrt(first.square)  # of K^(h) and b^(h), for inputs of length 1
        for k, s in enumerate(others, 2):
            q = 1 - near
            next_near, next_far, slope = s.layer(near, far)
            slope = t * t * s.square * slope
            T = None if T is None else T * (1 + slope)
            if k in layers:
                own = variance * q * slope
                T = own if T is None else T + own
            grown, spread = t * s.mean * variance**0.5, t * t * s.square * variance
            total = variance + 2 * mean * grown + spread
            if far is not None:
                next_far = 2 - next_near if next_far is None else next_far
                far = (variance * far + 4 * mean * grown + spread * next_far) / total
            near = variance / total * near + spread / total * next_near
            variance, mean = total, mean + grown
        if len(self.activations) + 1 in layers:
            own = variance * (1 - near)
            T = own if T is None else T + own
        return one[1][:, None] * T * two[1]
