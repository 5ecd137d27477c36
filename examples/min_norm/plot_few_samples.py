"""Section 6 of the min_norm paper with 20 samples: the minimum-norm interpolant is nearly always the teacher, where the theorem promises nothing.

The paper trained by SGD, "in almost all of the cases"; here the minimum-norm interpolants themselves, each with its certificate, for the paper's teacher and
for the same neurons with signs (+, +, -).
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alignmath.networks import TwoLayer
from alignmath.plane.sectors import sector_probabilities, sector_probability, sector_probability_bound
from examples.min_norm.recovery import is_minimal
from examples.min_norm.training import TEACHER
from examples.style import BLUE, ORANGE, RED, new_figure, run
from proofs.engine.statistics import proportion_interval
from proofs.min_norm.experiments import recoveries

_SAMPLES, _SEED = 20, 62
_TEACHERS = {"(+, +, +)": TEACHER, "(+, +, −)": TwoLayer(TEACHER.hidden, np.array([1.0, 1.0, -1.0]))}


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """For both teachers and every draw: the least squared norm, whether it is the teacher's, whether the interpolant is the teacher, the least number of samples in a sector."""
    draws = 25 if quick else 1_000
    measured = [recoveries(_SAMPLES, draws, _SEED + k, teacher) for k, teacher in enumerate(_TEACHERS.values())]
    shares = sector_probabilities(TEACHER)
    return {
        "squared_norm": np.stack([f.squared_norm for f in measured]),
        "minimal": np.stack([is_minimal(TEACHER, f.squared_norm) for f in measured]),
        "equal": np.stack([f.recovered for f in measured]),
        "condensed": np.stack([f.condensed for f in measured]).astype(bool),
        "least": np.stack([f.least for f in measured]).astype(int),
        "at_least": np.array([sector_probability(_SAMPLES, shares, least) for least in range(5)]),
        "bound": np.array(sector_probability_bound(_SAMPLES, shares)),
    }


def _draw_probabilities(panel: Axes, data: Mapping[str, Any]) -> None:
    """Probabilities, measured with their intervals and in theory."""
    draws = data["minimal"].shape[1]
    cases = (
        ("minimum norm = teacher\n(+, +, +)", data["minimal"][0].sum(), draws, None),
        ("minimum norm = teacher\n(+, +, −)", data["minimal"][1].sum(), draws, None),
        ("three samples\nin every sector", (data["least"] >= 3).sum(), 2 * draws, data["at_least"][3]),
        ("two samples\nin every sector", (data["least"] >= 2).sum(), 2 * draws, data["at_least"][2]),
    )
    for k, (_, count, trials, theory) in enumerate(cases):
        low, high = proportion_interval(count, trials)
        share = count / trials
        error = [[max(share - low, 0)], [max(high - share, 0)]]
        panel.errorbar([share], [k], xerr=error, fmt="o", color=BLUE, ms=6, capsize=4, zorder=3)
        label = f"{int(count)} of {trials}" + ("" if theory is None else f"; exact {theory:.4f}")
        on_left = share > 0.6
        panel.annotate(
            label,
            (share, k),
            xytext=(0 if on_left else 9, 9),
            textcoords="offset points",
            ha="right" if on_left else "left",
            fontsize=9,
        )
        if theory is not None:
            panel.plot([theory], [k], "|", color=RED, ms=22, mew=2.2)
    last, text = len(cases), f"{float(data['bound']):.2f}: says nothing"
    panel.plot([0], [last], "|", color=RED, ms=22, mew=2.2)
    panel.annotate(text, (0, last), xytext=(9, 9), textcoords="offset points", fontsize=9)
    panel.set(
        title=f"N = {_SAMPLES}: measured (95% intervals) and theory",
        xlabel="probability",
        xlim=(-0.03, 1.03),
        ylim=(last + 0.9, -0.7),
        yticks=range(last + 1),
        yticklabels=[name for name, *_ in cases] + ["the paper's bound,\nformula (12)"],
    )
    panel.plot([], [], "o", color=BLUE, label="measured")
    panel.plot([], [], "|", color=RED, ms=12, mew=2.2, label="theory")
    panel.legend(loc="lower right", fontsize=9)


def _draw_emptiest(panel: Axes, data: Mapping[str, Any]) -> None:
    """Draws of both teachers by their emptiest sector."""
    draws = data["minimal"].shape[1]
    least = np.arange(4)
    expected = -np.diff(data["at_least"])
    total = np.array([(data["least"] == k).sum() for k in least])
    good = np.array([(data["minimal"] & (data["least"] == k)).sum() for k in least])
    panel.bar(least, good, color=BLUE, label="minimum norm = teacher")
    panel.bar(
        least, total - good, bottom=good, color=ORANGE, hatch="//", edgecolor="white", label="less than the teacher's"
    )
    panel.plot(least, expected * 2 * draws, "D", mfc="none", mec=RED, mew=1.8, ms=8, label="theory: draws")
    for k in least:
        panel.annotate(
            f"{good[k]} of {total[k]}",
            (k, max(total[k], expected[k] * 2 * draws)),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    panel.set(
        title="both teachers, by the emptiest sector",
        xlabel="samples in the emptiest sector",
        ylabel="draws",
        xticks=least,
        ylim=(0, 1.3 * max(total.max(), 1)),
    )
    panel.legend(loc="upper right", fontsize=8.5)


def draw(data: Mapping[str, Any]) -> Figure:
    """Left: probabilities, measured and in theory. Right: draws by their emptiest sector."""
    figure = new_figure(11.5, 4.9)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_probabilities(left, data)
    _draw_emptiest(right, data)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    draws = data["minimal"].shape[1]
    parts = []
    for row, name in enumerate(_TEACHERS):
        count = int(data["minimal"][row].sum())
        low, high = proportion_interval(count, draws)
        parts.append(f"{name}: {count} of {draws} (95% interval {low:.3f} to {high:.3f})")
    three = data["least"] >= 3
    return (
        f"N = {_SAMPLES} uniform samples; the certified least squared norm is the teacher's, 6, for {'; '.join(parts)}. All sectors hold three samples in "
        f"{int(three.sum())} of {three.size} draws (exact probability {data['at_least'][3]:.5f}), in each of which the teacher is of least norm: {bool(np.all(data['minimal'][three]))}. Formula (12) gives {float(data['bound']):.3f}."
    )


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""
    run(
        argv,
        "min_norm_few_samples",
        compute,
        draw,
        "Twenty samples: how often the minimum-norm interpolant is the teacher",
        describe,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
