"""Activations that are averages of sign, step, ReLU or `x step(x)` over Gaussian shifts of their argument.

With z standard normal, P its distribution function and `s > 0`, the averages of `sign(x + s z)`, `1(x + s z > 0)` and
`relu(x + s z)` over z are `erf(x / (s sqrt 2))`, `P(x / s)` and a smooth ReLU, and GELU is `x P(x)`. The logistic
distribution is a scale mixture of normals, with deviation `S = 2 K`, K of Kolmogorov's distribution (Andrews and
Mallows 1974; Stefanski 1991), so `sigmoid(x) = E_S[P(x / S)]`, and tanh, softplus and SiLU are such averages too. Their
expectations are those of two Gaussians of variances `a + s^2` and `b + t^2`, in closed form, averaged over two
independent S and T: sums over a Gauss rule of log S, whose error falls by a factor of 10 with each of its nodes at any
variance, as what is averaged has no singularity nearer to the real line of log S than `pi / 2`, five deviations.
All weights are positive, and so every matrix of expectations is positive semi-definite but for rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..arrays import Array, namespace
from .base import Activation, Dual, error_function, zero_like
from .covariances import determinant, normalised

__all__ = ["ERF", "GELU", "SIGMOID", "SILU", "SOFTPLUS", "TANH"]

_NODES = 12
"""Of the mixture of normals; the sums are then right to some 1e-13."""
_CHUNK = 1 << 13
"""Entries worked on at once: they stay in cache."""

Law = Callable[[], tuple[np.ndarray, np.ndarray]]
"""The deviations s of the shifts and their probabilities."""


def _kolmogorov(k: np.ndarray) -> np.ndarray:
    """The density of Kolmogorov's distribution, by the series that converges fast on each side of 1."""
    j = np.arange(1, 40)[:, None]
    rate = (2 * j - 1) ** 2 * math.pi**2 / 8
    low = math.sqrt(2 * math.pi) * np.sum(np.exp(-rate / k**2) * (2 * rate / k**4 - 1 / k**2), axis=0)
    high = 8 * k * np.sum((-1.0) ** (j - 1) * j**2 * np.exp(-2 * j**2 * k**2), axis=0)
    return np.where(k < 1, low, high)


@cache
def _logistic() -> tuple[np.ndarray, np.ndarray]:
    """The Gauss rule of log S, by the Lanczos process on a trapezoidal sum that is exact to rounding."""
    logs = np.linspace(-2.2, 2.2, 441)
    mass = _kolmogorov(np.exp(logs)) * np.exp(logs)
    basis = [np.sqrt(mass / mass.sum())]
    diagonal, beside = [], []
    for _ in range(_NODES):
        image = logs * basis[-1]
        diagonal.append(image @ basis[-1])
        for _ in range(2):
            image = image - np.array(basis).T @ (np.array(basis) @ image)
        beside.append(math.sqrt(image @ image))
        basis.append(image / beside[-1])
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1))
    return 2 * np.exp(nodes), vectors[0] ** 2


@dataclass(frozen=True)
class _Pair:
    """Two Gaussians u and v, of covariance c and determinant D, and the sums u' and v' of each with its shift.

    fu, fv: the shares of the shifts in the variances of u' and v'. root_u, root_v: one over the deviations of these.
    cosine, sine: of the angle between u' and v', in `[0, pi]`; right: pi / 2 minus that angle.
    """

    c: Array
    D: Array
    fu: Array
    fv: Array
    root_u: Array
    root_v: Array
    cosine: Array
    sine: Array
    right: Array

    def sign(self) -> Array:
        return 2 / math.pi * self.right

    def step(self) -> Array:
        return 0.25 + self.right / (2 * math.pi)

    def density(self) -> Array:
        """Of u' and v' at 0: the expectation of the product of the derivatives of two steps."""
        return self.root_u / (2 * math.pi) * self.root_v / self.sine

    def relu(self) -> Array:
        return (self.sine + (math.pi / 2 + self.right) * self.cosine) / (2 * math.pi * self.root_u) / self.root_v

    def gelu(self) -> Array:
        """`E[u P(u / s) v P(v / t)]`, by parts (Stein's identity)."""
        return self.c * self.step() + self.density() * (self.D + self.c * self.c * (self.fu + self.fv))

    def gelu_slope(self) -> Array:
        """The same of the derivatives, of `P(u / s) + (u / s) P'(u / s)`."""
        both = self.fu * self.fv / (self.sine * self.sine)
        return self.step() + self.cosine / (2 * math.pi * self.sine) * (self.fu + self.fv + both)


