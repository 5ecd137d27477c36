"""The formulas that the claims of the alignment paper are about, as SymPy expressions.

Each is written once, here, and looked up when a check runs, so that altering one makes the claims that rest on it fail.
Angles are in radians; `profile` is the paper's f, and the teacher sits at angle 0 with length 1 unless said otherwise.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

__all__ = [
    "corrected_gradient",
    "equation_two_left",
    "equation_two_right",
    "fourier_linear",
    "fourier_profile",
    "log_concavity",
    "opposite_sines",
    "overlap",
    "pair_term",
    "printed_gradient",
    "profile",
    "profile_oscillation",
    "profile_slope",
    "two_student_lengths",
    "two_student_residual",
]

pi = sp.pi


def profile(t: Any) -> Any:
    """`f(t) = sin t + (pi - t) cos t` (Lemma 4.2)."""
    return sp.sin(t) + (pi - t) * sp.cos(t)


def profile_slope(t: Any) -> Any:
    """`f'(t) = -(pi - t) sin t`."""
    return -(pi - t) * sp.sin(t)


def log_concavity(s: Any) -> Any:
    """`f f'' - f'^2` at `t = pi - s`: `sin(s)^2 - s^2`."""
    return sp.sin(s) ** 2 - s**2


def profile_oscillation(t: Any) -> Any:
    """`f'' + f = 2 sin t` on `[0, pi]`."""
    return 2 * sp.sin(t)


def overlap(t: Any) -> Any:
    """`E[relu(u.x) relu(v.x)]` for unit vectors at angle t: `f(t) / (2 pi)`."""
    return profile(t) / (2 * pi)


def pair_term(w_unit: Any, v: Any, v_length: Any, t: Any) -> Any:
    """`E[x step(w.x) relu(v.x)] = ((pi - t) v + |v| sin(t) w/|w|) / (2 pi)`, t the angle between w and v."""
    return ((pi - t) * v + v_length * sp.sin(t) * w_unit) / (2 * pi)


def printed_gradient(student_sum: Any, teacher: Any) -> Any:
    """Equation (1) as printed: the bracket over 4 pi. The arguments are the sums of `(pi - t) w + rho sin(t) u`."""
    return (student_sum - teacher) / (4 * pi)


def corrected_gradient(student_sum: Any, teacher: Any) -> Any:
    """Equation (1) with the constant of the stated loss: the same bracket over 2 pi."""
    return (student_sum - teacher) / (2 * pi)


def equation_two_left(t_teacher: Any, w_teacher: Any) -> Any:
    """Left side of equation (2), `(pi - t_i0) w_0`."""
    return (pi - t_teacher) * w_teacher


def equation_two_right(rho: Any, u: Any, t_teacher: Any, rho_teacher: Any, sines: Any, vectors: Any) -> Any:
    """Right side of equation (2); `sines` is `sum_j rho_j sin t_ij`, `vectors` is `sum_j (pi - t_ij) w_j`, over j not i."""
    return (pi * rho - rho_teacher * sp.sin(t_teacher) + sines) * u + vectors


def two_student_lengths(a: Any, b: Any) -> tuple[Any, Any, Any]:
    """`(rho_0, rho_1, rho_2)` up to a factor, for students at angles a and b on either side of the teacher (Theorem 3.1)."""
    return (pi - a - b) * sp.sin(a + b), (pi - b) * sp.sin(b), (pi - a) * sp.sin(a)


def two_student_residual(a: Any, b: Any) -> Any:
    """Right minus left side of the first equation (2) with these lengths, along `u_1`; it closes the proof of Theorem 3.1."""
    return a * sp.sin(b) * (2 * pi - a - b) + b * sp.sin(a) * sp.sin(a + b)


def fourier_profile(n: Any) -> Any:
    """`(1/2 pi) integral F(t) e^{-int} dt` for integers n >= 0 other than 1: `2 (1 + (-1)^n) / (pi (n^2 - 1)^2)`."""
    return 2 * (1 + (-1) ** n) / (pi * (n**2 - 1) ** 2)


def fourier_linear(n: Any) -> Any:
    """The same for `pi - |t|`, n >= 1: `(1 - (-1)^n) / (pi n^2)`."""
    return (1 - (-1) ** n) / (pi * n**2)


def opposite_sines(a: Any, b: Any) -> Any:
    """`f(a) f(b) - f(a + b) f(0)` for `f = cos` (Conjecture 5.8): `sin a sin b`."""
    return sp.sin(a) * sp.sin(b)
