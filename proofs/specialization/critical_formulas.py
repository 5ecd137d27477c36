"""The formulas that the claims about critical points (specialization paper, Sections 3 and 4) are about.

Each works on SymPy matrices and symbols, on arrays of rationals and on floats alike. As in the paper `W_l` is `(n_{l-1}, n_l)`, so that
`f_l = D_l W_l^T f_{l-1}`; vectors are columns where they are transposed.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import sympy as sp

__all__ = [
    "ANTIPARALLEL",
    "alive_probability",
    "augmented_weight",
    "backward",
    "batch_direction",
    "extremal_entries",
    "group_kink",
    "inclusion_gram",
    "largest_on_disc",
    "mean_noise_constant",
    "offset_bound",
    "orthogonal_part",
    "plank_energy",
    "plank_point",
    "printed_shapes",
    "recursive_rule",
    "reflected",
    "second_difference",
    "sine_bound",
    "sum_noise_constant",
    "top_down",
]

ANTIPARALLEL = "no two of them parallel or antiparallel"
"""The hypothesis that Lemma 3 and what rests on it need, where the paper excludes parallel ones only."""


def top_down(V: Any, D: Any, W: Any) -> Any:
    """`V_{l-1} = V_l D_l W_l^T`, equation (4)."""
    return V @ D @ W.T


def recursive_rule(D: Any, V: Any, V_teacher: Any, f: Any, f_teacher: Any) -> Any:
    """`g_l = D_l (A_l f_l* - B_l f_l)` with `A_l = V_l^T V_l*`, `B_l = V_l^T V_l`: Lemma 1, equation (3)."""
    return D @ (V.T @ V_teacher @ f_teacher - V.T @ V @ f)


def backward(D: Any, W: Any, g: Any) -> Any:
    """`g_{l-1} = D_{l-1} W_l g_l`, equation (14): what back-propagation does, gates applied last."""
    return D @ (W @ g)


def batch_direction(f: Any, g: Any) -> Any:
    """`f_{l-1} g_l^T`, of which equation (1) takes the mean: what one sample adds to the change of `W_l`."""
    return f @ g.T


def printed_shapes(below: Any, here: Any) -> dict[str, tuple[Any, Any]]:
    """Shapes that the paper gives for layers with biases, of `below` and `here` nodes."""
    return {"W": (below + 1, here), "f_below": (below + 1, 1), "D": (here + 1, here + 1), "g": (here + 1, 1)}


def augmented_weight(W: Any, b: Any) -> Any:
    """`(n_{l-1} + 1, n_l + 1)`: weights and biases, and a last column `e_last` that hands the constant 1 on. SymPy matrices."""
    last = sp.zeros(W.rows + 1, 1)
    last[W.rows] = 1
    return sp.Matrix.hstack(sp.Matrix.vstack(W, b.T), last)


def inclusion_gram(samples: Any, batch: Any) -> tuple[Any, Any]:
    """`(a, b)` with Gram matrix `a I + b J` for the 0/1 matrix of samples in batches: batches with one sample, less those with two; these."""
    both = sp.binomial(samples - 2, batch - 2)
    return sp.binomial(samples - 1, batch - 1) - both, both


def sum_noise_constant(batch: Any) -> Any:
    """`|U_i| <= (2 - 1/B) eps` where every sum over a batch of B is at most eps."""
    return 2 - sp.Integer(1) / batch


def mean_noise_constant(batch: Any) -> Any:
    """`|U_i| <= (2 B - 1) eps` where every mean over a batch of B is at most eps."""
    return batch * sum_noise_constant(batch)


def extremal_entries(batch: Any, eps: Any) -> tuple[Any, Any]:
    """Entries of `U_1` and of every other `U_i` for which the bound on sums is attained."""
    return sum_noise_constant(batch) * eps, -sp.sympify(eps) / batch


def reflected(value: Any, t: Any) -> Any:
    """`relu(-t) = relu(t) - t`, from `value = relu(t)`."""
    return value - t


def group_kink(coefficients: Sequence[Any], factors: Sequence[Any]) -> Any:
    """Kink of `sum_i c_i relu(gamma_i t)` at `t = 0`: `sum_i c_i |gamma_i|`, whatever the signs of the `gamma_i`."""
    return sum(c * abs(gamma) for c, gamma in zip(coefficients, factors, strict=True))


def second_difference(h: Any, x: Any, step: Any) -> Any:
    """`h(x + step) + h(x - step) - 2 h(x)`: equation (43)."""
    return h(x + step) + h(x - step) - 2 * h(x)


def largest_on_disc(centre: Any, slope: Any, reach: Any) -> Any:
    """Largest value of `centre + y . a` for `|y| <= reach`, `slope = |a|`: what a node is at most on the part of a boundary in a ball."""
    return centre + slope * reach


def orthogonal_part(cosine: Any, sine: Any) -> tuple[Any, Any]:
    """Lemma 4, equation (29): u as a combination of the unit vectors w_j and w_j' at the angle with this cosine and sine."""
    return -cosine / sine, 1 / sine


def plank_energy(square: Any, along: Any, half_width: Any, offset: Any, sign: Any) -> Any:
    """What Bang's sum depends on through one sign: `|y|^2 - 2 sum_i s_i h_i m_i` for `y = z + s h u`, with `|z|^2 = square`, `u . z = along`."""
    return square + 2 * sign * half_width * along + half_width**2 - 2 * sign * half_width * offset


def plank_point(directions: Any, half_widths: Any, offsets: Any) -> list[Any]:
    """The point `y = sum_i s_i h_i u_i` whose signs make Bang's sum largest: it lies outside of each plank `|u_i . y - m_i| < h_i`.

    directions: K unit vectors; half_widths, offsets: K numbers. All exact or all floats; 2^K sums.
    """
    best: tuple[Any, list[Any]] | None = None
    for signs in itertools.product((1, -1), repeat=len(half_widths)):
        y = [
            sum(s * h * u[axis] for s, h, u in zip(signs, half_widths, directions, strict=True))
            for axis in range(len(directions[0]))
        ]
        value = sum(c * c for c in y) - 2 * sum(s * h * m for s, h, m in zip(signs, half_widths, offsets, strict=True))
        if best is None or value > best[0]:
            best = value, y
    assert best is not None
    return best[1]


def sine_bound(nodes: Any, reach: Any, radius: Any) -> Any:
    """`(K - 1) q / r`: bound on the sine of the angle to some other node, Lemma 5 mended."""
    return (nodes - 1) * reach / radius


def offset_bound(reach: Any, size: Any, sine: Any, *, sqrt: Any = sp.sqrt) -> Any:
    """`q + sqrt(2) M_0 sin(theta)`: bound on `|b_j' - s b_j|`, Lemma 5 mended. sqrt: of SymPy or NumPy."""
    return reach + sqrt(2) * size * sine


def alive_probability(widths: Sequence[Any]) -> Any:
    """`prod_l (1 - 2^{-n_l})` over the gated layers above the first: that each has an active node. Remark after Theorem 4."""
    result = sp.Integer(1)
    for width in widths:
        result *= 1 - sp.Integer(2) ** (-width)
    return result
