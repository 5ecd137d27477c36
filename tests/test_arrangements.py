"""The cells of the samples' hyperplanes: counted by theorems, hit by random directions, feasible one by one."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

from alignmath.plane.arrangements import activation_patterns, cell_count, facets


def roots(kind: str, dimension: int) -> np.ndarray:
    """Positive roots of the reflection group A_{d-1}, B_d or D_d, whose cells are its chambers, one an element."""
    unit = np.eye(dimension)
    pairs = list(itertools.combinations(range(dimension), 2))
    found = [unit[i] - unit[j] for i, j in pairs]
    found += [unit[i] + unit[j] for i, j in pairs if kind in "BD"]
    return np.array(found + [row for row in unit if kind == "B"])


def counted_exactly(normals: list[tuple[Fraction, ...]]) -> int:
    """Number of cells by deletion and restriction, `r(A) = r(A - H) + r(A on H)` (Zaslavsky 1975), in rationals."""
    if not normals:
        return 1
    *rest, last = normals
    pivot = next(c for c, entry in enumerate(last) if entry)
    restricted: set[tuple[Fraction, ...]] = set()
    fewer: set[tuple[Fraction, ...]] = set()
    for normal in rest:
        fewer.add(scaled(normal))
        on_last = scaled(tuple(a - normal[pivot] / last[pivot] * b for a, b in zip(normal, last, strict=True)))
        if any(on_last):
            restricted.add(on_last)
    fewer.discard(scaled(last))
    return counted_exactly(sorted(fewer)) + counted_exactly(sorted(restricted))


def scaled(normal: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    """The multiple whose first entry that is not 0 is 1."""
    lead = next((entry for entry in normal if entry), Fraction(1))
    return tuple(entry / lead for entry in normal)


def as_set(active: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in active}


def assert_cells(points: np.ndarray, count: int) -> None:
    cells = activation_patterns(points)
    assert len(cells.active) == len(as_set(cells.active)) == count
    np.testing.assert_array_equal(cells.directions @ points.T > 0, cells.active)
    np.testing.assert_allclose(np.linalg.norm(cells.directions, axis=1), 1)
    assert as_set(~cells.active) == as_set(cells.active)  # -u lies in the opposite cell


@pytest.mark.parametrize(("count", "dimension"), [(1, 1), (4, 1), (7, 2), (2, 3), (3, 3), (20, 3), (12, 4), (9, 6)])
def test_general_position_has_covers_number_of_patterns(count, dimension):
    points = np.random.default_rng(count).standard_normal((count, dimension))
    assert_cells(points, 2 * sum(math.comb(count - 1, k) for k in range(dimension)))


def test_covers_number_of_small_cases_is_that_counted_by_hand():
    assert [cell_count(n, 2) for n in range(5)] == [1, 2, 4, 6, 8]  # n lines of the plane
    assert [cell_count(n, 3) for n in range(5)] == [1, 2, 4, 8, 14]  # n great circles: n (n - 1) + 2
    assert [cell_count(n, 1) for n in (1, 5)] == [2, 2]
    assert cell_count(5, 8) == 2**5


@pytest.mark.parametrize(("count", "dimension"), [(8, 2), (6, 3), (7, 4)])
def test_a_million_directions_meet_the_patterns_listed_and_no_other(count, dimension):
    rng = np.random.default_rng(dimension)
    points = rng.standard_normal((count, dimension))
    cells = activation_patterns(points)
    bits = 2 ** np.arange(count)
    listed = cells.active @ bits
    met = np.unique((rng.standard_normal((10**6, dimension)) @ points.T > 0) @ bits)
    assert np.all(np.isin(met, listed))
    assert dimension > 3 or np.all(np.isin(listed, met))


@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_the_patterns_are_those_a_linear_program_finds_feasible(dimension):
    points = np.random.default_rng(40 + dimension).standard_normal((6, dimension))
    points[5] = points[0] - points[1]  # a degenerate one
    feasible = set()
    for choice in itertools.product([False, True], repeat=6):
        sides = np.where(choice, 1.0, -1.0)[:, None] * points
        program = linprog(np.zeros(dimension), A_ub=-sides, b_ub=-np.ones(6), bounds=(None, None))
        if program.status == 0:
            feasible.add(np.array(choice).tobytes())
    assert as_set(activation_patterns(points).active) == feasible


AXES = np.eye(3)
DEGENERATE = {
    "axes, repeated, opposite and scaled": (np.concatenate([AXES, -2 * AXES, 1e3 * AXES, AXES]), 8),
    "one line": (np.array([[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0], [0.1, 0.2, 0.3]]), 2),
    "five lines of a plane in space": (np.array([[1.0, k, 2 * k + 1] for k in range(5)]), 10),
    "a pencil and a line across it": (np.array([[1.0, k, 0] for k in range(4)] + [[0, 0, 1.0]]), 16),
    "cuboctahedral": (roots("A", 4), 24),
    "cube's symmetries": (roots("B", 3), 48),
    "D4": (roots("D", 4), 192),
    "B4": (roots("B", 4), 384),
    "A4": (roots("A", 5), 120),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("turned", [False, True])
def test_degenerate_positions_have_the_cells_counted_by_hand(name, turned):
    points, count = DEGENERATE[name]
    if turned:  # rounded, so that nothing is exactly degenerate any more; and no map of the space changes the count
        dimension = points.shape[1]
        points = points @ np.random.default_rng(len(points)).standard_normal((dimension, dimension))
    assert_cells(points, count)


@pytest.mark.parametrize("seed", range(12))
def test_points_of_a_small_lattice_have_the_cells_counted_exactly(seed):
    rng = np.random.default_rng(seed)
    dimension = 3 + seed % 3
    points = rng.integers(-1, 2, (8, dimension))
    points = points[np.any(points != 0, axis=1)]
    lines = {scaled(tuple(Fraction(int(entry)) for entry in point)) for point in points}
    assert_cells(points.astype(float), counted_exactly(sorted(lines)))


def test_nearly_flat_samples_are_as_good_as_round_ones():
    points = np.random.default_rng(3).standard_normal((10, 3))
    flat = points * [1.0, 1.0, 1e-5]
    np.testing.assert_array_equal(activation_patterns(flat).active, activation_patterns(points).active)


def test_the_facets_of_a_cell_are_the_samples_whose_omission_enlarges_it():
    points = np.random.default_rng(8).standard_normal((9, 3))
    cells = activation_patterns(points)
    bounds = facets(cells.active)
    for active, bound in zip(cells.active, bounds, strict=True):
        sides = np.where(active, 1.0, -1.0)[:, None] * points
        for i in range(9):  # Farkas: redundant if and only if a combination of the others
            others = np.delete(sides, i, axis=0)
            combined = linprog(np.zeros(8), A_eq=others.T, b_eq=sides[i])
            assert bound[i] == (combined.status != 0)


def test_chambers_of_a_reflection_group_are_simplicial():
    for points in (roots("B", 3), roots("D", 4)):
        bounds = facets(activation_patterns(points).active)
        np.testing.assert_array_equal(bounds.sum(axis=1), points.shape[1])
    doubled = activation_patterns(np.concatenate([AXES, -AXES])).active
    np.testing.assert_array_equal(facets(doubled), np.tile([True] * 3 + [False] * 3, (8, 1)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        # 2 (1 + 49 + 1176 + 18424)
        (
            lambda: activation_patterns(np.random.default_rng(0).standard_normal((50, 4))),
            "up to 39300 .* fewer samples",
        ),
        (lambda: activation_patterns(np.eye(100)), "up to more than 10\\^15 activation patterns"),
        (lambda: activation_patterns(AXES, limit=7), "up to 8 activation patterns, beyond the limit of 7"),
        (lambda: activation_patterns([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), r"x\[1\] is the zero vector"),
        (lambda: activation_patterns([1.0, 2.0]), "x has shape"),
        (lambda: activation_patterns(np.ones((2, 2, 2))), r"expected \(N, d\)"),
        (lambda: activation_patterns([[np.nan]]), "finite"),
        (lambda: activation_patterns(AXES, limit=0), "limit is 0"),
        (lambda: activation_patterns([*AXES, [1.0, 1e-8, 0.0], [0.0, 1.0, 1.0]]), "too close to a degenerate position"),
        (lambda: cell_count(-1, 2), "samples is -1"),
        (lambda: cell_count(3, 0), "dimension is 0"),
        (lambda: facets(np.ones((2, 3))), "bool"),
        (lambda: facets(np.ones((2, 3), dtype=bool)), "1 repeated rows"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
