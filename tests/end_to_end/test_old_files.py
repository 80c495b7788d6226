"""Configs as Keras 2.0 to 2.3 wrote them: read, and written again as they were."""

from __future__ import annotations

import json

import h5py
import pytest

import rewriter
from rewriter.dialects import decode, encode


def dense(name, **config):
    return {
        "class_name": "Dense",
        "config": {"name": name, "trainable": True, "units": 3, **config},
    }


def dropout(name):
    return {"class_name": "Dropout", "config": {"name": name, "trainable": True, "rate": 0.5}}


LISTED = {
    "class_name": "Sequential",
    "config": [dense("a", batch_input_shape=[None, 4]), dropout("b"), dense("c")],
}


def functional(class_name="Model"):
    """As Keras 2.0 wrote it: three items a leaf where a call had no arguments, and ``Model``."""
    entries = [
        {
            "class_name": "InputLayer",
            "config": {"batch_input_shape": [None, 4], "dtype": "float32", "name": "x"},
            "name": "x",
            "inbound_nodes": [],
        },
        {**dropout("b"), "name": "b", "inbound_nodes": [[["x", 0, 0]]]},
        {**dense("c"), "name": "c", "inbound_nodes": [[["b", 0, 0, {}]], [["x", 0, 0, {}]]]},
    ]
    config = {"name": "m", "layers": entries, "input_layers": [["x", 0, 0]]}
    config["output_layers"] = [["c", 0, 0], ["c", 1, 0]]
    return {"class_name": class_name, "config": config}


NESTED = {
    "class_name": "Sequential",
    "config": {"name": "outer", "layers": [{**LISTED}, dropout("d")]},
}


@pytest.mark.parametrize("document", [LISTED, functional(), functional("Functional"), NESTED])
def test_an_old_config_comes_back_key_for_key(document):
    assert json.dumps(encode(decode(document, 2))) == json.dumps(document)


def test_an_old_file_is_read_and_planned_without_its_input_layer(tmp_path):
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"2.0.8"
        file.attrs["backend"] = b"tensorflow"
        file.attrs["model_config"] = json.dumps(LISTED).encode()
    plan = rewriter.plan(path, ["strip-dropout"])
    assert [change.layer for change in plan.changes] == ["b"]
    after = encode(plan.after)["config"]
    assert [entry["config"]["name"] for entry in after] == ["a", "c"]
    assert after[0]["config"]["batch_input_shape"] == [None, 4]


def test_an_old_file_is_rewritten_to_the_bit(tmp_path):
    import numpy as np
    import tf_keras

    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [layers.Dense(3, input_shape=(4,), name="a"), layers.Dropout(0.5, name="b")]
    )
    path = tmp_path / "old.h5"
    model.save(path)
    document = {"class_name": "Sequential", "config": LISTED["config"][:2]}
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = b"2.0.8"
        file.attrs["model_config"] = json.dumps(document).encode()
        file["model_weights"].attrs["keras_version"] = b"2.0.8"
    result = rewriter.rewrite(path, ["strip-dropout"])
    x = np.ones((2, 4), "float32")
    assert result.verification.ok
    assert np.array_equal(result.model(x), model(x))
    assert [layer.name for layer in result.model.layers] == ["a"]
