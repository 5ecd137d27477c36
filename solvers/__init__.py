"""Numerical solvers on top of `alignmath`: gradient descent and flow (`descent`), critical points (`landscape`).

Answers are frozen dataclasses (`solution`) that carry their evidence. torch and SciPy are imported when a solver runs.
"""
