"""A small algebra of networks: `Dense`, `Convolution`, `Nonlinearity`, `Residual`, put one after the other by `serial`.

Every layer knows two things. As the width grows: what it makes of the second moments of what comes in, between two sets
of inputs (`pair`) and of each input with itself (`side`), and of the tangent kernel. And for finite networks: what it
makes of arrays (`forward`), with the way back for derivatives. Entries of all weights are standard normal; factors are
the layers'. A pre-activation, what comes out of Dense and Convolution, is Gaussian, independent from unit to unit; a
Nonlinearity acts on that. Values of images are laid out by channels and pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from ..activations import Activation
from ..activations.base import as_activation
from ..arrays import Array, as_number, as_order, namespace, root

if TYPE_CHECKING:
    from ..kernels.recursion import Tape

__all__ = [
    "Architecture",
    "Convolution",
    "Dense",
    "Layer",
    "Nonlinearity",
    "Pair",
    "Passage",
    "Residual",
    "Serial",
    "Side",
    "serial",
]


class Side(NamedTuple):
    """A set of inputs by itself. variance: mean squares of the units, `(n,)`, or `(n, p)` for p pixels; mean: their
    means, None for 0."""

    variance: Array
    mean: Array | None = None


class Pair(NamedTuple):
    """Two sets of inputs. covariance: second moments of the units, `(n, m)`; of images `(n, m, p)`, of equal pixels,
    or `(n, m, p, p)`; None where no later layer needs it. tangent: the same of the derivatives by the weights so far;
    None for 0. one, other: the sets."""

    covariance: Array | None
    tangent: Array | None
    one: Side
    other: Side


class Passage(NamedTuple):
    """What passed a layer with weights: came in `(D, n, p)`; the derivative of the outputs by what came out, `(units,
    n, p)`; factors of weights and biases."""

    inner: Array
    slope: Array
    factor: float
    bias_factor: float


Back = Callable[[Array, list[Passage]], Array]
"""From derivatives by what comes out to those by what comes in; passages are appended, the last layer first."""


class Kind(NamedTuple):
    """What comes into a layer, as far as it decides which layers may follow."""

    gaussian: bool = False
    images: bool = False
    first: bool = True
    branch: bool = False


class Layer:
    """A layer; one of `Dense`, `Convolution`, `Nonlinearity`, `Residual` and `serial(...)`."""

    def leaves(self) -> Iterator[Layer]:
        """The layers it consists of, in the order in which inputs pass them."""
        yield self

    def kind(self, given: Kind) -> Kind:
        """What comes out; `ValueError` for a layer that has no place there."""
        raise NotImplementedError

    def side(self, given: Side, *, means: bool) -> Iterator[Side]:
        """What every leaf (and sum) makes of a set of inputs by itself; the last is what comes out."""
        raise NotImplementedError

    def pair(self, given: Pair, tape: Tape) -> Pair:
        """What comes out, for two sets of inputs."""
        raise NotImplementedError

    def forward(self, x: Array, parameters: Iterator[tuple[Array, Array | None]]) -> tuple[Array, Back]:
        """What comes out of `(channels, n, pixels)`, with the weights and biases taken in order, and the way back."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Weighted(Layer):
    weight_variance: float = 1.0
    bias_variance: float = 0.0
    scaled: bool = True

    def __post_init__(self) -> None:
        as_number(self.weight_variance, "weight_variance")
        as_number(self.bias_variance, "bias_variance")

    def gathered(self, moments: Array, ndim: int) -> Array:
        """Second moments of what the weights act on; ndim: of moments without pixels."""
        raise NotImplementedError

    def arranged(self, x: Array) -> Array:
        """What the weights act on, `(D, n, p)`."""
        raise NotImplementedError

    def returned(self, slope: Array, shape: tuple[int, ...]) -> Array:
        """The transpose of `arranged`."""
        raise NotImplementedError

    def fan_in(self, channels: int, pixels: int) -> int:
        """D."""
        raise NotImplementedError

    def side(self, given: Side, *, means: bool) -> Iterator[Side]:
        yield Side(self._times(self.gathered(given.variance, 1)) + self.bias_variance)

    def pair(self, given: Pair, tape: Tape) -> Pair:
        K, T = (None if v is None else self.gathered(v, 2) for v in (given.covariance, given.tangent))
        chosen = tape.trained(K)
        if K is not None:
            K = self._times(K)
            K = K + self.bias_variance if self.bias_variance else K
        T = None if T is None else self._times(T)
        if chosen:
            T = K if T is None else T + K
        return tape.after(K, T)

    def _times(self, values: Array) -> Array:
        return values if self.weight_variance == 1 else self.weight_variance * values

    def forward(self, x: Array, parameters: Iterator[tuple[Array, Array | None]]) -> tuple[Array, Back]:
        W, bias = next(parameters)
        inner, shape = self.arranged(x), tuple(x.shape)
        factor = math.sqrt(self.weight_variance / shape[0] if self.scaled else self.weight_variance)
        bias_factor = math.sqrt(self.bias_variance)
        z = factor * (W @ inner.reshape(inner.shape[0], -1)).reshape(W.shape[0], *inner.shape[1:])
        if bias is not None:
            z = z + bias_factor * bias[:, None, None]

        def back(slope: Array, passed: list[Passage]) -> Array:
            passed.append(Passage(inner, slope, factor, bias_factor))
            below = factor * (W.T @ slope.reshape(slope.shape[0], -1))
            return self.returned(below.reshape(inner.shape), shape)

        return z, back


