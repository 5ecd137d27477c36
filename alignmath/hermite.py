"""Expectations `E[g(u) g(v)]` of any function g of two correlated Gaussians, by Hermite series.

With `h_k(a) = E[g(sqrt(a) z) He_k(z)] / sqrt(k!)`, z standard normal, and correlation r (Mehler's formula),

    E[g(u) g(v)] = sum_k h_k(a) h_k(b) r^k.

Every term is a positive semi-definite function of r, so matrices of such expectations are positive semi-definite but
for rounding. What terms from K on add is at most `sqrt(t_K(a) t_K(b))`, `t_K(a) = E[g^2] - sum_(k<K) h_k(a)^2`: the
series ends where that is below 1e-14 of `sqrt(E[g(u)^2] E[g(v)^2])`, and pairs for which 1024 terms do not get there
(large variances, g with poles near the real line) are integrated directly. Tails below 1e-13, which rounding hides in
that difference, are continued geometrically from the last coefficients. One-dimensional expectations are
Gauss-Legendre sums on panels that shrink geometrically towards 0, where scaled functions change.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from array_api_compat import is_torch_array

from .arrays import Array, namespace, root, value_only

__all__ = ["HermiteDual"]

_TERMS = (32, 256, 1024)
"""Tried one after the other."""
_TOLERANCE = 1e-14
_ROUNDING = 1e-13
"""What is left of `E[g^2]` after all terms is not told from 0 below that; smaller tails are sums of what terms add."""
_NOTHING = 1e-29
"""Shares of `E[g^2]` that are rounding."""
_REACH = 13.0
"""`exp(-z^2 / 4)`, by which Hermite functions of any order are bounded, is below 1e-18 from there on."""
_FINE, _COARSE = (16, 0.5), (14, 1.0)
"""Nodes and greatest width of a panel: for one-dimensional expectations, whose integrands carry high Hermite
functions, and for double integrals. A panel reaches to four times its nearer end, so that a pole at 0 is 5/3 of its
half width from its centre, and n nodes leave `3^-2n`; the Hermite function of order 1024 turns by 8 radians in half of
the widest."""
_FEATURES = 10
"""The finest panel is `2^-10` wide, over the deviation where that exceeds 1."""
_NEARLY_ONE = 1e-7
"""Gradients of double integrals are taken at correlations no nearer to 1: they are differences of large terms there."""
_FLAT = 1e-12
"""Functions look linear to a Gaussian of this variance."""
_CHUNK = 1 << 21
"""Values of g computed at once."""


@cache
def _panels(reach: float, finest: int, order: int, widest: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on `[-reach, reach]`, graded towards 0, the first panels `2^-finest` wide."""
    edges = [0.0, 2.0**-finest]
    while edges[-1] < reach:
        edges.append(min(edges[-1] + min(3 * edges[-1], widest), reach))
    node, weight = np.polynomial.legendre.leggauss(order)
    left, right = np.array(edges[:-1])[:, None], np.array(edges[1:])[:, None]
    half = (right - left) / 2
    nodes, weights = ((left + right) / 2 + half * node).ravel(), (half * weight).ravel()
    return np.concatenate([-nodes[::-1], nodes]), np.concatenate([weights[::-1], weights])


def _finest(variance: Array) -> int:
    """How fine panels must be for this variance, in steps of 8 powers of 2."""
    largest = math.sqrt(float(value_only(variance).max()))
    return _FEATURES + (8 * math.ceil(math.log2(largest) / 8) if largest > 1 else 0)


