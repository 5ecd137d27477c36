"""Beyond the min_norm paper: pairs of sectors, what samples must tell apart, and one neuron, almost in closed form."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from alignmath.networks import TwoLayer
from solvers.interpolation.recovery import is_recoverable

from ...engine.attacks import errors_below, none_below
from ...engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ...engine.derivation import Derivation
from .. import formulas
from ..samples import random_directions, unit_vectors

__all__ = ["CLAIMS", "bounds", "decided", "front_multipliers"]

pi = sp.pi
alpha, beta = sp.symbols("alpha beta", positive=True)


def _pairs(effort: Effort) -> Outcome:
    d = Derivation()
    five, twelve = sp.Rational(5, 13), sp.Rational(12, 13)
    front = [(five, twelve), (five, -twelve)]
    student, teacher = [(five, point) for point in front], [(1, (sp.Integer(1), sp.Integer(0)))]
    behind = [(-twelve, five), (-twelve, -five)]
    for what, samples in (("three", [*front, behind[0]]), ("four", [*front, *behind])):
        d.certificate(
            f"{what} samples",
            all(formulas.network_value(student, x) == formulas.network_value(teacher, x) for x in samples)
            and formulas.cost(student) == sp.Rational(10, 13)
            and {formulas.sign(x[0]) for x in samples} == {1, -1},
            rf"Teacher $\sigma(x_1)$: its two sectors are one antipodal pair. Samples $p_\pm=(\frac5{{13}},\pm\frac{{12}}{{13}})$ and, behind, {'one' if what == 'three' else 'both'} of $(-\frac{{12}}{{13}},\pm\frac5{{13}})$: {what} in the pair, and some in either sector. $\frac5{{13}}[\sigma(p_+\cdot x)+\sigma(p_-\cdot x)]$ interpolates at cost $\frac{{10}}{{13}}<1$. No teacher is smaller.",
            reason="rationals",
        )
    less = sp.Symbol("w", nonnegative=True)
    d.identity(
        "any number",
        formulas.dot(front[0], (-1, sp.Rational(5, 12) - less)),
        -twelve * less,
        r"A sample $(-1,s)$ with $|s|\le\frac5{12}$ has $p_\pm\cdot x\le0$ (here $s=\frac5{12}-w$, $w\ge0$; the other by reflection): any number of these behind the two in front are interpolated as well. So no number of samples in the pair is enough, even with two in each sector.",
        shown=r"p_+\cdot(-1,\tfrac5{12}-w)=-\tfrac{12}{13}w\le0",
    )
    d.argument(
        "any teacher",
        r"For every teacher and every $k$: place $k$ samples in the sector of each antipodal pair on which $u_1\cdot x<0$. The first neuron is silent at all of them, and the teacher without it interpolates at a lower cost.",
        "Each sector lies on one side of the line of $u_1$, its opposite on the other.",
        refuted_by="a teacher that is of least norm for such samples",
        attack=lambda: _silent_attack(effort),
    )
    return d.refuted(
        "one neuron and three samples, four, or any number, in both sectors of the one pair: an interpolant of cost 10/13; and for every teacher some samples, any number a pair, at which a neuron is silent"
    )


def _silent_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(474)
    answers = []
    for _ in range(effort.count(40, 1_000)):
        m, k = int(rng.integers(1, 5)), int(rng.integers(1, 7))
        angles = rng.uniform(0, 2 * np.pi, m)
        lines = np.sort(np.mod(angles, np.pi)) + np.pi / 2
        widths = np.diff(lines, append=lines[0] + np.pi)
        samples = (lines + widths * rng.uniform(0, 1, (k, m))).ravel()
        samples = np.where(np.cos(samples - angles[0]) > 0, samples + np.pi, samples)
        teacher = TwoLayer(unit_vectors(angles), rng.choice([-1.0, 1.0], m))
        answers.append(bool(is_recoverable(teacher, unit_vectors(samples))))
    return errors_below(
        "random teachers of 1 to 4 neurons, 1 to 6 samples a pair, seed 474: 1 if of least norm", answers, 0.5
    )


def _told_apart(effort: Effort) -> Outcome:
    d = Derivation("min_norm.beyond.sharp")
    d.argument(
        "gradients at the neurons",
        r"Let $\lambda$ be as in `min_norm.beyond.sharp`, and let no sample be at right angles to a neuron. Near $u_k$ then $p(u)=g_k\cdot u$, $g_k$ the sum of $\lambda_ix_i$ over the samples at which neuron $k$ is active. As $|p|\le1=|p(u_k)|$, the gradient has no part across $u_k$: $g_k=e_ku_k$, $e_k=\operatorname{sign}c_k$.",
        "A maximum of a sinusoid inside its arc.",
        refuted_by="a teacher found of least norm, by multipliers with another gradient",
        attack=lambda: _gradient_attack(effort),
    )
    angle = sp.Symbol("D", positive=True)
    first, second = sp.Matrix([1, 0]), sp.Matrix([sp.cos(angle), sp.sin(angle)])
    d.identity(
        "opposite signs need two",
        (first + second).dot(first) - (first + second).dot(second),
        0,
        r"So $e_lu_l-e_ku_k$, which is not 0 for distinct lines, is a combination of the samples at which exactly one of neurons $k$, $l$ is active. One such sample would have to be parallel to it. For opposite signs that is $\pm(u_k+u_l)$, at which both or neither are active, as the two products below agree: at least two are needed. For equal signs one can do, in the direction of $\pm(u_l-u_k)$.",
        shown=r"(u_k+u_l)\cdot u_k=(u_k+u_l)\cdot u_l=1+\cos D",
    )
    d.identity(
        "equal signs may need only one",
        (second - first).dot(first) + (second - first).dot(second),
        0,
        r"At $u_l-u_k$ exactly one of the two is active. Likewise $g_k=e_ku_k$ needs a sample on the axis of neuron $k$, or two at which it is active.",
        shown=r"(u_l-u_k)\cdot u_k=-(u_l-u_k)\cdot u_l",
    )
    d.argument(
        "random samples",
        "So for samples with a density, almost surely: every neuron must be active at two samples, and every two neurons must be told apart by two, or the teacher is not a minimiser.",
        "Samples on the finitely many directions in question have probability 0.",
        refuted_by="a teacher of least norm that breaks this",
        attack=lambda: _apart_attack(effort),
    )
    return d.proved("the gradient of p at each neuron is the neuron; what two neurons do not share must make up for it")


def _random_case(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A few random neurons and samples: units, signs, x."""
    m = int(rng.integers(1, 4))
    return random_directions(rng, m), rng.choice([-1.0, 1.0], m), random_directions(rng, int(rng.integers(2, 11)))


