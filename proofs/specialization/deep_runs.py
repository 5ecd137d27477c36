"""The specialization paper's deep networks (Figures 4 and 12): hidden layers of 50, 75, 100 and 125 nodes, students ten times as wide, new data in every epoch.

As printed: 100 inputs, 50 outputs, mini-batches of 16, learning rate 0.01. Read as for two layers: the loss is averaged over the outputs too. Left open by the paper and chosen here: teachers' hidden
weight vectors have length sqrt(2), which keeps the size of activations through the layers (with length 1 gradients are small and specialisation is slow; with 2, training diverges), fan-outs of length 1,
students start with torch.nn's weights; one seed.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from alignmath.networks import random_student, random_teacher
from alignmath.specialization import fan_out_strength
from solvers.training import Evaluation, InputLaw, train
from solvers.training.measures import best_teacher, evaluation_loss, rho_mean

__all__ = ["HIDDEN", "run_deep"]

HIDDEN = (50, 75, 100, 125)
_QUICK = (10, 12, 14, 16)


def _strength(evaluation: Evaluation, layer: int) -> Any:
    """`sqrt(E beta_kk)` of the student nodes of a layer, on 500 of the evaluation inputs."""
    return fan_out_strength(evaluation.students, evaluation.inputs[:, :500], layer)


def run_deep(
    law: InputLaw, factor: float, epochs: int, record: list[int], samples: int, *, quick: bool, checkpoint: Path | None
) -> dict[str, np.ndarray]:
    """One run: by layer 1..4 the correlation of each student node with its best teacher `(K, n)` and its `sqrt(E beta_kk)`; the losses and `rho_mean (K, 4)`."""
    rng = np.random.default_rng([40, law.dimension])
    hidden = _QUICK if quick else HIDDEN
    teacher = random_teacher((law.dimension, *hidden, 50), rng, inputs=law.sample(rng, 10_000), gain=2**0.5)
    student = random_student(teacher, factor, rng)
    layers = range(1, 5)
    measures: dict[str, Any] = {"loss": evaluation_loss, "rho": rho_mean}
    measures |= {f"correlation_{k}": partial(best_teacher, layer=k) for k in layers} | {
        f"strength_{k}": partial(_strength, layer=k) for k in layers
    }
    runs = train(
        student, teacher, law,
        epochs=epochs, record=record, samples=samples, fresh=True, loss="mean_squared", learning_rate=0.01, dtype="float32", seed=4,
        measures=measures, evaluation=1_000 if quick else 10_000, progress=not quick, checkpoint=checkpoint,
    )  # fmt: skip
    return {
        "epochs": runs.epochs,
        "factor": np.array(factor),
        "diverged": np.array(len(runs.diverged)),
        **runs.measured,
    }
