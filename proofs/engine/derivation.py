"""Building the steps of a check: each method verifies its step, records it, and raises `CheckFailed` if it does not hold.

Equality is decided exactly: the difference is brought to a polynomial in the sines and cosines of independent angles, modulo
`sin^2 + cos^2 = 1`, with `simplify` as the last resort. Signs are read off polynomials with positive coefficients in
quantities that are positive on the domain, which is checked too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import sympy as sp

from .claims import Attack, CheckFailed, Outcome, Step, StepKind, Verdict

__all__ = ["Derivation", "Positive", "is_zero"]

Positive = Mapping[sp.Symbol, tuple[Any, str]]
"""Positive symbols, each with the quantity it stands for and why that is positive: "domain" (a sum of positive forms of the domain),
"sine", "cosine", "manifest" (by SymPy's assumptions), the title of an earlier step that showed this very quantity positive on a domain
implied by the present one, or the name of a used claim, for a bare symbol that the statement of the step introduces by that claim."""


def is_zero(expression: Any) -> bool:
    """Whether a SymPy expression (or every entry of a matrix) is identically zero, decided exactly; False if undecided."""
    if isinstance(expression, sp.MatrixBase):
        return all(is_zero(entry) for entry in expression)
    expression = sp.sympify(expression)
    if expression.has(sp.Integral):
        return sp.simplify(expression) == 0
    expression = sp.expand(expression)
    if expression == 0:
        return True
    numerator = sp.numer(sp.together(sp.expand_trig(expression)))
    polynomial, relations = numerator, []
    for angle in sorted({f.args[0] for f in numerator.atoms(sp.sin, sp.cos)}, key=sp.default_sort_key):
        s, c = sp.Dummy("s"), sp.Dummy("c")
        polynomial = polynomial.subs({sp.sin(angle): s, sp.cos(angle): c})
        relations.append((s, 1 - c**2))
    polynomial = sp.expand(polynomial)
    for s, square in relations:
        powers = sp.Poly(polynomial, s).terms()
        polynomial = sp.expand(sum(k * (s if n % 2 else 1) * square ** (n // 2) for (n,), k in powers))
    if polynomial == 0:
        return True
    return not _differs(expression) and sp.simplify(expression) == 0


def _differs(expression: Any) -> bool:
    """Whether the expression is clearly not 0 at one of a few points: a quick no, before `simplify` is tried."""
    for trial in range(3):
        point = {
            symbol: sp.Integer(2 + k + trial)
            if symbol.is_integer
            else sp.Rational(37 + 10 * k + 3 * trial, 100 + 7 * k)
            for k, symbol in enumerate(sorted(expression.free_symbols, key=sp.default_sort_key))
        }
        value = expression.subs(point).evalf(30)
        if value.is_number and value.is_finite and abs(value) > sp.Float("1e-20"):
            return True
    return False


class Derivation:
    """The steps of one check, in order. `uses` names the claims whose statements its steps may cite."""

    def __init__(self, *uses: str) -> None:
        self._steps: list[Step] = []
        self._shown_positive: dict[str, tuple[Any, Sequence[Any]]] = {}
        self._uses = uses

    def identity(
        self, title: str, left: Any, right: Any, statement: str = "", reason: str = "", *, shown: str = ""
    ) -> None:
        """`left = right` for all values of their symbols, by exact symbolic computation; `shown` replaces the printed formula."""
        left, right = sp.sympify(left), sp.sympify(right)
        if not is_zero(left - right):
            self._fail(title, f"{left} is not identically {right}")
        formula = shown or f"{sp.latex(left)} = {sp.latex(right)}"
        self._add(StepKind.IDENTITY, title, statement, (formula,), reason or "exact symbolic computation")

    def sign(
        self,
        title: str,
        expression: Any,
        rewritten: Any,
        *,
        positive: Positive,
        domain: Sequence[Any] = (),
        nonnegative: Positive | None = None,
        statement: str = "",
        reason: str = "",
        shown: str = "",
    ) -> None:
        """`expression > 0` wherever the forms of `domain` are positive.

        `rewritten` is a polynomial with positive coefficients in the symbols of `positive` and `nonnegative`, with a term in
        the former alone; with these replaced by what they stand for it must equal `expression` identically.
        """
        factors = self._positive(title, expression, rewritten, positive, domain, nonnegative or {})
        formula = shown or f"{sp.latex(expression)} = {sp.latex(factors)} > 0"
        self._add(StepKind.SIGN, title, statement, (formula,), reason or f"every factor is positive{_where(domain)}")
        self._shown_positive[title] = (expression, domain)

    def rises(
        self,
        title: str,
        expression: Any,
        variable: sp.Symbol,
        derivative: Any,
        *,
        positive: Positive,
        domain: Sequence[Any],
        statement: str = "",
    ) -> None:
        """`expression > 0` on the domain, for it vanishes where `variable = 0` and its derivative, `derivative`, is positive.

        The domain must reach down to `variable = 0`: each form is the variable itself, or affine in it and positive at 0.
        """
        for form in domain:
            affine = sp.Poly(form, variable).degree() <= 1
            if form != variable and not (affine and sp.sympify(form).subs(variable, 0).is_positive):
                self._fail(title, f"the domain {form} > 0 does not reach down to {variable} = 0")
        at_zero = sp.sympify(expression).subs(variable, 0)
        if not is_zero(at_zero):
            self._fail(title, f"{expression} is {at_zero}, not 0, at {variable} = 0")
        slope = sp.diff(expression, variable)
        shown = self._positive(title, slope, derivative, positive, domain)
        name = sp.latex(variable)
        formulas = (
            rf"{sp.latex(expression)} > 0",
            rf"\frac{{d}}{{d{name}}}\left({sp.latex(expression)}\right) = {sp.latex(shown)} > 0",
        )
        why = f"the expression vanishes at ${name} = 0$ and rises from there,{_where(domain)}"
        self._add(StepKind.SIGN, title, statement, formulas, why)
        self._shown_positive[title] = (expression, domain)

    def certificate(
        self, title: str, holds: bool, statement: str, formulas: tuple[str, ...] = (), reason: str = ""
    ) -> None:
        """A statement about definite numbers or boxes, decided in rational or ball arithmetic by the caller."""
        if holds is not True:
            self._fail(title, f"not certified: {statement}")
        self._add(StepKind.CERTIFICATE, title, statement, formulas, reason)

    def argument(
        self, title: str, statement: str, reason: str, *, refuted_by: str, attack: Callable[[], Attack] | Attack
    ) -> None:
        """A sentence of reasoning; `attack` tries to break it and raises `CheckFailed` if it can."""
        try:
            survived = attack() if callable(attack) else attack
        except CheckFailed as failure:
            self._fail(title, str(failure))
        self._add(StepKind.ARGUMENT, title, statement, (), reason, refuted_by, survived)

    def measurement(self, title: str, holds: bool, statement: str, reason: str = "") -> None:
        """The result of an experiment, which must be within its stated tolerance."""
        if not holds:
            self._fail(title, f"measured otherwise: {statement}")
        self._add(StepKind.MEASUREMENT, title, statement, (), reason)

    def proved(self, evidence: str) -> Outcome:
        """The finished proof."""
        return self._outcome(Verdict.PROVED, evidence)

    def refuted(self, evidence: str) -> Outcome:
        """The finished refutation."""
        return self._outcome(Verdict.REFUTED, evidence)

    def certified(self, evidence: str) -> Outcome:
        """The finished certificate."""
        return self._outcome(Verdict.CERTIFIED, evidence)

    def measured(self, evidence: str) -> Outcome:
        """The finished experiment."""
        return Outcome(Verdict.MEASURED, evidence, tuple(self._steps), self._uses)

    def open(self, evidence: str) -> Outcome:
        """A question left open; the evidence says how much was searched, where, how and with which seed."""
        return Outcome(Verdict.OPEN, evidence, tuple(self._steps), self._uses)

    def _outcome(self, verdict: Verdict, evidence: str) -> Outcome:
        if not self._steps or any(step.kind is StepKind.MEASUREMENT for step in self._steps):
            self._fail("outcome", f"{verdict} needs exact steps and no measurement among them")
        return Outcome(verdict, evidence, tuple(self._steps), self._uses)

    def _positive(
        self,
        title: str,
        expression: Any,
        rewritten: Any,
        positive: Positive,
        domain: Sequence[Any],
        nonnegative: Positive | None = None,
    ) -> Any:
        """Check that `rewritten` is manifestly positive and equals `expression`; returns it with the symbols replaced."""
        meaning = {**positive, **(nonnegative or {})}
        for value, reason in meaning.values():
            if not self._has_sign(value, reason, domain):
                self._fail(title, f"{value} is not shown positive by '{reason}'")
        polynomial = sp.Poly(sp.expand(rewritten), *meaning)
        if not all(k.is_positive for k in polynomial.coeffs()):
            self._fail(title, f"{rewritten} has a coefficient that is not positive")
        if not any(not any(powers[len(positive) :]) for powers in polynomial.monoms()):
            self._fail(title, f"{rewritten} has no term that is strictly positive")
        shown = sp.sympify(rewritten).subs({symbol: value for symbol, (value, _) in meaning.items()}, simultaneous=True)
        if not is_zero(sp.sympify(expression) - shown):
            self._fail(title, f"{expression} is not identically {shown}")
        return shown

    def _has_sign(self, value: Any, reason: str, domain: Sequence[Any]) -> bool:
        if reason == "domain":
            return _combination(value, domain)
        if reason == "manifest":
            return bool(sp.sympify(value).is_positive)
        if reason in ("sine", "cosine"):
            kind, end = (sp.sin, sp.pi) if reason == "sine" else (sp.cos, sp.pi / 2)
            return isinstance(value, kind) and all(
                _combination(x, domain) for x in (value.args[0], end - value.args[0])
            )
        if reason in self._shown_positive:
            shown, where = self._shown_positive[reason]
            return is_zero(value - shown) and all(_combination(form, domain) for form in where)
        return reason in self._uses and isinstance(value, sp.Symbol)

    def _add(
        self,
        kind: StepKind,
        title: str,
        statement: str,
        formulas: tuple[str, ...],
        reason: str,
        refuted_by: str = "",
        attack: Attack | None = None,
    ) -> None:
        self._steps.append(Step(kind, title, statement, formulas, reason, refuted_by, attack))

    def _fail(self, title: str, why: str) -> NoReturn:
        raise CheckFailed(f"step '{title}': {why}", tuple(self._steps))


def _where(domain: Sequence[Any]) -> str:
    return " where " + ", ".join(f"${sp.latex(form)} > 0$" for form in domain) if domain else ""


def _combination(form: Any, domain: Sequence[Any]) -> bool:
    """Whether `form` is a sum of positive forms: half-integer multiples, up to 2, of the forms of `domain`, not all 0."""
    weights = [sp.Rational(k, 2) for k in range(5)]
    return any(
        any(chosen) and sp.expand(form - sum(w * part for w, part in zip(chosen, domain, strict=True))) == 0
        for chosen in itertools.product(weights, repeat=len(domain))
    )
