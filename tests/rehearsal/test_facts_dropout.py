"""Each row of the table in FACTS section 1: the fault, the rehearsal that shows it, what mends it.

Where a Keras no longer shows its fault, the test that names the row fails: the row, the check
and the pass behind it can then be dropped for that version.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

import rewriter


@dataclass(frozen=True)
class Row:
    """A fault: the model that has it, the Keras that show it, the outcomes, the pass.

    ``outcomes`` are those that a rehearsal must show beside ``trains``.
    """

    name: str
    model: object
    shown_by: tuple[int, ...]
    outcomes: tuple[str, ...]
    layer: str
    mended_by: str | None
    batches: tuple[int, ...] = (3, 1, 5)


def fixed_noise(keras):
    layers = keras.layers
    drop = layers.Dropout(0.5, noise_shape=(4, 1, 3), name="drop")
    return keras.Sequential([layers.Input((None, 3)), drop, layers.SimpleRNN(2, name="rnn")])


def bare_cell(keras):
    import tensorflow as tf

    class Loop(keras.layers.Layer):
        """A cell in a loop written by hand, which never resets the cell's mask."""

        def __init__(self, **options):
            super().__init__(**options)
            self.cell = keras.layers.LSTMCell(2, dropout=0.5, name="cell")

        def build(self, shape):
            if not self.cell.built:
                self.cell.build((None, shape[-1]))
            super().build(shape)

        def call(self, inputs, training=None):
            states = [tf.zeros((tf.shape(inputs)[0], 2)) for _ in range(2)]
            for step in range(3):
                outputs, states = self.cell(inputs[:, step], states, training=training)
            return outputs

    return keras.Sequential([keras.layers.Input((3, 3)), Loop(name="loop")])


def stateful(keras):
    inputs = keras.layers.Input(batch_shape=(4, None, 3))
    return keras.Model(inputs, keras.layers.SimpleRNN(2, stateful=True, name="rnn")(inputs))


def baked_reshape(keras):
    import tensorflow as tf

    inputs = keras.layers.Input((3,))
    hidden = keras.layers.Dense(4)(inputs)
    reshape = keras.ops.reshape if hasattr(keras, "ops") else tf.reshape
    return keras.Model(inputs, keras.layers.Dense(2)(reshape(hidden, (4, 4))))


def unrolled(keras):
    layers = keras.layers
    return keras.Sequential([layers.Input((None, 3)), layers.SimpleRNN(2, unroll=True, name="rnn")])


def implementation_1(keras):
    layers = keras.layers
    config = layers.LSTM(2, dropout=0.5, name="lstm").get_config() | {"implementation": 1}
    inputs = layers.Input((None, 3))
    return keras.Model(inputs, layers.LSTM.from_config(config)(inputs))


def time_distributed(keras):
    layers = keras.layers
    steps = layers.TimeDistributed(layers.Dense(2), name="steps")
    return keras.Sequential([layers.Input((None, 3)), steps])


ROWS = [
    Row("noise_shape", fixed_noise, (2, 3), ("fails", "wrong batch"), "drop", "free-batch"),
    Row("noise_shape", fixed_noise, (2, 3), ("fails", "wrong batch"), "drop", "replace-dropout"),
    Row("bare cell", bare_cell, (2, 3), ("fails", "wrong batch"), "loop", None),
    Row("stateful", stateful, (2, 3), ("fails",), "rnn", "free-batch:stateful=drop"),
    Row("baked batch", baked_reshape, (2, 3), ("fails",), "reshape", "free-batch"),
    Row("unroll", unrolled, (3,), ("fails",), "rnn", None),
    Row("implementation=1", implementation_1, (3,), ("fails",), "lstm", "externalise-dropout"),
    Row(
        "TimeDistributed",
        time_distributed,
        (3,),
        ("differs",),
        "steps",
        "unwrap-time-distributed",
    ),
]
SHOWN = [(row, number) for row in ROWS for number in row.shown_by]


def rehearsed(model, row):
    return rewriter.rehearse(model, batches=row.batches, lengths=(7, 9, 5))


@pytest.mark.parametrize(
    ("row", "dialect"),
    SHOWN,
    indirect=["dialect"],
    ids=[f"{row.name}, {row.mended_by or 'no pass'}, Keras {number}" for row, number in SHOWN],
)
def test_the_fault_of_this_row_is_still_there_and_the_pass_mends_it(row, dialect):
    model = row.model(dialect.keras)
    before = rehearsed(model, row)
    outcomes = {case.outcome for case in before.cases}
    gone = f"Keras {dialect.number} no longer shows the fault of the row {row.name!r}"
    assert set(row.outcomes) <= outcomes, gone
    assert not before.ok
    assert any(row.layer in finding.layer for finding in before.findings)
    if row.mended_by is None:
        return
    assert row.mended_by == "replace-dropout" or row.mended_by in {
        finding.fix for finding in before.findings
    }
    mended = rewriter.rewrite(model, [row.mended_by], verify=row.name != "implementation=1")
    after = rehearsed(mended.model, row)
    assert {case.outcome for case in after.cases} == {"trains"}
    assert after.ok, str(after)


def test_a_fixed_batch_of_the_input_does_no_harm_to_stateless_layers(dialect):
    inputs = dialect.keras.layers.Input(batch_shape=(4, None, 3))
    model = dialect.keras.Model(inputs, dialect.keras.layers.SimpleRNN(2)(inputs))
    assert rewriter.rehearse(model, batches=(3, 1), lengths=(7, 5)).ok
    freed = rewriter.rewrite(model, ["free-batch"]).model
    assert freed.input_shape == (None, None, 3)


def test_dropout_around_recurrent_layers_stands_variable_sizes(dialect):
    layers = dialect.keras.layers
    model = dialect.keras.Sequential(
        [
            layers.Input((None,)),
            layers.Embedding(20, 4),
            layers.Dropout(0.5),
            layers.Bidirectional(layers.LSTM(3, dropout=0.5, return_sequences=True)),
            layers.SpatialDropout1D(0.5),
            layers.RNN([layers.LSTMCell(3, dropout=0.5), layers.GRUCell(3, recurrent_dropout=0.5)]),
        ]
    )
    rehearsal = rewriter.rehearse(model, batches=(2, 1, 3), lengths=(7, 9))
    assert {case.outcome for case in rehearsal.cases} == {"trains"}
    assert {case.mode for case in rehearsal.cases} == {"eager", "compiled"}
    assert rehearsal.ok, str(rehearsal)


@pytest.mark.parametrize("kind", ["alone", "cell"])
def test_what_keras_3_writes_nowhere_is_told_of_a_live_model_and_kept(kind):
    import keras

    layers = keras.layers
    arguments = {"dropout": 0.5, "implementation": 1}
    recurrent = {
        "alone": lambda: layers.LSTM(2, **arguments),
        "cell": lambda: layers.RNN(layers.LSTMCell(2, **arguments)),
    }[kind]()
    x = keras.Input((7, 4))
    model = keras.Model(x, recurrent(x))
    (finding,) = rewriter.check(model, select=["RW307"])
    assert finding.layer.startswith(recurrent.name)
    again = rewriter.rewrite(model, [], verify=False).model
    assert [found.code for found in rewriter.check(again, select=["RW307"])] == ["RW307"]
    assert rewriter.check(rewriter.rewrite(model, [finding.fix]).model, select=["RW307"]) == []
