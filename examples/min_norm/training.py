"""SGD with weight decay for many small data sets at once, in the setting of Section 6 of the min_norm paper.

The loss is `1/(2n) sum_i (f(x_i) - y_i)^2 + (penalty/2) sum_j (a_j^2 + |b_j|^2)`, that of `solvers.interpolation.weight_decay`, whose exact
optimum is what a run is compared with.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alignmath.networks import TwoLayer, regular_polygon

__all__ = ["TEACHER", "objectives", "squared_norms", "train", "uniform_inputs"]

TEACHER: TwoLayer = regular_polygon(3)
"""Three unit neurons at 120 degrees with output weights 1: the teacher of Section 6."""

_MOMENTUM = 0.9
_START = 0.3
_EPOCHS = 500


def uniform_inputs(samples: int, seed: int, runs: int) -> np.ndarray:
    """Uniform inputs on the circle, `(runs, samples, 2)`; those of a run depend on its number and the seed only."""
    angles = np.stack([np.random.default_rng([seed, k]).uniform(0, 2 * np.pi, samples) for k in range(runs)])
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def train(
    x: np.ndarray,
    y: np.ndarray,
    penalty: Any,
    *,
    width: int,
    steps: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
) -> TwoLayer:
    """A batch of R networks after `steps` of SGD with momentum 0.9, each on its own data set; all in float64.

    x: `(R, n, 2)`; y: `(R, n)`; penalty: weight decay, a number or `(R,)`. Starts are `N(0, 0.3^2)`; every epoch runs
    through the samples in a new order, `batch_size` at a time (it divides n); the learning rate is constant for half
    of the steps and falls linearly to 0 in the other half. A run's numbers depend on `seed` and its place only.
    """
    runs, samples = y.shape
    if samples % batch_size:
        raise ValueError(f"batch_size is {batch_size}; expected a divisor of the number of samples, {samples}")
    decay = np.broadcast_to(np.asarray(penalty, dtype=float), (runs,))[:, None]
    streams = [np.random.default_rng([seed, k, 1]) for k in range(runs)]  # not those of `uniform_inputs`
    start: Any = _START * np.stack([stream.standard_normal((width, 3)) for stream in streams])
    hidden, output = start[..., :2].copy(), start[..., 2].copy()
    hidden_speed, output_speed = np.zeros_like(hidden), np.zeros_like(output)
    every, per_epoch = np.arange(runs)[:, None], samples // batch_size
    order = np.empty((0, runs, samples), dtype=int)
    for step in range(steps):
        epoch, place = divmod(step, per_epoch)
        if place == 0 and epoch % _EPOCHS == 0:
            orders = np.tile(np.arange(samples), (_EPOCHS, 1))
            order = np.stack([stream.permuted(orders, axis=1) for stream in streams], axis=1)
        chosen = order[epoch % _EPOCHS, :, place * batch_size : (place + 1) * batch_size]
        inputs = x[every, chosen]
        before = hidden @ inputs.transpose(0, 2, 1)
        active = before > 0
        after = np.where(active, before, 0.0)
        misfit = ((output[:, None, :] @ after)[:, 0] - y[every, chosen]) / batch_size
        output_slope = (after @ misfit[:, :, None])[:, :, 0] + decay * output
        hidden_slope = output[:, :, None] * ((active * misfit[:, None, :]) @ inputs) + decay[:, :, None] * hidden
        now = learning_rate * min(1.0, 2 * (1 - step / steps))
        output_speed = _MOMENTUM * output_speed - now * output_slope
        hidden_speed = _MOMENTUM * hidden_speed - now * hidden_slope
        output, hidden = output + output_speed, hidden + hidden_speed
    return TwoLayer(hidden, output)


def squared_norms(networks: TwoLayer) -> np.ndarray:
    """`sum_j a_j^2 + |b_j|^2` of each network of a batch."""
    return np.sum(networks.output**2, axis=-1) + np.sum(networks.hidden**2, axis=(-2, -1))


def objectives(networks: TwoLayer, x: np.ndarray, y: np.ndarray, penalty: Any) -> np.ndarray:
    """The regularised loss of each of R networks on its own data `x (R, n, 2)`, `y (R, n)`."""
    values = np.sum(networks.output[..., None] * np.maximum(networks.hidden @ x.transpose(0, 2, 1), 0), axis=-2)
    return np.mean((values - y) ** 2, axis=-1) / 2 + np.asarray(penalty) / 2 * squared_norms(networks)
