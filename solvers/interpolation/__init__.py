"""Minimum-norm interpolation (min_norm paper) and its regularised form: `min_norm` and `min_norm_1d`, `penalized` and
`penalty_path` (weight decay to the global optimum), `is_recoverable` (whether a teacher is the answer).

One method a module: `node_values` and `node_program` in the plane, `lifting` in any dimension; `neurons` makes networks
of their answers.
"""

from .minimum_norm import PiecewiseLinear, min_norm, min_norm_1d
from .recovery import Recovery, is_recoverable
from .solution import MinNormSolution, NotCertified
from .weight_decay import PenalizedSolution, largest_penalty, penalized, penalty_path

__all__ = [
    "MinNormSolution",
    "NotCertified",
    "PenalizedSolution",
    "PiecewiseLinear",
    "Recovery",
    "is_recoverable",
    "largest_penalty",
    "min_norm",
    "min_norm_1d",
    "penalized",
    "penalty_path",
]
