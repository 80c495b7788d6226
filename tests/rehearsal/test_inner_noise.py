"""Noise inside cells, recurrent layers, attention and custom layers."""

import pytest

import rewriter

RATE = 0.3


def mixin(dialect):
    """Return the class that Keras' own cells take their masks from."""
    if dialect.number == 2:
        from tf_keras.src.layers.rnn.dropout_rnn_cell_mixin import DropoutRNNCellMixin

        return DropoutRNNCellMixin
    from keras.src.layers.rnn.dropout_rnn_cell import DropoutRNNCell

    return DropoutRNNCell


def cell_of(dialect, place, *, scaled=True, activation="tanh", rate=RATE):
    """Return a cell by hand whose dropout stands at its input, its state or its output."""
    import tensorflow as tf

    keras = dialect.keras
    squash = keras.activations.get(activation)

    def drop(tensor):
        kept = tf.cast(tf.random.uniform(tf.shape(tensor)) >= rate, tensor.dtype)
        return tensor * kept / (1 - rate) if scaled else tensor * kept

    class Cell(keras.layers.Layer):
        """A simple recurrent cell."""

        def __init__(self, units=6, **options):
            super().__init__(**options)
            self.units = self.state_size = self.output_size = units
            self.rate = rate

        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1], self.units), name="w")
            self.u = self.add_weight(shape=(self.units, self.units), name="u")
            self.built = True

        def call(self, inputs, states, training=None):
            at = place if training else None
            x = drop(inputs) if at == "input" else inputs
            h = drop(states[0]) if at == "state" else states[0]
            new = squash(tf.matmul(x, self.w) + tf.matmul(h, self.u))
            return (drop(new) if at == "output" else new), [new]

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    return Cell


def masked_cell(dialect, *, twice=False):
    """Return a cell that mixes in the masks of Keras, and applies them once or twice."""
    import tensorflow as tf

    keras = dialect.keras

    class Mixed(mixin(dialect), keras.layers.Layer):
        """A simple recurrent cell."""

        def __init__(self, units=6, **options):
            super().__init__(**options)
            self.units = self.state_size = self.output_size = units
            self.dropout, self.recurrent_dropout = RATE, 0.2
            if dialect.number == 2:
                from tf_keras.src import backend

                self._random_generator = backend.RandomGenerator(1)
            else:
                self.seed_generator = keras.random.SeedGenerator(1)

        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1], self.units), name="w")
            self.u = self.add_weight(shape=(self.units, self.units), name="u")
            self.built = True

        def call(self, inputs, states, training=None):
            h = states[0]
            if training:
                if dialect.number == 2:
                    masks = (
                        self.get_dropout_mask_for_cell(inputs, training),
                        self.get_recurrent_dropout_mask_for_cell(h, training),
                    )
                else:
                    masks = self.get_dropout_mask(inputs), self.get_recurrent_dropout_mask(h)
                inputs, h = inputs * masks[0], h * masks[1]
                if twice:
                    inputs = inputs * masks[0]
            new = tf.tanh(tf.matmul(inputs, self.w) + tf.matmul(h, self.u))
            return new, [new]

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    return Mixed


def rehearsed(dialect, *made, width=8):
    layers = dialect.keras.layers
    model = dialect.keras.Sequential([layers.Input((None, width)), *made, layers.Dense(2)])
    return rewriter.rehearse(model, batches=(8,), lengths=(5,))


def rows(rehearsal):
    return {(each.layer, each.on): each for each in rehearsal.noise}


def codes(rehearsal):
    return [(finding.code, finding.layer) for finding in rehearsal.findings]


