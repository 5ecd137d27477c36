"""Section 5 of the specialization paper: equations (5) to (7), the velocity of a student's weight, its length, and the matrix `G_kj`."""

from __future__ import annotations

import itertools

import numpy as np
import sympy as sp

from alignmath import population
from alignmath.networks import DeepReLU

from ..engine.attacks import errors_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import dynamics_formulas as formulas
from .quadrature import planar_mean

__all__ = ["CLAIMS"]

gate, wx, gx, rv, eps = sp.symbols("z w_x g_x r_v epsilon", real=True)
outputs, nodes, teachers, inputs = sp.symbols("C n m d", integer=True, positive=True)


def _equation_five(effort: Effort) -> Outcome:
    d = Derivation()
    rest, square = sp.symbols("R_v v_v", real=True)
    value, moved = formulas.relu_value(gate, wx), formulas.relu_value(gate, wx + eps * gx)
    d.identity(
        "derivative at one input",
        -sp.diff(-2 * moved * rest / 2 + moved**2 * square / 2, eps).subs(eps, 0),
        formulas.node_pull(gate, gx, rest - value * square),
        r"$r=R-v_kf_k$, where $R$ does not depend on $w_k$. Move $w_k$ by $\epsilon g$, with $w_k\cdot x\ne0$: $f_k$ becomes $z_k(w_k+\epsilon g)\cdot x$ for small $\epsilon$. What depends on it in "
        r"$\frac12|r|^2=\frac12|R|^2-f_k\,R\cdot v_k+\frac12f_k^2\,v_k\cdot v_k$ falls at the rate",
        shown=r"z_k\,(g\cdot x)\,(R-f_kv_k)\cdot v_k=z_k\,(g\cdot x)\,r\cdot v_k",
    )
    v, V, V_teacher = (
        sp.MatrixSymbol(name, outputs, columns) for name, columns in (("v_k", 1), ("V", nodes), ("V_s", teachers))
    )
    f, f_teacher = sp.MatrixSymbol("f", nodes, 1), sp.MatrixSymbol("f_s", teachers, 1)
    d.certificate(
        "the two forms of the residual",
        (v.T * (V_teacher * f_teacher - V * f)).doit().expand().doit()
        == ((V_teacher.T * v).T * f_teacher - (V.T * v).T * f).doit(),
        r"With $\alpha_k=V^{*\top}v_k$ and $\beta_k=V^\top v_k$, $r^\top v_k=f^{*\top}\alpha_k-f^\top\beta_k$.",
        reason="matrices of symbolic size, any numbers of outputs, students and teachers",
    )
    d.argument(
        "derivative of the mean",
        r"$-\partial L/\partial w_k=E[x\,z_k\,r^\top v_k]$.",
        r"$|r|^2$ is Lipschitz in $w_k$ near each point, with a constant of the order $1+|x|^2$, which has a finite mean, and differentiable unless $w_k\cdot x=0$, which has probability 0: dominated convergence.",
        refuted_by="a network whose population gradient is not the mean of these vectors",
        attack=lambda: _gradient_attack(effort),
    )
    return d.proved("for every width, number of outputs and law of the inputs without mass on the hyperplane of $w_k$")


def _gradient_attack(effort: Effort) -> Attack:
    """The closed form of the gradient, itself compared with differences of the loss, against a quadrature of the mean in (5)."""
    rng = np.random.default_rng(601)
    errors = []
    for _ in range(effort.count(60, 1_000)):
        m, n, outputs = (int(k) for k in rng.integers(1, 6, 3))
        student = DeepReLU((rng.standard_normal((m, 2)), rng.standard_normal((outputs, m))))
        teacher = DeepReLU((rng.standard_normal((n, 2)), rng.standard_normal((outputs, n))))

        def pulls(x: np.ndarray, student: DeepReLU = student, teacher: DeepReLU = teacher) -> np.ndarray:
            gates = x @ student.weights[0].T > 0
            along = (teacher(x) - student(x)) @ student.weights[1]
            return formulas.node_pull(gates[:, :, None], x[:, None, :], along[:, :, None])

        mean = planar_mean(np.concatenate([student.weights[0], teacher.weights[0]]), pulls)
        velocity = -population.gradient(student, teacher).hidden
        errors.append(np.max(np.abs(mean - velocity)) / (1 + np.max(np.abs(velocity))))
    return errors_below(
        "random networks of 1 to 5 students, teachers and outputs in the plane, quadrature between kinks, seed 601",
        errors,
        1e-12,
    )


