"""The specialization paper's deep networks (Figures 4 and 12): hidden layers of 50, 75, 100 and 125 nodes, students ten times as wide, new data in every epoch.

As printed: 100 inputs, 50 outputs, mini-batches of 16, learning rate 0.01. Read as for two layers: the loss is averaged over the outputs too. Left open by the paper and chosen here: teachers' hidden
weight vectors have length sqrt(2), which keeps the size of activations through the layers (with length 1 gradients are small and specialisation is slow; with 2, training diverges), fan-outs of length 1,
students start with torch.nn's weights; one seed.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from alignmath.networks import random_student, random_teacher
from alignmath.specialization import fan_out_strength
from solvers.dynamics.training import SGD, Evaluation, InputLaw, Measures, train
from solvers.dynamics.training.measures import best_teacher, evaluation_loss, rho_mean

__all__ = ["HIDDEN", "run_deep"]

HIDDEN = (50, 75, 100, 125)


def _strength(evaluation: Evaluation, layer: int) -> Any:
    """`sqrt(E beta_kk)` of the student nodes of a layer, on 500 of the evaluation inputs."""
    return fan_out_strength(evaluation.students, evaluation.x[:, :500], layer)


def run_deep(
    law: InputLaw,
    factor: float,
    record: list[int],
    *,
    hidden: tuple[int, ...] = HIDDEN,
    nodes: bool = True,
    evaluated: int = 10_000,
    **options: Any,
) -> dict[str, np.ndarray]:
    """One run of `record[-1]` epochs, measured at the epochs `record (K,)`.

    Returns `loss (K,)`, `rho (K, 4)`, the mean best correlation of teacher nodes by layer, and, with `nodes`, for each layer k from 1 to 4 `correlation_k (K, n)` of each student node with its best
    teacher node and `strength_k (K, n)`, its `sqrt(E beta_kk)`. evaluated: inputs to measure on; options: of `train`.
    """
    rng = np.random.default_rng([40, law.dimension])
    teacher = random_teacher((law.dimension, *hidden, 50), rng, x=law.sample(rng, 10_000), gain=2**0.5)
    measures: dict[str, Any] = {"loss": evaluation_loss, "rho": rho_mean}
    for k in range(1, 5) if nodes else ():
        measures |= {f"correlation_{k}": partial(best_teacher, layer=k), f"strength_{k}": partial(_strength, layer=k)}
    runs = train(
        random_student(teacher, factor, rng), teacher, law,
        epochs=record[-1], optimizer=SGD(0.01), loss="mean_squared", seed=4, record=record, measures=Measures(measures, samples=evaluated), dtype="float32", **options,
    )  # fmt: skip
    return {
        "epochs": runs.epochs,
        "factor": np.array(factor),
        "diverged": np.array(len(runs.diverged)),
        **runs.measured,
    }
