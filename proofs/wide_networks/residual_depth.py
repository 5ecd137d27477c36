r"""Least eigenvalues of residual networks, bounded for every depth."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from alignmath import activations
from alignmath.activations import Activation
from alignmath.architectures import ResNet
from alignmath.kernels import gram

from ..engine.attacks import errors_below, none_below
from ..engine.balls import cholesky_pivots, evaluate, precisely
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import closed_forms, positive_definite, recursions

__all__ = [
    "CLAIMS",
    "by_parts",
    "first_covariance",
    "first_covariance_in_balls",
    "residual_bounds",
    "schur_bound",
    "variance_bounds",
]

_SCALE = Fraction(1, 2)


def schur_bound(A: np.ndarray, B: np.ndarray) -> float:
    """A lower bound of the least eigenvalue of the entrywise product of positive semi-definite matrices."""
    return float(np.linalg.eigvalsh(A)[0] * np.diag(B).min())


def by_parts(slopes: np.ndarray, variance: float) -> np.ndarray:
    """The Hermite coefficients of s from k = 1 on, from those of its slope from k = 0 on."""
    return np.sqrt(variance / np.arange(1, len(slopes) + 1)) * slopes


def first_covariance(x: np.ndarray, s: Activation) -> np.ndarray:
    """`C^(1)`, `c_sigma` times the covariance of the `s(w . x_i)`."""
    products = x @ x.T
    own = np.diag(products)
    means = s.mean(own)
    return s.c_sigma * (s.dual(own[:, None], products, own[None]) - np.outer(means, means))


def first_covariance_in_balls(form: closed_forms.ClosedForm, K: list[list[Any]]) -> list[list[Any]]:
    """The same from the products K of rational inputs."""
    scale, means, both = evaluate(form.c_sigma, {}), form.means(K), form.matrix(form.dual, K)
    return [[scale * (both[i][j] - means[i] * means[j]) for j in range(len(K))] for i in range(len(K))]


def variance_bounds(x: np.ndarray, s: Activation, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of `K^(h)_ii`, the same for all H and h from 1 to H: `C^(1)_ii`, and `R_i^2`."""
    own = np.sum(x**2, axis=1)
    root, rest = np.sqrt(s.c_sigma * s.dual(own, own, own)), abs(float(s.value(np.zeros(())))) / s.lipschitz
    return np.diag(first_covariance(x, s)), (np.exp(scale * s.lipschitz) * (root + rest) - rest) ** 2


def _variances(x: np.ndarray, s: Activation, depth: int, scale: float) -> np.ndarray:
    """`K^(H-1)_ii` by the recursion of Definition 6.1."""
    own, step = np.sum(x**2, axis=1), scale / depth
    q, b = s.c_sigma * s.dual(own, own, own), np.sqrt(s.c_sigma) * s.mean(own)
    for _ in range(depth - 2):
        mean = s.mean(q)
        q, b = q + 2 * step * b * mean + step**2 * s.dual(q, q, q), b + step * mean
    return q


def residual_bounds(x: np.ndarray, s: Activation, depth: int, scale: float) -> tuple[float, float]:
    """Lower and upper bound of the least eigenvalue of `K^(H)` of a residual network."""
    q = _variances(x, s, depth, scale)
    slopes, step = s.dual_derivative(q, q, q), scale / depth
    least = np.linalg.eigvalsh(first_covariance(x, s))[0]
    return float(step**2 * least * slopes.min()), float(step**2 * (q * slopes).min())


