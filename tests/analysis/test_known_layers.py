"""Whose class a layer has, by module, registered name and class name."""

from __future__ import annotations

import json

import pytest

import rewriter
from rewriter.analysis.known_layers import BUILT_IN, class_of, is_assumed, is_known
from rewriter.analysis.layer_keys import KEYS
from rewriter.analysis.masks import Rule, rule_of
from rewriter.checks import check_graph
from rewriter.dialects import decode
from rewriter.graph import Layer
from rewriter.live.known_classes import is_known_class
from rewriter.pipeline.registry import registered_passes
from rewriter.pipeline.run import make_plan
from rewriter.saved import read

BASES = {"Layer", "Wrapper", "AbstractRNNCell"}
WRITTEN_BY_OLD_VERSIONS = {"CuDNNGRU", "CuDNNLSTM", "GroupQueryAttention"}
OPERATIONS = {
    "ClassMethod",
    "InstanceMethod",
    "InstanceProperty",
    "SlicingOpLambda",
    "TFOpLambda",
    "TensorFlowOpLayer",
}


def test_the_table_names_the_layers_that_keras_brings(dialect):
    layers = dialect.keras.layers
    brought = {
        value.__name__
        for value in vars(layers).values()
        if isinstance(value, type) and issubclass(value, layers.Layer)
    }
    known = BUILT_IN[dialect.number] - WRITTEN_BY_OLD_VERSIONS - OPERATIONS
    assert brought - BASES <= known
    version = tuple(int(part) for part in dialect.keras.__version__.split(".")[:2])
    if version >= {2: (2, 21), 3: (3, 15)}[dialect.number]:
        assert known == brought - BASES


def users_own_dropout(keras):
    """Return the class as a script has it, which is no module that could be named."""

    class Dropout(keras.layers.Layer):
        def __init__(self, rate=0.5, **kwargs):
            super().__init__(**kwargs)
            self.rate = rate

        def call(self, inputs):
            return inputs * 2

        def get_config(self):
            return {**super().get_config(), "rate": self.rate}

    Dropout.__module__ = "__main__"
    return Dropout


def test_a_class_that_is_named_as_one_of_keras_is_not_taken_for_it(dialect):
    layers = dialect.keras.layers
    x = dialect.keras.Input((4,))
    own = users_own_dropout(dialect.keras)(name="own")
    model = dialect.keras.Model(x, layers.Dropout(0.0, name="theirs")(own(x)))
    graph = decode(json.loads(model.to_json()), dialect.number)
    assert graph.layer("own").envelope["module"] is None
    assert is_known(graph.layer("theirs")) and not is_known(graph.layer("own"))
    assert [each.layer for each in check_graph(graph, codes=["RW305"])] == ["theirs"]
    plan = make_plan(graph, ["strip-dropout"])
    assert [change.layer for change in plan.changes] == ["theirs"]
    assert rule_of(graph.layer("own"), dialect.number) is Rule.UNKNOWN


@pytest.mark.fast
def test_a_registered_name_goes_before_the_module():
    told = {"module": "keras.layers", "registered_name": "mine>Dense"}
    assert not is_known(Layer("d", "Dense", {}, told))
    assert is_known(Layer("d", "Dense", {}, told | {"registered_name": None}))
    ours = {"module": "rewriter.layers.keras3", "registered_name": "rewriter>CarryMask"}
    assert is_known(Layer("d", "CarryMask", {}, ours))


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_only_files_that_name_no_module_are_assumed(dialect, ending, tmp_path):
    x = dialect.keras.Input((4,))
    model = dialect.keras.Model(x, dialect.keras.layers.Dense(2, name="dense")(x))
    model.save(tmp_path / f"m.{ending}")
    document = read(tmp_path / f"m.{ending}").document
    layer = decode(document, dialect.number).layer("dense")
    assert is_known(layer)
    assert is_assumed(layer) == (ending == "h5")


@pytest.mark.fast
def test_a_layer_of_the_other_keras_is_known_to_that_one_alone():
    assert is_known(Layer("n", "RMSNormalization", {}), 3)
    assert not is_known(Layer("n", "RMSNormalization", {}), 2)
    assert not is_known(Layer("n", "Custom>Dense", {}))


