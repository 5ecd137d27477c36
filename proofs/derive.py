"""`python -m proofs.derive "Max(u,0)*Max(v,0)"`: the closed form of a Gaussian expectation, and how it is found.

The variables u, v, w in the expression are standard Gaussians, t (with three: t_uv, t_uw, t_vw) the angles between
them; every other name is a positive parameter. Exit status: 0, or 2 for what cannot be derived.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import mpmath as mp
import numpy as np
import sympy as sp

from .gaussian_integrals import expectation, explained, mehler_sum, vector_expectation
from .ledger import step_lines

__all__ = ["main"]

_FUNCTIONS = {
    name: getattr(sp, name)
    for name in (
        "Max",
        "Min",
        "Abs",
        "sign",
        "Heaviside",
        "Piecewise",
        "Rational",
        "Integer",
        "Float",
        "pi",
        "sqrt",
        "exp",
        "log",
        "sin",
        "cos",
        "tanh",
        "erf",
    )
}
_GAUSSIANS = {name: sp.Symbol(name) for name in "uvw"}
_CHECKED_AT = (0.7, 1.4, 2.3)


class _Names(dict):
    """Names of an expression: Gaussians, functions, and positive parameters for all others."""

    def __missing__(self, name: str) -> Any:
        if name == "Symbol" or not name.isidentifier():
            raise KeyError(name)
        return self.setdefault(name, sp.Symbol(name, positive=True))


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m proofs.derive", description="Derive a Gaussian expectation.")
    parser.add_argument("expression", help='such as "Max(u,0)*Max(v,0)"; u, v, w are standard Gaussians')
    parser.add_argument("--vector", action="store_true", help="E[x ...] as coefficients on the two unit vectors")
    parser.add_argument("--explain", action="store_true", help="print the steps")
    parser.add_argument("--latex", action="store_true", help="print the closed form in LaTeX")
    options = parser.parse_args(argv)
    try:
        expr, gaussians, angle = _parsed(options.expression)
        if options.vector:
            values = dict(zip("ab", vector_expectation(expr, gaussians, angle), strict=True))
        else:
            values = {"E": expectation(expr, gaussians, angle)}
        if options.explain:
            for number, step in enumerate(explained(expr, gaussians, angle), 1):
                print("\n".join(step_lines(number, step, 100)), end="\n\n")
    except ValueError as error:
        parser.error(str(error))
    if options.vector:
        print("E[x ...] = a w + b v, w and v being the unit vectors of u = w.x and v = v.x")
    for name, value in values.items():
        print(f"{name} = {sp.latex(value) if options.latex else value}")
    if not options.vector:
        print(_check(expr, gaussians, angle, values["E"]))
    return 0


def _parsed(text: str) -> tuple[Any, tuple[sp.Symbol, ...], Any]:
    names = _Names({**_FUNCTIONS, **_GAUSSIANS})
    try:
        expr = sp.parse_expr(text, local_dict=names, global_dict={"__builtins__": {}, **_FUNCTIONS, "Symbol": _symbol})
    except Exception as error:  # whatever the parser of Python expressions meets
        raise ValueError(f"{text!r} cannot be read as an expression: {error}") from None
    gaussians = tuple(g for g in _GAUSSIANS.values() if isinstance(expr, sp.Basic) and g in expr.free_symbols)
    if not gaussians:
        raise ValueError(f"{text!r} has none of the Gaussians u, v, w in it")
    angles = {1: None, 2: sp.Symbol("t"), 3: sp.symbols("t_uv t_uw t_vw")}
    return expr, gaussians, angles[len(gaussians)]


def _symbol(name: str) -> sp.Symbol:
    return _GAUSSIANS.get(name) or sp.Symbol(name, positive=True)


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


if __name__ == "__main__":
    sys.exit(main())
