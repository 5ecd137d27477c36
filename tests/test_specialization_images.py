"""Figure 8 of the specialization paper: its teacher, its measure, its options; at full size, what the paper says of over-realisation."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from alignmath.networks import ConvReLU, random_student
from examples.specialization import plot_images
from proofs.specialization.image_runs import falling, pruned_teacher
from solvers.dynamics.training import Measures, train
from solvers.dynamics.training.measures import rho_mean
from solvers.images import ImageSet, digits


@pytest.fixture(scope="module")
def few():
    """Some of the digits."""
    every = digits()
    return ImageSet(every.x[:150], every.y[:150], every.evaluation_x[:60], every.evaluation_y[:60])


@pytest.fixture(scope="module")
def teacher(few):
    """A small pruned teacher and its accuracies."""
    return pruned_teacher(few, (6, 4, 5, 6), 5, 15)


def test_a_teacher_keeps_half_of_its_channels_and_has_outputs_of_size_one(teacher, few):
    network, (*_, again) = teacher
    assert network.widths == (1, 3, 2, 3, 3, 10)
    outputs = network(few.x)
    np.testing.assert_allclose(np.mean(outputs**2), 1, rtol=1e-5)
    assert np.mean(network(few.evaluation_x).argmax(-1) == few.evaluation_y) == pytest.approx(again)


def test_a_student_that_holds_every_node_of_the_teacher_is_on_the_line_of_theory(teacher, few):
    network, _ = teacher
    student = random_student(network, 2, np.random.default_rng(0))
    weights = [np.array(k) for k in student.kernels]
    for own, kernel in zip(weights, network.kernels, strict=True):
        n, below = kernel.shape[:2]
        own[:n] = 0  # the teacher's nodes come first, and see only each other
        own[:n, :below] = 3 * kernel
    biases = [np.array(b) for b in student.biases]
    for power, (own, bias) in enumerate(zip(biases[:-1], network.biases[:-1], strict=True), start=1):
        own[: len(bias)] = 3**power * bias
    holding = ConvReLU(tuple(weights), student.output, tuple(biases))
    for one, covered in ((holding, True), (student, False)):
        runs = train(one, network, few.x, epochs=0, measures=Measures([rho_mean], few.evaluation_x))
        rho = runs.measured["rho_mean"][0]
        assert rho.shape == (4,)
        assert (np.abs(rho - 1) < 1e-5).all() == covered


def test_learning_rates_stay_and_then_fall():
    np.testing.assert_allclose(falling(4), [1, 1, 1, 0.5])
    np.testing.assert_allclose(falling(100)[[0, 50, 75, 99]], [1, 1, 0.5, 0.02])


def test_cifar_is_taken_from_a_folder(tmp_path, capsys):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        data = rng.integers(0, 256, (12, 3072), dtype=np.uint8)
        (folder / name).write_bytes(pickle.dumps({b"data": data, b"labels": [k % 10 for k in range(12)]}, 2))
    plot_images.main(["--cifar", str(tmp_path), "--profile", "quick", "--out", str(tmp_path / "out")])
    with np.load(tmp_path / "out" / "specialization_images.npz") as data:
        assert int(data["side"]) == 32
        assert data["images"].tolist() == [60, 12, 12]
        seeds, epochs = data["accuracy"].shape[1:]
        assert data["rho"].shape == (3, seeds, epochs, 4)
        np.testing.assert_array_equal(data["channels"], np.outer([1, 2, 5], data["teacher_channels"] // 2))
        assert np.isfinite(data["rho"]).all()
    assert "CIFAR" not in capsys.readouterr().err
    with pytest.raises(SystemExit):
        plot_images.main(["--cifar", str(tmp_path / "nowhere")])
    assert "has no data_batch_1" in capsys.readouterr().err


@pytest.mark.slow
def test_over_realisation_raises_correlations_in_every_layer_and_the_accuracy():
    data = plot_images.compute()
    start, end = data["rho"][:, :, 0].mean(1), data["rho"][:, :, -1].mean(1)
    assert (end > start + 0.05).all()
    assert (np.diff(end, axis=0) > 0).all()  # 1x, 2x, 5x; measured: 0.71, 0.82, 0.85 in the lowest layer
    assert (data["rho"][2, :, -1].min(0) > data["rho"][0, :, -1].max(0)).all()
    late = plot_images._late(data).mean(1)
    assert late[2] > late[0]
    assert (np.abs(late - 100 * data["teacher_accuracy"][-1]) < 2).all()
    assert end.max() < 0.95  # in no layer are the teacher's nodes covered on average
    assert (np.diff(data["loss"][:, :, -1].mean(1)) < 0).all()
