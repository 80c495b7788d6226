"""Train under a distribution strategy, rewrite inside its scope, and train on.

    python examples/rewrite_under_strategy.py
    python examples/rewrite_under_strategy.py --keras 2

Two logical devices of one CPU stand for two GPUs. The optimizer's slots and its step count go
over to the rewritten model, on both devices.
"""

import argparse

import numpy as np
import tensorflow as tf

import rewriter

STEPS, FEATURES, CLASSES = 12, 4, 3


def make_data(rows=64, seed=0):
    """Return sequences of 2 to 12 steps, padded with zeros behind, and which feature is largest."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, STEPS, FEATURES)).astype("float32")
    for row, length in enumerate(random.integers(2, STEPS + 1, rows)):
        x[row, length:] = 0
    return x, x.sum(1)[:, :CLASSES].argmax(1)


def build(keras):
    """Return a compiled model with its noise where it hides the padding."""
    frames = keras.Input((None, FEATURES), name="frames")
    noisy = keras.layers.Dropout(0.2, name="noise")(frames)
    masked = keras.layers.Masking(0.0, name="masking")(noisy)
    last = keras.layers.LSTM(8, name="lstm")(masked)
    outputs = keras.layers.Dense(CLASSES, activation="softmax", name="class")(last)
    model = keras.Model(frames, outputs, name="frames_to_class")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keras", type=int, choices=(2, 3), default=3)
    options = parser.parse_args(arguments)
    if options.keras == 2:
        import tf_keras as keras
    else:
        import keras
    keras.utils.set_random_seed(0)
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
    tf.config.set_logical_device_configuration(cpu, two)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    print(f"{strategy.num_replicas_in_sync} replicas")
    x, y = make_data()
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(16, drop_remainder=True)
    with strategy.scope():
        model = build(keras)
        model.fit(batches, epochs=2, verbose=0)
        result = rewriter.rewrite(model, ["move-dropout"])
    print(result.plan)
    print(result.verification)
    for one, when in ((model, "before"), (result.model, "after")):
        print(f"steps of the optimizer {when}: {int(np.asarray(one.optimizer.iterations))}")
    history = result.model.fit(batches, epochs=2, verbose=0).history
    print(f"loss, trained on: {history['loss'][0]:.3f}, then {history['loss'][-1]:.3f}")


if __name__ == "__main__":
    main()
