"""The batched trainer against plain torch.nn and torch.optim, run by run; divergence, resuming, bad input."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from alignmath.networks import ConvReLU, DeepReLU, TwoLayer, planar, random_student, random_teacher
from solvers.dynamics.training import (
    SGD,
    Adam,
    Blocks,
    Checkpoint,
    Gaussian,
    Measures,
    Sphere,
    Uniform,
    data,
    epoch_inputs,
    epoch_order,
    optimizers,
    train,
)
from solvers.dynamics.training.laws import Purpose, stream
from solvers.dynamics.training.measures import (
    accuracy,
    best_student,
    best_teacher,
    evaluation_loss,
    fan_out,
    node_correlations,
    rho_mean,
)
from solvers.images import digits
from solvers.modules import from_module, to_module
from solvers.runs import RunStatus

SETTINGS = {
    "plain": {},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.5, "nesterov": True},
    "decay": {"weight_decay": 0.01},
    "momentum and decay": {"momentum": 0.9, "weight_decay": 0.01},
    "schedule": {"schedule": [1.0, 0.5, 0.25, 0.1]},
    "each its own": {
        "learning_rate": [0.01, 0.02, 0.005],
        "momentum": [0.0, 0.9, 0.5],
        "weight_decay": [0.1, 0.0, 0.001],
    },
}
KINDS = ("two layers", "two layers without biases", "four layers", "convolutional")
RUNS = 3


def case(kind: str, seed: int = 0) -> tuple:
    """Students (3 runs), teachers and inputs of a kind; every run has its own start and teacher."""
    rng = np.random.default_rng(seed)
    if kind == "convolutional":
        images = rng.standard_normal((80, 2, 6, 6))
        one = ConvReLU(
            tuple(rng.standard_normal(s) / 3 for s in ((4, 2, 3, 3), (5, 4, 3, 3))),
            rng.standard_normal((3, 5)),
            tuple(rng.standard_normal(n) / 3 for n in (4, 5, 3)),
            (1, 2),
        )
        return random_student(one, 2, rng, batch=(RUNS,)), random_student(one, 1, rng, scale=2, batch=(RUNS,)), images
    widths = (8, 5, 6, 7, 4) if kind == "four layers" else (8, 5, 4)
    law = Gaussian(8, 1.5, samples=805)
    sample = None if "without" in kind else law.sample(rng, 200)
    each = [random_teacher(widths, rng, x=sample, polarity=0.5) for _ in range(RUNS)]
    weights = tuple(np.stack(group) for group in zip(*(t.weights for t in each), strict=True))
    biases = None if sample is None else tuple(np.stack(group) for group in zip(*(t.biases for t in each), strict=True))
    teachers = DeepReLU(weights, biases)
    return random_student(teachers, 2, rng, batch=(RUNS,)), teachers, law


def one_of(networks, run: int):
    """One network of a batch, in torch."""
    pick = lambda array: torch.tensor(array[run])  # noqa: E731
    biases = None if networks.biases is None else tuple(pick(b) for b in networks.biases)
    if isinstance(networks, ConvReLU):
        return ConvReLU(tuple(pick(k) for k in networks.kernels), pick(networks.output), biases, networks.strides)
    return DeepReLU(tuple(pick(w) for w in networks.weights), biases)


def plain_loop(
    student, teacher, x, run, *, epochs, optimizer=torch.optim.SGD, schedule=None, loss="half_squared", **optim
):
    """One run, written with torch.nn and torch.optim, on the data that `train` documents; returns the module and the losses of its steps."""
    module, target = to_module(student), to_module(teacher)
    optimiser = optimizer(module.parameters(), **optim)
    losses = []
    for epoch in range(epochs):
        for group in optimiser.param_groups:
            group["lr"] = optim["lr"] * (1.0 if schedule is None else schedule[epoch])
        given = isinstance(x, np.ndarray)
        samples = torch.tensor(x if given else epoch_inputs(x, (7, run), epoch))
        count = len(samples)
        order = np.arange(count) if not given and x.fresh else epoch_order((7, run), count, epoch)
        for k in range(0, count - count % 16, 16):
            chosen = samples[order[k : k + 16]]
            optimiser.zero_grad()
            difference = module(chosen) - target(chosen).detach()
            value = difference.square().mean() if loss == "mean_squared" else difference.square().sum(1).mean() / 2
            value.backward()
            optimiser.step()
            losses.append(float(value.detach()))
    return module, losses


def parameters(network) -> list[np.ndarray]:
    weights = [*network.kernels, network.output] if isinstance(network, ConvReLU) else network.weights
    return [np.asarray(p) for p in (*weights, *(network.biases or ()))]


def problem(kind: str, schedule=None, fresh: bool = False) -> tuple:
    """A case with data for 200 steps; 5 of the 805 samples of a law are left out in each epoch."""
    students, teachers, x = case(kind)
    epochs = 40 if kind == "convolutional" else 4
    schedule = None if schedule is None else np.repeat(schedule, epochs // 4)
    return students, teachers, x if kind == "convolutional" else replace(x, fresh=fresh), epochs, schedule


def of_run(settings: dict, run: int) -> dict:
    return {name: value[run] if isinstance(value, list) else value for name, value in settings.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*SETTINGS, "mean squared"])
def test_training_equals_single_runs_of_torch_to_rounding(kind, name):
    settings = {"learning_rate": 0.01, **SETTINGS.get(name, {})}
    loss = "mean_squared" if name == "mean squared" else "half_squared"
    fresh = kind == "two layers" and name == "plain"
    students, teachers, x, epochs, schedule = problem(kind, settings.pop("schedule", None), fresh)
    runs = train(students, teachers, x, epochs=epochs, optimizer=SGD(**settings, schedule=schedule), loss=loss, seed=7)
    for run in range(RUNS):
        own = of_run(settings, run)
        module, losses = plain_loop(
            one_of(students, run), one_of(teachers, run), x, run,
            epochs=epochs, schedule=schedule, loss=loss, lr=own.pop("learning_rate"), **own,
        )  # fmt: skip
        assert len(losses) == 200
        for ours, theirs in zip(parameters(one_of(runs.students, run)), parameters(from_module(module)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
        np.testing.assert_allclose(runs.loss[run], np.reshape(losses, (epochs, -1)).mean(1), rtol=1e-10)
    assert (runs.status == RunStatus.FINISHED).all()
    assert (runs.stopped == 200).all()


ADAM = {
    "plain": {"learning_rate": 1e-3},
    "schedule": {"learning_rate": 3e-3, "schedule": [1.0, 0.5, 0.25, 0.1]},
    "each its own": {
        "learning_rate": [1e-3, 3e-3, 1e-2],
        "beta1": [0.9, 0.0, 0.5],
        "beta2": [0.999, 0.99, 0.9],
        "epsilon": [1e-8, 1e-6, 1e-4],
        "weight_decay": [0.0, 0.1, 0.01],
    },
}


def distance_from_torchs_adam(kind: str, name: str) -> float:
    """The largest difference of a weight after 200 steps."""
    settings = dict(ADAM[name])
    students, teachers, x, epochs, schedule = problem(kind, settings.pop("schedule", None))
    runs = train(students, teachers, x, epochs=epochs, optimizer=Adam(**settings, schedule=schedule), seed=7)
    assert (runs.stopped == 200).all()
    apart = []
    for run in range(RUNS):
        own = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, **of_run(settings, run)}
        theirs = {"lr": own["learning_rate"], "betas": (own["beta1"], own["beta2"]), "eps": own["epsilon"]}
        module, losses = plain_loop(
            one_of(students, run), one_of(teachers, run), x, run,
            epochs=epochs, schedule=schedule, optimizer=torch.optim.Adam, weight_decay=own.get("weight_decay", 0.0), **theirs,
        )  # fmt: skip
        assert len(losses) == 200
        pairs = zip(parameters(one_of(runs.students, run)), parameters(from_module(module)), strict=True)
        apart += [np.abs(a - b).max() for a, b in pairs]
    return float(max(apart))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ADAM)
def test_adam_equals_torchs_to_1e_10_after_200_steps(kind, name):
    assert distance_from_torchs_adam(kind, name) < 1e-10


@pytest.mark.parametrize(
    "error", ["no correction of the averages", "epsilon within the root", "decay beside the gradient"]
)
def test_an_error_in_adam_is_caught(error, monkeypatch):
    update = optimizers._AdamUpdate
    if error == "no correction of the averages":
        monkeypatch.setattr(update, "begin_step", lambda self: setattr(self, "_rate", self.learning_rate))
    elif error == "epsilon within the root":
        start = update.__init__

        def other(self, parameters, hyper):
            start(self, parameters, hyper | {"epsilon": np.sqrt(hyper["epsilon"])})

        monkeypatch.setattr(update, "__init__", other)
    else:
        apply = update.apply

        def beside(self, index, parameter, gradient):
            decay, self._decay = self._decay, None
            apply(self, index, parameter, gradient)
            self._decay = decay
            if decay is not None:
                parameter.mul_((1 - self.learning_rate * decay).view(-1, *(1,) * (parameter.ndim - 1)))

        monkeypatch.setattr(update, "apply", beside)
    assert distance_from_torchs_adam("two layers", "each its own") > 1e-6


def test_adam_in_single_precision_keeps_the_digits_of_its_averages():
    students, teachers, x, epochs, _ = problem("two layers")
    single, double = (
        train(students, teachers, x, epochs=epochs, optimizer=Adam(1e-3), seed=7, dtype=dtype).students
        for dtype in ("float32", "float64")
    )
    for a, b in zip(parameters(single), parameters(double), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)  # 1 - 0.999 in float32 alone is off by 5e-5 of itself, each step


def small(runs: int = 10, seed: int = 1, **options):
    """Arguments of a small two-layer problem, every run with its own start."""
    rng = np.random.default_rng(seed)
    law = Gaussian(6, 1.0, samples=160)
    teacher = random_teacher((6, 3, 2), rng, x=law.sample(rng, 100))
    students = random_student(teacher, 2, rng, batch=(runs,))
    return (students, teacher, law), {"epochs": 3, **options}


LOSS = Measures([evaluation_loss], samples=50)


@pytest.mark.parametrize(
    ("dtype", "optimizer"),
    [
        ("float32", SGD),
        ("float64", SGD),
        ("float32", partial(SGD, momentum=0.5)),
        ("float64", partial(SGD, momentum=0.5)),
        ("float32", Adam),  # in float64 its steps, no longer than the rate, stay finite
    ],
)
def test_runs_that_diverge_leave_the_others_unchanged_to_the_bit(dtype, optimizer):
    arguments, options = small(runs=40, dtype=dtype, measures=LOSS, record=[0, 1, 3])
    rates = np.full(40, 0.02)
    calm = train(*arguments, optimizer=optimizer(rates), **options)
    assert not calm.diverged
    wild = np.array([3, 11, 20, 39])  # ten per cent
    rates[wild] = 1e6 if optimizer is not Adam else 1e30
    found = train(*arguments, optimizer=optimizer(rates), **options)
    others = np.setdiff1d(np.arange(40), wild)
    assert [run for run, _ in found.diverged] == [(int(k),) for k in wild]
    for ours, before in zip(parameters(found.students), parameters(calm.students), strict=True):
        np.testing.assert_array_equal(ours[others], before[others])
        assert np.isfinite(ours).all()
    np.testing.assert_array_equal(found.loss[others], calm.loss[others])
    np.testing.assert_array_equal(
        found.measured["evaluation_loss"][:, others], calm.measured["evaluation_loss"][:, others]
    )
    assert np.isnan(found.loss[wild]).all()
    assert np.isnan(found.measured["evaluation_loss"][1:, wild]).all()
    assert np.isfinite(found.measured["evaluation_loss"][0]).all()


def test_divergence_is_reported_at_the_first_step_whose_loss_is_not_finite():
    (students, teacher, law), options = small(runs=2)
    found = train(students, teacher, law, optimizer=SGD([0.02, 1e4]), seed=7, **options)
    # torch's own single run
    run, numbers = found.diverged[0]
    assert run == (1,)
    _, losses = plain_loop(one_of(students, 1), batch_of(teacher, 2)[1], law, 1, epochs=3, lr=1e4)
    assert numbers == int(np.flatnonzero(~np.isfinite(losses))[0])
    assert found.stopped.tolist() == [30, numbers]
    assert found.status.tolist() == [RunStatus.FINISHED, RunStatus.DIVERGED]


def batch_of(network, runs: int) -> list:
    """The network, in torch, once for each run."""
    weights, biases = (tuple(torch.tensor(array) for array in group) for group in (network.weights, network.biases))
    return [DeepReLU(weights, biases)] * runs


def test_weights_that_are_finite_and_outputs_that_are_not_are_measured_as_nan():
    rng = np.random.default_rng(0)
    law = Gaussian(5, 1.0, samples=32)
    teacher = random_teacher((5, 4, 4, 4, 4, 2), rng, x=law.sample(rng, 100))
    students = random_student(teacher, 2, rng, batch=(4,))
    found = train(
        students, teacher, law,
        epochs=2, batch_size=32, optimizer=SGD([0.01, 1e12, 1e12, 1e12]), dtype="float32",
        record=[0, 1, 2], measures=Measures([rho_mean, evaluation_loss], samples=100),
    )  # fmt: skip
    assert [run for run, _ in found.diverged] == [(1,), (2,), (3,)]
    assert np.isfinite(found.measured["rho_mean"][:, 0]).all()
    assert np.isnan(found.measured["rho_mean"][1:, 1:]).all()
    assert np.isnan(found.measured["evaluation_loss"][1:, 1:]).all()


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from solvers.dynamics.training import data
from test_training import Checkpoint, long_problem, train
data._ROOM = 4000  # a few steps between checkpoints
arguments, options = long_problem({name!r})
train(*arguments, checkpoint=Checkpoint({folder!r}, every=0.0), **options)
"""
LONG = {"SGD": SGD(0.01, momentum=0.5), "fresh": SGD(0.01, momentum=0.5), "Adam": Adam(0.01)}


