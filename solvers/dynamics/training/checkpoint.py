"""Checkpoints of `train`: a folder with what was asked for, the finished blocks, and the state of the one at work, that
of its optimiser included. NumPy files, never pickles, each with a checksum of its content, its block and its call."""

from __future__ import annotations

import functools
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignmath.arrays import as_number

from ...files import digest, replace_file
from .laws import InputLaw, Purpose, draw, stream

if TYPE_CHECKING:
    from .block import State

__all__ = ["Checkpoint", "Folder", "law_fingerprint", "named"]


_SEAL = "checksum"


@dataclass(frozen=True)
class Checkpoint:
    """Where `train` keeps what is finished and, now and then, the state of the rest.

    - folder: made if it does not exist.
    - every: seconds between two savings of the state.

    Called again with the same arguments, `train` goes on from there, to the same result, to the bit. (A law counts as
    the same if it draws the same; a measure, if its name and its function's name are the same.) A folder of a call with
    other arguments, another optimiser's too, is refused, and so are damaged files and those of other blocks and calls,
    by name. Raises `ValueError` for a number of seconds below 0.

    >>> Checkpoint("runs", every=600).every
    600
    """

    folder: str | Path
    every: float = 60.0

    def __post_init__(self) -> None:
        as_number(self.every, "every")
        if not isinstance(self.folder, str | Path) or self.folder == "":
            raise ValueError(
                f"folder is {self.folder!r}; expected the path of a folder, '.' for that where Python runs"
            )


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
        self._call = json.dumps(asked, sort_keys=True)
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
        return self._read(f"block-{number:04d}.npz")

    def running(self, number: int) -> dict[str, np.ndarray] | None:
        """The last saved state of a block, if there is one."""
        return self._read(f"running-{number:04d}.npz")

    def save_running(self, number: int, state: State) -> None:
        """Write the state of a block, in place of an earlier one, in one move; not before its time has come."""
        if time.perf_counter() - self._saved > self._every:
            self._write(f"running-{number:04d}.npz", state.arrays())
            self._saved = time.perf_counter()

    def save_finished(self, number: int, arrays: dict[str, np.ndarray]) -> None:
        """Write the outcome of a block."""
        self._write(f"block-{number:04d}.npz", arrays)
        (self.folder / f"running-{number:04d}.npz").unlink(missing_ok=True)

    def _write(self, name: str, arrays: dict[str, Any]) -> None:
        held: dict[str, Any] = {**arrays, _SEAL: np.array(self._seal(name, arrays))}
        replace_file(self.folder / name, lambda file: np.savez(file, **held))

    def _read(self, name: str) -> dict[str, np.ndarray] | None:
        path = self.folder / name
        if not path.exists():
            return None
        cure = f"delete {path}, and its runs are trained again"
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = dict(stored)
            seal = str(arrays.pop(_SEAL))
        except Exception as error:  # zip, zlib and NumPy have errors of their own
            raise ValueError(f"{path} is damaged, or no checkpoint ({error!r}); {cure}") from None
        if seal != self._seal(name, arrays):
            raise ValueError(f"{path} is damaged, or of another block or call, by its checksum; {cure}")
        return arrays

    def _seal(self, name: str, arrays: dict[str, Any]) -> str:
        """A checksum of what a file of that name holds in this call."""
        named = sorted(arrays.items())
        text = json.dumps([self._call, name, [key for key, _ in named]])
        return digest([np.frombuffer(text.encode(), dtype=np.uint8), *(array for _, array in named)])
