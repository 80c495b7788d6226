"""What the HDF5 library does to a damaged file is done to a child process."""

from __future__ import annotations

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from rewriter.errors import ModelReadError
from rewriter.saved import read
from rewriter.saved.safety import child_process
from rewriter.saved.safety.child_process import references_of

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX alone")
RUNS = "import sys; sys.path[:] = {path!r}; "


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("name", ["tf_keras", "keras"])
@pytest.mark.parametrize("limits", [True, False])
def test_a_file_that_keras_saved_leads_nowhere(rich_files, name, ending, limits):
    assert references_of(read(rich_files[name, ending]), limits=limits) == []


def test_real_models_lead_nowhere(real_models):
    files = sorted(real_models.glob("*.h5"))
    assert files
    assert [references_of(read(path)) for path in files] == [[]] * len(files)


def test_a_library_that_does_not_come_to_an_end_ends_in_an_error(rich_files, monkeypatch):
    file = read(rich_files["keras", "h5"])
    monkeypatch.setattr(child_process, "TIME_LIMIT", 0.5)
    monkeypatch.setattr(child_process, "_CHILD", f"{RUNS}\nwhile True: pass")
    with pytest.raises(ModelReadError, match="does not come to an end") as refused:
        references_of(file)
    assert refused.value.where == str(file.path)
    assert refused.value.fix


@posix
@pytest.mark.parametrize(
    ("child", "says"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"fails on it \(-11\)"),
        ("raise SystemError('lost')", r"fails on it \(SystemError: lost\)"),
    ],
)
def test_a_library_that_crashes_ends_in_an_error(rich_files, monkeypatch, child, says):
    monkeypatch.setattr(child_process, "_CHILD", RUNS + child)
    with pytest.raises(ModelReadError, match=says):
        references_of(read(rich_files["keras", "h5"]))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="where RLIMIT_AS is kept")
def test_more_memory_than_the_size_allows_is_refused(rich_files, tmp_path, monkeypatch):
    """A gigabyte of zeros in a file of kilobytes, as libhdf5 was seen to take for changed bytes."""
    path = tmp_path / "model.h5"
    path.write_bytes(rich_files["keras", "h5"].read_bytes())
    with h5py.File(path, "r+") as file:
        file.create_dataset("large", (2**28,), "float32", chunks=(2**28,), compression=1)
    with pytest.raises(ModelReadError, match="declares"):
        references_of(read(path))
    monkeypatch.setattr(child_process, "_CHILD", f"{RUNS}{CHILD_WITHOUT_FLOOR}")
    monkeypatch.setattr(child_process, "MEMORY_LIMIT", 2**29)
    with pytest.raises(ModelReadError, match="the file is damaged"):
        references_of(read(path))


CHILD_WITHOUT_FLOOR = (
    "from rewriter.saved.safety import child_process, links_and_sizes\n"
    "links_and_sizes.INFLATION_FLOOR = 2**40; child_process.main()"
)


def test_the_child_imports_nothing_from_the_working_directory(rich_files, tmp_path):
    (tmp_path / "h5py.py").write_text("open('the-payload-ran', 'w').close()")
    (tmp_path / "json.py").write_text("open('the-payload-ran', 'w').close()")
    code = (
        f"import sys; sys.path[:] = {[each for each in sys.path if each]!r}\n"
        "from rewriter.saved import read\n"
        "from rewriter.saved.safety.child_process import references_of\n"
        f"print(references_of(read({str(rich_files['keras', 'keras'])!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    assert not (tmp_path / "the-payload-ran").exists()


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_attributes_of_any_type_keep_nobody_out(rich_files, tmp_path, ending):
    path = tmp_path / f"model.{ending}"
    path.write_bytes(rich_files["tf_keras", ending].read_bytes())
    if ending == "h5":
        with h5py.File(path, "r+") as file:
            file["model_weights"].attrs["empty"] = h5py.Empty("f")
            file["model_weights"].attrs["strings"] = np.array(["a", "b"], h5py.string_dtype())
            file["model_weights"].attrs["link"] = file.ref
            file["nothing"] = h5py.Empty("f")
    assert references_of(read(path)) == []
