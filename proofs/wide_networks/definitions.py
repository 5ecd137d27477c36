r"""Definitions 5.1, 6.1 and 7.1: the limits of $G^{(H)}(0)$ as the width grows, derived."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from alignmath.activations import COS, SOFTPLUS
from alignmath.architectures import ConvolutionalResNet, FullyConnected, ResNet
from alignmath.kernels import gram

from ..engine.attacks import errors_below, monte_carlo, none_below
from ..engine.balls import precisely
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import closed_forms, networks, recursions
from .wide_runs import title

__all__ = ["CLAIMS", "CONDITION", "LIMIT", "SCALE", "TAIL"]

_INPUTS = np.array([[0.6, 0, 0], [1.6, 0.4, 0.1], [0.9, -0.3, 0.2]])
_IMAGES = np.array([[[0.2, 0.6, 0.4], [0.3, 0.3, 0.3]], [[0.5, 1.0, 0.3], [0.35, 0.55, 0.55]]])
"""Of unequal lengths, which the pairing of the cross terms asks for, and without small entries of $K^{(H)}$."""
_SEEN = 0.08
"""Five standard errors of the means over networks with explicit weights, over the entry, at most."""
SCALE = Fraction(4, 5)
_FULLY_CONNECTED = FullyConnected(1, COS)
_RESNET = ResNet(2, COS, scale=float(SCALE))
_CONVOLUTIONAL = ConvolutionalResNet(2, COS, scale=float(SCALE), patch=3)
LIMIT = r"As $m\to\infty$, $G^{(H)}(0)\to K^{(H)}$ in probability, entry by entry"
CONDITION = r"for $\sigma$ with Condition 3.1"


def _chain_rule(d: Derivation, factor: str, pixels: int = 1) -> None:
    """`<df/dW_i, df/dW_j>` for two units and two coordinates, averaged over the output weights."""
    s = sp.Function("sigma")
    k = sp.Symbol("k")
    w = sp.Matrix(2, 2, sp.symbols("w_11 w_12 w_21 w_22"))
    a = sp.Matrix(2, pixels, sp.symbols(f"a_1:{2 * pixels + 1}"))
    columns = [sp.Matrix(2, pixels, sp.symbols(f"{name}_1:{2 * pixels + 1}")) for name in "xy"]
    f = [
        sum(k * a[r, place] * s((w[r, :] * column[:, place])[0]) for r in range(2) for place in range(pixels))
        for column in columns
    ]
    total = sp.expand(sum(sp.diff(f[0], entry).doit() * sp.diff(f[1], entry).doit() for entry in w))
    averaged = sum(  # E[a_rl a_r'l'] is 1 for equal indices, 0 otherwise
        total.coeff(entry, 2) for entry in a
    )
    g = lambda r, column, place: sp.diff(s(k), k).subs(k, (w[r, :] * column[:, place])[0])  # noqa: E731
    expected = k**2 * sum(
        g(r, columns[0], place) * g(r, columns[1], place) * columns[0][:, place].dot(columns[1][:, place])
        for r in range(2)
        for place in range(pixels)
    )
    d.identity(
        "the gradient by the top weights",
        sp.expand((averaged - expected).doit()),
        0,
        rf"Written out for two units, two inputs of the layer{' and two pixels' if pixels > 1 else ''}; ${factor}$ for $k$. Averaged over the output weights, which are independent of the rest: $E[a_ra_s]=\delta_{{rs}}$.",
        shown=(
            rf"E_a\,G^{{(H)}}_{{ij}}={factor}^2\sum_r\sigma'(w_r\cdot x_i)\,\sigma'(w_r\cdot x_j)\;x_i\cdot x_j,\quad x=x^{{(H-1)}}"
            if pixels == 1
            else rf"E_a\,G^{{(H)}}_{{ij}}={factor}^2\sum_r\sum_l\sigma'(w_r\cdot\phi_l(x_i))\,\sigma'(w_r\cdot\phi_l(x_j))\;\phi_l(x_i)\cdot\phi_l(x_j)"
        ),
    )


def _given_below(d: Derivation, effort: Effort) -> None:
    d.argument(
        "given the layer below",
        r"The rows of $(Wx_1,\dots,Wx_n)$ are independent, each $N(0,(x_i\cdot x_j)_{ij})$.",
        "The entries of $W$ are independent standard normals, independent of the layers below.",
        refuted_by="vectors for which products of the rows have other means, in one row or between two",
        attack=lambda: _row_attack(effort),
    )


@cache
def _row_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(361)
    points = np.array([1.0, 1.3, 0.7])[:, None] * (1 + 0.4 * rng.standard_normal((3, 8)))
    products = points @ points.T
    size = np.sqrt(np.outer(np.diag(products), np.diag(products)))
    count, batch = effort.count(50, 400), 20_000
    sums = np.zeros((2, 2, 3, 3))
    for _ in range(count):
        one, two = rng.standard_normal((2, batch, 8)) @ points.T
        for k, other in enumerate((one, two)):
            sums[0, k] += one.T @ other
            sums[1, k] += (one**2).T @ other**2
    total = count * batch
    mean = sums[0] / total
    error = np.sqrt((sums[1] / total - mean**2) / total)
    expected = np.stack([products, np.zeros((3, 3))])
    return monte_carlo(
        "products within explicit rows, relative to each, and between two rows, relative to the lengths, seed 361",
        mean,
        error,
        expected,
        np.stack([products, size]),
    )


def _inputs(architecture: FullyConnected | ResNet) -> np.ndarray:
    return _IMAGES if architecture.images else _INPUTS


def _options(architecture: FullyConnected | ResNet) -> dict[str, Any]:
    """As `networks.top_gram` has them, which shares no code with the architectures."""
    if isinstance(architecture, FullyConnected):
        return {}
    scale = {"scale": architecture.scale}
    return {**scale, "patch": architecture.patch} if isinstance(architecture, ConvolutionalResNet) else scale


def _cases(effort: Effort, architecture: FullyConnected | ResNet) -> list[FullyConnected | ResNet]:
    """The architecture with the activations and depths that are tried."""
    cases = [(s, H) for s in (COS, SOFTPLUS) for H in (2, 3)] if effort is Effort.FULL else [(COS, 3)]
    return [replace(architecture, activation=s, depth=H) for s, H in cases]


def _name(architecture: FullyConnected | ResNet) -> str:
    return f"{architecture.activations[0].name} with H = {architecture.depth}"


@cache
def _network_means(effort: Effort, architecture: FullyConnected | ResNet, seed: int) -> tuple[tuple[Any, ...], ...]:
    """(architecture, mean, standard errors) of `G^(H)(0)` over random networks, extrapolated in the width, for each case."""
    x, options = _inputs(architecture), _options(architecture)
    units = effort.count(1_228_800 if architecture.images else 4_096_000, 8_192_000)
    return tuple(
        (case, *networks.extrapolated(x, units, seed, depth=case.depth, activation=case.activations[0], **options))
        for case in _cases(effort, architecture)
    )


def _limit_of_networks(effort: Effort, architecture: FullyConnected | ResNet, seed: int) -> Attack:
    """The mean of `G^(H)(0)` over random networks, extrapolated in the width, against the code; 1% of every entry is seen."""
    compared, ran = [], []
    for case, mean, error in _network_means(effort, architecture, seed):
        K = gram(_inputs(architecture), case)
        compared.append((mean, error, K, np.abs(K)))
        ran.append(_name(case))
    return monte_carlo(
        f"{', '.join(ran)}, means over networks of 64 and of 1024 neurons a layer, extrapolated, inputs of unequal lengths, each entry relative to itself, seed {seed}",
        *(np.concatenate([parts[k].ravel() for parts in compared]) for k in range(4)),
    )


@cache
def _explicit_networks(effort: Effort, architecture: FullyConnected | ResNet, seed: int) -> tuple[tuple[Any, ...], ...]:
    """(architecture, `G^(H)(0)` of networks of 16 neurons a layer, the same of 64), all weights drawn, for each case."""
    x, many = _inputs(architecture), effort.count(1_200 if architecture.images else 2_500, 5_000)
    return tuple(
        (case, *(networks.explicit(x, case, m, k * many, seed + m) for m, k in ((16, 2), (64, 1))))
        for case in _cases(effort, architecture)
    )


def _concentration(effort: Effort, architecture: FullyConnected | ResNet, seed: int) -> Attack:
    """Means of explicit networks tend to the code's values, and variances fall like `1/m`."""
    margins, seen, powers, ran, counts = [], [], [], [], (0, 0)
    for case, narrow, wide in _explicit_networks(effort, architecture, seed):
        K = gram(_inputs(architecture), case)
        mean, error = networks.limit(narrow, wide, 4)
        seen.append(np.max(5 * error / np.abs(K)))
        powers.append(np.log(narrow.var(axis=0) / wide.var(axis=0)) / np.log(4))
        margins += [5 - np.abs(mean - K) / error, _SEEN / seen[-1] - 1, 0.25 - np.abs(powers[-1] - 1)]
        ran.append(_name(case))
        counts = len(narrow), len(wide)
    low, high = np.min(powers), np.max(powers)
    return none_below(
        f"{', '.join(ran)}, {counts[0]} networks of 16 and {counts[1]} of 64 neurons a layer, every weight drawn, seed {seed}: means within 5 standard errors, which are at most {100 * max(seen):.2g}% of each entry; the variance falls like the power -{low:.2f} to -{high:.2f} of the width",
        np.concatenate([np.ravel(margin) for margin in margins]),
    )


