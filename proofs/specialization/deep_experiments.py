"""The specialization paper's deep networks, Figures 4 and 12: what the text says, and what was measured in the settings of `deep_runs`.

Full widths of the teacher, 50-75-100-125. At quick effort students are twice as wide and a few epochs are run; at full effort ten times as wide.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from solvers.dynamics.training import Gaussian, Uniform

from ..engine.claims import Effort, Outcome
from ..engine.derivation import Derivation
from .deep_runs import run_deep
from .figure_experiments import measured_claim

__all__ = ["CLAIMS"]


@cache
def _gaussian(effort: Effort) -> dict[str, np.ndarray]:
    if effort is Effort.QUICK:
        return run_deep(Gaussian(100, 10.0, samples=10_000, fresh=True), 2, [0, 5, 10], nodes=False, evaluated=2_000)
    return run_deep(Gaussian(100, 10.0, samples=10_000, fresh=True), 10, [0, 5, 10, 20, 40, 60, 80, 100], nodes=False)


@cache
def _uniform(effort: Effort) -> dict[str, np.ndarray]:
    if effort is Effort.QUICK:
        return run_deep(Uniform(100, 15.0, samples=100_000, fresh=True), 2, [0, 1], nodes=False, evaluated=2_000)
    return run_deep(Uniform(100, 15.0, samples=100_000, fresh=True), 10, [0, 1, 2, 4], nodes=False)


def _shown(data: dict[str, np.ndarray]) -> str:
    rows = (
        f"epoch {k}: {', '.join(f'{r:.3f}' for r in rho)}" for k, rho in zip(data["epochs"], data["rho"], strict=True)
    )
    return f"{data['factor']}x students, rho_mean of the layers from the lowest: " + "; ".join(rows)


def _text_four(effort: Effort) -> Outcome:
    d, data = Derivation(), _gaussian(effort)
    ten = data["rho"][list(data["epochs"]).index(10)]
    d.measurement(
        "lower layers first",
        bool(ten[0] > 0.8 and ten[0] > ten[1] + 0.2 and ten[1] > max(ten[2], ten[3])),
        f"{_shown(data)}. At epoch 10 the lowest layer is above 0.8 and 0.2 ahead of the second, which is ahead of the others.",
    )
    return d.measured(f"at epoch 10 rho_mean is {', '.join(f'{r:.2f}' for r in ten)} from the lowest layer up")


def _measured_four(effort: Effort) -> Outcome:
    d, data = Derivation(), _gaussian(effort)
    last, first = data["rho"][-1], data["rho"][0]
    d.measurement(
        "all layers specialise",
        bool(np.all(last > first + 0.15)),
        f"{_shown(data)}; evaluation loss {data['loss'][0]:.4g} at the start, {data['loss'][-1]:.4g} at the end. Every layer has gained 0.15 or more.",
    )
    return d.measured(
        f"after {data['epochs'][-1]} epochs rho_mean is {', '.join(f'{r:.3f}' for r in last)} ({data['factor']}x students)"
    )


def _text_twelve(effort: Effort) -> Outcome:
    d, data = Derivation(), _uniform(effort)
    last = data["rho"][-1]
    d.measurement(
        "specialisation with uniform inputs",
        bool(last[0] > 0.8 and last[0] > last[1] > last[2]),
        f"Inputs uniform on (-15, 15), 100,000 samples an epoch. {_shown(data)}. As with Gaussian inputs the lowest layer comes first.",
    )
    return d.measured(
        f"after {data['epochs'][-1]} epoch(s) of 100,000 samples rho_mean is {', '.join(f'{r:.3f}' for r in last)}"
    )


def _measured_twelve(effort: Effort) -> Outcome:
    d, uniform, gaussian = Derivation(), _uniform(effort), _gaussian(effort)
    samples = {"uniform": 100_000 * uniform["epochs"], "Gaussian": 10_000 * gaussian["epochs"]}
    common = 100_000
    here = uniform["rho"][list(samples["uniform"]).index(common)]
    there = gaussian["rho"][list(samples["Gaussian"]).index(common)]
    d.measurement(
        "like Gaussian inputs",
        bool(np.abs(here - there).max() < 0.15),
        f"After {common} samples rho_mean by layer is {', '.join(f'{r:.3f}' for r in here)} with uniform inputs (deviation 8.66) and {', '.join(f'{r:.3f}' for r in there)} with Gaussian ones (deviation 10); 0.15 apart at most.",
    )
    return d.measured(
        f"after 100,000 samples the layers are within {np.abs(here - there).max():.2f} of those with Gaussian inputs"
    )


CLAIMS = (
    measured_claim(
        "specialization.fig4",
        "Figure 4, what the text says",
        "In a network with four hidden layers the lowest layer specialises first, then the others.",
        _text_four,
    ),
    measured_claim(
        "specialization.fig4.measured",
        "Figure 4, measured",
        "Every hidden layer of a deep student becomes more specialised.",
        _measured_four,
    ),
    measured_claim(
        "specialization.fig12",
        "Figure 12, what the text says",
        "With inputs uniform on $(-15,15)^{100}$ deep students specialise as with Gaussian ones.",
        _text_twelve,
    ),
    measured_claim(
        "specialization.fig12.measured",
        "Figure 12, measured",
        "After 100,000 samples the mean best correlations of all layers are within 0.15 of those with Gaussian inputs.",
        _measured_twelve,
    ),
)
