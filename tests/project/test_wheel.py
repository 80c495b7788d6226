"""The wheel holds the tree: every module, and the passes as `rewriter.passes`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("rewriter", "passes"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    command = [sys.executable, "-c", BUILD, str(folder)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        return {name for name in wheel.namelist() if ".dist-info/" not in name}


def test_the_wheel_has_every_file_of_the_tree(wheel_names):
    kept = [path for path in (ROOT / "rewriter").rglob("*") if path.is_file()]
    package = {str(path.relative_to(ROOT)) for path in kept if "__pycache__" not in path.parts}
    passes = {f"rewriter/passes/{path.name}" for path in (ROOT / "passes").glob("*.py")}
    assert wheel_names == package | passes


def test_the_wheel_installs_one_package(wheel_names):
    assert {name.partition("/")[0] for name in wheel_names} == {"rewriter"}


def test_the_passes_are_imported_under_the_one_package():
    from rewriter.passes.strip_dropout import StripDropout

    assert StripDropout.__module__ == "rewriter.passes.strip_dropout"
