"""Deriving Gaussian expectations: the engine against `sympy.stats.E` and plain `sympy.integrate`, on 12 expressions.

Each derivation runs in a process of its own and is given 60 s. A result counts if it agrees with the engine's at three
angles to 1e-9; an unevaluated integral does not. Seconds of -1: the method raised an error.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

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
_ANGLES = (0.7, 1.3, 2.4)


def _derive(method: str, text: str, answer: Any) -> None:
    """Send how long `method` took and what its result is at three angles (None where it is not a number)."""
    import sympy as sp

    u, v, x, y = sp.symbols("u v x y", real=True)
    t = sp.Symbol("t", positive=True)
    expr = sp.sympify(text, locals={"u": u, "v": v})
    gaussians = [g for g in (u, v) if expr.has(g)]
    if method == "engine":
        from proofs.gaussian_integrals import expectation
    begun = time.perf_counter()
    if method == "engine":
        found = expectation(expr, gaussians, t) if len(gaussians) == 2 else expectation(expr, u)
    elif method == "sympy.stats":
        from sympy.stats import E, Normal

        first, second = Normal("x", 0, 1), Normal("y", 0, 1)
        found = E(expr.subs({u: first, v: sp.cos(t) * first + sp.sin(t) * second}, simultaneous=True)).doit()
    else:
        density = sp.exp(-(x**2 + y**2) / 2) / (2 * sp.pi)
        plane = expr.subs({u: x, v: sp.cos(t) * x + sp.sin(t) * y}, simultaneous=True) * density
        found = sp.integrate(sp.integrate(plane, (y, -sp.oo, sp.oo)), (x, -sp.oo, sp.oo))
    seconds = time.perf_counter() - begun
    values = []
    for angle in _ANGLES:
        try:
            if found.has(sp.Integral):
                raise TypeError
            values.append(float(sp.re(sp.N(found.subs(t, angle)))))
        except (TypeError, ValueError):
            values.append(None)
    answer.send((seconds, values))


def _timed(method: str, text: str, limit: float) -> tuple[float, list[float | None]]:
    """Seconds, `limit` where it took longer, and values."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_derive, args=(method, text, sender), daemon=True)
    process.start()
    sender.close()
    missing: list[float | None] = [None] * len(_ANGLES)
    try:
        found = receiver.recv() if receiver.poll(limit + 10) else (limit, missing)  # 10 s for imports and values
    except EOFError:  # it failed
        found = (float("nan"), missing)
    process.kill()
    process.join()
    return found if not found[0] > limit else (limit, missing)


def measure(limit: float = 60.0) -> dict[str, float]:
    """Seconds of each method for each expression, and whether it found the right value (1) or not (0)."""
    jobs = [(text, method) for text in EXPRESSIONS for method in ("engine", "sympy.stats", "sympy.integrate")]
    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(jobs, pool.map(lambda job: _timed(job[1], job[0], limit), jobs), strict=True))
    figures: dict[str, float] = {}
    right = dict.fromkeys(("engine", "sympy.stats", "sympy.integrate"), 0)
    for (text, method), (seconds, values) in results.items():
        known = results[text, "engine"][1]
        good = all(a is not None and b is not None and abs(a - b) < 1e-9 for a, b in zip(values, known, strict=True))
        right[method] += good
        figures[f"{text} by {method}, seconds"] = seconds if seconds == seconds else -1.0
        figures[f"{text} by {method}, right"] = float(good)
    for method, count in right.items():
        figures[f"right by {method} of {len(EXPRESSIONS)}"] = float(count)
    return figures


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    publish(measure, "Gaussian expectations derived by the engine, sympy.stats and sympy.integrate, 60 s each.", argv)


if __name__ == "__main__":
    main(sys.argv[1:])
