"""What a model file would run, read or write if Keras loaded it, told from its config alone.

Keras' own safe mode covers less than its name says: nothing in ``.h5`` files, nothing of Keras 2's
named functions, and in each version what was published until then. So this program looks itself,
before Keras sees the file, and lets pass what is known to be harmless. Everything else is named,
and loaded only where the user says so. The rules follow `_retrieve_class_or_fn` of
keras/src/saving/serialization_lib.py as it was in Keras 3.3, which imported whatever a config
named, and the layers that take functions, symbols or paths.
"""

from __future__ import annotations

import builtins
import posixpath
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rewriter.harmless import (
    FUNCTIONS,
    MODELLING,
    OPERATIONS,
    SIDE_EFFECTS,
    SYMBOL_AREAS,
    SYMBOLS,
    TENSOR_ATTRIBUTES,
)

OUR_FUNCTIONS = frozenset({"rewriter>hard_sigmoid_of_keras2"})
"""Functions of this program, by the names that they are registered under."""

FOREIGN_CODE = {
    "TFSMLayer": "runs the SavedModel at {filepath!r}",
    "TorchModuleWrapper": "unpickles a PyTorch module",
    "JaxLayer": "runs code that the file holds",
    "FlaxLayer": "runs code that the file holds",
}
"""Layers that exist to run what is no Keras model."""

_TENSOR_CLASSES = ("RaggedTensor", "SparseTensor", "sparse.SparseTensor")
_ROOTS = ("keras", "tf_keras")
_DATA = ("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__")


@dataclass(frozen=True, slots=True)
class Danger:
    """Something that a file would do when it is loaded or run.

    Parameters
    ----------
    layer : str
        Path of the layer; empty where it is not in one.
    class_name : str
        Class of the layer, or what else it is.
    what : str
        What it does: ``runs Python code that the file holds``.
    custom : bool
        Whether it goes away once the user names the class or function with ``--custom``.
    """

    layer: str
    class_name: str
    what: str
    custom: bool = False

    def __str__(self) -> str:
        """Return it in one clause."""
        place = f"{self.layer}: " if self.layer else ""
        return f"{place}{self.class_name} {self.what}"


def dangers(document: Any, known: Collection[str] = ()) -> Iterator[Danger]:
    """Yield what a serialised model, layer or training configuration would run or read.

    Parameters
    ----------
    document : JSON value
        As in config.json, model_config or training_config.
    known : collection of str
        The user's own classes and functions, by the names under which Keras finds them.

    Examples
    --------
    >>> layer = {"class_name": "function", "module": "os", "config": "system"}
    >>> [str(danger) for danger in dangers({"activation": layer})]
    ['function calls os.system']
    """
    pending: list[tuple[Any, tuple[str, ...], str, str]] = [(document, (), "", "the config")]
    while pending:
        value, path, key, owner = pending.pop()
        if isinstance(value, list):
            pending.extend((each, path, key, owner) for each in reversed(value))
        elif isinstance(value, dict):
            path = _path(value, path, key)
            owner = str(value.get("class_name", owner))
            for what, custom in _of_object(value, key, known):
                yield Danger("/".join(path), owner, what, custom)
            pending.extend((each, path, name, owner) for name, each in reversed(value.items()))


def known_names(custom_objects: Mapping[str, Any]) -> set[str]:
    """Return the names under which Keras finds what the user brought into this process.

    These are the custom objects and what was registered with ``register_keras_serializable``: the
    code is the user's and runs already.
    """
    known = set(custom_objects)
    registries = (
        ("keras.src.saving.object_registration", "GLOBAL_CUSTOM_OBJECTS"),
        ("tf_keras.src.saving.object_registration", "_GLOBAL_CUSTOM_OBJECTS"),
    )
    for module, name in registries:
        known |= set(getattr(sys.modules.get(module), name, ()))
    return known


def _path(value: dict[str, Any], path: tuple[str, ...], key: str) -> tuple[str, ...]:
    """Return the path of the layer that an object is, or is in."""
    if key not in ("layers", "layer", "cell", "cells") or "class_name" not in value:
        return path
    config = value.get("config")
    name = value.get("name") or (config.get("name") if isinstance(config, dict) else None)
    return (*path, str(name or value["class_name"]))


def _of_object(
    value: dict[str, Any], key: str, known: Collection[str]
) -> Iterator[tuple[str, bool]]:
    """Yield what an object does by itself, and whether ``--custom`` helps."""
    for name in ("vocabulary", "vocabulary_file"):
        if isinstance(value.get(name), str) and value[name]:
            yield f"reads the file {value[name]!r}", False
    if _leaves_folder(value.get("name")):
        yield f"has the name {value['name']!r}, which leads out of its folder", False
    class_name = str(value.get("class_name", ""))
    if class_name == "__lambda__":
        yield "runs Python code that the file holds", False
    elif class_name == "function":
        found = _function(value, known)
        if found or key == "layers":
            yield found or "is called in place of a layer", bool(found)
    elif class_name == "__typespec__":
        if not _is_typespec(value):
            yield f"uses {value.get('module')}.{value.get('spec_name')} for a type", False
    elif class_name and class_name not in _DATA:
        found = _class(value, class_name, known)
        if found:
            yield found, True
        config = value.get("config")
        if isinstance(config, dict):
            for name in _looked_up(class_name, value, known):
                yield from ((what, False) for what in _of_config(name, config, known))


