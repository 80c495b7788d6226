"""Find in a config what Keras would run, read or write if it loaded it.

Keras' own safe mode covers less than its name says: nothing in ``.h5`` files, nothing of Keras 2's
named functions, and in each version what was published until then. So this program looks itself,
before Keras sees the file, and lets pass what is known to be harmless. Everything else is named,
and loaded only where the user says so. The rules follow `_retrieve_class_or_fn` of
keras/src/saving/serialization_lib.py as it was in Keras 3.3, which imported whatever a config
named, and the layers that take functions, symbols or paths.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rewriter.analysis.known_layers import OUR_FUNCTIONS, OURS
from rewriter.saved.safety.allowed_names import (
    ANY_CLASS,
    ANY_FUNCTION,
    CLASSES,
    DATA,
    FUNCTIONS,
    PACKAGES,
    REGISTERED_TYPE_SPECS,
    STRINGS,
    TENSORFLOW_INITIALIZERS,
    TENSORFLOW_INITIALIZERS_MODULE,
    TYPE_SPECS,
)
from rewriter.saved.safety.tensorflow_names import (
    OPERATIONS,
    SIDE_EFFECTS,
    SYMBOL_AREAS,
    SYMBOLS,
    TENSOR_ATTRIBUTES,
    TENSOR_METHODS,
)

FOREIGN_CODE = {
    "TFSMLayer": "runs the SavedModel at {filepath!r}",
    "TorchModuleWrapper": "unpickles a PyTorch module",
    "JaxLayer": "runs code that the file holds",
    "FlaxLayer": "runs code that the file holds",
}
"""Layers that exist to run what is no Keras model."""

_TENSOR_CLASSES = ("RaggedTensor", "SparseTensor", "sparse.SparseTensor")
_ROOTS = ("keras", "tf_keras")
_OUR_MODULES = ("rewriter.layers", "rewriter.layers.keras2", "rewriter.layers.keras3")
_DTYPE = re.compile(
    r"(q?u?int|b?float|complex|str|bytes)\d{0,4}(_e\dm\d\w{0,4})?|bool|string|object"
)

FILES = ("vocabulary", "vocabulary_file", "ckpt_to_load_from")
"""Keys under which Keras reads a file; `vocabulary` holds the words themselves, too."""

STRING_ENDS = ("activation", "constraint", "initializer", "regularizer")
"""Ends of the keys whose strings Keras looks up, in the config of a class."""

COMPILED = ("fn", "inner_optimizer", "loss", "metrics", "optimizer", "weighted_metrics")
"""Keys whose strings Keras looks up, in a training configuration and what stands in it."""

CODE = ("function", "output_shape", "mask", "residual_fn", "dropout_fn")
"""Keys that hold Python code where ``..._type`` says ``lambda``, and a function's name else."""


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
    missing : bool
        Whether it is a name alone, which Keras does not find: loading fails, and runs nothing.
    """

    layer: str
    class_name: str
    what: str
    custom: bool = False
    missing: bool = False

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
            for danger in _of_object(value, key, known):
                yield replace(danger, layer="/".join(path), class_name=owner)
            pending.extend((each, path, name, owner) for name, each in reversed(value.items()))


def known_names(custom_objects: Mapping[str, Any], keras: int | None = None) -> set[str]:
    """Return the names under which Keras finds what the user brought into this process.

    These are the custom objects and what was registered with ``register_keras_serializable``: the
    code is the user's and runs already.

    Parameters
    ----------
    custom_objects : mapping of str to class or function
        What the user named.
    keras : int or None
        The Keras that will look: the other finds nothing that was registered with this one. Both
        without it.
    """
    known = set(custom_objects)
    registries = {
        3: ("keras.src.saving.object_registration", "GLOBAL_CUSTOM_OBJECTS"),
        2: ("tf_keras.src.saving.object_registration", "_GLOBAL_CUSTOM_OBJECTS"),
    }
    for number, (module, name) in registries.items():
        if keras in (None, number):
            known |= set(getattr(sys.modules.get(module), name, ()))
    return known


def _path(value: dict[str, Any], path: tuple[str, ...], key: str) -> tuple[str, ...]:
    """Return the path of the layer that an object is, or is in."""
    if key not in ("layers", "layer", "cell", "cells") or "class_name" not in value:
        return path
    config = value.get("config")
    name = value.get("name") or (config.get("name") if isinstance(config, dict) else None)
    return (*path, str(name or value["class_name"]))


def _danger(what: str, *, custom: bool = False, missing: bool = False) -> Danger:
    return Danger("", "", what, custom, missing)


def _of_object(value: dict[str, Any], key: str, known: Collection[str]) -> Iterator[Danger]:
    """Yield what an object does by itself."""
    for name in FILES:
        held = value.get(name)
        if held and not (name == "vocabulary" and _is_array(held)):
            yield _danger(f"reads the file {held!r}")
    if _leaves_folder(value.get("name")):
        yield _danger(f"has the name {value['name']!r}, which leads out of its folder")
    if "class_name" in value:
        yield from _of_named(value, key, known)
    elif key in ("", "compile_config"):
        texts = ((name, text) for name in COMPILED for text in _strings(value.get(name)))
        yield from _of_strings(texts, known)


def _of_named(value: dict[str, Any], key: str, known: Collection[str]) -> Iterator[Danger]:
    """Yield what an object does that has a class_name, be it the name of a class or another."""
    class_name = value["class_name"]
    unnamed = value.get("module") is None and value.get("registered_name") is None
    if class_name == "__lambda__":
        yield _danger("runs Python code that the file holds")
    elif class_name == "function":
        function = _function(value, known)
        if function or key == "layers":
            yield function or _danger("is called in place of a layer")
    elif class_name == "__typespec__" or (class_name == "TypeSpec" and unnamed):
        if not _is_type(value, known):
            module, name = value.get("module"), value.get("spec_name", value.get("type_spec"))
            other = value.get("registered_name")
            names = f"{name} or {other}" if other not in (None, name) else name
            yield _danger(f"uses {module or 'the registered'}.{names} for a type")
    elif isinstance(class_name, str) and class_name in DATA and unnamed:
        # What one Keras takes for data, the other looks up, by registered_name in the module.
        yield from _of_data(value)
    else:
        yield from _of_class(value, known)


def _function(value: dict[str, Any], known: Collection[str]) -> Danger | None:
    """Say what a named function does that does not belong in a config."""
    name, module = value.get("config"), value.get("module")
    if isinstance(name, str) and name in known:
        return None
    # Keras looks such a name up in its registry, and in no module.
    ours = isinstance(name, str) and name in OUR_FUNCTIONS and module == "builtins"
    if ours and value.get("registered_name") in (None, "function"):
        return None
    # tf_keras takes registered_name where the module has no such name, and "outer.inner" apart.
    other = value.get("registered_name")
    names = [name, *([] if other in (None, "function") else [other])]
    allowed = ANY_FUNCTION
    if module not in (None, "builtins"):
        allowed = FUNCTIONS.get(_area(module) or "", frozenset())
    if all(isinstance(each, str) and each in allowed for each in names):
        return None
    shown = " or ".join(map(str, dict.fromkeys(map(str, names))))
    if module is None:
        return _danger(f"calls {shown}, which Keras does not have", custom=True, missing=True)
    return _danger(f"calls {module}.{shown}", custom=True)


def _of_class(value: dict[str, Any], known: Collection[str]) -> Iterator[Danger]:
    """Yield what an object of a class does."""
    class_name, held = _class(value, known), value.get("config")
    config = held if isinstance(held, dict) else {}
    names = _looked_up(value, known)
    for name in names:
        yield from map(_danger, _of_config(name, config, known))
    if class_name:
        yield class_name
    elif names:
        yield from _of_strings(config.items(), known)


def _class(value: dict[str, Any], known: Collection[str]) -> Danger | None:
    """Say what a class brings that does not belong in a config."""
    registered = str(value.get("registered_name") or "")
    class_name = str(value["class_name"])
    package, _, last = registered.rpartition(">")
    if (registered or class_name) in known:
        # Files of .h5 are looked up by class_name all the same.
        own = class_name in known or class_name == last or _names_a_class(class_name)
        return None if own else _danger(f"calls {class_name}", custom=True)
    module, names = value.get("module"), _looked_up(value, ())
    foreign = bool(package) and package not in PACKAGES
    if module is None:
        if foreign:
            return _danger(f"is a class of {package!r}", custom=True, missing=True)
        # Keras looks in modules that also hold functions, and calls what it finds.
        lacking = [name for name in names if name not in ANY_CLASS | OURS]
        missing = all(map(_names_a_class, lacking))
        what = f"stands for {' or '.join(lacking)!r}, which no Keras has"
        return _danger(what, custom=True, missing=missing) if lacking else None
    if module in _OUR_MODULES and OURS.issuperset(names):
        return None
    if module == TENSORFLOW_INITIALIZERS_MODULE and TENSORFLOW_INITIALIZERS.issuperset(names):
        return None
    area = _area(module)
    if area is None:
        return _danger(f"is a class of the module {module!r}", custom=True)
    if not CLASSES.get(area, frozenset()).issuperset(names):
        shown = f"{module}.{' or '.join(names)}"
        return _danger(f"stands for {shown}, which is no part of a model", custom=True)
    return _danger(f"is a class of {package!r}", custom=True) if foreign else None


def _looked_up(value: dict[str, Any], known: Collection[str]) -> list[str]:
    """Return the names by which one version of Keras or another may look a class up.

    Files of ``.h5`` are looked up by class_name alone; tf_keras takes registered_name where the
    module has no such class.
    """
    class_name = str(value["class_name"])
    held = (class_name, str(value.get("registered_name") or class_name))
    return list(dict.fromkeys(each.rpartition(">")[2] for each in held if each not in known))


def _is_type(value: dict[str, Any], known: Collection[str]) -> bool:
    """Whether an object is the type of a tensor: by every name that Keras may look it up by."""
    if value["class_name"] == "TypeSpec":
        return value.get("type_spec") in list(REGISTERED_TYPE_SPECS)
    name, other, module = (value.get(key) for key in ("spec_name", "registered_name", "module"))
    if isinstance(other, str) and other in known:
        return True
    return all((module, each) in list(TYPE_SPECS) for each in (name, other or name))


def _is_array(value: Any) -> bool:
    """Whether a value holds more than one text: ``.h5`` files mark bytes by a class_name."""
    if isinstance(value, dict):
        return value.get("class_name") != "__bytes__"
    return isinstance(value, list)


def _of_data(value: dict[str, Any]) -> Iterator[Danger]:
    if value["class_name"] not in ("__numpy__", "__tensor__"):
        return
    config = value.get("config")
    held = config.get("dtype") if isinstance(config, dict) else None
    if not (isinstance(held, str) and _DTYPE.fullmatch(held)):
        yield _danger(f"makes an array of {held!r}")


def _of_strings(items: Iterable[tuple[str, Any]], known: Collection[str]) -> Iterator[Danger]:
    """Yield the strings by which Keras would look up what is none of its own."""
    for key, text in items:
        looked_up = key.endswith(STRING_ENDS) or key in COMPILED
        if not looked_up or not isinstance(text, str) or text in known:
            continue
        if text.replace("_", "").lower() not in STRINGS:
            what = f"has {text!r} for its {key}, which is none of Keras' own"
            yield _danger(what, custom=True, missing=True)


def _strings(value: Any) -> Iterator[str]:
    """Yield the strings in what a model is compiled with, one or many, by output or not."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, list):
            pending.extend(each)
        elif isinstance(each, dict) and "class_name" not in each:
            pending.extend(each.values())


