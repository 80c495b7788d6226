"""Read a written file back before it is put in place: its layers, and every weight."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewriter.dialects import decode
from rewriter.errors import ModelWriteError, RewriterError
from rewriter.graph.model_graph import ModelGraph
from rewriter.saved.formats import saved_model
from rewriter.saved.formats.checkpoint import arrays, arrays_by_place
from rewriter.saved.formats.weights_h5 import listed_names, weights_file
from rewriter.saved.model_file import read

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_back(
    written: Path,
    graph: ModelGraph,
    weights: Sequence[Any],
    places: Mapping[str, Mapping[str, Any]] | None,
) -> None:
    """Compare a written file with the live model that it was saved from.

    Parameters
    ----------
    written : Path
        The file.
    graph : ModelGraph
        Of the live model.
    weights : sequence of variables
        Of the live model.
    places : mapping or None
        Groups of the file, and in each the variables by name; in ``.h5`` files by number in the
        order in which Keras loads them. None if that is not known: then the bytes of each weight
        must be anywhere in the file.

    Raises
    ------
    ModelWriteError
        If a layer is missing or another, or a weight is not where Keras will look for it.
    """
    try:
        file = read(written, limits=False)
        layers = _layers(decode(file.document, file.keras))
        wrong = _wrong(written, weights, places, file.format)
    except (RewriterError, OSError, RuntimeError, KeyError, zipfile.BadZipFile) as error:
        raise _otherwise(f"it cannot be read: {error}") from error
    missing = sorted(_layers(graph) ^ layers)
    if missing:
        raise _otherwise(f"layer {missing[0][0]!r} is not as it was")
    if wrong:
        raise _otherwise(wrong)


def _wrong(
    written: Path,
    weights: Sequence[Any],
    places: Mapping[str, Mapping[str, Any]] | None,
    format: str,
) -> str:
    """Say which weight is not where it belongs; nothing if all are."""
    if format == "savedmodel":
        return _displaced(written / saved_model.WEIGHTS, weights, (places or {}).get("", {}))
    with weights_file(written) as root:
        if places is None:
            return _missing(set(_checksums(root)), weights)
        return _misplaced(root, places, format)


def _otherwise(how: str) -> ModelWriteError:
    return ModelWriteError(
        f"the written file does not hold what was written: {how}",
        fix="check the disk, and write to another; what was there before is untouched",
    )


def _layers(graph: ModelGraph) -> set[tuple[str, str]]:
    """Return paths and classes; those of inputs vary with the way a model is written."""
    return {
        ("/".join((*each.path, layer.name)), layer.class_name.rpartition(">")[2])
        for each in graph.walk()
        for layer in each.layers
        if layer.class_name != "InputLayer" and layer.graph is None
    }


def _displaced(prefix: Path, weights: Sequence[Any], places: Mapping[str, Any]) -> str:
    """Say which weight of a checkpoint is not in its place; nothing if all are.

    A weight that loading finds in another way than by its place must be anywhere; a vocabulary,
    which Keras counts among the weights, is in no checkpoint but in the graphs.
    """
    placed = set()
    for place, array in arrays_by_place(prefix, places):
        placed.add(id(places[place]))
        if _checksum(array) != _checksum(_array(places[place])):
            return f"the weight {places[place].name} is not as it was"
    rest = [each for each in weights if id(each) not in placed and hasattr(each, "shape")]
    return _missing(set(map(_checksum, arrays(prefix))), rest) if rest else ""


def _misplaced(root: Any, places: Mapping[str, Mapping[str, Any]], format: str) -> str:
    """Say which weight is not in its place; nothing if all are."""
    if format == "h5":
        listed = listed_names(root["model_weights"], "layer_names")
        own = "top_level_model_weights"
        expected = [each.removeprefix("model_weights/") for each in places]
        if listed != [name for name in expected if name != own]:
            return "it lists its layers in another order"
    for place, variables in places.items():
        if not variables:
            continue
        group = root[place]
        names = listed_names(group, "weight_names") if format == "h5" else list(variables)
        if len(names) != len(variables):
            return f"{place} has {len(names)} weights, not {len(variables)}"
        for name, variable in zip(names, variables.values(), strict=True):
            if _checksum(group[name][()]) != _checksum(_array(variable)):
                return f"the weight {place}/{name} is not as it was"
    return ""


def _missing(stored: Collection[bytes], weights: Sequence[Any]) -> str:
    """Say which weight has none of these checksums; nothing if all have one."""
    for weight in weights:
        if _checksum(_array(weight)) not in stored:
            return f"a weight of shape {tuple(weight.shape)} is not as it was"
    return ""


def _checksums(root: Any) -> Iterator[bytes]:
    import h5py

    pending: list[Any] = [root]
    while pending:
        for each in pending.pop().values():
            if isinstance(each, h5py.Group):
                pending.append(each)
            else:
                yield _checksum(each[()])


def _array(variable: Any) -> NDArray[Any]:
    import numpy as np

    return np.asarray(variable.numpy() if hasattr(variable, "numpy") else variable)


def _checksum(array: NDArray[Any]) -> bytes:
    import numpy as np

    plain = np.ascontiguousarray(array)
    digest = hashlib.blake2b(str(tuple(array.shape)).encode(), digest_size=16)
    digest.update(plain.tobytes())
    return digest.digest()
