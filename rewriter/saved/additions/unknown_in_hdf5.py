"""Carry over the HDF5 objects among the weights that Keras neither reads nor keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from rewriter.errors import ModelWriteError
from rewriter.saved.formats.weights_h5 import listed_names

_LISTS = ("layer_names", "weight_names")
_OF_KERAS = {"h5": ("backend", "keras_version"), "keras": ("name", "dtype")}


class Unknown(NamedTuple):
    """An attribute, or else a group, a data set or a link, in an HDF5 file.

    Parameters
    ----------
    path : str
        Of the object: ``model_weights/dense``.
    attribute : str or None
        The attribute of the object that is unknown; None if the object itself is.
    """

    path: str
    attribute: str | None

    def __str__(self) -> str:
        """Return it as it is named in messages."""
        place = self.path or "/"
        return place if self.attribute is None else f"{place}@{self.attribute}"


def unknown_objects(root: Any, format: str) -> list[Unknown]:
    """Return the objects that Keras did not write, or will not find.

    Parameters
    ----------
    root : h5py.File
        An ``.h5`` file, of which what is beside the weights is left out, or the weights file of
        a ``.keras`` archive.
    format : str
        ``h5`` or ``keras``.
    """
    if format == "keras":
        return list(_walk(root, "", "keras", None))
    objects: list[Unknown] = []
    for name in ("model_weights", "optimizer_weights"):
        if name in root:
            objects.extend(_walk(root[name], name, "h5", _weights(root[name], name)))
    return objects


def carry(objects: list[Unknown], source: Any, target: Any) -> None:
    """Copy what is unknown from one HDF5 file to another, to the same place.

    Raises
    ------
    ModelWriteError
        If there is no such place any more, or another thing in it; names what would be lost.
    """
    for one in objects:
        parent = one.path if one.attribute else one.path.rpartition("/")[0]
        if _is_weight(source, one) and one.path not in target:
            raise _lost(one)
        if parent.startswith("optimizer_weights") and "optimizer_weights" not in target:
            raise _lost(one)
        place = target[one.path] if _is_weight(source, one) else _group(target, parent, one)
        name = one.attribute or one.path.rpartition("/")[2]
        held = place.attrs if one.attribute else place
        if name in held:
            raise _lost(one)
        if one.attribute:
            copied = source[one.path] if one.path else source
            held[name] = copied.attrs[name]
        else:
            copy_object(source, one.path, place)


def copy_object(source: Any, path: str, place: Any) -> None:
    """Copy a group or a data set into a group; a link as a link, wherever it leads."""
    import h5py

    link = source.get(path, getlink=True)
    name = path.rpartition("/")[2]
    if isinstance(link, h5py.SoftLink | h5py.ExternalLink):
        place[name] = link
    else:
        source.copy(path, place, name=name)


def _is_weight(source: Any, one: Unknown) -> bool:
    import h5py

    return one.attribute is not None and isinstance(source.get(one.path or "/"), h5py.Dataset)


def _group(target: Any, path: str, one: Unknown) -> Any:
    try:
        return target.require_group(path) if path else target
    except TypeError as error:  # a data set stands there
        raise _lost(one) from error


def _lost(one: Unknown) -> ModelWriteError:
    return ModelWriteError(
        f"{one} of the original is nothing that Keras knows, and has no place in the new file",
        fix="take it out of the original, or keep it elsewhere",
    )


def _walk(group: Any, path: str, format: str, weights: set[str] | None) -> Iterator[Unknown]:
    """Yield what is unknown in a group that Keras knows."""
    import h5py

    yield from (Unknown(path, name) for name in group.attrs if not _known(name, format))
    for name in group:
        place = f"{path}/{name}" if path else name
        if isinstance(group.get(name, getlink=True), h5py.SoftLink | h5py.ExternalLink):
            yield Unknown(place, None)
            continue
        child = group[name]
        is_group = isinstance(child, h5py.Group)
        if not _expected(place, is_group, weights):
            yield Unknown(place, None)
        elif is_group:
            yield from _walk(child, place, format, weights)
        else:
            yield from (Unknown(place, each) for each in child.attrs if not _known(each, format))


def _expected(place: str, is_group: bool, weights: set[str] | None) -> bool:
    """Whether a group or data set is one of Keras: in archives, weights are in ``vars``."""
    if weights is not None:
        return place in weights
    return is_group or place.split("/")[-2:-1] == ["vars"]


def _known(attribute: str, format: str) -> bool:
    listed = format == "h5" and attribute.rstrip("0123456789") in _LISTS
    return listed or attribute in _OF_KERAS[format]


def _weights(group: Any, path: str) -> set[str]:
    """Return the paths of the weights that an ``.h5`` file lists, and of the groups above."""
    paths: set[str] = set()
    layers = listed_names(group, "layer_names")
    if path == "model_weights":
        layers = [*layers, "top_level_model_weights"]
    for layer in ["", *layers]:
        if layer and layer not in group:
            continue
        base = f"{path}/{layer}" if layer else path
        names = listed_names(group[layer] if layer else group, "weight_names")
        for place in (base, *(f"{base}/{name}" for name in names)):
            parts = place.split("/")
            paths |= {"/".join(parts[:end]) for end in range(1, len(parts) + 1)}
    return paths
