"""Figure 8 of the specialization paper: convolutional students of a pruned teacher specialise on real images, wider ones more.

Students with 1, 2 and 5 times the channels that a pruned teacher has left learn its outputs: settings in `proofs.specialization.image_runs`. For every epoch: `rho_mean` of each layer, and
the accuracy against the true labels, both on images not trained on. The paper trains 100 epochs on CIFAR-10 and reads evaluation accuracies (average / best) of 79.67 / 80.15,
83.09 / 83.48 and 83.85 / 84.18 % for 1x, 2x and 5x.

Here, by default: scikit-learn's digits (1438 images of 8 x 8 pixels to train on, 359 to evaluate with), a teacher of 16-16-16-16 channels, 40 epochs before and after pruning, four seeds
for each size, 100 epochs in batches of 16. With `--cifar FOLDER`, where the folder holds the "python version" of CIFAR-10, the paper's channels and batches of 64; correlations and the
accuracy by epoch are then measured on 500 images. Take a GPU for that; torch uses it if there is one. (Tried on small files of that form only.)
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

from examples.style import BLUE, GREEN, GREY, ORANGE, RED, new_figure, run
from proofs.specialization.image_runs import image_runs
from solvers.images import ImageSet, cifar10, digits

FACTORS = (1, 2, 5)
_LAST = 10


# %%
def compute(quick: bool = False, state: Path | None = None, images: ImageSet | None = None) -> dict[str, np.ndarray]:
    """The runs of `image_runs` for 1x, 2x and 5x students."""
    import torch

    images = digits() if images is None else images
    if quick:
        few = ImageSet(images.x[:200], images.y[:200], images.evaluation_x[:100], images.evaluation_y[:100])
        return image_runs(few, FACTORS, hidden=(8,) * 4, teacher_epochs=3, epochs=3, batch_size=16, seeds=2)
    large = images.x.shape[-1] > 8
    return image_runs(
        images,
        FACTORS,
        hidden=(64 if large else 16,) * 4,
        teacher_epochs=40,
        epochs=100,
        batch_size=64 if large else 16,
        seeds=4,
        checkpoint=state,
        device="cuda" if large and torch.cuda.is_available() else None,
        progress=True,
    )


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
