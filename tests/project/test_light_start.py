"""A command imports what it needs, and no more: `check` and `--dry-run` start fast."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.fast

MODEL = Path(__file__).parents[2] / "examples" / "models" / "vowels_tokens.keras"
CODE = """
import json, sys
from rewriter.cli import main
try:
    main()
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)))
"""


def imported(*arguments: str) -> set[str]:
    command = [sys.executable, "-c", CODE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_check_imports_neither_numpy_nor_what_writes_loads_or_ports():
    modules = imported("check", str(MODEL))
    assert not {"numpy", "h5py", "tensorflow", "keras", "tf_keras"} & modules
    heavy = ("rewriter.porting", "rewriter.live", "rewriter.saved.writing", "rewriter.verification")
    assert [name for name in modules if name.startswith(heavy)] == []


def test_a_dry_run_imports_neither_numpy_nor_what_checks_loads_or_writes():
    modules = imported("rewrite", str(MODEL), "--dry-run", "-p", "strip-dropout")
    assert not {"numpy", "h5py", "tensorflow", "keras", "tf_keras"} & modules
    heavy = ("rewriter.checks", "rewriter.live", "rewriter.saved.writing", "rewriter.verification")
    assert [name for name in modules if name.startswith(heavy)] == []
