"""Figure 8 of the specialization paper: convolutional students of a pruned teacher specialise on real images, wider ones more.

A teacher with four hidden convolutional layers learns labels by cross-entropy and loses its weaker channels (`networks.prune`). Students with 1, 2 and 5
times the channels that are left learn its outputs. For every epoch: `rho_mean` of each layer, and the accuracy against the true labels, both on images not
trained on.

The paper trains 100 epochs on CIFAR-10 with a teacher of 64-64-64-64 channels and reads evaluation accuracies (average / best) of 79.67 / 80.15,
83.09 / 83.48 and 83.85 / 84.18 % for 1x, 2x and 5x. It gives neither kernel sizes, share pruned, learning rates, batches nor seeds.

Here, by default: scikit-learn's digits (1438 images of 8 x 8 pixels to train on, 359 to evaluate with), 16-16-16-16 channels of which half stay, 3 x 3
kernels, stride 1, float32. Teacher: He's initial weights (uniform), 40 epochs in batches of 32, weight decay 0.005; pruned; then, as pruning by half costs a
third of the accuracy or more, 40 epochs again. Its outputs are divided by their root mean square over 1000 images, which changes neither labels nor correlations.
Students: torch's default initial weights, four seeds for each size, 100 epochs in batches of 16, half the squared error. All by SGD with momentum 0.9 and a
constant learning rate (teacher 0.05, students 0.005) that falls linearly to 0 over the second half.

With `--cifar FOLDER`, where the folder holds the "python version" of CIFAR-10, the paper's channels and batches of 64; correlations and the accuracy by epoch
are then measured on 500 images. Take a GPU for that; torch uses it if there is one. (Tried on small files of that form only.)
"""

# %%
from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from alignmath.networks import ConvReLU, prune, random_student
from examples.style import BLUE, GREEN, GREY, ORANGE, RED, new_figure, run
from solvers.images import ImageSet, cifar10, digits
from solvers.training import train
from solvers.training.measures import accuracy, rho_mean

FACTORS = (1, 2, 5)
_KEEP, _SEEN, _LAST, _SEED = 0.5, 500, 10, 8
_TEACHER = {"learning_rate": 0.05, "weight_decay": 0.005, "momentum": 0.9, "dtype": "float32"}
_STUDENT = {"learning_rate": 0.005, "momentum": 0.9, "dtype": "float32"}


# %%
def compute(quick: bool = False, state: Path | None = None, images: ImageSet | None = None) -> dict[str, np.ndarray]:
    """By size of the student (1x, 2x, 5x), seed and epoch: `rho (3, seeds, epochs, 4)`, accuracy and training loss; accuracies of the teacher."""
    import torch

    images = digits() if images is None else images
    side = images.inputs.shape[-1]
    hidden, batch, seeds, first, epochs = (16,) * 4, 16, 4, 40, 100
    if side > 8:
        hidden, batch = (64,) * 4, 64
    if quick:
        hidden, batch, seeds, first, epochs = (8,) * 4, 16, 2, 3, 3
        images = ImageSet(
            images.inputs[:200], images.labels[:200], images.evaluation_inputs[:100], images.evaluation_labels[:100]
        )
    device = "cuda" if side > 8 and torch.cuda.is_available() else None
    seen = images.evaluation_inputs[:_SEEN], images.evaluation_labels[:_SEEN]
    learn = partial(train, inputs=images.inputs, evaluation=seen, device=device, progress=not quick)
    teacher, stages = _pruned_teacher(learn, images, hidden, first, 2 * batch)
    found: dict[str, list[Any]] = {"rho": [], "accuracy": [], "loss": []}
    for factor in FACTORS:
        result = learn(
            random_student(teacher, factor, np.random.default_rng([_SEED, factor]), batch=(seeds,)),
            teacher,
            epochs=epochs,
            batch=batch,
            schedule=_falling(epochs),
            record=range(epochs + 1),
            measures=[rho_mean, accuracy],
            checkpoint=state / f"images-{side}-{factor}x" if state else None,
            **_STUDENT,
        )
        found["rho"].append(np.moveaxis(result.measured["rho_mean"], 0, 1))
        found["accuracy"].append(result.measured["accuracy"].T)
        found["loss"].append(result.loss)
    return {name: np.array(values) for name, values in found.items()} | {
        "epochs": np.arange(epochs + 1),
        "channels": np.array([[factor * n for n in teacher.widths[1:-1]] for factor in FACTORS]),
        "teacher_channels": np.array(hidden),
        "teacher_accuracy": np.array(stages),
        "side": np.array(side),
        "images": np.array([len(images.inputs), len(images.evaluation_inputs), len(seen[0])]),
    }


