"""Activations of one's own, whose expectations are Hermite series, see `alignmath.hermite`."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..arrays import Array, as_number
from ..hermite import HermiteDual
from .base import Activation

__all__ = ["from_functions"]


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
    dual, of_derivative = HermiteDual(value), HermiteDual(derivative)
    return Activation(
        name, value, derivative, lipschitz, smoothness, analytic, polynomial, dual, of_derivative, dual.mean
    )
