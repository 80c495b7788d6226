"""Write what Keras 2 serialises inside a layer's config as Keras 3 reads it.

Initializers, regularizers, constraints, activations and dtype policies; numbers that were saved
as arrays. Files of the old kind leave the module out, `.keras` files have it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rewriter.porting.refusals import RefusedError

KINDS: Mapping[str, str] = {
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
    "constraint": "keras.constraints",
}
"""Modules of Keras 3 by the end of the key that holds such an object."""

_NO_DTYPE = "dtype"
_POLICIES = ("Policy", "PolicyV1", "DTypePolicy", "LossScaleOptimizer")

_CUSTOM = "give the module that has it with --custom MODULE[:NAME]"
_LAMBDA = (
    "the file does not hold the function: write it down in a module, under that name "
    "(globals()['<lambda>'] = function), and give the module with --custom MODULE"
)


def converted(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with what stands serialised in it in the form of Keras 3.

    Examples
    --------
    >>> old = {"kernel_initializer": {"class_name": "Zeros", "config": {"dtype": "float32"}}}
    >>> converted(old)["kernel_initializer"]["module"]
    'keras.initializers'
    """
    return {key: _value(key, value) for key, value in config.items()}


def _value(key: str, value: Any) -> Any:
    if key in ("dtype", "vocabulary_dtype"):
        return policy(value)
    if not isinstance(value, Mapping):
        return value
    if value.get("type") == "ndarray":  # keras 2.0 to 2.2
        return value.get("value")
    if value.get("class_name") == "__numpy__":
        return value["config"]["value"]
    if value.get("class_name") == "__tuple__":
        return list(value.get("items", ()))
    kind = next((module for end, module in KINDS.items() if key.endswith(end)), None)
    if kind is not None and "class_name" in value:
        return _object(value, kind)
    if key.endswith("activation") or value.get("class_name") == "function":
        return _function(value)
    return value


def _object(value: Mapping[str, Any], module: str) -> dict[str, Any]:
    """Return an initializer, regularizer or constraint as class, module and config."""
    config = value.get("config")
    if value.get("class_name") == "function":
        return dict(value)
    registered = value.get("registered_name")
    custom = bool(registered) and ">" in str(registered)
    written = str(value.get("module") or module)
    if not written.startswith(("keras", "tf_keras", "tensorflow")):
        custom = True
    inner = {} if not isinstance(config, Mapping) else dict(config)
    if not custom:
        inner.pop(_NO_DTYPE, None)
    return {
        "module": written if custom else module,
        "class_name": value["class_name"],
        "config": {key: _plain(each) for key, each in inner.items()},
        "registered_name": registered if custom else None,
    }


def _plain(value: Any) -> Any:
    """Return a number that was saved as an array."""
    if isinstance(value, Mapping) and value.get("type") == "ndarray":
        return value.get("value")
    return value


def _function(value: Mapping[str, Any]) -> Any:
    """Return a named function as Keras 3 names it: its own by the bare name."""
    module, name = value.get("module"), value.get("config")
    if value.get("class_name") != "function":
        return value
    if str(module or "keras").split(".")[0] in ("keras", "tf_keras", "tensorflow", "builtins"):
        return name
    return dict(value)


def policy(value: Any) -> Any:
    """Return a dtype as Keras 3 writes it: a name, or a DTypePolicy.

    Examples
    --------
    >>> policy({"class_name": "Policy", "config": {"name": "mixed_float16"}})["class_name"]
    'DTypePolicy'
    """
    if not isinstance(value, Mapping):
        return value
    class_name, config = value.get("class_name"), value.get("config")
    if class_name not in _POLICIES or not isinstance(config, Mapping):
        raise RefusedError(f"its dtype policy is a {class_name}", "use float32 or a mixed policy")
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": config.get("name")},
        "registered_name": None,
    }


_ACTIVATIONS = """
celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu
linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus
softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold
"""

ACTIVATIONS = frozenset(_ACTIVATIONS.split())
"""Activations of Keras 3 by name."""


def with_functions(config: Mapping[str, Any], custom: Collection[str]) -> dict[str, Any]:
    """Return a config in which the user's own functions stand as Keras 3 looks them up.

    Raises
    ------
    RefusedError
        An activation is a function that neither Keras nor the user has; names it.

    Examples
    --------
    >>> with_functions({"activation": "own"}, {"own"})["activation"]["config"]
    'own'
    """
    return {
        key: _known_function(key, value, custom) if key.endswith("activation") else value
        for key, value in config.items()
    }


def _known_function(key: str, value: Any, custom: Collection[str]) -> Any:
    name = value.get("config") if isinstance(value, Mapping) else value
    registered = value.get("registered_name") if isinstance(value, Mapping) else None
    if isinstance(name, Mapping):  # a layer
        return value
    own = [each for each in (name, registered) if isinstance(each, str) and each in custom]
    if own:
        function = own[0]
        return {
            "module": "builtins",
            "class_name": "function",
            "config": function,
            "registered_name": "function",
        }
    if not isinstance(name, str) or name in ACTIVATIONS:
        return value
    raise RefusedError(
        f"its {key} is {name!r}, which is no function of Keras 3",
        _LAMBDA if name == "<lambda>" else _CUSTOM,
    )
