"""Gradient flow `dw/dt = -dL/dw` of one student network on the population loss, by SciPy's steppers: `flow`.

Inputs are `N(0, s^2 I)`, and the slope is the closed form of `alignmath.population`, so the flow is as smooth as the
student's nodes are away from 0. Students with one output flow as in the alignment paper (Sections 2 and 3), those with
outputs in R^C as in the specialization paper (Section 5). SGD with a small learning rate eta follows this curve, its
step k at time `eta k` for the loss `|y - y*|^2 / 2` averaged over the samples of a step (the mean of squares over the
outputs too runs `2 / C` times as fast).
"""

from __future__ import annotations

import time as clock
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from alignmath import population
from alignmath.arrays import as_number, as_numpy, as_order
from alignmath.networks import DeepReLU, TwoLayer
from alignmath.population.neurons import neuron_gradient
from alignmath.population.nodes import node_gradient

from ..runs import RunStatus, Trajectory, as_tolerance, progress_bar

__all__ = ["flow"]

_EXPLICIT, _STIFF = ("DOP853", "RK45", "RK23"), ("LSODA", "BDF", "Radau")
_SHORTEST = 1e-12
"""A student this much shorter than the largest hidden weight has collapsed."""
_UNRESOLVED = 100
"""So has one of so many absolute tolerances: the stepper would rattle about the kink at 0 with ever smaller steps."""
_SLOW = 20_000
"""Evaluations after which an explicit stepper that is not nearly there is reported."""
_FEW = 1_000
"""Unknowns up to which stiff steppers, which solve linear systems in them, are advised."""


class _Spent(Exception):
    """The evaluations are used up."""


def flow(
    students: TwoLayer | DeepReLU,
    teacher: TwoLayer | DeepReLU,
    times: Any,
    *,
    scale: float = 1.0,
    train_output: bool = False,
    method: str = "DOP853",
    relative_tolerance: float = 1e-10,
    absolute_tolerance: float = 1e-12,
    most_evaluations: int = 200_000,
    progress: bool = False,
) -> Trajectory:
    """Gradient flow of one student network from the time `times[0]`, by SciPy's `solve_ivp`.

    - students, teacher: single NumPy networks, two `TwoLayer` or two `DeepReLU` of one hidden layer, without biases
    - times: `(K,)`, increasing, K at least 2
    - scale: standard deviation s of the inputs; time runs s^2 times as fast as for s = 1
    - train_output: whether the output weights move too
    - method: of SciPy's steppers; "DOP853", "RK45" and "RK23" are explicit, for moderate times and any number of
      unknowns; "LSODA", "BDF" and "Radau" are stiff, for long times and up to some hundred unknowns. Five students in
      the plane on three teachers take 380,000 evaluations to the time 1e5 by DOP853, 3,500 by LSODA
    - relative_tolerance, absolute_tolerance: those of one step
    - most_evaluations: of the gradient; when they are spent, the flow is given up
    - progress: a bar on stderr

    The flow ends where a student's length falls to 1e-12 of the largest hidden weight at the start, or to a hundred
    absolute tolerances (status COLLAPSED), for the gradient ends at 0; later times keep that state. Where an explicit
    stepper takes long, a `RuntimeWarning` says how far it is and what to try.

    Raises `ValueError` for bad input, and `ArithmeticError`, with the time reached, if the stepper fails or the
    evaluations are spent.

    >>> run = flow(TwoLayer([[0.5, 0.0]]), TwoLayer([[1.0, 0.0]]), [0.0, 2.0, 4.0])  # on a line 1 - exp(-t/2) / 2
    >>> np.allclose(run.hidden[:, 0, 0], 1 - np.exp(-run.time / 2) / 2, rtol=1e-9), run.status.name
    (True, 'FINISHED')
    """
    started = clock.perf_counter()
    times = as_numpy(times, "times", least_ndim=1)
    if times.ndim != 1 or len(times) < 2 or np.any(np.diff(times) <= 0):
        raise ValueError(f"times has shape {times.shape}; expected one increasing sequence of at least two times")
    if method not in (*_EXPLICIT, *_STIFF):
        raise ValueError(f"method is {method!r}; expected one of {[*_EXPLICIT, *_STIFF]}")
    relative_tolerance = as_tolerance(relative_tolerance, "relative_tolerance")
    absolute_tolerance = as_tolerance(absolute_tolerance, "absolute_tolerance")
    most_evaluations = as_order(most_evaluations, "most_evaluations", least=1, most=10**12)
    population.gradient(students, teacher, scale)  # the networks fit, and the gradient exists at the start
    path = _Path(students, teacher, as_number(scale, "scale", above=True) ** 2, train_output)
    with progress_bar(progress, 100, "%", "flow") as bar:
        watched = _Watched(path.slope, times, method, most_evaluations, len(path.start), bar)
        floor = max(_SHORTEST * path.longest, _UNRESOLVED * absolute_tolerance)
        states, stopped = _integrated(watched, path, floor, relative_tolerance, absolute_tolerance)
    hidden, fan_out = path.weights(states)
    history = path.networks(hidden, fan_out)
    loss = np.asarray(population.loss(history, teacher, scale))
    norm = np.array([float(np.linalg.norm(path.slope(state))) for state in states])
    output = history.output if isinstance(history, TwoLayer) else history.weights[1]
    return Trajectory(
        time=times,
        hidden=hidden,
        output=output,
        loss=loss,
        gradient_norm=norm,
        students=path.networks(hidden[-1], fan_out[-1]),
        final_loss=float(loss[-1]),
        final_gradient_norm=float(norm[-1]),
        stopped=float(times[-1]) if stopped is None else stopped,
        evaluations=watched.evaluations,
        status=RunStatus.FINISHED if stopped is None else RunStatus.COLLAPSED,
        seconds=clock.perf_counter() - started,
    )


