"""The matrices of the alignment paper's equation (5) in exact arithmetic, for functions and angles that SymPy knows exactly."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.polys.matrices import DomainMatrix

__all__ = ["angular_system", "is_singular", "replaced", "replaced_determinants"]

pi = sp.pi


def angular_system(f: Any, angles: list[Any]) -> tuple[sp.Matrix, sp.Matrix]:
    """M and b of equation (5) for an exact function of the distance and exact angles, the teacher at 0."""

    def value(difference: Any) -> Any:
        difference = sp.Abs(difference)
        return sp.sympify(f(sp.Min(difference, 2 * pi - difference)))

    return sp.Matrix([[value(p - q) for q in angles] for p in angles]), sp.Matrix([value(p) for p in angles])


def replaced(matrix: sp.Matrix, rhs: sp.Matrix) -> list[sp.Matrix]:
    """The matrices `M_i`: column i of `matrix` replaced by `rhs`."""
    result = [matrix.copy() for _ in range(matrix.cols)]
    for column, square in enumerate(result):
        square[:, column] = rhs
    return result


def replaced_determinants(matrix: sp.Matrix, rhs: sp.Matrix) -> list[Any]:
    """All `det M_i`, exactly."""
    return [sp.simplify(square.det(method="berkowitz")) for square in replaced(matrix, rhs)]


def is_singular(matrix: sp.Matrix, root: Any) -> bool:
    """Whether the determinant is 0, exactly; the entries are polynomials in pi over the rationals with the algebraic number `root`."""
    field = sp.QQ.algebraic_field(root)[sp.pi]
    entries = DomainMatrix.from_Matrix(matrix.applyfunc(sp.expand)).convert_to(field)
    return not entries.charpoly()[-1]
