"""Models of images, tables and parts of larger systems, as practitioners write them."""

from __future__ import annotations

import numpy as np
from recipes.register import ids, numbers, recipe, words


@recipe
def small_cnn(k):
    L = k.layers
    model = k.Sequential([L.Input((12, 12, 1), name="image")])
    for filters in (4, 6):
        model.add(L.Conv2D(filters, 3, activation="relu", padding="same"))
        model.add(L.BatchNormalization())
        model.add(L.MaxPooling2D())
        model.add(L.Dropout(0.25))
    model.add(L.Flatten())
    model.add(L.Dense(3, activation="softmax", name="out"))
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model, {"image": numbers(12, 12, 1)}


@recipe
def u_net(k):
    L = k.layers
    x = L.Input((16, 16, 1), name="image")
    one = L.Conv2D(4, 3, padding="same", activation="relu", name="one")(x)
    y = L.Dropout(0.1, name="low")(L.Conv2D(6, 3, padding="same", name="two")(L.MaxPooling2D()(one)))
    y = L.Conv2DTranspose(4, 2, strides=2, name="up")(L.BatchNormalization(name="norm")(y))
    y = L.SpatialDropout2D(0.1, name="high")(L.Concatenate(name="join")([one, y]))
    return k.Model(x, L.Conv2D(1, 1, name="out")(y)), {"image": numbers(16, 16, 1)}


@recipe
def residual_net(k):
    L = k.layers
    x = L.Input((8, 8, 3), name="image")
    y = L.Conv2D(4, 3, padding="same")(x)
    for number in range(2):
        more = L.Conv2D(4, 3, padding="same", use_bias=False, name=f"conv{number}")(y)
        more = L.ReLU()(L.BatchNormalization(name=f"norm{number}")(more))
        y = L.Add()([y, L.Dropout(0.2, name=f"drop{number}")(more)])
    y = L.GlobalAveragePooling2D()(y)
    return k.Model(x, L.Dense(2, name="out")(y)), {"image": numbers(8, 8, 3)}


@recipe
def separable_net(k):
    L = k.layers
    x = L.Input((8, 8, 3), name="image")
    y = L.Rescaling(1 / 255)(x)
    y = L.SeparableConv2D(4, 3, name="one")(L.RandomFlip(name="flip")(y))
    y = L.DepthwiseConv2D(3, name="two")(L.GaussianNoise(0.1, name="noise")(y))
    y = L.Flatten()(y)
    return k.Model(x, L.Dense(2, name="out")(L.AlphaDropout(0.1)(y))), {"image": numbers(8, 8, 3)}


@recipe
def two_towers_with_lookups(k):
    L = k.layers
    user = L.Input((), dtype="string", name="user")
    item = L.Input((), dtype="string", name="item")
    towers = []
    for name, given in (("user", user), ("item", item)):
        y = L.StringLookup(vocabulary=["a", "b", "c"], name=f"{name}_ids")(given)
        y = L.Embedding(4, 6, name=f"{name}_table")(y)
        towers.append(L.Dense(4, name=f"{name}_out")(L.Dropout(0.1, name=f"{name}_drop")(y)))
    model = k.Model([user, item], L.Dot(1, name="score")(towers))
    return model, {"user": words(1)[:, 0], "item": words(1)[:, 0]}


@recipe
def wide_and_deep(k):
    L = k.layers
    given = {"age": L.Input((1,), name="age"), "job": L.Input((1,), dtype="int32", name="job")}
    wide = L.CategoryEncoding(9, output_mode="one_hot", name="crossed")(given["job"])
    deep = L.Flatten()(L.Embedding(9, 4, name="table")(given["job"]))
    deep = L.Dropout(0.2, name="drop")(L.Dense(6, activation="relu")(L.Concatenate()([deep, given["age"]])))
    y = L.Concatenate(name="join")([wide, deep])
    model = k.Model(given, {"buys": L.Dense(1, name="buys")(y), "stays": L.Dense(1, name="stays")(y)})
    model.compile("adam", {"buys": "mse", "stays": "mse"})
    return model, {"age": numbers(1), "job": ids(9, 1)}


