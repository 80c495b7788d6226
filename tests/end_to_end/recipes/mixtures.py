"""Mixtures, tied and inverted layers, metric learning and heads by name, as practitioners do."""

from __future__ import annotations

import numpy as np

from recipes.register import ids, numbers, operations, recipe


@recipe
def mixture_of_experts(k):
    """Experts side by side, weighted by a gate that is noisy in training."""
    layers = k.layers
    x = layers.Input((6,), name="x")
    gate = layers.GaussianNoise(0.1, name="jitter")(layers.Dense(3, name="gate")(x))
    weights = layers.Reshape((3, 1), name="weights")(layers.Softmax(name="chosen")(gate))
    experts = [
        layers.Reshape((1, 4), name=f"row{number}")(
            layers.Dropout(0.2, name=f"drop{number}")(
                layers.Dense(4, activation="relu", name=f"expert{number}")(x)
            )
        )
        for number in range(3)
    ]
    y = layers.Multiply(name="weighted")([layers.Concatenate(1, name="stack")(experts), weights])
    return k.Model(x, layers.Dense(1, name="out")(layers.Flatten()(y))), {"x": numbers(6)}


def own_transposed(k):
    @k.saving.register_keras_serializable("recipes")
    class Transposed(k.layers.Layer):
        """Multiplies with the transposed kernel of a Dense layer that it is given."""

        def __init__(self, dense, **kwargs):
            super().__init__(**kwargs)
            self.dense = dense

        def call(self, inputs):
            import tensorflow as tf

            kernel = tf.convert_to_tensor(self.dense.kernel)
            return tf.matmul(inputs, kernel, transpose_b=True)

        def compute_output_shape(self, shape):
            return (*shape[:-1], 8)

        def get_config(self):
            return {**super().get_config(), "dense": k.layers.serialize(self.dense)}

        @classmethod
        def from_config(cls, config):
            return cls(k.layers.deserialize(config.pop("dense")), **config)

        def build(self, shape):
            if not self.dense.built:
                self.dense.build((None, 8))
            super().build(shape)

    return Transposed


@recipe
def autoencoder_with_tied_dense(k):
    layers = k.layers
    x = layers.Input((8,), name="x")
    dense = layers.Dense(3, activation="relu", name="code")
    code = dense(layers.Dropout(0.2, name="corrupt")(x))
    y = own_transposed(k)(dense, name="back")(layers.Dropout(0.1, name="drop")(code))
    return k.Model(x, layers.Activation("sigmoid", name="out")(y)), {"x": numbers(8)}


@recipe
def coupling_flow(k):
    """Two steps of a normalizing flow: halves scale and shift one another."""
    layers, ops = k.layers, operations(k)
    x = layers.Input((6,), name="x")
    one, other = x[:, :3], x[:, 3:]
    logs = []
    for number in range(2):
        hidden = layers.Dense(8, activation="relu", name=f"hidden{number}")(one)
        hidden = layers.Dropout(0.1, name=f"drop{number}")(hidden)
        scale = layers.Dense(3, activation="tanh", name=f"scale{number}")(hidden)
        other = other * ops.exp(scale) + layers.Dense(3, name=f"shift{number}")(hidden)
        logs.append(scale)
        one, other = other, one
    z = layers.Concatenate(name="z")([one, other])
    log = layers.Dense(1, use_bias=False, name="log")(layers.Concatenate()(logs))
    return k.Model(x, [z, log]), {"x": numbers(6)}


