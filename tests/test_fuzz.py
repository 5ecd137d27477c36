"""Any finite input gives a finite answer, infinity or a status, or an error that names an argument: never NaN, a warning, or another exception.

Two cases a function in `make test`, forty in `make full`.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import warnings

import numpy as np
import pytest
from array_api_compat import is_torch_array
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import solvers
from alignmath import activations, gaussian, kernels, networks, plane, population, specialization
from alignmath.angular import ARC_COSINE, COSINE, exponential, fourier_series, triangle, von_mises
from alignmath.architectures import ConvolutionalResNet, FullyConnected, ResNet
from alignmath.networks import DeepReLU, TwoLayer
from solvers.dynamics.wide_networks import follow, grams, linearised, random_network

DTYPES = ("float64",) * 6 + ("float32", "int64", "bool", "longdouble", ">f8", "float16", "complex128")
STEPS = (0.0, 1.0, -1.0, 0.5, 1e-9, 3.0, 0.7, -0.3)


@st.composite
def arrays(draw, *shape, positive=False):
    """An array of that shape, or now and then of another, of at most 64 entries, of any dtype and scale."""
    if draw(st.integers(0, 7)) == 0:
        shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    size = int(np.prod(shape))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["normal", "few", "close", "mixed"]))
    scale = draw(st.sampled_from([1.0, 1.0, 1.0, 1e-200, 1e-100, 1e-9, 1e9, 1e100, 1e200]))
    values = {
        "normal": rng.standard_normal(size),
        "few": rng.choice(STEPS, size),
        "close": 1 + 1e-13 * rng.standard_normal(size),
        "mixed": rng.standard_normal(size) * 10.0 ** rng.integers(-9, 9, size),
    }[kind] * scale
    values = np.abs(values) if positive else values
    dtype = draw(st.sampled_from(DTYPES))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cast = values.reshape(shape).astype(dtype)
    return cast if np.all(np.isfinite(cast)) else values.reshape(shape)


numbers = st.one_of(st.sampled_from([0, 1, -1, 0.5, 2.0, 1e-9, 1e9, 1e-200, 1e200, 3]), st.floats(-10, 10))
orders = st.one_of(st.integers(-2, 12), st.just(2.5))
every = [
    getattr(activations, name)
    for name in activations.__all__
    if isinstance(getattr(activations, name), activations.Activation)
]
activation = st.sampled_from(every)


@st.composite
def architectures(draw):
    depth, s = draw(st.integers(1, 3)), draw(activation)
    return draw(st.sampled_from([FullyConnected(depth, s), ResNet(depth, s), FullyConnected(depth, s, weight_variance=draw(st.sampled_from([0.0, 2.0, 1e-9, 1e9])), bias_variance=draw(st.sampled_from([0.0, 0.1])))]))  # fmt: skip


@st.composite
def two_layers(draw, m=3, d=2):
    return TwoLayer(draw(arrays(m, d)), draw(arrays(m)))


@st.composite
def deep(draw):
    return DeepReLU((draw(arrays(3, 2)), draw(arrays(2, 3))))


def pairs(draw):
    kind = draw(st.sampled_from([two_layers, deep]))
    return draw(kind()), draw(kind())


def duals(draw):
    a, b = (abs(np.real(draw(arrays(4))).astype(float)) for _ in range(2))
    with np.errstate(all="ignore"):
        c = (
            np.sqrt(a) * np.sqrt(b) * draw(st.sampled_from([0.0, 0.3, -0.9, 1.0, -1.0, 1 - 1e-12]))
            if a.shape == b.shape
            else a
        )
    return a, c, b


CALLS = {
    "activations.dual": lambda draw: draw(activation).dual(*duals(draw)),
    "activations.dual_derivative": lambda draw: draw(activation).dual_derivative(*duals(draw)),
    "activations.mean": lambda draw: draw(activation).mean(draw(arrays(4, positive=True))),
    "activations.leaky_relu": lambda draw: activations.leaky_relu(draw(numbers)).dual(1.0, 0.5, 1.0),
    "activations.monomial": lambda draw: activations.monomial(draw(orders)).dual(1.0, 0.5, 1.0),
    "angular.matrix": lambda draw: ARC_COSINE.matrix(draw(arrays(4))),
    "angular.determinant": lambda draw: ARC_COSINE.determinant(draw(arrays(2, 4))),
    "angular.log_determinant": lambda draw: ARC_COSINE.log_determinant(draw(arrays(2, 4))),
    "angular.replaced_determinants": lambda draw: COSINE.replaced_determinants(draw(arrays(2, 4))),
    "angular.cramer_ratios": lambda draw: ARC_COSINE.cramer_ratios(draw(arrays(3))),
    "angular.determinant_signs": lambda draw: ARC_COSINE.determinant_signs(draw(arrays(3)), undecided=2),
    "angular.exponential": lambda draw: exponential(draw(numbers))(0.5),
    "angular.fourier_series": lambda draw: fourier_series(draw(arrays(3)))(0.5),
    "angular.reduced": lambda draw: ARC_COSINE(draw(arrays(3))),
    "angular.triangle": lambda draw: triangle(draw(numbers), draw(numbers))(0.5),
    "angular.von_mises": lambda draw: von_mises(draw(numbers))(0.5),
    "gaussian.angle": lambda draw: gaussian.angle(draw(arrays(4, 3)), draw(arrays(4, 3))),
    "gaussian.angle_and_sine": lambda draw: gaussian.angle_and_sine(draw(arrays(4, 3)), draw(arrays(4, 3))),
    "gaussian.arc_cosine_kernel": lambda draw: gaussian.arc_cosine_kernel(draw(orders), draw(arrays(4, 3)), draw(arrays(4, 3))),
    "gaussian.arc_cosine_profile": lambda draw: gaussian.arc_cosine_profile(draw(orders), draw(arrays(4))),
    "gaussian.complement": lambda draw: gaussian.complement(draw(arrays(4))),
    "gaussian.complement_profile": lambda draw: gaussian.complement_profile(draw(arrays(4))),
    "gaussian.relu_moment": lambda draw: gaussian.relu_moment(draw(orders), draw(orders), draw(arrays(4))),
    "gaussian.step_relu_vector": lambda draw: gaussian.step_relu_vector(draw(arrays(3)), draw(arrays(3))),
    "gaussian.step_step_matrix": lambda draw: gaussian.step_step_matrix(draw(arrays(3)), draw(arrays(3))),
    "kernels.conjugate": lambda draw: kernels.conjugate(draw(arrays(4, 3)), draw(architectures())),
    "kernels.gram": lambda draw: kernels.gram(draw(arrays(4, 3)), draw(architectures()), draw(arrays(2, 3))),
    "kernels.layer_kernels": lambda draw: kernels.layer_kernels(draw(arrays(4, 3)), draw(architectures())),
    "kernels.tangent": lambda draw: kernels.tangent(draw(arrays(4, 3)), draw(architectures())),
    "kernels.tangent of images": lambda draw: kernels.tangent(draw(arrays(2, 2, 4)), ConvolutionalResNet(2, draw(activation))),
    "networks.TwoLayer": lambda draw: draw(two_layers())(draw(arrays(4, 2))),
    "networks.DeepReLU": lambda draw: draw(deep())(draw(arrays(4, 2))),
    "networks.gaussian_weights": lambda draw: networks.gaussian_weights(draw(orders), draw(orders), draw(orders)),
    "networks.orthonormal": lambda draw: networks.orthonormal(draw(orders), draw(orders)),
    "networks.planar": lambda draw: networks.planar(draw(arrays(4)), draw(arrays(4))),
    "networks.prune": lambda draw: networks.prune(draw(deep()), draw(orders)),
    "networks.random_student": lambda draw: networks.random_student(draw(deep()), draw(orders), draw(orders)),
    "networks.regular_polygon": lambda draw: networks.regular_polygon(draw(orders), draw(numbers), draw(numbers)),
    "plane.activation_patterns": lambda draw: plane.activation_patterns(draw(arrays(5, 3))),
    "plane.activation_wedges": lambda draw: plane.activation_wedges(draw(arrays(6, 2))),
    "plane.arc_peaks": lambda draw: plane.arc_peaks(draw(arrays(6, 2)), draw(arrays(6))),
    "plane.cell_count": lambda draw: plane.cell_count(draw(orders), draw(orders)),
    "plane.dual_certificate": lambda draw: plane.dual_certificate(draw(two_layers()), draw(arrays(12, 2))),
    "plane.dual_function": lambda draw: plane.dual_function(draw(arrays(6, 2)), draw(arrays(6)), draw(arrays(3))),
    "plane.dual_peak": lambda draw: plane.dual_peak(draw(arrays(6, 2)), draw(arrays(6))),
    "plane.evaluate": lambda draw: plane.evaluate(draw(two_layers()), draw(arrays(6, 2))),
    "plane.gradient_kinks": lambda draw: plane.gradient_kinks(draw(two_layers())),
    "plane.kappa": lambda draw: plane.kappa(draw(two_layers())),
    "plane.sector_probability": lambda draw: plane.sector_probability(draw(orders), draw(arrays(3, positive=True))),
    "plane.teacher_sectors": lambda draw: plane.teacher_sectors(draw(two_layers())),
    "population.loss": lambda draw: population.loss(*pairs(draw), draw(numbers)),
    "population.gradient": lambda draw: population.gradient(*pairs(draw)),
    "population.hessian": lambda draw: population.hessian(*pairs(draw)),
    "population.stationarity": lambda draw: population.stationarity(*pairs(draw)),
    "population.empirical_loss": lambda draw: population.empirical_loss(*pairs(draw), draw(arrays(5, 2))),
    "population.empirical_gradient": lambda draw: population.empirical_gradient(*pairs(draw), draw(arrays(5, 2))),
    "specialization.best_match": lambda draw: specialization.best_match(draw(arrays(3, 4)), of=draw(st.sampled_from(["teacher", "student", "x"]))),
    "specialization.correlations": lambda draw: specialization.correlations(draw(arrays(6, 3)), draw(arrays(6, 4))),
    "specialization.covered": lambda draw: specialization.covered(draw(arrays(3, 4)), draw(numbers)),
    "specialization.fan_out_norms": lambda draw: specialization.fan_out_norms(draw(deep())),
    "specialization.is_condensed": lambda draw: specialization.is_condensed(draw(two_layers()), draw(two_layers())),
    "specialization.mean_best": lambda draw: specialization.mean_best(draw(arrays(3, 4))),
    "specialization.mixture": lambda draw: specialization.mixture(*pairs(draw), draw(arrays(5, 2)), draw(orders)),
    "specialization.relu_correlation": lambda draw: specialization.relu_correlation(draw(arrays(4))),
    "specialization.top_down": lambda draw: specialization.top_down(draw(deep()), draw(arrays(5, 2)), draw(orders)),
    "solvers.descend": lambda draw: solvers.descend(*pairs(draw), draw(numbers), 3),
    "solvers.linearised": lambda draw: linearised(draw(arrays(3, 3)), draw(arrays(3)), draw(numbers), draw(orders)),
    "solvers.grams": lambda draw: grams(random_network(2, FullyConnected(2, draw(activation)), 4), draw(arrays(3, 2))),
    "solvers.follow": lambda draw: follow(random_network(2, FullyConnected(1, draw(activation)), 4), draw(arrays(3, 2)), draw(arrays(3)), 2, learning_rate=draw(numbers)),
    "solvers.min_norm": lambda draw: solvers.min_norm(draw(arrays(5, 2)), draw(arrays(5))),
    "solvers.min_norm_1d": lambda draw: solvers.min_norm_1d(draw(arrays(5)), draw(arrays(5))),
    "solvers.penalized": lambda draw: solvers.penalized(draw(arrays(5, 2)), draw(arrays(5)), draw(numbers)),
    "solvers.is_recoverable": lambda draw: solvers.is_recoverable(draw(two_layers()), draw(arrays(8, 2))),
    "solvers.posterior": lambda draw: solvers.posterior(draw(architectures()), draw(arrays(4, 3)), draw(arrays(4)), draw(arrays(2, 3)), noise=draw(numbers)),
    "solvers.trained_ensemble": lambda draw: solvers.trained_ensemble(draw(architectures()), draw(arrays(4, 3)), draw(arrays(4)), draw(arrays(2, 3)), time=draw(numbers), noise=draw(numbers)),
    "solvers.log_marginal_likelihood": lambda draw: solvers.log_marginal_likelihood(draw(architectures()), draw(arrays(4, 3)), draw(arrays(4)), noise=draw(numbers)),
    "solvers.train": lambda draw: solvers.train(draw(two_layers()), x=draw(arrays(4, 2)), y=draw(arrays(4, 1)), epochs=1, batch_size=2, optimizer=solvers.SGD(draw(numbers))),
}  # fmt: skip


def require_no_nan(value, place="the result"):
    """Nothing in it is NaN, its parts included."""
    if value is None or isinstance(value, str | bytes | enum.Enum) or callable(value):
        return
    if is_torch_array(value):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray | np.generic | int | float):
        array = np.asarray(value)
        assert array.dtype.kind not in "fc" or not np.isnan(array).any(), f"{place} has NaN"
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            require_no_nan(getattr(value, field.name), f"{place}.{field.name}")
    elif isinstance(value, dict):
        for name, part in value.items():
            require_no_nan(part, f"{place}[{name}]")
    elif isinstance(value, list | tuple):
        for k, part in enumerate(value):
            require_no_nan(part, f"{place}[{k}]")


def check(name, data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = CALLS[name](data.draw)
        except (ValueError, TypeError) as error:
            last = inspect.getinnerframes(error.__traceback__)[-1].filename
            if type(error).__module__ not in ("builtins", "solvers.interpolation.solution") or not re.search(
                "alignmath|solvers", last
            ):
                pytest.fail(f"{error!r} is raised in {last}")
        except ImportError as error:
            if "alignmath[" not in str(error):
                pytest.fail(f"{error!r} names no extra")
        else:
            require_no_nan(found)


NOT_YET = {
    "gaussian.angle_and_sine",
    "gaussian.complement_profile",
    "networks.DeepReLU",
    "population.loss",
    "population.empirical_gradient",
    "specialization.correlations",
    "specialization.is_condensed",
    "specialization.mixture",
    "solvers.grams",
    "solvers.min_norm",
    "solvers.min_norm_1d",
    "solvers.penalized",
}
"""These overflow with a warning, another exception or NaN at some scales beyond 1e100, and are left out until they answer or refuse there."""


@pytest.mark.parametrize("name", [name for name in CALLS if name not in NOT_YET])
@settings(max_examples=2, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_finite_input_is_answered_or_refused(name, data):
    check(name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CALLS if name not in NOT_YET])
@settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_forty_finite_inputs_are_answered_or_refused(name, data):
    check(name, data)
