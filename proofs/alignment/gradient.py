"""Section 2 of the alignment paper: the kernel of two ReLU neurons, equations (1) and (2), Observation 2.1."""

from __future__ import annotations

from functools import cache

import numpy as np
import sympy as sp

from alignmath import gaussian

from ..engine.attacks import monte_carlo, none_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation
from ..gaussian_integrals import vector_expectation
from . import formulas

__all__ = ["CLAIMS"]

a, b, t = sp.symbols("alpha beta theta", real=True)
r = sp.Symbol("r", positive=True)
phi = sp.Symbol("phi", real=True)
rho_i, rho_j, rho_0 = sp.symbols("rho_i rho_j rho_0", positive=True)


def _direction(angle: sp.Expr) -> sp.Matrix:
    return sp.Matrix([sp.cos(angle), sp.sin(angle)])


def _kernel(effort: Effort) -> Outcome:
    d = Derivation()
    d.argument(
        "only the plane of w and v matters",
        r"For $x \sim N(0, I_d)$, $E[x\,1(w\cdot x>0)\,\sigma(v\cdot x)]$ lies in the plane of $w$ and $v$ and is the expectation of "
        "the same expression for a standard Gaussian vector of that plane.",
        "The part of $x$ orthogonal to the plane is independent of $w\\cdot x$ and $v\\cdot x$ and has mean 0; the part in the plane "
        "is standard Gaussian, whatever the orthonormal basis.",
        refuted_by="a direction orthogonal to w and v along which the expectation is not 0, or a dependence on d",
        attack=lambda: _orthogonal_attack(effort),
    )
    d.identity(
        "radial moment",
        sp.integrate(r**3 * sp.exp(-(r**2) / 2), (r, 0, sp.oo)),
        2,
        "In polar coordinates the integrand is $r^2$ times a function of the angle, and the density is $e^{-r^2/2}\\,r\\,dr\\,d\\varphi/(2\\pi)$.",
        shown=r"\int_0^\infty r^3 e^{-r^2/2}\,dr = 2",
    )
    d.argument(
        "arc where both are active",
        r"For $w$ at polar angle $\alpha$ and $v$ at $\beta$, $\alpha\le\beta\le\alpha+\pi$, both $w\cdot x>0$ and $v\cdot x>0$ hold exactly for "
        r"$\beta-\pi/2<\varphi<\alpha+\pi/2$ (modulo $2\pi$). For $\beta<\alpha$ reflect the plane.",
        "Each condition is an open half circle around its vector; two half circles whose centres are at distance $t$ meet in an arc of length "
        "$\\pi-t$.",
        refuted_by="an angle inside the arc where one neuron is silent, or outside it where both are active",
        attack=lambda: _arc_attack(effort),
    )
    w, v = rho_i * _direction(a), rho_j * _direction(b)
    integrand = _direction(phi) * rho_j * sp.expand_trig(sp.cos(phi - b))
    arc = (phi, b - sp.pi / 2, a + sp.pi / 2)
    integral = integrand.applyfunc(lambda entry: sp.integrate(sp.expand(entry), arc)) * 2 / (2 * sp.pi)
    formula = formulas.pair_term(_direction(a), v, rho_j, b - a)
    for k, (axis, wave) in enumerate((("x", r"\cos"), ("y", r"\sin"))):
        d.identity(
            f"angular integral, component {axis}",
            integral[k],
            formula[k],
            r"For all lengths and polar angles of $w$ and $v$, with $\theta=\beta-\alpha$.",
            reason="symbolic integration over the arc",
            shown=rf"\frac{{2}}{{2\pi}}\int_{{\beta-\pi/2}}^{{\alpha+\pi/2}}{wave}\varphi\,\rho_j\cos(\varphi-\beta)\,d\varphi="
            rf"\frac{{1}}{{2\pi}}\big[(\pi-\theta)v+\rho_j\sin\theta\,u_w\big]_{axis}",
        )
    d.identity(
        "product of two neurons",
        sp.expand((w.T * formula)[0]),
        rho_i * rho_j * formulas.overlap(b - a),
        r"$E[\sigma(w\cdot x)\sigma(v\cdot x)] = w\cdot E[x\,1(w\cdot x>0)\,\sigma(v\cdot x)]$, as $\sigma(y)=y\,1(y>0)$",
        shown=r"w\cdot\frac{(\pi-\theta)\,v+|v|\sin\theta\,u_w}{2\pi} = |w||v|\,\frac{f(\theta)}{2\pi}",
    )
    gate, active = sp.Heaviside(sp.Symbol("u")), sp.Max(sp.Symbol("v"), 0)
    along, other = vector_expectation(gate * active, sp.symbols("u v"), t)
    unit_w, unit_v = sp.symbols("w_1 v_1")
    d.identity(
        "the same by the engine",
        along * unit_w + other * unit_v,
        formulas.pair_term(unit_w, unit_v, 1, t),
        "Unit vectors; derived once more by the symbolic engine, from the expression alone.",
        shown=r"E[x\,1(w\cdot x>0)\,\sigma(v\cdot x)]=\frac{\sin\theta}{2\pi}w+\frac{\pi-\theta}{2\pi}v",
    )
    return d.proved("derived by integrating over the arc where both neurons are active, for all lengths and angles")


