"""Minimum-norm ReLU networks as a convex program in cvxpy: the readable reference, in any dimension of the input.

With balanced neurons `sum_j a_j^2 + |b_j|^2 = 2 sum_k |c_k|` for `f(x) = sum_k c_k relu(u_k . x)`, `|u_k| = 1`. The
neurons of one activation pattern D and one sign add up to one vector of the closed cone of D, so that the problem is,
over pairs `v_D, w_D` in these cones,

    minimise  sum_D |v_D| + |w_D|   such that   f(x_i) = sum_{D active at i} (v_D - w_D) . x_i = y_i,

which is convex (Pilanci & Ergen 2020, arXiv:2002.10553, where a loss takes the place of interpolation; min_norm paper,
eq. (5)). Its multipliers lambda maximise `y . lambda` under `|p(u)| <= 1`, `p(u) = sum_i lambda_i relu(u . x_i)`.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignmath.arrays import as_number, input_rows, one_per_row
from alignmath.extras import needs
from alignmath.networks import TwoLayer
from alignmath.plane.arrangements import activation_patterns, facets
from alignmath.plane.dual import activation_wedges

from ..runs import Run, Status
from .pruning import pruned
from .samples import row_lengths
from .solution import NotCertified, balanced

__all__ = ["Lifted", "LiftedStatus", "lifted"]

_THIN = 1e-4  # sine of the angle from inside a cone to its farthest facet below which the solver needs help
_SMALL = 1e-7  # relative length below which a neuron is rounding


class LiftedStatus(Status):
    """What the solver says of its own answer.

    >>> LiftedStatus.INACCURATE == 1
    True
    """

    OPTIMAL = 0, "The solver met its tolerances: certify the answer by its multipliers and residuals."
    INACCURATE = 1, "The solver met looser tolerances only: certify the answer, or try another solver or fewer samples."


@dataclass(frozen=True, eq=False, kw_only=True)
class Lifted(Run):
    """Solution of the lifted program: `f(x) = sum_k signs_k relu(vectors_k . x)`; see `lifted`.

    - vectors: `(K, d)`, `c_k u_k` up to sign: those of the program whose length is above 1e-7 of the longest, or of the
      largest `|y_i| / |x_i|` where that is more, merged (see `pruning`) to N at most, about, with the same values
    - signs: `(K,)`, 1 or -1
    - multipliers: `(N,)`, lambda with `|p| <= 1` but for rounding
    - value: float, of the objective at the solver's solution
    - status: `LiftedStatus`
    - seconds: float, wall time

    >>> lifted([[1.0, 0.0]], [0.0]).vectors.shape
    (0, 2)
    """

    vectors: np.ndarray
    signs: np.ndarray
    multipliers: np.ndarray
    value: float

    @property
    def network(self) -> TwoLayer:
        """The balanced network, `|a_k| = |b_k|`; one silent neuron if K is 0."""
        return balanced(self.vectors, self.signs)


def lifted(x: Any, y: Any, *, penalty: float | None = None, solver: str = "CLARABEL", naive: bool = False) -> Lifted:
    """Least `sum |c_k|` that interpolates the labels `y (N,)` at `x (N, d)`, none of them 0, any d.

    penalty: minimise `1/(2n) |f - y|^2 + penalty sum |c_k|` instead, whose multipliers are `(y - f) / (n penalty)`,
    here without the error of that division.
    solver: any of cvxpy's for second-order cones. naive: bound each cone by all N samples instead of its own facets.

    The answer is the solver's: certify it by its multipliers and residuals. Raises `ValueError` for bad input and more
    than 20,000 patterns (see `arrangements.activation_patterns`), `NotCertified` if the solver finds no solution: none
    exists if samples of one ray contradict each other, or opposite ones the linearity of `f(x) - f(-x)`. Raises
    `ImportError` that names the extra `convex` where cvxpy is missing.

    >>> round(lifted([[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0]).value, 4)
    1.4142
    """
    started = time.perf_counter()
    x, y = _samples(x, y)
    beta = None if penalty is None else as_number(penalty, "penalty", above=True)
    lengths = row_lengths(x)
    with np.errstate(over="ignore"):
        units, heights = x / lengths[:, None], y / lengths  # f is positively homogeneous
    size = float(np.abs(heights).max())
    if size == np.inf:
        raise ValueError("y over |x| is beyond 1e308; rescale x or y")
    if size == 0:
        return Lifted(
            vectors=np.zeros((0, x.shape[1])),
            signs=np.zeros(0),
            multipliers=np.zeros(len(x)),
            value=0.0,
            status=LiftedStatus.OPTIMAL,
            seconds=time.perf_counter() - started,
        )
    heights = heights / size
    weights = None if beta is None else size / (len(x) * beta) * lengths**2
    vectors, multipliers, status, value = _solved(units, heights, weights, solver, naive)
    long = np.linalg.norm(vectors, axis=1)
    kept = long > _SMALL * max(1.0, long.max())
    signs = np.repeat([1.0, -1.0], len(vectors) // 2)[kept]
    vectors, signs = pruned(units, vectors[kept], signs, _SMALL)
    scale = size if beta is None else size * beta
    return Lifted(
        vectors=size * vectors,
        signs=signs,
        multipliers=multipliers / lengths,
        value=scale * value,
        status=status,
        seconds=time.perf_counter() - started,
    )


def _samples(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    x = input_rows(x)
    y = one_per_row(y, x, "y")
    zero = ~np.any(x != 0, axis=1)
    if np.any(zero):
        raise ValueError(f"x[{int(np.argmax(zero))}] is the zero vector, where every f is 0; leave it out")
    return x, y


def _cones(units: np.ndarray, naive: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The patterns `(K, N)` with an active sample, and the half-spaces `normals (M, d) . u >= 0` whose intersection
    each cone is, with the number `owner (M,)` of the cone."""
    plane = units.shape[1] == 2
    start = end = np.zeros(0)
    if plane:
        wedges = activation_wedges(units)
        start, end, active = wedges.start, wedges.end, wedges.active
        inner = np.stack([np.cos((start + end) / 2), np.sin((start + end) / 2)], axis=1)
    else:
        cells = activation_patterns(units)
        active, inner = cells.active, cells.directions
    if plane and not naive:
        owner = np.tile(np.arange(len(active)), 2)
        normals = np.concatenate(
            [np.stack([-np.sin(start), np.cos(start)], 1), np.stack([np.sin(end), -np.cos(end)], 1)]
        )
    else:
        owner, sample = np.nonzero(np.ones_like(active) if naive else facets(active))
        normals = np.where(active[owner, sample], 1.0, -1.0)[:, None] * units[sample]
    # within the solver's tolerance a thin cone's half-spaces hold the opposite cone too: add the mean of all samples'
    depth = np.zeros(len(active))
    np.maximum.at(depth, owner, np.sum(normals * inner[owner], axis=1))
    thin = np.flatnonzero(depth < _THIN)
    owner = np.append(owner, thin)
    normals = np.concatenate([normals, np.where(active[thin], 1.0, -1.0) @ units / len(units)])
    seen = np.flatnonzero(active.any(axis=1))
    kept = np.isin(owner, seen)
    return active[seen], np.searchsorted(seen, owner[kept]), normals[kept]


def _solved(
    units: np.ndarray, heights: np.ndarray, weights: np.ndarray | None, solver: str, naive: bool
) -> tuple[np.ndarray, np.ndarray, LiftedStatus, float]:
    """Vectors `(2 K, d)`, the positive ones first, multipliers, status and value of the program.

    With `weights` the objective is `sum |c_k| + 1/2 sum_i weights_i (f_i - heights_i)^2` instead of interpolation.
    """
    needs("cvxpy", "convex")
    import cvxpy as cp
    from scipy import sparse

    if solver not in cp.installed_solvers():
        raise ValueError(f"solver is {solver!r}; cvxpy has {', '.join(cp.installed_solvers())} installed")
    active, owner, normals = _cones(units, naive)
    (cones, count), dimension = active.shape, units.shape[1]

    def products(row: np.ndarray, cone: np.ndarray, factors: np.ndarray, count: int) -> sparse.csr_array:
        """The matrix of `row += factors . vector of the cone`, for each of the triples."""
        column = cone[:, None] * dimension + np.arange(dimension)
        entries = (factors.reshape(-1), (np.repeat(row, dimension), column.reshape(-1)))
        return sparse.csr_array(entries, (count, cones * dimension))

    cone, sample = np.nonzero(active)
    values = products(sample, cone, units[sample], count)
    inside = products(np.arange(len(owner)), owner, normals, len(owner))

    vectors = cp.Variable((2 * cones, dimension))
    flat = cp.vec(vectors, order="C")
    objective: Any = cp.sum(cp.norm(vectors, 2, axis=1))
    fitted: Any = sparse.hstack([values, -values], format="csr") @ flat
    if weights is not None:  # a variable of its own, as multipliers from f - y would have its error over the penalty
        misfit = cp.Variable(count)
        objective = objective + cp.sum_squares(misfit) / 2
        fitted = fitted + cp.multiply(1 / np.sqrt(weights), misfit)
    interpolates: Any = fitted == heights
    in_cones: Any = sparse.block_diag([inside, inside], format="csr") @ flat >= 0
    problem = cp.Problem(cp.Minimize(objective), [interpolates, in_cones])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "may be inaccurate": the caller's certificate decides
            problem.solve(solver=solver)
    except cp.SolverError as error:
        raise NotCertified(f"{solver} failed: {error} Pass another solver, such as CLARABEL or SCS") from None
    if problem.status in ("infeasible", "infeasible_inaccurate"):
        raise NotCertified(
            f"{solver} ended with status {problem.status}: no network interpolates samples of one ray with different "
            "labels over lengths, or opposite samples whose f(x) - f(-x) are not linear in x; correct y, or "
            "pass a penalty"
        )
    if problem.status not in ("optimal", "optimal_inaccurate"):
        raise NotCertified(f"{solver} ended with status {problem.status}; pass another solver, or fewer samples")
    value: Any = problem.value
    status = LiftedStatus.OPTIMAL if problem.status == "optimal" else LiftedStatus.INACCURATE
    return np.asarray(vectors.value), -np.asarray(interpolates.dual_value), status, float(value)