def squeezed(k, y, filters, name):
    layers = k.layers
    weights = layers.GlobalAveragePooling2D(name=f"{name}_mean")(y)
    weights = layers.Dense(filters // 2, activation="relu", name=f"{name}_squeeze")(weights)
    weights = layers.Dense(filters, activation="sigmoid", name=f"{name}_excite")(weights)
    weights = layers.Reshape((1, 1, filters), name=f"{name}_shape")(weights)
    return layers.Multiply(name=f"{name}_scale")([y, weights])


@recipe
def se_resnet(k):
    layers = k.layers
    x = layers.Input((10, 10, 3), name="image")
    y = layers.Conv2D(4, 3, use_bias=False, name="stem")(layers.ZeroPadding2D(1)(x))
    for name, stride in (("one", 1), ("two", 2)):
        more = layers.BatchNormalization(name=f"{name}_norm")(
            layers.Conv2D(4, 3, stride, padding="same", use_bias=False, name=f"{name}_conv")(y)
        )
        more = squeezed(k, layers.Activation("swish", name=f"{name}_act")(more), 4, name)
        around = layers.Conv2D(4, 1, stride, name=f"{name}_around")(y) if stride > 1 else y
        more = layers.Dropout(0.2, noise_shape=(None, 1, 1, 1), name=f"{name}_depth")(more)
        y = layers.Add(name=f"{name}_add")([around, more])
    y = layers.GlobalMaxPooling2D()(layers.SpatialDropout2D(0.1, name="maps")(y))
    return k.Model(x, layers.Dense(2, name="out")(y)), {"image": numbers(10, 10, 3)}


@recipe
def capsules(k):
    """Vectors whose lengths are answers, squashed by a Lambda as in the tutorials."""
    layers = k.layers
    x = layers.Input((8, 8, 1), name="image")
    y = layers.Conv2D(8, 3, strides=2, activation="relu", name="conv")(x)
    y = layers.Reshape((-1, 4), name="vectors")(layers.Dropout(0.1, name="drop")(y))
    y = layers.Lambda(lambda v: v / (1.0 + abs(v)), output_shape=(18, 4), name="squash")(y)
    y = layers.Permute((2, 1), name="turn")(y)
    return k.Model(x, layers.Dense(3, name="out")(layers.Flatten(name="flat")(y))), {
        "image": numbers(8, 8, 1)
    }


@recipe
def deep_fm(k):
    """First order, pairwise and deep parts of the same embedded fields, added."""
    layers, ops = k.layers, operations(k)
    fields = [layers.Input((1,), dtype="int32", name=name) for name in ("user", "item", "hour")]
    first = [layers.Flatten()(layers.Embedding(9, 1, name=f"{x.name}_bias")(x)) for x in fields]
    tables = [layers.Embedding(9, 4, name=f"{x.name}_table")(x) for x in fields]
    y = layers.Concatenate(1, name="fields")(tables)
    total = layers.Dense(1, use_bias=False, name="pairs")(
        ops.square(layers.Flatten()(layers.GlobalAveragePooling1D(name="mean")(y)))
    )
    deep = layers.Flatten(name="flat")(y)
    for number in range(2):
        deep = layers.Dense(6, activation="relu", name=f"deep{number}")(deep)
        deep = layers.Dropout(0.3, name=f"drop{number}")(
            layers.BatchNormalization(name=f"norm{number}")(deep)
        )
    y = layers.Add(name="sum")([*first, total, layers.Dense(1, name="deep")(deep)])
    model = k.Model(fields, layers.Activation("sigmoid", name="clicked")(y))
    model.compile(k.optimizers.Adam(0.01), "binary_crossentropy", metrics=["AUC"])
    return model, {name: ids(9, 1, seed) for seed, name in enumerate(("user", "item", "hour"))}


@recipe
def metric_learning(k):
    """Anchor, positive and negative through one network, to vectors of length one."""
    layers, ops = k.layers, operations(k)
    x = layers.Input((8, 8, 1))
    y = layers.Dropout(0.2, name="maps")(layers.Conv2D(4, 3, activation="relu", name="conv")(x))
    y = layers.Dense(6, name="project")(layers.Flatten()(y))
    unit = layers.UnitNormalization(name="unit")(layers.Dropout(0.1, name="drop")(y))
    network = k.Model(x, unit, name="network")
    names = ("anchor", "positive", "negative")
    given = [layers.Input((8, 8, 1), name=name) for name in names]
    one, two, three = (network(each) for each in given)
    near, far = (layers.Dot(1, name=name)([one, b]) for name, b in (("near", two), ("far", three)))
    y = ops.maximum(far - near + 0.2, 0.0)
    data = {name: np.roll(numbers(8, 8, 1), at, 0) for at, name in enumerate(names)}
    return k.Model(given, layers.Dense(1, use_bias=False, name="margin")(y)), data


@recipe
def output_of_keras_tuner(k):
    """What a tuner built: its choices decide the layers, named by counting."""
    from keras_tuner import HyperParameters

    hp, layers = HyperParameters(), k.layers
    model = k.Sequential([layers.Input((7, 4), name="x")])
    for number in range(hp.Int("layers", 1, 3, default=2)):
        model.add(layers.LSTM(hp.Int(f"units_{number}", 4, 8, default=4), return_sequences=True))
        if hp.Boolean("normalize", default=True):
            model.add(layers.BatchNormalization())
        model.add(layers.Dropout(hp.Float("dropout", 0.0, 0.5, default=0.3)))
    model.add(layers.GlobalAveragePooling1D())
    model.add(layers.Dense(1))
    model.compile(k.optimizers.Adam(hp.Float("rate", 1e-4, 1e-2, default=1e-3)), "mse")
    return model, {"x": numbers(7, 4)}


@recipe
def heads_by_name(k):
    """Several tasks, losses and weights by the keys of a dict; a nested trunk gives two tensors."""
    layers = k.layers
    x = layers.Input((6, 4))
    sequence = layers.GRU(5, return_sequences=True, name="gru")(x)
    trunk = k.Model(
        x,
        [layers.Dropout(0.2, name="steps")(sequence), layers.GlobalMaxPooling1D()(sequence)],
        name="trunk",
    )
    given = {"features": layers.Input((6, 4), name="features")}
    steps, whole = trunk(given["features"])
    outputs = {
        "tags": layers.TimeDistributed(layers.Dense(3, activation="softmax"), name="tags")(steps),
        "score": layers.Dense(1, name="score")(layers.Dropout(0.3, name="score_drop")(whole)),
    }
    model = k.Model(given, outputs)
    losses = {"tags": "categorical_crossentropy", "score": "mse"}
    model.compile("sgd", loss=losses, loss_weights={"tags": 1.0, "score": 0.5})
    return model, {"features": numbers(6, 4)}


@recipe
def noise_of_every_kind(k):
    """Each noise layer in a row of branches, one of them inside TimeDistributed."""
    layers = k.layers
    x = layers.Input((5, 4), name="x")
    kinds = [
        layers.AlphaDropout(0.1, name="alpha"),
        layers.GaussianDropout(0.1, name="gaussian"),
        layers.GaussianNoise(0.1, name="added"),
        layers.SpatialDropout1D(0.1, name="spatial"),
        layers.TimeDistributed(layers.Dropout(0.1, noise_shape=(None, 1)), name="each"),
    ]
    branches = [
        layers.SimpleRNN(3, return_sequences=True, name=f"rnn{at}")(kind(x))
        for at, kind in enumerate(kinds)
    ]
    y = layers.Average(name="average")([layers.BatchNormalization()(y) for y in branches])
    return k.Model(x, layers.Dense(1, name="out")(layers.Flatten()(y))), {"x": numbers(5, 4)}


@recipe
def video_frames(k):
    """An image network on each frame, then a recurrent layer over their vectors."""
    layers = k.layers
    frame = k.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Dropout(0.1),
            layers.GlobalAveragePooling2D(),
        ],
        name="frame",
    )
    x = layers.Input((None, 8, 8, 1), name="film")
    y = layers.TimeDistributed(frame, name="frames")(x)
    y = layers.TimeDistributed(layers.Dense(4, activation="relu"), name="reduce")(y)
    y = layers.Bidirectional(layers.LSTM(3, dropout=0.2), merge_mode="sum", name="both")(
        layers.TimeDistributed(layers.Dropout(0.2), name="noise")(y)
    )
    return k.Model(x, layers.Dense(2, name="out")(y)), {"film": numbers(3, 8, 8, 1)}


CUSTOM = (own_transposed,)
