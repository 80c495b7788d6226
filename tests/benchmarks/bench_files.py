"""Measure a rewrite by the file beside ``cp`` and ``fsync``, on files of 1 and 4 GB.

    python tests/benchmarks/bench_files.py [--gigabytes 1 4] [--rounds 3]

Takes 13 GB in the folder for temporary files, and leaves nothing there. The source is in the page
cache. Prints seconds, the greatest memory of the processes that rewrite, and medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np

import rewriter

FEATURES = 1024
ROWS_OF_A_GIGABYTE = 2**30 // (4 * FEATURES)

_REWRITE = """
import sys
import rewriter
rewriter.rewrite(sys.argv[1], ["strip-dropout"], output=sys.argv[2], verify=False)
assert not {"tensorflow", "keras", "tf_keras"} & set(sys.modules)
"""


def layer(name, class_name, source, **config):
    shape = {"shape": [None, FEATURES], "dtype": "float32", "keras_history": [source, 0, 0]}
    nodes = [{"args": [{"class_name": "__keras_tensor__", "config": shape}], "kwargs": {}}]
    return {
        "module": "keras.layers",
        "class_name": class_name,
        "config": {"name": name, **config},
        "registered_name": None,
        "name": name,
        "inbound_nodes": nodes if source else [],
    }


def write_model(path, gigabytes):
    """Write a model of one large Embedding between Dropout layers, without Keras."""
    rows = ROWS_OF_A_GIGABYTE * gigabytes
    layers = [
        layer("x", "InputLayer", None, batch_shape=[None, 3], dtype="int32"),
        layer("large", "Embedding", "x", input_dim=rows, output_dim=FEATURES),
        layer("drop", "Dropout", "large", rate=0.5),
        layer("dense", "Dense", "drop", units=2, use_bias=False),
    ]
    config = {"name": "m", "layers": layers}
    config |= {"input_layers": ["x", 0, 0], "output_layers": ["dense", 0, 0]}
    document = {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
    }
    weights = path.with_suffix(".weights")
    with h5py.File(weights, "w") as root:
        groups = {"input_layer": "x", "embedding": "large", "dropout": "drop", "dense": "dense"}
        for group, name in groups.items():
            root.create_group(f"layers/{group}/vars").attrs["name"] = name
        large = root.create_dataset("layers/embedding/vars/0", (rows, FEATURES), "float32")
        part = np.random.default_rng(0).random((4096, FEATURES), "float32")
        for start in range(0, rows, len(part)):
            large[start : start + len(part)] = part
        root["layers/dense/vars/0"] = part[:FEATURES, :2]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", json.dumps(document))
        archive.write(weights, "model.weights.h5")
    weights.unlink()
    os.sync()


def copied(source, target):
    """Copy a file and wait for the disk; return the seconds."""
    start = time.perf_counter()
    subprocess.run(["cp", "--reflink=auto", source, target], check=True)
    with target.open("r+b") as file:
        os.fsync(file.fileno())
    return time.perf_counter() - start


def rewritten(source, target):
    """Rewrite in a process of its own; return seconds, greatest memory in MB, processor time."""
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", _REWRITE, source, target])
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    assert status == 0
    processor = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - start, usage.ru_maxrss / 1024, processor


def measure(gigabytes, rounds, folder):
    source, target = folder / "source.keras", folder / "target.keras"
    write_model(source, gigabytes)
    pairs, most = [], 0.0
    for _ in range(rounds):
        with source.open("rb") as file:  # into the page cache
            while file.read(2**24):
                pass
        copying = copied(source, target)
        target.unlink()
        os.sync()
        rewriting, memory, processor = rewritten(source, target)
        names = [layer.name for layer in rewriter.read(target).layers]
        assert names == ["x", "large", "dense"], names
        target.unlink()
        os.sync()
        pairs.append((copying, rewriting))
        most = max(most, memory)
        print(
            f"{gigabytes} GB: cp and fsync {copying:.2f} s, rewrite {rewriting:.2f} s, "
            f"{processor:.2f} s of a processor"
        )
    source.unlink()
    return *map(statistics.median, zip(*pairs, strict=True)), most


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for gigabytes in given.gigabytes:
        with tempfile.TemporaryDirectory() as folder:
            copying, rewriting, memory = measure(gigabytes, given.rounds, Path(folder))
        print(
            f"{gigabytes} GB, medians: cp and fsync {copying:.2f} s, "
            f"rewrite {rewriting:.2f} s; at most {memory:.0f} MB"
        )


if __name__ == "__main__":
    main()
