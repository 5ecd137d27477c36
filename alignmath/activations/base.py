"""What an activation function is: itself, its expectations, Conditions 3.1 and 3.2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import Array, as_floating, namespace

__all__ = ["Activation", "Dual", "as_activation", "error_function", "zero_like"]

Dual = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True, repr=False)
class Activation:
    """An activation function s with its expectations.

    value, derivative: s and s', entry by entry. slopes: right and left of 0, of what is linear on both sides.
    lipschitz, smoothness: the Lipschitz constants of s and of s', infinity where there is none. analytic, polynomial:
    what s is, on the whole line.

    >>> from alignmath.activations import GELU, RELU, SOFTPLUS
    >>> float(RELU.dual(1.0, 0.0, 1.0).round(6)), float(RELU.dual_derivative(1.0, 0.0, 1.0)), RELU.c_sigma
    (0.159155, 0.25, 2.0)
    >>> SOFTPLUS.condition_3_1, SOFTPLUS.condition_3_2, RELU.condition_3_2, float(GELU.mean(0.0))
    (1.0, True, False, 0.0)
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

    def __repr__(self) -> str:
        return f"<activation {self.name}>"

    def dual(self, variance: Any, covariance: Any, other_variance: Any) -> Array:
        """`E[s(u) s(v)]` for `(u, v) ~ N(0, [[variance, covariance], [covariance, other_variance]])`.

        The arguments broadcast against each other; NumPy or torch. `ValueError` for a negative variance, for a
        covariance larger than they allow by more than rounding (1e-12 of it, in float32 1e-6), and where the
        expectation overflows. Where a variance is 0, torch's gradient by it counts as 0 if s goes by series
        (`from_functions`), and what is linear on both sides of 0 has no gradient by the covariance there: any of those
        between its slopes may come out.
        """
        return self._represented(self._dual, *_checked(variance, covariance, other_variance))

    def dual_derivative(self, variance: Any, covariance: Any, other_variance: Any) -> Array:
        """`E[s'(u) s'(v)]`, arguments as of `dual`. `ValueError` for `STEP`, whose derivative is no function."""
        if self._dual_derivative is None:
            raise ValueError(f"the derivative of {self.name} is no function; the expectation does not exist")
        return self._represented(self._dual_derivative, *_checked(variance, covariance, other_variance))

    def mean(self, variance: Any) -> Array:
        """`E[s(u)]` for `u ~ N(0, variance)`, of any shape."""
        variance = as_floating(variance, "variance")
        _require_variances(variance, "variance")
        return self._represented(self._mean, variance)

    def _represented(self, expectation: Callable[..., Array], *arrays: Array) -> Array:
        """The expectation of the variances (and the covariance between them), or a `ValueError` where it overflows."""
        with np.errstate(over="ignore", invalid="ignore"):
            result = expectation(*arrays)
        xp = namespace(result)
        if not bool(xp.isfinite(xp.max(result)) & xp.isfinite(xp.min(result))):
            largest = max(float(value.max()) for value in (arrays[0], arrays[-1]))
            raise ValueError(
                f"an expectation of {self.name} is not finite in {result.dtype}, at variances up to {largest:.6g}: "
                "it overflows; scale the inputs or the weights down"
            )
        return result

    @cached_property
    def c_sigma(self) -> float:
        """`1 / E[s(u)^2]` for `u ~ N(0, 1)`: the scaling of the wide_networks paper, after its (2)."""
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


def as_activation(value: Any) -> Activation:
    """`value`, or a `ValueError` if it is not an `Activation`."""
    if not isinstance(value, Activation):
        raise ValueError(
            f"activation is {value!r}; expected one of alignmath.activations, such as RELU, or from_functions(...)"
        )
    return value


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


def zero_like(*arrays: Array) -> Array:
    """Zeros of the shape that the arrays broadcast to."""
    total = sum(arrays)
    return namespace(total).zeros_like(total)


def error_function(x: Array) -> Array:
    """erf, entry by entry."""
    if isinstance(x, np.ndarray | np.generic):
        from scipy.special import erf  # alignmath loads no SciPy until it is needed

        return erf(x)
    return namespace(x).erf(x)
