"""Section 3 of the specialization paper: the gradient (1), the recursive gradient rule of Lemma 1 with (4), and biases."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from alignmath.specialization import recursive_gradient

from ..engine.attacks import errors_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation, is_zero
from . import critical_formulas as formulas
from .samples import random_network
from .symbolic_networks import Augmented, Symbolic, column

__all__ = ["CLAIMS"]

_GATES = r"Three layers of weights, two nodes in each hidden layer (the teacher's have one and two), a symbol for every weight, input and gate."


def _gradient(J: Any, variables: sp.Matrix) -> sp.Matrix:
    return variables.applyfunc(lambda symbol: sp.diff(J, symbol))


def _loss(output: sp.Matrix, target: sp.Matrix) -> Any:
    return (target - output).dot(target - output) / 2


def _equation_one(effort: Effort) -> Outcome:
    d = Derivation()
    student, x, target = Symbolic("w", (2, 2, 2, 1)), column("x", 2), column("t", 1)
    values = student.above(x, 0, gated=True)
    J = _loss(values[-1], target)
    g = [target - values[-1]]
    for layer in (3, 2):
        g.insert(0, formulas.backward(student.D[layer - 2], student.W[layer - 1], g[0]))
    for layer in (3, 2, 1):
        d.identity(
            f"layer {layer}",
            -_gradient(J, student.W[layer - 1]),
            formulas.batch_direction(values[layer - 1], g[layer - 1]),
            _GATES
            + r" One output: $J$ is a sum over outputs. $J=\frac12(f^*-f_3)^2$ at one input; $g_3=f^*-f_3$, $g_{l-1}=D_{l-1}W_lg_l$."
            if layer == 3
            else "",
            "differentiation, entry by entry",
            shown=rf"-\frac{{\partial J}}{{\partial W_{layer}}}=f_{layer - 1}\,g_{layer}^\top",
        )
    d.argument(
        "any size, gates and means",
        r"$J$ depends on $W_l$ through the pre-activations $u_l=W_l^\top f_{l-1}$ only, and on $u_{l-1}$ through $u_l=W_l^\top D_{l-1}u_{l-1}$: the same holds for any depth and widths. Where no pre-activation is 0 the gates do not change with small changes of $W$, so these are the true derivatives; and the gradient of a mean over samples is the mean of the gradients.",
        "The chain rule; gates are locally constant; differentiation is linear.",
        refuted_by="a network and a batch for which automatic differentiation finds another gradient",
        attack=lambda: _autograd_attack(effort)[0],
    )
    return d.proved("differentiated by every weight of three layers; the chain rule for any depth and widths")


@cache
def _autograd_attack(effort: Effort) -> tuple[Attack, Attack]:
    """(1) and (3) against PyTorch's gradients by weights, biases and pre-activations: random depths, widths, biases, batches."""
    import torch

    rng = np.random.default_rng(801)
    by_weight, by_node = [], []
    for trial in range(effort.count(40, 1_000)):
        depth = int(rng.integers(2, 6))
        ends = rng.integers(1, 6, 2)
        widths, targets = ([int(ends[0]), *rng.integers(1, 8, depth - 1), int(ends[1])] for _ in range(2))
        student, teacher = random_network(rng, widths, trial % 2 == 0), random_network(rng, targets, trial % 3 == 0)
        x = rng.standard_normal((int(rng.integers(1, 9)), widths[0]))
        parameters = [
            [torch.tensor(a, requires_grad=True) for a in group] for group in (student.weights, student.biases or ())
        ]
        values, nudges = [torch.tensor(x)], []
        for layer, weight in enumerate(parameters[0]):
            u = values[-1] @ weight.T + (parameters[1][layer] if parameters[1] else 0)
            nudges.append(torch.zeros_like(u, requires_grad=True))
            u = u + nudges[-1]
            values.append(torch.relu(u) if layer + 1 < depth else u)
        J = ((torch.tensor(teacher(x)) - values[-1]) ** 2).sum() / 2
        J.backward()
        activations = (x, *student.activations(x))
        for layer in range(1, depth + 1):
            g = teacher(x) - activations[-1] if layer == depth else recursive_gradient(student, teacher, x, layer)
            by_node.append(_relative(_numpy(nudges[layer - 1].grad), -g))
            direction = formulas.batch_direction(activations[layer - 1].T, g.T)
            by_weight.append(_relative(_numpy(parameters[0][layer - 1].grad).T, -direction))
    tried = "networks of 2 to 5 layers, teachers of other widths, with and without biases, seed 801: {} against PyTorch"
    return (
        errors_below(tried.format("the sum of f g^T over a batch, by every weight,"), by_weight, 1e-12),
        errors_below(tried.format("g_l, by every pre-activation,"), by_node, 1e-12),
    )


