"""How long `check` and ``--dry-run`` take, as whole processes, and how they scale.

    python tests/benchmarks/bench_check.py

The measure is a script that imports the same third-party modules and parses the same config.
Runs alternate, and the medians and minima of processor time are compared, for the clock of a busy
machine says little. Every module has its bytecode beside it, as an installed package has.
"""

from __future__ import annotations

import compileall
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import rewriter.passes
from support.written import save, sequential

import rewriter
from rewriter.checks.files import check_files

ROUNDS = 15
LISTING = """
import sys
try:
    from rewriter.cli import main
    main()
except SystemExit:
    pass
known = [name for name in sys.modules if name.partition(".")[0] not in sys.stdlib_module_names]
print("MODULES", *(name for name in known if not name.startswith(("rewriter", "_"))))
"""
EMPTY = """
import json, zipfile
import {modules}
with zipfile.ZipFile({path!r}) as archive:
    json.loads(archive.read("config.json"))
"""


def model(layers: int) -> dict:
    """Return an ordinary text model, with so many Dense and Dropout layers behind it."""
    tail = []
    for number in range(layers // 2):
        tail.append(("Dense", {"units": 8, "name": f"dense_{number}"}))
        tail.append(("Dropout", {"rate": 0.2, "name": f"dropout_{number}"}))
    return sequential(
        3,
        ("InputLayer", {"batch_shape": [None, None]}),
        ("Embedding", {"input_dim": 100, "output_dim": 8, "mask_zero": False}),
        ("LSTM", {"units": 8, "return_sequences": False}),
        *tail,
        ("Dense", {"units": 2}),
    )


def seconds(command: list[str]) -> tuple[float, float]:
    """Return wall and processor time of a process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used


def third_party(arguments: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LISTING, *arguments], capture_output=True, text=True, check=True
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("MODULES"))
    return ", ".join(line.split()[1:])


def compare(folder: Path) -> None:
    path = str(save(model(16), 3, folder / "ordinary.keras"))
    for name, arguments in (
        ("check", ["check", path]),
        ("--dry-run", ["rewrite", path, "-p", "strip-dropout", "--dry-run"]),
    ):
        empty = EMPTY.format(modules=third_party(arguments), path=path)
        commands = ([sys.executable, "-c", empty], [sys.executable, "-m", "rewriter", *arguments])
        runs: list[list[tuple[float, float]]] = [[], []]
        for _ in range(ROUNDS):
            for found, command in zip(runs, commands, strict=True):
                found.append(seconds(command))
        medians = [statistics.median(used for _, used in found) for found in runs]
        least = [min(used for _, used in found) for found in runs]
        print(
            f"{name}: {medians[1]:.3f} s of processor time, the empty script {medians[0]:.3f}; "
            f"ratio of medians {medians[1] / medians[0]:.2f}, of minima {least[1] / least[0]:.2f}"
        )


def beside_keras(folder: Path) -> None:
    import keras

    document = model(16)
    path = folder / "real.keras"
    keras.Sequential.from_config(document["config"]).save(path)
    load = f"import keras; keras.models.load_model({str(path)!r})"
    theirs = min(seconds([sys.executable, "-c", load])[0] for _ in range(3))
    ours = min(seconds([sys.executable, "-m", "rewriter", "check", str(path)])[0] for _ in range(5))
    print(f"import keras and load_model: {theirs:.2f} s; check: {ours:.2f} s, {theirs / ours:.1f}x")


def many(folder: Path, number: int = 1000) -> None:
    paths = [str(save(model(16), 3, folder / f"{each}.keras")) for each in range(number)]
    one = seconds([sys.executable, "-m", "rewriter", "check", paths[0]])[0]
    wall, used = seconds([sys.executable, "-m", "rewriter", "check", *paths])
    start = time.perf_counter()
    found = list(check_files(paths))
    inside = time.perf_counter() - start
    assert len(found) == number
    print(
        f"{number} files: {1000 * (wall - one) / number:.2f} ms a file after the start, "
        f"{used / wall:.2f} processors in use; without the printing {1000 * inside / number:.2f} ms"
    )


def weights(folder: Path) -> None:
    """Compare a file with 2 GB of weights, written as a hole, with one of 2 kB."""
    document = json.dumps(model(16)).encode()
    sizes = {}
    for name, size in (("2 kB", 2 << 10), ("2 GB", 2 << 30)):
        path = folder / f"{size}.keras"
        with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
            archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
            archive.writestr("config.json", document)
            with archive.open("model.weights.h5", "w", force_zip64=True) as member:
                block = bytes(1 << 20)
                for _ in range(max(size >> 20, 1)):
                    member.write(block[:size])
        measured = []
        for _ in range(5):
            code = (
                "import resource, sys; sys.argv = ['rewriter', 'check', sys.argv[1]]\n"
                "from rewriter.cli import main\n"
                "try: main()\n"
                "except SystemExit: pass\n"
                "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
            )
            command = [sys.executable, "-c", code, str(path)]
            used = seconds(command)[1]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            measured.append((used, int(done.stderr.split()[-1])))
        sizes[name] = (min(used for used, _ in measured), min(kept for _, kept in measured))
        path.unlink()
    for name, (used, kept) in sizes.items():
        print(f"{name} of weights: {used:.3f} s of processor time, {kept / 1024:.1f} MB")


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for package in (rewriter, rewriter.passes):
        compileall.compile_dir(*package.__path__, quiet=1)
    with tempfile.TemporaryDirectory() as place:
        compare(Path(place))
        many(Path(place))
        weights(Path(place))
        beside_keras(Path(place))
