"""A block of runs: its state, and training it to the end, from wherever its state is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from alignmath.arrays import as_order

from ...runs import RunStatus
from .data import Samples
from .divergence import DivergenceGuard
from .measures import Measures
from .optimizers import Update

if TYPE_CHECKING:
    import torch

__all__ = ["Blocks", "Plan", "State", "of_runs", "train_block"]


@dataclass(frozen=True)
class Blocks:
    """How `train` works on the runs; results differ by rounding at most.

    - size: how many runs are trained together; by default as many as keep their parameters in a CPU's cache, and all
      that the memory holds on a GPU.
    - compile: let `torch.compile` work on the step; it takes a minute and a C++ compiler (or a GPU), so for long runs
      only.

    Raises `ValueError` for a size below 1.

    >>> Blocks(size=8)
    Blocks(size=8, compile=False)
    """

    size: int | None = None
    compile: bool = False

    def __post_init__(self) -> None:
        if self.size is not None:
            as_order(self.size, "size", least=1, most=10**9)


@dataclass(frozen=True)
class Plan:
    """What every block is to do; arguments of `train`, checked. form, teacher_form: how students and teachers are taken
    apart (`gradients`); step: `form`, or what it was compiled to; factors: of the learning rate, `(epochs,)`."""

    form: Any
    teacher_form: Any
    step: Any
    epochs: int
    batch_size: int
    moments: list[int]
    factors: np.ndarray
    measures: Measures
    bar: Any


@dataclass
class State:
    """All that the future of n runs depends on, and what has been measured so far.

    parameters: each `(n, ...)`. update: the optimiser's step, with its state. ended: of the runs that have diverged,
    the parameters last seen finite. status, stopped: `(n,)`. losses: `(n, E)`. epoch, step: where the block is.
    measured: a row of tensors `(n, ...)` for each epoch of measurement passed.
    """

    parameters: list[torch.Tensor]
    update: Update
    ended: list[torch.Tensor]
    status: torch.Tensor
    stopped: torch.Tensor
    losses: torch.Tensor
    epoch: int = 0
    step: int = 0
    measured: list[dict[str, torch.Tensor]] = field(default_factory=list)

    @classmethod
    def at_start(cls, parameters: list[torch.Tensor], update: Update, epochs: int) -> State:
        """The state before training, of these parameters, which it works on."""
        import torch

        first = parameters[0]
        status = torch.full((len(first),), int(RunStatus.FINISHED), device=first.device)
        return cls(
            parameters,
            update=update,
            ended=[torch.zeros_like(p) for p in parameters],
            status=status,
            stopped=torch.full_like(status, -1),
            losses=first.new_zeros((len(first), epochs)),
        )

    @property
    def alive(self) -> torch.Tensor:
        """Which runs have not diverged, `(n,)` bool."""
        return self.status == int(RunStatus.FINISHED)

    def last_finite(self) -> list[torch.Tensor]:
        """The parameters, of diverged runs those last seen finite."""
        import torch

        pairs = zip(self.parameters, self.ended, strict=True)
        return [torch.where(self.alive.view(-1, *(1,) * (p.ndim - 1)), p, kept) for p, kept in pairs]

    def _groups(self) -> dict[str, list[torch.Tensor]]:
        """What every state has of each parameter, or of each tensor of the optimiser's state."""
        optimizer = {f"optimizer/{name}": tensors for name, tensors in self.update.state.items()}
        return {"parameters": self.parameters, "ended": self.ended, **optimizer}

    def arrays(self) -> dict[str, np.ndarray]:
        """The state as named NumPy arrays."""
        named = {f"{name}/{k}": value for name, values in self._groups().items() for k, value in enumerate(values)}
        named |= {"status": self.status, "stopped": self.stopped, "losses": self.losses}
        named |= {f"measured/{j}/{name}": value for j, row in enumerate(self.measured) for name, value in row.items()}
        position = np.array([self.epoch, self.step, len(self.measured)])
        return {name: value.cpu().numpy() for name, value in named.items()} | {"position": position}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take over the state that `arrays` gave."""
        import torch

        for name, values in self._groups().items():
            for k, value in enumerate(values):
                value.copy_(torch.as_tensor(arrays[f"{name}/{k}"]))
        for name in ("status", "stopped", "losses"):
            getattr(self, name).copy_(torch.as_tensor(arrays[name]))
        self.epoch, self.step, measured = (int(k) for k in arrays["position"])
        self.measured = [{} for _ in range(measured)]
        for name, value in arrays.items():
            if name.startswith("measured/"):
                _, row, measure = name.split("/", 2)
                self.measured[int(row)][measure] = torch.as_tensor(value).to(self.status.device)


def train_block(
    state: State,
    samples: Samples,
    plan: Plan,
    measure: Callable[[State], dict[str, torch.Tensor]],
    save: Callable[[State], None],
) -> dict[str, np.ndarray]:
    """Train a block from where its state is to the end; returns the final state's arrays.

    measure: gives the row of an epoch of measurement. save: called now and then, to keep the state if it wants to.
    """
    plan.bar.update(state.epoch * samples.steps + state.step)
    guard = DivergenceGuard(state)
    while True:
        if state.step == 0 and state.epoch in plan.moments and len(state.measured) == plan.moments.index(state.epoch):
            state.measured.append(measure(state))
        if state.epoch == plan.epochs:
            break
        _train_epoch(state, samples, plan, guard, save)
    state.stopped[state.alive] = plan.epochs * samples.steps
    state.parameters = state.last_finite()
    return state.arrays()


def _train_epoch(
    state: State, samples: Samples, plan: Plan, guard: DivergenceGuard, save: Callable[[State], None]
) -> None:
    """The rest of the epoch that the state is in."""
    factor = float(plan.factors[state.epoch])
    state.update.set_rate(factor, state.alive)
    for steps in samples.epoch(state.epoch, state.step):
        guard.remember()
        losses = state.losses.new_empty((len(steps.x), len(state.status)))
        for k, (x, y) in enumerate(zip(steps.x, steps.y, strict=True)):
            plan.step(state.parameters, state.update, x, y, losses[k])
        losses = plan.form.losses(losses, samples.batch_size)
        state.losses[:, state.epoch] += losses.sum(0) / samples.steps
        state.step = steps.first + len(losses)
        if guard.stop_diverged(losses, state.epoch * samples.steps + steps.first):
            state.update.set_rate(factor, state.alive)
        plan.bar.update(len(losses))
        if state.step < samples.steps:
            save(state)
    guard.mark_losses(state.epoch)
    state.epoch, state.step = state.epoch + 1, 0
    save(state)


def of_runs(values: Any, part: slice) -> Any:
    """The rows of some runs; values that all runs share (of one row, or None), as they are."""
    return values if values is None or len(values) == 1 else values[part]
