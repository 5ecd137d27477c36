"""Gradient descent on wide networks next to its linearisation: the setting of the gradient-descent paper
(arXiv:1811.03804).

`random_network` draws the fully connected networks, ResNets and convolutional ResNets of its Section 3.3 with their
scalings; `grams` are their Gram matrices `G^(1), ..., G^(H+1)`, one for each layer; `follow` trains by gradient descent
and records how far outputs, Gram matrices and weights are from what the theory says; `linearised` is the dynamics
`y - u(k+1) = (I - step G)(y - u(k))` with a fixed matrix, in closed form.

A derivative by the weights of a layer is an outer product of what comes into the layer and of the derivative by what
comes out, so Gram matrices need the latter only: one pass of `torch.func.vjp` for all inputs, and no Jacobian.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from alignmath.activations import Activation
from alignmath.arrays import Array, as_floating, as_number, as_order, is_torch_array, namespace
from alignmath.kernels import ARCHITECTURES, gram

from .solution import RunStatus

if TYPE_CHECKING:
    import torch

__all__ = ["Descent", "WideNetwork", "empirical_tangent", "follow", "grams", "linearised", "random_network"]

_PRODUCTS, _JACOBIAN = 1 << 24, 1 << 26
"""Products of pixels, and entries of a Jacobian, held at once."""
_KEPT = 256
"""Limits of Gram matrices are kept for at most so many inputs."""


@dataclass(frozen=True)
class WideNetwork:
    """A network of the gradient-descent paper, equations (2), (3) and the one after them.

    weights: `W^(1) (m, d)`, `W^(2), ..., W^(H) (m, m)`; for "convolutional_resnet" `(m, q d_0)` and `(m, q m)`, with
    the channels of one pixel of a patch together. output: a, `(m,)`, or `(m, p)` for p pixels. Torch tensors.
    residual_scale: c_res; patch: q.
    """

    architecture: str
    activation: Activation
    weights: tuple[torch.Tensor, ...]
    output: torch.Tensor
    residual_scale: float = 0.5
    patch: int = 3

    @property
    def depth(self) -> int:
        """H."""
        return len(self.weights)

    @property
    def width(self) -> int:
        """m."""
        return self.output.shape[0]

    def __call__(self, X: Any) -> torch.Tensor:
        """Outputs `(n,)` at inputs `(n, d)`, or `(n, d_0, p)` for the convolutional network."""
        return _forward(self, _as_inputs(self, X, "X"), None)[0]


def random_network(
    inputs: int | tuple[int, int],
    depth: int,
    width: int,
    activation: Activation,
    architecture: str = "fully_connected",
    *,
    residual_scale: float = 0.5,
    patch: int = 3,
    seed: int = 0,
    dtype: str = "float64",
    device: Any = "cpu",
) -> WideNetwork:
    """A network with independent standard normal weights.

    inputs: d, or `(d_0, p)`, channels and pixels, for "convolutional_resnet". depth: H, at least 1, for the residual
    networks 2. width: m. residual_scale, patch: as of `alignmath.kernels.gram`. The same seed gives the same weights on
    one kind of device; torch's own random numbers are left alone. Raises `ValueError` for bad input.
    """
    import torch

    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture is {architecture!r}; expected one of {list(ARCHITECTURES)}")
    if not activation.differentiable:
        raise ValueError(f"activation is {activation.name}, whose derivative is no function; it cannot be trained")
    convolutional = architecture == "convolutional_resnet"
    if isinstance(inputs, tuple) != convolutional or (isinstance(inputs, tuple) and len(inputs) != 2):
        raise ValueError(f"inputs is {inputs!r}; expected {'(d_0, p)' if convolutional else 'd'} for {architecture}")
    sizes = [as_order(v, "inputs", least=1, most=10**9) for v in (inputs if isinstance(inputs, tuple) else (inputs,))]
    H = as_order(depth, "depth", least=1 if architecture == "fully_connected" else 2, most=10_000)
    m = as_order(width, "width", least=1, most=10**7)
    scale = as_number(residual_scale, "residual_scale", above=True)
    if scale >= 1:
        raise ValueError(f"residual_scale is {residual_scale!r}; expected a number in (0, 1)")
    q = as_order(patch, "patch", least=1, most=10**6)
    if q % 2 == 0:
        raise ValueError(f"patch is {patch!r}; expected an odd number of pixels")
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype is {dtype!r}; expected 'float32' or 'float64'")
    generator = torch.Generator(device).manual_seed(as_order(seed, "seed", most=2**63 - 1))
    per = q if convolutional else 1

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=getattr(torch, dtype), device=device)

    weights = tuple(normal(m, per * (m if h else sizes[0])) for h in range(H))
    output = normal(m, sizes[1]) if convolutional else normal(m)
    return WideNetwork(architecture, activation, weights, output, scale, q)


def _as_inputs(network: WideNetwork, X: Any, name: str) -> torch.Tensor:
    """Inputs as `(channels, n, pixels)`, in the network's precision and on its device; vectors have one pixel."""
    import torch

    checked = as_floating(X, name, least_ndim=2)
    x = (checked if is_torch_array(checked) else torch.as_tensor(checked)).to(network.output)
    convolutional = network.architecture == "convolutional_resnet"
    channels = network.weights[0].shape[1] // (network.patch if convolutional else 1)
    expected = (channels, network.output.shape[1]) if convolutional else (channels,)
    if tuple(x.shape[1:]) != expected:
        raise ValueError(f"{name} has shape {tuple(x.shape)}; expected (n, {', '.join(map(str, expected))})")
    return (x if convolutional else x[..., None]).movedim(0, 1)


