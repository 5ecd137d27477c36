"""The circle of samples folded to a half-circle: where minimum-norm interpolation in the plane becomes local.

As `relu(t) = (|t| + t)/2`, a two-layer network without bias is `f = h + v . x` with h even. So samples `x = +-w` of a
line share one node w, nodes are sorted by angle with cyclic gaps `D_i` of sum pi, and between two nodes an even
network without a kink there is one sinusoid. The folded second difference
`(T h)_i = h_{i-1}/sin D_{i-1} + h_{i+1}/sin D_i - h_i (cot D_{i-1} + cot D_i)` annihilates sinusoids. It is symmetric,
its row i is `h -> <hat_i, h'' + h>` with the sinusoidal tent `hat_i` of value 1 at node i, and an even function
interpolated between node values `eta` has the masses `T eta` at the nodes (`docs/theory/min_norm_algorithm.md`).

Gaps may be as small as 1e-15, and what is huge cancels later: the geometry is computed from exact products, in
`np.longdouble`, which has 64 bits or more on Linux and is a double on some other systems.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["EXTENDED", "Folded", "Peaks", "cross", "exact_cross", "fold", "gap_peaks"]

EXTENDED = np.longdouble
_SAME_LINE = 8 * np.finfo(float).eps
"""Samples whose directions differ by less, up to sign, lie on one line."""
_WIDEST = 1.2
"""Gaps wider than this, in radians, are split by nodes without a sample."""
_SPLITTER = 134217729.0  # 2^27 + 1


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`a_0 b_1 - a_1 b_0` for vectors `(..., 2)`, in the precision they come in.

    >>> float(cross(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    1.0
    """
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def exact_cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`a_0 b_1 - a_1 b_0` for doubles `(..., 2)` in extended precision, without cancellation (Dekker's products).

    >>> a, b = np.array([1.0, 1.0 + 2.0**-40]), np.array([1.0 - 2.0**-40, 1.0])
    >>> float(exact_cross(a, b)) == 2.0**-80, float(cross(a, b))
    (True, 0.0)
    """
    left, left_error = _product(a[..., 0], b[..., 1])
    right, right_error = _product(a[..., 1], b[..., 0])
    return (left.astype(EXTENDED) - right) + (left_error.astype(EXTENDED) - right_error)


def _product(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The product of doubles and its rounding error, exactly."""
    product = x * y
    (x_high, x_low), (y_high, y_low) = _halves(x), _halves(y)
    return product, ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low


def _halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shifted = _SPLITTER * x
    high = shifted - (shifted - x)
    return high, x - high


@dataclass(frozen=True, eq=False)
class Folded:
    """n nodes of a half-circle, in order of their angles; node n would be minus node 0. See `fold`.

    - nodes: `(n, 2)`, unit vectors w, extended
    - sine, cosine: `(n,)`, of the gap to the next node, extended
    - plus, minus: `(n,)`, index of the sample on the side of w, and on the side of -w; -1 for none. A node without any
      is a phantom: it splits a wide gap, carries no multiplier and its height is free
    - group, side: `(N,)`, each sample's node, and 1 or -1

    >>> folded = fold(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]))
    >>> np.degrees(folded.gaps).round(9)
    array([45., 45., 45., 45.])
    >>> folded.phantom
    array([False, False, False,  True])
    """

    nodes: np.ndarray
    sine: np.ndarray
    cosine: np.ndarray
    plus: np.ndarray
    minus: np.ndarray
    group: np.ndarray
    side: np.ndarray

    @property
    def phantom(self) -> np.ndarray:
        """`(n,)` bool: nodes without a sample."""
        return (self.plus < 0) & (self.minus < 0)

    @property
    def near_phantom(self) -> np.ndarray:
        """`(n,)` bool: phantoms and the nodes beside them, whose second differences depend on free heights."""
        return self.phantom | np.roll(self.phantom, 1) | np.roll(self.phantom, -1)

    @property
    def antipodal(self) -> np.ndarray:
        """`(n,)` bool: nodes with samples on both sides."""
        return (self.plus >= 0) & (self.minus >= 0)

    @property
    def samples(self) -> np.ndarray:
        """Indices of one sample for each ray."""
        both = np.concatenate([self.plus, self.minus])
        return np.sort(both[both >= 0])

    @property
    def odd(self) -> np.ndarray:
        """`(n,)`: which side a node's only sample is on, 1 or -1; 0 with both or none."""
        return np.where(self.antipodal | self.phantom, 0, np.where(self.plus >= 0, 1, -1))

    @cached_property
    def gaps(self) -> np.ndarray:
        """`(n,)` angles to the next node, radians."""
        return np.arctan2(self.sine.astype(float), self.cosine.astype(float))

    def second_difference(self, values: np.ndarray) -> np.ndarray:
        """`T values`, `(n,)` or `(n, k)`, for even functions: what the wrap meets again is the same value."""
        column = (slice(None),) + (None,) * (values.ndim - 1)
        after = (np.roll(values, -1, axis=0) - values) / self.sine[column] + values * self._half_tangent[column]
        before = np.roll((values - np.roll(values, -1, axis=0)) / self.sine[column], 1, axis=0)
        return after + before + values * np.roll(self._half_tangent, 1)[column]

    @cached_property
    def _half_tangent(self) -> np.ndarray:
        return self.sine / (1 + self.cosine)

    @cached_property
    def odd_rows(self) -> np.ndarray:
        """`B = T X`, `(n, 2)`, X the samples of length 1 (0 for phantoms and antipodal nodes): 0 where neighbours lie
        on one side, for T annihilates w."""
        side = self.odd.astype(EXTENDED)
        following = np.concatenate([self.nodes[1:], -self.nodes[:1]])
        side_after, side_before = np.append(side[1:], -side[0]), np.append(-side[-1], side[:-1])
        before, sine_before = np.concatenate([-self.nodes[-1:], self.nodes[:-1]]), np.roll(self.sine, 1)
        return ((side_after - side) / self.sine)[:, None] * following + ((side_before - side) / sine_before)[
            :, None
        ] * before

    @property
    def turned(self) -> np.ndarray:
        """`(n, 2)`: the nodes turned by a right angle, the directions u of neurons that have their kink there."""
        return np.stack([-self.nodes[:, 1], self.nodes[:, 0]], axis=1)

    def directions(self, gap: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Unit vectors u `(k, 2)` of neurons with their kink `offset` radians into the gaps of index `gap`."""
        nodes, turned = self.nodes[gap].astype(float), self.turned[gap].astype(float)
        return np.cos(offset)[:, None] * turned - np.sin(offset)[:, None] * nodes


def fold(x: np.ndarray) -> Folded:
    """Fold samples `(N, 2)`, finite and not 0, of any lengths.

    >>> folded = fold(np.array([[1.0, 0.0], [-3.0, 0.0], [0.0, 1.0]]))
    >>> folded.antipodal.tolist(), folded.group.tolist(), folded.side.tolist()
    ([True, False, False, False], [0, 0, 2], [1, -1, 1])
    """
    _, exponents = np.frexp(np.abs(x).max(axis=1))
    x = np.ldexp(x, -exponents[:, None])
    below = (x[:, 1] < 0) | ((x[:, 1] == 0) & (x[:, 0] < 0))
    side = np.where(below, -1, 1)
    lines = x * side[:, None]
    order = np.argsort(np.arctan2(lines[:, 1], lines[:, 0]), kind="stable")
    joined = _gap_to_next(lines[order])[2]
    if joined[-1] and not joined.all():  # a line across the cut of the angle: start behind it
        moved = int(np.flatnonzero(~joined)[0]) + 1
        lines[order[:moved]] *= -1
        side[order[:moved]] *= -1
        order = np.roll(order, -moved)
        joined = np.roll(joined, -moved)
    joined[-1] = False
    group = np.empty(len(x), dtype=int)
    group[order] = np.concatenate([[0], np.cumsum(~joined[:-1])])
    heads = order[np.concatenate([[True], ~joined[:-1]])]
    sides = np.full((2, len(heads)), -1)
    for row, sign in enumerate((1, -1)):
        members = np.flatnonzero(side == sign)[::-1]  # the first of repeated samples is kept
        sides[row, group[members]] = members
    nodes, plus, minus = lines[heads], sides[0], sides[1]
    sine, cosine, _ = _gap_to_next(nodes)
    angles = np.arctan2(sine.astype(float), cosine.astype(float))
    parts = np.maximum(np.ceil(angles / _WIDEST).astype(int), 1)
    if np.any(parts > 1):
        place = np.repeat(np.arange(len(nodes)), parts)
        share = np.concatenate([np.arange(p) for p in parts]) / parts[place] * angles[place]
        real = share == 0
        spun = np.stack([-nodes[place][:, 1], nodes[place][:, 0]], axis=1)
        nodes = np.where(
            real[:, None], nodes[place], np.cos(share)[:, None] * nodes[place] + np.sin(share)[:, None] * spun
        )
        plus, minus = np.where(real, plus[place], -1), np.where(real, minus[place], -1)
        group = np.flatnonzero(real)[group]
        sine, cosine, _ = _gap_to_next(nodes)
    extended = nodes.astype(EXTENDED)
    extended /= np.sqrt(np.sum(extended**2, axis=1))[:, None]
    return Folded(extended, sine, cosine, plus, minus, group, side)


def _gap_to_next(lines: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sine and cosine of the angle from each line to the next, the last to minus the first, and where it is none."""
    after = np.concatenate([lines[1:], -lines[:1]])
    extended = lines.astype(EXTENDED)
    lengths = np.sqrt(np.sum(extended**2, axis=1))
    scale = lengths * np.roll(lengths, -1)
    sine, cosine = exact_cross(lines, after) / scale, np.sum(extended * after, axis=1) / scale
    return sine, cosine, (sine <= _SAME_LINE) & (cosine > 0)


@dataclass(frozen=True, eq=False)
class Peaks:
    """Where the size of a function given by its node values is largest in each gap; see `gap_peaks`.

    - value: `(n,)`, with its sign
    - offset: `(n,)`, from the gap's first node, radians; 0 or the gap where an end is the largest

    >>> Peaks(np.array([0.5, -2.0]), np.zeros(2)).largest
    2.0
    """

    value: np.ndarray
    offset: np.ndarray

    @property
    def largest(self) -> float:
        """The largest size over all gaps."""
        return float(np.abs(self.value).max())


def gap_peaks(folded: Folded, values: np.ndarray, following: np.ndarray) -> Peaks:
    """Peaks of the sinusoids with the given `values` at the nodes and `following` at the next ones, `(n,)` each.

    >>> folded = fold(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]))
    >>> np.degrees(gap_peaks(folded, np.ones(4), np.ones(4)).offset).round(9)
    array([22.5, 22.5, 22.5, 22.5])
    """
    slope = (following - values) / folded.sine + values * folded._half_tangent
    size = np.hypot(values, slope)
    peak, offset = values.copy(), np.zeros(len(values))
    ends = np.abs(following) > np.abs(peak)
    peak, offset = np.where(ends, following, peak), np.where(ends, folded.gaps, offset)
    for sign in (1.0, -1.0):
        angle = np.arctan2((sign * slope).astype(float), (sign * values).astype(float))
        inside = (angle > 0) & (angle < folded.gaps)
        peak, offset = np.where(inside, sign * size, peak), np.where(inside, angle, offset)
    return Peaks(peak, np.clip(offset, 0, math.pi))
