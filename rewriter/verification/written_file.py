"""Load a written file with Keras, and compare it with the model that it was written from."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rewriter.analysis.noise_at_inference import draws_at_inference
from rewriter.errors import ModelWriteError, first_line, plain
from rewriter.graph.model_graph import ModelGraph
from rewriter.live.adapters import Live, LiveKeras, live_keras
from rewriter.live.custom_classes import scope_of
from rewriter.saved import read
from rewriter.saved.safety.open_file import kept_open
from rewriter.verification.differences import relative_difference
from rewriter.verification.inputs.made import make_inputs
from rewriter.verification.inputs.specs import input_specs
from rewriter.verification.inputs.tries import fixed_batch, sizes
from rewriter.verification.layer_equality import same_bits
from rewriter.verification.running import (
    Subject,
    attempt,
    explain,
    runner,
    states_kept,
    with_vocabularies,
)

TOLERANCE = 1e-5
"""Keras writes into no config which kernels some recurrent layers use."""


def compare_written(
    written: Path,
    subject: Subject,
    original: Live,
    custom_objects: Mapping[str, Any],
    *,
    run: bool,
) -> str:
    """Compare a written file, as Keras loads it, with its model; return what was compared.

    Parameters
    ----------
    written : Path
        The file, in the format in which it will stay.
    subject : Subject
        The model that it was written from.
    original : live model
        The one that was rewritten, to tell whether Keras can load what it saves of that.
    custom_objects : mapping of str to class or function
        What is needed to load the file.
    run : bool
        Whether outputs are compared, beside the weights.

    Raises
    ------
    ModelWriteError
        Keras cannot load the file, or loads another model.
    """
    keras, model = live_keras(subject.graph.keras), subject.model
    try:
        loaded = _load(keras, written, model, custom_objects)
    except Exception as error:
        raise _cannot_load(
            keras, subject.graph, original, written, custom_objects, error
        ) from error
    wrong = _other_weight(model, loaded)
    if wrong:
        raise ModelWriteError(f"Keras loads the file with other weights: {wrong}")
    if not run or draws_at_inference(subject.graph):
        return "Keras loads it, with the same weights"
    with states_kept(keras, model):
        return _compare_outputs(keras, subject, Subject(subject.graph, loaded))


def _load(keras: LiveKeras, path: Path, like: Live, custom_objects: Mapping[str, Any]) -> Live:
    # What it holds is of the model at hand: no code comes from elsewhere.
    scope = {**scope_of(like, keras), **custom_objects}
    with kept_open(read(path, limits=False)) as source:
        return keras.load(source, scope, compiled=False, allow_code=True)


def _other_weight(model: Live, loaded: Live) -> str:
    """Return the name of the first weight that is another in the loaded model."""
    have, want = (_distinct(each.weights) for each in (loaded, model))
    if len(have) != len(want):
        # Keras loads a layer that stands in several models as several layers, of equal weights.
        bits = [{_bits(weight) for weight in each} for each in (have, want)]
        return "" if bits[0] == bits[1] else f"{len(have)} instead of {len(want)}"
    pairs = zip(want, have, strict=True)
    return next((str(one.name) for one, other in pairs if not same_bits(one, other)), "")


def _bits(weight: Any) -> tuple[Any, ...]:
    import numpy as np

    value = np.asarray(weight)
    return value.shape, value.dtype, value.tobytes()


def _distinct(weights: Any) -> list[Any]:
    """Return each weight once; vocabularies, which Keras 2 counts among them, have no numbers."""
    return list({id(weight): weight for weight in weights if hasattr(weight, "shape")}.values())


def _compare_outputs(keras: LiveKeras, subject: Subject, loaded: Subject) -> str:
    specs = with_vocabularies(keras, subject, input_specs(subject.graph))
    run, other = (runner(keras, each, specs) for each in (subject, loaded))
    found = sizes(specs, lambda arrays: attempt(run, arrays)[0] is not None)
    batch = fixed_batch(specs) or min(3, max(found.batches))
    for seed, zeros in ((41, False), (42, True)):
        arrays = make_inputs(specs, batch, found.lengths[0] or 1, seed, zeros=zeros)
        expected, again = attempt(run, arrays)[0], attempt(run, arrays)[0]
        if expected is None or again is None:
            continue
        actual, failure = attempt(other, arrays)
        if actual is None:
            why = explain(keras, loaded, specs, arrays, failure)
            return f"Keras loads it, with the same weights; what it loads cannot be run: {why}"
        for number, outputs in enumerate(zip(expected, again, actual, strict=True)):
            noise = relative_difference(outputs[0], outputs[1])
            gap = relative_difference(outputs[0], outputs[2])
            if not noise and gap > TOLERANCE:
                raise ModelWriteError(
                    f"the file, as Keras loads it, gives another output {number}: "
                    f"it differs by {gap:.3g} of the greatest magnitude"
                )
    return "Keras loads it, with the same weights and outputs"


def _cannot_load(
    keras: LiveKeras,
    graph: ModelGraph,
    original: Live,
    written: Path,
    custom_objects: Mapping[str, Any],
    error: Exception,
) -> ModelWriteError:
    layer = next(_culprits(graph, plain(error)), "")
    named = f"layer {layer}: " if layer else ""
    ending = "" if written.is_dir() else written.suffix
    if _keras_loads_its_own(keras, original, ending, custom_objects):
        fix = "report it with the class of the layer"
    else:
        named += "Keras cannot load its own save of the original either: "
        fix = "write another format, or have each layer stand in one model alone"
    return ModelWriteError(
        f"Keras {keras.keras} could not load the file: {named}{first_line(error)}", fix=fix
    )


def _culprits(graph: ModelGraph, message: str) -> Iterator[str]:
    """Yield the layers that an error names; then those that stand in several models."""
    places: dict[int, list[str]] = {}
    for inside in graph.walk():
        for layer in inside.layers:
            path = inside.path_of(layer.name)
            if re.search(
                rf"""['"`]{re.escape(layer.name)}['"`]|name={re.escape(layer.name)}\\b""", message
            ):
                yield path
            if layer.identity is not None:
                places.setdefault(layer.identity, []).append(path)
    yield from (" and ".join(paths) for paths in places.values() if len(paths) > 1)


def _keras_loads_its_own(
    keras: LiveKeras, model: Live, ending: str, custom_objects: Mapping[str, Any]
) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"own{ending}"
        try:
            keras.save(model, path)
            _load(keras, path, model, custom_objects)
        except Exception:
            return False
    return True
