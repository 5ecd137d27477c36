"""The theory of teacher-student ReLU networks as functions of arrays: closed forms for Gaussian inputs, NumPy or
torch in, the same out.

Modules: `networks` (two-layer, deep and convolutional containers; teachers and students), `gaussian` (expectations),
`population` (loss, gradient, Hessian, for one output and for many), `angular` (kernels on the circle and
their determinants), with `minors`, `signs` and `balls` underneath; `activations` (Gaussian expectations of activation
functions at any covariance; `hermite` underneath), `architectures` (networks as objects, of any depth) and `kernels`
(their Gram matrices, tangent and conjugate kernels as the width grows); `plane` (networks in the plane: kinks, sectors,
dual functions and certificates);
`specialization` (condensed students, correlations, coverage, mixture matrices, observers); `extras` (what is missing
of an installation). All are there after `import alignmath`, which loads nothing before it is asked for.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__project__ = "alignmath"

if TYPE_CHECKING:
    from . import activations as activations
    from . import angular as angular
    from . import architectures as architectures
    from . import extras as extras
    from . import gaussian as gaussian
    from . import kernels as kernels
    from . import networks as networks
    from . import plane as plane
    from . import population as population
    from . import specialization as specialization
    from .networks import TwoLayer as TwoLayer
else:
    from .door import open_door

    __getattr__, __dir__, __all__ = open_door(
        __name__,
        {"networks": ["TwoLayer"]},
        [
            "activations",
            "angular",
            "architectures",
            "extras",
            "gaussian",
            "kernels",
            "networks",
            "plane",
            "population",
            "specialization",
        ],
    )
    del open_door
