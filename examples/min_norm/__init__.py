"""Figures of the minimum-norm paper."""
