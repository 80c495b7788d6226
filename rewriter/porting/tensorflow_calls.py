"""Write a recorded function of TensorFlow as the layer that calls it by its name.

It stands for functions that ``keras.ops`` has not, or has with other arguments or types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewriter.graph.calls import Arguments, Constant, Hole
from rewriter.graph.graph import Layer
from rewriter.layers.tensorflow_functions import is_allowed
from rewriter.porting.envelopes import package_envelope
from rewriter.porting.refusals import RefusedError

NAME = "TensorFlowFunction"

FIX = "put the function into a layer of your own that has a class for Keras 3, too"

_SLICE = "__operators__.getitem"


def tensorflow_call(
    function: str, layer: Layer, name: str, first: Any, kwargs: Mapping[str, Any]
) -> tuple[Layer, Arguments]:
    """Return the layer that calls a function of TensorFlow, and its arguments.

    Raises
    ------
    RefusedError
        The function is not one of those that the layer calls.

    Examples
    --------
    >>> layer = Layer("tf.math.lgamma", "TFOpLambda", {"function": "math.lgamma"})
    >>> made, arguments = tensorflow_call("math.lgamma", layer, "lgamma", Hole(0), {"name": None})
    >>> made.config["arguments"], arguments.args
    ([[{'tensor': 0}], {}], [Hole(index=0)])
    """
    if not is_allowed(function):
        raise RefusedError(f"Keras 3 has no operation for tf.{function}", FIX)
    holes: list[Hole] = []

    def written(value: Any) -> Any:
        if isinstance(value, Hole):
            holes.append(value)
            return {"tensor": len(holes) - 1}
        if isinstance(value, Constant):
            return written(value.value)
        if value is Ellipsis or _class_of(value) == "__ellipsis__":
            return {"ellipsis": True}
        if isinstance(value, Mapping):
            if {"start", "stop", "step"} <= value.keys():
                return {"slice": [written(value[part]) for part in ("start", "stop", "step")]}
            return {key: written(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [written(each) for each in value]
        return plain(value)

    args = [written(first)]
    if function == _SLICE:
        key = written(kwargs.get("slice_spec"))
        args, kwargs = [*args, {"tuple": key} if isinstance(key, list) else key], {}
    told = {key: written(value) for key, value in kwargs.items() if value is not None}
    told.pop("name", None)
    if not holes:
        raise RefusedError(f"tf.{function} is called on constants alone", FIX)
    config = {"name": name, "function": function, "arguments": [args, told]}
    taken = holes[0] if len(holes) == 1 else list(holes)
    made = Layer(name, NAME, config, package_envelope(NAME), origin=layer.origin)
    return made, Arguments([taken], {})


def _class_of(value: Any) -> Any:
    return value.get("class_name") if isinstance(value, Mapping) else None


def plain(value: Any) -> Any:
    """Return a dtype by its name; all else as it is."""
    return value.name if hasattr(value, "as_numpy_dtype") else value
