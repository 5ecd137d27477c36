"""What to measure of students during training: functions of an `Evaluation`, and on what inputs.

Any function from an `Evaluation` of n runs to a floating-point tensor `(n, ...)` will do; those here are the
specialization paper's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from alignmath import specialization
from alignmath.networks import ConvReLU, DeepReLU
from alignmath.specialization.correlation import checked_layer

from .arguments import described

if TYPE_CHECKING:
    import torch

__all__ = [
    "Evaluation",
    "Measures",
    "accuracy",
    "best_student",
    "best_teacher",
    "evaluation_loss",
    "fan_out",
    "node_correlations",
    "rho_mean",
]


class Evaluation:
    """Students of n runs, their teachers and the evaluation inputs, in torch.

    - students: a batch of n networks.
    - teachers: the same, or None where labels or numbers are learned.
    - x: `(n or 1, N, ...)`, inputs.
    - y: what the students should return there, `(n or 1, N, C)`, or labels `(n or 1, N)`.
    - epoch: int, epochs trained so far.

    >>> import torch
    >>> one = DeepReLU((torch.ones(1, 3, 2), torch.ones(1, 1, 3)))
    >>> evaluation_loss(Evaluation(one, one, torch.ones(1, 5, 2), None, 0))
    tensor([0.])
    """

    def __init__(self, students: Any, teachers: Any, x: torch.Tensor, y: torch.Tensor | None, epoch: int) -> None:
        self.students, self.teachers, self.x, self._given, self.epoch = students, teachers, x, y, epoch

    @cached_property
    def student_activations(self) -> tuple[torch.Tensor, ...]:
        """Activations of all layers of the students, `(n, N, n_l)` or `(n, N, c_l, h, w)`; the output last."""
        return self.students.activations(self.x)

    @cached_property
    def teacher_activations(self) -> tuple[torch.Tensor, ...]:
        """The same of the teachers."""
        if self.teachers is None:
            raise ValueError("this measure compares with a teacher, and y was given in its place; pass a teacher")
        return self.teachers.activations(self.x)

    @property
    def y(self) -> torch.Tensor:
        """What the students should return: what was given, or the teachers' outputs."""
        return self._given if self._given is not None else self.teacher_activations[-1]


@dataclass(frozen=True, eq=False)
class Measures:
    """What `train` measures and keeps at the epochs it records, and on which inputs.

    - functions: functions of an `Evaluation`, as a mapping by name, or a sequence under the names they have.
    - x: inputs to measure on, for all runs or a set for each, as in `train`; and y: numbers or labels at them, unless
      there is a teacher. By default inputs drawn from the law of the training inputs, or, where data are given, these
      themselves. The activations of one run at all of them are held at once.
    - samples: how many to draw from the law; 10,000 by default.
    - keep_weights: bool, keep the students at every recorded epoch.

    Raises `ValueError` for functions without a name of their own.

    >>> sorted(Measures([evaluation_loss, best_student], samples=1000).functions)
    ['best_student', 'evaluation_loss']
    """

    functions: Any = ()
    x: Any = None
    y: Any = None
    samples: int | None = None
    keep_weights: bool = False

    def __post_init__(self) -> None:
        functions = self.functions
        if callable(functions) or not isinstance(functions, Mapping | Sequence):
            raise ValueError(
                f"measures is {described(functions)}; expected a list of functions, or a mapping from names to them"
            )
        by_name = isinstance(functions, Mapping)
        named = dict(functions) if by_name else {getattr(f, "__name__", ""): f for f in functions}
        if len(named) != len(functions) or not all(isinstance(n, str) and n and "/" not in n for n in named):
            raise ValueError("some measures have no name or the same name; pass a mapping from names to functions")
        if not all(callable(function) for function in named.values()):
            raise ValueError(f"measures is {functions!r}; expected functions of an Evaluation")
        object.__setattr__(self, "functions", named)


def evaluation_loss(evaluation: Evaluation) -> torch.Tensor:
    """`E|f* - f|^2 / 2`, equation (2), over the evaluation inputs: `(n,)`.

    Raises `ValueError` where y are labels.

    >>> import torch
    >>> one, other = (DeepReLU((torch.ones(1, 3, 2), size * torch.ones(1, 1, 3))) for size in (1.0, 2.0))
    >>> evaluation_loss(Evaluation(one, other, torch.ones(1, 5, 2), None, 0))  # outputs 6 and 12
    tensor([18.])
    """
    if evaluation.y.ndim == 2:
        raise ValueError("evaluation_loss compares outputs, and y are labels; measure accuracy")
    difference = evaluation.student_activations[-1] - evaluation.y
    return difference.square_().sum(2).mean(1) / 2


