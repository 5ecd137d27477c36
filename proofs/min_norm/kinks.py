"""Section 4 of the min_norm paper: kappa, the sum of the jumps of the gradient, equation (8) and Remark 4.3."""

from __future__ import annotations

import numpy as np
import sympy as sp

from alignmath import plane
from alignmath.networks import TwoLayer

from ..engine.attacks import errors_below, none_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from . import formulas
from .samples import cost_of, gradient_variation, random_directions

__all__ = ["CLAIMS"]

a, r, phi, t = sp.symbols("a r phi t", real=True)
c_1, c_2 = sp.symbols("c_1 c_2", real=True)
u = sp.Matrix(sp.symbols("u_1 u_2", real=True))


def _single_neuron(effort: Effort) -> Outcome:
    d = Derivation()
    height = r * sp.cos(t - phi)
    for end, name, side in ((phi - sp.pi / 2, "first", 1), (phi + sp.pi / 2, "second", -1)):
        d.identity(
            f"{name} kink",
            height.subs(t, end),
            0,
            r"At $x=(\cos t,\sin t)$ and $b=r(\cos\phi,\sin\phi)$, $b\cdot x=r\cos(t-\phi)$.",
            shown=rf"b\cdot x=0\text{{ at }}t=\phi{'-' if side > 0 else '+'}\tfrac\pi2",
        )
        d.identity(
            f"the neuron switches at the {name} kink",
            side * sp.diff(height, t).subs(t, end),
            r,
            r"$b\cdot x$ changes sign there, with slope $\pm r$: on one side the gradient is $a\,b$, on the other 0.",
            shown=rf"\frac{{d}}{{dt}}\,b\cdot x={'' if side > 0 else '-'}r",
        )
    b = r * sp.Matrix([sp.cos(phi), sp.sin(phi)])
    step = formulas.jump(a, b, 1)
    d.identity(
        "squared size of a jump",
        step.dot(step),
        a**2 * r**2,
        "Each of the two jumps has length $|a|\\,|b|$, so that $\\kappa=2|a|\\,|b|$.",
        shown=r"|a\,b|^2=a^2r^2",
    )
    d.argument(
        "no other kink",
        r"Away from these two angles the gradient is constant.",
        "The neuron is linear where it is active, and 0 where it is not.",
        refuted_by="a neuron whose gradient has another total variation around the circle",
        attack=lambda: _variation_attack(effort, 1),
    )
    return d.proved("two jumps, each of length $|a|\\,|b|$")


def _variation_attack(effort: Effort, most: int) -> Attack:
    """The total variation of the gradient around the circle against `2 sum_lines |sum of masses|`."""
    rng = np.random.default_rng(401)
    errors = []
    for _ in range(effort.count(300, 5_000)):
        network, line = _with_shared_lines(rng, int(rng.integers(1, most + 1)))
        masses = np.asarray(network.output) * np.linalg.norm(network.hidden, axis=1)
        expected = 2 * np.abs(np.bincount(line, masses)).sum()
        values = gradient_variation(network), plane.kappa(network)
        errors += [abs(value - expected) / cost_of(network) for value in values]
    return errors_below(
        f"networks of up to {most} neurons, some co-linear, both signs, seed 401: kappa from gradients between kinks, and the library's kappa",
        errors,
        1e-12,
    )


def _with_shared_lines(rng: np.random.Generator, neurons: int) -> tuple[TwoLayer, np.ndarray]:
    """A random network some of whose neurons share lines, and the line of each neuron."""
    line = rng.integers(0, neurons, neurons)
    units = random_directions(rng, neurons)[line] * rng.choice([-1.0, 1.0], neurons)[:, None]
    return TwoLayer(
        units * rng.uniform(0.2, 2, neurons)[:, None], rng.choice([-1, 1], neurons) * rng.uniform(0.2, 2, neurons)
    ), line


