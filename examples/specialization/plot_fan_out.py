"""Figure 3 of the specialization paper: fan-out of student nodes against their correlation with the best teacher node, by over-realisation.

10 teacher nodes, p = 1, 32 seeds, 100 epochs, from the initial weights of torch.nn (from a tenth of these, which the other figures use, nearly all nodes specialise). Theorem 3, mended: at a critical point the net fan-out of student nodes aligned with no teacher node is 0, so nodes lie on the
L of zero fan-out and full correlation. Settings: `proofs.specialization.ensembles`.
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
from examples.style import BLUE, GREY, ORANGE, new_figure, run
from proofs.specialization.ensembles import FACTORS, SAMPLES, train_pairs
from solvers.dynamics.training import Measures
from solvers.dynamics.training.measures import best_student, best_teacher, evaluation_loss, fan_out

_NODES, _POLARITY = 10, 1.0


# %%
def compute(quick: bool = False, state: Path | None = None) -> dict[str, np.ndarray]:
    """For each width: correlations and fan-outs of all student nodes `(S, n)`, the teacher's coverage and the evaluation losses `(S,)`."""
    factors, seeds, epochs = ((1, 5), range(2), 12) if quick else (FACTORS, range(32), 100)
    data: dict[str, np.ndarray] = {"factors": np.array(factors), "epochs": np.array(epochs)}
    for factor in factors:
        runs = train_pairs(
            _NODES, _POLARITY, factor, seeds, scale=1.0,
            epochs=epochs, record=[epochs], samples=QUICK_SAMPLES if quick else SAMPLES,
            measures=Measures([best_teacher, best_student, fan_out, evaluation_loss], samples=1_000 if quick else 10_000), progress=not quick, checkpoint=state / f"fan-out-{factor}x" if state else None,
        )  # fmt: skip
        hidden = np.linalg.norm(runs.students.weights[0], axis=-1)
        data |= {
            f"correlation_{factor}": runs.measured["best_teacher"][0],
            f"fan_out_{factor}": runs.measured["fan_out"][0],
            f"strength_{factor}": runs.measured["fan_out"][0] * hidden,
            f"covered_{factor}": (runs.measured["best_student"][0] > 0.95).sum(axis=-1),
            f"loss_{factor}": runs.measured["evaluation_loss"][0],
        }
    return data


def table(data: Mapping[str, Any]) -> str:
    """Nodes by how well they correlate, and the fan-outs of the badly correlated ones."""
    rows = [
        "width  covered of 10  nodes below 0.6  their largest |v|  median |v|  largest |v||w|  median |v| of nodes above 0.95"
    ]
    for factor in data["factors"]:
        correlation, norm, strength = (data[f"{name}_{factor}"] for name in ("correlation", "fan_out", "strength"))
        weak = correlation < 0.6
        figures = (norm[weak].max(), np.median(norm[weak]), strength[weak].max()) if weak.any() else (np.nan,) * 3
        rows.append(
            f"{factor:>4}x  {data[f'covered_{factor}'].mean():13.2f}  {weak.mean():14.1%}  {figures[0]:17.3f}  {figures[1]:10.4f}  {figures[2]:14.4f}  {np.median(norm[correlation > 0.95]):.3f}"
        )
    return "\n".join(rows)


def draw(data: Mapping[str, Any]) -> Figure:
    """A panel for each width."""
    factors = data["factors"]
    figure = new_figure(3.0 * max(len(factors), 2), 3.6)
    panels = figure.subplots(1, len(factors), sharey=True, squeeze=False)[0]
    for factor, panel in zip(factors, panels, strict=True):
        correlation, norm = data[f"correlation_{factor}"], data[f"fan_out_{factor}"]
        top = 1.08 * max(data[f"fan_out_{f}"].max() for f in factors)
        panel.plot([0, 1, 1], [0, 0, top], color=GREY, lw=5, alpha=0.35, solid_capstyle="butt", solid_joinstyle="miter")
        specialised = correlation > 0.95
        panel.plot(
            correlation[~specialised], norm[~specialised], "o", ms=2.6, mfc="none", mec=ORANGE, mew=0.7, alpha=0.7
        )
        panel.plot(correlation[specialised], norm[specialised], "x", ms=3.2, color=BLUE, mew=0.7, alpha=0.7)
        panel.set(
            title=f"{factor}x students, loss {np.median(data[f'loss_{factor}']):.1e}",
            xlabel="correlation with the best teacher node",
            xlim=(-0.02, 1.03),
            ylim=(-0.03 * top, top),
        )
    panels[0].set_ylabel("fan-out $|v_k|$")
    handles = [
        Line2D([], [], color=BLUE, marker="x", ls="", label="specialised: correlation above 0.95"),
        Line2D([], [], color=ORANGE, marker="o", mfc="none", ls="", label="not specialised"),
        Line2D(
            [], [], color=GREY, lw=5, alpha=0.35, label="where critical points have their nodes (Theorem 3, mended)"
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3 if len(factors) > 2 else 1, fontsize=9)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    seeds = len(data[f"loss_{data['factors'][0]}"])
    parts = []
    for factor in data["factors"]:
        weak = data[f"correlation_{factor}"] < 0.6
        if weak.any():
            parts.append(f"{data[f'fan_out_{factor}'][weak].max():.2f} ({factor}x)")
    return f"All student nodes of {seeds} seeds after {data['epochs']} epochs. Largest fan-out of a node that correlates below 0.6: {', '.join(parts) or 'no such node'}."


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure; print the table."""

    def shown(data: Mapping[str, Any]) -> str:
        print(table(data))
        return describe(data)

    run(
        argv, "specialization_fan_out", compute, draw, "Figure 3: fan-out against specialisation", shown, resumable=True
    )


if __name__ == "__main__":
    main(sys.argv[1:])
