"""Minimum-norm interpolation in the plane, N = 40 to 100,000: `min_norm` against the convex lifting by Clarabel, by
SCS, and with N inequalities for each pattern, as a direct transcription has it.

Inputs are uniform on the circle. Labels: of a teacher (three neurons at 120 degrees), random (Gaussian), noisy (the
teacher's plus noise of 1e-2), and perturbed (the teacher's, one moved by 1e-6, timed in turn with the teacher's).

Each cell of the tables is a process of its own, killed after 60 s in all, with 2 GB of address space beyond what
imports and a first solve of 20 samples take. Seconds are of the solve alone, the median of up to five within a second.
Every answer is measured in the same way from its network and multipliers: upper bound `2 sum_j |a_j| |b_j|`, lower
bound `2 y . lambda / max |p|` with the exact maximum, gap the relative difference, and the largest `|f(x_i) - y_i|`.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from alignmath.networks import TwoLayer, regular_polygon
from alignmath.plane.dual import dual_peak
from alignmath.plane.folding import EXTENDED
from alignmath.plane.kinks import evaluate
from proofs.terminal import require_writable
from solvers.interpolation.lifting import lifted
from solvers.interpolation.minimum_norm import min_norm

__all__ = ["answer", "assess", "main", "measure", "samples"]

COUNTS = (40, 100, 200, 400, 1000, 10_000, 100_000)
LABELS = {
    "teacher": ("ours", "CLARABEL", "SCS", "naive"),
    "random": ("ours", "CLARABEL", "SCS", "naive"),
    "noisy": ("ours",),
    "perturbed": ("ours",),
}
"""The labels, and the methods that each are given to."""
_TITLES = {"ours": "min_norm", "CLARABEL": "lifting, Clarabel", "SCS": "lifting, SCS", "naive": "naive, Clarabel"}
_NOISE, _MOVE, _SEED, _WARM_UP = 1e-2, 1e-6, 52, 20
_GIGABYTES = 2
_MEMORY = _GIGABYTES * 2**30
_INTERPOLATES = 1e-6
"""Relative to the largest label; beyond it, and what rounding makes of it, an answer has no gap."""
_OVER = "over the limit"


def samples(kind: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs `(count, 2)` on the unit circle, the same for every kind, and labels `(count,)`."""
    rng = np.random.default_rng([_SEED, count])
    angles, noise = rng.uniform(0, 2 * np.pi, count), rng.standard_normal(count)
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if kind == "random":
        return x, noise
    y = evaluate(regular_polygon(3), x)
    if kind == "noisy":
        return x, y + _NOISE * noise
    if kind == "perturbed":
        y[count // 2] += _MOVE
    return x, y


def answer(method: str, x: np.ndarray, y: np.ndarray) -> tuple[TwoLayer, np.ndarray]:
    """The network and the multipliers that a method finds."""
    if method == "ours":
        solution = min_norm(x, y, tolerance=1e-6 if len(x) >= 100_000 else 1e-8)
        return solution.network, solution.dual
    naive = method == "naive"
    lift = lifted(x, y, solver="CLARABEL" if naive else method, naive=naive)
    return TwoLayer(lift.vectors, lift.signs), lift.multipliers


def assess(x: np.ndarray, y: np.ndarray, network: TwoLayer, multipliers: np.ndarray) -> dict[str, float | bool]:
    """Bounds of the least squared norm, their gap, the residual, and whether it is so small that the gap is one."""
    cost = float(np.sum(np.abs(network.output) * network.lengths))
    dual = multipliers.astype(EXTENDED)
    lower = 2 * float(np.sum(y.astype(EXTENDED) * dual)) / dual_peak(x, dual).value
    residual = float(np.abs(evaluate(network, x) - y).max())
    allowed = _INTERPOLATES * float(np.abs(y).max()) + 100 * float(np.finfo(float).eps) * cost
    return {
        "upper bound": 2 * cost,
        "lower bound": lower,
        "gap": (2 * cost - lower) / abs(lower),
        "residual": residual,
        "interpolates": residual <= allowed,
    }


def _cell(kind: str, method: str, count: int) -> dict[str, Any]:
    """One cell, in its own process."""
    answer(method, *samples(kind, _WARM_UP))  # imports what is imported on use
    _limit_memory()
    x, y = samples(kind, count)
    without = samples("teacher", count)[1]
    seconds: list[float] = []
    teacher: list[float] = []
    result: dict[str, Any] = {}
    while len(seconds) < 5 and sum(seconds) < 1:
        begun = time.perf_counter()
        network, multipliers = answer(method, x, y)
        seconds.append(time.perf_counter() - begun)
        if kind == "perturbed":
            begun = time.perf_counter()
            answer(method, x, without)
            teacher.append(time.perf_counter() - begun)
        result = result or assess(x, y, network, multipliers)
    result["seconds"] = statistics.median(seconds)
    if teacher:
        result["teacher seconds"] = statistics.median(teacher)
        result["ratio to teacher"] = result["seconds"] / result["teacher seconds"]
    return result


def _limit_memory() -> None:
    """Let this process take `_MEMORY` more address space than now; where there is no `/proc`, time alone is limited."""
    usage = Path("/proc/self/statm")
    if usage.exists():
        import resource

        taken = int(usage.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + _MEMORY, taken + _MEMORY))