def _gradient_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(475)
    errors = []
    for _ in range(effort.count(80, 1_500)):
        units, signs, x = _random_case(rng)
        recovery = is_recoverable(TwoLayer(units, signs), x)
        if recovery.multipliers is not None:
            gradients = ((x @ units.T > 0) * recovery.multipliers[:, None]).T @ x
            size = 1 + np.abs(recovery.multipliers).max()
            errors += (np.abs(gradients - signs[:, None] * units).max(axis=1) / size).tolist()
    return errors_below(
        "teachers of 1 to 3 neurons of least norm at 2 to 10 samples, seed 475: their multipliers' gradients at the neurons, over the largest multiplier",
        errors,
        3e-4,  # the square root of the tolerance on |p|
    )


def _apart_attack(effort: Effort) -> Attack:
    """Instances that break the condition must not be recoverable."""
    rng = np.random.default_rng(476)
    answers = []
    while len(answers) < effort.count(80, 1_500):
        units, signs, x = _random_case(rng)
        active = x @ units.T > 0
        apart = [(one != other).sum() for one, other in itertools.combinations(active.T, 2)]
        if min([*active.sum(axis=0), *apart]) < 2:
            answers.append(bool(is_recoverable(TwoLayer(units, signs), x)))
    return errors_below(
        "random teachers of 1 to 3 neurons with a neuron active at fewer than two of 2 to 10 samples, or two told apart by fewer, seed 476: 1 if of least norm",
        answers,
        0.5,
    )


def front_multipliers(left: Any, right: Any, *, sin: Any) -> tuple[Any, Any]:
    """Multipliers of samples at the angles `-right` and `left` to the neuron (either may be negative): the combination equal to the neuron."""
    return sin(left) / sin(left + right), sin(right) / sin(left + right)


def decided(angles: np.ndarray) -> bool | None:
    """Whether one neuron at angle 0 is of least norm at samples of these angles `(N,)`, in `(-pi, pi]`; None where the samples behind decide."""
    front = angles[np.abs(angles) < np.pi / 2]
    left, right = front[front >= 0], -front[front <= 0]
    if np.any(front == 0) or max(len(left), len(right)) > 1:
        return True
    if min(len(left), len(right)) == 0:
        return False
    if max(left[0] + 2 * right[0], 2 * left[0] + right[0]) <= np.pi:
        return True
    return False if len(front) == len(angles) else None