def long_problem(name: str):
    """Arguments of runs in two blocks, 600 steps each, with state between the steps."""
    (students, teacher, law), options = small(
        runs=4, epochs=60, optimizer=LONG[name], measures=LOSS, record=[0, 30, 60], blocks=Blocks(2)
    )
    return (students, teacher, replace(law, fresh=name == "fresh")), options


@pytest.mark.parametrize("name", LONG)
def test_a_killed_run_resumes_to_the_same_result_to_the_bit(tmp_path, name, monkeypatch):
    folder = tmp_path / "state"
    source = KILLED.format(tests=str(Path(__file__).parent), name=name, folder=str(folder))
    with subprocess.Popen([sys.executable, "-c", source], cwd=Path(__file__).parent.parent) as process:
        deadline = time.monotonic() + 60
        while not (folder / "running-0001.npz").exists() and time.monotonic() < deadline:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.002)
        process.kill()
    assert (folder / "block-0000.npz").exists()
    assert not (folder / "block-0001.npz").exists()
    with np.load(folder / "running-0001.npz") as state:
        assert 0 < 10 * state["position"][0] + state["position"][1] < 600
        kept = {key.split("/")[1] for key in state if key.startswith("optimizer/")}
        assert kept == ({"means", "squares", "steps"} if name == "Adam" else {"speeds"})

    monkeypatch.setattr(data, "_ROOM", 4000)
    arguments, options = long_problem(name)
    begun = [data.Samples.epoch, 0]

    def counted(self, epoch, start=0):
        for steps in begun[0](self, epoch, start):
            begun[1] += len(steps.x)
            yield steps

    monkeypatch.setattr(data.Samples, "epoch", counted)
    resumed = train(*arguments, checkpoint=folder, **options)
    assert 0 < begun[1] < 600  # neither the finished block nor the finished part of the other is trained again
    whole = train(*arguments, **options)
    for ours, expected in zip(parameters(resumed.students), parameters(whole.students), strict=True):
        np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(resumed.loss, whole.loss)
    np.testing.assert_array_equal(resumed.measured["evaluation_loss"], whole.measured["evaluation_loss"])
    again = train(*arguments, checkpoint=folder, **options)
    np.testing.assert_array_equal(again.loss, whole.loss)
    rate = replace(options["optimizer"], learning_rate=0.02)
    with pytest.raises(ValueError, match="other hyper-parameters;"):
        train(*arguments, checkpoint=folder, **options | {"optimizer": rate})
    other = SGD(0.01) if name == "Adam" else Adam(0.01)
    with pytest.raises(ValueError, match="other optimizer, hyper-parameters;"):
        train(*arguments, checkpoint=folder, **options | {"optimizer": other})
    if name == "SGD":
        nesterov = replace(options["optimizer"], nesterov=True)
        with pytest.raises(ValueError, match="other optimizer;"):
            train(*arguments, checkpoint=folder, **options | {"optimizer": nesterov})
    with pytest.raises(ValueError, match="other students, seed;"):
        train(random_student(arguments[1], 2, np.random.default_rng(9), batch=(4,)), *arguments[1:], checkpoint=folder, seed=3, **options)  # fmt: skip


