"""Gradient descent on the paper's networks for many steps: the derivatives written out, Gram matrices at a few of the steps only.

`solvers.dynamics.wide_networks.follow` computes all Gram matrices at every step; this is ten times as fast, and tested against it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from solvers.dynamics.wide_networks import WideNetwork, grams

__all__ = ["LongDescent", "descend"]


@dataclass(frozen=True)
class LongDescent:
    """outputs: u(k), `(T + 1, n)`; steps: `(K,)`, the recorded ones; grams: `G^(h)(k)` there, `(K, H + 1, n, n)`; drift:
    `|W^(h)(k) - W^(h)(0)|_F / sqrt(m)`, h = 1, ..., H, `(K, H)`."""

    outputs: np.ndarray
    steps: np.ndarray
    grams: np.ndarray
    drift: np.ndarray


def descend(
    network: WideNetwork, X: np.ndarray, y: np.ndarray, steps: int, step_size: float, record: list[int]
) -> LongDescent:
    """Full-batch descent of `1/2 sum_i (f(x_i) - y_i)^2` on all weights; the network is left unchanged."""
    s, m, H = network.activation, network.width, network.depth
    convolutional = network.architecture == "convolutional_resnet"
    plain = network.architecture == "fully_connected"
    reach = network.patch // 2 if convolutional else 0
    layers = [W.clone() for W in network.weights]
    output = network.output.clone()
    current = replace(network, weights=tuple(layers), output=output)
    first, later = np.sqrt(s.c_sigma / m), network.residual_scale / H / np.sqrt(m)
    scales = [first if plain or h == 0 else later for h in range(H)]
    given = torch.as_tensor(X).to(output).movedim(0, 1)
    given = given if convolutional else given[..., None]
    pixels, labels = given.shape[2], torch.as_tensor(y).to(output)
    last = output.reshape(m, 1, -1)

    def patches(x: torch.Tensor) -> torch.Tensor:
        if not reach:
            return x
        padded = torch.nn.functional.pad(x, (reach, reach))
        return torch.cat([padded[..., o : o + pixels] for o in range(2 * reach + 1)])

    def unpatched(g: torch.Tensor) -> torch.Tensor:
        """The transpose of `patches`."""
        if not reach:
            return g
        found = g.new_zeros(len(g) // (2 * reach + 1), g.shape[1], pixels + 2 * reach)
        for o, part in enumerate(g.chunk(2 * reach + 1)):
            found[..., o : o + pixels] += part
        return found[..., reach : reach + pixels]

    outputs, kept, drift = [], [], []
    for k in range(steps + 1):
        x, arrived, inside = given, [], []
        for h, W in enumerate(layers):
            arrived.append(patches(x))
            inside.append((W @ arrived[-1].flatten(1)).unflatten(1, given.shape[1:]))
            value = scales[h] * s.value(inside[-1])
            x = value if plain or h == 0 else x + value
        u = (last * x).sum(dim=(0, 2))
        outputs.append(u.numpy())
        if k in record:
            kept.append(grams(current, X).numpy())
            moved = zip(layers, network.weights, strict=True)
            drift.append([float((now - then).norm()) / np.sqrt(m) for now, then in moved])
        if k == steps:
            break
        residual = (step_size * (labels - u))[:, None]
        back = (last * residual).expand_as(x)
        last += (
            (x * residual).sum(dim=1, keepdim=True) if convolutional else (x * residual).sum(dim=(1, 2), keepdim=True)
        )
        for h in range(H - 1, -1, -1):
            pushed = back * (scales[h] * s.derivative(inside[h]))
            if h:
                through = unpatched((layers[h].T @ pushed.flatten(1)).unflatten(1, given.shape[1:]))
                back = through if plain else back + through
            layers[h].addmm_(pushed.flatten(1), arrived[h].flatten(1).T)
    return LongDescent(np.array(outputs), np.array(sorted(set(record))), np.array(kept), np.array(drift))
