"""Wider networks are nearer to their limit and move less: `|G^(H)(0) - K^(H)| / |K^(H)|` and the drift of the weights against the width.

Three architectures of the wide_networks paper (H = 2, 3, 2), six unit inputs, softplus. Both fall like `m^(-1/2)`: the error of random initialisation (Section 4) and the largest
`|W^(h)(k) - W^(h)(0)|_F / sqrt(m)` of a layer and a step, equation (6).
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation, NullLocator

from examples.style import new_figure, run
from examples.wide_networks.architectures import COUNT, LOOKS, inputs_of, network_of
from proofs.wide_networks.wide_runs import initial_errors, labels, slopes
from solvers.dynamics.wide_networks import follow

_PANELS = {
    "error": (r"$|G^{(H)}(0)-K^{(H)}|_2\,/\,|K^{(H)}|_2$", "random initialisation"),
    "drift": (r"largest $|W^{(h)}(k)-W^{(h)}(0)|_F\,/\,\sqrt{m}$", "training"),
}


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """`error_*` and `drift_*`, `(S, W)` by architecture, their widths, and slopes in the width with half-widths of 95% intervals."""
    widths = [32, 64, 128] if quick else [32, 64, 128, 256, 512, 1024, 2048]
    trained = [32, 128] if quick else [32, 64, 128, 256, 512, 1024]
    seeds, runs, T = (40, 3, 15) if quick else (60, 10, 100)
    record, y = np.unique(np.linspace(0, T, 11).astype(int)).tolist(), labels(COUNT)
    data: dict[str, Any] = {"error_widths": np.array(widths), "drift_widths": np.array(trained), "steps": np.array(T)}
    for kind, look in LOOKS.items():
        x = inputs_of(look.architecture)
        data[f"error_{kind}"] = initial_errors([look.architecture], widths, seeds)[:, 0]
        data[f"drift_{kind}"] = np.array(
            [
                [follow(network_of(look.architecture, m, s), x, y, T, record=record).drift.max() for m in trained]
                for s in range(runs)
            ]
        )
        for name in _PANELS:
            data[f"{name}_slope_{kind}"] = np.array(
                slopes(np.log(data[f"{name}_widths"]), np.log(data[f"{name}_{kind}"]))
            )
    return data


def draw(data: Mapping[str, Any]) -> Figure:
    """Left: initialisation; right: training. Medians, and bands from the first to the third quartile."""
    figure = new_figure(11, 4.7)
    for panel, (name, (label, title)) in zip(figure.subplots(1, 2), _PANELS.items(), strict=True):
        widths = data[f"{name}_widths"]
        for kind, look in LOOKS.items():
            values = data[f"{name}_{kind}"]
            low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
            slope, half = data[f"{name}_slope_{kind}"]
            panel.fill_between(widths, low, high, color=look.colour, alpha=0.18, lw=0)
            panel.loglog(
                widths, middle, look.marker, ls=look.line, color=look.colour, ms=6,
                label=rf"{look.name}, slope {slope:.2f} $\pm$ {half:.2f}",
            )  # fmt: skip
            law = np.exp(np.log(values * np.sqrt(widths)).mean()) / np.sqrt(widths)
            panel.loglog(widths, law, color="black", lw=1, ls=(0, (6, 3)), zorder=1)
        panel.plot([], [], color="black", lw=1, ls=(0, (6, 3)), label=r"law: $m^{-1/2}$")
        panel.set(xlabel="width m", ylabel=label, title=title)
        panel.set_xticks(widths, [str(m) for m in widths])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_minor_formatter(LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(2, 1)))
        panel.legend(loc="lower left", fontsize=9)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""

    def listed(name: str) -> str:
        return "; ".join(
            f"{look.name} {np.median(data[f'{name}_{a}'], axis=0)[0]:.3f} to {np.median(data[f'{name}_{a}'], axis=0)[-1]:.4f}, slope {data[f'{name}_slope_{a}'][0]:.3f} +- {data[f'{name}_slope_{a}'][1]:.3f}"
            for a, look in LOOKS.items()
        )

    seeds, runs = (len(data[f"{name}_fully_connected"]) for name in _PANELS)
    return (
        f"Softplus, {COUNT} unit inputs. Medians and quartiles. Error of G^(H)(0), {seeds} seeds, width {data['error_widths'][0]} to {data['error_widths'][-1]}: {listed('error')}. "
        f"Largest drift of a layer's weights in {data['steps']} steps, {runs} seeds, width {data['drift_widths'][0]} to {data['drift_widths'][-1]}: {listed('drift')}. Law: -1/2."
    )


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""

    def shown(data: Mapping[str, Any]) -> str:
        caption = describe(data)
        print(caption)
        return caption

    run(
        argv,
        "wide_networks_concentration",
        compute,
        draw,
        "Wider networks are nearer to their limit and move less",
        shown,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
