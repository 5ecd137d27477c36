"""Depth: how fast the least eigenvalue of `K^(H)` falls with H, and how errors of random initialisation grow.

Fully connected networks: with `chi = c_sigma E[sigma'(z)^2]`, correlations of unit inputs approach 1 like `chi^H` if chi < 1, and `lambda_min(K^(H))` falls like `chi^H`: exponentially for
softplus (0.318). For ReLU chi is 1 and it falls like a power; for tanh chi is 1.178, correlations approach 0, and `lambda_min` grows to chi: what the wide_networks paper says of
depth is true of some activations only. In the ResNets it falls like `H^(-2)`, by the factor `(c_res / H)^2` in `K^(H)`.

Errors of `G^(H)(0)`: in a fully connected network an error of the variance is multiplied in each layer by the slope of `q -> c_sigma E[sigma(sqrt(q) z)^2]` at 1: 0.49 for softplus, 1.97
for `log(1 + exp(4 (x - 1))) / 4`, which so attains the growth of equation (4); errors near 1 grow faster. In the ResNet they do not grow, equation (5).
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from alignmath.activations import RELU, SOFTPLUS, TANH, Activation
from alignmath.architectures import FullyConnected, ResNet
from alignmath.kernels import gram
from examples.style import BLUE, GREEN, PURPLE, RED, new_figure, run
from examples.wide_networks.architectures import COUNT, LOOKS, inputs_of
from proofs.wide_networks.initial import variance_slope
from proofs.wide_networks.wide_runs import LATE, depths_of, initial_errors, slopes

_PLAIN = {"tanh": (TANH, GREEN, "^", "-."), "relu": (RELU, RED, "D", ":"), "softplus": (SOFTPLUS, BLUE, "o", "-")}
_NAMES = {"tanh": "tanh", "relu": "ReLU", "softplus": "softplus"}
_LATE_COLOUR = PURPLE


def correlation_slope(activation: Activation) -> float:
    """chi, `c_sigma E[sigma'(z)^2]`: by what the distance of two nearly equal unit inputs' correlation from 1 is multiplied in a layer."""
    return activation.c_sigma * float(activation.dual_derivative(1.0, 1.0, 1.0))


def _least(architecture: FullyConnected | ResNet, depths: np.ndarray) -> np.ndarray:
    x = inputs_of(architecture)
    return np.array([np.linalg.eigvalsh(gram(x, deep))[0] for deep in depths_of(architecture, depths.tolist())])


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """Least eigenvalues by depth; relative errors of `G^(H)(0)`, `(S, D)`, with slopes of their logarithms and half-widths of 95% intervals."""
    depths = np.array([2, 4, 8, 16] if quick else [2, 4, 8, 16, 32, 64])
    layers = np.arange(1, 9 if quick else 15)
    many = layers if quick else np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32])
    shallow, residual = ([1, 2, 3], [2, 3]) if quick else ([1, 2, 3, 4, 5], [2, 4, 8, 16])
    width, seeds = (128, 12) if quick else (512, 50)
    data: dict[str, Any] = {
        "depths": depths, "layers": layers, "many": many, "plain": np.array(shallow), "residual": np.array(residual), "width": np.array(width),
        "growth": np.array(variance_slope(LATE)),
    }  # fmt: skip
    for kind, look in LOOKS.items():
        plain = isinstance(look.architecture, FullyConnected)
        data[f"least_{kind}"] = _least(look.architecture, layers if plain else depths)
    # Eigenvalues are right to 1e-16 times the largest, about 1: no deeper for softplus.
    for name, (activation, *_) in _PLAIN.items():
        data[f"chi_{name}"] = np.array(correlation_slope(activation))
        data[f"plain_{name}"] = _least(FullyConnected(1, activation), layers if name == "softplus" else many)
    data["rate"] = np.array(np.exp(np.polyfit(layers[3:], np.log(data["plain_softplus"][3:]), 1)[0]))
    data["power"] = np.array(
        [
            np.polyfit(np.log(depths[1:]), np.log(data[f"least_{a}"][1:]), 1)[0]
            for a in ("resnet", "convolutional_resnet")
        ]
    )
    for name, activation in (("softplus", SOFTPLUS), ("late", LATE)):
        for kind, where in (("fully_connected", shallow), ("resnet", residual)):
            architecture = replace(LOOKS[kind].architecture, activation=activation)
            errors = initial_errors(depths_of(architecture, where), [width], seeds)[:, :, 0]
            data[f"error_{name}_{kind}"] = errors
            data[f"slope_{name}_{kind}"] = np.array(slopes(np.array(where), np.log(errors)))
    return data