@recipe
def normalized_table(k):
    L = k.layers
    x = L.Input((5,), name="x")
    y = L.Normalization(mean=0.5, variance=2.0, name="normal")(x)
    for number in range(2):
        y = L.Dense(8, kernel_regularizer="l2", name=f"dense{number}")(y)
        y = L.Activation("relu")(L.BatchNormalization(name=f"norm{number}")(L.Dropout(0.1)(y)))
    return k.Model(x, L.Dense(1, name="out")(y)), {"x": numbers(5)}


@recipe
def self_normalizing(k):
    L = k.layers
    model = k.Sequential([L.Input((5,), name="x")])
    for _ in range(3):
        model.add(L.Dense(8, activation="selu", kernel_initializer="lecun_normal"))
        model.add(L.AlphaDropout(0.1))
    model.add(L.Dense(1, name="out"))
    return model, {"x": numbers(5)}


def sampling(k):
    @k.saving.register_keras_serializable("recipes")
    class Middle(k.layers.Layer):
        """Gives the mean of a distribution; its loss is the distance from a normal one."""

        def call(self, inputs):
            mean, spread = inputs
            return mean + 0.0 * spread

        def compute_output_shape(self, shapes):
            return shapes[0]

    return Middle


@recipe
def variational_autoencoder(k):
    L = k.layers
    x = L.Input((8,), name="x")
    y = L.Dropout(0.1, name="noise")(L.Dense(6, activation="relu")(x))
    middle = sampling(k)(name="middle")([L.Dense(2, name="mean")(y), L.Dense(2, name="spread")(y)])
    encoder = k.Model(x, middle, name="encoder")
    z = L.Input((2,))
    decoder = k.Model(z, L.Dense(8)(L.Dropout(0.1)(L.Dense(6)(z))), name="decoder")
    outer = L.Input((8,), name="outer")
    return k.Model(outer, decoder(encoder(outer))), {"outer": numbers(8)}


@recipe
def discriminator(k):
    L = k.layers
    x = L.Input((8, 8, 1), name="image")
    y = L.GaussianNoise(0.1, name="blur")(x)
    for number in range(2):
        y = L.LeakyReLU()(L.Conv2D(4, 3, strides=2, padding="same", name=f"conv{number}")(y))
        y = L.Dropout(0.3, name=f"drop{number}")(y)
    return k.Model(x, L.Dense(1, name="real")(L.Flatten()(y))), {"image": numbers(8, 8, 1)}


@recipe
def generator(k):
    L = k.layers
    x = L.Input((6,), name="noise")
    y = L.Reshape((2, 2, 4))(L.BatchNormalization()(L.Dense(16, use_bias=False)(x)))
    y = L.LeakyReLU()(L.BatchNormalization()(L.Conv2DTranspose(4, 3, 2, padding="same")(y)))
    return k.Model(x, L.Conv2DTranspose(1, 3, 2, padding="same", activation="tanh")(y)), {
        "noise": numbers(6)
    }


@recipe
def denoising_autoencoder(k):
    L = k.layers
    x = L.Input((8,), name="x")
    y = L.Dense(4, activation="relu")(L.GaussianDropout(0.2, name="corrupt")(x))
    return k.Model(x, L.Dense(8, name="out")(L.ActivityRegularization(l1=0.01)(y))), {"x": numbers(8)}


@recipe
def frozen_base_with_a_new_head(k):
    L = k.layers
    x = L.Input((8, 8, 3))
    y = L.BatchNormalization()(L.Conv2D(4, 3, name="conv")(x))
    base = k.Model(x, L.Dropout(0.2, name="inside")(L.GlobalAveragePooling2D()(y)), name="base")
    base.trainable = False
    image = L.Input((8, 8, 3), name="image")
    y = L.Dropout(0.5, name="drop")(base(image, training=False))
    model = k.Model(image, L.Dense(2, name="out")(y))
    model.compile("adam", "mse")
    return model, {"image": numbers(8, 8, 3)}


def own_backbone(k):
    @k.saving.register_keras_serializable("recipes")
    class Backbone(k.Model):
        """A Functional model of a class of its own, whose config is its arguments."""

        def __init__(self, units=4, **kwargs):
            x = k.Input((5,), name="inner")
            y = k.layers.Dropout(0.2, name="inside")(k.layers.Dense(units, name="dense")(x))
            super().__init__(x, y, **kwargs)
            self.units = units

        def get_config(self):
            return {"units": self.units, "name": self.name, "trainable": self.trainable}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    return Backbone


