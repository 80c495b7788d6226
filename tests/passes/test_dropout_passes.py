"""The passes that move, replace, insert and carry noise, each as a table of models."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field

import numpy as np
import pytest
from rewriter.passes.insert_dropout import InsertDropout
from rewriter.passes.replace_dropout import ReplaceDropout
from support.checking import check

import rewriter
from rewriter.analysis.recurrent_layers import has_fast_path
from rewriter.errors import RewriterError
from rewriter.pipeline import Guarantee


def chain(*made, shape=(None, 4)):
    """Return a function that makes a Sequential model of layers made by functions."""

    def model(keras):
        layers = keras.layers
        return keras.Sequential([layers.Input(shape), *(make(layers) for make in made)])

    return model


def dynamic(layers):
    number = 3 if layers.__name__.startswith("keras") else 2
    return importlib.import_module(f"rewriter.layers.keras{number}").DynamicDropout


def lstm(name="lstm", **options):
    return lambda layers: layers.LSTM(3, name=name, **options)


def drop(name="drop", **options):
    return lambda layers: layers.Dropout(0.5, name=name, **options)


def branching(keras):
    layers = keras.layers
    inputs = layers.Input((None, 4), name="x")
    noise = layers.Dropout(0.5, name="drop")(inputs)
    heads = [layers.LSTM(3, name="lstm")(noise), layers.Dense(2, name="dense")(noise)]
    return keras.Model(inputs, heads)


def shared(keras):
    layers = keras.layers
    inputs = [layers.Input((None, 4), name=name) for name in "ab"]
    lstm = layers.LSTM(3, dropout=0.5, name="lstm")
    return keras.Model(inputs, layers.Add(name="add")([lstm(each) for each in inputs]))


def nested(keras):
    layers = keras.layers
    x = layers.Input((None, 4))
    noise = layers.Dropout(0.5, name="drop")(x)
    gru = layers.GRU(3, dropout=0.2, recurrent_dropout=0.4, name="gru")
    inner = keras.Model(x, gru(noise), name="inner")
    inputs = layers.Input((None, 4), name="x")
    return keras.Model(inputs, layers.Dense(2, name="dense")(inner(inputs)))


def states(keras):
    layers = keras.layers
    inputs = layers.Input((None, 4), name="x")
    noise = layers.Dropout(0.5, name="drop")(inputs)
    outputs, hidden, _ = layers.LSTM(3, return_state=True, name="lstm")(noise)
    return keras.Model(inputs, layers.Add(name="add")([outputs, hidden]))


@dataclass(frozen=True)
class Row:
    """A model, what a pass makes of it, and why it declines where it does."""

    passes: str
    model: object
    calls: tuple[str, ...]
    notes: tuple[str, ...] = ()
    changed: bool = True
    dialects: tuple[int, ...] = field(default=(2, 3))


def stays(passes, model, calls, *notes, **options):
    return Row(passes, model, calls, notes, changed=False, **options)


LSTM_DROP = ("lstm LSTM", "drop Dropout")
ROWS = {
    "moved behind a recurrent layer": Row("move-dropout", chain(drop(), lstm()), LSTM_DROP),
    "two in a row keep their order": Row(
        "move-dropout",
        chain(drop("first"), drop("second"), lstm()),
        ("lstm LSTM", "first Dropout", "second Dropout"),
    ),
    "stays between two recurrent layers": stays(
        "move-dropout",
        chain(lstm("one", return_sequences=True), drop(), lstm("two")),
        ("one LSTM", "drop Dropout", "two LSTM"),
        "comes out of the recurrent layer one already",
    ),
    "moved behind Masking": Row(
        "move-dropout:recurrent=false",
        chain(drop(), lambda layers: layers.Masking(name="mask"), lstm()),
        ("mask Masking", "drop Dropout", "lstm LSTM"),
    ),
    "moved behind BatchNormalization": Row(
        "move-dropout",
        chain(
            drop(),
            lambda layers: layers.BatchNormalization(name="norm"),
            lambda layers: layers.Dense(2, name="dense"),
        ),
        ("norm BatchNormalization", "drop Dropout", "dense Dense"),
        ("moving variance was measured behind the noise and is stale",),
    ),
    "stays where its output branches": stays(
        "move-dropout",
        branching,
        ("drop Dropout", "lstm LSTM", "dense Dense"),
        "other layers than lstm get the same tensor",
    ),
    "copied where its output branches": Row(
        "move-dropout:branches=copy",
        branching,
        ("drop_1 Dropout", "lstm LSTM", "drop Dropout", "dense Dense"),
    ),
    "stays where states are in use": stays(
        "move-dropout",
        states,
        ("drop Dropout", "lstm LSTM", "add Add"),
        "further outputs of lstm are in use",
    ),
    "stays where its shape does not fit": stays(
        "move-dropout",
        chain(lambda layers: layers.SpatialDropout1D(0.5, name="drop"), lstm()),
        ("drop SpatialDropout1D", "lstm LSTM"),
        "does not fit the vector that lstm gives",
    ),
    "stays where externalise-dropout put it": stays(
        "move-dropout",
        chain(lambda layers: dynamic(layers)(0.5, shared_axes=1, name="lstm_dropout"), lstm()),
        ("lstm_dropout DynamicDropout", "lstm LSTM"),
    ),
    "moved in a nested model": Row(
        "move-dropout",
        nested,
        ("inner Functional", "dense Dense", "inner/gru GRU", "inner/drop Dropout"),
    ),
    "inserted behind sequences": Row(
        "insert-dropout:rate=0.2",
        chain(lstm("one", return_sequences=True), lstm("two")),
        ("one LSTM", "one_dropout DynamicDropout", "two LSTM"),
    ),
    "inserted behind a pattern": Row(
        "insert-dropout:after=den*,to=spatial",
        chain(
            lambda layers: layers.Dense(3, name="dense"),
            lambda layers: layers.Dense(3, name="denote"),
        ),
        ("dense Dense", "dense_dropout SpatialDropout1D", "denote Dense"),
        ("the model gives its output",),
    ),
    "externalised": Row(
        "externalise-dropout",
        chain(lstm(dropout=0.5, recurrent_dropout=0.2)),
        ("lstm_dropout DynamicDropout", "lstm LSTM"),
    ),
    "externalised at every call": Row(
        "externalise-dropout",
        shared,
        (
            "lstm_dropout DynamicDropout",
            "lstm_dropout_1 DynamicDropout",
            "lstm LSTM",
            "lstm (call 2) LSTM",
            "add Add",
        ),
    ),
    "no place in front of a later cell": stays(
        "externalise-dropout",
        chain(
            lambda layers: layers.RNN(
                [layers.LSTMCell(3, name="a"), layers.GRUCell(3, dropout=0.5, name="b")], name="rnn"
            )
        ),
        ("rnn RNN(StackedRNNCells(LSTMCell, GRUCell))",),
        "there is no place in front of a later cell",
    ),
    "internalised": Row(
        "internalise-dropout",
        chain(lambda layers: layers.SpatialDropout1D(0.5, name="drop"), lstm()),
        ("lstm LSTM",),
    ),
    "noise that changes from step to step stays": stays(
        "internalise-dropout",
        chain(drop(), lstm()),
        ("drop Dropout", "lstm LSTM"),
        "no mask that is the same for all time steps",
    ),
    "a mask of Keras 2 is named": stays(
        "replace-dropout",
        chain(lambda layers: layers.TimeDistributed(layers.Dropout(0.5), name="steps")),
        ("steps TimeDistributed(Dropout)",),
        "see unwrap-time-distributed",
        dialects=(2,),
    ),
    "replaced": Row(
        "replace-dropout",
        chain(drop(noise_shape=(None, 1, 4)), lambda layers: layers.GaussianNoise(0.1, name="g")),
        ("drop DynamicDropout", "g GaussianNoise"),
        ("has no rate",),
    ),
    "unwrapped": Row(
        "unwrap-time-distributed",
        chain(
            lambda layers: layers.TimeDistributed(layers.Dense(3), name="dense"),
            lambda layers: layers.TimeDistributed(layers.LayerNormalization(), name="norm"),
            lambda layers: layers.TimeDistributed(layers.Dropout(0.5), name="drop"),
            lambda layers: layers.TimeDistributed(layers.BatchNormalization(), name="kept"),
        ),
        (
            "dense Dense",
            "norm LayerNormalization",
            "drop Dropout",
            "kept TimeDistributed(BatchNormalization)",
        ),
        ("BatchNormalization is not known to work on every step alike",),
    ),
}
CASES = [(name, number) for name, row in ROWS.items() for number in row.dialects]


@pytest.mark.parametrize(
    ("name", "dialect"), CASES, indirect=["dialect"], ids=[f"{a}, Keras {b}" for a, b in CASES]
)
def test_a_pass_makes_of_a_model_what_the_table_says(name, dialect, tmp_path):
    row = ROWS[name]
    model = row.model(dialect.keras)
    check(
        dialect.keras,
        model,
        row.passes,
        list(row.calls),
        tmp_path,
        notes=row.notes,
        changed=row.changed,
    )


def test_a_layer_without_recurrent_dropout_has_the_fast_kernel_again(dialect):
    plan = rewriter.plan(nested(dialect.keras), ["externalise-dropout"])
    gru = plan.after.layer("inner").graph.layer("gru")
    assert has_fast_path(gru)
    assert "the fast cuDNN kernel is open to it again" in plan.changes[0].reason
    front = plan.after.layer("inner").graph.layer("gru_dropout").config
    assert (front["rate"], front["shared_axes"], front["always_on"]) == (0.2, [1], False)


def test_the_larger_rate_goes_in_front_on_request(dialect):
    plan = rewriter.plan(nested(dialect.keras), ["externalise-dropout:recurrent=input"])
    assert plan.after.layer("inner").graph.layer("gru_dropout").config["rate"] == 0.4


def test_externalise_and_internalise_undo_each_other(dialect):
    plan = rewriter.plan(shared(dialect.keras), ["externalise-dropout", "internalise-dropout"])
    assert plan.after.layer("lstm").config["dropout"] == 0.5
    assert "lstm_dropout" not in plan.after


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


def test_noise_keeps_the_dtype_policy_of_what_it_stands_behind(dialect):
    layers = dialect.keras.layers
    model = dialect.keras.Sequential(
        [
            layers.Input((None, 4)),
            layers.LSTM(3, return_sequences=True, dtype="float64", name="l"),
            layers.LSTM(2, dtype="float64"),
        ]
    )
    new = rewriter.rewrite(model, [InsertDropout(rate=0.1)]).model
    assert new.get_layer("l_dropout").compute_dtype == "float64"


@pytest.mark.parametrize("outer", [False, True])
def test_what_keras_3_ignores_is_honoured_and_verified_in_distribution(dialect, outer, tmp_path):
    layers = dialect.keras.layers
    inner_in = layers.Input((None, 4))
    noise = layers.SpatialDropout1D(0.25, name="mc")
    inner = dialect.keras.Model(
        inner_in, noise(inner_in) if outer else noise(inner_in, training=True), name="inner"
    )
    inputs = layers.Input((None, 4), name="x")
    model = dialect.keras.Model(inputs, inner(inputs, training=True) if outer else inner(inputs))
    result = rewriter.rewrite(model, ["honour-training"], output=tmp_path / "m.keras")
    assert result.verification.ok
    if dialect.number == 2:
        assert result.plan.changes == ()
        assert "Keras 2 honours" in result.plan.notes[0].reason
        return
    assert result.plan.guarantee is Guarantee.CHANGED_ON_PURPOSE
    measured = result.verification.distribution.noise
    assert [each.layer for each in measured] == ["inner/mc"]
    assert measured[0].ok
    reloaded = dialect.keras.models.load_model(tmp_path / "m.keras")
    outputs = reloaded.predict(np.ones((64, 3, 4), "float32"), verbose=0)
    assert 0.05 < (outputs == 0).mean() < 0.5
    assert rewriter.plan(reloaded, ["honour-training"]).changes == ()
