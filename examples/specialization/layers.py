"""Drawing the deep networks of the specialization paper's Figures 4 and 12, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from examples.style import BLUE, GREY, ORANGE, new_figure

__all__ = ["draw_layers", "table"]


def table(data: Mapping[str, Any]) -> str:
    """The evaluation loss and `rho_mean` of each layer at the recorded epochs."""
    rows = ["epoch  evaluation loss  rho_mean: layer 1  layer 2  layer 3  layer 4"]
    rows += [
        f"{k:5d}  {loss:15.4g}  {rho[0]:17.3f}  {rho[1]:7.3f}  {rho[2]:7.3f}  {rho[3]:7.3f}"
        for k, loss, rho in zip(data["epochs"], data["loss"], data["rho"], strict=True)
    ]
    return "\n".join(rows)


def draw_layers(data: Mapping[str, Any], shown: list[int]) -> Figure:
    """Rows from layer 4 down to layer 1, a column for each of the epochs `shown`."""
    places = [int(np.flatnonzero(data["epochs"] == k)[0]) for k in shown]
    figure = new_figure(2.5 * len(places) + 0.4, 8.6)
    axes = figure.subplots(4, len(places), sharex=True, sharey="row", squeeze=False)
    for row, layer in zip(axes, range(4, 0, -1), strict=True):
        top = 1.08 * max(float(np.nanmax(data[f"strength_{layer}"][k])) for k in places)
        for panel, k in zip(row, places, strict=True):
            correlation, strength = data[f"correlation_{layer}"][k], data[f"strength_{layer}"][k]
            panel.plot(
                [0, 1, 1], [0, 0, top], color=GREY, lw=5, alpha=0.35, solid_capstyle="butt", solid_joinstyle="miter"
            )
            good = correlation > 0.95
            panel.plot(correlation[~good], strength[~good], "o", ms=2.4, mfc="none", mec=ORANGE, mew=0.6, alpha=0.6)
            panel.plot(correlation[good], strength[good], "x", ms=3, color=BLUE, mew=0.7, alpha=0.7)
            panel.set(xlim=(-0.02, 1.04), ylim=(-0.03 * top, top))
            panel.text(
                0.04,
                0.95,
                rf"$\rho_{{mean}}$ = {data['rho'][k, layer - 1]:.3f}",
                transform=panel.transAxes,
                va="top",
                fontsize=9,
            )
        row[0].set_ylabel(f"layer {layer}\n" + r"$\sqrt{E\,\beta_{kk}}$")
    for panel, k in zip(axes[0], places, strict=True):
        panel.set_title(f"epoch {data['epochs'][k]}, loss {data['loss'][k]:.3g}", fontsize=10)
    for panel in axes[-1]:
        panel.set_xlabel("correlation with the best teacher node", fontsize=9)
    handles = [
        Line2D([], [], color=BLUE, marker="x", ls="", label="specialised: above 0.95"),
        Line2D([], [], color=ORANGE, marker="o", mfc="none", ls="", label="not specialised"),
        Line2D([], [], color=GREY, lw=5, alpha=0.35, label="the L of full specialisation"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9)
    return figure
