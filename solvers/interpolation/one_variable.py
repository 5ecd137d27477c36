"""Minimum-norm regression of one variable: `min_norm` at the inputs `(t, 1)`, its answer as a function of t.

The bias counts in the norm, so the problem depends on where t is 0: a neuron whose kink is at t costs `sqrt(1 + t^2)`
for a unit of slope. Far off, or very close together, samples are almost on one ray, and what doubles do not hold is
refused in terms of t and y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from alignmath.arrays import as_numpy, one_per_row
from alignmath.plane.kinks import evaluate

from .minimum_norm import min_norm
from .solution import MinNormSolution, NotCertified

__all__ = ["PiecewiseLinear", "min_norm_1d"]

_CENTRE = "the norm counts biases, so centre and scale t: pass (t - {:.8g}) / {:.3g}"
_EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class PiecewiseLinear:
    """The function of one variable found by `min_norm_1d`; call it for its values.

    - knots: `(K,)`, ascending, where the slope changes
    - slopes: `(K + 1,)`, between and outside them
    - intercept: float, the value at t = 0
    - solution: `MinNormSolution`, the network in the plane, its certificate, status and seconds

    >>> f = min_norm_1d([-1.0, 0.0, 1.0], [1.0, 0.0, 1.0])
    >>> f([-2.0, 0.5]).round(6)
    array([2. , 0.5])
    """

    knots: np.ndarray
    slopes: np.ndarray
    intercept: float
    solution: MinNormSolution

    def __call__(self, t: Any) -> np.ndarray:
        """Values at `t`, any shape."""
        t = as_numpy(t, "t")
        plane = np.stack([t.ravel(), np.ones(t.size)], axis=1)
        return evaluate(self.solution.network, plane).reshape(t.shape)


def min_norm_1d(t: Any, y: Any, *, tolerance: float = 1e-8) -> PiecewiseLinear:
    """Minimum-norm regression of one variable with a bias, `f(t) = sum_j a_j relu(w_j t + b_j)`, `f(t_i) = y_i`.

    t, y: `(N,)`. The norm is `sum a_j^2 + w_j^2 + b_j^2`, biases included: `min_norm` at the inputs `(t_i, 1)`, with
    its errors. So it depends on where t is 0 and on its unit, and far off, in t of 1e8 and one apart say, doubles do
    not hold the network: `ValueError` or `NotCertified`, with the centre and scale that help. A neuron with `w_j = 0`
    is a constant and has no knot; knots on a sample to rounding are on it.

    >>> f = min_norm_1d([-2.0, -1.0, 1.0, 2.0], [2.0, 1.0, 1.0, 2.0])
    >>> f.slopes.round(6)[[0, -1]], round(f.solution.residual, 9)
    (array([-1.,  1.]), 0.0)
    """
    t = as_numpy(t, "t", least_ndim=1)
    if t.ndim != 1:
        raise ValueError(f"t has shape {t.shape}; expected (N,), one number for each sample")
    y = one_per_row(y, t, "y")
    _require_apart(t, y)
    try:
        solution = min_norm(np.stack([t, np.ones(len(t))], axis=1), y, tolerance=tolerance)
    except NotCertified as error:
        why = str(error).split(":")[0]
        raise NotCertified(f"{why}: {_CENTRE.format(*_centre(t))}, or pass a larger tolerance") from None
    slope, bias = solution.network.hidden[:, 0], solution.network.hidden[:, 1]
    output = solution.network.output
    bent = np.abs(slope) > 1e-12 * np.maximum(np.abs(bias), 1e-300)
    places, jumps = _knots(t, -bias[bent] / slope[bent]), (output * np.abs(slope))[bent]
    knots, index = np.unique(places, return_inverse=True)
    total = np.bincount(index.ravel(), jumps, len(knots))
    kept = np.abs(total) > 8 * _EPS * np.bincount(index.ravel(), np.abs(jumps), len(knots))
    left = float(np.sum((output * slope)[slope < 0]))
    slopes = left + np.concatenate([[0.0], np.cumsum(total)[kept]])
    return PiecewiseLinear(knots[kept], slopes, float(np.sum(output * np.maximum(bias, 0))), solution)


def _centre(t: np.ndarray) -> tuple[float, float]:
    """The middle of t and half its width, to two digits of the width."""
    half = float(t.max() / 2 - t.min() / 2) or 1.0
    return float(t.max() / 2 + t.min() / 2), half


def _require_apart(t: np.ndarray, y: np.ndarray) -> None:
    """`ValueError`, in terms of t and y, where `min_norm` cannot tell samples `(t, 1)` apart, or t is too large."""
    if np.abs(t).max() > 1e150:
        worst = int(np.argmax(np.abs(t)))
        raise ValueError(f"t[{worst}] is {t[worst]:g}, beyond 1e150; {_CENTRE.format(*_centre(t))}")
    order = np.argsort(t, kind="stable")
    before, after = t[order][:-1], t[order][1:]
    angle = (after - before) / (np.hypot(1, before) * np.hypot(1, after))
    values = y / np.hypot(1, t)
    differ = np.abs(values[order][1:] - values[order][:-1]) > 64 * _EPS * np.abs(values).max(initial=0)
    close = np.flatnonzero((angle <= 8 * _EPS) & differ)
    if not len(close):
        return
    i, j = sorted((int(order[close[0]]), int(order[close[0] + 1])))
    if t[i] == t[j]:
        raise ValueError(f"t[{i}] and t[{j}] are both {t[i]}, but y[{i}] is {y[i]} and y[{j}] is {y[j]}; correct y")
    raise ValueError(
        f"t[{i}] = {t[i]} and t[{j}] = {t[j]} are too close for their distance from 0, but y[{i}] is {y[i]} and y[{j}] "
        f"is {y[j]}; {_CENTRE.format(*_centre(t))}"
    )


def _knots(t: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The places, those that rounding moved off a sample put back on it, and those that it parted put together."""
    order = np.argsort(places, kind="stable")
    t, sorted_places = np.unique(t), places[order]
    error = 8 * _EPS * (1 + sorted_places * sorted_places)
    after = np.clip(np.searchsorted(t, sorted_places), 1, max(len(t) - 1, 1))
    left, right = t[after - 1], t[np.minimum(after, len(t) - 1)]
    near = np.where(sorted_places - left <= right - sorted_places, left, right)
    room = np.where(right > left, 1e-9 * (right - left), np.inf)
    snapped = np.where(np.abs(sorted_places - near) <= np.minimum(error, room), near, sorted_places)
    parted = np.diff(snapped, prepend=-np.inf) > np.minimum(error, room)
    result = np.empty_like(places)
    result[order] = snapped[np.flatnonzero(parted)[np.cumsum(parted) - 1]] if len(places) else snapped
    return result
