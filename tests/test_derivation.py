"""The step checkers: they accept what holds and refuse what does not."""

from __future__ import annotations

import pytest
import sympy as sp

from proofs.engine.claims import Attack, CheckFailed, Outcome, Step, StepKind, Verdict
from proofs.engine.derivation import Derivation, is_zero

a, b, t = sp.symbols("a b t", real=True)
A, S = sp.symbols("A S", positive=True)
attack = Attack("a trial", 10, "least margin 1")


def test_zero_is_recognised_in_several_angles():
    assert is_zero(sp.sin(a + b) - sp.sin(a) * sp.cos(b) - sp.cos(a) * sp.sin(b))
    assert is_zero(sp.sin(2 * a) ** 2 - 4 * sp.sin(a) ** 2 * sp.cos(a) ** 2)
    assert is_zero(sp.Matrix([[sp.cos(a) ** 2 + sp.sin(a) ** 2 - 1]]))
    assert not is_zero(sp.sin(a + b) - sp.sin(a) * sp.cos(b) + sp.cos(a) * sp.sin(b))
    assert not is_zero(sp.Rational(1, 10**30))
    assert not is_zero(sp.sin(a) - a)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, -1), (3, 2), (-1, -2), (0, 3)])
@pytest.mark.parametrize("function", [sp.sin, sp.cos])
def test_angle_additions_are_zero_and_their_alterations_are_not(m, n, function):
    expanded = sp.expand_trig(function(m * a + n * b))
    assert is_zero(function(m * a + n * b) - expanded)
    assert not is_zero(function(m * a + n * b) - expanded + sp.Rational(1, 7))
    assert not is_zero(function(m * a + n * b) + expanded)


def test_a_wrong_identity_fails_and_names_its_step():
    d = Derivation()
    d.identity("right", sp.diff(sp.sin(t), t), sp.cos(t))
    with pytest.raises(CheckFailed, match="step 'wrong'") as caught:
        d.identity("wrong", sp.diff(sp.sin(t), t), -sp.cos(t))
    assert [step.title for step in caught.value.steps] == ["right"]


def test_signs_need_positive_coefficients_and_positive_parts():
    d = Derivation("a claim")
    d.sign("good", A * sp.sin(A), A * S, positive={A: (A, "domain"), S: (sp.sin(A), "sine")}, domain=(A, sp.pi - A))
    for positive, rewritten, domain in (
        ({A: (A, "domain"), S: (sp.sin(A), "sine")}, -A * S + 2 * A * S, (A,)),  # sin A > 0 needs A < pi
        ({A: (A, "domain"), S: (sp.cos(A), "cosine")}, A * S, (A, sp.pi - A)),  # cos A may be negative
        ({A: (A - 1, "domain")}, A, (A,)),
        ({A: (A, "no such step")}, A, (A,)),
        ({A: (-(A**2) - 1, "a claim")}, A, (A,)),  # a claim is cited for symbols only
        ({A: (-A, "good")}, A, (A, sp.pi - A)),  # the step "good" is about another expression
        ({A: (A * sp.sin(A), "good")}, A, (A,)),  # and about A below pi
    ):
        value = sp.sympify(rewritten).subs({symbol: part for symbol, (part, _) in positive.items()}, simultaneous=True)
        with pytest.raises(CheckFailed, match="not shown positive"):
            d.sign("bad", value, rewritten, positive=positive, domain=domain)
    d.sign("cited", 2 * A * sp.sin(A), 2 * S, positive={S: (A * sp.sin(A), "good")}, domain=(A, sp.pi - A))
    d.sign("by a claim", A + 1, A + 1, positive={A: (A, "a claim")})
    with pytest.raises(CheckFailed, match="coefficient that is not positive"):
        d.sign("bad", A - A**2, A - A**2, positive={A: (A, "domain")}, domain=(A,))
    with pytest.raises(CheckFailed, match="not identically"):
        d.sign("bad", A + 1, A, positive={A: (A, "domain")}, domain=(A,))
    with pytest.raises(CheckFailed, match="no term that is strictly positive"):
        d.sign("bad", A * S, A * S, positive={S: (S, "domain")}, nonnegative={A: (A, "domain")}, domain=(A, S))


def test_rising_needs_the_value_at_the_start_and_the_slope():
    d = Derivation()
    d.rises("good", A - sp.sin(A), A, 2 * S**2, positive={S: (sp.sin(A / 2), "sine")}, domain=(A, sp.pi - A))
    with pytest.raises(CheckFailed, match="does not reach down"):  # negative at 3/2
        d.rises("bad", A**2 - 2 * A, A, 2 * S, positive={S: (A - 1, "domain")}, domain=(A - 1,))
    with pytest.raises(CheckFailed, match="not 0"):
        d.rises("bad", A + 1, A, sp.Integer(1), positive={}, domain=(A,))
    with pytest.raises(CheckFailed):
        d.rises("bad", A - sp.sin(2 * A), A, 2 * S**2, positive={S: (sp.sin(A / 2), "sine")}, domain=(A, sp.pi - A))


def test_only_true_certifies():
    d = Derivation()
    for value in (False, None, 1, "yes"):
        with pytest.raises(CheckFailed, match="not certified"):
            d.certificate("bad", value, "a statement")


def test_arguments_carry_a_refutation_and_an_attack():
    d = Derivation()
    d.argument("good", "s", "r", refuted_by="x", attack=attack)
    with pytest.raises(ValueError, match="must say what would refute it"):
        Step(StepKind.ARGUMENT, "bad", "s", reason="r")

    def broken() -> Attack:
        raise CheckFailed("broken by case 3")

    with pytest.raises(CheckFailed, match=r"step 'bad'.*broken by case 3"):
        d.argument("bad", "s", "r", refuted_by="x", attack=broken)


def test_no_proof_rests_on_a_measurement_or_on_nothing():
    with pytest.raises(CheckFailed):
        Derivation().proved("nothing")
    for finish in ("proved", "refuted", "certified"):
        d = Derivation()
        d.measurement("m", True, "s")
        with pytest.raises(CheckFailed, match="no measurement"):
            getattr(d, finish)("sampled")


def test_proofs_say_how_much_is_argued():
    d = Derivation()
    d.identity("i", t + t, 2 * t)
    d.argument("a", "s", "r", refuted_by="x", attack=attack)
    assert d.proved("e").tally == "PROVED (1 checked, 1 argued)"
    assert Outcome(Verdict.OPEN, "e").tally == "OPEN"
