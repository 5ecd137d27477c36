"""Spectra of Gram matrices, and how little they move in training: eigenvalues of `G^(H)(0)` and `G^(H)(T)` next to those of the limit `K^(H)`, and the change of `G^(H)(k)` by step.

Six unit inputs, softplus, step size `1 / lambda_max(G(0))`, the three architectures of the wide_networks paper (H = 2, 3, 2). Random weights put `G^(H)(0)` within `m^(-1/2)` of the
limit; training moves it by `1/m` only, faster than equation (6) and the Lipschitz bounds of Section 4 give (claim `wide_networks.stability`).
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from alignmath.kernels import gram
from examples.style import BLUE, GREEN, GREY, ORANGE, new_figure, run
from examples.wide_networks.architectures import COUNT, LOOKS, inputs_of, network_of
from proofs.wide_networks.wide_runs import labels
from solvers.dynamics.wide_networks import follow

_COLOURS, _MARKERS, _LINES = (ORANGE, GREEN, BLUE), ("o", "s", "^"), (":", "-.", "-")


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """For each architecture: eigenvalues of the limit `(6,)`, of `G^(H)` at the start and the end of the first seed `(W, 6)`, and geometric means over the seeds of the relative change, `(W, K)`."""
    counts = {32: 4, 192: 2} if quick else {64: 40, 512: 16, 2048: 6}
    T = 15 if quick else 100
    record = sorted({int(k) for k in [0, *np.geomspace(1, T, 6 if quick else 15).round()]})
    widths, y = np.array(list(counts)), labels(COUNT)
    data: dict[str, np.ndarray] = {
        "widths": widths, "seeds": np.array(list(counts.values())), "steps": np.array(record[1:]),
    }  # fmt: skip
    for kind, look in LOOKS.items():
        x = inputs_of(look.architecture)
        K = gram(x, look.architecture)
        start, end, change = [], [], []
        for m, seeds in counts.items():
            runs = [
                follow(network_of(look.architecture, m, s), x, y, T, record=record).grams[:, -2] for s in range(seeds)
            ]
            start.append(np.linalg.eigvalsh(runs[0][0])[::-1])
            end.append(np.linalg.eigvalsh(runs[0][-1])[::-1])
            moved = np.linalg.norm(np.array(runs)[:, 1:] - np.array(runs)[:, :1], ord=2, axis=(2, 3))
            change.append(np.exp(np.log(moved / np.linalg.norm(K, 2)).mean(axis=0)))
        data |= {
            f"limit_{kind}": np.linalg.eigvalsh(K)[::-1],
            f"start_{kind}": np.array(start),
            f"end_{kind}": np.array(end),
            f"change_{kind}": np.array(change),
            f"slope_{kind}": np.polyfit(np.log(widths), np.log(np.array(change)[:, -1]), 1)[0],
        }
    return data


def _law(data: Mapping[str, Any], kind: str) -> np.ndarray:
    """`c(k) / m`, with the c that fits all widths, `(W, K)`."""
    widths = data["widths"][:, None]
    return np.exp(np.log(data[f"change_{kind}"] * widths).mean(axis=0)) / widths


def draw(data: Mapping[str, Any]) -> Figure:
    """Above, spectra; below, the change by step."""
    figure = new_figure(11, 7.2)
    axes = figure.subplots(2, len(LOOKS))
    widths, steps = data["widths"], data["steps"]
    looks = list(zip(_COLOURS, _MARKERS, _LINES, strict=True))[-len(widths) :]
    index = np.arange(1, COUNT + 1)
    for (kind, look), (above, below) in zip(LOOKS.items(), axes.T, strict=True):
        limit = data[f"limit_{kind}"]
        above.hlines(limit, index - 0.42, index + 0.42, color="black", lw=2)
        for k, (colour, marker, _) in enumerate(looks):
            place = index + 0.24 * (k - (len(widths) - 1) / 2)
            above.plot(place, data[f"start_{kind}"][k], marker, ls="", mfc="none", mec=colour, ms=8, mew=1.4)
            above.plot(place, data[f"end_{kind}"][k], marker, ls="", color=colour, ms=3.5)
        above.set(yscale="log", title=look.name, xlabel="eigenvalue, from the largest", xticks=index)
        above.grid(axis="x", visible=False)
        for k, (colour, marker, line) in enumerate(looks):
            below.loglog(steps, data[f"change_{kind}"][k], marker + line, color=colour, lw=1.4, ms=4.5)
            below.loglog(steps, _law(data, kind)[k], color="black", lw=1, ls=(0, (6, 3)))
        below.set(xlabel="step k", title=rf"at the end $\propto m^{{{float(data[f'slope_{kind}']):.2f}}}$")
    axes[0, 0].set_ylabel("eigenvalue")
    axes[1, 0].set_ylabel(r"$|G^{(H)}(k)-G^{(H)}(0)|_2\,/\,|K^{(H)}|_2$")
    handles = [
        Line2D([], [], color=colour, marker=marker, ls=line, label=f"width {m}")
        for m, (colour, marker, line) in zip(widths, looks, strict=True)
    ]
    handles += [
        Line2D([], [], color=GREY, marker="o", mfc="none", ms=8, ls="", label="$G^{(H)}$ at the start"),
        Line2D([], [], color=GREY, marker="o", ms=3.5, ls="", label="at the end"),
        Line2D([], [], color="black", lw=2, label="theory: limit $K^{(H)}$"),
        Line2D([], [], color="black", lw=1, ls=(0, (6, 3)), label=r"law: $\propto 1/m$"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8.5)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    widths = data["widths"]
    parts = [
        f"{look.name} {data[f'change_{a}'][0, -1]:.2g} to {data[f'change_{a}'][-1, -1]:.2g}, slope {float(data[f'slope_{a}']):.2f}"
        for a, look in LOOKS.items()
    ]
    return (
        f"Softplus, {COUNT} unit inputs, step size 1 / lambda_max(G(0)). Above: one seed. Below: geometric means of {', '.join(map(str, data['seeds']))} seeds. "
        f"Relative change of G^(H) after {data['steps'][-1]} steps, width {widths[0]} to {widths[-1]}: {'; '.join(parts)}; law: -1."
    )


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""

    def shown(data: Mapping[str, Any]) -> str:
        caption = describe(data)
        print(caption)
        return caption

    run(
        argv,
        "wide_networks_spectra",
        compute,
        draw,
        "Gram matrices: spectra, and how little training moves them",
        shown,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
