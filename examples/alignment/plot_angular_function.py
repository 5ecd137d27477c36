"""The function f, its logarithm and its spectrum: what was computed directly, and the proofs' formulas over it.

Dots are independent of the formulas: Monte Carlo for f, finite differences for the curvature of log f, the FFT of samples for the spectrum.
"""

# %%
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from alignmath.angular import ARC_COSINE
from examples.style import BLUE, ORANGE, RED, new_figure, run


# %%
def compute(quick: bool = False) -> dict[str, np.ndarray]:
    """f by Monte Carlo with standard errors, log f and its second differences, Fourier coefficients by FFT and in closed form."""
    rng = np.random.default_rng(0)
    samples = 200_000 if quick else 4_000_000
    angles = np.linspace(0, np.pi, 13)
    first, second = rng.standard_normal((2, samples))
    product = [2 * np.pi * np.maximum(first, 0) * np.maximum(np.cos(t) * first + np.sin(t) * second, 0) for t in angles]
    fine = np.linspace(0, np.pi, 400)[1:-1]
    step = 1e-3
    log_f = np.log(ARC_COSINE(np.stack([fine - step, fine, fine + step])))[:, (fine > step) & (fine < 3.0)]
    orders = np.arange(0, 25)
    grid = 1 << 14
    spectrum = np.fft.rfft(ARC_COSINE(2 * np.pi * np.arange(grid) / grid)).real[orders] / grid
    return {
        "angles": angles,
        "monte_carlo": np.array([p.mean() for p in product]),
        "standard_error": np.array([p.std() / samples**0.5 for p in product]),
        "fine": fine,
        "f": ARC_COSINE(fine),
        "log_angles": fine[(fine > step) & (fine < 3.0)],
        "curvature": (log_f[0] - 2 * log_f[1] + log_f[2]) / step**2,
        "orders": orders,
        "spectrum": spectrum,
        "coefficients": ARC_COSINE.fourier(orders),
    }


def draw(data: Mapping[str, Any]) -> Figure:
    """Three panels: f, the curvature of log f, the spectrum."""
    figure = new_figure(12, 3.8)
    left, middle, right = figure.subplots(1, 3)
    left.plot(data["fine"], data["f"], color=BLUE, label=r"$f(\theta)=\sin\theta+(\pi-\theta)\cos\theta$")
    left.errorbar(
        data["angles"], data["monte_carlo"], 3 * data["standard_error"], fmt="o", color=RED, ms=4, capsize=2,
        label=r"$2\pi\,\mathrm{E}[\sigma(u\cdot x)\,\sigma(v\cdot x)]$, Monte Carlo, 3 s.e.",
    )  # fmt: skip
    left.set(title="f decreases from π to 0 (Lemma 4.2)", xlabel="angle θ (rad)", ylabel="f(θ)", ylim=(-0.15, 4.6))
    left.legend(loc="upper right", fontsize=8.5)

    t = data["log_angles"]
    theory = ((np.pi - t) ** 2 - np.sin(t) ** 2) / ARC_COSINE(t) ** 2
    middle.semilogy(t, theory, color=BLUE, label=r"$(s^2-\sin^2 s)/f^2,\ s=\pi-\theta$")
    middle.semilogy(t[::18], -data["curvature"][::18], "o", color=RED, ms=4, label="second differences")
    middle.set(title="log f is strictly concave (Lemma 4.3)", xlabel="angle θ (rad)", ylabel=r"$-(\log f)''$")
    middle.legend(loc="upper left", fontsize=8.5)

    orders, exact = data["orders"], data["coefficients"]
    shown = exact > 0
    right.semilogy(orders[shown], exact[shown], "_", color=BLUE, ms=13, mew=2.5, label="formula of Theorem 5.6")
    right.semilogy(orders[shown], data["spectrum"][shown], "o", color=RED, ms=4, label="FFT of 16384 samples")
    right.plot(
        orders[~shown], np.full((~shown).sum(), 2e-6), "v", color=ORANGE, ms=6, label="exactly 0 (odd orders from 3)"
    )
    right.set(title="no Fourier coefficient is negative", xlabel="order n", ylabel=r"$\hat F(n)$", ylim=(1e-6, 12))
    right.legend(loc="upper right", fontsize=8.5)
    return figure


def describe(data: Mapping[str, Any]) -> str:
    """The caption."""
    worst = float(
        np.max(np.abs(data["monte_carlo"] - ARC_COSINE(data["angles"])) / np.maximum(data["standard_error"], 1e-12))
    )
    return (
        f"Lines and bars: formulas. Dots: computed without them. The Monte Carlo values are within {worst:.1f} standard errors of f, the FFT within "
        f"{np.max(np.abs(data['spectrum'] - data['coefficients'])):.0e} of the coefficients."
    )


def main(argv: list[str] | None = None) -> None:
    """Draw and save the figure."""
    run(argv, "angular_function", compute, draw, "The function f of the alignment paper and its spectrum", describe)


if __name__ == "__main__":
    main(sys.argv[1:])
