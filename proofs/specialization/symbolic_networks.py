"""Small ReLU networks with a symbol for every weight, input and gate; weights `(n_{l-1}, n_l)` as in the specialization paper."""

from __future__ import annotations

import sympy as sp

from . import critical_formulas as formulas

__all__ = ["Augmented", "Symbolic", "column", "matrix"]


def matrix(name: str, rows: int, columns: int) -> sp.Matrix:
    """A matrix of symbols."""
    return sp.Matrix(rows, columns, lambda i, j: sp.Symbol(f"{name}_{i + 1}{j + 1}"))


def column(name: str, rows: int) -> sp.Matrix:
    """A column of symbols."""
    return sp.Matrix(rows, 1, lambda i, _: sp.Symbol(f"{name}_{i + 1}"))


class Symbolic:
    """A network with symbols for weights, gates and, if asked, biases; the output layer has no gates. Weights as in the paper."""

    def __init__(self, name: str, widths: tuple[int, ...], *, biases: bool = False) -> None:
        numbered = list(enumerate(widths[1:], 1))
        self.W = [matrix(f"{name}{layer}", widths[layer - 1], n) for layer, n in numbered]
        self.b = [column(f"{name}b{layer}", n) if biases else sp.zeros(n, 1) for layer, n in numbered]
        self.D = [sp.diag(*column(f"z{name}{layer}", n)) for layer, n in numbered[:-1]] + [sp.eye(widths[-1])]

    def above(self, values: sp.Matrix, layer: int, *, gated: bool = True) -> list[sp.Matrix]:
        """`f_layer, ..., f_L` from f_layer, or from the pre-activations of that layer if not `gated`."""
        activations = [values if gated else self.D[layer - 1] @ values]
        for D, W, b in zip(self.D[layer:], self.W[layer:], self.b[layer:], strict=True):
            activations.append(D @ (W.T @ activations[-1] + b))
        return activations

    def V(self, layer: int) -> sp.Matrix:
        """`V_layer` by equation (4)."""
        matrix = sp.eye(self.W[-1].cols)
        for D, W in zip(self.D[: layer - 1 : -1], self.W[: layer - 1 : -1], strict=True):
            matrix = formulas.top_down(matrix, D, W)
        return matrix


class Augmented(Symbolic):
    """The network with biases as one without: a constant node in every layer below the output."""

    def __init__(self, plain: Symbolic) -> None:
        pairs = list(zip(plain.W, plain.b, strict=True))
        self.W = [formulas.augmented_weight(W, b) for W, b in pairs[:-1]]
        self.W.append(sp.Matrix.vstack(pairs[-1][0], pairs[-1][1].T))
        self.b = [sp.zeros(W.cols, 1) for W in self.W]
        self.D = [sp.diag(D, 1) for D in plain.D[:-1]] + [plain.D[-1]]
