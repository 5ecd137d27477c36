"""The specialization paper's two-layer figures (2, 3, 5, 6, 7, 11): what the text says of each, and what was measured in the settings of `ensembles`.

At quick effort: fewer seeds, polarities, widths and epochs, as each statement's evidence says; at full effort the paper's 100 epochs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from alignmath.networks import DeepReLU
from solvers.dynamics.training import SGD, Gaussian, Measures, train
from solvers.dynamics.training.measures import best_student, best_teacher, evaluation_loss, fan_out, node_correlations

from ..engine.claims import Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from ..engine.statistics import mean_interval
from .coverage import coverage_epochs, rank_correlations
from .ensembles import DEVIATION, FACTORS, INPUTS, RATE, flow_of, stacked, students_of, teachers_of, train_pairs
from .plane_runs import plane_runs, strongest_unaligned

__all__ = ["CLAIMS", "measured_claim"]


@dataclass(frozen=True)
class _Ensemble:
    """Runs of several polarities and widths. best: `(P, F, S, K, 20)`, correlation with the best student; loss: `(P, F, S, K)`."""

    polarities: tuple[float, ...]
    factors: tuple[int, ...]
    epochs: np.ndarray
    best: np.ndarray
    loss: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        """How many of the 20 teacher nodes are covered at the end, `(P, F, S)`."""
        return (self.best[..., -1, :] > 0.95).sum(axis=-1)

    @property
    def setting(self) -> str:
        """What was run, for the evidence."""
        widths = ", ".join(f"{f}x" for f in self.factors)
        p = ", ".join(f"{q:g}" for q in self.polarities)
        return f"20 teacher nodes, p = {p}, {widths} students, {self.best.shape[2]} seeds, {self.epochs[-1]} epochs"


@cache
def _ensemble(effort: Effort) -> _Ensemble:
    quick = effort is Effort.QUICK
    polarities, factors = ((0.0, 2.0), (1, 5)) if quick else ((0.0, 0.5, 1.0, 1.5, 2.0, 2.5), FACTORS)
    seeds, last = range(effort.count(3, 8)), effort.count(12, 100)
    record = range(last + 1) if quick else [*range(31), *range(32, 101, 4)]
    best, loss = [], []
    for factor in factors:
        students = students_of(20, factor, seeds)
        spread = DeepReLU(
            *(
                tuple(np.stack([p] * len(polarities)) for p in group or ())
                for group in (students.weights, students.biases)
            )
        )
        teachers = [teachers_of(20, seeds, p) for p in polarities]
        runs = train(
            spread, stacked(teachers), Gaussian(INPUTS, DEVIATION),
            epochs=last, optimizer=SGD(RATE), loss="mean_squared", seed=np.broadcast_to(np.array(seeds), spread.batch),
            record=record, measures=Measures([best_student, evaluation_loss], samples=effort.count(2_000, 10_000)), dtype="float32",
        )  # fmt: skip
        best.append(np.moveaxis(runs.measured["best_student"], 0, 2))
        loss.append(np.moveaxis(runs.measured["evaluation_loss"], 0, 2))
    return _Ensemble(polarities, factors, np.asarray(list(record)), np.stack(best, axis=1), np.stack(loss, axis=1))


def _text_five(effort: Effort) -> Outcome:
    d, e = Derivation(), _ensemble(effort)
    polar = [k for k, p in enumerate(e.polarities) if p >= 1]
    rates = (e.best[..., -1, :] > 0.95).mean(axis=2)
    left = [(k, j) for k in polar for j in range(len(e.factors)) if e.covered[k, j].mean() < 19]
    gap = min((float(rates[k, j, :5].mean() - rates[k, j, -5:].mean()) for k, j in left), default=0.0)
    d.measurement(
        "strong nodes are covered more often",
        gap >= 0.3,
        f"{e.setting}. At p from 1 on, {len(left)} of {len(polar) * len(e.factors)} pairs of p and width have more than one node of 20 left to cover, on average. There the five strongest nodes are covered more often than the five weakest, by {gap:.2f} at least.",
    )
    widest, narrow = e.covered[:, -1].mean(axis=1), e.covered[:, 0].mean(axis=1)
    d.measurement(
        "wide students cover more",
        bool(np.all(widest[polar] > narrow[polar])),
        f"Covered nodes of 20, {e.factors[0]}x against {e.factors[-1]}x: "
        + "; ".join(f"{narrow[k]:.1f} against {widest[k]:.1f} at p = {e.polarities[k]:g}" for k in polar)
        + ".",
    )
    return d.measured(
        f"as the text says, at p from 1 on: strong nodes first (gap {gap:.2f} or more), {e.factors[-1]}x students cover more than {e.factors[0]}x"
    )


def _measured_five(effort: Effort) -> Outcome:
    d, e = Derivation(), _ensemble(effort)
    rows = []
    for k, p in enumerate(e.polarities):
        for j, factor in enumerate(e.factors):
            count = e.covered[k, j]
            rows.append(f"p = {p:g}, {factor}x: {count.mean():.1f} ({count.min()} to {count.max()})")
    falls = np.mean(e.covered[-1], axis=1) < np.mean(e.covered[0], axis=1)
    d.measurement(
        "numbers covered",
        bool(np.all(falls)),
        f"{e.setting}. Mean number covered, least and most over the seeds: {'; '.join(rows)}. Fewer at p = {e.polarities[-1]:g} than at p = {e.polarities[0]:g}, at every width.",
    )
    return d.measured(f"{e.setting}: " + "; ".join(rows))


def _start(effort: Effort) -> Outcome:
    d = Derivation()
    seeds, last = range(effort.count(2, 8)), effort.count(6, 100)
    by_factor = {}
    for factor in (2, 10):
        students = stacked([students_of(20, factor, seeds, scale) for scale in (0.1, 1.0)])
        runs = train(
            students, teachers_of(20, seeds, 1.0), Gaussian(INPUTS, DEVIATION),
            epochs=last, optimizer=SGD(RATE), loss="mean_squared", seed=np.broadcast_to(np.array(seeds), students.batch),
            measures=Measures([evaluation_loss, best_student], samples=2_000), dtype="float32",
        )  # fmt: skip
        by_factor[factor] = (
            runs.measured["evaluation_loss"][-1],
            (runs.measured["best_student"][-1] > 0.95).sum(axis=-1),
        )
    for place, name in ((0, "a tenth of torch.nn's initial weights"), (1, "torch.nn's initial weights")):
        narrow, wide = (by_factor[f][0][place].mean() for f in (2, 10))
        counts = [f"{by_factor[f][1][place].mean():.1f}" for f in (2, 10)]
        better = wide < 1.2 * narrow if place == 0 else wide > narrow
        d.measurement(
            name,
            bool(better),
            f"20 teacher nodes, p = 1, {len(seeds)} seeds, {last} epochs: mean evaluation loss {narrow:.4g} with 2x and {wide:.4g} with 10x students, covering {counts[0]} and {counts[1]} nodes.",
        )
    return d.measured(
        "with a tenth of torch.nn's initial weights 10x students do no worse than 2x; with all of them 2x students do better"
    )


@cache
def _students(effort: Effort) -> tuple[np.ndarray, np.ndarray]:
    """Correlations `(K, S, 10, n)` of 2x students of 10 nodes at p = 1, at every epoch, and the flow's `(K, 10, n)` of the first seed."""
    seeds, last = range(effort.count(3, 8)), effort.count(12, 40)
    measures = Measures([node_correlations], samples=2_000)
    runs = train_pairs(10, 1.0, 2, seeds, epochs=last, record=range(last + 1), measures=measures)
    return runs.measured["node_correlations"], flow_of(10, 1.0, 2, 0, list(range(last + 1)))[1]


