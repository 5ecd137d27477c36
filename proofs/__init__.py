"""Claims of the papers and what goes beyond them, each with a machine check. `python -m proofs` runs them all."""

__version__ = "0.1.0"
