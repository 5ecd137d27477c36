"""Lemmas 2 and 3 of the specialization paper: ReLU nodes with distinct boundaries are independent."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import sympy as sp
from sympy.polys.matrices import DomainMatrix

from ..engine.attacks import none_below
from ..engine.claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import critical_formulas as formulas
from .exact_networks import Node, boundary_direction, exact, node_value, point_off_others
from .samples import random_nodes

__all__ = ["CLAIMS"]


def _columns(nodes: list[Node], points: list[list[Fraction]]) -> list[list[Fraction]]:
    """A row for each point: the nodes' values, then the coordinates and 1."""
    return [[*(max(node_value(node, x), Fraction(0)) for node in nodes), *x, Fraction(1)] for x in points]


def _rational(rows: list[list[Fraction]]) -> DomainMatrix:
    return DomainMatrix.from_list_sympy(
        len(rows), len(rows[0]), [[sp.Rational(v.numerator, v.denominator) for v in row] for row in rows]
    )


def _lemma_two(effort: Effort) -> Outcome:
    d = Derivation("specialization.lemma3.mended")
    d.argument(
        "Lemma 3 without biases",
        r"`specialization.lemma3.mended` in $\mathbb{R}^{d+1}$, $R$ the whole space, no affine term and all biases 0: every boundary passes through $0\in R$, and two of them are one exactly when the weights are parallel or antiparallel.",
        "A special case.",
        refuted_by=r"weights on distinct lines whose nodes are linearly dependent",
        attack=lambda: _rank_attack(effort),
    )
    pair = [tuple(map(Fraction, (*w, 0))) for w in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1))]
    coefficients = [1, -1, 1, -1, -1, 1]
    x, y = sp.symbols("x y", real=True)
    d.identity(
        "antiparallel weights",
        x + y - (x + y),
        0,
        r"Antiparallel weights have to be excluded too: $\sigma(t)-\sigma(-t)=t$, so $\sigma(x)-\sigma(-x)+\sigma(y)-\sigma(-y)-\sigma(x+y)+\sigma(-x-y)=0$, and no two of the six weights are positive multiples of each other.",
        shown=r"x+y-(x+y)=0",
    )
    grid = [[Fraction(p), Fraction(q)] for p in range(-3, 4) for q in range(-3, 4)]
    d.certificate(
        "checked with ReLU",
        all(sum(c * max(node_value(n, p), 0) for c, n in zip(coefficients, pair, strict=True)) == 0 for p in grid)
        and all(boundary_direction(p, q) <= 0 for k, p in enumerate(pair) for q in pair[:k]),
        r"The sum is 0 at all points of $\{-3,\dots,3\}^2$, which lie in and between all six sectors that the boundaries $x=0$, $y=0$, $x+y=0$ cut out.",
        reason="rationals",
    )
    slice_node = (Fraction(0), Fraction(-1))
    d.certificate(
        "on the slice of inputs with a constant",
        all(max(node_value(slice_node, [x]), Fraction(0)) == 0 for x in range(-5, 6)),
        r"$w=(0,-1)\ne0$ gives $\sigma(-1)=0$ for every $\tilde x$: on the slice, where nodes have biases, Lemma 2 needs $\tilde w_j\ne0$, as Lemma 3 does.",
        reason="the node does not depend on $\\tilde x$",
    )
    return d.proved(
        "the case of Lemma 3 as mended without biases; weights antiparallel to each other are co-linear, and must be excluded"
    )


def _rank_attack(effort: Effort) -> Attack:
    """Rank over the rationals of the values of random nodes without biases at random points: full."""
    rng = np.random.default_rng(812)
    margins = []
    for _ in range(effort.count(25, 400)):
        dimension = int(rng.integers(2, 5))
        nodes: list[Node] = []
        while len(nodes) < 8:
            node = (*(Fraction(int(v)) for v in rng.integers(-3, 4, dimension)), Fraction(0))
            if any(node) and not any(boundary_direction(node, other) for other in nodes):
                nodes.append(node)
        points = [[Fraction(int(v)) for v in rng.integers(-9, 10, dimension)] for _ in range(60)]
        rows = [row[: len(nodes)] for row in _columns(nodes, points)]
        margins.append(_rational(rows).rank() - len(nodes) + 0.5)
    return none_below(
        "8 nodes with small integer weights in 2 to 4 dimensions, 60 points, seed 812: rank over the rationals less 8",
        margins,
    )


