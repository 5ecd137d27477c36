"""Derived = computed: the formulas that `alignmath` evaluates, derived by the symbolic engine and compared with the code.

Each claim has identities, between what `gaussian_integrals` derives and the formula that a docstring states, and an argument "the code
computes this formula", attacked at random angles and next to 0 and pi."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from alignmath import TwoLayer, gaussian, population
from alignmath.networks import gaussian_weights

from .alignment import formulas
from .engine.attacks import errors_below
from .engine.claims import Attack, Claim, Effort, Outcome, Verdict
from .engine.derivation import Derivation
from .gaussian_integrals import expectation, matrix_expectation, to_function, vector_expectation

__all__ = ["CLAIMS", "ORDERS"]

pi = sp.pi
u, v = sp.symbols("u v")
t = sp.Symbol("theta")
ORDERS = 5
"""Arc-cosine kernels are derived up to this order, moments `E[u_+^p v_+^q]` up to p, q = 4."""


def _relu(x: Any) -> Any:
    return sp.Max(x, 0)


def _power(x: Any, p: int) -> Any:
    """`x_+^p`; the step function for p = 0."""
    return _relu(x) ** p if p else sp.Heaviside(x)


def _angles(effort: Effort, seed: int) -> np.ndarray:
    """Random angles, and angles as near to 0 and pi as 1e-15."""
    rng = np.random.default_rng(seed)
    near = 10 ** rng.uniform(-15, 0, effort.count(100, 5_000))
    return np.concatenate([rng.uniform(0, np.pi, effort.count(300, 50_000)), near, np.pi - near, [0.0, np.pi]])


def _code_attack(
    what: str, angles: np.ndarray, pairs: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]]
) -> Attack:
    """The code against derived forms, which are evaluated by interpolants made in 250-digit arithmetic; relative errors."""
    errors = []
    for computed, derived in pairs:
        expected = derived(angles)
        errors.append(np.abs(computed(angles) - expected) / np.maximum(np.abs(expected), 1e-290))
    return errors_below(
        f"{what}: relative difference at random angles and within 1e-15 of 0 and pi", np.concatenate(errors), 1e-13
    )


def _moments(effort: Effort) -> Outcome:
    d = Derivation()
    s = sp.sin(t)
    for n in range(ORDERS + 1):
        turned = (pi - t) / s
        for _ in range(n):
            turned = sp.diff(turned, t) / s
        d.identity(
            f"arc-cosine kernel of order {n}",
            sp.expand_trig(2 * pi * expectation(_power(u, n) * _power(v, n), (u, v), t)),
            sp.expand((-1) ** n * s ** (2 * n + 1) * turned),
            "Left: derived in polar coordinates. Right: the formula of Cho and Saul (2009), by n-fold differentiation.",
            shown=rf"J_{n}(\theta)=2\pi E[u_+^{n}v_+^{n}]=(-1)^{n}\sin^{{{2 * n + 1}}}\theta\Big(\frac1{{\sin\theta}}\frac{{d}}{{d\theta}}\Big)^{n}\frac{{\pi-\theta}}{{\sin\theta}}",
        )
    pairs = [(p, q) for p in range(5) for q in range(p + 1)] + [(5, 5)]
    d.argument(
        "the code computes them",
        rf"relu_moment(p, q, theta) is $E[u_+^pv_+^q]$ for all $p,q\le4$ and $p=q=5$, and arc_cosine_kernel(n, x, y) is $|x|^n|y|^nJ_n/\pi$ for $n\le{ORDERS}$.",
        "The code takes Stein's recursion and a hypergeometric series; both equal the derived forms.",
        refuted_by="an angle where code and derived form differ by more than 1e-13 of the value",
        attack=lambda: _moment_attack(effort, pairs),
    )
    return d.proved("derived in closed form, equal to Cho and Saul's, and to the code")


def _moment_attack(effort: Effort, pairs: list[tuple[int, int]]) -> Attack:
    angles = _angles(effort, 101)
    compared = []
    for p, q in pairs:
        derived = to_function(expectation(_power(u, p) * _power(v, q), (u, v), t), t)
        compared.append((lambda x, p=p, q=q: gaussian.relu_moment(p, q, x), derived))
        if p == q:
            plane = lambda x: np.stack([np.cos(x), np.sin(x)], axis=-1)  # noqa: E731
            safe = lambda x: np.minimum(x, 3.0)  # noqa: E731  # vectors of floats do not resolve angles next to pi
            compared.append(
                (
                    lambda x, n=p, plane=plane, safe=safe: (
                        gaussian.arc_cosine_kernel(n, [1.0, 0.0], plane(safe(x))) / 2
                    ),
                    lambda x, f=derived, safe=safe: f(safe(x)),
                )
            )
    return _code_attack("relu_moment and arc_cosine_kernel", angles, compared)


def _step_relu(effort: Effort) -> Outcome:
    d = Derivation()
    first, second = vector_expectation(sp.Heaviside(u) * _relu(v), (u, v), t)
    w_unit, v_unit = sp.symbols("w_1 v_1")
    d.identity(
        "pair term of the gradient",
        first * w_unit + second * v_unit,
        formulas.pair_term(w_unit, v_unit, 1, t),
        "For unit vectors w, v in any dimension; both sides are linear in the length of v and do not depend on that of w.",
        shown=r"E[x\,1(w\cdot x>0)\,\sigma(v\cdot x)]=\frac1{2\pi}\big[\sin\theta\,w+(\pi-\theta)\,v\big]",
    )
    d.identity(
        "product of two neurons",
        expectation(_relu(u) * _relu(v), (u, v), t),
        formulas.overlap(t),
        shown=r"E[\sigma(w\cdot x)\sigma(v\cdot x)]=\frac{f(\theta)}{2\pi}",
    )
    d.argument(
        "the code computes them",
        r"step_relu_vector is this vector, and population.loss and population.gradient are the sums over pairs of neurons: "
        r"$L=\frac12\sum c_kc_l|z_k||z_l|f(\theta_{kl})/2\pi$ and $\partial L/\partial w_i=a_i\sum_lc_lE[x\,1(w_i\cdot x>0)\,\sigma(z_l\cdot x)]$.",
        "The loss is a quadratic form in the neurons, and its derivative passes through the expectation.",
        refuted_by="networks for which code and derived sums differ by more than 1e-12 of their terms",
        attack=lambda: _population_attack(effort),
    )
    return d.proved("derived, equal to the stated formulas, and to the code")


def _neurons(effort: Effort, seed: int) -> list[tuple[TwoLayer, TwoLayer]]:
    """Students of 3 neurons and teachers of 2, any signs, in dimensions 2, 3 and 7."""
    rng = np.random.default_rng(seed)
    count = effort.count(200, 5_000)

    def draw(m: int, d: int) -> TwoLayer:
        return TwoLayer(gaussian_weights(m, d, rng, batch=(count,)).hidden, rng.standard_normal((count, m)))

    return [(draw(3, d), draw(2, d)) for d in (2, 3, 7)]


def _joined(student: TwoLayer, teacher: TwoLayer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neurons `(B, n, d)`, signed output weights `(B, n)` and angles `(B, n, n)` (by arccos: independent of the code)."""
    neurons = np.concatenate([student.hidden, teacher.hidden], axis=1)
    signed = np.concatenate([student.output, -teacher.output], axis=1)
    units = neurons / np.linalg.norm(neurons, axis=2)[..., None]
    cosines = np.clip(np.einsum("bid,bjd->bij", units, units), -1, 1)
    cosines[:, np.arange(units.shape[1]), np.arange(units.shape[1])] = 1.0
    return neurons, signed, np.arccos(cosines)


