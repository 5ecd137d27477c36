"""Rational networks that are critical points: counterexamples to what the specialization paper prints, and what its theorems predict."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from .exact_networks import ExactNetwork, boundary_direction, exact, two_layer
from .samples import random_nodes

__all__ = [
    "Constructed",
    "constructed",
    "far_teacher",
    "few_samples",
    "opposite_student",
    "opposite_teachers",
    "shifted_kinks",
    "silent_students",
    "tilted_pair",
    "with_second_layer",
]

Pair = tuple[ExactNetwork, ExactNetwork]
"""Student and teacher."""


def opposite_student(kink: Fraction | int = 0, *, dimension: int = 1) -> Pair:
    """Teacher `relu(t)`, `t = x_1 - kink`, and the student `relu(-t) + t` on `(-10, 10)`, t as a difference of two nodes active there.

    Only the first of `dimension` coordinates is used.
    """
    rest = [0] * (dimension - 1)
    nodes = [(-1, *rest, kink), (1, *rest, 10), ("1/2", *rest, 10 + Fraction(kink) / 2)]
    return two_layer(nodes, [1, 2, -2], [0]), two_layer([(1, *rest, -Fraction(kink))], [1], [0])


def silent_students() -> Pair:
    """Inputs in the unit disc: teacher `relu(x_1)`, all students silent there; the output layer has no bias."""
    return two_layer([(0, 1, -5), (1, 2, -15)], [1, 1]), two_layer([(1, 0, 0)], [1])


def shifted_kinks() -> Pair:
    """Teacher `relu(x)`, and the student `relu(-x) + x`, x made of antiparallel pairs with boundaries at 1/2 and -1/2."""
    nodes = [(-1, 0), (1, "-1/2"), (-1, "1/2"), (1, "1/2"), (-1, "-1/2")]
    return two_layer(nodes, [1, "1/2", "-1/2", "1/2", "-1/2"], [0]), two_layer([(1, 0)], [1], [0])


def with_second_layer(pair: Pair) -> Pair:
    """Two-layer networks of one input and output below 1 in size, with one more hidden layer, `relu(f + 1)`, and the output less 1."""
    layers = []
    for network in pair:
        one = exact([1])
        weights = (network.weights[0], network.weights[1], exact([[1]]))
        layers.append(ExactNetwork(weights, (network.biases[0], one, -one)))
    return layers[0], layers[1]


def few_samples() -> tuple[Pair, tuple[int, ...]]:
    """Three samples, and a student that agrees with `relu(x)` there; its boundaries are -1/2 and 1."""
    pair = two_layer([(1, "1/2"), (1, -1)], ["2/3", "1/3"], [0]), two_layer([(1, 0)], [1], [0])
    return pair, (-1, 1, 2)


def opposite_teachers() -> Pair:
    """Two teachers on one boundary, `relu(x) - relu(-x) = x`, and a student `relu(x + 10) - 10`."""
    return two_layer([(1, 10)], [1], [-10]), two_layer([(1, 0), (-1, 0)], [1, -1], [0])


def far_teacher() -> Pair:
    """Inputs in (-1, 1): teachers `relu(x)` and `relu(x - 5)`, a student that is the first of them."""
    return two_layer([(1, 0)], [1], [0]), two_layer([(1, 0), (1, -5)], [1, 1], [0])


def tilted_pair(t: Any) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """Nodes `x_1 - 3/10` and its opposite turned by `2 arctan t`: unit weights `(1, 0)`, `(-(1-t^2), 2t)/(1+t^2)`, biases -3/10, 3/10.

    t: a rational or a SymPy symbol.
    """
    t, bias = sp.sympify(t), sp.Rational(3, 10)
    cosine, sine = (1 - t**2) / (1 + t**2), 2 * t / (1 + t**2)
    return (sp.Integer(1), sp.Integer(0), -bias), (-cosine, sine, bias)


@dataclass(frozen=True)
class Constructed:
    """A teacher and a student that computes the same, in the ways the theorems leave.

    copies: for each teacher node the students on its boundary. spare: groups of students on one other boundary each.
    """

    student: ExactNetwork
    teacher: ExactNetwork
    copies: list[list[int]]
    spare: list[list[int]]


def constructed(seed: int) -> Constructed:
    """Random rational teacher in 1 to 3 dimensions with 1 or 2 outputs, and a student with the same function.

    The first teacher node has one student, the second three that share it; two parallel students cancel each other, and two antiparallel
    pairs on parallel boundaries cancel up to a constant, which the output bias takes up.
    """
    rng = np.random.default_rng([821, seed])
    dimension, outputs = 1 + seed % 3, 1 + seed % 2

    def vector() -> np.ndarray:
        return exact(rng.choice([-3, -2, -1, 1, 2, 3], outputs))

    *nodes, first, second = random_nodes(rng, 4, dimension)
    while boundary_direction(second, shifted := (*second[:-1], second[-1] + 1)) or any(
        boundary_direction(shifted, other) for other in (*nodes, first)
    ):
        second = (*second[:-1], second[-1] + Fraction(1, 7))
    fan_out = [vector() for _ in nodes]
    students, out = [], []

    def add(node: tuple[Fraction, ...], gamma: Fraction, v: np.ndarray) -> int:
        students.append(tuple(gamma * w for w in node))
        out.append(tuple(v / abs(gamma)))
        return len(students) - 1

    copies = [[add(nodes[0], Fraction(3, 2), fan_out[0])]]
    shares = [vector(), vector()]
    shares.append(fan_out[1] - shares[0] - shares[1])
    copies.append([add(nodes[1], Fraction(g), v) for g, v in zip((1, 2, 5), shares, strict=True)])
    v, w = vector(), vector()
    spare = [[add(first, Fraction(1), v), add(first, Fraction(2), -v)]]
    spare.append([add(second, Fraction(1), w), add(second, Fraction(-3), -w)])
    spare.append([add(shifted, Fraction(1), -w), add(shifted, Fraction(-2), w)])
    bias = vector()
    teacher = two_layer(nodes, [tuple(part) for part in fan_out], list(bias))
    student = two_layer(students, out, list(bias + w))
    return Constructed(student, teacher, copies, spare)
