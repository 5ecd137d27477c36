"""How errors decay, direction by direction: the part of `y - u(k)` along the i-th eigenvector of K against `(1 - step lambda_i)^k`, in a narrow and a wide network, and the loss against the bound of the theorems.

K is the limit of the whole Gram matrix G, the sum over the layers; Theorems 5.1 and 6.1 of the wide_networks paper use `lambda_min(K^(H))` of one layer and half of it: the loss falls much
faster. Six unit inputs, softplus. Fast components follow their own rate until what `G(0) - K`, of size `m^(-1/2)`, feeds them from the slow ones is more: `(I - step G(0))^k` (dotted) has that too.
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from alignmath.architectures import FullyConnected
from alignmath.kernels import tangent
from examples.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, new_figure, run
from examples.wide_networks.architectures import COUNT, LOOKS, inputs_of, network_of
from proofs.wide_networks.wide_runs import labels, slopes
from solvers.dynamics.wide_networks import follow

_COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, GREY)
_MARKERS = ("o", "s", "^", "v", "D", "P")
_BOUNDED = ("fully_connected", "resnet")


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """Components of the error along the eigenvectors of K: measured and by theory `(W, K, 6)` of one seed; the largest distance of the two over the steps, relative to the error at the start, `(W, S)`. by_gram: what `(I - step G(0))^k` gives.

    Losses of the widest network, those that `(I - step K)^k` gives and bounds, `(2, K)`: fully connected and ResNet.
    """
    widths, seeds, T = ((32, 384), 5, 150) if quick else ((32, 128, 512, 1024), 12, 1500)
    record = np.unique(np.concatenate([[0], np.geomspace(1, T, 40).round()]).astype(int))
    y = labels(COUNT)
    data: dict[str, Any] = {"widths": np.array(widths), "steps": record}
    for kind in _BOUNDED:
        architecture = LOOKS[kind].architecture
        x, plain = inputs_of(architecture), isinstance(architecture, FullyConnected)
        values, vectors = np.linalg.eigh(tangent(x, architecture))
        along, distances = [], []
        for m in widths if plain else widths[-1:]:
            # The distance is largest early: a tenth of the steps will do for the networks that are not drawn.
            for seed in range(seeds if plain else 1):
                whole = not seed
                descent = follow(network_of(architecture, m, seed), x, y, T if whole else T // 10, record=[0])
                measured, theory = (v @ vectors[:, ::-1] for v in (descent.residuals, descent.by_limit))
                if whole:
                    along.append(
                        (measured[record], theory[record], (descent.by_gram @ vectors[:, ::-1])[record], descent)
                    )
                distances.append(np.abs(measured - theory)[: T // 10 + 1].max() / np.linalg.norm(measured[0]))
        descent = along[-1][-1]
        data |= {
            f"loss_{kind}": descent.loss[record],
            f"predicted_{kind}": np.sum(descent.by_limit[record] ** 2, axis=1) / 2,
            f"bound_{kind}": descent.bound[record],
            f"bound_holds_{kind}": np.array(descent.bound_holds),
        }
        if plain:
            data |= {
                "measured": np.array([parts[0] for parts in along]),
                "theory": np.array([parts[1] for parts in along]),
                "by_gram": np.array([parts[2] for parts in along]),
                "learning_rate": np.array([parts[-1].learning_rate for parts in along]),
                "eigenvalues": values[::-1],
                "distance": np.array(distances).reshape(len(widths), seeds),
            }
    return data


def draw(data: Mapping[str, Any]) -> Figure:
    """Left and middle: the narrowest and the widest network, by direction; right: losses and bounds."""
    figure = new_figure(12.5, 4.9)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.05))
    steps = data["steps"]
    later = steps >= 1
    for panel, place in ((left, 0), (middle, -1)):
        for i, (colour, marker) in enumerate(zip(_COLOURS, _MARKERS, strict=True)):
            measured, theory, own = (np.abs(data[name][place, :, i]) for name in ("measured", "theory", "by_gram"))
            panel.loglog(steps[later], measured[later], marker, ls="", color=colour, ms=4, mfc="none", mew=1.1)
            panel.loglog(steps[later], theory[later], "-", color=colour, lw=1.6)
            panel.loglog(steps[later], own[later], ":", color=colour, lw=1.2)
        panel.set(title=f"fully connected, width {data['widths'][place]}", xlabel="step k", ylim=(1e-4, 5))
    left.set_ylabel(r"$|v_i\cdot(y-u(k))|$")
    handles = [
        Line2D([], [], color=colour, marker=marker, mfc="none", label=rf"$\lambda_{i + 1}$ = {value:.2g}")
        for i, (colour, marker, value) in enumerate(zip(_COLOURS, _MARKERS, data["eigenvalues"], strict=True))
    ]
    handles += [
        Line2D([], [], color="black", marker="o", mfc="none", ms=4, ls="", label="trained"),
        Line2D([], [], color="black", lw=1.6, label=r"theory: $(1-\eta\lambda_i)^k$"),
        Line2D([], [], color="black", lw=1.2, ls=":", label=r"$(I-\eta G(0))^k$, its own start"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=4, fontsize=9)
    for kind, theorem in zip(_BOUNDED, ("5.1", "6.1"), strict=True):
        look = LOOKS[kind]
        right.loglog(
            steps[later], data[f"loss_{kind}"][later], look.marker, ls="", color=look.colour, ms=4, mfc="none",
            label=f"{look.name}, trained",
        )  # fmt: skip
        right.loglog(
            steps[later], data[f"predicted_{kind}"][later], look.line, color=look.colour, lw=1.4, label=r"theory: $(I-\eta K)^k$"
        )  # fmt: skip
        right.loglog(
            steps[later], data[f"bound_{kind}"][later], ":", color=look.colour, lw=2.6,
            label=f"bound of Theorem {theorem}",
        )  # fmt: skip
    right.set(title=f"loss and bound, width {data['widths'][-1]}", xlabel="step k", ylabel="loss L(k)")
    handles, names = right.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower right", ncols=2, fontsize=9)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    typical = np.exp(np.log(data["distance"]).mean(axis=1))
    slope, half = slopes(np.log(data["widths"]), np.log(data["distance"].T))
    distances = ", ".join(f"{v:.3f} ({m})" for m, v in zip(data["widths"], typical, strict=True))
    rates = []
    for kind in _BOUNDED:
        loss, bound = data[f"loss_{kind}"], data[f"bound_{kind}"]
        rates.append(f"{np.log(loss[-1] / loss[0]) / np.log(bound[-1] / bound[0]):.0f} ({LOOKS[kind].name})")
    return (
        f"Softplus, {COUNT} unit inputs, step size 1 / lambda_max(G(0)). Largest distance of a component from theory, relative to the error at the start, by width "
        f"(geometric means of {data['distance'].shape[1]} seeds): {distances}; slope {slope:.2f} +- {half:.2f}, law -1/2. "
        f"In {data['steps'][-1]} steps the loss falls by the power {' and '.join(rates)} of the bound."
    )


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""

    def shown(data: Mapping[str, Any]) -> str:
        caption = describe(data)
        print(caption)
        return caption

    run(argv, "wide_networks_error_decay", compute, draw, "Errors decay at the rates of the limit's eigenvalues", shown)


if __name__ == "__main__":
    main(sys.argv[1:])
