"""Loss, gradient and Hessian of two-layer ReLU students against two-layer ReLU teachers, for inputs `x ~ N(0, s^2 I)`
or for a sample.

Students and teacher are both `TwoLayer`, with one output (alignment paper, Section 2), or both `DeepReLU` of one hidden
layer, with outputs in R^C (specialization paper, Section 5); without biases. `expected` has the expectations over
Gaussian inputs, `empirical` the means over a sample. Underneath are the bare formulas, unchecked, for loops that have
checked their input: `neurons` for thousands of small networks with one output, side by side; `nodes` as matrix
products, for hundreds of neurons and outputs in R^C.
"""

from .empirical import empirical_gradient, empirical_loss
from .expected import gradient, hessian, loss, stationarity
from .pairs import Gradient

__all__ = ["Gradient", "empirical_gradient", "empirical_loss", "gradient", "hessian", "loss", "stationarity"]
