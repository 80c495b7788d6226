"""Time of ``rewriter rewrite`` beside that of a bare script that loads, clones and saves.

Whole processes, interleaved, medians; the ratios matter, not the seconds.

    python tests/benchmarks/bench_end_to_end.py [MODEL] [--repeat 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rewriter.saved import read

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "models" / "ethnicolr" / "census2010_ln_lstm.h5"
OWN = ROOT / "examples" / "models" / "vowels_tokens.keras"

BARE = """
import sys
import {module} as keras
model = keras.models.load_model(sys.argv[1])
clone = keras.models.clone_model(model)
clone.set_weights(model.get_weights())
clone.compile(optimizer="adam", loss=model.loss)
clone.save(sys.argv[2])
"""


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(command, check=True, capture_output=True, env=quiet)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", type=Path, default=REAL if REAL.exists() else OWN)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    module = "tf_keras" if read(given.model).keras == 2 else "keras"
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / f"out{given.model.suffix}")
        rewrite = [sys.executable, "-m", "rewriter", "rewrite", str(given.model), "-o", out]
        rewrite += ["--force", "-p", "strip-dropout"]
        commands = {
            "bare script": [
                sys.executable,
                "-c",
                BARE.format(module=module),
                str(given.model),
                out,
            ],
            "rewrite --no-verify": [*rewrite, "--no-verify"],
            "rewrite": rewrite,
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(given.repeat):
            for name, command in commands.items():
                times[name].append(seconds(command))
    bare, without, whole = (statistics.median(times[name]) for name in commands)
    print(f"{given.model.name}, {module}, median of {given.repeat}")
    print(f"bare script           {bare:6.2f} s")
    print(f"rewrite --no-verify   {without:6.2f} s   {without / bare:.2f} times the bare script")
    print(f"verification adds     {whole - without:6.2f} s   {(whole - without) / bare:.2f} times")


if __name__ == "__main__":
    main()
