"""Carry over the metadata of a SavedModel directory that Keras does not keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rewriter.errors import ModelWriteError
from rewriter.saved.additions.config_merge import with_unknown_keys
from rewriter.saved.formats.saved_model import change_metadata, objects_of

# tf_keras/src/saving/legacy/saved_model/*_serialization.py, `_python_properties_internal`, and the
# same in TensorFlow since 2.2.
_OF_KERAS = frozenset(
    {
        "_is_feature_layer",
        "activity_regularizer",
        "autocast",
        "backend",
        "batch_input_shape",
        "build_config",
        "build_input_shape",
        "class_name",
        "config",
        "dtype",
        "expects_training_arg",
        "full_save_spec",
        "inbound_nodes",
        "input_spec",
        "is_graph_network",
        "keras_version",
        "model_config",
        "module",
        "must_restore_from_config",
        "name",
        "preserve_input_structure_in_config",
        "ragged",
        "registered_name",
        "save_spec",
        "shared_object_id",
        "sparse",
        "stateful",
        "trainable",
        "training_config",
    }
)


class Known(NamedTuple):
    """An object of Keras, by what is told of it in every directory."""

    class_name: str
    name: str


class UnknownKey(NamedTuple):
    """A key that Keras does not know, and the object beside which it stands."""

    key: str
    owner: Known

    def __str__(self) -> str:
        """Return it as it is named in messages."""
        return f"{self.key} ({self.owner.name})"


def unknown_metadata_keys(path: Path) -> list[UnknownKey]:
    """Return what stands in the metadata of a SavedModel directory and is not of Keras."""
    return [
        UnknownKey(key, _known(metadata))
        for _, metadata in objects_of(path)
        for key in _unknown(metadata)
    ]


def carry_metadata(source: Path, written: Path) -> None:
    """Put what is unknown in the metadata of one directory into that of another.

    Keys in the model's config go to the same layer, as in other files; those beside an object of
    Keras to the one of the same class and name. What belongs to a layer that is gone goes with it.

    Parameters
    ----------
    source, written : Path
        Two SavedModel directories; the second is changed in place.

    Raises
    ------
    ModelWriteError
        If it is not clear which object something belongs to; names it.
    """
    old, new = dict(objects_of(source)), dict(objects_of(written))
    additions = {place: dict(each) for place, each in _placed(old, new)}

    def change(place: int, metadata: dict[str, Any]) -> dict[str, Any]:
        if place == 0:
            _merge_configs(old[0], metadata)
        return {**additions.get(place, {}), **metadata}

    change_metadata(written, change)


def _merge_configs(old: Mapping[str, Any], new: dict[str, Any]) -> None:
    """Put the unknown keys of the old config into both copies of the new one."""
    # The second argument is changed in place.
    with_unknown_keys({"config": old.get("config")}, {"config": new.get("config")})
    if old.get("model_config") and new.get("model_config"):
        whole = with_unknown_keys(old["model_config"], new["model_config"])
        new["model_config"] = whole or new["model_config"]


def _placed(
    old: Mapping[int, dict[str, Any]], new: Mapping[int, dict[str, Any]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a new directory, and what is unknown beside those of an old one."""
    places = {_known(metadata): place for place, metadata in new.items() if place}
    times = Counter(map(_known, old.values())) | Counter(map(_known, new.values()))
    for place, metadata in old.items():
        unknown, owner = _unknown(metadata), _known(metadata)
        if place == 0:
            yield 0, unknown
        elif unknown and owner in places:
            if times[owner] > 1:
                raise _ambiguous(UnknownKey(next(iter(unknown)), owner))
            yield places[owner], unknown


def _unknown(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in metadata.items() if key not in _OF_KERAS}


def _known(metadata: Mapping[str, Any]) -> Known:
    return Known(str(metadata.get("class_name")), str(metadata.get("name")))


def _ambiguous(key: UnknownKey) -> ModelWriteError:
    return ModelWriteError(
        f"{str(key)!r} in the metadata of the original is nothing that Keras knows, and several "
        "layers have this class and name",
        fix="take it out of the original, or give the layers names of their own",
    )