def _text_six(effort: Effort) -> Outcome:
    d = Derivation()
    correlation, _ = _students(effort)
    covers = (correlation[-1] > 0.95).sum(axis=-1)
    first = coverage_epochs(np.moveaxis(correlation.max(axis=-1), 0, 1), np.arange(len(correlation)))
    d.measurement(
        "more students for the strongest node, and earlier",
        bool(covers[:, 0].mean() > covers[:, 1:5].mean() and np.median(first[:, 0]) < np.median(first[:, 4])),
        f"10 teacher nodes, p = 1, 2x students, {len(covers)} seeds, {len(correlation) - 1} epochs. Students covering each node at the end, mean over seeds: {', '.join(f'{c:.1f}' for c in covers.mean(axis=0))}. Median epoch of coverage of node 1: {np.median(first[:, 0]):g}; of node 5: {np.median(first[:, 4]):g}.",
    )
    return d.measured(
        f"the strongest node is covered first (epoch {np.median(first[:, 0]):g} against {np.median(first[:, 4]):g} for the fifth) and by most students"
    )


def _measured_six(effort: Effort) -> Outcome:
    d = Derivation()
    correlation, flow = _students(effort)
    shifts = 0
    for run in np.moveaxis(correlation, 1, 0):
        ends, value = run[-1].argmax(axis=0), run[-1].max(axis=0)
        for n in np.flatnonzero(value > 0.9):
            nearest, height = run[:, :, n].argmax(axis=1), run[:, :, n].max(axis=1)
            shifts += bool(np.any((nearest < ends[n]) & (height > 0.5)))
    d.measurement(
        "focus shifts",
        shifts >= 1,
        f"{shifts} student nodes, over {correlation.shape[1]} seeds, end with a correlation above 0.9 with one teacher node after having been nearest to a stronger one, above 0.5.",
    )
    apart = float(np.median(np.abs(correlation[:, 0] - flow)))
    d.measurement(
        "the gradient flow",
        apart < 0.05,
        f"SGD's correlations of all {flow.shape[2]} student nodes with all teacher nodes differ from the flow's, first seed, by {apart:.4f} in the median over all epochs (0.05 allowed).",
    )
    return d.measured(f"{shifts} shifts of focus; SGD follows the gradient flow to {apart:.3f} in the median")