def _relative(computed: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(computed - expected).max() / (1 + np.abs(computed).max()))


def _numpy(tensor: Any) -> np.ndarray:
    return tensor.detach().numpy()


def _formal(*, primed: bool) -> dict[str, Any]:
    """Matrix symbols of any size: `V_l`, `D_l`, `W_l` and what lies below; the teacher's if primed."""
    below, here, outputs = sp.symbols("m_0 m_1 C" if primed else "n_0 n_1 C", integer=True, positive=True)
    mark = "*" if primed else ""
    sizes = {"V": (outputs, here), "D": (here, here), "W": (below, here), "f": (below, 1), "E": (below, below)}
    return {name: sp.MatrixSymbol(name + mark, *shape) for name, shape in sizes.items()}


def _equal_for_all_sizes(left: Any, right: Any, *diagonal: Any) -> bool:
    """Equality of matrix expressions in symbols of symbolic size; those in `diagonal` are their own transposes."""

    def normal(expression: Any) -> Any:
        expression = expression.doit().expand().doit()
        return expression.xreplace({matrix.T: matrix for matrix in diagonal}).doit()

    return isinstance((normal(left) - normal(right)).doit(), sp.ZeroMatrix)


def _equation_four(effort: Effort) -> Outcome:
    d = Derivation()
    m = _formal(primed=False)
    here = m["D"] @ m["W"].T @ m["f"]
    d.certificate(
        "one layer down",
        _equal_for_all_sizes(m["V"] @ here, formulas.top_down(m["V"], m["D"], m["W"]) @ m["f"], m["D"]),
        r"By $f_l=D_lW_l^\top f_{l-1}$ and (4).",
        (r"V_lf_l=V_lD_lW_l^\top f_{l-1}=V_{l-1}f_{l-1}",),
        "matrix algebra in symbols of any size; from $V_L=I$ down to every layer",
    )
    student, x = Symbolic("w", (2, 2, 2, 2)), column("x", 2)
    values = student.above(x, 0)
    for layer in (2, 1):
        free = column("f", 2)
        d.identity(
            f"V_{layer} is the Jacobian of the output",
            student.above(free, layer)[-1].jacobian(free),
            student.V(layer),
            _GATES if layer == 2 else "",
            shown=rf"\frac{{\partial f_3}}{{\partial f_{layer}}}=V_{layer}",
        )
        d.identity(
            f"and gives it from layer {layer}",
            student.V(layer) @ values[layer],
            values[-1],
            shown=rf"V_{layer}f_{layer}=f_3",
        )
    return d.proved("$V_lf_l=f_L$ at every layer: $V_l(x)$ is what the layers above l do at x")


