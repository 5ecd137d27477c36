"""Kernel regression with uncertainty: Gaussian processes, and ensembles of wide networks trained by gradient flow.

A wide network at random initial weights is a Gaussian process with its conjugate kernel as covariance; conditioned on
labels it is `posterior` (Lee, Bahri, Novak, Schoenholz, Pennington and Sohl-Dickstein 2018), and its hyper-parameters
are chosen by `log_marginal_likelihood` (Rasmussen and Williams 2006, Chapters 2 and 5). Trained by gradient flow, all
layers, its outputs stay Gaussian, of other mean and covariance: `trained_ensemble` (Lee, Xiao et al. 2019, equations 14
to 16).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignmath.architectures.algebra import Architecture
from alignmath.architectures.numbers import as_factor, has_gradient
from alignmath.arrays import Array, as_floating, namespace, value_only
from alignmath.kernels import conjugate, tangent

from .dynamics.wide_networks.linearisation import linearised

__all__ = ["Posterior", "log_marginal_likelihood", "posterior", "trained_ensemble"]

Kernel = Callable[..., Array]


@dataclass(frozen=True, eq=False)
class Posterior:
    """Gaussian predictions at m inputs.

    - mean: `(m,)`, or `(m, o)` for labels of several outputs
    - covariance: `(m, m)`, of each output; outputs are independent of each other
    - deviation: `(m,)`, the roots of its diagonal

    >>> import numpy as np
    >>> from solvers.regression import posterior
    >>> line = lambda x, other=None: x @ (x if other is None else other).T
    >>> posterior(line, [[1.0]], [2.0], [[3.0]], noise=1.0).mean.round(12).tolist()  # y = w + noise
    [3.0]
    """

    mean: Array
    covariance: Array

    @property
    def deviation(self) -> Array:
        """Standard deviations, 0 where rounding left a variance below 0."""
        xp = namespace(self.covariance)
        return xp.sqrt(xp.clip(xp.linalg.diagonal(self.covariance), 0.0, math.inf))


def posterior(kernel: Architecture | Kernel, x: Any, y: Any, x_new: Any, *, noise: Any = 0.0) -> Posterior:
    """The Gaussian process of mean 0 with this kernel, conditioned on noisy labels: predictions of its values, without
    noise, at `x_new`.

    kernel: a network of `alignmath.architectures`, which stands for its conjugate kernel; or a function `k(x, other)`
        giving the matrix `(n, m)`, and `(n, n)` of `k(x)`.
    x, x_new: inputs, samples along the first dimension, NumPy or torch. y: labels `(n,)` or `(n, o)`.
    noise: the variance of the noise of the labels, 0 or more; torch's gradients flow through it, as through the kernel.

    Raises `ValueError` for bad input, and where the matrix of x with its noise is not positive definite beyond
    rounding, so that predictions would have no digit: duplicates and near duplicates need noise.

    >>> import numpy as np
    >>> from alignmath.activations import RELU
    >>> from alignmath.architectures import FullyConnected
    >>> from solvers.regression import posterior
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> found = posterior(FullyConnected(2, RELU), x, [1.0, -1.0], [[1.0, 0.0], [0.6, 0.8]])
    >>> found.mean.round(3).tolist(), found.deviation.round(3).tolist()
    ([1.0, -0.228], [0.0, 0.386])
    """
    x, y, x_new = _data(x, y, x_new)
    evaluate = _evaluated(kernel)
    factor = _factor(evaluate(x), noise)
    across = _solved(factor, evaluate(x, x_new))
    whitened = _solved(factor, y if y.ndim == 2 else y[:, None])
    mean = across.T @ whitened
    return Posterior(mean if y.ndim == 2 else mean[:, 0], _symmetric(evaluate(x_new) - across.T @ across))


def log_marginal_likelihood(kernel: Architecture | Kernel, x: Any, y: Any, *, noise: Any = 0.0) -> Array:
    """The logarithm of the density of the labels y under `posterior`'s prior, a number; the sum over outputs.

    Arguments, and what is raised, as of `posterior`. With tensors, gradients flow to the inputs, the noise, and the
    variances of a network that are tensors, so that hyper-parameters can be chosen by any optimiser of torch.

    >>> import numpy as np
    >>> from solvers.regression import log_marginal_likelihood
    >>> line = lambda x, other=None: x @ (x if other is None else other).T
    >>> float(log_marginal_likelihood(line, [[1.0]], [2.0], noise=1.0).round(6))  # y ~ N(0, 2)
    -2.265512
    """
    x, y, _ = _data(x, y, None)
    factor = _factor(_evaluated(kernel)(x), noise)
    whitened = _solved(factor, y if y.ndim == 2 else y[:, None])
    xp = namespace(factor)
    outputs = whitened.shape[1]
    volume = xp.sum(xp.log(xp.linalg.diagonal(factor))) + len(y) / 2 * math.log(2 * math.pi)
    return -xp.sum(whitened * whitened) / 2 - outputs * volume


def trained_ensemble(
    architecture: Architecture, x: Any, y: Any, x_new: Any, *, time: float = math.inf, noise: float = 0.0
) -> Posterior:
    """Predictions at `x_new` of infinitely wide networks with random initial weights, all layers trained by gradient
    flow on `1/2 sum (y - u)^2` up to a time, infinity being the end.

    architecture: a network of `alignmath.architectures`. x, y, x_new: as of `posterior`.
    time: 0 or more; 0 is the initial ensemble. noise: the ridge, 0 or more: the loss has `noise / 2` of the square of
        the distance from the initial weights besides.

    With the tangent kernel T, the conjugate kernel K, `D = (T + noise)^-1 (I - exp(-time (T + noise)))` at x and `P =
    T(x_new, x) D`, the mean is `P y` and the covariance `K(x_new, x_new) - P K(x, x_new) - K(x_new, x) P' + P K(x, x)
    P'`: of the outputs `u_new(0) + P (y - u(0))`. Raises `ValueError` as `posterior` does, T in place of K, at infinite
    time; earlier directions that T does not resolve stay as they are.

    >>> import numpy as np
    >>> from alignmath.activations import RELU
    >>> from alignmath.architectures import FullyConnected
    >>> from solvers.regression import trained_ensemble
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> found = trained_ensemble(FullyConnected(2, RELU), x, [1.0, -1.0], [[1.0, 0.0], [0.6, 0.8]])
    >>> found.mean.round(3).tolist()
    [1.0, -0.212]
    """
    x, y, x_new = _data(x, y, x_new)
    T, cross = tangent(x, architecture), tangent(x_new, architecture, x)
    K, beside = conjugate(x, architecture), conjugate(x_new, architecture, x)
    xp = namespace(T)
    ridge = as_factor(noise, "noise")
    if time == math.inf:
        factor = _factor(T, ridge)
        P = _solved(factor, _solved(factor, cross.T), transposed=True).T
    else:
        whole = T + ridge * xp.eye(len(T), dtype=T.dtype, device=T.device)
        P = linearised(whole, xp.eye(len(T), dtype=T.dtype, device=T.device), cross=cross, time=time)[1]
        assert P is not None
        P = P[0]
    mixed = P @ beside.T
    covariance = conjugate(x_new, architecture) - mixed - mixed.T + P @ K @ P.T
    return Posterior(P @ y, _symmetric(covariance))


def _data(x: Any, y: Any, x_new: Any) -> tuple[Array, Array, Array]:
    """The samples and the inputs to predict at, of one library."""
    x, y = as_floating(x, "x", least_ndim=1), as_floating(y, "y", least_ndim=1)
    x_new = x if x_new is None else as_floating(x_new, "x_new", least_ndim=1)
    xp = namespace(x, y, x_new)
    if y.ndim > 2 or len(y) != len(x):
        raise ValueError(f"y has shape {tuple(y.shape)}; expected ({len(x)},) or ({len(x)}, o), a row for each of x")
    if tuple(x_new.shape[1:]) != tuple(x.shape[1:]):
        raise ValueError(f"x_new has shape {tuple(x_new.shape)}; its inputs must be like those of x, {tuple(x.shape)}")
    return x, xp.astype(y, x.dtype), xp.astype(x_new, x.dtype)


def _evaluated(kernel: Architecture | Kernel) -> Kernel:
    """The kernel as a function that checks what it gives."""
    if isinstance(kernel, Architecture):
        return lambda x, other=None: conjugate(x, kernel, other)
    if not callable(kernel):
        raise ValueError(f"kernel is {kernel!r}; pass a network of alignmath.architectures, or a function k(x, other)")

    def evaluate(x: Array, other: Array | None = None) -> Array:
        matrix = as_floating(kernel(x) if other is None else kernel(x, other), "kernel's matrix", least_ndim=2)
        expected = (len(x), len(x if other is None else other))
        if tuple(matrix.shape) != expected:
            raise ValueError(f"kernel gives shape {tuple(matrix.shape)}; expected {expected}")
        return matrix

    return evaluate


def _factor(matrix: Array, noise: Any) -> Array:
    """The Cholesky factor of `matrix + noise`."""
    xp, n = namespace(matrix), len(matrix)
    variance = as_factor(noise, "noise")
    if has_gradient(variance) and isinstance(matrix, np.ndarray):
        raise ValueError("noise is a tensor that requires gradients; pass x and y as tensors too")
    whole = matrix + variance * xp.eye(n, dtype=matrix.dtype, device=matrix.device)
    largest = float(xp.max(xp.linalg.diagonal(value_only(whole))))
    least = n * float(xp.finfo(matrix.dtype).eps) * largest
    try:
        factor = xp.linalg.cholesky(whole)
        resolved = float(xp.min(xp.linalg.diagonal(value_only(factor)))) ** 2 > least
    except (np.linalg.LinAlgError, RuntimeError):  # torch's LinAlgError is a RuntimeError
        resolved = False
        factor = whole
    if not resolved:
        given = float(value_only(variance)) if has_gradient(variance) else variance
        raise ValueError(
            f"the kernel's matrix of x, with noise {given:g}, is not positive definite beyond rounding; merge equal "
            f"inputs, or pass noise of {10 * least:.1g} or more"
        )
    return factor


def _solved(factor: Array, values: Array, *, transposed: bool = False) -> Array:
    """`L^-1 values` for a lower triangular L, or by its transpose."""
    if isinstance(factor, np.ndarray):
        from scipy.linalg import solve_triangular

        return solve_triangular(factor, values, lower=True, trans="T" if transposed else "N")
    solve = namespace(factor).linalg.solve_triangular
    return solve(factor.mT, values, upper=True) if transposed else solve(factor, values, upper=False)


def _symmetric(matrix: Array) -> Array:
    return (matrix + matrix.T) / 2