def _residual_bound(effort: Effort) -> Outcome:
    d = Derivation("wide_networks.positive.resnet")
    positive_definite.series_steps(d, effort)
    b_i, b_j, m_i, m_j, t, K, E = sp.symbols("b_i b_j m_i m_j t K E")
    d.identity(
        "without the means",
        K + t * (b_i * m_j + b_j * m_i) + t**2 * E - (b_i + t * m_i) * (b_j + t * m_j),
        K - b_i * b_j + t**2 * (E - m_i * m_j),
        r"$t=\frac{c_{res}}H$, $C^{(h)}=K^{(h)}-b^{(h)}b^{(h)\top}$: $C^{(h)}=C^{(h-1)}+t^2\operatorname{Cov}(\sigma(u_i),\sigma(u_j))$, and $C^{(1)}=c_\sigma\operatorname{Cov}(\sigma(u_i),\sigma(u_j))$ under $K^{(0)}$, which $H$ and $c_{res}$ do not enter.",
    )
    d.argument(
        "the matrix below the top",
        r"$K^{(H-1)}\succeq C^{(1)}$ for $H\ge2$.",
        r"$K^{(H-1)}=C^{(1)}+t^2(\text{covariance matrices})+b^{(H-1)}b^{(H-1)\top}$, and these are positive semi-definite.",
        refuted_by="inputs for which the difference has a negative eigenvalue, beyond rounding",
        attack=lambda: _below_the_top(effort),
    )
    d.argument(
        "coefficients of the activation",
        r"For every $a>0$ infinitely many $h_k(a)$ of $g=\sigma$ are not 0.",
        r"$h_k(a)$ of $\sigma$ is $\sqrt{a/k}\;h_{k-1}(a)$ of $\sigma'$, integrating by parts, as $\mathrm{He}_k\varphi=-(\mathrm{He}_{k-1}\varphi)'$ and $\sigma$ is Lipschitz; and infinitely many of these are not 0.",
        refuted_by="an activation whose coefficients are not so related",
        attack=lambda: _parts(effort),
    )
    d.argument(
        "positive definite in the first layer",
        r"$\lambda_{\min}(C^{(1)})>0$.",
        r"With $a_i=|x_i|^2$, $z^\top C^{(1)}z=c_\sigma\sum_{k\ge1}\big|\sum_iz_ih_k(a_i)\,\hat x_i^{\otimes k}\big|^2$ with $h_k$ of $\sigma$ (the series without $k=0$, the product of the means). If it is 0, then $z_ih_k(a_i)=0$ for all $k\ge\max(n-1,1)$ (powers of products), and for each $i$ some such $h_k(a_i)\ne0$.",
        refuted_by="inputs, no two parallel, for which a pivot of $C^{(1)}$ is not positive",
        attack=lambda: _first_layer(effort),
    )
    d.argument(
        "Schur's bound of a product",
        r"$A,B\succeq0$: $\lambda_{\min}(A\circ B)\ge\lambda_{\min}(A)\min_iB_{ii}$, entry by entry the product.",
        r"$A-\lambda I\succeq0$ with $\lambda=\lambda_{\min}(A)\ge0$, so $(A-\lambda I)\circ B\succeq0$ (Schur's product theorem), and $\lambda I\circ B=\lambda\operatorname{diag}(B_{ii})\succeq\lambda\min_iB_{ii}\,I$.",
        refuted_by="two positive semi-definite matrices, some singular, some with all entries equal, for which it fails by more than rounding",
        attack=lambda: _schur(effort),
    )
    r, e, b, m = sp.symbols("r e b m", real=True)
    d.identity(
        "one layer's variance",
        (r + t * e) ** 2 - (r**2 + 2 * t * b * m + t**2 * e**2),
        2 * t * (r * e - b * m),
        r"$r^2=K^{(h-1)}_{ii}$, $e^2=E[\sigma(u)^2]$: since $b^2\le r^2$ ($C^{(h-1)}_{ii}\ge0$) and $m^2\le e^2$, this is at least 0, and $K^{(h)}_{ii}\le(r+te)^2$.",
    )
    L, zero = sp.symbols("L s_0", positive=True)
    d.identity(
        "one layer's bound",
        r + t * (zero + L * r) + zero / L,
        (1 + t * L) * (r + zero / L),
        r"$e\le s_0+L\,r$ by Minkowski, with $L$ the Lipschitz constant and $s_0=|\sigma(0)|$; and $(1+\frac{c_{res}L}H)^H\le e^{c_{res}L}$.",
    )
    d.argument(
        "variances stay between bounds",
        r"$C^{(1)}_{ii}\le K^{(h)}_{ii}\le R_i^2$ for $1\le h<H$ and every $H$, with $R_i=e^{c_{res}L}\big(\sqrt{K^{(1)}_{ii}}+\frac{s_0}L\big)-\frac{s_0}L$; neither depends on $H$.",
        "Below by the matrix below the top, for its diagonal; above by the two identities, layer by layer.",
        refuted_by="an activation, inputs and a depth for which a variance is outside, one layer further up included",
        attack=lambda: _variance_attack(effort),
    )
    d.argument(
        "slopes between the bounds",
        r"$q\mapsto E[\sigma'(\sqrt q\,z)^2]$ is continuous and positive for $q>0$, and at most $L^2$: so it has a positive minimum on $[C^{(1)}_{ii},R_i^2]$, an interval inside $(0,\infty)$.",
        r"It is the integral of $\sigma'(x)^2\le L^2$ against the density of $N(0,q)$, which moves continuously in the mean with $q>0$; it is 0 only if $\sigma'=0$ almost everywhere, a polynomial. $C^{(1)}_{ii}\ge\lambda_{\min}(C^{(1)})>0$.",
        refuted_by=r"an activation for which it is below $10^{-4}$ at a variance from $10^{-3}$ to 10, above $L^2$, or jumps by a tenth between variances 6% apart",
        attack=lambda: _slopes(effort),
    )
    d.argument(
        "the two bounds",
        r"With $q_i=K^{(H-1)}_{ii}$: $\frac{c_{res}^2}{H^2}\lambda_{\min}(C^{(1)})\min_iE[\sigma'(\sqrt{q_i}z)^2]\le\lambda_{\min}(K^{(H)})\le\frac{c_{res}^2}{H^2}\min_iq_iE[\sigma'(\sqrt{q_i}z)^2]\le\frac{c_{res}^2L^2}{H^2}\min_iR_i^2$.",
        r"$K^{(H)}=t^2K^{(H-1)}\circ D$ with $D_{ij}=E[\sigma'(u_i)\sigma'(u_j)]$, which is positive semi-definite: below, Schur's bound, and $\lambda_{\min}(K^{(H-1)})\ge\lambda_{\min}(C^{(1)})$; above, no eigenvalue exceeds all diagonal entries, and the least is at most the least of them.",
        refuted_by="inputs, an activation and a depth for which alignmath's matrix is outside; orthogonal unit inputs, erf and $H=2$ attain both bounds",
        attack=lambda: _two_bounds(effort),
    )
    return d.proved(
        r"at least $\frac{c_{res}^2}{H^2}\lambda_{\min}(C^{(1)})$ times the least mean square slope, for $K^{(H-1)}$ is never below $C^{(1)}$; at most a multiple of $H^{-2}$ too"
    )


