"""Name the keys under which a config holds other layers, and put one there."""

from __future__ import annotations

from typing import Any

# Where a config holds other layers: one, or a list of them.
INNER_KEYS = ("layer", "forward_layer", "backward_layer", "cell")
INNER_LISTS = ("cells",)

# The package that layers of this program are registered under: files of the old kind, as Keras 2
# writes .h5, have it in the class name.
PACKAGE = "rewriter>"

# A Sequential model of Keras 2 or 3 has these keys and no others; a custom layer that
# happens to hold a list of layers has more.
SEQUENTIAL_KEYS = frozenset({"name", "layers", "trainable", "dtype", "build_input_shape"})


def put_inner(config: dict[str, Any], role: str, value: Any) -> None:
    """Set what stands at a role, in a copy of the list where the role is in one."""
    key, _, number = role.partition("/")
    if number:
        config[key] = list(config[key])
        config[key][int(number)] = value
    else:
        config[key] = value
