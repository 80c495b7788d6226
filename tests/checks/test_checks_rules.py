"""What the corpus of real models cannot show: old files, nested models, odd values."""

from __future__ import annotations

import pytest
from support.written import Written, sequential, written_layer

from rewriter.checks import CODES, check_graph, code_named, selected_codes
from rewriter.dialects import decode
from rewriter.errors import RewriterError
from rewriter.pipeline.registry import registered_passes, to_pass

pytestmark = pytest.mark.fast


def found(graph, **options) -> list[tuple[str, str]]:
    return [(each.code, each.layer) for each in check_graph(graph, **options)]


@pytest.fixture(params=[2, 3], ids=["keras2", "keras3"])
def keras(request) -> int:
    return request.param


def only(code: str, graph, **options) -> list[str]:
    return [layer for found_code, layer in found(graph, **options) if found_code == code]


def test_a_mask_that_makes_softmax_fail_is_found(keras):
    model = Written(keras)
    x = model.call("Embedding", "emb", model.input("ids", (None, 5)), mask_zero=True)
    assert only("RW204", model.graph(model.call("Softmax", "softmax", x))) == ["softmax"]


def test_a_concatenation_over_time_with_one_mask_fails_in_keras_2_alone(keras):
    model = Written(keras)
    a = model.call("Embedding", "emb", model.input("a", (None, 5)), mask_zero=True)
    b = model.call("Embedding", "plain", model.input("b", (None, 5)), mask_zero=False)
    graph = model.graph(model.call("Concatenate", "join", a, b, axis=1))
    assert only("RW204", graph) == (["join"] if keras == 2 else [])


def test_findings_in_a_nested_model_have_its_path(keras):
    inner = Written(keras, "encoder")
    x = inner.call("Dropout", "drop", inner.input("y", (None, 4)), rate=0.0)
    outer = Written(keras)
    ref = outer.call(
        "Functional", "encoder", outer.input("x", (None, 4)), document=inner.document(x)
    )
    assert only("RW305", outer.graph(ref)) == ["encoder/drop"]


def test_a_shared_layer_is_told_once(keras):
    model = Written(keras)
    a, b = model.input("a", (None, 4)), model.input("b", (None, 4))
    a, b = (model.call("Dropout", "drop", each, rate=0.0) for each in (a, b))
    assert only("RW305", model.graph(model.call("Add", "add", a, b))) == ["drop"]


def test_a_wrapped_layer_has_the_path_of_its_wrapper(keras):
    model = Written(keras)
    lstm = written_layer("LSTM", "inner", keras, units=2, recurrent_dropout=0.2)
    x = model.call("Bidirectional", "both", model.input("x", (None, 7, 4)), layer=lstm)
    assert only("RW401", model.graph(x)) == ["both/inner"]


def test_a_lost_mask_names_who_lost_it_and_who_could_use_it(keras):
    model = Written(keras)
    x = model.call("Embedding", "emb", model.input("ids", (None, None)), mask_zero=True)
    x = model.call("Conv1D", "conv", x, filters=2)
    x = model.call("MaxPooling1D", "pool", x)
    graph = model.graph(model.call("LSTM", "lstm", x, return_sequences=False))
    (finding,) = check_graph(graph, codes=["RW202"])
    assert finding.layer == "conv" and "emb" in finding.message and "lstm" in finding.message


def test_a_mask_that_ends_with_the_time_axis_is_not_lost(keras):
    model = Written(keras)
    x = model.call("Embedding", "emb", model.input("ids", (None, 5)), mask_zero=True)
    x = model.call("Flatten", "flat", x, shape=(None, 20))
    x = model.call("Reshape", "again", x, shape=(None, 5, 4), target_shape=[5, 4])
    assert only("RW202", model.graph(model.call("LSTM", "lstm", x))) == []


def test_the_way_of_a_missing_mask_decides_the_fix(keras):
    model = Written(keras)
    x = model.call("Embedding", "emb", model.input("ids", (None, None)))
    x = model.call("Conv1D", "conv", x, filters=2)
    (finding,) = check_graph(model.graph(model.call("LSTM", "lstm", x)), codes=["RW203"])
    assert finding.fix == "carry-mask"


def test_an_embedding_of_something_else_than_a_sequence_needs_no_mask(keras):
    model = Written(keras)
    x = model.call("Embedding", "user", model.input("user_id", (None, 1)))
    x = model.call("Flatten", "flat", x, shape=(None, 4))
    assert only("RW203", model.graph(model.call("Dense", "dense", x))) == []


def test_noise_in_front_of_batch_normalization_is_seen_through_an_activation(keras):
    model = Written(keras)
    x = model.call("Dropout", "drop", model.input("x", (None, 4)), rate=0.5)
    x = model.call("Activation", "act", x, activation="relu")
    x = model.call("BatchNormalization", "bn", x)
    assert only("RW302", model.graph(x)) == ["drop"]