def _text_seven(effort: Effort) -> Outcome:
    d, e = Derivation(), _ensemble(effort)
    polar = [k for k, p in enumerate(e.polarities) if p >= 1]
    epochs = coverage_epochs(e.best, e.epochs)
    rising = [np.median(epochs[k, -1, :, 0]) < np.median(epochs[k, -1, :, 9]) for k in polar]
    d.measurement(
        "strong first",
        bool(np.all(rising)),
        f"{e.setting}. Median epoch of coverage of the strongest and of the tenth node, {e.factors[-1]}x: "
        + "; ".join(
            f"{np.median(epochs[k, -1, :, 0]):g} and {np.median(epochs[k, -1, :, 9]):g} at p = {e.polarities[k]:g}"
            for k in polar
        )
        + " (inf: not covered).",
    )
    return d.measured("the strongest node is covered before the tenth at every polarity from 1 on")


def _measured_seven(effort: Effort) -> Outcome:
    d, e = Derivation(), _ensemble(effort)
    width, shown = e.factors.index(5), [k for k, p in enumerate(e.polarities) if p in (1.0, 2.0)]
    listed = [int(k) for k in e.epochs if k <= 30]
    places = np.flatnonzero(np.isin(e.epochs, listed))
    apart = {}
    for k in shown:
        flow = flow_of(20, e.polarities[k], 5, 0, listed)[1].max(axis=-1)
        apart[e.polarities[k]] = float(np.median(np.abs(e.best[k, width, 0, places] - flow)))
    d.measurement(
        "the gradient flow",
        max(apart.values()) < 0.05,
        f"5x students of 20 nodes, first seed, the first {listed[-1]} epochs: the correlation of each teacher node with its best student under SGD differs from the flow's by "
        + ", ".join(f"{v:.4f} at p = {p:g}" for p, v in apart.items())
        + " in the median (0.05 allowed).",
    )
    return d.measured(
        "SGD follows the gradient flow: median difference of the correlations "
        + ", ".join(f"{v:.3f} (p = {p:g})" for p, v in apart.items())
    )


