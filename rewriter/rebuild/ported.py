"""Build a live model of Keras 3 from a translated graph, with the weights of each layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rewriter.analysis.known_layers import is_operation
from rewriter.dialects import encode
from rewriter.dialects.keras3 import TENSOR
from rewriter.errors import RebuildError, WeightsError, first_line
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.live.adapters import Live, live_keras
from rewriter.live.walk import OriginalLayer, original_layers
from rewriter.porting import Translation
from rewriter.porting.hard_sigmoid import Scaling
from rewriter.porting.layers import LayerRule, rules
from rewriter.porting.weights import REORDERED, WEIGHTS

_FILLED: Mapping[str, tuple[str, ...]] = {
    name: tuple(rule.filled) for name, rule in rules().items() if rule.filled
}


def build(
    translation: Translation,
    original: Live,
    custom_objects: Mapping[str, Any],
    *,
    after: ModelGraph | None = None,
    pairs: list[tuple[Live, Live]] | None = None,
) -> Live:
    """Return the model of a translated graph, with the original's weights.

    Parameters
    ----------
    translation : Translation
        The graph of the original in Keras 2, and that in Keras 3.
    original : live model
        Of Keras 2; is not changed.
    custom_objects : mapping
        The user's own classes and functions for Keras 3, by name.
    after : ModelGraph, optional
        The graph in Keras 3 as passes left it; by default as the port made it.
    pairs : list, optional
        Is given each variable of the original with the one that has its value as it is.

    Raises
    ------
    RebuildError
        Keras 3 cannot make a layer.
    WeightsError
        A weight has no counterpart of the same shape.
    """
    before, after = translation.before, after or translation.after
    old = {place.origin: place for place in original_layers(before, original, live_keras(2))}
    fill_from_weights(after, old)
    model = make_model(after, custom_objects)
    new = list(original_layers(after, model, live_keras(3)))
    copy_weights(old, new, translation.scalings, [] if pairs is None else pairs)
    return model


def make_model(graph: ModelGraph, custom_objects: Mapping[str, Any]) -> Live:
    """Return the live model of a graph of Keras 3, its weights fresh."""
    import keras
    from keras.src.saving.serialization_lib import ObjectSharingScope, SafeModeScope

    import rewriter.layers.keras3  # noqa: F401  registers its layers

    document = _with_shapes(encode(graph))
    _reserve_names(graph)
    try:
        with (
            keras.saving.custom_object_scope(dict(custom_objects)),
            SafeModeScope(safe_mode=False),
            ObjectSharingScope(),
        ):
            return keras.saving.deserialize_keras_object(document)
    except Exception as error:
        path, reason = _rejected(graph, custom_objects) or (graph.name, error)
        raise RebuildError(
            f"Keras 3 cannot make the layer: {type(reason).__name__}: {_innermost(reason)}",
            where=path,
            fix="report it with the class and the config of the layer",
        ) from error


def _reserve_names(graph: ModelGraph) -> None:
    """Have Keras 3 give operations that it puts in, to follow masks, names that no layer has."""
    from keras.src.backend.common.global_state import get_global_attribute

    used = get_global_attribute("object_name_uids", default=defaultdict(int), set_to_default=True)
    for name in (layer.name for each in graph.walk() for layer in each.layers):
        start, _, number = name.rpartition("_")
        start, number = (start, number) if start and number.isdecimal() else (name, "0")
        used[start] = max(used[start], int(number) + 1)


def load_written(path: Path, custom_objects: Mapping[str, Any], compiled: bool = False) -> Live:
    """Load a file that was written, by Keras alone."""
    import keras

    return keras.models.load_model(
        path, custom_objects=dict(custom_objects), compile=compiled, safe_mode=False
    )


def _with_shapes(value: Any) -> Any:
    """Return a document in which every tensor has a shape: Keras makes one, and forgets it."""
    if isinstance(value, list | tuple):
        return type(value)(_with_shapes(each) for each in value)
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == TENSOR:
        told = {"shape": [], "dtype": "float32"}
        return {**value, "config": {**value["config"], **told}}
    return {key: _with_shapes(each) for key, each in value.items()}


def _rejected(graph: ModelGraph, custom_objects: Mapping[str, Any]) -> tuple[str, Exception] | None:
    """Return the first layer that Keras 3 does not make of its config, and what it says."""
    from rewriter.dialects import encode_layer

    keras = live_keras(3)
    for each in graph.walk():
        for layer in each.layers:
            if layer.graph is None and not layer.implicit and not is_operation(layer):
                try:
                    keras.revive_layer(encode_layer(layer, 3), custom_objects, True)
                except Exception as error:
                    return each.path_of(layer.name), error
    return None


def _innermost(error: Exception) -> str:
    text = str(error)
    _, found, inner = text.rpartition("Exception encountered: ")
    return inner.strip().splitlines()[0][:300] if found and inner.strip() else first_line(error)


def fill_from_weights(graph: ModelGraph, old: Mapping[tuple[str, ...], OriginalLayer]) -> None:
    """Write into configs what layers of Keras 2 adapted themselves to, and keep as weights."""
    for each in graph.walk():
        each.map_layers(lambda layer: _filled(layer, old))


def _filled(layer: Layer, old: Mapping[tuple[str, ...], OriginalLayer]) -> Layer:
    inner = {role: _filled(each, old) for role, each in layer.inner.items()}
    if inner:
        layer = replace(layer, inner=inner)
    place = old.get(layer.origin or ())
    keys = _FILLED.get(layer.class_name, ())
    if place is None or not keys or layer.config.get(keys[0]):
        return layer
    return replace(layer, config={**layer.config, **dict(_adapted(place.live))})


def _adapted(live: Live) -> Iterator[tuple[str, Any]]:
    """Yield what a layer of Keras 2 adapted itself to, by the key that it has in the config."""
    if hasattr(live, "bin_boundaries"):
        yield "bin_boundaries", [float(each) for each in live.bin_boundaries]
        return
    lookup = getattr(live, "_lookup_layer", None) or live
    words = lookup.get_vocabulary(include_special_tokens=False)
    if not words:
        return
    yield "vocabulary", [word if isinstance(word, str) else int(word) for word in words]
    weights = getattr(lookup, "idf_weights", None)
    if weights is not None:
        first = lookup.num_oov_indices
        told = weights.numpy()[first : first + len(words)]
        yield "idf_weights", [float(each) for each in told]


Scalings = Mapping[tuple[str, ...], Scaling]


def copy_weights(
    old: Mapping[tuple[str, ...], OriginalLayer],
    new: list[OriginalLayer],
    scalings: Scalings,
    pairs: list[tuple[Live, Live]],
) -> None:
    """Give each layer of Keras 3 the weights and ``trainable`` of the one it comes from."""
    done: set[int] = set()
    for place in new:
        source = old.get(place.layer.origin or ())
        if source is None or id(place.live) in done or place.layer.graph is not None:
            continue
        if is_operation(place.layer):
            continue
        done.add(id(place.live))
        where = "/".join(place.origin)
        _Copier(where, scalings, pairs).copy(source.live, place.live, source.layer)


@dataclass(frozen=True, slots=True)
class _Copier:
    """Copies the weights of one layer, and tells which variable has which value."""

    where: str
    scalings: Scalings
    pairs: list[tuple[Live, Live]]

    def copy(self, old: Live, new: Live, layer: Layer, *, whole: bool = False) -> None:
        if layer.class_name == "Bidirectional":
            forward = layer.inner["layer"]
            backward = layer.inner.get("backward_layer", forward)
            self.copy(old.forward_layer, new.forward_layer, forward, whole=True)
            self.copy(old.backward_layer, new.backward_layer, backward, whole=True)
            return
        rule = rules().get(layer.class_name, LayerRule(layer.class_name))
        if layer.inner and not rule.weights and not whole:
            return  # what it holds has a place of its own
        if rule.filled:
            return  # what it adapted itself to stands in its config
        variables = [*old.trainable_weights, *old.non_trainable_weights]
        arrays = WEIGHTS[rule.weights]([each.numpy() for each in variables], layer.config)
        scaling = self.scalings.get(layer.origin or ())
        if scaling is not None:
            arrays = scaling.apply(arrays)
        self.assign(arrays, new.weights)
        if scaling is None and rule.weights in REORDERED:
            moved = WEIGHTS[rule.weights](variables, layer.config)
            self.pairs.extend(zip(moved, new.weights, strict=True))
        if hasattr(new, "finalize_state"):
            new.finalize_state()
        if not old._trainable:
            new.trainable = False

    def assign(self, arrays: Sequence[Any], variables: Sequence[Live]) -> None:
        if len(arrays) != len(variables):
            raise WeightsError(
                f"the layer has {len(arrays)} weights in Keras 2, {len(variables)} in Keras 3",
                where=self.where,
                fix="report it with the class of the layer",
            )
        for array, variable in zip(arrays, variables, strict=True):
            if tuple(array.shape) != tuple(variable.shape):
                raise WeightsError(
                    f"{variable.name} is {tuple(array.shape)} in Keras 2, "
                    f"{tuple(variable.shape)} in Keras 3",
                    where=self.where,
                    fix="report it with the class of the layer",
                )
            variable.assign(array)
