"""Where training inputs come from: laws to draw from, and the streams of random numbers of each run.

Every random number of a run is drawn from a stream keyed by its seed, what it is for, and the epoch. So a run has the
same data whatever runs share its batch, and a resumed run draws what an uninterrupted one would.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from alignmath.arrays import as_number, as_order

__all__ = ["Gaussian", "InputLaw", "Purpose", "Sphere", "Uniform", "epoch_inputs", "epoch_order", "stream"]


class Purpose(enum.IntEnum):
    """What a stream of random numbers is for."""

    TRAINING = 0
    ORDER = 1
    EVALUATION = 2


@runtime_checkable
class InputLaw(Protocol):
    """A law of inputs. dimension: d. `sample(rng, count)`: `(count, d)` float64."""

    @property
    def dimension(self) -> int: ...

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Gaussian:
    """`N(0, scale^2 I)` in R^dimension."""

    dimension: int
    scale: float = 1.0

    def __post_init__(self) -> None:
        _check(self.dimension, self.scale, "scale")

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """`(count, dimension)` draws."""
        return self.scale * rng.standard_normal((count, self.dimension))


@dataclass(frozen=True)
class Uniform:
    """Independent entries, uniform on `(-half_width, half_width)`, in R^dimension."""

    dimension: int
    half_width: float = 1.0

    def __post_init__(self) -> None:
        _check(self.dimension, self.half_width, "half_width")

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """`(count, dimension)` draws."""
        return rng.uniform(-self.half_width, self.half_width, (count, self.dimension))


@dataclass(frozen=True)
class Sphere:
    """Uniform on the sphere of the given radius in R^dimension."""

    dimension: int
    radius: float = 1.0

    def __post_init__(self) -> None:
        _check(self.dimension, self.radius, "radius")

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """`(count, dimension)` draws."""
        drawn = rng.standard_normal((count, self.dimension))
        return drawn * (self.radius / np.linalg.norm(drawn, axis=1, keepdims=True))


def _check(dimension: int, size: float, name: str) -> None:
    as_order(dimension, "dimension", least=1, most=10**8)
    as_number(size, name, above=True)


def stream(seed: int | tuple[int, ...], purpose: Purpose, epoch: int = 0) -> np.random.Generator:
    """The generator of a run with this seed, for this purpose, in this epoch (counted from 0)."""
    return np.random.default_rng([*(seed if isinstance(seed, tuple) else (seed,)), int(purpose), epoch])


def drawn(law: InputLaw, rng: np.random.Generator, count: int) -> np.ndarray:
    """`(count, d)` draws; `ValueError` for a law that returns anything else."""
    found = np.asarray(law.sample(rng, count))
    if found.shape != (count, law.dimension) or found.dtype.kind not in "fiu":
        raise ValueError(
            f"inputs, {type(law).__name__}, gave {found.dtype} of shape {found.shape} for {count} samples; expected "
            f"real numbers ({count}, {law.dimension})"
        )
    return found


def epoch_inputs(law: InputLaw, seed: int | tuple[int, ...], samples: int, epoch: int = 0) -> np.ndarray:
    """The training inputs of a run, `(samples, d)` float64: of epoch 0 where they are fixed, of each epoch where they
    are fresh. seed: of the run, as in `train`: `(seed, run)`, or its own number."""
    return drawn(law, stream(seed, Purpose.TRAINING, epoch), samples)


def epoch_order(seed: int | tuple[int, ...], samples: int, epoch: int) -> np.ndarray:
    """The order in which a run goes through its samples in an epoch: a permutation, `(samples,)` int64."""
    return stream(seed, Purpose.ORDER, epoch).permutation(samples)
