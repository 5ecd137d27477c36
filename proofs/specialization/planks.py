"""Lemmas 4 and 5 of the specialization paper: how other boundaries can cover that of one node; Bang's planks instead of volumes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import sympy as sp

from ..engine.attacks import none_below
from ..engine.claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import critical_formulas as formulas
from .critical_examples import tilted_pair

__all__ = ["CLAIMS", "tilted_refutation"]

eps, q, r, M = sp.symbols("epsilon q r M", positive=True)
theta = sp.Symbol("theta", positive=True)
_TILTED = r"In the unit disc, $\tilde w_1=(1,0)$, $b_1=-\frac3{10}$ and $\tilde w_2=\frac1{1+t^2}(t^2-1,2t)$, $b_2=\frac3{10}$ with $t=\epsilon^2$, $c_1=1$, $c_2=-1$: boundaries close to $x_1=\frac3{10}$, weights nearly opposite"


def _lemma_four(effort: Effort) -> Outcome:
    d = Derivation()
    c, s = sp.cos(theta), sp.sin(theta)
    u = formulas.orthogonal_part(c, s)

    def inner(p: tuple, v: tuple) -> sp.Expr:
        return p[0] * v[0] + p[1] * v[1] + c * (p[0] * v[1] + p[1] * v[0])

    reason = r"$\tilde u=(\tilde w_{j'}-\cos\theta\,\tilde w_j)/\sin\theta$; inner products of combinations of two unit vectors with $\tilde w_j\cdot\tilde w_{j'}=\cos\theta$, in any dimension."
    d.identity("orthogonal", inner(u, (1, 0)), 0, reason, shown=r"\tilde u\cdot\tilde w_j=0")
    d.identity("a unit vector", inner(u, u), 1, shown=r"\|\tilde u\|=1")
    d.identity("its product", inner(u, (0, 1)), s, shown=r"\tilde w_{j'}\cdot\tilde u=\sin\theta")
    return d.proved(r"the part of $\tilde w_{j'}$ orthogonal to $\tilde w_j$, scaled")


def _planks(effort: Effort) -> Outcome:
    d = Derivation()
    Z, p, h, m = sp.symbols("Z p h m", real=True)
    for sign in (1, -1):
        value = p + sign * h - m
        d.identity(
            f"turning one sign, from {sign}",
            formulas.plank_energy(Z, p, h, m, sign) - formulas.plank_energy(Z, p, h, m, -sign),
            4 * h * (sign * value - h),
            r"For signs $s_i$ let $y=\sum_is_ih_iu_i$ and $F(s)=\|y\|^2-2\sum_is_ih_im_i$. With $y=z+s_ih_iu_i$, $\|z\|^2=Z$, $u_i\cdot z=p$: what $F$ loses if $s_i$ is turned. At the largest $F$ it is at least 0, so $s_i(u_i\cdot y-m_i)\ge h_i$: $y$ is in no plank $|u_i\cdot y-m_i|<h_i$."
            if sign > 0
            else "",
            shown=r"F(s)-F(s^{(i)})=4h_i\,[s_i(u_i\cdot y-m_i)-h_i]",
        )
    total = sp.Symbol("Sigma", positive=True)
    d.identity(
        "room for closed planks",
        total * ((r + total) / (2 * total)),
        (r + total) / 2,
        r"$\|y\|\le\sum_ih_i$. If $\Sigma=\sum_ih_i<r$, raise all $h_i$ by the factor $(r+\Sigma)/2\Sigma>1$: their sum is still below $r$, so $y$ lies inside the ball and outside of the closed planks $|u_i\cdot y-m_i|\le h_i$.",
        shown=r"\Sigma\,\frac{r+\Sigma}{2\Sigma}=\frac{r+\Sigma}2<r",
    )
    cases = [_plank_case(seed) for seed in range(40)]
    d.certificate(
        "instances, exactly",
        all(cases),
        r"40 sets of two to five planks with rational unit vectors in 2 to 4 dimensions: the point with the largest $F$ is in none of them and $\|y\|^2\le(\sum_ih_i)^2$.",
        reason="rationals",
    )
    d.argument(
        "any number, any dimension",
        r"$F$ takes $2^K$ values, so it has a largest one.",
        "The identities hold for every $K$ and dimension.",
        refuted_by="planks of small total width of which the point lies in one",
        attack=lambda: _plank_attack(effort),
    )
    return d.proved("Bang's choice of signs: a point in the ball that no plank contains")


def _plank_case(seed: int) -> bool:
    rng = np.random.default_rng([841, seed])
    count, dimension = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    directions = [_rational_unit(rng, dimension) for _ in range(count)]
    half = [Fraction(int(v), 12) for v in rng.integers(1, 9, count)]
    offsets = [Fraction(int(v), 7) for v in rng.integers(-9, 10, count)]
    y = formulas.plank_point(directions, half, offsets)
    values = [abs(sum(a * b for a, b in zip(u, y, strict=True)) - m) for u, m in zip(directions, offsets, strict=True)]
    return all(v >= h for v, h in zip(values, half, strict=True)) and sum(c * c for c in y) <= sum(half) ** 2


def _rational_unit(rng: np.random.Generator, dimension: int) -> list[Fraction]:
    """A rational point of the unit sphere, by stereographic projection."""
    t = [Fraction(int(v), 5) for v in rng.integers(-6, 7, dimension - 1)]
    square = sum((v * v for v in t), Fraction(0))
    return [*(2 * v / (1 + square) for v in t), (1 - square) / (1 + square)]


def _plank_attack(effort: Effort) -> Attack:
    """Random planks of total half-width just below the radius 1: the point against the ball and against each plank, over its width."""
    rng = np.random.default_rng(842)
    margins = []
    for _ in range(effort.count(150, 5_000)):
        count, dimension = int(rng.integers(1, 8)), int(rng.integers(1, 6))
        u = rng.standard_normal((count, dimension))
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        half = rng.dirichlet(np.ones(count)) * (1 - 1e-6)
        offsets = rng.uniform(-1, 1, count) * rng.choice([0.01, 1])
        raised = half * (1 + 5e-7)
        y = np.array(formulas.plank_point(u.tolist(), raised.tolist(), offsets.tolist()))
        margins += [1 - np.linalg.norm(y), np.min((np.abs(u @ y - offsets) - half) / half)]
    return none_below(
        "1 to 7 planks in 1 to 5 dimensions, total half-width 1 - 1e-6, seed 842: distance from the sphere, and from the planks over their widths",
        margins,
    )


def tilted_refutation(d: Derivation) -> None:
    """Steps: for the pair of nearly opposite nodes no constants make the first alternative of Lemma 5 true."""
    t = sp.Symbol("t", positive=True)
    (a, b, shift), (p, s, other) = tilted_pair(t)
    d.identity(
        "unit weights, not co-linear",
        p**2 + s**2,
        1,
        _TILTED + ".",
        shown=r"\|\tilde w_2\|^2=1,\quad\sin\theta_{12}=\frac{2t}{1+t^2}\ne0",
    )
    d.identity(
        "their angle",
        sp.Matrix([[a, b], [p, s]]).det(),
        2 * t / (1 + t**2),
        shown=r"\det(\tilde w_1,\tilde w_2)=\frac{2t}{1+t^2}",
    )
    d.identity("their biases", other - shift, sp.Rational(3, 5), "Whatever $\\epsilon$ is:", shown=r"b_2-b_1=\tfrac35")
    d.certificate(
        "no constant helps",
        sp.limit(M * eps ** sp.Rational(1, 2), eps, 0, "+") == 0,
        r"With $\delta=\frac14$ the bound on the biases is $M_2\epsilon^{1/2}$, below $\frac35$ once $\epsilon$ is small, whatever $M_2$ is; likewise for every $\delta<\frac12$. So the alternative with the near node fails.",
        (r"\lim_{\epsilon\to0}M_2\,\epsilon^{1/2}=0",),
    )


def _printed_lemma_five(effort: Effort) -> Outcome:
    d = Derivation()
    tilted_refutation(d)
    y, e, p, t = sp.symbols("y epsilon p t", positive=True)
    _, (first, second, shift) = tilted_pair(t)
    d.identity(
        "the other boundary along this one",
        first * sp.Rational(3, 10) + second * y + shift,
        (sp.Rational(3, 5) * t**2 + 2 * t * y) / (1 + t**2),
        r"At the points $(\frac3{10},y)$ of the boundary of node 1 in the disc, $|y|<1$, node 2 has this value; its size is at most $(\frac35t^2+2t)/(1+t^2)$.",
        shown=r"\tilde w_2\cdot(\tfrac3{10},y)+b_2=\frac{\frac35t^2+2ty}{1+t^2}",
    )
    size = (sp.Rational(3, 5) * e**4 + 2 * e**2) / (1 + e**4)
    d.sign(
        "no point is far from it",
        sp.expand((5 * e - size) * (1 + e**4) / e),
        sp.Rational(12, 5) + 2 * p + sp.Rational(3, 5) * p * (1 + e + e**2) + 5 * e**4,
        positive={p: (1 - e, "domain"), e: (e, "domain")},
        domain=(e, 1 - e),
        statement=r"With $t=\epsilon^2$ it is below $5\epsilon=5\epsilon/|c_1|$ for all $\epsilon<1$: no point of the boundary of node 1 has $|w_2\cdot x|>5\epsilon/|c_1|$, and the second alternative fails too.",
        reason="all terms are positive",
        shown=r"\big(5\epsilon-\tfrac{\frac35\epsilon^4+2\epsilon^2}{1+\epsilon^4}\big)\tfrac{1+\epsilon^4}\epsilon=\tfrac{12}5+2(1-\epsilon)+\tfrac35(1-\epsilon^3)+5\epsilon^4>0",
    )
    return d.refuted(
        "two nodes nearly opposite to each other, $|b_2-b_1|=\\frac35$, for any constants and small $\\epsilon$"
    )


def _lemma_five(effort: Effort) -> Outcome:
    d = Derivation("specialization.lemma4", "specialization.beyond.planks")
    along, value, b, bj = sp.symbols("a e b_j' b_j", real=True)
    c, s = sp.cos(theta), sp.sin(theta)
    part = formulas.orthogonal_part(c, s)
    d.identity(
        "another node on the boundary of j",
        s * (part[0] * along + part[1] * value) + c * along + b,
        value + b,
        r"$a=\tilde w_j\cdot x$, $e=\tilde w_{j'}\cdot x$. By `specialization.lemma4`, $\tilde w_{j'}=\cos\theta\,\tilde w_j+\sin\theta\,\tilde u$. On the boundary $a=-b_j$: there $|\tilde w_{j'}\cdot x+b_{j'}|\le q$ is a plank in the direction $\tilde u$ of half-width $q/\sin\theta$.",
        shown=r"\tilde w_{j'}\cdot x+b_{j'}=\sin\theta\,(\tilde u\cdot x)+\cos\theta\,(\tilde w_j\cdot x)+b_{j'}",
    )
    K = sp.Symbol("K", integer=True, positive=True)
    d.identity(
        "planks that are narrow enough",
        (K - 1) * q / formulas.sine_bound(K, q, r),
        r,
        r"If all $j'\ne j$ that come within $q$ on $B$ have $\sin\theta>(K-1)q/r$, their half-widths add up to less than $r$: by `specialization.beyond.planks`, with $B$ as the ball, some $x\in B$ has $|\tilde w_{j'}\cdot x+b_{j'}|>q$ for all $j'\ne j$.",
        shown=r"(K-1)\,\frac q{\sin\theta}<r\quad\text{if}\quad\sin\theta>\frac{(K-1)q}r",
    )
    sign = sp.Symbol("s", real=True)
    d.identity(
        "biases",
        (value + b) - (value - sign * along),
        (b - sign * bj).subs(bj, -along),
        r"Otherwise some $j'$ has $\sin\theta\le(K-1)q/r$ and an $x\in B$ with $|\tilde w_{j'}\cdot x+b_{j'}|\le q$. As $b_j=-\tilde w_j\cdot x$, for $s=\pm1$:",
        shown=r"b_{j'}-s\,b_j=(\tilde w_{j'}\cdot x+b_{j'})-(\tilde w_{j'}-s\,\tilde w_j)\cdot x",
    )
    k = sp.Symbol("k", real=True)
    d.identity(
        "weights",
        2 * (1 - k**2) - (2 - 2 * k),
        2 * k * (1 - k),
        r"With $s$ the sign of $\cos\theta$ and $k=|\cos\theta|\in[0,1]$, $\|\tilde w_{j'}-s\,\tilde w_j\|^2=2-2k\le2\sin^2\theta$. So $|b_{j'}-s\,b_j|\le q+\sqrt2M_0\sin\theta$.",
        shown=r"2\sin^2\theta-(2-2k)=2k(1-k)\ge0",
    )
    d.argument(
        "either, or",
        "Either some node that comes within $q$ on $B$ has $\\sin\\theta\\le(K-1)q/r$, or none has: these are the two cases above.",
        "Nodes that stay beyond $q$ on $B$ cover nothing; one with $\\sin\\theta=0$ that comes near is the second case.",
        refuted_by=r"nodes and a ball with neither a near node within both bounds nor a point further than $q$ from all",
        attack=lambda: _alternative_attack(effort),
    )
    return d.proved("planks instead of volumes: no $\\delta$, and a constant $K-1$ in every dimension")


def _alternative_attack(effort: Effort) -> Attack:
    """Random nodes around a boundary: a near node within both bounds, or the point that Bang's signs give."""
    rng = np.random.default_rng(843)
    margins, cases = [], [0, 0]
    for _ in range(effort.count(400, 10_000)):
        dimension, count = int(rng.integers(2, 5)), int(rng.integers(2, 7))
        bj, radius, reach = float(rng.normal()), float(rng.uniform(0.2, 1)), float(10 ** rng.uniform(-4, -0.5))
        w = np.eye(dimension)[0]
        others = w * rng.choice([-1, 1], (count - 1, 1)) + 10 ** rng.uniform(
            -4, 0.5, (count - 1, 1)
        ) * rng.standard_normal((count - 1, dimension))
        others /= np.linalg.norm(others, axis=1, keepdims=True)
        centre = np.concatenate([[-bj], rng.standard_normal(dimension - 1)])
        biases = -others @ centre + reach * rng.uniform(-2, 2, count - 1)
        size = np.linalg.norm(centre) + radius  # at least the largest |x| on the ball
        cosine = others[:, 0]
        across = others[:, 1:]
        sine = np.linalg.norm(across, axis=1)
        at_centre = others @ centre + biases
        near = np.abs(at_centre) <= reach + radius * sine
        bound = formulas.sine_bound(count, reach, radius)
        close = near & (sine <= bound)
        if close.any():
            s = np.where(cosine >= 0, 1.0, -1.0)
            allowed = formulas.offset_bound(reach, size, sine[close], sqrt=np.sqrt)
            slack = allowed - np.abs(biases - s * bj)[close]
            margins.append(float(np.max(slack)))
        else:
            y = np.zeros(dimension - 1)
            if near.any():
                half = reach / sine[near] * (1 + 1e-9)
                y = np.array(
                    formulas.plank_point(
                        (across[near] / sine[near, None]).tolist(),
                        half.tolist(),
                        (-at_centre[near] / sine[near]).tolist(),
                    )
                )
            margins += [radius - np.linalg.norm(y), np.min(np.abs(at_centre + across @ y)) / reach - 1]
        cases[int(close.any())] += 1
    if min(cases) < 20:
        raise CheckFailed(f"the alternatives came up {cases} times: the attack tries one of them only")
    return none_below(
        f"2 to 6 nodes in 2 to 4 dimensions, {cases[1]} with a near node and {cases[0]} with a far point, seed 843: slack of either",
        margins,
    )


