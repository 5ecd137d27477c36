"""Measuring a block of runs, a few at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .arguments import described
from .block import Plan, State, of_runs
from .measures import Evaluation

if TYPE_CHECKING:
    import torch

__all__ = ["Watch"]

_ACTIVATIONS = 1 << 27
"""Bytes of activations evaluated at once."""


@dataclass(frozen=True)
class Watch:
    """Measures a block. teachers: networks, or None; x `(n or 1, N, ...)`, y: as of an `Evaluation`."""

    plan: Plan
    teachers: Any
    x: Any
    y: torch.Tensor | None

    def __call__(self, state: State) -> dict[str, torch.Tensor]:
        """The measures of every run, NaN for those that have diverged; and the weights, if they are to be kept."""
        import torch

        plan, n, functions = self.plan, len(state.status), self.plan.measures.functions
        weights = state.last_finite() if plan.measures.keep_weights else []
        kept = {f"weights/{k}": value for k, value in enumerate(weights)}
        if not functions:
            return kept
        teachers = None if self.teachers is None else plan.teacher_form.unpack(self.teachers)
        widths = [*plan.form.widths[1:], *(self.teachers.widths[1:] if self.teachers is not None else ())]
        per_run = sum(widths) * math.prod(self.x.shape[3:]) * self.x.shape[1] * self.x.element_size()
        most = max(1, _ACTIVATIONS // per_run)
        parts: dict[str, list[torch.Tensor]] = {name: [] for name in functions}
        sound = state.alive
        for k in range(0, n, most):
            part = slice(k, k + most)
            evaluation = self._evaluation(state, teachers, part, sound)
            finite = evaluation.student_activations[-1].isfinite().flatten(1).all(1)
            if not bool(finite.all()):  # finite weights whose outputs are not: about to diverge
                sound = sound & torch.cat([sound[:k], finite, sound[k + most :]])
                evaluation = self._evaluation(state, teachers, part, sound)
            for name, function in functions.items():
                parts[name].append(_checked(function(evaluation), name, evaluation.students.batch[0]))
        rows = {name: torch.cat(values) for name, values in parts.items()}
        for values in rows.values():
            values[~sound] = math.nan
        return rows | kept

    def _evaluation(
        self, state: State, teachers: list[torch.Tensor] | None, part: slice, sound: torch.Tensor
    ) -> Evaluation:
        """Some runs for the measures; those that are not `sound` with weights 0."""
        import torch

        keep = [sound[part].view(-1, *(1,) * (p.ndim - 1)) for p in state.parameters]
        parameters = [torch.where(k, p[part], 0.0) for k, p in zip(keep, state.parameters, strict=True)]
        return Evaluation(
            self.plan.form.pack(parameters),
            None if teachers is None else self.plan.teacher_form.network([p[part] for p in teachers]),
            of_runs(self.x, part),
            of_runs(self.y, part),
            state.epoch,
        )


def _checked(value: Any, name: str, runs: int) -> torch.Tensor:
    """What a measure has returned; `ValueError` unless it is a floating-point tensor with a row for each run."""
    import torch

    if not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.shape[:1] != (runs,):
        raise ValueError(
            f"measure {name!r} returned {described(value)}; expected a floating-point tensor ({runs}, ...), its first "
            "dimension that of the runs"
        )
    return value
