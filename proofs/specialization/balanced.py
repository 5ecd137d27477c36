"""Equation (8) of the specialization paper: the factor `|w_k|` does not follow from Assumption 2; it does with balanced trained output weights."""

from __future__ import annotations

import numpy as np
import sympy as sp

from alignmath.networks import DeepReLU
from solvers.dynamics import gradient_flow

from ..engine.attacks import errors_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation, is_zero
from ..gaussian_integrals import vector_expectation
from . import dynamics_formulas as formulas

__all__ = ["CLAIMS"]

pi = sp.pi


def _printed(effort: Effort) -> Outcome:
    d = Derivation("specialization.assump2")
    u, v, t = sp.symbols("u v theta")
    own, toward = (value.subs(t, pi / 2) for value in vector_expectation(sp.Heaviside(u) * sp.Max(v, 0), (u, v), t))
    d.certificate(
        "the true velocity",
        is_zero(toward - sp.Rational(1, 4)) and is_zero(own - 1 / (2 * pi)),
        r"$x\sim N(0,I_2)$, output weights 1, one teacher $w^*=(1,0)$, one student $w=(0,n)$, at a right angle. $E[x\,z\,f^*]=\frac14w^*+\frac1{2\pi}\hat w$, and $E[x\,z\,f]=\frac12w$ is along $w$. "
        r"So the velocity (5) has the component $\frac14$ along $w^*$, whatever $n$.",
        reason="the symbolic engine",
    )
    nu, n = sp.symbols("nu n")
    target = sp.Matrix([1, 0])
    student = sp.Matrix([0, n])
    printed = formulas.velocity(
        n, formulas.equation_eight(formulas.psi(pi / 2) * target, formulas.psi(0) * student, nu, student)
    )
    d.certificate(
        "what (8) says",
        is_zero(printed[0] - n / 4) and not is_zero(printed[0].subs(n, 2) - toward),
        r"$\alpha=\beta=1$: $n\,r$ has the component $\frac n4$ along $w^*$, as the other terms are along $w$ for every $\nu$. At $n=2$ that is $\frac12$, not $\frac14$.",
        reason="exact symbolic computation",
    )
    return d.refuted(
        "$w=(0,2)$, $w^*=(1,0)$: the true velocity along $w^*$ is 1/4, equation (8) gives 1/2 for every $\\nu$"
    )


def _mended(effort: Effort) -> Outcome:
    d = Derivation("specialization.assump2", "specialization.eq5", "specialization.eq6")
    alpha, beta, w, others = (sp.symbols(f"{name}_1:3") for name in ("alpha", "beta", "w", "u"))
    psi, own = sp.symbols("psi_1:5"), sp.symbols("chi_1:5")
    student = sp.Symbol("w_k")
    terms = [
        *((a, p, c, vector) for a, p, c, vector in zip(alpha, psi[:2], own[:2], w, strict=True)),
        *((-b, p, c, vector) for b, p, c, vector in zip(beta, psi[2:], own[2:], others, strict=True)),
    ]
    nu = -sum(a * c for a, _, c, _ in terms)
    d.identity(
        "without the factor",
        sum(a * (p * vector + c * student) for a, p, c, vector in terms),
        formulas.equation_eight(
            sum(a * p * vector for a, p, _, vector in terms[:2]),
            sum(-a * p * vector for a, p, _, vector in terms[2:]),
            nu,
            student,
        ),
        r"(5) by Assumption 2, written for two teachers and two students; the sums are term by term. $\nu_k=\sum_{k'}\beta_{k'k}\psi'_{k'k}-\sum_j\alpha_{jk}\psi'_{jk}$.",
        shown=r"\frac{dw_k}{dt}=\sum_j\alpha_{jk}\psi(\theta_{jk})w_j^*-\sum_{k'}\beta_{k'k}\psi(\theta_{k'k})w_{k'}-\nu_kw_k=r_k",
    )
    gate, wx, rv, rest, square, eps = sp.symbols("z w_x r_v R_h v_h epsilon", real=True)
    value = formulas.relu_value(gate, wx)
    along = sp.Symbol("h_h", real=True)
    moved = -(-2 * value * (rest * eps) + value**2 * (2 * eps * square + eps**2 * along)) / 2
    d.identity(
        "velocity of the output weights",
        sp.diff(moved, eps).subs(eps, 0),
        formulas.outer_pull(value, rest - value * square),
        r"$r=R-v_kf_k$; $v_k$ is moved by $\epsilon h$. What depends on it in $-\frac12|r|^2$ is $f_k\,R\cdot v_k-\frac12f_k^2|v_k|^2$.",
        shown=r"f_k\,(R-f_kv_k)\cdot h=f_k\,r\cdot h,\qquad\frac{dv_k}{dt}=E[f_kr]",
    )
    d.identity(
        "balance is conserved",
        2 * formulas.node_pull(gate, wx, rv) - 2 * formulas.outer_pull(value, rv),
        0,
        r"At each input $w_k\cdot(x\,z_k\,r\cdot v_k)=f_k\,r\cdot v_k=v_k\cdot(f_kr)$: the two squared lengths grow at one rate.",
        shown=r"\frac{d}{dt}\big(|w_k|^2-|v_k|^2\big)=2E[f_k\,r\cdot v_k]-2E[f_k\,r\cdot v_k]=0",
    )
    n, unit_products, psis = sp.Symbol("n", positive=True), sp.symbols("a_1:5"), sp.symbols("p_1:5")
    vectors = sp.symbols("y_1:5")
    extra = sp.Symbol("nu_hat")
    d.identity(
        "the factor",
        formulas.equation_eight(
            sum(n * a * p * y for a, p, y in zip(unit_products[:2], psis[:2], vectors[:2], strict=True)),
            sum(n * a * p * y for a, p, y in zip(unit_products[2:], psis[2:], vectors[2:], strict=True)),
            n * extra,
            student,
        ),
        formulas.balanced_velocity(
            n,
            formulas.equation_eight(
                sum(a * p * y for a, p, y in zip(unit_products[:2], psis[:2], vectors[:2], strict=True)),
                sum(a * p * y for a, p, y in zip(unit_products[2:], psis[2:], vectors[2:], strict=True)),
                extra,
                student,
            ),
        ),
        r"If $|v_k|=|w_k|=n$, $\alpha_{jk}=v_j^*\cdot v_k=n\,v_j^*\cdot\hat v_k$ and $\beta_{k'k}=n\,v_{k'}\cdot\hat v_k$: every coefficient of $r_k$ has the factor $n$.",
        shown=r"r_k=|w_k|\,\hat r_k",
    )
    d.argument(
        "along the flow",
        r"Balanced at the start, $|v_k|=|w_k|$ at all times at which all $w_k\ne0$, and (8) holds with $\hat r_k$ formed with $\hat v_k$ in place of $v_k$ and $v_j^*$, $v_{k'}$ as they are.",
        r"$|w_k|^2-|v_k|^2$ has derivative 0.",
        refuted_by="a flow of both layers along which the difference of the squared lengths changes",
        attack=lambda: _balance_attack(effort),
    )
    return d.proved("degree 0 with fixed output weights; the factor $|w_k|$ with trained, balanced ones")


