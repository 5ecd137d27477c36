"""Activation functions and their Gaussian expectations, for any covariance.

For `(u, v) ~ N(0, [[a, c], [c, b]])` the *dual* of s is `E[s(u) s(v)]`, that of its derivative `E[s'(u) s'(v)]`.
`RELU`, `leaky_relu`, `STEP`, `ABS`, `ERF`, `EXP`, `SIN`, `COS` and `monomial` have closed forms; `SOFTPLUS`, `TANH`,
`SIGMOID`, `GELU`, `SILU` and what `from_functions` makes go by Hermite series, see `hermite`. Conditions 3.1 and 3.2
of the gradient-descent paper (arXiv:1811.03804) are methods.

Closed forms of the arc-cosine family take the angle between u and v from the determinant `a b - c^2`, computed without
cancellation: at correlation 1 the angle is 0, not 1e-8.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .arrays import Array, as_floating, as_number, as_order, namespace, root
from .hermite import HermiteDual

__all__ = [
    "ABS",
    "COS",
    "ERF",
    "EXP",
    "GELU",
    "RELU",
    "SIGMOID",
    "SILU",
    "SIN",
    "SOFTPLUS",
    "STEP",
    "TANH",
    "Activation",
    "from_functions",
    "leaky_relu",
    "monomial",
]

Dual = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True)
class Activation:
    """An activation function s with its expectations.

    value, derivative: s and s', entry by entry. slopes: right and left of 0, of what is linear on both sides.
    lipschitz, smoothness: the Lipschitz constants of s and of s', infinity where there is none. analytic, polynomial:
    what s is, on the whole line.
    """

    name: str
    value: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    lipschitz: float
    smoothness: float
    analytic: bool
    polynomial: bool
    _dual: Dual
    _dual_derivative: Dual | None
    _mean: Callable[[Array], Array]
    slopes: tuple[float, float] | None = None

    def dual(self, variance: Any, covariance: Any, other_variance: Any) -> Array:
        """`E[s(u) s(v)]` for `(u, v) ~ N(0, [[variance, covariance], [covariance, other_variance]])`.

        The arguments broadcast against each other; NumPy or torch. `ValueError` for a negative variance; a
        covariance that rounding made too large (by 1e-12; in float32 1e-6) counts as the largest possible, a larger
        one is refused. Where a variance is 0, torch's gradient by it and by the covariance counts as 0.
        """
        return self._dual(*_checked(variance, covariance, other_variance))

    def dual_derivative(self, variance: Any, covariance: Any, other_variance: Any) -> Array:
        """`E[s'(u) s'(v)]`, arguments as of `dual`. `ValueError` for `STEP`, whose derivative is no function."""
        if self._dual_derivative is None:
            raise ValueError(f"the derivative of {self.name} is no function; the expectation does not exist")
        return self._dual_derivative(*_checked(variance, covariance, other_variance))

    def mean(self, variance: Any) -> Array:
        """`E[s(u)]` for `u ~ N(0, variance)`, of any shape."""
        variance = as_floating(variance, "variance")
        _require_variances(variance, "variance")
        return self._mean(variance)

    @cached_property
    def c_sigma(self) -> float:
        """`1 / E[s(u)^2]` for `u ~ N(0, 1)`: the scaling of the gradient-descent paper, after its (2)."""
        one = np.ones(())
        square = float(self._dual(one, one, one))
        if square == 0:
            raise ValueError(f"{self.name} is 0 almost everywhere; there is no scaling that makes its square 1")
        return 1 / square

    @property
    def differentiable(self) -> bool:
        """Whether the derivative is a function, so that gradients say how outputs change; not so of `STEP`."""
        return self._dual_derivative is not None

    @property
    def condition_3_1(self) -> float:
        """The least c with `|s(0)| <= c`, s c-Lipschitz and s' c-Lipschitz; infinity if there is none."""
        return max(abs(float(self.value(np.zeros(())))), self.lipschitz, self.smoothness)

    @property
    def condition_3_2(self) -> bool:
        """Whether s is analytic and no polynomial."""
        return self.analytic and not self.polynomial


def _require_variances(variance: Array, name: str) -> None:
    if bool(namespace(variance).any(variance < 0)):
        raise ValueError(f"{name} has a negative entry, {float(variance.min())}; variances are 0 or more")


def _checked(a: Any, c: Any, b: Any) -> tuple[Array, Array, Array]:
    """The covariance as arrays, correlations within 1e-12 of [-1, 1]."""
    a, c, b = as_floating(a, "variance"), as_floating(c, "covariance"), as_floating(b, "other_variance")
    xp = namespace(a, c, b)
    _require_variances(a, "variance")
    _require_variances(b, "other_variance")
    largest = xp.sqrt(a) * xp.sqrt(b)
    excess = xp.abs(c) - largest * (1 + max(1e-12, 8 * float(xp.finfo(c.dtype).eps)))
    if bool(xp.any(excess > 0)):
        raise ValueError(
            f"a covariance exceeds the root of the product of the variances by {float(excess.max()):.3g}; "
            "pass a positive semi-definite covariance"
        )
    return a, c, b


