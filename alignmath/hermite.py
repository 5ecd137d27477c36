"""Expectations `E[g(u) g(v)]` of any function g of two correlated Gaussians, by Hermite series.

With `h_k(a) = E[g(sqrt(a) z) He_k(z)] / sqrt(k!)`, z standard normal, and correlation r (Mehler's formula),

    E[g(u) g(v)] = sum_k h_k(a) h_k(b) r^k.

Every term is a positive semi-definite function of r, so matrices of such expectations are positive semi-definite but
for rounding. What terms from K on add is at most `sqrt(t_K(a) t_K(b))`, `t_K(a) = E[g^2] - sum_(k<K) h_k(a)^2`: the
series ends where that is below 1e-14 of `sqrt(E[g(u)^2] E[g(v)^2])`, and pairs for which 1024 terms do not get there
(large variances, g with poles near the real line) are integrated directly. Tails below 1e-13, which rounding hides in
that difference, are continued geometrically from the last coefficients. One-dimensional expectations are
Gauss-Legendre sums on panels that end at the kinks and shrink geometrically towards 0, where scaled functions change.

No value is returned whose error is estimated at more than 1e-8 of `sqrt(E[g(u)^2] E[g(v)^2])`. `E[g^2]` and the first
coefficients of each variance are taken again with panels of half the width and a longer reach; where the two differ by
more than 1e-9, panels are refined, and in the end the variance is refused. A double integral is taken with two rules,
and refused where these disagree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
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
_REACH = 18.0
"""`exp(-z^2 / 4)`, by which Hermite functions of any order are bounded, is below 1e-35 from there on: room for those
that grow."""
_FINE, _DOUBLE, _CONTROL = 16, 14, 11
"""Nodes of a panel: for one-dimensional expectations, whose integrands carry high Hermite functions, for double
integrals, and for the second rule of these. A panel reaches to four times its nearer end, so that a pole at 0 is 5/3 of
its half width from its centre, and n nodes leave `3^-2n`; the Hermite function of order 1024 turns by 8 radians in half
of the widest."""
_FEATURES = 10
"""The finest panel is `2^-10` wide, over the deviation where that exceeds 1."""
_LEVELS = ((0, 0.5, 3.0), (10, 0.25, 1.0), (20, 0.125, 0.5))
"""Tried one after the other: how many more halvings of the finest panel, the greatest width of one, twice that in
double integrals, and the greatest width over the nearer end."""
_AGREEMENT, _ACCURACY = 1e-9, 1e-8
"""What two rules for `E[g^2]` and coefficients may differ by, and two double integrals, relative to
`sqrt(E[g(u)^2] E[g(v)^2])`."""
_NEARLY_ONE = 1e-7
"""Gradients of double integrals are taken at correlations no nearer to 1: they are differences of large terms there."""
_FLAT = 1e-12
"""Functions look linear to a Gaussian of this variance."""
_CURE = "name its kinks, if it has any, as kinks=[...] of from_functions, or scale the inputs or the weights down"
_SMALLEST = 1e-290
"""What two rules may differ by where `E[g^2]` underflows."""
_CHUNK = 1 << 21
"""Values of g computed at once."""


@cache
def _edges(reach: float, finest: int, widest: float, growth: float) -> np.ndarray:
    """Of panels on `[-reach, reach]`, graded towards 0, the first `2^-finest` wide."""
    edges = [0.0, 2.0**-finest]
    while edges[-1] < reach:
        edges.append(min(edges[-1] + min(growth * edges[-1], widest), reach))
    return np.array([-edge for edge in edges[:0:-1]] + edges)


def _panels(left: Array, right: Array, order: int) -> tuple[Array, Array]:
    """Nodes and weights of panels `(..., m)`, both `(..., m order)`."""
    xp = namespace(left, right)
    node, weight = (_like(part, left) for part in np.polynomial.legendre.leggauss(order))
    half = (right - left)[..., None] / 2
    nodes, shape = left[..., None] + half * (1 + node), (*left.shape[:-1], -1)
    return xp.reshape(nodes, shape), xp.reshape(half * weight, shape)


def _finest(variance: Array) -> int:
    """How fine panels must be for this variance, in steps of 8 powers of 2."""
    largest = math.sqrt(float(value_only(variance).max()))
    return _FEATURES + (8 * math.ceil(math.log2(largest) / 8) if largest > 1 else 0)


def _functions(z: Array, terms: int) -> Iterator[Array]:
    """`He_k(z) exp(-z^2 / 4) / sqrt(k!)` for k = 0, 1, ..., which do not overflow."""
    row = namespace(z).exp(-(z**2) / 4)
    before = 0 * row
    for k in range(terms):
        yield row
        before, row = row, (z * row - math.sqrt(k) * before) / math.sqrt(k + 1)


def _matrix(edges: np.ndarray, terms: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes `(N,)` and the matrix `(N, K)` that takes values there to Hermite coefficients."""
    nodes, weights = _panels(edges[:-1], edges[1:], _FINE)
    rows = np.array(list(_functions(nodes, terms)))
    return nodes, (rows * (weights * rows[0] / math.sqrt(2 * math.pi))).T


