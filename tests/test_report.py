"""Texts and the HTML report, the latter in a real browser where one is installed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from examples.style import new_figure
from proofs.engine import ledger, texts
from proofs.engine.report import figures_in, write_html
from proofs.engine.texts import math_to_html, math_to_plain, to_html, to_plain

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


@pytest.mark.parametrize(
    ("latex", "plain"),
    [
        (r"\frac{w_0}{\pi-\theta_{12}}\ge\tfrac12", "w_0/(π-θ_{12})≥1/2"),
        (r"\det M_i\le0,\ m\ne2", "det M_i≤0, m≠2"),
        (r"\sin^2s-s^2<0", "sin^2s-s^2<0"),
        (r"f f''-(f')^2", "f f″-(f')^2"),
        (r"\hat F(n)", "F\u0302(n)"),
        (r"\theta\in\{0,\pi\}", "θ∈{0,π}"),
        (r"x\in\mathbb{R}^d", "x∈ℝ^d"),
        (r"\sum_{j\ne i}\rho_j", "∑_{j≠i}ρ_j"),
        (r"\binom{n-1}k v^\top M", "C(n-1, k) vᵀM"),
        (r"M=\left[\begin{matrix}2 & 1\\1 & 2\end{matrix}\right]", "M=[2, 1; 1, 2]"),
        (r"\frac1{\sqrt2}\sqrt{x^2+1}", "1/(√2)√(x^2+1)"),
    ],
)
def test_formulas_are_readable_in_a_terminal(latex, plain):
    assert math_to_plain(latex) == plain


def test_every_text_of_the_ledger_is_rendered_without_left_over_markup():
    for claim in ledger.CLAIMS:
        assert "$" not in to_plain(claim.statement) + to_html(claim.statement)
        assert "\\" not in to_plain(claim.statement)
        assert "\\" not in re.sub(r"<[^>]*>", "", to_html(claim.statement))


def test_prose_is_escaped_and_claims_are_linked():
    assert (
        to_html("a < b & `alignment.main`")
        == 'a &lt; b &amp; <a class="claim" href="#alignment.main">alignment.main</a>'
    )
    assert to_plain("see `alignment.main`, $x^2$") == "see alignment.main, x^2"
    assert math_to_html("x", display=True).startswith("<math")
    assert math_to_html(r"a+b+c=\sum_j\rho_j\sin\theta_{ij}u_i+\big[x\big]-w_0").count("<math") > 1


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    figure = new_figure(2, 1)
    figure.subplots().plot(np.arange(3))
    figure.savefig(folder / "line.png", metadata={"Title": "A <line>", "Description": "Three points & no more, θ."})
    rows = list(
        ledger.run(
            ledger.select(
                [
                    "alignment.eq1",
                    "alignment.lem4.2",
                    "alignment.obs2.1",
                    "alignment.potential",
                    "min_norm.rem5.3",
                    "min_norm.prop4.2",
                ],
                ledger.CLAIMS,
            )
        )
    )
    write_html(rows, folder / "index.html", figures=folder)
    return folder / "index.html"


def test_the_page_is_self_contained(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", text)
    assert text.count("<article") == 6
    assert "A &lt;line&gt;" in text
    assert figures_in(page.parent)[0].description == "Three points & no more, θ."


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_works_in_a_browser(page, width):
    from playwright.sync_api import sync_playwright

    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=flags)
        try:
            tab = browser.new_page(viewport={"width": width, "height": 900}, offline=True)
            errors: list[str] = []
            tab.on("pageerror", lambda error: errors.append(str(error)))
            tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
            tab.goto(page.as_uri())
            rows = tab.locator("main > article")
            assert rows.count() == 6
            tab.get_by_role("button", name="REFUTED").click()
            assert tab.locator("main > article:visible").count() == 3
            tab.locator('[data-filter="paper"] [data-value="min_norm"]').click()
            assert tab.locator("main > article:visible").count() == 2
            tab.get_by_role("button", name="MEASURED").click()
            assert tab.locator("main > article:visible").count() == 0
            assert tab.locator("#none").is_visible()
            for group in ("paper", "verdict"):
                tab.locator(f'[data-filter="{group}"] [data-value=""]').click()
            assert tab.locator("main > article:visible").count() == 6
            lemma = tab.locator('[id="alignment.lem4.2"]')
            lemma.locator("summary").click()
            formula = lemma.locator(".formula math").first
            assert formula.is_visible()
            box = formula.bounding_box()
            assert box is not None
            assert box["height"] > 8  # MathML is laid out, not collapsed
            overflow = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert overflow <= 0, "the page scrolls sideways"
            scrolls = "found => found.filter(e => e.scrollHeight > e.clientHeight && getComputedStyle(e).overflowY != 'hidden').length"
            assert tab.locator(".statement, .formula").evaluate_all(scrolls) == 0, "a formula scrolls up and down"
            image = tab.locator("figure img").first
            assert image.evaluate("image => image.naturalWidth") > 0
            assert not errors
        finally:
            browser.close()


def test_without_the_library_formulas_stay_in_latex(monkeypatch):
    monkeypatch.setattr(texts, "has_plain_formulas", lambda: False)
    assert to_plain(r"where $\frac12\ge0$") == r"where \frac12\ge0"
