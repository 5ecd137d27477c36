"""Certified critical points of the population loss: interval Newton (Krawczyk) in ball arithmetic.

From an approximate critical point it proves that a small box contains exactly one, bounds its loss, and, from the leading minors of the Hessian over the
box, whether it is a strict local minimum. Output weights are 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx

from .claims import CheckFailed

__all__ = ["CertifiedPoint", "certify"]


@dataclass(frozen=True)
class CertifiedPoint:
    """A box that contains exactly one critical point.

    centre: `(m, d)`; radius: of the box, in every coordinate; loss: bounds of the loss over the box; least_minor: lower bound of the least leading
    principal minor of the Hessian over the box (positive: a strict local minimum).
    """

    centre: np.ndarray
    radius: float
    loss: tuple[float, float]
    least_minor: float


def certify(students: Any, teachers: Any, *, radius: float = 1e-10, bits: int = 128) -> CertifiedPoint:
    """Prove that the box of `radius` around `students (m, d)` contains exactly one critical point for `teachers (k, d)`.

    Raises `CheckFailed` where Krawczyk's test does not succeed: start closer, or change the radius.
    """
    start, targets = np.asarray(students, dtype=float), np.asarray(teachers, dtype=float)
    m, d = start.shape
    with ctx.workprec(bits):
        fixed = [[arb(x) for x in row] for row in targets.tolist()]
        middle = [[arb(x) for x in row] for row in start.tolist()]
        box = [[arb(x, radius) for x in row] for row in start.tolist()]
        _require_jacobian(middle, box, fixed, radius)
        inverse = arb_mat(_hessian(middle, fixed).mid().tolist()).inv().mid()
        newton = inverse * arb_mat([[g] for g in _gradient(middle, fixed)])
        identity = arb_mat([[arb(int(i == j)) for j in range(m * d)] for i in range(m * d)])
        curvature = _hessian(box, fixed)
        spread = (identity - inverse * curvature) * arb_mat([[arb(0, radius)]] * (m * d))
        image = [[spread[i, 0] - newton[i, 0]] for i in range(m * d)]
        if not all(abs(shift[0]) < radius for shift in image):
            raise CheckFailed(f"Krawczyk's test fails on the box of radius {radius} around {start.tolist()}")
        table = curvature.tolist()
        minors = [arb_mat([row[:k] for row in table[:k]]).det().lower() for k in range(1, m * d + 1)]
        loss = _loss(box, fixed)
        bounds = float(np.nextafter(float(loss.lower()), -np.inf)), float(np.nextafter(float(loss.upper()), np.inf))
        return CertifiedPoint(start, radius, bounds, float(np.nextafter(float(min(minors, key=float)), -np.inf)))


def _require_jacobian(middle: Any, box: Any, fixed: Any, radius: float) -> None:
    """Raise `CheckFailed` unless the gradient moves along each coordinate as the Hessian over the box allows (mean value theorem)."""
    curvature, before = _hessian(box, fixed), _gradient(middle, fixed)
    d = len(middle[0])
    for k in range(len(middle) * d):
        moved = [[x + radius * int(i * d + j == k) for j, x in enumerate(row)] for i, row in enumerate(middle)]
        for i, after in enumerate(_gradient(moved, fixed)):
            if not (after - before[i]).overlaps(curvature[i, k] * radius):
                raise CheckFailed(f"the Hessian's entry {i, k} does not describe how the gradient changes")


def _dot(x: Sequence[Any], y: Sequence[Any]) -> Any:
    return sum((a * b for a, b in zip(x, y, strict=True)), arb(0))


def _angle(x: Sequence[Any], y: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Angle of two vectors that are not parallel, and their lengths."""
    x_length, y_length = _dot(x, x).sqrt(), _dot(y, y).sqrt()
    return (_dot(x, y) / (x_length * y_length)).acos(), x_length, y_length


def _loss(students: Sequence[Sequence[Any]], teachers: Sequence[Sequence[Any]]) -> Any:
    """The population loss, as `(1/2) sum c_k c_l |z_k| |z_l| f(t_kl) / (2 pi)`."""
    neurons = [(row, 1) for row in students] + [(row, -1) for row in teachers]
    total = arb(0)
    for i, (x, x_sign) in enumerate(neurons):
        total += _dot(x, x) / 4
        for y, y_sign in neurons[:i]:
            theta, x_length, y_length = _angle(x, y)
            total += (
                x_sign
                * y_sign
                * x_length
                * y_length
                * (theta.sin() + (arb.pi() - theta) * theta.cos())
                / (2 * arb.pi())
            )
    return total


def _gradient(students: Sequence[Sequence[Any]], teachers: Sequence[Sequence[Any]]) -> list[Any]:
    """The gradient by the students, flattened; equation (1) with the constant 1/(2 pi)."""
    result = []
    for i, w in enumerate(students):
        row = [x / 2 for x in w]
        for sign, v in _others(students, teachers, i):
            theta, w_length, v_length = _angle(w, v)
            pull, push = (arb.pi() - theta) / (2 * arb.pi()), v_length * theta.sin() / (2 * arb.pi() * w_length)
            row = [r + sign * (pull * b + push * a) for r, a, b in zip(row, w, v, strict=True)]
        result += row
    return result


def _hessian(students: Sequence[Sequence[Any]], teachers: Sequence[Sequence[Any]]) -> Any:
    """The Hessian by the students, `(m d, m d)`."""
    m, d = len(students), len(students[0])
    blocks = [[arb(0)] * (m * d) for _ in range(m * d)]
    for i, w in enumerate(students):
        for a in range(d):
            blocks[i * d + a][i * d + a] += arb(1) / 2
        for j, (sign, v) in enumerate(_others(students, teachers, i)):
            theta, w_length, v_length = _angle(w, v)
            u = [x / w_length for x in w]
            normal = [(b / v_length - theta.cos() * x) / theta.sin() for b, x in zip(v, u, strict=True)]
            bend = sign * v_length * theta.sin() / (2 * arb.pi() * w_length)
            partner = j if j < i else j + 1  # the student that this neuron is, if it is one
            for a in range(d):
                for b in range(d):
                    blocks[i * d + a][i * d + b] += bend * (int(a == b) + normal[a] * normal[b] - u[a] * u[b])
                    if partner < m:
                        swap = theta.cos() * (u[a] * u[b] - normal[a] * normal[b]) + theta.sin() * (
                            u[a] * normal[b] + normal[a] * u[b]
                        )
                        value = (arb.pi() - theta) * int(a == b) + theta.sin() * swap
                        blocks[i * d + a][partner * d + b] += value / (2 * arb.pi())
    return arb_mat(blocks)


def _others(students: Sequence[Any], teachers: Sequence[Any], i: int) -> list[tuple[int, Any]]:
    """The neurons other than student i, with the sign of their output weight in the residual."""
    return [(1, row) for j, row in enumerate(students) if j != i] + [(-1, row) for row in teachers]
