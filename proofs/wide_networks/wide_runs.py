"""Random wide networks of the paper, trained by gradient descent: the runs behind its measured claims."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from alignmath.activations import SOFTPLUS, Activation, from_functions
from alignmath.kernels import gram
from solvers.dynamics.wide_networks import grams, linearised, random_network

from ..engine.claims import Effort
from ..engine.statistics import mean_interval
from .long_descent import LongDescent, descend
from .sampled_grams import sampled_top_grams

__all__ = [
    "DEPTHS",
    "LATE",
    "SHORT",
    "STEPS",
    "TRAINED_SHAPES",
    "WideRun",
    "WideRuns",
    "initial_errors",
    "input_size",
    "labels",
    "mean_with_interval",
    "sampled_errors",
    "slopes",
    "train",
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


def labels(n: int, seed: int = 0) -> np.ndarray:
    """Labels `(n,)`, uniform in `[-1, 1]`."""
    return np.random.default_rng(1 + seed).uniform(-1, 1, n)


def input_size(shape: tuple[int, ...]) -> int | tuple[int, int]:
    """What `random_network` is told of inputs of this shape."""
    return shape[0] if len(shape) == 1 else (shape[0], shape[1])


def mean_with_interval(values: np.ndarray) -> tuple[float, float]:
    """Mean of independent values `(S,)` and the half-width of its 95% interval (Student)."""
    mean, half = mean_interval(values)
    return float(mean), float(half)


def slopes(arguments: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Slope of a straight line through `(K,)` arguments and each of S rows of values `(S, K)`: mean and half-width of the 95% interval."""
    return mean_with_interval(np.array([np.polyfit(arguments, row, 1)[0] for row in values]))


@dataclass(frozen=True)
class WideRun:
    """One network trained. descent: what it did; by_gram, by_limit: y - u(k) by `(I - step G(0))^k` and by `(I - step K)^k`, `(T + 1, n)`."""

    descent: LongDescent
    step_size: float
    residual: np.ndarray
    by_gram: np.ndarray
    by_limit: np.ndarray

    @property
    def residuals(self) -> np.ndarray:
        """y - u(k), `(T + 1, n)`."""
        return self.residual + self.descent.outputs[0] - self.descent.outputs

    @property
    def loss(self) -> np.ndarray:
        """L(k), `(T + 1,)`."""
        return (self.residuals**2).sum(axis=1) / 2


@dataclass(frozen=True)
class WideRuns:
    """Training runs of one architecture: for S data sets and each of the widths `(W,)` a network, `runs[s][w]`; the first `long` data sets are
    trained to the end, the others for `SHORT` steps. limits: `K^(H)`, `(S, n, n)`. whole: the least eigenvalues of the limits of the whole G, `(S,)`."""

    architecture: str
    widths: np.ndarray
    limits: np.ndarray
    whole: np.ndarray
    runs: tuple[tuple[WideRun, ...], ...]
    long: int

    def rows(self, measure: str, *, whole: bool = False) -> np.ndarray:
        """A quantity for each network, `(S, W)`, within the first `SHORT` steps; whole: over the whole training, `(long, W)`.

        "drift": largest `|W^(h)(k) - W^(h)(0)|_F / sqrt(m)` at a recorded step, `(..., H)`. "change of the top Gram
        matrix": largest `|G^(H)(k) - G^(H)(0)| / |K^(H)|` there, spectral. "distance from (I - step G(0))", "distance
        from (I - step K)": largest over inputs and steps, over the root mean square of `y - u(0)`."""
        H = DEPTHS[self.architecture]

        def value(run: WideRun, limit: np.ndarray) -> np.ndarray:
            last = len(run.by_gram) - 1 if whole else SHORT
            seen = run.descent.steps <= last
            top = run.descent.grams[seen, H - 1]
            size = np.sqrt(np.mean(run.residual**2))
            if measure == "drift":
                return run.descent.drift[seen].max(axis=0)
            if measure == "change of the top Gram matrix":
                return np.linalg.norm(top - top[0], 2, axis=(1, 2)).max() / np.linalg.norm(limit, 2)
            linear = {"distance from (I - step G(0))": run.by_gram, "distance from (I - step K)": run.by_limit}[measure]
            return np.abs(run.residuals - linear)[: last + 1].max() / size

        chosen = self.runs[: self.long] if whole else self.runs
        return np.array([[value(r, K) for r in row] for row, K in zip(chosen, self.limits, strict=False)])


