"""What a rehearsal finds out about layers, known and unknown."""

import json

import numpy as np
import pytest

import rewriter


def hand_written(keras, *, scaled):
    """Return a dropout layer as found in the wild; without `scaled` it forgets to divide."""
    import tensorflow as tf

    class Thinning(keras.layers.Layer):
        """Multiplies by a mask of zeros and ones."""

        def __init__(self, rate=0.5, **options):
            super().__init__(**options)
            self.rate = rate

        def call(self, inputs, training=None):
            if not training:
                return inputs
            mask = tf.cast(tf.random.uniform(tf.shape(inputs)) > self.rate, inputs.dtype)
            return inputs * mask / (1 - self.rate) if scaled else inputs * mask

        def get_config(self):
            return {**super().get_config(), "rate": self.rate}

    return Thinning


def always_noisy(keras):
    import tensorflow as tf

    class Jitter(keras.layers.Layer):
        """Draws noise whatever it is told."""

        def call(self, inputs):
            return inputs + tf.random.normal(tf.shape(inputs))

    return Jitter


def between(keras, *layers, units=64):
    made = [keras.layers.Input((None, 8)), keras.layers.Dense(units), *layers]
    return keras.Sequential([*made, keras.layers.Dense(2)])


def rehearsed(model):
    return rewriter.rehearse(model, batches=(2, 1, 32), lengths=(7, 5))


def codes(rehearsal):
    return [(finding.code, finding.layer) for finding in rehearsal.findings]


def test_a_hand_written_dropout_without_scaling_is_found_and_its_correct_twin_is_not(dialect):
    wrong = hand_written(dialect.keras, scaled=False)(name="wrong")
    right = hand_written(dialect.keras, scaled=True)(name="right")
    rehearsal = rehearsed(between(dialect.keras, wrong, right))
    assert codes(rehearsal) == [("RW354", "wrong")]
    kept = {each.layer: each.drawn.expectation for each in rehearsal.noise}
    assert kept["wrong"] == pytest.approx(0.5, abs=0.05)
    assert kept["right"] == pytest.approx(1.0, abs=0.05)
    assert {case.outcome for case in rehearsal.cases} == {"trains"}


def test_the_rate_that_is_drawn_is_held_against_the_one_that_is_stated(dialect):
    layer = hand_written(dialect.keras, scaled=True)(0.5, name="drop")
    model = between(dialect.keras, layer)
    rehearsal = rehearsed(model)
    assert rehearsal.ok, str(rehearsal)
    measured = rehearsal.noise[0]
    assert measured.configured == 0.5
    assert abs(measured.drawn.dropped - 0.5) < 0.02


def test_noise_at_inference_that_was_not_asked_for_is_found(dialect):
    import importlib

    always = importlib.import_module(f"rewriter.layers.keras{dialect.number}").DynamicDropout
    layers = [always(0.5, always_on=True, name="asked")]
    assert rehearsed(between(dialect.keras, *layers)).ok
    dropped = dialect.keras.layers.Dropout(0.5, name="pinned")
    inputs = dialect.keras.layers.Input((None, 8))
    model = dialect.keras.Model(inputs, dropped(inputs, training=True))
    found = codes(rehearsed(model))
    assert found == ([] if dialect.number == 2 else [("RW352", "pinned")])


def test_a_dropout_that_never_drops_is_found(dialect):
    class Broken(dialect.keras.layers.Dropout):
        """Forgets its noise."""

        def call(self, inputs, training=None):
            return inputs

    assert codes(rehearsed(between(dialect.keras, Broken(0.5, name="idle")))) == [("RW351", "idle")]


def test_the_built_in_noise_layers_are_in_order(dialect):
    layers = dialect.keras.layers
    noise = [
        layers.Dropout(0.3, name="plain"),
        layers.SpatialDropout1D(0.3, name="spatial"),
        layers.GaussianDropout(0.3),
        layers.GaussianNoise(0.3),
        layers.AlphaDropout(0.3),
        layers.TimeDistributed(layers.Dropout(0.3)),
    ]
    noise = noise if dialect.number == 2 else noise[:-1]
    rehearsal = rehearsed(between(dialect.keras, *noise))
    assert rehearsal.ok, str(rehearsal)
    over_time = {each.layer: each.constant_over_time for each in rehearsal.noise}
    assert over_time["spatial"] is True
    assert over_time["plain"] is False


