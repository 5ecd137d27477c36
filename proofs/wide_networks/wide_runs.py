"""Random wide networks of the paper, trained by gradient descent: the runs behind its measured claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from alignmath.activations import SOFTPLUS, Activation, from_functions
from alignmath.architectures import Architecture, ConvolutionalResNet, FullyConnected, ResNet
from alignmath.kernels import gram, tangent
from solvers.dynamics.wide_networks import Descent, WideNetwork, follow, grams, random_network

from ..engine.claims import Effort
from ..engine.statistics import mean_interval
from .sampled_grams import sampled_top_grams

__all__ = [
    "LATE",
    "NETWORKS",
    "SHORT",
    "STEPS",
    "WideRuns",
    "depths_of",
    "initial_errors",
    "input_shape",
    "labels",
    "network_for",
    "sampled_errors",
    "slopes",
    "title",
    "train",
    "trained",
    "trained_shape",
    "unit_inputs",
]

NETWORKS: tuple[FullyConnected | ResNet, ...] = (
    FullyConnected(2, SOFTPLUS),
    ResNet(3, SOFTPLUS),
    ConvolutionalResNet(2, SOFTPLUS),
)
"""The three architectures, of the depths at which they are trained."""
_TITLES = {FullyConnected: "fully connected", ResNet: "resnet", ConvolutionalResNet: "convolutional resnet"}
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


def title(architecture: Architecture) -> str:
    """What it is called."""
    return _TITLES[type(architecture)]


def input_shape(architecture: Architecture) -> Any:
    """Three dimensions; of images two channels of four pixels."""
    return (2, 4) if architecture.images else (3,)


def trained_shape(architecture: Architecture) -> Any:
    """Inputs of the trained networks: three of them are far from parallel, so that descent comes to an end."""
    return (4, 4) if architecture.images else (16,)


def depths_of(architecture: FullyConnected | ResNet, depths: Sequence[int]) -> list[FullyConnected | ResNet]:
    """The architecture in other depths."""
    return [replace(architecture, depth=H) for H in depths]


def network_for(shape: Any, architecture: Architecture, width: int, seed: int) -> WideNetwork:
    """A random network for inputs of this shape."""
    return random_network(shape if architecture.images else shape[0], architecture, width, seed=seed)


def slopes(arguments: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Slope of a straight line through `(K,)` arguments and each of S rows of values `(S, K)`: mean and half-width of the 95% interval."""
    mean, half = mean_interval(np.array([np.polyfit(arguments, line, 1)[0] for line in values]))
    return float(mean), float(half)


@dataclass(frozen=True)
class WideRuns:
    """Training runs of one architecture: for S data sets and each of the widths `(W,)` a network, `runs[s][w]`; the first `long` data sets are
    trained to the end, the others for `SHORT` steps. limits: `K^(H)`, `(S, n, n)`. whole: the least eigenvalues of the limits of the whole G, `(S,)`."""

    architecture: FullyConnected | ResNet
    widths: np.ndarray
    limits: np.ndarray
    whole: np.ndarray
    runs: tuple[tuple[Descent, ...], ...]
    long: int

    def measured(self, measure: str, *, whole: bool = False) -> np.ndarray:
        """A quantity for each network, `(S, W)`, within the first `SHORT` steps; whole: over the whole training, `(long, W)`.

        "drift": largest `|W^(h)(k) - W^(h)(0)|_F / sqrt(m)` at a recorded step, `(..., H)`. "change of the top Gram
        matrix": largest `|G^(H)(k) - G^(H)(0)| / |K^(H)|` there, spectral. "distance from (I - step G(0))", "distance
        from (I - step K)": largest over inputs and steps, over the root mean square of `y - u(0)`."""
        H = self.architecture.depth

        def value(run: Descent, limit: np.ndarray) -> np.ndarray:
            last = len(run.by_gram) - 1 if whole else SHORT
            seen = run.steps <= last
            top = run.grams[seen, H - 1]
            size = np.sqrt(np.mean(run.by_gram[0] ** 2))
            if measure == "drift":
                return run.drift[seen, :H].max(axis=0)
            if measure == "change of the top Gram matrix":
                return np.linalg.norm(top - top[0], 2, axis=(1, 2)).max() / np.linalg.norm(limit, 2)
            linear = {"distance from (I - step G(0))": run.by_gram, "distance from (I - step K)": run.by_limit}[measure]
            return np.abs(run.residuals - linear)[: last + 1].max() / size

        chosen = self.runs[: self.long] if whole else self.runs
        return np.array([[value(r, K) for r in row] for row, K in zip(chosen, self.limits, strict=False)])


