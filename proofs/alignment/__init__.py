"""The claims of the alignment paper, in its order, then what lies `beyond` it. Each module holds a section, with its checks; `formulas` holds the formulas they are about."""

from __future__ import annotations

from . import (
    alignment_theorem,
    angular_distance,
    beyond,
    conjectures,
    determinant_theorem,
    determinants,
    experiments,
    few_students,
    gradient,
    half_plane,
    reduction,
)

__all__ = ["CLAIMS"]

_MODULES = (
    gradient,
    few_students,
    reduction,
    half_plane,
    determinants,
    determinant_theorem,
    alignment_theorem,
    angular_distance,
    conjectures,
    experiments,
)
_ORDER = [
    "kernel",
    "eq1",
    "eq1.mended",
    "eq2",
    "obs2.1",
    "main",
    "main.direct",
    "fig1",
    "fig1.measured",
    "m1",
    "thm3.1.step1",
    "thm3.1.step2",
    "thm3.1.step3",
    "thm3.1",
    "red.merge",
    "red.merge.mended",
    "zero_loss",
    "thm4.1",
    "lem4.2",
    "lem4.3",
    "thm4.4",
    "lem4.5",
    "claim.dense",
    "thm5.1",
    "thm5.1.mended",
    "eq3",
    "eq4_5",
    "cramer",
    "detcond",
    "def5.2.fourier",
    "prop5.4",
    "conj5.5",
    "thm5.6",
    "ad.zero",
    "pad.linear",
    "pad.f",
    "conj5.8",
    "thm5.9",
    "fig2",
    "fig2.measured",
    "fig3",
    "fig3.measured",
    "fig4",
    "fig4.measured",
    "potential",
]
_ALL = {claim.name: claim for module in _MODULES for claim in module.CLAIMS}
CLAIMS = (*(_ALL.pop(f"alignment.{name}") for name in _ORDER), *beyond.CLAIMS)
assert not _ALL, f"claims without a place in the paper's order: {sorted(_ALL)}"
