"""Random teachers, samples and networks in the plane, in float64, for the attacks and experiments of the min_norm claims."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alignmath.arrays import as_generator
from alignmath.networks import TwoLayer

__all__ = [
    "Instance",
    "cost_of",
    "function_gap",
    "gradient_variation",
    "least_squares_student",
    "random_directions",
    "random_instance",
    "unit_vectors",
]


@dataclass(frozen=True, eq=False)
class Instance:
    """A teacher on distinct lines, and samples.

    - angles, signs, masses: `(m,)`, of the teacher's neurons
    - samples: `(N,)`, the angles of the samples
    """

    angles: np.ndarray
    signs: np.ndarray
    masses: np.ndarray
    samples: np.ndarray

    @property
    def teacher(self) -> TwoLayer:
        """The teacher, with unit hidden vectors."""
        return TwoLayer(unit_vectors(self.angles), self.signs * self.masses)

    @property
    def x(self) -> np.ndarray:
        """The samples, `(N, 2)`."""
        return unit_vectors(self.samples)

    @property
    def y(self) -> np.ndarray:
        """The teacher's values at the samples, `(N,)`."""
        return np.asarray(self.teacher(self.x))


def unit_vectors(angles: np.ndarray) -> np.ndarray:
    """Unit vectors `(..., 2)`."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def random_directions(seed: int | np.random.Generator, count: int) -> np.ndarray:
    """Uniform unit vectors, `(count, 2)`."""
    return unit_vectors(as_generator(seed).uniform(0, 2 * np.pi, count))


def random_instance(
    seed: int | np.random.Generator, neurons: int, in_sector: int = 3, *, apart: float = 0.0, inner: float = 0.0
) -> Instance:
    """A teacher of random directions, signs and masses, and exactly `in_sector` uniform samples in each sector.

    apart: least angle between two of its lines. inner: the part of each sector, at either end and between two samples, that is left free.
    """
    rng = as_generator(seed)
    while True:
        angles = rng.uniform(0, 2 * np.pi, neurons)
        lines = np.sort(np.mod(angles, np.pi))
        gaps = np.append(np.diff(lines), lines[0] + np.pi - lines[-1])
        if gaps.min() > apart:
            break
    starts, widths = np.concatenate([lines, lines + np.pi]) + np.pi / 2, np.tile(gaps, 2)
    while True:
        offsets = np.sort(rng.uniform(0, 1, (2 * neurons, in_sector)), axis=1)
        steps = np.diff(offsets, axis=1, prepend=0.0, append=1.0)
        if steps.min() > inner:
            break
        bad = steps.min(axis=1) <= inner
        while bad.any():
            offsets[bad] = np.sort(rng.uniform(0, 1, (bad.sum(), in_sector)), axis=1)
            bad = np.diff(offsets, axis=1, prepend=0.0, append=1.0).min(axis=1) <= inner
        break
    samples = np.mod(starts[:, None] + widths[:, None] * offsets, 2 * np.pi).ravel()
    return Instance(angles, rng.choice([-1, 1], neurons), rng.uniform(0.2, 2, neurons), samples)


def cost_of(network: TwoLayer) -> float:
    """`sum |a_j| |b_j|`."""
    return float(np.sum(np.abs(network.output) * np.linalg.norm(network.hidden, axis=1)))


def gradient_variation(network: TwoLayer) -> float:
    """kappa from the gradients in the middle of the arcs between neighbouring kinks."""
    hidden, output = np.asarray(network.hidden), np.asarray(network.output)
    angles = np.arctan2(hidden[:, 1], hidden[:, 0])
    turns = np.sort(np.mod(np.concatenate([angles + np.pi / 2, angles - np.pi / 2]), 2 * np.pi))
    turns = turns[np.diff(turns, append=turns[0] + 2 * np.pi) > 1e-9]
    middle = (turns + np.append(turns[1:], turns[0] + 2 * np.pi)) / 2
    gradients = (unit_vectors(middle) @ hidden.T > 0) @ (output[:, None] * hidden)
    return float(np.linalg.norm(np.diff(gradients, axis=0, append=gradients[:1]), axis=1).sum())


def function_gap(first: TwoLayer, second: TwoLayer, count: int = 1_000) -> float:
    """Largest `|f - g|` at `count` angles around the circle, and at the kinks of both."""
    kinks = [
        np.arctan2(network.hidden[:, 1], network.hidden[:, 0]) + turn
        for network in (first, second)
        for turn in (np.pi / 2, -np.pi / 2)
    ]
    x = unit_vectors(np.concatenate([np.linspace(0, 2 * np.pi, count), *kinks]))
    return float(np.abs(np.asarray(first(x)) - np.asarray(second(x))).max())


def least_squares_student(seed: int | np.random.Generator, instance: Instance, neurons: int) -> TwoLayer | None:
    """A network of random directions that interpolates the samples, or None if these directions do not."""
    units = random_directions(seed, neurons)
    features = np.maximum(instance.x @ units.T, 0)
    masses = np.linalg.lstsq(features, instance.y, rcond=None)[0]
    network = TwoLayer(units, masses)
    return network if np.abs(np.asarray(network(instance.x)) - instance.y).max() < 1e-9 else None
