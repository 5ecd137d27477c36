"""The runs and flows of Figures 5, 7 and 11: every polarity and width, computed once for all three."""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from proofs.specialization.ensembles import FACTORS, SAMPLES, flow_of, train_pairs
from solvers.dynamics.training import Measures
from solvers.dynamics.training.measures import best_student, evaluation_loss

__all__ = ["POLARITIES", "QUICK_SAMPLES", "polarity_flows", "polarity_runs"]

POLARITIES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
QUICK_SAMPLES = 2_000


@cache
def polarity_flows(quick: bool, state: Path | None = None) -> dict[str, np.ndarray]:
    """The flows that go with `polarity_runs`, of the first seeds: `epochs (K,)`, `best (P, F, S, K, 20)` and `loss (P, F, S, K)`."""
    polarities, factors = ((0.5, 1.5), (1, 5)) if quick else (POLARITIES, FACTORS)
    seeds, epochs = (1, [0, 2, 4, 6]) if quick else (4, [0, 1, 2, 3, 4, 5, *range(10, 101, 5)])
    best, loss = [], []
    for polarity, factor, seed in product(polarities, factors, range(seeds)):
        file = state / f"flow-p{polarity:g}-{factor}x-{seed}.npz" if state else None
        if file is not None and file.exists():
            with np.load(file) as stored:
                curves = dict(stored)
        else:
            flow, correlations = flow_of(
                20, polarity, factor, seed, epochs, samples=QUICK_SAMPLES if quick else SAMPLES
            )
            curves = {"best": correlations.max(axis=-1), "loss": flow.loss}
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                np.savez(file, **curves)
        best.append(curves["best"])
        loss.append(curves["loss"])
    shape = (len(polarities), len(factors), seeds)
    return {
        "epochs": np.array(epochs),
        "best": np.reshape(best, (*shape, len(epochs), 20)),
        "loss": np.reshape(loss, (*shape, len(epochs))),
    }


@cache
def polarity_runs(quick: bool, state: Path | None = None, device: str | None = None) -> dict[str, Any]:
    """The runs of Figures 5, 7 and 11: 20 teacher nodes, every polarity and width, 32 seeds, 100 epochs.

    Returns the `epochs (K,)` of measurement, `best (P, F, K, S, 20)`, the correlation of each teacher node with its best student, `loss (P, F, K, S)`, the
    evaluation loss, `polarities`, `factors` and how many runs diverged. state: a folder in which finished runs are kept.
    """
    polarities, factors = ((0.5, 1.5), (1, 5)) if quick else (POLARITIES, FACTORS)
    seeds, epochs = (range(2), 6) if quick else (range(32), 100)
    record = sorted({*range(11), *range(12, 31, 2), *range(35, 101, 5)} & set(range(epochs + 1)))
    best, loss, diverged = [], [], 0
    for polarity in polarities:
        for factor in factors:
            runs = train_pairs(
                20, polarity, factor, seeds,
                epochs=epochs, record=record, measures=Measures([best_student, evaluation_loss], samples=1_000 if quick else 10_000), device=device,
                samples=QUICK_SAMPLES if quick else SAMPLES, progress=not quick, checkpoint=state / f"p{polarity:g}-{factor}x" if state else None,
            )  # fmt: skip
            best.append(runs.measured["best_student"])
            loss.append(runs.measured["evaluation_loss"])
            diverged += len(runs.diverged)
    shape = (len(polarities), len(factors))
    return {
        "epochs": np.array(record),
        "best": np.stack(best).reshape(*shape, len(record), len(seeds), 20),
        "loss": np.stack(loss).reshape(*shape, len(record), len(seeds)),
        "polarities": np.array(polarities),
        "factors": np.array(factors),
        "diverged": np.array(diverged),
    }
