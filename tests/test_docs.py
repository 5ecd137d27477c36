"""README and docs: they are short where they should be, say what the ledger says, and point at what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from proofs.engine import index

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
ENTRIES = {entry.name: entry for entry in index.entries()}


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


def test_the_readme_table_says_what_the_ledger_says():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^\| .* \| [A-Z, ]+ \| `.*` \|$", text, re.MULTILINE)) >= 8
    assert f"ledger of {len(ENTRIES)} statements" in text
    assert index.with_verdicts(text) == text
    assert index.with_verdicts(text.replace("| PROVED |", "| OPEN |").replace("220", "219")) == text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_claims_files_and_links_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:alignment|specialization|min_norm|wide_networks|computed)\.[\w.]+)`", text):
        assert name in ENTRIES, name
    for path in re.findall(r"`((?:alignmath|solvers|proofs|examples|tests|docs|benchmarks)/[\w./]*)`", text):
        assert (ROOT / path).exists(), path
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert ":" in link or (page.parent / link).exists(), link
