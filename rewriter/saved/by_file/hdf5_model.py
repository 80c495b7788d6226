"""Exchange the config of an ``.h5`` file, and bring its layers into the order of Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.saved.by_file.layer_order import UncertainError, layers_in_order
from rewriter.saved.by_file.level_edits import (
    keeps_state,
    require_apart,
    uncertain,
    without_weights,
)
from rewriter.saved.by_file.optimizer_order import sequence, slot_order
from rewriter.saved.by_file.stored_groups import child, data_in
from rewriter.saved.formats.weights_h5 import listed_names

_LIMIT = 64512
"""Bytes of one attribute (legacy_h5_format.py and hdf5_format.py, `HDF5_OBJECT_HEADER_LIMIT`)."""

_OF_MODEL = "top_level_model_weights"


@dataclass(frozen=True, slots=True)
class ModelEdit:
    """What changes in an ``.h5`` file besides its config.

    Parameters
    ----------
    order : sequence of str
        The groups of the layers, in the order in which Keras assigns them.
    inserted, removed : sequence of str
        Groups that come and go; they hold no data.
    renames : mapping of str to str
        Groups that get another name.
    slots : sequence of str
        The weights of the optimizer in their new order; empty if that stays.
    """

    order: Sequence[str] = ()
    inserted: Sequence[str] = ()
    removed: Sequence[str] = ()
    renames: Mapping[str, str] = field(default_factory=dict)
    slots: Sequence[str] = ()

    def apply(self, root: Any, texts: Mapping[str, str]) -> None:
        """Make the changes in an open HDF5 file, and put texts into attributes of its root."""
        for name, text in texts.items():
            root.attrs[name] = text.encode()
        weights = root["model_weights"]
        for name in self.removed:
            del weights[name]
        for old, new in self.renames.items():
            weights.move(old, new)
        for name in self.inserted:
            _list(weights.create_group(name), "weight_names", [])
        _list(weights, "layer_names", self.order)
        if self.slots:
            _list(root["optimizer_weights"], "weight_names", self.slots)


def plan_hdf5(
    before: ModelGraph, after: ModelGraph, root: Any, training: Mapping[str, Any] | None
) -> ModelEdit:
    """Return what changes in an ``.h5`` file, given its root group.

    Raises
    ------
    UncertainError
        It does not follow.
    """
    require_apart(before)
    weights = child(root, "model_weights")
    old, new = layers_in_order(before), layers_in_order(after)
    if weights is None or listed_names(weights, "layer_names") != [each.name for each in old]:
        raise UncertainError("it lists its layers in another order than Keras")
    data = {layer.origin: data_in(child(weights, layer.name)) for layer in old}
    origins = {layer.origin: layer for layer in old if layer.origin is not None}
    kept: dict[str, str] = {}
    inserted = []
    for layer in new:
        was = origins.get(layer.origin) if layer.origin is not None else None
        if was is None or not _keeps(was, layer, bool(data[was.origin]), after):
            if not without_weights(layer):
                raise uncertain(after, layer, "comes, and may have weights")
            inserted.append(layer.name)
        elif was.name in kept:
            raise uncertain(after, layer, "and another one stand for one layer")
        else:
            kept[was.name] = layer.name
    removed = [layer.name for layer in old if layer.name not in kept]
    for layer in old:
        if layer.name in removed and data[layer.origin]:
            raise uncertain(before, layer, "goes, and has weights")
    renames = {name: now for name, now in kept.items() if name != now}
    if set(renames.values()) & {layer.name for layer in old}:
        raise UncertainError("layers exchange their names")
    slots = _slots(before, after, root, training, data)
    return ModelEdit([each.name for each in new], inserted, removed, renames, slots)


def _keeps(was: Layer, layer: Layer, has_data: bool, graph: ModelGraph) -> bool:
    if was.graph is not None and layer.graph is not None:
        holding = {
            each.origin: True
            for part in was.graph.walk()
            for each in part.layers
            if not without_weights(each)
        }
        if sequence(was.graph, holding) != sequence(layer.graph, holding):
            raise uncertain(graph, layer, "has its weights in another order inside")
        states = {each.origin: each for part in was.graph.walk() for each in part.layers}
        for part in layer.graph.walk():
            for each in part.layers:
                old = states.get(each.origin) if each.origin is not None else None
                same = old is not None and (each.graph is not None or keeps_state(old, each))
                if not same and not (
                    without_weights(each) and (old is None or without_weights(old))
                ):
                    raise uncertain(part, each, "has or had weights, and is changed")
        return True
    if keeps_state(was, layer) if has_data else was.class_name == layer.class_name:
        return True
    if has_data:
        raise uncertain(graph, layer, "is changed, and has weights that may change with it")
    return False


def _slots(
    before: ModelGraph,
    after: ModelGraph,
    root: Any,
    training: Mapping[str, Any] | None,
    data: Mapping[Any, Sequence[Any]],
) -> Sequence[str]:
    """Return the names of the optimizer's weights in another order; nothing if that stays."""
    own = child(root, "optimizer_weights")
    old, new = (
        [
            (layer.origin, layer.config.get("trainable") is not False)
            for layer in layers_in_order(each)
        ]
        for each in (before, after)
    )
    old, new = ([pair for pair in each if data.get(pair[0])] for each in (old, new))
    if old == new or own is None:
        return ()
    names = listed_names(own, "weight_names")
    layers = {
        layer.origin: (layer, [each.shape for each in data.get(layer.origin, ())])
        for layer in before.layers
    }
    optimizer = (training or {}).get("optimizer_config") or {}
    order = slot_order(optimizer, [own[name].shape for name in names], old, new, layers)
    return () if order == sorted(order) else [names[number] for number in order]


def _list(group: Any, attribute: str, names: Sequence[str]) -> None:
    """Write names into an attribute, or into several where one would be too large."""
    import numpy as np

    for old in [each for each in group.attrs if _is_part(each, attribute)]:
        del group.attrs[old]
    array = np.asarray([name.encode() for name in names])
    parts = [array]
    while any(part.nbytes > _LIMIT for part in parts):
        parts = np.array_split(array, len(parts) + 1)
    for number, part in enumerate(parts):
        suffix = str(number) if len(parts) > 1 else ""
        group.attrs[f"{attribute}{suffix}"] = part if suffix else list(map(bytes, part)) or []


def _is_part(name: str, attribute: str) -> bool:
    return name.startswith(attribute) and (name == attribute or name[len(attribute) :].isdigit())
