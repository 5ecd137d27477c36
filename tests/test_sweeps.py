"""Sweeps and the worker processes under them: what dies, hangs, raises or is interrupted costs no more than its chunk."""

from __future__ import annotations

import functools
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from solvers.sweeps import ChunkStatus, SweepInterrupted, sweep
from solvers.workers import Ending, calls, single_threaded

ROOT = Path(__file__).parent.parent
SCRIPT = """
import os, sys, time
from pathlib import Path
import numpy as np
from solvers.sweeps import SweepInterrupted, sweep

def task(chunk, generator):
    folder = Path(os.environ["MARKS"])
    with open(folder / f"{chunk}", "a") as file:
        file.write("x")
    if chunk >= 3 and not (folder / "go").exists():
        (folder / "stuck").touch()
        time.sleep(300)
    return {"drawn": generator.standard_normal(4), "chunk": chunk}

if __name__ == "__main__":
    try:
        result = sweep(task, list(range(6)), 5, workers=int(sys.argv[2]), store=sys.argv[1])
    except SweepInterrupted as interrupt:
        print("interrupted", sum(r is not None for r in interrupt.sweep.results))
        sys.exit(130)
    print(result.resumed, result.stacked("drawn").sum())
"""


def draws(chunk: int, generator: np.random.Generator) -> dict[str, Any]:
    return {"drawn": generator.standard_normal((2, chunk)), "pid": os.getpid()}


def scaled(factor: np.ndarray, chunk: int, generator: np.random.Generator) -> dict[str, Any]:
    return {"scaled": factor * chunk + generator.uniform()}


def poisoned(chunk: str, generator: np.random.Generator) -> dict[str, Any]:
    if chunk == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if chunk == "exit":
        os._exit(3)
    if chunk == "hang":
        time.sleep(300)
    if chunk == "raise":
        raise ZeroDivisionError("poison")
    return {"drawn": generator.uniform()}


def dies_once(marks: str, chunk: int, generator: np.random.Generator) -> dict[str, Any]:
    """Chunk 1 kills its worker the first time."""
    with open(Path(marks) / str(chunk), "a") as file:
        file.write("x")
    if chunk == 1 and (Path(marks) / "1").read_text() == "x":
        os.kill(os.getpid(), signal.SIGKILL)
    return {"drawn": generator.uniform()}


def threads(chunk: int, generator: np.random.Generator) -> dict[str, Any]:
    import torch

    return {"torch": torch.get_num_threads(), "blas": int(os.environ["OPENBLAS_NUM_THREADS"])}


def process_of(item: Any) -> int:
    time.sleep(0.05)
    return os.getpid()


def unsendable(item: Any) -> Any:
    return lambda: item


def test_results_do_not_depend_on_the_number_of_workers():
    chunks = [1, 5, 2, 3, 4]
    alone, two, three = (sweep(draws, chunks, 7, workers=workers) for workers in (None, 2, 3))
    for other in (two, three):
        for mine, theirs in zip(alone.results, other.results, strict=True):
            assert mine is not None
            assert theirs is not None
            np.testing.assert_array_equal(mine["drawn"], theirs["drawn"])
    assert {int(result["pid"]) for result in alone.results if result} == {os.getpid()}
    assert len({int(result["pid"]) for result in two.results if result}) == 2
    one, other = (sweep(draws, [3], seed).stacked("drawn") for seed in (7, 8))  # planted: another seed
    assert not np.array_equal(one, other)
    first, second = sweep(draws, [3, 3], 7).stacked("drawn")
    assert not np.array_equal(first, second)  # each chunk has a stream of its own


