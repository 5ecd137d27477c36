"""Networks as frozen containers of their weights, and the teachers and students used throughout.

`two_layer`: `TwoLayer`, scalar outputs, any activation and biases, and its named teachers; `deep`: `DeepReLU`, any
depth, outputs and biases; `convolutional`: `ConvReLU`; `teachers`: random teachers and over-realised students of the
specialization paper, pruning; `checks`: what functions ask of networks.
"""

from .checks import require_plain
from .convolutional import ConvReLU
from .deep import DeepReLU, as_deep
from .teachers import prune, random_student, random_teacher
from .two_layer import TwoLayer, gaussian_weights, orthonormal, planar, regular_polygon

__all__ = [
    "ConvReLU",
    "DeepReLU",
    "TwoLayer",
    "as_deep",
    "gaussian_weights",
    "orthonormal",
    "planar",
    "prune",
    "random_student",
    "random_teacher",
    "regular_polygon",
    "require_plain",
]
