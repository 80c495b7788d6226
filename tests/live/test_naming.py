"""Layers whose config tells no name keep theirs, wherever they stand."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

import rewriter
from rewriter.dialects import decode
from rewriter.errors import ModelReadError, UnsupportedModelError
from rewriter.live import live_keras
from rewriter.live.naming import keep_names


def scaling(k):
    """Return a class whose config is its factor alone."""

    class MyScaling(k.layers.Layer):
        def __init__(self, factor=2.0, **options):
            super().__init__(**options)
            self.factor = factor

        def call(self, inputs):
            return inputs * self.factor

        def get_config(self):
            return {"factor": self.factor}

    return MyScaling


def doubling(k):
    """Return a class without a get_config of its own: its config tells nothing."""

    class Doubling(k.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)

        def call(self, inputs):
            return inputs * 2.0

    return Doubling


def chain(k, layers):
    return k.Sequential([k.layers.Input((3,)), *layers, k.layers.Dense(2)], name="chain")


def functional(k, layers):
    x = k.Input((3,))
    return k.Model(x, k.layers.Dense(2)(k.layers.Concatenate()([each(x) for each in layers])))


def nested(k, layers):
    x = k.Input((3,))
    return k.Model(x, chain(k, layers)(x))


def wrapped(k, layers):
    x = k.Input((4, 3))
    return k.Model(x, k.layers.TimeDistributed(chain(k, layers))(x))


MODELS = pytest.mark.parametrize("make", [chain, functional, nested, wrapped])


def names(graph):
    return [layer.name for each in graph.walk() for layer in each.layers if not layer.implicit]


@MODELS
def test_in_a_live_model(dialect, make):
    cls = doubling(dialect.keras)
    model = make(dialect.keras, [cls(name="twice"), cls(name="again")])
    result = rewriter.rewrite(model, [])
    assert {"twice", "again"} <= set(names(result.plan.after))
    assert names(rewriter.read(result.model)) == names(rewriter.read(model))


@MODELS
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_in_a_file(dialect, make, ending, tmp_path):
    """In the list of a Sequential model they have none, and get the one of a new process."""
    cls = scaling(dialect.keras)
    model = make(dialect.keras, [cls(3.0, name="thrice"), cls(5.0, name="again")])
    path, output = tmp_path / f"model.{ending}", tmp_path / f"out.{ending}"
    model.save(path)
    result = rewriter.rewrite(path, [], output=output, custom_objects={"MyScaling": cls})
    found = names(rewriter.read(path))
    wanted = ["thrice", "again"] if make is functional else ["my_scaling", "my_scaling_1"]
    assert [name for name in found if name in wanted] == wanted
    assert names(rewriter.read(result.model)) == names(rewriter.read(output)) == found
    x = np.ones((2, *model.inputs[0].shape[1:]), "float32")
    np.testing.assert_array_equal(result.model(x), model(x))


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_in_models_inside_one_another(dialect, ending, tmp_path):
    """Keras 2 writes the weights of all of them into one group of an .h5 file, by name."""
    k = dialect.keras

    class Weighted(k.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(3,), initializer="normal", name="kernel")

        def call(self, inputs):
            return inputs * self.kernel

        def get_config(self):
            return {}

    inner = k.Sequential([k.layers.Input((3,)), Weighted()], name="inner")
    outer = k.Sequential([k.layers.Input((3,)), inner, Weighted()], name="outer")
    model = k.Sequential([k.layers.Input((3,)), outer, Weighted()])
    path, output = tmp_path / f"model.{ending}", tmp_path / f"out.{ending}"
    model.save(path)
    custom_objects = {"Weighted": Weighted}
    result = rewriter.rewrite(path, [], output=output, custom_objects=custom_objects)
    found = names(rewriter.read(output))
    assert {"weighted", "weighted_1", "weighted_2"} <= set(found)
    assert names(rewriter.read(result.model)) == found == names(rewriter.read(path))
    x = np.ones((2, 3), "float32")
    written = k.models.load_model(output, custom_objects=custom_objects)
    np.testing.assert_array_equal(written(x), model(x))


def test_of_a_shared_model_are_the_same_in_both_places(dialect):
    k, cls = dialect.keras, doubling(dialect.keras)
    inner = chain(k, [cls()])
    outer = k.Sequential([k.layers.Input((3,)), inner], name="outer")
    x = k.Input((3,))
    model = k.Model(x, [inner(x), outer(x)])
    graph = decode(live_keras(dialect.number).document(model), dialect.number)
    assert names(graph).count("doubling") == 2
    assert rewriter.rewrite(model, []).verification.ok


def test_a_nested_model_that_is_written_as_a_list_keeps_its_name(tmp_path):
    """As Keras 2 wrote Sequential models before 2.2.3."""
    import tf_keras as k

    path = tmp_path / "old.h5"
    model = nested(k, [k.layers.Dropout(0.5, name="drop")])
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        entry = config["config"]["layers"][1]
        entry["config"] = entry["config"]["layers"]
        file.attrs["model_config"] = json.dumps(config)
    result = rewriter.rewrite(path, ["strip-dropout"])
    assert [layer.name for layer in result.model.layers][1] == "chain"


def test_a_made_up_name_is_not_one_that_is_taken(dialect):
    k, cls = dialect.keras, scaling(dialect.keras)
    model = chain(k, [cls(), k.layers.Dense(3, name="my_scaling")])
    graph = decode(live_keras(dialect.number).document(model), dialect.number)
    assert {"my_scaling", "my_scaling_1"} <= set(names(graph))


def test_layers_that_stand_in_another_order_are_refused_by_name(dialect):
    k, cls = dialect.keras, scaling(dialect.keras)
    keras = live_keras(dialect.number)
    graph = decode(keras.document(chain(k, [cls(), k.layers.Dropout(0.5)])), dialect.number)
    other = chain(k, [k.layers.Dropout(0.5), cls()])
    with pytest.raises(ModelReadError, match="which of its layers") as caught:
        keep_names(graph, other, keras)
    assert caught.value.where == "my_scaling"


def test_a_wrapper_that_keeps_its_layer_elsewhere_is_refused_by_name(dialect):
    k = dialect.keras

    class Own(k.layers.Layer):
        def __init__(self, layer, **options):
            super().__init__(**options)
            self.held = layer

        def call(self, inputs):
            return self.held(inputs)

        def get_config(self):
            return {**super().get_config(), "layer": k.layers.serialize(self.held)}

    model = k.Sequential([k.layers.Input((3,)), Own(k.layers.Dense(2), name="own")])
    with pytest.raises(UnsupportedModelError, match="the layer of its config") as caught:
        rewriter.read(model)
    assert caught.value.where == "own"
