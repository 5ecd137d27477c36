"""64 training runs (d = 100, 20 teacher and 100 student nodes, 50 outputs, 16 samples a step): `train` against torch.nn
and torch.optim.

The rival is what one would write for one run: `torch.nn.Sequential`, `MSELoss`, `torch.optim.SGD`, batches cut from
tensors in memory (no data loader), run by run, on one thread. Both train on the same samples and targets, in float32
and in float64; ours uses the machine's cores. A few epochs of ours run between those of the rival; the ratio is of
run-epochs per second, medians of both. The share of peak is that of a product of 2048 x 2048 matrices in the same
precision on all threads; a run-epoch takes 4 d m + 6 m C floating-point operations a sample. On a GPU, if there is
one, the whole of Figure 5 (640 runs, 100 epochs) is timed too.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np
import torch

from alignmath.networks import DeepReLU, random_student, random_teacher
from benchmarks.output import publish
from solvers.dynamics.training import SGD, Gaussian, epoch_order, train
from solvers.modules import to_module

__all__ = ["lean_epoch", "main", "measure", "peak"]

_RUNS, _INPUTS, _TEACHERS, _STUDENTS, _OUTPUTS, _BATCH_SIZE, _SAMPLES, _RATE = 64, 100, 20, 100, 50, 16, 10_000, 0.01
_EPOCHS, _ROUNDS = 8, 5


def lean_epoch(module: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, order: torch.Tensor) -> None:
    """One epoch of one run."""
    optimiser, loss = torch.optim.SGD(module.parameters(), lr=_RATE), torch.nn.MSELoss()
    for chosen in order.split(_BATCH_SIZE):
        optimiser.zero_grad()
        loss(module(x[chosen]), y[chosen]).backward()
        optimiser.step()


def peak(dtype: torch.dtype, size: int = 2048) -> float:
    """Floating-point operations per second of a matrix product, best of ten."""
    a, b = (torch.randn(size, size, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(10):
        begun = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - begun)
    return 2 * size**3 / min(seconds)


def measure() -> dict[str, float]:
    """Seconds and ratios in both precisions, and how far the weights of both differ after an epoch."""
    rng = np.random.default_rng(5)
    law = Gaussian(_INPUTS, 1.5)
    drawn = rng.standard_normal((_RUNS, _SAMPLES, _INPUTS)) * law.scale
    teacher = random_teacher((_INPUTS, _TEACHERS, _OUTPUTS), rng, x=drawn[0], polarity=1.0)
    students = random_student(teacher, _STUDENTS / _TEACHERS, rng, batch=(_RUNS,))
    threads = torch.get_num_threads()
    figures: dict[str, float] = {"threads of train": threads}
    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        x = torch.as_tensor(drawn).to(dtype)
        y = torch.cat([_cast(teacher, dtype)(part)[None] for part in x])
        options = {"x": x, "y": y, "optimizer": SGD(_RATE), "loss": "mean_squared", "dtype": name, "seed": 0}
        single = [
            to_module(
                DeepReLU(
                    tuple(w[r] for w in _cast(students, dtype).weights),
                    tuple(b[r] for b in _cast(students, dtype).biases or ()),
                )
            )
            for r in range(_ROUNDS)
        ]
        ended = train(students, epochs=1, **options)  # also a warm-up
        lean, ours, peaks = [], [], []
        for r in range(_ROUNDS):
            order = torch.as_tensor(epoch_order((0, r), _SAMPLES, 0))
            torch.set_num_threads(1)
            begun = time.perf_counter()
            lean_epoch(single[r], x[r], y[r], order)
            lean.append(time.perf_counter() - begun)
            torch.set_num_threads(threads)
            begun = time.perf_counter()
            train(students, epochs=_EPOCHS, **options)
            ours.append((time.perf_counter() - begun) / (_EPOCHS * _RUNS))
            peaks.append(peak(dtype))
        hidden = [next(single[r].parameters()).detach().numpy() for r in range(_ROUNDS)]
        apart = [np.abs(weight - ended.students.weights[0][r]).max() for r, weight in enumerate(hidden)]
        rate = _SAMPLES * (4 * _INPUTS * _STUDENTS + 6 * _STUDENTS * _OUTPUTS) / statistics.median(ours)
        figures |= {
            f"{name}: torch.nn and torch.optim, milliseconds a run-epoch": 1e3 * statistics.median(lean),
            f"{name}: train, milliseconds a run-epoch": 1e3 * statistics.median(ours),
            f"{name}: train, GFLOP a second": rate / 1e9,
            f"{name}: share of peak ({max(peaks) / 1e9:.0f} GFLOP a second)": rate / max(peaks),
            f"{name}: largest difference of hidden weights after an epoch": float(max(apart)),
            f"{name}: training ratio": statistics.median(lean) / statistics.median(ours),
        }
    if torch.cuda.is_available():
        from examples.specialization.plot_success_rates import compute

        begun = time.perf_counter()
        compute(device="cuda")
        figures["whole Figure 5 on the GPU, seconds"] = time.perf_counter() - begun
    return figures


def _cast(network: DeepReLU, dtype: torch.dtype) -> DeepReLU:
    """The network in torch, in the given precision."""
    biases = tuple(torch.as_tensor(b).to(dtype) for b in network.biases or ())
    return DeepReLU(tuple(torch.as_tensor(w).to(dtype) for w in network.weights), biases)


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    publish(measure, "64 training runs at once, against torch.nn and torch.optim run by run.", argv)


if __name__ == "__main__":
    main(sys.argv[1:])