def test_a_weight_without_a_gradient_is_found(dialect):
    import tensorflow as tf

    class Stop(dialect.keras.layers.Layer):
        """Lets no gradient through."""

        def call(self, inputs):
            return tf.stop_gradient(inputs)

    layers = dialect.keras.layers
    model = dialect.keras.Sequential(
        [layers.Input((None, 8)), layers.Dense(4, name="cut"), Stop(), layers.Dense(2)]
    )
    assert codes(rehearsed(model)) == [("RW154", "cut")]


def test_the_model_stays_as_it_was(dialect):
    model = between(dialect.keras, dialect.keras.layers.LSTM(3, dropout=0.5))
    weights = model.get_weights()
    rehearsed(model)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_given_data_is_trained_on(dialect):
    model = between(dialect.keras, dialect.keras.layers.Dropout(0.5))
    data = np.ones((4, 6, 8), "float32")
    rehearsal = rewriter.rehearse(model, data=data, batches=(1, 6))
    assert rehearsal.ok
    assert {(case.batch, case.length) for case in rehearsal.cases} == {(1, None), (6, None)}


def test_the_table_and_the_json_say_the_same(dialect):
    wrong = hand_written(dialect.keras, scaled=False)(name="wrong")
    rehearsal = rehearsed(between(dialect.keras, wrong))
    text, plain = str(rehearsal), json.loads(json.dumps(rehearsal.to_json()))
    assert plain["ok"] is rehearsal.ok is False
    assert len(plain["cases"]) == len(rehearsal.cases)
    for words in ("batch", "eager", "compiled", "wrong", "RW354"):
        assert words in text


def test_a_rewrite_is_rehearsed_before_and_after(dialect):
    layers = dialect.keras.layers
    noise = layers.Dropout(0.5, noise_shape=(4, 1, 8), name="drop")
    model = dialect.keras.Sequential([layers.Input((5, 8)), noise, layers.Dense(2)])
    result = rewriter.rewrite(model, ["free-batch"], rehearse=True)
    assert not result.rehearsal.before.ok
    assert result.rehearsal.ok
    assert "eager before" in str(result.rehearsal)


@pytest.mark.parametrize("cell", ["SimpleRNNCell"])
def test_a_custom_cell_with_dropout_trains_inside_rnn(dialect, cell):
    base = getattr(dialect.keras.layers, cell)

    class Mine(base):
        """A cell of one's own."""

    model = between(dialect.keras, dialect.keras.layers.RNN(Mine(3, dropout=0.5)))
    assert rehearsed(model).ok


@pytest.mark.parametrize(
    ("loss", "units"),
    [
        ("mse", 1),
        ("binary_crossentropy", 1),
        ("categorical_crossentropy", 3),
        ("sparse_categorical_crossentropy", 3),
    ],
)
def test_a_compiled_model_is_rehearsed_with_its_own_loss(dialect, loss, units):
    layers = dialect.keras.layers
    model = dialect.keras.Sequential(
        [layers.Input((None, 8)), layers.GRU(3), layers.Dense(units, "softmax")]
    )
    assert rewriter.rehearse(model, batches=(3,), lengths=(5,)).loss == "mean squares"
    model.compile("sgd", loss)
    rehearsal = rewriter.rehearse(model, batches=(3,), lengths=(5,))
    assert rehearsal.loss == loss
    assert rehearsal.ok, str(rehearsal)
    assert f"loss: {loss}" in str(rehearsal)


def test_a_loss_by_hand_is_used_and_one_that_takes_other_targets_is_not(dialect):
    import tensorflow as tf

    seen = []

    def mine(targets, outputs):
        seen.append(outputs.shape)
        return tf.reduce_mean(tf.abs(targets - outputs))

    def odd(targets, outputs):
        raise TypeError("three targets are wanted")

    model = between(dialect.keras)
    model.compile("sgd", mine)
    assert rewriter.rehearse(model, batches=(3,), lengths=(5,)).loss == "mine"
    assert seen
    model.compile("sgd", odd)
    rehearsal = rewriter.rehearse(model, batches=(3,), lengths=(5,))
    assert rehearsal.ok and rehearsal.loss == "mean squares"


def test_an_output_without_a_loss_has_weights_without_a_gradient(dialect):
    layers = dialect.keras.layers
    inputs = layers.Input((None, 8))
    hidden = layers.Dense(4, name="hidden")(inputs)
    outputs = [layers.Dense(2, name=name)(hidden) for name in ("used", "spare")]
    model = dialect.keras.Model(inputs, outputs)
    assert rewriter.rehearse(model, batches=(3,), lengths=(5,)).ok
    model.compile("sgd", ["mse", None])
    found = codes(rewriter.rehearse(model, batches=(3,), lengths=(5,)))
    assert found == [("RW154", "spare")]
