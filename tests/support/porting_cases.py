"""Layers to port: each class of tf_keras.layers, each argument that changes inference."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

INPUTS: Mapping[str, tuple[tuple[int | None, ...], str]] = {
    "vector": ((6,), "float32"),
    "vector b": ((6,), "float32"),
    "sequence": ((None, 4), "float32"),
    "sequence b": ((None, 4), "float32"),
    "steps": ((7, 4), "float32"),
    "steps b": ((7, 4), "float32"),
    "channels steps": ((4, 7), "float32"),
    "image": ((8, 8, 4), "float32"),
    "channels image": ((4, 8, 8), "float32"),
    "volume": ((6, 6, 6, 2), "float32"),
    "channels volume": ((2, 6, 6, 6), "float32"),
    "row of steps": ((3, 7, 4), "float32"),
    "row of images": ((3, 6, 6, 2), "float32"),
    "row of volumes": ((2, 5, 5, 5, 2), "float32"),
    "some images": ((None, 8, 8, 4), "float32"),
    "channels row of images": ((3, 2, 6, 6), "float32"),
    "ids": ((None,), "int32"),
    "classes": ((3,), "int64"),
    "class": ((1,), "int64"),
    "number": ((1,), "float32"),
    "words": ((3,), "string"),
    "text": ((1,), "string"),
}
"""Shapes without the batch, and types."""


@dataclass(frozen=True)
class Case:
    """One layer."""

    class_name: str
    argument: str
    value: Any
    inputs: tuple[str, ...]
    make: Callable[[Any], Any] = field(compare=False, repr=False)

    def __str__(self) -> str:
        value = "" if callable(self.value) else self.value
        return f"{self.class_name}({self.argument}={value})"


@dataclass(frozen=True)
class On:
    """A value of an argument with inputs, or other arguments, of its own."""

    value: Any
    inputs: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


def conv(rank: int, **base: Any) -> dict[str, Any]:
    """Return the arguments and values of a convolution of a rank."""
    plain = {1: "steps", 2: "image", 3: "volume"}[rank]
    first = f"channels {plain}"
    return {
        "base": base,
        "inputs": (plain,),
        "values": {
            "strides": [2],
            "padding": ["same"],
            "data_format": [On("channels_first", inputs=(first,))],
            "dilation_rate": [2],
            "activation": ["relu", "hard_sigmoid"],
            "use_bias": [False],
            "output_padding": [On(1, more={"strides": 2})],
            "depth_multiplier": [2],
            "groups": [2],
            "filters": [5],
            "kernel_size": [3],
        },
    }


def pool(rank: int, **base: Any) -> dict[str, Any]:
    """Return the arguments and values of a pooling layer of a rank."""
    plain = {1: "steps", 2: "image", 3: "volume"}[rank]
    return {
        "base": base,
        "inputs": (plain,),
        "values": {
            "pool_size": [3],
            "strides": [1],
            "padding": ["same"],
            "data_format": [On("channels_first", inputs=(f"channels {plain}",))],
            "keepdims": [True],
        },
    }


def recurrent(**base: Any) -> dict[str, Any]:
    """Return the arguments and values of a recurrent layer."""
    return {
        "base": {"units": 3, **base},
        "inputs": ("sequence",),
        "values": {
            "units": [5],
            "activation": ["relu", "hard_sigmoid"],
            "recurrent_activation": ["hard_sigmoid", "tanh"],
            "use_bias": [False],
            "recurrent_dropout": [0.3],
            "dropout": [0.3],
            "return_sequences": [True],
            "return_state": [True],
            "go_backwards": [True],
            "stateful": [],
            "unroll": [On(True, inputs=("steps",))],
            "time_major": [True, On(True, more={"return_sequences": True})],
            "reset_after": [False],
            "implementation": [1, On(1, more={"recurrent_activation": "hard_sigmoid"})],
            "zero_output_for_mask": [],
        },
    }


def cell(name: str, **arguments: Any) -> Callable[[Any], Any]:
    """Return what makes an RNN of a cell."""
    return lambda layers: layers.RNN(getattr(layers, name)(**{"units": 3, **arguments}))


def conv_lstm(rank: int) -> dict[str, Any]:
    """Return the arguments and values of a recurrent convolution."""
    plain = {1: "row of steps", 2: "row of images", 3: "row of volumes"}[rank]
    return {
        "base": {"filters": 2, "kernel_size": 2},
        "inputs": (plain,),
        "values": {
            "strides": [2],
            "padding": ["same"],
            "activation": ["relu"],
            "recurrent_activation": ["sigmoid"],
            "use_bias": [False],
            "return_sequences": [True],
            "go_backwards": [True],
            "dropout": [0.3],
            "recurrent_dropout": [0.3],
            "return_state": [True],
            "dilation_rate": [2],
            "data_format": [],
        },
    }


LOOKUP: Mapping[str, Any] = {
    "max_tokens": [5],
    "num_oov_indices": [2],
    "output_mode": [On("one_hot", inputs=("class",)), "multi_hot", "count"],
    "sparse": [],
    "pad_to_max_tokens": [On(True, more={"max_tokens": 7, "output_mode": "multi_hot"})],
}

WORDS = ["a", "b", "c"]

TABLE: Mapping[str, Mapping[str, Any]] = {
    "Activation": {
        "base": {"activation": "relu"},
        "inputs": ("vector",),
        "values": {
            "activation": [
                "elu",
                "exponential",
                "gelu",
                "hard_sigmoid",
                "linear",
                "mish",
                "selu",
                "sigmoid",
                "softmax",
                "softplus",
                "softsign",
                "swish",
                "tanh",
            ]
        },
    },
    "ActivityRegularization": {"inputs": ("vector",), "values": {"l1": [0.1], "l2": [0.1]}},
    **{
        name: {"inputs": ("steps", "steps b"), "values": {}}
        for name in ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")
    },
    "Concatenate": {"inputs": ("steps", "steps b"), "values": {"axis": [1]}},
    "Dot": {
        "base": {"axes": 2},
        "inputs": ("steps", "steps b"),
        "values": {"axes": [1, (1, 1)], "normalize": [True]},
    },
    "AdditiveAttention": {"inputs": ("sequence", "sequence b"), "values": {"use_scale": [False]}},
    "Attention": {
        "inputs": ("sequence", "sequence b"),
        "values": {"use_scale": [True], "score_mode": ["concat"]},
    },
    "MultiHeadAttention": {
        "base": {"num_heads": 2, "key_dim": 3},
        "inputs": ("sequence", "sequence b"),
        "values": {
            "num_heads": [3],
            "key_dim": [2],
            "value_dim": [5],
            "use_bias": [False],
            "output_shape": [5],
            "attention_axes": [On(1), On((2,), inputs=("row of steps", "row of steps"))],
            "softmax_robust_masking": [True],
            "dropout": [0.2],
        },
    },
    "AlphaDropout": {
        "base": {"rate": 0.3},
        "inputs": ("vector",),
        "values": {"noise_shape": [(None, 1)]},
    },
    "Dropout": {
        "base": {"rate": 0.3},
        "inputs": ("vector",),
        "values": {"noise_shape": [(None, 1)]},
    },
    "GaussianDropout": {"base": {"rate": 0.3}, "inputs": ("vector",), "values": {}},
    "GaussianNoise": {"base": {"stddev": 0.3}, "inputs": ("vector",), "values": {}},
    "SpatialDropout1D": {"base": {"rate": 0.3}, "inputs": ("steps",), "values": {}},
    "SpatialDropout2D": {
        "base": {"rate": 0.3},
        "inputs": ("image",),
        "values": {"data_format": ["channels_first"]},
    },
    "SpatialDropout3D": {
        "base": {"rate": 0.3},
        "inputs": ("volume",),
        "values": {"data_format": ["channels_first"]},
    },
    **{f"AveragePooling{rank}D": pool(rank) for rank in (1, 2, 3)},
    **{f"MaxPooling{rank}D": pool(rank) for rank in (1, 2, 3)},
    **{f"GlobalAveragePooling{rank}D": pool(rank) for rank in (1, 2, 3)},
    **{f"GlobalMaxPooling{rank}D": pool(rank) for rank in (1, 2, 3)},
    "BatchNormalization": {
        "inputs": ("image",),
        "values": {
            "axis": [1, [3], On([1, 2])],
            "epsilon": [0.1],
            "center": [False],
            "scale": [False],
            "synchronized": [True],
            "renorm": [True],
            "fused": [False],
            "momentum": [],
        },
    },
    "LayerNormalization": {
        "inputs": ("steps",),
        "values": {"axis": [1, [1, 2]], "epsilon": [0.1], "center": [False], "scale": [False]},
    },
    "GroupNormalization": {
        "base": {"groups": 2},
        "inputs": ("image",),
        "values": {
            "groups": [1],
            "axis": [1],
            "epsilon": [0.1],
            "center": [False],
            "scale": [False],
        },
    },
    "UnitNormalization": {"inputs": ("steps",), "values": {"axis": [1, [1, 2]]}},
    "Normalization": {
        "base": {"mean": [1.0, 2.0, 0.5, 0.0], "variance": [1.0, 4.0, 2.0, 1.0]},
        "inputs": ("steps",),
        "values": {
            "axis": [
                On(None, more={"mean": 1.0, "variance": 2.0}),
                On((1, 2), more={"mean": [[1.0] * 4] * 7, "variance": [[2.0] * 4] * 7}),
            ],
            "mean": [[0.0, 0.0, 0.0, 1.0]],
            "variance": [[1.0, 1.0, 1.0, 3.0]],
            "invert": [True],
        },
    },
    "SpectralNormalization": {
        "base": {"layer": lambda layers: layers.Dense(3)},
        "inputs": ("vector",),
        "values": {
            "layer": [On(lambda layers: layers.Conv2D(2, 2), inputs=("image",))],
            "power_iterations": [2],
        },
    },
    **{f"Conv{rank}D": conv(rank, filters=4, kernel_size=2) for rank in (1, 2, 3)},
    **{f"Conv{rank}DTranspose": conv(rank, filters=4, kernel_size=2) for rank in (1, 2, 3)},
    **{f"SeparableConv{rank}D": conv(rank, filters=4, kernel_size=2) for rank in (1, 2)},
    **{f"DepthwiseConv{rank}D": conv(rank, kernel_size=2) for rank in (1, 2)},
    **{f"ConvLSTM{rank}D": conv_lstm(rank) for rank in (1, 2, 3)},
    "Dense": {
        "base": {"units": 3},
        "inputs": ("vector",),
        "values": {
            "units": [5],
            "activation": ["relu", "hard_sigmoid"],
            "use_bias": [False],
        },
    },
    "EinsumDense": {
        "base": {"equation": "abc,cd->abd", "output_shape": (None, 3), "bias_axes": "d"},
        "inputs": ("sequence",),
        "values": {
            "equation": [On("...x,xy->...y", more={"bias_axes": "y", "output_shape": 3})],
            "output_shape": [(None, 5)],
            "activation": ["relu"],
            "bias_axes": [None],
        },
    },
    "Embedding": {
        "base": {"input_dim": 9, "output_dim": 3},
        "inputs": ("ids",),
        "values": {
            "mask_zero": [True],
            "input_length": [],
            "sparse": [],
            "input_dim": [12],
            "output_dim": [5],
        },
    },
    "LSTM": recurrent(),
    "GRU": recurrent(),
    "SimpleRNN": recurrent(),
    "LSTMCell": {
        "rnn": True,
        "base": {"units": 3},
        "inputs": ("sequence",),
        "values": {
            "units": [5],
            "activation": ["relu"],
            "recurrent_activation": ["hard_sigmoid"],
            "use_bias": [False],
            "dropout": [0.3],
            "recurrent_dropout": [0.3],
            "implementation": [1],
        },
    },
    "GRUCell": {
        "rnn": True,
        "base": {"units": 3},
        "inputs": ("sequence",),
        "values": {
            "units": [5],
            "activation": ["relu"],
            "recurrent_activation": ["hard_sigmoid"],
            "use_bias": [False],
            "dropout": [0.3],
            "recurrent_dropout": [0.3],
            "reset_after": [False],
            "implementation": [1],
        },
    },
    "SimpleRNNCell": {
        "rnn": True,
        "base": {"units": 3},
        "inputs": ("sequence",),
        "values": {
            "units": [5],
            "activation": ["relu"],
            "use_bias": [False],
            "dropout": [0.3],
            "recurrent_dropout": [0.3],
        },
    },
    "StackedRNNCells": {
        "rnn": True,
        "base": {"cells": lambda layers: [layers.LSTMCell(3), layers.GRUCell(2)]},
        "inputs": ("sequence",),
        "values": {"cells": [lambda layers: [layers.SimpleRNNCell(3), layers.GRUCell(2)]]},
    },
    "RNN": {
        "base": {"cell": lambda layers: layers.LSTMCell(3)},
        "inputs": ("sequence",),
        "values": {
            "cell": [lambda layers: [layers.GRUCell(3), layers.LSTMCell(2)]],
            "return_sequences": [True],
            "return_state": [True],
            "go_backwards": [True],
            "unroll": [On(True, inputs=("steps",))],
            "stateful": [],
            "time_major": [],
        },
    },
    "Bidirectional": {
        "base": {"layer": lambda layers: layers.LSTM(3, return_sequences=True)},
        "inputs": ("sequence",),
        "values": {
            "layer": [
                lambda layers: layers.GRU(3),
                lambda layers: layers.LSTM(3, go_backwards=True),
                lambda layers: layers.LSTM(3, recurrent_activation="hard_sigmoid"),
                lambda layers: layers.LSTM(3, implementation=1, recurrent_activation="relu"),
                lambda layers: layers.RNN(layers.GRUCell(3)),
            ],
            "merge_mode": ["sum", "mul", "ave", None],
            "backward_layer": [
                lambda layers: layers.GRU(3, return_sequences=True, go_backwards=True)
            ],
            "weights": [],
        },
    },
    "TimeDistributed": {
        "base": {"layer": lambda layers: layers.Dense(3)},
        "inputs": ("sequence",),
        "values": {
            "layer": [
                lambda layers: layers.LayerNormalization(),
                lambda layers: layers.BatchNormalization(),
                lambda layers: layers.Activation("softmax"),
                On(lambda layers: layers.Dense(3), inputs=("steps",)),
                On(lambda layers: layers.Conv2D(2, 2), inputs=("some images",)),
                On(lambda layers: layers.Conv2D(2, 2), inputs=("row of images",)),
                On(lambda layers: layers.BatchNormalization(), inputs=("row of images",)),
                On(lambda layers: layers.LSTM(2), inputs=("row of steps",)),
                On(lambda layers: layers.GlobalAveragePooling2D(), inputs=("some images",)),
            ]
        },
    },
    "CategoryEncoding": {
        "base": {"num_tokens": 9},
        "inputs": ("classes",),
        "values": {"num_tokens": [12], "output_mode": [On("count")], "sparse": []},
    },
    "CenterCrop": {
        "base": {"height": 3, "width": 4},
        "inputs": ("image",),
        "values": {"height": [9], "width": [2]},
    },
    "Resizing": {
        "base": {"height": 5, "width": 6},
        "inputs": ("image",),
        "values": {
            "height": [12],
            "width": [3],
            "interpolation": [
                "nearest",
                "bicubic",
                "area",
                "lanczos3",
                "lanczos5",
                "gaussian",
                "mitchellcubic",
            ],
            "crop_to_aspect_ratio": [True],
        },
    },
    "RandomCrop": {
        "base": {"height": 5, "width": 6},
        "inputs": ("image",),
        "values": {"height": [9], "width": [3]},
    },
    **{
        name: {"base": {"factor": 0.2}, "inputs": ("image",), "values": {"factor": []}}
        for name in ("RandomBrightness", "RandomContrast", "RandomHeight", "RandomWidth")
    },
    "RandomFlip": {"inputs": ("image",), "values": {"mode": ["horizontal"]}},
    "RandomRotation": {
        "base": {"factor": 0.2},
        "inputs": ("image",),
        "values": {"fill_mode": ["constant"], "interpolation": ["nearest"]},
    },
    "RandomTranslation": {
        "base": {"height_factor": 0.2, "width_factor": 0.2},
        "inputs": ("image",),
        "values": {"fill_mode": ["constant"], "interpolation": ["nearest"]},
    },
    "RandomZoom": {
        "base": {"height_factor": 0.2},
        "inputs": ("image",),
        "values": {
            "fill_mode": ["constant"],
            "width_factor": [0.1],
            "interpolation": ["nearest"],
        },
    },
    "Cropping1D": {"inputs": ("steps",), "values": {"cropping": [2, (0, 1)]}},
    "Cropping2D": {
        "inputs": ("image",),
        "values": {"cropping": [1, ((0, 1), (2, 1))], "data_format": ["channels_first"]},
    },
    "Cropping3D": {
        "inputs": ("volume",),
        "values": {
            "cropping": [2],
            "data_format": [On("channels_first", inputs=("channels volume",))],
        },
    },
    "ZeroPadding1D": {"inputs": ("steps",), "values": {"padding": [2, (0, 1)]}},
    "ZeroPadding2D": {
        "inputs": ("image",),
        "values": {"padding": [2, ((0, 1), (2, 1))], "data_format": ["channels_first"]},
    },
    "ZeroPadding3D": {
        "inputs": ("volume",),
        "values": {"padding": [2], "data_format": ["channels_first"]},
    },
    "UpSampling1D": {"inputs": ("steps",), "values": {"size": [3]}},
    "UpSampling2D": {
        "inputs": ("image",),
        "values": {
            "size": [(3, 2)],
            "data_format": [On("channels_first", inputs=("channels image",))],
            "interpolation": [
                "bilinear",
                "bicubic",
                "area",
                "lanczos3",
                "lanczos5",
                "gaussian",
                "mitchellcubic",
            ],
        },
    },
    "UpSampling3D": {
        "inputs": ("volume",),
        "values": {"size": [3], "data_format": [On("channels_first", inputs=("channels volume",))]},
    },
    "ELU": {"inputs": ("vector",), "values": {"alpha": [0.5]}},
    "LeakyReLU": {"inputs": ("vector",), "values": {"alpha": [0.1]}},
    "PReLU": {"inputs": ("steps",), "values": {"shared_axes": [[1]]}},
    "ReLU": {
        "inputs": ("vector",),
        "values": {"max_value": [1.0], "negative_slope": [0.2], "threshold": [0.5]},
    },
    "Softmax": {"inputs": ("steps",), "values": {"axis": [1, [1, 2]], "robust_masking": []}},
    "ThresholdedReLU": {"inputs": ("vector",), "values": {"theta": [0.2]}},
    "Discretization": {
        "base": {"bin_boundaries": [-1.0, 0.0, 0.5]},
        "inputs": ("vector",),
        "values": {
            "bin_boundaries": [[0.1]],
            "output_mode": [On("one_hot", inputs=("number",)), "multi_hot", "count"],
            "num_bins": [],
            "epsilon": [],
            "sparse": [],
        },
    },
    "Hashing": {
        "base": {"num_bins": 7},
        "inputs": ("words",),
        "values": {
            "num_bins": [3],
            "mask_value": ["a"],
            "salt": [3, [4, 5]],
            "output_mode": [On("one_hot", inputs=("text",)), "multi_hot", "count"],
            "sparse": [],
        },
    },
    "HashedCrossing": {
        "base": {"num_bins": 7},
        "inputs": ("text", "text"),
        "values": {"num_bins": [3], "output_mode": ["one_hot"], "sparse": []},
    },
    "StringLookup": {
        "base": {"vocabulary": WORDS},
        "inputs": ("words",),
        "values": {
            **LOOKUP,
            "output_mode": [On("one_hot", inputs=("text",)), "multi_hot", "count"],
            "mask_token": ["m"],
            "oov_token": ["x"],
            "vocabulary": [["a", "e"]],
            "idf_weights": [On([1.0, 2.0, 0.5], more={"output_mode": "tf_idf"})],
            "encoding": [],
            "invert": [On(True, inputs=("classes",))],
        },
    },
    "IntegerLookup": {
        "base": {"vocabulary": [2, 4, 5]},
        "inputs": ("classes",),
        "values": {
            **LOOKUP,
            "mask_token": [3],
            "oov_token": [-2],
            "vocabulary": [[1, 2]],
            "vocabulary_dtype": [],
            "idf_weights": [On([1.0, 2.0, 0.5], more={"output_mode": "tf_idf"})],
            "invert": [True],
        },
    },
    "TextVectorization": {
        "base": {"vocabulary": WORDS},
        "inputs": ("text",),
        "values": {
            "max_tokens": [6],
            "standardize": [None, "lower", "strip_punctuation"],
            "split": ["character"],
            "ngrams": [2],
            "output_mode": ["multi_hot", "count"],
            "output_sequence_length": [3],
            "pad_to_max_tokens": [On(True, more={"max_tokens": 7, "output_mode": "multi_hot"})],
            "vocabulary": [["a", "e"]],
            "idf_weights": [On([1.0, 2.0, 0.5], more={"output_mode": "tf_idf"})],
            "ragged": [On(True)],
            "sparse": [],
            "encoding": [],
        },
    },
    "Flatten": {
        "inputs": ("image",),
        "values": {"data_format": ["channels_first"]},
    },
    "Identity": {"inputs": ("vector",), "values": {}},
    "Masking": {"inputs": ("steps",), "values": {"mask_value": [1.0]}},
    "Permute": {"base": {"dims": (2, 1)}, "inputs": ("steps",), "values": {"dims": [(1, 2)]}},
    "RepeatVector": {"base": {"n": 3}, "inputs": ("vector",), "values": {"n": [2]}},
    "Rescaling": {
        "base": {"scale": 2.0},
        "inputs": ("vector",),
        "values": {"scale": [0.5, [1.0, 2.0, 3.0, 1.0, 1.0, 1.0]], "offset": [1.0]},
    },
    "Reshape": {
        "base": {"target_shape": (2, 3)},
        "inputs": ("vector",),
        "values": {"target_shape": [(3, -1)]},
    },
    "LocallyConnected1D": {
        "base": {"filters": 2, "kernel_size": 2},
        "inputs": ("steps",),
        "values": {},
    },
    "LocallyConnected2D": {
        "base": {"filters": 2, "kernel_size": 2},
        "inputs": ("image",),
        "values": {},
    },
}

NO_MATTER = frozenset(
    [
        "trainable",
        "name",
        "dtype",
        "dynamic",
        "seed",
        "l1",
        "l2",
        "momentum",
        "unit_forget_bias",
        "value_range",
        "fill_value",
        "stateful",
        "factor",
        "mode",
        "height_factor",
        "width_factor",
        "implementation",
        "zero_output_for_mask",
        "renorm",
        "fused",
    ]
)
"""Arguments that change no output at inference, or are tried where they do."""

ENDS = ("_initializer", "_regularizer", "_constraint")

ELSEWHERE = frozenset(
    {"InputLayer", "Lambda", "Layer", "Wrapper", "AbstractRNNCell", "DenseFeatures"}
)
"""Classes that are tried in tests of their own, or compute nothing."""


def classes(layers: Any) -> list[str]:
    """Return the names of the classes of layers, each once."""
    found = []
    for name in sorted(dir(layers)):
        thing = getattr(layers, name)
        is_layer = inspect.isclass(thing) and issubclass(thing, layers.Layer)
        if is_layer and thing.__name__ == name:
            found.append(name)
    return found


def arguments(layers: Any, name: str) -> list[str]:
    """Return the names of the arguments of a class that may change inference."""
    names = inspect.signature(getattr(layers, name).__init__).parameters
    return [
        each
        for each in names
        if each not in ("self", "kwargs") and each not in NO_MATTER and not each.endswith(ENDS)
    ]


def cases(layers: Any) -> Iterator[Case]:
    """Yield the layers to port, the plain one of each class first."""
    for name in classes(layers):
        row = TABLE.get(name)
        if row is None:
            continue
        base, inputs = row.get("base", {}), row["inputs"]
        yield Case(name, "", "", inputs, _maker(name, base, row))
        allowed = {*arguments(layers, name), *NO_MATTER}
        allowed -= {"implementation"} if name == "SimpleRNN" else set()
        for argument, values in row["values"].items():
            if argument not in allowed:
                continue
            for value in values:
                one = value if isinstance(value, On) else On(value)
                given = {**base, **one.more, argument: one.value}
                yield Case(
                    name, argument, one.value, one.inputs or inputs, _maker(name, given, row)
                )


def _maker(name: str, given: Mapping[str, Any], row: Mapping[str, Any]) -> Callable[[Any], Any]:
    def make(layers: Any) -> Any:
        lazy = ("layer", "cell", "cells", "backward_layer")
        ready = {
            key: value(layers) if key in lazy and callable(value) else value
            for key, value in given.items()
        }
        layer = getattr(layers, name)(**ready)
        return layers.RNN(layer) if row.get("rnn") else layer

    return make
