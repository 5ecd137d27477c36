"""How every benchmark prints: one `figure: value` a line, and the same as one JSON object."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from proofs.terminal import require_writable

__all__ = ["publish"]


def publish(measure: Callable[[], Mapping[str, float]], description: str, argv: list[str] | None) -> None:
    """Parse `--json FILE`, measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as one JSON object")
    options = parser.parse_args(argv)
    require_writable(parser, options.json, "--json")
    figures = {name: float(f"{value:.6g}") for name, value in measure().items()}
    for name, value in figures.items():
        print(f"{name}: {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
