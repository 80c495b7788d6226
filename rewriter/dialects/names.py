"""Read the names of layers, and name the layers whose config has no name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count
from typing import Any


def name_in_config(entry: Mapping[str, Any]) -> str | None:
    """Return the name that Keras wrote beside a layer or in its config; None if it did not."""
    config = entry["config"]
    name = entry.get("name") or (config.get("name") if isinstance(config, dict) else None)
    return str(name) if name else None


def default_name(class_name: str) -> str:
    """Return a class in snake case, as Keras names its layers by default."""
    word = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", class_name.rpartition(">")[2])
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", word).lower()


class Names:
    """The names of layers in one document; a layer without one is named as Keras would name it.

    No two of these are alike, in whatever models of the document they are: the variables of a
    layer are called by its name, and an .h5 file has those of nested models side by side.

    Examples
    --------
    >>> names = Names()
    >>> names.of("outer", [{"class_name": "MyLayer", "config": {}}] * 2)
    ['my_layer', 'my_layer_1']
    >>> names.of("inner", [{"class_name": "MyLayer", "config": {}}])
    ['my_layer_2']
    """

    def __init__(self) -> None:
        self._numbers: defaultdict[str, Iterator[int]] = defaultdict(count)
        self._known: dict[Any, list[str]] = {}

    def of(self, model: str, entries: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the names of a model's layers; the same ones each time for a shared model.

        Parameters
        ----------
        model : str
            The model's name.
        entries : sequence of mapping
            The serialised forms of its layers.
        """
        written = [name_in_config(entry) for entry in entries]
        classes = [str(entry["class_name"]) for entry in entries]
        pairs = list(zip(classes, written, strict=True))
        model_key = (model, *pairs)
        if model_key not in self._known:
            taken = set(filter(None, written))
            self._known[model_key] = [
                name or self._next_default(class_name, taken) for class_name, name in pairs
            ]
        return self._known[model_key]

    def _next_default(self, class_name: str, taken: Collection[str]) -> str:
        base = default_name(class_name)
        names = (f"{base}_{number}" if number else base for number in self._numbers[base])
        return next(name for name in names if name not in taken)
