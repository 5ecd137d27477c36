"""Full runs that are kept: what a check found at full effort, in `proofs/kept/`, shown beside the coarse check of the quick ledger.

`python -m proofs.engine.kept NAME...` runs the checks at full effort, seeds fixed as in every check, and keeps what they found with the
date, the command, and digests of all sources that decide it. When one of these changes (more than its comments and docstrings), the record is stale,
and the ledger says so.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import hashlib
import importlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .claims import Effort

__all__ = ["FOLDER", "Kept", "kept_run", "main", "sources_of"]

FOLDER = Path(__file__).parent.parent / "kept"
ROOT = Path(__file__).parent.parent.parent
_ROOMS = ("alignmath", "solvers", "proofs")


@dataclass(frozen=True)
class Kept:
    """A full run. row: the claim's row, as in `--json`. sources: by file, the digest of its bytes and of what Python reads in it."""

    command: str
    date: str
    row: dict[str, object]
    sources: dict[str, list[str]]

    @property
    def changed(self) -> list[str]:
        """The sources that are no longer what they were: the record is stale if there are any."""
        return [name for name, digests in self.sources.items() if not _as_before(ROOT / name, *digests)]

    @property
    def text(self) -> str:
        """What the ledger shows of it."""
        changed = self.changed
        stale = f"; STALE, changed since: {', '.join(changed[:3])}{' ...' * (len(changed) > 3)}" if changed else ""
        return f"in full: {self.row['evidence']} ({self.command}, {self.date}, {self.row['seconds']:.0f} s{stale})"


def kept_run(name: str) -> Kept | None:
    """The full run of the claim of this name, None if none is kept."""
    path = FOLDER / f"{name}.json"
    return Kept(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def sources_of(module: str) -> list[Path]:
    """The files of this project that decide what a module computes: its own, and all that it imports, directly or not."""
    seen: dict[str, Path] = {}
    left = [module]
    while left:
        name = left.pop()
        path = _file_of(name)
        if name in seen or path is None:
            continue
        seen[name] = path
        left += _imported(name, path)
    return sorted(seen.values())


def _file_of(module: str) -> Path | None:
    place = ROOT.joinpath(*module.split("."))
    if module.split(".")[0] not in _ROOMS:
        return None
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.exists():
            return path
    return None


def _imported(module: str, path: Path) -> Iterator[str]:
    """The modules of this project that a module names in its imports, within functions too, those for type checkers left out."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield source
            for alias in node.names:
                if _file_of(f"{source}.{alias.name}"):
                    yield f"{source}.{alias.name}"
                elif source in _ROOMS:  # a name behind the door
                    yield getattr(getattr(importlib.import_module(source), alias.name), "__module__", source)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _nodes(node)


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@cache
def _meaning(path: Path) -> str:
    """A digest of what Python reads in the file: without comments, layout and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)] or [ast.Pass()]  # pyright: ignore[reportAttributeAccessIssue]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _as_before(path: Path, digest: str, meaning: str) -> bool:
    return path.exists() and (_digest(path) == digest or _meaning(path) == meaning)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    from . import index, ledger
    from .rows import Row, as_json, row_text

    parser = argparse.ArgumentParser(
        prog="python -m proofs.engine.kept", description="Run checks at full effort, and keep what they find."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="claims, shell patterns allowed (default: stale ones)")
    options = parser.parse_args(argv)
    every = index.entries()
    if options.names:
        chosen = ledger.select(options.names, every)
    else:
        chosen = [entry for entry in every if (kept := kept_run(entry.name)) and kept.changed]
    FOLDER.mkdir(exist_ok=True)
    failed = []
    for entry in chosen:
        files = {str(path.relative_to(ROOT)): [_digest(path), _meaning(path)] for path in sources_of(entry.module)}
        begun = time.perf_counter()
        outcome, error = ledger.checked(entry, Effort.FULL)
        row = Row(entry, outcome, time.perf_counter() - begun, error)
        print(row_text(row), flush=True)
        if not row.as_expected:
            failed.append(entry.name)
            continue
        record = {
            "command": f"python -m proofs.engine.kept {entry.name}",
            "date": datetime.date.today().isoformat(),
            "row": as_json(row),
            "sources": files,
        }
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        (FOLDER / f"{entry.name}.json").write_text(text, encoding="utf-8")
    if failed:
        print(f"not kept, for they did not come out as expected: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