# %% The arc-cosine family


def _two_product(x: Array, y: Array) -> tuple[Array, Array]:
    """`x y` as a rounded product and what it lacks, exactly (Dekker), barring overflow."""
    factor = 134217729.0 if x.dtype.itemsize == 8 else 4097.0
    parts = []
    for value in (x, y):
        scaled = factor * value
        high = scaled - (scaled - value)
        parts.append((high, value - high))
    (x_high, x_low), (y_high, y_low) = parts
    product = x * y
    return product, x_low * y_low - (((product - x_high * y_high) - x_low * y_high) - x_high * y_low)


def determinant(a: Array, c: Array, b: Array) -> Array:
    """`a b - c^2`, 0 where rounding left less."""
    with np.errstate(over="ignore", invalid="ignore"):
        (product, low), (square, square_low) = _two_product(a, b), _two_product(c, c)
    xp = namespace(a, c, b)
    if not bool(xp.all(xp.isfinite(low) & xp.isfinite(square_low))):
        raise ValueError(
            f"variances of {float(a.max()):.3g} and {float(b.max()):.3g} are so large that the determinant of their "
            "covariance overflows; scale them down"
        )
    return namespace(a, c, b).clip((product - square) + (low - square_low), 0.0, math.inf)


def angle_and_area(a: Array, c: Array, b: Array) -> tuple[Array, Array]:
    """The angle between u and v in `[0, pi]`, and `sqrt(a b) sin(angle)`; both 0 if c is 0 and a or b is."""
    xp, info = namespace(a, c, b), namespace(a, c, b).finfo(c.dtype)
    square = determinant(a, c, b)
    if bool(xp.any((a > 0) & (b > 0) & (a * b < float(info.smallest_normal) / float(info.eps) ** 2))):
        raise ValueError(
            "the product of two variances is too small for the determinant of their covariance; scale the variances up"
        )
    area = root(square)
    return namespace(area, c).atan2(area, c), area


def _relu(a: Array, c: Array, b: Array) -> Array:
    theta, area = angle_and_area(a, c, b)
    return (area + (math.pi - theta) * c) / (2 * math.pi)


def _step(a: Array, c: Array, b: Array) -> Array:
    theta, _ = angle_and_area(a, c, b)
    xp = namespace(theta)
    return xp.where((a > 0) & (b > 0), (math.pi - theta) / (2 * math.pi), xp.zeros_like(theta))


def _sign(a: Array, c: Array, b: Array) -> Array:
    theta, _ = angle_and_area(a, c, b)
    xp = namespace(theta)
    return xp.where((a > 0) & (b > 0), 1 - 2 * theta / math.pi, xp.zeros_like(theta))


def _abs(a: Array, c: Array, b: Array) -> Array:
    theta, area = angle_and_area(a, c, b)
    return 2 * (area + (math.pi / 2 - theta) * c) / math.pi


def leaky_relu(slope: float) -> Activation:
    """`max(x, 0) + slope min(x, 0)`; `ValueError` unless slope is finite."""
    given = float(slope)
    if not math.isfinite(given):
        raise ValueError(f"slope is {slope!r}; expected a finite number")
    s, d = given, 1 - given

    def value(x: Array) -> Array:
        return namespace(x).where(x > 0, x, s * x)

    def derivative(x: Array) -> Array:
        xp = namespace(x)
        return xp.where(x > 0, xp.ones_like(x), s * xp.ones_like(x))

    def of_derivative(a: Array, c: Array, b: Array) -> Array:
        # s'(0) = slope: a variable that is always 0 counts as such
        xp = namespace(a, c, b)
        zero = xp.zeros_like(a * c * b)
        half = d / 2
        return (
            s * s
            + s * xp.where(a > 0, zero + half, zero)
            + s * xp.where(b > 0, zero + half, zero)
            + d * d * _step(a, c, b)
        )

    return Activation(
        f"leaky_relu({given:g})" if given else "relu",
        value,
        derivative,
        max(1.0, abs(s)),
        0.0 if s == 1 else math.inf,
        s == 1,
        s == 1,
        lambda a, c, b: s * c + d * d * _relu(a, c, b) if s else _relu(a, c, b),
        of_derivative if s else _step,
        lambda a: d / math.sqrt(2 * math.pi) * root(a),
        (1.0, s),
    )


RELU = leaky_relu(0.0)
"""`max(x, 0)`, with s'(0) = 0."""