@recipe
def backbone_by_arguments(k):
    x = k.Input((5,), name="x")
    return k.Model(x, k.layers.Dense(2, name="out")(own_backbone(k)(name="backbone")(x))), {
        "x": numbers(5)
    }


def own_head(k):
    @k.saving.register_keras_serializable("recipes")
    class TiedHead(k.layers.Layer):
        """Looks up backwards in an Embedding that it holds."""

        def __init__(self, table, **kwargs):
            super().__init__(**kwargs)
            self.table = table

        def call(self, inputs):
            return inputs * (1.0 + 0.0 * self.table.embeddings[0, 0])

        def compute_output_shape(self, shape):
            return shape

        def get_config(self):
            return {**super().get_config(), "table": k.layers.serialize(self.table)}

        @classmethod
        def from_config(cls, config):
            return cls(k.layers.deserialize(config.pop("table")), **config)

    return TiedHead


@recipe
def tied_head(k):
    L = k.layers
    tokens = L.Input((None,), dtype="int32", name="tokens")
    table = L.Embedding(20, 6, name="table")
    y = L.GRU(6, return_sequences=True, name="gru")(L.Dropout(0.1, name="drop")(table(tokens)))
    return k.Model(tokens, own_head(k)(table, name="head")(L.Dense(6)(y))), {"tokens": ids(20, 7)}


@recipe
def mixed_precision(k):
    L = k.layers
    x = L.Input((6, 4), name="x")
    y = L.GRU(5, dtype="mixed_float16", name="gru")(L.Dropout(0.2, dtype="mixed_float16")(x))
    return k.Model(x, L.Dense(2, dtype="float32", name="out")(y)), {"x": numbers(6, 4)}


@recipe
def shared_layers(k):
    L = k.layers
    pair = [L.Input((5,), name=name) for name in ("one", "two")]
    dense, drop = L.Dense(4, name="dense"), L.Dropout(0.3, name="drop")
    y = L.Concatenate()([drop(dense(each)) for each in pair])
    return k.Model(pair, L.Dense(1, name="out")(y)), {"one": numbers(5), "two": numbers(5)}


@recipe
def squeeze_and_excite(k):
    L = k.layers
    x = L.Input((8, 8, 4), name="image")
    y = L.GlobalAveragePooling2D(keepdims=True)(x)
    y = L.Dense(4, activation="sigmoid")(L.Dropout(0.1, name="drop")(L.Dense(2)(y)))
    y = L.GlobalMaxPooling2D()(L.Multiply()([x, y]))
    return k.Model(x, L.Dense(2, name="out")(y)), {"image": numbers(8, 8, 4)}


@recipe
def scaled_by_a_lambda(k):
    L = k.layers
    x = L.Input((6, 3), name="x")
    y = L.LSTM(4, return_sequences=True, name="lstm")(L.Dropout(0.2, name="drop")(x))
    y = L.Rescaling(2.0)(L.Permute((2, 1))(y))
    return k.Model(x, L.Dense(2, name="out")(L.Flatten()(y))), {"x": numbers(6, 3)}


@recipe
def operators(k):
    L = k.layers
    x = L.Input((5,), name="x")
    y = L.Dense(5, name="dense")(x)
    y = L.Dropout(0.2, name="drop")((y + x) * 0.5 - 1.0)
    return k.Model(x, L.Dense(1, name="out")(y)), {"x": numbers(5)}


@recipe
def many_outputs(k):
    L = k.layers
    x = L.Input((6, 3), name="x")
    y = L.GRU(4, return_sequences=True, name="gru")(x)
    heads = [L.Dense(1, name=name)(L.Dropout(0.1, name=f"{name}_drop")(y)) for name in "ab"]
    return k.Model(x, [*heads, L.GlobalMaxPooling1D(name="top")(y)]), {"x": numbers(6, 3)}


@recipe
def lora_and_int8(k):
    """In Keras 3, a layer with adapters beside one that was quantised; in Keras 2, plain."""
    L = k.layers
    x = L.Input((8,), name="x")
    one, two = L.Dense(8, name="adapted"), L.Dense(8, name="quantised")
    y = two(L.Dropout(0.1, name="drop")(one(x)))
    model = k.Model(x, L.Dense(2, name="out")(y))
    if hasattr(one, "enable_lora"):
        one.enable_lora(2)
        two.quantize("int8")
    return model, {"x": np.round(numbers(8), 2)}


CUSTOM = (sampling, own_backbone, own_head)
