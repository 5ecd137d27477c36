"""Figures of the gradient-descent paper."""
