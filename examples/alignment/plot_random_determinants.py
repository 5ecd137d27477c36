"""Figure 4 of the alignment paper: z = min_i det M_i at 100,000 random configurations each, for m = 6 and m = 9."""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from examples.style import BLUE, GREY, RED, new_figure, run
from proofs.alignment.experiments import random_minimum_determinants

_STUDENTS = (6, 9)
_SEED = 84


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """z and its proved sign at independent uniform angles."""
    count = 10_000 if quick else 100_000
    pairs = [random_minimum_determinants(m, count, _SEED) for m in _STUDENTS]
    return {
        "students": np.array(_STUDENTS),
        "z": np.stack([z for z, _ in pairs]),
        "sign": np.stack([s for _, s in pairs]),
    }


def draw(data: Mapping[str, Any]) -> Figure:
    """Left: z in the order drawn, clipped as in the paper. Right: how its size is distributed."""
    figure = new_figure(12, 6.6)
    axes = figure.subplots(2, 2, width_ratios=(1.6, 1))
    for (left, right), m, z, sign in zip(axes, data["students"], data["z"], data["sign"], strict=True):
        floor = float(np.quantile(z, 0.1))
        shown = slice(None, None, max(1, len(z) // 20_000))
        draws = np.arange(1, len(z) + 1)
        left.plot(draws[shown], np.maximum(z, floor)[shown], ".", color=BLUE, ms=1.5, alpha=0.5, rasterized=True)
        left.axhline(0, color=RED, lw=1.6)
        left.text(0.01, 0.985, "z = 0: the bound of Theorem A", color=RED, transform=left.transAxes, va="top")
        which = "each draw" if shown.step == 1 else f"every {shown.step}th draw"
        left.set(
            title=f"m = {m}: z of {which}, clipped at its 10% quantile",
            xlabel="draw",
            ylabel="z",
            ylim=(1.05 * floor, -0.15 * floor),
        )
        right.hist(np.log10(-z[z < 0]), bins=80, color=BLUE)
        largest = float(z.max())
        right.axvline(np.log10(-largest), color=RED, ls="--", lw=1.4)
        right.set(
            title=f"largest z = {largest:.2g}; {int(np.sum(sign > 0))} of {len(z)} positive",
            xlabel=r"$\log_{10}(-z)$",
            ylabel="draws",
        )
        right.annotate(
            "largest z",
            (np.log10(-largest), 0.5 * right.get_ylim()[1]),
            rotation=90,
            ha="right",
            va="center",
            color=RED,
        )
        right.axvline(np.log10(-np.median(z)), color=GREY, ls=":", lw=1.6)
        right.annotate(
            "median",
            (np.log10(-np.median(z)), 0.08 * right.get_ylim()[1]),
            rotation=90,
            ha="right",
            va="bottom",
            color="white",
        )
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    parts = [
        f"m = {m}: largest z {z.max():.2g}, median {np.median(z):.2g}"
        for m, z in zip(data["students"], data["z"], strict=True)
    ]
    return (
        f"{data['z'].shape[1]} independent uniform draws each, seed {_SEED}; signs proved, {int(np.sum(data['sign'] > 0))} positive. "
        + "; ".join(parts)
        + "."
    )


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""
    run(
        argv,
        "random_determinants",
        compute,
        draw,
        "Figure 4: the smallest replaced determinant at random angles, m = 6 and 9",
        describe,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
