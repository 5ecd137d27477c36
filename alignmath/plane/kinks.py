"""Kinks of two-layer ReLU networks on inputs of dimension 2, their total size kappa, and values in linearithmic time.

A network is linear between the angles where its gradient jumps, its kinks (min_norm paper, eqs. (7)-(8)); `sectors`
has the regions between those of a teacher.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..networks import TwoLayer
from .sectors import SAME_ANGLE, gradient_parts, kink_lines, plane_inputs, plane_neurons

__all__ = ["Kinks", "evaluate", "gradient_kinks", "kappa"]


@dataclass(frozen=True, eq=False)
class Kinks:
    """The K angles, in order in `[0, 2 pi)`, at which the gradient of f jumps, and how far; see `gradient_kinks`.

    - angles: `(K,)`, radians
    - jumps: `(K,)`, signed: past the angle t the gradient has gained `jump` times the unit vector at `t + pi/2`; f as a
      function of the angle has `f'' + f` equal to these masses at these angles

    >>> from alignmath.networks import TwoLayer
    >>> gradient_kinks(TwoLayer([[0.0, 1.0]], [-2.0])).jumps
    array([-2., -2.])
    """

    angles: np.ndarray
    jumps: np.ndarray


def gradient_kinks(network: TwoLayer) -> Kinks:
    """The kinks of one network in the plane: the set A of the gradient, and its jumps. min_norm paper, eq. (7).

    A neuron jumps by `a_j |b_j|` at both angles a quarter turn from b_j, so that each kink has a partner half a turn
    on. Neurons on one line to rounding are added up, and dropped where they cancel: `relu(t) - relu(-t) = t` has no
    kink. Costs one sort. Raises `ValueError` for a batch and for inputs not in the plane.

    >>> from alignmath.networks import orthonormal
    >>> np.degrees(gradient_kinks(orthonormal(2, 2)).angles)
    array([  0.,  90., 180., 270.])
    """
    hidden, output = plane_neurons(network, "network")
    live = np.any(hidden != 0, axis=1) & (output != 0)
    if not np.any(live):
        return Kinks(np.zeros(0), np.zeros(0))
    lines, line = kink_lines(hidden[live])
    masses = (output * np.hypot(hidden[:, 0], hidden[:, 1]))[live]
    groups = np.split(masses[np.argsort(line, kind="stable")], np.cumsum(np.bincount(line))[:-1])
    jumps = np.array([math.fsum(group) for group in groups])
    kept = np.abs(jumps) > SAME_ANGLE * np.bincount(line, np.abs(masses))
    return Kinks(np.concatenate([lines[kept], lines[kept] + math.pi]), np.tile(jumps[kept], 2))


def kappa(network: TwoLayer) -> float:
    """`kappa(f)`, the total size of the jumps of the gradient on the circle. min_norm paper, eq. (8).

    `2 |a| |b|` for one neuron, at most `kappa(f) + kappa(g)` for `f + g`, hence at most `2 sum_j |a_j| |b_j|`
    (Remark 4.3), and equal to that where no neurons of opposite sign share a line. Errors as for `gradient_kinks`.

    >>> from alignmath.networks import TwoLayer, regular_polygon
    >>> round(kappa(regular_polygon(3)), 12)
    6.0
    >>> kappa(TwoLayer([[1.0, 0.0], [-1.0, 0.0]], [1.0, -1.0]))  # a linear function
    0.0
    """
    return math.fsum(np.abs(gradient_kinks(network).jumps))


def evaluate(network: TwoLayer, x: Any) -> np.ndarray:
    """f at the inputs `x (N, 2)`, `(N,)`, for one network of width m in the plane, in `O((N + m) log(N + m))`.

    Finds the sector of each input, and there the gradient, by one sort and exact prefix sums, so that the error is a
    few roundings of `sum_j |a_j| |b_j| |x|` at any width. float64. Raises `ValueError` for a batch, for inputs not in
    the plane, and for weights whose sum of `|a_j| |b_j|` exceeds 1e300.

    >>> from alignmath.networks import orthonormal
    >>> evaluate(orthonormal(2, 2), [[1.0, 2.0], [-1.0, 2.0]])
    array([3., 2.])
    """
    hidden, output = plane_neurons(network, "network")
    x = plane_inputs(x, zero=True)
    coarse, fine = gradient_parts(hidden, output, np.arctan2(x[:, 1], x[:, 0]))
    return np.sum(coarse * x, axis=1) + np.sum(fine * x, axis=1)
