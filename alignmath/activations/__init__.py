"""Activation functions and their Gaussian expectations, for any covariance.

For `(u, v) ~ N(0, [[a, c], [c, b]])` the *dual* of s is `E[s(u) s(v)]`, that of its derivative `E[s'(u) s'(v)]`.
`RELU`, `leaky_relu`, `STEP`, `ABS`, `ERF`, `GELU`, `EXP`, `SIN`, `COS` and `monomial` have closed forms; `SOFTPLUS`,
`TANH`, `SIGMOID` and `SILU` are averages of closed forms (`smoothed`), and what `from_functions` makes goes by Hermite
series, see `alignmath.hermite`. Conditions 3.1 and 3.2 of the wide_networks paper (arXiv:1811.03804) are methods.
"""

from .base import Activation
from .piecewise import ABS, RELU, STEP, leaky_relu
from .series import from_functions
from .smooth import COS, EXP, SIN, monomial
from .smoothed import ERF, GELU, SIGMOID, SILU, SOFTPLUS, TANH

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
