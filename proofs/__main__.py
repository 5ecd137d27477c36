"""`python -m proofs`: check the claims and print the ledger, as `alignmath claims`."""

import sys

from .terminal import run

if __name__ == "__main__":
    sys.exit(run("proofs.command", "claims"))
