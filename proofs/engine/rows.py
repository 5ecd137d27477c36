"""Rows of the ledger, as text, as readable derivations, and as JSON."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .claims import Outcome, Statement, Step, StepKind, Verdict
from .kept import Kept
from .texts import math_to_plain, to_plain

__all__ = ["Row", "as_json", "explained", "row_text", "step_lines", "summary", "write_json"]


@dataclass(frozen=True)
class Row:
    """One line of the ledger. error: why the check failed, if it did. kept: the full run of which this check is a coarse part."""

    claim: Statement
    outcome: Outcome
    seconds: float
    error: str = ""
    kept: Kept | None = None

    @property
    def tally(self) -> str:
        """The verdict with its counts, and whether the check was a coarse one."""
        return self.outcome.tally + (", coarse" if self.kept else "")

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the expected one."""
        return self.outcome.verdict is self.claim.expected


def row_text(row: Row, width: int = 100) -> str:
    """The row as text: name, verdict and seconds on one line, the evidence under it, at most `width` columns."""
    mark = "" if row.as_expected else f"   expected {row.claim.expected}"
    head = f"{row.claim.name:<36} {row.tally:<30} {row.seconds:6.1f} s{mark}"
    texts = [row.outcome.evidence, *([row.kept.text] if row.kept else [])]
    return "\n".join([head, *(_wrapped(to_plain(text), width, "    ") for text in texts)])


def summary(rows: list[Row], missing: int = 0) -> str:
    """How many rows of each verdict, and how many differ from what was expected."""
    counts = [f"{sum(row.outcome.verdict is verdict for row in rows)} {verdict}" for verdict in Verdict]
    shown = ", ".join(text for text in counts if not text.startswith("0 "))
    wrong = [row.claim.name for row in rows if not row.as_expected]
    lines = [f"{len(rows)} claims in {sum(row.seconds for row in rows):.1f} s: {shown}"]
    if missing:
        lines.append(f"interrupted: {missing} not run")
    lines.append(f"NOT as expected: {', '.join(wrong)}" if wrong else "all as expected")
    return "\n".join(lines)


def explained(row: Row, width: int = 100) -> str:
    """The derivation step by step, in readable mathematics."""
    claim, outcome = row.claim, row.outcome
    lines = [f"{claim.name}  ({claim.source})", _wrapped(to_plain(claim.statement), width, "  "), ""]
    if claim.uses:
        lines.append(_wrapped("Rests on: " + ", ".join(claim.uses), width, "  "))
    if claim.assumes:
        lines.append(_wrapped("Cited facts: " + "; ".join(claim.assumes), width, "  "))
    for number, step in enumerate(outcome.steps, 1):
        lines += ["", *step_lines(number, step, width)]
    lines += ["", f"{row.tally} in {row.seconds:.1f} s", _wrapped(to_plain(outcome.evidence), width, "  ")]
    if row.kept:
        lines.append(_wrapped(to_plain(row.kept.text), width, "  "))
    return "\n".join(lines)


def step_lines(number: int, step: Step, width: int) -> list[str]:
    """One step of a derivation as lines of text, in readable mathematics."""
    lines = [f"{number}. {step.title}  [{step.kind}]"]
    if step.statement:
        lines.append(_wrapped(to_plain(step.statement), width, "   "))
    lines += ["       " + math_to_plain(formula) for formula in step.formulas]
    if step.reason:
        lines.append(_wrapped(f"because: {to_plain(step.reason)}", width, "   "))
    if step.kind is StepKind.ARGUMENT and step.attack:
        lines.append(_wrapped(f"refuted by: {to_plain(step.refuted_by)}", width, "   "))
        attack = f"attacked: {to_plain(step.attack.tried)}; {step.attack.count} cases, {to_plain(step.attack.closest)}"
        lines.append(_wrapped(attack, width, "   "))
    return lines


def as_json(row: Row) -> dict[str, object]:
    """The row for `--json`: name, paper, source, statement, expected, verdict, evidence, steps, seconds and more."""
    claim, outcome = row.claim, row.outcome
    return {
        "name": claim.name,
        "paper": claim.paper,
        "source": claim.source,
        "statement": claim.statement,
        "assumes": list(claim.assumes),
        "uses": list(claim.uses),
        "expected": str(claim.expected),
        "verdict": str(outcome.verdict),
        "tally": row.tally,
        "as_expected": row.as_expected,
        "evidence": outcome.evidence,
        "steps": [dataclasses.asdict(step) for step in outcome.steps],
        "seconds": round(row.seconds, 3),
        "kept": {"text": row.kept.text, "stale": bool(row.kept.changed), "row": row.kept.row} if row.kept else None,
    }


def write_json(rows: Iterable[Row], path: Path) -> None:
    """Write the rows as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([as_json(row) for row in rows], indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _wrapped(text: str, width: int, indent: str) -> str:
    return textwrap.fill(text, max(width, 40), initial_indent=indent, subsequent_indent=indent, break_long_words=False)
