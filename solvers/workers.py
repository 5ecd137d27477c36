"""Calls in worker processes of the standard library, each with one BLAS and one torch thread.

`calls` is what `sweeps` and the ledger of claims run on. A worker that dies takes nothing with it but the call it was
at, which is made once more; a call that takes too long is stopped; when the caller stops, or is killed, the workers
stop too.
"""

from __future__ import annotations

import contextlib
import enum
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

__all__ = ["Call", "Ending", "calls", "single_threaded"]

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_TRIES = 2
"""How often a call is made whose worker dies."""
_NO_GROUP = object()


class Ending(enum.Enum):
    """How a call ended."""

    RETURNED = enum.auto()
    RAISED = enum.auto()
    DIED = enum.auto()
    TIMED_OUT = enum.auto()


@dataclass(frozen=True, eq=False)
class Call:
    """A call that has ended.

    - index: int, of the item it was made with.
    - ending: how it ended.
    - value: what it returned, None unless it did.
    - message: why it returned nothing, "" if it did.
    - seconds: float, wall time of the call.

    >>> Call(0, Ending.RAISED, None, "ValueError in task.py, line 3: no", 0.1).ending.name
    'RAISED'
    """

    index: int
    ending: Ending
    value: Any
    message: str
    seconds: float


def calls(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    *,
    workers: int | None = None,
    timeout: float | None = None,
    groups: Sequence[Hashable] | None = None,
) -> Generator[Call, None, None]:
    """Call `function(item)` for each item, and yield each call when it has ended, whatever the order.

    workers: None or 1 for calls in this process; more for that many processes, for which function, items and values are
    pickled, the function by its name: it stands at the top of a module. A script that asks for them does so under
    `if __name__ == "__main__":`.
    timeout: seconds for one call, None for no limit; it takes processes.
    groups: a name for each item; items of one group are called by one worker, one after another (they may share what it
    keeps in memory), and groups are begun in the order of their first items.

    An `Exception` in the call is reported, not raised. A worker that dies costs its call a second try; then it is
    reported as DIED. Closing the iterator, an interrupt too, stops the workers. Raises `ValueError` for arguments that
    cannot be used, `RuntimeError` if workers do not start.

    >>> [call.value for call in calls(abs, [-1, 2])]
    [1, 2]
    """
    number = _as_workers(workers)
    if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout < float("inf")):
        raise ValueError(f"timeout is {timeout!r}; expected seconds, more than 0, or None for no limit")
    if timeout is not None and number == 1:
        raise ValueError("timeout needs workers: only a call in a process of its own can be stopped; pass workers=2")
    names = list(range(len(items))) if groups is None else list(groups)
    if len(names) != len(items):
        raise ValueError(f"groups has {len(names)} entries and items has {len(items)}; name a group for each item")
    queues: dict[Hashable, deque[int]] = {}
    for index, name in enumerate(names):
        queues.setdefault(name, deque()).append(index)
    if number == 1:
        return (_call(function, index, items[index]) for queue in queues.values() for index in queue)
    try:
        pickle.dumps(function)
    except Exception as error:
        raise ValueError(
            f"{function!r} cannot be sent to workers ({error}); write it as a function at the top of a module"
        ) from None
    return _calls_in_workers(function, items, queues, min(number, len(queues)), timeout)


@contextlib.contextmanager
def single_threaded() -> Iterator[None]:
    """Processes started meanwhile, and libraries loaded meanwhile, compute with one thread.

    >>> with single_threaded():
    ...     print(os.environ["OMP_NUM_THREADS"])
    1
    """
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _as_workers(workers: Any) -> int:
    if workers is None:
        return 1
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValueError(f"workers is {workers!r}; expected a number of processes from 1 on, or None for this process")
    return workers


def _call(function: Callable[[Any], Any], index: int, item: Any) -> Call:
    """The call, its exception reported with the place it comes from."""
    begun = time.perf_counter()
    try:
        value, ending, message = function(item), Ending.RETURNED, ""
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}, line {where.lineno}"
        value, ending, message = None, Ending.RAISED, f"{type(error).__name__} in {place}: {error}"
    return Call(index, ending, value, message, time.perf_counter() - begun)


