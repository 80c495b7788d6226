"""Tell how to change a mask so that it fits behind a layer that drops it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rewriter.analysis.known_layers import class_of, is_operation
from rewriter.graph.graph import Layer
from rewriter.layers.mask_steps import Steps

CONVOLUTIONS = frozenset({"Conv1D", "SeparableConv1D", "DepthwiseConv1D"})
POOLINGS = frozenset({"MaxPooling1D", "AveragePooling1D"})


STEP_BY_STEP = Steps()


@dataclass(frozen=True, slots=True)
class Way:
    """How a mask gets around a layer.

    Parameters
    ----------
    steps : Steps
        What becomes of the steps.
    zeros : bool
        Whether padded steps must be zero in front of the layer, for it sees them.
    caveat : str
        What must be true for it, and cannot be told from the config.
    """

    steps: Steps = STEP_BY_STEP
    zeros: bool = False
    caveat: str = ""


_KEEPING = frozenset(
    [
        "Rescaling",
        "Identity",
        "Normalization",
        "RMSNormalization",
        "Discretization",
        "Add",
        "Subtract",
        "Multiply",
        "Average",
        "Maximum",
        "Minimum",
        "Concatenate",
    ]
)
"""Layers that give a step for each step, and see no other."""

_FUNCTIONS = frozenset(
    [
        "add",
        "subtract",
        "multiply",
        "divide",
        "truediv",
        "pow",
        "square",
        "sqrt",
        "rsqrt",
        "exp",
        "log",
        "log1p",
        "tanh",
        "sigmoid",
        "relu",
        "relu6",
        "gelu",
        "silu",
        "swish",
        "elu",
        "selu",
        "softplus",
        "softsign",
        "leaky_relu",
        "cast",
        "abs",
        "negative",
        "maximum",
        "minimum",
        "clip_by_value",
        "erf",
        "identity",
        "floor",
        "round",
        "sign",
        "sin",
        "cos",
        "dropout",
    ]
)
"""TensorFlow functions that work element by element, by the last part of their name."""

_OPERATIONS = frozenset(
    [
        "Add",
        "Subtract",
        "Multiply",
        "Divide",
        "TrueDivide",
        "Power",
        "Square",
        "Sqrt",
        "Rsqrt",
        "Exp",
        "Log",
        "Log1p",
        "Tanh",
        "Sigmoid",
        "Relu",
        "Relu6",
        "Gelu",
        "Silu",
        "Elu",
        "Selu",
        "Softplus",
        "Softsign",
        "LeakyRelu",
        "HardSigmoid",
        "HardSilu",
        "Cast",
        "Absolute",
        "Abs",
        "Negative",
        "Maximum",
        "Minimum",
        "Clip",
        "Erf",
        "Identity",
        "Floor",
        "Round",
        "Sign",
        "Sin",
        "Cos",
    ]
)
"""keras.ops that work element by element, by the name of their class."""


def way_around(layer: Layer) -> Way | None:
    """Return how a mask gets around a layer that drops it; None where that is not known.

    Examples
    --------
    >>> way_around(Layer("pool", "MaxPooling1D", {"pool_size": (2,)})).steps.to_config()
    {'window': 2, 'stride': 2}
    >>> way_around(Layer("flatten", "Flatten", {})) is None
    True
    """
    name, config = class_of(layer), layer.config
    if is_operation(layer):
        return Way() if name in _OPERATIONS else None
    if config.get("data_format", "channels_last") not in ("channels_last", None):
        return None
    if name in _CHANGING:
        try:
            return _CHANGING[name](layer)
        except (TypeError, ValueError, IndexError):  # a size that Keras does not take
            return None
    if name == "TFOpLambda":
        function = str(config.get("function")).rpartition(".")[2].strip("_")
        return Way() if function in _FUNCTIONS else None
    if name == "Lambda":
        return Way(caveat="it is taken to give one step for each, in their order")
    if name == "EinsumDense":
        return Way() if _keeps_second_axis(str(config.get("equation"))) else None
    return Way() if name in _KEEPING else None


def _windows(layer: Layer) -> Way:
    config, pools = layer.config, class_of(layer) in POOLINGS
    window = int(_one(config.get("pool_size" if pools else "kernel_size", 2)))
    strides = config.get("strides")
    stride = int(_one(strides if strides is not None else window if pools else 1))
    padding = str(config.get("padding", "valid"))
    whole = pools or padding == "valid"
    dilation = 1 if pools else int(_one(config.get("dilation_rate", 1)))
    caveat = ""
    if stride > 1 and padding == "same":
        caveat = "its windows shift with the length: more padding still moves what it gives"
    elif stride > 1:
        caveat = f"padding in front shifts its windows, unless it is a multiple of {stride} steps"
    elif pools and padding == "same":
        caveat = "a window that padding ends is left out, one that the sequence ends is not"
    steps = Steps(window, stride, dilation, padding, whole)
    if not whole and stride == 1:
        steps = STEP_BY_STEP  # with zeros in the place of padding, the step itself decides
    return Way(steps, zeros=not whole and window > 1, caveat=caveat)


def _cropping(layer: Layer) -> Way:
    cut = _pair(layer.config.get("cropping", (1, 1)))
    caveat = "of a padded sequence it cuts padding, where it cuts steps of one without"
    return Way(Steps(cut=cut), caveat=caveat if any(cut) else "")


_CHANGING: Mapping[str, Callable[[Layer], Way]] = {
    **dict.fromkeys(CONVOLUTIONS | POOLINGS, _windows),
    "ZeroPadding1D": lambda layer: Way(Steps(added=_pair(layer.config.get("padding", 1)))),
    "Cropping1D": _cropping,
    "UpSampling1D": lambda layer: Way(Steps(repeat=int(_one(layer.config.get("size", 2))))),
}


def _keeps_second_axis(equation: str) -> bool:
    given, _, result = equation.partition("->")
    first, _, kernel = given.partition(",")
    axis = first[1:2]
    return axis.isalpha() and result[1:2] == axis and axis not in kernel


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) else value


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, list | tuple):
        return int(value[0]), int(value[1])
    return int(value), int(value)