def _order(effort: Effort) -> Outcome:
    d, e = Derivation(), _ensemble(effort)
    tau = rank_correlations(coverage_epochs(e.best, e.epochs))
    mean, half = mean_interval(tau)
    for k, p in enumerate(e.polarities):
        shown = ", ".join(f"{m:.2f} +- {h:.2f} ({f}x)" for m, h, f in zip(mean[k], half[k], e.factors, strict=True))
        if p == 0:
            d.measurement(
                "control: equal strengths",
                bool(np.all(np.abs(mean[k]) < 0.25)),
                f"p = 0: Kendall's tau-b of index and epoch of coverage, mean over {tau.shape[2]} seeds with the 95% interval: {shown}; below 0.25 in size.",
            )
        else:
            d.measurement(f"p = {p:g}", bool(np.all(mean[k] - half[k] > 0)), f"{shown}: positive, intervals included.")
    return d.measured(
        f"{e.setting}: tau "
        + "; ".join(
            f"{', '.join(f'{m:.2f} +- {h:.2f}' for m, h in zip(mean[k], half[k], strict=True))} at p = {p:g}"
            for k, p in enumerate(e.polarities)
        )
    )


def _text_eleven(effort: Effort) -> Outcome:
    d, e = Derivation(), _ensemble(effort)
    polar = [k for k, p in enumerate(e.polarities) if p >= 1]
    low = np.median(e.loss[..., -1], axis=2)
    d.measurement(
        "over-realisation lowers the loss",
        bool(np.all(low[polar, -1] < low[polar, 0])),
        f"{e.setting}. Median evaluation loss at the end, {e.factors[0]}x against {e.factors[-1]}x: "
        + "; ".join(f"{low[k, 0]:.3g} against {low[k, -1]:.3g} at p = {e.polarities[k]:g}" for k in polar)
        + ".",
    )
    return d.measured(f"the loss of {e.factors[-1]}x students is below that of 1x at every polarity from 1 on")


def _measured_eleven(effort: Effort) -> Outcome:
    d, e = Derivation(), _ensemble(effort)
    low = np.median(e.loss[..., -1], axis=2)
    rows = "; ".join(
        f"p = {p:g}: " + ", ".join(f"{v:.2g} ({f}x)" for v, f in zip(low[k], e.factors, strict=True))
        for k, p in enumerate(e.polarities)
    )
    fallen = float((e.loss[..., -1] / e.loss[..., 0]).max())
    d.measurement(
        "the losses",
        fallen < 0.2,
        f"{e.setting}. Median evaluation loss at the end: {rows}. Every run is below {fallen:.3f} of its start (0.2 allowed).",
    )
    return d.measured(f"median evaluation loss after {e.epochs[-1]} epochs: {rows}")


@dataclass(frozen=True)
class _FanOuts:
    """Student nodes at the end, `(S, n)` each: correlation with the best teacher node, fan-out, `|v||w|`.

    share: `(S,)`, the mean square of what nodes that correlate below 0.6 add to the output together, as a share of the output's.
    """

    correlation: np.ndarray
    norm: np.ndarray
    strength: np.ndarray
    share: np.ndarray


