"""Figures of the alignment paper."""
