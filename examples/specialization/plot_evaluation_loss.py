"""Figure 11 of the specialization paper: the evaluation loss over the epochs by polarity and over-realisation, with the loss of the gradient flow.

The runs of Figure 5, with p = 0 too. The paper's vertical axis is a logarithm of unknown base and normalisation; here it is the loss of equation (2).
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from examples.specialization.plot_success_rates import COLOURS
from examples.specialization.polarity import polarity_flows, polarity_runs
from examples.style import GREY, new_figure, run


# %%
def compute(quick: bool = False, state: Path | None = None) -> dict[str, np.ndarray]:
    """Losses of the runs `(P, F, K, S)` at the `epochs (K,)`, and of the flows."""
    runs, flows = polarity_runs(quick, state), polarity_flows(quick, state)
    return {
        **{name: runs[name] for name in ("epochs", "polarities", "factors", "loss", "diverged")},
        "flow_epochs": flows["epochs"],
        "flow_loss": flows["loss"],
    }


def table(data: Mapping[str, Any]) -> str:
    """Median of the final evaluation loss over the seeds, with its quartiles, by polarity and width."""
    rows = ["p     " + "".join(f"{f:>10}x               " for f in data["factors"])]
    for k, p in enumerate(data["polarities"]):
        low, middle, high = np.quantile(data["loss"][k, :, -1], [0.25, 0.5, 0.75], axis=-1)
        rows.append(
            f"{p:<4g}  " + "".join(f"  {m:8.2e} ({a:.1e}..{b:.1e})" for a, m, b in zip(low, middle, high, strict=True))
        )
    return "\n".join(rows)


def draw(data: Mapping[str, Any]) -> Figure:
    """A panel for each polarity; the median over the seeds with its quartiles, and the flow."""
    count = len(data["polarities"])
    figure = new_figure(11, 6.4 if count > 3 else 3.6)
    panels = np.ravel(
        figure.subplots(2 if count > 3 else 1, -(-count // 2) if count > 3 else count, sharex=True, sharey=True)
    )
    styles = ("-", "--", "-.", (0, (1, 1)))
    for k, panel in enumerate(panels):
        for j in range(len(data["factors"])):
            low, middle, high = np.quantile(data["loss"][k, j], [0.25, 0.5, 0.75], axis=-1)
            panel.semilogy(data["epochs"], middle, color=COLOURS[j], ls=styles[j], lw=1.8)
            panel.fill_between(data["epochs"], low, high, color=COLOURS[j], alpha=0.2, lw=0)
            flow = np.exp(np.log(data["flow_loss"][k, j]).mean(axis=0))
            panel.semilogy(data["flow_epochs"], flow, color=COLOURS[j], lw=0.9, marker=".", ms=3.5, alpha=0.8)
        panel.set_title(f"p = {data['polarities'][k]:g}")
        panel.set_ylim(bottom=3e-4)
    for panel in panels[-(-count // 2) if count > 3 else 0 :]:
        panel.set_xlabel("epoch")
    for panel in panels[:: -(-count // 2) if count > 3 else count]:
        panel.set_ylabel("evaluation loss $E|f^*-f|^2/2$")
    handles = [
        *(
            Line2D([], [], color=COLOURS[j], ls=styles[j], lw=1.8, label=f"{f}x students, SGD")
            for j, f in enumerate(data["factors"])
        ),
        Line2D([], [], color=GREY, lw=0.9, marker=".", ms=4, label="gradient flow on the population, same colours"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    last = np.median(data["loss"][:, :, -1], axis=-1)
    best = [
        f"{data['factors'][int(np.argmin(row))]}x for p = {p:g}"
        for p, row in zip(data["polarities"], last, strict=True)
    ]
    return f"Median over {data['loss'].shape[-1]} seeds, with quartiles. After {data['epochs'][-1]} epochs the loss is least with {', '.join(best)}."


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure; print the table."""

    def shown(data: Mapping[str, Any]) -> str:
        print(table(data))
        return describe(data)

    run(argv, "specialization_loss", compute, draw, "Figure 11: evaluation loss", shown, resumable=True)


if __name__ == "__main__":
    main(sys.argv[1:])
