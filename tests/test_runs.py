"""What all runs share: statuses that say what to do, results, and the checks of common arguments."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from alignmath.arrays import as_generator
from solvers.runs import (
    CriticalPoints,
    Run,
    RunStatus,
    Training,
    Trajectory,
    as_device,
    as_dtype,
    as_moments,
    as_steps,
    as_tolerance,
    progress_bar,
)


@pytest.mark.parametrize("status", list(RunStatus))
def test_a_status_is_a_number_with_advice(status: RunStatus):
    assert isinstance(status, int)
    assert RunStatus(int(status)) is status
    assert f"{status:d}" == f"{int(status)}"
    assert f"{status}" == str(status) == f"{status.name}: {status.advice}"
    assert status.advice[0].isupper()
    assert status.advice.endswith(".")
    assert pickle.loads(pickle.dumps(status)) is status


def test_advice_counts_the_statuses_of_a_batch():
    text = Run(status=torch.tensor([[3, 0], [0, 4]]), seconds=0.0).advice
    assert [line.split(":")[0] for line in text.splitlines()] == [
        "2 of 4 FINISHED",
        "1 of 4 DIVERGED",
        "1 of 4 COLLAPSED",
    ]
    assert Run(status=np.array(1), seconds=0.0).advice == str(RunStatus.GRADIENT)
    assert Run(status=RunStatus.LOSS, seconds=0.0).advice == str(RunStatus.LOSS)


@pytest.mark.parametrize("kind", [Run, Trajectory, CriticalPoints, Training])
def test_results_are_equal_to_themselves_only(kind):
    assert kind.__eq__ is object.__eq__
    names = kind.__dataclass_fields__
    assert {"status", "seconds"} <= set(names)
    assert all(
        f"- {name}" in kind.__doc__ or f"{name}:" in kind.__doc__ or f", {name}" in kind.__doc__ for name in names
    )


def test_seeds_are_numbers_or_generators():
    rng = np.random.default_rng(3)
    assert as_generator(rng) is rng
    assert as_generator(np.int32(3)).random() == np.random.default_rng(3).random()
    for bad in (-1, 1.5, None, True, "3", [1], np.random.RandomState(0)):
        with pytest.raises(ValueError, match=r"start is .* expected an integer of at least 0, or a NumPy Generator"):
            as_generator(bad, "start")


def test_shared_arguments_are_brought_to_one_form():
    assert as_steps(np.int64(7)) == 7
    assert as_moments(range(3), 5) == [0, 1, 2]
    assert as_moments(np.array([5, 5, 0]), 5) == [0, 5]
    assert as_moments(None, 0) == [0]
    home = torch.device("meta")
    assert as_device(None, home) == home
    assert as_device(torch.device("cpu"), home) == torch.device("cpu")
    for given in ("float32", np.float32, torch.float32, np.dtype("float32")):
        assert as_dtype(given, np.zeros(1)) == torch.float32
    assert as_dtype(None, torch.zeros(1)) == torch.float32
    with progress_bar(False, 3, "step") as bar:
        bar.update(3)


def test_a_bar_is_drawn_only_on_request(capsys):
    for progress in (False, True):
        with progress_bar(progress, 3, "step", "descent") as bar:
            bar.update(3)
        assert ("descent" in capsys.readouterr().err) is progress


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: as_steps(-1), "steps is -1"),
        (lambda: as_steps(1.5, "epochs"), "epochs is 1.5"),
        (lambda: as_moments([], 5), "record is empty"),
        (lambda: as_moments(3, 5, "epochs"), "record is 3; expected a sequence of epochs"),
        (lambda: as_moments([6], 5), "record is 6; expected an integer from 0 to 5"),
        (lambda: as_tolerance(0), "tolerance is 0; expected a finite number above 0"),
        (lambda: as_tolerance(float("nan"), "loss_tolerance", zero=True), "loss_tolerance is nan"),
        (lambda: as_tolerance(-1, "loss_tolerance", zero=True), "loss_tolerance is -1; expected a finite number of at"),
        (lambda: as_device("foo", torch.device("cpu")), "device is 'foo'"),
        (lambda: as_dtype("int64", np.zeros(1)), "dtype is 'int64'; expected float32 or float64"),
        (lambda: as_dtype("foo", np.zeros(1)), "dtype is 'foo'"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