class _Worker:
    """A process, the call it is at, since when, and the group it is in."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, function), daemon=True)
        with single_threaded(), _interrupts_held_back():
            self.process.start()
        theirs.close()
        self.ready = False
        self.index: int | None = None
        self.begun = 0.0
        self.group: Hashable = _NO_GROUP

    def begin(self, index: int, item: Any) -> None:
        self.index, self.begun = index, time.perf_counter()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # dead: seen when it is waited for
            self.connection.send((index, item))

    def dismiss(self) -> None:
        """Have an idle worker end by itself."""
        self.connection.close()

    def stop(self, patience: float = 0.0) -> None:
        """End the process: by itself within so many seconds, or by force."""
        self.connection.close()
        self.process.join(patience)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()


def _calls_in_workers(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    queues: dict[Hashable, deque[int]],
    number: int,
    timeout: float | None,
) -> Generator[Call, None, None]:
    """The loop of the parent: keep every worker busy, and look after those that answer, die or take too long."""
    tries = [0] * len(items)
    left = len(items)
    team: list[_Worker] = []
    dismissed: list[_Worker] = []
    try:
        while left:
            while len(team) < number and any(name not in {worker.group for worker in team} for name in queues):
                team.append(_Worker(function))
                _give(team[-1], team, queues, items)
            for worker in _heard(team, timeout):
                index, call = worker.index, None
                with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
                    if worker.connection.poll():
                        call = worker.connection.recv()
                if call == "ready":
                    worker.ready, worker.begun = True, time.perf_counter()
                    continue
                if call is None and worker.process.exitcode is None and not _late(worker, timeout):
                    worker.process.join(1)  # its pipe is closed: it is about to end
                assert index is not None
                if call is None:
                    call = _lost(worker, index, timeout)
                    team.remove(worker)
                    worker.stop()
                    tries[index] += 1
                    if call.ending is Ending.DIED and tries[index] < _TRIES:
                        queues.setdefault(worker.group, deque()).appendleft(index)
                        continue
                else:
                    if not _give(worker, team, queues, items):
                        team.remove(worker)
                        worker.dismiss()
                        dismissed.append(worker)
                left -= 1
                yield call
    finally:
        for worker in team:
            worker.process.kill()
        for worker in team:
            worker.stop()
        for worker in dismissed:
            worker.stop(patience=5)


def _give(worker: _Worker, team: list[_Worker], queues: dict[Hashable, deque[int]], items: Sequence[Any]) -> bool:
    """Give the worker the next item of its group, or of the first group that nobody is at; whether there was one."""
    if worker.group not in queues:
        held = {other.group for other in team if other is not worker}
        worker.group = next((name for name in queues if name not in held), _NO_GROUP)
    if worker.group is _NO_GROUP:
        return False
    queue = queues[worker.group]
    index = queue.popleft()
    if not queue:
        del queues[worker.group]
    worker.begin(index, items[index])
    return True


def _heard(team: list[_Worker], timeout: float | None) -> list[_Worker]:
    """Wait for workers that answered, ended, or ran out of time."""
    least = None
    if timeout is not None:
        least = max(
            0.0, min((worker.begun + timeout - time.perf_counter() for worker in team if worker.ready), default=1.0)
        )
    ready = connection.wait(
        [source for worker in team for source in (worker.connection, worker.process.sentinel)], least
    )
    return [
        worker
        for worker in team
        if worker.connection in ready or worker.process.sentinel in ready or _late(worker, timeout)
    ]


def _late(worker: _Worker, timeout: float | None) -> bool:
    return timeout is not None and worker.ready and time.perf_counter() - worker.begun >= timeout


def _lost(worker: _Worker, index: int, timeout: float | None) -> Call:
    """The call of a worker that gave no answer: it died, or is late."""
    seconds, code = time.perf_counter() - worker.begun, worker.process.exitcode
    if code is None:
        return Call(index, Ending.TIMED_OUT, None, f"not finished after {timeout:g} s", seconds)
    if not worker.ready:
        raise RuntimeError(
            f"a worker ended with exit status {code} before its first call; start from a script that asks for workers "
            'under `if __name__ == "__main__":`, with the function at the top of a module that can be imported'
        )
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"
    hint = "; SIGKILL often means that memory ran out" if code == -9 else ""
    return Call(index, Ending.DIED, None, f"its worker died {_TRIES} times, the last time {how}{hint}", seconds)


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """A process started meanwhile is not stopped by Ctrl-C, which goes to all of a terminal: its parent stops it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(link: connection.Connection, function: Callable[[Any], Any]) -> None:
    """What a worker does: answer each item with a `Call`, until there are no more, or no parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    link.send("ready")
    while True:
        try:
            index, item = link.recv()
        except EOFError:
            return
        call = _call(function, index, item)
        try:
            link.send(call)
        except Exception as error:
            if isinstance(error, OSError):
                return
            message = f"what it returned cannot be sent back: {type(error).__name__}: {error}"
            link.send(Call(index, Ending.RAISED, None, message, call.seconds))


def _end_with(parent: Any) -> None:
    """End this process when its parent has."""
    connection.wait([parent])
    os._exit(1)