def _run(kind: str, method: str, count: int, limit: float) -> dict[str, Any]:
    """The cell's figures, or "failed" and why."""
    command = [sys.executable, "-m", "benchmarks.min_norm", "--cell", kind, method, str(count)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, cwd=Path(__file__).parents[1])
    except subprocess.TimeoutExpired:  # the process has been killed
        return {"failed": f"{_OVER}: {limit:g} s"}
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    last = (done.stderr.strip().splitlines() or [""])[-1]
    if "MemoryError" in done.stderr or "memory allocation" in done.stderr or "bad_alloc" in done.stderr:
        return {"failed": f"{_OVER}: {_GIGABYTES} GB"}
    if done.returncode < 0:
        last = f"{signal.Signals(-done.returncode).name} {last}"
    return {"failed": last}


def measure(counts: tuple[int, ...], limit: float, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Every cell; `tell` is given each line of the tables as it is known. Ratios are to ours on the same samples."""
    cells: list[dict[str, Any]] = []
    for kind, methods in LABELS.items():
        extra = "; ratio to the teacher's time" if kind == "perturbed" else ""
        tell(f"\n{kind} labels: seconds{', times ours' if len(methods) > 1 else ''}, gap, residual{extra}")
        tell("       N  " + "".join(f"{_TITLES[method]:<{_width(method)}}" for method in methods).rstrip())
        over: set[str] = set()
        for count in counts:
            line, ours = f"{count:>8}  ", None
            for method in methods:
                skipped: dict[str, Any] = {"failed": f"{_OVER}: not run"}
                figures = skipped if method in over else _run(kind, method, count, limit)
                if figures.get("failed", "").startswith(_OVER):
                    over.add(method)
                if method == "ours":
                    ours = figures.get("seconds")
                elif ours and "seconds" in figures:
                    figures["times ours"] = figures["seconds"] / ours
                cells.append({"labels": kind, "N": count, "method": _TITLES[method], **figures})
                line += f"{_shown(figures):<{_width(method)}}"
            tell(line.rstrip())
    return cells


def _width(method: str) -> int:
    return 27 if method == "ours" else 34


def _shown(figures: dict[str, Any]) -> str:
    if "failed" in figures:
        return figures["failed"][:31]
    gap = f"{figures['gap']:.1e}" if figures["interpolates"] else f"({figures['gap']:.1e})"
    factor = figures.get("times ours")
    times = f"{factor:5.{0 if factor >= 10 else 1}f}x " if factor else ""
    ratio = f"  {figures['ratio to teacher']:.2f}" if "ratio to teacher" in figures else ""
    return f"{figures['seconds']:7.3f} {times}{gap:>10}  {figures['residual']:.0e}{ratio}"


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Minimum-norm interpolation against the lifting in cvxpy.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as one JSON object")
    parser.add_argument("--quick", action="store_true", help="stop at N = 400, with 10 s for each cell")
    parser.add_argument("--cell", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.cell:
        kind, method, count = options.cell
        print(json.dumps(_cell(kind, method, int(count))))
        return
    require_writable(parser, options.json, "--json")
    begun = time.perf_counter()
    limit = 10.0 if options.quick else 60.0
    counts = tuple(count for count in COUNTS if count <= 400) if options.quick else COUNTS
    cells = measure(counts, limit, lambda line: print(line, flush=True))
    seconds = time.perf_counter() - begun
    print(
        f"\n{_OVER}: more than {limit:g} s or {_GIGABYTES} GB, or not run as fewer samples were over.\n"
        f"A gap in brackets is none: the residual is above {_INTERPOLATES:g} of the largest label, no interpolation.\n"
        f"Other gaps may be negative, as an answer interpolates only up to its residual. In all {seconds:.0f} s."
    )
    if options.json:
        figures = {"limit, seconds": limit, "limit, bytes": _MEMORY, "seconds in all": seconds, "cells": cells}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
