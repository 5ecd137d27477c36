"""The recursions of `kernels` by covariances: Definitions 5.1, 6.1 and 7.1, tangent and conjugate kernels.

`start` gives what a set of inputs brings along, row by row, first what products are taken of; `block` the kernel of two
such sets. `few` is the number of entries up to which one thread is as fast as several.
"""

from __future__ import annotations

from ..activations import Activation
from ..activations.base import Dual
from ..arrays import Array, namespace, root

__all__ = ["Convolutional", "Kernel", "Plain", "Residual"]


class Plain:
    """Definition 5.1."""

    few = 0

    def __init__(self, activation: Activation, depth: int, layer: int) -> None:
        self.activation, self.depth, self.layer = activation, depth, layer

    def start(self, x: Array) -> list[Array]:
        """The inputs and the diagonals of `K^(0), ..., K^(H-1)`, `(n,)` each."""
        own = [namespace(x).sum(x * x, axis=1)]
        for _ in range(self.depth - 1):
            own.append(self.activation.c_sigma * self.activation.dual(own[-1], own[-1], own[-1]))
        return [x, *own]

    def block(self, one: list[Array], two: list[Array], products: Array, same: bool) -> Array:
        """Rows of one set against another, from their products; same: whether the second begins with the first."""
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


class Residual:
    """Definition 6.1."""

    few = 0

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
        """As of `Plain`."""
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


class Convolutional:
    """Definition 7.1: matrices S over pairs of pixels, K over pairs of patches."""

    few = 0

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
        """As of `Plain`, but products of pixels are taken here."""
        xp, s, t = namespace(one[0]), self.activation, self.step
        S = xp.einsum("icl,jcr->ijlr", one[0], two[0])

        def patches(S: Array, own: Array) -> Array:
            """With the variances in their places, of images that meet themselves: see `_diagonal`."""
            K = self._patches(S)
            if not same:
                return K
            images, pixels = (xp.eye(*pair, dtype=xp.bool, device=K.device) for pair in (K.shape[:2], K.shape[2:]))
            return xp.where(images[:, :, None, None] & pixels, own[:, None, :, None], K)

        def dual(function: Dual, K: Array, a: Array, b: Array) -> Array:
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
        return self.activation.dual_derivative(a, _clipped(c, a * b), b)

    def _spread(self, values: Array) -> Array:
        """What the pixels of `(..., p)` pass back to those in their patches."""
        xp, p = namespace(values), values.shape[-1]
        total = values
        for o in range(1, min(self.reach, p - 1) + 1):
            low, high = xp.zeros_like(values), xp.zeros_like(values)
            low[..., : p - o], high[..., o:] = values[..., o:], values[..., : p - o]
            total = total + low + high
        return total


class Kernel:
    """Tangent and conjugate kernels."""

    few = 0

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
        """As of `Plain`."""
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
    eye = xp.eye(*matrix.shape, dtype=xp.bool, device=matrix.device)
    return xp.where(eye, diagonal[:, None], matrix)


def _bounded(covariance: Array, a: Array, b: Array) -> Array:
    """Covariances `(..., n, m)` no larger than variances `(..., n)` and `(..., m)` allow."""
    return _clipped(covariance, a[..., :, None] * b[..., None, :])


def _clipped(covariance: Array, product: Array) -> Array:
    """The same from products of variances."""
    most = root(product)  # of equal variances exactly that variance
    return namespace(covariance).clip(covariance, -most, most)