@cache
def _orthogonal_attack(effort: Effort) -> Attack:
    """Monte Carlo in 5 dimensions against the planar formula: components along the plane and three orthogonal directions.

    The integrand is |x|^2 times a function of the direction, so directions are sampled and E|x|^2 = 5 is exact.
    """
    rng = np.random.default_rng(1)
    batch = effort.count(1_000_000, 5_000_000)
    estimates = []
    for angle in (0.2, 0.7, 1.2):
        frame = np.linalg.qr(rng.standard_normal((5, 5)))[0]
        w, v = 1.3 * frame[0], 0.7 * (np.cos(angle) * frame[0] + np.sin(angle) * frame[1])
        x = rng.standard_normal((batch, 5))
        samples = (x * ((x @ w > 0) * np.maximum(x @ v, 0) * 5 / np.sum(x * x, axis=1))[:, None]) @ frame.T
        expected = frame @ gaussian.step_relu_vector(w, v)
        estimates.append(
            (samples.mean(axis=0), samples.std(axis=0) / batch**0.5, expected, np.full(5, np.linalg.norm(expected)))
        )
    means, errors, expected, scales = (np.stack(column) for column in zip(*estimates, strict=True))
    return monte_carlo(f"Monte Carlo in dimension 5 at 3 angles, {batch} samples each", means, errors, expected, scales)


def _arc_attack(effort: Effort) -> Attack:
    rng = np.random.default_rng(2)
    count = effort.count(20_000, 1_000_000)
    alpha, turn, where = (
        rng.uniform(-np.pi, np.pi, count),
        rng.uniform(0, np.pi, count),
        rng.uniform(-np.pi, np.pi, count),
    )
    both = np.minimum(np.cos(where - alpha), np.cos(where - alpha - turn))
    middle = alpha + turn / 2
    inside = (np.pi - turn) / 2 - np.abs(np.angle(np.exp(1j * (where - middle))))
    return none_below("random pairs and angles: active if and only if in the arc", np.where(both > 0, inside, -inside))


def _printed_gradient(effort: Effort) -> Outcome:
    d = Derivation()
    s = sp.Symbol("s", positive=True)
    d.identity(
        "loss along the teacher's ray",
        sp.integrate((1 - s) ** 2 / 2 * sp.cos(phi) ** 2, (phi, -sp.pi / 2, sp.pi / 2)) * 2 / (2 * sp.pi),
        (1 - s) ** 2 / 4,
        r"One student $w_1 = s\,w_0$, $|w_0|=1$: $L(s)=E[\tfrac12(\sigma(w_0\cdot x)-s\,\sigma(w_0\cdot x))^2]$.",
        shown=r"L(s) = \frac{(1-s)^2}{4}",
    )
    true_slope = sp.diff((1 - s) ** 2 / 4, s).subs(s, 2)
    printed = formulas.printed_gradient(sp.pi * 2, sp.pi * 1)
    d.identity("true derivative at s = 2", true_slope, sp.Rational(1, 2), shown=r"L'(2) = \tfrac12")
    d.certificate(
        "the printed formula gives half of it",
        bool(sp.simplify(true_slope - printed) != 0 and sp.simplify(true_slope / printed - 2) == 0),
        "Equation (1) as printed gives $\\frac{\\pi}{4\\pi}\\cdot 2-\\frac{\\pi}{4\\pi} = \\frac14$ along $u_1$.",
        reason="exact arithmetic",
    )
    return d.refuted(
        "at $w_1 = 2 w_0$ the gradient is $w_0/2$; the printed formula gives $w_0/4$, half of it (it should read $1/(2\\pi)$)"
    )


