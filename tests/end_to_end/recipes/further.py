"""Models of images, tables and parts of larger systems, as practitioners write them."""

from __future__ import annotations

import numpy as np

from recipes.register import ids, numbers, recipe, words


@recipe
def small_cnn(k):
    layers = k.layers
    model = k.Sequential([layers.Input((12, 12, 1), name="image")])
    for filters in (4, 6):
        model.add(layers.Conv2D(filters, 3, activation="relu", padding="same"))
        model.add(layers.BatchNormalization())
        model.add(layers.MaxPooling2D())
        model.add(layers.Dropout(0.25))
    model.add(layers.Flatten())
    model.add(layers.Dense(3, activation="softmax", name="out"))
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model, {"image": numbers(12, 12, 1)}


@recipe
def u_net(k):
    layers = k.layers
    x = layers.Input((16, 16, 1), name="image")
    one = layers.Conv2D(4, 3, padding="same", activation="relu", name="one")(x)
    y = layers.Dropout(0.1, name="low")(
        layers.Conv2D(6, 3, padding="same", name="two")(layers.MaxPooling2D()(one))
    )
    y = layers.Conv2DTranspose(4, 2, strides=2, name="up")(
        layers.BatchNormalization(name="norm")(y)
    )
    y = layers.SpatialDropout2D(0.1, name="high")(layers.Concatenate(name="join")([one, y]))
    return k.Model(x, layers.Conv2D(1, 1, name="out")(y)), {"image": numbers(16, 16, 1)}


@recipe
def residual_net(k):
    layers = k.layers
    x = layers.Input((8, 8, 3), name="image")
    y = layers.Conv2D(4, 3, padding="same")(x)
    for number in range(2):
        more = layers.Conv2D(4, 3, padding="same", use_bias=False, name=f"conv{number}")(y)
        more = layers.ReLU()(layers.BatchNormalization(name=f"norm{number}")(more))
        y = layers.Add()([y, layers.Dropout(0.2, name=f"drop{number}")(more)])
    y = layers.GlobalAveragePooling2D()(y)
    return k.Model(x, layers.Dense(2, name="out")(y)), {"image": numbers(8, 8, 3)}


@recipe
def separable_net(k):
    layers = k.layers
    x = layers.Input((8, 8, 3), name="image")
    y = layers.Rescaling(1 / 255)(x)
    y = layers.SeparableConv2D(4, 3, name="one")(layers.RandomFlip(name="flip")(y))
    y = layers.DepthwiseConv2D(3, name="two")(layers.GaussianNoise(0.1, name="noise")(y))
    y = layers.Flatten()(y)
    return k.Model(x, layers.Dense(2, name="out")(layers.AlphaDropout(0.1)(y))), {
        "image": numbers(8, 8, 3)
    }


@recipe
def two_towers_with_lookups(k):
    layers = k.layers
    user = layers.Input((), dtype="string", name="user")
    item = layers.Input((), dtype="string", name="item")
    towers = []
    for name, given in (("user", user), ("item", item)):
        y = layers.StringLookup(vocabulary=["a", "b", "c"], name=f"{name}_ids")(given)
        y = layers.Embedding(4, 6, name=f"{name}_table")(y)
        towers.append(
            layers.Dense(4, name=f"{name}_out")(layers.Dropout(0.1, name=f"{name}_drop")(y))
        )
    model = k.Model([user, item], layers.Dot(1, name="score")(towers))
    return model, {"user": words(1)[:, 0], "item": words(1)[:, 0]}


