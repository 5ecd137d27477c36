"""The settings of the specialization paper's experiments (Sections 6 and 8.16): where they diverge, how they can be read so that they train, and two scalings."""

from __future__ import annotations

from functools import cache

import flint
import numpy as np
import sympy as sp

from alignmath.networks import DeepReLU, random_student, random_teacher
from solvers.dynamics.training import SGD, Gaussian, Measures, epoch_inputs, epoch_order, train
from solvers.dynamics.training.measures import evaluation_loss
from solvers.runs import RunStatus

from ..engine.attacks import errors_below
from ..engine.claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from .ensembles import DEVIATION, FACTORS, INPUTS, RATE, students_of, teachers_of

__all__ = ["CLAIMS", "ball_losses", "step_of_descent"]

_BITS = 256
_PRINTED = r"inputs $N(0,100\,I)$ in 100 dimensions, 50 outputs, mini-batches of 16, learning rate 0.01, teachers with unit weight vectors, half of the data active on each node and $\|v_j^*\|=1/j$"


def ball_losses(student: DeepReLU, teacher: DeepReLU, batches: list[np.ndarray], rate: float) -> list[flint.arb]:
    """Losses (2) of two-layer SGD on each batch `(B, d)` before the step on it, in ball arithmetic: the floating-point weights and inputs are taken as exact.

    Raises `CheckFailed` if a ball is too wide to tell whether a node is active.
    """
    before = flint.ctx.prec
    flint.ctx.prec = _BITS
    try:
        (w, v), (b, a) = (
            [flint.arb_mat(p.tolist()) for p in group]
            for group in (student.weights, [p[:, None] for p in student.biases or ()])
        )
        losses = []
        for x in batches:
            inputs, ones = flint.arb_mat(x.tolist()), flint.arb_mat([[1] for _ in x])
            target = flint.arb_mat(teacher(x).tolist())
            hidden = inputs * w.transpose() + ones * b.transpose()
            gates = [[_active(value) for value in row] for row in hidden.tolist()]
            hidden = _gated(hidden, gates)
            residual = target - hidden * v.transpose() - ones * a.transpose()
            losses.append(sum((value * value for value in residual.entries()), flint.arb(0)) / (2 * len(x)))
            step = flint.arb(rate) / len(x)
            back = _gated(residual * v, gates)
            v, a = v + step * (residual.transpose() * hidden), a + step * (residual.transpose() * ones)
            w, b = w + step * (back.transpose() * inputs), b + step * (back.transpose() * ones)
        return losses
    finally:
        flint.ctx.prec = before


def _active(value: flint.arb) -> bool:
    if value > 0:
        return True
    if value < 0:
        return False
    raise CheckFailed(
        f"a ball of radius {float(value.rad()):.2g} around 0 does not tell whether a node is active; more bits are needed"
    )


def _gated(matrix: flint.arb_mat, gates: list[list[bool]]) -> flint.arb_mat:
    return flint.arb_mat(
        [
            [value if gate else 0 for value, gate in zip(row, line, strict=True)]
            for row, line in zip(matrix.tolist(), gates, strict=True)
        ]
    )


@cache
def _printed_run(scale: float) -> tuple[list[flint.arb], int]:
    """Losses in balls of the first steps of one run with the settings as printed; the step at which `train` reports divergence."""
    seeds = range(1)
    student, teacher = students_of(20, 1, seeds, scale), teachers_of(20, seeds, 1.0)
    law = Gaussian(INPUTS, DEVIATION)
    runs = train(student, teacher, law, epochs=1, optimizer=SGD(RATE), seed=np.array(seeds))
    (_, step) = runs.diverged[0] if runs.diverged else ((), 0)
    one = [DeepReLU(tuple(w[0] for w in n.weights), tuple(b[0] for b in n.biases or ())) for n in (student, teacher)]
    x, order = epoch_inputs(law, (0,)), epoch_order((0,), 10_000, 0)
    batches = [x[order[16 * k : 16 * (k + 1)]] for k in range(min(step, 60))]
    return ball_losses(one[0], one[1], batches, RATE), step


