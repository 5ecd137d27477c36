"""The ledger: all claims, running them, and what came out, as text and as JSON.

A claim that rests on others (`uses`) has them run first, and fails if one of them does not come out as expected.
"""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import json
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import alignment, computed, min_norm, specialization, wide_networks
from .claims import CheckFailed, Claim, Effort, Outcome, Step, StepKind, Verdict
from .texts import math_to_plain, to_plain

__all__ = ["CLAIMS", "Row", "as_json", "explained", "row_text", "run", "select", "step_lines", "summary", "write_json"]

CLAIMS: tuple[Claim, ...] = (
    *alignment.CLAIMS,
    *specialization.CLAIMS,
    *min_norm.CLAIMS,
    *wide_networks.CLAIMS,
    *computed.CLAIMS,
)
"""Every claim, paper by paper, in the papers' order."""


@dataclass(frozen=True)
class Row:
    """One line of the ledger. error: why the check failed, if it did."""

    claim: Claim
    outcome: Outcome
    seconds: float
    error: str = ""

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the expected one."""
        return self.outcome.verdict is self.claim.expected


def select(patterns: Iterable[str], claims: tuple[Claim, ...] = CLAIMS) -> tuple[Claim, ...]:
    """The claims whose names match one of the shell-style `patterns`; all if there are none. `ValueError` if one matches nothing."""
    patterns = list(patterns)
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(claim.name, pattern) for claim in claims):
            close = difflib.get_close_matches(pattern, [claim.name for claim in claims], n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else "see --list"
            raise ValueError(f"no claim is called {pattern!r}; {hint}")
    return tuple(c for c in claims if not patterns or any(fnmatch.fnmatchcase(c.name, pattern) for pattern in patterns))


def run(
    chosen: Iterable[Claim],
    effort: Effort = Effort.QUICK,
    *,
    claims: tuple[Claim, ...] = CLAIMS,
    started: Callable[[Claim], None] = lambda claim: None,
) -> Iterator[Row]:
    """Check the `chosen` claims in order, yielding each row as it is done; what they rest on is checked before them, once.

    started: called with each claim before its check, the ones rested on included. Raises nothing: an error inside a check is that claim's failure.
    """
    by_name = {claim.name: claim for claim in claims}
    done: dict[str, Row] = {}

    def settle(claim: Claim, above: tuple[str, ...] = ()) -> Row:
        if claim.name in done:
            return done[claim.name]
        broken = []
        for name in claim.uses:
            if name in (*above, claim.name) or name not in by_name:
                broken.append(f"{name}, which {'rests on it in turn' if name in by_name else 'is unknown'}")
            elif not settle(by_name[name], (*above, claim.name)).as_expected:
                broken.append(f"{name}, which did not come out as expected")
        started(claim)
        begun = time.perf_counter()
        outcome, error = _checked(claim, effort)
        if broken:
            error = "rests on " + "; ".join(broken) + (f". {error}" if error else "")
            outcome = Outcome(Verdict.FAILED, error, outcome.steps)
        done[claim.name] = Row(claim, outcome, time.perf_counter() - begun, error)
        return done[claim.name]

    for claim in chosen:
        yield settle(claim)


def _checked(claim: Claim, effort: Effort) -> tuple[Outcome, str]:
    try:
        outcome = claim.check(effort)
        if unnamed := set(outcome.cited) - set(claim.uses):
            raise CheckFailed(f"cites {sorted(unnamed)}, which the claim does not name in uses", outcome.steps)
        return outcome, ""
    except CheckFailed as failure:
        return Outcome(Verdict.FAILED, str(failure), failure.steps), str(failure)
    except Exception as failure:  # a broken check is a failed claim, and must not hide the others
        where = traceback.extract_tb(failure.__traceback__)[-1]
        message = f"{type(failure).__name__} in {Path(where.filename).name}, line {where.lineno}: {failure}"
        return Outcome(Verdict.FAILED, message), message


def row_text(row: Row, width: int = 100) -> str:
    """The row as text: name, verdict and seconds on one line, the evidence under it, at most `width` columns."""
    mark = "" if row.as_expected else f"   expected {row.claim.expected}"
    head = f"{row.claim.name:<36} {row.outcome.tally:<30} {row.seconds:6.1f} s{mark}"
    return head + "\n" + _wrapped(to_plain(row.outcome.evidence), width, "    ")


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
    lines += ["", f"{outcome.tally} in {row.seconds:.1f} s", _wrapped(to_plain(outcome.evidence), width, "  ")]
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
        "tally": outcome.tally,
        "as_expected": row.as_expected,
        "evidence": outcome.evidence,
        "steps": [dataclasses.asdict(step) for step in outcome.steps],
        "seconds": round(row.seconds, 3),
    }


def write_json(rows: Iterable[Row], path: Path) -> None:
    """Write the rows as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([as_json(row) for row in rows], indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _wrapped(text: str, width: int, indent: str) -> str:
    import textwrap

    return textwrap.fill(text, max(width, 40), initial_indent=indent, subsequent_indent=indent, break_long_words=False)
