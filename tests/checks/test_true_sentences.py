"""What findings say holds for the models that it is said of."""

from __future__ import annotations

import pytest
from support.written import Written, written_layer

from rewriter.checks import CODES, check_graph
from rewriter.pipeline.run import make_plan

pytestmark = pytest.mark.fast

BETWEEN = {
    "nothing": None,
    "relu": ("Activation", {"activation": "relu"}),
    "ReLU": ("ReLU", {}),
    "Reshape": ("Reshape", {"target_shape": [6, 4]}),
    "Identity": ("Identity", {}),
    "Rescaling": ("Rescaling", {"scale": 2.0, "offset": 0.0}),
}
UNTOLD = {
    "sigmoid": ("Activation", {"activation": "sigmoid"}),
    "offset": ("Rescaling", {"scale": 2.0, "offset": 1.0}),
    "Dense": ("Dense", {"units": 4}),
}


def masked(keras, between, noise="Dropout", masking="Masking"):
    model = Written(keras)
    y = model.input("x", (None, 6, 4))
    if noise == "wrapped":
        inner = written_layer("Dropout", "inner", keras, rate=0.5)
        y = model.call("TimeDistributed", "noise", y, layer=inner)
    else:
        y = model.call("Dropout", "noise", y, rate=0.5)
    if between is not None:
        y = model.call(between[0], "between", y, **between[1])
    if masking == "wrapped":
        inner = written_layer("Masking", "inner_masking", keras, mask_value=0.0)
        y = model.call("TimeDistributed", "masking", y, layer=inner)
    else:
        y = model.call("Masking", "masking", y, mask_value=0.0)
    y = model.call("GRU", "gru", y, shape=(None, 3), units=3)
    return model.graph(model.call("Dense", "out", y, units=2))


def found(graph, code):
    return [each.layer for each in check_graph(graph, codes=[code])]


@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize("between", BETWEEN)
def test_noise_in_front_of_masking_is_found_behind_what_keeps_zeros(keras, between):
    assert found(masked(keras, BETWEEN[between]), "RW201") == ["noise"]


@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize("between", UNTOLD)
def test_what_makes_other_values_ends_the_search(keras, between):
    assert found(masked(keras, UNTOLD[between]), "RW201") == []


@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize("which", [{"noise": "wrapped"}, {"masking": "wrapped"}])
def test_noise_and_masking_are_found_inside_time_distributed(keras, which):
    assert found(masked(keras, None, **which), "RW201") == ["noise"]


@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize("place", ["noise", "masking"])
def test_noise_in_front_of_masking_is_found_across_a_nested_model(keras, place):
    inner = Written(keras, name="inner")
    x = inner.input("inside", (None, 6, 4))
    layer = ("Dropout", {"rate": 0.5}) if place == "noise" else ("Masking", {"mask_value": 0.0})
    document = inner.document(inner.call(layer[0], place, x, **layer[1]))
    model = Written(keras)
    y = model.input("x", (None, 6, 4))
    if place == "masking":
        y = model.call("Dropout", "noise", y, rate=0.5)
    y = model.call("Functional", "inner", y, document=document)
    if place == "noise":
        y = model.call("Masking", "masking", y, mask_value=0.0)
    graph = model.graph(model.call("GRU", "gru", y, shape=(None, 3), units=3))
    assert found(graph, "RW201") == ["inner/noise" if place == "noise" else "noise"]


@pytest.mark.parametrize("sizes", [[1, -1, 4], [4, -1]])
def test_a_reshape_that_works_at_every_size_alarms_nobody(sizes):
    """To one row, or of a tensor whose first axis is no batch."""
    model = Written(2)
    x = model.input("x", (None, 4))
    turned = model.call("TFOpLambda", "turn", x, shape=(4, None), function="transpose")
    y = turned if sizes[0] == 4 else x
    y = model.call("TFOpLambda", "reshape", y, function="reshape", kwargs={"shape": sizes})
    graph = model.graph(model.call("Dense", "out", y, units=2))
    assert found(graph, "RW105") == []


def test_predict_is_not_promised_where_something_holds_the_batch():
    model = Written(2)
    x = model.input("x", (4, 3))
    rows = [[1.0, 2.0, 3.0]] * 4
    y = model.call("TFOpLambda", "added", x, function="__operators__.add", kwargs={"y": rows})
    graph = model.graph(model.call("Dense", "out", y, units=2))
    (finding,) = check_graph(graph, codes=["RW103"])
    assert "added holds it too, and predict works at no other size" in finding.message
    assert finding.fix is None


@pytest.mark.parametrize("keras", [2, 3])
def test_a_frozen_base_has_one_finding_with_a_fix(keras):
    inner = Written(keras, name="base")
    y = inner.input("inside", (None, 4))
    for number in range(3):
        y = inner.call("Dropout", f"drop_{number}", y, rate=0.5)
        inner.entries[f"drop_{number}"]["config"]["trainable"] = False
    model = Written(keras)
    x = model.input("x", (None, 4))
    y = model.call("Functional", "base", x, document=inner.document(y))
    graph = model.graph(model.call("Dense", "out", y, units=2))
    (finding,) = check_graph(graph, codes=["RW306"])
    assert (finding.layer, finding.fix) == ("base", "strip-dropout")
    assert "3 layers" in finding.message
    assert check_graph(make_plan(graph, [finding.fix]).after, codes=["RW306"]) == []


def test_the_advice_on_frozen_noise_works_in_both_keras():
    said = CODES["RW306"].reason
    assert "Keras 3 ignores" in said and "strip-dropout" in said


