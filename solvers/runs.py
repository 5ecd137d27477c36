"""What the solvers return: frozen dataclasses that say how the solver ended and carry what is needed to check it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignmath.arrays import Array
from alignmath.networks import TwoLayer

__all__ = ["CriticalPoints", "RunStatus", "Training", "Trajectory"]


class RunStatus(enum.IntEnum):
    """How one run of `descent.descend`, `descent.flow` or `training.train` ended."""

    FINISHED = 0
    """All iterations (or the whole time span) were run."""
    GRADIENT = 1
    """The gradient norm fell to the tolerance."""
    LOSS = 2
    """The loss fell to the tolerance."""
    DIVERGED = 3
    """Loss or gradient left the finite numbers: take a smaller step. The state kept is the last one seen finite."""
    COLLAPSED = 4
    """A student reached length 0, where the gradient does not exist: start elsewhere, or drop that student."""


@dataclass(frozen=True)
class Trajectory:
    """Runs of gradient descent or flow, at the K moments asked for; `...` is the shape of the batch of runs.

    time: `(K,)`, iterations of descent or times of flow.
    hidden: `(K, ..., m, d)`; output: `(K, ..., m)`; loss, gradient_norm: `(K, ...)`; None where not kept. A run that
        has stopped keeps its last values.
    final: the students at the end, a batch of networks.
    final_loss, final_gradient_norm: `(...)`.
    stopped: `(...)`, the iteration or time at which each run ended; status: `(...)`, integers, see `RunStatus`.
    seconds: wall time of the computation.
    """

    time: Array
    hidden: Array
    output: Array
    loss: Array
    gradient_norm: Array
    final: TwoLayer
    final_loss: Array
    final_gradient_norm: Array
    stopped: Array
    status: Array
    seconds: float


@dataclass(frozen=True)
class CriticalPoints:
    """End points of a search for zeros of the gradient, one for each of B starts; see `landscape.critical_points`.

    students: B networks. gradient_norm, loss, least_length: `(B,)`, the last being the length of the shortest student.
    converged: `(B,)` bool, the gradient norm is below the tolerance and no student is shorter than the `collapse`
    length.
    iterations: how many steps were taken. seconds: wall time.
    """

    students: TwoLayer
    gradient_norm: Array
    loss: Array
    least_length: Array
    converged: Array
    iterations: int
    seconds: float


@dataclass(frozen=True)
class Training:
    """Runs of SGD, see `training.train`, measured at K epochs; `(...)` is the batch of runs, E the number of epochs.

    epochs: `(K,)`, how many were trained before each measurement. measured: by name, `(K, ..., *)`, NaN for a run
    that has diverged. history: the students at these epochs (networks of their kind), a batch `(K, ...)` of networks;
    None unless the weights were to be kept. students: the networks at the end; of a run that diverged, the last ones
    seen finite. loss: `(..., E)`, the mean over the batches of each epoch, NaN from the epoch of divergence on.
    status: `(...)`, `RunStatus.FINISHED` or `DIVERGED`; stopped: `(...)`, the steps taken, of a diverged run the
    number (from 0) of the step whose loss was the first not to be finite. seconds: wall time of this call.
    """

    epochs: Array
    measured: dict[str, Array]
    history: Any
    students: Any
    loss: Array
    status: Array
    stopped: Array
    seconds: float

    @property
    def diverged(self) -> list[tuple[tuple[int, ...], int]]:
        """The runs that diverged: index in the batch, and step."""
        status, stopped = (
            np.asarray(value.cpu() if hasattr(value, "cpu") else value) for value in (self.status, self.stopped)
        )
        return [
            (tuple(int(k) for k in run), int(stopped[tuple(run)])) for run in np.argwhere(status == RunStatus.DIVERGED)
        ]
