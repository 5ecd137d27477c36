"""Gradient descent on the population loss, or on that of a sample (alignment paper, Sections 2 and 3): `descend`.

It advances thousands of independent runs together in torch: the runs lie along the last, contiguous axis and every
operation is elementwise over them, so that a run's weights do not depend, to the bit, on which others share its batch.
`gradient_flow` has its limit of small steps.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alignmath import population
from alignmath.arrays import (
    SUM_BLOCK,
    as_floating,
    as_order,
    broadcast_batches,
    fixed_order_sum,
    keep_freed_memory,
    polar,
)
from alignmath.extras import needs
from alignmath.networks import TwoLayer, require_plain
from alignmath.population import neurons as formulas

from ..runs import RunStatus, Trajectory, as_device, as_moments, as_steps, as_tolerance, progress_bar

if TYPE_CHECKING:
    import torch

__all__ = ["descend"]

_KEPT = ("hidden", "output", "loss", "gradient_norm")
_BLOCK = 1 << 18
"""Pairs of neurons worked on at once on a CPU: what stays in cache."""


class _Plan(NamedTuple):
    """What every block of runs is to do; arguments of `descend`, checked."""

    steps: int
    moments: frozenset[int]
    check_every: int
    gradient_tolerance: float
    loss_tolerance: float
    train_output: bool
    students: int
    x: Any
    fill: int
    bar: Any


def descend(
    students: TwoLayer,
    teacher: TwoLayer,
    learning_rate: Any,
    steps: int,
    *,
    record: Sequence[int] | None = None,
    keep: Sequence[str] = _KEPT,
    gradient_tolerance: float = 0.0,
    loss_tolerance: float = 0.0,
    check_every: int = 10,
    train_output: bool = False,
    x: Any = None,
    device: Any = None,
    progress: bool = False,
) -> Trajectory:
    """Take `steps` steps `w <- w - learning_rate * gradient` with every student network of the batch at once, in torch.

    - students: networks `(..., m, d)`, NumPy or torch; the result is of the same kind
    - teacher: one network, or a batch that broadcasts
    - learning_rate: a number, or `(...)`, one for each run
    - record: the steps at which to keep what `keep` names ("hidden", "output", "loss", "gradient_norm"); by default the
      first and the last
    - gradient_tolerance, loss_tolerance: a run stops at the first multiple of `check_every`, or the last step, at which
      its gradient norm or its loss is at most this (0: never); `record` has no part in it
    - train_output: train the output weights too
    - x: a sample `(n, d)` to take the place of the Gaussian expectation (the last bits of a run then depend on its
      batch)
    - device: where torch computes; by default where the students are
    - progress: a bar on stderr

    Raises `ValueError` for bad input, among it students of length 0, where the loss has no gradient, and `ImportError`
    without torch. A run that diverges or has a student collapse is stopped and reported in `status`; the others are not
    disturbed.

    >>> from alignmath.networks import gaussian_weights
    >>> runs = descend(gaussian_weights(5, 2, seed=0, batch=(100,)), TwoLayer([[1.0, 0.0]]), 0.5, 200)
    >>> runs.students.hidden.shape, bool((runs.loss[1] < 0.01 * runs.loss[0]).all())
    ((100, 5, 2), True)
    """
    needs("torch", "torch")
    import torch

    started = clock.perf_counter()
    steps = as_steps(steps)
    moments = as_moments(record, steps)
    keep = (keep,) if isinstance(keep, str) else keep
    unknown = set(keep) - set(_KEPT)
    if unknown:
        raise ValueError(f"keep names {sorted(unknown)}; expected some of {list(_KEPT)}")
    for network, name in ((students, "students"), (teacher, "teacher")):
        require_plain(network, name)
    population.gradient(students, teacher)  # the networks fit, and the gradient exists at the start
    runs = _Runs(students, teacher, device)
    rates, x = runs.load(_checked_rate(learning_rate, runs.batch)).to(runs.neurons.dtype), runs.sample(x)
    plan = _Plan(
        steps=steps,
        moments=frozenset(moments),
        check_every=as_order(check_every, "check_every", least=1, most=10**9),
        gradient_tolerance=as_tolerance(gradient_tolerance, "gradient_tolerance", zero=True),
        loss_tolerance=as_tolerance(loss_tolerance, "loss_tolerance", zero=True),
        train_output=train_output,
        students=students.width,
        x=x,
        fill=SUM_BLOCK if x is None and runs.device.type == "cpu" else 1,
        bar=progress_bar(progress, len(runs.blocks) * steps, "step", "descent"),
    )
    if runs.device.type == "cpu":
        keep_freed_memory()
    blocks = []
    with torch.no_grad(), plan.bar:
        for block in runs.blocks:
            index = _filled(torch.as_tensor(block, device=runs.device), plan.fill)
            blocks.append(_descend(runs.neurons[..., index], runs.signed[:, index], rates[index], plan))
    return _trajectory(runs, blocks, moments, keep, started)


class _Runs:
    """All runs on the device, batch last: neurons `(d, n, R)`, of students and then teachers, and signed output weights
    `(n, R)`. blocks: the numbers of the runs that are advanced together; home: the device the students came from.
    """

    def __init__(self, students: TwoLayer, teacher: TwoLayer, device: Any) -> None:
        import torch

        self.batch = broadcast_batches(students=students.batch, teacher=teacher.batch)
        self.count = math.prod(self.batch)
        self.is_torch = isinstance(students.hidden, torch.Tensor)
        self.home = students.hidden.device if self.is_torch else torch.device("cpu")
        self.device = as_device(device, self.home)
        m, n, d = students.width, students.width + teacher.width, students.dimension
        hidden = torch.cat([self.load(net.hidden, net.width, d) for net in (students, teacher)])
        self.neurons = hidden.movedim(1, 0).contiguous()
        self.signed = torch.cat([self.load(students.output, m), -self.load(teacher.output, n - m)])
        size = self.count if self.device.type != "cpu" else max(64, _BLOCK // (m * n))
        self.blocks = [range(start, min(start + size, self.count)) for start in range(0, self.count, size)]

    def load(self, array: Any, *core: int) -> torch.Tensor:
        """The array on the device, `(*core, runs)`."""
        import torch

        owned = array if isinstance(array, torch.Tensor) else np.array(array)
        tensor = torch.as_tensor(owned, device=self.device).detach().broadcast_to((*self.batch, *core))
        return tensor.reshape((self.count, *core)).movedim(0, -1)

    def sample(self, x: Any) -> torch.Tensor | None:
        """The sample `(n, d)` on the device, if there is one."""
        import torch

        if x is None:
            return None
        sample = torch.as_tensor(as_floating(x, "x", least_ndim=2), device=self.device).to(self.neurons.dtype)
        if sample.ndim != 2 or sample.shape[1] != len(self.neurons):
            raise ValueError(f"x has shape {tuple(sample.shape)}; expected (n, {len(self.neurons)}), one input a row")
        return sample

    def unload(self, tensors: list[torch.Tensor], batch_first: int = 0) -> Any:
        """Join what the blocks give, and put the batch axes in place, after `batch_first` leading axes."""
        import torch

        own = [tensor[..., : len(block)] for tensor, block in zip(tensors, self.blocks, strict=True)]
        tensor = torch.cat(own, dim=-1).movedim(-1, batch_first)
        tensor = tensor.reshape((*tensor.shape[:batch_first], *self.batch, *tensor.shape[batch_first + 1 :]))
        return tensor.to(self.home) if self.is_torch else tensor.cpu().numpy()


def _trajectory(
    runs: _Runs, blocks: list[_Block], moments: list[int], keep: Sequence[str], started: float
) -> Trajectory:
    """The result of all blocks."""
    import torch

    history = {
        name: runs.unload([torch.stack([moment[name] for moment in block.history]) for block in blocks], 1)
        if name in keep
        else None
        for name in _KEPT
    }
    last = {name: runs.unload([block.last[name] for block in blocks]) for name in _KEPT}
    return Trajectory(
        time=torch.tensor(moments, device=runs.home) if runs.is_torch else np.array(moments),
        **history,
        students=TwoLayer(last["hidden"], last["output"]),
        final_loss=last["loss"],
        final_gradient_norm=last["gradient_norm"],
        stopped=runs.unload([block.stopped for block in blocks]),
        status=runs.unload([block.status for block in blocks]),
        seconds=clock.perf_counter() - started,
    )


class _Block(NamedTuple):
    """Outcome of one block of runs: states by name, batch last; hidden is `(m, d, runs)`."""

    history: list[dict[str, Any]]
    last: dict[str, Any]
    stopped: Any
    status: Any


def _descend(neurons: torch.Tensor, signed: torch.Tensor, rate: torch.Tensor, plan: _Plan) -> _Block:
    """Run one block: neurons `(d, n, R)`, signed `(n, R)`, rate `(R,)`. Runs that have stopped leave these arrays
    for `ended`."""
    import torch

    m = plan.students
    ended = neurons.clone(), signed.clone()
    neurons, signed = neurons.clone(), signed.clone()
    alive = torch.arange(rate.shape[0], device=rate.device)
    stopped = torch.full_like(alive, plan.steps)
    status = torch.full_like(alive, int(RunStatus.FINISHED))
    finite_state = neurons.clone(), signed.clone()
    history: list[dict[str, Any]] = []

    def put_away(runs: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]) -> None:
        for kept, value in zip(ended, state, strict=True):
            kept[..., alive[runs]] = value[..., runs]

    for step in range(plan.steps + 1):
        recorded, final = step in plan.moments, step == plan.steps
        checked = final or step % plan.check_every == 0
        by_hidden, by_output = _gradient(neurons, signed, plan)
        if recorded and not checked:
            finite = torch.isfinite(_norm(by_hidden, by_output))
            put_away(finite, (neurons, signed))
            put_away(~finite, finite_state)
            history.append(_measured(*ended, plan))
        if checked:
            norm = _norm(by_hidden, by_output)
            codes = torch.full_like(alive, -1)
            if plan.loss_tolerance > 0:
                codes[_loss(neurons, signed, plan) <= plan.loss_tolerance] = RunStatus.LOSS
            if plan.gradient_tolerance > 0:
                codes[norm <= plan.gradient_tolerance] = RunStatus.GRADIENT
            codes[((polar(neurons[:, :m], axis=0)[0] == 0) & (signed[:m] != 0)).any(0)] = RunStatus.COLLAPSED
            diverged = ~torch.isfinite(norm)
            codes[diverged] = RunStatus.DIVERGED
            done = codes >= 0
            if bool(done.any()):
                put_away(done & ~diverged, (neurons, signed))
                put_away(diverged, finite_state)
                status[alive[done]], stopped[alive[done]] = codes[done], step
                go_on = _filled(torch.nonzero(~done)[:, 0], plan.fill)
                alive, rate, neurons, signed = alive[go_on], rate[go_on], neurons[..., go_on], signed[:, go_on]
                by_hidden = by_hidden[..., go_on]
                by_output = by_output[:, go_on] if by_output is not None else None
            finite_state = neurons.clone(), signed.clone()
            if recorded or final:
                put_away(torch.ones_like(alive, dtype=torch.bool), finite_state)
            if recorded:
                history.append(_measured(*ended, plan))
        if final or not alive.shape[0]:
            plan.bar.update(plan.steps - step)
            break
        neurons[:, :m] -= rate * by_hidden
        if by_output is not None:
            signed[:m] -= rate * by_output
        plan.bar.update(1)
    last = _measured(*ended, plan)
    return _Block(history + [last] * (len(plan.moments) - len(history)), last, stopped, status)


def _filled(runs: torch.Tensor, multiple: int) -> torch.Tensor:
    """The indices `runs`, the first of them repeated until their number is a multiple of `multiple`."""
    import torch

    return torch.cat([runs, runs[:1].expand(-len(runs) % multiple)]) if len(runs) else runs


def _gradient(neurons: torch.Tensor, signed: torch.Tensor, plan: _Plan) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Gradients by hidden `(d, m, R)` and, if they are trained, output weights `(m, R)`."""
    if plan.x is None:
        pull, overlap = formulas.neuron_gradient(neurons, signed, plan.students, with_overlap=plan.train_output)
    else:
        pull, overlap = formulas.sample_gradient(neurons, signed, plan.students, plan.x)
    return signed[: plan.students] * pull, overlap if plan.train_output else None


