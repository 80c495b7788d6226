"""Files that version 0.1.0 wrote: Keras loads them, and its plans are still applied."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

import rewriter

FOLDER = Path(__file__).parent / "version_0_1_0"
IDS = np.array([[1, 2, 3, 4, 0], [6, 7, 8, 9, 10]], "int32")


def loaded(dialect, name: str):
    importlib.import_module(f"rewriter.layers.keras{dialect.number}")
    return dialect.keras.models.load_model(FOLDER / name, compile=False)


def test_layers_of_version_0_1_0_are_loaded_with_their_classes(dialect):
    model = loaded(dialect, f"rewritten_keras{dialect.number}.keras")
    home = f"rewriter.layers.keras{dialect.number}"
    ours = {type(layer).__name__ for layer in model.layers if type(layer).__module__ == home}
    assert ours == {"DynamicDropout", "CarryMask", "ZeroMaskedSteps"}
    assert {layer.get_config()["name"] for layer in model.layers} >= {"conv_zeros", "conv_mask"}


def test_a_model_of_version_0_1_0_ignores_padding_as_it_did(dialect):
    model = loaded(dialect, f"rewritten_keras{dialect.number}.keras")
    scores = model.get_layer("lstm").output
    inner = dialect.keras.Model(model.inputs, scores)
    padded = np.pad(IDS, ((0, 0), (0, 3)))
    assert np.array_equal(inner.predict(IDS, verbose=0), inner.predict(padded, verbose=0))


def test_noise_that_version_0_1_0_kept_on_at_inference_is_on(dialect):
    model = loaded(dialect, f"always_on_keras{dialect.number}.keras")
    drawn = [model.predict(IDS, verbose=0) for _ in range(8)]
    assert any(not np.array_equal(drawn[0], each) for each in drawn)


def test_an_h5_file_of_version_0_1_0_is_loaded():
    import tf_keras

    import rewriter.layers.keras2  # noqa: F401

    model = tf_keras.models.load_model(FOLDER / "rewritten_keras2.h5", compile=False)
    assert model.get_layer("conv_mask").__class__.__name__ == "CarryMask"


@pytest.mark.parametrize("number", [2, 3])
def test_a_plan_of_version_0_1_0_is_the_plan_of_today(number):
    written = json.loads((FOLDER / f"plan_keras{number}.json").read_text(encoding="utf-8"))
    plan = rewriter.plan(FOLDER / f"original_keras{number}.keras", written["passes"]).to_json()
    edited = [(each["action"], each["layer"]) for each in written["changes"]]
    assert [(each["action"], each["layer"]) for each in plan["changes"]] == edited
