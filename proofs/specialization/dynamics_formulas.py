"""The formulas that the claims about training dynamics (specialization paper, Section 5, Appendices 8.14 and 8.15) are about.

Each works on SymPy symbols and matrices and on floats alike. Vectors of R^d, for any d, are combinations of abstract ones that are known by their
inner products only, see `inner`. `n` is a length `|w|`, `h` the inner product of a residual with the unit vector along w.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp

__all__ = [
    "active_arc",
    "aligned_growth",
    "angular_integral",
    "balanced_velocity",
    "broken_rate",
    "difference_rate",
    "equation_eight",
    "escape_bounds",
    "feedback_rate",
    "fixed_escape_time",
    "gated_outer",
    "growth_limit",
    "growth_rate",
    "inner",
    "log_ratio_rate",
    "node_pull",
    "opening_rate",
    "outer_pull",
    "peak_rate",
    "printed_broken_rate",
    "psi",
    "psi_student",
    "relu_value",
    "solved_length",
    "symmetric_rate",
    "symmetric_residual",
    "turning",
    "velocity",
]

pi = sp.pi


def inner(x: Any, y: Any, gram: Any) -> Any:
    """Inner product of two combinations of abstract vectors: `x^T G y`, G the matrix of inner products of those."""
    return (x.T * gram * y)[0]


# Section 5, equations (5) to (7)


def relu_value(gate: Any, preactivation: Any) -> Any:
    """`f_k = z_k w_k . x`."""
    return gate * preactivation


def node_pull(gate: Any, x: Any, along: Any) -> Any:
    """`x z_k (r . v_k)`, equation (5): what one input adds to the velocity of `w_k`; along: `r . v_k`."""
    return gate * x * along


def outer_pull(value: Any, residual: Any) -> Any:
    """`f_k r`: what one input adds to the velocity of `v_k`."""
    return value * residual


def gated_outer(gate: Any, gate_teacher: Any, x: Any) -> Any:
    """`z_k z_j* x x^T`, of which equation (7) takes the mean: `G_kj`."""
    return gate * gate_teacher * x * x.T


# Theorem 6 and Assumption 2


def active_arc(theta: Any) -> tuple[Any, Any]:
    """Polar angles between which teacher (at 0) and student (at `theta` in `[0, pi]`) are both active: the limits of (54)."""
    return theta - pi / 2, pi / 2


def angular_integral(teacher: Any, I_0: Any, I_1: Any, I_2: Any) -> Any:
    """`I(theta) = (I_1 w* - (I_0 - I_2) / 2) / 2`: equations (56) to (58)."""
    return (I_1 * teacher - (I_0 - I_2) / 2) / 2


def psi(theta: Any) -> Any:
    """Assumption 2's psi for `N(0, I)`: `(pi - theta) / (2 pi)`."""
    return (pi - theta) / (2 * pi)


def psi_student(theta: Any, ratio: Any) -> Any:
    """Assumption 2's second coefficient, psi', for `N(0, I)`: `ratio sin(theta) / (2 pi)`, ratio being `|w_j| / |w_k|`."""
    return ratio * sp.sin(theta) / (2 * pi)


def equation_eight(pulls: Any, pushes: Any, nu: Any, w: Any) -> Any:
    """`r_k = sum_j alpha_jk psi w_j* - sum_k' beta_k'k psi w_k' - nu w_k`, from its two sums."""
    return pulls - pushes - nu * w


def velocity(n: Any, residual: Any) -> Any:
    """`dw_k/dt = |w_k| r_k`: the dynamics of Section 5.3."""
    return n * residual


def balanced_velocity(n: Any, unit_residual: Any) -> Any:
    """The velocity of `w_k` where `|v_k| = |w_k| = n`, from `r_k` formed with the unit vector along `v_k`."""
    return n * unit_residual


# Theorem 7, equations (62) to (69)


def log_ratio_rate(h: Any, h_other: Any) -> Any:
    """d/dt `ln(|w_k| / |w_k'|)`: Theorem 7."""
    return h - h_other


def turning(residual: Any, unit: Any, h: Any) -> Any:
    """d/dt of the unit vector along `w_k`, `(I - u u^T) r_k`: equation (65)."""
    return residual - h * unit


def feedback_rate(square: Any, h: Any, change: Any) -> Any:
    """`dh_k/dt = |r_k|^2 - h_k^2 + u_k . dr_k/dt`: equation (66)."""
    return square - h**2 + change


