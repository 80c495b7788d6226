"""Inputs for a model, made from its graph: shapes, ids within the vocabulary, padding.

What is made depends on the graph and the seed alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewriter.analysis.lookups import is_closed, looks_up, makes_ids, mask_token
from rewriter.analysis.value_flow import Reach, Reached
from rewriter.errors import RewriterError
from rewriter.graph import Layer, ModelGraph, Tensor
from rewriter.graph.nested import leaves

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = tuple[NDArray[Any], ...]

# Without an Embedding to tell how many ids there are, these two are always safe.
_UNTOLD_IDS = 2

# Words that a text has where the model takes any number, and those to make texts of.
_WORDS = 5
_UNTOLD_WORDS = ("a", "b", "1", "w")


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
    ways = Reach(graph)
    masked_ways = ways if masked is graph else Reach(masked)
    specs = []
    for tensor, same in zip(leaves(graph.inputs), leaves(masked.inputs), strict=True):
        padding, axis = _hidden(masked_ways, list(masked_ways.of(masked, same)))
        reached = list(ways.of(graph, tensor))
        layer = graph.layer(tensor.call)
        shape = _shape(layer)
        if shape is None:
            raise RewriterError(
                "the shape of the input is not known: the model was never built",
                where=graph.path_of(tensor.call),
                fix="call the model on data once before it is saved or rewritten",
            )
        dtype = layer.config.get("dtype") or next(iter(_type_spec(layer)[1:]), None) or "float32"
        ids = min(_vocabularies(reached), default=None)
        name = _dtype_name(dtype)
        padding = padding if _holds(name, padding) else None
        spec = InputSpec(layer.name, shape, name, ids, padding, _form(layer), axis)
        lookups = [each for each in reached if looks_up(each.layer)]
        # What one fails on must not be given to the others.
        for each in sorted(lookups, key=lambda each: not is_closed(each.layer))[:1]:
            closed, words = is_closed(each.layer), _words(each.layer)
            spec = replace(spec, words=words, lookup=each.steps, closed=closed)
        specs.append(spec)
    return specs


def make_inputs(
    specs: Sequence[InputSpec], batch: int, length: int, seed: int, *, zeros: bool
) -> Arrays:
    """Return one array for each input.

    Parameters
    ----------
    specs : sequence of InputSpec
        What the inputs take.
    batch, length : int
        Sizes of the axes that are free.
    seed : int
        Of the random numbers.
    zeros : bool
        Whether ids include 0, which is padding where a mask is used.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    return tuple(_array(spec, _sized(spec, batch, length), random, zeros=zeros) for spec in specs)


def padded(
    spec: InputSpec, array: NDArray[Any], steps: int, *, front: bool, keep_length: bool
) -> NDArray[Any]:
    """Return sequences with `steps` steps of padding, in front or behind.

    With `keep_length`, the padding takes the place of that many steps at the end.
    """
    import numpy as np

    if spec.padding is None or spec.words:
        return array
    kept = array
    if keep_length:
        kept = array[(*[slice(None)] * spec.axis, slice(array.shape[spec.axis] - steps))]
    width = [(0, 0)] * array.ndim
    width[spec.axis] = (steps, 0) if front else (0, steps)
    return np.pad(kept, width, constant_values=spec.padding)


def hidden_steps(spec: InputSpec, array: NDArray[Any]) -> NDArray[Any] | None:
    """Return for each step of each sequence whether it is padding; None where none is.

    A step of a sequence of sequences is padding if all of it is.
    """
    import numpy as np

    if spec.padding is None or spec.words or array.ndim <= spec.axis:
        return None
    steps = _is_padding(spec, array)
    while steps.ndim > spec.axis + 1:
        steps = np.asarray(steps.all(-1))
    return steps


