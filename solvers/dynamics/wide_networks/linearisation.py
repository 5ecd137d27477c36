"""Gradient descent and flow on a linear model with a fixed Gram matrix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alignmath.arrays import Array, as_floating, as_number, namespace

__all__ = ["linearised"]


def linearised(
    matrix: Any,
    residual: Any,
    learning_rate: float | None = None,
    steps: Any = None,
    cross: Any = None,
    *,
    time: Any = None,
) -> tuple[Array, Array | None]:
    """What `y - u(k+1) = (I - learning_rate M)(y - u(k))` gives after k steps, or `d(y - u)/dt = -M (y - u)` at a time,
    in closed form: residuals `(K, n)`, and the change of the outputs at other inputs, `(K, t)`, None without `cross`.

    matrix: M, `(n, n)`, symmetric positive semi-definite, a Gram matrix or its limit. residual: `y - u(0)`, `(n,)`, or
        `(n, o)` of several outputs that share M; results are then `(K, n, o)` and `(K, t, o)`.
    learning_rate, steps: of gradient descent; a rate above 0, and k, one number or `(K,)`, 0 or more; infinity gives
        the limit, kernel regression, where there is one.
    time: of gradient flow in their place: t, one number or `(K,)`, 0 or more; infinity too.
    cross: `(t, n)`, the matrix between the other inputs and those trained on; their outputs change by
        `cross M^+ (y - u(0) - residual)`. Directions of eigenvalue 0 are left as they are, of cross too (which has none
        there, up to rounding, if it is a block of one positive semi-definite matrix with M).

    In: NumPy; or torch, out torch. Raises `ValueError` for bad input, and where a learning rate too large to converge
    gives infinite results.

    >>> import math
    >>> from solvers.dynamics.wide_networks import linearised
    >>> residuals, change = linearised([[2.0, 0.0], [0.0, 1.0]], [1.0, 1.0], 0.25, [1, math.inf], cross=[[1.0, 1.0]])
    >>> residuals.tolist(), change.tolist()
    ([[0.5, 0.75], [0.0, 0.0]], [[0.5], [1.5]])
    >>> linearised([[2.0]], [1.0], time=math.log(2))[0].round(12).tolist()
    [[0.25]]
    """
    M, r = as_floating(matrix, "matrix", least_ndim=2), as_floating(residual, "residual", least_ndim=1)
    C = None if cross is None else as_floating(cross, "cross", least_ndim=2)
    xp, n = namespace(M, r) if C is None else namespace(M, r, C), len(r)
    r = xp.astype(r, M.dtype)
    if tuple(M.shape) != (n, n) or r.ndim > 2:
        raise ValueError(
            f"matrix has shape {tuple(M.shape)} and residual {tuple(r.shape)}; expected (n, n), and (n,) or (n, o)"
        )
    if C is not None and (C.ndim != 2 or C.shape[1] != n):
        raise ValueError(f"cross has shape {tuple(C.shape)}; expected (t, {n})")
    if float(xp.max(xp.abs(M - M.T))) > 1e-6 * float(xp.max(xp.abs(M))):
        raise ValueError("matrix is not symmetric; pass the whole Gram matrix")
    rate, moments = _moments(learning_rate, steps, time)
    values, vectors = xp.linalg.eigh((M + M.T) / 2)
    least, most = float(values[0]), float(values[-1])
    if least < -1e-6 * max(most, 0.0):
        raise ValueError(f"matrix has the eigenvalue {least:.3g}; expected a positive semi-definite matrix")
    positive = values > n * float(xp.finfo(values.dtype).eps) * most
    values = xp.where(positive, values, xp.zeros_like(values))
    left, done = _decay(values, rate, moments)
    if rate is not None and rate * most >= 2 and (math.inf in moments or not bool(xp.all(xp.isfinite(left)))):
        raise ValueError(f"learning_rate is {rate:g}; beyond 2 / {most:.3g} the residuals do not converge")
    along = vectors.T @ (r[:, None] if r.ndim == 1 else r)
    residuals = vectors @ (left[:, :, None] * along)
    change = None
    if C is not None:
        weights = done / xp.where(positive, values, xp.ones_like(values))
        change = (xp.astype(C, M.dtype) @ vectors) @ (weights[:, :, None] * along)
    if r.ndim == 1:
        return residuals[..., 0], None if change is None else change[..., 0]
    return residuals, change


def _moments(learning_rate: Any, steps: Any, time: Any) -> tuple[float | None, list[float]]:
    """The rate, None for gradient flow, and the numbers of steps or the times."""
    if (time is None) == (steps is None) or (time is None) == (learning_rate is None):
        raise ValueError("pass learning_rate and steps, or time (of gradient flow) alone")
    given, name = (steps, "steps") if time is None else (time, "time")
    try:
        moments = np.atleast_1d(np.asarray(given, dtype=float))
    except (TypeError, ValueError):
        moments = np.empty(0)
    allowed = moments >= 0  # not NaN
    if time is None:
        allowed &= (moments == np.floor(moments)) | (moments == math.inf)
    if moments.ndim != 1 or not moments.size or not np.all(allowed):
        what = "whole numbers of steps" if time is None else "times"
        raise ValueError(f"{name} is {given!r}; expected {what}, 0 or more, or infinity")
    return None if time is not None else as_number(learning_rate, "learning_rate", above=True), moments.tolist()


def _decay(values: Array, rate: float | None, moments: list[float]) -> tuple[Array, Array]:
    """By what each eigendirection is multiplied, `(K, n)`, and what that lacks to 1: both without cancellation."""
    xp = namespace(values)
    moving = values > 0
    with np.errstate(over="ignore", invalid="ignore"):
        product = values if rate is None else rate * values
        slow = moving & ((product < 0.5) if rate is not None else moving)  # beyond, 1 - product is as exact as product
        mild = xp.where(slow, product, xp.zeros_like(values))
        logarithm = -mild if rate is None else xp.log1p(-mild)
        factor = xp.where(moving, 1 - product, xp.ones_like(values))
        left, done = [], []
        for moment in moments:
            reached = logarithm * moment if moment < math.inf else xp.full_like(values, -math.inf)
            exponent = xp.where(slow, reached, logarithm)
            power = xp.where(slow, xp.ones_like(factor), factor) ** moment
            left.append(xp.where(slow, xp.exp(exponent), power))
            done.append(xp.where(slow, -xp.expm1(exponent), 1 - power))
    return xp.stack(left), xp.stack(done)
