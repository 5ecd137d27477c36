"""Optional libraries: what is missing is named, what is broken is not hidden."""

from __future__ import annotations

import sys

import pytest

from alignmath.extras import needs


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