def _networks_agree(d: Derivation, effort: Effort, architecture: FullyConnected | ResNet, seed: int) -> None:
    d.argument(
        "the limit, to 1%",
        f"The mean of $G^{{(H)}}(0)$ over networks tends to what kernels.gram computes with architecture {title(architecture)}.",
        "The limit, which the code computes; second moments are bounded, so means tend to it too. The networks of this attack have rows of $Wx$ drawn by their law, and $a$ averaged, as in the steps above.",
        refuted_by="random networks whose mean, extrapolated to infinite width, differs from what the code computes, in one entry by 1% of it",
        attack=lambda: _limit_of_networks(effort, architecture, seed),
    )


def _code_is(d: Derivation, effort: Effort, architecture: FullyConnected | ResNet) -> None:
    d.argument(
        "the code computes it",
        f"kernels.gram with architecture {title(architecture)} is this recursion.",
        "The same recursion in balls, from closed forms, and in floating point.",
        refuted_by=r"rational inputs and an activation with closed forms for which they differ by more than $10^{-12}$ of the largest entry",
        attack=lambda: _recursion_attack(effort, architecture),
    )


def _rational_inputs(rng: np.random.Generator, *shape: int) -> Any:
    """Rational inputs, no two (and no two patches of 3 pixels) parallel: for ReLU balls of angles do not allow a correlation of 1."""
    while True:
        x = (rng.integers(-8, 9, shape).astype(object) + Fraction(1, 9)) * Fraction(1, 12)
        given = x.astype(float)
        given = given if len(shape) == 2 else networks.patches(given, 3).swapaxes(1, 2).reshape(-1, 3 * shape[1])
        unit = given / np.linalg.norm(given, axis=1, keepdims=True)
        if np.abs(unit @ unit.T - np.eye(len(unit))).max() < 1 - 1e-6:
            return x


