"""What every command of the project does with its terminal: entry points run through here.

Output that an encoding lacks becomes escapes; a reader that stops early (`| head -1`), and a closed stdout, end a
command quietly; Ctrl-C ends it with status 130 and no traceback, while modules are loaded too, for which reason this
one imports next to nothing.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from pathlib import Path

__all__ = ["alignmath", "require_writable", "run"]

INTERRUPTED, NO_READER = 130, 141
"""Exit statuses, 128 and the number of the signal, as of a shell."""


def run(module: str, function: str = "main") -> int:
    """Call the function of that module, which returns the exit status of a command; returns the status to exit with."""
    try:
        _prepare()
        status = getattr(__import__(module, fromlist=[function]), function)()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what Python flushes at its end
        return NO_READER
    return status or 0


def _prepare() -> None:
    """Streams that can be written to, whatever the text."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed when Python started
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        if hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="backslashreplace")


def alignmath() -> int:
    """The command `alignmath`."""
    return run("proofs.command")


def require_writable(parser: argparse.ArgumentParser, path: Path | None, option: str) -> None:
    """End with status 2, before any work is done, if the file cannot be written; folders on the way are made."""
    if path is None:
        return
    there = path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    except OSError as error:
        parser.error(f"{option} {path} cannot be written: {error.strerror}")
    if not there:
        path.unlink()
