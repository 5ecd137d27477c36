"""The specialization paper's convolutional networks (Figure 8): students of a pruned teacher, on real images.

A teacher with four hidden convolutional layers learns labels by cross-entropy, loses its weaker channels (`networks.prune`) and learns again, as pruning by half costs a third of the
accuracy or more. Its outputs are divided by their root mean square over 1000 images, which changes neither labels nor correlations. Students with a multiple of the channels left learn these outputs.

The paper names the channels (64-64-64-64) and the epochs (100); neither kernel sizes, share pruned, learning rates, batches nor seeds. Chosen here: 3 x 3 kernels, stride 1, half of
the channels stay. Teacher: He's initial weights (uniform), weight decay 0.005. Students: torch's default initial weights, half the squared error. All by SGD with momentum 0.9 and a
constant learning rate (teacher 0.05, students 0.005) that falls linearly to 0 over the second half.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from alignmath.networks import ConvReLU, prune, random_student
from solvers.dynamics.training import SGD, Measures, train
from solvers.dynamics.training.measures import accuracy, rho_mean
from solvers.images import ImageSet

__all__ = ["falling", "image_runs", "pruned_teacher"]

_KEEP, _SEED = 0.5, 8


def falling(epochs: int) -> np.ndarray:
    """Factors of the learning rate: 1 in the first half, then falling linearly towards 0."""
    return np.minimum(1.0, 2 * (1 - np.arange(epochs) / epochs))


def pruned_teacher(
    images: ImageSet, hidden: tuple[int, ...], epochs: int, batch_size: int, *, seen: int = 500, **options: Any
) -> tuple[ConvReLU, list[float]]:
    """The teacher, pruned, its outputs of size 1; accuracy before pruning, after, and when trained again. seen, options: as in `image_runs`."""
    sizes = (images.x.shape[1], *hidden)
    classes = int(images.y.max()) + 1
    kernels = tuple(np.zeros((n, below, 3, 3)) for below, n in zip(sizes[:-1], hidden, strict=True))
    like = ConvReLU(kernels, np.zeros((classes, hidden[-1])), tuple(np.zeros(n) for n in (*hidden, classes)))
    learn = partial(
        train,
        x=images.x,
        y=images.y,
        epochs=epochs,
        optimizer=SGD(0.05, momentum=0.9, weight_decay=0.005, schedule=falling(epochs)),
        batch_size=batch_size,
        loss="cross_entropy",
        measures=Measures([accuracy], *_evaluation(images, seen)),
        dtype="float32",
        **options,
    )
    whole = learn(random_student(like, 1, np.random.default_rng(_SEED), scale=6**0.5))
    pruned = learn(prune(whole.students, _KEEP))
    network = pruned.students
    size = float(np.sqrt(np.mean(network(images.x[:1000]) ** 2)))
    scaled = ConvReLU(network.kernels, network.output / size, (*network.biases[:-1], network.biases[-1] / size))
    stages = [whole.measured["accuracy"][-1], *pruned.measured["accuracy"]]
    return scaled, [float(stage) for stage in stages]


def _evaluation(images: ImageSet, seen: int) -> tuple[np.ndarray, np.ndarray]:
    return images.evaluation_x[:seen], images.evaluation_y[:seen]


def image_runs(
    images: ImageSet,
    factors: Sequence[int],
    *,
    hidden: tuple[int, ...],
    teacher_epochs: int,
    epochs: int,
    batch_size: int,
    seeds: int,
    seen: int = 500,
    checkpoint: Path | None = None,
    **options: Any,
) -> dict[str, np.ndarray]:
    """By size of the student, seed and epoch: `rho (F, S, epochs + 1, 4)`, `accuracy (F, S, epochs + 1)` and training `loss (F, S, epochs)`; `teacher_accuracy (3,)`, see `pruned_teacher`.

    images: see `solvers.images`; `seen` of the evaluation images measure. hidden: channels of the teacher before pruning, which takes steps of twice as many images. options: of `train`.
    """
    side = images.x.shape[-1]
    evaluation = _evaluation(images, seen)
    teacher, stages = pruned_teacher(images, hidden, teacher_epochs, 2 * batch_size, seen=seen, **options)
    by_size: dict[str, list[Any]] = {"rho": [], "accuracy": [], "loss": []}
    for factor in factors:
        runs = train(
            random_student(teacher, factor, np.random.default_rng([_SEED, factor]), batch=(seeds,)),
            teacher,
            images.x,
            epochs=epochs,
            optimizer=SGD(0.005, momentum=0.9, schedule=falling(epochs)),
            batch_size=batch_size,
            record=range(epochs + 1),
            measures=Measures([rho_mean, accuracy], *evaluation),
            checkpoint=checkpoint / f"images-{side}-{factor}x" if checkpoint else None,
            dtype="float32",
            **options,
        )
        by_size["rho"].append(np.moveaxis(runs.measured["rho_mean"], 0, 1))
        by_size["accuracy"].append(runs.measured["accuracy"].T)
        by_size["loss"].append(runs.loss)
    return {name: np.array(values) for name, values in by_size.items()} | {
        "epochs": np.arange(epochs + 1),
        "factors": np.array(factors),
        "channels": np.array([[factor * n for n in teacher.widths[1:-1]] for factor in factors]),
        "teacher_channels": np.array(hidden),
        "teacher_accuracy": np.array(stages),
        "side": np.array(side),
        "images": np.array([len(images.x), len(images.evaluation_x), len(evaluation[0])]),
    }