def _balance_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(611)
    errors = []
    for _ in range(effort.count(4, 60)):
        m, teachers, dimension, outputs = (int(k) for k in rng.integers(1, 5, 4) + np.array([0, 0, 1, 0]))
        hidden, fan_out = rng.standard_normal((m, dimension)), rng.standard_normal((outputs, m))
        fan_out *= np.linalg.norm(hidden, axis=1) / np.linalg.norm(fan_out, axis=0)
        teacher = DeepReLU((rng.standard_normal((teachers, dimension)), rng.standard_normal((outputs, teachers))))
        run = gradient_flow.flow(DeepReLU((hidden, fan_out)), teacher, np.linspace(0, 10, 6), train_output=True)
        lengths = np.linalg.norm(run.hidden, axis=-1)
        errors.append(np.max(np.abs(lengths - np.linalg.norm(run.output, axis=-2)) / (1 + lengths)))
    return errors_below("flows of random balanced networks to time 10, seed 611: relative imbalance", errors, 1e-7)


CLAIMS = (
    Claim(
        "specialization.eq8",
        "equation (8), as printed",
        r"With $V$, $V^*$ constant and Assumption 2, the dynamics (5) is $\frac{dw_k}{dt}=|w_k|\,r_k$ with $r_k=\sum_j\alpha_{jk}\psi(\theta_{jk})w_j^*-\sum_{k'}\beta_{k'k}\psi(\theta_{k'k})w_{k'}-\nu w_k$ for some scalar $\nu$.",
        Verdict.REFUTED,
        _printed,
        uses=("specialization.assump2",),
    ),
    Claim(
        "specialization.eq8.mended",
        "equation (8), when the factor is there",
        r"With Assumption 2, (5) is $\frac{dw_k}{dt}=r_k$, without a factor. Gradient flow of both layers conserves $|w_k|^2-|v_k|^2$, for any inputs; from balanced weights, $|v_k|=|w_k|$, it has $\frac{dw_k}{dt}=|w_k|\,\hat r_k$, where $\hat r_k$ is $r_k$ with "
        r"$\alpha_{jk}=v_j^*\cdot\hat v_k$ and $\beta_{k'k}=v_{k'}\cdot\hat v_k$, $\hat v_k=v_k/|v_k|$.",
        Verdict.PROVED,
        _mended,
        uses=("specialization.assump2", "specialization.eq5", "specialization.eq6"),
    ),
)
