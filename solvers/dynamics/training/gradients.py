"""One step of SGD for a block of runs at once: gradients by hand for fully connected networks, by `torch.func` for
convolutional ones.

Parameters carry the runs in their first dimension. By hand a step takes one batched product for each layer and
direction, and the products of the backward pass are added to the weights in place, so that plain SGD never forms a
gradient. `unpack` and `network` take networks apart and put them together; `enter` and `pack` are the way from such
arrays to the parameters that a step works on, and from these to networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alignmath.networks import ConvReLU, DeepReLU

if TYPE_CHECKING:
    import torch

__all__ = ["LOSSES", "ConvolutionalStep", "LayeredStep", "Rates"]

LOSSES = ("half_squared", "mean_squared", "cross_entropy")


@dataclass(frozen=True)
class Rates:
    """Hyper-parameters of a block of n runs, each `(n,)`; momentum or weight_decay is None where it is 0 in all of
    them."""

    learning_rate: torch.Tensor
    momentum: torch.Tensor | None
    weight_decay: torch.Tensor | None
    nesterov: bool
    _scaled: dict[float, torch.Tensor] = field(default_factory=dict)

    def downhill(self, factor: float) -> torch.Tensor:
        """`-factor * learning_rate`, `(n, 1, 1)`, computed once."""
        if factor not in self._scaled:
            self._scaled[factor] = (-factor * self.learning_rate).view(-1, 1, 1)
        return self._scaled[factor]

    def fitted(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Learning rate, momentum and weight decay, shaped to multiply `like`."""
        shape = (-1, *(1,) * (like.ndim - 1))
        momentum, decay = (None if r is None else r.view(shape) for r in (self.momentum, self.weight_decay))
        return self.learning_rate.view(shape), momentum, decay