@dataclass(frozen=True)
class Dense(_Weighted):
    """Every unit sums all values of its input, and a bias: `z = sqrt(weight_variance / c) W x + sqrt(bias_variance) b`.

    weight_variance, bias_variance: 0 or more. c: the units of the layer below (of an image, which is read as a whole,
    its channels, not its pixels). scaled: False leaves `1 / c` out, in a first layer only, which then acts on inputs as
    they are (as in the wide_networks paper), not on their mean square.

        K -> weight_variance K + bias_variance,    T -> weight_variance T + weight_variance K + bias_variance

    >>> import numpy as np
    >>> from alignmath.activations import ERF
    >>> from alignmath.architectures import Dense, Nonlinearity, serial
    >>> from alignmath.kernels import conjugate
    >>> network = serial(Dense(2.0), Nonlinearity(ERF), Dense(1.0, bias_variance=0.1))
    >>> conjugate(np.eye(2), network).round(4)  # E[erf^2] + 0.1 at variance 1, and E[erf]^2 + 0.1
    array([[0.5646, 0.1   ],
           [0.1   , 0.5646]])
    """

    def kind(self, given: Kind) -> Kind:
        _require_unscaled_first(self, given)
        if given.images and given.branch:
            raise ValueError("a Dense in a Residual makes images into vectors; use Convolution(patch=1)")
        return Kind(True, False, False, given.branch)

    def gathered(self, moments: Array, ndim: int) -> Array:
        if moments.ndim == ndim:
            return moments
        xp = namespace(moments)
        return xp.sum(moments if moments.ndim == ndim + 1 else xp.linalg.diagonal(moments), axis=-1)

    def arranged(self, x: Array) -> Array:
        return x if x.shape[2] == 1 else namespace(x).permute_dims(x, (0, 2, 1)).reshape(-1, x.shape[1], 1)

    def returned(self, slope: Array, shape: tuple[int, ...]) -> Array:
        c, n, p = shape
        return slope if p == 1 else namespace(slope).permute_dims(slope.reshape(c, p, n), (0, 2, 1))

    def fan_in(self, channels: int, pixels: int) -> int:
        return channels * pixels


