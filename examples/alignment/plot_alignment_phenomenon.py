"""Figure 1 of the alignment paper: students of a teacher with five neurons during gradient descent, and what the text leaves out.

Rows: the exact population gradient; a sample of Gaussian inputs; and teachers whose convex hull contains 0, where zero loss comes with students opposite to
the teachers. The paper does not say how many students there are, nor the learning rate, the start or the seed; here: 10 students, learning rate 0.05, N(0, 1/4) starts.
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from alignmath.networks import TwoLayer, gaussian_weights, regular_polygon
from examples.style import BLUE, GREY, ORANGE, new_figure, run
from proofs.alignment.experiments import angle_to_nearest
from solvers.dynamics.descent import descend

_SEED, _STUDENTS, _LEARNING_RATE, _SAMPLES = 27, 10, 0.05, 2_000
_OPPOSITE_SEED = 15


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """Students, losses and angles to the nearest teacher's line at the recorded epochs, for the three rows."""
    epochs = [0, 10, 100, 500, 2_000] if quick else [0, 10, 1_000, 5_000, 50_000]
    rng = np.random.default_rng(_SEED)
    teacher = gaussian_weights(5, 2, rng)
    students = gaussian_weights(_STUDENTS, 2, rng, scale=0.5)
    inputs = rng.standard_normal((_SAMPLES, 2))
    exact = descend(students, teacher, _LEARNING_RATE, epochs[-1], record=epochs)
    sampled = descend(students, teacher, _LEARNING_RATE, epochs[-1], record=epochs, x=inputs)

    pentagon = regular_polygon(5)
    start = gaussian_weights(5, 2, np.random.default_rng(_OPPOSITE_SEED), scale=0.5)
    opposite = descend(start, pentagon, 0.2, epochs[-1], record=epochs)
    data: dict[str, np.ndarray] = {"epochs": np.array(epochs)}
    for name, path, own_teacher in (
        ("exact", exact, teacher),
        ("sampled", sampled, teacher),
        ("opposite", opposite, pentagon),
    ):
        networks = TwoLayer(path.hidden)
        data |= {
            f"{name}_students": path.hidden,
            f"{name}_teacher": own_teacher.hidden,
            f"{name}_loss": path.loss,
            f"{name}_line_angle": np.degrees(angle_to_nearest(networks, own_teacher, lines=True)),
            f"{name}_angle": np.degrees(angle_to_nearest(networks, own_teacher)),
        }
    return data


def draw(data: Mapping[str, Any]) -> Figure:
    """Weight vectors of teachers (dotted) and students (solid), a column for each recorded epoch."""
    epochs = data["epochs"]
    figure = new_figure(2.7 * len(epochs), 9.9)
    axes = figure.subplots(3, len(epochs))
    panels = (
        ("exact", "population gradient"),
        ("sampled", f"{_SAMPLES} sampled inputs"),
        ("opposite", "teachers that sum to 0"),
    )
    for row, (name, label) in zip(axes, panels, strict=True):
        teacher, students = data[f"{name}_teacher"], data[f"{name}_students"]
        reach = 1.12 * max(float(np.abs(teacher).max()), float(np.abs(students).max()))
        for k, panel in enumerate(row):
            for v in teacher:
                panel.plot([0, v[0]], [0, v[1]], ls=":", color=GREY, lw=2.2)
                panel.plot(*v, "o", mfc="none", mec=GREY, ms=7)
                if name == "opposite":
                    panel.plot([0, -v[0]], [0, -v[1]], ls=":", color=GREY, lw=0.8)
            towards = data[f"{name}_angle"][k] <= data[f"{name}_line_angle"][k] + 1e-9
            for w, with_teacher in zip(students[k], towards, strict=True):
                colour = BLUE if with_teacher else ORANGE
                panel.annotate(
                    "",
                    w,
                    (0, 0),
                    arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.6, "shrinkA": 0, "shrinkB": 0},
                )
            off = data[f"{name}_line_angle"][k] if name != "opposite" else data[f"{name}_angle"][k]
            kind = "to line" if name != "opposite" else "to teacher"
            panel.set_title(f"epoch {epochs[k]}\nloss {data[f'{name}_loss'][k]:.1e}", fontsize=10)
            panel.text(
                0.5,
                -0.02,
                f"angle {kind}: median {np.median(off):.1f}°, max {off.max():.1f}°",
                transform=panel.transAxes,
                ha="center",
                va="top",
                fontsize=8.5,
            )
            panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
            panel.grid(visible=False)
            for side in ("left", "bottom"):
                panel.spines[side].set_visible(False)
        row[0].set_ylabel(label, fontsize=11)
    handles = [
        *axes[0, 0].plot([], [], ls=":", color=GREY, lw=2.2, marker="o", mfc="none", label="teacher"),
        *axes[0, 0].plot([], [], color=BLUE, lw=1.6, label="student"),
        *axes[0, 0].plot(
            [], [], color=ORANGE, lw=1.6, label="student nearer to the opposite of a teacher than to any teacher"
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    last = {name: (data[f"{name}_loss"][-1], data[f"{name}_line_angle"][-1]) for name in ("exact", "sampled")}
    return (
        f"After {data['epochs'][-1]} epochs the angle between a student and the nearest line through a teacher is {np.median(last['exact'][1]):.1f} degrees in the median and at most {last['exact'][1].max():.1f} "
        f"(population gradient, loss {last['exact'][0]:.1e}); {np.median(last['sampled'][1]):.1f} and {last['sampled'][1].max():.1f} with {_SAMPLES} sampled inputs. Theory allows alignment up to sign only: if no two teachers are antipodal, students opposite to teachers "
        "occur at zero loss if and only if 0 is in the convex hull of the teachers (probability 11/16 for five random ones). Third row, regular pentagon: descent from a random start ends at loss "
        f"{data['opposite_loss'][-1]:.0e} with every student {data['opposite_angle'][-1].min():.1f} degrees or more from every teacher."
    )


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""
    run(argv, "alignment_phenomenon", compute, draw, "Figure 1: students align with the teachers' lines", describe)


if __name__ == "__main__":
    main(sys.argv[1:])
