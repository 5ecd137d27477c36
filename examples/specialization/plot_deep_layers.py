"""Figure 4 of the specialization paper: specialisation layer by layer in a deep network, lower layers first. Gaussian inputs, 10x students.

`sqrt(E beta_kk)`, the mean strength of a node's fan-out through all layers above, against the correlation with the best teacher node. Settings: `proofs.specialization.deep_runs`.
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
from examples.style import run
from proofs.specialization.deep_runs import run_deep
from solvers.dynamics.training import Gaussian


# %%
def compute(quick: bool = False, state: Path | None = None) -> dict[str, np.ndarray]:
    """One run, by layer: see `run_deep`."""
    if quick:
        return run_deep(
            Gaussian(20, 10.0, samples=2_000, fresh=True), 2, [0, 2, 6], hidden=(10, 12, 14, 16), evaluated=1_000
        )
    record = [0, 1, 2, 5, 10, 20, 30, 40, 50, 60, 80, 100]
    return run_deep(
        Gaussian(100, 10.0, samples=10_000, fresh=True),
        10,
        record,
        checkpoint=state / "deep-gaussian" if state else None,
        progress=True,
    )


def draw(data: Mapping[str, Any]) -> Figure:
    """Rows are layers, columns epochs."""
    wanted = [0, 10, 20, 50, 100]
    shown = [k for k in wanted if k in data["epochs"]]
    return draw_layers(data, shown if len(shown) > 2 else list(data["epochs"]))


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    first = [
        next((int(e) for e, rho in zip(data["epochs"], data["rho"][:, k], strict=True) if rho > 0.9), None)
        for k in range(4)
    ]
    return f"{data['factor']}x students, one seed. First recorded epoch with rho_mean above 0.9, by layer from the lowest: {first}. At the end rho_mean is {', '.join(f'{r:.3f}' for r in data['rho'][-1])}."


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure; print the table."""

    def shown(data: Mapping[str, Any]) -> str:
        print(table(data))
        return describe(data)

    run(argv, "specialization_deep", compute, draw, "Figure 4: specialisation in deep networks", shown, resumable=True)


if __name__ == "__main__":
    main(sys.argv[1:])