def _mended_gradient(effort: Effort) -> Outcome:
    d = Derivation()
    pair = rho_i * rho_j * formulas.overlap(t)
    w_unit, v = sp.Matrix([1, 0]), rho_j * _direction(t)
    term = formulas.pair_term(w_unit, v, rho_j, t)
    d.identity(
        "radial derivative of a pair",
        sp.diff(pair, rho_i),
        term[0],
        r"The loss is $\tfrac12\sum_{k,l} c_k c_l\,E[\sigma(w_k\cdot x)\sigma(w_l\cdot x)]$ with $c=1$ for students and $-1$ for the teacher; by "
        r"`alignment.kernel` each product is $\rho_i\rho_j f(\theta)/(2\pi)$. Derivative of one of them along $u_i$:",
        shown=r"\frac{\partial}{\partial\rho_i}\,\frac{\rho_i\rho_j f(\theta)}{2\pi} = u_i\cdot\frac{(\pi-\theta)w_j+\rho_j\sin\theta\,u_i}{2\pi}",
    )
    d.identity(
        "tangential derivative of a pair",
        -sp.diff(pair, t) / rho_i,
        term[1],
        r"Along the unit vector $u_i^\perp$ of the plane of $w_i, w_j$ that points to $w_j$, the angle falls at the rate $1/\rho_i$; orthogonally to the "
        "plane it is stationary.",
        shown=r"-\frac{1}{\rho_i}\frac{\partial}{\partial\theta}\,\frac{\rho_i\rho_j f(\theta)}{2\pi} = u_i^\perp\cdot\frac{(\pi-\theta)w_j+\rho_j\sin\theta\,u_i}{2\pi}",
    )
    for end in (0, sp.pi):
        d.identity(
            f"no kink at angle {end}",
            sp.diff(formulas.profile(t), t).subs(t, end),
            0,
            "Where the angle itself is not differentiable, aligned or antipodal, the derivative of $f$ vanishes, so the formula holds in the limit.",
            shown=f"f'({sp.latex(end)}) = 0",
        )
    d.identity(
        "own term",
        sp.diff(rho_i**2 * formulas.overlap(0) / 2, rho_i),
        formulas.pair_term(1, rho_i, rho_i, sp.Integer(0)),
        r"The term $\tfrac12 E[\sigma(w_i\cdot x)^2]=\rho_i^2/4$ has the gradient that the formula gives with $\theta_{ii}=0$, $w_i/2$.",
        shown=r"\frac{d}{d\rho_i}\,\frac{\rho_i^2}{4} = \frac{\rho_i}{2}",
    )
    students, teacher = sp.symbols("S_1:4"), sp.Symbol("T")
    total = sum(students)
    d.identity(
        "sum over neurons",
        sum(s / (2 * sp.pi) for s in students) - teacher / (2 * sp.pi),
        formulas.corrected_gradient(total, teacher),
        r"With $S_j = (\pi-\theta_{ij})w_j+\rho_j\sin\theta_{ij}u_i$ and $T$ the same for the teacher; the gradient is linear in them.",
        shown=r"\frac{\partial L}{\partial w_i} = \frac{1}{2\pi}\Big\{\sum_j\big[(\pi-\theta_{ij})w_j+\rho_j\sin\theta_{ij}u_i\big]-"
        r"\big[(\pi-\theta_{i0})w_0+\rho_0\sin\theta_{i0}u_i\big]\Big\}",
    )
    d.identity(
        "twice the printed formula",
        formulas.corrected_gradient(total, teacher),
        2 * formulas.printed_gradient(total, teacher),
        "The printed formula is the gradient of half the stated loss; its zeros are the same.",
        shown=r"\frac{1}{2\pi} = 2\cdot\frac{1}{4\pi}",
    )
    return d.proved(
        "differentiated from the closed form of the loss; any number of students, any dimension, aligned and antipodal pairs included"
    )


