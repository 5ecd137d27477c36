"""Variances and factors of networks: Python floats, or torch tensors that require gradients, which flow through."""

from __future__ import annotations

import math
from typing import Any

from array_api_compat import is_torch_array

from ..arrays import as_number

__all__ = ["as_factor", "as_variance", "has_gradient", "is_one", "require_usable", "square_root"]


def has_gradient(value: Any) -> bool:
    """Whether it is a tensor through which gradients flow."""
    return is_torch_array(value) and value.requires_grad


def as_factor(value: Any, name: str, *, above: bool = False) -> Any:
    """A finite number of at least 0 (or above it) as a float; as a tensor without dimensions if it requires gradients.

    >>> as_factor(2, "factor")
    2.0
    """
    if not is_torch_array(value):
        return as_number(value, name, above=above)
    if value.numel() != 1 or value.is_complex():
        raise ValueError(f"{name} is a tensor of shape {tuple(value.shape)}, {value.dtype}; expected one real number")
    number = as_number(value.detach().item(), name, above=above)
    return value.reshape(()) if has_gradient(value) else number


def as_variance(value: Any, name: str) -> Any:
    """The same; by a variance of 0 kernels have no gradients in general, as they grow like its root.

    >>> as_variance(0.5, "bias_variance")
    0.5
    """
    number = as_factor(value, name)
    require_usable(number, name)
    return number


def require_usable(value: Any, name: str) -> None:
    """`ValueError` for a variance with gradients that is not above 0, as it may be after steps of an optimiser."""
    if has_gradient(value) and not 0 < float(value.detach()) < math.inf:
        raise ValueError(
            f"{name} is {float(value.detach()):g} and requires a gradient, which exists above 0 only; "
            "pass the exponential of a parameter"
        )


def is_one(value: Any) -> bool:
    """Whether multiplying by it changes nothing, gradients included."""
    return not has_gradient(value) and value == 1


def square_root(value: Any) -> Any:
    """Its root, with gradients.

    >>> square_root(9.0)
    3.0
    """
    return value.sqrt() if has_gradient(value) else math.sqrt(value)