class Scaled:
    """A user's law, whose repr is its address."""

    def __init__(self, scales):
        self.scales, self.dimension, self.samples, self.fresh = np.asarray(scales), len(scales), 160, False

    def sample(self, seed, count):
        return self.scales * seed.standard_normal((count, self.dimension))


def test_a_checkpoint_knows_laws_by_what_they_draw_and_measures_by_their_arguments(tmp_path):
    (students, teacher, _), options = small(runs=2)
    for layer in (-1, 1):
        measures = Measures({"best": partial(best_student, layer=layer)}, samples=50)
        first, again = (
            train(students, teacher, Scaled([1.0] * 6), measures=measures, checkpoint=tmp_path / str(layer), **options)
            for _ in range(2)
        )
        np.testing.assert_array_equal(first.loss, again.loss)
    with pytest.raises(ValueError, match="other x;"):
        train(students, teacher, Scaled([1.0] * 5 + [1.1]), measures=measures, checkpoint=tmp_path / "1", **options)
    with pytest.raises(ValueError, match="other options;"):
        train(students, teacher, Scaled([1.0] * 6), measures=Measures({"best": best_student}, samples=50), checkpoint=tmp_path / "1", **options)  # fmt: skip
    with pytest.raises(ValueError, match="no folder"):
        train(
            students, teacher, Scaled([1.0] * 6), measures=measures, checkpoint=tmp_path / "1" / "asked.json", **options
        )
    (tmp_path / "1" / "asked.json").write_text("")
    with pytest.raises(ValueError, match="damaged"):
        train(students, teacher, Scaled([1.0] * 6), measures=measures, checkpoint=tmp_path / "1", **options)


