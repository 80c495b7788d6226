"""Small models made by libraries of models and layers, by the library.

Each library takes its Keras when it is imported: with TF_USE_LEGACY_KERAS=1 that is Keras 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from recipes.register import ROWS, ids, numbers


@dataclass(frozen=True)
class Library:
    """A library: what is imported, which Keras it takes, its models, and classes not registered."""

    module: str
    keras: tuple[int, ...]
    models: Mapping[str, Callable[[Any, Any], Any]]
    custom: Callable[[Any], Mapping[str, Any]] = field(default=lambda library: {})

    def custom_objects(self) -> Mapping[str, Any]:
        """Return the classes that a file of these models needs, by name."""
        return self.custom(import_module(self.module))


def one_input(k, x, y, data):
    return k.Model(x, y), {x.name: data}


def tcn_for_sequences(k, tcn):
    x = k.layers.Input((None, 3), name="x")
    y = k.layers.Dropout(0.1)(tcn.TCN(4, 2, dilations=(1, 2), dropout_rate=0.1)(x))
    return one_input(k, x, k.layers.Dense(1)(y), numbers(9, 3))


def tcn_stacked(k, tcn):
    x = k.layers.Input((9, 3), name="x")
    options = {"use_skip_connections": True, "use_batch_norm": True, "return_sequences": True}
    y = tcn.TCN(4, 2, dilations=(1, 2), **options)(k.layers.SpatialDropout1D(0.1)(x))
    return one_input(k, x, k.layers.LSTM(3, dropout=0.1)(y), numbers(9, 3))


def tcn_of_words(k, tcn):
    x = k.layers.Input((9,), dtype="int32", name="x")
    y = tcn.TCN(4, 2, dilations=(1, 2), use_layer_norm=True)(k.layers.Embedding(20, 4)(x))
    return one_input(k, x, k.layers.Dense(2, activation="softmax")(y), ids(20, 9))


def unet(name, *arguments, **options):
    def make(k, library):
        model = getattr(library, name)((32, 32, 1), *arguments, **options)
        return model, {model.inputs[0].name.partition(":")[0]: numbers(32, 32, 1)}

    return make


FILTERS = [4, 8]


def crossed_features(k, keras_rs):
    x = k.layers.Input((6,), name="x")
    y = keras_rs.layers.FeatureCross()(x, keras_rs.layers.FeatureCross(projection_dim=2)(x, x))
    return one_input(k, x, k.layers.Dense(1)(k.layers.Dropout(0.2)(y)), numbers(6))


def interactions(k, keras_rs):
    layers = k.layers
    x = layers.Input((3,), dtype="int32", name="x")
    rows = [layers.Dropout(0.1)(layers.Embedding(9, 4)(x[:, at])) for at in range(3)]
    y = keras_rs.layers.DotInteraction()(rows)
    return one_input(k, x, layers.Dense(1)(y), ids(9, 3))


def reduced_bags(k, keras_rs):
    x = k.layers.Input((5,), dtype="int32", name="x")
    y = keras_rs.layers.EmbedReduce(9, 4, combiner="mean")(x)
    y = k.layers.Dense(3, activation="relu")(k.layers.Dropout(0.2)(y))
    return one_input(k, x, k.layers.Dense(1)(k.layers.BatchNormalization()(y)), ids(9, 5))


def attended(k, attention):
    x = k.layers.Input((6, 3), name="x")
    y = k.layers.LSTM(4, return_sequences=True, dropout=0.1)(k.layers.Dropout(0.1)(x))
    y = attention.Attention(4)(y)
    return one_input(k, x, k.layers.Dense(1)(k.layers.Dropout(0.2)(y)), numbers(6, 3))


def self_attended(k, library):
    x = k.layers.Input((None,), dtype="int32", name="x")
    y = k.layers.Bidirectional(k.layers.LSTM(4, return_sequences=True))(
        k.layers.Dropout(0.1)(k.layers.Embedding(20, 4, mask_zero=True)(x))
    )
    y = library.SeqSelfAttention(attention_activation="sigmoid")(y)
    return one_input(k, x, k.layers.Dense(5, activation="softmax")(y), ids(20, 7))


def mixture_density(k, library):
    x = k.layers.Input((5, 2), name="x")
    y = k.layers.LSTM(4, dropout=0.2)(k.layers.Dropout(0.1)(x))
    return one_input(k, x, library.MDN(2, 3)(y), numbers(5, 2))


def text_model(name, **options):
    """Return what makes a classifier on a small backbone of keras-hub for tokens."""

    def make(k, keras_hub):
        sizes = {
            "vocabulary_size": 30,
            "num_layers": 2,
            "num_heads": 2,
            "hidden_dim": 8,
            "intermediate_dim": 16,
            "max_sequence_length": 8,
        }
        backbone = getattr(keras_hub.models, name)(**(sizes | options))
        y = backbone.output
        y = y["sequence_output"] if isinstance(y, dict) else y
        y = k.layers.Dense(2)(k.layers.Dropout(0.3)(k.layers.GlobalAveragePooling1D()(y)))
        given = {
            "token_ids": ids(30, 8),
            "padding_mask": np.ones((ROWS, 8), "int32"),
            "segment_ids": np.zeros((ROWS, 8), "int32"),
        }
        names = list(backbone.input)
        return k.Model(backbone.input, y), {each: given[each] for each in names}

    return make


def image_model(name, **options):
    """Return what makes a classifier on a small backbone of keras-hub for images."""

    def make(k, keras_hub):
        backbone = getattr(keras_hub.models, name)(**options)
        x = k.layers.Input(tuple(backbone.input.shape[1:]), name="image")
        y = k.layers.Dropout(0.3)(backbone(x))
        y = k.layers.GlobalAveragePooling2D()(y) if len(y.shape) == 4 else y[:, 0]
        return one_input(k, x, k.layers.Dense(2)(y), numbers(*x.shape[1:]))

    return make


def own_transformer(k, keras_hub):
    layers = keras_hub.layers
    x = k.layers.Input((8,), dtype="int32", name="x")
    y = layers.TokenAndPositionEmbedding(30, 8, 8, mask_zero=True)(x)
    y = layers.TransformerEncoder(16, 2, dropout=0.1)(k.layers.Dropout(0.1)(y))
    y = layers.TransformerDecoder(16, 2, dropout=0.1)(y)
    return one_input(k, x, k.layers.Dense(2)(k.layers.GlobalAveragePooling1D()(y)), ids(30, 8))


LIBRARIES = {
    "keras-hub": Library(
        "keras_hub",
        (3,),
        {
            "bert": text_model("BertBackbone"),
            "distilbert": text_model("DistilBertBackbone"),
            "roberta": text_model("RobertaBackbone"),
            "gpt2": text_model("GPT2Backbone"),
            "opt": text_model("OPTBackbone"),
            "transformer": own_transformer,
            "vit": image_model(
                "ViTBackbone",
                image_shape=(16, 16, 3),
                patch_size=8,
                num_layers=1,
                num_heads=2,
                hidden_dim=8,
                mlp_dim=16,
            ),
            "resnet": image_model(
                "ResNetBackbone",
                input_conv_filters=[4],
                input_conv_kernel_sizes=[3],
                stackwise_num_filters=[8],
                stackwise_num_blocks=[2],
                stackwise_num_strides=[1],
                block_type="basic_block",
                image_shape=(16, 16, 3),
            ),
        },
    ),
    "keras-tcn": Library(
        "tcn",
        (2, 3),
        {"sequences": tcn_for_sequences, "stacked": tcn_stacked, "words": tcn_of_words},
        lambda library: {"TCN": library.TCN},
    ),
    "keras-rs": Library(
        "keras_rs",
        (3,),
        {"crossed": crossed_features, "interactions": interactions, "bags": reduced_bags},
    ),
    "keras-unet-collection": Library(
        "keras_unet_collection.models",
        (2, 3),
        {
            "unet": unet("unet_2d", FILTERS, 2, batch_norm=True),
            "unet_plus": unet("unet_plus_2d", FILTERS, 2),
            "attention": unet("att_unet_2d", FILTERS, 2),
            "r2": unet("r2_unet_2d", FILTERS, 2),
            "vnet": unet("vnet_2d", FILTERS, 2),
            "transunet": unet(
                "transunet_2d",
                FILTERS,
                2,
                embed_dim=8,
                num_mlp=8,
                num_heads=2,
                num_transformer=1,
            ),
        },
        lambda library: {
            name: value
            for module in ("activations", "transformer_layers")
            for name, value in vars(import_module(f"keras_unet_collection.{module}")).items()
            if isinstance(value, type)
        },
    ),
    "attention": Library(
        "attention", (2, 3), {"lstm": attended}, lambda library: {"Attention": library.Attention}
    ),
    "keras-self-attention": Library(
        "keras_self_attention",
        (2, 3),
        {"tagger": self_attended},
        lambda library: library.SeqSelfAttention.get_custom_objects(),
    ),
    "keras-mdn-layer": Library(
        "keras_mdn_layer", (3,), {"lstm": mixture_density}, lambda library: {"MDN": library.MDN}
    ),
}
