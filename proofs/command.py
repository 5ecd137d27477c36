"""The command `alignmath`: check the claims, derive expectations, draw the figures, and say whether the installation is whole.

Results go to stdout, progress to stderr. Exit status: 0 if all is as expected, 1 if not, 2 for wrong arguments, 130 if interrupted (what was
finished is printed and written all the same). What is not needed for a command is not loaded for it.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alignmath.extras import needs

from . import PAPERS
from .terminal import require_writable

if TYPE_CHECKING:
    from .engine.index import Entry
    from .engine.rows import Row

__all__ = ["claims", "installation", "main"]


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="alignmath", description="Teacher-student networks: claims with their checks, derivations, figures."
    )
    parser.add_argument(
        "--version", action="store_true", help="say which version this is, and whether its parts belong together"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_claims(commands.add_parser("claims", help="check claims, list or explain them"))
    _add_derive(commands.add_parser("derive", help="derive the closed form of a Gaussian expectation"))
    _add_figures(commands.add_parser("figures", help="draw the figures (in a checkout)"))
    options = parser.parse_args(_with_signs(sys.argv[1:] if argv is None else argv))
    if options.version:
        return _version()
    if options.command is None:
        parser.error("name a command: claims, derive or figures")
    return options.run(options)


def claims(argv: list[str] | None = None, prog: str = "python -m proofs") -> int:
    """The command `claims` alone, as `python -m proofs`; returns the exit status."""
    parser = argparse.ArgumentParser(prog=prog)
    _add_claims(parser)
    options = parser.parse_args(argv)
    return options.run(options)


def installation() -> tuple[str, list[str]]:
    """What `--version` says, and what is wrong: parts that are another project's, of another version, or elsewhere."""
    import alignmath

    version, home = alignmath.__version__, Path(alignmath.__file__).parent.parent
    wrong = []
    for name in ("solvers", "proofs"):
        part = importlib.import_module(name)
        place = Path(part.__file__).parent if part.__file__ else Path(next(iter(part.__path__), "nowhere"))
        if getattr(part, "__project__", None) != "alignmath":
            wrong.append(f"{name} in {place} is another project's package, not alignmath's")
        elif part.__version__ != version:
            wrong.append(f"{name} in {place} is of version {part.__version__}, alignmath of {version}")
        elif place.parent.resolve() != home.resolve():
            wrong.append(f"{name} is in {place.parent}, alignmath in {home}: two installations")
    return f"alignmath {version} ({home})", wrong


def _version() -> int:
    text, wrong = installation()
    print(text)
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        print("install into an environment of its own: other packages called solvers and proofs exist", file=sys.stderr)
    return 1 if wrong else 0


def _add_claims(parser: argparse.ArgumentParser) -> None:
    from .engine.claims import Effort

    parser.description = "Check the claims and print the ledger."
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"claims to check, shell patterns allowed (default: all); names begin with {', '.join(PAPERS)}",
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
    parser.add_argument(
        "--workers",
        type=_positive,
        default=None,
        metavar="N",
        help="processes that check (default: one for each core; 1: this process)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the ledger as a self-contained page")
    parser.add_argument("--figures", type=Path, metavar="DIR", help="PNG figures to show on that page")
    parser.set_defaults(run=lambda options: _claims(options, parser))


