"""The claims of the min_norm paper, in its order, then what lies `beyond` it. Each module holds a section, with its checks; `formulas` holds the formulas they are about."""

from __future__ import annotations

from . import (
    beyond,
    certificate,
    dimension,
    experiments,
    kinks,
    main_theorem,
    perimeter,
    population,
    random_teachers,
    two_points,
)

__all__ = ["CLAIMS"]

_MODULES = (
    kinks,
    population,
    perimeter,
    certificate,
    main_theorem,
    two_points,
    random_teachers,
    experiments,
    dimension,
)
_ORDER = [
    "eq5",
    "prop4.2",
    "prop4.2.mended",
    "rem4.3.1",
    "rem4.3.2",
    "rem4.3.3",
    "teacher_kappa",
    "teacher_kappa.mended",
    "eq9",
    "eq9.mended",
    "rem4.4.2",
    "fig1_3",
    "thm5.2",
    "thm5.2.certificate",
    "thm5.2.mended",
    "thm5.2.measured",
    "thm5.2.two",
    "thm5.2.proof",
    "thm5.2.proof.mended",
    "rem5.3",
    "rem5.3.mended",
    "eq12",
    "exp.N40",
    "exp.N40.measured",
    "exp.N20",
    "exp.N20.measured",
    "conj.d",
    "conj.d.mended",
]
_ALL = {claim.name: claim for module in _MODULES for claim in module.CLAIMS}
CLAIMS = (*(_ALL.pop(f"min_norm.{name}") for name in _ORDER), *beyond.CLAIMS)
assert not _ALL, f"claims without a place in the paper's order: {sorted(_ALL)}"
