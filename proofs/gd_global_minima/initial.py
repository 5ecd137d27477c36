"""Section 4 of the gradient-descent paper, initialisation: how near the Gram matrix of a random network is to its limit, by width and by depth."""

from __future__ import annotations

import numpy as np

from alignmath.activations import SOFTPLUS, Activation
from alignmath.kernels import gram

from ..claims import Claim, Effort, Outcome, Verdict
from ..derivation import Derivation
from .wide_runs import DEPTHS, LATE, initial_errors, mean_with_interval, slopes, unit_inputs

__all__ = ["CLAIMS", "variance_slope"]

_PAPER = "gd_global_minima"


def variance_slope(activation: Activation) -> float:
    """`dK^(h)_ii / dK^(h-1)_ii` at the fixed point 1: `c_sigma d/dq E[s(sqrt(q) z)^2]`, by central differences."""
    step = 1e-4
    above, below = (float(activation.dual(q, q, q)) for q in (1 + step, 1 - step))
    return activation.c_sigma * (above - below) / (2 * step)


def _concentration(effort: Effort) -> Outcome:
    d = Derivation()
    widths = [32, 512] if effort is Effort.QUICK else [32, 64, 128, 256, 512, 1024, 2048]
    shown = []
    for architecture, depth in DEPTHS.items():
        errors = initial_errors(architecture, SOFTPLUS, [depth], widths, effort.count(120, 400))[:, 0]
        slope, half = slopes(np.log(widths), np.log(errors))
        shown.append(f"{slope:.2f}")
        d.measurement(
            architecture.replace("_", " "),
            abs(slope + 0.5) + half < 0.12,
            rf"H = {depth}, softplus, six inputs, {len(errors)} seeds, widths {widths[0]} to {widths[-1]}: $|G^{{(H)}}(0)-K^{{(H)}}|_2/|K^{{(H)}}|_2$ falls from {np.exp(np.log(errors).mean(axis=0))[0]:.3f} to {np.exp(np.log(errors).mean(axis=0))[-1]:.4f} (geometric means); slope {slope:.3f}, 95% interval $\pm{half:.3f}$; expected $-\frac12$, interval included to 0.12.",
        )
    return d.measured(f"slopes {', '.join(shown)} in the width: fully connected, residual, convolutional residual")


def _fully_connected_growth(effort: Effort) -> Outcome:
    d = Derivation()
    depths, seeds = list(range(1, 9)), effort.count(16, 100)
    errors = initial_errors("fully_connected", SOFTPLUS, depths, [128], seeds)[:, :, 0]
    slope, half = slopes(np.array(depths[1:]), np.log(errors[:, 1:]))
    d.measurement(
        "softplus",
        slope + half < 0.1,
        rf"Width 128, {seeds} seeds, H from 2 to {depths[-1]}: $|G^{{(H)}}(0)-K^{{(H)}}|_2/|K^{{(H)}}|_2$ grows by the factor $e^{{{slope:.3f}\pm{half:.3f}}}$ a layer, below $e^{{0.1}}$: not exponentially to speak of. An error of the variance is multiplied by {variance_slope(SOFTPLUS):.3f} a layer.",
    )
    values = np.array([np.linalg.eigvalsh(gram(unit_inputs(6, (3,)), H, SOFTPLUS))[0] for H in depths])
    rate = np.polyfit(depths[1:], np.log(values[1:]), 1)[0]
    d.measurement(
        "what is to be resolved",
        -1.3 < rate < -1.0,
        rf"$\lambda_{{\min}}(K^{{(H)}})$ falls by $e^{{{rate:.3f}}}$ a layer for these inputs, from {values[0]:.2g} to {values[-1]:.2g}: the error over it does grow exponentially.",
    )
    deep = [1, 2, 3, 4, 5]
    late = initial_errors("fully_connected", LATE, deep, [512], seeds)[:, :, 0]
    slope, half = slopes(np.array(deep), np.log(late))
    predicted = variance_slope(LATE)
    d.measurement(
        "a softplus that sets in at 1",
        slope - half > np.log(1.5) and slope + half < np.log(4),
        rf"$\sigma(z)=\frac14\log(1+e^{{4(z-1)}})$, constants 1 in Condition 3.1, width 512, {seeds} seeds, H from 1 to 5: factor $e^{{{slope:.3f}}}={np.exp(slope):.2f}$ a layer, 95% interval {np.exp(slope - half):.2f} to {np.exp(slope + half):.2f}, between 1.5 and 4; errors of the variance are multiplied by {predicted:.3f}. Here the growth of (4) is attained.",
    )
    return d.measured(
        f"never faster than (4); exponential for some activations (factor {np.exp(slope):.1f} a layer), not for softplus, whose least eigenvalue is what falls exponentially"
    )


