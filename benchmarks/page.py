"""`docs/benchmarks.md`, written from the figures that the benchmarks left as JSON: the last step of `make bench`."""

from __future__ import annotations

import datetime
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["main", "page"]

_ROOT = Path(__file__).parents[1]


def _figure(value: float) -> str:
    """Two digits, or all of an integer's."""
    return f"{float(f'{value:.2g}'):,.10g}" if value >= 1e-3 else f"{value:.1e}"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _determinants(figures: Mapping[str, float]) -> str:
    ours = figures["minimum_determinant, seconds"]
    rows = [
        [name, _figure(figures[key]), _figure(figures[key] / ours)]
        for name, key in (
            ("`ARC_COSINE.minimum_determinant`", "minimum_determinant, seconds"),
            ("`numpy.linalg.det` on stacked matrices", "numpy.linalg.det on stacked matrices, seconds"),
            ("a loop over `numpy.linalg.det`", "loop over numpy.linalg.det, seconds"),
        )
    ]
    return (
        "All `det M_i` of 100,000 configurations of nine students, as in Figure 4 of the alignment paper.\n\n"
        + _table(["", "seconds", "times ours"], rows)
    )


def _descent(figures: Mapping[str, float]) -> str:
    ours = figures["descend, seconds"]
    rows = [
        [name, _figure(figures[key]), _figure(figures[key] / ours)]
        for name, key in (
            ("`solvers.descend`", "descend, seconds"),
            ("lean NumPy, all runs as one batch", "lean NumPy on all runs as one batch, seconds"),
            ("lean NumPy, run by run", "lean NumPy loop over runs, seconds"),
        )
    ]
    return "1000 runs of ten students in the plane, 1000 steps of descent on the population loss.\n\n" + _table(
        ["", "seconds", "times ours"], rows
    )


def _training(figures: Mapping[str, float]) -> str:
    rows = []
    for name in ("float32", "float64"):
        share, peak = next((key, value) for key, value in figures.items() if key.startswith(f"{name}: share of peak"))
        speed = re.search(r"\((.*) GFLOP", share)
        rows.append(
            [
                name,
                _figure(figures[f"{name}: train, milliseconds a run-epoch"]),
                f"{peak:.2f} of {speed[1] if speed else '?'} GFLOP/s",
                _figure(figures[f"{name}: torch.nn and torch.optim, milliseconds a run-epoch"]),
                _figure(figures[f"{name}: training ratio"]),
            ]
        )
    return (
        "64 students (100 inputs, 100 nodes, 50 outputs, 16 samples a step) trained at once by `solvers.train`,\n"
        "against `torch.nn` with `torch.optim` one by one on one thread, the samples in memory; milliseconds for one\n"
        "run's epoch of 10,000 samples.\n\n"
        + _table(["precision", "`train`", "share of peak", "torch.nn and torch.optim", "times ours"], rows)
    )


def _kernels(figures: Mapping[str, float]) -> str:
    cases = [key.removesuffix(": tangent, milliseconds") for key in figures if key.endswith(": tangent, milliseconds")]
    rows = []
    for case in cases:
        n, depth = re.findall(r"\d+", case)
        other = figures.get(f"{case}: neural-tangents, milliseconds")
        ratio = figures.get(f"{case}: tangent / neural-tangents")
        rows.append(
            [
                n,
                depth,
                _figure(figures[f"{case}: tangent, milliseconds"]),
                "not installed" if other is None else _figure(other),
                "" if ratio is None else f"{ratio:.2f}",
            ]
        )
    images = [
        f"{name.removesuffix(': seconds').removeprefix('convolutional_resnet, ')} in {_figure(value)} s"
        for name, value in figures.items()
        if name.startswith("convolutional_resnet")
    ]
    raw = [
        f"{name.removesuffix(': seconds of gram and tangent')} in {_figure(value)} s"
        for name, value in figures.items()
        if name.endswith(": seconds of gram and tangent")
    ]
    return (
        "The ReLU tangent kernel (100 inputs, float64) against neural-tangents 0.6.5 jitted, in an environment of its\n"
        "own with the JAX it needs; milliseconds, medians of calls that alternate. Ratio: our time over theirs.\n\n"
        + _table(["n", "hidden layers", "`tangent`", "neural-tangents", "ratio"], rows)
        + f"\n\n`gram` of a convolutional residual network:\n{'; '.join(images)}."
        + f"\n\n`gram` and `tangent` together:\n{'; '.join(raw)}."
    )


