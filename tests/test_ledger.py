"""The ledger: what it holds, how it runs, what it prints and writes."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proofs import command
from proofs.command import claims as main
from proofs.engine import index, kept, ledger, rows
from proofs.engine.claims import CheckFailed, Claim, Effort, Outcome, Statement, Step, StepKind, Verdict

ROOT = Path(__file__).parent.parent
PAPER = """kernel eq1 eq2 obs2.1 main m1 fig1 thm3.1 thm3.1.step1 thm3.1.step2 thm3.1.step3 red.merge lem4.2 lem4.3 thm4.1 thm4.4
lem4.5 claim.dense thm5.1 eq3 eq4_5 cramer detcond prop5.4 conj5.5 thm5.6 ad.zero pad.linear pad.f conj5.8 thm5.9 fig2 fig3 fig4
potential""".split()  # noqa: SIM905
"""Every statement, equation and figure of the alignment paper."""
MIN_NORM = """eq5 prop4.2 rem4.3.1 rem4.3.2 rem4.3.3 teacher_kappa eq9 rem4.4.2 thm5.2 thm5.2.two thm5.2.proof rem5.3 eq12 exp.N40
exp.N20 conj.d fig1_3""".split()  # noqa: SIM905
"""The same of the min_norm paper."""
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
    good, weak = ledger.run([claim("t.good"), claim("t.weak", Verdict.MEASURED)], claims=())
    assert good.as_expected
    assert not weak.as_expected
    assert "expected PROVED" in rows.row_text(weak)
    assert "NOT as expected: t.weak" in rows.summary([good, weak])


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
    every = index.entries()
    assert [c.name for c in ledger.select(["alignment.thm3.1*"], every)] == [
        "alignment.thm3.1.step1",
        "alignment.thm3.1.step2",
        "alignment.thm3.1.step3",
        "alignment.thm3.1",
    ]
    assert ledger.select([], every) == every
    with pytest.raises(ValueError, match=r"did you mean alignment\.lem4\.3"):
        ledger.select(["lem4.3"], every)


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
    chosen = (claim("t.good"), claim("t.weak", Verdict.MEASURED))
    monkeypatch.setattr(ledger, "select", lambda names, claims: chosen)
    assert main(["--workers", "1", "--json", str(tmp_path / "deep" / "rows.json")]) == 1
    written = json.loads((tmp_path / "deep" / "rows.json").read_text())
    assert [row["name"] for row in written] == ["t.good", "t.weak"]
    assert set(written[0]) >= {
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
    assert written[0]["steps"][0]["kind"] == "identity"


@pytest.mark.parametrize(
    "name", ["alignment.eq1", "alignment.obs2.1", "alignment.lem4.2", "alignment.ad.zero", "alignment.claim.dense"]
)
def test_claims_do_not_depend_on_the_effort_for_their_verdict(name):
    (row,) = ledger.run(ledger.select([name], index.entries()), Effort.FULL)
    assert row.as_expected


def without_seconds(row: rows.Row) -> dict[str, object]:
    return {name: value for name, value in rows.as_json(row).items() if name != "seconds"}


def test_any_number_of_workers_gives_the_same_rows_in_the_same_order():
    chosen = ledger.select(
        ["alignment.lem4.[23]", "alignment.ad.zero", "min_norm.eq5", "specialization.lemma4"], index.entries()
    )
    alone, two = list(ledger.run(chosen)), list(ledger.run(chosen, workers=2))
    assert [row.claim.name for row in alone] == [claim.name for claim in chosen]
    assert [without_seconds(row) for row in alone] == [without_seconds(row) for row in two]
    assert all(row.as_expected for row in alone)


@pytest.fixture
def apart(tmp_path, monkeypatch):
    """Claims of two modules: `slow_claims`, whose check waits until those of `quick_claims` are done, and these."""
    head = """
import os, signal, time
from pathlib import Path
from proofs.engine.claims import Claim, Outcome, Verdict

HERE = Path(__file__).parent

