"""Figure 4 of the min_norm paper: SGD with weight decay condenses, next to the exact optima, and how close it comes in many runs.

Three teacher neurons at 120 degrees with `|a b| = 1`, 100 student neurons, 40 uniform inputs. The paper gives no learning rate, batch, weight decay or
length of training. Here: mini-batches of 8, momentum 0.9, learning rate 0.1 falling to 0 over the second half of 120,000 steps, N(0, 0.09) starts, and the
penalty `2e-4 |theta|^2` (weight decay 4e-4), for which the exact optimum has the paper's squared norm, 5.99. Every run has its own inputs, start and order.
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alignmath.networks import TwoLayer
from alignmath.plane.sectors import sector_probabilities, sector_probability_bound
from examples.min_norm.training import TEACHER, objectives, squared_norms, train, uniform_inputs
from examples.style import BLUE, GREY, ORANGE, RED, new_figure, run
from solvers.interpolation import min_norm, penalized

PENALTY = 4e-4
NEAR = 0.05
_SAMPLES, _WIDTH, _BATCH, _RATE, _SEED = 40, 100, 8, 0.1, 61


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """Networks of every run, their squared norms and objectives, those of the exact optima, and how the mass lies around the teacher's lines."""
    runs, steps = (2, 10_000) if quick else (20, 120_000)
    x = uniform_inputs(_SAMPLES, _SEED, runs)
    y = np.stack([np.asarray(TEACHER(inputs)) for inputs in x])
    sgd = train(x, y, PENALTY, width=_WIDTH, steps=steps, learning_rate=_RATE, batch_size=_BATCH, seed=_SEED)
    optima = [penalized(*samples, PENALTY) for samples in zip(x, y, strict=True)]
    interpolants = [min_norm(*samples) for samples in zip(x, y, strict=True)]
    angle, mass, opposite = _around_lines(sgd)
    exact_near = [
        np.sum(share * (turn <= NEAR)) for turn, share, _ in (_around_lines(optimum.network) for optimum in optima)
    ]
    data = {
        "steps": np.array(steps),
        "teacher": TEACHER.hidden,
        "hidden": sgd.hidden,
        "output": sgd.output,
        "squared_norm": squared_norms(sgd),
        "objective": objectives(sgd, x, y, PENALTY),
        "exact_squared_norm": np.array([optimum.squared_norm for optimum in optima]),
        "exact_objective": np.array([optimum.objective for optimum in optima]),
        "exact_lower_bound": np.array([optimum.lower_bound for optimum in optima]),
        "least_squared_norm": np.array([interpolant.squared_norm for interpolant in interpolants]),
        "angle": angle,
        "mass": mass,
        "near": np.sum(mass * (angle <= NEAR), axis=1),
        "exact_near": np.array(exact_near),
        "opposite": opposite,
        "bound": np.array(sector_probability_bound(_SAMPLES, sector_probabilities(TEACHER))),
    }
    for name, network in (("exact", optima[0].network), ("least", interpolants[0].network)):
        data |= {f"{name}_hidden": network.hidden, f"{name}_output": network.output}
    return data


