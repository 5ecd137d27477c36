"""Gradients of a block of runs at once: by hand for fully connected networks, by `torch.func` for convolutional ones.

Parameters carry the runs in their first dimension. By hand a step takes one batched product for each layer and
direction; the gradient of a layer goes to the optimiser (`optimizers.Update`) as the product that it is, as soon as the
layer below has been served. `unpack` and `network` take networks apart and put them together; `enter` and `pack` are
the way from such arrays to the parameters that a step works on, and from these to networks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from alignmath.networks import ConvReLU, DeepReLU

from .optimizers import Update

if TYPE_CHECKING:
    import torch

__all__ = ["LOSSES", "ConvolutionalGradients", "LayeredGradients"]

LOSSES = ("half_squared", "mean_squared", "cross_entropy")


def _filled(count: int) -> int:
    """The next multiple of 8."""
    return -(-count // 8) * 8


def residual(output: torch.Tensor, y: torch.Tensor, loss: str, losses: torch.Tensor) -> torch.Tensor:
    """Slope of the loss of B samples by the outputs, up to the factor `loss_factor`; writes what
    `LayeredGradients.losses` takes to `losses`.

    output: `(n, B, C)`, overwritten. y: `(n, B, C)`, or labels `(n, B)` for cross_entropy. losses: `(n,)`.
    """
    import torch

    if loss == "cross_entropy":
        logs = output - output.logsumexp(2, keepdim=True)
        index = y[..., None]
        losses.copy_(-logs.gather(2, index)[..., 0].mean(1))
        slope = logs.exp_()
        return slope.scatter_add_(2, index, slope.new_full((), -1.0).expand(index.shape))
    slope = output.sub_(y)
    torch.linalg.vector_norm(slope, dim=(1, 2), out=losses)
    return slope


def loss_factor(loss: str, samples: int, outputs: int) -> float:
    """What the slope that `residual` returns is multiplied with, for a step on so many samples."""
    return 2 / (samples * outputs) if loss == "mean_squared" else 1 / samples


class LayeredGradients:
    """Gradients of fully connected networks.

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
        self, parameters: list[torch.Tensor], update: Update, x: torch.Tensor, y: torch.Tensor, losses: torch.Tensor
    ) -> None:
        """One step of every run, in place: x `(n, B, d)` as `widened`, y `(n, B, C)` or labels `(n, B)`; `(n,)`
        losses of before the step are written, see `losses`."""
        import torch

        update.begin_step()
        values, room = [x], self._buffers(x, parameters)
        for index, weight in enumerate(parameters):
            value = torch.bmm(values[-1], weight.mT, out=room[index])
            values.append(value.relu_() if index + 1 < self.layers else value)
        slope = residual(values.pop(), y, self.loss, losses)
        slope = slope.mul_(update.scale(loss_factor(self.loss, x.shape[1], slope.shape[2])))
        for index in range(self.layers - 1, -1, -1):
            back = torch.bmm(slope, parameters[index], out=room[self.layers + index]) if index else None
            update.apply_product(index, parameters[index], slope, values[index])
            if back is None:
                continue
            slope = torch.ops.aten.threshold_backward.grad_input(back, values[index], 0, grad_input=back)
            if self.biased:
                slope[..., self.widths[index]] = 0.0  # the node that is always 1
        if self.biased and update.decays:  # it has changed what makes that node
            for index in range(self.layers - 1):
                parameters[index][:, self.widths[index + 1], self.widths[index]] = 1.0

    def losses(self, written: torch.Tensor, samples: int) -> torch.Tensor:
        """The losses of steps `(K, n)` on so many samples from what the steps wrote, in place: squared norms, here all
        at once."""
        if self.loss == "cross_entropy":
            return written
        return written.square_().mul_(loss_factor(self.loss, samples, self.widths[-1]) / 2)

    def _buffers(self, x: torch.Tensor, weights: list[torch.Tensor]) -> list[torch.Tensor]:
        """Room for the activations and, from index `layers` on, for the slopes by the inputs of each layer."""
        shape = tuple(x.shape)
        if shape not in self._room:
            forward = [x.new_empty((*shape[:2], w.shape[1])) for w in weights]
            self._room = {shape: forward + [x.new_empty((*shape[:2], w.shape[2])) for w in weights]}
        return self._room[shape]


class ConvolutionalGradients:
    """Gradients of convolutional networks; the parameters are their arrays."""

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
    def losses(written: torch.Tensor, samples: int) -> torch.Tensor:
        """The losses of steps, which is what the steps wrote."""
        return written

    def forward(self, parameters: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Outputs `(B, C)` of one network at images `(B, c, h, w)`."""
        import torch.nn.functional as nn

        biases = parameters[self.kernels + 1 :] or [None] * (self.kernels + 1)
        for kernel, bias, stride in zip(parameters[: self.kernels], biases[:-1], self.strides or (), strict=True):
            x = nn.conv2d(x, kernel, bias, stride, padding=kernel.shape[-1] // 2).relu()
        return nn.linear(x.mean((2, 3)), parameters[self.kernels], biases[-1])

    def __call__(
        self, parameters: list[torch.Tensor], update: Update, x: torch.Tensor, y: torch.Tensor, losses: torch.Tensor
    ) -> None:
        """As `LayeredGradients`, for images `(n, B, c, h, w)`."""
        import torch

        def objective(own: list[torch.Tensor], images: torch.Tensor, wanted: torch.Tensor) -> Any:
            output = self.forward(own, images)
            if self.loss == "cross_entropy":
                value = torch.nn.functional.cross_entropy(output, wanted)
            else:
                value = torch.nn.functional.mse_loss(output, wanted)
                value = value * (output.shape[1] / 2) if self.loss == "half_squared" else value
            return value

        update.begin_step()
        one: Callable[..., Any] = torch.func.grad_and_value(objective)
        slopes, values = torch.func.vmap(one)(parameters, x, y)
        losses.copy_(values)
        for index, slope in enumerate(slopes):
            update.apply(index, parameters[index], slope)
