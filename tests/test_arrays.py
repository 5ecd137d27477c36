"""What every function does with arrays that are not plain ones: refuse them by name, or convert them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import torch

import solvers
from alignmath import TwoLayer, gaussian, kernels, plane, population
from alignmath.activations import RELU, TANH
from alignmath.angular import ARC_COSINE, fourier_series
from alignmath.architectures import FullyConnected
from alignmath.networks import planar
from solvers.dynamics.wide_networks import linearised

X = np.array([[1.0, 0.5], [0.3, -1.0], [-0.7, 0.2]])
Y = np.array([1.0, -0.5, 2.0])
NETWORK = FullyConnected(2, TANH)
CALLS = {
    "gram x": (lambda x: kernels.gram(x, NETWORK), X),
    "gram other": (lambda x: kernels.gram(X, NETWORK, x), X),
    "TwoLayer": (lambda x: TwoLayer(x, np.ones(3)).hidden, X),
    "loss": (lambda x: population.loss(TwoLayer(x, np.ones(3)), planar([0.0])), X),
    "relu_moment": (lambda x: gaussian.relu_moment(1, 1, x), abs(Y)),
    "dual": (lambda x: RELU.dual(x, 0.1, 1.0), abs(Y)),
    "determinant": (lambda x: ARC_COSINE.determinant(x), Y),
    "fourier_series": (lambda x: fourier_series(x)(0.1), abs(Y)),
    "linearised matrix": (lambda x: linearised(x, Y, 0.1, 3)[0], X @ X.T),
    "linearised residual": (lambda x: linearised(X @ X.T, x, 0.1, 3)[0], Y),
    "posterior": (lambda x: solvers.posterior(NETWORK, x, Y, X, noise=0.1).mean, X),
    "min_norm x": (lambda x: solvers.min_norm(x, Y).squared_norm, X),
    "min_norm y": (lambda x: solvers.min_norm(X, x).squared_norm, Y),
    "min_norm_1d": (lambda x: solvers.min_norm_1d(x, Y)(0.3), np.sort(Y)),
    "penalized": (lambda x: solvers.penalized(X, x, 0.1).network.hidden, Y),
    "gradient_kinks": (lambda x: plane.gradient_kinks(TwoLayer(x, np.ones(3))).angles, X),
    "train x": (lambda x: solvers.train(planar([0.0, 1.0]), x=x, y=Y[:, None], epochs=1, batch_size=3).loss, X),
    "train y": (lambda y: solvers.train(planar([0.0, 1.0]), x=X, y=y, epochs=1, batch_size=3).loss, Y[:, None]),
}
REFUSED = {
    "masked": (lambda v: np.ma.array(v, mask=np.arange(v.size).reshape(v.shape) == 1), "is a masked array"),
    "masked rows": (lambda v: [np.ma.array(v[0], mask=False), *v[1:]], "is a masked array"),
    "sparse": (lambda v: scipy.sparse.csr_array(np.atleast_2d(v)), r"is a sparse array; pass .*toarray\(\)"),
    "sparse tensor": (lambda v: torch.as_tensor(v).to_sparse(), r"is a sparse tensor; pass .*to_dense\(\)"),
    "quantised": (lambda v: torch.quantize_per_tensor(torch.as_tensor(v).float(), 0.1, 0, torch.qint8), "is a quantised tensor"),
    "meta": (lambda v: torch.as_tensor(v).to("meta"), "is a tensor without data"),
    "text": (lambda v: np.asarray(v).astype(str), "entries that are not numbers"),
    "dates": (lambda v: np.asarray(v).astype("M8[s]"), "entries that are not numbers"),
    "half": (lambda v: np.asarray(v, dtype=np.float16), "float16"),
    "complex": (lambda v: v + 0j, "is complex"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:torch.quantize")
@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_plain_array_is_refused(name, kind):
    call, given = CALLS[name]
    made, message = REFUSED[kind]
    with pytest.raises(ValueError, match=message):
        call(made(given))


@pytest.mark.parametrize("made", [
    lambda v: v.astype(np.longdouble), lambda v: v.astype(">f8"), lambda v: np.asfortranarray(v), lambda v: v.tolist(),
    lambda v: np.repeat(v, 2, axis=0)[::2],
])  # fmt: skip
@pytest.mark.parametrize("name", CALLS)
def test_others_are_converted(name, made):
    call, given = CALLS[name]
    found, expected = call(made(given)), call(given)
    assert np.asarray(found).dtype == np.float64
    np.testing.assert_array_equal(found, expected)


def test_gradients_are_not_lost_in_silence():
    x = torch.as_tensor(X).requires_grad_()
    network = TwoLayer(x, torch.ones(3, dtype=torch.float64))
    for call in (
        lambda: solvers.min_norm(x, Y),
        lambda: plane.gradient_kinks(network),
        lambda: fourier_series(x[:, 0]),
    ):
        with pytest.raises(
            ValueError, match=r"requires gradients, which do not flow through this; pass .*\.detach\(\)"
        ):
            call()


def test_a_number_is_named_without_brackets():
    with pytest.raises(ValueError, match=r"^variance is nan; every entry"):
        RELU.dual(float("nan"), 0.0, 1.0)
