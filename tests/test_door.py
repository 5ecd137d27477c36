"""The door: public names are there after a plain import, and nothing is loaded before it is used."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ["alignmath", "solvers"]
HEAVY = ["torch", "scipy", "sympy", "cvxpy", "matplotlib", "flint", "highspy", "sklearn", "PIL", "tqdm"]


def names_for_type_checkers(package: str) -> dict[str, str]:
    """Each name imported under `TYPE_CHECKING`, and the module it comes from."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    assert isinstance(block.test, ast.Name)
    assert block.test.id == "TYPE_CHECKING"
    names = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        assert node.level == 1
        for alias in node.names:
            assert alias.asname == alias.name, "the doubled name makes it public to type checkers"
            names[alias.name] = node.module or ""
    return names


def in_a_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_the_names_that_are_there(package):
    module = importlib.import_module(package)
    seen = names_for_type_checkers(package)
    assert sorted(seen) == sorted(module.__all__)
    for name, home in seen.items():
        source = importlib.import_module(f"{package}.{home}" if home else f"{package}.{name}")
        assert getattr(module, name) is (getattr(source, name) if home else source), name
        assert not home or name in source.__all__


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_loads_no_heavy_library(package):
    assert in_a_new_process(f"import {package}, sys; print([m for m in {HEAVY} if m in sys.modules])") == "[]"


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_loads_no_module_of_ours_but_the_door(package):
    code = f"import {package}, sys, json; print(json.dumps([m for m in sys.modules if m.split('.')[0] in {PACKAGES}]))"
    assert set(json.loads(in_a_new_process(code))) <= {*PACKAGES, "alignmath.door"}


@pytest.mark.parametrize("package", PACKAGES)
def test_asking_for_every_public_name_loads_no_heavy_library(package):
    code = f"import {package}, sys; [getattr({package}, n) for n in {package}.__all__]; print([m for m in {HEAVY} if m in sys.modules])"
    assert in_a_new_process(code) == "[]"


@pytest.mark.parametrize("package", PACKAGES)
def test_dir_lists_what_is_public(package):
    listed = dir(importlib.import_module(package))
    assert set(importlib.import_module(package).__all__) <= set(listed)
    assert not [name for name in listed if name.startswith("_") and not name.startswith("__")]


@pytest.mark.parametrize(
    ("package", "name", "close"), [("solvers", "mim_norm", "min_norm"), ("alignmath", "kernel", "kernels")]
)
def test_an_unknown_name_is_an_attribute_error_with_a_close_one(package, name, close):
    with pytest.raises(AttributeError, match=rf"has no attribute '{name}'; did you mean .*{close}"):
        getattr(importlib.import_module(package), name)


def test_a_name_close_to_none_gets_no_hint():
    import alignmath

    with pytest.raises(AttributeError, match=r"has no attribute 'quaternions'$"):
        alignmath.quaternions  # noqa: B018


def test_the_three_packages_have_one_version():
    import alignmath
    import proofs
    import solvers

    assert alignmath.__version__ == solvers.__version__ == proofs.__version__
    for package in ("alignmath", "solvers", "proofs"):
        tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
        values = [
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "__version__"
        ]
        assert len(values) == 1
        assert isinstance(values[0], ast.Constant), "setuptools reads it without importing the package"
