"""The batched trainer against plain torch.nn and torch.optim, run by run; divergence, resuming, bad input."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from alignmath.networks import ConvReLU, DeepReLU, random_student, random_teacher
from solvers.modules import from_module, to_module
from solvers.solution import RunStatus
from solvers.training import Gaussian, epoch_inputs, epoch_order, train

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
