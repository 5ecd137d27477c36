"""What lies beyond the alignment paper: higher dimensions, other kernels, several teachers."""

from . import determinant_condition, higher_dimensions

__all__ = ["CLAIMS"]

CLAIMS = (*determinant_condition.CLAIMS, *higher_dimensions.CLAIMS)
