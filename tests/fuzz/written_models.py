"""Models with many kinds of layers, as plain data, for the fuzzer to change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from support.written import Ref, Written, sequential, written_layer

_INNER_LSTM = {"units": 3, "return_sequences": True, "recurrent_dropout": 0.1, "dropout": 0.2}
_L2 = {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.01}}

LAYERS: dict[str, dict[str, Any]] = {
    "Activation": {"activation": "relu"},
    "ActivityRegularization": {"l1": 0.0, "l2": 0.1},
    "AlphaDropout": {"rate": 0.1, "noise_shape": None, "seed": None},
    "AveragePooling1D": {"pool_size": [2], "strides": [1], "padding": "same"},
    "BatchNormalization": {"axis": -1, "momentum": 0.99, "center": True, "scale": True},
    "Conv1D": {
        "filters": 3,
        "kernel_size": [3],
        "strides": [1],
        "padding": "same",
        "dilation_rate": [1],
        "groups": 1,
        "data_format": "channels_last",
        "use_bias": True,
    },
    "Cropping1D": {"cropping": [1, 0]},
    "Dense": {"units": 3, "activation": "relu", "use_bias": True, "kernel_regularizer": _L2},
    "DepthwiseConv1D": {"kernel_size": [3], "strides": [1], "padding": "same"},
    "Discretization": {"bin_boundaries": [0.0, 1.0], "num_bins": None, "output_mode": "int"},
    "Dropout": {"rate": 0.5, "noise_shape": [None, 1, 3], "seed": 7},
    "EinsumDense": {"equation": "abc,cd->abd", "output_shape": [None, 3], "bias_axes": "d"},
    "GaussianDropout": {"rate": 0.5, "seed": 1},
    "GaussianNoise": {"stddev": 0.5, "seed": 1},
    "GRU": {"units": 3, "return_sequences": True, "reset_after": True, "unroll": False},
    "LayerNormalization": {"axis": [-1], "epsilon": 0.001, "center": True, "scale": True},
    "LSTM": {**_INNER_LSTM, "stateful": False, "go_backwards": False, "use_cudnn": "auto"},
    "Masking": {"mask_value": 0.0},
    "MaxPooling1D": {"pool_size": [2], "strides": [1], "padding": "same"},
    "PReLU": {"shared_axes": [1]},
    "Permute": {"dims": [2, 1]},
    "Rescaling": {"scale": 2.0, "offset": 0.0},
    "Reshape": {"target_shape": [3, 3]},
    "SeparableConv1D": {"filters": 3, "kernel_size": [3], "depth_multiplier": 1},
    "SimpleRNN": {"units": 3, "return_sequences": True},
    "Softmax": {"axis": -1},
    "SpatialDropout1D": {"rate": 0.2, "seed": None},
    "UpSampling1D": {"size": 2},
    "ZeroPadding1D": {"padding": [1, 1], "data_format": None},
    "MyOwn": {"anything": {"a": [1, "b"]}},
}
MERGES: dict[str, dict[str, Any]] = {
    "Add": {},
    "Attention": {"use_scale": False, "dropout": 0.1, "seed": 3},
    "Average": {},
    "Concatenate": {"axis": 1},
    "Dot": {"axes": [1, 2], "normalize": False},
    "MultiHeadAttention": {"num_heads": 2, "key_dim": 2, "dropout": 0.1, "value_dim": None},
    "Multiply": {},
}


def documents() -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield models, each with the Keras that it is written for."""
    for keras in (2, 3):
        yield keras, _functional(keras)
        yield keras, _nested(keras)
        chain = [("InputLayer", {"batch_shape": [4, 6, 3]})]
        chain += [(name, {**config, "name": f"l_{name}"}) for name, config in LAYERS.items()]
        yield keras, sequential(keras, *chain[:12])
        yield keras, sequential(keras, chain[0], *chain[12:24])
        yield keras, sequential(keras, chain[0], *chain[24:])


def small_documents() -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield a model for each kind of layer, between a mask and one who uses it."""
    for keras in (2, 3):
        for name, config in {**LAYERS, **MERGES}.items():
            model = Written(keras)
            ids = model.input("ids", (None, 6), "int32")
            embedding = {"input_dim": 9, "output_dim": 3, "mask_zero": True}
            y = model.call("Embedding", "embedding", ids, shape=(None, 6, 3), **embedding)
            y = model.call(name, "it", *([y, y] if name in MERGES else [y]), **config)
            y = model.call("Dropout", "drop", y, rate=0.5)
            yield keras, model.document(model.call("LSTM", "lstm", y, units=3))
        inner = {name: written_layer(name, "in", keras, **LAYERS[name]) for name in LAYERS}
        for name in ("Dropout", "LSTM", "Dense", "BatchNormalization", "GaussianNoise"):
            for wrapper in ("TimeDistributed", "Bidirectional"):
                model = Written(keras)
                x = model.input("x", (None, 6, 3))
                model_end = model.call(wrapper, "it", x, layer=inner[name], merge_mode="concat")
                yield keras, model.document(model.call("LSTM", "lstm", model_end, units=3))


def _functional(keras: int) -> dict[str, Any]:
    model = Written(keras)
    ids = model.input("ids", (None, 6), "int32")
    embedding = {"input_dim": 9, "output_dim": 3, "mask_zero": True}
    lookup = {"vocabulary": [1, 2], "mask_token": None, "num_oov_indices": 1}
    y = model.call("IntegerLookup", "lookup", ids, **lookup)
    y = model.call("Embedding", "embedding", y, shape=(None, 6, 3), **embedding)
    for name, config in MERGES.items():
        y = model.call(name, f"m_{name}", y, y, shape=(None, 6, 3), **config)
        y = model.call("Dropout", "shared", y, rate=0.3)
    return model.document(y, _wrapped(model, y))


def _wrapped(model: Written, y: Ref) -> Ref:
    keras = model.keras
    inner = written_layer("Dropout", "inside", keras, rate=0.4)
    y = model.call("TimeDistributed", "each", y, layer=inner)
    lstm = written_layer("LSTM", "forward", keras, **_INNER_LSTM)
    y = model.call("Bidirectional", "both", y, layer=lstm, merge_mode="concat")
    cells = [written_layer("GRUCell", f"cell_{n}", keras, units=3, dropout=0.1) for n in (0, 1)]
    stack = written_layer("StackedRNNCells", "stack", keras, cells=cells)
    y = model.call("RNN", "rnn", y, cell=stack, return_sequences=True)
    code = {"function": {"class_name": "__lambda__", "config": {"code": "4w=="}}}
    return model.call("Lambda", "code", y, **code, kwargs={"training": True})


def _nested(keras: int) -> dict[str, Any]:
    inner = Written(keras, "inner")
    x = inner.input("x", (None, 6, 3))
    y = inner.call("Dropout", "drop", inner.call("GRU", "gru", x, units=3), rate=0.5)
    outer = Written(keras)
    z = outer.input("z", (8, 6, 3))
    document = inner.document(y)
    config = {key: value for key, value in document["config"].items() if key != "name"}
    z = outer.call("Functional", "inner", z, document=document, **config)
    return outer.document(outer.call("Functional", "inner", z))