def _equation_six(effort: Effort) -> Outcome:
    d = Derivation("specialization.eq5")
    ww, wv, vv = sp.symbols("w_w w_v v_v", real=True)
    d.identity(
        "half the squared length",
        sp.diff(ww + 2 * eps * wv + eps**2 * vv, eps).subs(eps, 0) / 2,
        wv,
        r"$|w_k+\epsilon\,\frac{dw_k}{dt}|^2$, differentiated at $\epsilon=0$.",
        shown=r"\frac12\frac{d|w_k|^2}{dt}=w_k\cdot\frac{dw_k}{dt}",
    )
    d.identity(
        "Euler's relation",
        formulas.node_pull(gate, wx, rv),
        formulas.relu_value(gate, wx) * rv,
        "The integrand of `specialization.eq5`, multiplied by $w_k$. A linear node has $z_k=1$.",
        shown=r"w_k\cdot x\,z_k\,(r\cdot v_k)=f_k\,r\cdot v_k",
    )
    side = sp.Symbol("y", positive=True)
    d.certificate(
        "the gate",
        all(sp.Max(y, 0) == formulas.relu_value(sp.Heaviside(y), y) for y in (side, -side)),
        r"$\sigma(y)=y\,1(y>0)$.",
        reason="both signs",
    )
    return d.proved("$f_k$ has degree 1 in $w_k$")


def _equation_seven(effort: Effort) -> Outcome:
    d = Derivation()
    x, w, h = (sp.MatrixSymbol(name, inputs, 1) for name in ("x", "w_j", "h"))
    other = sp.Symbol("z_j", real=True)
    outer = formulas.gated_outer(gate, other, x)
    d.certificate(
        "the matrix",
        formulas.node_pull(gate, x, formulas.relu_value(other, x.T * w)).doit() == (outer * w).doit(),
        r"$f_j^*=z_j^*\,x^\top w_j^*$, so $x\,z_kf_j^*=z_kz_j^*\,x\,x^\top w_j^*$; take the mean.",
        reason="vectors of symbolic dimension",
    )
    forms = [(h.T * outer * h).subs({gate: p, other: q}).doit() for p, q in itertools.product((0, 1), repeat=2)]
    square = ((h.T * x) * (x.T * h)).doit()
    d.certificate(
        "a square or zero",
        all(form == sp.ZeroMatrix(1, 1) for form in forms[:3]) and forms[3] == square,
        r"For every $h$, $h^\top z_kz_j^*xx^\top h$ is $(h\cdot x)^2$ where both gates are open and 0 elsewhere: $h^\top G_{kj}h\ge0$.",
        reason="the four values of the gates",
    )
    return d.proved("for every law of the inputs with second moments")


CLAIMS = (
    Claim(
        "specialization.eq5",
        "equation (5)",
        r"Let $f=\sigma(Wx)$, $f^*=\sigma(W^*x)$, let $x$ have a finite second moment and $w_k\cdot x\ne0$ with probability 1. Gradient flow of $L=\frac12E|r|^2$, $r=V^*f^*-Vf$, in $W$ is "
        r"$\frac{dw_k}{dt}=E[x\,z_k(f^{*\top}\alpha_k-f^\top\beta_k)]=E[x\,z_k\,r^\top v_k]$, with $z_k=1(w_k\cdot x>0)$, $\alpha_k=V^{*\top}v_k$, $\beta_k=V^\top v_k$.",
        Verdict.PROVED,
        _equation_five,
        assumes=("differentiation under the expectation (dominated convergence)",),
    ),
    Claim(
        "specialization.eq6",
        "equation (6)",
        r"Along (5), $\frac12\frac{d|w_k|^2}{dt}=w_k^\top\frac{dw_k}{dt}=E[f_k\,r^\top v_k]$, for ReLU and linear nodes.",
        Verdict.PROVED,
        _equation_six,
        uses=("specialization.eq5",),
    ),
    Claim(
        "specialization.eq7",
        "equation (7)",
        r"$E[x\,z_kf_j^*]=G_{kj}w_j^*$ with $G_{kj}=E[x\,z_kz_j^*\,x^\top]$ positive semi-definite.",
        Verdict.PROVED,
        _equation_seven,
    ),
)
