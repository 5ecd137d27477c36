"""What the figures share: colours, settings, and how they are saved.

Settings apply inside `with settings():` only; matplotlib is left as the user set it up.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["BLUE", "GREEN", "GREY", "ORANGE", "PURPLE", "RED", "new_figure", "run", "settings"]

# Okabe and Ito's palette, told apart by colour-blind readers; used with different line styles, markers or brightness throughout.
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#5A5F66"


def settings() -> AbstractContextManager[Any]:
    """The shared look, for the duration of a `with` block."""
    return mpl.rc_context(
        {
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.labelsize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#DDDDDD",
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
        }
    )


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` by `height` inches, laid out so that nothing overlaps; not registered with pyplot."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def run(
    argv: list[str] | None,
    name: str,
    compute: Callable[..., Mapping[str, Any]],
    draw: Callable[[Mapping[str, Any]], Figure],
    title: str,
    describe: Callable[[Mapping[str, Any]], str],
    *,
    resumable: bool = False,
) -> Path:
    """What every script's `main` does: parse the options, compute, draw, save `name`.png and `name`.npz; returns the PNG's path.

    compute: takes whether the quick profile is wanted, returns arrays by name. describe: a sentence or two for the caption.
    resumable: `compute` also takes a folder to keep finished work in (None in the quick profile): `state` in the folder of the figures.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument(
        "--out", type=Path, default=Path("figures"), help="folder for the PNG and the data (default: figures)"
    )
    parser.add_argument("--profile", choices=("quick", "full"), default="full", help="quick: coarser, for tests")
    options = parser.parse_args(argv)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out {options.out} is no folder that can be written: {error}")
    quick = options.profile == "quick"
    data = compute(quick, None if quick else options.out / "state") if resumable else compute(quick)
    with settings():
        figure = draw(data)
        path = options.out / f"{name}.png"
        figure.savefig(path, dpi=130, metadata={"Title": title, "Description": describe(data)})
    arrays: dict[str, Any] = {key: np.asarray(value) for key, value in data.items()}
    np.savez_compressed(options.out / f"{name}.npz", **arrays)
    print(path)
    return path
