"""What the engine offers: expectations of numbers, vectors and matrices, and the steps of a derivation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sympy as sp

from ..engine.claims import Step, StepKind
from . import planar
from .line import line_expectation, truncated_moments
from .pieces import NoClosedForm, checked, intervals, orthants
from .planar import Profile, quadrant_moment
from .profiles import combined, divided_by_sine, readable, shifted
from .space import space_expectation

__all__ = ["expectation", "explained", "matrix_expectation", "vector_expectation"]

Radial = Callable[[int], Any]
"""`E[|x|^n]` of a spherically symmetric law, by n."""


def expectation(
    expr: Any,
    gaussians: Any,
    angle: Any = None,
    *,
    scales: Sequence[Any] | None = None,
    radial: Radial | None = None,
    dimension: Any = None,
) -> Any:
    """`E[expr]` over one, two or three standard Gaussians, in closed form.

    expr: a piecewise polynomial: Max, Min, Abs, sign, Heaviside, Piecewise, non-negative integer powers and products;
        other symbols are parameters. For one Gaussian breakpoints may be anywhere (their order must be decidable); for
        two and three they must be where a Gaussian is 0.
    gaussians: a symbol, or two or three. angle: the angle between the unit vectors of two (their correlation is its
        cosine), in `[0, pi]`, any expression; for three `(t_uv, t_uw, t_vw)`.
    scales: positive expressions, the deviations of the Gaussians, 1 by default.
    radial, dimension: for two Gaussians replaced by the coordinates w.x, v.x (w, v unit vectors) of a spherically
        symmetric x in R^dimension with `E[|x|^n] = radial(n)`.

    Raises `ValueError` for what is not a piecewise polynomial and for unusable arguments, and its subclass
    `NoClosedForm` for four Gaussians or more, whose orthant probabilities have none.

    >>> u, v, t = sp.symbols("u v t")
    >>> expectation(sp.Max(u, 0) * sp.Max(v, 0), (u, v), t)
    ((pi - t)*cos(t) + sin(t))/(2*pi)
    >>> expectation(abs(u), u, scales=[sp.Symbol("s", positive=True)])
    sqrt(2)*s/sqrt(pi)
    """
    symbols = _symbols(gaussians)
    expr = _scaled(checked(expr, symbols), symbols, scales)
    if len(symbols) != 2 and (radial is not None or dimension is not None):
        raise ValueError(f"a spherically symmetric law is supported for two Gaussians, not {len(symbols)}")
    if len(symbols) == 1:
        if angle is not None:
            raise ValueError(f"one Gaussian has no angle; got {angle}")
        return line_expectation(expr, symbols[0])
    if len(symbols) == 2:
        return readable(_profile(expr, symbols, (0, 0), radial, dimension), _angle(angle, symbols))
    angles = list(angle) if isinstance(angle, list | tuple | sp.Tuple) else []
    if len(angles) != 3:
        raise ValueError(f"angle is {angle}; three Gaussians need the three angles (t_uv, t_uw, t_vw)")
    angles = [_angle(a, symbols) for a in angles]
    present = [k for k, g in enumerate(symbols) if expr.has(g)]
    if len(present) < 3:
        between: dict[tuple[int, ...], Any] = {(0, 1): angles[0], (0, 2): angles[1], (1, 2): angles[2]}
        rest = [symbols[k] for k in present] or [symbols[0]]
        return expectation(expr, rest, between[tuple(present)]) if len(present) == 2 else expectation(expr, rest[0])
    _require_triangle(angles)
    return space_expectation(expr, symbols, angles, _positive_quadrant)


def vector_expectation(
    expr: Any, gaussians: Any, angle: Any, *, radial: Radial | None = None, dimension: Any = None
) -> tuple[Any, Any]:
    """Coefficients (a, b) of `E[x expr(w.x, v.x)] = a w + b v`, for unit vectors w, v at `angle` in any dimension.

    Arguments and errors as for `expectation` with two Gaussians, which stand for w.x and v.x.

    >>> u, v, t = sp.symbols("u v t")
    >>> vector_expectation(sp.Heaviside(u) * sp.Max(v, 0), (u, v), t)
    (sin(t)/(2*pi), (pi - t)/(2*pi))
    """
    symbols = _symbols(gaussians, exactly=2)
    angle, expr = _angle(angle, symbols), checked(expr, symbols)
    first, second = (_profile(expr, symbols, extra, radial, dimension) for extra in ((1, 0), (0, 1)))
    return tuple(  # the solution of a + cos(t) b = E[u expr], cos(t) a + b = E[v expr]
        _over_sines(combined([(1, own), (-1, shifted(other, 1))]), 1, angle)
        for own, other in ((first, second), (second, first))
    )


def matrix_expectation(expr: Any, gaussians: Any, angle: Any) -> tuple[Any, Any, Any, Any]:
    """Coefficients (e, a, b, c) of `E[x x^T expr(w.x, v.x)] = e I + a w w^T + b (w v^T + v w^T) + c v v^T`.

    x is standard Gaussian in any dimension; w, v are unit vectors at `angle`. Errors as for `expectation`.

    >>> u, v, t = sp.symbols("u v t")
    >>> matrix_expectation(u * v, (u, v), t)
    (cos(t), 0, 1, 0)
    """
    symbols = _symbols(gaussians, exactly=2)
    angle, expr = _angle(angle, symbols), checked(expr, symbols)
    whole, uu, uv, vv = (_profile(expr, symbols, extra) for extra in ((0, 0), (2, 0), (1, 1), (0, 2)))
    x, y = combined([(1, uu), (-1, whole)]), combined([(1, uv), (-1, shifted(whole, 1))])
    z = combined([(1, vv), (-1, whole)])
    parts = (
        combined([(1, x), (-2, shifted(y, 1)), (1, shifted(z, 2))]),
        combined([(-1, shifted(x, 1)), (1, y), (1, shifted(y, 2)), (-1, shifted(z, 1))]),
        combined([(1, shifted(x, 2)), (-2, shifted(y, 1)), (1, z)]),
    )
    return (readable(whole, angle), *(_over_sines(part, 2, angle) for part in parts))


def explained(expr: Any, gaussians: Any, angle: Any = None) -> Iterator[Step]:
    """The steps by which `expectation` finds its closed form, for one or two Gaussians.

    >>> u, v, t = sp.symbols("u v t")
    >>> for step in explained(sp.Max(u, 0) * sp.Max(v, 0), (u, v), t):
    ...     print(step.title)
    polar coordinates
    quadrant (1, 1)
    sum
    """
    symbols = _symbols(gaussians)
    expr = checked(expr, symbols)
    if len(symbols) == 1:
        for low, high, polynomial in intervals(expr, symbols[0]):
            moments = truncated_moments(low, high, max(k for (k,) in polynomial))
            yield Step(
                StepKind.IDENTITY,
                f"{low} < {symbols[0]} < {high}",
                f"There the expression is ${sp.latex(_polynomial(polynomial, symbols))}$; integration by parts lowers the powers.",
                tuple(
                    rf"E[{sp.latex(symbols[0])}^{{{k}}}\,1]={sp.latex(sp.simplify(moments[k]))}" for (k,) in polynomial
                ),
            )
    elif len(symbols) == 2:
        yield from _planar_steps(expr, symbols, _angle(angle, symbols))
    else:
        raise ValueError("the steps for three Gaussians are not written out; see the module `space` for the method")


def _planar_steps(expr: Any, symbols: Sequence[sp.Symbol], angle: Any) -> Iterator[Step]:
    u, v = (sp.latex(s) for s in symbols)
    t = sp.latex(angle)
    yield Step(
        StepKind.IDENTITY,
        "polar coordinates",
        rf"${u}=r\cos\varphi$ and ${v}=r\cos(\varphi-{t})$, with $r$ and $\varphi$ independent and $\varphi$ uniform.",
        (r"E[r^n]=2^{n/2}\,\Gamma(\tfrac n2+1)",),
    )
    for signs, polynomial in orthants(expr, symbols):
        start, end = (sp.latex(quarter * sp.pi / 2 + turns * angle) for quarter, turns in planar.ARCS[signs])
        lines = []
        for i, j in polynomial:
            integral = readable(dict(planar.arc_integral(i, j, *planar.ARCS[signs])), angle)
            power = lambda base, k: "" if k == 0 else base if k == 1 else rf"{base}^{{{k}}}"  # noqa: E731
            waves = (
                power(r"\cos", i) + (r"\varphi\," if i else "") + power(r"\cos", j) + (rf"(\varphi-{t})\," if j else "")
            )
            radius = power("r", i + j) or "1"
            lines.append(
                rf"E[{radius}]\,\frac1{{2\pi}}\int_{{{start}}}^{{{end}}}{waves}d\varphi"
                rf"=\frac{{{sp.latex(planar.radial_moment(i + j))}}}{{2\pi}}\Big({sp.latex(integral)}\Big)"
            )
        where = ", ".join(f"${name} {'>' if s > 0 else '<'} 0$" for name, s in zip((u, v), signs, strict=True))
        shape = sp.latex(_polynomial(polynomial, symbols))
        yield Step(StepKind.IDENTITY, f"quadrant {signs}", f"Where {where} the expression is ${shape}$.", tuple(lines))
    total = expectation(expr, symbols, angle)
    yield Step(StepKind.IDENTITY, "sum", "The quadrants together.", (rf"E={sp.latex(total)}",))


def _polynomial(polynomial: dict[tuple[int, ...], Any], symbols: Sequence[sp.Symbol]) -> Any:
    return sum(
        value * sp.prod(g**k for g, k in zip(symbols, powers, strict=True)) for powers, value in polynomial.items()
    )


def _profile(
    expr: Any,
    symbols: Sequence[sp.Symbol],
    extra: tuple[int, int],
    radial: Radial | None = None,
    dimension: Any = None,
) -> Profile:
    """`E[u^i v^j expr]` with `extra = (i, j)`, as a function of the angle."""
    if (radial is None) != (dimension is None):
        raise ValueError("a spherically symmetric law needs both radial, its moments, and dimension")
    return combined(
        (value * _law(i + j + sum(extra), radial, dimension), quadrant_moment(i + extra[0], j + extra[1], signs))
        for signs, polynomial in orthants(expr, symbols)
        for (i, j), value in polynomial.items()
    )


def _law(degree: int, radial: Radial | None, dimension: Any) -> Any:
    """What a homogeneous function of this degree gains when the standard Gaussian gives way to the law."""
    if radial is None:
        return sp.Integer(1)
    dimension = sp.sympify(dimension)
    if not dimension.is_positive:
        raise ValueError(f"dimension is {dimension}; expected a positive number or symbol")
    try:
        moment = sp.sympify(radial(degree))
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"radial({degree}) failed ({error!r}); expected a function from n to E[|x|^n]") from None
    if not isinstance(moment, sp.Expr) or moment.is_negative or (degree == 0 and moment != 1):
        raise ValueError(f"radial({degree}) is {moment}, which is no moment of a length")
    half = sp.Rational(degree, 2)
    gaussian = 2**half * sp.gamma(dimension / 2 + half) / sp.gamma(dimension / 2)
    return sp.simplify(sp.gammasimp(moment / gaussian))


def _over_sines(profile: Profile, squares: int, angle: Any) -> Any:
    quotient, left = divided_by_sine(profile, squares)
    if left and quotient and sp.sin(angle).is_zero:
        raise ValueError(f"at angle {angle} the vectors w and v are parallel, and the coefficients are not unique")
    return readable(quotient, angle) / sp.sin(angle) ** (2 * left)


def _positive_quadrant(j: int, k: int, angle: Any) -> Any:
    return readable(quadrant_moment(j, k, (1, 1)), angle)


def _symbols(gaussians: Any, exactly: int | None = None) -> tuple[sp.Symbol, ...]:
    symbols = tuple(gaussians) if isinstance(gaussians, list | tuple | sp.Tuple) else (gaussians,)
    if not all(isinstance(g, sp.Symbol) for g in symbols):
        raise ValueError(f"gaussians is {gaussians!r}; expected a symbol, or two or three distinct symbols in order")
    if not symbols or (exactly and len(symbols) != exactly):
        raise ValueError(f"gaussians is {gaussians}; expected {exactly or 'one to three'} symbols")
    if len(symbols) > 3:
        raise NoClosedForm(
            f"no closed form is known for {len(symbols)} correlated Gaussians: their orthant probabilities have none"
        )
    return symbols


def _angle(angle: Any, symbols: Sequence[sp.Symbol]) -> Any:
    if angle is None:
        raise ValueError("angle is missing; pass the angle between the two unit vectors, such as Symbol('t')")
    angle = sp.sympify(angle)
    if not isinstance(angle, sp.Expr) or angle.is_Matrix or angle.has(*symbols):
        raise ValueError(f"angle is {angle}; expected an expression, no matrix, without the Gaussians in it")
    if angle.is_number and not (angle.is_real and 0 <= angle <= sp.pi):
        raise ValueError(f"angle is {angle}; expected radians in [0, pi]")
    return angle


def _require_triangle(angles: Sequence[Any]) -> None:
    """Raise `ValueError` for angles that no three unit vectors have, or where two of the vectors are parallel."""
    if any(sp.sin(angle).is_zero for angle in angles):
        raise ValueError(
            f"angle is {tuple(angles)}: two of the Gaussians are equal or opposite; substitute one for the other, and use two"
        )
    if all(angle.is_number for angle in angles):
        a, b, c = (float(angle) for angle in angles)
        if not abs(a - b) - 1e-12 <= c <= min(a + b, 2 * math.pi - a - b) + 1e-12:
            raise ValueError(
                f"angle is {tuple(angles)}; no three unit vectors have these angles: each is at most the sum of the others"
            )


def _scaled(expr: Any, symbols: Sequence[sp.Symbol], scales: Sequence[Any] | None) -> Any:
    if scales is None:
        return expr
    values = [sp.sympify(s) for s in scales] if isinstance(scales, list | tuple | sp.Tuple) else []
    if len(values) != len(symbols) or not all(s.is_positive and not s.has(*symbols) for s in values):
        raise ValueError(
            f"scales is {scales}; expected one positive expression for each Gaussian, such as Symbol('a', positive=True)"
        )
    return expr.subs({g: s * g for g, s in zip(symbols, values, strict=True)}, simultaneous=True)