def _printed_lemma_three(effort: Effort) -> Outcome:
    d = Derivation()
    s = sp.Symbol("s", positive=True)
    for side in (1, -1):
        d.identity(
            f"x {'>' if side > 0 else '<'} 0",
            sp.Max(side * s, 0) - sp.Max(-side * s, 0) - side * s,
            0,
            r"$K=2$, $w_1=1$, $w_2=-1$, no biases, $R=\mathbb{R}$, $c=(1,-1)$, $w_\bullet=-1$."
            if side > 0
            else "At $x=0$ all terms are 0.",
            shown=r"\sigma(x)-\sigma(-x)-x=0",
        )
    first, second = (Fraction(1), Fraction(0)), (Fraction(-1), Fraction(0))
    d.certificate(
        "hypotheses",
        boundary_direction(first, second) == -1 and node_value(first, [0]) == node_value(second, [0]) == 0,
        r"$w_1\ne\gamma w_2$ for any $\gamma>0$, and both boundaries, $x=0$, lie in $R$; but $c_1=1\ne0$.",
        reason="rationals",
    )
    return d.refuted("$\\sigma(x)-\\sigma(-x)-x=0$: two antiparallel nodes differ by a linear function")


def _mended_lemma_three(effort: Effort) -> Outcome:
    d = Derivation()
    p, m, z, c = sp.symbols("p m z c", real=True)
    q, size = sp.symbols("q mu", positive=True)
    d.argument(
        "a point on one boundary only",
        r"Let $H_j=\{\tilde w_j\cdot x+b_j=0\}$ meet $R$ at $x_0$. On the curve $x_0+te_1+t^2e_2+\dots$ in $H_j$, $e_i$ a basis of its directions, $\tilde w_{j'}\cdot x+b_{j'}$ is a polynomial in $t$. If it were 0 throughout, $\tilde w_{j'}$ would be orthogonal to all $e_i$, a multiple of $\tilde w_j$, and the constant says that $b_{j'}$ is the same multiple of $b_j$: $H_{j'}=H_j$. So all but finitely many $t$, also small ones, give a point of $H_j\cap R$ on no other boundary.",
        "A polynomial that is not 0 has finitely many zeros.",
        refuted_by="distinct boundaries, one of them covered by the others",
        attack=lambda: _isolated_attack(effort),
    )
    d.identity(
        "nodes that keep their gate drop out",
        formulas.second_difference(lambda t: z * (p + m * t), 0, q),
        0,
        r"Let $n=\tilde w_j/\|\tilde w_j\|$ and $x_0$ that point. A node with $p=\tilde w_{j'}\cdot x_0+b_{j'}$, $m=\tilde w_{j'}\cdot n$ has one gate $z$ at $x_0$ and $x_0\pm qn$ if $q|m|<|p|$; so do affine functions, with $z=1$. For small $q$ the three points lie in $R$, and this holds for all $j'\ne j$.",
        shown=r"z(p+qm)+z(p-qm)-2zp=0",
    )
    d.identity(
        "node j does not",
        formulas.second_difference(lambda t: c * sp.Max(size * t, 0), 0, q),
        c * q * size,
        r"With $\mu=\|\tilde w_j\|>0$. So $0=h(x_0+qn)+h(x_0-qn)-2h(x_0)=c_jq\|\tilde w_j\|$, and $c_j=0$.",
        shown=r"c\,\sigma(q\mu)+c\,\sigma(-q\mu)-2c\,\sigma(0)=c\,q\mu",
    )
    determined = [_determined(seed) for seed in range(12)]
    d.certificate(
        "instances, exactly",
        sum(determined) > 40 and min(determined) >= 0,
        rf"Twelve sets of four or six nodes with integer weights in 1 to 3 dimensions, $R=(-1,1)^d$: the equations $\sum_jc_jf_j+w_\bullet\cdot x+b_\bullet=0$ at finitely many points of $R$ have no solution with $c_j\ne0$ for any of the {sum(determined)} nodes whose boundaries meet $R$ near their points closest to 0.",
        reason="null spaces over the rationals",
    )
    return d.proved("second difference across the boundary, at a point that lies on no other")


def _start(node: Node) -> list[Fraction] | None:
    """The point of the boundary nearest to 0 if it lies in the open cube `(-1, 1)^d`."""
    square = sum(w * w for w in node[:-1])
    x = [-node[-1] * w / square for w in node[:-1]]
    return x if all(abs(v) < 1 for v in x) else None


