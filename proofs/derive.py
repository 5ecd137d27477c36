"""`alignmath derive "Max(u,0)*Max(v,0)"`: the closed form of a Gaussian expectation, and how it is found.

The variables u, v, w in the expression (if it has none of them, x, y, z, or capitals of these) are standard Gaussians,
t (with three: t_uv, t_uw, t_vw, by their names) the angles between them; every other name is a positive parameter.
"""

from __future__ import annotations

import ast
import itertools
import operator
from typing import Any

import mpmath as mp
import numpy as np
import sympy as sp
from scipy.stats import qmc

from .engine.rows import step_lines
from .gaussian_integrals import expectation, explained, mehler_sum, vector_expectation
from .gaussian_integrals.pieces import intervals

__all__ = ["WrongResult", "derivation"]

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
_FUNCTIONS |= {
    "max": sp.Max,
    "min": sp.Min,
    "abs": sp.Abs,
    "relu": lambda x: sp.Max(x, 0),
    "ReLU": lambda x: sp.Max(x, 0),
    "step": sp.Heaviside,
}
_GAUSSIANS = ("uvw", "xyz", "UVW", "XYZ")
"""What Gaussians may be called: the names of the first of these of which the expression has one."""
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
_AGREES, _STANDARD_ERRORS = 1e-9, 8.0
_SCRAMBLES, _POINTS = 16, 1 << 16


class WrongResult(Exception):
    """The check that goes with a derivation contradicts it."""


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
        first, second = gaussians
        lines.append(
            f"E[X ...] = a e_{first} + b e_{second}, e_{first} and e_{second} being the unit vectors of {first} = e_{first}.X and "
            f"{second} = e_{second}.X, X a standard Gaussian vector"
        )
    lines += [f"{name} = {sp.latex(value) if latex else value}" for name, value in values.items()]
    if not vector:
        return [*lines, _check(expr, gaussians, angle, values["E"])]
    a, b = values.values()
    along = ((gaussians[0], a + b * sp.cos(angle)), (gaussians[1], a * sp.cos(angle) + b))
    return [*lines, *(f"along e_{g}, {_check(g * expr, gaussians, angle, value)}" for g, value in along)]


def _parsed(text: str) -> tuple[Any, tuple[sp.Symbol, ...], Any]:
    """Expression, Gaussians and angle; `ValueError` for anything but arithmetic, the functions above, and names."""
    try:
        tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
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
        if isinstance(node, ast.Name) and node.id not in _FUNCTIONS:
            parameters.add(node.id)
    called = next((names for names in _GAUSSIANS if parameters & {*names}), "")
    if not called:
        raise ValueError(f"{text!r} has none of the Gaussians u, v, w in it")
    symbols = [sp.Symbol(name) for name in called if name in parameters]
    parameters -= {*called}
    between = [f"t_{one}{two}" for one, two in itertools.combinations(called, 2)]
    if reserved := parameters & {"I", "E", "oo", "zoo", "nan", "t", *between}:
        raise ValueError(
            f"{sorted(reserved)[0]} is no name for a parameter: it is a number, or the angle; call it otherwise"
        )
    names = {
        **_FUNCTIONS,
        **{g.name: g for g in symbols},
        **{name: sp.Symbol(name, positive=True) for name in parameters},
    }
    expr = sp.sympify(_evaluated(tree, names))
    gaussians = tuple(g for g in symbols if isinstance(expr, sp.Basic) and g in expr.free_symbols)
    if not gaussians:
        raise ValueError(f"{text!r} does not depend on {', '.join(map(str, symbols))}")
    angles = {1: None, 2: sp.Symbol("t"), 3: tuple(map(sp.Symbol, between))}
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
    """A comparison with a computation that shares nothing with the derivation; `WrongResult` where they differ."""
    own = {*gaussians, *(angle if isinstance(angle, tuple) else () if angle is None else (angle,))}
    parameters = sorted((expr.free_symbols | value.free_symbols) - own, key=str)
    numbers = {symbol: sp.Rational(3 + 2 * k, 10) for k, symbol in enumerate(parameters)}
    expr, value = expr.subs(numbers), value.subs(numbers)
    at = "".join(f", {symbol} = {float(number)}" for symbol, number in numbers.items())
    with mp.workdps(25):
        if len(gaussians) == 1:
            function = sp.lambdify(gaussians[0], expr, "mpmath")
            density = lambda x: mp.exp(-(x**2) / 2) / mp.sqrt(2 * mp.pi)  # noqa: E731
            ends = {end for low, high, _ in intervals(expr, gaussians[0]) for end in (low, high) if end.is_finite}
            nodes = sorted({*mp.linspace(-14, 14, 141), *(_number(end) for end in ends if abs(end) < 14)})
            exact, size = (mp.quad(lambda x, f=f: f(function(x)) * density(x), nodes) for f in (mp.mpf, abs))
            return _agreeing(f"checked{at}: quadrature", [(exact, _number(value), size)], "")
        if len(gaussians) == 2:
            squares = [mp.sqrt(mehler_sum(expr**2, gaussians, x)) for x in _CHECKED_AT]
            pairs = [
                (mehler_sum(expr, gaussians, x), _number(value.subs(angle, sp.Float(x, 30))), size)
                for x, size in zip(_CHECKED_AT, squares, strict=True)
            ]
            return _agreeing(f"checked{at}: Mehler's sum", pairs, f" at t = {', '.join(map(str, _CHECKED_AT))}")
    corner = dict(zip(tuple(angle or ()), (1.0, 1.2, 1.4), strict=True))
    uv, uw, vw = (np.cos(x) for x in corner.values())
    covariance, function = [[1, uv, uw], [uv, 1, vw], [uw, vw, 1]], sp.lambdify(gaussians, expr, "numpy")
    means = []
    for scramble in range(_SCRAMBLES):
        points = qmc.MultivariateNormalQMC(np.zeros(3), covariance, engine=qmc.Sobol(3, seed=scramble)).random(_POINTS)
        means.append(np.mean(function(*points.T) * np.ones(_POINTS)))
    exact, error = float(value.subs(corner)), np.std(means, ddof=1) / _SCRAMBLES**0.5
    off = abs(np.mean(means) - exact) / error
    line = (
        f"checked{at}: {_SCRAMBLES} scrambled Sobol sequences of {_POINTS} points, at the angles 1, 1.2, 1.4, are "
        f"{off:.1f} standard errors of {error:.1e} off"
    )
    if off > _STANDARD_ERRORS:
        raise WrongResult(line)
    return line


def _agreeing(what: str, pairs: list[tuple[Any, Any, Any]], where: str) -> str:
    """The line about pairs of values that should be equal, each with the size that its error is measured by."""
    worst = max(abs(exact - found) / (size or 1) for exact, found, size in pairs)
    line = f"{what} differs by at most {mp.nstr(worst, 2)} of the typical size{where}"
    if not worst < _AGREES:
        raise WrongResult(line)
    return line


def _number(value: Any) -> mp.mpf:
    return mp.mpf(str(sp.N(value, 25)))