class _Path:
    """The state of a flow: hidden weights `(m, d)`, then, if they are trained, output weights `(m, C)`, C = 1 for a
    `TwoLayer`, all in one vector. rate: of time, `scale^2`.
    """

    def __init__(self, students: Any, teacher: Any, rate: float, train_output: bool) -> None:
        if students.batch or teacher.batch:
            raise ValueError(
                f"flow follows one run; the batches are {students.batch} and {teacher.batch}. Use descend, or a loop"
            )
        self.scalar, self.rate, self.train_output = isinstance(students, TwoLayer), rate, train_output
        parts = [
            (net.hidden, net.output[:, None]) if self.scalar else (net.weights[0], net.weights[1].T)
            for net in (students, teacher)
        ]
        if not all(isinstance(array, np.ndarray) for part in parts for array in part):
            raise ValueError("flow works on NumPy networks; convert the weights, or use descend")
        (own, own_output), (other, other_output) = [[np.asarray(a, dtype=float) for a in part] for part in parts]
        self.m, self.d = own.shape
        self.hidden = np.concatenate([own, other])
        self.fan_out = np.concatenate([own_output, -other_output])
        self.longest = float(np.max(np.linalg.norm(self.hidden, axis=1)))
        self.start = np.concatenate([own.ravel(), own_output.ravel()]) if train_output else own.ravel()

    def weights(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hidden weights `(..., m, d)` and output weights `(..., m, C)` of the students in `states (..., unknowns)`."""
        m, d, outputs = self.m, self.d, self.fan_out.shape[1]
        hidden = states[..., : m * d].reshape((*states.shape[:-1], m, d))
        if self.train_output:
            return hidden, states[..., m * d :].reshape((*states.shape[:-1], m, outputs))
        return hidden, np.broadcast_to(self.fan_out[:m], (*states.shape[:-1], m, outputs))

    def networks(self, hidden: np.ndarray, fan_out: np.ndarray) -> TwoLayer | DeepReLU:
        """The students with these weights, of the kind they were given as."""
        return TwoLayer(hidden, fan_out[..., 0]) if self.scalar else DeepReLU((hidden, np.swapaxes(fan_out, -1, -2)))

    def slope(self, state: np.ndarray) -> np.ndarray:
        """Minus the gradient by the state."""
        m = self.m
        self.hidden[:m], self.fan_out[:m] = self.weights(state)
        if self.scalar:
            signed = self.fan_out[:, 0]
            pull, overlap = neuron_gradient(self.hidden.T, signed, m, with_overlap=self.train_output)
            by_hidden, by_output = (signed[:m] * pull).T, overlap
        else:
            by_hidden, by_output = node_gradient(self.hidden, self.fan_out, m)
        parts = (
            [by_hidden.ravel()]
            if by_output is None or not self.train_output
            else [by_hidden.ravel(), by_output.ravel()]
        )
        return -self.rate * np.concatenate(parts)

    def shortest(self, state: np.ndarray) -> float:
        """Length of the shortest hidden weight."""
        return float(np.min(np.linalg.norm(self.weights(state)[0], axis=1)))


class _Watched:
    """The slope as a stepper calls it: counts evaluations, moves the bar, warns once of a slow flow, and gives up when
    the evaluations are spent."""

    def __init__(
        self,
        slope: Callable[[np.ndarray], np.ndarray],
        times: np.ndarray,
        method: str,
        most: int,
        unknowns: int,
        bar: Any,
    ) -> None:
        self.slope, self.times, self.method, self.most, self.bar = slope, times, method, most, bar
        self.evaluations, self.reached = 0, float(times[0])
        small = unknowns <= _FEW
        self.cure = (
            'method="LSODA" suits long times' if method in _EXPLICIT and small else "looser tolerances are faster"
        )

    def __call__(self, t: float, state: np.ndarray) -> np.ndarray:
        if self.evaluations == self.most:
            raise _Spent
        self.evaluations += 1
        self.reached = max(self.reached, t)
        share = (self.reached - self.times[0]) / (self.times[-1] - self.times[0])
        if int(100 * share) > self.bar.n:
            self.bar.update(int(100 * share) - self.bar.n)
        if self.evaluations % 1_000 == 0:
            self.bar.set_postfix_str(f"{self.evaluations} evaluations, time {self.reached:.3g}")
        if self.evaluations == _SLOW and self.method in _EXPLICIT and share < 0.5:
            warnings.warn(f"flow is slow: {self}. For one that is faster: {self.cure}", RuntimeWarning, stacklevel=2)
        return self.slope(state)

    def __str__(self) -> str:
        return (
            f"{self.evaluations} evaluations by {self.method} have reached the time {self.reached:.4g} of "
            f"{self.times[-1]:.4g}"
        )


def _integrated(
    watched: _Watched, path: _Path, floor: float, relative_tolerance: float, absolute_tolerance: float
) -> tuple[np.ndarray, float | None]:
    """The states `(K, unknowns)` at all times, and when the shortest student fell to `floor`, if it did."""
    from scipy.integrate import solve_ivp

    def shortest(_: float, state: np.ndarray) -> float:
        return path.shortest(state) - floor

    # solve_ivp reads these attributes of its event functions
    shortest.terminal, shortest.direction = True, -1  # type: ignore[attr-defined]
    times, method = watched.times, watched.method
    try:
        solution = solve_ivp(
            watched,
            (times[0], times[-1]),
            path.start,
            method,
            times,
            events=shortest,
            rtol=relative_tolerance,
            atol=absolute_tolerance,
        )
    except _Spent:
        raise ArithmeticError(f"{watched}, which are most_evaluations: {watched.cure}; or allow more") from None
    if solution.status < 0:
        raise ArithmeticError(
            f"{method} failed at the time {watched.reached:.4g}: {solution.message} Try another method, or looser "
            "tolerances"
        )
    states = solution.y.T
    if solution.status != 1:
        return states, None
    if len(states) < len(times):
        states = np.concatenate([states, np.repeat(solution.y_events[0], len(times) - len(states), axis=0)])
    return states, float(solution.t_events[0][0])
