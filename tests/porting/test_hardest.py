"""The ten models that are hardest to port, each verified as it was written."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from support.porting_trial import randomise

import rewriter


def channels_first(keras):
    """Outputs as wide as there are filters: Keras 3 adds the bias along the wrong axis."""
    layers = keras.layers
    x = keras.Input((3, 8, 8))
    y = layers.Conv2D(6, 3, data_format="channels_first", activation="relu")(x)
    z = layers.SeparableConv2D(4, 5, data_format="channels_first")(x)
    w = layers.Conv2DTranspose(16, 2, strides=2, data_format="channels_first")(x)
    return keras.Model(x, [y, z, w])


def broadcast_sum(keras):
    """(b, T, C) + (b, T, 1) with T = C, at batch 1."""
    layers = keras.layers
    x = keras.Input((6, 6))
    narrow = layers.Dense(1)(x)
    return keras.Model(x, [layers.Add()([x, narrow]), x + narrow, layers.Add()([narrow, x])])


def residual_attention(keras):
    """Two blocks of residual MultiHeadAttention under mask_zero."""
    layers = keras.layers
    x = keras.Input((None,), dtype="int32")
    y = layers.Embedding(9, 4, mask_zero=True)(x)
    for _ in range(2):
        y = layers.LayerNormalization()(y)
        y = layers.Add()([y, layers.MultiHeadAttention(2, 3)(y, y)])
    return keras.Model(x, layers.GRU(2)(y))


def masked_multiply(keras):
    """Multiply of a masked and an unmasked input, into LSTM."""
    layers = keras.layers
    x, other = keras.Input((None,), dtype="int32"), keras.Input((None, 4))
    y = layers.Multiply()([layers.Embedding(9, 4, mask_zero=True)(x), other])
    return keras.Model([x, other], layers.LSTM(3)(y))


def gate_by_gate(keras):
    """LSTM with hard_sigmoid and implementation=1."""
    layers = keras.layers
    lstm = layers.LSTM(8, recurrent_activation="hard_sigmoid", implementation=1)
    return keras.Sequential([keras.Input((7, 3)), lstm, layers.Dense(2)])


def bins(keras):
    """Discretization, which Keras 3 gets wrong in predict alone."""
    layers = keras.layers
    x = keras.Input((5,))
    adapted = layers.Discretization(num_bins=4)
    adapted.adapt(np.linspace(-1, 1, 40)[:, None])
    return keras.Model(x, layers.Embedding(9, 2)(adapted(x)))


def sequence_to_sequence(keras):
    """States handed on, a shared layer, a nested model called twice, slashes in names."""
    layers = keras.layers
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    shared = layers.Embedding(9, 4, mask_zero=True, name="shared/embedding")
    inner_input = keras.Input((None, 4))
    inner = keras.Model(
        inner_input, layers.Dense(4, name="deep/dense")(inner_input), name="inner/model"
    )
    encoded = layers.LSTM(4, return_state=True, name="encoder/lstm")(inner(shared(source)))
    decoded = layers.LSTM(4, return_sequences=True, name="decoder/lstm")(
        inner(shared(target)), initial_state=encoded[1:]
    )
    return keras.Model([source, target], layers.Dense(3, name="out/dense")(decoded))


MODELS = {
    each.__name__: each
    for each in (
        channels_first,
        broadcast_sum,
        residual_attention,
        masked_multiply,
        gate_by_gate,
        bins,
        sequence_to_sequence,
    )
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ported")


@pytest.mark.parametrize("name", MODELS)
def test_a_hard_model_gives_what_it_gave(name, folder):
    import tf_keras

    model = MODELS[name](tf_keras)
    randomise(model)
    result = rewriter.port(model, folder / f"{name}.keras")
    (folder / f"{name}.json").write_text(json.dumps(result.plan.needs))
    assert result.verification.ok
    assert result.verification.max_difference <= (1e-6 if name in WITHIN else 0.0)
    assert {case.mode for case in result.verification.cases} == {"eager", "compiled"}


LOADING = """
import json, sys
import keras
for path in sys.argv[1:]:
    try:
        keras.models.load_model(path)
        print(json.dumps([path, True]))
    except Exception:
        print(json.dumps([path, False]))
assert "rewriter" not in sys.modules
"""


def test_a_file_loads_without_this_package_or_it_was_announced(folder):
    paths = sorted(folder.glob("*.keras"))
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOADING, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = dict(map(json.loads, done.stdout.splitlines()))
    needs = {str(each): json.loads(each.with_suffix(".json").read_text()) for each in paths}
    assert paths
    assert loaded == {path: not modules for path, modules in needs.items()}
    assert set(loaded.values()) == {True, False}


WITHIN = ("residual_attention", "channels_first", "sequence_to_sequence", "gate_by_gate")


def test_the_axes_of_an_old_list_of_layers_are_kept(tmp_path):
    """`.h5` Softmax(axis=[1, 2]) in a list-form Sequential without InputLayer."""
    import h5py
    import tf_keras

    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [layers.Reshape((3, 4), input_shape=(12,)), layers.Softmax(axis=[1, 2])]
    )
    path = tmp_path / "old.h5"
    model.save(path)
    _as_list_of_layers(h5py, path)
    result = rewriter.port(path, tmp_path / "new.keras")
    assert result.verification.max_difference == 0.0
    assert result.model.layers[-1].axis == [1, 2]


def _as_list_of_layers(h5py, path):
    import json

    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        layers = [each for each in config["config"]["layers"] if each["class_name"] != "InputLayer"]
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": layers})
        file.attrs["keras_version"] = "2.2.4"


def test_an_adapted_vocabulary_comes_out_of_a_saved_model(tmp_path):
    """TextVectorization tf_idf, adapted, from a SavedModel, multi_hot into Dense."""
    import tf_keras

    layers = tf_keras.layers
    text = tf_keras.Input((1,), dtype="string")
    weighed = layers.TextVectorization(output_mode="tf_idf")
    hot = layers.TextVectorization(output_mode="multi_hot")
    for each in (weighed, hot):
        each.adapt(np.array([["a b"], ["b c"], ["c c d"]]))
    joined = layers.Concatenate()([weighed(text), layers.Dense(2)(hot(text))])
    model = tf_keras.Model(text, layers.Dense(3)(joined))
    model.save(tmp_path / "old", save_format="tf")
    result = rewriter.port(tmp_path / "old", tmp_path / "new.keras", allow_code=True)
    assert result.verification.max_difference == 0.0
    told = [change.after for change in result.plan.changes if "vocabulary" in change.after]
    assert len(told) == 2
