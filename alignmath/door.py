"""The door of a package: its public names, each loaded from its module when it is first asked for (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["open_door"]


def open_door(
    package: str, homes: Mapping[str, Sequence[str]], modules: Sequence[str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of `package`, which loads nothing until a name of it is asked for.

    homes: the public names of each submodule (its dotted name within the package) that are names of the package too.
    modules: the submodules that are. A package lists both a second time as imports under `TYPE_CHECKING`, which is
    what type checkers read; tests/test_door.py compares.

    >>> import alignmath
    >>> alignmath.TwoLayer is alignmath.networks.TwoLayer
    True
    >>> alignmath.popluation
    Traceback (most recent call last):
        ...
    AttributeError: module 'alignmath' has no attribute 'popluation'; did you mean population?
    """
    home = {name: module for module, names in homes.items() for name in names}
    public = sorted([*home, *modules])

    def load(name: str) -> Any:
        if name in home:
            value = getattr(importlib.import_module(f"{package}.{home[name]}"), name)
            setattr(sys.modules[package], name, value)  # next time it is found without coming here
            return value
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        import difflib

        close = [] if name.startswith("__") else difflib.get_close_matches(name, public, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise AttributeError(f"module {package!r} has no attribute {name!r}{hint}", name=name)

    def names() -> list[str]:
        return sorted({*public, *(name for name in vars(sys.modules[package]) if name.startswith("__"))})

    return load, names, public
