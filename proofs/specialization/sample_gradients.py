"""Theorem 1 of the specialization paper: batches whose gradients vanish, or nearly, and what that says of single samples."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from sympy.polys.matrices import DomainMatrix

from ..engine.attacks import errors_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import critical_formulas as formulas
from .exact_networks import ExactNetwork, sample_directions, two_layer

__all__ = ["CLAIMS"]

B, N = sp.symbols("B N", integer=True, positive=True)
u, w, S, T = sp.symbols("u_i u_k S T", real=True)
eps = sp.Symbol("epsilon", positive=True)


def _rank(samples: int, batch: int) -> int:
    """Rank of the 0/1 matrix with a row for each batch and a column for each sample, over the rationals."""
    rows = [[int(i in chosen) for i in range(samples)] for chosen in itertools.combinations(range(samples), batch)]
    return int(DomainMatrix.from_list_sympy(len(rows), samples, [[sp.Integer(x) for x in row] for row in rows]).rank())


def _silent(*, output_bias: bool = True) -> ExactNetwork:
    """A student whose one hidden node is silent on `x > 0`: its output, and so its gradients below the top, are 0 there."""
    return two_layer([(-1, 0)], [1], [0] if output_bias else None)


def _teacher_with(first: Any, others: Any) -> ExactNetwork:
    """A teacher with the value `first` at x = 1 and `others` at x = 2, 3, ..."""
    return two_layer([(-1, 2)], [Fraction(first) - Fraction(others)], [others])


def _batch_sums(teacher: ExactNetwork, samples: int, batch: int) -> list[list[np.ndarray]]:
    """The sum of `U_l` over each batch of the samples 1, ..., N, for every layer."""
    each = [sample_directions(_silent(), teacher, [x]) for x in range(1, samples + 1)]
    return [
        [np.sum([each[i][layer] for i in chosen], axis=0) for layer in range(2)]
        for chosen in itertools.combinations(range(samples), batch)
    ]


def _largest(directions: Sequence[np.ndarray]) -> Fraction:
    return max(abs(entry) for part in directions for entry in part.ravel())


def _theorem_one(effort: Effort) -> Outcome:
    d = Derivation()
    d.identity(
        "swap one sample",
        (S + u) - (S + w),
        u - w,
        r"For $B\le N-1$ and two samples $i,k$ some $B-1$ others, with the sum $S$, make a batch with either. Both gradients vanish: $U_i=U_k$ for any two samples.",
        shown=r"(S+U_i)-(S+U_k)=U_i-U_k",
    )
    d.identity(
        "so each vanishes",
        sp.Sum(u, (sp.Dummy("k"), 1, B)).doit(),
        B * u,
        r"A batch of $B$ equal $U_i$ adds up to $B\,U_i=0$.",
        shown=r"\sum_{i\in\text{batch}}U_i=B\,U_i=0",
    )
    f, g = sp.Matrix(sp.symbols("f_1:4", real=True)), sp.Matrix(sp.symbols("g_1:3", real=True))
    U = formulas.batch_direction(f, g)
    d.identity(
        "an outer product vanishes with one factor",
        sum(entry**2 for entry in U),
        f.dot(f) * g.dot(g),
        r"$U_i=f_{l-1}(x_i)\,g_l(x_i)^\top$, so $U_i=0$ only if $f_{l-1}(x_i)=0$ or $g_l(x_i)=0$.",
        shown=r"\sum_{ab}(f_ag_b)^2=\|f\|^2\|g\|^2",
    )
    a, b = formulas.inclusion_gram(N, B)
    d.identity(
        "all batches at once: off the constant vectors",
        a,
        sp.binomial(N - 1, B - 1) * (N - B) / (N - 1),
        r"The matrix of samples in batches has the Gram matrix $aI+bJ$, $J$ all ones: a sample lies in $\binom{N-1}{B-1}$ batches, two together in $b=\binom{N-2}{B-2}$. On vectors with sum 0 it is $a$: positive for $B<N$, and 0 for $B=N$.",
        shown=r"a=\binom{N-1}{B-1}-\binom{N-2}{B-2}=\binom{N-1}{B-1}\frac{N-B}{N-1}",
    )
    d.identity(
        "and on them",
        a + N * b,
        B * sp.binomial(N - 1, B - 1),
        r"On constant vectors it is $a+Nb>0$. So the rank is $N$ if and only if $B<N$: for other sizes no combination of batches shows single samples.",
        shown=r"a+Nb=B\binom{N-1}{B-1}",
    )
    sizes = [(n, k) for n in range(2, 8) for k in range(1, n + 1)]
    d.certificate(
        "ranks counted",
        all(_rank(n, k) == (n if k < n else 1) for n, k in sizes),
        r"For $N\le7$: rank $N$ for $B<N$, rank 1 for $B=N$.",
        reason="over the rationals",
    )
    teacher = _teacher_with(1, -1)
    whole, single = _batch_sums(teacher, 2, 2), sample_directions(_silent(), teacher, [1])
    d.certificate(
        "one batch of all samples is not enough",
        _largest(whole[0]) == 0 and _largest(single) == 1,
        r"$N=B=2$: samples $1,2$, teacher values $1,-1$, a student whose node is silent at both, output bias 0. The whole batch leaves every weight as it is, but $g_2=\pm1$ and $f_1=(0,1)$, with the constant of the bias, is not 0.",
        reason="rationals",
    )
    return d.proved("any two samples can be swapped if $B<N$; false for $B=N$")


def _printed_noise(effort: Effort) -> Outcome:
    d = Derivation()
    first, others = (Fraction(v) for v in formulas.extremal_entries(2, 1))
    teacher = _teacher_with(first, others)
    sums = _batch_sums(teacher, 3, 2)
    top = sample_directions(_silent(), teacher, [1])[1]
    d.certificate(
        "batch sums are at most 1",
        all(_largest(total) <= 1 for total in sums) and [teacher([x])[0] for x in (1, 2, 3)] == [first, others, others],
        r"$\epsilon=1$, samples $1,2,3$, batches of $B=2$, teacher values $\frac32,-\frac12,-\frac12$, a student whose node is silent there, with an output bias of 0: in every layer $\|\sum_{i\in\text{batch}}U_i\|_\infty\le1$.",
        reason="rationals; all batches, all layers",
    )
    d.certificate(
        "but the gradient of a sample is 3/2",
        bool(top[-1, 0] == Fraction(3, 2) > 1),
        r"$f_1$ has the constant of the bias, and $g_2(x_1)=\frac32>\epsilon$.",
        reason="rationals",
    )
    mean_first, mean_others = 2 * first, 2 * others
    teacher = _teacher_with(mean_first, mean_others)
    d.certificate(
        "for means the first bound fails too",
        all(_largest(total) / 2 <= 1 for total in _batch_sums(teacher, 3, 2)) and bool(teacher([1])[0] == 3),
        r"With means over the batch, as in equation (1), teacher values $3,-1,-1$ keep $\|\dot W_l\|_\infty\le1$, while $\|U_1\|_\infty=3>2\epsilon$.",
        reason="rationals",
    )
    return d.refuted(
        "three samples, batches of two: $|g|=\\frac32\\epsilon$, and $\\|U\\|_\\infty=3\\epsilon$ if batches are averaged; for sums $2\\epsilon$ holds"
    )


def _mended_noise(effort: Effort) -> Outcome:
    d = Derivation()
    d.identity(
        "one sample by sums over batches",
        B * u,
        (u + T) + ((B - 1) * u - T),
        r"Let $i$ be in a batch with sum $u_i+T$, the entries $u_k$ of the other $B-1$ samples adding up to $T$. The second bracket is $\sum_k(u_i-u_k)$, and $u_i-u_k$ is the difference of two batch sums, as $B<N$: at most $2\epsilon$ each.",
        shown=r"B\,u_i=(u_i+T)+\sum_{k}(u_i-u_k)",
    )
    d.identity(
        "its bound",
        (eps + 2 * (B - 1) * eps) / B,
        formulas.sum_noise_constant(B) * eps,
        r"So $B|u_i|\le\epsilon+2(B-1)\epsilon$.",
        shown=r"|u_i|\le\frac{\epsilon+2(B-1)\epsilon}B=\Big(2-\frac1B\Big)\epsilon",
    )
    first, others = formulas.extremal_entries(B, eps)
    d.identity(
        "attained, by batches with sample 1",
        first + (B - 1) * others,
        eps,
        r"$u_1=(2-\frac1B)\epsilon$, all others $-\frac\epsilon B$.",
        shown=r"u_1+(B-1)u_2=\epsilon",
    )
    d.identity("and without it", B * others, -eps, "There are such batches for every $N>B$.", shown=r"B\,u_2=-\epsilon")
    d.identity(
        "means",
        formulas.mean_noise_constant(B),
        2 * B - 1,
        r"A mean of at most $\epsilon$ is a sum of at most $B\epsilon$; $B$ times these entries attain the bound.",
        shown=r"\Big(2-\frac1B\Big)B=2B-1",
    )
    cases = [(n, k) for n in range(2, 7) for k in range(1, n)]
    d.certificate(
        "networks that attain it",
        all(_attains(n, k) for n, k in cases),
        r"For all $B<N\le6$: samples $1,\dots,N$, teacher $-\frac1B+2\sigma(2-x)$, a student that is silent there with an output bias. All batch sums in all layers are at most 1, and $|g_2(x_1)|=\|U_1\|_\infty=2-\frac1B$: with a bias below, $g_l$ is a row of $U$, and has the same constant.",
        reason="rationals; all batches, all layers",
    )
    d.argument(
        "no larger",
        "Entry by entry, for each layer.",
        "The identity and the triangle inequality.",
        refuted_by=r"entries with batch sums of at most $\epsilon$ and one of them above $(2-\frac1B)\epsilon$",
        attack=lambda: _noise_attack(effort),
    )
    return d.proved("sharp for every $B<N$, for sums and for means, for $U_i$ and with a bias for $g_l$")


def _attains(samples: int, batch: int) -> bool:
    first, others = (Fraction(v) for v in formulas.extremal_entries(batch, 1))
    teacher = _teacher_with(first, others)
    direction = sample_directions(_silent(), teacher, [1])
    bounded = all(_largest(total) <= 1 for total in _batch_sums(teacher, samples, batch))
    return bounded and _largest(direction) == abs(direction[1][-1, 0]) == Fraction(formulas.sum_noise_constant(batch))


def _noise_attack(effort: Effort) -> Attack:
    """The largest entry for batch sums of at most 1, by linear programming, against the bound."""
    from scipy.optimize import linprog

    errors = []
    for n in range(2, effort.count(7, 10)):
        for k in range(1, n):
            rows = np.array([[float(i in c) for i in range(n)] for c in itertools.combinations(range(n), k)])
            both = np.concatenate([rows, -rows])
            optimum = linprog(-np.eye(n)[0], both, np.ones(len(both)), bounds=(None, None), method="highs")
            errors.append(abs(-optimum.fun - float(formulas.sum_noise_constant(k))) if optimum.status == 0 else np.inf)
    return errors_below(
        "largest u_1 by linear programming, N up to 6 (9 at full effort), every B < N, against 2 - 1/B", errors, 1e-9
    )


CLAIMS = (
    Claim(
        name="specialization.thm1",
        source="Theorem 1, 8.2, with the batch smaller than the data set",
        statement=r"Let $1\le B\le N-1$. If the gradient of every batch of $B$ of $N$ samples vanishes, then $g_l(x_i)=0$ or $f_{l-1}(x_i)=0$ for every sample. For $B=N$ this fails.",
        expected=Verdict.PROVED,
        check=_theorem_one,
    ),
    Claim(
        name="specialization.thm1.noisy",
        source="8.2, as printed",
        statement=r"If $\|\dot W_l\|_\infty\le\epsilon$ for every batch, then $\|U_i\|_\infty\le2\epsilon$ for $U_i=f_{l-1}(x_i)g_l(x_i)^\top$, and with a bias in $f_{l-1}$, $\|g_l(x_i)\|_\infty\le\epsilon$.",
        expected=Verdict.REFUTED,
        check=_printed_noise,
    ),
    Claim(
        name="specialization.thm1.noisy.mended",
        source="8.2, with its best constants",
        statement=r"Let $1\le B<N$. If $\|\sum_{i\in\text{batch}}U_i\|_\infty\le\epsilon$ for all batches of $B$ samples, then $\|U_i\|_\infty\le(2-\frac1B)\epsilon$; if the means are at most $\epsilon$, then $\|U_i\|_\infty\le(2B-1)\epsilon$. With a bias, $\|g_l(x_i)\|_\infty$ has the same bounds. All are attained, for every $N>B$.",
        expected=Verdict.PROVED,
        check=_mended_noise,
    ),
)