_TRIED = (
    activations.SOFTPLUS,
    activations.ERF,
    activations.TANH,
    activations.COS,
    activations.RELU,
)
_DEPTHS = (2, 5, 20)


def _random_inputs(rng: np.random.Generator) -> np.ndarray:
    """Two to five inputs in three dimensions, lengths 0.3 to 2."""
    x = rng.standard_normal((int(rng.integers(2, 6)), 3))
    return x * (rng.uniform(0.3, 2, len(x)) / np.linalg.norm(x, axis=1))[:, None]


@precisely
def _below_the_top(effort: Effort) -> Attack:
    rng = np.random.default_rng(391)
    errors, names = [], []
    for _ in range(effort.count(3, 40)):
        for form in (closed_forms.ERF, closed_forms.COS, closed_forms.RELU):
            for depth in (2, 3, 4):
                K = recursions.products(positive_definite._rational_inputs(rng, int(rng.integers(2, 6)), 3))
                above = recursions.residual(form, K, depth, _SCALE, before_last=True)
                first = first_covariance_in_balls(form, K)
                n = range(len(K))
                rest = np.array([[float((above[i][j] - first[i][j]).mid()) for j in n] for i in n])
                errors.append(max(0.0, -np.linalg.eigvalsh(rest)[0]) / np.abs(rest).max(initial=1.0))
                names.append(form.name)
    return errors_below(
        f"{', '.join(dict.fromkeys(names))}, H from 2 to 4, random rational inputs, seed 391: least eigenvalue of the difference, where negative",
        errors,
        1e-13,
    )


def _parts(effort: Effort) -> Attack:
    rng = np.random.default_rng(392)
    errors = []
    smooth = (activations.SOFTPLUS, activations.ERF, activations.TANH, activations.SIGMOID, activations.COS)
    for s in smooth:
        for a in 10 ** rng.uniform(-1, 0, effort.count(10, 100)):
            value, slope = (positive_definite.coefficients(g, a, 40) for g in (s.value, s.derivative))
            errors.append(np.abs(value[1:] - by_parts(slope[:-1], a)).max())
    return errors_below(
        f"{', '.join(s.name for s in smooth)}, 39 coefficients, variances 0.1 to 1, seed 392", errors, 1e-9
    )


@precisely
def _first_layer(effort: Effort) -> Attack:
    rng = np.random.default_rng(393)
    pivots, names = [], []
    for _ in range(effort.count(4, 80)):
        for form in (closed_forms.ERF, closed_forms.COS, closed_forms.RELU):
            K = recursions.products(positive_definite._rational_inputs(rng, int(rng.integers(2, 6)), 3))
            found = cholesky_pivots(first_covariance_in_balls(form, K))
            pivots.append(float(min(found).lower()) if len(found) == len(K) else -1.0)
            names.append(form.name)
    return none_below(
        f"{', '.join(dict.fromkeys(names))}, random rational inputs, seed 393: least pivot in balls", pivots
    )