@cache
def _table(finest: int, widest: float, growth: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and matrix for all coefficients."""
    return _matrix(_edges(_REACH, finest, widest, growth), _TERMS[-1])


@cache
def _control(finest: int, widest: float, growth: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges, nodes and matrix for the first coefficients, of panels of half the width, half as far again."""
    edges = _edges(1.5 * _REACH, finest, widest, growth)
    edges = np.sort(np.concatenate([edges, (edges[1:] + edges[:-1]) / 2]))
    return (edges, *_matrix(edges, _TERMS[0]))


class HermiteDual:
    """The expectations of one function g, which takes arrays (NumPy or torch) entry by entry.

    >>> relu = HermiteDual(lambda z: np.maximum(z, 0))
    >>> round(float(relu(np.array(1.0), np.array(0.0), np.array(1.0))), 9)  # E[relu]^2 = 1 / (2 pi)
    0.159154943
    """

    def __init__(self, function: Callable[[Array], Array], kinks: Sequence[float] = (), name: str = "g") -> None:
        self.function = function
        self.kinks = np.array(sorted({kink for kink in kinks if kink != 0}))  # panels end at 0 anyway
        self.name = name

    def mean(self, variance: Array) -> Array:
        """`E[g(u)]`, `u ~ N(0, variance)`, of any shape."""
        return self._coefficients(variance, 1, self._level(variance))[0][..., 0]

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
        scale = scale + value_only(
            xp.where(a == b, a + 0 * scale, scale) - scale
        )  # so that equal inputs correlate by 1
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
            missing = (
                left[..., -1] * right[..., -1] * xp.exp(2 * most * xp.log(xp.clip(abs(value_only(r)), _FLAT, 1.0)))
            )
            hard = missing + 0 * value_only(total) > _TOLERANCE**2
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
        return self._coefficients(variance, 2, self._level(variance))[0][..., 1] / root(variance)

    def _both(self, a: Array, b: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Coefficients and tails of both sides: as many as do for all pairs, or the most."""
        found: list[tuple[Array, Array]] = []
        levels = [self._level(variance) for variance in (a, b)]
        for terms in _TERMS:
            found = []
            for variance, level in zip((a, b), levels, strict=True):
                coefficients, square = self._coefficients(variance, terms, level)
                found.append((coefficients, value_only(self._tails(coefficients, square))))
            if float(found[0][1][..., -1].max() * found[1][1][..., -1].max()) <= _TOLERANCE**2:
                break
        return found[0], found[1]

    def _level(self, variance: Array) -> int:
        """The first of `_LEVELS` at which two rules agree on `E[g^2]` and coefficients, or a `ValueError`."""
        flat = namespace(variance).reshape(value_only(variance), (-1,))
        finest, worst = _finest(flat), 0
        for level, (more, *shape) in enumerate(_LEVELS):
            grid = _control(finest + more, *shape)
            with np.errstate(all="ignore"):
                expected, square = self._moments(root(flat), *grid)
                found, again = self._coefficients(flat, _TERMS[0], level)
                gap = namespace(flat).sum((found - expected) ** 2, axis=-1)
            wrong = ~((gap <= _AGREEMENT**2 * square) & (abs(again - square) <= _AGREEMENT * square + _SMALLEST))
            if not bool(namespace(wrong).any(wrong)):
                return level
            worst = int(namespace(wrong).argmax(namespace(wrong).astype(wrong, flat.dtype)))
        raise ValueError(
            f"expectations of {self.name} at variance {float(flat[worst]):.6g} are not known to {_ACCURACY:g}: it "
            f"varies or grows too fast there; {_CURE}"
        )

    def _coefficients(self, variance: Array, terms: int, level: int) -> tuple[Array, Array]:
        """`h_k (..., K)` and `E[g^2] (...)`."""
        xp = namespace(variance)
        grid = (_finest(variance) + _LEVELS[level][0], *_LEVELS[level][1:])
        nodes, matrix = _table(*grid)
        scale = xp.reshape(root(variance), (-1,))
        found, squares = self._moments(scale, _edges(_REACH, *grid), nodes, matrix[:, :terms])
        return xp.reshape(found, (*variance.shape, terms)), xp.reshape(squares, tuple(variance.shape))

    def _moments(self, scale: Array, edges: np.ndarray, nodes: np.ndarray, matrix: np.ndarray) -> tuple[Array, Array]:
        """`h_k (n, K)` and `E[g^2] (n)` at deviations `(n)`: of the panels, those with a kink replaced by its sides."""
        xp = namespace(scale)
        edges, nodes, matrix = (_like(part, scale) for part in (edges, nodes, matrix))
        density, terms = matrix[:, 0], matrix.shape[1]
        step = max(1, _CHUNK // len(nodes))
        found, squares = [], []
        for k in range(0, len(scale), step):
            part = scale[k : k + step, None]
            values = self.function(part * nodes)
            if not len(self.kinks):
                found.append(values @ matrix)
                squares.append((values * values) @ density)
                continue
            kept, z, weights = self._sides(part, edges)
            values = xp.where(kept, values, xp.zeros_like(values))
            beside = self.function(part * z)
            share = weights * xp.exp(-z * z / 4) / math.sqrt(2 * math.pi)
            sums = [xp.sum(beside * share * row, axis=1) for row in _functions(z, terms)]
            found.append(values @ matrix + xp.stack(sums, axis=1))
            squares.append((values * values) @ density + xp.sum(beside**2 * share * xp.exp(-z * z / 4), axis=1))
        return xp.concat(found), xp.concat(squares)

    def _sides(self, scale: Array, edges: Array) -> tuple[Array, Array, Array]:
        """Which nodes are in panels without kinks, `(n, N)`, and nodes and weights of the parts of the others."""
        xp = namespace(scale)
        reach = float(edges[-1])
        z = self._kinks_over(scale, reach)
        panel = xp.sum(xp.astype(value_only(z)[..., None] > edges, xp.int64), axis=-1)
        panel = xp.clip(panel, 1, len(edges) - 1)
        inside = abs(value_only(z)) < reach
        ends = 0 * z[:, :1]
        before = xp.concat([ends - reach, z[:, :-1]], axis=1)
        alone = xp.concat([panel[:, 1:] != panel[:, :-1], ends == 0], axis=1)
        left, right = xp.maximum(edges[panel - 1], before), xp.where(alone, edges[panel] + 0 * z, z)
        left, right = xp.where(inside, left, z), xp.where(inside, right, z)
        nodes, weights = _panels(xp.concat([left, z], axis=1), xp.concat([z, right], axis=1), _FINE)
        numbers = _like(np.arange(1, len(edges)), scale)
        hit = xp.any((panel[..., None] == numbers) & inside[..., None], axis=1)
        kept = xp.broadcast_to(~hit[..., None], (*hit.shape, _FINE))
        return xp.reshape(kept, (len(z), -1)), nodes, weights

    def _kinks_over(self, scale: Array, reach: float) -> Array:
        """The kinks as deviations, within the reach; those of deviation 0 are out of it."""
        xp = namespace(scale)
        kinks = _like(self.kinks, scale)
        near = abs(kinks) < reach * scale
        return xp.where(near, kinks / xp.where(near, scale + 0 * kinks, xp.ones_like(kinks)), reach * xp.sign(kinks))

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
        """`_direct`, with gradients that are right at correlations 1 and -1 too, or a `ValueError`."""
        plain = tuple(value_only(part) for part in (a, r, b))
        least = max(self._level(part) for part in (plain[0], plain[2]))
        first, second = (root(self._coefficients(part, 1, least)[1]) for part in (plain[0], plain[2]))
        level, found, gap = least, a, a
        for level in range(least, len(_LEVELS)):
            found = self._direct(*plain, level=level)
            gap = abs(found - self._direct(*plain, level=level, control=True))
            if bool((gap <= _ACCURACY * first * second).all()):
                break
        else:
            k = int((gap - _ACCURACY * first * second).argmax())
            raise ValueError(
                f"the expectation of {self.name} at variances {float(a[k]):.6g} and {float(b[k]):.6g} and correlation "
                f"{float(r[k]):.6g} is known to {float(gap[k] / first[k] / second[k]):.1g} only, not to "
                f"{_ACCURACY:g}; {_CURE}"
            )
        if isinstance(a, np.ndarray) or not (a.requires_grad or r.requires_grad or b.requires_grad):
            return found
        limit = 1 - _NEARLY_ONE
        moved = r + value_only(namespace(r).clip(r, -limit, limit) - r)
        near = self._direct(a, moved, b, level=level)
        return near + value_only(found - near)

    def _direct(self, a: Array, r: Array, b: Array, *, level: int = 0, control: bool = False) -> Array:
        """`E[g(u) g(v)]` of pairs `(n,)` by a double integral: over u, and over v given u with panels that end at the
        kinks and are graded towards v = 0. control: with fewer nodes, not as far."""
        order, reach = (_CONTROL, 9.0) if control else (_DOUBLE, 10.0)
        return namespace(a, r, b).stack([self._pair(a[k], r[k], b[k], level, order, reach) for k in range(len(a))])

    def _pair(self, a: Array, r: Array, b: Array, level: int, order: int, reach: float) -> Array:
        xp = namespace(a, r, b)
        more, widest, growth = _LEVELS[level]
        rest = xp.sqrt(xp.clip(1 - r * r, 0.0, 1.0))
        safe = xp.where(rest > 0, rest, xp.ones_like(rest))
        finest = max(_finest(a), _finest(b)) + more
        own = self._kinks_over(xp.reshape(root(a), (1,)), 2 * reach)
        others = self._kinks_over(xp.reshape(root(b), (1,)), 2 * reach)
        # the mean of g(v) given u changes within `rest` of where that of v is 0 or a kink
        steps = float(safe) * 4.0 ** np.arange(math.ceil(math.log(1 / float(safe), 4)) + 1)
        near = _like(np.concatenate([-steps[::-1], [0.0], steps]), a)
        centres = xp.concat([own, value_only(others / r), 0 * own[:1]]) if len(self.kinks) else xp.zeros_like(near[:1])
        edges = xp.concat(
            [_like(_edges(reach, finest, 2 * widest, growth), a), xp.reshape(centres[:, None] + near, (-1,))]
        )
        edges = xp.sort(xp.clip(edges, -reach, reach))
        outer, weight = _panels(edges[:-1], edges[1:], order)
        share = self.function(root(a) * outer) * xp.exp(-outer * outer / 2) * weight
        if float(rest) == 0:
            return xp.sum(share * self.function(root(b) * r * outer)) / math.sqrt(2 * math.pi)
        centre = xp.clip(-r * outer / safe, -reach, reach)[:, None]
        inner = centre + _like(_edges(2 * reach, finest, 2 * widest, growth), a)
        if len(self.kinks):
            inner = xp.sort(xp.concat([inner, xp.clip((others - r * outer[:, None]) / safe, -reach, reach)], axis=1))
        z, inner_weight = _panels(inner[:, :-1], inner[:, 1:], order)
        value = self.function(root(b) * (r * outer[:, None] + rest * z))
        given = xp.sum(value * xp.exp(-z * z / 2) * inner_weight, axis=1)
        return xp.sum(share * given) / (2 * math.pi)


def _like(values: np.ndarray, like: Array) -> Any:
    """A NumPy array in the library and the precision of `like`, on its device."""
    xp = namespace(like)
    return (
        xp.asarray(values, dtype=like.dtype) if isinstance(like, np.ndarray | np.generic) else like.new_tensor(values)
    )
