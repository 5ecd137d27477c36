"""What to measure of students during training: functions of an `Evaluation`, to be passed to `train` by name.

Any function from an `Evaluation` of n runs to a floating-point tensor `(n, ...)` will do; those here are the
specialization paper's.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from alignmath import specialization
from alignmath.networks import ConvReLU, DeepReLU
from alignmath.specialization.correlation import checked_layer

if TYPE_CHECKING:
    import torch

__all__ = [
    "Evaluation",
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

    students: a batch of n networks. teachers: the same, or None where the targets are given numbers. inputs: `(n or
    1, N, ...)`. targets: `(n or 1, N, C)`, labels `(n or 1, N)`, or None where they are the teachers' outputs. epoch:
    epochs trained so far.
    """

    def __init__(
        self, students: Any, teachers: Any, inputs: torch.Tensor, targets: torch.Tensor | None, epoch: int
    ) -> None:
        self.students, self.teachers, self.inputs, self.given, self.epoch = students, teachers, inputs, targets, epoch

    @cached_property
    def student_activations(self) -> tuple[torch.Tensor, ...]:
        """Activations of all layers of the students, `(n, N, n_l)` or `(n, N, c_l, h, w)`; the output last."""
        return self.students.activations(self.inputs)

    @cached_property
    def teacher_activations(self) -> tuple[torch.Tensor, ...]:
        """The same of the teachers."""
        if self.teachers is None:
            raise ValueError(
                "this measure compares with a teacher, and the targets are given numbers; pass a network as target"
            )
        return self.teachers.activations(self.inputs)

    @property
    def targets(self) -> torch.Tensor:
        """What the students should return: the given targets, or the teachers' outputs."""
        return self.given if self.given is not None else self.teacher_activations[-1]


def evaluation_loss(evaluation: Evaluation) -> torch.Tensor:
    """`E|f* - f|^2 / 2`, equation (2), over the evaluation inputs: `(n,)`.

    Raises `ValueError` where the targets are labels.
    """
    if evaluation.targets.ndim == 2:
        raise ValueError("evaluation_loss compares outputs, and the targets are labels; measure accuracy")
    difference = evaluation.student_activations[-1] - evaluation.targets
    return difference.square_().sum(2).mean(1) / 2


def accuracy(evaluation: Evaluation) -> torch.Tensor:
    """Share of the evaluation inputs whose largest output is the label's (without labels, the teacher's): `(n,)`."""
    output, wanted = evaluation.student_activations[-1], evaluation.targets
    label = wanted.argmax(2) if wanted.ndim == 3 else wanted
    return (output.argmax(2) == label).to(output.dtype).mean(1)


def node_correlations(evaluation: Evaluation, layer: int = -1) -> torch.Tensor:
    """Normalised correlations of teacher's and student's nodes of a hidden layer (-1: the top one): `(n, m, k)`.

    Layers are numbered as in `specialization.fan_out_norms`, those of a teacher of another depth by its own depth. For
    another layer pass `functools.partial(node_correlations, layer=1)`.
    """
    own, target = evaluation.student_activations, evaluation.teacher_activations
    return specialization.correlations(
        target[checked_layer(layer, len(target) - 1) - 1],
        own[checked_layer(layer, len(own) - 1) - 1],
        positions=isinstance(evaluation.students, ConvReLU),
    )


def best_student(evaluation: Evaluation, layer: int = -1) -> torch.Tensor:
    """Correlation of each teacher node with its best student node: `(n, m)`."""
    return specialization.best_match(node_correlations(evaluation, layer), of="teacher").value


def best_teacher(evaluation: Evaluation, layer: int = -1) -> torch.Tensor:
    """Correlation of each student node with its best teacher node: `(n, k)`."""
    return specialization.best_match(node_correlations(evaluation, layer), of="student").value


def rho_mean(evaluation: Evaluation) -> torch.Tensor:
    """`rho_mean` of every hidden layer, from the lowest: `(n, L - 1)`. Specialization paper, Section 6.

    Raises `ValueError` for a teacher of another depth.
    """
    import torch

    depth, other = len(evaluation.student_activations) - 1, len(evaluation.teacher_activations) - 1
    if other != depth:
        raise ValueError(
            f"students have depth {depth} and their teacher {other}; rho_mean needs equal depths: measure the layers "
            "that correspond by functools.partial(node_correlations, layer=...)"
        )
    layers = range(1, depth + 1)
    return torch.stack([specialization.mean_best(node_correlations(evaluation, layer)) for layer in layers], dim=1)


def fan_out(evaluation: Evaluation, layer: int = -1) -> torch.Tensor:
    """Length of the fan-out weights of each student node of a hidden layer: `(n, k)`."""
    networks: DeepReLU | ConvReLU = evaluation.students
    return specialization.fan_out_norms(networks, layer)