def _function(value: dict[str, Any], known: Collection[str]) -> str:
    """Say what a named function does that does not belong in a config."""
    name, module = value.get("config"), value.get("module")
    if not isinstance(name, str) or name in known or module is None or name in OUR_FUNCTIONS:
        return ""
    # tf_keras takes registered_name where the module has no such name, and "outer.inner" apart.
    other = value.get("registered_name")
    looked_up = [name, *([other] if isinstance(other, str) and other != "function" else [])]
    plain = all(each.isidentifier() and each not in SIDE_EFFECTS for each in looked_up)
    if module == "builtins":
        harmless = plain and not any(hasattr(builtins, each) for each in looked_up)
    else:
        harmless = plain and _area(module) in FUNCTIONS
    shown = name if other in (None, name, "function") else f"{name} or {other}"
    return "" if harmless else f"calls {module}.{shown}"


def _class(value: dict[str, Any], class_name: str, known: Collection[str]) -> str:
    """Say what a class brings that does not belong in a config."""
    registered = str(value.get("registered_name") or "")
    if (registered or class_name) in known:
        return ""
    module = value.get("module")
    package, arrow, _ = registered.partition(">")
    foreign = bool(arrow) and package not in ("keras", "rewriter")
    if module is None:
        return f"is a class of {package!r}" if foreign else ""
    if module == "rewriter.layers" or str(module).startswith("rewriter.layers."):
        return ""
    area = _area(module)
    if area is None:
        return f"is a class of the module {module!r}"
    names = _looked_up(class_name, value, ())
    if (area and area not in MODELLING) or not all(map(_names_a_class, names)):
        return f"stands for {module}.{' or '.join(names)}, which is no part of a model"
    return f"is a class of {package!r}" if foreign else ""


def _looked_up(class_name: str, value: dict[str, Any], known: Collection[str]) -> list[str]:
    """Return the names by which one version of Keras or another may look a class up.

    Files of ``.h5`` are looked up by class_name alone; tf_keras takes registered_name where the
    module has no such class.
    """
    held = (class_name, str(value.get("registered_name") or class_name))
    return list(dict.fromkeys(each.rpartition(">")[2] for each in held if each not in known))


def _names_a_class(name: str) -> bool:
    return name.isidentifier() and name[0].isupper()


def _area(module: Any) -> str | None:
    """Return the part of Keras that a module is of; empty for the whole, None for others.

    >>> _area("keras.src.layers.core.dense"), _area("keras"), _area("os")
    ('layers', '', None)
    """
    root, *rest = str(module).split(".")
    if root not in _ROOTS:
        return None
    rest = [part for part in rest if part not in ("src", "api", "_v1", "_v2")]
    return rest[0] if rest else ""


def _of_config(class_name: str, config: dict[str, Any], known: Collection[str]) -> Iterator[str]:
    """Yield what a layer of Keras does by its config alone."""
    if class_name in FOREIGN_CODE:
        yield FOREIGN_CODE[class_name].format_map({"filepath": config.get("filepath")})
    elif class_name == "Lambda":
        yield from _of_lambda(config, known)
    elif class_name in ("TFOpLambda", "SlicingOpLambda"):
        if not _computes(config.get("function")):
            yield f"calls tf.{config.get('function')}"
    elif class_name == "ClassMethod":
        if config.get("cls_symbol") not in _TENSOR_CLASSES:
            yield f"calls tf.{config.get('cls_symbol')}.{config.get('method_name')}"
    elif class_name in ("InstanceMethod", "InstanceProperty"):
        if config.get("attr_name") not in TENSOR_ATTRIBUTES:
            yield f"uses {config.get('attr_name')!r} of a tensor"
    elif class_name == "TensorFlowOpLayer" and _operation(config) not in OPERATIONS:
        yield f"runs the operation {_operation(config)}"


def _of_lambda(config: dict[str, Any], known: Collection[str]) -> Iterator[str]:
    for key in ("function", "output_shape", "mask"):
        held = config.get(key)
        code = isinstance(held, list) and key == "function"
        if code or config.get(f"{key}_type") == "lambda":
            yield "runs Python code that the file holds"
        elif isinstance(held, str) and held not in known:
            yield f"calls {config.get('module') or 'somewhere'}.{held}"


def _computes(symbol: Any) -> bool:
    """Whether a symbol of TensorFlow only computes."""
    name = str(symbol).removeprefix("compat.v1.").removeprefix("compat.v2.")
    parts = name.split(".")
    if parts[-1] in SIDE_EFFECTS or (parts[-1].startswith("set_") and parts[-1] != "set_diag"):
        return False
    areas = (".".join(parts[:1]), ".".join(parts[:2]))
    asserts = name.startswith("debugging.assert_")
    return name in SYMBOLS or asserts or any(area in SYMBOL_AREAS for area in areas if area != name)


def _operation(config: dict[str, Any]) -> str:
    """Return the operation of a node of TensorFlow's own graph.

    Keras writes nodes as JSON objects; it would also read the bytes of a NodeDef in a string.
    """
    node = config.get("node_def")
    return str(node.get("op") if isinstance(node, dict) else node)


def _is_typespec(value: dict[str, Any]) -> bool:
    module, name = str(value.get("module") or ""), str(value.get("spec_name"))
    return module.partition(".")[0] in ("", "tensorflow") and name.endswith("Spec")


def _leaves_folder(name: Any) -> bool:
    if not isinstance(name, str):
        return False
    return ".." in re.split(r"[/\\]", name) or posixpath.isabs(name)
