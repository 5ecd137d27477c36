"""Long work in chunks: in this process or in several, the same results whatever their number, resumed from what was
saved.

A sweep calls a task once for each chunk, with a random stream of its own, keyed by the seed and the chunk's place. What
a chunk gives, arrays by name, goes into a store as soon as it is there: a folder with a record in SQLite (its
write-ahead log keeps it whole when the machine stops) and one `.npz` for each chunk.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj, is_torch_array

from alignmath.arrays import as_generator

from .files import replace_file
from .runs import Run, Status, progress_bar
from .workers import Call, Ending, calls

__all__ = ["ChunkStatus", "Sweep", "SweepInterrupted", "sweep"]

_RECORD = "sweep.sqlite"
_VERSION = 1
Results = dict[str, np.ndarray]
Task = Callable[[Any, np.random.Generator], Mapping[str, Any]]


class ChunkStatus(Status):
    """How a chunk of a sweep ended.

    >>> print(ChunkStatus.WAITING)
    WAITING: Not done when the sweep was interrupted: call it again with the same store.
    """

    FINISHED = 0, "Its results are there: nothing to do."
    RAISED = 1, "The task raised an exception, see `messages`: mend the task or the chunk, and call it again."
    DIED = 2, "Its worker died twice, see `messages`: give each chunk less memory, or run it with workers=None."
    TIMED_OUT = 3, "It took longer than `timeout`: allow more, or make smaller chunks."
    WAITING = 4, "Not done when the sweep was interrupted: call it again with the same store."


_STATUS = {
    Ending.RETURNED: ChunkStatus.FINISHED,
    Ending.RAISED: ChunkStatus.RAISED,
    Ending.DIED: ChunkStatus.DIED,
    Ending.TIMED_OUT: ChunkStatus.TIMED_OUT,
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Sweep(Run):
    """What a sweep of C chunks gave.

    - results: a tuple of C dictionaries, the arrays of each chunk by name; None for one that did not finish.
    - status: `(C,)`, numbers of `ChunkStatus`.
    - messages: a tuple of C texts, why a chunk did not finish; "" for one that did.
    - resumed: int, how many were in the store already.
    - seconds: float, wall time of this call.

    >>> one = Sweep(results=(None,), status=np.array([1]), messages=("no",), resumed=0, seconds=0.1)
    >>> one.finished, ChunkStatus(one.status[0]).name
    (False, 'RAISED')
    """

    results: tuple[Results | None, ...]
    messages: tuple[str, ...]
    resumed: int

    @property
    def finished(self) -> bool:
        """Whether every chunk has its results."""
        return bool(np.all(self.status == ChunkStatus.FINISHED))

    @property
    def advice(self) -> str:
        """What happened and what to do: a line for each status that occurs, with its count and the first message."""
        lines = []
        for status in ChunkStatus:
            which = np.flatnonzero(self.status == status)
            first = f" First, chunk {which[0]}: {self.messages[which[0]]}" if len(which) and status else ""
            lines += [f"{len(which)} of {len(self.results)} {status}{first}"] if len(which) else []
        return "\n".join(lines)

    def stacked(self, name: str) -> np.ndarray:
        """The arrays `name` of all chunks, `(C, ...)`.

        Raises `RuntimeError` if a chunk did not finish, `ValueError` for names or shapes that the chunks do not share.
        """
        if not self.finished:
            raise RuntimeError(f"the sweep is not finished: {self.advice}")
        for place, result in enumerate(self.results):
            if result is None or name not in result:
                raise ValueError(f"name is {name!r}; chunk {place} has {', '.join(result or {})}")
        try:
            return np.stack([result[name] for result in self.results if result is not None])
        except ValueError as error:
            raise ValueError(f"the arrays {name!r} of the chunks cannot be stacked: {error}") from None


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C during a sweep: `sweep` is what was finished.

    >>> issubclass(SweepInterrupted, KeyboardInterrupt)
    True
    """

    def __init__(self, partial: Sweep) -> None:
        super().__init__(partial.advice)
        self.sweep = partial