def draw(data: Mapping[str, Any]) -> Figure:
    """Left: least eigenvalue, three architectures; middle: fully connected, three activations; right: errors."""
    figure = new_figure(13, 4.8)
    left, middle, right = figure.subplots(1, 3)
    depths, layers = data["depths"], data["layers"]
    guide = {"color": "black", "lw": 1, "ls": (0, (6, 3)), "zorder": 1}
    chi = float(data["chi_softplus"])
    for kind, look in LOOKS.items():
        plain = isinstance(look.architecture, FullyConnected)
        where, values = layers if plain else depths, data[f"least_{kind}"]
        left.loglog(where, values, look.marker, ls="", color=look.colour, ms=6, mfc="none", mew=1.4, label=look.name)
        if plain:
            fine = np.linspace(layers[0], layers[-1], 60)
            left.loglog(fine, values[-1] * chi ** (fine - layers[-1]), color="black", lw=1.2, ls=":", zorder=1)
        else:
            left.loglog(depths, values[-1] * (depths / depths[-1]) ** -2.0, **guide)
    left.plot([], [], color="black", lw=1.2, ls=":", label=rf"law: $\chi^H$, $\chi$ = {chi:.3f}")
    left.plot([], [], **guide, label="law: $H^{-2}$")
    left.set(title="softplus", xlabel="depth H", ylabel=r"$\lambda_{\min}(K^{(H)})$")
    left.set_xticks(depths, [str(H) for H in depths])
    left.minorticks_off()
    left.legend(loc="lower left", fontsize=9)

    for name, (_, colour, marker, line) in _PLAIN.items():
        factor = float(data[f"chi_{name}"])
        middle.semilogy(
            layers if name == "softplus" else data["many"], data[f"plain_{name}"], marker, ls=line, color=colour, ms=5, mfc="none", mew=1.3, label=rf"{_NAMES[name]}, $\chi$ = {factor:.3f}"
        )  # fmt: skip
    value = data["plain_softplus"]
    middle.semilogy(
        layers, value[-1] * chi ** (layers - layers[-1]), color="black", lw=1.2, ls=":", label=r"law: $\chi^H$"
    )
    top = float(data["chi_tanh"])
    middle.axhline(top, color="black", lw=1, ls=(0, (6, 3)), label=r"limit for tanh: $\chi$")
    middle.set(title="fully connected", xlabel="depth H", ylabel=r"$\lambda_{\min}(K^{(H)})$")
    middle.legend(loc="center right", fontsize=9)

    for name, colour, shown in (("softplus", BLUE, "softplus"), ("late", _LATE_COLOUR, "late softplus")):
        for kind, where, marker, line in (
            ("fully_connected", data["plain"], "o", "-"),
            ("resnet", data["residual"], "s", "--"),
        ):
            low, typical, high = np.quantile(data[f"error_{name}_{kind}"], [0.25, 0.5, 0.75], axis=0)
            right.fill_between(where, low, high, color=colour, alpha=0.15, lw=0)
            right.semilogy(
                where, typical, marker, ls=line, color=colour, ms=6, mfc="none" if marker == "s" else colour, mew=1.4,
                label=f"{shown}, {LOOKS[kind].name}",
            )  # fmt: skip
    growth, where = float(data["growth"]), data["plain"]
    start = np.exp(np.log(data["error_late_fully_connected"][:, 0]).mean()) / growth
    right.semilogy(where, start * growth**where, **guide, label=rf"law of the variance: $\times$ {growth:.2f} a layer")
    low, high = right.get_ylim()
    right.set_ylim(low, high * (high / low) ** 0.35)  # room for the legend
    right.set_xticks(np.union1d(data["plain"], data["residual"]))
    right.set(
        title=f"random initialisation, width {int(data['width'])}",
        xlabel="depth H",
        ylabel=r"$|G^{(H)}(0)-K^{(H)}|_2\,/\,|K^{(H)}|_2$",
    )
    right.legend(handles=_ordered(right.get_legend_handles_labels()[0]), loc="upper right", fontsize=9)
    return figure


def _ordered(handles: list[Any]) -> list[Line2D]:
    return [handle for handle in handles if isinstance(handle, Line2D)]


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    power, tanh, relu = data["power"], data["plain_tanh"], data["plain_relu"]
    grown = ", ".join(
        f"{name} {kind.replace('_', ' ')} {np.exp(slope):.3f} ({np.exp(slope - half):.3f} to {np.exp(slope + half):.3f})"
        for name in ("softplus", "late")
        for kind in ("fully_connected", "resnet")
        for slope, half in [data[f"slope_{name}_{kind}"]]
    )
    return (
        f"{COUNT} unit inputs. Softplus: lambda_min(K^(H)) of the fully connected network falls by {float(data['rate']):.4f} a layer (law: chi = {float(data['chi_softplus']):.4f}), "
        f"of the ResNet like H^{power[0]:.3f}, of the convolutional ResNet like H^{power[1]:.3f} (law: -2). Fully connected, H = {data['many'][0]} to {data['many'][-1]}: tanh "
        f"{tanh[0]:.3f} growing to {tanh[-1]:.3f} (limit {float(data['chi_tanh']):.3f}), ReLU {relu[0]:.3f} falling to {relu[-1]:.3f}. "
        f"Medians and quartiles of {len(data['error_late_resnet'])} seeds: the relative error is multiplied a layer by {grown}; errors of the variance in the fully connected one, for "
        f"log(1 + exp(4 (x - 1))) / 4 (late softplus), by {float(data['growth']):.3f}."
    )


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""

    def shown(data: Mapping[str, Any]) -> str:
        caption = describe(data)
        print(caption)
        return caption

    run(
        argv,
        "wide_networks_depth",
        compute,
        draw,
        "Depth: least eigenvalues, and errors of random initialisation",
        shown,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
