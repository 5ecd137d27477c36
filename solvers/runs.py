"""What all runs share: how they say that they ended, what their results have in common, and the checks of the arguments
that they all take.

A result is a frozen dataclass that carries what is needed to check it; `Run` is its base. The arguments `steps`,
`record`, `device`, `dtype`, `progress` and the tolerances mean the same everywhere, and are checked here.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alignmath.arrays import Array, as_number, as_order
from alignmath.extras import needs
from alignmath.networks import DeepReLU, TwoLayer

if TYPE_CHECKING:
    import torch

__all__ = [
    "CriticalPoints",
    "Run",
    "RunStatus",
    "Status",
    "Training",
    "Trajectory",
    "as_device",
    "as_dtype",
    "as_moments",
    "as_steps",
    "as_tolerance",
    "progress_bar",
]


class Status(enum.IntEnum):
    """How something ended: a number with a name, and an `advice` that says what happened and what to do.

    A member of a subclass is written `NAME = number, "advice"`; its text is "NAME: advice".

    >>> class Answer(Status):
    ...     FOUND = 0, "There is one."
    ...     NONE = 1, "There is none: ask for less."
    >>> print(Answer(1))
    NONE: There is none: ask for less.
    >>> Answer.NONE == 1, Answer.NONE.advice
    (True, 'There is none: ask for less.')
    """

    advice: str

    def __new__(cls, number: int, advice: str = "") -> Status:
        member = int.__new__(cls, number)
        member._value_, member.advice = number, advice
        return member

    def __str__(self) -> str:
        return f"{self.name}: {self.advice}" if self.advice else self.name

    def __format__(self, spec: str) -> str:
        return format(int(self), spec) if spec else str(self)


class RunStatus(Status):
    """How one run of a descent, a flow, a training or a search ended.

    >>> RunStatus(3).name
    'DIVERGED'
    >>> print(RunStatus.DIVERGED.advice)
    Loss or gradient left the finite numbers; the last finite state is kept: take a smaller learning rate.
    """

    FINISHED = 0, "All steps, or the whole time span, were run: for a smaller gradient or loss run more."
    GRADIENT = 1, "The gradient norm fell to its tolerance: nothing to do."
    LOSS = 2, "The loss fell to its tolerance: nothing to do."
    DIVERGED = (
        3,
        "Loss or gradient left the finite numbers; the last finite state is kept: take a smaller learning rate.",
    )
    COLLAPSED = 4, "A student reached length 0, where the gradient does not exist: start elsewhere, or drop it."


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """What every result says of how it was reached.

    - status: a member of a `Status`, or, of a batch of runs `(...)`, an array of the numbers of a `RunStatus`.
    - seconds: float, wall time of the call.

    >>> print(Run(status=np.array([1, 4, 1]), seconds=0.1).advice)
    2 of 3 GRADIENT: The gradient norm fell to its tolerance: nothing to do.
    1 of 3 COLLAPSED: A student reached length 0, where the gradient does not exist: start elsewhere, or drop it.
    """

    status: Any
    seconds: float

    @property
    def advice(self) -> str:
        """What happened and what to do; of a batch of runs a line for each status that occurs, with its count."""
        if isinstance(self.status, Status):
            return str(self.status)
        numbers, counts = np.unique(_on_cpu(self.status), return_counts=True)
        of = f" of {counts.sum()} " if np.ndim(self.status) else ""
        return "\n".join(
            (f"{count}{of}" if of else "") + str(RunStatus(int(number)))
            for number, count in zip(numbers, counts, strict=True)
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Trajectory(Run):
    """Runs of gradient descent or flow, at the K moments asked for; `...` is the shape of the batch of runs.

    - time: `(K,)`, steps of descent or times of flow.
    - hidden, output: `(K, ..., m, d)` and `(K, ..., m)`, for outputs in R^C `(K, ..., C, m)`, the weights; a run that
      has stopped keeps its last ones.
    - loss, gradient_norm: `(K, ...)`; these four are None where not kept.
    - students: the networks at the end, a batch `(...)`.
    - final_loss, final_gradient_norm: `(...)`, theirs.
    - stopped: `(...)`, the step or time at which each run ended.
    - evaluations: int, of the gradient, by the stepper of a flow; None for descent.
    - status: `(...)`, numbers of `RunStatus`; of a flow, which is one run, the member.
    - seconds: float, wall time.

    >>> from alignmath import TwoLayer
    >>> from solvers import flow
    >>> run = flow(TwoLayer([[0.6, 0.8]]), TwoLayer([[1.0, 0.0]]), [0.0, 1.0, 50.0])
    >>> run.history.batch, run.correlations(run.students).shape
    ((3,), (3, 1, 1))

    >>> from alignmath.networks import planar
    >>> from solvers import descend
    >>> run = descend(planar([0.5, 1.0]), planar([0.0]), 0.5, 100, record=[0, 10, 100])
    >>> run.time, run.hidden.shape, run.students.hidden.shape
    (array([  0,  10, 100]), (3, 2, 2), (2, 2))
    """

    time: Array
    hidden: Array
    output: Array
    loss: Array
    gradient_norm: Array
    students: Any
    final_loss: Array
    final_gradient_norm: Array
    stopped: Array
    evaluations: int | None = None

    @property
    def history(self) -> TwoLayer | DeepReLU:
        """The students at all moments, a batch `(K, ...)`; `ValueError` where the weights were not kept."""
        if self.hidden is None or self.output is None:
            raise ValueError('the weights were not kept; keep "hidden" and "output"')
        if isinstance(self.students, TwoLayer):
            return TwoLayer(self.hidden, self.output)
        return DeepReLU((self.hidden, self.output))

    def correlations(self, teacher: TwoLayer | DeepReLU) -> Array:
        """The exact correlation, over Gaussian inputs, of each of the teacher's M nodes with every student node:
        `(K, ..., M, m)`, see `specialization.relu_correlation`; `specialization.covered` and `mean_best` take it.

        teacher: one network, or a batch that broadcasts. Raises `ValueError` for nodes of length 0.
        """
        from alignmath.gaussian import angle
        from alignmath.specialization import relu_correlation

        own = self.history
        hidden, other = (net.hidden if isinstance(net, TwoLayer) else net.weights[0] for net in (own, teacher))
        return relu_correlation(angle(other[..., :, None, :], hidden[..., None, :, :]))


@dataclass(frozen=True, eq=False, kw_only=True)
class CriticalPoints(Run):
    """End points of a search for zeros of the gradient, one for each of B starts; see `landscape.critical_points`.

    - students: B networks.
    - gradient_norm, loss: `(B,)`, of these.
    - least_length: `(B,)`, length of the shortest student.
    - status: `(B,)`, numbers of `RunStatus`: GRADIENT where the search converged, COLLAPSED where a student is shorter
      than the length of collapse, FINISHED where the steps ran out.
    - steps: int, how many were taken.
    - seconds: float, wall time.

    >>> from alignmath.networks import gaussian_weights, planar
    >>> from solvers import critical_points
    >>> search = critical_points(gaussian_weights(1, 2, seed=0, batch=(20,)), planar([0.0]))
    >>> search.students.hidden.shape, bool(search.loss[search.converged].max() < 1e-12)
    ((20, 1, 2), True)
    """

    students: TwoLayer
    gradient_norm: Array
    loss: Array
    least_length: Array
    steps: int

    @property
    def converged(self) -> Array:
        """`(B,)` bool: a zero of the gradient was found."""
        return self.status == RunStatus.GRADIENT


@dataclass(frozen=True, eq=False, kw_only=True)
class Training(Run):
    """Runs of SGD, see `training.train`, measured at K epochs; `(...)` is the batch of runs, E the number of epochs.

    - epochs: `(K,)`, how many were trained before each measurement.
    - measured: by name, `(K, ..., *)`, NaN for a run that has diverged.
    - history: the students at these epochs (networks of their kind), a batch `(K, ...)`; None unless kept.
    - students: the networks at the end; of a run that diverged, the last ones seen finite.
    - loss: `(..., E)`, the mean over the steps of each epoch, NaN from the epoch of divergence on.
    - status: `(...)`, numbers of `RunStatus`: FINISHED or DIVERGED.
    - stopped: `(...)`, the steps taken; of a diverged run the number, from 0, of the step whose loss was the first not
      to be finite.
    - seconds: float, wall time of this call.

    >>> from alignmath.networks import random_student, random_teacher
    >>> from solvers import SGD, Gaussian, train
    >>> teacher = random_teacher((4, 2, 1), seed=0)
    >>> runs = train(random_student(teacher, 2, seed=1, batch=(3,)), teacher, Gaussian(4, samples=64), epochs=2)
    >>> runs.loss.shape, runs.diverged
    ((3, 2), [])
    """

    epochs: Array
    measured: dict[str, Array]
    history: Any
    students: Any
    loss: Array
    stopped: Array

    @property
    def diverged(self) -> list[tuple[tuple[int, ...], int]]:
        """The runs that diverged: index in the batch, and step."""
        status, stopped = _on_cpu(self.status), _on_cpu(self.stopped)
        return [
            (tuple(int(k) for k in run), int(stopped[tuple(run)])) for run in np.argwhere(status == RunStatus.DIVERGED)
        ]


def as_steps(steps: Any, name: str = "steps") -> int:
    """A number of steps (or epochs): an integer from 0 to 10^9, else a `ValueError`.

    >>> as_steps(np.int64(100))
    100
    """
    return as_order(steps, name, most=10**9)


def as_moments(record: Any, last: int, unit: str = "steps") -> list[int]:
    """The moments `0..last` at which to record, sorted, each once; the first and the last for None.

    >>> as_moments([10, 0, 10], 100), as_moments(None, 100)
    ([0, 10], [0, 100])
    """
    if record is None:
        return sorted({0, last})
    try:
        moments = list(record)
    except TypeError:
        raise ValueError(f"record is {record!r}; expected a sequence of {unit}, such as [0, 10, 100]") from None
    if not moments:
        raise ValueError(
            f"record is empty; name at least one of the {unit}, or leave it out for the first and the last"
        )
    return sorted({as_order(k, "record", most=last) for k in moments})


def as_tolerance(value: Any, name: str = "tolerance", *, zero: bool = False) -> float:
    """A tolerance: a finite number above 0, or, where `zero` says that it means "never", 0; else a `ValueError`.

    >>> as_tolerance(1e-8), as_tolerance(0, "loss_tolerance", zero=True)
    (1e-08, 0.0)
    """
    return as_number(value, name, above=not zero)


def as_device(device: Any, home: torch.device) -> torch.device:
    """The device named, on which a tensor can be made; `home` for None; a `ValueError` for any other.

    >>> import torch
    >>> as_device("cpu", torch.device("meta")), as_device(None, torch.device("meta"))
    (device(type='cpu'), device(type='meta'))
    """
    needs("torch", "torch")
    import torch

    if device is None:
        return home
    try:
        named = torch.device(device)
        torch.empty(0, device=named)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(f"device is {device!r}: {error}") from None
    return named


def as_dtype(dtype: Any, like: Any) -> torch.dtype:
    """float32 or float64, from a name, a NumPy or a torch dtype; that of the array `like` for None; else a
    `ValueError`.

    >>> as_dtype("float32", np.zeros(1)), as_dtype(None, np.zeros(1))
    (torch.float32, torch.float64)
    """
    needs("torch", "torch")
    import torch

    known = {"float32": torch.float32, "float64": torch.float64}
    given = like.dtype if dtype is None else dtype
    try:
        name = str(given).removeprefix("torch.") if isinstance(given, torch.dtype) else np.dtype(given).name
    except TypeError:
        name = ""
    if name not in known:
        raise ValueError(f"dtype is {dtype!r}; expected float32 or float64")
    return known[name]


def progress_bar(progress: bool, total: int | float | None, unit: str, description: str | None = None) -> Any:
    """A bar on stderr that counts up to `total` (None: without end), to be used in a `with`; a silent one, with the
    same methods, unless `progress`.

    >>> with progress_bar(False, 10, "step") as bar:
    ...     bar.update(3)
    """
    from tqdm import tqdm

    return tqdm(total=total, unit=unit, desc=description, disable=not progress)


def _on_cpu(values: Any) -> np.ndarray:
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values)
