"""Optimisers: the step of SGD and of Adam, each with its hyper-parameters, its state and its checks.

An optimiser is a frozen object whose hyper-parameters are numbers, or arrays with one for each run. `Optimizer.update`
binds it to a block of runs: an `Update` holds what is remembered between steps (which checkpoints keep), and changes
the parameters in place, one at a time, from their gradients.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from alignmath.arrays import as_floating, broadcast_batches

from .arguments import described

if TYPE_CHECKING:
    import torch

__all__ = ["SGD", "Adam", "Optimizer", "Update"]

_LARGEST = 1e38
"""What float32 still holds."""


class Update(ABC):
    """The step of an optimiser for a block of n runs.

    state: by name, tensors whose first dimension is that of the runs; all that is remembered between steps.
    decays: whether weights whose gradient is 0 may change.
    """

    decays = True

    def __init__(self, parameters: list[torch.Tensor], hyper: Mapping[str, np.ndarray]) -> None:
        self.state: dict[str, list[torch.Tensor]] = {}
        self._like = parameters[0].new_empty(0)
        self._base_rate = self._tensor(hyper["learning_rate"])
        self.learning_rate = self._base_rate
        self._downhill: dict[float, torch.Tensor] = {}

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        """A number for each run, on the device."""
        import torch

        return torch.as_tensor(values).to(self._like)

    def _unless_zero(self, values: np.ndarray) -> torch.Tensor | None:
        """The same; None where all are 0."""
        return self._tensor(values) if np.any(values > 0) else None

    def set_rate(self, factor: float, alive: torch.Tensor) -> None:
        """Learning rates from now on: `factor` of the optimiser's, and 0 for runs that are not `alive (n,)`."""
        import torch

        self.learning_rate = torch.where(alive, self._base_rate * factor, 0.0)
        self._downhill = {}

    def forget(self, runs: torch.Tensor) -> None:
        """Clear the state of some runs, `(n,)` bool."""
        for tensors in self.state.values():
            for tensor in tensors:
                tensor[runs] = 0.0

    def begin_step(self) -> None:
        """Called ahead of each step."""
        return

    def scale(self, factor: float) -> torch.Tensor | float:
        """What `left` of `apply_product` is to be multiplied with, to make its product `factor` times what it was."""
        return factor

    def apply_product(self, index: int, parameter: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
        """As `apply`, for the gradient `left^T right`; left `(n, B, rows)`, right `(n, B, columns)`."""
        import torch

        self.apply(index, parameter, torch.bmm(left.mT, right))

    @abstractmethod
    def apply(self, index: int, parameter: torch.Tensor, gradient: torch.Tensor) -> None:
        """Change parameter number `index`, `(n, ...)`, in place by its gradient."""


class Optimizer(ABC):
    """What `train` takes for `optimizer`: `SGD` or `Adam`, or a subclass of one's own.

    A subclass is a frozen dataclass with the fields `learning_rate` and `schedule`; it names its hyper-parameters in
    `numbers` and the rest of its fields in `options`, and gives an `Update`.

    >>> isinstance(Adam(1e-3), Optimizer)
    True
    """

    learning_rate: Any
    schedule: Any
    numbers: ClassVar[tuple[str, ...]] = ("learning_rate",)
    options: ClassVar[tuple[str, ...]] = ()

    def per_run(self, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """The hyper-parameters of the runs of a batch, each `(R,)`; a `ValueError` where they do not broadcast."""
        each = {}
        for name in self.numbers:
            values = np.asarray(getattr(self, name))
            if broadcast_batches(students=shape, **{name: values.shape}) != shape:
                raise ValueError(f"{name} has shape {values.shape}; expected a number, or one for each run, {shape}")
            each[name] = np.array(np.broadcast_to(values, shape)).ravel()
        return each

    def factors(self, epochs: int) -> np.ndarray:
        """Factors of the learning rate, `(epochs,)`; a `ValueError` for a schedule of another length."""
        if self.schedule is None:
            return np.ones(epochs)
        if self.schedule.shape != (epochs,):
            raise ValueError(
                f"schedule is {described(self.schedule)}; expected ({epochs},), a factor above 0 for each epoch"
            )
        return self.schedule

    @abstractmethod
    def update(self, parameters: list[torch.Tensor], hyper: Mapping[str, np.ndarray]) -> Update:
        """The step for n runs. parameters: `(n, ...)` each; hyper: `per_run`, of these runs, `(n,)` each."""

    def _set_numbers(self, **limits: tuple[bool, float]) -> None:
        """Check the hyper-parameters against `name=(positive, below)`, and the schedule."""
        for name, (positive, below) in limits.items():
            object.__setattr__(self, name, _as_numbers(getattr(self, name), name, positive=positive, below=below))
        if self.schedule is not None:
            factors = _on_cpu(as_floating(self.schedule, "schedule", least_ndim=1))
            if factors.ndim != 1 or np.any(factors <= 0):
                raise ValueError(f"schedule is {described(factors)}; expected (epochs,), a factor above 0 for each")
            object.__setattr__(self, "schedule", factors)


@dataclass(frozen=True, eq=False)
class SGD(Optimizer):
    """Stochastic gradient descent, the step of `torch.optim.SGD` without dampening:

        g = gradient + weight_decay * w,   v = momentum * v + g,   w = w - learning_rate * v

    With `nesterov`, `w = w - learning_rate * (g + momentum * v)`.

    - learning_rate: above 0; a number, or `(...)`, one for each run.
    - momentum: in [0, 1), and weight_decay: at least 0; likewise.
    - nesterov: bool; then every run has a momentum above 0.
    - schedule: `(epochs,)`, factors of the learning rate, above 0; 1 in every epoch by default.

    Raises `ValueError` for other values.

    >>> SGD(0.01, momentum=0.9)
    SGD(learning_rate=0.01, momentum=0.9, weight_decay=0.0, nesterov=False, schedule=None)
    >>> SGD([0.01, 0.02, 0.05]).per_run((3,))["learning_rate"]  # of three runs
    array([0.01, 0.02, 0.05])
    """

    learning_rate: Any
    momentum: Any = 0.0
    weight_decay: Any = 0.0
    nesterov: bool = False
    schedule: Any = None
    numbers: ClassVar[tuple[str, ...]] = ("learning_rate", "momentum", "weight_decay")
    options: ClassVar[tuple[str, ...]] = ("nesterov",)

    def __post_init__(self) -> None:
        self._set_numbers(learning_rate=(True, math.inf), momentum=(False, 1.0), weight_decay=(False, math.inf))
        if self.nesterov and not np.all(np.asarray(self.momentum) > 0):
            raise ValueError(
                "nesterov is a variant of momentum, which is 0 in some run; give every run a momentum above 0"
            )

    def update(self, parameters: list[torch.Tensor], hyper: Mapping[str, np.ndarray]) -> Update:
        """See `Optimizer.update`."""
        return _SGDUpdate(parameters, hyper, self.nesterov)


class _SGDUpdate(Update):
    """Plain SGD adds the product that a gradient is straight to the weights, and so never forms a gradient."""

    def __init__(self, parameters: list[torch.Tensor], hyper: Mapping[str, np.ndarray], nesterov: bool) -> None:
        super().__init__(parameters, hyper)
        import torch

        self._momentum, self._decay = (self._unless_zero(hyper[name]) for name in ("momentum", "weight_decay"))
        self._nesterov, self.decays = nesterov, self._decay is not None
        if self._momentum is not None:
            self.state["speeds"] = [torch.zeros_like(p) for p in parameters]

    def scale(self, factor: float) -> torch.Tensor | float:
        """For plain SGD minus the learning rate is taken in, `(n, 1, 1)`."""
        if self._momentum is not None:
            return factor
        if factor not in self._downhill:
            self._downhill[factor] = (-factor * self.learning_rate).view(-1, 1, 1)
        return self._downhill[factor]

    def apply_product(self, index: int, parameter: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
        """See `Update.apply_product`."""
        if self._momentum is not None:
            super().apply_product(index, parameter, left, right)
            return
        if self._decay is not None:
            parameter.mul_((1 - self.learning_rate * self._decay).view(-1, 1, 1))
        parameter.baddbmm_(left.mT, right)

    def apply(self, index: int, parameter: torch.Tensor, gradient: torch.Tensor) -> None:
        """See `Update.apply`."""
        shape = (-1, *(1,) * (parameter.ndim - 1))
        if self._decay is not None:
            gradient = gradient + self._decay.view(shape) * parameter
        if self._momentum is not None:
            momentum, speed = self._momentum.view(shape), self.state["speeds"][index]
            speed.mul_(momentum).add_(gradient)
            gradient = gradient + momentum * speed if self._nesterov else speed
        parameter.sub_(self.learning_rate.view(shape) * gradient)


@dataclass(frozen=True, eq=False)
class Adam(Optimizer):
    """Adam, the step of `torch.optim.Adam` (Kingma & Ba 2015, Algorithm 1; weight decay is added to the gradient):

        g = gradient + weight_decay * w,   m = beta1 * m + (1 - beta1) * g,   s = beta2 * s + (1 - beta2) * g^2
        w = w - learning_rate * m / (1 - beta1^t) / (sqrt(s / (1 - beta2^t)) + epsilon)   in step t = 1, 2, ...

    - learning_rate, epsilon: above 0; a number, or `(...)`, one for each run.
    - beta1, beta2: in [0, 1), and weight_decay: at least 0; likewise.
    - schedule: `(epochs,)`, factors of the learning rate, above 0; 1 in every epoch by default.

    Raises `ValueError` for other values.

    >>> Adam(1e-3, beta1=[0.9, 0.5]).per_run((2,))["beta1"]  # of two runs
    array([0.9, 0.5])
    """

    learning_rate: Any
    beta1: Any = 0.9
    beta2: Any = 0.999
    epsilon: Any = 1e-8
    weight_decay: Any = 0.0
    schedule: Any = None
    numbers: ClassVar[tuple[str, ...]] = ("learning_rate", "beta1", "beta2", "epsilon", "weight_decay")

    def __post_init__(self) -> None:
        share, any_size = (False, 1.0), (False, math.inf)
        above_0 = (True, math.inf)
        self._set_numbers(learning_rate=above_0, beta1=share, beta2=share, epsilon=above_0, weight_decay=any_size)

    def update(self, parameters: list[torch.Tensor], hyper: Mapping[str, np.ndarray]) -> Update:
        """See `Optimizer.update`."""
        return _AdamUpdate(parameters, hyper)


class _AdamUpdate(Update):
    def __init__(self, parameters: list[torch.Tensor], hyper: Mapping[str, np.ndarray]) -> None:
        super().__init__(parameters, hyper)
        import torch

        # What float32 would lose, 1 - beta and log(beta), is computed before it is rounded.
        self._beta2, self._new1, self._new2 = map(
            self._tensor, (hyper["beta2"], 1 - hyper["beta1"], 1 - hyper["beta2"])
        )
        with np.errstate(divide="ignore"):
            self._log1, self._log2 = (self._tensor(np.log(hyper[name])) for name in ("beta1", "beta2"))
        self._epsilon, self._decay = self._tensor(hyper["epsilon"]), self._unless_zero(hyper["weight_decay"])
        self.decays = self._decay is not None
        self.state = {name: [torch.zeros_like(p) for p in parameters] for name in ("means", "squares")}
        self.state["steps"] = [torch.zeros_like(self.learning_rate)]
        self._rate = self._root = self.learning_rate

    def begin_step(self) -> None:
        """Count the step: what both averages are divided by."""
        import torch

        (steps,) = self.state["steps"]
        steps += 1
        self._rate = self.learning_rate / -torch.expm1(steps * self._log1)
        self._root = (-torch.expm1(steps * self._log2)).sqrt_()

    def apply(self, index: int, parameter: torch.Tensor, gradient: torch.Tensor) -> None:
        """See `Update.apply`."""
        shape = (-1, *(1,) * (parameter.ndim - 1))
        if self._decay is not None:
            gradient = gradient + self._decay.view(shape) * parameter
        mean, square = self.state["means"][index], self.state["squares"][index]
        mean.lerp_(gradient, self._new1.view(shape))
        square.mul_(self._beta2.view(shape)).addcmul_(gradient, gradient * self._new2.view(shape))
        size = square.sqrt().div_(self._root.view(shape)).add_(self._epsilon.view(shape))
        parameter.sub_((mean / size).mul_(self._rate.view(shape)))


def _as_numbers(value: Any, name: str, *, positive: bool, below: float) -> Any:
    """A hyper-parameter, a float or an array: at least 0 (above it, if `positive`) and below `below`."""
    values = _on_cpu(as_floating(value, name))
    bad = ((values <= 0) if positive else (values < 0)) | (values >= below)
    if np.any(bad):
        wanted = ("above 0" if positive else "of at least 0") + (f" and below {below:g}" if below < math.inf else "")
        raise ValueError(f"{name} has the entry {values[bad].ravel()[0]:g}; expected numbers {wanted}")
    if float(values.max()) > _LARGEST:
        raise ValueError(f"{name} has the entry {float(values.max()):g}; expected numbers of at most {_LARGEST:g}")
    return values if values.ndim else float(values)


def _on_cpu(values: Any) -> np.ndarray:
    return np.array(values.detach().cpu() if hasattr(values, "detach") else values, dtype=float)
