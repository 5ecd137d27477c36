"""Functions of one angle, `sum of pi^a t^b cos(t)^c sin(t)^s`: their arithmetic, and the forms of the literature."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import sympy as sp

from .planar import Profile

__all__ = ["combined", "divided_by_sine", "readable", "shifted"]


def combined(parts: Iterable[tuple[Any, Profile]]) -> Profile:
    """The sum of `weight * profile`.

    >>> combined([(2, {(0, 0, 1, 0): sp.Integer(1)}), (1, {(0, 0, 0, 1): sp.Integer(3)})])  # 2 cos t + 3 sin t
    {(0, 0, 1, 0): 2, (0, 0, 0, 1): 3}
    """
    total: Profile = defaultdict(lambda: sp.Integer(0))
    for weight, profile in parts:
        for key, value in profile.items():
            total[key] += weight * value
    return {key: settled for key, value in total.items() if (settled := sp.expand(value)) != 0}


def shifted(profile: Profile, cosine: int) -> Profile:
    """`profile` times `cos(t)^cosine`.

    >>> shifted({(0, 0, 1, 0): sp.Integer(2)}, 2)
    {(0, 0, 3, 0): 2}
    """
    return {(a, b, c + cosine, s): value for (a, b, c, s), value in profile.items()}


def divided_by_sine(profile: Profile, most: int) -> tuple[Profile, int]:
    """`profile` divided by as many squares of `sin t`, up to `most`, as divide it exactly; and how many are left over.

    >>> divided_by_sine({(0, 0, 0, 0): sp.Integer(1), (0, 0, 2, 0): sp.Integer(-1)}, 2)  # 1 - cos(t)^2
    ({(0, 0, 0, 0): 1}, 1)
    """
    c = sp.Dummy("c")
    left = most
    while left:
        groups: dict[tuple[int, int, int], Any] = defaultdict(lambda: sp.Integer(0))
        for (a, b, power, s), value in profile.items():
            groups[a, b, s] += value * c**power
        divisions = {key: sp.div(sp.Poly(poly, c), sp.Poly(1 - c**2, c)) for key, poly in groups.items()}
        if any(not remainder.is_zero for _, remainder in divisions.values()):
            break
        profile = {
            (a, b, power, s): value
            for (a, b, s), (quotient, _) in divisions.items()
            for (power,), value in quotient.terms()
            if value != 0
        }
        left -= 1
    return profile, left


def readable(profile: Profile, angle: Any) -> Any:
    """The function at `angle`, with `pi - t` or `pi - 2 t` where that is shorter than `t`, as in the literature.

    >>> readable({(1, 0, 1, 0): sp.Integer(1), (0, 1, 1, 0): sp.Integer(-1)}, sp.Symbol("t"))
    (pi - t)*cos(t)
    """
    if not profile:
        return sp.Integer(0)
    t = sp.Dummy("t")
    s, c = sp.sin(t), sp.cos(t)
    candidates = []
    for turns in (1, 2, 0):
        # the variable x is pi - t, pi - 2 t, or t
        x = sp.Dummy("x")
        there, back = ((sp.pi - x) / turns, sp.pi - turns * t) if turns else (x, t)
        parts: dict[int, Any] = defaultdict(lambda: sp.Integer(0))
        for (a, b, power, sine), value in profile.items():
            expanded = sp.Poly(sp.expand(value * sp.pi**a * there**b), x)
            for (degree,), coefficient in expanded.terms():
                parts[degree] += coefficient * c**power * s**sine
        total = sum(_tidy(parts[degree]) * back**degree for degree in sorted(parts, reverse=True))
        candidates.append((sp.count_ops(total), total))
    best = min(candidates, key=lambda pair: pair[0])[1]
    return sp.factor_terms(best, fraction=False).subs(t, angle)


def _tidy(value: Any) -> Any:
    value = sp.expand(value)
    return sp.factor(value) if value.is_Add else value
