"""Students of two teacher nodes in the plane: the runs behind the specialization paper's Figure 2, whose settings are not given.

Inputs uniform on the square (-1, 1)^2, 4 outputs, the loss of equation (2), learning rate 0.01, mini-batches of 16; teachers with unit weight vectors, biases uniform on (-0.3, 0.3) and fan-outs of
length 4; 6 student nodes with fan-outs of 0.035 at the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alignmath.networks import DeepReLU, random_student, random_teacher
from solvers.dynamics.training import Measures, Uniform, train
from solvers.dynamics.training.measures import best_teacher, evaluation_loss, fan_out

from .ensembles import stacked

__all__ = ["plane_runs", "strongest_unaligned"]


def plane_runs(seeds: int, samples: int) -> dict[str, np.ndarray]:
    """First-layer weights `(K, S, 6, 2)`, biases and fan-outs of the students at the epochs, the teachers', correlations and losses."""
    record = [0, 2, 10, 29]
    law = Uniform(2, 1.0, samples=samples)
    teachers, students = [], []
    for seed in range(seeds):
        rng = np.random.default_rng([2, seed])
        teacher = random_teacher((2, 2, 4), rng, x=law.sample(rng, 10_000), strength=4.0, least_angle=0.5)
        biases = (rng.uniform(-0.3, 0.3, 2), np.zeros(4))
        student = random_student(teacher, 3, rng)
        output = student.weights[1] * (0.035 / np.linalg.norm(student.weights[1], axis=0))
        teachers.append(DeepReLU(teacher.weights, biases))
        students.append(DeepReLU((student.weights[0], output), student.biases))
    measures = Measures([best_teacher, fan_out, evaluation_loss], keep_weights=True)
    teacher = stacked(teachers)
    assert teacher.biases is not None
    runs = train(
        stacked(students), teacher, law, epochs=record[-1], seed=np.arange(seeds), record=record, measures=measures
    )
    history = runs.history
    return {
        "epochs": runs.epochs,
        "weights": history.weights[0],
        "biases": history.biases[0],
        "fan_out": runs.measured["fan_out"],
        "correlation": runs.measured["best_teacher"],
        "loss": runs.measured["evaluation_loss"],
        "teacher_weights": teacher.weights[0],
        "teacher_biases": teacher.biases[0],
    }


def strongest_unaligned(data: Mapping[str, Any]) -> np.ndarray:
    """For each seed, the largest `|v||w|` at the end of a student node that correlates with no teacher node above 0.95, as a share of the largest of all, `(S,)`."""
    strength = data["fan_out"][-1] * np.linalg.norm(data["weights"][-1], axis=-1)
    unaligned = np.where(data["correlation"][-1] > 0.95, 0.0, strength)
    return unaligned.max(axis=-1) / strength.max(axis=-1)
