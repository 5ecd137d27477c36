"""Claims of the papers and what goes beyond them, each with a machine check. `python -m proofs` runs them all."""

__all__ = ["PAPERS"]
__version__ = "0.1.0"
__project__ = "alignmath"
"""Whose this package is: others of its name exist, and `alignmath --version` looks for this."""

PAPERS = ("alignment", "specialization", "min_norm", "wide_networks", "computed")
"""The first words of the claims' names, in the ledger's order: the papers, and the forms that belong to none."""
