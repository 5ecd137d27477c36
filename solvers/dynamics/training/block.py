"""A block of runs: its state, measuring it, and training it to the end, from wherever its state is."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...runs import RunStatus
from .arguments import described
from .checkpoint import Checkpoint
from .data import Samples
from .gradients import Rates
from .measures import Evaluation

if TYPE_CHECKING:
    import torch

__all__ = ["Plan", "State", "Watch", "finish", "rows"]

_ACTIVATIONS = 1 << 27
"""Bytes of activations evaluated at once."""


@dataclass(frozen=True)
class Plan:
    """What every block is to do; arguments of `train`, checked. form, teacher_form: the kinds of students and
    teachers."""

    form: Any
    teacher_form: Any
    step: Any
    epochs: int
    moments: list[int]
    factors: np.ndarray
    nesterov: bool
    measures: Mapping[str, Callable[[Evaluation], Any]]
    keep_weights: bool
    checkpoint_every: float
    bar: Any


@dataclass
class State:
    """All that the future of n runs depends on, and what has been found so far.

    parameters: each `(n, ...)`. speeds: of momentum. ended: of the runs that have diverged, the parameters last seen
    finite. status, stopped: `(n,)`. losses: `(n, E)`. epoch, step: where the block is. measured: a row of tensors
    `(n, ...)` for each epoch of measurement passed.
    """

    parameters: list[torch.Tensor]
    speeds: list[torch.Tensor]
    ended: list[torch.Tensor]
    status: torch.Tensor
    stopped: torch.Tensor
    losses: torch.Tensor
    epoch: int = 0
    step: int = 0
    measured: list[dict[str, torch.Tensor]] = field(default_factory=list)

    @classmethod
    def at_start(cls, parameters: list[torch.Tensor], epochs: int) -> State:
        """The state before training, of these parameters, which it works on."""
        import torch

        first = parameters[0]
        status = torch.full((len(first),), int(RunStatus.FINISHED), device=first.device)
        return cls(
            parameters,
            speeds=[torch.zeros_like(p) for p in parameters],
            ended=[torch.zeros_like(p) for p in parameters],
            status=status,
            stopped=torch.full_like(status, -1),
            losses=first.new_zeros((len(first), epochs)),
        )

    @property
    def alive(self) -> torch.Tensor:
        """Which runs have not diverged, `(n,)` bool."""
        return self.status == int(RunStatus.FINISHED)

    def final(self) -> list[torch.Tensor]:
        """The parameters, of diverged runs those last seen finite."""
        import torch

        pairs = zip(self.parameters, self.ended, strict=True)
        return [torch.where(self.alive.view(-1, *(1,) * (p.ndim - 1)), p, kept) for p, kept in pairs]

    def arrays(self) -> dict[str, np.ndarray]:
        """The state as named NumPy arrays."""
        groups = {"parameters": self.parameters, "speeds": self.speeds, "ended": self.ended}
        found = {f"{name}/{k}": value for name, values in groups.items() for k, value in enumerate(values)}
        found |= {"status": self.status, "stopped": self.stopped, "losses": self.losses}
        found |= {f"measured/{j}/{name}": value for j, row in enumerate(self.measured) for name, value in row.items()}
        position = np.array([self.epoch, self.step, len(self.measured)])
        return {name: value.cpu().numpy() for name, value in found.items()} | {"position": position}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take over the state that `arrays` gave."""
        import torch

        for name in ("parameters", "speeds", "ended"):
            for k, value in enumerate(getattr(self, name)):
                value.copy_(torch.as_tensor(arrays[f"{name}/{k}"]))
        for name in ("status", "stopped", "losses"):
            getattr(self, name).copy_(torch.as_tensor(arrays[name]))
        self.epoch, self.step, rows = (int(k) for k in arrays["position"])
        self.measured = [{} for _ in range(rows)]
        for name, value in arrays.items():
            if name.startswith("measured/"):
                _, row, measure = name.split("/", 2)
                self.measured[int(row)][measure] = torch.as_tensor(value).to(self.status.device)