def _patches(value: torch.Tensor, q: int) -> torch.Tensor:
    """phi: of `(c, n, p)` the `(q c, n, p)` values that lie in the patch around each pixel, zeros outside."""
    import torch

    reach, pixels = q // 2, value.shape[-1]
    padded = torch.nn.functional.pad(value, (reach, reach))
    return torch.cat([padded[..., o : o + pixels] for o in range(q)])


def _forward(
    network: WideNetwork, x: torch.Tensor, offsets: Sequence[torch.Tensor] | None
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Outputs `(n,)`, and what comes into each layer, `(D, n, p)`, the last into the output layer; offsets are added
    to what the layers' weights give."""
    s, m, H = network.activation, network.width, network.depth
    step = network.residual_scale / H / math.sqrt(m)
    first = math.sqrt(s.c_sigma / m)
    arrived = []
    for h, W in enumerate(network.weights):
        inner = _patches(x, network.patch) if network.architecture == "convolutional_resnet" else x
        arrived.append(inner)
        z = (W @ inner.flatten(1)).unflatten(1, inner.shape[1:])
        value = s.value(z if offsets is None else z + offsets[h])
        plain = h == 0 or network.architecture == "fully_connected"
        x = first * value if plain else x + step * value
    arrived.append(x)
    output = network.output.reshape(m, 1, -1)
    return (output * x).sum(dim=(0, 2)), arrived


def _pass(network: WideNetwork, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor], list[torch.Tensor]]:
    """Outputs `(n,)`; what comes into each layer `(D, n, p)`; derivatives of the outputs by what comes out of it,
    `(m, n, p)`. The output layer's are those of `a . x`, entry by entry."""
    import torch

    zeros = tuple(x.new_zeros(network.width, *x.shape[1:]) for _ in network.weights)
    found: Any = torch.func.vjp(lambda *e: _forward(network, x, e), *zeros, has_aux=True)
    outputs, pull, arrived = found
    return outputs, arrived, [slope.detach() for slope in pull(torch.ones_like(outputs))]