def test_live_classes_are_told_by_the_same_table(dialect):
    assert is_known_class(dialect.keras.layers.Dense)
    assert not is_known_class(users_own_dropout(dialect.keras))


def sequence_model(keras):
    """Return a model in which every pass finds something, or would if its layers were Keras'."""
    layers = keras.layers
    ids = keras.Input(batch_shape=(4, 6), dtype="int32", name="ids")
    y = layers.Embedding(9, 8, name="embedding")(ids)
    y = layers.Dropout(0.5, name="before_masking")(y)
    y = layers.Masking(name="masking")(y)
    y = layers.Dropout(0.5, noise_shape=(4, 6, 8), name="before_bn")(y)
    y = layers.BatchNormalization(name="bn")(y)
    y = layers.TimeDistributed(layers.Dense(8), name="steps")(y)
    y = layers.Conv1D(8, 3, padding="same", name="conv")(y)
    y = layers.LSTM(8, dropout=0.2, return_sequences=True, name="lstm")(y)
    y = layers.SpatialDropout1D(0.5, name="spatial")(y)
    return keras.Model(ids, layers.GRU(3, name="gru")(y))


def theirs(document, told):
    """Return a model's config in which every layer is of the user's own class of that name."""
    if isinstance(document, list):
        return [theirs(each, told) for each in document]
    if not isinstance(document, dict):
        return document
    changed = {key: theirs(value, told) for key, value in document.items()}
    name = document.get("class_name")
    if name in BUILT_IN[2] | BUILT_IN[3] and name != "InputLayer":
        return told(changed, name)
    return changed


OWN = {
    "script": lambda entry, name: entry | {"module": None, "registered_name": name},
    "package": lambda entry, name: entry | {"module": "mine", "registered_name": f"mine>{name}"},
    "keys": lambda entry, name: {
        "class_name": name,
        **{key: entry[key] for key in ("name", "inbound_nodes") if key in entry},
        "config": entry["config"] | {"of_mine": 1},
    },
}


@pytest.mark.parametrize("told", OWN)
def test_no_pass_touches_a_layer_of_the_users_own_whatever_its_class_is_called(dialect, told):
    model = sequence_model(dialect.keras)
    document = json.loads(model.to_json())
    passes = [*registered_passes(), "enable-masking:input=ids", "free-batch:stateful=drop"]
    plans = [make_plan(decode(document, dialect.number), [name]) for name in passes]
    changed = {name for name, plan in zip(passes, plans, strict=True) if plan.changes}
    assert {"strip-dropout", "move-dropout", "carry-mask", "free-batch"} <= changed
    graph = decode(theirs(document, OWN[told]), dialect.number)
    own = [each for each in graph.layers[1:] if each.class_name in BUILT_IN[dialect.number]]
    assert len(own) >= 9 and not any(map(class_of, own))
    for name in passes:
        plan = make_plan(graph, [name])
        assert [each for each in plan.changes if each.layer != "ids"] == [], name
    assert [each for each in check_graph(graph) if each.code[:3] in ("RW2", "RW3")] == []


@pytest.mark.parametrize("name", sorted(BUILT_IN[2] | BUILT_IN[3]))
def test_the_keys_of_each_class_are_those_that_keras_takes(name):
    import inspect

    import keras
    import tf_keras

    taken = set()
    for module in (keras, tf_keras):
        cls = getattr(module.layers, name, None)
        if cls is not None:
            parameters = inspect.signature(cls.__init__).parameters.values()
            plain = [each for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD]
            taken |= {each.name for each in plain} - {"self", "args"}
    assert taken <= KEYS[name]


def test_a_plan_says_which_classes_it_takes_for_keras_by_their_names(dialect, tmp_path):
    x = dialect.keras.Input((4,))
    y = dialect.keras.layers.Dropout(0.5, name="drop")(x)
    model = dialect.keras.Model(x, dialect.keras.layers.Dense(2, name="dense")(y))
    said = {}
    for ending in ("h5", "keras"):
        model.save(tmp_path / f"m.{ending}")
        plan = rewriter.plan(tmp_path / f"m.{ending}", ["strip-dropout"])
        said[ending] = [note.reason for note in plan.notes if "named" in note.reason]
    assert said["keras"] == []
    assert len(said["h5"]) == 1 and "Dropout" in said["h5"][0]
