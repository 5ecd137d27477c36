"""Checkpoints of `train`: a folder with what was asked for, the finished blocks, and the state of the one at work.
NumPy files, never pickles."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ...files import replace_file
from .inputs import InputLaw, Purpose, drawn, stream

__all__ = ["Checkpoint", "digest", "law_fingerprint", "told"]


def digest(arrays: Iterable[Any]) -> str:
    """A fingerprint of the values, shapes and types of arrays or tensors."""
    found = hashlib.sha256()
    for array in arrays:
        value = np.ascontiguousarray(array.detach().cpu().numpy() if hasattr(array, "detach") else array)
        found.update(f"{value.dtype}{value.shape}".encode())
        found.update(value.data)
    return found.hexdigest()[:32]


def law_fingerprint(law: InputLaw) -> str:
    """The law's class and dimension, and a digest of some draws."""
    few = digest([drawn(law, stream(0, Purpose.TRAINING), 64)])
    return f"{type(law).__module__}.{type(law).__qualname__} {law.dimension} {few}"


def told(measure: Any) -> str:
    """A function by name, with the arguments of a partial one."""
    if isinstance(measure, functools.partial):
        return f"{told(measure.func)}{measure.args}{sorted(measure.keywords.items())}"
    return getattr(measure, "__qualname__", type(measure).__qualname__)


class Checkpoint:
    """The folder of one call of `train`. asked: what the call is, by name, as JSON values; a folder of another call
    is a `ValueError`."""

    def __init__(self, folder: Path, asked: dict[str, Any]) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"checkpoint {folder} is no folder that can be written: {error}") from None
        record = folder / "asked.json"
        if record.exists():
            try:
                found = dict(json.loads(record.read_text(encoding="utf-8")))
            except (ValueError, TypeError):
                raise ValueError(f"{record} is damaged; remove the folder, or pass another") from None
            differ = [name for name in asked if found.get(name) != asked[name]]
            if differ:
                raise ValueError(
                    f"checkpoint {folder} is of a call with other {', '.join(differ)}; pass or make another"
                )
        else:
            replace_file(record, lambda file: file.write((json.dumps(asked, indent=1) + "\n").encode()))

    def finished(self, number: int) -> dict[str, np.ndarray] | None:
        """The outcome of a block that has been trained to the end, if it has."""
        return self._read(self.folder / f"block-{number:04d}.npz")

    def running(self, number: int) -> dict[str, np.ndarray] | None:
        """The last saved state of a block, if there is one."""
        return self._read(self.folder / f"running-{number:04d}.npz")

    def save_running(self, number: int, arrays: dict[str, np.ndarray]) -> None:
        """Write the state of a block, in place of an earlier one, in one move."""
        replace_file(self.folder / f"running-{number:04d}.npz", lambda file: _write(file, arrays))

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
