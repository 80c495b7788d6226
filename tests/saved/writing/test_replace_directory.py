"""Directories written whole or not at all."""

import errno
import os
import signal
import stat
import subprocess
import sys

import pytest
from support.model_files import ROOT

from rewriter.errors import ModelWriteError
from rewriter.saved.writing import replace_directory
from rewriter.saved.writing.output import check_output
from rewriter.saved.writing.replace import replacing
from rewriter.saved.writing.replace_directory import exchange

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX alone")


@pytest.fixture(params=["exchanged", "renamed"])
def target(request, tmp_path, monkeypatch):
    """A place for a directory, where names can be exchanged and where not."""
    if request.param == "renamed":
        monkeypatch.setattr(replace_directory, "exchange", lambda one, other: False)
    return tmp_path / "model"


def make(folder, content):
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.index").write_text(content)


def replace(target, content, **how):
    with replacing(target, **how) as temporary:
        make(temporary, content)


def contents(folder):
    """What each directory beside the target holds; every file of one says the same."""
    found = {}
    for each in folder.iterdir():
        said = {file.read_text() for file in each.rglob("*") if file.is_file()}
        assert len(said) == 1, each
        found[each.name] = said.pop()
    return found


@pytest.mark.fast
@pytest.mark.parametrize("old", [None, "empty", "old"])
def test_the_directory_appears_whole_at_the_end(target, old):
    if old == "old":
        make(target, "old")
    elif old:
        target.mkdir()
    with replacing(target) as temporary:
        assert temporary.is_dir()
        assert temporary.name.startswith(f".model.rewriter-{os.getpid()}-")
        make(temporary, "new")
        assert (target / "saved_model.pb").exists() == (old == "old")
    assert contents(target.parent) == {"model": "new"}


@pytest.mark.fast
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_directory_and_nothing_else(target, error):
    make(target, "old")
    with pytest.raises(error), replacing(target, backup=True) as temporary:
        make(temporary, "half")
        raise error
    assert contents(target.parent) == {"model": "old"}


@pytest.mark.fast
def test_nothing_written_replaces_nothing(target):
    make(target, "old")
    with pytest.raises(ModelWriteError, match="nothing was written"), replacing(target):
        pass
    assert contents(target.parent) == {"model": "old"}


@pytest.mark.fast
def test_backups_are_never_lost(target):
    for number in range(4):
        replace(target, str(number), backup=True)
    assert contents(target.parent) == {
        "model": "3",
        "model.bak": "2",
        "model.bak.1": "0",
        "model.bak.2": "1",
    }


@pytest.mark.fast
def test_without_a_backup_the_old_directory_goes_and_older_backups_stay(target):
    make(target, "0")
    replace(target, "1", backup=True)
    replace(target, "2")
    assert contents(target.parent) == {"model": "2", "model.bak": "0"}


@pytest.mark.fast
def test_a_rename_that_fails_leaves_the_old_directory_in_its_place(target, monkeypatch):
    make(target, "old")
    monkeypatch.setattr(replace_directory, "exchange", lambda one, other: False)
    rename = type(target).rename

    def refuse(self, new):
        if self.name.startswith(".model") and new == target:
            raise OSError(errno.EACCES, "denied")
        return rename(self, new)

    monkeypatch.setattr(type(target), "rename", refuse)
    with pytest.raises(ModelWriteError):
        replace(target, "new")
    assert contents(target.parent) == {"model": "old"}


@pytest.mark.fast
@posix
def test_a_replaced_directory_keeps_its_permissions(target):
    make(target, "old")
    target.chmod(0o750)
    with replacing(target) as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) & ~0o750 == 0
        make(temporary, "new")
    assert stat.S_IMODE(target.stat().st_mode) == 0o750


@pytest.mark.fast
@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is of Linux")
def test_two_directories_are_exchanged_in_one_step(tmp_path):
    make(tmp_path / "one", "1")
    make(tmp_path / "two", "2")
    if not exchange(tmp_path / "one", tmp_path / "two"):
        pytest.skip("this file system cannot")
    assert contents(tmp_path) == {"one": "2", "two": "1"}
    with pytest.raises(OSError, match="one"):
        (tmp_path / "two" / "saved_model.pb").unlink()
        exchange(tmp_path / "one" / "missing", tmp_path / "two")


WRITER = """if True:
    import sys
    from pathlib import Path
    from rewriter.saved.writing.replace import replacing
    target = Path(sys.argv[1])
    number = 0
    while True:
        number += 1
        with replacing(target, backup=sys.argv[2] == "backup") as temporary:
            (temporary / "variables").mkdir()
            for name in ("saved_model.pb", "variables/variables.index"):
                (temporary / name).write_text(str(number))
        print(number, flush=True)
"""


@posix
@pytest.mark.parametrize("backup", ["backup", "none"])
def test_a_killed_writer_leaves_a_whole_directory_and_the_next_run_cleans_up(tmp_path, backup):
    target = tmp_path / "model"
    make(target, "0")
    for _ in range(10):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(target), backup],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for _ in range(3):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        files = [file.read_text() for file in target.rglob("*") if file.is_file()]
        assert len(files) == 2
        assert len(set(files)) == 1
    replace(target, "last")
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]
    assert contents(tmp_path)["model"] == "last"


@pytest.mark.fast
def test_no_directory_but_a_model_is_replaced_and_none_with_more_than_one(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").touch()
    make(tmp_path / "noted", "old")
    (tmp_path / "noted" / "notes.txt").touch()
    (tmp_path / "file").write_text("text")
    for name, what in (
        ("photos", "no SavedModel directory"),
        ("noted", r"notes\.txt"),
        ("file", "no SavedModel directory"),
    ):
        with pytest.raises(ModelWriteError, match=what):
            check_output(tmp_path / name, None, force=True)
    check_output(tmp_path / "noted", tmp_path / "noted", force=True)


@pytest.mark.fast
def test_a_model_that_exists_is_replaced_by_force_alone_and_an_empty_folder_is_filled(tmp_path):
    make(tmp_path / "model", "old")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelWriteError, match="--force"):
        check_output(tmp_path / "model", None, force=False)
    check_output(tmp_path / "model", None, force=True)
    check_output(tmp_path / "empty", None, force=False)