def wait(effort):
    while not (HERE / "quick").exists():
        time.sleep(0.01)
    return Outcome(Verdict.PROVED, "found")

def quick(effort):
    (HERE / "quick").touch()
    return Outcome(Verdict.PROVED, "found")

def dies(effort):
    with open(HERE / "deaths", "a") as file:
        file.write("x")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    slow = 'CLAIMS = (Claim("t.slow", "s", "s", Verdict.PROVED, wait),)'
    others = """CLAIMS = (
    Claim("t.quick", "s", "s", Verdict.PROVED, quick),
    Claim("t.dies", "s", "s", Verdict.PROVED, dies),
    Claim("t.after", "s", "s", Verdict.PROVED, quick),
    Claim("t.rests", "s", "s", Verdict.PROVED, quick, uses=("t.dies",)),
)"""
    (tmp_path / "slow_claims.py").write_text(head + slow)
    (tmp_path / "quick_claims.py").write_text(head + others)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tuple(index.entry_of(c, name) for name in ("slow_claims", "quick_claims") for c in __import__(name).CLAIMS)


def test_rows_keep_their_order_whatever_is_finished_first(apart):
    done: list[str] = []
    chosen = ledger.select(["t.slow", "t.quick", "t.after"], apart)
    order = [row.claim.name for row in ledger.run(chosen, claims=apart, workers=2, ended=lambda c: done.append(c.name))]
    assert order == ["t.slow", "t.quick", "t.after"]
    assert done[0] == "t.quick"


def test_a_claim_whose_worker_dies_has_failed_and_so_has_what_rests_on_it(apart, tmp_path):
    found = {row.claim.name: row for row in ledger.run(apart, claims=apart, workers=2)}
    assert [name for name, row in found.items() if not row.as_expected] == ["t.dies", "t.rests"]
    assert "worker died" in found["t.dies"].error
    assert "SIGKILL" in found["t.dies"].error
    assert "t.dies, which did not come out as expected" in found["t.rests"].error
    assert (tmp_path / "deaths").read_text() == "xx"  # one retry


def test_what_is_settled_at_an_interrupt_is_not_lost(apart):
    base, top = claim("t.base"), claim("t.top", uses=("t.base",))

    def stop(effort: Effort) -> Outcome:
        raise KeyboardInterrupt

    stopping = Claim("t.stops", "s", "s", Verdict.PROVED, stop)
    running = ledger.run([top, base, stopping, claim("t.last")], claims=(base, top))
    with pytest.raises(KeyboardInterrupt):
        list(running)
    assert running.rest() == []  # both were given out, and the last was not begun
    running = ledger.run(apart, claims=apart, workers=2)
    next(running)
    rest = running.rest()
    assert "t.slow" not in [row.claim.name for row in rest]


def test_the_index_is_that_of_the_modules():
    fresh = [index.entry_of(c, module) for module, c in index.claims_in_modules()]
    stored = [dataclasses.replace(e, seconds=0.0) for e in index.entries()]
    assert stored == fresh, "run `python -m proofs.engine.index`"
    assert json.loads(index.as_text({e.name: e.seconds for e in index.entries()})) == json.loads(index.FILE.read_text())


def test_a_claim_that_differs_from_the_index_fails_and_says_so(apart):
    (slow, *_) = apart
    other = index.Entry(slow.name, "s", "another statement", slow.expected, module=slow.module, plain=slow.plain)
    lost = index.Entry("t.lost", "s", "s", slow.expected, module=slow.module)
    (row,) = ledger.run([other], claims=())
    assert "has changed since it was indexed" in row.error
    (row,) = ledger.run([lost], claims=())
    assert "slow_claims has no claim t.lost" in row.error
    (row,) = ledger.run([Statement("t.bare", "s", "s", Verdict.PROVED)], claims=())
    assert "has no check" in row.error