def _around_lines(networks: TwoLayer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angle of each neuron to the nearest of the teacher's lines, radians, and its share of the mass, `(..., m)`; the share of the mass opposite to a teacher neuron, `(...)`."""
    turned = networks.polar_angles[..., None] - TEACHER.polar_angles
    to_line = np.abs(np.mod(turned + np.pi / 2, np.pi) - np.pi / 2)
    angle = to_line.min(axis=-1)
    mass = np.abs(networks.output) * networks.lengths
    mass = mass / mass.sum(axis=-1, keepdims=True)
    against = np.take_along_axis(np.cos(turned), to_line.argmin(axis=-1)[..., None], axis=-1)[..., 0] < 0
    return angle, mass, np.sum(mass * against, axis=-1)


def table(data: Mapping[str, Any]) -> str:
    """A row for each run: squared norms, ratio of the objectives, shares of the mass."""
    lines = [
        "run  squared norm: SGD  exact optimum    ratio  objective / exact  "
        f"mass within {NEAR:g} rad: SGD  exact optimum  opposite mass: SGD"
    ]
    names = ("squared_norm", "exact_squared_norm", "objective", "exact_objective", "near", "exact_near", "opposite")
    for k, (norm, exact, objective, least, near, exact_near, opposite) in enumerate(
        zip(*(data[name] for name in names), strict=True)
    ):
        lines.append(
            f"{k:3d}  {norm:17.5f}  {exact:13.5f}  {norm / exact:.5f}  {objective / least:17.6f}  {near:25.4f}  "
            f"{exact_near:13.4f}  {opposite:18.4f}"
        )
    return "\n".join(lines)


def _arrows(panel: Axes, teacher: np.ndarray, hidden: np.ndarray, output: np.ndarray) -> float:
    """Draw the neurons, enlarged where they are short; returns how many times."""
    heads = np.abs(output)[:, None] * hidden
    longest = float(np.hypot(*heads.T).max())
    reach = 1.25 * max(1.0, longest) if longest > 0.4 else 1.25 * longest
    for v in teacher:
        panel.plot([-2 * reach * v[0], 0], [-2 * reach * v[1], 0], color=GREY, ls=":", lw=0.9)
        panel.plot([0, v[0]], [0, v[1]], color="black", lw=4.5, solid_capstyle="butt")
    for head, a in zip(heads, output, strict=True):
        if np.hypot(*head) > 1e-3 * longest:
            style: dict[str, Any] = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}
            style |= {"color": RED, "lw": 1.6} if a > 0 else {"color": BLUE, "ls": "--", "lw": 1.2}
            panel.annotate("", head, (0, 0), arrowprops=style)
    panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="$|a|b_1$", ylabel="$|a|b_2$")
    return 1.25 / reach


def _draw_networks(panels: Iterable[Axes], data: Mapping[str, Any]) -> None:
    """One run and the exact optima for its data."""
    least = 2 * len(data["teacher"])
    networks = (
        (data["hidden"][0], data["output"][0]),
        (data["exact_hidden"], data["exact_output"]),
        (data["least_hidden"], data["least_output"]),
    )
    titles = (
        f"SGD with weight decay: |θ|² = {data['squared_norm'][0]:.3f}",
        f"exact optimum with that decay: |θ|² = {data['exact_squared_norm'][0]:.3f}",
        f"exact minimum norm: |θ|² = {data['least_squared_norm'][0]:.6f}",
    )
    for panel, (hidden, output), title in zip(panels, networks, titles, strict=True):
        scale = _arrows(panel, data["teacher"], hidden, output)
        enlarged = f"; enlarged {scale:.1f} times" if scale > 1.05 else ""
        panel.set_title(f"{title}\ntheory: 2 m₀ = {least}{enlarged}", fontsize=10.5)


def _draw_norms(panel: Axes, runs: np.ndarray, data: Mapping[str, Any]) -> None:
    least = 2 * len(data["teacher"])
    panel.axhline(least, color="black", lw=1.4, label=f"theory, no decay: {least}")
    panel.plot(runs, data["exact_squared_norm"], "o", mfc="none", mec=BLUE, ms=9, label="exact optimum")
    panel.plot(runs, data["squared_norm"], "x", color=RED, ms=6, label="SGD")
    low = min(data["squared_norm"].min(), data["exact_squared_norm"].min())
    panel.set(
        title="squared norm of every run",
        xlabel="run",
        ylabel="|θ|²",
        ylim=(low - 0.6 * (least - low), least + 0.1 * (least - low)),
    )
    panel.legend(loc="lower center", ncols=3, fontsize=8, columnspacing=0.9, handletextpad=0.3, handlelength=1.3)


def _draw_differences(panel: Axes, runs: np.ndarray, data: Mapping[str, Any]) -> None:
    above = data["objective"] / data["exact_lower_bound"] - 1
    off = np.abs(data["squared_norm"] / data["exact_squared_norm"] - 1)
    panel.axhline(0.01, color="black", lw=1.4, label="one per cent")
    panel.semilogy(runs, above, "s", color=BLUE, ms=5, label="objective")
    panel.semilogy(runs, off, "x", color=RED, ms=6, label="squared norm")
    panel.set(title="SGD against the exact optimum", xlabel="run", ylabel="relative difference", ylim=(1e-6, 0.3))
    panel.legend(loc="upper center", ncols=3, fontsize=8, columnspacing=0.9, handletextpad=0.3, handlelength=1.3)


