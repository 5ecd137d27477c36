"""Training many independent runs as one computation: `train`.

The runs are advanced together in blocks whose parameters stay in a CPU's cache (on a GPU, in one block). Within a
block every operation works on each run alone, so that what happens to one, divergence included, leaves the others as
they were, to the bit. Blocks are trained one after another to the end; finished ones and the state of the present one
are what a checkpoint holds.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignmath.arrays import as_number, as_order, keep_freed_memory
from alignmath.networks import ConvReLU, DeepReLU, TwoLayer, as_deep

from ...runs import Training, as_device, as_dtype, as_moments, as_steps, progress_bar
from .arguments import (
    as_evaluation,
    as_factors,
    as_inputs,
    as_measures,
    as_per_run,
    as_seeds,
    as_targets,
    as_teacher,
    as_tensor,
    described,
)
from .block import Plan, State, Watch, finish, rows
from .checkpoint import Checkpoint, digest, law_fingerprint, told
from .data import Samples, evaluation_inputs
from .gradients import LOSSES, ConvolutionalStep, LayeredStep
from .measures import Evaluation

if TYPE_CHECKING:
    import torch

__all__ = ["train"]

_CACHE = 4 << 20
"""Bytes of parameters of a block of runs on a CPU."""
_MEMORY = 1 << 30
"""Bytes of drawn samples of a block of runs on a CPU; on a GPU, eight times as much."""


def train(
    students: Any,
    target: Any,
    inputs: Any,
    *,
    epochs: int,
    learning_rate: Any = 0.01,
    batch: int = 16,
    momentum: Any = 0.0,
    weight_decay: Any = 0.0,
    nesterov: bool = False,
    schedule: Any = None,
    loss: str = "half_squared",
    samples: int = 10_000,
    fresh: bool = False,
    seed: Any = 0,
    record: Sequence[int] | None = None,
    measures: Mapping[str, Callable[[Evaluation], Any]] | Sequence[Callable[[Evaluation], Any]] = (),
    evaluation: Any = None,
    keep_weights: bool = False,
    device: Any = None,
    dtype: Any = None,
    block: int | None = None,
    compile: bool = False,
    checkpoint: str | Path | None = None,
    checkpoint_every: float = 60.0,
    progress: bool = False,
) -> Training:
    """Train a batch of students by SGD in torch, each run with its own start, teacher, data and hyper-parameters.

    An epoch is one pass through `samples` samples, `batch` at a time, in a new random order for each run; what is left
    over (`samples % batch`) is not seen in that epoch. The step is that of `torch.optim.SGD`.

    What is trained:
        students: `DeepReLU`, `TwoLayer` or `ConvReLU`, a batch of shape `(...)`, one run each; NumPy or torch. The
            result is of the same kind (of a `TwoLayer`, a `DeepReLU`).
        target: teacher network(s), whose batch broadcasts to `(...)`. For given inputs also numbers `(N, C)` or
            `(..., N, C)`; or, with the loss "cross_entropy", labels `(N,)` or `(..., N)`, integers below C.
        inputs: a law, `Gaussian(d, scale)`, `Uniform(d, half_width)`, `Sphere(d, radius)` or anything with `dimension`
            and `sample(rng, count)`. Or given inputs: vectors `(N, d)` or images `(N, c, h, w)` for all runs, or a set
            for each run, `(..., N, d)` or `(..., N, c, h, w)`.
        samples: how many to draw from a law for each run. fresh: draw new ones for every epoch, not one set for all.
        seed: a number s, and run r has the stream of `(s, r)`; or integers `(...)`, and runs of equal seed have the
            same data in the same order.
    How:
        epochs, batch; learning_rate (> 0), momentum (in [0, 1)), weight_decay (>= 0): numbers, or `(...)`, one for each
            run. nesterov: its variant of momentum. schedule: `(epochs,)`, factors of the learning rate, above 0.
        loss: "half_squared", `|f* - f|^2 / 2` averaged over the batch, equation (2) of the specialization paper;
            "mean_squared", averaged over the outputs too, as `torch.nn.MSELoss` does (2/C times the first); or
            "cross_entropy".
    What is kept:
        record: the epochs (0: before training) at which to measure; by default the first and the last.
        measures: functions of an `Evaluation`, as a mapping by name or with the names they have; see `measures`.
        evaluation: how many inputs of the law to measure on (10,000 by default); or inputs; or a pair of inputs and
            numbers or labels. By default the training inputs where those are given. The activations of one run at all
            of them are held at once.
        keep_weights: keep the students at every recorded epoch.
    Where:
        device, dtype: of the computation, by default those of the students. block: runs trained together. compile: let
            `torch.compile` work on the step; it takes a minute and a C++ compiler (or a GPU), so for long runs only.
        checkpoint: a folder for what is finished and, every `checkpoint_every` seconds, the state of the rest. Called
            again with the same arguments, training goes on from there, to the same result, to the bit. (A law counts
            as the same if it draws the same; a measure, if its name and its function's name are the same.)
        progress: a bar on stderr.

    Raises `ValueError` for bad input and for a checkpoint of other arguments. A run whose loss or parameters leave the
    finite numbers is stopped and reported as diverged, with its step; the others are not disturbed.
    """
    import torch

    started = clock.perf_counter()
    students, target = (as_deep(n) if isinstance(n, TwoLayer) else n for n in (students, target))
    if not isinstance(students, DeepReLU | ConvReLU):
        raise ValueError(f"students is {described(students)}; expected a DeepReLU, TwoLayer or ConvReLU")
    kind: Any = LayeredStep if isinstance(students, DeepReLU) else ConvolutionalStep
    sample_ndim = 1 if isinstance(students, DeepReLU) else 3
    shape, runs = students.batch, math.prod(students.batch)
    first = kind.unpack(students)[0]
    is_torch = isinstance(first, torch.Tensor)
    home = first.device if is_torch else torch.device("cpu")
    like = torch.empty(0, device=as_device(device, home), dtype=as_dtype(dtype, first))

    epochs = as_steps(epochs, "epochs")
    moments, factors, seeds = as_moments(record, epochs, "epochs"), as_factors(schedule, epochs), as_seeds(seed, shape)
    hyper = {
        "learning_rate": as_per_run(learning_rate, "learning_rate", shape, positive=True),
        "momentum": as_per_run(momentum, "momentum", shape, below=1.0),
        "weight_decay": as_per_run(weight_decay, "weight_decay", shape),
    }
    if nesterov and not np.all(hyper["momentum"] > 0):
        raise ValueError("nesterov is a variant of momentum, which is 0 in some run; give every run a momentum above 0")
    if loss not in LOSSES:
        raise ValueError(f"loss is {loss!r}; expected one of {list(LOSSES)}")
    teacher = as_teacher(target, students, loss)
    given = as_inputs(inputs, students, sample_ndim, like)
    if given is None and teacher is None:
        raise ValueError(f"target is {described(target)}; inputs drawn from a law need a teacher network as target")
    if given is not None and fresh:
        raise ValueError("fresh draws new samples from a law, and the inputs are given; pass a law or leave fresh out")
    count = as_order(samples, "samples", least=1, most=10**9) if given is None else given.shape[1]
    batch = as_order(batch, "batch", least=1, most=count, why=", the number of samples")
    numbers = None if teacher is not None else as_targets(target, students, count, loss == "cross_entropy", like)
    seen, wanted = as_evaluation(evaluation, students, sample_ndim, given, numbers, like)

    def load(network: Any) -> list[torch.Tensor]:
        """The parameters of a batch of networks, on the device, `(R, ...)`."""
        tensors = [as_tensor(parameter).to(like) for parameter in kind.unpack(network)]
        cores = [p.shape[len(network.batch) :] for p in tensors]
        return [p.broadcast_to((*shape, *core)).reshape(runs, *core) for p, core in zip(tensors, cores, strict=True)]

    starts, teachers = load(students), None if teacher is None else load(teacher)
    if block is None:
        drawn = (count + (seen if isinstance(seen, int) else 0)) * (students.widths[0] + students.widths[-1])
        block = _block_size(starts, 0 if given is not None else drawn * like.element_size(), like.device.type == "cpu")
    size = min(runs, as_order(block, "block", least=1, most=10**9))
    form = kind(students, loss)
    plan = Plan(
        form=form,
        teacher_form=None if teacher is None else kind(teacher, loss),
        step=torch.compile(form) if compile else form,
        epochs=epochs,
        moments=moments,
        factors=factors,
        nesterov=nesterov,
        measures=as_measures(measures),
        keep_weights=keep_weights,
        checkpoint_every=as_number(checkpoint_every, "checkpoint_every"),
        bar=progress_bar(progress, -(-runs // size) * epochs * (count // batch), "step", "training"),
    )
    files = None
    if checkpoint is not None:
        named = sorted(f"{name}: {told(measure)}" for name, measure in plan.measures.items())
        options = [epochs, batch, bool(nesterov), loss, count, fresh, moments, named, keep_weights]
        strides = [getattr(network, "strides", None) for network in (students, teacher)]
        files = Checkpoint(
            Path(checkpoint),
            {
                "students": digest(starts),
                "target": digest(teachers or [numbers]),
                "strides": [list(s) if s else None for s in strides],
                "inputs": law_fingerprint(inputs) if given is None else digest([given]),
                "evaluation": seen if isinstance(seen, int) else digest([v for v in (seen, wanted) if v is not None]),
                "hyper-parameters": digest([*hyper.values(), factors]),
                "seed": digest([np.array(seeds)]),
                "options": [*options, str(like.dtype), size],
            },
        )
    if like.device.type == "cpu":
        keep_freed_memory()
    outcomes = []
    with plan.bar:
        for number, begin in enumerate(range(0, runs, size)):
            done = files.finished(number) if files else None
            if done is not None:
                plan.bar.update(epochs * (count // batch))
                outcomes.append(done)
                continue
            part = slice(begin, min(begin + size, runs))
            state = State.at_start(form.enter([p[part] for p in starts]), epochs)
            running = files.running(number) if files else None
            if running is not None:
                state.restore(running)
            own_teachers = None if teachers is None else plan.teacher_form.network([p[part] for p in teachers])
            data = Samples(
                inputs if given is None else rows(given, part),
                own_teachers if own_teachers is not None else rows(numbers, part),
                seeds[part],
                samples=count,
                batch=batch,
                fresh=fresh,
                like=like,
                widened=form.widened,
            )
            if isinstance(seen, int):
                watched = evaluation_inputs(inputs, seeds[part], seen, like) if plan.measures else None
            else:
                watched = rows(seen, part)
            watch = Watch(plan, own_teachers, watched, rows(wanted, part))
            every = {name: torch.as_tensor(value[part]).to(like) for name, value in hyper.items()}
            outcomes.append(finish(state, data, every, plan, watch, files, number))
    return _assembled(outcomes, plan, shape, home if is_torch else None, started)


def _assembled(
    outcomes: list[dict[str, np.ndarray]], plan: Plan, shape: tuple[int, ...], home: torch.device | None, started: float
) -> Training:
    """The result of all blocks: on the device `home`, or as NumPy arrays for None."""
    import torch

    def joined(name: str) -> Any:
        value = np.concatenate([outcome[name] for outcome in outcomes])
        value = value.reshape((*shape, *value.shape[1:]))
        return value if home is None else torch.as_tensor(value, device=home)

    def stacked(name: str) -> Any:
        rows = [joined(f"measured/{j}/{name}") for j in range(len(plan.moments))]
        return np.stack(rows) if home is None else torch.stack(rows)

    count = len([name for name in outcomes[0] if name.startswith("parameters/")])
    moments = np.array(plan.moments)
    return Training(
        epochs=moments if home is None else torch.as_tensor(moments, device=home),
        measured={name: stacked(name) for name in plan.measures},
        history=plan.form.pack([stacked(f"weights/{k}") for k in range(count)]) if plan.keep_weights else None,
        students=plan.form.pack([joined(f"parameters/{k}") for k in range(count)]),
        loss=joined("losses"),
        status=joined("status"),
        stopped=joined("stopped"),
        seconds=clock.perf_counter() - started,
    )


def _block_size(parameters: list[torch.Tensor], sample_bytes: int, cpu: bool) -> int:
    """How many runs to train together: on a CPU as many as keep their parameters in its cache, and their samples in
    memory."""
    parameter_bytes = sum(p[0].numel() * p.element_size() for p in parameters)
    by_samples = _MEMORY * (1 if cpu else 8) // max(1, sample_bytes)
    return max(1, min(by_samples, _CACHE // parameter_bytes) if cpu else by_samples)