def _residual_growth(effort: Effort) -> Outcome:
    d = Derivation()
    depths = [2, 4, 8, 16] if effort is Effort.QUICK else [2, 4, 8, 16, 32]
    seeds = effort.count(30, 100)
    found = []
    for s, width, name in ((SOFTPLUS, 128, "softplus"), (LATE, 128, "softplus that sets in at 1")):
        errors = initial_errors("resnet", s, depths, [width], seeds)[:, :, 0]
        slope, half = slopes(np.array(depths), np.log(errors))
        found.append(slope)
        d.measurement(
            name,
            slope + half < 0.03,
            rf"Width {width}, {seeds} seeds, H = {', '.join(map(str, depths))}: $|G^{{(H)}}(0)-K^{{(H)}}|_2/|K^{{(H)}}|_2$ (both fall like $H^{{-2}}$) has medians {', '.join(f'{v:.2f}' for v in np.median(errors, axis=0))}: slope of the logarithm {slope:.4f} a layer, 95% interval $\pm{half:.4f}$, below 0.03, interval included.",
        )
    return d.measured(f"bounded in the depth: {', '.join(f'{v:+.3f}' for v in found)} a layer in the logarithm")


def _least_eigenvalue_by_depth(effort: Effort) -> Outcome:
    d = Derivation()
    depths = [2, 4, 8, 16] if effort is Effort.QUICK else [2, 4, 8, 16, 32, 64, 128]
    X = unit_inputs(6, (3,))
    scaled = np.array(
        [H**2 * np.linalg.eigvalsh(gram(X, H, SOFTPLUS, "resnet", residual_scale=0.7))[0] for H in depths]
    )
    d.measurement(
        "six inputs in three dimensions",
        bool(np.all(np.diff(scaled) > 0) and scaled[-1] < 1.25 * scaled[0]),
        rf"Softplus, $c_{{res}}=0.7$, H = {', '.join(map(str, depths))}: $H^2\lambda_{{\min}}(K^{{(H)}})$ = {', '.join(f'{v:.5f}' for v in scaled)}, rising to a limit.",
    )
    rows = []
    for seed in range(effort.count(10, 100)):
        X = unit_inputs(6, (3,), 100 + seed)
        rows.append([np.log(np.linalg.eigvalsh(gram(X, H, SOFTPLUS, "resnet", residual_scale=0.7))[0]) for H in depths])
    slope, half = slopes(np.log(depths[1:]), np.array(rows)[:, 1:])
    d.measurement(
        "other inputs",
        abs(slope + 2) + half < 0.1,
        rf"{len(rows)} random sets of six: logarithm of $\lambda_{{\min}}$ against that of H from {depths[1]} on, slope {slope:.3f}, 95% interval $\pm{half:.3f}$; expected $-2$, to 0.1.",
    )
    plain = np.array([[np.log(np.linalg.eigvalsh(gram(unit_inputs(6, (3,), 100 + s), H, SOFTPLUS))[0]) for H in (2, 3, 4, 5)] for s in range(len(rows))])  # fmt: skip
    rate, spread = mean_with_interval(np.array([np.polyfit((2, 3, 4, 5), row, 1)[0] for row in plain]))
    d.measurement(
        "fully connected",
        rate + spread < -1,
        rf"The same inputs, fully connected, H = 2 to 5: $e^{{{rate:.3f}}}$ a layer, 95% interval $\pm{spread:.3f}$.",
    )
    return d.measured(
        f"falls like H^{slope:.2f} in the residual network, by the factor {np.exp(rate):.2f} a layer in the fully connected one"
    )


CLAIMS = (
    Claim(
        "ntk.concentration",
        _PAPER,
        "Section 4, analysis of random initialization",
        r"$|G^{(H)}(0)-K^{(H)}|_2$ falls like $m^{-1/2}$ in the width, for all three architectures (softplus).",
        Verdict.MEASURED,
        _concentration,
    ),
    Claim(
        "ntk.eq4",
        _PAPER,
        "equation (4)",
        r"Fully connected: $|G^{(H)}(0)-K^{(H)}|_2\lesssim2^{O(H)}\mathcal E_1$ with $\mathcal E_1$ the error of the first layer. Measured: attained by $\frac14\log(1+e^{4(z-1)})$, at 1.5 to 4 a layer; for softplus the relative error grows by less than $e^{0.1}$ a layer from H = 2 on.",
        Verdict.MEASURED,
        _fully_connected_growth,
    ),
    Claim(
        "ntk.eq5",
        _PAPER,
        "equation (5)",
        r"ResNet: $\mathcal E_H\lesssim(1+O(1/H))^H\epsilon_1=O(\epsilon_1)$: the relative error of $G^{(H)}(0)$ does not grow with H, for softplus and for $\frac14\log(1+e^{4(z-1)})$ (by less than 3% a layer, H from 2 to 16, at full effort to 32).",
        Verdict.MEASURED,
        _residual_growth,
    ),
    Claim(
        "ntk.lmin.resnet",
        _PAPER,
        "Section 6, after Definition 6.1",
        r"$\lambda_{\min}(K^{(H)})$ of the ResNet does not fall exponentially in H; for softplus it falls like $H^{-2}$, and exponentially in fully connected softplus networks.",
        Verdict.MEASURED,
        _least_eigenvalue_by_depth,
    ),
)