def _average(term: Callable[[_Pair], Array], degree: int, law: Law, ratio: float = 1.0) -> Dual:
    """The average of the term over two shifts, of deviations `ratio` times those of the law; degree: the term's, as a
    function of deviations."""

    def of_pairs(a: Array, c: Array, b: Array) -> Array:
        xp = namespace(a)
        a, c, b, p, q = normalised(a, c, b, 1.0)
        deviations, weights = (xp.asarray(part, device=a.device) for part in law())
        D, (root_b, fv) = determinant(a, c, b), _shifted(b, ratio * deviations[:, None] / q)  # (K, pairs)
        along, across = c * root_b, D * root_b * root_b
        total = zero_like(a)
        for deviation, weight in zip(*law(), strict=True):
            root_a, fu = _shifted(a, ratio * float(deviation) / p)
            square_a = root_a * root_a
            cosine = along * root_a
            sine = xp.sqrt(across * square_a + (fu + (a * square_a) * fv))
            pair = _Pair(c, D, fu, fv, root_a, root_b, cosine, sine, xp.atan2(cosine, sine))
            total = total + float(weight) * (weights @ term(pair))
        return total * p**degree * q**degree

    def dual(a: Array, c: Array, b: Array) -> Array:
        xp = namespace(a, c, b)
        dtype = xp.result_type(a, c, b)
        a, c, b = xp.broadcast_arrays(*(xp.astype(part, xp.float64) for part in (a, c, b)))
        a, flat, b = (xp.reshape(part, (-1,)) for part in (a, c, b))
        pairs = _CHUNK // len(law()[0])
        parts = [of_pairs(*(part[k : k + pairs] for part in (a, flat, b))) for k in range(0, len(flat), pairs)]
        return xp.astype(xp.reshape(xp.concat(parts), tuple(c.shape)), dtype)

    return dual


def _shifted(variance: Array, deviations: Array) -> tuple[Array, Array]:
    """`1 / sqrt(total)` of the variance of each sum with a shift, and the share of the shift in it."""
    square = deviations**2
    total = variance + square
    return 1 / namespace(total).sqrt(total), square / total


def _one(deviation: float) -> Law:
    return lambda: (np.array([deviation]), np.ones(1))


def _mean(law: Law, function: Callable[[Array, float], Array]) -> Callable[[Array], Array]:
    """The average over the shift of a function of variance and deviation."""

    def mean(variance: Array) -> Array:
        total = zero_like(variance)
        for deviation, weight in zip(*law(), strict=True):
            total = total + float(weight) * function(variance, float(deviation))
        return total

    return mean


def _relu_mean(variance: Array, deviation: float) -> Array:
    return namespace(variance).sqrt((variance + deviation**2) / (2 * math.pi))


def _gelu_mean(variance: Array, deviation: float) -> Array:
    return variance / namespace(variance).sqrt(2 * math.pi * (variance + deviation**2))


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
    return (1 + error_function(x / math.sqrt(2))) / 2, namespace(x).exp(-x * x / 2) / math.sqrt(2 * math.pi)


ERF = Activation(
    "erf",
    error_function,
    lambda x: 2 / math.sqrt(math.pi) * namespace(x).exp(-x * x),
    2 / math.sqrt(math.pi),
    2 * math.sqrt(2 / (math.pi * math.e)),
    True,
    False,
    _average(_Pair.sign, 0, _one(math.sqrt(0.5))),
    _average(lambda pair: 4 * pair.density(), -1, _one(math.sqrt(0.5))),
    zero_like,
)
"""The error function `erf(x)`."""

TANH = Activation(
    "tanh",
    lambda x: namespace(x).tanh(x),
    lambda x: 4 * _bell(2 * x),
    1.0,
    4 / (3 * math.sqrt(3)),
    True,
    False,
    _average(_Pair.sign, 0, _logistic, 0.5),
    _average(lambda pair: 4 * pair.density(), -1, _logistic, 0.5),
    zero_like,
)
"""`tanh(x)`."""

SIGMOID = Activation(
    "sigmoid",
    _sigmoid,
    _bell,
    0.25,
    math.sqrt(3) / 18,
    True,
    False,
    _average(_Pair.step, 0, _logistic),
    _average(_Pair.density, -1, _logistic),
    lambda a: 0.5 + zero_like(a),
)
"""`1 / (1 + exp(-x))`."""

SOFTPLUS = Activation(
    "softplus",
    _softplus,
    _sigmoid,
    1.0,
    0.25,
    True,
    False,
    _average(_Pair.relu, 1, _logistic),
    _average(_Pair.step, 0, _logistic),
    _mean(_logistic, _relu_mean),
)
"""`log(1 + exp(x))`."""

GELU = Activation(
    "gelu",
    lambda x: x * _normal(x)[0],
    lambda x: _normal(x)[0] + x * _normal(x)[1],
    0.5 + math.erf(1.0) / 2 + math.exp(-1.0) / math.sqrt(math.pi),
    2 / math.sqrt(2 * math.pi),
    True,
    False,
    _average(_Pair.gelu, 1, _one(1.0)),
    _average(_Pair.gelu_slope, 0, _one(1.0)),
    lambda a: _gelu_mean(a, 1.0),
)
"""`x P(z < x)`, z standard normal; steepest at `sqrt(2)`."""

SILU = Activation(
    "silu",
    lambda x: x * _sigmoid(x),
    lambda x: _sigmoid(x) + x * _bell(x),
    1.099839320128867,
    0.5,
    True,
    False,
    _average(_Pair.gelu, 1, _logistic),
    _average(_Pair.gelu_slope, 0, _logistic),
    _mean(_logistic, _gelu_mean),
)
"""`x sigmoid(x)`; its steepest slope is at `x = 2.3994`, where `x tanh(x / 2) = 2`."""
