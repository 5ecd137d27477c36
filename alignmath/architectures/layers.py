"""The layers that networks are put together from: `Dense`, `Convolution`, `Nonlinearity`, `GlobalAveragePooling`.

Every layer knows two things. As the width grows: what it makes of the second moments of what comes in, between two sets
of inputs (`pair`) and of each input with itself (`side`), and of the tangent kernel. And for finite networks: what it
makes of arrays (`forward`), with the way back for derivatives. Entries of all weights are standard normal; factors are
the layers'. A pre-activation, what comes out of Dense and Convolution, is Gaussian, independent from unit to unit; a
Nonlinearity acts on that. Values of images are laid out by channels and pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from ..activations import Activation
from ..activations.base import as_activation
from ..activations.covariances import largest_covariance
from ..arrays import Array, as_order, namespace, value_only
from .numbers import as_factor, as_variance, is_one, square_root

if TYPE_CHECKING:
    from ..kernels.recursion import Tape

__all__ = [
    "Convolution",
    "Dense",
    "GlobalAveragePooling",
    "Kind",
    "Layer",
    "Nonlinearity",
    "Pair",
    "Parameters",
    "Passage",
    "Side",
    "Told",
    "Weighted",
    "breaks_at_zero",
]


class Side(NamedTuple):
    """A set of inputs by itself. variance: mean squares of the units, `(n,)`, or `(n, p)` for p pixels; mean: their
    means, None for 0. between: mean products of two pixels of one input, `(n, p, p)`, where a later layer needs them.
    In a `Pair`, sets have an axis for the other one."""

    variance: Array
    mean: Array | None = None
    between: Array | None = None


class Pair(NamedTuple):
    """Two sets of inputs. covariance: second moments of the units, `(n, m)`; of images `(n, m, p)`, of equal pixels,
    or `(n, m, p, p)`; None where no later layer needs it. tangent: the same of the derivatives by the weights so far;
    None for 0. one, other: the sets, `(n, 1, ...)` and `(1, m, ...)`."""

    covariance: Array | None
    tangent: Array | None
    one: Side
    other: Side


class Told(NamedTuple):
    """What `side` is told. means: whether those of the units are needed. differentiated: the name of inputs by which
    gradients are taken, if they are."""

    means: bool = False
    differentiated: str = ""


class Parameters(NamedTuple):
    """Weights and biases of a layer, as they stand: drawn with variance 1, or (whole) with that of the layer, which
    then has no factors of its own."""

    weights: Array
    biases: Array | None
    whole: bool = False


class Passage(NamedTuple):
    """What passed a layer with weights: came in `(D, n, p)`; the derivative of the outputs by what came out, `(units,
    n, p)`; factors of weights and biases."""

    inner: Array
    slope: Array
    factor: Any
    bias_factor: Any


Back = Callable[[Array, list[Passage]], Array]
"""From derivatives by what comes out to those by what comes in; passages are appended, the last layer first."""


class Kind(NamedTuple):
    """What comes into a layer, as far as it decides which layers may follow."""

    gaussian: bool = False
    images: bool = False
    first: bool = True
    branch: bool = False


class Layer:
    """A layer; one of `Dense`, `Convolution`, `Nonlinearity`, `GlobalAveragePooling`, `Residual`, `serial(...)`."""

    def leaves(self) -> Iterator[Layer]:
        """The layers it consists of, in the order in which inputs pass them."""
        yield self

    def numbers(self) -> Iterator[tuple[str, Any]]:
        """Its variances and factors, by name."""
        yield from ()

    def kind(self, given: Kind) -> Kind:
        """What comes out; `ValueError` for a layer that has no place there."""
        raise NotImplementedError

    def side(self, given: Side, told: Told) -> Iterator[Side]:
        """What every leaf (and sum) makes of a set of inputs by itself; the last is what comes out."""
        raise NotImplementedError

    def pair(self, given: Pair, tape: Tape) -> Pair:
        """What comes out, for two sets of inputs."""
        raise NotImplementedError

    def forward(self, x: Array, parameters: Iterator[Parameters]) -> tuple[Array, Back]:
        """What comes out of `(channels, n, pixels)`, with the parameters taken in order, and the way back."""
        raise NotImplementedError


@dataclass(frozen=True)
class Weighted(Layer):
    """A layer with weights. keeps_pixels: whether images stay images."""

    keeps_pixels: ClassVar[bool] = False
    weight_variance: Any = 1.0
    bias_variance: Any = 0.0
    scaled: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight_variance", as_variance(self.weight_variance, "weight_variance"))
        object.__setattr__(self, "bias_variance", as_variance(self.bias_variance, "bias_variance"))

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

    def factors(self, channels: int) -> tuple[Any, Any]:
        """By which standard normal weights and biases are multiplied."""
        variance = self.weight_variance / channels if self.scaled else self.weight_variance
        return square_root(variance), square_root(self.bias_variance)

    def numbers(self) -> Iterator[tuple[str, Any]]:
        yield "weight_variance", self.weight_variance
        yield "bias_variance", self.bias_variance

    def side(self, given: Side, told: Told) -> Iterator[Side]:
        between = None if given.between is None or not self.keeps_pixels else self._passed(given.between, 1)
        yield Side(self._passed(given.variance, 1), between=between)

    def pair(self, given: Pair, tape: Tape) -> Pair:
        below, T = (None if v is None else self.gathered(v, 2) for v in (given.covariance, given.tangent))
        K = None if below is None else self._plus_bias(self._times(below))
        T = None if T is None else self._times(T)
        own = tape.own(self, below, K)
        if own is not None:
            T = own if T is None else T + own
        return tape.after(K, T)

    def _passed(self, moments: Array, ndim: int) -> Array:
        return self._plus_bias(self._times(self.gathered(moments, ndim)))

    def _times(self, values: Array) -> Array:
        return values if is_one(self.weight_variance) else self.weight_variance * values

    def _plus_bias(self, values: Array) -> Array:
        return values + self.bias_variance if self.bias_variance else values

    def forward(self, x: Array, parameters: Iterator[Parameters]) -> tuple[Array, Back]:
        W, bias, whole = next(parameters)
        inner, shape = self.arranged(x), tuple(x.shape)
        factor, bias_factor = (1.0, 1.0) if whole else self.factors(shape[0])
        z = factor * (W @ inner.reshape(inner.shape[0], -1)).reshape(W.shape[0], *inner.shape[1:])
        if bias is not None:
            z = z + bias_factor * bias[:, None, None]

        def back(slope: Array, passed: list[Passage]) -> Array:
            passed.append(Passage(inner, slope, factor, bias_factor))
            below = factor * (W.T @ slope.reshape(slope.shape[0], -1))
            return self.returned(below.reshape(inner.shape), shape)

        return z, back


@dataclass(frozen=True)
class Dense(Weighted):
    """Every unit sums all values of its input, and a bias: `z = sqrt(weight_variance / c) W x + sqrt(bias_variance) b`.

    weight_variance, bias_variance: 0 or more; or torch tensors above 0 that require gradients, which then flow through
    the kernels. c: the units of the layer below (of an image, which is read as a whole,
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
class Convolution(Weighted):
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

    keeps_pixels: ClassVar[bool] = True
    patch: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if as_order(self.patch, "patch", least=1, most=10**6) % 2 == 0:
            raise ValueError(f"patch is {self.patch!r}; expected an odd number of pixels")

    def kind(self, given: Kind) -> Kind:
        _require_unscaled_first(self, given)
        if not given.images and not given.first:
            raise ValueError(
                "a Convolution comes after a Dense or a GlobalAveragePooling, which have made vectors of the images; "
                "put it before"
            )
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


def _require_unscaled_first(layer: Weighted, given: Kind) -> None:
    if not layer.scaled and not given.first:
        raise ValueError(f"{layer} comes after another layer, where its outputs grow with the width; use scaled=True")


@dataclass(frozen=True)
class Nonlinearity(Layer):
    """`factor s(z)` at every unit, of a pre-activation: what comes out of Dense, Convolution, or a Residual of these.

        K -> factor^2 E[s(u) s(v)],    T -> factor^2 E[s'(u) s'(v)] T,    (u, v) Gaussian with the second moments K

    factor: 0 or more; or such a torch tensor, gradients flow through it.

    >>> from alignmath.activations import GELU
    >>> from alignmath.architectures import Nonlinearity
    >>> Nonlinearity(GELU, GELU.c_sigma**0.5).activation.name
    'gelu'
    """

    activation: Activation
    factor: Any = 1.0

    def __post_init__(self) -> None:
        as_activation(self.activation)
        object.__setattr__(self, "factor", as_factor(self.factor, "factor"))

    def numbers(self) -> Iterator[tuple[str, Any]]:
        yield "factor", self.factor

    def kind(self, given: Kind) -> Kind:
        if not given.gaussian:
            raise ValueError(
                f"a Nonlinearity ({self.activation.name}) acts on what is not Gaussian; put a Dense or Convolution "
                "right before it"
            )
        return given._replace(gaussian=False)

    def side(self, given: Side, told: Told) -> Iterator[Side]:
        v, s = given.variance, self.activation
        if told.differentiated and breaks_at_zero(s):
            _require_positive(v, s, told.differentiated)
        mean, between = self.factor * s.mean(v) if told.means else None, given.between
        if between is not None:
            a, b = v[..., :, None], v[..., None, :]
            between = self.factor**2 * s.dual(a, _clipped(between, a, b), b)
        variance = self.factor**2 * s.dual(v, v, v)
        yield Side(variance, mean, between)

    def pair(self, given: Pair, tape: Tape) -> Pair:
        s, K, T, a, b = self.activation, given.covariance, given.tangent, given.one.variance, given.other.variance
        assert K is not None
        if K.ndim == 4:
            a, b = a[..., :, None], b[..., None, :]
        K, square = _clipped(K, a, b), self.factor**2
        T = None if T is None else square * T * s.dual_derivative(a, K, b)
        return tape.after(square * s.dual(a, K, b) if tape.needed() else None, T)

    def forward(self, x: Array, parameters: Iterator[Parameters]) -> tuple[Array, Back]:
        s, factor = self.activation, self.factor
        return factor * s.value(x), lambda slope, passed: slope * (factor * s.derivative(x))


def _clipped(covariance: Array, a: Array, b: Array) -> Array:
    most = largest_covariance(a, b)
    return namespace(covariance).clip(covariance, -most, most)


def breaks_at_zero(s: Activation) -> bool:
    """Whether s or s' jumps at 0, so that expectations have no gradient where a variance is 0."""
    if s.slopes is not None:
        return s.slopes[0] != s.slopes[1]
    ends = np.array([-1e-9, 1e-9])
    jumps = (abs(f[1] - f[0]) / (1 + abs(f[0])) for f in (np.asarray(s.value(ends)), np.asarray(s.derivative(ends))))
    return not s.analytic and any(jump > 1e-6 for jump in jumps)


def _require_positive(variance: Array, s: Activation, name: str) -> None:
    xp = namespace(variance)
    zero = value_only(variance) == 0
    if bool(xp.any(zero)):
        i, *pixel = (int(axis[0]) for axis in xp.nonzero(zero))
        where = f", around pixel {pixel[0]}," if pixel else ""
        raise ValueError(
            f"{name}[{i}]{where} comes to {s.name} as 0, where kernels have no gradient by {name}; leave it out, pass "
            f"it without gradients, or give the layers before a bias_variance above 0"
        )


@dataclass(frozen=True)
class GlobalAveragePooling(Layer):
    """The mean over the pixels, of every channel: images become vectors. After a Convolution, anywhere but in a
    Residual.

        K -> mean over l and r of K_lr,    T -> mean over l and r of T_lr

    so that all layers below need every pair of pixels: `p` times the work of a network without.

    >>> import numpy as np
    >>> from alignmath.activations import RELU
    >>> from alignmath.architectures import Convolution, Dense, GlobalAveragePooling, Nonlinearity, serial
    >>> from alignmath.kernels import conjugate
    >>> network = serial(Convolution(patch=1), Nonlinearity(RELU), GlobalAveragePooling(), Dense())
    >>> float(conjugate(np.ones((1, 1, 4)), network)[0, 0])  # equal pixels: as of one, E[relu(z)^2]
    0.5
    """

    def kind(self, given: Kind) -> Kind:
        if given.first or not given.images:
            raise ValueError("a GlobalAveragePooling has no pixels of a layer to average; put a Convolution before it")
        if given.branch:
            raise ValueError(
                "a GlobalAveragePooling in a Residual makes images into vectors; put it after the Residual"
            )
        return given._replace(images=False)

    def side(self, given: Side, told: Told) -> Iterator[Side]:
        assert given.between is not None
        xp = namespace(given.variance)
        mean = None if given.mean is None else xp.mean(given.mean, axis=-1)
        yield Side(xp.mean(given.between, axis=(-2, -1)), mean)

    def pair(self, given: Pair, tape: Tape) -> Pair:
        K, T = (None if v is None else namespace(v).mean(v, axis=(-2, -1)) for v in (given.covariance, given.tangent))
        return tape.after(K, T)

    def forward(self, x: Array, parameters: Iterator[Parameters]) -> tuple[Array, Back]:
        xp, p = namespace(x), x.shape[2]
        return xp.mean(x, axis=2, keepdims=True), lambda slope, passed: xp.broadcast_to(slope / p, x.shape)
