"""Describe what each input takes: shape, ids within the vocabulary, padding.

What is made depends on the graph and the seed alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.lookups import is_closed, looks_up, makes_ids, mask_token
from rewriter.analysis.value_flow import Receiver, ValueFlow
from rewriter.errors import RewriterError
from rewriter.graph.calls import Tensor
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves

# Words that a text has where the model takes any number, and those to make texts of.
_WORDS = 5


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What one input of a model takes.

    Parameters
    ----------
    name : str
        Name of the input layer.
    shape : tuple of int or None
        The batch axis included; None is free.
    dtype : str
        As in the config.
    ids : int, optional
        The number of ids, index 0 included, if the input feeds an Embedding.
    padding : float or str, optional
        The value that a mask of the model hides.
    form : {"dense", "sparse", "ragged"}
        What kind of tensor the model takes.
    axis : int
        The axis of the steps that a mask hides: the second, or a later one where
        TimeDistributed takes the sequences of a sequence apart.
    words : int
        Of texts that TextVectorization takes apart: so many words and none is padding. 0 for
        other inputs.
    lookup : tuple of str
        The layers that lead to the one that makes ids of words or numbers, if one does.
    vocabulary : tuple of str or int
        What that layer knows, as far as anybody told.
    closed : bool
        Whether it fails on what it does not know.
    thresholds : tuple of float
        What the configs of the layers that the input reaches name as limits.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    ids: int | None
    padding: float | str | None
    form: str = "dense"
    axis: int = 1
    words: int = 0
    lookup: tuple[str, ...] = ()
    vocabulary: tuple[str | int, ...] = ()
    closed: bool = False
    thresholds: tuple[float, ...] = ()

    @property
    def batch(self) -> int | None:
        """The batch size, if the model fixes it."""
        return self.shape[0]

    @property
    def free(self) -> bool:
        """Whether an axis behind the batch axis is free."""
        return None in self.shape[1:]

    @property
    def time(self) -> int | None:
        """The number of steps, if the model fixes it."""
        return self.shape[self.axis] if len(self.shape) > self.axis else None


def input_specs(graph: ModelGraph, masked: ModelGraph | None = None) -> list[InputSpec]:
    """Return what the inputs of a model take, in the order of its inputs.

    Parameters
    ----------
    graph : ModelGraph
        The model.
    masked : ModelGraph, optional
        The model whose masks tell what padding is; by default the same.

    Raises
    ------
    RewriterError
        The shape of an input is not in the config: the model was never built.
    """
    masked = graph if masked is None else masked
    ways = ValueFlow(graph)
    masked_ways = ways if masked is graph else ValueFlow(masked)
    specs = []
    for tensor, same in zip(leaves(graph.inputs), leaves(masked.inputs), strict=True):
        padding, axis = _hidden(masked_ways, list(masked_ways.receivers(masked, same)))
        reached = list(ways.receivers(graph, tensor))
        layer = graph.layer(tensor.call)
        shape = input_shape(layer)
        if shape is None:
            raise RewriterError(
                "the shape of the input is not known: the model was never built",
                where=graph.path_of(tensor.call),
                fix="call the model on data once before it is saved or rewritten",
            )
        dtype = layer.config.get("dtype") or next(iter(_type_spec(layer)[1:]), None) or "float32"
        ids = min(_vocabularies(reached), default=None)
        name = _dtype_name(dtype)
        padding = padding if holds(name, padding) else None
        spec = InputSpec(layer.name, shape, name, ids, padding, _form(layer), axis)
        limits = {*_thresholds(reached), *_thresholds(masked_ways.receivers(masked, same))}
        spec = replace(spec, thresholds=tuple(sorted(limits)))
        lookups = [each for each in reached if looks_up(each.layer)]
        # What one fails on must not be given to the others.
        for each in sorted(lookups, key=lambda each: not is_closed(each.layer))[:1]:
            closed, words = is_closed(each.layer), _words(each.layer)
            spec = replace(spec, words=words, lookup=each.steps, closed=closed)
        specs.append(spec)
    return specs


def holds(dtype: str, value: float | str | None) -> bool:
    """Whether a number is within the range of an integer type; true of all that is neither."""
    import numpy as np

    if value is None or isinstance(value, str) or not dtype.startswith(("int", "uint")):
        return True
    return bool(np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)


def input_shape(layer: Layer) -> tuple[int | None, ...] | None:
    """Return the shape that an input layer takes, batch axis included; None if it is not told."""
    for shape in (
        layer.config.get("batch_shape"),
        layer.config.get("batch_input_shape"),
        *_type_spec(layer)[:1],
    ):
        if isinstance(shape, list | tuple):
            return tuple(shape)
    return None


def _type_spec(layer: Layer) -> Sequence[Any]:
    """Return shape and type of an input that tf_keras was given as ``Input(type_spec=...)``.

    It is ``config`` in .keras files and ``serialized``, as a marked tuple or not, elsewhere.
    """
    spec = layer.config.get("type_spec")
    held = (spec.get("config") or spec.get("serialized")) if isinstance(spec, Mapping) else None
    if isinstance(held, Mapping):
        held = held.get("items")
    return held if isinstance(held, list | tuple) else ()


def _form(layer: Layer) -> str:
    return next((form for form in ("sparse", "ragged") if layer.config.get(form)), "dense")


def _dtype_name(dtype: Any) -> str:
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name", "float32")
    return str(dtype)


def _vocabularies(reached: Sequence[Receiver]) -> Iterator[int]:
    for each in reached:
        for layer in each.layer.walk():
            size = {"Embedding": "input_dim", "CategoryEncoding": "num_tokens"}
            key = size.get(class_of(layer))
            if key is not None and layer.config.get(key):
                yield int(layer.config[key])


def _thresholds(reached: Iterable[Receiver]) -> Iterator[float]:
    for each in reached:
        for layer in each.layer.walk():
            for key in ("bin_boundaries", "threshold", "max_value", "theta"):
                value = layer.config.get(key)
                for one in value if isinstance(value, list | tuple) else [value]:
                    if isinstance(one, int | float) and not isinstance(one, bool):
                        yield float(one)


def _words(layer: Layer) -> int:
    """Return how many words a text has that needs no padding; 0 where a layer takes no texts."""
    if class_of(layer) != "TextVectorization":
        return 0
    if layer.config.get("split", "whitespace") is None:
        return 1
    return int(layer.config.get("output_sequence_length") or _WORDS)


def _hidden(ways: ValueFlow, reached: Sequence[Receiver]) -> tuple[float | str | None, int]:
    """Return the value of an input that a mask hides, if one does, and the axis of its steps."""
    for each in reached:
        for layer in each.layer.walk():
            if _is_masked(layer):
                return 0.0, each.axis
            if class_of(layer) == "Masking":
                return float(layer.config.get("mask_value", 0.0)), each.axis
    for each in reached:
        token = mask_token(each.layer) if makes_ids(each.layer) else None
        if token is not None and any(
            _is_masked(one.layer) for one in ways.receivers(each.graph, Tensor(each.call))
        ):
            return token, each.axis
    return None, 1


def _is_masked(layer: Layer) -> bool:
    return class_of(layer) == "Embedding" and bool(layer.config.get("mask_zero"))
