"""Prose with LaTeX between dollar signs and claim names between backticks, for the terminal and for HTML."""

from __future__ import annotations

import html
import importlib.util
import re
from functools import cache
from typing import Any

from alignmath.extras import needs

__all__ = ["has_plain_formulas", "math_to_html", "math_to_plain", "to_html", "to_plain"]

_PIECES = re.compile(r"\$([^$]+)\$|`([^`]+)`")
_SYMBOLS = {
    "ne": "≠",
    "det": " det ",
    "dots": "…",
    "cdots": "⋯",
    "qquad": "   ",
    "quad": "  ",
    "max": "max",
    "min": "min",
    "log": " log ",
    "sin": " sin ",
    "cos": " cos ",
    "tan": " tan ",
    "cot": " cot ",
    "big": "",
    "Big": "",
    "bigg": "",
    "left": "",
    "right": "",
    "top": "ᵀ",
    "mathbf": "%s",
    "text": "%s",
    "propto": "∝",
    "le": "≤",
    "ge": "≥",
    "mapsto": "↦",
    "angle": "∠",
    "succ": "≻",
    "succeq": "⪰",
    "langle": "⟨",
    "rangle": "⟩",
    "{": "\ue000",  # set braces, told apart from groups until the end
    "}": "\ue001",
    ",": " ",
    ";": " ",
    ":": " ",
    "!": "",
    " ": " ",
    "|": "‖",
    "second": "″",
}


_MATRIX = re.compile(r"\\left\[\\begin\{matrix\}(.*?)\\end\{matrix\}\\right\]", re.DOTALL)


def to_plain(text: str) -> str:
    """`text` for a terminal: mathematics in Unicode."""
    return _PIECES.sub(lambda found: math_to_plain(found[1]) if found[1] else found[2], text)


def math_to_plain(latex: str) -> str:
    """A LaTeX formula as one line of Unicode; fractions become quotients with the brackets they need.

    Without pylatexenc, which comes with the extra `report`, the LaTeX itself.
    """
    if not has_plain_formulas():
        return latex
    latex = latex.replace("''", "\\second ").replace("\\,", " ").replace("^\\top", "\\top ")
    plain = _converter().latex_to_text(_MATRIX.sub(_matrix_in_line, latex))
    plain = re.sub(r"\{\(([^{}]*)\)\}", r"(\1)", plain)  # SymPy's sin{(a)}
    plain = re.sub(r"\{([^{}]|\([^{}()]*\))\}", r"\1", plain)
    plain = re.sub(r"\s+", " ", plain).replace(" ^", "^").replace("- (", "-(")
    return re.sub(r"(?<=[(\[{]) | (?=[)\]},])", "", plain).strip().replace("\ue000", "{").replace("\ue001", "}")


@cache
def has_plain_formulas() -> bool:
    """Whether formulas can be turned into Unicode: pylatexenc is installed."""
    return importlib.util.find_spec("pylatexenc") is not None


def _matrix_in_line(found: re.Match[str]) -> str:
    rows = [", ".join(entry.strip() for entry in row.split("&")) for row in found[1].split(r"\\")]
    return "[" + "; ".join(rows) + "]"


def to_html(text: str) -> str:
    """`text` for HTML: mathematics as MathML, claim names as links to their rows."""

    def piece(found: re.Match[str]) -> str:
        if found[1]:
            return math_to_html(found[1])
        name = html.escape(found[2])
        return f'<a class="claim" href="#{name}">{name}</a>'

    parts, end = [], 0
    for found in _PIECES.finditer(text):
        parts += [html.escape(text[end : found.start()]), piece(found)]
        end = found.end()
    return "".join([*parts, html.escape(text[end:])])


def math_to_html(latex: str, *, display: bool = False) -> str:
    """A LaTeX formula as MathML; long ones within text come in pieces between which a line can break."""
    needs("latex2mathml", "report")
    from latex2mathml.converter import convert

    latex = re.sub(r"\\(?:big|Big|bigg)(?![A-Za-z])", "", latex)
    if display:
        return convert(latex, display="block")
    return "<wbr>".join(convert(piece) for piece in (_pieces(latex) if len(latex) > 40 else [latex]))