def _schur(effort: Effort) -> Attack:
    rng = np.random.default_rng(394)
    errors = []
    for k in range(effort.count(200, 20_000)):
        n = int(rng.integers(2, 7))
        A, B = (f @ f.T / n for f in (rng.standard_normal((n, n + (0, 2, -1)[k % 3])), rng.standard_normal((n, n))))
        if k % 4 == 0:
            B = np.full((n, n), B[0, 0])  # the bound is attained
        errors.append(max(0.0, schur_bound(A, B) - np.linalg.eigvalsh(A * B)[0]) / np.abs(A * B).max())
    return errors_below("random matrices of 2 to 6 rows, seed 394: how much it fails", errors, 1e-13)


@cache
def _variance_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(395)
    margins = []
    tried = (*_TRIED, activations.ABS)
    for s in tried:
        for H in _DEPTHS:
            for _ in range(effort.count(1, 10)):
                x, scale = _random_inputs(rng), float(rng.uniform(0.1, 0.99))
                low, high = variance_bounds(x, s, scale)
                top = np.diag(gram(x, ResNet(H, s, scale=scale), layer=H + 1))  # layer H, for h < H too
                below = _variances(x, s, H, scale)
                margins += [top / low - 1, 1 - top / high, below / low - 1 + 1e-12, 1 - below / high]
    return none_below(
        f"{', '.join(s.name for s in tried)}, H = 2, 5, 20, seed 395: relative margins", np.concatenate(margins)
    )


def _slopes(effort: Effort) -> Attack:
    q = np.geomspace(1e-3, 10, effort.count(150, 4_000))
    margins = []
    for s in _TRIED:
        square = s.dual_derivative(q, q, q)
        jumps = np.abs(np.diff(np.log(square)))
        margins += [square - 1e-4, s.lipschitz**2 * (1 + 1e-12) - square, 0.1 - jumps]
    return none_below(f"{', '.join(s.name for s in _TRIED)}, variances from 0.001 to 10", np.concatenate(margins))


def _two_bounds(effort: Effort) -> Attack:
    rng = np.random.default_rng(397)
    margins = []
    for s in _TRIED:
        for H in _DEPTHS:
            cases = [_random_inputs(rng) for _ in range(effort.count(1, 20))]
            for x in (*cases, np.eye(3)):
                scale = float(rng.uniform(0.1, 0.99))
                low, high = residual_bounds(x, s, H, scale)
                least = np.linalg.eigvalsh(gram(x, ResNet(H, s, scale=scale)))[0]
                rounding = 1e-13 * high / low
                margins += [least / low - 1 + rounding, 1 + rounding - least / high]
    return none_below(
        f"{', '.join(s.name for s in _TRIED)}, H = 2, 5, 20, random inputs and the unit vectors, seed 397: relative margins, and rounding",
        margins,
    )


CLAIMS = (
    Claim(
        "wide_networks.lmin.resnet.bound",
        "Section 6, with Definition 6.1 mended: polynomial in H",
        r"Residual networks, $\sigma$ Lipschitz with constant $L$, $\sigma'$ (almost everywhere) no polynomial, fixed inputs of any lengths, no two parallel and none 0, $0<c_{res}<1$, every $H\ge2$: $\lambda_{\min}(K^{(H)})\ge\frac{c_{res}^2}{H^2}\lambda_{\min}(C^{(1)})\min_iE[\sigma'(\sqrt{q_i}z)^2]$ with $z\sim N(0,1)$, $q_i=K^{(H-1)}_{ii}$ and $C^{(1)}_{ij}=c_\sigma\operatorname{Cov}(\sigma(w\cdot x_i),\sigma(w\cdot x_j))$, $w\sim N(0,I)$. "
        r"$\lambda_{\min}(C^{(1)})>0$ does not depend on $H$, and $C^{(1)}_{ii}\le q_i\le R_i^2$ with $R_i=e^{c_{res}L}\big(\sqrt{K^{(1)}_{ii}}+\frac{|\sigma(0)|}L\big)-\frac{|\sigma(0)|}L$. Also $\lambda_{\min}(K^{(H)})\le\frac{c_{res}^2L^2}{H^2}\min_iR_i^2$. So $\lambda_{\min}(K^{(H)})$ is between two positive multiples of $H^{-2}$, and does not fall exponentially.",
        Verdict.PROVED,
        _residual_bound,
        assumes=(
            "Hermite polynomials are complete in the square integrable functions",
            "Schur's product theorem: the entrywise product of positive semi-definite matrices is positive semi-definite",
        ),
        uses=("wide_networks.positive.resnet",),
    ),
)
