"""Figure 7 of the specialization paper: the best student's correlation with each teacher node over the epochs, strong nodes first, and the flow's.

The 5x runs of Figure 5, first seed; colours from dark (strongest of 20 nodes) to light (weakest).
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from examples.specialization.polarity import polarity_flows, polarity_runs
from examples.style import GREY, new_figure, run

_FACTOR = 5


# %%
def compute(quick: bool = False, state: Path | None = None) -> dict[str, np.ndarray]:
    """Correlations `(P, K, 20)` of the first seed's run and flow, and the losses at the end."""
    runs, flows = polarity_runs(quick, state), polarity_flows(quick, state)
    width = list(runs["factors"]).index(_FACTOR)
    chosen = runs["polarities"] > 0
    return {
        "epochs": runs["epochs"],
        "polarities": runs["polarities"][chosen],
        "best": runs["best"][chosen, width, :, 0],
        "loss": runs["loss"][chosen, width, -1, 0],
        "flow_epochs": flows["epochs"],
        "flow": flows["best"][chosen, width, 0],
    }


def draw(data: Mapping[str, Any]) -> Figure:
    """A panel for each polarity."""
    count = len(data["polarities"])
    figure = new_figure(2.7 * max(count, 2), 3.6)
    panels = figure.subplots(1, count, sharey=True, squeeze=False)[0]
    colours = colormaps["viridis"](np.linspace(0, 0.92, 20))
    for k, panel in enumerate(panels):
        for j in range(20):
            panel.plot(data["epochs"], data["best"][k, :, j], color=colours[j], lw=1.2)
            panel.plot(data["flow_epochs"], data["flow"][k, :, j], color=colours[j], lw=0.9, ls=(0, (1, 1.5)))
        panel.axhline(0.95, color=GREY, lw=0.8, ls="--")
        panel.set(title=f"p = {data['polarities'][k]:g}, loss {data['loss'][k]:.1e}", xlabel="epoch", ylim=(0, 1.02))
    panels[0].set_ylabel("correlation with the best student node")
    scale = ScalarMappable(BoundaryNorm(np.arange(0.5, 21), 256), colormaps["viridis"].resampled(256))
    scale.set_clim(0.5, 20.5)
    figure.colorbar(
        scale, ax=panels, ticks=[1, 5, 10, 15, 20], label="teacher node, strongest first", pad=0.01, aspect=30
    )
    handles = [
        Line2D([], [], color=GREY, label="SGD"),
        Line2D([], [], color=GREY, lw=0.9, ls=(0, (1, 1.5)), label="gradient flow on the population"),
        Line2D([], [], color=GREY, lw=0.8, ls="--", label="covered: 0.95"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    covered = (data["best"][:, -1] > 0.95).sum(axis=1)
    listed = ", ".join(f"{c} at p = {p:g}" for c, p in zip(covered, data["polarities"], strict=True))
    apart = np.abs(
        data["best"][:, np.isin(data["epochs"], data["flow_epochs"])]
        - data["flow"][:, np.isin(data["flow_epochs"], data["epochs"])]
    )
    return f"{_FACTOR}x students, one seed: of 20 teacher nodes SGD covers {listed}. Median distance between SGD's correlations and the flow's: {np.median(apart):.3f}."


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""
    run(argv, "specialization_teachers", compute, draw, "Figure 7: teacher nodes over time", describe, resumable=True)


if __name__ == "__main__":
    main(sys.argv[1:])
