"""externalise-dropout turns rates inside recurrent layers into noise in front of them."""

from __future__ import annotations

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
    constant_sequence,
    gru,
    lstm,
    nested,
    shared_lstm,
    steps_by_name,
    with_training_true,
)

import rewriter
from rewriter.analysis.recurrent_layers import has_fast_path


def two_rates(layers):
    backward = layers.GRU(3, dropout=0.2, go_backwards=True)
    return layers.Bidirectional(layers.GRU(3, dropout=0.5), backward_layer=backward, name="both")


def own_wrapper(layers):
    class Own(layers.Wrapper):
        """A class of one's own."""

        def call(self, inputs):
            return self.layer(inputs)

    return Own(layers.GRU(4, dropout=0.5), name="own")


ROWS = {
    "externalised": Row(
        "externalise-dropout",
        chain(lstm(dropout=0.5, recurrent_dropout=0.2)),
        ("lstm_dropout DynamicDropout", "lstm LSTM"),
    ),
    "externalised at every call": Row(
        "externalise-dropout",
        shared_lstm,
        (
            "lstm_dropout DynamicDropout",
            "lstm_dropout_1 DynamicDropout",
            "lstm LSTM",
            "lstm (call 2) LSTM",
            "add Add",
        ),
    ),
    "a later cell keeps its rate": stays(
        "externalise-dropout",
        chain(
            lambda layers: layers.RNN(
                [layers.LSTMCell(3, name="a"), layers.GRUCell(3, dropout=0.5, name="b")], name="rnn"
            )
        ),
        ("rnn RNN(StackedRNNCells(LSTMCell, GRUCell))",),
        "no layer fits between two cells of one RNN",
    ),
}


@by_row(ROWS)
def test_a_model_has_these_calls_after_the_pass(row, dialect, tmp_path):
    row.check(dialect.keras, tmp_path)


REFUSALS = [
    ("externalise-dropout", chain(two_rates), "its two directions have different rates"),
    (
        "externalise-dropout",
        with_training_true(gru(dropout=0.5)),
        "it also drops at inference, which training=True asks for",
        (2,),
    ),
    (
        "externalise-dropout",
        lambda keras: constant_sequence(keras, dropout=0.5),
        "one of its calls takes no tensor as first argument",
    ),
    ("externalise-dropout", chain(own_wrapper), "the layer around it is not one of Keras"),
]


@by_refusal(REFUSALS)
def test_it_says_why_it_declines(wanted, model, words, dialect):
    check_refusal(model(dialect.keras), wanted, words)


def test_it_reaches_into_nested_wrapped_and_shared_layers(dialect, tmp_path):
    paths = {"inner/lstm", "inner/lstm_dropout", "both", "both_dropout"}
    check_everything(dialect.keras, "externalise-dropout", paths, tmp_path)


def test_a_layer_without_recurrent_dropout_has_the_fast_kernel_again(dialect):
    plan = rewriter.plan(nested(dialect.keras), ["externalise-dropout"])
    gru = plan.after.layer("inner").graph.layer("gru")
    assert has_fast_path(gru)
    assert "on a GPU, Keras can run it with cuDNN again" in plan.changes[0].reason
    front = plan.after.layer("inner").graph.layer("gru_dropout").config
    assert (front["rate"], front["shared_axes"], front["always_on"]) == (0.2, [1], False)


def test_the_larger_rate_goes_in_front_on_request(dialect):
    plan = rewriter.plan(nested(dialect.keras), ["externalise-dropout:recurrent=input"])
    assert plan.after.layer("inner").graph.layer("gru_dropout").config["rate"] == 0.4


def test_externalise_and_internalise_undo_each_other(dialect):
    plan = rewriter.plan(shared_lstm(dialect.keras), ["externalise-dropout", "internalise-dropout"])
    assert plan.after.layer("lstm").config["dropout"] == 0.5
    assert "lstm_dropout" not in plan.after


def test_steps_that_are_given_by_name_are_found_behind_a_state():
    plan = rewriter.plan(steps_by_name(), ["externalise-dropout"])
    assert [change.layer for change in plan.changes] == ["gru", "gru_dropout"]
    call = plan.after.calls_of("gru")[0]
    first = plan.after.arguments(call).first
    assert plan.after.fillings(call)[first].call.layer == "gru_dropout"
