"""`alignmath derive`: what it prints, and what it refuses."""

from __future__ import annotations

import pytest
import sympy as sp

from proofs import derive
from proofs.command import main
from proofs.gaussian_integrals import expectation, matrix_expectation, vector_expectation


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
    assert float(capsys.readouterr().out.split("1.4, are ")[1].split()[0]) < 5
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
        "t_uw*u*v*w",
        "Piecewise((u, u > 0))",
        "Max(u, 0)**2*sqrt(b - 5)",
        "open(u)",
    ):
        with pytest.raises(SystemExit):
            main(["derive", wrong])


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("max(u, 0)*relu(v)", "Max(u,0)*Max(v,0)"),
        ("relu(x)*relu(y)", "Max(u,0)*Max(v,0)"),
        ("-u*ReLU(v)^3", "-u*Max(v,0)**3"),
        ("abs(U)*step(V)", "Abs(u)*Heaviside(v)"),
        ("x*y*z**2", "u*v*w**2"),
    ],
)
def test_people_write_it_in_their_own_way(text, other, capsys):
    results = []
    for expression in (text, other):
        assert main(["derive", expression]) == 0
        results.append(capsys.readouterr().out.splitlines()[0])
    own = {"t_xy": "t_uv", "t_xz": "t_uw", "t_yz": "t_vw"}
    for name, usual in own.items():
        results[0] = results[0].replace(name, usual)
    assert results[0] == results[1]


def test_vectors_are_called_after_their_gaussians(capsys):
    assert main(["derive", "step(u)*relu(w)", "--vector"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "E[X ...] = a e_u + b e_w, e_u and e_w being the unit vectors of u = e_u.X and w = e_w.X"
    )
    assert lines[1:3] == ["a = sin(t)/(2*pi)", "b = (pi - t)/(2*pi)"]
    assert lines[3].startswith("along e_u, checked")
    assert lines[4].startswith("along e_w, checked")


@pytest.mark.parametrize("text", ["relu(u)", "relu(u)*relu(v)", "relu(u)*relu(v)*relu(w)"])
def test_a_wrong_closed_form_is_found(text, monkeypatch, capsys):
    found = derive.expectation
    monkeypatch.setattr(derive, "expectation", lambda *given: found(*given) * sp.Rational(101, 100))
    assert main(["derive", text]) == 1
    assert "is wrong, a defect of alignmath" in capsys.readouterr().err


def test_messages_have_the_names_of_the_user(capsys):
    for text, message in (
        ("Max(u - b, 0)*Max(v, 0)", "-b + u in Max(0, v)"),
        ("Max(u, w)*v", "Max(u, w) in v*Max(u, w)"),
        ("Max(Max(u, b) - d, 0)", "if d is, write b + e for it"),
    ):
        with pytest.raises(SystemExit):
            main(["derive", text])
        assert message in capsys.readouterr().err
    assert main(["derive", "Max(Max(u, b) - (b + e), 0)"]) == 0
    assert "quadrature differs by at most" in capsys.readouterr().out


@pytest.mark.parametrize("angle", [sp.Matrix([[1, 2]]), sp.MatrixSymbol("A", 2, 2)])
def test_an_angle_is_a_scalar(angle):
    u, v = sp.symbols("u v")
    for function in (expectation, vector_expectation, matrix_expectation):
        with pytest.raises(ValueError, match="no matrix"):
            function(sp.Max(u, 0) * v, (u, v), angle)
