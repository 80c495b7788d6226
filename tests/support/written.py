"""Models as Keras 2 and Keras 3 write them, built as plain data: no Keras is needed."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rewriter.dialects import decode
from rewriter.graph import ModelGraph

VERSIONS = {2: "2.21.0", 3: "3.15.1"}


class Ref(NamedTuple):
    """A tensor of a written model."""

    layer: str
    node: int
    shape: tuple[int | None, ...]


@dataclass
class Written:
    """A Functional model that is written call by call.

    >>> model = Written(3)
    >>> x = model.input("x", (None, 4))
    >>> document = model.document(model.call("Dropout", "drop", x, rate=0.5))
    """

    keras: int
    name: str = "m"
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    inputs: list[Ref] = field(default_factory=list)

    def input(self, name: str, shape: tuple[int | None, ...], dtype: str = "float32") -> Ref:
        key = "batch_shape" if self.keras == 3 else "batch_input_shape"
        self.entries[name] = self.entry("InputLayer", name, {key: list(shape), "dtype": dtype})
        self.inputs.append(Ref(name, 0, shape))
        return self.inputs[-1]

    def call(
        self,
        class_name: str,
        name: str,
        *sources: Ref,
        shape: tuple[int | None, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        document: dict[str, Any] | None = None,
        **config: Any,
    ) -> Ref:
        """Call a layer, new or known by its name; `document` is that of a nested model."""
        new = name not in self.entries
        if new:
            self.entries[name] = self.entry(class_name, name, config)
            self.entries[name]["build_config"] = {"input_shape": list(sources[0].shape)}
            if document is not None:
                self.entries[name] |= document
        nodes = self.entries[name]["inbound_nodes"]
        nodes.append(self.node(sources, kwargs or {}))
        # Keras 2 counts a nested model's own graph as its first call, Keras 3 only in outputs
        number = len(nodes) - 1 + (self.keras == 2 and self.nested(name))
        return Ref(name, number, sources[0].shape if shape is None else shape)

    def nested(self, name: str) -> bool:
        return "layers" in self.entries[name]["config"]

    def entry(self, class_name: str, name: str, config: dict[str, Any]) -> dict[str, Any]:
        return {**written_layer(class_name, name, self.keras, **config), "inbound_nodes": []}

    def node(self, sources: tuple[Ref, ...], kwargs: dict[str, Any]) -> Any:
        if self.keras == 2:
            return [[ref.layer, ref.node, 0, kwargs] for ref in sources]
        tensors = [
            {
                "class_name": "__keras_tensor__",
                "config": {
                    "shape": list(ref.shape),
                    "dtype": "float32",
                    "keras_history": [ref.layer, ref.node, 0],
                },
            }
            for ref in sources
        ]
        return {"args": tensors if len(tensors) == 1 else [tensors], "kwargs": kwargs}

    def end(self, ref: Ref) -> list[Any]:
        offset = self.keras == 3 and self.nested(ref.layer)
        return [ref.layer, ref.node + offset, 0]

    def document(self, *outputs: Ref) -> dict[str, Any]:
        ends = [[self.end(ref) for ref in each] for each in (self.inputs, outputs)]
        if self.keras == 3:
            ends = [end[0] if len(end) == 1 else end for end in ends]
        config = {"name": self.name, "trainable": True, "layers": list(self.entries.values())}
        config |= {"input_layers": ends[0], "output_layers": ends[1]}
        document: dict[str, Any] = {"class_name": "Functional", "config": config}
        if self.keras == 3:
            document |= {"module": "keras.src.models.functional", "registered_name": "Functional"}
        return document

    def graph(self, *outputs: Ref) -> ModelGraph:
        return decode(self.document(*outputs), self.keras)


def written_layer(
    class_name: str, name: str, keras: int, module: str = "keras.layers", **config: Any
) -> dict[str, Any]:
    """Return the serialised form of a layer."""
    config = {"name": name, "trainable": True, "dtype": "float32", **config}
    return {
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": None,
        "name": name,
    }


def sequential(keras: int, *layers: tuple[str, dict[str, Any]], name: str = "m") -> dict[str, Any]:
    """Return a Sequential model: the class names of its layers in small letters are their names.

    >>> sequential(3, ("InputLayer", {"batch_shape": [None, 4]}), ("Dense", {"units": 2}))[
    ...     "class_name"
    ... ]
    'Sequential'
    """
    entries = []
    for class_name, config in layers:
        label = config.get("name", class_name.lower())
        rest = {key: value for key, value in config.items() if key != "name"}
        entry = written_layer(class_name, label, keras, **rest)
        if keras == 2 and "batch_shape" in entry["config"]:
            entry["config"]["batch_input_shape"] = entry["config"].pop("batch_shape")
        del entry["name"]
        entries.append(entry)
    return {"class_name": "Sequential", "config": {"name": name, "layers": entries}}


def save(document: dict[str, Any], keras: int, path: Path, version: str | None = None) -> Path:
    """Write a file that holds a config and, where weights stand, nothing of use."""
    version = version or VERSIONS[keras]
    if path.suffix == ".keras":
        with zipfile.ZipFile(path, "w") as archive:
            metadata = {"keras_version": version, "date_saved": "2026-01-01@00:00:00"}
            archive.writestr("metadata.json", json.dumps(metadata))
            archive.writestr("config.json", json.dumps(document))
            archive.writestr("model.weights.h5", b"")
        return path
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["backend"] = "tensorflow"
        file.attrs["model_config"] = json.dumps(document)
    return path
