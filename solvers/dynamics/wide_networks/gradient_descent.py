"""Gradient descent on a network, next to what the theory says of it."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from alignmath.architectures import Architecture
from alignmath.arrays import Array, as_floating, as_number, as_order, is_torch_array
from alignmath.kernels import gram

from ...runs import Run, RunStatus, as_moments, as_steps, progress_bar
from .gram_matrices import of_layers
from .linearisation import linearised
from .random_networks import WideNetwork, as_columns, passages

if TYPE_CHECKING:
    import torch

__all__ = ["Descent", "follow"]

_KEPT = 256
"""Limits of Gram matrices are kept for at most so many inputs."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Descent(Run):
    """Gradient descent on a wide network for T steps, see `follow`; NumPy arrays.

    - network: at the end.
    - learning_rate: float.
    - y: `(n,)`, the labels.
    - outputs: `(T + 1, n)`, u(k).
    - steps: `(K,)`, where Gram matrices and weights were recorded.
    - grams: `(K, H + 1, n, n)`, `G^(h)(k)`.
    - drift: `(K, H + 1)`, `|W^(h)(k) - W^(h)(0)|_F / sqrt(m)`, equation (6) of the paper, and that of a.
    - remainder: `(K,)`, length of `y - u(k+1) - (I - learning_rate G(k))(y - u(k))`; shorter by one where no step
      followed the last record.
    - by_gram, by_limit: `(T + 1, n)`, y - u(k) by `(I - learning_rate G(0))^k` and by `(I - learning_rate K)^k`, K the
      limit of G; infinite where they overflow.
    - least_eigenvalue: float, of `K^(H)`.
    - status: `RunStatus.FINISHED`, or DIVERGED, all arrays then ending with the last finite loss.
    - seconds: float, wall time.

    >>> import numpy as np
    >>> from alignmath.activations import SOFTPLUS
    >>> from alignmath.architectures import FullyConnected
    >>> from solvers.dynamics.wide_networks import follow, random_network
    >>> run = follow(random_network(2, FullyConnected(1, SOFTPLUS), 200), np.eye(2), [0.5, -0.5], 30)
    >>> run.grams.shape, bool(run.loss[-1] < 0.01 * run.loss[0]), run.bound_holds
    ((2, 2, 2, 2), True, True)
    """

    network: WideNetwork
    learning_rate: float
    y: Array
    outputs: Array
    steps: Array
    grams: Array
    drift: Array
    remainder: Array
    by_gram: Array
    by_limit: Array
    least_eigenvalue: float

    @property
    def residuals(self) -> Array:
        """y - u(k), `(T + 1, n)`."""
        return self.y - self.outputs

    @property
    def loss(self) -> Array:
        """L(k), `(T + 1,)`."""
        with np.errstate(over="ignore"):
            return np.sum(self.residuals**2, axis=1) / 2

    @property
    def bound(self) -> Array:
        """`(1 - learning_rate least_eigenvalue / 2)^k L(0)`, `(T + 1,)`, of Theorems 5.1, 6.1 and 7.1."""
        return (1 - self.learning_rate * self.least_eigenvalue / 2) ** np.arange(len(self.outputs)) * self.loss[0]

    @property
    def bound_holds(self) -> bool:
        """Whether the loss was at most the bound at every step, but for what rounding leaves of a loss of 0."""
        rounding = np.finfo(str(self.network.output.dtype).removeprefix("torch.")).eps
        left = 8 * rounding**2 * (np.sum(self.y**2) + np.sum(self.outputs**2, axis=1))
        return bool(np.all(self.loss <= self.bound * (1 + 1e-12) + left)) and self.status is RunStatus.FINISHED


