"""Networks and runs in files: back to the bit; whole or not at all; what is no such file is refused."""

from __future__ import annotations

import dataclasses
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alignmath.activations import ERF, GELU, RELU, SOFTPLUS, STEP, TANH, from_functions, leaky_relu, monomial
from alignmath.architectures import (
    Convolution,
    ConvolutionalResNet,
    Dense,
    FullyConnected,
    GlobalAveragePooling,
    Nonlinearity,
    Residual,
    ResNet,
    StandardParametrisation,
    serial,
)
from alignmath.networks import ConvReLU, DeepReLU, TwoLayer, gaussian_weights, random_student, regular_polygon
from solvers.dynamics.descent import descend
from solvers.dynamics.gradient_flow import flow
from solvers.dynamics.training import SGD, Gaussian, Measures, train
from solvers.dynamics.training.measures import evaluation_loss
from solvers.dynamics.wide_networks import follow, random_network
from solvers.files import load, replace_file, save
from solvers.interpolation import is_recoverable, min_norm, min_norm_1d, penalized
from solvers.landscape import critical_points
from solvers.runs import RunStatus, Training, Trajectory

SUFFIXES = [".npz", ".safetensors"]


def assert_same(found, wanted, library="numpy"):
    """The same kinds, shapes, dtypes and bits all the way down."""
    if dataclasses.is_dataclass(wanted):
        assert type(found) is type(wanted)
        for field in dataclasses.fields(wanted):
            assert_same(getattr(found, field.name), getattr(wanted, field.name), library)
    elif isinstance(wanted, tuple | dict):
        assert type(found) is type(wanted)
        assert list(found) == list(wanted) if isinstance(wanted, dict) else len(found) == len(wanted)
        for k in wanted if isinstance(wanted, dict) else range(len(wanted)):
            assert_same(found[k], wanted[k], library)
    elif isinstance(wanted, np.ndarray | torch.Tensor):
        assert isinstance(found, torch.Tensor if library == "torch" else np.ndarray)
        ours, theirs = (np.asarray(v.detach() if isinstance(v, torch.Tensor) else v) for v in (found, wanted))
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        assert ours.tobytes() == theirs.tobytes()
    else:
        assert type(found) is type(wanted)
        assert found == wanted or (found != found and wanted != wanted)


