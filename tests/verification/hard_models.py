"""Models that are hard to compare, each the smallest of its kind."""

from __future__ import annotations

import numpy as np


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


def dropout_output(k):
    """A model whose output is a noise layer: without it, the output has another name."""
    model = dense(k)
    return k.Model(model.input, k.layers.Dropout(0.5, name="last")(model.output))
