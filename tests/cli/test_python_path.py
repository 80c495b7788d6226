"""Nothing of the working directory runs that nobody has named, and settings are told."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rewriter import cli
from rewriter.cli.custom_modules import custom_objects
from rewriter.cli.python_path import leave_working_directory
from rewriter.errors import RewriterError

MODEL = Path(__file__).parents[2] / "examples" / "models" / "vowels_tokens.keras"
SCRIPT = Path(sys.executable).with_name("rewriter")
MARK = "the-payload-ran"
PAYLOAD = f"open({MARK!r}, 'w').close()\n"
SHADOWS = (
    "keras",
    "tf_keras",
    "tensorflow",
    "numpy",
    "networkx",
    "h5py",
    "typer",
    "click",
    "passes",
)
LATER = ("json", "typing", "dataclasses", "zipfile", "subprocess", "pathlib")
"""Of Python itself, but not loaded when ``rewriter`` is."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with modules that leave a mark, and a good model."""
    for name in (*SHADOWS, *LATER):
        (tmp_path / f"{name}.py").write_text(PAYLOAD)
    shutil.copy(MODEL, tmp_path / "model.keras")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(folder, *command, **environment):
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    assert not (folder / MARK).exists(), done.stderr
    return done


@pytest.mark.parametrize(
    "words",
    [("check", "model.keras"), ("rewrite", "model.keras", "-p", "strip-dropout", "--dry-run")],
)
def test_a_module_of_the_working_directory_does_not_run(folder, words):
    done = run(folder, sys.executable, "-m", "rewriter", *words)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr


def test_loading_a_model_runs_none_either(folder):
    """Keras, and the child process that reads the file first, are started."""
    words = ("rewrite", "model.keras", "-o", "out.keras", "-p", "strip-dropout", "--no-verify")
    done = run(folder, sys.executable, "-m", "rewriter", *words)
    assert done.returncode == 0, done.stderr


def test_an_empty_entry_of_the_path_is_not_the_working_directory(folder):
    for name in LATER:  # what is of Python itself runs before this program can forbid it
        (folder / f"{name}.py").unlink()
    assert SCRIPT.is_file()
    for command in ([str(SCRIPT)], [sys.executable, "-m", "rewriter"]):
        done = run(folder, *command, "check", "model.keras", PYTHONPATH=f"/nowhere{os.pathsep}")
        assert done.returncode == 1, done.stderr


def test_a_folder_that_is_on_the_path_by_name_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), "/else"])
    for named in ("", str(tmp_path), "."):
        monkeypatch.setenv("PYTHONPATH", named)
        leave_working_directory(run_as_module=False)
        assert sys.path == [str(tmp_path), "/else"]
    monkeypatch.setenv("PYTHONPATH", f"/else{os.pathsep}")
    leave_working_directory(run_as_module=False)
    assert sys.path == ["/else"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_processes_that_check_many_files_run_none(folder, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"{method} is not known here")
    if sys.version_info < (3, 11) and method != "fork":
        pytest.skip("one process does it all")
    for name in ("multiprocessing", "pickle", "threading", "signal"):
        (folder / f"{name}.py").write_text(PAYLOAD)
    code = (
        "import multiprocessing, sys\n"
        "from rewriter.checks import files as checking\n"
        "if __name__ == '__main__':\n"
        f"    multiprocessing.set_start_method({method!r})\n"
        "    checking._processors, checking.ALONE = (lambda: 2), 1\n"
        "    print(len(list(checking.check_files(['model.keras'] * 4))))\n"
    )
    script = folder / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(code)
    done = run(folder, sys.executable, str(script))
    assert done.stdout == "4\n", done.stderr


def test_a_custom_module_comes_last_and_is_told(folder, capsys):
    (folder / "my_layers.py").write_text(
        "import os, numpy, json, my_helper\nclass Mine: pass\nclass Other(my_helper.Help): pass\n"
    )
    (folder / "my_helper.py").write_text("class Help: pass\n")
    before = list(sys.path)
    try:
        assert set(custom_objects(["my_layers"])) == {"Mine", "Other"}
    finally:
        for name in ("my_layers", "my_helper"):
            sys.modules.pop(name, None)
    assert str(folder / "my_layers.py") in capsys.readouterr().err
    assert sys.path == before
    assert not (folder / MARK).exists()


@pytest.mark.parametrize("name", ["tf_keras", "json", "keras.layers", "rewriter"])
def test_a_custom_module_that_is_installed_too_is_refused(folder, name):
    (folder / "rewriter.py").write_text(PAYLOAD)
    with pytest.raises(RewriterError, match="both in this folder and installed") as refused:
        custom_objects([name])
    assert "FILE.py" in refused.value.fix
    assert not (folder / MARK).exists()


def test_a_folder_without_init_hides_no_package(tmp_path, monkeypatch):
    """As ``keras/`` with models in it."""
    (tmp_path / "networkx").mkdir()
    monkeypatch.chdir(tmp_path)
    assert custom_objects(["networkx:DiGraph"])


def test_a_custom_file_takes_the_name_of_nothing_installed(folder):
    (folder / "json.py").write_text("class Mine: pass\n")
    found = custom_objects(["json.py"])
    sys.modules.pop("custom_json", None)
    assert set(found) == {"Mine"}
    assert sys.modules["json"] is json


@pytest.fixture
def silenced(tmp_path, monkeypatch):
    """A folder of models below a file that would have nothing found."""
    (tmp_path / "pyproject.toml").write_text('[tool.rewriter]\nignore = ["RW"]\npasses = []\n')
    below = tmp_path / "models"
    below.mkdir()
    shutil.copy(MODEL, below / "model.keras")
    monkeypatch.chdir(below)
    return tmp_path / "pyproject.toml"


def command(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["rewriter", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


def test_check_says_which_settings_it_read(silenced, monkeypatch, capsys):
    assert command(monkeypatch, "check", "model.keras") == 0
    assert f"settings: {silenced}" in capsys.readouterr().err
    assert command(monkeypatch, "check", "model.keras", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["settings"] == str(silenced)
    assert command(monkeypatch, "check", "model.keras", "--format", "sarif") == 0
    (log,) = json.loads(capsys.readouterr().out)["runs"]
    assert log["properties"]["settings"] == str(silenced)


def test_isolated_reads_no_settings(silenced, monkeypatch, capsys):
    assert command(monkeypatch, "check", "model.keras", "--isolated") == 1
    assert "settings" not in capsys.readouterr().err
    silenced.write_text("[tool.rewriter]\nselect = 3\n")
    assert command(monkeypatch, "check", "model.keras", "--isolated", "--format", "json") == 1
    assert json.loads(capsys.readouterr().out)["settings"] is None


def test_rewrite_says_where_its_passes_are_from(silenced, monkeypatch, capsys):
    assert command(monkeypatch, "rewrite", "model.keras", "--dry-run") == 0
    assert f"settings: {silenced}" in capsys.readouterr().err
    assert command(monkeypatch, "rewrite", "model.keras", "--dry-run", "--isolated") == 2
    assert "no passes" in capsys.readouterr().err
