"""Gradient descent on wide networks next to its linearisation: the setting of the wide_networks paper
(arXiv:1811.03804).

`random_network` draws a network of `alignmath.architectures`, those of Section 3.3 of the paper or one of your own;
`grams` are its Gram matrices `G^(1), ..., G^(H+1)`, one for each layer; `follow` trains by gradient descent and
records how far outputs, Gram matrices and weights are from what the theory says; `linearised` is the dynamics `y -
u(k+1) = (I - learning_rate G)(y - u(k))` with a fixed matrix, in closed form.
"""

from .gradient_descent import Descent, follow
from .gram_matrices import empirical_tangent, grams
from .linearisation import linearised
from .random_networks import WideNetwork, random_network

__all__ = ["Descent", "WideNetwork", "empirical_tangent", "follow", "grams", "linearised", "random_network"]
