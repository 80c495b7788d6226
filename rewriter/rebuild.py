"""Graph -> live model, with the weights of the original.

Each layer is made anew from its live original, so that functions and classes that only the
original has are there; what a pass changed in its config is changed on top. Weights go from
the original of a layer to the layer, variable by variable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rewriter.dialects import encode, encode_layer
from rewriter.errors import RebuildError, first_line
from rewriter.graph import Call, Layer, ModelGraph
from rewriter.live import Live, LiveKeras, inner_of, live_keras
from rewriter.live.known_classes import is_known_class
from rewriter.live.naming import keep_names_inside
from rewriter.structure import map_leaves
from rewriter.weights import Pair, check_complete, copy_weights


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
    places = {place.origin: place for place in places_of(before, original, keras)}
    builder = _Builder(keras, places, dict(custom_objects or {}))
    model = builder.model(graph, original)
    copy_weights(keras, builder.pairs, share=share)
    check_complete(keras, builder.pairs, builder.removed(), builder.new)
    return Rebuilt(model, builder.tensors.get(id(graph), {}), builder.pairs)


class Place(NamedTuple):
    """A layer of the original: where it stands, as it was read, and live."""

    origin: tuple[str, ...]
    layer: Layer
    live: Live


def places_of(graph: ModelGraph, model: Live, keras: LiveKeras) -> Iterator[Place]:
    """Yield the layers of a model, at any depth, those that wrappers hold included."""
    seen: set[int] = set()

    def within(layer: Layer, live: Live, origin: tuple[str, ...]) -> Iterator[Place]:
        yield Place(origin, layer, live)
        if layer.graph is not None and id(layer.graph) not in seen:
            yield from nested(layer.graph, live, origin)
        for role, inner in layer.inner.items():
            yield from within(inner, inner_of(live, role), (*origin, role))

    def nested(graph: ModelGraph, model: Live, origin: tuple[str, ...]) -> Iterator[Place]:
        seen.add(id(graph))
        live = keras.layers(model)
        for layer in graph.layers:
            if not layer.implicit:
                yield from within(layer, live[layer.name], (*origin, layer.name))

    return nested(graph, model, ())


@dataclass(slots=True)
class _Builder:
    keras: LiveKeras
    places: Mapping[tuple[str, ...], Place]
    custom_objects: Mapping[str, Any]
    new: list[Live] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    tensors: dict[int, dict[Call, list[Live]]] = field(default_factory=dict)
    made: dict[int, list[tuple[Layer, Live]]] = field(default_factory=dict)
    times: Counter[int] = field(init=False)

    def __post_init__(self) -> None:
        self.times = Counter(id(place.live) for place in self.places.values())

    def removed(self) -> list[Live]:
        """Return the original's layers that nothing was made from."""
        used = {id(pair.old) for pair in self.pairs}
        return [place.live for place in self.places.values() if id(place.live) not in used]

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
                    f"Keras cannot call the layer: {type(error).__name__}: {first_line(error)}",
                    where=graph.path_of(call),
                ) from error
        return tensors

    def layer(self, layer: Layer, graph: ModelGraph) -> Live:
        if layer.origin is None:
            return self.inserted(layer, graph)
        place = self.places[layer.origin]
        made = self.made.setdefault(id(place.live), [])
        for known, live in made:
            if _alike(known, layer):
                return live
        if layer.graph is not None and not self.untouched(layer, place):
            live = self.model(layer.graph, place.live)
        else:
            live = self.follower(layer, place, graph)
            self.pairs.append(Pair(graph.path_of(layer.name), place.live, live))
        made.append((layer, live))
        return live

    def untouched(self, layer: Layer, place: Place) -> bool:
        """Whether a nested model can keep a class that was read from its live layers."""
        own = layer.class_name == "Functional" != type(place.live).__name__
        return own and self.keras.is_functional(place.live) and _alike(layer, place.layer)

    def inserted(self, layer: Layer, graph: ModelGraph) -> Live:
        config = {"name": layer.name, **layer.config}
        try:
            live = self.keras.make_layer(layer, config, self.custom_objects)
        except Exception as error:
            raise RebuildError(
                f"Keras cannot make the layer: {type(error).__name__}: {first_line(error)}",
                where=graph.path_of(layer.name),
            ) from error
        self.new.append(live)
        return live

    def follower(self, layer: Layer, place: Place, graph: ModelGraph) -> Live:
        """Make a layer like its original, but for what the passes changed."""
        original, before = place.live, place.layer
        scope = {**scope_of(original, self.keras), **self.custom_objects}
        try:
            if before.class_name != layer.class_name:
                config = encode_layer(layer, graph.keras)["config"]
                return self.keras.make_layer(layer, config, scope)
            config = _changed_config(original.get_config(), before, layer, graph.keras)
            live = self.keras.clone_layer(original, config, scope)
            keep_names_inside(before, live, self.keras)
        except Exception as error:
            raise RebuildError(
                f"Keras cannot make the layer: {type(error).__name__}: {first_line(error)}",
                where=graph.path_of(layer.name),
                fix="its class needs a from_config that takes what its get_config returns",
            ) from error
        for old, new in _pairs_with_sublayers(original, live, self.keras):
            self.keras.carry_state(old, new)
            # The globals and the closure of a function are not in its config.
            if type(old) is type(new) and type(old).__name__ == "Lambda":
                new.function = old.function
        self.fill(layer, before, live, graph)
        return live

    def fill(self, layer: Layer, before: Layer, wrapper: Live, graph: ModelGraph) -> None:
        """Put into a wrapper what Keras does not make from its config.

        That is a layer that stands elsewhere in the model too, and a model that was changed.
        """
        for role, inner in layer.inner.items():
            place = self.places.get(inner.origin or ())
            if place is None:
                continue
            old = before.inner.get(role)
            if _holds_edited_model(inner, old) or self.times[id(place.live)] > 1:
                self.keras.put_inside(wrapper, role, self.layer(inner, graph))
            elif inner.inner:
                self.fill(inner, old or inner, inner_of(wrapper, role), graph)


