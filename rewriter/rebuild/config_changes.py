"""Find what passes changed in a layer's config, and put that into the original's config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.lookups import LOOKUPS
from rewriter.dialects import encode, encode_layer
from rewriter.errors import RebuildError
from rewriter.graph.graph import Layer

_LOOKUP = ("vocabulary", "idf_weights", "num_oov_indices", "mask_token", "oov_token", "invert")

_STATE_KEYS: Mapping[str, tuple[str, ...]] = {
    "Discretization": ("bin_boundaries",),
    "Normalization": ("mean", "variance"),
    **dict.fromkeys(LOOKUPS, _LOOKUP),
}
"""Keys of a config that say the same as a layer's table or statistics; the first is None where
these were learned from data, with ``adapt``."""


def alike(one: Layer, other: Layer) -> bool:
    """Whether two layers would be made alike; how they are called does not matter."""
    if one is other:
        return True
    if one.graph is not None and other.graph is not None and one.graph is not other.graph:
        return encode(one.graph) == encode(other.graph)
    return (
        (one.class_name, one.graph) == (other.class_name, other.graph)
        and (one.config == other.config or _numberless(one.config) == _numberless(other.config))
        and one.inner.keys() == other.inner.keys()
        and all(alike(layer, other.inner[role]) for role, layer in one.inner.items())
    )


def holds_edited_model(layer: Layer, before: Layer | None) -> bool:
    """Whether a layer is, or wraps, a nested model that differs from the one that was read."""
    if before is None or layer is before:
        return False
    if layer.graph is not None:
        return not alike(layer, before)
    return any(
        holds_edited_model(inner, before.inner.get(role)) for role, inner in layer.inner.items()
    )


def _numberless(config: Any) -> Any:
    """Return a config without the numbers of objects, which stand beside some of them only."""
    if isinstance(config, list):
        return [_numberless(each) for each in config]
    if not isinstance(config, Mapping):
        return config
    return {key: _numberless(each) for key, each in config.items() if key != "shared_object_id"}


def changes_state(before: Layer, after: Layer) -> bool:
    """Whether passes changed what a layer's table or statistics are made from.

    The layer is then made from its config, and gets nothing of the original.

    Raises
    ------
    RebuildError
        The config does not have the rest: the layer learned it from data.
    """
    found = False
    for old, new in zip(before.walk(), after.walk(), strict=False):
        keys = _STATE_KEYS.get(class_of(old), ()) if old.class_name == new.class_name else ()
        changed = [key for key in keys if old.config.get(key) != new.config.get(key)]
        if changed and new.config.get(keys[0]) is None:
            raise RebuildError(
                f"{changed[0]} cannot be changed: the layer learned its {keys[0]} from data, and "
                "its config does not have it",
                where=after.name,
                fix=f"have the pass set {keys[0]} too",
            )
        found = found or bool(changed)
    return found


def changed_config(
    config: Mapping[str, Any], before: Layer, after: Layer, keras: int
) -> dict[str, Any]:
    """Return the original's config with what differs between the two layers changed."""
    new = dict(config)
    for key, value in after.config.items():
        if key not in before.config or before.config[key] != value:
            new[key] = value
    for role, layer in after.inner.items():
        old = before.inner.get(role)
        if old is not None and (layer.graph is not None or alike(layer, old)):
            continue
        key, _, number = role.partition("/")
        entry = config[key][int(number)] if number else config[key]
        if old is None or old.class_name != layer.class_name:
            entry = encode_layer(layer, keras)
        else:
            entry = {**entry, "config": changed_config(entry["config"], old, layer, keras)}
        if number:
            new[key] = list(new[key])
            new[key][int(number)] = entry
        else:
            new[key] = entry
    return new
