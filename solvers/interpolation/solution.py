"""What minimum-norm interpolation returns."""

from __future__ import annotations

from dataclasses import dataclass

from alignmath.arrays import Array
from alignmath.networks import TwoLayer

__all__ = ["MinNormSolution", "NotCertified"]


class NotCertified(ArithmeticError):
    """A solver's answer did not pass its own certificate."""


@dataclass(frozen=True)
class MinNormSolution:
    """A minimum-norm interpolating network and its certificate; see `interpolation.min_norm`.

    network: merged directions, balanced: `|output_j| = |hidden_j|`. squared_norm: `sum a_j^2 + |b_j|^2`.
    dual: `(N,)`, multipliers with `|p| <= 1` in every direction; float64, or `np.longdouble` where samples are so close
    that doubles would weaken the bound. lower_bound: `2 y . dual`, below which no interpolating network's squared norm
    lies. gap: what squared_norm exceeds it by, relative to it. residual: largest `|f(x_i) - y_i|`.
    status: "certified", or "certified, bound exact" if the bound is from rational arithmetic. stats: what the method
    counted. seconds: wall time.
    """

    network: TwoLayer
    squared_norm: float
    dual: Array
    lower_bound: float
    gap: float
    residual: float
    status: str
    stats: dict[str, float]
    seconds: float
