"""Activation functions and their Gaussian expectations, for any covariance.

For `(u, v) ~ N(0, [[a, c], [c, b]])` the *dual* of s is `E[s(u) s(v)]`, that of its derivative `E[s'(u) s'(v)]`.
`RELU`, `leaky_relu`, `STEP`, `ABS`, `ERF`, `EXP`, `SIN`, `COS` and `monomial` have closed forms; `SOFTPLUS`, `TANH`,
`SIGMOID`, `GELU`, `SILU` and what `from_functions` makes go by Hermite series, see
`alignmath.hermite`. Conditions 3.1 and 3.2 of the wide_networks paper (arXiv:1811.03804) are methods.
"""

from .base import Activation
from .piecewise import ABS, RELU, STEP, leaky_relu
from .series import GELU, SIGMOID, SILU, SOFTPLUS, TANH, from_functions
from .smooth import COS, ERF, EXP, SIN, monomial

__all__ = [
    "ABS",
    "COS",
    "ERF",
    "EXP",
    "GELU",
    "RELU",
    "SIGMOID",
    "SILU",
    "SIN",
    "SOFTPLUS",
    "STEP",
    "TANH",
    "Activation",
    "from_functions",
    "leaky_relu",
    "monomial",
]
