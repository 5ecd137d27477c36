"""The problem (5) and Section 4 of the min_norm paper: zero population risk (Proposition 4.2), equation (9), opposite neurons."""

from __future__ import annotations

import numpy as np
import sympy as sp

from alignmath.networks import TwoLayer

from ..engine.attacks import errors_below, none_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import formulas
from .samples import cost_of, function_gap, gradient_variation, random_directions

__all__ = ["CLAIMS"]


def _lifting(effort: Effort) -> Outcome:
    d = Derivation()
    p, q = sp.symbols("p q", positive=True)
    d.identity(
        "balancing",
        p**2 + q**2 - 2 * p * q,
        (p - q) ** 2,
        r"$p=|a_j|$, $q=|b_j|$: $a_j^2+|b_j|^2\ge2|a_j|\,|b_j|$ with equality where $|a_j|=|b_j|$; $(a_j/s,s\,b_j)$ with $s^2=|a_j|/|b_j|$ is balanced and computes the same.",
        shown=r"p^2+q^2-2pq=(p-q)^2",
    )
    s = sp.Symbol("s", positive=True)
    for name, height in (("active", sp.Symbol("h", positive=True)), ("inactive", sp.Symbol("h", negative=True))):
        d.identity(
            f"the same function, {name}",
            (p / s) * sp.Max(s * height, 0),
            p * sp.Max(height, 0),
            "The ReLU is positively homogeneous.",
            shown=r"\frac as\,\sigma(s\,b\cdot x)=a\,\sigma(b\cdot x)",
        )
    d.argument(
        "merging",
        r"The directions at right angles to samples cut the circle into at most $2N$ wedges. Two neurons $c\,\sigma(v\cdot x)$, $c\,\sigma(w\cdot x)$, $c=\pm1$, with $v$, $w$ in one closed wedge can be replaced by $c\,\sigma((v+w)\cdot x)$: the same values at the samples, no larger mass. So one neuron for each wedge and sign, $4N$ in all, is enough.",
        r"At each sample $v\cdot x_i$ and $w\cdot x_i$ are both $\ge0$ or both $\le0$, so $\sigma$ is additive on them; $|v+w|\le|v|+|w|$.",
        refuted_by="samples and two neurons of one pattern whose sum has other values at the samples, or more mass",
        attack=lambda: _merge_attack(effort),
    )
    return d.proved(
        "balanced neurons, then one vector for each pattern and sign: a convex program, exact for every width $m\\ge4N$"
    )


def _merge_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(404)
    errors = []
    while len(errors) < effort.count(300, 5_000):
        x = random_directions(rng, 8)
        v = random_directions(rng, 1)[0] * rng.uniform(0.1, 3)
        w = (v + 0.3 * rng.standard_normal(2)) * rng.uniform(0.1, 3)
        if np.array_equal(x @ v > 0, x @ w > 0):
            apart = np.maximum(x @ v, 0) + np.maximum(x @ w, 0)
            longer = np.linalg.norm(formulas.merged(v, w)) - np.linalg.norm(v) - np.linalg.norm(w)
            errors.append(np.abs(np.maximum(x @ formulas.merged(v, w), 0) - apart).max() + max(longer, 0))
    return errors_below("8 random samples, pairs of neurons of one pattern, seed 404", errors, 1e-13)


