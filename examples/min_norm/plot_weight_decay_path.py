"""Weight decay and minimum norm, Section 6 of the min_norm paper: the exact regularised optimum for every weight decay, and where SGD ends.

The penalty is `(beta/2) |theta|^2` on `1/(2n) sum (f - f*)^2`. The paper remarks that the regularised norm, 5.99, may be off 6 because the penalty is biased.
How much: let lambda be multipliers of least Euclidean norm among those that certify the minimum norm `M = 2 y . lambda`. Then for every beta

    mean square error <= n beta^2 |lambda|^2   and   M - 2 n beta |lambda|^2 <= |theta|^2 <= M,

as those of the regularised optimum, (y - f)/(n beta), maximise `y . lambda - (n beta / 2) |lambda|^2` over `|p| <= 1`: compare both values. For small beta the
first and the lower bound of the second are sharp.
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from examples.min_norm.training import TEACHER, objectives, squared_norms, train, uniform_inputs
from examples.style import BLUE, GREEN, RED, new_figure, run
from solvers.interpolation import largest_penalty, min_norm, penalty_path

_SAMPLES, _WIDTH, _BATCH, _RATE, _SEED = 40, 100, 8, 0.1, 61
_LAST = 1e-6
_PLOTTED = 1e-4
_TRAINED = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 4e-4, 1e-4)


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """Squared norm and mean square error along the path, the multipliers' norm, and the same two numbers for SGD at a few penalties."""
    x = uniform_inputs(_SAMPLES, _SEED, 1)[0]
    y = np.asarray(TEACHER(x))
    largest = largest_penalty(x, y)
    ratios = np.append(np.geomspace(1.5, _PLOTTED, 16 if quick else 80), _LAST)
    penalties = np.array(_TRAINED[:4] if quick else _TRAINED)
    path = penalty_path(x, y, np.sort(np.append(ratios * largest, penalties))[::-1], tolerance=1e-7)
    exact = {optimum.penalty: optimum.squared_norm for optimum in path}
    runs = len(penalties)
    every_x, every_y = np.tile(x, (runs, 1, 1)), np.tile(y, (runs, 1))
    sgd = train(
        every_x,
        every_y,
        penalties,
        width=_WIDTH,
        steps=10_000 if quick else 200_000,
        learning_rate=_RATE,
        batch_size=_BATCH,
        seed=_SEED,
    )
    return {
        "samples": np.array(_SAMPLES),
        "largest": np.array(largest),
        "penalty": np.array([optimum.penalty for optimum in path]),
        "squared_norm": np.array([optimum.squared_norm for optimum in path]),
        "mean_square": np.array([optimum.mean_square for optimum in path]),
        "objective": np.array([optimum.objective for optimum in path]),
        "gap": np.array([optimum.gap for optimum in path]),
        "multipliers_square": np.array(np.sum(np.asarray(path[-1].dual, dtype=float) ** 2)),
        "least": np.array(min_norm(x, y).squared_norm),
        "sgd_penalty": penalties,
        "sgd_squared_norm": squared_norms(sgd),
        "sgd_exact": np.array([exact[penalty] for penalty in penalties]),
        "sgd_mean_square": 2 * objectives(sgd, every_x, every_y, 0.0),
    }


def draw(data: Mapping[str, Any]) -> Figure:
    """Squared norm, what it lacks of the minimum, and the mean square error, against the penalty."""
    figure = new_figure(13.5, 4.6)
    norms, lacks, errors = figure.subplots(1, 3)
    shown = data["penalty"] >= 0.99 * _PLOTTED * data["largest"]
    beta, least = data["penalty"][shown], float(data["least"])
    slope = 2 * float(data["samples"] * data["multipliers_square"])
    law = {"color": RED, "ls": "--", "lw": 1.8}
    norms.axhline(least, color="black", lw=1.2, label=f"exact minimum norm: {least:.6f}")
    norms.semilogx(beta, np.maximum(least - slope * beta, 0), **law, label="theory: lower bound")
    norms.set(title="squared norm", ylabel="|θ|²", ylim=(-0.1, 1.12 * least))
    positive = least - data["squared_norm"][shown]
    lacks.loglog(beta, slope * beta, **law, label="theory: at most $2nβ|λ|^2$")
    lacks.set(title="what it lacks of the minimum norm", ylabel="6 − |θ|²")
    errors.loglog(beta, slope / 2 * beta**2, **law, label="theory: at most $nβ^2|λ|^2$")
    errors.set(title="training error", ylabel="mean square error")
    exact = {"color": BLUE, "lw": 2.0, "label": "exact regularised optimum"}
    norms.plot(beta, data["squared_norm"][shown], **exact)
    lacks.plot(beta, positive, **exact)
    errors.plot(beta, data["mean_square"][shown], **exact)
    dots = {"marker": "o", "ls": "", "mfc": "white", "mec": "black", "ms": 6.5, "mew": 1.4, "zorder": 4, "label": "SGD"}
    norms.plot(data["sgd_penalty"], data["sgd_squared_norm"], **dots)
    lacks.plot(data["sgd_penalty"], least - data["sgd_squared_norm"], **dots)
    errors.plot(data["sgd_penalty"], data["sgd_mean_square"], **dots)
    for panel, place in ((norms, "lower left"), (lacks, "upper left"), (errors, "upper left")):
        panel.axvline(float(data["largest"]), color=GREEN, ls=":", lw=1.8, label="theory: zero network from here on")
        panel.set_xlabel("penalty β (weight decay)")
        panel.legend(loc=place, fontsize=8.5)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    runs = ", ".join(
        f"{s:.4f} ({e:.4f}) at {b:g}"
        for b, s, e in zip(data["sgd_penalty"], data["sgd_squared_norm"], data["sgd_exact"], strict=True)
    )
    return (
        f"One set of {int(data['samples'])} uniform samples; exact minimum norm {float(data['least']):.6f}; the zero network is optimal from β = {float(data['largest']):.4f} on; "
        f"|λ|² = {float(data['multipliers_square']):.4f}; largest certified gap of the path {data['gap'].max():.0e}. Squared norms of SGD (of the exact optimum): {runs}."
    )


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""
    run(
        argv,
        "min_norm_weight_decay_path",
        compute,
        draw,
        "Squared norm and training error against weight decay",
        describe,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
