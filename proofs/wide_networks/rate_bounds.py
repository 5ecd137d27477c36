"""Theorems 5.1, 6.1 and 7.1 of the wide_networks paper, measured: the bound on the loss, by how much it is loose, the rate along the least
eigenvector of `K^(H)`, and the width that it takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alignmath.activations import SOFTPLUS
from alignmath.architectures import ConvolutionalResNet, FullyConnected, ResNet
from alignmath.kernels import gram
from solvers.dynamics.wide_networks import follow, grams

from ..engine.claims import Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from ..engine.statistics import mean_interval
from .wide_runs import (
    NETWORKS,
    labels,
    network_for,
    slopes,
    trained,
    trained_shape,
    unit_inputs,
)

__all__ = [
    "CLAIMS",
    "asked_width",
    "largest_factor",
    "least_widths",
    "loose_bound",
    "rate_of_least",
    "rates_along_least",
    "small_steps",
]

_WIDTHS = {FullyConnected: 512, ResNet: 512, ConvolutionalResNet: 256}
"""Where the rate is measured; a convolutional network averages over its pixels too."""
_SCALE = 0.01
"""Length of y - u(0) there: small, so that G does not change."""
_ONE_LAYER = FullyConnected(1, SOFTPLUS)
_POWERS = {FullyConnected: 0, ResNet: 6, ConvolutionalResNet: 2}
"""Of H, by which the theorem's width is smaller."""


def largest_factor(loss: np.ndarray, learning_rate: float, least: float) -> float:
    """The largest f with `L(k) <= (1 - step f least / 2)^k L(0)` for all k; the bound of the theorems holds if it is at least 1."""
    k = np.arange(1, len(loss))
    return float(np.min(2 * (1 - (loss[1:] / loss[0]) ** (1 / k))) / (learning_rate * least))


def asked_width(architecture: FullyConnected | ResNet, n: int, least: float) -> float:
    """The largest power of n / lambda that the theorem has in its width, constants, `2^O(H)` and poly(p) left out."""
    return (n / least) ** 4 / architecture.depth ** _POWERS[type(architecture)]


