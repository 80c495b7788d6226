"""Files written whole or not at all."""

import errno
import os
import signal
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.model_files import run_python
from support.writers import names, posix, replace, start_writer, stop

import rewriter
from rewriter.errors import ModelWriteError, RewriterError
from rewriter.saved.writing import replace as writing
from rewriter.saved.writing.replace import replacing


@pytest.mark.fast
@pytest.mark.parametrize("ending", [".keras", ".h5", ".hdf5"])
@pytest.mark.parametrize("old", [None, "old"])
def test_the_target_appears_whole_at_the_end(tmp_path, ending, old):
    target = tmp_path / f"model{ending}"
    if old:
        target.write_text(old)
    with replacing(target) as temporary:
        own = temporary.parent
        assert (own.parent, temporary.suffix) == (tmp_path, ending)
        assert own.name.startswith(f".model{ending}.rewriter-{os.getpid()}-")
        assert temporary.stat().st_size == 0
        temporary.write_text("new")
        assert (target.read_text() if old else target.exists()) == (old or False)
    assert target.read_text() == "new"
    assert names(tmp_path) == [target.name]


@pytest.mark.fast
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_exception_leaves_the_target_and_nothing_else(target, error):
    target.write_text("old")
    with pytest.raises(error), replacing(target, backup=True) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert names(target.parent) == [target.name]


@pytest.mark.fast
def test_an_error_of_this_program_passes_unchanged(target):
    with pytest.raises(RewriterError, match=r"^said$"), replacing(target):
        raise RewriterError("said")


@pytest.mark.fast
@pytest.mark.parametrize("spoil", [lambda path: None, Path.unlink])
def test_nothing_written_replaces_nothing(target, spoil):
    target.write_text("old")
    with pytest.raises(ModelWriteError), replacing(target) as temporary:
        spoil(temporary)
    assert target.read_text() == "old"
    assert names(target.parent) == [target.name]


@pytest.mark.fast
@posix
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_a_replaced_file_keeps_its_permissions(target, mode):
    target.write_text("old")
    target.chmod(mode)
    with replacing(target) as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) & ~mode == 0  # readable to no one else
        temporary.write_text("new")
    assert stat.S_IMODE(target.stat().st_mode) == mode


@pytest.mark.fast
@posix
@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="only root gives files away")
def test_a_replaced_file_keeps_its_owner(target):
    target.write_text("old")
    os.chown(target, 1234, 4321)
    replace(target, "new")
    assert (target.stat().st_uid, target.stat().st_gid) == (1234, 4321)


