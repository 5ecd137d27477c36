"""The arguments of `train`, checked and brought to one form: tensors on the device with the runs in their first
dimension."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alignmath.arrays import as_floating, as_generator, as_order, broadcast_batches, plain
from alignmath.networks import ConvReLU, DeepReLU, TwoLayer, as_deep

from ...runs import as_device, as_dtype
from .laws import InputLaw

if TYPE_CHECKING:
    import torch

    from .measures import Measures

__all__ = ["Data", "Networks", "as_data", "as_networks", "as_seeds", "described", "evaluation_data"]

_EVALUATED = 10_000
"""How many inputs of a law are measured on by default."""


@dataclass(frozen=True)
class Networks:
    """The networks of a call, R runs in a batch of shape `shape`.

    students, teacher: networks, the latter None where y is given. starts, teachers: their arrays, `(R, ...)` on the
    device. form, teacher_form: see `gradients`. like: an empty tensor of the device and precision of the computation.
    home: the students' device; None for NumPy. sample_ndim: dimensions of one input.
    """

    students: DeepReLU | ConvReLU
    teacher: DeepReLU | ConvReLU | None
    starts: list[torch.Tensor]
    teachers: list[torch.Tensor] | None
    form: Any
    teacher_form: Any
    like: torch.Tensor
    home: torch.device | None
    sample_ndim: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the batch of runs."""
        return self.students.batch


def as_networks(students: Any, teacher: Any, loss: Any, device: Any, dtype: Any) -> Networks:
    """Students and teacher (or None), on the device and in the precision asked for, the loss known."""
    import torch

    from .gradients import LOSSES, ConvolutionalGradients, LayeredGradients

    students, teacher = (
        as_deep(n, name) if isinstance(n, TwoLayer) else n for n, name in ((students, "students"), (teacher, "teacher"))
    )
    if not isinstance(students, DeepReLU | ConvReLU):
        raise ValueError(f"students is {described(students)}; expected a DeepReLU, TwoLayer or ConvReLU")
    if loss not in LOSSES:
        raise ValueError(f"loss is {loss!r}; expected one of {list(LOSSES)}")
    if teacher is not None:
        _check_teacher(teacher, students, loss)
    kind: Any = LayeredGradients if isinstance(students, DeepReLU) else ConvolutionalGradients
    first, shape = kind.unpack(students)[0], students.batch
    is_torch = isinstance(first, torch.Tensor)
    home = first.device if is_torch else torch.device("cpu")
    like = torch.empty(0, device=as_device(device, home), dtype=as_dtype(dtype, first))

    def load(network: Any) -> list[torch.Tensor]:
        tensors = [_as_tensor(parameter).to(like) for parameter in kind.unpack(network)]
        cores = [p.shape[len(network.batch) :] for p in tensors]
        runs = math.prod(shape)
        return [p.broadcast_to((*shape, *core)).reshape(runs, *core) for p, core in zip(tensors, cores, strict=True)]

    return Networks(
        students,
        teacher,
        starts=load(students),
        teachers=None if teacher is None else load(teacher),
        form=kind(students, loss),
        teacher_form=None if teacher is None else kind(teacher, loss),
        like=like,
        home=home if is_torch else None,
        sample_ndim=1 if isinstance(students, DeepReLU) else 3,
    )


def _check_teacher(teacher: Any, students: Any, loss: str) -> None:
    """A teacher that the students can learn from."""
    if not isinstance(teacher, DeepReLU | ConvReLU):
        raise ValueError(f"teacher is {described(teacher)}; expected a network. Labels, or numbers, are passed as y")
    if loss == "cross_entropy":
        raise ValueError("loss 'cross_entropy' takes labels y; a teacher network is learned by a squared loss")
    if type(teacher) is not type(students):
        raise ValueError(
            f"students are {type(students).__name__} and teacher is {type(teacher).__name__}; they must be of one kind"
        )
    if (teacher.widths[0], teacher.widths[-1]) != (students.widths[0], students.widths[-1]):
        raise ValueError(
            f"students and teacher have widths {students.widths} and {teacher.widths}; expected equal inputs and "
            "outputs"
        )
    if broadcast_batches(students=students.batch, teacher=teacher.batch) != students.batch:
        raise ValueError(
            f"teacher has batch {teacher.batch}; it must broadcast to that of the students, {students.batch}"
        )


