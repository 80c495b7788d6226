"""Graph -> live model, with the weights of the original.

Each layer is made anew from its live original, so that functions and classes that only the
original has are there; what a pass changed in its config is changed on top. Weights go from
the original of a layer to the layer, variable by variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewriter.dialects import encode_layer
from rewriter.errors import RebuildError
from rewriter.graph import Call, Layer, ModelGraph
from rewriter.live import Live, LiveKeras, live_keras
from rewriter.structure import map_leaves
from rewriter.weights import Pair, copy_weights


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A live model made from a graph.

    Parameters
    ----------
    model : live model
        The model, with weights.
    tensors : mapping of Call to list of symbolic tensors
        What each call of the outermost graph gives; empty for a Sequential model.
    pairs : sequence of Pair
        Each new layer beside the one it comes from.
    """

    model: Live
    tensors: Mapping[Call, Sequence[Live]]
    pairs: Sequence[Pair]


def rebuild(
    graph: ModelGraph,
    before: ModelGraph,
    original: Live,
    custom_objects: Mapping[str, Any] | None = None,
    *,
    share: bool = False,
) -> Rebuilt:
    """Build the model of a graph, and give it the original's weights.

    Parameters
    ----------
    graph : ModelGraph
        What to build: `before`, as the passes left it.
    before : ModelGraph
        The graph that was read from the original.
    original : live model
        Is not changed.
    custom_objects : mapping, optional
        Classes and functions by name, besides those that the original holds.
    share : bool
        Whether both models use the same variables.

    Raises
    ------
    RebuildError
        Keras could not make or call a layer.
    WeightsError
        Variables do not fit.
    """
    keras = live_keras(graph.keras)
    builder = _Builder(keras, before, original, dict(custom_objects or {}))
    model = builder.model(graph, original)
    copy_weights(keras, builder.pairs, share=share)
    return Rebuilt(model, builder.tensors.get(id(graph), {}), builder.pairs)


@dataclass(slots=True)
class _Builder:
    keras: LiveKeras
    before: ModelGraph
    original: Live
    custom_objects: Mapping[str, Any]
    pairs: list[Pair] = field(default_factory=list)
    tensors: dict[int, dict[Call, list[Live]]] = field(default_factory=dict)
    made: dict[int, list[tuple[Layer, Live]]] = field(default_factory=dict)
    originals: dict[int, dict[str, Live]] = field(default_factory=dict)

    def model(self, graph: ModelGraph, like: Live) -> Live:
        layers = {
            layer.name: self.layer(layer, graph)
            for layer in graph.layers
            if not (layer.implicit and graph.sequential)
        }
        if graph.sequential:
            chain = [layers[call.layer] for call in graph.calls() if call.layer in layers]
            model = self.keras.make_sequential(graph, chain, like)
        else:
            tensors = self.tensors[id(graph)] = self.replay(graph, layers)

            def ends(structure: Any) -> Any:
                return map_leaves(lambda end: tensors[end.call][end.output], structure)

            model = self.keras.make_functional(
                graph, ends(graph.inputs), ends(graph.outputs), layers, like
            )
        self.pairs.append(Pair("/".join(graph.path) or graph.name, like, model, is_model=True))
        return model

    def replay(self, graph: ModelGraph, layers: Mapping[str, Live]) -> dict[Call, list[Live]]:
        """Call the layers as the graph says."""
        tensors: dict[Call, list[Live]] = {}
        for call in graph.calls():
            live = layers[call.layer]
            fillings = graph.fillings(call)
            if not fillings:
                tensors[call] = self.keras.input_tensors(live)
                continue
            given = [tensors[tensor.call][tensor.output] for tensor in fillings.values()]
            try:
                tensors[call] = self.keras.call_layer(live, graph.arguments(call), given)
            except Exception as error:
                raise RebuildError(
                    f"Keras cannot call the layer: {_first_line(error)}", where=graph.path_of(call)
                ) from error
        return tensors

    def layer(self, layer: Layer, graph: ModelGraph) -> Live:
        if layer.origin is None:
            return self.inserted(layer, graph)
        original = self.find(layer.origin)
        for known, live in self.made.setdefault(id(original), []):
            if encode_layer(known, graph.keras) == encode_layer(layer, graph.keras):
                return live
        if layer.graph is not None:
            live = self.model(layer.graph, original)
        else:
            live = self.follower(layer, original, graph)
            self.pairs.append(Pair(graph.path_of(layer.name), original, live))
        self.made[id(original)].append((layer, live))
        return live

    def inserted(self, layer: Layer, graph: ModelGraph) -> Live:
        config = {"name": layer.name, **layer.config}
        try:
            return self.keras.make_layer(layer, config, self.custom_objects)
        except Exception as error:
            raise RebuildError(
                f"Keras cannot make the layer: {_first_line(error)}",
                where=graph.path_of(layer.name),
            ) from error

    def follower(self, layer: Layer, original: Live, graph: ModelGraph) -> Live:
        """Make a layer like its original, but for what the passes changed."""
        assert layer.origin is not None
        before = find_layer(self.before, layer.origin)
        scope = {**scope_of(original, self.keras), **self.custom_objects}
        try:
            if before.class_name != layer.class_name:
                config = encode_layer(layer, graph.keras)["config"]
                return self.keras.make_layer(layer, config, scope)
            config = _changed_config(original.get_config(), before, layer, graph.keras)
            live = self.keras.clone_layer(original, config, scope)
        except Exception as error:
            raise RebuildError(
                f"Keras cannot make the layer: {_first_line(error)}",
                where=graph.path_of(layer.name),
                fix="a custom layer needs a get_config that from_config takes",
            ) from error
        _restore_functions(original, live, self.keras)
        return live

    def find(self, origin: Sequence[str]) -> Live:
        """Return the original layer that stands at a place."""
        live, layer_steps = self.original, list(origin)
        graph: ModelGraph | None = self.before
        while layer_steps:
            step = layer_steps.pop(0)
            if graph is not None:
                if id(live) not in self.originals:
                    self.originals[id(live)] = self.keras.layers(live)
                live = self.originals[id(live)][step]
                layer = graph.layer(step)
            else:
                live = inner_of(live, step)
                layer = layer.inner[step]
            graph = layer.graph
        return live


