"""Drawing of Figures 2 and 3: surfaces of `z = min_i det M_i`, with the theory's zero lines under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from examples.style import RED, new_figure
from proofs.alignment.experiments import determinant_surface

__all__ = ["compute_surfaces", "describe_surfaces", "draw_surfaces"]


def compute_surfaces(fixed: Sequence[tuple[float, ...]], quick: bool) -> dict[str, np.ndarray]:
    """z and its proved sign over the torus, one surface for each tuple of fixed angles."""
    surfaces = [determinant_surface(angles, 61 if quick else 361) for angles in fixed]
    return {
        "fixed": np.array(fixed),
        "grid": surfaces[0].grid,
        "z": np.stack([s.z for s in surfaces]),
        "sign": np.stack([s.sign for s in surfaces]),
    }


def draw_surfaces(data: Mapping[str, Any], names: Sequence[str]) -> Figure:
    """Above, the surfaces; below, the same from above with the lines where theory says z = 0. names: what the fixed angles are called."""
    import mpl_toolkits.mplot3d  # noqa: F401  # registers the 3-D projection

    figure = new_figure(12, 7.6)
    grid, z = data["grid"], data["z"]
    norm, stride = Normalize(float(z.min()), 0.0), max(1, len(grid) // 60)
    ticks, labels = np.linspace(0, 2 * np.pi, 5), ["0", "π/2", "π", "3π/2", "2π"]
    first, second = np.meshgrid(grid, grid, indexing="ij")
    below: list[Any] = []
    image: Any = None
    for k, fixed in enumerate(data["fixed"]):
        title = ", ".join(f"{name} = {angle:g}" for name, angle in zip(names, fixed, strict=True))
        top = figure.add_subplot(2, len(z), k + 1, projection="3d")
        top.plot_surface(
            first,
            second,
            z[k],
            rstride=stride,
            cstride=stride,
            cmap="cividis",
            norm=norm,
            linewidth=0.1,
            edgecolor="#00000030",
        )
        top.plot_wireframe(
            first[:: len(grid) - 1, :: len(grid) - 1],
            second[:: len(grid) - 1, :: len(grid) - 1],
            np.zeros((2, 2)),
            color=RED,
            lw=1.5,
        )
        top.set(title=title, xlabel="θ₂ (rad)", ylabel="θ₃ (rad)", zlim=(float(z.min()), 1.0))
        top.set_zlabel("z")
        top.view_init(elev=24, azim=-125)

        bottom = figure.add_subplot(2, len(z), len(z) + k + 1)
        image = bottom.imshow(
            z[k].T,
            origin="lower",
            extent=(0, 2 * np.pi, 0, 2 * np.pi),
            cmap="cividis",
            norm=norm,
            interpolation="nearest",
        )
        bottom.plot([0, 2 * np.pi], [0, 2 * np.pi], color=RED, ls="--", lw=1.4, label="z = 0: equal angles")
        for angle in (0.0, *fixed, 2 * np.pi):
            bottom.axvline(angle, color=RED, ls="--", lw=1.4)
            bottom.axhline(angle, color=RED, ls="--", lw=1.4)
        bottom.set(
            xlabel="θ₂ (rad)", ylabel="θ₃ (rad)", xticks=ticks, yticks=ticks, xticklabels=labels, yticklabels=labels
        )
        bottom.grid(visible=False)
        below.append(bottom)
    below[0].legend(loc="upper left", bbox_to_anchor=(0, -0.18), fontsize=9)
    figure.colorbar(image, ax=below, label="z = min det $M_i$", shrink=0.9, pad=0.02)
    return figure


def describe_surfaces(data: Mapping[str, Any]) -> str:
    """The caption."""
    z, sign = data["z"], data["sign"]
    ranges = ", ".join(f"{surface.min():.3f}" for surface in z)
    return (
        f"Red: z = 0, the bound of Theorem A (edge of the plane above), reached only where two angles coincide (dashed below). Least values {ranges}; "
        f"{int(np.sum(sign > 0))} of {sign.size} grid points have a positive sign (proved signs)."
    )
