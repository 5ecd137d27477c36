"""The recursions of `alignmath.architectures` for `s(x) = odd x + even |x|`, where only lengths and angles count.

For nearly parallel inputs an angle from a rounded correlation q would be 1e-8 wrong, and the matrix of slopes have
eigenvalues below 0 by as much: instead of q, `near = 1 - q` and `far = 1 + q` go from layer to layer, without
cancellation.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..activations import Activation
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


def homogeneous(s: Activation) -> Homogeneous | None:
    """What is linear on both sides of 0; None for others."""
    if s.slopes is None:
        return None
    up, down = s.slopes
    odd, even = (up + down) / 2, (up - down) / 2
    square = odd * odd + even * even
    return Homogeneous(square, even * even / square, math.sqrt(2 / math.pi) * even)


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
    """Fully connected networks: the tangent kernel by the weights and biases of the layers named."""

    few = _FEW

    def __init__(
        self,
        activations: list[Any],
        weight: float | None,
        bias: float,
        last: float,
        layers: frozenset[int],
    ) -> None:
        self.activations, self.bias, self.layers = activations, bias, layers
        self.scaled = weight is not None
        self.growth = [1.0, *(1.0 if weight is None else weight * s.square for s in activations)]
        """By what every layer multiplies mean squares."""
        if weight is not None:
            self.growth[0] = weight
        last_square = 1.0 if weight is None else activations[-1].square
        self.growth[-1] = last * last_square

    def start(self, x: Array) -> list[Array]:
        """Directions; of every layer the deviations, and the parts of them that come of weights and of biases."""
        lengths, directions = polar(x, axis=-1)
        deviation = lengths / math.sqrt(x.shape[1]) if self.scaled else lengths
        arrays = [directions]
        for k, factor in enumerate(self.growth):
            product = deviation if factor == 1 else math.sqrt(factor) * deviation
            if float(value_only(product).max()) > _LARGEST[x.dtype.itemsize]:
                raise ValueError(f"the kernel overflows in layer {k + 1}: lower the variances, the inputs or the depth")
            deviation = root(product * product + self.bias) if self.bias else product
            divisor = deviation + (deviation == 0)
            arrays += [deviation, product / divisor, math.sqrt(self.bias) / divisor]
        return arrays

    def block(self, one: list[Array], two: list[Array], products: Array, same: bool) -> Array:
        """Rows of one set against another, from the products of their directions; same: whether the second begins with
        the first. Kernels are worked on as their ratios to the deviations' products."""
        near, far = self._mixed(*_apart(one[0], two[0], products, same), one[2:4], two[2:4])
        T = 1 - near if 1 in self.layers else None
        for k, s in enumerate(self.activations):
            at = 3 * k + 4
            near, far, slope = s.layer(near, far)
            if self.bias:
                slope = slope * (one[at + 1][:, None] * two[at + 1])
                near, far = self._mixed(near, far, one[at + 1 : at + 3], two[at + 1 : at + 3])
            T = None if T is None else T * slope
            if k + 2 in self.layers:
                T = 1 - near if T is None else T + (1 - near)
        return one[-3][:, None] * T * two[-3]

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


class ResidualAngles:
    """Definition 6.1. Kernels are `|x| |y|` times a function of the angle, so that all but near and far are numbers."""

    few = _FEW

    def __init__(self, activations: list[Any], scale: float, layers: frozenset[int]) -> None:
        self.activations, self.step, self.layers = activations, scale / len(activations), layers

    def start(self, x: Array) -> list[Array]:
        """Directions `(n, d)` and lengths `(n,)`."""
        lengths, directions = polar(x, axis=-1)
        return [directions, lengths]

    def block(self, one: list[Array], two: list[Array], products: Array, same: bool) -> Array:
        """As of `PlainAngles`."""
        t, layers, (first, *others) = self.step, self.layers, self.activations
        near, far = _apart(one[0], two[0], products, same)
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
            grown, spread = t * s.mean * math.sqrt(variance), t * t * s.square * variance
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
