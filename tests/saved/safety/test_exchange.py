"""A model file that is exchanged or written to while it is worked on runs nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import rewriter
from rewriter.api import by_file, functions, rewriting
from rewriter.errors import ModelReadError, RewriterError
from rewriter.live import loading
from rewriter.saved import read
from rewriter.saved.additions import carry
from rewriter.saved.safety import child_process
from rewriter.saved.safety.open_file import PAGE, Pages, kept_open

FORMS = [("two", ".h5"), ("two", ".keras"), ("two", ""), ("three", ".h5"), ("three", ".keras")]
IDS = ["keras2.h5", "keras2.keras", "keras2 directory", "keras3.h5", "keras3.keras"]
MARK = "the-payload-ran"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A good model and one with a Lambda that leaves a mark, in each form; where the mark is."""
    import keras
    import tf_keras

    folder = tmp_path_factory.mktemp("pairs")
    mark = folder / MARK
    payload = eval(f"lambda x: (open({str(mark)!r}, 'w').close(), x)[1]")
    for module, name in ((tf_keras, "two"), (keras, "three")):
        for kind, added in (("good", []), ("hostile", [module.layers.Lambda(payload)])):
            ends = [module.layers.Input((4,)), module.layers.Dense(3, name="dense")]
            model = module.Sequential([*ends, *added], name="model")
            for ending in (each for known, each in FORMS if known == name):
                model.save(folder / f"{name}-{kind}{ending}")
    mark.unlink()
    return folder


def exchange(path, other):
    if path.is_dir():
        path.rename(path.with_name("aside"))
        shutil.copytree(other, path)
        return
    shutil.copy(other, path.with_name("coming"))
    path.with_name("coming").replace(path)


