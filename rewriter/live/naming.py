"""Write layer names into a config that has none, so that loading does not make up others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rewriter.dialects.config_keys import INNER_KEYS
from rewriter.dialects.names import name_in_config
from rewriter.errors import ModelReadError
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.live.adapters import Live, LiveKeras
from rewriter.live.walk import inner_of


def keep_names(graph: ModelGraph, model: Live, keras: LiveKeras) -> None:
    """Give the layers of a loaded model the names that they have in the graph of its file.

    Parameters
    ----------
    graph : ModelGraph
        What the file says.
    model : live model
        Is changed.
    keras : LiveKeras
        Its Keras.

    Raises
    ------
    ModelReadError
        If it is not clear which of the model's layers is meant; names it.
    """
    layers = [layer for layer in graph.layers if not layer.implicit]
    if any(map(_is_untold, layers)):
        keras.rename(model, _in_order(graph, layers, list(keras.layers(model).values())))
    live = keras.layers(model)
    for layer in layers:
        if layer.graph is not None:
            keep_names(layer.graph, live[layer.name], keras)
        elif layer.name in live:
            keep_names_inside(layer, live[layer.name], keras)


def keep_names_inside(layer: Layer, live: Live, keras: LiveKeras) -> None:
    """Give the layers of the models that a wrapper holds the names of the wrapper's graphs."""
    for role, inner in layer.inner.items():
        if inner.graph is not None:
            keep_names(inner.graph, inner_of(live, role), keras)
        elif inner.inner:
            keep_names_inside(inner, inner_of(live, role), keras)


def with_names(entry: Mapping[str, Any], live: Live, keras: LiveKeras) -> Mapping[str, Any]:
    """Return what Keras wrote of a live layer or model with the names that no config tells."""
    config = entry["config"]
    if not isinstance(config, Mapping):
        return entry
    if hasattr(live, "layers") and _are_layers(config.get("layers")):
        held: dict[str, Any] = {"layers": list(_entries(config["layers"], live, keras))}
    else:
        inner = {key: config[key] for key in INNER_KEYS if _is_layer(config.get(key))}
        held = {key: with_names(each, inner_of(live, key), keras) for key, each in inner.items()}
    return {**entry, "config": {**config, **held}} if held else entry


def _entries(
    entries: list[Mapping[str, Any]], model: Live, keras: LiveKeras
) -> Iterator[Mapping[str, Any]]:
    live = keras.layers(model)
    names = list(live)
    for number, entry in enumerate(entries):
        written = name_in_config(entry)
        name = written or names[number]
        yield with_names(entry if written else {**entry, "name": name}, live.get(name), keras)


def _is_layer(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("config"), Mapping)


def _are_layers(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_layer, value))


def _is_untold(layer: Layer) -> bool:
    return "name" not in (layer.config if layer.graph is None else layer.graph.config)


def _in_order(graph: ModelGraph, layers: list[Layer], live: list[Live]) -> dict[str, Live]:
    """Return the live layers without a name by the name that the graph has for them."""
    found = {}
    added = len(live) - len(layers)  # the input that a Sequential model makes itself
    rest = iter(live[max(added, 0) :])
    for layer in layers:
        each = next(rest, None)
        if layer.class_name == "InputLayer":
            continue
        if _is_untold(layer) and type(each).__name__ == layer.class_name.rpartition(">")[2]:
            found[layer.name] = each
        elif each is None or layer.name != each.name:
            raise ModelReadError(
                "which of its layers this is cannot be told: its config has no name",
                where=graph.path_of(layer.name),
                fix="write the name into what the get_config of its class returns",
            )
    return found
