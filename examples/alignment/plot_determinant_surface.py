"""Figure 2 of the alignment paper: z = min(det M_1, det M_2, det M_3) for m = 3, with theta_1 = 1, 2, 3 held fixed."""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from examples.alignment.surfaces import compute_surfaces, describe_surfaces, draw_surfaces
from examples.style import run
from proofs.alignment.experiments import FIGURE_TWO


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """z and its proved sign over the grid of (theta_2, theta_3)."""
    return compute_surfaces(FIGURE_TWO, quick)


def draw(data: Mapping[str, Any]) -> Figure:
    """The three surfaces."""
    return draw_surfaces(data, ("θ₁",))


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""
    run(
        argv,
        "determinant_surface",
        compute,
        draw,
        "Figure 2: the smallest replaced determinant, m = 3",
        describe_surfaces,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
