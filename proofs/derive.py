"""`alignmath derive "Max(u,0)*Max(v,0)"`: the closed form of a Gaussian expectation, and how it is found.

The variables u, v, w in the expression are standard Gaussians, t (with three: t_uv, t_uw, t_vw) the angles between
them; every other name is a positive parameter.
"""

from __future__ import annotations

import ast
import operator
from typing import Any

import mpmath as mp
import numpy as np
import sympy as sp

from .engine.rows import step_lines
from .gaussian_integrals import expectation, explained, mehler_sum, vector_expectation

__all__ = ["derivation"]

_FUNCTIONS = {
    name: getattr(sp, name)
    for name in [
        "Max",
        "Min",
        "Abs",
        "sign",
        "Heaviside",
        "Piecewise",
        "pi",
        "sqrt",
        "exp",
        "log",
        "sin",
        "cos",
        "tanh",
        "erf",
    ]
}
_GAUSSIANS = {name: sp.Symbol(name) for name in "uvw"}
_OPERATORS: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_SYNTAX = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.Name, ast.Tuple, ast.Constant, ast.Load, *_OPERATORS)
_CHECKED_AT = (0.7, 1.4, 2.3)


def derivation(text: str, *, vector: bool = False, explain: bool = False, latex: bool = False) -> list[str]:
    """What `alignmath derive` prints: the steps if asked for, the closed form, and how far an independent computation is from it.

    text: the expression. vector: derive E[x ...] instead. latex: print the closed form in LaTeX.
    Raises `ValueError`, `TypeError` or `ArithmeticError` for what cannot be read or derived.

    >>> derivation("Max(u,0)")[0]
    'E = sqrt(2)/(2*sqrt(pi))'
    """
    expr, gaussians, angle = _parsed(text)
    if vector:
        values = dict(zip("ab", vector_expectation(expr, gaussians, angle), strict=True))
    else:
        values = {"E": expectation(expr, gaussians, angle)}
    lines = []
    if explain:
        for number, step in enumerate(explained(expr, gaussians, angle), 1):
            lines += [*step_lines(number, step, 100), ""]
    if vector:
        lines.append("E[x ...] = a w + b v, w and v being the unit vectors of u = w.x and v = v.x")
    lines += [f"{name} = {sp.latex(value) if latex else value}" for name, value in values.items()]
    if not vector:
        lines.append(_check(expr, gaussians, angle, values["E"]))
    return lines


def _parsed(text: str) -> tuple[Any, tuple[sp.Symbol, ...], Any]:
    """Expression, Gaussians and angle; `ValueError` for anything but arithmetic, the functions above, and names."""
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{text!r} cannot be read as an expression: {error}") from None
    parameters: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, _SYNTAX):
            raise ValueError(
                f"{text!r} has {type(node).__name__} in it; write arithmetic, numbers, names and {', '.join(_FUNCTIONS)}"
            )
        if isinstance(node, ast.Call) and not (
            isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS and not node.keywords
        ):
            raise ValueError(f"{ast.unparse(node)!r} calls what is not known; known are {', '.join(_FUNCTIONS)}")
        if isinstance(node, ast.Constant) and (not isinstance(node.value, int | float) or not abs(node.value) <= 1e6):
            raise ValueError(f"{node.value!r} is no number up to a million")
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Pow)
            and not isinstance(node.right, ast.Constant | ast.Name | ast.UnaryOp)
        ):
            raise ValueError(f"the exponent {ast.unparse(node.right)!r} is no plain number")
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Pow)
            and isinstance(node.right, ast.Constant)
            and isinstance(node.right.value, int | float)
            and node.right.value > 60
        ):
            raise ValueError(f"the exponent {node.right.value} is above 60")
        if isinstance(node, ast.Name) and node.id not in _FUNCTIONS and node.id not in _GAUSSIANS:
            parameters.add(node.id)
    if reserved := parameters & {"I", "E", "oo", "zoo", "nan", "t", "t_uv", "t_uw", "t_vw"}:
        raise ValueError(
            f"{sorted(reserved)[0]} is no name for a parameter: it is a number, or the angle; call it otherwise"
        )
    names = {**_FUNCTIONS, **_GAUSSIANS, **{name: sp.Symbol(name, positive=True) for name in parameters}}
    expr = sp.sympify(_evaluated(tree, names))
    gaussians = tuple(g for g in _GAUSSIANS.values() if isinstance(expr, sp.Basic) and g in expr.free_symbols)
    if not gaussians:
        raise ValueError(f"{text!r} has none of the Gaussians u, v, w in it")
    angles = {1: None, 2: sp.Symbol("t"), 3: sp.symbols("t_uv t_uw t_vw")}
    return expr, gaussians, angles[len(gaussians)]