def test_the_recurrent_layer_that_noise_comes_out_of_is_named():
    model = Written(3)
    y = model.input("x", (None, 5, 4))
    y = model.call("GRU", "gru", y, units=4, return_sequences=True)
    y = model.call("BatchNormalization", "bn", y)
    y = model.call("Dropout", "drop", y, rate=0.5)
    y = model.call("GRU", "second", y, shape=(None, 3), units=3)
    graph = model.graph(model.call("Dense", "out", y, units=2))
    (note,) = make_plan(graph, ["move-dropout"]).notes
    assert "behind the recurrent layer gru already" in note.reason


def test_a_note_that_several_passes_have_is_said_once():
    model = Written(3)
    y = model.input("x", (None, 4), dtype="int32")
    y = model.call("Embedding", "table", y, shape=(None, 4, 3), input_dim=9, output_dim=3)
    y = model.call("Own", "own", y, shape=(None, 3))
    model.entries["own"] |= {"module": "mine", "registered_name": "mine>Own"}
    graph = model.graph(model.call("Dense", "out", y, units=2))
    once = make_plan(graph, ["move-dropout", "enable-masking"]).notes
    twice = make_plan(graph, ["enable-masking", "enable-masking"]).notes
    assert len(once) == len(twice) == 1


@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize("kind", ["LSTM", "Bidirectional", "RNN"])
def test_noise_in_front_of_a_recurrent_layer_that_drops_its_input_is_noise_twice(keras, kind):
    """So that externalise-dropout brings no finding: it shows one that is there."""
    model = Written(keras)
    y = model.call("Dropout", "noise", model.input("x", (None, 5, 4)), rate=0.5)
    rates = {"units": 3, "dropout": 0.5, "recurrent_dropout": 0.0}
    if kind == "LSTM":
        y = model.call("LSTM", "out", y, shape=(None, 3), **rates)
    elif kind == "Bidirectional":
        inner = written_layer("LSTM", "inner", keras, **rates)
        y = model.call("Bidirectional", "out", y, shape=(None, 6), layer=inner)
    else:
        cell = written_layer("LSTMCell", "inner", keras, **rates)
        y = model.call("RNN", "out", y, shape=(None, 3), cell=cell)
    assert found(model.graph(y), "RW304") == ["out"]


@pytest.mark.parametrize(
    ("code", "behind"),
    [("RW302", "BatchNormalization"), ("RW303", None), ("RW304", "Dropout"), ("RW306", None)],
)
def test_noise_inside_time_distributed_is_found_as_it_is_outside(code, behind):
    model = Written(3)
    inner = written_layer("Dropout", "inner", 3, rate=0.5, trainable=False)
    y = model.call("TimeDistributed", "noise", model.input("x", (None, 5, 4)), layer=inner)
    if behind is not None:
        relu = written_layer("Activation", "relu", 3, activation="relu")
        between = code == "RW302"
        y = model.call("TimeDistributed", "between", y, layer=relu) if between else y
        config = {"rate": 0.5} if behind == "Dropout" else {}
        y = model.call(behind, "behind", y, **config)
        y = model.call("Dense", "out", y, units=2)
    assert found(model.graph(y), code) == ["behind" if code == "RW304" else "noise"]


def in_a_row(*layers):
    """Return a model of calls in a row, given as (class, name, config), and a Dense behind."""
    model = Written(3)
    y = model.input("x", (None, 5, 4))
    for class_name, name, config in layers:
        y = model.call(class_name, name, y, **config)
    return model.graph(model.call("Dense", "out", y, units=2))


GRU = ("GRU", "gru", {"units": 4, "return_sequences": True})
DROPPING = ("LSTM", "lstm", {"units": 4, "dropout": 0.5, "return_sequences": True})
NORMAL = ("BatchNormalization", "norm", {})
RELU = ("Activation", "relu", {"activation": "relu"})
NOISE = ("Dropout", "noise", {"rate": 0.5})

MISPLACED = {
    "inserted in front of BatchNormalization": ((GRU, RELU, NORMAL), "insert-dropout", "variance"),
    "inserted in front of other noise": ((GRU, DROPPING), "insert-dropout:after=gru", "add up"),
    "moved in front of BatchNormalization": (
        (NOISE, GRU, RELU, NORMAL),
        "move-dropout",
        "variance",
    ),
    "taken out behind other noise": (
        (NOISE, ("GRU", "gru", {"units": 4, "recurrent_dropout": 0.5})),
        "externalise-dropout:recurrent=input",
        "add up",
    ),
}


@pytest.mark.parametrize("case", MISPLACED)
def test_no_pass_puts_noise_where_a_finding_would_be(case):
    layers, wanted, words = MISPLACED[case]
    graph = in_a_row(*layers)
    plan = make_plan(graph, [wanted])
    assert not plan.changes
    assert words in plan.notes[0].reason
    assert found(plan.after, "RW302") == found(graph, "RW302") == []
    assert found(plan.after, "RW304") == found(graph, "RW304") == []


def test_noise_moves_past_what_it_may_not_stop_in_front_of():
    graph = in_a_row(NOISE, GRU, NORMAL)
    plan = make_plan(graph, ["move-dropout"])
    assert [layer.name for layer in plan.after.layers] == ["x", "gru", "norm", "noise", "out"]
    kept = make_plan(graph, ["move-dropout:batch_normalization=false"])
    assert not kept.changes and "variance" in kept.notes[0].reason
