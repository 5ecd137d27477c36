"""What lies beyond the min_norm paper: exactly when a teacher is recovered, and from how few samples."""
