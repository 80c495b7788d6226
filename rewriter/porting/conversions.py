"""Convert single configs: one function for each name in the table of layers.

Each takes the class and the config of Keras 2, and returns the config of Keras 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewriter.porting.refusals import RefusedError

Config = dict[str, Any]

_PLAIN_DTYPES = frozenset({"float32", "float16", "bfloat16", "float64"})


def recurrent_activation_told(class_name: str, config: Config) -> Config:
    """Write the default of Keras 2 down: hard_sigmoid, where Keras 3 has sigmoid."""
    return {"recurrent_activation": "hard_sigmoid", **config}


def cudnn_lstm(class_name: str, config: Config) -> Config:
    """Say what the layers that run on cuDNN alone compute."""
    told = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}
    return {**config, **told}


def cudnn_gru(class_name: str, config: Config) -> Config:
    """Say what the layers that run on cuDNN alone compute; its biases are two."""
    return {**cudnn_lstm(class_name, config), "reset_after": True}


def public_name(class_name: str, config: Config) -> Config:
    """Refuse what the class of Keras 3 cannot do."""
    if class_name.startswith("Separable") and config.get("padding") == "causal":
        raise RefusedError(
            "Keras 3 has no causal padding for it", "put ZeroPadding1D in front of it"
        )
    return config


def one_axis(class_name: str, config: Config) -> Config:
    """Write the one axis as a number."""
    axis = config.get("axis", -1)
    if isinstance(axis, Mapping):
        axis = axis.get("items", axis)
    if isinstance(axis, list | tuple):
        if len(axis) != 1:
            raise RefusedError(
                f"it normalises over the axes {list(axis)}, and Keras 3 over one",
                "merge the axes with Reshape in Keras 2, or leave the layer out of the model",
            )
        axis = axis[0]
    return {**config, "axis": axis}


def synchronized(class_name: str, config: Config) -> Config:
    """Say that the statistics are those of all devices."""
    return {**config, "synchronized": True} if class_name.startswith("Sync") else config


def score_mode_told(class_name: str, config: Config) -> Config:
    """Write the way of scoring as a word."""
    if class_name == "Attention":
        return {**config, "score_mode": str(config.get("score_mode") or "dot")}
    return {key: value for key, value in config.items() if key != "score_mode"}


def lambda_function(class_name: str, config: Config) -> Config:
    """Write the function of a Lambda as Keras 3 does: code by itself, others by their name."""
    return {
        key: _code(value) if key in ("function", "output_shape", "mask") else value
        for key, value in config.items()
    }


def _code(function: Any) -> Any:
    """Return what stands for Python code in files of Keras 3, given that of ``.h5`` files."""
    is_code = isinstance(function, list | tuple) and len(function) == 3
    if is_code and isinstance(function[0], str):
        keys = ("code", "defaults", "closure")
        return {"class_name": "__lambda__", "config": dict(zip(keys, function, strict=True))}
    if isinstance(function, Mapping) and function.get("class_name") == "__lambda__":
        return {"class_name": "__lambda__", "config": function["config"]}
    return function


def input_layer(class_name: str, config: Config) -> Config:
    """Name the shape as Keras 3 does."""
    if config.get("ragged"):
        raise RefusedError(
            "it takes ragged tensors, which Keras 3 on TensorFlow does not",
            "make the model with padded inputs and a Masking layer or mask_zero",
        )
    shape = config.get("batch_input_shape", config.get("batch_shape"))
    spec = config.get("type_spec")
    if shape is None and isinstance(spec, Mapping):
        raise RefusedError("its input is told by a type_spec", "make the Input with shape=")
    if shape is None:
        raise RefusedError(
            "the shape of the input is not known: the model was never built",
            "call the model on data once before it is saved",
        )
    new: Config = {"batch_shape": list(shape), "dtype": config.get("dtype") or "float32"}
    if config.get("sparse"):
        new["sparse"] = True
    return {**new, "name": config.get("name")}


def float32(class_name: str, config: Config) -> Config:
    """Have numbers come in as numbers: with int64, as Keras 2 writes, Keras 3 cuts them off."""
    dtype = config.get("dtype")
    return config if dtype in _PLAIN_DTYPES else {**config, "dtype": "float32"}


def lookup(class_name: str, config: Config) -> Config:
    """Leave out a vocabulary that Keras 2 writes as empty where the layer is adapted."""
    new = dict(config)
    if new.get("ragged"):
        raise RefusedError(
            "it gives ragged tensors", "give it output_sequence_length and ragged=False in Keras 2"
        )
    new.pop("ragged", None)
    if isinstance(new.get("vocabulary"), str):
        raise RefusedError(
            f"its vocabulary is the file {new['vocabulary']!r}",
            "load the model in Keras 2 and save it as .keras, which holds the words",
        )
    if class_name != "StringLookup":
        new.pop("encoding", None) if class_name == "IntegerLookup" else None
    return new


def crop_to_aspect_ratio(class_name: str, config: Config) -> Config:
    """Do what RandomCrop of Keras 2 does at inference: resize, and crop the middle."""
    return {**config, "crop_to_aspect_ratio": True}


def known_interpolation(class_name: str, config: Config) -> Config:
    """Refuse the ways of resizing that Keras 3 has not."""
    way = config.get("interpolation")
    if way in ("gaussian", "mitchellcubic"):
        raise RefusedError(
            f"Keras 3 has no {way} interpolation", "use bilinear or bicubic in Keras 2"
        )
    return config