@dataclass(frozen=True)
class Convolution(_Weighted):
    """At every pixel every unit sums the patch around it: stride 1, zeros outside; weights are shared by the pixels.

    weight_variance: over the channels c of the layer below, not over the `patch c` weights of a unit. patch: pixels, an
    odd number. bias_variance, scaled: as of `Dense`. With the offsets o of a patch

        K_lr -> weight_variance sum_o K_(l+o, r+o) + bias_variance

    >>> import numpy as np
    >>> from alignmath.activations import RELU
    >>> from alignmath.architectures import Convolution, Dense, Nonlinearity, serial
    >>> from alignmath.kernels import conjugate
    >>> network = serial(Convolution(patch=3), Nonlinearity(RELU), Dense())
    >>> float(conjugate(np.ones((1, 1, 4)), network)[0, 0])  # patches of 2, 3, 3 and 2 ones, halved by ReLU
    5.0
    """

    patch: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if as_order(self.patch, "patch", least=1, most=10**6) % 2 == 0:
            raise ValueError(f"patch is {self.patch!r}; expected an odd number of pixels")

    def kind(self, given: Kind) -> Kind:
        _require_unscaled_first(self, given)
        if not given.images and not given.first:
            raise ValueError("a Convolution comes after a Dense, which has made vectors of the images; put it before")
        return Kind(True, True, False, given.branch)

    def gathered(self, moments: Array, ndim: int) -> Array:
        axes, xp, p = moments.ndim - ndim, namespace(moments), moments.shape[-1]
        total = moments
        for o in range(1, min(self.patch // 2, p - 1) + 1):
            up, down = ((..., *(part,) * axes) for part in (slice(o, None), slice(p - o)))
            low, high = xp.zeros_like(moments), xp.zeros_like(moments)
            low[down], high[up] = moments[up], moments[down]
            total = total + low + high
        return total

    def arranged(self, x: Array) -> Array:
        xp, reach, p = namespace(x), self.patch // 2, x.shape[2]
        zeros = xp.zeros((*x.shape[:2], reach), dtype=x.dtype, device=x.device)
        padded = xp.concat([zeros, x, zeros], axis=2)
        return xp.concat([padded[:, :, o : o + p] for o in range(self.patch)], axis=0)

    def returned(self, slope: Array, shape: tuple[int, ...]) -> Array:
        xp, (c, n, p), reach = namespace(slope), shape, self.patch // 2
        zeros = xp.zeros((c, n, reach), dtype=slope.dtype, device=slope.device)
        total: Any = 0.0
        for o in range(self.patch):
            padded = xp.concat([zeros, slope[o * c : (o + 1) * c], zeros], axis=2)
            total = total + padded[:, :, 2 * reach - o : 2 * reach - o + p]
        return total

    def fan_in(self, channels: int, pixels: int) -> int:
        return self.patch * channels


def _require_unscaled_first(layer: _Weighted, given: Kind) -> None:
    if not layer.scaled and not given.first:
        raise ValueError(f"{layer} comes after another layer, where its outputs grow with the width; use scaled=True")


@dataclass(frozen=True)
class Nonlinearity(Layer):
    """`factor s(z)` at every unit, of a pre-activation: what comes out of Dense, Convolution, or a Residual of these.

        K -> factor^2 E[s(u) s(v)],    T -> factor^2 E[s'(u) s'(v)] T,    (u, v) Gaussian with the second moments K

    >>> from alignmath.activations import GELU
    >>> from alignmath.architectures import Nonlinearity
    >>> Nonlinearity(GELU, GELU.c_sigma**0.5).activation.name
    'gelu'
    """

    activation: Activation
    factor: float = 1.0

    def __post_init__(self) -> None:
        as_activation(self.activation)
        as_number(self.factor, "factor")

    def kind(self, given: Kind) -> Kind:
        if not given.gaussian:
            raise ValueError(
                f"a Nonlinearity ({self.activation.name}) acts on what is not Gaussian; put a Dense or Convolution "
                "right before it"
            )
        return given._replace(gaussian=False)

    def side(self, given: Side, *, means: bool) -> Iterator[Side]:
        v, s = given.variance, self.activation
        yield Side(self.factor**2 * s.dual(v, v, v), self.factor * s.mean(v) if means else None)

    def pair(self, given: Pair, tape: Tape) -> Pair:
        s, K, T, a, b = self.activation, given.covariance, given.tangent, given.one.variance, given.other.variance
        assert K is not None
        if a.ndim == 1:
            a = a[:, None]
        elif K.ndim == 3:
            a, b = a[:, None, :], b[None]
        else:
            a, b = a[:, None, :, None], b[None, :, None, :]
        most = root(a * b)  # of equal variances exactly that variance
        K, square = namespace(K).clip(K, -most, most), self.factor**2
        T = None if T is None else square * T * s.dual_derivative(a, K, b)
        return tape.after(square * s.dual(a, K, b) if tape.needed() else None, T)

    def forward(self, x: Array, parameters: Iterator[tuple[Array, Array | None]]) -> tuple[Array, Back]:
        s, factor = self.activation, self.factor
        return factor * s.value(x), lambda slope, passed: slope * (factor * s.derivative(x))


@dataclass(frozen=True, init=False)
class Residual(Layer):
    """`x + factor f(x)`, f the layers given, one of them at least a Dense or Convolution. Not the first of a network.

    With the means b of the units of x and m of those of f,

        K -> K + factor (b_i m_j + m_i b_j) + factor^2 K_f,    T -> T + factor^2 T_f

    >>> from alignmath.activations import RELU
    >>> from alignmath.architectures import Dense, Nonlinearity, Residual, serial
    >>> block = Residual(Nonlinearity(RELU), Dense(2.0), factor=0.5)  # pre-activation
    >>> serial(Dense(), block, block, Nonlinearity(RELU), Dense()).depth
    3
    """

    branch: Layer
    factor: float

    def __init__(self, *layers: Layer, factor: float = 1.0) -> None:
        object.__setattr__(self, "branch", serial(*layers))
        object.__setattr__(self, "factor", as_number(factor, "factor"))
        if not any(isinstance(leaf, _Weighted) for leaf in self.leaves()):
            raise ValueError("a Residual has neither Dense nor Convolution, so that x and f(x) depend on each other")

    def leaves(self) -> Iterator[Layer]:
        yield from self.branch.leaves()

    def kind(self, given: Kind) -> Kind:
        if given.first:
            raise ValueError("a Residual is the first layer, where inputs are not as wide as layers; put a Dense first")
        out = self.branch.kind(given._replace(branch=True))
        return given._replace(gaussian=given.gaussian and out.gaussian)

    def side(self, given: Side, *, means: bool) -> Iterator[Side]:
        t, own = self.factor, given
        for own in self.branch.side(given, means=means):
            yield own
        variance, mean = given.variance + t * t * own.variance, given.mean
        if own.mean is not None:
            variance = variance if mean is None else variance + 2 * t * mean * own.mean
            mean = t * own.mean if mean is None else mean + t * own.mean
        yield Side(variance, mean)

    def pair(self, given: Pair, tape: Tape) -> Pair:
        t, own = self.factor, self.branch.pair(given, tape)
        K, T = given.covariance, given.tangent
        if own.covariance is None or K is None:
            K = None
        else:
            K = K + t * t * own.covariance
            if given.one.mean is not None and own.one.mean is not None:
                cross = _outer(given.one.mean, own.other.mean, K) + _outer(own.one.mean, given.other.mean, K)
                K = K + t * cross
        if own.tangent is not None:
            T = t * t * own.tangent if T is None else T + t * t * own.tangent
        return tape.after(K, T)

    def forward(self, x: Array, parameters: Iterator[tuple[Array, Array | None]]) -> tuple[Array, Back]:
        value, inner = self.branch.forward(x, parameters)
        t = self.factor
        return x + t * value, lambda slope, passed: slope + inner(t * slope, passed)


def _outer(u: Array, v: Any, like: Array) -> Array:
    """Products of means of one set and of another, in the shape of their second moments."""
    if u.ndim == 1:
        return u[:, None] * v
    return u[:, None] * v[None] if like.ndim == 3 else u[:, None, :, None] * v[None, :, None, :]


class Architecture:
    """What `alignmath.kernels` and `solvers.dynamics.wide_networks` take: a network that ends in one output.

    >>> from alignmath.activations import RELU
    >>> from alignmath.architectures import FullyConnected
    >>> isinstance(FullyConnected(2, RELU), Architecture)
    True
    """

    @property
    def serial(self) -> Serial:
        """The network, layer by layer."""
        raise NotImplementedError

    def recursion(self, layers: frozenset[int]) -> Any:
        """What `kernels` works with: the tangent kernel by the parameters of these layers, from 1 to depth + 1."""
        from ..kernels.recursion import Recursion  # which imports this module

        return Recursion(self.serial, layers)

    @property
    def images(self) -> bool:
        """Whether inputs are images `(n, d_0, p)`, not vectors `(n, d)`."""
        return isinstance(next(self.serial.leaves()), Convolution)

    @cached_property
    def weighted(self) -> tuple[_Weighted, ...]:
        """The layers with weights, the output among them: depth + 1."""
        return tuple(leaf for leaf in self.serial.leaves() if isinstance(leaf, _Weighted))

    @cached_property
    def nonlinearities(self) -> tuple[Nonlinearity, ...]:
        """The layers with an activation."""
        return tuple(leaf for leaf in self.serial.leaves() if isinstance(leaf, Nonlinearity))

    def shapes(self, channels: int, pixels: int, width: int) -> list[tuple[int, int]]:
        """Of the weights `(units, D)`: of all hidden layers `width` units, of the last one."""
        shapes = []
        for layer in self.weighted:
            shapes.append((width, layer.fan_in(channels, pixels)))
            channels, pixels = width, pixels if isinstance(layer, Convolution) else 1
        return [*shapes[:-1], (1, shapes[-1][1])]

    def outputs(self, x: Array, weights: Any, biases: Any) -> tuple[Array, Back]:
        """Outputs `(1, n, 1)` at `x (channels, n, pixels)`, for weights of these shapes and biases `(units,)` or None,
        and the way back, see `Layer.forward`."""
        return self.serial.forward(x, iter(zip(weights, biases, strict=True)))


@dataclass(frozen=True)
class Serial(Layer, Architecture):
    """Layers one after the other, see `serial`."""

    layers: tuple[Layer, ...]

    @property
    def serial(self) -> Serial:
        return self

    @property
    def depth(self) -> int:
        """The number of hidden layers with weights."""
        return len(self.weighted) - 1

    @cached_property
    def complete(self) -> bool:
        """True; `ValueError` where the layers are no network with one output."""
        if not isinstance(self.layers[-1], Dense):
            raise ValueError(
                f"the network ends in {type(self.layers[-1]).__name__}; add a Dense, which gives the output"
            )
        if self.depth < 1:
            raise ValueError("the network is one Dense; put a layer with weights before it")
        self.kind(Kind(images=self.images))
        return True

    def leaves(self) -> Iterator[Layer]:
        for layer in self.layers:
            yield from layer.leaves()

    def kind(self, given: Kind) -> Kind:
        for layer in self.layers:
            given = layer.kind(given)
        return given

    def side(self, given: Side, *, means: bool) -> Iterator[Side]:
        for layer in self.layers:
            out = given
            for out in layer.side(given, means=means):
                yield out
            given = out

    def pair(self, given: Pair, tape: Tape) -> Pair:
        for layer in self.layers:
            given = layer.pair(given, tape)
        return given

    def forward(self, x: Array, parameters: Iterator[tuple[Array, Array | None]]) -> tuple[Array, Back]:
        ways = []
        for layer in self.layers:
            x, way = layer.forward(x, parameters)
            ways.append(way)

        def back(slope: Array, passed: list[Passage]) -> Array:
            for way in ways[::-1]:
                slope = way(slope, passed)
            return slope

        return x, back


def serial(*layers: Layer) -> Serial:
    """Layers one after the other: a network if the last is a Dense, whose one unit is the output; or a part of one.

    Raises `ValueError` for what is not a layer. Whether the layers fit is checked where the network is used.

    >>> import numpy as np
    >>> from alignmath.activations import ERF, RELU
    >>> from alignmath.architectures import Dense, Nonlinearity, Residual, serial
    >>> from alignmath.kernels import tangent
    >>> block = Residual(Dense(2.0), Nonlinearity(RELU), factor=0.3)
    >>> network = serial(Dense(2.0, 0.1), Nonlinearity(ERF), block, block, Dense())
    >>> network.depth
    3
    >>> bool(np.all(np.linalg.eigvalsh(tangent(np.eye(3), network)) > 0))
    True
    """
    for layer in layers:
        if not isinstance(layer, Layer):
            raise ValueError(
                f"a layer is {layer!r}; expected Dense, Convolution, Nonlinearity, Residual or serial(...)"
            )
    if not layers:
        raise ValueError("serial has no layers; pass at least one")
    return Serial(layers)
