"""The batched trainer against plain torch.nn and torch.optim, run by run; divergence, resuming, bad input."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from alignmath.networks import ConvReLU, DeepReLU, TwoLayer, random_student, random_teacher
from solvers.dynamics.training import Gaussian, Sphere, Uniform, data, epoch_inputs, epoch_order, train
from solvers.dynamics.training.inputs import Purpose, stream
from solvers.dynamics.training.measures import (
    accuracy,
    best_student,
    best_teacher,
    evaluation_loss,
    fan_out,
    node_correlations,
    rho_mean,
)
from solvers.modules import from_module, to_module
from solvers.runs import RunStatus

OPTIONS = {
    "plain": {},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.5, "nesterov": True},
    "decay": {"weight_decay": 0.01},
    "momentum and decay": {"momentum": 0.9, "weight_decay": 0.01},
    "schedule": {"schedule": [1.0, 0.5, 0.25, 0.1]},
    "mean squared": {"loss": "mean_squared"},
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
    law = Gaussian(8, 1.5)
    sample = None if "without" in kind else law.sample(rng, 200)
    each = [random_teacher(widths, rng, inputs=sample, polarity=0.5) for _ in range(RUNS)]
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
    student,
    teacher,
    inputs,
    run,
    *,
    epochs,
    samples,
    fresh=False,
    batch=16,
    schedule=None,
    loss="half_squared",
    **optim,
):
    """One run, written with torch.nn and torch.optim, on the data that `train` documents; returns the module and the losses of its steps."""
    module, target = to_module(student), to_module(teacher)
    optimiser = torch.optim.SGD(module.parameters(), **optim)
    losses = []
    for epoch in range(epochs):
        for group in optimiser.param_groups:
            group["lr"] = optim["lr"] * (1.0 if schedule is None else schedule[epoch])
        if isinstance(inputs, np.ndarray):
            x = torch.tensor(inputs)
        else:
            x = torch.tensor(epoch_inputs(inputs, (7, run), samples, epoch if fresh else 0))
        order = np.arange(samples) if fresh else epoch_order((7, run), samples, epoch)
        for k in range(0, samples - samples % batch, batch):
            chosen = x[order[k : k + batch]]
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


@pytest.mark.parametrize(("kind", "name"), list(itertools.product(KINDS, OPTIONS)))
def test_training_equals_single_runs_of_torch_to_rounding(kind, name):
    students, teachers, inputs = case(kind)
    options = {"learning_rate": 0.01, **OPTIONS[name]}
    samples = 80 if kind == "convolutional" else 805  # 5 of the 805 are left out in each epoch
    epochs = 40 if kind == "convolutional" else 4  # 200 steps
    if "schedule" in options and kind == "convolutional":
        options["schedule"] = np.repeat(options["schedule"], 10)
    fresh = kind == "two layers" and name == "plain"
    found = train(students, teachers, inputs, epochs=epochs, samples=samples, fresh=fresh, seed=7, **options)
    for run in range(RUNS):
        each = {k: v[run] if isinstance(v, list) and k != "schedule" else v for k, v in options.items()}
        module, losses = plain_loop(
            one_of(students, run), one_of(teachers, run), inputs, run,
            epochs=epochs, samples=samples, fresh=fresh, lr=each.pop("learning_rate"), **each,
        )  # fmt: skip
        assert len(losses) == 200
        for ours, theirs in zip(parameters(one_of(found.students, run)), parameters(from_module(module)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
        np.testing.assert_allclose(found.loss[run], np.reshape(losses, (epochs, -1)).mean(1), rtol=1e-10)
    assert (found.status == RunStatus.FINISHED).all()
    assert (found.stopped == 200).all()


def small(runs: int = 10, seed: int = 1, **options):
    """Arguments of a small two-layer problem, every run with its own start."""
    rng = np.random.default_rng(seed)
    law = Gaussian(6, 1.0)
    teacher = random_teacher((6, 3, 2), rng, inputs=law.sample(rng, 100))
    students = random_student(teacher, 2, rng, batch=(runs,))
    return (students, teacher, law), {"epochs": 3, "samples": 160, "evaluation": 50, **options}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_runs_that_diverge_leave_the_others_unchanged_to_the_bit(dtype, momentum):
    arguments, options = small(runs=40, dtype=dtype, momentum=momentum, measures=[evaluation_loss], record=[0, 1, 3])
    rates = np.full(40, 0.02)
    calm = train(*arguments, learning_rate=rates, **options)
    assert not calm.diverged
    wild = np.array([3, 11, 20, 39])  # ten per cent
    rates[wild] = 1e6
    found = train(*arguments, learning_rate=rates, **options)
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
    (students, teacher, law), options = small(runs=2, learning_rate=[0.02, 1e4])
    found = train(students, teacher, law, seed=7, **options)
    # torch's own single run
    run, numbers = found.diverged[0]
    assert run == (1,)
    _, losses = plain_loop(one_of(students, 1), batch_of(teacher, 2)[1], law, 1, epochs=3, samples=160, lr=1e4)
    assert numbers == int(np.flatnonzero(~np.isfinite(losses))[0])
    assert found.stopped.tolist() == [30, numbers]
    assert found.status.tolist() == [RunStatus.FINISHED, RunStatus.DIVERGED]


def batch_of(network, runs: int) -> list:
    """The network, in torch, once for each run."""
    weights, biases = (tuple(torch.tensor(array) for array in group) for group in (network.weights, network.biases))
    return [DeepReLU(weights, biases)] * runs


def test_weights_that_are_finite_and_outputs_that_are_not_are_measured_as_nan():
    rng = np.random.default_rng(0)
    law = Gaussian(5, 1.0)
    teacher = random_teacher((5, 4, 4, 4, 4, 2), rng, inputs=law.sample(rng, 100))
    students = random_student(teacher, 2, rng, batch=(4,))
    found = train(
        students, teacher, law,
        epochs=2, samples=32, batch=32, learning_rate=[0.01, 1e12, 1e12, 1e12], dtype="float32",
        record=[0, 1, 2], measures=[rho_mean, evaluation_loss], evaluation=100,
    )  # fmt: skip
    assert [run for run, _ in found.diverged] == [(1,), (2,), (3,)]
    assert np.isfinite(found.measured["rho_mean"][:, 0]).all()
    assert np.isnan(found.measured["rho_mean"][1:, 1:]).all()
    assert np.isnan(found.measured["evaluation_loss"][1:, 1:]).all()


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from solvers.dynamics.training import data
from test_training import small, train, evaluation_loss
data._ROOM = 4000  # a few steps between checkpoints
arguments, options = small(runs=4, epochs=60, momentum=0.5, fresh={fresh}, measures=[evaluation_loss], record=[0, 30, 60])
train(*arguments, block=2, checkpoint={folder!r}, checkpoint_every=0.0, **options)
"""