def has_padding(spec: InputSpec, array: NDArray[Any]) -> NDArray[Any]:
    """Return for each sequence of a batch whether it has a step of padding.

    Of ids that stand in sequences of sequences, any 0 is padding. Of texts, the layer that takes
    them apart has to be asked.
    """
    import numpy as np

    if spec.padding is None or spec.words or array.ndim < 2:
        return np.zeros(len(array), bool)
    hidden = _is_padding(spec, array) if spec.ids is not None else hidden_steps(spec, array)
    return np.asarray(np.asarray(hidden).reshape(len(array), -1).any(1))


def _is_padding(spec: InputSpec, array: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    if isinstance(spec.padding, str):  # of which bytes are another spelling
        words = array.astype(object)
        return np.asarray((words == spec.padding) | (words == spec.padding.encode()))
    return np.asarray(array == spec.padding)


def read_inputs(path: Path | None) -> dict[str, Any] | None:
    """Return the arrays of an .npz file by name; None without a file.

    Raises
    ------
    RewriterError
        It is no such file.
    """
    if path is None:
        return None
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, AttributeError) as error:
        raise RewriterError(
            f"no arrays can be read: {error}",
            where=str(path),
            fix="make the file with numpy.savez(path, input_name=array)",
        ) from error


def given_inputs(specs: Sequence[InputSpec], data: Any, where: str = "data") -> Arrays:
    """Return the user's arrays in the order of the model's inputs.

    Parameters
    ----------
    specs : sequence of InputSpec
        What the inputs take.
    data : mapping of str to array, array, or sequence of arrays
        By the names of the inputs; one array needs no name.
    where : str
        What to name in an error.
    """
    import numpy as np

    names = [spec.name for spec in specs]
    if isinstance(data, Mapping):
        by_name = dict(data)
        if len(specs) == 1 and len(by_name) == 1:
            by_name = {names[0]: next(iter(by_name.values()))}
        missing = [name for name in names if name not in by_name]
        if missing:
            raise RewriterError(
                f"no array for input {missing[0]!r}; there are {', '.join(map(repr, by_name))}",
                where=where,
                fix=f"name the arrays {', '.join(map(repr, names))}",
            )
        arrays = [np.asarray(by_name[name]) for name in names]
    else:
        arrays = [np.asarray(each) for each in ([data] if len(specs) == 1 else data)]
    for spec, array in zip(specs, arrays, strict=True):
        fits = array.ndim == len(spec.shape) and all(
            size in (None, have) for size, have in zip(spec.shape[1:], array.shape[1:], strict=True)
        )
        if not fits or not len(array):
            raise RewriterError(
                f"the array for input {spec.name!r} has shape {array.shape}, "
                f"the model takes {spec.shape}",
                where=where,
            )
    return tuple(arrays)


def _sized(spec: InputSpec, batch: int, length: int) -> tuple[int, ...]:
    first = batch if spec.shape[0] is None else spec.shape[0]
    return (first, *(length if size is None else size for size in spec.shape[1:]))


def _array(
    spec: InputSpec, shape: tuple[int, ...], random: np.random.Generator, *, zeros: bool
) -> NDArray[Any]:
    import numpy as np

    if spec.dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    if spec.words:
        return _texts(spec, shape, random, zeros=zeros)
    kind = {"bfloat16": "float32", "string": "object"}.get(spec.dtype, spec.dtype)
    if spec.dtype == "string" or (spec.vocabulary and spec.ids is None):
        words = _choice(spec, zeros=zeros)
        values: NDArray[Any] = words[random.integers(0, len(words), shape)]
    elif spec.ids is not None or np.issubdtype(np.dtype(kind), np.integer):
        high = spec.ids or _UNTOLD_IDS
        values = random.integers(min(1, high - 1), high, shape)
    else:
        values = random.standard_normal(shape)
    if zeros:
        _pad(spec, values, random)
    return values.astype(kind)


