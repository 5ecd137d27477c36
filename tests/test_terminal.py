"""Commands and their terminals: what cannot be written is said first, and no end has a traceback."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import determinants
from examples.__main__ import main as draw
from examples.__main__ import scripts
from proofs import command, terminal

ROOT = Path(__file__).parent.parent
LIST = [sys.executable, "-m", "proofs", "--list"]


def test_a_reader_that_stops_early_ends_a_command_quietly():
    with subprocess.Popen(LIST, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"alignment.")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == terminal.NO_READER


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_an_encoding_lacks_becomes_escapes(encoding):
    done = subprocess.run(
        LIST, cwd=ROOT, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}, check=True
    )
    assert b"\\u03b8" in done.stdout or b"\\u03c0" in done.stdout  # theta, pi
    assert done.stderr == b""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such shell")
def test_a_closed_stdout_is_no_error():
    done = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', *LIST], cwd=ROOT, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_while_modules_are_loaded_is_status_130(tmp_path, monkeypatch):
    (tmp_path / "slow_to_load.py").write_text("raise KeyboardInterrupt")
    monkeypatch.syspath_prepend(tmp_path)
    assert terminal.run("slow_to_load") == 130


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_files_that_cannot_be_written_are_found_before_any_check(option, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setattr(command, "_checked", lambda *_: pytest.fail("a claim was checked"))
    for place in (tmp_path / "file" / "rows", tmp_path):
        with pytest.raises(SystemExit) as ended:
            command.claims([option, str(place)])
        assert ended.value.code == 2
        assert f"{option} {place} cannot be written" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        command.claims(["--figures", str(tmp_path / "none")])
    assert ended.value.code == 2
    assert "is no folder; draw the figures first" in capsys.readouterr().err


def test_benchmarks_find_out_first_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(determinants, "measure", lambda: pytest.fail("it was measured"))
    with pytest.raises(SystemExit) as ended:
        determinants.main(["--json", str(tmp_path)])
    assert ended.value.code == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_file_that_can_be_written_is_not_touched(tmp_path):
    parser = argparse.ArgumentParser()
    (tmp_path / "kept").write_text("as it was")
    for name in ("kept", "new/deep"):
        terminal.require_writable(parser, tmp_path / name, "--json")
    assert (tmp_path / "kept").read_text() == "as it was"
    assert not (tmp_path / "new" / "deep").exists()


def test_figure_scripts_are_listed(capsys):
    assert draw(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[::2] == [name.removeprefix("examples.") for name in scripts()]
    assert all(len(line) > 20 for line in lines[1::2])
