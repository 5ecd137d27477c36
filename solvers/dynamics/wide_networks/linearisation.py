"""Gradient descent on a linear model with a fixed Gram matrix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alignmath.arrays import Array, as_floating, as_number, namespace

__all__ = ["linearised"]


def linearised(
    matrix: Any,
    residual: Any,
    learning_rate: float,
    steps: Any,
    cross: Any = None,
) -> tuple[Array, Array | None]:
    """What `y - u(k+1) = (I - learning_rate M)(y - u(k))` gives after k steps, in closed form: residuals `(K, n)`, and
    the change of the outputs at other inputs, `(K, t)`, None without `cross`.

    matrix: M, `(n, n)`, symmetric positive semi-definite, a Gram matrix or its limit. residual: `y - u(0)`, `(n,)`.
    learning_rate: above 0. steps: k, one number or `(K,)`, 0 or more; infinity gives the limit, kernel regression,
    where there is one. cross: `(t, n)`, the matrix between the other inputs and those trained on; their outputs change
    by `cross M^+ (y - u(0) - residual)`. Directions of eigenvalue 0 are left as they are, of cross too (which has none
    there, up to rounding, if it is a block of one positive semi-definite matrix with M).

    In: NumPy; or torch, out torch. Raises `ValueError` for bad input, and where a learning rate too large to converge
    gives infinite results.

    >>> import math
    >>> from solvers.dynamics.wide_networks import linearised
    >>> residuals, change = linearised([[2.0, 0.0], [0.0, 1.0]], [1.0, 1.0], 0.25, [1, math.inf], cross=[[1.0, 1.0]])
    >>> residuals.tolist(), change.tolist()
    ([[0.5, 0.75], [0.0, 0.0]], [[0.5], [1.5]])
    """
    M, r = as_floating(matrix, "matrix", least_ndim=2), as_floating(residual, "residual", least_ndim=1)
    C = None if cross is None else as_floating(cross, "cross", least_ndim=2)
    xp, n = namespace(M, r) if C is None else namespace(M, r, C), len(r)
    r = xp.astype(r, M.dtype)
    if tuple(M.shape) != (n, n) or r.ndim != 1:
        raise ValueError(f"matrix has shape {tuple(M.shape)} and residual {tuple(r.shape)}; expected (n, n) and (n,)")
    if float(xp.max(xp.abs(M - M.T))) > 1e-6 * float(xp.max(xp.abs(M))):
        raise ValueError("matrix is not symmetric; pass the whole Gram matrix")
    rate = as_number(learning_rate, "learning_rate", above=True)
    try:
        count = np.atleast_1d(np.asarray(steps, dtype=float))
    except (TypeError, ValueError):
        count = np.empty(0)
    whole = (count >= 0) & ((count == np.floor(count)) | (count == math.inf))
    if count.ndim != 1 or not count.size or not np.all(whole):
        raise ValueError(f"steps is {steps!r}; expected whole numbers of steps, 0 or more, or infinity")
    values, vectors = xp.linalg.eigh((M + M.T) / 2)
    least, most = float(values[0]), float(values[-1])
    if least < -1e-6 * max(most, 0.0):
        raise ValueError(f"matrix has the eigenvalue {least:.3g}; expected a positive semi-definite matrix")
    rounding = n * float(xp.finfo(values.dtype).eps) * most
    positive = values > rounding
    along = vectors.T @ r
    with np.errstate(over="ignore", invalid="ignore"):
        factor = 1 - rate * xp.where(positive, values, xp.zeros_like(values))
        powers = xp.stack([xp.where(factor == 1, xp.ones_like(factor), factor**k) for k in count.tolist()])
    if rate * most >= 2 and (count.max() == math.inf or not bool(xp.all(xp.isfinite(powers)))):
        raise ValueError(f"learning_rate is {rate:g}; beyond 2 / {most:.3g} the residuals do not converge")
    residuals = (powers * along) @ vectors.T
    if C is None:
        return residuals, None
    C = xp.astype(C, M.dtype)
    if C.ndim != 2 or C.shape[1] != n:
        raise ValueError(f"cross has shape {tuple(C.shape)}; expected (t, {n})")
    small = rate * values < 0.5  # there 1 - (1 - rate value)^k without cancellation
    logarithm = xp.log1p(-rate * xp.where(small & positive, values, xp.zeros_like(values)))
    done = [
        xp.where(small, -xp.expm1(min(k, 1e300) * logarithm), 1 - p)
        for k, p in zip(count.tolist(), powers, strict=True)
    ]
    weights = xp.where(
        positive, xp.stack(done) / xp.where(positive, values, xp.ones_like(values)), xp.zeros_like(powers)
    )
    return residuals, (weights * along) @ (C @ vectors).T
