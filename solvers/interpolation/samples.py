"""What samples must satisfy for a network `sum_j a_j relu(b_j . x)` to interpolate them, checked ahead of a solver.

f is positively homogeneous, so labels over lengths agree on a ray; f is 0 at x = 0; and `f(x) - f(-x)` is linear in x.
"""

from __future__ import annotations

import numpy as np

from alignmath.arrays import Array, input_rows, one_per_row
from alignmath.plane.arrangements import largest_on_cells
from alignmath.plane.dual import dual_peak
from alignmath.plane.folding import Folded, fold

__all__ = ["checked_plane", "checked_samples", "checked_space", "peak_size", "row_lengths"]

_EPS = float(np.finfo(float).eps)


def checked_samples(x: Array, y: Array) -> tuple[np.ndarray, np.ndarray]:
    """`x (N, d)` and `y (N,)` as float64 arrays; `ValueError` for other shapes, and for a label other than 0 at 0.

    >>> checked_samples([[1, 0], [0, 2]], [1, 3])[1]
    array([1., 3.])
    """
    x = input_rows(x)
    y = one_per_row(y, x, "y")
    for name, sizes in (("x", np.abs(x).max(axis=1)), ("y", np.abs(y))):
        odd = np.flatnonzero((sizes != 0) & ((sizes < 1e-150) | (sizes > 1e150)))
        if len(odd):
            raise ValueError(f"{name}[{odd[0]}] has size {sizes[odd[0]]:.3g}, outside 1e-150 to 1e150; rescale {name}")
    at_zero = np.flatnonzero(~np.any(x != 0, axis=1) & (y != 0))
    if len(at_zero):
        raise ValueError(
            f"y[{at_zero[0]}] is {y[at_zero[0]]} at x = 0, where every such network is 0; add a bias input"
        )
    return x, y


def row_lengths(x: np.ndarray) -> np.ndarray:
    """Lengths `(N,)` of the rows of x, of any scale.

    >>> row_lengths(np.array([[3e-200, 4e-200], [0.0, 0.0]]))
    array([5.e-200, 0.e+000])
    """
    largest = np.abs(x).max(axis=1)
    return largest * np.linalg.norm(x / np.where(largest > 0, largest, 1)[:, None], axis=1)


def checked_plane(x: np.ndarray, y: np.ndarray, kept: np.ndarray) -> Folded | None:
    """The folded samples `kept (K,)`, once labels of one ray and of opposite samples agree; None without any.

    >>> checked_plane(np.eye(2), np.ones(2), np.arange(2)).group.tolist()
    [0, 2]
    """
    if not len(kept):
        return None
    folded = fold(x[kept])
    heights = y[kept] / np.hypot(x[kept, 0], x[kept, 1])
    first = np.where(folded.side > 0, folded.plus[folded.group], folded.minus[folded.group])
    _require_same_on_rays(heights, first, kept)
    both = np.flatnonzero(folded.antipodal)
    lines = folded.nodes[both].astype(float)
    odd = (heights[folded.plus[both]] - heights[folded.minus[both]]) / 2
    _require_linear(lines, odd, np.abs(heights).max(), kept[folded.plus[both]], kept[folded.minus[both]])
    return folded


def checked_space(x: np.ndarray, y: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """One sample of each ray among those `kept (K,)`, in any dimension, the same checks made; quadratic in K.

    >>> checked_space(np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([1.0, 2.0]), np.arange(2))
    array([0])
    """
    if not len(kept):
        return kept
    lengths = row_lengths(x[kept])
    units, heights = x[kept] / lengths[:, None], y[kept] / lengths
    apart = np.linalg.norm(units[:, None] - units, axis=2)
    first = np.argmax(apart <= 8 * _EPS, axis=1)
    _require_same_on_rays(heights, first, kept)
    plus, minus = np.nonzero(np.triu(np.linalg.norm(units[:, None] + units, axis=2) <= 8 * _EPS))
    odd = (heights[plus] - heights[minus]) / 2
    _require_linear(units[plus], odd, np.abs(heights).max(), kept[plus], kept[minus])
    return kept[first == np.arange(len(first))]


def peak_size(x: np.ndarray, multipliers: np.ndarray) -> float:
    """The largest `|p|` over all directions: of x `(N, 2)` by `dual_peak`, in other dimensions by `largest_on_cells`.

    >>> peak_size(np.array([[0.0, 2.0]]), np.array([-1.0]))
    2.0
    """
    if x.shape[1] == 2:
        return dual_peak(x, multipliers).value
    return largest_on_cells(x, multipliers.astype(float))


def _require_same_on_rays(heights: np.ndarray, first: np.ndarray, kept: np.ndarray) -> None:
    differs = np.flatnonzero(np.abs(heights - heights[first]) > 64 * _EPS * np.abs(heights).max())
    if len(differs):
        i, j = sorted((int(kept[differs[0]]), int(kept[first[differs[0]]])))
        a, b = heights[first[differs[0]]], heights[differs[0]]
        raise ValueError(
            f"samples {i} and {j} lie on one ray (to 2e-15 radians), where f is linear, but their labels over their "
            f"lengths are {a:.6g} and {b:.6g}; no such network interpolates them: correct y. In one variable, centre "
            "and scale it"
        )


def _require_linear(lines: np.ndarray, odd: np.ndarray, size: float, plus: np.ndarray, minus: np.ndarray) -> None:
    """`f(x) - f(-x)` is linear in x for every such network: so must be half the differences `odd` on the `lines`."""
    if not len(lines):
        return
    v = np.linalg.lstsq(lines, odd, rcond=None)[0]
    wrong = np.abs(lines @ v - odd)
    if wrong.max() > 256 * _EPS * size:
        worst = int(np.argmax(wrong))
        raise ValueError(
            f"samples {plus[worst]} and {minus[worst]} are opposite, and f(x) - f(-x) is linear in x for every such "
            "network, which their labels are not; no such network interpolates them: correct y"
        )
