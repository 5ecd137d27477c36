"""How many samples it takes until the minimum-norm interpolant is the teacher, for five teachers (min_norm paper, Theorem 5.2 and Section 6).

The theorem asks for three samples in every sector; formula (12) bounds the probability of that, which is also computed exactly. Both are far below what is
measured: fewer samples do, the fewer the more often neighbouring neurons differ in sign.
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from alignmath.networks import TwoLayer, orthonormal
from alignmath.plane.sectors import sector_probabilities, sector_probability, sector_probability_bound
from examples.min_norm.recovery import recovered
from examples.min_norm.training import TEACHER
from examples.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, new_figure, run
from proofs.engine.statistics import proportion_interval

_SEED = 64


def _five_neurons() -> TwoLayer:
    """Five random neurons with random signs, drawn until no two lines are closer than 15 degrees."""
    rng = np.random.default_rng(_SEED)
    while True:
        angles, signs = rng.uniform(0, 2 * np.pi, 5), rng.choice([-1.0, 1.0], 5)
        teacher = TwoLayer(np.stack([np.cos(angles), np.sin(angles)], axis=1), signs)
        if 2 * np.pi * sector_probabilities(teacher).min() >= np.radians(15):
            return teacher


TEACHERS: dict[str, TwoLayer] = {
    "120°, (+, +, +)": TEACHER,
    "120°, (+, +, −)": TwoLayer(TEACHER.hidden, np.array([1.0, 1.0, -1.0])),
    "two orthonormal neurons": orthonormal(2, 2),
    "one neuron": TwoLayer(np.array([[1.0, 0.0]])),
    "five random neurons": _five_neurons(),
}
_LOOKS = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", "-."), (PURPLE, "D", ":"), (GREY, "v", (0, (5, 1, 1, 1))))


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """For each teacher and number of samples, how many of the draws have the teacher as an interpolant of least norm, and the probabilities in theory."""
    samples, draws = ([8, 30], 6) if quick else ([6, 8, 10, 12, 15, 20, 30, 40, 60, 100], 400)
    counts, proved = (
        np.zeros((len(TEACHERS), len(samples)), dtype=int),
        np.zeros((len(TEACHERS), len(samples)), dtype=int),
    )
    curve = list(range(3, 301))
    exact, bound = [], []
    for k, teacher in enumerate(TEACHERS.values()):
        for column, count in enumerate(samples):
            minimal, closed = recovered(teacher, count, draws, _SEED + k)
            counts[k, column], proved[k, column] = minimal.sum(), closed.sum()
        shares = sector_probabilities(teacher)
        exact.append([sector_probability(count, shares) for count in curve])
        bound.append([sector_probability_bound(count, shares) for count in curve])
    return {
        "samples": np.array(samples),
        "draws": np.array(draws),
        "recovered": counts,
        "proved": proved,
        "curve_samples": np.array(curve),
        "exact": np.array(exact),
        "bound": np.array(bound),
    }


def draw(data: Mapping[str, Any]) -> Figure:
    """A panel for each teacher, with theory; the last panel compares the teachers."""
    figure = new_figure(13.5, 7.6)
    panels = figure.subplots(2, 3, sharex=True, sharey=True)
    together = panels[1, 2]
    samples, draws = data["samples"], int(data["draws"])
    low, high = proportion_interval(data["recovered"], draws)
    share = data["recovered"] / draws
    for k, (panel, name) in enumerate(zip(panels.flat, TEACHERS, strict=False)):
        error = [np.maximum(share[k] - low[k], 0), np.maximum(high[k] - share[k], 0)]
        panel.errorbar(samples, share[k], error, fmt="o-", color=BLUE, ms=5, capsize=3, lw=1.4, label="measured")
        panel.plot(data["curve_samples"], data["exact"][k], color=RED, lw=1.8, label="theory: three in every sector")
        panel.plot(
            data["curve_samples"],
            np.maximum(data["bound"][k], 0),
            color="black",
            ls="--",
            lw=1.4,
            label="theory: formula (12)",
        )
        panel.set_title(name)
        colour, marker, style = _LOOKS[k]
        together.errorbar(
            samples, share[k], error, color=colour, marker=marker, ls=style, ms=5, capsize=2, lw=1.6, label=name
        )
    panels[1, 0].legend(loc="lower right", fontsize=9)  # where the curves leave room
    together.set_title("measured, all teachers")
    together.legend(loc="lower right", fontsize=9)
    for panel in panels[:, 0]:
        panel.set_ylabel("probability that the teacher is of least norm")
    for panel in panels[1]:
        panel.set_xlabel("samples N (uniform on the circle)")
    ticks = [5, 10, 20, 50, 100, 200]
    panels[0, 0].set(ylim=(-0.02, 1.03), xlim=(5, 300), xscale="log", xticks=ticks, xticklabels=ticks)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    draws = int(data["draws"])
    parts = [
        f"{name}: " + ", ".join(f"{int(c)} (N = {n})" for n, c in zip(data["samples"], row, strict=True))
        for name, row in zip(TEACHERS, data["recovered"], strict=True)
    ]
    return (
        f"Of {draws} sets of uniform samples, those for which the teacher has the certified least norm. {'; '.join(parts)}. "
        f"The closed-form multipliers prove it in {int(data['proved'].sum())} of these {int(data['recovered'].sum())} cases; a solver's certificate the others. Bars: Wilson's 95% intervals."
    )


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""
    run(
        argv,
        "min_norm_recovery_probability",
        compute,
        draw,
        "Probability that the minimum-norm interpolant is the teacher, against the number of samples",
        describe,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
