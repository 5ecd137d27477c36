r"""Definitions 5.1, 6.1 and 7.1 as printed: definite inputs for which they are not the limits of $G^{(H)}(0)$."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

from ..engine.balls import precisely
from ..engine.claims import Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import closed_forms, recursions
from .definitions import CONDITION, LIMIT, SCALE, TAIL

__all__ = ["CLAIMS"]


def _digits(value: Any) -> str:
    return value.str(8, radius=False)


@precisely
def _printed_fully_connected(effort: Effort) -> Outcome:
    d = Derivation("wide_networks.def5.1.mended", "wide_networks.relu.closed")
    K = recursions.products([[1, 0], [Fraction(3, 5), Fraction(4, 5)]])
    right, printed = (recursions.fully_connected(closed_forms.ERF, K, 2, printed=flag)[0][1] for flag in (False, True))
    d.certificate(
        "another number",
        bool(abs(right / printed - 1) > 1e-3),
        rf"$\sigma=$ erf, $H=2$, $x_1=(1,0)$, $x_2=(\frac35,\frac45)$: the limit is $K^{{(2)}}_{{12}}={_digits(right)}$ (`wide_networks.def5.1.mended`, `wide_networks.relu.closed`), and the printed last line, with $A^{{(1)}}$, gives {_digits(printed)}.",
        reason="balls of closed forms",
    )
    return d.refuted("erf, H = 2, two unit inputs in the plane: with $A^{(H-1)}$ the slopes are one layer too low")


@precisely
def _printed_residual(effort: Effort) -> Outcome:
    d = Derivation("wide_networks.def6.1.mended", "wide_networks.relu.closed", "wide_networks.closed.others")
    K = recursions.products([[1, 0], [Fraction(3, 5), Fraction(4, 5)]])
    right, low = (recursions.residual(closed_forms.ERF, K, 2, SCALE, low=flag)[0][1] for flag in (False, True))
    d.certificate(
        "the last line",
        bool(abs(right / low - 1) > 1e-3),
        rf"$\sigma=$ erf, $H=2$, $c_{{res}}=\frac45$, $x_1=(1,0)$, $x_2=(\frac35,\frac45)$: the limit is $K^{{(2)}}_{{12}}={_digits(right)}$ (`wide_networks.def6.1.mended`, `wide_networks.relu.closed`), with $A^{{(1)}}$ it would be {_digits(low)}.",
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
            rf"$\sigma=\cos$, $H=3$, $c_{{res}}=\frac45$, $x_1=(1,0)$, $x_2=(\frac3{{10}},\frac52)$: $K^{{({2 if options else 3})}}_{{12}}={_digits(right)}$ (`wide_networks.closed.others`), with $b_i\sigma(u)+b_j\sigma(v)$ it would be {_digits(swapped)}, "
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


def _entry(form: closed_forms.ClosedForm, images: Any, depth: int, **options: bool) -> Any:
    """`K^(H)_12` of Definition 7.1 with patches of 3 pixels, options as of `recursions.convolutional`."""
    return recursions.convolutional(form, images, depth, SCALE, 3, **options)[0][1]


@precisely
def _printed_convolutional(effort: Effort) -> Outcome:
    d = Derivation("wide_networks.def7.1.mended", "wide_networks.relu.closed", "wide_networks.closed.others")
    two = [[[Fraction(1, 2), Fraction(1, 3)]], [[Fraction(1, 4), Fraction(-1, 2)]]]
    four = [[[Fraction(1, 2)] * 4], [[Fraction(3, 5), Fraction(0), Fraction(0), Fraction(4, 5)]]]
    three_slips = (
        ("the factor", "unscaled", r"without $c_{res}^2/H^2$ in the last line"),
        ("the last line", "low", r"with $A^{(H-1)}$ for $M^{(H)}$"),
        ("pixels for patches", "by_pixels", r"with $K^{(1)}$ over pixels, although $W^{(2)}$ acts on patches"),
    )
    in_layers = (
        ("the pairing", "swapped", r"with $b_i^\top\sigma(u)+b_j^\top\sigma(v)$"),
        ("the recursion's covariance", "low_layers", r"with $A^{(h-1)}$ for the expectations of layer $h$"),
        (
            "what the recursion adds to",
            "over_patches",
            r"with $K^{(h-1)}$, the matrix over patches that $A^{(h)}$ needs, for that over pixels as the first summand,",
        ),
    )
    for form, images, H, slips, given, cited in (
        (closed_forms.ERF, two, 2, three_slips, r"two pixels, $q=3$, $x_1=(\frac12,\frac13)$, $x_2=(\frac14,-\frac12)$", "wide_networks.relu.closed"),
        (closed_forms.COS, four, 3, (*three_slips, *in_layers), r"four pixels, $q=3$, $x_1=\frac12(1,1,1,1)$, $x_2=\frac15(3,0,0,4)$, both of length 1", "wide_networks.closed.others"),
    ):  # fmt: skip
        value = partial(_entry, form, images, H)
        right = value()
        # adding to the matrix over patches differs from the rest of the print only where K^(1) is mended: it is over pixels there
        all_of_it = value(**{option: True for _, option, _ in slips if option != "over_patches"})
        d.certificate(
            f"H = {H}: another number",
            bool(abs(right / all_of_it - 1) > 1e-3),
            rf"$\sigma=$ {form.name}, $H={H}$, $c_{{res}}=\frac45$, one channel, {given}: the limit is $K^{{({H})}}_{{12}}={_digits(right)}$ (`wide_networks.def7.1.mended`, `{cited}`), as printed {_digits(all_of_it)}.",
            reason="balls of closed forms",
        )
        for name, option, what in slips:
            other = value(**{option: True})
            d.certificate(
                f"H = {H}: {name}",
                bool(abs(right / other - 1) > 1e-3),
                rf"All else being right, {what} it would be {_digits(other)}.",
                reason="balls of closed forms",
            )
    return d.refuted(
        "erf, H = 2, two pixels: three slips; cos, H = 3, four pixels and images of length 1: six; each with another number"
    )


CLAIMS = (
    Claim(
        "wide_networks.def5.1",
        "Definition 5.1, equation (7), as printed",
        rf"{LIMIT}, {CONDITION} and $H\ge2$: $K^{{(0)}}_{{ij}}=x_i\cdot x_j$, $K^{{(h)}}_{{ij}}=c_\sigma E_{{A^{{(h)}}_{{ij}}}}[\sigma(u)\sigma(v)]$ for $h<H$, $K^{{(H)}}_{{ij}}=c_\sigma K^{{(H-1)}}_{{ij}}E_{{A^{{(H-1)}}_{{ij}}}}[\sigma'(u)\sigma'(v)]$. {TAIL}",
        Verdict.REFUTED,
        _printed_fully_connected,
        uses=("wide_networks.def5.1.mended", "wide_networks.relu.closed"),
    ),
    Claim(
        "wide_networks.def6.1",
        "Definition 6.1, equation (8), as printed",
        rf"{LIMIT}, {CONDITION} and $H\ge2$, $t=\frac{{c_{{res}}}}H$: $K^{{(1)}}_{{ij}}=c_\sigma E_{{A^{{(1)}}_{{ij}}}}[\sigma(u)\sigma(v)]$, $b_i^{{(1)}}=\sqrt{{c_\sigma}}E[\sigma(u)]$, $K^{{(h)}}_{{ij}}=K^{{(h-1)}}_{{ij}}+E_{{A^{{(h)}}_{{ij}}}}[t\,b_i\sigma(u)+t\,b_j\sigma(v)+t^2\sigma(u)\sigma(v)]$ and $b_i^{{(h)}}=b_i^{{(h-1)}}+t\,E[\sigma(u)]$ for $1<h<H$, $K^{{(H)}}_{{ij}}=t^2K^{{(H-1)}}_{{ij}}E_{{A^{{(H-1)}}_{{ij}}}}[\sigma'(u)\sigma'(v)]$. {TAIL}",
        Verdict.REFUTED,
        _printed_residual,
        uses=("wide_networks.def6.1.mended", "wide_networks.relu.closed", "wide_networks.closed.others"),
    ),
    Claim(
        "wide_networks.def7.1",
        "Definition 7.1, equation (10), as printed",
        rf"{LIMIT}, {CONDITION}; for $H=2$ and $H=3$, $t=\frac{{c_{{res}}}}H$: $K^{{(0)}}_{{ij}}=\phi_1(x_i)^\top\phi_1(x_j)$, $K^{{(1)}}_{{ij}}=c_\sigma E[\sigma(u)^\top\sigma(v)]$ and $b_i^{{(1)}}=\sqrt{{c_\sigma}}E[\sigma(u)]$ with $(u,v)$ of covariance $K^{{(0)}}$, $A^{{(h)}}$ is made of $K^{{(h-1)}}$; "
        r"for $H=3$, $H^{(2)}_{ij}=K^{(1)}_{ij}+E_{A^{(1)}_{ij}}[t\,b_i^\top\sigma(u)+t\,b_j^\top\sigma(v)+t^2\sigma(u)^\top\sigma(v)]$ and $K^{(2)}_{ij,lr}=\operatorname{tr}H^{(2)}_{ij,D_lD_r}$ (the paper prints $K^{(h-1)}$ for $H^{(h)}$ on the left); $M^{(H)}_{ij,lr}=K^{(H-1)}_{ij,lr}E_{A^{(H-1)}_{ij}}[\sigma'(u_l)\sigma'(v_r)]$, $K^{(H)}_{ij}=\operatorname{tr}M^{(H)}_{ij}$.",
        Verdict.REFUTED,
        _printed_convolutional,
        uses=("wide_networks.def7.1.mended", "wide_networks.relu.closed", "wide_networks.closed.others"),
    ),
)
