"""The ledger: what it holds, how it runs, what it prints and writes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proofs.__main__ import main
from proofs.engine import ledger
from proofs.engine.claims import CheckFailed, Claim, Effort, Outcome, Step, StepKind, Verdict

ROOT = Path(__file__).parent.parent
PAPER = """kernel eq1 eq2 obs2.1 main m1 fig1 thm3.1 thm3.1.step1 thm3.1.step2 thm3.1.step3 red.merge lem4.2 lem4.3 thm4.1 thm4.4
lem4.5 claim.dense thm5.1 eq3 eq4_5 cramer detcond prop5.4 conj5.5 thm5.6 ad.zero pad.linear pad.f conj5.8 thm5.9 fig2 fig3 fig4
potential""".split()  # noqa: SIM905
"""Every statement, equation and figure of the alignment paper."""
MIN_NORM = """eq5 prop4.2 rem4.3.1 rem4.3.2 rem4.3.3 teacher_kappa eq9 rem4.4.2 thm5.2 thm5.2.two thm5.2.proof rem5.3 eq12 exp.N40
exp.N20 conj.d fig1_3""".split()  # noqa: SIM905
"""The same of the min-norm paper."""
SPECIALIZATION = """eq1 bias lemma1 eq4 polytope cor1 thm1 thm1.noisy def2 thm2 thm3 cor2 thm4 rem.random thm5 eq5 eq6 eq7 thm6
thm6.between thm6.proof assump2 eq8 thm7 thm7.eq65 thm7.eq66_68 thm7.alignment sym_breaking slow lemma2 lemma3 lemma4
lemma5 lemma6 setup fig2 fig3 fig4 fig5 fig6 fig7 fig8 fig11 fig12""".split()  # noqa: SIM905
"""The same of the specialization paper."""
GRADIENT_DESCENT = """cond3.1 eq2 patch dyn Hinf linear G eq4 eq5 eq6 def5.1 rem.H1 thm5.1 def6.1 lmin.resnet thm6.1 compare def7.1 thm7.1
relu.closed""".split()  # noqa: SIM905
"""The same of the wide_networks paper."""


def claim(
    name: str, verdict: Verdict = Verdict.PROVED, expected: Verdict = Verdict.PROVED, uses: tuple[str, ...] = ()
) -> Claim:
    steps = (Step(StepKind.IDENTITY, "step", "a $\\theta_1$", ("x^2",), "because"),)
    return Claim(
        name,
        "a test",
        "says $\\theta\\ge0$",
        expected,
        lambda effort: Outcome(verdict, "found", steps),
        uses=uses,
    )


def failing(error: BaseException) -> Claim:
    def check(effort: Effort) -> Outcome:
        raise error

    return Claim("t.fails", "a test", "fails", Verdict.PROVED, check)


def test_every_claim_of_the_paper_has_its_row_and_figures_have_two():
    names = [c.name for c in ledger.CLAIMS]
    assert len(names) == len(set(names))
    assert {f"alignment.{name}" for name in PAPER} <= set(names)
    assert {f"alignment.fig{k}.measured" for k in (1, 2, 3, 4)} <= set(names)
    assert {f"min_norm.{name}" for name in MIN_NORM} <= set(names)
    assert {f"min_norm.exp.{name}.measured" for name in ("N20", "N40")} <= set(names)
    assert {f"specialization.{name}" for name in SPECIALIZATION} <= set(names)
    assert {f"wide_networks.{name}" for name in GRADIENT_DESCENT} <= set(names)
    assert {f"specialization.fig{k}.measured" for k in (*range(2, 9), 11, 12)} <= set(names)


@pytest.mark.parametrize("paper", ["min_norm", "specialization", "wide_networks"])
def test_refuted_statements_appear_again_as_mended(paper):
    by_name = {c.name: c for c in ledger.CLAIMS if c.paper == paper}
    refuted = [name for name, c in by_name.items() if c.expected is Verdict.REFUTED]
    assert refuted
    for name in refuted:
        assert by_name[f"{name}.mended"].expected is not Verdict.REFUTED


def test_claims_rest_on_known_claims_without_circles():
    by_name = {c.name: c for c in ledger.CLAIMS}

    def depth(name: str, above: tuple[str, ...] = ()) -> int:
        assert name not in above, f"{name} rests on itself through {above}"
        return 1 + max((depth(used, (*above, name)) for used in by_name[name].uses), default=0)

    assert max(depth(name) for name in by_name) > 3


def test_statements_mention_only_claims_that_exist():
    names = {c.name for c in ledger.CLAIMS}
    for c in ledger.CLAIMS:
        for mentioned in re.findall(r"`([^`]+)`", c.statement):
            assert mentioned in names


def test_rows_come_as_expected_or_say_why_not():
    rows = {r.claim.name: r for r in ledger.run([claim("t.good"), claim("t.weak", Verdict.MEASURED)], claims=())}
    assert rows["t.good"].as_expected
    assert not rows["t.weak"].as_expected
    assert "expected PROVED" in ledger.row_text(rows["t.weak"])
    assert "NOT as expected: t.weak" in ledger.summary(list(rows.values()))


def test_a_failed_or_broken_check_is_a_failed_claim():
    (row,) = ledger.run([failing(CheckFailed("step 'x': no"))], claims=())
    assert row.outcome.verdict is Verdict.FAILED
    (row,) = ledger.run([failing(ZeroDivisionError("oops"))], claims=())
    assert row.outcome.verdict is Verdict.FAILED
    assert "ZeroDivisionError in test_ledger.py" in row.error


def test_a_claim_names_all_that_its_steps_cite():
    cites = Claim("t.cites", "s", "s", Verdict.PROVED, lambda e: Outcome(Verdict.PROVED, "", (), ("t.base",)))
    (row,) = ledger.run([cites], claims=())
    assert "t.base" in row.error
    assert row.outcome.verdict is Verdict.FAILED


def test_a_claim_fails_with_what_it_rests_on():
    base, top = claim("t.base", Verdict.FAILED), claim("t.top", uses=("t.base",))
    (row,) = ledger.run([top], claims=(base, top))
    assert row.outcome.verdict is Verdict.FAILED
    assert "t.base" in row.error
    (row,) = ledger.run([claim("t.lost", uses=("t.unknown",))], claims=())
    assert "unknown" in row.error
    circle = claim("t.one", uses=("t.two",)), claim("t.two", uses=("t.one",))
    assert all(row.outcome.verdict is Verdict.FAILED for row in ledger.run(circle, claims=circle))


def test_what_claims_rest_on_is_checked_once_and_first():
    order: list[str] = []
    base, top = claim("t.base"), claim("t.top", uses=("t.base",))
    list(ledger.run([top, base], claims=(base, top), started=lambda c: order.append(c.name)))
    assert order == ["t.base", "t.top"]


def test_names_are_patterns_and_unknown_ones_are_refused():
    assert [c.name for c in ledger.select(["alignment.thm3.1*"])] == [
        "alignment.thm3.1.step1",
        "alignment.thm3.1.step2",
        "alignment.thm3.1.step3",
        "alignment.thm3.1",
    ]
    assert len(ledger.select([])) == len(ledger.CLAIMS)
    with pytest.raises(ValueError, match=r"did you mean alignment\.lem4\.3"):
        ledger.select(["lem4.3"])


def test_command_line_lists_and_explains(capsys):
    assert main(["--list", "alignment.lem4.*"]) == 0
    assert "Lemma 4.3" in capsys.readouterr().out
    assert main(["alignment.lem4.3", "--explain"]) == 0
    shown = capsys.readouterr().out
    assert "f(α)f(β)>f(α+β)f(0)" in shown
    assert "refuted by:" in shown
    assert "sin^2 s-s^2" in shown
    assert "$" not in shown
    with pytest.raises(SystemExit) as caught:
        main(["no.such.claim"])
    assert caught.value.code == 2


def test_command_line_writes_json_and_exits_1_when_something_differs(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ledger, "CLAIMS", (claim("t.good"), claim("t.weak", Verdict.MEASURED)))
    monkeypatch.setattr(ledger, "select", lambda names: ledger.CLAIMS)
    assert main(["--json", str(tmp_path / "deep" / "rows.json")]) == 1
    rows = json.loads((tmp_path / "deep" / "rows.json").read_text())
    assert [row["name"] for row in rows] == ["t.good", "t.weak"]
    assert set(rows[0]) >= {
        "name",
        "paper",
        "source",
        "statement",
        "expected",
        "verdict",
        "evidence",
        "steps",
        "seconds",
    }
    assert rows[0]["steps"][0]["kind"] == "identity"


@pytest.mark.parametrize(
    "name", ["alignment.eq1", "alignment.obs2.1", "alignment.lem4.2", "alignment.ad.zero", "alignment.claim.dense"]
)
def test_claims_do_not_depend_on_the_effort_for_their_verdict(name):
    (row,) = ledger.run(ledger.select([name]), Effort.FULL)
    assert row.as_expected


def test_interruption_prints_what_was_finished_and_exits_130(tmp_path):
    command = [sys.executable, "-u", "-m", "proofs", "--json", str(tmp_path / "rows.json")]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=os.environ,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(60) == 130
    assert "PROVED" in first
    assert re.search(r"interrupted: \d+ not run", rest)
    assert json.loads((tmp_path / "rows.json").read_text())
