"""Clustered, collinear, repeated, far off, of any scale: each answer is proved in rational arithmetic, or refused."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest

from alignmath.networks import TwoLayer
from alignmath.plane.rational import exact_dual_square, exact_lower_bound
from solvers.interpolation import is_recoverable, largest_penalty, min_norm, min_norm_1d, penalized
from solvers.interpolation.solution import NotCertified

KINDS = ("plain", "cluster", "line", "repeated", "integers", "axes", "lengths", "offset", "zeros")
TOLERANCE = 1e-8


def samples(seed):
    """At most 32 samples of a hard kind, half of them at scales of 1e-200 to 1e200, labels random or of a teacher."""
    rng = np.random.default_rng([seed, 77])
    count, kind = int(rng.choice([1, 2, 3, 5, 9, 20, 32])), KINDS[seed % len(KINDS)]
    x = rng.normal(size=(count, 2))
    x = {
        "plain": x,
        "cluster": rng.normal(size=(1, 2)) + 10 ** rng.uniform(-16, -3) * x,
        "line": np.outer(x[:, 0], [1.0, rng.normal()]),
        "repeated": x[rng.integers(0, count, count)] * rng.choice([1, -1, 2], (count, 1)),
        "integers": np.round(x),
        "axes": np.where(rng.random((count, 2)) < 0.5, 0, x),
        "lengths": x * 10 ** rng.uniform(-100, 100, (count, 1)),
        "offset": x + 10 ** rng.uniform(2, 14) * rng.normal(size=2),
        "zeros": np.where(rng.random((count, 1)) < 0.5, 0, x),
    }[kind]
    teacher = np.maximum(x @ [1.0, 0.3], 0) - np.maximum(x @ [-0.5, 1.0], 0)
    y = teacher if rng.random() < 0.7 else rng.normal(size=count)
    if rng.random() < 0.5:
        x, y = x * 10 ** rng.uniform(-100, 100), y * 10 ** rng.uniform(-100, 100)
    return x, y


def exact(value):
    return Fraction(*float(value).as_integer_ratio())


def rational(network, x):
    """Values at x, and the squared norm."""
    neurons = [(exact(w), exact(v), exact(a)) for (w, v), a in zip(network.hidden, network.output, strict=True)]
    values = [sum(a * max(w * exact(p) + v * exact(q), 0) for w, v, a in neurons) for p, q in x]
    return values, sum(w * w + v * v + a * a for w, v, a in neurons)


def prove_least(found, x, y):
    values, norm = rational(found.network, x)
    assert max(abs(f - exact(label)) for f, label in zip(values, y, strict=True)) <= exact(TOLERANCE * np.abs(y).max())
    bound = exact_lower_bound(x, y, found.dual)
    if np.any(y):
        assert abs(float(norm / exact(bound)) - 1) <= 1.01 * TOLERANCE


def prove_penalized(found, x, y, penalty):
    if not np.any(y):
        assert found.objective == 0
        return
    values, norm = rational(found.network, x)
    n, beta, dual = len(y), exact(penalty), [exact(w) for w in found.dual]
    misfit = sum((f - exact(label)) ** 2 for f, label in zip(values, y, strict=True))
    peak = max(Fraction(1), exact(math.sqrt(exact_dual_square(x, found.dual)) * (1 + 1e-15)))
    value = sum(exact(label) * w for label, w in zip(y, dual, strict=True)) / peak
    bound = beta * (value - n * beta / 2 * sum(w * w for w in dual) / peak**2)
    assert -1e-9 <= float((misfit / (2 * n) + beta / 2 * norm) / bound) - 1 <= 1.01 * TOLERANCE


def solved(call):
    """What is returned, or None where it is refused by name; never a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return call()
        except (NotCertified, ValueError) as error:
            refusal = error
    names = ("x", "y", "t[", "samples", "penalty", "teacher")
    assert "pass" in str(refusal) if isinstance(refusal, NotCertified) else str(refusal).startswith(names)
    return None


@pytest.mark.parametrize("seeds", [range(45), pytest.param(range(45, 450), marks=pytest.mark.slow)], ids=["", "rest"])
def test_each_answer_is_proved_or_refused(seeds):
    answers = 0
    for seed in seeds:
        x, y = samples(seed)
        if found := solved(lambda x=x, y=y: min_norm(x, y)):
            prove_least(found, x, y)
            answers += 1
        if line := solved(lambda x=x, y=y: min_norm_1d(x[:, 0], y)):
            prove_least(line.solution, np.stack([x[:, 0], np.ones(len(x))], axis=1), y)
            assert np.all(np.diff(line.knots) > 0)
            assert len(line.slopes) == len(line.knots) + 1
        largest = solved(lambda x=x, y=y: largest_penalty(x, y))
        penalty = (largest or 1.0) * 10 ** float(np.random.default_rng(seed).uniform(-8, 1))
        if found := solved(lambda x=x, y=y, penalty=penalty: penalized(x, y, penalty)):
            prove_penalized(found, x, y, penalty)
            answers += 1
    assert answers > len(seeds)


@pytest.mark.parametrize("seeds", [range(45), pytest.param(range(45, 450), marks=pytest.mark.slow)], ids=["", "rest"])
def test_recovery_agrees_with_the_least_norm(seeds):
    decided = 0
    for seed in seeds:
        x, _ = samples(seed)
        rng = np.random.default_rng(seed)
        teacher = TwoLayer(rng.normal(size=(2, 2)), rng.choice([1.0, -1.0], 2))
        answer = solved(lambda teacher=teacher, x=x: is_recoverable(teacher, x))
        found = solved(lambda teacher=teacher, x=x: min_norm(x, teacher(x)))
        if answer is None or found is None:
            continue
        below = 1 - found.squared_norm / (2 * float(np.sum(np.abs(teacher.output) * teacher.lengths)))
        if not 1e-9 < below < 1e-7:
            assert bool(answer) == (below <= TOLERANCE), seed
            decided += 1
    assert decided > len(seeds) / 3