def loaded_by(*arguments: str) -> set[str]:
    """Which heavy libraries a run of the command loads."""
    code = f"""
import sys
from proofs.command import main
status = main({list(arguments)!r})
print(status, *(name for name in ("numpy", "scipy", "sympy", "torch", "flint", "cvxpy", "matplotlib") if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    status, *names = done.stdout.splitlines()[-1].split()
    assert status == "0"
    return set(names)


def test_listing_loads_nothing_heavy_and_a_claim_what_it_needs():
    assert loaded_by("claims", "--list") == set()
    assert loaded_by("--version") == set()
    assert not loaded_by("claims", "alignment.lem4.3", "--explain", "--workers", "1") & {"torch", "cvxpy", "matplotlib"}


def test_the_version_says_when_the_parts_do_not_belong_together(capsys, monkeypatch, tmp_path):
    import proofs
    import solvers

    assert command.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("alignmath 0.")
    for module, name, value, said in (
        (solvers, "__project__", "other", "solvers in .* is another project's package"),
        (proofs, "__version__", "0.0.1", r"proofs in .* is of version 0\.0\.1"),
        (solvers, "__file__", str(tmp_path / "solvers" / "__init__.py"), f"solvers is in {tmp_path}"),
    ):
        with monkeypatch.context() as planted:
            planted.setattr(module, name, value)
            assert command.main(["--version"]) == 1
        assert re.search(said, capsys.readouterr().err)
    monkeypatch.delattr(solvers, "__project__")
    assert command.main(["--version"]) == 1


def test_figures_need_a_checkout(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "__file__", str(tmp_path / "proofs" / "command.py"))
    with pytest.raises(SystemExit) as caught:
        command.main(["figures"])
    assert caught.value.code == 2
    assert "get the project's source" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["claims", "--workers", "0"], ["claims", "--workers", "x"]])
def test_wrong_arguments_exit_2(arguments):
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_interruption_prints_what_was_finished_and_exits_130(tmp_path, workers):
    arguments = ["alignment.lem4.2", "wide_networks.eq6", "--effort", "full", "--workers", workers]
    command = [sys.executable, "-u", "-m", "proofs", *arguments, "--json", str(tmp_path / "rows.json")]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.default_int_handler
        ),  # a shell's background jobs ignore it
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process
        rest, errors = process.communicate(timeout=60)
        assert process.returncode == 130, errors
    assert "PROVED" in first
    assert "interrupted: 1 not run" in rest
    assert "Traceback" not in errors
    assert [row["name"] for row in json.loads((tmp_path / "rows.json").read_text())] == ["alignment.lem4.2"]


def test_a_coarse_check_shows_the_full_run_that_is_kept_and_whether_it_is_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    name = "alignment.ad.zero"
    entry = ledger.select([name], index.entries())
    (plain,) = ledger.run(entry)
    assert plain.kept is None
    assert kept.main([name]) == 0
    (coarse,) = ledger.run(entry)
    assert "coarse" in coarse.tally
    assert coarse.outcome == plain.outcome
    shown = rows.row_text(coarse, 400)
    assert f"python -m proofs.engine.kept {name}, 20" in shown
    assert "STALE" not in shown
    (full,) = ledger.run(entry, Effort.FULL)
    assert full.kept is None
    record = json.loads((tmp_path / f"{name}.json").read_text())
    assert {"proofs/alignment/angular_distance.py", "proofs/engine/derivation.py"} <= set(record["sources"])
    record["sources"]["proofs/engine/derivation.py"] = ["0", "0"]
    (tmp_path / f"{name}.json").write_text(json.dumps(record))
    (stale,) = ledger.run(entry)
    assert "STALE, changed since: proofs/engine/derivation.py" in rows.row_text(stale, 400)


def test_a_record_is_stale_when_the_code_changes_and_not_when_a_comment_does(tmp_path):
    source = tmp_path / "module.py"
    source.write_text('"""A text."""\nx = 1  # one\n')
    digests = kept._digest(source), kept._meaning(source)
    for text, fits in (('"""Another."""\n\nx = 1\n', True), ("x = 2\n", False)):
        source.write_text(text)
        kept._digest.cache_clear()
        kept._meaning.cache_clear()
        assert kept._as_before(source, *digests) is fits
