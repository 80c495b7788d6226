"""Read from the groups of a weights file what a rewrite must know of them; no link is followed."""

from __future__ import annotations

from typing import Any

from rewriter.saved.by_file.layer_order import UncertainError


def child(group: Any, name: str) -> Any:
    """Return a group in a group; None where there is none.

    Raises
    ------
    UncertainError
        A link stands there, or data.
    """
    import h5py

    link = group.get(name, getlink=True)
    if link is None:
        return None
    found = group[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(found, h5py.Group):
        raise UncertainError(f"{name!r} of its weights file is no group")
    return found


def data_in(group: Any) -> list[Any]:
    """Return the data sets in a group and in its groups, in the order of their names."""
    import h5py

    found: list[Any] = []
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise UncertainError(f"{group.name}/{name} of its weights file is a link")
        each = group[name]
        found += data_in(each) if isinstance(each, h5py.Group) else [each]
    return found


def own_name(group: Any) -> str | None:
    """Return the name that newer releases of Keras write beside a layer's weights."""
    own = child(group, "vars")
    name = None if own is None else own.attrs.get("name")
    return name.decode() if isinstance(name, bytes) else name
