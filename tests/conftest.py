"""Settings for all tests: no display, reproducible hypothesis."""

from __future__ import annotations

import os

import hypothesis

os.environ.setdefault("MPLBACKEND", "Agg")
hypothesis.settings.register_profile("alignmath", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("alignmath")
