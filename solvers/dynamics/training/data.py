"""The samples of a block of runs, on the device: drawn or given inputs, targets, and batches in the order of each
epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alignmath.networks import ConvReLU, DeepReLU

from .inputs import InputLaw, Purpose, drawn, epoch_inputs, epoch_order, stream

if TYPE_CHECKING:
    import torch

__all__ = ["Batches", "Samples", "evaluation_inputs", "outputs"]

_ACTIVATIONS = 1 << 28
"""Bytes of the teachers' activations held at once."""
_ROOM = 8 << 20
"""Bytes of batches gathered at once: on a CPU few enough that they are still in its cache when they are used."""


class Batches(NamedTuple):
    """Consecutive batches: inputs `(K, n, B, ...)` and targets `(K, n, B, C)`, or labels `(K, n, B)`; first: step
    within the epoch."""

    first: int
    inputs: torch.Tensor
    targets: torch.Tensor


class Samples:
    """Training samples of n runs.

    inputs: a law, or a tensor `(1 or n, N, ...)`. targets: a batch of networks, or numbers `(1 or n, N, C)`, or
    labels `(1 or n, N)`.
    """

    def __init__(
        self,
        inputs: Any,
        targets: Any,
        seeds: list[tuple[int, ...]],
        *,
        samples: int,
        batch: int,
        fresh: bool,
        like: torch.Tensor,
        widened: Callable[[torch.Tensor], torch.Tensor],
    ) -> None:
        self.seeds, self.samples, self.batch, self.fresh, self.like = seeds, samples, batch, fresh, like
        self._widened = widened
        self._law = inputs if isinstance(inputs, InputLaw) else None
        self._teacher = targets if isinstance(targets, DeepReLU | ConvReLU) else None
        self._values: list[torch.Tensor] = []
        self._room: list[torch.Tensor] = []
        self._epoch = -1
        if self._law is None:
            given: Any = inputs
            wanted: Any = targets if self._teacher is None else outputs(self._teacher, given)
            self._values = [widened(given), wanted]

    @property
    def steps(self) -> int:
        """Batches of an epoch; what is left over of the samples is not seen in that epoch."""
        return self.samples // self.batch

    @property
    def outputs(self) -> int:
        """Dimension of the targets; 1 for labels."""
        return self._values[1].shape[2] if self._values[1].ndim > 2 else 1

    def _prepare(self, epoch: int) -> None:
        """Draw the inputs of the epoch, or of all epochs, if that has not been done."""
        wanted, law = epoch if self.fresh else 0, self._law
        if law is None or self._epoch == wanted:
            return
        x = _stacked(lambda seed: epoch_inputs(law, seed, self.samples, wanted), self.seeds, self.like)
        assert self._teacher is not None  # a law comes with a teacher
        self._epoch, self._values = wanted, [self._widened(x), outputs(self._teacher, x)]

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batches]:
        """The batches of an epoch from step `start` on, a few at a time. What is yielded is overwritten by the next."""
        import torch

        self._prepare(epoch)
        count = self.steps * self.batch
        if self.fresh:
            order = np.broadcast_to(np.arange(count), (len(self.seeds), count))
        else:
            order = np.stack([epoch_order(seed, self.samples, epoch)[:count] for seed in self.seeds])
        flat = torch.as_tensor(np.array(order.reshape(len(self.seeds), self.steps, self.batch).swapaxes(0, 1)))
        flat = flat.to(self.like.device)
        runs = torch.arange(len(self.seeds), device=self.like.device)[:, None]
        flattened = [values.reshape(-1, *values.shape[2:]) for values in self._values]
        row = sum(values[0].numel() * values.element_size() for values in flattened)
        room = _ROOM if self.like.device.type == "cpu" else 32 * _ROOM
        most = max(1, room // max(1, len(self.seeds) * self.batch * row))
        for first in range(start, self.steps, most):
            index = flat[first : first + most]
            own = index + runs * self.samples
            gathered = (
                self._gathered(place, values, index if len(self._values[place]) == 1 else own)
                for place, values in enumerate(flattened)
            )
            yield Batches(first, *gathered)

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
    return _stacked(lambda seed: drawn(law, stream(seed, Purpose.EVALUATION), count), seeds, like)


def outputs(networks: DeepReLU | ConvReLU, inputs: torch.Tensor) -> torch.Tensor:
    """Outputs of a batch of networks, a few inputs at a time. inputs: `(n or 1, N, ...)`. `ValueError` if any is not
    finite."""
    import torch

    runs = max(1, math.prod(networks.batch))
    row = runs * sum(networks.widths) * math.prod(inputs.shape[3:]) * inputs.element_size()
    block = max(1, _ACTIVATIONS // row)
    found = torch.cat([networks(inputs[:, k : k + block]) for k in range(0, inputs.shape[1], block)], dim=1)
    if not bool(torch.stack(found.aminmax()).isfinite().all()):
        raise ValueError(
            f"target, a teacher, has outputs that are not finite in {inputs.dtype}; scale it, or the inputs, or pass "
            "dtype='float64'"
        )
    return found


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
