"""Put padding into sequences, and find it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rewriter.verification.inputs.specs import InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray


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


def lengthened(spec: InputSpec, array: NDArray[Any], steps: int, *, front: bool) -> NDArray[Any]:
    """Return sequences of an input that has no padding, as long as those that got some.

    What counts the steps goes on counting, other ids stay what they were last, and numbers
    are 0.
    """
    import numpy as np

    if spec.padding is not None or array.ndim < 2 or spec.shape[1] is not None:
        return padded(spec, array, steps, front=front, keep_length=False)
    width = [(0, 0)] * array.ndim
    width[1] = (steps, 0) if front else (0, steps)
    if array.dtype.kind not in "iu":
        return np.pad(array, width) if array.dtype.kind in "fb" else np.pad(array, width, "edge")
    if array.ndim == 2 and array.shape[1] > 1 and bool((np.diff(array, axis=1) == 1).all()):
        counted: NDArray[Any] = array[:, :1] + np.arange(array.shape[1] + steps, dtype=array.dtype)
        return np.minimum(counted, spec.ids - 1) if spec.ids else counted
    return np.pad(array, width, "edge")


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
