"""Activations of one's own, whose expectations are Hermite series, see `alignmath.hermite`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..arrays import Array, as_number
from ..hermite import HermiteDual
from .base import Activation

__all__ = ["from_functions"]

_SPAN = 7.310585786300049
"""The functions are checked up to there; an odd number, as kinks stand at round ones, where no panel should end."""
_FINEST, _WIDEST = 30, 0.125
"""Panels of the check reach from `2^-30` beside 0 and each kink to this width."""
_BELONGS = 1e-8
"""What the integral of the derivative and the change of the value over a panel may differ by, of the change or the
integral's largest possible size."""
_BESIDE = 1e-10
"""Limits at a kink are read that far from it."""
_NODE, _WEIGHT = np.polynomial.legendre.leggauss(16)


def from_functions(
    name: str,
    value: Callable[[Array], Array],
    derivative: Callable[[Array], Array],
    *,
    lipschitz: float,
    smoothness: float,
    analytic: bool,
    polynomial: bool = False,
    kinks: Iterable[float] = (),
) -> Activation:
    """An activation of your own: s and s' entry by entry, on NumPy arrays, and on torch tensors if these are passed.

    kinks: where s', or a derivative of it, jumps; 0 need not be named. Expectations are by `HermiteDual`, within about
    1e-12 of `sqrt(E[s(u)^2] E[s(v)^2])` for functions that are smooth between the kinks and vary on scales of about 1
    there. An estimate of the error is made at each use, and what may be wrong by more than 1e-8 is refused by a
    `ValueError` that names the variance: what varies too fast (`sin(1000 x)`) or grows too fast (`exp` at variance
    100). lipschitz, smoothness (infinity for none), analytic and polynomial are taken on trust. `ValueError` for
    functions that do not take arrays, do not keep their shape or are not finite, for a derivative that is not that of
    the value, for a value that jumps, and for kinks between -7.3 and 7.3 that are not named.

    >>> import numpy as np
    >>> from alignmath.activations import SIN, from_functions
    >>> own = from_functions("sine", np.sin, np.cos, lipschitz=1.0, smoothness=1.0, analytic=True)
    >>> bool(abs(own.dual(1.0, 0.5, 2.0) - SIN.dual(1.0, 0.5, 2.0)) < 1e-13)  # of which the closed form is known
    True
    >>> inside = lambda x: (abs(x) < 1) * 1.0
    >>> clip = from_functions("hard tanh", lambda x: x.clip(-1, 1), inside, lipschitz=1.0, smoothness=np.inf,
    ...                       analytic=False, kinks=[-1, 1])
    >>> float(clip.dual_derivative(1.0, 1.0, 1.0).round(12))  # the probability that |z| < 1
    0.682689492137
    """
    for constant, what in ((lipschitz, "lipschitz"), (smoothness, "smoothness")):
        if constant != math.inf:
            as_number(constant, what)
    places = _as_kinks(kinks)
    for function, what in ((value, "value"), (derivative, "derivative")):
        points = np.linspace(-3, 3, 7)
        try:
            values = function(points)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{what} does not take arrays: {error}; write it with array functions") from error
        if not isinstance(values, np.ndarray) or values.shape != points.shape or not np.all(np.isfinite(values)):
            raise ValueError(f"{what} gives {values!r} at {points}; expected an array, a finite number for each point")
    with np.errstate(all="ignore"):
        _require_no_jump(value, derivative, np.array(sorted({0.0, *places})))
        _require_derivative(value, derivative, places)
    dual, of_derivative = HermiteDual(value, places, name), HermiteDual(derivative, places, f"the derivative of {name}")
    return Activation(
        name, value, derivative, lipschitz, smoothness, analytic, polynomial, dual, of_derivative, dual.mean
    )


def _as_kinks(kinks: Any) -> tuple[float, ...]:
    try:
        places = np.asarray(list(kinks), dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"kinks is {kinks!r}; expected a sequence of numbers, such as [-1, 1]") from error
    if places.ndim != 1 or not np.all(np.isfinite(places)):
        raise ValueError(f"kinks is {kinks!r}; expected finite numbers, such as [-1, 1]")
    return tuple(float(place) for place in places)


def _require_no_jump(value: Callable[[Array], Array], derivative: Callable[[Array], Array], kinks: Array) -> None:
    """`ValueError` where s changes over a kink by more than its slopes beside it explain."""
    beside = _BESIDE * np.maximum(1, abs(kinks))
    below, above = kinks - beside, kinks + beside
    jump = abs(value(above) - value(below))
    allowed = 4 * beside * np.maximum(abs(derivative(below)), abs(derivative(above)))
    wrong = jump > allowed + 1e-8 * np.maximum(1, abs(value(above)))
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(
            f"value jumps at {kinks[at]:.6g} by {jump[at]:.6g}: its derivative is no function there; make it continuous"
        )


def _require_derivative(
    value: Callable[[Array], Array], derivative: Callable[[Array], Array], kinks: tuple[float, ...]
) -> None:
    """`ValueError` where s changes over a panel by another amount than the integral of s'."""
    steps = 2.0 ** np.arange(-_FINEST, math.log2(_WIDEST) + 1)
    edges = np.unique(
        np.concatenate(
            [np.arange(-_SPAN, _SPAN, _WIDEST), [_SPAN], *(k + np.r_[-steps[::-1], 0.0, steps] for k in (0.0, *kinks))]
        )
    )
    left, right = edges[:-1], edges[1:]
    wrong, change, integral = _compared(value, derivative, left, right)
    if not wrong.any():
        return
    at = int(wrong.argmax())
    low, high = left[at], right[at]
    halves = np.array([True, False])
    while halves.sum() == 1 and high - low > 1e-9:  # a kink leaves one half right, again and again
        middle = (low + high) / 2
        halves = _compared(value, derivative, np.array([low, middle]), np.array([middle, high]))[0]
        low, high = (low, middle) if halves[0] else (middle, high)
    if not halves.all():
        raise ValueError(
            f"value or derivative has a kink near {low:.6g}, or varies too fast there; name kinks, with all "
            f"digits: kinks=[{low:.6g}, ...]"
        )
    raise ValueError(
        f"derivative is not that of value: from {left[at]:.6g} to {right[at]:.6g} value changes by {change[at]:.6g}, "
        f"and the integral of derivative is {integral[at]:.6g}; pass value's derivative, and kinks=[...] if it has any"
    )


def _compared(
    value: Callable[[Array], Array], derivative: Callable[[Array], Array], left: Array, right: Array
) -> tuple[Array, Array, Array]:
    """Of each panel: whether they differ, the change of s, and the integral of s'."""
    half = (right - left)[:, None] / 2
    slopes = derivative(left[:, None] + half * (1 + _NODE))
    change, integral = value(right) - value(left), (slopes * half) @ _WEIGHT
    rounding = 1e-13 * np.maximum(abs(value(right)), abs(value(left)))
    size = abs(slopes).max(axis=1) * (right - left)
    gap = abs(change - integral)
    return (gap > _BELONGS * size + rounding) & np.isfinite(gap), change, integral