@dataclass(frozen=True)
class Data:
    """What the runs learn from. x: a law, or a tensor `(1 or R, N, ...)`. y: numbers `(1 or R, N, C)` or labels
    `(1 or R, N)`; None where there is a teacher. count: N. seeds: of each run."""

    x: Any
    y: torch.Tensor | None
    count: int
    batch_size: int
    seeds: list[tuple[int, ...]]

    @property
    def law(self) -> InputLaw | None:
        """The law of the inputs, where these are drawn."""
        return self.x if isinstance(self.x, InputLaw) else None

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.count // self.batch_size


def as_data(networks: Networks, x: Any, y: Any, loss: str, batch_size: Any, seed: Any) -> Data:
    """The data of a call of `train`."""
    if (networks.teacher is None) == (y is None):
        raise ValueError(
            f"teacher and y are {'both' if y is not None else 'not'} given; pass either a teacher network, or y, the "
            "labels or numbers at given x"
        )
    x = _as_inputs(x, networks, "x")
    law = isinstance(x, InputLaw)
    if law and y is not None:
        raise ValueError(f"x is a law, and y is {described(y)}; inputs drawn from a law need a teacher network")
    count = as_order(x.samples, "samples", least=1, most=10**9) if law else x.shape[1]
    batch_size = as_order(batch_size, "batch_size", least=1, most=count, why=", the number of samples")
    if y is not None:
        y = _as_labels(y, networks, count, loss == "cross_entropy", "y")
    return Data(x, y, count, batch_size, as_seeds(seed, networks.shape))


def evaluation_data(measures: Measures, networks: Networks, data: Data) -> tuple[Any, torch.Tensor | None]:
    """Evaluation inputs `(1 or R, N, ...)`, or how many to draw, and y there or None."""
    if measures.x is None and measures.y is not None:
        raise ValueError("the measures have y but no x; pass the inputs that it belongs to")
    if measures.samples is not None and (measures.x is not None or data.law is None):
        raise ValueError(
            f"samples of the measures is {measures.samples}, and there is no law to draw from; pass the x to measure on"
        )
    if measures.x is None:
        if data.law is None:
            return data.x, data.y
        given = _EVALUATED if measures.samples is None else measures.samples
        return as_order(given, "samples of the measures", least=1, most=10**9), None
    x = _as_inputs(measures.x, networks, "x of the measures")
    if isinstance(x, InputLaw):
        raise ValueError("x of the measures is a law; pass inputs, or, as samples, how many to draw from that of x")
    if measures.y is None:
        return x, None
    count = x.shape[1]
    labels = _whole(measures.y) and tuple(np.shape(measures.y)) in ((count,), (*networks.shape, count))
    return x, _as_labels(measures.y, networks, count, labels, "y of the measures")