def _choice(spec: InputSpec, *, zeros: bool) -> NDArray[Any]:
    """Return the words or numbers that a lookup gets: known ones, and unknown if it takes any."""
    import numpy as np

    known = [word for word in spec.vocabulary if _holds(spec.dtype, word)]
    words: list[str | int] = list(known)
    if not (spec.closed and known):
        words += _unknown(spec)
    return np.array([word for word in words if zeros or word != spec.padding], object)


def _unknown(spec: InputSpec) -> list[str | int]:
    """Return words, or a number, that are not in a vocabulary."""
    if spec.dtype == "string":
        return [*(() if spec.vocabulary else _UNTOLD_WORDS), "", "the model", "wörd"]
    known = {*spec.vocabulary, spec.padding}
    return [next(number for number in count() if number not in known)]


def _holds(dtype: str, value: float | str | None) -> bool:
    """Whether a number is within the range of an integer type; true of all that is neither."""
    import numpy as np

    if value is None or isinstance(value, str) or not dtype.startswith(("int", "uint")):
        return True
    return bool(np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)


def _texts(
    spec: InputSpec, shape: tuple[int, ...], random: np.random.Generator, *, zeros: bool
) -> NDArray[Any]:
    """Return texts of as many words as none of them is padded; with `zeros` of fewer."""
    import numpy as np

    known = [word for word in map(str, spec.vocabulary) if len(word.split()) == 1]
    words = np.array([*(known or _UNTOLD_WORDS), "wörd"], object)
    texts = np.empty(shape, object)
    for place in np.ndindex(shape):
        count = random.integers(0, spec.words + 1) if zeros else spec.words
        texts[place] = " ".join(words[random.integers(0, len(words), count)])
    return texts


def _pad(spec: InputSpec, values: NDArray[Any], random: np.random.Generator) -> None:
    """Put padding in front of some sequences and behind the others; a zero in the midst."""
    if spec.ids is not None and values.size > 1:
        values.reshape(-1)[random.integers(values.size)] = 0
    length = values.shape[spec.axis] if values.ndim > spec.axis else 0
    if length < 2 or (spec.ids is None and spec.padding is None):
        return
    value = 0 if spec.padding is None else spec.padding
    rows = values.reshape(-1, *values.shape[spec.axis :])
    for row, steps in enumerate(random.integers(1, length, len(rows))):
        if row % 2:
            rows[row, :steps] = value
        else:
            rows[row, -steps:] = value


def _shape(layer: Layer) -> tuple[int | None, ...] | None:
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


def _vocabularies(reached: Sequence[Reached]) -> Iterator[int]:
    for each in reached:
        for layer in each.layer.walk():
            size = {"Embedding": "input_dim", "CategoryEncoding": "num_tokens"}
            key = size.get(layer.class_name)
            if key is not None and layer.config.get(key):
                yield int(layer.config[key])


def _words(layer: Layer) -> int:
    """Return how many words a text has that needs no padding; 0 where a layer takes no texts."""
    if layer.class_name != "TextVectorization":
        return 0
    if layer.config.get("split", "whitespace") is None:
        return 1
    return int(layer.config.get("output_sequence_length") or _WORDS)


def _hidden(ways: Reach, reached: Sequence[Reached]) -> tuple[float | str | None, int]:
    """Return the value of an input that a mask hides, if one does, and the axis of its steps."""
    for each in reached:
        for layer in each.layer.walk():
            if _is_masked(layer):
                return 0.0, each.axis
            if layer.class_name == "Masking":
                return float(layer.config.get("mask_value", 0.0)), each.axis
    for each in reached:
        token = mask_token(each.layer) if makes_ids(each.layer) else None
        if token is not None and any(
            _is_masked(one.layer) for one in ways.of(each.graph, Tensor(each.call))
        ):
            return token, each.axis
    return None, 1


def _is_masked(layer: Layer) -> bool:
    return layer.class_name == "Embedding" and bool(layer.config.get("mask_zero"))
