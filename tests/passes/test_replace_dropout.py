"""replace-dropout makes every noise layer one of another class."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rewriter.passes.replace_dropout import ReplaceDropout
from support.checking import (
    Row,
    by_refusal,
    by_row,
    check_everything,
    check_refusal,
    stays,
)
from support.noise_models import (
    chain,
    drop,
    steps,
)

import rewriter
from rewriter.errors import RewriterError

EXAMPLES = Path(__file__).parents[2] / "examples" / "models"


def behind_own_layer(keras):
    """Return noise for a tensor whose shape no config tells."""

    class Own(keras.layers.Layer):
        """A class of one's own."""

        def call(self, inputs):
            return inputs

    stack = [keras.layers.Input((7, 4)), Own(), drop("DynamicDropout", shared_axes=1)(keras.layers)]
    return keras.Sequential(stack)


ROWS = {
    "a mask of Keras 2 is named": stays(
        "replace-dropout",
        chain(lambda layers: layers.TimeDistributed(layers.Dropout(0.5), name="steps")),
        ("steps TimeDistributed(Dropout)",),
        "unwrap-time-distributed takes that away",
        dialects=(2,),
    ),
    "replaced": Row(
        "replace-dropout",
        chain(drop(noise_shape=(None, 1, 4)), lambda layers: layers.GaussianNoise(0.1, name="g")),
        ("drop DynamicDropout", "g GaussianNoise"),
        ("has no rate",),
    ),
}


@by_row(ROWS)
def test_a_model_has_these_calls_after_the_pass(row, dialect, tmp_path):
    row.check(dialect.keras, tmp_path)


REFUSALS = [
    (
        "replace-dropout:to=standard",
        behind_own_layer,
        "its noise_shape cannot be written for a tensor of unknown rank",
        (3,),
    ),
    ("replace-dropout:to=spatial", chain(drop(), shape=(4,)), "no spatial dropout for a tensor"),
    (
        "replace-dropout:to=gaussian",
        chain(drop("SpatialDropout1D")),
        "GaussianDropout draws for each unit",
    ),
    (
        "replace-dropout:to=alpha",
        chain(drop("SpatialDropout1D")),
        "does not save a noise_shape",
        (2,),
    ),
    ("replace-dropout", chain(drop("GaussianNoise")), "GaussianNoise has no rate"),
    (
        "replace-dropout",
        chain(steps()),
        "Keras 2 cannot load DynamicDropout inside TimeDistributed",
        (2,),
    ),
    (
        "replace-dropout:to=standard",
        chain(drop("DynamicDropout", always_on=True)),
        "draws noise at inference too",
    ),
]


@by_refusal(REFUSALS)
def test_it_says_why_it_declines(wanted, model, words, dialect):
    check_refusal(model(dialect.keras), wanted, words)


@pytest.mark.parametrize(
    ("wanted", "paths"),
    [
        ("replace-dropout", {"inner/drop", "inner/spatial", "shared"}),
        ("replace-dropout:to=standard", {"inner/spatial"}),
    ],
)
def test_it_reaches_into_nested_wrapped_and_shared_layers(dialect, tmp_path, wanted, paths):
    check_everything(dialect.keras, wanted, paths, tmp_path)


@pytest.mark.parametrize("to", ["dynamic", "standard", "spatial", "gaussian", "alpha"])
def test_replacing_keeps_name_rate_seed_and_dtype(dialect, to):
    layers = dialect.keras.layers
    model = dialect.keras.Sequential(
        [layers.Input((7, 4)), layers.Dropout(0.25, seed=5, dtype="float64", name="drop")]
    )
    new = rewriter.rewrite(model, [ReplaceDropout(to=to)]).model.layers[-1]
    assert (new.name, new.rate, new.seed) == ("drop", 0.25, 5)
    assert new.compute_dtype == "float64"


@pytest.mark.parametrize("to", ["dynamic", "standard"])
def test_a_fixed_batch_becomes_dynamic_with_the_same_broadcasting(dialect, to):
    layers = dialect.keras.layers
    noise = layers.Dropout(0.5, noise_shape=(4, 1, 3), name="drop")
    model = dialect.keras.Sequential([layers.Input((7, 3)), noise])
    new = rewriter.rewrite(model, [ReplaceDropout(to=to)]).model
    dropped = np.asarray(new(np.ones((5, 7, 3), "float32"), training=True)) == 0
    assert dropped.shape == (5, 7, 3)
    assert (dropped == dropped[:, :1]).all()


@pytest.mark.parametrize(
    "wanted",
    [
        "replace-dropout:rate=1.5",
        "insert-dropout:rate=-1",
        "replace-dropout:to=spatial,shared_axes=1",
    ],
)
def test_options_out_of_range_are_refused(wanted):
    with pytest.raises(RewriterError):
        rewriter.plan(chain(drop())(__import__("keras")), [wanted])


def test_in_an_h5_file_no_shape_is_told_behind_a_layer_of_ones_own(dialect, tmp_path):
    behind_own_layer(dialect.keras).save(tmp_path / "model.h5")
    plan = rewriter.plan(tmp_path / "model.h5", ["replace-dropout:to=standard"])
    assert [note.reason for note in plan.notes if "the file does not tell" not in note.reason] == [
        "stays: its noise_shape cannot be written for a tensor of unknown rank"
    ]
    assert not plan.changes


FURTHER = """
import importlib, sys
import numpy as np

inputs = {(b, n): np.ones((b, n), "int32") for b in (1, 3, 7) for n in (5, 9)}
for name, number, path in zip(*[iter(sys.argv[1:])] * 3):
    keras = importlib.import_module(name)
    importlib.import_module("rewriter.layers.keras" + number)
    model = keras.models.load_model(path)
    assert type(model.get_layer("dropout")).__name__ == "DynamicDropout"
    assert "networkx" not in sys.modules and "typer" not in sys.modules
    before = [weight.copy() for weight in model.get_weights()]
    for (batch, _), ids in inputs.items():
        loss = np.ravel(model.train_on_batch(ids, np.zeros((batch,), "int32")))[0]
        assert np.isfinite(loss)
    assert any((old != new).any() for old, new in zip(before, model.get_weights()))
    print("steps", model.optimizer.iterations.numpy())
"""


def trained_on(keras, name, folder):
    """Rewrite a model, train it, save it; return how many steps it has made, and the file."""
    result = rewriter.rewrite(EXAMPLES / name, ["replace-dropout:to=dynamic"])
    model = result.model
    if not getattr(model, "compiled", getattr(model, "_is_compiled", False)):
        model.compile("adam", "sparse_categorical_crossentropy")
    inputs, classes = np.ones((8, 6), "int32"), np.zeros((8,), "int32")
    model.fit(inputs, classes, batch_size=4, verbose=0)
    path = folder / f"{keras}{Path(name).suffix}"
    model.save(path)
    return int(model.optimizer.iterations.numpy()), path


def test_models_with_dynamic_noise_train_on_are_saved_and_train_further(tmp_path):
    two, first = trained_on("tf_keras", "vowels_tokens_keras2.h5", tmp_path)
    three, second = trained_on("keras", "vowels_tokens.keras", tmp_path)
    words = ["tf_keras", "2", str(first), "keras", "3", str(second)]
    done = subprocess.run(
        [sys.executable, "-c", FURTHER, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    steps = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("steps")]
    assert steps == [two + 6, three + 6]