def sweep(
    task: Task,
    chunks: Sequence[Any],
    seed: int | np.random.Generator,
    *,
    workers: int | None = None,
    store: str | Path | None = None,
    timeout: float | None = None,
    progress: bool = False,
) -> Sweep:
    """Call `task(chunk, generator)` for each of C chunks; the results do not depend on the number of workers.

    task: returns a dictionary of arrays (or numbers) by name. chunks: what it is called with; C is at least 1, and a
    chunk of a second or more is worth its overhead.
    seed: an integer of at least 0 (or a generator, which draws one); the generator of chunk number k is
    `numpy.random.default_rng([seed, k])`.
    workers: None or 1 for this process; more for that many processes, each with one BLAS and one torch thread. The task
    then stands at the top of a module (`functools.partial` of such a function is one too), a script calls `sweep` under
    `if __name__ == "__main__":`, and what a chunk gives may still differ by rounding from one number of BLAS threads to
    another.
    store: a folder, made if there is none. Finished chunks are kept there, and read from there when `sweep` is called
    again with the same task, chunks and seed; a store of others is refused. Chunks are then made of numbers, texts,
    None, lists, tuples, dictionaries and arrays.
    timeout: seconds for one chunk, only with several workers; what takes longer is stopped. progress: a bar on stderr.

    A chunk whose task raises, takes too long, or kills its worker twice is said so in `status` and `messages`, and the
    others go on. Ctrl-C stops the workers and raises `SweepInterrupted`, a `KeyboardInterrupt` that holds what was
    finished. Raises `ValueError` for bad arguments and for the store of another sweep.

    >>> def mean(samples, generator):
    ...     return {"mean": generator.standard_normal(samples).mean()}
    >>> means = sweep(mean, [100, 10_000, 100], seed=0)
    >>> means.finished, bool(abs(means.stacked("mean")[1]) < 0.05)
    (True, True)
    """
    begun = time.perf_counter()
    if not callable(task):
        raise ValueError(f"task is {task!r}; expected a function of a chunk and a NumPy generator")
    chunks = list(chunks)
    if not chunks:
        raise ValueError("chunks is empty; expected at least one")
    as_generator(seed)  # refuses what is no seed
    key = int(seed.integers(2**63)) if isinstance(seed, np.random.Generator) else int(seed)
    results: list[Results | None] = [None] * len(chunks)
    status = np.full(len(chunks), int(ChunkStatus.WAITING))
    messages = [""] * len(chunks)
    kept = None if store is None else _Store(Path(store), task, chunks, key)
    stored = {} if kept is None else kept.finished()
    for place, result in stored.items():
        results[place], status[place] = result, ChunkStatus.FINISHED
    left = [place for place in range(len(chunks)) if place not in stored]

    def gathered() -> Sweep:
        seconds = time.perf_counter() - begun
        return Sweep(
            results=tuple(results), status=status, messages=tuple(messages), resumed=len(stored), seconds=seconds
        )

    items = [(key, place, chunks[place]) for place in left]
    with closing(kept) if kept else nullcontext(), progress_bar(progress, len(chunks), "chunk") as bar:
        bar.update(len(stored))
        running = calls(functools.partial(_result_of, task), items, workers=workers, timeout=timeout)
        try:
            for call in running:
                place = left[call.index]
                status[place], messages[place], results[place] = _STATUS[call.ending], call.message, call.value
                if kept and call.value is not None:
                    kept.keep(place, call)
                bar.update()
        except KeyboardInterrupt:
            raise SweepInterrupted(gathered()) from None
        finally:
            running.close()
    return gathered()


def _result_of(task: Task, item: tuple[int, int, Any]) -> Results:
    """One call of the task, with its own stream; its results as arrays of numbers."""
    seed, place, chunk = item
    returned = task(chunk, np.random.default_rng([seed, place]))
    if not isinstance(returned, Mapping) or not all(isinstance(name, str) for name in returned):
        raise ValueError(f"the task returned a {type(returned).__name__}; expected a dictionary of arrays by name")
    results = {}
    for name, value in returned.items():
        array = np.asarray(value.detach().cpu() if is_torch_array(value) else value)
        if array.dtype.kind not in "biufc":
            raise ValueError(f"the task returned {name!r} of dtype {array.dtype}; expected numbers")
        results[name] = array
    return results


