"""Rewriting in the middle of a training script, as people write them."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import rewriter
from rewriter.graph.changes import Stage

VOCABULARY = 9


def tokens_model(keras, recurrent="LSTM"):
    inputs = keras.Input((None,), dtype="int32", name="ids")
    embedded = keras.layers.Embedding(VOCABULARY, 3, name="embedding")(inputs)
    noisy = keras.layers.Dropout(0.3, name="noise")(embedded)
    last = getattr(keras.layers, recurrent)(4, name="recurrent")(noisy)
    outputs = keras.layers.Dense(2, activation="softmax", name="class")(last)
    return keras.Model(inputs, outputs, name="tokens")


def rewritten(model):
    return rewriter.rewrite(model, ["enable-masking", "move-dropout"], verify=False).model


def ragged_batches(keras, sizes=((4, 5), (3, 7), (5, 2))):
    """Return batches of several sizes, each padded to its own length."""
    import tensorflow as tf

    def batches():
        random = np.random.default_rng(0)
        for batch, length in sizes:
            yield random.integers(1, VOCABULARY, (batch, length)), random.integers(0, 2, batch)

    spec = (tf.TensorSpec((None, None), tf.int64), tf.TensorSpec((None,), tf.int64))
    return tf.data.Dataset.from_generator(batches, output_signature=spec)


def test_batches_of_many_sizes_train_on_with_callbacks(dialect, tmp_path):
    keras = dialect.keras
    callbacks = keras.callbacks
    model = tokens_model(keras)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    data = ragged_batches(keras)
    model.fit(data, epochs=1, verbose=0)
    model = rewritten(model)
    best = str(tmp_path / "best.keras")
    history = model.fit(
        data,
        validation_data=data,
        epochs=3,
        verbose=0,
        callbacks=[
            callbacks.ModelCheckpoint(best, monitor="loss", save_best_only=True),
            callbacks.EarlyStopping(monitor="loss", min_delta=100.0, restore_best_weights=True),
            callbacks.BackupAndRestore(str(tmp_path / "backup")),
            callbacks.TensorBoard(str(tmp_path / "logs")),
        ],
    )
    assert len(history.epoch) == 2  # stopped
    assert any((tmp_path / "logs").rglob("events*"))
    again = keras.models.load_model(best)
    assert again.get_layer("embedding").mask_zero
    ids = np.array([[1, 2, 3]])
    assert again.predict(ids, verbose=0).shape == (1, 2)


def test_a_backup_of_the_original_is_not_needed_to_go_on(dialect):
    keras = dialect.keras
    model = tokens_model(keras)
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    model.fit(ragged_batches(keras), verbose=0)
    new = rewritten(model)
    assert int(np.asarray(new.optimizer.iterations)) == 3
    new.fit(ragged_batches(keras), verbose=0)
    assert int(np.asarray(new.optimizer.iterations)) == 6
    assert int(np.asarray(model.optimizer.iterations)) == 3


def test_ragged_tensors_train_on_in_keras_2():
    import tensorflow as tf
    import tf_keras as keras

    inputs = keras.Input((None,), dtype="int64", ragged=True)
    embedded = keras.layers.Embedding(VOCABULARY, 3)(inputs)
    last = keras.layers.LSTM(4)(keras.layers.Dropout(0.3)(embedded))
    model = keras.Model(inputs, keras.layers.Dense(1)(last))
    model.compile("adam", "mse", run_eagerly=True)
    x, y = tf.ragged.constant([[1, 2, 3], [4], [5, 6]], dtype=tf.int64), np.ones((3, 1))
    model.fit(x, y, verbose=0)
    new = rewriter.rewrite(model, ["strip-dropout"], verify=False).model
    assert np.array_equal(new(x), model(x))
    new.fit(x, y, verbose=0)


def test_a_custom_loop_trains_on_with_the_same_optimizer_state(dialect):
    import tensorflow as tf

    keras = dialect.keras

    def step(model, optimizer):
        x, y = np.array([[1, 2, 3], [4, 5, 0]]), np.array([0, 1])
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                keras.losses.sparse_categorical_crossentropy(y, model(x, training=False))
            )
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    original = tokens_model(keras)
    original.compile("adam", "sparse_categorical_crossentropy")
    original.optimizer.build(original.trainable_variables)
    step(original, original.optimizer)
    new = rewriter.rewrite(original, ["strip-dropout"], verify=False).model
    for model in (original, new):
        step(model, model.optimizer)
    pairs = zip(original.get_weights(), new.get_weights(), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)


def test_mixed_precision_is_carried_over(dialect):
    keras = dialect.keras
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = tokens_model(keras, "GRU")
        model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
        model.fit(ragged_batches(keras), verbose=0)
        result = rewriter.rewrite(model, ["strip-dropout"])
    finally:
        keras.mixed_precision.set_global_policy("float32")
    new = result.model
    assert result.verification.ok
    assert not result.plan.notes
    assert type(new.optimizer) is type(model.optimizer)
    assert "LossScale" in type(new.optimizer).__name__
    assert new.get_layer("recurrent").compute_dtype == "float16"
    for name in ("iterations", "dynamic_counter" if dialect.number == 2 else "step_counter"):
        old = np.asarray(getattr(model.optimizer, name))
        assert np.array_equal(old, np.asarray(getattr(new.optimizer, name)))
    new.fit(ragged_batches(keras), verbose=0)


def test_a_class_with_its_own_train_step_is_kept(dialect):
    keras = dialect.keras

    class Counting(keras.Model):
        steps = 0

        def train_step(self, data):
            self.steps += self.increment
            return super().train_step(data)

    plain = tokens_model(keras)
    model = Counting(inputs=plain.inputs, outputs=plain.outputs, name="counting")
    model.increment = 2
    model.teacher = keras.layers.Dense(1)
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    result = rewriter.rewrite(model, ["enable-masking"], verify=False)
    result.model.train_on_batch(np.array([[1, 2, 3]]), np.array([1]))
    assert type(result.model) is Counting
    assert result.model.steps == 2
    (note,) = [note for note in result.plan.notes if note.stage is Stage.REWRITE]
    assert note.reason == "attribute teacher (Dense) is not carried over: set it again"


def test_keras_tuner_builds_rewritten_models(tmp_path):
    tuner = pytest.importorskip("keras_tuner")
    import keras

    def build_model(choices):
        model = tokens_model(keras, choices.Choice("cell", ["GRU", "SimpleRNN"]))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return rewritten(model)

    search = tuner.RandomSearch(
        build_model, "accuracy", max_trials=2, directory=tmp_path, project_name="t"
    )
    x, y = np.random.default_rng(0).integers(1, VOCABULARY, (8, 4)), np.arange(8) % 2
    search.search(x, y, epochs=1, verbose=0)
    assert search.get_best_models()[0].get_layer("embedding").mask_zero


def test_a_saved_model_needs_no_more_than_the_layers_to_load(dialect, tmp_path):
    keras, number = dialect.keras, dialect.number
    layers = __import__(f"rewriter.layers.keras{number}", fromlist=["DynamicDropout"])
    inputs = keras.Input((None, 3), name="x")
    noisy = layers.DynamicDropout(0.3, shared_axes=(1,), name="noise")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GRU(3)(noisy)))
    model.compile("adam", "mse", run_eagerly=True)
    model.train_on_batch(np.ones((2, 4, 3)), np.ones((2, 2)))
    rewriter.rewrite(model, ["move-dropout"], output=tmp_path / "m.keras", verify=False)
    script = f"""
    import sys
    import numpy as np
    import rewriter.layers.keras{number}
    from {keras.__name__} import models
    model = models.load_model({str(tmp_path / "m.keras")!r})
    print(model.train_on_batch(np.ones((2, 4, 3)), np.ones((2, 2))) is not None)
    print(sorted(name for name in sys.modules if name in ("rewriter.api.functions", "networkx")))
    """
    run = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-3:] == ["True", "[]", ""]
