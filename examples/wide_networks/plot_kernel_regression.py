"""Kernel regression and the trained network: scikit-learn's digits, "below 5" against "5 and above", errors on test images by step, and how near test outputs are to the linearised dynamics.

Fully connected ReLU networks of the wide_networks paper, H = 2, unit inputs, labels -1 and 1, step size `1 / (2 lambda_max(K))` for all widths; all layers trained. In the limit of infinite width the
outputs are Gaussian at every step: u(0) has the covariance C of random networks, the limit of `G^(H+1)`, and with `W = cross K^-1 (I - (I - step K)^k)` the test outputs are
`u_test(0) + W (y - u(0))`. Their mean is kernel regression, started at 0; their variance is a share of the error that no width removes.
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from scipy.special import ndtr

from alignmath.activations import RELU
from alignmath.architectures import FullyConnected
from alignmath.kernels import conjugate, tangent
from examples.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, new_figure, run
from proofs.wide_networks.wide_runs import slopes
from solvers.dynamics.wide_networks import WideNetwork, follow, grams, linearised, random_network
from solvers.images import digits

_NETWORK = FullyConnected(2, RELU)
_LOOKS = ((ORANGE, "o"), (PURPLE, "D"), (GREEN, "s"), (RED, "v"), (BLUE, "^"))


def digit_data(n: int, t: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """n training and t test images as unit vectors `(n, 64)`, with the labels 1 for digits below 5 and -1 for others: x, y, and those of the test."""
    images = digits()

    def unit(inputs: np.ndarray) -> np.ndarray:
        flat = inputs.reshape(len(inputs), -1)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    return (
        unit(images.x[:n]), np.where(images.y[:n] < 5, 1.0, -1.0),
        unit(images.evaluation_x[:t]), np.where(images.evaluation_y[:t] < 5, 1.0, -1.0),
    )  # fmt: skip


def infinite_width(
    K: np.ndarray, C: np.ndarray, y: np.ndarray, learning_rate: float, steps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of the outputs at the test inputs, `(K, t)` each, after gradient descent in the limit of infinite width.

    K, C: limits of the whole Gram matrix and of the covariance of the outputs at the start, of training inputs followed by test inputs.
    """
    n = len(y)
    _, mean = linearised(K[:n, :n], y, learning_rate, steps, K[n:, :n])
    assert mean is not None
    values, vectors = np.linalg.eigh(K[:n, :n])
    deviations = []
    for k in steps:
        W = K[n:, :n] @ (vectors * ((1 - (1 - learning_rate * values) ** k) / values)) @ vectors.T
        square = np.diag(C[n:, n:]) - 2 * np.sum(W * C[n:, :n], axis=1) + np.sum((W @ C[:n, :n]) * W, axis=1)
        deviations.append(np.sqrt(np.maximum(square, 0)))
    return mean, np.array(deviations)


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """By width `(W, S, ...)`: mean squares of the test error and shares of wrong signs by step, distances of the test outputs from both linearised dynamics; test outputs of the first seed."""
    n, t, T = (60, 100, 100) if quick else (150, 300, 400)
    counts = {32: 4, 256: 3} if quick else {32: 24, 64: 24, 128: 16, 256: 12, 512: 8}
    x, y, z, z_labels = digit_data(n, t)
    record = np.unique([0, *np.geomspace(1, T, 8 if quick else 14).round().astype(int)])
    both = np.concatenate([x, z])
    K, C = tangent(both, _NETWORK), conjugate(both, _NETWORK)
    rate = float(0.5 / np.linalg.eigvalsh(K[:n, :n])[-1])  # narrow networks have larger matrices than K, by chance
    mean, deviation = infinite_width(K, C, y, rate, record)
    data: dict[str, Any] = {
        "steps": record, "widths": np.array(list(counts)), "seeds": np.array(list(counts.values())), "sizes": np.array([n, t]), "labels": z_labels,
        "kernel_square": np.mean((mean - z_labels) ** 2, axis=1),
        "kernel_wrong": np.mean(mean * z_labels <= 0, axis=1),
        "infinite_square": np.mean((mean - z_labels) ** 2 + deviation**2, axis=1),
        "infinite_wrong": np.mean(ndtr(-mean * z_labels / np.maximum(deviation, 1e-300)), axis=1),
    }  # fmt: skip
    for m, seeds in counts.items():
        square, wrong, distance, pairs = [], [], [], []
        for seed in range(seeds):
            network = random_network(x.shape[1], _NETWORK, m, seed=10_000 * seed + m)
            seen: list[np.ndarray] = []

            def look(_: int, current: WideNetwork, seen: list[np.ndarray] = seen) -> None:
                seen.append(current(z).numpy())

            # The same learning rate for all, so that steps can be compared.
            trained = follow(network, x, y, T, learning_rate=rate, record=record.tolist(), observe=look)
            outputs = np.array(seen)
            own, cross = grams(network, x).sum(0).numpy(), grams(network, z, x).sum(0).numpy()
            ways = [
                outputs[0] + linearised(A, trained.residuals[0], rate, record, B)[1]
                for A, B in ((own, cross), (K[:n, :n], K[n:, :n]))
            ]
            distance.append([float(np.sqrt(np.mean((outputs[-1] - way[-1]) ** 2))) for way in ways])
            square.append(np.mean((outputs - z_labels) ** 2, axis=1))
            wrong.append(np.mean(outputs * z_labels <= 0, axis=1))
            if not seed:
                pairs = [outputs[-1], ways[0][-1], ways[1][-1]]
        data |= {
            f"square_{m}": np.array(square),
            f"wrong_{m}": np.array(wrong),
            f"distance_{m}": np.array(distance),
            f"pairs_{m}": np.array(pairs),
        }
    # Seeds that all widths have.
    shared = min(counts.values())
    table = np.log(np.stack([data[f"distance_{m}"][:shared] for m in counts], axis=1))
    data["slopes"] = np.array([slopes(np.log(data["widths"]), table[:, :, k]) for k in range(2)])
    return data


