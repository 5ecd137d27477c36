"""The remark after Theorem 4 of the specialization paper: with random weights above the first layer, how likely is `alpha_kj != 0`?"""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import sympy as sp

from alignmath.networks import DeepReLU
from alignmath.specialization import mixture

from ..engine.attacks import monte_carlo
from ..engine.claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import critical_formulas as formulas
from .symbolic_networks import Symbolic, column

__all__ = ["CLAIMS"]


def _random_weights(effort: Effort) -> Outcome:
    d = Derivation("specialization.eq4")
    n = sp.Symbol("n", positive=True, integer=True)
    d.identity(
        "a layer that stays awake",
        formulas.alive_probability([n]),
        1 - sp.Rational(1, 2) ** n,
        r"Given $f_{l-1}(x)\ne0$, the pre-activations of layer $l$ are independent, each symmetric and 0 with probability 0: the gates are $n_l$ fair coins, and one at least is open with probability $1-2^{-n_l}$. Then $f_l(x)\ne0$.",
        shown=r"P(D_l\ne0\mid f_{l-1}(x)\ne0)=1-2^{-n_l}",
    )
    for widths in ((2, 3), (1, 2, 2)):
        d.certificate(
            f"gates counted, {len(widths)} layers",
            _counted(widths) == formulas.alive_probability(widths),
            rf"Layers of {', '.join(map(str, widths))} nodes: over all sequences of fair gates, those with an open one in each layer.",
            reason="enumeration",
        )
    student, teacher = Symbolic("w", (2, 2, 2, 2)), column("v", 2)
    opened = dict(zip(sorted(set(student.D[1].free_symbols), key=str), (1, 0), strict=True))
    alpha = (student.V(1).T @ teacher)[0].subs(opened)
    path = student.W[1][0, 0] * student.W[2][0, 0]
    d.identity(
        "a path through open gates",
        sp.expand(alpha).coeff(path),
        teacher[0],
        r"Given the gates, $\alpha_{kj}=v_k^\top v_j^*$ is a polynomial in the weights above layer 1. The coefficient of the product of the weights along a path from node $k$ through open gates to output $c$ is $v^*_{j,c}$. Two gated nodes, one of them open:",
        shown=r"\alpha_{kj}=\dots+w^{(2)}_{11}w^{(3)}_{11}v^*_{j,1}+\dots",
    )
    d.argument(
        "almost surely not 0",
        r"So if each layer above has an open gate and $v_j^*\ne0$, $\alpha_{kj}$ is a polynomial that is not 0; its zeros have measure 0, and the weights, also given the gates, have a density. If all gates of a layer are closed, $v_k=0$ and $\alpha_{kj}=0$. The product over the layers follows.",
        "Conditional independence, layer by layer.",
        refuted_by="weights for which the frequency of $\\alpha_{kj}(x)\\ne0$ is another",
        attack=lambda: _frequency_attack(effort),
    )
    return d.proved("gates are fair coins; open paths make $\\alpha_{kj}$ a polynomial that is not 0")


def _counted(widths: tuple[int, ...]) -> Fraction:
    """Probability that every layer has an open gate, if all gates are fair coins."""
    gates = itertools.product((0, 1), repeat=sum(widths))
    ends = list(itertools.accumulate(widths, initial=0))
    awake = sum(all(any(row[p:q]) for p, q in itertools.pairwise(ends)) for row in gates)
    return Fraction(awake, 2 ** sum(widths))


def _frequency_attack(effort: Effort) -> Attack:
    """How often the library's `A_1(x)` has entries other than 0 for the teacher nodes with `v_j* != 0`, three laws of weights."""
    rng = np.random.default_rng(831)
    count, rows = effort.count(90_000, 600_000), []
    laws = {
        "Gaussian": lambda shape: rng.standard_normal(shape),
        "uniform": lambda shape: rng.uniform(-1, 1, shape),
        "cubes of Laplace": lambda shape: rng.laplace(size=shape) ** 3,
    }
    for (name, law), hidden in zip(laws.items(), ((3,), (3, 3), (4, 3)), strict=True):
        widths = (2, 3, *hidden, 1)
        first = np.broadcast_to(rng.standard_normal((3, 2)), (count, 3, 2))
        student = DeepReLU((first, *(law((count, q, p)) for p, q in itertools.pairwise(widths[1:]))))
        teacher = DeepReLU(tuple(np.abs(rng.standard_normal((q, p))) for p, q in itertools.pairwise(widths)))
        x = _input_seen(student.weights[0][0], teacher)
        mixed = mixture(student, teacher, x[None], 1).a[:, 0]
        nonzero = np.all(mixed != 0, axis=(1, 2)).astype(float)
        if not np.array_equal(nonzero, np.any(mixed != 0, axis=(1, 2))):
            raise CheckFailed(f"{name}: some entries of A_1 are 0 and others are not")
        expected = float(formulas.alive_probability(hidden))
        rows.append((nonzero.mean(), nonzero.std() / count**0.5, expected, expected))
    means, errors, expected, scales = (np.array(entry) for entry in zip(*rows, strict=True))
    return monte_carlo(
        f"gated layers of 3; 3, 3; 4, 3 nodes, weights {', '.join(laws)}, {count} students each",
        means,
        errors,
        expected,
        scales,
    )


def _input_seen(first: np.ndarray, teacher: DeepReLU) -> np.ndarray:
    """An input at which some student node of the first layer is active; all weights of the teacher are positive, and so are its gates there."""
    for x in (np.array([1.0, 0.5]), np.array([0.2, 1.0]), np.array([1.0, 3.0])):
        if np.any(first @ x > 0) and all(np.all(part > 0) for part in teacher.activations(x[None])):
            return x
    raise CheckFailed("no input found that the student's first layer sees")


CLAIMS = (
    Claim(
        "specialization.rem.random",
        "remark after Theorem 4, with the probability",
        r"Let the student have no biases above the first layer, and let the weights of layers $2,\dots,L$ be independent with densities symmetric about 0. At an $x$ with $f_1(x)\ne0$, the probability that $\alpha_{kj}(x)\ne0$ for all $k$ and all $j$ with $v_j^*(x)\ne0$ (if any) is $\prod_{l=2}^{L-1}(1-2^{-n_l})$; with the complementary probability they are all 0. For two layers it is 1.",
        Verdict.PROVED,
        _random_weights,
        uses=("specialization.eq4",),
    ),
)
