"""Training many independent runs as one computation: `train`.

The runs are advanced together in blocks whose parameters stay in a CPU's cache (on a GPU, in one block). Within a
block every operation works on each run alone, so that what happens to one, divergence included, leaves the others as
they were, to the bit. Blocks are trained one after another to the end; finished ones and the state of the present one
are what a checkpoint holds.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from alignmath.arrays import keep_freed_memory
from alignmath.extras import needs

from ...files import digest
from ...runs import Training, as_moments, as_steps, progress_bar
from .arguments import Data, Networks, as_data, as_networks, described, evaluation_data
from .block import Blocks, Plan, State, of_runs, train_block
from .checkpoint import Checkpoint, Folder, law_fingerprint, named
from .data import Samples, evaluation_inputs
from .measures import Evaluation, Measures
from .optimizers import SGD, Optimizer
from .watch import Watch

__all__ = ["train"]

_CACHE = 4 << 20
"""Bytes of parameters of a block of runs on a CPU."""
_MEMORY = 1 << 30
"""Bytes of drawn samples of a block of runs on a CPU; on a GPU, eight times as much."""
_PLAIN, _ALL_AUTOMATIC = SGD(0.01), Blocks()


def train(
    students: Any,
    teacher: Any = None,
    x: Any = None,
    y: Any = None,
    *,
    epochs: int,
    optimizer: Optimizer = _PLAIN,
    batch_size: int = 16,
    loss: str = "half_squared",
    seed: Any = 0,
    record: Sequence[int] | None = None,
    measures: Measures | Mapping[str, Callable[[Evaluation], Any]] | Sequence[Callable[[Evaluation], Any]] = (),
    checkpoint: Checkpoint | str | Path | None = None,
    blocks: Blocks = _ALL_AUTOMATIC,
    device: Any = None,
    dtype: Any = None,
    progress: bool = False,
) -> Training:
    """Train a batch of students in torch, each run with its own start, teacher, data and hyper-parameters.

    - students: `DeepReLU`, `TwoLayer` or `ConvReLU`, a batch of shape `(...)`, one run each; NumPy or torch. The result
      is of the same kind (of a `TwoLayer`, a `DeepReLU`).
    - teacher: network(s) whose batch broadcasts to `(...)`. Or, in its place, y at given inputs: numbers `(N, C)` or
      `(..., N, C)`; with the loss "cross_entropy" labels `(N,)` or `(..., N)`, integers below C.
    - x: a law, `Gaussian(d, scale)`, `Uniform(d, half_width)`, `Sphere(d, radius)` or another `InputLaw`, which says
      how many inputs to draw for each run and whether for every epoch. Or given inputs: vectors `(N, d)` or images
      `(N, c, h, w)` for all runs, or a set for each, `(..., N, d)` or `(..., N, c, h, w)`.
    - epochs: passes through the samples, `batch_size` at a time, each in a new random order for each run; what is left
      over is not seen in that epoch. optimizer: `SGD(learning_rate, ...)` (by default of 0.01) or `Adam(...)`.
    - loss: "half_squared", `|f* - f|^2 / 2` averaged over the samples of a step, equation (2) of the specialization
      paper; "mean_squared", averaged over the outputs too, as `torch.nn.MSELoss` does (2/C times the first); or
      "cross_entropy".
    - seed: a number s, and run r has the stream of `(s, r)`; or a NumPy Generator, which s is drawn from; or integers
      `(...)`, and runs of equal seed have the same data in the same order.
    - record: the epochs (0: before training) at which to measure, by default the first and the last. measures:
      `Measures`, or its functions; see `measures`.
    - checkpoint: a `Checkpoint`, or its folder. blocks: how many runs are trained together. device, dtype: of the
      computation, by default those of the students. progress: a bar on stderr.

    Raises `ValueError` for bad input and for a checkpoint of other arguments. A run whose loss or parameters leave the
    finite numbers is stopped and reported as diverged, with its step; the others are not disturbed (see `divergence`).

    >>> from alignmath.networks import random_student, random_teacher
    >>> from solvers.dynamics.training import Gaussian
    >>> teacher = random_teacher((3, 2, 2), np.random.default_rng(0))
    >>> students = random_student(teacher, 2, np.random.default_rng(1), batch=(4,))
    >>> runs = train(students, teacher, Gaussian(3, samples=500), epochs=3, optimizer=SGD(0.05, momentum=0.5))
    >>> runs.loss.shape, bool((runs.loss[:, -1] < runs.loss[:, 0]).all())
    ((4, 3), True)
    """
    needs("torch", "torch")
    started = clock.perf_counter()
    networks = as_networks(students, teacher, loss, device, dtype)
    data = as_data(networks, x, y, loss, batch_size, seed)
    if not isinstance(optimizer, Optimizer):
        raise ValueError(f"optimizer is {described(optimizer)}; expected SGD(learning_rate) or Adam(learning_rate)")
    measures = measures if isinstance(measures, Measures) else Measures(measures)
    call = _Call(networks, data, optimizer, measures, *evaluation_data(measures, networks, data))
    parts = call.parts(blocks)
    plan = call.plan(blocks, as_steps(epochs, "epochs"), record, progress, len(parts))
    folder = None if checkpoint is None else call.folder(checkpoint, plan, parts[0].stop)
    if networks.like.device.type == "cpu":
        keep_freed_memory()
    with plan.bar:
        outcomes = [call.train_part(part, plan, folder, number) for number, part in enumerate(parts)]
    return _assembled(outcomes, plan, networks, started)


@dataclass(frozen=True)
class _Call:
    """What a call of `train` asks for, checked. seen: inputs to measure on, or how many to draw; wanted: y there."""

    networks: Networks
    data: Data
    optimizer: Optimizer
    measures: Measures
    seen: Any
    wanted: Any

    def parts(self, blocks: Blocks) -> list[slice]:
        """The runs of each block."""
        starts, like, runs = self.networks.starts, self.networks.like, len(self.data.seeds)
        size, cpu = blocks.size, like.device.type == "cpu"
        if size is None:  # those whose samples are held in memory and, on a CPU, whose parameters are in its cache
            drawn_samples = self.data.count + (self.seen if isinstance(self.seen, int) else 0)
            widths = self.networks.students.widths
            sample_bytes = drawn_samples * (widths[0] + widths[-1]) * like.element_size() if self.data.law else 0
            size = _MEMORY * (1 if cpu else 8) // max(1, sample_bytes)
            size = max(1, min(size, _CACHE // sum(p[0].numel() * p.element_size() for p in starts)) if cpu else size)
        return [slice(begin, min(begin + size, runs)) for begin in range(0, runs, size)]

    def plan(self, blocks: Blocks, epochs: int, record: Any, progress: bool, parts: int) -> Plan:
        """What every block is to do."""
        import torch

        form: Any = self.networks.form
        return Plan(
            form=form,
            teacher_form=self.networks.teacher_form,
            step=torch.compile(form) if blocks.compile else form,
            epochs=epochs,
            batch_size=self.data.batch_size,
            moments=as_moments(record, epochs, "epochs"),
            factors=self.optimizer.factors(epochs),
            measures=self.measures,
            bar=progress_bar(progress, parts * epochs * self.data.steps, "step", "training"),
        )

    def hyper(self) -> dict[str, np.ndarray]:
        """The hyper-parameters of all runs, `(R,)` each."""
        return self.optimizer.per_run(self.networks.shape)

    def folder(self, checkpoint: Checkpoint | str | Path, plan: Plan, size: int) -> Folder:
        """The checkpoint's folder, if it is this call's."""
        networks, data, optimizer = self.networks, self.data, self.optimizer
        functions = sorted(f"{name}: {named(function)}" for name, function in self.measures.functions.items())
        strides = [getattr(network, "strides", None) for network in (networks.students, networks.teacher)]
        fresh = data.law is not None and data.law.fresh
        options = [plan.epochs, data.batch_size, networks.form.loss, data.count, fresh, plan.moments, functions]
        seen = (
            self.seen if isinstance(self.seen, int) else digest([v for v in (self.seen, self.wanted) if v is not None])
        )
        asked = {
            "students": digest(networks.starts),
            "teacher": digest(networks.teachers or []),
            "strides": [list(s) if s else None for s in strides],
            "x": law_fingerprint(data.law) if data.law else digest([data.x]),
            "y": digest([] if data.y is None else [data.y]),
            "measures' inputs": seen,
            "optimizer": [type(optimizer).__qualname__, *(getattr(optimizer, name) for name in optimizer.options)],
            "hyper-parameters": digest([*self.hyper().values(), plan.factors]),
            "seed": digest([np.array(data.seeds)]),
            "options": [*options, self.measures.keep_weights, str(networks.like.dtype), size],
        }
        return Folder(checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint), asked)

    def train_part(self, part: slice, plan: Plan, folder: Folder | None, number: int) -> dict[str, np.ndarray]:
        """The final arrays of block `number`, the runs `part`, from wherever the folder has it."""
        networks, data = self.networks, self.data
        outcome = folder.finished(number) if folder else None
        if outcome is not None:
            plan.bar.update(plan.epochs * data.steps)
            return outcome
        parameters = plan.form.enter([p[part] for p in networks.starts])
        update = self.optimizer.update(parameters, {name: values[part] for name, values in self.hyper().items()})
        state = State.at_start(parameters, update, plan.epochs)
        running = folder.running(number) if folder else None
        if running is not None:
            state.restore(running)
        teachers = networks.teachers
        teachers = None if teachers is None else plan.teacher_form.network([p[part] for p in teachers])
        samples = Samples(
            data.law or of_runs(data.x, part),
            teachers if teachers is not None else of_runs(data.y, part),
            data.seeds[part],
            batch_size=data.batch_size,
            like=networks.like,
            widened=plan.form.widened,
        )
        seen = of_runs(self.seen, part) if not isinstance(self.seen, int) else None
        if seen is None and data.law is not None and self.measures.functions:
            seen = evaluation_inputs(data.law, data.seeds[part], self.seen, networks.like)
        watch = Watch(plan, teachers, seen, of_runs(self.wanted, part))
        outcome = train_block(state, samples, plan, watch, partial(folder.save_running, number) if folder else _unsaved)
        if folder:
            folder.save_finished(number, outcome)
        return outcome


def _unsaved(state: State) -> None:
    """In place of saving the state, without a checkpoint."""


def _assembled(outcomes: list[dict[str, np.ndarray]], plan: Plan, networks: Networks, started: float) -> Training:
    """The result of all blocks: on the students' device, or as NumPy arrays."""
    import torch

    home, shape = networks.home, networks.shape

    def joined(name: str) -> Any:
        value = np.concatenate([outcome[name] for outcome in outcomes])
        value = value.reshape((*shape, *value.shape[1:]))
        return value if home is None else torch.as_tensor(value, device=home)

    def stacked(name: str) -> Any:
        rows = [joined(f"measured/{j}/{name}") for j in range(len(plan.moments))]
        return np.stack(rows) if home is None else torch.stack(rows)

    count = len([name for name in outcomes[0] if name.startswith("parameters/")])
    moments, kept = np.array(plan.moments), plan.measures.keep_weights
    return Training(
        epochs=moments if home is None else torch.as_tensor(moments, device=home),
        measured={name: stacked(name) for name in plan.measures.functions},
        history=plan.form.pack([stacked(f"weights/{k}") for k in range(count)]) if kept else None,
        students=plan.form.pack([joined(f"parameters/{k}") for k in range(count)]),
        loss=joined("losses"),
        status=joined("status"),
        stopped=joined("stopped"),
        seconds=clock.perf_counter() - started,
    )