def _zero_like(*arrays: Array) -> Array:
    total = sum(arrays)
    return namespace(total).zeros_like(total)


STEP = Activation(
    "step",
    lambda x: namespace(x).astype(x > 0, x.dtype),
    lambda x: namespace(x).zeros_like(x),
    math.inf,
    math.inf,
    False,
    False,
    _step,
    None,
    lambda a: namespace(a).where(a > 0, 0.5 + _zero_like(a), _zero_like(a)),
)
"""`1(x > 0)`."""

ABS = Activation(
    "abs",
    lambda x: namespace(x).abs(x),
    lambda x: namespace(x).sign(x),
    1.0,
    math.inf,
    False,
    False,
    _abs,
    _sign,
    lambda a: math.sqrt(2 / math.pi) * root(a),
    (1.0, -1.0),
)
"""`|x|`."""


def _erf(x: Array) -> Array:
    if isinstance(x, np.ndarray | np.generic):
        from scipy.special import erf  # alignmath loads no SciPy until it is needed

        return erf(x)
    return namespace(x).erf(x)


def _erf_dual(a: Array, c: Array, b: Array) -> Array:
    # asin(2 c / root((1 + 2 a)(1 + 2 b))) by its tangent, which is accurate near 1
    xp = namespace(a, c, b)
    rest = (1 + 2 * a) + 2 * b + 4 * determinant(a, c, b)
    return 2 / math.pi * xp.atan2(2 * c, xp.sqrt(rest))


ERF = Activation(
    "erf",
    _erf,
    lambda x: 2 / math.sqrt(math.pi) * namespace(x).exp(-x * x),
    2 / math.sqrt(math.pi),
    2 * math.sqrt(2 / (math.pi * math.e)),
    True,
    False,
    _erf_dual,
    lambda a, c, b: 4 / math.pi / namespace(a, c, b).sqrt(1 + 2 * a + 2 * b + 4 * determinant(a, c, b)),
    lambda a: _zero_like(a),
)
"""The error function `erf(x)`."""


def _exp(x: Array) -> Array:
    with np.errstate(over="ignore"):
        return namespace(x).exp(x)


EXP = Activation(
    "exp",
    lambda x: namespace(x).exp(x),
    lambda x: namespace(x).exp(x),
    math.inf,
    math.inf,
    True,
    False,
    lambda a, c, b: _exp((a + b) / 2 + c),
    lambda a, c, b: _exp((a + b) / 2 + c),
    lambda a: _exp(a / 2),
)
"""`exp(x)`; its expectations overflow to infinity, in float64 for variances above 350 at correlation 1."""


def _waves(a: Array, c: Array, b: Array) -> tuple[Array, Array]:
    """`E[cos(u - v)] / 2` and `E[cos(u + v)] / 2`."""
    xp = namespace(a, c, b)
    return xp.exp(-((a - c) + (b - c)) / 2) / 2, xp.exp(-((a + c) + (b + c)) / 2) / 2


def _sin_sin(a: Array, c: Array, b: Array) -> Array:
    xp = namespace(a, c, b)
    # exp(-(a + b) / 2) sinh(c); for large c from the wave that does not vanish
    size = xp.abs(c)
    large = xp.sign(c) * -xp.expm1(-2 * size) * xp.exp(-((a - size) + (b - size)) / 2) / 2
    return xp.where(size < 1, xp.exp(-(a + b) / 2) * xp.sinh(xp.clip(c, -1.0, 1.0)), large)


def _cos_cos(a: Array, c: Array, b: Array) -> Array:
    difference, total = _waves(a, c, b)
    return difference + total


SIN = Activation(
    "sin",
    lambda x: namespace(x).sin(x),
    lambda x: namespace(x).cos(x),
    1.0,
    1.0,
    True,
    False,
    _sin_sin,
    _cos_cos,
    lambda a: _zero_like(a),
)
"""`sin(x)`."""

COS = Activation(
    "cos",
    lambda x: namespace(x).cos(x),
    lambda x: -namespace(x).sin(x),
    1.0,
    1.0,
    True,
    False,
    _cos_cos,
    _sin_sin,
    lambda a: namespace(a).exp(-a / 2),
)
"""`cos(x)`."""

_MOST_POWER = 60


def _power_dual(k: int) -> Dual:
    """`E[u^k v^k]`: pairings (Isserlis) with j pairs across, `k!^2 / (j! (p!)^2 2^(2p)) a^p b^p c^j`, `p = (k - j) /
    2`."""

    def dual(a: Array, c: Array, b: Array) -> Array:
        total = _zero_like(a, c, b)
        for j in range(k % 2, k + 1, 2):
            p = (k - j) // 2
            count = math.factorial(k) ** 2 // (math.factorial(j) * math.factorial(p) ** 2 * 4**p)
            total = total + float(count) * (a * b) ** p * c**j
        return total

    return dual