def overwrite(path, other):
    """Write into the files that are there, and give them the old times."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    for each in files:
        status = each.stat()
        each.write_bytes((other / each.relative_to(path)).read_bytes())
        os.utime(each, ns=(status.st_atime_ns, status.st_mtime_ns))


def once(monkeypatch, owner, name, act, *, after):
    """Do something before or after the first call of a function."""
    plain, done = getattr(owner, name), []

    def called(*args, **kwargs):
        if not after and not done:
            done.append(act())
        result = plain(*args, **kwargs)
        if after and not done:
            done.append(act())
        return result

    monkeypatch.setattr(owner, name, called)


@pytest.fixture
def by_copy():
    """Leave the file to be copied, with its config exchanged."""


@pytest.fixture(autouse=True)
def through_keras(request, monkeypatch):
    """Have Keras load and write the file, as it does where a copy does not do."""
    if "by_copy" not in request.fixturenames:
        monkeypatch.setattr(functions, "why_not", lambda *_: "the way through Keras is tried")


def rewritten(path, tmp_path, **options):
    """Return the names of the layers of what was loaded, or the line that refuses the file."""
    output = tmp_path / f"out{path.suffix}"
    if not path.suffix:
        output = tmp_path / "out"
    try:
        result = rewriter.rewrite(path, [], output=output, verify=False, **options)
    except RewriterError as error:
        assert not output.exists()
        assert "\n" not in str(error)
        return str(error)
    return [layer.name for layer in result.model.layers]


@pytest.fixture(params=FORMS, ids=IDS)
def form(request, pairs, tmp_path):
    name, ending = request.param
    path = tmp_path / f"model{ending}"
    hostile = pairs / f"{name}-hostile{ending}"
    copy = shutil.copy if ending else shutil.copytree
    copy(pairs / f"{name}-good{ending}", path)
    yield path, hostile, pairs / MARK
    (pairs / MARK).unlink(missing_ok=True)


def test_the_payload_is_live(form, tmp_path):
    _, hostile, mark = form
    with pytest.warns(UserWarning, match="runs Python code"):
        rewritten(hostile, tmp_path, allow_code=True)
    assert mark.exists()


@pytest.mark.parametrize("after", [False, True], ids=["before admission", "after admission"])
@pytest.mark.parametrize("change", [exchange, overwrite])
def test_a_file_that_is_changed_runs_nothing(form, tmp_path, monkeypatch, change, after):
    """Even with --allow-code: what was admitted holds no code, and nobody was told of any."""
    path, hostile, mark = form
    once(monkeypatch, loading, "admit", lambda: change(path, hostile), after=after)
    said = rewritten(path, tmp_path, allow_code=True)
    assert said == ["dense"] or "the file changed while it was in use here" in said
    assert not mark.exists()


def test_a_directory_that_is_turned_to_another_and_back_is_not_left_by_its_links(
    pairs, tmp_path, monkeypatch
):
    """While its own files are copied: the directory itself is the one that was read."""
    secret, good, other = (tmp_path / name for name in ("secret", "good", "other"))
    secret.write_text("a secret of the host")
    for each in (good, other):
        shutil.copytree(pairs / "two-good", each)
    (other / "assets.extra").mkdir()
    (other / "assets.extra" / "stolen").symlink_to(secret)
    link = tmp_path / "link"
    link.symlink_to(good)

    def turn(target):
        link.unlink()
        link.symlink_to(target)

    once(monkeypatch, carry, "carry_metadata", lambda: turn(other), after=True)
    once(monkeypatch, rewriting, "require_unchanged", lambda: turn(good), after=False)
    said = rewritten(link, tmp_path)
    assert "the file changed while it was in use here" in said
    assert not (tmp_path / "out").exists()


def test_a_link_that_is_turned_to_another_model_runs_nothing(form, tmp_path, monkeypatch):
    path, hostile, mark = form
    link = tmp_path / f"link{path.suffix}"
    link.symlink_to(path)

    def turn():
        link.unlink()
        link.symlink_to(hostile)

    once(monkeypatch, loading, "admit", turn, after=True)
    said = rewritten(link, tmp_path, allow_code=True)
    assert said == ["dense"] or "the file changed" in said
    assert not mark.exists()


@pytest.mark.parametrize("change", [exchange, overwrite])
def test_the_child_process_looks_at_the_file_that_is_loaded(form, tmp_path, monkeypatch, change):
    path, hostile, mark = form
    if path.is_dir():
        pytest.skip("no child process looks at a directory")
    once(monkeypatch, child_process, "_answer", lambda: change(path, hostile), after=False)
    said = rewritten(path, tmp_path, allow_code=True)
    assert said == ["dense"] or "changed" in said or "another model_config" in said
    assert not mark.exists()


@pytest.mark.parametrize("change", [exchange, overwrite])
def test_a_file_that_changes_before_its_additions_are_carried_over_is_refused(
    form, tmp_path, monkeypatch, change
):
    path, hostile, mark = form
    once(monkeypatch, functions, "write", lambda: change(path, hostile), after=False)
    assert "the file changed while it was in use here" in rewritten(path, tmp_path)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["admit", "write_by_file"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_file_that_is_overwritten_while_it_is_copied_is_refused(
    form, tmp_path, monkeypatch, by_copy, name, after
):
    path, hostile, mark = form
    if path.is_dir():
        pytest.skip("directories are written by Keras")
    once(monkeypatch, by_file, name, lambda: overwrite(path, hostile), after=after)
    assert "changed" in rewritten(path, tmp_path)
    assert not mark.exists()


def test_a_file_that_is_exchanged_while_it_is_copied_brings_nothing_in(
    form, tmp_path, monkeypatch, by_copy
):
    path, hostile, mark = form
    if path.is_dir():
        pytest.skip("directories are written by Keras")
    once(monkeypatch, by_file, "write_by_file", lambda: exchange(path, hostile), after=False)
    said = rewritten(path, tmp_path)
    assert said == ["dense"] or "changed" in said
    assert not mark.exists()


def turned(pairs, tmp_path, dialect):
    """A good file, and the same with weights that stand in another file."""
    path = tmp_path / "model.h5"
    name = {2: "two", 3: "three"}[dialect.number]
    shutil.copy(pairs / f"{name}-good.h5", path)
    secret = tmp_path / "secret"
    secret.write_bytes(np.full(12, 7, "float32").tobytes())
    other = tmp_path / "other.h5"
    shutil.copy(path, other)
    with h5py.File(other, "r+") as file:
        found = []
        file.visititems(lambda place, each: found.append(place) if "kernel" in place else None)
        place = next(each for each in found if isinstance(file[each], h5py.Dataset))
        del file[place]
        file.create_dataset(place, (4, 3), "float32", external=[(str(secret), 0, 48)])
    return path, other


def test_weights_that_are_turned_to_another_file_are_not_copied(
    pairs, tmp_path, monkeypatch, dialect, by_copy
):
    path, other = turned(pairs, tmp_path, dialect)
    once(monkeypatch, by_file, "admit", lambda: overwrite(path, other), after=True)
    assert "the file changed" in rewritten(path, tmp_path)


def test_weights_that_are_turned_to_another_file_are_not_read(
    pairs, tmp_path, monkeypatch, dialect
):
    """HDF5 reads the file that a data set names: its headers are those that were looked at."""
    path, other = turned(pairs, tmp_path, dialect)
    once(monkeypatch, loading, "admit", lambda: overwrite(path, other), after=True)
    seen = []
    plain = loading._loaded
    monkeypatch.setattr(loading, "_loaded", lambda *args: seen.append(plain(*args)) or seen[0])
    assert "the file changed" in rewritten(path, tmp_path)
    assert not any((each == 7).any() for one in seen for each in one.model.get_weights())


def test_a_vocabulary_is_read_from_a_private_copy(tmp_path, monkeypatch):
    """Its graph is run, with --allow-code alone: the one that was admitted."""
    import tf_keras

    layers = tf_keras.layers
    for name, words in (("model", ["good"]), ("other", ["evil"])):
        lookup = layers.StringLookup(vocabulary=words, name="lookup")
        model = tf_keras.Sequential([layers.Input((1,), dtype="string"), lookup])
        model.save(tmp_path / name)
    path, seen = tmp_path / "model", []
    once(monkeypatch, loading, "admit", lambda: overwrite(path, tmp_path / "other"), after=True)
    plain = loading._loaded
    monkeypatch.setattr(loading, "_loaded", lambda *args: seen.append(plain(*args)) or seen[0])
    with pytest.warns(UserWarning, match="vocabulary"):
        said = rewritten(path, tmp_path, allow_code=True)
    assert "the file changed" in said
    assert all("evil" not in one.model.layers[-1].get_vocabulary() for one in seen)


def test_an_asset_that_is_overwritten_is_the_old_one(dialect, tmp_path):
    layers = dialect.keras.layers
    lookup = layers.StringLookup(vocabulary=["good"], name="lookup")
    path = tmp_path / "model.keras"
    dialect.keras.Sequential([layers.Input((1,), dtype="string"), lookup]).save(path)
    with pytest.raises(ModelReadError, match="changed"), kept_open(read(path)) as source:
        source.remember()
        before = path.read_bytes()
        path.write_bytes(before.replace(b"good", b"evil"))
        source.opened.seek(0)
        assert source.opened.read() == before


def test_pages_that_were_read_stay_as_they_were(tmp_path):
    """As with a file that is written to through a mapping, of which no time tells."""
    path = tmp_path / "file"
    path.write_bytes(b"a" * (3 * PAGE))
    with path.open("rb", buffering=0) as raw:
        pages = Pages(raw, str(path))
        with pages.keeping():
            pages.seek(PAGE + 5)
            assert pages.read(3) == b"aaa"
        path.write_bytes(b"b" * (3 * PAGE))
        pages.seek(0)
        whole = bytearray(3 * PAGE + 1)
        assert pages.readinto(whole) == 3 * PAGE
        assert whole[:-1] == b"b" * PAGE + b"a" * PAGE + b"b" * PAGE
        pages.seek(PAGE - 1)
        assert pages.read(3) == b"baa"
        pages.seek(-2, os.SEEK_END)
        assert pages.read() == b"bb"
        path.write_bytes(b"c")  # shorter than it was
        pages.seek(PAGE + 5)
        assert pages.read(2) == b"aa"
        assert len(pages.read()) == 2 * PAGE - 7


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX alone")
def test_a_file_that_becomes_a_pipe_holds_nobody_up(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    path.write_bytes(b"")

    def become_a_pipe(each):
        each.unlink()
        os.mkfifo(each)
        return False

    monkeypatch.setattr(Path, "is_dir", become_a_pipe)
    with pytest.raises(ModelReadError, match="no regular file"):
        read(path)