@dataclass(frozen=True)
class Watch:
    """Measures a block, a few runs at a time. teachers: networks, or None; inputs `(n or 1, N, ...)`, targets: as of
    an `Evaluation`."""

    plan: Plan
    teachers: Any
    inputs: Any
    targets: torch.Tensor | None

    def __call__(self, state: State) -> dict[str, torch.Tensor]:
        """The measures of every run, NaN for those that have diverged; and the weights, if they are to be kept."""
        import torch

        plan, n = self.plan, len(state.status)
        kept = {f"weights/{k}": value for k, value in enumerate(state.final())} if plan.keep_weights else {}
        if not plan.measures:
            return kept
        teachers = None if self.teachers is None else plan.teacher_form.unpack(self.teachers)
        widths = [*plan.form.widths[1:], *(self.teachers.widths[1:] if self.teachers is not None else ())]
        per_run = sum(widths) * math.prod(self.inputs.shape[3:]) * self.inputs.shape[1] * self.inputs.element_size()
        most = max(1, _ACTIVATIONS // per_run)
        found: dict[str, list[torch.Tensor]] = {name: [] for name in plan.measures}
        sound = state.alive
        for k in range(0, n, most):
            part = slice(k, k + most)
            seen = self._seen(state, teachers, part, sound)
            outputs = seen.student_activations[-1].isfinite().flatten(1).all(1)
            if not bool(outputs.all()):  # finite weights whose outputs are not: about to diverge
                sound = sound & torch.cat([sound[:k], outputs, sound[k + most :]])
                seen = self._seen(state, teachers, part, sound)
            for name, measure in plan.measures.items():
                value = measure(seen)
                if (
                    not isinstance(value, torch.Tensor)
                    or not value.is_floating_point()
                    or value.shape[:1] != seen.students.batch
                ):
                    wanted = (
                        f"a floating-point tensor ({seen.students.batch[0]}, ...), its first dimension that of the runs"
                    )
                    raise ValueError(f"measure {name!r} returned {described(value)}; expected {wanted}")
                found[name].append(value)
        result = {name: torch.cat(values) for name, values in found.items()}
        for value in result.values():
            value[~sound] = math.nan
        return result | kept

    def _seen(self, state: State, teachers: list[torch.Tensor] | None, part: slice, sound: torch.Tensor) -> Evaluation:
        """Some runs for the measures; those that are not `sound` with weights 0."""
        import torch

        keep = [sound[part].view(-1, *(1,) * (p.ndim - 1)) for p in state.parameters]
        parameters = [torch.where(k, p[part], 0.0) for k, p in zip(keep, state.parameters, strict=True)]
        return Evaluation(
            self.plan.form.pack(parameters),
            None if teachers is None else self.plan.teacher_form.network([p[part] for p in teachers]),
            rows(self.inputs, part),
            rows(self.targets, part),
            state.epoch,
        )


def finish(
    state: State,
    data: Samples,
    hyper: Mapping[str, torch.Tensor],
    plan: Plan,
    watch: Watch,
    files: Checkpoint | None,
    number: int,
) -> dict[str, np.ndarray]:
    """Train block `number` from where its state is to the end; returns the final state's arrays, which `files`, if
    given, keeps.

    hyper: learning_rate, momentum and weight_decay, `(n,)` each.
    """
    import torch

    saved = clock.perf_counter()

    def save() -> None:
        nonlocal saved
        if files and clock.perf_counter() - saved > plan.checkpoint_every:
            files.save_running(number, state.arrays())
            saved = clock.perf_counter()

    plan.bar.update(state.epoch * data.steps + state.step)
    backup = [torch.empty_like(p) for p in state.parameters]
    while True:
        if state.step == 0 and state.epoch in plan.moments and len(state.measured) == plan.moments.index(state.epoch):
            state.measured.append(watch(state))
        if state.epoch == plan.epochs:
            break
        alive = state.alive
        used = {name: hyper[name] if bool((hyper[name] > 0).any()) else None for name in ("momentum", "weight_decay")}
        rate = torch.where(alive, hyper["learning_rate"] * plan.factors[state.epoch], 0.0)
        rates = Rates(rate, used["momentum"], used["weight_decay"], plan.nesterov)
        for batches in data.batches(state.epoch, state.step):
            for kept, parameter in zip(backup, state.parameters, strict=True):
                kept.copy_(parameter)
            losses = state.losses.new_empty((len(batches.inputs), len(alive)))
            for k, (x, y) in enumerate(zip(batches.inputs, batches.targets, strict=True)):
                first = state.epoch + batches.first + k == 0
                plan.step(state.parameters, state.speeds, first, x, y, rates, losses[k])
            losses = plan.form.losses(losses, data.batch, data.outputs)
            state.losses[:, state.epoch] += losses.sum(0) / data.steps
            state.step = batches.first + len(losses)
            lost = alive & ~(_finite(state.parameters) & losses.isfinite().all(0))
            if bool(lost.any()):
                _put_away(state, backup, lost, losses, state.epoch * data.steps + batches.first)
                alive = alive & ~lost
                rates = replace(rates, learning_rate=torch.where(alive, rates.learning_rate, 0.0), _scaled={})
            plan.bar.update(len(losses))
            if state.step < data.steps:
                save()
        state.losses[~alive, state.epoch] = math.nan
        state.epoch, state.step = state.epoch + 1, 0
        save()
    state.stopped[state.alive] = plan.epochs * data.steps
    state.parameters = state.final()
    found = state.arrays()
    if files:
        files.save_finished(number, found)
    return found


def rows(values: Any, part: slice) -> Any:
    """The rows of some runs; values that all runs share (of one row, or None), as they are."""
    return values if values is None or len(values) == 1 else values[part]


def _finite(parameters: list[torch.Tensor]) -> torch.Tensor:
    """Whether all parameters of each run are finite, `(n,)` bool: whether the largest and the least are, which takes
    one pass each where `isfinite` takes several."""
    import torch

    flat = [p.flatten(1) for p in parameters]
    return torch.stack([extreme.isfinite() for p in flat for extreme in (p.amax(1), p.amin(1))]).all(0)


def _put_away(state: State, backup: list[torch.Tensor], lost: torch.Tensor, losses: torch.Tensor, before: int) -> None:
    """Keep the last finite parameters of the runs `lost`, note the step, and leave zeros in their place; what the step
    makes of these later is read by nobody."""
    import torch

    for kept, last, parameter, speed in zip(state.ended, backup, state.parameters, state.speeds, strict=True):
        kept[lost] = last[lost]
        parameter[lost] = 0.0
        speed[lost] = 0.0
    bad = ~losses.isfinite()
    first = torch.where(bad.any(0), bad.int().argmax(0), len(losses))
    state.status[lost] = int(RunStatus.DIVERGED)
    state.stopped[lost] = before + first[lost]
