"""strip-dropout leaves nothing that draws noise, and outputs as they were."""

import json

import numpy as np
import pytest
from rewriter.passes.strip_dropout import StripDropout
from support.checking import check

import rewriter
from rewriter.pipeline import Guarantee


def noisy(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((None, 4)),
            layers.GaussianNoise(0.1, name="noise"),
            layers.Dense(4, name="dense"),
            layers.TimeDistributed(layers.Dropout(0.5), name="steps"),
            layers.SpatialDropout1D(0.5, name="spatial"),
            layers.GRU(3, name="gru"),
            layers.AlphaDropout(0.5, name="alpha"),
        ]
    )


def rates(keras):
    layers = keras.layers
    inputs = layers.Input((None, 4), name="x")
    both = layers.LSTM(4, dropout=0.5, recurrent_dropout=0.5, return_sequences=True)
    hidden = layers.Bidirectional(both, name="both")(inputs)
    hidden = layers.MultiHeadAttention(2, 4, dropout=0.5, name="heads")(hidden, hidden)
    hidden = layers.Attention(dropout=0.5, name="attention")([hidden, hidden])
    cells = [layers.LSTMCell(3, dropout=0.5), layers.GRUCell(3, recurrent_dropout=0.5)]
    return keras.Model(inputs, layers.RNN(cells, name="rnn")(hidden))


def nested(keras):
    layers = keras.layers
    inner_in = layers.Input((4,))
    inner = keras.Model(
        inner_in,
        layers.Dropout(0.5, name="drop")(layers.Dense(4, name="d")(inner_in)),
        name="inner",
    )
    inputs = layers.Input((4,), name="x")
    shared = layers.Dropout(0.5, name="shared")
    return keras.Model(inputs, inner(shared(inner(shared(inputs)))))


def pinned(keras):
    layers = keras.layers
    inputs = layers.Input((None, 4), name="x")
    hidden = layers.Dropout(0.5, name="drop")(inputs, training=True)
    return keras.Model(inputs, layers.GRU(3, dropout=0.5, name="gru")(hidden, training=True))


def test_noise_layers_go_to_the_bit_wrapped_ones_too(dialect, tmp_path):
    calls = ["dense Dense", "gru GRU"]
    done = check(dialect.keras, noisy(dialect.keras), "strip-dropout", calls, tmp_path)
    assert done.result.plan.tolerance == 0.0
    assert "rewriter" not in json.dumps(done.reloaded.get_config(), default=str)


def test_rates_inside_layers_become_zero(dialect, tmp_path):
    kind = "RNN(StackedRNNCells(LSTMCell, GRUCell))"
    both = "Bidirectional(LSTM)" if dialect.number == 2 else "Bidirectional(LSTM, LSTM)"
    calls = [f"both {both}", "heads MultiHeadAttention", "attention Attention", f"rnn {kind}"]
    done = check(dialect.keras, rates(dialect.keras), "strip-dropout", calls, tmp_path)
    assert done.result.plan.tolerance == 1e-5
    assert 'dropout": 0.5' not in json.dumps(done.reloaded.get_config(), default=str)


def test_nested_and_shared_noise_goes(dialect, tmp_path):
    calls = ["inner Functional", "inner (call 2) Functional", "inner/d Dense"]
    done = check(dialect.keras, nested(dialect.keras), "strip-dropout", calls, tmp_path)
    assert done.result.plan.tolerance == 0.0


def test_noise_that_keras_2_draws_at_inference_stays(dialect, tmp_path):
    if dialect.number == 3:
        check(dialect.keras, pinned(dialect.keras), "strip-dropout", ["gru GRU"], tmp_path)
        return
    plan = rewriter.plan(pinned(dialect.keras), ["strip-dropout"])
    assert plan.changes == ()
    assert [note.reason for note in plan.notes] == [
        "stays: it draws noise at inference too; pinned=remove removes it as well"
    ] * 2


def test_noise_that_is_always_on_stays_and_goes_on_request(dialect, tmp_path):
    module = __import__(f"rewriter.layers.keras{dialect.number}", fromlist=["DynamicDropout"])
    layers = dialect.keras.layers
    model = dialect.keras.Sequential(
        [layers.Input((4,)), module.DynamicDropout(0.5, always_on=True, name="mc"), layers.Dense(2)]
    )
    assert rewriter.plan(model, ["strip-dropout"]).changes == ()
    result = rewriter.rewrite(model, [StripDropout(pinned="remove")])
    assert result.plan.guarantee is Guarantee.CHANGED_ON_PURPOSE
    assert result.verification.ok
    inputs = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(result.model(inputs), result.model(inputs))


@pytest.mark.fast
def test_an_option_decides_the_guarantee():
    assert StripDropout().guarantee is Guarantee.SAME
    assert StripDropout(pinned="remove").guarantee is Guarantee.CHANGED_ON_PURPOSE


@pytest.mark.parametrize("classes", [1, 2])
def test_a_nested_model_of_noise_alone_is_handled(dialect, tmp_path, classes):
    layers = dialect.keras.layers
    noise = dialect.keras.Sequential(
        [layers.Input((4,)), *[layers.Dropout(0.5) for _ in range(classes)]], name="noise"
    )
    model = dialect.keras.Sequential([layers.Input((4,)), noise, layers.Dense(2)])
    result = rewriter.rewrite(model, ["strip-dropout"], output=tmp_path / "m.keras")
    assert result.verification.max_difference == 0.0