def _pieces(latex: str) -> list[str]:
    """`latex` cut after relations, sums and commas that are not inside braces or between delimiters that grow."""
    pieces, depth, inside, start = [], 0, 0, 0
    for token in re.finditer(r"\\[A-Za-z]+|\\.|[{}()\[\]]|[=+<>,-]", latex):
        text = token[0]
        depth += {"{": 1, "}": -1, r"\left": 1, r"\right": -1}.get(text, 0)
        inside += {"(": 1, "[": 1, ")": -1, "]": -1}.get(text, 0)
        breaks = text in ("=", "+", "-", "<", ">", ",", r"\le", r"\ge", r"\ne") and latex[token.start() - 1] not in "(["
        if breaks and not depth and token.end() - start > (40 if inside else 12):
            pieces.append(latex[start : token.end()])
            start = token.end()
    return [*pieces, latex[start:]] if latex[start:].strip() else pieces


@cache
def _converter() -> Any:
    from pylatexenc.latex2text import LatexNodes2Text, MacroTextSpec, get_default_latex_context_db
    from pylatexenc.latexwalker import get_default_latex_context_db as get_parser_context
    from pylatexenc.macrospec import MacroSpec

    def bracketed(inner: str) -> str:
        inner = inner.strip()
        if inner.startswith("{") and inner.endswith("}"):
            inner = inner[1:-1].strip()
        return inner if re.fullmatch(r"\d+|[^\W\d](_\{?\w+\}?)?", inner) else f"({inner})"

    def fraction(node: Any, l2tobj: Any) -> str:
        numerator, denominator = (l2tobj.nodelist_to_text([arg]) for arg in node.nodeargd.argnlist)
        return f"{bracketed(numerator)}/{bracketed(denominator)}"

    def binomial(node: Any, l2tobj: Any) -> str:
        upper, lower = (l2tobj.nodelist_to_text([arg]).strip("{}") for arg in node.nodeargd.argnlist)
        return f"C({upper}, {lower})"

    def accent(mark: str) -> Any:
        return lambda node, l2tobj: l2tobj.nodelist_to_text(node.nodeargd.argnlist).strip("{}") + mark

    def radical(node: Any, l2tobj: Any) -> str:
        return "√" + bracketed(l2tobj.nodelist_to_text(node.nodeargd.argnlist))

    context = get_default_latex_context_db()
    context.add_context_category(
        "ours",
        prepend=True,
        macros=[
            *(MacroTextSpec(name, simplify_repl=symbol) for name, symbol in _SYMBOLS.items()),
            *(MacroTextSpec(name, simplify_repl=fraction) for name in ("frac", "tfrac", "dfrac")),
            MacroTextSpec("hat", simplify_repl=accent("\u0302")),
            MacroTextSpec("sqrt", simplify_repl=radical),
            MacroTextSpec("binom", simplify_repl=binomial),
            MacroTextSpec(
                "operatorname",
                simplify_repl=lambda node, l2tobj: l2tobj.nodelist_to_text(node.nodeargd.argnlist).strip("{}"),
            ),
        ],
    )
    parser = get_parser_context()
    one = [MacroSpec(name, "{") for name in ("mathbf", "mathbb", "text", "hat", "sqrt", "operatorname")]
    parser.add_context_category(
        "ours",
        prepend=True,
        macros=[
            *one,
            *(MacroSpec(name, "{{") for name in ("frac", "tfrac", "dfrac", "binom")),
            *(MacroSpec(name, "") for name in ("left", "right", "big", "Big", "bigg")),
        ],
    )
    converter = LatexNodes2Text(context, math_mode="text", keep_braced_groups=True, keep_braced_groups_minlen=2)

    class Converter:
        def latex_to_text(self, latex: str) -> str:
            from pylatexenc.latexwalker import LatexWalker

            nodes, _, _ = LatexWalker(latex, latex_context=parser).get_latex_nodes()
            return converter.nodelist_to_text(nodes)

    return Converter()
