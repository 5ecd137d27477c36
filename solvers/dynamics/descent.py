"""Gradient descent and gradient flow on the population loss (alignment paper, Sections 2 and 3).

`descend` advances thousands of independent runs together in torch: the runs lie along the last, contiguous axis and
every operation is elementwise over them, so that a run's weights do not depend, to the bit, on which others share
its batch. `flow` integrates a single run of `dw/dt = -gradient` with SciPy's steppers.
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
    as_number,
    as_order,
    broadcast_batches,
    fixed_order_sum,
    keep_freed_memory,
    polar,
)
from alignmath.extras import needs
from alignmath.networks import TwoLayer
from alignmath.population import neurons as formulas

from ..runs import RunStatus, Trajectory, as_device, as_moments, as_steps, as_tolerance, progress_bar

if TYPE_CHECKING:
    import torch

__all__ = ["descend", "flow"]

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

    students: networks `(..., m, d)`, NumPy or torch; the result is of the same kind. teacher: one network, or a
    batch that broadcasts. learning_rate: a number, or `(...)`, one for each run. record: the steps at which to keep
    what `keep` names ("hidden", "output", "loss", "gradient_norm"); by default the first and the last.
    gradient_tolerance, loss_tolerance: a run stops at the first multiple of `check_every`, or the last step, at
    which its gradient norm or its loss is at most this (0: never); `record` has no part in it. train_output: train the
    output weights too. x: a sample `(n, d)` to take the place of the Gaussian expectation (the last bits of a run
    then depend on its batch). device: where torch computes; by default where the students are.

    Raises `ValueError` for bad input, among it students of length 0, where the loss has no gradient. A run that
    diverges or has a student collapse is stopped and reported in `status`; the others are not disturbed.

    >>> from alignmath.networks import gaussian_weights, planar
    >>> students = gaussian_weights(5, 2, seed=0, batch=(100,))
    >>> runs = descend(students, planar([0.0]), 0.5, 200)
    >>> runs.hidden.shape, bool(runs.final_loss.max() < 1e-4)
    ((2, 100, 5, 2), True)
    """
    needs("torch", "torch")
    import torch

    started = clock.perf_counter()
    steps = as_steps(steps)
    check_every = as_order(check_every, "check_every", least=1, most=10**9)
    gradient_tolerance = as_tolerance(gradient_tolerance, "gradient_tolerance", zero=True)
    loss_tolerance = as_tolerance(loss_tolerance, "loss_tolerance", zero=True)
    moments = as_moments(record, steps)
    keep = (keep,) if isinstance(keep, str) else keep
    unknown = set(keep) - set(_KEPT)
    if unknown:
        raise ValueError(f"keep names {sorted(unknown)}; expected some of {list(_KEPT)}")
    population.gradient(students, teacher)  # the networks fit, and the gradient exists at the start
    batch = broadcast_batches(students=students.batch, teacher=teacher.batch)
    runs = math.prod(batch)
    is_torch = isinstance(students.hidden, torch.Tensor)
    home = students.hidden.device if is_torch else torch.device("cpu")
    device = as_device(device, home)

    def load(array: Any, *core: int) -> torch.Tensor:
        """The array on the device, `(*core, runs)`, contiguous."""
        owned = array if isinstance(array, torch.Tensor) else np.array(array)
        tensor = torch.as_tensor(owned, device=device).detach().broadcast_to((*batch, *core))
        return tensor.reshape((runs, *core)).movedim(0, -1)

    m, n, d = students.width, students.width + teacher.width, students.dimension
    hidden = torch.cat([load(net.hidden, net.width, d) for net in (students, teacher)])
    neurons = hidden.movedim(1, 0).contiguous()
    signed = torch.cat([load(students.output, m), -load(teacher.output, n - m)])
    rates = load(_checked_rate(learning_rate, batch)).to(neurons.dtype)
    if x is not None:
        x = torch.as_tensor(as_floating(x, "x", least_ndim=2), device=device).to(neurons.dtype)
        if x.ndim != 2 or x.shape[1] != d:
            raise ValueError(f"x has shape {tuple(x.shape)}; expected (n, {d}), one input a row")

    size = runs if device.type != "cpu" else max(64, _BLOCK // (m * n))
    starts = range(0, runs, size)
    if device.type == "cpu":
        keep_freed_memory()
    bar = progress_bar(progress, len(starts) * steps, "step", "descent")
    plan = _Plan(
        steps=steps,
        moments=frozenset(moments),
        check_every=check_every,
        gradient_tolerance=gradient_tolerance,
        loss_tolerance=loss_tolerance,
        train_output=train_output,
        students=m,
        x=x,
        fill=SUM_BLOCK if x is None and device.type == "cpu" else 1,
        bar=bar,
    )
    blocks = []
    with torch.no_grad(), bar:
        for start in starts:
            index = _filled(torch.arange(start, min(start + size, runs), device=device), plan.fill)
            blocks.append(_descend(neurons[..., index], signed[:, index], rates[index], plan))

    def unload(tensors: list[torch.Tensor], batch_first: int = 0) -> Any:
        """Join the blocks and put the batch axes in place, after `batch_first` leading axes."""
        own = [tensor[..., : min(size, runs - start)] for tensor, start in zip(tensors, starts, strict=True)]
        tensor = torch.cat(own, dim=-1).movedim(-1, batch_first)
        tensor = tensor.reshape((*tensor.shape[:batch_first], *batch, *tensor.shape[batch_first + 1 :]))
        return tensor.to(home) if is_torch else tensor.cpu().numpy()

    history = {
        name: unload([torch.stack([moment[name] for moment in block.history]) for block in blocks], 1)
        if name in keep
        else None
        for name in _KEPT
    }
    last = {name: unload([block.last[name] for block in blocks]) for name in _KEPT}
    return Trajectory(
        time=torch.tensor(moments, device=home) if is_torch else np.array(moments),
        **history,
        students=TwoLayer(last["hidden"], last["output"]),
        final_loss=last["loss"],
        final_gradient_norm=last["gradient_norm"],
        stopped=unload([block.stopped for block in blocks]),
        status=unload([block.status for block in blocks]),
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


def flow(
    students: TwoLayer,
    teacher: TwoLayer,
    times: Any,
    *,
    method: str = "DOP853",
    relative_tolerance: float = 1e-10,
    absolute_tolerance: float = 1e-12,
    train_output: bool = False,
) -> Trajectory:
    """Gradient flow `dw/dt = -gradient` of one network, by SciPy's `solve_ivp`, at the increasing `times (K,)` from
    time `times[0]`.

    students, teacher: single NumPy networks. method: any of SciPy's; "LSODA" suits long times. The flow stops
    where a student's length falls to 1e-12 of its teacher's scale (status COLLAPSED), for there the gradient ends;
    later times keep that state. Raises `ValueError` for bad input and `ArithmeticError` if the stepper fails.

    >>> from alignmath.networks import planar
    >>> run = flow(planar([0.5, 1.0]), planar([0.0]), [0, 10, 100])
    >>> run.loss.shape, bool(run.final_loss < 1e-4)
    ((3,), True)
    """
    from scipy.integrate import solve_ivp

    started = clock.perf_counter()
    times = np.asarray(as_floating(times, "times", least_ndim=1), dtype=float)
    if times.ndim != 1 or len(times) < 2 or np.any(np.diff(times) <= 0):
        raise ValueError(f"times has shape {times.shape}; expected one increasing sequence of at least two times")
    relative_tolerance = as_number(relative_tolerance, "relative_tolerance", above=True)
    absolute_tolerance = as_number(absolute_tolerance, "absolute_tolerance", above=True)
    if not (isinstance(students.hidden, np.ndarray) and isinstance(teacher.hidden, np.ndarray)):
        raise ValueError("flow works on NumPy networks; convert the weights, or use descend")
    if students.batch or teacher.batch:
        raise ValueError(
            f"flow follows one run; the batches are {students.batch} and {teacher.batch}. Use descend, or a loop"
        )
    population.gradient(students, teacher)
    m, d = students.width, students.dimension
    teachers, teacher_output = np.asarray(teacher.hidden).T, -np.asarray(teacher.output)
    floor = 1e-12 * max(float(np.max(np.abs(teachers))), float(np.max(np.abs(students.hidden))))

    def unpack(state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        output = state[m * d :] if train_output else np.asarray(students.output)
        return np.concatenate([state[: m * d].reshape(m, d).T, teachers], axis=1), np.concatenate(
            [output, teacher_output]
        )

    def slope(_: float, state: np.ndarray) -> np.ndarray:
        neurons, signed = unpack(state)
        pull, overlap = formulas.neuron_gradient(neurons, signed, m, with_overlap=train_output)
        by_hidden = (signed[:m] * pull).T.ravel()
        return -by_hidden if overlap is None else -np.concatenate([by_hidden, overlap])

    def shortest(_: float, state: np.ndarray) -> float:
        return float(np.min(np.linalg.norm(state[: m * d].reshape(m, d), axis=1))) - floor

    # solve_ivp reads these attributes of its event functions
    shortest.terminal, shortest.direction = True, -1  # type: ignore[attr-defined]
    start = np.concatenate(
        [np.ravel(students.hidden), np.asarray(students.output)] if train_output else [np.ravel(students.hidden)]
    )
    solution = solve_ivp(
        slope,
        (times[0], times[-1]),
        start,
        method,
        times,
        events=shortest,
        rtol=relative_tolerance,
        atol=absolute_tolerance,
    )
    if solution.status < 0:
        raise ArithmeticError(f"{method} failed: {solution.message} Try another method or looser tolerances")
    states = solution.y.T
    collapsed = solution.status == 1
    if collapsed:
        end = np.repeat(solution.y_events[0], len(times) - len(states), axis=0)
        states = np.concatenate([states, end]) if len(end) else states
    weights = [unpack(state) for state in states]
    loss = np.array([float(formulas.neuron_loss(*pair)) for pair in weights])
    norm = np.array([float(np.linalg.norm(slope(0.0, state))) for state in states])
    hidden = np.stack([neurons[:, :m].T for neurons, _ in weights])
    output = np.stack([signed[:m] for _, signed in weights])
    return Trajectory(
        time=times,
        hidden=hidden,
        output=output,
        loss=loss,
        gradient_norm=norm,
        students=TwoLayer(hidden[-1], output[-1]),
        final_loss=loss[-1],
        final_gradient_norm=norm[-1],
        stopped=np.array(solution.t_events[0][0] if collapsed else times[-1]),
        status=np.array(int(RunStatus.COLLAPSED if collapsed else RunStatus.FINISHED)),
        seconds=clock.perf_counter() - started,
    )


def _checked_rate(learning_rate: Any, batch: tuple[int, ...]) -> Any:
    rate = as_floating(learning_rate, "learning_rate")
    if bool((rate <= 0).any()):
        raise ValueError("learning_rate has an entry that is not positive; gradient descent needs one above 0")
    if broadcast_batches(runs=batch, learning_rate=rate.shape) != batch:
        raise ValueError(
            f"learning_rate has shape {tuple(rate.shape)}; expected a number, or one for each run, {batch}"
        )
    return rate
