"""Where a diverging run is handled: noticed, put away with its last finite parameters, and left out from then on.

Every operation of a block works on each run alone, so a run that has left the finite numbers disturbs no other; here it
is only kept from wasting what it was. Parameters are looked at after every few steps, the losses of all steps; the step
reported is the first whose loss, before the update, was not finite.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...runs import RunStatus

if TYPE_CHECKING:
    import torch

    from .block import State

__all__ = ["DivergenceGuard", "finite_runs"]


def finite_runs(parameters: list[torch.Tensor]) -> torch.Tensor:
    """Whether all parameters of each run are finite, `(n,)` bool: whether the largest and the least are, which takes
    one pass each where `isfinite` takes several."""
    import torch

    flat = [p.flatten(1) for p in parameters]
    return torch.stack([extreme.isfinite() for p in flat for extreme in (p.amax(1), p.amin(1))]).all(0)


class DivergenceGuard:
    """Stops the runs of a block that diverge. `remember` ahead of a few steps, `stop_diverged` after them."""

    def __init__(self, state: State) -> None:
        import torch

        self._state = state
        self._before = [torch.empty_like(p) for p in state.parameters]

    def remember(self) -> None:
        """Keep the parameters as they are."""
        for kept, parameter in zip(self._before, self._state.parameters, strict=True):
            kept.copy_(parameter)

    def stop_diverged(self, losses: torch.Tensor, steps_before: int) -> bool:
        """Put away the runs whose loss or parameters are no longer finite; returns whether there were any.

        The parameters remembered become their last ones, their status and step are noted, and zeros take their place;
        what later steps make of these is read by nobody. losses: of the K steps taken, `(K, n)`. steps_before: how many
        were taken before these.
        """
        import torch

        state = self._state
        lost = state.alive & ~(finite_runs(state.parameters) & losses.isfinite().all(0))
        if not bool(lost.any()):
            return False
        for ended, last, parameter in zip(state.ended, self._before, state.parameters, strict=True):
            ended[lost] = last[lost]
            parameter[lost] = 0.0
        state.update.forget(lost)
        bad = ~losses.isfinite()
        first = torch.where(bad.any(0), bad.int().argmax(0), len(losses))
        state.status[lost] = int(RunStatus.DIVERGED)
        state.stopped[lost] = steps_before + first[lost]
        return True

    def mark_losses(self, epoch: int) -> None:
        """NaN for the mean loss of this epoch of the runs that have diverged."""
        self._state.losses[~self._state.alive, epoch] = math.nan
