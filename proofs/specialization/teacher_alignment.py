"""Theorems 2 and 4 of the specialization paper: teachers whose boundary is seen by an active student have students on it."""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import cache

import numpy as np
import sympy as sp

from alignmath.networks import DeepReLU
from alignmath.specialization import mixture, top_down

from ..engine.attacks import errors_below
from ..engine.claims import Attack, CheckFailed, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import critical_examples as examples
from . import critical_formulas as formulas
from .exact_networks import (
    ExactNetwork,
    aligned,
    boundary_direction,
    group_sums,
    is_critical,
    never_active,
    node_value,
    sample_directions,
    sees,
)

__all__ = ["CLAIMS", "kink_attack"]

_OPPOSITE = r"$R_0=(-1,1)$, teacher $\sigma(x)$, student $\sigma(-x)+2\sigma(x+10)-2\sigma(\frac x2+10)$, which is $\sigma(-x)+x=\sigma(x)$ there"


def _refuting_sign(d: Derivation, student: ExactNetwork, teacher: ExactNetwork) -> None:
    """Steps: the student without an aligned node is critical, and an active one of its nodes sees the teacher's boundary."""
    d.certificate(
        "a critical point",
        is_critical(student, teacher, -1, 1),
        _OPPOSITE
        + (
            "."
            if student.depth == 1
            else r"; a second hidden layer $\sigma(f+1)$, and 1 taken off at the output, in both networks."
        )
        + " All gradients vanish at every input.",
        reason="rationals, cell by cell",
    )
    alpha = student.top_down([0], 1).T @ teacher.top_down([0], 1)
    d.certificate(
        "seen, and in the support",
        sees(student.nodes[1], teacher.nodes[0], -1, 1) and bool(alpha[1, 0] == 2),
        r"The teacher's boundary, $0\in R_0$, lies where student 2 is active, $\alpha=2$, and one teacher node is co-linear with no other.",
        reason="rationals",
    )
    d.certificate(
        "no student aligned",
        not aligned(student, teacher, 0, up_to_sign=False),
        r"$(-1,0)$, $(1,10)$, $(\frac12,10)$ are no positive multiples of $(1,0)$.",
        reason="rationals",
    )


def _printed_theorem_two(effort: Effort) -> Outcome:
    d = Derivation()
    _refuting_sign(d, *examples.opposite_student())
    student, teacher = examples.silent_students()
    grid = [(Fraction(p, 5), Fraction(q, 5)) for p in range(-4, 5) for q in range(-4, 5) if p * p + q * q < 25]
    d.certificate(
        "a second defect: the boundary seen outside of the data",
        all(never_active(node, 1) for node in student.nodes)
        and all(not part.any() for x in grid for part in sample_directions(student, teacher, x)),
        r"$R_0$ the unit disc, teacher $\sigma(x_1)$, students $\sigma(x_2-5)$, $\sigma(x_1+2x_2-15)$ without an output bias: all students are silent on $R_0$, so $f_1=0$ and $D_1=0$ there and all gradients vanish.",
        reason="$|\\tilde w_k|^2\\le b_k^2$, $b_k<0$; and at 69 points, all layers",
    )
    far = (0, 6)
    d.certificate(
        "its hypotheses",
        node_value(teacher.nodes[0], far) == 0 < node_value(student.nodes[0], far)
        and not aligned(student, teacher, 0, up_to_sign=True),
        r"At $(0,6)$ student 1 is active on the teacher's boundary $x_1=0$, which meets $R_0$; $\alpha=1$; no student is a multiple of the teacher, not even up to sign.",
        reason="rationals",
    )
    return d.refuted(
        "a student may have the opposite sign; and it is of no use to see the boundary where there are no data"
    )