@recipe
def wide_and_deep(k):
    layers = k.layers
    given = {
        "age": layers.Input((1,), name="age"),
        "job": layers.Input((1,), dtype="int32", name="job"),
    }
    wide = layers.CategoryEncoding(9, output_mode="one_hot", name="crossed")(given["job"])
    deep = layers.Flatten()(layers.Embedding(9, 4, name="table")(given["job"]))
    deep = layers.Dropout(0.2, name="drop")(
        layers.Dense(6, activation="relu")(layers.Concatenate()([deep, given["age"]]))
    )
    y = layers.Concatenate(name="join")([wide, deep])
    model = k.Model(
        given, {"buys": layers.Dense(1, name="buys")(y), "stays": layers.Dense(1, name="stays")(y)}
    )
    model.compile("adam", {"buys": "mse", "stays": "mse"})
    return model, {"age": numbers(1), "job": ids(9, 1)}


@recipe
def normalized_table(k):
    layers = k.layers
    x = layers.Input((5,), name="x")
    y = layers.Normalization(mean=0.5, variance=2.0, name="normal")(x)
    for number in range(2):
        y = layers.Dense(8, kernel_regularizer="l2", name=f"dense{number}")(y)
        y = layers.Activation("relu")(
            layers.BatchNormalization(name=f"norm{number}")(layers.Dropout(0.1)(y))
        )
    return k.Model(x, layers.Dense(1, name="out")(y)), {"x": numbers(5)}


@recipe
def self_normalizing(k):
    layers = k.layers
    model = k.Sequential([layers.Input((5,), name="x")])
    for _ in range(3):
        model.add(layers.Dense(8, activation="selu", kernel_initializer="lecun_normal"))
        model.add(layers.AlphaDropout(0.1))
    model.add(layers.Dense(1, name="out"))
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
    layers = k.layers
    x = layers.Input((8,), name="x")
    y = layers.Dropout(0.1, name="noise")(layers.Dense(6, activation="relu")(x))
    middle = sampling(k)(name="middle")(
        [layers.Dense(2, name="mean")(y), layers.Dense(2, name="spread")(y)]
    )
    encoder = k.Model(x, middle, name="encoder")
    z = layers.Input((2,))
    decoder = k.Model(z, layers.Dense(8)(layers.Dropout(0.1)(layers.Dense(6)(z))), name="decoder")
    outer = layers.Input((8,), name="outer")
    return k.Model(outer, decoder(encoder(outer))), {"outer": numbers(8)}


@recipe
def discriminator(k):
    layers = k.layers
    x = layers.Input((8, 8, 1), name="image")
    y = layers.GaussianNoise(0.1, name="blur")(x)
    for number in range(2):
        y = layers.LeakyReLU()(
            layers.Conv2D(4, 3, strides=2, padding="same", name=f"conv{number}")(y)
        )
        y = layers.Dropout(0.3, name=f"drop{number}")(y)
    return k.Model(x, layers.Dense(1, name="real")(layers.Flatten()(y))), {
        "image": numbers(8, 8, 1)
    }


@recipe
def generator(k):
    layers = k.layers
    x = layers.Input((6,), name="noise")
    y = layers.Reshape((2, 2, 4))(layers.BatchNormalization()(layers.Dense(16, use_bias=False)(x)))
    y = layers.LeakyReLU()(
        layers.BatchNormalization()(layers.Conv2DTranspose(4, 3, 2, padding="same")(y))
    )
    return k.Model(x, layers.Conv2DTranspose(1, 3, 2, padding="same", activation="tanh")(y)), {
        "noise": numbers(6)
    }


@recipe
def denoising_autoencoder(k):
    layers = k.layers
    x = layers.Input((8,), name="x")
    y = layers.Dense(4, activation="relu")(layers.GaussianDropout(0.2, name="corrupt")(x))
    return k.Model(x, layers.Dense(8, name="out")(layers.ActivityRegularization(l1=0.01)(y))), {
        "x": numbers(8)
    }