@pytest.mark.parametrize("fresh", [False, True])
def test_a_killed_run_resumes_to_the_same_result_to_the_bit(tmp_path, fresh, monkeypatch):
    folder = tmp_path / "state"
    source = KILLED.format(tests=str(Path(__file__).parent), fresh=fresh, folder=str(folder))
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

    monkeypatch.setattr(data, "_ROOM", 4000)
    arguments, options = small(
        runs=4, epochs=60, momentum=0.5, fresh=fresh, measures=[evaluation_loss], record=[0, 30, 60], block=2
    )
    begun = [data.Samples.batches, 0]

    def counted(self, epoch, start=0):
        for batches in begun[0](self, epoch, start):
            begun[1] += len(batches.inputs)
            yield batches

    monkeypatch.setattr(data.Samples, "batches", counted)
    resumed = train(*arguments, checkpoint=folder, **options)
    assert 0 < begun[1] < 600  # neither the finished block nor the finished part of the other is trained again
    whole = train(*arguments, **options)
    for ours, expected in zip(parameters(resumed.students), parameters(whole.students), strict=True):
        np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(resumed.loss, whole.loss)
    np.testing.assert_array_equal(resumed.measured["evaluation_loss"], whole.measured["evaluation_loss"])
    again = train(*arguments, checkpoint=folder, **options)
    np.testing.assert_array_equal(again.loss, whole.loss)
    with pytest.raises(ValueError, match="other hyper-parameters"):
        train(*arguments, checkpoint=folder, learning_rate=0.02, **options)
    with pytest.raises(ValueError, match="other students, seed;"):
        train(random_student(arguments[1], 2, np.random.default_rng(9), batch=(4,)), *arguments[1:], checkpoint=folder, seed=3, **options)  # fmt: skip


class Scaled:
    """A user's law, whose repr is its address."""

    def __init__(self, scales):
        self.scales, self.dimension = np.asarray(scales), len(scales)

    def sample(self, rng, count):
        return self.scales * rng.standard_normal((count, self.dimension))


