"""ReLU networks with rational weights: what they do at a point, along an interval and as functions, decided exactly.

The arrays hold `Fraction`s (NumPy's dtype `object`). Weights are laid out as in `alignmath.networks.DeepReLU`, a row for each node, so
that `W_l` of the paper is the transpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from alignmath.networks import DeepReLU

from . import critical_formulas as formulas

__all__ = [
    "ExactNetwork",
    "Node",
    "aligned",
    "as_floats",
    "boundary_direction",
    "cells",
    "exact",
    "group_sums",
    "is_critical",
    "kink_form",
    "never_active",
    "node_value",
    "point_off_others",
    "sample_directions",
    "sees",
    "two_layer",
]

Node = tuple[Fraction, ...]
"""`(w_1, ..., w_d, b)`: weights and bias of a node."""


@dataclass(frozen=True, eq=False)
class ExactNetwork:
    """weights: arrays `(n_l, n_{l-1})`, l = 1..L, the last layer linear. biases: `(n_l,)`, or None for a layer without."""

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray | None, ...]

    @property
    def depth(self) -> int:
        """Number of hidden layers."""
        return len(self.weights) - 1

    @property
    def nodes(self) -> list[Node]:
        """The nodes of the first layer."""
        bias = self.biases[0] if self.biases[0] is not None else [Fraction(0)] * len(self.weights[0])
        return [(*row, b) for row, b in zip(self.weights[0], bias, strict=True)]

    @property
    def fan_out(self) -> list[tuple[Fraction, ...]]:
        """Two layers: `v_k`, the output weights of each node."""
        return [tuple(column) for column in self.weights[-1].T]

    def activations(self, x: Sequence[Any]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """`f_0, ..., f_L` and the gates of layers 1..L (ones at the output), at one point."""
        values, gates = [exact(x)], []
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            u = weight @ values[-1]
            u = u if bias is None else u + bias
            gates.append(exact([1 if layer > self.depth or p > 0 else 0 for p in u]))
            values.append(gates[-1] * u)
        return values, gates

    def __call__(self, x: Sequence[Any]) -> np.ndarray:
        """Output at one point, `(n_L,)`."""
        return self.activations(x)[0][-1]

    def top_down(self, x: Sequence[Any], layer: int) -> np.ndarray:
        """`V_layer(x)` of equation (4), `(n_L, n_layer)`."""
        gates = self.activations(x)[1]
        matrix = _diagonal(exact([1] * len(self.weights[-1])))
        for gate, weight in zip(gates[: layer - 1 : -1], self.weights[: layer - 1 : -1], strict=True):
            matrix = formulas.top_down(matrix, _diagonal(gate), weight.T)
        return matrix


def exact(values: Any) -> np.ndarray:
    """An array of `Fraction`s from integers, fractions and strings such as "1/2"."""
    array = np.array(values, dtype=object)
    return np.array([Fraction(v) for v in array.ravel()], dtype=object).reshape(array.shape)


def two_layer(nodes: Iterable[Sequence[Any]], fan_out: Iterable[Any], output_bias: Any = None) -> ExactNetwork:
    """`sum_k v_k relu(w_k . x + b_k) + c`. nodes: `(w_k, b_k)` in one sequence each. fan_out: for each a number, or C of them.

    output_bias: C numbers, or None for an output layer without biases.
    """
    hidden = exact([list(node) for node in nodes])
    columns = [v if isinstance(v, Sequence) and not isinstance(v, str) else (v,) for v in fan_out]
    bias = None if output_bias is None else exact(output_bias)
    return ExactNetwork((hidden[:, :-1], exact([list(v) for v in columns]).T), (hidden[:, -1], bias))


def as_floats(network: ExactNetwork) -> DeepReLU:
    """The network in float64; layers without biases get zeros."""
    biases = tuple(
        np.zeros(len(w)) if b is None else b.astype(float) for w, b in zip(network.weights, network.biases, strict=True)
    )
    return DeepReLU(tuple(w.astype(float) for w in network.weights), biases)


def _diagonal(entries: np.ndarray) -> np.ndarray:
    matrix = exact(np.zeros((len(entries), len(entries)), dtype=int))
    np.fill_diagonal(matrix, entries)
    return matrix


def sample_directions(student: ExactNetwork, teacher: ExactNetwork, x: Sequence[Any]) -> list[np.ndarray]:
    """`U_l = f_{l-1}(x) g_l(x)^T` of every layer, with a last row for the bias where the layer has one: minus the gradient at x."""
    values, gates = student.activations(x)
    g = teacher(x) - values[-1]
    directions: list[np.ndarray] = []
    for layer in range(student.depth + 1, 0, -1):
        below = values[layer - 1]
        below = below if student.biases[layer - 1] is None else exact([*below, 1])
        directions.append(formulas.batch_direction(below[:, None], g[:, None]))
        if layer > 1:
            g = formulas.backward(_diagonal(gates[layer - 2]), student.weights[layer - 1].T, g)
    return directions[::-1]


def cells(networks: Sequence[ExactNetwork], low: Any, high: Any) -> list[Fraction]:
    """One input: points of `[low, high]`, ends included, between which no node of any of the networks changes its gate."""
    points = [Fraction(low), Fraction(high)]
    for network in networks:
        for layer in range(1, network.depth + 1):
            new = set(points)
            for p, q in pairwise(points):
                before, after = (_pre_activation(network, x, layer) for x in (p, q))
                new |= {p + (q - p) * u / (u - v) for u, v in zip(before, after, strict=True) if u * v < 0}
            points = sorted(new)
    return points


def _pre_activation(network: ExactNetwork, x: Fraction, layer: int) -> np.ndarray:
    below, bias = network.activations([x])[0][layer - 1], network.biases[layer - 1]
    u = network.weights[layer - 1] @ below
    return u if bias is None else u + bias


def is_critical(
    student: ExactNetwork, teacher: ExactNetwork, low: Any, high: Any, *, layers: Sequence[int] | None = None
) -> bool:
    """One input: whether every sample of the open interval leaves every weight and bias as it is (those of `layers` only, if given).

    Between two neighbouring `cells` the entries of `U_l` are quadratic in x: three zeros are enough.
    """
    chosen = range(1, student.depth + 2) if layers is None else layers
    for p, q in pairwise(cells([student, teacher], low, high)):
        for share in (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)):
            sampled = sample_directions(student, teacher, [p + share * (q - p)])
            if any(np.any(sampled[layer - 1] != 0) for layer in chosen):
                return False
    return True


def node_value(node: Node, x: Sequence[Any]) -> Fraction:
    """`w . x + b`."""
    return sum((w * Fraction(p) for w, p in zip(node[:-1], x, strict=True)), node[-1])


def boundary_direction(first: Node, second: Node) -> int:
    """1 or -1 if two nodes with weights other than 0 have one boundary and point the same or opposite ways, 0 if the boundaries differ."""
    if any(
        p * v != q * u
        for k, (p, q) in enumerate(zip(first, second, strict=True))
        for u, v in zip(first[:k], second[:k], strict=True)
    ):
        return 0
    inner = sum(p * q for p, q in zip(first[:-1], second[:-1], strict=True))
    return (inner > 0) - (inner < 0)


def aligned(student: ExactNetwork, teacher: ExactNetwork, j: int, *, up_to_sign: bool) -> list[int]:
    """The students k with `w_k = gamma w_j*` (biases included), gamma > 0, or gamma other than 0 `up_to_sign`."""
    wanted = (1, -1) if up_to_sign else (1,)
    return [k for k, node in enumerate(student.nodes) if boundary_direction(node, teacher.nodes[j]) in wanted]


def sees(observer: Node, node: Node, low: Any = None, high: Any = None) -> bool:
    """One input: whether the observer is active at the boundary of the node, and that lies in the open interval, if one is given."""
    boundary = -node[1] / node[0]
    inside = low is None or Fraction(low) < boundary < Fraction(high)
    return inside and node_value(observer, [boundary]) > 0


def never_active(node: Node, radius: Any) -> bool:
    """Whether `w . x + b <= 0` wherever `|x| < radius`."""
    return node[-1] <= 0 and sum(w * w for w in node[:-1]) * Fraction(radius) ** 2 <= node[-1] ** 2


def _representative(node: Node) -> tuple[Node, Fraction]:
    """The node's boundary, the same for all that share it, and the factor gamma with `node = gamma boundary`."""
    gamma = next(w for w in node[:-1] if w)
    return tuple(w / gamma for w in node), gamma


