"""Whose class a layer has, by module, registered name and class name."""

from __future__ import annotations

import json

import pytest

from rewriter.analysis.known_layers import BUILT_IN, is_assumed, is_known
from rewriter.analysis.masks import Rule, rule_of
from rewriter.checks import check_graph
from rewriter.dialects import decode
from rewriter.graph import Layer
from rewriter.live.known_classes import is_known_class
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