def bounds(samples: Any) -> tuple[Any, Any]:
    """Bounds of the probability that one neuron is of least norm at N uniform samples."""
    return (
        1 - (1 + samples + samples * (samples - 1) / sp.Integer(12)) / sp.Integer(2) ** samples,
        1 - (1 + samples) / sp.Integer(2) ** samples,
    )


def _one_neuron(effort: Effort) -> Outcome:
    d = Derivation("min_norm.beyond.sharp", "min_norm.beyond.pairs.mended")
    weight, other = front_multipliers(alpha, beta, sin=sp.sin)
    ahead, across = sp.Matrix([sp.cos(alpha), sp.sin(alpha)]), sp.Matrix([sp.cos(beta), -sp.sin(beta)])
    d.identity(
        "the multipliers in front",
        sp.Matrix(other * ahead + weight * across),
        sp.Matrix([1, 0]),
        r"Angles are taken from the neuron, which has $e=1$. Its gradient must be made up by the samples in front (`min_norm.beyond.pairs.mended`): none, or one off the axis, cannot; one on the axis does, with $p=\sigma(\cos\psi)$; for two at $\alpha$ and $-\beta$ the multipliers are unique.",
        shown=r"\frac{\sin\beta}{\sin(\alpha+\beta)}\,x(\alpha)+\frac{\sin\alpha}{\sin(\alpha+\beta)}\,x(-\beta)=u",
    )
    near, gap = sp.symbols("a g", positive=True)
    same = front_multipliers(near + gap, -near, sin=sp.sin)  # samples at near + gap (left) and near (right = -near)
    d.identity(
        "two on one side: where the first is alone",
        same[0] * sp.cos((near + gap - pi / 2) - near),
        sp.sin(near + gap),
        r"Samples at $a$ and $a+g$, $0<a<a+g<\frac\pi2$. Only the first is active from $a-\frac\pi2$ to $a+g-\frac\pi2$, where its cosine rises from 0 to this, below 1.",
        shown=r"p(a+g-\tfrac\pi2)=\sin(a+g)<1",
    )
    d.identity(
        "and the second",
        same[1] * sp.cos((near + pi / 2) - near - gap),
        -sp.sin(near),
        r"Only the second from $a+\frac\pi2$ to $a+g+\frac\pi2$, where it goes from this to 0. Between, $p=\cos\psi$. So $|p|\le1$: two samples on one side are enough, whatever the others (with multiplier 0).",
        shown=r"p(a+\tfrac\pi2)=-\sin a>-1",
    )
    d.identity(
        "one on either side",
        sp.sin(alpha + beta) - sp.sin(beta),
        2 * sp.sin(alpha / 2) * sp.cos(beta + alpha / 2),
        r"Samples at $\alpha$ and $-\beta$, both between 0 and $\frac\pi2$. Where both are active $p=\cos\psi$; where one is, $p$ is at most its multiplier. $\sin\beta\le\sin(\alpha+\beta)$ if and only if $\alpha+2\beta\le\pi$: if so and $2\alpha+\beta\le\pi$, $p\le1$.",
        shown=r"\sin(\alpha+\beta)-\sin\beta=2\sin\tfrac\alpha2\cos(\beta+\tfrac\alpha2)",
    )
    d.argument(
        "and no more, with no sample behind",
        r"If $\alpha+2\beta>\pi$, then $\alpha+\beta>\frac\pi2$, the sample at $-\beta$ is silent at $\alpha$, and $p(\alpha)=\sin\beta/\sin(\alpha+\beta)>1$. The multipliers in front are unique, so only samples behind can help.",
        "A sample on either side and none elsewhere.",
        refuted_by="samples for which this rule and the exact test differ",
        attack=lambda: _rule_attack(effort),
    )
    size, share = sp.Symbol("N", positive=True), sp.Symbol("a", positive=True)
    none, one, both = (
        sp.Integer(2) ** -size,
        2 * size / 4 * sp.Integer(2) ** (1 - size),
        size * (size - 1) / 16 * sp.Integer(2) ** (2 - size),
    )
    within = sp.integrate(1 - share / 2, (share, 0, sp.Rational(2, 3))) + sp.integrate(
        2 - 2 * share, (share, sp.Rational(2, 3), 1)
    )
    d.identity("two thirds", within, sp.Rational(2, 3), r"The share of $(\alpha,\beta)\in(0,\frac\pi2)^2$ with $\alpha+2\beta\le\pi$ and $2\alpha+\beta\le\pi$, in units of $\frac\pi2$.", shown=r"\int_0^{2/3}(1-\tfrac a2)\,da+\int_{2/3}^1(2-2a)\,da=\tfrac23")  # fmt: skip
    low, high = bounds(size)
    d.identity(
        "uniform samples, from above",
        high,
        1 - none - one,
        "With no sample in front, or one, the teacher is not a minimiser. A sample is in front on a given side with probability a quarter, behind with a half.",
        shown=r"1-(1+N)2^{-N}=1-2^{-N}-2\cdot\tfrac N4\,2^{1-N}",
    )
    d.identity(
        "and from below",
        low,
        1 - none - one - (1 - within) * both,
        "It can fail to be one besides only if one sample is on either side, beyond the region above.",
        shown=r"1-(1+N+\tfrac{N(N-1)}{12})2^{-N}=1-(1+N)2^{-N}-\tfrac13\cdot\tfrac{N(N-1)}{16}2^{2-N}",
    )
    d.argument(
        "the probability itself",
        "The share of uniform samples that the rule decides is that of the bounds.",
        "Each sample is independent of the others.",
        refuted_by="frequencies of the rule that are not those of the bounds",
        attack=lambda: _share_attack(effort),
    )
    return d.proved(
        "two samples in front on one side, or one on either side with $\\alpha+2\\beta\\le\\pi$, $2\\alpha+\\beta\\le\\pi$; probability between $1-(1+N+N(N-1)/12)2^{-N}$ and $1-(1+N)2^{-N}$"
    )


