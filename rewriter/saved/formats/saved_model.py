"""Read the config in a SavedModel directory of Keras 2 without TensorFlow.

``keras_metadata.pb`` holds the config of every layer, that of the model first; before
TensorFlow 2.5 the configs stood in ``saved_model.pb``. Which layers are one object is told by the
graph of objects in ``saved_model.pb`` alone: it is read too, and the graphs of operations beside
it are not (tensorflow/core/protobuf/saved_object_graph.proto, tf_keras/protobuf/
saved_metadata.proto, tf_keras/src/saving/legacy/saved_model/save.py).
"""

from __future__ import annotations

import json
import mmap
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rewriter.errors import ModelReadError, UnsupportedModelError
from rewriter.saved.formats.bounded_json import parse, too_large
from rewriter.saved.formats.protobuf import encoded, fields, messages, number, text

GRAPH = "saved_model.pb"
METADATA = "keras_metadata.pb"
WEIGHTS = "variables/variables"
"""The beginning of the names of the files of a checkpoint."""

EXTRA = "assets.extra"

RECORD_FILE = f"{EXTRA}/rewriter.json"
"""What this program says of a rewrite, by its name in the directory."""
"""The folder in which TensorFlow leaves alone what others put there."""

PARTS = (GRAPH, METADATA, "fingerprint.pb", "variables", "assets")
"""What TensorFlow and Keras write into a SavedModel directory."""

NODE_LIMIT = 1_000_000  # objects of one SavedModel

_LOOKUPS = ("StringLookup", "IntegerLookup", "TextVectorization")
_MODELS = ("_tf_keras_network", "_tf_keras_sequential", "_tf_keras_model")
_KEPT_BY = "keep the model as a .keras or .h5 file"


@dataclass(slots=True)
class _Node:
    """An object of a SavedModel: its kind, its config, and the numbers of what it holds."""

    identifier: str = ""
    metadata: bytes = b""
    children: dict[str, int] = field(default_factory=dict)


def is_saved_model(path: Path) -> bool:
    """Whether a path is a SavedModel directory, of Keras or not."""
    return any((path / name).is_file() for name in (GRAPH, f"{GRAPH}txt"))


def read_metadata(path: Path, limit: int, memory_limit: int) -> dict[str, Any]:
    """Return what a SavedModel directory says of its model.

    Parameters
    ----------
    path : Path
        The directory.
    limit, memory_limit : int
        Bytes of the model's config, and of memory that it may take.

    Returns
    -------
    dict
        ``model_config``, ``keras_version``, ``training_config`` and what else Keras wrote; lists
        where Python had tuples, as in other files. Layers that are one object have the same
        ``shared_object_id``.

    Raises
    ------
    UnsupportedModelError
        The directory holds no Keras model, but graphs alone.
    ModelReadError
        It is damaged, or larger than allowed.
    """
    nodes = _nodes(path, limit)
    root = nodes.get(0, _Node())
    if root.identifier not in _MODELS or not root.metadata:
        raise UnsupportedModelError(
            "a SavedModel without Keras' configs, as model.export and tf.saved_model.save write "
            "it, holds graphs of operations and no layers",
            fix="give the .keras or .h5 file that the model was exported from; in Keras 2, "
            "model.save(DIRECTORY) writes the configs too",
        )
    metadata = _plain(parse(root.metadata, METADATA, memory_limit))
    if not isinstance(metadata.get("model_config"), dict):
        kept = {key: metadata.get(key) for key in ("class_name", "config")}
        metadata["model_config"] = kept
    _tell_shared(metadata["model_config"], nodes, memory_limit)
    checked: dict[str, Any] = metadata
    return checked


def objects_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield what a SavedModel directory says of each object of Keras, the model being number 0."""
    for place, node in _nodes(path, sys.maxsize).items():
        if node.metadata:
            yield place, parse(node.metadata, METADATA, sys.maxsize)


def change_metadata(path: Path, change: Callable[[int, dict[str, Any]], dict[str, Any]]) -> None:
    """Write what a function makes of what a directory says of each object, in place."""
    nodes = []
    for node in messages(memoryview((path / METADATA).read_bytes()), 1):
        changed = change(number(node, 2), json.loads(text(node, 5)))
        kept = [(key, value) for key, value in fields(node) if key != 5]
        nodes.append(encoded([*kept, (5, json.dumps(changed).encode())]))
    (path / METADATA).write_bytes(encoded((1, node) for node in nodes))


def put_training_config(path: Path, training_config: Mapping[str, Any]) -> None:
    """Write a training configuration into a SavedModel directory, which is changed in place."""

    def put(place: int, metadata: dict[str, Any]) -> dict[str, Any]:
        return metadata if place else metadata | {"training_config": training_config}

    change_metadata(path, put)


def foreign(path: Path) -> list[str]:
    """Return the names of the files in a SavedModel directory that are not of Keras."""
    files = (each.relative_to(path) for each in sorted(path.rglob("*")) if not each.is_dir())
    return [str(each) for each in files if each.parts[0] not in PARTS]


def references(path: Path, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what loading a SavedModel would read outside of it, or run, and where that stands.

    Its weights are read from the checkpoint, into layers that are made from their configs, so
    that of the graphs in it nothing runs: but for vocabularies, which are nowhere else.
    """
    for entry in sorted(path.rglob("*")):
        if _leads_out(entry, path):
            yield entry.name, f"links to the file {str(entry.readlink())!r}"
    for name in lookups(document):
        yield name, "keeps a vocabulary in a graph of operations, which loading the model runs"


