"""Passes that are wrong on purpose, one kind each, with the smallest model that hides them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rewriter.graph import Layer, Tensor
from rewriter.graph.nested import map_leaves
from rewriter.pipeline import Guarantee, Pass


@dataclass(frozen=True)
class Wrong:
    """A wrong pass: its name, a model that it is wrong on, and what it does to the graph."""

    name: str
    model: Callable
    edit: Callable
    guarantee: Guarantee = Guarantee.SAME
    tolerance: float = 0.0
    keras: tuple[int, ...] = (2, 3)


def as_pass(wrong):
    class WrongPass(Pass):
        """Promise what the edit does not keep."""

        name = "wrong"
        guarantee = wrong.guarantee
        tolerance = wrong.tolerance

        def run_model(self, graph):
            done = wrong.edit(graph)
            yield from done if isinstance(done, list) else [done]

        def run(self, graph):
            return iter(())

    return WrongPass()


def configure(name, role=None, **changes):
    return lambda graph: graph.configure(name, changes, reason="to be caught", role=role)


def remove(name):
    return lambda graph: graph.remove(graph.calls_of(name)[0], reason="to be caught")


def insert(name, class_name, config, made="made"):
    def edit(graph):
        layer = Layer(made, class_name, {"name": made, **config})
        return graph.insert_after(Tensor(graph.calls_of(name)[0]), layer, reason="to be caught")

    return edit


def nested(name, edit):
    return lambda graph: edit(graph.layer(name).graph)


def unlisted(change):
    """Change a graph and say nothing of it."""

    def edit(graph):
        change(graph)
        return []

    return edit


def set_outputs(function):
    return unlisted(lambda graph: setattr(graph, "outputs", function(graph.outputs)))


def swap_holes(name):
    def edit(graph):
        call = graph.calls_of(name)[0]
        tensors = graph.fillings(call)
        (one, two) = tensors
        for hole, tensor in tensors.items():
            graph.network.remove_edge(tensor.call, call, key=hole)
        graph.connect(tensors[two], call, one)
        graph.connect(tensors[one], call, two)
        return graph.configure(name, {}, reason="to be caught")

    return edit


def rewire_output(name):
    """Give the model the output of another layer."""

    def edit(graph):
        graph.outputs = map_leaves(lambda _: Tensor(graph.calls_of(name)[0]), graph.outputs)
        return graph.configure(name, {}, reason="to be caught")

    return edit


# Models


def dense(k, head=None, *, units=2, activation=None, width=4, layers=()):
    """A chain of Dense layers, with weights for the head."""
    kl = k.layers
    x = k.Input((width,), name="x")
    y = kl.Dense(6, activation="tanh", name="hidden")(x)
    for layer in layers:
        y = layer(kl)(y)
    y = kl.Dense(units, activation=activation, name="head")(y)
    model = k.Model(x, y)
    if head is not None:
        kernel, bias = model.get_layer("head").get_weights()
        model.get_layer("head").set_weights([kernel * 0 + head[0], bias * 0 + head[1]])
    return model


def zero_head(k):
    return dense(k, (0.0, 0.0), activation="softmax")


def saturated(k):
    return dense(k, (0.0, 200.0), activation="sigmoid")


def very_saturated(k):
    model = dense(k, activation="sigmoid")
    kernel, bias = model.get_layer("head").get_weights()
    model.get_layer("head").set_weights([kernel * 1e6, bias])
    return model


def dead_relu(k):
    return dense(k, (0.0, -5.0), activation="relu")


def not_a_number(k):
    return dense(k, (0.0, np.nan))


def infinite(k):
    return dense(k, (np.inf, 0.0))


def tiny(k):
    model = dense(k)
    kernel, bias = model.get_layer("head").get_weights()
    model.get_layer("head").set_weights([kernel * 1e-6, bias])
    return model


def huge_beside_small(k):
    kl = k.layers
    x = k.Input((4,), name="x")
    y = kl.Dense(6, activation="tanh", name="hidden")(x)
    big = kl.Rescaling(1e6, name="big")(kl.Dense(2, name="head")(y))
    small = kl.Dense(2, activation="tanh", name="small")(y)
    return k.Model(x, [big, small])


def lambda_layer(kl, function, name, shape=None):
    return kl.Lambda(function, name=name, **({} if shape is None else {"output_shape": shape}))


def argmax(k):
    import tensorflow as tf

    kl = k.layers
    model = dense(k, units=3)
    y = lambda_layer(kl, lambda t: tf.argmax(t, -1), "argmax", ())(model.output)
    return k.Model(model.input, y)


def rounded(k):
    import tensorflow as tf

    model = dense(k, activation="sigmoid")
    y = lambda_layer(k.layers, lambda t: 1.0 * tf.round(t), "round", (2,))(model.output)
    return k.Model(model.input, y)


def words(k):
    import tensorflow as tf

    model = dense(k, units=3)

    def name(logits):
        return tf.gather(tf.constant(["a", "b", "c"]), tf.argmax(logits, -1))

    return k.Model(model.input, k.layers.Lambda(name, name="words")(model.output))


def two_inputs(k):
    kl = k.layers
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    y = kl.Subtract(name="minus")([kl.Dense(3, name="left")(a), kl.Dense(3, name="right")(b)])
    return k.Model([a, b], kl.Dense(2, name="head")(y))


def two_outputs(k):
    kl = k.layers
    x = k.Input((4,), name="x")
    y = kl.Dense(6, name="hidden")(x)
    return k.Model(x, [kl.Dense(2, name="one")(y), kl.Dense(2, name="two")(y)])


def equal_outputs(k):
    """Two outputs of the same values, of which only the names tell the order."""
    kl = k.layers
    x = k.Input((4,), name="x")
    y = kl.Dense(2, name="hidden")(x)
    return k.Model(
        x, [kl.Activation("linear", name="one")(y), kl.Activation("linear", name="two")(y)]
    )


def dict_outputs(k):
    kl = k.layers
    x = k.Input((4,), name="x")
    y = kl.Dense(6, name="hidden")(x)
    return k.Model(x, {"p": kl.Dense(2, name="p")(y), "q": kl.Dense(2, name="q")(y)})


def one_zero_output(k):
    """One output that tells, and one that does not."""
    model = two_outputs(k)
    model.get_layer("two").set_weights([np.zeros((6, 2), "float32"), np.zeros(2, "float32")])
    return model


def normalised(k):
    kl = k.layers
    x = k.Input((4,), name="x")
    y = kl.BatchNormalization(name="norm", epsilon=1e-3)(x)
    return k.Model(x, kl.Dense(2, name="head")(kl.LayerNormalization(name="layer_norm")(y)))


def images(k):
    kl = k.layers
    x = k.Input((6, 6, 2), name="x")
    y = kl.Conv2D(3, 3, padding="same", name="conv")(x)
    y = kl.MaxPooling2D(2, name="pool")(y)
    return k.Model(x, kl.Dense(2, name="head")(kl.Flatten(name="flat")(y)))


def recurrent(k, *, mask=True, steps=5, class_name="GRU"):
    kl = k.layers
    x = k.Input((steps,), dtype="int32", name="ids")
    y = kl.Embedding(20, 4, mask_zero=mask, name="emb")(x)
    y = getattr(kl, class_name)(3, name="rnn")(y)
    return k.Model(x, kl.Dense(2, name="head")(y))


def unmasked(k):
    return recurrent(k, mask=False)


def bidirectional(k):
    kl = k.layers
    x = k.Input((4, 3), name="x")
    y = kl.Bidirectional(kl.GRU(3), merge_mode="sum", name="both")(x)
    return k.Model(x, kl.Dense(2, name="head")(y))


def nested_model(k, *, zero=False):
    kl = k.layers
    inner = k.Sequential(
        [k.Input((4,)), kl.Dense(5, activation="tanh", name="inside")], name="inner"
    )
    x = k.Input((4,), name="x")
    model = k.Model(x, kl.Dense(2, name="head")(inner(x)))
    if zero:
        model.get_layer("head").set_weights([np.zeros((5, 2), "float32"), np.zeros(2, "float32")])
    return model


def zero_behind_nested(k):
    return nested_model(k, zero=True)


def noisy(k):
    """A sampling layer of a VAE, as many write it."""
    import tensorflow as tf

    kl = k.layers
    x = k.Input((4,), name="x")
    mean = kl.Dense(3, name="mean")(x)
    sample = lambda_layer(kl, lambda t: t + tf.random.normal(tf.shape(t)), "sample", (3,))(mean)
    return k.Model(x, kl.Dense(2, name="head")(sample))


def beside_noise(k):
    """One output that draws noise, and one that does not."""
    model = noisy(k)
    y = k.layers.Dense(2, name="quiet")(model.get_layer("mean").output)
    return k.Model(model.input, [model.output, y])


def clipped(k, *, limit):
    """What only large numbers show."""
    kl = k.layers
    x = k.Input((4,), name="x")
    y = kl.ReLU(max_value=limit, name="limit")(x)
    return k.Model(x, kl.Dense(2, name="head")(y))


def many_ids(k):
    kl = k.layers
    x = k.Input((5,), dtype="float32", name="ids")
    y = kl.Embedding(50, 3, name="emb")(x)
    z = kl.Dense(2, name="head")(kl.Flatten(name="flat")(y))
    last = kl.ReLU(threshold=48.5, name="last")(x)
    return k.Model(x, kl.Concatenate(name="join")([z, last]))


def long_only(k):
    """A sum over time that only long sequences take beyond its limit."""
    kl = k.layers
    x = k.Input((None, 2), name="x")
    y = kl.ReLU(max_value=1.0, name="unit")(kl.ReLU(name="positive")(x))
    sums = lambda_layer(kl, total, "sum", (2,))(y)
    return k.Model(x, kl.ReLU(max_value=60.0, name="limit")(sums))


def total(tensor):
    import tensorflow as tf

    return tf.reduce_sum(tensor, 1)


def small_only(k):
    """A threshold that only small numbers meet."""
    kl = k.layers
    x = k.Input((40,), name="x")
    y = lambda_layer(kl, largest, "size", (1,))(x)
    return k.Model(x, kl.ReLU(threshold=0.1, name="limit")(y))


def largest(tensor):
    import tensorflow as tf

    return tf.reduce_max(tf.abs(tensor), -1, keepdims=True)


def of_rows(k):
    """A sum over the batch that only many rows take beyond a limit."""
    kl = k.layers
    x = k.Input((2,), name="x")
    y = lambda_layer(kl, over_rows, "rows", (1,))(x)
    return k.Model(x, kl.ReLU(max_value=50.0, name="limit")(y))


def over_rows(tensor):
    import tensorflow as tf

    ones = tf.ones_like(tensor[:, :1])
    return tf.cumsum(ones) + 0.1 * tf.tanh(tensor[:, :1])


def counted(k):
    """Zeros among ids, counted: only a row wholly padded has five."""
    kl = k.layers
    x = k.Input((5,), dtype="float32", name="ids")
    y = kl.GlobalAveragePooling1D(name="pool")(kl.Embedding(50, 3, name="emb")(x))
    zeros = lambda_layer(kl, zeros_of, "zeros", (1,))(x)
    return k.Model(x, kl.Concatenate(name="join")([y, kl.ReLU(threshold=4.5, name="all")(zeros)]))


def zeros_of(ids):
    import tensorflow as tf

    return tf.reduce_sum(tf.cast(tf.equal(ids, 0.0), "float32"), -1, keepdims=True)


def longer_than_one(k):
    """What only a sequence of one step shows."""
    kl = k.layers
    x = k.Input((None, 2), name="x")
    ones = lambda_layer(kl, steps_of, "steps", (2,))(x)
    return k.Model(x, kl.ReLU(threshold=1.5, name="more")(ones))


def steps_of(tensor):
    import tensorflow as tf

    return tf.reduce_sum(tf.ones_like(tensor), 1) + 0.1 * tf.tanh(tensor[:, 0])


def dead_middle(k):
    """A layer that gives zeros, by its bias, before the head."""
    kl = k.layers
    x = k.Input((4,), name="x")
    middle = kl.Dense(3, activation="relu", name="middle")
    model = k.Model(x, kl.Dense(2, name="head")(middle(x)))
    middle.set_weights([np.zeros((4, 3), "float32"), np.full(3, -5.0, "float32")])
    return model


def with_other_weights(name, bias):
    """Put a new layer in the place of one, which gives other weights and the same outputs."""

    def edit(graph):
        old = graph.layer(name)
        config = {**old.config, "kernel_initializer": "zeros", "bias_initializer": bias}
        return graph.replace(name, replace(old, config=config, origin=None), reason="to be caught")

    return edit


def silent_rnn(k):
    """A recurrent layer of zeros: what it gives does not tell whether it had a mask."""
    model = recurrent(k, class_name="SimpleRNN", steps=5)
    rnn = model.get_layer("rnn")
    rnn.set_weights([each * 0 for each in rnn.get_weights()])
    return model


def typed(k):
    """An output whose values another type holds as well."""
    model = dense(k)
    return k.Model(
        model.input, lambda_layer(k.layers, lambda t: 1.0 * t, "typed", (2,))(model.output)
    )


def lowest(k):
    """What only numbers show that are all positive."""
    import tensorflow as tf

    kl = k.layers
    x = k.Input((12,), name="x")
    least = lambda_layer(kl, lambda t: tf.reduce_min(t, -1, keepdims=True), "least", (1,))(x)
    limit = kl.ReLU(max_value=1.0, name="limit")(least)
    return k.Model(x, kl.Concatenate(name="join")([kl.Dense(2, name="head")(x), limit]))


def integers(k):
    """An output of integers, of which none is another one."""
    import tensorflow as tf

    model = dense(k, units=3)
    y = lambda_layer(k.layers, lambda t: tf.cast(4 * t, "int32"), "whole", (3,))(model.output)
    return k.Model(model.input, y)


def unscaled(k):
    """Integers of which nothing tells how many there are, beside numbers."""
    kl = k.layers
    x, z = k.Input((3,), dtype="uint8", name="x"), k.Input((3,), name="z")
    y = kl.Rescaling(1.0, name="scale")(lambda_layer(kl, lambda t: t, "same", (3,))(x))
    limit = kl.ReLU(max_value=100.0, name="limit")(y)
    return k.Model([x, z], kl.Concatenate(name="join")([limit, kl.Dense(2, name="head")(z)]))


def stateful(k):
    kl = k.layers
    kind = {"batch_shape": (2, 3, 2)} if k.__name__ == "keras" else {"batch_input_shape": (2, 3, 2)}
    return k.Sequential(
        [
            kl.InputLayer(**kind),
            kl.SimpleRNN(3, stateful=True, name="rnn"),
            kl.Dense(1, name="head"),
        ]
    )


def shared(k):
    """One layer, called twice."""
    kl = k.layers
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    one = kl.Dense(3, activation="tanh", name="hidden")
    return k.Model([a, b], kl.Concatenate(name="join")([one(a), one(b)]))


def pooled_mask(k):
    kl = k.layers
    x = k.Input((5, 3), name="x")
    y = kl.Masking(0.0, name="masking")(x)
    return k.Model(x, kl.GRU(2, name="rnn")(y))


def always_noisy(k):
    """A chain with dropout that is drawn at inference too, by ``training=True``."""
    from rewriter.layers import keras2, keras3

    kl = k.layers
    module = keras2 if k.__name__ == "tf_keras" else keras3
    x = k.Input((8,), name="x")
    y = kl.Dense(8, name="hidden")(x)
    y = module.DynamicDropout(0.5, always_on=True, name="drop")(y)
    return k.Model(x, kl.Dense(2, name="head")(y))


def square(k):
    """A model whose hidden layer can be taken out."""
    kl = k.layers
    x = k.Input((4,), name="x")
    y = kl.Dense(4, activation="tanh", name="hidden")(x)
    return k.Model(x, kl.Dense(2, name="head")(y))


def zero_square(k):
    model = square(k)
    model.get_layer("head").set_weights([np.zeros((4, 2), "float32"), np.zeros(2, "float32")])
    return model


WRONG = [
    # What any comparison of outputs shows
    Wrong("another activation", dense, configure("hidden", activation="relu")),
    Wrong("a layer taken out", square, remove("hidden")),
    Wrong("a layer too many", dense, insert("hidden", "Rescaling", {"scale": 1.01, "offset": 0.0})),
    Wrong("a layer with new weights", dense, insert("hidden", "Dense", {"units": 6})),
    Wrong("another epsilon", normalised, configure("norm", epsilon=1.001e-3)),
    Wrong("another layer norm", normalised, configure("layer_norm", epsilon=1e-2)),
    Wrong("branches swapped", two_inputs, swap_holes("minus")),
    Wrong("another padding", images, configure("conv", padding="same", dilation_rate=[2, 2])),
    Wrong("another merge", bidirectional, configure("both", merge_mode="ave")),
    Wrong("a shared layer", shared, configure("hidden", activation="relu")),
    Wrong("a stateful layer", stateful, configure("rnn", activation="relu")),
    Wrong("sequences reversed", recurrent, configure("rnn", go_backwards=True)),
    Wrong("another gate", recurrent, configure("rnn", recurrent_activation="hard_sigmoid")),
    Wrong("an inner layer", nested_model, nested("inner", configure("inside", activation="relu"))),
    Wrong("another tensor as output", square, rewire_output("hidden")),
    # Outputs that say nothing
    Wrong("before a zero head", zero_head, configure("hidden", activation="relu")),
    Wrong("a zero head itself", zero_head, configure("head", activation="sigmoid")),
    Wrong("layer out before a zero head", zero_square, remove("hidden")),
    Wrong("before a saturated head", saturated, configure("hidden", activation="relu")),
    Wrong("a saturated head itself", saturated, configure("head", activation="hard_sigmoid")),
    Wrong("two values of a head", very_saturated, configure("hidden", activation="softsign")),
    Wrong("before a dead relu", dead_relu, configure("hidden", activation="relu")),
    Wrong("before NaN", not_a_number, configure("hidden", activation="relu")),
    Wrong("NaN itself", not_a_number, configure("head", activation="relu")),
    Wrong("before infinity", infinite, configure("hidden", activation="softsign")),
    Wrong("one of two outputs says nothing", one_zero_output, configure("two", activation="tanh")),
    Wrong(
        "in a nested model",
        zero_behind_nested,
        nested("inner", configure("inside", activation="relu")),
    ),
    # Outputs that hide
    Wrong("other weights behind zeros", dead_middle, with_other_weights("middle", "zeros")),
    Wrong("what integers hide", integers, configure("hidden", activation="softsign")),
    Wrong("what argmax hides", argmax, configure("head", activation="tanh")),
    Wrong("what rounding hides", rounded, configure("hidden", activation="softsign")),
    Wrong("what words hide", words, configure("head", activation="tanh"), keras=(2,)),
    Wrong("tiny outputs", tiny, configure("hidden", activation="relu"), tolerance=1e-5),
    Wrong(
        "a small output beside a large one",
        huge_beside_small,
        insert("small", "Rescaling", {"scale": 1.001, "offset": 0.0}),
        tolerance=1e-5,
    ),
    # What only some inputs show
    Wrong(
        "at large scale", lambda k: clipped(k, limit=5_000.0), configure("limit", max_value=None)
    ),
    Wrong("from 0 to 255", lowest, configure("limit", max_value=None)),
    Wrong("at small scale", small_only, configure("limit", threshold=0.0)),
    Wrong(
        "negative numbers", lambda k: clipped(k, limit=None), configure("limit", negative_slope=0.1)
    ),
    Wrong("the last id", many_ids, configure("last", threshold=49.5)),
    Wrong("long sequences", long_only, configure("limit", max_value=None)),
    Wrong("a row wholly padded", counted, configure("all", threshold=99.0)),
    Wrong("one step alone", longer_than_one, configure("more", threshold=0.0)),
    Wrong("integers beyond 1", unscaled, configure("limit", max_value=None)),
    Wrong("64 rows", of_rows, configure("limit", max_value=None)),
    # Masks and padding
    Wrong("a mask dropped", recurrent, configure("emb", mask_zero=False), keras=(2,)),
    Wrong(
        "a mask behind which all is zero", silent_rnn, configure("emb", mask_zero=False), keras=(2,)
    ),
    Wrong("a mask made", unmasked, configure("emb", mask_zero=True)),
    Wrong("another masked value", pooled_mask, configure("masking", mask_value=1.0)),
    Wrong(
        "unpadded rows too",
        unmasked,
        configure("rnn", go_backwards=True),
        guarantee=Guarantee.SAME_WHERE_UNPADDED,
    ),
    # Structure
    Wrong("outputs in another order", two_outputs, set_outputs(lambda out: out[::-1])),
    Wrong("equal outputs in another order", equal_outputs, set_outputs(lambda out: out[::-1])),
    Wrong("an output dropped", two_outputs, set_outputs(lambda out: out[:1])),
    Wrong("an output twice", two_outputs, set_outputs(lambda out: [out[0], out[0]])),
    Wrong("other keys", dict_outputs, set_outputs(lambda out: {"p": out["p"], "r": out["q"]})),
    Wrong("another dtype", typed, unlisted(configure("typed", dtype="float64")), keras=(3,)),
    Wrong("keys swapped", dict_outputs, set_outputs(lambda out: {"p": out["q"], "q": out["p"]})),
    # Noise
    Wrong("before noise of its own", noisy, configure("mean", activation="tanh")),
    Wrong("behind noise of its own", noisy, configure("head", activation="tanh")),
    Wrong("beside noise of its own", beside_noise, configure("quiet", activation="tanh")),
    Wrong("another rate at inference", always_noisy, configure("drop", rate=0.25)),
]


def insert_dropout(name):
    return insert(name, "Dropout", {"rate": 0.5})


def insert_linear(name):
    return insert(name, "Activation", {"activation": "linear"})


def settings(name):
    """Change what shows in training alone."""
    return configure(name, kernel_regularizer=None, kernel_initializer="zeros")


def dropout_output(k):
    """A model whose output is a noise layer: without it, the output has another name."""
    model = dense(k)
    return k.Model(model.input, k.layers.Dropout(0.5, name="last")(model.output))


def constant(k):
    """An output that is the same whatever the weights."""
    model = dense(k)
    return k.Model(model.input, k.layers.Rescaling(0.0, name="nothing")(model.output))


@dataclass(frozen=True)
class Right(Wrong):
    """A right pass on a model that is hard to compare, and by what its outputs are compared."""

    by: tuple[str, ...] = ("values",)


INNER, WEIGHTS, NOISE = ("inner tensors",), ("other weights",), ("distribution",)
RIGHT = [
    Right("a plain model", dense, insert_dropout("hidden")),
    Right("settings of training", dense, settings("hidden")),
    Right("a layer that gives what it gets", dense, insert_linear("hidden")),
    Right("noise as the output", dropout_output, remove("last")),
    Right("a zero head", zero_head, insert_dropout("hidden"), by=INNER),
    Right("noise behind a zero head", zero_head, insert_dropout("head"), by=WEIGHTS),
    Right("a layer behind a zero head", zero_head, insert_linear("head"), by=WEIGHTS),
    Right("a zero head and a square layer", zero_square, insert_linear("hidden"), by=INNER),
    Right("a saturated head", saturated, insert_dropout("hidden"), by=INNER),
    Right("noise behind a saturated head", saturated, insert_dropout("head"), by=WEIGHTS),
    Right("a head of two values", very_saturated, insert_dropout("hidden"), by=INNER),
    Right("a dead relu", dead_relu, insert_dropout("hidden"), by=INNER),
    Right("noise behind a dead relu", dead_relu, insert_dropout("head"), by=WEIGHTS),
    Right("a dead layer in the middle", dead_middle, insert_dropout("head"), by=WEIGHTS),
    Right("NaN", not_a_number, insert_dropout("hidden"), by=INNER),
    Right("noise behind NaN", not_a_number, insert_dropout("head"), by=WEIGHTS),
    Right("infinity", infinite, insert_dropout("hidden"), by=INNER),
    Right("tiny outputs", tiny, insert_dropout("hidden"), tolerance=1e-5),
    Right(
        "a large and a small output",
        huge_beside_small,
        insert_dropout("hidden"),
        tolerance=1e-5,
        by=("values", "values"),
    ),
    Right(
        "one zero output", one_zero_output, insert_dropout("hidden"), by=("values", "inner tensors")
    ),
    Right(
        "a nested model with a zero head",
        zero_behind_nested,
        nested("inner", insert_dropout("inside")),
        by=INNER,
    ),
    Right("argmax", argmax, insert_dropout("hidden"), by=INNER),
    Right("noise before argmax", argmax, insert_dropout("head"), by=INNER),
    Right("argmax within a tolerance", argmax, insert_dropout("hidden"), tolerance=1e-5, by=INNER),
    Right("rounded", rounded, insert_dropout("hidden"), by=INNER),
    Right("integers", integers, insert_dropout("head"), by=INNER),
    Right("words", words, insert_dropout("head"), by=INNER, keras=(2,)),
    Right("noise of its own", noisy, insert_dropout("mean"), by=INNER),
    Right("noise behind noise of its own", noisy, insert_dropout("head"), by=NOISE),
    Right(
        "beside noise of its own",
        beside_noise,
        insert_dropout("mean"),
        by=("inner tensors", "values"),
    ),
    Right("dropout that is always on", always_noisy, insert_dropout("hidden")),
    Right("equal outputs", equal_outputs, insert_dropout("hidden"), by=("values", "values")),
    Right("outputs by key", dict_outputs, insert_dropout("hidden"), by=("values", "values")),
    Right("two inputs", two_inputs, insert_dropout("minus")),
    Right("images", images, insert_dropout("pool")),
    Right("normalisation", normalised, insert_dropout("norm")),
    Right("a mask", recurrent, insert_dropout("emb")),
    Right(
        "a mask switched on",
        unmasked,
        configure("emb", mask_zero=True),
        guarantee=Guarantee.SAME_WHERE_UNPADDED,
    ),
    Right("a recurrent layer of zeros", silent_rnn, insert_dropout("emb"), by=INNER),
    Right("both directions", bidirectional, insert_dropout("both")),
    Right("a masked value", pooled_mask, insert_dropout("masking")),
    Right("a stateful layer", stateful, insert_dropout("rnn")),
    Right("a shared layer", shared, insert_dropout("join")),
    Right("ids", many_ids, insert_dropout("emb"), by=INNER),
    Right("integers up to 255", unscaled, insert_dropout("scale")),
    Right("long sequences", long_only, insert_dropout("positive")),
    Right("rows that count each other", of_rows, insert_dropout("rows")),
]