def find_layer(graph: ModelGraph, origin: Sequence[str]) -> Layer:
    """Return the layer that stands at a place of the graph that was read."""
    layer = graph.layer(origin[0])
    for step in origin[1:]:
        layer = layer.graph.layer(step) if layer.graph is not None else layer.inner[step]
    return layer


def inner_of(live: Live, role: str) -> Live:
    """Return the layer or cell that a live wrapper holds at a place of its config."""
    key, _, number = role.partition("/")
    if number:
        return getattr(live, key)[int(number)]
    return (
        getattr(live, "forward_layer", None) or live.layer
        if key == "layer"
        else (getattr(live, key))
    )


def scope_of(live: Live, keras: LiveKeras) -> dict[str, Any]:
    """Return the classes and functions by name that a live layer holds and Keras has not."""
    scope: dict[str, Any] = {}
    for layer in with_sublayers(live, keras):
        held = [each for value in vars(layer).values() for each in _flat(value)]
        scope |= scope_of_values([layer, *held])
    return scope


def scope_of_values(values: Iterable[Any]) -> dict[str, Any]:
    """Return the functions, and the classes of the objects, that Keras has not."""
    scope: dict[str, Any] = {}
    for value in values:
        named = value if callable(value) and hasattr(value, "__name__") else type(value)
        if _is_foreign(named):
            scope.setdefault(named.__name__, named)
    return scope


def _flat(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _is_foreign(named: Any) -> bool:
    root = str(getattr(named, "__module__", None)).partition(".")[0]
    known = ("keras", "tf_keras", "tensorflow", "builtins", "numpy", "rewriter")
    return root not in known and named.__name__ != "<lambda>"


def with_sublayers(live: Live, keras: LiveKeras) -> Iterator[Live]:
    """Yield a live layer and what it holds, at any depth, each once."""
    pending, seen = [live], set()
    while pending:
        layer = pending.pop()
        if id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            pending.extend(keras.sublayers(layer))


def _restore_functions(original: Live, live: Live, keras: LiveKeras) -> None:
    """Give Lambda layers the original's function: its globals and closure are not in a config."""
    pairs = zip(with_sublayers(original, keras), with_sublayers(live, keras), strict=False)
    for old, new in pairs:
        if type(old) is type(new) and type(old).__name__ == "Lambda":
            new.function = old.function


def _changed_config(
    config: Mapping[str, Any], before: Layer, after: Layer, keras: int
) -> dict[str, Any]:
    """Return the original's config with what differs between the two layers changed."""
    new = dict(config)
    for key, value in after.config.items():
        if key not in before.config or before.config[key] != value:
            new[key] = value
    for role, layer in after.inner.items():
        old = before.inner.get(role)
        if old is not None and encode_layer(old, keras) == encode_layer(layer, keras):
            continue
        key, _, number = role.partition("/")
        entry = config[key][int(number)] if number else config[key]
        if old is None or layer.graph is not None or old.class_name != layer.class_name:
            entry = encode_layer(layer, keras)
        else:
            entry = {**entry, "config": _changed_config(entry["config"], old, layer, keras)}
        if number:
            new[key] = list(new[key])
            new[key][int(number)] = entry
        else:
            new[key] = entry
    return new


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"