def test_noise_that_another_layer_gets_too_is_not_in_front_of_batch_normalization(keras):
    model = Written(keras)
    d = model.call("Dropout", "drop", model.input("x", (None, 4)), rate=0.5)
    b = model.call("BatchNormalization", "bn", d)
    assert only("RW302", model.graph(model.call("Add", "add", b, d))) == []


def test_noise_at_the_end_of_a_nested_model_is_not_on_the_output(keras):
    inner = Written(keras, "encoder")
    x = inner.call("Dropout", "drop", inner.input("y", (None, 4)), rate=0.5)
    outer = Written(keras)
    x = outer.call("Functional", "encoder", outer.input("x", (None, 4)), document=inner.document(x))
    assert only("RW303", outer.graph(outer.call("Dense", "dense", x))) == []


def test_what_a_later_keras_does_wrong_is_not_told_of_an_earlier_one():
    model = Written(3)
    x = model.input("x", (None, None, 4))
    dense = written_layer("Dense", "dense", 3, units=2)
    graph = model.graph(model.call("TimeDistributed", "td", x, layer=dense))
    assert only("RW106", graph, version="3.13.2") == []
    assert only("RW106", graph, version="3.14.0") == ["td"]
    assert only("RW106", graph) == ["td"]


def test_time_distributed_over_a_layer_that_needs_it_has_no_fix():
    model = Written(3)
    x = model.input("x", (None, None, 8, 4))
    conv = written_layer("Conv1D", "conv", 3, filters=2)
    graph = model.graph(model.call("TimeDistributed", "td", x, layer=conv))
    (finding,) = check_graph(graph, codes=["RW106"])
    assert finding.fix is None


def test_unknown_steps_are_followed_back_to_the_input_of_a_file_without_shapes():
    dense = written_layer("Dense", "inner", 3, units=2)
    document = sequential(
        3,
        ("InputLayer", {"batch_shape": [None, None]}),
        ("Embedding", {"input_dim": 5, "mask_zero": True}),
        ("Dropout", {"rate": 0.5}),
        ("TimeDistributed", {"layer": dense}),
    )
    assert only("RW106", decode(document, 3)) == ["timedistributed"]


@pytest.mark.parametrize(
    ("function", "kwargs"),
    [("reshape", {"shape": [32, -1]}), ("tf.broadcast_to", {"shape": [32, 4]})],
)
def test_a_batch_baked_into_an_operation_of_keras_2_is_found(function, kwargs):
    model = Written(2)
    x = model.input("x", (None, 4))
    x = model.call("TFOpLambda", "op", x, function=function, kwargs=kwargs)
    assert only("RW105", model.graph(x)) == ["op"]


def test_a_batch_that_is_an_argument_of_a_call_of_keras_3_is_found():
    model = Written(3)
    x = model.input("x", (None, 4))
    x = model.call("Reshape", "op", x, newshape=[32, -1])
    model.entries["op"]["module"] = "keras.src.ops.numpy"
    assert only("RW105", model.graph(x)) == ["op"]


def test_one_finding_stands_for_all_layers_of_a_class_that_keras_3_cannot_load():
    model = Written(2)
    x = model.input("x", (None, 7, 4))
    for name in "abc":
        x = model.call("LSTM", name, x, time_major=False, return_sequences=True)
    (finding,) = check_graph(model.graph(x), codes=["RW502"])
    assert finding.layer == "a" and "time_major" in finding.message and "2 more" in finding.message


@pytest.mark.parametrize("value", ["x", [], {}, [None], ["a", None], -1, True, [[1]], 1e400])
@pytest.mark.parametrize("class_name", ["Dropout", "LSTM", "Embedding", "InputLayer", "Lambda"])
def test_values_that_keras_would_not_write_end_no_check(keras, class_name, value):
    model = Written(keras)
    x = model.input("x", (None, 7, 4))
    keys = ("noise_shape", "rate", "dropout", "stateful", "activation", "mask_zero", "function")
    config = dict.fromkeys((*keys, "batch_shape", "trainable", "unroll"), value)
    x = model.call(class_name, "odd", x, **config)
    x = model.call("BatchNormalization", "bn", x, axis=value)
    assert isinstance(found(model.graph(x)), list)


def test_codes_are_told_by_code_and_by_name():
    assert code_named("rw203") is code_named("no-mask") is CODES["RW203"]
    with pytest.raises(RewriterError, match="unknown code 'RW999'"):
        code_named("RW999")


def test_codes_are_selected_and_ignored_by_their_beginning():
    assert selected_codes(["RW4"]) == ["RW401"]
    assert "RW203" not in selected_codes([], ["no-mask"])
    with pytest.raises(RewriterError, match="RW8"):
        selected_codes(["RW8"])


def test_names_and_codes_are_unique_and_of_one_form():
    names = [code.name for code in CODES.values()]
    assert len(set(names)) == len(names)
    assert all(
        code.reason.endswith(".") and not code.title.endswith(".") for code in CODES.values()
    )


def test_every_fix_is_a_pass_with_such_options():
    for code in CODES.values():
        if code.fix:
            assert str(to_pass(code.fix)).partition(":")[0] in registered_passes()
