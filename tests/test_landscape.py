"""The search for critical points finds known ones, saddles among them."""

from __future__ import annotations

import numpy as np
import pytest

from alignmath import TwoLayer, population
from proofs.alignment.beyond.higher_dimensions import SPURIOUS
from proofs.engine.claims import CheckFailed
from proofs.engine.critical_points import certify
from solvers.landscape import critical_points


def test_a_known_spurious_minimum_is_found_and_certified():
    near, teacher = SPURIOUS
    found = critical_points(TwoLayer(near[None]), TwoLayer(teacher))
    assert found.converged[0]
    assert found.loss[0] == pytest.approx(0.021378, abs=1e-6)  # a trial with another code
    point = certify(found.students.hidden[0], teacher)
    assert point.loss[0] <= found.loss[0] <= point.loss[1]
    assert point.least_minor > 0
    with pytest.raises(CheckFailed, match="Krawczyk"):
        certify(near + 0.01, teacher)


def test_certificates_use_the_gradient_and_hessian_of_the_population():
    from flint import arb

    from proofs.engine import critical_points as balls

    near, teacher = SPURIOUS
    rows = [[[arb(x) for x in row] for row in array.tolist()] for array in (near, teacher)]
    networks = TwoLayer(near), TwoLayer(teacher)
    np.testing.assert_allclose(
        [float(x) for x in balls._gradient(*rows)], population.gradient(*networks).hidden.ravel(), atol=1e-14
    )
    hessian = np.array([[float(x) for x in row] for row in balls._hessian(*rows).tolist()])
    np.testing.assert_allclose(hessian, population.hessian(*networks).reshape(6, 6), atol=1e-14)
    assert float(balls._loss(*rows)) == pytest.approx(float(population.loss(*networks)), abs=1e-15)


def test_with_one_teacher_in_the_plane_every_critical_point_has_zero_loss_or_a_vanishing_student():
    starts = np.random.default_rng(1).standard_normal((300, 3, 2))
    found = critical_points(TwoLayer(starts), TwoLayer([[1.0, 0.0]]))
    assert np.all((found.loss < 1e-9) | (found.least_length < 1e-3) | ~found.converged)
    assert np.mean(found.loss < 1e-9) > 0.5


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"students \(B, m, d\)"):
        critical_points(TwoLayer([[1.0, 0.0]]), TwoLayer([[1.0, 0.0]]))
    with pytest.raises(ValueError, match="zero vector"):
        critical_points(TwoLayer([[[0.0, 0.0]]]), TwoLayer([[1.0, 0.0]]))