def rates_along_least(
    architecture: FullyConnected | ResNet, width: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Only layer H trained, `y - u(0)` a least eigenvector v of `K^(H)` times 0.01, the learning rate `1 / lambda_max(K^(H))`, until `step lambda_min k`
    is 1. For each data set: the eigenvalue that the decay of the component along v shows over `lambda_min(K^(H))`; the largest factor of
    `largest_factor`; the number of steps."""
    shape = trained_shape(architecture)
    ratios, factors, steps = [], [], []
    for seed in range(count):
        x = unit_inputs(3, shape, 500 + seed)
        values, vectors = np.linalg.eigh(gram(x, architecture))
        network = network_for(shape, architecture, width, 70_000 + seed)
        y = network(x).numpy() + _SCALE * vectors[:, 0]
        T, rate = int(np.ceil(values[-1] / values[0])), float(1 / values[-1])
        run = follow(network, x, y, T, learning_rate=rate, layers=[architecture.depth], record=[0])
        along = run.residuals @ vectors[:, 0]
        decay = np.polyfit(np.arange(T + 1), np.log(along), 1)[0]
        ratios.append((1 - np.exp(decay)) / rate / values[0])
        factors.append(largest_factor(run.loss, rate, float(values[0])))
        steps.append(T)
    return np.array(ratios), np.array(factors), np.array(steps)


def _bound(architecture: FullyConnected | ResNet) -> Callable[[Effort], Outcome]:
    def check(effort: Effort) -> Outcome:
        d = Derivation()
        factors = loose_bound(d, architecture, effort)
        mean, half = rate_of_least(d, architecture, effort)
        slow = small_steps(d, architecture, effort)
        return d.measured(
            f"the bound holds in {factors.size + slow} networks at every step, loose by a factor of {factors.min():.0f} or more on lambda; along the least eigenvector of K^(H), layer H trained, the rate is {mean:.2f} +- {half:.2f} of lambda"
        )

    return check


def loose_bound(d: Derivation, architecture: FullyConnected | ResNet, effort: Effort) -> np.ndarray:
    """The bound on the loss, all weights trained, and by how much it is loose: the factors."""
    runs = trained(architecture, effort)
    least = np.linalg.eigvalsh(runs.limits)[:, 0]
    factors, whole = (
        np.array(
            [
                [largest_factor(r.loss, r.learning_rate, v) for r in same_data]
                for same_data, v in zip(runs.runs, eigenvalues, strict=True)
            ]
        )
        for eigenvalues in (least, runs.whole)
    )
    asked = min(asked_width(architecture, 3, v) for v in least)
    d.measurement(
        "at the step size 1 / lambda_max(G(0))",
        bool(factors.min() >= 1),
        rf"H = {architecture.depth}, softplus, {len(factors)} data sets of three unit inputs and labels $u(0)+r$, $r$ uniform in $[-1,1]^3$, a network for each of the widths {', '.join(map(str, runs.widths))}; {len(runs.runs[0][0].loss) - 1} steps for the first {runs.long}, {len(runs.runs[-1][0].loss) - 1} for the others: at each $L(k)\le(1-\eta\lambda/2)^kL(0)$, $\lambda=\lambda_{{\min}}(K^{{(H)}})$ from {least.min():.2g} to {least.max():.2g}. All weights trained, the bound is loose: it holds with $f\lambda$ for $\lambda$ up to $f={factors.min():.0f}$ in the worst network, {np.median(factors):.0f} in the median one.",
    )
    d.measurement(
        "the width that the theorem asks for",
        bool(asked > runs.widths[-1]),
        rf"Constants left out, the theorem's width is {asked:.1g} or more for these inputs: its hypothesis is met by none of these networks.",
    )
    d.measurement(
        "with the least eigenvalue of the whole matrix",
        bool(whole.min() >= 1),
        rf"The same with $\lambda_{{\min}}(K)$, $K=\sum_hK^{{(h)}}$ the limit of the whole $G$, from {runs.whole.min():.2g} to {runs.whole.max():.2g}: holds in all of them, and with $f$ times that for $f$ up to {whole.min():.1f} (worst), {np.median(whole):.1f} (median).",
    )
    return factors


def rate_of_least(d: Derivation, architecture: FullyConnected | ResNet, effort: Effort) -> tuple[float, float]:
    """The rate along the least eigenvector over the least eigenvalue: mean and half-width."""
    ratios, loose, steps = rates_along_least(architecture, _WIDTHS[type(architecture)], effort.count(12, 100))
    mean, half = (float(v) for v in mean_interval(ratios))
    d.measurement(
        "the rate along the least eigenvector",
        abs(mean - 1) + half < 0.15,
        rf"Only $W^{{(H)}}$ trained, $y=u(0)+0.01v$, $v$ the least eigenvector of $K^{{(H)}}$, $\eta=1/\lambda_{{\max}}(K^{{(H)}})$, width {_WIDTHS[type(architecture)]}, {len(ratios)} other data sets, {steps.min()} to {steps.max()} steps (until $\eta\lambda k=1$): $v\cdot(y-u(k))$ falls like $(1-\eta\ell)^k$ with $\ell/\lambda_{{\min}}(K^{{(H)}})={mean:.3f}$, 95% interval $\pm{half:.3f}$, single networks {ratios.min():.2f} to {ratios.max():.2f}; expected 1, interval included to 0.15 ($v\cdot G^{{(H)}}(0)v$ is a mean over neurons, and leaks into the other directions cost a share of order $n/m$).",
    )
    d.measurement(
        "the bound there",
        bool(loose.min() >= 1 and np.median(loose) < 5),
        rf"In these runs the bound holds at each step, and with $f\lambda$ for $f$ up to {loose.min():.2f} (worst), {np.median(loose):.2f} (median; near 4, for the loss falls like $(1-\eta\lambda)^{{2k}}$, and below 5): along this direction it is within that factor of what happens.",
    )
    return mean, half


def small_steps(d: Derivation, architecture: FullyConnected | ResNet, effort: Effort) -> int:
    """The bound at the theorem's step size: the number of networks."""
    n, worst, slow, taken = 3, [], effort.count(4, 30), 40
    shape, plain = trained_shape(architecture), isinstance(architecture, FullyConnected)
    for seed in range(slow):
        x, network = unit_inputs(n, shape, seed), network_for(shape, architecture, 256, 9000 + seed)
        rate = np.linalg.eigvalsh(gram(x, architecture))[0] / n**2 * (1 if plain else architecture.depth**2)
        run = follow(network, x, labels(n, seed), taken, learning_rate=float(rate), record=[0])
        worst.append(largest_factor(run.loss, run.learning_rate, run.least_eigenvalue) if run.bound_holds else -np.inf)
    scaling = r"\lambda/n^2" if plain else r"\lambda H^2/n^2"
    d.measurement(
        "at the step size of the theorem",
        bool(min(worst) >= 1),
        rf"Its scaling with the constant 1, $\eta={scaling}$, fixed labels uniform in $[-1,1]$, width 256, {slow} data sets, {taken} steps: the bound holds at each, with $f\lambda$ for $f$ up to {min(worst):.0f} (worst).",
    )
    return slow


def least_widths(
    counts: list[int], sets: int, networks: int, steps: int, most: int = 4096
) -> tuple[np.ndarray, np.ndarray]:
    """For n inputs in ten dimensions, one hidden layer, softplus: the least width among 1, 2, 3, 4, 6, 8, ... (powers of the root of 2) at which in
    more than half of the networks the bound of Theorem 5.1 holds at every step, and the least at which in more than half
    `lambda_min(G^(H)(k)) >= lambda_min(K^(H)) / 2` at every tenth step, by which it is proved: `(sets, counts)` each, infinity beyond `most`."""
    widths = sorted({round(2 ** (j / 2)) for j in range(2 * int(np.log2(most)) + 1)})
    smallest = np.full((2, sets, len(counts)), np.inf)
    for j, n in enumerate(counts):
        for s in range(sets):
            x, y = unit_inputs(n, (10,), 40 + s), labels(n, s)
            least = float(np.linalg.eigvalsh(gram(x, _ONE_LAYER))[0])
            for width in widths:
                wanted = [k for k in (0, 1) if np.isinf(smallest[k, s, j])]
                if not wanted:
                    break
                held = np.zeros(2, dtype=int)
                for seed in range(networks):
                    held += _holds(x, y, width, least, steps, 1000 * seed + width, bound=0 in wanted)
                for k in wanted:
                    if held[k] > networks / 2:
                        smallest[k, s, j] = width
    return smallest[0], smallest[1]


def _holds(x: np.ndarray, y: np.ndarray, width: int, least: float, steps: int, seed: int, *, bound: bool) -> np.ndarray:
    """Whether the bound holds (if asked for), and whether the least eigenvalue of the top Gram matrix stays above half of its limit's."""
    network = network_for(x.shape[1:], _ONE_LAYER, width, seed)
    if not bound and np.linalg.eigvalsh(grams(network, x)[0].numpy())[0] < least / 2:
        return np.zeros(2, dtype=int)
    run = follow(network, x, y, steps, record=range(0, steps + 1, 10))
    lowest = np.linalg.eigvalsh(run.grams[:, 0])[:, 0].min()
    return np.array([largest_factor(run.loss, run.learning_rate, least) >= 1, lowest >= least / 2], dtype=int)


def _least_width(effort: Effort) -> Outcome:
    d = Derivation()
    counts = [16, 32, 64] if effort is Effort.QUICK else [16, 32, 64, 128]
    sets, networks, steps = effort.count(4, 20), effort.count(3, 11), effort.count(20, 300)
    bounded, stable = least_widths(counts, sets, networks, steps)
    setting = rf"n = {', '.join(map(str, counts))} unit inputs in ten dimensions, H = 1, softplus, {sets} data sets each, {networks} networks for each of the widths 1, 2, 3, 4, 6, 8, 11, ..., {steps} steps of $1/\lambda_{{\max}}(G(0))$"
    d.measurement(
        "for the bound",
        bool(bounded.max() <= 16),
        rf"{setting}: more than half of the networks satisfy the bound at every step from the widths {', '.join(f'{v:.0f}' for v in np.median(bounded, axis=0))} on (medians), {bounded.max():.0f} at most.",
    )
    slope, half = slopes(np.log(counts), np.log(stable))
    least = np.array(
        [[np.linalg.eigvalsh(gram(unit_inputs(n, (10,), 40 + s), _ONE_LAYER))[0] for n in counts] for s in range(sets)]
    )
    asked, spread = slopes(np.log(counts), np.log((np.array(counts) / least) ** 4))
    d.measurement(
        "for its proof",
        slope + half < 1.5 < asked - spread,
        rf"$\lambda_{{\min}}(G^{{(H)}}(k))\ge\frac12\lambda_{{\min}}(K^{{(H)}})$ at every tenth step in more than half of the networks, least widths: geometric means {', '.join(f'{v:.0f}' for v in np.exp(np.log(stable).mean(axis=0)))}, largest {stable.max():.0f}; exponent in n {slope:.2f}, 95% interval $\pm{half:.2f}$, below 1.5 (over {len(counts)} values of n only: no law of the form of a power is shown by this). The theorem asks for $n^4/\lambda^4$, whose exponent for these inputs is {asked:.1f}, 95% interval $\pm{spread:.1f}$.",
    )
    return d.measured(
        f"the bound holds from width {np.median(bounded):.0f} on (median); its proof needs n^({slope:.1f} +- {half:.1f}) for n from 16 to {counts[-1]}, where the theorem asks for n^({asked:.0f} +- {spread:.0f})"
    )


def _statement(network: str, depth: str) -> str:
    return rf"{network}: $L(k)\le(1-\eta\lambda/2)^kL(0)$ for all $k$, $\lambda=\lambda_{{\min}}(K^{{(H)}})$, for wide networks and small steps, with high probability. Measured for {depth}, $n=3$, widths from 64 to 1024, far below what the theorem asks for; and where only $W^{{(H)}}$ is trained, with $y-u(0)$ along the least eigenvector of $K^{{(H)}}$, the rate of decay is $\lambda$, to 15% (interval of the mean included)."


CLAIMS = (
    Claim(
        "wide_networks.thm5.1",
        "Theorem 5.1",
        _statement("Fully connected", "H = 2"),
        Verdict.MEASURED,
        _bound(NETWORKS[0]),
    ),
    Claim("wide_networks.thm6.1", "Theorem 6.1", _statement("ResNet", "H = 3"), Verdict.MEASURED, _bound(NETWORKS[1])),
    Claim(
        "wide_networks.thm7.1",
        "Theorem 7.1",
        _statement("Convolutional ResNet", "H = 2, four pixels, patches of three"),
        Verdict.MEASURED,
        _bound(NETWORKS[2]),
    ),
    Claim(
        "wide_networks.width",
        "Theorem 5.1, the width",
        r"How wide is wide: for one hidden layer and $n\ge16$ inputs in ten dimensions the least width at which most networks satisfy the bound of Theorem 5.1 is at most 16, and the least at which most have $\lambda_{\min}(G^{(H)}(k))\ge\frac12\lambda_{\min}(K^{(H)})$, by which it is proved, grows with an exponent below 1.5 in $n$ (n to 64, at full effort to 128), not 4 or more.",
        Verdict.MEASURED,
        _least_width,
    ),
)
