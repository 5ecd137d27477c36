"""The ledger: choosing claims, and checking them in this process or in several.

A claim that rests on others (`uses`) fails if one of them does not come out as expected; each is checked once. The checks do not need one
another, so any number of workers gives the same rows, in the same order.
"""

from __future__ import annotations

import contextlib
import difflib
import fnmatch
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from solvers.workers import Call, Ending, calls

from . import index
from .claims import CheckFailed, Claim, Effort, Outcome, Statement, Verdict
from .kept import kept_run
from .rows import Row

__all__ = ["CLAIMS", "Run", "checked", "run", "select"]

AnyStatement = TypeVar("AnyStatement", bound=Statement)
CLAIMS: tuple[Claim, ...]
"""Every claim with its check, paper by paper, in the papers' order; asking for it loads all their modules."""


def __getattr__(name: str) -> Any:
    if name == "CLAIMS":
        globals()[name] = tuple(claim for _, claim in index.claims_in_modules())
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def select(patterns: Iterable[str], claims: Sequence[AnyStatement]) -> tuple[AnyStatement, ...]:
    """The claims whose names match one of the shell-style `patterns`; all if there are none. `ValueError` if one matches nothing."""
    patterns = list(patterns)
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(claim.name, pattern) for claim in claims):
            close = difflib.get_close_matches(pattern, [claim.name for claim in claims], n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else "see --list"
            raise ValueError(f"no claim is called {pattern!r}; {hint}")
    return tuple(c for c in claims if not patterns or any(fnmatch.fnmatchcase(c.name, pattern) for pattern in patterns))


def run(
    chosen: Iterable[Statement],
    effort: Effort = Effort.QUICK,
    *,
    claims: Sequence[Statement] | None = None,
    workers: int | None = None,
    started: Callable[[Statement], None] = lambda claim: None,
    ended: Callable[[Statement], object] = lambda claim: None,
) -> Run:
    """Check the `chosen` claims, and what they rest on: an iterator of their rows, in order, each as soon as it is settled.

    claims: those that may be rested on, all of the index by default. workers: None or 1 to check them in this process, one after another,
    what is rested on first; more for that many processes (entries of the index only), which begin with the modules that take longest.
    started, ended: called with each claim before (in this process only) and after its check, those rested on included.
    A check that raises is a failed claim, and so is one whose worker dies twice.
    """
    return Run(list(chosen), effort, claims, workers, started, ended)


class Run(Iterator[Row]):
    """Rows in the order of the claims. After an interrupt, `rest` has those that were settled and not yet given out."""

    def __init__(
        self,
        chosen: list[Statement],
        effort: Effort,
        claims: Sequence[Statement] | None,
        workers: int | None,
        started: Callable[[Statement], None],
        ended: Callable[[Statement], object],
    ) -> None:
        resting = any(claim.uses for claim in chosen)
        known = (index.entries() if resting else ()) if claims is None else claims
        self._known = {claim.name: claim for claim in known}
        self._pending = deque(chosen)
        self._claims = _with_what_they_rest_on(chosen, self._known)
        self._checks: dict[str, tuple[Outcome, str, float]] = {}
        self._rows: dict[str, Row] = {}
        self._effort = effort
        self._given_out = self._in_order(effort, workers, started, ended)

    def __next__(self) -> Row:
        return next(self._given_out)

    def rest(self) -> list[Row]:
        """The rows that are settled and were not given out."""
        self._given_out.close()
        return [row for claim in self._pending if (row := self._row(claim)) is not None]

    @property
    def count(self) -> int:
        """How many claims are checked, those rested on included."""
        return len(self._claims)

    def _in_order(
        self,
        effort: Effort,
        workers: int | None,
        started: Callable[[Statement], None],
        ended: Callable[[Statement], object],
    ) -> Generator[Row, None, None]:
        if workers is None or workers == 1:
            todo, groups, function = self._claims, None, _Check(effort, started)
        else:
            todo = _longest_first(self._claims)
            groups, function = [_group(claim) for claim in todo], _Check(effort)
        running = calls(function, todo, workers=workers, groups=groups)
        try:
            for call in running:
                claim = todo[call.index]
                self._checks[claim.name] = _result(call)
                ended(claim)
                while self._pending and (row := self._row(self._pending[0])) is not None:
                    self._pending.popleft()
                    yield row
        finally:
            running.close()

    def _row(self, claim: Statement, above: tuple[str, ...] = ()) -> Row | None:
        """The row of a claim, None before all that it rests on is checked."""
        if claim.name in self._rows:
            return self._rows[claim.name]
        if claim.name not in self._checks:
            return None
        broken = []
        for name in claim.uses:
            if name in (*above, claim.name) or name not in self._known:
                broken.append(f"{name}, which {'rests on it in turn' if name in self._known else 'is unknown'}")
                continue
            used = self._row(self._known[name], (*above, claim.name))
            if used is None:
                return None
            if not used.as_expected:
                broken.append(f"{name}, which did not come out as expected")
        outcome, error, seconds = self._checks[claim.name]
        if broken:
            error = "rests on " + "; ".join(broken) + (f". {error}" if error else "")
            outcome = Outcome(Verdict.FAILED, error, outcome.steps)
        row = Row(claim, outcome, seconds, error, kept_run(claim.name) if self._effort is Effort.QUICK else None)
        if not above:  # within a circle it depends on where one began
            self._rows[claim.name] = row
        return row


class _Check:
    """What a worker is given: the check of a claim at an effort."""

    def __init__(self, effort: Effort, started: Callable[[Statement], None] | None = None) -> None:
        self._effort, self._started = effort, started

    def __call__(self, claim: Statement) -> tuple[Outcome, str, float]:
        if self._started:
            self._started(claim)
        with contextlib.suppress(
            Exception
        ):  # libraries are loaded before the clock starts; `checked` says what is wrong
            claim = _with_check(claim)
        begun = time.perf_counter()
        outcome, error = checked(claim, self._effort)
        return outcome, error, time.perf_counter() - begun


def checked(claim: Statement, effort: Effort) -> tuple[Outcome, str]:
    """What the claim's own check finds, apart from what it rests on, and why it failed ("" if it did not)."""
    try:
        outcome = _with_check(claim).check(effort)
        if unnamed := set(outcome.cited) - set(claim.uses):
            raise CheckFailed(f"cites {sorted(unnamed)}, which the claim does not name in uses", outcome.steps)
        return outcome, ""
    except CheckFailed as failure:
        return Outcome(Verdict.FAILED, str(failure), failure.steps), str(failure)
    except Exception as failure:  # a broken check is a failed claim, and must not hide the others
        where = traceback.extract_tb(failure.__traceback__)[-1]
        message = f"{type(failure).__name__} in {Path(where.filename).name}, line {where.lineno}: {failure}"
        return Outcome(Verdict.FAILED, message), message


def _with_check(claim: Statement) -> Claim:
    if isinstance(claim, index.Entry):
        return index.loaded(claim)
    if not isinstance(claim, Claim):
        raise TypeError(f"{claim.name} has no check")
    return claim


def _result(call: Call) -> tuple[Outcome, str, float]:
    if call.ending is Ending.RETURNED:
        return call.value
    return Outcome(Verdict.FAILED, call.message), call.message, call.seconds


def _with_what_they_rest_on(chosen: Iterable[Statement], known: dict[str, Statement]) -> list[Statement]:
    """Each claim once, after those that it rests on."""
    order: dict[str, Statement] = {}
    begun: set[str] = set()

    def add(claim: Statement) -> None:
        if claim.name in begun:
            return
        begun.add(claim.name)
        for name in claim.uses:
            if name in known:
                add(known[name])
        order[claim.name] = claim

    for claim in chosen:
        add(claim)
    return list(order.values())


def _group(claim: Statement) -> str:
    """Claims of one module are checked by one worker: they share runs and caches."""
    return claim.module if isinstance(claim, index.Entry) else claim.name


def _longest_first(claims: list[Statement]) -> list[Statement]:
    """Module by module, those first that take longest by the index, so that none is left alone at the end."""
    seconds: dict[str, float] = {}
    for claim in claims:
        if isinstance(claim, index.Entry):
            seconds[claim.module] = seconds.get(claim.module, 0.0) + claim.seconds
    return sorted(claims, key=lambda claim: -seconds.get(_group(claim), 0.0))
