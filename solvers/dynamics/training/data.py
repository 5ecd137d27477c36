"""The samples of a block of runs, on the device: drawn or given inputs, what the students should return at them, and
both cut up for the steps, in the order of each epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alignmath.networks import ConvReLU, DeepReLU

from .laws import InputLaw, Purpose, draw, epoch_inputs, epoch_order, stream

if TYPE_CHECKING:
    import torch

__all__ = ["Samples", "Steps", "evaluation_inputs", "outputs"]

_ACTIVATIONS = 1 << 28
"""Bytes of the teachers' activations held at once."""
_ROOM = 8 << 20
"""Bytes of samples gathered at once: on a CPU few enough that they are still in its cache when they are used."""


class Steps(NamedTuple):
    """The samples of K consecutive steps: x `(K, n, B, ...)` and y `(K, n, B, C)`, or labels `(K, n, B)`; first: number
    of the first step within the epoch."""

    first: int
    x: torch.Tensor
    y: torch.Tensor


class Samples:
    """Training samples of n runs.

    x: a law, or a tensor `(1 or n, N, ...)`. y: a batch of teachers, or numbers `(1 or n, N, C)`, or labels
    `(1 or n, N)`.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        seeds: list[tuple[int, ...]],
        *,
        batch_size: int,
        like: torch.Tensor,
        widened: Callable[[torch.Tensor], torch.Tensor],
    ) -> None:
        self.seeds, self.batch_size, self.like = seeds, batch_size, like
        self._widened = widened
        self._law = x if isinstance(x, InputLaw) else None
        self._teacher = y if isinstance(y, DeepReLU | ConvReLU) else None
        self._values: list[torch.Tensor] = []
        self._room: list[torch.Tensor] = []
        self._epoch = -1
        self.count = x.samples if isinstance(x, InputLaw) else x.shape[1]
        if not isinstance(x, InputLaw):
            wanted: Any = y if self._teacher is None else outputs(self._teacher, x)
            self._values = [widened(x), wanted]

    @property
    def fresh(self) -> bool:
        """Whether every epoch has samples of its own."""
        return self._law is not None and self._law.fresh

    @property
    def steps(self) -> int:
        """Steps of an epoch; what is left over of the samples is not seen in that epoch."""
        return self.count // self.batch_size

    def _prepare(self, epoch: int) -> None:
        """Draw the inputs of the epoch, or of all epochs, if that has not been done."""
        wanted, law = epoch if self.fresh else 0, self._law
        if law is None or self._epoch == wanted:
            return
        x = _stacked(lambda seed: epoch_inputs(law, seed, wanted), self.seeds, self.like)
        assert self._teacher is not None  # a law comes with a teacher
        self._epoch, self._values = wanted, [self._widened(x), outputs(self._teacher, x)]

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Steps]:
        """The steps of an epoch from number `start` on, a few at a time. What is yielded is overwritten by the next."""
        import torch

        self._prepare(epoch)
        count = self.steps * self.batch_size
        if self.fresh:
            order = np.broadcast_to(np.arange(count), (len(self.seeds), count))
        else:
            order = np.stack([epoch_order(seed, self.count, epoch)[:count] for seed in self.seeds])
        flat = torch.as_tensor(np.array(order.reshape(len(self.seeds), self.steps, self.batch_size).swapaxes(0, 1)))
        flat = flat.to(self.like.device)
        runs = torch.arange(len(self.seeds), device=self.like.device)[:, None]
        flattened = [values.reshape(-1, *values.shape[2:]) for values in self._values]
        row = sum(values[0].numel() * values.element_size() for values in flattened)
        room = _ROOM if self.like.device.type == "cpu" else 32 * _ROOM
        most = max(1, room // max(1, len(self.seeds) * self.batch_size * row))
        for first in range(start, self.steps, most):
            index = flat[first : first + most]
            own = index + runs * self.count
            gathered = (
                self._gathered(place, values, index if len(self._values[place]) == 1 else own)
                for place, values in enumerate(flattened)
            )
            yield Steps(first, *gathered)

    def _gathered(self, place: int, values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Rows of `values` in room that is used again, as new memory would cost more than the copy."""
        import torch

        if len(self._room) <= place:
            self._room.append(values.new_empty((0, *values.shape[1:])))
        if len(self._room[place]) < index.numel():
            self._room[place] = values.new_empty((index.numel(), *values.shape[1:]))
        room = self._room[place][: index.numel()]
        torch.index_select(values, 0, index.reshape(-1), out=room)
        return room.view(*index.shape, *values.shape[1:])


def evaluation_inputs(law: InputLaw, seeds: list[tuple[int, ...]], count: int, like: torch.Tensor) -> torch.Tensor:
    """Inputs of the runs that are not trained on, `(n, count, d)`."""
    return _stacked(lambda seed: draw(law, stream(seed, Purpose.EVALUATION), count), seeds, like)


def outputs(teachers: DeepReLU | ConvReLU, x: torch.Tensor) -> torch.Tensor:
    """Outputs of a batch of networks, a few inputs at a time. x: `(n or 1, N, ...)`. `ValueError` if any is not
    finite."""
    import torch

    runs = max(1, math.prod(teachers.batch))
    row = runs * sum(teachers.widths) * math.prod(x.shape[3:]) * x.element_size()
    block = max(1, _ACTIVATIONS // row)
    y = torch.cat([teachers(x[:, k : k + block]) for k in range(0, x.shape[1], block)], dim=1)
    if not bool(torch.stack(y.aminmax()).isfinite().all()):
        raise ValueError(
            f"teacher has outputs that are not finite in {x.dtype}; scale it, or x, or pass dtype='float64'"
        )
    return y


def _stacked(
    draw: Callable[[tuple[int, ...]], np.ndarray], seeds: list[tuple[int, ...]], like: torch.Tensor
) -> torch.Tensor:
    """What `draw` gives for each seed, as one tensor; drawn by as many threads as torch uses."""
    import torch

    first = torch.as_tensor(draw(seeds[0])).to(like)
    result = first.new_empty((len(seeds), *first.shape))
    result[0] = first

    def fill(run: int) -> None:
        result[run] = torch.as_tensor(draw(seeds[run]))

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(fill, range(1, len(seeds))))
    return result