def _population_attack(effort: Effort) -> Attack:
    overlap = to_function(expectation(_relu(u) * _relu(v), (u, v), t), t)
    own, other = (to_function(part, t) for part in vector_expectation(sp.Heaviside(u) * _relu(v), (u, v), t))
    errors = []
    for student, teacher in _neurons(effort, 102):
        neurons, signed, angles = _joined(student, teacher)
        lengths = np.linalg.norm(neurons, axis=2)
        weights = signed * lengths
        loss = np.einsum("bi,bij,bj->b", weights, overlap(angles), weights) / 2
        size = np.abs(weights).sum(axis=1)
        errors.append(np.abs(population.loss(student, teacher) - loss) / size**2)
        m = student.width
        push = np.einsum("bij,bj->bi", own(angles)[:, :m], weights) / lengths[:, :m]
        pull = (
            np.einsum("bij,bjd->bid", other(angles)[:, :m], signed[..., None] * neurons)
            + push[..., None] * neurons[:, :m]
        )
        gradient = student.output[..., None] * pull
        slope = population.gradient(student, teacher).hidden
        errors.append(np.abs(slope - gradient).max(axis=(1, 2)) / (size * np.abs(student.output).max(axis=1)))
        vector = gaussian.step_relu_vector(neurons[:, 0], neurons[:, 1])
        derived = (
            own(angles)[:, 0, 1, None] * neurons[:, 0] / lengths[:, :1] * lengths[:, 1:2]
            + other(angles)[:, 0, 1, None] * neurons[:, 1]
        )
        errors.append(np.abs(vector - derived).max(axis=1) / lengths[:, 1])
    return errors_below(
        "loss, gradient and step_relu_vector in dimensions 2, 3, 7, over the size of their terms",
        np.concatenate(errors),
        1e-12,
    )


