"""What cannot be rewritten is refused with advice that helps."""

from __future__ import annotations

import numpy as np
import pytest

import rewriter
from rewriter.errors import RewriterError


def test_a_lambda_activation_is_refused_without_its_code(dialect):
    layers = dialect.keras.layers
    x = layers.Input((4,))
    y = layers.Dense(3, activation=lambda t: t * 2, name="doubled")(x)
    model = dialect.keras.Model(x, layers.Dense(2)(layers.Dropout(0.5)(y)))
    with pytest.raises(RewriterError) as refused:
        rewriter.rewrite(model, ["strip-dropout"])
    assert "AAAA" not in str(refused.value)
    assert "a lambda, saved as code" in str(refused.value)
    assert "register_keras_serializable" in refused.value.fix


def test_a_subclassed_model_is_told_which_of_its_parts_can_be_rewritten(dialect):
    keras = dialect.keras

    class Whole(keras.Model):
        def __init__(self):
            super().__init__()
            x = keras.Input((4,))
            self.encoder = keras.Model(x, keras.layers.Dropout(0.5)(x))
            self.head = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
            self.other = keras.layers.Dense(2)

        def call(self, inputs):
            return self.head(self.encoder(inputs)) + self.other(inputs)

    model = Whole()
    model(np.ones((1, 4), "float32"))
    with pytest.raises(RewriterError) as refused:
        rewriter.rewrite(model, ["strip-dropout"])
    assert refused.value.fix.endswith("model.encoder, model.head")
    assert rewriter.rewrite(model.encoder, ["strip-dropout"]).verification


def test_a_float8_model_is_refused_with_advice():
    import keras

    layers = keras.layers
    x, dense = layers.Input((8,)), layers.Dense(8, name="dense")
    model = keras.Model(x, layers.Dense(2)(layers.Dropout(0.2)(dense(x))))
    dense.quantize("float8")
    with pytest.raises(RewriterError, match="rewrite the model before that"):
        rewriter.rewrite(model, ["strip-dropout"])


def test_carry_mask_says_that_unwrapping_comes_first():
    import keras

    layers = keras.layers
    ids = keras.Input((None,), dtype="int32")
    y = layers.TimeDistributed(layers.Dense(4), name="steps")(layers.Embedding(9, 4)(ids))
    y = layers.GRU(3)(layers.Conv1D(4, 3, padding="same")(y))
    plan = rewriter.plan(keras.Model(ids, layers.Dense(2)(y)), ["carry-mask"])
    notes = {note.layer: note.reason for note in plan.notes}
    assert plan.changes
    assert "run unwrap-time-distributed first" in notes["steps"]


@pytest.mark.parametrize("ending", ["keras", "h5", "live"])
def test_a_layer_of_this_program_is_never_called_a_strangers(dialect, ending, tmp_path):
    layers = dialect.keras.layers
    x = layers.Input((7, 4))
    y = layers.TimeDistributed(layers.Dense(3))(layers.Dropout(0.5)(x))
    model = dialect.keras.Model(x, layers.Dense(2)(y))
    shown = str(rewriter.plan(model, ["replace-dropout"]))
    assert "DynamicDropout" in shown and "not a layer of Keras" not in shown
    path = tmp_path / f"m.{'keras' if ending == 'live' else ending}"
    new = rewriter.rewrite(model, ["replace-dropout"], output=path).model
    given = new if ending == "live" else path
    assert "not a layer of Keras" not in str(rewriter.plan(given, ["move-dropout"]))


def test_a_file_says_what_the_live_model_would_tell_besides(dialect, tmp_path):
    keras = dialect.keras

    @keras.saving.register_keras_serializable("refusals")
    class Backbone(keras.Model):
        """A Functional model whose config is its constructor's arguments."""

        def __init__(self, units=4, **kwargs):
            x = keras.Input((5,), name="inner")
            y = keras.layers.Dropout(0.2, name="inside")(keras.layers.Dense(units)(x))
            super().__init__(x, y, **kwargs)
            self.units = units

        def get_config(self):
            return {"units": self.units, "name": self.name, "trainable": self.trainable}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    x = keras.Input((5,))
    model = keras.Model(x, keras.layers.Dense(2)(Backbone(name="backbone")(x)))
    model.save(tmp_path / "m.keras")
    live = rewriter.plan(model, ["strip-dropout"])
    file = rewriter.plan(tmp_path / "m.keras", ["strip-dropout"])
    assert [change.layer for change in live.changes] == ["backbone/inside"]
    assert not file.changes
    (note,) = file.notes
    assert "backbone (Backbone)" in note.reason and "load the model" in note.reason


def test_parts_in_lists_and_dicts_of_a_model_without_a_config_are_named_too(dialect):
    keras = dialect.keras

    def part(name):
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)], name=name)

    class Whole(keras.Model):
        def __init__(self, number):
            super().__init__()
            self.experts = [part(f"expert_{at}") for at in range(number)]
            self.heads = {"score": part("score")}

        def call(self, inputs):
            return self.heads["score"](self.experts[0](inputs) + self.experts[1](inputs))

    model = Whole(2)
    model(np.ones((2, 4), "float32"))
    with pytest.raises(RewriterError) as refused:
        rewriter.plan(model, ["strip-dropout"])
    named = refused.value.fix.rpartition(": ")[2]
    assert named == "model.experts[0], model.experts[1], model.heads['score']"