def test_a_generator_as_seed_draws_one():
    first, again, other = (sweep(draws, [3], np.random.default_rng(k)).stacked("drawn") for k in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_workers_have_one_thread_each_and_the_environment_is_left_alone():
    before = dict(os.environ)
    result = sweep(threads, [0, 1], 0, workers=2)
    assert result.finished, result.advice
    np.testing.assert_array_equal(result.stacked("torch"), [1, 1])
    np.testing.assert_array_equal(result.stacked("blas"), [1, 1])
    assert dict(os.environ) == before
    with single_threaded():
        assert os.environ["MKL_NUM_THREADS"] == "1"
    assert dict(os.environ) == before


def test_poison_chunks_are_reported_and_the_others_go_on():
    chunks = ["a", "kill", "raise", "b", "hang", "exit", "c"]
    result = sweep(poisoned, chunks, 0, workers=2, timeout=1.5)
    assert [ChunkStatus(s).name for s in result.status] == [
        "FINISHED", "DIED", "RAISED", "FINISHED", "TIMED_OUT", "DIED", "FINISHED",
    ]  # fmt: skip
    assert "SIGKILL" in result.messages[1]
    assert "ZeroDivisionError in test_sweeps.py" in result.messages[2]
    assert "1.5 s" in result.messages[4]
    assert "exit status 3" in result.messages[5]
    assert not result.finished
    assert "2 of 7 DIED: Its worker died twice" in result.advice
    with pytest.raises(RuntimeError, match="not finished"):
        result.stacked("drawn")
    alone = sweep(poisoned, ["a", "raise", "b"], 0)
    assert [ChunkStatus(s).name for s in alone.status] == ["FINISHED", "RAISED", "FINISHED"]


def test_a_worker_that_dies_costs_its_chunk_one_retry_and_nothing_else(tmp_path):
    result = sweep(functools.partial(dies_once, str(tmp_path)), list(range(5)), 3, workers=2)
    assert result.finished, result.advice
    assert [len((tmp_path / str(k)).read_text()) for k in range(5)] == [1, 2, 1, 1, 1]
    expected = [np.random.default_rng([3, k]).uniform() for k in range(5)]
    np.testing.assert_array_equal(result.stacked("drawn"), expected)


def test_what_is_in_the_store_is_not_done_again(tmp_path):
    first = sweep(draws, [1, 2, 3], 0, store=tmp_path / "s")
    again = sweep(draws, [1, 2, 3], 0, store=tmp_path / "s", workers=2)
    assert (first.resumed, again.resumed) == (0, 3)
    for mine, theirs in zip(first.results, again.results, strict=True):
        assert mine is not None
        assert theirs is not None
        assert mine.keys() == theirs.keys()
        np.testing.assert_array_equal(mine["drawn"], theirs["drawn"])
    (tmp_path / "s" / "chunk-1.npz").write_bytes(b"damaged")
    (tmp_path / "s" / "chunk-2.npz").unlink()
    mended = sweep(draws, [1, 2, 3], 0, store=tmp_path / "s")
    assert mended.resumed == 1
    np.testing.assert_array_equal((mended.results[1] or {})["drawn"], (first.results[1] or {})["drawn"])


def test_chunks_that_failed_are_tried_again(tmp_path):
    for resumed in (0, 1):
        result = sweep(poisoned, ["a", "raise"], 0, store=tmp_path)
        assert list(result.status) == [ChunkStatus.FINISHED, ChunkStatus.RAISED]
        assert result.resumed == resumed


@pytest.mark.parametrize(
    ("task", "chunks", "seed", "named"),
    [
        (poisoned, [1, 2], 0, r"its task \(test_sweeps.draws\)|its task \(.*draws\)"),
        (draws, [1, 3], 0, "its chunks"),
        (draws, [1, 2, 3], 0, "its chunks"),
        (draws, [1, 2], 1, r"its seed \(0\) is not that of this one \(1\)"),
    ],
)
def test_a_store_of_another_sweep_is_refused_by_name(tmp_path, task, chunks, seed, named):
    sweep(draws, [1, 2], 0, store=tmp_path / "kept")
    with pytest.raises(ValueError, match=named) as caught:
        sweep(task, chunks, seed, store=tmp_path / "kept")
    assert str(tmp_path / "kept") in str(caught.value)


def test_a_store_of_other_arguments_or_another_text_of_the_task_is_refused(tmp_path, monkeypatch):
    sweep(functools.partial(scaled, np.ones(2)), [1], 0, store=tmp_path)
    assert sweep(functools.partial(scaled, np.ones(2)), [1], 0, store=tmp_path).resumed == 1
    with pytest.raises(ValueError, match="its task"):
        sweep(functools.partial(scaled, np.zeros(2)), [1], 0, store=tmp_path)
    monkeypatch.setattr("inspect.getsource", lambda task: "altered")
    with pytest.raises(ValueError, match="its source"):
        sweep(functools.partial(scaled, np.ones(2)), [1], 0, store=tmp_path)


def test_a_store_that_is_none_is_refused(tmp_path):
    (tmp_path / "sweep.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(ValueError, match=r"sweep\.sqlite is no record of a sweep"):
        sweep(draws, [1], 0, store=tmp_path)
    with pytest.raises(ValueError, match="chunks holds a set"):
        sweep(draws, [{1}], 0, store=tmp_path / "other")


@pytest.fixture
def script(tmp_path):
    """Start the script above, with so many workers; it hangs from chunk 3 on until `marks/go` is there."""
    (tmp_path / "marks").mkdir()
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = os.environ | {"MARKS": str(tmp_path / "marks"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "store")]

    def start(workers: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, str(workers)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
            start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip

    return start


def until(condition: Any, seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def gone(group: int) -> bool:
    """Whether no process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def recorded(store: Path) -> int:
    if not (store / "sweep.sqlite").exists():
        return 0
    record = sqlite3.connect(store / "sweep.sqlite", timeout=60)
    try:
        return record.execute("SELECT count(*) FROM finished").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        record.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_resumes_and_gives_the_same(tmp_path, script, workers):
    with script(workers) as run:
        until(lambda: recorded(tmp_path / "store") == 3 and (tmp_path / "marks" / "stuck").exists())
        run.kill()
        run.wait(60)
    (tmp_path / "marks" / "go").touch()
    with script(3 - workers) as run:
        shown, errors = run.communicate(timeout=120)
        assert run.returncode == 0, errors
    resumed, total = shown.split()
    assert resumed == "3"
    expected = sum(np.random.default_rng([5, k]).standard_normal(4).sum() for k in range(6))
    np.testing.assert_allclose(float(total), expected, rtol=1e-12)
    assert [len((tmp_path / "marks" / str(k)).read_text()) for k in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_what_is_finished_and_leaves_no_worker_behind(tmp_path, script, workers):
    with script(workers) as run:
        until(lambda: recorded(tmp_path / "store") == 3 and (tmp_path / "marks" / "stuck").exists())
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to every process
        shown, errors = run.communicate(timeout=60)
        assert run.returncode == 130, errors
    assert shown.split() == ["interrupted", "3"]
    assert "Traceback" not in errors
    until(lambda: gone(run.pid), 20)
    assert recorded(tmp_path / "store") == 3


def test_workers_end_when_their_parent_is_killed(tmp_path, script):
    with script(2) as run:
        until(lambda: (tmp_path / "marks" / "stuck").exists())
        run.kill()
        run.wait(60)
        until(lambda: gone(run.pid), 20)


def test_interrupts_hold_the_partial_results(monkeypatch):
    def task(chunk: int, generator: np.random.Generator) -> dict[str, Any]:
        if chunk == 2:
            raise KeyboardInterrupt
        return {"chunk": chunk}

    with pytest.raises(SweepInterrupted) as caught:
        sweep(task, [0, 1, 2, 3], 0)
    partial = caught.value.sweep
    assert [r is not None for r in partial.results] == [True, True, False, False]
    assert list(partial.status[2:]) == [ChunkStatus.WAITING] * 2
    assert isinstance(caught.value, KeyboardInterrupt)


def test_items_of_a_group_are_called_by_one_worker_in_their_order():
    groups = ["a", "b", "a", "c", "b", "a"]
    ended = list(calls(process_of, list(range(6)), workers=2, groups=groups))
    processes = {call.index: call.value for call in ended}
    for group in "abc":
        members = [k for k, name in enumerate(groups) if name == group]
        assert len({processes[k] for k in members}) == 1
        assert [call.index for call in ended if call.index in members] == members
    assert len(set(processes.values())) == 2


def test_values_that_cannot_be_sent_are_reported():
    ended = list(calls(unsendable, [1, 2], workers=2))
    assert {call.ending for call in ended} == {Ending.RAISED}
    assert "cannot be sent back" in ended[0].message


def returns(value: Any, chunk: Any, generator: np.random.Generator) -> Any:
    return value


@pytest.mark.parametrize("value", [np.ones(3), {"a": "text"}, {1: 2}, None, {"a": np.array([object()])}])
def test_a_task_returns_arrays_by_name(value):
    result = sweep(functools.partial(returns, value), [0], 0)
    assert result.status[0] == ChunkStatus.RAISED
    assert "the task returned" in result.messages[0]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((draws, [], 0), {}, "chunks is empty"),
        ((3, [1], 0), {}, "task is 3"),
        ((draws, [1], -1), {}, "seed is -1"),
        ((draws, [1], None), {}, "seed is None"),
        ((draws, [1], True), {}, "seed is True"),
        ((draws, [1], 0), {"workers": 0}, "workers is 0"),
        ((draws, [1], 0), {"workers": 1.5}, "workers is 1.5"),
        ((draws, [1], 0), {"timeout": 3}, "timeout needs workers"),
        ((draws, [1], 0), {"workers": 2, "timeout": -1}, "timeout is -1"),
        ((lambda c, g: {}, [1, 2], 0), {"workers": 2}, "top of a module"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        sweep(*arguments, **options)


def test_stacked_names_what_chunks_do_not_share():
    result = sweep(draws, [1, 2], 0)
    with pytest.raises(ValueError, match="cannot be stacked"):
        result.stacked("drawn")
    with pytest.raises(ValueError, match="chunk 0 has drawn, pid"):
        result.stacked("missing")
