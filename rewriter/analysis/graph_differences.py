"""Tell where two graphs of what should be one model differ: layers, classes, config, wiring."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves

# What Keras writes otherwise of the same layer: code is marshalled anew each time, the size of an
# adapted vocabulary is counted, and a type is written in another form by each format.
_CODE = frozenset(("function", "mask", "output_shape"))
_NOT_TOLD = frozenset(("vocabulary_size", "type_spec"))

# Where a class is found in this release, which says nothing of what it does.
_HOMES = frozenset(("module", "registered_name", "shared_object_id"))


class Difference(NamedTuple):
    """A place where two graphs differ.

    Parameters
    ----------
    layer : str
        Path of the layer, or of a nested model; the name of the outermost one.
    what : str
        How they differ, as a clause.
    """

    layer: str
    what: str


def differences(as_read: ModelGraph, loaded: ModelGraph) -> Iterator[Difference]:
    """Yield where the model that Keras loaded differs from what its file tells.

    Of configs, what both tell is compared: Keras adds what an older one did not write, and fills
    in what stands there as None.

    Parameters
    ----------
    as_read : ModelGraph
        The graph of the file.
    loaded : ModelGraph
        The graph of the loaded model.
    """
    names = {each.name for each in as_read.layers}
    others = {each.name for each in loaded.layers}
    for name in sorted(names ^ others):
        where = "the file" if name in names else "the loaded model"
        yield Difference(as_read.path_of(name), f"it is in {where} alone")
    for layer in as_read.layers:
        if layer.name in others:
            yield from _of_layers(layer, loaded.layer(layer.name), as_read.path_of(layer.name))
            yield from _of_calls(as_read, loaded, layer.name)
    for key in ("inputs", "outputs"):
        if list(leaves(getattr(as_read, key))) != list(leaves(getattr(loaded, key))):
            yield Difference("/".join(as_read.path) or as_read.name, f"the model has other {key}")


def _of_layers(as_read: Layer, loaded: Layer, path: str) -> Iterator[Difference]:
    if as_read.graph is not None and loaded.graph is not None:
        yield from differences(as_read.graph, loaded.graph)
        return
    if _class_name(as_read) != _class_name(loaded):
        yield Difference(path, f"class {as_read.class_name} is loaded as {loaded.class_name}")
        return
    skipped = _NOT_TOLD | (_CODE if as_read.class_name == "Lambda" else frozenset())
    for key in (each for each in as_read.config if each in loaded.config and each not in skipped):
        if not _agree(as_read.config[key], loaded.config[key]):
            what = f"{key} {as_read.config[key]!r} is loaded as {loaded.config[key]!r}"
            yield Difference(path, what)
    for role in (each for each in as_read.inner if each in loaded.inner):
        yield from _of_layers(as_read.inner[role], loaded.inner[role], f"{path}/{role}")


def _class_name(layer: Layer) -> str:
    """Return the class without what another release, or `custom_objects`, may leave out.

    >>> _class_name(Layer("norm", "BatchNormalizationV2", {}))
    'BatchNormalization'
    >>> _class_name(Layer("gate", "mine>Gate", {}))
    'Gate'
    """
    return re.sub(r"(?<=[a-z])V[12]$", "", layer.class_name.rpartition(">")[2])


def _of_calls(as_read: ModelGraph, loaded: ModelGraph, name: str) -> Iterator[Difference]:
    calls = as_read.calls_of(name)
    if calls != loaded.calls_of(name):
        yield Difference(as_read.path_of(name), "it is called another number of times")
        return
    for call in calls:
        if as_read.producers(call) != loaded.producers(call):
            yield Difference(as_read.path_of(name), "it is called with other tensors")


def _agree(as_read: Any, loaded: Any) -> bool:
    if as_read is None or loaded is None:
        return True
    if isinstance(as_read, Mapping) and isinstance(loaded, Mapping):
        keys = (as_read.keys() & loaded.keys()) - _HOMES
        return all(_agree(as_read[key], loaded[key]) for key in keys)
    if isinstance(as_read, list | tuple) and isinstance(loaded, list | tuple):
        return len(as_read) == len(loaded) and all(map(_agree, as_read, loaded))
    if isinstance(as_read, int | float) and isinstance(loaded, int | float):
        return bool(as_read == loaded)
    if isinstance(as_read, str) and isinstance(loaded, str):
        return as_read == loaded
    return True
