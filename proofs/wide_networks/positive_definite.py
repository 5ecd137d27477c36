r"""$\lambda_{\min}(K^{(H)})>0$ for inputs of which no two are parallel, what the paper calls not degenerate data: the three architectures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from flint import fmpz_mat

from alignmath import activations
from alignmath.activations import Activation

from ..engine.attacks import errors_below, none_below
from ..engine.balls import cholesky_pivots, precisely
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import closed_forms, networks, recursions

__all__ = ["CLAIMS", "coefficients", "powers_of_products", "series_steps"]

_SMOOTH = (activations.SOFTPLUS, activations.ERF, activations.TANH, activations.SIGMOID, activations.COS)
_SCALE = Fraction(4, 5)
_TERMS = 80


def coefficients(function: Any, variance: float, terms: int) -> np.ndarray:
    """`h_k = E[g(sqrt(a) z) He_k(z)] / sqrt(k!)`, by Gauss-Hermite quadrature; `(terms,)`."""
    node, table = _quadrature()
    return table[:terms] @ function(np.sqrt(variance) * node)


@cache
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    """Nodes, and the matrix from values there to coefficients."""
    node, weight = np.polynomial.hermite_e.hermegauss(160)
    rows = [np.ones_like(node), node]
    for k in range(1, _TERMS - 1):
        rows.append((node * rows[k] - np.sqrt(k) * rows[k - 1]) / np.sqrt(k + 1))
    return node, np.array(rows) * (weight / weight.sum())


def powers_of_products(vectors: np.ndarray, power: int) -> Any:
    """The determinant of the matrix of `(x_i . x_j)^power`, exactly, for vectors of integers."""
    products = [[sum(int(p) * int(q) for p, q in zip(x, y, strict=True)) ** power for y in vectors] for x in vectors]
    return fmpz_mat(products).det()


def series_steps(d: Derivation, effort: Effort) -> None:
    """The steps that all three proofs share: the series, and the powers of products."""
    p, q, rho, g = sp.symbols("p q rho g", real=True)
    power = sp.Symbol("alpha", real=True)
    normal = sp.exp(-(g**2) / 2) / sp.sqrt(2 * sp.pi)
    wave = sp.integrate(sp.expand(sp.exp(power * g) * normal), (g, -sp.oo, sp.oo))
    both = wave.subs(power, p + q * rho) * wave.subs(power, q * sp.sqrt(1 - rho**2))
    d.identity(
        "Hermite functions of correlated Gaussians",
        sp.simplify(sp.expand(sp.log(both * sp.exp(-(p**2) / 2 - q**2 / 2) / sp.exp(p * q * rho)), force=True)),
        0,
        r"$z=g$ and $z'=\rho g+\sqrt{1-\rho^2}\,g'$ with $g,g'$ independent: $E[e^{pz+qz'}]=E[e^{(p+q\rho)g}]\,E[e^{q\sqrt{1-\rho^2}g'}]$, two integrals. $e^{pz-p^2/2}=\sum_k\frac{p^k}{k!}\mathrm{He}_k(z)$: comparing powers, $E[\mathrm{He}_k(z)\mathrm{He}_l(z')]=\delta_{kl}\,k!\,\rho^k$.",
        shown=r"E\big[e^{pz-p^2/2}\,e^{qz'-q^2/2}\big]=e^{pq\rho}",
    )
    d.argument(
        "the series",
        r"$E[g(u)g(v)]=\sum_kh_k(a)\,h_k(b)\,\rho^k$ with $h_k(a)=E[g(\sqrt a\,z)\mathrm{He}_k(z)]/\sqrt{k!}$, for $g$ square integrable; $a,b$ the variances, $\rho$ the correlation.",
        r"$\mathrm{He}_k/\sqrt{k!}$ is an orthonormal basis of the square integrable functions of $z$; the step before.",
        refuted_by="a covariance where series and direct expectation differ",
        attack=lambda: _series(effort),
    )
    d.argument(
        "infinitely many terms",
        r"If $\sigma'$ is no polynomial (almost everywhere), then for every $a>0$ infinitely many $h_k(a)$ of $g=\sigma'$ are not 0; and some $h_k(a)$ of $g=\sigma$ with $k\ge1$ is not 0.",
        r"With finitely many, $\sigma'(\sqrt a\,z)$ would be the polynomial $\sum_kh_k\mathrm{He}_k/\sqrt{k!}$ almost everywhere; and $\sigma$ would be constant. Analytic or not does not matter: ReLU has this too.",
        refuted_by="an activation with one of the Conditions' properties whose coefficients end",
        attack=lambda: _nonzero(effort),
    )
    d.argument(
        "powers of products",
        r"If no two of $x_1,\dots,x_n$ are parallel (and none is 0), then $\sum_ic_ix_i^{\otimes k}=0$ for one $k\ge n-1$ implies $c=0$: the matrix of $(x_i\cdot x_j)^k$ is positive definite.",
        r"For each $i$ and each $j\ne i$ there is $y_j$ with $y_j\cdot x_j=0\ne y_j\cdot x_i$, and $z$ with $z\cdot x_i\ne0$. The product of the $n-1$ forms $y_j\cdot{}$ and $k-n+1$ forms $z\cdot{}$ vanishes at all $x_j$, $j\ne i$, and not at $x_i$.",
        refuted_by="integer vectors, no two parallel, for which the determinant of the powers is 0; or in the plane, where fewer than $n-1$ must fail, one that is not",
        attack=lambda: _powers(effort),
    )
    d.argument(
        "no two become parallel",
        r"If $|\rho|<1$, then $|E[g(u)g(v)]|<\sqrt{E[g(u)^2]E[g(v)^2]}$ for $g=\sigma$, and the covariance of $\sigma(u)$, $\sigma(v)$ is smaller than the root of the product of the variances, which are not 0.",
        r"$\big|\sum_{k\ge s}h_k(a)h_k(b)\rho^k\big|\le\sqrt{\sum_{k\ge s}h_k(a)^2|\rho|^k}\sqrt{\sum_{k\ge s}h_k(b)^2|\rho|^k}$, $s=0$ or 1, and each root is less than that with $|\rho|^k$ replaced by 1, as some $h_k\ne0$ with $k\ge1$.",
        refuted_by=r"an activation and a correlation inside $(-1,1)$ that goes to $\pm1$",
        attack=lambda: _correlations(effort),
    )


@cache
def _series(effort: Effort) -> Attack:
    rng = np.random.default_rng(371)
    errors = []
    for s in _SMOOTH:
        for _ in range(effort.count(20, 300)):
            a, b, rho = *(10 ** rng.uniform(-1, 0, 2)), rng.uniform(-0.95, 0.95)
            c = rho * np.sqrt(a * b)
            for g, dual in ((s.value, s.dual), (s.derivative, s.dual_derivative)):
                total = np.sum(coefficients(g, a, _TERMS) * coefficients(g, b, _TERMS) * rho ** np.arange(_TERMS))
                errors.append(abs(total - float(dual(a, c, b))))
    return errors_below("80 terms for softplus, erf, tanh, sigmoid and cos, variances to 1, seed 371", errors, 1e-8)


@cache
def _nonzero(effort: Effort) -> Attack:
    rng = np.random.default_rng(372)
    sizes = []
    for s in (*_SMOOTH, activations.GELU, activations.SILU):
        for a in 10 ** rng.uniform(-0.3, 0.5, effort.count(3, 30)):
            found = np.abs(coefficients(s.derivative, a, 16))
            sizes += [found[first : first + 4].max() for first in range(0, 13, 2)]
            sizes.append(np.abs(coefficients(s.value, a, 16))[1:].max())
    return none_below(
        "seven smooth activations, variances 0.5 to 3, seed 372: among any 4 successive coefficients of the slope to k = 15 one exceeds $10^{-9}$",
        sizes,
        1e-9,
    )


@cache
def _powers(effort: Effort) -> Attack:
    rng = np.random.default_rng(373)
    found = []
    while len(found) < effort.count(150, 2_000):
        n, dimension = int(rng.integers(2, 7)), int(rng.integers(2, 5))
        vectors = rng.integers(-6, 7, (n, dimension))
        if rng.random() < 0.5:  # two that are nearly parallel
            vectors[1] = 100 * vectors[0] * rng.choice([-1, 1]) + rng.integers(-1, 2, dimension)
        if any(np.linalg.matrix_rank(vectors[[i, j]]) < 2 for i in range(n) for j in range(i)):
            continue
        power = n - 1 + int(rng.integers(0, 3))
        good = powers_of_products(vectors, power) > 0
        if dimension == 2 and n > 2:
            good = good and powers_of_products(vectors, n - 2) == 0
        found.append(float(good))
    return none_below(
        "random integer vectors, 2 to 6 in 2 to 4 dimensions, exactly, seed 373: determinants as said", found
    )


@cache
def _correlations(effort: Effort) -> Attack:
    rng = np.random.default_rng(374)
    count = effort.count(60, 2_000)
    rho = np.sign(rng.uniform(-1, 1, count)) * (1 - 10 ** rng.uniform(-6, 0, count))
    margins = []
    tried: tuple[Activation, ...] = (*_SMOOTH, activations.RELU, activations.EXP)
    for s in tried:
        for a in (0.3, 1.0):
            b = np.full(count, 0.8)
            value = s.dual(a, rho * np.sqrt(a * b), b)
            one, two = s.dual(a, a, a), s.dual(b, b, b)
            mean, other = s.mean(np.array(a)), s.mean(b)
            margins.append((1 - np.abs(value) / np.sqrt(one * two)) / (1 - np.abs(rho)))
            covariance = np.abs(value - mean * other) / np.sqrt((one - mean**2) * (two - other**2))
            margins.append((1 - covariance) / (1 - np.abs(rho)))
    return none_below(
        "seven activations, correlations within 1 to 1e-6 of plus or minus 1, seed 374: what is left to 1, over what was left before",
        np.concatenate(margins),
        1e-4,
    )


def _rational_inputs(rng: np.random.Generator, n: int, dimension: int) -> Any:
    """Rational inputs, no two parallel."""
    while True:
        x = rng.integers(-6, 7, (n, dimension))
        if all(np.linalg.matrix_rank(x[[i, j]]) == 2 for i in range(n) for j in range(i)):
            return x.astype(object) * Fraction(1, 5)


def _separate_images(rng: np.random.Generator) -> Any:
    """Three rational images of four pixels without two parallel patches of 3: in balls of angles a correlation of 1 is not allowed."""
    while True:
        images = rng.integers(-9, 10, (3, 1, 4))
        rows = networks.patches(images, 3).swapaxes(1, 2).reshape(-1, 3)
        if all(np.linalg.matrix_rank(rows[[i, j]]) == 2 for i in range(len(rows)) for j in range(i)):
            return images.astype(object) * Fraction(1, 8)


def _one_pixel(rng: np.random.Generator) -> Any:
    """Three rational images of two channels and three pixels, equal but for the first pixel, at which no two are parallel."""
    images = np.repeat((rng.integers(-4, 5, (1, 2, 3)).astype(object) + Fraction(1, 3)) * Fraction(1, 4), 3, axis=0)
    images[:, :, 0] = _rational_inputs(rng, 3, 2)
    return images


_Matrices = Callable[[closed_forms.ClosedForm, int, np.random.Generator], Iterator[tuple[str, Any]]]
"""`(what, K^(H))` for random inputs, in balls, of an activation and a depth."""


def _products(rng: np.random.Generator) -> Any:
    return recursions.products(_rational_inputs(rng, int(rng.integers(2, 6)), int(rng.integers(2, 4))))


def _of_fully_connected(
    form: closed_forms.ClosedForm, depth: int, rng: np.random.Generator
) -> Iterator[tuple[str, Any]]:
    yield form.name, recursions.fully_connected(form, _products(rng), depth)


def _of_resnet(form: closed_forms.ClosedForm, depth: int, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    K = _products(rng)
    if depth > 1:
        yield form.name, recursions.residual(form, K, depth, _SCALE)


def _of_convolutional(form: closed_forms.ClosedForm, depth: int, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    if depth == 1:
        return
    if form is closed_forms.RELU:
        yield form.name, recursions.convolutional(form, _separate_images(rng), depth, _SCALE, 3)
        return
    images = rng.integers(-4, 5, (3, 1, 4)).astype(object) * Fraction(1, 4)
    images[:, 0, :3] = _rational_inputs(rng, 3, 3)  # the patch at the second pixel
    yield form.name, recursions.convolutional(form, images, depth, _SCALE, 3)
    equal_but_one = recursions.convolutional(form, _one_pixel(rng), depth, _SCALE, 1)
    yield f"{form.name} (q = 1, images equal but for one pixel)", equal_but_one


@precisely
def _cholesky(effort: Effort, matrices: _Matrices) -> Attack:
    rng = np.random.default_rng(375)
    least, names, depths = [], [], set()
    for _ in range(effort.count(3, 40)):
        for form in (closed_forms.ERF, closed_forms.COS, closed_forms.RELU):
            for depth in (1, 2, 3):
                for name, K in matrices(form, depth, rng):
                    pivots = cholesky_pivots(K)
                    least.append(float(min(pivots).lower()) if len(pivots) == len(K) else -1.0)
                    names.append(name)
                    depths.add(depth)
    return none_below(
        f"{', '.join(dict.fromkeys(names))}, H from {min(depths)} to {max(depths)}, random rational inputs, seed 375: least pivot of the matrix in balls",
        least,
    )


_POSITIVE = r"So $z^\top K^{(H)}z=0$ only for $z=0$"


def _fully_connected(effort: Effort) -> Outcome:
    d = Derivation()
    series_steps(d, effort)
    d.argument(
        "all layers",
        r"$K^{(h)}$, $h<H$, is a matrix of products $y_i\cdot y_j$ of vectors of which no two are parallel, and $z^\top K^{(H)}z=c_\sigma\sum_k\big|\sum_iz_ih_k(a_i)|y_i|\,\hat y_i^{\otimes(k+1)}\big|^2$ with $y_i\cdot y_j=K^{(H-1)}_{ij}$, $a_i=|y_i|^2$, $h_k$ of $\sigma'$.",
        r"$K^{(h)}$ is positive semi-definite by the series, and no two become parallel. If the sum is 0, then $z_ih_k(a_i)=0$ for all $i$ and all $k\ge n-2$ (powers of products), and for each $i$ some such $h_k(a_i)\ne0$. "
        + _POSITIVE
        + ".",
        refuted_by="inputs, no two parallel, for which a pivot of $K^{(H)}$ is not positive",
        attack=lambda: _cholesky(effort, _of_fully_connected),
    )
    return d.proved(
        "for every H and inputs of any lengths, no two parallel; $\\sigma'$ need not be analytic, only no polynomial"
    )


def _residual(effort: Effort) -> Outcome:
    d = Derivation("wide_networks.positive")
    series_steps(d, effort)
    b_i, b_j, m_i, m_j, step, product, both = sp.symbols("b_i b_j m_i m_j t K E")
    d.identity(
        "without the means",
        product + step * (b_i * m_j + b_j * m_i) + step**2 * both - (b_i + step * m_i) * (b_j + step * m_j),
        product - b_i * b_j + step**2 * (both - m_i * m_j),
        r"$C^{(h)}=K^{(h)}-b^{(h)}b^{(h)\top}$ satisfies $C^{(h)}=C^{(h-1)}+t^2\operatorname{Cov}(\sigma(u_i),\sigma(u_j))$, and $C^{(1)}=c_\sigma\operatorname{Cov}$.",
    )
    d.argument(
        "all layers",
        r"No two inputs are parallel in any $K^{(h)}$, $1\le h<H$; so $K^{(H)}=t^2K^{(H-1)}_{ij}E[\sigma'(u)\sigma'(v)]$ is positive definite.",
        r"For two inputs $C^{(1)}$ is positive definite (no two become parallel, with the covariance); what is added later is positive semi-definite; $K^{(h)}=C^{(h)}+b^{(h)}b^{(h)\top}$. For the last line see `wide_networks.positive`.",
        refuted_by="inputs, no two parallel, for which a pivot of $K^{(H)}$ is not positive",
        attack=lambda: _cholesky(effort, _of_resnet),
    )
    return d.proved("the covariances without the means only grow: no two inputs become parallel")


def _convolutional(effort: Effort) -> Outcome:
    d = Derivation("wide_networks.positive", "wide_networks.positive.resnet")
    series_steps(d, effort)
    d.argument(
        "at one pixel",
        r"If no two of the patches $\phi_l(x_1),\dots,\phi_l(x_n)$ at pixel $l$ are parallel, then no two inputs are parallel in $K^{(h)}_{ij,ll}$, $h<H$, and $K^{(H)}$ is positive definite.",
        r"For two inputs $S^{(1)}_{ll}$ without the means is positive definite, and stays so, as in `wide_networks.positive.resnet`; $K^{(h)}_{ll}=\sum_oS^{(h)}_{l+o\,l+o}$ is $S^{(h)}_{ll}$ and positive semi-definite matrices. In $K^{(H)}=t^2\sum_r(\dots)_{rr}$ the term $r=l$ is positive definite as in `wide_networks.positive`, the others are semi-definite.",
        refuted_by="images for which a pivot of $K^{(H)}$ is not positive",
        attack=lambda: _cholesky(effort, _of_convolutional),
    )
    return d.proved("one pixel with patches of which no two are parallel is enough")


_SIGMA = (
    r"$\sigma$ Lipschitz, $\sigma'$ (almost everywhere) no polynomial, as under Conditions 3.1 and 3.2, and for ReLU"
)
CLAIMS = (
    Claim(
        "wide_networks.positive",
        "Section 5, with Definition 5.1 mended (Proposition F.1)",
        rf"{_SIGMA}: if no two of the inputs are parallel and none is 0, then $\lambda_{{\min}}(K^{{(H)}})>0$ for fully connected networks of every depth $H\ge1$. Opposite inputs are parallel. The lengths may differ.",
        Verdict.PROVED,
        _fully_connected,
        assumes=("Hermite polynomials are complete in the square integrable functions",),
    ),
    Claim(
        "wide_networks.positive.resnet",
        "Section 6, with Definition 6.1 mended (Proposition F.2)",
        rf"{_SIGMA}: if no two of the inputs are parallel and none is 0, then $\lambda_{{\min}}(K^{{(H)}})>0$ for residual networks of every depth $H\ge2$.",
        Verdict.PROVED,
        _residual,
        assumes=("Hermite polynomials are complete in the square integrable functions",),
        uses=("wide_networks.positive",),
    ),
    Claim(
        "wide_networks.positive.cnn",
        "Section 7, with Definition 7.1 mended",
        rf"{_SIGMA}: if for some pixel $l$ no two of the patches $\phi_l(x_i)$ are parallel and none is 0, then $\lambda_{{\min}}(K^{{(H)}})>0$ for convolutional residual networks of every depth $H\ge2$.",
        Verdict.PROVED,
        _convolutional,
        assumes=("Hermite polynomials are complete in the square integrable functions",),
        uses=("wide_networks.positive", "wide_networks.positive.resnet"),
    ),
)