@cache
def _table(finest: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes `(N,)` and the matrix `(N, K)` that takes values there to Hermite coefficients."""
    nodes, weights = _panels(_REACH, finest, *_FINE)
    # He_k(z) exp(-z^2 / 4) / sqrt(k!), which does not overflow, times the rest of the density
    rows = [np.exp(-(nodes**2) / 4)]
    rows.append(nodes * rows[0])
    for k in range(1, _TERMS[-1] - 1):
        rows.append((nodes * rows[k] - math.sqrt(k) * rows[k - 1]) / math.sqrt(k + 1))
    return nodes, (np.array(rows) * (weights * rows[0] / math.sqrt(2 * math.pi))).T


class HermiteDual:
    """The expectations of one function g, which takes arrays (NumPy or torch) entry by entry.

    >>> relu = HermiteDual(lambda z: np.maximum(z, 0))
    >>> round(float(relu(np.array(1.0), np.array(0.0), np.array(1.0))), 9)  # E[relu]^2 = 1 / (2 pi)
    0.159154943
    """

    def __init__(self, function: Callable[[Array], Array]) -> None:
        self.function = function

    def mean(self, variance: Array) -> Array:
        """`E[g(u)]`, `u ~ N(0, variance)`, of any shape."""
        return self._coefficients(variance, 1)[0][..., 0]

    def __call__(self, a: Array, c: Array, b: Array) -> Array:
        """`E[g(u) g(v)]` for variances a and b and covariance c, which broadcast. Cheap where a and b are small (`(n,
        1)` and `(m)`) and c large.
        """
        xp = namespace(a, c, b)
        if any(part.dtype.itemsize < 8 for part in (a, c, b)):  # the series ends by tails that float32 does not resolve
            return xp.astype(self(*(xp.astype(part, xp.float64) for part in (a, c, b))), xp.result_type(a, c, b))
        (ours, left), (others, right) = self._both(a, b)
        most = left.shape[-1] - 1
        scale = root(a) * root(b)
        positive = scale > 0
        r = xp.where(positive, c / xp.where(positive, scale, xp.ones_like(scale)), xp.zeros_like(c))
        r = r + value_only(xp.clip(r, -1.0, 1.0) - r)  # where rounding made it larger the gradient stays
        terms = 4
        while terms < most and float(left[..., terms].max() * right[..., terms].max()) > _TOLERANCE**2:
            terms *= 2
        terms = min(terms, most)
        total = ours[..., terms - 1] * others[..., terms - 1] + 0 * r
        for k in range(terms - 2, -1, -1):
            total = total * r + ours[..., k] * others[..., k]
        if is_torch_array(c) and c.requires_grad and not bool(xp.all(positive)):
            # c is 0 there, and the derivative by it E[g'(u)] E[g'(v)]
            total = total + xp.where(positive, xp.zeros_like(scale), self._slope(a) * self._slope(b)) * c
        if terms == most:
            hard = (left[..., -1] * right[..., -1] > _TOLERANCE**2) & (xp.abs(r) + 0 * total > 0)
            if bool(xp.any(hard)):
                shape = tuple(total.shape)
                a, r, b, hard, total = (
                    xp.reshape(part, (-1,)) for part in (a + 0 * total, r + 0 * total, b + 0 * total, hard, total)
                )
                total[hard] = self._integrated(a[hard], r[hard], b[hard])
                total = xp.reshape(total, shape)
        return total

    def _slope(self, variance: Array) -> Array:
        """`E[g'(u)]`, without gradients: `h_1 / sqrt(variance)`, at the least at the variance of `_FLAT`."""
        variance = namespace(variance).clip(value_only(variance), _FLAT, math.inf)
        return self._coefficients(variance, 2)[0][..., 1] / root(variance)

    def _both(self, a: Array, b: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Coefficients and tails of both sides: as many as do for all pairs, or the most."""
        found: list[tuple[Array, Array]] = []
        for terms in _TERMS:
            found = []
            for variance in (a, b):
                coefficients, square = self._coefficients(variance, terms)
                found.append((coefficients, value_only(self._tails(coefficients, square))))
            if float(found[0][1][..., -1].max() * found[1][1][..., -1].max()) <= _TOLERANCE**2:
                break
        return found[0], found[1]

    def _coefficients(self, variance: Array, terms: int) -> tuple[Array, Array]:
        """`h_k (..., K)` and `E[g^2] (...)`."""
        xp = namespace(variance)
        nodes, matrix = (_like(part, variance) for part in _table(_finest(variance)))
        density = matrix[:, :1]
        scale = xp.reshape(root(variance), (-1,))
        step = max(1, _CHUNK // len(nodes))
        found, squares = [], []
        for k in range(0, len(scale), step):
            values = self.function(scale[k : k + step, None] * nodes)
            found.append(values @ matrix[:, :terms])
            squares.append((values * values) @ density)
        shape = tuple(variance.shape)
        return xp.reshape(xp.concat(found), (*shape, terms)), xp.reshape(xp.concat(squares), shape)

    @staticmethod
    def _tails(coefficients: Array, square: Array) -> Array:
        """`t_K / E[g^2]` for K = 0, 1, ..., `(..., K + 1)`; 0 for g = 0."""
        xp = namespace(coefficients)
        total = xp.where(square > 0, square, xp.ones_like(square))[..., None]
        shares = xp.concat([coefficients * coefficients / total, xp.zeros_like(total)], axis=-1)
        beyond = 1 - xp.sum(shares, axis=-1, keepdims=True)
        beyond = xp.where(beyond > _ROUNDING, beyond, xp.zeros_like(beyond))
        part = min(32, coefficients.shape[-1] // 4)
        before, last = (
            xp.sum(shares[..., -k * part - 1 : -(k - 1) * part - 1], axis=-1, keepdims=True) for k in (2, 1)
        )
        falls = before > last
        rest = xp.where(falls, 4 * last * last / xp.where(falls, before - last, xp.ones_like(last)), xp.ones_like(last))
        beyond = xp.maximum(beyond, xp.where(last > _NOTHING, rest, xp.zeros_like(rest)))
        return xp.flip(xp.cumulative_sum(xp.flip(shares, axis=-1), axis=-1), axis=-1) + beyond

    def _integrated(self, a: Array, r: Array, b: Array) -> Array:
        """`_direct`, with gradients that are right at correlations 1 and -1 too."""
        if isinstance(a, np.ndarray) or not (a.requires_grad or r.requires_grad or b.requires_grad):
            return self._direct(a, r, b)
        limit = 1 - _NEARLY_ONE
        moved = r + value_only(namespace(r).clip(r, -limit, limit) - r)
        near = self._direct(a, moved, b)
        return near + value_only(self._direct(value_only(a), value_only(r), value_only(b)) - near)

    def _direct(self, a: Array, r: Array, b: Array) -> Array:
        """`E[g(u) g(v)]` of pairs `(n,)` by a double integral: over u, and over v given u with panels graded towards
        v = 0."""
        xp = namespace(a, r, b)
        (outer, weight), (inner, inner_weight) = (
            tuple(_like(part, a) for part in _panels(reach, _finest(own), *_COARSE))
            for reach, own in ((9.0, a), (18.0, b))
        )
        found = []
        for k in range(len(a)):
            rest = xp.sqrt(xp.clip(1 - r[k] * r[k], 0.0, 1.0))
            centre = xp.clip(-r[k] * outer / xp.where(rest > 0, rest, xp.ones_like(rest)), -9.0, 9.0)
            z = centre[:, None] + inner
            density = xp.exp(-z * z / 2) * inner_weight
            value = self.function(xp.sqrt(b[k]) * (r[k] * outer[:, None] + rest * z))
            given = xp.sum(value * density, axis=1)
            own = self.function(xp.sqrt(a[k]) * outer)
            found.append(xp.sum(own * given * xp.exp(-outer * outer / 2) * weight) / (2 * math.pi))
        return xp.stack(found)


def _like(values: np.ndarray, like: Array) -> Any:
    """A NumPy array in the library and the precision of `like`, on its device."""
    xp = namespace(like)
    return (
        xp.asarray(values, dtype=like.dtype) if isinstance(like, np.ndarray | np.generic) else like.new_tensor(values)
    )