@cache
def _fan_outs(effort: Effort) -> dict[int, _FanOuts]:
    """By width: 10 teacher nodes, p = 1, from torch.nn's initial weights."""
    factors, seeds, last = ((5,), range(2), 16) if effort is Effort.QUICK else (FACTORS, range(8), 100)
    x = Gaussian(INPUTS, DEVIATION).sample(np.random.default_rng(503), 4_000)
    by_factor = {}
    for factor in factors:
        runs = train_pairs(
            10, 1.0, factor, seeds,
            scale=1.0, epochs=last, record=[last], measures=Measures([best_teacher, fan_out], samples=effort.count(2_000, 10_000)),
        )  # fmt: skip
        correlation, norm = runs.measured["best_teacher"][0], runs.measured["fan_out"][0]
        weak = DeepReLU(
            (runs.students.weights[0], runs.students.weights[1] * (correlation < 0.6)[:, None, :]),
            (runs.students.biases[0], np.zeros_like(runs.students.biases[1])),
        )
        share = np.mean(np.sum(weak(x) ** 2, axis=-1), axis=-1) / np.mean(
            np.sum(runs.students(x) ** 2, axis=-1), axis=-1
        )
        by_factor[factor] = _FanOuts(correlation, norm, norm * np.linalg.norm(runs.students.weights[0], axis=-1), share)
    return by_factor


def _text_three(effort: Effort) -> Outcome:
    d, ratios = Derivation("specialization.thm3.mended"), []
    for factor, e in _fan_outs(effort).items():
        weak, strong = e.correlation < 0.6, e.correlation > 0.95
        if weak.sum() < 10:
            continue  # 1x students specialise, but for a few
        ratios.append(float(np.median(e.norm[weak]) / np.median(e.norm[strong])))
        d.measurement(
            f"{factor}x",
            ratios[-1] < 0.6,
            f"10 teacher nodes, p = 1, torch.nn's initial weights, {len(e.norm)} seeds: the median fan-out of the {weak.sum()} student nodes that correlate below 0.6 is {ratios[-1]:.2f} of that of the {strong.sum()} above 0.95 (0.6 allowed).",
        )
    d.measurement(
        "widths with such nodes", len(ratios) >= 1, f"{len(ratios)} of the widths have ten nodes or more below 0.6."
    )
    return d.measured(
        f"nodes that correlate badly have smaller fan-outs than specialised ones: {', '.join(f'{r:.2f}' for r in ratios)} of theirs in the median"
    )


def _measured_three(effort: Effort) -> Outcome:
    d, rows = Derivation("specialization.thm3.mended"), []
    for factor, e in _fan_outs(effort).items():
        weak = e.correlation < 0.6
        alone = float((e.strength * weak).max() / e.strength.max())
        rows.append(f"{factor}x: {e.share.max():.4f} together, {alone:.2f} of the largest alone")
        d.measurement(
            f"{factor}x",
            bool(e.share.max() < 0.01),
            f"{len(e.norm)} seeds, {weak.sum()} of {weak.size} nodes below 0.6: together they give at most {e.share.max():.4f} of the mean square of the output (0.01 allowed); the strongest of them alone has {alone:.2f} of the largest $\\|v_k\\|\\|w_k\\|$.",
        )
    return d.measured("what nodes that correlate below 0.6 contribute: " + "; ".join(rows))


@cache
def _plane(effort: Effort) -> dict[str, np.ndarray]:
    return plane_runs(effort.count(4, 32), 10_000)