def in_order(each, rate):
    return (
        each.configured == rate
        and each.in_training
        and not each.at_inference
        and not each.drawn.rate_differs(rate)
        and not each.drawn.expectation_differs
        and each.drawn.draws > 100_000
    )


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_the_rates_of_recurrent_layers_are_measured_beside_what_is_configured(dialect, kind):
    layer = getattr(dialect.keras.layers, kind)
    rehearsal = rehearsed(
        dialect,
        layer(5, dropout=RATE, return_sequences=True, name="fused"),
        layer(5, dropout=RATE, recurrent_dropout=0.2, name="both"),
    )
    assert rehearsal.ok, str(rehearsal)
    found = rows(rehearsal)
    assert set(found) == {("fused", "input"), ("both", "input"), ("both", "state")}
    assert in_order(found["fused", "input"], RATE)
    assert in_order(found["both", "input"], RATE)
    assert in_order(found["both", "state"], 0.2)


def test_keras_2_draws_a_new_mask_at_each_step_in_its_default_path_and_keras_3_holds_one(dialect):
    layer = dialect.keras.layers.LSTM
    rehearsal = rehearsed(
        dialect,
        layer(5, dropout=RATE, return_sequences=True, name="fused"),
        layer(5, dropout=RATE, recurrent_dropout=0.2, name="cell"),
    )
    found = rows(rehearsal)
    assert found["fused", "input"].constant_over_time is (dialect.number == 3)
    assert found["cell", "input"].constant_over_time is True


def test_cells_of_keras_are_measured_where_they_stand(dialect):
    layers = dialect.keras.layers
    cells = [layers.LSTMCell(4, dropout=RATE, name="one")]
    cells.append(layers.GRUCell(4, recurrent_dropout=0.2, name="two"))
    both = layers.LSTM(4, dropout=RATE, return_sequences=True, name="rnn")
    rehearsal = rehearsed(
        dialect, layers.Bidirectional(both, name="both"), layers.RNN(cells, name="stack")
    )
    assert rehearsal.ok, str(rehearsal)
    found = {(path.rpartition("/")[2], on): each for (path, on), each in rows(rehearsal).items()}
    assert set(found) == {
        ("forward_rnn", "input"),
        ("backward_rnn", "input"),
        ("one", "input"),
        ("two", "state"),
    }
    assert in_order(found["one", "input"], RATE)
    assert in_order(found["two", "state"], 0.2)


def test_the_dropout_of_attention_is_measured_on_its_scores(dialect):
    layers = dialect.keras.layers
    inputs = layers.Input((None, 8))
    hidden = layers.Attention(dropout=RATE, name="dot")([inputs, inputs])
    hidden = layers.AdditiveAttention(dropout=RATE, name="add")([hidden, hidden])
    hidden = layers.MultiHeadAttention(2, 4, dropout=RATE, name="heads")(hidden, hidden)
    model = dialect.keras.Model(inputs, hidden)
    rehearsal = rewriter.rehearse(model, batches=(8,), lengths=(5,))
    assert rehearsal.ok, str(rehearsal)
    found = rehearsal.noise
    assert [(each.layer.partition("/")[0], each.on) for each in found] == [
        ("dot", "scores"),
        ("add", "scores"),
        ("heads", "input"),
    ]
    assert all(in_order(each, RATE) for each in found)


@pytest.mark.parametrize("place", ["input", "state", "output"])
def test_a_cell_by_hand_that_forgets_to_scale_is_found_and_its_correct_twin_is_not(dialect, place):
    layers = dialect.keras.layers
    wrong = cell_of(dialect, place, scaled=False)(name="wrong")
    right = cell_of(dialect, place, scaled=True)(name="right")
    rehearsal = rehearsed(
        dialect,
        layers.RNN(wrong, return_sequences=True, name="first"),
        layers.RNN(right, name="second"),
    )
    assert codes(rehearsal) == [("RW354", "first/wrong")]
    found = rows(rehearsal)
    assert set(found) == {("first/wrong", place), ("second/right", place)}
    assert in_order(found["second/right", place], RATE)
    unscaled = found["first/wrong", place]
    assert unscaled.drawn.expectation == pytest.approx(1 - RATE, abs=0.01)
    assert not unscaled.drawn.rate_differs(RATE)
    assert unscaled.constant_over_time is False