def test_a_checkpoint_knows_strides(tmp_path):
    students, teachers, inputs = case("convolutional")
    options = {"epochs": 1, "checkpoint": tmp_path}
    train(students, teachers, inputs, **options)
    other = ConvReLU(students.kernels, students.output, students.biases, tuple(s + 1 for s in students.strides))
    with pytest.raises(ValueError, match="other strides"):
        train(other, teachers, inputs, **options)


def test_layers_of_a_teacher_of_another_depth_count_by_its_own():
    rng = np.random.default_rng(6)
    teacher = random_teacher((4, 3, 2), rng)
    students = random_student(random_teacher((4, 5, 6, 2), rng), 1, rng, batch=(2,))
    options = {"epochs": 0}
    best = train(students, teacher, Gaussian(4), measures=[best_student], **options).measured["best_student"]
    assert best.shape == (1, 2, 3)  # top hidden layer of both
    with pytest.raises(ValueError, match="rho_mean needs equal depths"):
        train(students, teacher, Gaussian(4), measures=[rho_mean], **options)
    for layer in (0, 2, 3, -2):
        with pytest.raises(ValueError, match=f"layer is {layer}"):
            train(students, teacher, Gaussian(4), measures={"c": partial(node_correlations, layer=layer)}, **options)


def test_what_single_precision_cannot_hold_is_refused_by_name():
    (students, teacher, law), options = small(runs=3, dtype="float32", measures=LOSS)
    x, y = np.ones((3, 32, 6)), np.ones((3, 32, 2))
    huge = np.ones((3, 1, 1))
    huge[1] = 1e300
    given = {"epochs": 1, "dtype": "float32", "measures": [evaluation_loss]}
    with pytest.raises(ValueError, match="y has entries beyond the range of"):
        train(students, x=x, y=huge * y, **given)
    with pytest.raises(ValueError, match="x has entries beyond the range of"):
        train(students, x=huge * x, y=y, **given)
    with pytest.raises(ValueError, match="weight_decay has the entry 1e\\+39"):
        train(students, teacher, law, optimizer=SGD(0.01, weight_decay=1e39), **options)
    strong = DeepReLU(tuple(1e25 * w for w in teacher.weights), teacher.biases)
    with pytest.raises(ValueError, match="outputs that are not finite"):
        train(students, strong, law, **options)