def _evaluated(node: ast.AST, names: dict[str, Any]) -> Any:
    """The SymPy value of a checked syntax tree."""
    if isinstance(node, ast.Constant):
        return sp.sympify(node.value) if isinstance(node.value, bool) else sp.nsimplify(str(node.value), rational=True)
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.Tuple):
        return tuple(_evaluated(item, names) for item in node.elts)
    if isinstance(node, ast.Call):
        return names[ast.unparse(node.func)](*(_evaluated(argument, names) for argument in node.args))
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_evaluated(node.operand, names))
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_evaluated(node.left, names), _evaluated(node.right, names))
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _OPERATORS[type(node.ops[0])](_evaluated(node.left, names), _evaluated(node.comparators[0], names))
    raise ValueError(f"{ast.unparse(node)!r} cannot be read; write one comparison at a time, and & and | between them")


def _check(expr: Any, gaussians: tuple[sp.Symbol, ...], angle: Any, value: Any) -> str:
    """A comparison with a computation that shares nothing with the derivation."""
    own = {*gaussians, *(angle if isinstance(angle, tuple) else () if angle is None else (angle,))}
    parameters = sorted((expr.free_symbols | value.free_symbols) - own, key=str)
    numbers = {symbol: sp.Rational(3 + 2 * k, 10) for k, symbol in enumerate(parameters)}
    expr, value = expr.subs(numbers), value.subs(numbers)
    at = "".join(f", {symbol} = {float(number)}" for symbol, number in numbers.items())
    with mp.workdps(25):
        if len(gaussians) == 1:
            function = sp.lambdify(gaussians[0], expr, "mpmath")
            density = lambda x: mp.exp(-(x**2) / 2) / mp.sqrt(2 * mp.pi)  # noqa: E731
            exact = mp.quad(lambda x: function(x) * density(x), mp.linspace(-14, 14, 281))
            return f"checked{at}: quadrature differs by {mp.nstr(abs(exact - _number(value)), 2)}"
        if len(gaussians) == 2:
            worst = max(
                abs(mehler_sum(expr, gaussians, x) - _number(value.subs(angle, sp.Float(x, 30)))) for x in _CHECKED_AT
            )
            where = ", ".join(map(str, _CHECKED_AT))
            return f"checked{at}: Mehler's sum differs by at most {mp.nstr(worst, 2)} at t = {where}"
    count, corner = 1_000_000, dict(zip(tuple(angle or ()), (1.0, 1.2, 1.4), strict=True))
    uv, uw, vw = (np.cos(x) for x in corner.values())
    sample = np.random.default_rng(0).multivariate_normal(np.zeros(3), [[1, uv, uw], [uv, 1, vw], [uw, vw, 1]], count)
    values = sp.lambdify(gaussians, expr, "numpy")(*sample.T) * np.ones(count)
    off = (values.mean() - float(value.subs(corner))) / (values.std() / count**0.5)
    return (
        f"checked{at}: Monte Carlo with {count} samples at the angles 1, 1.2, 1.4 is {abs(off):.1f} standard errors off"
    )


def _number(value: Any) -> mp.mpf:
    return mp.mpf(str(sp.N(value, 25)))
