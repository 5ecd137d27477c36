"""Section 3 of the specialization paper, on regions: images of polytopes, and Corollary 1."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import sympy as sp

from alignmath.specialization import mixture, top_down

from ..engine.attacks import errors_below
from ..engine.claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from .exact_networks import ExactNetwork, cells, exact
from .samples import random_network
from .symbolic_networks import Symbolic, column

__all__ = ["CLAIMS"]


def _printed_polytope(effort: Effort) -> Outcome:
    d = Derivation()
    layer = ExactNetwork((exact([[1], [-1]]), exact([[1, 0], [0, 1]])), (None, None))
    left, right = (layer.activations([x])[0][1] for x in (-1, 1))
    d.certificate(
        "two points of the image",
        list(left) == [0, 1] and list(right) == [1, 0],
        r"$f_1(x)=(\sigma(x),\sigma(-x))$ on $R_0=\mathbb{R}$, or $(-2,2)$: $f_1(-1)=(0,1)$, $f_1(1)=(1,0)$.",
        reason="rationals",
    )
    x = sp.Symbol("x", positive=True)
    d.identity(
        "the image has no interior points of the quadrant",
        sp.Max(x, 0) * sp.Max(-x, 0),
        0,
        r"One of $x$, $-x$ is at most 0, so one coordinate is 0; for $x<0$ exchange the two.",
        shown=r"\sigma(x)\,\sigma(-x)=0",
    )
    middle = (left + right) / 2
    d.certificate(
        "their midpoint is none",
        bool(middle[0] * middle[1] != 0),
        r"$(\frac12,\frac12)$ has the product $\frac14$: the image, two segments at a right angle, is not convex.",
        reason="rationals",
    )
    return d.refuted("$(\\sigma(x),\\sigma(-x))$ maps an interval onto two segments at a right angle")


def _mended_polytope(effort: Effort) -> Outcome:
    d = Derivation()
    u = sp.Symbol("u", nonnegative=True)
    for gate, value in ((1, u), (0, -u)):
        d.identity(
            f"ReLU with its gate at {gate}",
            sp.Max(value, 0),
            gate * value,
            r"On the closed set where the pre-activations have given signs, 0 counted as either, $f_l=D_l(W_l^\top f_{l-1}+b)$ with one $D_l$."
            if gate
            else "",
            shown=r"\sigma(u)=u,\ u\ge0" if gate else r"\sigma(u)=0\cdot u,\ u\le0",
        )
    d.argument(
        "pieces",
        r"Each of the $2^{n_l}$ sign patterns cuts a polytope by closed half-spaces, which leaves a polytope, and maps it affinely; the image of the convex hull of its vertices is the convex hull of their images. So a union of $p$ polytopes becomes one of at most $2^{n_l}p$.",
        "An affine map takes convex combinations to the same convex combinations.",
        refuted_by="points of one pattern and a convex combination of them whose image is not the combination of their images",
        attack=lambda: _hull_attack(effort),
    )
    return d.proved("a finite union of polytopes, one at most for each sign pattern and polytope below")


def _hull_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(802)
    errors = []
    for _ in range(effort.count(200, 5_000)):
        dimension, width = rng.integers(1, 4, 2)
        weight, bias = rng.standard_normal((width, dimension)), rng.standard_normal(width)
        x = rng.standard_normal((200, dimension))
        active = x @ weight.T + bias > 0
        same = x[np.all(active == active[0], axis=1)]
        share = rng.dirichlet(np.ones(len(same)))
        inside, images = share @ same, np.maximum(same @ weight.T + bias, 0)
        errors.append(np.abs(np.maximum(weight @ inside + bias, 0) - share @ images).max() / (1 + np.abs(images).max()))
    return errors_below("layers of 1 to 3 nodes, convex combinations of points of one pattern, seed 802", errors, 1e-13)


def _corollary_one(effort: Effort) -> Outcome:
    d = Derivation("specialization.eq4")
    student, x = Symbolic("w", (2, 2, 2, 2)), column("x", 2)
    gates = [set().union(*(entry.free_symbols for entry in D)) for D in student.D]
    for layer in (1, 2):
        free = set().union(*(entry.free_symbols for entry in student.V(layer)))
        weights = set().union(*(set(W) for W in student.W[layer:]))
        d.certificate(
            f"what V_{layer} depends on",
            free <= weights.union(*gates[layer:]) and not free & set(x),
            rf"$V_{layer}(x)$ depends on $x$ through the gates of the layers above {layer} only"
            + (", at most $2^{n_2}$ values." if layer == 1 else ": there are none, it is constant."),
            reason="its free symbols, in a network of three layers with a symbol for every weight, input and gate",
        )
    net = _exact_three_layers()
    points = cells([net], -8, 8)
    shares = [exact([1])[0] * k / 5 for k in range(1, 5)]
    values = [{_key(net.top_down([p + s * (q - p)], 1)) for s in shares} for p, q in itertools.pairwise(points)]
    d.certificate(
        "an example cut exactly",
        all(len(keys) == 1 for keys in values) and len(set().union(*values)) > 2,
        rf"A network of three layers of weights on $(-8,8)$: {len(points) - 1} intervals without a change of gates, $V_1$ constant on each, {len(set().union(*values))} values in all.",
        reason="rationals",
    )
    d.argument(
        "regions",
        r"So $A_l=V_l^\top V_l^*$ and $B_l=V_l^\top V_l$ are constant where student and teacher each have one activation pattern in the layers above $l$. There are finitely many patterns. Inside a region of one pattern of the layers up to $l-1$ the pre-activations of layer $l$ are affine; where one of them is 0 it is so on a null set, or throughout, which is one gate: the interiors of the regions leave out a null set only.",
        "Induction over the layers.",
        refuted_by="two inputs of one pattern above layer l with other matrices",
        attack=lambda: _pattern_attack(effort),
    )
    return d.proved(
        "constant wherever the activation patterns of the layers above are, of which there are finitely many"
    )


def _key(matrix: np.ndarray) -> tuple[Any, ...]:
    return tuple(matrix.ravel())


def _exact_three_layers() -> ExactNetwork:
    return ExactNetwork(
        (exact([[1], [-1], [1]]), exact([[1, -1, 2], [-2, 1, 1]]), exact([[1, 3]])),
        (exact([0, 1, -2]), exact([-1, 1]), None),
    )


def _pattern_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(803)
    errors, patterns = [], 0
    for trial in range(effort.count(10, 200)):
        student, teacher = (random_network(rng, [2, *rng.integers(2, 5, 3), 2], trial % 2 == 0) for _ in range(2))
        x = 2 * rng.standard_normal((400, 2))
        active = np.concatenate([part > 0 for net in (student, teacher) for part in net.activations(x)[1:-1]], axis=1)
        _, first, index = np.unique(active, axis=0, return_index=True, return_inverse=True)
        patterns += len(first)
        mixed = mixture(student, teacher, x, 1)
        for values in (mixed.a, mixed.b, top_down(student, x, 1).matrix):
            errors.append(np.abs(values - values[first[index.ravel()]]).max() / (1 + np.abs(values).max()))
    if patterns < 5 * effort.count(10, 200):
        raise CheckFailed(f"only {patterns} activation patterns came up: the attack tries nothing")
    return errors_below(
        f"four layers, {patterns} patterns met, seed 803: A_1, B_1, V_1 of inputs of one pattern", errors, 1e-13
    )


CLAIMS = (
    Claim(
        name="specialization.polytope",
        source="Section 3, before Corollary 1, as printed",
        statement=r"$R_l=\{f_l(x):x\in R_0\}$ is a convex polytope.",
        expected=Verdict.REFUTED,
        check=_printed_polytope,
    ),
    Claim(
        name="specialization.polytope.mended",
        source="Section 3, before Corollary 1, corrected",
        statement=r"If $R_0$ is a finite union of convex polytopes, so is every $R_l$.",
        expected=Verdict.PROVED,
        check=_mended_polytope,
        assumes=("a polytope cut by a closed half-space is a polytope (Minkowski, Weyl)",),
    ),
    Claim(
        name="specialization.cor1",
        source="Corollary 1, 8.3",
        statement=r"$A_l(x)$ and $B_l(x)$ are constant wherever student and teacher have one activation pattern in the layers above $l$. These are finitely many regions, whose interiors cover $R_0$ up to a null set; for $l=L-1$ there is only one.",
        expected=Verdict.PROVED,
        check=_corollary_one,
        uses=("specialization.eq4",),
    ),
)
