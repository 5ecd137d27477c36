"""README and docs: they are short where they should be, say what the ledger says, and point at what exists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from proofs.engine import index

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
ENTRIES = {entry.name: entry for entry in index.entries()}


def verdict(entry) -> str:
    return str(entry.expected)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


def test_the_readme_table_says_what_the_ledger_says():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| ([A-Z]+) \| (`.*`) \|$", text, re.MULTILINE)
    assert len(rows) >= 8
    for expected, claims in rows:
        for name in re.findall(r"`([^`]+)`", claims):
            assert verdict(ENTRIES[name]) == expected, name
    for kind, count in Counter(map(verdict, ENTRIES.values())).items():
        assert f"{count} {kind}" in text
    assert f"ledger of {len(ENTRIES)} statements" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_claims_files_and_links_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:alignment|specialization|min_norm|wide_networks|computed)\.[\w.]+)`", text):
        assert name in ENTRIES, name
    for path in re.findall(r"`((?:alignmath|solvers|proofs|examples|tests|docs|benchmarks)/[\w./]*)`", text):
        assert (ROOT / path).exists(), path
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert ":" in link or (page.parent / link).exists(), link
