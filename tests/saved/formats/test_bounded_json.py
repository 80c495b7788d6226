"""JSON within bounds of memory and depth."""

import json
import sys
import tracemalloc

import pytest
from support.model_files import run_python, write_h5, write_keras

from rewriter.errors import ModelReadError
from rewriter.saved.formats.bounded_json import DEPTH_LIMIT, _memory, parse


def nested(levels):
    return b'{"":' * levels + b"0" + b"}" * levels


@pytest.mark.fast
def test_depth_is_bounded():
    assert parse(nested(DEPTH_LIMIT), "config.json", 2**20)
    for levels in (DEPTH_LIMIT + 1, 1_000_000):
        with pytest.raises(ModelReadError, match="levels deep"):
            parse(nested(levels), "config.json", 2**30)
    with pytest.raises(ModelReadError, match="levels deep"):
        parse(b'{"a":' + b"[" * 1_000_000, "config.json", 2**30)


@pytest.mark.fast
def test_memory_is_bounded():
    with pytest.raises(ModelReadError, match=r"config\.json takes more than the 1 MB"):
        parse(b'{"a": [' + b"{}," * 10_000 + b"0]}", "config.json", 2**20)


@pytest.mark.parametrize(
    "unit",
    [
        b"[],",
        b"{},",
        b'{"":0},',
        b'{"a":{"b":{"c":{}}}},',
        b"[" * 200 + b"]" * 200 + b",",
        b'{"":' * 200 + b"0" + b"}" * 200 + b",",
        b"-9,",
        b"1.5,",
        b'"ab",',
        '"\u4e00\u4e01",'.encode(),
        b'"\\ud83d\\ude00",',
        b"9" * 4000 + b",",
    ],
)
def test_the_estimate_is_above_what_python_takes(unit):
    text = b"[" + unit * (300_000 // len(unit)) + b"0]"
    tracemalloc.start()
    json.loads(text.decode())
    taken = tracemalloc.get_traced_memory()[1] + len(text)
    tracemalloc.stop()
    assert taken < _memory(text)


@pytest.mark.fast
def test_distinct_keys_are_within_the_estimate():
    text = json.dumps({f"{number:x}": -9 for number in range(100_000)}).encode()
    tracemalloc.start()
    json.loads(text.decode())
    taken = tracemalloc.get_traced_memory()[1] + len(text)
    tracemalloc.stop()
    assert taken < _memory(text)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_file_takes_half_a_gigabyte(tmp_path):
    numbers = b"0.1234567890123456," * 2_800_000
    escaped = b"a" * 55_000_000 + b"\\ud83d\\ude00"
    dicts = b'{"":' * 200 + b"0" + b"}" * 200 + b","
    shapes = {
        "numbers": b'{"class_name": "Sequential", "config": [' + numbers + b"0]}",
        "text": b'{"class_name": "Sequential", "config": "' + escaped + b'"}',
        "dicts": b'{"class_name": "Sequential", "config": [' + dicts * 4500 + b"0]}",
        "too many": b'{"class_name": "Sequential", "config": [' + dicts * 60_000 + b"0]}",
    }
    code = """if True:
        import json, sys, zipfile
        from rewriter.errors import RewriterError
        from rewriter.saved import read
        for path in sys.argv[1:]:
            try:
                read(path)
                print("read")
            except RewriterError as error:
                print(error.what)
        status = open("/proc/self/status").read()
        print(status.split("VmHWM:")[1].split()[0])
    """
    paths = [tmp_path / name for name in shapes]
    for path, text in zip(paths, shapes.values(), strict=True):
        if path.name in ("numbers", "text"):
            write_h5(path, model_config=text)
        else:
            metadata = '{"keras_version": "3.0.0"}'
            write_keras(path, [("metadata.json", metadata), ("config.json", text)])
    *said, peak = run_python(code, *paths).splitlines()
    assert said[:3] == ["read"] * 3
    assert "takes more" in said[3]
    assert int(peak) < 500_000
