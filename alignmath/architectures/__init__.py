"""Networks as objects: those of the wide_networks paper, and networks of your own.

`FullyConnected`, `ResNet` and `ConvolutionalResNet` are frozen and hold their recursion (how second moments and tangent
kernel go from layer to layer as the width grows), their finite network and their checks. They are put together from a
small algebra, `Dense`, `Convolution`, `Nonlinearity`, `Residual` and `serial`, whose networks are taken wherever these
are: by `alignmath.kernels`, and by `solvers.dynamics.wide_networks`, where they get random weights and are trained.
"""

from .algebra import Architecture, Convolution, Dense, Nonlinearity, Residual, serial
from .named import ConvolutionalResNet, FullyConnected, ResNet

__all__ = [
    "Architecture",
    "Convolution",
    "ConvolutionalResNet",
    "Dense",
    "FullyConnected",
    "Nonlinearity",
    "ResNet",
    "Residual",
    "serial",
]
