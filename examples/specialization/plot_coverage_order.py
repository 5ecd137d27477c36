"""Strong teacher nodes first, in numbers: rank correlation of strength and epoch of coverage, and how the epoch grows as strength falls.

The specialization paper says so from pictures (its Figures 6 and 7). Here: the runs of Figure 5. For each run, Kendall's tau-b between the index of the teacher node (1 is the
strongest) and the first recorded epoch at which it is covered; nodes never covered come last, tied. At p = 0, where all nodes are equally strong, it should be 0. The flow is unchanged when
teacher outputs are multiplied by s, weights of the student by sqrt(s) and time divided by s: the time to cover one node alone goes like 1/|v*|, the line drawn.
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from examples.specialization.plot_success_rates import COLOURS, MARKERS
from examples.specialization.polarity import polarity_flows, polarity_runs
from examples.style import GREY, new_figure, run
from proofs.engine.statistics import mean_interval
from proofs.specialization.coverage import coverage_epochs, rank_correlations


# %%
def compute(quick: bool = False, state: Path | None = None) -> dict[str, np.ndarray]:
    """Rank correlations `(P, F, S)`, those of the flow, and coverage epochs `(P, F, S, 20)`, -1 for never."""
    runs, flows = polarity_runs(quick, state), polarity_flows(quick, state)
    epochs = coverage_epochs(np.moveaxis(runs["best"], 3, 2), runs["epochs"])
    return {
        "polarities": runs["polarities"],
        "factors": runs["factors"],
        "last": runs["epochs"][-1],
        "coverage": np.where(np.isfinite(epochs), epochs, -1),
        "tau": rank_correlations(epochs),
        "flow_tau": rank_correlations(coverage_epochs(flows["best"], flows["epochs"])).mean(axis=-1),
    }


def table(data: Mapping[str, Any]) -> str:
    """Mean rank correlation with its 95% interval."""
    rows = ["p     " + "".join(f"{f:>10}x          " for f in data["factors"])]
    for p, tau in zip(data["polarities"], data["tau"], strict=True):
        rows.append(
            f"{p:<4g}  " + "".join(f"  {m:6.3f} +- {h:5.3f}    " for m, h in zip(*mean_interval(tau), strict=True))
        )
    return "\n".join(rows)


def draw(data: Mapping[str, Any]) -> Figure:
    """Left the rank correlations, right the epochs of coverage."""
    figure = new_figure(10.5, 4.2)
    left, right = figure.subplots(1, 2)
    spread = 0.06 * (np.arange(len(data["factors"])) - (len(data["factors"]) - 1) / 2)
    for j, factor in enumerate(data["factors"]):
        mean, half = mean_interval(data["tau"][:, j])
        style: dict[str, Any] = {"color": COLOURS[j], "marker": MARKERS[j]}
        left.errorbar(
            data["polarities"] + spread[j], mean, half, **style, ms=5, lw=1.2, capsize=3, label=f"{factor}x students"
        )
        left.plot(
            data["polarities"] + spread[j],
            data["flow_tau"][:, j],
            ls="",
            marker="_",
            ms=11,
            mew=2,
            color=COLOURS[j],
            alpha=0.5,
        )
    left.axhline(0, color=GREY, lw=0.9)
    left.plot([], [], ls="", marker="_", ms=11, mew=2, color=GREY, label="gradient flow")
    left.set(
        xlabel="polarity p",
        ylabel="rank correlation (Kendall's tau)",
        title="index of the teacher node against its epoch of coverage",
        ylim=(-0.35, 1.05),
    )
    left.legend(loc="lower right", fontsize=9)
    chosen = list(data["factors"]).index(5)
    index = np.arange(1, 21)
    first = np.where(data["coverage"][:, chosen] < 0, np.inf, data["coverage"][:, chosen])
    middle = np.median(first, axis=1)
    for k, p in enumerate(data["polarities"]):
        if p not in (0.5, 1.0, 1.5):
            continue
        strength = index**-p
        seen = np.isfinite(middle[k])
        colour, marker = {0.5: (COLOURS[0], "o"), 1.0: (COLOURS[1], "s"), 1.5: (COLOURS[2], "^")}[float(p)]
        right.loglog(
            strength[seen], middle[k, seen], marker=marker, ls="", color=colour, label=f"p = {p:g}, median over seeds"
        )
    reach = np.array([0.015, 1.0])
    start = np.median(middle[data["polarities"] > 0, 0])
    right.loglog(reach, start / reach, color=GREY, lw=1.2, label="proportional to $1/|v^*_j|$")
    right.set(xlabel="strength $|v^*_j|$", ylabel="epoch of coverage", title="5x students")
    right.legend(fontsize=9)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    mean, half = mean_interval(data["tau"])
    control = (
        [f"{m:.2f} +- {h:.2f}" for m, h in zip(mean[0], half[0], strict=True)]
        if data["polarities"][0] == 0
        else ["not run"]
    )
    least = mean[data["polarities"] > 0].min()
    return f"Mean over {data['tau'].shape[-1]} seeds with 95% intervals. Control p = 0: {', '.join(control)}. Least mean at p > 0: {least:.2f}."


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure; print the table."""

    def shown(data: Mapping[str, Any]) -> str:
        print(table(data))
        return describe(data)

    run(argv, "specialization_order", compute, draw, "Strong teacher nodes first, in numbers", shown, resumable=True)


if __name__ == "__main__":
    main(sys.argv[1:])
