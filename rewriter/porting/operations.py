"""List the functions of TensorFlow that Keras 2 recorded as layers.

Keras 3 has an operation for each, a layer by the same right; it stands under a path of its own,
``keras.src.ops``, which `tests/porting` holds against the release that is installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from rewriter.graph.calls import Arguments, Constant, Hole
from rewriter.graph.graph import Layer
from rewriter.graph.nested import leaves, map_leaves
from rewriter.layers.tensorflow_functions import is_allowed
from rewriter.porting.refusals import RefusedError
from rewriter.porting.tensorflow_calls import FIX, plain, tensorflow_call

RECORDED = frozenset({"TFOpLambda", "SlicingOpLambda"})
"""Layers of Keras 2 that stand for a function."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What stands for some functions of TensorFlow.

    Parameters
    ----------
    functions : str
        Names as Keras 2 writes them, with spaces between them.
    into : str
        Module of ``keras.src.ops`` and class: ``numpy.Add``.
    taken : tuple of str
        The parameters of the function that are tensors, in the order in which the operation takes
        them.
    kept : mapping of str to str
        Parameters that go into the config, with their names there.
    fixed : mapping
        What else the config says.
    drop : mapping
        Parameters that are left out, with the values that they may have.
    """

    functions: str
    into: str
    taken: tuple[str, ...] = ("x",)
    kept: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    drop: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


_TWO = ("x", "y")
_REDUCED: Mapping[str, str] = {"axis": "axis", "keepdims": "keepdims"}


def _reduced(name: str, into: str) -> Operation:
    return Operation(f"math.reduce_{name} reduce_{name}", into, ("input_tensor",), _REDUCED)


OPERATIONS: Sequence[Operation] = (
    Operation("__operators__.add math.add add", "numpy.Add", _TWO),
    Operation("math.subtract subtract", "numpy.Subtract", _TWO),
    Operation("math.multiply multiply", "numpy.Multiply", _TWO),
    Operation("math.truediv truediv math.divide divide", "numpy.Divide", _TWO),
    Operation("math.pow pow", "numpy.Power", _TWO),
    Operation("math.maximum maximum", "numpy.Maximum", _TWO),
    Operation("math.minimum minimum", "numpy.Minimum", _TWO),
    Operation("math.abs abs", "numpy.Absolute"),
    Operation("math.negative negative", "numpy.Negative"),
    Operation("math.square square", "numpy.Square"),
    Operation("math.sqrt sqrt", "numpy.Sqrt"),
    Operation("math.rsqrt", "math.Rsqrt"),
    Operation("math.exp exp", "numpy.Exp"),
    Operation("math.log", "numpy.Log"),
    Operation("math.log1p", "numpy.Log1p"),
    Operation("math.expm1", "numpy.Expm1"),
    Operation("math.sin sin", "numpy.Sin"),
    Operation("math.cos cos", "numpy.Cos"),
    Operation("math.tanh tanh nn.tanh", "numpy.Tanh"),
    Operation("math.tan tan", "numpy.Tan"),
    Operation("math.sinh sinh", "numpy.Sinh"),
    Operation("math.cosh cosh", "numpy.Cosh"),
    Operation("math.atan2 atan2", "numpy.Arctan2", _TWO),
    Operation("math.floormod math.mod floormod", "numpy.Mod", _TWO),
    Operation("compat.v1.floor_div math.floordiv floordiv floor_div", "numpy.FloorDivide", _TWO),
    Operation("math.is_nan", "numpy.Isnan"),
    Operation("math.is_inf", "numpy.Isinf"),
    Operation("math.is_finite", "numpy.Isfinite"),
    Operation("math.logical_and logical_and", "numpy.LogicalAnd", _TWO),
    Operation("math.logical_or logical_or", "numpy.LogicalOr", _TWO),
    Operation("math.logical_not logical_not", "numpy.LogicalNot"),
    Operation("zeros_like compat.v1.zeros_like", "numpy.ZerosLike", ("input",)),
    Operation("ones_like compat.v1.ones_like", "numpy.OnesLike", ("input",)),
    Operation("tile", "numpy.Tile", ("input",), {"multiples": "repeats"}),
    Operation("roll", "numpy.Roll", ("input",), {"shift": "shift", "axis": "axis"}),
    Operation("reverse", "numpy.Flip", ("tensor",), {"axis": "axis"}),
    Operation("repeat", "numpy.Repeat", ("input",), {"repeats": "repeats", "axis": "axis"}),
    Operation("math.erf", "math.Erf"),
    Operation("math.floor floor", "numpy.Floor"),
    Operation("math.ceil", "numpy.Ceil"),
    Operation("math.sign sign", "numpy.Sign"),
    Operation("math.greater greater", "numpy.Greater", _TWO),
    Operation("math.greater_equal greater_equal", "numpy.GreaterEqual", _TWO),
    Operation("math.less less", "numpy.Less", _TWO),
    Operation("math.less_equal less_equal", "numpy.LessEqual", _TWO),
    _reduced("mean", "numpy.Mean"),
    _reduced("sum", "numpy.Sum"),
    _reduced("max", "numpy.Max"),
    _reduced("min", "numpy.Min"),
    _reduced("prod", "numpy.Prod"),
    _reduced("any", "numpy.Any"),
    _reduced("all", "numpy.All"),
    _reduced("logsumexp", "math.Logsumexp"),
    Operation("nn.relu", "nn.Relu", ("features",)),
    Operation("nn.relu6", "nn.Relu6", ("features",)),
    Operation("nn.elu", "nn.Elu", ("features",)),
    Operation("nn.selu", "nn.Selu", ("features",)),
    Operation("nn.softplus math.softplus", "nn.Softplus", ("features",)),
    Operation("nn.softsign math.softsign", "nn.Softsign", ("features",)),
    Operation("nn.leaky_relu", "nn.LeakyRelu", ("features",), {"alpha": "negative_slope"}),
    Operation(
        "nn.gelu",
        "nn.Gelu",
        ("features",),
        {"approximate": "approximate"},
        fixed={"approximate": False},
    ),
    Operation("nn.log_softmax math.log_softmax", "nn.LogSoftmax", ("logits",), {"axis": "axis"}),
    Operation("math.sigmoid sigmoid nn.sigmoid", "nn.Sigmoid"),
    Operation("nn.softmax", "nn.Softmax", ("logits",), {"axis": "axis"}),
    Operation("nn.silu nn.swish", "nn.Silu", ("features",), drop={"beta": (1.0, 1)}),
    Operation("identity", "numpy.Copy", ("input",)),
    Operation("stop_gradient", "core.StopGradient", ("input",)),
    Operation(
        "clip_by_value",
        "numpy.Clip",
        ("t",),
        {"clip_value_min": "x_min", "clip_value_max": "x_max"},
    ),
    Operation("cast", "core.Cast", ("x",), {"dtype": "dtype"}),
    Operation("concat compat.v1.concat", "numpy.Concatenate", ("values",), {"axis": "axis"}),
    Operation("stack", "numpy.Stack", ("values",), {"axis": "axis"}),
    Operation(
        "expand_dims compat.v1.expand_dims", "numpy.ExpandDims", ("input",), {"axis": "axis"}
    ),
    Operation(
        "squeeze compat.v1.squeeze",
        "numpy.Squeeze",
        ("input",),
        {"axis": "axis"},
        drop={"squeeze_dims": (None,)},
    ),
    Operation("reshape", "numpy.Reshape", ("tensor",), {"shape": "newshape"}),
    Operation(
        "transpose compat.v1.transpose",
        "numpy.Transpose",
        ("a",),
        {"perm": "axes"},
        drop={"conjugate": (False,)},
    ),
    Operation(
        "linalg.matmul matmul",
        "numpy.Matmul",
        ("a", "b"),
        drop=dict.fromkeys(
            (
                "transpose_a",
                "transpose_b",
                "adjoint_a",
                "adjoint_b",
                "a_is_sparse",
                "b_is_sparse",
                "output_type",
                "grad_a",
                "grad_b",
            ),
            (False, None),
        ),
    ),
)

_SLICE = "__operators__.getitem"


@cache
def operations() -> Mapping[str, Operation]:
    """Return the row of each function."""
    return {name: row for row in OPERATIONS for name in row.functions.split()}


def translated_operation(layer: Layer, name: str, arguments: Arguments) -> tuple[Layer, Arguments]:
    """Return the operation of Keras 3 for one call of a function of TensorFlow.

    Raises
    ------
    RefusedError
        There is none, or the call has an argument that it does not take.

    Examples
    --------
    >>> layer = Layer("tf.math.add", "TFOpLambda", {"function": "math.add"})
    >>> arguments = Arguments([[Hole(0)]], {"y": 2.0, "name": None})
    >>> operation, arguments = translated_operation(layer, "tf.math.add", arguments)
    >>> operation.class_name, arguments.args
    ('Add', [Hole(index=0), 2.0])
    """
    function = str(layer.config.get("function") or _SLICE)
    first = _first(arguments)
    try:
        if function == _SLICE:
            return _slice(layer, name, first, arguments.kwargs)
        return _by_keras(function, layer, name, first, arguments.kwargs)
    except RefusedError:
        if not is_allowed(function):
            raise
    return tensorflow_call(function, layer, name, first, arguments.kwargs)


def _by_keras(
    function: str, layer: Layer, name: str, first: Any, kwargs: Mapping[str, Any]
) -> tuple[Layer, Arguments]:
    row = operations().get(function)
    if row is None:
        raise RefusedError(f"Keras 3 has no operation for tf.{function}", FIX)
    given = {row.taken[0]: first, **kwargs}
    if row.taken[0] in kwargs:  # the first was a constant, and the tensor a keyword
        given[row.taken[0]] = kwargs[row.taken[0]]
    given = {key: value for key, value in given.items() if value is not None or key in row.taken}
    given.pop("name", None)
    config: dict[str, Any] = {"name": name, **row.fixed}
    for key, allowed in row.drop.items():
        if given.pop(key, allowed[0]) not in allowed:
            raise RefusedError(f"the operation of Keras 3 for tf.{function} takes no {key}", FIX)
    for key, new in row.kept.items():
        if key in given:
            config[new] = plain(given.pop(key))
    if any(_has_numbers(given.get(key)) for key in row.taken):
        raise RefusedError(f"tf.{function} is called on an array of numbers", FIX)
    strange = [key for key in given if key not in row.taken]
    held = [leaf for leaf in leaves([config]) if isinstance(leaf, Hole)]
    if strange or held or len([key for key in row.taken if key in given]) != len(row.taken):
        said = f"has the argument {strange[0]}" if strange else "lacks an argument, or has a tensor"
        raise RefusedError(f"the call of tf.{function} {said}", FIX)
    return _layer(row.into, name, config, layer), Arguments([given[key] for key in row.taken], {})


def _has_numbers(value: Any) -> bool:
    """Whether a value is a list that holds something else than tensors."""
    held = list(leaves([value])) if isinstance(value, list | tuple) else []
    return any(not isinstance(leaf, Hole) for leaf in held)


def _first(arguments: Arguments) -> Any:
    """Return the first argument: a tensor, a constant, or a list of tensors."""
    structure = arguments.args[0]
    if isinstance(structure, list) and len(structure) == 1:
        structure = structure[0]
    return map_leaves(lambda leaf: leaf.value if isinstance(leaf, Constant) else leaf, structure)


def _layer(into: str, name: str, config: Mapping[str, Any], layer: Layer) -> Layer:
    module, _, class_name = into.partition(".")
    envelope = {
        "module": f"keras.src.ops.{module}",
        "class_name": None,
        "config": None,
        "registered_name": class_name,
    }
    return Layer(name, class_name, dict(config), envelope, origin=layer.origin)


def _slice(
    layer: Layer, name: str, first: Any, kwargs: Mapping[str, Any]
) -> tuple[Layer, Arguments]:
    """Return what stands for ``x[...]``."""
    key = kwargs.get("slice_spec")
    if any(isinstance(leaf, Hole) for leaf in leaves([key])):
        raise RefusedError("it is cut at a place that a tensor tells", FIX)
    cut = [_cut(each) for each in (key if isinstance(key, list | tuple) else [key])]
    made = _layer("numpy.GetItem", name, {"name": name}, layer)
    return made, Arguments([first, cut], {})


def _cut(key: Any) -> Any:
    """Return one place of a slice as Keras 3 writes it."""
    if isinstance(key, Mapping) and {"start", "stop", "step"} <= key.keys():
        config = {part: key[part] for part in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": config}
    if isinstance(key, Mapping) or key is Ellipsis or key == "Ellipsis":
        return {"class_name": "__ellipsis__", "config": {}}
    return key


def operation(into: str, name: str, **config: Any) -> Layer:
    """Return an operation that is put in, by module and class: ``numpy.Negative``."""
    return _layer(into, name, {"name": name, **config}, Layer(name, into, {}))
