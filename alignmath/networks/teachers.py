"""Random teachers and over-realised students of the specialization paper (Sections 6 and 8.16), and pruning.

A teacher's nodes point in random directions, no two on one line; their biases are set so that half of the inputs
activate each; the fan-out of the top hidden layer decays with the polarity p, equation (9). Students have the
teacher's depth and more nodes in every hidden layer, with the initial weights that `torch.nn` would give them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from array_api_compat import is_torch_array

from ..arrays import Array, as_generator, as_number, as_numpy, as_order, namespace, polar
from .convolutional import ConvReLU
from .deep import DeepReLU, as_deep
from .two_layer import TwoLayer

__all__ = ["prune", "random_student", "random_teacher"]

_ATTEMPTS = 10_000


def random_teacher(
    widths: Sequence[int],
    seed: int | np.random.Generator,
    *,
    x: Any = None,
    polarity: float = 0.0,
    strength: float = 1.0,
    gain: float = 1.0,
    least_angle: float = 0.0,
) -> DeepReLU:
    """A teacher with weight vectors in uniformly random directions. Specialization paper, 8.16 and equation (9).

    widths: `(n_0, n_1, ..., n_L)`, at least one hidden layer. seed: an integer, or a NumPy generator, which moves on.
    x: `(N, n_0)`, a sample of the data; the bias of each hidden node is minus the median of its pre-activation there,
    so that half of the data activate it (output biases are 0). Without it the teacher has no biases. polarity: p >= 0;
    the fan-out of node j = 1, 2, ... of the top hidden layer is a random direction of length `strength / j**p`. gain:
    the length of the weight vectors of hidden nodes; deep activations keep their size with about sqrt(2), and more
    where biases centre them. least_angle: between the lines of any two nodes of a layer, radians in `[0, pi/2)`;
    directions that come closer are drawn again. Assumption 1 (no two co-linear) holds with probability 1 for
    `least_angle = 0` where the layer below has two nodes at least; one node below takes one node only.

    Raises `ValueError` for bad widths, non-finite numbers, and where so many lines do not fit.

    >>> teacher = random_teacher((3, 4, 2), seed=0, polarity=1.0)
    >>> teacher.widths, np.linalg.norm(teacher.weights[-1], axis=0).round(6).tolist()
    ((3, 4, 2), [1.0, 0.5, 0.333333, 0.25])
    """
    widths, rng = _checked_widths(widths), as_generator(seed)
    polarity, strength = as_number(polarity, "polarity"), as_number(strength, "strength", above=True)
    gain = as_number(gain, "gain", above=True)
    least_angle = as_number(least_angle, "least_angle")
    if least_angle >= math.pi / 2:
        raise ValueError(f"least_angle is {least_angle:g}; expected less than pi/2, radians")
    weights = [gain * _directions(n, below, rng, least_angle) for below, n in pairwise(widths[:-1])]
    fan_out = rng.standard_normal((widths[-1], widths[-2]))
    fan_out *= strength * np.arange(1, widths[-2] + 1) ** -polarity / np.linalg.norm(fan_out, axis=0)
    weights.append(fan_out)
    if x is None:
        return DeepReLU(tuple(weights))
    value = as_numpy(x, "x", least_ndim=2)
    if value.ndim != 2 or value.shape[1] != widths[0]:
        raise ValueError(f"x has shape {value.shape}; expected (N, {widths[0]}), one input a row")
    biases = []
    for weight in weights[:-1]:
        before = value @ weight.T
        biases.append(-np.median(before, axis=0))
        value = np.maximum(before + biases[-1], 0.0)
    return DeepReLU(tuple(weights), (*biases, np.zeros(widths[-1])))


def random_student(
    teacher: TwoLayer | DeepReLU | ConvReLU,
    factor: float,
    seed: int | np.random.Generator,
    *,
    scale: float = 1.0,
    biases: bool | None = None,
    batch: tuple[int, ...] = (),
) -> Any:
    """Student(s) of the teacher's depth with `factor` times its nodes in every hidden layer, rounded up; NumPy.

    Weights and biases are uniform on `(-s, s)` with `s = scale / sqrt(fan-in)`, the default of `torch.nn` for scale
    1. seed: an integer, or a NumPy generator, which moves on. biases: whether there are any; by default as in the
    teacher. batch: shape of the batch of students. A `ConvReLU` teacher has a `ConvReLU` student with its kernel sizes
    and strides. Raises `ValueError` for a factor below 1.

    >>> students = random_student(random_teacher((3, 4, 2), seed=0), 1.5, seed=1, batch=(100,))
    >>> students.widths, students.batch
    ((3, 6, 2), (100,))
    """
    like, rng = _as_layers(teacher, "teacher"), as_generator(seed)
    factor, scale = as_number(factor, "factor", least=1.0), as_number(scale, "scale", above=True)
    if not isinstance(batch, tuple):
        raise ValueError(f"batch is {batch!r}; expected a shape, such as (32,)")
    with_biases = like.biases is not None if biases is None else biases
    hidden = [math.ceil(factor * n - 1e-9) for n in like.widths[1:-1]]
    widths = [like.widths[0], *hidden, like.widths[-1]]
    kernels = [k.shape[-1] for k in like.kernels] + [1] if isinstance(like, ConvReLU) else [1] * len(like.weights)
    weights, shifts = [], []
    for below, n, size in zip(widths[:-1], widths[1:], kernels, strict=True):
        bound = scale / math.sqrt(below * size**2)
        weights.append(rng.uniform(-bound, bound, (*batch, n, below, size, size)))
        shifts.append(rng.uniform(-bound, bound, (*batch, n)))
    given = tuple(shifts) if with_biases else None
    if isinstance(like, ConvReLU):
        return ConvReLU(tuple(weights[:-1]), weights[-1][..., 0, 0], given, like.strides)
    return DeepReLU(tuple(weight[..., 0, 0] for weight in weights), given)


def prune(network: TwoLayer | DeepReLU | ConvReLU, keep: float | Sequence[float]) -> Any:
    """The network without its weak nodes: in each hidden layer those of largest strength stay, in their order.

    keep: the share of nodes that stay, in `(0, 1]`, rounded up; one number or one for each hidden layer. The strength
    of a node is the length of its weight vector (bias apart) times that of its fan-out: it does not change when a
    positive factor moves from one to the other. Layers are pruned from the lowest up, weight vectors taken without
    the nodes already gone. Structured pruning of a teacher, specialization paper, Section 6. One network, NumPy or
    torch.

    Raises `ValueError` for a batch and for shares outside `(0, 1]`.

    >>> prune(DeepReLU(([[1.0], [3.0], [2.0]], [[1.0, 1.0, 1.0]])), 0.5).weights[0].tolist()
    [[3.0], [2.0]]
    """
    full = _as_layers(network, "network")
    if full.batch:
        raise ValueError(f"network is a batch of shape {full.batch}; prune takes one network")
    shares = list(keep) if isinstance(keep, Sequence | np.ndarray) else [keep] * full.depth
    if len(shares) != full.depth or not all(0 < as_number(share, "keep") <= 1 for share in shares):
        raise ValueError(
            f"keep is {keep!r}; expected a share in (0, 1], or {full.depth} of them, one for each hidden layer"
        )
    conv = isinstance(full, ConvReLU)
    weights = [*full.kernels, full.output] if conv else list(full.weights)
    biases = list(full.biases) if full.biases is not None else None
    for index, share in enumerate(shares):
        strength = _node_lengths(weights[index], 0) * _node_lengths(weights[index + 1], 1)
        count = math.ceil(share * len(strength) - 1e-9)
        order = np.sort(np.argsort(-strength, kind="stable")[:count])
        kept = _index_like(order, weights[index])
        weights[index], weights[index + 1] = weights[index][kept], weights[index + 1][:, kept]
        if biases is not None:
            biases[index] = biases[index][kept]
    given = tuple(biases) if biases is not None else None
    if conv:
        return ConvReLU(tuple(weights[:-1]), weights[-1], given, full.strides)
    return DeepReLU(tuple(weights), given)


def _as_layers(network: Any, name: str) -> DeepReLU | ConvReLU:
    """The network with its layers in a tuple; `ValueError` for what is none."""
    if not isinstance(network, TwoLayer | DeepReLU | ConvReLU):
        raise ValueError(f"{name} is {type(network).__name__}; expected a TwoLayer, DeepReLU or ConvReLU")
    return network if isinstance(network, ConvReLU) else as_deep(network, name)


def _checked_widths(widths: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(widths, Sequence) or len(widths) < 3:
        raise ValueError(f"widths is {widths!r}; expected (n_0, n_1, ..., n_L) with at least one hidden layer")
    return tuple(as_order(n, f"widths[{index}]", least=1, most=10**7) for index, n in enumerate(widths))


def _directions(count: int, dimension: int, rng: np.random.Generator, least_angle: float) -> np.ndarray:
    """Unit vectors `(count, dimension)` in uniformly random directions, no two lines closer than `least_angle`."""
    if dimension == 1 and count > 1:
        raise ValueError(f"{count} nodes on one input are co-linear; expected one, or at least two inputs to the layer")
    if least_angle == 0:
        vectors = rng.standard_normal((count, dimension))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.empty((0, dimension))
    for _ in range(_ATTEMPTS):
        unit = rng.standard_normal(dimension)
        unit /= np.linalg.norm(unit)
        if np.all(np.abs(units @ unit) < math.cos(least_angle)):
            units = np.concatenate([units, unit[None]])
        if len(units) == count:
            return units
    raise ValueError(
        f"least_angle is {least_angle:g}: {_ATTEMPTS} draws gave only {len(units)} of {count} lines that far apart in "
        f"dimension {dimension}; pass a smaller angle"
    )


def _node_lengths(weight: Array, axis: int) -> np.ndarray:
    """Length of the weights of each node of a layer, those along `axis` (0: own, 1: fan-out), as NumPy."""
    xp = namespace(weight)
    moved = xp.moveaxis(weight, axis, 0)
    lengths, _ = polar(xp.reshape(moved, (moved.shape[0], -1)), axis=1)
    return np.asarray(lengths.detach().cpu() if is_torch_array(lengths) else lengths)


def _index_like(order: np.ndarray, array: Array) -> Any:
    """Integer indices in the library and on the device of `array`."""
    if is_torch_array(array):
        return namespace(array).asarray(order, device=array.device)
    return order
