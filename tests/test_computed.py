"""The claims that tie code and derivations see errors planted in either."""

from __future__ import annotations

import pytest

from alignmath import gaussian, population
from proofs.alignment import formulas
from proofs.engine import ledger
from proofs.engine.claims import Effort
from proofs.gaussian_integrals import planar


@pytest.mark.parametrize(
    ("claim", "module", "name", "how"),
    [
        ("computed.moments", gaussian, "relu_moment", lambda f: lambda p, q, x: f(p, q, x) * (1 + 1e-11)),
        ("computed.moments", gaussian, "arc_cosine_kernel", lambda f: lambda n, x, y: f(n, x, y) * (1 + 1e-11)),
        ("computed.gradient", gaussian, "step_relu_vector", lambda f: lambda w, v: f(w, v) * (1 + 1e-9)),
        ("computed.gradient", population, "loss", lambda f: lambda a, b: f(a, b) * (1 + 1e-9)),
        ("computed.gradient", formulas, "pair_term", lambda f: lambda w, v, n, x: f(w, v, n, x) * 2),
        ("computed.hessian", population, "hessian", lambda f: lambda a, b: f(a, b) * (1 + 1e-6)),
        ("computed.hessian", gaussian, "step_step_matrix", lambda f: lambda w, v: f(w, v) * (1 + 1e-9)),
        ("specialization.thm6.mended", planar, "radial_moment", lambda f: lambda n: f(n) * 2),
    ],
)
def test_the_claims_see_altered_code(claim, module, name, how, monkeypatch):
    (claim,) = ledger.select([claim], ledger.CLAIMS)
    assert ledger.checked(claim, Effort.QUICK)[0].verdict is claim.expected
    planar.arc_integral.cache_clear()
    monkeypatch.setattr(module, name, how(getattr(module, name)))
    try:
        assert ledger.checked(claim, Effort.QUICK)[0].verdict is not claim.expected
    finally:
        monkeypatch.undo()
        planar.arc_integral.cache_clear()