def symmetric_rate(square: Any, h: Any, S: Any) -> Any:
    """The same for `r_k = r = w* - sum a_k w_k`: `|r|^2 - h_k^2 - S h_k`, equation (67)."""
    return square - h**2 - S * h


def difference_rate(h: Any, h_other: Any, S: Any) -> Any:
    """`d(h_k - h_k')/dt = (h_k' - h_k)(h_k + h_k' + S)`: equation (68)."""
    return (h_other - h) * (h + h_other + S)


def printed_broken_rate(h_1: Any, h: Any, S: Any, gap: Any) -> Any:
    """`d(h_1 - h_k)/dt` as equation (69) prints it; gap: `|r_1|^2 - |r_k|^2`."""
    return difference_rate(h_1, h, S) + gap


def broken_rate(h_1: Any, h: Any, S: Any, gap: Any, eps: Any, own: Any, c_1: Any, c: Any) -> Any:
    """The same with what is left out: `r_1 = r + eps w*`; own: `a_1 |w_1|`; c_1, c: `u_1 . w*` and `u_k . w*`."""
    return printed_broken_rate(h_1, h, S, gap) + eps * (S * c_1 - own * (c_1 - c))


def symmetric_residual(target: Any, weights: Sequence[Any], students: Sequence[Any]) -> Any:
    """`r = w* - sum a_k w_k`: Section 5.3."""
    return target - sum((a * w for a, w in zip(weights, students, strict=True)), 0 * target)


def solved_length(E: Any, A: Any, B: Any) -> tuple[Any, Any]:
    """Length n of a student of the symmetric flow and its part p along r: `n + p = E A`, `n - p = B / E`, with A and B the initial values."""
    return (E * A + B / E) / 2, (E * A - B / E) / 2


def growth_rate(E: Any, omega: Any, A: Any, B: Any) -> Any:
    """`dE/dt` for `E = exp(integral of |r|)`; omega: `w* . r(0)/|r(0)|`; A, B: the sums of `a_k (n_k +- p_k)(0)`."""
    return omega * E - A * E**2 / 2 + B / 2


def growth_limit(omega: Any, A: Any, B: Any, sqrt: Any = sp.sqrt) -> Any:
    """The positive zero of `growth_rate`, to which E tends."""
    return (omega + sqrt(omega**2 + A * B)) / A


def aligned_growth(eps: Any, target_length: Any, t: Any) -> Any:
    """`|w_1| / |w_k|` over its initial value, where all weights are along w* and `r_1 = r + eps w*`: `exp(eps |w*| t)`."""
    return sp.exp(eps * target_length * t)


# Slow convergence, Section 5.3


def opening_rate(delta: Any, strength: Any, n: Any = 1) -> Any:
    """Velocity of `delta = pi - theta`, theta the angle between a student and the only teacher: `strength psi sin(delta) / n`.

    strength: `|w*| alpha`, the teacher's length and the product of the two output weights. n = 1: dynamics (8), where they are divided by `|w|`.
    """
    return strength * psi(pi - delta) * sp.sin(delta) / n


def escape_bounds(eps: Any, delta_0: Any) -> tuple[Any, Any]:
    """Bounds of the integral of `1 / (delta sin delta)` from eps to delta_0 in `(0, pi)`."""
    return 1 / eps - 1 / delta_0, 1 / eps - 1 / delta_0 + delta_0**2 / (6 * sp.sin(delta_0))


def fixed_escape_time(J: Any, n_0: Any, a: Any, strength: Any) -> Any:
    """Escape time with the output weight a fixed: `(2 / a^2) ln(1 + pi n_0 a^2 J / strength)`, strength being `a v* |w*|`.

    n_0: the initial length of the student; J: the integral of `exp(G) / (delta sin delta)`, G that of `(sin s - s cos s) / (s sin s)`.
    """
    return 2 / sp.sympify(a) ** 2 * sp.log(1 + pi * n_0 * a**2 * J / strength)


def peak_rate(strengths: Sequence[Any], profiles: Sequence[Any]) -> Any:
    """Square of the largest growth rate of a small student, over unit fan-outs: `sum_j |v_j*|^2 |w_j*|^2 f(theta_j)^2 / (2 pi)^2`.

    For teachers with orthogonal fan-outs; strengths: `|v_j*| |w_j*|`, profiles: `f(theta_j)`.
    """
    return sum(((s * f / (2 * pi)) ** 2 for s, f in zip(strengths, profiles, strict=True)), sp.Integer(0))
