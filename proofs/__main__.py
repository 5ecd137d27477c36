"""`python -m proofs`: check the claims and print the ledger, as `alignmath claims`."""

from __future__ import annotations

import sys

from .command import claims

if __name__ == "__main__":
    sys.exit(claims())
