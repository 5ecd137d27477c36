"""Figure 3 of the alignment paper: z = min_i det M_i for m = 4, with (theta_1, theta_4) = (1, 4), (1, 6), (2, 4) held fixed."""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from examples.alignment.surfaces import compute_surfaces, describe_surfaces, draw_surfaces
from examples.style import run
from proofs.alignment.experiments import FIGURE_THREE


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """z and its proved sign over the grid of (theta_2, theta_3)."""
    return compute_surfaces(FIGURE_THREE, quick)


def draw(data: Mapping[str, Any]) -> Figure:
    """The three surfaces."""
    return draw_surfaces(data, ("θ₁", "θ₄"))


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""
    run(
        argv,
        "determinant_surface_four",
        compute,
        draw,
        "Figure 3: the smallest replaced determinant, m = 4",
        describe_surfaces,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
