"""Gradient descent on a network, next to what the theory says of it."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from alignmath.activations import Activation
from alignmath.arrays import Array, as_floating, as_number, as_order, is_torch_array
from alignmath.kernels import gram

from ...runs import RunStatus, as_steps, progress_bar
from .linear import linearised
from .matrices import derivatives, of_layer
from .networks import WideNetwork, as_inputs

if TYPE_CHECKING:
    import torch

__all__ = ["Descent", "follow"]

_KEPT = 256
"""Limits of Gram matrices are kept for at most so many inputs."""


@dataclass(frozen=True)
class Descent:
    """Gradient descent on a network of the paper, of T steps, see `follow`; NumPy arrays.

    step_size; steps: `(K,)`, where Gram matrices and weights were recorded. outputs: u(k), `(T + 1, n)`; loss:
    `(T + 1,)`. grams: `(K, H + 1, n, n)`. drift: `(K, H + 1)`, `|W^(h)(k) - W^(h)(0)|_F / sqrt(m)`, equation (6), and
    that of a. by_gram, by_limit: y - u(k) by `(I - step G(0))^k` and by `(I - step K)^k`, K the limit of G,
    `(T + 1, n)`; infinite where they overflow.
    remainder: `(T,)`, length of `y - u(k+1) - (I - step G(k))(y - u(k))`. least_eigenvalue: of `K^(H)`; bound:
    `(T + 1,)`, `(1 - step least_eigenvalue / 2)^k L(0)`, of Theorems 5.1, 6.1 and 7.1.
    network: at the end. status: `RunStatus.FINISHED`, or DIVERGED, all arrays then ending with the last finite loss.
    """

    step_size: float
    steps: Array
    outputs: Array
    loss: Array
    grams: Array
    drift: Array
    by_gram: Array
    by_limit: Array
    remainder: Array
    least_eigenvalue: float
    bound: Array
    network: WideNetwork
    status: RunStatus
    seconds: float

    @property
    def bound_holds(self) -> bool:
        """Whether the loss was at most the bound at every step, but for what rounding leaves of a loss of 0."""
        labels, outputs = self.outputs[0] + self.by_gram[0], self.outputs
        rounding = np.finfo(str(self.network.output.dtype).removeprefix("torch.")).eps
        left = 8 * rounding**2 * (np.sum(labels**2) + np.sum(outputs**2, axis=1))
        return bool(np.all(self.loss <= self.bound * (1 + 1e-12) + left)) and self.status is RunStatus.FINISHED


def follow(
    network: WideNetwork,
    X: Any,
    y: Any,
    steps: int,
    *,
    step_size: float | None = None,
    train: Sequence[int] | None = None,
    record: Sequence[int] | None = None,
    observe: Callable[[int, WideNetwork], None] | None = None,
    progress: bool = False,
) -> Descent:
    """Full-batch gradient descent for the loss `1/2 sum_i (f(x_i) - y_i)^2`, next to its linearisation.

    network: where it starts (left unchanged). X: `(n, d)` or `(n, d_0, p)`; y: `(n,)`. steps: T. step_size: by default
    half of what `G(0)` allows, `1 / lambda_max(G(0))`. train: the layers trained, numbers from 1 to H + 1 (the output
    weights), all by default; G and K are then sums over these. record: the steps whose Gram matrices are kept (all by
    default). observe: called with k and the network, whose weights the next step changes in place, at each recorded
    step, to measure what else is wanted. progress: a bar on stderr. Raises `ValueError` for bad input, among it equal
    inputs with different labels.
    """
    import torch

    started = clock.perf_counter()
    x = as_inputs(network, X, "X").detach()
    n, T = x.shape[1], as_steps(steps)
    labels = as_floating(y, "y", least_ndim=1)
    target = (labels if is_torch_array(labels) else torch.as_tensor(labels)).detach().to(x)
    if tuple(target.shape) != (n,):
        raise ValueError(f"y has shape {tuple(target.shape)}; expected ({n},), a number for each input")
    _require_consistent(x.movedim(1, 0).flatten(1).cpu().numpy(), target.cpu().numpy())
    moments = set(range(T + 1)) if record is None else _orders(record, "record", 0, T)
    H = network.depth
    trained = sorted(range(1, H + 2) if train is None else _orders(train, "train", 1, H + 1))
    if not trained:
        raise ValueError("train is empty; name at least one layer")
    inputs = x.movedim(1, 0).cpu().numpy().astype(float)
    form = (network.architecture, network.activation, H, network.residual_scale, network.patch)
    compute = _limit if n <= _KEPT else _limit.__wrapped__
    limits = {h: compute(inputs.tobytes(), inputs.shape, h, *form) for h in {*trained, H}}
    if not all(np.isfinite(K).all() for K in limits.values()):
        raise ValueError(
            f"the limits of the Gram matrices overflow for {network.activation.name}; scale the inputs down"
        )
    least = float(np.linalg.eigvalsh(limits[H])[0])
    limit = np.sum([limits[h] for h in trained], axis=0)
    chosen = torch.tensor([h - 1 for h in trained])

    layers = [*(W.clone() for W in network.weights), network.output.clone()]
    current = replace(network, weights=tuple(layers[:-1]), output=layers[-1])
    outputs, kept, drift, remainder, kept_at = [], [], [], [], []
    status, step = RunStatus.FINISHED, 0.0
    start: Any = None
    expected: Any = None
    with torch.no_grad(), progress_bar(progress, T, "step", "descent") as bar:
        for k in range(T + 1):
            u, arrived, slopes = derivatives(current, x)
            if not bool(torch.isfinite((target - u).square().sum())):
                status = RunStatus.DIVERGED
                remainder = remainder[: len(outputs) - 1]
                break
            pairs = [(s, s) for s in slopes]
            G = torch.stack([of_layer(p, (a, a)) for p, a in zip([*pairs, None], arrived, strict=True)])
            whole = G[chosen].sum(dim=0)
            if start is None:
                start = whole
                step = _step_size(step_size, start)
            residual = target - u
            if expected is not None:
                remainder.append(float((residual - expected).norm()))
            expected = residual - step * (whole @ residual)
            outputs.append(u.cpu().numpy())
            if k in moments:
                kept_at.append(k)
                kept.append(G.cpu().numpy())
                moved = zip(layers, (*network.weights, network.output), strict=True)
                drift.append([float((now - then).norm()) / math.sqrt(network.width) for now, then in moved])
                if observe is not None:
                    observe(k, current)
            if k == T:
                break
            for h in trained:
                if h > H:
                    layers[-1] += step * (arrived[-1] * residual[:, None]).sum(dim=1).reshape(layers[-1].shape)
                else:
                    pushed = (slopes[h - 1] * residual[:, None]).flatten(1)
                    layers[h - 1].addmm_(pushed, arrived[h - 1].flatten(1).T, alpha=step)
            bar.update()
    if not outputs:
        raise ValueError("the loss at the start is not finite; scale inputs, labels or weights down")
    found, wanted = np.array(outputs, dtype=float), target.cpu().numpy().astype(float)
    moments_seen = np.arange(len(found))
    with np.errstate(over="ignore"):
        loss = np.sum((found - wanted) ** 2, axis=1) / 2
    fixed = (start.cpu().numpy().astype(float), limit)
    predicted = [_predicted(M, wanted - found[0], step, len(found)) for M in fixed]
    return Descent(
        step_size=step,
        steps=np.array(kept_at),
        outputs=found,
        loss=loss,
        grams=np.array(kept),
        drift=np.array(drift),
        by_gram=predicted[0],
        by_limit=predicted[1],
        remainder=np.array(remainder),
        least_eigenvalue=least,
        bound=(1 - step * least / 2) ** moments_seen * loss[0],
        network=current,
        status=status,
        seconds=clock.perf_counter() - started,
    )


def _orders(given: Sequence[int], name: str, least: int, most: int) -> set[int]:
    try:
        return {as_order(k, name, least=least, most=most) for k in given}
    except TypeError:
        raise ValueError(f"{name} is {given!r}; expected a list of integers from {least} to {most}") from None


@lru_cache(maxsize=64)
def _limit(
    data: bytes,
    shape: tuple[int, ...],
    layer: int,
    architecture: str,
    activation: Activation,
    depth: int,
    residual_scale: float,
    patch: int,
) -> np.ndarray:
    """The limit of `G^(h)` for these inputs, kept: many networks are followed on the same."""
    X = np.frombuffer(data).reshape(shape)
    return gram(
        X if architecture == "convolutional_resnet" else X[..., 0],
        depth,
        activation,
        architecture,
        layer=layer,
        residual_scale=residual_scale,
        patch=patch,
    )


def _predicted(matrix: np.ndarray, residual: np.ndarray, step: float, count: int) -> np.ndarray:
    """`(I - step M)^k residual` for k below count."""
    most = float(np.linalg.eigvalsh(matrix)[-1])
    reach = 700 / math.log(step * most - 1) if step * most > 2 else math.inf  # beyond, floats overflow
    kept = max(1, int(min(count, reach)))
    found = np.full((count, len(residual)), math.inf)
    found[:kept] = linearised(matrix, residual, step, np.arange(kept))[0]
    return found


def _step_size(given: float | None, start: torch.Tensor) -> float:
    import torch

    if given is not None:
        return as_number(given, "step_size", above=True)
    largest = float(torch.linalg.eigvalsh(start)[-1])
    if largest <= 0:
        raise ValueError("the Gram matrix at the start is 0, so no step size follows from it; pass step_size")
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
            f"X[{i}] and X[{j}] are equal, and their labels are {labels[i]:g} and {labels[j]:g}; "
            "no network fits both: drop one or average them"
        )