def _step_step(effort: Effort) -> Outcome:
    d = Derivation()
    identity, ww, wv, vv = matrix_expectation(sp.Heaviside(u) * sp.Heaviside(v), (u, v), t)
    c = sp.cos(t)
    swap = (2 * (1 + c), 2 * (1 - c))  # squared lengths of w + v and w - v
    for name, derived, stated in (
        ("identity", identity, (pi - t) / (2 * pi)),
        ("w w", ww, sp.sin(t) * (1 / swap[0] - 1 / swap[1]) / (2 * pi)),
        ("w v", wv, sp.sin(t) * (1 / swap[0] + 1 / swap[1]) / (2 * pi)),
        ("v v", vv, sp.sin(t) * (1 / swap[0] - 1 / swap[1]) / (2 * pi)),
    ):
        d.identity(
            f"coefficient of {name}",
            derived,
            stated,
            "With the unit vectors p, q along w + v and w - v; the matrix is expanded in the projections of w and v.",
            shown=r"E[xx^\top1(w\cdot x>0)1(v\cdot x>0)]=\frac1{2\pi}\big[(\pi-\theta)I+\sin\theta\,(pp^\top-qq^\top)\big]",
        )
    turn = sp.Symbol("s", real=True)
    d.identity(
        "angle to v of a vector turned out of the plane",
        sp.diff(sp.cos(turn) * sp.cos(t), turn).subs(turn, 0),
        0,
        r"For $w$ turned by $s$ orthogonally to the plane of $w$ and $v$, $\cos\theta(s)=\cos s\cos\theta$: stationary at $s=0$.",
        shown=r"\frac{d}{ds}\cos s\cos\theta\Big|_{s=0}=0",
    )
    target = sp.Matrix([sp.cos(t), sp.sin(t), 0])
    for name, turned, angle, bend, why in (
        (
            "in the plane of w and v",
            sp.Matrix([sp.cos(turn), sp.sin(turn), 0]),
            t - turn,
            sp.Matrix([0, 2 * sp.sin(t), 0]),
            "Turning the unit vector $w$ towards $v$, in the direction $n$, lowers $\\theta$ at rate 1.",
        ),
        (
            "out of it",
            sp.Matrix([sp.cos(turn), 0, sp.sin(turn)]),
            t,
            sp.Matrix([0, 0, sp.sin(t)]),
            "Orthogonally to the plane $\\theta$ is stationary.",
        ),
    ):
        d.identity(
            f"derivative of the pair term by the direction of w, {name}",
            sp.diff(formulas.pair_term(turned, target, 1, angle), turn).subs(turn, 0),
            bend / (2 * pi),
            why
            + " Along $w$ nothing changes: together $\\frac{\\sin\\theta}{2\\pi}(I+nn^\\top-uu^\\top)$, over $|w|$.",
            shown=r"\frac{d}{ds}\,\frac1{2\pi}\big[\sin\theta\,w+(\pi-\theta)v\big]=\frac1{2\pi}"
            + (r"\,2\sin\theta\,n" if bend[1] != 0 else r"\,\sin\theta\,\dot w"),
        )
    d.argument(
        "the code computes them",
        r"step_step_matrix is this matrix, and population.hessian has the blocks $a_ia_jE[xx^\top1\,1]$ and, on the diagonal, besides $a_i\sum_lc_l|z_l|\frac{\sin\theta}{2\pi|w_i|}(I+nn^\top-uu^\top)$.",
        "The second derivatives of the loss are the derivatives of the pair terms, by v (the matrix) and by w (the bend).",
        refuted_by="networks for which code and derived matrices differ by more than 1e-11 of their terms",
        attack=lambda: _hessian_attack(effort),
    )
    d.argument(
        "and the diagonal blocks",
        r"On the diagonal the code adds the bend of the last steps, summed over the neurons.",
        "The gradient's pair terms turn with the direction of $w_i$.",
        refuted_by="networks for which the Hessian differs from differences of the gradient by more than 1e-6",
        attack=lambda: _bend_attack(effort),
    )
    return d.proved("derived, equal to the stated formulas, and to the code")