@st.composite
def networks(draw):
    """Networks of all kinds and batches, either precision and library; weights that broadcast, that are transposed, subnormal or -0."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    kind, as_torch = draw(st.sampled_from(["float32", "float64"])), draw(st.booleans())

    def array(*shape, every=True):
        values = rng.standard_normal((*(batch if every else ()), *shape)) * draw(st.sampled_from([1.0, 1e-42, -0.0]))
        values = values.astype(kind).swapaxes(0, -1).copy().swapaxes(0, -1)
        return torch.tensor(values, requires_grad=draw(st.booleans())) if as_torch else values

    form, depth = draw(st.sampled_from([TwoLayer, DeepReLU, ConvReLU])), draw(st.integers(1, 3))
    widths = [draw(st.integers(1, 4)) for _ in range(depth + 1)]
    if form is TwoLayer:
        return TwoLayer(array(*widths[:2]), array(widths[0], every=draw(st.booleans())))
    pairs = list(zip(widths[1:], widths[:-1], strict=True))
    biases = tuple(array(n, every=False) for n in widths[1:]) if draw(st.booleans()) else None
    if form is DeepReLU or depth == 1:
        return DeepReLU(tuple(array(*pair) for pair in pairs), biases)
    kernels = tuple(array(*pair, size, size) for pair in pairs[:-1] for size in [draw(st.sampled_from([1, 3]))])
    strides = tuple(draw(st.integers(1, 3)) for _ in kernels)
    return ConvReLU(kernels, array(*pairs[-1]), biases, strides)


@settings(max_examples=60)
@given(networks(), st.sampled_from(SUFFIXES), st.sampled_from(["numpy", "torch"]))
def test_a_network_comes_back_to_the_bit(tmp_path_factory, network, suffix, library):
    path = tmp_path_factory.getbasetemp() / f"network{suffix}"
    save(path, network)
    found = load(path, library=library)
    assert_same(found, network, library)
    assert found.batch == network.batch


@pytest.fixture(scope="module")
def runs():
    """Results of training and descent, NumPy and torch; one run of training has diverged."""
    rng = np.random.default_rng(0)
    teacher = DeepReLU((rng.standard_normal((3, 4)), rng.standard_normal((2, 3))), (np.zeros(3), np.zeros(2)))
    students = random_student(teacher, 2, rng, batch=(2,))
    measures = {
        "loss": evaluation_loss,
        "not a name": evaluation_loss,
        "loss.npy": evaluation_loss,
    }
    law, options = Gaussian(4, samples=40), {"epochs": 2, "optimizer": SGD([0.01, 1e9])}
    training = train(students, teacher, law, measures=Measures(measures, samples=10, keep_weights=True), **options)
    tensors = DeepReLU(
        tuple(torch.tensor(w) for w in students.weights), tuple(torch.tensor(b) for b in students.biases)
    )
    images = rng.standard_normal((8, 1, 4, 4))
    conv = random_student(ConvReLU((np.ones((2, 1, 3, 3)),), np.ones((3, 2)), strides=(2,)), 1, rng, batch=(2, 1))
    labels = np.arange(8) % 3
    start = gaussian_weights(3, 2, rng, batch=(2,))
    return {
        "training": training,
        "training in torch": train(tensors, teacher, law, measures=measures, dtype="float32", **options),
        "convolutional training": train(conv, x=images, y=labels, loss="cross_entropy", epochs=1, batch_size=4),
        "no epochs": train(students, teacher, Gaussian(4, samples=16), epochs=0),
        "descent": descend(start, regular_polygon(3), learning_rate=0.1, steps=3),
        "flow": flow(TwoLayer(start.hidden[0]), regular_polygon(3), [0.0, 1.0]),
        "flow of many outputs": flow(DeepReLU(tuple(w[0] for w in students.weights)), DeepReLU(teacher.weights), [0.0, 1.0]),
    }  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize(
    "name",
    ["training", "training in torch", "convolutional training", "no epochs", "descent", "flow", "flow of many outputs"],
)
def test_a_run_comes_back_to_the_bit(name, library, suffix, runs, tmp_path):
    save(tmp_path / f"run{suffix}", runs[name])
    found = load(tmp_path / f"run{suffix}", library=library)
    assert_same(found, runs[name], library)
    if name == "training":
        assert [run for run, _ in found.diverged] == [(1,)]
        assert np.asarray(found.status).tolist() == [RunStatus.FINISHED, RunStatus.DIVERGED]


def test_runs_are_of_both_kinds(runs):
    assert {type(run) for run in runs.values()} == {Training, Trajectory}
    assert runs["training"].history is not None
    assert np.isnan(runs["training"].measured["loss"]).any()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_measures_may_have_any_names(suffix, runs, tmp_path):
    names = ["", "x", "x.npy", "../x", "1", "a/b", "file", "header", "Größe", "\ud800", "x\0"]
    measured = {name: np.array(float(k)) for k, name in enumerate(names)}
    run = dataclasses.replace(runs["training"], measured=measured)
    save(tmp_path / f"run{suffix}", run)
    assert_same(load(tmp_path / f"run{suffix}"), run)


def test_other_programs_find_the_arrays_by_name(runs, tmp_path):
    save(tmp_path / "run.npz", runs["training"])
    with np.load(tmp_path / "run.npz") as stored:
        names = set(stored.files)
        np.testing.assert_array_equal(stored["measured/loss"], runs["training"].measured["loss"])
        header = json.loads(str(stored["header"]))
    assert {
        "loss",
        "students/weights/0",
        "students/biases/1",
        "history/weights/0",
        "measured/loss",
        "measured/1",
    } < names
    assert (header["format"], header["version"], header["value"]["kind"]) == ("alignmath", 1, "Training")


def test_arrays_that_came_back_can_be_written_to(tmp_path):
    for suffix in SUFFIXES:
        save(tmp_path / f"n{suffix}", TwoLayer(np.ones((2, 2)), np.ones((3, 2))))
        network = load(tmp_path / f"n{suffix}")
        network.hidden[:] = 2.0
        load(tmp_path / f"n{suffix}", library="torch").hidden.mul_(2.0)


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "network.npz"
    save(path, regular_polygon(3))

    def half(file):
        file.write(b"half of it")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(path, half)
    assert_same(load(path), regular_polygon(3))
    save(path, regular_polygon(5))
    assert_same(load(path), regular_polygon(5))
    assert [found.name for found in tmp_path.iterdir()] == ["network.npz"]
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "nowhere" / "network.npz", regular_polygon(3))


@pytest.mark.parametrize("name", ["network", "network.pkl", "network.pt", "network.npy"])
def test_other_suffixes_are_refused(name, tmp_path):
    for act in (lambda: save(tmp_path / name, regular_polygon(3)), lambda: load(tmp_path / name)):
        with pytest.raises(ValueError, match=r"suffix .*expected \.npz or \.safetensors"):
            act()


X, Y = np.array([[1.0, 0.2], [-0.3, 1.0], [0.5, -1.0], [2.0, 2.0]]), np.array([1.0, -1.0, 0.5, 2.0])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize(
    "solve",
    [
        lambda: min_norm(X, Y),
        lambda: min_norm(X, Y, rigorous=True),
        lambda: min_norm_1d(X[:, 0], Y),
        lambda: penalized(X, Y, 0.1),
        lambda: is_recoverable(regular_polygon(3), X),
        lambda: is_recoverable(regular_polygon(3), np.eye(2)),
        lambda: critical_points(gaussian_weights(2, 2, 0, batch=(3,)), regular_polygon(3)),
    ],
)
def test_a_solution_comes_back_to_the_bit(solve, library, suffix, tmp_path):
    solution = solve()
    save(tmp_path / f"solution{suffix}", solution)
    found = load(tmp_path / f"solution{suffix}", library=library)
    assert_same(found, solution)
    if hasattr(solution, "advice"):
        assert found.advice == solution.advice


@pytest.mark.parametrize(
    "architecture",
    [
        FullyConnected(2, TANH),
        FullyConnected(2, (leaky_relu(0.1234567890123456), monomial(2)), weight_variance=2.0, bias_variance=0.1),
        ResNet(3, SOFTPLUS, scale=0.3),
        ConvolutionalResNet(2, ERF, patch=5),
        FullyConnected(2, ERF, weight_variance=(1.0, 2.0), bias_variance=(0.0, 0.1, 0.2)),
        serial(Convolution(), Nonlinearity(RELU), GlobalAveragePooling(), Dense()),
        StandardParametrisation(FullyConnected(1, RELU, weight_variance=2.0), 6, biases=True),
        serial(
            Dense(), Nonlinearity(RELU), Residual(Dense(), Nonlinearity(GELU), factor=0.3), Dense(bias_variance=1.0)
        ),
    ],
    ids=lambda architecture: type(architecture).__name__,
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_wide_network_comes_back_to_the_bit(architecture, suffix, tmp_path):
    size = (3, 8) if architecture.images else 3
    network = random_network(size, architecture, 6, seed=1)
    save(tmp_path / f"network{suffix}", network)
    found = load(tmp_path / f"network{suffix}")
    x = np.random.default_rng(2).standard_normal((4, *(size if isinstance(size, tuple) else (size,))))
    assert torch.equal(found(x), network(x))
    for ours, theirs in ((network.weights, found.weights), (network.biases or (), found.biases or ())):
        assert len(ours) == len(theirs)
        assert all((a is None and b is None) or torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert repr(found.architecture) == repr(network.architecture)


def test_the_descent_of_a_wide_network_comes_back_to_the_bit(tmp_path):
    run = follow(random_network(2, FullyConnected(1, TANH), 20), X, Y, 5)
    save(tmp_path / "descent.npz", run)
    found = load(tmp_path / "descent.npz", library="torch")
    assert found.status is run.status
    assert found.bound_holds == run.bound_holds
    np.testing.assert_array_equal(found.grams, run.grams)
    assert torch.equal(found.network.output, run.network.output)


@pytest.mark.parametrize("activation", [TANH, ERF, STEP, RELU, leaky_relu(1 / 3), monomial(3)], ids=lambda s: s.name)
def test_biases_and_activations_come_back(activation, tmp_path):
    network = TwoLayer(np.ones((3, 2)), bias=[1.0, 2.0, 3.0], activation=activation)
    save(tmp_path / "network.npz", network)
    found = load(tmp_path / "network.npz")
    assert found.activation.name == activation.name
    assert found.activation.slopes == activation.slopes
    np.testing.assert_array_equal(found(X), network(X))


def test_an_activation_of_ones_own_is_not_written(tmp_path):
    own = from_functions("tanh", np.tanh, lambda t: 1 - np.tanh(t) ** 2, lipschitz=1.0, smoothness=1.0, analytic=True)
    with pytest.raises(ValueError, match="tanh is an activation of your own"):
        save(tmp_path / "network.npz", TwoLayer([[1.0]], activation=own))
    assert not list(tmp_path.iterdir())


def test_values_of_other_kinds_are_refused(tmp_path):
    for value in (np.ones(3), {"a": 1}, RunStatus.LOSS, FullyConnected(1, RELU), None):
        with pytest.raises(ValueError, match=r"save writes TwoLayer, DeepReLU, .*MinNormSolution.* Training, Descent"):
            save(tmp_path / "value.npz", value)
    assert not list(tmp_path.iterdir())


def with_measure(runs, measure):
    return dataclasses.replace(runs["training"], measured={"m": measure})


def test_values_that_are_no_numbers_are_refused(runs, tmp_path):
    for measure, message in (
        ([1.0], "measured/m is a list"),
        (np.array([None]), "measured/m has dtype object"),
        (np.array(["a"]), "dtype <U1"),
    ):
        with pytest.raises(ValueError, match=message):
            save(tmp_path / "run.npz", with_measure(runs, measure))
    strange = with_measure(runs, np.ones(2, dtype=np.longdouble))
    with pytest.raises(ValueError, match=r"longdouble|float128.*save them as \.npz"):
        save(tmp_path / "run.safetensors", strange)
    save(tmp_path / "run.npz", strange)
    assert_same(load(tmp_path / "run.npz"), strange)
    assert [found.name for found in tmp_path.iterdir()] == ["run.npz"]


class Attack:
    def __reduce__(self):
        return print, ("code was run",)


def stored(header, **arrays):
    return lambda path: np.savez(
        path, header=np.array(json.dumps(header) if not isinstance(header, str) else header), **arrays
    )


def header(value, version=1, origin="alignmath"):
    return {"format": origin, "version": version, "value": value}


POLYGON = {"kind": "TwoLayer", "fields": {"hidden": {"array": "hidden"}, "output": {"array": "output"}}}
ARRAYS = {"hidden": np.ones((3, 2)), "output": np.ones(3)}


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b""), "damaged, or not written by"),
        (lambda path: path.write_bytes(b"text"), "damaged"),
        (lambda path: path.write_bytes(pickle.dumps(Attack())), "damaged"),
        (lambda path: np.savez(path, hidden=np.ones(3)), "damaged.*header"),
        (lambda path: np.savez(path, header=np.array([Attack()])), "damaged.*allow_pickle"),
        (stored("{", **ARRAYS), "damaged"),
        (stored([1], **ARRAYS), "damaged"),
        (stored(header(POLYGON, origin="other"), **ARRAYS), "not written by"),
        (stored(header(3), **ARRAYS), "not written by"),
        (stored(header(POLYGON, version=2), **ARRAYS), "has version 2, and 1 is known; read it with the alignmath it is from"),
        (stored(header({**POLYGON, "kind": "Transformer"}), **ARRAYS), "holds a Transformer, and known are TwoLayer.*install a later"),
        (stored(header(POLYGON), hidden=np.ones((3, 2))), "damaged.*output"),
        (stored(header({**POLYGON, "fields": {"depth": 3}}), **ARRAYS), "damaged.*depth"),
        (stored(header(POLYGON), **{**ARRAYS, "output": np.ones(4)}), r"damaged.*shape \(4,\)"),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(write, message, tmp_path, capsys):
    path = tmp_path / "file.npz"
    write(path)
    with pytest.raises(ValueError, match=message):
        load(path)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_cut_short_or_of_the_other_form_is_refused(suffix, tmp_path):
    path, other = (tmp_path / f"network{s}" for s in (suffix, SUFFIXES[suffix == ".npz"]))
    save(path, gaussian_weights(40, 3, np.random.default_rng(0)))
    content = path.read_bytes()
    for broken in (path, other):
        for end in (len(content) // 3, len(content) - 1):
            broken.write_bytes(content[:end])
            with pytest.raises(ValueError, match="damaged"):
                load(broken)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / f"nowhere{suffix}")


def test_a_library_must_be_known(tmp_path):
    save(tmp_path / "network.npz", regular_polygon(3))
    with pytest.raises(ValueError, match="expected 'numpy' or 'torch'"):
        load(tmp_path / "network.npz", library="jax")


def test_importing_loads_neither_torch_nor_safetensors():
    code = "import solvers.files, sys; assert not {'torch', 'safetensors'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_changed_number_is_found_by_the_checksum(suffix, tmp_path):
    """Also where the container has none of its own, as `.safetensors` has not."""
    path = tmp_path / f"network{suffix}"
    network = gaussian_weights(4, 3, np.random.default_rng(0))
    save(path, network)
    load(path)
    content = bytearray(path.read_bytes())
    place = content.find(np.asarray(network.hidden).tobytes())
    assert place > 0
    content[place + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged, or not written by"):
        load(path)


def test_arrays_that_were_swapped_are_found_by_the_checksum(tmp_path):
    path = tmp_path / "network.npz"
    save(path, TwoLayer(np.eye(3), np.array([1.0, 2.0, 3.0])))
    with np.load(path) as stored_arrays:
        arrays = dict(stored_arrays)
    np.savez(path, **arrays | {"output": arrays["output"][::-1]})
    with pytest.raises(ValueError, match="its checksum is not that of what it holds"):
        load(path)