def _filled(count: int) -> int:
    """The next multiple of 8."""
    return -(-count // 8) * 8


def descend(
    parameters: list[torch.Tensor], slopes: list[torch.Tensor], speeds: list[torch.Tensor], first: bool, rates: Rates
) -> None:
    """The update of `torch.optim.SGD` (without dampening), in place: with weight decay, momentum and Nesterov's
    variant."""
    for k, (parameter, slope) in enumerate(zip(parameters, slopes, strict=True)):
        rate, momentum, decay = rates.fitted(parameter)
        if decay is not None:
            slope = slope + decay * parameter
        if momentum is not None:
            if first:
                speeds[k].copy_(slope)
            else:
                speeds[k].mul_(momentum).add_(slope)
            slope = slope + momentum * speeds[k] if rates.nesterov else speeds[k]
        parameter.sub_(rate * slope)


def residual(output: torch.Tensor, target: torch.Tensor, loss: str, found: torch.Tensor) -> torch.Tensor:
    """Slope of the batch's loss by the outputs, up to the factor `loss_factor`; writes what `LayeredStep.losses`
    takes to `found`.

    output: `(n, B, C)`, overwritten. target: `(n, B, C)`, or labels `(n, B)` for cross_entropy. found: `(n,)`.
    """
    import torch

    if loss == "cross_entropy":
        logs = output - output.logsumexp(2, keepdim=True)
        index = target[..., None]
        found.copy_(-logs.gather(2, index)[..., 0].mean(1))
        slope = logs.exp_()
        return slope.scatter_add_(2, index, slope.new_full((), -1.0).expand(index.shape))
    slope = output.sub_(target)
    torch.linalg.vector_norm(slope, dim=(1, 2), out=found)
    return slope


def loss_factor(loss: str, batch: int, outputs: int) -> float:
    """What the slope that `residual` returns is multiplied with."""
    return 2 / (batch * outputs) if loss == "mean_squared" else 1 / batch


class LayeredStep:
    """Steps of fully connected networks.

    Biases are taken into the weights, as in the specialization paper: the parameter of layer l is the augmented
    `[[W_l, b_l], [0, 1]]`, whose last row makes a node that is always 1 for the next layer, and that of the output
    `[W_L, b_L]`. Rows and columns are filled with zeros, which stay zeros, up to a multiple of 8, for aligned memory.
    """

    def __init__(self, networks: DeepReLU, loss: str) -> None:
        self.layers, self.widths, self.loss = len(networks.weights), networks.widths, loss
        self.biased = networks.biases is not None
        self._room: dict[tuple[int, ...], Any] = {}

    @staticmethod
    def unpack(networks: DeepReLU) -> list[Any]:
        """The arrays of a batch of networks: the weights, then the biases if any."""
        return [*networks.weights, *(networks.biases or ())]

    def network(self, arrays: list[Any]) -> DeepReLU:
        """The networks with these arrays."""
        return DeepReLU(tuple(arrays[: self.layers]), tuple(arrays[self.layers :]) if self.biased else None)

    def enter(self, arrays: list[torch.Tensor]) -> list[torch.Tensor]:
        """New parameters `(n, ..., ...)`, one a layer, from arrays with the runs in their first dimension."""
        if not self.biased:
            return [array.contiguous().clone() for array in arrays]
        parameters = []
        for index in range(self.layers):
            weight, bias, hidden = arrays[index], arrays[self.layers + index], index + 1 < self.layers
            rows, columns = self.widths[index + 1], self.widths[index]
            augmented = weight.new_zeros(len(weight), _filled(rows + 1) if hidden else rows, _filled(columns + 1))
            augmented[:, :rows, :columns] = weight
            augmented[:, :rows, columns] = bias
            if hidden:
                augmented[:, rows, columns] = 1.0
            parameters.append(augmented)
        return parameters

    def pack(self, parameters: list[Any]) -> DeepReLU:
        """The networks with these parameters, which may have other dimensions in front."""
        if not self.biased:
            return self.network(parameters)
        cut = [p[..., : self.widths[k + 1], : self.widths[k]] for k, p in enumerate(parameters)]
        return self.network(cut + [p[..., : self.widths[k + 1], self.widths[k]] for k, p in enumerate(parameters)])

    def widened(self, x: torch.Tensor) -> torch.Tensor:
        """Inputs `(..., d)` as the first layer takes them: with the constant 1 and zeros, where there are biases."""
        if not self.biased:
            return x
        wide = x.new_empty((*x.shape[:-1], _filled(x.shape[-1] + 1)))
        wide[..., : x.shape[-1]] = x
        wide[..., x.shape[-1] :] = 0.0
        wide[..., x.shape[-1]] = 1.0
        return wide

    def __call__(
        self,
        parameters: list[torch.Tensor],
        speeds: list[torch.Tensor],
        first: bool,
        x: torch.Tensor,
        target: torch.Tensor,
        rates: Rates,
        losses: torch.Tensor,
    ) -> None:
        """One step of every run on its batch, in place: x `(n, B, d)` as `widened`, target `(n, B, C)` or labels."""
        import torch

        values, room = [x], self._buffers(x, parameters)
        for index, weight in enumerate(parameters):
            value = torch.bmm(values[-1], weight.mT, out=room[index])
            values.append(value.relu_() if index + 1 < self.layers else value)
        slope = residual(values.pop(), target, self.loss, losses)
        factor, plain = loss_factor(self.loss, x.shape[1], slope.shape[2]), rates.momentum is None
        slope = slope.mul_(rates.downhill(factor) if plain else factor)
        slopes: list[torch.Tensor] = [slope] * self.layers
        for index in range(self.layers - 1, -1, -1):
            back = torch.bmm(slope, parameters[index], out=room[self.layers + index]) if index else None
            if plain:
                if rates.weight_decay is not None:
                    parameters[index].mul_((1 - rates.learning_rate * rates.weight_decay).view(-1, 1, 1))
                parameters[index].baddbmm_(slope.mT, values[index])
            else:
                slopes[index] = torch.bmm(slope.mT, values[index])
            if back is not None:
                slope = torch.ops.aten.threshold_backward.grad_input(back, values[index], 0, grad_input=back)
                if self.biased:
                    slope[..., self.widths[index]] = 0.0  # the node that is always 1
        if not plain:
            descend(parameters, slopes, speeds, first, rates)
        if self.biased and rates.weight_decay is not None:
            for index in range(self.layers - 1):
                parameters[index][:, self.widths[index + 1], self.widths[index]] = 1.0

    def losses(self, found: torch.Tensor, batch: int, outputs: int) -> torch.Tensor:
        """The losses of steps `(K, n)` from what the steps wrote, in place: squared norms, here all at once."""
        if self.loss == "cross_entropy":
            return found
        return found.square_().mul_(loss_factor(self.loss, batch, outputs) / 2)

    def _buffers(self, x: torch.Tensor, weights: list[torch.Tensor]) -> list[torch.Tensor]:
        """Room for the activations and, from index `layers` on, for the slopes by the inputs of each layer."""
        shape = tuple(x.shape)
        if shape not in self._room:
            forward = [x.new_empty((*shape[:2], w.shape[1])) for w in weights]
            self._room = {shape: forward + [x.new_empty((*shape[:2], w.shape[2])) for w in weights]}
        return self._room[shape]


class ConvolutionalStep:
    """Steps of convolutional networks; the parameters are their arrays."""

    def __init__(self, networks: ConvReLU, loss: str) -> None:
        self.kernels, self.loss, self.strides = len(networks.kernels), loss, networks.strides
        self.widths = networks.widths
        self.biased = networks.biases is not None

    @staticmethod
    def unpack(networks: ConvReLU) -> list[Any]:
        """The arrays of a batch of networks: kernels, output, then the biases if any."""
        return [*networks.kernels, networks.output, *(networks.biases or ())]

    def network(self, arrays: list[Any]) -> ConvReLU:
        """The networks with these arrays."""
        k = self.kernels
        return ConvReLU(tuple(arrays[:k]), arrays[k], tuple(arrays[k + 1 :]) if self.biased else None, self.strides)

    @staticmethod
    def enter(arrays: list[torch.Tensor]) -> list[torch.Tensor]:
        """New parameters from arrays with the runs in their first dimension: copies of these."""
        return [array.contiguous().clone() for array in arrays]

    def pack(self, parameters: list[Any]) -> ConvReLU:
        """The networks with these parameters."""
        return self.network(parameters)

    @staticmethod
    def widened(x: torch.Tensor) -> torch.Tensor:
        """Inputs as the first layer takes them: images as they are."""
        return x

    @staticmethod
    def losses(found: torch.Tensor, batch: int, outputs: int) -> torch.Tensor:
        """The losses of steps, which is what the steps wrote."""
        return found

    def forward(self, parameters: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Outputs `(B, C)` of one network at images `(B, c, h, w)`."""
        import torch.nn.functional as nn

        biases = parameters[self.kernels + 1 :] or [None] * (self.kernels + 1)
        for kernel, bias, stride in zip(parameters[: self.kernels], biases[:-1], self.strides or (), strict=True):
            x = nn.conv2d(x, kernel, bias, stride, padding=kernel.shape[-1] // 2).relu()
        return nn.linear(x.mean((2, 3)), parameters[self.kernels], biases[-1])

    def __call__(
        self,
        parameters: list[torch.Tensor],
        speeds: list[torch.Tensor],
        first: bool,
        x: torch.Tensor,
        target: torch.Tensor,
        rates: Rates,
        losses: torch.Tensor,
    ) -> None:
        """As `LayeredStep`, for images `(n, B, c, h, w)`."""
        import torch

        def objective(own: list[torch.Tensor], images: torch.Tensor, wanted: torch.Tensor) -> Any:
            output = self.forward(own, images)
            if self.loss == "cross_entropy":
                value = torch.nn.functional.cross_entropy(output, wanted)
            else:
                value = torch.nn.functional.mse_loss(output, wanted)
                value = value * (output.shape[1] / 2) if self.loss == "half_squared" else value
            return value

        one: Callable[..., Any] = torch.func.grad_and_value(objective)
        slopes, values = torch.func.vmap(one)(parameters, x, target)
        losses.copy_(values)
        descend(parameters, list(slopes), speeds, first, rates)
