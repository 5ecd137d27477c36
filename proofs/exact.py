"""The matrices of the alignment paper's equation (5) in exact arithmetic, for functions and angles that SymPy knows exactly."""

from __future__ import annotations

from typing import Any

import sympy as sp

__all__ = ["angular_system", "replaced_determinants"]

pi = sp.pi


def angular_system(f: Any, angles: list[Any]) -> tuple[sp.Matrix, sp.Matrix]:
    """M and b of equation (5) for an exact function of the distance and exact angles, the teacher at 0."""

    def value(difference: Any) -> Any:
        difference = sp.Abs(difference)
        return sp.sympify(f(sp.Min(difference, 2 * pi - difference)))

    return sp.Matrix([[value(p - q) for q in angles] for p in angles]), sp.Matrix([value(p) for p in angles])


def replaced_determinants(matrix: sp.Matrix, rhs: sp.Matrix) -> list[Any]:
    """All `det M_i`, exactly."""
    found = []
    for i in range(matrix.rows):
        changed = matrix.copy()
        changed[:, i] = rhs
        found.append(sp.simplify(changed.det(method="berkowitz")))
    return found
