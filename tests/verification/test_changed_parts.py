"""What no input brings to a layer is found where that layer is compared alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from hard_models import lambda_layer
from wrong_passes import Wrong, as_pass, configure, insert, insert_dropout, nested, remove

import rewriter
from rewriter.errors import VerificationError
from rewriter.graph import Tensor
from rewriter.verification.changed_parts import PartsFound

KERAS = {2: tf_keras, 3: keras}


def behind(k, *layers, units=3):
    """Layers behind a Dense, where no input gets to their limits."""
    kl = k.layers
    x = k.Input((4,), name="x")
    y = kl.Dense(units, activation="linear", name="dense")(x)
    for layer in layers:
        y = layer(y)
    return k.Model(x, kl.Dense(2, name="head")(y))


def limited(k):
    return behind(k, k.layers.ReLU(max_value=6e5, negative_slope=1.0, name="limit"))


def limited_far_in(k):
    kl = k.layers
    return behind(k, kl.Rescaling(0.5, name="scale"), kl.ReLU(6e5, 1.0, name="limit"))


def limited_in_nested(k):
    kl = k.layers
    inner = k.Sequential(
        [k.Input((3,)), kl.Dense(3, name="in"), kl.ReLU(max_value=6e5, name="limit")], name="inner"
    )
    return behind(k, inner)


def clip(k):
    x = keras.Input((4,), name="x")
    y = keras.ops.clip(keras.layers.Dense(3, name="dense")(x), -6e5, 6e5)
    return keras.Model(x, keras.layers.Dense(2, name="head")(y))


def other_clip(graph):
    name = graph.calls(["Clip"])[0].layer
    return graph.configure(name, {"x_max": 6.1e5}, reason="to be caught")


def bins(k):
    kl = k.layers
    borders = kl.Discretization(bin_boundaries=[-0.5, 6e5], name="bins")
    return behind(k, borders, kl.Embedding(3, 2, name="emb"), kl.Flatten(name="flat"))


def shut(k, *, bias=-1e6, gate="sigmoid"):
    """A gate that no input opens, times a branch that so never shows."""
    kl = k.layers
    x = k.Input((4,), name="x")
    branch = kl.Dense(3, activation="relu", name="branch")(x)
    door = kl.Dense(3, activation=gate, name="gate")(x)
    y = kl.Multiply(name="times")([branch, door])
    model = k.Model(x, kl.Add(name="add")([kl.Dense(3, name="beside")(x), y]))
    kernel, _ = model.get_layer("gate").get_weights()
    model.get_layer("gate").set_weights([0.01 * kernel, np.full(3, bias, "float32")])
    return model


def shut_relu(k):
    return shut(k, gate="relu")


def shut_in_nested(k):
    block = shut(k)
    block = k.Model(block.input, block.output, name="block")
    x = k.Input((4,), name="outer")
    return k.Model(x, k.layers.Dense(2, name="last")(block(x)))


def dead_units(k):
    """A branch of units that are all below zero, added to one that lives."""
    kl = k.layers
    x = k.Input((4,), name="x")
    branch = kl.Dense(3, activation="tanh", name="branch")(x)
    dead = kl.Dense(3, activation="relu", name="dead")(branch)
    model = k.Model(x, kl.Add(name="add")([kl.Dense(3, name="beside")(x), dead]))
    kernel, _ = model.get_layer("dead").get_weights()
    model.get_layer("dead").set_weights([kernel, np.full(3, -1e9, "float32")])
    return model


def never_where(k):
    """A condition that no input meets."""
    kl = k.layers
    x = k.Input((4,), name="x")
    size = lambda_layer(kl, lambda t: tf.reduce_max(t, -1, keepdims=True), "size", (1,))(x)
    branch = kl.Dense(3, activation="relu", name="branch")(x)
    pair = [size, branch, kl.Dense(3, name="beside")(x)]

    def choose(tensors):
        return tf.where(tensors[0] > 6e5, tensors[1], tensors[2])

    return k.Model(x, kl.Dense(2, name="head")(lambda_layer(kl, choose, "choose", (3,))(pair)))


def fresh_norm(k):
    """Statistics and scales that are all the same, as at the start of training."""
    kl = k.layers
    x = k.Input((4, 4), name="x")
    y = kl.BatchNormalization(name="norm")(x)
    return k.Model(x, kl.Dense(2, name="head")(kl.Flatten(name="flat")(y)))


def stop_gradient(tensor):
    return tf.stop_gradient(tensor)


def stopped(k):
    kl = k.layers
    x = k.Input((4,), name="x")
    y = lambda_layer(kl, stop_gradient, "stop", (4,))(x)
    return k.Model(x, kl.Dense(2, name="head")(y))


WRONG = [
    Wrong("another axis", fresh_norm, configure("norm", axis=1)),
    Wrong("a greatest value", limited, configure("limit", max_value=6.1e5)),
    Wrong("no greatest value", limited, configure("limit", max_value=None)),
    Wrong("a limit taken out", limited, remove("limit")),
    Wrong(
        "a limit put in",
        limited,
        insert("dense", "ReLU", {"max_value": 5e5, "negative_slope": 1.0}),
    ),
    Wrong("behind two layers", limited_far_in, configure("limit", max_value=6.1e5)),
    Wrong(
        "in a nested model", limited_in_nested, nested("inner", configure("limit", max_value=7e5))
    ),
    Wrong("an operation", clip, other_clip, keras=(3,)),
    Wrong("a border", bins, configure("bins", bin_boundaries=[-0.5, 6.1e5])),
    Wrong("behind a shut gate", shut, configure("branch", activation="tanh")),
    Wrong("behind a shut relu", shut_relu, configure("branch", activation="tanh")),
    Wrong("a shut gate", shut, configure("gate", activation="hard_sigmoid")),
    Wrong(
        "behind a gate in a nested model",
        shut_in_nested,
        nested("block", configure("branch", activation="tanh")),
    ),
    Wrong("behind dead units", dead_units, configure("branch", activation="relu")),
    Wrong("behind a condition", never_where, configure("branch", activation="tanh")),
]


def swapped(graph):
    """Let a ReLU and a pooling layer change places, which changes nothing."""
    graph.move(graph.calls_of("relu")[0], Tensor(graph.calls_of("pool")[0]), reason="smaller")
    return graph.configure("relu", {}, reason="smaller")


def relu_and_pool(k):
    kl = k.layers
    x = k.Input((6, 6, 2), name="x")
    y = kl.Conv2D(3, 3, name="conv")(x)
    y = kl.MaxPooling2D(2, name="pool")(kl.ReLU(name="relu")(y))
    return k.Model(x, kl.Dense(2, name="head")(kl.Flatten(name="flat")(y)))


def within_range(k):
    """A limit behind an activation that never gets there."""
    x = k.Input((4,), name="x")
    y = k.layers.Dense(3, activation="sigmoid", name="dense")(x)
    y = k.layers.ReLU(max_value=6.0, name="limit")(y)
    return k.Model(x, k.layers.Dense(2, name="head")(y))


def twins(k):
    """Two layers that give the same."""
    kl = k.layers
    x = k.Input((4,), name="x")
    one, two = (kl.Dense(3, activation="tanh", name=name) for name in ("one", "two"))
    model = k.Model(x, kl.Add(name="add")([one(x), two(x)]))
    two.set_weights(one.get_weights())
    return model


def use_one_alone(graph):
    call = graph.calls_of("add")[0]
    graph.network.remove_edge(graph.calls_of("two")[0], call)
    graph.connect(Tensor(graph.calls_of("one")[0]), call, 1)
    graph.network.remove_node(graph.calls_of("two")[0])
    graph._layers.pop("two"), graph._calls.pop("two")
    graph._sorted = None
    return []


RIGHT = [
    Wrong("two layers change places", relu_and_pool, swapped),
    Wrong("a limit out of reach", within_range, configure("limit", max_value=5.0)),
    Wrong("a relu of what is not negative", within_range, remove("limit")),
    Wrong("one of two equal layers", twins, use_one_alone),
    Wrong("noise in a shut branch", shut, insert_dropout("branch")),
    Wrong("noise behind a limit", limited, insert_dropout("limit")),
    Wrong("noise in a nested model", shut_in_nested, nested("block", insert_dropout("branch"))),
    Wrong("noise behind dead units", dead_units, insert_dropout("dead")),
]


def by_turns(table):
    return [
        pytest.param(each, KERAS[each.keras[number % len(each.keras)]], id=each.name)
        for number, each in enumerate(table)
    ]


@pytest.mark.parametrize(("wrong", "k"), by_turns(WRONG))
def test_what_no_input_brings_to_a_layer_is_found(wrong, k, monkeypatch):
    with pytest.raises(VerificationError) as caught:
        rewriter.rewrite(wrong.model(k), [as_pass(wrong)])
    assert caught.value.verification.verdict in ("verification failed", "not compared")
    monkeypatch.setattr("rewriter.verification.verify.compare_parts", lambda _: PartsFound())
    assert rewriter.rewrite(wrong.model(k), [as_pass(wrong)]).verification.ok


@pytest.mark.parametrize(("right", "k"), by_turns(RIGHT))
def test_what_is_the_same_alone_is_verified(right, k):
    verification = rewriter.rewrite(right.model(k), [as_pass(right)]).verification
    assert verification.verdict == "verified"
    assert verification.inputs_left_out == ()


LEVEL = "changed_parts.has_level_weight"


@pytest.mark.parametrize(
    ("place", "off", "name"),
    [
        ("part_runs.PartRuns.depends", True, "behind dead units"),
        ("part_runs._vary", True, "a shut gate"),
        (LEVEL, False, "another axis"),
    ],
)
def test_each_comparison_of_parts_is_what_finds_it(place, off, name, monkeypatch):
    wrong = next(each for each in WRONG if each.name == name)
    for each, value in ((LEVEL, False), (place, off)):
        monkeypatch.setattr(f"rewriter.verification.{each}", lambda *_, _value=value, **__: _value)
    assert rewriter.rewrite(wrong.model(keras), [as_pass(wrong)]).verification.ok


def test_code_that_may_stop_gradients_is_told(dialect):
    right = Wrong("stop", stopped, remove("stop"))
    verification = rewriter.rewrite(stopped(dialect.keras), [as_pass(right)]).verification
    assert verification.not_verified == "gradients through it (stop)"


@pytest.mark.parametrize("weights", ["copy", "share"])
def test_no_weight_of_the_models_is_touched(weights):
    model = fresh_norm(keras)
    kept = [np.array(each) for each in model.variables]
    right = Wrong("right", fresh_norm, configure("norm", momentum=0.5, epsilon=1e-3))
    rewriter.rewrite(model, [as_pass(right)], weights=weights)
    assert all(map(np.array_equal, kept, model.variables))
