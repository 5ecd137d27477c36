r"""Definitions 5.1, 6.1 and 7.1 as printed: definite inputs for which they are not the limits of $G^{(H)}(0)$."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ..claims import Claim, Effort, Outcome, Verdict
from ..derivation import Derivation
from . import closed_forms, recursions
from .balls import precisely
from .definitions import CONDITION, LIMIT, SCALE, TAIL

__all__ = ["CLAIMS"]

_PAPER = "gd_global_minima"


def _digits(value: Any) -> str:
    return value.str(8, radius=False)


@precisely
def _printed_fully_connected(effort: Effort) -> Outcome:
    d = Derivation("ntk.def5.1.mended", "ntk.relu.closed")
    K = recursions.products([[1, 0], [Fraction(3, 5), Fraction(4, 5)]])
    right, printed = (recursions.fully_connected(closed_forms.ERF, K, 2, printed=flag)[0][1] for flag in (False, True))
    d.certificate(
        "another number",
        bool(abs(right / printed - 1) > 1e-3),
        rf"$\sigma=$ erf, $H=2$, $x_1=(1,0)$, $x_2=(\frac35,\frac45)$: the limit is $K^{{(2)}}_{{12}}={_digits(right)}$ (`ntk.def5.1.mended`, `ntk.relu.closed`), and the printed last line, with $A^{{(1)}}$, gives {_digits(printed)}.",
        reason="balls of closed forms",
    )
    return d.refuted("erf, H = 2, two unit inputs in the plane: with $A^{(H-1)}$ the slopes are one layer too low")


@precisely
def _printed_residual(effort: Effort) -> Outcome:
    d = Derivation("ntk.def6.1.mended", "ntk.relu.closed", "ntk.closed.others")
    K = recursions.products([[1, 0], [Fraction(3, 5), Fraction(4, 5)]])
    right, low = (recursions.residual(closed_forms.ERF, K, 2, SCALE, low=flag)[0][1] for flag in (False, True))
    d.certificate(
        "the last line",
        bool(abs(right / low - 1) > 1e-3),
        rf"$\sigma=$ erf, $H=2$, $c_{{res}}=\frac45$, $x_1=(1,0)$, $x_2=(\frac35,\frac45)$: the limit is $K^{{(2)}}_{{12}}={_digits(right)}$ (`ntk.def6.1.mended`, `ntk.relu.closed`), with $A^{{(1)}}$ it would be {_digits(low)}.",
        reason="balls of closed forms",
    )
    K = recursions.products([[1, 0], [Fraction(3, 10), Fraction(5, 2)]])
    for name, options in (
        ("the pairing", {"before_last": True}),
        ("the pairing, and the result", {}),
    ):
        right, swapped = (
            recursions.residual(closed_forms.COS, K, 3, SCALE, swapped=flag, **options)[0][1] for flag in (False, True)
        )
        d.certificate(
            name,
            bool(abs(right / swapped - 1) > 1e-3),
            rf"$\sigma=\cos$, $H=3$, $c_{{res}}=\frac45$, $x_1=(1,0)$, $x_2=(\frac3{{10}},\frac52)$: $K^{{({2 if options else 3})}}_{{12}}={_digits(right)}$ (`ntk.closed.others`), with $b_i\sigma(u)+b_j\sigma(v)$ it would be {_digits(swapped)}, "
            + ("in the layer below the last." if options else "$A^{(3)}$ in the last line."),
            reason="balls of closed forms",
        )
    unit = recursions.products([[1, 0], [Fraction(3, 5), Fraction(4, 5)]])
    right, swapped = (
        recursions.residual(closed_forms.COS, unit, 3, SCALE, swapped=flag)[0][1] for flag in (False, True)
    )
    d.certificate(
        "no difference for unit inputs",
        bool(right.overlaps(swapped)) and bool(abs(right - swapped) < 1e-30),
        r"$|x_1|=|x_2|$: then $b_1=b_2$, and the pairing does not matter.",
        reason="balls",
    )
    return d.refuted(
        "$A^{(H-1)}$ in the last line already for unit inputs and erf; the pairing of the cross terms for inputs of lengths 1 and 2.52 and cos"
    )


@precisely
def _printed_convolutional(effort: Effort) -> Outcome:
    d = Derivation("ntk.def7.1.mended", "ntk.relu.closed")
    images = [[[Fraction(1, 2), Fraction(1, 3)]], [[Fraction(1, 4), Fraction(-1, 2)]]]
    value = lambda **options: recursions.convolutional(closed_forms.ERF, images, 2, SCALE, 3, **options)[0][1]  # noqa: E731
    right, all_of_it = value(), value(unscaled=True, low=True, by_pixels=True)
    d.certificate(
        "another number",
        bool(abs(right / all_of_it - 1) > 1e-3),
        rf"$\sigma=$ erf, $H=2$, $c_{{res}}=\frac45$, one channel, two pixels, $q=3$, $x_1=(\frac12,\frac13)$, $x_2=(\frac14,-\frac12)$: the limit is $K^{{(2)}}_{{12}}={_digits(right)}$ (`ntk.def7.1.mended`, `ntk.relu.closed`), as printed {_digits(all_of_it)}.",
        reason="balls of closed forms",
    )
    for name, option, what in (
        ("the factor", "unscaled", r"without $c_{res}^2/H^2$ in the last line"),
        ("the last line", "low", r"with $A^{(H-1)}$ for $M^{(H)}$"),
        ("pixels for patches", "by_pixels", r"with $K^{(1)}$ over pixels, although $W^{(2)}$ acts on patches"),
    ):
        other = value(**{option: True})
        d.certificate(
            name,
            bool(abs(right / other - 1) > 1e-3),
            rf"All else being right, {what} it would be {_digits(other)}.",
            reason="balls of closed forms",
        )
    return d.refuted("erf, H = 2, two pixels: three slips, each with another number")


CLAIMS = (
    Claim(
        "ntk.def5.1",
        _PAPER,
        "Definition 5.1, equation (7), as printed",
        rf"{LIMIT}, {CONDITION} and $H\ge2$: $K^{{(0)}}_{{ij}}=x_i\cdot x_j$, $K^{{(h)}}_{{ij}}=c_\sigma E_{{A^{{(h)}}_{{ij}}}}[\sigma(u)\sigma(v)]$ for $h<H$, $K^{{(H)}}_{{ij}}=c_\sigma K^{{(H-1)}}_{{ij}}E_{{A^{{(H-1)}}_{{ij}}}}[\sigma'(u)\sigma'(v)]$. {TAIL}",
        Verdict.REFUTED,
        _printed_fully_connected,
        uses=("ntk.def5.1.mended", "ntk.relu.closed"),
    ),
    Claim(
        "ntk.def6.1",
        _PAPER,
        "Definition 6.1, equation (8), as printed",
        rf"{LIMIT}, {CONDITION} and $H\ge2$, $t=\frac{{c_{{res}}}}H$: $K^{{(1)}}_{{ij}}=c_\sigma E_{{A^{{(1)}}_{{ij}}}}[\sigma(u)\sigma(v)]$, $b_i^{{(1)}}=\sqrt{{c_\sigma}}E[\sigma(u)]$, $K^{{(h)}}_{{ij}}=K^{{(h-1)}}_{{ij}}+E_{{A^{{(h)}}_{{ij}}}}[t\,b_i\sigma(u)+t\,b_j\sigma(v)+t^2\sigma(u)\sigma(v)]$ and $b_i^{{(h)}}=b_i^{{(h-1)}}+t\,E[\sigma(u)]$ for $1<h<H$, $K^{{(H)}}_{{ij}}=t^2K^{{(H-1)}}_{{ij}}E_{{A^{{(H-1)}}_{{ij}}}}[\sigma'(u)\sigma'(v)]$. {TAIL}",
        Verdict.REFUTED,
        _printed_residual,
        uses=("ntk.def6.1.mended", "ntk.relu.closed", "ntk.closed.others"),
    ),
    Claim(
        "ntk.def7.1",
        _PAPER,
        "Definition 7.1, equation (10), as printed",
        rf"{LIMIT}, {CONDITION}; for $H=2$: $K^{{(0)}}_{{ij}}=\phi_1(x_i)^\top\phi_1(x_j)$, $K^{{(1)}}_{{ij}}=c_\sigma E[\sigma(u)^\top\sigma(v)]$ with $(u,v)$ of covariance $K^{{(0)}}$, $M^{{(2)}}_{{ij,lr}}=K^{{(1)}}_{{ij,lr}}E_{{A^{{(1)}}_{{ij}}}}[\sigma'(u_l)\sigma'(v_r)]$, $K^{{(2)}}_{{ij}}=\operatorname{{tr}}M^{{(2)}}_{{ij}}$, where $A^{{(1)}}$ is made of $K^{{(0)}}$.",
        Verdict.REFUTED,
        _printed_convolutional,
        uses=("ntk.def7.1.mended", "ntk.relu.closed"),
    ),
)