def kink_form(network: ExactNetwork) -> tuple[dict[Node, tuple[Fraction, ...]], np.ndarray]:
    """Two layers: the kink at each boundary that has one, and the affine rest, `(C, d + 1)`: equal forms are equal functions.

    By `relu(gamma t) = |gamma| relu(t)`, less `|gamma| t` for negative gamma. A node with weight 0 is a constant.
    """
    outputs, dimension = len(network.weights[1]), network.weights[0].shape[1]
    rest = exact(np.zeros((outputs, dimension + 1), dtype=int))
    if network.biases[1] is not None:
        rest[:, -1] += network.biases[1]
    members: dict[Node, list[tuple[tuple[Fraction, ...], Fraction]]] = {}
    for node, v in zip(network.nodes, network.fan_out, strict=True):
        if not any(node[:-1]):
            rest[:, -1] += exact(v) * max(node[-1], Fraction(0))
            continue
        boundary, gamma = _representative(node)
        members.setdefault(boundary, []).append((v, gamma))
        if gamma < 0:
            rest += exact(v)[:, None] * formulas.reflected(0, abs(gamma) * exact(boundary))[None, :]
    kinks = {
        boundary: tuple(
            formulas.group_kink([v[c] for v, _ in group], [gamma for _, gamma in group]) for c in range(outputs)
        )
        for boundary, group in members.items()
    }
    return {boundary: kink for boundary, kink in kinks.items() if any(kink)}, rest


