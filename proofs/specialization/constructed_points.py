"""Critical points as the theorems of the specialization paper predict them, and what happens without one of their hypotheses."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import sympy as sp

from ..engine.attacks import errors_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import critical_examples as examples
from . import critical_formulas as formulas
from .exact_networks import (
    ExactNetwork,
    aligned,
    as_floats,
    is_critical,
    kink_form,
    never_active,
    node_value,
    sample_directions,
    sees,
    two_layer,
)

__all__ = ["CLAIMS"]


def _same_function(first: ExactNetwork, second: ExactNetwork) -> bool:
    one, other = kink_form(first), kink_form(second)
    return one[0] == other[0] and bool(np.all(one[1] == other[1]))


def _constructed(effort: Effort) -> Outcome:
    d = Derivation("specialization.lemma3.mended", "specialization.beyond.one_observer")
    s = sp.Symbol("s", positive=True)
    gamma, v = sp.symbols("gamma_1:4", positive=True), sp.symbols("v_1:4", real=True)
    for sign in (1, -1):
        d.identity(
            f"students that share a teacher, {'in front of' if sign > 0 else 'behind'} its boundary",
            sum(c * sp.Max(sign * g * s, 0) for c, g in zip(v, gamma, strict=True)),
            formulas.group_kink(v, gamma) * sp.Max(sign * s, 0),
            r"Students $\gamma_iw_j^*$, $\gamma_i>0$, with $\sum_i\gamma_iv_i=v_j^*$ are as good as the teacher node; with $\sum_i\gamma_iv_i=0$ as good as none."
            if sign > 0
            else "",
            shown=r"\sum_iv_i\sigma(\gamma_it)=\Big(\sum_i\gamma_iv_i\Big)\sigma(t)",
        )
    points = [examples.constructed(seed) for seed in range(18)]
    d.certificate(
        "constructed",
        all(_same_function(c.student, c.teacher) for c in points),
        r"Eighteen teachers with rational weights in 1 to 3 dimensions, 1 or 2 outputs, and students with one node for one teacher, three nodes for another, two parallel nodes that cancel, and two antiparallel pairs on parallel boundaries that leave a constant, taken off by the output bias. Student and teacher have the same kinks and the same affine rest: they are one function.",
        reason="rationals",
    )
    grid = [Fraction(k, 3) for k in (-5, 1, 4)]
    d.certificate(
        "critical",
        all(
            not part.any()
            for c in points
            for x in grid
            for y in grid
            for part in sample_directions(c.student, c.teacher, [x, y, x - y][: len(c.teacher.nodes[0]) - 1])
        ),
        "So every sample leaves every weight as it is; evaluated at 9 inputs each.",
        reason="rationals, all layers",
    )
    d.certificate(
        "a sum that differs",
        not any(_same_function(_moved(c.student), c.teacher) for c in points),
        "With the fan-out of one student raised by $\\frac19$ the functions differ, each time.",
        reason="rationals",
    )
    d.argument(
        "necessary",
        r"If $f=f^*$ on an open set that all boundaries meet, `specialization.lemma3.mended` for the difference, output by output, says that the kinks agree on every boundary; what is left is affine and 0 on an open set.",
        "`specialization.beyond.one_observer`: with an output bias these are the SGD critical points.",
        refuted_by="two-layer networks of one function with other sums on a boundary",
        attack=lambda: _fit_attack(effort),
    )
    return d.proved("sums of fan-outs on every boundary, and the affine rest, decide")


def _moved(student: ExactNetwork) -> ExactNetwork:
    top = student.weights[1].copy()
    top[0, 0] += Fraction(1, 9)
    return ExactNetwork((student.weights[0], top), student.biases)


def _fit_attack(effort: Effort) -> Attack:
    """Fan-outs and output biases fitted to the teacher by least squares, with the constructed hidden nodes: their sums."""
    rng = np.random.default_rng(824)
    errors = []
    for seed in range(effort.count(40, 400)):
        c = examples.constructed(seed + 100)
        student, teacher = as_floats(c.student), as_floats(c.teacher)
        x = 4 * rng.standard_normal((600, student.widths[0]))
        values = teacher(x)
        columns = np.column_stack([student.activations(x)[0], np.ones(len(x))])
        fitted, *_ = np.linalg.lstsq(columns, values, rcond=1e-12)
        errors.append(np.abs(columns @ fitted - values).max() / (1 + np.abs(values).max()))
        for node, v, group in zip(c.teacher.nodes, c.teacher.fan_out, c.copies, strict=False):
            axis = next(i for i, w in enumerate(node) if w)
            gammas = [float(abs(c.student.nodes[k][axis] / node[axis])) for k in group]
            errors.append(float(np.abs(np.array(gammas) @ fitted[group] - np.array(v, dtype=float)).max()))
    return errors_below(
        "fan-outs fitted by least squares, seed 824: misfit, and sums on the teacher's boundaries", errors, 1e-9
    )


def _hypotheses(effort: Effort) -> Outcome:
    d = Derivation("specialization.thm2.mended")
    (student, teacher), samples = examples.few_samples()
    d.certificate(
        "an open set of data",
        not any(part.any() for x in samples for part in sample_directions(student, teacher, [x]))
        and _unmatched(student, teacher, 0)
        and sees(student.nodes[0], teacher.nodes[0], -1, 2),
        r"Samples $-1,1,2$, teacher $\sigma(x)$, student $\frac23\sigma(x+\frac12)+\frac13\sigma(x-1)$: equal at the samples, so that every gradient vanishes; student 1 is active at $x=0$, $\alpha=\frac23$; no student has its boundary there.",
        reason="rationals",
    )
    student, teacher = examples.opposite_teachers()
    d.certificate(
        "distinct boundaries of the teachers",
        is_critical(student, teacher, -1, 1)
        and _unmatched(student, teacher, 0)
        and sees(student.nodes[0], teacher.nodes[0], -1, 1),
        r"$R_0=(-1,1)$, teachers $\sigma(x)-\sigma(-x)=x$, student $\sigma(x+10)-10$: critical, seen, $\alpha=\pm1$.",
        reason="rationals, cell by cell",
    )
    student, teacher = examples.far_teacher()
    d.certificate(
        "the boundary inside the data",
        is_critical(student, teacher, -1, 1)
        and _unmatched(student, teacher, 1)
        and sees(student.nodes[0], teacher.nodes[1])
        and not sees(student.nodes[0], teacher.nodes[1], -1, 1),
        r"$R_0=(-1,1)$, teachers $\sigma(x)+\sigma(x-5)$, student $\sigma(x)$, which is active at $x=5$: critical, $\alpha=1$, and no student at 5.",
        reason="rationals, cell by cell",
    )
    student, teacher = examples.silent_students()
    d.certificate(
        "a student active there",
        all(never_active(node, 1) for node in student.nodes)
        and _unmatched(student, teacher, 0)
        and node_value(student.nodes[0], (0, 6)) > 0,
        r"$R_0$ the unit disc, teacher $\sigma(x_1)$, students silent on $R_0$, one of them active at $(0,6)$ on the teacher's boundary: critical without an output bias, $\alpha=1$.",
        reason="rationals",
    )
    mute, teacher = two_layer([(1, 10)], [0], [0]), two_layer([(1, 0)], [1], [0])
    d.certificate(
        "a fan-out that is not orthogonal to the teacher's",
        is_critical(mute, teacher, -1, 1, layers=[1])
        and not is_critical(mute, teacher, -1, 1)
        and _unmatched(mute, teacher, 0)
        and sees(mute.nodes[0], teacher.nodes[0], -1, 1),
        r"$R_0=(-1,1)$, teacher $\sigma(x)$, student $0\cdot\sigma(x+10)$: $g_1=0$ and the boundary is seen, but $\alpha=0$. (The gradient of the output layer does not vanish: at a critical point of both layers $\alpha\ne0$ can be replaced by $v_j^*\ne0$.)",
        reason="rationals, cell by cell",
    )
    mirror = two_layer([(-1, 0), (1, 10), ("1/2", 10)], [1, 2, -2], [0])
    d.certificate(
        "and the sign stays open",
        is_critical(mirror, teacher, -1, 1)
        and aligned(mirror, teacher, 0, up_to_sign=True) == [0] != aligned(mirror, teacher, 0, up_to_sign=False),
        r"With all hypotheses, $\sigma(-x)+2\sigma(x+10)-2\sigma(\frac x2+10)$: the aligned student may point the other way.",
        reason="rationals, cell by cell",
    )
    return d.proved("one exact example for each hypothesis, with all others in force")


def _unmatched(student: ExactNetwork, teacher: ExactNetwork, j: int) -> bool:
    return not aligned(student, teacher, j, up_to_sign=True)


CLAIMS = (
    Claim(
        "specialization.beyond.constructed",
        "Section 4 of the specialization paper: what critical points look like",
        r"Two layers, all $\tilde w\ne0$. A student equals the teacher on an open set that all boundaries meet if and only if on every hyperplane $\sum_kv_k\|\tilde w_k\|=\sum_jv_j^*\|\tilde w_j^*\|$ over the students and teachers with that boundary, and the affine rests agree. So a teacher may have one student or be shared by several, and others may be left over with fan-outs that cancel; all of these are SGD critical on any data.",
        Verdict.PROVED,
        _constructed,
        uses=("specialization.lemma3.mended", "specialization.beyond.one_observer"),
    ),
    Claim(
        "specialization.beyond.hypotheses",
        "Theorem 2 of the specialization paper, mended: its hypotheses",
        r"Without any one of these `specialization.thm2.mended` fails, the others being kept: an open set of data; distinct boundaries of the teachers; the boundary inside the data; a student active there; $\alpha_{kj}\ne0$. And $\gamma>0$ cannot be concluded.",
        Verdict.PROVED,
        _hypotheses,
        uses=("specialization.thm2.mended",),
    ),
)
