"""Gradient flow `dW/dt = -dL/dW`, `dV/dt = -dL/dV` of two-layer ReLU students with outputs in R^C.

Inputs are `N(0, s^2 I)`, so the slope is the closed form of `alignmath.population`. SGD with a small learning
rate eta follows this curve, its step k at time `eta k` for the loss `|y - y*|^2 / 2` averaged over the batch (the mean
of squares over batch and outputs runs `2 / C` times as fast). Specialization paper, Section 5, with V trained as well.
"""

from __future__ import annotations

import time as clock
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignmath import gaussian, population
from alignmath.arrays import Array, as_floating, as_number, require_nonzero
from alignmath.networks import DeepReLU
from alignmath.population.nodes import node_gradient
from alignmath.specialization import relu_correlation

from ..runs import RunStatus

__all__ = ["PopulationFlow", "population_flow"]

_EXPLICIT = ("RK23", "RK45", "DOP853")
_SHORTEST = 1e-12
"""A student this much shorter than the largest hidden weight has collapsed."""
_UNRESOLVED = 100
"""So has one of so many absolute tolerances: the stepper would rattle about the kink at 0 with ever smaller steps."""


@dataclass(frozen=True)
class PopulationFlow:
    """Gradient flow at K times; m students, M teachers.

    time: `(K,)`. students: a batch `(K,)` of networks. loss: `(K,)`.
    correlations: `(K, M, m)`, the exact correlation of every teacher with every student node over the Gaussian inputs,
        see `specialization.relu_correlation`; `specialization.covered` and `mean_best` take it.
    status: `RunStatus.FINISHED`, or `COLLAPSED` where a student's hidden weight shrank to nothing and the flow ended,
        at the time `stopped`; later times keep that state. evaluations: of the gradient. seconds: wall time.
    """

    time: Array
    students: DeepReLU
    loss: Array
    correlations: Array
    status: RunStatus
    stopped: float
    evaluations: int
    seconds: float


def population_flow(
    student: DeepReLU,
    teacher: DeepReLU,
    times: Any,
    *,
    scale: float = 1.0,
    train_output: bool = True,
    method: str = "DOP853",
    relative_tolerance: float = 1e-7,
    absolute_tolerance: float = 1e-9,
) -> PopulationFlow:
    """Gradient flow from `student` at the time `times[0]`, by SciPy's `solve_ivp`.

    student, teacher: NumPy networks of one hidden layer without biases, weights `(m, d)` and `(C, m)`. times: `(K,)`,
    increasing, K at least 2. scale: standard deviation s of the inputs; time runs s^2 times as fast as for s = 1.
    train_output: whether V moves, or W alone. method: "DOP853", "RK45" or "RK23": explicit steppers, as there are
    tens of thousands of unknowns. The tolerances are those of one step; a student shorter than a hundred absolute
    tolerances counts as collapsed, so pass a small one with tiny initial weights.

    Raises `ValueError` for bad input and `ArithmeticError` if the stepper fails.
    """
    from scipy.integrate import solve_ivp

    started = clock.perf_counter()
    times = np.asarray(as_floating(times, "times", least_ndim=1), dtype=float)
    if times.ndim != 1 or len(times) < 2 or np.any(np.diff(times) <= 0):
        raise ValueError(f"times has shape {times.shape}; expected one increasing sequence of at least two times")
    if method not in _EXPLICIT:
        raise ValueError(f"method is {method!r}; expected one of {list(_EXPLICIT)}")
    relative_tolerance = as_number(relative_tolerance, "relative_tolerance", above=True)
    absolute_tolerance = as_number(absolute_tolerance, "absolute_tolerance", above=True)
    population.gradient(student, teacher, scale)  # the networks fit, and the gradient exists at the start
    if not (isinstance(student.weights[0], np.ndarray) and isinstance(teacher.weights[0], np.ndarray)):
        raise ValueError("population_flow works on NumPy networks; convert the weights")
    if student.batch or teacher.batch:
        raise ValueError(
            f"population_flow follows one run; the batches are {student.batch} and {teacher.batch}. Use a loop"
        )
    d, m, outputs = student.widths
    hidden, fan_out = (
        np.concatenate([np.asarray(ours, dtype=float), np.asarray(target, dtype=float)])
        for ours, target in (
            (student.weights[0], teacher.weights[0]),
            (student.weights[1].T, -teacher.weights[1].T),
        )
    )
    lengths = np.linalg.norm(hidden, axis=1)
    require_nonzero(lengths[:m], "student.weights[0]", "the correlations need its direction; remove the node")
    require_nonzero(lengths[m:], "teacher.weights[0]", "the correlations need its direction; remove the node")
    split, rate = m * d, float(scale) ** 2
    floor = max(_SHORTEST * float(np.max(lengths)), _UNRESOLVED * absolute_tolerance)

    def own(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hidden weights `(..., m, d)` and fan-outs `(..., m, C)` of the students in states `(..., unknowns)`."""
        rows = states[..., :split].reshape((*states.shape[:-1], m, d))
        if train_output:
            return rows, states[..., split:].reshape((*states.shape[:-1], m, outputs))
        return rows, np.broadcast_to(fan_out[:m], (*states.shape[:-1], m, outputs))

    def slope(_: float, state: np.ndarray) -> np.ndarray:
        hidden[:m], fan_out[:m] = own(state)
        by_hidden, by_fan_out = node_gradient(hidden, fan_out, m)
        parts = [by_hidden.ravel(), by_fan_out.ravel()] if train_output else [by_hidden.ravel()]
        return -rate * np.concatenate(parts)

    def shortest(_: float, state: np.ndarray) -> float:
        return float(np.min(np.linalg.norm(own(state)[0], axis=1))) - floor

    # solve_ivp reads these attributes of its event functions
    shortest.terminal, shortest.direction = True, -1  # type: ignore[attr-defined]
    start = [hidden[:m].ravel(), fan_out[:m].ravel()] if train_output else [hidden[:m].ravel()]
    solution = solve_ivp(
        slope,
        (times[0], times[-1]),
        np.concatenate(start),
        method,
        times,
        events=shortest,
        rtol=relative_tolerance,
        atol=absolute_tolerance,
    )
    if solution.status < 0:
        raise ArithmeticError(f"{method} failed: {solution.message} Try another method or looser tolerances")
    states, collapsed = solution.y.T, solution.status == 1
    if collapsed and len(states) < len(times):
        states = np.concatenate([states, np.repeat(solution.y_events[0], len(times) - len(states), axis=0)])
    rows, columns = own(states)
    students = DeepReLU((rows, np.swapaxes(columns, -1, -2)))
    angles = gaussian.angle(np.asarray(teacher.weights[0])[:, None, :], students.weights[0][:, None, :, :])
    return PopulationFlow(
        time=times,
        students=students,
        loss=population.loss(students, teacher, scale),
        correlations=relu_correlation(angles),
        status=RunStatus.COLLAPSED if collapsed else RunStatus.FINISHED,
        stopped=float(solution.t_events[0][0] if collapsed else times[-1]),
        evaluations=int(solution.nfev),
        seconds=clock.perf_counter() - started,
    )
