"""What lies beyond the min_norm paper: exactly when a teacher is recovered, and from how few samples."""

from . import few_samples, one_neuron, recovery, recovery_odds

__all__ = ["CLAIMS"]

CLAIMS = (*recovery.CLAIMS, *few_samples.CLAIMS, *one_neuron.CLAIMS, *recovery_odds.CLAIMS)
