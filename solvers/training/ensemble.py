"""Training many independent runs as one computation: `train`.

The runs are advanced together in blocks whose parameters stay in a CPU's cache (on a GPU, in one block). Within a block every operation works on
each run alone, so that what happens to one, divergence included, leaves the others as they were, to the bit. Blocks are trained one
after another to the end; finished ones and the state of the present one are what a checkpoint holds.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignmath.arrays import as_floating, as_number, as_order, broadcast_batches, keep_freed_memory
from alignmath.networks import ConvReLU, DeepReLU, TwoLayerReLU, as_deep

from ..solution import RunStatus, Training
from .checkpoint import Checkpoint, digest
from .data import Samples, evaluation_inputs
from .gradients import LOSSES, ConvolutionalStep, LayeredStep, Rates
from .inputs import InputLaw
from .measures import Evaluation

if TYPE_CHECKING:
    import torch

__all__ = ["train"]

_CACHE = 2 << 20
"""Bytes of parameters of a block of runs on a CPU."""
_MEMORY = 1 << 29
"""Bytes of samples of a block of runs; of a GPU, eight times as much."""
_ACTIVATIONS = 1 << 27
"""Bytes of activations evaluated at once."""

Step = LayeredStep | ConvolutionalStep


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
    """Train a batch of student networks by SGD, each run with its own start, teacher, data and hyper-parameters, in torch.

    An epoch is one pass through `samples` samples, `batch` at a time, in a new random order for each run; what is left over
    (`samples % batch`) is not seen in that epoch. The step is that of `torch.optim.SGD`.

    students: `DeepReLU`, `TwoLayerReLU` or `ConvReLU`, a batch of shape `(...)` (one run each), NumPy or torch; the result is of the same kind
        (a `TwoLayerReLU` comes back as a `DeepReLU`).
    target: what they learn: teacher network(s), whose batch broadcasts to `(...)`; or numbers for given inputs, `(N, C)` or
        `(..., N, C)`; or labels `(N,)` or `(..., N)`, integers below C, for the loss "cross_entropy".
    inputs: a law, `Gaussian(d, scale)`, `Uniform(d, half_width)`, `Sphere(d, radius)` or anything with `dimension` and `sample(rng,
        count)`; or given inputs `(N, d)`, images `(N, c, h, w)`, or `(..., N, d)` and `(..., N, c, h, w)` with a set for each run.
    epochs: how many. learning_rate (> 0), momentum (in [0, 1)), weight_decay (>= 0): numbers, or `(...)`, one for each run. nesterov: its variant
        of momentum. schedule: `(epochs,)`, positive factors of the learning rate.
    loss: "half_squared", `|f* - f|^2 / 2` averaged over the batch, equation (2) of the specialization paper; "mean_squared", averaged over
        the outputs too, as `torch.nn.MSELoss` does (the first times 2/C); "cross_entropy", of labels.
    samples: drawn from a law for each run. fresh: draw new ones for every epoch, instead of one set for all.
    seed: a number, run r then has the stream of `(seed, r)`; or integers `(...)`: runs of equal seed have the same data in the same order.
    record: the epochs (0: before training) at which to measure; by default the first and the last. measures: functions of an
        `Evaluation`, by name or with the names they have. evaluation: how many inputs of the law to measure on (10,000), or inputs to
        measure on, or a pair of these and their targets; by default the training inputs where these are given. keep_weights: keep the students at
        every recorded epoch.
    device, dtype: where and in what precision torch computes; by default where and as the students are. block: runs trained together.
    compile: let `torch.compile` work on the step, which takes a minute and a C++ compiler (or a GPU) and pays for long runs only.
    checkpoint: a folder. What is finished and, every `checkpoint_every` seconds, the state of the rest is written there; called again with the
        same arguments, training goes on from it, to the same result, to the bit. progress: a bar on stderr.

    Raises `ValueError` for bad input and for a checkpoint of other arguments. A run whose loss leaves the finite numbers is stopped and
    reported as diverged, with its step, in the result; the others are not disturbed.
    """
    import torch

    started = clock.perf_counter()
    if isinstance(students, TwoLayerReLU):
        students = as_deep(students)
    if isinstance(target, TwoLayerReLU):
        target = as_deep(target)
    if not isinstance(students, DeepReLU | ConvReLU):
        raise ValueError(f"students is {type(students).__name__}; expected a DeepReLU, TwoLayerReLU or ConvReLU")
    form = LayeredStep if isinstance(students, DeepReLU) else ConvolutionalStep
    sample_ndim = 1 if form is LayeredStep else 3
    first = form.unpack(students)[0]
    is_torch = isinstance(first, torch.Tensor)
    home = first.device if is_torch else torch.device("cpu")
    device, dtype = _device(device, home), _dtype(dtype, first)
    like = torch.empty(0, device=device, dtype=dtype)
    shape, runs = students.batch, math.prod(students.batch)

    epochs = as_order(epochs, "epochs", most=10**7)
    moments = sorted({0, epochs}) if record is None else sorted({as_order(k, "record", most=epochs) for k in record})
    if not moments:
        raise ValueError("record is empty; name at least one epoch, or leave it out for the first and the last")
    if loss not in LOSSES:
        raise ValueError(f"loss is {loss!r}; expected one of {list(LOSSES)}")
    seeds = _seeds(seed, shape, runs)
    hyper = {
        "learning_rate": _per_run(learning_rate, "learning_rate", shape, above=0.0),
        "momentum": _per_run(momentum, "momentum", shape, below=1.0),
        "weight_decay": _per_run(weight_decay, "weight_decay", shape),
    }
    if nesterov and not np.all(hyper["momentum"] > 0):
        raise ValueError("nesterov is a variant of momentum, and momentum is 0 in some run; give every run a momentum above 0")
    factors = np.ones(epochs) if schedule is None else np.asarray(as_floating(schedule, "schedule", least_ndim=1), dtype=float)
    if factors.shape != (epochs,) or np.any(factors <= 0):
        raise ValueError(f"schedule has shape {factors.shape}; expected ({epochs},), a factor above 0 for each epoch")

    teacher = _teacher(target, students, shape)
    given = _inputs(inputs, students, shape, sample_ndim, like)
    own = given is not None and given.ndim == sample_ndim + 2
    count = as_order(samples, "samples", least=1, most=10**9) if given is None else given.shape[-sample_ndim - 1]
    batch = as_order(batch, "batch", least=1, most=count, why=", the number of samples")
    if given is not None and fresh:
        raise ValueError("fresh draws new samples from a law, and the inputs are given; pass a law or leave fresh out")
    numbers = None if teacher is not None else _targets(target, students, shape, count, loss, given, like)
    if teacher is not None and loss == "cross_entropy":
        raise ValueError("loss 'cross_entropy' takes labels for target; a teacher network is learned by a squared loss")
    named = measures if isinstance(measures, Mapping) else {getattr(m, "__name__", repr(m)): m for m in measures}
    eval_inputs, eval_targets = _evaluation(evaluation, students, shape, sample_ndim, inputs, given, numbers, loss, like)

    def load(array: Any, core: int) -> torch.Tensor:
        tensor = torch.as_tensor(array if isinstance(array, torch.Tensor) else np.array(array)).detach().to(like)
        inner = tensor.shape[tensor.ndim - core :]
        return tensor.broadcast_to((*shape, *inner)).reshape(runs, *inner)

    starts = [load(p, p.ndim - len(shape)) for p in form.unpack(students)]
    teachers = None if teacher is None else [load(p, p.ndim - len(teacher.batch)) for p in form.unpack(teacher)]
    size = _block_size(block, runs, starts, device, students, count, eval_inputs, given, like)
    plan = _Plan(
        form=form(students, loss),
        teacher_form=None if teacher is None else form(teacher, loss),
        epochs=epochs,
        moments=moments,
        factors=factors,
        measures=named,
        keep_weights=keep_weights,
        checkpoint_every=as_number(checkpoint_every, "checkpoint_every"),
    )
    step: Any = torch.compile(plan.form) if compile else plan.form
    files = None
    if checkpoint is not None:
        files = Checkpoint(
            Path(checkpoint),
            {
                "students": digest(starts),
                "target": digest(teachers or [numbers]),
                "inputs": repr(inputs) if given is None else digest([given]),
                "evaluation": digest([v for v in (eval_inputs, eval_targets) if isinstance(v, torch.Tensor)]) + str(
                    eval_inputs if isinstance(eval_inputs, int) else ""
                ),
                "hyper-parameters": digest([*hyper.values(), factors]),
                "seed": digest([np.array(seeds)]),
                "options": [epochs, batch, nesterov, loss, count, fresh, moments, sorted(named), keep_weights, str(dtype), size],
            },
        )
    if device.type == "cpu":
        keep_freed_memory()
    blocks = [range(k, min(k + size, runs)) for k in range(0, runs, size)]
    bar = _bar(progress, len(blocks) * epochs * (count // batch))
    outcomes = []
    for number, which in enumerate(blocks):
        finished = files.finished(number) if files else None
        if finished is None:
            part = slice(which.start, which.stop)
            every = {name: torch.as_tensor(value.reshape(runs)[part]).to(like) for name, value in hyper.items()}
            state = _State.fresh([p[part].contiguous().clone() for p in starts], epochs)
            if files:
                state.restore(files.running(number), like)
            teachers_here = None if teachers is None else plan.teacher_form.pack([p[part] for p in teachers])
            data = Samples(
                given[part] if own and given is not None else given if given is not None else inputs,
                teachers_here if teachers_here is not None else numbers[part if numbers.shape[0] > 1 else slice(None)],
                seeds[part],
                samples=count,
                batch=batch,
                fresh=fresh,
                like=like,
                own=own,
            )
            seen = _cut(eval_inputs, part, inputs, seeds, like) if named else None
            watch = _Watch(plan, teachers_here, seen, _cut(eval_targets, part))
            finished = _run(state, data, every, nesterov, step, plan, watch, files, number, bar)
        elif bar is not None:
            bar.update(epochs * (count // batch))
        outcomes.append(finished)
    if bar is not None:
        bar.close()
    return _assembled(outcomes, plan, shape, is_torch, home, started)


@dataclass(frozen=True)
class _Plan:
    """What every block is to do; arguments of `train`, checked."""

    form: Step
    teacher_form: Step | None
    epochs: int
    moments: list[int]
    factors: np.ndarray
    measures: Mapping[str, Callable[[Evaluation], Any]]
    keep_weights: bool
    checkpoint_every: float


@dataclass
class _State:
    """A block of n runs: all that its future depends on, and what has been found so far."""

    parameters: list[torch.Tensor]
    speeds: list[torch.Tensor]
    ended: list[torch.Tensor]
    status: torch.Tensor
    stopped: torch.Tensor
    losses: torch.Tensor
    epoch: int
    step: int
    measured: list[dict[str, torch.Tensor]]

    @classmethod
    def fresh(cls, parameters: list[torch.Tensor], epochs: int) -> _State:
        import torch

        n, device = len(parameters[0]), parameters[0].device
        return cls(
            parameters,
            [torch.zeros_like(p) for p in parameters],
            [torch.zeros_like(p) for p in parameters],
            torch.full((n,), int(RunStatus.FINISHED), device=device),
            torch.full((n,), -1, device=device),
            torch.zeros((n, epochs), dtype=parameters[0].dtype, device=device),
            0,
            0,
            [],
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """The state as named NumPy arrays."""
        groups = {"parameters": self.parameters, "speeds": self.speeds, "ended": self.ended}
        found = {f"{name}/{k}": value for name, values in groups.items() for k, value in enumerate(values)}
        found |= {"status": self.status, "stopped": self.stopped, "losses": self.losses}
        found |= {f"measured/{j}/{name}": value for j, row in enumerate(self.measured) for name, value in row.items()}
        return {name: value.cpu().numpy() for name, value in found.items()} | {
            "position": np.array([self.epoch, self.step, len(self.measured)])
        }

    def restore(self, arrays: Mapping[str, np.ndarray] | None, like: torch.Tensor) -> None:
        """Take over what `arrays` gave; None leaves all as it is."""
        import torch

        if arrays is None:
            return
        for name in ("parameters", "speeds", "ended"):
            for k, value in enumerate(getattr(self, name)):
                value.copy_(torch.as_tensor(arrays[f"{name}/{k}"]))
        for name in ("status", "stopped", "losses"):
            getattr(self, name).copy_(torch.as_tensor(arrays[name]))
        self.epoch, self.step, rows = (int(k) for k in arrays["position"])
        self.measured = [
            {
                name.split("/", 2)[2]: torch.as_tensor(value).to(like.device)
                for name, value in arrays.items()
                if name.startswith(f"measured/{j}/")
            }
            for j in range(rows)
        ]


class _Watch:
    """Measures students, a few runs at a time. teachers, inputs `(n or 1, N, ...)` and targets are the block's."""

    def __init__(self, plan: _Plan, teachers: Any, inputs: Any, targets: torch.Tensor | None) -> None:
        self.plan, self.teachers, self.inputs, self.targets = plan, teachers, inputs, targets

    def __call__(self, state: _State) -> dict[str, torch.Tensor]:
        """The measures of every run, NaN for those that have diverged; and the weights, if they are to be kept."""
        import torch

        plan, n = self.plan, len(state.parameters[0])
        diverged = state.status == int(RunStatus.DIVERGED)
        kept = {f"weights/{k}": value for k, value in enumerate(_final(state))} if plan.keep_weights else {}
        if not plan.measures:
            return kept
        found: dict[str, list[torch.Tensor]] = {name: [] for name in plan.measures}
        networks = [plan.form.pack(state.parameters)] + ([self.teachers] if self.teachers is not None else [])
        nodes = sum(sum(network.widths[1:]) for network in networks) * math.prod(self.inputs.shape[3:])
        most = max(1, _ACTIVATIONS // (nodes * self.inputs.shape[1] * self.inputs.element_size()))
        for k in range(0, n, most):
            part = slice(k, k + most)
            seen = Evaluation(
                plan.form.pack([p[part] for p in state.parameters]),
                None if self.teachers is None else plan.teacher_form.pack([p[part] for p in plan.teacher_form.unpack(self.teachers)]),
                _cut(self.inputs, part),
                _cut(self.targets, part),
                state.epoch,
            )
            for name, measure in plan.measures.items():
                value = measure(seen)
                if not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.shape[:1] != seen.students.batch:
                    raise ValueError(f"measure {name!r} returned {_shown(value)}; expected a floating-point tensor ({seen.students.batch[0]}, ...)")
                found[name].append(value)
        rows = {name: torch.cat(values) for name, values in found.items()}
        for value in rows.values():
            value[diverged] = math.nan
        return rows | kept


def _run(
    state: _State,
    data: Samples,
    hyper: dict[str, torch.Tensor],
    nesterov: bool,
    step: Any,
    plan: _Plan,
    watch: _Watch,
    files: Checkpoint | None,
    number: int,
    bar: Any,
) -> dict[str, np.ndarray]:
    """Train a block to the end, from where its state is; returns the state's arrays."""
    import torch

    saved = clock.perf_counter()
    if bar is not None:
        bar.update(state.epoch * data.steps + state.step)
    backup = [torch.empty_like(p) for p in state.parameters]
    while True:
        if state.step == 0 and state.epoch in plan.moments and len(state.measured) == plan.moments.index(state.epoch):
            state.measured.append(watch(state))
        if state.epoch == plan.epochs:
            break
        alive = state.status == int(RunStatus.FINISHED)
        rates = Rates(
            torch.where(alive, hyper["learning_rate"] * plan.factors[state.epoch], 0.0),
            *(hyper[name] if bool((hyper[name] > 0).any()) else None for name in ("momentum", "weight_decay")),
            nesterov,
        )
        for batches in data.batches(state.epoch, state.step):
            for kept, parameter in zip(backup, state.parameters, strict=True):
                kept.copy_(parameter)
            losses = torch.empty((len(batches.inputs), len(alive)), dtype=state.losses.dtype, device=alive.device)
            for k, (x, y) in enumerate(zip(batches.inputs, batches.targets, strict=True)):
                step(state.parameters, state.speeds, state.epoch + batches.first + k == 0, x, y, rates, losses[k])
            state.losses[:, state.epoch] += losses.sum(0) / data.steps
            state.step = batches.first + len(losses)
            lost = alive & ~(_finite(state.parameters) & losses.isfinite().all(0))
            if bool(lost.any()):
                _put_away(state, backup, lost, losses, state.epoch * data.steps + batches.first)
                alive = alive & ~lost
                rates.learning_rate[lost] = 0.0
            if bar is not None:
                bar.update(len(losses))
            if files and state.step < data.steps and clock.perf_counter() - saved > plan.checkpoint_every:
                files.save_running(number, state.arrays())
                saved = clock.perf_counter()
        state.losses[~alive, state.epoch] = math.nan
        state.epoch, state.step = state.epoch + 1, 0
        if files and clock.perf_counter() - saved > plan.checkpoint_every:
            files.save_running(number, state.arrays())
            saved = clock.perf_counter()
    alive = state.status == int(RunStatus.FINISHED)
    state.stopped[alive] = plan.epochs * data.steps
    state.parameters = _final(state)
    found = state.arrays()
    if files:
        files.save_finished(number, found)
    return found


def _finite(parameters: list[torch.Tensor]) -> torch.Tensor:
    """Whether all parameters of each run are finite, `(n,)` bool."""
    import torch

    return torch.stack([p.isfinite().flatten(1).all(1) for p in parameters]).all(0)


def _put_away(state: _State, backup: list[torch.Tensor], lost: torch.Tensor, losses: torch.Tensor, before: int) -> None:
    """Keep the last finite parameters of the runs `lost`, note the step, and leave zeros, which stay zeros, in their place."""
    import torch

    for kept, last, parameter, speed in zip(state.ended, backup, state.parameters, state.speeds, strict=True):
        kept[lost] = last[lost]
        parameter[lost] = 0.0
        speed[lost] = 0.0
    bad = ~losses.isfinite()
    first = torch.where(bad.any(0), bad.int().argmax(0), len(losses))
    state.status[lost] = int(RunStatus.DIVERGED)
    state.stopped[lost] = before + first[lost]


def _final(state: _State) -> list[torch.Tensor]:
    """The parameters, of diverged runs those last seen finite."""
    import torch

    diverged = state.status == int(RunStatus.DIVERGED)
    return [
        torch.where(diverged.view(-1, *(1,) * (p.ndim - 1)), kept, p)
        for p, kept in zip(state.parameters, state.ended, strict=True)
    ]


def _assembled(
    outcomes: list[dict[str, np.ndarray]], plan: _Plan, shape: tuple[int, ...], is_torch: bool, home: Any, started: float
) -> Training:
    """The result, of all blocks, in the kind of arrays that the students came in."""
    import torch

    def joined(name: str) -> Any:
        value = np.concatenate([outcome[name] for outcome in outcomes])
        value = value.reshape(*shape, *value.shape[1:])
        return torch.as_tensor(value, device=home) if is_torch else value

    def stacked(name: str) -> Any:
        rows = [joined(f"measured/{j}/{name}") for j in range(len(plan.moments))]
        return torch.stack(rows) if is_torch else np.stack(rows)

    count = len([name for name in outcomes[0] if name.startswith("parameters/")])
    return Training(
        epochs=torch.tensor(plan.moments, device=home) if is_torch else np.array(plan.moments),
        measured={name: stacked(name) for name in plan.measures},
        history=plan.form.pack([stacked(f"weights/{k}") for k in range(count)]) if plan.keep_weights else None,
        students=plan.form.pack([joined(f"parameters/{k}") for k in range(count)]),
        loss=joined("losses"),
        status=joined("status"),
        stopped=joined("stopped"),
        seconds=clock.perf_counter() - started,
    )


def _device(device: Any, home: Any) -> Any:
    import torch

    if device is None:
        return home
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device is {device!r}: {error}") from None
    return found


def _dtype(dtype: Any, first: Any) -> Any:
    import torch

    known = {"float32": torch.float32, "float64": torch.float64}
    name = str(first.dtype if dtype is None else dtype).removeprefix("torch.")
    if not isinstance(dtype, str | torch.dtype) and dtype is not None:
        name = np.dtype(dtype).name
    if name not in known:
        raise ValueError(f"dtype is {dtype!r}; expected float32 or float64")
    return known[name]


def _seeds(seed: Any, shape: tuple[int, ...], runs: int) -> list[tuple[int, ...]]:
    given = np.asarray(seed)
    if given.dtype.kind not in "iu" or np.any(given < 0):
        raise ValueError(f"seed is {seed!r}; expected integers of at least 0")
    if given.ndim == 0:
        return [(int(given), run) for run in range(runs)]
    if broadcast_batches(students=shape, seed=given.shape) != shape:
        raise ValueError(f"seed has shape {given.shape}; expected a number, or one for each run, {shape}")
    return [(int(s),) for s in np.broadcast_to(given, shape).ravel()]


def _per_run(value: Any, name: str, shape: tuple[int, ...], *, above: float | None = None, below: float = math.inf) -> np.ndarray:
    found = as_floating(value, name)
    found = np.asarray(found.detach().cpu() if hasattr(found, "detach") else found, dtype=float)
    low = found <= above if above is not None else found < 0
    if np.any(low) or np.any(found >= below):
        bad = float(found[low | (found >= below)].ravel()[0])
        wanted = ("above 0" if above is not None else "of at least 0") + (f" and below {below:g}" if below < math.inf else "")
        raise ValueError(f"{name} has the entry {bad:g}; expected numbers {wanted}")
    if broadcast_batches(students=shape, **{name: found.shape}) != shape:
        raise ValueError(f"{name} has shape {found.shape}; expected a number, or one for each run, {shape}")
    return np.array(np.broadcast_to(found, shape))


def _teacher(target: Any, students: Any, shape: tuple[int, ...]) -> Any:
    if not isinstance(target, DeepReLU | ConvReLU):
        return None
    if type(target) is not type(students):
        raise ValueError(f"students are {type(students).__name__} and target is {type(target).__name__}; they must be of one kind")
    ends = [(network.widths[0], network.widths[-1]) for network in (students, target)]
    if ends[0] != ends[1]:
        raise ValueError(f"students and target have widths {students.widths} and {target.widths}; their inputs and outputs must be as many")
    if broadcast_batches(students=shape, target=target.batch) != shape:
        raise ValueError(f"target has batch {target.batch}; it must broadcast to that of the students, {shape}")
    return target


def _inputs(inputs: Any, students: Any, shape: tuple[int, ...], ndim: int, like: torch.Tensor) -> Any:
    """Given inputs as a tensor `(N, ...)` or `(R, N, ...)`; None for a law."""
    if isinstance(inputs, InputLaw):
        if ndim != 1 or inputs.dimension != students.widths[0]:
            raise ValueError(f"inputs has dimension {inputs.dimension}; expected inputs for networks of widths {students.widths}")
        return None
    return _tensor(as_floating(inputs, "inputs", least_ndim=ndim + 1), "inputs", students.widths[0], shape, ndim, like)


def _tensor(found: Any, name: str, width: int, shape: tuple[int, ...], ndim: int, like: torch.Tensor) -> Any:
    import torch

    if found.shape[-ndim] != width or (found.ndim != ndim + 1 and tuple(found.shape[: -ndim - 1]) != shape):
        core = f"{width}" if ndim == 1 else f"{width}, height, width"
        raise ValueError(f"{name} has shape {tuple(found.shape)}; expected (N, {core}) or {(*shape, 'N', core)}".replace("'", ""))
    tensor = torch.as_tensor(found).detach().to(like)
    return tensor if found.ndim == ndim + 1 else tensor.reshape(math.prod(shape), *tensor.shape[-ndim - 1 :])


def _targets(
    target: Any, students: Any, shape: tuple[int, ...], count: int, loss: str, given: Any, like: torch.Tensor, name: str = "target"
) -> torch.Tensor:
    """Numbers `(1 or R, N, C)` or labels `(1 or R, N)` as a tensor."""
    import torch

    if given is None:
        raise ValueError(f"{name} is {_shown(target)}; inputs drawn from a law need a teacher network as target")
    classes, runs = students.widths[-1], math.prod(shape)
    if loss == "cross_entropy":
        labels = torch.as_tensor(target if isinstance(target, torch.Tensor) else np.asarray(target)).to(like.device)
        if labels.is_floating_point() or labels.shape[-1:] != (count,) or tuple(labels.shape[:-1]) not in ((), shape):
            raise ValueError(f"{name} is {_shown(target)}; expected integer labels ({count},), or one set for each run")
        if labels.min() < 0 or labels.max() >= classes:
            raise ValueError(f"{name} has labels from {int(labels.min())} to {int(labels.max())}; expected 0 to {classes - 1}, the students' outputs")
        return labels.long().reshape(-1 if labels.ndim > 1 else 1, count)
    found = as_floating(target, name, least_ndim=2)
    if tuple(found.shape[-2:]) != (count, classes) or tuple(found.shape[:-2]) not in ((), shape):
        raise ValueError(f"{name} has shape {tuple(found.shape)}; expected ({count}, {classes}), or one set for each run")
    return torch.as_tensor(found).detach().to(like).reshape(runs if found.ndim > 2 else 1, count, classes)


def _evaluation(
    evaluation: Any, students: Any, shape: tuple[int, ...], ndim: int, inputs: Any, given: Any, numbers: Any, loss: str, like: torch.Tensor
) -> tuple[Any, Any]:
    """Evaluation inputs, `(1 or R, N, ...)` or how many to draw, and their targets, if given."""
    if evaluation is None:
        if given is None:
            return 10_000, None
        return (given if given.ndim == ndim + 2 else given[None]), numbers
    if isinstance(evaluation, int):
        if given is not None:
            raise ValueError(f"evaluation is {evaluation}, and there is no law to draw from; pass the inputs to measure on")
        return as_order(evaluation, "evaluation", least=1, most=10**9), None
    pair = evaluation if isinstance(evaluation, tuple) else (evaluation, None)
    x = _tensor(as_floating(pair[0], "evaluation", least_ndim=ndim + 1), "evaluation", students.widths[0], shape, ndim, like)
    x = x if x.ndim == ndim + 2 else x[None]
    if pair[1] is None:
        return x, None
    kind = "cross_entropy" if np.asarray(pair[1]).dtype.kind in "iu" else "half_squared"
    return x, _targets(pair[1], students, shape, x.shape[1], kind, x, like, "evaluation")


def _cut(values: Any, part: slice, inputs: Any = None, seeds: Any = None, like: Any = None) -> Any:
    """The rows of some runs; those all runs share; inputs drawn from the law where `values` says how many."""
    if isinstance(values, int):
        return evaluation_inputs(inputs, seeds[part], values, like)
    return values if values is None or values.shape[0] == 1 else values[part]


def _block_size(
    block: int | None, runs: int, starts: list[Any], device: Any, students: Any, count: int, eval_inputs: Any, given: Any, like: Any
) -> int:
    if block is not None:
        return as_order(block, "block", least=1, most=10**9)
    cpu = device.type == "cpu"
    per_run = sum(p[0].numel() for p in starts) * like.element_size()
    drawn = (count + eval_inputs) * (students.widths[0] + students.widths[-1]) if given is None else 0
    by_data = _MEMORY * (1 if cpu else 8) // max(1, drawn * like.element_size())
    return max(1, min(runs, by_data, _CACHE // per_run if cpu else runs))


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__}" + (f" of shape {tuple(shape)}" if shape is not None else "")


def _bar(progress: bool, total: int) -> Any:
    if not progress:
        return None
    from tqdm import tqdm

    return tqdm(total=total, unit="step", desc="training", smoothing=0.05)
