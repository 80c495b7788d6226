"""Decide which of several joined inputs has padding at id 0.

Tokens, segments and positions, each with an Embedding, are added: id 0 is padding in the first
alone. In the others it is a segment and a place, and a mask of theirs would hide tokens in Keras
2, and nothing at all in Keras 3. What pads is told by the data, by the sizes of the vocabularies,
or by the user, and is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rewriter.analysis.masks.flow import CallFlow
from rewriter.analysis.masks.mask import Join
from rewriter.analysis.masks.padding_evidence import hidden_in
from rewriter.analysis.masks.sources import Source, inputs_read
from rewriter.analysis.shapes import as_shape, declared_shape
from rewriter.graph.model_graph import ModelGraph

if TYPE_CHECKING:
    from numpy.typing import NDArray

Reading = tuple[str, ...]
"""The inputs that a source reads: sources that read the same have the same padding."""


def not_padded(
    model: ModelGraph,
    flows: Sequence[CallFlow],
    candidates: Mapping[str, Source],
    mask_value: float,
    data: Mapping[str, Any],
) -> dict[str, str]:
    """Return why sources whose masks are joined stay off, by their paths.

    Parameters
    ----------
    model : ModelGraph
        The outermost model.
    flows : sequence of CallFlow
        The flow with the sources switched on.
    candidates : mapping of str to Source
        The sources by their paths, those that the user named left out.
    mask_value : float
        What padding is in float inputs.
    data : mapping of str to array
        What the user gave for the inputs, by their names.
    """
    unpadded: dict[str, str] = {}
    unknown: dict[str, str] = {}
    read = inputs_read(model) if candidates else {}
    for flow, paths in _joins(flows):
        told = {path: _no_padding(model, candidates[path]) for path in paths if path in candidates}
        unpadded |= {path: reason for path, reason in told.items() if reason}
        # Those that an earlier join left open count: else the last of three would be left alone.
        left = [path for path in paths if path not in unpadded]
        readings = {read.get(path) or (path,): path for path in left}
        open_ones = [path for path in left if path in candidates]
        if len(readings) < 2 or not open_ones:
            continue
        shown = _by_data(readings, candidates, mask_value, data)
        if shown is None:
            unknown |= {path: _unknown(flow, _another(left, path)) for path in open_ones}
        else:
            unpadded |= shown
    return unknown | unpadded


def _joins(flows: Sequence[CallFlow]) -> Iterator[tuple[CallFlow, list[str]]]:
    """Yield the calls that join the masks of several layers, and the paths of these."""
    made = {
        flow.mask_out.sources[0]: flow.layer
        for flow in reversed(flows)
        if flow.mask_out.join is Join.SOURCE
    }
    for flow in flows:
        sources = dict.fromkeys(one for mask in flow.masks_in for one in mask.sources)
        paths = list(dict.fromkeys(made[one] for one in sources if one in made))
        joins = flow.mask_out.join in (Join.AND, Join.OR) and len(flow.masks_in) > 1
        if len(paths) > 1 and (joins or flow.carried):
            yield flow, paths


def _no_padding(model: ModelGraph, source: Source) -> str | None:
    """Return why a vocabulary leaves no id for padding; None if it does."""
    size = source.graph.layer(source.call).config.get("input_dim")
    if not isinstance(size, int):
        return None
    if size <= 2:
        return f"of a vocabulary of {size}, index 0 is a value, no padding"
    for name in source.inputs:
        shape = as_shape(declared_shape(model.layer(name).config))
        if shape and len(shape) == 2 and shape[1] == size:
            return f"it has an index for each of the {size} steps: index 0 is the first of them"
    return None


def _by_data(
    readings: Mapping[Reading, str],
    candidates: Mapping[str, Source],
    mask_value: float,
    data: Mapping[str, Any],
) -> dict[str, str] | None:
    """Return which sources the data shows to have values where others have padding, and why.

    None where there is no such data.

    What counts the steps has no padding. Of the others, the one pads whose padding is padding
    in all of them; else the one with the largest vocabulary: tokens, beside segments.
    """
    import numpy as np

    paths = [path for path in readings.values() if path in candidates]
    hidden = {path: _hidden(candidates[path], mask_value, data) for path in paths}
    known = {path: steps for path, steps in hidden.items() if steps is not None}
    if len(known) < len(readings) or len({steps.shape for steps in known.values()}) > 1:
        return None
    counting = {path for path in paths if _counts(data[candidates[path].inputs[0]])}
    rest = [path for path in paths if path not in counting]
    refused = dict.fromkeys(counting, "its values count the steps: index 0 is the first of them")
    if not rest:
        return refused
    common = np.logical_and.reduce([known[path] for path in rest])
    padding = [path for path in rest if np.array_equal(known[path], common)]
    padding = padding or _largest_vocabulary([candidates[path] for path in rest])
    for path in rest:
        if padding and path not in padding:
            refused[path] = f"in the data it has values of 0 where {padding[0]} has no padding"
    if not padding:
        refused |= dict.fromkeys(rest, "in the data its zeros are not those of the others")
    return refused


def _largest_vocabulary(sources: Sequence[Source]) -> list[str]:
    """Return the path of the source that has more ids than each other; none if several have."""
    sizes = {each.path: each.graph.layer(each.call).config.get("input_dim") for each in sources}
    known = [size for size in sizes.values() if isinstance(size, int)]
    largest = [path for path, size in sizes.items() if size == max(known, default=None)]
    return largest if len(largest) == 1 and len(known) == len(sources) else []


def _hidden(source: Source, value: float, data: Mapping[str, Any]) -> NDArray[Any] | None:
    ids = source.graph.layer(source.call).class_name == "Embedding"
    given = [data[name] for name in source.inputs if name in data]
    return hidden_in(given[0], 0 if ids else value, ids=ids) if len(given) == 1 else None


def _counts(array: NDArray[Any]) -> bool:
    """Whether each row counts its steps, as positions do."""
    import numpy as np

    return array.ndim == 2 and array.shape[1] > 1 and bool((np.diff(array, axis=1) == 1).all())


def _another(paths: Sequence[str], path: str) -> str:
    return next(each for each in paths if each != path)


def _unknown(flow: CallFlow, other: str) -> str:
    return (
        f"{flow.layer} ({flow.class_name}) joins its mask with that of {other}, and which of them "
        "pads is not known: name the inputs that pad with input=, or give data"
    )