def _exact(form: closed_forms.ClosedForm, x: Any, architecture: FullyConnected | ResNet) -> Any:
    """`K^(H)` in balls, of rational inputs."""
    if isinstance(architecture, FullyConnected):
        return recursions.fully_connected(form, recursions.products(x), architecture.depth)
    if isinstance(architecture, ConvolutionalResNet):
        return recursions.convolutional(form, x, architecture.depth, SCALE, architecture.patch)
    return recursions.residual(form, recursions.products(x), architecture.depth, SCALE)


def _recursion_attack(effort: Effort, architecture: FullyConnected | ResNet) -> Attack:
    rng = np.random.default_rng(362)
    errors, names, depths = [], set(), set()
    for _ in range(effort.count(2, 40)):
        for form in (closed_forms.ERF, closed_forms.COS, closed_forms.RELU):
            for depth in range(1 if isinstance(architecture, FullyConnected) else 2, 5):
                x = _rational_inputs(rng, *((2, 2, 3) if architecture.images else (3, 2)))
                case = replace(architecture, depth=depth, activation=form.activation)
                middle = np.array([[float(entry.mid()) for entry in row] for row in _exact(form, x, case)])
                errors.append(np.abs(gram(x.astype(float), case) - middle).max() / np.abs(middle).max())
                names.add(form.name)
                depths.add(depth)
    return errors_below(
        f"{', '.join(sorted(names))}, H from {min(depths)} to {max(depths)}, random rational inputs, seed 362",
        errors,
        1e-12,
    )


