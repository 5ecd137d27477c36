"""Numerical solvers on top of `alignmath`: minimum-norm interpolation (`interpolation`, by `node_values` in the plane
and `lifting` in any dimension), its regularised form (`penalized`), when a teacher is recovered (`recovery`); gradient
descent and flow (`descent`), critical points (`landscape`), training by SGD (`training`); gradient descent on wide
networks next to its linearisation (`gram`).

Answers are frozen dataclasses (`solution`) that carry their evidence. torch, cvxpy and HiGHS are imported when a solver
runs.
"""