def _pruned_teacher(
    learn: Any, images: ImageSet, hidden: tuple[int, ...], epochs: int, batch: int
) -> tuple[ConvReLU, list[float]]:
    """The teacher, pruned, its outputs of size 1; accuracy before pruning, after, and when trained again."""
    sizes = (images.inputs.shape[1], *hidden)
    classes = int(images.labels.max()) + 1
    kernels = tuple(np.zeros((n, below, 3, 3)) for below, n in zip(sizes[:-1], hidden, strict=True))
    like = ConvReLU(kernels, np.zeros((classes, hidden[-1])), tuple(np.zeros(n) for n in (*hidden, classes)))
    options = {"loss": "cross_entropy", "epochs": epochs, "batch": batch, "schedule": _falling(epochs), **_TEACHER}
    options |= {"measures": [accuracy], "target": images.labels}
    whole = learn(random_student(like, 1, np.random.default_rng(_SEED), scale=6**0.5), **options)
    pruned = learn(prune(whole.students, _KEEP), **options)
    network = pruned.students
    size = float(np.sqrt(np.mean(network(images.inputs[:1000]) ** 2)))
    scaled = ConvReLU(network.kernels, network.output / size, (*network.biases[:-1], network.biases[-1] / size))
    stages = [whole.measured["accuracy"][-1], *pruned.measured["accuracy"]]
    return scaled, [float(stage) for stage in stages]


def _falling(epochs: int) -> np.ndarray:
    """Factors of the learning rate: 1 in the first half, then falling linearly towards 0."""
    return np.minimum(1.0, 2 * (1 - np.arange(epochs) / epochs))


def _late(data: Mapping[str, Any]) -> np.ndarray:
    """Accuracies of the last epochs, in per cent, `(3, seeds * epochs)`."""
    return 100 * data["accuracy"][:, :, -_LAST:].reshape(len(FACTORS), -1)


# %%
def table(data: Mapping[str, Any]) -> str:
    """A row for each size: accuracy, loss, and for each layer `rho_mean` at the start and at the end, and the range over the seeds."""
    rows = [
        "size  accuracy: mean   best  loss at the end  rho_mean by layer: start -> end (least, greatest of the seeds)"
    ]
    for k, (factor, late) in enumerate(zip(FACTORS, _late(data), strict=True)):
        start, end = data["rho"][k, :, 0], data["rho"][k, :, -1]
        layers = "   ".join(
            f"{start[:, layer].mean():.3f} -> {end[:, layer].mean():.3f} ({end[:, layer].min():.3f}, {end[:, layer].max():.3f})"
            for layer in range(4)
        )
        rows.append(
            f"{factor:3d}x  {late.mean():14.2f}  {late.max():5.2f}  {data['loss'][k, :, -1].mean():15.5f}  {layers}"
        )
    whole, pruned, again = 100 * data["teacher_accuracy"]
    rows.append(f"teacher: {whole:.2f} before pruning, {pruned:.2f} after, {again:.2f} trained again")
    return "\n".join(rows)


