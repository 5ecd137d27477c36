"""The theory of teacher-student ReLU networks as functions of arrays: closed forms for Gaussian inputs, NumPy or
torch in, the same out.

Modules: `networks` (two-layer, deep and convolutional containers; teachers and students), `gaussian` (expectations),
`population` (loss, gradient, Hessian; `vector_population` for vector outputs), `angular` (kernels on the circle and
their determinants), with `minors`, `signs` and `balls` underneath; `activations` (Gaussian expectations of activation
functions at any covariance; `hermite` underneath) and `kernels` (Gram matrices, tangent and conjugate kernels of wide
networks); `plane` (networks in the plane: kinks, sectors, dual functions and certificates);
`specialization` (condensed students, correlations, coverage, mixture matrices, observers). Importing this package
loads neither torch nor SymPy nor cvxpy.
"""

from . import angular, gaussian, population
from .networks import TwoLayer

__all__ = ["TwoLayer", "angular", "gaussian", "population"]
__version__ = "0.1.0"
