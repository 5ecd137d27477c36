"""Definition 2 of the specialization paper: boundaries of nodes and who observes whom."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import sympy as sp

from alignmath.networks import DeepReLU
from alignmath.specialization import observers

from ..engine.attacks import none_below
from ..engine.claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import critical_formulas as formulas
from .exact_networks import node_value, sees

__all__ = ["CLAIMS"]


def _printed_boundary(effort: Effort) -> Outcome:
    d = Derivation()
    w, b = sp.Matrix(sp.symbols("w_1:4", real=True)), sp.Symbol("b", real=True)
    x = -(b + 1) * w / w.dot(w)
    d.identity(
        "a point far inside",
        w.dot(x) + b,
        -1,
        r"At $x=-(b+1)\tilde w/\|\tilde w\|^2$, for any $\tilde w\ne0$, $\tilde w\cdot x+b=-1$: $f_j=0$ there and around it, so $x$ lies in $\{f_j=0\}$, which is a closed half-space, but not on the boundary of $E_j$.",
        shown=r"\tilde w\cdot x+b=-1",
    )
    observer, node = (Fraction(-1), Fraction(-5)), (Fraction(1), Fraction(0))
    d.certificate(
        "an observer that sees nothing",
        node_value(observer, [-6]) > 0 > node_value(node, [-6]) and not sees(observer, node),
        r"$f_j=\sigma(x)$, $f_k=\sigma(-x-5)$: $-6\in E_k$ and $f_j(-6)=0$, so $k$ would observe $j$; but at $x=0$, where $f_j$ has its kink, $k$ is silent.",
        reason="rationals",
    )
    return d.refuted(
        "$\\{f_j=0\\}$ is a closed half-space; the boundary of $E_j$ is the hyperplane $\\{\\tilde w_j\\cdot x+b_j=0\\}$"
    )


def _mended_boundary(effort: Effort) -> Outcome:
    d = Derivation()
    w, u, y = (sp.Matrix(sp.symbols(f"{name}_1:4", real=True)) for name in "wuy")
    s, b = sp.symbols("s b", real=True)
    a = w - w.dot(u) * u
    d.identity(
        "a node on a hyperplane",
        w.dot(y - s * u) + b,
        (b - s * w.dot(u)) + a.dot(y) + w.dot(u) * u.dot(y),
        r"$u=\tilde w_j/\|\tilde w_j\|$, $s=b_j/\|\tilde w_j\|$. The points of the hyperplane are $x=y-su$ with $u\cdot y=0$; there node $k$ has the value $c+a\cdot y$, $c=b_k-s\,\tilde w_k\cdot u$, $a=\tilde w_k-(\tilde w_k\cdot u)u$.",
        shown=r"\tilde w_k\cdot(y-su)+b_k=c+a\cdot y\quad(u\cdot y=0)",
    )
    d.identity(
        "in the ball",
        (y - s * u).dot(y - s * u),
        y.dot(y) - 2 * s * u.dot(y) + s**2 * u.dot(u),
        r"So $\|x\|<r$ means $\|y\|<\rho$, $\rho^2=r^2-s^2$; there are such points if and only if $|b_j|<r\|\tilde w_j\|$.",
        shown=r"\|y-su\|^2=\|y\|^2+s^2\quad(u\cdot y=0,\ \|u\|=1)",
    )
    Y, A, p = sp.symbols("Y A p", real=True)
    d.identity(
        "Cauchy and Schwarz",
        Y - 2 * (p / A) * p + (p / A) ** 2 * A,
        Y - p**2 / A,
        r"With $A=\|a\|^2$, $Y=\|y\|^2$, $p=a\cdot y$ the left side is $\|y-\frac pAa\|^2\ge0$: $p\le\|a\|\,\|y\|$, in any dimension.",
        shown=r"0\le\|y-\tfrac pAa\|^2=Y-\tfrac{p^2}A",
    )
    rho, size = sp.symbols("rho alpha", positive=True)
    d.identity(
        "attained",
        sp.Symbol("c") + (rho / size) * size**2,
        formulas.largest_on_disc(sp.Symbol("c"), size, rho),
        r"At $y=\rho\,a/\|a\|$, which is orthogonal to $u$; the open disc comes as close as one likes. So some $x$ with $\|x\|<r$ on the boundary of $j$ is in $E_k$ if and only if $c+\|a\|\rho>0$.",
        shown=r"\max_{\|y\|\le\rho}(c+a\cdot y)=c+\|a\|\rho",
    )
    d.argument(
        "what the library decides",
        r"The library decides by this closed form who observes whom.",
        "It computes $c+\\|a\\|\\rho$ and $\\rho$.",
        refuted_by="a pair called observing without a point that shows it, or one called blind with such a point",
        attack=lambda: _observer_attack(effort),
    )
    return d.proved("$k$ observes $j$ inside the ball if and only if $|b_j|<r\\|\\tilde w_j\\|$ and $c+\\|a\\|\\rho>0$")


def _observer_attack(effort: Effort) -> Attack:
    """Pairs of random nodes: a witness where the library says observed, none among random points of the disc where it says blind."""
    rng = np.random.default_rng(811)
    margins, blind = [], 0
    for _ in range(effort.count(600, 20_000)):
        dimension, radius = int(rng.integers(1, 5)), float(rng.uniform(0.3, 3))
        k, j = rng.standard_normal((2, dimension + 1)) * rng.uniform(0.1, 2)
        networks = [DeepReLU((node[None, :-1], np.ones((1, 1))), (node[-1:], np.zeros(1))) for node in (k, j)]
        observed = bool(observers(networks[0], networks[1], radius)[0, 0])
        blind += not observed
        shift, unit = j[-1] / np.linalg.norm(j[:-1]), j[:-1] / np.linalg.norm(j[:-1])
        if abs(shift) >= radius:
            margins.append(1.0 - 2 * observed)
            continue
        across = k[:-1] - (k[:-1] @ unit) * unit
        tries = rng.standard_normal((50, dimension))
        tries = np.vstack([tries - (tries @ unit)[:, None] * unit, across, np.zeros(dimension)])
        lengths = np.linalg.norm(tries, axis=1)
        reach = np.sqrt(radius**2 - shift**2) * (1 - 1e-12)
        y = tries * (reach / np.where(lengths > 1e-9, lengths, np.inf))[:, None]
        values = (y - shift * unit) @ k[:-1] + k[-1]
        margins.append(values.max() if observed else 1e-9 - values.max())
    if not 100 < blind < 0.9 * len(margins):
        raise CheckFailed(f"{blind} pairs are blind: the attack tries one side only")
    return none_below(
        "pairs of nodes in 1 to 4 dimensions, balls of radius 0.3 to 3, seed 811: value of a witness, or of the best of 50 points",
        margins,
    )


CLAIMS = (
    Claim(
        name="specialization.def2",
        source="Definition 2 and before it, as printed",
        statement=r"The boundary of $E_j=\{x:f_j(x)>0\}$ is $\{x:f_j(x)=0\}$; node $k$ observes node $j$ if $E_k$ meets it.",
        expected=Verdict.REFUTED,
        check=_printed_boundary,
    ),
    Claim(
        name="specialization.def2.mended",
        source="Definition 2, with the hyperplane and the support of the data",
        statement=r"Let $\tilde w_j\ne0$, $u=\tilde w_j/\|\tilde w_j\|$, $s=b_j/\|\tilde w_j\|$. Node $k$ is active somewhere on the boundary $\{\tilde w_j\cdot x+b_j=0\}$ inside the ball $\|x\|<r$ if and only if $|s|<r$ and $c+\|a\|\sqrt{r^2-s^2}>0$, where $c=b_k-s\,\tilde w_k\cdot u$ and $a=\tilde w_k-(\tilde w_k\cdot u)u$.",
        expected=Verdict.PROVED,
        check=_mended_boundary,
    ),
)