def _regrouping(d: Derivation) -> None:
    """Steps: nodes on one boundary have one kink."""
    s, m = sp.symbols("s m", positive=True)
    for sign in (1, -1):
        t = sign * s
        d.identity(
            f"a node that points the other way, {'in front of' if sign > 0 else 'behind'} its boundary",
            sp.Max(-m * t, 0),
            m * formulas.reflected(sp.Max(t, 0), t),
            r"$t=\tilde w\cdot x+b$, $\gamma=-m$." if sign > 0 else "",
            shown=r"\sigma(-mt)=m\,[\sigma(t)-t]",
        )
    c, e = sp.symbols("c e", real=True)
    d.identity(
        "one kink for all nodes on a boundary",
        formulas.second_difference(lambda t: c * sp.Max(m * t, 0) + e * sp.Max(-2 * m * t, 0), 0, s),
        s * formulas.group_kink([c, e], [m, -2 * m]),
        r"Nodes with weights $\gamma_iw$ of any signs add up to $\big(\sum_ic_i|\gamma_i|\big)\sigma(t)$ and an affine function.",
        shown=r"c\,\sigma(mt)+e\,\sigma(-2mt)=(c\,m+2e\,m)\,\sigma(t)-2e\,m\,t",
    )


def _theorem_two(effort: Effort) -> Outcome:
    d = Derivation("specialization.lemma1", "specialization.lemma3.mended", "specialization.thm1")
    _regrouping(d)
    d.argument(
        "Lemma 3 on the part that the observer sees",
        r"By `specialization.thm1`, $g_1=0$ on $R_0$, and by `specialization.lemma1` $h=\sum_i\alpha_{ki}f_i^*-\sum_{k'}\beta_{kk'}f_{k'}+v_k\cdot(c^*-c)=0$ on $R=R_0\cap E_k$, which is open; $c^*$, $c$ are output biases. Grouped by boundaries, $h$ has the kink $\alpha_{kj}\|\tilde w_j^*\|-\sum_{k'}\beta_{kk'}\|\tilde w_{k'}\|$ at that of teacher $j$, as no other teacher lies on it, and the boundary meets $R$: by `specialization.lemma3.mended` the kink is 0. As $\alpha_{kj}\ne0$, the sum over students is not empty.",
        "Constants and nodes with $\\tilde w=0$ are affine; Lemma 3 holds with any affine function.",
        refuted_by=r"a network in which $h$ has another kink at the boundary of a teacher",
        attack=lambda: kink_attack(effort, (2,)),
    )
    pairs = [examples.constructed(seed) for seed in range(18)]
    d.certificate(
        "critical points obey it",
        all(_balanced(c.student, c.teacher) for c in pairs) and _balanced(*examples.opposite_student()),
        r"In 18 critical points with exact weights, and in the counterexample to the printed theorem, where the aligned student is $\sigma(-x)$: $\sum_{k'}\beta_{kk'}\|\tilde w_{k'}\|=\alpha_{kj}\|\tilde w_j^*\|$ for all $k$ and $j$.",
        reason="rationals",
    )
    return d.proved("Lemma 3 as mended on $R_0\\cap E_k$: alignment up to sign, with the equation for the lengths")


def _balanced(student: ExactNetwork, teacher: ExactNetwork) -> bool:
    """`sum beta_kk' |w_k'| = alpha_kj |w_j*|` for every student k and every teacher j, over the students on its boundary, which exist."""
    for j, node in enumerate(teacher.nodes):
        sums = [group_sums(network, node) for network in (student, teacher)]
        for v in student.fan_out:
            kinks = [sum(a * b for a, b in zip(v, total, strict=True)) for total in sums]
            if kinks[0] != kinks[1] or not aligned(student, teacher, j, up_to_sign=True):
                return False
    return True


def _printed_theorem_four(effort: Effort) -> Outcome:
    d = Derivation()
    _refuting_sign(d, *examples.with_second_layer(examples.opposite_student()))
    return d.refuted("one more layer on top of the counterexample to Theorem 2: the student has the opposite sign")


