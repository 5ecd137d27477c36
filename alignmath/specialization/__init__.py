"""Which teacher nodes students have found, and what they need to see them.

- `condensation`: students on the lines of a teacher (min_norm paper, Definition 4.1)
- `correlation`: normalised correlations of activations, coverage (specialization paper, Section 6)
- `mixture_matrices`: `V_l`, `A_l`, `B_l` of the recursive gradient rule (Lemma 1, equations (3) and (4)), the strength
  of fan-outs
- `observation`: which nodes see the boundary of which others (Definition 2)
"""

from .condensation import Condensation, is_condensed
from .correlation import Match, best_match, correlations, covered, fan_out_norms, mean_best, relu_correlation
from .mixture_matrices import Mixture, TopDown, fan_out_strength, mixture, recursive_gradient, top_down
from .observation import observers

__all__ = [
    "Condensation",
    "Match",
    "Mixture",
    "TopDown",
    "best_match",
    "correlations",
    "covered",
    "fan_out_norms",
    "fan_out_strength",
    "is_condensed",
    "mean_best",
    "mixture",
    "observers",
    "recursive_gradient",
    "relu_correlation",
    "top_down",
]
