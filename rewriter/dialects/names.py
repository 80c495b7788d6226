"""The names of layers, and of those whose config tells none."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
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


def names_of(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of a model's layers; one that tells none gets what a new process gives.

    Examples
    --------
    >>> names_of([{"class_name": "MyLayer", "config": {}}] * 2)
    ['my_layer', 'my_layer_1']
    """
    told = [told_name(entry) for entry in entries]
    taken = set(filter(None, told))
    numbers: defaultdict[str, Iterator[int]] = defaultdict(count)
    names = []
    for entry, name in zip(entries, told, strict=True):
        base = made_name(str(entry["class_name"]))
        made = (f"{base}_{number}" if number else base for number in numbers[base])
        names.append(name or next(each for each in made if each not in taken))
        taken.add(names[-1])
    return names
