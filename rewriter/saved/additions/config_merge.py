"""Put the keys of an old config that Keras dropped into the new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_BESIDE = frozenset(
    {
        "class_name",
        "config",
        "name",
        "inbound_nodes",
        "module",
        "registered_name",
        "build_config",
        "compile_config",
        "shared_object_id",
        "keras_version",
        "backend",
    }
)
"""What Keras writes beside the config of a model or layer, in one format or another."""


def unknown_keys(model: dict[str, Any]) -> Iterator[str]:
    """Yield the keys beside the configs of a model and its layers that are not of Keras."""
    for path, entry in {(): model, **_entries(model)}.items():
        where = f" ({'/'.join(path)})" if path else ""
        yield from (f"{key}{where}" for key in entry if key not in _BESIDE)


def with_unknown_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the serialised form of a model with what it lost of an older one.

    Parameters
    ----------
    old, new : mapping
        The serialised forms. What the layers of the new one lost is put into them in place;
        which layers are one object is told by the numbers of the new one alone.

    Returns
    -------
    dict or None
        None if nothing was lost.
    """
    config = dict(new)
    config |= {key: each for key, each in old.items() if key not in (*new, "compile_config")}
    entries = _entries(new)
    lost = False
    for path, entry in _entries(old).items():
        other = entries.get(path)
        if other is None or other.get("class_name") != entry.get("class_name"):
            continue
        for held, others in ((entry, other), (entry.get("config"), other.get("config"))):
            if isinstance(held, dict) and isinstance(others, dict):
                kept = (*others, "shared_object_id")
                gone = {key: each for key, each in held.items() if key not in kept}
                others.update(gone)
                lost = lost or bool(gone)
    return config if lost or len(config) > len(new) else None


def _entries(model: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[Any, dict[str, Any]]:
    """Return the layers of a config by the names on the way to them."""
    config = model.get("config")
    layers = config.get("layers") if isinstance(config, dict) else config
    found: dict[Any, dict[str, Any]] = {}
    for layer in layers if isinstance(layers, list) else []:
        held = layer.get("config") if isinstance(layer, dict) else None
        if not isinstance(held, dict):
            continue
        place = (*path, str(held.get("name")))
        found[place] = layer
        found |= _entries(layer, place)
    return found
