"""Activation functions whose expectations are Hermite series, see `alignmath.hermite`."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..arrays import Array, as_number, namespace
from ..hermite import HermiteDual
from .base import Activation, error_function

__all__ = ["GELU", "SIGMOID", "SILU", "SOFTPLUS", "TANH", "from_functions"]


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
    digits (`max(x - 1.3, 0)` is left with 3 to 5 of that). lipschitz, smoothness (infinity for none), analytic and
    polynomial are taken on trust. `ValueError` for functions that do not take arrays, do not keep their shape or are
    not finite.

    >>> import numpy as np
    >>> from alignmath.activations import SIN, from_functions
    >>> own = from_functions("sine", np.sin, np.cos, lipschitz=1.0, smoothness=1.0, analytic=True)
    >>> bool(abs(own.dual(1.0, 0.5, 2.0) - SIN.dual(1.0, 0.5, 2.0)) < 1e-13)  # of which the closed form is known
    True
    """
    for constant, what in ((lipschitz, "lipschitz"), (smoothness, "smoothness")):
        if constant != math.inf:
            as_number(constant, what)
    for function, what in ((value, "value"), (derivative, "derivative")):
        points = np.linspace(-3, 3, 7)
        try:
            values = function(points)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{what} does not take arrays: {error}; write it with array functions") from error
        if not isinstance(values, np.ndarray) or values.shape != points.shape or not np.all(np.isfinite(values)):
            raise ValueError(f"{what} gives {values!r} at {points}; expected an array, a finite number for each point")
    return _by_series(name, value, derivative, lipschitz, smoothness, analytic, polynomial)


def _by_series(
    name: str,
    value: Callable[[Array], Array],
    derivative: Callable[[Array], Array],
    lipschitz: float,
    smoothness: float,
    analytic: bool = True,
    polynomial: bool = False,
) -> Activation:
    """`from_functions` without its checks, which call the functions: importing this module must not load SciPy."""
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
    return (1 + error_function(x / math.sqrt(2))) / 2, namespace(x).exp(-x * x / 2) / math.sqrt(2 * math.pi)


SOFTPLUS = _by_series("softplus", _softplus, _sigmoid, lipschitz=1.0, smoothness=0.25)
"""`log(1 + exp(x))`."""
SIGMOID = _by_series("sigmoid", _sigmoid, _bell, lipschitz=0.25, smoothness=math.sqrt(3) / 18)
"""`1 / (1 + exp(-x))`."""
TANH = _by_series(
    "tanh",
    lambda x: namespace(x).tanh(x),
    lambda x: 4 * _bell(2 * x),
    lipschitz=1.0,
    smoothness=4 / (3 * math.sqrt(3)),
)
"""`tanh(x)`."""
GELU = _by_series(
    "gelu",
    lambda x: x * _normal(x)[0],
    lambda x: _normal(x)[0] + x * _normal(x)[1],
    lipschitz=0.5 + math.erf(1.0) / 2 + math.exp(-1.0) / math.sqrt(math.pi),
    smoothness=2 / math.sqrt(2 * math.pi),
)
"""`x P(z < x)`, z standard normal; steepest at `sqrt(2)`."""
SILU = _by_series(
    "silu",
    lambda x: x * _sigmoid(x),
    lambda x: _sigmoid(x) + x * _bell(x),
    lipschitz=1.099839320128867,
    smoothness=0.5,
)
"""`x sigmoid(x)`; its steepest slope is at `x = 2.3994`, where `x tanh(x / 2) = 2`."""
