"""Ball arithmetic (Arb, through python-flint) for what the rooms share: angular-distance functions, their matrices,
signs.

A ball is an interval with every rounding error inside, so a sign read off a ball is a proof. Angles enter as the
exact floats they are. Precision is raised inside `with` blocks only; `flint.ctx` is left as it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from flint import arb, arb_mat, ctx

__all__ = ["fold_angle", "leading_minors", "log_determinant", "replaced_determinants", "settled_signs", "system"]

Ball = Callable[[Any], Any]
"""A function of the angular distance, ball in, ball out."""


def fold_angle(x: Any) -> Any:
    """Distance on the circle of the real number x from 0, a ball that encloses it; `[0, pi]` where precision ends.

    >>> bool(abs(fold_angle(7.0) - (7 - 2 * arb.pi())) < 1e-14)
    True
    """
    x = abs(arb(x))
    turns = int((x / (2 * arb.pi())).mid().floor().fmpq().p)
    x = abs(x - 2 * turns * arb.pi())
    if x.rad() > 1:
        return arb.pi() / 2 + arb(0, 1) * arb.pi() / 2
    return x.min(2 * arb.pi() - x)


def system(angles: Sequence[Any], ball: Ball) -> tuple[Any, list[Any]]:
    """The matrix `M (m, m)` and right-hand side b of the alignment paper's equation (5), for students at `angles`,
    teacher at 0.

    >>> matrix, b = system([0.5], lambda distance: distance.cos())
    >>> float(matrix[0, 0]), round(float(b[0]), 6)
    (1.0, 0.877583)
    """
    exact = [arb(a) for a in angles]
    m = len(exact)
    entries = [[ball(arb(0))] * m for _ in range(m)]
    for i in range(m):
        for j in range(i):
            entries[i][j] = entries[j][i] = ball(fold_angle(exact[i] - exact[j]))
    return arb_mat(entries), [ball(fold_angle(a)) for a in exact]


def replaced_determinants(angles: Sequence[Any], ball: Ball) -> list[Any]:
    """Balls of all `det M_i` (alignment paper, Theorem 5.1) at the working precision.

    >>> [round(float(value), 6) for value in replaced_determinants([0.5], lambda distance: distance.cos())]
    [0.877583]
    """
    matrix, rhs = system(angles, ball)
    table, determinants = matrix.tolist(), []
    for i in range(len(rhs)):
        determinants.append(
            arb_mat([[rhs[r] if c == i else entry for c, entry in enumerate(row)] for r, row in enumerate(table)]).det()
        )
    return determinants


def leading_minors(angles: Sequence[Any], ball: Ball) -> list[Any]:
    """Balls of the leading principal minors of M; all positive if and only if M is positive definite (Sylvester).

    >>> [round(float(value), 6) for value in leading_minors([0.5, 1.5], lambda distance: distance.cos())]
    [1.0, 0.708073]
    """
    table = system(angles, ball)[0].tolist()
    return [arb_mat([row[:k] for row in table[:k]]).det() for k in range(1, len(table) + 1)]


def log_determinant(angles: Sequence[Any], ball: Ball, *, most_bits: int, what: str) -> tuple[int, float]:
    """Sign and `log |det M|`, right to 1e-12, at a precision doubled from 128 bits; 0 and -infinity for exactly 0.

    `ArithmeticError`, naming `what`, where `most_bits` do not do.

    >>> log_determinant([0.0, 0.5], lambda distance: distance.cos(), most_bits=256, what="cos t")[0]
    1
    """
    bits = 128
    while True:
        with ctx.workprec(bits):
            value = system(angles, ball)[0].det()
            if value.is_zero():
                return 0, -math.inf
            if value.rel_accuracy_bits() > 40:
                return (1 if value > 0 else -1), float(abs(value).log().mid())
        if bits >= most_bits:
            raise ArithmeticError(
                f"det M of {what} at {angles}: {most_bits} bits do not do; raise most_bits, or it is 0"
            )
        bits = min(2 * bits, most_bits)


def settled_signs(
    balls: Callable[[], Sequence[Any]], *, most_bits: int, what: str, undecided: int | None = None
) -> list[int]:
    """Signs of the numbers that `balls` encloses, at a precision doubled from 128 bits until no ball but [0, 0]
    contains 0.

    Where `most_bits` do not tell a number from zero, `undecided` stands; if it is None, `ArithmeticError` names `what`.

    >>> settled_signs(lambda: [arb(2).sqrt() - 1.414], most_bits=256, what="root")
    [1]
    """
    bits = 128
    while True:
        with ctx.workprec(bits):
            values = list(balls())
            signs = [1 if value > 0 else -1 if value < 0 else 0 if value.is_zero() else undecided for value in values]
            clear = all(value > 0 or value < 0 or value.is_zero() for value in values)
        if clear or (bits >= most_bits and undecided is not None):
            return [sign for sign in signs if sign is not None]
        if bits >= most_bits:
            raise ArithmeticError(
                f"{what}: {most_bits} bits do not tell the sign from 0, which it may be; if not, raise most_bits"
            )
        bits = min(2 * bits, most_bits)
