"""Definitions 5.1, 6.1 and 7.1 in ball arithmetic, as they are printed and as they are right, for activations with closed forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flint import arb

from ..engine.balls import evaluate, rational
from .closed_forms import ClosedForm

__all__ = ["convolutional", "fully_connected", "patched", "products", "residual"]

Matrix = list[list[Any]]
"""A matrix of balls."""


def products(inputs: Sequence[Sequence[Any]]) -> Matrix:
    """The inner products of rational inputs."""
    return [[rational(sum(p * q for p, q in zip(x, y, strict=True))) for y in inputs] for x in inputs]


def _map(function: Any, *matrices: Matrix) -> Matrix:
    """A function of the entries of several matrices, entry by entry."""
    return [[function(*entries) for entries in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]


def fully_connected(form: ClosedForm, K: Matrix, depth: int, *, printed: bool = False) -> Matrix:
    """`K^(H)` of Definition 5.1 from `K = K^(0)`; printed: with `A^(H-1)`, made of `K^(H-2)`, in the last line (H at least 2)."""
    scale = evaluate(form.c_sigma, {})
    below = K
    for _ in range(depth - 1):
        below, K = K, _map(lambda value: scale * value, form.matrix(form.dual, K))
    return _map(lambda value, slope: scale * value * slope, K, form.matrix(form.slope, below if printed else K))


def _grown(K: Matrix, b: list[Any], form: ClosedForm, step: Any, covariance: Matrix, *, swapped: bool) -> Matrix:
    """One residual layer: `K + t (b_i E[s(v)] + b_j E[s(u)]) + t^2 E[s(u) s(v)]`; swapped: `b_i E[s(u)] + b_j E[s(v)]`."""
    mean, both = form.means(covariance), form.matrix(form.dual, covariance)
    n = len(K)
    return [
        [
            K[i][j]
            + step * (b[i] * mean[i] + b[j] * mean[j] if swapped else b[i] * mean[j] + b[j] * mean[i])
            + step * step * both[i][j]
            for j in range(n)
        ]
        for i in range(n)
    ]


def residual(
    form: ClosedForm,
    K: Matrix,
    depth: int,
    scale: Any,
    *,
    low: bool = False,
    swapped: bool = False,
    before_last: bool = False,
) -> Matrix:
    """`K^(H)` of Definition 6.1 from `K^(0)`; before_last: `K^(H-1)` instead.

    low: as printed, with `A^(H-1)` in the last line. swapped: as printed, `b_i` with s(u) and `b_j` with s(v).
    """
    step, c_sigma = rational(scale) / depth, evaluate(form.c_sigma, {})
    below, mean = K, form.means(K)
    K = _map(lambda value: c_sigma * value, form.matrix(form.dual, K))
    b = [c_sigma.sqrt() * value for value in mean]
    for _ in range(depth - 2):
        grown = [p + step * q for p, q in zip(b, form.means(K), strict=True)]
        below, K = K, _grown(K, b, form, step, K, swapped=swapped)
        b = grown
    if before_last:
        return K
    slope = form.matrix(form.slope, below if low else K)
    return _map(lambda value, other: step * step * value * other, K, slope)


def patched(S: Matrix, pixels: int, patch: int) -> Matrix:
    """`K_lr = sum_o S_(l+o, r+o)` over the offsets of a patch, zeros outside, for the rows (input, pixel) of several inputs."""
    reach, n = patch // 2, len(S) // pixels

    def entry(i: int, place: int, j: int, r: int) -> Any:
        inside = (o for o in range(-reach, reach + 1) if 0 <= place + o < pixels and 0 <= r + o < pixels)
        return sum((S[i * pixels + place + o][j * pixels + r + o] for o in inside), arb(0))

    places = [(i, place) for i in range(n) for place in range(pixels)]
    return [[entry(i, place, j, r) for j, r in places] for i, place in places]


def convolutional(
    form: ClosedForm,
    images: Sequence[Sequence[Sequence[Any]]],
    depth: int,
    scale: Any,
    patch: int,
    *,
    unscaled: bool = False,
    low: bool = False,
    by_pixels: bool = False,
    swapped: bool = False,
    low_layers: bool = False,
    over_patches: bool = False,
) -> Matrix:
    """`K^(H)` of Definition 7.1, right, for rational images (n, d_0, p).

    Options, each as printed: unscaled, without `c_res^2 / H^2`; low, `A^(H-1)` in the line of M; by_pixels, `K^(1)` is the
    matrix over pixels; and for H = 3: swapped, `b_i` with s(u) and `b_j` with s(v) (equal pixels l = r are all that enters);
    low_layers, `A^(h-1)` in the recursion; over_patches, the recursion adds to `K^(h-1)`, the matrix over patches.
    """
    pixels = len(images[0][0])
    step, c_sigma = rational(scale) / depth, evaluate(form.c_sigma, {})
    S = products([[channel[place] for channel in image] for image in images for place in range(pixels)])
    below = patched(S, pixels, patch)
    S = _map(lambda value: c_sigma * value, form.matrix(form.dual, below))
    b = [c_sigma.sqrt() * value for value in form.means(below)]
    K = S if by_pixels else patched(S, pixels, patch)
    for _ in range(depth - 2):
        grown = [p + step * q for p, q in zip(b, form.means(K), strict=True)]
        S = _grown(K if over_patches else S, b, form, step, below if low_layers else K, swapped=swapped)
        below, K, b = K, patched(S, pixels, patch), grown
    slope = form.matrix(form.slope, below if low else K)
    factor = arb(1) if unscaled else step * step
    n = len(images)
    return [
        [
            factor
            * sum(
                (
                    K[i * pixels + place][j * pixels + place] * slope[i * pixels + place][j * pixels + place]
                    for place in range(pixels)
                ),
                arb(0),
            )
            for j in range(n)
        ]
        for i in range(n)
    ]