def test_labels_of_any_whole_type_and_targets_of_whole_numbers():
    rng = np.random.default_rng(8)
    (students, _, _), _ = small(runs=2)
    x, labels = rng.standard_normal((32, 6)), rng.integers(0, 2, 32)
    wanted = train(students, x=x, y=labels, epochs=1, loss="cross_entropy", measures=[accuracy])
    for given in (labels.astype(np.uint16), labels.astype(bool), labels.tolist()):
        measures = Measures([accuracy], x, given)
        found = train(students, x=x, y=given, epochs=1, loss="cross_entropy", measures=measures)
        np.testing.assert_array_equal(found.loss, wanted.loss)
        np.testing.assert_array_equal(found.measured["accuracy"], wanted.measured["accuracy"])
    onehot = np.eye(2, dtype=int)[labels]
    found = train(students, x=x, y=onehot, epochs=1, measures=Measures([evaluation_loss], x, onehot))
    assert np.isfinite(found.measured["evaluation_loss"]).all()
    for bad in (labels.astype(complex), ["a"] * 32):
        with pytest.raises(ValueError, match="expected integer labels"):
            train(students, x=x, y=bad, epochs=1, loss="cross_entropy")
    with pytest.raises(ValueError, match="y are labels"):
        train(students, x=x, y=labels, epochs=1, loss="cross_entropy", measures=[evaluation_loss])


@pytest.mark.parametrize("rows", [49, 60])
def test_a_law_that_draws_another_number_is_refused(rows):
    class Wrong(Scaled):
        def sample(self, seed, count):
            return super().sample(seed, rows)

    (students, teacher, _), options = small(runs=2)
    with pytest.raises(ValueError, match=r"Wrong, gave float64 of shape \(\d+, 6\) for 160 samples"):
        train(students, teacher, Wrong(np.ones(6)), **options)


def test_runs_depend_on_their_own_seed_only():
    (students, teacher, law), options = small(runs=4)
    all_of_them = train(students, teacher, law, seed=[5, 6, 5, 8], **options)
    backwards = DeepReLU(tuple(w[::-1] for w in students.weights), tuple(b[::-1] for b in students.biases))
    turned = train(backwards, teacher, law, seed=[8, 5, 6, 5], blocks=Blocks(2), **options)
    for ours, theirs in zip(parameters(all_of_them.students), parameters(turned.students), strict=True):
        np.testing.assert_allclose(ours, theirs[::-1], rtol=1e-12)
    same = DeepReLU(tuple(w[[0, 0]] for w in students.weights), tuple(b[[0, 0]] for b in students.biases))
    for weights in parameters(train(same, teacher, law, seed=[5, 5], **options).students):
        np.testing.assert_array_equal(weights[0], weights[1])
    different = train(same, teacher, law, seed=5, **options).students.weights[0]
    assert np.abs(different[0] - different[1]).max() > 1e-4


@pytest.mark.parametrize("law", [Gaussian(5, 2.0), Uniform(5, 3.0), Sphere(5, 2.0)])
def test_laws_have_their_second_moments(law):
    drawn = law.sample(np.random.default_rng(0), 200_000)
    expected = {Gaussian: 4.0, Uniform: 3.0, Sphere: 4 / 5}[type(law)]  # E x_i^2
    covariance = drawn.T @ drawn / len(drawn)
    error = 5 * np.sqrt(3) * expected / np.sqrt(len(drawn))  # five standard errors at most, 2% of the value
    np.testing.assert_allclose(covariance, expected * np.eye(5), atol=error)
    if isinstance(law, Sphere):
        np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 2.0)


