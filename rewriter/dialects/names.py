"""The names of layers, and of those whose config tells none."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count
from typing import Any


def told_name(entry: Mapping[str, Any]) -> str | None:
    """Return the name that Keras wrote beside a layer or in its config; None if it did not."""
    config = entry["config"]
    name = entry.get("name") or (config.get("name") if isinstance(config, dict) else None)
    return str(name) if name else None


def made_name(class_name: str) -> str:
    """Return a class in snake case, as Keras names its layers by default."""
    word = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", class_name.rpartition(">")[2])
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", word).lower()


class Names:
    """The names of layers in one document; those that tell none get what a new process gives.

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
        told = [told_name(entry) for entry in entries]
        classes = [str(entry["class_name"]) for entry in entries]
        shared = (model, *zip(classes, told, strict=True))
        if shared not in self._known:
            taken = set(filter(None, told))
            pairs = zip(classes, told, strict=True)
            self._known[shared] = [name or self._made(each, taken) for each, name in pairs]
        return self._known[shared]

    def _made(self, class_name: str, taken: Collection[str]) -> str:
        base = made_name(class_name)
        made = (f"{base}_{number}" if number else base for number in self._numbers[base])
        return next(each for each in made if each not in taken)
