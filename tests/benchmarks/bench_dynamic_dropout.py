"""How long a training step takes with DynamicDropout, beside the layers of Keras.

    python tests/benchmarks/bench_dynamic_dropout.py [REPETITIONS]

Prints the median time of the layer of Keras, and ratios of medians to it. The repetitions of all
candidates of a row are interleaved, in another order each time. The column `again` is a second
instance of the layer of Keras: what it differs from 1 is the error of the measurement.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from types import ModuleType
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from rewriter.layers import keras2, keras3

RATE = 0.3
Step = Callable[[], object]
Noise = Callable[[], Any]


def layer_alone(_: ModuleType, noise: Noise, dtype: str = "float32") -> Step:
    """Forwards and backwards through one layer, 32 sequences of 100 steps of 256 features."""
    layer = noise()
    inputs = tf.Variable(tf.ones((32, 100, 256), dtype))

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            outputs = layer(inputs, training=True)
        return tape.gradient(outputs, inputs)

    return step


def layer_alone_in_bfloat16(keras_: ModuleType, noise: Noise) -> Step:
    """The same in 16 bits, where the noise is drawn in float32."""
    return layer_alone(keras_, noise, "bfloat16")


def trained(model: Any, inputs: Any) -> Step:
    """One step of training, compiled, without XLA."""
    model.compile("adam", "mse", jit_compile=False)
    targets = np.ones((len(inputs), 1), "float32")
    return lambda: model.train_on_batch(inputs, targets)


def dense_stack(keras_: ModuleType, noise: Noise) -> Step:
    """Three Dense(512), noise behind each, on 32 sequences of 20 steps."""
    layers = keras_.layers
    stack = [layer for _ in range(3) for layer in (layers.Dense(512, "relu"), noise())]
    model = keras_.Sequential(
        [layers.Input((20, 64)), *stack, layers.GlobalAveragePooling1D(), layers.Dense(1)]
    )
    return trained(model, np.ones((32, 20, 64), "float32"))


def lstm(keras_: ModuleType, noise: Noise) -> Step:
    """Two LSTM(64), noise in front of each, on 32 sequences of 30 steps."""
    layers = keras_.layers
    model = keras_.Sequential(
        [
            layers.Input((30, 64)),
            noise(),
            layers.LSTM(64, return_sequences=True),
            noise(),
            layers.LSTM(64),
            layers.Dense(1),
        ]
    )
    return trained(model, np.ones((32, 30, 64), "float32"))


def medians(steps: list[Step], repetitions: int) -> list[float]:
    """The median time of each step in milliseconds."""
    for step in steps * 3:
        step()
    times: list[list[float]] = [[] for _ in steps]
    order = list(range(len(steps)))
    for _ in range(repetitions):
        random.shuffle(order)
        for index in order:
            start = time.perf_counter()
            steps[index]()
            times[index].append(time.perf_counter() - start)
    return [1000 * median(of_step) for of_step in times]


def pairs(keras_: ModuleType, ours: Any, dtype: str) -> Iterator[tuple[str, Noise, Noise]]:
    """Each layer of Keras with the DynamicDropout that does the same."""
    layers = keras_.layers
    yield (
        "Dropout",
        lambda: layers.Dropout(RATE, dtype=dtype),
        lambda: ours(RATE, dtype=dtype),
    )
    yield (
        "SpatialDropout1D",
        lambda: layers.SpatialDropout1D(RATE, dtype=dtype),
        lambda: ours(RATE, shared_axes=1, dtype=dtype),
    )


def main(repetitions: int) -> None:
    """Print one row for each Keras, workload and pair of layers."""
    print(f"{'':8}{'':26}{'':18}{'Keras':>9}{'again':>8}{'DynamicDropout':>16}")
    for name, keras_, ours in (
        ("keras 2", tf_keras, keras2.DynamicDropout),
        ("keras 3", keras, keras3.DynamicDropout),
    ):
        for workload in (layer_alone, layer_alone_in_bfloat16, dense_stack, lstm):
            dtype = "bfloat16" if workload is layer_alone_in_bfloat16 else "float32"
            for against, builtin, dynamic in pairs(keras_, ours, dtype):
                steps = [workload(keras_, noise) for noise in (builtin, builtin, dynamic)]
                base, again, with_ours = medians(steps, repetitions)
                label = workload.__name__.replace("_", " ")
                print(
                    f"{name:8}{label:26}{against:18}{base:6.2f} ms"
                    f"{again / base:8.3f}{with_ours / base:16.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