def group_sums(network: ExactNetwork, boundary: Node) -> tuple[Fraction, ...]:
    """Two layers: `sum_k v_k |w_k|` over the nodes on the boundary of `boundary`, in units of the length of its weights."""
    on = [k for k, node in enumerate(network.nodes) if any(node[:-1]) and boundary_direction(node, boundary)]
    axis = next(i for i, w in enumerate(boundary[:-1]) if w)
    factors = [network.nodes[k][axis] / boundary[axis] for k in on]
    outputs = range(len(network.weights[1]))
    return tuple(Fraction(formulas.group_kink([network.fan_out[k][c] for k in on], factors)) for c in outputs)


def point_off_others(nodes: Sequence[Node], j: int, start: Sequence[Any], within: Any) -> list[Fraction] | None:
    """A point of the boundary of node j off the boundaries of all other nodes, no coordinate further than `within` from `start`.

    start: a point of the boundary of j. On the curve `start + sum_i t^i e_i`, `e_i` a basis of the hyperplane, the value of another node
    is a polynomial in t of degree d - 1 at most, 0 throughout only if the boundaries are one: among `(K - 1)(d - 1) + 1` values of t one
    is right. None if there is none.
    """
    w, origin = nodes[j][:-1], [Fraction(x) for x in start]
    pivot = next(i for i, entry in enumerate(w) if entry)
    free = [i for i in range(len(w)) if i != pivot]
    steepest = max([Fraction(1), *(abs(w[i] / w[pivot]) for i in free)])
    for n in range(1, (len(nodes) - 1) * len(free) + 2):
        t = min(Fraction(within), Fraction(1)) / (n * steepest * max(len(free), 1))
        x = list(origin)
        for power, i in enumerate(free, 1):
            x[i] += t**power
            x[pivot] -= t**power * w[i] / w[pivot]
        if all(node_value(node, x) for k, node in enumerate(nodes) if k != j):
            return x
    return None
