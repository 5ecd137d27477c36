"""The public names: one list of them, one vocabulary, one meaning for each name, an example for each.

Public is what `__all__` of the packages in `PUBLIC` names. `python -m tests.test_public_api` rewrites the list.
"""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LISTED = ROOT / "docs" / "public_api.txt"
PUBLIC = [
    *(
        f"alignmath.{name}"
        for name in [
            "activations",
            "angular",
            "architectures",
            "extras",
            "gaussian",
            "kernels",
            "networks",
            "plane",
            "population",
            "specialization",
        ]
    ),
    *(
        f"solvers.{name}"
        for name in [
            "dynamics.descent",
            "dynamics.gradient_flow",
            "dynamics.training",
            "dynamics.wide_networks",
            "files",
            "images",
            "interpolation",
            "landscape",
            "modules",
            "regression",
            "runs",
            "scikit_learn",
            "sweeps",
        ]
    ),
    "proofs.gaussian_integrals",
]
FORBIDDEN = {
    "X": "x",
    "Y": "y or other",
    "inputs": "x",
    "points": "x",
    "target": "teacher or y",
    "targets": "teacher or y",
    "labels": "y",
    "student": "students",
    "step": "learning_rate",
    "step_size": "learning_rate",
    "lr": "learning_rate",
    "iterations": "steps",
    "n_steps": "steps",
    "rng": "seed",
    "random_state": "seed",
    "eps": "tolerance",
    "tol": "tolerance",
    "atol": "tolerance",
    "rtol": "tolerance",
    "verbose": "progress",
}
"""What the vocabulary has other words for."""


def members() -> list[tuple[str, str, object]]:
    """Package, name and object of all public names."""
    found = []
    for package in PUBLIC:
        module = importlib.import_module(package)
        found += [(package, name, getattr(module, name)) for name in sorted(module.__all__)]
    return found


def callables() -> list[tuple[str, str, object]]:
    """The functions and classes among them."""
    return [row for row in members() if inspect.isfunction(row[2]) or inspect.isclass(row[2])]


def signature(value: object) -> str:
    """Names, kinds and defaults of the parameters."""
    if not (inspect.isfunction(value) or inspect.isclass(value)):
        return ""
    try:
        parameters = inspect.signature(value).parameters.values()
    except ValueError:
        return ""
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    text = str(inspect.Signature(plain))
    return re.sub(r"<([\w.]+)[^>]* at 0x\w+>", r"<\1>", text)


def listing() -> str:
    return "".join(f"{package}.{name}{signature(value)}\n" for package, name, value in members())


def test_the_public_names_and_signatures_are_the_listed_ones():
    assert listing() == LISTED.read_text(encoding="utf-8"), "run `python -m tests.test_public_api` if this is meant"


def test_no_public_signature_has_a_word_that_the_vocabulary_replaces():
    wrong = []
    for package, name, value in callables():
        methods = [
            (f"{name}.{key}", method)
            for key, method in (vars(value).items() if inspect.isclass(value) else ())
            if inspect.isfunction(method) and not key.startswith("_")
        ]
        for label, function in [(name, value), *methods]:
            words = set(re.findall(r"\w+(?=[,)=]|$)", signature(function)))
            wrong += [f"{package}.{label}: {word}, say {FORBIDDEN[word]}" for word in sorted(words & FORBIDDEN.keys())]
    assert not wrong, "\n".join(wrong)


def test_no_two_public_functions_or_modules_have_one_name():
    homes: dict[str, set[str]] = {}
    for room in ("alignmath", "solvers"):
        for module in pkgutil.walk_packages([str(ROOT / room)], f"{room}."):
            homes.setdefault(module.name.rpartition(".")[2], set()).add(module.name)
    for _, name, value in callables():
        home = f"{value.__module__}.{name}"
        if home.startswith(("alignmath", "solvers")):
            homes.setdefault(name, set()).add(home)
    papers = {"alignment", "specialization", "min_norm", "wide_networks"}
    twice = {name: sorted(places) for name, places in homes.items() if len(places) > 1 and name not in papers}
    assert not twice


@pytest.mark.parametrize(
    ("package", "name", "value"), callables(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_each_has_a_docstring_with_an_example(package, name, value):
    assert value.__doc__, f"{package}.{name}"
    assert ">>>" in value.__doc__, f"{package}.{name} has no example"


@pytest.mark.parametrize(
    "value",
    [value for _, _, value in callables() if dataclasses.is_dataclass(value) and hasattr(value, "status")]
    + [importlib.import_module("solvers.runs").Training],
    ids=lambda value: value.__name__,
)
def test_results_list_their_fields(value):
    for field in dataclasses.fields(value):
        assert re.search(rf"^\s*- .*\b{field.name}\b.*:", value.__doc__, re.MULTILINE), field.name


def modules() -> list[str]:
    names = ["alignmath", "solvers", "proofs.gaussian_integrals"]
    for package in list(names):
        path = importlib.import_module(package).__path__
        names += [module.name for module in pkgutil.walk_packages(path, f"{package}.")]
    return names


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_run(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert not failed


if __name__ == "__main__":
    LISTED.write_text(listing(), encoding="utf-8")
