"""Sections 4 to 7 of the gradient-descent paper, training: how far weights and Gram matrices move, the bound of the theorems, the width it takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alignmath.activations import SOFTPLUS
from alignmath.kernels import gram
from solvers.gram import follow, random_network

from ..claims import Claim, Effort, Outcome, Verdict
from ..derivation import Derivation
from .wide_runs import DEPTHS, labels, slopes, trained, unit_inputs

__all__ = ["CLAIMS", "least_widths"]

_PAPER = "gd_global_minima"


def _slope_in_width(
    d: Derivation, measure: str, symbol: str, within: tuple[float, float], expected: str, effort: Effort
) -> list[str]:
    """A measurement for each architecture: the slope of a quantity in the width, whose interval must lie between two numbers."""
    shown = []
    for architecture, depth in DEPTHS.items():
        runs = trained(architecture, effort)
        values = np.log(runs.rows(measure))
        slope, half = slopes(np.log(runs.widths), values)
        middle = np.exp(values.mean(axis=0))
        shown.append(f"{slope:.2f}")
        d.measurement(
            f"{measure}, {architecture.replace('_', ' ')}",
            within[0] < slope - half and slope + half < within[1],
            rf"{symbol}, H = {depth}, {len(values)} seeds, widths {runs.widths[0]} to {runs.widths[-1]}: {middle[0]:.3g} falling to {middle[-1]:.3g}; slope {slope:.3f}, 95% interval $\pm{half:.3f}$; expected {expected}, the interval between {within[0]:g} and {within[1]:g}.",
        )
    return shown


_HALF, _ONE = ((-0.8, -0.25), r"$-\frac12$"), ((-1.6, -0.65), "$-1$")
"""Slopes told apart: the intervals do not meet."""


def _drift(effort: Effort) -> Outcome:
    d = Derivation()
    shown = _slope_in_width(d, "drift", r"Largest $|W^{(h)}(k)-W^{(h)}(0)|_F/\sqrt m$", *_HALF, effort)
    return d.measured(
        f"falls as the width to the power {', '.join(shown)}: fully connected, residual, convolutional residual"
    )


def _stability(effort: Effort) -> Outcome:
    d = Derivation()
    changed = _slope_in_width(
        d,
        "change of the top Gram matrix",
        r"Largest $|G^{(H)}(k)-G^{(H)}(0)|_2/|K^{(H)}|_2$, over the root mean square of $y-u(0)$",
        *_ONE,
        effort,
    )
    frozen = r"Largest $|y-u(k)-(I-\eta %s)^k(y-u(0))|_\infty$, relative%s"
    _slope_in_width(d, "distance from (I - step G(0))", frozen % ("G(0)", ""), *_ONE, effort)
    _slope_in_width(d, "distance from (I - step K)", frozen % ("K", ", K the limit of G"), *_HALF, effort)
    return d.measured(
        f"the top Gram matrix changes as the width to the power {', '.join(changed)}, faster than the drift of the weights suggests"
    )


def _bound(architecture: str) -> Callable[[Effort], Outcome]:
    def check(effort: Effort) -> Outcome:
        d = Derivation()
        runs = trained(architecture, effort)
        every = [run for row in runs.descents for run in row]
        steps = len(every[0].loss) - 1
        margins = np.array([np.max(run.loss[1:] / run.bound[1:]) for run in every])
        rates = np.array([np.log(run.loss[-1] / run.loss[0]) / np.log(run.bound[-1] / run.bound[0]) for run in every])
        sharper = [
            np.all(run.loss <= (1 - run.step_size * runs.whole / 2) ** np.arange(steps + 1) * run.loss[0])
            for run in every
        ]
        d.measurement(
            "at the step size 1 / lambda_max(G(0))",
            bool(all(run.bound_holds for run in every)),
            rf"H = {DEPTHS[architecture]}, softplus, six unit inputs, labels in $[-1,1]$, {len(every)} networks of widths {runs.widths[0]} to {runs.widths[-1]}: at each of {steps} steps $L(k)\le(1-\eta\lambda/2)^kL(0)$, $\lambda=\lambda_{{\min}}(K^{{(H)}})={every[0].least_eigenvalue:.3g}$; largest ratio {margins.max():.4f}. The loss falls {np.median(rates):.0f} times as fast as the bound (median ratio of exponents).",
        )
        d.measurement(
            "with the least eigenvalue of the whole matrix",
            bool(all(sharper)),
            rf"The same with $\lambda_{{\min}}(K)={runs.whole:.3g}$, $K=\sum_hK^{{(h)}}$ the limit of the whole $G$, {runs.whole / every[0].least_eigenvalue:.1f} times as large, in place of $\lambda$: holds in all of them.",
        )
        H, X, y = DEPTHS[architecture], *_data(architecture, 6)
        small = every[0].least_eigenvalue / 6**2
        slow = [
            follow(random_network(_size(architecture), H, 256, SOFTPLUS, architecture, seed=9000 + k), X, y, 60, step_size=small, record=[0])
            for k in range(effort.count(4, 20))
        ]  # fmt: skip
        d.measurement(
            "at the step size lambda / n^2",
            bool(all(run.bound_holds for run in slow)),
            rf"The theorem's scaling with the constant 1, $\eta=\lambda/n^2={small:.2g}$, width 256, {len(slow)} seeds, 60 steps: the bound holds at each.",
        )
        return d.measured(
            f"{len(every) + len(slow)} networks, every step; the loss falls {np.median(rates):.0f} times as fast"
        )

    return check


def _size(architecture: str) -> int | tuple[int, int]:
    return (2, 4) if architecture == "convolutional_resnet" else 3


def _data(architecture: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    size = _size(architecture)
    return unit_inputs(n, size if isinstance(size, tuple) else (size,)), labels(n)


def least_widths(counts: list[int], seeds: int, steps: int, most: int = 4096) -> tuple[np.ndarray, np.ndarray]:
    """For n inputs in ten dimensions, one hidden layer, softplus: the first width among the powers of 2 at which the bound of Theorem 5.1 holds at
    every step, and the first at which also `lambda_min(G^(H)(k)) >= lambda_min(K^(H)) / 2` at every tenth, by which it is proved; `(S, counts)`
    each. Every width has a network of its own, so that a wider one may fail again."""
    bounded, stable = (np.full((seeds, len(counts)), np.inf) for _ in range(2))
    for j, n in enumerate(counts):
        X, y = unit_inputs(n, (10,)), labels(n)
        least = np.linalg.eigvalsh(gram(X, 1, SOFTPLUS))[0]
        for seed in range(seeds):
            width = 1
            while width <= most and not np.isfinite(stable[seed, j]):
                network = random_network(10, 1, width, SOFTPLUS, seed=100_000 * seed + 5_000 * j + width)
                run = follow(network, X, y, steps, record=range(0, steps + 1, 10))
                if run.bound_holds:
                    bounded[seed, j] = min(bounded[seed, j], width)
                    if np.linalg.eigvalsh(run.grams[:, 0])[:, 0].min() >= least / 2:
                        stable[seed, j] = width
                width *= 2
    return bounded, stable


def _least_width(effort: Effort) -> Outcome:
    d = Derivation()
    counts = [4, 8, 16, 32] if effort is Effort.QUICK else [4, 8, 16, 32, 64]
    bounded, stable = least_widths(counts, effort.count(8, 30), effort.count(50, 300))
    d.measurement(
        "for the bound",
        bool(bounded.max() <= 16),
        rf"n = {', '.join(map(str, counts))} unit inputs in ten dimensions, H = 1, softplus, {len(bounded)} seeds each, widths 1, 2, 4, ...: the bound holds at every step first at the widths {', '.join(f'{v:.0f}' for v in np.median(bounded, axis=0))} (medians), {bounded.max():.0f} at most.",
    )
    slope, half = slopes(np.log(counts), np.log(stable))
    least = np.array([np.linalg.eigvalsh(gram(unit_inputs(n, (10,)), 1, SOFTPLUS))[0] for n in counts])
    asked = np.polyfit(np.log(counts), np.log(np.array(counts) ** 4 / least**4), 1)[0]
    d.measurement(
        "for its proof",
        slope + half < 1.5,
        rf"$\lambda_{{\min}}(G^{{(H)}}(k))\ge\frac12\lambda_{{\min}}(K^{{(H)}})$ throughout, first widths: geometric means {', '.join(f'{v:.0f}' for v in np.exp(np.log(stable).mean(axis=0)))}; exponent in n {slope:.2f}, 95% interval $\pm{half:.2f}$, below 1.5. The theorem asks for $n^4/\lambda^4$, whose exponent for these inputs is {asked:.1f}.",
    )
    return d.measured(
        f"the bound holds first at width {np.median(bounded):.0f} (median); its proof needs n^{slope:.1f}, where the theorem asks for n^{asked:.0f}"
    )


CLAIMS = (
    Claim(
        "ntk.eq6",
        _PAPER,
        "equation (6)",
        r"$\frac1{\sqrt m}|W^{(h)}(k)-W^{(h)}(0)|_F$ is small for all $k$: its largest value, over layers and steps, falls like $m^{-1/2}$, for all three architectures (softplus, H = 2 and 3).",
        Verdict.MEASURED,
        _drift,
    ),
    Claim(
        "ntk.stability",
        _PAPER,
        "Section 4, analysis of perturbation during training",
        r"$G^{(H)}(k)$ stays near $G^{(H)}(0)$: the largest distance falls like $m^{-1}$, as does the distance of $y-u(k)$ from $(I-\eta G(0))^k(y-u(0))$; that from $(I-\eta K)^k(y-u(0))$ falls like $m^{-1/2}$.",
        Verdict.MEASURED,
        _stability,
    ),
    Claim(
        "ntk.thm5.1",
        _PAPER,
        "Theorem 5.1",
        r"Fully connected: $L(k)\le(1-\eta\lambda_{\min}(K^{(H)})/2)^kL(0)$ for all $k$, for wide networks and small steps, with high probability. Measured for H = 2, $n=6$, widths from 32 on.",
        Verdict.MEASURED,
        _bound("fully_connected"),
    ),
    Claim(
        "ntk.thm6.1",
        _PAPER,
        "Theorem 6.1",
        r"ResNet: $L(k)\le(1-\eta\lambda_{\min}(K^{(H)})/2)^kL(0)$ for all $k$, for wide networks and small steps, with high probability. Measured for H = 3, $n=6$, widths from 32 on.",
        Verdict.MEASURED,
        _bound("resnet"),
    ),
    Claim(
        "ntk.thm7.1",
        _PAPER,
        "Theorem 7.1",
        r"Convolutional ResNet: $L(k)\le(1-\eta\lambda_{\min}(K^{(H)})/2)^kL(0)$ for all $k$, for wide networks and small steps, with high probability. Measured for H = 2, four pixels, patches of three, $n=6$, widths from 32 on.",
        Verdict.MEASURED,
        _bound("convolutional_resnet"),
    ),
    Claim(
        "ntk.width",
        _PAPER,
        "Theorem 5.1, the width",
        r"How wide is wide: for one hidden layer and $n$ inputs in ten dimensions the first width (among powers of 2) at which the bound of Theorem 5.1 holds is at most 16, and the first at which $\lambda_{\min}(G^{(H)}(k))\ge\frac12\lambda_{\min}(K^{(H)})$, by which it is proved, grows with an exponent below 1.5 in $n$, not 4 or more.",
        Verdict.MEASURED,
        _least_width,
    ),
)