def as_seeds(seed: Any, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The seed of each run: `(seed, run)` from a number, or one drawn from a NumPy Generator, or its own."""
    if isinstance(seed, np.random.Generator):
        seed = int(as_generator(seed).integers(2**63))
    given = plain(seed, "seed")
    if given.dtype.kind not in "iu" or np.any(given < 0):
        raise ValueError(f"seed is {seed!r}; expected an integer of at least 0, one for each run, or a NumPy Generator")
    if given.ndim == 0:
        return [(int(given), run) for run in range(math.prod(shape))]
    if broadcast_batches(students=shape, seed=given.shape) != shape:
        raise ValueError(f"seed has shape {given.shape}; expected a number, or one for each run, {shape}")
    return [(int(s),) for s in np.broadcast_to(given, shape).ravel()]


def _as_inputs(x: Any, networks: Networks, name: str) -> Any:
    """Given inputs as a tensor `(1 or R, N, ...)`; a law as it is."""
    students, ndim, shape = networks.students, networks.sample_ndim, networks.shape
    if isinstance(x, InputLaw):
        if ndim != 1 or x.dimension != students.widths[0]:
            raise ValueError(
                f"{name} has dimension {x.dimension}; the networks, {type(students).__name__} of widths "
                f"{students.widths}, take others"
            )
        return x
    if x is None or callable(getattr(x, "sample", None)):
        raise ValueError(
            f"{name} is {described(x)}; expected inputs, or a law with dimension, samples, fresh and sample(seed, "
            "count), such as Gaussian"
        )
    values = as_floating(x, name, least_ndim=ndim + 1)
    if values.shape[-ndim] != students.widths[0] or tuple(values.shape[: -ndim - 1]) not in ((), shape):
        core = f"{students.widths[0]}" + ("" if ndim == 1 else ", height, width")
        own = "".join(f"{n}, " for n in shape)
        raise ValueError(f"{name} has shape {tuple(values.shape)}; expected (N, {core}) or ({own}N, {core})")
    tensor = _cast(values, networks.like, name)
    return tensor.reshape(-1 if tensor.ndim > ndim + 1 else 1, *tensor.shape[-ndim - 1 :])


def _as_labels(y: Any, networks: Networks, count: int, labels: bool, name: str) -> torch.Tensor:
    """Numbers `(1 or R, N, C)`, or labels `(1 or R, N)`, for N = `count` given inputs."""
    classes, shape = networks.students.widths[-1], networks.shape
    if labels:
        if not _whole(y) or tuple(np.shape(y)) not in ((count,), (*shape, count)):
            raise ValueError(f"{name} is {described(y)}; expected integer labels ({count},), or one set for each run")
        value = plain(y, name)
        tensor = _as_tensor(value if hasattr(value, "detach") else value.astype(np.int64))
        tensor = tensor.to(networks.like.device).long()
        low, high = int(tensor.min()), int(tensor.max())
        if low < 0 or high >= classes:
            raise ValueError(
                f"{name} has labels from {low} to {high}; expected 0 to {classes - 1}, the students' outputs"
            )
        return tensor.reshape(-1 if tensor.ndim > 1 else 1, count)
    values = as_floating(y, name, least_ndim=2)
    if tuple(values.shape[-2:]) != (count, classes) or tuple(values.shape[:-2]) not in ((), shape):
        raise ValueError(f"{name} is {described(values)}; expected ({count}, {classes}), or one set for each run")
    return _cast(values, networks.like, name).reshape(-1 if values.ndim > 2 else 1, count, classes)


def _as_tensor(array: Any) -> torch.Tensor:
    """The array, or list, as a tensor that shares its memory where it can, apart from torch's graph."""
    import torch

    if isinstance(array, torch.Tensor):
        return array.detach()
    value = np.ascontiguousarray(array) if np.ndim(array) else np.asarray(array)
    return torch.as_tensor(value if value.flags.writeable else value.copy())


def _cast(array: Any, like: torch.Tensor, name: str) -> torch.Tensor:
    """A finite array in the precision of the computation, where it must be finite too."""
    import torch

    given = _as_tensor(array)
    tensor = given.to(like)
    if tensor.dtype != given.dtype and not bool(torch.stack(tensor.aminmax()).isfinite().all()):
        raise ValueError(f"{name} has entries beyond the range of {tensor.dtype}; scale it, or pass dtype='float64'")
    return tensor


def _whole(values: Any) -> bool:
    """Whether an array, or a list, is of integers or booleans."""
    if hasattr(values, "detach"):
        return not (values.is_floating_point() or values.is_complex())
    try:
        return np.asarray(values).dtype.kind in "iub"
    except ValueError:
        return False


def described(value: Any) -> str:
    """The type of a value, and its shape if it has one, for messages."""
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")
