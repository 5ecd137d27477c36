"""Fewer neurons with the same values: against what they were made from, and a linear program on directions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from solvers.interpolation.lifting import lifted
from solvers.interpolation.minimum_norm import min_norm
from solvers.interpolation.pruning import moved_to, pruned
from solvers.interpolation.weight_decay import penalized


def sphere(rng, count, dimension):
    points = rng.standard_normal((count, dimension))
    return points / np.linalg.norm(points, axis=1)[:, None]


def values(units, vectors, signs):
    return np.maximum(units @ vectors.T, 0) @ signs


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
def test_neurons_of_one_ray_or_pattern_are_added_up(dimension):
    rng = np.random.default_rng(dimension)
    units, teacher = sphere(rng, 12, dimension), rng.standard_normal((4, dimension))
    signs = np.array([1.0, -1.0, 1.0, -1.0])
    shares = rng.dirichlet(np.ones(5), 4)
    parts = (shares[:, :, None] * teacher[:, None, :]).reshape(-1, dimension)
    few, few_signs = pruned(units, parts, np.repeat(signs, 5), 1e-14)
    np.testing.assert_allclose(values(units, few, few_signs), values(units, teacher, signs), atol=1e-13)
    assert len(few) <= 4
    assert np.linalg.norm(few, axis=1).sum() <= np.linalg.norm(teacher, axis=1).sum() * (1 + 1e-12)


@pytest.mark.parametrize(("dimension", "count"), [(2, 9), (3, 12), (4, 10)])
def test_a_crowd_is_reduced_to_as_many_as_there_are_samples(dimension, count):
    rng = np.random.default_rng(count)
    units, crowd = sphere(rng, count, dimension), 0.01 * rng.standard_normal((300, dimension))
    signs = rng.choice([1.0, -1.0], 300)
    few, few_signs = pruned(units, crowd, signs, 1e-12)
    assert len(few) <= count
    cost = np.linalg.norm(crowd, axis=1).sum()
    assert np.linalg.norm(few, axis=1).sum() <= cost
    np.testing.assert_allclose(values(units, few, few_signs), values(units, crowd, signs), atol=1e-12 * cost)


def test_neurons_that_cannot_do_with_less_are_returned():
    units, vectors = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[1.0, 0.0], [-2.0, 0.0]])
    few, signs = pruned(units, vectors, np.ones(2), 1e-12)
    np.testing.assert_array_equal(few, vectors)
    assert values(units, *moved_to(units, np.array([3.0, 4.0]), few, signs)) == pytest.approx([3.0, 4.0])


@pytest.mark.parametrize("labels", ["random", "teacher"])
def test_the_lifting_returns_merged_networks(labels):
    """Thirty samples in space took 788 neurons: now 30 at most, none of which could join another."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 3))
    y = rng.standard_normal(30) if labels == "random" else np.maximum(x @ rng.standard_normal((2, 3)).T, 0) @ [1, -1]
    units, heights = x / np.linalg.norm(x, axis=1)[:, None], y / np.linalg.norm(x, axis=1)
    found = min_norm(x, y, method="lifting", tolerance=1e-6)
    assert found.network.width <= (30 if labels == "random" else 12)
    assert found.residual <= 1e-12 * found.squared_norm
    sides = np.sign(found.network.hidden @ units.T) * (np.abs(found.network.hidden @ units.T) > 1e-13)
    for sign in (1, -1):
        same = sides[np.sign(found.network.output) == sign]
        divided = np.any(same[:, None] * same < 0, axis=2)
        assert np.all(divided | np.eye(len(same), dtype=bool))
    # the least on finitely many directions, those of the network and others, is no less and not much more
    hidden = found.network.hidden / found.network.lengths[:, None]
    features = np.maximum(units @ np.concatenate([hidden, sphere(rng, 500, 3)]).T, 0)
    columns = np.concatenate([features, -features], axis=1)
    program = linprog(np.ones(columns.shape[1]), A_eq=columns, b_eq=heights)
    assert 2 * program.fun == pytest.approx(found.squared_norm, rel=1e-6)
    assert len(lifted(x, y).signs) <= 30
    assert penalized(x, y, 0.01, method="lifting", tolerance=1e-6).network.width <= 30