@precisely
def _fully_connected(effort: Effort) -> Outcome:
    d = Derivation()
    _chain_rule(d, r"\sqrt{c_\sigma/m}\,")
    _given_below(d, effort)
    d.argument(
        "the limit",
        r"$x_i^{(h)}\cdot x_j^{(h)}=\frac{c_\sigma}m\sum_r\sigma(w_r\cdot x_i^{(h-1)})\,\sigma(w_r\cdot x_j^{(h-1)})\to K^{(h)}_{ij}$ for $h<H$, and $G^{(H)}_{ij}\to c_\sigma K^{(H-1)}_{ij}E_{A^{(H)}_{ij}}[\sigma'(u)\sigma'(v)]$.",
        r"By induction: the products of the layer below tend to $K^{(h-1)}$; given these, the $m$ terms are independent, with mean $E_A[\sigma(u)\sigma(v)]$ at the covariance $A$ of the layer below, which is continuous in $A$, and bounded variance ($\sigma$ grows linearly, $\sigma'$ is bounded). "
        r"In the last layer the slopes are those at $W^{(H)}x^{(H-1)}$, whose covariance is $K^{(H-1)}$: this is $A^{(H)}$. The average over $a$ costs a variance of order $\frac1m$.",
        refuted_by="networks with all of their weights drawn whose $G^{(H)}(0)$ has another mean, extrapolated in the width, than the code computes, or a variance that does not fall like $\\frac1m$",
        attack=lambda: _concentration(effort, _FULLY_CONNECTED, 367),
    )
    _code_is(d, effort, _FULLY_CONNECTED)
    _networks_agree(d, effort, _FULLY_CONNECTED, 363)
    return d.proved("the law of large numbers, layer by layer; the slopes of layer H have the covariance $K^{(H-1)}$")


