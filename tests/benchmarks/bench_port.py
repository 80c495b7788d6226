"""Time of ``rewriter.port`` beside that of a hand-written script that does the same for one model.

The script loads the file in tf_keras, builds the model in Keras 3, sets its weights and saves it.
Both run in one process by turns, their imports done. Told are medians: of the time that passes,
and of the time that processors work, that of child processes counted; the ratios matter.

    python tests/benchmarks/bench_port.py [--megabytes 1 500] [--repeat 5] [--verify]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FEATURES = 64


def model_of(keras: Any, units: int) -> Any:
    """Return a model of an LSTM and Dense layers; of ``8 * units ** 2`` weights, about."""
    layers = keras.layers
    x = keras.Input((16, FEATURES))
    y = layers.LSTM(units, name="lstm")(x)
    for number in range(4):
        y = layers.Dense(units, activation="relu", name=f"dense_{number}")(y)
    return keras.Model(x, layers.Dense(4, name="out")(y))


def by_hand(path: Path, target: Path, units: int) -> None:
    """Do what a port does, for this model alone."""
    import keras
    import tf_keras

    old = tf_keras.models.load_model(path, compile=False)
    new = model_of(keras, units)
    new.set_weights(old.get_weights())
    new.save(target)


def seconds(function: Callable[[], Any]) -> tuple[float, float]:
    """Return the time that passes, and that which processors work."""
    started, worked = time.perf_counter(), sum(os.times()[:4])
    function()
    return time.perf_counter() - started, sum(os.times()[:4]) - worked


def measured(megabytes: int, repeat: int, verify: bool, folder: Path) -> str:
    import tf_keras

    import rewriter

    units = int((megabytes * 2**20 / 4 / 8) ** 0.5)
    path, target = folder / f"old_{megabytes}.h5", folder / "new.keras"
    model_of(tf_keras, units).save(path)
    ways: dict[str, Callable[[], Any]] = {
        "by hand": lambda: by_hand(path, target, units),
        "port": lambda: rewriter.port(path, target, verify=False, force=True),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(repeat + 1):
        for name, way in ways.items():
            taken = seconds(way)
            if turn:  # the first finds caches empty
                times[name].append(taken)
    told = [f"{path.stat().st_size / 2**20:.1f} MB"]
    for place, what in enumerate(("passes", "processors")):
        hand, ported = (statistics.median(each[place] for each in times[name]) for name in ways)
        told.append(
            f"{what:<11} by hand {hand:6.2f} s   port {ported:6.2f} s   {ported / hand:.2f} times"
        )
    if verify:
        passed, worked = seconds(lambda: rewriter.port(path, target, force=True))
        told.append(f"port, verified: {passed:.2f} s pass, processors {worked:.2f} s")
    return "\n  ".join(told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[1, 500])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--verify", action="store_true", help="port once with verification, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for megabytes in given.megabytes:
            print(measured(megabytes, given.repeat, given.verify, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
