"""Minimum-norm interpolation (min_norm paper) and its regularised form: `min_norm` and `min_norm_1d`, `penalized` and
`penalty_path` (weight decay to the global optimum), `is_recoverable` (whether a teacher is the answer).

Answers carry their certificate: `MinNormSolution.dual` holds multipliers that prove the norm minimal; the closed form
of the paper's theorem is `alignmath.plane.dual_certificate`. One method a module: `node_values` and `node_program` in
the plane, `lifting` in any dimension, `exchange` for weight decay; `samples` checks the data, `merging` and `pruning`
make networks of the answers. SciPy, HiGHS and cvxpy are imported when a solver runs.
"""

from .minimum_norm import min_norm
from .one_variable import PiecewiseLinear, min_norm_1d
from .recovery import Recovery, RecoveryStatus, is_recoverable
from .solution import MinNormSolution, NotCertified, SolutionStatus
from .weight_decay import PenalizedSolution, largest_penalty, penalized, penalty_path

__all__ = [
    "MinNormSolution",
    "NotCertified",
    "PenalizedSolution",
    "PiecewiseLinear",
    "Recovery",
    "RecoveryStatus",
    "SolutionStatus",
    "is_recoverable",
    "largest_penalty",
    "min_norm",
    "min_norm_1d",
    "penalized",
    "penalty_path",
]
