"""The claims of the specialization paper, in its order.

`gradient_rule`: Section 3; `spherical`: Theorem 6 and what it rests on.
"""

from . import (
    boundaries,
    constructed_points,
    gradient_rule,
    independence,
    near_critical,
    noisy_recovery,
    planks,
    random_weights,
    regions,
    sample_gradients,
    spherical,
    teacher_alignment,
    unaligned_students,
)

__all__ = ["CLAIMS"]

CLAIMS = (
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
    *spherical.CLAIMS,
)