def monomial(power: int) -> Activation:
    """`x^power`, for powers from 1 to 60."""
    k = as_order(power, "power", most=_MOST_POWER, least=1)
    inner = _power_dual(k - 1)
    return Activation(
        f"x^{k}",
        lambda x: x**k,
        lambda x: k * x ** (k - 1) if k > 1 else namespace(x).ones_like(x),
        1.0 if k == 1 else math.inf,
        {1: 0.0, 2: 2.0}.get(k, math.inf),
        True,
        True,
        _power_dual(k),
        lambda a, c, b: k * k * inner(a, c, b),
        lambda a: _zero_like(a) if k % 2 else math.prod(range(1, k, 2)) * a ** (k // 2),
    )


# %% By Hermite series


def from_functions(
    name: str,
    value: Callable[[Array], Array],
    derivative: Callable[[Array], Array],
    *,
    lipschitz: float,
    smoothness: float,
    analytic: bool,
    polynomial: bool = False,
) -> Activation:
    """An activation of your own: s and s' entry by entry, on NumPy arrays, and on torch tensors if these are passed.

    Expectations are by `HermiteDual`, within about 1e-13 of `sqrt(E[s(u)^2] E[s(v)^2])` for functions that are smooth
    on each side of 0, vary on scales of about 1 elsewhere, and grow no faster than `|x|^15`; a kink away from 0 costs
    digits (`max(x - 1.3, 0)` has 3 to 5). `ValueError` for functions that do not keep the shape or are not finite.
    lipschitz, smoothness (infinity for none), analytic and
    polynomial are taken on trust.
    """
    for constant, what in ((lipschitz, "lipschitz"), (smoothness, "smoothness")):
        if constant != math.inf:
            as_number(constant, what)
    for function, what in ((value, "value"), (derivative, "derivative")):
        points = np.linspace(-3, 3, 7)
        try:
            found = np.asarray(function(points))
        except TypeError as error:
            raise ValueError(f"{what} does not take arrays: {error}; write it with array functions") from error
        if found.shape != points.shape or not np.all(np.isfinite(found)):
            raise ValueError(f"{what} gives {found!r} at {points}; expected a finite number for each point")
    dual, of_derivative = HermiteDual(value), HermiteDual(derivative)
    return Activation(
        name, value, derivative, lipschitz, smoothness, analytic, polynomial, dual, of_derivative, dual.mean
    )


def _sigmoid(x: Array) -> Array:
    xp = namespace(x)
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _softplus(x: Array) -> Array:
    xp = namespace(x)
    return xp.clip(x, 0.0, math.inf) + xp.log1p(xp.exp(-xp.abs(x)))


def _bell(x: Array) -> Array:
    """`sigmoid'`."""
    small = namespace(x).exp(-namespace(x).abs(x))
    return small / (1 + small) ** 2


def _normal(x: Array) -> tuple[Array, Array]:
    """Distribution function and density of N(0, 1)."""
    return (1 + _erf(x / math.sqrt(2))) / 2, namespace(x).exp(-x * x / 2) / math.sqrt(2 * math.pi)


SOFTPLUS = from_functions("softplus", _softplus, _sigmoid, lipschitz=1.0, smoothness=0.25, analytic=True)
"""`log(1 + exp(x))`."""
SIGMOID = from_functions("sigmoid", _sigmoid, _bell, lipschitz=0.25, smoothness=math.sqrt(3) / 18, analytic=True)
"""`1 / (1 + exp(-x))`."""
TANH = from_functions(
    "tanh",
    lambda x: namespace(x).tanh(x),
    lambda x: 4 * _bell(2 * x),
    lipschitz=1.0,
    smoothness=4 / (3 * math.sqrt(3)),
    analytic=True,
)
"""`tanh(x)`."""
GELU = from_functions(
    "gelu",
    lambda x: x * _normal(x)[0],
    lambda x: _normal(x)[0] + x * _normal(x)[1],
    lipschitz=0.5 + math.erf(1.0) / 2 + math.exp(-1.0) / math.sqrt(math.pi),
    smoothness=2 / math.sqrt(2 * math.pi),
    analytic=True,
)
"""`x P(z < x)`, z standard normal; steepest at `sqrt(2)`."""
SILU = from_functions(
    "silu",
    lambda x: x * _sigmoid(x),
    lambda x: _sigmoid(x) + x * _bell(x),
    lipschitz=1.099839320128867,
    smoothness=0.5,
    analytic=True,
)
"""`x sigmoid(x)`; its steepest slope is at `x = 2.3994`, where `x tanh(x / 2) = 2`."""
