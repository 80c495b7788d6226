"""Give layers names that Keras 3 takes: without slashes, and each once in a model."""

from __future__ import annotations

from collections.abc import Iterable


def free_names(names: Iterable[str]) -> dict[str, str]:
    """Return for each name of a model's layers the one that it has in Keras 3.

    Examples
    --------
    >>> free_names(["block/conv", "block_conv", "out"])
    {'block/conv': 'block_conv_1', 'block_conv': 'block_conv', 'out': 'out'}
    """
    names = list(names)
    taken = {name for name in names if "/" not in name}
    found = {}
    for name in names:
        wish = new = name.replace("/", "_")
        number = 1
        while "/" in name and new in taken:
            new = f"{wish}_{number}"
            number += 1
        taken.add(new)
        found[name] = new
    return found
