"""Peak memory of a live rewrite, in multiples of the weights, the original's included.

    python tests/benchmarks/bench_memory.py [--keras 3] [--megabytes 500]

One Keras a process: the peak is the process'. What importing takes is left out.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource

import rewriter

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def peak():
    """Return the greatest memory of the process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keras", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=500)
    options = parser.parse_args()
    keras = importlib.import_module("tf_keras" if options.keras == 2 else "keras")
    small = keras.Sequential([keras.layers.Dense(2), keras.layers.Dropout(0.5)])
    small.build((None, 2))
    rewriter.rewrite(small, ["strip-dropout"], verify=False)
    before = peak()
    units = 2048
    layers = round(options.megabytes * 2**20 / (units * units * 4))
    x = y = keras.Input((units,))
    for _ in range(layers):
        y = keras.layers.Dropout(0.1)(keras.layers.Dense(units, kernel_initializer="ones")(y))
    model = keras.Model(x, y)
    weights = layers * units * units * 4 / 2**20
    built = peak()
    rewriter.rewrite(model, ["strip-dropout"], verify=False)
    print(
        f"Keras {options.keras}: weights {weights:.0f} MB, "
        f"the model {(built - before) / weights:.2f} times that, "
        f"with its rewrite {(peak() - before) / weights:.2f} times"
    )


if __name__ == "__main__":
    main()
