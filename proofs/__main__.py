"""`python -m proofs`: check the claims and print the ledger.

Results go to stdout, progress to stderr. Exit status: 0 if every outcome is as expected, 1 if not, 2 for wrong arguments, 130 if interrupted
(what was finished is printed and written all the same).
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from .engine import ledger
from .engine.claims import Effort
from .engine.texts import to_plain

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m proofs", description="Check the claims and print the ledger.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="claims to check, shell patterns allowed (default: all)"
    )
    parser.add_argument(
        "--list", action="store_true", help="list the claims and their expected verdicts; check nothing"
    )
    parser.add_argument("--explain", action="store_true", help="print each derivation step by step")
    parser.add_argument(
        "--effort",
        type=Effort,
        choices=list(Effort),
        default=Effort.QUICK,
        help="how many cases the numerical parts try",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the ledger as a self-contained page")
    parser.add_argument("--figures", type=Path, metavar="DIR", help="PNG figures to show on that page")
    options = parser.parse_args(argv)
    try:
        chosen = ledger.select(options.names)
    except ValueError as error:
        parser.error(str(error))
    width = min(shutil.get_terminal_size((110, 24)).columns, 120)
    if options.list:
        for claim in chosen:
            print(f"{claim.name:<36} {claim.expected:<10} {claim.source}\n    {to_plain(claim.statement)}")
        return 0

    from tqdm import tqdm

    rows: list[ledger.Row] = []
    interrupted = False
    with tqdm(total=len(chosen), unit="claim", file=sys.stderr, disable=None) as bar:
        try:
            for row in ledger.run(chosen, options.effort, started=lambda claim: bar.set_description(claim.name)):
                rows.append(row)
                bar.update()
                with bar.external_write_mode(file=sys.stdout):
                    print((ledger.explained if options.explain else ledger.row_text)(row, width))
                    if options.explain:
                        print("=" * width)
                    sys.stdout.flush()
        except KeyboardInterrupt:
            interrupted = True
    print(ledger.summary(rows, len(chosen) - len(rows)))
    if options.json:
        ledger.write_json(rows, options.json)
    if options.html:
        from .engine.report import write_html

        write_html(rows, options.html, figures=options.figures, effort=options.effort)
    if interrupted:
        return 130
    return 0 if all(row.as_expected for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