def test_a_checkpoint_knows_laws_by_what_they_draw_and_measures_by_their_arguments(tmp_path):
    (students, teacher, _), options = small(runs=2)
    for layer in (-1, 1):
        measures = {"best": partial(best_student, layer=layer)}
        first, again = (
            train(students, teacher, Scaled([1.0] * 6), measures=measures, checkpoint=tmp_path / str(layer), **options)
            for _ in range(2)
        )
        np.testing.assert_array_equal(first.loss, again.loss)
    with pytest.raises(ValueError, match="other inputs;"):
        train(students, teacher, Scaled([1.0] * 5 + [1.1]), measures=measures, checkpoint=tmp_path / "1", **options)
    with pytest.raises(ValueError, match="other options;"):
        train(students, teacher, Scaled([1.0] * 6), measures={"best": best_student}, checkpoint=tmp_path / "1", **options)  # fmt: skip
    with pytest.raises(ValueError, match="no folder"):
        train(students, teacher, Scaled([1.0] * 6), checkpoint=tmp_path / "1" / "asked.json", **options)
    (tmp_path / "1" / "asked.json").write_text("")
    with pytest.raises(ValueError, match="damaged"):
        train(students, teacher, Scaled([1.0] * 6), checkpoint=tmp_path / "1", **options)


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
    options = {"epochs": 0, "evaluation": 50}
    best = train(students, teacher, Gaussian(4), measures=[best_student], **options).measured["best_student"]
    assert best.shape == (1, 2, 3)  # top hidden layer of both
    with pytest.raises(ValueError, match="rho_mean needs equal depths"):
        train(students, teacher, Gaussian(4), measures=[rho_mean], **options)
    for layer in (0, 2, 3, -2):
        with pytest.raises(ValueError, match=f"layer is {layer}"):
            train(students, teacher, Gaussian(4), measures={"c": partial(node_correlations, layer=layer)}, **options)


def test_what_single_precision_cannot_hold_is_refused_by_name():
    (students, teacher, law), options = small(runs=3, dtype="float32", measures=[evaluation_loss])
    x, y = np.ones((3, 32, 6)), np.ones((3, 32, 2))
    options.pop("evaluation")
    huge = np.ones((3, 1, 1))
    huge[1] = 1e300
    given = {"epochs": 1, "dtype": "float32", "measures": [evaluation_loss]}
    with pytest.raises(ValueError, match="target has entries beyond the range of"):
        train(students, huge * y, x, **given)
    with pytest.raises(ValueError, match="inputs has entries beyond the range of"):
        train(students, y, huge * x, **given)
    with pytest.raises(ValueError, match="weight_decay has the entry 1e\\+39"):
        train(students, teacher, law, weight_decay=1e39, **options)
    strong = DeepReLU(tuple(1e25 * w for w in teacher.weights), teacher.biases)
    with pytest.raises(ValueError, match="outputs that are not finite"):
        train(students, strong, law, **options)


def test_labels_of_any_whole_type_and_targets_of_whole_numbers():
    rng = np.random.default_rng(8)
    (students, _, _), _ = small(runs=2)
    x, labels = rng.standard_normal((32, 6)), rng.integers(0, 2, 32)
    wanted = train(students, labels, x, epochs=1, loss="cross_entropy", measures=[accuracy])
    for given in (labels.astype(np.uint16), labels.astype(bool), labels.tolist()):
        found = train(students, given, x, epochs=1, loss="cross_entropy", measures=[accuracy], evaluation=(x, given))
        np.testing.assert_array_equal(found.loss, wanted.loss)
        np.testing.assert_array_equal(found.measured["accuracy"], wanted.measured["accuracy"])
    onehot = np.eye(2, dtype=int)[labels]
    found = train(students, onehot, x, epochs=1, measures=[evaluation_loss], evaluation=(x, onehot))
    assert np.isfinite(found.measured["evaluation_loss"]).all()
    for bad in (labels.astype(complex), ["a"] * 32, None):
        with pytest.raises(ValueError, match="expected integer labels"):
            train(students, bad, x, epochs=1, loss="cross_entropy")
    with pytest.raises(ValueError, match="targets are labels"):
        train(students, labels, x, epochs=1, loss="cross_entropy", measures=[evaluation_loss])


@pytest.mark.parametrize("rows", [49, 60])
def test_a_law_that_draws_another_number_is_refused(rows):
    class Wrong(Scaled):
        def sample(self, rng, count):
            return super().sample(rng, rows)

    (students, teacher, _), options = small(runs=2)
    with pytest.raises(ValueError, match=r"Wrong, gave float64 of shape \(\d+, 6\) for 160 samples"):
        train(students, teacher, Wrong(np.ones(6)), **options)