@precisely
def _residual(effort: Effort) -> Outcome:
    d = Derivation()
    _chain_rule(d, r"\tfrac{c_{res}}{H\sqrt m}\,")
    _given_below(d, effort)
    x_i, x_j, s_i, s_j, step = sp.symbols("x_i x_j s_i s_j t")
    d.identity(
        "one unit of a layer",
        (x_i + step * s_i) * (x_j + step * s_j),
        x_i * x_j + step * (x_i * s_j + x_j * s_i) + step**2 * s_i * s_j,
        r"$s_i=\sigma(w_r\cdot x_i)$: the value of input $i$ meets the activation of input $j$.",
    )
    b_i, b_j, m_i, m_j = sp.symbols("b_i b_j m_i m_j")
    d.identity(
        "without the means",
        (b_i + step * m_i) * (b_j + step * m_j),
        b_i * b_j + step * (b_i * m_j + b_j * m_i) + step**2 * m_i * m_j,
        r"With $m_i=E[\sigma(u)]$: so $K^{(h)}-b^{(h)}b^{(h)\top}=K^{(h-1)}-b^{(h-1)}b^{(h-1)\top}+t^2\operatorname{Cov}(\sigma(u),\sigma(v))$, a sum of positive semi-definite matrices.",
    )
    d.argument(
        "the limit",
        r"With $t=\frac{c_{res}}H$: $\frac1{\sqrt m}\sum_rx_{i,r}^{(h)}\to b_i^{(h)}$ and $x_i^{(h)}\cdot x_j^{(h)}\to K^{(h)}_{ij}$, $h<H$; $G^{(H)}_{ij}\to t^2K^{(H-1)}_{ij}E_{A^{(H)}_{ij}}[\sigma'(u)\sigma'(v)]$.",
        r"$\frac t{\sqrt m}\sum_rx_{i,r}\,\sigma(w_r\cdot x_j)$ has, given the layer below, mean $t\,\big(\frac1{\sqrt m}\sum_rx_{i,r}\big)E[\sigma(v)]\to t\,b_i\,E[\sigma(v)]$ and variance $\frac{t^2}m|x_i|^2\operatorname{Var}\sigma(v)\to0$. The rest as for fully connected networks.",
        refuted_by="networks with all of their weights drawn whose $G^{(H)}(0)$ has another mean, extrapolated in the width, than the code computes, or a variance that does not fall like $\\frac1m$",
        attack=lambda: _concentration(effort, _RESNET, 368),
    )
    _code_is(d, effort, _RESNET)
    _networks_agree(d, effort, _RESNET, 364)
    return d.proved(
        "the law of large numbers, layer by layer; $b_i$ is the mean of input i and meets the activation of input j"
    )


@precisely
def _convolutional(effort: Effort) -> Outcome:
    d = Derivation("wide_networks.def6.1.mended")
    _chain_rule(d, r"\tfrac{c_{res}}{H\sqrt m}\,", pixels=2)
    _given_below(d, effort)
    d.argument(
        "products of patches",
        r"$\phi_l(x_i)\cdot\phi_r(x_j)=\sum_ox_{i,l+o}\cdot x_{j,r+o}$ over the offsets $|o|\le\frac{q-1}2$ for which both pixels exist.",
        "A patch is the pixels at these offsets one after the other, with zeros outside; zeros add nothing.",
        refuted_by="images for which patches written out have other products",
        attack=lambda: _patch_attack(effort),
    )
    d.argument(
        "the limit",
        r"With $t=\frac{c_{res}}H$: $x^{(h)}_{i,l}\cdot x^{(h)}_{j,r}\to S^{(h)}_{ij,lr}$ and $\phi_l\cdot\phi_r\to K^{(h)}_{ij,lr}$; $G^{(H)}_{ij}\to t^2\sum_lK^{(H-1)}_{ij,ll}E_{A^{(H)}}[\sigma'(u_l)\sigma'(v_l)]$.",
        "As in `wide_networks.def6.1.mended`, with one Gaussian for every input and pixel; each convolution acts on patches and its residual is added to pixels.",
        refuted_by="networks with all of their weights drawn whose $G^{(H)}(0)$ has another mean, extrapolated in the width, than the code computes, or a variance that does not fall like $\\frac1m$",
        attack=lambda: _concentration(effort, _CONVOLUTIONAL, 369),
    )
    _code_is(d, effort, _CONVOLUTIONAL)
    _networks_agree(d, effort, _CONVOLUTIONAL, 365)
    return d.proved("the residual recursion over pixels, with expectations under the covariance of patches")