def _setup(effort: Effort) -> Outcome:
    d = Derivation()
    for scale, name in ((1.0, "the initial weights of torch.nn"), (0.1, "a tenth of these")):
        losses, step = _printed_run(scale)
        grown = bool(losses[-1] > 10**30 * losses[0])
        d.certificate(
            f"start from {name}",
            grown,
            f"One run of 20 student nodes on a teacher of 20 ({name}, seed 0), followed step by step in ball arithmetic of {_BITS} bits: the loss of mini-batch {len(losses)} is more than "
            f"$10^{{30}}$ times that of the first, {float(losses[0].mid()):.4g}. In double precision the run leaves the finite numbers at step {step} of 625 of the first epoch.",
            reason="the enclosures of both losses; initial weights, inputs and targets as they are in floating point, taken as exact",
        )
    return d.refuted("the loss of a run grows beyond $10^{30}$ times its start within the first epoch")


def _mended(effort: Effort) -> Outcome:
    d = Derivation("specialization.setup.scaling")
    factors, polarities = ((1, 10), (0.5, 2.0)) if effort is Effort.QUICK else (FACTORS, (0.0, 0.5, 1.0, 1.5, 2.0, 2.5))
    seeds, epochs = range(effort.count(2, 8)), effort.count(1, 5)
    worst, count = 0.0, 0
    for factor in factors:
        students = students_of(20, factor, seeds)
        teachers = [teachers_of(20, seeds, p) for p in polarities]
        stack = DeepReLU(
            tuple(np.stack(g) for g in zip(*(t.weights for t in teachers), strict=True)),
            tuple(np.stack(g) for g in zip(*(t.biases or () for t in teachers), strict=True)),
        )
        spread = DeepReLU(
            tuple(np.stack([w] * len(polarities)) for w in students.weights),
            tuple(np.stack([b] * len(polarities)) for b in students.biases or ()),
        )
        runs = train(
            spread, stack, Gaussian(INPUTS, DEVIATION),
            epochs=epochs, optimizer=SGD(RATE), loss="mean_squared", seed=np.broadcast_to(np.array(seeds), spread.batch), measures=Measures([evaluation_loss], samples=1_000), dtype="float32",
        )  # fmt: skip
        if runs.diverged:
            raise CheckFailed(f"{len(runs.diverged)} runs of {factor}x students diverged")
        worst = max(worst, float((runs.measured["evaluation_loss"][-1] / runs.measured["evaluation_loss"][0]).max()))
        count += runs.status.size
    bound = 1 / 3
    d.measurement(
        "all runs train",
        worst < bound,
        f"{count} runs ({', '.join(f'{f}x' for f in factors)} students, p from {polarities[0]:g} to {polarities[-1]:g}): after {epochs} epoch(s) none has diverged, and the evaluation loss is at most {worst:.3f} of its start (bound 1/3). Averaging over 50 outputs makes the slope 2/50 of that of (2): in the units of `specialization.setup.scaling` the rate is 0.04 in place of 1.",
    )
    return d.measured(
        f"{count} of {count} runs train with the loss averaged over the outputs; the worst is at {worst:.3f} of its initial loss after {epochs} epoch(s)"
    )


