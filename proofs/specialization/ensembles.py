"""The settings of the specialization paper's two-layer experiments (Sections 6 and 8.16), and runs in them.

As printed: inputs N(0, 100 I) in 100 dimensions, 50 outputs, 10,000 samples, mini-batches of 16, learning rate 0.01, teachers with unit directions, half of the data
active on each node, fan-outs 1/j^p. What the paper leaves open, and how it is read here:

- the loss is averaged over the outputs too, as `torch.nn.MSELoss` does. With equation (2) as it stands, which is 25 times as steep, these
  settings diverge within the first steps (claims `specialization.setup`, `specialization.setup.mended`).
- an epoch is one pass through the 10,000 samples (625 steps).
- students start with a tenth of the weights that torch.nn gives. With all of it, wide students fit the teacher with nodes that hardly move,
  and cover less of it than narrow ones (claim `specialization.fig5.start`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alignmath.networks import DeepReLU, random_student, random_teacher
from solvers.dynamics.gradient_flow import flow
from solvers.dynamics.training import SGD, Gaussian, train
from solvers.runs import Training, Trajectory

__all__ = [
    "DEVIATION",
    "FACTORS",
    "INPUTS",
    "OUTPUTS",
    "RATE",
    "SAMPLES",
    "START",
    "flow_of",
    "stacked",
    "students_of",
    "teachers_of",
    "train_pairs",
]

INPUTS, OUTPUTS, DEVIATION, RATE, START = 100, 50, 10.0, 0.01, 0.1
FACTORS = (1, 2, 5, 10)
_SEED = 20
SAMPLES = 10_000


def stacked(networks: list[DeepReLU]) -> DeepReLU:
    """Single networks as a batch."""
    biases = (
        None
        if networks[0].biases is None
        else tuple(map(np.stack, zip(*(n.biases or () for n in networks), strict=True)))
    )
    return DeepReLU(tuple(map(np.stack, zip(*(n.weights for n in networks), strict=True))), biases)


def teachers_of(nodes: int, seeds: range, polarity: float) -> DeepReLU:
    """A batch of teachers, one for each seed: of one seed, the directions are the same at every polarity."""
    teachers = []
    for seed in seeds:
        rng = np.random.default_rng([_SEED, nodes, seed])
        sample = Gaussian(INPUTS, DEVIATION).sample(rng, 10_000)
        teachers.append(random_teacher((INPUTS, nodes, OUTPUTS), rng, x=sample, polarity=polarity))
    return stacked(teachers)


def students_of(nodes: int, factor: float, seeds: range, scale: float = START) -> DeepReLU:
    """A batch of students `factor` times as wide as a teacher of `nodes` nodes, one for each seed."""
    shape = random_teacher((INPUTS, nodes, OUTPUTS), np.random.default_rng(0), x=np.zeros((1, INPUTS)))
    return stacked(
        [random_student(shape, factor, np.random.default_rng([_SEED + 1, nodes, seed]), scale=scale) for seed in seeds]
    )


def train_pairs(
    nodes: int,
    polarity: float,
    factor: float,
    seeds: range,
    *,
    scale: float = START,
    samples: int = SAMPLES,
    learning_rate: float = RATE,
    **options: Any,
) -> Training:
    """Runs of one polarity and width, one for each seed, in float32. Runs of one seed have the same data whatever the rest. options: of `train`."""
    return train(
        students_of(nodes, factor, seeds, scale),
        teachers_of(nodes, seeds, polarity),
        Gaussian(INPUTS, DEVIATION, samples=samples),
        optimizer=SGD(learning_rate),
        loss="mean_squared",
        dtype="float32",
        seed=np.array(seeds),
        **options,
    )


def flow_of(
    nodes: int,
    polarity: float,
    factor: float,
    seed: int,
    epochs: list[int],
    *,
    samples: int = SAMPLES,
    scale: float = START,
    tolerance: float = 1e-5,
) -> tuple[Trajectory, np.ndarray]:
    """The gradient flow on the population that a run of `train_pairs` follows, at these epochs; without the biases, which stay near 0. And the
    correlations `(K, M, m)` of its nodes with the teacher's."""
    student, teacher = (
        DeepReLU(tuple(w[0] for w in network.weights))
        for network in (
            students_of(nodes, factor, range(seed, seed + 1), scale),
            teachers_of(nodes, range(seed, seed + 1), polarity),
        )
    )
    times = (
        np.array(epochs) * (samples // 16) * RATE * 2 / OUTPUTS
    )  # a step of SGD is RATE 2/C of the flow of equation (2)
    run = flow(
        student,
        teacher,
        times,
        scale=DEVIATION,
        train_output=True,
        method="RK23",
        relative_tolerance=tolerance,
        absolute_tolerance=tolerance / 100,
    )
    return run, run.correlations(teacher)
