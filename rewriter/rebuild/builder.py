"""Build a live model from a graph, with the weights of the original.

Each layer is made anew from its live original, so that functions and classes that only the
original has are there; what a pass changed in its config is changed on top. Weights go from
the original of a layer to the layer, variable by variable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewriter.dialects import encode_layer
from rewriter.errors import RebuildError, first_line
from rewriter.graph.calls import Call
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import map_leaves
from rewriter.live.adapters import Live, LiveKeras, live_keras
from rewriter.live.custom_classes import scope_of
from rewriter.live.naming import keep_names_inside
from rewriter.live.walk import OriginalLayer, inner_of, original_layers, pairs_with_sublayers
from rewriter.rebuild.config_changes import (
    alike,
    changed_config,
    changes_state,
    holds_edited_model,
)
from rewriter.rebuild.weights import Pair, check_complete, copy_weights

_CODE = "saved as code"
_NAMED = "give it a named function that keras.saving.register_keras_serializable registers"
_RESTORED = "its class needs a from_config that takes what its get_config returns"


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
    originals = {each.origin: each for each in original_layers(before, original, keras)}
    builder = _Builder(keras, originals, dict(custom_objects or {}))
    builder.following = {
        layer.origin: (layer, each)
        for each in graph.walk()
        for layer in each.layers
        if layer.origin is not None
    }
    with keras.forward_only():
        model = builder.model(graph, original)
    copy_weights(keras, builder.pairs, share=share)
    check_complete(keras, builder.pairs, builder.removed(), builder.new)
    return Rebuilt(model, builder.tensors.get(id(graph), {}), builder.pairs)


@dataclass(slots=True)
class _Builder:
    keras: LiveKeras
    originals: Mapping[tuple[str, ...], OriginalLayer]
    custom_objects: Mapping[str, Any]
    new: list[Live] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    tensors: dict[int, dict[Call, list[Live]]] = field(default_factory=dict)
    recreated: dict[int, list[tuple[Layer, Live]]] = field(default_factory=dict)
    times: Counter[int] = field(init=False)
    standing: dict[int, tuple[str, ...]] = field(init=False)
    following: dict[tuple[str, ...], tuple[Layer, ModelGraph]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.standing = {id(each.live): each.origin for each in self.originals.values()}
        self.times = Counter(id(each.live) for each in self.originals.values())

    def removed(self) -> list[Live]:
        """Return the original's layers that nothing was made from."""
        used = {id(pair.old) for pair in self.pairs}
        return [each.live for each in self.originals.values() if id(each.live) not in used]

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
            return self.create_new(layer, graph)
        original = self.originals[layer.origin]
        recreated = self.recreated.setdefault(id(original.live), [])
        for known, live in recreated:
            if alike(known, layer):
                return live
        if layer.graph is not None and not self.untouched(layer, original):
            live = self.model(layer.graph, original.live)
        else:
            live = self.recreate(layer, original, graph)
            self.pairs.append(Pair(graph.path_of(layer.name), original.live, live))
        recreated.append((layer, live))
        return live

    def untouched(self, layer: Layer, original: OriginalLayer) -> bool:
        """Whether a nested model can keep a class that was read from its live layers."""
        own = layer.class_name == "Functional" != type(original.live).__name__
        return own and self.keras.is_functional(original.live) and alike(layer, original.layer)

    def create_new(self, layer: Layer, graph: ModelGraph) -> Live:
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

    def recreate(self, layer: Layer, original: OriginalLayer, graph: ModelGraph) -> Live:
        """Make a layer like its original, but for what the passes changed."""
        live_original, before = original.live, original.layer
        scope = {**scope_of(live_original, self.keras), **self.custom_objects}
        try:
            if before.class_name != layer.class_name:
                config = encode_layer(layer, graph.keras)["config"]
                return self.keras.make_layer(layer, config, scope)
            config = changed_config(live_original.get_config(), before, layer, graph.keras)
            live = self.keras.clone_layer(live_original, config, scope)
            keep_names_inside(before, live, self.keras)
        except Exception as error:
            raise RebuildError(
                f"Keras cannot make the layer: {type(error).__name__}: {first_line(error)}",
                where=graph.path_of(layer.name),
                fix=_NAMED if _CODE in first_line(error) else _RESTORED,
            ) from error
        own_state = changes_state(before, layer)
        for old, new in pairs_with_sublayers(live_original, live, self.keras):
            if not own_state:
                self.keras.carry_state(old, new)
            # The globals and the closure of a function are not in its config.
            if type(old) is type(new) and type(old).__name__ == "Lambda":
                new.function = old.function
        self.replace_inner_layers(layer, before, live, graph)
        self.tie(layer, live_original, live, graph)
        return live

    def tie(self, layer: Layer, original: Live, live: Live, graph: ModelGraph) -> None:
        """Have a layer hold the followers of the model's layers that its original holds.

        The head of a masked language model holds the Embedding, and uses its weights.
        """
        if layer.graph is not None or layer.inner or self.keras.is_functional(original):
            return
        kept = {id(held): name for name, held in vars(original).items()}
        for held in self.keras.sublayers(original):
            shared = self.standing.get(id(held))
            if shared is None:
                continue
            if id(held) not in kept:
                raise RebuildError(
                    f"it holds the layer {'/'.join(shared)} of the model, whose weights would "
                    "come apart",
                    where=graph.path_of(layer.name),
                    fix="have its class keep that layer in an attribute of its own",
                )
            follower = self.following.get(shared)
            if follower is not None:
                self.keras.hold(live, kept[id(held)], self.layer(*follower))

    def replace_inner_layers(
        self, layer: Layer, before: Layer, wrapper: Live, graph: ModelGraph
    ) -> None:
        """Put the layers into a wrapper that Keras does not make from its config.

        That is a layer that stands elsewhere in the model too, and a model that was changed.
        """
        for role, inner in layer.inner.items():
            original = self.originals.get(inner.origin or ())
            if original is None:
                continue
            old = before.inner.get(role)
            if holds_edited_model(inner, old) or self.times[id(original.live)] > 1:
                self.keras.put_inside(wrapper, role, self.layer(inner, graph))
            elif inner.inner:
                self.replace_inner_layers(inner, old or inner, inner_of(wrapper, role), graph)
