"""Theorem 3 and Corollary 2 of the specialization paper: students on no teacher's boundary; and how little has to be observed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import sympy as sp

from alignmath.networks import DeepReLU

from ..engine.attacks import errors_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import critical_examples as examples
from . import critical_formulas as formulas
from .exact_networks import (
    ExactNetwork,
    aligned,
    boundary_direction,
    group_sums,
    is_critical,
    kink_form,
    never_active,
    node_value,
    sample_directions,
    sees,
)
from .teacher_alignment import kink_attack

__all__ = ["CLAIMS"]

_SPLIT = r"$\sigma(-x)+\frac12[\sigma(x-\frac12)-\sigma(\frac12-x)]+\frac12[\sigma(x+\frac12)-\sigma(-x-\frac12)]$"


def _printed_theorem_three(effort: Effort) -> Outcome:
    d = Derivation()
    student, teacher = examples.opposite_student()
    far = student.nodes[1]
    d.certificate(
        "an observer outside of the data",
        is_critical(student, teacher, -1, 1)
        and sees(student.nodes[0], far)
        and not sees(student.nodes[0], far, -1, 1)
        and not aligned(teacher, student, 1, up_to_sign=True)
        and len(aligned(student, student, 1, up_to_sign=True)) == 1
        and student.fan_out[1] == (2,),
        r"$R_0=(-1,1)$, teacher $\sigma(x)$, student $\sigma(-x)+2\sigma(x+10)-2\sigma(\frac x2+10)$, critical, $C=1$: node 2 is on no teacher's boundary and on no other student's, node 1 observes it at $x=-10$, yet $v_2=2$.",
        reason="rationals",
    )
    student, teacher = examples.shifted_kinks()
    unaligned = [k for k, node in enumerate(student.nodes) if not boundary_direction(node, teacher.nodes[0])]
    observed = all(
        any(
            v != (0,) and sees(node, student.nodes[k], -1, 1)
            for node, v in zip(student.nodes, student.fan_out, strict=True)
        )
        for k in unaligned
    )
    parallel = [k for k in range(5) if boundary_direction(student.nodes[1], student.nodes[k]) == 1]
    d.certificate(
        "observers inside of the data",
        is_critical(student, teacher, -1, 1)
        and observed
        and parallel == [1]
        and student.fan_out[1] == (Fraction(1, 2),),
        rf"$R_0=(-1,1)$, teacher $\sigma(x)$, student {_SPLIT}, critical: every boundary lies in $R_0$ and is seen there by an active node with $v\ne0$. No positive multiple of $(1,-\frac12)$ is among the other nodes, yet $v_2=\frac12$.",
        reason="rationals",
    )
    return d.refuted("boundaries outside of the data leave $v_k$ free, and antiparallel nodes only cancel together")


def _theorem_three(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm2.mended")
    d.argument(
        "kinks of every observer",
        r"As for `specialization.thm2.mended`: for each observer $i$ the kink of $\sum_jv_i\cdot v_j^*f_j^*-\sum_kv_i\cdot v_kf_k+\mathrm{const}$ at $H$ is 0, that is $v_i\cdot S=0$ with $S=\sum_jv_j^*\|\tilde w_j^*\|-\sum_kv_k\|\tilde w_k\|$ over the nodes on $H$.",
        r"$\alpha_{ij}=v_i\cdot v_j^*$, $\beta_{ik}=v_i\cdot v_k$ and Lemma 3 on $R_0\cap E_i$.",
        refuted_by="a network with another kink",
        attack=lambda: kink_attack(effort, (2,)),
    )
    V, S = sp.Matrix(3, 3, sp.symbols("v_1:10")), sp.Matrix(sp.symbols("s_1:4"))
    d.identity(
        "full rank",
        V.adjugate() @ (V @ S),
        V.det() * S,
        r"$C$ observers whose $v_i$, the rows of $V$, are linearly independent: $VS=0$ and $\det V\ne0$ give $S=0$. Shown for $C=3$.",
        shown=r"\operatorname{adj}(V)\,VS=\det(V)\,S",
    )
    pairs = [examples.constructed(seed) for seed in range(18)]
    student, _ = examples.shifted_kinks()
    d.certificate(
        "critical points obey it",
        all(not any(group_sums(c.student, c.student.nodes[group[0]])) for c in pairs for group in c.spare)
        and all(not any(group_sums(student, student.nodes[k])) for k in (1, 3)),
        r"In 18 critical points with exact weights, and in the second counterexample, $\sum_kv_k\|\tilde w_k\|=0$ on each boundary without a teacher.",
        reason="rationals",
    )
    return d.proved("boundaries seen inside the data, parallel and antiparallel nodes together")


def _printed_corollary(effort: Effort) -> Outcome:
    d = Derivation()
    student, teacher = examples.shifted_kinks()
    d.certificate(
        "a critical point",
        is_critical(student, teacher, -1, 1) and kink_form(student)[0] == kink_form(teacher)[0],
        rf"Teacher $\sigma(x)$ on $R_0=(-1,1)$, student {_SPLIT}, equal to it on all of $\mathbb{{R}}$.",
        reason="rationals",
    )
    lone = [k for k, node in enumerate(student.nodes) if not boundary_direction(node, teacher.nodes[0])]
    part = {x: _part(student, lone, x) for x in (Fraction(3, 10), Fraction(-7, 10))}
    seen = all(any(sees(student.nodes[i], student.nodes[k], -1, 1) for i in lone) for k in lone)
    d.certificate(
        "what the unaligned nodes add",
        part == {x: x for x in part} and seen,
        r"The four nodes with boundaries $\pm\frac12$ are observed inside $R_0$, and add up to $x$: $\frac3{10}$ at $\frac3{10}$, $-\frac7{10}$ at $-\frac7{10}$. With $\sigma(-x)$, not aligned either in the paper's sense, it is $\sigma(x)$.",
        reason="rationals",
    )
    return d.refuted("antiparallel pairs cancel up to a linear function, here $x$")


def _part(network: ExactNetwork, chosen: list[int], x: Fraction) -> Fraction:
    return sum(
        (network.fan_out[k][0] * max(node_value(network.nodes[k], [x]), Fraction(0)) for k in chosen), Fraction(0)
    )


def _corollary(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm3.mended")
    s, t = sp.Symbol("s", positive=True), sp.Symbol("t", real=True)
    c = sp.symbols("c_1:4", real=True)
    gammas = (sp.Symbol("m_1", positive=True), -sp.Symbol("m_2", positive=True), -sp.Symbol("m_3", positive=True))
    behind = sum(ci * abs(g) for ci, g in zip(c, gammas, strict=True) if g.is_negative)
    for sign in (1, -1):
        at = sign * s
        d.identity(
            f"nodes on one boundary, {'in front' if sign > 0 else 'behind'}",
            sum(ci * sp.Max(g * at, 0) for ci, g in zip(c, gammas, strict=True)),
            formulas.group_kink(c, gammas) * sp.Max(at, 0) - behind * at,
            r"$\gamma_1=m_1>0$, $\gamma_2=-m_2$, $\gamma_3=-m_3$, $t=\tilde w\cdot x+b$. By `specialization.thm3.mended` the kink $\sum_ic_i|\gamma_i|$ is 0 for each output: what remains is linear in $t$, and 0 if no $\gamma_i$ is negative."
            if sign > 0
            else "",
            shown=r"\sum_ic_i\sigma(\gamma_it)=\Big(\sum_ic_i|\gamma_i|\Big)\sigma(t)-\Big(\sum_{\gamma_i<0}c_i|\gamma_i|\Big)t",
        )
    d.identity(
        "the rest without kinks",
        sp.expand(-behind * (t + 1) + behind * t),
        -behind,
        r"So the unaligned students add up to an affine function on $\mathbb{R}^d$, which need not be 0: for the counterexample it is $x$. Two antiparallel pairs on parallel boundaries leave a constant.",
        shown=r"-(t+1)\sum_{\gamma_i<0}c_i|\gamma_i|+t\sum_{\gamma_i<0}c_i|\gamma_i|=-\sum_{\gamma_i<0}c_i|\gamma_i|",
    )
    points = [examples.constructed(seed) for seed in range(18)]
    d.certificate(
        "critical points obey it",
        all(_affine(c) for c in points),
        "In 18 critical points with exact weights the unaligned students add up to a constant, and those without antiparallel partners to 0.",
        reason="rationals: no kink is left, and no slope",
    )
    return d.proved("affine, by Theorem 3 as mended; 0 where no two unaligned students are antiparallel")


def _affine(c: examples.Constructed) -> bool:
    def only(groups: list[list[int]]) -> tuple[dict, np.ndarray]:
        chosen = [k for group in groups for k in group]
        weights = (c.student.weights[0][chosen], c.student.weights[1][:, chosen])
        bias = c.student.biases[0]
        assert bias is not None
        return kink_form(ExactNetwork(weights, (bias[chosen], None)))

    everything, parallel = only(c.spare), only(c.spare[:1])
    flat = not everything[0] and not everything[1][:, :-1].any() and bool(everything[1][:, -1].any())
    return flat and not parallel[0] and not parallel[1].any()


def _one_observer(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm1", "specialization.lemma3.mended", "specialization.thm2.mended")
    f, g = sp.Matrix(sp.symbols("f_1:4", real=True)), sp.Matrix(sp.symbols("g_1:3", real=True))
    d.identity(
        "the output layer alone",
        sum(entry**2 for entry in formulas.batch_direction(f, g)),
        f.dot(f) * g.dot(g),
        r"The gradient of one sample by $W_L$ is $f_{L-1}g_L^\top$ with $g_L=f^*-f$; by `specialization.thm1` it is 0. Where $f_{L-1}\ne0$, then, $f=f^*$: wherever a node of the top hidden layer is active, and everywhere if the output has a bias.",
        shown=r"\sum_{ab}(f_ag_b)^2=\|f\|^2\|g\|^2",
    )
    d.argument(
        "every output by itself",
        r"Two layers: on the open set $R_0\cap E_k$ each output of $\sum_jv_j^*f_j^*-\sum_iv_if_i+c^*-c$ is 0, and has the kink $\sum_jv_j^*\|\tilde w_j^*\|-\sum_iv_i\|\tilde w_i\|$ at $H$, which meets this set: 0 by `specialization.lemma3.mended`. With an output bias take $R_0$ for $R_0\cap E_k$.",
        "Lemma 3 for each of the $C$ outputs.",
        refuted_by="a two-layer network whose difference from another has another kink at a boundary",
        attack=lambda: _output_kinks(effort),
    )
    points = [examples.constructed(seed) for seed in range(18)]
    d.certificate(
        "critical points obey it",
        all(
            group_sums(c.student, node) == group_sums(c.teacher, node)
            for c in points
            for node in (*c.student.nodes, *c.teacher.nodes)
        ),
        "In 18 critical points with exact weights the two sums agree on every boundary.",
        reason="rationals",
    )
    student, teacher = examples.silent_students()
    d.certificate(
        "one active student is needed",
        all(never_active(node, 1) for node in student.nodes)
        and not any(part.any() for part in sample_directions(student, teacher, [Fraction(1, 2), 0]))
        and teacher([Fraction(1, 2), 0])[0] != 0,
        r"If all students are silent on $R_0$ and the output has no bias, nothing follows: teacher $\sigma(x_1)$ on the unit disc, students $\sigma(x_2-5)$, $\sigma(x_1+2x_2-15)$, all gradients 0, loss not 0.",
        reason="rationals",
    )
    return d.proved("the gradient of the output layer already says that the loss is 0 where a student is active")


def _output_kinks(effort: Effort) -> Attack:
    """Second differences of `f* - f` across a shared boundary, output by output, against the sums."""
    rng = np.random.default_rng(823)
    errors = []
    for _ in range(effort.count(200, 5_000)):
        dimension, outputs = (int(v) for v in rng.integers(1, 4, 2))
        normal, shift = rng.standard_normal(dimension), rng.standard_normal()
        sums, networks = [], []
        for count, on in ((6, int(rng.integers(0, 4))), (3, int(rng.integers(0, 3)))):
            weights, biases = rng.standard_normal((count, dimension)), rng.standard_normal(count)
            gammas, out = rng.uniform(0.3, 2, on) * rng.choice([-1, 1], on), rng.standard_normal((outputs, count))
            weights[:on], biases[:on] = gammas[:, None] * normal, gammas * shift
            sums.append(out[:, :on] @ np.abs(gammas) * np.linalg.norm(normal))
            networks.append(DeepReLU((weights, out), (biases, rng.standard_normal(outputs))))
        length = float(np.linalg.norm(normal))
        x = rng.standard_normal(dimension)
        x -= (normal @ x + shift) / length**2 * normal
        step = 1e-5 * normal / length
        points = np.stack([x + step, x, x - step])
        gates = np.concatenate([net.activations(points)[0] > 0 for net in networks], axis=1)
        if np.sum(gates[0] != gates[2]) != sum(
            np.sum(np.abs(net.weights[0] @ x + net.biases[0]) < 1e-9) for net in networks if net.biases
        ):
            continue  # another boundary is nearer than the step
        values = networks[1](points) - networks[0](points)
        curvature = (values[0] + values[2] - 2 * values[1]) / 1e-5
        errors.append(np.abs(curvature - (sums[1] - sums[0])).max() / (1 + np.abs(values).max()))
    return errors_below(
        "two-layer networks with 0 to 3 students and 0 to 2 teachers on a boundary, seed 823: second difference over its step",
        errors,
        1e-8,
    )


CLAIMS = (
    Claim(
        name="specialization.thm3",
        source="Theorem 3, 8.10, as printed",
        statement=r"Two layers. At an SGD critical point, if a student $k$ on no teacher's line has $C$ observers with linearly independent $v$, then $\sum_{k'}v_{k'}\|w_{k'}\|=0$ over the students with $w_{k'}=\gamma w_k$, $\gamma>0$; if there is no other such student, $v_k=0$.",
        expected=Verdict.REFUTED,
        check=_printed_theorem_three,
    ),
    Claim(
        name="specialization.thm3.mended",
        source="Theorem 3, 8.10, observed inside the data, antiparallel students included",
        statement=r"Two layers, biases allowed; $R_0$ open; $g_1=0$ on $R_0$. Let $H$ be a hyperplane on which no teacher's boundary lies, and let $C$ students with linearly independent $v$ each be active at some point of $H\cap R_0$. Then $\sum_kv_k\|\tilde w_k\|=0$ over the students with boundary $H$; if there is only one, $v_k=0$. (With teachers on $H$, the sum is $\sum_jv_j^*\|\tilde w_j^*\|$.)",
        expected=Verdict.PROVED,
        check=_theorem_three,
        uses=("specialization.thm2.mended",),
    ),
    Claim(
        name="specialization.cor2",
        source="Corollary 2, 8.11, as printed",
        statement="With sufficient observers, the contribution of all unaligned students to the output is zero.",
        expected=Verdict.REFUTED,
        check=_printed_corollary,
    ),
    Claim(
        name="specialization.cor2.mended",
        source="Corollary 2, 8.11, corrected",
        statement=r"If the hypotheses of `specialization.thm3.mended` hold for the boundary of every student with $\tilde w_k\ne0$ on no teacher's boundary, then these students add up to an affine function on $\mathbb{R}^d$; to 0 if no two of them are antiparallel.",
        expected=Verdict.PROVED,
        check=_corollary,
        uses=("specialization.thm3.mended",),
    ),
    Claim(
        "specialization.beyond.one_observer",
        "Theorems 2 and 3 of the specialization paper, without independent observers",
        r"At an SGD critical point (all layers), $f=f^*$ at every $x\in R_0$ where some node of the top hidden layer is active, and on all of $R_0$ if the output layer has a bias. So, for two layers and $R_0$ open: on each hyperplane $H$ that meets $R_0$ at a point where some student is active (at any point, with an output bias), $\sum_kv_k\|\tilde w_k\|=\sum_jv_j^*\|\tilde w_j^*\|$ over the students and teachers with boundary $H$. One active student replaces $\alpha_{kj}\ne0$ by $v_j^*\ne0$, and the $C$ independent observers.",
        Verdict.PROVED,
        _one_observer,
        uses=("specialization.thm1", "specialization.lemma3.mended", "specialization.thm2.mended"),
    ),
)