def test_labels_are_learned_with_the_cross_entropy_of_torch():
    images, labels = np.random.default_rng(2).standard_normal((48, 1, 4, 4)), np.arange(48) % 3
    one = ConvReLU((np.zeros((2, 1, 3, 3)),), np.zeros((3, 2)), (np.zeros(2), np.zeros(3)))
    flat = DeepReLU((np.zeros((4, 16)), np.zeros((3, 4))), (np.zeros(4), np.zeros(3)))
    for shape, inputs in ((one, images), (flat, images.reshape(48, 16))):
        students = random_student(shape, 1, np.random.default_rng(3), batch=(2,))
        found = train(students, x=inputs, y=labels, epochs=5, loss="cross_entropy", optimizer=SGD(0.1), seed=7, measures=[accuracy])  # fmt: skip
        for run in range(2):
            module = to_module(one_of(students, run))
            optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
            for epoch in range(5):
                order = epoch_order((7, run), 48, epoch)
                for k in range(0, 48, 16):
                    optimiser.zero_grad()
                    chosen = order[k : k + 16]
                    output = module(torch.tensor(inputs[chosen]))
                    torch.nn.functional.cross_entropy(output, torch.tensor(labels[chosen])).backward()
                    optimiser.step()
            for ours, theirs in zip(parameters(one_of(found.students, run)), module.parameters(), strict=False):
                if ours.shape == tuple(theirs.shape):
                    np.testing.assert_allclose(ours, theirs.detach(), atol=1e-10)
            right = (module(torch.tensor(inputs)).argmax(1).numpy() == labels).mean()
            assert found.measured["accuracy"][-1, run] == pytest.approx(right)


