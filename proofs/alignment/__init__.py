"""The claims of the alignment paper, in its order. Each module holds a section, with its checks; `formulas` holds the formulas they are about."""

from __future__ import annotations

from . import (
    alignment_theorem,
    angular_distance,
    determinant_theorem,
    determinants,
    experiments,
    few_students,
    gradient,
    half_plane,
)

__all__ = ["CLAIMS"]

_ALL = {
    claim.name: claim
    for module in (
        gradient,
        few_students,
        half_plane,
        determinants,
        determinant_theorem,
        alignment_theorem,
        angular_distance,
        experiments,
    )
    for claim in module.CLAIMS
}
_FIRST = (
    "align.kernel",
    "align.eq1",
    "align.eq1.mended",
    "align.eq2",
    "align.obs2.1",
    "align.main",
    "align.main.direct",
)
CLAIMS = tuple(_ALL[name] for name in _FIRST) + tuple(claim for name, claim in _ALL.items() if name not in _FIRST)
