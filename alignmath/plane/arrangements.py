"""Which samples a ReLU neuron can be active on: the cells of a central arrangement of hyperplanes, in any dimension.

The hyperplanes orthogonal to the samples `x_i` cut the directions u into open cones, the cells; on each of them the
activation pattern `{i : x_i . u > 0}` is constant, and no two cells share it. In general position there are
`2 sum_{k<d} C(N-1, k)` (Cover 1965, IEEE Trans. Electron. Comput. EC-14, Theorem 1). `plane.activation_wedges` gives
the cells of the plane with their edges.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import as_order, input_rows, one_per_row
from .dual import activation_wedges

__all__ = ["Cells", "activation_patterns", "cell_count", "facets", "largest_on_cells"]

_SAME = 1e-9  # sine of the angle below which a line is another line, or lies in a hyperplane
_TOO_CLOSE = "x has rows too close to a degenerate position to tell their patterns; make the close ones equal"


@dataclass(frozen=True, eq=False)
class Cells:
    """The K cells of an arrangement, in increasing order of their patterns, of which no two are equal.

    - active: `(K, N)` bool, which samples a neuron of the cell is active on
    - directions: `(K, d)`, a unit vector inside each cell

    >>> cells = activation_patterns([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> cells.active.shape, cells.directions.shape
    ((6, 3), (6, 2))
    """

    active: np.ndarray
    directions: np.ndarray


def cell_count(samples: int, dimension: int) -> int:
    """Number of cells of `samples` hyperplanes through 0 in general position, the most there can be.

    `2 sum_{k<d} C(N-1, k)`, Cover 1965, Theorem 1; 1 where there is no hyperplane.

    >>> cell_count(10, 2), cell_count(10, 3)
    (20, 92)
    """
    samples = as_order(samples, "samples", most=10**6)
    dimension = as_order(dimension, "dimension", least=1, most=10**6)
    if dimension >= samples:
        return 2**samples
    return 2 * sum(math.comb(samples - 1, k) for k in range(dimension))


def activation_patterns(x: Any, limit: int = 20_000) -> Cells:
    """All activation patterns of the samples `x (N, d)`, none of them 0, in directions orthogonal to none.

    Samples may be in any position: repeated, opposite, or in a common hyperplane. Lines closer than about 1e-9 radians
    count as one, and a line as near to the span of others as lying in it. Raises `ValueError` for x that is
    not finite, or has a row 0; where more than `limit` patterns are to be expected (`cell_count` of the distinct
    lines); and where positions are so close to degenerate that signs cannot be told in float64.

    A cell is the cone of its extremal rays. On a ray n the samples not orthogonal to n have the same sign in all cells
    around it; those orthogonal to n have, in these cells, the patterns of their own arrangement in one dimension less.

    >>> activation_patterns([[1.0, 0.0], [2.0, 0.0], [0.0, -1.0]]).active
    array([[False, False, False],
           [False, False,  True],
           [ True,  True, False],
           [ True,  True,  True]])
    """
    x = input_rows(x)
    limit = as_order(limit, "limit", least=1, most=10**12)
    sizes = np.abs(x).max(axis=1)
    if not np.all(sizes > 0):
        raise ValueError(f"x[{int(np.argmin(sizes))}] is the zero vector, which has no direction; leave it out")
    units = x / sizes[:, None]
    units /= np.linalg.norm(units, axis=1)[:, None]
    line, sign = _lines(units)
    distinct = units[np.unique(line, return_index=True)[1]]
    spread = np.linalg.svd(distinct, compute_uv=False)
    rank = int(np.sum(spread > _SAME * spread[0]))
    expected = cell_count(len(distinct), rank)
    if expected > limit:
        named = str(expected) if expected < 10**15 else "more than 10^15"
        raise ValueError(
            f"{len(distinct)} distinct lines of samples in {rank} dimensions have up to {named} activation patterns, "
            f"beyond the limit of {limit}: pass fewer samples, or a larger limit"
        )
    positive, directions = _cells(distinct, rank)
    active = positive[:, line] == (sign > 0)
    if not np.array_equal(directions @ units.T > 0, active):
        raise ValueError(_TOO_CLOSE)
    order = np.lexsort(active.T[::-1])
    return Cells(active[order], directions[order])


def facets(active: Any) -> np.ndarray:
    """Which samples bound each cell: `(K, N)` bool for all the patterns `active (K, N)` of an arrangement.

    A hyperplane bounds a cell if the pattern beyond it is one of the arrangement. Of the samples that share one, only
    the first is named. Raises `ValueError` for anything but distinct patterns.

    >>> cells = activation_patterns([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> facets(cells.active).sum(axis=1)  # in the plane a cell has two sides
    array([2, 2, 2, 2, 2, 2])
    """
    active = np.asarray(active)
    if active.ndim != 2 or active.dtype != bool or not active.size:
        raise ValueError(f"active has shape {active.shape} and dtype {active.dtype}; expected (K, N) of bool")
    _, first = np.unique(active ^ active[0], axis=1, return_index=True)
    distinct = active[:, first]
    codes = np.packbits(distinct, axis=1)
    known = {code.tobytes() for code in codes}
    if len(known) < len(active):
        raise ValueError(f"active has {len(active) - len(known)} repeated rows; pass each pattern once")
    flips = np.packbits(np.eye(len(first), dtype=bool), axis=1)
    bounds = np.zeros_like(active)
    for sample, flip in zip(first, flips, strict=True):
        bounds[:, sample] = [code.tobytes() in known for code in codes ^ flip]
    return bounds


def _lines(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of the unit vectors, the number `(N,)` of its line, in order of appearance, and its sign on it."""
    line, sign = np.full(len(units), -1), np.ones(len(units))
    count = 0
    for i, unit in enumerate(units):
        if line[i] < 0:
            along = units @ unit
            close = np.flatnonzero((line < 0) & (np.abs(along) > 0.9))  # the sine only where it can be small
            close = close[np.linalg.norm(units[close] - along[close, None] * unit, axis=1) <= _SAME]
            line[close], sign[close] = count, np.sign(along[close])
            count += 1
    return line, sign


def _cells(units: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Patterns `(K, N)` and inner directions `(K, d)` of distinct lines that span `rank` dimensions."""
    _, spread, axes = np.linalg.svd(units, full_matrices=False)
    to_span = axes[:rank].T / spread[:rank]  # an invertible map of the span changes no pattern, and evens the lines out
    lines = units @ to_span
    lines /= np.linalg.norm(lines, axis=1)[:, None]
    if rank == 1:
        active, inside = np.array([[False], [True]]), np.array([[-1.0], [1.0]]) * lines
    elif rank == 2:
        wedges = activation_wedges(lines)
        middle = (wedges.start + wedges.end) / 2
        active, inside = wedges.active, np.stack([np.cos(middle), np.sin(middle)], axis=1)
    else:
        around, rays = _around_rays(lines)
        turned = around[:, 0]  # cells come in opposite pairs: find those where the first sample is silent
        codes = np.packbits(around ^ turned[:, None], axis=1)
        _, first, cell = np.unique(codes, axis=0, return_index=True, return_inverse=True)
        half = (around ^ turned[:, None])[first]
        middle = np.zeros((len(half), rank))
        np.add.at(middle, cell.reshape(-1), np.where(turned[:, None], -rays, rays))
        active, inside = np.concatenate([half, ~half]), np.concatenate([middle, -middle])
    directions = inside @ to_span.T
    return active, directions / np.linalg.norm(directions, axis=1)[:, None]


def _around_rays(lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The patterns around each ray in which hyperplanes meet, one of the two on its line: patterns `(M, N)`, each as
    often as its cell has such rays, and the rays `(M, d)`."""
    count, dimension = lines.shape
    meeting = np.array(list(itertools.combinations(range(count), dimension - 1)))
    _, spread, axes = np.linalg.svd(lines[meeting])
    independent = spread[:, -1] > _SAME
    if np.any(independent & (spread[:, -1] < 1e3 * _SAME)):
        raise ValueError(_TOO_CLOSE)  # rounding would turn the ray too much
    meeting, rays = meeting[independent], axes[independent, -1]
    products = rays @ lines.T
    on_ray = np.abs(products) <= _SAME
    simple = on_ray.sum(axis=1) == dimension - 1
    choices = np.array(list(itertools.product([False, True], repeat=dimension - 1)))
    patterns = np.repeat((products > 0)[simple, None], len(choices), axis=1)
    np.put_along_axis(
        patterns, np.broadcast_to(meeting[simple, None], (*patterns.shape[:2], dimension - 1)), choices, 2
    )
    around, along = [patterns.reshape(-1, count)], [np.repeat(rays[simple], len(choices), axis=0)]
    flats, first = np.unique(on_ray[~simple], axis=0, return_index=True)
    for flat, ray, product in zip(flats, rays[~simple][first], products[~simple][first], strict=True):
        local, _ = _cells(lines[flat], dimension - 1)
        patterns = np.repeat((product > 0)[None], len(local), axis=0)
        patterns[:, flat] = local
        around.append(patterns)
        along.append(np.repeat(ray[None], len(local), axis=0))
    return np.concatenate(around), np.concatenate(along)


def largest_on_cells(x: Any, multipliers: Any) -> float:
    """The largest `|p(u)|` over all directions, `p(u) = sum_i multipliers_i relu(x_i . u)`, in any dimension.

    x: `(N, d)`; multipliers: `(N,)`. On each cell p is `g . u`; its largest value over the cell's closed cone is
    the length of the projection of g on the cone, a non-negative least-squares problem. In the plane
    `plane.dual_peak` is faster. Errors as for `activation_patterns`.

    >>> round(largest_on_cells(np.eye(3), [1.0, 1.0, 1.0]) ** 2, 12)
    3.0
    """
    from scipy.optimize import nnls

    x = input_rows(x)
    multipliers = one_per_row(multipliers, x, "multipliers")
    kept = np.any(x != 0, axis=1)
    x, multipliers = x[kept], multipliers[kept]
    if not len(x):
        return 0.0
    active = activation_patterns(x).active
    gradients = (active * multipliers) @ x
    largest = 0.0
    for pattern, bounds, g in zip(active, facets(active), gradients, strict=True):
        if np.linalg.norm(g) <= largest:
            continue
        normals = np.where(pattern[bounds], 1.0, -1.0)[:, None] * x[bounds]
        normals /= np.linalg.norm(normals, axis=1)[:, None]
        for sign in (1.0, -1.0):
            largest = max(largest, float(nnls(normals.T, -sign * g)[1]))
    return largest
