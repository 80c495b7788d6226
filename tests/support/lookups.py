"""Model files of Keras 2 that run code by the names that it looks up: of types, above all.

All of them were seen to leave the mark, with safe mode on, where nothing looks them through first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.corpus import Hostile, Make, lambda_layer, model, named, save
from support.written import written_layer

OLD = "tensorflow.python.keras.layers"  # the Keras within TensorFlow, which has no safe mode


def held_code(folder: Path) -> dict[str, Any]:
    """Return the config of a Lambda of the old Keras, without the layer around it."""
    config = lambda_layer(2, folder)["config"]
    return {key: each for key, each in config.items() if key != "dtype"}


def looked_up(folder: Path, class_name: str = "__typespec__", **entry: Any) -> dict[str, Any]:
    """Return what tf_keras looks up by registered_name, and makes from its config."""
    config = held_code(folder)
    spec = {"spec_name": "NothingSpec"} if class_name == "__typespec__" else {}
    found = {"class_name": class_name, "registered_name": "Lambda", "module": OLD}
    return {**found, **spec, "config": config, **entry}


def spec_of(name: str, module: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return a class that stands for a type."""
    spec = {"class_name": "__typespec__", "spec_name": "NothingSpec", "registered_name": name}
    return {**spec, "module": module, "config": config}


def runs_at_once(folder: Path) -> dict[str, Any]:
    """Return a model of the old Keras for a type: it calls its layers as soon as it is made."""
    layer = {"class_name": "Lambda", "config": held_code(folder)}
    first = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 4]}}
    config = {"name": "old", "layers": [first, layer]}
    return spec_of("Sequential", "tensorflow.python.keras.models", config)


def of_text(key: str, payload: Callable[[Path], Any]) -> Make:
    """Return what writes a TextVectorization with a payload for a function of its own."""

    def make(path: Path, folder: Path) -> None:
        layer = written_layer("TextVectorization", "evil", 2, vocabulary=["a"], dtype="string")
        layer["config"] |= {"standardize": None, "split": None} | {key: payload(folder)}
        document = model(2, layer)
        first = document["config"]["layers"][0]["config"]
        first |= {"batch_input_shape": [None, 1], "dtype": "string"}
        save(path, 2, document)

    return make


def of_payload(class_name: str, payload: Callable[[Path], Any], **config: Any) -> Make:
    """Return what writes a layer of Keras 2 with a payload in its config."""

    def make(path: Path, folder: Path) -> None:
        layer = written_layer(class_name, "evil", 2, **config)
        layer["config"] |= payload(folder)
        save(path, 2, model(2, layer))

    return make


def as_function(key: str) -> Make:
    """Return what writes a Lambda one of whose functions is a type."""

    def payload(folder: Path) -> dict[str, Any]:
        function = {"function": named("keras.activations", "relu"), "function_type": "function"}
        shape = {"output_shape": None, "output_shape_type": "raw", "arguments": {}}
        return function | shape | {key: looked_up(folder), f"{key}_type": "function"}

    return of_payload("Lambda", payload)


def as_cell(wrapper: str, payload: Callable[[Path], dict[str, Any]]) -> Make:
    """Return what writes a recurrent layer around a cell that holds a function."""

    def make(path: Path, folder: Path) -> None:
        inner = written_layer("SimpleRNNCell", "cell", 2, units=4)
        cell = written_layer(wrapper, "evil", 2, "keras.src.layers.rnn.cell_wrappers")
        cell["config"] |= {"cell": inner} | payload(folder)
        layer = written_layer("RNN", "outer", 2, cell=cell)
        document = model(2, layer)
        document["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 3, 4]
        save(path, 2, document)

    return make


def with_type(key: str) -> Callable[[Path], dict[str, Any]]:
    return lambda folder: {key: runs_at_once(folder), f"{key}_type": "function"}


def of_input(path: Path, folder: Path) -> None:
    document = model(2, written_layer("Dense", "dense", 2, units=1))
    document["config"]["layers"][0]["config"] = {"name": "x", "type_spec": runs_at_once(folder)}
    save(path, 2, document)


def of_constant(path: Path, folder: Path) -> None:
    layer = written_layer("Dense", "evil", 2, units=1)
    constant = {"class_name": "Constant", "module": "keras.initializers", "registered_name": None}
    layer["config"]["bias_initializer"] = constant | {"config": {"value": runs_at_once(folder)}}
    save(path, 2, model(2, layer))


TYPE = "for a type"
LIVE = [
    Hostile(
        "type.keras",
        "a type, found by registered_name",
        "NothingSpec or Lambda for a type",
        of_text("standardize", looked_up),
    ),
    Hostile("split.keras", "a type", TYPE, of_text("split", looked_up)),
    *(
        Hostile(
            f"{name}.keras",
            "what one Keras takes for data, the other looks up by registered_name",
            "evil: ",
            of_text("standardize", lambda folder, each=each: looked_up(folder, each)),
        )
        for name, each in (
            ("nameless", ""),
            ("ellipsis", "__ellipsis__"),
            ("slice", "__slice__"),
            ("tensor", "__keras_tensor__"),
            ("tuple", "__tuple__"),
            ("dunder", "__anything__"),
            ("tensor_shape", "TensorShape"),
            ("old_type", "TypeSpec"),
            ("fallback", "Nothing"),
        )
    ),
    Hostile("function.keras", "a type for a function", TYPE, as_function("function")),
    Hostile("mask.keras", "a type for a function", TYPE, as_function("mask")),
    Hostile(
        "residual.keras",
        "a type for a function",
        TYPE,
        as_cell("ResidualWrapper", with_type("residual_fn")),
    ),
    Hostile(
        "dropout.keras",
        "a type for a function",
        TYPE,
        as_cell("DropoutWrapper", with_type("dropout_fn")),
    ),
    Hostile("input.keras", "a type for an input", TYPE, of_input),
    Hostile("constant.keras", "a type for a number", TYPE, of_constant),
]
"""Files of Keras 2 that run code while they are loaded, whatever Keras' safe mode."""
