"""The specialization paper's convolutional networks, Figure 8: what the text says, and what was measured in the settings of `image_runs`.

The paper's images are CIFAR-10; here they are scikit-learn's digits. At full effort the runs of the figure: 16 channels pruned to 8, students of 1, 2 and 5 times as many, four seeds, 100 epochs.
At quick effort 500 images, 8 channels pruned to 4, 1x and 5x, two seeds, 8 epochs (14 for the teacher).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from solvers.images import ImageSet, digits

from ..engine.claims import Effort, Outcome
from ..engine.derivation import Derivation
from .figure_experiments import measured_claim
from .image_runs import image_runs

__all__ = ["CLAIMS"]

_LATE = 3
"""Epochs at the end over which accuracies are averaged."""


@cache
def _runs(effort: Effort) -> dict[str, np.ndarray]:
    images = digits()
    if effort is Effort.QUICK:
        few = ImageSet(images.x[:500], images.y[:500], images.evaluation_x, images.evaluation_y)
        return image_runs(few, (1, 5), hidden=(8,) * 4, teacher_epochs=14, epochs=8, batch_size=16, seeds=2)
    return image_runs(images, (1, 2, 5), hidden=(16,) * 4, teacher_epochs=40, epochs=100, batch_size=16, seeds=4)


def _listed(values: np.ndarray) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def _setting(data: dict[str, np.ndarray]) -> str:
    train, _, seen = data["images"]
    return f"Digits: {train} images to train on, {seen} to evaluate with; {data['rho'].shape[1]} seeds, {data['epochs'][-1]} epochs"


def _text_eight(effort: Effort) -> Outcome:
    d, data = Derivation(), _runs(effort)
    end, accuracy = data["rho"][:, :, -1].mean(axis=1), data["accuracy"][:, :, -_LATE:].mean(axis=2)
    rows = "; ".join(f"{factor}x {_listed(rho)}" for factor, rho in zip(data["factors"], end, strict=True))
    d.measurement(
        "wide students specialise more",
        bool(np.all(np.diff(end, axis=0) > 0)),
        f"{_setting(data)}. rho_mean at the end, from the lowest layer up, mean over the seeds: {rows}: rising with the size in every layer.",
    )
    rates = ", ".join(f"{k}x {100 * a:.2f} %" for k, a in zip(data["factors"], accuracy.mean(axis=1), strict=True))
    gain = accuracy[-1] - accuracy[0]
    error = gain.std(ddof=1) / len(gain) ** 0.5
    found = f"{data['factors'][-1]}x against 1x {100 * gain.mean():+.2f} points, standard error {100 * error:.2f}"
    d.measurement(
        "the largest students do not generalise worse",
        bool(gain.mean() > -2 * error),
        f"Accuracy on images not trained on, mean of the last {_LATE} epochs: {rates}; {found} over the seeds.",
    )
    return d.measured(f"on digits: rho_mean {rows}, as the text says; accuracy {rates} ({found})")


def _measured_eight(effort: Effort) -> Outcome:
    d, data = Derivation(), _runs(effort)
    start, end = data["rho"][-1, :, 0].mean(axis=0), data["rho"][-1, :, -1].mean(axis=0)
    factor = data["factors"][-1]
    d.measurement(
        "training, not size alone, raises the correlations",
        bool(np.all(end > start + 0.03)),
        f"{_setting(data)}. {factor}x students, rho_mean from the lowest layer up: {_listed(start)} with initial weights, as the best of more nodes is taken; {_listed(end)} at the end, at least 0.03 more in every layer.",
    )
    most = float(data["rho"][:, :, -1].max())
    d.measurement(
        "specialisation is not complete",
        most < 0.95,
        f"In no layer of any student does the mean over the teacher's nodes reach the 0.95 that counts as covered: {most:.2f} is the most.",
    )
    whole, pruned, again = data["teacher_accuracy"]
    d.measurement(
        "pruning costs accuracy, training again restores it",
        bool(pruned < whole - 0.1 and again > pruned + 0.1),
        f"The teacher's accuracy: {100 * whole:.2f} %, {100 * pruned:.2f} % without half of its channels, {100 * again:.2f} % trained again.",
    )
    return d.measured(
        f"{factor}x students rise to rho_mean {_listed(end)}; no layer reaches 0.95 ({most:.2f} is the most)"
    )


CLAIMS = (
    measured_claim(
        "specialization.fig8",
        "Figure 8, what the text says",
        "Convolutional students of a pruned teacher: the more over-realised, the higher the mean best correlation in every layer. The evaluation accuracy, which the paper finds higher too, is not lower beyond its standard error. On digits, in the place of CIFAR-10.",
        _text_eight,
    ),
    measured_claim(
        "specialization.fig8.measured",
        "Figure 8, measured",
        "Training raises the correlations of all layers of the largest students beyond those that the number of nodes gives; no layer is covered on average. On digits.",
        _measured_eight,
    ),
)