def _lemma_one(effort: Effort) -> Outcome:
    d = Derivation("specialization.eq4")
    d.identity(
        "top layer",
        formulas.recursive_rule(sp.eye(2), sp.eye(2), sp.eye(2), column("f", 2), column("t", 2)),
        column("t", 2) - column("f", 2),
        r"$V_L=V_L^*=D_L=I$: (3) says $g_L=f_L^*-f_L$, minus the derivative of $\frac12\|f_L^*-f_L\|^2$.",
        shown=r"g_L=f_L^*-f_L",
    )
    m, t = _formal(primed=False), _formal(primed=True)
    here, target = m["D"] @ m["W"].T @ m["f"], t["D"] @ t["W"].T @ t["f"]
    lower = [formulas.top_down(part["V"], part["D"], part["W"]) for part in (m, t)]
    d.certificate(
        "one layer down",
        _equal_for_all_sizes(
            formulas.backward(m["E"], m["W"], formulas.recursive_rule(m["D"], m["V"], t["V"], here, target)),
            formulas.recursive_rule(m["E"], lower[0], lower[1], m["f"], t["f"]),
            m["D"],
            t["D"],
        ),
        r"If (3) holds at layer $l$, back-propagation, $g_{l-1}=D_{l-1}W_lg_l$, gives it at layer $l-1$: $V_{l-1}^\top=W_lD_lV_l^\top$.",
        (r"D_{l-1}W_lD_l[A_lf_l^*-B_lf_l]=D_{l-1}[A_{l-1}f_{l-1}^*-B_{l-1}f_{l-1}]",),
        "matrix algebra in symbols of any size",
    )
    student, teacher, x = Symbolic("w", (2, 2, 2, 2)), Symbolic("v", (2, 1, 2, 2)), column("x", 2)
    values, targets = student.above(x, 0), teacher.above(x, 0)
    for layer in (2, 1):
        u = column("u", 2)
        J = _loss(student.above(u, layer, gated=False)[-1], targets[-1])
        pre = student.W[layer - 1].T @ values[layer - 1]
        at = {symbol: pre[i] for i, symbol in enumerate(u)}
        d.identity(
            f"by differentiation, layer {layer}",
            -_gradient(J, u).subs(at, simultaneous=True),
            formulas.recursive_rule(
                student.D[layer - 1], student.V(layer), teacher.V(layer), values[layer], targets[layer]
            ),
            _GATES + " Minus the derivative of $J$ by the pre-activations of a layer, with no recursion."
            if layer == 2
            else "",
            shown=rf"-\frac{{\partial J}}{{\partial u_{layer}}}=D_{layer}[A_{layer}f_{layer}^*-B_{layer}f_{layer}]",
        )
    d.argument(
        "gates",
        "Where no pre-activation is 0 the gates are locally constant, so these are the true derivatives.",
        "ReLU is linear on either side of 0.",
        refuted_by="a network for which automatic differentiation by the pre-activations finds another gradient",
        attack=lambda: _autograd_attack(effort)[1],
    )
    return d.proved("by induction from the top, for any depth and widths of student and teacher")


def _printed_bias(effort: Effort) -> Outcome:
    d = Derivation()
    below, here = sp.symbols("n_{l-1} n_l", integer=True, positive=True)
    shapes = formulas.printed_shapes(below, here)
    rows = shapes["W"][1]
    d.certificate(
        "the product is defined below",
        is_zero(shapes["W"][0] - shapes["f_below"][0]),
        r"$W_l^\top f_{l-1}$ exists, and has as many rows as $W_l$ has columns: $n_l$.",
        reason="shapes as printed",
    )
    d.certificate(
        "not above",
        is_zero(shapes["D"][1] - rows - 1) and is_zero(shapes["g"][0] - rows - 1),
        r"$D_l$ has $n_l+1$ columns, and so $D_lW_l^\top f_{l-1}$, which is $f_l$ in the proof of Lemma 1, is not defined; nor is $W_lg_l$, as $g_l$ has $n_l+1$ rows.",
        (r"(n_l+1)-n_l=1",),
        "shapes as printed",
    )
    return d.refuted(
        "$D_lW_l^\\top f_{l-1}$ does not exist: $W_l^\\top f_{l-1}$ has $n_l$ rows, $D_l$ has $n_l+1$ columns"
    )