SHORT = 30
"""Steps of the short runs."""
STEPS = {"fully_connected": 130, "resnet": 70, "convolutional_resnet": 85}
"""Steps of the long ones."""
TRAINED_SHAPES = {"fully_connected": (16,), "resnet": (16,), "convolutional_resnet": (4, 4)}
"""Inputs of the trained networks: three of them are far from parallel, so that descent comes to an end."""


@cache
def trained(architecture: str, effort: Effort) -> WideRuns:
    """Softplus networks trained at the step size `1 / lambda_max(G(0))` on three unit inputs, each data set with labels `u(0) + r`, r uniform in
    `[-1, 1]^3`, the same r at all widths."""
    widths = [64, 80, 400, 512] if effort is Effort.QUICK else [64, 96, 128, 256, 512, 1024]
    return train(architecture, widths, effort.count(20, 60), effort.count(6, 30), STEPS[architecture])


def train(architecture: str, widths: list[int], count: int, long: int, steps: int) -> WideRuns:
    """Networks of these widths on `count` data sets, the first `long` for `steps` steps. Gram matrices and weights are recorded at 0, 2, 8,
    `SHORT` and the last step."""
    H, shape = DEPTHS[architecture], TRAINED_SHAPES[architecture]
    limits, least, rows = [], [], []
    for seed in range(count):
        X, r = unit_inputs(3, shape, seed), labels(3, seed)
        every = [gram(X, H, SOFTPLUS, architecture, layer=h) for h in range(1, H + 2)]
        limit = np.sum(every, axis=0)
        limits.append(every[H - 1])
        least.append(np.linalg.eigvalsh(limit)[0])
        last = steps if seed < long else SHORT
        record = sorted({0, 2, 8, SHORT, last})
        row = []
        for m in widths:
            network = random_network(input_size(shape), H, m, SOFTPLUS, architecture, seed=1000 * seed + m)
            G = grams(network, X).numpy().sum(axis=0)
            step = float(1 / np.linalg.eigvalsh(G)[-1])
            descent = descend(network, X, network(X).numpy() + r, last, step, record)
            linear = [linearised(M, r, step, np.arange(last + 1))[0] for M in (G, limit)]
            row.append(WideRun(descent, step, r, *linear))
        rows.append(tuple(row))
    return WideRuns(architecture, np.array(widths), np.array(limits), np.array(least), tuple(rows), long)


def initial_errors(
    architecture: str, activation: Activation, depths: list[int], widths: list[int], seeds: int, *, data_seed: int = 0
) -> np.ndarray:
    """`|G^(H)(0) - K^(H)| / |K^(H)|`, spectral, for 6 inputs: `(S, depths, widths)`, every network drawn anew."""
    shape = _SHAPES[architecture]
    X = unit_inputs(6, shape, data_seed)
    found = np.empty((seeds, len(depths), len(widths)))
    for j, H in enumerate(depths):
        K = gram(X, H, activation, architecture)
        for k, m in enumerate(widths):
            for seed in range(seeds):
                key = seed + 10_000 * (j + 100 * k)
                network = random_network(input_size(shape), H, m, activation, architecture, seed=key)
                G = grams(network, X)[H - 1].numpy()
                found[seed, j, k] = np.linalg.norm(G - K, 2) / np.linalg.norm(K, 2)
    return found


def sampled_errors(
    architecture: str, activation: Activation, depths: list[int], width: int, networks: int, sets: list[np.ndarray]
) -> np.ndarray:
    """The same for networks of one width drawn layer by layer, `networks` of them for each set of inputs: `(sets * networks, depths)`."""
    rows = []
    for number, X in enumerate(sets):
        limits = [gram(X, H, activation, architecture) for H in depths]
        for k in range(networks):
            found = sampled_top_grams(X, depths, width, activation, architecture, seed=[k, number, width])
            rows.append([np.linalg.norm(G - K, 2) / np.linalg.norm(K, 2) for G, K in zip(found, limits, strict=True)])
    return np.array(rows)
