"""The arguments of `train`, checked and brought to one form: tensors on the device with the runs in their first
dimension."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alignmath.arrays import as_floating, as_order, broadcast_batches
from alignmath.networks import ConvReLU, DeepReLU

from .inputs import InputLaw
from .measures import Evaluation

if TYPE_CHECKING:
    import torch

__all__ = [
    "as_evaluation",
    "as_factors",
    "as_inputs",
    "as_measures",
    "as_per_run",
    "as_seeds",
    "as_targets",
    "as_teacher",
    "as_tensor",
    "described",
]

_LARGEST = 1e38
"""What float32 still holds."""


def as_factors(schedule: Any, epochs: int) -> np.ndarray:
    """Factors of the learning rate, `(epochs,)`."""
    if schedule is None:
        return np.ones(epochs)
    found = np.asarray(as_floating(schedule, "schedule", least_ndim=1), dtype=float)
    if found.shape != (epochs,) or np.any(found <= 0):
        raise ValueError(f"schedule is {described(found)}; expected ({epochs},), a factor above 0 for each epoch")
    return found


def as_seeds(seed: Any, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The seed of each run: `(seed, run)` from a number, or its own."""
    given = np.asarray(seed)
    if given.dtype.kind not in "iu" or np.any(given < 0):
        raise ValueError(f"seed is {seed!r}; expected integers of at least 0")
    if given.ndim == 0:
        return [(int(given), run) for run in range(math.prod(shape))]
    if broadcast_batches(students=shape, seed=given.shape) != shape:
        raise ValueError(f"seed has shape {given.shape}; expected a number, or one for each run, {shape}")
    return [(int(s),) for s in np.broadcast_to(given, shape).ravel()]


def as_per_run(
    value: Any, name: str, shape: tuple[int, ...], *, positive: bool = False, below: float = math.inf
) -> np.ndarray:
    """A hyper-parameter of each run, `(R,)`: at least 0 (above it, if `positive`) and below `below`."""
    found = as_floating(value, name)
    found = np.asarray(found.detach().cpu() if hasattr(found, "detach") else found, dtype=float)
    bad = ((found <= 0) if positive else (found < 0)) | (found >= below)
    if np.any(bad):
        wanted = ("above 0" if positive else "of at least 0") + (f" and below {below:g}" if below < math.inf else "")
        raise ValueError(f"{name} has the entry {found[bad].ravel()[0]:g}; expected numbers {wanted}")
    if float(found.max()) > _LARGEST:
        raise ValueError(f"{name} has the entry {float(found.max()):g}; expected numbers of at most {_LARGEST:g}")
    if broadcast_batches(students=shape, **{name: found.shape}) != shape:
        raise ValueError(f"{name} has shape {found.shape}; expected a number, or one for each run, {shape}")
    return np.array(np.broadcast_to(found, shape)).ravel()


def as_tensor(array: Any) -> torch.Tensor:
    """The array, or list, as a tensor that shares its memory where it can, apart from torch's graph."""
    import torch

    if isinstance(array, torch.Tensor):
        return array.detach()
    value = np.ascontiguousarray(array) if np.ndim(array) else np.asarray(array)
    return torch.as_tensor(value if value.flags.writeable else value.copy())


def as_teacher(target: Any, students: Any, loss: str) -> Any:
    """The teacher network(s), if the target is such; else None."""
    if not isinstance(target, DeepReLU | ConvReLU):
        return None
    if loss == "cross_entropy":
        raise ValueError("loss 'cross_entropy' takes labels for target; a teacher network is learned by a squared loss")
    if type(target) is not type(students):
        raise ValueError(
            f"students are {type(students).__name__} and target is {type(target).__name__}; they must be of one kind"
        )
    if (target.widths[0], target.widths[-1]) != (students.widths[0], students.widths[-1]):
        raise ValueError(
            f"students and target have widths {students.widths} and {target.widths}; expected equal inputs and outputs"
        )
    if broadcast_batches(students=students.batch, target=target.batch) != students.batch:
        raise ValueError(
            f"target has batch {target.batch}; it must broadcast to that of the students, {students.batch}"
        )
    return target


