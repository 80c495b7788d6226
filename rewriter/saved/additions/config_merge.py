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


_OF_MODEL = frozenset(
    {
        "name",
        "trainable",
        "dtype",
        "layers",
        "input_layers",
        "output_layers",
        "build_input_shape",
        "shared_object_id",
    }
)
"""What Keras writes in the config of a model, and leaves out where the model has no such."""


def unknown_keys(model: dict[str, Any]) -> Iterator[str]:
    """Yield the keys of models, and beside the configs of layers, that are not of Keras."""
    for path, entry in {(): model, **_entries(model)}.items():
        where = f" ({'/'.join(path)})" if path else ""
        held = entry.get("config")
        if isinstance(held, dict) and "layers" in held:
            yield from (f"{key}{where}" for key in held if key not in _OF_MODEL)
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
    held, others = old.get("config"), new.get("config")
    carried = False
    if isinstance(held, dict) and isinstance(others, dict):
        unknown = {key: each for key, each in held.items() if key not in (*_OF_MODEL, *others)}
        others.update(unknown)
        carried = bool(unknown)
    for path, entry in _entries(old).items():
        carried = _carry(entry, entries.get(path)) or carried
    return config if carried or len(config) > len(new) else None


def lost(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the unknown keys beside layers that are gone or of another class, with their path."""
    entries = _entries(new)
    for path, entry in _entries(old).items():
        other = entries.get(path, {})
        yield from ((key, "/".join(path)) for key in entry if key not in (*_BESIDE, *other))


def _carry(old: Any, new: Any) -> bool:
    """Put into an object of Keras what it lost, and into the objects in it; whether it lost any."""
    if not (_is_object(old) and _is_object(new)) or old["class_name"] != new["class_name"]:
        return False
    carried = False
    pairs = [(old, new)]
    pairs += [(old.get(key), new.get(key)) for key in ("config", "build_config")]
    for held, others in pairs:
        if isinstance(held, dict) and isinstance(others, dict):
            gone = {
                key: each for key, each in held.items() if key not in (*others, "shared_object_id")
            }
            others.update(gone)
            carried = carried or bool(gone)
    held, others = old.get("config"), new.get("config")
    if isinstance(held, dict) and isinstance(others, dict):
        for key in held.keys() - {"layers"}:
            carried = _carry_each(held[key], others[key]) or carried
    return carried


def _carry_each(old: Any, new: Any) -> bool:
    """Do the same for a value of a config: an object, or a list of them, as cells are."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        carried = [_carry(one, other) for one, other in zip(old, new, strict=True)]
        return any(carried)
    return _carry(old, new)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and "class_name" in value


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