class _Store:
    """A folder with the results of finished chunks, of one sweep only."""

    def __init__(self, folder: Path, task: Task, chunks: list[Any], seed: int) -> None:
        mine = {
            "version": str(_VERSION),
            "task": _name_of(task),
            "source": _source_of(task),
            "chunks": _digest(chunks, "chunks"),
            "number of chunks": str(len(chunks)),
            "seed": str(seed),
        }
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._count = folder, len(chunks)
        self._record = sqlite3.connect(folder / _RECORD, timeout=60)
        try:
            self._open(mine)
        except BaseException:
            self._record.close()
            raise

    def _open(self, mine: dict[str, str]) -> None:
        path = self._folder / _RECORD
        try:
            with self._record:
                self._record.execute("PRAGMA journal_mode=WAL")
                self._record.execute("CREATE TABLE IF NOT EXISTS sweep (name TEXT PRIMARY KEY, value TEXT)")
                self._record.execute("CREATE TABLE IF NOT EXISTS finished (chunk INTEGER PRIMARY KEY, seconds REAL)")
                theirs = dict(self._record.execute("SELECT name, value FROM sweep"))
                if not theirs:
                    self._record.executemany("INSERT INTO sweep VALUES (?, ?)", mine.items())
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{path} is no record of a sweep ({error}); name another store") from None
        for name in mine if theirs else ():
            if theirs.get(name) != mine[name]:
                was, now = (
                    ("", "")
                    if name in ("source", "chunks")
                    else (f" ({text})" for text in (theirs.get(name), mine[name]))
                )
                raise ValueError(
                    f"store {self._folder} is of another sweep: its {name}{was} is not that of this one{now}; "
                    "name another store, or remove it"
                )

    def finished(self) -> dict[int, Results]:
        """The results that can be read; a chunk whose file is gone or damaged is done again."""
        results = {}
        for (place,) in self._record.execute("SELECT chunk FROM finished ORDER BY chunk"):
            try:
                with np.load(self._file(place), allow_pickle=False) as stored:
                    results[place] = {name.removeprefix("result/"): stored[name] for name in stored.files}
            except Exception:  # each kind of damage has an error of its own
                continue
        return results

    def keep(self, place: int, call: Call) -> None:
        """Write the arrays, then record that they are there."""
        arrays: Any = {f"result/{name}": array for name, array in call.value.items()}
        replace_file(self._file(place), lambda file: np.savez(file, **arrays))
        with self._record:
            self._record.execute("INSERT OR REPLACE INTO finished VALUES (?, ?)", (place, call.seconds))

    def close(self) -> None:
        self._record.close()

    def _file(self, place: int) -> Path:
        return self._folder / f"chunk-{place:0{len(str(self._count - 1))}d}.npz"


def _name_of(task: Any) -> str:
    """The task by its name, with the arguments that a `partial` gives it."""
    if isinstance(task, functools.partial):
        given = _digest([list(task.args), task.keywords], "the arguments of the task")
        return f"{_name_of(task.func)} with arguments {given[:16]}"
    module = getattr(task, "__module__", type(task).__module__)
    return f"{module}.{getattr(task, '__qualname__', type(task).__qualname__)}"


def _source_of(task: Any) -> str:
    """A digest of the task's own text, "" where it has none to read."""
    while isinstance(task, functools.partial):
        task = task.func
    try:
        return hashlib.sha256(inspect.getsource(task).encode()).hexdigest()
    except (OSError, TypeError):
        return ""


def _digest(value: Any, what: str) -> str:
    """A digest of plain data and arrays, the same in every process."""

    def plain(item: Any) -> Any:
        if isinstance(item, np.generic):
            item = item.item()
        if item is None or isinstance(item, bool | int | float | str):
            return item
        if isinstance(item, complex):
            return {"complex": [item.real, item.imag]}
        if isinstance(item, list | tuple):
            return [plain(part) for part in item]
        if isinstance(item, range):
            return [plain(part) for part in item]
        if isinstance(item, Mapping) and all(isinstance(key, str) for key in item):
            return {"entries": {key: plain(part) for key, part in item.items()}}
        if is_array_api_obj(item):
            array = np.asarray(item.detach().cpu() if is_torch_array(item) else item)
            if array.dtype.kind in "biufc":
                content = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
                return {"array": [str(array.dtype), list(array.shape), content]}
        raise ValueError(
            f"{what} holds a {type(item).__name__}; with a store it is made of numbers, texts, None, lists, tuples, "
            "dictionaries with texts as keys, and arrays"
        )

    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()