CLAIMS = (
    Claim(
        "specialization.lemma4",
        "Lemma 4, 8.6, equation (29)",
        r"For unit vectors $\tilde w_j$, $\tilde w_{j'}$ at an angle $\theta\notin\{0,\pi\}$, $\tilde u=P^\perp_{\tilde w_j}\tilde w_{j'}/\sin\theta$ is a unit vector orthogonal to $\tilde w_j$ with $\tilde w_{j'}\cdot\tilde u=\sin\theta$.",
        Verdict.PROVED,
        _lemma_four,
    ),
    Claim(
        "specialization.beyond.planks",
        "in place of the volumes of 8.7; the case of a ball of Bang's theorem (1951)",
        r"Let $u_1,\dots,u_K$ be unit vectors in $\mathbb{R}^n$ and $\sum_ih_i<r$. Then some $y$ with $\|y-c\|<r$ lies in none of the planks $|u_i\cdot y-m_i|\le h_i$. (Take $c=0$; other centres shift the $m_i$.)",
        Verdict.PROVED,
        _planks,
    ),
    Claim(
        "specialization.lemma5",
        "Lemma 5, 8.7, as printed",
        r"There are constants $M$, $M_2$, $\epsilon_0$ that depend on $\delta>0$, the number of nodes $K$ and the size of a ball in $\partial E_j\cap R$, such that for unit weights, no two co-linear, and $\epsilon\le\epsilon_0$: either some $j'\ne j$ has $\sin\theta_{jj'}\le MK\epsilon^{1-\delta}/|c_j|$ and $|b_{j'}-b_j|\le M_2\epsilon^{1-2\delta}/|c_j|$, or some $x_j\in\partial E_j\cap R$ has $|w_{j'}\cdot x_j|>5\epsilon/|c_j|$ for all $j'\ne j$.",
        Verdict.REFUTED,
        _printed_lemma_five,
    ),
    Claim(
        "specialization.lemma5.mended",
        "Lemma 5, 8.7, up to sign, at the linear rate, with constants",
        r"Let $d\ge2$, unit weights $\tilde w_1,\dots,\tilde w_K$, $q>0$, $B$ a $(d-1)$-dimensional ball of radius $r$ in the boundary of node $j$, and $M_0=\max_B\|x\|$. Either some $j'\ne j$ has $\sin\theta_{jj'}\le(K-1)q/r$ and, with $s=\pm1$ the sign of $\tilde w_j\cdot\tilde w_{j'}$, $|b_{j'}-s\,b_j|\le q+\sqrt2M_0\sin\theta_{jj'}$; or some $x\in B$ has $|\tilde w_{j'}\cdot x+b_{j'}|>q$ for all $j'\ne j$.",
        Verdict.PROVED,
        _lemma_five,
        uses=("specialization.lemma4", "specialization.beyond.planks"),
    ),
)
