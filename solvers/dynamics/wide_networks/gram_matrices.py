"""Gram matrices of finite networks.

A derivative by the weights of a layer is an outer product of what comes into the layer and of the derivative by what
comes out, so Gram matrices need the latter only: one way back through the network for all inputs, and no Jacobian.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alignmath.arrays import as_floating, is_torch_array
from alignmath.extras import needs

from .random_networks import WideNetwork, as_columns, passages

if TYPE_CHECKING:
    import torch

    from alignmath.architectures.layers import Passage

__all__ = ["empirical_tangent", "grams", "of_layers"]

_PRODUCTS, _JACOBIAN = 1 << 24, 1 << 26
"""Products of pixels, and entries of a Jacobian, held at once."""


def of_layers(network: WideNetwork, one: list[Passage], other: list[Passage]) -> torch.Tensor:
    """The Gram matrices of all layers, `(H + 1, n, k)`, from what passed them."""
    import torch

    biases = network.biases or (None,) * len(one)
    return torch.stack([_of_layer(p, q, b is not None) for p, q, b in zip(one, other, biases, strict=True)])


def _of_layer(one: Passage, other: Passage, biased: bool) -> torch.Tensor:
    """`factor^2 sum_(l,r) (slope_i^l . slope_j^r) (inner_i^l . inner_j^r)`, `(n, k)`, and what biases add."""
    import torch

    n, k, p = one.inner.shape[1], other.inner.shape[1], one.inner.shape[2]
    height, parts = max(1, _PRODUCTS // (k * p * p)), []
    for i in range(0, n, height):
        pairs = ((one.slope, other.slope), (one.inner, other.inner))
        slopes, inners = (v[:, i : i + height].flatten(1).T @ w.flatten(1) for v, w in pairs)
        part = slopes * inners
        parts.append(part if p == 1 else part.unflatten(0, (-1, p)).unflatten(-1, (k, p)).sum(dim=(1, 3)))
    total = one.factor**2 * torch.cat(parts)
    if biased:
        total = total + one.bias_factor**2 * (one.slope.sum(dim=2).T @ other.slope.sum(dim=2))
    return total


def grams(network: WideNetwork, x: Any, other: Any = None) -> torch.Tensor:
    """`G^(1), ..., G^(H+1)`: `(H + 1, n, n)`, or `(H + 1, n, k)` between x and other; the sum over layers is G.

    `G^(h)_ij = <du_i / dW^(h), du_j / dW^(h)>`, the last by the output weights (Section 4 of the wide_networks paper);
    the biases of a layer count with its weights. `ValueError` for inputs of another shape.

    >>> import numpy as np
    >>> from alignmath.activations import SOFTPLUS
    >>> from alignmath.architectures import ResNet
    >>> from alignmath.kernels import gram
    >>> from solvers.dynamics.wide_networks import grams, random_network
    >>> x, architecture = np.eye(3), ResNet(2, SOFTPLUS)
    >>> G = grams(random_network(3, architecture, 1000), x)
    >>> tuple(G.shape), bool(abs(G[1].numpy() / gram(x, architecture) - 1).max() < 0.2)  # G^(2) and its limit
    ((3, 3, 3), True)
    """
    needs("torch", "torch")
    one = passages(network, as_columns(network, x, "x"))[1]
    two = one if other is None else passages(network, as_columns(network, other, "other"))[1]
    return of_layers(network, one, two)


def empirical_tangent(module: Any, x: Any, other: Any = None) -> torch.Tensor:
    """The tangent kernel of any `torch.nn.Module` with one output at its present parameters: `(n, n)` or `(n, k)`.

    x, other: inputs with the samples along the first dimension. Jacobians are taken one parameter tensor at a time and
    a block of samples at a time. Samples must not mix (no batch normalisation in training mode). Raises `ValueError`
    for other numbers of outputs.

    >>> import torch
    >>> from solvers.dynamics.wide_networks import empirical_tangent
    >>> line = torch.nn.Linear(2, 1).double()
    >>> empirical_tangent(line, [[1.0, 2.0], [0.0, 3.0]]).tolist()  # x . y + 1
    [[6.0, 7.0], [7.0, 10.0]]
    """
    needs("torch", "torch")
    import torch

    parameters = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    buffers = {name: b.detach() for name, b in module.named_buffers()}
    first = next(iter(parameters.values()), None)
    if first is None:
        raise ValueError("module has no parameters that require gradients; there is nothing to differentiate by")

    def loaded(given: Any, name: str) -> torch.Tensor:
        checked = as_floating(given, name, least_ndim=1)
        return (checked if is_torch_array(checked) else torch.as_tensor(checked)).to(first)

    def jacobian(name: str, inputs: torch.Tensor) -> torch.Tensor:
        def value(parameter: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
            output = torch.func.functional_call(module, ({**parameters, name: parameter}, buffers), (sample[None],))
            if output.numel() != 1:
                raise ValueError(
                    f"module gives outputs of shape {tuple(output.shape[1:])} a sample; expected one number"
                )
            return output.reshape(())

        return torch.func.vmap(torch.func.grad(value), (None, 0))(parameters[name], inputs).reshape(len(inputs), -1)

    one = loaded(x, "x")
    two = one if other is None else loaded(other, "other")
    total = one.new_zeros(len(one), len(two))
    for name, parameter in parameters.items():
        height = max(1, _JACOBIAN // parameter.numel())
        for j in range(0, len(two), height):
            right = jacobian(name, two[j : j + height])
            for i in range(0, len(one), height):
                left = right if other is None and i == j else jacobian(name, one[i : i + height])
                total[i : i + height, j : j + height] += left @ right.T
    return total