def _triangle(effort: Effort) -> Outcome:
    d = Derivation()
    step = formulas.jump(c_1, u, 1) + formulas.jump(c_2, u, 1) - formulas.jump(c_1 + c_2, u, 1)
    d.identity(
        "jumps add up",
        step,
        sp.zeros(2, 1),
        "The gradient of a sum is the sum of the gradients, also its limits from either side.",
        shown=r"\Delta\nabla(f_1+f_2)=\Delta\nabla f_1+\Delta\nabla f_2",
    )
    d.argument(
        "triangle inequality",
        r"At each angle $|\Delta\nabla(f_1+f_2)|\le|\Delta\nabla f_1|+|\Delta\nabla f_2|$; sum over the finitely many angles at which one of them jumps.",
        "The Euclidean norm is subadditive.",
        refuted_by=r"two networks with $\kappa(f_1+f_2)>\kappa(f_1)+\kappa(f_2)$",
        attack=lambda: _sum_attack(effort),
    )
    return d.proved("jumps add up, and their lengths obey the triangle inequality")


def _sum_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(402)
    margins = []
    for _ in range(effort.count(200, 5_000)):
        whole, _ = _with_shared_lines(rng, int(rng.integers(2, 8)))
        cut = int(rng.integers(1, whole.width))
        first, second = (TwoLayer(whole.hidden[part], whole.output[part]) for part in (slice(cut), slice(cut, None)))
        parts = gradient_variation(first) + gradient_variation(second)
        margins.append(parts - gradient_variation(whole) + 1e-12 * parts)
    return none_below(
        "random networks cut in two, with shared lines, seed 402: by how much the sum falls short", margins
    )


def _below_cost(effort: Effort) -> Outcome:
    d = Derivation("min_norm.rem4.3.1", "min_norm.rem4.3.2")
    d.identity(
        "opposite neurons jump alike",
        formulas.jump(c_1, u, 1) + formulas.jump(c_2, -u, -1),
        (c_1 + c_2) * u,
        r"Towards $u\cdot x>0$, $c_1\sigma(u\cdot x)$ comes on and $c_2\sigma(-u\cdot x)$ goes off: both add a multiple of $u$. So with $C_\ell$ the sum of all signed masses $a_j|b_j|$ on the line $\ell$, both directions together, $\kappa(f)=2\sum_\ell|C_\ell|$.",
        shown=r"c_1u-c_2(-u)=(c_1+c_2)u",
    )
    d.argument(
        "bound and equality",
        r"So $\kappa(f)=2\sum_\ell|C_\ell|\le2\sum_j|a_j|\,|b_j|$, with equality if and only if no line carries masses of both signs. (The bound is also `min_norm.rem4.3.1` and `min_norm.rem4.3.2`.)",
        "The triangle inequality on each line.",
        refuted_by=r"a network whose gradient has a total variation other than $2\sum_\ell|C_\ell|$",
        attack=lambda: _variation_attack(effort, 8),
    )
    pair = [(1, (1, 0)), (-1, (-1, 0))]
    tilted = [*pair, (1, (0, 1))]
    d.certificate(
        "strict for an opposite pair",
        formulas.kappa(pair) == 0
        and formulas.cost(pair) == 2
        and formulas.kappa(tilted) == 2
        and formulas.cost(tilted) == 3,
        r"$\kappa(\sigma(x_1)-\sigma(-x_1))=0<4$: the sum is the linear function $x_1$. With $\sigma(x_2)$ added: $2<6$.",
        reason="gradients in every wedge, exactly",
    )
    return d.proved("$\\kappa=2\\sum_\\ell|C_\\ell|$; equality exactly when no line carries both signs")


