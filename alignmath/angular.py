"""Angular-distance functions: matrices, determinants and Fourier coefficients of kernels on the circle.

A continuous `f` on `[0, pi]` gives the kernel `g(x, y) = F(x - y)`, `F(t) = f(min(|t|, 2 pi - |t|))`. With the
teacher at angle 0 and students at `theta_1..theta_m`, `M = [F(theta_i - theta_j)]`, `b = [F(theta_i)]`, and `M_i` is
M with column i replaced by b: the alignment paper's Definitions 5.2, 5.3 and 5.7. g is an angular-distance function if
and only if no Fourier coefficient of F is negative (`alignment.def5.2.fourier`).

The determinants come from one orthogonal factorisation (`minors`); the signs that float64 cannot vouch for are
decided in ball arithmetic (`signs`, `balls`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import Array, as_floating, as_number, as_numpy, as_order, keep_freed_memory, namespace, plain, value_only
from .gaussian import PI_LOW, complement, complement_profile
from .minors import ROUNDING, Minors, maximal_minors

__all__ = [
    "ARC_COSINE",
    "COSINE",
    "LINEAR",
    "RAISED_COSINE",
    "AngularDistance",
    "Systems",
    "exponential",
    "fourier_series",
    "reduced",
    "triangle",
    "von_mises",
]

_CHUNK = 1 << 19
"""Matrix entries worked on at once: what stays in cache."""
_MOST_VALUE = 1e150
_MOST_ANGLE = 2.0**32
"""Larger angles are refused: reduced modulo 2 pi they have no more than half the digits."""


@dataclass(frozen=True, eq=False)
class Systems:
    """A chunk of B systems `M rho = b`, batch last: their minors, and where equal angles make determinants exactly 0.

    - minors: `Minors`, of the matrices `[M | b]`
    - vanishing: `(B,)`, every determinant is 0 (two students coincide, or they outnumber the rank of the kernel)
    - aligned: `(m, B)`, the student is at the teacher's angle, so that its column of M is b

    >>> _, chunks = COSINE.systems([[0.5, 1.0]])
    >>> next(chunks).vanishing.shape
    (1,)
    """

    minors: Minors
    vanishing: Array
    aligned: Array

    def masked(self, values: Array) -> Array:
        """`values (m, B)` of the `det M_i`, with exact zeros where they belong."""
        xp = namespace(values)
        other_aligned = xp.any(self.aligned, axis=0)[None, ...] & ~self.aligned
        zero = xp.where(xp.isfinite(values), values - value_only(values), xp.zeros_like(values))  # with its derivatives
        return xp.where(self.vanishing[None, ...] | other_aligned, zero, values)


@dataclass(frozen=True)
class AngularDistance:
    """The kernel on the circle of a continuous function of the angular distance.

    - function: f, from arrays of distances in `[0, pi]` (NumPy or torch) to arrays of the same shape
    - name: how the function is called in messages and figures
    - complement: f as a function of `pi - t`, if f is small near pi: it keeps the relative accuracy there
    - coefficients: closed form of `fourier`, if known, from integer arrays n >= 0 to arrays
    - ball: f in ball arithmetic, `flint.arb` to `flint.arb`, to decide signs that float64 cannot
    - rank: number of non-zero Fourier coefficients, if finite: for m > rank every determinant is 0
    - rounding: bound on the absolute error of a computed `F(x - y)`, in units of `2^-53 |f(0)|`: about `2 pi max|f'| /
      f(0)` for the angles, plus the error of f itself

    >>> ARC_COSINE.name, round(ARC_COSINE.peak, 6)
    ('sin t + (pi - t) cos t', 3.141593)
    >>> ARC_COSINE.cramer_ratios([0.0, 2.0]).round(9)  # a student at the teacher's angle takes it all
    array([1., 0.])
    >>> ARC_COSINE.determinant_signs([1.0, 2.5])
    array([ 1, -1], dtype=int8)
    """

    function: Callable[[Array], Array]
    name: str
    complement: Callable[[Array], Array] | None = None
    coefficients: Callable[[np.ndarray], np.ndarray] | None = None
    ball: Callable[[Any], Any] | None = None
    rank: int | None = None
    rounding: float = 64.0

    def __call__(self, t: Any) -> Array:
        """F at any real angles `t`, radians; any shape. F is even and has period 2 pi."""
        return self._at(reduced(as_floating(t, "t")))

    @property
    def peak(self) -> float:
        """`f(0)`, the diagonal of M."""
        return float(self._at(np.zeros(1))[0])

    def matrix(self, angles: Any) -> Array:
        """The associated matrix M, `(..., m, m)`, of students at `angles (..., m)`, radians."""
        angles = reduced(as_floating(angles, "angles", least_ndim=1))
        return self._at(angles[..., :, None] - angles[..., None, :])

    def determinant(self, angles: Any) -> Array:
        """`det M`, shape `(...)`, of students at `angles (..., m)`; exactly 0 where two of them coincide.

        Raises `ValueError` where it leaves the range of floats, as it does for some 80 students: `log_determinant`
        does not.
        """
        xp, chunks = self.systems(angles)
        values = []
        for chunk in chunks:
            found = chunk.minors.determinant
            self._require_range(chunk, found[None, ...], chunk.minors.null[-1:])
            values.append(xp.where(chunk.vanishing, xp.zeros_like(found), found))
        return xp.reshape(xp.concat(values), np.shape(angles)[:-1])

    def log_determinant(self, angles: Any, *, most_bits: int = 1 << 14) -> tuple[Array, Array]:
        """The sign and `log |det M|`, two arrays of shape `(...)`, of students at `angles (..., m)`, right to 1e-9; 0
        and -infinity where two of them coincide. Constants for torch, without gradients.

        By the eigenvalues of M in float64 where their error bound allows, elsewhere, as for many students or nearly
        coinciding ones, by ball arithmetic of up to `most_bits` bits; errors as of `determinant_signs`.

        >>> sign, logarithm = ARC_COSINE.log_determinant([0.0, 2.0])
        >>> float(sign), bool(abs(logarithm - np.log(ARC_COSINE.determinant([0.0, 2.0]))) < 1e-14)
        (1.0, True)
        """
        from . import signs

        return signs.log_determinant(self, angles, most_bits=most_bits)

    def _require_range(self, chunk: Systems, determinants: Array, null: Array) -> None:
        """`ValueError` where one of the determinants `(k, B)`, none of them 0, left the range of floats."""
        xp, minors = namespace(determinants), chunk.minors
        regular = ~chunk.vanishing & xp.all(xp.stack([d != 0 for d, _ in minors.triangle]), axis=0)
        lost = (minors.volume == 0) | xp.any((determinants == 0) & (null != 0), axis=0)
        lost = lost | ~xp.all(xp.isfinite(determinants), axis=0)
        if bool(xp.any(regular & lost)):
            raise ValueError(
                f"angles has a configuration whose determinants of {self.name} leave the range of "
                f"{determinants.dtype}; use log_determinant, cramer_ratios or determinant_signs"
            )

    def replaced_determinants(self, angles: Any) -> Array:
        """All `det M_i`, `(..., m)`, of students at `angles (..., m)` and the teacher at 0 (Theorem 5.1).

        The error is below 1e-13 of Hadamard's bound, the product of the column lengths of `M_i` (if f is known to that
        relative accuracy). Exactly 0 where coinciding angles, the teacher's included, make two columns or two rows of
        `M_i` equal. Raises `ValueError` where one leaves the range of floats, as for some 80 students.
        """
        xp, chunks = self.systems(angles)
        columns = []
        for chunk in chunks:
            self._require_range(chunk, chunk.minors.replaced, chunk.minors.null[:-1])
            columns.append(chunk.masked(chunk.minors.replaced))
        return _join(xp, columns, angles)

    def minimum_determinant(self, angles: Any) -> Array:
        """The paper's `z = min_i det M_i` (its Section 6), shape `(...)`, of students at `angles (..., m)`."""
        determinants = self.replaced_determinants(angles)
        return namespace(determinants).min(determinants, axis=-1)

    def cramer_ratios(self, angles: Any) -> Array:
        """`rho_i = det M_i / det M`, the solution of `M rho = b`, `(..., m)`, of students at `angles (..., m)`.

        Raises `ValueError` where M is singular: coinciding students, or more of them than the rank of the kernel.
        """
        xp, chunks = self.systems(angles)
        ratios = []
        for chunk in chunks:
            null, scales = chunk.minors.null, chunk.minors.scales
            if bool(xp.any(chunk.vanishing | (null[-1] == 0) | (chunk.minors.volume == 0))):
                raise ValueError(
                    f"angles has a configuration where M of {self.name} is singular; merge coinciding students"
                )
            ratios.append(-null[:-1] * scales[-1] / (scales[:-1] * null[-1]))
        return _join(xp, ratios, angles)

    def determinant_signs(self, angles: Any, *, most_bits: int = 1 << 14, undecided: int | None = None) -> Array:
        """Proved signs of all `det M_i` at the given floats: -1, 0 or 1, `(..., m)`, int8.

        float64 decides where its error bound allows, ball arithmetic of up to `most_bits` bits elsewhere; 0 stands only
        where the determinant is exactly 0. Where `most_bits` do not decide, `undecided` stands, or, if it is None,
        `ArithmeticError` is raised: balls never tell an inexact 0 from a small number, and kernels such as `exp(-t)`
        and `pi - t` have determinants that are exactly 0. `ValueError` where balls are needed and there is no `ball`,
        and for an `undecided` that is a sign or no int8.
        """
        from . import signs

        return signs.determinant_signs(self, angles, most_bits=most_bits, undecided=undecided)

    def is_positive_definite(self, angles: Any, *, most_bits: int = 1 << 14) -> Array:
        """Whether M is positive definite at the given floats, proved: bool, shape `(...)`, for `angles (..., m)`.

        Decided, and failing, as `determinant_signs` does. (Definition 5.7 asks for it at all angles without
        antipodal pairs.)
        """
        from . import signs

        return signs.is_positive_definite(self, angles, most_bits=most_bits)

    def fourier(self, n: Any, *, with_error: bool = False) -> Any:
        """Complex Fourier coefficients `(1/2 pi) integral F(t) e^{-int} dt`, real as F is even; shape of `n`, integers.

        The closed form where one is known; else the FFT of samples, doubled until two sizes agree to 1e-12 or 2^20
        samples are in use. With `with_error`, the pair of coefficients and error estimates: the change in the last
        doubling, or the rounding of the closed form.
        """
        orders = np.asarray(n) if isinstance(n, int) else plain(n, "n")
        if orders.dtype.kind not in "iu" and not (orders.dtype == object and isinstance(n, int)):
            raise ValueError(f"n has dtype {orders.dtype}; Fourier orders are integers")
        if orders.size == 0 or max(abs(int(orders.max())), abs(int(orders.min()))) > 1 << 30:
            raise ValueError("n is empty or has an order beyond 2^30 in size; pass orders that float64 can resolve")
        orders = np.abs(orders)
        if self.coefficients is not None:
            values = np.asarray(self.coefficients(orders), dtype=float)
            errors = 16 * ROUNDING * np.maximum(np.abs(values), abs(self.peak) / np.maximum(orders, 1) ** 2)
        else:
            values, errors = self._sampled_fourier(orders)
        return (values[()], errors[()]) if with_error else values[()]

    def is_angular_distance(self, *, orders: int = 4096) -> bool:
        """Whether no Fourier coefficient of F up to `orders` is negative beyond its error estimate (Definition 5.2,
        by Bochner).

        A numerical test: False is shown by the negative coefficient; True holds up to `orders` and the estimates of
        `fourier`.
        """
        orders = as_order(orders, "orders", most=1 << 24)
        values, errors = self.fourier(np.arange(orders + 1), with_error=True)
        return bool(np.all(values >= -errors))

    def systems(self, angles: Any) -> tuple[Any, Iterator[Systems]]:
        """The array namespace of `angles (..., m)`, and the systems `M rho = b` of all configurations, in chunks."""
        given = as_floating(angles, "angles", least_ndim=1)
        xp = namespace(given)
        m = given.shape[-1]
        exact, columns = (xp.permute_dims(xp.reshape(a, (-1, m)), (1, 0)) for a in (given, reduced(given)))
        size = max(64, _CHUNK // (m * (m + 1)))
        if columns.shape[1] > size:
            keep_freed_memory()
        chunks = range(0, columns.shape[1], size)
        return xp, (self._system(columns[:, k : k + size], exact[:, k : k + size]) for k in chunks)

    def _system(self, angles: Array, exact: Array) -> Systems:
        """The systems of the reduced `angles (m, B)`, `exact` being those given. Each pair is evaluated once.

        Distinct floats never differ by a multiple of 2 pi: angles coincide if and only if they are equal as given.
        """
        xp = namespace(angles)
        m = angles.shape[0]
        pairs = [(i, j) for i in range(m) for j in range(i)]
        differences = [angles[i] - angles[j] for i, j in pairs]
        values = self._at(xp.stack([xp.zeros_like(angles[0]), *differences, *angles]))
        plain = value_only(values)
        if not -_MOST_VALUE < float(xp.min(plain)) <= float(xp.max(plain)) < _MOST_VALUE:
            raise ValueError(
                f"{self.name} is not finite, or beyond {_MOST_VALUE:g}, at some of the distances; rescale it"
            )
        entry = {(i, i): values[0] for i in range(m)} | {(i, m): values[len(pairs) + 1 + i] for i in range(m)}
        for value, (i, j) in zip(values[1 : len(pairs) + 1], pairs, strict=True):
            entry[i, j] = entry[j, i] = value
        matrices = xp.reshape(xp.stack([entry[i, j] for i in range(m) for j in range(m + 1)]), (m, m + 1, -1))
        vanishing = xp.zeros_like(angles[0]) > (0 if self.rank is None or m <= self.rank else -1)
        for i, j in pairs:
            vanishing = vanishing | (exact[i] == exact[j])
        if getattr(angles, "requires_grad", False) and bool(xp.any(vanishing)):
            raise ValueError(
                "angles has coinciding students, where the gradient of these determinants cannot be computed. Move "
                "them apart, or detach the angles"
            )
        return Systems(maximal_minors(matrices), vanishing, exact == 0)

    def _at(self, difference: Array) -> Array:
        """F at a difference of reduced angles."""
        xp = namespace(difference)
        turn = xp.abs(difference)
        if self.complement is not None:
            return self.complement(xp.abs((turn - math.pi) - PI_LOW))
        return self.function(xp.minimum(turn, (2 * math.pi - turn) + 2 * PI_LOW))

    def _sampled_fourier(self, orders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = 1 << max(10, int(4 * orders.max() + 1).bit_length())
        most = max(1 << 20, 2 * size)
        coarse = None
        while True:
            samples = self(2 * math.pi * np.arange(size) / size)
            fine = np.fft.rfft(samples).real[orders] / size
            if coarse is not None:
                error = np.abs(fine - coarse) + 16 * ROUNDING * float(np.max(np.abs(samples)))
                if size >= most or float(np.max(error)) < 1e-12:
                    return fine, error
            coarse, size = fine, 2 * size


def reduced(angles: Array) -> Array:
    """`angles` modulo 2 pi, in `[0, 2 pi]`; angles already there are returned to the bit.

    >>> float(reduced(np.array(7.0)).round(6))
    0.716815
    """
    xp = namespace(angles)
    if bool(xp.all((angles >= 0) & (angles < 2 * math.pi))):
        return angles
    if bool(xp.any(xp.abs(angles) > _MOST_ANGLE)):
        raise ValueError(f"an angle has size {float(xp.max(xp.abs(angles))):.3g}; pass angles modulo 2 pi")
    if angles.dtype != xp.float64:
        return xp.astype(reduced(xp.astype(angles, xp.float64)), angles.dtype)
    rest = xp.remainder(angles, 2 * math.pi)
    turns = xp.round((angles - rest) / (2 * math.pi))
    rest = rest - turns * (2 * PI_LOW)
    return xp.where(rest < 0, rest + 2 * math.pi, rest)


def exponential(rate: float = 1.0) -> AngularDistance:
    """`f(t) = exp(-rate t)`, `rate > 0`; an angular-distance function.

    >>> float(exponential(2.0)(0.5).round(6))  # exp(-1)
    0.367879
    """
    rate = as_number(rate, "rate", above=True)
    return AngularDistance(
        lambda t: namespace(t).exp(-rate * t),
        f"exp(-{rate:g} t)",
        coefficients=lambda n: (
            rate
            * np.where(n % 2 == 0, -math.expm1(-rate * math.pi), 1 + math.exp(-rate * math.pi))
            / (math.pi * (rate**2 + n.astype(float) ** 2))
        ),
        ball=lambda t: (-rate * t).exp(),
        rounding=64 + 16 * rate,
    )


def triangle(width: float = 1.0, offset: float = 0.0) -> AngularDistance:
    """`f(t) = offset + max(width - t, 0)`, `0 < width <= pi`, `offset >= 0`; an angular-distance function.

    >>> triangle(1.0)([0.0, 0.25, 2.0])
    array([1.  , 0.75, 0.  ])
    """
    width, offset = as_number(width, "width", above=True), as_number(offset, "offset")
    if width > math.pi:
        raise ValueError(f"width is {width}; expected at most pi")

    def coefficients(n: np.ndarray) -> np.ndarray:
        k = np.maximum(n, 1).astype(float)
        wave = 2 * np.sin(k * width / 2) ** 2 / (math.pi * k**2)
        return np.where(n == 0, offset + width**2 / (2 * math.pi), wave)

    return AngularDistance(
        lambda t: offset + namespace(t).clip(width - t, min=0.0),
        f"{offset:g} + max({width:g} - t, 0)" if offset else f"max({width:g} - t, 0)",
        coefficients=coefficients,
        ball=lambda t: offset + (width - t).max(0 * t),
        rounding=64 + 16 / (width + offset),
    )


def von_mises(concentration: float = 1.0) -> AngularDistance:
    """`f(t) = exp(concentration (cos t - 1))`, `concentration > 0`; an angular-distance function.

    >>> von_mises(1.0)(math.pi).round(6)  # exp(-2)
    np.float64(0.135335)
    """
    concentration = as_number(concentration, "concentration", above=True)

    def coefficients(n: np.ndarray) -> np.ndarray:
        from scipy.special import ive

        return ive(n, concentration)

    return AngularDistance(
        lambda t: namespace(t).exp(-2 * concentration * namespace(t).sin(t / 2) ** 2),
        f"exp({concentration:g} (cos t - 1))",
        coefficients=coefficients,
        ball=lambda t: (concentration * (t.cos() - 1)).exp(),
        rounding=64 + 16 * concentration,
    )


def fourier_series(coefficients: Sequence[float]) -> AngularDistance:
    """The truncated series `F(t) = c_0 + 2 sum_{n >= 1} c_n cos nt` of the complex coefficients `c_0..c_N`, of any
    signs.

    >>> series = fourier_series([1.0, 0.5])
    >>> series(0.0), series.fourier([0, 1, 2])
    (np.float64(2.0), array([1. , 0.5, 0. ]))
    """
    series = as_numpy(coefficients, "coefficients", least_ndim=1)
    if series.ndim != 1:
        raise ValueError(f"coefficients has shape {series.shape}; expected a sequence c_0..c_N")
    if not series.any():
        raise ValueError("coefficients are all 0; the zero function has no determinants worth taking")
    terms = [(n, float(c)) for n, c in enumerate(series) if c]

    def closed(n: np.ndarray) -> np.ndarray:
        return np.where(n < len(series), series[np.minimum(n, len(series) - 1)], 0.0)

    slope = sum(2 * n * abs(c) for n, c in terms)
    return AngularDistance(
        lambda t: sum((2 if n else 1) * c * namespace(t).cos(n * t) for n, c in terms),
        f"series of degree {len(series) - 1}",
        coefficients=closed,
        ball=lambda t: sum((2 if n else 1) * c * (n * t).cos() for n, c in terms),
        rank=sum(2 if n else 1 for n, _ in terms),
        rounding=64 + 16 * slope / max(abs(sum((2 if n else 1) * c for n, c in terms)), 1e-300),
    )


def _join(xp: Any, columns: list[Array], angles: Any) -> Array:
    """Chunks `(m, B)` as one array of the shape of `angles`."""
    return xp.reshape(xp.permute_dims(xp.concat(columns, axis=-1), (1, 0)), np.shape(angles))


def _arc_cosine_coefficients(n: np.ndarray) -> np.ndarray:
    even = 4 / (math.pi * (n.astype(float) ** 2 - 1 + (n == 1)) ** 2)
    return np.where(n % 2 == 0, even, np.where(n == 1, math.pi / 4, 0.0))


def _linear_coefficients(n: np.ndarray) -> np.ndarray:
    return np.where(n == 0, math.pi / 2, (n % 2) * 2 / (math.pi * np.maximum(n, 1).astype(float) ** 2))


ARC_COSINE = AngularDistance(
    lambda t: complement_profile(complement(t)),
    "sin t + (pi - t) cos t",
    complement=complement_profile,
    coefficients=_arc_cosine_coefficients,
    ball=lambda t: t.sin() + (t.pi() - t) * t.cos(),
)
"""The alignment paper's `f(t) = sin t + (pi - t) cos t`: `F / (2 pi)` is the expected product of two unit ReLU
neurons."""

LINEAR = AngularDistance(
    complement,
    "pi - t",
    complement=lambda s: s,
    coefficients=_linear_coefficients,
    ball=lambda t: t.pi() - t,
)
"""`f(t) = pi - t` (Lemma 4.5)."""

COSINE = AngularDistance(
    lambda t: namespace(t).cos(t),
    "cos t",
    coefficients=lambda n: np.where(n == 1, 0.5, 0.0),
    ball=lambda t: t.cos(),
    rank=2,
)
"""`f(t) = cos t`, whose kernel has rank 2: it refutes Conjecture 5.8."""

RAISED_COSINE = AngularDistance(
    lambda t: 2 * namespace(t).cos(t / 2) ** 2,
    "1 + cos t",
    complement=lambda s: 2 * namespace(s).sin(s / 2) ** 2,
    coefficients=lambda n: np.where(n == 0, 1.0, np.where(n == 1, 0.5, 0.0)),
    ball=lambda t: 1 + t.cos(),
    rank=3,
)
"""`f(t) = 1 + cos t`, non-negative and of rank 3: it refutes Conjecture 5.8 too."""
