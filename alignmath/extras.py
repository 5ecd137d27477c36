"""Libraries that come with an extra of the installation, loaded where they are used."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["needs"]

_DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn"}
"""What pip calls a library, where Python calls it something else."""


def needs(module: str, extra: str) -> ModuleType:
    """The module of that name, imported; call it ahead of a lazy import of a library that the core does without.

    module: the name to import, "matplotlib" or "matplotlib.pyplot". extra: the extra of this project which brings it.
    Raises `ImportError` that names the extra if the library is not installed; an error inside an installed library
    passes unchanged.

    >>> needs("numpy", "torch").__name__
    'numpy'
    >>> needs("no_such_library", "torch")
    Traceback (most recent call last):
        ...
    ImportError: this needs no_such_library, which is not installed: pip install "alignmath[torch]"
    """
    library = module.partition(".")[0]
    try:
        importlib.import_module(library)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        name = _DISTRIBUTIONS.get(library, library)
        message = f'this needs {name}, which is not installed: pip install "alignmath[{extra}]"'
        raise ImportError(message, name=library) from None
    return importlib.import_module(module)