SHORT = 30
"""Steps of the short runs."""
STEPS = {FullyConnected: 130, ResNet: 70, ConvolutionalResNet: 85}
"""Steps of the long ones."""


@cache
def trained(architecture: FullyConnected | ResNet, effort: Effort) -> WideRuns:
    """Softplus networks trained at the learning rate `1 / lambda_max(G(0))` on three unit inputs, each data set with labels `u(0) + r`, r uniform in
    `[-1, 1]^3`, the same r at all widths. At quick effort residual networks are fewer, too few for a law in the width."""
    if effort is Effort.QUICK and architecture != NETWORKS[0]:  # for bounds, not for laws
        return train(architecture, [64, 400], 6, 2, STEPS[type(architecture)])
    widths = [64, 80, 320, 400] if effort is Effort.QUICK else [64, 96, 128, 256, 512, 1024]
    steps = effort.count(1, 2) * STEPS[type(architecture)]  # among thirty data sets some take twice as long
    return train(architecture, widths, effort.count(20, 60), effort.count(6, 30), steps)


def train(architecture: FullyConnected | ResNet, widths: list[int], count: int, long: int, steps: int) -> WideRuns:
    """Networks of these widths on `count` data sets, the first `long` for `steps` steps. Gram matrices and weights are recorded at 0, 2, 8,
    `SHORT` and the last step."""
    shape = trained_shape(architecture)
    limits, least, runs = [], [], []
    for seed in range(count):
        x, r = unit_inputs(3, shape, seed), labels(3, seed)
        limits.append(gram(x, architecture))
        least.append(np.linalg.eigvalsh(tangent(x, architecture))[0])
        last = steps if seed < long else SHORT
        record = sorted({0, 2, 8, SHORT, last})
        networks = [network_for(shape, architecture, m, 1000 * seed + m) for m in widths]
        runs.append(tuple(follow(network, x, network(x).numpy() + r, last, record=record) for network in networks))
    return WideRuns(architecture, np.array(widths), np.array(limits), np.array(least), tuple(runs), long)


def initial_errors(
    architectures: Sequence[Architecture], widths: list[int], seeds: int, *, data_seed: int = 0
) -> np.ndarray:
    """`|G^(H)(0) - K^(H)| / |K^(H)|`, spectral, for 6 inputs: `(S, architectures, widths)`, every network drawn anew."""
    shape = input_shape(architectures[0])
    x = unit_inputs(6, shape, data_seed)
    errors = np.empty((seeds, len(architectures), len(widths)))
    for j, architecture in enumerate(architectures):
        K = gram(x, architecture)
        for k, m in enumerate(widths):
            for seed in range(seeds):
                key = seed + 10_000 * (j + 100 * k)
                G = grams(network_for(shape, architecture, m, key), x)[-2].numpy()
                errors[seed, j, k] = np.linalg.norm(G - K, 2) / np.linalg.norm(K, 2)
    return errors


def sampled_errors(
    architectures: Sequence[FullyConnected | ResNet], width: int, networks: int, sets: list[np.ndarray]
) -> np.ndarray:
    """The same for networks of one width drawn layer by layer, `networks` of them for each set of inputs: `(sets * networks, architectures)`."""
    errors = []
    for number, x in enumerate(sets):
        limits = [gram(x, architecture) for architecture in architectures]
        for k in range(networks):
            tops = sampled_top_grams(x, architectures, width, seed=[k, number, width])
            errors.append([np.linalg.norm(G - K, 2) / np.linalg.norm(K, 2) for G, K in zip(tops, limits, strict=True)])
    return np.array(errors)
