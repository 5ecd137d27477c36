"""Figures of the wide_networks paper."""