def test_given_inputs_and_targets_may_be_shared_or_each_run_its_own():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((3, 64, 6)), rng.standard_normal((3, 64, 2))
    (students, teacher, _), _ = small(runs=3)
    own = train(students, x=x, y=y, epochs=2, seed=[7, 8, 9])
    for run in range(3):
        alone = DeepReLU(tuple(w[[run]] for w in students.weights), tuple(b[[run]] for b in students.biases))
        single = train(alone, x=x[run], y=y[run], epochs=2, seed=[7 + run])
        for ours, theirs in zip(parameters(own.students), parameters(single.students), strict=True):
            np.testing.assert_allclose(ours[run], theirs[0], rtol=1e-12)
    shared = train(students, teacher, x[0], epochs=2, seed=7)
    spread = train(students, x=np.broadcast_to(x[0], x.shape), y=np.broadcast_to(teacher(x[0]), (3, 64, 2)), epochs=2, seed=7)  # fmt: skip
    for ours, theirs in zip(parameters(shared.students), parameters(spread.students), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_measures_are_taken_of_the_students_at_the_epochs_asked_for():
    (students, teacher, law), options = small(runs=5)
    named = {"loss": evaluation_loss, "best": best_student, "teachers": best_teacher, "rho": rho_mean, "out": fan_out, "all": node_correlations}  # fmt: skip
    measures = Measures(named, samples=80, keep_weights=True)
    found = train(students, teacher, law, seed=7, record=[0, 2, 3], measures=measures, **options)
    assert found.history.batch == (3, 5)
    for run in range(5):
        x = law.sample(stream((7, run), Purpose.EVALUATION), 80)
        for row in range(3):
            now = DeepReLU(tuple(w[row, run] for w in found.history.weights), tuple(b[row, run] for b in found.history.biases))  # fmt: skip
            wanted = ((now(x) - teacher(x)) ** 2).sum(1).mean() / 2
            assert found.measured["loss"][row, run] == pytest.approx(wanted, rel=1e-12)
            expected = np.corrcoef(teacher.activations(x)[0].T, now.activations(x)[0].T)[:3, 3:]
            np.testing.assert_allclose(found.measured["all"][row, run], expected, atol=1e-12)
            np.testing.assert_allclose(found.measured["best"][row, run], expected.max(1), atol=1e-12)
            np.testing.assert_allclose(found.measured["teachers"][row, run], expected.max(0), atol=1e-12)
            np.testing.assert_allclose(found.measured["rho"][row, run], expected.max(1).mean(), atol=1e-12)
            np.testing.assert_allclose(found.measured["out"][row, run], np.linalg.norm(now.weights[1], axis=0))
    for start, kept in zip(parameters(students), parameters(found.history), strict=True):
        np.testing.assert_array_equal(start, kept[0])
    for end, kept in zip(parameters(found.students), parameters(found.history), strict=True):
        np.testing.assert_array_equal(end, kept[-1])


def test_results_are_of_the_kind_and_shape_of_the_students():
    (students, teacher, law), options = small(runs=6)
    reshaped = DeepReLU(tuple(w.reshape(2, 3, *w.shape[1:]) for w in students.weights), tuple(b.reshape(2, 3, -1) for b in students.biases))  # fmt: skip
    found = train(reshaped, teacher, law, measures=[best_student], **options)
    assert found.students.batch == (2, 3)
    assert found.loss.shape == (2, 3, 3)
    assert found.measured["best_student"].shape == (2, 2, 3, 3)
    flat = train(students, teacher, law, **options)
    np.testing.assert_array_equal(found.loss.reshape(6, 3), flat.loss)
    tensors = DeepReLU(tuple(torch.tensor(w) for w in students.weights), tuple(torch.tensor(b) for b in students.biases))  # fmt: skip
    in_torch = train(tensors, teacher, law, **options)
    assert isinstance(in_torch.students.weights[0], torch.Tensor)
    np.testing.assert_array_equal(in_torch.loss, flat.loss)
    assert not np.shares_memory(students.weights[0], flat.students.weights[0])
    single = train(random_student(teacher, 2, np.random.default_rng(0)), teacher, law, dtype="float32", **options)
    assert single.students.batch == ()
    assert single.loss.dtype == np.float32
    one_output = TwoLayer(np.ones((4, 6)) * np.arange(1, 5)[:, None])
    assert train(one_output, TwoLayer(np.eye(6)[:2]), law, **options).students.widths == (6, 4, 1)


def test_settings_of_torch_and_numpy_are_left_alone():
    (students, teacher, law), options = small(runs=2)
    before = torch.get_num_threads(), torch.get_default_dtype(), torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002  # fmt: skip
    train(students, teacher, law, dtype="float32", **options)
    assert before[:2] == (torch.get_num_threads(), torch.get_default_dtype())
    assert torch.equal(before[2], torch.random.get_rng_state())
    np.testing.assert_array_equal(before[3], np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_what_a_cpu_gives(kind):
    students, teachers, inputs = case(kind)
    ours, expected = (train(students, teachers, inputs, epochs=3, device=d) for d in ("cuda", "cpu"))
    for a, b in zip(parameters(ours.students), parameters(expected.students), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within torch
def test_a_compiled_step_gives_what_a_plain_one_gives():
    for kind in ("two layers", "convolutional"):
        students, teachers, inputs = case(kind)
        for optimizer in (SGD(0.01), SGD(0.01, momentum=0.5, weight_decay=0.01), Adam(0.01)):
            compiled, plain = (
                train(students, teachers, inputs, epochs=2, optimizer=optimizer, blocks=Blocks(compile=c)).students
                for c in (True, False)
            )
            for a, b in zip(parameters(compiled), parameters(plain), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


class Lawless:
    """Draws, but does not say how many."""

    def sample(self, seed, count):
        return np.ones((count, 6))


def bad(message: str, **changes):
    """A refused call: `changes` replace options, or the positional arguments by their names."""
    return pytest.param(changes, message, id=message[:40])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        bad("expected a DeepReLU", students=np.ones((3, 3))),
        bad("must be of one kind", teacher=ConvReLU((np.ones((1, 6, 1, 1)),), np.ones((2, 1)))),
        bad("expected equal inputs and outputs", teacher=DeepReLU((np.ones((2, 6)), np.ones((3, 2))))),
        bad("passed as y", teacher=np.ones((160, 2))),
        bad("need a teacher network", teacher=None, y=np.ones((160, 2))),
        bad("teacher and y are not given", teacher=None),
        bad("teacher and y are both given", x=np.ones((20, 6)), y=np.ones((20, 2))),
        bad("has dimension 5", x=Gaussian(5)),
        bad("x is None", x=None),
        bad("a law with dimension, samples, fresh", x=Lawless()),
        bad("is nan", x=np.full((20, 6), np.nan), y=np.ones((20, 2)), teacher=None),
        bad(r"expected \(N, 6\) or \(10, N, 6\)", x=np.ones((20, 5))),
        bad(r"expected \(20, 2\)", x=np.ones((20, 6)), y=np.ones((20, 3)), teacher=None),
        bad("labels from 0 to 2", x=np.ones((20, 6)), y=np.arange(20) % 3, teacher=None, loss="cross_entropy"),
        bad("integer labels", x=np.ones((20, 6)), y=np.ones(20), teacher=None, loss="cross_entropy"),
        bad("takes labels", loss="cross_entropy"),
        bad("loss is 'absolute'", loss="absolute"),
        bad("epochs is -1", epochs=-1),
        bad("batch_size is 0", batch_size=0),
        bad("160, the number of samples", batch_size=161),
        bad("optimizer is float", optimizer=0.01),
        bad(r"do not broadcast: students \(10,\), learning_rate", optimizer=SGD(np.ones(3))),
        bad(r"expected \(3,\), a factor", optimizer=SGD(0.01, schedule=[1.0, 0.5])),
        bad("seed is", seed=-1),
        bad("seed is", seed=0.5),
        bad(r"do not broadcast: students \(10,\), seed", seed=[1, 2]),
        bad("record is 4", record=[4]),
        bad("record is empty", record=[]),
        bad("sequence of epochs", record=3),
        bad("dtype is 'float16'", dtype="float16"),
        bad("device is 'abacus'", device="abacus"),
        bad("same name", measures=[evaluation_loss, evaluation_loss]),
        bad("functions of an Evaluation", measures={"loss": 3}),
        bad("measures is function; expected a list", measures=evaluation_loss),
        bad("measure 'shape' returned", measures={"shape": lambda evaluation: evaluation.students.widths}),
        bad("samples of the measures is 0", measures=Measures(samples=0)),
        bad("x of the measures has shape", measures=Measures(x=np.ones((4, 5)))),
        bad("y but no x", measures=Measures(y=np.ones((4, 2)))),
        bad("x of the measures is a law", measures=Measures(x=Gaussian(6))),
        bad("no law to draw from", x=np.ones((20, 6)), measures=Measures(samples=5)),
        bad("folder is 3", checkpoint=3),
    ],
)
def test_bad_input_is_named_with_its_cure(changes, message):
    (students, teacher, law), options = small()
    with pytest.raises(ValueError, match=message):
        train(**{"students": students, "teacher": teacher, "x": law, "measures": LOSS, **options, **changes})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0.0), "learning_rate has the entry 0; expected numbers above 0"),
        (lambda: SGD([0.1, np.nan]), r"learning_rate\[1\] is nan"),
        (lambda: Adam(-1.0), "learning_rate has the entry -1"),
        (lambda: SGD(0.01, momentum=1.0), "momentum has the entry 1; expected numbers of at least 0 and below 1"),
        (lambda: SGD(0.01, weight_decay=-1.0), "weight_decay has the entry -1"),
        (lambda: SGD(0.01, nesterov=True), "nesterov is a variant"),
        (lambda: SGD(0.01, schedule=[1.0, 0.5, 0.0]), "a factor above 0"),
        (lambda: Adam(0.01, schedule=[[1.0]]), r"expected \(epochs,\)"),
        (lambda: Adam(0.01, beta1=1.0), "beta1 has the entry 1"),
        (lambda: Adam(0.01, beta2=-0.1), "beta2 has the entry -0.1"),
        (lambda: Adam(0.01, epsilon=0.0), "epsilon has the entry 0; expected numbers above 0"),
        (lambda: Blocks(0), "size is 0"),
        (lambda: Checkpoint("folder", every=-1), "every is -1"),
        (lambda: Gaussian(3, samples=0), "samples is 0"),
        (lambda: Gaussian(0), "dimension is 0"),
        (lambda: Sphere(3, -1.0), "radius is -1"),
    ],
)
def test_objects_refuse_what_they_cannot_be(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_without_torch_the_extra_is_named(monkeypatch):
    (students, teacher, law), options = small(runs=2)
    for module in ("torch", "sklearn"):
        monkeypatch.setitem(sys.modules, module, None)
    for call in (lambda: train(students, teacher, law, **options), lambda: to_module(teacher), lambda: from_module(0)):
        with pytest.raises(ImportError, match=r'torch, which is not installed: pip install "alignmath\[torch\]"'):
            call()
    with pytest.raises(ImportError, match=r'scikit-learn, which is not installed: pip install "alignmath\[images\]"'):
        digits()


def test_importing_does_not_load_torch():
    code = "import solvers.dynamics.training, solvers.modules, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


def test_a_generator_for_a_seed_gives_one_stream_for_the_call():
    (students, teacher, law), options = small(runs=2)
    first, again = (train(students, teacher, law, seed=np.random.default_rng(4), **options).loss for _ in range(2))
    np.testing.assert_array_equal(first, again)
    generator = np.random.default_rng(4)
    train(students, teacher, law, seed=generator, **options)
    assert np.abs(train(students, teacher, law, seed=generator, **options).loss - first).max() > 1e-6


def test_a_measure_that_needs_a_teacher_says_so():
    (students, _, _), _ = small()
    with pytest.raises(ValueError, match="compares with a teacher"):
        train(students, x=np.ones((20, 6)), y=np.ones((20, 2)), epochs=1, measures=[best_student])


def test_checkpoints_that_are_damaged_or_of_another_block_or_call_are_refused_by_name(tmp_path):
    students, teacher = random_student(planar([0.0]), 2, np.random.default_rng(0), batch=(4,)), planar([0.0])
    law = Gaussian(2, samples=32)
    options = {"epochs": 1, "blocks": Blocks(2)}
    for name, seed in (("one", 0), ("other", 1)):
        train(students, teacher, law, checkpoint=tmp_path / name, seed=seed, **options)
    first, second = (tmp_path / "one" / f"block-000{k}.npz" for k in (0, 1))
    whole = first.read_bytes()
    with np.load(first) as stored:
        arrays = dict(stored)
    name = next(key for key, value in arrays.items() if value.dtype.kind == "f" and value.size)
    with open(tmp_path / "changed.npz", "wb") as file:
        np.savez(file, **arrays | {name: arrays[name] + 1})
    for content, message in (
        (whole[: len(whole) // 2], "is damaged, or no checkpoint"),
        (b"", "is damaged, or no checkpoint"),
        (second.read_bytes(), "is damaged, or of another block or call"),
        ((tmp_path / "other" / "block-0000.npz").read_bytes(), "is damaged, or of another block or call"),
        ((tmp_path / "changed.npz").read_bytes(), "is damaged, or of another block"),
    ):
        first.write_bytes(content)
        with pytest.raises(ValueError, match=rf"block-0000.npz {message}.*; delete .*block-0000.npz, and its runs"):
            train(students, teacher, law, checkpoint=tmp_path / "one", seed=0, **options)
    first.unlink()  # the cure
    again = train(students, teacher, law, checkpoint=tmp_path / "one", seed=0, **options)
    np.testing.assert_array_equal(again.loss, train(students, teacher, law, seed=0, **options).loss)
    with pytest.raises(ValueError, match="folder is ''; expected the path of a folder"):
        train(students, teacher, law, checkpoint="", **options)
