"""Section 4 of the wide_networks paper: the dynamics of the residuals, the Gram matrices of the layers, the linear limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import sympy as sp
import torch
from flint import arb

from alignmath.activations import SOFTPLUS
from alignmath.architectures import FullyConnected
from alignmath.kernels import gram
from solvers.dynamics.wide_networks import follow, grams

from ..engine.attacks import errors_below, none_below
from ..engine.balls import precisely
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from .wide_runs import NETWORKS, input_shape, labels, network_for, slopes, title, unit_inputs

__all__ = ["CLAIMS", "linear_distances", "one_step"]


def one_step(learning_rate: arb, *, output_trained: bool = True) -> tuple[arb, arb]:
    """One input x = 1 with label 0, one neuron, erf, `W = a = 1`, H = 1: balls of `y - u(1)` and of `(1 - step G(0))(y - u(0))`; of
    `(1 - step H(0))(y - u(0))` if only W is trained."""
    scale = ((2 / arb.pi()) * (arb(2) / 3).asin()) ** (-arb(1) / 2)
    w, a = arb(1), arb(1)

    def slope(z: arb) -> arb:
        return 2 / arb.pi().sqrt() * (-z * z).exp()

    u = a * scale * w.erf()
    by_w, by_a = a * scale * slope(w), scale * w.erf()
    if not output_trained:
        by_a = arb(0)
    moved = (a - learning_rate * u * by_a) * scale * (w - learning_rate * u * by_w).erf()
    return -moved, -(1 - learning_rate * (by_w**2 + by_a**2)) * u


@precisely
def _printed_dynamics(effort: Effort) -> Outcome:
    d = Derivation()
    step = arb(1) / 10
    for name, output_trained, matrix in (("H(k), W trained", False, "H(0)"), ("G(k), all trained", True, "G(0)")):
        after, linear = one_step(step, output_trained=output_trained)
        d.certificate(
            name,
            bool(after - linear > 0) or bool(after - linear < 0),
            rf"$f(x)=a\sqrt{{c_\sigma}}\,\mathrm{{erf}}(Wx)$, $x=1$, $y=0$, $W=a=1$, $\eta=\frac1{{10}}$: $y-u(1)={float(after):.8f}$ and $(1-\eta {matrix})(y-u(0))={float(linear):.8f}$, balls that do not meet.",
            reason="ball arithmetic; erf satisfies both conditions on activations",
        )
    return d.refuted("one neuron and one step of 1/10 refute both; they hold to first order in the step size")


def _remainder_order(effort: Effort) -> Outcome:
    d = Derivation()
    sizes = 10.0 ** -np.arange(2, 6)
    worst = 0.0
    for architecture in NETWORKS:
        shape, logarithms = input_shape(architecture), []
        for seed in range(effort.count(5, 64)):
            x, y = unit_inputs(6, shape, seed), labels(6, seed)
            network = network_for(shape, architecture, 30, seed)
            runs = [follow(network, x, y, 1, learning_rate=float(s), record=[0]) for s in sizes]
            logarithms.append([np.log(run.remainder[0]) for run in runs])
        slope, half = slopes(np.log(sizes), np.array(logarithms))
        worst = max(worst, abs(slope - 2) + half)
        d.measurement(
            title(architecture),
            abs(slope - 2) + half < 0.01,
            rf"H = {architecture.depth}, width 30, {len(logarithms)} networks, each with its own six inputs and labels: logarithm of $|y-u(1)-(I-\eta G(0))(y-u(0))|$ against that of $\eta$, $\eta=10^{{-2}},\dots,10^{{-5}}$: slope {slope:.4f}, 95% interval $\pm{half:.4f}$; expected 2, to 0.01.",
        )
    return d.measured(
        f"second order in the step size for all three architectures: slopes within {worst:.3f} of 2, intervals included"
    )


def _layer_matrices(effort: Effort) -> Outcome:
    d = Derivation()
    n, p = 3, 4
    slopes_ = sp.Matrix(n, p, lambda i, k: sp.Symbol(f"g_{i + 1}{k + 1}", real=True))
    v = sp.Matrix(n, 1, lambda i, _: sp.Symbol(f"v_{i + 1}", real=True))
    gathered = slopes_.T * v
    d.identity(
        "a sum of squares",
        (v.T * (slopes_ * slopes_.T) * v)[0],
        sum(entry**2 for entry in gathered),
        r"With the rows $g_i=\partial u_i/\partial W^{(h)}$; written out for three inputs and four weights, the same sum for any numbers.",
        shown=r"v^\top G^{(h)}v=\sum_{ij}v_iv_j\langle g_i,g_j\rangle=\big|\sum_iv_ig_i\big|^2\ge0",
    )
    d.argument(
        "the code's are these matrices, and their sum is G",
        r"`grams` has the products of derivatives for each layer: $\langle\partial u_i/\partial\theta,\partial u_j/\partial\theta\rangle$ is their sum, for $\theta$ is the list of all layers' weights.".replace(
            "`grams`", "solvers.dynamics.wide_networks.grams"
        ),
        r"The derivative by $W^{(h)}$ is the outer product of the derivative by what comes out of the layer and of what comes in.",
        refuted_by="a network whose matrix differs from the product of Jacobians, taken by automatic differentiation, by more than rounding",
        attack=lambda: _jacobian_attack(effort),
    )
    d.argument(
        "and have no negative eigenvalues",
        r"$G^{(h)}\succeq0$ for every layer.",
        "A matrix of inner products.",
        refuted_by="a least eigenvalue below 0 by more than rounding",
        attack=lambda: _eigenvalue_attack(effort),
    )
    return d.proved("matrices of inner products, each positive semi-definite, and G is their sum")


def _networks(effort: Effort, seed: int):
    for architecture in NETWORKS:
        shape = input_shape(architecture)
        for k in range(effort.count(5, 60)):
            network = network_for(shape, replace(architecture, depth=2 + k % 3), 5 + k % 7, seed + k)
            yield network, unit_inputs(5, shape, seed + k)


def _jacobian_attack(effort: Effort) -> Attack:
    errors = []
    for network, x in _networks(effort, 700):
        parameters = (*network.weights, network.output)
        jacobians = torch.func.jacrev(lambda p, net=network, x=x: replace(net, weights=p[:-1], output=p[-1])(x))(
            parameters
        )
        expected = torch.stack([j.flatten(1) @ j.flatten(1).T for j in jacobians])
        whole = torch.cat([j.flatten(1) for j in jacobians], dim=1)
        G = grams(network, x)
        errors.append(float((G - expected).abs().max() / expected.abs().max()))
        errors.append(float((G.sum(dim=0) - whole @ whole.T).abs().max() / expected.abs().max()))
    return errors_below(
        "Jacobians of random networks of the three architectures, seeds from 700, relative", errors, 1e-12
    )


def _eigenvalue_attack(effort: Effort) -> Attack:
    margins = []
    for network, x in _networks(effort, 800):
        G = grams(network, np.concatenate([x, x[:2]])).numpy()  # with duplicates, where the least eigenvalue is 0
        margins += [np.linalg.eigvalsh(part)[0] / np.trace(part) for part in G]
    return none_below("least eigenvalue over trace, with duplicate inputs, seeds from 800", margins, -1e-14)


def _linear_limit(effort: Effort) -> Outcome:
    d = Derivation()
    widths = [64, 128, 512, 1024] if effort is Effort.QUICK else [128, 256, 512, 1024, 2048, 4096]
    seeds, steps = effort.count(20, 150), effort.count(15, 100)
    distances = linear_distances(widths, seeds, steps)
    slope, half = slopes(np.log(widths), np.log(distances))
    middle = np.exp(np.log(distances).mean(axis=0))
    d.measurement(
        "only the hidden layer trained, as in the setting cited",
        abs(slope + 0.5) + half < 0.15,
        rf"H = 1, softplus, {seeds} data sets of six unit inputs in three dimensions and labels in $[-1,1]$, one network of each of the widths {', '.join(map(str, widths))} for each, {steps} steps of $1/\lambda_{{\max}}(c_\sigma H^\infty)$: largest distance of $y-u(k)$ from $(I-\eta c_\sigma H^\infty)^k(y-u(0))$ over all steps, relative to $|y-u(0)|_\infty$, {middle[0]:.3f} falling to {middle[-1]:.4f} (geometric means; largest {distances[:, 0].max():.3f} and {distances[:, -1].max():.4f}); slope in the width {slope:.3f}, 95% interval $\pm{half:.3f}$; expected $-\frac12$, interval included to 0.15.",
    )
    return d.measured(
        f"the distance from the linear dynamics falls as the width to the power {slope:.2f} +- {half:.2f}"
    )


def linear_distances(widths: list[int], seeds: int, steps: int) -> np.ndarray:
    """Largest distance of `y - u(k)` from its linear dynamics by the limit, one hidden layer trained: `(seeds, widths)`."""
    distances, architecture = np.empty((seeds, len(widths))), FullyConnected(1, SOFTPLUS)
    for seed in range(seeds):
        x, y = unit_inputs(6, (3,), seed), labels(6, seed)
        rate = 1 / np.linalg.eigvalsh(gram(x, architecture))[-1]
        for k, m in enumerate(widths):
            network = network_for((3,), architecture, m, 5000 * seed + k)
            run = follow(network, x, y, steps, learning_rate=rate, layers=[1], record=[0])
            distances[seed, k] = np.abs(run.residuals - run.by_limit).max() / np.abs(run.residuals[0]).max()
    return distances


CLAIMS = (
    Claim(
        "wide_networks.dyn",
        "Section 4, dynamics of the residuals",
        r"Gradient descent with step size $\eta$ has, for every $\eta>0$, $y-u(k+1)=(I-\eta H(k))(y-u(k))$ for two-layer networks of which $W$ is trained, or $y-u(k+1)=(I-\eta G(k))(y-u(k))$ where all weights are.",
        Verdict.REFUTED,
        _printed_dynamics,
    ),
    Claim(
        "wide_networks.dyn.mended",
        "Section 4, dynamics of the residuals",
        r"$y-u(k+1)=(I-\eta G(k))(y-u(k))+O(\eta^2)$: for softplus networks of all three architectures the remainder is of order 2 in $\eta$, to 0.01.",
        Verdict.MEASURED,
        _remainder_order,
    ),
    Claim(
        "wide_networks.linear",
        "Section 4, after the definition of $H^\\infty$",
        r"$y-u(k+1)\approx(I-\eta H^\infty)(y-u(k))$ for wide two-layer networks whose hidden layer is trained, with $c_\sigma H^\infty$ in the paper's scaling: the distance from these dynamics falls like $m^{-1/2}$.",
        Verdict.MEASURED,
        _linear_limit,
    ),
    Claim(
        "wide_networks.G",
        "Section 4, $G^{(h)}$",
        r"$G=\sum_{h=1}^{H+1}G^{(h)}$, $G^{(h)}_{ij}=\langle\partial u_i/\partial W^{(h)},\partial u_j/\partial W^{(h)}\rangle$, the last by the output weights, and every $G^{(h)}\succeq0$.",
        Verdict.PROVED,
        _layer_matrices,
    ),
)
