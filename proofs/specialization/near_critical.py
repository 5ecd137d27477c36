"""Networks close to a critical point with a given misalignment, by linear programming; Theorem 5's rate, measured.

The inputs are the square `[-1, 1]^2`. A combination of nodes is affine on each cell that their boundaries cut out, so its largest size is
attained at a vertex of a cell, and the best fan-outs for given nodes are the solution of a linear program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..engine.claims import CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation

__all__ = ["CLAIMS", "LeastResidual", "around", "cell_vertices", "least_residual"]


@dataclass(frozen=True)
class LeastResidual:
    """size: the least possible `max |h|` over the square. lower: its bound by duality. coefficients: of the free nodes, then `(a_1, a_2, a_0)`."""

    size: float
    lower: float
    coefficients: np.ndarray


def cell_vertices(nodes: np.ndarray) -> np.ndarray:
    """The vertices of the cells that the boundaries of `nodes`, `(K, 3)` rows `(w_1, w_2, b)`, cut out of the square: `(V, 2)`."""
    lines = np.vstack([nodes, [[1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1]]])
    first, second = np.triu_indices(len(lines), 1)
    a, b = lines[first], lines[second]
    determinant = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    crossing = np.abs(determinant) > 1e-14
    meet = np.cross(a[crossing], b[crossing])
    x = meet[:, :2] / meet[:, 2:]
    return np.unique(np.round(x[np.all(np.abs(x) <= 1 + 1e-12, axis=1)], 13), axis=0)


def least_residual(fixed: np.ndarray, masses: np.ndarray, free: np.ndarray) -> LeastResidual:
    """The least `max |sum_j masses_j relu(fixed_j) + sum_k c_k relu(free_k) + a . x + a_0|` over the square, over c and a.

    fixed, free: `(J, 3)` and `(K, 3)`. Raises `CheckFailed` if the program is not solved to optimality.
    """
    from scipy.optimize import linprog

    nodes = np.vstack([fixed, free])
    x = cell_vertices(nodes)
    values = np.maximum(x @ nodes[:, :2].T + nodes[:, 2], 0)
    target = values[:, : len(fixed)] @ masses
    columns = np.column_stack([values[:, len(fixed) :], x, np.ones(len(x))])
    height = np.ones((len(x), 1))
    solution = linprog(
        np.eye(columns.shape[1] + 1)[-1],
        np.block([[columns, -height], [-columns, -height]]),
        np.concatenate([-target, target]),
        bounds=(None, None),
        method="highs-ds",
    )
    if solution.status != 0:
        raise CheckFailed(f"the linear program ended with status {solution.status}: {solution.message}")
    multipliers = np.subtract(*np.split(solution.ineqlin.marginals, 2))
    # a signed measure on the vertices that the free columns do not see: no combination of them brings max |h| below its value
    blind = multipliers - columns @ np.linalg.lstsq(columns, multipliers, rcond=None)[0]
    return LeastResidual(float(solution.x[-1]), float(abs(blind @ target) / np.abs(blind).sum()), solution.x[:-1])


def around(node: np.ndarray, turns: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Nodes at the angles `turns` to a unit node `(w_1, w_2, b)`, biases changed by `shifts`: `(K, 3)`."""
    angle = np.arctan2(node[1], node[0]) + turns
    return np.column_stack([np.cos(angle), np.sin(angle), node[2] + shifts])


_RINGS = {
    "one student turned": [(1, 0)],
    "two turned either way": [(1, 0), (-1, 0)],
    "eight around": [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)],
    "twenty-four around": [(a, b) for a in range(-2, 3) for b in range(-2, 3) if (a, b) != (0, 0)],
}
"""Students by their angle and bias to the teacher's, in units of the misalignment: none is closer in both."""


def _measured(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm5.mended")
    rng = np.random.default_rng(861)
    for name, ring in _RINGS.items():
        apart = np.geomspace(1e-3, 1e-1, effort.count(16, 96))
        turns, shifts = np.array(ring, dtype=float).T
        sizes, gaps = [], []
        for angle in apart:
            teacher = around(
                np.array([1.0, 0, rng.uniform(-0.5, 0.5)]), np.array([rng.uniform(-np.pi, np.pi)]), np.zeros(1)
            )[0]
            residual = least_residual(teacher[None], np.ones(1), around(teacher, angle * turns, angle * shifts))
            sizes.append(residual.size)
            gaps.append(residual.size / residual.lower - 1)
        slope, error = _slope(np.log(sizes), np.log(np.sin(apart)))
        d.measurement(
            name,
            0.9 < slope - error and slope + error < 1.1 and max(gaps) < 1e-4,
            rf"$\mu\sim\epsilon^{{{slope:.4f}\pm{error:.4f}}}$ for $\mu$ from 0.001 to 0.1, with $\mu/\epsilon$ between {min(np.sin(apart) / sizes):.2f} and {max(np.sin(apart) / sizes):.2f}.",
            f"{len(apart)} random teachers with unit weights, least squares with a 95% interval, seed 861; the least residuals are optimal to {max(gaps):.0e} by duality",
        )
    return d.measured(
        "the least residual is proportional to the misalignment, however the students around the teacher are combined"
    )


def _slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope of the least-squares line and the half-width of its 95% confidence interval (Student's t)."""
    from scipy.stats import linregress, t

    fit = linregress(x, y)
    return float(fit.slope), float(fit.stderr * t.ppf(0.975, len(x) - 2))


CLAIMS = (
    Claim(
        "specialization.thm5.measured",
        "Theorem 5: the rate in the experiment",
        r"A teacher node in the square $[-1,1]^2$, and 1, 2, 8 or 24 students around it, turned and shifted; $\mu$ is the least $\max(\sin\theta,|b-b^*|)$ over the students, $\epsilon$ the least possible $\max|g_1|$ of a student active everywhere with $\alpha=1$, over all fan-outs. The exponent in $\mu\sim\epsilon^p$, fitted, has its 95% confidence interval within $(0.9,1.1)$: 1, where the paper has $1-\delta$ and $1-2\delta$.",
        Verdict.MEASURED,
        _measured,
        uses=("specialization.thm5.mended",),
    ),
)
