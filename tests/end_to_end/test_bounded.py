"""Small files made to take time or memory out of all proportion are done with quickly."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading

import pytest
from support.bombs import BOMBS, METRICS, bomb
from support.written import Written, save

import rewriter
from rewriter.analysis import run_sizes
from rewriter.analysis.masks import mask_flow
from rewriter.analysis.masks.mask import LARGEST, NO_MASK, Join, Mask, joined
from rewriter.errors import RewriterError
from rewriter.report.html import html_report
from rewriter.report.text import plan_text
from rewriter.saved.safety.run_limits import refuse_large_files
from rewriter.verification.inputs import tries

EMBEDDING = {"input_dim": 9, "output_dim": 2}


def tower(keras, height, **config):
    """A sequence joined with itself, again and again, behind a mask."""
    model = Written(keras)
    x = model.input("x", (None, 4))
    y = model.call("Embedding", "e", x, shape=(None, 4, 2), mask_zero=True, **EMBEDDING)
    for number in range(height):
        y = model.call("Concatenate", f"c{number}", y, y, shape=(None, None, 2), **config)
    return model.document(y)


def chain(keras, length, class_name, shared=False, **config):
    """Many calls, one behind the other, of which only the input has a shape."""
    model = Written(keras)
    y = model.input("x", (None, 4))
    for number in range(length):
        y = model.call(class_name, "it" if shared else f"it{number}", y, **config)
    document = model.document(y)
    for entry in document["config"]["layers"]:
        entry.pop("build_config", None)
    return document


def joins(keras, number, class_name, **config):
    """The mask of each of many sources joined with all that are before it."""
    model = Written(keras)
    x = model.input("x", (None, 4))
    y = model.call("Embedding", "e", x, shape=(None, 4, 2), mask_zero=True, **EMBEDDING)
    for each in range(number):
        z = model.call("Embedding", f"e{each}", x, shape=(None, 4, 2), mask_zero=True, **EMBEDDING)
        y = model.call(class_name, f"j{each}", y, z, shape=(None, 4, 2), **config)
    return model.document(y)


def all_of(path):
    """Everything that is said of a file without Keras."""
    rewriter.check(path)
    graph = rewriter.read(path)
    texts = [str(flow.to_json()) for flow in mask_flow(graph)]
    for name in ("strip-dropout", "carry-mask", "enable-masking", "insert-dropout:after=*"):
        plan = rewriter.plan(path, [name])
        texts += [plan_text(plan), html_report(plan)]
    return max(map(len, texts))


@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize("axis", [1, -1, 2])
def test_a_mask_that_doubles_forty_times_is_unknown(keras, axis, tmp_path):
    path = save(tower(keras, 40, axis=axis), keras, tmp_path / "tower.keras")
    assert all_of(path) < 2 * 10**6
    masks = [flow.mask_out for flow in mask_flow(rewriter.read(path))]
    assert all(mask.size <= LARGEST for mask in masks)
    if axis == 1:
        assert masks[1].known and masks[2].known and not masks[-1].known


@pytest.mark.parametrize("class_name", ["Add", "Multiply", "Concatenate", "Average", "Maximum"])
@pytest.mark.parametrize("keras", [2, 3])
def test_a_mask_of_many_sources_has_a_bounded_text(keras, class_name, tmp_path):
    config = {"axis": 1} if class_name == "Concatenate" else {}
    path = save(joins(keras, 400, class_name, **config), keras, tmp_path / "joins.keras")
    flows = mask_flow(rewriter.read(path))
    assert max(len(str(flow.mask_out)) for flow in flows) < 500
    assert not flows[-1].mask_out.known


def calls_made_by(function):
    """Count the calls of Python functions, which is the same on every machine."""
    count = 0

    def counted(frame, event, argument):
        nonlocal count
        count += 1

    sys.setprofile(counted)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


CHAINS = {
    "masked embeddings": ("Embedding", {"mask_zero": True, **EMBEDDING}),
    "embeddings": ("Embedding", EMBEDDING),
    "dropout": ("Dropout", {"rate": 0.5}),
    "dropout with a shape": ("Dropout", {"rate": 0.5, "noise_shape": [None, 1]}),
    "one dropout called again": ("Dropout", {"rate": 0.5, "shared": True}),
    "recurrent layers": ("LSTM", {"units": 2, "return_sequences": True}),
    "activations": ("ReLU", {}),
    "masking": ("Masking", {"mask_value": 0.0}),
    "values that are kept": ("Flatten", {}),
    "windows": ("Conv1D", {"filters": 2, "kernel_size": [2], "strides": [1], "padding": "same"}),
}


# Each kind in one Keras by turns: what is counted is above the dialects.
@pytest.mark.parametrize(
    ("kind", "keras"), [(kind, 2 + number % 2) for number, kind in enumerate(CHAINS)]
)
def test_four_times_the_calls_take_four_times_the_work(kind, keras, tmp_path):
    class_name, config = CHAINS[kind]
    work = []
    for length in (60, 240):
        document = chain(keras, length, class_name, **config)
        path = save(document, keras, tmp_path / f"{length}.keras")
        all_of(path)  # what is computed once for all files is not counted
        work.append(calls_made_by(lambda path=path: all_of(path)))
    assert work[1] < 6 * work[0]


def noise_then_masking(keras, number):
    """Each of many noise layers in front of each of many Masking layers."""
    model = Written(keras)
    y = model.input("x", (None, 4, 3))
    for each in range(number):
        y = model.call("Masking", f"m{each}", model.call("Dropout", f"d{each}", y, rate=0.5))
    return model.document(y)


def many_ends(keras, number):
    """As many inputs and outputs as noise layers."""
    model = Written(keras)
    inputs = [model.input(f"x{each}", (None, 4)) for each in range(number)]
    ends = [model.call("Dropout", f"d{number}", x, rate=0.5) for number, x in enumerate(inputs)]
    return model.document(*ends)


@pytest.mark.parametrize(("make", "keras"), [(noise_then_masking, 2), (many_ends, 3)])
def test_what_a_check_does_grows_with_the_calls(make, keras, tmp_path):
    work = []
    for number in (100, 400):
        path = save(make(keras, number), keras, tmp_path / f"{number}.keras")
        rewriter.check(path)
        work.append(calls_made_by(lambda path=path: rewriter.check(path)))
    assert work[1] < 6 * work[0]


def test_values_kept_by_joins_of_joins_are_followed_once(tmp_path):
    """Forty times two ways make 10^12."""
    path = save(tower(3, 40, axis=-1), 3, tmp_path / "tower.keras")
    assert rewriter.plan(path, ["insert-dropout:after=*"]).changes


def test_equal_masks_are_one_object():
    ids, words = Mask.of("ids"), Mask.of("words")
    assert joined(Join.AND, [ids, words]) is joined(Join.AND, [ids, Mask.of("words")])
    assert joined(Join.AND, [ids, words]) is not joined(Join.AND, [words, ids])
    assert joined(Join.OR, []) is NO_MASK


def test_an_unknown_mask_joined_with_a_known_one_is_unknown():
    from rewriter.analysis.masks.mask import unknown

    assert not joined(Join.AND, [unknown([Mask.of("ids")]), Mask.of("words")]).known


PLACES = {
    "model": ["check", "PLACE", "--isolated"],
    "plan": ["rewrite", "MODEL", "--plan", "PLACE", "--dry-run"],
    "data": ["rewrite", "MODEL", "-p", "strip-dropout", "--data", "PLACE", "--dry-run"],
    "custom": ["port", "MODEL", "--custom", "PLACE.py", "--dry-run"],
    "report": ["rewrite", "MODEL", "-p", "strip-dropout", "--report", "PLACE.html", "--dry-run"],
    "output": ["rewrite", "MODEL", "-p", "strip-dropout", "-o", "PLACE.keras", "--force"],
    "before": ["verify", "PLACE", "MODEL"],
    "after": ["verify", "MODEL", "PLACE"],
}
"""Where a command takes a path, with the ending that it has to have."""


@pytest.mark.parametrize("asked", PLACES.values(), ids=list(PLACES))
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_never_ends_is_refused(asked, kind, tmp_path, monkeypatch):
    from rewriter.cli import console
    from rewriter.cli.app import app

    monkeypatch.setattr(console, "start_tensorflow", lambda: None)
    path = save(tower(3, 1), 3, tmp_path / "model.keras")
    (place,) = (each for each in asked if each.startswith("PLACE"))
    named = tmp_path / place.replace("PLACE", "place")
    make = {
        "pipe": os.mkfifo,
        "device": lambda at: at.symlink_to("/dev/zero"),
        "folder": os.mkdir,
    }
    make[kind](named)
    command = [{place: str(named), "MODEL": str(path)}.get(each, each) for each in asked]
    watch = threading.Timer(30, os._exit, [3])  # a test that waits for ever is no test
    watch.start()
    try:
        if asked[0] == "check":
            assert app(command, standalone_mode=False) == 2
        else:
            with pytest.raises(RewriterError, match=NO_FILE):
                app(command, standalone_mode=False)
    finally:
        watch.cancel()


NO_FILE = "no regular file|[Dd]irectory|no such file|no SavedModel"


@pytest.mark.parametrize("name", ["pipe.txt", "assets/pipe"])
def test_a_pipe_in_a_saved_model_is_refused(name, tmp_path):
    (tmp_path / "saved" / "assets").mkdir(parents=True)
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    os.mkfifo(tmp_path / "saved" / name)
    with pytest.raises(RewriterError, match=f"{name} in it is no regular file"):
        rewriter.read(tmp_path / "saved")


@pytest.mark.parametrize("ending", ["toml", "yaml"])
def test_settings_in_a_pipe_are_refused(ending, tmp_path):
    os.mkfifo(tmp_path / f"settings.{ending}")
    with pytest.raises(RewriterError, match="no regular file"):
        rewriter.Rewrite.read(tmp_path / f"settings.{ending}")


LIMITS = """
import resource, sys
from rewriter.cli import bounded, console
before = resource.getrlimit(resource.RLIMIT_AS)
try:
    bounded.in_child([sys.argv[0]], limits=True)
