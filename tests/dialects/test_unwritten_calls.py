"""Calls with more arguments than Keras writes down: a file of such a model is another model."""

from __future__ import annotations

import numpy as np
import pytest

import rewriter
from rewriter.errors import UnsupportedModelError


def summing(k):
    """Return a layer that takes any number of tensors."""

    class Sum(k.layers.Layer):
        def call(self, inputs, *others, scale=1.0):
            return sum(others, inputs) * scale

    return Sum(name="sum")


def model_with(k, call):
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    return k.Model([x, y], call(x, y))


def meshgrid(x, y):
    import tensorflow as tf

    return tf.meshgrid(x[0], y[0])


def constants(x, y):
    import tensorflow as tf

    return x + y + tf.meshgrid(y[0], np.ones(1, "float32"))[0]


def own(x, y):
    import tf_keras

    return summing(tf_keras)(x, y)


@pytest.fixture
def k():
    import tf_keras

    return tf_keras


def test_keras_2_loses_arguments_that_have_no_name_of_their_own(k):
    """Nor do they come back out of Keras' own clone."""
    layer = summing(k)
    model = model_with(k, layer)
    node = layer._inbound_nodes[0]
    assert (len(node.call_args), layer._call_spec.arg_names) == (2, ["inputs", "scale"])
    assert model.get_config()["layers"][-1]["inbound_nodes"] == [
        [["x", 0, 0, {"scale": ["y", 0, 0]}]]
    ]
    ones = np.ones((1, 4), "float32")
    with k.utils.custom_object_scope({"Sum": type(layer)}):
        clone = k.models.clone_model(model)
    assert model([ones, ones])[0, 0] == 2.0
    assert clone([ones, ones])[0, 0] == 1.0


@pytest.mark.parametrize(
    ("call", "where"),
    [
        (meshgrid, "tf.meshgrid"),
        (constants, "tf.meshgrid"),
        (own, "sum"),
    ],
    ids=["tensors", "a constant", "a custom layer"],
)
def test_they_are_refused_by_name(k, call, where):
    model = model_with(k, call)
    with pytest.raises(UnsupportedModelError, match="1 of its 2 arguments") as caught:
        rewriter.read(model)
    assert caught.value.where.startswith(where)


def test_inside_a_nested_model_with_its_path(k):
    inner = model_with(k, summing(k))
    inner._name = "inner"
    outer = model_with(k, lambda x, y: inner([x, y]))
    with pytest.raises(UnsupportedModelError) as caught:
        rewriter.read(outer)
    assert caught.value.where == "inner/sum"


def test_a_call_that_is_written_down_whole_is_read(k):
    model = model_with(k, lambda x, y: summing(k)(x, scale=y))
    assert rewriter.rewrite(model, []).verification.ok


def test_keras_3_writes_them_down():
    import keras

    layer = summing(keras)
    result = rewriter.rewrite(model_with(keras, layer), [])
    assert result.verification.ok
    ones = np.ones((1, 4), "float32")
    assert result.model([ones, ones])[0, 0] == 2.0
