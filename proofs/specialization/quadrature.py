"""Expectations over Gaussian inputs in the plane by quadrature: what closed forms are compared with, sharing no step with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["planar_mean"]


def planar_mean(weights: np.ndarray, integrand: Callable[[np.ndarray], Any]) -> np.ndarray:
    """`E[g(x)]` for `x ~ N(0, I_2)` and g positively homogeneous of degree 2, smooth but at the kinks `w . x = 0` of `weights (n, 2)`.

    integrand: from points `(N, 2)` to values `(N, ...)`. The radial part is exact, `E|x|^2 = 2`; the angular one is Gauss-Legendre between
    neighbouring kinks.
    """
    polar = np.arctan2(weights[:, 1], weights[:, 0])
    kinks = np.sort(np.mod(np.concatenate([polar - np.pi / 2, polar + np.pi / 2]), 2 * np.pi))
    ends = np.append(kinks, kinks[0] + 2 * np.pi)
    nodes, rule = np.polynomial.legendre.leggauss(16)
    half, middle = np.diff(ends) / 2, (ends[1:] + ends[:-1]) / 2
    points = (middle[:, None] + half[:, None] * nodes).ravel()
    values = np.asarray(integrand(np.stack([np.cos(points), np.sin(points)], axis=1)))
    return np.tensordot((half[:, None] * rule).ravel(), values, axes=(0, 0)) / np.pi