def _population(effort: Effort) -> Outcome:
    d = Derivation()
    teacher, student = formulas.opposite_teacher(), formulas.regrouped()
    d.certificate(
        "hypothesis",
        all(formulas.cost([neuron]) == 1 for neuron in teacher),
        r"$f^*=\sigma(e\cdot x)-\sigma(-e\cdot x)+\sigma(b\cdot x)$ with $e=(1,0)$, $b=(-\frac{\sqrt3}2,\frac12)$: $m_0=3$, all $|a_j^*b_j^*|=1$.",
        reason="exact",
    )
    d.certificate(
        "the same function",
        formulas.same_function(teacher, student),
        r"$f=\frac{2-\sqrt3}2\sigma(b\cdot x)+\frac{\sqrt3}2\sigma(-b\cdot x)+\frac12\sigma(l\cdot x)-\frac12\sigma(-l\cdot x)$, $l=(\frac12,\frac{\sqrt3}2)$, has the teacher's gradient in every wedge between kinks of either.",
        reason="in $\\mathbb{Q}(\\sqrt3)$",
    )
    d.certificate(
        "at lower cost",
        formulas.cost(student) == 2,
        r"$\sum_j|a_j|\,|b_j|=2$, so with balanced neurons $|\theta|^2=4<6=2m_0$.",
        reason="in $\\mathbb{Q}(\\sqrt3)$",
    )
    p, q, g, h = masses = sp.symbols("p_1 p_2 q_1 q_2")
    e, b = sp.Matrix([1, 0]), sp.Matrix(teacher[2][1])
    wanted = [p + q, g + h - 1, *((p - q) * e + (g - h) * b - 2 * e - b)]
    solutions = sp.solve(wanted, masses, dict=True)
    d.certificate(
        "condensed students cost 3",
        solutions == [{p: 1, q: -1, g: 1, h: 0}],
        r"A condensed student is $p_1\sigma(e\cdot x)+p_2\sigma(-e\cdot x)+q_1\sigma(b\cdot x)+q_2\sigma(-b\cdot x)$, sums of the masses in these directions. Its kinks ($p_1+p_2=0$, $q_1+q_2=1$) and its odd part, $((p_1-p_2)e+(q_1-q_2)b)/2=e+b/2$, leave only the teacher: "
        "$\\sum_j|a_j|\\,|b_j|\\ge|p_1|+|p_2|+|q_1|+|q_2|=3$.",
        reason="exact linear algebra",
    )
    w = sp.Symbol("w", real=True)
    d.identity(
        "the least cost is 2",
        (1 - sp.sqrt(3) * w + w**2) - ((w - sp.sqrt(3) / 2) ** 2 + sp.Rational(1, 4)),
        0,
        r"With mass $w$ at $-b$ and $1-w$ at $b$ the rest must be the linear function $(e+wb)\cdot x$, at cost at least $2|e+wb|\ge1$, and $|w|+|1-w|\ge1$. So every student costs at least 2: the one above is a minimiser.",
        shown=r"|e+wb|^2=(w-\tfrac{\sqrt3}2)^2+\tfrac14",
    )
    return d.refuted(
        "an equal function of cost 2 < 3; condensed students cost at least 3, so no minimiser is condensed, and $|\\theta|^2=4\\ne2m_0$"
    )


def _population_mended(effort: Effort) -> Outcome:
    d = Derivation("min_norm.rem4.3.3", "min_norm.eq5")
    d.argument(
        "kinks decide the masses",
        r"Let $C_\ell$, $C_\ell^*$ be the sums of signed masses of student and teacher on the line $\ell$. At a point of the hyperplane $\ell^\perp$ that lies on no other kink the gradient jumps by $C_\ell u$, $u$ a unit vector of $\ell$ (`min_norm.rem4.3.3`, in any dimension). Equal functions have equal jumps: $C_\ell=C_\ell^*$ for every line.",
        "Finitely many hyperplanes do not cover another one, and every point of the circle or sphere can be scaled.",
        refuted_by="equal functions with other sums of masses on a line",
        attack=lambda: _same_masses_attack(effort),
    )
    x, y = sp.symbols("x y", positive=True)
    z = sp.Symbol("z", positive=True)
    d.sign(
        "both signs cost more",
        (x + y + z) + x - (y + z),
        2 * x,
        positive={x: (x, "manifest")},
        statement=r"On a line with $C_\ell^*=y+z>0$, a mass $-x<0$ forces positive masses of at least $x+y+z$: the cost exceeds $|C_\ell^*|$ by $2x$.",
        shown=r"(x+y+z)+x-(y+z)=2x>0",
    )
    d.argument(
        "cost line by line",
        r"So $\sum_j|a_j|\,|b_j|\ge\sum_\ell|C_\ell^*|=\sum_k|a_k^*|\,|b_k^*|$, the last as the teacher's masses on a line have one sign. Equality holds if and only if the student has no mass on other lines and only the teacher's sign on each. The teacher attains it, and $|\theta|^2$ is twice this cost for balanced neurons, more for others (`min_norm.eq5`).",
        "The triangle inequality on each line and its equality case; silent neurons have mass 0 and belong to any group.",
        refuted_by="a student equal to the teacher, with masses off its lines or of the other sign, that costs no more",
        attack=lambda: _cost_attack(effort),
    )
    return d.proved(
        "each line's total mass is read off the kink of the function; in every dimension, for masses of any size"
    )


