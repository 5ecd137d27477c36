"""The recursion of any network of `alignmath.architectures`, by second moments, as `blocks` needs it.

`start` gives what a set of inputs brings along, row by row, first what products are taken of; `block` the kernel of two
such sets, `diagonal` that of every input with itself. `few` is the number of entries up to which one thread is as fast
as several; `pooled`: whether all pairs of pixels are worked on, not only equal ones; `directions`: whether those of the
inputs are needed, which are lost where lengths underflow.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..architectures.algebra import Residual as Sum
from ..architectures.algebra import Serial
from ..architectures.layers import Pair, Side, Told, Weighted
from ..arrays import Array, namespace, value_only

if TYPE_CHECKING:
    from ..architectures.standard import StandardParametrisation

__all__ = ["Recursion", "Tape"]


class Recursion:
    """The tangent kernel by the weights and biases of these layers. standard: the parametrisation, if it is not the NTK
    one."""

    few, directions = 0, False

    def __init__(
        self, network: Serial, layers: frozenset[int], standard: StandardParametrisation | None = None
    ) -> None:
        self.network, self.layers, self.standard = network, layers, standard
        self.pooled = network.pooled
        self.told = Told(means=_has_sums(network))
        self.bends = len(network.nonlinearities)
        self.scaled = network.weighted[0].scaled

    def require_smooth(self, x: Array, name: str) -> None:
        """`ValueError` for inputs by which kernels have no gradient: where a layer that bends at 0 is reached by 0."""
        for _ in self.network.side(self._given(value_only(x)), Told(differentiated=name)):
            pass

    def _given(self, x: Array) -> Side:
        xp = namespace(x)
        square = xp.sum(x * x, axis=1)
        between = xp.einsum("icl,icr->ilr", x, x) if self.pooled else None
        if self.scaled:
            square, between = square / x.shape[1], None if between is None else between / x.shape[1]
        return Side(square, between=between)

    def start(self, x: Array) -> list[Array]:
        """The inputs, then variances, means and products of pixels, of all layers."""
        given = self._given(x)
        arrays: list[Array] = [x]
        self.marks = []
        with np.errstate(over="ignore", invalid="ignore"):
            for side in itertools.chain([given], self.network.side(given, self.told)):
                _require_finite(side.variance)
                self.marks.append([v is not None for v in side])
                arrays += [v for v in side if v is not None]
        return arrays

    def block(self, one: list[Array], two: list[Array], products: Array | None, same: bool) -> Array:
        """Rows of one set against another, from their products (of images these are taken here); same: whether the
        second begins with the first."""
        if products is None:
            form = "icl,jcr->ijlr" if self.pooled else "icl,jcl->ijl"
            products = namespace(one[0]).einsum(form, one[0], two[0])
        return self._tangent(one, two, products / one[0].shape[1] if self.scaled else products, _Own(same), self.layers)

    def diagonal(self, one: list[Array]) -> Array:
        """Every row against itself, `(n, 1)`."""
        given = next(self._sides(one))
        K = given.variance if given.between is None else given.between
        return self._tangent(one, one, K[:, None], _Own(True, alone=True), self.layers)

    def arriving(self, x: Array) -> list[Array]:
        """Second moments of what comes to every layer with weights: `(n, n)`, of images `(n, n, p, p)`."""
        sides, arriving = self.start(x), list[Array]()
        xp = namespace(x)
        K = x @ x.T if x.ndim == 2 else xp.einsum("icl,jcr->ijlr", x, x)
        last = frozenset([len(self.network.weighted)])
        self._tangent(sides, sides, K / x.shape[1] if self.scaled else K, _Own(True), last, arriving)
        return arriving

    def _tangent(
        self,
        one: list[Array],
        two: list[Array],
        K: Array,
        own: _Own,
        layers: frozenset[int],
        kept: list[Array] | None = None,
    ) -> Array:
        axis = 1 if own.alone else 0
        rows = (_with_axis(side, 1) for side in self._sides(one))
        columns = (_with_axis(side, axis) for side in self._sides(two))
        tape = Tape(zip(rows, columns, strict=True), own, layers, self.bends, one[0].shape[1], self.standard, kept)
        with np.errstate(over="ignore", invalid="ignore"):
            pair = self.network.pair(tape.after(K, None), tape)
        assert pair.tangent is not None
        _require_finite(pair.tangent)
        return pair.tangent

    def _sides(self, arrays: list[Array]) -> Iterator[Side]:
        """What `start` put down."""
        parts = iter(arrays[1:])
        for marks in self.marks:
            yield Side(*(next(parts) if there else None for there in marks))


class _Own(NamedTuple):
    """Whether inputs meet themselves: on the diagonal of the result, or (alone) in all of it."""

    there: bool
    alone: bool = False

    def mask(self, K: Array) -> Array:
        """Of second moments, those of one unit with itself."""
        xp = namespace(K)
        mask: Any = xp.eye(*K.shape[:2], dtype=xp.bool, device=K.device)
        mask = xp.ones_like(mask) if self.alone else mask
        if K.ndim == 3:
            return mask[:, :, None]
        if K.ndim == 4:
            return mask[:, :, None, None] & xp.eye(*K.shape[2:], dtype=xp.bool, device=K.device)
        return mask


def _require_finite(values: Array) -> None:
    xp = namespace(values)
    if not bool(xp.isfinite(xp.max(xp.abs(value_only(values))))):
        raise ValueError("the kernel overflows: lower the variances, the inputs or the depth")


def _with_axis(side: Side, axis: int) -> Side:
    return Side(*(None if v is None else namespace(v).expand_dims(v, axis=axis) for v in side))


class Tape:
    """What layers are told on the way of two sets of inputs through a network."""

    def __init__(
        self,
        sides: Iterator[tuple[Side, Side]],
        own: _Own,
        layers: frozenset[int],
        bends: int,
        channels: int,
        standard: StandardParametrisation | None,
        kept: list[Array] | None,
    ) -> None:
        self.sides, self.meeting, self.layers, self.bends, self.kept = sides, own, layers, bends, kept
        self.channels, self.standard = channels, standard
        self.layer, self.last = 0, max(layers)

    def own(self, layer: Weighted, below: Array | None, above: Array | None) -> Array | None:
        """What the weights and biases of the next layer with weights add to the tangent kernel, None if they do not
        count. below, above: second moments of what its weights act on, and of what comes out."""
        self.layer += 1
        if self.kept is not None and below is not None:
            self.kept.append(below)
        if self.layer not in self.layers:
            return None
        if self.standard is None:
            return above
        return self.standard.own(layer, below, self.channels if self.layer == 1 else self.standard.width)

    def needed(self) -> bool:
        """Whether anything is done with the covariance after the next Nonlinearity."""
        self.bends -= 1
        return self.bends > 0 or self.layer < self.last

    def after(self, covariance: Array | None, tangent: Array | None) -> Pair:
        """What comes out of a layer. Variances, of inputs that meet themselves, have their own place: two roundings of
        one number would differ."""
        one, other = next(self.sides)
        if covariance is not None and self.meeting.there:
            variance = one.variance if covariance.ndim < 4 else one.variance[..., None]
            covariance = namespace(covariance).where(self.meeting.mask(covariance), variance, covariance)
        return Pair(covariance, tangent, one, other)


def _has_sums(network: Serial) -> bool:
    return any(isinstance(layer, Sum) or (isinstance(layer, Serial) and _has_sums(layer)) for layer in network.layers)
