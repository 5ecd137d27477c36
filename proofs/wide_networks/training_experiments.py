"""Section 4 of the wide_networks paper, training: how far weights and Gram matrices move, and how near the residuals stay to linear dynamics."""

from __future__ import annotations

import numpy as np

from alignmath.architectures import FullyConnected, ResNet

from ..engine.claims import Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import rate_bounds
from .wide_runs import NETWORKS, SHORT, slopes, title, trained

__all__ = ["CLAIMS"]

_TOLERANCE = {"drift": 0.15, "other": 0.3}
"""By how much an interval may leave the expected exponent: the next order in the width is smaller by `m^(-1/2)` only, which between widths 64 and
512 bends the exponent by up to about 0.1; the rest is for the interval itself, +-0.05 for the drift and up to +-0.2 for the others (20 networks a width)."""


def _followed(effort: Effort) -> tuple[FullyConnected | ResNet, ...]:
    """The architectures whose laws are measured: at quick effort the first, as a sample of the full run that is kept."""
    return NETWORKS if effort is Effort.FULL else NETWORKS[:1]


def _drift(effort: Effort) -> Outcome:
    d = Derivation()
    shown = []
    for architecture in _followed(effort):
        runs = trained(architecture, effort)
        drift = runs.measured("drift", whole=True)
        left = np.array([[run.loss[-1] / run.loss[0] for run in row] for row in runs.runs[: runs.long]])
        steps = len(runs.runs[0][0].loss) - 1
        d.measurement(
            f"how long, {title(architecture)}",
            bool(np.max(left) < 1e-4 and np.median(left) < 1e-6),
            rf"{steps} steps of $1/\lambda_{{\max}}(G(0))$: $L(k)/L(0)$ comes to {np.median(left):.1g} (median), {left.max():.1g} (worst), below $10^{{-6}}$ and $10^{{-4}}$.",
        )
        for h in range(architecture.depth):
            slope, half = slopes(np.log(runs.widths), np.log(drift[:, :, h]))
            middle = np.exp(np.log(drift[:, :, h]).mean(axis=0))
            shown.append(slope)
            d.measurement(
                f"layer {h + 1} of {architecture.depth}, {title(architecture)}",
                abs(slope + 0.5) + half < _TOLERANCE["drift"],
                rf"Largest $|W^{{({h + 1})}}(k)-W^{{({h + 1})}}(0)|_F/\sqrt m$ at the steps 2, 8, {SHORT}, {steps}; {len(drift)} data sets of three unit inputs, a network for each of the widths {', '.join(map(str, runs.widths))}: geometric means {middle[0]:.3g} falling to {middle[-1]:.3g}, largest {drift[:, 0, h].max():.3g} and {drift[:, -1, h].max():.3g}; slope {slope:.3f}, 95% interval $\pm{half:.3f}$; expected $-\frac12$, interval included to {_TOLERANCE['drift']:g}.",
            )
    return d.measured(
        f"falls as the width to the powers {min(shown):.2f} to {max(shown):.2f} in the {len(shown)} layers measured"
    )


def _stability(effort: Effort) -> Outcome:
    d = Derivation()
    changed = []
    for measure, symbol, law, expected in (
        ("change of the top Gram matrix", r"$|G^{(H)}(k)-G^{(H)}(0)|_2/|K^{(H)}|_2$", -1.0, "-1"),
        ("distance from (I - step G(0))", r"$|y-u(k)-(I-\eta G(0))^k(y-u(0))|_\infty$, relative", -1.0, "-1"),
        ("distance from (I - step K)", r"$|y-u(k)-(I-\eta K)^k(y-u(0))|_\infty$, relative", -0.5, r"-\frac12"),
    ):
        for architecture in _followed(effort):
            runs = trained(architecture, effort)
            name, values = title(architecture), runs.measured(measure)
            seen = rf"at 2, 8 and {SHORT} steps" if measure.startswith("change") else rf"at each of {SHORT} steps"
            slope, half = slopes(np.log(runs.widths), np.log(values))
            middle = np.exp(np.log(values).mean(axis=0))
            if measure.startswith("change"):
                changed.append(f"{slope:.2f}")
            d.measurement(
                f"{measure}, {name}",
                abs(slope - law) + half < _TOLERANCE["other"],
                rf"Largest {symbol}, {seen}, H = {architecture.depth}; {len(values)} data sets of three unit inputs, a network for each of the widths {', '.join(map(str, runs.widths))}: geometric means {middle[0]:.3g} falling to {middle[-1]:.3g}, largest {values[:, 0].max():.3g} and {values[:, -1].max():.3g}; slope {slope:.3f}, 95% interval $\pm{half:.3f}$; expected ${expected}$, interval included to {_TOLERANCE['other']:g}.",
            )
            later, early = runs.measured(measure, whole=True), values[: runs.long]
            slope, half = slopes(np.log(runs.widths), np.log(later / early))
            d.measurement(
                f"{measure}, {name}, to the end",
                abs(slope) + half < 0.15 and bool(np.max(later / early) < 3),
                rf"The first {len(later)} data sets followed for {len(runs.runs[0][0].loss) - 1} steps, by which the loss has fallen by a factor of $10^4$ or more: {np.median(later / early):.2f} times as large as in {SHORT} steps (median; worst {np.max(later / early):.2f}, below 3); slope of the ratio in the width {slope:.3f}, 95% interval $\pm{half:.3f}$; expected 0, interval included to 0.15.",
            )
    return d.measured(
        f"the top Gram matrix changes as the width to the power {', '.join(changed)}, faster than the drift of the weights suggests"
    )


CLAIMS = (
    Claim(
        "wide_networks.eq6",
        "equation (6)",
        r"$\frac1{\sqrt m}|W^{(h)}(k)-W^{(h)}(0)|_F$ is small for all $k$: in every hidden layer of all three architectures (softplus, H = 2 and 3) its largest value falls like $m^{-1/2}$, the exponent to 0.15, interval included, in training by which the loss falls by a factor of $10^4$ or more. Labels $u(0)+r$, $r$ uniform in $[-1,1]^3$.",
        Verdict.MEASURED,
        _drift,
    ),
    Claim(
        "wide_networks.stability",
        "Section 4, analysis of perturbation during training",
        r"$G^{(H)}(k)$ stays near $G^{(H)}(0)$: the largest distance falls like $m^{-1}$, as does the distance of $y-u(k)$ from $(I-\eta G(0))^k(y-u(0))$; that from $(I-\eta K)^k(y-u(0))$ falls like $m^{-1/2}$; the exponents to 0.3, intervals included. Labels $u(0)+r$, $r$ uniform in $[-1,1]^3$.",
        Verdict.MEASURED,
        _stability,
    ),
    *rate_bounds.CLAIMS,
)