def _equal_students(effort: Effort, seed: int) -> list[tuple[TwoLayer, TwoLayer]]:
    """Teachers without opposite signs on a line, and students equal to them: masses split, moved to the other end of the line, and linear functions added that cancel."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(effort.count(200, 4_000)):
        m = int(rng.integers(1, 6))
        units, masses = random_directions(rng, m), rng.choice([-1, 1], m) * rng.uniform(0.2, 2, m)
        moved = rng.uniform(-0.3, 1.3, m) * masses
        linear = -(moved[:, None] * -units).sum(axis=0)  # what the moved masses changed, to be put back
        pieces = rng.uniform(0, 1, 3)
        pieces /= pieces.sum()
        extra = np.concatenate([pieces[:, None] * linear, -pieces[:, None] * linear])
        turned = rng.standard_normal((1, 2))
        extra = np.concatenate([extra, turned, -turned, turned, -turned])
        signs = np.array([1, 1, 1, -1, -1, -1, 1, -1, -1, 1.0])
        hidden = np.concatenate([units, -units, extra])
        output = np.concatenate([masses - moved, moved, signs])
        pairs.append((TwoLayer(units, masses), TwoLayer(hidden, output)))
    return pairs


def _same_masses_attack(effort: Effort) -> Attack:
    errors = []
    for teacher, student in _equal_students(effort, 405):
        m = teacher.width
        sums = np.asarray(student.output)[:m] + np.asarray(student.output)[m : 2 * m]
        rest = TwoLayer(student.hidden[2 * m :], student.output[2 * m :])
        masses = np.abs(sums - teacher.output).max() + gradient_variation(rest)
        errors.append((masses + function_gap(teacher, student)) / cost_of(student))
    return errors_below(
        "students equal to random teachers, with moved masses and linear functions, seed 405: difference of the functions, and of the sums of masses on each line",
        errors,
        1e-12,
    )


def _cost_attack(effort: Effort) -> Attack:
    margins = [
        (cost_of(student) - cost_of(teacher)) / cost_of(teacher) for teacher, student in _equal_students(effort, 406)
    ]
    return none_below("the same, seed 406: what the student costs more, relative", margins)


def _equation_nine(effort: Effort) -> Outcome:
    d = Derivation()
    student = formulas.regrouped()
    d.certificate(
        "a student in F",
        formulas.same_function(formulas.opposite_teacher(), student),
        "The student of Proposition 4.2's refutation equals its teacher, $m_0=3$.",
        reason="in $\\mathbb{Q}(\\sqrt3)$",
    )
    d.certificate(
        "the second inequality",
        formulas.cost(student) == 2 and formulas.cost(formulas.opposite_teacher()) == 3,
        r"$2\sum_j|a_jb_j|=4<6=2\sum_j|a_j^*b_j^*|$.",
        reason="in $\\mathbb{Q}(\\sqrt3)$",
    )
    d.certificate(
        "the left side",
        sp.sqrt(1**2 + 1**2) != 1**2 + 1**2,
        r"One neuron with $a=1$, $|b|=1$: $|\theta|_2=\sqrt2$, but the middle is 2. A square is missing.",
        reason="exact",
    )
    return d.refuted("4 < 6 for co-linear neurons of opposite sign; and the left side must be squared")


def _equation_nine_mended(effort: Effort) -> Outcome:
    d = Derivation("min_norm.prop4.2.mended")
    p, q = sp.symbols("p q", positive=True)
    d.identity(
        "first inequality",
        p**2 + q**2 - 2 * p * q,
        (p - q) ** 2,
        r"$p=|a_j|$, $q=|b_j|$; equality if and only if $|a_j|=|b_j|$ for every $j$.",
        shown=r"a_j^2+|b_j|^2-2|a_j|\,|b_j|=(|a_j|-|b_j|)^2\ge0",
    )
    d.identity(
        "attained",
        (1 + 1) - 2 * p * q / (p * q),
        0,
        r"$a_j=a_j^*/|a_j^*|$ and $b_j=b_j^*/|b_j^*|$, where $|a_j^*|\,|b_j^*|=1$: each neuron adds $1+1$.",
        shown=r"a_j^2+|b_j|^2=2=2|a_j^*|\,|b_j^*|",
    )
    d.argument(
        "second inequality",
        r"$\sum_j|a_j|\,|b_j|\ge\sum_k|a_k^*|\,|b_k^*|$ is `min_norm.prop4.2.mended`.",
        "Its hypothesis is this one.",
        refuted_by="a student equal to the teacher with a smaller squared norm",
        attack=lambda: _cost_attack(effort),
    )
    return d.proved("AM-GM with its equality case, then Proposition 4.2 as mended; attained")


def _opposite_neurons(effort: Effort) -> Outcome:
    d = Derivation("min_norm.prop4.2.mended")
    s, w, eps = sp.symbols("s t epsilon", real=True)
    for side, value in (("positive", sp.Symbol("h", positive=True)), ("negative", sp.Symbol("h", negative=True))):
        change = eps * (s * sp.Max(value, 0) + w * sp.Max(-value, 0)) - eps * (s + w) * sp.Max(value, 0)
        d.identity(
            f"moving mass to the opposite direction, {side} side",
            change,
            -eps * w * value,
            r"A minimiser has, on the line of $b_k^*$ (unit $u_k$, sign $\epsilon_k$, mass $\mu_k$), masses $s_k$ along $u_k$ and $t_k=\mu_k-s_k$ opposite to it, all of sign $\epsilon_k$ (`min_norm.prop4.2.mended`); $h=u_k\cdot x$.",
            shown=r"\epsilon(s\,\sigma(h)+t\,\sigma(-h))-\epsilon(s+t)\,\sigma(h)=-\epsilon\,t\,h",
        )
    d.argument(
        "both ways",
        r"So $f-f^*=-\big(\sum_kt_k\epsilon_ku_k\big)\cdot x$, and $f=f^*$ if and only if the opposite neurons' vectors, $-t_k\epsilon_ku_k$, add up to 0. Then the cost is $\sum_k(s_k+t_k)=\sum_k\mu_k$: every such student is a minimiser.",
        "A linear function that vanishes on the circle is 0.",
        refuted_by="a condensed student for which one holds without the other",
        attack=lambda: _opposite_attack(effort),
    )
    corners = [sp.Matrix([sp.cos(2 * sp.pi * k / 3), sp.sin(2 * sp.pi * k / 3)]) for k in range(3)]
    kernel = sp.Matrix.hstack(*corners).nullspace()
    d.certificate(
        "the paper's own teacher",
        len(kernel) == 1 and kernel[0] == sp.ones(3, 1),
        r"Three neurons at 120 degrees: $\sum_kt_ku_k=0$ if and only if $t_1=t_2=t_3$. The minimisers are a one-parameter family, $t\in[0,1]$: the minimum-norm network is not unique, though its function is.",
        reason="kernel of a matrix over $\\mathbb{Q}(\\sqrt3)$",
    )
    family = lambda w: [(1 - w, tuple(v)) for v in corners] + [(w, tuple(-v)) for v in corners]  # noqa: E731
    d.certificate(
        "a member of the family",
        formulas.same_function(family(sp.Rational(1, 3)), family(0))
        and formulas.cost(family(sp.Rational(1, 3))) == 3
        and not formulas.same_function([*family(0)[:2], (1, tuple(-corners[2]))], family(0)),
        r"$t=\frac13$: the same function, cost 3. With one neuron turned and the others left, another function.",
        reason="gradients in every wedge, in $\\mathbb{Q}(\\sqrt3)$",
    )
    return d.proved("$f-f^*=-(\\sum_kt_k\\epsilon_ku_k)\\cdot x$; for the 120-degree teacher a one-parameter family")


def _opposite_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(407)
    errors = []
    for _ in range(effort.count(200, 5_000)):
        m = int(rng.integers(1, 6))
        units, masses = random_directions(rng, m), rng.uniform(0.2, 2, m)
        signs, moved = rng.choice([-1.0, 1.0], m), rng.uniform(0, 1, m) * masses
        student = TwoLayer(np.concatenate([units, -units]), np.concatenate([signs * (masses - moved), signs * moved]))
        left = np.linalg.norm((moved * signs) @ units)
        errors.append(abs(function_gap(TwoLayer(units, signs * masses), student) - left) / masses.sum())
    return errors_below(
        "random condensed students, seed 407: largest |f - f*| on the circle against the length of the sum",
        errors,
        1e-4,
    )


CLAIMS = (
    Claim(
        "min_norm.eq5",
        "equation (5)",
        r"In the plane, for $N$ samples and width $m\ge4N$, the least $|\theta|^2$ of an interpolating network is twice the least $\sum_j|a_j|\,|b_j|$, and one neuron for each wedge (activation pattern) and sign attains it: a convex program.",
        Verdict.PROVED,
        _lifting,
    ),
    Claim(
        "min_norm.prop4.2",
        "Proposition 4.2, as printed",
        r"If $|a_k^*b_k^*|=1$, a minimum-norm student with $f=f^*$ on the circle is condensed and has $\sum_j|a_j^{(k)}b_j^{(k)}|=1$ for each $k$.",
        Verdict.REFUTED,
        _population,
    ),
    Claim(
        "min_norm.prop4.2.mended",
        "Proposition 4.2, hypothesis added, every dimension",
        rf"Let the teacher have nonzero weights of any size such that {formulas.NO_OPPOSITES}. In $\mathbb{{R}}^d$, $d\ge2$, a student with $f=f^*$ has least norm if and only if it is balanced, condensed, has the teacher's sign on each line, and there $\sum_j|a_jb_j|$ is the teacher's. The least $|\theta|^2$ is $2\sum_k|a_k^*|\,|b_k^*|$.",
        Verdict.PROVED,
        _population_mended,
        uses=("min_norm.rem4.3.3", "min_norm.eq5"),
    ),
    Claim(
        "min_norm.eq9",
        "equation (9), as printed",
        r"For every teacher with $|a_j^*b_j^*|=1$ and student with $f=f^*$: $|\theta|_2=\sum_j(a_j^2+|b_j|^2)\ge2\sum_j|a_jb_j|\ge2\sum_j|a_j^*b_j^*|=2m_0$.",
        Verdict.REFUTED,
        _equation_nine,
    ),
    Claim(
        "min_norm.eq9.mended",
        "equation (9), squared, hypothesis added",
        rf"If {formulas.NO_OPPOSITES}, $|\theta|_2^2=\sum_j(a_j^2+|b_j|^2)\ge2\sum_j|a_jb_j|\ge2\sum_j|a_j^*b_j^*|=2m_0$, and the bound is attained.",
        Verdict.PROVED,
        _equation_nine_mended,
        uses=("min_norm.prop4.2.mended",),
    ),
    Claim(
        "min_norm.rem4.4.2",
        "Remark 4.4, 2",
        rf"If {formulas.NO_OPPOSITES}: a condensed student with the teacher's sign and mass on each line equals the teacher if and only if its opposite-direction neurons $a_jb_j$ add up to 0.",
        Verdict.PROVED,
        _opposite_neurons,
        uses=("min_norm.prop4.2.mended",),
    ),
)
