"""Two-layer ReLU networks on inputs of dimension 2 (min_norm paper).

| module | holds |
| --- | --- |
| `kinks` | kinks of the gradient and their total size kappa, equations (7) and (8) |
| `sectors` | sectors of a teacher, Definition 5.1, and how often samples fall in them, formula (12) |
| `dual` | the dual function p of minimum-norm interpolation and its largest value |
| `certificate` | the explicit minimum-norm certificate: multipliers that prove Theorem 5.2 |
| `rational` | bounds by exact arithmetic, which are proofs |
| `folding` | the half-circle on which interpolation becomes local; used by `solvers.interpolation` |
| `arrangements` | activation patterns, in any dimension |
"""

from .arrangements import Cells, activation_patterns, cell_count, facets, largest_on_cells
from .certificate import dual_certificate
from .dual import DualPeak, Wedges, activation_wedges, arc_peaks, dual_function, dual_peak
from .kinks import Kinks, evaluate, gradient_kinks, kappa
from .rational import exact_dual_square, exact_lower_bound
from .sectors import Sectors, sector_probabilities, sector_probability, sector_probability_bound, teacher_sectors

__all__ = [
    "Cells",
    "DualPeak",
    "Kinks",
    "Sectors",
    "Wedges",
    "activation_patterns",
    "activation_wedges",
    "arc_peaks",
    "cell_count",
    "dual_certificate",
    "dual_function",
    "dual_peak",
    "evaluate",
    "exact_dual_square",
    "exact_lower_bound",
    "facets",
    "gradient_kinks",
    "kappa",
    "largest_on_cells",
    "sector_probabilities",
    "sector_probability",
    "sector_probability_bound",
    "teacher_sectors",
]
