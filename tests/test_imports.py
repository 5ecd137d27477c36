"""The layout: imports go one way, every module says what it holds. (What is loaded when: test_door.py.)"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ["alignmath", "solvers", "proofs", "examples"]
"""Each room may import those before it, and itself."""


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found & set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_before_it(room):
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        assert imported_rooms(path) <= allowed, path


def test_claim_types_import_nothing_of_ours():
    source = (ROOT / "proofs" / "engine" / "claims.py").read_text(encoding="utf-8")
    assert not imported_rooms(ROOT / "proofs" / "engine" / "claims.py")
    assert "from ." not in source


def test_every_module_has_a_docstring_and_public_names():
    for room in ROOMS[:3]:
        for path in (ROOT / room).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            assert ast.get_docstring(tree), path
            for node in tree.body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                    assert ast.get_docstring(node), f"{path}: {node.name}"


def test_no_file_names_a_machine_path():
    folders = [*ROOMS, "tests", "benchmarks", "docs", ".ci"]
    files = [path for folder in folders for path in (ROOT / folder).rglob("*")] + list(ROOT.glob("*"))
    texts = [path for path in files if path.is_file() and path.suffix not in {".pyc", ".png", ".npz", ".json"}]
    texts = [path for path in texts if path.name != ".git"]  # a file in a linked working tree
    assert len(texts) > 50
    for path in texts:
        text = path.read_text(encoding="utf-8")
        for word in ("/" + "work/", "/" + "root/", "/" + "home/", ".." + "/shared"):
            assert word not in text, f"{path} names {word}"