def _text_two(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm3.mended")
    left = strongest_unaligned(_plane(effort))
    d.measurement(
        "what is not aligned does not count",
        float(np.median(left)) < 0.05,
        f"2 teacher and 6 student nodes in the plane, {len(left)} seeds, 29 epochs: the strongest node, by |v||w|, that aligns with no teacher node has {np.median(left):.3f} of the largest strength in the median, {left.max():.3f} at most (median 0.05 allowed).",
    )
    return d.measured(
        f"|v||w| of unaligned nodes is {np.median(left):.3f} of the largest in the median over {len(left)} seeds"
    )


def _measured_two(effort: Effort) -> Outcome:
    d = Derivation()
    data = _plane(effort)
    aligned = (data["correlation"][-1] > 0.95).sum(axis=-1)
    unaligned = np.where(data["correlation"][-1] > 0.95, 0.0, data["fan_out"][-1]).max(axis=-1)
    d.measurement(
        "the fan-outs",
        bool(np.all(aligned >= 2) and np.all(data["loss"][-1] < 0.01)),
        f"{len(aligned)} seeds: of 6 student nodes {', '.join(map(str, aligned))} are aligned; the largest fan-out |v| itself of one that is not: {', '.join(f'{v:.2f}' for v in unaligned)}. Losses at the end: at most {data['loss'][-1].max():.2g}.",
    )
    return d.measured(
        f"fan-outs |v| alone need not vanish: up to {unaligned.max():.2f} on nodes whose boundary is outside the data or whose |w| is small; the paper prints 0.66 for one"
    )


def measured_claim(name: str, source: str, statement: str, check: Callable[[Effort], Outcome], *uses: str) -> Claim:
    """A claim of this paper about an experiment, expected MEASURED."""
    return Claim(name, source, statement, Verdict.MEASURED, check, uses=uses)


CLAIMS = (
    measured_claim(
        "specialization.fig2",
        "Figure 2, what the text says",
        "Student nodes not aligned with a teacher node lose their weight in the plane: $\\|v_k\\|\\|w_k\\|$ becomes small.",
        _text_two,
        "specialization.thm3.mended",
    ),
    measured_claim(
        "specialization.fig2.measured",
        "Figure 2, measured",
        "In the plane, two or more of six student nodes align with the two teacher nodes in every run and the loss falls below 0.01; the fan-out $\\|v_k\\|$ alone of the others need not vanish.",
        _measured_two,
    ),
    measured_claim(
        "specialization.fig3",
        "Figure 3, what the text says",
        "Student nodes that correlate badly with all teacher nodes have small fan-outs, specialised ones large ones.",
        _text_three,
        "specialization.thm3.mended",
    ),
    measured_claim(
        "specialization.fig3.measured",
        "Figure 3, measured",
        "With 10 teacher nodes, $p=1$ and the initial weights of torch.nn, the student nodes that correlate below 0.6 give together less than one per cent of the mean square of the output.",
        _measured_three,
        "specialization.thm3.mended",
    ),
    measured_claim(
        "specialization.fig5",
        "Figure 5, what the text says",
        "As long as nodes are left to cover, strong teacher nodes are covered more often than weak ones, and over-realised students cover more.",
        _text_five,
    ),
    measured_claim(
        "specialization.fig5.measured",
        "Figure 5, measured",
        "How many of 20 teacher nodes are covered, by polarity and width; fewer at the largest polarity than at $p=0$.",
        _measured_five,
    ),
    measured_claim(
        "specialization.fig5.start",
        "Figure 5, what it depends on",
        "Over-realisation helps from small initial weights. From those of torch.nn, 10x students end with a larger loss than 2x students at $p=1$.",
        _start,
    ),
    measured_claim(
        "specialization.fig6",
        "Figure 6, what the text says",
        "More students go to a strong teacher node, and first.",
        _text_six,
    ),
    measured_claim(
        "specialization.fig6.measured",
        "Figure 6, measured",
        "Some students first approach a stronger teacher node and then turn to the one they end with; and SGD follows the gradient flow on the population.",
        _measured_six,
    ),
    measured_claim(
        "specialization.fig7",
        "Figure 7, what the text says",
        "The strong teacher nodes are covered first, weaker ones many epochs later.",
        _text_seven,
    ),
    measured_claim(
        "specialization.fig7.measured",
        "Figure 7, measured",
        "The best student's correlation with each teacher node follows the gradient flow on the population.",
        _measured_seven,
    ),
    measured_claim(
        "specialization.beyond.order",
        "Section 5.3, strong teacher nodes first, as a number",
        "For $p>0$ the index of a teacher node (strongest first) and its epoch of coverage are positively correlated (Kendall's tau-b, 95% interval above 0), at every width; for $p=0$ they are not.",
        _order,
    ),
    measured_claim(
        "specialization.fig11",
        "Figure 11, what the text says",
        "With strongly polarised teachers, over-realised students have a lower evaluation loss.",
        _text_eleven,
    ),
    measured_claim(
        "specialization.fig11.measured",
        "Figure 11, measured",
        "Evaluation losses by polarity and width; all runs fall below a fifth of their start.",
        _measured_eleven,
    ),
)
