"""The documentation builds without warnings, and leaves nothing out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_documentation_builds_without_warnings(tmp_path):
    pytest.importorskip("mkdocs", reason="mkdocs, of the extra `docs`, is not installed")
    pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    page = (tmp_path / "reference" / "functions" / "index.html").read_text(encoding="utf-8")
    assert "predict_mc" in page


@pytest.mark.fast
def test_every_pass_has_its_place_in_the_reference():
    listed = (ROOT / "docs" / "reference" / "passes.md").read_text(encoding="utf-8")
    modules = {path.stem for path in (ROOT / "passes").glob("*.py")} - {"__init__"}
    assert {name for name in modules if f"::: passes.{name}\n" in listed} == modules
