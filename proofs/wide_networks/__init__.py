"""The claims of the wide_networks paper, in its order.

`activations`, `duals`: Conditions 3.1 and 3.2, the scaling, the expectations that all is made of; `patches`: Section 3.3;
`two_layer`, `dynamics`, `initial`: Section 4; `definitions`, `printed_definitions`: the Gram matrices of Sections 5 to 7; from
`positive_definite` to `residual_depth`: when they are positive definite; `training_experiments`: how training goes, the theorems;
`comparison`: Section 2.
"""

__all__ = ["MODULES"]

MODULES = (
    "activations",
    "duals",
    "patches",
    "two_layer",
    "dynamics",
    "initial",
    "definitions",
    "printed_definitions",
    "positive_definite",
    "opposite_inputs",
    "least_eigenvalues",
    "residual_depth",
    "training_experiments",
    "comparison",
)
"""Where its claims are, in the order of the paper, loaded when one of them is asked for."""
