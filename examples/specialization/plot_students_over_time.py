"""Figure 6 of the specialization paper: every student node's correlation with each of the five strongest teacher nodes, three seeds, p = 1.

10 teacher nodes, 2x students, 40 epochs. A student keeps its colour in the panels of a row: that of the teacher node it ends with (grey: none, or a weaker one); drawn thick if it was
nearer to a stronger node on the way, which is the shift of focus the text describes. Settings: `proofs.specialization.ensembles`.
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

from examples.specialization.polarity import QUICK_SAMPLES
from examples.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, new_figure, run
from proofs.specialization.ensembles import SAMPLES, flow_of, train_pairs
from solvers.dynamics.training import Measures
from solvers.dynamics.training.measures import node_correlations

_NODES, _SHOWN, _FACTOR = 10, 5, 2
_COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE)


# %%
def compute(quick: bool = False, state: Path | None = None) -> dict[str, np.ndarray]:
    """Correlations `(S, K, 10, n)` of runs and flows at the `epochs (K,)`."""
    seeds, epochs, samples = (range(2), 15, QUICK_SAMPLES) if quick else (range(3), 40, SAMPLES)
    runs = train_pairs(
        _NODES, 1.0, _FACTOR, seeds,
        epochs=epochs, record=range(epochs + 1), measures=Measures([node_correlations], samples=1_000 if quick else 10_000), samples=samples,
        checkpoint=state / "students" if state else None,
    )  # fmt: skip
    flows = [flow_of(_NODES, 1.0, _FACTOR, seed, list(range(epochs + 1)), samples=samples)[1] for seed in seeds]
    return {
        "epochs": runs.epochs,
        "correlation": np.moveaxis(runs.measured["node_correlations"], 1, 0),
        "flow": np.stack(flows),
    }


def shifted(track: np.ndarray, final: int) -> bool:
    """Whether a student that ends with teacher node `final` was, on the way, nearest to a stronger one, with a correlation above 0.5 there: track `(K, 10)`."""
    nearest, value = track.argmax(axis=1), track.max(axis=1)
    return bool(np.any((nearest < final) & (value > 0.5)))


def draw(data: Mapping[str, Any]) -> Figure:
    """A row for each seed, a column for each of the strongest teacher nodes."""
    correlation, epochs = data["correlation"], data["epochs"]
    figure = new_figure(12, 2.5 * len(correlation) + 0.9)
    axes = figure.subplots(len(correlation), _SHOWN, sharex=True, sharey=True, squeeze=False)
    for row, tracks, flows in zip(axes, correlation, data["flow"], strict=True):
        ends = tracks[-1].argmax(axis=0)
        good = tracks[-1].max(axis=0) > 0.9
        for k, panel in enumerate(row):
            for n in np.argsort(good & (ends < _SHOWN), kind="stable"):
                named = good[n] and ends[n] < _SHOWN
                colour = _COLOURS[ends[n]] if named else "#B5BAC0"
                thick = named and shifted(tracks[:, :, n], ends[n])
                panel.plot(epochs, tracks[:, k, n], color=colour, lw=2.4 if thick else 1.1 if named else 0.6)
            for n in np.flatnonzero(good & (ends == k)):
                panel.plot(epochs, flows[:, k, n], color="black", lw=0.9, ls=(0, (1, 1.5)))
        row[0].set_ylabel("correlation")
    for k in range(_SHOWN):
        axes[0, k].set_title(f"teacher node {k + 1}", color=_COLOURS[k])
        axes[-1, k].set_xlabel("epoch")
    handles = [
        Line2D([], [], color=GREY, lw=1.1, label="student, in the colour of the teacher node it ends with"),
        Line2D([], [], color=GREY, lw=2.4, label="one that first went after a stronger one"),
        Line2D([], [], color="#B5BAC0", lw=0.6, label="one that ends with none of the five"),
        Line2D([], [], color="black", lw=0.9, ls=(0, (1, 1.5)), label="gradient flow, those that end here"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=9)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    correlation = data["correlation"]
    ends = [
        [int(np.sum((t[-1].argmax(axis=0) == k) & (t[-1].max(axis=0) > 0.95))) for k in range(_NODES)]
        for t in correlation
    ]
    shifts = [
        sum(shifted(t[:, :, n], int(t[-1, :, n].argmax())) for n in range(t.shape[-1]) if t[-1, :, n].max() > 0.9)
        for t in correlation
    ]
    return f"Student nodes (of {correlation.shape[-1]}) that cover each teacher node at the end, by seed: {ends}. Of those that end above 0.9, {shifts} went after a stronger one first."


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure; print the counts."""

    def shown(data: Mapping[str, Any]) -> str:
        text = describe(data)
        print(text)
        return text

    run(argv, "specialization_students", compute, draw, "Figure 6: student nodes over time", shown, resumable=True)


if __name__ == "__main__":
    main(sys.argv[1:])
