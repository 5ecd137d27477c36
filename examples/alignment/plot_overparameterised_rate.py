"""Over-parameterisation slows down learning a single neuron: loss against time for 1, 2 and 5 students of one teacher.

Beyond the alignment paper: with two or more students the loss of gradient flow falls like T^-3, with one exponentially (Xu and Du 2023).
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from examples.style import BLUE, GREEN, GREY, ORANGE, new_figure, run
from proofs.alignment.beyond.higher_dimensions import fitted_slope, single_neuron_flow

_SEED = 0


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """Loss along the flow, and slopes fitted to its last two decades (one student: log loss against time)."""
    short = np.linspace(0, 40, 161)
    times = np.concatenate([short, np.geomspace(41, 1e7, 60 if quick else 240)])
    losses = {students: single_neuron_flow(students, times, _SEED) for students in (2, 5)}
    one = single_neuron_flow(1, short, _SEED)
    late = times >= 1e5
    slopes = [fitted_slope(np.log(times[late]), np.log(losses[k][late])) for k in (2, 5)]
    rate = fitted_slope(short[short >= 15], np.log(one[short >= 15]))
    return {
        "times": times, "two": losses[2], "five": losses[5], "short": short, "one": one, "slopes": np.array(slopes), "rate": np.array(rate),
    }  # fmt: skip


def draw(data: Mapping[str, Any]) -> Figure:
    """Left: log-log, where a power law is a line. Right: semi-log, where an exponential is."""
    figure = new_figure(11, 4.4)
    left, right = figure.subplots(1, 2)
    times, short = data["times"], data["short"]
    for loss, name, colour, style, (slope, _) in zip(
        (data["two"], data["five"]),
        ("2 students", "5 students"),
        (BLUE, ORANGE),
        ("-", "-."),
        data["slopes"],
        strict=True,
    ):
        left.loglog(times[1:], loss[1:], style, color=colour, lw=2, label=f"{name}, fitted slope {slope:.3f}")
    left.loglog(short[1:], data["one"][1:], ":", color=GREEN, lw=2.5, label="1 student")
    guide = times[times >= 1e2]
    left.loglog(
        guide, 30 * data["two"][-1] * (guide / guide[-1]) ** -3.0, "--", color=GREY, lw=1.5, label=r"law: $T^{-3}$"
    )
    left.set(xlabel="time T", ylabel="loss", title="two or more students: a power law", ylim=(1e-22, 10))
    left.legend(loc="upper right")
    right.semilogy(short, data["one"], ":", color=GREEN, lw=2.5, label=f"1 student, fitted rate {data['rate'][0]:.4f}")
    right.semilogy(short, data["two"][: len(short)], "-", color=BLUE, lw=2, label="2 students")
    right.semilogy(short, data["five"][: len(short)], "-.", color=ORANGE, lw=2, label="5 students")
    guide = short[short >= 8]
    right.semilogy(
        guide, 8 * data["one"][-1] * np.exp(guide[-1] - guide), "--", color=GREY, lw=1.5, label=r"law: $e^{-T}$"
    )
    right.set(xlabel="time T", ylabel="loss", title="one student: exponential decay")
    right.legend(loc="lower left")
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    (two, e2), (five, e5), (one, e1) = data["slopes"][0], data["slopes"][1], data["rate"]
    return (
        f"Gradient flow on the population loss in the plane, small start on the teacher's side, seed {_SEED}. Slopes of log loss against log time over 1e5..1e7: {two:.4f} +- {e2:.4f} (2 students), "
        f"{five:.4f} +- {e5:.4f} (5); law: -3. One student: log loss against time {one:.4f} +- {e1:.4f}; law: -1."
    )


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""
    run(
        argv,
        "overparameterised_rate",
        compute,
        draw,
        "Beyond the paper: how fast 1, 2 and 5 students learn one teacher",
        describe,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
