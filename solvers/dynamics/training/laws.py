"""Laws of inputs to draw from, how many of them a run trains on, and the streams of random numbers of each run.

Every random number of a run is drawn from a stream keyed by its seed, what it is for, and the epoch. So a run has the
same data whatever runs share its batch, and a resumed run draws what an uninterrupted one would.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from alignmath.arrays import as_generator, as_number, as_order

__all__ = ["Gaussian", "InputLaw", "Purpose", "Sphere", "Uniform", "draw", "epoch_inputs", "epoch_order", "stream"]


class Purpose(enum.IntEnum):
    """What a stream of random numbers is for."""

    TRAINING = 0
    ORDER = 1
    EVALUATION = 2


@runtime_checkable
class InputLaw(Protocol):
    """A law of inputs and how many of them a run trains on; anything with these will do.

    - dimension: int, d.
    - samples: int, how many inputs to draw for each run.
    - fresh: bool, whether to draw new ones for every epoch, not one set for all.
    - `sample(seed, count)`: `(count, d)` float64; `train` passes a NumPy Generator.

    >>> isinstance(Gaussian(3), InputLaw), isinstance(np.ones(3), InputLaw)
    (True, False)
    """

    @property
    def dimension(self) -> int: ...

    @property
    def samples(self) -> int: ...

    @property
    def fresh(self) -> bool: ...

    def sample(self, seed: Any, count: int) -> np.ndarray: ...


@dataclass(frozen=True)
class _Law:
    """How many inputs to draw, and whether for every epoch."""

    samples: int = field(default=10_000, kw_only=True)
    fresh: bool = field(default=False, kw_only=True)

    def _check(self, dimension: int, size: float, name: str) -> None:
        as_order(dimension, "dimension", least=1, most=10**8)
        as_number(size, name, above=True)
        as_order(self.samples, "samples", least=1, most=10**9)


@dataclass(frozen=True)
class Gaussian(_Law):
    """`N(0, scale^2 I)` in R^dimension; scale above 0. samples, fresh: see `InputLaw`. `ValueError` for others.

    >>> Gaussian(100, 10.0, samples=5000).sample(0, 3).shape
    (3, 100)
    """

    dimension: int
    scale: float = 1.0

    def __post_init__(self) -> None:
        self._check(self.dimension, self.scale, "scale")

    def sample(self, seed: Any, count: int) -> np.ndarray:
        """`(count, dimension)` draws. seed: an integer or a NumPy Generator."""
        return self.scale * as_generator(seed).standard_normal((count, self.dimension))


@dataclass(frozen=True)
class Uniform(_Law):
    """Independent entries, uniform on `(-half_width, half_width)`, in R^dimension. samples, fresh: see `InputLaw`.

    >>> x = Uniform(2, 3.0).sample(0, 1000)
    >>> x.shape, bool(2.9 < abs(x).max() < 3.0)
    ((1000, 2), True)
    """

    dimension: int
    half_width: float = 1.0

    def __post_init__(self) -> None:
        self._check(self.dimension, self.half_width, "half_width")

    def sample(self, seed: Any, count: int) -> np.ndarray:
        """`(count, dimension)` draws. seed: an integer or a NumPy Generator."""
        return as_generator(seed).uniform(-self.half_width, self.half_width, (count, self.dimension))


@dataclass(frozen=True)
class Sphere(_Law):
    """Uniform on the sphere of the given radius in R^dimension. samples, fresh: see `InputLaw`.

    >>> np.linalg.norm(Sphere(5, 2.0).sample(0, 3), axis=1).round(12)
    array([2., 2., 2.])
    """

    dimension: int
    radius: float = 1.0

    def __post_init__(self) -> None:
        self._check(self.dimension, self.radius, "radius")

    def sample(self, seed: Any, count: int) -> np.ndarray:
        """`(count, dimension)` draws. seed: an integer or a NumPy Generator."""
        directions = as_generator(seed).standard_normal((count, self.dimension))
        return directions * (self.radius / np.linalg.norm(directions, axis=1, keepdims=True))


def stream(seed: int | tuple[int, ...], purpose: Purpose, epoch: int = 0) -> np.random.Generator:
    """The generator of a run with this seed, for this purpose, in this epoch (counted from 0)."""
    return np.random.default_rng([*(seed if isinstance(seed, tuple) else (seed,)), int(purpose), epoch])


def draw(law: InputLaw, generator: np.random.Generator, count: int) -> np.ndarray:
    """`(count, d)` draws; `ValueError` for a law that returns anything else."""
    x = np.asarray(law.sample(generator, count))
    if x.shape != (count, law.dimension) or x.dtype.kind not in "fiu":
        raise ValueError(
            f"x, {type(law).__name__}, gave {x.dtype} of shape {x.shape} for {count} samples; expected real numbers "
            f"({count}, {law.dimension})"
        )
    return x


def epoch_inputs(law: InputLaw, seed: int | tuple[int, ...], epoch: int = 0) -> np.ndarray:
    """The inputs that a run trains on, `(law.samples, d)` float64: of an epoch (from 0), where they are fresh.

    seed: of the run, as in `train`: `(seed, run)`, or its own number.

    >>> x = epoch_inputs(Gaussian(3, samples=20), (0, 7))  # run 7 of a call with seed 0
    >>> x.shape
    (20, 3)
    """
    return draw(law, stream(seed, Purpose.TRAINING, epoch if law.fresh else 0), law.samples)


def epoch_order(seed: int | tuple[int, ...], samples: int, epoch: int) -> np.ndarray:
    """The order in which a run goes through its samples in an epoch: a permutation, `(samples,)` int64.

    Fresh samples are taken as they come. seed: of the run, as in `epoch_inputs`.

    >>> sorted(epoch_order((0, 7), 5, 0).tolist())
    [0, 1, 2, 3, 4]
    """
    return stream(seed, Purpose.ORDER, epoch).permutation(samples)
