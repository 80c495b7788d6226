"""Peak memory of rewrites, above what importing takes.

    python tests/benchmarks/bench_memory.py [--keras 3] [--megabytes 500]
    python tests/benchmarks/bench_memory.py --files [--keras 3] [--megabytes 500]

Of a live rewrite in multiples of the weights, the original's included; with ``--files``, of
``rewriter rewrite`` from a file to a file beside a script that loads, clones and saves. Each
number is the peak of a process of its own; Linux tells it in /proc.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import rewriter

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
UNITS = 2048
TOLD = """
from pathlib import Path
print("PEAK", Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])
"""
IMPORTS = "import {module} as keras, rewriter.cli"
CLONES = """
import {module} as keras
model = keras.models.load_model({before!r})
clone = keras.models.clone_model(model)
clone.set_weights(model.get_weights())
clone.save({after!r})
"""
REWRITES = """
import sys
from rewriter.cli import main
sys.argv = ["rewriter", "rewrite", {before!r}, "-o", {after!r}, "--force", "-p", "strip-dropout"]
sys.argv += {options!r}
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
"""


def peak() -> float:
    """Return the greatest memory of this process so far, in MB."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def peak_of(code: str) -> float:
    """Return the greatest memory of a process that runs this, in MB."""
    command = [sys.executable, "-c", code + TOLD]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.rpartition("PEAK ")[2]) / 1024


def chain(keras, megabytes: int):
    """Return a model with so many megabytes of weights, and how many it has."""
    layers = round(megabytes * 2**20 / (UNITS * UNITS * 4))
    x = y = keras.Input((UNITS,))
    for _ in range(layers):
        y = keras.layers.Dropout(0.1)(keras.layers.Dense(UNITS, kernel_initializer="ones")(y))
    return keras.Model(x, y), layers * UNITS * UNITS * 4 / 2**20


def live(number: int, megabytes: int) -> None:
    keras = importlib.import_module("tf_keras" if number == 2 else "keras")
    small = keras.Sequential([keras.layers.Dense(2), keras.layers.Dropout(0.5)])
    small.build((None, 2))
    rewriter.rewrite(small, ["strip-dropout"], verify=False)
    before = peak()
    model, weights = chain(keras, megabytes)
    built = peak()
    rewriter.rewrite(model, ["strip-dropout"], verify=False)
    print(
        f"Keras {number}: weights {weights:.0f} MB, "
        f"the model {(built - before) / weights:.2f} times that, "
        f"with its rewrite {(peak() - before) / weights:.2f} times"
    )


def files(number: int, megabytes: int) -> None:
    module = "tf_keras" if number == 2 else "keras"
    with tempfile.TemporaryDirectory() as folder:
        before, after = (f"{folder}/{name}.keras" for name in ("before", "after"))
        model, weights = chain(importlib.import_module(module), megabytes)
        model.save(before)
        empty = peak_of(IMPORTS.format(module=module))
        names = {"module": module, "before": before, "after": after}
        theirs = peak_of(CLONES.format(**names)) - empty
        print(f"Keras {number}: weights {weights:.0f} MB, load, clone and save {theirs:.0f} MB")
        for options in (["--no-verify"], []):
            ours = peak_of(REWRITES.format(**names, options=options)) - empty
            said = " ".join(options) or "verified"
            print(f"  rewriter rewrite, {said}: {ours:.0f} MB, ratio {ours / theirs:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keras", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--files", action="store_true")
    options = parser.parse_args()
    (files if options.files else live)(options.keras, options.megabytes)


if __name__ == "__main__":
    main()
