"""`python -m examples`: draw every figure, or those whose script names contain one of the words given."""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
import time
from pathlib import Path

from proofs.terminal import run

__all__ = ["main", "scripts"]


def scripts() -> list[str]:
    """Module names of all figure scripts, in order."""
    root = Path(__file__).parent
    return [
        ".".join(("examples", *path.relative_to(root).with_suffix("").parts))
        for path in sorted(root.glob("*/plot_*.py"))
    ]


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m examples", description="Draw the figures.")
    parser.add_argument("words", nargs="*", help="draw only scripts whose names contain one of these")
    parser.add_argument("--out", default="figures", help="folder for the PNG files and the data")
    parser.add_argument("--profile", choices=("quick", "full"), default="full")
    parser.add_argument("--list", action="store_true", help="name the scripts and what they draw; draw nothing")
    options = parser.parse_args(argv)
    chosen = [name for name in scripts() if not options.words or any(word in name for word in options.words)]
    if not chosen:
        parser.error(f"no script's name contains any of {options.words}; there are {', '.join(scripts())}")
    if options.list:
        for name in chosen:
            source = (Path(__file__).parent.parent / Path(*name.split("."))).with_suffix(".py")
            title = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
            print(f"{name.removeprefix('examples.')}\n    {title.splitlines()[0]}")
        return 0
    for name in chosen:
        begun = time.perf_counter()
        importlib.import_module(name).main(["--out", options.out, "--profile", options.profile])
        print(f"    {name}: {time.perf_counter() - begun:.1f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(run("examples.__main__"))
