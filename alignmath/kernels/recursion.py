"""The recursion of any network of `alignmath.architectures`, by second moments, as `blocks` needs it.

`start` gives what a set of inputs brings along, row by row, first what products are taken of; `block` the kernel of two
such sets. `few` is the number of entries up to which one thread is as fast as several.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..architectures.algebra import Pair, Serial, Side
from ..architectures.algebra import Residual as Sum
from ..arrays import Array, namespace

__all__ = ["Recursion", "Tape"]


class Recursion:
    """The tangent kernel by the weights and biases of these layers."""

    few = 0

    def __init__(self, network: Serial, layers: frozenset[int]) -> None:
        self.network, self.layers = network, layers
        self.means = _has_sums(network)
        self.bends = len(network.nonlinearities)
        self.scaled = network.weighted[0].scaled

    def start(self, x: Array) -> list[Array]:
        """The inputs, then variances and means of all layers."""
        square = namespace(x).sum(x * x, axis=1)
        given = Side(square / x.shape[1] if self.scaled else square)
        arrays: list[Array] = [x]
        self.marks = []
        for side in (given, *self.network.side(given, means=self.means)):
            self.marks.append(side.mean is not None)
            arrays += [v for v in side if v is not None]
        return arrays

    def block(self, one: list[Array], two: list[Array], products: Array | None, same: bool) -> Array:
        """Rows of one set against another, from their products (of images these are taken here); same: whether the
        second begins with the first."""
        xp = namespace(one[0])
        if products is None:
            products = xp.einsum("icl,jcl->ijl", one[0], two[0])
        pair = self._passed(one, two, products, same, self.layers, None)
        assert pair.tangent is not None
        return pair.tangent

    def arriving(self, x: Array) -> list[Array]:
        """Second moments of what comes to every layer with weights: `(n, n)`, of images `(n, n, p, p)`."""
        sides, arriving = self.start(x), []
        xp = namespace(x)
        products = x @ x.T if x.ndim == 2 else xp.einsum("icl,jcr->ijlr", x, x)
        self._passed(sides, sides, products, True, frozenset([len(self.network.weighted)]), arriving)
        return arriving

    def _passed(
        self,
        one: list[Array],
        two: list[Array],
        products: Array,
        same: bool,
        layers: frozenset[int],
        kept: list[Array] | None,
    ) -> Pair:
        tape = Tape(zip(self._sides(one), self._sides(two), strict=True), same, layers, self.bends, kept)
        K = products / one[0].shape[1] if self.scaled else products
        return self.network.pair(tape.after(K, None), tape)

    def _sides(self, arrays: list[Array]) -> Iterator[Side]:
        """What `start` put down."""
        parts = iter(arrays[1:])
        for has_mean in self.marks:
            yield Side(next(parts), next(parts) if has_mean else None)


class Tape:
    """What layers are told on the way of two sets of inputs through a network."""

    def __init__(
        self,
        sides: Iterator[tuple[Side, Side]],
        same: bool,
        layers: frozenset[int],
        bends: int,
        kept: list[Array] | None,
    ) -> None:
        self.sides, self.same, self.layers, self.bends, self.kept = sides, same, layers, bends, kept
        self.layer, self.last = 0, max(layers)

    def trained(self, covariance: Array | None) -> bool:
        """Whether the next layer with weights counts; covariance: of what its weights act on."""
        self.layer += 1
        if self.kept is not None and covariance is not None:
            self.kept.append(covariance)
        return self.layer in self.layers

    def needed(self) -> bool:
        """Whether anything is done with the covariance after the next Nonlinearity."""
        self.bends -= 1
        return self.bends > 0 or self.layer < self.last

    def after(self, covariance: Array | None, tangent: Array | None) -> Pair:
        """What comes out of a layer. Variances, of inputs that meet themselves, have their own place: two roundings of
        one number would differ."""
        one, other = next(self.sides)
        if covariance is not None and self.same:
            xp = namespace(covariance)
            own = xp.eye(*covariance.shape[:2], dtype=xp.bool, device=covariance.device)
            variance: Any = one.variance[:, None]
            if covariance.ndim == 3:
                own = own[:, :, None]
            elif covariance.ndim == 4:
                own = own[:, :, None, None] & xp.eye(*covariance.shape[2:], dtype=xp.bool, device=covariance.device)
                variance = variance[..., None]
            covariance = xp.where(own, variance, covariance)
        return Pair(covariance, tangent, one, other)


def _has_sums(network: Serial) -> bool:
    return any(isinstance(layer, Sum) or (isinstance(layer, Serial) and _has_sums(layer)) for layer in network.layers)