def _posterior(figures: Mapping[str, float]) -> str:
    rows = []
    for name in ("posterior", "trained_ensemble"):
        differences = [value for key, value in figures.items() if key.startswith(f"{name}: largest difference")]
        rows.append(
            [
                f"`{name}`",
                _figure(figures[f"{name}: milliseconds"]),
                _figure(figures[f"{name}: neural-tangents, milliseconds"]),
                f"{figures[f'{name}: ratio']:.2f}",
                f"{max(differences):.0e}",
            ]
        )
    return (
        "Mean and covariance at 200 digits from 500 (ten outputs, three hidden ReLU layers, float64, noise 0.1),\n"
        "kernels included, against neural-tangents 0.6.5 jitted; milliseconds, medians of calls that alternate.\n"
        "Ratio: our time over theirs. Difference: the largest, relative to the largest entry.\n\n"
        + _table(["", "`solvers.regression`", "neural-tangents", "ratio", "difference"], rows)
    )


def _failure(told: str) -> str:
    """The limit that a cell went over, "not run", or the kind of exception."""
    told = told.removeprefix("over the limit: ")
    raised = re.match(r"[\w.]*?(\w+):", told)
    return told if raised is None else raised[1]


def _min_norm(figures: Mapping[str, Any]) -> str:
    cells = figures["cells"]
    parts = []
    for labels in dict.fromkeys(cell["labels"] for cell in cells):
        mine = [cell for cell in cells if cell["labels"] == labels]
        methods = list(dict.fromkeys(cell["method"] for cell in mine))
        rows = []
        for count in dict.fromkeys(cell["N"] for cell in mine):
            row = [f"{count:,}"]
            for method in methods:
                cell = next(cell for cell in mine if (cell["N"], cell["method"]) == (count, method))
                if "seconds" not in cell:
                    row.append(_failure(cell["failed"]))
                    continue
                missed = "" if cell["interpolates"] else f" (residual {cell['residual']:.0e})"
                row.append(_figure(cell["seconds"]) + missed)
            rows.append(row)
        parts.append(f"Seconds with {labels} labels:\n\n" + _table(["N", *methods], rows))
    limits = f"{figures['limit, seconds']:g} s and {figures['limit, bytes'] / 2**30:g} GiB"
    return (
        f"The minimum-norm interpolant in the plane, each cell within {limits}; a limit in a cell's place is the one\n"
        "it went over, and larger ones are then not run. A residual is named where the answer does not interpolate;\n"
        "`NotCertified`: refused, as the gap asked for was not met.\n\n" + "\n\n".join(parts)
    )


def _derivation(figures: Mapping[str, float]) -> str:
    cells: dict[str, dict[str, str]] = {}
    for key, value in figures.items():
        if match := re.fullmatch(r"(.*) by (.*), seconds, (.*)", key):
            expression, method, outcome = match.groups()
            told = {"right": _figure(value), "over the limit": f"over {value:g}"}
            said = told.get(outcome, f"{outcome} ({_figure(value)})")
            cells.setdefault(expression, {})[method] = said
    methods = list(next(iter(cells.values())))
    return (
        "Twelve Gaussian expectations derived by the engine, by `sympy.stats.E` and by plain `sympy.integrate`, each\n"
        'in a process of its own; seconds where the result is right. "Unevaluated": it still has an integral in it.\n\n'
        + _table(["expression", *methods], ([f"`{name}`", *(row[m] for m in methods)] for name, row in cells.items()))
    )


_SECTIONS = {
    "determinants": _determinants,
    "descent": _descent,
    "training": _training,
    "kernels": _kernels,
    "posterior": _posterior,
    "min_norm": _min_norm,
    "derivation": _derivation,
}


def page(results: Path, written: str, cores: int) -> str:
    """The page. results: the folder of the JSON files."""
    sections = [
        "# Benchmarks\n\n"
        "Written by `make bench`, which runs all of them. Each compares with what one would write or install\n"
        "otherwise, within one run: ratios carry over to other machines better than seconds do.\n"
        f"These figures: {written}, {cores} cores."
    ]
    for name, told in _SECTIONS.items():
        figures = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
        sections.append(f"## `python -m benchmarks.{name}`\n\n{told(figures)}")
    return "\n\n".join(sections) + "\n"


def main(argv: list[str]) -> None:
    """Write the page. argv: the folder of the JSON files."""
    text = page(Path(argv[0]), datetime.date.today().strftime("%B %Y"), os.cpu_count() or 1)
    (_ROOT / "docs" / "benchmarks.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
