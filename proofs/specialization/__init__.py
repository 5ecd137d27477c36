"""The claims of the specialization paper, in its order, then what lies beyond it.

`gradient_rule`, `regions`: Section 3; from `sample_gradients` to `random_weights`: critical points, Section 4; from `planks` to
`near_critical`: small gradients (Theorem 5); from `weight_dynamics` to `early_growth`: Section 5; the
`_experiments` on settings, figures and deep networks: Section 6.
"""

__all__ = ["MODULES"]

MODULES = (
    "gradient_rule",
    "regions",
    "sample_gradients",
    "boundaries",
    "independence",
    "teacher_alignment",
    "unaligned_students",
    "constructed_points",
    "random_weights",
    "planks",
    "noisy_recovery",
    "near_critical",
    "weight_dynamics",
    "spherical",
    "angular_integrals",
    "balanced",
    "symmetric_flow",
    "symmetric_solution",
    "symmetry_breaking",
    "flow_experiments",
    "slow_escape",
    "escape_experiments",
    "early_growth",
    "setup_experiments",
    "figure_experiments",
    "deep_experiments",
    "image_experiments",
)
"""Where its claims are, in the order of the paper, loaded when one of them is asked for."""