@pytest.mark.fast
@posix
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_new_file_gets_the_permissions_of_the_umask(target, mask):
    before = os.umask(mask)
    try:
        replace(target, "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask


@pytest.mark.fast
@posix
@pytest.mark.parametrize("old", [None, "old"])
def test_a_link_stays_and_its_file_is_replaced(tmp_path, old):
    (tmp_path / "store").mkdir()
    real = tmp_path / "store" / "weights"
    if old:
        real.write_text(old)
    link = tmp_path / "model.keras"
    link.symlink_to(real)
    with replacing(link, backup=True) as temporary:
        assert (temporary.parent.parent, temporary.suffix) == (real.parent, ".keras")
        temporary.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert names(real.parent) == (["weights", "weights.bak"] if old else ["weights"])


@pytest.mark.fast
@posix
def test_another_name_of_the_file_keeps_the_old_content(target):
    target.write_text("old")
    other = target.with_name("other.keras")
    os.link(target, other)
    replace(target, "new")
    assert other.read_text() == "old"


@pytest.mark.fast
@pytest.mark.parametrize("links", [True, False], ids=["hard links", "copies"])
def test_backups_are_never_lost(target, monkeypatch, links):
    if not links:

        def refuse(*_):
            raise OSError(errno.EPERM, "no hard links here")

        monkeypatch.setattr(os, "link", refuse)
    replace(target, "0", backup=True)
    assert names(target.parent) == ["model.keras"]
    for number in range(1, 4):
        replace(target, str(number), backup=True)
    assert {name: (target.parent / name).read_text() for name in names(target.parent)} == {
        "model.keras": "3",
        "model.keras.bak": "2",
        "model.keras.bak.1": "0",
        "model.keras.bak.2": "1",
    }


@pytest.mark.fast
def test_a_backup_left_by_a_killed_run_is_used_again(target):
    target.write_text("old")
    os.link(target, target.with_name("model.keras.bak"))
    replace(target, "new", backup=True)
    assert names(target.parent) == ["model.keras", "model.keras.bak"]


@pytest.mark.fast
def test_a_backup_that_fails_leaves_everything(target, monkeypatch):
    replace(target, "older")
    replace(target, "old", backup=True)
    folder_in_the_way = OSError(errno.EACCES, "denied")

    def refuse(*_):
        raise folder_in_the_way

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(writing.shutil, "copyfile", refuse)
    with pytest.raises(ModelWriteError):
        replace(target, "new", backup=True)
    assert target.read_text() == "old"
    kept = [name for name in names(target.parent) if ".bak" in name]
    assert [(target.parent / name).read_text() for name in kept] == ["older"]
    assert len(names(target.parent)) == 2


@pytest.mark.fast
@posix
def test_a_full_disk_is_told_and_leaves_the_target(target):
    code = """if True:
        import resource, sys
        from pathlib import Path
        import h5py, numpy
        from rewriter.errors import ModelWriteError
        from rewriter.saved.writing.replace import replacing
        target = Path(sys.argv[1])
        target.write_text("old")
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        def plainly(temporary):
            with temporary.open("wb") as file:
                file.write(bytes(10_000_000))
        def with_h5py(temporary):
            with h5py.File(temporary, "w") as file:
                file["weights"] = numpy.ones(1_000_000)
        for write in (plainly, with_h5py):
            try:
                with replacing(target, backup=True) as temporary:
                    write(temporary)
            except ModelWriteError as error:
                print(error)
    """
    said = run_python(code, target).splitlines()
    assert (
        said
        == [
            f"{target}: the file cannot be written: File too large; free some space, or write to "
            "another disk; what was there before is untouched"
        ]
        * 2
    )
    assert target.read_text() == "old"
    assert names(target.parent) == ["model.keras"]


@pytest.mark.fast
def test_a_full_disk_behind_another_error_is_found(target):
    with pytest.raises(ModelWriteError, match="No space left"), replacing(target):
        try:
            raise OSError(errno.ENOSPC, "full")
        except OSError as error:
            raise RuntimeError("cannot decrement") from error


@pytest.mark.fast
@posix
def test_sigterm_leaves_nothing(target):
    target.write_text("old")
    assert stop(start_writer(target), signal.SIGTERM) == 128 + signal.SIGTERM
    assert target.read_text() == "old"
    assert names(target.parent) == [target.name]


@pytest.mark.fast
def test_the_signal_handler_of_the_caller_is_left_alone(target):
    def handler(*_):
        pass

    for known in (handler, signal.SIG_DFL):
        before = signal.signal(signal.SIGTERM, known)
        try:
            with replacing(target) as temporary:
                assert (signal.getsignal(signal.SIGTERM) is known) == (known is handler)
                temporary.write_text("new")
            assert signal.getsignal(signal.SIGTERM) is known
        finally:
            signal.signal(signal.SIGTERM, before)


KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from rewriter.saved.writing.replace import replacing

target, backup = Path(sys.argv[1]), sys.argv[2] == "backup"
random.seed(1)
{writer}
def fork(work):
    child = os.fork()
    if not child:
        start()
        work()
        os._exit(0)
    return child

def write_for_ever():
    os.write(told, b"ready")
    while True:
        write(version(target) + 1)

os.waitpid(fork(lambda: write(0)), 0)
for _ in range(int(sys.argv[3])):
    ready, told = os.pipe()
    child = fork(write_for_ever)
    os.read(ready, 5)
    time.sleep(random.uniform(0, PAUSE))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    version(target)
    left = [each.name for each in target.parent.iterdir() if not each.name.startswith(target.name)]
    assert len(left) <= 1 and all(name.startswith(".model.keras.rewriter-") for name in left), left
last = version(target)
if backup:  # every content that the target ever had is still there, and whole
    kept = {{version(path) for path in target.parent.glob("model.keras*") if path.stat().st_size}}
    assert kept == set(range(last + 1)), (kept, last)
with replacing(target) as temporary:
    temporary.write_text("end")
print(last, [path.name for path in target.parent.iterdir() if ".rewriter-" in path.name])
"""
OF_TEXT = """
PAUSE = 0.02

def content(version):
    return (str(version) + "\\n") * 20_000

def version(path):
    text = path.read_text()
    first = text.split("\\n")[0]
    assert text == content(first), path
    return int(first)

def start():
    pass

def write(version):
    text = content(version)
    with replacing(target, backup=backup) as temporary, temporary.open("w") as file:
        for start in range(0, len(text), 9973):
            file.write(text[start : start + 9973])
            file.flush()
"""
OF_KERAS = """
PAUSE = 0.8  # a first write in a new process imports what it needs

import importlib, io, tempfile, zipfile
import h5py
import numpy as np
from rewriter.api.functions import plan
from rewriter.api.rewriting import write as write_model
keras = importlib.import_module(sys.argv[4])
saving = importlib.import_module(sys.argv[4] + ".src.saving.saving_lib")
saving._MEMORY_UPPER_BOUND = 0  # as Keras 3 saves where little memory is free
tempfile.tempdir = str(target.parent)

def version(path):
    with zipfile.ZipFile(path) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    weights = []
    with h5py.File(content) as file:
        file.visit(lambda name: weights.append(np.ravel(file[name])) if "vars/" in name else None)
    (found,) = np.unique(np.concatenate(weights))
    return int(found)

def start():
    global model
    model = keras.Sequential([keras.layers.Input((64,)), keras.layers.Dense(64)])

def write(version):
    model.set_weights([np.full_like(each, version) for each in model.get_weights()])
    write_model(model, plan(model, []), target, None, compiled=False, verification=None,
                original=model, custom_objects={})
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("backup", ["backup", "no backup"])
def test_killed_at_any_moment_the_target_is_whole(target, backup):
    last, left = run_python(KILLER.format(writer=OF_TEXT), target, backup, 100).split(" ", 1)
    assert int(last) > 0  # the kills met writers at work
    assert left == "[]\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("name", ["tf_keras", "keras"])
def test_killed_while_keras_saves_the_target_is_whole(target, name):
    """The folder is the system's for temporary files as well: nothing else is left there."""
    last, left = run_python(KILLER.format(writer=OF_KERAS), target, "no backup", 30, name).split(
        " ", 1
    )
    assert int(last) > 0
    assert left == "[]\n"


@pytest.mark.fast
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_of_runs_at_once_one_wins_whole_and_no_backup_is_lost(target):
    code = """
import os, sys
from pathlib import Path
from rewriter.saved.writing.replace import replacing
target = Path(sys.argv[1])
target.write_text("start")
children = []
for run in range(4):
    children.append(os.fork())
    if not children[-1]:
        for number in range(100):
            with replacing(target, backup=True) as temporary:
                temporary.write_text(f"{run} {number}")
        sys.exit()
print([os.waitpid(child, 0)[1] for child in children])
"""
    assert run_python(code, target) == "[0, 0, 0, 0]\n"
    written = {f"{run} {number}" for run in range(4) for number in range(100)}
    assert target.read_text() in written
    assert not [name for name in names(target.parent) if ".rewriter-" in name]
    kept = [path.read_text() for path in target.parent.iterdir()]
    assert set(kept) <= written | {"start"}
    assert "start" in kept


@pytest.mark.fast
def test_threads_write_to_one_target(target):
    barrier = threading.Barrier(4)
    failures = []

    def write(run):
        barrier.wait()
        try:
            for number in range(25):
                replace(target, f"{run} {number}")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(run,)) for run in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert target.read_text().endswith(" 24")
    assert names(target.parent) == [target.name]


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_thread_rewrites_a_file(dialect, ending, tmp_path):

    keras = dialect.keras
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.1), keras.layers.Dense(2)])
    path, output = tmp_path / f"model.{ending}", tmp_path / f"out.{ending}"
    model.save(path)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(rewriter.rewrite, path, ["strip-dropout"], output=output).result()
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(keras.models.load_model(output)(x), model(x))


@pytest.mark.fast
def test_long_names_are_written(tmp_path):
    target = tmp_path / ("n" * 240 + ".keras")
    replace(target, "new")
    assert names(tmp_path) == [target.name]


@pytest.mark.fast
def test_hdf5_is_written_through_the_temporary_name(tmp_path):
    target = tmp_path / "model.h5"
    with replacing(target) as temporary, h5py.File(temporary, "w") as file:
        file["weights"] = np.arange(3)
    with h5py.File(target) as file:
        assert file["weights"][:].tolist() == [0, 1, 2]
