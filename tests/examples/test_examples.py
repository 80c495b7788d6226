"""The examples run as they stand."""

from __future__ import annotations

import ast
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.examples


def require_sktime(name):
    if "train_vowels" in (EXAMPLES / name).read_text(encoding="utf-8"):
        pytest.importorskip("sktime", reason="sktime, of the extra `examples`, is not installed")


@pytest.fixture
def run(monkeypatch, capsys):
    """Run an example in this process, which has imported TensorFlow; return what it printed."""

    def run(name, *arguments):
        require_sktime(name)
        monkeypatch.chdir(EXAMPLES)
        monkeypatch.syspath_prepend(EXAMPLES)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


def run_in_a_process_of_its_own(name, *arguments):
    """Run an example that sets up TensorFlow's devices, and return what it printed."""
    require_sktime(name)
    done = subprocess.run(
        [sys.executable, name, *arguments],
        cwd=EXAMPLES,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_own_pass_lowers_the_rate(run):
    printed = run("own_pass.py")
    assert "rate: 0.6 -> 0.25" in printed
    assert "verified same: equal to the bit" in printed


def test_own_pass_is_under_25_lines():
    source = (EXAMPLES / "own_pass.py").read_text(encoding="utf-8")
    (cls,) = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    assert cls.end_lineno < 25


def test_own_pass_is_tested_in_five_lines(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    from own_pass import CapDropout

    from rewriter.testing import check_pass, random_models

    for result in check_pass(CapDropout(limit=0.3), random_models(keras=3)):
        dropouts = [each for each in result.model.layers if type(each).__name__ == "Dropout"]
        assert all(layer.rate <= 0.3 for layer in dropouts)


def test_a_legacy_file_is_opened_checked_and_rewritten(run, tmp_path):
    printed = run("open_legacy_h5.py", "--out", str(tmp_path / "rewritten.h5"))
    assert "RW203 embedding: without a mask, padding counts in lstm" in printed
    assert "sensitivity to padding behind: " in printed
    assert (tmp_path / "rewritten.h5").is_file()


def test_monte_carlo_errs_more_where_it_is_unsure_and_draws_that(run, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra `examples`, is absent")
    printed = run("monte_carlo.py", "--samples", "20", "--plot", str(tmp_path / "plot.png"))
    rows = [line.split(" | ") for line in printed.splitlines() if " to " in line]
    accuracies = [float(row[-1].rstrip(" |")) for row in rows]
    assert len(accuracies) == 5
    assert accuracies[-1] < accuracies[0]
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("keras", ["2", "3"])
def test_a_rewrite_inside_a_strategy_goes_on_where_it_was(keras):
    printed = run_in_a_process_of_its_own("rewrite_under_strategy.py", "--keras", keras)
    assert "2 replicas" in printed
    assert "verified same: equal to the bit" in printed
    assert "steps of the optimizer before: 8\nsteps of the optimizer after: 8\n" in printed


@pytest.mark.parametrize("keras", ["2", "3"])
def test_training_on_after_a_rewrite_prints_the_table(run, keras):
    short = ("--seeds", "1", "--epochs", "2", "--more-epochs", "1")
    printed = run("train_and_rewrite.py", "--keras", keras, *short)
    rows = [line.strip("| ").split(" | ") for line in printed.splitlines() if " ± " in line]
    assert [row[0] for row in rows] == ["as it is", "masked", "masked, constant"]
    for _, accuracy, padded, moved in rows[1:]:
        assert accuracy == padded
        assert moved == "0.000 ± 0.000"
