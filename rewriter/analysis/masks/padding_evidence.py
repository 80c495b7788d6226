"""Look in the given data for padding: whether there is any, and on which side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rewriter.analysis.masks.padding_ids import not_padding
from rewriter.analysis.masks.sources import Source
from rewriter.graph.model_graph import ModelGraph

if TYPE_CHECKING:
    from numpy.typing import NDArray


def no_padding(
    model: ModelGraph,
    candidates: Mapping[str, Source],
    mask_value: float,
    data: Mapping[str, Any],
) -> dict[str, str]:
    """Return why what a source would mask is no padding, or not known to be, by its path.

    Parameters
    ----------
    model : ModelGraph
        The outermost model.
    candidates : mapping of str to Source
        The sources by their paths.
    mask_value : float
        What padding is in float inputs.
    data : mapping of str to array
        What the user gave for the inputs, by their names.
    """
    made = not_padding(model)
    reasons = {
        path: made.get(path) or _real_token(data, each, mask_value)
        for path, each in candidates.items()
    }
    return {path: reason for path, reason in reasons.items() if reason}


def _real_token(data: Mapping[str, Any], source: Source, mask_value: float) -> str | None:
    """Return why the data shows that a source's padding value is no padding; None if it is.

    What stands between two other steps of one sequence is a step as they are; what leads or
    trails may be padding.
    """
    ids = source.graph.layer(source.call).class_name == "Embedding"
    for name in source.inputs:
        hidden = hidden_in(data.get(name), 0 if ids else mask_value, ids=ids)
        if hidden is None:
            continue
        rows = _with_any(_between(hidden))
        if rows.any():
            what = "index 0 is a real token" if ids else f"a step of {mask_value:g} is a real one"
            return (
                f"{what}: it stands between two others in {int(rows.sum())} of {len(rows)} "
                f"sequences of {name!r}, first in row {int(rows.argmax())}"
            )
    return None


def right_padded(data: Mapping[str, Any], sources: list[Source], mask_value: float) -> bool | None:
    """Return whether all padding stands behind the sequences; None without data.

    A sequence of padding alone counts as padding in front: the fast kernels take neither.
    """
    found = None
    for source in sources:
        ids = source.graph.layer(source.call).class_name == "Embedding"
        for name in source.inputs:
            hidden = hidden_in(data.get(name), 0 if ids else mask_value, ids=ids)
            if hidden is not None:
                fits = bool(not (hidden[:, :-1] & ~hidden[:, 1:]).any() and not hidden[:, 0].any())
                found = fits and found is not False
    return found


def empty_rows(
    data: Mapping[str, Any], candidates: Mapping[str, Source], mask_value: float, *, refuse: bool
) -> dict[str, str]:
    """Return why sources must not hide whole sequences, by their paths.

    Parameters
    ----------
    data : mapping of str to array
        What the user gave for the inputs, by their names.
    candidates : mapping of str to Source
        The sources by their paths.
    mask_value : float
        What padding is in float inputs.
    refuse : bool
        Whether the user wants none to, whatever the data has.
    """
    reasons = {path: "empty=off keeps its mask off" for path in candidates if refuse}
    for path, source in candidates.items():
        ids = source.graph.layer(source.call).class_name == "Embedding"
        for name in source.inputs:
            hidden = hidden_in(data.get(name), 0 if ids else mask_value, ids=ids)
            rows = 0 if hidden is None else int(hidden.all(axis=-1).sum())
            if rows:
                reasons[path] = f"{rows} sequences of {name!r} in the data are that"
    return reasons


def hidden_in(array: NDArray[Any] | None, value: float, *, ids: bool) -> NDArray[Any] | None:
    """Return for each step of each sequence whether it has the padding value throughout."""
    if array is None or array.ndim < 2:
        return None
    import numpy as np

    hidden: NDArray[Any] = np.asarray(array == value)
    if ids:
        return hidden.reshape(-1, hidden.shape[-1])
    return np.asarray(hidden.all(axis=-1)) if array.ndim == 3 else None


def _with_any(steps: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    return np.asarray(steps.any(axis=-1))


def _between(hidden: NDArray[Any]) -> NDArray[Any]:
    """Return which hidden steps have others before and behind them."""
    import numpy as np

    before = np.logical_or.accumulate(~hidden, axis=1)
    behind = np.logical_or.accumulate(~hidden[:, ::-1], axis=1)[:, ::-1]
    return hidden & before & behind
