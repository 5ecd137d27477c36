"""Gram matrices of finite networks.

A derivative by the weights of a layer is an outer product of what comes into the layer and of the derivative by what
comes out, so Gram matrices need the latter only: one pass of `torch.func.vjp` for all inputs, and no Jacobian.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alignmath.arrays import as_floating, is_torch_array

from .networks import WideNetwork, as_inputs, forward

if TYPE_CHECKING:
    import torch

__all__ = ["derivatives", "empirical_tangent", "grams", "of_layer"]

_PRODUCTS, _JACOBIAN = 1 << 24, 1 << 26
"""Products of pixels, and entries of a Jacobian, held at once."""


def derivatives(network: WideNetwork, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor], list[torch.Tensor]]:
    """Outputs `(n,)`; what comes into each layer `(D, n, p)`; derivatives of the outputs by what comes out of it,
    `(m, n, p)`. The output layer's are those of `a . x`, entry by entry."""
    import torch

    zeros = tuple(x.new_zeros(network.width, *x.shape[1:]) for _ in network.weights)
    found: Any = torch.func.vjp(lambda *e: forward(network, x, e), *zeros, has_aux=True)
    outputs, pull, arrived = found
    return outputs, arrived, [slope.detach() for slope in pull(torch.ones_like(outputs))]


def of_layer(
    slopes: tuple[torch.Tensor, torch.Tensor] | None, arrived: tuple[torch.Tensor, torch.Tensor]
) -> torch.Tensor:
    """`sum_(l,r) (slope_i^l . slope_j^r) (arrived_i^l . arrived_j^r)`, `(n, k)`; for the output layer, whose weights
    differ from pixel to pixel, the products of what arrives."""
    one, two = arrived
    n, k, p = one.shape[1], two.shape[1], one.shape[2]
    if slopes is None:
        return one.transpose(0, 1).flatten(1) @ two.transpose(0, 1).flatten(1).T
    rows, found = max(1, _PRODUCTS // (k * p * p)), []
    for i in range(0, n, rows):
        part = [v[:, i : i + rows].flatten(1).T @ w.flatten(1) for v, w in (slopes, arrived)]
        found.append((part[0] * part[1]).unflatten(0, (-1, p)).unflatten(-1, (k, p)).sum(dim=(1, 3)))
    import torch

    return torch.cat(found)


def grams(network: WideNetwork, X: Any, Y: Any = None) -> torch.Tensor:
    """`G^(1), ..., G^(H+1)`: `(H + 1, n, n)`, or `(H + 1, n, k)` between inputs X and Y; the sum over layers is G.

    `G^(h)_ij = <du_i / dW^(h), du_j / dW^(h)>`, the last by the output weights (Section 4 of the paper). `ValueError`
    for inputs of another shape.
    """
    import torch

    x = as_inputs(network, X, "X")
    _, arrived, slopes = derivatives(network, x)
    others, other_slopes = (arrived, slopes) if Y is None else derivatives(network, as_inputs(network, Y, "Y"))[1:]
    pairs = list(zip(slopes, other_slopes, strict=True))
    return torch.stack([of_layer(p, a) for p, a in zip([*pairs, None], zip(arrived, others, strict=True), strict=True)])


def empirical_tangent(module: Any, X: Any, Y: Any = None) -> torch.Tensor:
    """The tangent kernel of any `torch.nn.Module` with one output at its present parameters: `(n, n)` or `(n, k)`.

    X, Y: inputs with the samples along the first dimension. Jacobians are taken one parameter tensor at a time and a
    block of samples at a time. Samples must not mix (no batch normalisation in training mode). Raises `ValueError` for
    other numbers of outputs.
    """
    import torch

    parameters = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    buffers = {name: b.detach() for name, b in module.named_buffers()}
    first = next(iter(parameters.values()), None)
    if first is None:
        raise ValueError("module has no parameters that require gradients; there is nothing to differentiate by")

    def load(given: Any, name: str) -> torch.Tensor:
        checked = as_floating(given, name, least_ndim=1)
        return (checked if is_torch_array(checked) else torch.as_tensor(checked)).to(first)

    def jacobian(name: str, x: torch.Tensor) -> torch.Tensor:
        def value(parameter: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
            found = torch.func.functional_call(module, ({**parameters, name: parameter}, buffers), (sample[None],))
            if found.numel() != 1:
                raise ValueError(
                    f"module gives outputs of shape {tuple(found.shape[1:])} a sample; expected one number"
                )
            return found.reshape(())

        return torch.func.vmap(torch.func.grad(value), (None, 0))(parameters[name], x).reshape(len(x), -1)

    x = load(X, "X")
    y = x if Y is None else load(Y, "Y")
    total = x.new_zeros(len(x), len(y))
    for name, parameter in parameters.items():
        rows = max(1, _JACOBIAN // parameter.numel())
        for j in range(0, len(y), rows):
            right = jacobian(name, y[j : j + rows])
            for i in range(0, len(x), rows):
                left = right if Y is None and i == j else jacobian(name, x[i : i + rows])
                total[i : i + rows, j : j + rows] += left @ right.T
    return total