def _patch_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(366)
    errors = []
    for _ in range(effort.count(5, 100)):
        p, q = int(rng.integers(1, 6)), 2 * int(rng.integers(0, 4)) + 1
        x = rng.integers(-9, 10, (2, 3, p)).astype(object) * Fraction(1, 4)
        written = networks.patches(x.astype(float), q)
        columns = np.concatenate([written[0], written[1]], axis=1)
        over = recursions.patched(
            recursions.products([[image[d][place] for d in range(3)] for image in x for place in range(p)]), p, q
        )
        errors.append(np.abs(columns.T @ columns - np.array([[float(k.mid()) for k in row] for row in over])).max())
    return errors_below("random images of 1 to 5 pixels, patches to 7, seed 366", errors, 1e-12)


TAIL = r"$A^{(h)}_{ij}$ is made of the entries $ii,ij,jj$ of $K^{(h-1)}$."
CLAIMS = (
    Claim(
        "wide_networks.def5.1.mended",
        "Definition 5.1, with $A^{(H)}$",
        rf"{LIMIT}, {CONDITION}, any $H\ge1$ and inputs of any lengths: $K^{{(h)}}_{{ij}}=c_\sigma E_{{A^{{(h)}}_{{ij}}}}[\sigma(u)\sigma(v)]$ for $h<H$, $K^{{(H)}}_{{ij}}=c_\sigma K^{{(H-1)}}_{{ij}}E_{{A^{{(H)}}_{{ij}}}}[\sigma'(u)\sigma'(v)]$. {TAIL} alignmath computes this.",
        Verdict.PROVED,
        _fully_connected,
        assumes=("the weak law of large numbers",),
    ),
    Claim(
        "wide_networks.def6.1.mended",
        "Definition 6.1, with $A^{(H)}$ and the other pairing",
        rf"{LIMIT}, {CONDITION}, any $H\ge2$ and inputs of any lengths: as in `wide_networks.def6.1`, but with $t\,b_i\sigma(v)+t\,b_j\sigma(u)$ in $K^{{(h)}}_{{ij}}$ and $K^{{(H)}}_{{ij}}=t^2K^{{(H-1)}}_{{ij}}E_{{A^{{(H)}}_{{ij}}}}[\sigma'(u)\sigma'(v)]$. {TAIL} alignmath computes this.",
        Verdict.PROVED,
        _residual,
        assumes=("the weak law of large numbers",),
    ),
    Claim(
        "wide_networks.def7.1.mended",
        "Definition 7.1, with matrices over pixels and over patches",
        rf"{LIMIT}, {CONDITION}, any $H\ge2$, $t=\frac{{c_{{res}}}}H$: $S^{{(0)}}_{{ij}}=x_i^\top x_j$ over pixels; $K^{{(h)}}_{{ij,lr}}=\sum_oS^{{(h)}}_{{ij,l+o\,r+o}}$ over the offsets of a patch, zeros outside; under $A^{{(h)}}$, made of $K^{{(h-1)}}$, $S^{{(1)}}_{{ij,lr}}=c_\sigma E[\sigma(u_l)\sigma(v_r)]$ and $b^{{(1)}}_{{i,l}}=\sqrt{{c_\sigma}}E[\sigma(u_l)]$, "
        r"$S^{(h)}_{ij,lr}=S^{(h-1)}_{ij,lr}+t\,(b_{i,l}E[\sigma(v_r)]+b_{j,r}E[\sigma(u_l)])+t^2E[\sigma(u_l)\sigma(v_r)]$ and $b^{(h)}=b^{(h-1)}+t\,E[\sigma(u)]$ for $1<h<H$; $K^{(H)}_{ij}=t^2\sum_lK^{(H-1)}_{ij,ll}E_{A^{(H)}}[\sigma'(u_l)\sigma'(v_l)]$. alignmath computes this.",
        Verdict.PROVED,
        _convolutional,
        assumes=("the weak law of large numbers",),
        uses=("wide_networks.def6.1.mended",),
    ),
)
