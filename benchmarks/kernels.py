"""The ReLU tangent kernel (100 inputs, 1, 3 and 10 hidden layers, float64): `alignmath.kernels.tangent` against
neural-tangents.

The rival is neural-tangents 0.6.5 as its users have it: `stax.serial` of dense and ReLU layers, the kernel function
jitted in float64, compiled before the clock starts. It needs an older JAX and NumPy than may be installed here and so
lives in an environment of its own (2.6 GB), made on first use in the user's cache folder; where that fails it is left
out. Its process stays alive and is asked for one kernel at a time, so that calls alternate with ours; times are
medians. It uses all cores; ours too, but for up to 700 inputs, where one thread is as fast.

A pass is one reading or writing of the whole result, `8 n^2` bytes. Ours writes the result once, whatever the depth:
blocks stay in cache from the inputs to the last layer. That is one pass in all, counted from the code, not measured.
"effective GB a second" is what a program that reads and writes the whole matrix once a layer would move in the time of
ours; "passes a layer at the rate of a copy", how many passes memory could make in that time.

Also: `gram` of a convolutional residual network (3 layers, patches of 3) for images of scikit-learn's digits, their 8 x
8 pixels in a row; softplus, whose expectations are sums, with fewer. And `gram` and `tangent` together of 500 digits as
they are, pixels from 0 to 16, by GELU, tanh and softplus, three hidden layers: deviations are up to 60 there.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from alignmath.activations import ERF, GELU, RELU, SOFTPLUS, TANH
from alignmath.architectures import ConvolutionalResNet, FullyConnected
from alignmath.kernels import gram, tangent
from benchmarks.output import publish

__all__ = ["TANGENT", "Rival", "copy_rate", "main", "measure", "seconds_of"]

_COUNTS, _DEPTHS, _INPUTS, _ROUNDS = (500, 2000), (1, 3, 10), 100, 15
_RAW = 500
_IMAGES = ((RELU, 200), (ERF, 200), (SOFTPLUS, 40))
TANGENT = "ntk"
"""What neural-tangents calls the tangent kernel."""
_PINS = ("neural-tangents==0.6.5", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2", "scipy<1.14")
_HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alignmath" / "neural-tangents-0.6.5"
_PROGRAM = """
import json, sys, time
import jax, numpy
jax.config.update("jax_enable_x64", True)
from neural_tangents import stax
for line in sys.stdin:
    ask = json.loads(line)
    if "depth" in ask:
        hidden = [stax.Dense(1, W_std=2**0.5, b_std=None), stax.Relu()] * ask["depth"]
        kernel = stax.serial(*hidden, stax.Dense(1, W_std=1.0, b_std=None))[2]
        function = jax.jit(lambda X: kernel(X, None, "ntk"))
        X = jax.numpy.asarray(numpy.load(ask["inputs"]))
        numpy.save(ask["result"], numpy.asarray(function(X)))
    begun = time.perf_counter()
    function(X).block_until_ready()
    print(json.dumps(time.perf_counter() - begun), flush=True)
"""


class Rival:
    """neural-tangents in a process of its own, which answers one line with another.

    program: what it runs, by default the ReLU tangent kernels of `compiled`.
    """

    def __init__(self, program: str = _PROGRAM) -> None:
        self._process = subprocess.Popen(
            [_python(), "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **request: Any) -> float:
        """What it answers, seconds."""
        print(json.dumps(request), file=self._process.stdin, flush=True)
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"neural-tangents ended with exit code {self._process.wait()}; delete {_HOME}?")
        return json.loads(answer)

    def compiled(self, x: np.ndarray, depth: int) -> np.ndarray:
        """The kernel of x, whose later calls take `seconds`."""
        with tempfile.TemporaryDirectory() as folder:
            inputs, result = Path(folder) / "inputs.npy", Path(folder) / "result.npy"
            np.save(inputs, x)
            self.ask(depth=depth, inputs=str(inputs), result=str(result))
            return np.load(result)

    def seconds(self) -> float:
        """Of one call."""
        return self.ask()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _python() -> Path:
    """The interpreter of the rival's environment, which is made if it is not there."""
    python = _HOME / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (_HOME / "ready").exists():
        print(f"installing {_PINS[0]} in {_HOME}", file=sys.stderr)
        shutil.rmtree(_HOME, ignore_errors=True)
        venv.create(_HOME, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *_PINS], check=True)
        (_HOME / "ready").touch()
    return python


def seconds_of(call: Callable[[], Any]) -> float:
    """Of one call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def copy_rate(threads: int, megabytes: int = 256) -> float:
    """Bytes a second, read and written, of a copy from memory to memory on that many threads; best of seven."""
    source = np.ones(megabytes << 17)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:
        best = min(seconds_of(lambda: list(pool.map(lambda part: np.copyto(*part), parts))) for _ in range(7))
    return 2 * source.nbytes / best


def measure() -> dict[str, float]:
    """Seconds and ratios."""
    threads = os.cpu_count() or 1
    rate = copy_rate(threads)
    figures: dict[str, float] = {"threads": threads, "copy, GB a second read and written": rate / 1e9}
    try:
        rival = Rival()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"neural-tangents is left out, as it could not be installed: {error}")
        rival = None
    for n in _COUNTS:
        x = np.random.default_rng(n).standard_normal((n, _INPUTS))
        for depth in _DEPTHS:
            name = f"n = {n}, depth {depth}"
            network = FullyConnected(depth, RELU, weight_variance=2.0)
            kernel = tangent(x, network)
            expected = kernel if rival is None else rival.compiled(x, depth)
            ours, theirs = [], []
            for _ in range(_ROUNDS):
                ours.append(seconds_of(partial(tangent, x, network)))
                if rival is not None:
                    theirs.append(rival.seconds())
            seconds, bytes_a_pass = statistics.median(ours), 8 * n * n
            figures[f"{name}: tangent, milliseconds"] = 1e3 * seconds
            if rival is not None:
                other = statistics.median(theirs)
                figures |= {
                    f"{name}: neural-tangents, milliseconds": 1e3 * other,
                    f"{name}: tangent / neural-tangents": seconds / other,
                    f"{name}: the same of the fastest calls": min(ours) / min(theirs),
                    f"{name}: largest difference, relative to the largest entry": float(
                        np.abs(kernel - expected).max() / np.abs(expected).max()
                    ),
                }
            figures |= {
                f"{name}: effective GB a second, two passes a layer": 2 * bytes_a_pass * depth / seconds / 1e9,
                f"{name}: passes a layer, counted": 1 / depth,
                f"{name}: passes a layer at the rate of a copy": seconds * rate / bytes_a_pass / depth,
            }
    if rival is not None:
        rival.close()
    from sklearn.datasets import load_digits

    images = load_digits().data[:, None, :] / 16
    for s, count in _IMAGES:
        seconds = seconds_of(partial(gram, images[:count], ConvolutionalResNet(3, s)))
        figures[f"convolutional_resnet, {count} digits, depth 3, {s.name}: seconds"] = seconds
    raw = load_digits().data[:_RAW]
    for s in (GELU, TANH, SOFTPLUS):
        network = FullyConnected(3, s)
        seconds = seconds_of(partial(gram, raw, network)) + seconds_of(partial(tangent, raw, network))
        figures[f"{_RAW} raw digits, depth 3, {s.name}: seconds of gram and tangent"] = seconds
    return figures


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    publish(measure, "The ReLU tangent kernel against neural-tangents.", argv)


if __name__ == "__main__":
    main(sys.argv[1:])