def _line(effort: Effort) -> Outcome:
    d = Derivation("specialization.setup.scaling")
    seeds, factors = range(effort.count(2, 6)), (1, 10) if effort is Effort.QUICK else FACTORS
    rates = (
        np.array([0.2, 0.5, 0.8])
        if effort is Effort.QUICK
        else np.array([0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.63, 0.8, 1.0])
    )
    epochs = effort.count(1, 2)
    for scale, name in ((0.1, "a tenth of torch.nn's initial weights"), (1.0, "torch.nn's initial weights")):
        for factor in factors:
            students, teachers = students_of(20, factor, seeds, scale), teachers_of(20, seeds, 1.0)
            spread = DeepReLU(
                tuple(np.stack([w] * len(rates)) for w in students.weights),
                tuple(np.stack([b] * len(rates)) for b in students.biases or ()),
            )
            runs = train(
                spread, teachers, Gaussian(INPUTS, DEVIATION),
                epochs=epochs, optimizer=SGD(rates[:, None] / DEVIATION**2), dtype="float32", seed=np.broadcast_to(np.array(seeds), spread.batch),
            )  # fmt: skip
            lost = (runs.status == RunStatus.DIVERGED).sum(axis=1)
            safe = 0.5 if scale < 1 else {1: 0.5, 2: 0.5, 5: 0.25, 10: 0.2}[factor]
            d.measurement(
                f"{name}, {factor}x",
                bool(np.all(lost[rates <= safe] == 0) and np.all(lost[rates >= 0.8] == len(seeds))),
                f"$\\eta\\sigma^2$ and how many of {len(seeds)} runs diverge within {epochs} epoch(s): "
                + ", ".join(f"{r:g}: {n}" for r, n in zip(rates, lost, strict=True))
                + f". None up to {safe:g}, all from 0.8 on.",
            )
    return d.measured(
        "the line lies between $\\eta\\sigma^2=0.5$ and 0.8 for small initial weights at every width; for torch.nn's it falls with the width, to between 0.2 and 0.5 at 10x"
    )


def step_of_descent(
    w: sp.Matrix, v: sp.Matrix, target: sp.Matrix, x: sp.Matrix, gates: list[sp.Symbol], rate: sp.Expr
) -> tuple[sp.Matrix, sp.Matrix]:
    """Weights after one step on `|target - V D W x|^2 / 2` at one input, for the gates D: `(W, V)`."""
    hidden = sp.diag(*gates) * w * x
    residual = target - v * hidden
    return w + rate * sp.diag(*gates) * v.T * residual * x.T, v + rate * residual * hidden.T


def _scaling(effort: Effort) -> Outcome:
    d = Derivation()
    w, v, x = (
        sp.Matrix(rows, columns, lambda i, j, n=name: sp.Symbol(f"{n}_{i + 1}{j + 1}"))
        for name, rows, columns in (("w", 2, 2), ("v", 2, 2), ("x", 2, 1))
    )
    target, gates = sp.Matrix(sp.symbols("y_1 y_2")), list(sp.symbols("z_1 z_2"))
    rate, sigma, s = sp.Symbol("eta", positive=True), sp.Symbol("sigma", positive=True), sp.Symbol("s", positive=True)
    plain = step_of_descent(w, v, target, x, gates, rate * sigma**2)
    scaled = step_of_descent(w, v, sigma * target, sigma * x, gates, rate)
    for k, name in ((0, "W"), (1, "V")):
        d.identity(
            f"inputs times sigma: {name}",
            scaled[k],
            plain[k],
            r"Without biases the teacher's outputs grow with the inputs: $f^*(\sigma x)=\sigma f^*(x)$, and the gates stay. A step of rate $\eta$ at $\sigma x$ is a step of rate $\eta\sigma^2$ at $x$."
            if k == 0
            else "",
            "entry by entry, two nodes, inputs and outputs with symbols for all weights and gates",
            shown=rf"{name}_{{\text{{new}}}}(\sigma x;\eta)={name}_{{\text{{new}}}}(x;\eta\sigma^2)",
        )
    root = sp.sqrt(s)
    stronger = step_of_descent(root * w, root * v, s * target, x, gates, rate / s)
    weaker = step_of_descent(w, v, target, x, gates, rate)
    for k, name in ((0, "W"), (1, "V")):
        d.identity(
            f"a teacher s times as strong: {name}",
            stronger[k],
            root * weaker[k],
            r"With outputs $s f^*$ and weights $\sqrt s\,W$, $\sqrt s\,V$, a step of rate $\eta/s$ gives $\sqrt s$ times the new weights: the same course in $1/s$ of the time."
            if k == 0
            else "",
            "entry by entry",
            shown=rf"{name}_{{\text{{new}}}}(\sqrt s\,W,\sqrt s\,V,sf^*;\eta/s)=\sqrt s\,{name}_{{\text{{new}}}}(W,V,f^*;\eta)",
        )
    d.argument(
        "any number of nodes, samples and steps",
        r"Whole runs, of any width and batch: training on inputs $\sigma x$ at the rate $\eta$ is training on $x$ at the rate $\eta\sigma^2$, weight for weight.",
        "An entry of a step is a sum over nodes and samples of terms like those checked, the gates depend on the signs of $w\\cdot x$ only, and equal weights before a step give equal weights after it.",
        refuted_by="two runs related so whose weights differ",
        attack=lambda: _scaling_attack(effort),
    )
    return d.proved(
        "one step is the same for inputs $\\sigma x$ at the rate $\\eta$ and $x$ at $\\eta\\sigma^2$; a teacher $s$ times as strong is learned $s$ times as fast"
    )


