"""The dropout passes on nested models, wrapped and shared layers at once, and afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.checking import calls_of

import rewriter

EXAMPLES = Path(__file__).parents[2] / "examples" / "models"


def everything(keras):
    """Return a model with shared noise, a shared nested model and wrapped layers."""
    layers = keras.layers
    x = layers.Input((7, 4))
    y = layers.Masking(name="mask")(layers.Dropout(0.5, name="drop")(x))
    y = layers.LSTM(4, dropout=0.3, recurrent_dropout=0.2, return_sequences=True, name="lstm")(y)
    y = layers.TimeDistributed(layers.Dense(4), name="steps")(y)
    inner = keras.Model(x, layers.SpatialDropout1D(0.5, name="spatial")(y), name="inner")
    inputs = [layers.Input((7, 4), name=name) for name in "ab"]
    shared = layers.Dropout(0.2, noise_shape=(None, 1, 4), name="shared")
    y = layers.Add(name="add")([inner(shared(each)) for each in inputs])
    gru = layers.GRU(3, dropout=0.2, return_sequences=True)
    y = layers.Bidirectional(gru, name="both")(y)
    y = layers.TimeDistributed(layers.Dropout(0.5), name="wrapped")(y)
    return keras.Model(inputs, layers.GRU(3, name="last")(y))


TOUCHED = {
    "move-dropout": {"inner/drop"},
    "replace-dropout": {"inner/drop", "inner/spatial", "shared"},
    "replace-dropout:to=standard": {"inner/spatial"},
    "insert-dropout": {"inner/lstm_dropout"},
    "externalise-dropout": {"inner/lstm", "inner/lstm_dropout", "both", "both_dropout"},
    "unwrap-time-distributed": {"inner/steps", "wrapped"},
    "strip-dropout": {"inner/drop", "inner/spatial", "inner/lstm", "shared", "both", "wrapped"},
}


@pytest.mark.parametrize("wanted", TOUCHED)
def test_a_pass_reaches_into_nested_wrapped_and_shared_layers(dialect, tmp_path, wanted):
    model = everything(dialect.keras)
    result = rewriter.rewrite(model, [wanted], output=tmp_path / "m.keras")
    touched = {change.layer for change in result.plan.changes}
    for path in TOUCHED[wanted]:
        assert any(layer == path or layer.startswith(f"{path}/") for layer in touched), touched
    assert result.verification.ok
    assert result.verification.max_difference <= result.plan.tolerance
    reloaded = dialect.keras.models.load_model(tmp_path / "m.keras")
    assert sorted(calls_of(rewriter.read(reloaded))) == sorted(calls_of(result.plan.after))
    assert rewriter.plan(reloaded, [wanted]).changes == ()


FURTHER = """
import sys
import numpy as np
import {keras} as keras
from rewriter.layers import keras{number}

model = keras.models.load_model(sys.argv[1])
assert type(model.get_layer("dropout")).__name__ == "DynamicDropout"
assert "networkx" not in sys.modules and "typer" not in sys.modules
before = [weight.copy() for weight in model.get_weights()]
for batch in (1, 3, 7):
    for length in (5, 9):
        inputs, classes = np.ones((batch, length), "int32"), np.zeros((batch,), "int32")
        loss = np.ravel(model.train_on_batch(inputs, classes))[0]
        assert np.isfinite(loss)
assert any((old != new).any() for old, new in zip(before, model.get_weights()))
print(model.optimizer.iterations.numpy())
"""


@pytest.mark.parametrize(
    ("name", "module"), [("vowels_tokens_keras2.h5", "tf_keras"), ("vowels_tokens.keras", "keras")]
)
def test_a_model_with_dynamic_noise_trains_on_is_saved_and_trains_further(tmp_path, name, module):
    keras = __import__(module)
    result = rewriter.rewrite(EXAMPLES / name, ["replace-dropout:to=dynamic"])
    model = result.model
    if not getattr(model, "compiled", getattr(model, "_is_compiled", False)):
        model.compile("adam", "sparse_categorical_crossentropy")
    inputs, classes = np.ones((8, 6), "int32"), np.zeros((8,), "int32")
    model.fit(inputs, classes, batch_size=4, verbose=0)
    steps = int(model.optimizer.iterations.numpy())
    path = tmp_path / f"trained{Path(name).suffix}"
    model.save(path)
    script = FURTHER.format(keras=module, number=3 if keras.__name__ == "keras" else 2)
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) == steps + 6