def follow(
    network: WideNetwork,
    x: Any,
    y: Any,
    steps: int,
    *,
    learning_rate: float | None = None,
    layers: Sequence[int] | None = None,
    record: Sequence[int] | None = None,
    observe: Callable[[int, WideNetwork], None] | None = None,
    progress: bool = False,
) -> Descent:
    """Full-batch gradient descent for the loss `1/2 sum_i (f(x_i) - y_i)^2`, next to its linearisation.

    network: where it starts (left unchanged). x: `(n, d)` or `(n, d_0, p)`; y: `(n,)`. steps: T. learning_rate: by
    default half of what `G(0)` allows, `1 / lambda_max(G(0))`. layers: those trained, numbers from 1 to H + 1 (the
    output weights), all by default; G and K are then sums over these. record: the steps whose Gram matrices, drift and
    remainder are computed, by default the first and the last; the others are far faster. observe: called with k and the
    network, whose weights the next step changes in place, at each recorded step, to measure what else is wanted.
    progress: a bar on stderr. Raises `ValueError` for bad input, among it equal inputs with different labels.

    >>> import numpy as np
    >>> from alignmath.activations import ERF
    >>> from alignmath.architectures import ResNet
    >>> from solvers.dynamics.wide_networks import follow, random_network
    >>> x, y = np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([0.3, -0.2])
    >>> run = follow(random_network(2, ResNet(3, ERF), 400), x, y, 20, record=[0, 5, 20])
    >>> run.steps.tolist(), bool(abs(run.residuals - run.by_gram).max() < 0.02)
    ([0, 5, 20], True)
    """
    import torch

    started = clock.perf_counter()
    columns, labels = _data(network, x, y)
    T, H = as_steps(steps), network.depth
    moments = set(as_moments(record, T))
    trained = list(range(1, H + 2)) if layers is None else _layers(layers, H)
    limit, least = _limits(network.architecture, columns, trained)
    chosen = torch.tensor([h - 1 for h in trained], device=columns.device)

    with torch.no_grad():
        outputs, passed = passages(network, columns)
        if not bool(torch.isfinite((labels - outputs).square().sum())):
            raise ValueError("the loss at the start is not finite; scale inputs, labels or weights down")
        start = of_layers(network, passed, passed)[chosen].sum(dim=0)
        rate = _rate(learning_rate, start)
        copies = [v.clone(memory_format=torch.contiguous_format) for v in (*network.weights, network.output)]
        biases = network.biases and tuple(None if b is None else b.clone() for b in network.biases)
        current = replace(network, weights=tuple(copies[:-1]), output=copies[-1], biases=biases)
        records = _Records(network, chosen, rate, observe)
        status = RunStatus.FINISHED
        with progress_bar(progress, T, "step", "descent") as bar:
            for k in range(T + 1):
                outputs, passed = passages(current, columns)
                residual = labels - outputs
                if not bool(torch.isfinite(residual.square().sum())):
                    status = RunStatus.DIVERGED
                    break
                records.add(k, current, outputs, residual, passed, whole=k in moments)
                if k < T:
                    _step(current, passed, residual, rate, trained)
                    bar.update()
    wanted, reached = labels.cpu().numpy().astype(float), np.array(records.outputs, dtype=float)
    fixed = (start.cpu().numpy().astype(float), limit)
    by_gram, by_limit = (_predicted(M, wanted - reached[0], rate, len(reached)) for M in fixed)
    return Descent(
        network=current,
        learning_rate=rate,
        y=wanted,
        outputs=reached,
        **records.arrays(),
        by_gram=by_gram,
        by_limit=by_limit,
        least_eigenvalue=least,
        status=status,
        seconds=clock.perf_counter() - started,
    )


@dataclass
class _Records:
    """What is kept on the way."""

    start: WideNetwork
    chosen: torch.Tensor
    rate: float
    observe: Callable[[int, WideNetwork], None] | None
    outputs: list[np.ndarray] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    grams: list[np.ndarray] = field(default_factory=list)
    drift: list[list[float]] = field(default_factory=list)
    remainder: list[float] = field(default_factory=list)
    expected: Any = None
    """The next residual to first order, after a recorded step."""

    def add(
        self,
        k: int,
        network: WideNetwork,
        outputs: torch.Tensor,
        residual: torch.Tensor,
        passed: list[Any],
        *,
        whole: bool,
    ) -> None:
        self.outputs.append(outputs.cpu().numpy())
        if self.expected is not None:
            self.remainder.append(float((residual - self.expected).norm()))
            self.expected = None
        if not whole:
            return
        G = of_layers(network, passed, passed)
        self.expected = residual - self.rate * (G[self.chosen].sum(dim=0) @ residual)
        self.steps.append(k)
        self.grams.append(G.cpu().numpy())
        pairs = zip((*network.weights, network.output), (*self.start.weights, self.start.output), strict=True)
        self.drift.append([float((now - then).norm()) / math.sqrt(network.width) for now, then in pairs])
        if self.observe is not None:
            self.observe(k, network)

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: np.array(getattr(self, name)) for name in ("steps", "grams", "drift", "remainder")}