def _mended_bias(effort: Effort) -> Outcome:
    d = Derivation("specialization.lemma1", "specialization.eq4")
    x = column("x", 2)
    student, teacher = Symbolic("w", (2, 2, 2, 1), biases=True), Symbolic("v", (2, 1, 2, 1), biases=True)
    wide, target = Augmented(student), Augmented(teacher)
    one = sp.Matrix([1])
    values, wide_values = student.above(x, 0), wide.above(sp.Matrix.vstack(x, one), 0)
    for layer in (1, 2):
        d.identity(
            f"layer {layer} with its constant",
            wide_values[layer],
            sp.Matrix.vstack(values[layer], one),
            r"Columns $[w;b]$ for the nodes, and a last column $e_{\mathrm{last}}$, gate 1, for the constant."
            if layer == 1
            else "",
            shown=rf"D_{layer}W_{layer}^\top[f_{layer - 1};1]=[f_{layer};1]",
        )
    d.identity(
        "output",
        wide_values[-1],
        values[-1],
        shown=r"V_l[f_l;1]=f_3",
        statement="The last layer has $C$ columns; here one, and two nodes in each hidden layer.",
    )
    targets = target.above(sp.Matrix.vstack(x, one), 0)
    for layer in (2, 1):
        u = column("u", 2)
        J = _loss(student.above(u, layer, gated=False)[-1], teacher.above(x, 0)[-1])
        pre = student.W[layer - 1].T @ values[layer - 1] + student.b[layer - 1]
        by_nodes = -_gradient(J, u).subs({symbol: pre[i] for i, symbol in enumerate(u)}, simultaneous=True)
        rule = formulas.recursive_rule(
            wide.D[layer - 1], wide.V(layer), target.V(layer), wide_values[layer], targets[layer]
        )
        d.identity(
            f"(3) at layer {layer}",
            rule[:2, :],
            by_nodes,
            "The first $n_l$ entries of (3), with augmented matrices, are the derivative by the pre-activations of the nodes.",
            shown=rf"D_{layer}[A_{layer}f_{layer}^*-B_{layer}f_{layer}]_{{1,\dots,n_{layer}}}=-\frac{{\partial J}}{{\partial u_{layer}}}",
        )
        d.identity(
            f"(4) from layer {layer}",
            wide.V(layer) @ wide_values[layer],
            values[-1],
            shown=rf"V_{layer}[f_{layer};1]=f_3",
        )
        offset = student.above(sp.zeros(2, 1), layer)[-1]
        d.identity(
            f"last column of V_{layer}",
            wide.V(layer)[:, 2],
            offset,
            r"It is the output when layer $l$ is silent, $c_l(x)$: what biases above it add." if layer == 2 else "",
            shown=rf"V_{layer}=[\,\cdot\,,\ c_{layer}]",
        )
    return d.proved(
        "with $(n_{l-1}+1)\\times(n_l+1)$ weights whose last column is $e_{\\mathrm{last}}$, and $C$ columns at the output"
    )


CLAIMS = (
    Claim(
        name="specialization.eq1",
        source="equation (1)",
        statement=r"$\dot W_l=E_x[f_{l-1}(x)g_l^\top(x)]$ is minus the gradient of $J$ by $W_l$, where $g_l$ is the gradient sent back to the pre-activations of layer $l$, gates applied.",
        expected=Verdict.PROVED,
        check=_equation_one,
    ),
    Claim(
        name="specialization.bias",
        source="Section 3, bias term, as printed",
        statement=r"With $W_l\in\mathbb{R}^{(n_{l-1}+1)\times n_l}$, $f_l,g_l\in\mathbb{R}^{n_l+1}$ and $D_l\in\mathbb{R}^{(n_l+1)\times(n_l+1)}$ the equations hold with biases.",
        expected=Verdict.REFUTED,
        check=_printed_bias,
    ),
    Claim(
        name="specialization.bias.mended",
        source="Section 3, bias term, with augmented weights",
        statement=r"With $W_l=\left[\begin{matrix}\tilde W_l & 0\\b_l^\top & 1\end{matrix}\right]\in\mathbb{R}^{(n_{l-1}+1)\times(n_l+1)}$ below the output, and $W_L=[\tilde W_L;b_L^\top]$, equations (3) and (4) hold with biases. The last column of $V_l(x)$ is what the biases above layer $l$ add to the output.",
        expected=Verdict.PROVED,
        check=_mended_bias,
        uses=("specialization.lemma1", "specialization.eq4"),
    ),
    Claim(
        name="specialization.lemma1",
        source="Lemma 1, equation (3), 8.1",
        statement=r"$g_l(x)=D_l(x)[A_l(x)f_l^*(x)-B_l(x)f_l(x)]$ with $A_l=V_l^\top V_l^*$, $B_l=V_l^\top V_l$: minus the gradient of $\frac12\|f_L^*-f_L\|^2$ by the pre-activations of layer $l$.",
        expected=Verdict.PROVED,
        check=_lemma_one,
        uses=("specialization.eq4",),
    ),
    Claim(
        name="specialization.eq4",
        source="equation (4)",
        statement=r"With $V_L=I$ and $V_{l-1}(x)=V_l(x)D_l(x)W_l^\top$, $f_L(x)=V_l(x)f_l(x)$ for every layer $l$, and $V_l(x)$ is the Jacobian of the output by $f_l$.",
        expected=Verdict.PROVED,
        check=_equation_four,
    ),
)