def _names_a_class(name: str) -> bool:
    return name.isidentifier() and name[0].isupper()


def _area(module: Any) -> str | None:
    """Return the part of Keras that a module is of; empty for the whole, None for others.

    >>> _area("keras.src.layers.core.dense"), _area("keras"), _area("os")
    ('layers', '', None)
    """
    root, *rest = str(module).split(".")
    if root not in _ROOTS or not all(part.isidentifier() for part in rest):
        return None
    rest = [part for part in rest if part not in ("src", "api", "_v1", "_v2")]
    return rest[0] if rest else ""


def _of_config(class_name: str, config: dict[str, Any], known: Collection[str]) -> Iterator[str]:
    """Yield what a layer of Keras does by its config alone."""
    if class_name in FOREIGN_CODE:
        yield FOREIGN_CODE[class_name].format_map({"filepath": config.get("filepath")})
    elif class_name in ("Lambda", "ResidualWrapper", "DropoutWrapper"):
        yield from _of_lambda(config, known)
    elif class_name in ("TFOpLambda", "SlicingOpLambda"):
        if not _computes(config.get("function")):
            yield f"calls tf.{config.get('function')}"
    elif class_name == "ClassMethod":
        symbol, method = config.get("cls_symbol"), config.get("method_name")
        if symbol not in _TENSOR_CLASSES or method not in list(TENSOR_METHODS):
            yield f"calls tf.{symbol}.{method}"
    elif class_name in ("InstanceMethod", "InstanceProperty"):
        if config.get("attr_name") not in list(TENSOR_ATTRIBUTES):
            yield f"uses {config.get('attr_name')!r} of a tensor"
    elif class_name == "TensorFlowOpLayer" and _operation(config) not in OPERATIONS:
        yield f"runs the operation {_operation(config)}"


def _of_lambda(config: dict[str, Any], known: Collection[str]) -> Iterator[str]:
    for key in CODE:
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

    Keras writes nodes as JSON objects; it would also read the bytes of a NodeDef, in a string or,
    in ``.h5`` files and SavedModel directories, in what stands for bytes.
    """
    node = config.get("node_def")
    return str(node.get("op") if isinstance(node, dict) and "class_name" not in node else node)


def _leaves_folder(name: Any) -> bool:
    if not isinstance(name, str):
        return False
    return ".." in re.split(r"[/\\]", name) or posixpath.isabs(name)
