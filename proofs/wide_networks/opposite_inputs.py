r"""Equal and opposite inputs of length 1, fully connected networks: where $\lambda_{\min}(K^{(H)})=0$, and where it is not."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import sympy as sp

from alignmath.activations import ERF, GELU, RELU, SIGMOID, SILU, SIN, SOFTPLUS, TANH
from alignmath.architectures import FullyConnected
from alignmath.kernels import gram

from ..engine.attacks import errors_below, none_below
from ..engine.balls import cholesky_pivots, precisely
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import activations, closed_forms, recursions

__all__ = ["CLAIMS", "hexagon", "relu_matrix"]

_LINEAR_PART = (RELU, SOFTPLUS, GELU, SILU)
"""Activations with `s(z) - s(-z) = z`."""
z = sp.Symbol("z", real=True)


def hexagon() -> sp.Matrix:
    """Three pairs of opposite unit vectors in the plane, as rows: x_1, x_2, x_3 at 60 degrees, and their opposites."""
    half, root = sp.Rational(1, 2), sp.sqrt(3) / 2
    three = sp.Matrix([[1, 0], [half, root], [-half, root]])
    return three.col_join(-three)


def relu_matrix(x: sp.Matrix) -> sp.Matrix:
    """`K^(1)` of ReLU for unit inputs, exactly."""
    products = x * x.T
    return products.applyfunc(lambda c: 2 * c * closed_forms.step_dual(sp.acos(c)))


def _equal(effort: Effort) -> Outcome:
    d = Derivation("wide_networks.positive", "wide_networks.def5.1.mended")
    a, b, c = closed_forms.a, closed_forms.b, closed_forms.c
    form = closed_forms.ERF
    d.identity(
        "opposite inputs, erf",
        form.slope.subs({c: -c, b: a}),
        form.slope.subs(b, a),
        r"$\sigma'$ even: $E[\sigma'(u)\sigma'(-u)]=E[\sigma'(u)^2]$, so rows of $K^{(H)}$ of opposite inputs are each other's negatives.",
        shown=r"E_{-c}[\sigma'\sigma']=E_c[\sigma'\sigma']",
    )
    form = closed_forms.COS
    d.identity(
        "opposite inputs, cos",
        form.slope.subs({c: -c, b: a}),
        -form.slope.subs(b, a),
        r"$\sigma'$ odd: then with the sign of $x_i\cdot x_j$ the rows are equal.",
        shown=r"E_{-c}[\sigma'\sigma']=-E_c[\sigma'\sigma']",
    )
    d.argument(
        "equal inputs, and even or odd activations",
        r"Equal inputs have equal rows in $K^{(H)}$, whatever $\sigma$ is. Opposite inputs have equal or opposite rows for every $H$ if $\sigma$ is odd or even, and for $H=1$ if $\sigma'$ is.",
        r"For $\sigma$ odd or even $K^{(h)}_{ij}$ turns its sign, or not, with that of $x_i$; $\sigma'$ is then even or odd, and so the same of $K^{(H)}$. Two rows that are equal or opposite: $\lambda_{\min}=0$.",
        refuted_by="inputs for which such a matrix has a least eigenvalue that is not 0 to rounding",
        attack=lambda: _singular(effort),
    )
    for name in ("softplus", "gelu", "silu"):
        slope = activations.slope(name)
        d.identity(
            f"{name}: opposite slopes",
            sp.simplify(slope + slope.subs(z, -z)),
            1,
            r"Also ReLU, but for $z=0$: $\sigma'-\frac12$ is odd.",
            shown=r"\sigma'(z)+\sigma'(-z)=1",
        )
    x = hexagon()
    d.certificate(
        "six inputs in the plane",
        all(x[k, :].dot(x[k, :]) == 1 for k in range(6)) and x[:3, :] == -x[3:, :],
        r"Three pairs of opposite inputs of length 1, at angles of $60^\circ$: $x_1-x_2+x_3=0$.",
        reason="exact",
    )
    null = sp.Matrix([1, -1, 1, -1, 1, -1])
    d.identity(
        "ReLU, six inputs in the plane",
        relu_matrix(x) * null,
        sp.zeros(6, 1),
        r"$H=1$: although no two are equal, $\lambda_{\min}(K^{(1)})=0$.",
        shown=r"K^{(1)}(1,-1,1,-1,1,-1)^\top=0",
    )
    square = sp.Matrix([[1, 0], [0, 1], [-1, 0], [0, -1]])
    d.certificate(
        "ReLU, four inputs in the plane",
        all(bool(sp.simplify(relu_matrix(square)[:k, :k].det()) > 0) for k in range(1, 5)),
        r"Two pairs, $\pm e_1,\pm e_2$, $H=1$: all leading minors of $K^{(1)}$ are positive. So parallel inputs need not make the matrix singular.",
        reason="exact",
    )
    d.argument(
        "one layer, a slope that is odd but for a half",
        r"$\sigma'-\frac12$ odd and no polynomial, $H=1$, unit inputs, no two equal: $\lambda_{\min}(K^{(1)})>0$ if and only if the $x_i$ whose opposites are inputs too, one of each pair, are linearly independent.",
        r"$z^\top K^{(1)}z=c_\sigma\sum_kh_k^2\big|\sum_iz_ix_i^{\otimes(k+1)}\big|^2$ (as in `wide_networks.positive`); $h_0=\frac12$, no other even $k$ has $h_k\ne0$, and infinitely many odd ones do. Even powers $x^{\otimes(k+1)}$ do not tell $x$ from $-x$, and powers of lines are independent: "
        r"they leave $z_{-x}=-z_x$ for pairs, and $z_x=0$ for the others. Then $k=0$ asks for $\sum2z_xx=0$ over the pairs.",
        refuted_by="pairs for which rank and least eigenvalue say otherwise",
        attack=lambda: _pairs(effort),
    )
    d.argument(
        "two layers and more",
        r"$\sigma$ neither even nor odd (almost everywhere), $\sigma'$ no polynomial, unit inputs, no two equal, $H\ge2$: $\lambda_{\min}(K^{(H)})>0$.",
        r"$K^{(1)}_{ij}=c_\sigma\sum_k(-1)^kh_k^2$ for opposite inputs is inside $(-1,1)$, as $\sigma$ has even and odd terms: after one layer no two are parallel, and `wide_networks.positive` goes on from there.",
        refuted_by="distinct unit inputs with opposite pairs for which a pivot of $K^{(2)}$ or $K^{(3)}$ is not positive",
        attack=lambda: _deep(effort),
    )
    return d.proved(
        "equal inputs always; opposite ones for even or odd $\\sigma$; for ReLU and softplus at H = 1 if the pairs are dependent, at $H\\ge2$ never"
    )


def _unit(rng: np.random.Generator, n: int, dimension: int) -> np.ndarray:
    x = rng.standard_normal((n, dimension))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _singular(effort: Effort) -> Attack:
    rng = np.random.default_rng(381)
    errors = []
    for _ in range(effort.count(5, 100)):
        x = _unit(rng, 3, 3)
        for s, depths, sign in (
            (RELU, (1, 2, 3), 1),
            (SOFTPLUS, (1, 2, 3), 1),
            (ERF, (1, 2, 3), -1),
            (SIN, (1, 2, 3), -1),
            (TANH, (1, 2), -1),
            (SIGMOID, (1,), -1),
        ):
            inputs = np.concatenate([x, sign * x[:1]])
            errors += [abs(np.linalg.eigvalsh(gram(inputs, FullyConnected(depth, s)))[0]) for depth in depths]
    return errors_below("least eigenvalues with an equal or an opposite input, seed 381", errors, 1e-13)


def _pairs(effort: Effort) -> Attack:
    """Pairs with independent and with dependent directions, in two to four dimensions, and single inputs."""
    rng = np.random.default_rng(382)
    margins = []
    for _ in range(effort.count(6, 200)):
        for s in _LINEAR_PART:
            dimension = int(rng.integers(2, 5))
            lines = int(rng.integers(1, dimension + 2))
            x = _unit(rng, lines, dimension)
            inputs = np.concatenate([x, -x, _unit(rng, int(rng.integers(0, 2)), dimension)])
            least = np.linalg.eigvalsh(gram(inputs, FullyConnected(1, s)))[0]
            gap = min((1 - abs(p @ q) for k, p in enumerate(x) for q in x[:k]), default=1.0)
            if lines > dimension:
                margins.append(1e-13 - abs(least))
            elif gap > 0.05 and np.linalg.svd(x, compute_uv=False)[-1] > 0.2:
                margins.append(least - 1e-10)
    return none_below(
        "ReLU, softplus, GELU and SiLU, pairs in 2 to 4 dimensions, seed 382: 0 or not, as the rank says", margins
    )


@precisely
def _deep(effort: Effort) -> Attack:
    rng = np.random.default_rng(383)
    five = [Fraction(3, 5), Fraction(4, 5)]
    directions = [[Fraction(1), Fraction(0)], five, [-five[1], five[0]], [Fraction(5, 13), Fraction(12, 13)]]
    pivots = []
    for _ in range(effort.count(3, 20)):
        chosen = [directions[k] for k in rng.permutation(4)[: int(rng.integers(2, 5))]]
        inputs = chosen + [[-value for value in x] for x in chosen]
        for form in (closed_forms.RELU, closed_forms.EXP):
            for depth in (2, 3):
                found = cholesky_pivots(recursions.fully_connected(form, recursions.products(inputs), depth))
                pivots.append(float(found[-1].lower()) if len(found) == len(inputs) else -1.0)
    return none_below(
        "ReLU and exp, two to four pairs in the plane, H = 2 and 3, seed 383: last pivot in balls", pivots
    )


CLAIMS = (
    Claim(
        "wide_networks.positive.opposite",
        "Section 5, which data are degenerate",
        r"Inputs of length 1, fully connected networks. Equal inputs make $\lambda_{\min}(K^{(H)})=0$. Opposite inputs do so for every $H$ if $\sigma$ is even or odd (erf, tanh, sin, cos), and for $H=1$ if $\sigma'$ is (sigmoid). "
        r"For ReLU, softplus, GELU and SiLU and no two inputs equal: $\lambda_{\min}(K^{(1)})>0$ if and only if the inputs whose opposites are inputs too, one of each pair, are linearly independent; and $\lambda_{\min}(K^{(H)})>0$ for $H\ge2$.",
        Verdict.PROVED,
        _equal,
        uses=("wide_networks.positive", "wide_networks.def5.1.mended"),
    ),
)