def _claims(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from .engine import index, ledger

    try:
        chosen = ledger.select(options.names, index.entries())
    except ValueError as error:
        parser.error(str(error))
    require_writable(parser, options.json, "--json")
    require_writable(parser, options.html, "--html")
    if options.html:
        needs("jinja2", "report")
    if options.figures is not None and not options.figures.is_dir():
        parser.error(f"--figures {options.figures} is no folder; draw the figures first: alignmath figures --out DIR")
    if options.list:
        for entry in chosen:
            print(f"{entry.name:<36} {entry.expected:<10} {entry.source}\n    {entry.plain}")
        return 0
    rows, interrupted = _checked(options, chosen)

    from .engine.rows import summary, write_json
    from .engine.texts import has_plain_formulas

    if not has_plain_formulas():
        print('formulas are in LaTeX; in plain text with: pip install "alignmath[report]"', file=sys.stderr)
    print(summary(rows, len(chosen) - len(rows)))
    if options.json:
        write_json(rows, options.json)
    if options.html:
        from .engine.report import write_html

        write_html(rows, options.html, figures=options.figures, effort=options.effort)
    if interrupted:
        return 130
    return 0 if all(row.as_expected for row in rows) else 1


def _checked(options: argparse.Namespace, chosen: Sequence[Entry]) -> tuple[list[Row], bool]:
    """Check and print; the rows, and whether an interrupt cut them short."""
    from tqdm import tqdm

    from solvers.workers import single_threaded

    from .engine import ledger
    from .engine.rows import explained, row_text

    width = min(shutil.get_terminal_size((110, 24)).columns, 120)
    rows: list[Row] = []
    interrupted = False
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with tqdm(total=len(chosen), unit="claim", file=sys.stderr, disable=None) as bar, single_threaded():
        running = ledger.run(
            chosen,
            options.effort,
            workers=options.workers or cores,
            started=lambda claim: bar.set_description(claim.name),
            ended=lambda claim: bar.update(),
        )
        bar.reset(total=running.count)

        def show(row: Row) -> None:
            rows.append(row)
            with bar.external_write_mode(file=sys.stdout):
                print((explained if options.explain else row_text)(row, width))
                if options.explain:
                    print("=" * width)
                sys.stdout.flush()

        try:
            for row in running:
                show(row)
        except KeyboardInterrupt:
            interrupted = True
            exec(
                "pass"
            )  # else, had it come within an exec of a text (as in a dataclass), Python would end by SIGINT, not with 130
            for row in running.rest():
                show(row)
    return rows, interrupted


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes; expected 1 or more")
    return number


def _add_derive(parser: argparse.ArgumentParser) -> None:
    parser.description = "Derive a Gaussian expectation."
    parser.add_argument("expression", help='such as "relu(u)*relu(v)"; u, v, w (or x, y, z) are standard Gaussians')
    parser.add_argument("--vector", action="store_true", help="E[x ...] as coefficients on the two unit vectors")
    parser.add_argument("--explain", action="store_true", help="print the steps")
    parser.add_argument("--latex", action="store_true", help="print the closed form in LaTeX")
    parser.set_defaults(run=lambda options: _derive(options, parser))


def _with_signs(argv: list[str]) -> list[str]:
    """The arguments, an expression that begins with a minus marked by a blank: else it would be taken for an option."""
    return [
        f" {word}" if argv[:1] == ["derive"] and word[0:1] == "-" and word[1:2] != "-" and word != "-h" else word
        for word in argv
    ]


def _derive(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from .derive import WrongResult, derivation

    try:
        lines = derivation(options.expression, vector=options.vector, explain=options.explain, latex=options.latex)
    except (ValueError, TypeError, ArithmeticError) as error:
        parser.error(str(error))
    except WrongResult as error:
        print(f"the closed form found is wrong, a defect of alignmath: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


def _add_figures(parser: argparse.ArgumentParser) -> None:
    parser.description = "Draw the figures; the scripts are in a checkout of the project, not in what pip installs."
    parser.add_argument("words", nargs="*", help="draw only scripts whose names contain one of these")
    parser.add_argument("--out", default="figures", help="folder for the PNG files and the data")
    parser.add_argument("--profile", choices=("quick", "full"), default="full")
    parser.set_defaults(run=lambda options: _figures(options, parser))


def _figures(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    home = Path(__file__).parent.parent
    if not (home / "examples" / "__main__.py").exists():
        parser.error(
            f"there is no folder examples beside {Path(__file__).parent}: the scripts that draw are not installed; "
            "get the project's source, and run this there"
        )
    if str(home) not in sys.path:
        sys.path.insert(0, str(home))
    drawing = importlib.import_module("examples.__main__")
    return drawing.main([*options.words, "--out", options.out, "--profile", options.profile])