def _equation_two(effort: Effort) -> Outcome:
    d = Derivation()
    sines, vectors, u, w0, t0 = sp.symbols("Sigma_s Sigma_v u_i w_0 theta_i0")
    bracket = (sp.pi * rho_i * u) + vectors + sines * u
    teacher = (sp.pi - t0) * w0 + rho_0 * sp.sin(t0) * u
    d.identity(
        "equation (2) is equation (1)",
        formulas.equation_two_left(t0, w0) - formulas.equation_two_right(rho_i, u, t0, rho_0, sines, vectors),
        -2 * sp.pi * formulas.corrected_gradient(bracket, teacher),
        r"For any number of students: $\Sigma_s=\sum_{j\ne i}\rho_j\sin\theta_{ij}$ and $\Sigma_v=\sum_{j\ne i}(\pi-\theta_{ij})w_j$; the term $j=i$ of (1) is "
        r"$\pi w_i=\pi\rho_i u_i$, as $\theta_{ii}=0$.",
        shown=r"\text{left of (2)} - \text{right of (2)} = -2\pi\,\frac{\partial L}{\partial w_i}",
    )
    return d.proved("(2) is $-2\\pi$ times the gradient, for every number of students")


def _observation(effort: Effort) -> Outcome:
    d = Derivation()
    u, others = sp.symbols("u_0 R")
    zero = sp.Integer(0)
    d.identity(
        "aligned students",
        formulas.equation_two_left(zero, rho_0 * u),
        formulas.equation_two_right(rho_i, u, zero, rho_0, sp.sin(zero) * others, sp.pi * others * u).subs(
            others, rho_0 - rho_i
        ),
        r"All $\theta_{ij}=\theta_{i0}=0$ and $w_j=\rho_j u_0$: with $R=\sum_{j\ne i}\rho_j=\rho_0-\rho_i$, $\Sigma_s=0$ and $\Sigma_v=\pi R u_0$.",
        shown=r"\pi\rho_0u_0 = \pi\rho_i u_0 + \pi(\rho_0-\rho_i)u_0",
    )
    return d.proved("by substitution, for every $m$ and every $i$")


CLAIMS = (
    Claim(
        "alignment.kernel",
        "Section 2 (implicit)",
        r"For $x\sim N(0,I_d)$ and $w, v\ne 0$ at angle $\theta$: $E[x\,1(w\cdot x>0)\,\sigma(v\cdot x)]=\frac{1}{2\pi}\big[(\pi-\theta)v+|v|\sin\theta\,\frac{w}{|w|}\big]$ and "
        r"$E[\sigma(w\cdot x)\sigma(v\cdot x)]=|w||v|\frac{f(\theta)}{2\pi}$, $f(\theta)=\sin\theta+(\pi-\theta)\cos\theta$.",
        Verdict.PROVED,
        _kernel,
        assumes=("polar coordinates; independence of orthogonal parts of a standard Gaussian vector",),
    ),
    Claim(
        "alignment.eq1",
        "equation (1), as printed",
        r"$\frac{\partial l}{\partial w_i}=\sum_{j}\big(\frac{\pi-\theta_{ij}}{4\pi}w_j+\frac{\rho_j}{4\pi}\sin\theta_{ij}u_i\big)-\big(\frac{\pi-\theta_{i0}}{4\pi}w_0+"
        r"\frac{\rho_0}{4\pi}\sin\theta_{i0}u_i\big)$ for $l=E[\tfrac12(\sigma(w_0\cdot x)-\sum_i\sigma(w_i\cdot x))^2]$.",
        Verdict.REFUTED,
        _printed_gradient,
    ),
    Claim(
        "alignment.eq1.mended",
        "equation (1), constant corrected",
        r"Where every $w_i\ne 0$: $\frac{\partial l}{\partial w_i}=\frac{1}{2\pi}\big\{\sum_{j}[(\pi-\theta_{ij})w_j+\rho_j\sin\theta_{ij}u_i]-[(\pi-\theta_{i0})w_0+"
        r"\rho_0\sin\theta_{i0}u_i]\big\}$, twice what is printed.",
        Verdict.PROVED,
        _mended_gradient,
        uses=("alignment.kernel",),
    ),
    Claim(
        "alignment.eq2",
        "equation (2)",
        r"With all $w_i\ne0$, the gradient is zero if and only if $(\pi-\theta_{i0})w_0=(\pi\rho_i-\rho_0\sin\theta_{i0}+\sum_{j\ne i}\rho_j\sin\theta_{ij})u_i+"
        r"\sum_{j\ne i}(\pi-\theta_{ij})w_j$ for all $i$.",
        Verdict.PROVED,
        _equation_two,
        uses=("alignment.eq1.mended",),
    ),
    Claim(
        "alignment.obs2.1",
        "Observation 2.1",
        r"If all students with $\rho_i>0$ are aligned with the teacher and $\sum_i\rho_i=\rho_0$, then (2) holds.",
        Verdict.PROVED,
        _observation,
    ),
)
