"""Random wide networks of the paper, trained by gradient descent: the runs behind its measured claims."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from alignmath.activations import SOFTPLUS, Activation, from_functions
from alignmath.kernels import gram
from solvers.gram import Descent, follow, grams, random_network

from ..claims import Effort
from ..specialization.coverage import interval

__all__ = [
    "DEPTHS",
    "LATE",
    "Runs",
    "initial_errors",
    "labels",
    "mean_with_interval",
    "slopes",
    "trained",
    "unit_inputs",
]

DEPTHS = {"fully_connected": 2, "resnet": 3, "convolutional_resnet": 2}
"""The architectures with the depths H at which they are trained."""
_SHAPES = {"fully_connected": (3,), "resnet": (3,), "convolutional_resnet": (2, 4)}
_SHIFT, _SHARPNESS = 1.0, 4.0
LATE: Activation = from_functions(
    "late softplus",
    lambda x: SOFTPLUS.value(_SHARPNESS * (x - _SHIFT)) / _SHARPNESS,
    lambda x: SOFTPLUS.derivative(_SHARPNESS * (x - _SHIFT)),
    lipschitz=1.0,
    smoothness=_SHARPNESS / 4,
    analytic=True,
)
"""`log(1 + exp(4 (x - 1))) / 4`, which satisfies Conditions 3.1 and 3.2 with the constants 1 and 1."""


def unit_inputs(n: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """n independent inputs, uniform on the sphere: `(n, *shape)`, Frobenius norms 1."""
    x = np.random.default_rng(seed).standard_normal((n, *shape))
    return x / np.sqrt((x * x).sum(axis=tuple(range(1, x.ndim)), keepdims=True))


def labels(n: int) -> np.ndarray:
    """Labels `(n,)`, uniform in `[-1, 1]`."""
    return np.random.default_rng(1).uniform(-1, 1, n)


def mean_with_interval(values: np.ndarray) -> tuple[float, float]:
    """Mean of independent values `(S,)` and the half-width of its 95% interval (Student)."""
    mean, half = interval(values)
    return float(mean), float(half)


def slopes(arguments: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Slope of a straight line through `(K,)` arguments and each of S rows of values `(S, K)`: mean and half-width of the 95% interval."""
    return mean_with_interval(np.array([np.polyfit(arguments, row, 1)[0] for row in values]))


@dataclass(frozen=True)
class Runs:
    """Training runs of one architecture: widths `(W,)`, and for S seeds each the descent; rows below are `(S, W)`.

    limit: `K^(H)`. whole: the least eigenvalue of the limit of the whole G.
    """

    architecture: str
    widths: np.ndarray
    limit: np.ndarray
    whole: float
    descents: tuple[tuple[Descent, ...], ...]

    def rows(self, measure: str) -> np.ndarray:
        """One of the quantities that `trained` names."""
        H, y = DEPTHS[self.architecture], labels(len(self.limit))
        size = np.linalg.norm(self.limit, 2)

        def start(run: Descent) -> float:
            return float(np.linalg.norm(y - run.outputs[0]) / np.sqrt(len(y)))

        def value(run: Descent) -> float:
            top = run.grams[:, H - 1]
            return {
                "drift": lambda: run.drift.max(),
                "change of the top Gram matrix": lambda: (
                    max(np.linalg.norm(G - top[0], 2) for G in top) / size / start(run)
                ),
                "distance from (I - step G(0))": lambda: np.abs(y - run.outputs - run.by_gram).max() / start(run),
                "distance from (I - step K)": lambda: np.abs(y - run.outputs - run.by_limit).max() / start(run),
            }[measure]()

        return np.array([[value(run) for run in row] for row in self.descents])


@cache
def trained(architecture: str, effort: Effort) -> Runs:
    """Softplus networks of widths 32 and 192 (full: 32 to 512), 6 inputs, 40 steps of `1 / lambda_max(G(0))` (full:
    200).

    "drift": largest `|W^(h)(k) - W^(h)(0)|_F / sqrt(m)` of a layer and a recorded step; "change of the top Gram
    matrix": largest `|G^(H)(k) - G^(H)(0)|` over `|K^(H)|`, spectral; distances: largest over inputs and steps. The last three are over the root mean square of `y - u(0)`, to
    which they are proportional to first order.
    """
    widths = np.array([32, 192] if effort is Effort.QUICK else [32, 64, 128, 256, 512])
    seeds, steps = effort.count(20, 30), effort.count(40, 200)
    H, shape = DEPTHS[architecture], _SHAPES[architecture]
    X, y = unit_inputs(6, shape), labels(6)
    inputs = shape if len(shape) > 1 else shape[0]
    descents = tuple(
        tuple(
            follow(
                random_network(inputs, H, int(m), SOFTPLUS, architecture, seed=1000 * seed + int(m)),
                X,
                y,
                steps,
                record=np.linspace(0, steps, 6).astype(int).tolist(),
            )
            for m in widths
        )
        for seed in range(seeds)
    )
    every = [gram(X, H, SOFTPLUS, architecture, layer=h) for h in range(1, H + 2)]
    whole = float(np.linalg.eigvalsh(np.sum(every, axis=0))[0])
    return Runs(architecture, widths, every[H - 1], whole, descents)


def initial_errors(
    architecture: str, activation: Activation, depths: list[int], widths: list[int], seeds: int
) -> np.ndarray:
    """`|G^(H)(0) - K^(H)| / |K^(H)|`, spectral, for 6 inputs: `(S, depths, widths)`, every network drawn anew."""
    shape = _SHAPES[architecture]
    inputs = shape if len(shape) > 1 else shape[0]
    X = unit_inputs(6, shape)
    found = np.empty((seeds, len(depths), len(widths)))
    for j, H in enumerate(depths):
        K = gram(X, H, activation, architecture)
        for k, m in enumerate(widths):
            for seed in range(seeds):
                key = seed + 10_000 * (j + 100 * k)
                G = grams(random_network(inputs, H, m, activation, architecture, seed=key), X)[H - 1].numpy()
                found[seed, j, k] = np.linalg.norm(G - K, 2) / np.linalg.norm(K, 2)
    return found
