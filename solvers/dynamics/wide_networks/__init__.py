"""Gradient descent on wide networks next to its linearisation: the setting of the wide_networks paper
(arXiv:1811.03804).

`random_network` draws the fully connected networks, ResNets and convolutional ResNets of its Section 3.3 with their
scalings; `grams` are their Gram matrices `G^(1), ..., G^(H+1)`, one for each layer; `follow` trains by gradient descent
and records how far outputs, Gram matrices and weights are from what the theory says; `linearised` is the dynamics
`y - u(k+1) = (I - step G)(y - u(k))` with a fixed matrix, in closed form.
"""

from .descent import Descent, follow
from .linear import linearised
from .matrices import empirical_tangent, grams
from .networks import WideNetwork, random_network

__all__ = ["Descent", "WideNetwork", "empirical_tangent", "follow", "grams", "linearised", "random_network"]
