"""Random teachers, over-realised students, pruning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alignmath.networks import ConvReLU, DeepReLU, prune, random_student, random_teacher, regular_polygon


@given(st.lists(st.integers(2, 8), min_size=3, max_size=6), st.floats(0, 3), st.integers(0, 10**6))
def test_half_of_the_inputs_activate_each_node_and_fan_outs_decay_as_asked(widths, polarity, seed):
    rng = np.random.default_rng(seed)
    x = 10 * rng.standard_normal((401, widths[0]))
    teacher = random_teacher(widths, rng, x=x, polarity=polarity, strength=2.0, gain=1.5)
    assert teacher.widths == tuple(widths)
    value = x
    for weight, bias in zip(teacher.weights[:-1], teacher.biases[:-1], strict=True):
        before = value @ weight.T + bias
        assert np.all(np.abs(np.median(before, axis=0)) <= 1e-9 * np.abs(before).max())
        value = np.maximum(before, 0)
        np.testing.assert_allclose(np.linalg.norm(weight, axis=1), 1.5)
    expected = 2.0 / np.arange(1, widths[-2] + 1) ** polarity
    np.testing.assert_allclose(np.linalg.norm(teacher.weights[-1], axis=0), expected)
    assert not teacher.biases[-1].any()


def test_directions_are_uniform():
    weights = random_teacher((3, 40_000, 2), np.random.default_rng(0)).weights[0]
    np.testing.assert_allclose(weights.T @ weights / 40_000, np.eye(3) / 3, atol=0.01)  # 5 standard errors are 0.0075
    np.testing.assert_allclose(weights.mean(0), 0, atol=0.015)


def test_lines_keep_the_angle_asked_for():
    weights = random_teacher((2, 8, 1), np.random.default_rng(1), least_angle=0.2).weights[0]
    lines = np.sort(np.mod(np.arctan2(weights[:, 1], weights[:, 0]), np.pi))
    assert np.diff([*lines, lines[0] + np.pi]).min() >= 0.2
    with pytest.raises(ValueError, match=r"gave only \d+ of 8 lines"):
        random_teacher((2, 8, 1), np.random.default_rng(1), least_angle=0.5)


@pytest.mark.parametrize(("factor", "hidden"), [(1, (3, 5)), (1.5, (5, 8)), (10, (30, 50))])
def test_students_have_more_nodes_and_the_initial_weights_of_torch(factor, hidden):
    rng = np.random.default_rng(2)
    teacher = random_teacher((4, 3, 5, 2), rng, x=rng.standard_normal((100, 4)))
    student = random_student(teacher, factor, rng, scale=0.5, batch=(400,))
    assert student.widths == (4, *hidden, 2)
    assert student.batch == (400,)
    for weight, bias in zip(student.weights, student.biases, strict=True):
        layer = torch.nn.Linear(weight.shape[-1], weight.shape[-2])
        bound = 0.5 / np.sqrt(weight.shape[-1])
        for found, theirs in ((weight, layer.weight), (bias, layer.bias)):
            assert 0.97 * bound < np.abs(found).max() <= bound
            assert float(theirs.abs().max().detach()) <= 2 * bound  # torch's own, at scale 1
            assert found.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)
    assert random_student(teacher, 2, rng, biases=False).biases is None


def test_convolutional_students_keep_kernels_and_strides():
    teacher = ConvReLU((np.ones((4, 1, 3, 3)), np.ones((6, 4, 5, 5))), np.ones((10, 6)), strides=(1, 2))
    student = random_student(teacher, 2, np.random.default_rng(3), biases=True, batch=(3,))
    assert student.widths == (1, 8, 12, 10)
    assert [k.shape[-1] for k in student.kernels] == [3, 5]
    assert student.strides == (1, 2)
    assert np.abs(student.kernels[1]).max() <= 1 / np.sqrt(8 * 25)


@given(st.integers(0, 10**6))
def test_pruning_keeps_the_strong_nodes_and_what_they_compute(seed):
    rng = np.random.default_rng(seed)
    full = DeepReLU((rng.standard_normal((6, 3)), rng.standard_normal((2, 6))), (rng.standard_normal(6), np.zeros(2)))
    weak = rng.permutation(6)[:2]
    full.weights[1][:, weak] *= 1e-9
    pruned, x = prune(full, 4 / 6), rng.standard_normal((20, 3))
    assert pruned.widths == (3, 4, 2)
    np.testing.assert_allclose(pruned(x), full(x), atol=1e-6)
    scale = rng.uniform(0.1, 10, 6)  # a factor moved from fan-out to weights changes nothing
    moved = DeepReLU((full.weights[0] * scale[:, None], full.weights[1] / scale), (full.biases[0] * scale, np.zeros(2)))
    np.testing.assert_allclose(prune(moved, 4 / 6)(x), pruned(x), atol=1e-9)


def test_pruning_convolutional_networks_layer_by_layer_in_either_library():
    rng = np.random.default_rng(4)
    kernels = rng.standard_normal((6, 2, 3, 3)), rng.standard_normal((8, 6, 3, 3))
    kernels[1][:, 3:] = 0.0  # the upper layer does not use these
    network = ConvReLU(kernels, rng.standard_normal((3, 8)), (np.ones(6), np.ones(8), np.ones(3)))
    images = rng.standard_normal((5, 2, 4, 4))
    np.testing.assert_allclose(prune(network, [0.5, 1.0])(images), network(images), rtol=1e-12)
    tensors = ConvReLU(tuple(map(torch.tensor, network.kernels)), torch.tensor(network.output), tuple(map(torch.tensor, network.biases)))  # fmt: skip
    for ours, theirs in zip(prune(tensors, 0.5).kernels, prune(network, 0.5).kernels, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_networks_with_one_output_are_taken_too():
    pentagon = regular_polygon(5)
    assert random_student(pentagon, 2, np.random.default_rng(0)).widths == (2, 10, 1)
    assert prune(pentagon, np.float32(0.6)).widths == (2, 3, 1)


RNG = np.random.default_rng(0)
TEACHER = DeepReLU((np.ones((3, 2)), np.ones((1, 3))))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: random_teacher((3, 2), RNG), "at least one hidden layer"),
        (lambda: random_teacher((3, 0, 2), RNG), r"widths\[1\] is 0"),
        (lambda: random_teacher((1, 2, 1), RNG), "co-linear"),
        (lambda: random_teacher((3, 2, 2), RNG, polarity=-1), "polarity is -1"),
        (lambda: random_teacher((3, 2, 2), RNG, strength=0), "strength is 0"),
        (lambda: random_teacher((3, 2, 2), RNG, gain=np.inf), "gain is inf"),
        (lambda: random_teacher((3, 2, 2), RNG, least_angle=2), "less than pi/2"),
        (lambda: random_teacher((3, 2, 2), RNG, x=np.ones((5, 4))), r"expected \(N, 3\)"),
        (lambda: random_teacher((3, 2, 2), RNG, x=np.full((5, 3), np.nan)), "x"),
        (lambda: random_student(TEACHER, 0.5, RNG), "factor is 0.5"),
        (lambda: random_student(TEACHER, 2, RNG, scale=0), "scale is 0"),
        (lambda: random_student(TEACHER, 2, RNG, batch=3), "expected a shape"),
        (lambda: random_student(3, 2, RNG), "teacher is int; expected a TwoLayer"),
        (lambda: prune(None, 0.5), "network is NoneType"),
        (lambda: prune(TEACHER, None), "keep is None"),
        (lambda: ConvReLU((np.ones((2, 1, 3, 3)),), np.ones((2, 2)), strides=2), "strides is 2; expected 1 integers"),
        (lambda: prune(TEACHER, 0.0), r"share in \(0, 1\]"),
        (lambda: prune(TEACHER, [0.5, 0.5]), "1 of them"),
        (lambda: prune(DeepReLU((np.ones((2, 3, 2)), np.ones((2, 1, 3)))), 0.5), "takes one network"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