def _loss(neurons: torch.Tensor, signed: torch.Tensor, plan: _Plan) -> torch.Tensor:
    if plan.x is None:
        return formulas.neuron_loss(neurons, signed)
    return formulas.sample_loss(neurons, signed, plan.x)


def _norm(by_hidden: torch.Tensor, by_output: torch.Tensor | None) -> torch.Tensor:
    square = fixed_order_sum(fixed_order_sum(by_hidden * by_hidden, axis=0), axis=0)
    return (square if by_output is None else square + fixed_order_sum(by_output * by_output, axis=0)).sqrt()


def _measured(neurons: torch.Tensor, signed: torch.Tensor, plan: _Plan) -> dict[str, torch.Tensor]:
    """What `Trajectory` keeps of a state, batch last."""
    m = plan.students
    return {
        "hidden": neurons[:, :m].movedim(0, 1).clone(),
        "output": signed[:m].clone(),
        "loss": _loss(neurons, signed, plan),
        "gradient_norm": _norm(*_gradient(neurons, signed, plan)),
    }


def _checked_rate(learning_rate: Any, batch: tuple[int, ...]) -> Any:
    rate = as_floating(learning_rate, "learning_rate")
    if bool((rate <= 0).any()):
        raise ValueError("learning_rate has an entry that is not positive; gradient descent needs one above 0")
    if broadcast_batches(runs=batch, learning_rate=rate.shape) != batch:
        raise ValueError(
            f"learning_rate has shape {tuple(rate.shape)}; expected a number, or one for each run, {batch}"
        )
    return rate