def _step(network: WideNetwork, passed: list[Any], residual: torch.Tensor, rate: float, trained: list[int]) -> None:
    """One step of descent, in place."""
    weights = [*network.weights, network.output.view(1, -1)]
    for h in trained:
        p = passed[h - 1]
        pushed = p.slope * residual[:, None]
        weights[h - 1].addmm_(pushed.flatten(1), p.inner.flatten(1).T, alpha=rate * p.factor)
        bias = None if network.biases is None else network.biases[h - 1]
        if bias is not None:
            bias.add_(pushed.sum(dim=(1, 2)), alpha=rate * p.bias_factor)


def _data(network: WideNetwork, x: Any, y: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs as columns and labels, checked."""
    import torch

    columns = as_columns(network, x, "x").detach()
    labels = as_floating(y, "y", least_ndim=1)
    numbers = (labels if is_torch_array(labels) else torch.as_tensor(labels)).detach().to(columns)
    n = columns.shape[1]
    if tuple(numbers.shape) != (n,):
        raise ValueError(f"y has shape {tuple(numbers.shape)}; expected ({n},), a number for each input")
    _require_consistent(columns.movedim(1, 0).flatten(1).cpu().numpy(), numbers.cpu().numpy())
    return columns, numbers


def _layers(given: Sequence[int], H: int) -> list[int]:
    try:
        numbers = sorted({as_order(h, "layers", least=1, most=H + 1) for h in given})
    except TypeError:
        raise ValueError(f"layers is {given!r}; expected a list of integers from 1 to {H + 1}") from None
    if not numbers:
        raise ValueError("layers is empty; name at least one layer")
    return numbers


def _limits(architecture: Architecture, columns: torch.Tensor, trained: list[int]) -> tuple[np.ndarray, float]:
    """The limit of the Gram matrix, a sum over the layers trained, and the least eigenvalue of `K^(H)`."""
    x, H = columns.movedim(1, 0).cpu().numpy().astype(float), architecture.serial.depth
    compute = _limit if len(x) <= _KEPT else _limit.__wrapped__
    whole, top = (compute(x.tobytes(), x.shape, layers, architecture) for layers in (tuple(trained), (H,)))
    if not (np.isfinite(whole).all() and np.isfinite(top).all()):
        raise ValueError(f"the limits of the Gram matrices overflow for {architecture}; scale the inputs down")
    return whole, float(np.linalg.eigvalsh(top)[0])


@lru_cache(maxsize=64)
def _limit(data: bytes, shape: tuple[int, ...], layers: tuple[int, ...], architecture: Architecture) -> np.ndarray:
    """The limit of the sum of `G^(h)` for these inputs, kept: many networks are followed on the same."""
    x = np.frombuffer(data).reshape(shape)
    return gram(x if architecture.images else x[..., 0], architecture, layer=layers)


def _predicted(matrix: np.ndarray, residual: np.ndarray, rate: float, count: int) -> np.ndarray:
    """`(I - rate M)^k residual` for k below count."""
    most = float(np.linalg.eigvalsh(matrix)[-1])
    reach = 700 / math.log(rate * most - 1) if rate * most > 2 else math.inf  # beyond, floats overflow
    kept = max(1, int(min(count, reach)))
    residuals = np.full((count, len(residual)), math.inf)
    residuals[:kept] = linearised(matrix, residual, rate, np.arange(kept))[0]
    return residuals


def _rate(given: float | None, start: torch.Tensor) -> float:
    import torch

    if given is not None:
        return as_number(given, "learning_rate", above=True)
    largest = float(torch.linalg.eigvalsh(start)[-1])
    if largest <= 0:
        raise ValueError("the Gram matrix at the start is 0, so no learning rate follows from it; pass learning_rate")
    return 1 / largest


def _require_consistent(inputs: np.ndarray, labels: np.ndarray) -> None:
    _, place = np.unique(inputs, axis=0, return_inverse=True)
    place = place.reshape(-1)
    least, most = np.full(place.max() + 1, np.inf), np.full(place.max() + 1, -np.inf)
    np.minimum.at(least, place, labels)
    np.maximum.at(most, place, labels)
    bad = np.flatnonzero(least != most)
    if bad.size:
        i, j = (int(np.flatnonzero((place == bad[0]) & (labels == v[bad[0]]))[0]) for v in (least, most))
        raise ValueError(
            f"x[{i}] and x[{j}] are equal, and their labels are {labels[i]:g} and {labels[j]:g}; "
            "no network fits both: drop one or average them"
        )