def test_runs_depend_on_their_own_seed_only():
    (students, teacher, law), options = small(runs=4)
    all_of_them = train(students, teacher, law, seed=[5, 6, 5, 8], **options)
    backwards = DeepReLU(tuple(w[::-1] for w in students.weights), tuple(b[::-1] for b in students.biases))
    turned = train(backwards, teacher, law, seed=[8, 5, 6, 5], block=2, **options)
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
        found = train(students, labels, inputs, epochs=5, loss="cross_entropy", learning_rate=0.1, seed=7, measures=[accuracy], evaluation=(inputs, labels))  # fmt: skip
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
    own = train(students, y, x, epochs=2, seed=[7, 8, 9])
    for run in range(3):
        alone = DeepReLU(tuple(w[[run]] for w in students.weights), tuple(b[[run]] for b in students.biases))
        single = train(alone, y[run], x[run], epochs=2, seed=[7 + run])
        for ours, theirs in zip(parameters(own.students), parameters(single.students), strict=True):
            np.testing.assert_allclose(ours[run], theirs[0], rtol=1e-12)
    shared = train(students, teacher, x[0], epochs=2, seed=7)
    spread = train(students, np.broadcast_to(teacher(x[0]), (3, 64, 2)), np.broadcast_to(x[0], x.shape), epochs=2, seed=7)  # fmt: skip
    for ours, theirs in zip(parameters(shared.students), parameters(spread.students), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_measures_are_taken_of_the_students_at_the_epochs_asked_for():
    (students, teacher, law), options = small(runs=5)
    options |= {"record": [0, 2, 3], "keep_weights": True, "evaluation": 80}
    measures = {"loss": evaluation_loss, "best": best_student, "teachers": best_teacher, "rho": rho_mean, "out": fan_out, "all": node_correlations}  # fmt: skip
    found = train(students, teacher, law, seed=7, measures=measures, **options)
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
    ours, expected = (train(students, teachers, inputs, epochs=3, samples=80, device=d) for d in ("cuda", "cpu"))
    for a, b in zip(parameters(ours.students), parameters(expected.students), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within torch
def test_a_compiled_step_gives_what_a_plain_one_gives():
    for kind in ("two layers", "convolutional"):
        students, teachers, inputs = case(kind)
        options = {"epochs": 2, "samples": 80, "momentum": 0.5}
        compiled, plain = (train(students, teachers, inputs, compile=c, **options) for c in (True, False))
        for a, b in zip(parameters(compiled.students), parameters(plain.students), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def bad(message: str, **changes):
    """A refused call: `changes` replace options, or the positional arguments by their names."""
    return pytest.param(changes, message, id=message[:40])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        bad("expected a DeepReLU", students=np.ones((3, 3))),
        bad("must be of one kind", target=ConvReLU((np.ones((1, 6, 1, 1)),), np.ones((2, 1)))),
        bad("expected equal inputs and outputs", target=DeepReLU((np.ones((2, 6)), np.ones((3, 2))))),
        bad("need a teacher network", target=np.ones((160, 2))),
        bad("has dimension 5", inputs=Gaussian(5)),
        bad("is nan", inputs=np.full((20, 6), np.nan), target=np.ones((20, 2))),
        bad(r"expected \(N, 6\) or \(10, N, 6\)", inputs=np.ones((20, 5))),
        bad(r"expected \(20, 2\)", inputs=np.ones((20, 6)), target=np.ones((20, 3))),
        bad("labels from 0 to 2", inputs=np.ones((20, 6)), target=np.arange(20) % 3, loss="cross_entropy"),
        bad("integer labels", inputs=np.ones((20, 6)), target=np.ones(20), loss="cross_entropy"),
        bad("takes labels", loss="cross_entropy"),
        bad("loss is 'absolute'", loss="absolute"),
        bad("epochs is -1", epochs=-1),
        bad("batch is 0", batch=0),
        bad("160, the number of samples", batch=161),
        bad("learning_rate has the entry 0", learning_rate=0.0),
        bad(r"learning_rate\[\] is nan", learning_rate=np.nan),
        bad(r"do not broadcast: students \(10,\), learning_rate", learning_rate=np.ones(3)),
        bad("momentum has the entry 1", momentum=1.0),
        bad("weight_decay has the entry -1", weight_decay=-1.0),
        bad("nesterov is a variant", nesterov=True),
        bad(r"expected \(3,\), a factor", schedule=[1.0, 0.5]),
        bad("a factor above 0", schedule=[1.0, 0.5, 0.0]),
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
        bad("evaluation is 0", evaluation=0),
        bad("evaluation has shape", evaluation=np.ones((4, 5))),
        bad("block is 0", block=0),
        bad("fresh draws new samples", inputs=np.ones((20, 6)), fresh=True, evaluation=None),
        bad("no law to draw from", inputs=np.ones((20, 6)), evaluation=5),
    ],
)
def test_bad_input_is_named_with_its_cure(changes, message):
    (students, target, inputs), options = small()
    changed = {"students": students, "target": target, "inputs": inputs, "measures": [evaluation_loss], **options, **changes}  # fmt: skip
    if isinstance(changed["inputs"], np.ndarray) and "evaluation" not in changes:
        changed["evaluation"] = None
    with pytest.raises(ValueError, match=message):
        train(changed.pop("students"), changed.pop("target"), changed.pop("inputs"), **changed)


def test_a_measure_that_needs_a_teacher_says_so():
    (students, _, _), _ = small()
    with pytest.raises(ValueError, match="compares with a teacher"):
        train(students, np.ones((20, 2)), np.ones((20, 6)), epochs=1, measures=[best_student])
