"""Checkpoints of `train`: a folder with what was asked for, the finished blocks, and the state of the one at work, that
of its optimiser included. NumPy files, never pickles."""

from __future__ import annotations

import functools
import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignmath.arrays import as_number

from ...files import replace_file
from .laws import InputLaw, Purpose, draw, stream

if TYPE_CHECKING:
    from .block import State

__all__ = ["Checkpoint", "Folder", "digest", "law_fingerprint", "named"]


@dataclass(frozen=True)
class Checkpoint:
    """Where `train` keeps what is finished and, now and then, the state of the rest.

    - folder: made if it does not exist.
    - every: seconds between two savings of the state.

    Called again with the same arguments, `train` goes on from there, to the same result, to the bit. (A law counts as
    the same if it draws the same; a measure, if its name and its function's name are the same.) A folder of a call with
    other arguments, another optimiser's too, is refused. Raises `ValueError` for a number of seconds below 0.

    >>> Checkpoint("runs", every=600).every
    600
    """

    folder: str | Path
    every: float = 60.0

    def __post_init__(self) -> None:
        as_number(self.every, "every")
        if not isinstance(self.folder, str | Path):
            raise ValueError(f"folder is {self.folder!r}; expected a path")


def digest(arrays: Iterable[Any]) -> str:
    """A fingerprint of the values, shapes and types of arrays or tensors."""
    hashed = hashlib.sha256()
    for array in arrays:
        value = np.ascontiguousarray(array.detach().cpu().numpy() if hasattr(array, "detach") else array)
        hashed.update(f"{value.dtype}{value.shape}".encode())
        hashed.update(value.data)
    return hashed.hexdigest()[:32]


def law_fingerprint(law: InputLaw) -> str:
    """The law's class and dimension, and a digest of some draws."""
    few = digest([draw(law, stream(0, Purpose.TRAINING), 64)])
    return f"{type(law).__module__}.{type(law).__qualname__} {law.dimension} {few}"


def named(measure: Any) -> str:
    """A function by name, with the arguments of a partial one."""
    if isinstance(measure, functools.partial):
        return f"{named(measure.func)}{measure.args}{sorted(measure.keywords.items())}"
    return getattr(measure, "__qualname__", type(measure).__qualname__)


class Folder:
    """The folder of one call of `train`. asked: what the call is, by name, as JSON values; a folder of another call
    is a `ValueError`."""

    def __init__(self, checkpoint: Checkpoint, asked: dict[str, Any]) -> None:
        self.folder = folder = Path(checkpoint.folder)
        self._every, self._saved = checkpoint.every, time.perf_counter()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"checkpoint {folder} is no folder that can be written: {error}") from None
        record = folder / "asked.json"
        if not record.exists():
            replace_file(record, lambda file: file.write((json.dumps(asked, indent=1) + "\n").encode()))
            return
        try:
            before = dict(json.loads(record.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise ValueError(f"{record} is damaged; remove the folder, or pass another") from None
        differ = [name for name in asked if before.get(name) != asked[name]]
        if differ:
            raise ValueError(f"checkpoint {folder} is of a call with other {', '.join(differ)}; pass or make another")

    def finished(self, number: int) -> dict[str, np.ndarray] | None:
        """The outcome of a block that has been trained to the end, if it has."""
        return self._read(self.folder / f"block-{number:04d}.npz")

    def running(self, number: int) -> dict[str, np.ndarray] | None:
        """The last saved state of a block, if there is one."""
        return self._read(self.folder / f"running-{number:04d}.npz")

    def save_running(self, number: int, state: State) -> None:
        """Write the state of a block, in place of an earlier one, in one move; not before its time has come."""
        if time.perf_counter() - self._saved > self._every:
            arrays = state.arrays()
            replace_file(self.folder / f"running-{number:04d}.npz", lambda file: _write(file, arrays))
            self._saved = time.perf_counter()

    def save_finished(self, number: int, arrays: dict[str, np.ndarray]) -> None:
        """Write the outcome of a block."""
        replace_file(self.folder / f"block-{number:04d}.npz", lambda file: _write(file, arrays))
        (self.folder / f"running-{number:04d}.npz").unlink(missing_ok=True)

    @staticmethod
    def _read(path: Path) -> dict[str, np.ndarray] | None:
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)


def _write(file: Any, arrays: dict[str, Any]) -> None:
    np.savez(file, **arrays)