def _hessian_attack(effort: Effort) -> Attack:
    parts = sp.lambdify(t, matrix_expectation(sp.Heaviside(u) * sp.Heaviside(v), (u, v), t), "numpy")
    errors = []
    for student, teacher in _neurons(effort, 103):
        neurons, _, angles = _joined(student, teacher)
        units = neurons / np.linalg.norm(neurons, axis=2)[..., None]
        w, v_unit, angle = units[:, 0], units[:, 1], angles[:, 0, 1, None, None]
        outer = lambda x, y: x[:, :, None] * y[:, None, :]  # noqa: E731
        identity, ww, wv, vv = parts(angle)
        matrix = (
            identity * np.eye(w.shape[1])
            + ww * outer(w, w)
            + wv * (outer(w, v_unit) + outer(v_unit, w))
            + vv * outer(v_unit, v_unit)
        )
        spread = 1 / np.sin(angle) ** 2  # the coefficients are larger than the matrix by this
        errors.append((np.abs(gaussian.step_step_matrix(w, v_unit) - matrix) / spread).max(axis=(1, 2)))
        curvature = population.hessian(student, teacher)
        off = student.output[:, 0, None, None] * student.output[:, 1, None, None] * matrix
        errors.append((np.abs(curvature[:, 0, :, 1, :] - off) / spread).max(axis=(1, 2)))
    return errors_below(
        "step_step_matrix and off-diagonal blocks of the Hessian, over the size of the coefficients",
        np.concatenate(errors),
        1e-11,
    )


def _bend_attack(effort: Effort) -> Attack:
    """The Hessian along random directions against differences of the gradient, which `computed.gradient` ties to its derivation."""
    rng = np.random.default_rng(105)
    errors = []
    for dimension in (2, 3, 7):
        count, step = effort.count(200, 5_000), 1e-5
        units = [rng.standard_normal((count, m, dimension)) for m in (3, 2)]
        hidden, target = (
            x / np.linalg.norm(x, axis=2)[..., None] * rng.uniform(0.5, 2, x.shape[:2])[..., None] for x in units
        )
        output, teacher = rng.standard_normal((count, 3)), TwoLayer(target, rng.standard_normal((count, 2)))
        direction = rng.standard_normal(hidden.shape)
        after, before = (
            population.gradient(TwoLayer(hidden + sign * step * direction, output), teacher).hidden for sign in (1, -1)
        )
        along = np.einsum("bidje,bje->bid", population.hessian(TwoLayer(hidden, output), teacher), direction)
        size = 1 + np.abs(along).max(axis=(1, 2))
        errors.append(np.abs(along - (after - before) / (2 * step)).max(axis=(1, 2)) / size)
    return errors_below(
        "Hessian times random directions against central differences of the gradient, lengths 0.5 to 2, dimensions 2, 3, 7, relative",
        np.concatenate(errors),
        1e-6,
    )


CLAIMS = (
    Claim(
        "computed.moments",
        "alignmath.gaussian; Cho and Saul 2009",
        rf"The arc-cosine kernels of order 0 to {ORDERS} and the moments $E[u_+^pv_+^q]$, $p,q\le4$, that alignmath.gaussian computes are the derived ones.",
        Verdict.PROVED,
        _moments,
    ),
    Claim(
        "computed.gradient",
        "alignmath.gaussian and population, loss and gradient",
        r"$E[x\,1(w\cdot x>0)\,\sigma(v\cdot x)]$, the population loss and its gradient as alignmath computes them are the derived ones, with the constant $\frac1{2\pi}$.",
        Verdict.PROVED,
        _step_relu,
    ),
    Claim(
        "computed.hessian",
        "alignmath.gaussian and population, Hessian",
        r"$E[xx^\top1(w\cdot x>0)\,1(v\cdot x>0)]$ and the Hessian of the population loss as alignmath computes them are the derived ones.",
        Verdict.PROVED,
        _step_step,
    ),
)