@recipe
def frozen_base_with_a_new_head(k):
    layers = k.layers
    x = layers.Input((8, 8, 3))
    y = layers.BatchNormalization()(layers.Conv2D(4, 3, name="conv")(x))
    base = k.Model(
        x, layers.Dropout(0.2, name="inside")(layers.GlobalAveragePooling2D()(y)), name="base"
    )
    base.trainable = False
    image = layers.Input((8, 8, 3), name="image")
    y = layers.Dropout(0.5, name="drop")(base(image, training=False))
    model = k.Model(image, layers.Dense(2, name="out")(y))
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

        def build(self, shape):
            if not self.table.built:
                self.table.build(None)
            super().build(shape)

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
    layers = k.layers
    tokens = layers.Input((None,), dtype="int32", name="tokens")
    table = layers.Embedding(20, 6, name="table")
    y = layers.GRU(6, return_sequences=True, name="gru")(
        layers.Dropout(0.1, name="drop")(table(tokens))
    )
    return k.Model(tokens, own_head(k)(table, name="head")(layers.Dense(6)(y))), {
        "tokens": ids(20, 7)
    }


@recipe
def mixed_precision(k):
    layers = k.layers
    x = layers.Input((6, 4), name="x")
    y = layers.GRU(5, dtype="mixed_float16", name="gru")(
        layers.Dropout(0.2, dtype="mixed_float16")(x)
    )
    return k.Model(x, layers.Dense(2, dtype="float32", name="out")(y)), {"x": numbers(6, 4)}


@recipe
def shared_layers(k):
    layers = k.layers
    pair = [layers.Input((5,), name=name) for name in ("one", "two")]
    dense, drop = layers.Dense(4, name="dense"), layers.Dropout(0.3, name="drop")
    y = layers.Concatenate()([drop(dense(each)) for each in pair])
    return k.Model(pair, layers.Dense(1, name="out")(y)), {"one": numbers(5), "two": numbers(5)}


@recipe
def squeeze_and_excite(k):
    layers = k.layers
    x = layers.Input((8, 8, 4), name="image")
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = layers.Dense(4, activation="sigmoid")(layers.Dropout(0.1, name="drop")(layers.Dense(2)(y)))
    y = layers.GlobalMaxPooling2D()(layers.Multiply()([x, y]))
    return k.Model(x, layers.Dense(2, name="out")(y)), {"image": numbers(8, 8, 4)}


@recipe
def scaled_by_a_lambda(k):
    layers = k.layers
    x = layers.Input((6, 3), name="x")
    y = layers.LSTM(4, return_sequences=True, name="lstm")(layers.Dropout(0.2, name="drop")(x))
    y = layers.Rescaling(2.0)(layers.Permute((2, 1))(y))
    return k.Model(x, layers.Dense(2, name="out")(layers.Flatten()(y))), {"x": numbers(6, 3)}


@recipe
def operators(k):
    layers = k.layers
    x = layers.Input((5,), name="x")
    y = layers.Dense(5, name="dense")(x)
    y = layers.Dropout(0.2, name="drop")((y + x) * 0.5 - 1.0)
    return k.Model(x, layers.Dense(1, name="out")(y)), {"x": numbers(5)}


@recipe
def many_outputs(k):
    layers = k.layers
    x = layers.Input((6, 3), name="x")
    y = layers.GRU(4, return_sequences=True, name="gru")(x)
    heads = [
        layers.Dense(1, name=name)(layers.Dropout(0.1, name=f"{name}_drop")(y)) for name in "ab"
    ]
    return k.Model(x, [*heads, layers.GlobalMaxPooling1D(name="top")(y)]), {"x": numbers(6, 3)}


@recipe
def lora_and_int8(k):
    """In Keras 3, a layer with adapters beside one that was quantised; in Keras 2, plain."""
    layers = k.layers
    x = layers.Input((8,), name="x")
    one, two = layers.Dense(8, name="adapted"), layers.Dense(8, name="quantised")
    y = two(layers.Dropout(0.1, name="drop")(one(x)))
    model = k.Model(x, layers.Dense(2, name="out")(y))
    if hasattr(one, "enable_lora"):
        one.enable_lora(2)
        two.quantize("int8")
    return model, {"x": np.round(numbers(8), 2)}


CUSTOM = (sampling, own_backbone, own_head)
