"""The index of all claims: what each says, where its check is and how long that takes, in `proofs/index.json`.

Listing the claims, and choosing some of them, reads the index alone; a claim's module, and SymPy and torch with it, is
loaded when the claim is checked. `python -m proofs.engine.index` writes the index from the modules, and the verdicts
and counts of the README from the index; tests compare.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from alignmath.extras import needs

from .. import PAPERS
from .claims import Claim, Statement, Verdict

__all__ = ["FILE", "Entry", "claims_in_modules", "entries", "entry_of", "loaded", "main", "with_verdicts"]

FILE = Path(__file__).parent.parent / "index.json"
README = Path(__file__).parent.parent.parent / "README.md"


@dataclass(frozen=True)
class Entry(Statement):
    """A claim in the index: what it says, where to find it, and how it is shown before it is loaded.

    module: the name to import. plain: the statement for a terminal. seconds: what its check took, to begin with the long ones.
    """

    module: str = field(default="", kw_only=True)
    plain: str = field(default="", kw_only=True)
    seconds: float = field(default=0.0, kw_only=True)


@cache
def entries() -> tuple[Entry, ...]:
    """Every claim, paper by paper, in the papers' order."""
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(
        Entry(
            **{
                **row,
                "expected": Verdict(row["expected"]),
                "assumes": tuple(row["assumes"]),
                "uses": tuple(row["uses"]),
            }
        )
        for row in stored
    )


def loaded(entry: Entry) -> Claim:
    """The claim of this entry, from its module; `LookupError` if it is not there, or says something else."""
    claims = importlib.import_module(entry.module).CLAIMS
    for claim in claims:
        if claim.name == entry.name:
            if entry_of(claim, entry.module, entry.seconds, entry.plain) != entry:
                raise LookupError(f"{entry.name} has changed since it was indexed: run `python -m proofs.engine.index`")
            return claim
    raise LookupError(f"{entry.module} has no claim {entry.name}: run `python -m proofs.engine.index`")


def claims_in_modules() -> Iterator[tuple[str, Claim]]:
    """Every claim with the name of its module, from the modules themselves, in the papers' order, what lies beyond a paper last."""
    for paper in PAPERS:
        package = importlib.import_module(f"proofs.{paper}")
        order = getattr(package, "ORDER", ())
        modules = (
            [f"proofs.{paper}.{name}" for name in package.MODULES]
            if hasattr(package, "MODULES")
            else [f"proofs.{paper}"]
        )
        claims = [(module, claim) for module in modules for claim in importlib.import_module(module).CLAIMS]

        def place(item: tuple[str, Claim], order: tuple[str, ...] = order) -> tuple[bool, int]:
            _, _, name = item[1].name.partition(".")
            beyond = name.startswith("beyond.")
            return beyond, order.index(name) if order and not beyond else 0

        if order and (
            strays := [c.name for _, c in claims if ".beyond." not in c.name and c.name.partition(".")[2] not in order]
        ):
            raise LookupError(
                f"claims without a place in the paper's order: {strays}; add them to ORDER of proofs.{paper}"
            )
        yield from sorted(claims, key=place)


def entry_of(claim: Claim, module: str, seconds: float = 0.0, plain: str | None = None) -> Entry:
    """The claim as it stands in the index."""
    from .texts import to_plain

    return Entry(
        claim.name,
        claim.source,
        claim.statement,
        claim.expected,
        assumes=tuple(claim.assumes),
        uses=tuple(claim.uses),
        module=module,
        plain=to_plain(claim.statement) if plain is None else plain,
        seconds=seconds,
    )


def as_text(seconds: Mapping[str, float]) -> str:
    """The index of the modules' claims as JSON, a claim a line."""
    needs("pylatexenc", "report")
    rows = []
    for module, claim in claims_in_modules():
        entry = entry_of(claim, module, round(seconds.get(claim.name, 0.0), 2))
        row = {
            name: getattr(entry, name)
            for name in ("name", "module", "source", "expected", "seconds", "uses", "assumes")
        }
        row |= {"statement": entry.statement, "plain": entry.plain}
        rows.append(json.dumps(row, ensure_ascii=False))
    return "[\n" + ",\n".join(rows) + "\n]\n"


def with_verdicts(text: str) -> str:
    """The README with each row's verdict, the count of each verdict and of all claims as the index has them."""
    verdicts = {entry.name: str(entry.expected) for entry in entries()}

    def row(match: re.Match[str]) -> str:
        found = dict.fromkeys(verdicts[name] for name in re.findall(r"`([^`]+)`", match[3]))
        return f"| {match[1]} | {', '.join(found)} | {match[3]} |"

    text = re.sub(r"^\| (.*) \| ([A-Z, ]+) \| (`.*`) \|$", row, text, flags=re.MULTILINE)
    counted = Counter(verdicts.values())
    counts = ", ".join(f"{counted[verdict]} {verdict}" for verdict in Verdict if counted[verdict])
    text = re.sub(r"Counts: .*?\.$", f"Counts: {counts}.", text, flags=re.MULTILINE)
    return re.sub(r"ledger of \d+ statements", f"ledger of {len(verdicts)} statements", text)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m proofs.engine.index", description="Write the index of all claims.")
    parser.add_argument(
        "--times", type=Path, metavar="FILE", help="take each claim's seconds from this ledger (--json)"
    )
    options = parser.parse_args(argv)
    if options.times:
        seconds = {row["name"]: row["seconds"] for row in json.loads(options.times.read_text(encoding="utf-8"))}
    else:
        seconds = {entry.name: entry.seconds for entry in entries()} if FILE.exists() else {}
    FILE.write_text(as_text(seconds), encoding="utf-8")
    entries.cache_clear()
    README.write_text(with_verdicts(README.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{FILE.name}: {len(entries())} claims")
    return 0


if __name__ == "__main__":
    sys.exit(main())
