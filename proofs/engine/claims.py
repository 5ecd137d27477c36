"""What a claim is, and what checking it can yield.

A claim says exactly what its check checks. Verdicts, strongest first: PROVED (a chain of steps, each checked exactly or argued),
CERTIFIED (holds on the whole stated domain by ball arithmetic), MEASURED (holds to a stated tolerance in a stated experiment), REFUTED
(false as stated, by a counterexample that is itself checked exactly or in balls), OPEN (neither; says how much was searched).
FAILED is no verdict on the mathematics: the check did not go through.

Texts are LaTeX between dollar signs inside prose; `texts` renders them for the terminal and for HTML.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Attack", "CheckFailed", "Claim", "Effort", "Outcome", "Statement", "Step", "StepKind", "Verdict"]


class Verdict(enum.StrEnum):
    """Outcome of a check."""

    PROVED = "PROVED"
    CERTIFIED = "CERTIFIED"
    MEASURED = "MEASURED"
    REFUTED = "REFUTED"
    OPEN = "OPEN"
    FAILED = "FAILED"


class Effort(enum.Enum):
    """How many cases the numerical parts try; the exact parts do not depend on it."""

    QUICK = "quick"
    FULL = "full"

    def __str__(self) -> str:
        return self.value

    def count(self, quick: int, full: int) -> int:
        """The number of cases at this effort."""
        return full if self is Effort.FULL else quick


class StepKind(enum.StrEnum):
    """How a step was established."""

    IDENTITY = "identity"
    """Two expressions are equal, checked by exact symbolic computation."""
    SIGN = "sign"
    """An expression has a sign on a domain, by an exact rewriting whose terms have that sign."""
    CERTIFICATE = "certificate"
    """A statement about definite numbers or boxes, decided in rational or ball arithmetic."""
    ARGUMENT = "argument"
    """A sentence of reasoning, with what would refute it and a numerical attack on it."""
    MEASUREMENT = "measurement"
    """A number obtained by experiment."""


@dataclass(frozen=True)
class Attack:
    """A numerical attempt to break an argument that did not succeed: what was tried, how often, and how close it came."""

    tried: str
    count: int
    closest: str


@dataclass(frozen=True)
class Step:
    """One step of a check, as it is printed by `--explain`.

    kind, title: how and what. statement: what the step says. formulas: displayed formulas in LaTeX. reason: why it holds.
    refuted_by and attack: for arguments, what would show the step false, and the attempt at it.
    """

    kind: StepKind
    title: str
    statement: str
    formulas: tuple[str, ...] = ()
    reason: str = ""
    refuted_by: str = ""
    attack: Attack | None = None

    def __post_init__(self) -> None:
        if self.kind is StepKind.ARGUMENT and not (self.refuted_by and self.attack):
            raise ValueError(f"the argument {self.title!r} must say what would refute it and carry a numerical attack")


@dataclass(frozen=True)
class Outcome:
    """What a check found: the verdict, the evidence in a sentence, the steps, and the names of the claims these cite."""

    verdict: Verdict
    evidence: str
    steps: tuple[Step, ...] = ()
    cited: tuple[str, ...] = ()

    @property
    def tally(self) -> str:
        """`PROVED (9 checked, 5 argued)` for proofs, the bare verdict otherwise."""
        if self.verdict is not Verdict.PROVED:
            return str(self.verdict)
        argued = sum(step.kind is StepKind.ARGUMENT for step in self.steps)
        return f"{self.verdict} ({len(self.steps) - argued} checked, {argued} argued)"


class CheckFailed(Exception):
    """A step of a check did not go through. `steps` are those that did before it."""

    def __init__(self, message: str, steps: tuple[Step, ...] = ()) -> None:
        super().__init__(message)
        self.steps = steps


@dataclass(frozen=True)
class Statement:
    """What a claim says.

    name: unique, `paper.item`; a mended statement ends in `.mended`. source: where it is stated. statement: in LaTeX prose.
    expected: the verdict the check is known to reach. assumes: cited facts that the check rests on. uses: names of claims it rests on,
    which must have their expected verdicts.
    """

    name: str
    source: str
    statement: str
    expected: Verdict
    assumes: tuple[str, ...] = field(default=(), kw_only=True)
    uses: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def paper(self) -> str:
        """The paper of the claim, with which its name begins; `computed` for forms that belong to none."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Claim(Statement):
    """A statement with its machine check."""

    check: Callable[[Effort], Outcome]