def _leads_out(name: Path, path: Path) -> bool:
    """Whether something in a directory is a link to what is not in it."""
    return name.is_symlink() and not name.resolve().is_relative_to(path.resolve())


def lookups(document: Any) -> Iterator[str]:
    """Yield the names of layers whose vocabulary is in no config."""
    pending: list[Any] = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, dict):
            config = value.get("config")
            if value.get("class_name") in _LOOKUPS and isinstance(config, dict):
                if not config.get("vocabulary"):
                    yield str(config.get("name"))
            else:
                pending.extend(value.values())


def _nodes(path: Path, limit: int) -> dict[int, _Node]:
    """Return the objects of a SavedModel that are layers or hold something, by their numbers."""
    if not (path / GRAPH).is_file():
        raise UnsupportedModelError(
            f"a SavedModel in text form ({GRAPH}txt) cannot be read", fix=_KEPT_BY
        )
    for each in (path / GRAPH, path / METADATA):
        if _leads_out(each, path):
            raise UnsupportedModelError(
                f"{each.name} links to the file {str(each.readlink())!r}, which is not in it",
                fix="put the file itself into the directory; `cp -rL` copies a directory so",
            )
    nodes = {}
    for place, written in enumerate(_objects(path / GRAPH)):
        if place >= NODE_LIMIT:
            raise ModelReadError(f"it holds more than {NODE_LIMIT} objects", fix=_KEPT_BY)
        node = _node(written)
        if node.identifier or node.children:
            nodes[place] = node
    if not (path / METADATA).is_file():
        return nodes
    if (path / METADATA).stat().st_size > 4 * limit:  # layers of nested models stand in it thrice
        raise too_large(METADATA, 4 * limit)
    for written in messages(memoryview((path / METADATA).read_bytes()), 1):
        node = nodes.setdefault(number(written, 2), _Node())
        node.identifier = text(written, 4)
        node.metadata = text(written, 5).encode()
    return nodes


def _objects(path: Path) -> Iterator[memoryview]:
    """Yield the objects that the first graph of a SavedModel is of."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise ModelReadError(f"{GRAPH} of this SavedModel is empty")
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    for graph in messages(mapped, 2):
        for objects in messages(graph, 7):
            yield from messages(objects, 1)
        return


def _node(written: memoryview) -> _Node:
    node = _Node()
    for key, value in fields(written):
        if isinstance(value, int):
            continue
        if key == 1:
            node.children[text(value, 2)] = number(value, 1)
        elif key == 4:
            node.identifier = text(value, 1)
            node.metadata = text(value, 3).encode()
    return node


def _plain(value: Any) -> Any:
    """Return a config with lists where Keras marked tuples and shapes."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") in ("__tuple__", "TensorShape") and "items" in value:
        return _plain(value["items"])
    return {key: _plain(each) for key, each in value.items()}


def _tell_shared(model: dict[str, Any], nodes: Mapping[int, _Node], memory_limit: int) -> None:
    """Give the layers of a config that are one object the same number.

    Keras writes the number beside some of them only: it goes by the graph of objects.
    """
    places: dict[int, list[dict[str, Any]]] = {}
    names: dict[int, str | None] = {}

    def name(node: int) -> str | None:
        if node not in names:
            written = nodes[node].metadata if node in nodes else b""
            names[node] = _name(parse(written, METADATA, memory_limit)) if written else None
        return names[node]

    pending: list[tuple[Any, int]] = [(model, 0)]
    while pending:
        entry, node = pending.pop()
        children = nodes[node].children if node in nodes else {}
        if isinstance(entry, list):  # cells of an RNN
            cells = ((each, str(place)) for place, each in enumerate(entry))
            pending += [(each, children[key]) for each, key in cells if key in children]
        config = entry.get("config") if isinstance(entry, dict) else None
        if config is None:
            continue
        places.setdefault(node, []).append(entry)
        if isinstance(config, dict):
            pending += [(each, children[key]) for key, each in config.items() if key in children]
        layers = config.get("layers") if isinstance(config, dict) else config
        if isinstance(layers, list):
            held = [child for key, child in children.items() if key.startswith("layer-")]
            named = {name(child): child for child in held if name(child)}
            pending += [(each, named[_name(each)]) for each in layers if _name(each) in named]
    first = 1 + max(_numbers(model), default=0)
    for node, entries in places.items():
        if len(entries) > 1:
            for entry in entries:
                entry["shared_object_id"] = first + node


def _name(entry: Any) -> str | None:
    """Return the name of a layer; inputs, which are nobody's but their model's, have none."""
    if not isinstance(entry, dict) or entry.get("class_name") == "InputLayer":
        return None
    config = entry.get("config")
    name = entry.get("name") or (config.get("name") if isinstance(config, dict) else None)
    return str(name) if name else None


def _numbers(value: Any) -> Iterator[int]:
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            known = value.get("shared_object_id")
            if type(known) is int:
                yield known
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