except SystemExit as ended:
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    print("the child gave", ended.code, flush=True)
    sys.exit()
{body}
"""


def in_child(body, seconds=60):
    done = subprocess.run(
        [sys.executable, "-c", LIMITS.format(body=body)],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return done.stdout + done.stderr


OF_WEIGHTS = "Embedding of 10**9"
"""Its weights are counted where Keras asks for them: `tests/live/test_load_limits.py`."""


@pytest.mark.fast
@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize("name", [*sorted(BOMBS.keys() - {OF_WEIGHTS}), *METRICS])
def test_what_takes_too_much_once_it_is_run_is_refused_by_name(name, keras, tmp_path):
    path = bomb(name, keras, tmp_path)
    with pytest.raises(RewriterError, match="the limit") as refused:
        refuse_large_files([str(path)], limits=True)
    assert str(path) in refused.value.where
    assert "--no-limits" in refused.value.fix
    refuse_large_files([str(path)], limits=False)


@pytest.mark.fast
def test_a_run_is_judged_with_the_sizes_that_verification_always_uses():
    assert max(tries.BATCHES) == run_sizes.ROWS
    assert max(*tries.LENGTHS, *tries.LONGER_LENGTHS) == run_sizes.STEPS


needs_fork = pytest.mark.skipif(sys.platform != "linux", reason="needs fork and RLIMIT_AS")


@needs_fork
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("sys.exit(3)", "the child gave 3"),
        ("import os; os.abort()", "ended the process (SIGABRT)"),
        ("import os; os.kill(os.getpid(), 9)", "ended the process (SIGKILL)"),
        ("import os; os.kill(os.getpid(), 11)", "ended the process (SIGSEGV)"),
    ],
)
def test_the_process_of_the_user_lives_on_and_keeps_its_limits(body, says):
    assert says in in_child(body)


@needs_fork
def test_a_child_that_takes_too_long_is_ended():
    body = "import time; time.sleep(60)"
    script = LIMITS.format(body=body).replace(
        "before =", "bounded.SECONDS = 0.5; bounded.BYTES_A_SECOND = 2**40; before =", 1
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert "it took more than 0 seconds" in done.stderr


@needs_fork
def test_the_child_gets_no_more_memory_than_its_budget():
    body = """
bounded.MEMORY = 0
console.start_tensorflow()
import resource
limit, _ = resource.getrlimit(resource.RLIMIT_AS)
assert limit != resource.RLIM_INFINITY
try:
    held = bytearray(limit)
except MemoryError:
    print("refused", flush=True)
    sys.exit(7)
"""
    said = in_child(body, 180)
    assert "refused" in said and "the child gave 7" in said


def test_the_api_leaves_the_limits_of_the_process_alone(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_AS)
    path = save(tower(3, 1), 3, tmp_path / "model.keras")
    rewriter.plan(path, ["strip-dropout"])
    with pytest.raises(RewriterError):
        rewriter.rewrite(path, ["strip-dropout"])  # its weights are no HDF5 file
    assert resource.getrlimit(resource.RLIMIT_AS) == before
