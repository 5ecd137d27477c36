"""A program of another project: what type checkers make of the public names (run by .ci/wheel)."""

from typing import assert_type

import alignmath
import solvers
from alignmath.activations import RELU
from alignmath.architectures import FullyConnected
from alignmath.kernels import gram
from alignmath.networks import TwoLayer
from solvers.interpolation import MinNormSolution
from solvers.runs import Trajectory

teacher = TwoLayer([[1.0, 0.0], [0.0, 1.0]])
x = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
solution = solvers.min_norm(x, [1.0, 0.0, 1.0])
assert_type(solution, MinNormSolution)
assert_type(solution.network, TwoLayer)
assert_type(solution.squared_norm, float)
assert_type(solvers.descend(teacher, teacher, 0.1, 10), Trajectory)
assert_type(alignmath.TwoLayer([[1.0, 0.0]]), TwoLayer)
matrix = gram(x, FullyConnected(2, RELU))
loss = alignmath.population.loss(teacher, teacher)
print(matrix, loss)
