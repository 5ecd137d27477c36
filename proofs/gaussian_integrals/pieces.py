"""Piecewise polynomials: splitting an expression into the polynomials it is on quadrants, octants, or intervals."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import sympy as sp

__all__ = ["SUPPORTED", "NoClosedForm", "checked", "intervals", "orthants", "require_no_namesake"]

SUPPORTED = (
    "supported are polynomials, Max, Min, Abs, sign, Heaviside and Piecewise of the Gaussians, their products and "
    "non-negative integer powers"
)
_AXES = "changes its branch away from the axes; here breakpoints must be where a Gaussian is 0"
_NOT_ANY_REAL = ("positive", "negative", "nonnegative", "nonpositive", "integer", "rational", "irrational", "zero")
_DIGITS = 40
_SWITCHES = (sp.Max, sp.Min, sp.Abs, sp.sign, sp.Heaviside)

Polynomial = dict[tuple[int, ...], Any]
"""Coefficients by exponents of the Gaussians."""


class NoClosedForm(ValueError):
    """No closed form is known for what was asked.

    >>> from proofs.gaussian_integrals import expectation
    >>> four = sp.symbols("u v w z")
    >>> try:
    ...     expectation(sp.Max(*four), four, None)
    ... except NoClosedForm as error:
    ...     print(error)
    no closed form is known for 4 correlated Gaussians: their orthant probabilities have none
    """


def orthants(expr: Any, gaussians: Sequence[sp.Symbol]) -> Iterator[tuple[tuple[int, ...], Polynomial]]:
    """Signs and polynomial (in the Gaussians themselves) of every orthant where `expr` is not 0.

    Breakpoints must be where a Gaussian is 0: `ValueError` otherwise, and for what is not a piecewise polynomial.

    >>> u, v = sp.symbols("u v")
    >>> list(orthants(sp.Max(u, 0) * sp.Max(v, 0), (u, v)))
    [((1, 1), {(1, 1): 1})]
    """
    expr = checked(expr, gaussians)
    sizes = [sp.Dummy(g.name, positive=True) for g in gaussians]
    for signs in itertools.product((1, -1), repeat=len(gaussians)):
        here = {g: s * size for g, s, size in zip(gaussians, signs, sizes, strict=True)}
        piece = _settled(expr.subs(here, simultaneous=True), sizes, expr)
        oriented = {
            powers: value * sp.prod(s**k for s, k in zip(signs, powers, strict=True))
            for powers, value in _coefficients(piece, sizes, expr).items()
        }
        if oriented:
            yield signs, oriented


def intervals(expr: Any, gaussian: sp.Symbol) -> Iterator[tuple[Any, Any, Polynomial]]:
    """Ends and polynomial of every interval of the line on which `expr` is one polynomial; breakpoints anywhere.

    >>> u = sp.Symbol("u")
    >>> list(intervals(sp.Max(u - 1, 0), u))
    [(1, oo, {(1,): 1, (0,): -1})]
    """
    expr = checked(expr, (gaussian,))
    ends = [-sp.oo, *_ordered(_breakpoints(expr, gaussian)), sp.oo]
    for low, high in itertools.pairwise(ends):
        inside = _inside(low, high)
        piece = _at(expr, gaussian, inside)
        polynomial = _coefficients(piece, [gaussian], expr)
        if polynomial:
            yield low, high, polynomial


def checked(expr: Any, gaussians: Sequence[sp.Symbol]) -> Any:
    """`expr` as SymPy with exact numbers, its Gaussians distinct real symbols that occur in supported functions alone.

    >>> checked("0.5*Max(u, 0)", (sp.Symbol("u"),))
    Max(0, u)/2
    """
    try:
        expr = sp.sympify(expr)
    except (sp.SympifyError, TypeError, SyntaxError) as error:
        raise ValueError(f"{expr!r} is no expression: {error}") from None
    if not isinstance(expr, sp.Expr):
        raise ValueError(f"{expr!r} is no expression; pass a SymPy expression in the Gaussians")
    if len(set(gaussians)) != len(gaussians) or not all(isinstance(g, sp.Symbol) for g in gaussians):
        raise ValueError(f"{gaussians} are not distinct symbols; pass the Gaussians as SymPy symbols")
    for g in gaussians:
        if g.is_real is False or any(getattr(g, f"is_{kind}") for kind in _NOT_ANY_REAL):
            raise ValueError(f"{g} is declared {g.assumptions0}; a Gaussian is any real number: use Symbol('{g}')")
    require_no_namesake(expr, gaussians, "expr")
    if expr.has(sp.Float):
        expr = sp.nsimplify(expr, rational=True)
    for node in sp.preorder_traversal(expr):
        if not isinstance(node, sp.Basic) or not node.free_symbols & set(gaussians):
            continue
        known = isinstance(
            node,
            (
                sp.Symbol,
                sp.Add,
                sp.Mul,
                sp.Piecewise,
                sp.functions.elementary.piecewise.ExprCondPair,
                sp.Rel,
                sp.And,
                sp.Or,
                sp.Not,
                *_SWITCHES,
            ),
        )
        if isinstance(node, sp.Pow):
            if node.exp.free_symbols & set(gaussians) or not (
                node.exp.is_integer and node.exp.is_nonnegative and node.exp.is_number
            ):
                raise ValueError(f"{node} is not a power with an exponent 0, 1, 2, ...; {SUPPORTED}")
        elif not known:
            raise ValueError(
                f"{node.func.__name__} of a Gaussian grows otherwise than a polynomial or is not known; {SUPPORTED}"
            )
    return expr


def require_no_namesake(expr: Any, gaussians: Sequence[sp.Symbol], where: str) -> None:
    """Raise `ValueError` for a symbol that is called like a Gaussian and is none.

    >>> try:
    ...     require_no_namesake(sp.Symbol("u", positive=True), (sp.Symbol("u"),), "expr")
    ... except ValueError as error:
    ...     print(error)
    expr has another symbol of the name u than the Gaussian (declared with other assumptions); use one
    """
    names = {g.name for g in gaussians}
    if others := [s for s in expr.free_symbols - set(gaussians) if s.name in names]:
        raise ValueError(
            f"{where} has another symbol of the name {others[0].name} than the Gaussian (declared with other assumptions); use one"
        )


def _settled(piece: Any, sizes: Sequence[sp.Symbol], whole: Any) -> Any:
    """`piece` with the switches that depend on a common factor of the positive `sizes` taken out of it."""

    def named(part: Any) -> Any:
        """The part with the Gaussians as the user calls them."""
        return part.subs({size: sp.Symbol(size.name) for size in sizes})

    def split(argument: Any) -> tuple[Any, Any]:
        """Coefficient and monomial of an argument that is one term."""
        terms = sp.Poly(sp.expand(argument), *sizes).terms()
        if len(terms) != 1:
            raise ValueError(f"{named(argument)} in {whole} {_AXES}")
        ((powers, value),) = terms
        return value, sp.prod(size**k for size, k in zip(sizes, powers, strict=True))

    def extremum(node: Any) -> Any:
        parts = [split(argument) for argument in node.args if argument != 0]
        monomials = {monomial for _, monomial in parts}
        if len(monomials) != 1:
            raise ValueError(f"{named(node)} in {whole} {_AXES}")
        values = [value for value, _ in parts] + [sp.Integer(0)] * any(argument == 0 for argument in node.args)
        if all(value.could_extract_minus_sign() for value in values):
            kind = sp.Min if isinstance(node, sp.Max) else sp.Max
            return -monomials.pop() * kind(*(-value for value in values))
        return monomials.pop() * node.func(*values)

    def switched(node: Any) -> Any:
        if isinstance(node, sp.Max | sp.Min):
            return extremum(node)
        value, monomial = split(node.args[0])
        if isinstance(node, sp.Abs):
            return monomial * sp.Abs(value)
        return node.func(value, *node.args[1:])

    own = set(sizes)
    while True:
        nodes = [n for n in sp.preorder_traversal(piece) if isinstance(n, _SWITCHES) and n.free_symbols & own]
        innermost = [
            n
            for n in nodes
            if not any(m is not n and m in n.args for m in nodes)
            and not any(a.has(*_SWITCHES) and a.free_symbols & own for a in n.args)
        ]
        if not innermost:
            break
        piece = piece.xreplace({n: switched(n) for n in innermost})
    if any(n.free_symbols & own for n in piece.atoms(sp.Piecewise)):
        raise ValueError(f"a condition in {whole} {_AXES} (and must not depend on parameters)")
    return piece


def _coefficients(piece: Any, symbols: Sequence[sp.Symbol], whole: Any) -> Polynomial:
    if piece.has(sp.nan, sp.oo, -sp.oo, sp.zoo):
        raise ValueError(f"{whole} is not defined, or not finite, on a part of its domain; add a last branch (0, True)")
    try:
        polynomial = sp.Poly(sp.expand(piece), *symbols)
    except sp.PolynomialError:
        raise ValueError(f"{whole} is not a piecewise polynomial: on one piece it is {piece}; {SUPPORTED}") from None
    if any(value.has(*symbols) for value in polynomial.coeffs()):
        raise ValueError(f"{whole} is not a piecewise polynomial: on one piece it is {piece}; {SUPPORTED}")
    return {powers: value for powers, value in polynomial.terms() if value != 0}


def _switches(expr: Any) -> set[Any]:
    """The expressions whose signs decide between branches."""
    switches = set()
    for node in sp.preorder_traversal(expr):
        if isinstance(node, sp.Max | sp.Min):
            switches |= {a - b for a, b in itertools.combinations(node.args, 2)}
        elif isinstance(node, sp.Abs | sp.sign | sp.Heaviside):
            switches.add(node.args[0])
        elif isinstance(node, sp.Rel):
            switches.add(node.lhs - node.rhs)
    return switches


def _breakpoints(expr: Any, gaussian: sp.Symbol) -> set[Any]:
    """Points between which `expr` is one polynomial; perhaps some more."""
    points: set[Any] = set()
    for switch in _switches(expr):
        if switch.has(gaussian):
            inner = _breakpoints(switch, gaussian)
            points |= inner
            for low, high in itertools.pairwise([-sp.oo, *_ordered(inner), sp.oo]):
                points |= set(_roots(_at(switch, gaussian, _inside(low, high)), gaussian))
    return points


def _inside(low: Any, high: Any) -> Any:
    """A point between, a rational where the ends are numbers."""
    if low == -sp.oo:
        return sp.Integer(0) if high == sp.oo else sp.floor(high) - 1 if high.is_number else high - 1
    if high == sp.oo:
        return sp.ceiling(low) + 1 if low.is_number else low + 1
    middle = (low + high) / 2
    if not middle.is_number:
        return middle
    point = sp.Rational(str(middle.evalf(_DIGITS)))
    for digits in (2, 5, 10):
        rounded = point.limit_denominator(10**digits)
        if low < rounded < high:
            return rounded
    return point


def _sign(value: Any) -> int | None:
    """The sign of an expression, None if it is not known: of a number by its digits, where these tell it from 0."""
    if value.is_number:
        digits = value.evalf(_DIGITS)
        if digits.is_real and abs(digits) > 10.0 ** (2 - _DIGITS):
            return 1 if digits > 0 else -1
    value = sp.simplify(value)
    return 1 if value.is_positive else -1 if value.is_negative else 0 if value.is_zero else None


def _roots(switch: Any, gaussian: sp.Symbol) -> list[Any]:
    """Real zeros of a polynomial of degree 1 or 2."""
    if not switch.has(gaussian):
        return []
    try:
        polynomial = sp.Poly(sp.expand(switch), gaussian)
        coefficients = [sp.Integer(0) if _sign(value) == 0 else value for value in polynomial.all_coeffs()]
        simple = [value if value.is_number else sp.simplify(value) for value in coefficients]
        polynomial = sp.Poly(simple, gaussian)
    except sp.PolynomialError:
        raise ValueError(f"{switch} is not a polynomial; {SUPPORTED}") from None
    if polynomial.degree() > 2:
        raise ValueError(f"{switch} is of degree {polynomial.degree()}; breakpoints are roots of degree 1 or 2")
    if polynomial.degree() == 1:
        slope, offset = polynomial.all_coeffs()
        root = -offset / slope
        roots = [sp.expand(sp.radsimp(root)) if root.is_number else root]
    else:
        roots = list(sp.roots(polynomial))
    real = [root for root in roots if root.is_real is not False]
    if any(root.is_real is None for root in real):
        raise ValueError(
            f"it is not known whether the breakpoints {real} are real; declare the symbols real (or positive)"
        )
    return real


def _ordered(roots: set[Any]) -> list[Any]:
    order: list[Any] = []
    for root in roots:
        place = 0
        for place_of, other in enumerate(order):
            gap = _sign(root - other)
            if gap == 0:
                place = -1
                break
            if gap is None:
                low, high = sorted((root, other), key=str)
                raise ValueError(
                    f"it is not known which of the breakpoints {low} and {high} is larger; if {high} is, write "
                    f"{low} + e for it, with a positive symbol e"
                )
            if gap > 0:
                place = place_of + 1
        if place >= 0:
            order.insert(place, root)
    return order


def _at(expr: Any, gaussian: sp.Symbol, inside: Any) -> Any:
    """`expr` with each switch replaced by the branch it takes at the point `inside`."""

    def sign(value: Any) -> int:
        number = value.subs(gaussian, inside)
        found = _sign(number)
        if found is None:
            raise ValueError(f"the sign of {number} is not known; declare the symbols positive or negative")
        return found

    def settle(node: Any) -> Any:
        if not isinstance(node, sp.Basic) or not node.args:
            return node
        if isinstance(node, sp.Rel):
            return node.func(sign(node.lhs - node.rhs), 0) if node.has(gaussian) else node
        args = [settle(a) for a in node.args]
        if node.has(gaussian):
            if isinstance(node, sp.Max | sp.Min):
                best = args[0]
                for other in args[1:]:
                    if sign(other - best) * (1 if isinstance(node, sp.Max) else -1) > 0:
                        best = other
                return best
            if isinstance(node, sp.Abs):
                return args[0] * sign(args[0])
            if isinstance(node, sp.sign):
                return sp.Integer(sign(args[0]))
            if isinstance(node, sp.Heaviside):
                return sp.Integer(1 if sign(args[0]) > 0 else 0)
        return node.func(*args)

    return settle(expr)