def _teacher_kappa(effort: Effort) -> Outcome:
    d = Derivation()
    teacher = formulas.opposite_teacher()
    d.certificate(
        "all masses are 1",
        all(formulas.cost([neuron]) == 1 for neuron in teacher),
        r"$f^*=\sigma(e\cdot x)-\sigma(-e\cdot x)+\sigma(b\cdot x)$, $e=(1,0)$, $b=(-\frac{\sqrt3}2,\frac12)$, $m_0=3$.",
        reason="exact",
    )
    d.certificate(
        "its kappa",
        formulas.kappa(teacher) == 2,
        r"$\kappa(f^*)=2$, not $2m_0=6$: the first two neurons add up to the linear function $e\cdot x$.",
        reason="gradients in every wedge, in $\\mathbb{Q}(\\sqrt3)$",
    )
    return d.refuted(
        "two neurons in opposite directions and of opposite sign have no kink: $\\kappa(f^*)=2$ for $m_0=3$"
    )


def _teacher_kappa_mended(effort: Effort) -> Outcome:
    d = Derivation("min_norm.rem4.3.3")
    d.argument(
        "equality case",
        r"$\kappa(f^*)=2\sum_\ell|C_\ell|$ equals $2\sum_j|a_j^*|\,|b_j^*|$ exactly when no line carries both signs (`min_norm.rem4.3.3`).",
        "The equality case of that claim, for the teacher.",
        refuted_by="a teacher for which one of the two holds without the other",
        attack=lambda: _equality_attack(effort),
    )
    for name, teacher, expected in (
        ("equal signs, opposite directions", [(1, (1, 0)), (1, (-1, 0))], 4),
        ("distinct lines", [(1, (1, 0)), (-1, (0, 1))], 4),
    ):
        d.certificate(
            name,
            formulas.kappa(teacher) == expected == 2 * formulas.cost(teacher),
            rf"$\kappa(f^*)={expected}=2m_0$.",
            reason="gradients in every wedge, exactly",
        )
    return d.proved("if and only if no two co-linear neurons have opposite signs; almost surely for random teachers")


def _equality_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(403)
    margins = []
    for _ in range(effort.count(300, 5_000)):
        network, line = _with_shared_lines(rng, int(rng.integers(1, 6)))
        output = np.asarray(network.output)
        mixed = any(len(set(np.sign(output[line == k]))) > 1 for k in line)
        short = (2 * cost_of(network) - gradient_variation(network)) / cost_of(network)
        margins.append(short - 1e-9 if mixed else 1e-12 - abs(short))
    return none_below(
        "random teachers, lines shared or not, seed 403: shortfall of kappa, above 0 exactly when signs are mixed",
        margins,
    )


CLAIMS = (
    Claim(
        "min_norm.rem4.3.1",
        "Remark 4.3, 1",
        r"$\kappa(a\,\sigma(b\cdot x))=2|ab|$.",
        Verdict.PROVED,
        _single_neuron,
    ),
    Claim(
        "min_norm.rem4.3.2",
        "Remark 4.3, 2",
        r"$\kappa(f_1+f_2)\le\kappa(f_1)+\kappa(f_2)$.",
        Verdict.PROVED,
        _triangle,
    ),
    Claim(
        "min_norm.rem4.3.3",
        "Remark 4.3, 3, with its equality case",
        r"$\kappa(f_m)=2\sum_\ell|C_\ell|\le2\sum_j|a_jb_j|$, $C_\ell$ the sum of the signed masses on the line $\ell$; with equality if and only if no line carries both signs.",
        Verdict.PROVED,
        _below_cost,
        uses=("min_norm.rem4.3.1", "min_norm.rem4.3.2"),
    ),
    Claim(
        "min_norm.teacher_kappa",
        "after Remark 4.3, as printed",
        r"$\kappa(f^*)=2\sum_j|a_j^*b_j^*|=2m_0$ for every teacher with $|a_j^*b_j^*|=1$.",
        Verdict.REFUTED,
        _teacher_kappa,
    ),
    Claim(
        "min_norm.teacher_kappa.mended",
        "after Remark 4.3, hypothesis added",
        rf"$\kappa(f^*)=2\sum_j|a_j^*b_j^*|$ if and only if {formulas.NO_OPPOSITES}.",
        Verdict.PROVED,
        _teacher_kappa_mended,
        uses=("min_norm.rem4.3.3",),
    ),
)
