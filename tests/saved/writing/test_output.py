"""An output that cannot be written, or must not be, is refused in time."""

import os
from pathlib import Path

import pytest
from support.writers import names, posix

from rewriter.errors import ModelWriteError
from rewriter.saved.writing.output import check_output
from rewriter.saved.writing.replace import replacing


def refusals(target, source=None, force=False):
    with pytest.raises(ModelWriteError) as caught:
        check_output(target, source, force)
    assert caught.value.where == str(target)
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize("ending", [".keras", ".h5", ".hdf5"])
def test_a_new_file_is_accepted(tmp_path, ending):
    check_output(tmp_path / f"new{ending}", None, force=False)
    check_output(tmp_path / f"new{ending}", tmp_path / "missing.h5", force=False)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["model.onnx", "model.H5", ".keras", "model.keras.zip"])
def test_an_ending_that_names_no_format_is_refused(tmp_path, name):
    assert "ending" in refusals(tmp_path / name, force=True).what


def test_a_file_that_exists_is_replaced_only_by_force(target):
    target.write_text("old")
    error = refusals(target)
    assert error.what == "it exists already"
    assert "--force" in error.fix
    check_output(target, None, force=True)


def test_the_input_is_replaced_only_by_force(target, tmp_path):
    target.write_text("old")
    link = tmp_path / "link.keras"
    os.link(target, link)
    for name in (target, link, target.parent / "." / target.name):
        error = refusals(name, source=target)
        assert error.what == "it is the file that the model comes from"
        assert "--force" in error.fix
        check_output(name, target, force=True)


@posix
def test_a_link_to_the_input_is_the_input(target, tmp_path):
    target.write_text("old")
    link = tmp_path / "link.keras"
    link.symlink_to(target)
    assert "comes from" in refusals(link, source=target).what
    assert "comes from" in refusals(target, source=link).what


@pytest.mark.parametrize("force", [True, False])
def test_what_is_no_place_for_a_file_is_refused(tmp_path, force):
    folder = tmp_path / "folder.keras"
    folder.mkdir()
    assert "no regular file" in refusals(folder, force=force).what
    assert "there is no folder" in refusals(tmp_path / "no" / "m.keras", force=force).what
    assert "cannot be written" in refusals(tmp_path / "null\0.keras", force=force).what
    closed = tmp_path / "closed.keras"
    closed.write_text("old")
    closed.chmod(0o444)
    assert "write-protected" in refusals(closed, force=force).what


@posix
def test_links_in_a_circle_and_pipes_are_refused(tmp_path):
    (tmp_path / "a.keras").symlink_to(tmp_path / "b.keras")
    (tmp_path / "b.keras").symlink_to(tmp_path / "a.keras")
    assert "circle" in refusals(tmp_path / "a.keras", force=True).what
    os.mkfifo(tmp_path / "pipe.keras")
    assert "no regular file" in refusals(tmp_path / "pipe.keras", force=True).what


@posix
def test_a_closed_folder_is_refused(monkeypatch, target):
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != target.parent)
    assert "cannot be written to" in refusals(target).what


def test_replacing_refuses_what_check_output_refuses(tmp_path):
    with pytest.raises(ModelWriteError, match="no folder"), replacing(tmp_path / "no" / "m.keras"):
        pass
