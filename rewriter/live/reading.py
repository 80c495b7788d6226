"""Read a live model into a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rewriter.dialects import decode
from rewriter.dialects.shared_layers import join
from rewriter.errors import UnsupportedModelError
from rewriter.graph.changes import Note, Stage
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.live.adapters import Live, LiveKeras, keras_of, live_keras
from rewriter.live.naming import with_names
from rewriter.live.walk import original_layers


def read_live(model: Live) -> ModelGraph:
    """Return the graph of a live model, which is not changed.

    Layers that are one object are known as one, and what Keras writes into no config is told.
    A Functional model whose config is its constructor's arguments is read from its layers, which
    a note of the graph says.

    Raises
    ------
    UnsupportedModelError
        The model is subclassed, or a layer has no config, or Keras does not write down all that
        it is called with; names the layer.
    """
    keras = live_keras(keras_of(model))
    graph = _decoded(model, keras)
    originals = list(original_layers(graph, model, keras))
    _refuse_calls_losing_arguments(graph, model, keras)
    for original in originals:
        if original.layer.graph is not None:
            _refuse_calls_losing_arguments(original.layer.graph, original.live, keras)
    live = {original.origin: original.live for original in originals}
    identities = {origin: id(layer) for origin, layer in live.items()}
    join(graph, lambda layer: identities.get(layer.origin or ()))
    missing = {
        origin: arguments
        for origin in live
        if (arguments := keras.arguments_missing_from_config(live[origin]))
    }
    if missing:
        for each in graph.walk():
            each.map_layers(lambda layer: _with_missing_arguments(layer, missing))
    return graph


def written_graph(model: Live) -> ModelGraph:
    """Return the graph that Keras writes of a live model, as it would stand in a file.

    Raises
    ------
    UnsupportedModelError
        The model is subclassed, or a layer has no config; names the layer.
    """
    keras = live_keras(keras_of(model))
    return decode(with_names(_document(model, keras), model, keras), keras.keras)


def _refuse_calls_losing_arguments(graph: ModelGraph, model: Live, keras: LiveKeras) -> None:
    for name, given, lost in keras.calls_losing_arguments(model):
        raise UnsupportedModelError(
            f"Keras {keras.keras} saves its call without {lost} of its {given} arguments, "
            "so that every copy of the model, also one that Keras makes, is another model",
            where=graph.path_of(name),
            fix="have a layer of your own take the tensors as one list, and call it with that",
        )


def _with_missing_arguments(
    layer: Layer, missing: Mapping[tuple[str, ...], dict[str, Any]]
) -> Layer:
    """Return a layer with the arguments that its live layer has and its config does not have."""
    return replace(
        layer,
        config={**layer.config, **missing.get(layer.origin or (), {})},
        inner={
            role: _with_missing_arguments(inner, missing) for role, inner in layer.inner.items()
        },
    )


def _decoded(model: Live, keras: LiveKeras) -> ModelGraph:
    notes: list[Note] = []
    try:
        document = with_names(_document(model, keras), model, keras)
        graph = decode(_expanded(document, model, keras, (), notes), keras.keras)
    except UnsupportedModelError as error:
        parts = _parts_with_graphs(model, keras)
        if parts and not keras.is_functional(model):
            error.fix = f"rewrite its parts, each a model with a graph: {', '.join(parts)}"
        raise
    graph.notes = tuple(notes)
    return graph


def _parts_with_graphs(model: Live, keras: LiveKeras) -> list[str]:
    """Return what of a subclassed model holds Functional or Sequential models, lists included."""
    places = [
        place
        for name, value in vars(model).items()
        if not name.startswith("_")
        for place in _places(f"model.{name}", value)
    ]
    return [
        name
        for name, held in places
        if hasattr(held, "layers") and (keras.is_functional(held) or _is_sequential(held))
    ]


def _places(name: str, value: Any) -> list[tuple[str, Any]]:
    """Return an attribute, or what it holds if it is a list or a dict, as Python writes it."""
    if isinstance(value, Mapping):
        return [(f"{name}[{key!r}]", each) for key, each in value.items()]
    if isinstance(value, list | tuple):
        return [(f"{name}[{number}]", each) for number, each in enumerate(value)]
    return [(name, value)]


def _is_sequential(model: Live) -> bool:
    return any(cls.__name__ == "Sequential" for cls in type(model).__mro__)


def _document(model: Live, keras: LiveKeras) -> Mapping[str, Any]:
    try:
        return keras.document(model)
    except Exception as error:
        raise UnsupportedModelError(
            f"Keras cannot write its config: {type(error).__name__}: {error}".splitlines()[0],
            where=_without_config(model, keras) or model.name,
            fix="give the class a get_config that returns its constructor's arguments",
        ) from error


def _expanded(
    document: Mapping[str, Any],
    model: Live,
    keras: LiveKeras,
    path: tuple[str, ...],
    notes: list[Note],
) -> Mapping[str, Any]:
    """Return a model's serialised form with its layers where its config does not list them."""
    config = document["config"]
    if keras.is_functional(model) and "layers" not in config:
        name = type(model).__name__
        said = (
            "its config does not list its layers: read from the live model, it becomes plain "
            f"Functional{' where a pass changes it' if path else ''}"
        )
        notes.append(Note("/".join(path) or model.name, name, said, stage=Stage.READ))
        document = with_names({**document, **keras.functional_document(model)}, model, keras)
        config = document["config"]
    if not (isinstance(config, dict) and isinstance(config.get("layers"), list)):
        return document
    live = keras.layers(model) if hasattr(model, "layers") else {}
    entries = []
    for entry in config["layers"]:
        name = entry.get("name") or entry["config"].get("name")
        nested = live.get(name)
        is_model = nested is not None and hasattr(nested, "layers")
        entries.append(_expanded(entry, nested, keras, (*path, name), notes) if is_model else entry)
    return {**document, "config": {**config, "layers": entries}}


def _without_config(model: Live, keras: LiveKeras) -> str | None:
    """Return the path of the first layer whose config cannot be had."""
    for layer in keras.sublayers(model):
        try:
            layer.get_config()
        except Exception:
            inner = _without_config(layer, keras)
            return f"{layer.name}/{inner}" if inner else str(layer.name)
    return None
