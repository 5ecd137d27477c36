"""Numerical solvers on top of `alignmath`: `interpolation` (minimum norm and weight decay to the global optimum; when
a teacher is recovered), `dynamics` (gradient descent and flow on the population loss, SGD ensembles, wide networks next
to their linearisation), `landscape` (critical points).

Answers are frozen dataclasses (`runs`) that carry their evidence. torch, cvxpy and HiGHS are imported when a solver
runs.
"""
