"""Walk nested lists, tuples and dicts in one fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def map_leaves(function: Callable[[Any], Any], structure: Any) -> Any:
    """Return a structure of the same shape with `function` applied to each leaf.

    Examples
    --------
    >>> map_leaves(str, {"a": [1, (2,)]})
    {'a': ['1', ('2',)]}
    """
    if isinstance(structure, dict):
        return {key: map_leaves(function, value) for key, value in structure.items()}
    if isinstance(structure, list):
        return [map_leaves(function, value) for value in structure]
    if type(structure) is tuple:
        return tuple(map_leaves(function, value) for value in structure)
    return function(structure)


def leaves(structure: Any) -> Iterator[Any]:
    """Yield the leaves in the order in which they stand.

    Examples
    --------
    >>> list(leaves({"a": [1, (2,)], "b": 3}))
    [1, 2, 3]
    """
    if isinstance(structure, dict):
        for value in structure.values():
            yield from leaves(value)
    elif isinstance(structure, list) or type(structure) is tuple:
        for value in structure:
            yield from leaves(value)
    else:
        yield structure