def _draw_masses(panel: Axes, data: Mapping[str, Any]) -> None:
    """The share of the mass up to an angle from the teacher's lines, for every run."""
    for k, (angle, mass) in enumerate(zip(data["angle"], data["mass"], strict=True)):
        order = np.argsort(angle)
        panel.step(
            np.append(np.degrees(angle[order]), 30.0),
            np.append(np.cumsum(mass[order]), 1.0),
            where="post",
            color=BLUE,
            lw=0.9,
            alpha=0.6,
            label="SGD, each run" if k == 0 else None,
        )
    spread = np.geomspace(1e-3, 30, 100)
    panel.plot(spread, spread / 30, color=GREY, ls=":", lw=1.6, label="uniform directions")
    panel.axhline(1, color="black", lw=1.4, label="theory: all on the lines")
    panel.axvline(np.degrees(NEAR), color=ORANGE, ls="--", lw=1.4, label=f"{NEAR:g} rad")
    panel.set(
        title="where the mass |a||b| lies, every run",
        xscale="log",
        xlabel="angle from the teacher's lines (degrees)",
        ylabel="share of the mass up to that angle",
        xlim=(3e-3, 30),
        ylim=(0, 1.05),
    )
    panel.legend(
        loc="center right", bbox_to_anchor=(1.0, 0.45), fontsize=8, frameon=True, facecolor="white", edgecolor="none"
    )


def draw(data: Mapping[str, Any]) -> Figure:
    """Above, one run and the exact optima for its data; below, all runs."""
    figure = new_figure(12, 8.4)
    top, bottom = figure.subplots(2, 3, height_ratios=(1.25, 1))
    _draw_networks(top, data)
    handles = [
        *top[0].plot([], [], color="black", lw=4.5, label="teacher"),
        *top[0].plot([], [], color=RED, lw=1.6, label="student, a > 0"),
        *top[0].plot([], [], color=BLUE, ls="--", lw=1.2, label="student, a < 0"),
    ]
    top[2].legend(handles=handles, loc="upper right", fontsize=8.5, frameon=True, facecolor="white", edgecolor="none")
    runs = np.arange(len(data["squared_norm"]))
    _draw_norms(bottom[0], runs, data)
    _draw_differences(bottom[1], runs, data)
    _draw_masses(bottom[2], data)
    for panel in bottom[:2]:
        panel.xaxis.get_major_locator().set_params(integer=True)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    above = data["objective"] / data["exact_objective"] - 1
    off = np.abs(data["squared_norm"] / data["exact_squared_norm"] - 1)
    return (
        f"{len(above)} runs of {int(data['steps'])} steps, weight decay {PENALTY:g}: squared norms from {data['squared_norm'].min():.4f} to {data['squared_norm'].max():.4f} "
        f"(exact optima: {data['exact_squared_norm'].min():.4f} to {data['exact_squared_norm'].max():.4f}; exact minimum norms within {np.abs(data['least_squared_norm'] - 6).max():.0e} of 6). "
        f"Objectives exceed the exact ones by at most {above.max():.2g}, squared norms differ by at most {off.max():.2g}. At least {data['near'].min():.3f} of the mass lies within {NEAR:g} rad of the teacher's "
        f"lines (exact optima: {data['exact_near'].min():.3f}); up to {data['opposite'].max():.2f} is opposite to a teacher neuron, which costs nothing as the three add up to 0. Formula (12) promises condensation with probability {float(data['bound']):.3f}."
    )


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure; print the table of the runs."""
    path = run(argv, "min_norm_condensation", compute, draw, "Figure 4: SGD with weight decay condenses", describe)
    with np.load(path.with_suffix(".npz")) as data:
        print(table(data))


if __name__ == "__main__":
    main(sys.argv[1:])
