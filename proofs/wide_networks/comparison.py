"""The comparison of Section 2: what Theorems 5.1 and 6.1 ask of the width and the number of steps, with one convention for the least eigenvalue."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from ..engine.attacks import none_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation

__all__ = ["CLAIMS", "fully_connected", "steps_bound", "width_terms"]

n, H, scaled, failure = sp.symbols("n H mu delta", positive=True)
alpha = sp.Symbol("alpha", real=True)
_LOG = sp.Symbol("L", positive=True)
_MEANING = r"Here $\mu$ and $\epsilon$ do not depend on $H$, and constants are left out."


def width_terms(value: Any) -> tuple[Any, Any, Any, Any]:
    """The four terms of (9), for a least eigenvalue `value`; L for the logarithm."""
    return n**4 / (value**4 * H**6), n**2 / (value**2 * H**2), n / failure, n**2 * _LOG / value**2


def step_size(value: Any) -> Any:
    """The step size of Theorem 6.1."""
    return value * H**2 / n**2


def steps_bound(value: Any) -> Any:
    """`1 / (eta lambda)`: what multiplies `2 log(1 / epsilon)` in the number of steps."""
    return 1 / (step_size(value) * value)


def fully_connected(value: Any, width_factor: Any, step_factor: Any) -> tuple[Any, tuple[Any, Any, Any]]:
    """Step size and the three terms of the width of Theorem 5.1, the two `2^O(H)` given; L for the logarithm."""
    terms = n**4 / value**4, n / failure, n**2 * _LOG / value**2
    return value / (n**2 * step_factor), tuple(width_factor * term for term in terms)


def _power_of_depth(expression: Any) -> Any:
    """The exponent of H in a monomial."""
    return sp.simplify(H * sp.diff(sp.log(expression), H))


def _printed(effort: Effort) -> Outcome:
    d = Derivation()
    value = scaled * H**-alpha
    widths, steps = width_terms(value), steps_bound(value)
    d.identity(
        "the width",
        _power_of_depth(widths[0]),
        4 * alpha - 6,
        r"With $\lambda_{\min}=\mu H^{-\alpha}$, the first term of (9) is $n^4H^{4\alpha-6}/\mu^4$: it is $n^4H^2$ for $\alpha=2$ alone.",
        shown=r"\frac{n^4}{\lambda^4H^6}=\frac{n^4H^{4\alpha-6}}{\mu^4}",
    )
    d.identity(
        "the steps",
        _power_of_depth(steps),
        2 * alpha - 2,
        r"$\eta=\lambda H^2/n^2$: the number of steps goes like $n^2H^{2\alpha-2}\log\frac1\epsilon$, which is free of $H$ for $\alpha=1$ alone.",
        shown=r"\frac1{\eta\lambda}=\frac{n^2}{\lambda^2H^2}=\frac{n^2H^{2\alpha-2}}{\mu^2}",
    )
    d.certificate(
        "no exponent gives both",
        sp.solve([4 * alpha - 6 - 2, 2 * alpha - 2], alpha) == []
        and sp.solve(4 * alpha - 8, alpha) == [2]
        and sp.solve(2 * alpha - 2, alpha) == [1],
        r"$4\alpha-6=2$ and $2\alpha-2=0$ have no common solution.",
        reason="exact",
    )
    fourth = _power_of_depth(widths[3]).subs(alpha, 2)
    d.certificate(
        "and the width is not all of it",
        fourth == 4,
        r"For $\alpha=2$ the fourth term of (9) is $n^2H^4\log\frac{Hn}\delta/\mu^2$, larger than $n^4H^2$ for $H\gg n$.",
        reason="exact",
    )
    return d.refuted(
        "width $n^4H^2$ takes $\\lambda_{\\min}\\propto H^{-2}$, and then the steps are $n^2H^2\\log\\frac1\\epsilon$; steps $n^2\\log\\frac1\\epsilon$ take $\\lambda_{\\min}\\propto H^{-1}$"
    )


def _mended(effort: Effort) -> Outcome:
    d = Derivation()
    value = scaled / H**2
    for k, (term, expected, shown) in enumerate(
        zip(
            width_terms(value),
            (n**4 * H**2 / scaled**4, n**2 * H**2 / scaled**2, n / failure, n**2 * H**4 * _LOG / scaled**2),
            (
                r"\frac{n^4}{\lambda^4H^6}=\frac{n^4H^2}{\mu^4}",
                r"\frac{n^2}{\lambda^2H^2}=\frac{n^2H^2}{\mu^2}",
                r"\frac n\delta",
                r"\frac{n^2L}{\lambda^2}=\frac{n^2H^4L}{\mu^2},\quad L=\log\tfrac{Hn}\delta",
            ),
            strict=True,
        ),
        1,
    ):
        d.identity(f"term {k} of (9)", term, expected, r"$\lambda=\mu/H^2$.", shown=shown)
    d.identity(
        "the steps",
        steps_bound(value),
        n**2 * H**2 / scaled**2,
        shown=r"\frac1{\eta\lambda}=\frac{n^2}{\lambda^2H^2}=\frac{n^2H^2}{\mu^2}",
    )
    falling, wide, small = sp.symbols("gamma b c", nonnegative=True)
    value = scaled * 2 ** (-falling * H)
    step, terms = fully_connected(value, 2 ** (wide * H), 2 ** (small * H))
    d.identity(
        "Theorem 5.1, the steps",
        sp.powsimp(1 / (step * value)),
        n**2 * 2 ** ((small + 2 * falling) * H) / scaled**2,
        r"$\lambda=\mu2^{-\gamma H}$ and $\eta=\lambda/(n^22^{cH})$: $n^2\,2^{O(H)}\log\frac1\epsilon$ steps.",
        shown=r"\frac1{\eta\lambda}=\frac{n^22^{cH}}{\lambda^2}=\frac{n^22^{(c+2\gamma)H}}{\mu^2}",
    )
    for k, (term, power, shown) in enumerate(
        zip(
            terms,
            (n**4 * 2 ** ((wide + 4 * falling) * H) / scaled**4, n * 2 ** (wide * H) / failure, n**2 * 2 ** ((wide + 2 * falling) * H) * _LOG / scaled**2),
            (r"\frac{n^42^{bH}}{\lambda^4}=\frac{n^42^{(b+4\gamma)H}}{\mu^4}", r"\frac{n2^{bH}}\delta", r"\frac{n^22^{bH}L}{\lambda^2}=\frac{n^22^{(b+2\gamma)H}L}{\mu^2}"),
            strict=True,
        ),
        1,
    ):  # fmt: skip
        d.identity(
            f"Theorem 5.1, term {k} of the width", term, power, r"With the factor $2^{O(H)}=2^{bH}$.", shown=shown
        )
    d.argument(
        "from rate to steps",
        r"$(1-\frac{\eta\lambda}2)^k\le\epsilon$ as soon as $k\ge\frac2{\eta\lambda}\log\frac1\epsilon$, and, for $\eta\lambda\le1$, not for $k<\frac1{\eta\lambda}\log\frac1\epsilon$.",
        r"$1-x\le e^{-x}$ for all $x$, and $1-x\ge e^{-2x}$ for $0\le x\le\frac12$: equality at 0, and at $\frac12$ it is $\frac12>\frac1e$, the difference being concave.",
        refuted_by="a rate and an accuracy for which the least number of steps is outside of these bounds",
        attack=lambda: _steps(effort),
    )
    return d.proved(
        "with $\\lambda_{\\min}=\\mu/H^2$ throughout: width $n^4H^2+n^2H^2+n^2H^4\\log\\frac{Hn}\\delta+\\frac n\\delta$, steps $n^2H^2\\log\\frac1\\epsilon$"
    )


def _steps(effort: Effort) -> Attack:
    rng = np.random.default_rng(341)
    count = effort.count(20_000, 1_000_000)
    product, accuracy = 10 ** rng.uniform(-6, 0, count), 10 ** rng.uniform(-12, -0.1, count)
    needed = np.log(1 / accuracy) / -np.log1p(-product / 2)
    most, fewest = 2 / product * np.log(1 / accuracy), np.log(1 / accuracy) / product
    return none_below(
        "random rates to 1e-6 and accuracies to 1e-12, seed 341: relative margins",
        np.concatenate([most / needed - 1, needed / fewest - 1]),
    )


CLAIMS = (
    Claim(
        "wide_networks.compare",
        "Section 2, the comparison with Allen-Zhu et al.",
        rf"With $\lambda_{{\min}}(K^{{(H)}})=\mu H^{{-\alpha}}$ for some $\alpha$, Theorem 6.1 asks for width $m\gtrsim n^4H^2$ and $T\gtrsim n^2\log\frac1\epsilon$ steps. {_MEANING}",
        Verdict.REFUTED,
        _printed,
    ),
    Claim(
        "wide_networks.compare.mended",
        "Section 2, with one convention",
        rf"With $\lambda_{{\min}}(K^{{(H)}})=\mu/H^2$, which gives the paper's $n^4H^2$, Theorem 6.1 asks for $m\gtrsim\frac{{n^4H^2}}{{\mu^4}}+\frac{{n^2H^2}}{{\mu^2}}+\frac n\delta+\frac{{n^2H^4}}{{\mu^2}}\log\frac{{Hn}}\delta$ and $T\gtrsim\frac{{n^2H^2}}{{\mu^2}}\log\frac1\epsilon$. With $\lambda_{{\min}}(K^{{(H)}})=\mu2^{{-O(H)}}$, Theorem 5.1 asks for $m\gtrsim(\frac{{n^4}}{{\mu^4}}+\frac n\delta+\frac{{n^2}}{{\mu^2}}\log\frac{{Hn}}\delta)2^{{O(H)}}$, of which the paper's comparison names the first term, and for $T\gtrsim\frac{{n^2}}{{\mu^2}}2^{{O(H)}}\log\frac1\epsilon$. {_MEANING}",
        Verdict.PROVED,
        _mended,
    ),
)