def _rule_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(477)
    errors = []
    while len(errors) < effort.count(100, 2_000):
        width = np.pi / 2 if rng.random() < 0.4 else np.pi  # else pairs in front alone are rare
        angles = rng.uniform(-width, width, int(rng.integers(1, 7)))
        answer = decided(angles)
        if answer is not None:
            turn, sign = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
            teacher = TwoLayer(unit_vectors(np.array([turn])), np.array([sign]))
            errors.append(bool(is_recoverable(teacher, unit_vectors(angles + turn))) != answer)
    return errors_below("one neuron, 1 to 6 samples that the rule decides, seed 477: 1 if the exact test differs", errors, 0.5)  # fmt: skip


def _share_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(478)
    draws = effort.count(4_000, 20_000)
    margins = []
    for samples in (2, 3, 4, 6, 8):
        answers = [decided(angles) for angles in rng.uniform(-np.pi, np.pi, (draws, samples))]
        low, high = (Fraction(str(bound)) for bound in bounds(sp.Integer(samples)))
        for share, expected in (
            (np.mean([answer is True for answer in answers]), float(low)),
            (np.mean([answer is not False for answer in answers]), None if samples == 2 else float(high)),
        ):
            if expected is not None:
                margins.append(5 - abs(share - expected) / math.sqrt(expected * (1 - expected) / draws))
    return none_below(f"{draws} draws for each of N = 2, 3, 4, 6, 8, seed 478: 5 less the standard errors", margins)


CLAIMS = (
    Claim(
        "min_norm.beyond.pairs",
        "a number of points in every antipodal pair of sectors",
        "Three samples in every antipodal pair of sectors, or four, or some other number, make every teacher a minimum-norm interpolant of its values.",
        Verdict.REFUTED,
        _pairs,
    ),
    Claim(
        "min_norm.beyond.pairs.mended",
        "what samples must tell apart",
        r"Let a teacher on distinct lines be of least norm among the interpolants of its values, and no sample be at right angles to a neuron. Then each neuron is active at a sample on its axis or at two samples; and of every two neurons, exactly one is active at two of the samples or more, or, if their signs are equal, at one in the direction of $\pm(u_l-u_k)$. For samples with a density: almost surely two, in both cases.",
        Verdict.PROVED,
        _told_apart,
        uses=("min_norm.beyond.sharp",),
    ),
    Claim(
        "min_norm.beyond.one_neuron",
        "one neuron",
        r"A teacher of one neuron, no sample at right angles to it; angles from the neuron, in front: less than $\frac\pi2$. It is of least norm if a sample is on its axis, or two in front lie on one side of it, or one in front on either side, at $\alpha$ and $-\beta$, with $\alpha+2\beta\le\pi$ and $2\alpha+\beta\le\pi$. With none in front, or one off the axis, it is not; with one on either side and none behind, only under that condition. "
        r"So for $N\ge2$ uniform samples the probability is at least $1-(1+N+\frac{N(N-1)}{12})2^{-N}$ and at most $1-(1+N)2^{-N}$.",
        Verdict.PROVED,
        _one_neuron,
        uses=("min_norm.beyond.sharp", "min_norm.beyond.pairs.mended"),
    ),
)
