"""What the papers leave open or get wrong: corrections, limits of the theorems, new theorems, open questions."""

from . import alignment, determinants

__all__ = ["CLAIMS"]

CLAIMS = (*determinants.CLAIMS, *alignment.CLAIMS)
