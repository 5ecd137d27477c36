"""Deriving Gaussian expectations: the engine against `sympy.stats.E` and plain `sympy.integrate`, on 12 expressions.

Each derivation runs in a process of its own and is given 60 s. Outcomes: right (the result agrees with Mehler's sum,
or with quadrature for one Gaussian, at three angles to 1e-9), unevaluated (the result still has an integral in it),
wrong, failed (an error was raised), over the limit.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.output import publish

__all__ = ["EXPRESSIONS", "main", "measure"]

EXPRESSIONS = (
    "u*v",
    "Abs(u)",
    "Max(u, 0)**3",
    "Max(u - 1, 0)",
    "Heaviside(u)*Heaviside(v)",
    "sign(u)*sign(v)",
    "Max(u, 0)*Heaviside(v)",
    "Max(u, 0)*sign(v)",
    "Max(u, 0)*Max(v, 0)",
    "Abs(u)*Abs(v)",
    "u**2*Max(v, 0)*Heaviside(u)",
    "Max(u, 0)**3*Max(v, 0)**3",
)
_METHODS = ("engine", "sympy.stats", "sympy.integrate")
_OUTCOMES = ("right", "unevaluated", "wrong", "failed", "over the limit")
_ANGLES = (0.7, 1.3, 2.4)


def _derive(method: str, text: str, answer: Any) -> None:
    """Send how long `method` took, and how its result compares."""
    import sympy as sp

    from proofs.gaussian_integrals import expectation, mehler_sum

    u, v, x, y = sp.symbols("u v x y", real=True)
    t = sp.Symbol("t", positive=True)
    expr = sp.sympify(text, locals={"u": u, "v": v})
    two = expr.has(v)
    begun = time.perf_counter()
    if method == "engine":
        result = expectation(expr, (u, v), t) if two else expectation(expr, u)
    elif method == "sympy.stats":
        from sympy.stats import E, Normal

        first, second = Normal("x", 0, 1), Normal("y", 0, 1)
        result = E(expr.subs({u: first, v: sp.cos(t) * first + sp.sin(t) * second}, simultaneous=True)).doit()
    else:
        density = sp.exp(-(x**2 + y**2) / 2) / (2 * sp.pi)
        plane = expr.subs({u: x, v: sp.cos(t) * x + sp.sin(t) * y}, simultaneous=True) * density
        result = sp.integrate(sp.integrate(plane, (y, -sp.oo, sp.oo)), (x, -sp.oo, sp.oo))
    seconds = time.perf_counter() - begun
    outcome = "unevaluated"
    if not result.has(sp.Integral):
        error = 0.0
        for angle in _ANGLES:
            if two:
                exact = float(mehler_sum(expr, (u, v), angle))
            else:
                x64 = np.linspace(-12, 12, 2_400_001)
                exact = float(np.trapezoid(sp.lambdify(u, expr)(x64) * np.exp(-(x64**2) / 2), x64) / (2 * np.pi) ** 0.5)
            error = max(error, abs(complex(sp.N(result.subs(t, angle))) - exact))
        outcome = "right" if error < 1e-9 else "wrong"
    answer.send((seconds, outcome))


def _timed(method: str, text: str, limit: float) -> tuple[float, str]:
    """Seconds (`limit` where it took longer) and outcome."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_derive, args=(method, text, sender), daemon=True)
    process.start()
    sender.close()
    try:
        outcome = receiver.recv() if receiver.poll(limit + 15) else None  # 15 s for imports and the comparison
    except EOFError:
        outcome = (limit, "failed")
    process.kill()
    process.join()
    return outcome if outcome is not None and outcome[0] <= limit else (limit, "over the limit")


def measure(limit: float = 60.0) -> dict[str, float]:
    """Seconds of each method for each expression, 1 at its outcome, and how many expressions ended how."""
    jobs = [(text, method) for text in EXPRESSIONS for method in _METHODS]
    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(jobs, pool.map(lambda job: _timed(job[1], job[0], limit), jobs), strict=True))
    figures: dict[str, float] = {}
    for (text, method), (seconds, outcome) in results.items():
        figures[f"{text} by {method}, seconds, {outcome}"] = seconds
    for method in _METHODS:
        for outcome in _OUTCOMES:
            count = sum(results[text, method][1] == outcome for text in EXPRESSIONS)
            if count:
                figures[f"{outcome} by {method}, of {len(EXPRESSIONS)}"] = float(count)
    return figures


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    publish(measure, "Gaussian expectations derived by the engine, sympy.stats and sympy.integrate, 60 s each.", argv)


if __name__ == "__main__":
    main(sys.argv[1:])
