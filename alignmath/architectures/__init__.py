"""Networks as objects: those of the wide_networks paper, and networks of your own.

`FullyConnected`, `ResNet` and `ConvolutionalResNet` are frozen and hold their recursion (how second moments and tangent
kernel go from layer to layer as the width grows), their finite network and their checks. They are put together from a
small algebra, `Dense`, `Convolution`, `Nonlinearity`, `GlobalAveragePooling`, `Residual` and `serial`, whose networks
are taken wherever these are: by `alignmath.kernels`, and by `solvers.dynamics.wide_networks`, where they get random
weights and are trained. `StandardParametrisation` is any of them with the parameters of `torch.nn`.
"""

from .algebra import Architecture, Residual, serial
from .layers import Convolution, Dense, GlobalAveragePooling, Nonlinearity
from .named import ConvolutionalResNet, FullyConnected, ResNet
from .standard import StandardParametrisation

__all__ = [
    "Architecture",
    "Convolution",
    "ConvolutionalResNet",
    "Dense",
    "FullyConnected",
    "GlobalAveragePooling",
    "Nonlinearity",
    "ResNet",
    "Residual",
    "StandardParametrisation",
    "serial",
]
