"""A fix that a finding names is one that its pass makes, and no other pass is named."""

from __future__ import annotations

import pytest
from support.built_in import cases
from support.check_examples import EITHER, NEIGHBOURS, REFUSED, WRITTEN_BY_HAND, built
from support.promises import broken_promises
from support.written import Written, sequential, written_layer

from rewriter.checks import CODES, check_graph
from rewriter.dialects import decode
from rewriter.pipeline.run import make_plan
from rewriter.rehearsal.cases import TrainingCase
from rewriter.rehearsal.findings import judge_cases


@pytest.mark.parametrize(("code", "keras"), [each for each in EITHER if each not in REFUSED])
@pytest.mark.parametrize("source", ["example", "neighbour"])
def test_the_pass_that_a_finding_names_changes_something_there(source, code, keras):
    text = CODES[code].example if source == "example" else NEIGHBOURS[code]
    document = built(text, keras)
    for layer in document["config"]["layers"]:
        by_hand = WRITTEN_BY_HAND.get(code, {}) if source == "example" else {}
        layer["config"] |= by_hand.get(layer["class_name"], {})
    assert list(broken_promises(decode(document, keras))) == []


def cases_inside_time_distributed(layers) -> dict[str, object]:
    """Return a layer of each class of Keras 3 that can be made, by the name of its case."""
    return {case.name: case.make(layers) for case in cases(layers)}


def test_check_and_pass_agree_on_every_class_inside_time_distributed():
    import keras

    promised = set()
    for name, layer in cases_inside_time_distributed(keras.layers).items():
        wrapper = keras.saving.serialize_keras_object(keras.layers.TimeDistributed(layer))
        document = sequential(3, ("InputLayer", {"batch_shape": [None, None, 6, 8]}))
        document["config"]["layers"].append(wrapper)
        graph = decode(document, 3)
        (finding,) = check_graph(graph, codes=["RW106"])
        plan = make_plan(graph.copy(), ["unwrap-time-distributed"])
        assert bool(plan.changes) == (finding.fix is not None), name
        assert bool(plan.notes) == (finding.fix is None), name
        if finding.fix is not None:
            promised.add(name)
            assert check_graph(plan.after, codes=["RW106"]) == [], name
    assert promised == MENDED


MENDED = {
    *("Activation", "AlphaDropout", "Dense", "Dropout", "ELU", "Embedding", "GaussianDropout"),
    *("GaussianNoise", "LayerNormalization", "LeakyReLU", "ReLU"),
    *("TimeDistributed", "TimeDistributed noise", "TimeDistributed normalized"),
}


@pytest.mark.fast
@pytest.mark.parametrize("class_name", ["Dense", "ELU", "Conv1D", "SpatialDropout1D"])
def test_a_rehearsal_names_the_pass_where_it_changes_something(class_name):
    config = {"filters": 2} if class_name == "Conv1D" else {"units": 2}
    inner = written_layer(class_name, "inner", 3, **config)
    model = Written(3)
    graph = model.graph(
        model.call("TimeDistributed", "td", model.input("x", (None,) * 4), layer=inner)
    )
    case = TrainingCase(2, 5, "compiled", "differs", "td", "other outputs")
    (finding,) = judge_cases(graph, [case])
    changes = make_plan(graph.copy(), ["unwrap-time-distributed"]).changes
    assert (finding.fix == "unwrap-time-distributed") == bool(changes)


@pytest.mark.parametrize("keras", [2, 3])
def test_a_reshape_that_stays_is_promised_no_fix(keras):
    if keras == 2:
        source = "import tensorflow as tf\nreshape = tf.reshape"
    else:
        source = "reshape = keras.ops.reshape"
    text = f"""
{source}
x = keras.Input((None, 4))
model = keras.Model(x, reshape(x, (32, -1)))
"""
    graph = decode(built(text, keras), keras)
    (finding,) = check_graph(graph, codes=["RW105"])
    plan = make_plan(graph.copy(), ["free-batch"])
    assert finding.fix is None and not plan.changes
