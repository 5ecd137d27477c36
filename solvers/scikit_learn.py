"""Kernels of wide networks for scikit-learn: `GaussianProcessRegressor(kernel=NetworkKernel(...))`.

Needs scikit-learn (extra `images`); gradients by hyper-parameters, which its optimiser asks for, also torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alignmath.activations import RELU
from alignmath.architectures import FullyConnected
from alignmath.arrays import as_floating
from alignmath.extras import needs
from alignmath.kernels import conjugate, tangent

needs("sklearn", "images")

from sklearn.gaussian_process.kernels import Hyperparameter, Kernel  # noqa: E402

__all__ = ["NetworkKernel"]

_VARIANCES = ("weight_variance", "bias_variance", "last_weight_variance")


class NetworkKernel(Kernel):
    """The kernel of `FullyConnected(depth, activation, ...)`, whose variances are hyper-parameters.

    tangent: the tangent kernel in place of the conjugate one. depth, activation, weight_variance, bias_variance,
    last_weight_variance: as of `alignmath.architectures.FullyConnected`, each variance one number for all layers.
    weight_variance_bounds and so on: (least, largest), both above 0, or "fixed". A variance that is free is above 0, as
    scikit-learn works with its logarithm (`theta`).

    Adds to, multiplies and composes with scikit-learn's kernels: `+ WhiteKernel()` for noise. Raises `ValueError`, at
    use, for bad input and variances. With the tangent kernel the mean is that of an ensemble trained to the end, but
    not the covariance: `solvers.trained_ensemble`.

    >>> from sklearn.gaussian_process import GaussianProcessRegressor
    >>> from solvers.scikit_learn import NetworkKernel
    >>> process = GaussianProcessRegressor(NetworkKernel(2), optimizer=None)
    >>> float(process.fit([[1.0, 0.0], [0.0, 1.0]], [1.0, -1.0]).predict([[1.0, 0.0]]).round(6)[0])
    1.0
    """

    def __init__(
        self,
        depth: int = 1,
        activation: Any = RELU,
        *,
        tangent: bool = False,
        weight_variance: float = 2.0,
        bias_variance: float = 0.1,
        last_weight_variance: float = 1.0,
        weight_variance_bounds: Any = (1e-3, 1e3),
        bias_variance_bounds: Any = (1e-5, 1e3),
        last_weight_variance_bounds: Any = "fixed",
    ) -> None:
        self.depth = depth
        self.activation = activation
        self.tangent = tangent
        self.weight_variance = weight_variance
        self.bias_variance = bias_variance
        self.last_weight_variance = last_weight_variance
        self.weight_variance_bounds = weight_variance_bounds
        self.bias_variance_bounds = bias_variance_bounds
        self.last_weight_variance_bounds = last_weight_variance_bounds

    @property
    def hyperparameter_weight_variance(self) -> Hyperparameter:
        """Of all layers but the last."""
        return Hyperparameter("weight_variance", "numeric", self.weight_variance_bounds)

    @property
    def hyperparameter_bias_variance(self) -> Hyperparameter:
        """Of all layers."""
        return Hyperparameter("bias_variance", "numeric", self.bias_variance_bounds)

    @property
    def hyperparameter_last_weight_variance(self) -> Hyperparameter:
        """Of the last layer."""
        return Hyperparameter("last_weight_variance", "numeric", self.last_weight_variance_bounds)

    def __call__(self, x: Any, other: Any = None, eval_gradient: bool = False) -> Any:
        """The matrix `(n, m)` of x `(n, d)` and other `(m, d)`; with eval_gradient also its derivatives by `theta`,
        `(n, n, len(theta))`, for x alone."""
        x = as_floating(x, "x", least_ndim=2)
        if not eval_gradient:
            return self._evaluate(
                x, None if other is None else as_floating(other, "other", least_ndim=2), self._variances()
            )
        if other is not None:
            raise ValueError("eval_gradient is True and other is given; gradients are of the kernel of x alone")
        free = [h.name for h in self.hyperparameters if not h.fixed]
        if not free:
            K = self._evaluate(x, None, self._variances())
            return K, np.empty((*K.shape, 0))
        return self._differentiated(x, free)

    def diag(self, x: Any) -> np.ndarray:
        """The diagonal of the matrix of x, `(n,)`."""
        x = as_floating(x, "x", least_ndim=2)
        return self._kernel()(x, self._network(self._variances()), diagonal=True)

    def is_stationary(self) -> bool:
        """It is not."""
        return False

    def _variances(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _VARIANCES}

    def _network(self, variances: dict[str, Any]) -> FullyConnected:
        return FullyConnected(self.depth, self.activation, **variances)

    def _kernel(self) -> Any:
        return tangent if self.tangent else conjugate

    def _evaluate(self, x: Any, other: Any, variances: dict[str, Any]) -> Any:
        return self._kernel()(x, self._network(variances), other)

    def _differentiated(self, x: np.ndarray, free: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """The gradient of `sum(V * K)` is linear in V: its own gradient by V is that of K, entry by entry."""
        needs("torch", "torch")
        import torch

        leaves = {
            name: torch.tensor(float(getattr(self, name)), dtype=torch.float64, requires_grad=True) for name in free
        }
        K = self._evaluate(torch.as_tensor(x), None, self._variances() | leaves)
        V = torch.zeros_like(K, requires_grad=True)
        products = torch.autograd.grad(K, list(leaves.values()), V, create_graph=True)
        slopes = [
            leaf.detach() * torch.autograd.grad(product, V, retain_graph=True)[0]
            for leaf, product in zip(leaves.values(), products, strict=True)
        ]
        return K.detach().numpy(), torch.stack(slopes, dim=-1).numpy()
