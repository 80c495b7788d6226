"""Compute the output shape of each layer, where all sizes are known, without running it.

`rewriter.analysis.shapes` follows what is written in a file, where axes may be unknown. Here a run
is followed: the batch size and the lengths are known, and so is each axis behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.layer_kinds import NOISE
from rewriter.graph.graph import Layer

Sizes = tuple[int, ...]
"""The shape of a tensor in a run."""

Config = Mapping[str, Any]
_Rule = Callable[[Config, Sizes], Sizes]


@dataclass(frozen=True, slots=True)
class Given:
    """What a layer gives in a run.

    Parameters
    ----------
    shape : tuple of int
        Of its first output.
    inside : int
        Elements of the largest tensor that it makes besides its output.
    steps : int
        Steps of loops that it goes through, one after the other.
    """

    shape: Sizes
    inside: int = 0
    steps: int = 0

    @property
    def elements(self) -> int:
        """Elements of the largest tensor."""
        return max(prod(self.shape), self.inside)


def given_by(layer: Layer, shapes: Sequence[Sizes]) -> Given | None:
    """Return what a layer gives for tensors of these shapes; None where that is not known.

    Examples
    --------
    >>> given_by(Layer("r", "RepeatVector", {"n": 1000}), [(7, 4)])
    Given(shape=(7, 1000, 4), inside=0, steps=0)
    """
    try:
        given = _given(layer, shapes)
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None
    sound = given is not None and all(isinstance(size, int) for size in given.shape)
    return given if sound else None


def _given(layer: Layer, shapes: Sequence[Sizes]) -> Given | None:
    name, config, first = class_of(layer), layer.config, shapes[0]
    if name in ("TimeDistributed", "EachStep"):
        each = _given(layer.inner["layer"], [(first[0], *first[2:])])
        if each is None:
            return None
        inside, steps = each.inside * first[1], max(each.steps, 1) * first[1]
        return Given((first[0], first[1], *each.shape[1:]), inside, steps)
    if name in ("SpectralNormalization",):
        return _given(layer.inner["layer"], shapes)
    if name in ("Bidirectional", *_RECURRENT):
        return _recurrent(layer, name, first)
    if name in _JOINING:
        return Given(_JOINING[name](config, shapes))
    if name in _ATTENTION:
        return _ATTENTION[name](config, shapes)
    rule = _RULES.get(name)
    if rule is None:
        return None
    return Given(rule(config, first), _inside(name, config, first))


def _recurrent(layer: Layer, name: str, first: Sizes) -> Given | None:
    """Return the sequence or the last step; both directions where there are two."""
    if name == "Bidirectional":
        one = _given(layer.inner["layer"], [first])
        if one is None:
            return None
        twice = layer.config.get("merge_mode") == "concat"
        return Given((*one.shape[:-1], one.shape[-1] * (1 + twice)), one.inside, 2 * one.steps)
    if name.startswith("ConvLSTM"):
        each = _windows(layer.config, (first[0], *first[2:]))
        channels = int(layer.config["filters"])
    else:
        channels = _units(layer.inner.get("cell", layer))
        each = (first[0], channels)
    if layer.config.get("return_sequences"):
        each = (first[0], first[1], *each[1:])
    return Given(each, 4 * first[0] * channels, first[1])


def _units(layer: Layer) -> int:
    """Return the units of a recurrent layer or cell; of a stack, those of the last cell."""
    if layer.inner:
        return _units(list(layer.inner.values())[-1])
    return _whole(layer.config["units"])


def _inside(name: str, config: Config, shape: Sizes) -> int:
    """Return the elements of what a layer makes besides its output."""
    if name in _WINDOWED and config.get("padding") == "causal":
        lost = _each(config["dilation_rate"], 1)[0] * (_each(config["kernel_size"], 1)[0] - 1)
        return prod((shape[0], shape[1] + lost, *shape[2:]))
    if name in _WINDOWED and config.get("dilation_rate"):
        # TensorFlow pads up to whole windows, and goes over the steps of each remainder
        axes = range(1, len(shape) - 1)
        wide = _each(config["dilation_rate"], len(axes))
        size = _each(config["kernel_size"], len(axes))
        padded = [shape[axis] + (size[axis - 1] - 1) * wide[axis - 1] for axis in axes]
        return prod((shape[0], *padded, shape[-1])) if max(wide) > 1 else 0
    return 0


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(value)
    return value


def _each(value: Any, axes: int) -> list[int]:
    """Return one number for each axis."""
    values = list(value) if isinstance(value, list | tuple) else [value] * axes
    return [_whole(each) for each in values]


def _pairs(value: Any, axes: int) -> list[int]:
    """Return what is put to, or taken from, both sides of each axis together."""
    if axes == 1 and isinstance(value, list | tuple):
        return [sum(map(_whole, value))]
    values = list(value) if isinstance(value, list | tuple) else [value] * axes
    return [
        sum(map(_whole, each)) if isinstance(each, list | tuple) else 2 * _whole(each)
        for each in values
    ]


def _on_axes(config: Config, shape: Sizes, change: Callable[[int, int], int]) -> Sizes:
    """Return a shape with the axes between batch and channels changed, by their number."""
    first = config.get("data_format") == "channels_first"
    kept = shape[2:] if first else shape[1:-1]
    changed = [max(change(number, size), 0) for number, size in enumerate(kept)]
    return (*shape[:2], *changed) if first else (shape[0], *changed, shape[-1])


def _with_channels(config: Config, shape: Sizes, channels: int) -> Sizes:
    if config.get("data_format") == "channels_first":
        return (shape[0], channels, *shape[2:])
    return (*shape[:-1], channels)


def _windows(config: Config, shape: Sizes) -> Sizes:
    """Return the shape behind a convolution or a pooling."""
    axes = len(shape) - 2
    size = _each(config.get("kernel_size") or config["pool_size"], axes)
    strides = _each(config.get("strides") or size, axes)
    wide = _each(config.get("dilation_rate") or 1, axes)
    valid = config.get("padding", "valid") == "valid"

    def behind(number: int, steps: int) -> int:
        lost = wide[number] * (size[number] - 1) if valid else 0
        return -(-(steps - lost) // strides[number])

    moved = _on_axes(config, shape, behind)
    return (
        _with_channels(config, moved, _whole(config["filters"])) if "filters" in config else moved
    )


def _depthwise(config: Config, shape: Sizes) -> Sizes:
    axis = 1 if config.get("data_format") == "channels_first" else -1
    channels = shape[axis] * _whole(config.get("depth_multiplier", 1))
    return _with_channels(config, _windows(config, shape), channels)


def _transposed(config: Config, shape: Sizes) -> Sizes:
    axes = len(shape) - 2
    size, strides = _each(config["kernel_size"], axes), _each(config.get("strides") or 1, axes)
    wide = _each(config.get("dilation_rate") or 1, axes)

    def behind(number: int, steps: int) -> int:
        return steps * strides[number] + wide[number] * (size[number] - 1)  # "same" gives less

    return _with_channels(config, _on_axes(config, shape, behind), _whole(config["filters"]))


def _global(config: Config, shape: Sizes) -> Sizes:
    channels = shape[1] if config.get("data_format") == "channels_first" else shape[-1]
    return (shape[0], channels)


def _adaptive(config: Config, shape: Sizes) -> Sizes:
    sizes = _each(config["output_size"], len(shape) - 2)
    return _on_axes(config, shape, lambda number, _: sizes[number])


def _padded(sign: int) -> _Rule:
    def rule(config: Config, shape: Sizes) -> Sizes:
        sides = _pairs(config["padding" if sign > 0 else "cropping"], len(shape) - 2)
        return _on_axes(config, shape, lambda number, steps: steps + sign * sides[number])

    return rule


def _repeated(config: Config, shape: Sizes) -> Sizes:
    times = _each(config["size"], len(shape) - 2)
    return _on_axes(config, shape, lambda number, steps: steps * times[number])


def _image(config: Config, shape: Sizes) -> Sizes:
    sizes = (_whole(config["height"]), _whole(config["width"]))
    if len(shape) == 3:  # one image without a batch axis
        return _on_axes(config, (1, *shape), lambda number, _: sizes[number])[1:]
    return _on_axes(config, shape, lambda number, _: sizes[number])


def _reshaped(config: Config, shape: Sizes) -> Sizes:
    target = [_whole(each) for each in config["target_shape"]]
    known = prod(each for each in target if each != -1)
    return (shape[0], *(prod(shape[1:]) // known if each == -1 else each for each in target))


def _tokens(key: str, *, one_more: bool = False) -> _Rule:
    """Return the rule of a layer that gives ids, or what counts them."""

    def rule(config: Config, shape: Sizes) -> Sizes:
        mode = config.get("output_mode", "int" if key != "num_tokens" else "multi_hot")
        if mode == "int":
            return shape
        held = config.get(key)
        size = _whole(held) if held is not None else len(_listed(config))
        width = max(size, len(_listed(config))) + one_more
        if mode != "one_hot":
            return (shape[0], width) if len(shape) > 1 else (width,)
        return (*shape[:-1], width) if shape[-1] == 1 else (*shape, width)

    return rule


def _listed(config: Config) -> Sequence[Any]:
    found = config.get("vocabulary") or config.get("bin_boundaries") or ()
    return found if isinstance(found, list | tuple) else ()


def _texts(config: Config, shape: Sizes) -> Sizes:
    if config.get("output_mode", "int") != "int":
        return _tokens("max_tokens", one_more=True)(config, shape)
    length = config.get("output_sequence_length")
    return (shape[0], _WORDS if length is None else _whole(length))


_WORDS = 64
"""No text that is made has more words."""


def _einsum(config: Config, shape: Sizes) -> Sizes:
    inputs, _, ends = config["equation"].replace(" ", "").partition("->")
    letters = inputs.partition(",")[0].replace("...", "")
    told = config["output_shape"]
    told = list(told) if isinstance(told, list | tuple) else [told]
    sizes = dict(zip(reversed(letters), reversed(shape), strict=False))
    letters_out = ends.replace("...", "")
    behind = dict(zip(reversed(letters_out), reversed(told), strict=False))
    kept = [_whole(sizes.get(each, behind.get(each))) for each in letters_out]
    left = shape[: len(shape) - len(letters)] if "..." in ends else ()
    return (*left, *kept)


def _spectrum(config: Config, shape: Sizes) -> Sizes:
    bins = config.get("num_mel_bins") or config["fft_length"]
    step = config.get("sequence_stride") or config.get("frame_step") or 1
    frames = shape[-1] // max(_whole(step), 1) + 1
    return (*shape[:-1], max(_whole(bins), _whole(config["fft_length"])), frames)


def _broadcast(config: Config, shapes: Sequence[Sizes]) -> Sizes:
    rank = max(map(len, shapes))
    even = [(each[0], *[1] * (rank - len(each)), *each[1:]) for each in shapes]
    return tuple(0 if 0 in sizes else max(sizes) for sizes in zip(*even, strict=True))


def _joined(config: Config, shapes: Sequence[Sizes]) -> Sizes:
    axis = _whole(config.get("axis", -1))
    first = list(shapes[0])
    first[axis] = sum(each[axis] for each in shapes)
    return tuple(first)


def _dot(config: Config, shapes: Sequence[Sizes]) -> Sizes:
    axes = config["axes"]
    one, other = axes if isinstance(axes, list | tuple) else (axes, axes)
    left, right = list(shapes[0]), list(shapes[1])
    del left[one]
    del right[other]
    return (*left, *right[1:]) if len(left) + len(right) > 2 else (left[0], 1)


def _attention(config: Config, shapes: Sequence[Sizes]) -> Given:
    query, value = shapes[0], shapes[1]
    return Given((*query[:-1], value[-1]), query[0] * query[1] * value[1])


def _additive(config: Config, shapes: Sequence[Sizes]) -> Given:
    query, value = shapes[0], shapes[1]
    return Given((*query[:-1], value[-1]), prod(query) * value[1])


def _heads(config: Config, shapes: Sequence[Sizes]) -> Given:
    query, value = shapes[0], shapes[min(1, len(shapes) - 1)]
    heads = _whole(config.get("num_heads") or config["num_query_heads"])
    size = _whole(config.get("key_dim") or config["head_dim"])
    size = max(size, _whole(config.get("value_dim") or size))
    projected = max(prod(query[:-1]), prod(value[:-1])) * heads * size
    scores = heads * prod(query[:-1]) * prod(value[1:-1])
    end = config.get("output_shape")
    ends = [query[-1]] if end is None else _each(end, 1)
    return Given((*query[:-1], *ends), max(projected, scores))


def _same(config: Config, shape: Sizes) -> Sizes:
    return shape


_SAME = """
Activation ActivityRegularization BatchNormalization CarryMask CopyWithMask ELU
GroupNormalization Identity LayerNormalization LeakyReLU Masking PReLU RMSNormalization
RandomBrightness RandomContrast RandomFlip RandomRotation RandomTranslation RandomZoom ReLU
Softmax StopMask ThresholdedReLU UnitNormalization ZeroMaskedSteps
"""
_RECURRENT = [
    *("LSTM", "GRU", "SimpleRNN", "RNN", "GatewiseLSTM", "GatewiseGRU", "CuDNNLSTM", "CuDNNGRU"),
    *("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
]
_WINDOWED = [
    *(f"{kind}{axes}D" for kind in ("Conv", "SeparableConv", "DepthwiseConv") for axes in "123"),
    *("LocallyConnected1D", "LocallyConnected2D"),
]
_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys([*_SAME.split(), *NOISE], _same),
    **dict.fromkeys([f"{kind}Pooling{n}D" for kind in ("Max", "Average") for n in "123"], _windows),
    **{name: _depthwise if name.startswith("Depth") else _windows for name in _WINDOWED},
    **{f"Conv{axes}DTranspose": _transposed for axes in "123"},
    **{f"Global{kind}Pooling{n}D": _global for kind in ("Max", "Average") for n in "123"},
    **{f"Adaptive{kind}Pooling{n}D": _adaptive for kind in ("Max", "Average") for n in "123"},
    **{f"ZeroPadding{axes}D": _padded(1) for axes in "123"},
    **{f"Cropping{axes}D": _padded(-1) for axes in "123"},
    **{f"UpSampling{axes}D": _repeated for axes in "123"},
    **dict.fromkeys(["Resizing", "CenterCrop", "RandomCrop"], _image),
    **dict.fromkeys(["MelSpectrogram", "STFTSpectrogram"], _spectrum),
    "Dense": lambda config, shape: (*shape[:-1], _whole(config["units"])),
    "EinsumDense": _einsum,
    "Embedding": lambda config, shape: (*shape, _whole(config["output_dim"])),
    "Flatten": lambda config, shape: (shape[0], prod(shape[1:])),
    "Permute": lambda config, shape: (shape[0], *(shape[_whole(n)] for n in config["dims"])),
    "RepeatVector": lambda config, shape: (shape[0], _whole(config["n"]), *shape[1:]),
    "Reshape": _reshaped,
    "CategoryEncoding": _tokens("num_tokens"),
    "Discretization": _tokens("num_bins", one_more=True),
    "Hashing": _tokens("num_bins"),
    "IntegerLookup": _tokens("max_tokens", one_more=True),
    "StringLookup": _tokens("max_tokens", one_more=True),
    "TextVectorization": _texts,
}
_JOINING: Mapping[str, Callable[[Config, Sequence[Sizes]], Sizes]] = {
    **dict.fromkeys(["Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"], _broadcast),
    "Concatenate": _joined,
    "Dot": _dot,
    "HashedCrossing": lambda config, shapes: _tokens("num_bins")(config, shapes[0]),
}
_ATTENTION: Mapping[str, Callable[[Config, Sequence[Sizes]], Given]] = {
    "AdditiveAttention": _additive,
    "Attention": _attention,
    **dict.fromkeys(["MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention"], _heads),
}
"""What a layer makes of its inputs; who is in no table is not known."""