def _scaling_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(501)
    runs, errors = effort.count(8, 64), []
    teacher = random_teacher((12, 4, 3), rng)
    students = random_student(teacher, 3, rng, batch=(runs,))
    plain = students
    for sigma in (4.0, 0.3, 10.0):
        plain, wide = (
            train(
                students, teacher, Gaussian(12, s, samples=320), epochs=2, optimizer=SGD(0.05 / s**2), seed=5
            ).students
            for s in (1.0, sigma)
        )
        errors += [np.abs(a - b).max(axis=(1, 2)) for a, b in zip(plain.weights, wide.weights, strict=True)]
    for s in (4.0, 9.0):
        strong = DeepReLU((teacher.weights[0], s * teacher.weights[1]))
        large = DeepReLU(tuple(np.sqrt(s) * w for w in students.weights))
        ended = train(large, strong, Gaussian(12, samples=320), epochs=2, optimizer=SGD(0.05 / s), seed=5).students
        errors += [
            np.abs(a - b / np.sqrt(s)).max(axis=(1, 2)) for a, b in zip(plain.weights, ended.weights, strict=True)
        ]
    return errors_below(
        f"two epochs of SGD, {runs} students of 12 nodes, inputs times 4, 0.3 and 10, teachers times 4 and 9, seed 501: differences of the final weights",
        errors,
        1e-11,
    )


CLAIMS = (
    Claim(
        "specialization.setup",
        "Sections 6 and 8.16, settings as printed, with the loss (2)",
        f"SGD on the loss (2) trains two-layer students with {_PRINTED}.",
        Verdict.REFUTED,
        _setup,
    ),
    Claim(
        "specialization.setup.scaling",
        "Section 6, what the settings depend on",
        r"For networks without biases, SGD with learning rate $\eta$ on inputs $\sigma x$ takes the same steps as with $\eta\sigma^2$ on $x$; with a teacher $s$ times as strong and weights $\sqrt s$ times as large, the rate $\eta/s$ gives the same course.",
        Verdict.PROVED,
        _scaling,
    ),
    Claim(
        "specialization.setup.mended",
        "Sections 6 and 8.16, settings as printed, with the loss averaged over the outputs too",
        f"With {_PRINTED.replace('1/j', '1/j^p')}, and the squared error averaged over the 50 outputs (torch.nn.MSELoss) and a tenth of torch.nn's initial weights, students of every width train.",
        Verdict.MEASURED,
        _mended,
        uses=("specialization.setup.scaling",),
    ),
    Claim(
        "specialization.setup.line",
        "Section 6, where training begins to diverge",
        r"In the setting of `specialization.setup` with $p=1$, what decides is $\eta\sigma^2$ (1 as printed): from a tenth of torch.nn's initial weights no run diverges at 0.5 and all do at 0.8, at every width from 1x to 10x; from torch.nn's the line is lower for wider students.",
        Verdict.MEASURED,
        _line,
        uses=("specialization.setup.scaling",),
    ),
)
