"""Where no framework is installed: one line says which extra is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import rewriter
from rewriter.cli import main
from rewriter.errors import RewriterError
from rewriter.live.frameworks import import_framework, require_framework
from rewriter.testing import random_model

pytestmark = pytest.mark.fast

MODELS = Path(__file__).parents[2] / "examples" / "models"
MODEL = str(MODELS / "vowels_tokens.keras")
MISSING = (
    "{} is not installed, and this needs it; "
    "install the extra `tensorflow`: pip install 'keras-rewriter[tensorflow]'"
)


@pytest.fixture
def without_frameworks(monkeypatch):
    for name in ("tensorflow", "tf_keras", "keras"):
        monkeypatch.setitem(sys.modules, name, None)  # as Python has a module that is not there
    monkeypatch.delitem(rewriter.__dict__, "DynamicDropout", raising=False)


@pytest.mark.usefixtures("without_frameworks")
@pytest.mark.parametrize(
    "call",
    [
        lambda: rewriter.rewrite(MODEL, ["move-dropout"]),
        lambda: rewriter.verify(MODEL, MODEL),
        lambda: rewriter.rehearse(MODEL),
        lambda: rewriter.predict_mc(MODEL, [[1, 2]]),
        lambda: rewriter.DynamicDropout,
    ],
    ids=["rewrite", "verify", "rehearse", "predict_mc", "DynamicDropout"],
)
def test_a_call_that_needs_a_framework_names_the_extra(call):
    with pytest.raises(RewriterError) as refused:
        call()
    assert str(refused.value) == MISSING.format("tensorflow")


@pytest.mark.usefixtures("without_frameworks")
@pytest.mark.parametrize(("keras", "module"), [(2, "tf_keras"), (3, "keras")])
def test_a_random_model_names_the_extra_of_its_keras(keras, module):
    with pytest.raises(RewriterError) as refused:
        random_model(keras)
    assert str(refused.value) == MISSING.format(module)


@pytest.mark.usefixtures("without_frameworks")
@pytest.mark.parametrize(
    "arguments",
    [
        ["rewrite", MODEL, "-o", "out.keras", "-p", "move-dropout"],
        ["verify", MODEL, MODEL],
        ["rehearse", MODEL],
        ["check", str(MODELS / "vowels_frames.keras"), "--fix", "-o", "out.keras"],
    ],
    ids=["rewrite", "verify", "rehearse", "check-fix"],
)
def test_a_command_that_needs_a_framework_ends_in_one_line(
    arguments, monkeypatch, tmp_path, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rewriter", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {MISSING.format('tensorflow')}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_module_that_a_framework_misses_is_named_as_python_names_it(tmp_path, monkeypatch):
    (tmp_path / "needs_absent.py").write_text("import absent_module_of_a_framework\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="absent_module_of_a_framework"):
        import_framework("needs_absent")


def test_a_framework_that_is_installed_is_not_imported_to_find_out(monkeypatch, tmp_path):
    (tmp_path / "tf_keras.py").write_text("raise AssertionError('it was imported')\n")
    monkeypatch.delitem(sys.modules, "tf_keras", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    require_framework("tf_keras")