def _alike(one: Layer, other: Layer) -> bool:
    """Whether two layers would be made alike; how they are called does not matter."""
    if one is other:
        return True
    if one.graph is not None and other.graph is not None and one.graph is not other.graph:
        return encode(one.graph) == encode(other.graph)
    return (
        (one.class_name, one.graph) == (other.class_name, other.graph)
        and (one.config == other.config or _numberless(one.config) == _numberless(other.config))
        and one.inner.keys() == other.inner.keys()
        and all(_alike(layer, other.inner[role]) for role, layer in one.inner.items())
    )


def _holds_edited_model(layer: Layer, before: Layer | None) -> bool:
    """Whether a layer is, or wraps, a nested model that differs from the one that was read."""
    if before is None or layer is before:
        return False
    if layer.graph is not None:
        return not _alike(layer, before)
    return any(
        _holds_edited_model(inner, before.inner.get(role)) for role, inner in layer.inner.items()
    )


def _numberless(config: Any) -> Any:
    """Return a config without the numbers of objects, which stand beside some of them only."""
    if isinstance(config, list):
        return [_numberless(each) for each in config]
    if not isinstance(config, Mapping):
        return config
    return {key: _numberless(each) for key, each in config.items() if key != "shared_object_id"}


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
        if type(value) in _PLAIN:
            continue
        named = value if callable(value) and hasattr(value, "__name__") else type(value)
        if _is_foreign(named):
            scope.setdefault(named.__name__, named)
    return scope


_PLAIN = frozenset({bool, int, float, str, type(None), dict, set})


def _flat(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _is_foreign(named: Any) -> bool:
    root = str(getattr(named, "__module__", None)).partition(".")[0]
    known = is_known_class(named) or root in ("builtins", "numpy")
    return not known and named.__name__ != "<lambda>"


def with_sublayers(live: Live, keras: LiveKeras) -> Iterator[Live]:
    """Yield a live layer and what it holds, at any depth, each once."""
    pending, seen = [live], set()
    while pending:
        layer = pending.pop()
        if id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            pending.extend(keras.sublayers(layer))


def _pairs_with_sublayers(original: Live, live: Live, keras: LiveKeras) -> Iterator[Any]:
    return zip(with_sublayers(original, keras), with_sublayers(live, keras), strict=False)


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
        if old is not None and (layer.graph is not None or _alike(layer, old)):
            continue
        key, _, number = role.partition("/")
        entry = config[key][int(number)] if number else config[key]
        if old is None or old.class_name != layer.class_name:
            entry = encode_layer(layer, keras)
        else:
            entry = {**entry, "config": _changed_config(entry["config"], old, layer, keras)}
        if number:
            new[key] = list(new[key])
            new[key][int(number)] = entry
        else:
            new[key] = entry
    return new
