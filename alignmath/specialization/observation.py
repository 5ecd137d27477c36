"""Observers (specialization paper, Definition 2): which nodes are active somewhere on the boundary of another.

Definition 2 as printed takes `{f_j = 0}` for the boundary, which is a whole half-space; the boundary meant is the
hyperplane `{w_j . x + b_j = 0}` (claim `specialization.def2`). And what training sees is its part inside the support
`R_0` of the data: without that the theorems fail (claims `specialization.thm2`, `specialization.thm3`).
"""

from __future__ import annotations

import math

from ..arrays import Array, as_number, namespace, polar, require_nonzero, root
from ..networks import DeepReLU

__all__ = ["observers"]


def observers(observing: DeepReLU, observed: DeepReLU, radius: float = math.inf) -> Array:
    """Whether node k of one network's first layer observes the boundary of node j of another's: `(..., n, m)` bool.

    That is, whether some x with `|x| < radius` (any x by default, the support of Gaussian inputs) has `w_j . x + b_j
    = 0` and `w_k . x + b_k > 0`. Decided in closed form: the largest value of the affine function of k on the disc in
    which the hyperplane of j meets the ball, which counts as positive if it is more than rounding: a node does not
    observe its own boundary, nor that of a multiple. observing, observed: on one input, batches broadcast; one network
    can observe itself.

    Raises `ValueError` for nodes of the observed network with weight vector 0, which have no boundary, and a radius
    not above 0.

    >>> first, second = DeepReLU(([[1.0, 0.0]], [[1.0]])), DeepReLU(([[0.0, 1.0], [2.0, 0.0]], [[1.0, 1.0]]))
    >>> observers(first, second)  # x_2 = 0 is seen, its own boundary is not
    array([[ True, False]])
    """
    if radius != math.inf:
        radius = as_number(radius, "radius", above=True)
    w, v = observing.weights[0], observed.weights[0]
    xp = namespace(w, v)
    if w.shape[-1] != v.shape[-1]:
        raise ValueError(
            f"the networks take inputs of dimension {w.shape[-1]} and {v.shape[-1]}; they must be the same"
        )
    length, unit = polar(v, axis=-1)
    require_nonzero(length, "observed.weights[0]", "it has no boundary; leave the node out")
    shift = observed.biases[0] / length if observed.biases is not None else xp.zeros_like(length)
    own = observing.biases[0] if observing.biases is not None else xp.zeros_like(w[..., 0])
    along = w @ xp.matrix_transpose(unit)  # (..., n, m)
    across = w[..., :, None, :] - along[..., None] * unit[..., None, :, :]
    slope = root(xp.sum(across * across, axis=-1))
    rounding = 64 * float(xp.finfo(w.dtype).eps)
    parallel = slope <= rounding * polar(w, axis=-1)[0][..., :, None]
    nearest = along * shift[..., None, :]
    centre = own[..., :, None] - nearest  # the value at the point of the hyperplane nearest to 0
    least = rounding * (xp.abs(own)[..., :, None] + xp.abs(nearest))
    if radius == math.inf:
        return ~parallel | (centre > least)
    chord = radius**2 - shift * shift
    inside = chord > 0
    reach = root(xp.where(inside, chord, xp.zeros_like(chord)))[..., None, :]
    return inside[..., None, :] & (centre + xp.where(parallel, xp.zeros_like(slope), slope) * reach > least)
