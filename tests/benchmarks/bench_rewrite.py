"""A live rewrite without verification beside ``clone_model`` and ``set_weights``.

    python tests/benchmarks/bench_rewrite.py [--keras 2] [--calls 100 200 400] [--rounds 5]
    TF_USE_LEGACY_KERAS=1 python tests/benchmarks/bench_rewrite.py --tfmot --calls 160

With ``--tfmot``, where tensorflow-model-optimization is installed: every Dropout of a chain of
Keras 2 replaced by GaussianDropout, beside that package's ModelTransformer.

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
import sys
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


def measure_tfmot(calls, rounds):
    """Return the times of our replacement and of ModelTransformer's."""
    import tf_keras
    from tensorflow_model_optimization.python.core.quantization.keras.graph_transformations import (
        model_transformer,
        transforms,
    )

    class Replace(transforms.Transform):
        def pattern(self):
            return transforms.LayerPattern("Dropout")

        def replacement(self, match):
            layer = match.layer
            config = {"name": layer["config"]["name"], "rate": layer["config"]["rate"]}
            new = tf_keras.layers.serialize(tf_keras.layers.GaussianDropout(**config))
            new["name"] = config["name"]
            return transforms.LayerNode(new, input_layers=match.input_layers)

    model = chain(tf_keras, calls)

    def ours():
        return rewriter.rewrite(model, ["replace-dropout:to=gaussian"], verify=False).model

    def theirs():
        return model_transformer.ModelTransformer(model, [Replace()]).transform()[0]

    classes = [[type(layer).__name__ for layer in make().layers] for make in (ours, theirs)]
    assert classes[0] == classes[1]
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    return [statistics.median(each) for each in zip(*pairs, strict=True)]


def slope(sizes, times):
    """Return the slope of the line of least squares through the logarithms."""
    xs, ys = ([math.log(each) for each in values] for values in (sizes, times))
    mean_x, mean_y = statistics.mean(xs), statistics.mean(ys)
    over = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return over / sum((x - mean_x) ** 2 for x in xs)


def main():
    sys.setrecursionlimit(10_000)  # Keras 2 builds a chain by as many nested calls as it is long
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keras", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--calls", type=int, nargs="+", default=[100, 200, 400, 800, 1600])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tfmot", action="store_true")
    options = parser.parse_args()
    if options.tfmot:
        for calls in options.calls:
            ours, theirs = measure_tfmot(calls, options.rounds)
            print(f"{calls} calls: rewrite {ours:.2f} s, ModelTransformer {theirs:.2f} s")
        return
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