def _theorem_four(effort: Effort) -> Outcome:
    d = Derivation(
        "specialization.thm1",
        "specialization.lemma1",
        "specialization.cor1",
        "specialization.lemma3.mended",
        "specialization.thm2.mended",
    )
    d.argument(
        "Lemma 3 in one region",
        r"By `specialization.cor1` there are regions with constant $A_1$, $B_1$; biases above the first layer add a constant there. On $R\cap E_k$ `specialization.lemma1` gives $\sum_i\alpha_{ki}f_i^*-\sum_{k'}\beta_{kk'}f_{k'}+\mathrm{const}=0$, and the rest is the proof of `specialization.thm2.mended`.",
        "Nothing but the constancy of the coefficients on $R$ was used.",
        refuted_by=r"a deep network in which the bracket of (3) has another kink at the boundary of a teacher than $\alpha_{kj}\|\tilde w_j^*\|-\sum_{k'}\beta_{kk'}\|\tilde w_{k'}\|$",
        attack=lambda: kink_attack(effort, (3, 4)),
    )
    deep = [examples.with_second_layer(pair) for pair in (examples.opposite_student(), examples.shifted_kinks())]
    d.certificate(
        "three layers, exactly",
        all(is_critical(student, teacher, -1, 1) and _balanced_deep(student, teacher) for student, teacher in deep),
        r"The counterexamples to Theorems 2 and 3 with one more layer are critical, and have $\sum_{k'}\beta_{kk'}\|\tilde w_{k'}\|=\alpha_{kj}\|\tilde w_j^*\|$ with $\sigma(-x)$ for the aligned student.",
        reason="rationals",
    )
    return d.proved("Theorem 2 as mended, in a region in which the layers above keep their gates")


def _balanced_deep(student: ExactNetwork, teacher: ExactNetwork) -> bool:
    x = [0]
    own, target = (network.top_down(x, 1) for network in (student, teacher))
    on = [k for k, node in enumerate(student.nodes) if boundary_direction(node, teacher.nodes[0])]
    lengths = [abs(student.nodes[k][0] / teacher.nodes[0][0]) for k in on]
    return bool(on) and all(
        sum(b * length for b, length in zip((own.T @ own)[k, on], lengths, strict=True)) == (own.T @ target)[k, 0]
        for k in range(len(student.nodes))
    )


@cache
def kink_attack(effort: Effort, layers: tuple[int, ...]) -> Attack:
    """The kink of the bracket of (3) at the boundary of a teacher, by second differences, in random networks with students on that boundary."""
    rng = np.random.default_rng([822, *layers])
    errors: list[float] = []
    for trial in range(effort.count(60, 1_500)):
        dimension, count = int(rng.integers(1, 4)), layers[trial % len(layers)]
        widths, targets = [dimension, 6, *[4] * (count - 2), 2], [dimension, 3, *[3] * (count - 2), 2]
        nets = []
        for sizes in (widths, targets):
            weights = [rng.standard_normal((n, m)) for m, n in itertools.pairwise(sizes)]
            nets.append([weights, [rng.standard_normal(n) for n in sizes[1:]]])
        gammas = rng.uniform(0.3, 2, 3) * rng.choice([-1, 1], 3)
        here = int(rng.integers(0, 4))  # students that share the boundary of teacher 0
        nets[0][0][0][:here] = gammas[:here, None] * nets[1][0][0][0]
        nets[0][1][0][:here] = gammas[:here] * nets[1][1][0][0]
        student, teacher = (DeepReLU(tuple(w), tuple(b)) for w, b in nets)
        w, b = nets[1][0][0][0], nets[1][1][0][0]
        length = np.linalg.norm(w)
        x = rng.standard_normal(dimension)
        x -= (w @ x + b) / length**2 * w
        step = 1e-4 * w / length
        points = np.stack([x + step, x, x - step])
        if not _same_gates(student, teacher, points, here):
            continue
        mixed = mixture(student, teacher, points, 1)
        back = np.swapaxes(top_down(student, points, 1).matrix, -1, -2)
        bracket = (back @ (teacher(points) - student(points))[..., None])[..., 0]
        second = (bracket[0] + bracket[2] - 2 * bracket[1]) / 1e-4
        mass = np.abs(gammas[:here]) * length
        expected = mixed.a[1, :, 0] * length - mixed.b[1][:, :here] @ mass
        errors.append(float(np.abs(second - expected).max() / (1 + np.abs(bracket).max() + np.abs(expected).max())))
    if len(errors) < effort.count(60, 1_500) // 2:
        raise CheckFailed(f"only {len(errors)} networks came up whose other gates stay: the attack tries too little")
    return errors_below(
        f"{' or '.join(map(str, layers))} layers with biases, 0 to 3 students on the teacher's boundary, either way, seed 822: second difference over its step",
        errors,
        1e-9,
    )


