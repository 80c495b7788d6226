"""Take TimeDistributed away from layers that work on the last axis anyway."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from rewriter.analysis.layer_kinds import NOISE, is_builtin
from rewriter.changes import Change, Note
from rewriter.graph import Arguments, Layer, ModelGraph
from rewriter.pipeline import Guarantee, Pass

Config = Mapping[str, Any]


class UnwrapTimeDistributed(Pass):
    """Replace TimeDistributed by the layer that it wraps, where that does the same.

    1. Dense, Activation, LayerNormalization, Embedding and noise layers work on every step
       alike. They take the name of the wrapper, keep their weights, and their axes count the
       time axis.
    2. From Keras 3.14 on, a compiled TimeDistributed over an unknown number of steps goes
       wrong at its second length, and mostly in silence; without it the model is right.
    3. It declines, with a note, for other layers, for an Embedding that makes a mask, and for
       noise whose shape or rank does not allow for one more axis.

    The layer runs another kernel, so its outputs differ by a rounding error.
    """

    name = "unwrap-time-distributed"
    guarantee = Guarantee.SAME
    tolerance: ClassVar[float] = 1e-5

    def run(self, graph: ModelGraph) -> Iterator[Change | Note]:
        """Edit one graph."""
        for layer in graph.layers:
            if layer.class_name != "TimeDistributed" or "layer" not in layer.inner:
                continue
            made = _unwrapped(layer)
            if isinstance(made, str):
                path = graph.path_of(layer.name)
                yield Note(path, layer.inner["layer"].class_name, f"stays wrapped: {made}")
                continue
            config = {**made.config, "name": layer.name}
            new = replace(made, name=layer.name, config=config, first_node=layer.first_node)
            reason = f"{new.class_name} works on every step alike"
            yield graph.replace(layer.name, new, reason=reason)
            for call in graph.calls_of(layer.name):
                arguments = graph.arguments(call)
                kept = _arguments(arguments, noise=new.class_name in NOISE)
                if dict(kept.kwargs) != dict(arguments.kwargs):
                    reason = f"arguments of TimeDistributed that {new.class_name} has not"
                    yield graph.rewire(call, kept, reason=reason)


def _unwrapped(layer: Layer) -> Layer | str:
    """Return what a TimeDistributed can be written as, or why it cannot."""
    inner = layer.inner["layer"]
    if inner.class_name == "TimeDistributed" and "layer" in inner.inner:
        unwrapped = _unwrapped(inner)
        if isinstance(unwrapped, str):
            return unwrapped
        inner = unwrapped
    rule = _RULES.get(inner.class_name) if is_builtin(inner) and inner.graph is None else None
    if rule is None:
        return f"{inner.class_name} is not known to work on every step alike"
    config = rule(inner.config)
    if isinstance(config, str):
        return config
    shapes = ("batch_input_shape", "batch_shape")
    kept = {key: value for key, value in config.items() if key not in shapes}
    envelope = {key: value for key, value in inner.envelope.items() if key != "build_config"}
    return replace(inner, config=kept, envelope=envelope)


def _arguments(arguments: Arguments, *, noise: bool) -> Arguments:
    """Return the arguments without those that the wrapper alone takes."""
    taken = ("training",) if noise else ()
    kwargs = {key: value for key, value in arguments.kwargs.items() if key in taken}
    return replace(arguments, kwargs=kwargs)


def _as_it_is(config: Config) -> Config | str:
    return config


def _normalization(config: Config) -> Config | str:
    axes = config.get("axis", -1)
    if isinstance(axes, int):
        return {**config, "axis": _moved(axes)}
    return {**config, "axis": [_moved(axis) for axis in axes]}


def _embedding(config: Config) -> Config | str:
    if config.get("mask_zero"):
        return "Embedding makes a mask for each step"
    return {**config, "input_length": None} if "input_length" in config else config


def _dropout(config: Config) -> Config | str:
    shape = config.get("noise_shape")
    if not shape:
        return config
    if shape[0] is not None:
        return "its noise_shape fixes the batch size of a step"
    return {**config, "noise_shape": [None, *shape]}


def _dynamic(config: Config) -> Config | str:
    axes = config.get("shared_axes") or ()
    if 0 in axes:
        return "its noise is shared along the batch of a step"
    return {**config, "shared_axes": [_moved(axis) for axis in axes]}


def _moved(axis: int) -> int:
    """Return an axis of a step as an axis of the sequence of steps."""
    return axis + 1 if axis > 0 else axis


_RULES: Mapping[str, Callable[[Config], Config | str]] = {
    "Dense": _as_it_is,
    "Activation": _as_it_is,
    "ReLU": _as_it_is,
    "LeakyReLU": _as_it_is,
    "ELU": _as_it_is,
    "GaussianDropout": _as_it_is,
    "GaussianNoise": _as_it_is,
    "LayerNormalization": _normalization,
    "Embedding": _embedding,
    "Dropout": _dropout,
    "AlphaDropout": _dropout,
    "DynamicDropout": _dynamic,
}
