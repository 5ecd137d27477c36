"""Figures of the specialization paper."""
