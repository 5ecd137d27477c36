"""The claims of the wide_networks paper, in its order.

`activations`, `duals`: Conditions 3.1 and 3.2, the scaling, the expectations that all is made of; `patches`: Section 3.3;
`two_layer`, `dynamics`, `initial`: Section 4; `definitions`, `printed_definitions`: the Gram matrices of Sections 5 to 7; from
`positive_definite` to `residual_depth`: when they are positive definite; `training_experiments`: how training goes, the theorems;
`comparison`: Section 2.
"""

from . import (
    activations,
    comparison,
    definitions,
    duals,
    dynamics,
    initial,
    least_eigenvalues,
    opposite_inputs,
    patches,
    positive_definite,
    printed_definitions,
    residual_depth,
    training_experiments,
    two_layer,
)

__all__ = ["CLAIMS"]

CLAIMS = (
    *activations.CLAIMS,
    *duals.CLAIMS,
    *patches.CLAIMS,
    *two_layer.CLAIMS,
    *dynamics.CLAIMS,
    *initial.CLAIMS,
    *definitions.CLAIMS,
    *printed_definitions.CLAIMS,
    *positive_definite.CLAIMS,
    *opposite_inputs.CLAIMS,
    *least_eigenvalues.CLAIMS,
    *residual_depth.CLAIMS,
    *training_experiments.CLAIMS,
    *comparison.CLAIMS,
)
