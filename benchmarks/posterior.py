"""The posterior on scikit-learn's digits (500 samples, 200 new inputs, ten outputs, three hidden ReLU layers, float64)
against neural-tangents: the Gaussian process and the ensemble trained to the end, from inputs to mean and covariance.

The rival is `gradient_descent_mse_ensemble` of neural-tangents 0.6.5, jitted with its kernels, in the environment and
in the manner of `benchmarks.kernels`; calls alternate, times are medians. Its predictions are compared as they are
without `jit`, which changes its tangent kernels by 1e-8 of their diagonal, and the ensemble's predictions by 2e-9.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from alignmath.activations import RELU
from alignmath.architectures import FullyConnected
from benchmarks.kernels import TANGENT, Rival, seconds_of
from benchmarks.output import publish
from solvers.regression import posterior, trained_ensemble

__all__ = ["main", "measure"]

_SAMPLES, _NEW, _DEPTH, _NOISE, _ROUNDS = 500, 200, 3, 0.1, 11
_PROGRAM = """
import json, sys, time
import jax, numpy
jax.config.update("jax_enable_x64", True)
import neural_tangents as nt
from neural_tangents import stax
for line in sys.stdin:
    ask = json.loads(line)
    if "get" in ask:
        hidden = [stax.Dense(1, W_std=2**0.5, b_std=None), stax.Relu()] * ask["depth"]
        kernel = stax.serial(*hidden, stax.Dense(1, W_std=1.0, b_std=None))[2]
        @jax.jit
        def function(x, y, x_new):
            predict = nt.predict.gradient_descent_mse_ensemble(
                kernel, x, y, diag_reg=ask["noise"], diag_reg_absolute_scale=True
            )
            return predict(x_test=x_new, get=ask["get"], compute_cov=True)
        data = [jax.numpy.asarray(part) for part in numpy.load(ask["data"]).values()]
        found = function.__wrapped__(*data)
        function(*data)
        numpy.savez(ask["result"], mean=numpy.asarray(found.mean), covariance=numpy.asarray(found.covariance))
    begun = time.perf_counter()
    jax.block_until_ready(function(*data))
    print(json.dumps(time.perf_counter() - begun), flush=True)
"""


def measure() -> dict[str, float]:
    """Milliseconds, ratios and differences."""
    from sklearn.datasets import load_digits

    pixels, digits = load_digits(return_X_y=True)
    x, x_new = pixels[:_SAMPLES] / 16, pixels[_SAMPLES : _SAMPLES + _NEW] / 16
    y = np.eye(10)[digits[:_SAMPLES]] - 0.1
    network = FullyConnected(_DEPTH, RELU, weight_variance=2.0)
    figures: dict[str, float] = {}
    rival = Rival(_PROGRAM)
    for name, get, predict in (("posterior", "nngp", posterior), ("trained_ensemble", TANGENT, trained_ensemble)):
        call = partial(predict, network, x, y, x_new, noise=_NOISE)
        found = call()
        with tempfile.TemporaryDirectory() as folder:
            data, result = str(Path(folder) / "data.npz"), str(Path(folder) / "result.npz")
            np.savez(data, x=x, y=y, x_new=x_new)
            rival.ask(get=get, depth=_DEPTH, noise=_NOISE, data=data, result=result)
            with np.load(result) as expected:
                for part in ("mean", "covariance"):
                    difference = np.abs(getattr(found, part) - expected[part]).max() / np.abs(expected[part]).max()
                    figures[f"{name}: largest difference of the {part}, relative to its largest entry"] = difference
        ours, theirs = [], []
        for _ in range(_ROUNDS):
            ours.append(seconds_of(call))
            theirs.append(rival.seconds())
        figures[f"{name}: milliseconds"] = 1e3 * statistics.median(ours)
        figures[f"{name}: neural-tangents, milliseconds"] = 1e3 * statistics.median(theirs)
        figures[f"{name}: ratio"] = statistics.median(ours) / statistics.median(theirs)
    rival.close()
    return figures


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    publish(measure, "The posterior on digits against neural-tangents.", argv)


if __name__ == "__main__":
    main(sys.argv[1:])
