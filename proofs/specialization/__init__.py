"""The claims of the specialization paper, in its order.

`gradient_rule`: Section 3; `spherical`: Theorem 6 and what it rests on.
"""

from . import boundaries, gradient_rule, independence, regions, sample_gradients, spherical, teacher_alignment

__all__ = ["CLAIMS"]

CLAIMS = (
    *gradient_rule.CLAIMS,
    *regions.CLAIMS,
    *sample_gradients.CLAIMS,
    *boundaries.CLAIMS,
    *independence.CLAIMS,
    *teacher_alignment.CLAIMS,
    *spherical.CLAIMS,
)
