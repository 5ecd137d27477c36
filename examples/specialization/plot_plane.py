"""Figure 2 of the specialization paper: boundaries of 2 teacher nodes and 6 student nodes in the plane during training, and the students' fan-outs.

The paper gives the fan-outs (0.03 or 0.04 at the start; 2.27, 0.66, 0.01, 0, 2.19, 1.83 at the end) and none of the settings. Here: inputs uniform on the square (-1, 1)^2, 4 outputs, the loss of
equation (2), learning rate 0.01, mini-batches of 16 of 10,000 samples; a teacher with unit weight vectors, biases uniform on (-0.3, 0.3) and fan-outs of length 4; fan-outs of 0.035 at the start. An iteration is
an epoch. 8 seeds are trained, the second is drawn.
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from examples.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, new_figure, run
from proofs.specialization.plane_runs import plane_runs, strongest_unaligned

_COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, "#56B4E9")
_STYLES = ((0, (5, 2)), (0, (3, 1.5)), (0, (6, 2, 1, 2)), (0, (2, 2)), (0, (8, 2)), (0, (1, 1.2)))
_SHOWN = 1


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """Weights, fan-outs, correlations and losses of all seeds at the epochs: see `plane_runs`."""
    return plane_runs(2, 2_000) if quick else plane_runs(8, 10_000)


def draw(data: Mapping[str, Any]) -> Figure:
    """A panel for each recorded epoch."""
    epochs = data["epochs"]
    figure = new_figure(3.1 * len(epochs), 4.7)
    panels = figure.subplots(1, len(epochs), sharey=True)
    for k, panel in enumerate(panels):
        for w, b in zip(data["teacher_weights"][_SHOWN], data["teacher_biases"][_SHOWN], strict=True):
            _boundary(panel, w, b, color="black", lw=3.5, alpha=0.55)
        for n in range(6):
            _boundary(
                panel,
                data["weights"][k, _SHOWN, n],
                data["biases"][k, _SHOWN, n],
                color=_COLOURS[n],
                ls=_STYLES[n],
                lw=1.8,
            )
        handles = [
            Line2D(
                [],
                [],
                color=_COLOURS[n],
                ls=_STYLES[n],
                lw=1.8,
                label=f"$|v_{n + 1}|$ = {data['fan_out'][k, _SHOWN, n]:.2f}",
            )
            for n in range(6)
        ]
        panel.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=9)
        panel.set(
            xlim=(-1, 1),
            ylim=(-1, 1),
            aspect="equal",
            xlabel="$x_1$",
            title=f"epoch {epochs[k]}, loss {data['loss'][k, _SHOWN]:.1e}",
        )
    panels[0].set_ylabel("$x_2$")
    figure.legend(
        handles=[
            Line2D([], [], color="black", lw=3.5, alpha=0.55, label="theory: boundaries of the teacher nodes"),
            Line2D([], [], color=GREY, lw=1.8, ls="--", label="boundaries of the student nodes, with their fan-outs"),
        ],
        loc="outside upper center",
        ncols=2,
        fontsize=9,
    )
    return figure


def _boundary(panel: Any, weight: np.ndarray, bias: float, **style: Any) -> None:
    """The line `weight . x + bias = 0`."""
    foot = -bias * weight / (weight @ weight)
    along = np.array([-weight[1], weight[0]]) / np.linalg.norm(weight)
    ends = np.stack([foot - 4 * along, foot + 4 * along])
    panel.plot(*ends.T, **style)


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    left = strongest_unaligned(data)
    return f"Boundaries of teacher nodes (broad) and student nodes (dashed). At the end, |v||w| of a node aligned with no teacher node is at most {left.max():.1%} of the largest (median {np.median(left):.2%} over {len(left)} seeds)."


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""
    run(argv, "specialization_plane", compute, draw, "Figure 2: boundaries in the plane", describe)


if __name__ == "__main__":
    main(sys.argv[1:])