def test_a_cell_by_hand_in_a_loop_by_hand_is_measured_as_well(dialect):
    import tensorflow as tf

    keras, cell = dialect.keras, cell_of(dialect, "input", scaled=False)

    class Loop(keras.layers.Layer):
        """Three steps, written out."""

        def __init__(self, **options):
            super().__init__(**options)
            self.cell = cell(name="cell")

        def build(self, shape):
            self.cell.build((None, shape[-1]))
            super().build(shape)

        def call(self, inputs, training=None):
            outputs, states = None, [tf.zeros((tf.shape(inputs)[0], 6))]
            for step in range(3):
                outputs, states = self.cell(inputs[:, step], states, training=training)
            return outputs

    assert codes(rehearsed(dialect, Loop(name="loop"))) == [("RW354", "loop/cell")]


def test_a_cell_that_is_never_told_to_train_drops_nothing_and_is_found(dialect):
    cell = cell_of(dialect, "input")

    class Deaf(cell):
        """Loses the argument on the way."""

        def call(self, inputs, states, training=None):
            return super().call(inputs, states, training=False)

    rehearsal = rehearsed(dialect, dialect.keras.layers.RNN(Deaf(name="deaf"), name="rnn"))
    assert codes(rehearsal) == [("RW351", "rnn/deaf")]


def test_a_cell_that_drops_at_inference_is_found(dialect):
    cell = cell_of(dialect, "input")

    class Eager(cell):
        """Drops whatever it is told."""

        def call(self, inputs, states, training=None):
            return super().call(inputs, states, training=True)

    rehearsal = rehearsed(dialect, dialect.keras.layers.RNN(Eager(name="eager"), name="rnn"))
    assert codes(rehearsal) == [("RW352", "rnn/eager")]


def test_a_cell_that_mixes_in_the_masks_of_keras_is_in_order(dialect):
    rehearsal = rehearsed(
        dialect, dialect.keras.layers.RNN(masked_cell(dialect)(name="mixed"), name="rnn")
    )
    assert rehearsal.ok, str(rehearsal)
    found = rows(rehearsal)
    assert in_order(found["rnn/mixed", "input"], RATE)
    assert in_order(found["rnn/mixed", "state"], 0.2)
    assert found["rnn/mixed", "input"].constant_over_time is True


def test_a_cell_that_applies_a_mask_of_keras_twice_is_found(dialect):
    cell = masked_cell(dialect, twice=True)(name="mixed")
    rehearsal = rehearsed(dialect, dialect.keras.layers.RNN(cell, name="rnn"))
    assert codes(rehearsal) == [("RW354", "rnn/mixed")]
    kept = rows(rehearsal)["rnn/mixed", "input"].drawn.expectation
    assert kept == pytest.approx(1 / (1 - RATE), abs=0.01)


def test_where_a_cell_is_not_smooth_at_zero_nothing_is_claimed(dialect):
    cell = cell_of(dialect, "input", scaled=False, activation="relu")(name="relu")
    rehearsal = rehearsed(dialect, dialect.keras.layers.RNN(cell, name="rnn"))
    assert rehearsal.ok
    assert [each.drawn for each in rehearsal.noise] == [None]
    assert "not measured" in str(rehearsal)


def test_a_custom_layer_with_dropout_behind_its_kernel_is_measured_at_its_output(dialect):
    import tensorflow as tf

    keras = dialect.keras

    class Thin(keras.layers.Dense):
        """Dense and dropout in one, without the scale."""

        def call(self, inputs, training=None):
            outputs = super().call(inputs)
            if not training:
                return outputs
            return outputs * tf.cast(tf.random.uniform(tf.shape(outputs)) >= RATE, outputs.dtype)

    rehearsal = rehearsed(dialect, Thin(16, name="thin"))
    assert codes(rehearsal) == [("RW354", "thin")]
    assert rows(rehearsal)["thin", "output"].drawn.dropped == pytest.approx(RATE, abs=0.01)


def test_a_custom_layer_without_noise_has_no_row(dialect):
    class Own(dialect.keras.layers.Dense):
        """A class of one's own."""

    assert rehearsed(dialect, Own(4)).noise == ()