def accuracy(evaluation: Evaluation) -> torch.Tensor:
    """Share of the evaluation inputs whose largest output is the label's (without labels, the teacher's): `(n,)`.

    >>> import torch
    >>> students = DeepReLU((torch.eye(2)[None], torch.eye(2)[None]))
    >>> x, labels = torch.tensor([[[3.0, 1.0], [1.0, 3.0], [2.0, 1.0], [2.0, 0.0]]]), torch.tensor([[0, 1, 0, 1]])
    >>> accuracy(Evaluation(students, None, x, labels, 0))
    tensor([0.7500])
    """
    output, y = evaluation.student_activations[-1], evaluation.y
    label = y.argmax(2) if y.ndim == 3 else y
    return (output.argmax(2) == label).to(output.dtype).mean(1)


def node_correlations(evaluation: Evaluation, layer: int = -1) -> torch.Tensor:
    """Normalised correlations of teacher's and student's nodes of a hidden layer (-1: the top one): `(n, m, k)`.

    Layers are numbered as in `specialization.fan_out_norms`, those of a teacher of another depth by its own depth. For
    another layer pass `functools.partial(node_correlations, layer=1)`.

    >>> import torch
    >>> network, x = DeepReLU((torch.eye(2)[None], torch.ones(1, 1, 2))), torch.eye(2)[None]
    >>> node_correlations(Evaluation(network, network, x, None, 0)).round(decimals=3)
    tensor([[[ 1., -1.],
             [-1.,  1.]]])
    """
    own, teacher = evaluation.student_activations, evaluation.teacher_activations
    return specialization.correlations(
        teacher[checked_layer(layer, len(teacher) - 1) - 1],
        own[checked_layer(layer, len(own) - 1) - 1],
        positions=isinstance(evaluation.students, ConvReLU),
    )


def best_student(evaluation: Evaluation, layer: int = -1) -> torch.Tensor:
    """Correlation of each teacher node with its best student node: `(n, m)`.

    >>> import torch
    >>> teacher, x = DeepReLU((torch.eye(2)[None], torch.ones(1, 1, 2))), torch.eye(2)[None]
    >>> one = DeepReLU((torch.tensor([[[0.0, 1.0]]]), torch.ones(1, 1, 1)))  # a student of one node
    >>> best_student(Evaluation(one, teacher, x, None, 0)).round(decimals=3)
    tensor([[-1.,  1.]])
    """
    return specialization.best_match(node_correlations(evaluation, layer), of="teacher").value


def best_teacher(evaluation: Evaluation, layer: int = -1) -> torch.Tensor:
    """Correlation of each student node with its best teacher node: `(n, k)`.

    >>> import torch
    >>> teacher, x = DeepReLU((torch.eye(2)[None], torch.ones(1, 1, 2))), torch.eye(2)[None]
    >>> one = DeepReLU((torch.tensor([[[0.0, 1.0]]]), torch.ones(1, 1, 1)))  # a student of one node
    >>> best_teacher(Evaluation(one, teacher, x, None, 0)).round(decimals=3)
    tensor([[1.]])
    """
    return specialization.best_match(node_correlations(evaluation, layer), of="student").value


def rho_mean(evaluation: Evaluation) -> torch.Tensor:
    """`rho_mean` of every hidden layer, from the lowest: `(n, L - 1)`. Specialization paper, Section 6.

    Raises `ValueError` for a teacher of another depth.

    >>> import torch
    >>> network, x = DeepReLU((torch.eye(2)[None], torch.ones(1, 1, 2))), torch.eye(2)[None]
    >>> rho_mean(Evaluation(network, network, x, None, 0)).round(decimals=3)
    tensor([[1.]])
    """
    import torch

    depth, other = len(evaluation.student_activations) - 1, len(evaluation.teacher_activations) - 1
    if other != depth:
        raise ValueError(
            f"students have {depth} hidden layers and their teacher {other}; rho_mean needs equal depths: measure the "
            "layers that correspond by functools.partial(node_correlations, layer=...)"
        )
    layers = range(1, depth + 1)
    return torch.stack([specialization.mean_best(node_correlations(evaluation, layer)) for layer in layers], dim=1)


def fan_out(evaluation: Evaluation, layer: int = -1) -> torch.Tensor:
    """Length of the fan-out weights of each student node of a hidden layer: `(n, k)`.

    >>> import torch
    >>> students = DeepReLU((torch.ones(1, 2, 3), torch.tensor([[[3.0, 1.0], [4.0, 0.0]]])))
    >>> fan_out(Evaluation(students, None, torch.ones(1, 1, 3), None, 0))
    tensor([[5., 1.]])
    """
    networks: DeepReLU | ConvReLU = evaluation.students
    return specialization.fan_out_norms(networks, layer)