def _same_gates(student: DeepReLU, teacher: DeepReLU, points: np.ndarray, here: int) -> bool:
    """Whether only the nodes on the boundary change their gates between the points."""
    first = (
        np.concatenate([student.activations(points)[0][:, here:], teacher.activations(points)[0][:, 1:]], axis=1) > 0
    )
    above = [values > 0 for net in (student, teacher) for values in net.activations(points)[1:-1]]
    return all(bool(np.all(gates == gates[:1])) for gates in (first, *above))


CLAIMS = (
    Claim(
        name="specialization.thm2",
        source="Theorem 2, 8.9, as printed",
        statement=r"Two layers, teacher nodes not co-linear, their boundaries visible in $R_0$. At an SGD critical point, if teacher $j$ is observed by student $k$ and $\alpha_{kj}\ne0$, then some student has $w_{k'}=\gamma w_j^*$ with $\gamma>0$.",
        expected=Verdict.REFUTED,
        check=_printed_theorem_two,
    ),
    Claim(
        name="specialization.thm2.mended",
        source="Theorem 2, 8.9, up to sign, the boundary seen inside the data",
        statement=r"Two layers, biases allowed; $R_0$ open; teacher nodes with $\tilde w_j^*\ne0$ and distinct boundaries; $g_1=0$ on $R_0$, as at an SGD critical point. If some $x\in R_0$ lies on the boundary of teacher $j$, student $k$ is active there and $\alpha_{kj}\ne0$, then some student has $w_{k'}=\gamma w_j^*$ with $\gamma\ne0$. Over all students on that boundary, $\sum_{k'}\beta_{kk'}\|\tilde w_{k'}\|=\alpha_{kj}\|\tilde w_j^*\|$.",
        expected=Verdict.PROVED,
        check=_theorem_two,
        uses=("specialization.lemma1", "specialization.lemma3.mended", "specialization.thm1"),
    ),
    Claim(
        name="specialization.thm4",
        source="Theorem 4, 8.12, as printed",
        statement=r"Any number of layers, teacher nodes not co-linear, their boundaries visible. At an SGD critical point, if teacher $j$ of the first layer has a region $R$ of constant $A_1$, $B_1$ and a student $k$ with $\partial E_j^*\cap E_k\cap R\ne\emptyset$ and $\alpha_{kj}(R)\ne0$, then some student has $w_{k'}=\gamma w_j^*$ with $\gamma>0$.",
        expected=Verdict.REFUTED,
        check=_printed_theorem_four,
    ),
    Claim(
        name="specialization.thm4.mended",
        source="Theorem 4, 8.12, up to sign",
        statement=r"Any number of layers; $R\subset R_0$ open, with one activation pattern of the layers above the first; $g_1=0$ on $R$; teacher nodes of the first layer with $\tilde w_j^*\ne0$ and distinct boundaries. If some $x\in R$ lies on the boundary of teacher $j$, student $k$ is active there and $\alpha_{kj}(R)\ne0$, then some student has $w_{k'}=\gamma w_j^*$ with $\gamma\ne0$, and $\sum_{k'}\beta_{kk'}(R)\|\tilde w_{k'}\|=\alpha_{kj}(R)\|\tilde w_j^*\|$ over all students on that boundary.",
        expected=Verdict.PROVED,
        check=_theorem_four,
        uses=(
            "specialization.thm1",
            "specialization.lemma1",
            "specialization.cor1",
            "specialization.lemma3.mended",
            "specialization.thm2.mended",
        ),
    ),
)
