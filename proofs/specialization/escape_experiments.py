"""How long a student opposite to the teacher takes to turn away, measured along the exact population flow (specialization paper, Section 5.3)."""

from __future__ import annotations

import numpy as np

from alignmath import gaussian
from alignmath.networks import TwoLayer
from solvers.dynamics.gradient_flow import flow

from ..engine.claims import Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import dynamics_formulas as formulas
from .slow_escape import escape_integrals

__all__ = ["CLAIMS", "escape_time"]

_TEACHER = TwoLayer([[1.0, 0.0]])
_DELTA = 1.0
"""Escaped: the angle to the teacher has fallen to pi - 1."""


def escape_time(student: TwoLayer, latest: float, *, train_output: bool) -> tuple[float, float]:
    """When the angle to the teacher `relu(x_1)` falls to `pi - 1` along the population flow, and the student's length then.

    student: one neuron in the plane. latest: a time by which that happens, else `ValueError`. The crossing is bracketed on ever finer grids of
    times, each flow starting where the bracket does, as short students turn suddenly.
    """
    times = np.linspace(0, latest, 40)
    for _ in range(12):
        path = flow(
            student, _TEACHER, times, train_output=train_output, relative_tolerance=1e-8, absolute_tolerance=1e-18
        )
        opened = np.pi - gaussian.angle(path.hidden[:, 0], _TEACHER.hidden[0])
        after = int(np.argmax(opened > _DELTA))
        if after == 0:
            raise ValueError(f"the student has not turned to pi - {_DELTA:g} by the time {latest:g}")
        start, end = times[after - 1], times[after]
        turned = opened[after] - opened[after - 1]
        if turned < 1e-2:
            share = (_DELTA - opened[after - 1]) / turned
            lengths = np.linalg.norm(path.hidden[after - 1 : after + 1, 0], axis=1)
            return float(start + share * (end - start)), float(lengths[0] + share * (lengths[1] - lengths[0]))
        student = TwoLayer(path.hidden[after - 1], path.output[after - 1])
        times = np.linspace(start, end, 40)
    raise ArithmeticError("the crossing was not resolved")


def _opposite(epsilon: float, length: float) -> np.ndarray:
    """A hidden weight at the angle `pi - epsilon` from the teacher."""
    return length * np.array([[-np.cos(epsilon), np.sin(epsilon)]])


def _measured_law(effort: Effort) -> Outcome:
    d = Derivation("specialization.slow", "specialization.beyond.slow")
    least = 4.0 if effort is Effort.FULL else 2.5
    epsilons = 10.0 ** -np.arange(1, least + 0.25, 0.5)
    times, exact = [], []
    for epsilon in epsilons:
        student = TwoLayer(_opposite(epsilon, 0.7), [0.7])
        predicted = 2 * np.pi * escape_integrals(epsilon, _DELTA).plain
        times.append(escape_time(student, 1.02 * predicted, train_output=True)[0])
        exact.append(predicted)
    slope, constant = np.polyfit(1 / epsilons, times, 1)
    error = float(np.max(np.abs(np.array(times) / exact - 1)))
    d.measurement(
        "slope",
        bool(abs(slope / (2 * np.pi) - 1) < 1e-3),
        rf"Time from $\pi-\epsilon$ to $\pi-1$ against $\frac1\epsilon$, {len(epsilons)} values of $\epsilon$ from 0.1 to $10^{{-{least:g}}}$, balanced student of length 0.7: slope {slope:.4f}; expected $2\pi=6.2832$, to 0.1%. Intercept {constant:.2f}.",
    )
    d.measurement(
        "each time",
        error < 1e-4,
        rf"Against $2\pi I$ of `specialization.slow`, quadrature: largest relative error {error:.1e}, below $10^{{-4}}$.",
    )
    return d.measured(
        f"the 1/$\\epsilon$ law with slope {slope:.4f} in the exact flow with balanced trained output weight; longest time {times[-1]:.0f}"
    )


def _measured_fixed(effort: Effort) -> Outcome:
    d = Derivation("specialization.beyond.slow")
    least = 6 if effort is Effort.FULL else 4
    epsilons = 10.0 ** -np.arange(1, least + 1)
    rows = []
    for epsilon in epsilons:
        integrals = escape_integrals(epsilon, _DELTA)
        predicted = float(formulas.fixed_escape_time(integrals.grown, 0.7, 1, 1))
        time, length = escape_time(TwoLayer(_opposite(epsilon, 0.7)), 1.02 * predicted, train_output=False)
        rows.append((time, predicted, length, 0.7 * np.exp(integrals.growth - predicted / 2)))
    times, exact, lengths, short = np.array(rows, dtype=float).T
    slope = np.polyfit(np.log(1 / epsilons[1:]), times[1:], 1)[0]
    slow = 2 * np.pi * escape_integrals(1e-3, _DELTA).plain
    errors = float(np.max(np.abs(times / exact - 1))), float(np.max(np.abs(lengths / short - 1)))
    d.measurement(
        "slope",
        bool(abs(slope - 2) < 0.01),
        rf"Time from $\pi-\epsilon$ to $\pi-1$ with the output weight fixed at 1, length 0.7 at first, against $\ln\frac1\epsilon$, $\epsilon=10^{{-2}}$ to $10^{{-{least}}}$: slope {slope:.4f}; expected 2, to 0.01. At $\epsilon=10^{{-3}}$ it takes {times[2]:.1f}, against {slow:.0f} with balanced trained weights ($2\pi I$).",
    )
    d.measurement(
        "each time and length",
        max(errors) < 1e-4,
        rf"Against $T$ and $n_0e^{{G-T/2}}$ of `specialization.beyond.slow`: relative errors up to {errors[0]:.1e} and {errors[1]:.1e}, below $10^{{-4}}$. At $\epsilon=10^{{-{least}}}$ the student escapes with length {lengths[-1]:.1e}.",
    )
    return d.measured(f"slope {slope:.4f} against $\\ln(1/\\epsilon)$: {times[2]:.1f} at $\\epsilon=10^{{-3}}$")


CLAIMS = (
    Claim(
        "specialization.slow.measured",
        "Section 5.3, slow convergence, measured",
        r"Population flow in the plane, one student with balanced trained output weight, teacher $\sigma(x_1)$: the time from $\theta=\pi-\epsilon$ to $\pi-1$ goes linearly with $1/\epsilon$, with slope $2\pi$ to 0.1%, and is $2\pi I$ to $10^{-4}$.",
        Verdict.MEASURED,
        _measured_law,
        uses=("specialization.slow", "specialization.beyond.slow"),
    ),
    Claim(
        "specialization.beyond.slow.measured",
        "Section 5.3, with the output weight fixed, measured",
        r"The same with the output weight fixed at 1: the time goes linearly with $\ln\frac1\epsilon$, with slope 2 to 0.01, and is the $T$ of `specialization.beyond.slow` to $10^{-4}$; so is the length.",
        Verdict.MEASURED,
        _measured_fixed,
        uses=("specialization.beyond.slow",),
    ),
)
