"""Section 4 of the wide_networks paper, initialisation: how near the Gram matrix of a random network is to its limit, by width and by depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from alignmath.activations import SOFTPLUS, Activation
from alignmath.architectures import Architecture, FullyConnected, ResNet
from alignmath.kernels import gram

from ..engine.claims import Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from ..engine.statistics import mean_interval
from .wide_runs import (
    LATE,
    NETWORKS,
    depths_of,
    initial_errors,
    input_shape,
    sampled_errors,
    slopes,
    title,
    unit_inputs,
)

__all__ = ["CLAIMS", "variance_slope"]


def variance_slope(activation: Activation) -> float:
    """`dK^(h)_ii / dK^(h-1)_ii` at the fixed point 1: `c_sigma d/dq E[s(sqrt(q) z)^2]`, by central differences."""
    step = 1e-4
    above, below = (float(activation.dual(q, q, q)) for q in (1 + step, 1 - step))
    return activation.c_sigma * (above - below) / (2 * step)


def _sets(architecture: Architecture, count: int, n: int = 6) -> list[np.ndarray]:
    return [unit_inputs(n, input_shape(architecture), seed) for seed in range(count)]


def _least_values(architectures: Sequence[Architecture], sets: list[np.ndarray]) -> np.ndarray:
    """`lambda_min(K^(H))` of each architecture, for each set of inputs: `(sets, architectures)`."""
    return np.array([[np.linalg.eigvalsh(gram(x, architecture))[0] for architecture in architectures] for x in sets])


def _concentration(effort: Effort) -> Outcome:
    d = Derivation()
    widths = [32, 128, 512, 2048] if effort is Effort.QUICK else [32, 128, 512, 2048, 8192, 32768]
    sets, networks = effort.count(5, 40), 10
    shown = []
    for architecture in NETWORKS:
        inputs = _sets(architecture, sets)
        errors = np.array([sampled_errors([architecture], m, networks, inputs)[:, 0] for m in widths]).T
        slope, half = slopes(np.log(widths), np.log(errors))
        middle = np.exp(np.log(errors).mean(axis=0))
        shown.append(f"{slope:.2f}")
        d.measurement(
            title(architecture),
            abs(slope + 0.5) + half < 0.08,
            rf"H = {architecture.depth}, softplus, {sets} sets of six inputs, {networks} networks for each and each of the widths {', '.join(map(str, widths))}, drawn layer by layer: $|G^{{(H)}}(0)-K^{{(H)}}|_2/|K^{{(H)}}|_2$ falls from {middle[0]:.3f} to {middle[-1]:.4f} (geometric means; largest {errors[:, 0].max():.2f} and {errors[:, -1].max():.3f}); slope {slope:.3f}, 95% interval $\pm{half:.3f}$; expected $-\frac12$, interval included to 0.08.",
        )
        layered = sampled_errors([architecture], 32, effort.count(80, 1000), inputs[:1])[:, 0]
        whole = initial_errors([architecture], [32], effort.count(80, 1000))[:, 0, 0]
        gap = np.log(layered).mean() - np.log(whole).mean()
        error = np.hypot(np.log(layered).std(ddof=1), np.log(whole).std(ddof=1)) / np.sqrt(len(layered))
        d.measurement(
            f"drawn layer by layer or with all weights, {title(architecture)}",
            abs(gap) < 4 * error,
            rf"Width 32, one set of inputs, {len(layered)} networks of either kind: the geometric means of the error differ by the factor {np.exp(gap):.3f}, {abs(gap) / error:.1f} standard errors, below 4.",
        )
    return d.measured(f"slopes {', '.join(shown)} in the width: fully connected, residual, convolutional residual")


def _by_layer(errors: np.ndarray) -> str:
    """Medians and worst cases of E_H / E_1."""
    ratios = errors / errors[:, :1]
    return f"{', '.join(f'{v:.2f}' for v in np.median(ratios, axis=0))} (worst {', '.join(f'{v:.1f}' for v in ratios.max(axis=0))})"


def _fully_connected_growth(effort: Effort) -> Outcome:
    d = Derivation()
    sets, networks = effort.count(3, 12), effort.count(3, 10)
    growth, fully = {}, FullyConnected(1, SOFTPLUS)
    for name, s, width, depths in (
        ("softplus", SOFTPLUS, 16384, [1, 2, 3, 4, 5, 6]),
        ("a softplus that sets in at 1", LATE, 65536, [1, 2, 3, 4]),
    ):
        architectures = depths_of(replace(fully, activation=s), depths)
        errors = sampled_errors(architectures, width, networks, _sets(fully, sets))
        slope, half = slopes(np.array(depths[1:]), np.log(errors[:, 1:]))
        middle, predicted = np.median(errors, axis=0), variance_slope(s)
        small = bool(middle.max() < 0.2)
        grows = s is not SOFTPLUS
        fits = abs(slope - np.log(predicted)) + half < 0.25 if grows else slope + half < 0.1
        growth[name] = slope
        formula = r"$\log(1+e^z)$" if s is SOFTPLUS else r"$\frac14\log(1+e^{4(z-1)})$, constants 1 in Condition 3.1"
        between = (
            f"expected {predicted:.2f}, to the factor $e^{{0.25}}$, interval included" if grows else "below $e^{0.1}$"
        )
        d.measurement(
            name,
            small and fits,
            rf"{formula}, width {width}, {sets} sets of six inputs, {networks} networks each, cut at H = {depths[0]} to {depths[-1]}: relative errors $|G^{{(H)}}(0)-K^{{(H)}}|_2/|K^{{(H)}}|_2$ have medians {', '.join(f'{v:.3f}' for v in middle)} (worst {errors.max():.2f}), small enough for first order (medians below 0.2); over that of H = 1 they are {_by_layer(errors)}. From H = 2 on the factor a layer is $e^{{{slope:.3f}}}={np.exp(slope):.2f}$, 95% interval {np.exp(slope - half):.2f} to {np.exp(slope + half):.2f}, {between}; errors of the variance are multiplied by {predicted:.3f}.",
        )
    depths = list(range(1, 9))
    values = _least_values(depths_of(fully, depths), _sets(fully, effort.count(6, 40)))
    rate, half = slopes(np.array(depths[1:]), np.log(values[:, 1:]))
    d.measurement(
        "what is to be resolved",
        rate + half < -1.0,
        rf"$\lambda_{{\min}}(K^{{(H)}})$, softplus, {len(values)} sets of six inputs, H = 2 to {depths[-1]}: $e^{{{rate:.3f}}}$ a layer, 95% interval $\pm{half:.3f}$, below $e^{{-1}}$: the error over it does grow exponentially.",
    )
    late, soft = growth["a softplus that sets in at 1"], growth["softplus"]
    return d.measured(
        f"exponential for some activations (factor {np.exp(late):.1f} a layer), not to speak of for softplus ({np.exp(soft):.2f}), whose least eigenvalue is what falls exponentially"
    )


def _residual_growth(effort: Effort) -> Outcome:
    d = Derivation()
    depths = [2, 4, 8, 16] if effort is Effort.QUICK else [2, 4, 8, 16, 32]
    growth, residual = [], ResNet(2, SOFTPLUS)
    for s, width, sets, n, name in (
        (SOFTPLUS, 4096, effort.count(4, 10), 6, "softplus"),
        (LATE, 16384, effort.count(2, 6), 3, "softplus that sets in at 1"),
    ):
        networks = effort.count(12, 100) // sets
        architectures = depths_of(replace(residual, activation=s), depths)
        errors = sampled_errors(architectures, width, networks, _sets(residual, sets, n))
        slope, half = slopes(np.array(depths), np.log(errors))
        growth.append(slope)
        middle = np.median(errors, axis=0)
        d.measurement(
            name,
            slope + half < 0.03 and bool(middle.max() < 0.2),
            rf"Width {width}, {sets} sets of {n} inputs, {networks} networks for each and each of H = {', '.join(map(str, depths))}: $|G^{{(H)}}(0)-K^{{(H)}}|_2/|K^{{(H)}}|_2$ (both fall like $H^{{-2}}$) has medians {', '.join(f'{v:.3f}' for v in middle)} (below 0.2), largest {', '.join(f'{v:.2f}' for v in errors.max(axis=0))}: slope of the logarithm {slope:.4f} a layer, 95% interval $\pm{half:.4f}$, below 0.03, interval included.",
        )
    return d.measured(f"bounded in the depth: {', '.join(f'{v:+.3f}' for v in growth)} a layer in the logarithm")


def _least_eigenvalue_by_depth(effort: Effort) -> Outcome:
    d = Derivation()
    depths = [2, 4, 8, 16] if effort is Effort.QUICK else [2, 4, 8, 16, 32, 64, 128]
    residual = depths_of(ResNet(2, SOFTPLUS, scale=0.7), depths)
    scaled = np.array(depths) ** 2 * _least_values(residual, [unit_inputs(6, (3,))])[0]
    d.measurement(
        "six inputs in three dimensions",
        bool(np.all(np.diff(scaled) > 0) and scaled[-1] < 1.25 * scaled[0]),
        rf"Softplus, $c_{{res}}=0.7$, H = {', '.join(map(str, depths))}: $H^2\lambda_{{\min}}(K^{{(H)}})$ = {', '.join(f'{v:.5f}' for v in scaled)}, rising to a limit.",
    )
    sets = [unit_inputs(6, (3,), 100 + seed) for seed in range(effort.count(6, 100))]
    slope, half = slopes(np.log(depths[1:]), np.log(_least_values(residual, sets))[:, 1:])
    d.measurement(
        "other inputs",
        abs(slope + 2) + half < 0.1,
        rf"{len(sets)} random sets of six: logarithm of $\lambda_{{\min}}$ against that of H from {depths[1]} on, slope {slope:.3f}, 95% interval $\pm{half:.3f}$; expected $-2$, to 0.1.",
    )
    plain = np.log(_least_values(depths_of(FullyConnected(1, SOFTPLUS), [2, 3, 4, 5]), sets))
    falls = np.array([np.polyfit((2, 3, 4, 5), values, 1)[0] for values in plain])
    rate, spread = (float(v) for v in mean_interval(falls))
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
        "wide_networks.concentration",
        "Section 4, analysis of random initialization",
        r"$|G^{(H)}(0)-K^{(H)}|_2$ falls like $m^{-1/2}$ in the width, for all three architectures (softplus; the exponent to 0.08, interval included).",
        Verdict.MEASURED,
        _concentration,
    ),
    Claim(
        "wide_networks.eq4",
        "equation (4)",
        r"Fully connected: $|G^{(H)}(0)-K^{(H)}|_2\lesssim2^{O(H)}\mathcal E_1$ with $\mathcal E_1$ the error of the first layer. No factor refutes this, $O(H)$ being open; measured is the growth of the relative error at a width where it is small: for $\frac14\log(1+e^{4(z-1)})$ exponential from H = 2 to 4, by the factor $V=1.97$ a layer by which errors of the variance are multiplied (to $e^{0.25}$); for softplus by less than $e^{0.1}$ a layer from H = 2 to 6.",
        Verdict.MEASURED,
        _fully_connected_growth,
    ),
    Claim(
        "wide_networks.eq5",
        "equation (5)",
        r"ResNet: $\mathcal E_H\lesssim(1+O(1/H))^H\epsilon_1=O(\epsilon_1)$: the relative error of $G^{(H)}(0)$ does not grow with H, for softplus and for $\frac14\log(1+e^{4(z-1)})$ (by less than 3% a layer, H from 2 to 16, at full effort to 32, at widths where it is small).",
        Verdict.MEASURED,
        _residual_growth,
    ),
    Claim(
        "wide_networks.lmin.resnet",
        "Section 6, after Definition 6.1",
        r"$\lambda_{\min}(K^{(H)})$ of the ResNet does not fall exponentially in H; for softplus it falls like $H^{-2}$, and exponentially in fully connected softplus networks.",
        Verdict.MEASURED,
        _least_eigenvalue_by_depth,
    ),
)
