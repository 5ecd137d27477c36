"""`alignmath derive`: what it prints, and what it refuses."""

from __future__ import annotations

import pytest

from proofs.command import main


def test_the_command_line_derives_explains_and_checks(capsys):
    assert main(["derive", "Max(u,0)*Max(v,0)", "--explain"]) == 0
    shown = capsys.readouterr().out
    assert "((pi - t)*cos(t) + sin(t))/(2*pi)" in shown
    assert "polar coordinates" in shown
    assert "Mehler's sum differs by at most" in shown
    assert main(["derive", "Heaviside(u)*Max(v,0)", "--vector", "--latex"]) == 0
    assert r"\sin" in capsys.readouterr().out
    assert main(["derive", "Max(u - b, 0)"]) == 0
    assert "quadrature differs by" in capsys.readouterr().out
    assert main(["derive", "Heaviside(u)*Heaviside(v)*Max(w,0)"]) == 0
    assert float(capsys.readouterr().out.split("1.4 is ")[1].split()[0]) < 5
    for wrong in (
        "exp(u)",
        "1",
        "Max(u,",
        "u.__class__",
        "Max(\"__import__('os').system('echo no')\", u)",
        "10**10**10*u",
        "u**99",
        "(lambda: u)()",
        "t*u*v",
        "I*u",
        "Piecewise((u, u > 0))",
        "Max(u, 0)**2*sqrt(b - 5)",
        "open(u)",
    ):
        with pytest.raises(SystemExit):
            main(["derive", wrong])