def draw(data: Mapping[str, Any]) -> Figure:
    """A panel for each size of the students."""
    figure = new_figure(12, 4.6)
    panels = figure.subplots(1, 3, sharey=True)
    lines = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (RED, ":"))
    for panel, factor, rho, late, channels in zip(
        panels, FACTORS, data["rho"], _late(data), data["channels"], strict=True
    ):
        panel.axhline(1, color="black", lw=1.4)
        for layer, (color, style) in enumerate(lines):
            curves = rho[:, :, layer]
            panel.fill_between(data["epochs"], curves.min(0), curves.max(0), color=color, alpha=0.1, lw=0)
            panel.plot(data["epochs"], curves.T, color=color, ls=style, lw=0.7, alpha=0.7)
            panel.plot(data["epochs"], curves.mean(0), color=color, ls=style, lw=2.2)
        panel.set_title(
            f"{factor}x: {'-'.join(str(n) for n in channels)} channels\naccuracy {late.mean():.2f} %, best {late.max():.2f} %"
        )
        panel.set(xlabel="epoch", xlim=(0, data["epochs"][-1]), ylim=(min(0.0, data["rho"].min()), 1.04))
    panels[0].set_ylabel(r"$\rho_{mean}$ on evaluation images")
    handles = [
        Line2D(
            [], [], color=color, ls=style, lw=2, label=f"layer {layer}" + {1: " (lowest)", 4: " (top)"}.get(layer, "")
        )
        for layer, (color, style) in enumerate(lines, start=1)
    ]
    handles.append(Line2D([], [], color=GREY, lw=0.7, label="thin: each seed"))
    handles.append(Line2D([], [], color="black", lw=1.4, label="theory: full specialisation, ρ = 1"))
    whole, _, teacher = 100 * data["teacher_accuracy"]
    what = "digits" if data["side"] == 8 else "CIFAR-10"
    figure.suptitle(
        f"Students of a convolutional teacher on {what}; its accuracy: {teacher:.2f} % ({whole:.2f} % before pruning)",
        fontsize=11,
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=9)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    end, late = data["rho"][:, :, -1], _late(data)
    by_size = "; ".join(
        f"{factor}x {', '.join(f'{r:.2f}' for r in rho.mean(0))}" for factor, rho in zip(FACTORS, end, strict=True)
    )
    above = "; ".join(
        f"every {FACTORS[more]}x student is above every {FACTORS[less]}x one in {int(np.sum(end[more].min(0) > end[less].max(0)))}"
        for less, more in ((0, 1), (1, 2), (0, 2))
    )
    rise = ", ".join(f"{np.mean(rho):.2f}" for rho in end - data["rho"][:, :, 0])
    accuracies = ", ".join(f"{values.mean():.2f} / {values.max():.2f}" for values in late)
    return (
        f"Thick: mean of {end.shape[1]} seeds; bands: all of them. rho_mean at the end, from the lowest layer: {by_size}. Of the four layers, {above}. "
        f"Wider students start higher too, as the best of more nodes is taken; in training rho_mean rises, over all layers, by {rise}. "
        f"Accuracy (mean / best of the last {_LAST} epochs and all seeds): {accuracies} %; teacher {100 * data['teacher_accuracy'][-1]:.2f} %."
    )


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure; print the table. `--cifar FOLDER`: take CIFAR-10 from there."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--cifar", type=Path)
    options, rest = parser.parse_known_args(argv)
    images, title = None, "Figure 8: specialisation on digits"
    if options.cifar is not None:
        try:
            images, title = cifar10(options.cifar, dtype="float32"), "Figure 8: specialisation on CIFAR-10"
        except ValueError as error:
            parser.error(f"--cifar: {error}")
    chosen = partial(compute, images=images)
    path = run(rest, "specialization_images", chosen, draw, title, describe, resumable=True)
    with np.load(path.with_suffix(".npz")) as data:
        print(table(data))


if __name__ == "__main__":
    main(sys.argv[1:])