def _products(
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

    x = _as_inputs(network, X, "X")
    _, arrived, slopes = _pass(network, x)
    others, other_slopes = (arrived, slopes) if Y is None else _pass(network, _as_inputs(network, Y, "Y"))[1:]
    pairs = list(zip(slopes, other_slopes, strict=True))
    return torch.stack(
        [_products(p, a) for p, a in zip([*pairs, None], zip(arrived, others, strict=True), strict=True)]
    )


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


def linearised(
    matrix: Any,
    residual: Any,
    step_size: float,
    steps: Any,
    cross: Any = None,
) -> tuple[Array, Array | None]:
    """What `y - u(k+1) = (I - step_size M)(y - u(k))` gives after k steps, in closed form: residuals `(K, n)`, and the
    change of the outputs at other inputs, `(K, t)`, None without `cross`.

    matrix: M, `(n, n)`, symmetric positive semi-definite, a Gram matrix or its limit. residual: `y - u(0)`, `(n,)`.
    step_size: above 0. steps: k, one number or `(K,)`, 0 or more; infinity gives the limit, kernel regression, where
    there is one. cross: `(t, n)`, the matrix between the other inputs and those trained on; their outputs change by
    `cross M^+ (y - u(0) - residual)`. Directions of eigenvalue 0 are left as they are, of cross too (which has none
    there, up to rounding, if it is a block of one positive semi-definite matrix with M).

    In: NumPy; or torch, out torch. Raises `ValueError` for bad input, and where a step size too large to converge gives
    infinite results.
    """
    M, r = as_floating(matrix, "matrix", least_ndim=2), as_floating(residual, "residual", least_ndim=1)
    C = None if cross is None else as_floating(cross, "cross", least_ndim=2)
    xp, n = namespace(M, r) if C is None else namespace(M, r, C), len(r)
    r = xp.astype(r, M.dtype)
    if tuple(M.shape) != (n, n) or r.ndim != 1:
        raise ValueError(f"matrix has shape {tuple(M.shape)} and residual {tuple(r.shape)}; expected (n, n) and (n,)")
    if float(xp.max(xp.abs(M - M.T))) > 1e-6 * float(xp.max(xp.abs(M))):
        raise ValueError("matrix is not symmetric; pass the whole Gram matrix")
    step = as_number(step_size, "step_size", above=True)
    count = np.atleast_1d(np.asarray(steps, dtype=float))
    if count.ndim != 1 or not np.all((count >= 0) & ((count == np.floor(count)) | (count == math.inf))):
        raise ValueError(f"steps is {steps!r}; expected whole numbers of steps, 0 or more, or infinity")
    values, vectors = xp.linalg.eigh((M + M.T) / 2)
    least, most = float(values[0]), float(values[-1])
    if least < -1e-6 * max(most, 0.0):
        raise ValueError(f"matrix has the eigenvalue {least:.3g}; expected a positive semi-definite matrix")
    rounding = n * float(xp.finfo(values.dtype).eps) * most
    positive = values > rounding
    factor = 1 - step * xp.where(positive, values, xp.zeros_like(values))
    along = vectors.T @ r
    with np.errstate(over="ignore", invalid="ignore"):
        powers = xp.stack([xp.where(factor == 1, xp.ones_like(factor), factor**k) for k in count.tolist()])
    if step * most >= 2 and (count.max() == math.inf or not bool(xp.all(xp.isfinite(powers)))):
        raise ValueError(f"step_size is {step:g}; beyond 2 / {most:.3g} the residuals do not converge")
    residuals = (powers * along) @ vectors.T
    if C is None:
        return residuals, None
    C = xp.astype(C, M.dtype)
    if C.ndim != 2 or C.shape[1] != n:
        raise ValueError(f"cross has shape {tuple(C.shape)}; expected (t, {n})")
    small = step * values < 0.5  # there 1 - (1 - step value)^k without cancellation
    logarithm = xp.log1p(-step * xp.where(small & positive, values, xp.zeros_like(values)))
    done = [
        xp.where(small, -xp.expm1(min(k, 1e300) * logarithm), 1 - p)
        for k, p in zip(count.tolist(), powers, strict=True)
    ]
    weights = xp.where(
        positive, xp.stack(done) / xp.where(positive, values, xp.ones_like(values)), xp.zeros_like(powers)
    )
    return residuals, (weights * along) @ (C @ vectors).T


@dataclass(frozen=True)
class Descent:
    """Gradient descent on a network of the paper, of T steps, see `follow`; NumPy arrays.

    step_size; steps: `(K,)`, where Gram matrices and weights were recorded. outputs: u(k), `(T + 1, n)`; loss:
    `(T + 1,)`. grams: `(K, H + 1, n, n)`. drift: `(K, H + 1)`, `|W^(h)(k) - W^(h)(0)|_F / sqrt(m)`, equation (6), and
    that of a. by_gram, by_limit: y - u(k) by `(I - step G(0))^k` and by `(I - step K)^k`, K the limit of G,
    `(T + 1, n)`; infinite where they overflow.
    remainder: `(T,)`, length of `y - u(k+1) - (I - step G(k))(y - u(k))`. least_eigenvalue: of `K^(H)`; bound:
    `(T + 1,)`, `(1 - step least_eigenvalue / 2)^k L(0)`, of Theorems 5.1, 6.1 and 7.1.
    network: at the end. status: `RunStatus.FINISHED`, or DIVERGED, all arrays then ending with the last finite loss.
    """

    step_size: float
    steps: Array
    outputs: Array
    loss: Array
    grams: Array
    drift: Array
    by_gram: Array
    by_limit: Array
    remainder: Array
    least_eigenvalue: float
    bound: Array
    network: WideNetwork
    status: RunStatus
    seconds: float

    @property
    def bound_holds(self) -> bool:
        """Whether the loss was at most the bound at every step."""
        return bool(np.all(self.loss <= self.bound * (1 + 1e-12))) and self.status is RunStatus.FINISHED


def follow(
    network: WideNetwork,
    X: Any,
    y: Any,
    steps: int,
    *,
    step_size: float | None = None,
    train: Sequence[int] | None = None,
    record: Sequence[int] | None = None,
    observe: Callable[[int, WideNetwork], None] | None = None,
    progress: bool = False,
) -> Descent:
    """Full-batch gradient descent for the loss `1/2 sum_i (f(x_i) - y_i)^2`, next to its linearisation.

    network: where it starts (left unchanged). X: `(n, d)` or `(n, d_0, p)`; y: `(n,)`. steps: T. step_size: by default
    half of what `G(0)` allows, `1 / lambda_max(G(0))`. train: the layers trained, numbers from 1 to H + 1 (the output
    weights), all by default; G and K are then sums over these. record: the steps whose Gram matrices are kept (all by
    default). observe: called with k and the network, whose weights the next step changes in place, at each recorded
    step, to measure what else is wanted. progress: a bar on stderr. Raises `ValueError` for bad input, among it equal
    inputs with different labels.
    """
    import torch
    from tqdm import tqdm

    started = clock.perf_counter()
    x = _as_inputs(network, X, "X").detach()
    n, T = x.shape[1], as_order(steps, "steps", most=10**9)
    labels = as_floating(y, "y", least_ndim=1)
    target = (labels if is_torch_array(labels) else torch.as_tensor(labels)).detach().to(x)
    if tuple(target.shape) != (n,):
        raise ValueError(f"y has shape {tuple(target.shape)}; expected ({n},), a number for each input")
    _require_consistent(x.movedim(1, 0).flatten(1).cpu().numpy(), target.cpu().numpy())
    moments = set(range(T + 1)) if record is None else {as_order(k, "record", most=T) for k in record}
    H = network.depth
    trained = sorted(range(1, H + 2) if train is None else {as_order(h, "train", least=1, most=H + 1) for h in train})
    if not trained:
        raise ValueError("train is empty; name at least one layer")
    inputs = x.movedim(1, 0).cpu().numpy().astype(float)
    form = (network.architecture, network.activation, H, network.residual_scale, network.patch)
    compute = _limit if n <= _KEPT else _limit.__wrapped__
    limits = {h: compute(inputs.tobytes(), inputs.shape, h, *form) for h in {*trained, H}}
    if not all(np.isfinite(K).all() for K in limits.values()):
        raise ValueError(
            f"the limits of the Gram matrices overflow for {network.activation.name}; scale the inputs down"
        )
    least = float(np.linalg.eigvalsh(limits[H])[0])
    limit = np.sum([limits[h] for h in trained], axis=0)
    chosen = torch.tensor([h - 1 for h in trained])

    layers = [*(W.clone() for W in network.weights), network.output.clone()]
    current = replace(network, weights=tuple(layers[:-1]), output=layers[-1])
    outputs, kept, drift, remainder, kept_at = [], [], [], [], []
    status, step = RunStatus.FINISHED, 0.0
    start: Any = None
    expected: Any = None
    with torch.no_grad(), tqdm(total=T, desc="descent", unit="step", disable=not progress) as bar:
        for k in range(T + 1):
            u, arrived, slopes = _pass(current, x)
            if not bool(torch.isfinite((target - u).square().sum())):
                status = RunStatus.DIVERGED
                remainder = remainder[: len(outputs) - 1]
                break
            pairs = [(s, s) for s in slopes]
            G = torch.stack([_products(p, (a, a)) for p, a in zip([*pairs, None], arrived, strict=True)])
            whole = G[chosen].sum(dim=0)
            if start is None:
                start = whole
                step = _step_size(step_size, start)
            residual = target - u
            if expected is not None:
                remainder.append(float((residual - expected).norm()))
            expected = residual - step * (whole @ residual)
            outputs.append(u.cpu().numpy())
            if k in moments:
                kept_at.append(k)
                kept.append(G.cpu().numpy())
                moved = zip(layers, (*network.weights, network.output), strict=True)
                drift.append([float((now - then).norm()) / math.sqrt(network.width) for now, then in moved])
                if observe is not None:
                    observe(k, current)
            if k == T:
                break
            for h in trained:
                if h > H:
                    layers[-1] += step * (arrived[-1] * residual[:, None]).sum(dim=1).reshape(layers[-1].shape)
                else:
                    pushed = (slopes[h - 1] * residual[:, None]).flatten(1)
                    layers[h - 1].addmm_(pushed, arrived[h - 1].flatten(1).T, alpha=step)
            bar.update()
    if not outputs:
        raise ValueError("the loss at the start is not finite; scale inputs, labels or weights down")
    found, wanted = np.array(outputs, dtype=float), target.cpu().numpy().astype(float)
    moments_seen = np.arange(len(found))
    with np.errstate(over="ignore"):
        loss = np.sum((found - wanted) ** 2, axis=1) / 2
    fixed = (start.cpu().numpy().astype(float), limit)
    predicted = [_predicted(M, wanted - found[0], step, len(found)) for M in fixed]
    return Descent(
        step_size=step,
        steps=np.array(kept_at),
        outputs=found,
        loss=loss,
        grams=np.array(kept),
        drift=np.array(drift),
        by_gram=predicted[0],
        by_limit=predicted[1],
        remainder=np.array(remainder),
        least_eigenvalue=least,
        bound=(1 - step * least / 2) ** moments_seen * loss[0],
        network=current,
        status=status,
        seconds=clock.perf_counter() - started,
    )


@lru_cache(maxsize=64)
def _limit(
    data: bytes,
    shape: tuple[int, ...],
    layer: int,
    architecture: str,
    activation: Activation,
    depth: int,
    residual_scale: float,
    patch: int,
) -> np.ndarray:
    """The limit of `G^(h)` for these inputs, kept: many networks are followed on the same."""
    X = np.frombuffer(data).reshape(shape)
    return gram(
        X if architecture == "convolutional_resnet" else X[..., 0],
        depth,
        activation,
        architecture,
        layer=layer,
        residual_scale=residual_scale,
        patch=patch,
    )


def _predicted(matrix: np.ndarray, residual: np.ndarray, step: float, count: int) -> np.ndarray:
    """`(I - step M)^k residual` for k below count."""
    most = float(np.linalg.eigvalsh(matrix)[-1])
    reach = 700 / math.log(step * most - 1) if step * most > 2 else math.inf  # beyond, floats overflow
    kept = int(min(count, reach))
    found = np.full((count, len(residual)), math.inf)
    found[:kept] = linearised(matrix, residual, step, np.arange(kept))[0]
    return found


def _step_size(given: float | None, start: torch.Tensor) -> float:
    import torch

    if given is not None:
        return as_number(given, "step_size", above=True)
    largest = float(torch.linalg.eigvalsh(start)[-1])
    if largest <= 0:
        raise ValueError("the Gram matrix at the start is 0, so no step size follows from it; pass step_size")
    return 1 / largest


def _require_consistent(inputs: np.ndarray, labels: np.ndarray) -> None:
    _, place = np.unique(inputs, axis=0, return_inverse=True)
    place = place.reshape(-1)
    least, most = np.full(place.max() + 1, np.inf), np.full(place.max() + 1, -np.inf)
    np.minimum.at(least, place, labels)
    np.maximum.at(most, place, labels)
    bad = np.flatnonzero(least != most)
    if bad.size:
        i, j = (int(np.flatnonzero((place == bad[0]) & (labels == v[bad[0]]))[0]) for v in (least, most))
        raise ValueError(
            f"X[{i}] and X[{j}] are equal, and their labels are {labels[i]:g} and {labels[j]:g}; "
            "no network fits both: drop one or average them"
        )