def draw(data: Mapping[str, Any]) -> Figure:
    """Above: test errors by step. Below: test outputs against the linearised dynamics, and distances by width."""
    figure = new_figure(11.5, 8.4)
    (square, wrong), (scatter, distance) = figure.subplots(2, 2)
    steps, widths = data["steps"], data["widths"]
    looks = _LOOKS[: len(widths) - 1] + _LOOKS[-1:]
    for panel, name, scale in ((square, "square", 1), (wrong, "wrong", 100)):
        for m, (colour, marker) in zip(widths, looks, strict=True):
            if m in (widths[0], widths[len(widths) // 2], widths[-1]):
                panel.plot(
                    steps, scale * data[f"{name}_{m}"].mean(axis=0), marker, ls="", mfc="none", mew=1.3, color=colour, ms=6, label=f"networks of width {m}, mean"
                )  # fmt: skip
        panel.plot(
            steps, scale * data[f"infinite_{name}"], "-", color="black", lw=1.6, label="theory: infinite width, mean over random starts"
        )  # fmt: skip
        later = steps >= (name == "wrong")  # at the start all its outputs are 0, without a sign
        panel.plot(
            steps[later], scale * data[f"kernel_{name}"][later], "--", color=GREY, lw=1.6, label="theory: kernel regression from $u(0)=0$"
        )  # fmt: skip
        panel.set_xscale("symlog", linthresh=1)
        panel.set(xlabel="step k", xlim=(-0.1, steps[-1] * 1.2))
    square.set(ylabel="mean square of the test error", title="digits below 5 or not: outputs", ylim=(0, None))
    wrong.set(ylabel="wrong test labels in %", title="signs", ylim=(0, 60))
    square.legend(loc="upper right", fontsize=9)
    for m, (colour, marker) in zip(widths[[0, -1]], (looks[0], looks[-1]), strict=True):
        outputs, own, _ = data[f"pairs_{m}"]
        scatter.plot(own, outputs, marker, ls="", color=colour, ms=3.5, mfc="none", mew=0.8, label=f"width {m}")
    ends = [min(data[f"pairs_{m}"].min() for m in widths), max(data[f"pairs_{m}"].max() for m in widths)]
    scatter.plot(ends, ends, color="black", lw=1, ls=(0, (6, 3)), label="equal", zorder=1)
    scatter.set(
        xlabel="test output by the linearised dynamics, $G(0)$",
        ylabel="test output of the network",
        title=f"after {steps[-1]} steps, one seed",
    )
    scatter.legend(loc="upper left", fontsize=9)
    for k, (colour, marker, line, name) in enumerate(
        ((BLUE, "o", "-", "linearised, its own $G(0)$"), (ORANGE, "s", "--", "linearised, limit K"))
    ):
        typical = np.array([np.exp(np.log(data[f"distance_{m}"][:, k]).mean()) for m in widths])
        slope, half = data["slopes"][k]
        distance.loglog(
            widths, typical, marker, ls=line, color=colour, ms=6, label=rf"{name}: slope {slope:.2f} $\pm$ {half:.2f}"
        )
        for m in widths:
            distance.loglog(
                np.full(len(data[f"distance_{m}"]), m), data[f"distance_{m}"][:, k], "_", color=colour, ms=5, alpha=0.6
            )
        law = np.exp(np.log(typical * np.sqrt(widths)).mean()) / np.sqrt(widths)
        distance.loglog(widths, law, color="black", lw=1, ls=(0, (6, 3)), zorder=1)
    distance.plot([], [], color="black", lw=1, ls=(0, (6, 3)), label=r"law: $m^{-1/2}$")
    distance.set(
        xlabel="width m", ylabel="root mean square distance", title="how far test outputs are from the network's"
    )
    distance.set_xticks(widths, [str(m) for m in widths])
    distance.xaxis.set_minor_locator(NullLocator())
    distance.legend(loc="lower left", fontsize=9)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    n, t = data["sizes"]
    listed = ", ".join(
        f"{data[f'square_{m}'][:, -1].mean():.3f} and {100 * data[f'wrong_{m}'][:, -1].mean():.1f}% ({m})"
        for m in data["widths"]
    )
    (own, half), (limit, spread) = data["slopes"]
    far = [np.exp(np.log(data[f"distance_{m}"]).mean(axis=0)) for m in data["widths"][[0, -1]]]
    return (
        f"Digits below 5 or not, {n} to train on, {t} to test; ReLU, H = {_NETWORK.depth}, {data['steps'][-1]} steps; {', '.join(map(str, data['seeds']))} seeds. Mean square and wrong labels on the test: networks, by width, {listed}; "
        f"infinite width {data['infinite_square'][-1]:.3f} and {100 * data['infinite_wrong'][-1]:.1f}%; kernel regression {data['kernel_square'][-1]:.3f} and {100 * data['kernel_wrong'][-1]:.1f}%. "
        f"Distance of test outputs from the linearised dynamics with the network's own G(0): {far[0][0]:.3f} falling to {far[1][0]:.4f}, slope {own:.2f} +- {half:.2f}; "
        f"with the limit K: {far[0][1]:.3f} to {far[1][1]:.4f}, slope {limit:.2f} +- {spread:.2f}."
    )


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""

    def shown(data: Mapping[str, Any]) -> str:
        caption = describe(data)
        print(caption)
        return caption

    run(
        argv,
        "wide_networks_kernel_regression",
        compute,
        draw,
        "Kernel regression and the trained network on digits",
        shown,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
