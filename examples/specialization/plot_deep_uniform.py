"""Figure 12 of the specialization paper: the deep network with inputs uniform on [-15, 15]^100 and 100,000 samples in every epoch.

The paper finds `rho_mean >= 0.998` in all layers after 100 epochs; it does not say how wide the student is: 10x, as in its Figure 4. Settings: `proofs.specialization.deep_runs`.
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from examples.specialization.layers import draw_layers, table
from examples.specialization.plot_deep_layers import describe
from examples.style import run
from proofs.specialization.deep_runs import run_deep
from solvers.dynamics.training import Uniform


# %%
def compute(quick: bool = False, state: Path | None = None) -> dict[str, np.ndarray]:
    """One run, by layer: see `run_deep`."""
    if quick:
        return run_deep(
            Uniform(20, 15.0, samples=3_000, fresh=True), 2, [0, 2, 4], hidden=(10, 12, 14, 16), evaluated=1_000
        )
    record = [0, 1, 2, 5, 10, 25, 50, 75, 100]
    return run_deep(
        Uniform(100, 15.0, samples=100_000, fresh=True),
        10,
        record,
        checkpoint=state / "deep-uniform" if state else None,
        progress=True,
    )


def draw(data: Mapping[str, Any]) -> Figure:
    """Rows are layers, columns epochs."""
    wanted = [0, 25, 50, 75, 100]
    shown = [k for k in wanted if k in data["epochs"]]
    return draw_layers(data, shown if len(shown) > 2 else list(data["epochs"]))


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure; print the table."""

    def shown(data: Mapping[str, Any]) -> str:
        print(table(data))
        return describe(data)

    run(
        argv,
        "specialization_deep_uniform",
        compute,
        draw,
        "Figure 12: deep networks, uniform inputs",
        shown,
        resumable=True,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
