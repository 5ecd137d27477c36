"""The recursive gradient rule of the specialization paper: `V_l(x)` of equation (4), `A_l(x)` and `B_l(x)` of Lemma 1.

    V_L = I,   V_{l-1}(x) = V_l(x) D_l(x) W_l,   A_l = V_l^T V_l*,   B_l = V_l^T V_l,   g_l = D_l (A_l f_l* - B_l f_l)

with `D_l` the 0/1 gates of layer l (the identity at the output). With biases `f_L = V_l f_l + c_l(x)`; the paper
appends c_l to V_l as one more column, which asks for an augmented weight matrix it does not give (claim
`specialization.bias`). Here the offset is kept apart: `g_l = D_l (A_l f_l* - B_l f_l + V_l^T (c_l* - c_l))`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..arrays import Array, as_order, namespace, root
from ..networks import DeepReLU
from .correlation import checked_layer

__all__ = ["Mixture", "TopDown", "fan_out_strength", "mixture", "recursive_gradient", "top_down"]


class TopDown(NamedTuple):
    """`f_L(x) = matrix f_l(x) + offset`.

    - matrix: `V_l(x)`, `(..., N, C, n_l)`.
    - offset: `(..., N, C)`, what biases add.

    >>> network = DeepReLU(([[1.0, 0.0], [0.0, 1.0]], [[3.0, 1.0]]), ([1.0, 0.0], [0.5]))
    >>> matrix, offset = top_down(network, [[1.0, 2.0]], 1)
    >>> float((matrix[0] @ network.activations([[1.0, 2.0]])[0][0] + offset[0])[0]), float(network([[1.0, 2.0]])[0, 0])
    (8.5, 8.5)
    """

    matrix: Array
    offset: Array


class Mixture(NamedTuple):
    """Lemma 1's coefficients at N inputs, see `mixture`.

    - a: `(..., N, n_l, m_l)`, `A_l(x)`.
    - b: `(..., N, n_l, n_l)`, `B_l(x)`.
    - offset: `(..., N, n_l)`, of biases.

    >>> one = DeepReLU(([[1.0, 0.0]], [[2.0]]))
    >>> mixture(one, one, [[1.0, 0.0]], 1)
    Mixture(a=array([[[4.]]]), b=array([[[4.]]]), offset=array([[0.]]))
    """

    a: Array
    b: Array
    offset: Array


def top_down(network: DeepReLU, x: Any, layer: int) -> TopDown:
    """`V_l(x)` of equation (4), and what biases above layer l add to the output.

    x: `(N, n_0)` or `(..., N, n_0)`. layer: 1..L-1, or counted from the top (-1 is the top hidden layer, where V is
    the output weights at every x). Memory: `N C n_l` numbers for each network. Raises `ValueError` as
    `DeepReLU.activations` does.

    >>> network = DeepReLU(([[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [0.0, 1.0]], [[3.0, 1.0]]))
    >>> top_down(network, [[1.0, 2.0], [1.0, -2.0]], 1).matrix  # the second node of layer 2 is off at the second input
    array([[[3., 4.]],
    <BLANKLINE>
           [[3., 3.]]])
    """
    return _top_down(network, network.activations(x), checked_layer(layer, network.depth))


def _top_down(network: DeepReLU, activations: tuple[Array, ...], layer: int) -> TopDown:
    output = activations[-1]
    xp = namespace(output)
    top = xp.astype(network.weights[-1], output.dtype)
    matrix = xp.broadcast_to(top[..., None, :, :], (*output.shape, top.shape[-1]))
    offset = xp.zeros_like(output)
    if network.biases is not None:
        offset = offset + network.biases[-1][..., None, :]
    for index in range(network.depth, layer, -1):  # from V_l to V_{l-1}
        gated = matrix * xp.astype(activations[index - 1] > 0, output.dtype)[..., None, :]
        if network.biases is not None:
            bias = xp.astype(network.biases[index - 1], output.dtype)
            offset = offset + (gated @ bias[..., None, :, None])[..., 0]
        matrix = gated @ xp.astype(network.weights[index - 1], output.dtype)[..., None, :, :]
    return TopDown(matrix, offset)


def mixture(students: DeepReLU, teacher: DeepReLU, x: Any, layer: int) -> Mixture:
    """`A_l(x) = V_l^T V_l*` and `B_l(x) = V_l^T V_l` of Lemma 1, with the offset `V_l^T (c_l* - c_l)` of biases.

    students, teacher: of one depth and one output dimension, any widths; batches broadcast. x, layer: as for
    `top_down`.

    >>> students, teacher = DeepReLU(([[1.0], [1.0]], [[1.0, 2.0]])), DeepReLU(([[1.0]], [[3.0]]))
    >>> mixture(students, teacher, [[1.0]], 1).a  # the products of the fan-outs
    array([[[3.],
            [6.]]])
    """
    _check_pair(students, teacher)
    own, wanted = top_down(students, x, layer), top_down(teacher, x, layer)
    back = namespace(own.matrix).matrix_transpose(own.matrix)
    return Mixture(back @ wanted.matrix, back @ own.matrix, (back @ (wanted.offset - own.offset)[..., None])[..., 0])


def recursive_gradient(students: DeepReLU, teacher: DeepReLU, x: Any, layer: int) -> Array:
    """`g_l(x) = D_l [A_l f_l* - B_l f_l]` of Lemma 1, equation (3), with the offset of biases: `(..., N, n_l)`.

    It is minus the gradient of `|f_L* - f_L|^2 / 2` by the pre-activations of layer l. Arguments as for `mixture`.

    >>> students, teacher = DeepReLU(([[1.0], [-1.0]], [[1.0, 2.0]])), DeepReLU(([[1.0]], [[3.0]]))
    >>> recursive_gradient(students, teacher, [[1.0]], 1)  # (3 - 1) * 1, and a node that is off
    array([[2., 0.]])
    """
    coefficients = mixture(students, teacher, x, layer)
    index = checked_layer(layer, students.depth)
    own, wanted = students.activations(x)[index - 1], teacher.activations(x)[index - 1]
    xp = namespace(own)
    bracket = (coefficients.a @ wanted[..., None] - coefficients.b @ own[..., None])[..., 0] + coefficients.offset
    return xp.where(own > 0, bracket, xp.zeros_like(bracket))


def fan_out_strength(network: DeepReLU, x: Any, layer: int, *, block: int = 256) -> Array:
    """`sqrt(E_x[beta_kk(x)])` of each node of a hidden layer, `(..., n_l)`, the mean over the N inputs x.

    `beta_kk = |v_k(x)|^2`, the squared length of column k of `V_l(x)`: for the top hidden layer the fan-out norm
    `|v_k|` (specialization paper, Section 6, Figure 4). block: inputs worked on at once. x, layer: as for `top_down`.

    >>> fan_out_strength(DeepReLU(([[1.0, 0.0], [0.0, 1.0]], [[3.0, 1.0], [4.0, 0.0]])), [[1.0, 2.0]], 1)
    array([5., 1.])
    """
    block = as_order(block, "block", least=1, most=10**9)
    layer = checked_layer(layer, network.depth)
    activations = network.activations(x)
    xp, count = namespace(activations[-1]), activations[-1].shape[-2]
    total: Any = 0.0
    for start in range(0, count, block):
        part = tuple(values[..., start : start + block, :] for values in activations)
        matrix = _top_down(network, part, layer).matrix
        total = total + xp.sum(matrix * matrix, axis=(-3, -2))
    return root(total / count)


def _check_pair(students: DeepReLU, teacher: DeepReLU) -> None:
    if students.depth != teacher.depth or students.widths[-1] != teacher.widths[-1]:
        raise ValueError(
            f"students and teacher have widths {students.widths} and {teacher.widths}; expected equal depths and "
            "outputs"
        )
