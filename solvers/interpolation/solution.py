"""What minimum-norm interpolation returns: the network, and in `MinNormSolution.dual` the minimum-norm certificate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alignmath.arrays import Array
from alignmath.networks import TwoLayer

from ..runs import Run, Status

__all__ = ["MinNormSolution", "NotCertified", "SolutionStatus", "balanced"]


class NotCertified(ArithmeticError):
    """A solver's answer did not pass its own certificate, so there is none; the text says what to try.

    >>> from solvers.interpolation import penalized
    >>> try:
    ...     penalized([[1.0, 0.0], [0.6, 0.8], [0.3, 0.1]], [1.0, -1.0, 0.5], 1e-15)
    ... except NotCertified as error:
    ...     print(str(error).split("; ")[-1])
    at 3e-15 of largest_penalty(x, y) the optimum is almost min_norm(x, y)
    """


class SolutionStatus(Status):
    """How good the lower bound is that certifies an answer; answers without a certificate are `NotCertified`.

    >>> print(SolutionStatus.BOUND_EXACT.name)
    BOUND_EXACT
    """

    CERTIFIED = (
        0,
        "The gap is within the tolerance, by a bound computed in floating point outside the solver: nothing to do; for "
        "a minimum norm in the plane rigorous=True makes the bound a proof.",
    )
    BOUND_EXACT = 1, "The gap is within the tolerance, and the bound is a proof, by rational arithmetic: nothing to do."


@dataclass(frozen=True, eq=False, kw_only=True)
class MinNormSolution(Run):
    """A minimum-norm interpolating network and the certificate of its minimality; see `interpolation.min_norm`.

    - network: `TwoLayer`, directions merged, balanced: `|output_j| = |hidden_j|`
    - squared_norm: float, `sum a_j^2 + |b_j|^2`
    - dual: `(N,)`, the certificate: multipliers with `|p| <= 1` in every direction; float64, or `np.longdouble` where
      samples are so close that doubles would weaken the bound
    - lower_bound: float, `2 y . dual`, less its rounding; no interpolating network has a smaller squared norm
    - gap: float, what squared_norm exceeds lower_bound by, relative to it
    - residual: float, the largest `|f(x_i) - y_i|`
    - stats: what the method counted, by name
    - status: `SolutionStatus`
    - seconds: float, wall time

    >>> from alignmath.plane import dual_peak
    >>> from solvers.interpolation import min_norm
    >>> x, y = np.eye(2), np.array([1.0, 1.0])
    >>> solution = min_norm(x, y)
    >>> round(solution.squared_norm, 9), round(2 * float(y @ solution.dual), 9)
    (2.828427125, 2.828427125)
    >>> round(dual_peak(x, solution.dual).value, 12)
    1.0
    """

    network: TwoLayer
    squared_norm: float
    dual: Array
    lower_bound: float
    gap: float
    residual: float
    stats: dict[str, float]


def balanced(vectors: np.ndarray, signs: np.ndarray) -> TwoLayer:
    """The network `sum_k signs_k relu(vectors_k . x)`, `(K, d)` and `(K,)`, with `|a_k| = |b_k|`; no vector is 0.

    One silent neuron if K is 0.

    >>> balanced(np.array([[4.0, 0.0]]), np.array([-1.0])).hidden
    array([[2., 0.]])
    """
    if not len(vectors):
        return TwoLayer(np.zeros((1, vectors.shape[1])), np.zeros(1))
    root = np.sqrt(np.linalg.norm(vectors, axis=1))
    return TwoLayer(vectors / root[:, None], signs * root)