def _across(nodes: list[Node], j: int) -> tuple[list[Fraction], list[Fraction]] | None:
    """A point of the cube on the boundary of j only, and a step along its weights that stays in the cube and on one side of all others."""
    start = _start(nodes[j])
    if start is None:
        return None
    room = (1 - max(abs(v) for v in start)) / 2
    x = point_off_others(nodes, j, start, room)
    if x is None:
        raise CheckFailed(f"the boundary of {nodes[j]} is covered by others")
    w = nodes[j][:-1]
    limits = [room / max(abs(v) for v in w) / 2]
    for k, node in enumerate(nodes):
        slope = sum(a * b for a, b in zip(node[:-1], w, strict=True))
        if k != j and slope:
            limits.append(abs(node_value(node, x) / slope) / 2)
    return x, [min(limits) * v for v in w]


def _determined(seed: int) -> int:
    """How many nodes of a random set have a boundary that meets the cube and so coefficient 0; -1 if one of them need not."""
    rng = np.random.default_rng([813, seed])
    dimension = 1 + seed % 3
    nodes = random_nodes(rng, 6 if dimension > 1 else 4, dimension)
    pairs = {j: pair for j in range(len(nodes)) if (pair := _across(nodes, j))}
    points = [[Fraction(int(i == k), 2) for k in range(dimension)] for i in range(dimension + 1)]
    for x, step in pairs.values():
        points += [[p + s * v for p, v in zip(x, step, strict=True)] for s in (-1, 0, 1)]
    null = _rational(_columns(nodes, points)).nullspace().to_Matrix()
    return len(pairs) if all(null[i, j] == 0 for i in range(null.rows) for j in pairs) else -1


def _isolated_attack(effort: Effort) -> Attack:
    """Points of a boundary off all others among many that meet, and the second difference there against `c_j q |w_j|`, exactly."""
    rng = np.random.default_rng(814)
    margins = []
    for _ in range(effort.count(30, 2_000)):
        dimension = int(rng.integers(1, 4))
        nodes = random_nodes(rng, 8 if dimension > 1 else 5, dimension)
        for j in range(len(nodes)):
            pair = _across(nodes, j)
            if pair is None:
                continue
            x, step = pair
            c = [Fraction(int(v)) for v in rng.integers(-4, 5, len(nodes) + dimension + 1)]
            h = lambda point: sum(p * v for p, v in zip(c, _columns(nodes, [list(point)])[0], strict=True))  # noqa: E731, B023
            difference = formulas.second_difference(h, exact(x), exact(step))
            expected = c[j] * sum(s * w for s, w in zip(step, nodes[j][:-1], strict=True))
            off = min(abs(float(node_value(node, x))) for k, node in enumerate(nodes) if k != j)
            margins.append(off if difference == expected else -1.0)
    return none_below(
        "5 to 8 nodes with small integer weights in 1 to 3 dimensions, seed 814: distance from other boundaries, second difference exact",
        margins,
    )


CLAIMS = (
    Claim(
        name="specialization.lemma2",
        source="Lemma 2, 8.4",
        statement=rf"Let $w_1,\dots,w_K\in\mathbb{{R}}^{{d+1}}$ be nonzero, {formulas.ANTIPARALLEL}. If $\sum_jc_j\sigma(w_j\cdot x)=0$ for all $x\in\mathbb{{R}}^{{d+1}}$, then all $c_j=0$.",
        expected=Verdict.PROVED,
        check=_lemma_two,
        uses=("specialization.lemma3.mended",),
    ),
    Claim(
        name="specialization.lemma3",
        source="Lemma 3, 8.5, as printed",
        statement=r"Let $R$ be open and $w_j\ne0$, $w_j\ne\gamma w_{j'}$ for any $\gamma>0$, $j\ne j'$. If $\sum_jc_jf_j(x)+w_\bullet\cdot x=0$ on $R$ and the boundary of node $j$ meets $R$, then $c_j=0$.",
        expected=Verdict.REFUTED,
        check=_printed_lemma_three,
    ),
    Claim(
        name="specialization.lemma3.mended",
        source="Lemma 3, 8.5, antiparallel nodes excluded",
        statement=r"Let $R\subset\mathbb{R}^d$ be open, $\tilde w_j\ne0$, and the boundaries $\{\tilde w_j\cdot x+b_j=0\}$ distinct: $w_j\ne\gamma w_{j'}$ for any $\gamma\ne0$. If $\sum_jc_j\sigma(\tilde w_j\cdot x+b_j)$ is affine on $R$ and the boundary of node $j$ meets $R$, then $c_j=0$.",
        expected=Verdict.PROVED,
        check=_mended_lemma_three,
    ),
)
