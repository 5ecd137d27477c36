"""The claims of the specialization paper, in its order, then what lies beyond it.

`gradient_rule`, `regions`: Section 3; from `sample_gradients` to `random_weights`: critical points, Section 4; from `planks` to
`near_critical`: small gradients (Theorem 5); from `weight_dynamics` to `early_growth`: Section 5; the
`_experiments` on settings, figures and deep networks: Section 6.
"""

from . import (
    angular_integrals,
    balanced,
    boundaries,
    constructed_points,
    deep_experiments,
    early_growth,
    escape_experiments,
    figure_experiments,
    flow_experiments,
    gradient_rule,
    image_experiments,
    independence,
    near_critical,
    noisy_recovery,
    planks,
    random_weights,
    regions,
    sample_gradients,
    setup_experiments,
    slow_escape,
    spherical,
    symmetric_flow,
    symmetric_solution,
    symmetry_breaking,
    teacher_alignment,
    unaligned_students,
    weight_dynamics,
)

__all__ = ["CLAIMS"]

_CLAIMS = (
    *gradient_rule.CLAIMS,
    *regions.CLAIMS,
    *sample_gradients.CLAIMS,
    *boundaries.CLAIMS,
    *independence.CLAIMS,
    *teacher_alignment.CLAIMS,
    *unaligned_students.CLAIMS,
    *constructed_points.CLAIMS,
    *random_weights.CLAIMS,
    *planks.CLAIMS,
    *noisy_recovery.CLAIMS,
    *near_critical.CLAIMS,
    *weight_dynamics.CLAIMS,
    *spherical.CLAIMS,
    *angular_integrals.CLAIMS,
    *balanced.CLAIMS,
    *symmetric_flow.CLAIMS,
    *symmetric_solution.CLAIMS,
    *symmetry_breaking.CLAIMS,
    *flow_experiments.CLAIMS,
    *slow_escape.CLAIMS,
    *escape_experiments.CLAIMS,
    *early_growth.CLAIMS,
    *setup_experiments.CLAIMS,
    *figure_experiments.CLAIMS,
    *deep_experiments.CLAIMS,
    *image_experiments.CLAIMS,
)
CLAIMS = tuple(sorted(_CLAIMS, key=lambda claim: ".beyond." in claim.name))
