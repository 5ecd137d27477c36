"""The formulas the claims of the min_norm paper are about, in SymPy and exact arithmetic, and the networks they are checked on.

A network in the plane is a list of neurons `(c, u)`, `f(x) = sum c relu(u . x)`, with exact entries; u need not be a unit vector, and the
mass of the neuron is `|c| |u|`. Functions are compared wedge by wedge: between neighbouring kinks both are linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import comb, factorial
from typing import Any

import numpy as np
import sympy as sp

__all__ = [
    "NO_OPPOSITES",
    "cost",
    "cross",
    "dot",
    "dual_certificate",
    "exact_probability",
    "joining_sinusoid",
    "jump",
    "kappa",
    "kink_rays",
    "merged",
    "multipliers",
    "network_gradient",
    "network_value",
    "opposite_teacher",
    "rational_teacher",
    "regrouped",
    "same_function",
    "sign",
    "union_bound",
    "wedge_rays",
]

NO_OPPOSITES = "no two of its neurons on one line have output weights of opposite sign"
"""The hypothesis on the teacher that the paper leaves out."""
Neuron = tuple[Any, tuple[Any, Any]]
"""`(c, u)`: the neuron `c relu(u . x)`, exact."""


def dot(u: Sequence[Any], x: Sequence[Any]) -> Any:
    """Inner product."""
    return sum(p * q for p, q in zip(u, x, strict=True))


def cross(u: Sequence[Any], x: Sequence[Any]) -> Any:
    """Signed area."""
    return u[0] * x[1] - u[1] * x[0]


def jump(c: Any, u: sp.Matrix, crossing: int) -> sp.Matrix:
    """What is added to the gradient of `c relu(u . x)` on crossing the line `u . x = 0`, towards positive `u . x` (crossing 1) or away (-1)."""
    active = c * u
    return crossing * active


def merged(v: Any, w: Any) -> Any:
    """The hidden vector that replaces two of one wedge."""
    return v + w


def sign(value: Any) -> int:
    """Sign of an exact algebraic number."""
    return int(sp.sign(sp.radsimp(sp.expand(value))))


def network_gradient(network: Sequence[Neuron], x: Sequence[Any]) -> sp.Matrix:
    """Gradient at x, which must lie on no kink."""
    total = sp.zeros(2, 1)
    for c, u in network:
        side = sign(dot(u, x))
        if side == 0:
            raise ValueError(f"{x} lies on the kink of {u}")
        if side > 0:
            total += c * sp.Matrix(u)
    return total.applyfunc(lambda entry: sp.radsimp(sp.expand(entry)))


def network_value(network: Sequence[Neuron], x: Sequence[Any]) -> Any:
    """`f(x)`, exactly."""
    return sp.radsimp(sp.expand(sum(c * dot(u, x) for c, u in network if sign(dot(u, x)) > 0)))


def kink_rays(*networks: Sequence[Neuron]) -> list[tuple[Any, Any]]:
    """The rays on which some neuron is at its kink, counter-clockwise, each once; exact."""
    rays: list[tuple[Any, Any]] = []
    for network in networks:
        for _, (a, b) in network:
            for ray in ((-b, a), (b, -a)):
                if not any(sign(cross(ray, r)) == 0 and sign(dot(ray, r)) > 0 for r in rays):
                    rays.append(ray)
    return sorted(rays, key=lambda ray: float(sp.atan2(ray[1], ray[0])))


def wedge_rays(*networks: Sequence[Neuron]) -> list[tuple[Any, Any]]:
    """One ray inside each wedge between neighbouring kinks; the order of the kinks is checked exactly."""
    rays = kink_rays(*networks)
    if len(rays) == 2:
        return [(-ray[1], ray[0]) for ray in rays]
    inside = []
    for first, second in zip(rays, [*rays[1:], rays[0]], strict=True):
        if sign(cross(first, second)) <= 0:
            raise ValueError("the rays are not in order around the circle")
        lengths = [sp.sqrt(dot(r, r)) for r in (first, second)]
        inside.append(tuple(p / lengths[0] + q / lengths[1] for p, q in zip(first, second, strict=True)))
    return inside


def same_function(first: Sequence[Neuron], second: Sequence[Neuron]) -> bool:
    """Whether two networks are equal as functions: equal gradients in every wedge that their kinks cut out."""
    return all(network_gradient(first, ray) == network_gradient(second, ray) for ray in wedge_rays(first, second))


def cost(network: Sequence[Neuron]) -> Any:
    """`sum |a_j| |b_j|`, exactly; half the squared norm when the neurons are balanced."""
    return sp.nsimplify(sp.radsimp(sum(sp.Abs(c) * sp.sqrt(dot(u, u)) for c, u in network)))


def kappa(network: Sequence[Neuron]) -> Any:
    """Equation (8), exactly: the sum of the jumps of the gradient around the circle."""
    gradients = [network_gradient(network, ray) for ray in wedge_rays(network)]
    steps = [q - p for p, q in zip(gradients, [*gradients[1:], gradients[0]], strict=True)]
    return sp.radsimp(sum(sp.sqrt(sp.expand(dot(step, step))) for step in steps))


def opposite_teacher() -> list[Neuron]:
    """A teacher with two neurons in opposite directions and of opposite sign, all masses 1: `relu(e.x) - relu(-e.x) + relu(b.x)`."""
    root = sp.sqrt(3)
    return [(1, (1, 0)), (-1, (-1, 0)), (1, (-root / 2, sp.Rational(1, 2)))]


def regrouped() -> list[Neuron]:
    """The same function as `opposite_teacher`, of cost 2."""
    root, half = sp.sqrt(3), sp.Rational(1, 2)
    b, ell = (-root / 2, half), (half, root / 2)
    return [(1 - root / 2, b), (root / 2, (-b[0], -b[1])), (half, ell), (-half, (-ell[0], -ell[1]))]


def rational_teacher() -> list[Neuron]:
    """As `opposite_teacher`, with the rational direction `b = (-4/5, 3/5)`."""
    return [(1, (1, 0)), (-1, (-1, 0)), (1, (-sp.Rational(4, 5), sp.Rational(3, 5)))]


def joining_sinusoid(first: Any, last: Any, gap: Any, start: Any, stop: Any, t: Any) -> Any:
    """The sinusoid `v(t)` with `v(start) = first cos(start)` and `v(stop) = last cos(gap - stop)`."""
    here, there = first * sp.cos(start), last * sp.cos(gap - stop)
    return (here * sp.sin(stop - t) + there * sp.sin(t - start)) / sp.sin(stop - start)


def multipliers(first: Any, last: Any, gap: Any, start: Any, stop: Any, *, sin: Any = sp.sin, cos: Any = sp.cos) -> Any:
    """`lambda_1, lambda_2` with `lambda_1 x_1 + lambda_2 x_2 = (last beta' - first beta)/2`.

    beta at angle 0, beta' at `gap`, the points `x_i` at a right angle ahead of the offsets `start < stop` between them.
    """
    span = 2 * sin(stop - start)
    return (last * cos(gap - stop) - first * cos(stop)) / span, (first * cos(start) - last * cos(gap - start)) / span


def dual_certificate(angles: Any, signs: Any, samples: Any) -> np.ndarray:
    """The multipliers of Theorem 5.2's certificate, `(N,)`, in float64, zero where no pair of a sector uses the sample.

    angles, signs: `(m,)`, the directions and signs of the teacher's neurons, on distinct lines. samples: `(N,)`, their angles.
    In each sector the pair on one side of the bisector that lies furthest apart is taken.
    """
    lines = np.mod(np.asarray(angles, dtype=float), np.pi)
    order = np.argsort(lines)
    beta, e = np.concatenate([lines[order], lines[order] + np.pi]), np.tile(np.asarray(signs)[order], 2)
    result = np.zeros(len(samples))
    offsets = np.mod(np.asarray(samples) - np.pi / 2 - beta[0], 2 * np.pi)
    beta = np.append(beta - beta[0], 2 * np.pi)
    for j in range(len(e)):
        gap = beta[j + 1] - beta[j]
        inside = np.flatnonzero((offsets > beta[j]) & (offsets < beta[j + 1]))
        inside = inside[np.argsort(offsets[inside])]
        d = offsets[inside] - beta[j]
        sides = [np.flatnonzero(d <= gap / 2), np.flatnonzero(d >= gap / 2)]
        pairs = [(d[side[-1]] - d[side[0]], side[0], side[-1]) for side in sides if len(side) > 1]
        if not pairs:
            raise ValueError(f"sector {j} holds no two samples on one side of its bisector")
        _, p, q = max(pairs)
        result[inside[[p, q]]] += multipliers(e[j], e[(j + 1) % len(e)], gap, d[p], d[q], sin=np.sin, cos=np.cos)
    return result


def union_bound(samples: int, probabilities: Sequence[Fraction], least: int = 3) -> Fraction:
    """Equation (12): a lower bound on the probability that every sector holds `least` of the independent points."""
    few = sum(comb(samples, k) * p**k * (1 - p) ** (samples - k) for p in probabilities for k in range(least))
    return Fraction(1 - few)


def exact_probability(samples: int, probabilities: Sequence[Fraction], least: int = 3) -> Fraction:
    """The probability itself: `N!` times the coefficient of `z^N` in the product of `exp(p z) - sum_{k < least} (p z)^k / k!`."""
    product = [Fraction(1)] + [Fraction(0)] * samples
    for p in probabilities:
        factor = [p**k / factorial(k) if k >= least else Fraction(0) for k in range(samples + 1)]
        product = [sum((product[i] * factor[n - i] for i in range(n + 1)), Fraction(0)) for n in range(samples + 1)]
    return factorial(samples) * product[samples]
