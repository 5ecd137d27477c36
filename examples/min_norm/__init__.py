"""Figures of the min_norm paper."""
