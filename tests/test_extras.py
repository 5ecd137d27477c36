"""Optional libraries: what is missing is named, what is broken is not hidden."""

from __future__ import annotations

import configparser
import re
import sys
from pathlib import Path

import pytest

from alignmath.extras import needs

ROOT = Path(__file__).parent.parent


def test_needs_returns_the_module_asked_for():
    assert needs("json.decoder", "torch") is sys.modules["json.decoder"]


@pytest.mark.parametrize(("module", "name"), [("torch", "torch"), ("sklearn.datasets", "scikit-learn")])
def test_a_missing_library_is_named_with_its_extra(module, name, monkeypatch):
    monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    with pytest.raises(
        ImportError, match=rf'this needs {name}, which is not installed: pip install "alignmath\[some\]"'
    ):
        needs(module, "some")


def test_an_error_inside_an_installed_library_passes_unchanged(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import no_such_library\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        needs("half_installed", "some")


OPTIONAL = {
    "torch": "torch",
    "safetensors": "torch",
    "cvxpy": "convex",
    "jinja2": "report",
    "latex2mathml": "report",
    "PIL": "report",
    "pylatexenc": "report",
    "matplotlib": "figures",
    "sklearn": "images",
}
"""Libraries that the core does without, and the extra that brings each."""


def test_each_extra_brings_the_libraries_it_is_named_for():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    core = settings["options"]["install_requires"]
    names = {"PIL": "pillow", "sklearn": "scikit-learn"}
    for library, extra in OPTIONAL.items():
        name = names.get(library, library)
        assert re.search(rf"^{name} ", settings["options.extras_require"][extra], re.MULTILINE), library
        assert not re.search(rf"^{name} ", core, re.MULTILINE)
        assert extra in settings["options.extras_require"]["all"]
