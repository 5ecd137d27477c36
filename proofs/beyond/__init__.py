"""What the papers leave open or get wrong: corrections, limits of the theorems, new theorems, open questions."""

from . import alignment, determinants, few_samples, min_norm, one_neuron, recovery

__all__ = ["CLAIMS"]

CLAIMS = (
    *determinants.CLAIMS,
    *alignment.CLAIMS,
    *min_norm.CLAIMS,
    *few_samples.CLAIMS,
    *one_neuron.CLAIMS,
    *recovery.CLAIMS,
)
