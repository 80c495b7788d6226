"""Find layers of a live model by path, and pair them with those of its graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rewriter.errors import UnsupportedModelError
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.live.adapters import Live, LiveKeras


def layer_at(keras: LiveKeras, model: Live, steps: Sequence[str]) -> Live:
    """Return the layer that these names lead to, from model to model."""
    for step in steps:
        model = keras.layers(model)[step]
    return model


def inner_of(live: Live, role: str) -> Live:
    """Return the layer or cell that a live wrapper holds at a place of its config.

    Raises
    ------
    UnsupportedModelError
        A custom class keeps it in another attribute.
    """
    key, _, number = role.partition("/")
    if key == "layer" and hasattr(live, "forward_layer"):
        key = "forward_layer"
    if not hasattr(live, key):
        raise UnsupportedModelError(
            f"the {key} of its config is in no attribute of that name",
            where=str(live.name),
            fix=f"have its class keep it as self.{key}",
        )
    held = getattr(live, key)
    return held[int(number)] if number else held


def held_with(wrapper: Live, role: str, layer: Live) -> tuple[str, Any]:
    """Return the attribute that a role is in, and what it holds with this layer in the place."""
    key, _, number = role.partition("/")
    if not number:
        return key, layer
    cells = list(getattr(wrapper, key))
    cells[int(number)] = layer
    return key, cells


class OriginalLayer(NamedTuple):
    """A layer of the original: the way to it, as it was read, and live."""

    origin: tuple[str, ...]
    layer: Layer
    live: Live


def original_layers(graph: ModelGraph, model: Live, keras: LiveKeras) -> Iterator[OriginalLayer]:
    """Yield the layers of a model, at any depth, those that wrappers hold included."""
    seen: set[int] = set()

    def within(layer: Layer, live: Live, origin: tuple[str, ...]) -> Iterator[OriginalLayer]:
        yield OriginalLayer(origin, layer, live)
        if layer.graph is not None and id(layer.graph) not in seen:
            yield from nested(layer.graph, live, origin)
        for role, inner in layer.inner.items():
            yield from within(inner, inner_of(live, role), (*origin, role))

    def nested(graph: ModelGraph, model: Live, origin: tuple[str, ...]) -> Iterator[OriginalLayer]:
        seen.add(id(graph))
        live = keras.layers(model)
        for layer in graph.layers:
            if not layer.implicit:
                yield from within(layer, live[layer.name], (*origin, layer.name))

    return nested(graph, model, ())


def with_sublayers(live: Live, keras: LiveKeras) -> Iterator[Live]:
    """Yield a live layer and what it holds, at any depth, each once."""
    pending, seen = [live], set()
    while pending:
        layer = pending.pop()
        if id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            pending.extend(keras.sublayers(layer))


def pairs_with_sublayers(original: Live, live: Live, keras: LiveKeras) -> Iterator[Any]:
    """Yield a live layer beside another one, and what the two hold."""
    return zip(with_sublayers(original, keras), with_sublayers(live, keras), strict=False)


_WRAPPED = ("layer", "forward_layer", "backward_layer", "cell")


def _without_number(layer: Live) -> str:
    """Return the name of a layer inside another, without the number that Keras counts up.

    Of a model and of its copy, these numbers differ.
    """
    name, _, number = str(layer.name).rpartition("_")
    return name if name and number.isdigit() else str(layer.name)


def live_layers(keras: LiveKeras, graph: ModelGraph, model: Live) -> dict[str, Live]:
    """Return every layer of a model by its path, nested and wrapped ones included."""
    found: dict[str, Live] = {}

    def below(layer: Live, path: str) -> None:
        if layer in found.values():
            return
        found[path] = layer
        for inner in keras.sublayers(layer):
            held = any(inner is getattr(layer, role, None) for role in _WRAPPED)
            name = inner.name if held else _without_number(inner)
            while f"{path}/{name}" in found:
                name += "_"
            below(inner, f"{path}/{name}")

    def inside(graph: ModelGraph, model: Live) -> None:
        live = keras.layers(model)
        for layer in graph.layers:
            if layer.name not in live:
                continue
            if layer.graph is not None:
                inside(layer.graph, live[layer.name])
            else:
                below(live[layer.name], graph.path_of(layer.name))

    inside(graph, model)
    return found
