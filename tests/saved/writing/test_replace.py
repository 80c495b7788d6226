"""Files written whole or not at all, and outputs refused in time."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.model_files import ROOT, run_python

import rewriter
from rewriter.errors import ModelWriteError, RewriterError
from rewriter.saved import check_output, replacing
from rewriter.saved.writing import output as writing

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX alone")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def replace(target, text, **how):
    with replacing(target, **how) as temporary:
        temporary.write_text(text)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "model.keras"


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


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_exception_leaves_the_target_and_nothing_else(target, error):
    target.write_text("old")
    with pytest.raises(error), replacing(target, backup=True) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert names(target.parent) == [target.name]


def test_an_error_of_this_program_passes_unchanged(target):
    with pytest.raises(RewriterError, match=r"^said$"), replacing(target):
        raise RewriterError("said")


@pytest.mark.parametrize("spoil", [lambda path: None, Path.unlink])
def test_nothing_written_replaces_nothing(target, spoil):
    target.write_text("old")
    with pytest.raises(ModelWriteError), replacing(target) as temporary:
        spoil(temporary)
    assert target.read_text() == "old"
    assert names(target.parent) == [target.name]


@posix
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_a_replaced_file_keeps_its_permissions(target, mode):
    target.write_text("old")
    target.chmod(mode)
    with replacing(target) as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) & ~mode == 0  # readable to no one else
        temporary.write_text("new")
    assert stat.S_IMODE(target.stat().st_mode) == mode


@posix
@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="only root gives files away")
def test_a_replaced_file_keeps_its_owner(target):
    target.write_text("old")
    os.chown(target, 1234, 4321)
    replace(target, "new")
    assert (target.stat().st_uid, target.stat().st_gid) == (1234, 4321)


@posix
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_new_file_gets_the_permissions_of_the_umask(target, mask):
    before = os.umask(mask)
    try:
        replace(target, "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask


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


@posix
def test_another_name_of_the_file_keeps_the_old_content(target):
    target.write_text("old")
    other = target.with_name("other.keras")
    os.link(target, other)
    replace(target, "new")
    assert other.read_text() == "old"


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


def test_a_backup_left_by_a_killed_run_is_used_again(target):
    target.write_text("old")
    os.link(target, target.with_name("model.keras.bak"))
    replace(target, "new", backup=True)
    assert names(target.parent) == ["model.keras", "model.keras.bak"]


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


@posix
def test_a_full_disk_is_told_and_leaves_the_target(target):
    code = """if True:
        import resource, sys
        from pathlib import Path
        import h5py, numpy
        from rewriter.errors import ModelWriteError
        from rewriter.saved import replacing
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


def test_a_full_disk_behind_another_error_is_found(target):
    with pytest.raises(ModelWriteError, match="No space left"), replacing(target):
        try:
            raise OSError(errno.ENOSPC, "full")
        except OSError as error:
            raise RuntimeError("cannot decrement") from error


WRITER = """if True:
    import os, sys, time
    from pathlib import Path
    from rewriter.saved import replacing
    with replacing(Path(sys.argv[1])) as temporary:
        temporary.write_text("half")
        print("ready", flush=True)
        time.sleep(60)
"""


def start_writer(target):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(target)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert writer.stdout.readline() == b"ready\n"
    return writer


def stop(writer, number):
    writer.send_signal(number)
    writer.wait()
    writer.stdout.close()
    return writer.returncode


@posix
def test_sigterm_leaves_nothing(target):
    target.write_text("old")
    assert stop(start_writer(target), signal.SIGTERM) == 128 + signal.SIGTERM
    assert target.read_text() == "old"
    assert names(target.parent) == [target.name]


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


@posix
def test_what_a_killed_process_leaves_is_removed_by_the_next_run(target):
    target.write_text("old")
    writer = start_writer(target)
    living = names(target.parent)
    assert len(living) == 2
    replace(target, "new")
    assert names(target.parent) == living  # its owner lives
    stop(writer, signal.SIGKILL)
    assert names(target.parent) == living
    replace(target, "newer")
    assert names(target.parent) == [target.name]


def test_only_leftovers_of_this_target_and_this_host_are_removed(target):
    with replacing(target) as temporary:
        ours = temporary.parent.name
        temporary.write_text("new")
    prefix, host, _ = ours.rsplit("-", 2)
    foreign = "00000000" if host != "00000000" else "11111111"
    others = [
        ours.replace("model", "other"),
        ours.replace(host, foreign),
        f"{prefix}-{host}-notrandom.keras",
        f"{ours}.more.endings",
    ]
    for name in [*others, f"{ours}.keras"]:  # a file, as older versions left them
        (target.parent / name).touch()
    (target.parent / ours / "assets").mkdir(parents=True)  # of this very process, but not in use
    replace(target, "newer")
    assert names(target.parent) == sorted([*others, target.name])


KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from rewriter.saved import replacing

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
PAUSE = 0.2

import importlib, io, tempfile, zipfile
import h5py
import numpy as np
from rewriter.api import plan
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
    write_model(model, plan(model, []), target, None, compiled=False, verified=False)
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_of_runs_at_once_one_wins_whole_and_no_backup_is_lost(target):
    code = """
import os, sys
from pathlib import Path
from rewriter.saved import replacing
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


def test_long_names_are_written(tmp_path):
    target = tmp_path / ("n" * 240 + ".keras")
    replace(target, "new")
    assert names(tmp_path) == [target.name]


def test_hdf5_is_written_through_the_temporary_name(tmp_path):
    target = tmp_path / "model.h5"
    with replacing(target) as temporary, h5py.File(temporary, "w") as file:
        file["weights"] = np.arange(3)
    with h5py.File(target) as file:
        assert file["weights"][:].tolist() == [0, 1, 2]


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
