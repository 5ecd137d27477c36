"""The ledger as one self-contained HTML page: verdicts, rendered statements, steps, figures; readable offline."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from alignmath.extras import needs

from .claims import Effort, Verdict
from .rows import Row
from .texts import math_to_html, to_html

__all__ = ["Figure", "figures_in", "write_html"]


@dataclass(frozen=True)
class Figure:
    """A PNG with the title and description from its text metadata, and the image as a data URL."""

    name: str
    title: str
    description: str
    source: str


def figures_in(folder: Path) -> list[Figure]:
    """The PNG files of `folder`, by name. Titles and descriptions are their "Title" and "Description" text entries."""
    needs("PIL", "report")
    from PIL import Image

    figures = []
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as image:
            entries = getattr(image, "text", {})  # PNG images have it
        encoded = base64.b64encode(path.read_bytes()).decode("ascii")
        figures.append(
            Figure(
                path.stem,
                entries.get("Title", path.stem),
                entries.get("Description", ""),
                f"data:image/png;base64,{encoded}",
            )
        )
    return figures


def write_html(rows: Iterable[Row], path: Path, *, figures: Path | None = None, effort: Effort = Effort.QUICK) -> None:
    """Write the page. `figures`: a folder of PNG files to embed."""
    needs("jinja2", "report")
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    rows = list(rows)
    environment = Environment(
        loader=PackageLoader("proofs.engine", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = to_html
    environment.filters["formula"] = lambda latex: math_to_html(latex, display=True)
    page = environment.get_template("report.html.j2").render(
        rows=rows,
        papers=list(dict.fromkeys(row.claim.paper for row in rows)),
        verdicts=[verdict for verdict in Verdict if any(row.outcome.verdict is verdict for row in rows)],
        counts={verdict: sum(row.outcome.verdict is verdict for row in rows) for verdict in Verdict},
        unexpected=[row for row in rows if not row.as_expected],
        seconds=sum(row.seconds for row in rows),
        figures=figures_in(figures) if figures else [],
        effort=effort,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
