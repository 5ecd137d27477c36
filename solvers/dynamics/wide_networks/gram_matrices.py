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
_OUTPUTS = {"trace": "iap,jap->ij", "diagonal": "iap,jap->ija", "full": "iap,jbp->ijab"}
"""What is made of the Jacobians `(samples, outputs, parameters)` of both sides."""


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


def empirical_tangent(module: Any, x: Any, other: Any = None, *, outputs: str | None = None) -> torch.Tensor:
    """The tangent kernel of any `torch.nn.Module` at its present parameters: `(n, n)` or `(n, k)`.

    x, other: inputs with the samples along the first dimension. Jacobians are taken one parameter tensor at a time and
    a block of samples at a time. Samples must not mix (no batch normalisation in training mode).
    outputs: for a module of o outputs a sample (their dimensions are flattened): "trace", the sum over the outputs of
        the products of an output's gradients at both samples, `(n, k)`; "diagonal", these products, `(n, k, o)`;
        "full", those of all pairs of outputs, `(n, k, o, o)`. Left out, the module must have one.

    Raises `ValueError` for bad input, and for several outputs if `outputs` is left out.

    >>> import torch
    >>> from solvers.dynamics.wide_networks import empirical_tangent
    >>> line = torch.nn.Linear(2, 1).double()
    >>> empirical_tangent(line, [[1.0, 2.0], [0.0, 3.0]]).tolist()  # x . y + 1
    [[6.0, 7.0], [7.0, 10.0]]
    >>> empirical_tangent(torch.nn.Linear(2, 3).double(), [[1.0, 2.0]], outputs="trace").tolist()
    [[18.0]]
    """
    needs("torch", "torch")
    import torch

    if outputs not in (None, *_OUTPUTS):
        raise ValueError(f"outputs is {outputs!r}; expected 'trace', 'diagonal' or 'full', or None for one output")
    parameters = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    buffers = {name: b.detach() for name, b in module.named_buffers()}
    first = next(iter(parameters.values()), None)
    if first is None:
        raise ValueError("module has no parameters that require gradients; there is nothing to differentiate by")

    def loaded(given: Any, name: str) -> torch.Tensor:
        checked = as_floating(given, name, least_ndim=1)
        return (checked if is_torch_array(checked) else torch.as_tensor(checked)).to(first)

    def flat(parameter: torch.Tensor, name: str, sample: torch.Tensor) -> torch.Tensor:
        output = torch.func.functional_call(module, ({**parameters, name: parameter}, buffers), (sample[None],))
        if outputs is None and output.numel() != 1:
            raise ValueError(
                f"module gives outputs of shape {tuple(output.shape[1:])} a sample; expected one number, "
                "or say what of them: outputs='trace', 'diagonal' or 'full'"
            )
        return output.reshape(-1)

    def jacobian(name: str, inputs: torch.Tensor) -> torch.Tensor:
        rows = torch.func.vmap(torch.func.jacrev(flat), (None, None, 0))(parameters[name], name, inputs)
        return rows.reshape(len(inputs), count, -1)

    one = loaded(x, "x")
    two = one if other is None else loaded(other, "other")
    name = next(iter(parameters))
    with torch.no_grad():
        count = len(flat(parameters[name], name, one[0]))
    shape = {"diagonal": (count,), "full": (count, count)}.get(outputs or "trace", ())
    total = one.new_zeros(len(one), len(two), *shape)
    for name, parameter in parameters.items():
        height = max(1, _JACOBIAN // (parameter.numel() * count))
        for j in range(0, len(two), height):
            right = jacobian(name, two[j : j + height])
            for i in range(0, len(one), height):
                left = right if other is None and i == j else jacobian(name, one[i : i + height])
                part = torch.einsum(_OUTPUTS[outputs or "trace"], left, right)
                total[i : i + height, j : j + height] += part
    return total