def as_inputs(inputs: Any, students: Any, ndim: int, like: torch.Tensor, name: str = "inputs") -> Any:
    """Given inputs as a tensor `(1 or R, N, ...)`, each of `ndim` dimensions; None for a law."""
    if isinstance(inputs, InputLaw):
        if ndim != 1 or inputs.dimension != students.widths[0]:
            raise ValueError(
                f"{name} has dimension {inputs.dimension}; the networks, {type(students).__name__} of widths "
                f"{students.widths}, take others"
            )
        return None
    found, shape = as_floating(inputs, name, least_ndim=ndim + 1), students.batch
    if found.shape[-ndim] != students.widths[0] or tuple(found.shape[: -ndim - 1]) not in ((), shape):
        core = f"{students.widths[0]}" + ("" if ndim == 1 else ", height, width")
        own = "".join(f"{n}, " for n in shape)
        raise ValueError(f"{name} has shape {tuple(found.shape)}; expected (N, {core}) or ({own}N, {core})")
    tensor = _cast(found, like, name)
    return tensor.reshape(-1 if tensor.ndim > ndim + 1 else 1, *tensor.shape[-ndim - 1 :])


def as_targets(
    target: Any, students: Any, count: int, labels: bool, like: torch.Tensor, name: str = "target"
) -> torch.Tensor:
    """Numbers `(1 or R, N, C)`, or labels `(1 or R, N)`, for N = `count` given inputs."""
    classes, shape = students.widths[-1], students.batch
    if labels:
        if not _whole(target) or tuple(np.shape(target)) not in ((count,), (*shape, count)):
            raise ValueError(
                f"{name} is {described(target)}; expected integer labels ({count},), or one set for each run"
            )
        found = as_tensor(target if hasattr(target, "detach") else np.asarray(target).astype(np.int64))
        found = found.to(like.device).long()
        low, high = int(found.min()), int(found.max())
        if low < 0 or high >= classes:
            raise ValueError(
                f"{name} has labels from {low} to {high}; expected 0 to {classes - 1}, the students' outputs"
            )
        return found.reshape(-1 if found.ndim > 1 else 1, count)
    found = as_floating(target, name, least_ndim=2)
    if tuple(found.shape[-2:]) != (count, classes) or tuple(found.shape[:-2]) not in ((), shape):
        raise ValueError(f"{name} is {described(found)}; expected ({count}, {classes}), or one set for each run")
    return _cast(found, like, name).reshape(-1 if found.ndim > 2 else 1, count, classes)


def _cast(array: Any, like: torch.Tensor, name: str) -> torch.Tensor:
    """A finite array in the precision of the computation, where it must be finite too."""
    import torch

    given = as_tensor(array)
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


def as_evaluation(
    evaluation: Any, students: Any, ndim: int, given: Any, numbers: Any, like: torch.Tensor
) -> tuple[Any, Any]:
    """Evaluation inputs `(1 or R, N, ...)`, or how many to draw, and their targets or None.

    given, numbers: the training inputs and targets, where these are not drawn.
    """
    if evaluation is None:
        return (10_000, None) if given is None else (given, numbers)
    if isinstance(evaluation, int | np.integer):
        if given is not None:
            raise ValueError(
                f"evaluation is {evaluation}, and there is no law to draw from; pass the inputs to measure on"
            )
        return as_order(evaluation, "evaluation", least=1, most=10**9), None
    x, y = evaluation if isinstance(evaluation, tuple) and len(evaluation) == 2 else (evaluation, None)
    inputs = as_inputs(x, students, ndim, like, "evaluation")
    if inputs is None:
        raise ValueError(
            "evaluation is a law; pass how many inputs to draw from the law of the training inputs, or inputs"
        )
    if y is None:
        return inputs, None
    count = inputs.shape[1]
    labels = _whole(y) and tuple(np.shape(y)) in ((count,), (*students.batch, count))
    return inputs, as_targets(y, students, count, labels, like, "evaluation's target")


def as_measures(
    measures: Mapping[str, Callable[[Evaluation], Any]] | Sequence[Callable[[Evaluation], Any]],
) -> dict[str, Callable[[Evaluation], Any]]:
    """The measures by name."""
    if callable(measures) or not isinstance(measures, Mapping | Sequence):
        raise ValueError(
            f"measures is {described(measures)}; expected a list of functions, or a mapping from names to them"
        )
    named = dict(measures) if isinstance(measures, Mapping) else {getattr(m, "__name__", ""): m for m in measures}
    if len(named) != len(measures) or not all(isinstance(n, str) and n and "/" not in n for n in named):
        raise ValueError("some measures have no name or the same name; pass a mapping from names to functions")
    if not all(callable(measure) for measure in named.values()):
        raise ValueError(f"measures is {measures!r}; expected functions of an Evaluation")
    return named


def described(value: Any) -> str:
    """The type of a value, and its shape if it has one, for messages."""
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")
