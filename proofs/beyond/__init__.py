"""What the papers leave open or get wrong: corrections, limits of the theorems, new theorems, open questions."""

from . import alignment, determinants, min_norm

__all__ = ["CLAIMS"]

CLAIMS = (*determinants.CLAIMS, *alignment.CLAIMS, *min_norm.CLAIMS)
