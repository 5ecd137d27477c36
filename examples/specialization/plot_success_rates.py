"""Figure 5 of the specialization paper: how often each teacher node is covered, by polarity and over-realisation, and what the gradient flow covers.

20 teacher nodes, students with 1, 2, 5 and 10 times as many, 32 seeds; a node is covered if some student node's activations correlate with its own above 0.95. Settings:
`proofs.specialization.ensembles`.
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

from examples.specialization.polarity import polarity_flows, polarity_runs
from examples.style import BLUE, GREEN, GREY, ORANGE, RED, new_figure, run

COLOURS = (BLUE, ORANGE, GREEN, RED)
MARKERS = ("o", "s", "^", "D")


# %%
def compute(quick: bool = False, state: Path | None = None, device: str | None = None) -> dict[str, np.ndarray]:
    """Rates `(P, F, 20)` early (5 epochs) and late (the last), the flow's late rates, and the numbers covered."""
    runs, flows = polarity_runs(quick, state, device), polarity_flows(quick, state)
    early = int(np.searchsorted(runs["epochs"], 5))
    covered = runs["best"] > 0.95
    chosen = runs["polarities"] > 0
    return {
        "epochs": runs["epochs"][[early, -1]],
        "polarities": runs["polarities"][chosen],
        "factors": runs["factors"],
        "early": covered[chosen][:, :, early].mean(axis=2),
        "late": covered[chosen][:, :, -1].mean(axis=2),
        "flow": (flows["best"] > 0.95)[chosen][:, :, :, -1].mean(axis=2),
        "count": covered[chosen][:, :, -1].sum(axis=-1),
        "early_count": covered[chosen][:, :, early].sum(axis=-1),
        "seeds": np.array(runs["best"].shape[3]),
        "flow_seeds": np.array(flows["best"].shape[2]),
        "diverged": runs["diverged"],
    }


def table(data: Mapping[str, Any]) -> str:
    """Mean number of covered teacher nodes with its standard error, by polarity and width."""
    rows = ["p     " + "".join(f"{f:>4}x: early  late            flow " for f in data["factors"])]
    for k, p in enumerate(data["polarities"]):
        cells = []
        for j in range(len(data["factors"])):
            late = data["count"][k, j]
            error = late.std(ddof=1) / np.sqrt(len(late))
            cells.append(
                f"      {data['early_count'][k, j].mean():5.1f}  {late.mean():5.2f} +- {error:4.2f}  {data['flow'][k, j].sum():5.1f} "
            )
        rows.append(f"{p:<4g}  " + "".join(cells))
    return "\n".join(rows)


def draw(data: Mapping[str, Any]) -> Figure:
    """A panel for each polarity: rates against the index of the teacher node, strongest first."""
    count = len(data["polarities"])
    figure = new_figure(2.7 * max(count, 2), 3.5)
    panels = figure.subplots(1, count, sharey=True, squeeze=False)[0]
    node = np.arange(1, data["late"].shape[-1] + 1)
    for k, panel in enumerate(panels):
        for j, factor in enumerate(data["factors"]):
            style: dict[str, Any] = {"color": COLOURS[j], "marker": MARKERS[j], "ms": 3.5}
            panel.plot(node, data["late"][k, j], **style, lw=1.6, label=f"{factor}x")
            panel.plot(node, data["early"][k, j], **style, lw=1.0, ls=":", mfc="white")
            panel.plot(node, data["flow"][k, j], color=COLOURS[j], lw=3.5, alpha=0.3, solid_capstyle="butt")
        panel.set(
            title=f"p = {data['polarities'][k]:g}",
            xlabel="teacher node, strongest first",
            xticks=(1, 5, 10, 15, 20),
            ylim=(-0.04, 1.04),
        )
    panels[0].set_ylabel("share of seeds in which it is covered")
    handles = [
        *(
            Line2D([], [], color=COLOURS[j], marker=MARKERS[j], ms=4, label=f"{f}x students")
            for j, f in enumerate(data["factors"])
        ),
        Line2D([], [], color=GREY, label=f"after {data['epochs'][1]} epochs"),
        Line2D([], [], color=GREY, ls=":", label=f"after {data['epochs'][0]} epochs"),
        Line2D(
            [],
            [],
            color=GREY,
            lw=3.5,
            alpha=0.4,
            label=f"gradient flow, {data['epochs'][1]} epochs ({data['flow_seeds']} seeds)",
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    means = "; ".join(
        f"p = {p:g}: " + ", ".join(f"{c.mean():.1f} ({f}x)" for f, c in zip(data["factors"], row, strict=True))
        for p, row in zip(data["polarities"], data["count"], strict=True)
    )
    return f"Covered teacher nodes of 20 after {data['epochs'][1]} epochs, mean over {data['seeds']} seeds: {means}. Broad lines: the gradient flow on the population from the same starts."


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure; print the table."""

    def shown(data: Mapping[str, Any]) -> str:
        print(table(data))
        return describe(data)

    run(
        argv, "specialization_success", compute, draw, "Figure 5: success rates of teacher nodes", shown, resumable=True
    )


if __name__ == "__main__":
    main(sys.argv[1:])
