"""All maximal minors of an m x (m+1) matrix at once, stably, for a batch of matrices.

Let N = [A | b] with columns scaled to unit length. The vector of its signed maximal minors is orthogonal to every
row, so it is the unit null vector q of N times the product of the diagonal of R in `N^T = Q R`; q is the last column
of Q. Householder reflections give both with a backward error of a few roundings, and no pivoting, whether or not N
has full rank. Hence `det(A with column i replaced by b) = -(minor i)` and `det A` itself come from one
factorisation, with an error that is a small multiple of rounding times the product of the column lengths (Hadamard's
bound). Arrays here have their batch axis last, so that each operation runs over long contiguous vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .arrays import Array, namespace, root

__all__ = ["ROUNDING", "Minors", "maximal_minors", "sign_threshold"]

ROUNDING = 2.0**-53
"""Unit roundoff of float64."""
_SMALL = 1e-30
"""Sums of squares above this keep their digits, in float32 too."""


@dataclass(frozen=True, eq=False)
class Minors:
    """Factorisation of B matrices N, see `maximal_minors`.

    - null: `(m+1, B)`, the unit null vector q, last column of Q
    - volume: `(B,)`, the product of the diagonal of R, signed so that `null * volume` are the minors of the scaled
      matrix
    - triangle: for each row of R, its diagonal entry `(B,)` and the entries to its right `(m-1-k, B)`
    - scales: `(m+1, B)`, the lengths of the columns of N before scaling
    - replaced, determinant: `(m, B)` and `(B,)`, `det A_i` and `det A`

    >>> import numpy as np
    >>> maximal_minors(np.array([[[2.0], [6.0]]])).replaced.round(12)
    array([[6.]])
    """

    null: Array
    volume: Array
    triangle: list[tuple[Array, Array]]
    scales: Array
    replaced: Array
    determinant: Array


def maximal_minors(matrices: Array) -> Minors:
    """Minors of the matrices `[A | b]`, `(m, m+1, B)`, of entries that can be squared without overflow.

    >>> import numpy as np
    >>> minors = maximal_minors(np.array([[[2.0], [1.0], [4.0]], [[0.0], [3.0], [6.0]]]))
    >>> minors.determinant.round(12), minors.replaced[:, 0].round(12)  # det A; det A_1, det A_2: Cramer's rule
    (array([6.]), array([ 6., 12.]))
    """
    xp = namespace(matrices)
    m = matrices.shape[0]
    total = xp.sum(matrices * matrices, axis=0)
    if bool(xp.any(total < _SMALL)):  # squares may have lost digits
        size = xp.max(xp.abs(matrices), axis=0)
        shrunk = matrices / _or_one(size)[None, ...]
        scales = size * root(xp.sum(shrunk * shrunk, axis=0))
    else:
        scales = root(total)
    columns = xp.permute_dims(matrices / _or_one(scales)[None, ...], (1, 0, 2))
    reflectors: list[tuple[Array, Array]] = []
    triangle: list[tuple[Array, Array]] = []
    volume = xp.ones_like(scales[0])
    for _ in range(m):
        vector, rest = columns[:, 0], columns[:, 1:]
        head = vector[0]
        length = root(xp.sum(vector * vector, axis=0))
        diagonal = xp.where(head >= 0, -length, length)
        vector = xp.concat([(head - diagonal)[None, ...], vector[1:]], axis=0)
        factor = -1 / _or_one(diagonal * vector[0])
        along = factor * xp.einsum("lb,lcb->cb", vector, rest)  # both libraries have it; a third faster than sums
        rest = rest - vector[:, None, :] * along[None, ...]
        triangle.append((diagonal, rest[0]))
        reflectors.append((vector, factor))
        volume = -volume * diagonal  # minus: a reflection has determinant -1
        columns = rest[1:]
    null = xp.ones_like(scales[:1])
    for vector, factor in reversed(reflectors):
        turn = factor * xp.sum(vector[1:] * null, axis=0)
        null = xp.concat([-(vector[0] * turn)[None, ...], null - vector[1:] * turn[None, ...]], axis=0)
    minors = null * volume * _products_without(scales)
    return Minors(null, volume, triangle, scales, -minors[:m], minors[m])


def sign_threshold(minors: Minors, entry_error: Array) -> Array:
    """Bound on the error of each entry of `minors.null` as an approximation to the exact null vector, `(B,)`.

    entry_error: `(B,)`, a bound on the Frobenius norm of the errors of the scaled matrix's entries. Where an entry of
    `null` exceeds the bound, every matrix within the error has a minor of the sign shown: by Wedin's theorem the null
    vector moves by at most |E| / (s - |E|), s being the least singular value of the factored matrix, s >= 1 /
    |R^-1|_F. To E counts the backward error of the reflections: m of them, each at most 4 L + 20 roundings on vectors
    of length L <= m + 1 (Higham 2002, Lemmas 19.2 and 19.3), which 20 m (m + 1) covers, times the Frobenius norm
    sqrt(m + 1). Infinite where the matrix is too nearly singular to say.

    >>> import numpy as np
    >>> minors = maximal_minors(np.array([[[2.0], [1.0], [4.0]], [[0.0], [3.0], [6.0]]]))
    >>> bool(sign_threshold(minors, np.zeros(1))[0] < 1e-12)
    True
    """
    xp = namespace(minors.null)
    m = minors.replaced.shape[0]
    reflections = 20 * m * (m + 1) * (m + 1) ** 0.5 * ROUNDING
    error = entry_error + reflections
    inverse_norm = _inverse_norm(minors.triangle)
    usable = 16 * error * inverse_norm < 1  # also keeps the relative error of the computed inverse below 1/2
    shift = 2 * error * inverse_norm
    bound = shift / (1 - xp.where(usable, shift, xp.zeros_like(shift))) + reflections
    return xp.where(usable, bound, xp.full_like(bound, float("inf")))


def _inverse_norm(triangle: list[Array]) -> Array:
    """Frobenius norm of the inverse of the upper triangular R, `(B,)`; infinite where a diagonal entry is 0."""
    xp = namespace(triangle[0][0])
    m = len(triangle)
    total = xp.zeros_like(triangle[0][0])
    singular = total > 0
    for diagonal, _ in triangle:
        singular = singular | (diagonal == 0)
    inverse = [1 / _or_one(diagonal) for diagonal, _ in triangle]
    for j in range(m):
        column: dict[int, Any] = {j: inverse[j]}
        for i in range(j - 1, -1, -1):
            column[i] = -inverse[i] * sum(triangle[i][1][k - i - 1] * column[k] for k in range(i + 1, j + 1))
        total = total + sum(entry * entry for entry in column.values())
    return xp.where(singular, xp.full_like(total, float("inf")), xp.sqrt(total))


def _or_one(values: Array) -> Array:
    """`values` with 1 in place of 0, for denominators whose numerator is then 0 too."""
    xp = namespace(values)
    return xp.where(values == 0, xp.ones_like(values), values)


def _products_without(factors: Array) -> Array:
    """For each i, the product of all rows of `factors` but row i; same shape."""
    xp = namespace(factors)
    count = factors.shape[0]
    before = [xp.ones_like(factors[0])]
    after = [xp.ones_like(factors[0])]
    for i in range(count - 1):
        before.append(before[-1] * factors[i])
        after.append(after[-1] * factors[count - 1 - i])
    return xp.stack([before[i] * after[count - 1 - i] for i in range(count)])
