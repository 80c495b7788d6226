"""A live rewrite without verification beside ``clone_model`` and ``set_weights``.

    python tests/benchmarks/bench_rewrite.py [--keras 2] [--calls 100 200 400] [--rounds 5]

Prints CPU time as ratios, medians of runs in turn in one process, and the slope of the time
over the number of calls on two logarithmic scales: 1 is linear. What one run leaves behind is
collected before the next, so that neither pays for the other.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import math
import os
import statistics
import time

import rewriter

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def chain(keras, calls):
    x = y = keras.Input((8,))
    for _ in range(calls // 2):
        y = keras.layers.Dropout(0.1)(keras.layers.Dense(8)(y))
    return keras.Model(x, y)


def branching(keras, calls):
    x = y = keras.Input((8,))
    for _ in range(calls // 4):
        one = keras.layers.Dropout(0.1)(keras.layers.Dense(8)(y))
        y = keras.layers.Add()([one, keras.layers.Dense(8)(y)])
    return keras.Model(x, y)


def seconds(function):
    gc.collect()
    start = time.process_time()
    function()
    return time.process_time() - start


def measure(keras, model, rounds):
    def ours():
        rewriter.rewrite(model, [], verify=False)

    def theirs():
        keras.models.clone_model(model).set_weights(model.get_weights())

    ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    return [statistics.median(each) for each in zip(*pairs, strict=True)]


def slope(sizes, times):
    """Return the slope of the line of least squares through the logarithms."""
    xs, ys = ([math.log(each) for each in values] for values in (sizes, times))
    mean_x, mean_y = statistics.mean(xs), statistics.mean(ys)
    over = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return over / sum((x - mean_x) ** 2 for x in xs)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keras", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--calls", type=int, nargs="+", default=[100, 200, 400, 800, 1600])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for number in options.keras:
        keras = importlib.import_module("tf_keras" if number == 2 else "keras")
        for make in (chain, branching):
            times = []
            for calls in options.calls:
                ours, theirs = measure(keras, make(keras, calls), options.rounds)
                times.append(ours)
                print(
                    f"Keras {number}, {make.__name__} of {calls} calls: rewrite {ours:.2f} s, "
                    f"clone_model and set_weights {theirs:.2f} s, ratio {ours / theirs:.2f}",
                    flush=True,
                )
            if len(times) > 1:
                print(f"Keras {number}, {make.__name__}: slope {slope(options.calls, times):.2f}")


if __name__ == "__main__":
    main()
