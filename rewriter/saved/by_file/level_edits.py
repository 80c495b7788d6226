"""Plan how the groups of a weights file change when a graph changes; or say why it is not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rewriter.analysis.known_layers import OURS, class_of
from rewriter.analysis.layer_kinds import CELLS, NOISE
from rewriter.analysis.parameter_counts import WITHOUT_WEIGHTS
from rewriter.dialects import encode
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.saved.by_file.layer_groups import group_names
from rewriter.saved.by_file.layer_order import UncertainError, layers_in_order
from rewriter.saved.by_file.stored_groups import child, data_in, own_name

_BESIDE = """
batch_input_shape batch_shape dropout implementation input_length mask_zero name recurrent_dropout
return_sequences unroll use_cudnn zero_output_for_mask
"""

_BESIDE_WEIGHTS = frozenset(_BESIDE.split())
"""Keys of a config that no weight depends on, of layers that have weights."""

_OURS_WITHOUT_WEIGHTS = frozenset({"DynamicDropout", "CarryMask", "ZeroMaskedSteps"})


@dataclass(frozen=True, slots=True)
class LevelEdit:
    """What changes among the groups of one model's layers.

    Parameters
    ----------
    group : str
        Their place before anything is moved, ``layers`` for the outermost model.
    renames : dict
        Groups that stay, with their new names.
    removed : list of str
        Groups that go; they hold no data.
    inserted : dict
        Groups that come, with the names of their layers.
    renamed : dict
        Old names of groups whose layers have another name now.
    """

    group: str
    renames: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    inserted: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class LevelPlanner:
    """Plans level by level, the inner models first.

    Parameters
    ----------
    saves_no_seeds : bool
        Whether the release that wrote the file is known to save no seeds of noise layers.

    Attributes
    ----------
    edits : list of LevelEdit
        What changes, in the order in which it can be done.
    data : dict
        The data sets of each layer of the file that has any, by the layer's origin.
    """

    saves_no_seeds: bool
    edits: list[LevelEdit] = field(default_factory=list)
    data: dict[Any, list[Any]] = field(default_factory=dict)

    def plan(self, before: ModelGraph, after: ModelGraph, layers: Any) -> None:
        """Plan for two graphs, given the group of the layers.

        Raises
        ------
        UncertainError
            Something does not follow from the graphs and the file.
        """
        require_apart(before)
        self.level(before, after, layers, "layers")

    def level(self, before: ModelGraph, after: ModelGraph, group: Any, place: str) -> None:
        """Plan for the layers of one model."""
        old, new = layers_in_order(before), layers_in_order(after)
        names, new_names = group_names(old), group_names(new)
        held = _held(before, group, names)
        for layer in old:
            if layer.name in held and layer.graph is None:
                self.data[layer.origin] = data_in(held[layer.name])
        origins = {layer.origin: layer for layer in old}
        edit = LevelEdit(place)
        kept: set[str] = set()
        writes_empty = any(not self.data.get(each.origin) for each in old if each.name in held)
        for layer in new:
            was = origins.get(layer.origin) if layer.origin is not None else None
            if was is None or not self.keeps_weights(was, layer, after):
                self.require_known(layer, after)
                if writes_empty:  # else the release writes no groups without weights
                    edit.inserted[new_names[layer.name]] = layer.name
                continue
            if was.name in kept:
                raise uncertain(after, layer, "and another one stand for one layer")
            kept.add(was.name)
            if was.name in held:
                self.keep(was, layer, held[was.name], new_names[layer.name], edit, names[was.name])
        for layer in old:
            if layer.name in held and layer.name not in kept:
                if data_in(held[layer.name]):
                    raise uncertain(before, layer, "goes, and has weights")
                edit.removed.append(names[layer.name])
        self.edits.append(edit)

    def keep(
        self, was: Layer, layer: Layer, group: Any, new_name: str, edit: LevelEdit, name: str
    ) -> None:
        """Plan for a layer that stays: its place, its name, and the model in it."""
        if name != new_name:
            edit.renames[name] = new_name
        if was.name != layer.name and own_name(group) is not None:
            edit.renamed[name] = layer.name
        if was.graph is not None and layer.graph is not None:
            place = f"{edit.group}/{name}/layers"
            self.level(was.graph, layer.graph, child(group, "layers"), place)

    def keeps_weights(self, was: Layer, layer: Layer, graph: ModelGraph) -> bool:
        """Whether a layer has the weights of the one that it comes from, in the same groups."""
        if was.graph is not None or layer.graph is not None:
            if was.graph is None or layer.graph is None:
                raise uncertain(graph, layer, "is a model, or comes from one")
            return True
        has_data = bool(self.data.get(was.origin))
        if keeps_state(was, layer) if has_data else was.class_name == layer.class_name:
            return True
        if has_data:
            raise uncertain(graph, layer, "is changed, and has weights that may change with it")
        return False

    def require_known(self, layer: Layer, graph: ModelGraph) -> None:
        """Refuse a layer that comes, unless it is known to have no weights."""
        if not without_weights(layer):
            raise uncertain(graph, layer, "comes, and may have weights")
        if any(each.class_name in NOISE for each in layer.walk()) and not self.saves_no_seeds:
            raise uncertain(graph, layer, "comes, and this release of Keras may save its seed")


def require_apart(graph: ModelGraph) -> None:
    """Refuse layers that stand in several places: where their weights are is not known."""
    for each in graph.walk():
        for outer in each.layers:
            if any(layer.identity is not None for layer in outer.walk()):
                raise uncertain(each, outer, "stands in several places")


def keeps_state(was: Layer, layer: Layer) -> bool:
    """Whether a layer with weights has them as the one that it comes from."""
    if was == layer:
        return True
    changed = {
        key for key in (*was.config, *layer.config) if was.config.get(key) != layer.config.get(key)
    }
    if changed and not class_of(layer) and layer.class_name not in CELLS:
        return False
    if was.class_name != layer.class_name or was.inner.keys() != layer.inner.keys():
        return False
    if (was.graph is None) != (layer.graph is None):
        return False
    if was.graph is not None and encode(was.graph) != encode(layer.graph):
        return False
    inside = [keeps_state(was.inner[role], layer.inner[role]) for role in was.inner]
    return changed <= _BESIDE_WEIGHTS and all(inside)


def without_weights(layer: Layer) -> bool:
    """Whether a layer is known to have no weights, itself or inside."""
    if layer.class_name in OURS:
        return layer.class_name in _OURS_WITHOUT_WEIGHTS
    if class_of(layer) == "TimeDistributed" and "layer" in layer.inner:
        return without_weights(layer.inner["layer"])
    return class_of(layer) in WITHOUT_WEIGHTS


def uncertain(graph: ModelGraph, layer: Layer, what: str) -> UncertainError:
    """Return the error for a layer."""
    return UncertainError(f"the layer {graph.path_of(layer.name)} {what}")


def _held(graph: ModelGraph, group: Any, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the groups of layers, by layer name; refuse a file that has others."""
    if group is None:
        return {}
    strange = sorted(set(group) - set(names.values()))
    if strange:
        raise UncertainError(f"{group.name}/{strange[0]} of its weights file is of no layer known")
    held = {}
    for name, place in names.items():
        found = child(group, place)
        if found is None:
            if not without_weights(graph.layer(name)):
                raise uncertain(graph, graph.layer(name), "has no weights in the file")
            continue
        if own_name(found) not in (None, name):
            raise uncertain(graph, graph.layer(name), f"is not that of {group.name}/{place}")
        held[name] = found
    return held
